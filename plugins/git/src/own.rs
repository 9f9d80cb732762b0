//! Repositories of our own, in which every command of git runs.
//!
//! The configuration, hooks and attributes of a repository can name programs, and git runs them even while it reads:
//! it fetches a missing object of a partial clone with an `uploadpack` that the repository names. So no command runs inside
//! such a repository. It runs in a folder of ours, with our configuration, which links to the objects and references of
//! the other:
//!
//! ```text
//! dtm-scm-X/HEAD, config       ours
//! dtm-scm-X/objects, refs ...  -> /srv/git/shop.git/objects, refs ...
//! ```

use crate::git::{Git, GitError};
use dtm_plugin::Ctx;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn failed(what: &Path) -> impl Fn(std::io::Error) -> GitError {
    move |e| GitError::new(format!("`{}` cannot be read: {e}", what.display()))
}

fn no_folder(error: std::io::Error) -> GitError {
    GitError::new(format!("no temporary folder: {error}"))
}

/// An empty bare repository in a temporary folder, made without git.
pub fn empty() -> Result<TempDir, GitError> {
    let folder = folder("ref: refs/heads/none", &Format::default())?;
    for name in ["objects", "refs"] {
        std::fs::create_dir(folder.path().join(name)).map_err(no_folder)?;
    }
    Ok(folder)
}

fn folder(head: &str, format: &Format) -> Result<TempDir, GitError> {
    let folder = tempfile::Builder::new().prefix("dtm-scm-").tempdir().map_err(no_folder)?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).map_err(no_folder);
    write("HEAD", &format!("{head}\n"))?;
    write("config", &format.config())?;
    Ok(folder)
}

/// What has to be known of another repository to work on its files: nothing that names a program.
#[derive(Default)]
struct Format {
    extensions: Vec<(String, String)>,
    core: Vec<(String, String)>,
}

impl Format {
    /// Of the repository whose configuration this is.
    fn of(ctx: &Ctx, config: &Path) -> Result<Format, GitError> {
        let mut format = Format::default();
        let text = std::fs::read(config).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).to_lowercase();
        let (extensions, core) = (["objectformat", "refstorage"], ["sharedrepository", "logallrefupdates"]);
        if !extensions.iter().chain(&core).any(|name| text.contains(name)) {
            return Ok(format);
        }
        let own = empty()?;
        let file = config.display().to_string();
        let out =
            Git::at(ctx, own.path()).run(&["config", "--file", &file, "--no-includes", "--list", "-z"])?;
        for entry in String::from_utf8_lossy(&out).split('\0') {
            let Some((name, value)) = entry.split_once('\n') else { continue };
            let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric());
            match name.split_once('.') {
                Some(("extensions", name)) if plain && extensions.contains(&name) => {
                    format.extensions.push((name.into(), value.into()));
                }
                Some(("core", name)) if plain && core.contains(&name) => {
                    format.core.push((name.into(), value.into()));
                }
                _ => {}
            }
        }
        Ok(format)
    }

    fn config(&self) -> String {
        let version = i32::from(!self.extensions.is_empty());
        let mut out = format!("[core]\n\trepositoryformatversion = {version}\n\tbare = true\n");
        for (name, value) in &self.core {
            let _ = writeln!(out, "\t{name} = {value}");
        }
        for (name, value) in &self.extensions {
            let _ = write!(out, "[extensions]\n\t{name} = {value}\n");
        }
        out
    }
}

/// The folder in which git keeps a repository, and the one with what its work trees share.
fn folders(path: &Path) -> Result<(PathBuf, PathBuf), GitError> {
    let is = |path: &Path| {
        path.join("HEAD").is_file() && (path.join("objects").is_dir() || path.join("commondir").is_file())
    };
    let pointer = |file: &Path, word: &str| -> Option<PathBuf> {
        let text = std::fs::read_to_string(file).ok()?;
        Some(file.parent()?.join(text.trim().strip_prefix(word)?.trim()))
    };
    let within = path.join(".git");
    let git = if is(path) {
        path.to_path_buf()
    } else if within.is_dir() {
        within
    } else {
        pointer(&within, "gitdir:").unwrap_or(within)
    };
    if !is(&git) {
        let text = format!("`{}` does not appear to be a git repository", path.display());
        return Err(GitError::new(text));
    }
    let common = pointer(&git.join("commondir"), "").unwrap_or_else(|| git.clone());
    Ok((git, common))
}

/// What a repository's `HEAD` names, where it is a branch.
fn head(git: &Path) -> Result<(String, Option<String>), GitError> {
    let file = git.join("HEAD");
    let text = std::fs::read_to_string(&file).map_err(failed(&file))?;
    let text = text.trim();
    let branch = text.strip_prefix("ref:").map(|name| name.trim().to_string());
    let commit = text.bytes().all(|b| b.is_ascii_hexdigit());
    let known = branch.as_deref().map_or(commit, |name| name.starts_with("refs/"));
    if !known || text.len() > 4096 || text.contains(char::is_control) {
        return Err(GitError::new(format!("`{}` is damaged", file.display())));
    }
    let branch = branch.and_then(|name| name.strip_prefix("refs/heads/").map(String::from));
    Ok((text.to_string(), branch))
}

/// How much of another repository is in ours.
#[derive(Clone, Copy, PartialEq)]
pub enum Parts {
    /// Objects and references: what is written, is written there.
    All,
    /// Its objects can be read; what is written stays in ours, to be pushed.
    Objects,
}

/// A folder of ours in place of a repository, and the branch that the repository starts from.
pub struct InPlaceOf {
    /// The folder; it is removed when it is dropped.
    pub folder: TempDir,
    /// The branch; none where `HEAD` names a commit.
    pub default: Option<String>,
}

/// A folder of ours that links to a repository on this machine.
pub fn in_place_of(ctx: &Ctx, path: &Path, parts: Parts) -> Result<InPlaceOf, GitError> {
    let (git, common) = folders(path)?;
    let (text, default) = head(&git)?;
    let own = folder(&text, &Format::of(ctx, &common.join("config"))?)?;
    let link =
        |name: &str| std::os::unix::fs::symlink(common.join(name), own.path().join(name)).map_err(no_folder);
    link("shallow")?;
    match parts {
        Parts::All => {
            for name in ["objects", "refs", "packed-refs"] {
                link(name)?;
            }
            for name in ["reftable", "logs"].into_iter().filter(|name| common.join(name).is_dir()) {
                link(name)?;
            }
        }
        Parts::Objects => {
            let info = own.path().join("objects/info");
            std::fs::create_dir_all(&info).map_err(no_folder)?;
            std::fs::create_dir(own.path().join("refs")).map_err(no_folder)?;
            let objects = common
                .join("objects")
                .display()
                .to_string()
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            std::fs::write(info.join("alternates"), format!("\"{objects}\"\n")).map_err(no_folder)?;
        }
    }
    Ok(InPlaceOf { folder: own, default })
}

/// Sets the branch that a bare repository starts from.
pub fn set_head(path: &Path, branch: &str) -> std::io::Result<()> {
    use std::io::Write;
    let lock = path.join("HEAD.lock");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&lock)?;
    let written =
        file.write_all(format!("ref: refs/heads/{branch}\n").as_bytes()).and_then(|()| file.sync_all());
    let done = written.and_then(|()| std::fs::rename(&lock, path.join("HEAD")));
    if done.is_err() {
        let _ = std::fs::remove_file(&lock);
    }
    done
}

/// The branch that a bare repository starts from.
pub fn head_branch(path: &Path) -> Option<String> {
    head(path).ok()?.1
}
