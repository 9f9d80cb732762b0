//! `scm.Scaffold`: a template rendered into a repository, by commits on top.

use crate::interface::scaffold::{Inputs, Outputs};
use dtm_git::managed::{ManagedFiles, common_folder, trailer};
use dtm_git::names::inside;
use dtm_git::place::{Place, normalized, upgraded};
use dtm_git::store::Blob;
use dtm_git::template::{exists, load, parse, render};
use dtm_plugin::protocol::{Fields, Method, PlannedFile};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::wire::has_secret;
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded};
use std::collections::BTreeMap;

pub(crate) struct Scaffold;

/// How many commits back an interrupted operation is looked for.
const SEARCH: u32 = 100;

fn place(inputs: &Inputs) -> Result<Place, Failure> {
    Place::at(&inputs.destination, inputs.branch.as_deref(), &inputs.path)
}

fn place_of(object: &Object<Scaffold>) -> Result<Place, Failure> {
    Ok(place(&object.inputs)?.recorded(&object.id, &object.private))
}

fn outputs(place: &Place, branch: &str, commit: &str) -> Outputs {
    Outputs { url: place.destination.url(), r#ref: branch.into(), commit: commit.into() }
}

/// Refuses variables with a secret anywhere inside.
fn checked_vars<'v>(mut vars: impl Iterator<Item = &'v Value>) -> Result<(), Failure> {
    match vars.any(has_secret) {
        true => {
            Err(Failure::clean("a secret would be committed: everybody who reads the repository sees it")
                .input("vars"))
        }
        false => Ok(()),
    }
}

fn wanted(ctx: &Ctx, inputs: &Inputs) -> Result<BTreeMap<String, Blob>, Failure> {
    let template = load(ctx, &parse(&inputs.template)?)?;
    let below = inside(&inputs.path).map_err(|why| Failure::clean(why).input("path"))?;
    render(&template, &inputs.vars, &below)
}

fn write(
    ctx: &Ctx,
    place: &Place,
    inputs: &Inputs,
    prior: &ManagedFiles,
) -> Result<Change<Scaffold>, Failure> {
    checked_vars(inputs.vars.values())?;
    let files = wanted(ctx, inputs)?;
    let message = inputs.message.clone().unwrap_or_else(|| format!("Scaffold from {}", inputs.template));
    let written = place.write(ctx, prior, &files, &message)?;
    Ok(Change {
        id: place.id(&written.branch),
        outputs: outputs(place, &written.branch, &written.ours.commit),
        private: written.ours.private(&written.branch),
    })
}

/// What was written, as far as it is known: an older version recorded nothing of what was adopted.
fn recorded(ctx: &Ctx, object: &Object<Scaffold>) -> Result<ManagedFiles, Failure> {
    let ours = ManagedFiles::of(&object.private);
    if ours.is_known() {
        return Ok(ours);
    }
    Ok(ManagedFiles::holding(&wanted(ctx, &object.inputs)?))
}

impl Kind for Scaffold {
    const NAME: &'static str = "Scaffold";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Normalize, Method::Files, Method::Upgrade];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        Place::validate(inputs)?;
        if let Some(template) = inputs.get("template").and_then(Value::as_str) {
            exists(&parse(template)?)?;
        }
        checked_vars(inputs.get("vars").into_iter())
    }

    async fn normalize(ctx: &Ctx, inputs: Fields, prior: Option<Recorded>) -> Result<Fields, Failure> {
        normalized(ctx, inputs, prior)
    }

    fn upgrade(_from: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let inputs = &object.inputs;
        let place = place_of(&object)?;
        let mut ours = ManagedFiles::of(&object.private);
        let Some(store) = place.open(ctx, 1)? else { return Ok(None) };
        let mut private = object.private.clone();
        let mut tree = store.tree(&common_folder(&ours)).map_err(|e| place.failure(&e))?;
        let mut differs = vec![];
        if !ours.is_known() {
            // Adopted, or found after an interruption: what the template writes is this tool's.
            let wanted = wanted(ctx, inputs)?;
            tree = store.tree("").map_err(|e| place.failure(&e))?;
            ours = ManagedFiles::adopted(&store, &tree, wanted.keys()).map_err(|e| place.failure(&e))?;
            private = ours.private(&store.branch);
            differs.extend(ours.outdated(&wanted));
            if !wanted.keys().any(|path| tree.contains_key(path)) {
                return Ok(None);
            }
        }
        if ours.is_gone(&tree) {
            return Ok(None);
        }
        // An edited template is a change of the program, reported by `files`, and not drift.
        differs.extend(ours.drifted(&tree));
        differs.sort();
        differs.dedup();
        let mut observed = Fields::new();
        if !differs.is_empty() {
            let list = differs.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more =
                if differs.len() > 3 { format!(" and {} more", differs.len() - 3) } else { String::new() };
            // No template file has such a name: a zero byte marks it as a note.
            observed.insert("template".into(), json!(format!("\0differs in {list}{more}")));
        }
        let outputs = outputs(&place, &store.branch, &ours.commit);
        Ok(Some(Observed { outputs, inputs: observed, drift: vec![], private }))
    }

    async fn files(
        ctx: &Ctx,
        prior: Option<Object<Self>>,
        inputs: Inputs,
    ) -> Result<Vec<PlannedFile>, Failure> {
        checked_vars(inputs.vars.values())?;
        let place = place(&inputs)?;
        let ours = prior.as_ref().map(|object| ManagedFiles::of(&object.private)).unwrap_or_default();
        let store = match place.open_or_begin(ctx) {
            // `find` and `read` report a server that does not answer.
            Err(_) if place.destination.local().is_none() => return Ok(vec![]),
            opened => opened?,
        };
        if let Some(why) = store.as_ref().and_then(|store| store.clash()) {
            return Err(Failure::clean(why).input("branch"));
        }
        let same = |prior: &Inputs| prior.template == inputs.template && prior.vars == inputs.vars;
        if prior.is_some_and(|object| same(&object.inputs)) && !parse(&inputs.template)?.is_local() {
            // The template of a tag does not change; it is fetched only to revert changes made outside.
            let tree = store.as_ref().map(|s| s.tree("")).transpose().map_err(|e| place.failure(&e))?;
            if tree.is_some_and(|tree| ours.drifted(&tree).is_empty()) {
                return Ok(vec![]);
            }
        }
        let wanted = wanted(ctx, &inputs)?;
        if let Some(store) = &store {
            let id = place.id(&store.branch);
            let refused = ours.refused(ctx, store, &wanted, &id).map_err(|e| place.failure(&e))?;
            if let Some(why) = refused {
                return Err(why.input("path"));
            }
        }
        ours.planned(store.as_ref(), &wanted).map_err(|e| place.failure(&e))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let place = Place::of(&key)?;
        if ctx.op.is_empty() {
            return Ok(vec![]);
        }
        let depth = if place.destination.local().is_some() { 1 } else { SEARCH };
        let Some(store) = place.open(ctx, depth)? else { return Ok(vec![]) };
        // What is in the branch of other files says nothing: only its own commit, made by this operation, is it.
        let id = place.id(&store.branch);
        for line in [format!("Dtm-Operation: {}", ctx.op), trailer(&id)] {
            if store.commit_with(&line).map_err(|e| place.failure(&e))?.is_none() {
                return Ok(vec![]);
            }
        }
        Ok(vec![id])
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &place(&inputs)?, &inputs, &ManagedFiles::default())
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let place = place(&inputs)?.recorded(&object.id, &object.private);
        write(ctx, &place, &inputs, &ManagedFiles::of(&object.private))
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let ours = recorded(ctx, &object)?;
        place_of(&object)?.remove(ctx, &ours, "Remove what was scaffolded")
    }
}
