//! `scm.Repo`: a bare repository in a folder is made and removed; one on a server must exist, and is only read.

use crate::interface::repo::{Inputs, Outputs};
use dtm_git::destination::{Destination, Folder, checked_destination, normalize, spelled};
use dtm_git::git::{COMMITTER, Git};
use dtm_git::names::checked_branch;
use dtm_git::own::{self, Parts, head_branch, set_head};
use dtm_git::place::upgraded;
use dtm_git::store::{Turns, advertised, is_repository};
use dtm_plugin::protocol::{Fields, Listed, Method};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded};
use std::io::ErrorKind;
use std::path::Path;

pub(crate) struct Repo;

fn outputs(destination: &Destination) -> Outputs {
    Outputs { url: destination.url(), name: destination.name() }
}

/// Whether a server answers for a repository.
fn answers(ctx: &Ctx, destination: &Destination) -> Result<(), Failure> {
    let Destination::Remote(remote) = destination else { return Ok(()) };
    let asked = match destination.local() {
        Some(path) => own::in_place_of(ctx, &path, Parts::All).map(|_| ()),
        None => advertised(ctx, remote, None).map(|_| ()),
    };
    asked.map_err(|e| e.failure(&format!("`{}`", remote.url)))
}

impl Kind for Repo {
    const NAME: &'static str = "Repo";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Normalize, Method::Upgrade, Method::List];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)
    }

    async fn normalize(_: &Ctx, mut inputs: Fields, _: Option<Recorded>) -> Result<Fields, Failure> {
        normalize(&mut inputs);
        Ok(inputs)
    }

    fn upgrade(_from: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let destination = Destination::of(&object.inputs.destination)?;
        let mut inputs = Fields::new();
        match &destination {
            Destination::Folder(Folder { at: path, .. }) => match std::fs::metadata(path) {
                // It is there until the last of it is removed.
                Err(e) if e.kind() == ErrorKind::NotFound && aside(path).exists() => {}
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(e) => return Err(Failure::clean(format!("`{}` cannot be read: {e}", path.display()))),
                Ok(_) if !is_repository(path) => {
                    let why = "is not a bare repository any more";
                    return Err(Failure::clean(format!("`{}` {why}", path.display())));
                }
                Ok(_) => _ = inputs.insert("branch".into(), json!(head_branch(path))),
            },
            Destination::Remote(_) => answers(ctx, &destination)?,
        }
        Ok(Some(Observed { outputs: outputs(&destination), inputs, drift: vec![], private: object.private }))
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let destination = Destination::read(key.get("destination").unwrap_or(&Value::Null))?;
        match &destination {
            Destination::Folder(folder) if std::fs::symlink_metadata(&folder.at).is_ok() => {
                Ok(vec![folder.name.clone()])
            }
            // One on a server is only read: it is expected to exist, and is not taken from anybody.
            Destination::Folder(_) | Destination::Remote(_) => answers(ctx, &destination).map(|()| vec![]),
        }
    }

    async fn list(_: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        let Destination::Folder(Folder { name, at: folder }) =
            Destination::read(within.get("destination").unwrap_or(&Value::Null))?
        else {
            return Err(Failure::clean("only repositories in a folder can be listed").input("destination"));
        };
        let failed =
            |e: std::io::Error| Failure::clean(format!("`{}` cannot be read: {e}", folder.display()));
        let mut found = vec![];
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if is_repository(&path) {
                let below = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let id = if name == "." { below } else { format!("{}/{below}", name.trim_end_matches('/')) };
                let destination = json!({ "host": "folder", "path": id });
                found.push(Listed { id, key: Fields::from_iter([("destination".into(), destination)]) });
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let destination = Destination::of(&inputs.destination)?;
        answers(ctx, &destination)?;
        let mut made = vec![];
        if let Destination::Folder(folder) = &destination {
            made = init(ctx, &folder.at, &inputs.branch)?;
        }
        let id = destination.name_in_ids().to_string();
        Ok(Change { id, outputs: outputs(&destination), private: json!({ "made": made }) })
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let destination = Destination::of(&inputs.destination)?;
        answers(ctx, &destination)?;
        let mut private = object.private;
        if let Destination::Folder(Folder { at: path, .. }) = &destination {
            if !path.exists() {
                private = json!({ "made": init(ctx, path, &inputs.branch)? });
            } else if private.is_null() {
                // Found after an interruption.
                private = json!({ "made": made_for(path) });
            }
        }
        if let Destination::Folder(Folder { at: path, .. }) = &destination
            && head_branch(path).as_ref() != Some(&inputs.branch)
        {
            set_head(path, &inputs.branch).map_err(|e| {
                Failure::clean(format!("`{}` cannot be written: {e}", path.join("HEAD").display()))
            })?;
        }
        let id = destination.name_in_ids().to_string();
        Ok(Change { id, outputs: outputs(&destination), private })
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let destination = Destination::of(&object.inputs.destination)?;
        let Destination::Folder(Folder { at: path, .. }) = &destination else { return Ok(()) };
        let turns = Turns::of(&destination);
        let _turn = turns.take();
        let made = object.private.get("made").and_then(Value::as_array).cloned();
        let made = made.unwrap_or_else(|| made_for(path));
        if !path.exists() {
            // An earlier deletion was interrupted.
            return clear(&aside(path), &object.id, &made);
        }
        if !is_repository(path) {
            return Err(Failure::clean(format!(
                "`{}` is not a bare repository, so it is left as it is",
                path.display()
            )));
        }
        if !object.inputs.force_delete {
            refuse_others(ctx, path)?;
        }
        // Out of the way at once, so that nobody finds half of it.
        let aside = aside(path);
        let failed =
            |e: std::io::Error| Failure::clean(format!("`{}` cannot be removed: {e}", path.display()));
        std::fs::rename(path, &aside).map_err(failed)?;
        clear(&aside, &object.id, &made)
    }
}

/// Where a repository lies while it is deleted: always the same place, so that an interrupted deletion is found.
fn aside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.dtm-deleted"))
}

/// Removes what lies aside, and the folders that were made for it as far as they are empty.
fn clear(aside: &Path, id: &str, made: &[Value]) -> Result<(), Failure> {
    match std::fs::remove_dir_all(aside) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            let why = format!("`{}` cannot be removed: {e}", aside.display());
            return Err(Failure::partial(id, why));
        }
        _ => {}
    }
    for folder in made.iter().rev().filter_map(Value::as_str) {
        // Only folders above it can have been made for it, whatever a file in it says.
        let above = |at: &Path| aside.ancestors().any(|a| a == at);
        let at = std::env::current_dir().map(|here| here.join(folder)).ok().filter(|at| above(at));
        if at.is_none_or(|at| std::fs::remove_dir(at).is_err()) {
            break;
        }
    }
    Ok(())
}

/// The file in a repository that says which operation made it, and which folders were made for it.
const MADE: &str = "dtm-operation";

fn made_for(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path.join(MADE)).unwrap_or_default();
    text.lines().skip(1).map(Value::from).collect()
}

/// Refuses to delete commits that dtm did not make.
fn refuse_others(ctx: &Ctx, path: &Path) -> Result<(), Failure> {
    let doing = format!("`{}`", path.display());
    let own = own::in_place_of(ctx, path, Parts::All).map_err(|e| e.failure(&doing))?;
    let out = Git::at(ctx, own.folder.path())
        .run(&["log", "--all", "--format=%cn <%ce>%x09%h %s", "-n", "100000"])
        .map_err(|e| e.failure(&doing))?;
    let text = String::from_utf8_lossy(&out);
    let others: Vec<&str> = text
        .lines()
        .filter_map(|l| l.split_once('\t'))
        .filter(|(who, _)| *who != COMMITTER)
        .map(|(_, commit)| commit)
        .collect();
    let Some(first) = others.first() else { return Ok(()) };
    let count = others.len();
    Err(Failure::clean(format!(
        "it holds {count} commit{} that dtm did not make (`{first}`): keep a copy, set `force_delete = true`, apply that, and \
         delete it then; or leave it alone with `forget`",
        if count == 1 { "" } else { "s" }
    )))
}

/// Makes a bare repository, whole or not at all; gives the folders that were made for it.
fn init(ctx: &Ctx, path: &Path, branch: &str) -> Result<Vec<String>, Failure> {
    let failed = |e: std::io::Error| Failure::clean(format!("`{}` cannot be made: {e}", path.display()));
    if path.exists() {
        // Made by this very operation, whose answer was lost.
        let text = std::fs::read_to_string(path.join(MADE));
        if text.is_ok_and(|text| text.lines().next() == Some(&*ctx.op)) {
            return Ok(made_for(path).iter().filter_map(Value::as_str).map(String::from).collect());
        }
        return Err(Failure::clean(format!("`{}` already exists", path.display())).input("destination"));
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let here = std::env::current_dir().map_err(failed)?;
    let missing = parent.ancestors().take_while(|p| !p.exists());
    let mut missing: Vec<String> = missing.map(|p| spelled(&p.display().to_string(), &here)).collect();
    std::fs::create_dir_all(parent).map_err(failed)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = parent.join(format!(".{name}.dtm-{}", ctx.op.chars().take(12).collect::<String>()));
    let _ = std::fs::remove_dir_all(&beside);
    let head = format!("--initial-branch={branch}");
    Git::at(ctx, &beside)
        .into_folder()
        .run(&["init", "-q", "--bare", &head, "--template="])
        .map_err(|e| e.failure(&format!("`{}`", path.display())))?;
    missing.reverse();
    let lines = std::iter::once(&ctx.op).chain(&missing).fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(beside.join(MADE), lines).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    Ok(missing)
}
