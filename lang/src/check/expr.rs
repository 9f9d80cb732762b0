//! Expressions: `infer` finds a type, `check_expr` brings one in from outside.

use super::facts::{CURSOR, Cursor};
use super::ty::literal;
use super::{Checker, Def, Local, node};
use crate::diag::{Code, Diagnostic, nearest};
use crate::hir::{Choice, Clause, Expr, ExprKind as H};
use crate::index::{ModuleId, Slot, ToolId};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, DeclKind, ExprKind as A, StrPart};
use crate::types::{Lit, Type, converts, fits};
use crate::value::{Data, Value, of_literal};
use std::sync::Arc;

impl Checker<'_> {
    /// The checked expression and its type.
    pub(super) fn infer(&mut self, module: ModuleId, written: &ast::Expr) -> (Expr, Type) {
        let (expr, ty) = stacker::maybe_grow(64 << 10, 1 << 20, || self.infer_here(module, written));
        let ty = self.of_a_size(ty, written.span);
        self.note_type(written.span, &ty);
        (expr, ty)
    }

    fn infer_here(&mut self, module: ModuleId, written: &ast::Expr) -> (Expr, Type) {
        let span = written.span;
        match &*written.kind {
            A::Error => (Expr::error(span), Type::Error),
            A::Float(_) => (constant(written), Type::Float),
            A::Duration(_) => (constant(written), Type::Duration),
            A::Size(_) => (constant(written), Type::Size),
            A::Null | A::Bool(_) | A::Int(_) => (constant(written), literal(written).unwrap_or(Type::Error)),
            A::Str(parts) => self.string(module, span, parts),
            A::Paren(inner) => self.infer(module, inner),
            A::Name(name) => self.name(module, name, span),
            A::Member { .. } | A::Index { .. } | A::Call { .. } => {
                let access = self.postfix(module, written);
                let ty = if access.short { access.ty.optional() } else { access.ty };
                (access.expr, self.narrow_path(written, ty))
            }
            A::Lambda { .. } => {
                self.error(
                    Code::E0306,
                    span,
                    "a function is not a value",
                    "only an argument of a builtin may be one",
                );
                (Expr::error(span), Type::Error)
            }
            A::Construct { name, .. } => {
                let headline = format!("`{} {{ ... }}` is not an expression", name.text);
                self.error(Code::E0101, span, headline, "only `state = NAME { ... }` is written so");
                (Expr::error(span), Type::Error)
            }
            A::Record(entries) => self.infer_record(module, span, entries),
            A::List(elements) => self.infer_list(module, span, elements),
            A::ListComp { body, clause } => {
                let depth = self.body.scope.len();
                let facts = self.body.narrowed.len();
                let clause = self.clause(module, clause);
                let (body, ty) = self.infer(module, body);
                self.body.scope.truncate(depth);
                self.body.narrowed.truncate(facts);
                (node(span, H::ListComp { body, clause: clause.into() }), Type::list(ty.widen()))
            }
            A::MapComp { key, value, clause } => {
                let depth = self.body.scope.len();
                let facts = self.body.narrowed.len();
                let clause = self.clause(module, clause);
                let key = self.check_expr(module, key, &Type::String, None);
                let (value, ty) = self.infer(module, value);
                self.body.scope.truncate(depth);
                self.body.narrowed.truncate(facts);
                (node(span, H::MapComp { key, value, clause: clause.into() }), Type::map(ty.widen()))
            }
            A::If { cond, then, other } => {
                let (checked, secret) = self.condition(module, cond);
                let facts = self.body.narrowed.len();
                self.assume(module, cond, true);
                let (then, then_ty) = self.infer(module, then);
                self.body.narrowed.truncate(facts);
                self.assume(module, cond, false);
                let (other, other_ty) = self.infer(module, other);
                self.body.narrowed.truncate(facts);
                let ty = self.join_types(then_ty, other_ty);
                let choice = node(span, H::If(Choice { cond: checked, then, other }.into()));
                let (choice, ty) = self.one_number(choice, ty);
                let ty = if secret { self.secret_choice(ty, span) } else { ty };
                (choice, ty)
            }
            A::Match { subject, arms } => {
                let arms = self.arms(module, span, subject, arms, |c, value| c.infer(module, value));
                let secret = arms.secret;
                let (choice, types) = arms.expr(span, |arm| arm);
                let ty = types
                    .into_iter()
                    .reduce(|left, right| self.join_types(left, right))
                    .unwrap_or(Type::Error);
                let (choice, ty) = self.one_number(choice, ty);
                let ty = if secret { self.secret_choice(ty, span) } else { ty };
                (choice, ty)
            }
            A::Unary(op, operand) => self.unary(module, span, *op, operand),
            A::Binary(op, left, right) => self.binary(module, span, *op, left, right),
            A::Cast(inner, to) => {
                let ty = self.resolve_type(module, to);
                let (expr, from) = self.infer(module, inner);
                match (&from, &ty) {
                    (Type::Error, _) | (_, Type::Error) => {}
                    _ if fits(&from, &ty) => return (self.convert(expr, &from, &ty), ty.unrefined()),
                    _ if matches!(from.reveal().0.non_null(), Type::Any) => {}
                    _ if fits(&ty, &from) => {}
                    _ => {
                        let d = Diagnostic::new(Code::E0301, format!("`{from}` cannot become `{ty}`"));
                        self.diags.push(d.at(inner.span, format!("this is `{from}`")));
                    }
                }
                let secret = from.has_secret();
                let ty = if secret { ty.secret() } else { ty };
                let read = ty.unrefined();
                (node(span, H::Cast(expr, Arc::new(ty))), read)
            }
        }
    }

    /// The type that both branches have.
    pub(super) fn join_types(&mut self, left: Type, right: Type) -> Type {
        match (&left, &right) {
            (Type::Error, _) | (_, Type::Error) => Type::Error,
            // An empty list or map is one of any elements.
            (Type::List(e), Type::List(_)) | (Type::Map(e), Type::Map(_)) if **e == Type::Error => right,
            (Type::List(_), Type::List(e)) | (Type::Map(_), Type::Map(e)) if **e == Type::Error => left,
            _ if fits(&left, &right) && !matches!(right, Type::Any) && !converts(&left, &right) => right,
            _ if fits(&right, &left) && !matches!(left, Type::Any) && !converts(&right, &left) => left,
            _ => Type::union([left, right]),
        }
    }

    /// A choice between ints and floats is a float.
    fn one_number(&self, choice: Expr, ty: Type) -> (Expr, Type) {
        match ty.is_mixed_number() {
            true => (node(choice.span, H::Convert(choice, Arc::new(Type::Float))), Type::Float),
            false => (choice, ty),
        }
    }

    fn secret_choice(&mut self, ty: Type, span: Span) -> Type {
        if !matches!(ty, Type::Error) && !ty.is_scalar() {
            let headline = format!("a choice made by a secret must give a scalar, not `{ty}`");
            self.error(Code::E0304, span, headline, "its shape would reveal the secret");
        }
        ty.secret()
    }

    /// A condition, and whether it is secret.
    pub(super) fn condition(&mut self, module: ModuleId, written: &ast::Expr) -> (Expr, bool) {
        let (expr, ty) = self.infer(module, written);
        let (plain, secret) = ty.reveal();
        if !fits(&plain, &Type::Bool) {
            let d = Diagnostic::new(Code::E0301, format!("expected `bool`, found `{ty}`"))
                .at(written.span, format!("this is `{ty}`"));
            let d = if ty.is_nullable() { d.help("compare it: `!= null`") } else { d };
            self.diags.push(d.note("a condition is `true` or `false`; nothing else counts as one"));
        }
        (expr, secret)
    }

    fn string(&mut self, module: ModuleId, span: Span, parts: &[StrPart]) -> (Expr, Type) {
        if let Some(text) = super::ty::plain_text(parts) {
            let value = Value::plain(Data::String(text.clone()));
            return (node(span, H::Const(value)), Type::Lit(Lit::String(text)));
        }
        let mut out = vec![];
        let mut secret = false;
        for part in parts {
            match part {
                StrPart::Text(t) => out.push(node(span, H::Const(Value::string(t.clone())))),
                StrPart::Expr(e) => {
                    let (expr, ty) = self.infer(module, e);
                    secret |= ty.has_secret();
                    if !ty.is_scalar() {
                        let d = Diagnostic::new(
                            Code::E0306,
                            format!("`{ty}` cannot be interpolated into a string"),
                        );
                        let d = d.at(e.span, format!("this is `{ty}`"));
                        self.diags.push(match ty.is_nullable() {
                            true => d.help("provide a value for null: `${x ?? \"none\"}`"),
                            false => d.help("write it as JSON: `${json(x)}`"),
                        });
                    }
                    out.push(expr);
                }
            }
        }
        let ty = if secret { Type::String.secret() } else { Type::String };
        (node(span, H::Interp(out)), ty)
    }

    /// A name that stands for a value.
    pub(super) fn name(&mut self, module: ModuleId, name: &Symbol, span: Span) -> (Expr, Type) {
        if let Some(local) = self.body.scope.iter().rev().find(|l| l.name == *name) {
            let (slot, ty, at) = (local.slot, local.ty.clone(), local.span);
            let ty = self.narrowed_type(name, ty);
            self.note_use(span, Some(at), "variable", || ty.to_string(), || None);
            return (node(span, H::Local(slot)), ty);
        }
        let Some((def, named)) = self.value(module, name) else {
            if let Some((expr, ty)) = self.plan_value(name, span) {
                return (expr, ty);
            }
            if &**name == CURSOR {
                self.note_cursor(|c| Cursor::Value { names: c.values_in_scope(module), expected: None });
            }
            self.unknown_name(module, name, span);
            return (Expr::error(span), Type::Error);
        };
        let (expr, ty) = self.def(&def, span);
        let ty = self.narrowed_type(name, ty);
        let (at, what) = self.declared(&def, named);
        self.note_use(span, at, what, || ty.to_string(), || None);
        (expr, ty)
    }

    pub(super) fn def(&mut self, def: &Def, span: Span) -> (Expr, Type) {
        match def {
            Def::Error => (Expr::error(span), Type::Error),
            Def::Let(id) => {
                let ty = self.let_type(*id, span);
                (node(span, H::Let(*id)), ty)
            }
            Def::Param(id) => (node(span, H::Param(*id)), self.hir.params[*id].ty.unrefined()),
            Def::Data(id) => {
                let ty = self.data_types[*id].clone();
                let expr = node(span, H::Data(*id));
                (node(span, H::Convert(expr, Arc::new(ty.clone()))), ty)
            }
            Def::Tool(id) => (node(span, H::Tool(*id)), self.tool_type(*id)),
            Def::Fn(id) => {
                let name = self.fns[*id].name.text.clone();
                let d = Diagnostic::new(Code::E0306, "a function is not a value").at(span, "not called");
                self.diags.push(d.help(format!("call it: `{name}(...)`")));
                (Expr::error(span), Type::Error)
            }
            Def::In(component, at) => {
                let ty = self.component_kind(*component).inputs[*at].field.ty.unrefined();
                (node(span, H::In(*at)), ty)
            }
            Def::Module(_) => {
                self.error(
                    Code::E0306,
                    span,
                    "a module is not a value",
                    "read something of it: `module.name`",
                );
                (Expr::error(span), Type::Error)
            }
        }
    }

    /// The type of a tool's name: one instance, a family, or one that may be absent.
    pub(super) fn tool_type(&self, id: ToolId) -> Type {
        let tool = &self.hir.tools[id];
        let one = Type::Tool(tool.kind.clone());
        match (tool.each.is_some(), tool.cond.is_some()) {
            (true, _) => Type::map(one),
            (false, true) => one.optional(),
            (false, false) => one,
        }
    }

    fn unknown_name(&mut self, module: ModuleId, name: &Symbol, span: Span) {
        let mut diagnostic =
            Diagnostic::new(Code::E0201, format!("`{name}` is not defined")).at(span, "unknown name");
        let fixed = match &**name {
            "True" | "yes" | "on" => Some("true"),
            "False" | "no" | "off" => Some("false"),
            "None" | "nil" | "undefined" | "Null" => Some("null"),
            _ => None,
        };
        if let Some(fixed) = fixed {
            diagnostic.code = Code::E0217;
            self.diags.push(diagnostic.help(format!("write `{fixed}`")).fix(
                format!("write `{fixed}`"),
                span,
                fixed,
            ));
            return;
        }
        if crate::builtin::find(name).is_some() {
            self.diags.push(
                diagnostic
                    .note(format!("`{name}` is a builtin function"))
                    .help(format!("call it: `{name}(...)`")),
            );
            return;
        }
        if &**name == "env" {
            self.diags.push(diagnostic.help("read an environment variable by its name: `env_var(\"HOME\")`"));
            return;
        }
        if &**name == "var" || &**name == "local" {
            self.diags
                .push(diagnostic.help("refer to a param or `let` by its bare name: `name`, not `var.name`"));
            return;
        }
        if self.is_output(name) {
            let help = "an output is not a name of the program: give its value one with `let`";
            self.diags.push(diagnostic.note(format!("`{name}` is an output")).help(help));
            return;
        }
        if let Some(help) = self.foreign_name(name, span) {
            self.diags.push(diagnostic.help(help));
            return;
        }
        let values = self.value_names(module);
        let mut known: Vec<&str> = values.iter().map(|n| &**n).collect();
        known.extend(self.body.scope.iter().map(|l| &*l.name));
        // What a member is taken from is not a text.
        let text = &self.sources.file(span.file).text;
        let member = text.get(span.end as usize..).is_some_and(|rest| rest.starts_with(['.', '[']));
        // Inside an interpolation, quotes would not help: there it is often meant as a variable of the environment.
        let inside = text.get(..span.start as usize).is_some_and(|before| before.trim_end().ends_with("${"));
        let word = !member && !inside && nearest(name, known.iter().copied()).is_none();
        let near = nearest(name, known.iter().copied()).is_some();
        let shouted =
            name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let diagnostic = diagnostic.nearest(name, known);
        if inside && shouted && !near {
            let call = format!("env_var(\"{name}\")");
            let help = format!("read an environment variable by its name: `{call}`");
            self.diags.push(diagnostic.help(help).guess(format!("write `{call}`"), span, call));
            return;
        }
        self.diags.push(if word {
            diagnostic.help(format!("quote a string: `\"{name}\"`"))
        } else {
            diagnostic
        });
    }

    /// Whether an output of the program has a name.
    fn is_output(&self, name: &Symbol) -> bool {
        let decls = self.modules.iter().flat_map(|module| &module.ast.decls);
        decls
            .into_iter()
            .any(|decl| matches!(&decl.kind, DeclKind::Output { name: it, .. } if it.text == *name))
    }

    /// Checks an expression against the type that its place expects. `why` is where that type is declared.
    pub(super) fn check_expr(
        &mut self,
        module: ModuleId,
        expr: &ast::Expr,
        ty: &Type,
        why: Option<Span>,
    ) -> Expr {
        stacker::maybe_grow(64 << 10, 1 << 20, || self.check_here(module, expr, ty, why))
    }

    /// Notes what an editor could put where the cursor is.
    fn note_cursor_at(&mut self, module: ModuleId, written: &ast::Expr, ty: &Type) {
        let is_cursor = |part: &StrPart| matches!(part, StrPart::Text(text) if text.contains(CURSOR));
        if let A::Name(name) = &*written.kind
            && &**name == CURSOR
        {
            self.note_cursor(|c| Cursor::Value {
                names: c.values_in_scope(module),
                expected: Some(ty.clone()),
            });
        } else if let A::Str(parts) = &*written.kind
            && parts.iter().any(is_cursor)
        {
            self.note_cursor(|_| Cursor::Text(ty.clone()));
        }
    }

    fn check_here(&mut self, module: ModuleId, written: &ast::Expr, ty: &Type, why: Option<Span>) -> Expr {
        let span = written.span;
        self.note_cursor_at(module, written, ty);
        match (&*written.kind, ty) {
            (_, Type::Refined(r)) => {
                let inner = self.check_expr(module, written, &r.base, why);
                return node(span, H::Convert(inner, Arc::new(ty.clone())));
            }
            (A::Paren(inner), _) => return self.check_expr(module, inner, ty, why),
            (A::If { cond, then, other }, _) if !matches!(ty, Type::Error) => {
                let (checked, secret) = self.condition(module, cond);
                let facts = self.body.narrowed.len();
                self.assume(module, cond, true);
                let then = self.check_expr(module, then, ty, why);
                self.body.narrowed.truncate(facts);
                self.assume(module, cond, false);
                let other = self.check_expr(module, other, ty, why);
                self.body.narrowed.truncate(facts);
                if secret {
                    self.chosen_by_secret(cond.span, ty);
                }
                return node(span, H::If(Choice { cond: checked, then, other }.into()));
            }
            (A::Match { subject, arms }, _) if !matches!(ty, Type::Error) => {
                let arms = self.arms(module, span, subject, arms, |checked, value| {
                    checked.check_expr(module, value, ty, why)
                });
                if arms.secret {
                    self.chosen_by_secret(subject.span, ty);
                }
                return arms.expr(span, |arm| (arm, ())).0;
            }
            (A::Record(_) | A::List(_) | A::ListComp { .. } | A::MapComp { .. }, _) => {
                if let Some(expr) = self.check_collection(module, written, ty, why) {
                    return expr;
                }
            }
            _ => {}
        }
        let (expr, from) = self.infer(module, written);
        if fits(&from, ty) {
            return self.convert(expr, &from, ty);
        }
        self.mismatch(written, &from, ty, why);
        Expr::error(span)
    }

    /// Refuses a choice by a secret whose place would tell it.
    fn chosen_by_secret(&mut self, at: Span, ty: &Type) {
        if !ty.has_secret() {
            self.error(Code::E0304, at, "a secret decides a value that is not secret", "this is secret");
        } else if !ty.is_scalar() && !matches!(ty, Type::Error) {
            let headline = format!("a choice made by a secret must give a scalar, not `{ty}`");
            self.error(Code::E0304, at, headline, "its shape would reveal the secret");
        }
    }

    /// Makes a conversion explicit where one is needed.
    pub(super) fn convert(&mut self, expr: Expr, from: &Type, to: &Type) -> Expr {
        if converts(from, to) {
            let span = expr.span;
            return node(span, H::Convert(expr, Arc::new(to.clone())));
        }
        expr
    }

    fn mismatch(&mut self, expr: &ast::Expr, from: &Type, to: &Type, why: Option<Span>) {
        let span = expr.span;
        let strings: Vec<&Symbol> = to
            .members()
            .iter()
            .filter_map(|t| if let Type::Lit(Lit::String(s)) = t { Some(s) } else { None })
            .collect();
        let diagnostic = if !strings.is_empty()
            && strings.len() == to.non_null().members().len()
            && let Type::Lit(Lit::String(given)) = from
        {
            const SHOWN: usize = 20;
            let mut choices: Vec<String> =
                strings.iter().take(SHOWN).map(|s| crate::text::quoted(s)).collect();
            if strings.len() > SHOWN {
                choices.push(format!("and {} more", strings.len() - SHOWN));
            }
            let diagnostic = Diagnostic::new(
                Code::E0319,
                format!("{} is not one of the values allowed here", crate::text::quoted(given)),
            )
            .at(span, "not allowed here")
            .note(format!("allowed: {}", choices.join(", ")));
            match nearest(given, strings.iter().map(|s| &***s)) {
                Some(near) => {
                    let near = crate::text::quote(&near);
                    diagnostic.help(format!("write `{near}`")).guess(format!("write `{near}`"), span, near)
                }
                None => diagnostic,
            }
        } else if from.has_secret() && fits(&from.exposed(), to) {
            Diagnostic::new(Code::E0304, "a secret would become readable here")
                .at(span, format!("this is `{from}`, expected `{to}`"))
                .help("use an input or output that is secret, or say why the value may be shown: `expose(x, \"reason\")`")
        } else if from.is_nullable() && fits(&from.non_null(), to) {
            Diagnostic::new(Code::E0309, format!("expected `{to}`, but this may be null"))
                .at(span, format!("this is `{from}`"))
                .help("provide a value for null: `x ?? ...`")
        } else if matches!(from.reveal().0, Type::Any) {
            Diagnostic::new(Code::E0301, format!("expected `{to}`, found `any`"))
                .at(span, "this is untyped")
                .help(format!(
                    "give it a type: `x as {}`",
                    if to.members().len() > 1 { format!("({to})") } else { to.to_string() }
                ))
        } else if to.has_secret() && matches!(from, Type::Lit(_) | Type::Record(_) | Type::List(_)) {
            // What stands there is secret, wrong as it is.
            let what = match from {
                Type::Record(_) => "a record",
                Type::List(_) => "a list",
                Type::Any
                | Type::Null
                | Type::Bool
                | Type::Int
                | Type::Float
                | Type::String
                | Type::Duration
                | Type::Size
                | Type::Lit(_)
                | Type::Map(_)
                | Type::Union(_)
                | Type::Secret(_)
                | Type::Refined(_)
                | Type::Tool(_)
                | Type::Var(_)
                | Type::Error => "something else",
            };
            Diagnostic::new(Code::E0301, format!("expected `{to}`, found {what}"))
                .at(span, "this does not fit")
                .hide_source()
        } else {
            let diagnostic = Diagnostic::new(Code::E0301, format!("expected `{to}`, found `{from}`"))
                .at(span, format!("this is `{from}`"));
            match (from, to.non_null().reveal().0) {
                (
                    Type::Int | Type::Lit(Lit::Int(_)) | Type::Bool | Type::Lit(Lit::Bool(_)) | Type::Float,
                    Type::String,
                ) => {
                    let text = self.sources.text(span).to_string();
                    diagnostic.help(format!("write `\"{text}\"` for the text"))
                }
                (Type::Int | Type::Lit(Lit::Int(_)), Type::Duration) => {
                    diagnostic.help("durations have a unit: `30s`, `10m`")
                }
                (Type::Int | Type::Lit(Lit::Int(_)), Type::Size) => {
                    diagnostic.help("sizes have a unit: `512MiB`")
                }
                (Type::Map(of), Type::Tool(_)) if matches!(**of, Type::Tool(_)) => {
                    diagnostic.help("choose one of the family: `name[\"key\"]`")
                }
                (_, to @ Type::List(_)) => self.unlisted(diagnostic, expr, from, &to),
                (_, to) => self.unquoted(diagnostic, expr, from, &to),
            }
        };
        self.diags.push(match why {
            Some(at) => diagnostic.also(at, "expected because of this"),
            None => diagnostic,
        });
    }

    /// `for x in xs if c`: the variables stay in scope until the caller takes them out.
    pub(super) fn clause(&mut self, module: ModuleId, clause: &ast::Clause) -> Clause {
        let (iter, ty) = self.infer(module, &clause.iter);
        let types = self.element_types(&ty, clause.vars.len(), clause.iter.span);
        let vars = self.bind(&clause.vars, types);
        let filter = clause.filter.as_ref().map(|f| {
            let (cond, secret) = self.condition(module, f);
            if secret {
                self.error(
                    Code::E0304,
                    f.span,
                    "a secret cannot decide which elements there are",
                    "this is secret",
                );
            }
            self.assume(module, f, true);
            cond
        });
        Clause { vars, iter, filter }
    }

    pub(super) fn bind(&mut self, vars: &[ast::Name], types: Vec<Type>) -> Vec<Slot> {
        let mut slots = vec![];
        for (name, ty) in vars.iter().zip(types) {
            let slot = self.body.new_slot();
            self.body.narrowed.push((super::narrow::shadow(&name.text), Type::Error));
            self.note_definition(name.span, "variable", || ty.to_string(), None);
            self.body.scope.push(Local { name: name.text.clone(), span: name.span, slot, ty });
            slots.push(slot);
        }
        slots
    }

    /// The types of one or two variables that go through a value.
    pub(super) fn element_types(&mut self, ty: &Type, count: usize, span: Span) -> Vec<Type> {
        let (first, element) = match ty {
            Type::Error => (Type::Error, Type::Error),
            Type::List(t) => (Type::Int, (**t).clone()),
            Type::Map(t) => (Type::String, (**t).clone()),
            Type::Record(r) if !r.open => {
                let all = Type::union(r.fields.values().map(|f| f.ty.clone()));
                (Type::String, if r.fields.is_empty() { Type::Null } else { all })
            }
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
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)) => {
                let d = Diagnostic::new(Code::E0306, format!("`{other}` has no elements to go through"))
                    .at(span, format!("this is `{other}`"));
                let d = if matches!(other, Type::Any) {
                    d.help("give it a type: `x as [T]`")
                } else if other.is_nullable() {
                    d.help("provide a value for null: `x ?? []`")
                } else {
                    d
                };
                self.diags.push(d);
                (Type::Error, Type::Error)
            }
        };
        if count == 1 {
            // One variable over a map goes through its values.
            return vec![element];
        }
        vec![first, element]
    }
}

/// A number, a boolean or null as it is written.
fn constant(written: &ast::Expr) -> Expr {
    node(written.span, H::Const(of_literal(&written.kind).unwrap_or_else(Value::null)))
}
