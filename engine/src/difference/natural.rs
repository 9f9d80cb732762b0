//! The order in which a person counts: `x2` before `x10`.

use std::cmp::Ordering;

/// Compares texts with runs of digits as numbers; equal numbers of another length, and everything else, by character.
pub fn natural(before: &str, after: &str) -> Ordering {
    let (mut left_rest, mut right_rest) = (before, after);
    loop {
        let (Some(c), Some(d)) = (left_rest.chars().next(), right_rest.chars().next()) else {
            return left_rest.len().cmp(&right_rest.len()).then_with(|| before.cmp(after));
        };
        if c.is_ascii_digit() && d.is_ascii_digit() {
            let (m, n) = (digits(left_rest), digits(right_rest));
            let (p, q) = (m.trim_start_matches('0'), n.trim_start_matches('0'));
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q));
            if order != Ordering::Equal {
                return order;
            }
            (left_rest, right_rest) = (&left_rest[m.len()..], &right_rest[n.len()..]);
        } else {
            if c != d {
                return c.cmp(&d);
            }
            (left_rest, right_rest) = (&left_rest[c.len_utf8()..], &right_rest[d.len_utf8()..]);
        }
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}
