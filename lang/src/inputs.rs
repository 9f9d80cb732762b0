//! What a program is given from outside, and what for.

use crate::environment::Environment;

/// The values that come from outside.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Params given as text; of several for one param the last one wins.
    pub sets: Vec<Given>,
    /// Files of params, as path and text; a later one wins.
    pub params_files: Vec<(String, String)>,
    /// The environment.
    pub env: Environment,
}

/// A param that is given as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The param.
    pub name: String,
    /// A string as it is, anything else as a literal.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Given {
    /// As `--set` gives it.
    pub fn set(name: impl Into<String>, text: impl Into<String>) -> Given {
        Given { name: name.into(), text: text.into(), origin: Origin::Set }
    }
}

/// Where the text of a param comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The output of a program, `--params-from`: weaker than a variable of the environment.
    Program,
    /// `--env`, which sets the param `env` of a program that has one.
    Env,
    /// `--set` on the command line.
    Set,
    /// A person who was asked.
    Prompt,
    /// A saved plan, which keeps what it was made with.
    Saved,
}

/// How a program is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Params and variables without a value are no error.
    Check,
    /// Every needed value must be there.
    Plan,
}
