//! TOML.

use super::{MAX_DEPTH, NOT_EXACT, Node, NodeKind, TOO_LARGE, syntax, too_deep};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let document = toml_edit::Document::parse(text).map_err(|e| {
        let at = e.span().unwrap_or(0..0);
        let why = e.message().lines().next().unwrap_or("").to_string();
        if why.contains("max recursion") {
            return too_deep(Span::new(file, at.start as u32, at.end as u32));
        }
        let why = if why == "floating-point number overflowed" { TOO_LARGE.into() } else { why };
        let why = if is_integer(text.get(at.clone()).unwrap_or("")) { NOT_EXACT.into() } else { why };
        syntax(Span::new(file, at.start as u32, at.end as u32), why)
    })?;
    let whole = Span::new(file, 0, text.len() as u32);
    toml_item(file, document.as_item(), whole, 0)
}

/// Whether an integer is written here, however large.
fn is_integer(written: &str) -> bool {
    let digits = written.trim_start_matches(['+', '-']);
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        _ => (digits, 10),
    };
    let is_padded = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    let groups = digits.split('_').all(|group| !group.is_empty() && group.chars().all(|c| c.is_digit(radix)));
    groups && !is_padded
}

fn toml_item(
    file: FileId,
    item: &toml_edit::Item,
    parent: Span,
    depth: usize,
) -> Result<Node, Box<Diagnostic>> {
    let span = item.span().map_or(parent, |r| Span::new(file, r.start as u32, r.end as u32));
    let inner = |item: &toml_edit::Item, at: Span| toml_item(file, item, at, depth + 1);
    let table = |t: &dyn toml_edit::TableLike| {
        let entry = |(k, v): (&str, &toml_edit::Item)| {
            let at = t.key(k).and_then(toml_edit::Key::span);
            let at = at.map_or(span, |r| Span::new(file, r.start as u32, r.end as u32));
            Ok((Symbol::from(k), at, inner(v, at)?))
        };
        Ok::<_, Box<Diagnostic>>(NodeKind::Map(t.iter().map(entry).collect::<Result<_, Box<Diagnostic>>>()?))
    };
    if depth >= MAX_DEPTH
        && !matches!(item, toml_edit::Item::Value(v) if !v.is_array() && !v.is_inline_table())
    {
        return Err(too_deep(span));
    }
    let kind = match item {
        toml_edit::Item::None => NodeKind::Scalar(Value::null()),
        toml_edit::Item::Table(t) => table(t)?,
        toml_edit::Item::ArrayOfTables(a) => NodeKind::Seq(
            a.iter()
                .map(|t| inner(&toml_edit::Item::Table(t.clone()), span))
                .collect::<Result<_, Box<Diagnostic>>>()?,
        ),
        toml_edit::Item::Value(v) => match v {
            toml_edit::Value::String(s) => NodeKind::Scalar(Value::string(s.value().as_str())),
            toml_edit::Value::Integer(i) => NodeKind::Scalar(Value::plain(Data::Int(*i.value()))),
            toml_edit::Value::Float(f) if f.value().is_finite() => {
                NodeKind::Scalar(Value::plain(Data::Float(*f.value())))
            }
            toml_edit::Value::Float(f) => {
                let is_number = f.display_repr().contains(|c: char| c.is_ascii_digit());
                let why = if is_number { TOO_LARGE } else { "a float is a finite number" };
                return Err(syntax(span, why.into()));
            }
            toml_edit::Value::Boolean(b) => NodeKind::Scalar(Value::plain(Data::Bool(*b.value()))),
            toml_edit::Value::Datetime(d) => NodeKind::Scalar(Value::string(d.value().to_string())),
            toml_edit::Value::Array(a) => NodeKind::Seq(
                a.iter()
                    .map(|v| inner(&toml_edit::Item::Value(v.clone()), span))
                    .collect::<Result<_, Box<Diagnostic>>>()?,
            ),
            toml_edit::Value::InlineTable(t) => table(t)?,
        },
    };
    Ok(Node::new(span, kind))
}
