//! Imported data: YAML, JSON and TOML with the place of every node, checked against a type.

mod json;
mod toml;
mod yaml;

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::maps::IndexMap;
use crate::source::{FileId, Span, Symbol};
use crate::types::{Lit, Type};
use crate::value::{Data, Value};

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

/// How deep data may nest.
const MAX_DEPTH: usize = 200;

/// Reads a file by its ending: `.yaml`, `.yml`, `.json`, `.toml`.
pub fn read(file: FileId, path: &str, text: &str, diags: &mut Diagnostics) -> Option<Node> {
    let read = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("toml") => toml::read(file, text),
        Some("json") => json::read(file, text),
        _ => yaml::read(file, text),
    };
    read.map_err(|d| diags.push(*d)).ok()
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

/// The value of a node, checked against a type; every problem points into the data file.
pub fn typed(node: &Node, ty: &Type, declared: Option<Span>, diags: &mut Diagnostics) -> Value {
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
        if let NodeKind::Scalar(Value { data: Data::String(given), .. }) = &node.kind {
            d = d.nearest(given, choices);
        }
        diags.push(d);
        Value::error()
    };
    match (ty, &node.kind) {
        (Type::Error, _) => Value::error(),
        (Type::Any | Type::Var(_), _) => untyped(node),
        (Type::Refined(r), _) => typed(node, &r.base, declared, diags),
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
            let mut out = IndexMap::default();
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

/// The values that conditions of a type concern: the condition, the value, where it stands.
pub fn refined(node: &Node, ty: &Type, found: &mut Vec<(usize, Value, Span)>) {
    if !ty.has_refinement() {
        return;
    }
    match (ty, &node.kind) {
        (Type::Refined(r), _) => {
            let mut wrong = Diagnostics::default();
            let value = typed(node, &r.base, None, &mut wrong);
            if !wrong.has_errors() {
                found.push((r.id, value, node.span));
            }
            refined(node, &r.base, found);
        }
        (Type::Secret(t), _) => refined(node, t, found),
        (Type::Union(members), _) => {
            let fitting = members.iter().find(|m| {
                let mut wrong = Diagnostics::default();
                typed(node, m, None, &mut wrong);
                !wrong.has_errors()
            });
            fitting.into_iter().for_each(|m| refined(node, m, found));
        }
        (Type::List(t), NodeKind::Seq(items)) => items.iter().for_each(|n| refined(n, t, found)),
        (Type::Map(t), NodeKind::Map(entries)) => entries.iter().for_each(|(_, _, n)| refined(n, t, found)),
        (Type::Record(r), NodeKind::Map(entries)) => {
            for (name, _, n) in entries {
                r.fields.get(name).into_iter().for_each(|f| refined(n, &f.ty, found));
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
