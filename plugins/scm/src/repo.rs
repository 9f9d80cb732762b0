//! `scm.Repo`: a bare repository in a folder is made and removed; one on a server must exist, and is only read.

use crate::destination::{Destination, checked_branch, checked_destination};
use crate::git::{COMMITTER, Git};
use crate::interface::repo::{Inputs, Outputs};
use crate::store::{Turns, is_repository};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::io::ErrorKind;
use std::path::Path;

pub(crate) struct Repo;

fn outputs(destination: &Destination) -> Outputs {
    Outputs { url: destination.url(), name: destination.name() }
}

/// The branch that a bare repository starts from.
fn head_branch(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path.join("HEAD")).ok()?;
    text.trim().strip_prefix("ref: refs/heads/").map(String::from)
}

/// Whether a server answers for a repository.
fn answers(ctx: &Ctx, destination: &Destination) -> Result<(), Failure> {
    let Destination::Remote(remote) = destination else { return Ok(()) };
    let nowhere = std::env::temp_dir();
    let asked = Git::at(ctx, &nowhere).with(remote).run(&["ls-remote", "-q", &remote.url, "HEAD"]);
    asked.map(|_| ()).map_err(|e| e.failure(&format!("`{}`", remote.url)))
}

impl Kind for Repo {
    const NAME: &'static str = "Repo";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [&'static str] = &["validate"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let destination = Destination::read(&object.inputs.destination)?;
        let mut inputs = Fields::new();
        match &destination {
            Destination::Folder(path) => match std::fs::metadata(path) {
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(e) => return Err(Failure::clean(format!("`{}` cannot be read: {e}", path.display()))),
                Ok(_) if !is_repository(path) => {
                    return Err(Failure::clean(format!(
                        "`{}` is no bare repository any more",
                        path.display()
                    )));
                }
                Ok(_) => _ = inputs.insert("branch".into(), json!(head_branch(path))),
            },
            Destination::Remote(_) => answers(ctx, &destination)?,
        }
        Ok(Some(Observed { outputs: outputs(&destination), inputs, private: object.private }))
    }

    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let destination = Destination::read(key.get("destination").unwrap_or(&Value::Null))?;
        match &destination {
            Destination::Folder(path) if std::fs::symlink_metadata(path).is_ok() => {
                Ok(vec![destination.url()])
            }
            // One on a server is only read: that it exists is no surprise.
            _ => Ok(vec![]),
        }
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let destination = Destination::read(&inputs.destination)?;
        answers(ctx, &destination)?;
        let mut made = vec![];
        if let Destination::Folder(path) = &destination {
            made = init(ctx, path, &inputs.branch)?;
        }
        Ok(Change { id: destination.url(), outputs: outputs(&destination), private: json!({ "made": made }) })
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let destination = Destination::read(&inputs.destination)?;
        answers(ctx, &destination)?;
        if let Destination::Folder(path) = &destination
            && head_branch(path).as_ref() != Some(&inputs.branch)
        {
            let name = format!("refs/heads/{}", inputs.branch);
            Git::at(ctx, path)
                .run(&["symbolic-ref", "HEAD", &name])
                .map_err(|e| e.failure(&format!("`{}`", path.display())))?;
        }
        Ok(Change { id: object.id, outputs: outputs(&destination), private: object.private })
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let destination = Destination::read(&object.inputs.destination)?;
        let Destination::Folder(path) = &destination else { return Ok(()) };
        let turns = Turns::of(&destination);
        let _turn = turns.take();
        if !path.exists() {
            return Ok(());
        }
        if !is_repository(path) {
            return Err(Failure::clean(format!("`{}` is no bare repository, and stays", path.display())));
        }
        if !object.inputs.force_delete {
            refuse_others(ctx, path)?;
        }
        // Out of the way at once, so that nobody finds half of it.
        let aside =
            path.with_file_name(format!(".{}.dtm-deleted-{}", destination.name(), std::process::id()));
        let failed =
            |e: std::io::Error| Failure::clean(format!("`{}` cannot be removed: {e}", path.display()));
        std::fs::rename(path, &aside).map_err(failed)?;
        std::fs::remove_dir_all(&aside).map_err(|e| {
            Failure::partial(object.id.clone(), format!("`{}` cannot be removed: {e}", aside.display()))
        })?;
        let made = object.private.get("made").and_then(Value::as_array).into_iter().flatten();
        for folder in made.rev().filter_map(Value::as_str) {
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Refuses to delete commits that dtm did not make.
fn refuse_others(ctx: &Ctx, path: &Path) -> Result<(), Failure> {
    let doing = format!("`{}`", path.display());
    let out = Git::at(ctx, path)
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
        "it holds {count} commit{} that dtm did not make (`{first}`): keep a copy and set `force_delete = true`, or leave \
         it alone with `forget`",
        if count == 1 { "" } else { "s" }
    )))
}

/// Makes a bare repository, whole or not at all; gives the folders that were made for it.
fn init(ctx: &Ctx, path: &Path, branch: &str) -> Result<Vec<String>, Failure> {
    let failed = |e: std::io::Error| Failure::clean(format!("`{}` cannot be made: {e}", path.display()));
    let op_file = path.join("dtm-operation");
    if path.exists() {
        // Made by this very operation, whose answer was lost.
        if std::fs::read_to_string(&op_file).is_ok_and(|op| op == ctx.op) {
            return Ok(vec![]);
        }
        return Err(Failure::clean(format!("`{}` exists already", path.display())).input("destination"));
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let missing: Vec<String> =
        parent.ancestors().take_while(|p| !p.exists()).map(|p| p.display().to_string()).collect();
    std::fs::create_dir_all(parent).map_err(failed)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = parent.join(format!(".{name}.dtm-{}", ctx.op.chars().take(12).collect::<String>()));
    let _ = std::fs::remove_dir_all(&beside);
    let head = format!("--initial-branch={branch}");
    Git::at(ctx, &beside)
        .run(&["init", "-q", "--bare", &head, "--template="])
        .map_err(|e| e.failure(&format!("`{}`", path.display())))?;
    std::fs::write(beside.join("dtm-operation"), &ctx.op).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    Ok(missing.into_iter().rev().collect())
}
