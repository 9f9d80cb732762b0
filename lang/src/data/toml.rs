//! TOML.

use super::{Node, NodeKind, syntax};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let document = toml_edit::Document::parse(text).map_err(|e| {
        let at = e.span().unwrap_or(0..0);
        let why = e.message().lines().next().unwrap_or("").to_string();
        syntax(Span::new(file, at.start as u32, at.end as u32), why)
    })?;
    let whole = Span::new(file, 0, text.len() as u32);
    Ok(toml_item(file, document.as_item(), whole))
}

fn toml_item(file: FileId, item: &toml_edit::Item, parent: Span) -> Node {
    let span = item.span().map_or(parent, |r| Span::new(file, r.start as u32, r.end as u32));
    let table = |t: &dyn toml_edit::TableLike| {
        let entry = |(k, v): (&str, &toml_edit::Item)| {
            let at = t.key(k).and_then(toml_edit::Key::span);
            let at = at.map_or(span, |r| Span::new(file, r.start as u32, r.end as u32));
            (Symbol::from(k), at, toml_item(file, v, at))
        };
        NodeKind::Map(t.iter().map(entry).collect())
    };
    let kind = match item {
        toml_edit::Item::None => NodeKind::Scalar(Value::null()),
        toml_edit::Item::Table(t) => table(t),
        toml_edit::Item::ArrayOfTables(a) => NodeKind::Seq(
            a.iter().map(|t| toml_item(file, &toml_edit::Item::Table(t.clone()), span)).collect(),
        ),
        toml_edit::Item::Value(v) => match v {
            toml_edit::Value::String(s) => NodeKind::Scalar(Value::string(s.value().as_str())),
            toml_edit::Value::Integer(i) => NodeKind::Scalar(Value::plain(Data::Int(*i.value()))),
            toml_edit::Value::Float(f) => NodeKind::Scalar(Value::plain(Data::Float(*f.value()))),
            toml_edit::Value::Boolean(b) => NodeKind::Scalar(Value::plain(Data::Bool(*b.value()))),
            toml_edit::Value::Datetime(d) => NodeKind::Scalar(Value::string(d.value().to_string())),
            toml_edit::Value::Array(a) => NodeKind::Seq(
                a.iter().map(|v| toml_item(file, &toml_edit::Item::Value(v.clone()), span)).collect(),
            ),
            toml_edit::Value::InlineTable(t) => table(t),
        },
    };
    Node { span, kind }
}
