//! Who is who: one identity has one address, and nothing that exists is made a second time.

use super::build::Builder;
use super::edges::keeps_key;
use super::reads::{Seen, ToFind, find_all, read_one};
use super::recover::natural_key;
use super::steps::removes_first;
use super::{Action, Node};
use crate::Fields;
use crate::address::ToolAddr;
use crate::plugin::CallError;
use crate::secret::public;
use dtm_lang::interface::Kind;
use dtm_lang::shell::command;
use dtm_lang::wire::{has_unknown, reveal};
use dtm_lang::{Code, Diagnostic};
use serde_json::Value as Json;
use std::collections::HashMap;

/// How many questions are asked at the same time.
pub(super) const AT_ONCE: usize = 64;

/// What an object is, whatever its address: plugin, place, kind, natural key. `None` without a key, or while part
/// of it is not known.
pub(crate) fn identity(plugin: &str, place: &Fields, kind: &Kind, inputs: &Fields) -> Option<String> {
    let key = natural_key(kind, inputs);
    if key.is_empty() || key.len() < kind.key_inputs().count() || key.values().any(has_unknown) {
        return None;
    }
    let place = Json::Object(place.clone());
    // Kinds of one plugin that manage the same kind of object share its identities.
    let name = kind.object.as_ref().map_or_else(|| kind.name.to_string(), |object| format!("@{object}"));
    Some(format!("{plugin}.{name} {} {}", reveal(&place), public(&Json::Object(key))))
}

/// The identity of a node: what it will be, or of one that goes what it is.
pub(crate) fn identity_of(node: &Node) -> Option<String> {
    let kind = node.kind.as_ref()?;
    let inputs = match &node.prior {
        Some(prior) if node.instance.is_none() => &prior.inputs,
        _ => &node.desired,
    };
    if node.action == Action::Forget { None } else { identity(&node.plugin, &node.place, kind, inputs) }
}

impl Builder<'_> {
    /// One identity, one address.
    pub(super) fn identities(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut problems = vec![];
        for (i, node) in self.plan.nodes.iter().enumerate() {
            let Some(identity) = identity_of(node).filter(|_| !self.is_existing(node)) else { continue };
            let Some(other) = seen.insert(identity, i).map(|o| &self.plan.nodes[o]) else { continue };
            problems.push((self.same_object(node, other), [node.addr.clone(), other.addr.clone()]));
        }
        self.same_ids(&mut problems);
        self.deleted_elsewhere(&mut problems);
        for (i, node) in self.plan.nodes.iter().enumerate() {
            let (Some(prior), Some(kind)) = (&node.prior, &node.kind) else { continue };
            let left = |id: &str| node.leftovers.iter().any(|left| left.id == id && !left.absent);
            for old in prior.retired.iter().filter(|old| left(&old.id)) {
                let by_key = identity(&node.plugin, &node.place, kind, &old.inputs);
                let by_key = by_key.and_then(|identity| seen.get(&identity).copied());
                let by_id = self.plan.nodes.iter().position(|n| {
                    n.action == Action::Adopt
                        && n.prior.as_ref().and_then(|p| p.id.as_ref()) == Some(&old.id)
                        && (&n.plugin, &n.place) == (&node.plugin, &node.place)
                });
                let Some(other) = by_key.or(by_id).filter(|j| *j != i) else { continue };
                let other = &self.plan.nodes[other];
                problems
                    .push((self.left_over(node, other, &old.id), [other.addr.clone(), other.addr.clone()]));
            }
        }
        for node in self.plan.nodes.iter().filter(|n| self.is_existing(n)) {
            let other = identity_of(node).and_then(|identity| seen.get(&identity));
            let Some(other) = other.map(|o| &self.plan.nodes[*o]) else { continue };
            let headline =
                format!("`{}` is declared as existing, but `{}` creates it", node.addr, other.addr);
            let mut d = Diagnostic::new(Code::E0603, headline).tool(node.addr.clone());
            for (id, text) in
                [(node.instance, "declared as existing"), (other.instance, "created by this project")]
            {
                let Some(id) = id else { continue };
                let span = self.program.instance(id).span;
                d = if d.primary.is_none() { d.at(span, text) } else { d.also(span, text) };
            }
            let help = format!("read the tool itself: `{}`", other.addr);
            problems.push((d.help(help), [node.addr.clone(), other.addr.clone()]));
        }
        self.conflicts.extend(problems.iter().flat_map(|(_, addrs)| addrs.clone()));
        let problems: Vec<Diagnostic> = problems.into_iter().map(|(d, _)| d).collect();
        problems.into_iter().for_each(|d| self.problem(d));
    }

    /// What is adopted is in state under no other address: kinds without a natural key are told apart by their ids.
    fn same_ids(&self, problems: &mut Vec<(Diagnostic, [ToolAddr; 2])>) {
        let of = |node: &Node| {
            let prior = node.prior.as_ref().filter(|_| node.action != Action::Forget)?;
            let kind = node.kind.as_ref()?;
            let name = kind.object.as_ref().unwrap_or(&kind.name);
            let place = Json::Object(node.place.clone()).to_string();
            Some((node.plugin.clone(), name.clone(), place, prior.id.clone()?))
        };
        let adopted: Vec<&Node> = self.plan.nodes.iter().filter(|n| n.action == Action::Adopt).collect();
        if adopted.is_empty() {
            return;
        }
        let mut owners: HashMap<_, Vec<&Node>> = HashMap::new();
        for node in &self.plan.nodes {
            of(node).into_iter().for_each(|id| owners.entry(id).or_default().push(node));
        }
        for node in adopted {
            let others = of(node).and_then(|id| owners.get(&id)).into_iter().flatten();
            for other in others.filter(|o| o.addr != node.addr) {
                let pair = [node.addr.clone(), other.addr.clone()];
                if !problems.iter().any(|(_, known)| known.iter().all(|a| pair.contains(a))) {
                    problems.push((self.same_object(node, other), pair));
                }
            }
        }
    }

    /// What is adopted while a tool of another plugin, or of another kind of object, deletes something with the same id: it may be
    /// one object, such as a repository in a folder, which is a directory too.
    fn deleted_elsewhere(&self, problems: &mut Vec<(Diagnostic, [ToolAddr; 2])>) {
        let id = |node: &Node| node.prior.as_ref().and_then(|prior| prior.id.clone());
        for node in self.plan.nodes.iter().filter(|n| n.action == Action::Adopt) {
            let Some(adopted) = id(node) else { continue };
            let Some(other) = self.deletes(&adopted, node) else { continue };
            let pair = [node.addr.clone(), other.addr.clone()];
            if problems.iter().any(|(_, known)| known.iter().all(|a| pair.contains(a))) {
                continue;
            }
            let shown = dtm_lang::value::quote(&adopted);
            let headline =
                format!("`{}` adopts {shown}, which `{}` deletes in the same plan", node.addr, other.addr);
            let d = Diagnostic::new(Code::E0603, headline).tool(node.addr.clone());
            let d = match node.instance {
                Some(id) => d.at(self.program.instance(id).span, "this tool"),
                None => d,
            };
            problems.push((d.help(self.keep_help(other)), pair));
        }
    }

    /// A tool that deletes an object with this id, whatever its plugin and kind.
    fn deletes(&self, id: &str, but: &Node) -> Option<&Node> {
        self.plan.nodes.iter().find(|n| {
            n.addr != but.addr
                && matches!(n.action, Action::Delete | Action::Replace { .. })
                && n.prior.as_ref().is_some_and(|prior| prior.id.as_deref() == Some(id))
        })
    }

    /// How an object that a tool deletes is kept, or deleted before.
    fn keep_help(&self, deletes: &Node) -> String {
        let addr = &deletes.addr;
        let delete = command(["dtm", "delete", &**addr]);
        format!(
            "if they are the same object, write `forget {addr}` to keep it; if not, delete the old one first: `{delete}`"
        )
    }

    /// A tool that would be an object that another one replaced, and that has yet to be deleted.
    fn left_over(&self, of: &Node, node: &Node, id: &str) -> Diagnostic {
        let headline = format!(
            "`{}` is {}, an object that was replaced as `{}` and has yet to be deleted",
            node.addr,
            dtm_lang::value::quote(id),
            of.addr
        );
        let d = Diagnostic::new(Code::E0603, headline).tool(node.addr.clone());
        let d = match node.instance {
            Some(id) => d.at(self.program.instance(id).span, "this tool"),
            None => d,
        };
        let skip = command(["dtm", "apply", "--skip", &*node.addr]);
        d.help(format!("delete the replaced object first: `{skip}`"))
    }

    fn is_existing(&self, node: &Node) -> bool {
        node.instance.is_some_and(|id| self.program.instance(id).existing)
    }

    fn same_object(&self, node: &Node, other: &Node) -> Diagnostic {
        let (new, old) = if node.instance.is_some() { (node, other) } else { (other, node) };
        let key = new.kind.as_ref().map(|k| natural_key(k, &new.desired)).unwrap_or_default();
        let shown: Vec<String> = key.iter().map(|(k, v)| format!("{k} = {}", public(v))).collect();
        let shown = match (shown.is_empty(), new.prior.as_ref().and_then(|p| p.id.as_ref())) {
            (true, Some(id)) => format!("`{id}`"),
            _ => shown.join(", "),
        };
        let headline = format!("`{}` and `{}` are the same object: {shown}", old.addr, new.addr);
        let mut diagnostic = Diagnostic::new(Code::E0603, headline).tool(new.addr.clone());
        if let Some(id) = new.instance {
            diagnostic = diagnostic.at(self.program.instance(id).span, "this tool");
        }
        if let Some(id) = old.instance {
            return diagnostic.also(self.program.instance(id).span, "and this one");
        }
        let text = format!("moved {} -> {}", old.addr, new.addr);
        let diagnostic =
            diagnostic.note(format!("`{}` is in the state, and no longer in the program", old.addr));
        // A `moved` onto an address that the state has would only be the next error.
        if self.tools.contains_key(&new.addr) && new.prior.as_ref().is_some_and(|p| p.id.is_some()) {
            let rm = command(["dtm", "state", "rm", &*new.addr]);
            let delete = command(["dtm", "delete", &*old.addr]);
            return diagnostic
                .help(format!(
                    "to keep the object that is `{}` now, write `{text}` and remove the other one from the state (the object stays): `{rm}`",
                    old.addr
                ))
                .help(format!("to delete the object that is `{}` first: `{delete}`", old.addr));
        }
        let diagnostic = diagnostic.help(format!(
            "if the tool was renamed, write `{text}`; to leave the object alone under its old name, write `forget {}`",
            old.addr
        ));
        match new.instance.map(|id| self.program.instance(id).span) {
            Some(span) => {
                let end = self.program.sources().file(span.file).text.len() as u32;
                let at = dtm_lang::Span::new(span.file, end, end);
                diagnostic.fix(format!("add `{text}`"), at, format!("\n{text}\n"))
            }
            None => diagnostic,
        }
    }

    /// Whether a tool is created where something may exist.
    fn looks_for(&self, node: &Node) -> bool {
        // A replacement that gets another key could meet what exists there.
        let another = matches!(node.action, Action::Replace { .. }) && !keeps_key(node);
        (node.action == Action::Create || another)
            && !node.absent_before
            && node.kind.is_some()
            && !self.conflicts.contains(&node.addr)
            && !self.refused.contains(&node.addr)
            && !self.is_interface_only(&node.plugin)
    }

    /// What is looked for before a tool is created: whatever already has its natural key.
    fn to_find(&self, index: usize) -> Option<ToFind> {
        let node = &self.plan.nodes[index];
        let kind = node.kind.as_ref()?;
        let key = natural_key(kind, &node.desired);
        let is_known = !key.values().chain(node.settings.values()).any(has_unknown);
        let asked = self.looks_for(node)
            && is_known
            && !key.is_empty()
            && key.len() == kind.key_inputs().count()
            && !self.unreached.contains_key(&node.addr);
        asked.then(|| ToFind {
            node: index,
            plugin: node.plugin.clone(),
            settings: node.settings.clone(),
            kind: (&kind.name).into(),
            key,
            op: node.op.0.clone(),
        })
    }

    /// Nothing that exists is adopted by accident: before creating, its natural key is asked for.
    pub(super) async fn existing(&mut self) {
        if self.options.no_read {
            return;
        }
        let mut problems = vec![];
        for (i, node) in self.plan.nodes.iter().enumerate().filter(|(_, node)| self.looks_for(node)) {
            let failed = self.unreached.get(&node.addr).map(|failed| CallError::Failed(failed.clone()));
            let d = failed.and_then(|failed| self.cannot_ask(node, &failed));
            problems.extend(d.map(|d| (i, d)));
        }
        let wanted = (0..self.plan.nodes.len()).filter_map(|i| self.to_find(i)).collect();
        for (i, found) in find_all(self.plugins, wanted).await {
            let span = self.plan.nodes[i].instance.map(|id| self.program.instance(id).span);
            let place = |d: Diagnostic| match span {
                Some(span) => d.at(span, "this tool"),
                None => d,
            };
            match found {
                Ok(ids) if ids.is_empty() => self.plan.nodes[i].absent_before = true,
                Ok(ids) => {
                    let holders = self.holders(i, &ids);
                    if !holders.is_empty() && holders.iter().all(|j| removes_first(&self.plan.nodes[*j])) {
                        let addrs = holders.iter().map(|j| self.plan.nodes[*j].addr.clone()).collect();
                        self.plan.nodes[i].after = addrs;
                        continue;
                    }
                    let node = &self.plan.nodes[i];
                    if let Some(other) = holders.first().map(|j| &self.plan.nodes[*j])
                        && !matches!(other.action, Action::Replace { .. })
                    {
                        problems.push((i, self.same_object(node, other)));
                        continue;
                    }
                    let d = self.occupied(i, &ids, &holders).await;
                    problems.push((i, place(d)));
                }
                Err(e) => {
                    let d = self.cannot_ask(&self.plan.nodes[i], &e);
                    problems.extend(d.map(|d| (i, d)));
                }
            }
        }
        problems.sort_by_key(|(i, _)| *i);
        problems.into_iter().for_each(|(_, d)| self.problem(d));
    }

    /// That objects have the natural key of a tool, by what they are.
    async fn occupied(&self, index: usize, ids: &[String], holders: &[usize]) -> Diagnostic {
        let first = |node: &Node| node.action == Action::Replace { create_first: true };
        let node = &self.plan.nodes[index];
        let id = dtm_lang::value::quote(&ids[0]);
        let found = Diagnostic::new(Code::E0601, format!("`{}` already exists, as {id}", node.addr));
        let found = found.tool(node.addr.clone());
        if let Some(prior) = &node.prior
            && prior.id.as_ref().is_some_and(|id| ids.contains(id))
        {
            let recorded =
                node.kind.as_ref().map(|kind| natural_key(kind, &prior.inputs)).unwrap_or_default();
            let shown: Vec<String> = recorded.iter().map(|(k, v)| format!("`{k} = {}`", public(v))).collect();
            return found
                .note("it is the object of this tool, under another spelling of its key")
                .help(format!("keep {} as it is recorded", shown.join(", ")));
        }
        if holders.is_empty()
            && let Some(other) = self.deletes(&ids[0], node)
        {
            let addr = &other.addr;
            let note = format!("`{addr}` has an object with this id, and deletes it in this plan");
            return found.note(note).help(self.keep_help(other));
        }
        if node.prior.iter().flat_map(|p| &p.retired).any(|r| ids.contains(&r.id)) {
            return found
                .note("it is what this tool was before it was replaced, and is still to be deleted")
                .help(
                    "complete the replacement first: fix what failed, then apply with the previous inputs",
                );
        }
        let Some(holder) = holders.first().map(|j| &self.plan.nodes[*j]) else {
            if self.is_adoptable(node, &ids[0]).await {
                return found.help(format!("to manage it with dtm, write `adopt {}`", node.addr));
            }
            let kind = node.kind.as_ref().map(|kind| kind.path()).unwrap_or_default();
            return found
                .note(format!("what is there is not a `{kind}`"))
                .help("move it away, or choose another key");
        };
        let addr = &holder.addr;
        if first(node) && first(holder) {
            return found
                .note(format!("`{addr}` manages it until this plan is applied, and keeps it until the end"))
                .help("remove `replace = \"create-first\"` from one of them");
        }
        let apply = command(["dtm", "apply", "--only", &**addr]);
        found
            .note(format!("`{addr}` manages it until this plan is applied"))
            .help(format!("apply the change of `{addr}` first: `{apply}`"))
    }

    /// Why it is not known whether the object of a tool exists; nothing where a tool that is applied first may make what is
    /// asked.
    fn cannot_ask(&self, node: &Node, error: &CallError) -> Option<Diagnostic> {
        let addr = &node.addr;
        let why = self.plugins.redactor().mask(&error.to_string());
        let input = match error {
            CallError::Failed(_) if self.waits_for_another_plugin(node) => return None,
            CallError::Failed(failed) => failed.data.input.as_deref(),
            CallError::Lost(_) | CallError::TimedOut(_) | CallError::Unusable(_) => None,
        };
        let headline = match input {
            Some(_) => format!("`{addr}`: {why}"),
            None => format!("cannot find out whether `{addr}` exists: {why}"),
        };
        let diagnostic = Diagnostic::new(Code::E0607, headline).tool(addr.clone());
        let diagnostic = match node.instance {
            Some(id) => match input.and_then(|name| self.program.input_span(id, name)) {
                Some(span) => diagnostic.at(span, "reported by the plugin"),
                None => diagnostic.at(self.program.instance(id).span, "this tool"),
            },
            None => diagnostic,
        };
        Some(if let Action::Replace { .. } = node.action {
            diagnostic.help(format!(
                "if the present object of `{addr}` is in the way, delete it first: `{}`",
                command(["dtm", "delete", &**addr])
            ))
        } else {
            diagnostic
        })
    }

    /// Whether an object that was found can be read as this tool.
    async fn is_adoptable(&self, node: &Node, id: &str) -> bool {
        let Some(instance) = node.instance.map(|id| self.program.instance(id)) else { return true };
        let entry = self.adopted(node, instance, id).await;
        matches!(read_one(&**self.plugins, &node.plugin, &node.settings, &entry).await, Seen::Object(_))
    }

    /// Other tools of the same kind of object and place whose objects, as recorded, have one of the ids.
    fn holders(&self, of: usize, ids: &[String]) -> Vec<usize> {
        let node = &self.plan.nodes[of];
        let object = |n: &Node| n.kind.as_ref().map(|k| k.object.clone().unwrap_or_else(|| k.name.clone()));
        let holds = |n: &Node| {
            let prior = n.prior.as_ref().and_then(|p| p.id.as_ref());
            n.action != Action::Forget
                && prior.is_some_and(|id| ids.contains(id))
                && (&n.plugin, object(n), &n.place) == (&node.plugin, object(node), &node.place)
        };
        (0..self.plan.nodes.len()).filter(|j| *j != of && holds(&self.plan.nodes[*j])).collect()
    }
}
