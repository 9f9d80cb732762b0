//! Which types hold the values of which.

use super::{Lit, Type, holds};
use std::sync::Arc;

/// Whether every value of `from` is a value of `to`, perhaps after a conversion (int to float, filling
/// defaults, becoming secret).
pub fn fits(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Error, _) | (_, Type::Error) => true,
        (Type::Record(a), Type::Record(b)) if Arc::ptr_eq(a, b) => true,
        (Type::Union(a), Type::Union(b)) if Arc::ptr_eq(a, b) => true,
        (Type::Refined(r), _) => fits(&r.base, to),
        (_, Type::Refined(r)) => fits(from, &r.base),
        (Type::Union(m), _) => m.iter().all(|t| fits(t, to)),
        (Type::Tool(a), Type::Tool(b)) => a.is(b),
        (Type::Tool(_), _) | (_, Type::Tool(_)) if !matches!(to, Type::Union(_)) => false,
        (_, Type::Any) => !from.has_tool(),
        (_, Type::Union(m)) => m.iter().any(|t| fits(from, t)),
        (Type::Secret(a), Type::Secret(b)) => fits(a, b),
        (Type::Secret(_), _) => false,
        (_, Type::Secret(b)) => fits(from, b) && !matches!(from, Type::Null),
        (Type::Int | Type::Lit(Lit::Int(_)), Type::Float) => true,
        (Type::List(a), Type::List(b)) | (Type::Map(a), Type::Map(b)) => fits(a, b),
        (Type::Record(a), Type::Map(b)) => {
            a.fields.values().all(|f| fits(&f.ty, b)) && (!a.open || fits(&Type::Any, b))
        }
        (Type::Record(a), Type::Record(b)) => {
            b.fields.iter().all(|(name, f)| match a.fields.get(name) {
                Some(given) => fits(&given.ty, &f.ty),
                None => f.may_be_absent(),
            }) && (b.open || !a.open && a.fields.keys().all(|k| b.fields.contains_key(k)))
        }
        (a, b) => a == b || holds(b, a),
    }
}

/// Whether a value of `from` must be converted to become one of `to`.
pub fn converts(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Error, _) | (_, Type::Error) => false,
        (_, Type::Any) => false,
        (_, Type::Refined(_)) => true,
        (a, b) if a == b => has_defaults(b),
        (Type::Lit(_), Type::Bool | Type::Int | Type::String) => false,
        (Type::Null, Type::Union(_)) => false,
        (Type::Tool(_), _) => false,
        (a, Type::Union(m)) if m.contains(a) => has_defaults(a),
        _ => true,
    }
}

fn has_defaults(ty: &Type) -> bool {
    ty.sum().defaults
}
