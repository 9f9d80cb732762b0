//! The renderers of a [`Diagnostic`]: for a terminal (ariadne), one line each, and JSON.

use super::visible::Pictured;
use super::{Diagnostic, Label, Severity, visible, visible_json};
use crate::source::{FileId, Sources};
use std::fmt::Write;

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With the source lines.
    Human,
    /// `path:line:column: error[E0301]: headline`.
    Short,
    /// One JSON object a line.
    Json,
}

/// Writes one diagnostic, ending in a newline. Control characters of sources and messages are written out: the only
/// escape sequences in it are its colors.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, format: Format, color: bool) -> String {
    match format {
        Format::Human => human(diagnostic, sources, color),
        Format::Short => visible(&short(diagnostic, sources)).into_owned(),
        Format::Json => visible_json(&json(diagnostic, sources).to_string()).into_owned() + "\n",
    }
}

fn word(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn short(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let place = diagnostic.primary.as_ref().map(|p| sources.place(p.span) + ": ").unwrap_or_default();
    format!("{place}{}[{}]: {}\n", word(diagnostic), diagnostic.code, diagnostic.headline)
}

fn human(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let Some(primary) = &diagnostic.primary else {
        let mut out = format!("{}[{}]: {}\n", word(diagnostic), diagnostic.code, diagnostic.headline);
        diagnostic.notes.iter().for_each(|n| _ = writeln!(out, "  note: {n}"));
        diagnostic.help.iter().for_each(|h| _ = writeln!(out, "  help: {h}"));
        return visible(&out).into_owned();
    };
    let excerpts: Vec<Option<String>> =
        std::iter::once(primary).chain(&diagnostic.secondary).map(|l| excerpt(sources, l)).collect();
    if diagnostic.hides_source || excerpts.iter().any(Option::is_some) {
        let mut out = format!(
            "{}[{}]: {}\n  at {}\n",
            word(diagnostic),
            diagnostic.code,
            diagnostic.headline,
            sources.place(primary.span)
        );
        if let (false, Some(Some(text))) = (diagnostic.hides_source, excerpts.first()) {
            let _ = writeln!(out, "  │ {text}");
        }
        diagnostic
            .secondary
            .iter()
            .for_each(|l| _ = writeln!(out, "  {} at {}", l.text, sources.place(l.span)));
        diagnostic.notes.iter().for_each(|n| _ = writeln!(out, "  note: {n}"));
        diagnostic.help.iter().for_each(|h| _ = writeln!(out, "  help: {h}"));
        return visible(&out).into_owned();
    }
    let mut cache = Cache::new(sources);
    let mut range = |l: &Label| {
        let (at, text) = (widen(sources, l), cache.pictured(l.span.file));
        (l.span.file, text.place(at.start)..text.place(at.end))
    };
    let config = ariadne::Config::default().with_index_type(ariadne::IndexType::Byte).with_color(color);
    let mut report = ariadne::Report::build(ariadne::ReportKind::Error, range(primary)).with_config(config);
    let tint = match diagnostic.severity() {
        Severity::Error => ariadne::Color::Red,
        Severity::Warning => ariadne::Color::Yellow,
    };
    let text = if primary.text.is_empty() { "here" } else { &primary.text };
    report.add_label(
        ariadne::Label::new(range(primary)).with_message(visible(text)).with_color(tint).with_order(-1),
    );
    for label in &diagnostic.secondary {
        let label = ariadne::Label::new(range(label)).with_message(visible(&label.text));
        report.add_label(label.with_color(ariadne::Color::Cyan));
    }
    diagnostic.notes.iter().for_each(|n| report.add_note(visible(n)));
    diagnostic.help.iter().for_each(|h| report.add_help(visible(h)));
    let mut bytes = Vec::new();
    if report.finish().write(cache, &mut bytes).is_err() {
        return visible(&short(diagnostic, sources)).into_owned();
    }
    let text = String::from_utf8_lossy(&bytes);
    // The first line is our own, in the form of compilers; ariadne would color it in any case.
    let head = format!("{}[{}]", word(diagnostic), diagnostic.code);
    let head = match (color, diagnostic.severity()) {
        (false, _) => head,
        (true, Severity::Error) => format!("\x1b[31m{head}\x1b[0m"),
        (true, Severity::Warning) => format!("\x1b[33m{head}\x1b[0m"),
    };
    let lines: Vec<&str> = text.lines().skip(1).map(str::trim_end).collect();
    let rest: String =
        lines.iter().enumerate().map(|(i, l)| heading(diagnostic, sources, l, &lines[i..]) + "\n").collect();
    format!("{head}: {}\n{rest}", visible(&diagnostic.headline))
}

/// What stands around a label whose line is too long to be shown.
fn excerpt(sources: &Sources, label: &Label) -> Option<String> {
    const LONG: usize = 500;
    const AROUND: usize = 40;
    let text = &sources.file(label.span.file).text;
    let at = widen(sources, label);
    let start = text[..at.start].rfind('\n').map_or(0, |i| i + 1);
    let end = text[at.start..].find('\n').map_or(text.len(), |i| i + at.start);
    if end - start <= LONG {
        return None;
    }
    let before: String = text[start..at.start].chars().rev().take(AROUND).collect();
    let before: String = before.chars().rev().collect();
    let after: String = text[at.start..end].chars().take(AROUND).collect();
    let open = if before.len() < at.start - start { "…" } else { "" };
    let close = if after.len() < end - at.start { "…" } else { "" };
    Some(format!("{open}{before}{after}{close}"))
}

/// The heading of a further frame: ariadne writes the place of the primary label there if the file is the same, and a
/// person wants that of the label below.
fn heading(diagnostic: &Diagnostic, sources: &Sources, line: &str, rest: &[&str]) -> String {
    let place = diagnostic.primary.as_ref().map(|p| sources.place(p.span)).unwrap_or_default();
    let place = visible(&place);
    if !uncolored(line).trim_start().starts_with('├') || !line.contains(&*place) {
        return line.to_string();
    }
    let number = |l: &&str| uncolored(l).split_once('│').and_then(|(n, _)| n.trim().parse::<usize>().ok());
    let shown = rest.iter().skip(1).find_map(number);
    let label = diagnostic
        .secondary
        .iter()
        .find(|l| Some(sources.file(l.span.file).line_column(l.span.start).0) == shown);
    label.map_or_else(|| line.to_string(), |l| line.replace(&*place, &visible(&sources.place(l.span))))
}

/// A line of ariadne without the escape sequences of its colors.
fn uncolored(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, text)| text))
}

/// An empty span shows nothing: take the character at it, or the one before it.
fn widen(sources: &Sources, label: &Label) -> std::ops::Range<usize> {
    let text = &sources.file(label.span.file).text;
    let mut range = label.span.range();
    range.end = range.end.min(text.len());
    range.start = range.start.min(range.end);
    while !text.is_char_boundary(range.start) {
        range.start -= 1;
    }
    if range.is_empty() {
        match text[range.start..].chars().next() {
            Some(c) if c != '\n' => range.end += c.len_utf8(),
            _ => range.start -= text[..range.start].chars().next_back().map_or(0, char::len_utf8),
        }
    }
    range
}

/// The JSON form, also used for editors and machines; field order is fixed.
pub fn json(diagnostic: &Diagnostic, sources: &Sources) -> serde_json::Value {
    let label = |l: &Label| {
        let file = sources.file(l.span.file);
        let (line, column) = file.line_column(l.span.start);
        let (end_line, end_column) = file.line_column(l.span.end);
        serde_json::json!({
            "path": &*file.shown, "line": line, "column": column, "end_line": end_line,
            "end_column": end_column, "start": l.span.start, "end": l.span.end, "text": l.text,
        })
    };
    let fixes: Vec<_> = diagnostic.fixes.iter().map(|f| {
        let edits: Vec<_> = f.edits.iter().map(|(span, with)| {
            serde_json::json!({ "path": &*sources.file(span.file).shown, "start": span.start, "end": span.end, "with": with })
        }).collect();
        serde_json::json!({ "title": f.title, "safe": f.safe, "edits": edits })
    }).collect();
    serde_json::json!({
        "severity": word(diagnostic), "code": diagnostic.code.to_string(), "headline": diagnostic.headline,
        "primary": diagnostic.primary.as_ref().map(label),
        "secondary": diagnostic.secondary.iter().map(label).collect::<Vec<_>>(),
        "notes": diagnostic.notes, "help": diagnostic.help, "fixes": fixes, "tool": diagnostic.tool.as_deref(),
    })
}

struct Cache<'a> {
    sources: &'a Sources,
    texts: std::collections::BTreeMap<FileId, Text>,
}

/// A source as it is shown, and as ariadne takes it once that is needed.
struct Text {
    pictured: Pictured,
    source: Option<ariadne::Source<std::sync::Arc<str>>>,
}

impl<'a> Cache<'a> {
    fn new(sources: &'a Sources) -> Self {
        Cache { sources, texts: Default::default() }
    }
    fn pictured(&mut self, id: FileId) -> &Pictured {
        let sources = self.sources;
        &self
            .texts
            .entry(id)
            .or_insert_with(|| Text { pictured: Pictured::of(&sources.file(id).text), source: None })
            .pictured
    }
}

impl ariadne::Cache<FileId> for Cache<'_> {
    type Storage = std::sync::Arc<str>;
    fn fetch(&mut self, id: &FileId) -> Result<&ariadne::Source<Self::Storage>, impl std::fmt::Debug> {
        let text = self.pictured(*id).text.clone();
        let source = self.texts.get_mut(id).map(|text| &mut text.source);
        let source = source.ok_or("there is no such file")?;
        Ok::<_, &str>(&*source.get_or_insert_with(|| ariadne::Source::from(text)))
    }
    fn display<'a>(&self, id: &'a FileId) -> Option<impl std::fmt::Display + 'a> {
        Some(visible(&self.sources.file(*id).shown).into_owned())
    }
}
