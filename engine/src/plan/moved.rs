//! `moved`: objects whose address changed. All declarations apply together, in any order:
//!
//! ```text
//! moved a -> b, moved b -> c     a becomes c where the program has no b; where it has one and state has both, a becomes b and b becomes c
//! moved x -> x["a"]              the tool becomes a member of a family; once applied, it has no further effect
//! moved a -> b, moved b -> a     refused: the second plan could not tell which object is which
//! ```

use super::build::Builder;
use crate::address::{ToolAddr, within};
use crate::state::renamed;
use dtm_lang::{Code, Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};

/// One declaration; with a tool moves what is inside of a component, and each member of a family.
#[derive(Clone)]
struct Rule {
    from: String,
    to: String,
    span: Span,
}

impl Rule {
    /// Whether the target is inside of the source, as where a tool becomes a member of a family of its name.
    fn is_nested(&self) -> bool {
        within(&self.to, &self.from)
    }

    /// The new address of an address. With a nested target, only the tool itself moves, with its parts: other members of the
    /// family keep their addresses.
    fn target(&self, addr: &str) -> Option<String> {
        let rest = addr.strip_prefix(&*self.from).filter(|_| within(addr, &self.from))?;
        let step = self.to.strip_prefix(&*self.from).filter(|_| self.is_nested()).unwrap_or_default();
        let there = self.is_nested() && within(addr, &self.to);
        let member = step.starts_with('[') && rest.starts_with('[');
        (!there && !member).then(|| format!("{}{rest}", self.to))
    }
}

/// The rule that applies to an address: the most specific one.
fn rule_for<'r>(rules: &'r [Rule], addr: &str) -> Option<(&'r Rule, String)> {
    let all = rules.iter().filter_map(|r| Some((r, r.target(addr)?)));
    all.max_by_key(|(r, _)| r.from.len())
}

impl Builder<'_> {
    /// Applies every `moved` of the program to the state.
    pub(super) fn moved(&mut self) {
        let hir = self.program.hir().clone();
        let rules: Vec<Rule> = hir
            .moved
            .iter()
            .map(|(from, to, span)| Rule { from: from.to_string(), to: to.to_string(), span: *span })
            .collect();
        if rules.is_empty() || self.contradict(&rules) || self.goes_in_circles(&rules) {
            return;
        }
        let mut moves: BTreeMap<ToolAddr, (ToolAddr, Span)> = BTreeMap::new();
        for addr in self.tools.keys() {
            if let Some((to, span)) = self.destination(&rules, addr) {
                moves.insert(addr.clone(), (to, span));
            }
        }
        let moves = self.settled(moves);
        self.carry_out(moves);
        if !self.plan.diagnostics.has_errors() {
            self.plan.applied = self.done(&rules);
        }
    }

    /// The declarations that have nothing left to do: the object is at their target, or further along a chain.
    fn done(&self, rules: &[Rule]) -> Vec<String> {
        let done = |rule: &&Rule| {
            let mut ends = vec![rule.to.clone()];
            while let Some((_, next)) = ends.last().and_then(|at| rule_for(rules, at)) {
                ends.push(next);
            }
            let at_an_end = |addr: &ToolAddr| ends.iter().any(|end| within(addr, end));
            let waits = |addr: &ToolAddr| rule.target(addr).is_some() && self.program.find(addr).is_none();
            let moves = |(from, to): &(ToolAddr, ToolAddr)| within(from, &rule.from) || at_an_end(to);
            self.tools.keys().any(at_an_end)
                && !self.tools.keys().any(waits)
                && !self.plan.moves.iter().any(moves)
        };
        rules.iter().filter(done).map(|rule| format!("moved {} -> {}", rule.from, rule.to)).collect()
    }

    /// Refuses declarations that move nothing, and a second one for the same source: an object has one new address.
    fn contradict(&mut self, rules: &[Rule]) -> bool {
        let mut problems = vec![];
        for (i, rule) in rules.iter().enumerate() {
            let first = rules[..i].iter().find(|first| first.from == rule.from);
            let diagnostic = match first {
                _ if rule.from == rule.to => {
                    Diagnostic::new(Code::E0604, format!("`moved {0} -> {0}` moves nothing", rule.from))
                        .at(rule.span, "moved here")
                        .help("remove it, or correct one of the names")
                }
                Some(first) => {
                    let headline =
                        format!("`{}` cannot move to both `{}` and `{}`", rule.from, first.to, rule.to);
                    Diagnostic::new(Code::E0604, headline)
                        .at(rule.span, "moved again here")
                        .also(first.span, "first here")
                        .help("remove one of them; for a tool that was renamed twice, write one `moved` from each name to the next")
                }
                None => continue,
            };
            problems.push(diagnostic);
        }
        let contradict = !problems.is_empty();
        problems.into_iter().for_each(|d| self.problem(d));
        contradict
    }

    /// Refuses cycles of declarations.
    fn goes_in_circles(&mut self, rules: &[Rule]) -> bool {
        for start in rules {
            let (mut at, mut seen) = (start.to.clone(), vec![start.from.clone()]);
            while let Some((_, next)) = rule_for(rules, &at) {
                seen.push(at.clone());
                if seen.contains(&next) || seen.len() > rules.len() + 1 {
                    seen.push(next);
                    let names: Vec<String> = seen.iter().map(|n| format!("`{n}`")).collect();
                    let headline = format!("these `moved` declarations form a cycle: {}", names.join(" → "));
                    let d = Diagnostic::new(Code::E0604, headline).at(start.span, "moved here");
                    self.problem(d.help(
                        "to swap two tools, move one of them to a third name, apply, then move both to their final names",
                    ));
                    return true;
                }
                at = next;
            }
        }
        false
    }

    /// Where an address of the state ends up: the first name along its declarations that the program has, or else the last one.
    fn destination(&self, rules: &[Rule], addr: &str) -> Option<(ToolAddr, Span)> {
        let (rule, first) = rule_for(rules, addr)?;
        if rule.is_nested() && addr != rule.from && self.program.find(addr).is_some() {
            return None;
        }
        let mut at = first;
        while self.program.find(&at).is_none() {
            match rule_for(rules, &at) {
                Some((_, next)) => at = next,
                None => break,
            }
        }
        Some((at.into(), rule.span))
    }

    /// The moves that are really made: a name that the program still has is left only for another tool that moves there.
    fn settled(
        &mut self,
        mut moves: BTreeMap<ToolAddr, (ToolAddr, Span)>,
    ) -> BTreeMap<ToolAddr, (ToolAddr, Span)> {
        loop {
            let targets: BTreeSet<&ToolAddr> = moves.values().map(|(to, _)| to).collect();
            let stays = |from: &&ToolAddr| self.program.find(from).is_some() && !targets.contains(*from);
            let Some(from) = moves.keys().find(stays).cloned() else { return moves };
            let Some((to, span)) = moves.remove(&from) else { return moves };
            // Another declaration leads here: the tools were moved up one place, and are there.
            let leads_here = self.program.hir().moved.iter().any(|(_, to, _)| within(&from, to));
            if !leads_here {
                let headline = format!("`{from}` is still in the program, so it cannot move to `{to}`");
                let d = Diagnostic::new(Code::E0604, headline).at(span, "moved here");
                self.problem(d.help(format!("remove `{from}` from the program, or this `moved`")));
            }
        }
    }

    fn carry_out(&mut self, mut moves: BTreeMap<ToolAddr, (ToolAddr, Span)>) {
        while !moves.is_empty() {
            // A name is taken only after the tool that had it has left.
            let free = |(_, (to, _)): &(&ToolAddr, &(ToolAddr, Span))| !moves.contains_key(to);
            let Some(from) = moves.iter().find(free).map(|(from, _)| from.clone()) else { return };
            let Some((to, span)) = moves.remove(&from) else { return };
            if self.tools.contains_key(&to) {
                let headline = format!("`{to}` is in the state already, so `{from}` cannot become it");
                let d = Diagnostic::new(Code::E0604, headline).at(span, "moved here");
                let rm = dtm_lang::shell::command(["dtm", "state", "rm", &*to]);
                self.problem(
                    d.help(format!("to keep the object that is `{to}`, remove this `moved`; `forget {from}` leaves the other one as it is"))
                        .help(format!("to keep the object that is `{from}`, first remove the other one from the state (the object stays): `{rm}`")),
                );
                continue;
            }
            if let Some(entry) = self.tools.remove(&from) {
                self.tools.insert(to.clone(), entry);
                for entry in self.tools.values_mut() {
                    renamed(entry, &from, &to);
                }
                self.plan.moves.push((from, to));
            }
        }
    }
}
