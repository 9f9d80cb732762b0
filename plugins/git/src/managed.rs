//! What a tool has written into a branch: the part that is compared, mended and taken away again. Files and commits of
//! others stay.
//!
//! | at the head | wanted | then |
//! |---|---|---|
//! | as recorded | the same | nothing |
//! | as recorded, changed or gone | something else | written |
//! | not recorded, there | something else | refused, unless an earlier commit of this tool wrote it |
//! | as recorded | nothing | taken away |
//! | changed by others | nothing | left, and said |
//! | a folder, a submodule | a file | refused, always |

use crate::git::GitError;
use crate::store::{Blob, Edits, Entry, Store, Tree};
use dtm_plugin::protocol::PlannedFile;
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Ctx, Failure};
use sha2::Digest;
use std::collections::BTreeMap;

/// The files that a tool wrote: what they are in the repository, and the hash of what it wanted.
#[derive(Clone, Default, PartialEq)]
pub struct ManagedFiles {
    /// The newest commit that was made for the tool; empty before the first.
    pub commit: String,
    files: BTreeMap<String, Written>,
    /// Whether anything was recorded: after an interruption nothing is.
    known: bool,
}

#[derive(Clone, PartialEq)]
struct Written {
    mode: String,
    /// Empty where only the content is known.
    id: String,
    hash: String,
}

impl Written {
    /// Whether it is still as it was written, but for the executable bit.
    fn is(&self, there: &Entry) -> bool {
        there.id == self.id && (there.mode == self.mode || is_file(&there.mode) && is_file(&self.mode))
    }
}

fn is_file(mode: &str) -> bool {
    mode.starts_with("100")
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The result of a change.
pub(crate) struct Outcome {
    pub(crate) ours: ManagedFiles,
    /// Files that should be removed, and stay because they were changed outside.
    pub(crate) left: Vec<String>,
    /// How many files were written or removed.
    pub(crate) edits: usize,
}

/// What a file holds, for a person; bytes that are not text as their number and hash.
fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| {
        let hash: String = sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        format!("\0{} bytes that are not text, sha256 {hash}", bytes.len())
    })
}

impl ManagedFiles {
    /// From the plugin's own data of an object.
    pub fn of(private: &Value) -> ManagedFiles {
        let commit = private.get("commit").and_then(Value::as_str).unwrap_or("").to_string();
        let files = private.get("files").and_then(Value::as_object);
        let written = |text: &str| {
            let mut words = text.split(' ').map(String::from);
            Some(Written { mode: words.next()?, id: words.next()?, hash: words.next()? })
        };
        let known = files.is_some();
        let files = files.into_iter().flatten();
        let files = files.filter_map(|(p, v)| Some((p.clone(), written(v.as_str()?)?))).collect();
        ManagedFiles { commit, files, known }
    }

    /// Files that are ours because they are adopted, as they are in the branch.
    ///
    /// # Errors
    /// Git's.
    pub fn adopted<'p>(
        store: &Store<'_>,
        tree: &Tree,
        paths: impl Iterator<Item = &'p String>,
    ) -> Result<ManagedFiles, GitError> {
        let there: Vec<(&String, &Entry)> = paths
            .filter_map(|path| Some((path, tree.get(path)?)))
            .filter(|(_, entry)| !entry.is_submodule())
            .collect();
        let contents = store.contents(&there.iter().map(|(_, e)| e.id.as_str()).collect::<Vec<_>>())?;
        let files = there.iter().zip(contents).map(|((path, entry), bytes)| {
            let written = Written { mode: entry.mode.clone(), id: entry.id.clone(), hash: hash(&bytes) };
            (path.to_string(), written)
        });
        Ok(ManagedFiles {
            commit: store.head.clone().unwrap_or_default(),
            files: files.collect(),
            known: true,
        })
    }

    /// Files of which only the content is known.
    pub fn holding(wanted: &BTreeMap<String, Blob>) -> ManagedFiles {
        let written = |blob: &Blob| Written {
            mode: blob.mode.over(None).into(),
            id: String::new(),
            hash: hash(&blob.bytes),
        };
        let files = wanted.iter().map(|(path, blob)| (path.clone(), written(blob))).collect();
        ManagedFiles { commit: String::new(), files, known: true }
    }

    /// As the plugin's own data.
    pub fn private(&self, branch: &str) -> Value {
        let files =
            self.files.iter().map(|(p, w)| (p.clone(), format!("{} {} {}", w.mode, w.id, w.hash).into()));
        json!({ "branch": branch, "commit": self.commit, "files": files.collect::<dtm_plugin::protocol::Fields>() })
    }

    /// Whether anything was recorded of the files.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The files that differ at the head from what was written.
    pub fn drifted(&self, tree: &Tree) -> Vec<String> {
        let differs = |path: &&String| {
            let w = &self.files[*path];
            tree.get(*path).is_none_or(|there| there.mode != w.mode || there.id != w.id)
        };
        self.files.keys().filter(differs).cloned().collect()
    }

    /// Whether none of them is there any more.
    pub fn is_gone(&self, tree: &Tree) -> bool {
        !self.files.is_empty() && !self.files.keys().any(|p| tree.contains_key(p))
    }

    /// The files that would be written otherwise today.
    pub fn outdated(&self, wanted: &BTreeMap<String, Blob>) -> Vec<String> {
        let differs = |path: &String, blob: &Blob| {
            self.files.get(path).is_none_or(|w| w.hash != hash(&blob.bytes) || w.mode != blob.mode.over(None))
        };
        let changed = wanted.iter().filter(|(p, b)| differs(p, b)).map(|(p, _)| p);
        let dropped = self.files.keys().filter(|p| !wanted.contains_key(*p));
        changed.chain(dropped).cloned().collect()
    }

    /// The files that a write would change at the head, with what they hold before and after; in no branch at all, all.
    ///
    /// # Errors
    /// Git's.
    pub fn planned(
        &self,
        store: Option<&Store<'_>>,
        wanted: &BTreeMap<String, Blob>,
    ) -> Result<Vec<PlannedFile>, GitError> {
        let tree = store.map(|s| s.tree("")).transpose()?.unwrap_or_default();
        let ours = |path: &str| {
            let w = self.files.get(path)?;
            Some(tree.get(path).is_some_and(|there| there.mode == w.mode && there.id == w.id))
        };
        let mut planned = vec![];
        for (path, blob) in wanted {
            // What is as it was written, and would be written again, is left alone whatever git made of its bytes.
            let mode = blob.mode.over(tree.get(path));
            let same = self.files.get(path).is_some_and(|w| w.hash == hash(&blob.bytes) && w.mode == mode);
            if ours(path) != Some(true) || !same {
                planned.push((path, tree.get(path), Some(blob), ours(path) == Some(false)));
            }
        }
        let left = match store {
            Some(store) => self.taken_away(store, wanted, &tree)?,
            None => vec![],
        };
        let dropped = self.files.keys().filter(|p| !wanted.contains_key(*p));
        for path in dropped.filter(|p| tree.contains_key(*p)) {
            planned.push((path, tree.get(path), None, left.contains(path)));
        }
        let ids: Vec<&str> = planned
            .iter()
            .filter_map(|(_, there, ..)| there.filter(|e| !e.is_submodule()).map(|e| e.id.as_str()))
            .collect();
        let mut there = store.map(|s| s.contents(&ids)).transpose()?.unwrap_or_default().into_iter();
        let mut files = vec![];
        for (path, entry, blob, drift) in planned {
            if entry.is_some_and(Entry::is_submodule) {
                continue;
            }
            let bytes = entry.and_then(|_| there.next());
            if let (None, Some(bytes), true) = (blob, &bytes, drift) {
                let text = Some(text(bytes));
                let note = Some(
                    "no longer in the template; kept, because it was changed outside of dtm".to_string(),
                );
                let (before, path) = (text.clone(), path.clone());
                files.push(PlannedFile { path, before, after: text, note, drift, ..PlannedFile::default() });
                continue;
            }
            let (before, after) =
                (entry.map(|e| e.mode.clone()), blob.map(|b| b.mode.over(entry).to_string()));
            if bytes.as_deref() == blob.map(|b| b.bytes.as_slice()) && before == after {
                continue;
            }
            let modes = before.is_some() && after.is_some() && before != after;
            files.push(PlannedFile {
                path: path.clone(),
                before: bytes.map(|b| text(&b)),
                after: blob.map(|b| text(&b.bytes)),
                mode_before: before.filter(|_| modes),
                mode_after: after.filter(|_| modes),
                note: None,
                drift,
            });
        }
        Ok(files)
    }

    /// Why a write would be refused: what is in the way at the head.
    ///
    /// # Errors
    /// Git's.
    pub fn refused(
        &self,
        ctx: &Ctx,
        store: &Store<'_>,
        wanted: &BTreeMap<String, Blob>,
        id: &str,
    ) -> Result<Option<Failure>, GitError> {
        Ok(self.plan(&Task { ctx, store, wanted, id, message: "" })?.err())
    }

    /// Brings the branch to what is wanted.
    ///
    /// # Errors
    /// When a file of somebody else is in the way. The inner error is git's.
    pub(crate) fn write(&self, task: &Task<'_>) -> Result<Result<Outcome, GitError>, Failure> {
        match self.plan(task) {
            Ok(Ok(plan)) => Ok(self.carry_out(task, plan)),
            Ok(Err(taken)) => Err(taken),
            Err(e) => Ok(Err(e)),
        }
    }

    /// What has to change at the head; the inner error says what is in the way.
    fn plan(&self, task: &Task<'_>) -> Result<Result<Plan, Failure>, GitError> {
        let tree = task.store.tree("")?;
        let mut plan =
            Plan { edits: Edits::new(), left: self.taken_away(task.store, task.wanted, &tree)?, tree };
        let dropped = self.files.keys().filter(|p| !task.wanted.contains_key(*p));
        let gone = dropped.filter(|p| plan.tree.contains_key(*p) && !plan.left.contains(*p));
        plan.edits.extend(gone.map(|path| (path.clone(), None)));
        if let Some(why) = task.wanted.keys().find_map(|path| obstacle(path, &plan.tree, &plan.edits)) {
            return Ok(Err(Failure::clean(why)));
        }
        let mut doubtful: Vec<(&String, &Blob, &Entry)> = vec![];
        for (path, blob) in task.wanted {
            match (plan.tree.get(path), self.files.get(path)) {
                (Some(there), Some(w)) if there.mode == w.mode && there.id == w.id => {
                    if w.hash != hash(&blob.bytes) || w.mode != blob.mode.over(Some(there)) {
                        plan.edits.insert(path.clone(), Some(blob.clone()));
                    }
                }
                (Some(there), _) => doubtful.push((path, blob, there)),
                (None, _) => _ = plan.edits.insert(path.clone(), Some(blob.clone())),
            }
        }
        let contents =
            task.store.contents(&doubtful.iter().map(|(.., e)| e.id.as_str()).collect::<Vec<_>>())?;
        let (mut taken, mut edits) = (vec![], vec![]);
        for ((path, blob, there), bytes) in doubtful.iter().zip(&contents) {
            let mode = blob.mode.over(Some(there));
            let same = *blob.bytes == *bytes && is_file(&there.mode) == is_file(mode);
            if !same && !self.files.contains_key(*path) {
                taken.push(path.as_str());
            }
            // What is so already needs no commit: it may be that of an interrupted operation.
            if !same || there.mode != mode {
                edits.push(((*path).clone(), Some((*blob).clone())));
            }
        }
        if !taken.is_empty() && (self.known || task.store.commit_with(&trailer(task.id))?.is_none()) {
            let list: Vec<String> = taken.iter().take(5).map(|p| format!("`{p}`")).collect();
            let more = if taken.len() > 5 { format!(" and {} more", taken.len() - 5) } else { String::new() };
            let why = format!(
                "the branch has {}{more} already, with different content: to overwrite that, adopt it as `{}`",
                list.join(", "),
                task.id
            );
            return Ok(Err(Failure::clean(why)));
        }
        plan.edits.extend(edits);
        Ok(Ok(plan))
    }

    /// The files to remove that were changed since they were written.
    fn taken_away(
        &self,
        store: &Store<'_>,
        wanted: &BTreeMap<String, Blob>,
        tree: &Tree,
    ) -> Result<Vec<String>, GitError> {
        let dropped = self.files.iter().filter(|(p, _)| !wanted.contains_key(*p));
        let there = dropped.filter_map(|(path, w)| Some((path, w, tree.get(path)?)));
        let changed: Vec<(&String, &Written, &Entry)> = there.filter(|(_, w, e)| !w.is(e)).collect();
        // Of some only is known what they held.
        let by_content =
            changed.iter().filter(|(_, w, e)| w.id.is_empty() && is_file(&e.mode) == is_file(&w.mode));
        let by_content: Vec<_> = by_content.filter(|(.., e)| !e.is_submodule()).collect();
        let contents = store.contents(&by_content.iter().map(|(.., e)| e.id.as_str()).collect::<Vec<_>>())?;
        let same: Vec<&String> = by_content
            .iter()
            .zip(&contents)
            .filter(|((_, w, _), bytes)| w.hash == hash(bytes))
            .map(|((path, ..), _)| *path)
            .collect();
        Ok(changed.into_iter().map(|(path, ..)| path).filter(|p| !same.contains(p)).cloned().collect())
    }

    fn carry_out(&self, task: &Task<'_>, plan: Plan) -> Result<Outcome, GitError> {
        let Plan { tree, edits, left } = plan;
        let (mut ids, mut commit) = (Tree::new(), self.commit.clone());
        if edits.is_empty() && !task.wanted.is_empty() {
            task.store.begin()?;
        }
        if edits.is_empty() && (commit.is_empty() || !self.drifted(&tree).is_empty()) {
            // It already exists: after an interruption by an earlier commit of its own, or by somebody else's.
            let earlier = task.store.commit_with(&trailer(task.id))?;
            commit = earlier.or_else(|| task.store.start().map(String::from)).unwrap_or_default();
        }
        if !edits.is_empty() {
            let message = task.message.trim_end();
            let message = format!("{message}\n\n{}\nDtm-Operation: {}\n", trailer(task.id), task.ctx.op);
            let made = task.store.commit(&message, &edits, &tree)?;
            (ids, commit) = (made.ids, made.id);
        }
        let files = task.wanted.iter().filter_map(|(path, blob)| {
            let Entry { mode, id } = ids.get(path).or_else(|| tree.get(path))?.clone();
            Some((path.clone(), Written { mode, id, hash: hash(&blob.bytes) }))
        });
        let ours = ManagedFiles { commit, files: files.collect(), known: true };
        Ok(Outcome { ours, left, edits: edits.len() })
    }
}

/// What will be done, and to what.
struct Plan {
    tree: Tree,
    edits: Edits,
    left: Vec<String>,
}

/// Why a file cannot be written without losing what others have there: a folder, a submodule, or something that is not a
/// folder above it. What goes with the same commit is not in the way.
pub fn obstacle(path: &str, tree: &Tree, edits: &Edits) -> Option<String> {
    let stays = |path: &str| !matches!(edits.get(path), Some(None));
    if tree.get(path).is_some_and(Entry::is_submodule) {
        return Some(format!("`{path}` cannot be written: it is a submodule there"));
    }
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    let mut above = above.filter_map(|parent| Some((parent, tree.get(parent)?)));
    if let Some((parent, entry)) = above.rfind(|(parent, _)| stays(parent)) {
        return Some(format!("`{path}` cannot be written: `{parent}` is {} there", entry.what()));
    }
    let folder = format!("{path}/");
    let below = tree.range(folder.clone()..).map(|(p, _)| p).take_while(|p| p.starts_with(&folder));
    let below: Vec<&String> = below.filter(|p| stays(p)).collect();
    let first = below.first()?;
    let more = if below.len() > 1 { format!(" and {} more", below.len() - 1) } else { String::new() };
    Some(format!("`{path}` cannot be written: it is a folder there, with `{first}`{more}"))
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
pub fn trailer(id: &str) -> String {
    format!("Dtm-Tool: {id}")
}

/// The files at the head that have to do with these, for reading: few where few were written.
pub fn common_folder(ours: &ManagedFiles) -> String {
    let mut folders = ours.files.keys().map(|p| p.rsplit_once('/').map_or("", |(f, _)| f));
    let Some(first) = folders.next() else { return String::new() };
    let shared = folders.fold(first.to_string(), |shared, folder| {
        let same = shared.split('/').zip(folder.split('/')).take_while(|(a, b)| a == b).map(|(a, _)| a);
        same.collect::<Vec<_>>().join("/")
    });
    if shared.is_empty() { shared } else { shared + "/" }
}
