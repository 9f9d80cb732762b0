//! What a tool has written into a branch: the part that is compared, mended and taken away again. Files and commits of
//! others stay.
//!
//! | at the head | wanted | then |
//! |---|---|---|
//! | as recorded | the same | nothing |
//! | as recorded, changed or gone | something else | written |
//! | not recorded, there | something else | refused, unless an earlier commit of this tool wrote it |
//! | as recorded | nothing | taken away |
//! | changed by others | nothing | left |

use crate::git::GitError;
use crate::store::{Blob, Edits, Store, Tree};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Ctx, Failure};
use sha2::Digest;
use std::collections::BTreeMap;

/// The files that a tool wrote: mode and id in the repository, and the hash of what it wanted.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Ours {
    pub(crate) commit: String,
    files: BTreeMap<String, Written>,
    /// Whether anything was recorded: after an interruption nothing is.
    known: bool,
}

#[derive(Clone, PartialEq)]
struct Written {
    mode: String,
    id: String,
    hash: String,
}

fn hash(blob: &Blob) -> String {
    sha2::Sha256::digest(&*blob.bytes).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

impl Ours {
    /// From the plugin's own data of an object.
    pub(crate) fn of(private: &Value) -> Ours {
        let commit = private.get("commit").and_then(Value::as_str).unwrap_or("").to_string();
        let files = private.get("files").and_then(Value::as_object);
        let written = |text: &str| {
            let mut words = text.split(' ').map(String::from);
            Some(Written { mode: words.next()?, id: words.next()?, hash: words.next()? })
        };
        let known = files.is_some();
        let files = files.into_iter().flatten();
        let files = files.filter_map(|(p, v)| Some((p.clone(), written(v.as_str()?)?))).collect();
        Ours { commit, files, known }
    }

    /// One file that is ours by its name, whatever it holds.
    pub(crate) fn owning(path: &str) -> Ours {
        let written = Written { mode: String::new(), id: String::new(), hash: String::new() };
        Ours { commit: String::new(), files: BTreeMap::from([(path.to_string(), written)]), known: true }
    }

    /// As the plugin's own data.
    pub(crate) fn private(&self) -> Value {
        let files =
            self.files.iter().map(|(p, w)| (p.clone(), format!("{} {} {}", w.mode, w.id, w.hash).into()));
        json!({ "commit": self.commit, "files": files.collect::<dtm_plugin::protocol::Fields>() })
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// The files that differ at the head from what was written.
    pub(crate) fn drifted(&self, tree: &Tree) -> Vec<String> {
        let differs = |path: &&String| {
            let w = &self.files[*path];
            tree.get(*path).is_none_or(|(mode, id)| *mode != w.mode || *id != w.id)
        };
        self.files.keys().filter(differs).cloned().collect()
    }

    /// Whether none of them is there any more.
    pub(crate) fn is_gone(&self, tree: &Tree) -> bool {
        !self.files.is_empty() && !self.files.keys().any(|p| tree.contains_key(p))
    }

    /// The files that would be written otherwise today.
    pub(crate) fn outdated(&self, wanted: &BTreeMap<String, Blob>) -> Vec<String> {
        let changed = wanted
            .iter()
            .filter(|(p, b)| self.files.get(*p).is_none_or(|w| w.hash != hash(b) || w.mode != b.mode))
            .map(|(p, _)| p);
        let dropped = self.files.keys().filter(|p| !wanted.contains_key(*p));
        changed.chain(dropped).cloned().collect()
    }

    /// Brings the branch to what is wanted.
    ///
    /// # Errors
    /// When a file of somebody else is in the way. The inner error is git's.
    pub(crate) fn write(&self, task: &Task<'_>) -> Result<Result<Ours, GitError>, Failure> {
        match self.edits(task) {
            Ok(Ok((tree, edits))) => Ok(self.carry_out(task, &tree, &edits)),
            Ok(Err(taken)) => Err(taken),
            Err(e) => Ok(Err(e)),
        }
    }

    /// What has to change at the head; the inner error says what is in the way.
    fn edits(&self, task: &Task<'_>) -> Result<Result<(Tree, Edits), Failure>, GitError> {
        let tree = task.store.tree("")?;
        let mut edits = Edits::new();
        let mut doubtful: Vec<(&String, &Blob, &str)> = vec![];
        for (path, blob) in task.wanted {
            match (tree.get(path), self.files.get(path)) {
                (Some((mode, oid)), Some(w)) if *mode == w.mode && *oid == w.id => {
                    if w.hash != hash(blob) || w.mode != blob.mode {
                        edits.insert(path.clone(), Some(blob.clone()));
                    }
                }
                (Some((_, oid)), None) => doubtful.push((path, blob, oid)),
                _ => _ = edits.insert(path.clone(), Some(blob.clone())),
            }
            // A file where a folder has to be.
            let parent = path.match_indices('/').map(|(at, _)| &path[..at]).find(|p| tree.contains_key(*p));
            if let Some(parent) = parent.filter(|p| !self.files.contains_key(*p)) {
                return Ok(Err(Failure::clean(format!(
                    "`{path}` cannot be written: `{parent}` is a file there"
                ))));
            }
        }
        let ids: Vec<&str> = doubtful.iter().map(|(.., oid)| *oid).collect();
        let there = task.store.contents(&ids)?;
        let differs = |((_, blob, _), bytes): &(&(&String, &Blob, &str), &Vec<u8>)| *blob.bytes != **bytes;
        let taken: Vec<&str> =
            doubtful.iter().zip(&there).filter(differs).map(|((path, ..), _)| path.as_str()).collect();
        if !taken.is_empty() && (self.known || task.store.commit_with(&trailer(task.id))?.is_none()) {
            let list: Vec<String> = taken.iter().take(5).map(|p| format!("`{p}`")).collect();
            let more = if taken.len() > 5 { format!(" and {} more", taken.len() - 5) } else { String::new() };
            let why = format!("the branch has {}{more} already, with another content", list.join(", "));
            return Ok(Err(Failure::clean(why)));
        }
        for ((path, blob, _), bytes) in doubtful.iter().zip(&there) {
            let mode = tree.get(*path).map(|(mode, _)| mode.as_str());
            if *blob.bytes != *bytes || mode != Some(blob.mode) {
                edits.insert((*path).clone(), Some((*blob).clone()));
            }
        }
        for (path, w) in self.files.iter().filter(|(p, _)| !task.wanted.contains_key(*p)) {
            match tree.get(path) {
                Some((mode, oid)) if *mode == w.mode && *oid == w.id => _ = edits.insert(path.clone(), None),
                Some(_) => task.ctx.warn(&format!("`{path}` was changed by somebody else, and stays")),
                None => {}
            }
        }
        Ok(Ok((tree, edits)))
    }

    fn carry_out(&self, task: &Task<'_>, tree: &Tree, edits: &Edits) -> Result<Ours, GitError> {
        let (mut ids, mut commit) = (Tree::new(), self.commit.clone());
        if edits.is_empty() && commit.is_empty() {
            // It is there already: after an interruption by an earlier commit of its own, or by somebody else's.
            let earlier = task.store.commit_with(&trailer(task.id))?;
            commit = earlier.or_else(|| task.store.head.clone()).unwrap_or_default();
        }
        if !edits.is_empty() {
            let message = task.message.trim_end();
            let message = format!("{message}\n\n{}\nDtm-Operation: {}\n", trailer(task.id), task.ctx.op);
            let made = task.store.commit(&message, edits)?;
            (ids, commit) = (made.ids, made.id);
        }
        let files = task.wanted.iter().filter_map(|(path, blob)| {
            let (mode, oid) = ids.get(path).or_else(|| tree.get(path))?;
            Some((path.clone(), Written { mode: mode.clone(), id: oid.clone(), hash: hash(blob) }))
        });
        Ok(Ours { commit, files: files.collect(), known: true })
    }
}

/// What is to be in a branch, and how the commit is told.
pub(crate) struct Task<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) store: &'a Store<'a>,
    pub(crate) wanted: &'a BTreeMap<String, Blob>,
    /// The id of the tool.
    pub(crate) id: &'a str,
    pub(crate) message: &'a str,
}

/// The line by which a commit of a tool is known again.
pub(crate) fn trailer(id: &str) -> String {
    format!("Dtm-Tool: {id}")
}

/// The files at the head that have to do with these, for reading: few where few were written.
pub(crate) fn common_folder(ours: &Ours) -> String {
    let mut folders = ours.files.keys().map(|p| p.rsplit_once('/').map_or("", |(f, _)| f));
    let Some(first) = folders.next() else { return String::new() };
    let shared = folders.fold(first.to_string(), |shared, folder| {
        let same = shared.split('/').zip(folder.split('/')).take_while(|(a, b)| a == b).map(|(a, _)| a);
        same.collect::<Vec<_>>().join("/")
    });
    if shared.is_empty() { shared } else { shared + "/" }
}
