//! Literals: numbers with their units, strings with their escapes, and back to their shortest source text.

use super::ast::StrPart;
use super::ast::{Expr, ExprKind};
use crate::diag::{Code, Diagnostic};
use crate::source::{Span, Symbol};
use std::borrow::Cow;

const DURATIONS: [(&str, i64); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const SIZES: [(&str, i64); 11] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// Reads the text of a number token.
pub fn number(text: &str, span: Span) -> Result<ExprKind, Box<Diagnostic>> {
    let bad = |headline: String| Diagnostic::new(Code::E0004, headline).at(span, "not a number");
    let plain = if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    let digits = plain.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if digits.is_empty() && !plain.contains('.') {
        return plain.parse().map(ExprKind::Int).map_err(|_| {
            Box::new(bad(format!("`{text}` does not fit into an int")).note("ints are signed with 64 bits"))
        });
    }
    let exponent = digits.strip_prefix(['e', 'E']).is_some_and(|e| {
        let e = e.trim_start_matches(['+', '-']);
        !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())
    });
    if digits.is_empty() || exponent {
        return match plain.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(ExprKind::Float(f)),
            _ => Err(Box::new(bad(format!("`{text}` does not fit into a float")))),
        };
    }
    if let Some(ns) = duration(&plain) {
        return Ok(ExprKind::Duration(ns));
    }
    if let Some(bytes) = size(&plain) {
        return Ok(ExprKind::Size(bytes));
    }
    if let Some((what, bits)) = too_long(&plain) {
        let d = bad(format!("`{text}` does not fit into a {what}"));
        return Err(Box::new(d.note(format!("{bits} with 64 bits, signed"))));
    }
    let base = match plain.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0o" | "0O") => Some(8),
        Some("0b") if plain.len() > 2 => Some(2),
        _ => None,
    };
    if let Some(base) = base {
        let d = Diagnostic::new(Code::E0009, format!("`{text}` is not written with the digits 0 to 9"));
        let d = d.at(span, format!("of base {base}")).note("numbers are decimal");
        return Err(Box::new(match i64::from_str_radix(&plain[2..], base) {
            Ok(value) => {
                d.help(format!("write `{value}`")).fix(format!("write `{value}`"), span, value.to_string())
            }
            Err(_) => d,
        }));
    }
    let diagnostic = bad(format!("`{text}` has a unit that does not exist"))
        .note("durations end in ns us ms s m h d w, sizes in B kB MB GB TB PB KiB MiB GiB TiB PiB");
    // The unit alone is at fault: a fix must not touch the number.
    let unit = Span { start: span.end - digits.len() as u32, ..span };
    let meant = match digits {
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "hr" | "hrs" | "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        "week" | "weeks" => Some("w"),
        "msec" | "millis" => Some("ms"),
        "K" | "k" | "Ki" => Some("KiB"),
        "M" | "Mi" => Some("MiB"),
        "G" | "Gi" | "g" => Some("GiB"),
        "T" | "Ti" => Some("TiB"),
        _ => None,
    };
    if let Some(meant) = meant {
        let title = format!("write `{meant}`");
        let diagnostic = diagnostic.at(unit, "not a unit").help(title.clone());
        // Whether `G` counts in thousands is not known.
        let sure = !meant.ends_with("iB");
        return Err(Box::new(if sure {
            diagnostic.fix(title, unit, meant)
        } else {
            diagnostic.guess(title, unit, meant)
        }));
    }
    Err(Box::new(
        diagnostic
            .at(unit, "not a unit")
            .nearest(digits, SIZES.iter().chain(&DURATIONS).map(|s| s.0))
            .help("write a space before a word that follows a number"),
    ))
}

/// What a number with units would be that exist, but of more than fits.
fn too_long(text: &str) -> Option<(&'static str, &'static str)> {
    let units: Vec<&str> =
        text.split(|c: char| c.is_ascii_digit() || c == '.').filter(|u| !u.is_empty()).collect();
    let known = |table: &[(&str, i64)]| units.iter().all(|u| table.iter().any(|(name, _)| name == u));
    if known(&DURATIONS) {
        Some(("duration", "durations are whole nanoseconds"))
    } else if units.len() == 1 && known(&SIZES) {
        Some(("size", "sizes are whole bytes"))
    } else {
        None
    }
}

/// `1h30m` in nanoseconds.
pub fn duration(text: &str) -> Option<i64> {
    units(text, &DURATIONS, true)
}

/// `512MiB` in bytes.
pub fn size(text: &str) -> Option<i64> {
    units(text, &SIZES, false)
}

fn units(text: &str, table: &[(&str, i64)], many: bool) -> Option<i64> {
    let (mut rest, negative) = text.strip_prefix('-').map_or((text, false), |r| (r, true));
    let mut total: i64 = 0;
    let mut seen = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[digits..].find(|c: char| !c.is_alphabetic()).map_or(rest.len(), |i| i + digits);
        let (number, unit) = (&rest[..digits], &rest[digits..unit_end]);
        let factor = table.iter().find(|(name, _)| *name == unit)?.1;
        let part = match number.split_once('.') {
            None => number.parse::<i64>().ok()?.checked_mul(factor)?,
            Some(_) => {
                let exact = number.parse::<f64>().ok()? * factor as f64;
                if exact.abs() >= 9.2e18 {
                    return None;
                }
                exact.round() as i64
            }
        };
        total = total.checked_add(part)?;
        seen += 1;
        rest = &rest[unit_end..];
    }
    (seen > 0 && (many || seen == 1)).then_some(if negative { -total } else { total })
}

/// The shortest source text of a duration: `1h30m`.
pub fn duration_text(ns: i64) -> String {
    if ns == 0 {
        return "0s".into();
    }
    let week = DURATIONS[0].1;
    if ns % week == 0 {
        return format!("{}w", ns / week);
    }
    let mut left = ns.unsigned_abs();
    let mut out = if ns < 0 { "-".to_string() } else { String::new() };
    for (unit, factor) in DURATIONS.iter().skip(1) {
        let count = left / *factor as u64;
        if count > 0 {
            out += &format!("{count}{unit}");
            left %= *factor as u64;
        }
    }
    out
}

/// A duration as Go's `time.Duration` writes it: `1h0m0s`, `1.5s`, `2ms`.
pub fn go_duration_text(ns: i64) -> String {
    // Go's own name of the microsecond has a micro sign.
    const SMALL: [(&str, u64); 3] = [("ms", 1_000_000), ("µs", 1_000), ("ns", 1)];
    let fraction = |value: u64, unit: u64| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    let (left, sign) = (ns.unsigned_abs(), if ns < 0 { "-" } else { "" });
    let second = 1_000_000_000;
    if left > 0 && left < second {
        let small = SMALL.iter().find(|(_, factor)| left >= *factor).unwrap_or(&SMALL[2]);
        return match small.1 {
            1 => format!("{sign}{left}ns"),
            factor => format!("{sign}{}{}", fraction(left, factor), small.0),
        };
    }
    let (minutes, seconds) = (left / second / 60, fraction(left % (60 * second), second));
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, m) => format!("{sign}{m}m{seconds}s"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
    }
}

/// The shortest source text of a size: `50GiB`.
pub fn size_text(bytes: i64) -> String {
    if bytes == 0 {
        return "0B".into();
    }
    let mut best = format!("{bytes}B");
    for (unit, factor) in SIZES {
        if bytes % factor == 0 {
            let text = format!("{}{unit}", bytes / factor);
            if text.len() < best.len() || text.len() == best.len() && unit.contains('i') {
                best = text;
            }
        }
    }
    best
}

/// A piece of a string as the parser found it.
pub(super) enum RawPart {
    Text(Span),
    Expr(Expr),
}

/// Joins the pieces of a string, resolving escapes and the indentation of blocks.
pub(super) fn string(
    src: &str,
    open: &str,
    parts: Vec<RawPart>,
    close: Span,
) -> Result<Vec<StrPart>, Box<Diagnostic>> {
    let raw = open.starts_with('r');
    let block = open.ends_with("\"\"\"");
    let text_of = |s: &Span| &src[s.range()];
    let mut indent = "";
    if block {
        let last = parts.last();
        if let Some(RawPart::Text(s)) = last
            && let Some(line) = text_of(s).rfind('\n')
        {
            indent = &text_of(s)[line + 1..];
        } else {
            indent = "?";
        }
        let starts = matches!(parts.first(), Some(RawPart::Text(s)) if first_line_blank(text_of(s)));
        if !starts || !indent.bytes().all(|b| b == b' ' || b == b'\t') {
            return Err(Box::new(
                Diagnostic::new(Code::E0007, "the quotes of a `\"\"\"` block must be on their own lines")
                    .at(close, "this block")
                    .help("begin the text on the line after the opening quotes, and put the closing ones alone on theirs"),
            ));
        }
    }
    let count = parts.len();
    let mut out: Vec<StrPart> = Vec::with_capacity(count);
    for (i, part) in parts.into_iter().enumerate() {
        let span = match part {
            RawPart::Expr(e) => {
                out.push(StrPart::Expr(e));
                continue;
            }
            RawPart::Text(span) => span,
        };
        let text = text_of(&span);
        if !block && !text.contains(['\\', '\r']) && !text.is_empty() {
            out.push(StrPart::Text(Symbol::from(text)));
            continue;
        }
        let mut text = text.replace("\r\n", "\n");
        if block {
            text = strip(&text, indent, i == 0, i + 1 == count).map_err(|line| {
                Box::new(
                    Diagnostic::new(
                        Code::E0007,
                        "a line of this block is indented less than its closing quotes",
                    )
                    .at(span, format!("the line `{}`", line.trim()))
                    .help("indent every line at least as far as the closing quotes"),
                )
            })?;
        }
        let text = if raw { text } else { unescape(&text) };
        if !text.is_empty() {
            out.push(StrPart::Text(Symbol::from(text)));
        }
    }
    Ok(out)
}

fn first_line_blank(text: &str) -> bool {
    text.split_once('\n').is_some_and(|(first, _)| first.trim().is_empty())
}

fn strip(text: &str, indent: &str, first: bool, last: bool) -> Result<String, String> {
    let mut lines = text.split('\n');
    let mut out = String::new();
    let head = lines.next().unwrap_or("");
    if !first {
        out += head;
    }
    let rest: Vec<&str> = lines.collect();
    for (i, line) in rest.iter().enumerate() {
        if !(first && i == 0) {
            out.push('\n');
        }
        match line.strip_prefix(indent) {
            Some(line) => out += line,
            None if line.trim().is_empty() => {}
            None if last && i + 1 == rest.len() => {}
            None => return Err(line.to_string()),
        }
    }
    Ok(out)
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some(c) => out.push(c),
            None => {}
        }
    }
    out
}
