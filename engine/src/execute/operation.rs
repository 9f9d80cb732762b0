//! One operation: inputs with what is known now, the difference made again, begin durable, the plugin called,
//! end durable. Only here are calls tried again, and only here is a lost operation resolved.

use super::Context;
use super::attempt::AttemptError;
use crate::Fields;
use crate::event::Event;
use crate::plan::diff::{changes, merged, same};
use crate::plan::existing::look_up;
use crate::plan::identity::identity;
use crate::plan::place::{behind, with_identity};
use crate::plan::reads::{find, normalized, plan_of};
use crate::plan::recover::{Found, natural_key, resolve};
use crate::plan::{Action, Node, Part, Reason, Step};
use crate::plugin::{CallError, Settings, conforms};
use crate::secret::{sendable, settle_write_only, write_only};
use crate::state::{Entry, OpKey, PluginRef, Record, Retired, Status, now};
use dtm_lang::interface::Kind;
use dtm_lang::wire::{has_secret, has_unknown, to_wire};
use dtm_lang::{Code, Diagnostic, Severity};
use dtm_plugin::protocol::{Call, Method, Object};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Instant;

/// What became of a node.
pub(super) enum Done {
    /// The object is deleted, and is created again by a later step.
    Removed,
    Changed(&'static str),
    Unchanged,
    Failed(Box<Diagnostic>),
}

pub(super) type Failed = Box<Diagnostic>;

pub(super) struct Operation<'a> {
    pub(super) cx: &'a Context,
    index: usize,
    pub(super) node: &'a Node,
    /// The inputs with everything known.
    pub(super) inputs: Fields,
    /// The settings of its plugin, with everything known.
    pub(super) settings: Settings,
    /// Those of them that say where it is.
    place: Fields,
    started: Instant,
}

pub(super) async fn operate(cx: &Context, step: Step) -> Done {
    let node = &cx.plan.nodes[step.node];
    let mut op = Operation::new(cx, step.node);
    let result = match step.part {
        Part::Whole => op.run().await,
        Part::Remove => op.remove_first().await,
        Part::Make => op.make().await,
        Part::CleanUp => op.clean_up().await,
    };
    cx.plugins.unwatch(&node.op);
    match result {
        Ok(done) => done,
        Err(d) => Done::Failed(d),
    }
}

impl<'a> Operation<'a> {
    fn new(cx: &'a Context, index: usize) -> Self {
        let node = &cx.plan.nodes[index];
        let (mut settings, mut place) = (node.settings.clone(), node.place.clone());
        // Settings that waited for an output of another tool: it is there by now.
        if let (true, Some(program), Some(id)) =
            (settings.values().any(has_unknown), &cx.program, node.instance)
            && let Some(config) = program.instance(id).config
            && let Json::Object(now) = to_wire(&program.configuration(config, &cx.known.of(program)).0)
        {
            place.iter_mut().for_each(|(k, v)| now.get(k).into_iter().for_each(|n| *v = n.clone()));
            cx.redactor.learn(&Json::Object(now.clone()));
            settings = now;
        }
        Operation { cx, index, node, inputs: node.desired.clone(), settings, place, started: Instant::now() }
    }
}

impl Operation<'_> {
    pub(super) fn fail(&self, code: Code, text: impl Into<String>) -> Failed {
        let text = self.cx.redactor.mask(&text.into());
        let d = Diagnostic::new(code, format!("`{}`: {text}", self.node.addr)).tool(self.node.addr.clone());
        Box::new(match (self.node.instance, &self.cx.program) {
            (Some(id), Some(program)) => d.at(program.instance(id).span, "this tool"),
            _ => d,
        })
    }

    async fn write(&self, record: Record) -> Result<(), Failed> {
        self.cx
            .journal
            .write(record)
            .await
            .map_err(|why| self.fail(Code::E0807, format!("the state could not be written: {why}")))
    }

    async fn put(&self, entry: impl Into<Arc<Entry>>) -> Result<(), Failed> {
        self.write(Record::Put { addr: self.node.addr.clone(), entry: entry.into() }).await
    }

    fn emit(&self, verb: &'static str) {
        (self.cx.events)(Event::Started { addr: self.node.addr.clone(), verb });
    }

    fn finished(&self, verb: &'static str) -> Done {
        let ms = self.started.elapsed().as_millis() as u64;
        (self.cx.events)(Event::Finished { addr: self.node.addr.clone(), verb, ms });
        Done::Changed(verb)
    }

    async fn run(&mut self) -> Result<Done, Failed> {
        match &self.node.action {
            Action::NoOp => Ok(Done::Unchanged),
            Action::Delete => self.delete().await,
            Action::Forget => {
                self.write(Record::Remove { addr: self.node.addr.clone() }).await?;
                Ok(self.finished("forget"))
            }
            Action::Read => self.record().await,
            Action::Find => self.find().await,
            Action::Create | Action::Update | Action::Replace { .. } | Action::Adopt => self.change().await,
        }
    }

    /// The name of its configuration.
    fn using(&self) -> Option<String> {
        let program = self.cx.program.as_ref()?;
        program.using(program.instance(self.node.instance?)).map(String::from)
    }

    /// Whether its options or dependencies are others than recorded.
    fn options_changed(&self, prior: &Entry) -> bool {
        let program = self.cx.program.as_ref();
        let protect = self.node.instance.and_then(|id| program.map(|p| p.instance(id).options.protect));
        prior.deps != self.node.deps
            || prior.using != self.using()
            || protect.is_some_and(|protect| protect != prior.protect)
    }

    /// What changed outside and is only recorded, and replaced objects that are still there.
    async fn record(&self) -> Result<Done, Failed> {
        let Some(prior) = self.node.prior.clone() else { return Ok(Done::Unchanged) };
        self.known(&prior);
        let options = self
            .node
            .instance
            .and_then(|id| self.cx.program.as_ref().map(|p| p.instance(id).options.clone()));
        let (protect, timeout) = options.map_or((prior.protect, prior.timeout), |o| (o.protect, o.timeout));
        let (time, using, deps) = (now(), self.using(), self.node.deps.clone());
        let mut entry = Entry { time, protect, timeout, using, deps, ..Entry::clone(&prior) };
        // Inputs that were changed outside of dtm to what the program wants.
        for change in self.node.changes.iter().filter(|c| self.node.is_kept(c)) {
            match change.after.is_null() {
                true => _ = entry.inputs.remove(&change.name),
                false => _ = entry.inputs.insert(change.name.clone(), change.after.clone()),
            }
        }
        let entry = Arc::new(entry);
        self.put(entry.clone()).await?;
        self.keep_retired(&entry);
        Ok(self.finished("read"))
    }

    /// An object of somebody else's, now that its key is known.
    async fn find(&mut self) -> Result<Done, Failed> {
        let kind = self.settle().await?;
        let (plugins, node) = (&*self.cx.plugins, self.node);
        let found = look_up(plugins, &node.plugin, &self.settings, &kind, &self.inputs).await;
        let entry = found.map_err(|why| self.fail(Code::E0615, why))?;
        self.known(&entry.into());
        Ok(self.finished("find"))
    }

    fn known(&self, entry: &Arc<Entry>) {
        if let Some(id) = self.node.instance {
            self.cx.known.set(id, entry.clone());
        }
    }

    /// Computes the inputs, now that all is known.
    async fn settle(&mut self) -> Result<Arc<Kind>, Failed> {
        let (Some(id), Some(program), Some(kind)) =
            (self.node.instance, self.cx.program.clone(), self.node.kind.clone())
        else {
            return Err(self.fail(Code::E0704, "it has no instance; this is a bug in dtm"));
        };
        let (values, problems) = program.inputs(id, &self.cx.known.of(&program));
        if let Some(d) = problems.into_iter().find(|d| d.severity() == Severity::Error) {
            return Err(Box::new(d.tool(self.node.addr.clone())));
        }
        self.inputs =
            values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).filter(|(_, v)| !v.is_null()).collect();
        if self.inputs.values().any(has_unknown) {
            return Err(self.fail(Code::E0704, "an input is still not known; this is a bug in dtm"));
        }
        self.cx.redactor.learn(&Json::Object(self.inputs.clone()));
        let (plugin, inputs) = (&self.node.plugin, std::mem::take(&mut self.inputs));
        let prior = self.node.prior.as_deref();
        // The operation itself reports what it cannot reach.
        self.inputs =
            normalized(&*self.cx.plugins, plugin, &self.settings, &kind.name, inputs, prior).await.inputs;
        // What is behind settings that waited for another tool, or behind those of a plan that read nothing.
        if behind(&self.place).is_none()
            && !self.settings.is_empty()
            && let Ok(found) = self.cx.plugins.place(&self.node.plugin, &self.settings).await
        {
            self.place = with_identity(std::mem::take(&mut self.place), found);
        }
        Ok(kind)
    }

    /// Computes the inputs; those that are ignored are as recorded.
    async fn settle_all(&mut self) -> Result<Arc<Kind>, Failed> {
        let kind = self.settle().await?;
        let (Some(id), Some(program)) = (self.node.instance, &self.cx.program) else { return Ok(kind) };
        if let Some(prior) = &self.node.prior {
            for name in &program.instance(id).options.ignore {
                match prior.inputs.get(&**name) {
                    Some(stored) => _ = self.inputs.insert(name.to_string(), stored.clone()),
                    None => _ = self.inputs.remove(&**name),
                }
            }
        }
        self.unique(&kind)?;
        Ok(kind)
    }

    /// The first half of a replacement: the old object goes, after those that depended on it.
    async fn remove_first(&self) -> Result<Done, Failed> {
        let Some(prior) = &self.node.prior else { return Ok(Done::Removed) };
        self.emit("delete");
        self.remove(prior, Status::Replacing).await?;
        self.is_gone(prior).await?;
        self.finished("delete");
        Ok(Done::Removed)
    }

    /// Records that the old object of a replacement is deleted. Anything that appears in its place later is not dtm's.
    async fn is_gone(&self, prior: &Entry) -> Result<(), Failed> {
        self.cx.removed().insert(self.index);
        match prior.retired.is_empty() {
            true => self.write(Record::Remove { addr: self.node.addr.clone() }).await,
            // The record names the objects that are still to be deleted.
            false => Ok(()),
        }
    }

    /// The second half: the new object comes, after those that it depends on.
    async fn make(&mut self) -> Result<Done, Failed> {
        self.settle_all().await?;
        self.create(false).await
    }

    /// Deletes what a replacement left, now that nothing needs it any more.
    async fn clean_up(&self) -> Result<Done, Failed> {
        let entry = self.cx.retired().remove(&self.index);
        if let Some(entry) = entry {
            self.delete_retired(entry).await?;
        }
        Ok(Done::Unchanged)
    }

    async fn change(&mut self) -> Result<Done, Failed> {
        let kind = self.settle_all().await?;
        let (Some(id), Some(program)) = (self.node.instance, self.cx.program.clone()) else {
            return Ok(Done::Unchanged);
        };
        let instance = program.instance(id);
        if let (Action::Update | Action::Replace { .. }, Some(prior), false) =
            (&self.node.action, &self.node.prior, self.node.forced)
        {
            let mut recorded = prior.inputs.clone();
            settle_write_only(&kind, &mut recorded, &self.inputs, &self.cx.redactor);
            let mut now = changes(&kind, &self.inputs, &recorded, None, &instance.options.ignore);
            let drifted = self.node.changes.iter().filter(|c| c.drift);
            let drifted: Vec<_> =
                drifted.filter(|c| !now.iter().any(|n| n.name == c.name)).cloned().collect();
            now.extend(drifted);
            let mut replaces = now.iter().any(|c| c.replaces);
            if self.node.conditional && !replaces && !now.is_empty() {
                let (plugins, node) = (&*self.cx.plugins, &self.node);
                let asked = plan_of(plugins, &node.plugin, &self.settings, prior, &self.inputs).await;
                replaces = !asked.1.is_empty();
            }
            if now.is_empty() {
                // What stands beside its inputs may still be other than recorded.
                if self.options_changed(prior) {
                    return self.record().await;
                }
                self.known(prior);
                self.keep_retired(prior);
                return Ok(Done::Unchanged);
            }
            if replaces && matches!(self.node.action, Action::Update) {
                return Err(self.fail(
                    Code::E0610,
                    "it would have to be replaced, which the plan did not show; plan again",
                ));
            }
            // Milder than shown: what would have forced a replacement turned out to be the same.
            if !replaces && matches!(self.node.action, Action::Replace { .. }) {
                return self.update(prior.clone()).await;
            }
        }
        match &self.node.action {
            Action::Create => self.create(false).await,
            Action::Replace { create_first } => self.replace(*create_first).await,
            Action::Adopt => {
                let Some(prior) = self.node.prior.clone() else { return Ok(Done::Unchanged) };
                self.put(prior.clone()).await?;
                if self.node.changes.is_empty() {
                    self.known(&prior);
                    return Ok(self.finished("adopt"));
                }
                self.update(prior).await
            }
            Action::NoOp | Action::Update | Action::Read | Action::Delete | Action::Forget | Action::Find => {
                match self.node.prior.clone() {
                    Some(prior) => self.update(prior).await,
                    None => Err(self.fail(Code::E0704, "it has no state to update; this is a bug in dtm")),
                }
            }
        }
    }

    /// The entry of an operation that begins.
    async fn entry(&self, status: Status, op: OpKey) -> Result<Entry, Failed> {
        let manifest = self.cx.plugins.manifest(&self.node.plugin).await.map_err(|e| self.unusable(&e))?;
        let program = self.cx.program.as_ref();
        let used = program.and_then(|p| p.plugins().get(&*self.node.plugin));
        let options = self
            .node
            .instance
            .and_then(|id| program.map(|p| p.instance(id).options.clone()))
            .unwrap_or_default();
        Ok(Entry {
            plugin: self.cx.shared(PluginRef {
                name: self.node.plugin.clone(),
                path: used.and_then(|u| u.path.as_ref().map(|p| p.to_string())),
                version: manifest.version,
                interface: manifest.interface,
            }),
            kind: self.node.kind.as_ref().map(|k| (&k.name).into()).unwrap_or_default(),
            place: self.place.clone(),
            using: self.using(),
            id: None,
            inputs: self.recorded_inputs(),
            outputs: Fields::new(),
            private: Json::Null,
            deps: self.node.deps.clone(),
            protect: options.protect,
            timeout: options.timeout,
            status,
            op,
            absent_before: self.node.absent_before,
            retired: vec![],
            time: now(),
        })
    }

    fn unusable(&self, error: &CallError) -> Failed {
        let d = *self.fail(Code::E0703, error.to_string());
        Box::new(d.help("check that the plugin's file is right: `dtm plan -v` shows what it wrote"))
    }

    /// The inputs as they are recorded: write-only ones only as a hash.
    fn recorded_inputs(&self) -> Fields {
        let mut inputs = self.inputs.clone();
        let Some(kind) = &self.node.kind else { return inputs };
        for (name, _) in kind.inputs.iter().filter(|(_, i)| i.write_only) {
            if let Some(value) = inputs.get_mut(&**name) {
                *value = write_only(&kind.path(), name, value);
            }
        }
        inputs
    }

    /// Whether a replacement has the key of what it replaces, which is gone by then, or stays beside it.
    fn keeps_key(&self) -> bool {
        let (Some(kind), Some(prior)) = (&self.node.kind, &self.node.prior) else { return false };
        natural_key(kind, &self.inputs) == natural_key(kind, &prior.inputs)
    }

    /// The object as the interface says it is.
    pub(super) fn conforms(&self, object: &Object) -> Result<(), String> {
        if object.id.is_empty() && self.node.prior.as_ref().is_none_or(|p| p.id.is_none()) {
            return Err("the id is empty".into());
        }
        self.node.kind.as_ref().map_or(Ok(()), |kind| conforms(kind, &object.outputs))
    }

    /// One identity, one address: a key that was not known when planning is compared now.
    fn unique(&self, kind: &Kind) -> Result<(), Failed> {
        let Some(identity) = identity(&self.node.plugin, &self.place, kind, &self.inputs) else {
            return Ok(());
        };
        match self.cx.claim(identity, &self.node.addr) {
            None => Ok(()),
            Some(other) => Err(self
                .fail(Code::E0603, format!("it is the same object as `{other}`, now that its key is known"))),
        }
    }

    /// What another run had begun to make may still be made by it, on another machine: until the deadline that it had is over,
    /// nothing is begun in its place; then it is looked for again.
    async fn outlast(&mut self) -> Result<(), Failed> {
        let Some(prior) = self.node.prior.clone().filter(|p| p.status == Status::Creating && p.id.is_none())
        else {
            return Ok(());
        };
        let Some(holder) = self.cx.options.left.first() else { return Ok(()) };
        let until = self.cx.options.since + self.deadline(Method::Create) + crate::plugin::GRACE;
        let wait = until.saturating_duration_since(Instant::now());
        (self.cx.events)(Event::Notice {
            text: format!(
                "{holder} started to create `{}` and may still finish: waiting {} s, until its deadline; if that run has certainly ended: `dtm state unlock --gone`",
                self.node.addr,
                wait.as_secs()
            ),
        });
        let mut stop = self.cx.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.changed() => {
                return Err(self.fail(Code::E0607, "stopped while it waited for another run"));
            }
        }
        let Some(kind) = self.node.kind.clone() else { return Ok(()) };
        let (plugins, plugin) = (self.cx.plugins.clone(), &self.node.plugin);
        match resolve(&*plugins, plugin, &self.settings, &kind, &self.node.addr, &prior, None).await {
            Found::Nothing => Ok(()),
            Found::Object(..) => Err(Box::new(
                self.fail(Code::E0607, "the other run has created it in the meantime")
                    .help("apply again to adopt it"),
            )),
            Found::Ask(d) => Err(Box::new(d)),
        }
    }

    /// Makes the object. With `beside` the old one is still there, and is deleted at the end of the run.
    async fn create(&mut self, beside: bool) -> Result<Done, Failed> {
        let replaces = matches!(self.node.action, Action::Replace { .. });
        let verb = if replaces { "replace" } else { "create" };
        self.outlast().await?;
        let mut entry = self.entry(Status::Creating, self.node.op.clone()).await?;
        let key = self.node.kind.as_ref().map(|k| natural_key(k, &self.inputs)).unwrap_or_default();
        // Asked for again, however sure the plan was: something may have come into being since.
        let known_absent = replaces && self.keeps_key();
        let repairs =
            !self.cx.plan.saved && (self.node.reason.is_absent() || self.node.reason == Reason::Interrupted);
        if !key.is_empty() && !known_absent && !repairs {
            let found =
                find(&*self.cx.plugins, &self.node.plugin, &self.settings, &entry.kind, key, &entry.op.0)
                    .await;
            match found {
                Ok(ids) if ids.is_empty() => entry.absent_before = true,
                Ok(ids) => {
                    let id = dtm_lang::value::quote(&ids[0]);
                    let d = *self.fail(Code::E0601, format!("it already exists, as {id}"));
                    return Err(Box::new(
                        d.help(format!("to manage it with dtm, write `adopt {} = {id}`", self.node.addr)),
                    ));
                }
                Err(e) => {
                    return Err(self.fail(Code::E0607, format!("cannot find out whether it exists: {e}")));
                }
            }
        }
        if self.node.reason.is_absent() {
            entry.absent_before = true;
        }
        let prior = self.node.prior.clone();
        if let Some(old) = &prior {
            entry.retired = old.retired.clone();
            if let (true, Some(id)) = (beside, old.id.clone()) {
                entry.retired.push(Retired {
                    id,
                    inputs: old.inputs.clone(),
                    outputs: old.outputs.clone(),
                    private: old.private.clone(),
                    deps: old.deps.clone(),
                    op: OpKey::fresh(),
                });
            }
        }
        self.emit(verb);
        self.begin(&entry).await?;
        let call = Call { inputs: self.inputs.clone(), ..self.call_of(&entry) };
        let object = match self.attempt(Method::Create, call, &entry).await {
            Ok(object) => object,
            Err(AttemptError::Unchanged(failed)) => {
                match prior.filter(|_| beside) {
                    Some(prior) => self.put(prior).await?,
                    None if entry.retired.is_empty() => {
                        self.write(Record::Remove { addr: self.node.addr.clone() }).await?;
                    }
                    None => {}
                }
                return Err(failed);
            }
            Err(AttemptError::Changed { object, failed }) => {
                if let Some(object) = object {
                    self.put(self.made(&entry, *object, Status::Broken)).await?;
                }
                return Err(failed);
            }
        };
        let entry = self.made(&entry, object, Status::Ok);
        self.end(entry, verb).await
    }

    /// What exists now, by the plugin's word.
    fn made(&self, entry: &Entry, object: Object, status: Status) -> Entry {
        let outputs = match &self.node.kind {
            Some(kind) => crate::plan::tag_outputs(kind, &self.inputs, &object.outputs),
            None => object.outputs,
        };
        self.cx.redactor.learn(&Json::Object(outputs.clone()));
        let id = if object.id.is_empty() { entry.id.clone() } else { Some(object.id) };
        Entry {
            id,
            outputs: merged(&entry.outputs, &outputs),
            private: object.private,
            status,
            time: now(),
            ..entry.clone()
        }
    }

    async fn end(&self, entry: Entry, verb: &'static str) -> Result<Done, Failed> {
        let entry = Arc::new(entry);
        self.put(entry.clone()).await?;
        self.known(&entry);
        self.keep_retired(&entry);
        Ok(self.finished(verb))
    }

    /// What was replaced is deleted when its dependents have let go of it.
    fn keep_retired(&self, entry: &Arc<Entry>) {
        if !entry.retired.is_empty() {
            self.cx.retired().insert(self.index, entry.clone());
        }
    }

    /// Deletes replaced objects; what remains stays recorded.
    async fn delete_retired(&self, mut shared: Arc<Entry>) -> Result<Arc<Entry>, Failed> {
        while let Some(old) = shared.retired.first().cloned() {
            let exists = self.look_at_replaced(&old, &shared).await?;
            let entry = Arc::make_mut(&mut shared);
            if !exists {
                entry.retired.remove(0);
                self.put(shared.clone()).await?;
                continue;
            }
            let call = Call {
                kind: entry.kind.to_string(),
                op: old.op.0.clone(),
                id: old.id.clone(),
                prior: sendable(&old.inputs),
                outputs: old.outputs.clone(),
                private: old.private.clone(),
                ..Call::default()
            };
            self.attempt(Method::Delete, call, entry).await?;
            entry.retired.remove(0);
            if self.node.leftovers.iter().any(|left| left.id == old.id) {
                let id = dtm_lang::value::quote(&old.id);
                let text = format!("the replaced object {id} of `{}` is deleted", self.node.addr);
                (self.cx.events)(Event::Notice { text });
            }
            self.put(shared.clone()).await?;
        }
        Ok(shared)
    }

    async fn update(&self, prior: Arc<Entry>) -> Result<Done, Failed> {
        if self.look_again(&prior, "changed").await?.is_none() {
            let d = *self.fail(Code::E0616, "it no longer exists, although it did when the plan was made");
            return Err(Box::new(d.help("plan again: the next apply creates it")));
        }
        let mut entry = self.entry(Status::Updating, self.node.op.clone()).await?;
        entry.id = prior.id.clone();
        entry.outputs = prior.outputs.clone();
        entry.private = prior.private.clone();
        entry.retired = prior.retired.clone();
        // Until the update has succeeded, what the object depended on may still be in use.
        entry.deps.extend(prior.deps.iter().filter(|d| !self.node.deps.contains(d)).cloned());
        entry.deps.sort();
        let verb = if self.node.action == Action::Adopt { "adopt" } else { "update" };
        self.emit(verb);
        self.begin(&entry).await?;
        let call =
            Call { inputs: self.inputs.clone(), prior: self.prior_inputs(&prior), ..self.call_of(&entry) };
        match self.attempt(Method::Update, call, &entry).await {
            Ok(object) => {
                let entry = self.made(&entry, object, Status::Ok);
                match self.as_planned(&entry) {
                    Ok(()) => self.end(Entry { deps: self.node.deps.clone(), ..entry }, verb).await,
                    Err(d) => {
                        self.put(Entry { status: Status::Broken, ..entry }).await?;
                        Err(d)
                    }
                }
            }
            Err(AttemptError::Unchanged(failed)) => {
                self.put(prior).await?;
                Err(failed)
            }
            Err(AttemptError::Changed { object, failed }) => {
                let broken = match object {
                    Some(object) => self.made(&entry, *object, Status::Broken),
                    None => Entry { status: Status::Broken, ..entry },
                };
                self.put(broken).await?;
                Err(failed)
            }
        }
    }

    /// Outputs that were said beforehand are what came, but for those that depend on the checkout (`@local`).
    fn as_planned(&self, entry: &Entry) -> Result<(), Failed> {
        let outputs = self.node.kind.as_ref().map(|kind| &kind.outputs);
        let local = |name: &str| outputs.and_then(|o| o.get(name)).is_some_and(|o| o.local);
        for (name, planned) in self.node.planned.iter().filter(|(name, _)| !local(name)) {
            let got = entry.outputs.get(name).unwrap_or(&Json::Null);
            if !same(planned, got, None) {
                let shown = |v: &Json| if has_secret(v) { "(secret)".to_string() } else { v.to_string() };
                let text = format!("its output `{name}` came back different from what was planned");
                let d = *self.fail(Code::E0611, text);
                return Err(Box::new(
                    d.note(format!("planned: {}", shown(planned))).note(format!("got:     {}", shown(got))),
                ));
            }
        }
        Ok(())
    }

    async fn replace(&mut self, create_first: bool) -> Result<Done, Failed> {
        let Some(prior) = self.node.prior.clone() else { return self.create(false).await };
        if create_first {
            return self.create(true).await;
        }
        if prior.id.is_none() {
            return self.create(false).await;
        }
        self.remove(&prior, Status::Replacing).await?;
        self.is_gone(&prior).await?;
        let done = self.create(false).await;
        if done.is_err() {
            self.finished("delete");
        }
        done
    }

    async fn delete(&self) -> Result<Done, Failed> {
        let Some(prior) = self.node.prior.clone() else { return Ok(Done::Unchanged) };
        let prior = self.delete_retired(prior).await?;
        self.emit("delete");
        let left = self.remove(&prior, Status::Deleting).await?;
        self.write(Record::Remove { addr: self.node.addr.clone() }).await?;
        Ok(self.finished(if left { "forget" } else { "delete" }))
    }

    /// Deletes the object of an entry; its record stays. Returns whether the plugin left the object as it is, and said why.
    async fn remove(&self, prior: &Entry, status: Status) -> Result<bool, Failed> {
        if self.look_again(prior, "deleted").await?.is_none() {
            return Ok(false);
        }
        let op = if status == Status::Deleting { self.node.op.clone() } else { OpKey::fresh() };
        let entry = Entry { status, op, ..prior.clone() };
        self.begin(&entry).await?;
        let call = Call { prior: sendable(&prior.inputs), ..self.call_of(&entry) };
        match self.attempt(Method::Delete, call, &entry).await {
            Ok(object) => Ok(object.private.get("left").and_then(Json::as_bool).unwrap_or(false)),
            Err(e) => {
                if matches!(e, AttemptError::Unchanged(_)) {
                    self.put(prior.clone()).await?;
                }
                Err(self.with_dependents(*Failed::from(e)))
            }
        }
    }

    /// A failed deletion, with the tools that still depend on the object.
    fn with_dependents(&self, diagnostic: Diagnostic) -> Failed {
        let holds = |n: &&Node| {
            let goes = matches!(n.action, Action::Delete | Action::Replace { .. });
            !goes && n.prior.as_ref().is_some_and(|p| p.deps.contains(&self.node.addr))
        };
        let names: Vec<String> =
            self.cx.plan.nodes.iter().filter(holds).map(|n| format!("`{}`", n.addr)).collect();
        Box::new(match names.as_slice() {
            [] => diagnostic,
            [one] => diagnostic.note(format!("{one} depends on it, and is not replaced by this plan")),
            many => diagnostic
                .note(format!("{} depend on it, and are not replaced by this plan", many.join(", "))),
        })
    }

    /// The recorded inputs for an update; in the place of write-only ones, which are kept only as a hash, what is
    /// wanted now.
    fn prior_inputs(&self, prior: &Entry) -> Fields {
        let mut fields = sendable(&prior.inputs);
        for name in prior.inputs.keys().filter(|n| !fields.contains_key(*n)).cloned().collect::<Vec<_>>() {
            if let Some(wanted) = self.inputs.get(&name) {
                fields.insert(name, wanted.clone());
            }
        }
        fields
    }

    async fn begin(&self, entry: &Entry) -> Result<(), Failed> {
        self.cx.plugins.watch(&entry.op, &self.node.addr, &self.cx.journal);
        self.write(Record::Begin { addr: self.node.addr.clone(), entry: Arc::new(entry.clone()) }).await
    }

    fn call_of(&self, entry: &Entry) -> Call {
        Call {
            kind: entry.kind.to_string(),
            op: entry.op.0.clone(),
            id: entry.id.clone().unwrap_or_default(),
            outputs: entry.outputs.clone(),
            private: entry.private.clone(),
            ..Call::default()
        }
    }
}
