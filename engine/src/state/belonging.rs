//! Decides which project owns a local state. `.dtm/backend`, beside a state inside of the project, records the project's folder,
//! which distinguishes a project that was copied with its state from one that was moved.
//!
//! ```text
//! cp -r one two; cd two      `one` still has the lineage: both would manage the same objects
//! mv one two; cd two         `one` has it no longer: the state is here now
//! ```
//!
//! A state on a server, or in a folder outside of the project, is shared on purpose: nothing is remembered about it.

use super::backend::Backends;
use super::local::LocalStore;
use super::place::Place;
use crate::secret::Redactor;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The owner of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// This project, as far as is known.
    Here,
    /// This project's since it was moved here from another folder.
    Moved {
        /// The folder.
        from: PathBuf,
    },
    /// That of a project in another folder, which still has it.
    Copied {
        /// The folder.
        from: PathBuf,
    },
}

/// Whose the state is that the project in `root`, a canonical path, keeps in a place.
pub fn belonging(root: &Path, place: &Place) -> Belonging {
    let Some(path) = place.folder() else { return Belonging::Here };
    let backends = Backends::load(root);
    let recorded =
        backends.at(&place.to_string()).and_then(|used| Some((used.folder.clone()?, &used.lineage)));
    let Some((from, lineage)) = recorded.filter(|_| place.is_inside()) else { return Belonging::Here };
    let (here, there) = (root.join(path), from.join(path));
    // By another name: a mount, a link, another case.
    if from == root || is_same(&here, &there) {
        return Belonging::Here;
    }
    // Reading the state reports problems with it.
    if glance(&here).is_none_or(|glance| glance.lineage.as_ref() != Some(lineage)) {
        return Belonging::Here;
    }
    match glance(&there) {
        Some(glance) if glance.lineage.as_ref() != Some(lineage) => Belonging::Moved { from },
        // What cannot be read may be in use.
        Some(_) | None => Belonging::Copied { from },
    }
}

/// What the files of a state show without a key and without a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Its lineage; none where there is no state.
    pub lineage: Option<String>,
    /// The root file that it belongs to.
    pub root: String,
}

/// Looks at a state in files; nothing where there is one that cannot be read.
pub fn glance(folder: &Path) -> Option<Glance> {
    LocalStore::new(folder.to_path_buf(), None, PathBuf::new(), Redactor::default()).glance().ok()
}

fn is_same(left: &Path, right: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    id(left).is_some_and(|left| Some(left) == id(right))
}
