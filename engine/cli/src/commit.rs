//! The git commit of a folder, read from the files of its repository without running git.

use std::path::{Path, PathBuf};

/// The commit that is checked out in the repository around a folder.
pub fn of(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let git = folder.ancestors().map(|f| f.join(".git")).find(|git| git.exists())?;
    let git = match git.is_dir() {
        true => git,
        // A worktree, or a submodule: the file says where.
        false => beside(&git, read(&git)?.strip_prefix("gitdir:")?.trim()),
    };
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return hash(&head) };
    let plain = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    let common = read(&git.join("commondir")).map_or_else(|| git.clone(), |dir| git.join(dir));
    [&git, &common].into_iter().filter(|_| plain).find_map(|dir| hash(&read(&dir.join(name))?)).or_else(
        || {
            let packed = read(&common.join("packed-refs"))?;
            packed.lines().find_map(|line| hash(line.strip_suffix(name)?.strip_suffix(' ')?))
        },
    )
}

fn beside(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(path)
}

fn read(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() < 8 << 20);
    std::fs::read_to_string(path).ok().filter(|_| small).map(|text| text.trim().to_string())
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    (text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_string())
}
