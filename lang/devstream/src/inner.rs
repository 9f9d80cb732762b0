//! YAML inside of a text, as charts take their values: data, with the expressions that stand in it.

use super::build::{expr, field, list, name, text};
use super::model::whole;
use dtm_lang::data::{Node, NodeKind, chart_values};
use dtm_lang::source::Span;
use dtm_lang::syntax::ast::{Entry, Expr, ExprKind, StrPart};
use dtm_lang::value::Data;

/// Around the number of an expression, while the text around it is read.
const BEGIN: char = '\u{E000}';
const END: char = '\u{E001}';

/// The data that a text stands for; everything in it has the place of the text. What is not YAML is told.
pub(super) fn data(given: &Expr) -> Result<Expr, String> {
    let span = given.span;
    let ExprKind::Str(parts) = &*given.kind else { return Ok(given.clone()) };
    let (mut plain, mut inside) = (String::new(), vec![]);
    for part in parts {
        match part {
            StrPart::Text(text) => plain.push_str(text),
            StrPart::Expr(e) => {
                plain += &format!("{BEGIN}{}{END}", inside.len());
                inside.push(e.clone());
            }
        }
    }
    let documents = chart_values(span.file, &plain).map_err(|d| d.headline.clone())?;
    let documents: Vec<Node> = documents.into_iter().map(whole).collect();
    match &*documents {
        [] => Ok(expr(span, ExprKind::Record(vec![]))),
        [one] => Ok(value(one, span, &inside)),
        _ => Err("it has more than one document".into()),
    }
}

fn value(node: &Node, span: Span, inside: &[Expr]) -> Expr {
    match &node.kind {
        NodeKind::Seq(items) => list(span, items.iter().map(|n| value(n, span, inside))),
        NodeKind::Map(entries) => {
            let entries = entries.iter().map(|(key, _, n)| match key.contains(BEGIN) {
                true => Entry::Computed(with_expressions(key, span, inside), value(n, span, inside)),
                false => field(name(span, key.clone()), value(n, span, inside)),
            });
            expr(span, ExprKind::Record(entries.collect()))
        }
        NodeKind::Scalar(scalar) => match &scalar.data {
            Data::Null => expr(span, ExprKind::Null),
            Data::Bool(b) => expr(span, ExprKind::Bool(*b)),
            Data::Int(n) => expr(span, ExprKind::Int(*n)),
            Data::Float(f) => expr(span, ExprKind::Float(*f)),
            Data::String(s) => with_expressions(s, span, inside),
            Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => expr(span, ExprKind::Error),
        },
    }
}

fn with_expressions(given: &str, span: Span, inside: &[Expr]) -> Expr {
    let mut parts = vec![];
    let mut rest = given;
    while let Some((before, after)) = rest.split_once(BEGIN)
        && let Some((number, more)) = after.split_once(END)
    {
        if !before.is_empty() {
            parts.push(StrPart::Text(before.into()));
        }
        parts.extend(number.parse().ok().and_then(|n: usize| inside.get(n)).cloned().map(StrPart::Expr));
        rest = more;
    }
    match &mut *parts {
        [] => return text(span, rest),
        // By itself it keeps its type.
        [StrPart::Expr(only)] if rest.is_empty() => return only.clone(),
        _ if !rest.is_empty() => parts.push(StrPart::Text(rest.into())),
        _ => {}
    }
    expr(span, ExprKind::Str(parts))
}
