//! Carries out a plan: a ready queue, not waves. A node starts the moment everything that it waits for is done.
//!
//! ```text
//! ready: [c, a]      running: {b}      waits: d→2
//!   b done  →  waits: d→1     a done  →  waits: d→0, ready: [c, d]
//! ```
//!
//! One owner: this loop. Operations are tasks that report back once; a failed node takes its dependents with it,
//! everything else goes on.

mod attempt;
#[cfg(test)]
mod laws;
mod look;
mod operation;
mod turns;

use crate::address::ToolAddr;
use crate::clock::Lease;
use crate::event::{Event, Events};
use crate::plan::identity::identity_of;
use crate::plan::{Action, Known, Node, Part, Plan, Step};
use crate::plugin::PluginCalls;
use crate::secret::Redactor;
use crate::state::{Entry, Holder, Journal, PluginRef, Record};
use crate::tasks::Tasks;
use dtm_lang::{Code, Diagnostic, InstanceId, Program};
use operation::{Done, operate};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use turns::Turns;

pub use crate::stop::StopLevel;

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Operations at the same time.
    pub parallelism: usize,
    /// After the first failure nothing new starts.
    pub fail_fast: bool,
    /// The default deadline of an operation.
    pub timeout: Duration,
    /// How often a retryable failure is tried again by default.
    pub retries: u32,
    /// Earlier holders of the lock whose operations may still run somewhere.
    pub left: Vec<Holder>,
    /// When this run took the lock, or later.
    pub since: Instant,
    /// Until when an operation may be begun, where the lock ends by itself.
    pub lease: Option<Lease>,
    /// How many operations of a plugin may run at the same time, by its name in the program.
    pub limits: BTreeMap<String, usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            parallelism: 10,
            fail_fast: false,
            timeout: Duration::from_secs(20 * 60),
            retries: 4,
            left: vec![],
            since: Instant::now(),
            lease: None,
            limits: BTreeMap::new(),
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Tools that were changed, by verb.
    pub done: Vec<(ToolAddr, &'static str)>,
    /// Tools that failed.
    pub failed: Vec<(ToolAddr, Diagnostic)>,
    /// Tools that were not begun, with the one that is the cause.
    pub skipped: Vec<(ToolAddr, ToolAddr)>,
    /// Tools that were not begun because the run was stopped.
    pub stopped: Vec<ToolAddr>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Asserts that do not hold now that their values are known.
    pub asserts: dtm_lang::Diagnostics,
}

impl Outcome {
    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
            && self.skipped.is_empty()
            && self.stopped.is_empty()
            && !self.asserts.has_errors()
    }
}

/// What operations share.
pub(crate) struct Context {
    pub(crate) program: Option<Arc<Program>>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) plugins: Arc<dyn PluginCalls>,
    pub(crate) journal: Journal,
    pub(crate) known: Known,
    pub(crate) options: Options,
    pub(crate) events: Events,
    pub(crate) redactor: Redactor,
    pub(crate) stop: watch::Receiver<StopLevel>,
    /// Entries with replaced objects that are still to be deleted, by node.
    retired: Mutex<BTreeMap<usize, Arc<Entry>>>,
    /// Nodes whose object was deleted and is not created again yet.
    removed: Mutex<BTreeSet<usize>>,
    /// The identities of all objects, each with its address.
    identities: Mutex<HashMap<String, ToolAddr>>,
    /// The plugins as entries name them, so that these share one.
    refs: Mutex<BTreeSet<Arc<PluginRef>>>,
}

impl Context {
    pub(crate) fn retired(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Entry>>> {
        self.retired.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn removed(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.removed.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The same plugin as in other entries.
    fn shared(&self, plugin: PluginRef) -> Arc<PluginRef> {
        let mut refs = self.refs.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = refs.get(&plugin) {
            return known.clone();
        }
        let plugin = Arc::new(plugin);
        refs.insert(plugin.clone());
        plugin
    }

    /// Claims an identity for an address; gives the other address that has it.
    pub(crate) fn claim(&self, identity: String, addr: &ToolAddr) -> Option<ToolAddr> {
        let mut all = self.identities.lock().unwrap_or_else(|e| e.into_inner());
        let owner = all.entry(identity).or_insert_with(|| addr.clone());
        (owner != addr).then(|| owner.clone())
    }
}

#[derive(PartialEq, Eq)]
struct Ready {
    remaining: usize,
    addr: std::cmp::Reverse<ToolAddr>,
    step: usize,
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.remaining, &self.addr).cmp(&(other.remaining, &other.addr))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A plan that is about to be carried out, and what that needs.
pub struct Run {
    /// The program; none when everything is destroyed without one.
    pub program: Option<Arc<Program>>,
    /// What is done. It has no errors.
    pub plan: Arc<Plan>,
    /// Who does it.
    pub plugins: Arc<dyn PluginCalls>,
    /// Where each step is made durable.
    pub journal: Journal,
    /// How.
    pub options: Options,
    /// Where progress is reported.
    pub events: Events,
    /// What hides secrets in messages.
    pub redactor: Redactor,
    /// Raised by interrupts.
    pub stop: watch::Receiver<StopLevel>,
}

/// Carries out a plan.
pub async fn run(run: Run) -> Outcome {
    let Run { program, plan, plugins, journal, options, events, redactor, stop } = run;
    let mut outcome = Outcome::default();
    for (from, to) in &plan.moves {
        let record = Record::Move { from: from.clone(), to: to.clone() };
        if let Err(why) = journal.write(record).await {
            outcome.failed.push((
                to.clone(),
                Diagnostic::new(Code::E0807, format!("`{from}` could not be moved: {why}")),
            ));
            return outcome;
        }
    }
    let parallelism = options.parallelism.max(1);
    let identities = plan.nodes.iter().filter_map(|n| Some((identity_of(n)?, n.addr.clone()))).collect();
    let cx = Arc::new(Context {
        program,
        plan,
        plugins,
        journal,
        known: Known::default(),
        options,
        events,
        redactor,
        stop,
        retired: Mutex::default(),
        identities: Mutex::new(identities),
        removed: Mutex::default(),
        refs: Mutex::default(),
    });
    let mut walk = Walk::new(cx.clone());
    let mut running: Tasks<usize, Done> = Tasks::new();
    let mut stop = cx.stop.clone();
    let mut level = *stop.borrow();
    loop {
        while !level.is_stopping() && !walk.halted && running.len() < parallelism {
            let Some(at) = walk.next(&mut outcome) else { break };
            let (cx, step) = (cx.clone(), cx.plan.schedule.steps[at]);
            running.spawn(at, async move { operate(&cx, step).await });
        }
        if running.is_empty() && (level.is_stopping() || walk.halted || walk.ready.is_empty()) {
            break;
        }
        tokio::select! {
            Some((at, done)) = running.next() => {
                let done = done.unwrap_or_else(|why| {
                    let addr = &walk.node(at).addr;
                    Done::Failed(Box::new(Diagnostic::new(Code::E0704, format!("`{addr}`: {why}")).tool(addr.clone())))
                });
                walk.finished(at, done, &mut outcome);
            },
            Ok(()) = stop.changed() => {
                level = *stop.borrow();
                outcome.interrupted = true;
                (cx.events)(Event::Stopping { level });
                cx.plugins.stop();
                match level {
                    StopLevel::Run | StopLevel::Drain => {}
                    StopLevel::Cancel => cx.plugins.cancel_all().await,
                    StopLevel::Kill => cx.plugins.kill_all().await,
                }
            }
        }
    }
    walk.rest(&mut outcome);
    match &cx.program {
        Some(program) => finish_outputs(&cx, program, &mut outcome).await,
        None if cx.plan.outputs_changed && outcome.is_complete() => {
            let record = Record::Outputs { outputs: cx.plan.prior_outputs.clone() };
            if let Err(why) = cx.journal.write(record).await {
                let d = Diagnostic::new(Code::E0807, format!("the outputs could not be recorded: {why}"));
                outcome.failed.push(("outputs".into(), d));
            }
        }
        None => {}
    }
    outcome
}

/// The program's outputs, as far as they are known now.
async fn finish_outputs(cx: &Context, program: &Program, outcome: &mut Outcome) {
    let known = cx.known.of(program);
    let (values, problems) = program.outputs(&known);
    if outcome.failed.is_empty() && outcome.stopped.is_empty() {
        outcome.asserts.append(problems);
        outcome.asserts.append(program.unneeded(&known));
    }
    let values = values.iter().filter(|(_, v)| v.is_known() && !v.is_error());
    let now: crate::Fields = values.map(|(n, v)| (n.to_string(), dtm_lang::wire::to_wire(v))).collect();
    let now = cx.redactor.tagged(now);
    // What could not be computed this time stays as it was.
    let mut outputs = match outcome.is_complete() && cx.plan.left_out.is_empty() {
        true => crate::Fields::new(),
        false => cx.plan.prior_outputs.clone(),
    };
    outputs.extend(now);
    if cx.plan.outputs_changed || cx.plan.local_outputs.is_some() {
        cx.redactor.learn(&serde_json::Value::Object(outputs.clone()));
        if let Err(why) = cx.journal.write(Record::Outputs { outputs }).await {
            outcome.failed.push((
                "outputs".into(),
                Diagnostic::new(Code::E0807, format!("the outputs could not be recorded: {why}")),
            ));
        }
    }
}

/// What went wrong without the name of the tool, which an event has anyway.
fn told(addr: &str, headline: &str) -> String {
    headline.strip_prefix(&format!("`{addr}`: ")).unwrap_or(headline).to_string()
}

struct Walk {
    cx: Arc<Context>,
    /// Turns of the plugins that have a limit.
    turns: Turns<Ready>,
    waits: Vec<usize>,
    remaining: Vec<usize>,
    ready: BinaryHeap<Ready>,
    /// Asserts that still wait for tools.
    asserts: Vec<(usize, BTreeSet<InstanceId>)>,
    /// Steps that are begun, done, failed or skipped.
    settled: Vec<bool>,
    halted: bool,
}

impl Walk {
    fn new(cx: Arc<Context>) -> Walk {
        let schedule = &cx.plan.schedule;
        let count = schedule.steps.len();
        let waits: Vec<usize> = (0..count).map(|n| schedule.graph.before(n).count()).collect();
        let remaining = schedule.graph.remaining(&schedule.order);
        let asserts = cx.plan.waiting_asserts.clone();
        let mut walk = Walk {
            turns: Turns::new(&cx.options.limits),
            cx,
            waits,
            remaining,
            ready: BinaryHeap::new(),
            asserts,
            settled: vec![false; count],
            halted: false,
        };
        (0..count).filter(|n| walk.waits[*n] == 0).collect::<Vec<_>>().into_iter().for_each(|n| walk.push(n));
        walk
    }

    fn step(&self, at: usize) -> Step {
        self.cx.plan.schedule.steps[at]
    }

    fn node(&self, at: usize) -> &Node {
        &self.cx.plan.nodes[self.step(at).node]
    }

    fn push(&mut self, at: usize) {
        let addr = std::cmp::Reverse(self.node(at).addr.clone());
        self.ready.push(Ready { remaining: self.remaining[at], addr, step: at });
    }

    /// The next step that needs an operation; those that need none are done on the way.
    fn next(&mut self, outcome: &mut Outcome) -> Option<usize> {
        while let Some(ready) = self.ready.pop() {
            let at = ready.step;
            if self.settled[at] {
                continue;
            }
            let Step { node, part } = self.step(at);
            let planned = &self.cx.plan.nodes[node];
            let acts = match part {
                Part::CleanUp => self.cx.retired().contains_key(&node),
                Part::Whole | Part::Remove | Part::Make => planned.action != Action::NoOp,
            };
            if acts {
                if self.turns.take(&planned.plugin, ready).is_none() {
                    continue;
                }
                self.settled[at] = true;
                return Some(at);
            }
            self.settled[at] = true;
            if let (Some(id), Some(prior), Part::Whole) = (planned.instance, &planned.prior, part) {
                self.cx.known.set(id, prior.clone());
            }
            self.release(at, outcome);
        }
        None
    }

    fn release(&mut self, at: usize, outcome: &mut Outcome) {
        let Step { node, part } = self.step(at);
        if matches!(part, Part::Whole | Part::Make) {
            self.judge(node, outcome);
        }
        let after: Vec<usize> = self.cx.plan.schedule.graph.after(at).collect();
        for next in after {
            self.waits[next] -= 1;
            if self.waits[next] == 0 && !self.settled[next] {
                self.push(next);
            }
        }
    }

    /// Checks the asserts whose values are known now; one that does not hold starts nothing new.
    fn judge(&mut self, node: usize, outcome: &mut Outcome) {
        let (Some(id), Some(program)) = (self.cx.plan.nodes[node].instance, &self.cx.program) else { return };
        let mut ripe = vec![];
        self.asserts.retain_mut(|(assert, waits)| {
            waits.remove(&id);
            if waits.is_empty() {
                ripe.push(*assert);
            }
            !waits.is_empty()
        });
        for assert in ripe {
            outcome.asserts.append(program.assert(assert, &self.cx.known.of(program)));
        }
        self.halted |= outcome.asserts.has_errors();
    }

    fn finished(&mut self, at: usize, done: Done, outcome: &mut Outcome) {
        let Step { node, part } = self.step(at);
        let (addr, plugin) = (self.node(at).addr.clone(), self.node(at).plugin.clone());
        self.ready.extend(self.turns.give_back(&plugin));
        match done {
            Done::Removed => self.release(at, outcome),
            Done::Changed(verb) => {
                self.cx.removed().remove(&node);
                outcome.done.push((addr, verb));
                self.release(at, outcome);
            }
            Done::Unchanged => {
                if part != Part::CleanUp {
                    (self.cx.events)(Event::Unchanged { addr });
                }
                self.release(at, outcome);
            }
            Done::Failed(d) => {
                (self.cx.events)(Event::Failed {
                    addr: addr.clone(),
                    code: d.code.to_string(),
                    message: told(&addr, &d.headline),
                });
                // A state that cannot be written takes nothing more.
                self.halted |= self.cx.options.fail_fast || d.code == Code::E0807;
                self.warn_if_gone(node);
                outcome.failed.push((addr.clone(), *d));
                self.skip_after(at, &addr, outcome);
            }
        }
    }

    /// Everything that waits for a failed step is skipped because of it.
    fn skip_after(&mut self, step: usize, cause: &str, outcome: &mut Outcome) {
        let failed = self.step(step).node;
        let mut stack = vec![step];
        while let Some(at) = stack.pop() {
            let after = self.cx.plan.schedule.graph.after(at);
            let after: Vec<usize> = after.filter(|n| !self.settled[*n]).collect();
            for next in after {
                self.settled[next] = true;
                stack.push(next);
                let Step { node, part } = self.step(next);
                // A tool is skipped once, and what it replaced stays recorded until it can go.
                if matches!(part, Part::Remove | Part::CleanUp)
                    || node == failed
                    || self.cx.plan.nodes[node].action == Action::NoOp
                {
                    continue;
                }
                let addr = self.cx.plan.nodes[node].addr.clone();
                (self.cx.events)(Event::Skipped { addr: addr.clone(), because: cause.to_string() });
                self.warn_if_gone(node);
                outcome.skipped.push((addr, cause.into()));
            }
        }
    }

    /// Says that a tool has no object any more, because the second half of its replacement did not happen.
    fn warn_if_gone(&self, node: usize) {
        if self.cx.removed().contains(&node) {
            let text = "it is deleted already; the next apply creates it again".to_string();
            (self.cx.events)(Event::Warned { addr: self.cx.plan.nodes[node].addr.clone(), text });
        }
    }

    /// What was not begun, and what was only deleted.
    fn rest(&mut self, outcome: &mut Outcome) {
        let removed = self.cx.removed().clone();
        outcome.done.extend(removed.iter().map(|node| (self.cx.plan.nodes[*node].addr.clone(), "delete")));
        for (at, step) in self.cx.plan.schedule.steps.iter().enumerate() {
            let node = &self.cx.plan.nodes[step.node];
            let counts = matches!(step.part, Part::Whole | Part::Make);
            if counts && !self.settled[at] && node.action != Action::NoOp {
                outcome.stopped.push(node.addr.clone());
            }
        }
    }
}
