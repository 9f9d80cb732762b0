//! Where a repository is, and which names of branches and files git takes.

use dtm_plugin::Failure;
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::Value;
use std::path::PathBuf;

/// Where a repository is.
#[derive(Clone, PartialEq)]
pub(crate) enum Destination {
    Folder(PathBuf),
    Remote(Remote),
}

/// A repository on a server.
#[derive(Clone, PartialEq)]
pub(crate) struct Remote {
    pub(crate) url: String,
    pub(crate) username: Option<String>,
    pub(crate) token: Option<String>,
}

fn bad(why: impl Into<String>) -> Failure {
    Failure::clean(why).input("destination")
}

impl Destination {
    /// Reads the input.
    ///
    /// # Errors
    /// When an address cannot be one.
    pub(crate) fn read(value: &Value) -> Result<Destination, Failure> {
        let field = |name: &str| match value.get(name) {
            Some(Value::Object(tagged)) => tagged.get("v").and_then(Value::as_str).map(String::from),
            other => other.and_then(Value::as_str).map(String::from),
        };
        match field("host").as_deref() {
            Some("folder") => {
                let path = field("path").unwrap_or_default();
                if path.is_empty() || path.contains('\0') {
                    return Err(bad("the path is empty or holds a zero byte"));
                }
                let at = std::path::absolute(&path)
                    .map_err(|e| bad(format!("`{path}` cannot be resolved: {e}")))?;
                Ok(Destination::Folder(at))
            }
            Some("git") => {
                let url = field("url").unwrap_or_default();
                checked_url(&url)?;
                Ok(Destination::Remote(Remote { url, username: field("username"), token: field("token") }))
            }
            // A repository that exists; the token is that of a person or an app, for which GitHub takes any name.
            Some("github") => {
                let (org, name) = (field("org").unwrap_or_default(), field("name").unwrap_or_default());
                let plain = |part: &str| {
                    !part.is_empty()
                        && part != "."
                        && part != ".."
                        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                };
                for (what, part) in [("organization", &org), ("repository", &name)] {
                    if !plain(part) {
                        return Err(bad(format!("`{part}` is no name of a {what} on GitHub")));
                    }
                }
                let url = format!("https://github.com/{org}/{name}.git");
                let token = field("token");
                let username = token.as_ref().map(|_| "x-access-token".to_string());
                Ok(Destination::Remote(Remote { url, username, token }))
            }
            other => Err(bad(format!("no host `{}` is known", other.unwrap_or("")))),
        }
    }

    /// What `git clone` takes.
    pub(crate) fn url(&self) -> String {
        match self {
            Destination::Folder(path) => path.display().to_string(),
            Destination::Remote(remote) => remote.url.clone(),
        }
    }

    /// The last part of the address.
    pub(crate) fn name(&self) -> String {
        let url = self.url();
        let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        last.trim_end_matches(".git").to_string()
    }

    /// Which repository it is, for those that take turns.
    pub(crate) fn identity(&self) -> String {
        self.url().trim_end_matches('/').trim_end_matches(".git").to_string()
    }
}

fn checked_url(url: &str) -> Result<(), Failure> {
    if url.starts_with('-') || url.chars().any(|c| c.is_control() || c == ' ') || url.is_empty() {
        return Err(bad(format!("`{url}` is no address of a repository")));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        let ssh = url.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
        return if ssh {
            Ok(())
        } else {
            Err(bad(format!(
                "`{url}` is no address; for a folder write `{{ host = \"folder\", path = ... }}`"
            )))
        };
    };
    if !matches!(scheme, "http" | "https" | "ssh" | "file") {
        return Err(bad(format!("repositories are reached by http, https, ssh and file, not by `{scheme}`")));
    }
    let authority = rest.split('/').next().unwrap_or("");
    if scheme.starts_with("http") && authority.contains('@') {
        return Err(bad("a name or password in the address would be shown; give `username` and `token`"));
    }
    Ok(())
}

/// The destination among inputs that may not be known yet.
pub(crate) fn checked_destination(inputs: &Fields) -> Result<(), Failure> {
    let Some(value) = inputs.get("destination").filter(|v| !is_unknown(v)) else { return Ok(()) };
    let unknown = value.as_object().is_some_and(|m| m.values().any(is_unknown));
    if unknown { Ok(()) } else { Destination::read(value).map(|_| ()) }
}

fn is_unknown(v: &Value) -> bool {
    v.get("$dtm").and_then(Value::as_str) == Some("unknown")
}

/// Refuses names of branches that git does not take.
pub(crate) fn checked_branch(inputs: &Fields) -> Result<(), Failure> {
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
        Err(Failure::clean(format!("`{name}` is no name of a branch")).input("branch"))
    }
}

/// A path in a repository, in its only spelling. `.` is the repository itself.
///
/// # Errors
/// When it leads outside, or git refuses it.
pub(crate) fn inside(path: &str) -> Result<String, String> {
    if path.contains('\0') || path.contains('\n') {
        return Err(format!("git takes no name like {path:?}"));
    }
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "" if path.starts_with('/') => return Err(format!("`{path}` is no path in the repository")),
            "" | "." => {}
            ".." => return Err(format!("`{path}` leads out of the repository")),
            part if part.eq_ignore_ascii_case(".git") || part.eq_ignore_ascii_case("git~1") => {
                return Err(format!("git refuses the name `{part}` in `{path}`"));
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The input `path`, where it is known.
pub(crate) fn checked_path(inputs: &Fields) -> Result<(), Failure> {
    let Some(path) = inputs.get("path").and_then(Value::as_str) else { return Ok(()) };
    let plain = inside(path).map_err(|why| Failure::clean(why).input("path"))?;
    let shown = if plain.is_empty() { "." } else { &plain };
    if shown == path {
        Ok(())
    } else {
        Err(Failure::clean(format!("write the path as `{shown}`")).input("path"))
    }
}
