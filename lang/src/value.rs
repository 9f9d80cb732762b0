//! Values at evaluation: data, the instances that it comes from (*marks*), and whether it is secret.
//!
//! A value that is not known yet is [`Data::Unknown`]; it keeps its marks, so that an edge of the graph follows
//! the data and not the mention. Secrets sit on scalars.

use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::syntax::ast::ExprKind;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::syntax::{duration_text, size_text};

/// The position of an instance in [`crate::program::Program::instances`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u32);

/// The position of an instance of a component among those of the program. The first is the program itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ScopeId(pub u32);

/// The instances that a value comes from, each with the expression that reads it.
pub type Marks = Option<Arc<BTreeMap<InstanceId, Span>>>;

/// A value.
#[derive(Clone, Debug)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Where it comes from.
    pub marks: Marks,
    /// Whether it must not be shown.
    pub secret: bool,
}

/// The data of a value.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Symbol),
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Size(i64),
    List(Arc<Vec<Value>>),
    Map(Arc<IndexMap<Symbol, Value>>),
    /// An instance of a tool.
    Tool(InstanceId),
    /// An instance of a component.
    Component(ScopeId),
    /// Not known now.
    Unknown(Unknown),
    /// The place of an error that has been reported.
    Error,
}

/// Why a value is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unknown {
    /// It is, or depends on, the output read here.
    Deferred(Span),
    /// It depends on a param or variable that has no value in `check`.
    Unset,
}

impl Value {
    /// Data without marks.
    pub fn plain(data: Data) -> Self {
        Value { data, marks: None, secret: false }
    }
    /// `null`
    pub fn null() -> Self {
        Value::plain(Data::Null)
    }
    /// A string.
    pub fn string(text: impl Into<Symbol>) -> Self {
        Value::plain(Data::String(text.into()))
    }
    /// A list.
    pub fn list(items: Vec<Value>) -> Self {
        Value::plain(Data::List(Arc::new(items)))
    }
    /// A map or record.
    pub fn map(items: IndexMap<Symbol, Value>) -> Self {
        Value::plain(Data::Map(Arc::new(items)))
    }
    /// The place of a reported error.
    pub fn error() -> Self {
        Value::plain(Data::Error)
    }
    /// Adds the marks of another value.
    pub fn marked(mut self, other: &Marks) -> Self {
        self.marks = union(&self.marks, other);
        self
    }
    /// Makes every scalar inside secret.
    pub fn into_secret(mut self) -> Self {
        match &mut self.data {
            Data::Null | Data::Error | Data::Tool(_) | Data::Component(_) => {}
            Data::List(items) => {
                let items = items.iter().cloned().map(Value::into_secret).collect();
                self.data = Data::List(Arc::new(items));
            }
            Data::Map(items) => {
                let items = items.iter().map(|(k, v)| (k.clone(), v.clone().into_secret())).collect();
                self.data = Data::Map(Arc::new(items));
            }
            _ => self.secret = true,
        }
        self
    }
    /// Without `secret` anywhere inside.
    pub fn exposed(mut self) -> Self {
        self.secret = false;
        match &self.data {
            Data::List(items) => {
                self.data = Data::List(Arc::new(items.iter().cloned().map(Value::exposed).collect()))
            }
            Data::Map(items) => {
                self.data = Data::Map(Arc::new(
                    items.iter().map(|(k, v)| (k.clone(), v.clone().exposed())).collect(),
                ));
            }
            _ => {}
        }
        self
    }
    /// Whether it, or anything inside, is secret.
    pub fn has_secret(&self) -> bool {
        self.secret
            || match &self.data {
                Data::List(items) => items.iter().any(Value::has_secret),
                Data::Map(items) => items.values().any(Value::has_secret),
                _ => false,
            }
    }
    /// Whether nothing inside is unknown.
    pub fn is_known(&self) -> bool {
        match &self.data {
            Data::Unknown(_) => false,
            Data::List(items) => items.iter().all(Value::is_known),
            Data::Map(items) => items.values().all(Value::is_known),
            _ => true,
        }
    }
    /// Whether an error was reported inside.
    pub fn is_error(&self) -> bool {
        match &self.data {
            Data::Error => true,
            Data::List(items) => items.iter().any(Value::is_error),
            Data::Map(items) => items.values().any(Value::is_error),
            _ => false,
        }
    }
    /// All marks, those inside too.
    pub fn collect_marks(&self, into: &mut BTreeMap<InstanceId, Span>) {
        if let Some(marks) = &self.marks {
            marks.iter().for_each(|(id, span)| _ = into.entry(*id).or_insert(*span));
        }
        match &self.data {
            Data::List(items) => items.iter().for_each(|v| v.collect_marks(into)),
            Data::Map(items) => items.values().for_each(|v| v.collect_marks(into)),
            _ => {}
        }
    }
    /// All marks, those inside too.
    pub fn deep_marks(&self) -> Marks {
        match &self.data {
            Data::List(_) | Data::Map(_) => {
                let mut all = BTreeMap::new();
                self.collect_marks(&mut all);
                (!all.is_empty()).then(|| Arc::new(all))
            }
            _ => self.marks.clone(),
        }
    }
    /// The text of a string.
    pub fn as_str(&self) -> Option<&Symbol> {
        match &self.data {
            Data::String(s) => Some(s),
            _ => None,
        }
    }
    /// A field of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.data {
            Data::Map(m) => m.get(key),
            _ => None,
        }
    }
    /// The text of a scalar, as strings and encodings show it.
    pub fn text(&self) -> Option<String> {
        Some(match &self.data {
            Data::Bool(b) => b.to_string(),
            Data::Int(i) => i.to_string(),
            Data::Float(f) => float_text(*f),
            Data::String(s) => s.to_string(),
            Data::Duration(d) => duration_text(*d),
            Data::Size(s) => size_text(*s),
            _ => return None,
        })
    }
}

/// The union of two sets of marks.
pub fn union(a: &Marks, b: &Marks) -> Marks {
    match (a, b) {
        (None, m) | (m, None) => m.clone(),
        (Some(x), Some(y)) if Arc::ptr_eq(x, y) => a.clone(),
        (Some(x), Some(y)) => {
            let mut all = (**x).clone();
            y.iter().for_each(|(id, span)| _ = all.entry(*id).or_insert(*span));
            Some(Arc::new(all))
        }
    }
}

/// Deep equality; the order of maps does not count.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (&a.data, &b.data) {
        (Data::Null, Data::Null) => true,
        (Data::Bool(x), Data::Bool(y)) => x == y,
        (Data::Int(x), Data::Int(y)) => x == y,
        (Data::Int(x), Data::Float(y)) | (Data::Float(y), Data::Int(x)) => *x as f64 == *y,
        (Data::Float(x), Data::Float(y)) => x == y,
        (Data::String(x), Data::String(y)) => x == y,
        (Data::Duration(x), Data::Duration(y)) | (Data::Size(x), Data::Size(y)) => x == y,
        (Data::List(x), Data::List(y)) => {
            x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| equal(x, y))
        }
        (Data::Map(x), Data::Map(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| equal(v, w)))
        }
        (Data::Tool(x), Data::Tool(y)) => x == y,
        (Data::Component(x), Data::Component(y)) => x == y,
        _ => false,
    }
}

/// A float that reads as a float.
pub fn float_text(f: f64) -> String {
    let text = f.to_string();
    if text.contains(['.', 'e', 'E']) { text } else { text + ".0" }
}

/// A string as source text.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            c if c.is_control() => out += &format!("\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
    out = out.replace("${", "\\${");
    out.push('"');
    out
}

/// The value of a literal node.
pub(crate) fn of_literal(kind: &ExprKind) -> Option<Value> {
    Some(Value::plain(match kind {
        ExprKind::Null => Data::Null,
        ExprKind::Bool(b) => Data::Bool(*b),
        ExprKind::Int(i) => Data::Int(*i),
        ExprKind::Float(f) => Data::Float(*f),
        ExprKind::Duration(d) => Data::Duration(*d),
        ExprKind::Size(s) => Data::Size(*s),
        _ => return None,
    }))
}
