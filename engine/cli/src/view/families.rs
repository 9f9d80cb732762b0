//! Collapses repeated changes: `repo[3 of 40]: same change`.
//!
//! Members of a family differ by key. Two changes are the same if they are equal after every occurrence of the member's key is
//! replaced with `${key}`. The replacement is reversible, so no information is lost.

use super::paper::{Paint, Paper};
use super::plan::{body, head, why};
use super::{count, drift};
use dtm_engine::PlannedFile;
use dtm_engine::difference::natural;
use dtm_engine::plan::{Action, Change, Node, Plan};
use dtm_lang::value::quote;
use serde_json::Value;
use std::collections::HashMap;

/// So many tools with the same change are told together.
const MANY: usize = 3;

/// What stands for a key while a change is drawn; as many cells as `${key}`.
const KEY: &str = "\u{e000}\u{e000}key\u{e001}";
/// What stands for a number that is the key.
const NUMBER: &str = "\u{e002}";

/// The families of a plan.
pub(super) struct Families {
    /// How many members each has.
    members: HashMap<String, usize>,
}

/// A member of a family: what is the same in all addresses, and its key.
struct Member {
    family: String,
    key: String,
}

/// The last key in an address: `svc["a"].repo` is a member too.
fn member(addr: &str) -> Option<Member> {
    let open = addr.rfind("[\"")?;
    let close = open + addr[open..].find("\"]")?;
    let key = addr[open + 2..close].to_string();
    Some(Member { family: format!("{}[]{}", &addr[..open], &addr[close + 2..]), key })
}

/// One change as it is drawn.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Drawn {
    family: Option<String>,
    kind: String,
    mark: &'static str,
    why: String,
    body: String,
}

impl Families {
    pub(super) fn of(plan: &Plan) -> Families {
        let mut members = HashMap::new();
        for node in &plan.nodes {
            if let Some(member) = member(&node.addr) {
                *members.entry(member.family).or_insert(0) += 1;
            }
        }
        Families { members }
    }

    /// Writes the tools of a wave.
    pub(super) fn write(&self, paper: &mut Paper, plan: &Plan, nodes: &[&Node]) {
        let drawn: Vec<Drawn> = nodes.iter().map(|node| draw(paper, plan, node)).collect();
        let mut same: HashMap<&Drawn, Vec<usize>> = HashMap::new();
        for (at, drawn) in drawn.iter().enumerate() {
            same.entry(drawn).or_default().push(at);
        }
        for (at, node) in nodes.iter().enumerate() {
            let group = &same[&drawn[at]];
            // Tools that are no family are told together only where that makes it shorter.
            let together = group.len() >= MANY
                && (drawn[at].family.is_some() || drawn[at].body.lines().count() > 1)
                && !paper.all;
            match together {
                true if group[0] == at => self.group(paper, nodes, group, &drawn[at]),
                true => {}
                false => {
                    let why = told(plan, node);
                    head(paper, node, &node.addr, &why);
                    let files = files_of(plan, node);
                    if !drift::is_all(plan, node) {
                        body(paper, node, &node.changes, files);
                    }
                }
            }
        }
    }

    fn group(&self, paper: &mut Paper, nodes: &[&Node], group: &[usize], drawn: &Drawn) {
        let first = nodes[group[0]];
        let members: Vec<Member> = group.iter().filter_map(|at| member(&nodes[*at].addr)).collect();
        let why = match drawn.why.is_empty() {
            true => "same change".to_string(),
            false => format!("same change; {}", shown(&drawn.why)),
        };
        match &drawn.family {
            Some(family) => {
                let all = self.members.get(family).copied().unwrap_or(group.len());
                let name = family.replacen("[]", &format!("[{} of {all}]", group.len()), 1);
                head(paper, first, &name, &why);
                let mut keys: Vec<&str> = members.iter().map(|m| m.key.as_str()).collect();
                keys.sort_by(|a, b| natural(a, b));
                paper.put(6, 8, &[(Paint::Dim, format!("key in {}", ranges(&keys).join(", ")))]);
            }
            None => {
                head(paper, first, &count(group.len(), "tool"), &why);
                let names: Vec<&str> = group.iter().map(|at| nodes[*at].addr.as_str()).collect();
                paper.put(6, 8, &[(Paint::Dim, names.join(", "))]);
            }
        }
        paper.out += &shown(&drawn.body);
    }
}

/// What is said behind a tool.
fn told(plan: &Plan, node: &Node) -> String {
    match drift::is_all(plan, node) {
        true => "reverts the change shown above".into(),
        false => why(plan, node),
    }
}

fn files_of<'p>(plan: &'p Plan, node: &Node) -> &'p [PlannedFile] {
    plan.files.get(&node.addr).map_or(&[], Vec::as_slice)
}

/// Draws a change, with its key put in its place.
fn draw(paper: &Paper, plan: &Plan, node: &Node) -> Drawn {
    let member = member(&node.addr);
    let mut own = paper.fresh();
    let mut why = told(plan, node);
    if !drift::is_all(plan, node) {
        let files = files_of(plan, node);
        match &member {
            Some(m) => {
                let changes: Vec<Change> = node.changes.iter().map(|c| with_key(c, &m.key)).collect();
                let text = |text: &Option<String>| text.as_ref().map(|t| replaced(t, &m.key));
                let file = |f: &PlannedFile| PlannedFile {
                    path: replaced(&f.path, &m.key),
                    before: text(&f.before),
                    after: text(&f.after),
                    ..f.clone()
                };
                body(&mut own, node, &changes, &files.iter().map(file).collect::<Vec<_>>());
            }
            None => body(&mut own, node, &node.changes, files),
        }
    }
    if let Some(m) = &member {
        why = replaced(&why, &m.key);
    }
    let mark = match node.action {
        Action::Replace { create_first: true } => "create first",
        Action::NoOp
        | Action::Create
        | Action::Update
        | Action::Replace { create_first: false }
        | Action::Read
        | Action::Find
        | Action::Adopt
        | Action::Delete
        | Action::Forget => node.action.verb(),
    };
    Drawn { family: member.map(|m| m.family), kind: super::plan::kind_of(node), mark, why, body: own.out }
}

fn with_key(change: &Change, key: &str) -> Change {
    Change { before: put(&change.before, key), after: put(&change.after, key), ..change.clone() }
}

fn put(value: &Value, key: &str) -> Value {
    match value {
        Value::String(text) => Value::String(replaced(text, key)),
        Value::Number(n) if n.to_string() == key => NUMBER.into(),
        Value::Array(items) => items.iter().map(|v| put(v, key)).collect(),
        Value::Object(m) => m.iter().map(|(k, v)| (k.clone(), put(v, key))).collect(),
        leaf => leaf.clone(),
    }
}

/// A text with a key replaced, where it stands by itself: `1` is not in `10`.
fn replaced(text: &str, key: &str) -> String {
    if key.is_empty() || !text.contains(key) {
        return text.into();
    }
    let joins = |a: Option<char>, b: Option<char>| match (a, b) {
        (Some(a), Some(b)) => {
            a.is_ascii_digit() && b.is_ascii_digit() || a.is_alphabetic() && b.is_alphabetic()
        }
        _ => false,
    };
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(key) {
        let end = at + key.len();
        if joins(text[..at].chars().next_back(), key.chars().next())
            || joins(key.chars().next_back(), text[end..].chars().next())
        {
            continue;
        }
        out += &text[done..at];
        out += KEY;
        done = end;
    }
    out + &text[done..]
}

/// What was drawn, for a person.
fn shown(text: &str) -> String {
    text.replace(&format!("\"{NUMBER}\""), "${key}").replace(KEY, "${key}")
}

/// Keys in quotes; three and more that follow each other as a range.
fn ranges(keys: &[&str]) -> Vec<String> {
    let number = |key: &str| {
        let at = key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let digits = &key[at..];
        let plain = digits.len() < 10 && (digits == "0" || !digits.starts_with('0'));
        Some((key[..at].to_string(), digits.parse::<u64>().ok().filter(|_| plain)?))
    };
    let mut out = vec![];
    let mut at = 0;
    while at < keys.len() {
        let mut end = at + 1;
        if let Some((prefix, first)) = number(keys[at]) {
            let follows = |k: usize| number(keys[k]) == Some((prefix.clone(), first + (k - at) as u64));
            while end < keys.len() && follows(end) {
                end += 1;
            }
        }
        if end - at > 2 {
            out.push(format!("{} to {}", quote(keys[at]), quote(keys[end - 1])));
        } else {
            out.extend(keys[at..end].iter().map(|key| quote(key)));
        }
        at = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_stand_by_themselves() {
        assert_eq!(shown(&replaced("f1.txt in 10.1.1.10", "1")), "f${key}.txt in 10.${key}.${key}.10");
        assert_eq!(shown(&replaced("carts, cart-1", "cart")), "carts, ${key}-1");
    }

    #[test]
    fn keys_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&["a", "x1", "x2", "x3", "x5", "x07"]).join(" "), r#""a" "x1" to "x3" "x5" "x07""#);
    }
}
