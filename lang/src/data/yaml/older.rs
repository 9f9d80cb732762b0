//! Plain scalars that YAML 1.1 and YAML 1.2 read differently. `no`, `0644` or `22:22` may mean either reading;
//! neither is chosen silently.

use crate::diag::{Code, Diagnostic};
use crate::source::{Span, Symbol};
use crate::value::Data;

/// A scalar with its reading in YAML 1.1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Older {
    /// As it is written.
    pub(crate) text: Symbol,
    reading: Reading,
}

#[derive(Clone, Debug, PartialEq)]
enum Reading {
    Bool(bool),
    Int(i64),
    Text,
}

impl Older {
    /// The older reading of a plain scalar, where it is another one.
    pub(super) fn of(text: &str, now: &Data) -> Option<Older> {
        let reading = reading(text)?;
        let same = match (&reading, now) {
            (Reading::Bool(a), Data::Bool(b)) => a == b,
            (Reading::Int(a), Data::Int(b)) => a == b,
            (Reading::Text, Data::String(_)) => true,
            _ => false,
        };
        (!same).then(|| Older { text: text.into(), reading })
    }

    fn meaning(&self) -> String {
        match &self.reading {
            Reading::Bool(b) => format!("the boolean `{b}`"),
            Reading::Int(i) => format!("the number {i}"),
            Reading::Text => "a string".into(),
        }
    }

    /// Says that the scalar is ambiguous where no type decides: a warning where the text is kept as it is, an error
    /// where it would become another number.
    pub(crate) fn tell(&self, now: &Data, span: Span) -> Diagnostic {
        let text = &self.text;
        let quoted = crate::text::quote(text);
        let ours = match now {
            Data::String(_) => "a string".into(),
            Data::Int(i) => format!("the number {i}"),
            other => format!("{other:?}"),
        };
        let code = if matches!(now, Data::String(_)) { Code::W0401 } else { Code::E0412 };
        let headline = format!("`{text}` is {ours} in YAML 1.2, and {} in YAML 1.1", self.meaning());
        let diagnostic = Diagnostic::new(code, headline).at(span, "can be read in two ways");
        let string = format!("write {quoted} for the string");
        match (&self.reading, now) {
            (Reading::Int(old), Data::Int(new)) => diagnostic
                .help(format!("write `{}` or `{new}` for the number, {quoted} for the string", octal(*old))),
            (Reading::Text, Data::Int(new)) => {
                diagnostic.help(format!("write `{new}` for the number, {quoted} for the string"))
            }
            (Reading::Bool(b), _) => diagnostic
                .help(format!("write `{b}` for the boolean, {quoted} for the string"))
                .guess(string, span, quoted),
            (Reading::Int(i), _) => diagnostic
                .help(format!("write `{i}` for the number, {quoted} for the string"))
                .guess(string, span, quoted),
            (Reading::Text, _) => diagnostic.help(string.clone()).guess(string, span, quoted),
        }
    }

    /// Adds to a mismatch what the text was in YAML 1.1.
    pub(crate) fn explain(&self, diagnostic: Diagnostic, span: Span) -> Diagnostic {
        let quoted = crate::text::quote(&self.text);
        let diagnostic =
            diagnostic.note(format!("`{}` is {} in YAML 1.1; dtm reads YAML 1.2", self.text, self.meaning()));
        match &self.reading {
            Reading::Bool(b) => {
                let title = format!("write `{b}`");
                diagnostic.help(title.clone()).guess(title, span, b.to_string())
            }
            Reading::Int(i) if self.text.trim_start_matches(['+', '-']).starts_with('0') => {
                diagnostic.help(format!("write `{}` for the number, {quoted} for the string", octal(*i)))
            }
            Reading::Int(i) => {
                diagnostic.help(format!("write `{i}` for the number, {quoted} for the string"))
            }
            Reading::Text => diagnostic.help(format!("write {quoted} for the string")),
        }
    }
}

/// A number as YAML 1.2 writes an octal one.
fn octal(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}0o{:o}", number.unsigned_abs())
}

/// What YAML 1.1 makes of a plain scalar, as far as YAML 1.2 may disagree.
fn reading(text: &str) -> Option<Reading> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(Reading::Bool(true)),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(Reading::Bool(false)),
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = |digits: &str, radix: u32| {
        let plain = digits.replace('_', "");
        let fits = plain.chars().all(|c| c.is_digit(radix)) && !plain.is_empty();
        i64::from_str_radix(&plain, radix).ok().filter(|_| fits).map(|n| Reading::Int(sign * n))
    };
    if digits.contains(':') {
        return sexagesimal(digits).map(|n| Reading::Int(sign * n));
    }
    match (digits.strip_prefix("0b"), digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(binary), ..) => number(binary, 2),
        (_, Some(hex), _) => number(hex, 16),
        (.., Some("")) => None,
        (.., Some(rest)) if rest.chars().all(|c| c.is_ascii_digit() || c == '_') => {
            // With an 8 or a 9 in it, it is not a number in YAML 1.1.
            number(rest, 8).or(Some(Reading::Text))
        }
        _ if digits.contains('_') => number(digits, 10),
        _ => None,
    }
}

/// A number to the base 60: `1:30` is 90.
fn sexagesimal(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next().filter(|p| !p.starts_with('0') && p.chars().all(|c| c.is_ascii_digit()))?;
    let mut sum: i64 = first.parse().ok()?;
    for part in parts {
        let digit: i64 = part.parse().ok().filter(|d| *d < 60 && matches!(part.len(), 1 | 2))?;
        sum = sum.checked_mul(60)?.checked_add(digit)?;
    }
    Some(sum)
}
