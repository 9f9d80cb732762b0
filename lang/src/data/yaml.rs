//! YAML 1.2, core schema.

use super::{MAX_DEPTH, NOT_EXACT, Node, NodeKind, syntax, too_deep};
use crate::diag::Diagnostic;
use crate::maps::HashMap;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};
use granit_parser::{Event, Parser, ScalarStyle};

/// How many values the aliases of one file may stand for: a few short lines can stand for billions.
const MAX_ALIASED: usize = 1_000_000;

/// How large a node is, itself included: values, and one for each 32 bytes of text.
fn count(node: &Node) -> usize {
    1 + match &node.kind {
        NodeKind::Scalar(value) => value.as_str().map_or(0, |text| text.len() / 32),
        NodeKind::Seq(items) => items.iter().map(count).sum(),
        NodeKind::Map(entries) => entries.iter().map(|(.., n)| count(n)).sum(),
    }
}

/// How many lists and maps there are one inside the other.
fn levels(node: &Node) -> usize {
    match &node.kind {
        NodeKind::Scalar(_) => 0,
        NodeKind::Seq(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        NodeKind::Map(entries) => 1 + entries.iter().map(|(.., n)| levels(n)).max().unwrap_or(0),
    }
}

/// A list or map that is being read.
struct Open {
    node: Node,
    /// The key whose value comes next.
    key: Option<(Symbol, Span)>,
    /// The keys so far.
    seen: HashMap<Symbol, Span>,
    anchor: usize,
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
    let mut stack: Vec<Open> = vec![];
    let mut anchors: HashMap<usize, Node> = Default::default();
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
                    _ if plain => {
                        plain_scalar(value, legacy).ok_or_else(|| syntax(span, NOT_EXACT.into()))?
                    }
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
                    if stack.len() + levels(node) > MAX_DEPTH {
                        return Err(too_deep(span));
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
                if stack.len() >= MAX_DEPTH {
                    return Err(too_deep(span));
                }
                let (node, anchor) = (Node { span, kind }, anchor.unwrap_or(0));
                stack.push(Open { node, key: None, seen: HashMap::default(), anchor });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|Open { mut node, anchor, .. }| {
                node.span.end = span.end.max(node.span.end);
                (node, Some(anchor))
            }),
            _ => None,
        };
        let Some((node, anchor)) = done else { continue };
        if let Some(id) = anchor.filter(|id| *id > 0) {
            anchors.insert(id, node.clone());
        }
        match stack.last_mut() {
            None => roots.push(node),
            Some(Open { node: parent, key, seen, .. }) => match &mut parent.kind {
                NodeKind::Seq(items) => items.push(node),
                NodeKind::Map(entries) => match key.take() {
                    Some((name, at)) => entries.push((name, at, node)),
                    None => {
                        let name: Symbol = match &node.kind {
                            NodeKind::Scalar(v) => v.text().unwrap_or_else(|| "null".into()).into(),
                            _ => return Err(syntax(node.span, "only scalars may be keys".into())),
                        };
                        if let Some(first) = seen.insert(name.clone(), node.span) {
                            let d = syntax(node.span, format!("the key `{name}` stands twice"));
                            return Err(Box::new(d.also(first, "first here")));
                        }
                        *key = Some((name, node.span));
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

/// A number as Go reads it; a date or a version is none. Inside, nothing where it does not fit into an int.
fn legacy_number(text: &str) -> Option<Option<i64>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.replace('_', "");
    if digits.starts_with('_') || digits.ends_with('_') || plain.is_empty() {
        return None;
    }
    let of = |digits: &str, radix| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok();
    let digit = |radix: u8| move |b: u8| (b'0'..b'0' + radix).contains(&b);
    Some(match (plain.strip_prefix("0b"), plain.strip_prefix('0').filter(|rest| !rest.is_empty())) {
        (Some(binary), _) if !binary.is_empty() && binary.bytes().all(digit(2)) => of(binary, 2),
        (None, Some(octal)) if octal.bytes().all(digit(8)) => of(octal, 8),
        (None, Some(_)) => return None,
        _ if digits.contains('_') && plain.bytes().all(digit(10)) => of(&plain, 10),
        _ => return None,
    })
}

/// The YAML 1.2 core schema. Nothing for a number that no value keeps.
fn plain_scalar(text: &str, legacy: Legacy) -> Option<Value> {
    if legacy != Legacy::None
        && let Some(number) = legacy_number(text)
    {
        return number.map(|number| Value::plain(Data::Int(number)));
    }
    if legacy == Legacy::Words {
        match &*text.to_lowercase() {
            "yes" | "on" => return Some(Value::plain(Data::Bool(true))),
            "no" | "off" => return Some(Value::plain(Data::Bool(false))),
            _ => {}
        }
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all = |digits: &str, test: fn(&u8) -> bool| !digits.is_empty() && digits.bytes().all(|b| test(&b));
    let radix = |prefix: &str, radix: u32, test: fn(&u8) -> bool| {
        let digits = text.strip_prefix(prefix).filter(|digits| all(digits, test))?;
        Some(i64::from_str_radix(digits, radix).ok())
    };
    let hex = radix("0x", 16, u8::is_ascii_hexdigit);
    let octal = radix("0o", 8, |b| (b'0'..=b'7').contains(b));
    Some(Value::plain(match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ if let Some(number) = hex.or(octal) => Data::Int(number?),
        _ if all(digits, u8::is_ascii_digit) => Data::Int(text.parse().ok()?),
        _ if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && let Ok(float) = text.parse::<f64>() =>
        {
            if !float.is_finite() {
                return None;
            }
            Data::Float(float)
        }
        _ => Data::String(text.into()),
    }))
}
