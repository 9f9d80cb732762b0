//! A branch of a repository that can be read and committed to: a bare repository in a folder itself, or a copy of the
//! branch of a remote one.
//!
//! A commit is made in one piece by `git fast-import`, which refuses a branch that went on in between; to a remote it
//! is pushed, never by force. An answer that was lost is found out by looking again.

use crate::destination::{Destination, Remote};
use crate::git::{COMMITTER, Git, GitError};
use dtm_plugin::{Ctx, Failure};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

/// How often a lost race is tried again.
const RACES: u32 = 8;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blob {
    /// `100644`, `100755` or `120000`.
    pub(crate) mode: &'static str,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// The files of a commit by path: mode and id.
pub(crate) type Tree = BTreeMap<String, (String, String)>;

/// What a commit changes: a file, or nothing where it is taken away.
pub(crate) type Edits = BTreeMap<String, Option<Blob>>;

/// A branch, as it was when it was opened.
pub(crate) struct Store<'c> {
    ctx: &'c Ctx,
    dir: PathBuf,
    _copy: Option<tempfile::TempDir>,
    remote: Option<Remote>,
    branch: String,
    /// Its newest commit; none where the branch does not exist.
    pub(crate) head: Option<String>,
}

/// What a commit was: its id, and the ids of the files it wrote.
pub(crate) struct Committed {
    pub(crate) id: String,
    pub(crate) ids: Tree,
}

/// One operation at a time on one repository.
pub(crate) struct Turns(Arc<Mutex<()>>);

impl Turns {
    pub(crate) fn of(destination: &Destination) -> Turns {
        static LOCKS: LazyLock<Mutex<HashMap<String, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
        let mut locks = LOCKS.lock().unwrap_or_else(|e| e.into_inner());
        Turns(locks.entry(destination.identity()).or_default().clone())
    }
    pub(crate) fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Whether a folder is a bare repository.
pub(crate) fn is_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir()
}

/// Whether a push to it would run something that may refuse it.
fn has_hooks(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    ["pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"]
        .iter()
        .any(|hook| {
            std::fs::metadata(path.join("hooks").join(hook))
                .is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
        })
}

impl<'c> Store<'c> {
    /// Opens a branch; `None` when the repository definitely is not there. `depth` commits are fetched at least.
    pub(crate) fn open(
        ctx: &'c Ctx,
        destination: &Destination,
        branch: &str,
        depth: u32,
    ) -> Result<Option<Store<'c>>, GitError> {
        let remote = match destination {
            Destination::Folder(path) => {
                match std::fs::metadata(path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(e) => {
                        return Err(GitError { text: format!("`{}` cannot be read: {e}", path.display()) });
                    }
                    Ok(_) if !is_repository(path) => {
                        let text = format!("`{}` is no bare repository", path.display());
                        return Err(GitError { text });
                    }
                    Ok(_) => {}
                }
                if !has_hooks(path) {
                    let mut store = Store {
                        ctx,
                        dir: path.clone(),
                        _copy: None,
                        remote: None,
                        branch: branch.into(),
                        head: None,
                    };
                    store.head = store.tip()?;
                    return Ok(Some(store));
                }
                Remote { url: format!("file://{}", path.display()), username: None, token: None }
            }
            Destination::Remote(remote) => remote.clone(),
        };
        let copy = empty_repository().map_err(|e| GitError { text: format!("no temporary folder: {e}") })?;
        let (dir, branch) = (copy.path().to_path_buf(), branch.to_string());
        let mut store = Store { ctx, dir, _copy: Some(copy), remote: Some(remote), branch, head: None };
        store.fetch(depth)?;
        Ok(Some(store))
    }

    fn git(&self) -> Git<'c> {
        Git::at(self.ctx, &self.dir)
    }
    fn refname(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// The newest commit of the branch here.
    fn tip(&self) -> Result<Option<String>, GitError> {
        match self.git().run(&["rev-parse", "--verify", "-q", &self.refname()]) {
            Ok(out) => Ok(Some(text(&out))),
            Err(e) if e.text.starts_with("git ended with exit status: 1") || e.is_no_ref() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn fetch(&mut self, depth: u32) -> Result<(), GitError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let name = self.refname();
        self.head = remote_tip(self.ctx, remote, &name)?;
        if self.head.is_some() {
            let refspec = format!("+{name}:{name}");
            let depth = format!("--depth={depth}");
            self.git().with(remote).run(&["fetch", "-q", "--no-tags", &depth, &remote.url, &refspec])?;
            self.head = self.tip()?;
        }
        Ok(())
    }

    /// The files at the head below a path; empty for all.
    pub(crate) fn tree(&self, below: &str) -> Result<Tree, GitError> {
        let Some(head) = &self.head else { return Ok(Tree::new()) };
        let mut args = vec!["ls-tree", "-r", "-z", "--full-tree", head];
        if !below.is_empty() {
            args.extend(["--", below]);
        }
        Ok(parse_tree(&self.git().run(&args)?))
    }

    /// What files hold, in their order.
    pub(crate) fn contents(&self, ids: &[&str]) -> Result<Vec<Vec<u8>>, GitError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let out = self.git().feed(&["cat-file", "--batch"], (ids.join("\n") + "\n").into_bytes())?;
        let (mut at, mut found) = (0, vec![]);
        for id in ids {
            let broken = || GitError { text: format!("the repository has no object {id}") };
            let line = out[at..].iter().position(|b| *b == b'\n').ok_or_else(broken)?;
            let header = String::from_utf8_lossy(&out[at..at + line]).into_owned();
            let size: usize = header.rsplit(' ').next().and_then(|s| s.parse().ok()).ok_or_else(broken)?;
            let start = at + line + 1;
            found.push(out.get(start..start + size).ok_or_else(broken)?.to_vec());
            at = start + size + 1;
        }
        Ok(found)
    }

    /// The newest commit among the last ones whose message has this line.
    pub(crate) fn commit_with(&self, line: &str) -> Result<Option<String>, GitError> {
        let Some(head) = &self.head else { return Ok(None) };
        let pattern = format!("--grep={line}");
        let out = self.git().run(&["log", "-n", "1", "--fixed-strings", &pattern, "--format=%H", head])?;
        Ok(Some(text(&out)).filter(|t| !t.is_empty()))
    }

    /// Commits on top of the head, as a whole or not at all.
    pub(crate) fn commit(&self, message: &str, edits: &Edits) -> Result<Committed, GitError> {
        let mut stream: Vec<u8> = vec![];
        let mut head = format!("commit {}\nmark :1\n", self.refname());
        let _ = write!(
            head,
            "author {COMMITTER} now\ncommitter {COMMITTER} now\ndata {}\n{message}\n",
            message.len()
        );
        if let Some(from) = &self.head {
            let _ = writeln!(head, "from {from}");
        }
        stream.extend(head.as_bytes());
        // What is taken away first: a file may stand where a folder was.
        for (path, _) in edits.iter().filter(|(_, blob)| blob.is_none()) {
            stream.extend(format!("D {}\n", quoted(path)).as_bytes());
        }
        for (path, blob) in edits.iter().filter_map(|(p, b)| Some((p, b.as_ref()?))) {
            stream.extend(
                format!("M {} inline {}\ndata {}\n", blob.mode, quoted(path), blob.bytes.len()).as_bytes(),
            );
            stream.extend(blob.bytes.iter());
            stream.push(b'\n');
        }
        stream.extend(b"\nget-mark :1\n");
        for (path, _) in edits.iter().filter(|(_, blob)| blob.is_some()) {
            stream.extend(format!("ls :1 {}\n", quoted(path)).as_bytes());
        }
        stream.extend(b"done\n");
        let out = self.git().feed(&["fast-import", "--quiet", "--done", "--date-format=now"], stream)?;
        let said = String::from_utf8_lossy(&out);
        let mut lines = said.lines();
        let id = lines.next().unwrap_or_default().to_string();
        let ids = edits.keys().filter(|p| edits[*p].is_some()).zip(lines).filter_map(|(path, line)| {
            let mut words = line.split([' ', '\t']);
            let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
            Some((path.clone(), (mode.to_string(), id.to_string())))
        });
        let committed = Committed { id, ids: ids.collect() };
        self.publish(&committed.id)?;
        Ok(committed)
    }

    /// Brings a commit to a remote branch. The answer may be lost although it arrived.
    fn publish(&self, commit: &str) -> Result<(), GitError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let refspec = format!("{commit}:{}", self.refname());
        let pushed = self.git().with(remote).run(&["push", "-q", "--porcelain", &remote.url, &refspec]);
        let Err(error) = pushed else { return Ok(()) };
        match remote_tip(self.ctx, remote, &self.refname()) {
            Ok(Some(tip)) if tip == commit => Ok(()),
            // Somebody committed on top of it already, or instead of it: the next look tells.
            Ok(tip) if tip != self.head && error.is_network() => {
                Err(GitError { text: format!("non-fast-forward: {}", error.text) })
            }
            _ => Err(error),
        }
    }
}

/// The newest commit of a branch on a server.
pub(crate) fn remote_tip(ctx: &Ctx, remote: &Remote, name: &str) -> Result<Option<String>, GitError> {
    let nowhere = std::env::temp_dir();
    let out = Git::at(ctx, &nowhere).with(remote).run(&["ls-remote", "-q", &remote.url, name])?;
    let said = text(&out);
    let line = said.lines().find(|l| l.ends_with(&format!("\t{name}")));
    Ok(line.and_then(|l| l.split('\t').next()).map(String::from))
}

/// Works on a branch under its turn; when somebody else was faster it begins anew with what is there then.
pub(crate) fn with_store<T>(
    ctx: &Ctx,
    destination: &Destination,
    branch: &str,
    doing: &str,
    mut work: impl FnMut(&Store<'_>) -> Result<Result<T, GitError>, Failure>,
) -> Result<T, Failure> {
    let turns = Turns::of(destination);
    let _turn = turns.take();
    let mut tries = 0;
    loop {
        let store = Store::open(ctx, destination, branch, 1).map_err(|e| e.failure(doing))?;
        let Some(store) = store else {
            let why =
                format!("{doing}: there is no repository `{}`; make it with `scm.Repo`", destination.url());
            return Err(Failure::clean(why).input("destination"));
        };
        match work(&store)? {
            Ok(done) => return Ok(done),
            Err(e) if e.is_lost_race() && tries < RACES && !ctx.is_cancelled() => {
                tries += 1;
                ctx.progress(format!("somebody else was faster: trying again ({tries})"));
                std::thread::sleep(Duration::from_millis(
                    30 * u64::from(tries) + u64::from(std::process::id() % 50),
                ));
            }
            Err(e) => return Err(e.failure(doing)),
        }
    }
}

/// A bare repository in a temporary folder, without starting git.
pub(crate) fn empty_repository() -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("dtm-scm-").tempdir()?;
    for name in ["objects", "refs"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    std::fs::write(folder.path().join("HEAD"), "ref: refs/heads/none\n")?;
    std::fs::write(folder.path().join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
    Ok(folder)
}

/// `MODE blob ID\tPATH`, ended by zero bytes. Submodules are nobody's files.
fn parse_tree(out: &[u8]) -> Tree {
    let entries = out.split(|b| *b == 0).filter_map(|entry| {
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let head = std::str::from_utf8(&entry[..tab]).ok()?;
        let mut words = head.split(' ');
        let (mode, kind, id) = (words.next()?, words.next()?, words.next()?);
        let path = String::from_utf8(entry[tab + 1..].to_vec()).ok()?;
        (kind == "blob").then(|| (path, (mode.to_string(), id.to_string())))
    });
    entries.collect()
}

/// A path as `fast-import` reads it.
fn quoted(path: &str) -> String {
    let mut out = String::from("\"");
    for c in path.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            c => out.push(c),
        }
    }
    out + "\""
}

fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).trim().to_string()
}
