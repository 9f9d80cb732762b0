//! `.dtm/backend`: which states this project has used. A state that was used and is gone, or a new empty one in
//! the place of another, is never taken for "nothing was made yet".

use super::belonging::glance;
use super::own;
use super::place::Place;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A state that the project used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Its backend: `local`, `s3`.
    pub backend: String,
    /// Where it is, from the project's root.
    pub path: String,
    /// Its lineage.
    pub lineage: String,
    /// The place with its options, if it is not in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The project's folder when it was used last, for a state inside of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The root file that used it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// The states that a project used, the last one at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backends {
    used: Vec<Used>,
}

fn file(root: &Path) -> PathBuf {
    root.join(".dtm/backend")
}

impl Used {
    /// A state of this lineage in a place, used by a root file of the project in a canonical folder.
    pub fn new(place: &Place, lineage: &str, (folder, file): (&Path, &str)) -> Used {
        let (backend, path) = (place.backend().to_string(), place.to_string());
        let folder = place.is_inside().then(|| folder.to_path_buf());
        let place = Some(place.clone()).filter(|p| p.folder().is_none());
        Used { backend, path, lineage: lineage.into(), place, folder, file: file.into() }
    }
    /// Whether a root file of the project in a folder used it, as far as that is known.
    fn is_of(&self, folder: &Path, file: &str) -> bool {
        if !self.file.is_empty() || self.place.is_some() {
            return self.file.is_empty() || self.file == file;
        }
        // Written by a version that noted no file: the state itself names it.
        let root = glance(&folder.join(&self.path)).map(|found| found.root).unwrap_or_default();
        root.is_empty() || root == file
    }
    /// Where it is.
    pub fn place(&self) -> Place {
        self.place.clone().unwrap_or_else(|| Place::local(&self.path))
    }
}

impl Backends {
    /// What is remembered; nothing where the file is missing or not readable.
    pub fn load(root: &Path) -> Backends {
        own::read(&file(root)).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default()
    }
    /// The states that this root file used: other root files in the folder have their own.
    pub fn of(mut self, folder: &Path, file: &str) -> Backends {
        self.used.retain(|used| used.is_of(folder, file));
        self
    }
    /// The state that was used last.
    pub fn last(&self) -> Option<&Used> {
        self.used.last()
    }
    /// Every state that was used, the last one at the end.
    pub fn all(&self) -> impl Iterator<Item = &Used> {
        self.used.iter()
    }
    /// The state that was used in this place.
    pub fn at(&self, path: &str) -> Option<&Used> {
        self.used.iter().find(|u| u.path == path)
    }
    /// Remembers a state as the last one used.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(mut self, root: &Path, now: Used) -> std::io::Result<()> {
        if self.last() == Some(&now) {
            return Ok(());
        }
        self.used.retain(|u| u.path != now.path);
        self.used.push(now);
        self.write(root)
    }
    /// Notes that a state belongs to the project in this folder, without having used it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn settle(mut self, root: &Path, path: &str) -> std::io::Result<()> {
        for used in self.used.iter_mut().filter(|u| u.path == path) {
            used.folder = Some(root.to_path_buf());
        }
        self.write(root)
    }

    fn write(&self, root: &Path) -> std::io::Result<()> {
        let path = file(root);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let begins = path.symlink_metadata().is_err();
        let bytes = serde_json::to_vec_pretty(&self).unwrap_or_default();
        if begins {
            // Keeps it out of git; an existing file is the user's decision.
            let ignore = path.with_file_name(".gitignore");
            if ignore.symlink_metadata().is_err() {
                own::created(&ignore)?.write_all(b"*\n")?;
            }
        }
        own::replaced(&path, &path.with_extension("tmp"), &bytes)
    }
}
