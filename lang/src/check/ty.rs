//! Written types to [`Type`]s.

use super::facts::{CURSOR, Cursor};
use super::literal::is_tag;
use super::{Checker, Def, Lazy, Local, RefinementState, names};
use crate::diag::{Code, Diagnostic};
use crate::hir::Expr;
use crate::index::{DefaultId, Id, ModuleId, RefinementId, Slot, TypeId};
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, ExprKind as A, StrPart, TypeExpr, TypeKind};
use crate::types::{FieldType, Lit, RecordType, Refined, Type};
use std::sync::Arc;

const BUILTIN: [(&str, Type); 9] = [
    ("string", Type::String),
    ("int", Type::Int),
    ("float", Type::Float),
    ("bool", Type::Bool),
    ("duration", Type::Duration),
    ("size", Type::Size),
    ("null", Type::Null),
    ("any", Type::Any),
    ("error", Type::Error),
];

impl Checker<'_> {
    pub(super) fn resolve_type(&mut self, module: ModuleId, written: &TypeExpr) -> Type {
        let ty = self.written_type(module, written);
        self.of_a_size(ty, written.span)
    }

    /// The type, or an error in its place where it is larger than anything can go through.
    pub(super) fn of_a_size(&mut self, ty: Type, span: Span) -> Type {
        if !ty.is_too_large() {
            return ty;
        }
        let d = Diagnostic::new(Code::E0321, "this type is too large");
        let d = d.at(span, "with everything inside, it has more parts than a type may have");
        self.diags.push(d.help("write a type where it need not be known in full: `any`, `map<any>`"));
        Type::Error
    }

    fn written_type(&mut self, module: ModuleId, written: &TypeExpr) -> Type {
        let span = written.span;
        match &*written.kind {
            TypeKind::Error => Type::Error,
            TypeKind::Paren(t) => self.resolve_type(module, t),
            TypeKind::Optional(t) => self.resolve_type(module, t).optional(),
            TypeKind::List(t) => Type::list(self.resolve_type(module, t)),
            TypeKind::Map(t) => Type::map(self.resolve_type(module, t)),
            TypeKind::Secret(t) => self.resolve_type(module, t).secret(),
            TypeKind::Lit(e) => match literal(e) {
                Some(lit) => lit,
                None => {
                    self.error(
                        Code::E0203,
                        e.span,
                        "this literal is not a type",
                        "only strings, ints, `true`, `false` and `null` are",
                    );
                    Type::Error
                }
            },
            TypeKind::Union(members) => {
                let types: Vec<Type> = members.iter().map(|t| self.union_member(module, t)).collect();
                self.union_members_differ(&types, span);
                Type::union(types)
            }
            TypeKind::Record { fields, open } => self.record_type(module, fields, *open),
            TypeKind::Where { base, cond, message } => self.refinement(module, base, cond, message.as_ref()),
            TypeKind::Tool(path) => match self.kind(module, path) {
                Some(found) => Type::Tool(found.kind),
                None => Type::Error,
            },
            TypeKind::Function => {
                let d = Diagnostic::new(Code::E0111, "a function is not a value, and has no type");
                self.diags.push(d.at(span, "the type of a function").help(
                    "give what the function would compute; builtins take `x => ...` where they need one",
                ));
                Type::Error
            }
            TypeKind::Wildcard => {
                self.error(Code::E0203, span, "`_` is a pattern, not a type", "write a type");
                Type::Error
            }
            TypeKind::Path(path) => self.named_type(module, path),
        }
    }

    /// `T where cond else "message"`: the condition is checked when everything is declared.
    fn refinement(
        &mut self,
        module: ModuleId,
        base: &TypeExpr,
        cond: &ast::Expr,
        message: Option<&ast::Expr>,
    ) -> Type {
        let base = self.resolve_type(module, base);
        if matches!(base, Type::Error) {
            return base;
        }
        let known = self.late.refinements.position(|r| r.cond.span == cond.span);
        let id = known.unwrap_or_else(|| {
            let message = message.cloned();
            let id = self.late.refinements.push(RefinementState {
                module,
                base: base.unrefined(),
                cond: cond.clone(),
                message,
            });
            let error = Expr::error(cond.span);
            self.hir.refinements.push(crate::hir::Refinement {
                slot: Slot::default(),
                cond: error,
                message: None,
            });
            id
        });
        Type::Refined(Arc::new(Refined { base, id, text: self.sources.text(cond.span).into() }))
    }

    /// Checks the conditions that were met since the last time.
    pub(super) fn late_refinements(&mut self) {
        while self.late.checked_refinements < self.late.refinements.len() {
            let id = RefinementId::from_index(self.late.checked_refinements);
            self.late.checked_refinements += 1;
            let RefinementState { module, base, cond, message } = self.late.refinements[id].clone();
            let outer = std::mem::take(&mut self.body);
            let slot = self.body.new_slot();
            let at = Span { end: cond.span.start, ..cond.span };
            self.body.scope.push(Local { name: "self".into(), span: at, slot, ty: base });
            let (checked, _) = self.condition(module, &cond);
            let message = message.map(|e| self.check_expr(module, &e, &Type::String, None));
            self.body = outer;
            self.hir.refinements[id] = crate::hir::Refinement { slot, cond: checked, message };
        }
    }

    /// A member of a written union; a refinement takes the whole union at its left, never one member.
    fn union_member(&mut self, module: ModuleId, written: &TypeExpr) -> Type {
        match &*written.kind {
            TypeKind::Paren(inner) => self.union_member(module, inner),
            TypeKind::Where { base, .. } => {
                self.refuse_refined_member(written.span);
                self.resolve_type(module, base)
            }
            TypeKind::Path(_)
            | TypeKind::Lit(_)
            | TypeKind::Union(_)
            | TypeKind::Optional(_)
            | TypeKind::List(_)
            | TypeKind::Map(_)
            | TypeKind::Record { .. }
            | TypeKind::Secret(_)
            | TypeKind::Tool(_)
            | TypeKind::Function
            | TypeKind::Wildcard
            | TypeKind::Error => {
                let ty = self.resolve_type(module, written);
                // A name may stand for one as well.
                if let Type::Refined(r) = &ty {
                    self.refuse_refined_member(written.span);
                    return r.base.clone();
                }
                ty
            }
        }
    }

    fn refuse_refined_member(&mut self, span: Span) {
        let d = Diagnostic::new(Code::E0113, "a member of a union cannot be refined");
        self.diags.push(
            d.at(span, "refines one member")
                .note("a condition cannot distinguish the members of a union")
                .help("refine the whole union: `(A | B) where ...`"),
        );
    }

    /// Refuses a form whose meaning comes with a later version.
    pub(super) fn reserved(&mut self, span: Span, form: &str, what: &str) {
        let d = Diagnostic::new(Code::E0110, format!("{form} cannot be used in this version"));
        let d = d.at(span, "read, but without a meaning so far");
        self.diags.push(d.note(format!(
            "the grammar of edition 1 has {what}; this version of dtm does not carry them out"
        )));
    }

    fn record_type(&mut self, module: ModuleId, fields: &[ast::Field], open: bool) -> Type {
        let mut out: IndexMap<Symbol, FieldType> = IndexMap::default();
        for field in fields {
            let Some(written) = &field.ty else { continue };
            let ty = self.resolve_type(module, written);
            let default = field.value.as_ref().map(|value| self.later_default(module, value, &ty));
            let new = FieldType { ty, default, span: Some(field.name.span), doc: field.doc.clone() };
            if let Some(old) = out.insert(field.name.text.clone(), new) {
                let d =
                    Diagnostic::new(Code::E0312, format!("the field `{}` is written twice", field.name.text));
                self.diags.push(
                    d.at(field.name.span, "again here").also(old.span.unwrap_or_default(), "first here"),
                );
            }
        }
        Type::Record(Arc::new(RecordType::new(out, open)))
    }

    /// Keeps a default to be checked when everything is declared; gives its place.
    pub(super) fn later_default(&mut self, module: ModuleId, value: &ast::Expr, ty: &Type) -> DefaultId {
        let id = self.hir.defaults.push(Expr::error(value.span));
        self.late.defaults.push(super::DefaultState {
            id,
            module,
            value: value.clone(),
            ty: ty.clone(),
            in_interface: self.context.in_interface,
        });
        id
    }

    fn named_type(&mut self, module: ModuleId, path: &ast::Path) -> Type {
        let last = &path.parts[path.parts.len() - 1];
        let mut home = module;
        for part in &path.parts[..path.parts.len() - 1] {
            match self.value(home, &part.text) {
                Some((Def::Module(m), _)) => home = m,
                Some((Def::Error, _)) => return Type::Error,
                None if path.parts.len() == 2 && self.is_plugin(&part.text) => {
                    // The types of an interface are for those who use the plugin as well.
                    if self.plugin(part).is_none() {
                        return Type::Error;
                    }
                    match self.plugins.interfaces.get(&part.text) {
                        Some(m) => home = *m,
                        None => return Type::Error,
                    }
                }
                _ => {
                    self.error(
                        Code::E0203,
                        part.span,
                        format!("`{}` is not an imported module", part.text),
                        "not a module",
                    );
                    return Type::Error;
                }
            }
        }
        if home != module && last.text.starts_with('_') {
            self.error(
                Code::E0210,
                last.span,
                format!("`{}` is private to its module", last.text),
                "begins with `_`",
            );
            return Type::Error;
        }
        // What is inside of a module has its types.
        while let (false, Some(outer)) =
            (self.modules[home].types.contains_key(&last.text), self.modules[home].inside)
        {
            home = outer;
        }
        let Some(id) = self.modules[home].types.get(&last.text).copied() else {
            if &*last.text == CURSOR {
                self.note_cursor(|c| {
                    let own = names(&c.modules[home].types).into_iter();
                    let builtin = BUILTIN.iter().map(|b| b.0).filter(|n| *n != "error");
                    Cursor::Type(own.chain(builtin).map(Symbol::from).collect())
                });
            }
            if path.parts.len() == 1
                && let Some((_, ty)) = BUILTIN.iter().find(|(n, _)| *n == &*last.text && *n != "error")
            {
                return ty.clone();
            }
            if path.parts.len() == 1 && &*last.text == "tool" {
                let d = Diagnostic::new(Code::E0112, "`tool` alone is not a type")
                    .at(last.span, "the kind is missing");
                self.diags.push(d.help("name the kind: `tool<core.File>`").note(
                    "the kind determines the inputs and outputs of a tool: none is common to all kinds",
                ));
                return Type::Error;
            }
            let known = names(&self.modules[home].types);
            let all: Vec<&str> = known.into_iter().chain(BUILTIN.iter().map(|b| b.0)).collect();
            let diagnostic = Diagnostic::new(Code::E0203, format!("unknown type `{}`", last.text))
                .at(last.span, "unknown type");
            let diagnostic = match &*last.text {
                "str" | "String" | "text" => {
                    diagnostic.help("write `string`").fix("write `string`", last.span, "string")
                }
                "number" | "integer" | "i64" => {
                    diagnostic.help("write `int` or `float`").fix("write `int`", last.span, "int")
                }
                "boolean" => diagnostic.help("write `bool`").fix("write `bool`", last.span, "bool"),
                "list" | "array" | "set" | "tuple" => diagnostic.help("write `[T]`"),
                "map" => diagnostic.help("write `map<T>`; its keys are strings"),
                "object" | "dict" => diagnostic.help("write `map<T>` or `{ field: T }`"),
                text => diagnostic.nearest(text, all),
            };
            self.diags.push(diagnostic);
            return Type::Error;
        };
        let ty = self.type_of(id, last.span);
        let at = self.types[id].span;
        self.note_use(last.span, Some(at), "type", || ty.to_string(), || None);
        ty
    }

    /// The type that a `type` declares, resolved when first needed.
    pub(super) fn type_of(&mut self, id: TypeId, at: Span) -> Type {
        match &self.types[id].state {
            Lazy::Done(ty) => return ty.clone(),
            Lazy::Busy => {
                let (name, span) = (self.types[id].name.clone(), self.types[id].span);
                let d = Diagnostic::new(Code::E0310, format!("the type `{name}` contains itself"));
                self.diags.push(
                    d.at(at, "here").also(span, "defined here").help("use `any` for data of any depth"),
                );
                return Type::Error;
            }
            Lazy::Todo => self.types[id].state = Lazy::Busy,
        }
        let (home, written) = (self.types[id].module, self.types[id].ty.clone());
        let ty = stacker::maybe_grow(64 << 10, 1 << 20, || self.resolve_type(home, &written));
        self.types[id].state = Lazy::Done(ty.clone());
        ty
    }

    /// Members of a union must be told apart by what the value is, those that a name stands for as well.
    fn union_members_differ(&mut self, types: &[Type], span: Span) {
        let flat: Vec<Type> = types.iter().flat_map(|t| t.members()).map(|t| t.reveal().0).collect();
        // Literals may be many: among themselves they are told apart by their hashes.
        let is_literal = |t: &&Type| matches!(t, Type::Lit(_));
        let others: Vec<(usize, &Type)> = flat.iter().enumerate().filter(|(_, t)| !is_literal(t)).collect();
        let mut literals: crate::maps::HashSet<&Lit> = Default::default();
        let pair = flat.iter().enumerate().find_map(|(i, a)| {
            if let Type::Lit(lit) = a
                && !literals.insert(lit)
            {
                return Some((a, a));
            }
            let met =
                |(at, b): &&(usize, &Type)| (*at > i || is_literal(&a)) && *at != i && !told_apart(a, b);
            others.iter().find(met).map(|(at, b)| if *at < i { (*b, a) } else { (a, *b) })
        });
        let pair = pair.map(|(a, b)| (a.to_string(), b.to_string()));
        if let Some((a, b)) = pair {
            let d = Diagnostic::new(Code::E0307, "the members of this union cannot be told apart")
                .at(span, "this union");
            self.diags.push(match a.starts_with('{') && b.starts_with('{') {
                true => d.help("give each record a field with a literal of its own: `kind: \"a\"`"),
                false => d.note(format!("a value may be both `{a}` and `{b}`")),
            });
        }
    }
}

/// Whether no value is of both types.
fn told_apart(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Error, _) | (_, Type::Error) | (Type::Null, _) | (_, Type::Null) => true,
        (Type::Any, _) | (_, Type::Any) => false,
        (Type::List(_), Type::List(_)) | (Type::Map(_), Type::Map(_) | Type::Record(_)) => false,
        (Type::Record(_), Type::Map(_)) => false,
        (Type::Tool(left), Type::Tool(right)) => !left.is(right),
        (Type::Record(left), Type::Record(right)) => records_apart(left, right),
        (Type::Lit(left), Type::Lit(right)) => left != right,
        _ => left.widen() != right.widen(),
    }
}

/// Records differ in a field with literals of its own, or each has a field that it needs and the other cannot have.
fn records_apart(left: &RecordType, right: &RecordType) -> bool {
    let tagged = left.fields.iter().any(|(name, f)| {
        let Some(g) = right.fields.get(name).filter(|g| is_tag(&f.ty) && is_tag(&g.ty)) else { return false };
        !f.ty.members().iter().any(|l| g.ty.members().contains(l))
    });
    let needs = |left: &RecordType, right: &RecordType| {
        left.fields.iter().any(|(n, f)| !f.may_be_absent() && !right.open && !right.fields.contains_key(n))
    };
    tagged || needs(left, right) && needs(right, left)
}

/// The type of a literal.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
pub(super) fn literal(expr: &ast::Expr) -> Option<Type> {
    Some(match &*expr.kind {
        A::Null => Type::Null,
        A::Bool(b) => Type::Lit(Lit::Bool(*b)),
        A::Int(i) => Type::Lit(Lit::Int(*i)),
        A::Unary(ast::UnaryOp::Neg, inner) => {
            let A::Int(number) = &*inner.kind else { return None };
            Type::Lit(Lit::Int(number.wrapping_neg()))
        }
        A::Str(parts) => Type::Lit(Lit::String(plain_text(parts)?)),
        _ => return None,
    })
}

/// The text of a string without `${...}`.
pub(super) fn text_of(expr: &ast::Expr) -> Option<Symbol> {
    if let A::Str(parts) = &*expr.kind { plain_text(parts) } else { None }
}

/// The text of a string without interpolation.
pub(super) fn plain_text(parts: &[StrPart]) -> Option<Symbol> {
    match parts {
        [] => Some("".into()),
        [StrPart::Text(t)] => Some(t.clone()),
        _ if parts.iter().any(|p| matches!(p, StrPart::Expr(_))) => None,
        _ => {
            let text = |p: &StrPart| if let StrPart::Text(t) = p { t.to_string() } else { String::new() };
            Some(parts.iter().map(text).collect::<String>().into())
        }
    }
}
