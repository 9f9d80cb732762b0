//! Values at evaluation: data, the instances that it comes from (*marks*), and whether it is secret.
//!
//! A value that is not known yet is [`Data::Unknown`]; it keeps its marks, so that an edge of the graph follows
//! the data and not the mention. Secrets sit on scalars.

use crate::budget::{self, Refused};
use crate::depth::MAX_DEPTH;
use crate::maps::IndexMap;
use crate::source::{FileId, Span, Symbol};
use crate::syntax::ast::ExprKind;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::syntax::{duration_text, size_text};
pub use crate::text::quote;

/// An instance of a tool, by its position among those of the program.
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
    /// Where it was written.
    pub origin: Origin,
}

/// The module in which a string was written: a path of something that is read is one from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Not settled: the expression that uses it counts.
    #[default]
    Open,
    /// None: it comes from outside, or from a tool, whose paths are those of the project.
    Project,
    /// The file of this expression.
    File(FileId),
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
    List(Arc<Whole<Vec<Value>>>),
    Map(Arc<Whole<IndexMap<Symbol, Value>>>),
    /// An instance of a tool.
    Tool(InstanceId),
    /// An instance of a component.
    Component(ScopeId),
    /// Not known now.
    Unknown(Unknown),
    /// The place of an error that has been reported.
    Error,
}

/// The parts of a list or map, with what is asked of all of them again and again. It reads as what it holds.
#[derive(Debug)]
pub struct Whole<T> {
    parts: T,
    sum: Sum,
    /// How many parts the budget counts for it.
    room: usize,
}

impl<T> Whole<T> {
    fn new(parts: T, sum: Sum, room: usize) -> Arc<Self> {
        budget::made(room);
        Arc::new(Whole { parts, sum, room })
    }
}

impl<T> Drop for Whole<T> {
    fn drop(&mut self) {
        budget::gone(self.room);
    }
}

impl<T> std::ops::Deref for Whole<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.parts
    }
}

/// Properties of a value with everything inside, known without traversing it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// How large it is: nodes, keys and text, shared parts as often as they occur.
    pub(crate) weight: u64,
    /// How many lists and maps there are one inside the other.
    pub(crate) depth: usize,
    secret: bool,
    unknown: bool,
    error: bool,
    marked: bool,
    /// Whether a tool or component is inside.
    pub(crate) tools: bool,
}

impl Sum {
    /// Of a list or map without parts.
    const EMPTY: Sum =
        Sum { weight: 1, depth: 1, secret: false, unknown: false, error: false, marked: false, tools: false };

    fn with(self, part: &Value) -> Sum {
        let of = part.sum();
        Sum {
            weight: self.weight.saturating_add(of.weight),
            depth: self.depth.max(of.depth + 1),
            secret: self.secret || of.secret,
            unknown: self.unknown || of.unknown,
            error: self.error || of.error,
            marked: self.marked || of.marked,
            tools: self.tools || of.tools,
        }
    }

    /// Why a value with this sum is not made.
    fn refused(&self) -> Option<Refused> {
        match self {
            Sum { depth, .. } if *depth > MAX_DEPTH => Some(Refused::Deep),
            Sum { weight, .. } if *weight > budget::LARGEST => Some(Refused::Large),
            _ => None,
        }
    }
}

fn text_weight(text: &str) -> u64 {
    1 + text.len() as u64 / budget::TEXT
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
        Value { data, marks: None, secret: false, origin: Origin::Open }
    }
    /// `null`
    pub fn null() -> Self {
        Value::plain(Data::Null)
    }
    /// A string.
    pub fn string(text: impl Into<Symbol>) -> Self {
        Value::plain(Data::String(text.into()))
    }
    /// A list. In the place of one that is too large or too deep there is an error, which the evaluator reports.
    pub fn list(parts: Vec<Value>) -> Self {
        let (room, sum) = (parts.len(), parts.iter().fold(Sum::EMPTY, Sum::with));
        match sum.refused() {
            Some(why) => Value::refused(why),
            None => Value::plain(Data::List(Whole::new(parts, sum, room))),
        }
    }
    /// A map or record, with the same limits.
    pub fn map(parts: IndexMap<Symbol, Value>) -> Self {
        // An entry takes the room of three elements.
        let room = parts.len() * 3;
        let mut sum = Sum::EMPTY;
        for (key, value) in &parts {
            sum = sum.with(value);
            sum.weight = sum.weight.saturating_add(text_weight(key));
        }
        match sum.refused() {
            Some(why) => Value::refused(why),
            None => Value::plain(Data::Map(Whole::new(parts, sum, room))),
        }
    }
    fn refused(why: Refused) -> Self {
        budget::refuse(why);
        Value::error()
    }
    /// What holds of it with everything inside.
    pub(crate) fn sum(&self) -> Sum {
        let parts = match &self.data {
            Data::List(items) => items.sum,
            Data::Map(items) => items.sum,
            Data::String(text) => Sum { weight: text_weight(text), depth: 0, ..Sum::EMPTY },
            Data::Unknown(_) => Sum { unknown: true, depth: 0, ..Sum::EMPTY },
            Data::Error => Sum { error: true, depth: 0, ..Sum::EMPTY },
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Duration(_)
            | Data::Size(_) => Sum { depth: 0, ..Sum::EMPTY },
            Data::Tool(_) | Data::Component(_) => Sum { tools: true, depth: 0, ..Sum::EMPTY },
        };
        Sum { secret: parts.secret || self.secret, marked: parts.marked || self.marks.is_some(), ..parts }
    }
    /// Counts the work of going through it.
    pub(crate) fn walked(&self) {
        budget::work(self.sum().weight);
    }
    /// The place of a reported error.
    pub fn error() -> Self {
        Value::plain(Data::Error)
    }
    /// The same value, with paths relative to the project.
    pub fn of_project(self) -> Self {
        Value { origin: Origin::Project, ..self }
    }
    /// As a part of another value: what a tool has is the project's, and its parts too.
    pub fn inside(self, whole: &Value) -> Self {
        if whole.origin == Origin::Project { self.of_project() } else { self }
    }
    /// Adds the marks of another value.
    pub fn marked(mut self, other: &Marks) -> Self {
        self.marks = union(&self.marks, other);
        self
    }
    /// Makes every scalar inside secret.
    pub fn into_secret(self) -> Self {
        let Value { data, marks, secret, origin } = self;
        match data {
            Data::Null | Data::Error | Data::Tool(_) | Data::Component(_) => {
                Value { data, marks, secret, origin }
            }
            Data::List(items) => {
                let made = Value::list(items.iter().cloned().map(Value::into_secret).collect());
                Value { marks, secret, origin, ..made }
            }
            Data::Map(items) => {
                let made = items.iter().map(|(k, v)| (k.clone(), v.clone().into_secret())).collect();
                Value { marks, secret, origin, ..Value::map(made) }
            }
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Unknown(_) => Value { data, marks, secret: true, origin },
        }
    }
    /// Without `secret` anywhere inside.
    pub fn exposed(self) -> Self {
        if !self.sum().secret {
            return self;
        }
        let Value { data, marks, origin, .. } = self;
        let made = match data {
            Data::List(items) => Value::list(items.iter().cloned().map(Value::exposed).collect()),
            Data::Map(items) => {
                Value::map(items.iter().map(|(k, v)| (k.clone(), v.clone().exposed())).collect())
            }
            data @ (Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error) => Value::plain(data),
        };
        Value { marks, origin, ..made }
    }
    /// Whether it, or anything inside, is secret.
    pub fn has_secret(&self) -> bool {
        self.sum().secret
    }
    /// Whether nothing inside is unknown.
    pub fn is_known(&self) -> bool {
        !self.sum().unknown
    }
    /// Whether an error was reported inside.
    pub fn is_error(&self) -> bool {
        self.sum().error
    }
    /// All marks, those inside too.
    pub fn collect_marks(&self, into: &mut BTreeMap<InstanceId, Span>) {
        if self.sum().marked {
            self.walked();
            self.marks_inside(into);
        }
    }
    fn marks_inside(&self, into: &mut BTreeMap<InstanceId, Span>) {
        if !self.sum().marked {
            return;
        }
        if let Some(marks) = &self.marks {
            budget::work(marks.len() as u64);
            marks.iter().for_each(|(id, span)| _ = into.entry(*id).or_insert(*span));
        }
        match &self.data {
            Data::List(items) => items.iter().for_each(|v| v.marks_inside(into)),
            Data::Map(items) => items.values().for_each(|v| v.marks_inside(into)),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => {}
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
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => self.marks.clone(),
        }
    }
    /// The text of a string.
    pub fn as_str(&self) -> Option<&Symbol> {
        match &self.data {
            Data::String(s) => Some(s),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => None,
        }
    }
    /// A field of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.data {
            Data::Map(m) => m.get(key),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => None,
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
            Data::Null
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => return None,
        })
    }
}

/// The union of two sets of marks.
pub fn union(left: &Marks, right: &Marks) -> Marks {
    match (left, right) {
        (None, m) | (m, None) => m.clone(),
        (Some(x), Some(y)) if Arc::ptr_eq(x, y) => left.clone(),
        (Some(x), Some(y)) => {
            budget::work((x.len() + y.len()) as u64);
            let mut all = (**x).clone();
            y.iter().for_each(|(id, span)| _ = all.entry(*id).or_insert(*span));
            Some(Arc::new(all))
        }
    }
}

/// Deep equality; the order of maps does not count. Ints are compared as ints: `1 == 1.0`, and no two ints are equal
/// because a float cannot tell them apart.
pub fn equal(left: &Value, right: &Value) -> bool {
    // A part of a map is looked up, which takes longer than a step.
    budget::work(left.sum().weight.min(right.sum().weight).saturating_mul(3));
    same(left, right)
}

fn same(left: &Value, right: &Value) -> bool {
    match (&left.data, &right.data) {
        (Data::Null, Data::Null) => true,
        (Data::Bool(x), Data::Bool(y)) => x == y,
        (Data::Int(x), Data::Int(y)) => x == y,
        (Data::Int(x), Data::Float(y)) | (Data::Float(y), Data::Int(x)) => {
            int_and_float(*x, *y) == Some(Ordering::Equal)
        }
        (Data::Float(x), Data::Float(y)) => x == y,
        (Data::String(x), Data::String(y)) => x == y,
        (Data::Duration(x), Data::Duration(y)) | (Data::Size(x), Data::Size(y)) => x == y,
        (Data::List(x), Data::List(y)) => {
            Arc::ptr_eq(x, y) || x.len() == y.len() && x.iter().zip(y.iter()).all(|(x, y)| same(x, y))
        }
        (Data::Map(x), Data::Map(y)) => {
            Arc::ptr_eq(x, y)
                || x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        (Data::Tool(x), Data::Tool(y)) => x == y,
        (Data::Component(x), Data::Component(y)) => x == y,
        _ => false,
    }
}

/// The order of two scalars.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (&left.data, &right.data) {
        (Data::Int(x), Data::Int(y))
        | (Data::Duration(x), Data::Duration(y))
        | (Data::Size(x), Data::Size(y)) => Some(x.cmp(y)),
        (Data::Float(x), Data::Float(y)) => x.partial_cmp(y),
        (Data::Int(x), Data::Float(y)) => int_and_float(*x, *y),
        (Data::Float(x), Data::Int(y)) => int_and_float(*y, *x).map(Ordering::reverse),
        (Data::String(x), Data::String(y)) => Some(x.cmp(y)),
        _ => None,
    }
}

/// Equal values have equal hashes; for one process.
pub(crate) fn hash(value: &Value) -> u64 {
    use std::hash::{BuildHasher, Hash};
    // Seeded in every process, so that nobody can choose values that collide.
    static STATE: std::sync::LazyLock<foldhash::fast::RandomState> =
        std::sync::LazyLock::new(Default::default);
    let state = &*STATE;
    match &value.data {
        Data::Null => 0,
        Data::Bool(b) => state.hash_one(b),
        Data::Int(i) => state.hash_one(i),
        // An int and a float may be equal; then they are the same int.
        Data::Float(f) => state.hash_one(*f as i64),
        Data::String(s) => state.hash_one(&**s),
        Data::Duration(n) | Data::Size(n) => state.hash_one((1u8, n)),
        Data::List(items) => state.hash_one(items.iter().map(hash).collect::<Vec<_>>()),
        // The order of the keys does not count.
        Data::Map(items) => items.iter().fold(items.len() as u64, |sum, (key, value)| {
            let mut entry = state.build_hasher();
            (&**key, hash(value)).hash(&mut entry);
            sum.wrapping_add(std::hash::Hasher::finish(&entry))
        }),
        Data::Tool(id) => state.hash_one(id),
        Data::Component(id) => state.hash_one(id),
        Data::Unknown(_) | Data::Error => 1,
    }
}

/// Compares an int and a float exactly: as a float, `9007199254740993` would be `9007199254740992`.
pub fn int_and_float(int: i64, float: f64) -> Option<Ordering> {
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= ABOVE {
        return Some(Ordering::Less);
    }
    if float < -ABOVE {
        return Some(Ordering::Greater);
    }
    // What is left of the point fits an int.
    let whole = int.cmp(&(float.trunc() as i64));
    Some(whole.then_with(|| 0.0f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
}

/// An int as a float, if a float can keep it exactly.
pub(crate) fn exact_float(int: i64) -> Option<f64> {
    let float = int as f64;
    (int_and_float(int, float) == Some(Ordering::Equal)).then_some(float)
}

/// A float that reads as a float.
pub fn float_text(float: f64) -> String {
    let text = float.to_string();
    if text.contains(['.', 'e', 'E']) { text } else { text + ".0" }
}

/// The value of a literal node.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
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
