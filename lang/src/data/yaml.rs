//! YAML 1.2, core schema.

use super::{MAX_DEPTH, Node, NodeKind, syntax};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};
use granit_parser::{Event, Parser, ScalarStyle};

/// How many values the aliases of one file may stand for: a few short lines can stand for billions.
const MAX_ALIASED: usize = 1_000_000;

/// How many values there are in a node, itself included.
fn count(node: &Node) -> usize {
    1 + match &node.kind {
        NodeKind::Scalar(_) => 0,
        NodeKind::Seq(items) => items.iter().map(count).sum(),
        NodeKind::Map(entries) => entries.iter().map(|(.., n)| count(n)).sum(),
    }
}

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let mut documents = documents(file, text, false, Legacy::None)?.into_iter();
    let first = documents.next();
    if let Some(second) = documents.next() {
        return Err(syntax(second.span, "it holds more than one document".into()));
    }
    let whole = Span::new(file, 0, text.len() as u32);
    Ok(first.unwrap_or(Node { span: whole, kind: NodeKind::Scalar(Value::null()) }))
}

/// Every document of a file. What an alias stands for is placed there, or with `own` where it is written.
/// With `legacy`, numbers are those of Go's reader; with `words` too, `yes` and `no` are those of Helm's.
pub(super) fn documents(
    file: FileId,
    text: &str,
    own: bool,
    legacy: Legacy,
) -> Result<Vec<Node>, Box<Diagnostic>> {
    let mut stack: Vec<(Node, Option<(Symbol, Span)>)> = vec![];
    let mut anchors: crate::maps::HashMap<usize, Node> = Default::default();
    let mut ids: Vec<usize> = vec![];
    let mut roots = vec![];
    let mut expanded = 0;
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|e| {
            let marker = e.marker();
            let offset = marker.byte_offset().unwrap_or(0) as u32;
            syntax(Span::new(file, offset, offset), e.info().to_string())
        })?;
        let byte = |m: &granit_parser::Marker| m.byte_offset().unwrap_or(0) as u32;
        let span = Span::new(file, byte(&at.start), byte(&at.end));
        let anchor = event.anchor_id();
        let done = match event {
            Event::Scalar(ref value, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let tagged = event.tag().and_then(|t| t.core_suffix().map(str::to_string));
                let value = match tagged.as_deref() {
                    Some("str") => Value::string(&**value),
                    // `! 12` is a text on purpose.
                    _ if event.tag().is_some_and(|t| t.original() == "!") => Value::string(&**value),
                    _ if plain => plain_scalar(value, legacy),
                    _ => Value::string(&**value),
                };
                Some((Node { span, kind: NodeKind::Scalar(value) }, anchor))
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => {
                    expanded += count(node);
                    if expanded > MAX_ALIASED {
                        let why = format!("its aliases stand for more than {MAX_ALIASED} values");
                        return Err(syntax(span, why));
                    }
                    Some((if own { node.clone() } else { Node { span, ..node.clone() } }, None))
                }
                None => return Err(syntax(span, "this alias names no anchor".into())),
            },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let kind = match event {
                    Event::SequenceStart(..) => NodeKind::Seq(vec![]),
                    _ => NodeKind::Map(vec![]),
                };
                if stack.len() > MAX_DEPTH {
                    return Err(syntax(span, format!("nested deeper than {MAX_DEPTH}")));
                }
                ids.push(anchor.unwrap_or(0));
                stack.push((Node { span, kind }, None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|(mut node, _)| {
                node.span.end = span.end.max(node.span.end);
                (node, ids.pop())
            }),
            _ => None,
        };
        let Some((node, anchor)) = done else { continue };
        if let Some(id) = anchor.filter(|id| *id > 0) {
            anchors.insert(id, node.clone());
        }
        match stack.last_mut() {
            None => roots.push(node),
            Some((parent, key)) => match &mut parent.kind {
                NodeKind::Seq(items) => items.push(node),
                NodeKind::Map(entries) => match key.take() {
                    Some((name, at)) => entries.push((name, at, node)),
                    None => {
                        let name = match &node.kind {
                            NodeKind::Scalar(v) => v.text().unwrap_or_else(|| "null".into()),
                            _ => return Err(syntax(node.span, "only scalars may be keys".into())),
                        };
                        if let Some((_, first, _)) = entries.iter().find(|(n, ..)| **n == *name) {
                            let d = syntax(node.span, format!("the key `{name}` stands twice"));
                            return Err(Box::new(d.also(*first, "first here")));
                        }
                        *key = Some((name.into(), node.span));
                    }
                },
                NodeKind::Scalar(_) => {}
            },
        }
    }
    Ok(roots)
}

/// What of YAML 1.1 is read as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// Nothing: YAML 1.2.
    None,
    /// Numbers: `0644` is octal, `0b11` binary, `1_000` a thousand. So did DevStream.
    Numbers,
    /// And `yes`, `no`, `on`, `off`. So does Helm.
    Words,
}

/// A number as Go reads it; a date or a version is none.
fn legacy_number(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.replace('_', "");
    if digits.starts_with('_') || digits.ends_with('_') || plain.is_empty() {
        return None;
    }
    let of = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    let number = match (plain.strip_prefix("0b"), plain.strip_prefix('0').filter(|rest| !rest.is_empty())) {
        (Some(binary), _) => of(binary, 2)?,
        (None, Some(octal)) if octal.bytes().all(|b| b.is_ascii_digit()) => of(octal, 8)?,
        _ if digits.contains('_') && plain.bytes().all(|b| b.is_ascii_digit()) => of(&plain, 10)?,
        _ => return None,
    };
    Some(sign * number)
}

/// The YAML 1.2 core schema.
fn plain_scalar(text: &str, legacy: Legacy) -> Value {
    if legacy != Legacy::None
        && let Some(number) = legacy_number(text)
    {
        return Value::plain(Data::Int(number));
    }
    if legacy == Legacy::Words {
        match &*text.to_lowercase() {
            "yes" | "on" => return Value::plain(Data::Bool(true)),
            "no" | "off" => return Value::plain(Data::Bool(false)),
            _ => {}
        }
    }
    let data = match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ => {
            let digits = text.trim_start_matches(['+', '-']);
            let hex = text.strip_prefix("0x").and_then(|t| i64::from_str_radix(t, 16).ok());
            let octal = text.strip_prefix("0o").and_then(|t| i64::from_str_radix(t, 8).ok());
            if let Some(i) = hex.or(octal) {
                Data::Int(i)
            } else if !digits.is_empty()
                && digits.bytes().all(|b| b.is_ascii_digit())
                && text.parse::<i64>().is_ok()
            {
                Data::Int(text.parse().unwrap_or(0))
            } else if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
                && let Some(f) = text.parse::<f64>().ok().filter(|f| f.is_finite())
            {
                Data::Float(f)
            } else {
                Data::String(text.into())
            }
        }
    };
    Value::plain(data)
}
