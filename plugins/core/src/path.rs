//! Paths and permissions, for files and directories alike.

use dtm_plugin::protocol::{Fields, Listed};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Failure, Recorded};
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// `0644` as a number.
pub(crate) fn mode(text: &str) -> Result<u32, Failure> {
    u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|m| *m <= 0o7777).ok_or_else(|| {
        Failure::clean(format!("`{text}` is not a file mode; write it in octal, as \"0644\"")).input("mode")
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
    let refused = |why: String| Err(Failure::clean(why).input("path"));
    match &*plain {
        plain if plain == text && plain != "/" => return Ok(()),
        "" => return refused(format!("`{text}` is the folder of the project, which dtm does not manage")),
        "/" => return refused(format!("`{text}` is the root of the file system, which dtm does not manage")),
        _ => {}
    }
    refused(format!("write the path as `{plain}`"))
}

/// The path from the root of the file system; links are kept.
pub(crate) fn absolute(path: &str) -> Result<PathBuf, Failure> {
    if path.is_empty() || path.contains('\0') {
        return Err(Failure::clean("the path is empty or holds a zero byte").input("path"));
    }
    std::path::absolute(path).map_err(|e| Failure::clean(format!("`{path}` cannot be resolved: {e}")))
}

/// Whether an error says definitely that nothing is there.
pub(crate) fn absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The metadata of a path, if it exists, without following a link in its last part.
pub(crate) fn look(path: &str) -> Result<Option<std::fs::Metadata>, Failure> {
    match std::fs::symlink_metadata(absolute(path)?) {
        Ok(there) => Ok(Some(there)),
        Err(e) if absent(&e) => Ok(None),
        Err(e) => Err(Failure::clean(format!("cannot look at `{path}`: {e}"))),
    }
}

/// The objects with a natural key.
pub(crate) fn find(key: &Fields) -> Result<Vec<String>, Failure> {
    let path = key.get("path").and_then(Value::as_str).unwrap_or("");
    Ok(look(path)?.map(|_| canonical(path)).into_iter().collect())
}

/// The id of the object at a path: one for each object, however its path is written, and the same in every copy of a project. Inside
/// the project it is the path from there, without links above the object; elsewhere it is the path as written.
pub(crate) fn canonical(path: &str) -> String {
    inside(path).unwrap_or_else(|| path.to_string())
}

/// Refuses to take over an object at another path than the tool has: the tool would be there once and named elsewhere.
pub(crate) fn is_of(id: &str, path: &str) -> Result<(), Failure> {
    let (there, wanted) = (canonical(id), canonical(path));
    match there == wanted {
        true => Ok(()),
        false => Err(Failure::clean(format!("`{there}` is not this tool's path, `{wanted}`")).input("path")),
    }
}

fn inside(path: &str) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let mut at = PathBuf::new();
    for part in here.join(path).components() {
        match part {
            Component::ParentDir => _ = at.pop(),
            Component::CurDir => {}
            part @ (Component::Prefix(_) | Component::RootDir | Component::Normal(_)) => at.push(part),
        }
    }
    let name = at.file_name()?.to_os_string();
    let folder = at.parent()?.to_path_buf();
    // As far as the folders above exist; the others are not there yet, and are no links.
    let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok())?;
    let rest = folder.strip_prefix(there).ok()?;
    let real = there.canonicalize().ok()?.join(rest).join(name);
    let from_here = real.strip_prefix(here.canonicalize().ok()?).ok()?;
    Some(from_here.to_str()?.to_string()).filter(|path| !path.is_empty())
}

/// Where an id is, from the root of the file system of this checkout.
pub(crate) fn shown(id: &str) -> Result<String, Failure> {
    Ok(absolute(id)?.display().to_string())
}

/// Upgrades the records of an older version: until 0.1 every id was absolute. Where the recorded
/// path is relative the id is that path, and so are the folders made with it. Pure: the old id says where the project was.
pub(crate) fn upgraded(mut recorded: Recorded) -> Recorded {
    let path = recorded.inputs.get("path").and_then(Value::as_str).unwrap_or("").to_string();
    let root = match recorded.id.strip_suffix(&path) {
        // A relative path that the id ends with: what stands before it is the folder of the project.
        Some(root) if !path.is_empty() && !path.starts_with('/') && root.ends_with('/') => root.to_string(),
        _ => return recorded,
    };
    recorded.id = path;
    if let Some(made) = recorded.private.get_mut("made").and_then(Value::as_array_mut) {
        for folder in made {
            let relative = folder.as_str().and_then(|f| f.strip_prefix(&root)).map(String::from);
            relative.into_iter().for_each(|relative| *folder = Value::from(relative));
        }
    }
    recorded
}

/// Folders that dtm created for objects, as far as this process knows: it created them itself, or read them in a record.
/// The last object in such a folder is removed together with it. Locked while folders are created or removed.
static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The folders that were made with an object, the outermost first.
pub(crate) fn made(private: &Value) -> impl DoubleEndedIterator<Item = &str> {
    private.get("made").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Notes which folders an object that is read was made with.
pub(crate) fn learn(private: &Value) {
    let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(made(private).map(String::from));
}

/// The folders above a path, the innermost first, as they would be written in a program.
fn above(path: &str) -> impl Iterator<Item = &str> {
    Path::new(path).ancestors().skip(1).filter_map(Path::to_str).filter(|f| !f.is_empty() && *f != "/")
}

/// Makes missing parents of a path and then what belongs there; gives what the object is to be recorded with. When that
/// fails, the parents that were made for it are gone again.
pub(crate) fn with_parents<T>(
    path: &str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Value), Failure> {
    let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = above(path).take_while(|f| !Path::new(f).exists()).collect();
    let mut new = vec![];
    let parents = missing.iter().rev().try_for_each(|folder| match std::fs::create_dir(folder) {
        Ok(()) => {
            new.push(*folder);
            Ok(())
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists && Path::new(folder).is_dir() => Ok(()),
        Err(e) => Err(Failure::clean(format!("cannot create the folder `{folder}`: {e}"))),
    });
    match parents.and_then(|()| make()) {
        Ok(done) => {
            known.extend(new.iter().map(|f| f.to_string()));
            let mut all: Vec<&str> = above(path).filter(|f| known.contains(*f)).collect();
            all.reverse();
            Ok((done, json!({ "made": all })))
        }
        Err(failure) => {
            for folder in new.iter().rev() {
                let _ = std::fs::remove_dir(folder);
            }
            Err(failure)
        }
    }
}

/// Removes something, and then the folders above it that were made for it or for others that are gone, as far as they are
/// empty, the innermost first.
pub(crate) fn remove_with_parents(
    path: &str,
    private: &Value,
    remove: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend(made(private).map(String::from));
    remove()?;
    for folder in above(path).filter(|f| known.contains(*f)) {
        // A link in the place of a folder is not what was made.
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// A link that is in the place of a folder that dtm has made for this object.
pub(crate) fn replaced_parent(private: &Value) -> Option<&str> {
    made(private).find(|folder| std::fs::symlink_metadata(folder).is_ok_and(|m| m.is_symlink()))
}

/// Puts folders back that links have taken the place of; what the links point to stays as it is.
pub(crate) fn mend_parents(private: &Value) -> Result<(), Failure> {
    while let Some(folder) = replaced_parent(private) {
        std::fs::remove_file(folder)
            .and_then(|()| std::fs::create_dir(folder))
            .map_err(|e| Failure::clean(format!("cannot put the folder `{folder}` back: {e}")))?;
    }
    Ok(())
}

/// A link as what is observed of it: no content or mode that anybody could have wanted.
pub(crate) fn link_text(path: &str) -> String {
    let target = std::fs::read_link(path).map(|t| t.display().to_string()).unwrap_or_default();
    format!("\0`{path}` is a link to `{target}`")
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
                let id = path.to_string_lossy().into_owned();
                let key = Fields::from_iter([("path".into(), id.clone().into())]);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(id: &str, path: &str, made: &[&str]) -> Recorded {
        let inputs = Fields::from_iter([("path".into(), path.into())]);
        Recorded { id: id.into(), inputs, private: json!({ "made": made }), ..Recorded::default() }
    }

    #[track_caller]
    fn check(before: Recorded, id: &str, folders: &[&str]) {
        let after = upgraded(before);
        assert_eq!(after.id, id);
        assert_eq!(made(&after.private).collect::<Vec<_>>(), folders);
        let again = upgraded(after.clone());
        assert_eq!(
            (&again.id, &again.private),
            (&after.id, &after.private),
            "an upgrade of it changes nothing"
        );
    }

    #[test]
    fn an_absolute_id_of_a_relative_path_becomes_the_path() {
        check(recorded("/one/a/b/f", "a/b/f", &["/one/a", "/one/a/b"]), "a/b/f", &["a", "a/b"]);
        check(recorded("/one/f", "f", &[]), "f", &[]);
        check(recorded("/one/../two/f", "../two/f", &["/one/../two"]), "../two/f", &["../two"]);
        check(recorded("/f", "f", &[]), "f", &[]);
    }

    #[test]
    fn what_was_absolute_stays_so() {
        check(recorded("/one/a/f", "/one/a/f", &["/one/a"]), "/one/a/f", &["/one/a"]);
        // Another file than the path names: of a tool whose path has changed since.
        check(recorded("/one/other", "a/f", &[]), "/one/other", &[]);
        check(recorded("/one/ab", "b", &[]), "/one/ab", &[]);
        check(recorded("a/f", "a/f", &["a"]), "a/f", &["a"]);
        check(recorded("/one/f", "", &[]), "/one/f", &[]);
    }
}
