//! Diagnostics as values: built by every phase, rendered only at the edge ([`render`]). A value never holds
//! rendered text, so a terminal, one line, JSON and an editor all show the same facts.

mod codes;
pub mod fix;
pub mod render;
pub mod sarif;
mod visible;

pub use crate::text::is_unseen;
pub use codes::{CODES, Code};
pub use visible::{is_hidden, visible, visible_json};

use crate::maps::{HashMap, HashSet};
use crate::source::{FileId, Span, Symbol};
use std::hash::BuildHasher;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The run cannot go on.
    Error,
    /// Worth a look; the run goes on.
    Warning,
}

/// A place with what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub text: String,
}

/// An edit that mends the problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fix {
    /// What the edit does, starting with a verb.
    pub title: String,
    /// The edits: span and replacement.
    pub edits: Vec<(Span, String)>,
    /// Whether the edit may be made without a look.
    pub safe: bool,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// The code; its page is shown by `dtm explain`.
    pub code: Code,
    /// What is wrong, in lower case, names in backticks.
    pub headline: String,
    /// Where it is; absent when the problem is in no file.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// Why.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    /// Edits that mend it.
    pub fixes: Vec<Fix>,
    /// The tool that it is about.
    pub tool: Option<Symbol>,
    /// Whether the source under its primary label holds a secret, and must not be shown.
    pub hides_source: bool,
}

impl Diagnostic {
    /// Starts a diagnostic without a place.
    pub fn new(code: Code, headline: impl Into<String>) -> Self {
        Diagnostic {
            code,
            headline: cut(headline.into()),
            primary: None,
            secondary: vec![],
            notes: vec![],
            help: vec![],
            fixes: vec![],
            tool: None,
            hides_source: false,
        }
    }
    /// Sets the main place and what is said there.
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }
    /// Adds another place.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }
    /// Adds a reason.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }
    /// Adds an advice.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
    /// Adds an edit of one place.
    pub fn fix(mut self, title: impl Into<String>, span: Span, with: impl Into<String>) -> Self {
        self.fixes.push(Fix { title: title.into(), edits: vec![(span, with.into())], safe: true });
        self
    }
    /// Adds an edit of one place that may not be what was meant.
    pub fn guess(mut self, title: impl Into<String>, span: Span, with: impl Into<String>) -> Self {
        self.fixes.push(Fix { title: title.into(), edits: vec![(span, with.into())], safe: false });
        self
    }
    /// Keeps the source under its primary label from being shown.
    pub fn hide_source(mut self) -> Self {
        self.hides_source = true;
        self
    }
    /// Names the tool that it is about.
    pub fn tool(mut self, address: impl Into<Symbol>) -> Self {
        self.tool = Some(address.into());
        self
    }
    /// Error or warning, from the code.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
    /// Adds `did you mean` when a near name exists.
    pub fn nearest<'a>(self, wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(wrong, names) {
            Some(name) => match self.primary.as_ref().map(|p| p.span) {
                Some(span) => {
                    let title = format!("write `{name}`");
                    let diagnostic = self.help(format!("write `{name}`, the nearest name"));
                    diagnostic.guess(title, span, name)
                }
                None => self.help(format!("did you mean `{name}`?")),
            },
            None => self,
        }
    }
}

/// The limit of each line of a headline, in which a name or a value may be of any length: its beginning and its end stay.
fn cut(headline: String) -> String {
    const LONGEST: usize = 2_000;
    const END: usize = 500;
    let long = |line: &str| line.len() > LONGEST && line.chars().count() > LONGEST;
    if !headline.split('\n').any(long) {
        return headline;
    }
    let line = |line: &str| {
        if !long(line) {
            return line.to_string();
        }
        let begin: String = line.chars().take(LONGEST - END).collect();
        let end = line.char_indices().rev().nth(END - 1).map_or(0, |(at, _)| at);
        format!("{begin}...{}", &line[end..])
    };
    headline.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The nearest name within a small edit distance.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|n| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &n.to_lowercase()), n))
        // A name of one letter has no near one, but for its case.
        .filter(|(d, n)| *d <= limit && *d < wrong.chars().count() && *n != wrong)
        .min()
        .map(|(_, n)| n.to_string())
}

/// What a phase found, in order. Every error counts, however many there are; see [`Diagnostics::shown`] for those that a
/// person sees.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Where in the list are those of a hash, so that a repetition is found without going through all.
    seen: HashMap<u64, Vec<usize>>,
    /// How many errors and warnings are in the list.
    kept: (usize, usize),
    /// How many more there are than are kept.
    more: (usize, usize),
}

impl PartialEq for Diagnostics {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list && self.more == other.more
    }
}

/// At most this many diagnostics of one file are shown, its errors before its warnings (language.md, section 5).
pub const PER_FILE: usize = 100;

/// At most this many errors, and as many warnings, are kept. The others are counted.
const KEPT: usize = 10_000;

/// What a person is shown.
#[derive(Debug)]
pub struct Shown<'d> {
    /// Errors before warnings, at most [`PER_FILE`] of each file.
    pub diagnostics: Vec<&'d Diagnostic>,
    /// How many errors and warnings are not among them.
    pub left_out: (usize, usize),
}

impl Shown<'_> {
    /// The note about those that are left out: `200 more warnings are not shown`.
    pub fn rest(&self) -> Option<String> {
        let count = |n: usize, word: &str| match n {
            0 => None,
            1 => Some(format!("1 more {word}")),
            n => Some(format!("{n} more {word}s")),
        };
        let parts = [count(self.left_out.0, "error"), count(self.left_out.1, "warning")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let verb = if self.left_out.0 + self.left_out.1 == 1 { "is" } else { "are" };
        (!parts.is_empty()).then(|| format!("{} {verb} not shown", parts.join(" and ")))
    }
}

impl Diagnostics {
    /// Each problem once: of those with the same code, headline and place, the first.
    pub fn once(self) -> Diagnostics {
        let mut seen = HashSet::default();
        let mut out = Diagnostics::default();
        for d in self {
            if seen.insert((d.code, d.headline.clone(), d.primary.as_ref().map(|p| p.span))) {
                out.push(d);
            }
        }
        out
    }

    /// Adds one; an exact repetition is dropped.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let hash = self.seen.hasher().hash_one(&diagnostic);
        let mut same = self.seen.get(&hash).into_iter().flatten();
        if same.any(|at| self.list.get(*at) == Some(&diagnostic)) {
            return;
        }
        let (kept, more) = match diagnostic.severity() {
            Severity::Error => (&mut self.kept.0, &mut self.more.0),
            Severity::Warning => (&mut self.kept.1, &mut self.more.1),
        };
        if *kept >= KEPT {
            *more += 1;
            return;
        }
        *kept += 1;
        self.seen.entry(hash).or_default().push(self.list.len());
        self.list.push(diagnostic);
    }
    /// Adds the problems of a text whose lines are not shown if it holds secrets.
    pub fn append_of(&mut self, other: Diagnostics, has_secrets: bool) {
        self.count_more(&other);
        let told = other.into_iter().map(|d| if has_secrets { d.hide_source() } else { d });
        told.for_each(|d| self.push(d));
    }
    /// Adds all of another.
    pub fn append(&mut self, other: Diagnostics) {
        self.count_more(&other);
        for d in other.list {
            self.push(d);
        }
    }
    fn count_more(&mut self, other: &Diagnostics) {
        self.more.0 += other.more.0;
        self.more.1 += other.more.1;
    }
    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.kept.0 + self.more.0 > 0
    }
    /// How many errors and warnings.
    pub fn counts(&self) -> (usize, usize) {
        (self.kept.0 + self.more.0, self.kept.1 + self.more.1)
    }
    /// All that are kept, errors before warnings: in this order machines get them.
    pub fn worst_first(&self) -> impl Iterator<Item = &Diagnostic> {
        let of = |severity: Severity| self.list.iter().filter(move |d| d.severity() == severity);
        of(Severity::Error).chain(of(Severity::Warning))
    }
    /// What a person is shown: errors before warnings, and of each file no more than can be read.
    pub fn shown(&self) -> Shown<'_> {
        let mut of_file: HashMap<FileId, usize> = HashMap::default();
        let mut shown = Shown { diagnostics: vec![], left_out: self.more };
        for d in self.worst_first() {
            let many = d.primary.as_ref().map(|p| of_file.entry(p.span.file).or_default());
            match (many, d.severity()) {
                (Some(n), Severity::Error) if *n >= PER_FILE => shown.left_out.0 += 1,
                (Some(n), Severity::Warning) if *n >= PER_FILE => shown.left_out.1 += 1,
                (many, _) => {
                    many.into_iter().for_each(|n| *n += 1);
                    shown.diagnostics.push(d);
                }
            }
        }
        shown
    }
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// Orders by file and place, errors without a place last.
    pub fn sort(&mut self) {
        // Positions change.
        self.seen.clear();
        self.list.sort_by_key(|d| {
            d.primary
                .as_ref()
                .map_or((u32::MAX, 0, d.code.id()), |p| (p.span.file.0, p.span.start, d.code.id()))
        });
        for (at, d) in self.list.iter().enumerate() {
            self.seen.entry(self.seen.hasher().hash_one(d)).or_default().push(at);
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut one = Diagnostics::default();
        one.push(diagnostic);
        one
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
