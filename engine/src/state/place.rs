//! Where state is kept, as the settings of a program say it, and the store there.

use super::local::LocalStore;
use super::own;
use super::remote::RemoteStore;
#[cfg(feature = "k8s")]
use super::remote::k8s::{K8sObjects, K8sPlace};
#[cfg(any(feature = "k8s", feature = "s3"))]
use super::remote::objects::{Fault, Objects};
#[cfg(feature = "s3")]
use super::remote::s3::{S3Objects, S3Place};
use super::{Holder, Loaded, Session, State, StateError, StateStore, Written};
use crate::address::ToolAddr;
use crate::secret::{Key, Redactor};
use crate::workspace::stays_inside;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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

impl Place {
    /// What it is kept in, as the program names it: `local`, `s3`.
    pub fn backend(&self) -> &'static str {
        match self {
            Place::Local { .. } => "local",
            #[cfg(feature = "s3")]
            Place::S3(_) => "s3",
            #[cfg(feature = "k8s")]
            Place::K8s(_) => "k8s",
        }
    }
}

impl Place {
    /// Whether it is a folder inside of the project: no other checkout shares it.
    pub fn is_inside(&self) -> bool {
        match self {
            Place::Local { path } => stays_inside(Path::new(path)),
            #[cfg(feature = "s3")]
            Place::S3(_) => false,
            #[cfg(feature = "k8s")]
            Place::K8s(_) => false,
        }
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

/// What may be begun in a place, or gone on with.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The lineage of a state that is begun here; else a new one.
    pub lineage: Option<String>,
    /// Whether a state that was moved away may be used all the same.
    pub even_moved: bool,
}

impl Policy {
    /// A state that nobody has used yet.
    pub(super) fn fresh(&self) -> State {
        let fresh = State::fresh();
        let lineage = self.lineage.clone().unwrap_or_else(|| fresh.lineage.clone());
        State { lineage, ..fresh }
    }
    /// Refuses what is somewhere else now.
    pub(super) fn allows(&self, state: &State, from: impl FnOnce() -> String) -> Result<(), StateError> {
        match &state.moved_to {
            Some(to) if !self.even_moved => Err(StateError::Moved { from: from(), to: to.clone() }),
            _ => Ok(()),
        }
    }
}

/// What opening a store needs besides its place.
pub struct Opening<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The key from `DTM_STATE_KEY`.
    pub key: Option<Key>,
    /// Where keys are kept that dtm made; nowhere without a data folder of the user.
    pub keys: Option<PathBuf>,
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
        let folder = if let Place::Local { path } = place { root.join(path) } else { root.join(own::FOLDER) };
        own::refuse_links_to(root, &folder)?;
        match place {
            Place::Local { .. } => Ok(Store::Local(LocalStore::new(folder, key, keys, redactor))),
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

    /// With other rules of what may be begun or gone on with here.
    pub fn with_policy(self, policy: Policy) -> Store {
        match self {
            Store::Local(store) => Store::Local(store.with_policy(policy)),
            Store::Remote(store) => Store::Remote(store.with_policy(policy)),
        }
    }

    /// Who holds the lock now, as far as that can be told without taking it.
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Store::Local(store) => store.holder(),
            Store::Remote(store) => store.holder().ok().flatten(),
        }
    }

    /// Sets aside what is there, so that the next lock makes a new state.
    ///
    /// # Errors
    /// When it cannot be moved, or the lock is held.
    pub fn set_aside(&self, holder: &Holder, wait: Duration) -> Result<(), StateError> {
        match self {
            Store::Local(store) => store.set_aside(holder, wait).map(drop),
            Store::Remote(store) => store.set_aside(holder, wait),
        }
    }

    /// Rebuilds a damaged state from what is whole, and sets the rest aside. Gives the state, secrets still sealed, and how
    /// many whole records cannot be used.
    ///
    /// # Errors
    /// When there is nothing to rebuild it from, or the lock is held.
    pub fn recover(&self, holder: &Holder, wait: Duration) -> Result<(State, usize), StateError> {
        match self {
            Store::Local(store) => store.recover(holder, wait),
            Store::Remote(store) => store.recover(holder, wait),
        }
    }

    /// Seals everything with another key, history included. Without `new`, a state in files gets a random one. With `lost`
    /// what the old key sealed is dropped. Gives how many secrets were dropped.
    ///
    /// # Errors
    /// When the state cannot be read or written, or the lock is held. The old key stands then.
    pub fn rekey(
        &self,
        holder: &Holder,
        wait: Duration,
        new: Option<Key>,
        lost: bool,
    ) -> Result<usize, StateError> {
        match self {
            Store::Local(store) => store.rekey(holder, wait, new, lost),
            Store::Remote(store) => store.rekey(holder, wait, new, lost),
        }
    }

    /// Starts a new lineage for a state in files, `without` these tools, and returns it.
    ///
    /// # Errors
    /// When it cannot be read or written, the lock is held, or it is on a server.
    pub fn fork(
        &self,
        holder: &Holder,
        wait: Duration,
        without: &BTreeSet<ToolAddr>,
    ) -> Result<String, StateError> {
        match self {
            Store::Local(store) => store.fork(holder, wait, without),
            Store::Remote(_) => {
                Err(StateError::Closed("a state on a server is shared, and is not forked".into()))
            }
        }
    }

    /// Whether there is anything of which a state could be rebuilt.
    ///
    /// # Errors
    /// When a server gives no answer.
    pub fn has_pieces(&self) -> Result<bool, StateError> {
        match self {
            Store::Local(store) => store.has_remains(),
            Store::Remote(store) => store.has_pieces(),
        }
    }

    /// Whether anything of a state is there, whole or not.
    ///
    /// # Errors
    /// When a server gives no answer.
    pub fn has_remains(&self) -> Result<bool, StateError> {
        match self {
            Store::Local(store) => store.has_remains(),
            Store::Remote(store) => store.exists(),
        }
    }
}

#[cfg(any(feature = "k8s", feature = "s3"))]
fn cannot_open(place: &Place, why: String, help: &str) -> StateError {
    let help = Some(help.to_string()).filter(|h| !h.is_empty());
    StateError::Remote { doing: "open", place: place.to_string(), why, help }
}

impl Store {
    fn inner(&self) -> &dyn StateStore {
        match self {
            Store::Local(store) => store,
            Store::Remote(store) => store,
        }
    }
}

impl StateStore for Store {
    fn load(&self) -> Result<Loaded, StateError> {
        self.inner().load()
    }
    fn lock(&self, holder: Holder, wait: Duration) -> Result<Box<dyn Session>, StateError> {
        self.inner().lock(holder, wait)
    }
    fn history(&self) -> Result<Vec<Written>, StateError> {
        self.inner().history()
    }
    fn at(&self, serial: u64) -> Result<Option<State>, StateError> {
        self.inner().at(serial)
    }
    fn seal(&self, state: &State) -> Result<State, StateError> {
        self.inner().seal(state)
    }
    fn open(&self, state: State) -> Result<State, StateError> {
        self.inner().open(state)
    }
    fn describe(&self) -> String {
        self.inner().describe()
    }
}
