//! YAML 1.2, core schema, with the merge keys (`<<`) of YAML 1.1.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser of YAML has events that say nothing of the data"
)]

mod older;

pub(crate) use older::Older;

use super::{MAX_DEPTH, Node, NodeKind, Origin, not_exact, syntax, too_deep};
use crate::diag::Diagnostic;
use crate::maps::{HashMap, HashSet};
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};
use granit_parser::{Event, Parser, ScalarStyle};
use std::sync::Arc;

/// How many values the aliases of one file may expand to: a few short lines can expand to billions.
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
    /// Whether that key is `<<`.
    merging: bool,
    /// The keys so far.
    seen: HashMap<Symbol, Span>,
    anchor: usize,
}

/// The value of a file: of its one document, or of several the list of those that hold something.
pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let mut documents = documents(file, text, false, Legacy::None)?;
    let whole = Span::new(file, 0, text.len() as u32);
    let null = || Node::new(whole, NodeKind::Scalar(Value::null()));
    if documents.len() < 2 {
        return Ok(documents.pop().unwrap_or_else(null));
    }
    documents
        .retain(|node| !matches!(&node.kind, NodeKind::Scalar(value) if matches!(value.data, Data::Null)));
    Ok(Node::new(whole, NodeKind::Seq(documents)))
}

/// A node in which every map has the entries that `<<` takes over from other maps, in its place. What the map says itself
/// wins, then the earlier of several maps.
pub(super) fn merged(node: Node) -> Result<Node, Box<Diagnostic>> {
    let Node { span, kind, origin } = node;
    let kind = match kind {
        NodeKind::Seq(items) => NodeKind::Seq(items.into_iter().map(merged).collect::<Result<_, _>>()?),
        NodeKind::Map(entries) => NodeKind::Map(merged_entries(entries)?),
        NodeKind::Scalar(value) => NodeKind::Scalar(value),
    };
    Ok(Node { span, kind, origin })
}

fn merged_entries(entries: Vec<(Symbol, Span, Node)>) -> Result<Vec<(Symbol, Span, Node)>, Box<Diagnostic>> {
    let own = entries.iter().filter(|(.., node)| node.origin != Origin::Merge);
    let mut seen: HashSet<Symbol> = own.map(|(name, ..)| name.clone()).collect();
    let mut out = Vec::with_capacity(entries.len());
    for (name, at, node) in entries {
        if node.origin != Origin::Merge {
            out.push((name, at, merged(node)?));
            continue;
        }
        let others = match merged(node)? {
            Node { kind: NodeKind::Seq(items), .. } => items,
            other => vec![other],
        };
        for other in others {
            let NodeKind::Map(more) = other.kind else {
                let why = "`<<` takes over the entries of other maps: write `<<: *anchor` or `<<: [*a, *b]`";
                return Err(Box::new(syntax(other.span, why.into()).also(at, "merged here")));
            };
            out.extend(more.into_iter().filter(|(name, ..)| seen.insert(name.clone())));
        }
    }
    Ok(out)
}

/// Whether a key is `<<`, without quotes.
fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, ..) => {
            let merge = event.tag().is_none_or(|tag| tag.core_suffix() == Some("merge"));
            **text == *"<<" && matches!(style, ScalarStyle::Plain) && merge
        }
        _ => false,
    }
}

/// Refuses a tag of a list or map that means something else.
fn plain_collection(event: &Event<'_>, span: Span) -> Result<(), Box<Diagnostic>> {
    match event.tag() {
        Some(tag) if tag.original() != "!" && !matches!(tag.core_suffix(), Some("seq" | "map")) => {
            Err(syntax(span, format!("the tag `{}` is not supported", tag.original())))
        }
        _ => Ok(()),
    }
}

/// A complaint of the parser, for somebody who does not know the grammar of YAML.
fn in_words(complaint: &str) -> String {
    let words = match complaint {
        "while parsing node, found unknown anchor" => "no anchor with this name is defined above",
        "tabs disallowed within this context (block indentation)"
        | "tabs disallowed in this context"
        | "while scanning a plain scalar, found a tab" => "a tab cannot indent: use spaces",
        "mapping values are not allowed in this context" => {
            "unexpected `: `: check the indentation, or quote text that contains it"
        }
        "block sequence entries are not allowed in this context" => {
            "a list cannot begin here: put the first `- ` on a line of its own"
        }
        "mapping keys are not allowed in this context" => "a key is not allowed here",
        "invalid indentation" | "while parsing a block mapping, did not find expected key" => {
            "this line is indented differently from the ones above"
        }
        "while parsing a block collection, did not find expected '-' indicator" => {
            "an item of a list was expected here: `- `"
        }
        "simple key expected ':'" | "simple key expect ':'" => "a `: ` is missing after this key",
        "while parsing a flow mapping, did not find expected ',' or '}'"
        | "unexpected EOF while parsing a flow mapping" => "a `,` or `}` is missing",
        "while parsing a flow sequence, expected ',' or ']'"
        | "unexpected EOF while parsing a flow sequence" => "a `,` or `]` is missing",
        "while parsing a node, did not find expected node content" => "a value was expected here",
        "while scanning a quoted scalar, found unexpected end of stream" | "unclosed quote" => {
            "a quote is not closed"
        }
        "while parsing a quoted scalar, found unknown escape character" => {
            "an unknown escape in double quotes: a backslash is written `\\\\`"
        }
        "while parsing a quoted scalar, did not find expected hexadecimal number" => {
            "an escape such as `\\u00e9` needs hexadecimal digits"
        }
        "while scanning an anchor or alias, did not find expected alphabetic or numeric character" => {
            "a name is missing after `&` or `*`: quote text that begins with one"
        }
        "comments must be separated from other tokens by whitespace" => "a space is missing before `#`",
        "while scanning a block scalar, found an indentation indicator equal to 0" => {
            "the indentation after `|` or `>` is a number from 1 to 9"
        }
        other => other,
    };
    words.into()
}

/// A scalar with a tag: the tag says what it is.
fn tagged(text: &str, tag: &granit_parser::Tag, span: Span) -> Result<Value, Box<Diagnostic>> {
    let shown = tag.original();
    let wanted = match tag.core_suffix() {
        // `! 12` is a text on purpose.
        _ if shown == "!" => return Ok(Value::string(text)),
        Some("str") => return Ok(Value::string(text)),
        Some(wanted @ ("int" | "float" | "bool" | "null")) => wanted,
        _ => return Err(syntax(span, format!("the tag `{shown}` is not supported"))),
    };
    let exact = || syntax(span, not_exact(text));
    let value = plain_scalar(text, Legacy::None).ok_or_else(exact)?;
    match (wanted, &value.data) {
        ("int", Data::Int(_))
        | ("float", Data::Float(_))
        | ("bool", Data::Bool(_))
        | ("null", Data::Null) => Ok(value),
        ("float", Data::Int(i)) => {
            Ok(Value::plain(Data::Float(crate::value::exact_float(*i).ok_or_else(exact)?)))
        }
        _ => Err(syntax(span, format!("`{text}` does not fit its tag `{shown}`"))),
    }
}

/// Every document of a file. The value of an alias has the position of the alias, or with `own` the position of its anchor.
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
            syntax(Span::new(file, offset, offset), in_words(&e.info()))
        })?;
        let byte = |m: &granit_parser::Marker| m.byte_offset().unwrap_or(0) as u32;
        let span = Span::new(file, byte(&at.start), byte(&at.end));
        let anchor = event.anchor_id();
        let merges = legacy == Legacy::None && is_merge(&event);
        let done = match event {
            Event::Scalar(ref value, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let value = match event.tag() {
                    Some(tag) if legacy == Legacy::None && tag.core_suffix() != Some("merge") => {
                        tagged(value, tag, span)?
                    }
                    Some(tag) if tag.core_suffix() == Some("str") || tag.original() == "!" => {
                        Value::string(&**value)
                    }
                    _ if plain => {
                        plain_scalar(value, legacy).ok_or_else(|| syntax(span, not_exact(value)))?
                    }
                    _ => Value::string(&**value),
                };
                let mut node = Node::new(span, NodeKind::Scalar(value));
                if let NodeKind::Scalar(value) = &node.kind
                    && let (Event::Scalar(text, ..), true, None) = (&event, plain, event.tag())
                    && legacy == Legacy::None
                {
                    if matches!(&*text.to_lowercase(), ".inf" | "+.inf" | "-.inf" | ".nan") {
                        return Err(syntax(
                            span,
                            format!("`{text}` is not a finite number; quote it for the string"),
                        ));
                    }
                    if let Some(older) = Older::of(text, &value.data) {
                        node.origin = Origin::Ambiguous(Arc::new(older));
                    }
                }
                Some((node, anchor))
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => {
                    expanded += count(node);
                    if expanded > MAX_ALIASED {
                        let why = format!("its aliases expand to more than {MAX_ALIASED} values");
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
                if legacy == Legacy::None {
                    plain_collection(&event, span)?;
                }
                let (node, anchor) = (Node::new(span, kind), anchor.unwrap_or(0));
                stack.push(Open { node, key: None, merging: false, seen: HashMap::default(), anchor });
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
            Some(open) => match &mut open.node.kind {
                NodeKind::Seq(items) => items.push(node),
                NodeKind::Map(entries) => match open.key.take() {
                    Some((name, at)) if std::mem::take(&mut open.merging) => {
                        entries.push((name, at, Node { origin: Origin::Merge, ..node }));
                    }
                    Some((name, at)) => entries.push((name, at, node)),
                    None => {
                        let name: Symbol = match (&node.kind, &event) {
                            // `1.10` is another key than `1.1`.
                            (
                                NodeKind::Scalar(Value { data: Data::Int(_) | Data::Float(_), .. }),
                                Event::Scalar(text, ..),
                            ) if legacy == Legacy::None => (&**text).into(),
                            (NodeKind::Scalar(v), _) => v.text().unwrap_or_else(|| "null".into()).into(),
                            _ => return Err(syntax(node.span, "only scalars may be keys".into())),
                        };
                        if let Some(first) = open.seen.insert(name.clone(), node.span) {
                            let d = syntax(node.span, format!("duplicate key `{name}`"));
                            return Err(Box::new(d.also(first, "first here")));
                        }
                        open.key = Some((name, node.span));
                        open.merging = merges;
                    }
                },
                NodeKind::Scalar(_) => {}
            },
        }
    }
    Ok(roots)
}

/// The readings of YAML 1.1 that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Legacy {
    /// Nothing: YAML 1.2.
    None,
    /// Numbers: `0644` is octal, `0b11` binary, `1_000` a thousand.
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
