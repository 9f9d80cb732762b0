//! `scm.File`: one file in a repository, by commits on top.

use crate::interface::file::{Inputs, Outputs};
use crate::ours::Ours;
use crate::place::Place;
use crate::store::Blob;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct File;

fn place(inputs: &Inputs) -> Result<Place, Failure> {
    Place::read(&inputs.destination, &inputs.branch, &inputs.path)
}

fn outputs(place: &Place, commit: &str) -> Outputs {
    Outputs { url: place.destination.url(), commit: commit.into() }
}

fn write(ctx: &Ctx, inputs: &Inputs, prior: &Ours) -> Result<Change<File>, Failure> {
    let place = place(inputs)?;
    let bytes = Arc::new(inputs.content.clone().into_bytes());
    let files = BTreeMap::from([(inputs.path.clone(), Blob { mode: "100644", bytes })]);
    let message = inputs.message.clone().unwrap_or_else(|| format!("Write {}", inputs.path));
    let written = place.write(ctx, prior, &files, &message)?;
    Ok(Change { id: place.id(), outputs: outputs(&place, &written.commit), private: written.private() })
}

impl Kind for File {
    const NAME: &'static str = "File";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [&'static str] = &["validate"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        Place::validate(inputs)?;
        match inputs.get("path").and_then(Value::as_str) {
            Some(".") => Err(Failure::clean("`.` is the repository, and no file").input("path")),
            _ => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let place = place(&object.inputs)?;
        let ours = Ours::of(&object.private);
        let Some(store) = place.open(ctx, 1)? else { return Ok(None) };
        let tree = store.tree(&place.path).map_err(|e| place.failure(&e))?;
        let Some((_, id)) = tree.get(&place.path) else { return Ok(None) };
        let mut observed = Fields::new();
        if !ours.is_known() || !ours.drifted(&tree).is_empty() {
            let there = store.contents(&[id]).map_err(|e| place.failure(&e))?.pop().unwrap_or_default();
            observed.insert("content".into(), json!(String::from_utf8_lossy(&there)));
        }
        let outputs = outputs(&place, &ours.commit);
        Ok(Some(Observed { outputs, inputs: observed, private: object.private }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let place = Place::of(&key)?;
        let Some(store) = place.open(ctx, 1)? else { return Ok(vec![]) };
        let tree = store.tree(&place.path).map_err(|e| place.failure(&e))?;
        Ok(if tree.contains_key(&place.path) { vec![place.id()] } else { vec![] })
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
        let place = place(&object.inputs)?;
        place.remove(ctx, &Ours::of(&object.private), &format!("Remove {}", place.path))
    }
}
