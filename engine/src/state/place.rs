//! Where state is kept: backends, a backend with its options ([`Place`]), and the store there.

use super::helpers::Helper;
use super::{StateError, StateStore, own};
use crate::Fields;
use crate::secret::{Key, Redactor};
use crate::workspace::stays_inside;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

/// A kind of place where states are kept. Everything about it is in its own file, with an interface beside it that declares its
/// options; nothing but a line in [`BACKENDS`] names it.
pub trait Backend: Sync {
    /// Its name in `settings`: `s3`.
    fn name(&self) -> &'static str;

    /// Its interface, of which `settings { ... }` declares the options.
    fn interface(&self) -> &'static str;

    /// Options in the one form that is compared and recorded: defaults are filled in.
    ///
    /// # Errors
    /// The reason, where they are not the options of this backend.
    fn options(&self, written: Fields) -> Result<Fields, String>;

    /// Where a place is, for a person: an address.
    fn shown(&self, options: &Fields) -> String;

    /// The folder of a state in files, relative to the project's root.
    fn folder<'o>(&self, options: &'o Fields) -> Option<&'o str> {
        let _ = options;
        None
    }

    /// The programs that opening a place runs because the project selects them.
    fn helpers(&self, options: &Fields, root: &Path, env: &BTreeMap<String, String>) -> Vec<Helper> {
        let _ = (options, root, env);
        vec![]
    }

    /// The store in a place. Nothing is read of it yet.
    ///
    /// # Errors
    /// When what it needs on this machine is missing.
    fn open(&self, place: &Place, with: Opening<'_>) -> Result<Box<dyn StateStore>, StateError>;
}

/// The backends of this build.
pub const BACKENDS: &[&dyn Backend] = &[
    &super::local::Files,
    #[cfg(feature = "s3")]
    &super::remote::s3::S3,
    #[cfg(feature = "k8s")]
    &super::remote::k8s::Kubernetes,
];

/// The backends by name, with their interfaces: for the checker.
pub fn interfaces() -> Vec<(&'static str, &'static str)> {
    BACKENDS.iter().map(|backend| (backend.name(), backend.interface())).collect()
}

/// Options in the form of a backend's own type.
pub(super) fn canonical<T: Serialize + DeserializeOwned>(written: Fields) -> Result<Fields, String> {
    match serde_json::from_value::<T>(Value::Object(written)).and_then(serde_json::to_value) {
        Ok(Value::Object(options)) => Ok(options),
        Ok(_) => Ok(Fields::new()),
        Err(e) => Err(e.to_string()),
    }
}

/// Canonical options as a backend's own type.
#[cfg(any(feature = "k8s", feature = "s3"))]
pub(super) fn typed<T: DeserializeOwned>(options: &Fields) -> Option<T> {
    serde_json::from_value(Value::Object(options.clone())).ok()
}

/// A backend with its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Place {
    backend: String,
    #[serde(flatten)]
    options: Fields,
}

/// A place as it is written.
#[derive(Deserialize)]
struct Written {
    backend: String,
    #[serde(flatten)]
    options: Fields,
}

impl TryFrom<Written> for Place {
    type Error = String;

    fn try_from(written: Written) -> Result<Place, String> {
        let Written { backend, options } = written;
        let known = BACKENDS.iter().find(|known| known.name() == backend);
        let known = known.ok_or_else(|| format!("this dtm has no backend `{backend}`"))?;
        Ok(Place { options: known.options(options)?, backend })
    }
}

/// Where state is when nothing is said.
pub const DEFAULT_FOLDER: &str = ".dtm/state";

impl Default for Place {
    fn default() -> Self {
        Place::local(DEFAULT_FOLDER)
    }
}

impl Place {
    /// Files in a folder, relative to the project's root.
    pub fn local(path: &str) -> Place {
        let options = Fields::from_iter([("path".to_string(), path.into())]);
        Place { backend: super::local::Files.name().into(), options }
    }

    /// The backend's name: `local`, `s3`.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    fn known(&self) -> Option<&'static dyn Backend> {
        BACKENDS.iter().copied().find(|backend| backend.name() == self.backend)
    }

    /// The options, in their canonical form.
    pub fn options(&self) -> &Fields {
        &self.options
    }

    /// The folder of a state in files, relative to the project's root; none for one on a server.
    pub fn folder(&self) -> Option<&str> {
        self.known()?.folder(&self.options)
    }

    /// Whether it is a folder inside of the project: no other checkout shares it.
    pub fn is_inside(&self) -> bool {
        self.folder().is_some_and(|path| stays_inside(Path::new(path)))
    }

    /// The programs that opening it runs because the project selects them.
    pub fn helpers(&self, root: &Path, env: &BTreeMap<String, String>) -> Vec<Helper> {
        self.known().map(|backend| backend.helpers(&self.options, root, env)).unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(backend) => f.write_str(&backend.shown(&self.options)),
            None => f.write_str(&self.backend),
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
pub struct Store(Box<dyn StateStore>);

impl Store {
    /// The store of a place. Nothing is read of it yet.
    ///
    /// # Errors
    /// When what it needs on this machine is missing.
    pub fn open(place: &Place, with: Opening<'_>) -> Result<Store, StateError> {
        let folder = with.root.join(place.folder().unwrap_or(own::FOLDER));
        own::refuse_links_to(with.root, &folder)?;
        let backend = place
            .known()
            .ok_or_else(|| cannot_open(place, format!("this dtm has no backend `{}`", place.backend), ""))?;
        backend.open(place, with).map(Store)
    }

    /// With other rules of what may be begun or resumed here.
    pub fn with_policy(mut self, policy: super::Policy) -> Store {
        self.0.set_policy(policy);
        self
    }
}

impl Deref for Store {
    type Target = dyn StateStore;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl DerefMut for Store {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.0
    }
}

/// The error of a place that cannot be opened, with what would help.
pub(super) fn cannot_open(place: &Place, why: String, help: &str) -> StateError {
    let help = Some(help.to_string()).filter(|h| !h.is_empty());
    StateError::Remote { doing: "open", place: place.to_string(), why, help }
}
