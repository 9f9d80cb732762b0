//! What is done with one tool of the program: the rows of the decision table.

use super::build::{Builder, kind_in_state, tag_outputs};
use super::diff::{changes, drifted, merged};
use super::edges::keeps_key;
use super::reads::{Seen, find, plan_of, read_one};
use super::recover::{Found, natural_key, record_result, resolve, with_ways};
use super::{Action, Change, Node, Reason};
use crate::Fields;
use crate::secret::{is_lost, settle_write_only};
use crate::state::{Entry, OpKey, Status};
use dtm_lang::shell::command;
use dtm_lang::wire::{has_unknown, mark_secret};
use dtm_lang::{Code, Diagnostic, InstanceId};
use dtm_plugin::protocol::Object;
use serde_json::Value as Json;
use std::sync::Arc;

impl Builder<'_> {
    pub(super) async fn decide(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        if let (None, Some((adopt, span))) = (&node.prior, self.adopts.get(&node.addr).cloned()) {
            return self.adopt(node, instance, adopt, span).await;
        }
        let Some(prior) = node.prior.clone() else {
            node.action = Action::Create;
            return;
        };
        let mut seen = self.seen.remove(&node.addr);
        if let (Some((None, span)), Some(Seen::Absent), true) =
            (self.adopts.get(&node.addr).cloned(), &seen, prior.retired.is_empty())
            && self.id_by_key(node, &instance.kind).await.is_ok()
        {
            return self.adopt(node, instance, None, span).await;
        }
        if let Some((Some(id), span)) = self.adopts.get(&node.addr).cloned()
            && prior.id.as_deref() != Some(&*id)
        {
            // What was recorded is gone: nothing is lost when another object takes its place.
            if matches!(seen, Some(Seen::Absent)) && prior.retired.is_empty() {
                return self.adopt(node, instance, Some(id), span).await;
            }
            if !self.is_named_by_key(node, instance, &prior).await {
                let recorded = prior.id.as_deref().map(|id| format!("as {}", dtm_lang::value::quote(id)));
                let recorded = recorded.unwrap_or_else(|| "without an id".into());
                let headline = format!("`{}` is in the state already, {recorded}", node.addr);
                let d = Diagnostic::new(Code::E0604, headline).at(span, "adopted here");
                let rm = command(["dtm", "state", "rm", &*node.addr]);
                let d = d.tool(node.addr.clone()).help("to keep what is in state, remove this `adopt`");
                return self.problem(d.help(format!(
                    "to adopt the other object instead, first remove the recorded one from the state (the object stays): `{rm}`"
                )));
            }
        }
        let mut prior = prior;
        if prior.status.is_open() && self.options.no_read {
            node.forced = true;
            let noted = prior.status == Status::Imported;
            node.reason = if noted { Reason::Imported } else { Reason::Interrupted };
        }
        if prior.status.is_open() && !self.options.no_read {
            // A way that was given since counts: the program may say now how to find out what was made.
            if let Some(inputs) = with_ways(&instance.kind, &prior.inputs, &node.desired) {
                Arc::make_mut(&mut prior).inputs = inputs;
            }
            let found = resolve(
                &**self.plugins,
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
                    let noted = prior.status == Status::Imported;
                    node.reason = match noted {
                        true => Reason::ImportedAbsent,
                        false => Reason::Interrupted,
                    };
                    // The same key: what it made before, if anything, is found by it.
                    if noted || prior.status == Status::Creating {
                        node.op = prior.op.clone();
                        node.absent_before = prior.absent_before;
                    }
                    return;
                }
                Found::Object(entry, object) if prior.status == Status::Imported => {
                    let id = entry.id.clone().unwrap_or_default();
                    let reason = Reason::ImportedAs(id.clone());
                    let entry = self.adopted(node, instance, &id).await;
                    return take_over(node, &instance.kind, entry, *object, reason);
                }
                Found::Object(entry, object) => {
                    prior = entry.into();
                    node.prior = Some(prior.clone());
                    node.forced = true;
                    node.reason = Reason::Interrupted;
                    node.op =
                        if prior.status == Status::Updating { prior.op.clone() } else { OpKey::fresh() };
                    seen = Some(Seen::Object(object));
                }
            }
        }
        let observed = match seen {
            Some(Seen::Failed(why)) => {
                let d = Diagnostic::new(
                    Code::E0607,
                    format!("`{}` could not be read: {}", node.addr, self.plugins.redactor().mask(&why)),
                );
                let d = match prior.status.is_open() {
                    true => d.help(record_result(&node.addr, &prior)),
                    false => d,
                };
                return self.problem(d.at(instance.span, "this tool").tool(node.addr.clone()));
            }
            Some(Seen::Absent) => {
                node.action = Action::Create;
                node.reason = match is_elsewhere(&instance.kind, &prior, self.plugins.folder()) {
                    true => Reason::Elsewhere,
                    false => Reason::Gone,
                };
                return;
            }
            Some(Seen::Object(object)) => Some(object),
            None => None,
        };
        if instance.kind.inputs.values().any(|i| i.write_only) {
            let inputs = &mut Arc::make_mut(&mut prior).inputs;
            settle_write_only(&instance.kind, inputs, &node.desired, self.plugins.redactor());
        }
        let there = observed.as_ref().map(|o| &o.inputs);
        node.seen = there.map(|t| drifted(&instance.kind, &prior.inputs, t, &instance.options.ignore));
        node.changes = changes(&instance.kind, &node.desired, &prior.inputs, there, &instance.options.ignore);
        let mut ignored = false;
        for name in &instance.options.ignore {
            ignored |=
                there.is_some_and(|t| t.contains_key(&**name) && t.get(&**name) != prior.inputs.get(&**name));
            // What is really there stands, so that an update of another input leaves it alone.
            if let (Some(seen), Some(p)) = (there.and_then(|t| t.get(&**name)), node.prior.as_mut()) {
                Arc::make_mut(p).inputs.insert(name.to_string(), seen.clone());
                Arc::make_mut(&mut prior).inputs.insert(name.to_string(), seen.clone());
            }
            match prior.inputs.get(&**name) {
                Some(stored) => _ = node.desired.insert(name.to_string(), stored.clone()),
                None => _ = node.desired.remove(&**name),
            }
        }
        let outputs = observed
            .as_ref()
            .map(|o| merged(&prior.outputs, &tag_outputs(&instance.kind, &prior.inputs, &o.outputs)));
        let differ = outputs.as_ref().map(|o| super::options::outputs(&instance.kind, &prior.outputs, o));
        node.outputs = differ.unwrap_or_default();
        let outputs_changed = match (node.outputs.is_empty(), ignored) {
            (true, _) => None,
            (false, true) => Some(Reason::IgnoredChanged),
            (false, false) => Some(Reason::OutputsChanged),
        };
        if let (Some(outputs), Some(p)) = (outputs, node.prior.as_mut()) {
            if p.outputs != outputs {
                Arc::make_mut(p).outputs = outputs;
            }
            if let Some(object) = &observed
                && !object.private.is_null()
                && object.private != p.private
            {
                Arc::make_mut(p).private = object.private.clone();
            }
        }
        if let Some(object) = observed.filter(|object| !object.drift.is_empty() && !self.options.refresh_only)
        {
            node.drift = object.drift.iter().map(|part| self.plugins.redactor().mask(part)).collect();
            node.forced = true;
            if node.reason == Reason::Plain && node.changes.is_empty() {
                node.reason = Reason::Parts(node.drift.clone());
            }
        }
        let once_lost = instance.kind.outputs.iter().any(|(n, o)| {
            let kept = o.once || o.ty.has_secret() && !o.ty.is_nullable() && prior.status == Status::Ok;
            kept && prior.outputs.get(&**n).is_none_or(|v| v.is_null() || is_lost(v))
        });
        self.action(node, instance, &prior, once_lost, outputs_changed);
        if node.action == Action::Update {
            self.ask_plan(node, &prior).await;
        }
    }

    /// What the plugin says of an update beforehand: outputs that are known already, reasons to replace.
    async fn ask_plan(&mut self, node: &mut Node, prior: &Entry) {
        let (outputs, reasons) =
            plan_of(&**self.plugins, &node.plugin, &node.settings, prior, &node.desired).await;
        if node.changes.iter().all(|c| !has_unknown(&c.after)) {
            node.planned.extend(outputs);
        }
        self.replace_because(node, prior, reasons);
    }

    /// Makes an update a replacement, where the plugin has reasons.
    pub(super) fn replace_because(&mut self, node: &mut Node, prior: &Entry, reasons: Vec<String>) {
        if !reasons.is_empty() {
            let instance = node.instance.map(|id| self.program.instance(id));
            let create_first = instance.is_some_and(|i| i.options.create_first);
            node.action = Action::Replace { create_first };
            // With inputs that are not known yet it is asked again when they are.
            node.forced |= !node.conditional;
            node.reason = Reason::Plugin(reasons);
            self.guard_protected(node, prior);
            self.guard_key(node);
        }
    }

    /// A protected tool is never deleted, not even to be made again.
    fn guard_protected(&mut self, node: &Node, prior: &Entry) {
        let Some(instance) = node.instance.map(|id| self.program.instance(id)) else { return };
        if instance.options.protect || prior.protect {
            let headline = format!("`{}` is protected and would be replaced", node.addr);
            let d =
                Diagnostic::new(Code::E0602, headline).at(instance.span, "protected").tool(node.addr.clone());
            self.problem(d.note(node.reason.to_string()));
        }
    }

    /// Two objects cannot have the same natural key at the same time.
    fn guard_key(&mut self, node: &Node) {
        let Some(instance) = node.instance.map(|id| self.program.instance(id)) else { return };
        if node.action == (Action::Replace { create_first: true }) && keeps_key(node) {
            let headline = format!("`{}` cannot be created before the old one is deleted", node.addr);
            let list: Vec<String> = instance.kind.key_inputs().map(|k| format!("`{k}`")).collect();
            let d = Diagnostic::new(Code::E0608, headline).at(instance.span, "replaced create-first");
            self.problem(
                d.tool(node.addr.clone()).note(format!("both would have the same {}", list.join(", "))),
            );
        }
    }

    /// The action that follows from the changes.
    fn action(
        &mut self,
        node: &mut Node,
        instance: &dtm_lang::Instance,
        prior: &Entry,
        once_lost: bool,
        outputs_changed: Option<Reason>,
    ) {
        let create_first = instance.options.create_first;
        let asked = self.options.selection.replaces(&node.addr);
        if asked {
            node.reason = Reason::Requested;
        }
        let must = asked || once_lost || matches!(prior.status, Status::Replacing | Status::Deleting);
        node.forced |= must;
        let replaces = must || node.changes.iter().any(|c| c.replaces);
        let open = |c: &&Change| !node.is_kept(c);
        node.conditional = node.changes.iter().any(|c| open(&c))
            && !node.forced
            && !node.changes.iter().filter(open).any(|c| node.is_certain(c));
        if replaces {
            node.action = Action::Replace { create_first };
            let names = node.changes.iter().filter(|c| c.replaces).map(|c| c.name.clone());
            if node.reason == Reason::Plain {
                let names: Vec<String> = names.collect();
                node.reason = if names.is_empty() { Reason::OutputLost } else { Reason::Immutable(names) };
            }
            self.guard_protected(node, prior);
            self.guard_key(node);
            return;
        }
        if node.changes.is_empty() && !node.forced {
            let using = prior.using.as_deref() != self.program.using(instance);
            let options = prior.protect != instance.options.protect
                || prior.timeout != instance.options.timeout
                || prior.deps != node.deps
                || using;
            let reason = match (outputs_changed, prior.retired.is_empty(), options) {
                (Some(reason), ..) => reason,
                (None, false, _) => Reason::Retired,
                (None, true, true) => Reason::OptionsChanged,
                (None, true, false) => return,
            };
            node.action = Action::Read;
            node.reason = reason;
            return;
        }
        if !node.forced && !node.conditional && node.changes.iter().all(|c| node.is_kept(c)) {
            // Someone has made the change already: it is recorded, and the object is not touched.
            node.reason = Reason::Drift(node.changes.iter().map(|c| c.name.clone()).collect());
            node.action = Action::Read;
            return;
        }
        node.action = Action::Update;
        // As they were read, where they were: what is `@local` is another value in every checkout.
        node.planned = stable_outputs(&instance.kind, node.prior.as_deref().unwrap_or(prior));
        if node.reason == Reason::Plain && node.changes.iter().all(|c| c.drift) {
            node.reason = Reason::Drift(node.changes.iter().map(|c| c.name.clone()).collect());
        }
    }

    /// The entry of an object that is there and becomes this tool.
    pub(super) async fn adopted(&self, node: &Node, instance: &dtm_lang::Instance, id: &str) -> Entry {
        Entry {
            plugin: self.plugin_ref(&node.plugin).await,
            kind: (&instance.kind.name).into(),
            place: node.place.clone(),
            using: self.program.using(instance).map(String::from),
            id: Some(id.to_string()),
            inputs: node.desired.clone(),
            outputs: Fields::new(),
            private: Json::Null,
            deps: node.deps.clone(),
            protect: instance.options.protect,
            timeout: instance.options.timeout,
            status: Status::Ok,
            op: node.op.clone(),
            absent_before: false,
            retired: vec![],
            time: crate::state::now(),
        }
    }

    /// A tool whose kind in the program is another one of the same object: it is taken over as it is, and then updated.
    pub(super) async fn turn(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        let Some(prior) = node.prior.take() else { return };
        let id = prior.id.clone().unwrap_or_default();
        let adopted = self.adopted(node, instance, &id).await;
        let entry = Entry {
            id: prior.id.clone(),
            private: prior.private.clone(),
            retired: prior.retired.clone(),
            ..adopted
        };
        let reason = Reason::KindChanged {
            from: format!("{}.{}", prior.plugin.name, prior.kind),
            to: instance.kind.path(),
        };
        let there = matches!(self.seen.remove(&node.addr), Some(Seen::Object(_)));
        let seen = match self.options.no_read || prior.id.is_none() {
            true => None,
            false => Some(read_one(&**self.plugins, &node.plugin, &node.settings, &entry).await),
        };
        match seen {
            Some(Seen::Object(object)) => {
                take_over(node, &instance.kind, entry, *object, reason);
                self.keep_secret(&prior, node);
            }
            // A folder does not become a file: what is there is still an object of the old kind.
            Some(Seen::Absent | Seen::Failed(_)) if there => {
                let (old, new) = (&prior.kind, instance.kind.path());
                let headline = format!(
                    "`{}` is a `{}.{old}`, and cannot become a `{new}`",
                    node.addr, prior.plugin.name
                );
                let d = Diagnostic::new(Code::E0603, headline).at(instance.span, "of another kind");
                let moved = self.plan.moves.iter().find(|(_, to)| *to == node.addr);
                let delete = command(["dtm", "delete", moved.map_or(&*node.addr, |(from, _)| from)]);
                self.problem(d.tool(node.addr.clone()).help(format!("delete it first: `{delete}`")));
            }
            Some(Seen::Absent) => {
                node.action = Action::Create;
                node.reason = Reason::Gone;
                node.prior = Some(entry.into());
            }
            Some(Seen::Failed(why)) => {
                let why = self.plugins.redactor().mask(&why);
                let d = Diagnostic::new(Code::E0607, format!("`{}` could not be read: {why}", node.addr));
                self.problem(d.at(instance.span, "this tool").tool(node.addr.clone()));
            }
            None => {
                node.changes = changes(&instance.kind, &node.desired, &prior.inputs, None, &[]);
                node.action = Action::Adopt;
                node.reason = reason;
                node.prior = Some(Entry { inputs: prior.inputs.clone(), ..entry }.into());
            }
        }
    }

    /// What was recorded as a secret stays one in the plan that makes another kind of it. What the program writes openly is not one.
    fn keep_secret(&self, recorded: &Entry, node: &mut Node) {
        let Some(kind) = kind_in_state(self.program, &**self.plugins, recorded) else { return };
        let is_secret = |name: &str| kind.inputs.get(name).is_some_and(|input| input.field.ty.has_secret());
        for change in node.changes.iter_mut().filter(|change| is_secret(&change.name)) {
            change.before = mark_secret(std::mem::take(&mut change.before));
            self.plugins.redactor().learn(&change.before);
        }
    }

    async fn adopt(
        &mut self,
        node: &mut Node,
        instance: &dtm_lang::Instance,
        id: Option<String>,
        span: dtm_lang::Span,
    ) {
        self.adopt_object(node, instance, id, span).await;
        let id = node.prior.as_ref().and_then(|prior| prior.id.clone());
        let recorded = |e: &&Arc<Entry>| id.is_some() && e.plugin.name == node.plugin && e.id == id;
        for other in self.tools.values().filter(recorded).cloned().collect::<Vec<_>>() {
            self.keep_secret(&other, node);
        }
    }

    async fn adopt_object(
        &mut self,
        node: &mut Node,
        instance: &dtm_lang::Instance,
        id: Option<String>,
        span: dtm_lang::Span,
    ) {
        let by_key = id.is_none();
        let id = match id {
            Some(id) => id,
            None => match self.id_by_key(node, &instance.kind).await {
                Ok(id) => id,
                Err(d) => return self.problem(d.at(span, "adopted here").tool(node.addr.clone())),
            },
        };
        let entry = self.adopted(node, instance, &id).await;
        match read_one(&**self.plugins, &node.plugin, &node.settings, &entry).await {
            Seen::Object(object) => {
                let named = match by_key {
                    true => None,
                    false => self.named_by_key(node, instance, &id).await,
                };
                if let Some((named, same)) = match &named {
                    Some(named) => self.read_as(node, instance, named, &object).await.map(|o| (named, o)),
                    None => None,
                } {
                    // Another spelling of its id, as an absolute path is.
                    let reason = Reason::Adopted(named.clone());
                    let entry = Entry { id: Some(named.clone()), ..entry };
                    return take_over(node, &instance.kind, entry, same, reason);
                }
                if let Some(named) = named {
                    let headline =
                        format!("`{id}` is not what the inputs of `{}` name: that is `{named}`", node.addr);
                    let d = Diagnostic::new(Code::E0606, headline).at(span, "adopted here");
                    let fix = dtm_lang::value::quote(&named);
                    self.problem(d.tool(node.addr.clone()).help(format!(
                        "write `adopt {} = {fix}`, or change the inputs to those of `{id}`",
                        node.addr
                    )));
                    return;
                }
                let reason = Reason::Adopted(id);
                take_over(node, &instance.kind, entry, *object, reason);
            }
            Seen::Absent => {
                let d =
                    Diagnostic::new(Code::E0606, format!("there is no `{id}` to adopt as `{}`", node.addr));
                self.problem(d.at(span, "adopted here").tool(node.addr.clone()));
            }
            Seen::Failed(why) => {
                let d = Diagnostic::new(
                    Code::E0607,
                    format!("`{id}` could not be read: {}", self.plugins.redactor().mask(&why)),
                );
                self.problem(d.at(span, "adopted here").tool(node.addr.clone()));
            }
        }
    }

    /// Whether the natural key of a tool names the object that is recorded for it.
    async fn is_named_by_key(&self, node: &Node, instance: &dtm_lang::Instance, prior: &Entry) -> bool {
        let (Some(id), true) = (&prior.id, instance.kind.key_inputs().next().is_some()) else { return false };
        let same = natural_key(&instance.kind, &prior.inputs) == natural_key(&instance.kind, &node.desired);
        same && self.named_by_key(node, instance, id).await.is_none()
    }

    /// The object that has another id, where it is the one that was read: what says where it is (`@local`) is the same.
    async fn read_as(
        &self,
        node: &Node,
        instance: &dtm_lang::Instance,
        id: &str,
        object: &Object,
    ) -> Option<Object> {
        let mut local = instance.kind.outputs.iter().filter(|(_, o)| o.local).map(|(n, _)| &**n).peekable();
        local.peek()?;
        let entry = self.adopted(node, instance, id).await;
        match read_one(&**self.plugins, &node.plugin, &node.settings, &entry).await {
            Seen::Object(other) => {
                let same =
                    local.all(|n| other.outputs.get(n).is_some_and(|v| object.outputs.get(n) == Some(v)));
                same.then_some(*other)
            }
            Seen::Absent | Seen::Failed(_) => None,
        }
    }

    /// The object that a tool's natural key names, when it is another one than `id`.
    async fn named_by_key(&self, node: &Node, instance: &dtm_lang::Instance, id: &str) -> Option<String> {
        let key = natural_key(&instance.kind, &node.desired);
        if key.is_empty() || key.len() < instance.kind.key_inputs().count() || key.values().any(has_unknown) {
            return None;
        }
        let kind = instance.kind.name.to_string();
        let found = find(&**self.plugins, &node.plugin, &node.settings, &kind, key, &node.op.0).await;
        found.ok().filter(|ids| !ids.iter().any(|f| f == id)).and_then(|ids| ids.into_iter().next())
    }

    /// Makes known to dependents what this tool's outputs will be.
    pub(super) fn reveal_outputs(&self, node: &Node, id: InstanceId) {
        let Some(prior) = &node.prior else { return };
        match node.action {
            Action::NoOp | Action::Read => self.known.set(id, prior.clone()),
            Action::Adopt if node.changes.is_empty() => self.known.set(id, prior.clone()),
            Action::Update | Action::Adopt => self.known.set(id, node.planned.clone()),
            Action::Create | Action::Replace { .. } | Action::Delete | Action::Forget | Action::Find => {}
        }
    }
}

/// Plans to record an object as this tool, and to change what is other than wanted.
fn take_over(
    node: &mut Node,
    kind: &dtm_lang::interface::Kind,
    mut entry: Entry,
    object: Object,
    reason: Reason,
) {
    node.changes = changes(kind, &node.desired, &node.desired, Some(&object.inputs), &[]);
    node.seen = Some(Fields::new());
    entry.inputs = merged(&entry.inputs, &object.inputs);
    entry.outputs = tag_outputs(kind, &entry.inputs, &object.outputs);
    entry.private = object.private;
    node.prior = Some(entry.into());
    node.action = Action::Adopt;
    node.reason = reason;
}

/// Whether an object inside the project was recorded by a checkout in another folder: what says where it is (`@local`) leads
/// out of this one.
fn is_elsewhere(kind: &dtm_lang::interface::Kind, prior: &Entry, root: &std::path::Path) -> bool {
    let inside =
        prior.id.as_deref().is_some_and(|id| crate::workspace::stays_inside(std::path::Path::new(id)));
    let leads_out = |value: &Json| {
        let path = value.as_str().map(std::path::Path::new);
        path.is_some_and(|path| path.is_absolute() && !path.starts_with(root))
    };
    let local = kind.outputs.iter().filter(|(_, output)| output.local);
    inside && local.filter_map(|(name, _)| prior.outputs.get(&**name)).any(leads_out)
}

/// The outputs that an update does not change.
pub(super) fn stable_outputs(kind: &dtm_lang::interface::Kind, prior: &Entry) -> Fields {
    let stable = |name: &String| kind.outputs.get(&**name).is_some_and(|o| o.stable);
    prior.outputs.iter().filter(|(n, _)| stable(n)).map(|(n, v)| (n.clone(), v.clone())).collect()
}
