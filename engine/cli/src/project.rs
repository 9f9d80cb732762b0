//! A configuration on disk, opened for a command: its program, its state, its plugins.

use crate::EXTENSIONS;
use crate::copies::{self, Copied};
use crate::exit::{Failure, reason};
use crate::options::{FileArg, Global};
use crate::params::{ask, env_is_known, inputs, of_another_environment};
use crate::source::{Placed, Source, environment, found, placed, source, surroundings};
use crate::store::{enter, guard, holder, open_store, trusted_plugins};
use crate::terminal::{Terminal, note_once};
use dtm_devstream as devstream;
use dtm_engine::archive::{Archive, Recording};
use dtm_engine::event::Events;
use dtm_engine::plugin::PluginCalls;
use dtm_engine::project::{FileLoader, Surroundings, shipped_kind};
use dtm_engine::state::backend::{Backends, Used};
use dtm_engine::state::own::is_tracked_by_git;
use dtm_engine::state::place::{Place, Store};
use dtm_engine::state::{Loaded, Serial, Session, State, StateError};
use dtm_engine::workspace::normal;
use dtm_lang::interface::Kind;
use dtm_lang::loader::Around;
use dtm_lang::shell::word;
use dtm_lang::{Code, Diagnostic, Diagnostics, Inputs, Loader, Program, Purpose};
use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration that was opened.
pub struct Project {
    /// The program, evaluated as far as values are known.
    pub program: Arc<Program>,
    /// The root file's name.
    pub file: String,
    /// The rest of the world.
    pub around: Surroundings,
    /// The root file as the user may name it again; empty for the default.
    pub named: String,
}

impl Project {
    /// Opens a configuration; the program may have errors, which are in the diagnostics.
    ///
    /// # Errors
    /// When there is no such file, or params cannot be read.
    pub fn open(
        global: &Global,
        file: &FileArg,
        purpose: Purpose,
    ) -> Result<(Project, Diagnostics), Failure> {
        let opened = Project::with(&inputs(global, file)?, file, purpose, &|loader| loader)?;
        env_is_known(global, &opened.0.around.root, &opened.0.program)?;
        Ok(opened)
    }

    /// Opens a configuration without anything from outside: no params, no environment.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn bare(file: &FileArg, purpose: Purpose) -> Result<(Project, Diagnostics), Failure> {
        Project::with(&Inputs::default(), file, purpose, &|loader| loader)
    }

    /// A configuration with something more at the end of its root file.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn with_more(global: &Global, file: &FileArg, more: &str) -> Result<(Project, Diagnostics), Failure> {
        let root = source(file)?.name;
        Project::with(&inputs(global, file)?, file, Purpose::Plan, &|inner| {
            let (root, more) = (root.clone(), format!("\n\n{more}"));
            Around::loader(inner, move |inner, path| {
                let mut bytes = inner.read(path)?;
                if path == root {
                    bytes.extend_from_slice(more.as_bytes());
                }
                Ok(bytes)
            })
        })
    }

    /// The program of a saved plan, in the folder that it is of.
    ///
    /// # Errors
    /// When the folder is not there.
    pub fn kept(archive: &Archive) -> Result<(Project, Diagnostics), Failure> {
        let path = match &*archive.named {
            "" => found(&archive.root).unwrap_or_else(|| PathBuf::from(&archive.root)),
            named => PathBuf::from(named),
        };
        let Placed { root, name, prefix } = placed(&path)?;
        let inputs = archive.inputs(&environment());
        let around = surroundings(root.clone(), inputs.env.all().clone())?;
        let loader = archive.loader(Arc::new(FileLoader::new(root, prefix, &EXTENSIONS)));
        let (program, diagnostics) = Program::load(&name, loader, &inputs, Purpose::Plan);
        let named = archive.named.clone();
        Ok((Project { program: Arc::new(program), file: name, around, named }, diagnostics))
    }

    fn with(
        inputs: &Inputs,
        file: &FileArg,
        purpose: Purpose,
        wrap: &dyn Fn(Arc<dyn Loader>) -> Arc<dyn Loader>,
    ) -> Result<(Project, Diagnostics), Failure> {
        let Source { root, name, named, loader } = source(file)?;
        let around = surroundings(root, inputs.env.all().clone())?;
        let loader = wrap(loader);
        let (program, diagnostics) = Program::load(&name, loader, inputs, purpose);
        tracing::info!(root = %around.root.display(), file = name, tools = program.instances().len(), "program read");
        Ok((Project { program: Arc::new(program), file: name, around, named }, diagnostics))
    }

    /// Opens a configuration that has no errors; its warnings are shown. Params without a value are asked for where a
    /// person can answer.
    ///
    /// # Errors
    /// Every problem of the program.
    pub fn open_valid(global: &Global, terminal: &Terminal, file: &FileArg) -> Result<Project, Failure> {
        Project::valid_with(global, terminal, file, &|loader| loader).map(|(project, _)| project)
    }

    /// As [`Project::open_valid`], with what it was made of, for an archive.
    ///
    /// # Errors
    /// Every problem of the program.
    pub fn recorded(
        global: &Global,
        terminal: &Terminal,
        file: &FileArg,
    ) -> Result<(Project, Inputs, Recording), Failure> {
        let read = Recording::default();
        let (project, inputs) = Project::valid_with(global, terminal, file, &|loader| read.of(loader))?;
        Ok((project, inputs, read))
    }

    fn valid_with(
        global: &Global,
        terminal: &Terminal,
        file: &FileArg,
        wrap: &dyn Fn(Arc<dyn Loader>) -> Arc<dyn Loader>,
    ) -> Result<(Project, Inputs), Failure> {
        let mut inputs = inputs(global, file)?;
        let (mut project, mut diagnostics) = Project::with(&inputs, file, Purpose::Plan, wrap)?;
        env_is_known(global, &project.around.root, &project.program)?;
        if terminal.can_ask() && !project.program.missing_params().is_empty() {
            inputs.sets.extend(ask(terminal, &project.program));
            (project, diagnostics) = Project::with(&inputs, file, Purpose::Plan, wrap)?;
        }
        if diagnostics.has_errors() {
            let is_unset = diagnostics.iter().any(|d| d.code == Code::E0402);
            let hint = of_another_environment(global, &project.around.root).filter(|_| is_unset);
            let failure = Failure::all(diagnostics, project.program.sources());
            return Err(match hint {
                Some(hint) => failure.help(hint),
                None => failure,
            });
        }
        terminal.diagnostics(&diagnostics, project.program.sources());
        Ok((project, inputs))
    }

    /// Whether a path is that of a file of the program.
    pub fn is_own(&self, path: &str) -> bool {
        let path = normal(&self.around.root.join(path));
        self.program.sources().files().any(|(_, f)| normal(&self.around.root.join(&*f.path)) == path)
    }

    /// The program stays until the process ends, which gives all of it back at once and not node by node. For commands
    /// that end after one look at it.
    pub fn leave(&self) {
        std::mem::forget(self.program.clone());
    }

    /// Where the state is kept.
    ///
    /// # Errors
    /// When this dtm has no such backend.
    pub fn place(&self) -> Result<Place, Failure> {
        let (Some((backend, span)), Some(value)) =
            (&self.program.hir().backend, self.program.setting("state"))
        else {
            return Ok(Place::default());
        };
        let mut options = dtm_lang::wire::plain_json(&value);
        if let Some(options) = options.as_object_mut() {
            options.retain(|_, v| !v.is_null());
            options.insert("backend".into(), backend.to_string().into());
        }
        serde_json::from_value(options).map_err(|_| {
            let headline = format!("state in `{backend}` cannot be used in this version");
            let d = Diagnostic::new(Code::E0110, headline).at(*span, "a backend that is not there");
            let d = d.help("keep state in files, `local { path = \"...\" }`, or build dtm with this backend");
            Failure::all(d.into(), self.program.sources())
        })
    }

    /// The state's store, once it is sure that it is the right one.
    ///
    /// # Errors
    /// When another state was used before, this one is gone, or it is that of a project that this one is a copy of.
    pub fn store(&self, global: &Global, terminal: &Terminal, new_state: bool) -> Result<Store, Failure> {
        let place = self.place()?;
        let store = open_store(&self.around, &place)?;
        let (around, named) = (&self.around, &*self.named);
        Copied { global, terminal, around, place: &place, named }.settle()?;
        if new_state {
            // Only what cannot be used at all is set aside: a wrong key or a later format is no reason to begin anew.
            match store.load() {
                Err(StateError::Missing { .. } | StateError::Corrupt { .. } | StateError::Moved { .. }) => {
                    store.set_aside(&holder("apply"), std::time::Duration::from_secs(5))?;
                }
                Err(e) => return Err(e.into()),
                Ok(_) => {}
            }
            return Ok(store);
        }
        guard(&self.around, &self.file, &place, &store, self.program.param_selects_state())?;
        Ok(store)
    }

    /// Takes the lock, and makes sure that the state belongs to this root file.
    ///
    /// # Errors
    /// When it is held, cannot be read, or belongs to another root file.
    pub fn lock(
        &self,
        global: &Global,
        terminal: &Terminal,
        doing: &str,
        store: &Store,
        take_over: bool,
    ) -> Result<Box<dyn Session>, Failure> {
        let session = enter(global, doing, store)?;
        let loaded = session.loaded();
        loaded.notices.iter().for_each(|n| terminal.note(&format!("note: {n}")));
        self.warn_of_git(terminal);
        self.same_root(&loaded.state, take_over)?;
        let by = (&*self.around.root, &*self.file);
        let now = Used::new(&self.place()?, &loaded.state.lineage, by);
        if let Err(e) = Backends::load(&self.around.root).remember(&self.around.root, now) {
            return Err(Failure::new(Code::E0806, format!("cannot write `.dtm/backend`: {}", reason(&e))));
        }
        Ok(session)
    }

    /// The state without a lock.
    ///
    /// # Errors
    /// As [`Project::lock`].
    pub fn load(&self, terminal: &Terminal, store: &Store) -> Result<Loaded, Failure> {
        let loaded = store.load()?;
        loaded.notices.iter().for_each(|n| terminal.note(&format!("note: {n}")));
        self.warn_of_git(terminal);
        self.same_root(&loaded.state, false)?;
        Ok(loaded)
    }

    /// A state in files that git tracks is shared without a lock, and with everyone who clones the repository.
    fn warn_of_git(&self, terminal: &Terminal) {
        let Ok(place) = self.place() else { return };
        let Some(path) = place.folder() else { return };
        if is_tracked_by_git(&self.around.root.join(path)) {
            terminal.note(&format!(
                "note: the state in `{path}` is tracked by git: everybody who clones the repository gets it, and two who \
                 apply undo each other's work\n  help: `git rm -r --cached {path}`; share a state in S3 or Kubernetes"
            ));
        }
    }

    /// Makes sure that a state belongs to this root file.
    ///
    /// # Errors
    /// When it belongs to another one, which would lose what it made.
    pub fn same_root(&self, state: &State, take_over: bool) -> Result<(), Failure> {
        if take_over || state.root.is_empty() || state.root == self.file || state.tools.is_empty() {
            return Ok(());
        }
        // The YAML was converted, and the same tools are in this file.
        if devstream::is_yaml(&state.root) && state.tools.keys().all(|addr| self.program.find(addr).is_some())
        {
            return Ok(());
        }
        let headline = format!("the state belongs to `{}`, not to `{}`", state.root, self.file);
        Err(Failure::new(Code::E0808, headline)
            .help("keep another state for it: `settings { state = local { path = \"...\" } }`")
            .help("or take the state over, which deletes what the other file created: `--take-over`"))
    }

    /// What DevStream made with this configuration and dtm does not know: to make it all again would be wrong.
    pub fn made_by_devstream(&self, state: &State) -> Option<Diagnostic> {
        if state.serial > Serial::default() || !devstream::is_yaml(&self.file) {
            return None;
        }
        let text = self.program.sources().files().next().map(|(_, file)| file.text.clone())?;
        let name = devstream::state_file(&text)?;
        let there = std::fs::metadata(self.around.root.join(&name)).is_ok_and(|m| m.is_file() && m.len() > 0);
        there.then(|| {
            Diagnostic::new(
                Code::E0803,
                format!("`{name}` records what DevStream created, and dtm has not imported it"),
            )
            .note("without it, dtm would create everything a second time")
            .help(format!("import it: `{} --devstream {}`", self.command_on("state import"), word(&name)))
            .help("if it is lost, start over: `dtm apply --new-state`")
        })
    }

    /// What to type to run a command that takes the configuration as `-f`.
    pub fn command_on(&self, command: &str) -> String {
        match self.words() {
            words if words.is_empty() => format!("dtm {command}"),
            words if words.starts_with("-f ") => format!("dtm {command} {words}"),
            words => format!("dtm {command} -f {words}"),
        }
    }

    /// The plugins for this program and what is in state, once the user trusts what they make run.
    ///
    /// # Errors
    /// When the project is not trusted.
    pub fn plugins(
        &self,
        state: &State,
        lock: Option<OwnedFd>,
        events: Events,
    ) -> Result<Arc<dyn PluginCalls>, Failure> {
        trusted_plugins(&self.around, Some(&self.program), state, lock, events)
    }

    /// A kind of a plugin, from the program or from what is shipped.
    pub fn kind(&self, plugin: &str, kind: &str) -> Option<Arc<Kind>> {
        let own = self.program.plugins().get(plugin).and_then(|p| p.plugin.kinds.get(kind).cloned());
        own.or_else(|| shipped_kind(plugin, kind))
    }

    /// What to type to run a command on this configuration again.
    pub fn command(&self, command: &str) -> String {
        match self.words() {
            words if words.is_empty() => format!("dtm {command}"),
            words => format!("dtm {command} {words}"),
        }
    }

    /// As [`Project::command`], with the same params.
    pub fn command_again(&self, command: &str, global: &Global) -> String {
        let params = &self.program.hir().params;
        let is_secret = |name: &str| params.iter().any(|p| *p.name == *name && p.ty.has_secret());
        self.command(command) + &global.params_again(is_secret)
    }

    /// The root file as words of a command, quoted for a shell.
    fn words(&self) -> Cow<'_, str> {
        // Several files of DevStream's YAML are named by options, each quoted already.
        match &*self.named {
            "" => Cow::Borrowed(""),
            options if options.starts_with("-f ") => Cow::Borrowed(options),
            path => word(path),
        }
    }
}

/// A state with what is around it.
pub struct Opened {
    /// The rest of the world.
    pub around: Surroundings,
    /// The state's store.
    pub store: Store,
    /// Where it is.
    pub place: Place,
    /// Whether a param selects it.
    pub selected: bool,
    /// Whether it is only the one that was used last: a param selects it that has no value, or the configuration has errors and the
    /// project has several.
    pub guessed: bool,
    /// The configuration, if it can be read.
    pub project: Option<Project>,
}

impl Opened {
    /// Refuses a state that was guessed, for a command that changes it or what it manages.
    ///
    /// # Errors
    /// When it was.
    pub fn chosen(self) -> Result<Opened, Failure> {
        if !self.guessed {
            return Ok(self);
        }
        let last = &self.place;
        let (headline, help) = match &self.project {
            Some(_) => (
                "a param without a value selects the state",
                "choose the state: `--env NAME`, `--set NAME=VALUE` or `--params FILE`",
            ),
            None => (
                "the program has errors, and the project has several states",
                "fix the program first: `dtm check`",
            ),
        };
        let d = Diagnostic::new(Code::E0402, headline);
        Err(Failure::of(d.note(format!("the state that was used last is `{last}`")).help(help)))
    }

    /// The store, once it is known to be the one that the project used.
    fn guarded(self) -> Result<(Surroundings, Store, Option<Project>), Failure> {
        let Opened { around, store, place, selected, guessed: _, project } = self;
        let name = project.as_ref().map(|p| p.file.clone()).unwrap_or_default();
        guard(&around, &name, &place, &store, selected)?;
        copies::note(&around, &place);
        Ok((around, store, project))
    }
}

/// The state of a configuration that may be broken: from its settings where they can be read, else from what the
/// project used last.
///
/// # Errors
/// When there is no such file, or another state was used.
pub fn state_of(global: &Global, file: &FileArg) -> Result<(Surroundings, Store, Option<Project>), Failure> {
    let opened = state_at(global, file)?;
    if opened.guessed {
        note_once(&format!("note: using the state in `{}`, which was used last", opened.place));
    }
    opened.guarded()
}

/// As [`state_of`], for a command that changes the state: it must be chosen.
///
/// # Errors
/// As [`state_of`] and [`Opened::chosen`].
pub fn state_to_change(
    global: &Global,
    file: &FileArg,
) -> Result<(Surroundings, Store, Option<Project>), Failure> {
    state_at(global, file)?.chosen()?.guarded()
}

/// As [`state_to_change`], for a command that changes what was made: the state must be this project's.
///
/// # Errors
/// As [`state_of`]; and when the project was copied with its state.
pub fn own_state(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
) -> Result<(Surroundings, Store, Option<Project>), Failure> {
    let Opened { around, store, place, selected, guessed: _, project } = state_at(global, file)?.chosen()?;
    let (name, named) = project.as_ref().map(|p| (p.file.clone(), p.named.clone())).unwrap_or_default();
    Copied { global, terminal, around: &around, place: &place, named: &named }.settle()?;
    guard(&around, &name, &place, &store, selected)?;
    Ok((around, store, project))
}

/// As [`state_of`], and nothing is said about what is there.
///
/// # Errors
/// When there is no such file.
pub fn state_at(global: &Global, file: &FileArg) -> Result<Opened, Failure> {
    match Project::open(global, file, Purpose::Check) {
        Ok((project, diagnostics)) if !diagnostics.has_errors() => {
            let root = &project.around.root;
            let used = Backends::load(root).of(root, &project.file).last().map(Used::place);
            let guessed = project.program.setting("state").is_some_and(|s| !s.is_known());
            let place = match guessed {
                true => used.map_or_else(|| project.place(), Ok)?,
                false => project.place()?,
            };
            let store = open_store(&project.around, &place)?;
            let selected = project.program.param_selects_state();
            let mut around = surroundings(project.around.root.clone(), project.around.env.clone())?;
            // What the store learns of secrets is known to whoever shows them.
            around.redactor = project.around.redactor.clone();
            Ok(Opened { around, store, place, selected, guessed, project: Some(project) })
        }
        opened => {
            let root = match (&opened, &file.file) {
                (Ok((project, _)), _) => project.around.root.clone(),
                (Err(_), Some(file)) => std::path::absolute(file)
                    .ok()
                    .and_then(|f| f.parent().map(Path::to_path_buf))
                    .unwrap_or_default(),
                (Err(_), None) => std::env::current_dir().unwrap_or_default(),
            };
            if (file.file.is_some() || !root.join(".dtm").is_dir())
                && let Err(failure) = opened
            {
                return Err(failure);
            }
            let around = surroundings(root.clone(), environment())?;
            let backends = Backends::load(&root);
            let guessed = backends.all().count() > 1;
            let place = backends.last().map_or(Place::default(), Used::place);
            let store = open_store(&around, &place)?;
            Ok(Opened { around, store, place, selected: false, guessed, project: None })
        }
    }
}
