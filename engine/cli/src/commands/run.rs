//! What the commands share that carry out a plan: consent, interrupts, the run itself, and its end.

use crate::exit::{Exit, Failure, reason, state_diagnostic};
use crate::terminal::{Terminal, is_yes};
use crate::trace::Trace;
use crate::trust::{Ledger, witness};
use crate::view::paper::Paper;
use crate::view::{progress, summary};
use clap::Args;
use dtm_engine::address::ToolAddr;
use dtm_engine::difference::natural;
use dtm_engine::event::{Event, Events};
use dtm_engine::execute::{self, Options, Outcome, StopLevel};
use dtm_engine::plan::{Action, Plan, only_a_person_knows};
use dtm_engine::plugin::PluginCalls;
use dtm_engine::secret::Redactor;
use dtm_engine::state::{Journal, Record, Session, State};
use dtm_lang::diag::visible;
use dtm_lang::value::Data;
use dtm_lang::{Code, Diagnostic, Diagnostics, Program, Sources};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Options of every command that changes something.
#[derive(Args, Clone)]
pub struct RunArgs {
    /// Skips the confirmation prompt.
    #[arg(short = 'y', long = "yes")]
    pub yes: bool,
    /// Maximum number of concurrent operations [default: the program's setting, or 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub parallelism: Option<u16>,
    /// Starts nothing new after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// The timeout for operations without their own, such as `10m` [default: the program's setting, or 20m].
    #[arg(long, value_name = "DURATION", value_parser = crate::options::deadline)]
    pub timeout: Option<Duration>,
    /// Writes a trace of the run to FILE, for <https://ui.perfetto.dev>.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

impl RunArgs {
    /// Shows a plan. With `-y` nobody has to confirm it, so no pager delays the run.
    pub fn show(&self, terminal: &Terminal, text: &str) {
        if self.yes { terminal.out(text) } else { terminal.page(text) }
    }
}

/// The runtime of a command.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|e| Failure::new(Code::E0903, format!("cannot start: {}", reason(&e))))
}

/// Refuses to ask where nobody can answer.
pub fn can_ask(args: &RunArgs, command: &str) -> Result<(), Failure> {
    if args.yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    let headline = format!("`dtm {command}` asks for confirmation, but there is no terminal");
    let help = "review the plan, then run the same command with `-y`, which skips the prompt";
    Err(Failure::new(Code::E0902, headline).help(help).usage())
}

/// Asks a question about a command's plan, which was shown; only `yes` or `y` is an agreement.
///
/// # Errors
/// When nobody can answer.
pub fn ask(terminal: &Terminal, args: &RunArgs, command: &str, question: &str) -> Result<bool, Failure> {
    if args.yes {
        return Ok(true);
    }
    can_ask(args, command)?;
    terminal.out(&format!("{question} [y/N] "));
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(is_yes(&answer))
}

/// Events while planning: only what plugins log, and only when asked for.
pub fn planning_events(terminal: &Terminal) -> Events {
    let (verbose, json) = (terminal.verbose > 0, terminal.json);
    Arc::new(move |event| {
        if let (Event::Log { plugin, text }, true, false) = (&event, verbose, json) {
            let _ = writeln!(std::io::stderr(), "    {}", visible(&format!("{plugin}: {text}")));
        }
    })
}

/// Events whose listener can be changed: planning is quiet, execution is shown.
#[derive(Clone)]
pub struct Switch {
    inner: Arc<Mutex<Events>>,
}

impl Switch {
    /// Begins with a listener.
    pub fn new(first: Events) -> Switch {
        Switch { inner: Arc::new(Mutex::new(first)) }
    }
    /// Changes the listener.
    pub fn set(&self, next: Events) {
        *self.inner.lock().unwrap_or_else(|e| e.into_inner()) = next;
    }
    /// As events.
    pub fn events(&self) -> Events {
        let inner = self.inner.clone();
        Arc::new(move |event| {
            let now = inner.lock().unwrap_or_else(|e| e.into_inner()).clone();
            now(event);
        })
    }
}

/// A plan about to be carried out.
pub struct Run {
    pub program: Option<Arc<Program>>,
    pub plan: Arc<Plan>,
    pub plugins: Arc<dyn PluginCalls>,
    pub session: Box<dyn Session>,
    pub switch: Switch,
    pub redactor: Redactor,
    pub options: Options,
    /// How long everything takes.
    pub trace: Trace,
    /// What is recorded before anything is begun.
    pub before: Vec<Record>,
    /// What to type to go on after a failure.
    pub next: String,
    /// What was trusted of the project; the commands of this run are, since the user confirmed it.
    pub ledger: Ledger,
}

/// The options of a run: the command line, then the program's settings, then defaults.
pub fn options(args: &RunArgs, program: Option<&Program>) -> Options {
    let setting = |name: &str| program.and_then(|p| p.setting(name));
    let default = Options::default();
    let set = |v: dtm_lang::Value| {
        if let Data::Int(n) | Data::Duration(n) = v.data {
            u64::try_from(n).ok().filter(|n| *n > 0)
        } else {
            None
        }
    };
    Options {
        parallelism: args
            .parallelism
            .map(usize::from)
            .or_else(|| setting("parallelism").and_then(set).map(|n| n as usize))
            .unwrap_or(default.parallelism),
        timeout: args
            .timeout
            .or_else(|| setting("timeout").and_then(set).map(Duration::from_nanos))
            .unwrap_or(default.timeout),
        fail_fast: args.fail_fast,
        limits: program.map(limits).unwrap_or_default(),
        ..default
    }
}

/// How many operations of a plugin may run at the same time: what the program's settings say, else the plugin's interface.
fn limits(program: &Program) -> BTreeMap<String, usize> {
    let own =
        program.plugins().iter().filter_map(|(name, used)| Some((name.to_string(), used.plugin.limit?)));
    let mut limits: BTreeMap<String, usize> = own.collect();
    if let Some(Data::Map(set)) = program.setting("limits").map(|value| value.data) {
        let set = set.iter().filter_map(|(name, value)| {
            if let Data::Int(n) = value.data {
                usize::try_from(n).ok().filter(|n| *n > 0).map(|n| (name.to_string(), n))
            } else {
                None
            }
        });
        limits.extend(set);
    }
    limits
}

/// Carries out a plan; shows progress, failures, the summary and the outputs.
pub fn carry_out(terminal: &Terminal, rt: &tokio::runtime::Runtime, run: Run) -> Result<Exit, Failure> {
    let total = run.plan.nodes.iter().filter(|n| n.action != Action::NoOp).count();
    let (view, events) = progress::view(terminal, total);
    let events = run.trace.hearing(events);
    run.trace.phase("carry out");
    run.switch.set(events.clone());
    let sources = run.program.as_ref().map(|p| p.sources().clone()).unwrap_or_default();
    let options = Options {
        left: run.session.may_run(),
        since: std::time::Instant::now(),
        lease: run.session.lease(),
        ..run.options.clone()
    };
    let begun = options.since;
    let moved = run.plan.moves.len();
    let ended: Result<(Outcome, _), Failure> = rt.block_on(async {
        let journal = Journal::start(witness(run.session, run.ledger))
            .map_err(|e| Failure::new(Code::E0807, format!("the journal cannot start: {}", reason(&e))))?;
        for record in run.before {
            let written = journal.write(record).await;
            written
                .map_err(|why| Failure::new(Code::E0807, format!("the state could not be written: {why}")))?;
        }
        let (sender, stop) = watch::channel(StopLevel::default());
        let listener = tokio::spawn(interrupts(sender));
        let outcome = execute::run(execute::Run {
            program: run.program.clone(),
            plan: run.plan.clone(),
            plugins: run.plugins.clone(),
            journal: journal.clone(),
            options,
            events,
            redactor: run.redactor.clone(),
            stop,
        })
        .await;
        listener.abort();
        Ok((outcome, journal.finish().await))
    });
    view.close();
    let traced = run.trace.finish();
    let (outcome, finished) = ended?;
    drop(run.plugins);
    let mut exit = if outcome.interrupted && !outcome.is_complete() {
        Exit::Interrupted
    } else if outcome.is_complete() {
        Exit::Done
    } else {
        Exit::Partly
    };
    report(terminal, &outcome, &sources);
    let state = match finished {
        Some((Ok(()), state, mut session)) => {
            session.take_notices().iter().for_each(|n| terminal.note(&format!("note: {n}")));
            Some(state)
        }
        Some((Err(e), state, _)) => {
            terminal.diagnostics(&state_diagnostic(&e).into(), &sources);
            exit = if exit == Exit::Done { Exit::Failed } else { exit };
            Some(state)
        }
        None => None,
    };
    let asks = match (&run.program, &state) {
        (Some(program), Some(state)) => {
            let failed = outcome.failed.iter().filter(|_| outcome.interrupted);
            only_a_person_knows(program, state, &failed.map(|(addr, _)| &**addr).collect::<Vec<_>>())
        }
        _ => vec![],
    };
    end(terminal, (&outcome, moved), state.as_ref(), (&run.next, &asks), begun.elapsed());
    if let Err(Failure { diagnostics, sources, .. }) = traced {
        // What was done is done: the run is not called a failure for it.
        terminal.diagnostics(&diagnostics, &sources);
    }
    Ok(exit)
}

/// How many characters of a message are repeated at the end of a run, where it was shown whole under its tool.
const HEADLINE: usize = 1_000;

/// Every failure in full; the output of a failed command was already shown under its tool, if progress is shown.
fn report(terminal: &Terminal, outcome: &Outcome, sources: &Sources) {
    let mut all = Diagnostics::default();
    let told = !terminal.quiet && !terminal.json;
    // By address: which of several failed first is chance.
    let mut failed: Vec<_> = outcome.failed.iter().collect();
    failed.sort_by(|(a, _), (b, _)| natural(a, b));
    for (_, d) in failed {
        let mut d = d.clone();
        let first = d.headline.lines().next().unwrap_or_default();
        let short: String = first.chars().take(HEADLINE).collect();
        if told && short != d.headline {
            let more = if short.len() < first.len() { "..." } else { "" };
            d.headline = format!("{}{more}", short.trim_end_matches("; it wrote:"));
            d = d.note("its output is shown above, under its tool");
        }
        all.push(d);
    }
    all.append(outcome.asserts.clone());
    terminal.diagnostics(&all, sources);
}

fn end(
    terminal: &Terminal,
    (outcome, moved): (&Outcome, usize),
    state: Option<&State>,
    next: (&str, &[ToolAddr]),
    took: Duration,
) {
    if terminal.json {
        let failed: Vec<serde_json::Value> =
            outcome.failed.iter().map(|(a, d)| serde_json::json!({ "address": a, "code": d.code.to_string(), "message": d.headline })).collect();
        let skipped: Vec<serde_json::Value> =
            outcome.skipped.iter().map(|(a, c)| serde_json::json!({ "address": a, "because": c })).collect();
        let outputs = state.map(|s| crate::view::value::masked_fields(&s.outputs)).unwrap_or_default();
        terminal.line(&serde_json::json!({
            "event": "summary", "done": outcome.done.len(), "failed": failed, "skipped": skipped,
            "stopped": outcome.stopped, "complete": outcome.is_complete(), "ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "outputs": outputs,
        }));
        return;
    }
    if terminal.quiet {
        return;
    }
    terminal.out(&summary::text(outcome, moved, terminal.style, next, took));
    if let Some(state) = state.filter(|_| outcome.is_complete()) {
        terminal.out(&summary::outputs(&state.outputs, Paper::of(terminal)));
    }
}

/// Raises the level of stopping with every interrupt.
async fn interrupts(sender: watch::Sender<StopLevel>) {
    use tokio::signal::unix::{SignalKind, signal};
    let on = |kind| signal(kind);
    let (Ok(mut int), Ok(mut term), Ok(mut hangup)) =
        (on(SignalKind::interrupt()), on(SignalKind::terminate()), on(SignalKind::hangup()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            // The terminal is gone: what runs is finished all the same.
            _ = hangup.recv() => {}
        }
        sender.send_modify(|level| *level = level.raised());
    }
}

/// Makes records durable, and writes the snapshot.
pub fn record(
    rt: &tokio::runtime::Runtime,
    session: Box<dyn Session>,
    records: Vec<Record>,
) -> Result<(), Failure> {
    rt.block_on(async {
        let journal = Journal::start(session).map_err(|e| Failure::new(Code::E0807, reason(&e)))?;
        for record in records {
            let written = journal.write(record).await;
            written
                .map_err(|why| Failure::new(Code::E0807, format!("the state could not be written: {why}")))?;
        }
        match journal.finish().await {
            Some((result, ..)) => result.map_err(Failure::from),
            None => Ok(()),
        }
    })
}

/// Problems of a plan that forbid carrying it out.
pub fn refuse(plan: &Plan, sources: &Arc<Sources>) -> Result<(), Failure> {
    if plan.diagnostics.has_errors() { Err(Failure::all(plan.diagnostics.clone(), sources)) } else { Ok(()) }
}

/// Refuses to begin what a plugin would have to do of which only the interface is there.
pub fn needs_plugins(plan: &Plan, program: &Program) -> Result<(), Failure> {
    let mut missing: Diagnostics = Diagnostics::default();
    for (name, used) in program.plugins().iter().filter(|(_, used)| used.interface_only) {
        let mut nodes = plan.nodes.iter().filter(|n| n.plugin == **name && n.action != Action::NoOp);
        let Some(node) = nodes.next() else { continue };
        let headline = match &used.path {
            Some(path) => {
                format!("only the interface `{path}` of the plugin `{name}` is there, not the plugin itself")
            }
            None => format!(
                "the plugin `{name}` is not implemented yet: dtm {} has its interface only",
                env!("CARGO_PKG_VERSION")
            ),
        };
        let d = Diagnostic::new(Code::E0703, headline);
        let d = match node.instance {
            Some(id) => d.at(program.instance(id).span, "needs it"),
            None => d.tool(node.addr.clone()),
        };
        let others = nodes.count();
        missing.push(match others {
            0 => d,
            1 => d.note("1 more tool needs it"),
            others => d.note(format!("{others} more tools need it")),
        });
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::all(missing, program.sources())) }
}

/// The descriptor of the lock, for plugin hosts to inherit.
pub fn lock_of(session: &dyn Session) -> Result<Option<std::os::fd::OwnedFd>, Failure> {
    let cloned = session.lock_descriptor().map(|fd| fd.try_clone_to_owned()).transpose();
    cloned.map_err(|e| {
        Failure::of(Diagnostic::new(Code::E0806, format!("cannot hand on the lock: {}", reason(&e))))
    })
}
