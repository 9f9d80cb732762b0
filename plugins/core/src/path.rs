//! Paths and permissions, for files and directories alike.

use dtm_plugin::Failure;
use dtm_plugin::protocol::{Fields, Listed};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `0644` as a number.
pub(crate) fn mode(text: &str) -> Result<u32, Failure> {
    u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|m| *m <= 0o7777).ok_or_else(|| {
        Failure::clean(format!("`{text}` is no file mode; write it in octal, as \"0644\"")).input("mode")
    })
}

/// Whether the input `mode`, where it is known, is one.
pub(crate) fn checked_mode(inputs: &Fields) -> Result<(), Failure> {
    match inputs.get("mode").and_then(|m| m.as_str()) {
        Some(text) => mode(text).map(|_| ()),
        None => Ok(()),
    }
}

/// The permissions of what is there, as the interface writes them.
pub(crate) fn mode_text(metadata: &std::fs::Metadata) -> String {
    format!("{:04o}", metadata.permissions().mode() & 0o7777)
}

/// The mode that is there, in the spelling that was asked for where it is the same.
pub(crate) fn seen_mode(recorded: &str, metadata: &std::fs::Metadata) -> String {
    let there = mode_text(metadata);
    if mode(recorded).ok() == mode(&there).ok() { recorded.into() } else { there }
}

/// Refuses a path that could be written in another way: two spellings would be two tools for one file.
pub(crate) fn checked_path(inputs: &Fields) -> Result<(), Failure> {
    let Some(text) = inputs.get("path").and_then(|p| p.as_str()) else { return Ok(()) };
    absolute(text)?;
    let mut plain: Vec<&str> = vec![];
    for part in text.split('/').filter(|p| !p.is_empty() && *p != ".") {
        match (part, plain.last()) {
            ("..", Some(last)) if *last != ".." => _ = plain.pop(),
            _ => plain.push(part),
        }
    }
    let plain = format!("{}{}", if text.starts_with('/') { "/" } else { "" }, plain.join("/"));
    if plain == text {
        return Ok(());
    }
    Err(Failure::clean(format!("write the path as `{plain}`")).input("path"))
}

/// The path from the root of the file system; links are kept.
pub(crate) fn absolute(path: &str) -> Result<PathBuf, Failure> {
    if path.is_empty() || path.contains('\0') {
        return Err(Failure::clean("the path is empty or holds a zero byte").input("path"));
    }
    std::path::absolute(path).map_err(|e| Failure::clean(format!("`{path}` cannot be resolved: {e}")))
}

/// Whether an error says definitely that nothing is there.
pub(crate) fn absent(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Makes missing parents; gives those made, the outermost first.
pub(crate) fn make_parents(path: &Path) -> Result<Vec<String>, Failure> {
    let mut missing = vec![];
    let mut at = path.parent();
    while let Some(folder) = at.filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        missing.push(folder.to_path_buf());
        at = folder.parent();
    }
    let mut made = vec![];
    for folder in missing.iter().rev() {
        match std::fs::create_dir(folder) {
            Ok(()) => made.push(folder.display().to_string()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => {
                return Err(Failure::clean(format!("cannot make the folder `{}`: {e}", folder.display())));
            }
        }
    }
    Ok(made)
}

/// Removes parents that were made with an object and are empty now, the innermost first.
pub(crate) fn remove_parents(private: &dtm_plugin::serde_json::Value) {
    let made = private.get("made").and_then(|m| m.as_array());
    for folder in made.into_iter().flatten().rev().filter_map(|f| f.as_str()) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// The files, or the folders, below a folder: their paths as they would be written in a program. What begins with a dot is
/// nobody's business, and links are not followed.
pub(crate) fn below(within: &Fields, folders: bool) -> Result<Vec<Listed>, Failure> {
    let start = within.get("path").and_then(|p| p.as_str()).unwrap_or(".").trim_end_matches('/');
    let (mut found, mut open) = (vec![], vec![PathBuf::from(start)]);
    while let Some(folder) = open.pop() {
        let failed = |e: Error| Failure::clean(format!("`{}` cannot be read: {e}", folder.display()));
        for entry in std::fs::read_dir(absolute(&folder.to_string_lossy())?).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let path = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            if kind.is_dir() == folders && (kind.is_dir() || kind.is_file()) {
                let id = absolute(&path.to_string_lossy())?.display().to_string();
                let key = Fields::from_iter([("path".into(), path.to_string_lossy().into())]);
                found.push(Listed { id, key });
            }
            if kind.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// Sets permissions.
pub(crate) fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
