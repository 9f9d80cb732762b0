//! The steps of a plan and the order between them. A plan has one node for each tool; execution has one or more steps
//! for it, because the deletion and the creation of a tool are two nodes of the graph:
//!
//! ```text
//! db, table replaced; table depends on db       - table   - db   + db   + table
//! net replaced, subnet deleted, vm uses both    - vm   - subnet   -/+ net   + vm
//! create-first                                  + db   + table   then the old table, then the old db
//! ```
//!
//! There are two kinds of edges. Edges of the *program* order creations; *recorded* edges order deletions, in reverse.
//! The edge of an update that only drops a dependency before its deletion yields where the two contradict each other.
//!
//! Nothing is deleted before its difference is final, with one exception: what was made in an object that is replaced for
//! certain goes before that object, also where its own difference waits for it (`make_certain`).

use super::leftovers::used_by_left_out;
use super::{Action, Node, Reason};
use crate::address::ToolAddr;
use crate::graph::Graph;
use dtm_lang::wire::has_unknown;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// What a step does with its tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The whole action.
    Whole,
    /// The deletion of a replacement, where something comes between it and the creation.
    Remove,
    /// The creation of such a replacement.
    Make,
    /// The deletion of objects that were replaced create-first, in this run or in an earlier one.
    CleanUp,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The tool, by its position in the plan.
    pub node: usize,
    /// What is done with it.
    pub part: Part,
}

/// The steps of a plan, and the order between them.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The steps.
    pub steps: Vec<Step>,
    /// The order between them, by position.
    pub graph: Graph,
    /// An order that fits.
    pub order: Vec<usize>,
}

impl Schedule {
    /// The wave of each of `count` nodes: the longest chain of others before it. Steps of one tool count once, and empty waves
    /// are left out.
    pub fn waves(&self, count: usize) -> Vec<usize> {
        let mut distance = vec![0; self.steps.len()];
        for at in &self.order {
            let far = |b: usize| distance[b] + usize::from(self.steps[b].node != self.steps[*at].node);
            distance[*at] = self.graph.before(*at).map(far).max().unwrap_or(0);
        }
        let mut waves = vec![0; count];
        for (at, step) in self.steps.iter().enumerate() {
            if matches!(step.part, Part::Whole | Part::Make) {
                waves[step.node] = distance[at];
            }
        }
        let used: BTreeSet<usize> = waves.iter().copied().collect();
        let rank: HashMap<usize, usize> =
            used.into_iter().enumerate().map(|(rank, wave)| (wave, rank)).collect();
        waves.iter().map(|w| rank[w]).collect()
    }
}

/// Whether a node's object is deleted before the new one is created, for certain: nothing is deleted before its difference is final.
pub(super) fn removes_first(node: &Node) -> bool {
    node.action == Action::Replace { create_first: false }
        && !node.conditional
        && node.prior.as_ref().is_some_and(|p| p.id.is_some())
        && (node.forced || node.changes.iter().any(|c| c.replaces && node.is_certain(c)))
}

/// Makes replacements certain that depend on one. What an object was made in is deleted only after it: a file that was made in a
/// folder by way of an output of the folder, which is not known before the folder is there again, goes before the folder does.
pub(super) fn make_certain(nodes: &mut [Node]) {
    let index: HashMap<ToolAddr, usize> =
        nodes.iter().enumerate().map(|(i, n)| (n.addr.clone(), i)).collect();
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, node) in nodes.iter().enumerate().filter(|(_, node)| may_follow(node)) {
        let recorded = node.prior.iter().flat_map(|p| &p.deps).filter(|d| node.deps.contains(d));
        for d in recorded.filter_map(|d| index.get(d)) {
            waiting.entry(*d).or_default().push(i);
        }
    }
    let mut certain: Vec<usize> = match waiting.is_empty() {
        true => return,
        false => (0..nodes.len()).filter(|i| removes_first(&nodes[*i])).collect(),
    };
    while let Some(d) = certain.pop() {
        for i in waiting.remove(&d).unwrap_or_default() {
            if !removes_first(&nodes[i]) {
                (nodes[i].conditional, nodes[i].forced) = (false, true);
                certain.push(i);
            }
        }
    }
}

/// Whether a node is a replacement that depends on what an input turns out to be.
fn may_follow(node: &Node) -> bool {
    node.action == Action::Replace { create_first: false }
        && !removes_first(node)
        && node.prior.as_ref().is_some_and(|p| p.id.is_some())
        && node
            .changes
            .iter()
            .any(|c| has_unknown(&c.after) && (c.replaces || matches!(node.reason, Reason::Plugin(_))))
}

/// Where the steps of a node are in the schedule.
struct Places {
    whole: usize,
    make: usize,
    clean_up: Option<usize>,
}

struct Planner<'a> {
    nodes: &'a [Node],
    index: HashMap<&'a str, usize>,
    /// Tools of which a replaced object stays, because a tool that is left out uses it.
    kept: BTreeSet<&'a ToolAddr>,
    steps: Vec<Step>,
    places: Vec<Places>,
    /// Edges that must hold, and those that yield.
    hard: Vec<(usize, usize)>,
    soft: Vec<(usize, usize)>,
}

/// Schedules the steps of a plan.
///
/// # Errors
/// The nodes of the shortest cycle, in order.
pub(super) fn schedule(nodes: &[Node]) -> Result<Schedule, Vec<usize>> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (&*n.addr, i)).collect();
    let kept = used_by_left_out(nodes);
    let mut planner =
        Planner { nodes, index, kept, steps: vec![], places: vec![], hard: vec![], soft: vec![] };
    for i in 0..nodes.len() {
        planner.steps_of(i);
    }
    for i in 0..nodes.len() {
        planner.edges_of_program(i);
        planner.edges_of_state(i);
    }
    planner.finish()
}

impl Planner<'_> {
    fn goes(&self, node: usize) -> bool {
        self.nodes[node].action == Action::Delete
    }

    /// The nodes of recorded dependencies.
    fn recorded(&self, deps: &[ToolAddr]) -> Vec<usize> {
        deps.iter().filter_map(|d| self.index.get(&**d).copied()).collect()
    }

    fn steps_of(&mut self, index: usize) {
        let node = &self.nodes[index];
        let stored = node.prior.as_ref().map(|p| self.recorded(&p.deps)).unwrap_or_default();
        // Something that it depends on goes after it, and comes before it.
        let before = stored.iter().any(|d| *d != index && (self.goes(*d) || removes_first(&self.nodes[*d])));
        let splits = removes_first(node) && (before || !node.after.is_empty());
        let mut push = |part: Part| {
            self.steps.push(Step { node: index, part });
            self.steps.len() - 1
        };
        let whole = push(if splits { Part::Remove } else { Part::Whole });
        let make = if splits { push(Part::Make) } else { whole };
        let retires = node.action == Action::Replace { create_first: true };
        let retired = node.prior.as_ref().is_some_and(|p| !p.retired.is_empty())
            && !matches!(node.action, Action::Delete | Action::Forget)
            && node.reason != Reason::LeftOut;
        let clean_up = ((retires || retired) && !self.kept.contains(&node.addr)).then(|| push(Part::CleanUp));
        if splits {
            self.hard.push((whole, make));
        }
        if let Some(clean_up) = clean_up {
            self.hard.push((make, clean_up));
        }
        self.places.push(Places { whole, make, clean_up });
    }

    /// What is made, in the order of the program, and after what holds its natural key until then.
    fn edges_of_program(&mut self, index: usize) {
        for holder in self.recorded(&self.nodes[index].after) {
            self.hard.push((self.places[holder].whole, self.places[index].make));
        }
        if self.nodes[index].instance.is_none() {
            return;
        }
        for d in self.recorded(&self.nodes[index].deps) {
            if d == index {
                continue;
            }
            self.hard.push((self.places[d].make, self.places[index].make));
            // The old object goes when everybody uses the new one.
            if let Some(clean_up) = self.places[d].clean_up {
                self.hard.push((self.places[index].make, clean_up));
            }
        }
    }

    /// What goes, in reverse of what is recorded.
    fn edges_of_state(&mut self, index: usize) {
        let node = &self.nodes[index];
        let Some(prior) = &node.prior else { return };
        let place = &self.places[index];
        // The step at which this tool's object lets go, and whether that is certain.
        let (lets_go, certain) = match node.action {
            Action::Delete => (place.whole, true),
            Action::Replace { create_first: true } => (place.clean_up.unwrap_or(place.make), true),
            Action::Replace { create_first: false } if removes_first(node) => (place.whole, true),
            Action::NoOp
            | Action::Create
            | Action::Update
            | Action::Replace { .. }
            | Action::Read
            | Action::Adopt
            | Action::Forget
            | Action::Find => (place.make, false),
        };
        let stored = self.recorded(&prior.deps);
        let retired: Vec<ToolAddr> = prior.retired.iter().flat_map(|r| r.deps.iter().cloned()).collect();
        let retired = self.recorded(&retired);
        let old = place.clean_up.unwrap_or(place.whole);
        let edges = stored.into_iter().map(|d| (d, lets_go, certain));
        let edges: Vec<_> = edges.chain(retired.into_iter().map(|d| (d, old, true))).collect();
        for (d, step, certain) in edges {
            if d == index {
                continue;
            }
            if self.goes(d) || certain && removes_first(&self.nodes[d]) {
                let edge = (step, self.places[d].whole);
                if certain { self.hard.push(edge) } else { self.soft.push(edge) }
            }
            if let Some(clean_up) = self.places[d].clean_up {
                self.hard.push((step, clean_up));
            }
        }
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new(self.steps.len());
        for (before, after) in self.hard.iter().chain(&self.soft) {
            graph.add(*before, *after);
        }
        graph
    }

    /// Takes edges that yield out of cycles until there are none.
    fn finish(mut self) -> Result<Schedule, Vec<usize>> {
        loop {
            let graph = self.graph();
            let cycle = match graph.order() {
                Ok(order) => return Ok(Schedule { steps: self.steps, graph, order }),
                Err(cycle) => cycle,
            };
            let on_cycle = |edge: &(usize, usize)| {
                let at = cycle.iter().position(|n| *n == edge.0);
                at.is_some_and(|at| cycle[(at + 1) % cycle.len()] == edge.1)
            };
            let before = self.soft.len();
            self.soft.retain(|edge| !on_cycle(edge));
            if self.soft.len() == before {
                let mut nodes: Vec<usize> = cycle.iter().map(|s| self.steps[*s].node).collect();
                nodes.dedup();
                return Err(nodes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fields;
    use crate::state::{Entry, OpKey, PluginRef, Retired, Status};
    use dtm_lang::InstanceId;

    const REPLACE: Action = Action::Replace { create_first: false };
    const FIRST: Action = Action::Replace { create_first: true };

    fn names(words: &str) -> Vec<ToolAddr> {
        words.split_whitespace().map(ToolAddr::from).collect()
    }

    /// A tool, its action, and its dependencies in the program and in the state; a replaced object that still exists depended
    /// on `retired`.
    fn node(addr: &str, action: Action, program: &str, state: &str, retired: Option<&str>) -> Node {
        let retired = retired.map(|deps| Retired {
            id: "old".into(),
            inputs: Fields::new(),
            outputs: Fields::new(),
            private: serde_json::Value::Null,
            deps: names(deps),
            op: OpKey("old".into()),
        });
        let entry = Entry {
            plugin: PluginRef::default().into(),
            kind: "Thing".into(),
            place: Fields::new(),
            using: None,
            id: Some(addr.into()),
            inputs: Fields::new(),
            outputs: Fields::new(),
            private: serde_json::Value::Null,
            deps: names(state),
            protect: false,
            timeout: None,
            status: Status::Ok,
            op: OpKey(addr.into()),
            absent_before: false,
            retired: retired.into_iter().collect(),
            time: String::new(),
        };
        Node {
            addr: addr.into(),
            instance: (action != Action::Delete).then_some(InstanceId(0)),
            prior: (action != Action::Create).then(|| entry.into()),
            action,
            reason: Reason::Plain,
            conditional: false,
            plugin: "own".into(),
            kind: None,
            using: None,
            settings: Default::default(),
            place: Fields::new(),
            desired: Fields::new(),
            planned: Fields::new(),
            changes: vec![],
            options: vec![],
            outputs: vec![],
            drift: vec![],
            notes: vec![],
            op: OpKey(addr.into()),
            absent_before: false,
            forced: true,
            seen: None,
            after: vec![],
            leftovers: vec![],
            deps: names(program),
        }
    }

    /// The steps in order: `-x` deletes, `+x` creates, `x` is the whole action, `~x` deletes what was replaced.
    #[track_caller]
    fn check(nodes: &[Node], expected: &str) {
        let schedule = schedule(nodes).expect("an order");
        let shown = schedule.order.iter().map(|at| {
            let step = schedule.steps[*at];
            let sign = match step.part {
                Part::Whole => "",
                Part::Remove => "-",
                Part::Make => "+",
                Part::CleanUp => "~",
            };
            format!("{sign}{}", nodes[step.node].addr)
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn what_is_made_follows_the_program() {
        check(&[node("b", Action::Create, "a", "", None), node("a", Action::Create, "", "", None)], "a b");
    }

    #[test]
    fn what_goes_follows_the_state_in_reverse() {
        check(&[node("a", Action::Delete, "", "", None), node("b", Action::Delete, "", "a", None)], "b a");
    }

    #[test]
    fn dependents_that_are_replaced_too_go_first_and_come_last() {
        let nodes = [
            node("db", REPLACE, "", "", None),
            node("table", REPLACE, "db", "db", None),
            node("row", REPLACE, "table", "table", None),
        ];
        check(&nodes, "-row -table db +table +row");
    }

    #[test]
    fn a_dependent_that_is_only_updated_stays_where_it_is() {
        check(
            &[node("db", REPLACE, "", "", None), node("user", Action::Update, "db", "db", None)],
            "db user",
        );
    }

    #[test]
    fn a_replacement_that_is_not_certain_deletes_nothing_before_its_time() {
        let mut table = node("table", REPLACE, "db", "db", None);
        (table.conditional, table.forced) = (true, false);
        check(&[node("db", REPLACE, "", "", None), table], "db table");
    }

    #[test]
    fn a_replacement_that_waits_for_a_certain_one_goes_before_it() {
        let waits = |addr: &str, on: &str| {
            let mut node = node(addr, REPLACE, on, on, None);
            (node.conditional, node.forced) = (true, false);
            node.changes.push(crate::plan::Change {
                name: "path".into(),
                before: "a".into(),
                after: dtm_lang::wire::unknown(),
                replaces: true,
                drift: false,
            });
            node
        };
        let mut nodes = [node("db", REPLACE, "", "", None), waits("table", "db"), waits("row", "table")];
        make_certain(&mut nodes);
        check(&nodes, "-row -table db +table +row");
        assert!(nodes.iter().all(|n| !n.conditional));
        let mut nodes = [node("db", Action::Update, "", "", None), waits("table", "db")];
        make_certain(&mut nodes);
        assert!(nodes[1].conditional, "an update may leave the output as it is");
    }

    #[test]
    fn create_first_cleans_up_in_reverse() {
        let nodes = [node("db", FIRST, "", "", None), node("table", FIRST, "db", "db", None)];
        check(&nodes, "db table ~table ~db");
    }

    #[test]
    fn what_an_earlier_run_left_goes_in_reverse_too() {
        let nodes =
            [node("db", Action::Read, "", "", Some("")), node("table", Action::Read, "db", "db", Some("db"))];
        check(&nodes, "db table ~table ~db");
        let nodes =
            [node("db", Action::Delete, "", "", None), node("table", Action::Read, "", "", Some("db"))];
        check(&nodes, "table ~table db");
    }

    #[test]
    fn deletion_and_creation_are_two_places() {
        let nodes = [
            node("net", REPLACE, "", "", None),
            node("subnet", Action::Delete, "", "net", None),
            node("vm", REPLACE, "net", "net subnet", None),
        ];
        check(&nodes, "-vm subnet net +vm");
    }

    #[test]
    fn an_update_lets_go_before_a_deletion_unless_that_is_a_circle() {
        let nodes =
            [node("base", Action::Delete, "", "", None), node("user", Action::Update, "", "base", None)];
        check(&nodes, "user base");
        let nodes = [
            node("net", REPLACE, "", "", None),
            node("subnet", Action::Delete, "", "net", None),
            node("vm", Action::Update, "net", "net subnet", None),
        ];
        check(&nodes, "subnet net vm");
    }

    #[test]
    fn a_real_circle_is_named() {
        let nodes = [node("a", Action::Delete, "", "b", None), node("b", Action::Delete, "", "a", None)];
        assert_eq!(schedule(&nodes).map(|s| s.order), Err(vec![0, 1]));
    }

    #[test]
    fn waves_count_tools_and_not_steps() {
        let nodes = [node("db", REPLACE, "", "", None), node("table", REPLACE, "db", "db", None)];
        assert_eq!(schedule(&nodes).expect("an order").waves(2), [0, 1]);
    }
}
