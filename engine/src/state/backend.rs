//! `.dtm/backend`: which states this project has used. A state that was used and is gone, or a new empty one in
//! the place of another, is never taken for "nothing was made yet".

use super::place::Place;
use serde::{Deserialize, Serialize};
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
    /// A state of this lineage in a place.
    pub fn new(place: &Place, lineage: &str) -> Used {
        let (backend, path) = (place.backend().to_string(), place.to_string());
        let place = Some(place.clone()).filter(|p| !matches!(p, Place::Local { .. }));
        Used { backend, path, lineage: lineage.into(), place }
    }
    /// Where it is.
    pub fn place(&self) -> Place {
        self.place.clone().unwrap_or_else(|| Place::Local { path: self.path.clone() })
    }
}

impl Backends {
    /// What is remembered; nothing where the file is missing or not readable.
    pub fn load(root: &Path) -> Backends {
        std::fs::read(file(root)).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default()
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
        let path = file(root);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, serde_json::to_vec_pretty(&self).unwrap_or_default())?;
        std::fs::rename(&temporary, &path)
    }
}
