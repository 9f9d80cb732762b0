//! `a.b`, `a?.b`, `a["b"]` and calls. A `?.` ends its whole chain: what follows it is skipped when it meets null.

use super::facts::{CURSOR, Cursor};
use super::habit::{Ours, argument};
use super::{Checker, Def, node};
use crate::builtin::{self, Builtin, Higher, signature};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H};
use crate::index::ModuleId;
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, ExprKind as A};
use crate::types::{Lit, Type, fits};

/// A chain so far.
pub(super) struct Access {
    pub(super) expr: Expr,
    pub(super) ty: Type,
    /// Whether an earlier `?.` may have ended it with null.
    pub(super) short: bool,
}

impl Access {
    fn error(span: Span) -> Self {
        Access { expr: Expr::error(span), ty: Type::Error, short: false }
    }
}

impl Checker<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    pub(super) fn postfix(&mut self, module: ModuleId, written: &ast::Expr) -> Access {
        let span = written.span;
        match &*written.kind {
            A::Member { base, name, safe } => {
                if let Some(found) = self.module_member(module, base, name) {
                    return found;
                }
                let base_access = self.postfix(module, base);
                let (base_expr, ty, short) = self.step(base, base_access, *safe);
                self.member(span, base_expr, ty, name, short)
            }
            A::Index { base, index } => {
                let access = self.postfix(module, base);
                let (expr, ty, short) = self.step(base, access, false);
                self.index(module, span, expr, ty, index, short)
            }
            A::Call { callee, args } => {
                if let Some(expr) = self.plan_order(module, span, callee, args) {
                    return Access { expr, ty: Type::Bool, short: false };
                }
                if let Some(called) = self.as_fn(module, callee) {
                    return self.call_fn(module, span, called, args);
                }
                let (expr, ty) = self.call(module, span, callee, args);
                Access { expr, ty, short: false }
            }
            A::Paren(inner) => {
                let (expr, ty) = self.infer(module, inner);
                Access { expr, ty, short: false }
            }
            _ => {
                let (expr, ty) = self.infer(module, written);
                Access { expr, ty, short: false }
            }
        }
    }

    /// Makes ready for one more step: null is refused unless `?.` stands there.
    fn step(&mut self, base: &ast::Expr, access: Access, safe: bool) -> (Expr, Type, bool) {
        let ty = match matches!(&*base.kind, A::Member { .. } | A::Index { .. }) {
            true => self.narrow_path(base, access.ty.clone()),
            false => access.ty.clone(),
        };
        if !ty.is_nullable() {
            return (access.expr, ty, access.short);
        }
        if !safe && !matches!(ty, Type::Null) {
            let d = Diagnostic::new(Code::E0309, format!("this may be null: it is `{ty}`"))
                .at(base.span, "may be null");
            let after = base.span.after();
            self.diags.push(d.help("write `?.`, which yields null if this is null, or test it first").fix(
                "write `?`",
                after,
                "?",
            ));
        }
        (access.expr, ty.non_null(), access.short || safe)
    }

    /// `module.name`
    fn module_member(&mut self, module: ModuleId, base: &ast::Expr, name: &ast::Name) -> Option<Access> {
        let home = self.as_module(module, base)?;
        if name.text.starts_with('_') {
            self.error(
                Code::E0210,
                name.span,
                format!("`{}` is private to its module", name.text),
                "begins with `_`",
            );
            return Some(Access::error(name.span));
        }
        let Some((def, named)) = self.modules[home].values.get(&name.text).cloned() else {
            if &*name.text == CURSOR {
                self.note_cursor(|c| Cursor::Module(c.values_of(home)));
            }
            let known: Vec<String> =
                super::names(&self.modules[home].values).into_iter().map(String::from).collect();
            let d = Diagnostic::new(
                Code::E0201,
                format!("`{}` defines no `{}`", self.modules[home].path, name.text),
            );
            let d = d.at(name.span, "unknown name").nearest(&name.text, known.iter().map(|k| &**k));
            self.diags.push(d);
            return Some(Access::error(name.span));
        };
        let (expr, ty) = self.def(&def, base.span.to(name.span));
        let (at, what) = self.declared(&def, named);
        self.note_use(name.span, at, what, || ty.to_string(), || None);
        Some(Access { expr, ty, short: false })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    pub(super) fn as_module(&self, module: ModuleId, expr: &ast::Expr) -> Option<ModuleId> {
        let (home, name) = match &*expr.kind {
            A::Name(name) if !self.body.scope.iter().any(|l| l.name == *name) => (module, name),
            A::Member { base, name, .. } => (self.as_module(module, base)?, &name.text),
            _ => return None,
        };
        match self.value(home, name)? {
            (Def::Module(id), _) => Some(id),
            _ => None,
        }
    }

    fn member(&mut self, span: Span, base: Expr, ty: Type, name: &ast::Name, short: bool) -> Access {
        let field = |base: Expr| node(span, H::Field { base, name: name.text.clone(), safe: short });
        let fail = |c: &mut Self, diagnostic: Diagnostic| {
            c.diags.push(diagnostic);
            Access { expr: Expr::error(span), ty: Type::Error, short }
        };
        let (plain, secret) = ty.reveal();
        if &*name.text == CURSOR {
            self.note_cursor(|_| Cursor::Member(plain.clone()));
        }
        match &plain {
            Type::Error => Access::error(span),
            Type::Tool(kind) => {
                if let Some(output) = kind.outputs.get(&name.text) {
                    let ty = || output.ty.to_string();
                    self.note_use(name.span, Some(output.span), "output", ty, || output.doc.clone());
                } else if let Some(input) = kind.inputs.get(&name.text) {
                    let field = &input.field;
                    self.note_use(
                        name.span,
                        field.span,
                        "input",
                        || field.ty.to_string(),
                        || field.doc.clone(),
                    );
                }
                let (ty, output) = match (kind.outputs.get(&name.text), kind.inputs.get(&name.text)) {
                    (Some(output), _) => (output.ty.unrefined(), !kind.plugin.is_empty()),
                    (None, Some(input)) => (input.field.ty.unrefined(), false),
                    (None, None) => {
                        let known = kind.outputs.keys().chain(kind.inputs.keys()).map(|k| &**k);
                        let diagnostic = Diagnostic::new(
                            Code::E0303,
                            format!("`{}` has no output or input `{}`", kind.path(), name.text),
                        );
                        return fail(
                            self,
                            diagnostic.at(name.span, "unknown output").nearest(&name.text, known),
                        );
                    }
                };
                let expr = node(span, H::Port { base, name: name.text.clone(), output, safe: short });
                Access { expr, ty, short }
            }
            Type::Record(record) => match record.fields.get(&name.text) {
                Some(f) => {
                    let ty = if secret { f.ty.clone().secret() } else { f.ty.clone() };
                    self.note_use(name.span, f.span, "field", || ty.to_string(), || f.doc.clone());
                    Access { expr: field(base), ty, short }
                }
                None => {
                    let diagnostic = Diagnostic::new(Code::E0303, format!("unknown field `{}`", name.text));
                    let diagnostic = diagnostic
                        .at(name.span, "unknown field")
                        .nearest(&name.text, record.fields.keys().map(|k| &**k));
                    let diagnostic = if record.open {
                        diagnostic.note("extra fields of an open record can be passed on, not read")
                    } else {
                        diagnostic
                    };
                    fail(self, diagnostic)
                }
            },
            Type::Union(members) if members.iter().all(|t| matches!(t, Type::Record(_))) => {
                let types: Vec<Option<Type>> = members
                    .iter()
                    .map(|t| {
                        if let Type::Record(record) = t {
                            record.fields.get(&name.text).map(|f| f.ty.clone())
                        } else {
                            None
                        }
                    })
                    .collect();
                if types.iter().any(Option::is_none) {
                    let diagnostic = Diagnostic::new(
                        Code::E0303,
                        format!("not every member of this union has a field `{}`", name.text),
                    );
                    return fail(
                        self,
                        diagnostic
                            .at(name.span, "missing in some")
                            .help("test the field that tells them apart first"),
                    );
                }
                let ty = Type::union(types.into_iter().flatten());
                Access { expr: field(base), ty, short }
            }
            Type::Map(of) => {
                let diagnostic = Diagnostic::new(Code::E0306, format!("`{ty}` has keys, not fields"))
                    .at(name.span, "not a field");
                let diagnostic = match &**of {
                    Type::Tool(_) => {
                        diagnostic.help(format!("choose one of the family: `[\"key\"].{}`", name.text))
                    }
                    Type::Any
                    | Type::Null
                    | Type::Bool
                    | Type::Int
                    | Type::Float
                    | Type::String
                    | Type::Duration
                    | Type::Size
                    | Type::Lit(_)
                    | Type::List(_)
                    | Type::Map(_)
                    | Type::Record(_)
                    | Type::Union(_)
                    | Type::Secret(_)
                    | Type::Refined(_)
                    | Type::Var(_)
                    | Type::Error => diagnostic.help(format!("write `[\"{}\"]`", name.text)),
                };
                fail(self, diagnostic)
            }
            Type::Any => {
                let diagnostic = Diagnostic::new(Code::E0306, "`any` has no fields that are known");
                fail(
                    self,
                    diagnostic.at(name.span, "read of untyped data").help("give it a type: `x as { ... }`"),
                )
            }
            other @ (Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::List(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Var(_)) => {
                let diagnostic = Diagnostic::new(Code::E0306, format!("`{other}` has no fields"));
                let diagnostic = match &*name.text {
                    "length" | "len" | "size" => diagnostic.help("write `length(x)`"),
                    _ => diagnostic,
                };
                fail(self, diagnostic.at(name.span, format!("read of `{other}`")))
            }
        }
    }

    fn index(
        &mut self,
        module: ModuleId,
        span: Span,
        base: Expr,
        ty: Type,
        index: &ast::Expr,
        short: bool,
    ) -> Access {
        let (expected, result) = match &ty {
            Type::List(t) => (Type::Int, (**t).clone()),
            Type::Map(t) => (Type::String, (**t).clone()),
            Type::Record(record) => {
                let (_, key) = self.infer(module, index);
                let Type::Lit(Lit::String(name)) = key else {
                    self.error(
                        Code::E0306,
                        index.span,
                        "a field of a record is named by a literal",
                        "not a literal",
                    );
                    return Access::error(span);
                };
                let Some(field) = record.fields.get(&name) else {
                    let d = Diagnostic::new(Code::E0303, format!("unknown field `{name}`"));
                    self.diags.push(d.at(index.span, "unknown field"));
                    return Access::error(span);
                };
                let expr = node(span, H::Field { base, name, safe: short });
                return Access { expr, ty: field.ty.clone(), short };
            }
            Type::Error => return Access::error(span),
            other @ (Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)) => {
                let headline = format!("`{other}` has no elements");
                self.error(Code::E0306, span, headline, format!("this is `{other}`"));
                return Access::error(span);
            }
        };
        let index = self.check_expr(module, index, &expected, None);
        Access { expr: node(span, H::Index { base, index, safe: short }), ty: result, short }
    }

    fn call(&mut self, module: ModuleId, span: Span, callee: &ast::Expr, args: &[ast::Arg]) -> (Expr, Type) {
        if let A::Member { base, name, .. } = &*callee.kind
            && let Some(home) = self.as_module(module, base)
            && self.value(home, &name.text).is_none()
        {
            self.module_member(module, base, name);
            return (Expr::error(span), Type::Error);
        }
        let A::Name(name) = &*callee.kind else {
            let d = Diagnostic::new(Code::E0306, "this is not a function").at(callee.span, "called here");
            self.diags.push(if let A::Member { name, .. } = &*callee.kind {
                d.help(super::habit::method(&name.text))
            } else {
                d
            });
            return (Expr::error(span), Type::Error);
        };
        if let Some((Def::Error, _)) = self.value(module, name) {
            return (Expr::error(span), Type::Error);
        }
        if self.body.scope.iter().any(|l| l.name == *name) || self.value(module, name).is_some() {
            self.error(
                Code::E0306,
                callee.span,
                format!("`{name}` is a value, not a function"),
                "called here",
            );
            return (Expr::error(span), Type::Error);
        }
        if let Some(what) = Higher::ALL.into_iter().find(|h| h.name() == &**name) {
            self.note_use(
                callee.span,
                None,
                "builtin",
                || what.signature().into(),
                || Some(what.doc().into()),
            );
            return self.higher(module, span, what, args);
        }
        let Some(builtin) = builtin::find(name) else {
            self.unknown_function(module, name, callee.span);
            return (Expr::error(span), Type::Error);
        };
        self.note_use(
            callee.span,
            None,
            "builtin",
            || signature(builtin),
            || Some(builtin.doc.trim().into()),
        );
        let Some(args) = self.arrange(span, builtin, args) else { return (Expr::error(span), Type::Error) };
        let mut vars: Vec<Option<Type>> = vec![None; 3];
        let (mut secret, mut chosen) = (false, false);
        let mut out = vec![];
        for ((_, wanted), arg) in (builtin.params)().iter().zip(&args) {
            let (expr, given) = self.infer(module, arg);
            secret |= given.has_secret();
            chosen |= builtin.name == "get" && out.len() == 1 && given.has_secret();
            chosen |= builtin.name == "length" && matches!(given, Type::Secret(_));
            // What only tells of the shape takes families as well.
            let seen =
                if builtin.taint == builtin::Taint::Shape { given.without_tools() } else { given.clone() };
            if !unify(wanted, &seen, &mut vars) {
                let shown = substitute(wanted, &vars);
                let headline = format!("`{name}` expects `{shown}`, found `{given}`");
                let d = Diagnostic::new(Code::E0301, headline).at(arg.span, format!("this is `{given}`"));
                let d = match argument(name, &given) {
                    Some(help) => d.help(help),
                    None if given.is_nullable() => d.help("provide a value for null: `x ?? ...`"),
                    None => d,
                };
                self.diags.push(d.note(format!("the function is `{}`", signature(builtin))));
                return (Expr::error(span), Type::Error);
            }
            let to = substitute(wanted, &vars);
            out.push(if matches!(to, Type::Float) { self.convert(expr, &given, &to) } else { expr });
        }
        self.special(builtin, &args, span);
        if let ("sort", Some(of)) = (builtin.name, &vars[0])
            && !super::operators::sortable(of)
        {
            let d =
                Diagnostic::new(Code::E0301, format!("`sort` expects values with an order, found `{of}`"));
            let d = d.at(args[0].span, format!("this is `[{of}]`"));
            self.diags.push(d.note("numbers, strings, durations and sizes have one, each among themselves"));
            return (Expr::error(span), Type::Error);
        }
        let mut ty = substitute(&(builtin.result)(), &vars);
        if builtin.name == "get" && out.len() == 3 {
            ty = ty.non_null();
        }
        if builtin.name == "expose" {
            ty = ty.exposed();
        }
        if chosen || secret && builtin.taint == builtin::Taint::Deep {
            ty = ty.secret();
        }
        (node(span, H::Call(builtin, out)), ty)
    }

    /// A function that nobody knows, by the name that it has in another language perhaps.
    fn unknown_function(&mut self, module: ModuleId, name: &Symbol, span: Span) {
        let (ours, instead) = match super::habit::function(name) {
            Some(Ours::Named(ours)) => (Some(ours), None),
            Some(Ours::Instead(help)) => (None, Some(help)),
            None => (None, None),
        };
        let code = match (ours, instead) {
            (Some(_), _) => Code::E0218,
            (None, Some(_)) => Code::E0219,
            (None, None) => Code::E0208,
        };
        let diagnostic =
            Diagnostic::new(code, format!("unknown function `{name}`")).at(span, "unknown function");
        let diagnostic = match (ours, instead) {
            (Some(ours), _) => {
                let title = format!("write `{ours}`");
                diagnostic.help(title.clone()).fix(title, span, ours)
            }
            (None, Some(help)) => diagnostic.help(help),
            (None, None) => {
                let own =
                    self.modules[module].values.iter().filter(|(_, (def, _))| matches!(def, Def::Fn(_)));
                let mut known: Vec<String> = own.map(|(name, _)| name.to_string()).collect();
                known.sort();
                let higher = Higher::ALL.iter().map(|h| h.name());
                let builtins = builtin::BUILTINS.iter().map(|b| b.name).chain(higher);
                let all = known.iter().map(|k| &**k).chain(builtins);
                diagnostic.nearest(name, all)
            }
        };
        self.diags.push(diagnostic);
    }

    fn special(&mut self, builtin: &Builtin, args: &[ast::Expr], span: Span) {
        let literal =
            |e: &ast::Expr| matches!(&*e.kind, A::Str(parts) if super::ty::plain_text(parts).is_some());
        match builtin.name {
            "env_var" if !literal(&args[0]) => {
                self.error(
                    Code::E0305,
                    args[0].span,
                    "the name of an environment variable is written out",
                    "not a literal",
                );
            }
            "tool_name" if !self.context.in_interface => {
                self.error(
                    Code::E0305,
                    span,
                    "`tool_name()` is allowed only in the defaults of an interface",
                    "not here",
                );
            }
            _ => {}
        }
    }

    /// Arguments in the order of the parameters.
    fn arrange(&mut self, span: Span, builtin: &Builtin, args: &[ast::Arg]) -> Option<Vec<ast::Expr>> {
        let params = (builtin.params)();
        let mut out: Vec<Option<ast::Expr>> = vec![None; params.len()];
        let mut ok = true;
        for (i, arg) in args.iter().enumerate() {
            let slot = match &arg.name {
                None => Some(i).filter(|i| *i < params.len()),
                Some(name) => params.iter().position(|p| p.0 == &*name.text),
            };
            match slot {
                Some(slot) if out[slot].is_none() => out[slot] = Some(arg.value.clone()),
                Some(slot) => {
                    self.error(
                        Code::E0305,
                        arg.value.span,
                        format!("the argument `{}` is given twice", params[slot].0),
                        "again here",
                    );
                    ok = false;
                }
                None => {
                    let at = arg.name.as_ref().map_or(arg.value.span, |n| n.span);
                    let d = Diagnostic::new(
                        Code::E0305,
                        format!("`{}` does not take this argument", builtin.name),
                    );
                    self.diags.push(
                        d.at(at, "one too many").note(format!("the function is `{}`", signature(builtin))),
                    );
                    ok = false;
                }
            }
        }
        let given = out.iter().take_while(|a| a.is_some()).count();
        if ok && given < builtin.required {
            let missing: Vec<String> =
                params[given..builtin.required].iter().map(|p| format!("`{}`", p.0)).collect();
            let d = Diagnostic::new(Code::E0305, format!("`{}` needs {}", builtin.name, missing.join(", ")));
            self.diags.push(
                d.at(span, "arguments are missing").note(format!("the function is `{}`", signature(builtin))),
            );
            ok = false;
        }
        ok.then(|| out.into_iter().map_while(|a| a).collect())
    }
}

/// Whether `given` fits `wanted`, finding the type variables of `wanted`.
fn unify(wanted: &Type, given: &Type, vars: &mut [Option<Type>]) -> bool {
    let given = match (wanted, given) {
        (_, Type::Error) => return true,
        (Type::Var(_), _) => given.clone(),
        (Type::Secret(_), _) => given.clone(),
        (_, Type::Secret(t)) => (**t).clone(),
        _ => given.clone(),
    };
    match (wanted, &given) {
        (Type::Var(n), _) => {
            let slot = &mut vars[*n as usize];
            *slot = Some(match slot.take() {
                None => given.widen(),
                Some(old) if fits(&given, &old) => old,
                Some(old) => Type::union([old, given.widen()]),
            });
            true
        }
        (Type::Secret(w), g) => unify(w, &g.reveal().0, vars),
        (Type::List(w), Type::List(g)) | (Type::Map(w), Type::Map(g)) => unify(w, g, vars),
        (Type::Map(w), Type::Record(r)) => r.fields.values().all(|f| unify(w, &f.ty, vars)),
        (Type::Any, g) => !g.has_tool(),
        (Type::Union(members), g) => g.members().iter().all(|g| members.iter().any(|w| unify(w, g, vars))),
        (w, g) => fits(&g.reveal().0, w),
    }
}

fn substitute(ty: &Type, vars: &[Option<Type>]) -> Type {
    match ty {
        Type::Var(n) => vars[*n as usize].clone().unwrap_or(Type::Any),
        Type::List(t) => Type::list(substitute(t, vars)),
        Type::Map(t) => Type::map(substitute(t, vars)),
        Type::Union(m) => Type::union(m.iter().map(|t| substitute(t, vars))),
        Type::Secret(t) => substitute(t, vars).secret(),
        other @ (Type::Any
        | Type::Null
        | Type::Bool
        | Type::Int
        | Type::Float
        | Type::String
        | Type::Duration
        | Type::Size
        | Type::Lit(_)
        | Type::Record(_)
        | Type::Refined(_)
        | Type::Tool(_)
        | Type::Error) => other.clone(),
    }
}

/// The key of a path of names and fields, as narrowing knows it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
pub(super) fn path_key(expr: &ast::Expr) -> Option<String> {
    match &*expr.kind {
        A::Name(n) => Some(n.to_string()),
        A::Member { base, name, .. } => Some(format!("{}.{}", path_key(base)?, name.text)),
        A::Index { base, index } => {
            let A::Str(parts) = &*index.kind else { return None };
            let key: Symbol = super::ty::plain_text(parts)?;
            Some(format!("{}.{key}", path_key(base)?))
        }
        A::Paren(inner) => path_key(inner),
        _ => None,
    }
}
