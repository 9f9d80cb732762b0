//! The names of branches and of paths in a repository: which ones git accepts, and their canonical spelling.

use dtm_plugin::Failure;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::Value;

/// Refuses names of branches that git does not take.
pub fn checked_branch(inputs: &Fields) -> Result<(), Failure> {
    let Some(name) = inputs.get("branch").and_then(Value::as_str) else { return Ok(()) };
    let part = |p: &str| !p.is_empty() && !p.starts_with('.') && !p.ends_with(".lock") && !p.ends_with('.');
    let fine = name.split('/').all(part)
        && !name.starts_with('-')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && !name.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
    if fine {
        Ok(())
    } else {
        Err(Failure::clean(format!("`{name}` is not a valid branch name")).input("branch"))
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
            ".." => return Err(format!("`{path}` leads out of the repository")),
            part if is_dot_git(part) => return Err(format!("git refuses the name `{part}` in `{path}`")),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The input `path`, where it is known.
pub fn checked_path(inputs: &Fields) -> Result<(), Failure> {
    let Some(path) = inputs.get("path").and_then(Value::as_str) else { return Ok(()) };
    let plain = inside(path).map_err(|why| Failure::clean(why).input("path"))?;
    let shown = if plain.is_empty() { "." } else { &plain };
    if shown == path {
        Ok(())
    } else {
        Err(Failure::clean(format!("write the path as `{shown}`")).input("path"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
