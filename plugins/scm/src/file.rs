//! `scm.File`: one file in a repository, by commits on top.

use crate::destination::{Destination, checked_branch, checked_destination, checked_path};
use crate::interface::file::{Inputs, Outputs};
use crate::ours::{Ours, Task};
use crate::scaffold::{id_of, remove};
use crate::store::{Blob, Store, with_store};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct File;

fn outputs(destination: &Destination, commit: &str) -> Outputs {
    Outputs { url: destination.url(), commit: commit.into() }
}

fn write(ctx: &Ctx, inputs: &Inputs, prior: &Ours) -> Result<Change<File>, Failure> {
    let destination = Destination::read(&inputs.destination)?;
    let id = id_of(&destination, &inputs.branch, &inputs.path);
    let bytes = Arc::new(inputs.content.clone().into_bytes());
    let files = BTreeMap::from([(inputs.path.clone(), Blob { mode: "100644", bytes })]);
    let message = inputs.message.clone().unwrap_or_else(|| format!("Write {}", inputs.path));
    let doing = format!("`{}`", destination.url());
    let written = with_store(ctx, &destination, &inputs.branch, &doing, |store| {
        prior.write(&Task { ctx, store, wanted: &files, id: &id, message: &message })
    })?;
    Ok(Change { id, outputs: outputs(&destination, &written.commit), private: written.private() })
}

impl Kind for File {
    const NAME: &'static str = "File";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [&'static str] = &["validate"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)?;
        checked_path(inputs)?;
        match inputs.get("path").and_then(Value::as_str) {
            Some(".") => Err(Failure::clean("`.` is the repository, and no file").input("path")),
            _ => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let inputs = &object.inputs;
        let destination = Destination::read(&inputs.destination)?;
        let doing = format!("`{}`", destination.url());
        let ours = Ours::of(&object.private);
        let failed = |e: crate::git::GitError| e.failure(&doing);
        let store = Store::open(ctx, &destination, &inputs.branch, 1).map_err(failed)?;
        let Some(store) = store.filter(|s| s.head.is_some()) else { return Ok(None) };
        let tree = store.tree(&inputs.path).map_err(failed)?;
        let Some((_, id)) = tree.get(&inputs.path) else { return Ok(None) };
        let mut observed = Fields::new();
        if !ours.is_known() || !ours.drifted(&tree).is_empty() {
            let there = store.contents(&[id]).map_err(failed)?.pop().unwrap_or_default();
            observed.insert("content".into(), json!(String::from_utf8_lossy(&there)));
        }
        let outputs = outputs(&destination, &ours.commit);
        Ok(Some(Observed { outputs, inputs: observed, private: object.private }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("").to_string();
        let destination = Destination::read(key.get("destination").unwrap_or(&Value::Null))?;
        let doing = format!("`{}`", destination.url());
        let (branch, path) = (text("branch"), text("path"));
        let store = Store::open(ctx, &destination, &branch, 1).map_err(|e| e.failure(&doing))?;
        let Some(store) = store else { return Ok(vec![]) };
        let tree = store.tree(&path).map_err(|e| e.failure(&doing))?;
        Ok(if tree.contains_key(&path) { vec![id_of(&destination, &branch, &path)] } else { vec![] })
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, &Ours::default())
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let mut prior = Ours::of(&object.private);
        if !prior.is_known() {
            // Adopted or found after an interruption: the file is this tool's by its key.
            prior = Ours::owning(&object.inputs.path);
        }
        write(ctx, &inputs, &prior)
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let inputs = &object.inputs;
        remove(ctx, &inputs.destination, &inputs.branch, &object.id, &Ours::of(&object.private))
    }
}
