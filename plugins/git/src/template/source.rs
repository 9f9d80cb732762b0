//! Where a template comes from: a folder, an archive, or a git address at a tag or commit.

use super::{Limits, Template, TemplateFile, archive, bad, leads_out, whole};
use crate::destination::{Destination, Remote, local_path};
use crate::git::{Git, GitError};
use crate::names::inside;
use crate::own::{self, Parts};
use crate::store::{Mode, contents, parse_tree};
use dtm_plugin::{Ctx, Failure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

/// A template as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A folder on this machine.
    Folder {
        /// Where it is.
        path: PathBuf,
        /// The folder in it that is the template; empty for all of it.
        part: String,
    },
    /// A `.tar`, `.tar.gz`, `.tgz` or `.zip` on this machine.
    Archive {
        /// Where it is.
        path: PathBuf,
        /// The folder in it that is the template; empty for all of it.
        part: String,
    },
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// A tag or commit.
        reference: String,
        /// The folder in it that is the template; empty for all of it.
        part: String,
    },
}

impl Source {
    /// Whether it may hold something else tomorrow without being written otherwise.
    pub fn is_local(&self) -> bool {
        !matches!(self, Source::Git { .. })
    }
}

const ARCHIVES: [&str; 4] = [".tar.gz", ".tgz", ".tar", ".zip"];

/// Reads the input `template`.
///
/// # Errors
/// When it can be none, or a git address names no tag or commit.
pub fn parse(text: &str) -> Result<Source, Failure> {
    let ssh = text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    if text.contains("://") || ssh {
        let Some((address, reference)) = text.split_once('#').filter(|(_, r)| !r.is_empty()) else {
            return Err(bad(format!(
                "`{text}` names no version: write `{text}#v1.0.0`, with a tag or commit"
            )));
        };
        let after = address.find("://").map_or(0, |at| at + 3);
        let (url, part) = match address[after..].find("//") {
            Some(at) => (&address[..after + at], &address[after + at + 2..]),
            None => (address, ""),
        };
        if reference.starts_with('-') || reference.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad(format!("`{reference}` is not a tag, branch or commit")));
        }
        Destination::read(&dtm_plugin::serde_json::json!({ "host": "git", "url": url }))
            .map_err(|_| bad(format!("`{url}` is not the address of a template")))?;
        let part = inside(part).map_err(bad)?;
        return Ok(Source::Git { url: url.into(), reference: reference.into(), part });
    }
    if text.is_empty() || text.contains('\0') {
        return Err(bad("the template is an empty text or holds a zero byte"));
    }
    let (path, part) = match text[1..].find("//") {
        Some(at) => (&text[..at + 1], &text[at + 3..]),
        None => (text, ""),
    };
    let part = inside(part).map_err(bad)?;
    let path = PathBuf::from(path);
    match ARCHIVES.iter().any(|e| path.to_string_lossy().ends_with(e)) {
        true => Ok(Source::Archive { path, part }),
        false => Ok(Source::Folder { path, part }),
    }
}

/// Whether a template of this machine is there, which is known offline.
///
/// # Errors
/// When it is not: another tool may still create it.
pub fn exists(source: &Source) -> Result<(), Failure> {
    let missing = match source {
        Source::Folder { path, part } if !path.join(part).is_dir() => absent("folder", &path.join(part)),
        Source::Archive { path, .. } if !path.is_file() => absent("archive", path),
        Source::Folder { .. } | Source::Archive { .. } | Source::Git { .. } => return Ok(()),
    };
    Err(Failure::retryable(missing, None).input("template"))
}

pub(super) fn absent(what: &str, path: &Path) -> String {
    let path = path.display().to_string();
    format!("there is no {what} `{}`", path.trim_end_matches('/'))
}

pub(super) fn load(ctx: &Ctx, source: &Source) -> Result<Template, Failure> {
    match source {
        Source::Folder { path, part } if part.is_empty() => folder(path, true),
        Source::Folder { path, part } => folder(&path.join(part), true),
        Source::Archive { path, part } => archive::read(path, part),
        Source::Git { url, reference, part } => git(ctx, url, reference, part),
    }
}

/// The files of a folder; what its `.gitignore` names is no part of it.
fn folder(root: &Path, ignored: bool) -> Result<Template, Failure> {
    if !root.is_dir() {
        return Err(bad(absent("folder", root)));
    }
    let real = root.canonicalize().map_err(|e| bad(format!("`{}` cannot be read: {e}", root.display())))?;
    let mut walk = ignore::WalkBuilder::new(root);
    walk.standard_filters(false).git_ignore(ignored).require_git(false).parents(false).follow_links(false);
    walk.filter_entry(|e| e.file_name() != ".git");
    let (mut files, mut limits) = (vec![], Limits::default());
    for entry in walk.build() {
        limits.entry()?;
        let entry = entry.map_err(|e| bad(format!("the template cannot be read: {e}")))?;
        let path = entry.path();
        let Ok(relative) = path.strip_prefix(root) else { continue };
        let Some(kind) = entry.file_type().filter(|k| !k.is_dir()) else { continue };
        let name = relative
            .to_str()
            .ok_or_else(|| bad(format!("`{}`: the name is not UTF-8", path.display())))?
            .to_string();
        let unreadable = |e: std::io::Error| bad(format!("`{}` cannot be read: {e}", path.display()));
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(unreadable)?;
            let lands = path.parent().unwrap_or(root).join(&target);
            let stays =
                lands.canonicalize().map_or_else(|_| !leads_out(relative, &target), |l| l.starts_with(&real));
            let text = target.to_str().filter(|_| stays && !target.is_absolute());
            let Some(text) = text else {
                let why = format!("`{}` is a link that leads out of the template", path.display());
                return Err(bad(why));
            };
            files.push(TemplateFile {
                path: name,
                mode: Mode::Link,
                bytes: Arc::new(text.as_bytes().to_vec()),
            });
            continue;
        }
        if !kind.is_file() {
            return Err(bad(format!("`{}` is neither a file nor a folder", path.display())));
        }
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let bytes = limits.read(&name, &mut file)?.map_err(unreadable)?;
        let mode = if is_executable(&metadata) { Mode::Executable } else { Mode::Plain };
        files.push(TemplateFile { path: name, mode, bytes: Arc::new(bytes) });
    }
    whole(files)
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

/// A path of an archive below the part that is meant; `None` for what is outside of it.
pub(super) fn below(path: &str, part: &str) -> Option<String> {
    if part.is_empty() {
        return Some(path.to_string());
    }
    path.strip_prefix(part).and_then(|rest| rest.strip_prefix('/')).map(String::from)
}

/// A template in a git repository. It is fetched once in a run, however many tools use it.
fn git(ctx: &Ctx, url: &str, reference: &str, part: &str) -> Result<Template, Failure> {
    type Slot = Arc<Mutex<Option<Template>>>;
    static FETCHED: LazyLock<Mutex<HashMap<String, Slot>>> = LazyLock::new(Mutex::default);
    let key = format!("{url}\n{reference}\n{part}");
    let slot = FETCHED.lock().unwrap_or_else(|e| e.into_inner()).entry(key).or_default().clone();
    let mut slot = slot.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(template) = &*slot {
        return Ok(template.clone());
    }
    let template = fetch(ctx, url, reference, part)?;
    *slot = Some(template.clone());
    Ok(template)
}

fn fetch(ctx: &Ctx, url: &str, reference: &str, part: &str) -> Result<Template, Failure> {
    let doing = format!("the template `{url}`");
    let failed = |e: GitError| e.failure(&doing).input("template");
    let remote = Remote { url: url.into(), username: None, token: None };
    // A repository on this machine is read in place, without its own configuration.
    let folder = match local_path(url) {
        Some(path) => own::in_place_of(ctx, &path, Parts::All).map_err(failed)?.folder,
        None => own::empty().map_err(failed)?,
    };
    let here = local_path(url).is_some();
    let git = || Git::at(ctx, folder.path());
    let names = [format!("refs/tags/{reference}"), format!("refs/heads/{reference}")];
    let listed = match here {
        true => git().run(&["for-each-ref", "--format=%(objectname)%09%(refname)", &names[0], &names[1]]),
        false => git().with(&remote).run(&["ls-remote", "-q", url, &names[0], &names[1]]),
    };
    let listed = String::from_utf8_lossy(&listed.map_err(failed)?).into_owned();
    let has = |name: &str| listed.lines().any(|l| l.ends_with(&format!("\t{name}")));
    let commit = reference.len() >= 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
    let wanted = match (has(&names[0]), has(&names[1]), commit) {
        (true, ..) => names[0].clone(),
        (_, true, _) => {
            let warning = format!("`{reference}` is a branch, which moves: name a tag or a commit instead");
            ctx.warn(&format!("{doing}: {warning}"));
            names[1].clone()
        }
        (.., true) => reference.to_string(),
        _ => return Err(bad(format!("{doing} has no tag, branch or whole commit `{reference}`"))),
    };
    let fetch = |what: &str, depth: Option<&str>| {
        let mut args = vec!["fetch", "-q", "--no-tags", "--no-recurse-submodules"];
        args.extend(depth);
        args.extend([url, what]);
        git().with(&remote).run(&args)
    };
    if !here && let Err(e) = fetch(&wanted, Some("--depth=1")) {
        if !commit {
            return Err(failed(e));
        }
        // Not every server gives a commit by its id: then everything is fetched.
        fetch("+refs/*:refs/fetched/*", None).map_err(failed)?;
    }
    let tree = match (commit, here) {
        (true, _) => reference,
        (false, true) => &wanted,
        (false, false) => "FETCH_HEAD",
    };
    files(&git(), tree, part, &doing)
}

/// The files of a commit, byte by byte: its attributes have no effect.
fn files(git: &Git<'_>, commit: &str, part: &str, doing: &str) -> Result<Template, Failure> {
    let failed = |e: GitError| e.failure(doing).input("template");
    let mut args = vec!["ls-tree", "-r", "-l", "-z", "--full-tree", commit];
    if !part.is_empty() {
        args.extend(["--", part]);
    }
    let listed = parse_tree(&git.run(&args).map_err(failed)?);
    let mut limits = Limits::default();
    let mut found = vec![];
    for (name, size, entry) in &listed {
        limits.entry()?;
        let Some(path) = below(name, part) else { continue };
        if entry.is_submodule() {
            return Err(bad(format!(
                "{doing}: `{name}` is a submodule, which is a repository of its own: copy what is needed of it into the template"
            )));
        }
        let path = inside(&path).map_err(|why| bad(format!("{doing}: {why}")))?;
        if path.contains(char::REPLACEMENT_CHARACTER) {
            return Err(bad(format!("{doing} holds a name that is not UTF-8")));
        }
        limits.file(name, *size)?;
        found.push((path, entry));
    }
    let bytes =
        contents(git, &found.iter().map(|(_, e)| e.id.as_str()).collect::<Vec<_>>()).map_err(failed)?;
    let mut files = vec![];
    for ((path, entry), bytes) in found.into_iter().zip(bytes) {
        let mode = match entry.mode.as_str() {
            "120000" => Mode::Link,
            "100755" => Mode::Executable,
            _ => Mode::Plain,
        };
        let target = std::str::from_utf8(&bytes).map(Path::new);
        if mode == Mode::Link && target.map_or(true, |target| leads_out(Path::new(&path), target)) {
            return Err(bad(format!("{doing}: `{path}` is a link that leads out of the template")));
        }
        files.push(TemplateFile { path, mode, bytes: Arc::new(bytes) });
    }
    whole(files)
}
