//! The forms in which a secret may appear: verbatim, and in every encoding that dtm or a server uses. Each is a
//! [`Needle`]; [`Haystack`] finds all of them in a text at once.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use std::collections::HashSet;
use std::ops::Range;

/// Secrets shorter than this are not searched for in texts: they would match by chance.
pub const SHORTEST: usize = 6;

/// Lines of a secret of several lines that are shorter than this are searched for as whole words only.
const SHORTEST_LINE: usize = 8;

/// Lines shorter than this are in every text.
const SHORTEST_WORD: usize = 4;

/// Where a needle matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Met {
    /// Anywhere.
    Anywhere,
    /// As a whole word. What holds it is shown without it, but is no secret itself.
    Word,
    /// Inside of Base64, where the characters at its ends may hold bits of the secret too.
    Base64,
}

/// A text to look for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Needle {
    text: String,
    met: Met,
}

/// Whether only what is itself a secret is looked for, or what must not be shown as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looking {
    /// For what makes a value secret.
    ForSecrets,
    /// For what must not be shown.
    ToShow,
}

/// All needles. Those that came last are searched one by one, until there are enough of them for a new automaton.
#[derive(Default)]
pub struct Haystack {
    needles: Vec<Needle>,
    known: HashSet<Needle>,
    automaton: Option<AhoCorasick>,
    /// How many needles are in the automaton.
    built: usize,
}

impl Haystack {
    /// Learns a secret in every form.
    pub fn learn(&mut self, secret: &str) {
        let mut learn = |text: String, met: Met| {
            let needle = Needle { text, met };
            if self.known.insert(needle.clone()) {
                self.needles.push(needle);
            }
        };
        let inner = secret.trim();
        for text in [secret, inner] {
            if text.len() >= SHORTEST {
                learn(text.to_string(), Met::Anywhere);
            }
        }
        if inner.len() < SHORTEST {
            return;
        }
        for form in forms(inner) {
            learn(form, Met::Anywhere);
        }
        for text in if secret == inner { vec![inner] } else { vec![secret, inner] } {
            for form in in_base64(text.as_bytes()) {
                learn(form, Met::Base64);
            }
        }
        if inner.contains('\n') {
            // The lines around a key in PEM are in every certificate too.
            for line in inner.lines().map(str::trim).filter(|line| !line.starts_with("-----")) {
                match line.len() {
                    SHORTEST_LINE.. => {
                        learn(line.to_string(), Met::Anywhere);
                        forms(line).into_iter().for_each(|form| learn(form, Met::Anywhere));
                    }
                    SHORTEST_WORD.. if line.contains(char::is_alphanumeric) => {
                        learn(line.to_string(), Met::Word);
                    }
                    _ => {}
                }
            }
        }
        if self.needles.len() - self.built > 64.max(self.built / 4) {
            let texts = self.needles.iter().map(|n| &n.text);
            self.automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts).ok();
            self.built = if self.automaton.is_some() { self.needles.len() } else { 0 };
        }
    }

    /// Whether there is any secret in a text.
    pub fn is_in(&self, text: &str) -> bool {
        text.len() >= SHORTEST && self.found(text, Looking::ForSecrets).next().is_some()
    }

    /// The parts of a text that must not be shown, in order and disjoint.
    pub fn parts(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = self.found(text, Looking::ToShow).collect();
        found.sort_by_key(|r| r.start);
        let mut out: Vec<Range<usize>> = vec![];
        for range in found {
            match out.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => out.push(range),
            }
        }
        out
    }

    fn found<'t>(&'t self, text: &'t str, looking: Looking) -> impl Iterator<Item = Range<usize>> + 't {
        let fast = self.automaton.iter().flat_map(move |automaton| {
            automaton.find_overlapping_iter(text).map(|m| (m.pattern().as_usize(), m.start()))
        });
        let slow = self.needles.iter().enumerate().skip(self.built).flat_map(move |(i, needle)| {
            text.match_indices(needle.text.as_str()).map(move |(at, _)| (i, at))
        });
        fast.chain(slow).filter_map(move |(i, at)| met(text, &self.needles[i], at, looking))
    }
}

/// What is covered by a needle that was met at a place, if it counts there.
fn met(text: &str, needle: &Needle, at: usize, looking: Looking) -> Option<Range<usize>> {
    let (mut from, mut to) = (at, at + needle.text.len());
    let (before, after) = (text[..from].chars().next_back(), text[to..].chars().next());
    match needle.met {
        Met::Anywhere => {}
        Met::Word => {
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if looking == Looking::ForSecrets || inside(before) || inside(after) {
                return None;
            }
        }
        Met::Base64 => {
            let digit = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
            from -= before.filter(digit).map_or(0, char::len_utf8);
            to += after.filter(digit).map_or(0, char::len_utf8);
            to += text[to..].bytes().take_while(|b| *b == b'=').count().min(2);
        }
    }
    Some(from..to)
}

/// A text as other notations write it, where that is something else.
fn forms(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let ascii: String = json.chars().fold(String::new(), |mut out, c| {
        match c {
            c if c.is_ascii() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
        out
    });
    let dts = dtm_lang::value::quote(text);
    let without_quotes = |quoted: &str| quoted[1..quoted.len() - 1].to_string();
    let percent = |plain: &dyn Fn(u8) -> bool, lower: bool| -> String {
        let coded = |b: u8| match (plain(b), lower) {
            (true, _) => char::from(b).to_string(),
            (false, true) => format!("%{b:02x}"),
            (false, false) => format!("%{b:02X}"),
        };
        text.bytes().map(coded).collect()
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let in_component = |b: u8| unreserved(b) || b"!*'()".contains(&b);
    let in_path = |b: u8| unreserved(b) || b"!$&'()*+,;=:@/".contains(&b);
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let mut all = vec![
        without_quotes(&json),
        without_quotes(&json).replace('/', "\\/"),
        without_quotes(&ascii),
        without_quotes(&dts),
        percent(&unreserved, false),
        percent(&unreserved, true),
        percent(&in_component, false),
        percent(&in_path, false),
        percent(&in_path, true),
        percent(&|b| unreserved(b) || b == b'/', false),
        percent(&|b| unreserved(b) || b == b'/', true),
        percent(&unreserved, false).replace("%20", "+"),
        // Quoted for a shell, and in YAML.
        text.replace('\'', "'\\''"),
        text.replace('\'', "'\"'\"'"),
        text.replace('\'', "''"),
        text.replace('\n', "\\n"),
        // In HTML.
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        hex.to_uppercase(),
        hex,
    ];
    all.retain(|form| form != text);
    all.sort();
    all.dedup();
    all
}

/// What Base64 makes of bytes, whatever is before and after them: of each of the three ways in which they can lie between
/// others, the characters that hold nothing else. `user:TOKEN` is found by it, too.
fn in_base64(bytes: &[u8]) -> Vec<String> {
    let mut all = vec![];
    for before in 0..3 {
        let mut whole = vec![0; before];
        whole.extend_from_slice(bytes);
        let text = BASE64.encode(&whole);
        // Six bits are a character; those at the ends may hold bits of what is beside.
        let first = (before * 8).div_ceil(6);
        let last = whole.len() * 8 / 6;
        let Some(core) = text.get(first..last).filter(|core| core.len() >= SHORTEST) else { continue };
        let for_addresses = core.replace('+', "-").replace('/', "_");
        if for_addresses != core {
            all.push(for_addresses);
        }
        all.push(core.to_string());
    }
    all
}

/// A text in which what follows the name of a header with credentials, or a scheme of them, is masked: servers repeat what
/// they were sent, and those credentials need not be known here.
pub fn without_headers(text: &str) -> String {
    const SCHEMES: [&str; 3] = ["bearer ", "basic ", "token "];
    const HEADERS: [&str; 4] = ["x-amz-security-token", "x-vault-token", "private-token", "x-api-key"];
    let lower = text.to_ascii_lowercase();
    let mut hidden: Vec<Range<usize>> = vec![];
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/-_=.~|:".contains(c);
    let mut hide = |at: usize, shortest: usize| {
        let value = &text[at..];
        let length = value.find(|c| !is_part(c)).unwrap_or(value.len());
        let value = value[..length].trim_end_matches(['.', ':']);
        // A word of a sentence has no digits and is short.
        if value.len() >= shortest {
            hidden.push(at..at + value.len());
        }
    };
    for scheme in SCHEMES {
        lower.match_indices(scheme).for_each(|(at, _)| hide(at + scheme.len(), 16));
    }
    for header in HEADERS {
        for (at, _) in lower.match_indices(header) {
            let rest = &text[at + header.len()..];
            let gap = rest.len() - rest.trim_start_matches([':', '=', ' ', '"', '\'']).len();
            if gap > 0 {
                hide(at + header.len() + gap, 1);
            }
        }
    }
    hidden.sort_by_key(|r| r.start);
    masked(text, &hidden)
}

/// A text with a mask in the place of some parts.
pub fn masked(text: &str, parts: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for part in parts.iter().filter(|p| !p.is_empty()) {
        if part.start >= at {
            out += &text[at..part.start];
            out += super::MASK;
        }
        at = at.max(part.end);
    }
    out + &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(haystack: &Haystack, text: &str) -> String {
        masked(text, &haystack.parts(text))
    }

    #[test]
    fn every_form_of_a_secret_is_found() {
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
        let secret = "p?ss/w~rd+\"it's\" <ünï>&\\$\t9";
        let mut haystack = Haystack::default();
        haystack.learn(secret);
        let mut texts = vec![secret.to_string(), serde_json::json!({ "a": secret }).to_string()];
        for beside in ["", "u", "us", "user:", "Bearer "] {
            for after in ["", "x", "xy", "xyz"] {
                let text = format!("{beside}{secret}{after}");
                for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                    texts.push(engine.encode(&text));
                }
            }
        }
        texts.push("sh -c 'echo p?ss/w~rd+\"it'\\''s\" <ünï>&\\$\t9'".into());
        texts.push("https://u:p%3Fss%2Fw~rd%2B%22it%27s%22%20%3C%C3%BCn%C3%AF%3E%26%5C%24%099@h/".into());
        texts.push(secret.bytes().map(|b| format!("{b:02x}")).collect());
        for text in texts {
            let shown = shown(&haystack, &text);
            assert!(shown.contains("(secret)"), "{text} is shown as {shown}");
            assert!(haystack.is_in(&text));
            // Nothing of it is left in Base64 but the characters of its neighbors.
            assert!(shown.len() <= text.len().min(120), "{shown}");
        }
        assert_eq!(shown(&haystack, "nothing of it: p?ss"), "nothing of it: p?ss");
    }

    #[test]
    fn short_lines_are_hidden_as_words() {
        let mut haystack = Haystack::default();
        haystack.learn("user: admin\n  pass12\nabc\n}\nsecond9x\n-----END-----");
        assert_eq!(shown(&haystack, "pass12, xpass12 pass123 abc }"), "(secret), xpass12 pass123 abc }");
        assert_eq!(shown(&haystack, "asecond9xb"), "a(secret)b");
        assert!(!haystack.is_in("pass12") && haystack.is_in("second9x"));
    }

    #[test]
    fn many_secrets_are_found_as_few_are() {
        let mut haystack = Haystack::default();
        let secrets: Vec<String> = (0..500).map(|n| format!("secret-number-{n:04}")).collect();
        for (n, secret) in secrets.iter().enumerate() {
            haystack.learn(secret);
            assert!(haystack.is_in(&secrets[n / 2]) && haystack.is_in(secret));
        }
        assert!(haystack.built > 0 && !haystack.is_in("secret-number-0500"));
    }

    #[test]
    fn credentials_that_a_server_repeats_are_hidden() {
        for (text, wanted) in [
            (
                "denied: Authorization: Bearer eyJhbGciOi.JIUzI1NiJ9.abc-_ for /a",
                "denied: Authorization: Bearer (secret) for /a",
            ),
            ("got \"Basic dXNlcjpwYXNzd29yZA==\"", "got \"Basic (secret)\""),
            ("X-Amz-Security-Token=FwoGZ/+x, host", "X-Amz-Security-Token=(secret), host"),
            ("a token that is missing; basic usage", "a token that is missing; basic usage"),
        ] {
            assert_eq!(without_headers(text), wanted);
        }
    }
}
