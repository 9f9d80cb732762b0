//! The end of a run: what was done, what failed and what was skipped because of it, and the command to run next.

use super::change;
use super::paper::{Paint, Paper, cells};
use crate::terminal::Style;
use dtm_engine::Fields;
use dtm_engine::address::ToolAddr;
use dtm_engine::execute::Outcome;
use dtm_lang::shell::word;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The summary as text; `moved` tools have another address now, `next` is the command to run next, after the user has resolved the
/// tools in `asks`.
pub fn text(
    outcome: &Outcome,
    moved: usize,
    style: Style,
    (next, asks): (&str, &[ToolAddr]),
    took: Duration,
) -> String {
    let mut out = String::new();
    let of = |verb: &str| outcome.done.iter().filter(|(_, v)| *v == verb).count();
    let parts: Vec<String> = [
        (outcome.failed.len(), "failed"),
        (outcome.skipped.len(), "skipped"),
        (outcome.stopped.len(), "not started"),
        (of("create"), "created"),
        (of("update"), "changed"),
        (of("adopt"), "adopted"),
        (of("replace"), "replaced"),
        (of("delete"), "deleted"),
        (of("forget"), "forgotten"),
        (of("read"), "recorded"),
        (of("find"), "found"),
        (moved, "moved"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    if outcome.is_complete() {
        let done = if parts.is_empty() { "the outputs were recorded".to_string() } else { parts.join(", ") };
        let _ = writeln!(out, "{} {done} ({}).", style.green("Done:"), time(took));
        return out;
    }
    let mut because: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (addr, cause) in &outcome.skipped {
        because.entry(cause).or_default().push(addr);
    }
    for (addr, _) in &outcome.failed {
        let _ = writeln!(out, "{} {addr}", style.red("Failed:"));
        if let Some(skipped) = because.remove(&**addr) {
            let _ = writeln!(out, "Skipped because {addr} failed: {}", list(&skipped));
        }
    }
    for (cause, skipped) in because {
        let _ = writeln!(out, "Skipped because of {cause}: {}", list(&skipped));
    }
    if !outcome.stopped.is_empty() {
        let stopped: Vec<&str> = outcome.stopped.iter().map(|addr| &**addr).collect();
        let _ = writeln!(out, "Not started: {}", list(&stopped));
    }
    let asserts = ["an assertion failed"].into_iter().filter(|_| outcome.asserts.has_errors());
    let all: Vec<String> = [parts.join(", ")]
        .into_iter()
        .filter(|done| !done.is_empty())
        .chain(asserts.map(String::from))
        .collect();
    let result = if all.is_empty() { "nothing was done".to_string() } else { all.join("; ") };
    let purpose = if outcome.failed.is_empty() && outcome.asserts.is_empty() { "continue" } else { "retry" };
    let begin = format!("{} ({}).", capital(&result), time(took));
    if asks.is_empty() {
        let _ = writeln!(out, "{begin} Run `{next}` to {purpose}.");
        return out;
    }
    let _ = writeln!(out, "{begin}");
    for tool in asks {
        let word = word(tool);
        let _ = writeln!(
            out,
            "dtm cannot find out what `{tool}` left behind. Check it, then run `dtm state resolve {word} --none`, or `--id ID` if it exists."
        );
    }
    let _ = writeln!(out, "Then run `{next}` to {purpose}.");
    out
}

/// A sentence begins with a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A time as a person says it: `0.4s`, `12s`, `3m05s`, `1h02m`.
pub fn time(took: Duration) -> String {
    match took.as_secs() {
        0..10 => format!("{:.1}s", took.as_secs_f64()),
        s @ 10..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        s => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

fn list(names: &[&str]) -> String {
    match names.len() {
        0..=6 => names.join(", "),
        n => format!("{} and {} more", names[..5].join(", "), n - 5),
    }
}

/// The program's outputs, in full.
pub fn outputs(outputs: &Fields, mut paper: Paper) -> String {
    if !outputs.is_empty() {
        paper.put(0, 2, &[(Paint::Bold, "outputs".into())]);
    }
    fields(&mut paper, 2, outputs);
    paper.out
}

/// Values by name, in full.
pub fn fields(paper: &mut Paper, indent: usize, fields: &Fields) {
    let widest = fields.keys().map(|k| cells(k)).max().unwrap_or(0);
    for (name, value) in fields {
        let head = format!("{name}{} = ", " ".repeat(widest - cells(name)));
        change::plain_value(paper, indent, &head, value);
    }
}
