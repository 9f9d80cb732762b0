//! Narrowing: what a test tells of the type of a path of names and fields, in branches, right of `&&` and
//! `||`, and in filters.

use super::Checker;
use super::access::path_key;
use super::ty::literal;
use crate::index::ModuleId;
use crate::source::Symbol;
use crate::syntax::ast::{self, BinaryOp, ExprKind as A, UnaryOp};
use crate::types::{Lit, Type};

impl Checker<'_> {
    /// Takes a condition as true (or false) from here on; the caller takes the facts out again.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    pub(super) fn assume(&mut self, module: ModuleId, cond: &ast::Expr, holds: bool) {
        match &*cond.kind {
            A::Paren(inner) => self.assume(module, inner, holds),
            A::Unary(UnaryOp::Not, inner) => self.assume(module, inner, !holds),
            A::Binary(BinaryOp::And, a, b) if holds => {
                self.assume(module, a, true);
                self.assume(module, b, true);
            }
            A::Binary(BinaryOp::Or, a, b) if !holds => {
                self.assume(module, a, false);
                self.assume(module, b, false);
            }
            A::Binary(op @ (BinaryOp::Eq | BinaryOp::NotEq), a, b) => {
                let equal = (*op == BinaryOp::Eq) == holds;
                if let Some(lit) = literal(b) {
                    self.learn(module, a, &lit, equal);
                } else if let Some(lit) = literal(a) {
                    self.learn(module, b, &lit, equal);
                }
            }
            _ => {}
        }
    }

    fn learn(&mut self, module: ModuleId, path: &ast::Expr, lit: &Type, equal: bool) {
        let Some(key) = path_key(path) else { return };
        let ty = self.type_of_path(module, path);
        let kept: Vec<Type> =
            ty.members().iter().filter(|t| if equal { may_be(t, lit) } else { *t != lit }).cloned().collect();
        if !kept.is_empty() && kept.len() < ty.members().len() {
            self.body.narrowed.push((key.clone(), Type::union(kept)));
        } else if equal && !matches!(lit, Type::Null) && ty == lit.widen() {
            self.body.narrowed.push((key.clone(), lit.clone()));
        }
        self.learn_of_base(module, path, |field| {
            if equal { field.members().iter().any(|t| may_be(t, lit)) } else { field != lit }
        });
    }

    /// The type of a path without a word about it: it has been checked where it stands.
    fn type_of_path(&mut self, module: ModuleId, path: &ast::Expr) -> Type {
        let before = self.diags.clone();
        let (_, ty) = self.infer(module, path);
        self.diags = before;
        ty
    }

    /// What a test of `t.kind` tells of `t`: a union of records keeps the members whose field may be so.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    pub(super) fn learn_of_base(
        &mut self,
        module: ModuleId,
        path: &ast::Expr,
        may_be: impl Fn(&Type) -> bool,
    ) {
        match &*path.kind {
            A::Paren(inner) => self.learn_of_base(module, inner, may_be),
            A::Member { base, name, .. } => {
                let Some(key) = path_key(base) else { return };
                let ty = self.type_of_path(module, base);
                let kept = ty.members().iter().filter(|t| match t {
                    Type::Record(r) => r.fields.get(&name.text).is_some_and(|f| may_be(&f.ty)),
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
                    | Type::Union(_)
                    | Type::Secret(_)
                    | Type::Refined(_)
                    | Type::Tool(_)
                    | Type::Var(_)
                    | Type::Error => false,
                });
                let kept: Vec<Type> = kept.cloned().collect();
                if !kept.is_empty() && kept.len() < ty.members().len() {
                    self.body.narrowed.push((key, Type::union(kept)));
                }
            }
            _ => {}
        }
    }

    pub(super) fn narrowed_type(&self, name: &Symbol, ty: Type) -> Type {
        self.lookup(name, ty)
    }

    /// The narrowed type of a whole path expression.
    pub(super) fn narrow_path(&self, expr: &ast::Expr, ty: Type) -> Type {
        if self.body.narrowed.is_empty() {
            return ty;
        }
        path_key(expr).map_or(ty.clone(), |key| self.lookup(&key, ty))
    }

    fn lookup(&self, key: &str, ty: Type) -> Type {
        let hidden = shadow(key.split('.').next().unwrap_or(key));
        match self.body.narrowed.iter().rev().find(|(k, _)| k == key || *k == hidden) {
            Some((k, narrow)) if k == key => narrow.clone(),
            _ => ty,
        }
    }
}

/// The mark of a new variable: what was known of an outer one of its name does not hold for it.
pub(super) fn shadow(name: &str) -> String {
    format!("{name}!")
}

fn may_be(ty: &Type, lit: &Type) -> bool {
    match (ty, lit) {
        (Type::Lit(a), Type::Lit(b)) => a == b,
        (Type::Null, Type::Null) => true,
        (Type::String, Type::Lit(Lit::String(_)))
        | (Type::Int, Type::Lit(Lit::Int(_)))
        | (Type::Bool, Type::Lit(Lit::Bool(_))) => true,
        (Type::Float, Type::Lit(Lit::Int(_))) | (Type::Any | Type::Error, _) => true,
        (Type::Secret(t), _) => may_be(t, lit),
        _ => false,
    }
}
