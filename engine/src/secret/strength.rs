//! Whether a text is strong enough to be a key. Keys are not stretched: whoever has a copy of a state can try billions of
//! texts a second, so only an unguessable key protects it.

/// The minimum number of characters of a key.
pub const SHORTEST_KEY: usize = 20;

/// And so many bits, counted generously: words of a sentence pass, a password of a list does not.
const BITS: f64 = 56.0;

/// Words that every list of passwords begins with; each counts as one character.
const COMMON: [&str; 14] = [
    "password", "passw0rd", "passwort", "changeme", "letmein", "welcome", "secret", "default", "example",
    "master", "devops", "admin", "qwerty", "test",
];

/// The rows of a keyboard, whose neighbors are as easy to guess as letters that follow each other.
const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Why a text is a weak key; `None` if it is strong.
pub fn weakness(text: &str) -> Option<String> {
    let count = text.chars().count();
    if count < SHORTEST_KEY {
        let characters = if count == 1 { "character" } else { "characters" };
        return Some(format!("it has {count} {characters}; at least {SHORTEST_KEY} are needed"));
    }
    (bits(text) < BITS).then(|| "it is easy to guess: its characters repeat or follow each other".into())
}

/// The bits of a text of which repetitions, sequences and what was there before do not count.
fn bits(text: &str) -> f64 {
    let lower = COMMON.iter().fold(text.to_lowercase(), |text, word| text.replace(word, "*"));
    let chars: Vec<char> = lower.chars().collect();
    let mut pairs = std::collections::HashSet::new();
    let mut counted = 1usize;
    // Two neighbors are by chance beside each other; three are a sequence.
    let mut was_near = false;
    for pair in chars.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let beside = (u32::from(a)).abs_diff(u32::from(b)) <= 1;
        let on_keys = ROWS.iter().any(|row| {
            let at = |c| row.chars().position(|k| k == c);
            matches!((at(a), at(b)), (Some(i), Some(j)) if i.abs_diff(j) == 1)
        });
        let new = pairs.insert((a, b));
        let near = beside || on_keys;
        counted += usize::from(new && !(near && was_near));
        was_near = near;
    }
    let distinct: std::collections::HashSet<char> = chars.into_iter().collect();
    counted as f64 * (distinct.len() as f64).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    #[test]
    fn what_can_be_guessed_is_weak() {
        let weak = [
            "",
            "x",
            "password",
            "aaaaaaaa",
            "hunter2",
            "correct",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "passwordpasswordpasswordpassword",
            "12345678901234567890123456789012",
            "abcdefghijklmnopqrstuvwxyz",
            "qwertyuiopasdfghjklzxcvbnm",
            "abababababababababababababababab",
            "changemechangemechangeme",
            "mysecretpassword12345",
            "admin-password-example",
            "                                ",
        ];
        for text in weak {
            assert!(weakness(text).is_some(), "{text} has {} bits", bits(text));
        }
        for _ in 0..200 {
            let text = super::super::Key::random_text().expect("random");
            assert_eq!(weakness(&text), None, "{text}");
        }
        // Of so many random keys of 128 bits none is refused.
        for n in 0u32..2_000 {
            let digest = sha2::Sha256::digest(n.to_le_bytes());
            let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
            assert_eq!(weakness(&hex), None, "{hex} has {} bits", bits(&hex));
        }
        assert_eq!(weakness("correct horse battery staple"), None);
    }
}
