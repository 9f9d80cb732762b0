//! Collapses repeated changes: `repo[3 of 40]: same change`.
//!
//! Members of a family differ by key. Two changes are the same if they are equal after every occurrence of the member's key is
//! replaced with `${key}`. The replacement is reversible, so no information is lost.

use super::paper::{Paint, Paper};
use super::plan::{body, head, waves, why};
use super::{count, drift};
use crate::terminal::Style;
use dtm_engine::PlannedFile;
use dtm_engine::difference::natural;
use dtm_engine::plan::{Action, Change, Node, Plan};
use dtm_lang::maps::IndexMap;
use dtm_lang::value::quote;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The number of tools with the same change from which on they are grouped.
const MANY: usize = 3;

/// What the placeholders of a key and of a number begin with.
const KEY_SIGN: char = '\u{e000}';
const NUMBER_SIGN: char = '\u{e002}';
/// The placeholder of a key while a change is rendered; as wide as `${key}`.
const KEY: &str = "\u{e000}\u{e000}key\u{e001}";
/// The placeholder of a number that is the key.
const NUMBER: &str = "\u{e002}";
/// The placeholder of the number at the end of a key; as wide as `${number}`.
const END: &str = "\u{e003}\u{e003}number\u{e004}";
/// The placeholder of a number that equals the one at the end of the key.
const END_NUMBER: &str = "\u{e005}";

/// In which way changes are compared. The later ways are tried for what the earlier ones did not find to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As they are, with nothing put in the place of the key.
    Verbatim,
    /// As they are shown.
    Whole,
    /// Without the equal lines around those that differ.
    Bare,
    /// With the number at the end of the key replaced as well: `7` where the key is `repo7`.
    Numbered,
}

impl Way {
    const ALL: [Way; 3] = [Way::Whole, Way::Bare, Way::Numbered];

    /// A paper to draw a change on.
    pub(super) fn paper(self, paper: &Paper) -> Paper {
        match self {
            Way::Verbatim | Way::Whole => Paper { context: paper.context, ..paper.fresh() },
            Way::Bare | Way::Numbered => Paper { context: 0, ..paper.fresh() },
        }
    }

    /// A text with the key of a member replaced.
    pub(super) fn replaced(self, text: &str, member: &Member) -> String {
        if self == Way::Verbatim {
            return text.into();
        }
        let text = put_for(text, &member.key, KEY);
        match member.number().filter(|_| self == Way::Numbered) {
            Some(number) => put_for(&text, number, END),
            None => text,
        }
    }
}

/// The families of a plan.
pub(super) struct Families {
    /// How many members each has.
    members: HashMap<String, usize>,
}

/// A member of a family: what is the same in all addresses, and its key.
pub(super) struct Member {
    pub(super) family: String,
    pub(super) key: String,
}

impl Member {
    /// The number at the end of the key, if something else is before it.
    fn number(&self) -> Option<&str> {
        let at = self.key.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        Some(&self.key[at..]).filter(|number| at > 0 && !number.is_empty())
    }
}

/// The last key in an address: `svc["a"].repo` is a member too.
pub(super) fn member(addr: &str) -> Option<Member> {
    let open = addr.rfind("[\"")?;
    let close = open + addr[open..].find("\"]")?;
    let key = addr[open + 2..close].to_string();
    Some(Member { family: format!("{}[]{}", &addr[..open], &addr[close + 2..]), key })
}

/// One change as it is drawn.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Drawn {
    pub(super) family: Option<String>,
    pub(super) kind: String,
    pub(super) mark: &'static str,
    pub(super) why: String,
    pub(super) body: String,
}

impl Drawn {
    /// Whether a key was found in it.
    fn has_key(&self) -> bool {
        [&self.why, &self.body].iter().any(|text| text.contains([KEY_SIGN, NUMBER_SIGN]))
    }
}

/// Changes that are the same.
pub(super) struct Group {
    way: Way,
    pub(super) drawn: Drawn,
    /// Which ones, in the order in which they are shown.
    pub(super) at: Vec<usize>,
}

/// The changes that are the same, and the group of each that is in one.
pub(super) fn groups(addrs: &[&str], draw: impl Fn(usize, Way) -> Drawn) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut groups: Vec<Group> = vec![];
    let mut of: Vec<Option<usize>> = vec![None; addrs.len()];
    for way in Way::ALL {
        let differs = |at: &usize| {
            let member = member(addrs[*at]);
            way == Way::Whole
                || way == Way::Bare && member.is_some()
                || way == Way::Numbered && member.is_some_and(|m| m.number().is_some())
        };
        let left = (0..addrs.len()).filter(|at| of[*at].is_none()).filter(differs);
        let mut same: IndexMap<Drawn, Vec<usize>> = IndexMap::default();
        for at in left {
            same.entry(draw(at, way)).or_default().push(at);
        }
        for (drawn, at) in same {
            // Tools outside of a family are grouped only if that is shorter.
            if at.len() >= MANY && (drawn.family.is_some() || drawn.body.lines().count() > 1) {
                at.iter().for_each(|one| of[*one] = Some(groups.len()));
                groups.push(Group { way, drawn, at });
            }
        }
    }
    // A change in which no key was found is that of all, also of those whose key it holds by chance: `1 -> 2` and key "1".
    let keyless = groups.iter().enumerate().filter(|(_, g)| g.way == Way::Whole && !g.drawn.has_key());
    let keyless: HashMap<Drawn, usize> = keyless.map(|(group, g)| (g.drawn.clone(), group)).collect();
    let left = (0..addrs.len()).filter(|_| !keyless.is_empty());
    for at in left.filter(|at| of[*at].is_none()).collect::<Vec<_>>() {
        if let Some(group) = keyless.get(&draw(at, Way::Verbatim)) {
            of[at] = Some(*group);
            groups[*group].at.push(at);
            groups[*group].at.sort_unstable();
        }
    }
    (groups, of)
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
        let addrs: Vec<&str> = nodes.iter().map(|node| &*node.addr).collect();
        let (groups, of) = match paper.all {
            true => (vec![], vec![None; nodes.len()]),
            false => groups(&addrs, |at, way| draw(paper, plan, nodes[at], way)),
        };
        for (at, node) in nodes.iter().enumerate() {
            match of[at].map(|group| &groups[group]) {
                Some(group) if group.at[0] == at => {
                    let why = match group.drawn.why.is_empty() {
                        true => "same change".to_string(),
                        false => format!("same change; {}", shown(&group.drawn.why)),
                    };
                    self.name(paper, group, &addrs, |paper, name| head(paper, node, name, &why));
                    paper.out += &shown(&group.drawn.body);
                }
                Some(_) => {}
                None => {
                    let why = told(plan, node);
                    head(paper, node, &node.addr, &why);
                    let files = files_of(plan, node);
                    if !drift::is_all(plan, node) {
                        body(paper, node, &node.shown_changes(), files);
                    }
                }
            }
        }
    }

    /// Writes which tools a group is of.
    pub(super) fn name(
        &self,
        paper: &mut Paper,
        group: &Group,
        addrs: &[&str],
        head: impl Fn(&mut Paper, &str),
    ) {
        let (name, which) = self.named(group, addrs);
        head(paper, &name);
        paper.put(6, 8, &[(Paint::Dim, which)]);
    }

    /// The name of a group, and which tools are in it.
    fn named(&self, group: &Group, addrs: &[&str]) -> (String, String) {
        let Some(family) = &group.drawn.family else {
            let names: Vec<&str> = group.at.iter().map(|at| addrs[*at]).collect();
            return (count(group.at.len(), "tool"), names.join(", "));
        };
        let all = self.members.get(family).copied().unwrap_or(group.at.len());
        let members: Vec<Member> = group.at.iter().filter_map(|at| member(addrs[*at])).collect();
        let mut keys: Vec<&str> = members.iter().map(|m| m.key.as_str()).collect();
        keys.sort_by(|a, b| natural(a, b));
        let mut which = format!("key in {}", ranges(&keys).join(", "));
        if group.way == Way::Numbered
            && (group.drawn.body.contains(END) || group.drawn.body.contains(END_NUMBER))
        {
            which += "; ${number} is the number at its end";
        }
        (family.replacen("[]", &format!("[{} of {all}]", group.at.len()), 1), which)
    }

    /// The changes that are the same, for the page: of each group its name, which tools are in it, and their addresses.
    pub(super) fn same(&self, plan: &Plan) -> Vec<Value> {
        let paper = Paper::new(Style::PLAIN, 200, false);
        let mut same = vec![];
        for nodes in waves(plan) {
            let addrs: Vec<&str> = nodes.iter().map(|node| &*node.addr).collect();
            for group in groups(&addrs, |at, way| draw(&paper, plan, nodes[at], way)).0 {
                let (name, which) = self.named(&group, &addrs);
                let tools: Vec<&str> = group.at.iter().map(|at| addrs[*at]).collect();
                same.push(json!({ "name": name, "which": which, "tools": tools }));
            }
        }
        same
    }
}

/// The note behind a tool.
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
fn draw(paper: &Paper, plan: &Plan, node: &Node, way: Way) -> Drawn {
    let member = member(&node.addr);
    let mut own = way.paper(paper);
    let mut why = told(plan, node);
    if !drift::is_all(plan, node) {
        let files = files_of(plan, node);
        match &member {
            Some(m) => {
                let shown = node.shown_changes();
                let changes: Vec<Change> = shown.iter().map(|c| with_key(c, m, way)).collect();
                let text = |text: &Option<String>| text.as_ref().map(|t| way.replaced(t, m));
                let file = |f: &PlannedFile| PlannedFile {
                    path: way.replaced(&f.path, m),
                    before: text(&f.before),
                    after: text(&f.after),
                    ..f.clone()
                };
                body(&mut own, node, &changes, &files.iter().map(file).collect::<Vec<_>>());
            }
            None => body(&mut own, node, &node.shown_changes(), files),
        }
    }
    if let Some(m) = &member {
        why = way.replaced(&why, m);
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

fn with_key(change: &Change, member: &Member, way: Way) -> Change {
    let put = |value: &Value| put(value, member, way);
    Change { before: put(&change.before), after: put(&change.after), ..change.clone() }
}

fn put(value: &Value, member: &Member, way: Way) -> Value {
    match value {
        Value::String(text) => Value::String(way.replaced(text, member)),
        Value::Number(n) if way != Way::Verbatim && n.to_string() == member.key => NUMBER.into(),
        Value::Number(n) if way == Way::Numbered && Some(&*n.to_string()) == member.number() => {
            END_NUMBER.into()
        }
        Value::Array(items) => items.iter().map(|v| put(v, member, way)).collect(),
        Value::Object(m) => m.iter().map(|(k, v)| (k.clone(), put(v, member, way))).collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_)) => leaf.clone(),
    }
}

/// A text with a key replaced, where it stands by itself: `1` is not in `10`.
fn put_for(text: &str, key: &str, by: &str) -> String {
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
        out += by;
        done = end;
    }
    out + &text[done..]
}

/// What was drawn, for a person.
pub(super) fn shown(text: &str) -> String {
    text.replace(&format!("\"{NUMBER}\""), "${key}")
        .replace(KEY, "${key}")
        .replace(&format!("\"{END_NUMBER}\""), "${number}")
        .replace(END, "${number}")
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
        assert_eq!(shown(&put_for("f1.txt in 10.1.1.10", "1", KEY)), "f${key}.txt in 10.${key}.${key}.10");
        assert_eq!(shown(&put_for("carts, cart-1", "cart", KEY)), "carts, ${key}-1");
    }

    #[test]
    fn keys_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&["a", "x1", "x2", "x3", "x5", "x07"]).join(" "), r#""a" "x1" to "x3" "x5" "x07""#);
    }
}
