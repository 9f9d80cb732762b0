//! Where a cluster is: the settings that all plugins for Kubernetes have.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// The settings `kubeconfig`, `context`, `config`, `in_cluster` and `proxy` of an interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The file with the cluster's address and credentials.
    #[serde(default)]
    pub kubeconfig: Option<String>,
    /// The context in it.
    #[serde(default)]
    pub context: Option<String>,
    /// A kubeconfig as a value: YAML text, or the record that it is.
    #[serde(default)]
    pub config: Option<Value>,
    /// Whether only the service account of the pod is used.
    #[serde(default)]
    pub in_cluster: bool,
    /// The address of a proxy.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// Set in every pod.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

impl Settings {
    /// The file, with `~/` as the home directory.
    pub fn file(&self) -> Option<PathBuf> {
        self.kubeconfig.as_deref().map(expanded)
    }

    /// The address and the credentials that they lead to.
    ///
    /// # Errors
    /// In words for a person: no file, no such context, a file that is not a kubeconfig.
    pub(crate) async fn resolve(&self) -> Result<Config, String> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let mut config = match (&self.config, &self.kubeconfig) {
            _ if self.in_cluster => Config::incluster().map_err(|e| dtm_plugin::in_words(&e.to_string()))?,
            (Some(value), _) => {
                let read = of_value(value)?;
                Config::from_custom_kubeconfig(read, &options)
                    .await
                    .map_err(|e| why("the setting `config`", &e))?
            }
            (None, Some(file)) => {
                let path = expanded(file);
                let read = Kubeconfig::read_from(&path).map_err(|e| why(&format!("`{file}`"), &e))?;
                Config::from_custom_kubeconfig(read, &options)
                    .await
                    .map_err(|e| why(&format!("`{file}`"), &e))?
            }
            (None, None) => match Config::from_kubeconfig(&options).await {
                Ok(config) => config,
                Err(_) if self.context.is_none() && std::env::var_os(IN_CLUSTER).is_some() => {
                    Config::incluster().map_err(|e| dtm_plugin::in_words(&e.to_string()))?
                }
                Err(e) => return Err(why(DEFAULT, &e)),
            },
        };
        if let Some(proxy) = &self.proxy {
            let address = proxy.parse().map_err(|_| format!("`{proxy}` is not the address of a proxy"))?;
            config.proxy_url = Some(address);
        }
        Ok(config)
    }
}

/// A kubeconfig that is a value.
fn of_value(value: &Value) -> Result<Kubeconfig, String> {
    // The parser repeats what it reads, which is secret.
    const NOT_ONE: &str = "the setting `config` is not a kubeconfig";
    let value = dtm_plugin::wire::plain(value);
    let read = match value.as_str() {
        Some(text) => Kubeconfig::from_yaml(text).ok(),
        None => serde_json::from_value(value).ok(),
    };
    read.ok_or_else(|| NOT_ONE.to_string())
}

/// A path with `~/` as the home directory.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// What a kubeconfig is called that no setting names.
const DEFAULT: &str = "the kubeconfig";

/// Why a kubeconfig leads nowhere, without what it holds.
#[expect(clippy::wildcard_enum_match_arm, reason = "what the others say holds no secret")]
fn why(what: &str, error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(e, path) if e.kind() == std::io::ErrorKind::NotFound => {
            let path = path.display();
            match what {
                DEFAULT => format!(
                    "`{path}` does not exist; set `kubeconfig`, or the environment variable `KUBECONFIG`"
                ),
                what => format!("{what} does not exist"),
            }
        }
        KubeconfigError::Parse(_) => format!("{what} is not a kubeconfig"),
        KubeconfigError::LoadContext(name) => format!("{what} has no context `{name}`"),
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("{what} has no cluster `{name}`, which its context names")
        }
        KubeconfigError::CurrentContextNotSet => format!("{what} has no current context: set `context`"),
        other => format!("{what}: {}", dtm_plugin::in_words(&chain(other))),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
