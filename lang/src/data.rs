//! Imported data: YAML, JSON and TOML with the place of every node, checked against a type.

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span, Symbol};
use crate::types::{Lit, Type};
use crate::value::{Data, Value};
use granit_parser::{Event, Parser, ScalarStyle};
use indexmap::IndexMap;

/// A node of a data file.
#[derive(Clone, Debug)]
pub struct Node {
    span: Span,
    kind: NodeKind,
}

#[derive(Clone, Debug)]
enum NodeKind {
    Scalar(Value),
    Seq(Vec<Node>),
    Map(Vec<(Symbol, Span, Node)>),
}

/// How many values the aliases of one file may stand for: a few short lines can stand for billions.
const MAX_ALIASED: usize = 1_000_000;

impl Node {
    /// How many values there are in it, itself included.
    fn count(&self) -> usize {
        1 + match &self.kind {
            NodeKind::Scalar(_) => 0,
            NodeKind::Seq(items) => items.iter().map(Node::count).sum(),
            NodeKind::Map(entries) => entries.iter().map(|(.., n)| n.count()).sum(),
        }
    }
}

/// How deep data may nest.
const MAX_DEPTH: usize = 200;

/// Reads a file by its ending: `.yaml`, `.yml`, `.json`, `.toml`.
pub fn read(file: FileId, path: &str, text: &str, diags: &mut Diagnostics) -> Option<Node> {
    let read = if path.ends_with(".toml") { toml(file, text) } else { yaml(file, text) };
    read.map_err(|d| diags.push(*d)).ok()
}

fn syntax(span: Span, why: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::E0412, format!("this file cannot be read: {why}")).at(span, "here"))
}

fn yaml(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let mut stack: Vec<(Node, Option<(Symbol, Span)>)> = vec![];
    let mut anchors: std::collections::HashMap<usize, Node> = Default::default();
    let mut ids: Vec<usize> = vec![];
    let mut root = None;
    let mut expanded = 0;
    let whole = Span::new(file, 0, text.len() as u32);
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
                    _ if plain => plain_scalar(value),
                    _ => Value::string(&**value),
                };
                Some((Node { span, kind: NodeKind::Scalar(value) }, anchor))
            }
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => {
                    expanded += node.count();
                    if expanded > MAX_ALIASED {
                        let why = format!("its aliases stand for more than {MAX_ALIASED} values");
                        return Err(syntax(span, why));
                    }
                    Some((Node { span, ..node.clone() }, None))
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
            None if root.is_none() => root = Some(node),
            None => return Err(syntax(node.span, "it holds more than one document".into())),
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
    Ok(root.unwrap_or(Node { span: whole, kind: NodeKind::Scalar(Value::null()) }))
}

/// The YAML 1.2 core schema.
fn plain_scalar(text: &str) -> Value {
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

fn toml(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
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

/// The value of a node, checked against a type; every problem points into the data file.
pub fn typed(node: &Node, ty: &Type, declared: Option<Span>, diags: &mut Diagnostics) -> Value {
    let mismatch = |diags: &mut Diagnostics| {
        let mut d = Diagnostic::new(Code::E0411, format!("expected `{ty}`, found {}", describe(node)))
            .at(node.span, "this does not fit");
        if let Some(span) = declared {
            d = d.also(span, "the type is declared here");
        }
        diags.push(d);
        Value::error()
    };
    match (ty, &node.kind) {
        (Type::Error, _) => Value::error(),
        (Type::Any | Type::Var(_), _) => untyped(node),
        (Type::Secret(t), _) => {
            let mut tried = Diagnostics::default();
            let value = typed(node, t, declared, &mut tried).into_secret();
            if tried.has_errors() {
                // What is there is secret, wrong as it is.
                let d = Diagnostic::new(Code::E0411, format!("expected `{ty}`, found (secret)"));
                let d = d.at(node.span, "this does not fit").hide_source();
                diags.push(match declared {
                    Some(span) => d.also(span, "the type is declared here"),
                    None => d,
                });
            }
            value
        }
        (Type::Union(members), _) => {
            let mut best: Option<Diagnostics> = None;
            for member in members.iter() {
                let mut tried = Diagnostics::default();
                let value = typed(node, member, declared, &mut tried);
                if !tried.has_errors() {
                    return value;
                }
                let shape = matches!(
                    (member, &node.kind),
                    (Type::Record(_) | Type::Map(_), NodeKind::Map(_)) | (Type::List(_), NodeKind::Seq(_))
                );
                if shape && best.is_none() {
                    best = Some(tried);
                }
            }
            match best {
                Some(tried) => {
                    diags.append(tried);
                    Value::error()
                }
                None => mismatch(diags),
            }
        }
        (Type::List(t), NodeKind::Seq(items)) => {
            Value::list(items.iter().map(|n| typed(n, t, declared, diags)).collect())
        }
        (Type::Map(t), NodeKind::Map(entries)) => {
            Value::map(entries.iter().map(|(k, _, n)| (k.clone(), typed(n, t, declared, diags))).collect())
        }
        (Type::Record(r), NodeKind::Map(entries)) => {
            let mut out = IndexMap::new();
            let mut misspelt: Vec<String> = vec![];
            for (name, at, value) in entries {
                match r.fields.get(name) {
                    Some(field) => {
                        let value = typed(value, &field.ty, field.span.or(declared), diags);
                        out.insert(name.clone(), value);
                    }
                    None if r.open => _ = out.insert(name.clone(), untyped(value)),
                    None => {
                        misspelt.extend(crate::diag::nearest(name, r.fields.keys().map(|k| &**k)));
                        diags.push(
                            Diagnostic::new(Code::E0303, format!("no field `{name}` is known here"))
                                .at(*at, "unknown field")
                                .nearest(name, r.fields.keys().map(|k| &**k)),
                        );
                    }
                }
            }
            let missing: Vec<String> = r
                .fields
                .iter()
                .filter(|(n, f)| {
                    !f.may_be_absent() && !out.contains_key(*n) && !misspelt.iter().any(|m| **m == ***n)
                })
                .map(|(n, _)| format!("`{n}`"))
                .collect();
            if !missing.is_empty() {
                let start = Span { end: node.span.start, ..node.span };
                let mut d = Diagnostic::new(Code::E0302, format!("missing {}", missing.join(", ")))
                    .at(start, "in this entry");
                if let Some(span) = declared {
                    d = d.also(span, "required by this type");
                }
                diags.push(d);
            }
            Value::map(out)
        }
        (_, NodeKind::Scalar(v)) => match (ty, &v.data) {
            (Type::Null, Data::Null)
            | (Type::Bool, Data::Bool(_))
            | (Type::Int, Data::Int(_))
            | (Type::Float, Data::Float(_))
            | (Type::String, Data::String(_)) => v.clone(),
            (Type::Float, Data::Int(i)) => Value::plain(Data::Float(*i as f64)),
            (Type::Lit(Lit::String(l)), Data::String(s)) if l == s => v.clone(),
            (Type::Lit(Lit::Int(l)), Data::Int(i)) if l == i => v.clone(),
            (Type::Lit(Lit::Bool(l)), Data::Bool(b)) if l == b => v.clone(),
            (Type::Duration, Data::String(s)) => match crate::syntax::duration(s) {
                Some(d) => Value::plain(Data::Duration(d)),
                None => mismatch(diags),
            },
            (Type::Size, Data::String(s)) => match crate::syntax::size(s) {
                Some(b) => Value::plain(Data::Size(b)),
                None => mismatch(diags),
            },
            _ => mismatch(diags),
        },
        _ => mismatch(diags),
    }
}

fn untyped(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(v) => v.clone(),
        NodeKind::Seq(items) => Value::list(items.iter().map(untyped).collect()),
        NodeKind::Map(entries) => {
            Value::map(entries.iter().map(|(k, _, n)| (k.clone(), untyped(n))).collect())
        }
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        NodeKind::Seq(_) => "a list".into(),
        NodeKind::Map(_) => "a map".into(),
        NodeKind::Scalar(v) => match &v.data {
            Data::Null => "nothing".into(),
            Data::String(s) => format!("the string {}", crate::value::quote(s)),
            _ => format!("`{}`", v.text().unwrap_or_default()),
        },
    }
}
