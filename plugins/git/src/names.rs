//! The names of branches and of paths in a repository: which ones git accepts, and their canonical spelling.

use dtm_plugin::Failure;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::Value;

/// Refuses names of branches that git does not accept, and those that git or people take for something else.
pub fn checked_branch(inputs: &Fields) -> Result<(), Failure> {
    let Some(name) = inputs.get("branch").and_then(Value::as_str) else { return Ok(()) };
    let part = |p: &str| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock") && !p.ends_with('.');
    let fine = name.split('/').all(part)
        && !name.starts_with('-')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && !name.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if !fine {
        return Err(Failure::clean(format!("`{name}` is not a valid branch name")).input("branch"));
    }
    match taken_for_something_else(name) {
        Some(why) => Err(Failure::clean(why).input("branch")),
        None => Ok(()),
    }
}

/// What git, or people, take a name for where it is not a branch.
fn taken_for_something_else(name: &str) -> Option<String> {
    for (prefix, what) in [
        ("refs/heads/", "a full reference name"),
        ("heads/", "a reference name"),
        ("refs/remotes/origin/", "a remote-tracking branch"),
        ("remotes/origin/", "a remote-tracking branch"),
        ("origin/", "a remote-tracking branch"),
    ] {
        if let Some(short) = name.strip_prefix(prefix) {
            return Some(format!("to git, `{name}` is {what}: write the branch as `{short}`"));
        }
    }
    let is_reference = ["refs/", "remotes/", "tags/"].iter().any(|prefix| name.starts_with(prefix));
    // `git log FETCH_HEAD` and the like read the file of that name, not the branch.
    let is_pseudo = (name == "HEAD" || name.ends_with("_HEAD") || name == "AUTO_MERGE")
        && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let is_id = matches!(name.len(), 40 | 64) && name.bytes().all(|b| b.is_ascii_hexdigit());
    let what = match (is_reference, is_pseudo, is_id) {
        (true, ..) => "the name of another reference",
        (_, true, _) => "a special reference",
        (.., true) => "a commit id",
        (false, false, false) => return None,
    };
    Some(format!("to git, `{name}` is {what}: choose another name for the branch"))
}

/// Refuses a message of nothing but blanks: git itself refuses to make such a commit.
pub fn checked_message(inputs: &Fields) -> Result<(), Failure> {
    match inputs.get("message").and_then(Value::as_str) {
        Some(message) if message.trim().is_empty() => {
            Err(Failure::clean("a commit needs a message: write one, or leave `message` out")
                .input("message"))
        }
        Some(message) if message.contains('\0') => {
            Err(Failure::clean("the message contains a zero byte").input("message"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether some file system takes a name for `.git`: Windows ignores case, blanks and dots at the end, and what follows a
/// colon, and calls it `git~1` as well; macOS ignores case and characters that are not shown.
fn is_dot_git(part: &str) -> bool {
    let unseen = |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    part.split('\\').any(|piece| {
        let shown: String = piece.chars().filter(|c| !unseen(*c)).collect();
        let plain = shown.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']).to_lowercase();
        let short = plain
            .strip_prefix("git~")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        plain == ".git" || short
    })
}

/// A path in a repository, in its only spelling. `.` is the repository itself.
///
/// # Errors
/// When it leads outside, or git refuses it.
pub fn inside(path: &str) -> Result<String, String> {
    if path.contains('\0') || path.contains('\n') {
        return Err(format!("git does not accept the name {path:?}"));
    }
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "" if path.starts_with('/') => return Err(format!("`{path}` is not a path in the repository")),
            "" | "." => {}
            ".." => return Err(format!("`{path}` contains `..`")),
            part if is_dot_git(part) => return Err(format!("git refuses the name `{part}` in `{path}`")),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A path with `..` resolved, as long as it stays inside the repository.
///
/// # Errors
/// When it leads out of the repository.
pub fn without_parents(path: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.iter().all(|part| part.is_empty()) => {
                return Err(format!("`{path}` leads out of the repository"));
            }
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The input `path`, where it is known.
pub fn checked_path(inputs: &Fields) -> Result<(), Failure> {
    match inputs.get("path").and_then(Value::as_str) {
        Some(path) => spelled_once(path).map_err(|why| Failure::clean(why).input("path")),
        None => Ok(()),
    }
}

/// Refuses a path that could be written in another way.
fn spelled_once(path: &str) -> Result<(), String> {
    let plain = without_parents(path).and_then(|path| inside(&path))?;
    let shown = if plain.is_empty() { "." } else { &plain };
    if shown == path { Ok(()) } else { Err(format!("write the path as `{shown}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(name: &str, value: &str) -> Fields {
        Fields::from_iter([(name.to_string(), value.into())])
    }

    #[test]
    fn branches_that_git_takes_for_something_else_are_refused() {
        for name in [
            "HEAD",
            "FETCH_HEAD",
            "ORIG_HEAD",
            "refs/heads/main",
            "refs/tags/v1",
            "heads/main",
            "tags/v1",
            "origin/main",
            "remotes/origin/main",
            "0123456789012345678901234567890123456789",
        ] {
            assert!(checked_branch(&inputs("branch", name)).is_err(), "{name}");
        }
        for name in ["main", "head", "feature/x", "original/x", "HEADS", "deadbeef", "v1", "release/heads"] {
            assert!(checked_branch(&inputs("branch", name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_advice_is_a_path_that_is_accepted() {
        for (path, why) in [
            ("a/../b", "write the path as `b`"),
            ("./a", "write the path as `a`"),
            ("a//b/", "write the path as `a/b`"),
            ("a/..", "write the path as `.`"),
            ("../a", "`../a` leads out of the repository"),
            ("a/../../b", "`a/../../b` leads out of the repository"),
        ] {
            assert_eq!(spelled_once(path), Err(why.to_string()), "{path}");
        }
    }

    #[test]
    fn a_commit_has_a_message() {
        for message in ["", " ", "\n\t"] {
            assert!(checked_message(&inputs("message", message)).is_err(), "{message:?}");
        }
        assert!(checked_message(&inputs("message", "Write a")).is_ok());
    }

    #[test]
    fn every_spelling_of_dot_git_is_refused_wherever_it_is() {
        let spellings = [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            "git~2",
            ".git ",
            ".git.",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            ".g\u{200c}it",
            "\u{feff}.git",
            "a\\.git",
            ".git\\hooks",
            ".GIT\\config",
        ];
        for name in spellings {
            for path in
                [name.to_string(), format!("{name}/config"), format!("a/{name}"), format!("a/{name}/hooks/x")]
            {
                assert!(inside(&path).is_err(), "{path:?}");
            }
        }
        for fine in [
            ".gitignore",
            ".github/a",
            "git",
            "a.git/b",
            "git~x",
            "x.git",
            ".gitmodules",
            ":a",
            ":(top)a",
            "~",
        ] {
            assert_eq!(inside(fine).as_deref(), Ok(fine));
        }
    }
}
