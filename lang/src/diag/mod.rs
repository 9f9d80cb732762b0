//! Diagnostics as values: built by every phase, rendered only at the edge ([`render`]). A value never holds
//! rendered text, so a terminal, one line, JSON and an editor all show the same facts.

mod codes;
pub mod fix;
pub mod render;
pub mod sarif;

pub use codes::{CODES, Code, lookup};

use crate::source::{Span, Symbol};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The run cannot go on.
    Error,
    /// Worth a look; the run goes on.
    Warning,
}

/// A place with what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub text: String,
}

/// An edit that mends the problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What the edit does, starting with a verb.
    pub title: String,
    /// The edits: span and replacement.
    pub edits: Vec<(Span, String)>,
    /// Whether the edit may be made without a look.
    pub safe: bool,
}

/// One problem.
#[derive(Clone, Debug, PartialEq)]
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
            headline: headline.into(),
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

/// What a phase found, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

/// At most this many diagnostics of one file are kept (language.md, section 5).
pub const PER_FILE: usize = 100;

impl Diagnostics {
    /// Adds one; an exact repetition and what goes over the limit of its file is dropped.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let file = diagnostic.primary.as_ref().map(|p| p.span.file);
        let of_file = self.list.iter().rev().filter(|d| d.primary.as_ref().map(|p| p.span.file) == file);
        if of_file.count() >= PER_FILE && file.is_some() || self.list.contains(&diagnostic) {
            return;
        }
        self.list.push(diagnostic);
    }
    /// Adds the problems of a text whose lines are not shown if it holds secrets.
    pub fn append_of(&mut self, other: Diagnostics, has_secrets: bool) {
        let told = other.into_iter().map(|d| if has_secrets { d.hide_source() } else { d });
        told.for_each(|d| self.push(d));
    }
    /// Adds all of another.
    pub fn append(&mut self, other: Diagnostics) {
        for d in other.list {
            self.push(d);
        }
    }
    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity() == Severity::Error)
    }
    /// How many errors and warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.list.iter().filter(|d| d.severity() == Severity::Error).count();
        (errors, self.list.len() - errors)
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
        self.list.sort_by_key(|d| {
            d.primary
                .as_ref()
                .map_or((u32::MAX, 0, d.code.id()), |p| (p.span.file.0, p.span.start, d.code.id()))
        });
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Diagnostics { list: vec![d] }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
