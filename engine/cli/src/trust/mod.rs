//! Trust: what a project makes dtm run while it plans, and whether the user has agreed to it.
//!
//! A cloned repository must not run anything on this machine before its user has seen it. [`sources`]
//! lists what a project would run; [`ledger`] remembers, for each project folder, what was trusted; [`admit`] guards
//! everything that starts plugins or opens a state, and asks once about new sources. [`witness`] records the commands of a
//! run that the user confirmed, so that the next plan of one's own project asks nothing.
//!
//! `check`, `fmt`, `eval`, `test`, `doc` and the editor never ask: they run nothing.

mod ledger;
mod sources;
mod witness;

pub use ledger::{Ledger, all as ledgers, revoke};
pub use sources::{Source, of_place, of_run};
pub use witness::witness;

use crate::exit::Failure;
use crate::options::Global;
use crate::terminal::{is_yes, prompt};
use dtm_engine::project::Surroundings;
use dtm_lang::Code;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

/// What the command line and the environment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    /// `DTM_TRUST=1`: for this process.
    Given,
    /// `--trust`: given, and remembered.
    Kept,
    /// A person can be asked.
    Ask,
    /// Nobody can be asked.
    Nobody,
}

static CONSENT: OnceLock<Consent> = OnceLock::new();
static NEVER: AtomicBool = AtomicBool::new(false);

/// What was trusted in this process; it also applies where the answer cannot be stored.
static AGREED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Reads what the command line and the environment say.
pub fn start(global: &Global) {
    let given = std::env::var("DTM_TRUST").is_ok_and(|v| matches!(&*v, "1" | "true" | "yes"));
    let asks = !global.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let consent = match (global.trust, given, asks) {
        (true, ..) => Consent::Kept,
        (_, true, _) => Consent::Given,
        (.., true) => Consent::Ask,
        _ => Consent::Nobody,
    };
    let _ = CONSENT.set(consent);
}

/// From now on nothing is asked and nothing new is trusted: this command runs nothing.
pub fn never_ask() {
    NEVER.store(true, Ordering::Relaxed);
}

/// Makes sure that the user agrees to all of these sources.
///
/// # Errors
/// When one of them was not trusted and nobody can be asked, or the answer is no.
pub fn admit(around: &Surroundings, sources: Vec<Source>) -> Result<(), Failure> {
    if sources.is_empty() {
        return Ok(());
    }
    let mut ledger = Ledger::of(around);
    let agreed = || AGREED.lock().unwrap_or_else(|e| e.into_inner());
    let new: Vec<Source> = {
        let agreed = agreed();
        sources.into_iter().filter(|s| !ledger.has(s) && !agreed.contains(s.hash())).collect()
    };
    if new.is_empty() {
        return Ok(());
    }
    let consent = match NEVER.load(Ordering::Relaxed) {
        true => Consent::Nobody,
        false => CONSENT.get().copied().unwrap_or(Consent::Nobody),
    };
    match consent {
        Consent::Given => return Ok(()),
        Consent::Kept => {}
        Consent::Ask if confirm(around, &new) => {}
        Consent::Ask | Consent::Nobody => return Err(refused(&new)),
    }
    agreed().extend(new.iter().map(|s| s.hash().to_string()));
    ledger.add(&new)
}

/// Shows what would run, and asks.
pub fn confirm(around: &Surroundings, new: &[Source]) -> bool {
    let folder = around.root.display();
    let shown = format!("The project in `{folder}` makes dtm run:\n{}", listing(new));
    let shown = dtm_lang::diag::visible(&shown);
    let _ = write!(std::io::stderr(), "{shown}");
    prompt("Trust this project to run them? [y/N] ").is_some_and(|answer| is_yes(&answer))
}

/// Sources for a person, each with the lines that say what would run.
pub fn listing(sources: &[Source]) -> String {
    let mut out = String::new();
    for source in sources {
        let _ = writeln!(out, "  {}", source.headline);
        source.lines.iter().for_each(|line| _ = writeln!(out, "      {line}"));
    }
    out
}

fn refused(new: &[Source]) -> Failure {
    let headline = match new {
        [one] => format!("this project is not trusted to run {}", one.headline),
        many => format!("this project is not trusted to run {} things", many.len()),
    };
    let mut d = dtm_lang::Diagnostic::new(Code::E0904, headline);
    for source in new {
        let lines = source.lines.iter().map(|l| format!("\n          {l}"));
        d = d.note(format!("it would run {}{}", source.headline, lines.collect::<String>()));
    }
    let by: BTreeSet<&str> = new.iter().map(Source::by).collect();
    let by: Vec<String> = by.into_iter().map(|command| format!("`{command}`")).collect();
    Failure::of(
        d.help(format!("review it, then trust the project: {}", by.join(", ")))
            .help("in a script or in CI, where nobody can be asked: `--trust`, or `DTM_TRUST=1`"),
    )
}
