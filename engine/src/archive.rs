//! What a program was made of, kept so that the same program can be loaded again: files, params, environment.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_lang::loader::Around;
use dtm_lang::wire::{TAG, reveal};
use dtm_lang::{Inputs, Loader, Program};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was read of files.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Recording {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A loader of which this remembers what it reads, from now on.
    pub fn of(&self, inner: Arc<dyn Loader>) -> Arc<dyn Loader> {
        self.files().clear();
        let own = self.clone();
        Around::loader(inner, move |inner, path| {
            let bytes = inner.read(path)?;
            own.files().insert(path.into(), bytes.clone());
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
    files: BTreeMap<String, Value>,
    sets: Vec<(String, Value)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    params_file: Option<(String, Value)>,
    env: BTreeMap<String, Value>,
}

fn secret(text: &str) -> Value {
    json!({ TAG: "secret", "v": text })
}

fn text(value: &Value) -> String {
    reveal(value).as_str().unwrap_or_default().to_string()
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
        Archive {
            root: program.sources().file(dtm_lang::FileId(0)).path.to_string(),
            named: named.to_string(),
            files: read.files().iter().map(file).collect(),
            sets: inputs.sets.iter().map(|(n, v)| (n.clone(), outside(v))).collect(),
            params_file: inputs.params_file.as_ref().map(|(path, text)| (path.clone(), outside(text))),
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
        env.extend(self.env.iter().map(|(n, v)| (n.clone(), text(v))));
        Inputs {
            sets: self.sets.iter().map(|(n, v)| (n.clone(), text(v))).collect(),
            params_file: self.params_file.as_ref().map(|(path, v)| (path.clone(), text(v))),
            env: env.into(),
        }
    }

    /// A loader that gives the files as they were, and others as they are.
    pub fn loader(&self, inner: Arc<dyn Loader>) -> Arc<dyn Loader> {
        let files: BTreeMap<String, Vec<u8>> =
            self.files.iter().map(|(path, value)| (path.clone(), bytes(value))).collect();
        Around::loader(inner, move |inner, path| match files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => inner.read(path),
        })
    }
}
