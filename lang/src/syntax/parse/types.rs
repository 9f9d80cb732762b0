//! Types: `T?` binds tighter than `secret`, `secret` tighter than `|`, and `where` takes the whole union.

use super::error::ParseError;
use super::{P, Source, both, separated};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::*;
use crate::syntax::token::Kind;
use chumsky::prelude::*;

pub(super) fn make(span: Span, kind: TypeKind) -> TypeExpr {
    TypeExpr { span, kind: Box::new(kind) }
}

/// A whole type, and one without `|` and `where` (after `as`).
pub(super) struct Types<'t> {
    pub(super) full: P<'t, TypeExpr>,
    pub(super) one: P<'t, TypeExpr>,
}

pub(super) fn types<'t>(
    src: Source<'t>,
    expr: P<'t, Expr>,
    string: P<'t, Expr>,
    number: P<'t, Expr>,
) -> Types<'t> {
    let (full, one, ()) = both(|full, one| {
        let (full, one) = parts(src, expr, string, number, full, one);
        (full, one, ())
    });
    Types { full, one }
}

/// Both, made with both.
fn parts<'t>(
    src: Source<'t>,
    expr: P<'t, Expr>,
    string: P<'t, Expr>,
    number: P<'t, Expr>,
    full: P<'t, TypeExpr>,
    one: P<'t, TypeExpr>,
) -> (P<'t, TypeExpr>, P<'t, TypeExpr>) {
    let literal = choice((
        string,
        just(Kind::Minus).ignore_then(number.clone()).map_with(|e, x| Expr {
            span: x.span(),
            kind: Box::new(ExprKind::Unary(UnaryOp::Neg, e)),
        }),
        number,
        select! { Kind::True => ExprKind::Bool(true), Kind::False => ExprKind::Bool(false), Kind::Null => ExprKind::Null }
            .map_with(|k, x| Expr { span: x.span(), kind: Box::new(k) }),
    ))
    .map(|e| make(e.span, TypeKind::Lit(e)));

    let angle = |t: P<'t, TypeExpr>| t.delimited_by(just(Kind::Lt), just(Kind::Gt)).boxed();
    let map = src
        .word("map")
        .ignore_then(angle(full.clone().boxed()))
        .map_with(|t, x| make(x.span(), TypeKind::Map(t)));
    let tool = just(Kind::Tool)
        .ignore_then(src.path().delimited_by(just(Kind::Lt), just(Kind::Gt)))
        .map_with(|p, x| make(x.span(), TypeKind::Tool(p)));
    let list = full
        .clone()
        .delimited_by(just(Kind::LBracket), just(Kind::RBracket))
        .map_with(|t, x| make(x.span(), TypeKind::List(t)));

    #[derive(Clone)]
    enum Item {
        Field(Box<Field>),
        Open,
    }
    let field = field(src, full.clone().boxed(), expr.clone()).map(|f| Item::Field(Box::new(f)));
    let item = choice((just(Kind::Ellipsis).to(Item::Open), field)).boxed();
    let record = separated(item).delimited_by(just(Kind::LBrace), just(Kind::RBrace)).map_with(|items, x| {
        let mut fields = vec![];
        let mut open = false;
        for item in items {
            match item {
                Item::Field(f) => fields.push(*f),
                Item::Open => open = true,
            }
        }
        make(x.span(), TypeKind::Record { fields, open })
    });
    let path = src.path().map(move |p| {
        let wildcard = p.parts.len() == 1 && &*p.parts[0].text == "_";
        make(p.span, if wildcard { TypeKind::Wildcard } else { TypeKind::Path(p) })
    });
    // A type in parentheses, or that of a function, which is no part of the language: read as a whole, so that it can be
    // refused as what it is. One alternative for both: two would read what is inside twice, at every depth.
    let gives = just(Kind::ThinArrow).ignore_then(one.clone());
    let group = full
        .clone()
        .separated_by(just(Kind::Comma))
        .allow_trailing()
        .collect::<Vec<_>>()
        .delimited_by(just(Kind::LParen), just(Kind::RParen))
        .boxed();
    let paren = group.clone().then(gives.clone().or_not()).validate(|(mut inside, gives), x, emitter| {
        let span: Span = x.span();
        match (inside.len(), gives) {
            (_, Some(_)) => make(span, TypeKind::Function),
            (1, None) => make(span, TypeKind::Paren(inside.remove(0))),
            (_, None) => {
                let d = Diagnostic::new(Code::E0101, "a type in parentheses is one type");
                emitter.emit(ParseError::custom(span, d.at(span, "not one type")));
                make(span, TypeKind::Error)
            }
        }
    });
    let function = just(Kind::Fn)
        .ignore_then(group)
        .then_ignore(gives.or_not())
        .map_with(|_, x| make(x.span(), TypeKind::Function));
    let atom = choice((literal, list, record, function, paren, map, tool, path)).labelled("a type").boxed();

    let optional = atom
        .then(just(Kind::Question).repeated().count())
        .map_with(|(t, n), x| if n == 0 { t } else { make(x.span(), TypeKind::Optional(t)) });
    let single = choice((
        just(Kind::Secret).ignore_then(one.clone()).map_with(|t, x| make(x.span(), TypeKind::Secret(t))),
        optional,
    ));
    let union = just(Kind::Pipe)
        .or_not()
        .ignore_then(one.clone().separated_by(just(Kind::Pipe)).at_least(1).collect::<Vec<_>>())
        .map_with(
            |mut types: Vec<TypeExpr>, x| {
                if types.len() == 1 { types.remove(0) } else { make(x.span(), TypeKind::Union(types)) }
            },
        )
        .boxed();
    let message = just(Kind::Else).ignore_then(expr.clone()).or_not();
    let whole =
        union.then(just(Kind::Where).ignore_then(expr).then(message).or_not()).map_with(|(base, cond), x| {
            match cond {
                None => base,
                Some((cond, message)) => make(x.span(), TypeKind::Where { base, cond, message }),
            }
        });
    (whole.boxed(), single.boxed())
}

/// `name: T [= value]`
pub(super) fn field<'t>(src: Source<'t>, ty: P<'t, TypeExpr>, expr: P<'t, Expr>) -> P<'t, Field> {
    src.any_name()
        .then(just(Kind::Colon).ignore_then(ty))
        .then(just(Kind::Eq).ignore_then(expr).or_not())
        .map_with(move |((name, ty), value), x| {
            let span: Span = x.span();
            Field { doc: src.doc(span.start), annotations: vec![], name, ty: Some(ty), value, span }
        })
        .boxed()
}
