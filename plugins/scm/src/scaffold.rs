//! `scm.Scaffold`: a template rendered into a repository, by commits on top.

use crate::destination::{Destination, checked_branch, checked_destination, checked_path, inside};
use crate::interface::scaffold::{Inputs, Outputs};
use crate::ours::{Ours, Task, common_folder, trailer};
use crate::store::{Blob, Store, with_store};
use crate::template::{load, parse, render};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::collections::BTreeMap;

pub(crate) struct Scaffold;

/// How many commits back an interrupted operation is looked for.
const SEARCH: u32 = 100;

fn outputs(destination: &Destination, branch: &str, commit: &str) -> Outputs {
    Outputs { url: destination.url(), r#ref: branch.into(), commit: commit.into() }
}

pub(crate) fn id_of(destination: &Destination, branch: &str, path: &str) -> String {
    format!("{}#{branch}:{path}", destination.url())
}

fn below(path: &str) -> Result<String, Failure> {
    inside(path).map_err(|why| Failure::clean(why).input("path"))
}

/// Whether a secret is anywhere inside: it would be committed for everybody to read.
fn has_secret(value: &Value) -> bool {
    match value {
        Value::Object(m) => {
            m.get("$dtm").and_then(Value::as_str) == Some("secret") || m.values().any(has_secret)
        }
        Value::Array(a) => a.iter().any(has_secret),
        _ => false,
    }
}

fn wanted(ctx: &Ctx, inputs: &Inputs) -> Result<BTreeMap<String, Blob>, Failure> {
    let template = load(ctx, &parse(&inputs.template)?)?;
    render(&template, &inputs.vars, &below(&inputs.path)?)
}

fn write(ctx: &Ctx, inputs: &Inputs, prior: &Ours) -> Result<Change<Scaffold>, Failure> {
    if inputs.vars.values().any(has_secret) {
        return Err(Failure::clean(
            "a secret would be committed: everybody who reads the repository sees it",
        )
        .input("vars"));
    }
    let destination = Destination::read(&inputs.destination)?;
    let id = id_of(&destination, &inputs.branch, &inputs.path);
    let files = wanted(ctx, inputs)?;
    let message = inputs.message.clone().unwrap_or_else(|| format!("Scaffold from {}", inputs.template));
    let doing = format!("`{}`", destination.url());
    let written = with_store(ctx, &destination, &inputs.branch, &doing, |store| {
        prior.write(&Task { ctx, store, wanted: &files, id: &id, message: &message })
    })?;
    let outputs = outputs(&destination, &inputs.branch, &written.commit);
    Ok(Change { id, outputs, private: written.private() })
}

impl Kind for Scaffold {
    const NAME: &'static str = "Scaffold";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [&'static str] = &["validate"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)?;
        checked_path(inputs)?;
        if let Some(template) = inputs.get("template").and_then(Value::as_str) {
            parse(template)?;
        }
        match inputs.get("vars").is_some_and(has_secret) {
            true => {
                Err(Failure::clean("a secret would be committed: everybody who reads the repository sees it")
                    .input("vars"))
            }
            false => Ok(()),
        }
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let inputs = &object.inputs;
        let destination = Destination::read(&inputs.destination)?;
        let ours = Ours::of(&object.private);
        let doing = format!("`{}`", destination.url());
        let store = Store::open(ctx, &destination, &inputs.branch, 1).map_err(|e| e.failure(&doing))?;
        let Some(store) = store.filter(|s| s.head.is_some()) else { return Ok(None) };
        let tree = store.tree(&common_folder(&ours)).map_err(|e| e.failure(&doing))?;
        if ours.is_gone(&tree) {
            return Ok(None);
        }
        let mut differs = ours.drifted(&tree);
        let source = parse(&inputs.template)?;
        if ours.is_known() && source.is_local() {
            // A template beside the program may have changed since: what it gives today is what is wanted.
            differs.extend(ours.outdated(&wanted(ctx, inputs)?));
        }
        differs.sort();
        differs.dedup();
        let mut observed = Fields::new();
        if !differs.is_empty() {
            let list = differs.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more =
                if differs.len() > 3 { format!(" and {} more", differs.len() - 3) } else { String::new() };
            observed.insert("template".into(), json!(format!("{}, but for {list}{more}", inputs.template)));
        }
        let outputs = outputs(&destination, &inputs.branch, &ours.commit);
        Ok(Some(Observed { outputs, inputs: observed, private: object.private }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("").to_string();
        let destination = Destination::read(key.get("destination").unwrap_or(&Value::Null))?;
        if ctx.op.is_empty() {
            return Ok(vec![]);
        }
        let doing = format!("`{}`", destination.url());
        let depth = if matches!(destination, Destination::Folder(_)) { 1 } else { SEARCH };
        let store = Store::open(ctx, &destination, &text("branch"), depth).map_err(|e| e.failure(&doing))?;
        let Some(store) = store else { return Ok(vec![]) };
        // What is in the branch of other files says nothing: only its own commit, made by this operation, is it.
        let line = format!("Dtm-Operation: {}", ctx.op);
        let found = store.commit_with(&line).map_err(|e| e.failure(&doing))?;
        let id = id_of(&destination, &text("branch"), &text("path"));
        let mine =
            found.is_some() && store.commit_with(&trailer(&id)).map_err(|e| e.failure(&doing))?.is_some();
        Ok(if mine { vec![id] } else { vec![] })
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, &Ours::default())
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        write(ctx, &inputs, &Ours::of(&object.private))
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let inputs = &object.inputs;
        remove(ctx, &inputs.destination, &inputs.branch, &object.id, &Ours::of(&object.private))
    }
}

/// Takes away by a commit what a tool wrote, as far as it is still as it wrote it.
pub(crate) fn remove(
    ctx: &Ctx,
    destination: &Value,
    branch: &str,
    id: &str,
    ours: &Ours,
) -> Result<(), Failure> {
    let destination = Destination::read(destination)?;
    if let Destination::Folder(path) = &destination
        && !path.exists()
    {
        return Ok(());
    }
    let doing = format!("`{}`", destination.url());
    let nothing = BTreeMap::new();
    with_store(ctx, &destination, branch, &doing, |store| match store.head {
        None => Ok(Ok(())),
        Some(_) => {
            let task = Task { ctx, store, wanted: &nothing, id, message: "Remove what was scaffolded" };
            ours.write(&task).map(|done| done.map(|_| ()))
        }
    })
}
