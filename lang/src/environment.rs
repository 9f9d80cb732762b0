//! The environment of a program, which remembers what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Variables of the environment. Copies remember together which of them were asked for.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    vars: Arc<BTreeMap<String, String>>,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string());
        self.vars.get(name).cloned()
    }
    /// Whether a variable has a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.vars.contains_key(name)
    }
    /// The variables that were asked for and have a value.
    pub fn asked(&self) -> BTreeMap<String, String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter_map(|name| Some((name.clone(), self.vars.get(name)?.clone()))).collect()
    }
    /// All of them.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.vars
    }
}

impl From<BTreeMap<String, String>> for Environment {
    fn from(vars: BTreeMap<String, String>) -> Environment {
        Environment { vars: Arc::new(vars), asked: Arc::default() }
    }
}
