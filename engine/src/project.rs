//! A project on disk: its root folder, the loader of its files, its state and its plugins.

use crate::event::Events;
use crate::plugin::{Locations, PluginCalls, Plugins, Spec, installed_interface, shipped_names};
use crate::secret::{Key, Redactor, WeakKey};
use crate::state::State;
use crate::state::StateError;
use crate::state::place::{Opening, Place, Store};
use crate::workspace::Workspace;
use dtm_lang::hir::PluginUse;
use dtm_lang::interface::Kind;
use dtm_lang::loader::Extensions;
#[cfg(feature = "sops")]
use dtm_lang::sealed::{Plain, Sealed, Unopened};
use dtm_lang::{Frontend, Loader, Program, Shipped, Symbol};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a project's files. Links that lead outside of the workspace are refused.
pub struct FileLoader {
    root: PathBuf,
    workspace: Workspace,
    /// What a person writes before a path to come from where they are to the root.
    prefix: String,
    extensions: &'static Extensions,
}

impl FileLoader {
    /// A loader for the project in `root`, a canonical path; `prefix` is shown before the paths of its files.
    pub fn new(root: PathBuf, prefix: String, extensions: &'static Extensions) -> FileLoader {
        FileLoader { workspace: Workspace::of(&root), root, prefix, extensions }
    }

    /// Where a path of the project really leads.
    fn real(&self, path: &str) -> Result<PathBuf, String> {
        let real = self.root.join(path).canonicalize().map_err(|e| crate::reason(&e))?;
        match real.starts_with(&self.workspace.root) {
            true => Ok(real),
            false => Err("a link in its path leads outside the workspace".into()),
        }
    }
}

impl Loader for FileLoader {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if let Some(front) = self.extensions.frontends.iter().find(|f| f.folder() == Some(path)) {
            return Ok(files(&self.root, *front).map_err(|e| crate::reason(&e))?.join("\n").into_bytes());
        }
        let real = self.real(path)?;
        let metadata = std::fs::metadata(&real).map_err(|e| crate::reason(&e))?;
        if metadata.is_dir() {
            return Err("it is a directory".into());
        }
        if !metadata.is_file() {
            return Err("it is not a regular file".into());
        }
        if metadata.len() > 64 << 20 {
            return Err("it is larger than 64 MiB".into());
        }
        std::fs::read(&real).map_err(|e| crate::reason(&e))
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(self.real(folder)?).map_err(|e| crate::reason(&e))?;
        let mut names = vec![];
        for entry in entries {
            let entry = entry.map_err(|e| crate::reason(&e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A link to a file counts; whether it leads outside is seen when it is read.
            if !name.starts_with('.') && entry.path().is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        if let Some((text, version)) = installed_interface(plugin) {
            return Some(Shipped { text: text.into(), version: version.into(), interface_only: false });
        }
        let text = dtm_stdlib::interface(plugin)?;
        Some(Shipped { text: text.into(), version: env!("CARGO_PKG_VERSION").into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        shipped_names()
            .chain(dtm_stdlib::INTERFACES.iter().map(|(name, _)| *name))
            .map(Symbol::from)
            .collect()
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        dtm_stdlib::module(name).map(Symbol::from)
    }
    fn home(&self) -> &str {
        &self.workspace.home
    }
    fn extensions(&self) -> &'static Extensions {
        self.extensions
    }
    #[cfg(feature = "sops")]
    fn open_sealed(&self, file: &Sealed) -> Result<Vec<Plain>, Unopened> {
        crate::sops::open(file, &|name| std::env::var(name).ok())
    }
    fn shown(&self, path: &str) -> String {
        shown(&self.prefix, path)
    }
}

/// A path from the project's root as one from where a person is: `one/` and `../shared/x.dts` are `shared/x.dts`.
fn shown(prefix: &str, path: &str) -> String {
    if !path.starts_with("../") {
        return format!("{prefix}{path}");
    }
    let (mut prefix, mut path) = (prefix.trim_end_matches('/'), path);
    while let Some(rest) = path.strip_prefix("../") {
        match prefix.rsplit_once('/') {
            Some((above, folder)) if !matches!(folder, ".." | "." | "") => (prefix, path) = (above, rest),
            None if !matches!(prefix, ".." | "." | "") => (prefix, path) = ("", rest),
            Some(_) | None => break,
        }
    }
    if prefix.is_empty() { path.to_string() } else { format!("{prefix}/{path}") }
}

/// The files of a folder and of those below it that a front end reads, in the order of their names; hidden ones are left out.
fn files(root: &Path, front: &dyn Frontend) -> std::io::Result<Vec<String>> {
    let (mut found, mut open) = (vec![], vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            match entry.file_type()? {
                _ if name.starts_with('.') => {}
                kind if kind.is_dir() => open.push(path),
                // A link to a file counts, as in a mounted ConfigMap; whether it leads outside is seen when it is read.
                kind if front.reads(&name) && (kind.is_file() || path.is_file()) => {
                    found.extend(path.strip_prefix(root).map(|p| p.to_string_lossy().into_owned()));
                }
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The kind of a shipped plugin, for tools that are in state only.
pub fn shipped_kind(plugin: &str, kind: &str) -> Option<Arc<Kind>> {
    let (text, _) = installed_interface(plugin)?;
    dtm_lang::read_interface(plugin, text).0?.kinds.get(kind).cloned()
}

/// What a run needs besides the program.
pub struct Surroundings {
    /// The project's root folder, canonical.
    pub root: PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The dtm binary, which is started again as plugin host.
    pub binary: PathBuf,
    /// Where the run's secrets are known.
    pub redactor: Redactor,
}

impl Surroundings {
    /// The folder of dtm's own data of this user: `$XDG_DATA_HOME/dtm`. There is none where neither that nor `HOME` is set,
    /// to an absolute path: a key must never be stored beside the state that it seals.
    pub fn data_home(&self) -> Option<PathBuf> {
        let var = |n: &str| self.env.get(n).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = var("XDG_DATA_HOME").or_else(|| var("HOME").map(|h| h.join(".local/share")));
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
        let own = self.root.join(".dtm");
        base.filter(|base| !real(base).starts_with(real(&own))).map(|base| base.join("dtm"))
    }

    fn given_key(&self) -> Option<Key> {
        self.env.get("DTM_STATE_KEY").filter(|k| !k.is_empty()).map(|k| Key::given(k))
    }

    fn keys(&self) -> Option<PathBuf> {
        self.data_home().map(|home| home.join("keys"))
    }

    /// The state in a place.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn store(&self, place: &Place) -> Result<Store, StateError> {
        if self.env.get("DTM_STATE_KEY").is_some_and(String::is_empty) {
            // A variable that a pipeline meant to fill.
            return Err(WeakKey { variable: "DTM_STATE_KEY", why: "it is empty".into() }.into());
        }
        let key = self.given_key();
        let (keys, redactor) = (self.keys(), self.redactor.clone());
        Store::open(place, Opening { root: &self.root, key, keys, redactor })
    }

    /// The hashes of the files of all plugins that a program uses or the state needs, by name.
    pub fn plugin_hashes(&self, program: &Program, state: &State) -> BTreeMap<String, String> {
        let locations = Locations::of_binary(&self.binary);
        let mut files: BTreeMap<String, Result<PathBuf, String>> = BTreeMap::new();
        for (name, used) in program.plugins() {
            files.insert(name.to_string(), self.plugin_file(&locations, name, used));
        }
        for entry in state.tools.values() {
            files.entry(entry.plugin.name.to_string()).or_insert_with(|| match &entry.plugin.path {
                Some(path) => self.by_path(path),
                None => self.shipped(&locations, &entry.plugin.name),
            });
        }
        let hash = |file: PathBuf| Some(crate::hash(&std::fs::read(file).ok()?));
        files.into_iter().filter_map(|(name, file)| Some((name, hash(file.ok()?)?))).collect()
    }

    /// The keys with which a saved plan may be sealed: the one that is given, that of the state, one of its own.
    pub fn plan_keys(&self, id: &str, lineage: Option<&str>) -> Vec<Key> {
        let given = self.given_key();
        let files = lineage.map(String::from).into_iter().chain([format!("plan-{id}")]);
        let read = |name| std::fs::read_to_string(self.keys()?.join(name)).ok();
        let kept = files.filter_map(read).map(|text| Key::from_text(text.trim()));
        given.into_iter().chain(kept).collect()
    }

    /// Makes a key for one plan, because there is no state yet whose key it could have.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make_plan_key(&self, id: &str) -> std::io::Result<Key> {
        use std::io::Write;
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let text = Key::random_text().map_err(std::io::Error::other)?;
        let no_home = || std::io::Error::other("set `HOME`, `XDG_DATA_HOME` or `DTM_STATE_KEY`");
        let folder = self.keys().ok_or_else(no_home)?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(folder.join(format!("plan-{id}")))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(Key::from_text(&text))
    }

    /// Forgets the key of a plan that was carried out.
    pub fn drop_plan_key(&self, id: &str) {
        let file = self.keys().map(|keys| keys.join(format!("plan-{id}")));
        file.into_iter().for_each(|file| _ = std::fs::remove_file(file));
    }

    /// The plugins of a program and of what is in state.
    pub fn plugins(
        &self,
        program: Option<&Program>,
        state: &State,
        lock: Option<OwnedFd>,
        events: Events,
    ) -> Arc<dyn PluginCalls> {
        let locations = Locations::of_binary(&self.binary);
        let mut specs: BTreeMap<String, Spec> = BTreeMap::new();
        if let Some(program) = program {
            for (name, used) in program.plugins() {
                let file = self.plugin_file(&locations, name, used);
                let plugin = &used.plugin;
                specs.insert(name.to_string(), self.spec(file, &plugin.name, &plugin.hash, &plugin.env));
            }
        }
        for entry in state.tools.values() {
            let name = &entry.plugin.name;
            if specs.contains_key(&**name) {
                continue;
            }
            let file = match &entry.plugin.path {
                Some(path) => self.by_path(path),
                None => self.shipped(&locations, name),
            };
            let hash = match installed_interface(name) {
                Some((text, _)) if entry.plugin.path.is_none() => dtm_lang::interface_hash(text),
                _ => entry.plugin.interface.clone(),
            };
            // The name in an interface by path is not recorded.
            let own = if entry.plugin.path.is_none() { &**name } else { "" };
            specs.insert(name.to_string(), self.spec(file, own, &hash, &[]));
        }
        let host = self.binary.clone();
        Arc::new(Plugins::new(host, self.root.clone(), specs, lock, events, self.redactor.clone()))
    }

    /// The library or executable of a plugin that a program uses.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn plugin_file(
        &self,
        locations: &Locations,
        name: &str,
        used: &PluginUse,
    ) -> Result<PathBuf, String> {
        match (&used.path, used.interface_only) {
            (Some(path), true) => Err(format!(
                "only the interface `{path}` of the plugin `{name}` was given, not the plugin itself"
            )),
            (Some(path), false) => self.by_path(path),
            (None, _) => self.shipped(locations, &used.plugin.name),
        }
    }

    fn shipped(&self, locations: &Locations, name: &str) -> Result<PathBuf, String> {
        locations.shipped(name).map(|l| l.file).map_err(|places| {
            let list: Vec<String> = places.iter().map(|p| format!("`{}`", p.display())).collect();
            format!("the plugin `{name}` is not installed: looked for {}", list.join(", "))
        })
    }

    fn by_path(&self, path: &str) -> Result<PathBuf, String> {
        let full = self.root.join(path);
        if full.is_file() { Ok(full) } else { Err(format!("the plugin `{path}` is not there")) }
    }

    /// The environment of a plugin whose interface asks for these variables.
    pub fn env_of(&self, env: &[Symbol]) -> Vec<(String, String)> {
        let asked = |name: &str, asks: &str| match asks.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => asks == name,
        };
        let seen =
            self.env.iter().filter(|(name, _)| plugin_sees(name) || env.iter().any(|asks| asked(name, asks)));
        seen.map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    fn spec(&self, file: Result<PathBuf, String>, name: &str, hash: &str, env: &[Symbol]) -> Spec {
        Spec { file, name: name.to_string(), interface: hash.to_string(), env: self.env_of(env) }
    }
}

/// The environment variables that every plugin gets.
fn plugin_sees(name: &str) -> bool {
    const ALWAYS: [&str; 6] = ["PATH", "HOME", "USER", "TMPDIR", "LANG", "TZ"];
    ALWAYS.contains(&name)
        || name.starts_with("LC_")
        || name.starts_with("XDG_")
        || name.starts_with("SSL_CERT_")
        || name.to_uppercase().ends_with("_PROXY")
}
