//! A project that was copied or moved with its local state: which project owns the state is decided before anything is
//! planned, so that a copy never changes the objects of the original.

use crate::exit::{Exit, Failure};
use crate::options::Global;
use crate::store::holder;
use crate::terminal::{Terminal, note_once};
use dtm_engine::address::ToolAddr;
use dtm_engine::project::Surroundings;
use dtm_engine::state::backend::{Backends, Used};
use dtm_engine::state::belonging::{Belonging, belonging};
use dtm_engine::state::place::{Place, Store};
use dtm_engine::state::{Entry, State};
use dtm_engine::workspace::stays_inside;
use dtm_lang::Code;
use dtm_lang::wire::reveal;
use std::collections::BTreeSet;
use std::path::Path;

/// What is needed to decide which project owns a state.
pub struct Copied<'a> {
    /// The command line.
    pub global: &'a Global,
    /// The terminal to ask on.
    pub terminal: &'a Terminal,
    /// The project.
    pub around: &'a Surroundings,
    /// Where its state is.
    pub place: &'a Place,
    /// The root file, as `dtm state` takes it; empty for the default.
    pub named: &'a str,
}

impl Copied<'_> {
    /// Makes sure that the state is this project's.
    ///
    /// # Errors
    /// When the project was copied, and its state was neither forked nor claimed.
    pub fn settle(&self) -> Result<(), Failure> {
        let root = &self.around.root;
        let from = match (belonging(root, self.place), self.global.moved) {
            (Belonging::Here, _) => return Ok(()),
            (Belonging::Moved { from }, _) | (Belonging::Copied { from }, true) => {
                return self.moved(&from);
            }
            (Belonging::Copied { from }, false) => from,
        };
        let from_shown = from.display();
        if self.terminal.can_ask() {
            self.terminal.note(&format!(
                "This project was copied with its state from `{from_shown}`, where the state still is.\n\
                 A copy gets its own state; a moved project keeps this one."
            ));
            let answer = self.terminal.read_line("Was it copied or moved? [copied/moved/cancel] ", false);
            match answer.as_deref().map(str::trim) {
                Some("copied" | "copy") => return self.fork(&self.around.store(self.place)?, None),
                Some("moved" | "move") => return self.moved(&from),
                Some(_) | None => {}
            }
        }
        let file = if self.named.is_empty() { String::new() } else { format!(" -f {}", self.named) };
        let headline =
            format!("this state was copied from the project in `{from_shown}`, which still has it");
        Err(Failure::new(Code::E0812, headline)
            .help(format!(
                "to use the copy independently, give its state a new lineage: `dtm state fork{file}`"
            ))
            .help("if the project was moved here, say so: `--moved`"))
    }

    /// This project takes over the state.
    fn moved(&self, from: &Path) -> Result<(), Failure> {
        let root = &self.around.root;
        self.terminal.note(&format!("note: the project was moved here from `{}`", from.display()));
        // Where nothing can be written, the next command says it again.
        let _ = Backends::load(root).settle(root, &self.place.to_string());
        Ok(())
    }

    /// Gives the state a new lineage. `leave` says whether to leave out the tools that the original manages too; otherwise a
    /// person is asked.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn fork(&self, store: &Store, leave: Option<Leave>) -> Result<(), Failure> {
        let state = store.load()?.state;
        let shared: BTreeSet<ToolAddr> =
            state.tools.iter().filter(|(_, e)| is_outside(e)).map(|(addr, _)| addr.clone()).collect();
        let mut left_out = BTreeSet::new();
        if !shared.is_empty() {
            self.tell(&state, &shared);
            if self.leaves(leave) {
                left_out = shared.clone();
            }
        }
        let lineage = store.fork(&holder("state fork"), self.global.lock_timeout, &left_out)?;
        let used = Used::new(self.place, &lineage, (&self.around.root, &state.root));
        Backends::load(&self.around.root).remember(&self.around.root, used).map_err(|e| {
            let why = crate::exit::reason(&e);
            Failure::new(Code::E0806, format!("cannot write `.dtm/backend`: {why}"))
        })?;
        self.terminal.note("The state now has its own lineage, and manages the files in this folder.");
        match (shared.is_empty(), left_out.is_empty()) {
            (true, _) => {}
            (false, false) => {
                self.terminal.note("The tools above are left out of it; their objects stay as they are.")
            }
            (false, true) => self.terminal.note(
                "The tools above are in both states. To leave one out of this one: `dtm state rm TOOL`.",
            ),
        }
        Ok(())
    }

    fn tell(&self, state: &State, shared: &BTreeSet<ToolAddr>) {
        self.terminal.note("Outside of the project's folder, both projects manage the same objects:");
        for addr in shared {
            let Some(entry) = state.tools.get(addr) else { continue };
            let id = entry.id.as_deref().map(|id| self.around.redactor.mask(id));
            let id = id.map(|id| format!(", id {}", dtm_lang::value::quote(&id))).unwrap_or_default();
            self.terminal.note(&format!("  {addr} ({}.{}{id})", entry.plugin.name, entry.kind));
        }
    }

    fn leaves(&self, leave: Option<Leave>) -> bool {
        match leave {
            Some(Leave::Out) => true,
            Some(Leave::In) => false,
            None if self.terminal.can_ask() => self
                .terminal
                .read_line("Leave them out of the new state? [y/N] ", false)
                .is_some_and(|answer| crate::terminal::is_yes(&answer)),
            None => false,
        }
    }
}

/// Whether the new state keeps the tools that the original also manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The new state does not have them.
    Out,
    /// The new state has them.
    In,
}

/// Notes that a state belongs to another project, for commands that only read it.
pub fn note(around: &Surroundings, place: &Place) {
    if let Belonging::Copied { from } = belonging(&around.root, place) {
        note_once(&format!("note: this state was copied from the project in `{}`", from.display()));
    }
}

/// Refuses to fork a state that others use on purpose.
///
/// # Errors
/// When it is not in files inside of the project.
pub fn only_inside(place: &Place) -> Result<(), Failure> {
    match place.is_inside() {
        true => Ok(()),
        false => {
            let headline =
                format!("the state in `{place}` is shared: a copy of the project uses the same one");
            let failure = Failure { exit: Exit::Usage, ..Failure::new(Code::E0901, headline) };
            Err(failure.help("name another place in `settings { state = ... }` to begin a new state"))
        }
    }
}

/// Whether the object of an entry is outside of the project's folder, so that a copy shares it with the original.
fn is_outside(entry: &Entry) -> bool {
    let text = |value: &serde_json::Value| reveal(value).as_str().map(String::from);
    let inside = |path: Option<String>| path.is_some_and(|path| stays_inside(Path::new(&path)));
    match (&*entry.plugin.name, &*entry.kind) {
        // They are in the state and nowhere else.
        ("core", "Value" | "Password" | "Wait") => false,
        ("core", "File" | "SecretFile" | "Directory") => !inside(entry.inputs.get("path").and_then(text)),
        ("scm", _) => {
            let destination = entry.inputs.get("destination").map(reveal);
            let folder =
                destination.as_ref().filter(|d| d["host"] == "folder").and_then(|d| text(&d["path"]));
            !inside(folder)
        }
        (_, _) => true,
    }
}
