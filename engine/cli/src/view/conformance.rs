//! What the conformance kit found out, for a person.

use super::count;
use crate::terminal::Style;
use dtm_engine::conformance::{Outcome, Report, Verdict};
use std::fmt::Write;

/// The report: one line for each subject, then what is broken. With `all`, every rule.
pub fn report(report: &Report, style: Style, all: bool) -> String {
    let mut out = format!("plugin {}\n\n", style.bold(&report.plugin));
    let mut subjects: Vec<&str> = vec![];
    for verdict in &report.verdicts {
        if !subjects.contains(&verdict.subject.as_str()) {
            subjects.push(&verdict.subject);
        }
    }
    for subject in &subjects {
        let of: Vec<&Verdict> = report.verdicts.iter().filter(|v| v.subject == *subject).collect();
        let number = |is: fn(&Outcome) -> bool| of.iter().filter(|v| is(&v.outcome)).count();
        let held = number(|o| matches!(o, Outcome::Held));
        let broken = number(|o| matches!(o, Outcome::Broken(_)));
        let untried = number(|o| matches!(o, Outcome::NotTried(_)));
        let mut parts = vec![format!("{} held", count(held, "rule"))];
        if broken > 0 {
            parts.push(style.red(&format!("{broken} broken")));
        }
        if untried > 0 {
            parts.push(format!("{untried} not tried"));
        }
        let _ = writeln!(out, "  {subject}: {}", parts.join(", "));
        for verdict in of {
            line(&mut out, verdict, style, all);
        }
    }
    let broken = report.broken().count();
    let end = match broken {
        0 => style.green("The plugin keeps every rule that was tried."),
        n => style.red(&format!("The plugin breaks {}.", count(n, "rule"))),
    };
    let _ = write!(out, "\n{end}\n");
    out
}

fn line(out: &mut String, verdict: &Verdict, style: Style, all: bool) {
    let name = verdict.rule.name();
    match &verdict.outcome {
        Outcome::Broken(why) => {
            let _ = writeln!(out, "    {} {name}: {why}", style.red("✗"));
            let _ = writeln!(out, "      {}", style.dim(verdict.rule.advice()));
        }
        Outcome::Held if all => _ = writeln!(out, "    {} {name}", style.green("✓")),
        Outcome::NotTried(why) if all => _ = writeln!(out, "    {} {name}: {why}", style.dim("-")),
        Outcome::Held | Outcome::NotTried(_) => {}
    }
}
