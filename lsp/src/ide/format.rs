//! The one style, as the smallest edit of whole lines.

use dtm_lang::source::FileId;

/// An edit: the bytes that are replaced, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Replacement {
    /// The bytes.
    pub range: std::ops::Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// What has to change; nothing where the text has syntax errors or has the style already.
pub fn format(text: &str) -> Option<Replacement> {
    let (formatted, _) = dtm_lang::syntax::format::format(FileId::default(), text);
    let formatted = formatted.filter(|f| f != text)?;
    let before: usize = text
        .split_inclusive('\n')
        .zip(formatted.split_inclusive('\n'))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len())
        .sum();
    let (old, new) = (&text[before..], &formatted[before..]);
    let after: usize = old
        .split_inclusive('\n')
        .rev()
        .zip(new.split_inclusive('\n').rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len())
        .sum();
    Some(Replacement { range: before..text.len() - after, text: new[..new.len() - after].to_string() })
}
