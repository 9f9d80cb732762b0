//! Where state is kept, as the settings of a program say it, and the store there.

use super::local::LocalStore;
use super::remote::RemoteStore;
#[cfg(feature = "k8s")]
use super::remote::k8s::{K8sObjects, K8sPlace};
#[cfg(any(feature = "k8s", feature = "s3"))]
use super::remote::objects::{Fault, Objects};
#[cfg(feature = "s3")]
use super::remote::s3::{S3Objects, S3Place};
use super::{Holder, Loaded, Session, StateError, StateStore};
use crate::secret::{Key, Redactor};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A backend with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "lowercase")]
pub enum Place {
    /// Files, in a folder from the project's root.
    Local {
        /// The folder.
        #[serde(default = "default_folder")]
        path: String,
    },
    /// S3.
    #[cfg(feature = "s3")]
    S3(S3Place),
    /// Kubernetes.
    #[cfg(feature = "k8s")]
    K8s(K8sPlace),
}

/// Where state is when nothing is said.
pub const DEFAULT_FOLDER: &str = ".dtm/state";

fn default_folder() -> String {
    DEFAULT_FOLDER.into()
}

impl Default for Place {
    fn default() -> Self {
        Place::Local { path: default_folder() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Local { path } => f.write_str(path),
            #[cfg(feature = "s3")]
            Place::S3(place) => write!(f, "s3://{}/{}", place.bucket, place.key),
            #[cfg(feature = "k8s")]
            Place::K8s(place) => place.fmt(f),
        }
    }
}

/// What opening a store needs besides its place.
pub struct Opening<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The key from `DTM_STATE_KEY`.
    pub key: Option<Key>,
    /// Where keys are kept that dtm made.
    pub keys: PathBuf,
    /// Where the run's secrets are known.
    pub redactor: Redactor,
}

/// A store of any backend.
pub enum Store {
    /// Files.
    Local(LocalStore),
    /// Objects on a server.
    Remote(RemoteStore),
}

impl Store {
    /// The store of a place. Nothing is read of it yet.
    ///
    /// # Errors
    /// When what it needs on this machine cannot be had.
    pub fn open(place: &Place, with: Opening<'_>) -> Result<Store, StateError> {
        let Opening { root, key, keys, redactor } = with;
        match place {
            Place::Local { path } => Ok(Store::Local(LocalStore::new(root.join(path), key, keys, redactor))),
            #[cfg(feature = "s3")]
            Place::S3(s3) => {
                let opened = S3Objects::open(s3.clone());
                let objects = opened.map_err(|e| cannot_open(place, e.to_string(), ""))?;
                Ok(Store::on(objects, root, key, redactor))
            }
            #[cfg(feature = "k8s")]
            Place::K8s(k8s) => match K8sObjects::open(k8s.clone(), root) {
                Ok(objects) => Ok(Store::on(objects, root, key, redactor)),
                Err(Fault::Denied { why, help }) => Err(cannot_open(place, why, &help)),
                Err(other) => Err(cannot_open(place, other.to_string(), "")),
            },
        }
    }

    #[cfg(any(feature = "k8s", feature = "s3"))]
    fn on(objects: impl Objects + 'static, root: &Path, key: Option<Key>, redactor: Redactor) -> Store {
        let spill = root.join(".dtm/spill");
        Store::Remote(RemoteStore::new(std::sync::Arc::new(objects), key, redactor, spill))
    }

    /// The store, if it is in files.
    pub fn local(&self) -> Option<&LocalStore> {
        match self {
            Store::Local(store) => Some(store),
            Store::Remote(_) => None,
        }
    }

    /// Whether anything of a state is there, whole or not.
    ///
    /// # Errors
    /// When a server gives no answer.
    pub fn has_remains(&self) -> Result<bool, StateError> {
        match self {
            Store::Local(store) => Ok(store.has_remains()),
            Store::Remote(store) => store.exists(),
        }
    }
}

#[cfg(any(feature = "k8s", feature = "s3"))]
fn cannot_open(place: &Place, why: String, help: &str) -> StateError {
    let help = Some(help.to_string()).filter(|h| !h.is_empty());
    StateError::Remote { doing: "open", place: place.to_string(), why, help }
}

impl StateStore for Store {
    fn load(&self) -> Result<Loaded, StateError> {
        match self {
            Store::Local(store) => store.load(),
            Store::Remote(store) => store.load(),
        }
    }
    fn lock(&self, holder: Holder, wait: Duration) -> Result<Box<dyn Session>, StateError> {
        match self {
            Store::Local(store) => store.lock(holder, wait),
            Store::Remote(store) => store.lock(holder, wait),
        }
    }
    fn describe(&self) -> String {
        match self {
            Store::Local(store) => store.describe(),
            Store::Remote(store) => store.describe(),
        }
    }
}
