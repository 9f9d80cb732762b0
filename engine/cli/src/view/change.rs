//! Renders differences as lines. Differences are shown in full; equal parts are folded unless everything is requested.

use super::count;
use super::paper::{Paint, Paper, Piece, cells};
use super::value::text;
use dtm_engine::difference::{
    Blob, Edit, End, Inline, Leaf, Line, Segment, Tag, Text, inline, quoted, spelled, visible,
};
use serde_json::Value;

/// How much of an equal stretch in a line is shown at each end, and from which length on it is folded.
const KEEP: usize = 20;
const STRETCH: usize = 56;

/// What a value is part of: something added, removed, or kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// New.
    Added,
    /// Gone.
    Removed,
    /// There, before and after.
    Same,
    /// A value by itself.
    Plain,
}

impl Side {
    fn mark(self) -> Piece {
        match self {
            Side::Added => (Paint::Green, "+ ".into()),
            Side::Removed => (Paint::Red, "- ".into()),
            Side::Same => (Paint::Dim, "  ".into()),
            Side::Plain => (Paint::Plain, String::new()),
        }
    }
    fn paint(self) -> Paint {
        match self {
            Side::Added => Paint::Green,
            Side::Removed => Paint::Red,
            Side::Same => Paint::Dim,
            Side::Plain => Paint::Plain,
        }
    }
}

fn plain(text: impl Into<String>) -> Piece {
    (Paint::Plain, text.into())
}

fn dim(text: impl Into<String>) -> Piece {
    (Paint::Dim, text.into())
}

/// Writes leaves; `note` goes to the first that differs.
pub fn leaves(paper: &mut Paper, indent: usize, leaves: &[Leaf], note: &str) {
    let mut note = Some(note).filter(|n| !n.is_empty());
    let mut folded = 0;
    let fold = |paper: &mut Paper, folded: &mut usize| {
        if *folded > 0 {
            paper.put(indent + 2, indent + 2, &[dim(format!("... {folded} unchanged"))]);
        }
        *folded = 0;
    };
    for leaf in leaves {
        if let Edit::Same(value) = &leaf.edit {
            match paper.all {
                true => {
                    self::value(
                        paper,
                        indent,
                        Side::Same,
                        &format!("{} = ", visible(&leaf.path.to_string())),
                        "",
                        value,
                    );
                }
                false => folded += 1,
            }
            continue;
        }
        fold(paper, &mut folded);
        self::leaf(paper, indent, leaf, note.take());
    }
    fold(paper, &mut folded);
}

/// The note behind a leaf: the record of a list that it is in, its previous position, differences that are invisible.
fn tail(leaf: &Leaf, note: Option<&str>) -> String {
    let mut out = String::new();
    if let Some((field, name)) = &leaf.within {
        out += &format!("  ({field} {})", text(name));
    }
    if let Some(was) = leaf.was.filter(|_| leaf.edit != Edit::Moved) {
        out += &format!("  (was [{was}])");
    }
    for note in leaf.notes.iter().map(String::as_str).chain(note) {
        out += &format!("  # {note}");
    }
    out
}

fn leaf(paper: &mut Paper, indent: usize, leaf: &Leaf, note: Option<&str>) {
    let tail = tail(leaf, note);
    // A key that cannot be seen is spelled out, so that no two look alike.
    let path = visible(&leaf.path.to_string());
    let changed = || vec![(Paint::Yellow, "~ ".to_string()), plain(path.clone())];
    let head = |paper: &mut Paper, what: String| {
        let mut pieces = changed();
        pieces.push(plain(if what.is_empty() { what } else { format!("  {what}") }));
        pieces.push(dim(tail.clone()));
        paper.put(indent, indent + 4, &pieces);
    };
    match &leaf.edit {
        Edit::Same(_) => {}
        Edit::Added(v) => value(paper, indent, Side::Added, &format!("{path} = "), &tail, v),
        Edit::Removed(v) => value(paper, indent, Side::Removed, &format!("{path} = "), &tail, v),
        Edit::Changed { before, after } => {
            let shown = |v: &Value| match v {
                Value::String(s) => quoted(s, leaf.alike),
                other @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_)) => text(other),
            };
            pair(paper, indent, changed(), &tail, shown(before), shown(after));
        }
        Edit::Secret => {
            let mut pieces = changed();
            pieces.extend([plain(" = (secret, changed)"), dim(tail)]);
            paper.put(indent, indent + 4, &pieces);
        }
        Edit::Binary { before, after } => {
            let full = short(before, 16) == short(after, 16);
            let digits = if full { 64 } else { 16 };
            pair(paper, indent, changed(), &tail, short(before, digits), short(after, digits));
        }
        Edit::Moved => {
            let was = leaf.was.unwrap_or_default();
            head(paper, format!("moves here from [{was}]"));
        }
        Edit::Inline(line) => {
            head(paper, String::new());
            inline_block(paper, indent + 4, line, Some('"'));
        }
        Edit::Text(text) => {
            head(paper, format!("({})", lines_of(text)));
            lines(paper, indent + 4, text);
        }
        Edit::Data { syntax, leaves, text } => {
            head(paper, format!("(as {})", syntax.name()));
            self::leaves(paper, indent + 4, leaves, "");
            if let Some(text) = text {
                let what = format!("the text also differs outside the data ({}):", lines_of(text));
                paper.put(indent + 4, indent + 4, &[dim(what)]);
                lines(paper, indent + 6, text);
            }
        }
    }
}

/// `path = before -> after`, or one below the other where that is too long.
fn pair(paper: &mut Paper, indent: usize, head: Vec<Piece>, tail: &str, before: String, after: String) {
    let mut line = head.clone();
    line.extend([
        plain(" = "),
        (Paint::Red, before.clone()),
        plain(" -> "),
        (Paint::Green, after.clone()),
        dim(tail),
    ]);
    if paper.fits(indent, &line) {
        return paper.put(indent, indent, &line);
    }
    let mut line = head;
    line.push(dim(tail));
    paper.put(indent, indent + 4, &line);
    paper.put(indent + 4, indent + 6, &[(Paint::Red, format!("- {before}"))]);
    paper.put(indent + 4, indent + 6, &[(Paint::Green, format!("+ {after}"))]);
}

fn short(blob: &Blob, digits: usize) -> String {
    match blob {
        Blob::Text(text) if text.chars().count() <= 40 && !text.contains('\n') => quoted(text, false),
        Blob::Text(text) => {
            format!("(text, {}, {})", count(text.lines().count(), "line"), count(text.len(), "byte"))
        }
        Blob::Note(note) => format!("({})", visible(note)),
        Blob::Bytes { size, sha256 } => {
            let hash: String = sha256.chars().take(digits).collect();
            format!(
                "(binary, {}, sha256 {hash})",
                count(usize::try_from(*size).unwrap_or(usize::MAX), "byte")
            )
        }
    }
}

fn lines_of(text: &Text) -> String {
    let lines = match text.before == text.after {
        true => count(text.after, "line"),
        false => format!("{} -> {}", text.before, count(text.after, "line")),
    };
    format!("{lines}: {} removed, {} added", text.removed, text.added)
}

/// Writes the lines of a text that differ, with those around them.
pub fn lines(paper: &mut Paper, indent: usize, text: &Text) {
    let all = &text.lines;
    // How near the next line that differs is, on either side.
    let mut shown = vec![paper.all; all.len()];
    for at in all.iter().enumerate().filter(|(_, l)| l.tag != Tag::Same).map(|(at, _)| at) {
        let (from, to) = (at.saturating_sub(paper.context), (at + paper.context + 1).min(all.len()));
        shown[from..to].fill(true);
    }
    // To fold one line gains nothing.
    for at in (0..shown.len()).filter(|_| paper.context > 0) {
        let near = |other: Option<usize>| other.is_none_or(|o| shown.get(o).copied().unwrap_or(true));
        if !shown[at] && near(at.checked_sub(1)) && near(Some(at + 1)) && text.added + text.removed > 0 {
            shown[at] = true;
        }
    }
    let mut at = 0;
    while at < all.len() {
        if !shown[at] {
            let end = (at..all.len()).find(|k| shown[*k]).unwrap_or(all.len());
            paper.put(indent, indent, &[dim(format!("... {}", count(end - at, "unchanged line")))]);
            at = end;
            continue;
        }
        if all[at].tag == Tag::Same {
            line(paper, indent, &all[at], None);
            at += 1;
            continue;
        }
        let removed = all[at..].iter().take_while(|l| l.tag == Tag::Removed).count();
        let added = all[at + removed..].iter().take_while(|l| l.tag == Tag::Added).count();
        let end = at + removed + added;
        if end == at {
            at += 1;
            continue;
        }
        block(paper, indent, &all[at..at + removed], &all[at + removed..end]);
        at = end;
    }
}

/// Replaced lines. A pair of corresponding lines shows the difference within the line.
fn block(paper: &mut Paper, indent: usize, removed: &[Line], added: &[Line]) {
    let partners: Vec<Option<Inline>> = match removed.len() == added.len() {
        true => removed.iter().zip(added).map(|(r, a)| partner(r, a)).collect(),
        false => vec![None; removed.len().max(added.len())],
    };
    let width = paper.width;
    let long = |l: &Line| indent + 2 + cells(&visible(&l.text)) > width;
    let folds =
        partners.iter().enumerate().any(|(k, p)| p.is_some() && (long(&removed[k]) || long(&added[k])));
    if folds && !paper.all {
        for (k, partner) in partners.iter().enumerate() {
            match partner {
                Some(inline) if long(&removed[k]) || long(&added[k]) => {
                    inline_block(paper, indent, inline, None);
                }
                _ => {
                    line(paper, indent, &removed[k], partner.as_ref());
                    line(paper, indent, &added[k], partner.as_ref());
                }
            }
        }
        return;
    }
    removed.iter().zip(&partners).for_each(|(l, p)| line(paper, indent, l, p.as_ref()));
    added.iter().zip(&partners).for_each(|(l, p)| line(paper, indent, l, p.as_ref()));
}

/// What differs between two lines, where most is the same.
fn partner(left: &Line, right: &Line) -> Option<Inline> {
    if left.alike || left.text.len().max(right.text.len()) > 100_000 {
        return None;
    }
    let inline = inline(&left.text, &right.text);
    let same: usize =
        inline.segments.iter().filter(|s| s.tag == Tag::Same).map(|s| s.text.trim().chars().count()).sum();
    let all = left.text.trim().chars().count().max(right.text.trim().chars().count());
    (same * 2 > all).then_some(inline)
}

fn line(paper: &mut Paper, indent: usize, line: &Line, partner: Option<&Inline>) {
    let (mark, paint, strong, mine) = match line.tag {
        Tag::Same => ("  ", Paint::Dim, Paint::Dim, Tag::Same),
        Tag::Removed => ("- ", Paint::Red, Paint::StrongRed, Tag::Removed),
        Tag::Added => ("+ ", Paint::Green, Paint::StrongGreen, Tag::Added),
    };
    let mut pieces = vec![(paint, mark.to_string())];
    match partner {
        Some(inline) if line.tag != Tag::Same && paper.style.is_on() => {
            for segment in inline.segments.iter().filter(|s| s.tag == Tag::Same || s.tag == mine) {
                let paint = if segment.tag == Tag::Same { paint } else { strong };
                pieces.push((paint, visible(&segment.text)));
            }
        }
        _ if line.alike => pieces.push((paint, spelled(&line.text))),
        _ => pieces.push((paint, visible(&line.text))),
    }
    if line.tag == Tag::Same {
        // An equal part is shown without trailing blanks.
        if let Some((_, text)) = pieces.last_mut() {
            *text = text.trim_end().to_string();
        }
    } else {
        blanks_at_the_end(&mut pieces);
        match line.end {
            End::CrLf => pieces.push(dim("\\r")),
            End::None => pieces.push(dim("  (no newline at end)")),
            End::Lf => {}
        }
    }
    if pieces.iter().all(|(_, text)| text.trim().is_empty()) {
        pieces = vec![(paint, mark.trim_end().to_string())];
    }
    paper.put(indent, indent + 2, &pieces);
}

/// Shows blanks at the end of a line.
fn blanks_at_the_end(pieces: &mut [Piece]) {
    for (_, text) in pieces.iter_mut().skip(1).rev() {
        let kept = text.trim_end_matches(' ').len();
        let blanks = text.len() - kept;
        text.truncate(kept);
        *text += &"·".repeat(blanks);
        if kept > 0 {
            return;
        }
    }
}

/// A difference within a line, as two lines that begin alike; long stretches that are equal are folded.
fn inline_block(paper: &mut Paper, indent: usize, inline: &Inline, quote: Option<char>) {
    let (all, last) = (paper.all, inline.segments.len().saturating_sub(1));
    // Escaped part by part, without the quotes around each.
    let shown = |text: &str| match quote {
        Some(_) => {
            let whole = quoted(text, false);
            whole[1..whole.len() - 1].to_string()
        }
        None => visible(text),
    };
    let same = |at: usize, segment: &Segment| {
        let long = segment.text.chars().count();
        if all || long <= STRETCH {
            return shown(&segment.text);
        }
        let (head, tail) = (if at == 0 { 0 } else { KEEP }, if at == last { 0 } else { KEEP });
        let first: String = segment.text.chars().take(head).collect();
        let end: String = segment.text.chars().skip(long - tail).collect();
        format!("{}...({} unchanged)...{}", shown(&first), long - head - tail, shown(&end))
    };
    for (mine, mark, paint, strong) in [
        (Tag::Removed, "- ", Paint::Red, Paint::StrongRed),
        (Tag::Added, "+ ", Paint::Green, Paint::StrongGreen),
    ] {
        let mut pieces = vec![(paint, format!("{mark}{}", quote.map(String::from).unwrap_or_default()))];
        let mut carets = " ".repeat(cells(&pieces[0].1));
        for (at, segment) in inline.segments.iter().enumerate() {
            let (text, sign) = match segment.tag {
                Tag::Same => (same(at, segment), " "),
                tag if tag == mine => (shown(&segment.text), "^"),
                Tag::Removed | Tag::Added => continue,
            };
            carets += &sign.repeat(cells(&text));
            pieces.push((if sign == "^" { strong } else { paint }, text));
        }
        pieces.push((paint, quote.map(String::from).unwrap_or_default()));
        if quote.is_none() {
            blanks_at_the_end(&mut pieces);
        }
        let one = paper.fits(indent, &pieces);
        paper.put(indent, indent + 2, &pieces);
        // Without colors a line below shows where.
        if one && !paper.style.is_on() && carets.contains('^') {
            paper.put(indent, indent, &[dim(carets.trim_end())]);
        }
    }
}

/// Writes `name = value` in full: on one line where that fits, else over several.
pub fn value(paper: &mut Paper, indent: usize, side: Side, head: &str, tail: &str, value: &Value) {
    let mark = match side {
        Side::Same | Side::Plain => String::new(),
        Side::Added | Side::Removed => side.mark().1,
    };
    entry(paper, indent, side, &mark, head, tail, value);
}

/// As [`value`], without a mark: for what is new as a whole.
pub fn whole(paper: &mut Paper, indent: usize, side: Side, head: &str, value: &Value) {
    entry(paper, indent, side, "", head, "", value);
}

/// Writes `name = value` in full; a text of several lines as its lines.
pub fn plain_value(paper: &mut Paper, indent: usize, head: &str, value: &Value) {
    entry(paper, indent, Side::Plain, "", head, "", value);
}

fn several(text: &str) -> bool {
    text.strip_suffix('\n').unwrap_or(text).contains('\n')
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other values are shown in one line")]
fn entry(paper: &mut Paper, indent: usize, side: Side, mark: &str, head: &str, tail: &str, value: &Value) {
    let paint = if side == Side::Same { Paint::Dim } else { Paint::Plain };
    let start = vec![(side.paint(), mark.to_string()), (paint, head.to_string())];
    let with = |what: String| {
        let mut pieces = start.clone();
        pieces.extend([(paint, what), dim(tail)]);
        pieces
    };
    match value {
        Value::String(s) if dtm_engine::difference::is_binary(s) => {
            let blob = dtm_engine::difference::blob(s);
            paper.put(indent, indent + 4, &with(short(&blob, 64)));
        }
        Value::String(s) if several(s) => {
            let (lines, ends) = dtm_engine::difference::split(s);
            let what = match ends {
                Some(End::CrLf) => format!("({}, CRLF)", count(lines.len(), "line")),
                Some(End::Lf | End::None) | None => format!("({})", count(lines.len(), "line")),
            };
            paper.put(indent, indent + 4, &with(what));
            let below = indent + if mark.is_empty() { 2 } else { 4 };
            for (text, end) in lines {
                let (tag, end) = match (side, ends, end) {
                    (_, Some(End::CrLf), End::CrLf) => (tag_of(side), End::Lf),
                    _ => (tag_of(side), end),
                };
                if side == Side::Plain {
                    let rest = if end == End::None { "  (no newline at end)" } else { "" };
                    paper.put(below, below + 2, &[plain(visible(text)), dim(rest)]);
                    continue;
                }
                let text = text.to_string();
                line(paper, below, &Line { tag, text, end, before: None, after: None, alike: false }, None);
            }
        }
        Value::Object(m) if dtm_lang::wire::tag(m).is_none() && !m.is_empty() => {
            let one = with(text(value));
            if paper.fits(indent, &one) && !has_lines(value) {
                return paper.put(indent, indent, &one);
            }
            paper.put(indent, indent + 4, &with("{".into()));
            let below = indent + if mark.is_empty() { 2 } else { 4 };
            for (key, value) in m {
                entry(paper, below, side, "", &format!("{} = ", super::value::key(key)), "", value);
            }
            paper.put(below - 2, below - 2, &[(paint, "}".into())]);
        }
        Value::Array(items) if !items.is_empty() => {
            let one = with(text(value));
            if paper.fits(indent, &one) && !has_lines(value) {
                return paper.put(indent, indent, &one);
            }
            paper.put(indent, indent + 4, &with("[".into()));
            let below = indent + if mark.is_empty() { 2 } else { 4 };
            items.iter().for_each(|value| entry(paper, below, side, "", "", "", value));
            paper.put(below - 2, below - 2, &[(paint, "]".into())]);
        }
        other => {
            let hang = (indent + cells(mark) + cells(head)).min(paper.width / 2);
            paper.put(indent, hang, &with(text(other)));
        }
    }
}

fn tag_of(side: Side) -> Tag {
    match side {
        Side::Added => Tag::Added,
        Side::Removed => Tag::Removed,
        Side::Same | Side::Plain => Tag::Same,
    }
}

/// Whether a text of several lines is anywhere inside.
fn has_lines(value: &Value) -> bool {
    match value {
        Value::String(s) => several(s) || dtm_engine::difference::is_binary(s),
        Value::Array(items) => items.iter().any(has_lines),
        Value::Object(m) => dtm_lang::wire::tag(m).is_none() && m.values().any(has_lines),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
