//! Types made of other types: without `null`, secret or shown, widened, without conditions or tools.

use super::{Lit, Refined, Type};
use std::sync::Arc;

impl Type {
    /// Without `null`.
    pub fn non_null(&self) -> Type {
        match self {
            Type::Union(m) => Type::union(m.iter().filter(|t| !matches!(t, Type::Null)).cloned()),
            Type::Refined(r) if r.base.is_nullable() => r.base.non_null(),
            other @ (Type::Any
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
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error) => other.clone(),
        }
    }
    /// Makes it secret: on every scalar and `any` inside.
    pub fn secret(self) -> Type {
        match self {
            Type::Null | Type::Secret(_) | Type::Tool(_) | Type::Var(_) | Type::Error => self,
            Type::List(t) => Type::list((*t).clone().secret()),
            Type::Map(t) => Type::map((*t).clone().secret()),
            Type::Union(m) => Type::union(m.iter().cloned().map(Type::secret)),
            Type::Refined(r) => {
                Type::Refined(Arc::new(Refined { base: r.base.clone().secret(), ..(*r).clone() }))
            }
            Type::Record(r) => r.map(|ty| ty.clone().secret()),
            scalar @ (Type::Any
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)) => Type::Secret(Arc::new(scalar)),
        }
    }
    /// Without `secret` at its top; whether there was one.
    pub fn reveal(&self) -> (Type, bool) {
        match self {
            Type::Secret(t) => ((**t).clone(), true),
            Type::Refined(r) => r.base.reveal(),
            Type::Union(m) if m.iter().any(|t| matches!(t, Type::Secret(_))) => {
                (Type::union(m.iter().map(|t| t.reveal().0)), true)
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
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error) => (other.clone(), false),
        }
    }
    /// Without `secret` anywhere inside.
    pub fn exposed(&self) -> Type {
        if !self.has_secret() {
            return self.clone();
        }
        if let Type::Secret(plain) = self {
            return plain.exposed();
        }
        if let Type::Refined(refined) = self {
            let base = refined.base.exposed();
            return Type::Refined(Arc::new(Refined { base, ..(**refined).clone() }));
        }
        self.with_parts(Type::exposed)
    }
    /// With `any` in the place of every tool inside, but for those in records.
    pub fn without_tools(&self) -> Type {
        if !self.has_tool() || matches!(self, Type::Record(_)) {
            return self.clone();
        }
        if let Type::Tool(_) = self {
            return Type::Any;
        }
        self.with_parts(Type::without_tools)
    }
    /// Without conditions: what is read of such a value.
    pub fn unrefined(&self) -> Type {
        if !self.has_refinement() {
            return self.clone();
        }
        if let Type::Refined(refined) = self {
            return refined.base.unrefined();
        }
        if let Type::Secret(plain) = self {
            return plain.unrefined().secret();
        }
        self.with_parts(Type::unrefined)
    }
    /// A literal's own type widened to what a `let` of it holds.
    pub fn widen(&self) -> Type {
        if !self.sum().literal {
            return self.clone();
        }
        if let Type::Secret(plain) = self {
            return plain.widen().secret();
        }
        if let Type::Lit(lit) = self {
            return match lit {
                Lit::Bool(_) => Type::Bool,
                Lit::Int(_) => Type::Int,
                Lit::String(_) => Type::String,
            };
        }
        self.with_parts(Type::widen)
    }
    /// The same list, map, record or union of other types; any other type as it is.
    fn with_parts(&self, change: impl Fn(&Type) -> Type) -> Type {
        match self {
            Type::List(element) => Type::list(change(element)),
            Type::Map(element) => Type::map(change(element)),
            Type::Record(record) => record.map(change),
            Type::Union(members) => Type::union(members.iter().map(change)),
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error => self.clone(),
        }
    }
}
