//! What of a program is planned: all of it, only some tools with what they need, or all but some.

use super::build::Builder;
use crate::address::{ToolAddr, names, typed, within};
use crate::state::Status;
use dtm_lang::{Code, Diagnostic};
use std::collections::BTreeSet;

/// Tools that are chosen, by address; a family or a component chooses all its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these, and what they depend on.
    pub only: Vec<String>,
    /// Not these, and not what cannot be without them.
    pub skip: Vec<String>,
    /// These are made anew.
    pub replace: Vec<String>,
}

impl Selection {
    pub(super) fn replaces(&self, addr: &str) -> bool {
        self.replace.iter().any(|outer| within(addr, &typed(outer)))
    }
}

impl Builder<'_> {
    /// The tools that are left out.
    pub(super) fn choose(&mut self) {
        let meant = |all: &[String]| all.iter().map(|name| typed(name)).collect::<Vec<String>>();
        let Selection { only, skip, replace } = &self.options.selection;
        let (only, skip, replace) = (meant(only), meant(skip), meant(replace));
        if self.options.selection == Selection::default() {
            return;
        }
        let live: BTreeSet<ToolAddr> =
            self.program.instances().iter().map(|i| ToolAddr::from(&i.addr)).collect();
        let all: BTreeSet<ToolAddr> = live.iter().chain(self.tools.keys()).cloned().collect();
        let only_these = self.chosen(&only, "--only", &all);
        let skipped = self.chosen(&skip, "--skip", &all);
        let in_state: BTreeSet<ToolAddr> = self.tools.keys().cloned().collect();
        self.chosen(&replace, "--replace", &in_state);
        if !only.is_empty() {
            let wanted = self.with_what_they_need(only_these, &live);
            self.left_out = all.difference(&wanted).cloned().collect();
        }
        let skipped = self.with_what_needs_them(skipped, &live);
        self.left_out.extend(skipped);
        for outer in &replace {
            let lost = |a: &&ToolAddr| within(a, outer) && (self.left_out.contains(*a) || !live.contains(*a));
            if let Some(addr) = in_state.iter().find(lost).cloned() {
                let headline =
                    format!("`--replace {outer}`: `{addr}` is not planned, so it is not re-created");
                self.problem(Diagnostic::new(Code::E0606, headline));
            }
        }
    }

    /// Those that are named; a name that is none is a problem.
    fn chosen(&mut self, wanted: &[String], option: &str, among: &BTreeSet<ToolAddr>) -> BTreeSet<ToolAddr> {
        let mut found = BTreeSet::new();
        for outer in wanted {
            let these: Vec<ToolAddr> = among.iter().filter(|a| within(a, outer)).cloned().collect();
            if these.is_empty() {
                let what =
                    if option == "--replace" { "no such tool is in state" } else { "there is no such tool" };
                let d = Diagnostic::new(Code::E0606, format!("`{option} {outer}`: {what}"));
                self.problem(d.nearest(outer, names(among.iter().map(|a| &**a))));
            }
            found.extend(these);
        }
        found
    }

    /// What is planned needs its dependencies; what goes needs those to go first, or to let go, that depend on it.
    fn with_what_they_need(
        &self,
        wanted: BTreeSet<ToolAddr>,
        live: &BTreeSet<ToolAddr>,
    ) -> BTreeSet<ToolAddr> {
        let mut stack: Vec<ToolAddr> = wanted.iter().cloned().collect();
        let mut wanted = wanted;
        while let Some(addr) = stack.pop() {
            let more: Vec<ToolAddr> = match self.program.find(&addr) {
                Some(id) => {
                    let edges = self.program.instance(id).edges.keys();
                    edges.map(|d| ToolAddr::from(&self.program.instance(*d).addr)).collect()
                }
                None => {
                    let holding = self.tools.iter().filter(|(_, e)| e.uses().any(|d| *d == addr));
                    holding.map(|(a, _)| a.clone()).collect()
                }
            };
            debug_assert!(live.contains(&addr) || self.tools.contains_key(&addr));
            stack.extend(more.into_iter().filter(|a| wanted.insert(a.clone())));
        }
        wanted
    }

    /// What is not there cannot be depended on; and what stays as it is keeps what it depends on.
    fn with_what_needs_them(
        &self,
        skipped: BTreeSet<ToolAddr>,
        live: &BTreeSet<ToolAddr>,
    ) -> BTreeSet<ToolAddr> {
        let mut stack: Vec<ToolAddr> = skipped.iter().cloned().collect();
        let mut skipped = skipped;
        while let Some(addr) = stack.pop() {
            let entry = self.tools.get(&addr);
            let mut more: Vec<ToolAddr> = vec![];
            if let Some(entry) = entry {
                more.extend(entry.uses().filter(|d| !live.contains(*d)).cloned());
            }
            if let (Some(id), false) =
                (self.program.find(&addr), entry.is_some_and(|e| e.status == Status::Ok))
            {
                let needs = self.program.instances().iter().filter(|i| i.edges.contains_key(&id));
                more.extend(needs.map(|i| ToolAddr::from(&i.addr)));
            }
            stack.extend(more.into_iter().filter(|a| skipped.insert(a.clone())));
        }
        skipped
    }
}
