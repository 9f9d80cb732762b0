//! What a plugin's interface file declares: its settings and its kinds.

use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::types::RecordType;
use std::sync::Arc;

pub use crate::types::kind::{Input, Kind, Output, Recover, Same, Source};

/// A plugin as its interface tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// The name in the interface.
    pub name: Symbol,
    /// SHA-256 of the interface file, in hexadecimal.
    pub hash: Symbol,
    /// The type of its settings.
    pub settings: Arc<RecordType>,
    /// Which settings say where things are (`@key`).
    pub setting_keys: Vec<Symbol>,
    /// The plugin whose configurations it takes where the program has none of its own (`@configured_by`).
    pub configured_by: Option<Symbol>,
    /// Environment variables that its process gets besides the usual ones; `AWS_*` is every one with that prefix.
    pub env: Vec<Symbol>,
    /// How many of its operations may run at the same time (`@limit`); any number where there is none.
    pub limit: Option<usize>,
    /// Its kinds.
    pub kinds: IndexMap<Symbol, Arc<Kind>>,
    /// Where it is declared.
    pub span: Span,
}
