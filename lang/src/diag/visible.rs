//! Makes control characters visible. Text of a program, of a state or of a plugin may contain escape sequences that
//! move the cursor, change colors or the title, or write to the clipboard; a terminal must never get them.

use std::borrow::Cow;

/// Whether a character must not reach a terminal: C0 but for line breaks and tabs, DEL, C1, and the bidirectional controls,
/// which make a text look like another one.
pub fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => true,
        _ => character.is_control(),
    }
}

/// A text in which control characters are written out, as `\u{1b}`; a line break in the form of Windows becomes a plain one.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As [`visible`], for JSON: `\u009b` is the same value to every reader.
pub fn visible_json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| match is_hidden(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Source text in which a visible character replaces each hidden one, so that columns stay the same, with a map from bytes of
/// the source to bytes of this text.
#[derive(Clone, Debug)]
pub(super) struct Pictured {
    /// The text.
    pub text: std::sync::Arc<str>,
    /// After which byte of the source how many bytes more have gone by; can be negative.
    shifts: Vec<(usize, isize)>,
}

impl Pictured {
    /// Of a source.
    pub fn of(source: &std::sync::Arc<str>) -> Pictured {
        if !source.contains(is_hidden) {
            return Pictured { text: source.clone(), shifts: vec![] };
        }
        let (mut out, mut shifts, mut shift) = (String::with_capacity(source.len() + 16), vec![], 0);
        for (at, c) in source.char_indices() {
            let ends_line = c == '\r' && source[at + 1..].starts_with('\n');
            if !is_hidden(c) || ends_line {
                out.push(c);
                continue;
            }
            let picture = picture(c);
            out.push(picture);
            shift += picture.len_utf8() as isize - c.len_utf8() as isize;
            shifts.push((at, shift));
        }
        Pictured { text: out.into(), shifts }
    }

    /// Where a byte of the source is.
    pub fn place(&self, byte: usize) -> usize {
        let before = self.shifts.partition_point(|(at, _)| *at < byte);
        let shift = before.checked_sub(1).map_or(0, |i| self.shifts[i].1);
        byte.saturating_add_signed(shift)
    }
}

/// The picture of a control character: `␛`.
fn picture(character: char) -> char {
    match u32::from(character) {
        0x7f => '␡',
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        let text = "a\tb\r\nc\rd \x1b[31mred\x1b]0;title\x07 \u{9b}2J \x7f \u{202e}txt\u{0}";
        let shown = visible(text);
        assert_eq!(
            shown,
            "a\tb\nc\\u{d}d \\u{1b}[31mred\\u{1b}]0;title\\u{7} \\u{9b}2J \\u{7f} \\u{202e}txt\\u{0}"
        );
        assert!(!shown.contains(is_hidden));
        assert_eq!(visible("nothing é\n\tto do"), "nothing é\n\tto do");
    }

    #[test]
    fn json_stays_what_it_is() {
        let text = serde_json::json!({ "a\u{9b}": "\u{7f}\u{1b}\u{202e}" }).to_string();
        let shown = visible_json(&text);
        assert!(!shown.contains(is_hidden));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), serde_json::from_str(&text).ok());
    }

    #[test]
    fn a_picture_stands_in_the_same_column() {
        let source: std::sync::Arc<str> = "a\x1b[31mb\u{9b}c\r\nd\re".into();
        let pictured = Pictured::of(&source);
        assert_eq!(&*pictured.text, "a␛[31mb\u{fffd}c\r\nd␍e");
        for (at, c) in source.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()) {
            assert!(pictured.text[pictured.place(at)..].starts_with(c), "{c} at {at}");
        }
        assert_eq!(pictured.place(source.len()), pictured.text.len());
    }
}
