//! Credentials for repositories and registries: those of the program, else those that `helm repo add`, `helm registry login` and
//! `docker login` recorded on this machine.

use crate::yaml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtm_plugin::process::Program;
use dtm_plugin::serde_json::{self, Value};
use dtm_plugin::{Ctx, Secret};
use serde::Deserialize;
use std::path::PathBuf;

/// A name with its password.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The name.
    pub(crate) username: String,
    /// The password, or a token.
    pub(crate) password: Secret<String>,
}

/// A repository that Helm knows.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Repository {
    name: String,
    /// Its address.
    pub(super) url: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where Helm keeps its files.
fn helm_home() -> Option<PathBuf> {
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("helm"))
}

fn repositories() -> Vec<Repository> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        repositories: Vec<Repository>,
    }
    let path =
        set("HELM_REPOSITORY_CONFIG").or_else(|| helm_home().map(|home| home.join("repositories.yaml")));
    let text = path.and_then(|path| std::fs::read_to_string(path).ok());
    text.and_then(|text| yaml::read::<File>(&text).ok()).map(|file| file.repositories).unwrap_or_default()
}

/// A repository by the name under which Helm knows it.
pub(super) fn repository(name: &str) -> Option<Repository> {
    repositories().into_iter().find(|known| known.name == name)
}

/// The credentials that Helm has for a repository.
pub(super) fn of_repository(url: &str) -> Option<Credentials> {
    let same = |known: &Repository| known.url.trim_end_matches('/') == url.trim_end_matches('/');
    let known = repositories().into_iter().find(same).filter(|known| !known.username.is_empty())?;
    Some(Credentials { username: known.username, password: Secret(known.password) })
}

/// The credentials that Helm or Docker has for a registry, `registry.acme.dev:5000`.
pub(super) fn of_registry(ctx: &Ctx, host: &str) -> Option<Credentials> {
    let docker = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    let files = [
        set("HELM_REGISTRY_CONFIG").or_else(|| helm_home().map(|home| home.join("registry/config.json"))),
        docker.map(|folder| folder.join("config.json")),
    ];
    files.into_iter().flatten().find_map(|file| {
        let config: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        of_config(&config, host).or_else(|| of_helper(ctx, &config, host))
    })
}

/// The keys that a Docker configuration file may use for a registry.
fn names(host: &str) -> Vec<String> {
    let mut names = vec![host.to_string(), format!("https://{host}"), format!("https://{host}/v2/")];
    if matches!(host, "docker.io" | "registry-1.docker.io" | "index.docker.io") {
        names.push("https://index.docker.io/v1/".into());
    }
    names
}

fn of_config(config: &Value, host: &str) -> Option<Credentials> {
    let auths = config.get("auths")?;
    names(host).iter().find_map(|name| {
        let known = auths.get(name)?;
        let decoded = STANDARD.decode(known.get("auth")?.as_str()?).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (username, password) = text.split_once(':')?;
        let password = password.trim_end_matches('\0');
        (!username.is_empty())
            .then(|| Credentials { username: username.into(), password: Secret(password.into()) })
    })
}

/// From a credential helper, such as `docker-credential-ecr-login`.
fn of_helper(ctx: &Ctx, config: &Value, host: &str) -> Option<Credentials> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(String::from);
    let own = names(host).iter().find_map(|name| text(config.get("credHelpers")?.get(name)));
    let helper = own.or_else(|| text(config.get("credsStore")))?;
    let program = Program::new(format!("docker-credential-{helper}")).arg("get").stdin(host);
    let ended = program.run(ctx).ok().filter(|ended| ended.is_success())?;
    let answer: Value = serde_json::from_slice(&ended.stdout).ok()?;
    let (username, password) = (text(answer.get("Username"))?, text(answer.get("Secret"))?);
    ctx.secret(&password);
    Some(Credentials { username, password: Secret(password) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    #[test]
    fn credentials_are_found_under_every_name_of_a_registry() {
        let auth = STANDARD.encode("user:pass:word");
        for (name, host) in [
            ("r.dev:5000", "r.dev:5000"),
            ("https://r.dev", "r.dev"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            let config = json!({ "auths": { name: { "auth": auth } } });
            let found = of_config(&config, host).expect(name);
            assert_eq!((&*found.username, &*found.password.0), ("user", "pass:word"));
        }
        assert!(of_config(&json!({ "auths": {} }), "r.dev").is_none());
    }
}
