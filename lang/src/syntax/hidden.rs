//! Invisible characters: bidirectional controls, which make a line look different from what dtm
//! parses, and characters that look like a space or like nothing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule of the text names the few tokens that it is about"
)]

use super::token::{Kind, Token};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span};

/// The name of a character that changes the order in which a line is shown.
fn bidirectional(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{061c}' => "arabic letter mark",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{202a}' => "left-to-right embedding",
        '\u{202b}' => "right-to-left embedding",
        '\u{202c}' => "pop directional formatting",
        '\u{202d}' => "left-to-right override",
        '\u{202e}' => "right-to-left override",
        '\u{2066}' => "left-to-right isolate",
        '\u{2067}' => "right-to-left isolate",
        '\u{2068}' => "first strong isolate",
        '\u{2069}' => "pop directional isolate",
        _ => return None,
    })
}

/// The name of a character that cannot be seen, and what is written in its place.
pub(super) fn invisible(character: char) -> Option<(&'static str, &'static str)> {
    if let Some(name) = bidirectional(character) {
        return Some((name, ""));
    }
    Some(match character {
        '\u{a0}' => ("no-break space", " "),
        '\u{ad}' => ("soft hyphen", ""),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => {
            ("a space that is not a blank", " ")
        }
        '\u{202f}' => ("narrow no-break space", " "),
        '\u{200b}' => ("zero width space", ""),
        '\u{200c}' => ("zero width non-joiner", ""),
        '\u{200d}' => ("zero width joiner", ""),
        '\u{2060}' => ("word joiner", ""),
        '\u{2028}' => ("line separator", "\n"),
        '\u{2029}' => ("paragraph separator", "\n"),
        '\u{feff}' => ("byte order mark", ""),
        _ => return None,
    })
}

/// A character that is not shown, in a message: `U+00A0 (no-break space)`.
pub(super) fn named(character: char, name: &str) -> String {
    format!("U+{:04X} ({name})", character as u32)
}

/// Whether a text may have such a character: almost none does.
fn may_have(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| matches!(pair, [0xE2, 0x80 | 0x81] | [0xD8, 0x9C]))
}

/// Warns of bidirectional controls in comments and strings; elsewhere they are no token.
pub(super) fn in_source(text: &str, tokens: &[Token], diags: &mut Diagnostics) {
    if !may_have(text) {
        return;
    }
    // For each open string: whether it is raw, so that nothing in it can be escaped.
    let mut raw: Vec<bool> = vec![];
    for token in tokens {
        let piece = &text[token.span.range()];
        match token.kind {
            Kind::StrStart => raw.push(piece.starts_with('r')),
            Kind::StrEnd => _ = raw.pop(),
            Kind::Comment | Kind::HashComment => each(piece, token.span, |d, at, _| {
                diags.push(d.at(at, "in this comment").fix("remove it", at, ""));
            }),
            Kind::StrText => each(piece, token.span, |d, at, c| {
                let d = d.at(at, "in this string");
                let escape = format!("\\u{{{:x}}}", c as u32);
                diags.push(match raw.last() {
                    Some(true) => d.help("write it in a string that is not raw, as an escape").guess(
                        "remove it",
                        at,
                        "",
                    ),
                    _ => d.help(format!("write `{escape}` where it is meant")).fix(
                        format!("write `{escape}`"),
                        at,
                        escape,
                    ),
                });
            }),
            _ => {}
        }
    }
}

/// Warns of bidirectional controls in a file of data.
pub(crate) fn in_data(file: FileId, text: &str, diags: &mut Diagnostics) {
    if may_have(text) {
        each(text, Span::new(file, 0, text.len() as u32), |d, at, c| {
            let d = d.at(at, "in this file").guess("remove it", at, "");
            diags.push(d.help(format!(
                "write it as the escape `\\u{:04X}` in double quotes where it is meant",
                c as u32
            )));
        });
    }
}

fn each(text: &str, span: Span, mut found: impl FnMut(Diagnostic, Span, char)) {
    for (at, c) in text.char_indices() {
        let Some(name) = bidirectional(c) else { continue };
        let start = span.start + at as u32;
        let place = Span::new(span.file, start, start + c.len_utf8() as u32);
        let headline = format!("{} changes the order in which this line is shown", named(c, name));
        let d = Diagnostic::new(Code::W0102, headline);
        found(d.note("this line may look different from what dtm parses"), place, c);
    }
}
