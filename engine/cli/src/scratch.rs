//! Expressions inside of a program: what `dtm eval` and `dtm console` compute, with the outputs that are in state.

use crate::EXTENSIONS;
use crate::exit::Failure;
use crate::options::{FileArg, Global};
use crate::params::inputs;
use crate::project::state_of;
use crate::source::{Placed, choose, found, placed, surroundings};
use dtm_engine::plan::known_in_state;
use dtm_engine::project::FileLoader;
use dtm_engine::state::State;
use dtm_lang::types::Type;
use dtm_lang::{Diagnostics, Facts, Inputs, Loader, Program, Purpose, Sources, Value, check_inside};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the value that is asked for.
pub const IT: &str = "it";

/// A program that expressions are computed in; without a file an empty one.
pub struct Scratch {
    /// Reads the files of the program.
    pub loader: Arc<FileLoader>,
    root: Option<String>,
    inputs: Inputs,
    state: State,
}

/// What came of an expression.
pub struct Computed {
    /// Its type and value, if it has one.
    pub found: Option<(Type, Value)>,
    /// What was wrong.
    pub diagnostics: Diagnostics,
    /// The files that this is about.
    pub sources: Arc<Sources>,
}

impl Scratch {
    /// Opens a program: the named one, `main.dts` if it is there, or none.
    ///
    /// # Errors
    /// When there is no such file, or params cannot be read.
    pub fn open(global: &Global, file: Option<PathBuf>) -> Result<Scratch, Failure> {
        let file = file.or_else(|| found("main.dts"));
        let inputs = inputs(global, &FileArg::of(file.clone()))?;
        let Some(file) = file else {
            let Placed { root, prefix, .. } = placed(Path::new("main.dts"))?;
            let loader = Arc::new(FileLoader::new(root, prefix, &EXTENSIONS));
            return Ok(Scratch { loader, root: None, inputs, state: State::default() });
        };
        let file = choose(Some(&file))?;
        let Placed { root, name, prefix } = placed(&file)?;
        surroundings(root.clone(), inputs.env.all().clone())?;
        // Evaluation runs nothing: a state behind an untrusted credential helper counts as missing.
        crate::trust::never_ask();
        // What cannot be read of a state is told by the commands that need one.
        let state = state_of(global, &FileArg::of(Some(file)));
        let state = state.ok().and_then(|(_, store, _)| store.load().ok());
        Ok(Scratch {
            loader: Arc::new(FileLoader::new(root, prefix, &EXTENSIONS)),
            root: Some(name),
            inputs,
            state: state.map(|loaded| loaded.state).unwrap_or_default(),
        })
    }

    /// Checks declarations inside of the program, for an editor.
    pub fn check(&self, text: &str) -> (Facts, Diagnostics) {
        let (_, facts, diagnostics) = check_inside(self.root.as_deref(), text, &*self.loader);
        (facts, diagnostics)
    }

    /// Computes an expression after these declarations.
    pub fn compute(&self, declarations: &str, expression: &str) -> Computed {
        let text = format!("{declarations}let {IT} = {expression}\n");
        self.run(&text)
    }

    /// Checks and evaluates declarations.
    pub fn run(&self, text: &str) -> Computed {
        let (checked, _, diagnostics) = check_inside(self.root.as_deref(), text, &*self.loader);
        let loader: Arc<dyn Loader> = self.loader.clone();
        let (program, mut diagnostics) =
            Program::of_checked(checked, diagnostics, loader, &self.inputs, Purpose::Check);
        let sources = program.sources().clone();
        if diagnostics.has_errors() {
            return Computed { found: None, diagnostics, sources };
        }
        let known = known_in_state(&program, &self.state);
        let found = program.value_of(IT, &known.of(&program)).map(|(ty, value, problems)| {
            diagnostics.append(problems);
            (ty, value)
        });
        Computed { found, diagnostics, sources }
    }
}
