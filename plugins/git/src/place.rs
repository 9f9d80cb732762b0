//! Where a tool works: a path on a branch of a repository. What `Scaffold` and `File` do in the same way.

use crate::destination::{Destination, checked_destination, normalize, spelled};
use crate::git::GitError;
use crate::managed::{ManagedFiles, Outcome, Task};
use crate::names::{checked_branch, checked_message, checked_path};
use crate::store::{Blob, Branch, Store, default_branch, with_store};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure, Recorded};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A path on a branch of a repository: the natural key of what is there.
pub struct Place {
    /// The repository.
    pub destination: Destination,
    /// None for the default branch, as long as nothing was written.
    pub branch: Option<String>,
    /// The file or folder in the branch.
    pub path: String,
}

/// What was written, and where.
pub struct Written {
    /// The files, as they are now.
    pub ours: ManagedFiles,
    /// The branch; the default one where none was named.
    pub branch: String,
}

impl Place {
    /// What is wrong with the inputs that make it, as far as they are known.
    pub fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)?;
        checked_message(inputs)?;
        checked_path(inputs)
    }

    /// As inputs name it.
    pub fn at(destination: &impl Serialize, branch: Option<&str>, path: &str) -> Result<Place, Failure> {
        Place::new(Destination::of(destination)?, branch, path)
    }

    fn new(destination: Destination, branch: Option<&str>, path: &str) -> Result<Place, Failure> {
        Ok(Place { destination, branch: branch.map(String::from), path: path.into() })
    }

    /// From a natural key.
    pub fn of(key: &Fields) -> Result<Place, Failure> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let path = text("path").unwrap_or("");
        Place::new(Destination::read(key.get("destination").unwrap_or(&Value::Null))?, text("branch"), path)
    }

    /// The same place, for an object that is recorded: the default branch of then stays its branch.
    pub fn recorded(mut self, id: &str, private: &Value) -> Place {
        let noted = private.get("branch").and_then(Value::as_str).map(String::from);
        self.branch = self.branch.or(noted).or_else(|| branch_in(id, &self.path).map(String::from));
        self
    }

    /// The tool's id: `shop.git#main:docs`.
    pub fn id(&self, branch: &str) -> String {
        format!("{}#{branch}:{}", self.destination.name_in_ids(), self.path)
    }

    fn which(&self) -> Branch<'_> {
        self.branch.as_deref().map_or(Branch::Default, Branch::Named)
    }

    fn doing(&self) -> String {
        format!("`{}`", self.destination.url())
    }

    /// An error of git, here.
    pub fn failure(&self, error: &GitError) -> Failure {
        error.failure(&self.doing())
    }

    /// The branch; `None` when there is no such repository, or the branch is not in it.
    pub fn open<'c>(&self, ctx: &'c Ctx, depth: u32) -> Result<Option<Store<'c>>, Failure> {
        let store = Store::open(ctx, &self.destination, self.which(), depth);
        Ok(store.map_err(|e| self.failure(&e))?.filter(|s| s.head.is_some()))
    }

    /// The branch, or what it will begin at; `None` when there is no such repository.
    pub fn open_or_begin<'c>(&self, ctx: &'c Ctx) -> Result<Option<Store<'c>>, Failure> {
        Store::open(ctx, &self.destination, self.which(), 1).map_err(|e| self.failure(&e))
    }

    /// Brings the branch to what is wanted, after what was written before.
    pub fn write(
        &self,
        ctx: &Ctx,
        prior: &ManagedFiles,
        wanted: &BTreeMap<String, Blob>,
        message: &str,
    ) -> Result<Written, Failure> {
        let (outcome, branch) = self.change(ctx, prior, wanted, message)?;
        for (path, last) in &outcome.left {
            ctx.warn(&format!("`{path}` was changed outside of dtm{last}, so it is left as it is"));
        }
        Ok(Written { ours: outcome.ours, branch })
    }

    /// Works on the branch; to what is left belongs who changed it.
    fn change(
        &self,
        ctx: &Ctx,
        prior: &ManagedFiles,
        wanted: &BTreeMap<String, Blob>,
        message: &str,
    ) -> Result<(Changed, String), Failure> {
        with_store(ctx, &self.destination, self.which(), &self.doing(), |store| {
            if wanted.is_empty() && store.head.is_none() {
                return Ok(Ok((Changed::default(), store.branch.clone())));
            }
            let id = self.id(&store.branch);
            let done = prior.write(&Task { ctx, store, wanted, id: &id, message })?;
            Ok(done.map(|Outcome { ours, left, edits }| {
                let last =
                    |path: &String| store.last_change(path).map(|l| format!(" ({l})")).unwrap_or_default();
                let left = left.into_iter().map(|path| (path.clone(), last(&path))).collect();
                (Changed { ours, left, edits }, store.branch.clone())
            }))
        })
    }

    /// Takes away by a commit what was written, as far as it is still so.
    pub fn remove(&self, ctx: &Ctx, ours: &ManagedFiles, message: &str) -> Result<(), Failure> {
        // What is absent is removed already.
        if matches!(&self.destination, Destination::Folder(folder) if !folder.at.exists()) {
            return Ok(());
        }
        let (changed, _) = self.change(ctx, ours, &BTreeMap::new(), message)?;
        if changed.left.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = changed.left.iter().map(|(path, last)| format!("`{path}`{last}")).collect();
        let why = format!("{} was changed outside of dtm, and stays in the repository", list.join(", "));
        match changed.edits {
            0 => ctx.left(&why),
            _ => ctx.warn(&why),
        }
        Ok(())
    }
}

/// The result of a change, with the author of each change to a file that is left.
#[derive(Default)]
struct Changed {
    ours: ManagedFiles,
    left: Vec<(String, String)>,
    edits: usize,
}

/// The branch that an id names.
fn branch_in<'i>(id: &'i str, path: &str) -> Option<&'i str> {
    let (_, branch) = id.strip_suffix(path)?.strip_suffix(':')?.rsplit_once('#')?;
    Some(branch).filter(|b| !b.is_empty())
}

/// Inputs in their canonical form, with the branch if none is named: the recorded one, or else the default branch of an
/// existing repository.
///
/// # Errors
/// When a server does not answer for the repository, or a folder that exists is not one.
pub fn normalized(ctx: &Ctx, mut inputs: Fields, prior: Option<Recorded>) -> Result<Fields, Failure> {
    normalize(&mut inputs);
    if inputs.get("branch").is_some_and(|b| !b.is_null()) || checked_destination(&inputs).is_err() {
        return Ok(inputs);
    }
    let Some(destination) = inputs.get("destination").and_then(|value| Destination::read(value).ok()) else {
        return Ok(inputs);
    };
    let recorded = prior.and_then(|prior| {
        let before = Destination::read(prior.inputs.get("destination")?).ok()?;
        (before.url() == destination.url()).then(|| prior.inputs.get("branch").cloned())
    });
    let branch = match recorded {
        Some(branch) => branch.filter(|b| !b.is_null()),
        None => {
            let branch = default_branch(ctx, &destination);
            branch.map_err(|e| e.failure(&format!("`{}`", destination.url())))?.map(Value::from)
        }
    };
    inputs.extend(branch.map(|branch| ("branch".to_string(), branch)));
    Ok(inputs)
}

/// What an older version recorded, with folders inside the project by their path from there.
pub fn upgraded(mut recorded: Recorded) -> Recorded {
    let text = |name: &str| recorded.inputs.get(name).and_then(Value::as_str);
    let suffix = match (text("branch"), text("path")) {
        (Some(branch), Some(path)) => format!("#{branch}:{path}"),
        _ => String::new(),
    };
    let Ok(here) = std::env::current_dir() else { return recorded };
    let Some(Value::Object(destination)) = recorded.inputs.get_mut("destination") else { return recorded };
    let is_folder = destination.get("host").and_then(Value::as_str) == Some("folder");
    let Some(Value::String(path)) = destination.get_mut("path").filter(|_| is_folder) else {
        return recorded;
    };
    if path.is_empty() {
        return recorded;
    }
    let name = spelled(path, &here);
    let before = recorded.id.strip_suffix(&suffix).unwrap_or_default().to_string();
    // The id of a path that was relative is where that was then, of which only the end counts; of another it is the path.
    let same_end = Path::new(&before).ends_with(name.trim_start_matches("../"));
    if Path::new(&before).is_absolute() && (same_end || before == *path) {
        recorded.id = format!("{name}{suffix}");
        let root = before.strip_suffix(name.as_str()).map(Path::new);
        for folder in recorded.private.get_mut("made").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(text) = folder.as_str() else { continue };
            let inside = root.and_then(|root| Path::new(text).strip_prefix(root).ok());
            *folder = inside.map_or_else(|| spelled(text, &here), |path| path.display().to_string()).into();
        }
    }
    *path = name;
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_is_in_the_id() {
        for (id, path, branch) in [
            ("cart.git#main:a/b", "a/b", Some("main")),
            ("c#rt.git#x#y:a", "a", Some("y")),
            ("https://example.com/a.git#feature/x:.", ".", Some("feature/x")),
            ("cart.git", "a", None),
            ("cart.git#:a", "a", None),
        ] {
            assert_eq!(branch_in(id, path), branch, "{id}");
        }
    }

    #[test]
    fn what_an_older_version_recorded_gets_paths_from_the_project() {
        let here = std::env::current_dir().expect("a working directory");
        let here = here.display();
        let old = |id: String, path: &str, more: &[(&str, &str)]| {
            let mut inputs = Fields::from_iter([(
                "destination".to_string(),
                dtm_plugin::serde_json::json!({ "host": "folder", "path": path }),
            )]);
            inputs.extend(more.iter().map(|(n, v)| (n.to_string(), Value::from(*v))));
            upgraded(Recorded { id, inputs, ..Recorded::default() })
        };
        let file = [("branch", "main"), ("path", "a:b#c")];
        for (id, path, more, new_id, new_path) in [
            // In the same place, and after the project was moved.
            (format!("{here}/out/r.git"), "out/r.git".to_string(), &[][..], "out/r.git", "out/r.git"),
            ("/before/out/r.git".into(), "out/r.git".into(), &[][..], "out/r.git", "out/r.git"),
            ("/before/r.git".into(), "./r.git".into(), &[][..], "r.git", "r.git"),
            ("/before/x#y/r.git#main:a:b#c".into(), "r.git".into(), &file[..], "r.git#main:a:b#c", "r.git"),
            // The output of another tool was given as the path.
            (
                format!("{here}/r.git#main:a:b#c"),
                format!("{here}/r.git"),
                &file[..],
                "r.git#main:a:b#c",
                "r.git",
            ),
            // Elsewhere.
            (
                "/srv/r.git#main:a:b#c".into(),
                "/srv/r.git".into(),
                &file[..],
                "/srv/r.git#main:a:b#c",
                "/srv/r.git",
            ),
            ("/srv/r.git".into(), "/srv/r.git".into(), &[][..], "/srv/r.git", "/srv/r.git"),
        ] {
            let new = old(id.clone(), &path, more);
            assert_eq!(
                (new.id.as_str(), new.inputs["destination"]["path"].as_str()),
                (new_id, Some(new_path)),
                "{id}"
            );
            assert_eq!(upgraded(new.clone()).id, new.id, "twice is once");
        }
    }
}
