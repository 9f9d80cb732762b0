//! `scm.File`: one file in a repository, by commits on top.

use crate::interface::file::{Inputs, Outputs};
use dtm_git::managed::{ManagedFiles, obstacle};
use dtm_git::names::{inside, without_parents};
use dtm_git::place::{Place, normalized, upgraded};
use dtm_git::store::{Blob, Edits, Entry, Mode, Store};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct File;

fn place(inputs: &Inputs) -> Result<Place, Failure> {
    Place::at(&inputs.destination, inputs.branch.as_deref(), &inputs.path)
}

fn place_of(object: &Object<File>) -> Result<Place, Failure> {
    Ok(place(&object.inputs)?.recorded(&object.id, &object.private))
}

fn outputs(place: &Place, commit: &str) -> Outputs {
    Outputs { url: place.destination.url(), commit: commit.into() }
}

fn wanted(inputs: &Inputs) -> BTreeMap<String, Blob> {
    let mode = match inputs.executable {
        Some(true) => Mode::Executable,
        Some(false) => Mode::Plain,
        None => Mode::Kept,
    };
    let bytes = Arc::new(inputs.content.clone().into_bytes());
    BTreeMap::from([(inputs.path.clone(), Blob { mode, bytes })])
}

fn write(ctx: &Ctx, place: &Place, inputs: &Inputs, prior: &ManagedFiles) -> Result<Change<File>, Failure> {
    let message = inputs.message.clone().unwrap_or_else(|| format!("Write {}", inputs.path));
    let written = place.write(ctx, prior, &wanted(inputs), &message)?;
    Ok(Change {
        id: place.id(&written.branch),
        outputs: outputs(place, &written.ours.commit),
        private: written.ours.private(&written.branch),
    })
}

/// What a file holds, for comparing with the input: a link is not text that anybody could want.
fn content(store: &Store<'_>, place: &Place, entry: &Entry) -> Result<String, Failure> {
    let there = store.contents(&[&entry.id]).map_err(|e| place.failure(&e))?.pop().unwrap_or_default();
    let text = String::from_utf8_lossy(&there).into_owned();
    Ok(match entry.mode.as_str() {
        "120000" => format!("\0a symbolic link to `{text}`"),
        _ => text,
    })
}

impl Kind for File {
    const NAME: &'static str = "File";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Normalize, Method::Upgrade];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let path = inputs.get("path").and_then(Value::as_str);
        match path.map(|path| (path, without_parents(path).and_then(|path| inside(&path)))) {
            Some(("", _)) => Err(Failure::clean("the path is empty: write the path of a file").input("path")),
            Some((path, Ok(plain))) if plain.is_empty() => {
                Err(Failure::clean(format!("`{path}` is the repository, not a file")).input("path"))
            }
            Some(_) | None => Place::validate(inputs),
        }
    }

    async fn normalize(ctx: &Ctx, inputs: Fields, prior: Option<Recorded>) -> Result<Fields, Failure> {
        normalized(ctx, inputs, prior)
    }

    fn upgrade(_from: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let place = place_of(&object)?;
        let mut ours = ManagedFiles::of(&object.private);
        let Some(store) = place.open(ctx, 1)? else { return Ok(None) };
        let tree = store.tree(&place.path).map_err(|e| place.failure(&e))?;
        let Some(entry) = tree.get(&place.path).filter(|e| !e.is_submodule()) else { return Ok(None) };
        let mut observed = Fields::new();
        if !ours.is_known() || !ours.drifted(&tree).is_empty() {
            observed.insert("content".into(), json!(content(&store, &place, entry)?));
        }
        if object.inputs.executable.is_some() {
            observed.insert("executable".into(), json!(entry.mode == "100755"));
        }
        let mut private = object.private;
        if !ours.is_known() {
            // Adopted, or found after an interruption: by its key it is this tool's.
            ours = ManagedFiles::adopted(&store, &tree, std::iter::once(&place.path))
                .map_err(|e| place.failure(&e))?;
            private = ours.private(&store.branch);
        }
        Ok(Some(Observed {
            outputs: outputs(&place, &ours.commit),
            inputs: observed,
            drift: vec![],
            private,
        }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let place = Place::of(&key)?;
        let Some(store) = place.open_or_begin(ctx)? else { return Ok(vec![]) };
        if let Some(why) = store.clash() {
            return Err(Failure::clean(why).input("branch"));
        }
        let tree = store.around(&place.path).map_err(|e| place.failure(&e))?;
        if let Some(why) = obstacle(&place.path, &tree, &Edits::new()) {
            return Err(Failure::clean(why).input("path"));
        }
        let there = store.head.is_some() && tree.contains_key(&place.path);
        Ok(if there { vec![place.id(&store.branch)] } else { vec![] })
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &place(&inputs)?, &inputs, &ManagedFiles::default())
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let mut prior = ManagedFiles::of(&object.private);
        if !prior.is_known() {
            prior = ManagedFiles::holding(&wanted(&object.inputs));
        }
        let place = place(&inputs)?.recorded(&object.id, &object.private);
        write(ctx, &place, &inputs, &prior)
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let place = place_of(&object)?;
        let mut ours = ManagedFiles::of(&object.private);
        if !ours.is_known() {
            ours = ManagedFiles::holding(&wanted(&object.inputs));
        }
        place.remove(ctx, &ours, &format!("Remove {}", place.path))
    }
}
