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
            _ => {
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
        a: &ast::Expr,
        b: &ast::Expr,
    ) -> (Expr, Type) {
        use BinaryOp::*;
        if op.compares() && matches!(&*a.kind, A::Binary(first, ..) if first.compares()) {
            let d =
                Diagnostic::new(Code::E0311, "comparisons do not chain").at(span, "two comparisons in a row");
            self.diags.push(d.help("join them with `&&`: `a < b && b < c`"));
            return (Expr::error(span), Type::Error);
        }
        match op {
            And | Or => {
                let (left, s1) = self.condition(module, a);
                let facts = self.body.narrowed.len();
                self.assume(module, a, op == And);
                let (right, s2) = self.condition(module, b);
                self.body.narrowed.truncate(facts);
                let expr = if op == And { H::And(left, right) } else { H::Or(left, right) };
                let ty = if s1 || s2 { Type::Bool.secret() } else { Type::Bool };
                return (node(span, expr), ty);
            }
            Coalesce => {
                let (left, lt) = self.infer(module, a);
                let (right, rt) = self.infer(module, b);
                if matches!(lt, Type::Error) {
                    return (Expr::error(span), Type::Error);
                }
                let ty = self.join_types(lt.non_null(), rt);
                let ty = if matches!(lt, Type::Null) { ty.non_null() } else { ty };
                return (node(span, H::Coalesce(left, right)), ty.clone());
            }
            _ => {}
        }
        let (left, lt) = self.infer(module, a);
        let (right, rt) = self.infer(module, b);
        let rt = if op == In { choices(b).unwrap_or(rt) } else { rt };
        if matches!(lt, Type::Error) || matches!(rt, Type::Error) {
            return (Expr::error(span), Type::Error);
        }
        let ((lp, s1), (rp, s2)) = (lt.reveal(), rt.reveal());
        let result = match op {
            Eq | NotEq => comparable(&lp, &rp).then_some(Type::Bool),
            Lt | LtEq | Gt | GtEq => ordered(&lp.widen(), &rp.widen()).then_some(Type::Bool),
            In => contains(&lp, &rp).then_some(Type::Bool),
            Range | RangeEq => {
                (fits(&lp, &Type::Int) && fits(&rp, &Type::Int)).then(|| Type::list(Type::Int))
            }
            _ => arithmetic(op, &lp.widen(), &rp.widen()),
        };
        let Some(ty) = result else {
            let d =
                Diagnostic::new(Code::E0306, format!("`{}` does not apply to `{lt}` and `{rt}`", op.text()));
            let d = d
                .at(span, "these operands")
                .also(a.span, format!("this is `{lt}`"))
                .also(b.span, format!("this is `{rt}`"));
            let text = matches!(lp.widen(), Type::String) || matches!(rp.widen(), Type::String);
            self.diags.push(match (op, &lp) {
                (Add, _) if text => d.help("join strings by writing them into one: `\"${a}${b}\"`"),
                (Rem, _) if matches!(lp.widen(), Type::String) => {
                    d.help("write values into a string: `\"${a}-${b}\"`")
                }
                (Add, Type::List(_)) => d.help("join lists with spreads: `[...a, ...b]`"),
                _ if lp.is_nullable() || rp.is_nullable() => d.help("provide a value for null: `x ?? ...`"),
                _ => d,
            });
            return (Expr::error(span), Type::Error);
        };
        // Whether a secret is there at all is no secret.
        let null_test = matches!(op, Eq | NotEq) && (matches!(lp, Type::Null) || matches!(rp, Type::Null));
        if null_test {
            return (node(span, H::Binary(op, left, right)), ty);
        }
        // Which keys a map has is no secret either.
        let public = op == In && matches!(rp, Type::Map(_) | Type::Record(_));
        let right_secret = s2 || !public && rt.has_secret();
        let ty = if s1 || lt.has_secret() || right_secret { ty.secret() } else { ty };
        (node(span, H::Binary(op, left, right)), ty)
    }
}

/// The type of a list of literals that keeps which ones they are.
fn choices(e: &ast::Expr) -> Option<Type> {
    let A::List(items) = &*e.kind else { return None };
    let literal = |item: &ast::Element| match item {
        ast::Element::One(e) => super::ty::literal(e),
        ast::Element::Spread(_) => None,
    };
    let all: Vec<Type> = items.iter().map(literal).collect::<Option<_>>()?;
    (!all.is_empty()).then(|| Type::list(Type::union(all)))
}

/// Types that overlap.
fn comparable(a: &Type, b: &Type) -> bool {
    let choice = matches!(a, Type::Union(_)) || matches!(b, Type::Union(_));
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
    if null(a) || null(b) {
        return true;
    }
    a.members().iter().any(|x| {
        b.members().iter().any(|y| {
            !matches!(x, Type::Tool(_)) && !matches!(y, Type::Tool(_)) && one(&x.reveal().0, &y.reveal().0)
        })
    })
}

/// Whether two lists or maps of these elements may be equal and hold some.
fn inside(a: &Type, b: &Type) -> bool {
    matches!(a, Type::Error) || matches!(b, Type::Error) || comparable(&a.reveal().0, &b.reveal().0)
}

fn records_overlap(a: &RecordType, b: &RecordType) -> bool {
    let covers = |a: &RecordType, b: &RecordType| {
        a.fields.iter().all(|(name, f)| match b.fields.get(name) {
            Some(g) => inside(&f.ty, &g.ty),
            None => b.open || f.may_be_absent(),
        })
    };
    covers(a, b) && covers(b, a)
}

/// Whether values of the type have an order among each other.
pub(super) fn sortable(of: &Type) -> bool {
    let plain: Vec<Type> = of.members().iter().map(|t| t.reveal().0.widen()).collect();
    plain.iter().all(|a| matches!(a, Type::Error) || plain.iter().all(|b| ordered(a, b)))
}

fn ordered(a: &Type, b: &Type) -> bool {
    use Type::*;
    matches!((a, b), (Int | Float, Int | Float) | (Duration, Duration) | (Size, Size) | (String, String))
}

fn contains(a: &Type, b: &Type) -> bool {
    match b {
        Type::List(t) => inside(a, t),
        Type::Map(_) | Type::Record(_) => fits(a, &Type::String),
        Type::String | Type::Lit(Lit::String(_)) => fits(a, &Type::String),
        _ => false,
    }
}

fn arithmetic(op: BinaryOp, a: &Type, b: &Type) -> Option<Type> {
    use BinaryOp::*;
    use Type::*;
    Some(match (op, a, b) {
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
