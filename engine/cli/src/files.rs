//! Writes files that the user names. Each is written to a temporary file beside it and renamed, so that a full
//! disk or a crash leaves the previous content, never an empty or partial file.

use crate::exit::{Failure, reason};
use dtm_lang::Code;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Refuses to write over what is something else.
///
/// # Errors
/// When there is a file of this name that `is_one` does not know.
pub fn only_over(path: &Path, what: &str, is_one: impl Fn(&Path) -> bool) -> Result<(), Failure> {
    // A pipe is not looked into: that would take what is in it, or wait for ever.
    match path.exists() && !(path.is_file() && is_one(path)) {
        true => Err(Failure::new(
            Code::E0903,
            format!("`{}` already exists, and is not a {what}", path.display()),
        )
        .help(format!("name another file; a {what} is overwritten"))),
        false => Ok(()),
    }
}

/// Writes one.
///
/// # Errors
/// When the system refuses.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    replace(path, content.as_ref()).map_err(|e| unwritable(path, &e))
}

/// A file that cannot be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::E0903, format!("cannot write `{}`: {}", path.display(), reason(error)))
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the umask lets.
    Usual,
    /// Its owner only.
    Private,
}

/// A temporary file beside its target.
struct Staged {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

/// Replaces the content of a file, as a whole or not at all. A link is followed and kept; an existing file keeps its mode;
/// a pipe or a device is written to directly.
///
/// # Errors
/// When the system refuses, or a link must not be followed.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, Access::Usual)
}

/// As [`replace`], for a file that only its owner may read.
///
/// # Errors
/// As [`replace`].
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, Access::Private)
}

fn put(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    match stage(path, content, access)? {
        Some(staged) => commit(staged),
        None => Ok(()),
    }
}

/// Several files with the folders that they need: all of them, or none.
///
/// # Errors
/// Which of them cannot be written, and why.
pub fn replace_all(files: &[(PathBuf, &[u8], Access)]) -> Result<(), (PathBuf, io::Error)> {
    let mut made = vec![];
    let mut staged = vec![];
    let mut failed = None;
    for (path, content, access) in files {
        let folders = path.parent().map_or(Ok(()), |folder| make_folders(folder, &mut made));
        match folders.and_then(|()| stage(path, content, *access)) {
            Ok(one) => staged.extend(one),
            Err(e) => {
                failed = Some((path.clone(), e));
                break;
            }
        }
    }
    if let Some(failed) = failed {
        drop(staged);
        made.iter().rev().for_each(|folder| _ = std::fs::remove_dir(folder));
        return Err(failed);
    }
    for one in staged {
        let path = one.target.clone();
        commit(one).map_err(|e| (path, e))?;
    }
    Ok(())
}

/// Makes a folder and those above it, and notes which.
fn make_folders(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), |above| make_folders(above, made))?;
    std::fs::create_dir(folder)?;
    made.push(folder.to_path_buf());
    Ok(())
}

/// Makes sure that a file can be written, and writes nothing.
///
/// # Errors
/// As [`write`].
pub fn writable(path: &Path) -> Result<(), Failure> {
    let probe = || {
        let target = target(path)?;
        match std::fs::metadata(&target) {
            Ok(there) if is_special(&there) => Ok(()),
            _ => beside(&target, Access::Private).map(drop),
        }
    };
    probe().map_err(|e| unwritable(path, &e))
}

/// Whether a file is written to directly instead of replaced.
fn is_special(there: &std::fs::Metadata) -> bool {
    !there.is_file() && !there.is_dir()
}

/// Writes content to a temporary file. A pipe or a device is written to directly.
fn stage(path: &Path, content: &[u8], access: Access) -> io::Result<Option<Staged>> {
    let target = target(path)?;
    let there = std::fs::metadata(&target).ok();
    if there.as_ref().is_some_and(is_special) {
        OpenOptions::new().write(true).open(&target)?.write_all(content)?;
        return Ok(None);
    }
    let mut file = beside(&target, access)?;
    file.write_all(content)?;
    if let (Some(there), Access::Usual) = (there, access) {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.as_file().sync_all()?;
    Ok(Some(Staged { file, target }))
}

fn commit(staged: Staged) -> io::Result<()> {
    staged.file.persist(staged.target).map(drop).map_err(|e| e.error)
}

/// A new file in the folder of another one.
fn beside(target: &Path, access: Access) -> io::Result<tempfile::NamedTempFile> {
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies, as to every new file.
    let mode = if access == Access::Private { 0o600 } else { 0o666 };
    let mut new = tempfile::Builder::new();
    new.prefix(".dtm-").suffix(".tmp").permissions(Permissions::from_mode(mode)).tempfile_in(folder)
}

/// Resolves a path. A link in dtm's own folder may have come with a clone, and a dangling one would create a file that
/// nobody named: both are refused.
fn target(path: &Path) -> io::Result<PathBuf> {
    if !path.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
        return Ok(path.to_path_buf());
    }
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if folder.components().any(|part| part.as_os_str() == ".dtm") {
        return refused("it is a link inside of `.dtm`, which is not followed");
    }
    match path.canonicalize() {
        Ok(target) => Ok(target),
        // `/dev/stdout` leads to a pipe, which has no path.
        Err(_) if std::fs::metadata(path).is_ok_and(|there| is_special(&there)) => Ok(path.to_path_buf()),
        Err(_) => refused("it is a link that leads nowhere"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_its_target() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").expect("a file");
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("a mode");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        replace(&link, b"new").expect("written");
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(std::fs::read(&file).expect("there"), b"new");
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            2,
            "nothing is left beside it"
        );
    }

    #[test]
    fn links_that_lead_nowhere_or_are_in_our_folder_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join(".dtm");
        std::fs::create_dir(&own).expect("a folder");
        let outside = folder.path().join("outside");
        for link in [folder.path().join("plan"), own.join("plan")] {
            std::os::unix::fs::symlink(&outside, &link).expect("a link");
            assert!(replace(&link, b"x").is_err());
            assert!(!outside.exists());
        }
        std::fs::write(&outside, "precious").expect("a file");
        assert!(replace(&own.join("plan"), b"x").is_err());
        assert_eq!(std::fs::read(&outside).expect("there"), b"precious");
    }
}
