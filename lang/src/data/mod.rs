//! Data from outside: CSV, JSON, TOML and YAML with the position of every node, checked against a type. Imported files
//! and the decoding builtins share this code.

mod csv;
mod decode;
mod json;
pub(crate) mod sops;
mod toml;
mod yaml;

use crate::budget;
use crate::depth::MAX_DEPTH;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::index::RefinementId;
use crate::loader::Loader;
use crate::maps::IndexMap;
use crate::source::{FileId, Span, Symbol};
use crate::types::{Lit, Type};
use crate::value::{Data, Value};
use std::sync::Arc;

pub(crate) use decode::{Undecodable, decode};
pub use json::same as same_json;

/// A node of a data file.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is in its file.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
    pub(crate) origin: Origin,
}

/// What a node was in its file, where that decides how it converts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Origin {
    /// What the node says.
    #[default]
    Exact,
    /// A field of CSV: text that takes the type of its column.
    Cell(Quoting),
    /// A record of CSV; the place of the header.
    Record(Span),
    /// The value of a `<<`.
    Merge,
    /// A value that is encrypted in the file.
    Sealed(sops::Kind),
    /// A plain scalar that YAML 1.1 reads differently.
    Ambiguous(Arc<yaml::Older>),
}

/// How a field of CSV is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quoting {
    Bare,
    Quoted,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A value without parts.
    Scalar(Value),
    /// A list.
    Seq(Vec<Node>),
    /// A map: keys, the places of the keys, and their nodes, in order.
    Map(Vec<(Symbol, Span, Node)>),
}

impl Node {
    /// A node that is exactly what it says.
    pub fn new(span: Span, kind: NodeKind) -> Node {
        Node { span, kind, origin: Origin::Exact }
    }
    /// The value of a key of a map.
    pub fn entry(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, ..)| **key == *name).map(|(.., node)| node)
    }
    /// The entries of a map: their keys, the places of the keys, and their nodes.
    pub fn entries(&self) -> &[(Symbol, Span, Node)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Scalar(_) | NodeKind::Seq(_) => &[],
        }
    }
    /// The keys of a map, with their places.
    pub fn keys(&self) -> Vec<(Symbol, Span)> {
        self.entries().iter().map(|(name, at, _)| (name.clone(), *at)).collect()
    }
}

/// A number that is not kept exactly is never rounded in silence.
const NOT_EXACT: &str =
    "this number does not fit into an int: quote it if it is text, or write it with `.0` if it is a float";

/// Why a number cannot be kept as it is written.
fn not_exact(written: &str) -> String {
    let is_hex = written.trim_start_matches(['+', '-']).starts_with("0x");
    match !is_hex && written.contains(['.', 'e', 'E']) {
        true => TOO_LARGE.into(),
        false => NOT_EXACT.into(),
    }
}

const TOO_LARGE: &str = "this number is too large";

/// The problem of a list or map that is nested too deep.
fn too_deep(span: Span) -> Box<Diagnostic> {
    syntax(span, format!("nested deeper than {MAX_DEPTH}"))
}

/// A format of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Json,
    Toml,
    Yaml,
}

impl Format {
    /// The format of a file, by the ending of its name.
    pub(crate) fn of_path(path: &str) -> Option<Format> {
        match path.rsplit_once('.')?.1 {
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            "yaml" | "yml" => Some(Format::Yaml),
            _ => None,
        }
    }
    /// The format that a builtin function decodes.
    pub(crate) fn of_builtin(name: &str) -> Option<Format> {
        match name {
            "csv_decode" => Some(Format::Csv),
            "json_decode" => Some(Format::Json),
            "toml_decode" => Some(Format::Toml),
            "yaml_decode" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// The nodes of a text, with merge keys as they are written.
    fn nodes(self, file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
        // What separates values bounds their number, before any of them takes room.
        let ends_value = |b: &u8| *b == b',' || *b == b'\n' && self != Format::Json;
        let values = text.bytes().filter(ends_value).count() as u64;
        budget::work(values);
        if values > budget::DATA {
            let why = format!("it has more than {} values", budget::DATA);
            return Err(syntax(Span::new(file, 0, 0), why));
        }
        match self {
            Format::Csv => csv::read(file, text),
            Format::Json => json::read(file, text),
            Format::Toml => toml::read(file, text),
            Format::Yaml => yaml::read(file, text),
        }
    }
}

/// A file that was read, and opened if it was encrypted.
pub(crate) struct Contents {
    pub(crate) tree: Node,
    pub(crate) sealing: Sealing,
}

/// Whether a file is encrypted.
pub(crate) enum Sealing {
    /// It is in clear.
    None,
    /// It is, and its values are known.
    Opened,
    /// It is, and its values are unset; what to say where they are needed.
    Unset(Box<Diagnostic>),
}

/// Reads a file in the format that its ending names, and in YAML if it names none. Of an encrypted file the loader is asked
/// for the values; `shown` names the file.
pub(crate) fn read(
    file: FileId,
    path: (&str, &str),
    text: &str,
    loader: &dyn Loader,
    diags: &mut Diagnostics,
) -> Option<Contents> {
    crate::syntax::hidden::in_data(file, text, diags);
    contents(file, path, text, loader).map_err(|d| diags.push(*d)).ok()
}

fn contents(
    file: FileId,
    (path, shown): (&str, &str),
    text: &str,
    loader: &dyn Loader,
) -> Result<Contents, Box<Diagnostic>> {
    let format = Format::of_path(path).unwrap_or(Format::Yaml);
    let node = format.nodes(file, text)?;
    let (node, sealing) = match sops::is_sealed(&node) {
        true => sops::open(node, shown, loader)?,
        false if sops::is_named_so(path) => {
            let d = Diagnostic::new(Code::E0419, format!("`{shown}` is not encrypted"));
            let d = d.at(Span { end: node.span.start, ..node.span }, "in clear").hide_source();
            let d = d.note("its name says that sops has encrypted it");
            return Err(Box::new(d.help(format!("encrypt it: `sops encrypt --in-place {shown}`"))));
        }
        false => (node, Sealing::None),
    };
    Ok(Contents { tree: yaml::merged(node)?, sealing })
}

/// The elements that a file adds to the list of several files: its documents, where it is of YAML, and itself otherwise.
pub(crate) fn elements(file: FileId, path: &str, text: &str, tree: Node) -> Vec<Node> {
    let documents = match Format::of_path(path) {
        Some(Format::Yaml) => {
            yaml::documents(file, text, false, yaml::Legacy::None).map_or(1, |all| all.len())
        }
        _ => 1,
    };
    match tree.kind {
        NodeKind::Seq(items) if documents > 1 => items,
        NodeKind::Scalar(value) if matches!(value.data, Data::Null) => vec![],
        kind @ (NodeKind::Scalar(_) | NodeKind::Seq(_) | NodeKind::Map(_)) => vec![Node { kind, ..tree }],
    }
}

/// The top-level keys of a TOML file, with their places; none where it cannot be read.
pub fn toml_keys(file: FileId, text: &str, diags: &mut Diagnostics) -> Vec<(Symbol, Span)> {
    toml::read(file, text).map_err(|d| diags.push(*d)).map_or(vec![], |node| node.keys())
}

/// The data of a text, by the extension that its file would have; `None` if it is not data. Several documents are a list.
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
///
/// # Errors
/// The text is not YAML, or has more values than a program may hold.
pub fn yaml_documents(file: FileId, text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    yaml::documents(file, text, true, yaml::Legacy::Numbers)
}

/// Reads every document of the values of a chart, as Helm does.
///
/// # Errors
/// As [`yaml_documents`].
pub fn chart_values(file: FileId, text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    yaml::documents(file, text, true, yaml::Legacy::Words)
}

/// How a message begins about a text that is not of its format.
const UNREADABLE: &str = "this file cannot be read: ";

fn syntax(span: Span, why: String) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::E0412, format!("{UNREADABLE}{why}")).at(span, "here"))
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
        let mut diagnostic =
            Diagnostic::new(Code::E0411, format!("expected `{ty}`, found {}", describe(node)))
                .at(node.span, "this does not fit");
        if let Some(span) = declared {
            diagnostic = diagnostic.also(span, "the type is declared here");
        }
        // One of several texts was meant, and is misspelt.
        let choices = ty.members().iter().filter_map(|t| match t {
            Type::Lit(Lit::String(l)) => Some(&**l),
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error => None,
        });
        // To look for a near one takes long where there are many: the first errors are enough to see what is wrong.
        if let NodeKind::Scalar(Value { data: Data::String(given), .. }) = &node.kind
            && !matches!(node.origin, Origin::Sealed(_))
            && diags.counts().0 < crate::diag::PER_FILE
        {
            diagnostic = diagnostic.nearest(given, choices);
        }
        if let Origin::Ambiguous(older) = &node.origin {
            diagnostic = older.explain(diagnostic, node.span);
        }
        diags.push(diagnostic);
        Value::error()
    };
    if let (NodeKind::Scalar(v), Origin::Sealed(kind)) = (&node.kind, &node.origin)
        && matches!(v.data, Data::Unknown(_))
    {
        return if kind.may_be(ty) { v.clone() } else { mismatch(diags) };
    }
    if let (NodeKind::Scalar(v), Origin::Cell(quoting)) = (&node.kind, &node.origin)
        && !matches!(ty, Type::Error | Type::Secret(_))
    {
        let text = v.as_str().map_or("", |t| t);
        return cell(text, *quoting, ty).unwrap_or_else(|| mismatch(diags));
    }
    match (ty, &node.kind) {
        (Type::Error, _) => Value::error(),
        (Type::Any | Type::Var(_), _) => untyped(node, diags),
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
                    diags.append(tried);
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
                    // An empty column of CSV leaves the field out.
                    Some(field) if field.default.is_some() && is_blank(value) => {}
                    Some(field) => {
                        let value = typed_part(value, &field.ty, field.span.or(declared), diags);
                        out.insert(name.clone(), value);
                    }
                    None if r.open => _ = out.insert(name.clone(), untyped(value, diags)),
                    None => {
                        let given = |field: &&str| entries.iter().any(|(name, ..)| **name == **field);
                        let free: Vec<&str> =
                            r.fields.keys().map(|k| &**k).filter(|field| !given(field)).collect();
                        misspelt.extend(crate::diag::nearest(name, free.iter().copied()));
                        diags.push(
                            Diagnostic::new(Code::E0303, format!("unknown field `{name}`"))
                                .at(*at, "unknown field")
                                .nearest(name, free),
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
                let start = match node.origin {
                    // Every record lacks it: reported once.
                    Origin::Record(header) => header,
                    Origin::Exact
                    | Origin::Cell(_)
                    | Origin::Merge
                    | Origin::Sealed(_)
                    | Origin::Ambiguous(_) => Span { end: node.span.start, ..node.span },
                };
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
            (Type::Int | Type::Float, Data::Int(_)) if matches!(node.origin, Origin::Ambiguous(_)) => {
                untyped(node, diags)
            }
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
pub fn refined(node: &Node, ty: &Type, found: &mut Vec<(RefinementId, Value, Span)>) {
    // Whether it is too much is reported by `typed`, which tries the same types.
    _ = budget::limited(MOST_TRIED, || refined_part(node, ty, found));
}

fn refined_part(node: &Node, ty: &Type, found: &mut Vec<(RefinementId, Value, Span)>) {
    if !ty.has_refinement() || budget::is_over() {
        return;
    }
    match (ty, &node.kind) {
        (Type::Refined(r), _) => {
            let mut wrong = Diagnostics::default();
            let value = typed_part(node, &r.base, None, &mut wrong);
            if !wrong.has_errors() && !matches!(value.data, Data::Unknown(_)) {
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

/// The value of a node that no type is expected of.
fn untyped(node: &Node, diags: &mut Diagnostics) -> Value {
    match (&node.kind, &node.origin) {
        (NodeKind::Scalar(v), Origin::Ambiguous(older)) => {
            let told = older.tell(&v.data, node.span);
            let wrong = told.severity() == crate::diag::Severity::Error;
            diags.push(told);
            if wrong { Value::error() } else { v.clone() }
        }
        (NodeKind::Scalar(v), _) => v.clone(),
        (NodeKind::Seq(items), _) => Value::list(items.iter().map(|n| untyped(n, diags)).collect()),
        (NodeKind::Map(entries), _) => {
            Value::map(entries.iter().map(|(k, _, n)| (k.clone(), untyped(n, diags))).collect())
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

/// Whether a node is an empty, unquoted field of CSV.
fn is_blank(node: &Node) -> bool {
    node.origin == Origin::Cell(Quoting::Bare)
        && matches!(&node.kind, NodeKind::Scalar(v) if v.as_str().is_some_and(|t| t.is_empty()))
}

/// A field of CSV as a value of its column's type.
fn cell(text: &str, quoting: Quoting, ty: &Type) -> Option<Value> {
    budget::work(1);
    if budget::is_over() {
        return None;
    }
    let trimmed = text.trim();
    Some(match ty {
        Type::Any | Type::Var(_) | Type::String => Value::string(text),
        Type::Error => Value::error(),
        Type::Null if text.is_empty() && quoting == Quoting::Bare => Value::null(),
        Type::Bool => match trimmed {
            "true" | "True" | "TRUE" => Value::plain(Data::Bool(true)),
            "false" | "False" | "FALSE" => Value::plain(Data::Bool(false)),
            _ => return None,
        },
        Type::Int => Value::plain(Data::Int(trimmed.parse().ok()?)),
        // A number that is written whole is kept as it is, or refused.
        Type::Float if !trimmed.contains(['.', 'e', 'E']) => {
            Value::plain(Data::Float(crate::value::exact_float(trimmed.parse().ok()?)?))
        }
        Type::Float => {
            let number: f64 = trimmed.parse().ok().filter(|f: &f64| f.is_finite())?;
            Value::plain(Data::Float(number))
        }
        Type::Duration => Value::plain(Data::Duration(crate::syntax::duration(trimmed)?)),
        Type::Size => Value::plain(Data::Size(crate::syntax::size(trimmed)?)),
        Type::Lit(Lit::String(l)) if **l == *text => Value::string(text),
        Type::Lit(Lit::Int(l)) if trimmed.parse() == Ok(*l) => Value::plain(Data::Int(*l)),
        Type::Lit(Lit::Bool(l)) => {
            let value = cell(text, quoting, &Type::Bool)?;
            return matches!(value.data, Data::Bool(b) if b == *l).then_some(value);
        }
        Type::Refined(r) => cell(text, quoting, &r.base)?,
        Type::Secret(t) => cell(text, quoting, t)?.into_secret(),
        Type::Union(members) => {
            // Text takes anything, so it comes last.
            let (texts, others): (Vec<&Type>, Vec<&Type>) =
                members.iter().partition(|m| matches!(m.reveal().0, Type::String | Type::Any));
            others.into_iter().chain(texts).find_map(|m| cell(text, quoting, m))?
        }
        Type::Null | Type::Lit(_) | Type::List(_) | Type::Map(_) | Type::Record(_) | Type::Tool(_) => {
            return None;
        }
    })
}

fn describe(node: &Node) -> String {
    match (&node.kind, &node.origin) {
        (NodeKind::Seq(_), _) => "a list".into(),
        (NodeKind::Map(_), _) => "a map".into(),
        (NodeKind::Scalar(_), Origin::Ambiguous(older)) => format!("`{}`", older.text),
        (NodeKind::Scalar(_), Origin::Sealed(_)) => "(secret)".into(),
        (NodeKind::Scalar(_), _) if is_blank(node) => "an empty field".into(),
        (NodeKind::Scalar(v), _) => match &v.data {
            Data::Null => "nothing".into(),
            Data::String(s) => format!("the string {}", crate::text::quoted(s)),
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => format!("`{}`", v.text().unwrap_or_default()),
        },
    }
}
