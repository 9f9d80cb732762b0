//! The secrets of this run, which nothing that dtm writes shows.

use dtm_engine::secret::{Redactor, without_headers};
use std::sync::Mutex;

/// Those of all projects that were opened: a command may open the same one again, with another program.
static REDACTORS: Mutex<Vec<Redactor>> = Mutex::new(vec![]);

/// From now on these secrets are hidden too.
pub fn hide(redactor: &Redactor) {
    REDACTORS.lock().unwrap_or_else(|e| e.into_inner()).push(redactor.clone());
}

/// A text without the secrets that are known so far.
pub fn masked(text: &str) -> String {
    let hidden = REDACTORS.lock().unwrap_or_else(|e| e.into_inner());
    hidden.iter().fold(without_headers(text), |text, redactor| redactor.mask(&text))
}
