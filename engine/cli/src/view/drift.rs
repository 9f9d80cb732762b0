//! The section of a plan that lists what changed outside of dtm, and what dtm does about it.

use super::change;
use super::count;
use super::families::{Drawn, Families, Way, groups, member, shown};
use super::paper::{Paint, Paper, Piece};
use super::plan::{between, kind_of};
use dtm_engine::PlannedFile;
use dtm_engine::difference::{natural, visible};
use dtm_engine::plan::{Action, Change, Leftover, Node, Plan, Reason};
use serde_json::Value;

/// What dtm does about an input that changed outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It is changed back to what it was.
    TakenBack,
    /// The program wants something else by now.
    Overwritten,
    /// The program wants what is there.
    Kept,
    /// The object is replaced.
    Recreated,
    /// The object is deleted.
    Deleted,
    /// The plugin leaves what changed where it is, and deletes the rest.
    Left,
}

impl Then {
    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Then::TakenBack => "taken_back",
            Then::Overwritten => "overwritten",
            Then::Kept => "kept",
            Then::Recreated => "recreated",
            Then::Deleted => "deleted",
            Then::Left => "left",
        }
    }
    fn words(self) -> &'static str {
        match self {
            Then::TakenBack => "dtm reverts this",
            Then::Overwritten => "dtm overwrites this with the new value",
            Then::Kept => "already matches the program; dtm records it",
            Then::Recreated => "dtm replaces the object, without this change",
            Then::Deleted => "dtm deletes the object, with this change",
            Then::Left => "dtm leaves what was changed in place, and no longer manages it",
        }
    }
    fn paint(self) -> Paint {
        match self {
            Then::TakenBack | Then::Overwritten | Then::Recreated | Then::Deleted => Paint::Red,
            Then::Kept | Then::Left => Paint::Dim,
        }
    }
}

/// The inputs of a tool that changed outside; what is adopted was never dtm's.
pub(super) fn changes(node: &Node) -> impl Iterator<Item = &Change> {
    let foreign = matches!(node.action, Action::Adopt);
    node.changes.iter().filter(move |c| c.drift && !foreign)
}

/// What was recorded of an input.
pub(super) fn recorded<'n>(node: &'n Node, change: &Change) -> &'n Value {
    node.prior.as_ref().and_then(|p| p.inputs.get(&change.name)).unwrap_or(&Value::Null)
}

/// What is done about whatever changed in an object that is deleted or replaced.
fn of_removed(node: &Node) -> Option<Then> {
    let leaves = node.kind.as_ref().is_some_and(|k| k.keeps_changed);
    match node.action {
        Action::Replace { .. } | Action::Delete if leaves => Some(Then::Left),
        Action::Replace { .. } => Some(Then::Recreated),
        Action::Delete => Some(Then::Deleted),
        Action::NoOp
        | Action::Create
        | Action::Update
        | Action::Read
        | Action::Adopt
        | Action::Forget
        | Action::Find => None,
    }
}

/// What is done about it.
pub(super) fn then(node: &Node, change: &Change) -> Then {
    let how = node.kind.as_ref().and_then(|k| k.inputs.get(&*change.name)).and_then(|i| i.same);
    let same = |a: &Value, b: &Value| dtm_engine::plan::diff::same(a, b, how);
    match of_removed(node) {
        Some(then) => then,
        None if same(&change.before, &change.after) => Then::Kept,
        None if same(recorded(node, change), &change.after) => Then::TakenBack,
        None => Then::Overwritten,
    }
}

/// Whether the change of a tool only reverts drift.
pub(super) fn is_all(plan: &Plan, node: &Node) -> bool {
    matches!(node.action, Action::Update)
        && !plan.files.contains_key(&node.addr)
        && !(node.changes.is_empty() && node.drift.is_empty())
        && node.changes.iter().all(|c| c.drift && then(node, c) == Then::TakenBack)
}

/// The tools that differ from what is recorded, in the order in which they are shown.
pub(super) fn tools(plan: &Plan) -> Vec<&Node> {
    let told = |n: &&Node| {
        changes(n).next().is_some()
            || !n.drift.is_empty()
            || matches!(n.reason, Reason::Gone | Reason::OutputsChanged)
            || n.leftovers.iter().any(Leftover::is_changed)
    };
    let mut nodes: Vec<&Node> = plan.drifted().filter(told).collect();
    nodes.sort_by(|a, b| natural(&a.addr, &b.addr));
    nodes
}

/// The section; nothing where nothing changed outside.
pub(super) fn section(paper: &mut Paper, plan: &Plan) {
    let nodes = tools(plan);
    if nodes.is_empty() {
        return;
    }
    if !paper.out.is_empty() {
        paper.blank();
    }
    paper.put(0, 0, &[(Paint::Bold, "changed outside of dtm".into())]);
    let addrs: Vec<&str> = nodes.iter().map(|node| &*node.addr).collect();
    let (groups, of) = match paper.all {
        true => (vec![], vec![None; nodes.len()]),
        false => groups(&addrs, |at, way| draw(paper, plan, nodes[at], way)),
    };
    let families = Families::of(plan);
    for (at, node) in nodes.iter().enumerate() {
        match of[at].map(|group| &groups[group]) {
            Some(group) if group.at[0] == at => {
                families.name(paper, group, &addrs, |paper, name| head(paper, node, name, "  (same change)"));
                paper.out += &shown(&group.drawn.body);
            }
            Some(_) => {}
            None => {
                head(paper, node, &node.addr, "");
                body(paper, plan, node);
            }
        }
    }
}

/// A tool as it is compared with others.
fn draw(paper: &Paper, plan: &Plan, node: &Node, way: Way) -> Drawn {
    let mut own = way.paper(paper);
    body(&mut own, plan, node);
    let member = member(&node.addr);
    let body = match &member {
        Some(member) => way.replaced(&own.out, member),
        None => own.out,
    };
    let mark = if node.reason == Reason::Gone { "gone" } else { "changed" };
    Drawn { family: member.map(|m| m.family), kind: kind_of(node), mark, why: String::new(), body }
}

fn head(paper: &mut Paper, node: &Node, name: &str, more: &str) {
    let mark: Piece = match node.reason == Reason::Gone {
        true => (Paint::Red, "- ".into()),
        false => (Paint::Yellow, "~ ".into()),
    };
    let kind = (Paint::Plain, format!(": {}", kind_of(node)));
    paper.put(2, 6, &[mark, (Paint::Bold, name.into()), kind, (Paint::Dim, more.into())]);
}

fn body(paper: &mut Paper, plan: &Plan, node: &Node) {
    if node.reason == Reason::Gone {
        let what = if let Action::Create | Action::Replace { .. } = node.action {
            "removed; dtm re-creates it"
        } else {
            "removed"
        };
        return paper.put(6, 8, &[(Paint::Red, what.into())]);
    }
    let files = plan.files.get(&node.addr).into_iter().flatten().filter(|f| f.drift);
    let files: Vec<&PlannedFile> = files.collect();
    for file in &files {
        let (mark, what) = match file.before {
            Some(_) => ((Paint::Yellow, "~ ".to_string()), "changed"),
            None => ((Paint::Red, "- ".to_string()), "removed"),
        };
        paper.put(6, 8, &[mark, (Paint::Plain, format!("{}  ({what})", file.path))]);
    }
    if files.iter().any(|file| file.note.is_none()) {
        let what = "dtm reverts this; the lines marked `-` below are lost";
        return paper.put(6, 8, &[(Paint::Red, what.into())]);
    }
    if !files.is_empty() {
        return paper.put(6, 8, &[(Then::Left.paint(), Then::Left.words().into())]);
    }
    for change in changes(node) {
        change::leaves(paper, 6, &between(node, &change.name, recorded(node, change), &change.before), "");
        let then = then(node, change);
        paper.put(6, 8, &[(then.paint(), then.words().into())]);
    }
    for part in &node.drift {
        paper.put(6, 8, &[(Paint::Yellow, "~ ".into()), (Paint::Plain, visible(part))]);
    }
    if !node.drift.is_empty() {
        let then = of_removed(node).unwrap_or(Then::TakenBack);
        paper.put(6, 8, &[(then.paint(), then.words().into())]);
    }
    if node.reason == Reason::OutputsChanged {
        for change in &node.outputs {
            change::leaves(paper, 6, &between(node, &change.name, &change.before, &change.after), "");
        }
        paper.put(6, 8, &[(Paint::Dim, "its outputs changed; dtm records them".into())]);
    }
    for (left, name, before, after) in of_leftovers(node) {
        change::leaves(paper, 6, &between(node, name, before, after), "");
        let id = dtm_lang::value::quote(&left.id);
        let what = format!("dtm deletes the replaced object {id}, with this change");
        paper.put(6, 8, &[(Paint::Red, what)]);
    }
}

/// The inputs of replaced objects that changed outside: of which object, the name, what is recorded, and what is there.
pub(super) fn of_leftovers(node: &Node) -> impl Iterator<Item = (&Leftover, &str, &Value, &Value)> {
    let retired = node.prior.iter().flat_map(|prior| &prior.retired);
    node.leftovers.iter().flat_map(move |left| {
        let inputs = retired.clone().find(|old| old.id == left.id).map(|old| &old.inputs);
        let seen = left.seen.iter().flatten();
        seen.map(move |(name, there)| {
            let recorded = inputs.and_then(|inputs| inputs.get(name)).unwrap_or(&Value::Null);
            (left, name.as_str(), recorded, there)
        })
    })
}

/// What differs from reality, for `verify`; it is not complete where something could not be read.
pub fn found(plan: &Plan, mut paper: Paper, complete: bool) -> String {
    let nodes = tools(plan);
    match nodes.len() {
        0 if !complete => {
            paper.put(0, 2, &[(Paint::Plain, "The check is not complete: see the errors.".into())])
        }
        0 => paper.put(0, 2, &[(Paint::Plain, "No drift: everything is as the state says.".into())]),
        n => {
            section(&mut paper, plan);
            paper.blank();
            paper.put(0, 2, &[(Paint::Plain, format!("{} changed outside of dtm", count(n, "tool")))]);
        }
    }
    paper.out
}
