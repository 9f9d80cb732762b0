//! The location of a repository. A folder inside the project is recorded relative to the project, so that a copy of the project
//! has its own repositories; the plugin's working directory is the project's folder.

use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::{Value, from_value, to_value};
use dtm_plugin::wire::is_unknown;
use dtm_plugin::{Failure, Secret};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// A location as the interfaces of plugins describe it: the type `Destination` of `scm.dts`.
#[derive(Deserialize)]
#[serde(tag = "host", rename_all = "lowercase")]
enum Input {
    Folder { path: String },
    Git { url: String, username: Option<Secret<String>>, token: Option<Secret<String>> },
    Github { org: String, name: String, token: Option<Secret<String>> },
}

/// Where a repository is.
#[derive(Clone, PartialEq)]
pub enum Destination {
    /// On this machine.
    Folder(Folder),
    /// On a server.
    Remote(Remote),
}

/// A repository in a folder.
#[derive(Clone, PartialEq)]
pub struct Folder {
    /// As ids and records name it: from the project's folder, or absolute when that is elsewhere.
    pub name: String,
    /// Where that is in this copy of the project.
    pub at: PathBuf,
}

impl Folder {
    fn new(path: &str) -> Result<Folder, Failure> {
        let here = std::env::current_dir()
            .map_err(|e| bad(format!("`{path}` cannot be resolved: the project's folder: {e}")))?;
        let name = spelled(path, &here);
        Ok(Folder { at: absolute(&name, &here), name })
    }
}

/// An absolute path without `.` and `..`.
fn absolute(path: &str, here: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in here.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = out.pop(),
            part @ (Component::Prefix(_) | Component::RootDir | Component::Normal(_)) => out.push(part),
        }
    }
    out
}

/// The canonical spelling of a path: relative to the project's folder if it is relative or inside, otherwise absolute.
pub fn spelled(path: &str, here: &Path) -> String {
    let at = absolute(path, here);
    if Path::new(path).is_absolute() && !at.starts_with(here) {
        return at.display().to_string();
    }
    let shared = at.components().zip(here.components()).take_while(|(a, b)| a == b).count();
    let up = here.components().skip(shared).map(|_| Component::ParentDir);
    let from_here: PathBuf = up.chain(at.components().skip(shared)).collect();
    if from_here.as_os_str().is_empty() { ".".into() } else { from_here.display().to_string() }
}

/// Converts a folder in an input to its canonical spelling; other values stay as they are.
pub fn normalize(inputs: &mut Fields) {
    let Some(Value::Object(destination)) = inputs.get_mut("destination") else { return };
    let Ok(here) = std::env::current_dir() else { return };
    if destination.get("host").and_then(Value::as_str) == Some("folder")
        && let Some(Value::String(path)) = destination.get_mut("path")
        && !path.is_empty()
        && !path.contains('\0')
    {
        *path = spelled(path, &here);
    }
}

/// A repository on a server.
#[derive(Clone, PartialEq)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// The name to log in with; without one, `x-access-token`.
    pub username: Option<String>,
    /// The token or password to log in with.
    pub token: Option<String>,
}

fn bad(why: impl Into<String>) -> Failure {
    Failure::clean(why).input("destination")
}

impl Destination {
    /// Reads an input that may be partly unknown or of an older version.
    ///
    /// # Errors
    /// When it is not a destination, or an address is not valid.
    pub fn read(value: &Value) -> Result<Destination, Failure> {
        if value.is_null() {
            return Err(bad("the destination is missing"));
        }
        from_value(value.clone())
            .map_err(|e| bad(format!("it is not a destination: {e}")))
            .and_then(|input| Destination::of_input(&input))
    }

    /// The repository that a typed input names: the `Destination` that a plugin's interface generates.
    ///
    /// # Errors
    /// When it is not a destination, or an address is not valid.
    pub fn of(input: &impl Serialize) -> Result<Destination, Failure> {
        to_value(input)
            .map_err(|e| bad(format!("it is not a destination: {e}")))
            .and_then(|value| Destination::read(&value))
    }

    fn of_input(input: &Input) -> Result<Destination, Failure> {
        let text = |secret: &Option<Secret<String>>| secret.as_ref().map(|secret| secret.0.clone());
        match input {
            Input::Folder { path } if path.is_empty() || path.contains('\0') => {
                Err(bad("the path is empty or holds a zero byte"))
            }
            Input::Folder { path } => Folder::new(path).map(Destination::Folder),
            Input::Git { url, username, token } => {
                checked_url(url)?;
                let (username, token) = (text(username), text(token));
                Ok(Destination::Remote(Remote { url: url.clone(), username, token }))
            }
            // A repository that exists; the token is that of a person or an app, for which GitHub takes any name.
            Input::Github { org, name, token } => {
                let plain = |part: &str| {
                    !part.is_empty()
                        && part != "."
                        && part != ".."
                        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                };
                for (what, part) in [("organization", org), ("repository", name)] {
                    if !plain(part) {
                        return Err(bad(format!("`{part}` is not a valid name of a {what} on GitHub")));
                    }
                }
                let url = format!("https://github.com/{org}/{name}.git");
                let username = token.as_ref().map(|_| "x-access-token".to_string());
                Ok(Destination::Remote(Remote { url, username, token: text(token) }))
            }
        }
    }

    /// What `git clone` takes, in this copy of the project.
    pub fn url(&self) -> String {
        match self {
            Destination::Folder(folder) => folder.at.display().to_string(),
            Destination::Remote(remote) => remote.url.clone(),
        }
    }

    /// What ids begin with: the same in every copy of the project.
    pub fn name_in_ids(&self) -> &str {
        match self {
            Destination::Folder(folder) => &folder.name,
            Destination::Remote(remote) => &remote.url,
        }
    }

    /// Where it is, when it is on this machine.
    pub fn local(&self) -> Option<PathBuf> {
        match self {
            Destination::Folder(folder) => Some(folder.at.clone()),
            Destination::Remote(remote) => local_path(&remote.url),
        }
    }

    /// The last part of the address.
    pub fn name(&self) -> String {
        let url = self.url();
        let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        last.trim_end_matches(".git").to_string()
    }

    /// Which repository it is, for those that take turns.
    pub fn identity(&self) -> String {
        let real = self.local().map(|path| path.canonicalize().unwrap_or(path).display().to_string());
        real.unwrap_or_else(|| self.url()).trim_end_matches('/').trim_end_matches(".git").to_string()
    }
}

/// The folder that a `file://` address names.
pub fn local_path(url: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let path = url.strip_prefix("file://")?.as_bytes();
    let digit = |at: usize| path.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut bytes, mut at) = (vec![], 0);
    while let Some(byte) = path.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) if high + low > 0 => {
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

fn checked_url(url: &str) -> Result<(), Failure> {
    if url.starts_with('-') || url.chars().any(|c| c.is_control() || c == ' ') || url.is_empty() {
        return Err(bad(format!("`{url}` is not the address of a repository")));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let ssh = url.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
        return if ssh {
            Ok(())
        } else {
            Err(bad(format!(
                "`{url}` is not an address; for a folder write `{{ host = \"folder\", path = ... }}`"
            )))
        };
    };
    if !matches!(scheme, "http" | "https" | "ssh" | "file") {
        return Err(bad(format!("repositories are reached by http, https, ssh and file, not by `{scheme}`")));
    }
    if scheme == "file" && !rest.starts_with('/') {
        return Err(bad(format!("`{url}` does not name an absolute path: write `file:///...`")));
    }
    let authority = rest.split('/').next().unwrap_or("");
    if authority.starts_with('-') || authority.contains("@-") {
        return Err(bad(format!("`{url}` is not the address of a repository")));
    }
    if scheme.starts_with("http") && authority.contains('@') {
        return Err(bad("a name or password in the address would be shown; give `username` and `token`"));
    }
    Ok(())
}

/// The destination among inputs that may not be known yet.
pub fn checked_destination(inputs: &Fields) -> Result<(), Failure> {
    let Some(value) = inputs.get("destination").filter(|v| !is_unknown(v)) else { return Ok(()) };
    let unknown = value.as_object().is_some_and(|m| m.values().any(is_unknown));
    if unknown { Ok(()) } else { Destination::read(value).map(|_| ()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_has_one_spelling() {
        let here = Path::new("/work/one");
        let same = [
            "r.git",
            "./r.git",
            "a/../r.git",
            "r.git/",
            ".//r.git",
            "../one/r.git",
            "/work/one/r.git",
            "/work/two/../one/./r.git",
        ];
        for path in same {
            assert_eq!(spelled(path, here), "r.git", "{path}");
        }
        for (path, name) in [
            ("../two/r.git", "../two/r.git"),
            ("../../r.git", "../../r.git"),
            ("a/../../two/r.git", "../two/r.git"),
            ("/srv/./git/r.git", "/srv/git/r.git"),
            ("/work/one-more/r.git", "/work/one-more/r.git"),
            (".", "."),
            ("/work/one", "."),
            ("..", ".."),
        ] {
            assert_eq!(spelled(path, here), name, "{path}");
            assert_eq!(absolute(&spelled(path, here), here), absolute(path, here), "{path}");
        }
    }

    #[test]
    fn addresses_of_files_are_decoded_as_git_does() {
        for (url, path) in [
            ("file:///a/b.git", Some("/a/b.git")),
            ("file:///a%20b/%63", Some("/a b/c")),
            ("file:///a%2", Some("/a%2")),
            ("file:///100%/x", Some("/100%/x")),
            ("file:///a%00b", Some("/a%00b")),
            ("https://a/b", None),
        ] {
            assert_eq!(local_path(url), path.map(PathBuf::from), "{url}");
        }
    }
}
