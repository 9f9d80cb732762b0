//! dtm's own folder in a project, `.dtm`, may have come with a cloned repository. A link in it must never
//! decide which file is read, overwritten or removed: symbolic links, hard links and special files
//! are refused, and every file is opened without following links.

use super::StateError;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path};

/// The folder in a project's root.
pub const FOLDER: &str = ".dtm";

/// The entries of [`FOLDER`] besides states.
const BESIDE: [&str; 4] = ["backend", "backend.tmp", "spill", ".gitignore"];

fn flags() -> i32 {
    // A pipe is opened without waiting for its other end, and refused then.
    (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32
}

fn foreign(path: &Path, found: NotOurs) -> StateError {
    StateError::Foreign { path: path.to_path_buf(), found }
}

/// Refuses links among the folders that lead from the root to a folder of dtm, and beside it.
///
/// # Errors
/// When there is one.
pub fn refuse_links_to(root: &Path, folder: &Path) -> Result<(), StateError> {
    let own = root.join(FOLDER);
    for path in BESIDE.iter().map(|name| own.join(name)).chain([own.clone()]) {
        refuse_link(&path)?;
    }
    let Ok(below) = folder.strip_prefix(root) else { return Ok(()) };
    let mut at = root.to_path_buf();
    for part in below.components() {
        // What leaves the root was named by the settings, link or not.
        let Component::Normal(name) = part else { return Ok(()) };
        at.push(name);
        refuse_link(&at)?;
    }
    Ok(())
}

fn refuse_link(path: &Path) -> Result<(), StateError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => Err(foreign(path, NotOurs::SymbolicLink)),
        _ => Ok(()),
    }
}

/// Refuses what is no plain file or folder in the folder of a state. The folder itself may be a link where the settings name
/// one outside of the project; [`refuse_links_to`] has looked at the others.
///
/// # Errors
/// When there is something.
pub(super) fn refuse_links_in(folder: &Path) -> Result<(), StateError> {
    let history = folder.join("history");
    refuse_link(&history)?;
    for folder in [folder.to_path_buf(), history] {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(source) => return Err(StateError::Io { doing: "read", path: folder, source }),
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            // One that goes away meanwhile is no problem.
            let Ok(found) = path.symlink_metadata() else { continue };
            if found.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // A snapshot is linked into the history, and neither is ever written again.
            let linked = folder.ends_with("history") || name.starts_with("snapshot-");
            if let Some(found) = strange(&found).filter(|found| !linked || *found != NotOurs::HardLink) {
                return Err(foreign(&path, found));
            }
        }
    }
    Ok(())
}

/// What dtm never makes in the folder of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// A symbolic link.
    SymbolicLink,
    /// A file that has another name elsewhere.
    HardLink,
    /// A pipe, a device, a socket.
    NoFile,
}

impl std::fmt::Display for NotOurs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotOurs::SymbolicLink => "a symbolic link",
            NotOurs::HardLink => "a hard link, so that the same file has another name elsewhere",
            NotOurs::NoFile => "not a regular file",
        })
    }
}

/// Why a file is not one that dtm made.
fn strange(found: &Metadata) -> Option<NotOurs> {
    if found.is_symlink() {
        Some(NotOurs::SymbolicLink)
    } else if !found.is_file() {
        Some(NotOurs::NoFile)
    } else if found.nlink() > 1 {
        Some(NotOurs::HardLink)
    } else {
        None
    }
}

/// Opens a file of a state in order to write in it, without following a link.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, StateError> {
    let failed = |source: io::Error| match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::LOOP) => foreign(path, NotOurs::SymbolicLink),
        _ => StateError::Io { doing: "open", path: path.to_path_buf(), source },
    };
    let file = options.custom_flags(flags()).open(path).map_err(failed)?;
    match strange(&file.metadata().map_err(failed)?) {
        Some(found) => Err(foreign(path, found)),
        None => Ok(file),
    }
}

/// Makes a new file of a state that only its owner may read; what had its name is removed before, and never written to.
pub(super) fn create(path: &Path) -> Result<File, StateError> {
    created(path).map_err(|source| StateError::Io { doing: "create", path: path.to_path_buf(), source })
}

/// As [`create`].
pub(super) fn created(path: &Path) -> io::Result<File> {
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600).custom_flags(flags()).open(path)
    };
    match open() {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            open()
        }
        other => other,
    }
}

/// Replaces a file of a state so that after a crash it is there as a whole, as it was or as it is now: a temporary file beside
/// it, synced before the rename that the folder's sync makes last.
pub(super) fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> Result<(), StateError> {
    replaced(path, temporary, bytes).map_err(|source| StateError::Io {
        doing: "write",
        path: path.to_path_buf(),
        source,
    })
}

/// As [`replace`].
pub(super) fn replaced(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "what is there is not a regular file"));
    }
    let mut file = created(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a file of a state, without following a link.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new().read(true).custom_flags(flags()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = vec![];
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

/// Whether git tracks files of a folder, by what its index says. Git itself is not asked: the configuration of a clone may
/// name programs that it would run.
pub fn is_tracked_by_git(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let found = folder.ancestors().find_map(|above| {
        let git = above.join(".git");
        let git = match std::fs::read_to_string(&git) {
            Ok(text) => above.join(text.strip_prefix("gitdir:")?.trim()),
            Err(_) => git,
        };
        git.is_dir().then(|| (above.to_path_buf(), git))
    });
    let Some((above, git)) = found else { return false };
    let (Ok(below), Ok(index)) = (folder.strip_prefix(&above), std::fs::read(git.join("index"))) else {
        return false;
    };
    let below = format!("{}/", below.to_string_lossy());
    names_in(&index).iter().any(|name| name.starts_with(below.as_bytes()))
}

/// The paths in an index of git, of versions 2 to 4; none where it cannot be read.
fn names_in(index: &[u8]) -> Vec<Vec<u8>> {
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let (Some(version @ 2..=4), Some(count), true) = (number(4), number(8), index.starts_with(b"DIRC"))
    else {
        return vec![];
    };
    // Of SHA-1; with SHA-256 the names are found nowhere, and nothing is said.
    const FIXED: usize = 62;
    let mut names: Vec<Vec<u8>> = vec![];
    let mut at = 12;
    for _ in 0..count {
        let begin = at;
        let Some(&flag) = index.get(at + FIXED - 2) else { break };
        at += FIXED + if version >= 3 && flag & 0x40 != 0 { 2 } else { 0 };
        let mut name = vec![];
        if version == 4 {
            let mut strip = 0usize;
            loop {
                let Some(&byte) = index.get(at) else { return names };
                at += 1;
                strip = (strip << 7) | usize::from(byte & 0x7f);
                if byte & 0x80 == 0 {
                    break;
                }
                strip += 1;
            }
            let last = names.last().map(Vec::as_slice).unwrap_or_default();
            name.extend(&last[..last.len().saturating_sub(strip)]);
        }
        let Some(length) = index.get(at..).and_then(|rest| rest.iter().position(|b| *b == 0)) else { break };
        name.extend(&index[at..at + length]);
        at += length;
        at = match version {
            4 => at + 1,
            _ => begin + (at - begin + 8) / 8 * 8,
        };
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_found_tracking_a_state() {
        for version in ["2", "3", "4"] {
            let folder = tempfile::tempdir().expect("a folder");
            let git = |args: &[&str]| {
                let mut command = std::process::Command::new("git");
                command.arg("-C").arg(folder.path()).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
                assert!(command.output().expect("git").status.success(), "{args:?}");
            };
            let state = folder.path().join("a/.dtm/state");
            std::fs::create_dir_all(&state).expect("folders");
            for name in ["a/.dtm/state/journal-0", "a/.dtm/state/lineage", "a/main.dts", "b"] {
                std::fs::write(folder.path().join(name), name).expect("a file");
            }
            git(&["init", "-q"]);
            git(&["config", "index.version", version]);
            git(&["add", "a/main.dts", "b"]);
            assert!(!is_tracked_by_git(&state), "{version}");
            git(&["add", "-f", "a/.dtm"]);
            assert!(is_tracked_by_git(&state), "{version}");
        }
    }

    #[test]
    fn links_are_neither_read_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (precious, link) = (folder.path().join("precious"), folder.path().join("lock"));
        std::fs::write(&precious, "precious").expect("a file");
        std::os::unix::fs::symlink(&precious, &link).expect("a link");
        assert!(matches!(open(&link, OpenOptions::new().write(true)), Err(StateError::Foreign { .. })));
        assert!(read(&link).is_err());
        create(&link).expect("made in the place of the link");
        std::fs::remove_file(&link).expect("removed");
        std::fs::hard_link(&precious, &link).expect("a link");
        assert!(matches!(open(&link, OpenOptions::new().write(true)), Err(StateError::Foreign { .. })));
        create(&link).expect("made in the place of the link");
        assert_eq!(std::fs::read(&precious).expect("there"), b"precious");
    }
}
