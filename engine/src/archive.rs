//! What a program was made of, kept so that the same program can be loaded again: files, params, environment.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_lang::loader::{Around, Extensions, to_workspace};
use dtm_lang::sealed::{Plain, Sealed, Unopened};
use dtm_lang::wire::{TAG, reveal};
use dtm_lang::{Given, Inputs, Loader, Origin, Program, Shipped, Symbol};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was read of files.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Read>>);

#[derive(Default)]
struct Read {
    /// The project's root, from the workspace root.
    home: String,
    /// By the path from the workspace root.
    files: BTreeMap<String, Vec<u8>>,
}

impl Recording {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A loader of which this remembers what it reads, from now on.
    pub fn of(&self, inner: Arc<dyn Loader>) -> Arc<dyn Loader> {
        *self.read() = Read { home: inner.home().into(), files: BTreeMap::new() };
        let own = self.clone();
        Around::loader(inner, move |inner, path| {
            let bytes = inner.read(path)?;
            own.read().files.insert(to_workspace(inner.home(), path), bytes.clone());
            Ok(bytes)
        })
    }
}

/// A program as it was: texts, which may be secret, by their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// The root file.
    pub root: String,
    /// The root file as the user named it.
    pub named: String,
    /// The project's root, from the workspace root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    home: String,
    /// By the path from the workspace root, so that another checkout of the same tree can use them.
    files: BTreeMap<String, Value>,
    sets: Vec<(String, Value)>,
    #[serde(
        default,
        alias = "params_file",
        deserialize_with = "files",
        skip_serializing_if = "Vec::is_empty"
    )]
    params_files: Vec<(String, Value)>,
    env: BTreeMap<String, Value>,
}

fn secret(text: &str) -> Value {
    json!({ TAG: "secret", "v": text })
}

fn text(value: &Value) -> String {
    reveal(value).as_str().unwrap_or_default().to_string()
}

/// Files of params; before there could be several, one or none was written.
fn files<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<(String, Value)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Files {
        One(String, Value),
        Several(Vec<(String, Value)>),
    }
    Ok(match Option::<Files>::deserialize(from)? {
        None => vec![],
        Some(Files::One(path, text)) => vec![(path, text)],
        Some(Files::Several(files)) => files,
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    match reveal(value).get("base64").and_then(Value::as_str) {
        Some(packed) => STANDARD.decode(packed).unwrap_or_default(),
        None => text(value).into_bytes(),
    }
}

impl Archive {
    /// Of a program, what was read for it, and what came from outside. Where a param is secret, all that came from outside is
    /// kept as secret, and with `hidden` data files too.
    pub fn of(program: &Program, read: &Recording, inputs: &Inputs, named: &str, hidden: bool) -> Archive {
        let params = &program.hir().params;
        let hidden = hidden || params.iter().any(|p| p.ty.has_secret());
        let outside = |text: &str| if hidden { secret(text) } else { json!(text) };
        let file = |(path, bytes): (&String, &Vec<u8>)| {
            let value = match std::str::from_utf8(bytes) {
                Ok(text) if path.ends_with(".dts") => json!(text),
                Ok(text) => outside(text),
                Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
            };
            (path.clone(), value)
        };
        let mut env = program.environment().asked();
        for param in params {
            let name = format!("DTM_PARAM_{}", param.name);
            env.extend(inputs.env.all().get(&name).map(|v| (name.clone(), v.clone())));
        }
        let read = read.read();
        Archive {
            home: read.home.clone(),
            root: program.sources().file(dtm_lang::FileId(0)).path.to_string(),
            named: named.to_string(),
            files: read.files.iter().map(file).collect(),
            sets: inputs
                .sets
                .iter()
                // `--env` names a file of params even where the program has no param `env`.
                .filter(|g| g.origin != Origin::Env || params.iter().any(|p| *p.name == *g.name))
                .map(|g| (g.name.clone(), outside(&g.text)))
                .collect(),
            params_files: inputs
                .params_files
                .iter()
                .map(|(path, text)| (path.clone(), outside(text)))
                .collect(),
            env: env.iter().map(|(n, v)| (n.clone(), outside(v))).collect(),
        }
    }

    /// What came from outside; of the environment only what the program asks for is as it was.
    pub fn inputs(&self, env: &BTreeMap<String, String>) -> Inputs {
        let mut env: BTreeMap<String, String> = env
            .iter()
            .filter(|(n, _)| !n.starts_with("DTM_PARAM_"))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let kept =
            |(name, v): &(String, Value)| Given { name: name.clone(), text: text(v), origin: Origin::Saved };
        env.extend(self.env.iter().map(|(n, v)| (n.clone(), text(v))));
        Inputs {
            sets: self.sets.iter().map(kept).collect(),
            params_files: self.params_files.iter().map(|(path, v)| (path.clone(), text(v))).collect(),
            env: env.into(),
        }
    }

    /// A loader that gives the files as they were, and others as they are.
    pub fn loader(&self, inner: Arc<dyn Loader>) -> Arc<dyn Loader> {
        let files = self.files.iter().map(|(path, value)| (path.clone(), bytes(value))).collect();
        Arc::new(Kept { inner, home: self.home.clone(), files })
    }
}

/// The files of an archive, in the place where its project had them.
struct Kept {
    inner: Arc<dyn Loader>,
    home: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Loader for Kept {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(&to_workspace(&self.home, path)) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.inner.read(path),
        }
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let folder = to_workspace(&self.home, folder);
        let inside = |path: &String| {
            let (own, name) = path.rsplit_once('/').unwrap_or(("", path));
            (own == folder).then(|| name.to_string())
        };
        let kept: Vec<String> = self.files.keys().filter_map(inside).collect();
        if kept.is_empty() { self.inner.list(&folder) } else { Ok(kept) }
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        self.inner.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        self.inner.shipped_names()
    }
    fn std_module(&self, path: &str) -> Option<Symbol> {
        self.inner.std_module(path)
    }
    fn home(&self) -> &str {
        &self.home
    }
    fn open_sealed(&self, file: &Sealed) -> Result<Vec<Plain>, Unopened> {
        self.inner.open_sealed(file)
    }
    fn extensions(&self) -> &'static Extensions {
        self.inner.extensions()
    }
    fn shown(&self, path: &str) -> String {
        self.inner.shown(path)
    }
}
