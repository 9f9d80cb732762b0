//! A plan for machines: the same differences, with the path of each.

use super::drift;
use super::plan::{between, leaves};
use super::value::masked;
use dtm_engine::PlannedFile;
use dtm_engine::difference::{Blob, Edit, End, Leaf, Path, Segment, Step, Tag, Text, difference, of_file};
use dtm_engine::plan::{Action, Change, Leftover, Node, OutputChange, Plan, Reason};
use dtm_lang::Sources;
use dtm_lang::diag::render::json as diagnostic;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};

/// The version of what `--json` writes; `schema/dtm-2.json` says what it is.
pub const FORMAT: u32 = 2;

/// How many equal lines surround those that differ.
const CONTEXT: usize = 3;

/// The plan.
pub fn plan(plan: &Plan, sources: &Sources) -> Value {
    let (add, change, destroy) = plan.counts();
    let numbers = wave_numbers(plan);
    let node = |(i, n): (usize, &Node)| {
        let mut tool = json!({
            "address": n.addr, "kind": n.kind.as_ref().map(|k| k.path()), "plugin": n.plugin, "action": n.action.verb(),
            "reason": n.reason.to_string(), "using": n.using, "conditional": n.conditional, "wave": numbers.get(i).copied().flatten(),
            "dependencies": n.deps, "changes": n.shown_changes().iter().map(|c| one(n, c)).collect::<Vec<_>>(),
        });
        if !n.options.is_empty() {
            tool["options"] = n.options.iter().map(|c| one(n, c)).collect();
        }
        if !n.notes.is_empty() {
            tool["notes"] = n.notes.clone().into();
        }
        if let Some(files) = plan.files.get(&n.addr) {
            tool["files"] = files.iter().map(file).collect();
        }
        let left = n.leftovers.iter().filter(|left| !left.absent);
        let replaced: Vec<Value> = left
            .map(|left| {
                let changed: Vec<&String> = left.seen.iter().flat_map(|seen| seen.keys()).collect();
                json!({ "id": left.id, "changed": changed })
            })
            .collect();
        if !replaced.is_empty() {
            tool["replaced"] = replaced.into();
        }
        tool
    };
    let moves: Vec<Value> = plan.moves.iter().map(|(a, b)| json!({ "from": a, "to": b })).collect();
    let diagnostics: Vec<Value> = plan.diagnostics.iter().map(|d| diagnostic(d, sources)).collect();
    json!({
        "format": FORMAT, "empty": plan.is_empty(),
        "summary": { "add": add, "change": change, "destroy": destroy, "adopt": plan.adopted() },
        "drift": drifted(plan),
        "tools": plan.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
        "left_out": plan.left_out, "moves": moves, "outputs_changed": plan.outputs_changed,
        "outputs": plan.outputs.iter().map(output).collect::<Vec<_>>(), "diagnostics": diagnostics,
    })
}

/// The number of each tool's wave as the text has it: waves in which nothing is done are not counted.
fn wave_numbers(plan: &Plan) -> Vec<Option<usize>> {
    let acts = |i: usize| plan.nodes[i].action != Action::NoOp;
    let wave = |i: usize| plan.waves.get(i).copied().unwrap_or(0);
    let waves: BTreeSet<usize> = (0..plan.nodes.len()).filter(|i| acts(*i)).map(wave).collect();
    let numbers: HashMap<usize, usize> = waves.into_iter().zip(1..).collect();
    (0..plan.nodes.len()).map(|i| numbers.get(&wave(i)).copied().filter(|_| acts(i))).collect()
}

/// An output of the program.
fn output(change: &OutputChange) -> Value {
    let null = Value::Null;
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let leaves = difference(&change.name, before.unwrap_or(&null), after.unwrap_or(&null), None);
    let edit = match (before, after) {
        (None, _) => "added",
        (Some(_), None) => "removed",
        (Some(_), Some(_)) => "changed",
    };
    let shown = |value: Option<&Value>| value.map_or(Value::Null, |value| hide(value, &leaves));
    json!({
        "name": change.name, "edit": edit, "before": shown(before), "after": shown(after),
        "differences": differences(&leaves),
    })
}

fn file(file: &PlannedFile) -> Value {
    let edit = match (&file.before, &file.after) {
        (None, _) => "added",
        (_, None) => "removed",
        (Some(_), Some(_)) if file.note.is_some() => "left",
        (Some(_), Some(_)) => "changed",
    };
    let leaves = if file.note.is_some() { vec![] } else { of_file(file) };
    let mut out =
        json!({ "path": file.path, "edit": edit, "drift": file.drift, "differences": differences(&leaves) });
    if file.mode_before.is_some() {
        out["mode"] = json!([file.mode_before, file.mode_after]);
    }
    if let Some(note) = &file.note {
        out["note"] = json!(note);
    }
    out
}

fn one(node: &Node, change: &Change) -> Value {
    let leaves = leaves(node, change);
    // A secret on one side is hidden on the other too.
    let hidden = leaves.iter().any(|l| matches!(l.edit, Edit::Secret));
    let (before, after) = match hidden {
        true => (hide(&change.before, &leaves), hide(&change.after, &leaves)),
        false => (masked(&change.before), masked(&change.after)),
    };
    json!({
        "name": change.name, "before": before, "after": after, "replaces": change.replaces, "drift": change.drift,
        "differences": differences(&leaves),
    })
}

/// A value in which everything is hidden that is a secret on either side.
fn hide(value: &Value, leaves: &[Leaf]) -> Value {
    let mut out = masked(value);
    for leaf in leaves.iter().filter(|l| matches!(l.edit, Edit::Secret)) {
        let mut at = Some(&mut out);
        for step in &leaf.path.0[1..] {
            at = match (at, step) {
                (Some(Value::Object(m)), Step::Field(name)) => m.get_mut(name),
                (Some(Value::Array(items)), Step::Index(i)) => items.get_mut(*i),
                _ => None,
            };
        }
        if let Some(at) = at {
            *at = json!({ dtm_lang::wire::TAG: "secret" });
        }
    }
    out
}

/// What changed outside of dtm.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other reason is a change of inputs")]
pub fn drifted(plan: &Plan) -> Vec<Value> {
    let tool = |node: &&Node| {
        let what = match node.reason {
            Reason::Gone => "removed",
            Reason::OutputsChanged => "outputs",
            _ => "changed",
        };
        let change = |change: &Change| {
            let recorded = drift::recorded(node, change);
            let leaves = between(node, &change.name, recorded, &change.before);
            json!({
                "name": change.name, "recorded": hide(recorded, &leaves), "found": hide(&change.before, &leaves),
                "then": drift::then(node, change).name(), "differences": differences(&leaves),
            })
        };
        let of_leftover = |(_, name, recorded, found): (&Leftover, &str, &Value, &Value)| {
            let leaves = between(node, name, recorded, found);
            json!({
                "name": name, "recorded": hide(recorded, &leaves), "found": hide(found, &leaves),
                "then": drift::Then::Deleted.name(), "differences": differences(&leaves),
            })
        };
        let of_output = |change: &Change| {
            let leaves = between(node, &change.name, &change.before, &change.after);
            json!({
                "name": change.name, "recorded": hide(&change.before, &leaves), "found": hide(&change.after, &leaves),
                "then": drift::Then::Kept.name(), "differences": differences(&leaves),
            })
        };
        let outputs = node.outputs.iter().filter(|_| node.reason == Reason::OutputsChanged).map(of_output);
        let changes =
            drift::changes(node).map(change).chain(outputs).chain(drift::of_leftovers(node).map(of_leftover));
        let changes: Vec<Value> = changes.collect();
        let mut told = json!({ "address": node.addr, "what": what, "reason": node.reason.to_string(), "changes": changes });
        if !node.drift.is_empty() {
            told["parts"] = json!(node.drift);
        }
        told
    };
    drift::tools(plan).iter().map(tool).collect()
}

/// Leaves that differ.
pub fn differences(leaves: &[Leaf]) -> Vec<Value> {
    leaves.iter().filter(|l| !matches!(l.edit, Edit::Same(_))).map(leaf).collect()
}

fn steps(path: &Path) -> Vec<Value> {
    let step = |step: &Step| match step {
        Step::Field(name) | Step::File(name) => json!(name),
        Step::Index(index) => json!(index),
        Step::Member(None) => json!({ "member": null }),
        Step::Member(Some((field, value))) => json!({ "member": { (field.as_str()): value } }),
    };
    path.0.iter().map(step).collect()
}

fn leaf(leaf: &Leaf) -> Value {
    let mut out = Map::new();
    out.insert("path".into(), leaf.path.to_string().into());
    out.insert("steps".into(), steps(&leaf.path).into());
    let mut put = |name: &str, value: Value| _ = out.insert(name.into(), value);
    match &leaf.edit {
        Edit::Same(_) => {}
        Edit::Added(value) => {
            put("edit", "added".into());
            put("after", masked(value));
        }
        Edit::Removed(value) => {
            put("edit", "removed".into());
            put("before", masked(value));
        }
        Edit::Changed { before, after } => {
            put("edit", "changed".into());
            put("before", masked(before));
            put("after", masked(after));
        }
        Edit::Inline(inline) => {
            put("edit", "inline".into());
            put("parts", inline.segments.iter().map(part).collect());
        }
        Edit::Text(text) => {
            put("edit", "text".into());
            put("text", self::text(text));
        }
        Edit::Data { syntax, leaves, text } => {
            put("edit", "data".into());
            put("syntax", syntax.name().to_lowercase().into());
            put("differences", differences(leaves).into());
            if let Some(text) = text {
                put("text", self::text(text));
            }
        }
        Edit::Secret => put("edit", "secret".into()),
        Edit::Binary { before, after } => {
            put("edit", "binary".into());
            put("before", blob(before));
            put("after", blob(after));
        }
        Edit::Moved => put("edit", "moved".into()),
    }
    if let Some(was) = leaf.was {
        put("was", was.into());
    }
    if let Some((field, value)) = &leaf.within {
        put("within", json!({ (field.as_str()): value }));
    }
    if !leaf.notes.is_empty() {
        put("notes", leaf.notes.clone().into());
    }
    Value::Object(out)
}

fn sign(tag: Tag) -> &'static str {
    match tag {
        Tag::Same => " ",
        Tag::Removed => "-",
        Tag::Added => "+",
    }
}

fn part(segment: &Segment) -> Value {
    json!([sign(segment.tag), segment.text])
}

fn blob(blob: &Blob) -> Value {
    match blob {
        Blob::Text(text) => json!({ "text": text }),
        Blob::Note(note) => json!({ "note": note }),
        Blob::Bytes { size, sha256 } => json!({ "bytes": size, "sha256": sha256 }),
    }
}

/// The lines that differ with three lines of context; `[" ", 12]` means twelve equal lines.
fn text(text: &Text) -> Value {
    let all = &text.lines;
    let mut near = vec![false; all.len()];
    for at in all.iter().enumerate().filter(|(_, l)| l.tag != Tag::Same).map(|(at, _)| at) {
        near[at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(all.len())].fill(true);
    }
    let mut lines: Vec<Value> = vec![];
    let mut at = 0;
    while at < all.len() {
        if !near[at] {
            let end = (at..all.len()).find(|k| near[*k]).unwrap_or(all.len());
            lines.push(json!([" ", end - at]));
            at = end;
            continue;
        }
        let line = &all[at];
        let mut entry = vec![json!(sign(line.tag)), json!(line.text)];
        match line.end {
            End::CrLf => entry.push("crlf".into()),
            End::None => entry.push("none".into()),
            End::Lf => {}
        }
        lines.push(entry.into());
        at += 1;
    }
    json!({ "before": text.before, "after": text.after, "removed": text.removed, "added": text.added, "lines": lines })
}
