//! A branch of a repository that can be read and committed to: one on this machine in place, or a copy of the branch of one
//! on a server. In both cases git works in a repository of our own ([`crate::own`]).
//!
//! `git fast-import` makes a commit atomically, and refuses a branch that moved in between; a commit to a remote, or to a
//! folder with hooks, is pushed, never by force. If the answer is lost, the branch is read again.

use crate::destination::{Destination, Remote, local_path};
use crate::git::{COMMITTER, Git, GitError};
use crate::own::{self, Parts};
use dtm_plugin::{Ctx, Failure};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;

/// The branch of an empty repository that names none itself.
const FIRST: &str = "main";

/// Where the default branch of a server is here.
const BASE: &str = "refs/dtm/base";

/// How often a lost race is tried again.
const RACES: u32 = 8;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// What kind of file.
    pub mode: Mode,
    /// What it holds; for a link, its target.
    pub bytes: Arc<Vec<u8>>,
}

/// What a file of a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A file that is not executable.
    Plain,
    /// A file that is.
    Executable,
    /// A symbolic link.
    Link,
    /// Executable if it is so already.
    Kept,
}

impl Mode {
    /// As git writes it, in the place of what is there.
    pub fn over(self, there: Option<&Entry>) -> &'static str {
        match self {
            Mode::Plain => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Kept if there.is_some_and(|e| e.mode == "100755") => "100755",
            Mode::Kept => "100644",
        }
    }
}

/// An entry of a commit: its mode and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its mode in git, in octal: `100644`.
    pub mode: String,
    /// The object that holds its content.
    pub id: String,
}

impl Entry {
    /// Whether it is another repository.
    pub fn is_submodule(&self) -> bool {
        self.mode == "160000"
    }
    /// What it is, for a person.
    pub fn what(&self) -> &'static str {
        match self.mode.as_str() {
            "160000" => "a submodule",
            "120000" => "a symbolic link",
            _ => "a file",
        }
    }
}

/// The files, links and submodules of a commit by path.
pub type Tree = BTreeMap<String, Entry>;

/// What a commit changes: a file, or nothing where it is taken away.
pub type Edits = BTreeMap<String, Option<Blob>>;

/// Which branch is meant.
#[derive(Clone, Copy)]
pub enum Branch<'a> {
    /// By its name.
    Named(&'a str),
    /// The one that the repository starts from.
    Default,
}

/// A branch, as it was when it was opened.
pub struct Store<'c> {
    ctx: &'c Ctx,
    own: TempDir,
    target: Target,
    /// Its name.
    pub branch: String,
    /// Its newest commit; none where the branch does not exist.
    pub head: Option<String>,
    /// What a new branch begins at: the newest commit of the default branch.
    base: Option<String>,
    /// The default branch, where it has no commits and others have: a new branch would have no history.
    unclear: Option<String>,
    /// A branch that rules this one out, where this one does not exist: git keeps `a` and `a/b` as a file and a folder.
    clash: Option<String>,
}

/// Where commits go.
enum Target {
    Folder(PathBuf),
    Remote(Remote),
}

/// What a commit was: its id, and the entries of the files it wrote.
pub struct Committed {
    /// The commit.
    pub id: String,
    /// The files that it wrote.
    pub ids: Tree,
}

/// One operation at a time on one repository.
pub struct Turns(Arc<Mutex<()>>);

impl Turns {
    /// The turns of a repository: the same for all its tools.
    pub fn of(destination: &Destination) -> Turns {
        static LOCKS: LazyLock<Mutex<HashMap<String, Arc<Mutex<()>>>>> = LazyLock::new(Mutex::default);
        let mut locks = LOCKS.lock().unwrap_or_else(|e| e.into_inner());
        Turns(locks.entry(destination.identity()).or_default().clone())
    }
    /// Waits until nothing else works on the repository.
    pub fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Whether a folder is a bare repository.
pub fn is_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir()
}

fn not_bare(path: &Path) -> GitError {
    GitError::new(format!("`{}` is not a bare repository", path.display()))
}

/// Whether a push to it would run something that may refuse it. Its configuration is read for this, and only before a commit:
/// `core.hooksPath` of the repository or of the user says where hooks are.
fn has_hooks(ctx: &Ctx, path: &Path) -> Result<bool, GitError> {
    use std::os::unix::fs::PermissionsExt;
    let asked = Git::at(ctx, path).into_folder().run(&["config", "--type=path", "--get", "core.hooksPath"]);
    let folder = match asked {
        Ok(out) => path.join(text(&out)),
        Err(e) if e.is_no() => path.join("hooks"),
        Err(e) => return Err(e),
    };
    let hooks =
        ["pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"];
    Ok(hooks
        .iter()
        .any(|hook| std::fs::metadata(folder.join(hook)).is_ok_and(|m| m.permissions().mode() & 0o111 != 0)))
}

/// Where a repository starts from.
struct Start {
    /// The default branch: the one that `HEAD` names, or the only one when that has no commits.
    default: String,
    /// Its newest commit.
    base: Option<String>,
    /// Whether there are several branches, none of which is the default one.
    unclear: bool,
}

impl Start {
    /// From the branch that `HEAD` names, its commit, and the branches, `ID\tNAME` lines, which are asked for only when one is missing.
    fn of(
        named: Option<&str>,
        base: Option<String>,
        branches: impl FnOnce() -> Result<Vec<u8>, GitError>,
    ) -> Result<Start, GitError> {
        if let (Some(named), Some(_)) = (named, &base) {
            return Ok(Start { default: named.into(), base, unclear: false });
        }
        let said = text(&branches()?);
        let branches = || said.lines().filter_map(|l| l.split_once("\trefs/heads/"));
        // Where `HEAD` names a commit and not a branch, it is a branch with that commit.
        if let Some((id, name)) = branches().find(|(id, _)| Some(*id) == base.as_deref()) {
            return Ok(Start { default: name.into(), base: Some(id.into()), unclear: false });
        }
        let named = named.unwrap_or(FIRST).to_string();
        let mut lines = branches();
        Ok(match (lines.next(), lines.next()) {
            (None, _) => Start { default: named, base: None, unclear: false },
            (Some((id, name)), None) => Start { default: name.into(), base: Some(id.into()), unclear: false },
            (Some(_), Some(_)) => Start { default: named, base: None, unclear: true },
        })
    }
}

/// What a server says of a branch and of where the repository starts from.
pub struct Advertised {
    start: Start,
    head: Option<String>,
}

/// Asks a server for a branch and for the default one.
pub fn advertised(ctx: &Ctx, remote: &Remote, name: Option<&str>) -> Result<Advertised, GitError> {
    let own = own::empty()?;
    let git = Git::at(ctx, own.path()).with(remote);
    let mut args = vec!["ls-remote", "-q", "--symref", &remote.url, "HEAD"];
    args.extend(name);
    let said = text(&git.run(&args)?);
    let of = |wanted: &str| {
        let line = said
            .lines()
            .filter_map(|l| l.split_once('\t'))
            .find(|(what, name)| *name == wanted && what.bytes().all(|b| b.is_ascii_hexdigit()));
        line.map(|(id, _)| id.to_string())
    };
    let named = said.lines().find_map(|l| l.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    let start = Start::of(named, of("HEAD"), || git.run(&["ls-remote", "-q", "--heads", &remote.url]))?;
    Ok(Advertised { start, head: name.and_then(of) })
}

/// The branch among references, one a line, beside which git cannot store a new one: `a` and `a/b` exclude each other.
fn clash(new: &str, references: &str) -> Option<String> {
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    let mut branches = references.lines().filter_map(|line| Some(line.split_once("refs/heads/")?.1));
    branches.find(|other| below(new, other) || below(other, new)).map(String::from)
}

/// Asks a repository of ours, in the place of one on this machine.
fn start_of(ctx: &Ctx, own: &Path, named: Option<&str>) -> Result<Start, GitError> {
    let git = Git::at(ctx, own);
    let base = commit_at(&git, "HEAD")?;
    let format = "--format=%(objectname)%09%(refname)";
    Start::of(named, base, || git.run(&["for-each-ref", format, "refs/heads/"]))
}

/// The commit that a reference names.
fn commit_at(git: &Git<'_>, name: &str) -> Result<Option<String>, GitError> {
    match git.run(&["rev-parse", "--verify", "-q", name]) {
        Ok(out) => Ok(Some(text(&out))),
        Err(e) if e.is_no() || e.is_no_ref() => Ok(None),
        Err(e) => Err(e),
    }
}

/// The branch that a repository starts from; `None` when there is no such repository.
pub fn default_branch(ctx: &Ctx, destination: &Destination) -> Result<Option<String>, GitError> {
    match (destination.local(), destination) {
        (Some(path), _) if !path.exists() => Ok(None),
        (Some(path), Destination::Folder(_)) if !is_repository(&path) => Err(not_bare(&path)),
        (Some(path), _) => {
            let found = own::in_place_of(ctx, &path, Parts::All)?;
            Ok(Some(start_of(ctx, found.folder.path(), found.default.as_deref())?.default))
        }
        (None, Destination::Remote(remote)) => Ok(Some(advertised(ctx, remote, None)?.start.default)),
        (None, Destination::Folder(_)) => Ok(None),
    }
}

impl<'c> Store<'c> {
    /// Opens a branch; `None` when the repository definitely is not there. `depth` commits are fetched at least.
    pub fn open(
        ctx: &'c Ctx,
        destination: &Destination,
        branch: Branch<'_>,
        depth: u32,
    ) -> Result<Option<Store<'c>>, GitError> {
        let target = match destination {
            Destination::Folder(folder) => {
                let path = &folder.at;
                match std::fs::metadata(path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(e) => {
                        return Err(GitError::new(format!("`{}` cannot be read: {e}", path.display())));
                    }
                    Ok(_) if !is_repository(path) => {
                        return Err(not_bare(path));
                    }
                    Ok(_) => {}
                }
                Target::Folder(path.clone())
            }
            Destination::Remote(remote) => Target::Remote(remote.clone()),
        };
        match destination.local() {
            Some(path) => Store::on_this_machine(ctx, &path, target, branch),
            None => Store::on_a_server(ctx, target, branch, depth),
        }
        .map(Some)
    }

    fn on_this_machine(
        ctx: &'c Ctx,
        path: &Path,
        target: Target,
        branch: Branch<'_>,
    ) -> Result<Store<'c>, GitError> {
        let found = own::in_place_of(ctx, path, Parts::All)?;
        let git = Git::at(ctx, found.folder.path());
        let (name, head, start) = match branch {
            Branch::Named(name) => {
                let head = commit_at(&git, &format!("refs/heads/{name}"))?;
                let start = match head {
                    Some(_) => None,
                    None => Some(start_of(ctx, found.folder.path(), found.default.as_deref())?),
                };
                (name.to_string(), head, start)
            }
            Branch::Default => {
                let start = start_of(ctx, found.folder.path(), found.default.as_deref())?;
                (start.default.clone(), start.base.clone(), Some(start))
            }
        };
        let clash = match (branch, &head) {
            (Branch::Named(name), None) => {
                clash(name, &text(&git.run(&["for-each-ref", "--format=%(refname)", "refs/heads/"])?))
            }
            (Branch::Named(_), Some(_)) | (Branch::Default, _) => None,
        };
        let unclear = start.as_ref().filter(|start| start.unclear).map(|start| start.default.clone());
        let base = start.and_then(|start| start.base).filter(|_| head.is_none());
        Ok(Store { ctx, own: found.folder, target, branch: name, head, base, unclear, clash })
    }

    fn on_a_server(
        ctx: &'c Ctx,
        target: Target,
        branch: Branch<'_>,
        depth: u32,
    ) -> Result<Store<'c>, GitError> {
        let Target::Remote(remote) = &target else {
            return Err(GitError::new("a folder is not on a server; this is a bug in dtm"));
        };
        let asked = match branch {
            Branch::Named(name) => Some(format!("refs/heads/{name}")),
            Branch::Default => None,
        };
        let Advertised { start, head } = advertised(ctx, remote, asked.as_deref())?;
        let remote = remote.clone();
        let own = own::empty()?;
        let (name, head, clash) = match branch {
            Branch::Named(name) if head.is_none() => {
                let git = Git::at(ctx, own.path()).with(&remote);
                let branches = text(&git.run(&["ls-remote", "-q", "--heads", &remote.url])?);
                (name.to_string(), None, clash(name, &branches))
            }
            Branch::Named(name) => (name.to_string(), head, None),
            Branch::Default => (start.default.clone(), start.base.clone(), None),
        };
        let unclear = start.unclear.then(|| start.default.clone());
        let mut store = Store { ctx, own, target, branch: name, head: None, base: None, unclear, clash };
        let git = store.git().with(&remote);
        let depth = format!("--depth={depth}");
        let fetch = |from: &str, to: &str| {
            let refspec = format!("+{from}:{to}");
            git.run(&["fetch", "-q", "--no-tags", "--no-recurse-submodules", &depth, &remote.url, &refspec])
        };
        if head.is_some() {
            let name = store.refname();
            fetch(&name, &name)?;
            store.head = commit_at(&store.git(), &name)?;
        } else if start.base.is_some() {
            fetch(&format!("refs/heads/{}", start.default), BASE)?;
            store.base = commit_at(&store.git(), BASE)?;
        }
        Ok(store)
    }

    fn git(&self) -> Git<'c> {
        Git::at(self.ctx, self.own.path())
    }
    fn refname(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// What a commit is put on top of: the branch, or where it is new, the default one.
    pub fn start(&self) -> Option<&str> {
        self.head.as_deref().or(self.base.as_deref())
    }

    /// What is in the branch below a path; empty for all.
    pub fn tree(&self, below: &str) -> Result<Tree, GitError> {
        let Some(start) = self.start() else { return Ok(Tree::new()) };
        let mut args = vec!["ls-tree", "-r", "-z", "--full-tree", start];
        if !below.is_empty() {
            args.extend(["--", below]);
        }
        Ok(parse_tree(&self.git().run(&args)?).into_iter().map(|(path, _, entry)| (path, entry)).collect())
    }

    /// What a path and the folders above it are in the branch, and what is below it.
    pub fn around(&self, path: &str) -> Result<Tree, GitError> {
        let Some(start) = self.start() else { return Ok(Tree::new()) };
        let mut args = vec!["ls-tree", "-z", "--full-tree", start, "--"];
        args.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
        let above = if args.len() > 5 { parse_tree(&self.git().run(&args)?) } else { vec![] };
        let above = above.into_iter().filter(|(.., entry)| entry.mode != "040000");
        let mut tree: Tree = above.map(|(path, _, entry)| (path, entry)).collect();
        tree.extend(self.tree(path)?);
        Ok(tree)
    }

    /// What files hold, in their order.
    pub fn contents(&self, ids: &[&str]) -> Result<Vec<Vec<u8>>, GitError> {
        contents(&self.git(), ids)
    }

    /// The newest commit among the last ones whose message has this line.
    pub fn commit_with(&self, line: &str) -> Result<Option<String>, GitError> {
        let Some(head) = &self.head else { return Ok(None) };
        let pattern = format!("--grep={line}");
        let out = self.git().run(&["log", "-n", "1", "--fixed-strings", &pattern, "--format=%H", head])?;
        Ok(Some(text(&out)).filter(|t| !t.is_empty()))
    }

    /// Who changed a path last, and in which commit. Of a server, only the newest commit is here.
    pub fn last_change(&self, path: &str) -> Option<String> {
        let head = self.head.as_ref()?;
        if matches!(&self.target, Target::Remote(remote) if local_path(&remote.url).is_none()) {
            return None;
        }
        let out = self.git().run(&["log", "-n", "1", "--format=%h `%s` by %an", head, "--", path]).ok()?;
        Some(text(&out)).filter(|t| !t.is_empty())
    }

    /// Why git cannot create the branch, whatever it begins at.
    pub fn clash(&self) -> Option<String> {
        let other = self.clash.as_ref()?;
        let new = &self.branch;
        Some(format!(
            "the branch `{new}` cannot exist beside the branch `{other}`: git would need `{}` to be both a file and a folder",
            if other.len() < new.len() { other } else { new }
        ))
    }

    /// Refuses to create a branch that git cannot store, or one without the history of the repository.
    fn has_a_beginning(&self) -> Result<(), GitError> {
        if let Some(why) = self.clash() {
            return Err(GitError::new(why));
        }
        match &self.unclear {
            Some(default) if self.head.is_none() => Err(GitError::new(format!(
                "`{}` would begin at the default branch `{default}`, which has no commits: push one, or make another branch the default",
                self.branch
            ))),
            _ => Ok(()),
        }
    }

    /// Creates a branch that is what the default one is.
    pub fn begin(&self) -> Result<(), GitError> {
        self.has_a_beginning()?;
        let (None, Some(base)) = (&self.head, &self.base) else { return Ok(()) };
        match (self.staging()?, &self.target) {
            // The empty value of before: it must not exist yet.
            (None, Target::Folder(_)) => {
                self.git().run(&["update-ref", &self.refname(), base, ""]).map(|_| ())
            }
            (None, Target::Remote(_)) => self.publish(self.git(), base),
            (Some(own), _) => self.publish(Git::at(self.ctx, own.path()), base),
        }
    }

    /// Commits on top of the branch, as a whole or not at all.
    pub fn commit(&self, message: &str, edits: &Edits, tree: &Tree) -> Result<Committed, GitError> {
        self.has_a_beginning()?;
        let mut stream: Vec<u8> = vec![];
        let mut head = format!("commit {}\nmark :1\n", self.refname());
        let _ = write!(
            head,
            "author {COMMITTER} now\ncommitter {COMMITTER} now\ndata {}\n{message}\n",
            message.len()
        );
        if let Some(from) = self.start() {
            let _ = writeln!(head, "from {from}");
        }
        stream.extend(head.as_bytes());
        // What is taken away first: a file may come where a folder was.
        for (path, _) in edits.iter().filter(|(_, blob)| blob.is_none()) {
            stream.extend(format!("D {}\n", quoted(path)).as_bytes());
        }
        for (path, blob) in edits.iter().filter_map(|(p, b)| Some((p, b.as_ref()?))) {
            let mode = blob.mode.over(tree.get(path));
            stream
                .extend(format!("M {mode} inline {}\ndata {}\n", quoted(path), blob.bytes.len()).as_bytes());
            stream.extend(blob.bytes.iter());
            stream.push(b'\n');
        }
        stream.extend(b"\nget-mark :1\n");
        for (path, _) in edits.iter().filter(|(_, blob)| blob.is_some()) {
            stream.extend(format!("ls :1 {}\n", quoted(path)).as_bytes());
        }
        stream.extend(b"done\n");
        let staged = self.staging()?;
        let git = staged.as_ref().map_or_else(|| self.git(), |own| Git::at(self.ctx, own.path()));
        let out = git.feed(&["fast-import", "--quiet", "--done", "--date-format=now"], stream)?;
        let said = String::from_utf8_lossy(&out);
        let mut lines = said.lines();
        let id = lines.next().unwrap_or_default().to_string();
        let ids = edits.keys().filter(|p| edits[*p].is_some()).zip(lines).filter_map(|(path, line)| {
            let mut words = line.split([' ', '\t']);
            let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
            Some((path.clone(), Entry { mode: mode.into(), id: id.into() }))
        });
        let committed = Committed { id, ids: ids.collect() };
        self.publish(git, &committed.id)?;
        Ok(committed)
    }

    /// Where a commit is made that is pushed afterwards to a folder on this machine; `None` where it is made in place.
    fn staging(&self) -> Result<Option<TempDir>, GitError> {
        let path = match &self.target {
            Target::Folder(path) if has_hooks(self.ctx, path)? => path.clone(),
            Target::Folder(_) => return Ok(None),
            Target::Remote(remote) => match local_path(&remote.url) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        Ok(Some(own::in_place_of(self.ctx, &path, Parts::Objects)?.folder))
    }

    /// Pushes a commit to a branch elsewhere. The answer may be lost although the commit arrived.
    fn publish(&self, git: Git<'c>, commit: &str) -> Result<(), GitError> {
        let (git, url) = match &self.target {
            Target::Folder(path) => {
                if git.is_at(self.own.path()) {
                    return Ok(());
                }
                (git.into_folder(), path.display().to_string())
            }
            Target::Remote(remote) => (git.with(remote), remote.url.clone()),
        };
        let refspec = format!("{commit}:{}", self.refname());
        let pushed = git.run(&["push", "-q", "--porcelain", "--no-recurse-submodules", &url, &refspec]);
        let Err(error) = pushed else { return Ok(()) };
        match self.now() {
            Ok(Some(tip)) if tip == commit => Ok(()),
            // Somebody committed on top of it already, or instead of it: the next look tells.
            Ok(tip) if tip != self.head && error.is_network() => Err(error.overtaken()),
            _ => Err(error),
        }
    }

    /// The newest commit of the branch by now.
    fn now(&self) -> Result<Option<String>, GitError> {
        let elsewhere = match &self.target {
            Target::Remote(remote) if local_path(&remote.url).is_none() => remote,
            Target::Folder(_) | Target::Remote(_) => return commit_at(&self.git(), &self.refname()),
        };
        Ok(advertised(self.ctx, elsewhere, Some(&self.refname()))?.head)
    }
}

/// What files of a repository hold, in their order.
pub fn contents(git: &Git<'_>, ids: &[&str]) -> Result<Vec<Vec<u8>>, GitError> {
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let out = git.feed(&["cat-file", "--batch"], (ids.join("\n") + "\n").into_bytes())?;
    let (mut at, mut found) = (0, vec![]);
    for id in ids {
        let broken = || {
            let text = format!(
                "it lacks the object {id}: a partial or damaged clone is not completed from elsewhere"
            );
            GitError::new(text)
        };
        let line = out[at..].iter().position(|b| *b == b'\n').ok_or_else(broken)?;
        let header = String::from_utf8_lossy(&out[at..at + line]).into_owned();
        let size: usize = header.rsplit(' ').next().and_then(|s| s.parse().ok()).ok_or_else(broken)?;
        let start = at + line + 1;
        found.push(out.get(start..start + size).ok_or_else(broken)?.to_vec());
        at = start + size + 1;
    }
    Ok(found)
}

/// Works on a branch under its lock; if the branch moved meanwhile, it retries from the new head.
pub fn with_store<T>(
    ctx: &Ctx,
    destination: &Destination,
    branch: Branch<'_>,
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
                format!("{doing}: there is no repository `{}`; create it with `scm.Repo`", destination.url());
            return Err(Failure::clean(why).input("destination"));
        };
        match work(&store)? {
            Ok(done) => return Ok(done),
            Err(e) if e.is_lost_race() && tries < RACES && !ctx.is_cancelled() => {
                tries += 1;
                ctx.progress(format!("the branch moved: retrying ({tries})"));
                std::thread::sleep(Duration::from_millis(
                    30 * u64::from(tries) + u64::from(std::process::id() % 50),
                ));
            }
            Err(e) => return Err(e.failure(doing)),
        }
    }
}

/// The entries of `ls-tree -z`, with their sizes where they were asked for: `MODE KIND ID[ SIZE]\tPATH`, ended by zero bytes. A
/// name that is not UTF-8 is in it too, in another spelling: it is in the way of a file as any other.
pub fn parse_tree(out: &[u8]) -> Vec<(String, u64, Entry)> {
    let entries = out.split(|b| *b == 0).filter_map(|entry| {
        let tab = entry.iter().position(|b| *b == b'\t')?;
        let head = std::str::from_utf8(&entry[..tab]).ok()?;
        let mut words = head.split_ascii_whitespace();
        let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
        let size = words.next().and_then(|size| size.parse().ok()).unwrap_or(0);
        let path = String::from_utf8_lossy(&entry[tab + 1..]).into_owned();
        Some((path, size, Entry { mode: mode.into(), id: id.into() }))
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
