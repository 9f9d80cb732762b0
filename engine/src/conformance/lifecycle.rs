//! The lifecycle of every case: made in the order of the program, changed, removed in the opposite order.

use super::cases::Cases;
use super::examinee::Examinee;
use super::probe;
use super::report::{Outcome, Report, Rule};
use super::trial::{Made, Trial};
use crate::Fields;
use crate::graph::Graph;
use crate::plan::Known;
use crate::plan::diff::{changes, same};
use crate::plan::recover::natural_key;
use crate::plugin::Settings;
use crate::state::OpKey;
use dtm_lang::interface::Recover;
use dtm_lang::value::InstanceId;
use dtm_lang::wire::{has_unknown, to_wire};
use dtm_lang::{Program, Severity};
use dtm_plugin::protocol::{Method, VERSIONS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

struct Lifecycle<'a> {
    all: &'a BTreeMap<String, Examinee>,
    examined: &'a str,
    cases: &'a Cases,
    report: &'a mut Report,
    made: BTreeMap<String, Made>,
    /// What others manage.
    existing: BTreeMap<String, Made>,
    /// Kinds of which a case was changed.
    changed: BTreeSet<String>,
    /// Optional questions that the plugin answers.
    manifest: Option<dtm_plugin::protocol::Manifest>,
}

/// Lives the lives of all cases.
pub(super) async fn run(
    all: &BTreeMap<String, Examinee>,
    examined: &str,
    cases: &Cases,
    report: &mut Report,
) {
    let order = order(cases.program());
    let manifest = match all.get(examined) {
        Some(plugin) => plugin.hello(&VERSIONS).await.ok(),
        None => None,
    };
    let mut lifecycle = Lifecycle {
        all,
        examined,
        cases,
        report,
        made: BTreeMap::new(),
        existing: BTreeMap::new(),
        changed: BTreeSet::new(),
        manifest,
    };
    for id in &order {
        lifecycle.create(*id).await;
    }
    for id in &order {
        lifecycle.update(*id).await;
    }
    for id in order.iter().rev() {
        lifecycle.delete(*id).await;
    }
    lifecycle.coverage();
}

fn order(program: &Program) -> Vec<InstanceId> {
    let instances = program.instances();
    let mut graph = Graph::new(instances.len());
    for (i, instance) in instances.iter().enumerate() {
        instance.edges.keys().for_each(|before| graph.add_new(before.0 as usize, i));
    }
    let order = graph.order().unwrap_or_default();
    order.into_iter().map(|i| InstanceId(i as u32)).collect()
}

impl<'a> Lifecycle<'a> {
    fn trial(&self, program: &Program, id: InstanceId) -> Option<Trial<'a>> {
        let instance = program.instance(id);
        let settings = match instance
            .config
            .map(|c| to_wire(&program.configuration(c, &self.known(program).of(program)).0))
        {
            Some(Value::Object(settings)) => settings,
            _ => Settings::new(),
        };
        let timeout = instance.options.timeout.map(|ns| Duration::from_nanos(ns.max(0) as u64));
        let plugin = self.all.get(&*instance.plugin)?;
        Some(Trial { plugin, settings, kind: instance.kind.clone(), timeout })
    }

    /// The outputs so far, for one form of the program.
    fn known(&self, program: &Program) -> Known {
        let known = Known::default();
        for (addr, made) in self.made.iter().chain(&self.existing) {
            program.find(addr).into_iter().for_each(|id| known.set(id, made.outputs.clone()));
        }
        known
    }

    /// The inputs of a case in one form of the program.
    fn inputs(&self, program: &Program, addr: &str) -> Result<Fields, String> {
        let Some(id) = program.find(addr) else { return Err("it is not in this form of the cases".into()) };
        let (values, problems) = program.inputs(id, &self.known(program).of(program));
        if let Some(d) = problems.into_iter().find(|d| d.severity() == Severity::Error) {
            return Err(d.headline);
        }
        let inputs: Fields =
            values.iter().map(|(n, v)| (n.to_string(), to_wire(v))).filter(|(_, v)| !v.is_null()).collect();
        match inputs.iter().find(|(_, v)| has_unknown(v)) {
            Some((name, _)) => Err(format!("its input `{name}` comes from something that was not made")),
            None => Ok(inputs),
        }
    }

    /// Where `list` looks for a case: what the output `within` says of it, else nowhere in particular.
    fn within(&self, addr: &str) -> Fields {
        let program = self.cases.program();
        let (outputs, _) = program.outputs(&self.known(program).of(program));
        let within = outputs.iter().find(|(name, _)| &***name == "within").map(|(_, v)| to_wire(v));
        match within.as_ref().and_then(|all| all.get(addr)) {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Fields::new(),
        }
    }

    fn subject(&self, id: InstanceId) -> String {
        let instance = self.cases.program().instance(id);
        format!("{}: {}", instance.addr, instance.kind.name)
    }

    fn is_examined(&self, id: InstanceId) -> bool {
        *self.cases.program().instance(id).plugin == *self.examined
    }

    fn can(&self, method: Method, kind: &str) -> bool {
        self.manifest.as_ref().is_some_and(|m| m.can(method, kind))
    }

    /// An object that others manage: it is found by its key, and read.
    async fn found(&mut self, subject: &str, addr: String, trial: &Trial<'_>, op: &str, inputs: Fields) {
        let looked = async {
            let ids = trial.find(op, &inputs).await?;
            let [id] = &*ids else {
                return Err(format!("`find` gives {} ids for an object that exists", ids.len()));
            };
            let made = Made {
                op: op.into(),
                id: id.clone(),
                inputs: inputs.clone(),
                outputs: Fields::new(),
                private: Value::Null,
            };
            let Some(seen) = trial.read(&made).await? else {
                return Err("`read` says that what `find` gives is absent".to_string());
            };
            crate::plugin::conforms(&trial.kind, &seen.outputs)?;
            Ok(Made { outputs: seen.outputs, ..made })
        };
        let result = looked.await.map(|made| _ = self.existing.insert(addr, made));
        self.report.hold(subject, Rule::Find, result);
    }

    /// Everything up to an object that is there.
    async fn create(&mut self, id: InstanceId) {
        let program = self.cases.program().clone();
        let (subject, addr) = (self.subject(id), program.instance(id).addr.to_string());
        let Some(trial) = self.trial(&program, id) else { return };
        let inputs = match self.inputs(&program, &addr) {
            Ok(inputs) => inputs,
            Err(why) => return self.report.note(&subject, Rule::Create, Outcome::NotTried(why)),
        };
        let op = OpKey::fresh().0;
        if program.instance(id).existing {
            return self.found(&subject, addr, &trial, &op, inputs).await;
        }
        if !self.is_examined(id) {
            match trial.create(&op, &inputs).await {
                Ok(made) => _ = self.made.insert(addr, made),
                Err(why) => self.report.note(&subject, Rule::Create, Outcome::Broken(why)),
            }
            return;
        }
        match trial.presence(&op, &inputs).await {
            Ok(Some(true)) => {
                let why = "it already exists, and a case must begin with nothing".to_string();
                return self.report.note(&subject, Rule::Create, Outcome::NotTried(why));
            }
            Ok(_) => {}
            Err(why) => return self.report.note(&subject, Rule::Find, Outcome::Broken(why)),
        }
        self.questions(&subject, &trial, &inputs).await;
        self.optional(&subject, &trial, &inputs).await;
        let misfit = probe::misfit(&trial, &inputs).await;
        self.report.hold(&subject, Rule::Misfit, misfit);
        let slow =
            self.cases.slow().and_then(|p| self.inputs(p, &addr).ok()).unwrap_or_else(|| inputs.clone());
        for (rule, early) in [(Rule::Cancel, false), (Rule::Deadline, true)] {
            match probe::interrupted(&trial, &slow, early).await {
                Ok(true) => self.report.note(&subject, rule, Outcome::Held),
                Ok(false) => {
                    let why = "it ended before it could be cancelled: `slow = true` has no effect on it"
                        .to_string();
                    self.report.note(&subject, rule, Outcome::NotTried(why));
                }
                Err(why) => self.report.note(&subject, rule, Outcome::Broken(why)),
            }
        }
        let Some(made) = self.report.hold(&subject, Rule::Create, trial.create(&op, &inputs).await) else {
            return;
        };
        let plan = trial.second_plan("`create`", &made).await;
        self.report.hold(&subject, Rule::SecondPlan, plan);
        self.lookup(&subject, &trial, &made).await;
        if self.can(Method::List, &trial.kind.name) {
            let listed = probe::listed(&trial, self.within(&addr), &made).await;
            self.report.hold(&subject, Rule::List, listed);
        }
        if let Recover::Key | Recover::Op = trial.recovery(&inputs) {
            let again = probe::same_op(&trial, &op, &made).await;
            self.report.hold(&subject, Rule::SameOp, again);
        } else {
            self.report.note(
                &subject,
                Rule::SameOp,
                Outcome::NotTried("its kind is not recovered by operation key".into()),
            )
        }
        self.made.insert(addr, made);
    }

    /// `validate`, if it is answered.
    async fn questions(&mut self, subject: &str, trial: &Trial<'_>, inputs: &Fields) {
        if !self.can(Method::Validate, &trial.kind.name) {
            let why = "the plugin does not answer `validate` for this kind".to_string();
            return self.report.note(subject, Rule::Validate, Outcome::NotTried(why));
        }
        let result = probe::validate(trial, inputs).await;
        self.report.hold(subject, Rule::Validate, result);
    }

    /// What a plugin may answer beyond that, if it says that it does.
    async fn optional(&mut self, subject: &str, trial: &Trial<'_>, inputs: &Fields) {
        if self.can(Method::Place, &trial.kind.name) {
            let result = probe::place(trial).await;
            self.report.hold(subject, Rule::Place, result);
        }
        if self.can(Method::Preview, &trial.kind.name) {
            let result = probe::preview(trial, inputs).await;
            self.report.hold(subject, Rule::Preview, result);
        }
    }

    /// `find`, `read_many`, and many calls at the same time.
    async fn lookup(&mut self, subject: &str, trial: &Trial<'_>, made: &Made) {
        if natural_key(&trial.kind, &made.inputs).is_empty() {
            self.report.note(subject, Rule::Find, Outcome::NotTried("its kind has no `@key`".into()));
        } else {
            let found =
                trial.find(&made.op, &made.inputs).await.and_then(|ids| match ids == [made.id.clone()] {
                    true => Ok(()),
                    false => Err(format!("`create` gave the id `{}` and `find` gives {ids:?}", made.id)),
                });
            self.report.hold(subject, Rule::Find, found);
        }
        if self.can(Method::FindMany, &trial.kind.name) {
            let many = probe::find_many(trial, made).await;
            self.report.hold(subject, Rule::FindMany, many);
        }
        let many = probe::read_many(trial, made).await;
        match many {
            Ok(true) => _ = self.report.hold(subject, Rule::ReadMany, Ok(())),
            Ok(false) => {
                let why = "it answers `read_many` with an error, and is read one by one".to_string();
                self.report.note(subject, Rule::ReadMany, Outcome::NotTried(why));
            }
            Err(why) => _ = self.report.hold::<()>(subject, Rule::ReadMany, Err(why)),
        }
        let parallel = probe::parallel(trial, made).await;
        self.report.hold(subject, Rule::Parallel, parallel);
    }

    /// The change of a case.
    async fn update(&mut self, id: InstanceId) {
        let base = self.cases.program().clone();
        let (subject, addr) = (self.subject(id), base.instance(id).addr.to_string());
        let Some(made) = self.made.get(&addr).cloned() else { return };
        let Some(changed) = self.cases.changed().cloned() else { return };
        let Some(trial) = changed.find(&addr).and_then(|id| self.trial(&changed, id)) else { return };
        let inputs = match self.inputs(&changed, &addr) {
            Ok(inputs) => inputs,
            Err(why) => return self.report.note(&subject, Rule::Update, Outcome::NotTried(why)),
        };
        let difference = changes(&trial.kind, &inputs, &made.inputs, None, &[]);
        if difference.is_empty() {
            return;
        }
        let mut replaces = difference.iter().any(|c| c.replaces);
        let mut planned = Fields::new();
        if !replaces && self.is_examined(id) && self.can(Method::Plan, &trial.kind.name) {
            match probe::plan(&trial, &made, &inputs).await {
                Ok((outputs, reasons)) => (planned, replaces) = (outputs, reasons),
                Err(why) => _ = self.report.hold::<()>(&subject, Rule::Plan, Err(why)),
            }
        }
        if replaces {
            return self.replace(&subject, &addr, &trial, &made, &inputs).await;
        }
        let result = trial.update(&made, &inputs).await;
        if !self.is_examined(id) {
            match result {
                Ok(now) => _ = self.made.insert(addr, now),
                Err(why) => self.report.note(&subject, Rule::Update, Outcome::Broken(why)),
            }
            return;
        }
        let Some(now) = self.report.hold(&subject, Rule::Update, result) else { return };
        self.changed.insert(trial.kind.name.to_string());
        let stable = trial.kind.outputs.iter().filter(|(_, o)| o.stable).find(|(n, _)| {
            let of = |m: &Made| m.outputs.get(&***n).cloned().unwrap_or_default();
            !same(&of(&made), &of(&now), None)
        });
        let stable = stable.map_or(Ok(()), |(n, _)| Err(format!("the `@stable` output `{n}` changed")));
        self.report.hold(&subject, Rule::Stable, stable);
        if self.can(Method::Plan, &trial.kind.name) {
            let wrong = planned.iter().find(|(n, v)| {
                !has_unknown(v) && !same(v, now.outputs.get(*n).unwrap_or(&Value::Null), None)
            });
            let right = wrong.map_or(Ok(()), |(n, _)| {
                Err(format!("`plan` predicted a different value of the output `{n}` than `update` gave"))
            });
            self.report.hold(&subject, Rule::Plan, right);
        }
        let empty = trial.second_plan("`update`", &now).await;
        self.report.hold(&subject, Rule::SecondPlan, empty);
        let again = match trial.update(&now, &inputs).await {
            Ok(again) => trial.second_plan("a second `update`", &again).await.map(|()| again),
            Err(why) => Err(why),
        };
        let last = self.report.hold(&subject, Rule::UpdateAgain, again).unwrap_or(now);
        self.made.insert(addr, last);
    }

    /// A change that cannot be an update.
    async fn replace(&mut self, subject: &str, addr: &str, trial: &Trial<'_>, made: &Made, inputs: &Fields) {
        self.report.hold(subject, Rule::Delete, trial.delete(made).await);
        self.made.remove(addr);
        let created = trial.create(&OpKey::fresh().0, inputs).await;
        let Some(now) = self.report.hold(subject, Rule::Create, created) else { return };
        let empty = trial.second_plan("`create`", &now).await;
        self.report.hold(subject, Rule::SecondPlan, empty);
        self.changed.insert(trial.kind.name.to_string());
        self.made.insert(addr.to_string(), now);
    }

    /// The end of a case.
    async fn delete(&mut self, id: InstanceId) {
        let program = self.cases.program().clone();
        let (subject, addr) = (self.subject(id), program.instance(id).addr.to_string());
        let (Some(trial), Some(made)) = (self.trial(&program, id), self.made.remove(&addr)) else { return };
        let deleted = trial.delete(&made).await;
        if !self.is_examined(id) {
            if let Err(why) = deleted {
                self.report.note(&subject, Rule::Delete, Outcome::Broken(why));
            }
            return;
        }
        self.report.hold(&subject, Rule::Delete, deleted);
        let absent = match trial.recovery(&made.inputs) {
            Recover::Rerun | Recover::Ask => {
                let why = "what its kind makes cannot be looked for".to_string();
                self.report.note(&subject, Rule::Absent, Outcome::NotTried(why));
                None
            }
            Recover::Key | Recover::Op | Recover::Read => Some(trial.read(&made).await),
        };
        match absent {
            Some(Ok(Some(_))) => {
                let why = "`read` still sees it after `delete`".to_string();
                self.report.note(&subject, Rule::Delete, Outcome::Broken(why));
            }
            Some(Ok(None)) => self.report.note(&subject, Rule::Absent, Outcome::Held),
            Some(Err(why)) => self.report.note(&subject, Rule::Absent, Outcome::Broken(why)),
            None => {}
        }
        if !natural_key(&trial.kind, &made.inputs).is_empty() {
            // As the next creation would ask.
            let left =
                trial.find(&OpKey::fresh().0, &made.inputs).await.and_then(|ids| match ids.is_empty() {
                    true => Ok(()),
                    false => Err(format!("after `delete`, `find` still gives {ids:?}")),
                });
            self.report.hold(&subject, Rule::Delete, left);
        }
        if self.can(Method::List, &trial.kind.name) {
            let left = match trial.list(self.within(&addr)).await {
                Ok(found) if found.iter().any(|l| l.id == made.id) => {
                    Err(format!("after `delete`, `list` still gives `{}`", made.id))
                }
                // Where it looked may be gone as well.
                Ok(_) | Err(_) => Ok(()),
            };
            self.report.hold(&subject, Rule::List, left);
        }
        let again = trial.delete(&made).await.map_err(|why| format!("a second time, {why}"));
        self.report.hold(&subject, Rule::DeleteAgain, again);
    }

    fn coverage(&mut self) {
        let Some(plugin) = self.all.get(self.examined) else { return };
        let instances = self.cases.program().instances();
        let cases = instances.iter().filter(|i| *i.plugin == *self.examined);
        let with_case: BTreeSet<String> = cases.map(|i| i.kind.name.to_string()).collect();
        let mut missing = vec![];
        for (name, kind) in &plugin.plugin.kinds {
            match (with_case.contains(&**name), self.changed.contains(&**name)) {
                (false, _) => missing.push(format!("the kind `{name}` has no case")),
                (true, false) if kind.inputs.values().any(|i| !i.immutable) => {
                    missing.push(format!("no case of the kind `{name}` was changed with `change = true`"));
                }
                _ => {}
            }
        }
        let result = if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) };
        self.report.hold(&plugin.plugin.name, Rule::Coverage, result);
    }
}
