//! Files that are written because somebody named them.

use crate::exit::{Failure, reason};
use dtm_lang::Code;
use std::path::Path;

/// Refuses to write over what is something else.
///
/// # Errors
/// When there is a file of this name that `is_one` does not know.
pub fn only_over(path: &Path, what: &str, is_one: impl Fn(&Path) -> bool) -> Result<(), Failure> {
    // A pipe is not looked into: that would take what is in it, or wait for ever.
    match path.exists() && !(path.is_file() && is_one(path)) {
        true => {
            Err(Failure::new(Code::E0903, format!("`{}` is there already, and is no {what}", path.display()))
                .help(format!("name another file; a {what} is overwritten")))
        }
        false => Ok(()),
    }
}

/// Writes one.
///
/// # Errors
/// When the system refuses.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    std::fs::write(path, content)
        .map_err(|e| Failure::new(Code::E0903, format!("cannot write `{}`: {}", path.display(), reason(&e))))
}
