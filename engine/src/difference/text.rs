//! Differences of texts: line by line, or within one long line; and the invisible differences of texts that look alike.

use super::{Blob, Edit, Leaf, Path, data};
use dtm_lang::diag::is_unseen;
use dtm_lang::value::quote;
use serde_json::Value as Json;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use unicode_normalization::UnicodeNormalization;

/// One-line texts of at most this many characters are shown in full, one after the other.
const SHORT: usize = 48;

/// More differing lines or words than this are compared with a faster algorithm, based on rare ones.
const MANY: usize = 4_000;

/// Which side something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Both.
    Same,
    /// Before only.
    Removed,
    /// After only.
    Added,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A line feed.
    Lf,
    /// Carriage return and line feed.
    CrLf,
    /// The text ends here, without a line break.
    None,
}

/// A line of either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which side.
    pub tag: Tag,
    /// Without its end.
    pub text: String,
    /// Its end.
    pub end: End,
    /// Its number before, from 1.
    pub before: Option<usize>,
    /// Its number after, from 1.
    pub after: Option<usize>,
    /// It looks like its counterpart: to be shown with blanks and marks spelled out.
    pub alike: bool,
}

/// A difference line by line. All lines are here.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// How many lines there were.
    pub before: usize,
    /// How many lines there are.
    pub after: usize,
    /// How many are removed.
    pub removed: usize,
    /// How many are added.
    pub added: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Which side.
    pub tag: Tag,
    /// The text.
    pub text: String,
}

/// A difference within one line, in order; a removed part precedes its replacement.
#[derive(Clone, Debug, PartialEq)]
pub struct Inline {
    /// The parts.
    pub segments: Vec<Segment>,
}

/// The difference of two strings.
pub(super) fn string(path: &Path, a: &str, b: &str) -> Leaf {
    if is_binary(a) || is_binary(b) {
        return Leaf::new(path, Edit::Binary { before: blob(a), after: blob(b) });
    }
    if let Some((syntax, leaves, text)) = data::within(a, b) {
        return Leaf::new(path, Edit::Data { syntax, leaves, text });
    }
    let several = |s: &str| s.strip_suffix('\n').unwrap_or(s).contains('\n');
    let mut notes = vec![];
    let mut alike = false;
    let edit = if several(a) || several(b) {
        let (text, ends) = lines(a, b);
        notes.extend(ends);
        Edit::Text(text)
    } else {
        alike = looks_alike(a, b);
        match a.chars().count().max(b.chars().count()) {
            0..=SHORT => Edit::Changed { before: Json::from(a), after: Json::from(b) },
            _ => Edit::Inline(inline(a, b)),
        }
    };
    notes.extend(look_alikes(a, b));
    Leaf { notes, alike, ..Leaf::new(path, edit) }
}

// ---- lines

/// The lines of a text, and how all of them end where that is the same for all; the last may have no end.
pub fn split(text: &str) -> (Vec<(&str, End)>, Option<End>) {
    let lines = lines_of(text);
    let mut ends = lines.iter().map(|l| l.1).filter(|e| *e != End::None);
    let first = ends.next();
    let only = first.filter(|first| ends.all(|e| e == *first));
    (lines, only)
}

fn lines_of(text: &str) -> Vec<(&str, End)> {
    let mut out = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let (line, end, next) = match rest.find('\n') {
            Some(at) => match rest[..at].strip_suffix('\r') {
                Some(line) => (line, End::CrLf, &rest[at + 1..]),
                None => (&rest[..at], End::Lf, &rest[at + 1..]),
            },
            None => (rest, End::None, ""),
        };
        out.push((line, end));
        rest = next;
    }
    out
}

/// The difference line by line. Where every line ends otherwise, that is said once, and lines are compared without their
/// ends.
pub(super) fn lines(a: &str, b: &str) -> (Text, Option<String>) {
    let ((mut x, x_ends), (mut y, y_ends)) = (split(a), split(b));
    let note = match (x_ends, y_ends) {
        (Some(End::CrLf), Some(End::Lf)) => Some("line endings change from CRLF to LF"),
        (Some(End::Lf), Some(End::CrLf)) => Some("line endings change from LF to CRLF"),
        _ => None,
    };
    if note.is_some() {
        for line in x.iter_mut().chain(&mut y).filter(|l| l.1 == End::CrLf) {
            line.1 = End::Lf;
        }
    }
    let note = note.map(|n| format!("{n} in every line"));
    let mut text = Text { before: x.len(), after: y.len(), removed: 0, added: 0, lines: vec![] };
    let line = |tag, (content, end): (&str, End), before: Option<usize>, after: Option<usize>| Line {
        tag,
        text: content.into(),
        end,
        before: before.map(|n| n + 1),
        after: after.map(|n| n + 1),
        alike: false,
    };
    for op in ops(&x, &y) {
        let (tag, old, new) = op.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            text.lines.extend(old.zip(new).map(|(i, j)| line(Tag::Same, y[j], Some(i), Some(j))));
            continue;
        }
        (text.removed, text.added) = (text.removed + old.len(), text.added + new.len());
        let from = text.lines.len();
        let (m, n) = (old.len(), new.len());
        text.lines.extend(old.map(|i| line(Tag::Removed, x[i], Some(i), None)));
        text.lines.extend(new.map(|j| line(Tag::Added, y[j], None, Some(j))));
        for k in 0..m.min(n) {
            let (r, s) = (from + k, from + m + k);
            let alike = text.lines[r].text == text.lines[s].text
                || looks_alike(&text.lines[r].text, &text.lines[s].text);
            (text.lines[r].alike, text.lines[s].alike) = (alike, alike);
        }
    }
    (text, note)
}

/// The operations that turn one into the other. Common prefixes and suffixes are found first.
fn ops<T: Eq + std::hash::Hash + Ord>(x: &[T], y: &[T]) -> Vec<DiffOp> {
    let head = x.iter().zip(y).take_while(|(a, b)| a == b).count();
    let tail = x[head..].iter().rev().zip(y[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (p, q) = (&x[head..x.len() - tail], &y[head..y.len() - tail]);
    let many = p.len().min(q.len()) > MANY;
    let mut out = vec![];
    if head > 0 {
        out.push(DiffOp::Equal { old_index: 0, new_index: 0, len: head });
    }
    if many {
        out.push(DiffOp::Replace { old_index: head, old_len: p.len(), new_index: head, new_len: q.len() });
    } else {
        out.extend(capture_diff_slices(Algorithm::Myers, p, q).into_iter().map(|op| {
            let (tag, old, new) = op.as_tag_tuple();
            let (old_index, new_index) = (old.start + head, new.start + head);
            match tag {
                similar::DiffTag::Equal => DiffOp::Equal { old_index, new_index, len: old.len() },
                similar::DiffTag::Delete => DiffOp::Delete { old_index, old_len: old.len(), new_index },
                similar::DiffTag::Insert => DiffOp::Insert { old_index, new_index, new_len: new.len() },
                similar::DiffTag::Replace => {
                    DiffOp::Replace { old_index, old_len: old.len(), new_index, new_len: new.len() }
                }
            }
        }));
    }
    if tail > 0 {
        let (old_index, new_index) = (x.len() - tail, y.len() - tail);
        out.push(DiffOp::Equal { old_index, new_index, len: tail });
    }
    out
}

// ---- within a line

/// Words and single other characters.
fn words(text: &str) -> Vec<&str> {
    let mut out = vec![];
    let mut start = 0;
    let mut word = false;
    for (at, c) in text.char_indices() {
        let is_word = c.is_alphanumeric() || c == '_';
        if at > start && !(word && is_word) {
            out.push(&text[start..at]);
            start = at;
        }
        word = is_word;
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

/// The difference within a line, by words.
pub fn inline(a: &str, b: &str) -> Inline {
    let (x, y) = (words(a), words(b));
    let mut segments: Vec<Segment> = vec![];
    let mut push = |tag: Tag, text: String| {
        if !text.is_empty() {
            segments.push(Segment { tag, text });
        }
    };
    // A short stretch that is equal between two that are not is taken with them.
    let (mut removed, mut added) = (String::new(), String::new());
    let all = ops(&x, &y);
    let last = all.len().saturating_sub(1);
    for (n, op) in all.into_iter().enumerate() {
        let (tag, old, new) = op.as_tag_tuple();
        let same: String = x[old.clone()].concat();
        match tag {
            similar::DiffTag::Equal if n > 0 && n < last && same.chars().count() < 3 => {
                removed += &same;
                added += &same;
            }
            similar::DiffTag::Equal => {
                pair(&mut push, std::mem::take(&mut removed), std::mem::take(&mut added));
                push(Tag::Same, same);
            }
            similar::DiffTag::Delete | similar::DiffTag::Insert | similar::DiffTag::Replace => {
                removed += &same;
                added += &y[new].concat();
            }
        }
    }
    pair(&mut push, removed, added);
    // The parts that long words share lie beside what was equal already.
    segments.dedup_by(|next, segment| {
        let both = next.tag == Tag::Same && segment.tag == Tag::Same;
        if both {
            segment.text += &next.text;
        }
        both
    });
    Inline { segments }
}

/// Words with so many characters are compared by character too: a key in base64, a line of minified code.
const LONG_WORD: usize = 40;

/// What is replaced. Long words show only where they differ.
fn pair(push: &mut impl FnMut(Tag, String), removed: String, added: String) {
    let count = |text: &str| text.chars().count();
    let shortest = count(&removed).min(count(&added));
    if shortest < LONG_WORD {
        push(Tag::Removed, removed);
        return push(Tag::Added, added);
    }
    let bytes = |n: usize, (c, _): (char, char)| n + c.len_utf8();
    let equal = |(a, b): &(char, char)| a == b;
    let head = removed.chars().zip(added.chars()).take_while(equal).fold(0, bytes);
    let (x, y) = (&removed[head..], &added[head..]);
    let tail = x.chars().rev().zip(y.chars().rev()).take_while(equal).fold(0, bytes);
    push(Tag::Same, removed[..head].into());
    push(Tag::Removed, x[..x.len() - tail].into());
    push(Tag::Added, y[..y.len() - tail].into());
    push(Tag::Same, x[x.len() - tail..].into());
}

/// How much of two texts is the same, from 0 to 1.
pub(super) fn ratio(a: &str, b: &str) -> f32 {
    let (all_a, all_b) = (a.chars().count(), b.chars().count());
    if all_a.max(all_b) > MANY * 4 {
        return if a == b { 1.0 } else { 0.5 };
    }
    let line = inline(a, b);
    let same = line.segments.iter().filter(|s| s.tag == Tag::Same).map(|s| s.text.chars().count());
    2.0 * same.sum::<usize>() as f32 / (all_a + all_b).max(1) as f32
}

// ---- what is not text

/// Whether this is binary: it contains a zero byte. Other control characters are shown escaped, so that nobody can hide a text
/// from a reviewer by adding a few of them.
pub fn is_binary(text: &str) -> bool {
    text.contains('\0')
}

/// The size and the hash of what is not text. A plugin that found bytes says both, and one that found something else, as a
/// link in the place of a file, says what, after a zero byte.
pub fn blob(text: &str) -> Blob {
    if !is_binary(text) {
        return Blob::Text(text.into());
    }
    let found = text.strip_prefix('\0').and_then(|told| {
        let (size, rest) = told.split_once(' ')?;
        let sha256 = rest.rsplit_once("sha256 ")?.1;
        (sha256.len() == 64).then_some((size.parse().ok()?, sha256.to_string()))
    });
    if let (None, Some(note)) = (&found, text.strip_prefix('\0'))
        && !note.is_empty()
        && !note.chars().any(char::is_control)
    {
        return Blob::Note(note.into());
    }
    let (size, sha256) = found.unwrap_or_else(|| (text.len() as u64, crate::hash(text.as_bytes())));
    Blob::Bytes { size, sha256 }
}

// ---- what looks alike

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The appearance of a text: composed, without blanks and invisible characters.
fn look(text: &str) -> String {
    text.nfkc().filter(|c| !is_unseen(*c) && !c.is_whitespace()).collect()
}

/// Whether two texts that differ can look the same.
fn looks_alike(a: &str, b: &str) -> bool {
    a != b && a.trim() != "" && look(a) == look(b)
}

/// Says by which characters two texts differ that look alike.
fn look_alikes(a: &str, b: &str) -> Option<String> {
    if a.is_ascii() && b.is_ascii() {
        return None;
    }
    if a.nfc().eq(b.nfc()) {
        let form = |text: &str| match (text.nfc().eq(text.chars()), text.nfd().eq(text.chars())) {
            (true, _) => "composed (NFC)",
            (_, true) => "decomposed (NFD)",
            _ => "partly decomposed",
        };
        return Some(format!("the same letters: {} becomes {}", form(a), form(b)));
    }
    // A few single characters that differ: shown by their code points.
    let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if x.len().max(y.len()) > MANY {
        return None;
    }
    let (mut pairs, mut all) = (vec![], 0);
    for op in ops(&x, &y) {
        let (tag, old, new) = op.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            continue;
        }
        all += old.len().max(new.len());
        if all > 8 {
            return None;
        }
        for (p, q) in old.clone().zip(new.clone()) {
            let pair = (Some(x[p]), Some(y[q]));
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let more = old.len().min(new.len());
        pairs.extend(old.skip(more).map(|p| (Some(x[p]), None)));
        pairs.extend(new.skip(more).map(|q| (None, Some(y[q]))));
    }
    let ascii = |c: &Option<char>| c.is_none_or(|c| c.is_ascii());
    if pairs.is_empty() || pairs.iter().all(|(p, q)| ascii(p) && ascii(q)) {
        return None;
    }
    let name = |c: Option<char>| match c {
        None => "nothing".to_string(),
        Some(c) if is_unseen(c) || is_mark(c) || c.is_whitespace() => format!("U+{:04X}", c as u32),
        Some(c) => format!("U+{:04X} \"{c}\"", c as u32),
    };
    let told: Vec<String> =
        pairs.into_iter().map(|(p, q)| format!("{} becomes {}", name(p), name(q))).collect();
    Some(told.join(", "))
}

/// A line as it can be shown: control characters, odd blanks and what is not seen by their numbers, tabs as blanks.
pub fn visible(text: &str) -> String {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out += "    ",
            c if c.is_control() || is_unseen(c) => out += &format!("\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
    out
}

/// As [`visible`], with blanks at the end, tabs and combining marks spelled out.
pub fn spelled(text: &str) -> String {
    let end = text.trim_end_matches([' ', '\t']).len();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            ' ' if at >= end => out.push('·'),
            '\t' => out += "→   ",
            '\r' => out += "\\r",
            c if c.is_control() || is_unseen(c) || is_mark(c) => out += &format!("\\u{{{:x}}}", c as u32),
            c => out.push(c),
        }
    }
    out
}

/// A string in quotes, with what is not seen by its number.
pub fn quoted(text: &str, alike: bool) -> String {
    let quoted = quote(text);
    if !alike || quoted.is_ascii() {
        return quoted;
    }
    let mut out = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        match is_mark(c) {
            true => out += &format!("\\u{{{:x}}}", c as u32),
            false => out.push(c),
        }
    }
    out
}
