//! Where a project is: the *project root* is the folder of the root file; the *workspace root* is the nearest folder
//! above it that bounds what the project's modules may read.
//!
//! ```text
//! shop/dtm.toml            the workspace root
//! shop/shared/site.dts
//! shop/one/main.dts        import "../shared/site.dts": the project root is `shop/one`, its home is `one`
//! ```
//!
//! Only imports, `file()` and plugins by path are bounded by the workspace. Everything else belongs to the project.

use dtm_lang::{Code, Diagnostic, Diagnostics, Sources};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file that marks a workspace root.
pub const SETTINGS: &str = "dtm.toml";
const GIT: &str = ".git";

/// The workspace that a folder is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its root, canonical.
    pub root: PathBuf,
    /// Whether a `dtm.toml` or `.git` says so; otherwise the folder is its own workspace.
    pub marked: bool,
    /// The path of the folder from the root, with `/`; empty where they are the same.
    pub home: String,
    /// The nearest root that is ignored because it belongs to another user.
    pub ignored: Option<PathBuf>,
}

impl Workspace {
    /// The workspace of a folder, a canonical path: the nearest folder with `dtm.toml`, else with `.git`, else the folder
    /// itself.
    pub fn of(folder: &Path) -> Workspace {
        let mut ignored = None;
        let mut find = |mark: &str| {
            let root = folder.ancestors().filter(|_| folder.is_absolute()).find(|above| {
                let marker = above.join(mark);
                let there = if mark == SETTINGS { marker.is_file() } else { marker.exists() };
                // In its own folder it opens no way to anywhere else.
                let trusted = *above == folder || (is_own(above) && is_own(&marker));
                if there && !trusted {
                    ignored.get_or_insert_with(|| above.to_path_buf());
                }
                there && trusted
            })?;
            let home = folder.strip_prefix(root).ok()?.to_str()?;
            Some((root.to_path_buf(), home.to_string()))
        };
        let found = find(SETTINGS).or_else(|| find(GIT));
        let marked = found.is_some();
        let (root, home) = found.unwrap_or_else(|| (folder.to_path_buf(), String::new()));
        Workspace { root, marked, home, ignored }
    }

    /// The note for the user about it.
    pub fn note(&self) -> Option<String> {
        self.ignored.as_ref().map(|root| {
            format!("note: the workspace root `{}` is ignored: it belongs to another user", root.display())
        })
    }

    /// What is wrong with its `dtm.toml`; none needs to be there, and it may be empty.
    pub fn problems(&self) -> Option<(Diagnostics, Sources)> {
        let path = self.root.join(SETTINGS);
        if !self.marked || !path.is_file() {
            return None;
        }
        let shown = path.display().to_string();
        let mut sources = Sources::default();
        let mut diagnostics = Diagnostics::default();
        let text = match std::fs::read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                diagnostics.push(Diagnostic::new(Code::E0220, format!("`{shown}` is not UTF-8")));
                return Some((diagnostics, sources));
            }
            Err(e) => {
                diagnostics.push(Diagnostic::new(Code::E0220, format!("cannot read `{shown}`: {e}")));
                return Some((diagnostics, sources));
            }
        };
        let file = sources.add(shown, text.as_str());
        for (name, at) in dtm_lang::toml_keys(file, &text, &mut diagnostics) {
            let d = Diagnostic::new(Code::E0220, format!("unknown key `{name}` in `{SETTINGS}`"));
            let note = "`dtm.toml` marks the workspace root; this version of dtm has no settings in it";
            diagnostics.push(d.at(at, "unknown key").note(note));
        }
        (!diagnostics.is_empty()).then_some((diagnostics, sources))
    }
}

/// The nearest folder above `here`, a canonical path, that holds a file of this name, and how many levels up it is:
/// not above the workspace root, nor in a folder of another user or of everybody.
pub fn nearest(here: &Path, name: &str) -> Option<(PathBuf, usize)> {
    let workspace = Workspace::of(here);
    for (up, folder) in here.ancestors().enumerate() {
        if workspace.marked && !folder.starts_with(&workspace.root) {
            return None;
        }
        let file = folder.join(name);
        if file.is_file() {
            let trusted = up == 0 || is_own(folder) && is_own(&file) && !is_public(folder);
            return trusted.then(|| (folder.to_path_buf(), up));
        }
        // A project whose root file has another name, or is gone: it is not part of one above.
        if folder.join(".dtm").is_dir() {
            return None;
        }
    }
    None
}

/// Whether everybody may write into a folder, as into `/tmp`: nothing in it is found by looking upwards.
fn is_public(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|m| m.mode() & 0o002 != 0)
}

/// Whether a file belongs to the user who runs dtm, or who became root for it.
fn is_own(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    let user = rustix::process::geteuid();
    let before = || std::env::var("SUDO_UID").ok().and_then(|id| id.parse::<u32>().ok());
    metadata.uid() == user.as_raw() || user.is_root() && before() == Some(metadata.uid())
}

/// Whether a relative path stays inside of the folder that it starts at; links are not followed.
pub fn stays_inside(path: &Path) -> bool {
    use std::path::Component;
    let mut depth = 0i32;
    path.components().all(|part| {
        match part {
            Component::RootDir | Component::Prefix(_) => return false,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
        }
        depth >= 0
    })
}

/// A path without `.` and `..`; links are not followed.
pub fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = out.pop(),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(part),
        }
    }
    out
}
