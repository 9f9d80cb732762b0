//! What is not YAML is hidden from the reader of YAML: `[[ ... ]]`, and `${{ tool.instance.outputs.key }}`. Each becomes a word of
//! the same length, so that places stay true.

use std::ops::Range;

/// Begins the word that stands for something masked; no YAML of anybody has it.
pub(super) const MARK: char = '\u{E000}';

/// Something masked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Masked {
    /// Where it stands, brackets included.
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[[ ... ]]`
    Template,
    /// `${{ tool.instance.outputs.key }}`
    Output,
}

impl Masked {
    /// Where its inside stands.
    pub(super) fn inside(&self) -> Range<usize> {
        match self.kind {
            Kind::Template => self.range.start + 2..self.range.end - 2,
            Kind::Output => self.range.start + 3..self.range.end - 2,
        }
    }
}

/// The text with words in the place of what is masked, and what that was, in order.
pub(super) fn mask(text: &str) -> (String, Vec<Masked>) {
    let mut out = String::with_capacity(text.len());
    let mut found = vec![];
    let mut at = 0;
    while let Some(next) = next(text, at) {
        out.push_str(&text[at..next.range.start]);
        let length = next.range.len();
        out.push(MARK);
        // Different ones, so that two keys of a map are not the same.
        let mut number = found.len();
        (MARK.len_utf8()..length).for_each(|_| {
            out.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        });
        at = next.range.end;
        found.push(next);
    }
    out.push_str(&text[at..]);
    (out, found)
}

fn next(text: &str, from: usize) -> Option<Masked> {
    let mut at = from;
    loop {
        let here = at + text[at..].find(['[', '$'])?;
        let (opens, closes, kind) = match &text[here..] {
            rest if rest.starts_with("[[") => ("[[", "]]", Kind::Template),
            rest if rest.starts_with("${{") => ("${{", "}}", Kind::Output),
            _ => {
                at = here + 1;
                continue;
            }
        };
        let inside = here + opens.len();
        // A list in a list, and whatever goes over the end of a line, is none.
        let line = text[inside..].lines().next().unwrap_or("");
        if let Some(length) = line.find(closes)
            && match kind {
                Kind::Template => is_template(&line[..length]),
                Kind::Output => is_output(&line[..length]).is_some(),
            }
        {
            return Some(Masked { range: here..inside + length + closes.len(), kind });
        }
        at = inside;
    }
}

/// A name, perhaps with more: everything else in `[[ ]]` is a list in a list.
fn is_template(inside: &str) -> bool {
    let text = inside.trim();
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '.' || c == '(');
    let mut quoted = false;
    let comma = text.chars().any(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    // DevStream would have asked for variables of these names; nobody has any.
    let value = matches!(text, "null" | "true" | "false");
    (begins || text.starts_with('"') && text.contains('|')) && !comma && !value
}

/// `tool.instance.outputs.key`: everything else in `${{ }}` belongs to others, such as GitHub Actions.
pub(super) fn is_output(inside: &str) -> Option<[&str; 3]> {
    let parts: Vec<&str> = inside.trim().split('.').collect();
    let word = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    match *parts {
        [tool, instance, "outputs", key] if parts.iter().all(word) => Some([tool, instance, key]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stay_and_github_keeps_its_own() {
        let text =
            "a: [[ x ]]\nb: ${{ t.i.outputs.k }}-${{ secrets.X }}\nc: [[1, 2],\n  [3]]\nd: [[], [[a, b]]]\n";
        let (masked, found) = mask(text);
        assert_eq!(masked.len(), text.len());
        let inside: Vec<&str> = found.iter().map(|m| &text[m.inside()]).collect();
        assert_eq!(inside, [" x ", " t.i.outputs.k "]);
        assert!(masked.contains("${{ secrets.X }}") && masked.contains("[[1, 2],\n"));
    }
}
