//! Expressions, by precedence, weakest first: `if`/`match`; `??`; `||`; `&&`; comparisons and `in`; ranges;
//! `+ -`; `* / %`; `! -`; `as`; postfix.

use super::error::ParseError;
use super::types::{Types, types};
use super::{P, Source, both, separated};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::*;
use crate::syntax::literal::{self, RawPart};
use crate::syntax::token::Kind;
use chumsky::prelude::*;

fn make(span: Span, kind: ExprKind) -> Expr {
    Expr { span, kind: Box::new(kind) }
}

/// The parsers that declarations are made of.
pub(super) struct Exprs<'t> {
    pub(super) full: P<'t, Expr>,
    /// Without bare records, `if` and `match`.
    pub(super) header: P<'t, Expr>,
    pub(super) record: P<'t, Expr>,
    pub(super) string: P<'t, Expr>,
    pub(super) args: P<'t, Vec<Arg>>,
    pub(super) types: Types<'t>,
}

enum Post {
    Member(Name, bool),
    Index(Expr),
    Call(Vec<Arg>),
}

pub(super) fn exprs<'t>(src: Source<'t>) -> Exprs<'t> {
    let (full, header, (record, string, args, types)) = both(|full, header| parts(src, full, header));
    Exprs { full, header, record, string, args, types }
}

type Parts<'t> = (P<'t, Expr>, P<'t, Expr>, (P<'t, Expr>, P<'t, Expr>, P<'t, Vec<Arg>>, Types<'t>));

/// A whole expression and one for headers, made with both.
fn parts<'t>(src: Source<'t>, full: P<'t, Expr>, header: P<'t, Expr>) -> Parts<'t> {
    let string = string(src, full.clone().boxed());
    let number = select! { Kind::Number => () }
        .map_with(|(), x| x.span())
        .validate(move |span: Span, _, emitter| match literal::number(src.text(span), span) {
            Ok(kind) => make(span, kind),
            Err(d) => {
                emitter.emit(ParseError::custom(span, *d));
                make(span, ExprKind::Error)
            }
        })
        .boxed();
    // The smallest int has no positive counterpart: its sign belongs to it.
    let smallest = just(Kind::Minus)
        .ignore_then(just(Kind::Number).map_with(|_, x| x.span()))
        .filter(move |span: &Span| src.text(*span).replace('_', "") == "9223372036854775808")
        .map_with(|_, x| make(x.span(), ExprKind::Int(i64::MIN)))
        .boxed();
    let types = types(src, full.clone().boxed(), string.clone(), number.clone());

    let lambda_params = choice((
        src.name().map(|n| vec![n]),
        src.name()
            .separated_by(just(Kind::Comma))
            .allow_trailing()
            .collect()
            .delimited_by(just(Kind::LParen), just(Kind::RParen)),
    ));
    let lambda = lambda_params
        .then_ignore(just(Kind::Arrow))
        .then(full.clone())
        .map_with(|(params, body), x| make(x.span(), ExprKind::Lambda { params, body }));
    let arg = choice((
        src.any_name()
            .then_ignore(just(Kind::Eq))
            .then(full.clone())
            .map(|(n, value)| Arg { name: Some(n), value }),
        lambda.map(|value| Arg { name: None, value }),
        full.clone().map(|value| Arg { name: None, value }),
    ));
    let args = arg
        .separated_by(just(Kind::Comma))
        .allow_trailing()
        .collect()
        .delimited_by(just(Kind::LParen), just(Kind::RParen))
        .boxed();

    let vars = src.name().separated_by(just(Kind::Comma)).at_least(1).at_most(2).collect::<Vec<_>>();
    let clause = just(Kind::For)
        .ignore_then(vars)
        .then_ignore(just(Kind::In))
        .then(full.clone())
        .then(just(Kind::If).ignore_then(full.clone()).or_not())
        .map(|((vars, iter), filter)| Clause { vars, iter, filter })
        .boxed();

    let record = record(src, full.clone().boxed(), string.clone(), clause.clone());
    let element = choice((
        just(Kind::Ellipsis).ignore_then(full.clone()).map(Element::Spread),
        full.clone().map(Element::One),
    ));
    let list = element
        .separated_by(just(Kind::Comma))
        .allow_trailing()
        .collect::<Vec<_>>()
        .then(clause.or_not())
        .delimited_by(just(Kind::LBracket), just(Kind::RBracket))
        .validate(|(mut elements, clause), x, emitter| {
            let span: Span = x.span();
            let Some(clause) = clause else { return make(span, ExprKind::List(elements)) };
            match (elements.pop(), elements.is_empty()) {
                (Some(Element::One(body)), true) => make(span, ExprKind::ListComp { body, clause }),
                _ => {
                    let d = Diagnostic::new(Code::E0101, "a comprehension gives one value for each element");
                    emitter.emit(ParseError::custom(span, d.at(span, "this list")));
                    make(span, ExprKind::Error)
                }
            }
        })
        .boxed();

    let keyword = select! { Kind::True => ExprKind::Bool(true), Kind::False => ExprKind::Bool(false), Kind::Null => ExprKind::Null }
        .map_with(|k, x| make(x.span(), k));
    let name = src.name().map(|n| make(n.span, ExprKind::Name(n.text)));
    let paren = full
        .clone()
        .delimited_by(just(Kind::LParen), just(Kind::RParen))
        .map_with(|e, x| make(x.span(), ExprKind::Paren(e)));
    let error = just(Kind::Error).map_with(|_, x| make(x.span(), ExprKind::Error));
    let simple =
        choice((string.clone(), name, number, smallest.clone(), keyword, paren, list, error)).boxed();

    let if_ = just(Kind::If)
        .ignore_then(full.clone())
        .then_ignore(just(Kind::Then))
        .then(full.clone())
        .then_ignore(just(Kind::Else))
        .then(full.clone())
        .map_with(|((cond, then), other), x| make(x.span(), ExprKind::If { cond, then, other }));
    let arm = types.full.clone().then_ignore(just(Kind::Arrow)).then(full.clone());
    let match_ = just(Kind::Match)
        .ignore_then(header.clone())
        .then(separated(arm.boxed()).delimited_by(just(Kind::LBrace), just(Kind::RBrace)))
        .map_with(|(subject, arms), x| make(x.span(), ExprKind::Match { subject, arms }));
    let atom = choice((simple.clone(), record.clone(), if_, match_)).labelled("a value").boxed();

    let whole = operators(src, smallest.clone(), atom, args.clone(), types.one.clone(), full.clone().boxed());
    let simple = simple.labelled("a value").boxed();
    let short = operators(src, smallest, simple, args.clone(), types.one.clone(), full.boxed());
    (whole, short, (record, string, args, types))
}

fn operators<'t>(
    src: Source<'t>,
    smallest: P<'t, Expr>,
    atom: P<'t, Expr>,
    args: P<'t, Vec<Arg>>,
    one: P<'t, TypeExpr>,
    full: P<'t, Expr>,
) -> P<'t, Expr> {
    // What stands after a value is asked for by its first token: most values have nothing after them.
    let follows =
        any().filter(|k| matches!(k, Kind::Dot | Kind::SafeDot | Kind::LBracket | Kind::LParen)).rewind();
    let post = follows.ignore_then(choice((
        just(Kind::Dot).ignore_then(src.member()).map(|n| Post::Member(n, false)),
        just(Kind::SafeDot).ignore_then(src.member()).map(|n| Post::Member(n, true)),
        full.delimited_by(just(Kind::LBracket), just(Kind::RBracket)).map(Post::Index),
        args.map(Post::Call),
    )));
    let cast = just(Kind::As).ignore_then(one);
    let atom = atom
        .foldl_with(post.repeated(), |base, post, x| {
            let span = base.span.to(x.span());
            make(
                span,
                match post {
                    Post::Member(name, safe) => ExprKind::Member { base, name, safe },
                    Post::Index(index) => ExprKind::Index { base, index },
                    Post::Call(args) => ExprKind::Call { callee: base, args },
                },
            )
        })
        .foldl(cast.repeated(), |e: Expr, t: TypeExpr| make(e.span.to(t.span), ExprKind::Cast(e, t)));
    let sign = select! { Kind::Minus => UnaryOp::Neg, Kind::Bang => UnaryOp::Not }.and_is(smallest.not());
    let operand = sign
        .map_with(|op, x| (op, x.span()))
        .repeated()
        .foldr(atom, |(op, at): (UnaryOp, Span), e: Expr| make(at.to(e.span), ExprKind::Unary(op, e)))
        .boxed();
    operand
        .clone()
        .then(operator().then(operand).repeated().collect::<Vec<_>>())
        .map(|(first, rest)| by_precedence(first, rest))
        .boxed()
}

fn operator<'t>() -> P<'t, BinaryOp> {
    use BinaryOp::*;
    select! {
        Kind::Star => Mul, Kind::Slash => Div, Kind::Percent => Rem,
        Kind::Plus => Add, Kind::Minus => Sub,
        Kind::DotDot => Range, Kind::DotDotEq => RangeEq,
        Kind::EqEq => Eq, Kind::NotEq => NotEq, Kind::Lt => Lt, Kind::LtEq => LtEq, Kind::Gt => Gt,
        Kind::GtEq => GtEq, Kind::In => In,
        Kind::AndAnd => And, Kind::OrOr => Or, Kind::Coalesce => Coalesce,
    }
    .boxed()
}

/// How strongly an operator binds what stands beside it.
fn strength(op: BinaryOp) -> u8 {
    use BinaryOp::*;
    match op {
        Mul | Div | Rem => 8,
        Add | Sub => 7,
        Range | RangeEq => 6,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | In => 5,
        And => 4,
        Or => 3,
        Coalesce => 2,
    }
}

/// Operands with operators between them, all of which associate to the left.
fn by_precedence(first: Expr, rest: Vec<(BinaryOp, Expr)>) -> Expr {
    // Operands that wait for a weaker operator, each with the one after it.
    let mut waiting: Vec<(Expr, BinaryOp)> = vec![];
    let mut last = first;
    let join = |(a, op): (Expr, BinaryOp), b: Expr| make(a.span.to(b.span), ExprKind::Binary(op, a, b));
    for (op, operand) in rest {
        while let Some(before) = waiting.pop_if(|(_, before)| strength(*before) >= strength(op)) {
            last = join(before, last);
        }
        waiting.push((std::mem::replace(&mut last, operand), op));
    }
    waiting.into_iter().rev().fold(last, |b, before| join(before, b))
}

fn string<'t>(src: Source<'t>, full: P<'t, Expr>) -> P<'t, Expr> {
    let part = choice((
        just(Kind::StrText).map_with(|_, x| RawPart::Text(x.span())),
        full.delimited_by(just(Kind::InterpStart), just(Kind::InterpEnd)).map(RawPart::Expr),
    ));
    // The lexer has reported a string that does not end.
    just(Kind::StrStart)
        .map_with(|_, x| x.span())
        .then(part.repeated().collect::<Vec<_>>())
        .then_ignore(just(Kind::StrEnd).or_not())
        .validate(move |(open, parts): (Span, Vec<RawPart>), x, emitter| {
            let span: Span = x.span();
            match literal::string(src.src, src.text(open), parts, span) {
                Ok(parts) => make(span, ExprKind::Str(parts)),
                Err(d) => {
                    emitter.emit(ParseError::custom(span, *d));
                    make(span, ExprKind::Error)
                }
            }
        })
        .boxed()
}

fn record<'t>(src: Source<'t>, full: P<'t, Expr>, string: P<'t, Expr>, clause: P<'t, Clause>) -> P<'t, Expr> {
    let is = choice((just(Kind::Eq).to(None), just(Kind::Colon).map_with(|_, x| Some(x.span()))))
        .validate(|colon: Option<Span>, _, emitter| {
            if let Some(span) = colon {
                let d = Diagnostic::new(Code::E0102, "a value follows `=`, a type follows `:`")
                    .at(span, "read as `=`")
                    .fix("write `=`", span, " =");
                emitter.emit(ParseError::custom(span, d));
            }
        })
        .boxed();
    let named = src.any_name().then_ignore(is.clone()).then(full.clone()).map(|(name, value)| Entry::Field {
        name,
        value: Some(value),
        quoted: false,
    });
    let ends = any().filter(|k| matches!(k, Kind::Newline | Kind::Comma | Kind::RBrace | Kind::For)).rewind();
    let short = src.name().then_ignore(ends).map(|name| Entry::Field { name, value: None, quoted: false });
    let quoted = string.then_ignore(is).then(full.clone()).map(|(key, value)| match *key.kind {
        ExprKind::Str(parts) if parts.iter().all(|p| matches!(p, StrPart::Text(_))) => {
            let text = parts.iter().map(|p| match p {
                StrPart::Text(t) => &**t,
                StrPart::Expr(_) => "",
            });
            let name = Name { text: text.collect::<String>().into(), span: key.span };
            Entry::Field { name, value: Some(value), quoted: true }
        }
        _ => Entry::Computed(key, value),
    });
    let computed = full
        .clone()
        .delimited_by(just(Kind::LBracket), just(Kind::RBracket))
        .then_ignore(just(Kind::Eq))
        .then(full.clone())
        .map(|(k, v)| Entry::Computed(k, v));
    let spread = just(Kind::Ellipsis).ignore_then(full).map(Entry::Spread);
    let entry = choice((named, quoted, computed, spread, short))
        .labelled("a field")
        // A comma may stand before the `for` of a comprehension.
        .recover_with(via_parser(
            super::skip_item().and_is(just(Kind::For).not()).map_with(|(), x| Entry::Error(x.span())),
        ))
        .boxed();
    separated(entry)
        .then(clause.then_ignore(just(Kind::Newline).repeated()).or_not())
        .delimited_by(just(Kind::LBrace), just(Kind::RBrace))
        .validate(|(mut entries, clause), x, emitter| {
            let span: Span = x.span();
            let Some(clause) = clause else { return make(span, ExprKind::Record(entries)) };
            match (entries.pop(), entries.is_empty()) {
                (Some(Entry::Computed(key, value)), true) => {
                    make(span, ExprKind::MapComp { key, value, clause })
                }
                _ => {
                    let d = Diagnostic::new(
                        Code::E0101,
                        "a map comprehension is written `{ [key] = value for x in xs }`",
                    );
                    emitter.emit(ParseError::custom(span, d.at(span, "this map")));
                    make(span, ExprKind::Error)
                }
            }
        })
        .boxed()
}
