//! Written types to [`Type`]s.

use super::{Checker, Def, Lazy, names};
use crate::diag::{Code, Diagnostic};
use crate::hir::Expr;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind as A, StrPart, TypeExpr, TypeKind};
use crate::types::{FieldType, Lit, RecordType, Type};
use indexmap::IndexMap;
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
    pub(super) fn resolve_type(&mut self, module: usize, written: &TypeExpr) -> Type {
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
                        "this literal is no type",
                        "only strings, ints, `true`, `false` and `null` are",
                    );
                    Type::Error
                }
            },
            TypeKind::Union(members) => {
                let types: Vec<Type> = members.iter().map(|t| self.resolve_type(module, t)).collect();
                self.union_members_differ(&types, span);
                Type::union(types)
            }
            TypeKind::Record { fields, open } => self.record_type(module, fields, *open),
            TypeKind::Where { base, cond, .. } => {
                let at = Span { end: cond.span.end, ..cond.span };
                self.reserved(at, "`where`", "refinements");
                self.resolve_type(module, base)
            }
            TypeKind::Tool(path) => match self.kind(path) {
                Some((_, kind)) => Type::Tool(kind),
                None => Type::Error,
            },
            TypeKind::Wildcard => {
                self.error(Code::E0203, span, "`_` is a pattern, not a type", "write a type");
                Type::Error
            }
            TypeKind::Path(path) => self.named_type(module, path),
        }
    }

    /// Refuses a form whose meaning comes with a later version.
    pub(super) fn reserved(&mut self, span: Span, form: &str, what: &str) {
        let d = Diagnostic::new(Code::E0110, format!("{form} cannot be used in this version"));
        let d = d.at(span, "read, but without a meaning so far");
        self.diags.push(d.note(format!(
            "the grammar of edition 1 has {what}; this version of dtm does not carry them out"
        )));
    }

    fn record_type(&mut self, module: usize, fields: &[ast::Field], open: bool) -> Type {
        let mut out: IndexMap<crate::source::Symbol, FieldType> = IndexMap::new();
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
        Type::Record(Arc::new(RecordType { fields: out, open }))
    }

    /// Keeps a default to be checked when everything is declared; gives its place.
    pub(super) fn later_default(&mut self, module: usize, value: &ast::Expr, ty: &Type) -> usize {
        let slot = self.hir.defaults.len();
        self.hir.defaults.push(Expr::error(value.span));
        self.defaults.push((module, value.clone(), ty.clone(), slot, self.interface));
        slot
    }

    fn named_type(&mut self, module: usize, path: &ast::Path) -> Type {
        let last = &path.parts[path.parts.len() - 1];
        let mut home = module;
        for part in &path.parts[..path.parts.len() - 1] {
            match self.modules[home].values.get(&part.text) {
                Some((Def::Module(m), _)) => home = *m,
                Some((Def::Error, _)) => return Type::Error,
                _ => {
                    self.error(
                        Code::E0203,
                        part.span,
                        format!("`{}` is no imported module", part.text),
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
        let Some(id) = self.modules[home].types.get(&last.text).copied() else {
            if path.parts.len() == 1
                && let Some((_, ty)) = BUILTIN.iter().find(|(n, _)| *n == &*last.text && *n != "error")
            {
                return ty.clone();
            }
            let known = names(&self.modules[home].types);
            let all: Vec<&str> = known.into_iter().chain(BUILTIN.iter().map(|b| b.0)).collect();
            let d = Diagnostic::new(Code::E0203, format!("no type `{}` is known", last.text))
                .at(last.span, "unknown type");
            let d = match &*last.text {
                "str" | "String" | "text" => {
                    d.help("write `string`").fix("write `string`", last.span, "string")
                }
                "number" | "integer" | "i64" => {
                    d.help("write `int` or `float`").fix("write `int`", last.span, "int")
                }
                "boolean" => d.help("write `bool`").fix("write `bool`", last.span, "bool"),
                "list" | "array" => d.help("write `[T]`"),
                "object" | "dict" => d.help("write `map<T>` or `{ field: T }`"),
                text => d.nearest(text, all),
            };
            self.diags.push(d);
            return Type::Error;
        };
        self.type_of(id, last.span)
    }

    /// The type that a `type` declares, resolved when first needed.
    pub(super) fn type_of(&mut self, id: usize, at: Span) -> Type {
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

    /// Members of a union must be told apart by what the value is.
    fn union_members_differ(&mut self, types: &[Type], span: Span) {
        let records: Vec<&Arc<RecordType>> =
            types.iter().filter_map(|t| if let Type::Record(r) = t { Some(r) } else { None }).collect();
        let lists = types.iter().filter(|t| matches!(t, Type::List(_))).count();
        let maps = types.iter().filter(|t| matches!(t, Type::Map(_))).count();
        let tagged = |a: &RecordType, b: &RecordType| {
            a.fields.iter().any(|(n, f)| match (&f.ty, b.fields.get(n).map(|g| &g.ty)) {
                (Type::Lit(x), Some(Type::Lit(y))) => x != y,
                _ => false,
            }) || a.fields.iter().any(|(n, f)| !f.may_be_absent() && !b.fields.contains_key(n))
                && b.fields.iter().any(|(n, f)| !f.may_be_absent() && !a.fields.contains_key(n))
        };
        let same = records.iter().enumerate().any(|(i, a)| records[i + 1..].iter().any(|b| !tagged(a, b)));
        if same || lists > 1 || maps > 1 || maps == 1 && !records.is_empty() {
            let d = Diagnostic::new(Code::E0307, "the members of this union cannot be told apart")
                .at(span, "this union");
            self.diags.push(d.help("give each record a field with a literal of its own: `kind: \"a\"`"));
        }
    }
}

/// The type of a literal.
pub(super) fn literal(e: &ast::Expr) -> Option<Type> {
    Some(match &*e.kind {
        A::Null => Type::Null,
        A::Bool(b) => Type::Lit(Lit::Bool(*b)),
        A::Int(i) => Type::Lit(Lit::Int(*i)),
        A::Unary(ast::UnaryOp::Neg, inner) => match &*inner.kind {
            A::Int(i) => Type::Lit(Lit::Int(-i)),
            _ => return None,
        },
        A::Str(parts) => Type::Lit(Lit::String(plain_text(parts)?)),
        _ => return None,
    })
}

/// The text of a string without interpolation.
pub(super) fn plain_text(parts: &[StrPart]) -> Option<crate::source::Symbol> {
    match parts {
        [] => Some("".into()),
        [StrPart::Text(t)] => Some(t.clone()),
        _ => {
            let mut out = String::new();
            for part in parts {
                match part {
                    StrPart::Text(t) => out += t,
                    StrPart::Expr(_) => return None,
                }
            }
            Some(out.into())
        }
    }
}
