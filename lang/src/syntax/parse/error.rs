//! The parser's error: a set of expected token kinds and a few labels, cheap to merge; or a finished diagnostic.

#![expect(clippy::wildcard_enum_match_arm, reason = "chumsky may add variants at any time")]

use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::token::Kind;
use chumsky::DefaultExpected;
use chumsky::error::{Error, LabelError};
use chumsky::input::Input;
use chumsky::util::MaybeRef;

/// What the grammar names as a whole, instead of the tokens that it begins with.
const LABELS: [&str; 5] = ["a declaration", "a field", "a name", "a type", "a value"];

fn bit(label: &str) -> u8 {
    LABELS.iter().position(|l| *l == label).map_or(0, |at| 1 << at)
}

/// What went wrong at one place.
#[derive(Clone, Debug)]
pub(super) struct ParseError {
    pub(super) span: Span,
    pub(super) found: Option<Kind>,
    /// One bit for each kind of token.
    kinds: u128,
    /// One bit for each of `LABELS`. Errors are made and merged at every token: they own nothing.
    labels: u8,
    /// A diagnostic made by the grammar itself.
    pub(super) custom: Option<Box<Diagnostic>>,
}

impl ParseError {
    pub(super) fn custom(span: Span, diagnostic: Diagnostic) -> Self {
        ParseError { span, found: None, kinds: 0, labels: 0, custom: Some(Box::new(diagnostic)) }
    }

    fn add(&mut self, expected: DefaultExpected<'_, Kind>) {
        match expected {
            DefaultExpected::Token(t) => self.kinds |= 1 << (t.into_inner() as u32),
            DefaultExpected::EndOfInput => self.kinds |= 1 << (Kind::Newline as u32),
            _ => {}
        }
    }

    /// Whether a token of this kind would fit.
    pub(super) fn expects(&self, kind: Kind) -> bool {
        self.kinds & (1 << (kind as u32)) != 0
    }

    /// Whether what is named so would fit.
    pub(super) fn expects_a(&self, label: &str) -> bool {
        self.labels & bit(label) != 0
    }

    /// As the user sees it, in the text `src`, if the grammar did not make a diagnostic of its own.
    pub(super) fn diagnostic(&self, src: &str) -> Diagnostic {
        let mut expected: Vec<&str> = LABELS.into_iter().filter(|l| self.expects_a(l)).collect();
        for kind in Kind::ALL_PUNCTUATION {
            if self.expects(*kind) {
                expected.push(kind.describe());
            }
        }
        expected.dedup();
        expected.truncate(4);
        let found = match (self.found, src.get(self.span.range())) {
            (Some(Kind::Ident), Some(word)) if word.len() <= 40 => format!("`{word}`"),
            (found, _) => found.map_or("the end of the declaration", Kind::describe).to_string(),
        };
        let list = match expected.as_slice() {
            [] => None,
            [one] => Some(one.to_string()),
            [most @ .., last] => Some(format!("{} or {last}", most.join(", "))),
        };
        let headline = match &list {
            Some(list) => format!("expected {list}, found {found}"),
            None => format!("{found} is not allowed here"),
        };
        Diagnostic::new(Code::E0101, headline).at(self.span, "unexpected")
    }
}

impl<'t, I> LabelError<'t, I, DefaultExpected<'t, Kind>> for ParseError
where
    I: Input<'t, Token = Kind, Span = Span>,
{
    fn expected_found<E: IntoIterator<Item = DefaultExpected<'t, Kind>>>(
        expected: E,
        found: Option<MaybeRef<'t, Kind>>,
        span: Span,
    ) -> Self {
        let found = found.map(MaybeRef::into_inner);
        let mut error = ParseError { span, found, kinds: 0, labels: 0, custom: None };
        expected.into_iter().for_each(|e| error.add(e));
        error
    }
    fn merge_expected_found<E: IntoIterator<Item = DefaultExpected<'t, Kind>>>(
        mut self,
        expected: E,
        _found: Option<MaybeRef<'t, Kind>>,
        _span: Span,
    ) -> Self {
        expected.into_iter().for_each(|e| self.add(e));
        self
    }
}

impl<'t, I> LabelError<'t, I, &'static str> for ParseError
where
    I: Input<'t, Token = Kind, Span = Span>,
{
    fn expected_found<E: IntoIterator<Item = &'static str>>(
        expected: E,
        found: Option<MaybeRef<'t, Kind>>,
        span: Span,
    ) -> Self {
        let found = found.map(MaybeRef::into_inner);
        let labels = expected.into_iter().fold(0, |all, label| all | bit(label));
        ParseError { span, found, kinds: 0, labels, custom: None }
    }
    fn label_with(&mut self, label: &'static str) {
        if self.custom.is_none() {
            self.kinds = 0;
            self.labels = bit(label);
        }
    }
}

impl<'t, I> Error<'t, I> for ParseError
where
    I: Input<'t, Token = Kind, Span = Span>,
{
    fn merge(mut self, other: Self) -> Self {
        if self.custom.is_some() {
            return self;
        }
        if other.custom.is_some() {
            return other;
        }
        self.kinds |= other.kinds;
        self.labels |= other.labels;
        self
    }
}
