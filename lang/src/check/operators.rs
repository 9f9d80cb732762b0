//! Operators: which operands they take and what they give.

use super::{Checker, node};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H};
use crate::index::ModuleId;
use crate::source::Span;
use crate::syntax::ast::{self, BinaryOp, ExprKind as A, UnaryOp};
use crate::types::{Lit, RecordType, Type, fits};

impl Checker<'_> {
    pub(super) fn unary(
        &mut self,
        module: ModuleId,
        span: Span,
        op: UnaryOp,
        operand: &ast::Expr,
    ) -> (Expr, Type) {
        if let (UnaryOp::Neg, Some(ty)) =
            (op, super::ty::literal(&ast::Expr { span, kind: Box::new(A::Unary(op, operand.clone())) }))
        {
            let (inner, _) = self.infer(module, operand);
            return (node(span, H::Neg(inner)), ty);
        }
        let (expr, ty) = self.infer(module, operand);
        let (plain, secret) = ty.reveal();
        let (expr, result) = match op {
            UnaryOp::Not if fits(&plain, &Type::Bool) => (H::Not(expr), Type::Bool),
            UnaryOp::Neg
                if matches!(
                    plain.widen(),
                    Type::Int | Type::Float | Type::Duration | Type::Size | Type::Error
                ) =>
            {
                (H::Neg(expr), plain.widen())
            }
            UnaryOp::Neg | UnaryOp::Not => {
                let sign = if op == UnaryOp::Not { "!" } else { "-" };
                let d = Diagnostic::new(Code::E0306, format!("`{sign}` does not apply to `{ty}`"));
                self.diags.push(d.at(operand.span, format!("this is `{ty}`")));
                return (Expr::error(span), Type::Error);
            }
        };
        (node(span, expr), if secret { result.secret() } else { result })
    }

    pub(super) fn binary(
        &mut self,
        module: ModuleId,
        span: Span,
        op: BinaryOp,
        left_operand: &ast::Expr,
        right_operand: &ast::Expr,
    ) -> (Expr, Type) {
        use BinaryOp::*;
        if op.compares() && matches!(&*left_operand.kind, A::Binary(first, ..) if first.compares()) {
            let diagnostic =
                Diagnostic::new(Code::E0311, "comparisons do not chain").at(span, "two comparisons in a row");
            self.diags.push(diagnostic.help("join them with `&&`: `a < b && b < c`"));
            return (Expr::error(span), Type::Error);
        }
        match op {
            And | Or => {
                let (left, left_secret) = self.condition(module, left_operand);
                let facts = self.body.narrowed.len();
                self.assume(module, left_operand, op == And);
                let (right, right_secret) = self.condition(module, right_operand);
                self.body.narrowed.truncate(facts);
                let expr = if op == And { H::And(left, right) } else { H::Or(left, right) };
                let ty = if left_secret || right_secret { Type::Bool.secret() } else { Type::Bool };
                return (node(span, expr), ty);
            }
            Coalesce => {
                let (left, left_ty) = self.infer(module, left_operand);
                let (right, right_ty) = self.infer(module, right_operand);
                if matches!(left_ty, Type::Error) {
                    return (Expr::error(span), Type::Error);
                }
                let ty = self.join_types(left_ty.non_null(), right_ty);
                let ty = if matches!(left_ty, Type::Null) { ty.non_null() } else { ty };
                return (node(span, H::Coalesce(left, right)), ty.clone());
            }
            Eq | NotEq | Lt | LtEq | Gt | GtEq | In | Range | RangeEq | Add | Sub | Mul | Div | Rem => {}
        }
        let (left, left_ty) = self.infer(module, left_operand);
        let (right, right_ty) = self.infer(module, right_operand);
        let right_ty = if op == In { choices(right_operand).unwrap_or(right_ty) } else { right_ty };
        if matches!(left_ty, Type::Error) || matches!(right_ty, Type::Error) {
            return (Expr::error(span), Type::Error);
        }
        let ((left_plain, left_secret), (right_plain, right_secret)) = (left_ty.reveal(), right_ty.reveal());
        let result = match op {
            Eq | NotEq => comparable(&left_plain, &right_plain).then_some(Type::Bool),
            Lt | LtEq | Gt | GtEq => ordered(&left_plain.widen(), &right_plain.widen()).then_some(Type::Bool),
            In => contains(&left_plain, &right_plain).then_some(Type::Bool),
            Range | RangeEq => (fits(&left_plain, &Type::Int) && fits(&right_plain, &Type::Int))
                .then(|| Type::list(Type::Int)),
            Coalesce | Or | And | Add | Sub | Mul | Div | Rem => {
                arithmetic(op, &left_plain.widen(), &right_plain.widen())
            }
        };
        let Some(ty) = result else {
            let diagnostic = Diagnostic::new(
                Code::E0306,
                format!("`{}` does not apply to `{left_ty}` and `{right_ty}`", op.text()),
            );
            let diagnostic = diagnostic
                .at(span, "these operands")
                .also(left_operand.span, format!("this is `{left_ty}`"))
                .also(right_operand.span, format!("this is `{right_ty}`"));
            let text =
                matches!(left_plain.widen(), Type::String) || matches!(right_plain.widen(), Type::String);
            self.diags.push(match (op, &left_plain) {
                (Add, _) if text => diagnostic.help("join strings by writing them into one: `\"${a}${b}\"`"),
                (Rem, _) if matches!(left_plain.widen(), Type::String) => {
                    diagnostic.help("write values into a string: `\"${a}-${b}\"`")
                }
                (Add, Type::List(_)) => diagnostic.help("join lists with spreads: `[...a, ...b]`"),
                _ if left_plain.is_nullable() || right_plain.is_nullable() => {
                    diagnostic.help("provide a value for null: `x ?? ...`")
                }
                _ => diagnostic,
            });
            return (Expr::error(span), Type::Error);
        };
        // Whether a secret is there at all is no secret.
        let null_test = matches!(op, Eq | NotEq)
            && (matches!(left_plain, Type::Null) || matches!(right_plain, Type::Null));
        if null_test {
            return (node(span, H::Binary(op, left, right)), ty);
        }
        // Which keys a map has is no secret either.
        let public = op == In && matches!(right_plain, Type::Map(_) | Type::Record(_));
        let right_secret = right_secret || !public && right_ty.has_secret();
        let ty = if left_secret || left_ty.has_secret() || right_secret { ty.secret() } else { ty };
        (node(span, H::Binary(op, left, right)), ty)
    }
}

/// The type of a list of literals that keeps which ones they are.
fn choices(expr: &ast::Expr) -> Option<Type> {
    let A::List(items) = &*expr.kind else { return None };
    let literal = |item: &ast::Element| match item {
        ast::Element::One(expr) => super::ty::literal(expr),
        ast::Element::Spread(_) => None,
    };
    let all: Vec<Type> = items.iter().map(literal).collect::<Option<_>>()?;
    (!all.is_empty()).then(|| Type::list(Type::union(all)))
}

/// Types that overlap.
fn comparable(left: &Type, right: &Type) -> bool {
    let choice = matches!(left, Type::Union(_)) || matches!(right, Type::Union(_));
    let one = |x: &Type, y: &Type| {
        if x.has_tool() || y.has_tool() {
            return false;
        }
        // A value that is not among the choices is never equal.
        if let (Type::Lit(x), Type::Lit(y), true) = (x, y, choice) {
            return x == y;
        }
        match (x, y) {
            (Type::List(x), Type::List(y)) | (Type::Map(x), Type::Map(y)) => inside(x, y),
            (Type::Map(of), Type::Record(r)) | (Type::Record(r), Type::Map(of)) => {
                r.fields.values().all(|f| f.may_be_absent() || inside(of, &f.ty))
            }
            (Type::Record(x), Type::Record(y)) => records_overlap(x, y),
            _ => {
                let (x, y) = (x.widen(), y.widen());
                fits(&x, &y) || fits(&y, &x)
            }
        }
    };
    let null = |t: &Type| matches!(t, Type::Null);
    if null(left) || null(right) {
        return true;
    }
    left.members().iter().any(|x| {
        right.members().iter().any(|y| {
            !matches!(x, Type::Tool(_)) && !matches!(y, Type::Tool(_)) && one(&x.reveal().0, &y.reveal().0)
        })
    })
}

/// Whether two lists or maps of these elements may be equal and hold some.
fn inside(left: &Type, right: &Type) -> bool {
    matches!(left, Type::Error)
        || matches!(right, Type::Error)
        || comparable(&left.reveal().0, &right.reveal().0)
}

fn records_overlap(left: &RecordType, right: &RecordType) -> bool {
    let covers = |left: &RecordType, right: &RecordType| {
        left.fields.iter().all(|(name, f)| match right.fields.get(name) {
            Some(g) => inside(&f.ty, &g.ty),
            None => right.open || f.may_be_absent(),
        })
    };
    covers(left, right) && covers(right, left)
}

/// Whether values of the type have an order among each other.
pub(super) fn sortable(of: &Type) -> bool {
    let plain: Vec<Type> = of.members().iter().map(|t| t.reveal().0.widen()).collect();
    plain.iter().all(|a| matches!(a, Type::Error) || plain.iter().all(|b| ordered(a, b)))
}

fn ordered(left: &Type, right: &Type) -> bool {
    use Type::*;
    matches!(
        (left, right),
        (Int | Float, Int | Float) | (Duration, Duration) | (Size, Size) | (String, String)
    )
}

fn contains(left: &Type, right: &Type) -> bool {
    match right {
        Type::List(t) => inside(left, t),
        Type::Map(_) | Type::Record(_) => fits(left, &Type::String),
        Type::String | Type::Lit(Lit::String(_)) => fits(left, &Type::String),
        Type::Any
        | Type::Null
        | Type::Bool
        | Type::Int
        | Type::Float
        | Type::Duration
        | Type::Size
        | Type::Lit(_)
        | Type::Union(_)
        | Type::Secret(_)
        | Type::Refined(_)
        | Type::Tool(_)
        | Type::Var(_)
        | Type::Error => false,
    }
}

fn arithmetic(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    use BinaryOp::*;
    use Type::*;
    Some(match (op, left, right) {
        (Add | Sub | Mul, Int, Int) | (Rem, Int, Int) => Int,
        (Div, Int, Int) => Float,
        (Add | Sub | Mul | Div | Rem, Int | Float, Int | Float) => Float,
        (Add | Sub, Duration, Duration) => Duration,
        (Add | Sub, Size, Size) => Size,
        (Mul | Div, Duration, Int | Float) | (Mul, Int | Float, Duration) => Duration,
        (Mul | Div, Size, Int | Float) | (Mul, Int | Float, Size) => Size,
        (Div, Duration, Duration) | (Div, Size, Size) => Float,
        _ => return None,
    })
}
