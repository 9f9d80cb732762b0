//! JSON as RFC 8259 has it: no comments, no trailing commas.

use super::{MAX_DEPTH, Node, NodeKind, syntax};
use crate::diag::Diagnostic;
use crate::maps::HashMap;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};
use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict)
        .map_err(|e| syntax(span(file, e.range()), uncapitalized(&e.kind().to_string())))?;
    match parsed.value {
        Some(value) => node(file, &value, 0),
        None => Err(syntax(Span::new(file, 0, text.len() as u32), "it is empty".into())),
    }
}

/// As it stands after a colon.
fn uncapitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

fn span(file: FileId, range: Range) -> Span {
    Span::new(file, range.start as u32, range.end as u32)
}

fn node(file: FileId, value: &Json<'_>, depth: usize) -> Result<Node, Box<Diagnostic>> {
    let at = span(file, value.range());
    if depth > MAX_DEPTH {
        return Err(syntax(at, format!("nested deeper than {MAX_DEPTH}")));
    }
    let kind = match value {
        Json::NullKeyword(_) => NodeKind::Scalar(Value::null()),
        Json::BooleanLit(b) => NodeKind::Scalar(Value::plain(Data::Bool(b.value))),
        Json::StringLit(s) => NodeKind::Scalar(Value::string(&*s.value)),
        Json::NumberLit(n) => NodeKind::Scalar(Value::plain(number(n.value, at)?)),
        Json::Array(a) => {
            NodeKind::Seq(a.elements.iter().map(|v| node(file, v, depth + 1)).collect::<Result<_, _>>()?)
        }
        Json::Object(o) => {
            let mut entries: Vec<(Symbol, Span, Node)> = Vec::with_capacity(o.properties.len());
            let mut seen: HashMap<Symbol, Span> =
                HashMap::with_capacity_and_hasher(o.properties.len(), Default::default());
            for property in &o.properties {
                let (name, key) = match &property.name {
                    ObjectPropName::String(s) => (Symbol::from(&*s.value), span(file, s.range)),
                    ObjectPropName::Word(w) => (Symbol::from(w.value), span(file, w.range)),
                };
                if let Some(first) = seen.insert(name.clone(), key) {
                    let d = syntax(key, format!("the key `{name}` stands twice"));
                    return Err(Box::new(d.also(first, "first here")));
                }
                entries.push((name, key, node(file, &property.value, depth + 1)?));
            }
            NodeKind::Map(entries)
        }
    };
    Ok(Node { span: at, kind })
}

/// A whole number that fits is an int, any other a float.
fn number(text: &str, at: Span) -> Result<Data, Box<Diagnostic>> {
    if let Ok(i) = text.parse() {
        return Ok(Data::Int(i));
    }
    match text.parse::<f64>() {
        Ok(f) if f.is_finite() => Ok(Data::Float(f)),
        _ => Err(syntax(at, "this number is too large".into())),
    }
}
