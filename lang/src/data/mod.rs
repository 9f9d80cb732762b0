//! Imported data: YAML, JSON and TOML with the place of every node, checked against a type.

mod json;
mod toml;
mod yaml;

use crate::budget;
use crate::depth::MAX_DEPTH;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::maps::IndexMap;
use crate::source::{FileId, Span, Symbol};
use crate::types::{Lit, Type};
use crate::value::{Data, Value};

pub use json::same as same_json;

/// A node of a data file.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) span: Span,
    pub(crate) kind: NodeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Scalar(Value),
    Seq(Vec<Node>),
    Map(Vec<(Symbol, Span, Node)>),
}

impl Node {
    /// The keys of a map, with their places.
    pub fn keys(&self) -> Vec<(Symbol, Span)> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().map(|(name, at, _)| (name.clone(), *at)).collect(),
            _ => vec![],
        }
    }
}

/// A number that is not kept exactly is never rounded in silence.
const NOT_EXACT: &str = "this number does not fit into an int: put quotes around it where it is text, write it with `.0` where it is a float";

/// The problem of a list or map that is nested too deep.
fn too_deep(span: Span) -> Box<Diagnostic> {
    syntax(span, format!("nested deeper than {MAX_DEPTH}"))
}

/// Reads a file by its ending: `.yaml`, `.yml`, `.json`, `.toml`.
pub fn read(file: FileId, path: &str, text: &str, diags: &mut Diagnostics) -> Option<Node> {
    crate::syntax::hidden::in_data(file, text, diags);
    let read = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("toml") => toml::read(file, text),
        Some("json") => json::read(file, text),
        _ => yaml::read(file, text),
    };
    read.map_err(|d| diags.push(*d)).ok()
}

/// The top-level keys of a TOML file, with their places; none where it cannot be read.
pub fn toml_keys(file: FileId, text: &str, diags: &mut Diagnostics) -> Vec<(Symbol, Span)> {
    toml::read(file, text).map_err(|d| diags.push(*d)).map_or(vec![], |node| node.keys())
}

/// The data of a text, by the ending that its file would have; `None` where it is no data. Several documents are a list.
pub fn read_data(ending: &str, text: &str) -> Option<serde_json::Value> {
    let file = FileId::default();
    match ending {
        "json" => json::read(file, text).ok().map(|node| as_json(&node)),
        "toml" => toml::read(file, text).ok().map(|node| as_json(&node)),
        _ => {
            let mut documents = yaml::documents(file, text, false, yaml::Legacy::None).ok()?;
            match documents.len() {
                0 => None,
                1 => documents.pop().map(|node| as_json(&node)),
                _ => Some(documents.iter().map(as_json).collect()),
            }
        }
    }
}

fn as_json(node: &Node) -> serde_json::Value {
    match &node.kind {
        NodeKind::Scalar(value) => crate::wire::plain_json(value),
        NodeKind::Seq(items) => items.iter().map(as_json).collect(),
        NodeKind::Map(entries) => {
            entries.iter().map(|(name, _, node)| (name.to_string(), as_json(node))).collect()
        }
    }
}

/// Reads every document of a YAML file; what an alias stands for has the place where it is written.
pub(crate) fn yaml_documents(file: FileId, text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    yaml::documents(file, text, true, yaml::Legacy::Numbers)
}

/// Reads every document of the values of a chart, as Helm does.
pub(crate) fn chart_values(file: FileId, text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    yaml::documents(file, text, true, yaml::Legacy::Words)
}

fn syntax(span: Span, why: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::E0412, format!("this file cannot be read: {why}")).at(span, "here"))
}

/// The value of a file, checked against a type; every problem points into the file.
pub fn typed(node: &Node, ty: &Type, declared: Option<Span>, diags: &mut Diagnostics) -> Value {
    _ = budget::refused();
    let (value, over) = budget::limited(MOST_TRIED, || typed_part(node, ty, declared, diags));
    if let Some(why) = budget::refused() {
        diags.push(Diagnostic::new(Code::E0417, why.headline()).at(node.span, "read here"));
        return Value::error();
    }
    if over {
        let d = Diagnostic::new(Code::E0417, format!("to check this takes more than {MOST_TRIED} steps"));
        diags.push(d.at(node.span, "read here").help("give it a type with fewer unions inside each other"));
        return Value::error();
    }
    value
}

/// How many nodes may be tried against types: with unions inside of unions, each is tried many times.
const MOST_TRIED: u64 = 20_000_000;

fn typed_part(node: &Node, ty: &Type, declared: Option<Span>, diags: &mut Diagnostics) -> Value {
    budget::work(1);
    if budget::is_over() {
        return Value::error();
    }
    let mismatch = |diags: &mut Diagnostics| {
        let mut d = Diagnostic::new(Code::E0411, format!("expected `{ty}`, found {}", describe(node)))
            .at(node.span, "this does not fit");
        if let Some(span) = declared {
            d = d.also(span, "the type is declared here");
        }
        // One of several texts was meant, and is misspelt.
        let choices = ty.members().iter().filter_map(|t| match t {
            Type::Lit(Lit::String(l)) => Some(&**l),
            _ => None,
        });
        // To look for a near one takes long where there are many: the first errors are enough to see what is wrong.
        if let NodeKind::Scalar(Value { data: Data::String(given), .. }) = &node.kind
            && diags.counts().0 < crate::diag::PER_FILE
        {
            d = d.nearest(given, choices);
        }
        diags.push(d);
        Value::error()
    };
    match (ty, &node.kind) {
        (Type::Error, _) => Value::error(),
        (Type::Any | Type::Var(_), _) => untyped(node),
        (Type::Refined(r), _) => typed_part(node, &r.base, declared, diags),
        (Type::Secret(t), _) => {
            let mut tried = Diagnostics::default();
            let value = typed_part(node, t, declared, &mut tried).into_secret();
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
            if let NodeKind::Scalar(v) = &node.kind
                && members.iter().any(|member| is_literal(member, v))
            {
                return v.clone();
            }
            let mut best: Option<Diagnostics> = None;
            for member in members.iter().filter(|member| !matches!(member, Type::Lit(_))) {
                let mut tried = Diagnostics::default();
                let value = typed_part(node, member, declared, &mut tried);
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
            Value::list(items.iter().map(|n| typed_part(n, t, declared, diags)).collect())
        }
        (Type::Map(t), NodeKind::Map(entries)) => Value::map(
            entries.iter().map(|(k, _, n)| (k.clone(), typed_part(n, t, declared, diags))).collect(),
        ),
        (Type::Record(r), NodeKind::Map(entries)) => {
            let mut out = IndexMap::default();
            let mut misspelt: Vec<String> = vec![];
            for (name, at, value) in entries {
                match r.fields.get(name) {
                    Some(field) => {
                        let value = typed_part(value, &field.ty, field.span.or(declared), diags);
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
            (Type::Float, Data::Int(i)) => match crate::value::exact_float(*i) {
                Some(float) => Value::plain(Data::Float(float)),
                None => mismatch(diags),
            },
            (Type::Lit(_), _) if is_literal(ty, v) => v.clone(),
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

/// The values that conditions of a type concern: the condition, the value, where it stands.
pub fn refined(node: &Node, ty: &Type, found: &mut Vec<(usize, Value, Span)>) {
    // Whether it is too much is reported by `typed`, which tries the same types.
    _ = budget::limited(MOST_TRIED, || refined_part(node, ty, found));
}

fn refined_part(node: &Node, ty: &Type, found: &mut Vec<(usize, Value, Span)>) {
    if !ty.has_refinement() || budget::is_over() {
        return;
    }
    match (ty, &node.kind) {
        (Type::Refined(r), _) => {
            let mut wrong = Diagnostics::default();
            let value = typed_part(node, &r.base, None, &mut wrong);
            if !wrong.has_errors() {
                found.push((r.id, value, node.span));
            }
            refined_part(node, &r.base, found);
        }
        (Type::Secret(t), _) => refined_part(node, t, found),
        (Type::Union(members), _) => {
            let fitting = members.iter().find(|m| {
                let mut wrong = Diagnostics::default();
                typed_part(node, m, None, &mut wrong);
                !wrong.has_errors()
            });
            fitting.into_iter().for_each(|m| refined_part(node, m, found));
        }
        (Type::List(t), NodeKind::Seq(items)) => items.iter().for_each(|n| refined_part(n, t, found)),
        (Type::Map(t), NodeKind::Map(entries)) => {
            entries.iter().for_each(|(_, _, n)| refined_part(n, t, found))
        }
        (Type::Record(r), NodeKind::Map(entries)) => {
            for (name, _, n) in entries {
                r.fields.get(name).into_iter().for_each(|f| refined_part(n, &f.ty, found));
            }
        }
        _ => {}
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

/// Whether a scalar is the one value of a literal type.
fn is_literal(ty: &Type, value: &Value) -> bool {
    match (ty, &value.data) {
        (Type::Lit(Lit::String(l)), Data::String(s)) => l == s,
        (Type::Lit(Lit::Int(l)), Data::Int(i)) => l == i,
        (Type::Lit(Lit::Bool(l)), Data::Bool(b)) => l == b,
        _ => false,
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        NodeKind::Seq(_) => "a list".into(),
        NodeKind::Map(_) => "a map".into(),
        NodeKind::Scalar(v) => match &v.data {
            Data::Null => "nothing".into(),
            Data::String(s) => format!("the string {}", crate::value::quoted(s)),
            _ => format!("`{}`", v.text().unwrap_or_default()),
        },
    }
}
