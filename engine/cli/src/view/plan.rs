//! A plan that reads like a diff, by wave; and the same for machines.

use super::count;
use super::value::{masked, one_line};
use crate::terminal::Style;
use dtm_engine::plan::{Action, Change, Node, Plan};
use dtm_lang::Sources;
use dtm_lang::diag::render::json as diagnostic;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The version of the JSON form.
const FORMAT: u32 = 1;

/// The mark before a tool.
fn mark(action: &Action, style: Style) -> String {
    match action {
        Action::NoOp => " ".into(),
        Action::Create => style.green("+"),
        Action::Update => style.yellow("~"),
        Action::Replace { create_first: true } => style.yellow("+/-"),
        Action::Replace { create_first: false } => style.yellow("-/+"),
        Action::Read => style.dim("<"),
        Action::Find => style.dim("?"),
        Action::Adopt => style.green(">"),
        Action::Delete => style.red("-"),
        Action::Forget => style.dim("x"),
    }
}

/// The whole plan as text, ending in its summary line.
pub fn text(plan: &Plan, style: Style, width: usize) -> String {
    let mut out = String::new();
    for (from, to) in &plan.moves {
        let _ = writeln!(out, "  {} {from} is now {to}", style.dim(">"));
    }
    let mut waves: BTreeMap<usize, Vec<&Node>> = BTreeMap::new();
    for (i, node) in plan.nodes.iter().enumerate().filter(|(_, n)| n.action != Action::NoOp) {
        waves.entry(plan.waves.get(i).copied().unwrap_or(0)).or_default().push(node);
    }
    for (i, nodes) in waves.values_mut().enumerate() {
        nodes.sort_by(|a, b| a.addr.cmp(&b.addr));
        if i > 0 || !plan.moves.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", style.bold(&format!("wave {}", i + 1)));
        nodes.iter().for_each(|n| node_text(&mut out, plan, n, style, width));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out + &summary(plan) + "\n"
}

fn node_text(out: &mut String, plan: &Plan, node: &Node, style: Style, width: usize) {
    let kind = node.kind.as_ref().map(|k| k.path()).unwrap_or_else(|| format!("{}.?", node.plugin));
    let _ = write!(out, "  {} {}: {kind}", mark(&node.action, style), style.bold(&node.addr));
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
    if !node.reason.is_empty() {
        why.push(node.reason.clone());
    }
    if !why.is_empty() {
        let _ = write!(out, "  {}", style.dim(&format!("({})", why.join("; "))));
    }
    out.push('\n');
    let widest = node.changes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let fresh = matches!(node.action, Action::Create);
    for change in &node.changes {
        let room = width.saturating_sub(widest + 11).max(20);
        let value = if fresh { one_line(&change.after, room) } else { change_text(change, room, style) };
        let _ = writeln!(out, "      {:widest$} = {value}", change.name);
    }
}

fn change_text(change: &Change, room: usize, style: Style) -> String {
    let note = match (change.replaces, change.drift) {
        (true, _) => "  # cannot be changed in place",
        (false, true) => "  # changed outside",
        (false, false) => "",
    };
    let room = room.saturating_sub(note.chars().count() + 4).max(20);
    let whole = |v: &Value| one_line(v, room).chars().count();
    let (a, b) = (whole(&change.before), whole(&change.after));
    // What a short one leaves over is the other's.
    let (before, after) = match (a <= room / 2, b <= room / 2) {
        _ if a + b <= room => (one_line(&change.before, room), one_line(&change.after, room)),
        (true, _) => (one_line(&change.before, room), one_line(&change.after, room - a)),
        (_, true) => (one_line(&change.before, room - b), one_line(&change.after, room)),
        _ => around_difference(&change.before, &change.after, room / 2),
    };
    format!("{} -> {}{}", style.red(&before), style.green(&after), style.dim(note))
}

/// Both values, folded so that the first difference of long strings is seen.
fn around_difference(before: &Value, after: &Value, room: usize) -> (String, String) {
    let (Value::String(a), Value::String(b)) = (before, after) else {
        return (one_line(before, room), one_line(after, room));
    };
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    if a.chars().count().max(b.chars().count()) + 2 <= room || same < room / 2 {
        return (one_line(before, room), one_line(after, room));
    }
    let start = same.saturating_sub(room / 4);
    let cut = |s: &str| {
        let rest: String = s.chars().skip(start).collect();
        let shown = one_line(&Value::String(rest), room.saturating_sub(3));
        format!("\"...{}", shown.trim_start_matches('"'))
    };
    (cut(a), cut(b))
}

/// The one line at the end of a plan.
pub fn summary(plan: &Plan) -> String {
    if plan.is_empty() && plan.diagnostics.has_errors() {
        return "The plan is not complete: see the errors.".into();
    }
    let left_out = match plan.left_out.len() {
        0 => String::new(),
        n => format!(", {n} left out"),
    };
    if plan.is_empty() && !left_out.is_empty() {
        return format!("No changes among what was planned{left_out}");
    }
    if plan.is_empty() {
        return "No changes: everything is as the configuration says.".into();
    }
    let (add, change, destroy) = plan.counts();
    let mut line = format!("{add} to add, {change} to change, {destroy} to destroy");
    let other = |action: fn(&Action) -> bool| plan.nodes.iter().filter(|n| action(&n.action)).count();
    for (number, what) in [
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

/// The plan for machines.
pub fn json(plan: &Plan, sources: &Sources) -> Value {
    let (add, change, destroy) = plan.counts();
    let node = |(i, n): (usize, &Node)| {
        let changes: Vec<Value> = n
            .changes
            .iter()
            .map(|c| json!({ "name": c.name, "before": masked(&c.before), "after": masked(&c.after), "replaces": c.replaces, "drift": c.drift }))
            .collect();
        json!({
            "address": n.addr, "kind": n.kind.as_ref().map(|k| k.path()), "plugin": n.plugin, "action": n.action.verb(),
            "reason": n.reason, "using": n.using, "conditional": n.conditional, "wave": plan.waves.get(i).map(|w| w + 1),
            "dependencies": n.deps, "changes": changes,
        })
    };
    let moves: Vec<Value> = plan.moves.iter().map(|(a, b)| json!({ "from": a, "to": b })).collect();
    let diagnostics: Vec<Value> = plan.diagnostics.worst_first().map(|d| diagnostic(d, sources)).collect();
    json!({
        "format": FORMAT, "empty": plan.is_empty(),
        "summary": { "add": add, "change": change, "destroy": destroy },
        "tools": plan.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
        "left_out": plan.left_out, "moves": moves, "outputs_changed": plan.outputs_changed, "diagnostics": diagnostics,
    })
}

/// What differs from reality, for `verify`.
pub fn drift(plan: &Plan, style: Style, width: usize) -> String {
    let mut out = String::new();
    let drifted: Vec<&Node> = plan.drifted().collect();
    for node in &drifted {
        node_text(&mut out, plan, node, style, width);
    }
    match drifted.len() {
        0 => "No drift: everything is as the state says.\n".into(),
        n => format!("{out}\n{} changed outside of dtm\n", count(n, "tool")),
    }
}
