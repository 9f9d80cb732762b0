//! A plan that reads like a diff: what changed outside of dtm, then what is done, by wave.

use super::change::{self, Side};
use super::drift;
use super::families::Families;
use super::paper::{Paint, Paper, Piece, cells};
use dtm_engine::PlannedFile;
use dtm_engine::difference::{Leaf, difference, natural, of_file, visible};
use dtm_engine::plan::{Action, Change, DEPENDENCIES, Node, Plan, Reason};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The mark before a tool, and its color.
pub(super) fn mark(action: &Action) -> (&'static str, Paint) {
    match action {
        Action::NoOp => (" ", Paint::Plain),
        Action::Create => ("+", Paint::Green),
        Action::Update => ("~", Paint::Yellow),
        Action::Replace { create_first: true } => ("+/-", Paint::Yellow),
        Action::Replace { create_first: false } => ("-/+", Paint::Yellow),
        Action::Read => ("<", Paint::Dim),
        Action::Find => ("?", Paint::Dim),
        Action::Adopt => (">", Paint::Green),
        Action::Delete => ("-", Paint::Red),
        Action::Forget => ("x", Paint::Dim),
    }
}

/// The whole plan as text, ending in its summary.
pub fn text(plan: &Plan, mut paper: Paper) -> String {
    for (from, to) in &plan.moves {
        paper.put(2, 6, &[(Paint::Dim, "> ".into()), plain(format!("{from} is now {to}"))]);
    }
    drift::section(&mut paper, plan);
    let families = Families::of(plan);
    for (i, nodes) in waves(plan).iter().enumerate() {
        if !paper.out.is_empty() {
            paper.blank();
        }
        paper.put(0, 0, &[(Paint::Bold, format!("wave {}", i + 1))]);
        families.write(&mut paper, plan, nodes);
    }
    outputs(&mut paper, plan);
    if !paper.out.is_empty() {
        paper.blank();
    }
    let failed = plan.diagnostics.has_errors();
    if !failed || !plan.is_empty() {
        paper.put(0, 2, &[plain(summary(plan))]);
    }
    if failed {
        paper.put(0, 2, &[plain("The plan is not complete: see the errors.")]);
    }
    paper.out
}

/// The outputs of the program that change.
fn outputs(paper: &mut Paper, plan: &Plan) {
    if plan.outputs.is_empty() {
        return;
    }
    if !paper.out.is_empty() {
        paper.blank();
    }
    paper.put(0, 0, &[(Paint::Bold, "outputs".into())]);
    for output in &plan.outputs {
        match (&output.before, &output.after) {
            (Some(before), Some(after)) => {
                change::leaves(paper, 2, &difference(&output.name, before, after, None), "");
            }
            (before, after) => {
                let (side, mark) = if after.is_some() { (Side::Added, '+') } else { (Side::Removed, '-') };
                let head = format!("{mark} {} = ", output.name);
                let value = after.as_ref().or(before.as_ref()).unwrap_or(&Value::Null);
                change::whole(paper, 2, side, &head, value);
            }
        }
    }
}

/// The tools that change, by wave and in the order in which they are shown.
pub(super) fn waves(plan: &Plan) -> Vec<Vec<&Node>> {
    let mut waves: BTreeMap<usize, Vec<&Node>> = BTreeMap::new();
    for (i, node) in plan.nodes.iter().enumerate().filter(|(_, n)| n.action != Action::NoOp) {
        waves.entry(plan.waves.get(i).copied().unwrap_or(0)).or_default().push(node);
    }
    let mut waves: Vec<Vec<&Node>> = waves.into_values().collect();
    waves.iter_mut().for_each(|nodes| nodes.sort_by(|a, b| natural(&a.addr, &b.addr)));
    waves
}

fn plain(text: impl Into<String>) -> Piece {
    (Paint::Plain, text.into())
}

/// The kind of a tool, as its plugin's and its own name.
pub(super) fn kind_of(node: &Node) -> String {
    node.kind.as_ref().map(|k| k.path()).unwrap_or_else(|| format!("{}.?", node.plugin))
}

/// The note behind a tool: its configuration, the condition of its change, and the reason.
pub(super) fn why(plan: &Plan, node: &Node) -> String {
    let mut why = vec![];
    why.extend(node.using.as_ref().map(|name| format!("using {name}")));
    if node.conditional {
        let causes: Vec<String> = plan
            .nodes
            .iter()
            .filter(|n| node.deps.contains(&n.addr) && n.action != Action::NoOp)
            .map(|n| format!("`{}`", n.addr))
            .collect();
        why.push(format!(
            "if {} changes",
            if causes.is_empty() { "an input".into() } else { causes.join(" or ") }
        ));
    }
    if node.reason != Reason::Plain {
        why.push(node.reason.to_string());
    }
    why.extend(node.notes.iter().map(|note| visible(note)));
    why.join("; ")
}

/// The line of a tool.
pub(super) fn head(paper: &mut Paper, node: &Node, name: &str, why: &str) {
    let (mark, paint) = mark(&node.action);
    let mut pieces = vec![
        (paint, format!("{mark} ")),
        (Paint::Bold, visible(name)),
        plain(format!(": {}", kind_of(node))),
    ];
    if !why.is_empty() {
        pieces.push((Paint::Dim, format!("  ({why})")));
    }
    paper.put(2, 6, &pieces);
}

/// The tools that a tool no longer depends on, and those that it depends on from now on. Their order means nothing.
fn dependencies(paper: &mut Paper, change: &Change) {
    let names = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
    };
    let (before, after) = (names(&change.before), names(&change.after));
    let gone = before.iter().filter(|name| !after.contains(name)).map(|name| (Paint::Red, "- ", name));
    let new = after.iter().filter(|name| !before.contains(name)).map(|name| (Paint::Green, "+ ", name));
    for (paint, sign, name) in gone.chain(new) {
        paper.put(6, 8, &[(paint, sign.into()), plain(format!("depends on {}", visible(name)))]);
    }
}

/// What differs in a tool.
pub(super) fn body(paper: &mut Paper, node: &Node, changes: &[Change], files: &[PlannedFile]) {
    let fresh = matches!(node.action, Action::Create);
    let widest = changes.iter().map(|c| cells(&c.name)).max().unwrap_or(0);
    for change in changes {
        if change.drift && files.iter().any(|f| f.drift) {
            // The files say it better.
            continue;
        }
        if fresh {
            let head = format!("{}{} = ", change.name, " ".repeat(widest - cells(&change.name)));
            change::whole(paper, 6, Side::Added, &head, &change.after);
            continue;
        }
        let note = match (change.replaces, change.drift && node.action != Action::Adopt) {
            (true, _) => "cannot be changed in place",
            (false, true) => "changed outside",
            (false, false) => "",
        };
        change::leaves(paper, 6, &leaves(node, change), note);
    }
    for change in &node.options {
        if change.name == DEPENDENCIES {
            dependencies(paper, change);
            continue;
        }
        change::leaves(paper, 6, &difference(&change.name, &change.before, &change.after, None), "");
    }
    for file in files {
        if let Some(note) = &file.note {
            paper.put(
                6,
                8,
                &[plain(format!("  {}", visible(&file.path))), (Paint::Dim, format!(": {note}"))],
            );
            continue;
        }
        let note = if file.drift { "changed outside" } else { "" };
        change::leaves(paper, 6, &of_file(file), note);
    }
    for left in node.leftovers.iter().filter(|left| !left.absent) {
        let id = dtm_lang::value::quote(&left.id);
        let changed = if left.is_changed() { "  # changed outside" } else { "" };
        let pieces = [
            (Paint::Red, "- ".into()),
            plain(format!("the replaced object {id}")),
            (Paint::Dim, changed.into()),
        ];
        paper.put(6, 8, &pieces);
    }
    if paper.all && !fresh {
        for (name, value) in node.desired.iter().filter(|(n, _)| !node.changes.iter().any(|c| c.name == **n))
        {
            change::value(paper, 6, Side::Same, &format!("  {name} = "), "", value);
        }
    }
}

/// What differs in an input.
pub(super) fn leaves(node: &Node, change: &Change) -> Vec<Leaf> {
    between(node, &change.name, &change.before, &change.after)
}

/// What differs between two values of an input.
pub(super) fn between(node: &Node, name: &str, before: &Value, after: &Value) -> Vec<Leaf> {
    let input = node.kind.as_ref().and_then(|k| k.inputs.get(name));
    difference(name, before, after, input.and_then(|i| i.same))
}

/// What a plan that is complete does, or as far as it goes, in numbers.
fn summary(plan: &Plan) -> String {
    let left_out = match plan.left_out.len() {
        0 => String::new(),
        n => format!(", {n} left out"),
    };
    if plan.is_empty() && !left_out.is_empty() {
        return format!("No changes to the planned tools{left_out}");
    }
    if plan.is_empty() {
        return "No changes: reality matches the program.".into();
    }
    let (add, change, destroy) = plan.counts();
    let mut line = format!("{add} to add, {change} to change, {destroy} to destroy");
    let other = |action: fn(&Action) -> bool| plan.nodes.iter().filter(|n| action(&n.action)).count();
    for (number, what) in [
        (plan.adopted(), "to adopt"),
        (other(|a| matches!(a, Action::Read)), "to record"),
        (other(|a| matches!(a, Action::Forget)), "to forget"),
        (other(|a| matches!(a, Action::Find)), "to look up"),
        (plan.moves.len(), "to move"),
    ] {
        if number > 0 {
            let _ = write!(line, ", {number} {what}");
        }
    }
    if add + change + destroy == 0
        && plan.outputs_changed
        && plan.nodes.iter().all(|n| n.action == Action::NoOp)
    {
        line += ", outputs to record";
    }
    line + &left_out
}
