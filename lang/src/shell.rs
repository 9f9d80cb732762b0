//! Quotes the words of commands that a user copies into a shell.

use std::borrow::Cow;

/// Quotes one word so that a POSIX shell passes it on unchanged: `my shop` becomes `'my shop'`.
pub fn word(text: &str) -> Cow<'_, str> {
    // Only a NUL cannot be quoted, and no argument can hold one.
    shlex::try_quote(text).unwrap_or(Cow::Borrowed(text))
}

/// Joins words to a command, each quoted where that is necessary.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<Cow<'_, str>> = words.into_iter().map(word).collect();
    quoted.join(" ")
}

/// Words to add to a command, each quoted where that is necessary and after a blank.
pub fn more<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|text| format!(" {}", word(text))).collect()
}

/// The words of a command; `None` if a quote is not closed.
pub fn words(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for (text, quoted) in [
            ("main.dts", "main.dts"),
            ("my shop", "'my shop'"),
            ("site[\"eu\"]", "'site[\"eu\"]'"),
            ("it's", "\"it's\""),
            ("$HOME", "'$HOME'"),
            ("", "''"),
            ("-", "-"),
        ] {
            assert_eq!(word(text), quoted);
            assert_eq!(shlex::split(&word(text)), Some(vec![text.to_string()]));
        }
        assert_eq!(more(["--only", "site[\"eu\"]"]), " --only 'site[\"eu\"]'");
        assert_eq!(command(["dtm", "apply", "my shop/main.dts"]), "dtm apply 'my shop/main.dts'");
    }
}
