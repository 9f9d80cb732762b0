//! What was trusted, in `$XDG_DATA_HOME/dtm/trust`: a file for each project folder, named by the hash of its canonical path.
//! It holds hashes of sources and a line about each for `dtm trust --list`; never the text of a command, which may hold
//! secrets.

use super::Source;
use crate::exit::{Failure, reason};
use crate::files;
use dtm_engine::project::Surroundings;
use dtm_lang::Code;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What was trusted of one project.
#[derive(Clone)]
pub struct Ledger {
    /// Where it is kept; nowhere without a data folder of the user.
    file: Option<PathBuf>,
    /// The project's folder, canonical.
    folder: PathBuf,
    /// A line about each source, by its hash.
    sources: BTreeMap<String, String>,
}

fn folder_of(around: &Surroundings) -> Option<PathBuf> {
    Some(around.data_home()?.join("trust"))
}

fn file_of(around: &Surroundings, folder: &Path) -> Option<PathBuf> {
    let name = dtm_engine::hash(folder.as_os_str().as_bytes());
    Some(folder_of(around)?.join(&name[..32]))
}

/// The folder and the sources in a file; nothing where it is none of ours.
fn read(file: &Path) -> Option<(PathBuf, BTreeMap<String, String>)> {
    let value: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let sources = value.get("sources")?.as_object()?;
    let sources = sources.iter().filter_map(|(hash, line)| Some((hash.clone(), line.as_str()?.to_string())));
    Some((value.get("folder")?.as_str()?.into(), sources.collect()))
}

impl Ledger {
    /// That of the project around.
    pub fn of(around: &Surroundings) -> Ledger {
        let folder = around.root.canonicalize().unwrap_or_else(|_| around.root.clone());
        let file = file_of(around, &folder);
        let sources = file.as_deref().and_then(read).map(|(_, sources)| sources).unwrap_or_default();
        Ledger { file, folder, sources }
    }

    /// Whether a source is trusted.
    pub fn has(&self, source: &Source) -> bool {
        self.sources.contains_key(source.hash())
    }

    /// Trusts sources, durably where there is a place for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, sources: &[Source]) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        // Another process may have trusted something meanwhile.
        self.sources.extend(read(file).map(|(_, sources)| sources).unwrap_or_default());
        let before = self.sources.len();
        self.sources.extend(sources.iter().map(|s| (s.hash().to_string(), s.headline.clone())));
        if self.sources.len() == before {
            return Ok(());
        }
        let failed = |e: std::io::Error| {
            Failure::new(Code::E0903, format!("cannot write `{}`: {}", file.display(), reason(&e)))
        };
        if let Some(folder) = file.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let value = json!({ "folder": self.folder.to_string_lossy(), "sources": self.sources });
        files::replace_private(file, format!("{value:#}\n").as_bytes()).map_err(failed)
    }
}

/// Every project that was trusted, with a line about each source.
pub fn all(around: &Surroundings) -> Vec<(PathBuf, Vec<String>)> {
    let entries = folder_of(around).and_then(|f| std::fs::read_dir(f).ok()).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries.filter_map(|e| read(&e.path())).collect();
    all.sort();
    all.into_iter().map(|(folder, sources)| (folder, sources.into_values().collect())).collect()
}

/// Forgets what was trusted of a project; says whether anything was.
///
/// # Errors
/// When the file cannot be removed.
pub fn revoke(around: &Surroundings, folder: &Path) -> Result<bool, Failure> {
    let Some(file) = file_of(around, folder) else { return Ok(false) };
    match std::fs::remove_file(&file) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => {
            Err(Failure::new(Code::E0903, format!("cannot remove `{}`: {}", file.display(), reason(&e))))
        }
    }
}
