//! The structural difference of two values, as a list of paths. The terminal, the HTML page and the JSON form of a plan are all
//! rendered from it.
//!
//! ```text
//! env       { PORT = "80", HOST = "a" }   ─┐
//!           { PORT = "81", HOST = "a" }    ├─► env.PORT  changed "80" -> "81"
//!                                          ┘   env.HOST  same
//! ```
//!
//! Every difference is a [`Leaf`] that holds both sides in full. Equal values are included as [`Edit::Same`], for renderers to
//! fold. The module is pure: it knows nothing of terminals, widths or colors. It never returns the content of a secret; a leaf
//! only states that the secret changed.

mod data;
mod lists;
mod natural;
mod text;

pub use data::Syntax;
pub use natural::natural;
pub use text::{End, Inline, Line, Segment, Tag, Text};
pub use text::{blob, inline, is_binary, quoted, spelled, split, visible};

use crate::plan::diff::{equal, same};
use dtm_lang::interface::Same;
use dtm_lang::wire::{has_unknown, reveal, tag, unescape};
use dtm_plugin::protocol::PlannedFile;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A file, by its path.
    File(String),
    /// A field of a record, or a key of a map.
    Field(String),
    /// An element of a list; of one that is removed, where it was.
    Index(usize),
    /// A member of a set, by the field that names it where it has one.
    Member(Option<(String, Json)>),
}

/// Where in a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The path of an input.
    pub fn of(name: &str) -> Path {
        Path(vec![Step::Field(name.into())])
    }
    fn to(&self, step: Step) -> Path {
        let mut steps = self.0.clone();
        steps.push(step);
        Path(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::File(path) => write!(f, "{path}")?,
                Step::Field(name) if is_plain(name) && i == 0 => write!(f, "{name}")?,
                Step::Field(name) if is_plain(name) => write!(f, ".{name}")?,
                Step::Field(name) => write!(f, "[{}]", dtm_lang::value::quote(name))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(None) => write!(f, "[*]")?,
                Step::Member(Some((field, Json::String(text)))) => {
                    write!(f, "[{field} = {}]", dtm_lang::value::quote(text))?;
                }
                Step::Member(Some((field, value))) => write!(f, "[{field} = {value}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// One place, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Where.
    pub path: Path,
    /// What becomes of it.
    pub edit: Edit,
    /// The place in its list before, where that is another one.
    pub was: Option<usize>,
    /// The field that names the record of a list in which it is.
    pub within: Option<(String, Json)>,
    /// What cannot be seen by looking at both sides.
    pub notes: Vec<String>,
    /// Both sides look alike: they are to be shown with every blank and mark spelled out.
    pub alike: bool,
}

/// What becomes of a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Nothing.
    Same(Json),
    /// It was not there.
    Added(Json),
    /// It is no longer there.
    Removed(Json),
    /// Another value.
    Changed {
        /// Before.
        before: Json,
        /// After.
        after: Json,
    },
    /// A long text on one line.
    Inline(Inline),
    /// A text of several lines.
    Text(Text),
    /// A text that holds data on both sides.
    Data {
        /// How it is written.
        syntax: Syntax,
        /// What differs in the data.
        leaves: Vec<Leaf>,
        /// The text, where more than the data differs: comments, or how it is laid out.
        text: Option<Text>,
    },
    /// A secret, another one.
    Secret,
    /// What is not text.
    Binary {
        /// Before.
        before: Blob,
        /// After.
        after: Blob,
    },
    /// The same element at another place of its list.
    Moved,
}

/// The description of a value that is not text, or of its counterpart.
#[derive(Clone, Debug, PartialEq)]
pub enum Blob {
    /// Text.
    Text(String),
    /// A plugin's description of something that is not text: a link in place of a file.
    Note(String),
    /// Bytes.
    Bytes {
        /// How many.
        size: u64,
        /// Their SHA-256, hexadecimal.
        sha256: String,
    },
}

/// What differs between two values of an input.
pub fn difference(name: &str, before: &Json, after: &Json, how: Option<Same>) -> Vec<Leaf> {
    let mut leaves = vec![];
    walk(&Path::of(name), before, after, how, &mut leaves);
    leaves
}

/// What differs in a file.
pub fn of_file(file: &PlannedFile) -> Vec<Leaf> {
    let text = |text: &Option<String>| text.clone().map_or(Json::Null, Json::String);
    let path = Path(vec![Step::File(file.path.clone())]);
    let mut leaves = vec![];
    walk(&path, &text(&file.before), &text(&file.after), None, &mut leaves);
    if let (Some(before), Some(after), Some(leaf)) = (&file.mode_before, &file.mode_after, leaves.first_mut())
    {
        leaf.notes.push(format!("mode {before} -> {after}"));
        if matches!(leaf.edit, Edit::Same(_)) {
            let (before, after) = (Json::from(before.as_str()), Json::from(after.as_str()));
            leaf.edit = Edit::Changed { before, after };
            leaf.notes = vec!["its mode".into()];
        }
    }
    leaves
}

/// Whether anything differs.
pub fn differs(leaves: &[Leaf]) -> bool {
    leaves.iter().any(|leaf| !matches!(leaf.edit, Edit::Same(_)))
}

impl Leaf {
    fn new(path: &Path, edit: Edit) -> Leaf {
        Leaf { path: path.clone(), edit, was: None, within: None, notes: vec![], alike: false }
    }
}

fn is_secret(value: &Json) -> bool {
    matches!(value, Json::Object(m) if tag(m).is_some_and(|t| t != "unknown"))
}

fn is_unknown(value: &Json) -> bool {
    matches!(value, Json::Object(m) if tag(m) == Some("unknown"))
}

fn walk(path: &Path, before: &Json, after: &Json, how: Option<Same>, out: &mut Vec<Leaf>) {
    if !has_unknown(before) && !has_unknown(after) && same(before, after, how) {
        return out.push(Leaf::new(path, Edit::Same(after.clone())));
    }
    if is_secret(before) || is_secret(after) {
        let edit = match (before.is_null(), after.is_null()) {
            (true, _) => Edit::Added(after.clone()),
            (_, true) => Edit::Removed(before.clone()),
            _ if is_unknown(after) => Edit::Changed { before: before.clone(), after: after.clone() },
            _ => Edit::Secret,
        };
        return out.push(Leaf::new(path, edit));
    }
    match (before, after) {
        (Json::Null, _) => out.push(Leaf::new(path, Edit::Added(after.clone()))),
        (_, Json::Null) => out.push(Leaf::new(path, Edit::Removed(before.clone()))),
        (Json::Object(a), Json::Object(b)) if tag(a).is_none() && tag(b).is_none() => fields(path, a, b, out),
        (Json::Array(a), Json::Array(b)) if how == Some(Same::Set) => lists::set(path, a, b, out),
        (Json::Array(a), Json::Array(b)) => lists::list(path, a, b, out),
        (Json::String(a), Json::String(b)) => out.push(text::string(path, a, b)),
        _ => {
            let edit = Edit::Changed { before: before.clone(), after: after.clone() };
            out.push(Leaf::new(path, edit));
        }
    }
}

fn fields(path: &Path, old: &Map<String, Json>, new: &Map<String, Json>, out: &mut Vec<Leaf>) {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect::<BTreeSet<_>>().into_iter().collect();
    keys.sort_by(|x, y| natural(x, y));
    for key in keys {
        let (before, after) = (old.get(key).unwrap_or(&Json::Null), new.get(key).unwrap_or(&Json::Null));
        if before.is_null() && after.is_null() {
            continue;
        }
        walk(&path.to(Step::Field(unescape(key).into())), before, after, None, out);
    }
}

/// Equal in value, whatever the order of fields.
fn alike(before: &Json, after: &Json) -> bool {
    !has_unknown(before) && !has_unknown(after) && equal(&reveal(before), &reveal(after))
}

#[cfg(test)]
mod tests;
