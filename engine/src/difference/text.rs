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
pub(super) fn string(path: &Path, before: &str, after: &str) -> Leaf {
    if is_binary(before) || is_binary(after) {
        return Leaf::new(path, Edit::Binary { before: blob(before), after: blob(after) });
    }
    if let Some((syntax, leaves, text)) = data::within(before, after) {
        return Leaf::new(path, Edit::Data { syntax, leaves, text });
    }
    let several = |s: &str| s.strip_suffix('\n').unwrap_or(s).contains('\n');
    let mut notes = vec![];
    let mut alike = false;
    let edit = if several(before) || several(after) {
        let (text, ends) = lines(before, after);
        notes.extend(ends);
        Edit::Text(text)
    } else {
        alike = looks_alike(before, after);
        match before.chars().count().max(after.chars().count()) {
            0..=SHORT => Edit::Changed { before: Json::from(before), after: Json::from(after) },
            _ => Edit::Inline(inline(before, after)),
        }
    };
    notes.extend(look_alikes(before, after));
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
pub(super) fn lines(old_text: &str, new_text: &str) -> (Text, Option<String>) {
    let ((mut old_lines, x_ends), (mut new_lines, y_ends)) = (split(old_text), split(new_text));
    let note = match (x_ends, y_ends) {
        (Some(End::CrLf), Some(End::Lf)) => Some("line endings change from CRLF to LF"),
        (Some(End::Lf), Some(End::CrLf)) => Some("line endings change from LF to CRLF"),
        _ => None,
    };
    if note.is_some() {
        for line in old_lines.iter_mut().chain(&mut new_lines).filter(|l| l.1 == End::CrLf) {
            line.1 = End::Lf;
        }
    }
    let note = note.map(|n| format!("{n} in every line"));
    let mut text =
        Text { before: old_lines.len(), after: new_lines.len(), removed: 0, added: 0, lines: vec![] };
    let line = |tag, (content, end): (&str, End), before: Option<usize>, after: Option<usize>| Line {
        tag,
        text: content.into(),
        end,
        before: before.map(|n| n + 1),
        after: after.map(|n| n + 1),
        alike: false,
    };
    for op in ops(&old_lines, &new_lines) {
        let (tag, old, new) = op.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            text.lines.extend(old.zip(new).map(|(i, j)| line(Tag::Same, new_lines[j], Some(i), Some(j))));
            continue;
        }
        (text.removed, text.added) = (text.removed + old.len(), text.added + new.len());
        let from = text.lines.len();
        let (m, n) = (old.len(), new.len());
        text.lines.extend(old.map(|i| line(Tag::Removed, old_lines[i], Some(i), None)));
        text.lines.extend(new.map(|j| line(Tag::Added, new_lines[j], None, Some(j))));
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
fn ops<T: Eq + std::hash::Hash + Ord>(before: &[T], after: &[T]) -> Vec<DiffOp> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let tail =
        before[head..].iter().rev().zip(after[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (p, q) = (&before[head..before.len() - tail], &after[head..after.len() - tail]);
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
        let (old_index, new_index) = (before.len() - tail, after.len() - tail);
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
pub fn inline(before: &str, after: &str) -> Inline {
    let (old_words, new_words) = (words(before), words(after));
    let mut segments: Vec<Segment> = vec![];
    let mut push = |tag: Tag, text: String| {
        if !text.is_empty() {
            segments.push(Segment { tag, text });
        }
    };
    // A short stretch that is equal between two that are not is taken with them.
    let (mut removed, mut added) = (String::new(), String::new());
    let all = ops(&old_words, &new_words);
    let last = all.len().saturating_sub(1);
    for (n, op) in all.into_iter().enumerate() {
        let (tag, old, new) = op.as_tag_tuple();
        let same: String = old_words[old.clone()].concat();
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
                added += &new_words[new].concat();
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
pub(super) fn ratio(before: &str, after: &str) -> f32 {
    let (all_a, all_b) = (before.chars().count(), after.chars().count());
    if all_a.max(all_b) > MANY * 4 {
        return if before == after { 1.0 } else { 0.5 };
    }
    let line = inline(before, after);
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

fn is_mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

/// The appearance of a text: composed, without blanks and invisible characters.
fn look(text: &str) -> String {
    text.nfkc().filter(|c| !is_unseen(*c) && !c.is_whitespace()).collect()
}

/// Whether two texts that differ can look the same.
fn looks_alike(before: &str, after: &str) -> bool {
    before != after && before.trim() != "" && look(before) == look(after)
}

/// Says by which characters two texts differ that look alike.
fn look_alikes(before: &str, after: &str) -> Option<String> {
    if before.is_ascii() && after.is_ascii() {
        return None;
    }
    if before.nfc().eq(after.nfc()) {
        let form = |text: &str| match (text.nfc().eq(text.chars()), text.nfd().eq(text.chars())) {
            (true, _) => "composed (NFC)",
            (_, true) => "decomposed (NFD)",
            _ => "partly decomposed",
        };
        return Some(format!("the same letters: {} becomes {}", form(before), form(after)));
    }
    // A few single characters that differ: shown by their code points.
    let (old_letters, new_letters): (Vec<char>, Vec<char>) =
        (before.chars().collect(), after.chars().collect());
    if old_letters.len().max(new_letters.len()) > MANY {
        return None;
    }
    let (mut pairs, mut all) = (vec![], 0);
    for op in ops(&old_letters, &new_letters) {
        let (tag, old, new) = op.as_tag_tuple();
        if tag == similar::DiffTag::Equal {
            continue;
        }
        all += old.len().max(new.len());
        if all > 8 {
            return None;
        }
        for (p, q) in old.clone().zip(new.clone()) {
            let pair = (Some(old_letters[p]), Some(new_letters[q]));
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let more = old.len().min(new.len());
        pairs.extend(old.skip(more).map(|p| (Some(old_letters[p]), None)));
        pairs.extend(new.skip(more).map(|q| (None, Some(new_letters[q]))));
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
