//! Data that a string holds: JSON or YAML on both sides is compared as data, not as text.

use super::text::{Text, lines};
use super::{Edit, Leaf, Path, Tag, differs, walk};
use serde_json::Value as Json;

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Syntax {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Syntax::Json => "JSON",
            Syntax::Yaml => "YAML",
        }
    }
    fn ending(self) -> &'static str {
        match self {
            Syntax::Json => "json",
            Syntax::Yaml => "yaml",
        }
    }
}

/// So long are texts that are read as data at most.
const LONGEST: usize = 1 << 20;

/// What differs in the data of two texts, and the texts where more than that differs. `None` where either is not data, or
/// where both are the same data.
pub(super) fn within(before: &str, after: &str) -> Option<(Syntax, Vec<Leaf>, Option<Text>)> {
    let syntax =
        match before.trim_start().starts_with(['{', '[']) && after.trim_start().starts_with(['{', '[']) {
            true => Syntax::Json,
            false => Syntax::Yaml,
        };
    if before.len().max(after.len()) > LONGEST || has_long_number(before) || has_long_number(after) {
        return None;
    }
    let several = |text: &str| text.trim_end().contains('\n');
    if syntax == Syntax::Yaml
        && !(several(before) && several(after) || before.contains(": ") && after.contains(": "))
    {
        return None;
    }
    let data = |text: &str| {
        let data = dtm_lang::read_data(syntax.ending(), text)?;
        (data.is_object() || data.is_array()).then_some(data)
    };
    let (x, y) = (data(before)?, data(after)?);
    // A text that merely contains a colon is not data.
    if syntax == Syntax::Yaml && !(is_structured(&x) && is_structured(&y)) {
        return None;
    }
    let mut leaves = vec![];
    walk(&Path::default(), &x, &y, None, &mut leaves);
    if !differs(&leaves) {
        return None;
    }
    let (text, ends) = lines(before, after);
    let explained: usize = leaves.iter().map(explains).sum();
    let more = ends.is_some() || several(before) && several(after) && is_more(&text, syntax, explained);
    Some((syntax, leaves, more.then_some(text)))
}

fn is_structured(value: &Json) -> bool {
    let plain = |key: &str| !key.is_empty() && key.chars().count() <= 128 && !key.contains(' ');
    match value {
        Json::Object(m) => !m.is_empty() && m.keys().all(|k| plain(k)),
        Json::Array(items) => !items.is_empty(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// A number that may not be kept exactly as data.
fn has_long_number(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|b| {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        run >= 16
    })
}

/// How many lines of text a difference of data may account for.
fn explains(leaf: &Leaf) -> usize {
    match &leaf.edit {
        Edit::Same(_) => 0,
        Edit::Added(value) | Edit::Removed(value) => size(value) + 1,
        Edit::Text(text) => text.added + text.removed,
        Edit::Data { .. } | Edit::Moved => usize::MAX / 1_000_000,
        Edit::Changed { before, after } => size(before) + size(after),
        Edit::Inline(_) | Edit::Secret | Edit::Binary { .. } => 2,
    }
}

fn size(value: &Json) -> usize {
    match value {
        Json::Object(m) => 2 + m.values().map(size).sum::<usize>(),
        Json::Array(items) => 2 + items.iter().map(size).sum::<usize>(),
        Json::String(text) => text.lines().count().max(1) + usize::from(text.contains('\n')),
        Json::Null | Json::Bool(_) | Json::Number(_) => 1,
    }
}

/// Whether lines differ that say nothing as data: comments, blank lines, lines that are only laid out otherwise.
fn is_more(text: &Text, syntax: Syntax, explained: usize) -> bool {
    let bare = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let changed = |tag: Tag| text.lines.iter().filter(move |l| l.tag == tag);
    let removed: std::collections::HashSet<String> = changed(Tag::Removed).map(|l| bare(&l.text)).collect();
    let telling = |t: &str| t.is_empty() || syntax == Syntax::Yaml && t.contains('#');
    text.added + text.removed > explained
        || removed.iter().any(|t| telling(t))
        || changed(Tag::Added).map(|l| bare(&l.text)).any(|t| telling(&t) || is_telling_pair(&t, &removed))
}

/// A line that is there on both sides but for its blanks.
fn is_telling_pair(line: &str, removed: &std::collections::HashSet<String>) -> bool {
    line.len() > 2 && removed.contains(line)
}
