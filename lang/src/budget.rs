//! The budgets of a program: counts of work and of values, never time, so that the same program has the same outcome
//! on every machine.
//!
//! A value stores its size when it is created; a shared part counts each time it occurs.
//! So `[...s, ...s]` forty times is refused where the value exceeds the limit, before anything traverses it, and every
//! traversal is charged for the size beforehand. The counters are thread-local: deep functions count without
//! an evaluator at hand, and the evaluator checks them after each expression.

use crate::depth::MAX_DEPTH;
use std::cell::Cell;

/// How large a value may be: nodes, keys, and one for each [`TEXT`] bytes of text.
pub(crate) const LARGEST: u64 = 1_200_000;

/// How many bytes of text count as one node.
pub(crate) const TEXT: u64 = 32;

/// How long a text may be that is computed.
pub(crate) const LONGEST: usize = 32 << 20;

/// How many parts the lists and maps of an evaluation may have that are there at the same time; an entry of a map counts
/// as three.
pub(crate) const ALIVE: i64 = 8_000_000;

/// How large all inputs and outputs may be together, and how much each instance may add.
pub(crate) const INPUTS: u64 = 1_500_000;
pub(crate) const INPUTS_AN_INSTANCE: u64 = 20;

/// How many tools and instances of components there may be.
pub(crate) const INSTANCES: usize = 200_000;

/// How many values a text of data may hold.
pub(crate) const DATA: u64 = 1_000_000;

/// How deep evaluation may go: what goes deeper is a function, a default or a condition that needs itself.
pub(crate) const NESTED: usize = 20_000;

/// How large a regular expression may be: its text, and what its repetitions stand for.
const PATTERN: u64 = 4_000;

/// How often a part of a regular expression may be tried.
const TRIED: u64 = 100_000_000;

/// How many steps the rendering of one template may take.
pub(crate) const TEMPLATE: u64 = 5_000_000;

thread_local! {
    static WORK: Cell<u64> = const { Cell::new(0) };
    static NOW_ALIVE: Cell<i64> = const { Cell::new(0) };
    static END: Cell<u64> = const { Cell::new(u64::MAX) };
    static REFUSED: Cell<Option<Refused>> = const { Cell::new(None) };
}

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It would be deeper than [`MAX_DEPTH`].
    Deep,
    /// It would be larger than [`LARGEST`].
    Large,
}

impl Refused {
    /// The headline about the value.
    pub(crate) fn headline(self) -> String {
        match self {
            Refused::Deep => format!("this value is nested deeper than {MAX_DEPTH}"),
            Refused::Large => format!("this value has more than {LARGEST} parts"),
        }
    }
}

/// Counts work that is done outside of an evaluator's steps.
pub(crate) fn work(units: u64) {
    WORK.set(WORK.get().saturating_add(units));
}

/// Counts parts that are made; making is work too.
pub(crate) fn made(parts: usize) {
    NOW_ALIVE.set(NOW_ALIVE.get().saturating_add(parts as i64));
    work(parts as u64 / 4);
}

/// Counts parts that are gone.
pub(crate) fn gone(parts: usize) {
    NOW_ALIVE.set(NOW_ALIVE.get().saturating_sub(parts as i64));
}

/// Counts a text that is made.
pub(crate) fn written(text: &str) {
    work(text.len() as u64 / 8);
}

/// Counts a text that is gone through.
pub(crate) fn seen(text: &str) {
    work(text.len() as u64 / 32);
}

/// Runs something with a limit of work, which it checks with [`is_over`]; returns whether it exceeded the limit.
pub(crate) fn limited<T>(units: u64, job: impl FnOnce() -> T) -> (T, bool) {
    let before = END.replace(WORK.get().saturating_add(units));
    let result = job();
    let over = is_over();
    END.set(before);
    (result, over)
}

/// Whether what is being done has taken more work than it may.
pub(crate) fn is_over() -> bool {
    WORK.get() > END.get()
}

/// Records that a value was refused; a caller that has a location reports it.
pub(crate) fn refuse(why: Refused) {
    REFUSED.set(Some(why));
}

/// What was refused since the last call.
pub(crate) fn refused() -> Option<Refused> {
    REFUSED.take()
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Work.
    pub(crate) work: u64,
    /// Parts that are there.
    pub(crate) alive: i64,
}

/// The counters now.
pub(crate) fn spent() -> Spent {
    Spent { work: WORK.get(), alive: NOW_ALIVE.get() }
}

/// Whether a text of this length may be made.
///
/// # Errors
/// The reason why not, for a message.
pub(crate) fn text(bytes: usize) -> Result<(), String> {
    if bytes > LONGEST {
        return Err(format!("the text would be longer than {} MiB", LONGEST >> 20));
    }
    Ok(())
}

/// Whether a list of so many parts may be made.
///
/// # Errors
/// The reason why not, for a message.
pub(crate) fn parts(count: usize) -> Result<(), String> {
    if count as u64 > LARGEST {
        return Err(format!("the list would have more than {LARGEST} elements"));
    }
    Ok(())
}

/// A regular expression for a subject of so many bytes, if neither is too large.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn pattern(text: &str, subject: usize) -> Result<regex_lite::Regex, String> {
    let shown = || crate::text::quoted(text);
    // A repetition is compiled as often as it says, and those inside each other multiply.
    let size = expanded(text);
    if size > PATTERN {
        return Err(format!("the pattern {} is too large: it expands to more than {PATTERN} parts", shown()));
    }
    // In the worst case, every part is tried at every byte.
    let tried = size.saturating_mul(subject as u64);
    if tried > TRIED {
        return Err(format!("the pattern {} is too large for a text of {subject} bytes", shown()));
    }
    work(tried / 64);
    let mut builder = regex_lite::RegexBuilder::new(text);
    builder.size_limit(1 << 20).nest_limit(50);
    builder.build().map_err(|e| format!("the pattern {} is not right: {e}", shown()))
}

/// The number of parts of an expanded pattern: its bytes, and groups multiplied by their repetitions. Never too low.
fn expanded(pattern: &str) -> u64 {
    let bytes = pattern.as_bytes();
    // The sum of each open group, and the size of its last part.
    let mut open: Vec<(u64, u64)> = vec![(0, 0)];
    let mut at = 0;
    while at < bytes.len() {
        let is_inside = open.len() > 1;
        let Some(top) = open.last_mut() else { break };
        match bytes[at] {
            b'\\' => {
                at += 1;
                (top.0, top.1) = (top.0.saturating_add(1), 1);
            }
            b'[' => {
                // A class is one part with ranges; a bracket right after it opens belongs to it.
                let begin = at;
                at += 1;
                at += usize::from(bytes.get(at) == Some(&b'^'));
                at += usize::from(bytes.get(at) == Some(&b']'));
                while at < bytes.len() && bytes[at] != b']' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                let size = (at.min(bytes.len()) - begin) as u64;
                (top.0, top.1) = (top.0.saturating_add(size), size);
            }
            b'(' => open.push((4, 0)),
            b')' if is_inside => {
                let (size, _) = open.pop().unwrap_or_default();
                if let Some(outer) = open.last_mut() {
                    (outer.0, outer.1) = (outer.0.saturating_add(size), size);
                }
            }
            b'{' => {
                let close = pattern[at..].find('}').map_or(bytes.len(), |i| at + i);
                let largest =
                    pattern[at + 1..close].split(',').filter_map(|n| n.trim().parse::<u64>().ok()).max();
                if let Some(times) = largest {
                    top.0 = top.0.saturating_add(top.1.saturating_mul(times.saturating_sub(1)));
                    top.1 = top.1.saturating_mul(times.max(1));
                    at = close;
                } else {
                    (top.0, top.1) = (top.0.saturating_add(1), 1);
                }
            }
            byte if byte & 0xC0 == 0x80 => {}
            _ => (top.0, top.1) = (top.0.saturating_add(1), 1),
        }
        at += 1;
    }
    open.iter().fold(0, |sum: u64, group| sum.saturating_add(group.0))
}

#[cfg(test)]
mod tests {
    use super::{expanded, pattern};

    #[test]
    fn repetitions_multiply() {
        assert_eq!(expanded("abc"), 3);
        assert!(expanded("(a{100}){100}") >= 10_000);
        assert!(expanded("((a{10}){10}){10}") >= 1_000);
        assert!(expanded(&"(a)".repeat(5_000)) >= 20_000);
        assert!(expanded("[a-z]{1000}") >= 1_000);
        assert_eq!(expanded("a{x}"), 4);
        assert_eq!(expanded(r"\{2000}"), 6);
    }

    #[test]
    fn patterns_of_people_are_taken() {
        for text in [
            "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
            r"^(?:[a-zA-Z0-9-]{1,63}\.)+[a-z]{2,63}$",
            r"^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)$",
            "^[0-9a-f]{64}$",
            "^.{1,253}$",
            "é{3}",
        ] {
            assert!(pattern(text, 1_000).is_ok(), "{text}");
        }
        assert!(pattern(&"(a)".repeat(5_000), 1).is_err());
        assert!(pattern("(((a{100}){100}){100}){100}", 1).is_err());
        assert!(pattern("(", 1).is_err());
        assert!(pattern("^(a|b|c|d|e|f)*$", 1 << 24).is_err());
        assert!(pattern("a", 1 << 24).is_ok());
    }
}
