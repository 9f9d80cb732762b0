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

use super::diff::drifted;
use super::leftovers;
use super::options::options;
use super::order::{ids, instance_order};
use super::place::{is_same, other_place, settings_of, with_identity};
use super::reads::{Seen, ToRead, normalized, read_all};
use super::recover::{Found, natural_key, resolve};
use super::select::Selection;
use super::upgrade::upgrade;
use super::{Action, Change, Known, Node, Plan, Reason};
use crate::Fields;
use crate::address::{ToolAddr, within};
use crate::event::{Event, Events};
use crate::names::PluginName;
use crate::plugin::{PluginCalls, Settings};
use crate::secret::with_secrets_of;
use crate::state::{Entry, OpKey, PluginRef, State, Status};
use dtm_lang::index::ConfigureId;
use dtm_lang::interface::Kind;
use dtm_lang::wire::{has_unknown, to_wire};
use dtm_lang::{Code, Diagnostic, InstanceId, Program, Severity, Span, Symbol};
use dtm_plugin::protocol::RpcError;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// How a plan is made.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// Reads nothing: state is taken for reality.
    pub no_read: bool,
    /// Changes nothing: what happened outside is recorded, as far as it is known.
    pub refresh_only: bool,
    /// What is planned.
    pub selection: Selection,
}

pub(super) struct Builder<'a> {
    pub(super) program: &'a Program,
    pub(super) plugins: &'a Arc<dyn PluginCalls>,
    pub(super) options: &'a BuildOptions,
    pub(super) plan: Plan,
    pub(super) tools: BTreeMap<ToolAddr, Arc<Entry>>,
    /// Addresses that stay as they are.
    pub(super) left_out: BTreeSet<ToolAddr>,
    pub(super) seen: HashMap<ToolAddr, Seen>,
    pub(super) known: Known,
    forgotten: BTreeSet<ToolAddr>,
    /// Addresses that share an identity with another one.
    pub(super) conflicts: BTreeSet<ToolAddr>,
    /// Addresses of which a plugin refused an input.
    pub(super) refused: BTreeSet<ToolAddr>,
    /// The identity of what is behind settings, and of which it was asked for.
    places: HashMap<(String, String), String>,
    asked: BTreeSet<(String, String)>,
    /// Tools whose inputs a plugin could not complete, because the target did not answer.
    pub(super) unreached: HashMap<ToolAddr, RpcError>,
    pub(super) adopts: HashMap<ToolAddr, (Option<String>, Span)>,
    /// Objects of somebody else's that were not found, by address.
    pub(super) missing: Vec<(ToolAddr, Diagnostic)>,
}

/// Makes a plan. Problems are in its diagnostics; the rest of it is there all the same.
pub async fn build(
    program: &Program,
    state: &State,
    plugins: &Arc<dyn PluginCalls>,
    options: &BuildOptions,
    events: &Events,
) -> Plan {
    let mut builder = Builder {
        program,
        plugins,
        options,
        plan: Plan::default(),
        tools: state.tools.clone(),
        left_out: BTreeSet::new(),
        seen: HashMap::new(),
        known: Known::default(),
        forgotten: BTreeSet::new(),
        conflicts: BTreeSet::new(),
        refused: BTreeSet::new(),
        places: HashMap::new(),
        asked: BTreeSet::new(),
        unreached: HashMap::new(),
        adopts: HashMap::new(),
        missing: vec![],
    };
    builder.upgrade_all().await;
    builder.refactorings();
    builder.choose();
    let order = match instance_order(program) {
        Ok((_, order)) => order.into_iter().map(|n| InstanceId(n as u32)).collect::<Vec<_>>(),
        Err(d) => {
            builder.problem(*d);
            return builder.plan;
        }
    };
    let addrs: HashMap<&str, InstanceId> = ids(program).map(|id| (&*program.instance(id).addr, id)).collect();
    builder.ask_places().await;
    builder.read_everything(&addrs, events).await;
    builder.plan.nodes.reserve_exact(order.len());
    for id in order {
        builder.instance(id).await;
    }
    let gone: Vec<ToolAddr> = builder.tools.keys().filter(|a| !addrs.contains_key(&***a)).cloned().collect();
    let declared = program.hir().tools.iter().filter(|tool| tool.home.is_none() && tool.cond.is_some());
    let conditional: HashSet<Symbol> = declared.map(|tool| tool.name.clone()).collect();
    for addr in gone {
        builder.removed(addr, &conditional).await;
    }
    if !options.refresh_only {
        let found = leftovers::find(&mut builder.plan.nodes, plugins, !options.no_read).await;
        found.into_iter().for_each(|d| builder.problem(d));
    }
    builder.identities();
    // What this project makes itself is not missed.
    for (addr, d) in std::mem::take(&mut builder.missing) {
        if !builder.conflicts.contains(&addr) {
            builder.problem(d);
        }
    }
    builder.validate().await;
    builder.existing().await;
    builder.finish();
    builder.plan.waiting_asserts = program.waiting_asserts(&builder.known.of(program));
    builder.plan.left_out = std::mem::take(&mut builder.left_out).into_iter().collect();
    // An assert on what is not planned waits for another time.
    let absent: BTreeSet<InstanceId> = builder.plan.absent().collect();
    builder.plan.waiting_asserts.retain(|(_, waits)| waits.is_disjoint(&absent));
    builder.plan.diagnostics.append(program.asserts(&builder.known.of(program)));
    builder.plan.diagnostics.append(program.unneeded(&builder.known.of(program)));
    builder.plan.diagnostics.sort();
    let (outputs, _) = program.outputs(&builder.known.of(program));
    let outputs: Fields = outputs.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
    let outputs = plugins.redactor().tagged(outputs);
    builder.plan.prior_outputs = state
        .outputs
        .iter()
        .filter(|(n, _)| outputs.contains_key(*n))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let whole = builder.plan.left_out.is_empty();
    let acts = builder.plan.nodes.iter().any(|n| !matches!(n.action, Action::NoOp | Action::Find));
    // What is shown of a value that holds a secret is masked, wherever the secret came from.
    let redactor = plugins.redactor();
    for node in &mut builder.plan.nodes {
        for change in node.changes.iter_mut().chain(&mut node.outputs) {
            for value in [&mut change.before, &mut change.after] {
                *value = redactor.tag(std::mem::take(value));
            }
        }
        if node.action == Action::Create {
            let masked = node.desired.iter().filter(|(_, value)| redactor.tags(value));
            let shown =
                |(name, value): (&String, &Json)| Change::new(name, Json::Null, redactor.tag(value.clone()));
            node.changes = masked.map(shown).collect();
        }
    }
    builder.applied_adopts();
    builder.plan.outputs = super::options::of_program(&state.outputs, &outputs, whole, acts);
    builder.plan.outputs_changed = !builder.plan.outputs.is_empty();
    if builder.plan.outputs_changed {
        let recorded = builder.known.as_recorded(program, state);
        let (elsewhere, _) = program.outputs(&recorded.of(program));
        let elsewhere: Fields = elsewhere.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
        if plugins.redactor().tagged(elsewhere) == state.outputs {
            builder.plan.outputs_changed = false;
            builder.plan.outputs.clear();
            builder.plan.local_outputs = Some(outputs);
        }
    }
    builder.plan
}

/// A configuration of a plugin.
fn place_key(plugin: &str, settings: &Settings) -> (String, String) {
    (plugin.to_string(), serde_json::to_string(settings).unwrap_or_default())
}

impl Builder<'_> {
    pub(super) fn problem(&mut self, diagnostic: Diagnostic) {
        self.plan.diagnostics.push(diagnostic);
    }

    /// `moved`, `forget` and `adopt`.
    fn refactorings(&mut self) {
        let hir = self.program.hir().clone();
        self.moved();
        for (addr, span) in &hir.forgets {
            let there = self.program.instances().iter().map(|i| &i.addr).find(|a| within(a, addr));
            if let Some(there) = there {
                let d = Diagnostic::new(
                    Code::E0605,
                    format!("`{there}` is in the program, so it cannot be forgotten"),
                );
                self.problem(d.at(*span, "forgotten here").help("remove the tool from the program"));
            } else {
                let inside: Vec<ToolAddr> = self.tools.keys().filter(|a| within(a, addr)).cloned().collect();
                if inside.is_empty() && !self.tools.is_empty() {
                    self.plan.applied.push(format!("forget {addr}"));
                }
                self.forgotten.extend(inside);
            }
        }
        for (addr, id, span) in self.program.adopts() {
            if self.program.find(&addr).is_none() {
                let mut members = self.program.instances().iter().filter(|i| within(&i.addr, &addr));
                let d = match members.next() {
                    Some(member) => Diagnostic::new(Code::E0606, format!("`{addr}` is more than one tool"))
                        .help(format!("adopt its members, each by its address: `adopt {}`", member.addr)),
                    None => Diagnostic::new(Code::E0606, format!("`{addr}` is not in the program")),
                };
                self.problem(d.at(span, "adopted here"));
            } else {
                self.adopts.insert(ToolAddr::from(&addr), (id.map(|id| id.to_string()), span));
            }
        }
    }

    /// The `adopt` declarations whose object is already recorded, and still exists.
    fn applied_adopts(&mut self) {
        let applied = |node: &&Node| {
            let recorded = node.prior.as_ref().is_some_and(|prior| !prior.status.is_open());
            let done =
                !matches!(node.action, Action::Adopt | Action::Create) && node.reason != Reason::LeftOut;
            self.adopts.contains_key(&node.addr) && recorded && done
        };
        let applied: Vec<String> =
            self.plan.nodes.iter().filter(applied).map(|node| format!("adopt {}", node.addr)).collect();
        if !self.plan.diagnostics.has_errors() {
            self.plan.applied.extend(applied);
        }
    }

    fn settings(&self, id: InstanceId) -> Settings {
        self.configuration(self.program.instance(id).config)
    }

    fn configuration(&self, config: Option<ConfigureId>) -> Settings {
        let Some(config) = config else { return Settings::new() };
        if let Json::Object(settings) =
            to_wire(&self.program.configuration(config, &self.known.of(self.program)).0)
        {
            settings
        } else {
            Settings::new()
        }
    }

    /// Whether only the interface of a plugin is there: enough to check and plan.
    pub(super) fn is_interface_only(&self, plugin: &str) -> bool {
        self.program.plugins().get(plugin).is_some_and(|p| p.interface_only)
    }

    /// The settings that say where things are, and the identity of what is behind them, as far as it was asked for.
    fn place(&self, plugin: &str, settings: &Settings) -> Fields {
        let Some(used) = self.program.plugins().get(plugin) else { return Fields::new() };
        let keys = used.plugin.setting_keys.iter();
        let place = keys.filter_map(|k| Some((k.to_string(), settings.get(&**k)?.clone()))).collect();
        match self.places.is_empty() {
            true => place,
            false => with_identity(place, self.places.get(&place_key(plugin, settings)).cloned()),
        }
    }

    /// Asks the plugins that have settings what is behind them. One that cannot say it now fails when it is read.
    async fn ask_places(&mut self) {
        if self.options.no_read {
            return;
        }
        for id in ids(self.program) {
            let plugin = &self.program.instance(id).plugin;
            let Some(used) = self.program.plugins().get(&**plugin) else { continue };
            if used.plugin.settings.fields.is_empty() {
                continue;
            }
            let settings = self.settings(id);
            let key = place_key(plugin, &settings);
            if settings.values().any(has_unknown)
                || self.asked.contains(&key)
                || self.is_interface_only(plugin)
                || self.plugins.usable(plugin).is_err()
            {
                continue;
            }
            self.asked.insert(key.clone());
            if let Ok(Some(place)) = self.plugins.place(plugin, &settings).await {
                self.places.insert(key, place);
            }
        }
    }

    fn settings_of_entry(&self, addr: &str, entry: &Entry) -> Result<Settings, Box<Diagnostic>> {
        settings_of(self.program, &self.known, addr, entry)
    }

    /// What was recorded of the tools: for reading it stands for what is not known yet.
    fn recorded(&self, addrs: &HashMap<&str, InstanceId>) -> Known {
        let known = Known::default();
        for (addr, entry) in &self.tools {
            addrs.get(&**addr).into_iter().for_each(|id| known.set(*id, entry.clone()));
        }
        known
    }

    async fn read_everything(&mut self, addrs: &HashMap<&str, InstanceId>, events: &Events) {
        if self.options.no_read {
            return;
        }
        let (mut wanted, mut unread, mut recorded) = (vec![], vec![], None);

        for (addr, entry) in &self.tools {
            let instance = addrs.get(&**addr).map(|id| self.program.instance(*id));
            if entry.id.is_none()
                || self.forgotten.contains(addr)
                || self.left_out.contains(addr)
                || instance.is_some_and(|i| !i.options.read)
            {
                continue;
            }
            let (plugin, settings) = match addrs.get(&**addr) {
                Some(id) => ((&self.program.instance(*id).plugin).into(), self.settings(*id)),
                None => match self.settings_of_entry(addr, entry) {
                    Ok(settings) => (entry.plugin.name.clone(), settings),
                    // Said where it is about to be deleted.
                    Err(_) => continue,
                },
            };
            // Where it is, is known only after apply: it is planned from state.
            if settings.values().any(has_unknown) {
                continue;
            }
            if let Err(why) = self.plugins.usable(&plugin) {
                if addrs.contains_key(&**addr) && !self.is_interface_only(&plugin) {
                    unread.push((addr.clone(), why));
                }
                continue;
            }
            let mut entry = entry.clone();
            if let Some(id) = addrs.get(&**addr).filter(|_| instance.is_some_and(|i| has_secrets(&i.kind))) {
                let known = recorded.get_or_insert_with(|| self.recorded(addrs));
                let (values, _) = self.program.inputs(*id, &known.of(self.program));
                let configured = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
                let inputs = with_secrets_of(&entry.inputs, &configured);
                Arc::make_mut(&mut entry).inputs = inputs;
            }
            wanted.push(ToRead { addr: addr.clone(), plugin, settings, entry });
        }
        events(Event::Reading { tools: wanted.len() });
        self.seen = read_all(self.plugins, wanted).await;
        self.seen.extend(unread.into_iter().map(|(addr, why)| (addr, Seen::Failed(why))));
    }

    /// What earlier versions of the plugins recorded, in the form of those that are here.
    async fn upgrade_all(&mut self) {
        let mut tools = std::mem::take(&mut self.tools);
        for (addr, entry) in &mut tools {
            let settings = self.settings_of_entry(addr, entry).unwrap_or_default();
            upgrade(&**self.plugins, &settings, entry).await;
        }
        self.tools = tools;
    }

    /// One tool of the program.
    async fn instance(&mut self, id: InstanceId) {
        let program = self.program;
        let instance = program.instance(id);
        let addr = ToolAddr::from(&instance.addr);
        if self.left_out.contains(&addr) {
            let node = self.left_alone(id);
            self.reveal_outputs(&node, id);
            return self.plan.nodes.push(node);
        }
        let (values, problems) = program.inputs(id, &self.known.of(program));
        let broken = problems.iter().any(|d| d.severity() == Severity::Error);
        self.plan.diagnostics.append(problems);
        if broken {
            return;
        }
        let mut desired: Fields = values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).collect();
        desired.retain(|_, v| !v.is_null());
        self.plugins.redactor().learn(&Json::Object(desired.clone()));
        let settings = self.settings(id);
        let prior = self.tools.get(&addr).filter(|p| p.kind == *instance.kind.name).cloned();
        // Without reading, only what was recorded is asked about, of which the plugin knows all that it needs.
        let asked = !self.options.no_read || prior.is_some();
        if asked && !settings.values().any(has_unknown) && self.plugins.usable(&instance.plugin).is_ok() {
            let kind = &instance.kind.name;
            let normal =
                normalized(&**self.plugins, &instance.plugin, &settings, kind, desired, prior.as_deref())
                    .await;
            desired = normal.inputs;
            self.unreached.extend(normal.failed.map(|failed| (addr.clone(), failed)));
        }
        let mut node = Node {
            addr: addr.clone(),
            action: Action::NoOp,
            reason: Reason::Plain,
            conditional: false,
            instance: Some(id),
            plugin: (&instance.plugin).into(),
            kind: Some(instance.kind.clone()),
            place: self.place(&instance.plugin, &self.settings(id)),
            using: program.using(instance).map(String::from),
            settings: self.settings(id),
            prior: self.tools.get(&addr).cloned(),
            desired,
            planned: Fields::new(),
            changes: vec![],
            options: vec![],
            outputs: vec![],
            drift: vec![],
            notes: vec![],
            op: OpKey::fresh(),
            absent_before: false,
            forced: false,
            seen: None,
            after: vec![],
            leftovers: vec![],
            deps: {
                let mut deps: Vec<ToolAddr> =
                    instance.edges.keys().map(|d| ToolAddr::from(&program.instance(*d).addr)).collect();
                deps.sort();
                deps
            },
        };
        if let Some(prior) = &node.prior
            && (prior.kind != *instance.kind.name || prior.plugin.name != *instance.plugin)
        {
            if same_object(self.program, &**self.plugins, prior, instance)
                && natural_key(&instance.kind, &prior.inputs) == natural_key(&instance.kind, &node.desired)
            {
                self.turn(&mut node, instance).await;
                self.reveal_outputs(&node, id);
                return self.plan.nodes.push(node);
            }
            let d = Diagnostic::new(
                Code::E0603,
                format!(
                    "`{addr}` is a `{}.{}` in the state and a `{}` in the program",
                    prior.plugin.name,
                    prior.kind,
                    instance.kind.path()
                ),
            );
            self.problem(d.at(instance.span, "of another kind").tool(addr.clone()).help(
                "give the new tool another name; the old object is deleted, or left as it is with `forget`",
            ));
            return;
        }
        if let Some(prior) = &node.prior
            && !is_same(&prior.place, &node.place)
            && !node.place.values().any(has_unknown)
        {
            let d = other_place(&addr, prior, &node.settings).at(instance.span, "this tool");
            self.problem(d.help("restore the setting and destroy the tool there first; or keep the old object with `forget`, and give the new tool another name"));
            return;
        }
        if instance.existing {
            if node.prior.take().is_some() {
                let headline = format!("`{addr}` is in the state as a tool of this project");
                let d = Diagnostic::new(Code::E0615, headline).at(instance.span, "declared as existing");
                let help =
                    format!("stop managing it first: write `forget {addr}` in place of this, and apply that");
                return self.problem(d.tool(addr).help(help));
            }
            self.look_up(&mut node, instance).await;
        } else {
            self.decide(&mut node, instance).await;
            self.ask_preview(&mut node, instance).await;
            self.planned_files(&mut node, instance).await;
            node.options = options(&node, instance, self.program.using(instance));
            if self.options.refresh_only {
                self.only_record(&mut node, id);
            }
        }
        self.reveal_outputs(&node, id);
        self.plan.nodes.push(node);
    }

    /// A tool that stays as it is, whatever is wanted.
    fn left_alone(&self, id: InstanceId) -> Node {
        let instance = self.program.instance(id);
        let prior = self.tools.get(&*instance.addr).cloned();
        Node {
            addr: (&instance.addr).into(),
            action: Action::NoOp,
            reason: Reason::LeftOut,
            conditional: false,
            instance: Some(id),
            plugin: (&instance.plugin).into(),
            kind: Some(instance.kind.clone()),
            using: prior.as_ref().and_then(|p| p.using.clone()),
            settings: self.settings(id),
            place: prior.as_ref().map(|p| p.place.clone()).unwrap_or_default(),
            desired: prior.as_ref().map(|p| p.inputs.clone()).unwrap_or_default(),
            deps: prior.as_ref().map(|p| p.deps.clone()).unwrap_or_default(),
            prior,
            planned: Fields::new(),
            changes: vec![],
            options: vec![],
            outputs: vec![],
            drift: vec![],
            notes: vec![],
            op: OpKey::fresh(),
            absent_before: false,
            forced: false,
            seen: None,
            after: vec![],
            leftovers: vec![],
        }
    }

    /// Of what would be done with a tool, only what records what is there.
    fn only_record(&mut self, node: &mut Node, id: InstanceId) {
        match node.action {
            // To delete what was replaced is a change of what exists.
            Action::Read if node.prior.as_ref().is_some_and(|prior| !prior.retired.is_empty()) => {
                self.left_out.insert(node.addr.clone());
                *node = self.left_alone(id);
            }
            Action::NoOp | Action::Read => {}
            Action::Create if node.reason == Reason::Gone => {
                node.action = Action::Forget;
                node.changes.clear();
            }
            Action::Create
            | Action::Update
            | Action::Replace { .. }
            | Action::Adopt
            | Action::Delete
            | Action::Forget
            | Action::Find => {
                self.left_out.insert(node.addr.clone());
                *node = self.left_alone(id);
            }
        }
    }

    pub(super) async fn plugin_ref(&self, name: &PluginName) -> Arc<PluginRef> {
        let version = self.plugins.manifest(name).await.map(|m| m.version).unwrap_or_default();
        let used = self.program.plugins().get(&**name);
        let plugin = PluginRef {
            name: name.clone(),
            path: used.and_then(|u| u.path.as_ref().map(|p| p.to_string())),
            version,
            interface: used.map(|u| u.plugin.hash.to_string()).unwrap_or_default(),
        };
        plugin.into()
    }

    /// One tool that is in state and not in the program, which may still declare it: `conditional` are the names of tools with `if`.
    async fn removed(&mut self, addr: ToolAddr, conditional: &HashSet<Symbol>) {
        if self.left_out.contains(&addr) {
            return;
        }
        let Some(entry) = self.tools.get(&addr).cloned() else { return };
        let plugin = entry.plugin.name.clone();
        let kind = kind_in_state(self.program, &**self.plugins, &entry);
        let mut node = Node {
            addr: addr.clone(),
            action: Action::Delete,
            reason: match addr.split(['/', '[']).next().is_some_and(|name| conditional.contains(name)) {
                true => Reason::Disabled,
                false => Reason::Removed,
            },
            conditional: false,
            instance: None,
            plugin: plugin.clone(),
            kind: kind.clone(),
            using: entry.using.clone(),
            settings: self.settings_of_entry(&addr, &entry).unwrap_or_default(),
            place: entry.place.clone(),
            deps: entry.deps.clone(),
            prior: Some(entry.clone()),
            desired: Fields::new(),
            planned: Fields::new(),
            changes: vec![],
            options: vec![],
            outputs: vec![],
            drift: vec![],
            notes: vec![],
            op: if entry.status == Status::Deleting { entry.op.clone() } else { OpKey::fresh() },
            absent_before: false,
            forced: false,
            seen: None,
            after: vec![],
            leftovers: vec![],
        };
        if self.forgotten.contains(&addr) {
            node.action = Action::Forget;
            node.reason = Reason::Forgotten { replaced: entry.retired.len() };
            return self.plan.nodes.push(node);
        }
        if let (Err(why), _) | (_, (None, why)) =
            (self.plugins.usable(&plugin), (kind.as_ref(), "its kind is not known".to_string()))
        {
            let d = Diagnostic::new(
                Code::E0609,
                format!(
                    "`{addr}` is no longer in the program, and its plugin `{plugin}` cannot be used: {why}"
                ),
            );
            return self.problem(
                d.tool(addr.clone()).help(format!("restore the plugin, or keep the object: `forget {addr}`")),
            );
        }
        let Some(kind) = kind else { return };
        if let Err(d) = self.settings_of_entry(&addr, &entry) {
            return self.problem(*d);
        }
        if entry.protect {
            let d = Diagnostic::new(Code::E0602, format!("`{addr}` is protected and would be deleted"))
                .tool(addr.clone());
            self.problem(d.help("put it back with `protect = false` and apply that first"));
        }
        let seen = self.seen.remove(&addr);
        match (&entry.id, seen) {
            (None, _) => {
                match resolve(&**self.plugins, &plugin, &node.settings, &kind, &addr, &entry, None).await {
                    Found::Nothing => {
                        node.action = Action::Forget;
                        node.reason = Reason::NeverCreated;
                    }
                    Found::Object(found, _) => node.prior = Some(found.into()),
                    Found::Ask(d) => return self.problem(d),
                }
            }
            (_, Some(Seen::Absent)) if !matches!(entry.status, Status::Creating) => {
                node.action = Action::Forget;
                node.reason = Reason::AlreadyGone;
            }
            (_, Some(Seen::Failed(why))) => {
                let d = Diagnostic::new(Code::E0607, format!("`{addr}` could not be read: {why}"))
                    .tool(addr.clone());
                return self.problem(d);
            }
            (_, Some(Seen::Object(object))) => see_what_goes(&mut node, &kind, &object.inputs),
            _ => {}
        }
        if self.options.refresh_only && node.action == Action::Delete {
            self.left_out.insert(addr);
            return;
        }
        self.plan.nodes.push(node);
    }
}

/// Whether the kind that a tool has in state and the one that it has in the program are one kind of object: `@object`.
fn same_object(
    program: &Program,
    plugins: &dyn PluginCalls,
    prior: &Entry,
    instance: &dtm_lang::Instance,
) -> bool {
    prior.plugin.name == *instance.plugin
        && instance.kind.object.is_some()
        && kind_in_state(program, plugins, prior).is_some_and(|k| k.object == instance.kind.object)
}

/// The drift of an object that is about to be deleted, so that the plan shows it before it is lost.
pub(super) fn see_what_goes(node: &mut Node, kind: &Kind, there: &Fields) {
    let Some(prior) = &node.prior else { return };
    let seen = drifted(kind, &prior.inputs, there, &[]);
    let change = |(name, there): (&String, &Json)| Change {
        name: name.clone(),
        before: there.clone(),
        after: Json::Null,
        replaces: false,
        drift: true,
    };
    node.changes = seen.iter().map(change).collect();
    node.seen = Some(seen);
}

/// The kind of what is in state: from the program, from the interface beside its plugin, or as it is shipped.
pub(super) fn kind_in_state(
    program: &Program,
    plugins: &dyn PluginCalls,
    entry: &Entry,
) -> Option<Arc<Kind>> {
    let plugin = &*entry.plugin.name;
    let used = program.plugins().get(plugin).and_then(|p| p.plugin.kinds.get(&*entry.kind).cloned());
    used.or_else(|| match &entry.plugin.path {
        Some(path) => plugins.interface_beside(path).and_then(|p| p.kinds.get(&*entry.kind).cloned()),
        None => crate::project::shipped_kind(plugin, &entry.kind),
    })
}

/// Outputs with their secrets tagged: those that the interface says, and `any` ones of a tool into which a secret
/// went.
pub fn tag_outputs(kind: &Kind, inputs: &Fields, outputs: &Fields) -> Fields {
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

/// Whether an input of the kind is secret, or holds something that is.
fn has_secrets(kind: &Kind) -> bool {
    kind.inputs.values().any(|i| i.field.ty.has_secret())
}
