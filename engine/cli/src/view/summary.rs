//! The end of a run: what was done, what failed and what was skipped because of it, and the command to run next.

use super::paper::{Paint, Paper, cells};
use super::{change, count};
use crate::terminal::Style;
use dtm_engine::Fields;
use dtm_engine::execute::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// The summary as text.
pub fn text(outcome: &Outcome, style: Style, next: &str, took: Duration) -> String {
    let mut out = String::new();
    let of = |verbs: &[&str]| outcome.done.iter().filter(|(_, v)| verbs.contains(v)).count();
    let parts: Vec<String> = [
        (of(&["create"]), "created"),
        (of(&["update"]), "changed"),
        (of(&["adopt"]), "adopted"),
        (of(&["replace"]), "replaced"),
        (of(&["delete"]), "deleted"),
        (of(&["forget"]), "forgotten"),
        (of(&["read"]), "recorded"),
        (of(&["find"]), "found"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    let done = match (parts.is_empty(), outcome.is_complete()) {
        (true, true) => "recorded".to_string(),
        (true, false) => "nothing was completed".to_string(),
        _ => parts.join(", "),
    };
    if outcome.is_complete() {
        let _ = writeln!(out, "{} {done} ({}).", style.green("Done:"), time(took));
        return out;
    }
    let mut because: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (addr, cause) in &outcome.skipped {
        because.entry(cause).or_default().push(addr);
    }
    for (addr, _) in &outcome.failed {
        let _ = write!(out, "{} {addr}", style.red("Failed:"));
        if let Some(skipped) = because.remove(&**addr) {
            let _ = write!(out, "; skipped because of it: {}", list(&skipped));
        }
        out.push('\n');
    }
    for (cause, skipped) in because {
        let _ = writeln!(out, "Skipped because of {cause}: {}", list(&skipped));
    }
    if !outcome.stopped.is_empty() {
        let stopped: Vec<&str> = outcome.stopped.iter().map(|addr| &**addr).collect();
        let _ = writeln!(out, "Not begun: {}", list(&stopped));
    }
    let failed = match (outcome.failed.len(), outcome.asserts.has_errors()) {
        (0, true) => "; an assertion does not hold".to_string(),
        (0, false) => String::new(),
        (n, _) => format!("; {} failed", count(n, "tool")),
    };
    let _ = writeln!(out, "{done}{failed} ({}). To continue: {next}", time(took));
    out
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
