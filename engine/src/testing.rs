//! A project in memory, for tests of the planner and the executor: a program as text, the plugin [`Cloud`], a state.

use crate::event::{Event, Events};
use crate::execute::{self, Options, Outcome, StopLevel};
use crate::plan::{Action, BuildOptions, Node, Plan, Reality, build, destroy};
use crate::plugin::double::{Cloud, INTERFACE};
use crate::plugin::{PluginCalls, Settings};
use crate::state::memory::MemoryStore;
use crate::state::{Entry, Holder, Journal, State, StateStore};
use dtm_lang::wire::{is_secret, is_unknown};
use dtm_lang::{Inputs, Loader, Program, Purpose, Shipped, Symbol};
use serde_json::Value;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

struct Files(String);

impl Loader for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "main.dts" => Ok(self.0.clone().into_bytes()),
            _ => Err("there is no such file".into()),
        }
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let shipped = || Shipped { text: INTERFACE.into(), version: "1.0.0".into(), interface_only: false };
        (plugin == "cloud").then(shipped)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        vec!["cloud".into()]
    }
    fn std_module(&self, _: &str) -> Option<Symbol> {
        None
    }
}

/// The program of a text, to which `dts 1` is added.
#[track_caller]
pub(crate) fn program(text: &str) -> Arc<Program> {
    let (program, problems) = Program::load(
        "main.dts",
        Arc::new(Files(format!("dts 1\n\n{text}\n"))),
        &Inputs::default(),
        Purpose::Plan,
    );
    assert!(!problems.has_errors(), "{:?}", problems.iter().map(|d| &d.headline).collect::<Vec<_>>());
    Arc::new(program)
}

/// A project.
pub(crate) struct Bench {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) store: MemoryStore,
    pub(crate) build: BuildOptions,
    pub(crate) options: Options,
    /// What was reported while it was applied.
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    /// Raised while an apply runs.
    pub(crate) stop: watch::Sender<StopLevel>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench {
            cloud: Cloud::new(),
            store: MemoryStore::default(),
            build: BuildOptions::default(),
            options: Options::default(),
            events: Arc::default(),
            stop: watch::channel(StopLevel::Run).0,
        }
    }

    /// A project in which this was applied.
    pub(crate) async fn with(text: &str) -> Bench {
        let bench = Bench::new();
        let outcome = bench.apply(text).await;
        assert!(outcome.is_complete(), "{outcome:?}");
        bench.cloud.log();
        bench
    }

    fn plugins(&self) -> Arc<dyn PluginCalls> {
        self.cloud.clone()
    }

    fn heard(&self) -> Events {
        let events = self.events.clone();
        Arc::new(move |event| events.lock().expect("not poisoned").push(event))
    }

    pub(crate) fn state(&self) -> State {
        self.store.load().expect("a state").state
    }

    /// Changes what the state records of a tool.
    pub(crate) fn record(&mut self, addr: &str, change: impl FnOnce(&mut Entry)) {
        let mut state = self.state();
        change(Arc::make_mut(state.tools.get_mut(addr).expect("a tool")));
        self.store = MemoryStore::with(state);
    }

    pub(crate) async fn plan(&self, text: &str) -> Plan {
        build(&program(text), &self.state(), &self.plugins(), &self.build, &self.heard()).await
    }

    /// Plans the deletion of everything.
    pub(crate) async fn destroy(&self) -> Plan {
        self.delete(None).await
    }

    /// Plans the deletion of some tools.
    pub(crate) async fn delete(&self, only: Option<&[String]>) -> Plan {
        let (plugin, _, _) = dtm_lang::read_interface("cloud.dts", INTERFACE);
        let kinds = |_: &str, kind: &str| plugin.as_ref()?.kinds.get(kind).cloned();
        let settings = |_: &str, _: &Entry| Ok(Settings::new());
        destroy(&self.state(), only, &kinds, &settings, &self.plugins(), Reality::Read).await
    }

    /// Plans and carries out. Nothing is carried out of a plan with errors.
    pub(crate) async fn apply(&self, text: &str) -> Outcome {
        let program = program(text);
        let plan = build(&program, &self.state(), &self.plugins(), &self.build, &self.heard()).await;
        assert!(!plan.diagnostics.has_errors(), "{}", shown(&plan));
        self.carry_out(Some(program), plan).await
    }

    pub(crate) async fn carry_out(&self, program: Option<Arc<Program>>, plan: Plan) -> Outcome {
        let holder = Holder {
            who: "a test".into(),
            pid: 1,
            since: String::new(),
            doing: "apply".into(),
            machine: String::new(),
        };
        let session = self.store.lock(holder, Duration::ZERO).expect("free");
        let journal = Journal::start(session).expect("a thread");
        let outcome = execute::run(execute::Run {
            program,
            plan: Arc::new(plan),
            plugins: self.plugins(),
            journal: journal.clone(),
            options: self.options.clone(),
            events: self.heard(),
            redactor: self.cloud.redactor().clone(),
            stop: self.stop.subscribe(),
        })
        .await;
        drop(journal.finish().await);
        outcome
    }
}

/// A plan, a tool a line, with its changes below.
pub(crate) fn shown(plan: &Plan) -> String {
    let mut out = String::new();
    let mut nodes: Vec<&Node> = plan.nodes.iter().collect();
    nodes.sort_by(|a, b| a.addr.cmp(&b.addr));
    for node in nodes {
        let verb = match node.action == (Action::Replace { create_first: true }) {
            true => "replace, create first",
            false => node.action.verb(),
        };
        let condition = if node.conditional { " perhaps" } else { "" };
        let reason = node.reason.to_string();
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let _ = writeln!(out, "{} {verb}{condition}{why}", node.addr);
        // Of what is created every input is new.
        for change in node.changes.iter().filter(|_| node.action != Action::Create) {
            let more = [(change.replaces, " replaces"), (change.drift, " drift")];
            let more: String = more.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            let _ = writeln!(
                out,
                "  {}: {} -> {}{more}",
                change.name,
                short(&change.before),
                short(&change.after)
            );
        }
    }
    for (from, to) in &plan.moves {
        let _ = writeln!(out, "{from} moves to {to}");
    }
    for d in plan.diagnostics.iter() {
        let _ = writeln!(out, "{}: {}", d.code, d.headline);
    }
    out
}

fn short(value: &Value) -> String {
    if is_secret(value) {
        "(secret)".into()
    } else if is_unknown(value) {
        "(unknown)".into()
    } else {
        value.to_string()
    }
}

/// What came of it: tools by what was done with them.
pub(crate) fn came_of(outcome: &Outcome) -> String {
    let mut out = String::new();
    let mut done = outcome.done.clone();
    done.sort();
    for (addr, verb) in done {
        let _ = writeln!(out, "{addr} {verb}");
    }
    let mut failed: Vec<String> =
        outcome.failed.iter().map(|(addr, d)| format!("{addr} failed: {} {}", d.code, d.headline)).collect();
    failed.sort();
    let mut skipped: Vec<String> =
        outcome.skipped.iter().map(|(a, c)| format!("{a} skipped because of {c}")).collect();
    skipped.sort();
    let stopped = outcome.stopped.iter().map(|a| format!("{a} stopped"));
    for line in failed.into_iter().chain(skipped).chain(stopped) {
        let _ = writeln!(out, "{line}");
    }
    for d in outcome.asserts.iter() {
        let _ = writeln!(out, "{}: {}", d.code, d.headline);
    }
    out
}
