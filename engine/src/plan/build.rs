//! From a program, state and reality to a plan, by the decision table of the design:
//!
//! | in config | in state | really there | inputs equal | action |
//! |---|---|---|---|---|
//! | yes | no | - | - | create (adopt when the program says so) |
//! | yes | yes | no | - | create, "gone" |
//! | yes | yes | differs | yes | update, "drift" |
//! | yes | yes | yes | no | update, or replace when an immutable input changed |
//! | yes | yes | yes | yes | nothing |
//! | yes | open | asked | - | repair |
//! | no | yes | yes / no | - | delete / drop |

use super::diff::{changes, merged, outputs_differ};
use super::order::{ids, instance_order};
use super::reads::{Seen, ToRead, find, read_all, read_one};
use super::recover::{Found, natural_key, resolve};
use super::{Action, Change, Known, Node, Plan, reason};
use crate::Fields;
use crate::event::{Event, Events};
use crate::graph::Graph;
use crate::plugin::{Plugins, Settings};
use crate::state::{Entry, OpKey, PluginRef, State, Status};
use dtm_lang::interface::Kind;
use dtm_lang::wire::{has_unknown, reveal, to_wire};
use dtm_lang::{Code, Diagnostic, InstanceId, Program, Severity};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// Reads nothing: state is taken for reality.
    pub no_read: bool,
}

struct Builder<'a> {
    program: &'a Program,
    plugins: &'a Arc<Plugins>,
    options: &'a BuildOptions,
    plan: Plan,
    tools: BTreeMap<String, Entry>,
    seen: HashMap<String, Seen>,
    known: Known,
    forgotten: BTreeSet<String>,
    adopts: HashMap<String, (String, dtm_lang::Span)>,
}

/// Makes a plan. Problems are in its diagnostics; the rest of it is there all the same.
pub async fn build(
    program: &Program,
    state: &State,
    plugins: &Arc<Plugins>,
    options: &BuildOptions,
    events: &Events,
) -> Plan {
    let mut b = Builder {
        program,
        plugins,
        options,
        plan: Plan::default(),
        tools: state.tools.clone(),
        seen: HashMap::new(),
        known: Known::default(),
        forgotten: BTreeSet::new(),
        adopts: HashMap::new(),
    };
    b.refactorings();
    let order = match instance_order(program) {
        Ok((_, order)) => order.into_iter().map(|n| InstanceId(n as u32)).collect::<Vec<_>>(),
        Err(d) => {
            b.problem(*d);
            return b.plan;
        }
    };
    let addrs: HashMap<&str, InstanceId> = ids(program).map(|id| (&*program.instance(id).addr, id)).collect();
    b.read_everything(&addrs, events).await;
    for id in order {
        b.instance(id).await;
    }
    let gone: Vec<String> = b.tools.keys().filter(|a| !addrs.contains_key(&***a)).cloned().collect();
    for addr in gone {
        b.removed(addr).await;
    }
    b.identities();
    b.existing().await;
    b.finish();
    let (outputs, _) = program.outputs(&b.known.of(program));
    let outputs: Fields = outputs.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    b.plan.outputs_changed = outputs.len() != state.outputs.len()
        || outputs.iter().any(|(k, v)| has_unknown(v) || state.outputs.get(k) != Some(v));
    b.plan
}

impl Builder<'_> {
    fn problem(&mut self, d: Diagnostic) {
        self.plan.diagnostics.push(d);
    }

    /// `moved`, `forget` and `adopt`.
    fn refactorings(&mut self) {
        let hir = self.program.hir().clone();
        for (from, to, span) in &hir.moved {
            let (from, to) = (from.to_string(), to.to_string());
            if !self.tools.contains_key(&from) {
                continue;
            }
            if self.tools.contains_key(&to) {
                let d = Diagnostic::new(
                    Code::E0604,
                    format!("`{to}` is in state already, so `{from}` cannot become it"),
                );
                self.problem(
                    d.at(*span, "moved here")
                        .help("remove one of them from state first: `forget` or `dtm delete`"),
                );
                continue;
            }
            if self.program.find(&from).is_some() {
                let d = Diagnostic::new(
                    Code::E0604,
                    format!("`{from}` is still in the program, so it cannot move"),
                );
                self.problem(d.at(*span, "moved here"));
                continue;
            }
            if let Some(entry) = self.tools.remove(&from) {
                self.tools.insert(to.clone(), entry);
                for entry in self.tools.values_mut() {
                    entry.deps.iter_mut().filter(|d| **d == from).for_each(|d| *d = to.clone());
                }
                self.plan.moves.push((from, to));
            }
        }
        for (addr, span) in &hir.forgets {
            if self.program.find(addr).is_some() {
                let d = Diagnostic::new(
                    Code::E0605,
                    format!("`{addr}` is in the program, so it cannot be forgotten"),
                );
                self.problem(d.at(*span, "forgotten here").help("remove the tool from the program"));
            } else {
                self.forgotten.insert(addr.to_string());
            }
        }
        for (addr, id, span) in self.program.adopts() {
            if self.program.find(&addr).is_none() {
                let d = Diagnostic::new(
                    Code::E0606,
                    format!("`{addr}` is not in the program, so nothing can be adopted as it"),
                );
                self.problem(d.at(span, "adopted here"));
            } else if self.tools.get(&*addr).is_some_and(|e| e.id.as_deref() != Some(&*id)) {
                let d =
                    Diagnostic::new(Code::E0604, format!("`{addr}` is in state already, as another object"));
                self.problem(d.at(span, "adopted here"));
            } else {
                self.adopts.insert(addr.to_string(), (id.to_string(), span));
            }
        }
    }

    fn settings(&self, id: InstanceId) -> Settings {
        match self.program.instance(id).config {
            Some(config) => {
                match to_wire(&self.program.configuration(config, &self.known.of(self.program)).0) {
                    Json::Object(settings) => settings,
                    _ => Settings::new(),
                }
            }
            None => Settings::new(),
        }
    }

    fn settings_of_entry(&self, plugin: &str) -> Settings {
        let hir = self.program.hir();
        match hir.configures.iter().position(|c| &*c.plugin == plugin && c.name.is_none()) {
            Some(config) => {
                match to_wire(&self.program.configuration(config, &self.known.of(self.program)).0) {
                    Json::Object(settings) => settings,
                    _ => Settings::new(),
                }
            }
            None => Settings::new(),
        }
    }

    async fn read_everything(&mut self, addrs: &HashMap<&str, InstanceId>, events: &Events) {
        if self.options.no_read {
            return;
        }
        let mut wanted = vec![];
        for (addr, entry) in &self.tools {
            let instance = addrs.get(&**addr).map(|id| self.program.instance(*id));
            if entry.id.is_none()
                || self.forgotten.contains(addr)
                || instance.is_some_and(|i| !i.options.read)
            {
                continue;
            }
            let (plugin, settings) = match addrs.get(&**addr) {
                Some(id) => (self.program.instance(*id).plugin.to_string(), self.settings(*id)),
                None => (entry.plugin.name.clone(), self.settings_of_entry(&entry.plugin.name)),
            };
            if self.plugins.usable(&plugin).is_err() {
                continue;
            }
            wanted.push(ToRead { addr: addr.clone(), plugin, settings, entry: entry.clone() });
        }
        events(Event::Reading { tools: wanted.len() });
        self.seen = read_all(self.plugins, wanted).await;
    }

    /// One tool of the program.
    async fn instance(&mut self, id: InstanceId) {
        let program = self.program;
        let instance = program.instance(id);
        let addr = instance.addr.to_string();
        let (values, problems) = program.inputs(id, &self.known.of(program));
        let broken = problems.iter().any(|d| d.severity() == Severity::Error);
        self.plan.diagnostics.append(problems);
        if broken {
            return;
        }
        let mut desired: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
        desired.retain(|_, v| !v.is_null());
        let mut node = Node {
            addr: addr.clone(),
            action: Action::NoOp,
            reason: String::new(),
            conditional: false,
            instance: Some(id),
            plugin: instance.plugin.to_string(),
            kind: Some(instance.kind.clone()),
            settings: self.settings(id),
            prior: self.tools.get(&addr).cloned(),
            desired,
            changes: vec![],
            op: OpKey::fresh(),
            absent_before: false,
            forced: false,
            deps: instance.edges.keys().map(|d| program.instance(*d).addr.to_string()).collect(),
        };
        if let Some(prior) = &node.prior
            && prior.kind != *instance.kind.name
        {
            let d = Diagnostic::new(
                Code::E0603,
                format!(
                    "`{addr}` is a `{}` in state and a `{}` in the program",
                    prior.kind,
                    instance.kind.path()
                ),
            );
            self.problem(
                d.at(instance.span, "of another kind")
                    .tool(addr.clone())
                    .help("give the new tool another name"),
            );
            return;
        }
        self.decide(&mut node, instance).await;
        self.reveal_outputs(&node, id);
        self.plan.nodes.push(node);
    }

    async fn decide(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        if let (None, Some((adopt, span))) = (&node.prior, self.adopts.get(&node.addr).cloned()) {
            return self.adopt(node, instance, adopt, span).await;
        }
        let Some(prior) = node.prior.clone() else {
            node.action = Action::Create;
            node.changes = created(&instance.kind, &node.desired);
            return;
        };
        let mut seen = self.seen.remove(&node.addr);
        let mut prior = prior;
        if prior.status.is_open() && !self.options.no_read {
            let found = resolve(
                self.plugins,
                &node.plugin,
                &node.settings,
                &instance.kind,
                &node.addr,
                &prior,
                seen.take(),
            )
            .await;
            match found {
                Found::Ask(d) => return self.problem(d.at(instance.span, "this tool")),
                Found::Nothing => {
                    node.action = Action::Create;
                    node.reason = reason::REPAIR.into();
                    // The same key: what it made before, if anything, is found by it.
                    if prior.status == Status::Creating {
                        node.op = prior.op.clone();
                        node.absent_before = prior.absent_before;
                    }
                    node.changes = created(&instance.kind, &node.desired);
                    return;
                }
                Found::Object(entry, object) => {
                    prior = *entry;
                    node.prior = Some(prior.clone());
                    node.forced = true;
                    node.reason = reason::REPAIR.into();
                    node.op =
                        if prior.status == Status::Updating { prior.op.clone() } else { OpKey::fresh() };
                    seen = Some(Seen::Object(object));
                }
            }
        }
        let observed = match seen {
            Some(Seen::Failed(why)) => {
                let d = Diagnostic::new(Code::E0607, format!("`{}` could not be read: {why}", node.addr));
                return self.problem(d.at(instance.span, "this tool").tool(node.addr.clone()));
            }
            Some(Seen::Absent) => {
                node.action = Action::Create;
                node.reason = reason::GONE.into();
                node.changes = created(&instance.kind, &node.desired);
                return;
            }
            Some(Seen::Object(object)) => Some(object),
            None => None,
        };
        let there = observed.as_ref().map(|o| &o.inputs);
        node.changes = changes(&instance.kind, &node.desired, &prior.inputs, there, &instance.options.ignore);
        for name in &instance.options.ignore {
            match prior.inputs.get(&**name) {
                Some(stored) => _ = node.desired.insert(name.to_string(), stored.clone()),
                None => _ = node.desired.remove(&**name),
            }
        }
        let outputs = observed
            .as_ref()
            .map(|o| merged(&prior.outputs, &tag_outputs(&instance.kind, &prior.inputs, &o.outputs)));
        let outputs_changed = outputs.as_ref().is_some_and(|o| outputs_differ(&prior.outputs, o));
        if let (Some(outputs), Some(p)) = (outputs, node.prior.as_mut()) {
            p.outputs = outputs;
            if let Some(object) = &observed
                && !object.private.is_null()
            {
                p.private = object.private.clone();
            }
        }
        let once_lost = instance
            .kind
            .outputs
            .iter()
            .any(|(n, o)| o.once && prior.outputs.get(&**n).is_none_or(Json::is_null));
        self.action(node, instance, &prior, once_lost, outputs_changed);
    }

    /// The action that follows from the changes.
    fn action(
        &mut self,
        node: &mut Node,
        instance: &dtm_lang::Instance,
        prior: &Entry,
        once_lost: bool,
        outputs_changed: bool,
    ) {
        let create_first = instance.options.create_first;
        let replaces = node.changes.iter().any(|c| c.replaces)
            || once_lost
            || matches!(prior.status, Status::Replacing | Status::Deleting);
        node.conditional =
            !node.changes.is_empty() && !node.forced && node.changes.iter().all(|c| has_unknown(&c.after));
        if replaces {
            node.action = Action::Replace { create_first };
            let names: Vec<&str> = node.changes.iter().filter(|c| c.replaces).map(|c| &*c.name).collect();
            if node.reason.is_empty() {
                node.reason = match names.as_slice() {
                    [] => "an output that is given only once was lost".into(),
                    _ => format!("`{}` cannot be changed in place", names.join("`, `")),
                };
            }
            if instance.options.protect || prior.protect {
                let d = Diagnostic::new(
                    Code::E0602,
                    format!("`{}` is protected and would be replaced", node.addr),
                );
                self.problem(
                    d.at(instance.span, "protected").tool(node.addr.clone()).note(node.reason.clone()),
                );
            }
            let keys: Vec<&dtm_lang::Symbol> = instance.kind.key_inputs().collect();
            if create_first
                && !keys.is_empty()
                && !node.changes.iter().any(|c| keys.iter().any(|k| ***k == *c.name))
            {
                let d = Diagnostic::new(
                    Code::E0608,
                    format!("`{}` cannot be created before the old one is deleted", node.addr),
                );
                let list: Vec<String> = keys.iter().map(|k| format!("`{k}`")).collect();
                self.problem(
                    d.at(instance.span, "replaced create-first")
                        .note(format!("both would have the same {}", list.join(", "))),
                );
            }
            return;
        }
        if node.changes.is_empty() && !node.forced {
            let retired = !prior.retired.is_empty();
            if outputs_changed || retired {
                node.action = Action::Read;
                node.reason = if outputs_changed { reason::OUTPUTS.into() } else { reason::RETIRED.into() };
            }
            return;
        }
        node.action = Action::Update;
        if node.reason.is_empty() && node.changes.iter().all(|c| c.drift) {
            let names: Vec<String> = node.changes.iter().map(|c| format!("`{}`", c.name)).collect();
            node.reason = format!("drift: {} changed outside of dtm", names.join(", "));
        }
    }

    async fn adopt(
        &mut self,
        node: &mut Node,
        instance: &dtm_lang::Instance,
        id: String,
        span: dtm_lang::Span,
    ) {
        let mut entry = Entry {
            plugin: self.plugin_ref(&node.plugin).await,
            kind: instance.kind.name.to_string(),
            place: Fields::new(),
            id: Some(id.clone()),
            inputs: node.desired.clone(),
            outputs: Fields::new(),
            private: Json::Null,
            deps: node.deps.clone(),
            protect: instance.options.protect,
            status: Status::Ok,
            op: node.op.clone(),
            absent_before: false,
            retired: vec![],
            time: crate::state::now(),
        };
        match read_one(self.plugins, &node.plugin, &node.settings, &entry).await {
            Seen::Object(object) => {
                node.changes =
                    changes(&instance.kind, &node.desired, &node.desired, Some(&object.inputs), &[]);
                entry.inputs = merged(&entry.inputs, &object.inputs);
                entry.outputs = tag_outputs(&instance.kind, &entry.inputs, &object.outputs);
                entry.private = object.private;
                node.prior = Some(entry);
                node.action = Action::Adopt;
                node.reason = format!("adopted as `{id}`");
            }
            Seen::Absent => {
                let d =
                    Diagnostic::new(Code::E0606, format!("there is no `{id}` to adopt as `{}`", node.addr));
                self.problem(d.at(span, "adopted here").tool(node.addr.clone()));
            }
            Seen::Failed(why) => {
                let d = Diagnostic::new(Code::E0607, format!("`{id}` could not be read: {why}"));
                self.problem(d.at(span, "adopted here").tool(node.addr.clone()));
            }
        }
    }

    async fn plugin_ref(&self, name: &str) -> PluginRef {
        let version = self.plugins.manifest(name).await.map(|m| m.version).unwrap_or_default();
        let used = &self.program.plugins().get(name);
        PluginRef {
            name: name.to_string(),
            path: used.and_then(|u| u.path.as_ref().map(|p| p.to_string())),
            version,
            interface: used.map(|u| u.plugin.hash.to_string()).unwrap_or_default(),
        }
    }

    /// Makes known to dependents what this tool's outputs will be.
    fn reveal_outputs(&self, node: &Node, id: InstanceId) {
        let Some(prior) = &node.prior else { return };
        match node.action {
            Action::NoOp | Action::Read => self.known.set(id, prior.outputs.clone()),
            Action::Adopt if node.changes.is_empty() => self.known.set(id, prior.outputs.clone()),
            Action::Update | Action::Adopt => {
                let stable = |name: &String| {
                    node.kind.as_ref().is_some_and(|k| k.outputs.get(&**name).is_some_and(|o| o.stable))
                };
                self.known.set(
                    id,
                    prior
                        .outputs
                        .iter()
                        .filter(|(n, _)| stable(n))
                        .map(|(n, v)| (n.clone(), v.clone()))
                        .collect(),
                );
            }
            Action::Create | Action::Replace { .. } | Action::Delete | Action::Forget => {}
        }
    }

    /// One tool that is in state and not in the program.
    async fn removed(&mut self, addr: String) {
        let Some(entry) = self.tools.get(&addr).cloned() else { return };
        let plugin = entry.plugin.name.clone();
        let kind =
            self.program.plugins().get(&*plugin).and_then(|p| p.plugin.kinds.get(&*entry.kind).cloned());
        let kind = kind.or_else(|| crate::project::shipped_kind(&plugin, &entry.kind));
        let mut node = Node {
            addr: addr.clone(),
            action: Action::Delete,
            reason: "not in the program any more".into(),
            conditional: false,
            instance: None,
            plugin: plugin.clone(),
            kind: kind.clone(),
            settings: self.settings_of_entry(&plugin),
            deps: entry.deps.clone(),
            prior: Some(entry.clone()),
            desired: Fields::new(),
            changes: vec![],
            op: if entry.status == Status::Deleting { entry.op.clone() } else { OpKey::fresh() },
            absent_before: false,
            forced: false,
        };
        if self.forgotten.contains(&addr) {
            node.action = Action::Forget;
            node.reason = "forgotten: the object is left as it is".into();
            return self.plan.nodes.push(node);
        }
        if let (Err(why), _) | (_, (None, why)) =
            (self.plugins.usable(&plugin), (kind.as_ref(), "its kind is not known".to_string()))
        {
            let d = Diagnostic::new(
                Code::E0609,
                format!(
                    "`{addr}` is not in the program any more, and its plugin `{plugin}` cannot be used: {why}"
                ),
            );
            return self.problem(
                d.tool(addr.clone())
                    .help(format!("bring the plugin back, or leave the object alone: `forget {addr}`")),
            );
        }
        let Some(kind) = kind else { return };
        if entry.protect {
            let d = Diagnostic::new(Code::E0602, format!("`{addr}` is protected and would be deleted"))
                .tool(addr.clone());
            self.problem(d.help("put it back with `protect = false` and apply that first"));
        }
        let seen = self.seen.remove(&addr);
        match (&entry.id, seen) {
            (None, _) => {
                match resolve(self.plugins, &plugin, &node.settings, &kind, &addr, &entry, None).await {
                    Found::Nothing => {
                        node.action = Action::Forget;
                        node.reason = "nothing of it was made".into();
                    }
                    Found::Object(found, _) => node.prior = Some(*found),
                    Found::Ask(d) => return self.problem(d),
                }
            }
            (_, Some(Seen::Absent)) if !matches!(entry.status, Status::Creating) => {
                node.action = Action::Forget;
                node.reason = "already gone".into();
            }
            (_, Some(Seen::Failed(why))) => {
                let d = Diagnostic::new(Code::E0607, format!("`{addr}` could not be read: {why}"))
                    .tool(addr.clone());
                return self.problem(d);
            }
            _ => {}
        }
        self.plan.nodes.push(node);
    }

    /// One identity, one address.
    fn identities(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut problems = vec![];
        for (i, node) in self.plan.nodes.iter().enumerate() {
            let Some(kind) = &node.kind else { continue };
            let inputs = if node.instance.is_some() {
                &node.desired
            } else {
                node.prior.as_ref().map_or(&node.desired, |p| &p.inputs)
            };
            let key = natural_key(kind, inputs);
            if node.action == Action::Forget
                || key.is_empty()
                || key.len() < kind.key_inputs().count()
                || key.values().any(has_unknown)
            {
                continue;
            }
            let settings = serde_json::to_string(&node.settings).unwrap_or_default();
            let identity =
                format!("{}.{} {settings} {}", node.plugin, kind.name, reveal(&Json::Object(key.clone())));
            let Some(other) = seen.insert(identity, i).map(|o| &self.plan.nodes[o]) else { continue };
            let shown: Vec<String> = key.iter().map(|(k, v)| format!("{k} = {v}")).collect();
            let (new, old) = if node.instance.is_some() { (node, other) } else { (other, node) };
            let headline =
                format!("`{}` and `{}` are the same object: {}", old.addr, new.addr, shown.join(", "));
            let mut d = Diagnostic::new(Code::E0603, headline).tool(new.addr.clone());
            if let Some(id) = new.instance {
                d = d.at(self.program.instance(id).span, "this tool");
            }
            d = match old.instance {
                Some(id) => d.also(self.program.instance(id).span, "and this one"),
                None => {
                    let text = format!("moved {} -> {}", old.addr, new.addr);
                    let d = d.note(format!("`{}` is in state, and not in the program any more", old.addr));
                    let d = d.help(format!("if it was renamed, write `{text}`"));
                    match new.instance.map(|id| self.program.instance(id).span) {
                        Some(span) => {
                            let end = self.program.sources().file(span.file).text.len() as u32;
                            let at = dtm_lang::Span::new(span.file, end, end);
                            d.fix(format!("add `{text}`"), at, format!("\n{text}\n"))
                        }
                        None => d,
                    }
                }
            };
            problems.push(d);
        }
        problems.into_iter().for_each(|d| self.problem(d));
    }

    /// Nothing that exists is adopted by accident: before creating, its natural key is asked for.
    async fn existing(&mut self) {
        if self.options.no_read {
            return;
        }
        let mut running = tokio::task::JoinSet::new();
        let mut next = 0;
        let count = self.plan.nodes.len();
        let mut problems = vec![];
        loop {
            while running.len() < 64 && next < count {
                let i = next;
                next += 1;
                let node = &self.plan.nodes[i];
                let Some(kind) = &node.kind else { continue };
                let key = natural_key(kind, &node.desired);
                let creates = node.action == Action::Create && !node.absent_before;
                if !creates
                    || key.is_empty()
                    || key.len() < kind.key_inputs().count()
                    || key.values().any(has_unknown)
                {
                    continue;
                }
                let (plugins, plugin, settings) =
                    (self.plugins.clone(), node.plugin.clone(), node.settings.clone());
                let (kind, op) = (kind.name.to_string(), node.op.0.clone());
                running.spawn(async move { (i, find(&plugins, &plugin, &settings, &kind, key, &op).await) });
            }
            let Some(done) = running.join_next().await else { break };
            let Ok((i, found)) = done else { continue };
            let node = &mut self.plan.nodes[i];
            let span = node.instance.map(|id| self.program.instance(id).span);
            let place = |d: Diagnostic| match span {
                Some(span) => d.at(span, "this tool"),
                None => d,
            };
            match found {
                Ok(ids) if ids.is_empty() => node.absent_before = true,
                Ok(ids) => {
                    let id = dtm_lang::value::quote(&ids[0]);
                    let d = place(Diagnostic::new(
                        Code::E0601,
                        format!("`{}` exists already, as {id}", node.addr),
                    ));
                    problems.push((
                        i,
                        d.tool(node.addr.clone())
                            .help(format!("to take it over, write `adopt {} = {id}`", node.addr)),
                    ));
                }
                Err(e) => {
                    let d = place(Diagnostic::new(
                        Code::E0607,
                        format!("whether `{}` exists could not be found out: {e}", node.addr),
                    ));
                    problems.push((i, d.tool(node.addr.clone())));
                }
            }
        }
        problems.sort_by_key(|(i, _)| *i);
        problems.into_iter().for_each(|(_, d)| self.problem(d));
    }

    /// The edges of execution, the order and the waves.
    fn finish(&mut self) {
        let nodes = &self.plan.nodes;
        let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (&*n.addr, i)).collect();
        let mut graph = Graph::new(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            if node.instance.is_some() {
                for dep in node.deps.iter().filter_map(|d| index.get(&**d)) {
                    graph.add_new(*dep, i);
                }
            }
            let stored = node.prior.iter().flat_map(|p| p.deps.iter());
            for dep in stored.filter_map(|d| index.get(&**d).copied()) {
                let target = &nodes[dep].action;
                let deletes = node.action == Action::Delete;
                let goes = matches!(target, Action::Delete);
                let replaced = matches!(target, Action::Replace { create_first: false });
                // Deletes come in reverse of the stored dependencies; updates let go of what is removed.
                if deletes && (goes || replaced) || goes && node.instance.is_some() {
                    graph.add(i, dep);
                }
            }
        }
        match graph.order() {
            Ok(order) => {
                self.plan.waves = graph.waves(&order);
                self.plan.order = order;
            }
            Err(cycle) => {
                let names: Vec<String> = cycle.iter().map(|n| format!("`{}`", nodes[*n].addr)).collect();
                let d = Diagnostic::new(
                    Code::E0501,
                    format!("these changes wait for each other: {}", names.join(" → ")),
                );
                self.problem(d.note("dependencies that are in state count as well as those of the program"));
                self.plan.waves = vec![0; self.plan.nodes.len()];
                self.plan.order = (0..self.plan.nodes.len()).collect();
            }
        }
        self.plan.graph = graph;
        self.plan.diagnostics.sort();
    }
}

/// Every input of a new tool.
fn created(kind: &Kind, desired: &Fields) -> Vec<Change> {
    let change = |name: &dtm_lang::Symbol| {
        let after = desired.get(&**name)?;
        Some(Change {
            name: name.to_string(),
            before: Json::Null,
            after: after.clone(),
            replaces: false,
            drift: false,
        })
    };
    kind.inputs.keys().filter_map(change).collect()
}

/// Outputs with their secrets tagged: those that the interface says, and `any` ones of a tool into which a secret
/// went.
pub(crate) fn tag_outputs(kind: &Kind, inputs: &Fields, outputs: &Fields) -> Fields {
    let hidden = kind.inputs.iter().any(|(n, i)| {
        matches!(i.field.ty, dtm_lang::types::Type::Any)
            && inputs.get(&**n).is_some_and(dtm_lang::wire::has_secret)
    });
    let tagged = |(name, value): (&String, &Json)| {
        let ty = kind.outputs.get(&**name).map(|o| &o.ty);
        let secret = ty.is_some_and(|t| t.has_secret() || hidden && matches!(t, dtm_lang::types::Type::Any));
        (name.clone(), if secret { dtm_lang::wire::mark_secret(value.clone()) } else { value.clone() })
    };
    outputs.iter().map(tagged).collect()
}
