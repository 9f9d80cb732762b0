//! A connection to a cluster: made once for each set of settings, as long as the plugin runs.

use crate::fault::Fault;
use crate::resources::{Resource, Resources};
use crate::settings::Settings;
use dtm_plugin::Failure;
use kube::Client;
use serde_json::Value;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, RwLock};

/// How often a request is sent while the server cannot take it.
const TRIES: u32 = 4;
/// How long is waited at most before it is sent again, whatever the server asks for.
const LONGEST: Duration = Duration::from_secs(5);

/// For how long the kinds of a server are taken to be the same: many unknown kinds are one question.
const FRESH: Duration = Duration::from_millis(200);

/// A connection to a cluster.
pub struct Cluster {
    pub(crate) client: Client,
    /// The address, for messages.
    pub server: String,
    resources: RwLock<Option<(Arc<Resources>, Instant)>>,
}

static CLUSTERS: LazyLock<Mutex<HashMap<String, Arc<Cluster>>>> = LazyLock::new(Mutex::default);

impl Cluster {
    /// The cluster that settings lead to; nothing is asked of it yet.
    ///
    /// # Errors
    /// When the settings lead to no cluster. Nothing was changed.
    pub async fn of(settings: &Settings) -> Result<Arc<Cluster>, Failure> {
        let key = serde_json::to_string(settings).unwrap_or_default();
        let mut known = CLUSTERS.lock().await;
        if let Some(cluster) = known.get(&key) {
            return Ok(cluster.clone());
        }
        let unusable = |why: String| Failure::clean(format!("the settings lead to no cluster: {why}"));
        let mut config = settings.resolve().await.map_err(unusable)?;
        // An operation has a deadline of its own; a connection that hangs is no reason to use it up.
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = Some(Duration::from_secs(60));
        let server = config.cluster_url.to_string().trim_end_matches('/').to_string();
        let client = Client::try_from(config).map_err(|e| {
            Failure::clean(format!("no connection to {server} can be made: {}", Fault::from(e).explained()))
        })?;
        let cluster = Arc::new(Cluster { client, server, resources: RwLock::default() });
        known.insert(key, cluster.clone());
        Ok(cluster)
    }

    /// The identity of the cluster: the UID of its namespace `kube-system`, which exists as long as it does.
    pub async fn uid(&self) -> Result<String, Fault> {
        let system = self.get_path("/api/v1/namespaces", "kube-system").await?;
        let uid = system.as_ref().map(crate::names::uid).unwrap_or_default();
        match uid {
            "" => Err(Fault::NotSent(
                "the cluster has no namespace `kube-system` that says which cluster it is".into(),
            )),
            uid => Ok(uid.to_string()),
        }
    }

    /// Sends a request, again while the server cannot take it: only for what may be repeated.
    pub(crate) async fn patient<T, R>(&self, request: impl Fn() -> R) -> Result<T, Fault>
    where
        R: Future<Output = kube::Result<T>>,
    {
        let mut tried = 0;
        loop {
            let fault = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => Fault::from(error),
            };
            tried += 1;
            if tried == TRIES || !fault.is_passing() {
                return Err(fault);
            }
            let pause = Duration::from_millis(100) * 2u32.pow(tried);
            tokio::time::sleep(fault.retry_after().unwrap_or(pause).min(LONGEST)).await;
        }
    }

    /// The kinds of the server, asked for once; with `again`, anew, unless they were asked for a moment ago.
    pub(crate) async fn resources(&self, again: bool) -> Result<Arc<Resources>, Fault> {
        let fresh = |slot: &Option<(Arc<Resources>, Instant)>| {
            let known = slot.as_ref().filter(|(_, asked)| !again || asked.elapsed() < FRESH);
            known.map(|(known, _)| known.clone())
        };
        if let Some(known) = fresh(&*self.resources.read().await) {
            return Ok(known);
        }
        let mut slot = self.resources.write().await;
        if let Some(known) = fresh(&slot) {
            return Ok(known);
        }
        let (core, groups) = tokio::join!(
            self.patient(|| self.client.list_core_api_versions_aggregated()),
            self.patient(|| self.client.list_api_groups_aggregated()),
        );
        let found = Arc::new(Resources::of([core?, groups?]));
        *slot = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    /// A kind by its version and name; a kind that is not known is looked for once more, as its definition may be new.
    ///
    /// # Errors
    /// When the server does not have it, or cannot be asked.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Option<Resource>, Fault> {
        for again in [false, true] {
            if let Some(found) = self.resources(again).await?.find(api_version, kind) {
                return Ok(Some(found.clone()));
            }
        }
        Ok(None)
    }

    /// Why a kind is not known, and what helps.
    pub async fn unknown_kind(&self, api_version: &str, kind: &str) -> String {
        let Ok(known) = self.resources(false).await else {
            return format!("the cluster has no kind `{kind}` in `{api_version}`");
        };
        if known.unknown.iter().any(|version| version == api_version) {
            return format!(
                "the server of `{api_version}` in the cluster does not answer: `kubectl get apiservices` says why"
            );
        }
        match &*known.versions_of(kind) {
            [] => format!(
                "the cluster has no kind `{kind}` in `{api_version}`: its CustomResourceDefinition is not installed"
            ),
            versions => format!(
                "the cluster has no kind `{kind}` in `{api_version}`, but in `{}`",
                versions.join("`, `")
            ),
        }
    }

    /// One of each kind of objects that can be listed and deleted.
    pub async fn listable(&self) -> Result<Vec<Resource>, Fault> {
        Ok(self.resources(false).await?.listable().into_iter().cloned().collect())
    }

    pub(crate) async fn get_path(&self, path: &str, name: &str) -> Result<Option<Value>, Fault> {
        let request = || async {
            let request = kube::core::Request::new(path).get(name, &kube::api::GetParams::default());
            self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await
        };
        match self.patient(request).await {
            Ok(object) => Ok(Some(object)),
            Err(fault) if fault.code() == 404 => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// The identity of the cluster that the settings of a plugin lead to, for [`dtm_plugin::export_plugin!`].
///
/// # Errors
/// When the settings lead to no cluster, or it does not answer.
pub async fn place(settings: &Settings) -> Result<Option<String>, Failure> {
    let cluster = Cluster::of(settings).await?;
    let uid = cluster.uid().await;
    uid.map(Some).map_err(|fault| fault.failure(&format!("`{}` cannot be identified", cluster.server)))
}
