//! Objects in Kubernetes: each is a ConfigMap or a Secret, `NAME.OBJECT`; what is larger than one may be is cut into
//! pieces, `NAME.OBJECT.1` and so on, which are there before the first one names them.

use super::objects::{Condition, Fault, Object, Objects, Shown};
use super::runtime::{PATIENCE, Runtime, chain};
use super::store_on;
use crate::Fields;
use crate::state::helpers::{Helper, of_context};
use crate::state::place::{Backend, Opening, Place, cannot_open, canonical, typed};
use crate::state::{StateError, StateStore};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, Status};
use kube::{Api, Client, Config, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// What holds the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum K8sKind {
    /// ConfigMaps.
    #[default]
    ConfigMap,
    /// Secrets.
    Secret,
}

/// Where a state is in Kubernetes: the options of `k8s { ... }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct K8sPlace {
    /// The namespace; it must be there.
    pub namespace: String,
    /// What the names of the objects begin with.
    pub name: String,
    /// What holds them.
    #[serde(default)]
    pub kind: K8sKind,
    /// The file that says which clusters there are, from the project's root; else `KUBECONFIG`, `~/.kube/config`, or the
    /// cluster in which dtm itself runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The context in it, if not its current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl std::fmt::Display for K8sPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let context = self.context.as_ref().map(|c| format!("{c}/")).unwrap_or_default();
        write!(f, "k8s://{context}{}/{}", self.namespace, self.name)
    }
}

/// The backend `k8s`.
pub struct Kubernetes;

impl Backend for Kubernetes {
    fn name(&self) -> &'static str {
        "k8s"
    }
    fn interface(&self) -> &'static str {
        include_str!("k8s.dts")
    }
    fn options(&self, written: Fields) -> Result<Fields, String> {
        canonical::<K8sPlace>(written)
    }
    fn shown(&self, options: &Fields) -> String {
        typed::<K8sPlace>(options).map(|place| place.to_string()).unwrap_or_default()
    }
    fn helpers(&self, options: &Fields, root: &Path, env: &BTreeMap<String, String>) -> Vec<Helper> {
        typed(options).map(|place| of_context(&place, root, env)).unwrap_or_default()
    }
    fn open(&self, place: &Place, with: Opening<'_>) -> Result<Box<dyn StateStore>, StateError> {
        let unfit = || cannot_open(place, "its options are not those of `k8s`".into(), "");
        match K8sObjects::open(typed(place.options()).ok_or_else(unfit)?, with.root) {
            Ok(objects) => Ok(store_on(objects, with)),
            Err(Fault::Denied { why, help }) => Err(cannot_open(place, why, &help)),
            Err(other) => Err(cannot_open(place, other.to_string(), "")),
        }
    }
}

/// Objects of one name in a namespace.
pub struct K8sObjects {
    place: K8sPlace,
    objects: Api<DynamicObject>,
    leases: Api<DynamicObject>,
    resource: ApiResource,
    runtime: Runtime,
}

/// So many bytes are in one piece; the server takes 1 MiB.
const PIECE: usize = 1_000_000;
/// Says of which state an object is.
const STATE: &str = "dtm.dev/state";
/// Says of which object a piece is.
const OBJECT: &str = "dtm.dev/object";
/// Says in how many pieces an object is.
const PIECES: &str = "dtm.dev/pieces";

/// Set in every pod.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// For showing the holder so much time is taken, and no more.
const SHOWING: Duration = Duration::from_secs(3);

impl K8sObjects {
    /// A client; nothing is asked of the server yet. Credentials are those of the context, as `kubectl` takes them, or of the
    /// pod's service account.
    ///
    /// # Errors
    /// When no cluster is configured, or no client can be made of it.
    pub fn open(place: K8sPlace, root: &Path) -> Result<K8sObjects, Fault> {
        let failed = |why: String, help: &str| Fault::Denied { why, help: help.into() };
        let runtime = Runtime::new("k8s").map_err(|e| failed(chain(&e), ""))?;
        let (file, context) = (place.kubeconfig.as_ref().map(|f| root.join(f)), place.context.clone());
        let namespace = place.namespace.clone();
        let config = runtime.wait(async move {
            let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
            match file {
                Some(file) => {
                    let read = Kubeconfig::read_from(file).map_err(|e| unread(&e))?;
                    Config::from_custom_kubeconfig(read, &options).await.map_err(|e| unread(&e))
                }
                None => match Config::from_kubeconfig(&options).await {
                    Err(_) if options.context.is_none() && std::env::var_os(IN_CLUSTER).is_some() => {
                        Config::incluster().map_err(|e| chain(&e))
                    }
                    read => read.map_err(|e| unread(&e)),
                },
            }
        });
        let help = "say which cluster: `KUBECONFIG`, or `kubeconfig` and `context` in `settings`";
        let mut config = config.map_err(|why| failed(why, help))?;
        // Who calls decides what is sent again: a conditional write that is repeated blindly refuses itself.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(5));
        let client = runtime.wait(async move { Client::try_from(config) });
        let client =
            client.map_err(|e| failed(chain(&e), "look at the cluster and the user in the kubeconfig"))?;
        let resource = ApiResource::from_gvk(&match place.kind {
            K8sKind::ConfigMap => GroupVersionKind::gvk("", "v1", "ConfigMap"),
            K8sKind::Secret => GroupVersionKind::gvk("", "v1", "Secret"),
        });
        let lease = ApiResource::from_gvk(&GroupVersionKind::gvk("coordination.k8s.io", "v1", "Lease"));
        Ok(K8sObjects {
            objects: Api::namespaced_with(client.clone(), &namespace, &resource),
            leases: Api::namespaced_with(client, &namespace, &lease),
            resource,
            runtime,
            place,
        })
    }

    /// The key under which an object's bytes are, beside its metadata.
    fn field(&self) -> &'static str {
        match self.place.kind {
            K8sKind::ConfigMap => "binaryData",
            K8sKind::Secret => "data",
        }
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Fault> {
        match self.runtime.wait(async move { tokio::time::timeout(PATIENCE, request).await }) {
            Ok(answer) => answer.map_err(|e| self.fault(&e)),
            Err(_) => Err(Fault::Unsure { why: "the server does not answer".into(), after: None }),
        }
    }

    fn piece(&self, name: &str, number: usize) -> String {
        match number {
            0 => format!("{}.{name}", self.place.name),
            n => format!("{}.{name}.{n}", self.place.name),
        }
    }

    /// One piece as the server keeps it.
    fn sheet(
        &self,
        name: &str,
        number: usize,
        bytes: &[u8],
        pieces: usize,
        version: Option<&str>,
    ) -> DynamicObject {
        let mut sheet = DynamicObject::new(&self.piece(name, number), &self.resource);
        sheet.metadata = ObjectMeta {
            labels: Some(
                [("app.kubernetes.io/managed-by", "dtm"), (STATE, &self.place.name), (OBJECT, name)]
                    .map(|(k, v)| (k.to_string(), v.to_string()))
                    .into(),
            ),
            annotations: (pieces > 1).then(|| [(PIECES.to_string(), pieces.to_string())].into()),
            resource_version: version.map(String::from),
            ..sheet.metadata
        };
        sheet.data = json!({ self.field(): { "bytes": STANDARD.encode(bytes) } });
        if self.place.kind == K8sKind::Secret {
            sheet.data["type"] = "dtm.dev/state".into();
        }
        sheet
    }

    /// The bytes of a piece; none where they are not what dtm writes.
    fn bytes(&self, sheet: &DynamicObject) -> Vec<u8> {
        let text = sheet.data.get(self.field()).and_then(|d| d.get("bytes")).and_then(Value::as_str);
        text.and_then(|t| STANDARD.decode(t).ok()).unwrap_or_default()
    }

    fn one(&self, name: String) -> Result<Option<DynamicObject>, Fault> {
        let api = self.objects.clone();
        self.ask(async move { api.get_opt(&name).await })
    }

    fn create(&self, sheet: DynamicObject) -> Result<String, Fault> {
        let api = self.objects.clone();
        let made = self.ask(async move { api.create(&PostParams::default(), &sheet).await })?;
        Ok(made.metadata.resource_version.unwrap_or_default())
    }

    /// What a failed request means.
    #[expect(clippy::wildcard_enum_match_arm, reason = "kube may add variants at any time")]
    fn fault(&self, error: &Error) -> Fault {
        let status = match error {
            Error::Api(status) => status,
            Error::Auth(_) => return self.no_credentials(chain(error)),
            Error::Service(inner) if inner.is::<kube::client::AuthError>() => {
                return self.no_credentials(chain(error));
            }
            other => return Fault::Unsure { why: chain(other), after: None },
        };
        self.answer(status)
    }

    fn no_credentials(&self, why: String) -> Fault {
        Fault::Denied { why, help: "get new credentials for the cluster, then do it again".into() }
    }

    fn answer(&self, status: &Status) -> Fault {
        let why = match status.message.trim() {
            "" => format!("{} {}", status.code, status.reason),
            message => message.to_string(),
        };
        let deny = |help: &str| Fault::Denied { why: why.clone(), help: help.into() };
        match status.code {
            401 => {
                self.no_credentials("the server does not know these credentials, or they have expired".into())
            }
            403 if is_terminating(status) => deny("the namespace is being deleted: choose another one"),
            403 => deny(match self.place.kind {
                K8sKind::ConfigMap => {
                    "this user needs get, list, create, update, delete of configmaps in the namespace"
                }
                K8sKind::Secret => {
                    "this user needs get, list, create, update, delete of secrets in the namespace"
                }
            }),
            404 => deny("create the namespace, or name the right one in `settings`"),
            409 => Fault::Refused,
            408 | 425 | 429 | 500.. => {
                let after = status.details.as_ref().map(|d| d.retry_after_seconds).filter(|s| *s > 0);
                Fault::Unsure { why, after: after.map(|s| Duration::from_secs(s.into())) }
            }
            413 => deny("the server does not accept an object of this size"),
            422 => deny("`name` in `settings` is of lowercase letters, digits and `-`"),
            _ => deny(""),
        }
    }
}

/// Whether the namespace is being deleted, as the API server says it to programs.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// Why a kubeconfig cannot be used, in a line.
#[expect(clippy::wildcard_enum_match_arm, reason = "kube may add variants at any time")]
fn unread(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(e, path) => {
            let why = e.to_string();
            let why = why.split(" (os error").next().unwrap_or(&why);
            format!("the kubeconfig `{}` cannot be read: {why}", path.display())
        }
        other => chain(other).lines().next().unwrap_or_default().to_string(),
    }
}

impl Objects for K8sObjects {
    fn get(&self, name: &str) -> Result<Option<Object>, Fault> {
        let Some(first) = self.one(self.piece(name, 0))? else { return Ok(None) };
        let pieces = first.metadata.annotations.as_ref().and_then(|a| a.get(PIECES)?.parse().ok());
        let mut bytes = self.bytes(&first);
        for number in 1..pieces.unwrap_or(1) {
            let Some(more) = self.one(self.piece(name, number))? else { return Ok(None) };
            bytes.extend(self.bytes(&more));
        }
        Ok(Some(Object { bytes, version: first.metadata.resource_version.unwrap_or_default() }))
    }

    fn put(&self, name: &str, bytes: &[u8], condition: &Condition) -> Result<String, Fault> {
        if let Condition::Same(version) = condition {
            let sheet = self.sheet(name, 0, bytes, 1, Some(version));
            let (api, full) = (self.objects.clone(), self.piece(name, 0));
            let replace = async move {
                match api.replace(&full, &PostParams::default(), &sheet).await {
                    Ok(made) => Ok(Some(made)),
                    // What is to be replaced is not there.
                    Err(Error::Api(status)) if status.code == 404 => Ok(None),
                    Err(e) => Err(e),
                }
            };
            let made = self.ask(replace)?.ok_or(Fault::Refused)?;
            return Ok(made.metadata.resource_version.unwrap_or_default());
        }
        let mut chunks: Vec<&[u8]> = bytes.chunks(PIECE).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for (number, chunk) in chunks.iter().enumerate().skip(1) {
            match self.create(self.sheet(name, number, chunk, 1, None)) {
                // A name is used for one content, so it is this one, and its answer was lost.
                Ok(_) | Err(Fault::Refused) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.create(self.sheet(name, 0, chunks[0], chunks.len(), None))
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        let mut params = ListParams::default().labels(&format!("{STATE}={}", self.place.name)).limit(500);
        let mut names = vec![];
        loop {
            let (api, asked) = (self.objects.clone(), params.clone());
            let page = self.ask(async move { api.list_metadata(&asked).await })?;
            names.extend(page.items.iter().filter_map(|o| o.metadata.labels.as_ref()?.get(OBJECT).cloned()));
            match page.metadata.continue_.filter(|c| !c.is_empty()) {
                Some(more) => params = params.continue_token(&more),
                None => break,
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let of_it = ListParams::default().labels(&format!("{STATE}={},{OBJECT}={name}", self.place.name));
        let api = self.objects.clone();
        let found = self.ask(async move { api.list_metadata(&of_it).await })?;
        for full in found.items.into_iter().filter_map(|o| o.metadata.name) {
            let api = self.objects.clone();
            let gone = self.ask(async move {
                match api.delete(&full, &DeleteParams::default()).await {
                    Err(Error::Api(status)) if status.code == 404 => Ok(()),
                    other => other.map(drop),
                }
            });
            gone?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        self.place.to_string()
    }

    fn show(&self, shown: &Shown) {
        let time = |t: jiff::Timestamp| t.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let spec = match &shown.holder {
            Some(holder) => json!({
                "holderIdentity": format!("{} (process {}), {}", holder.who, holder.pid, holder.doing),
                "leaseDurationSeconds": shown.ttl.as_secs().max(1),
                "acquireTime": holder.since.parse().map(time).ok(),
                "renewTime": time(jiff::Timestamp::now()),
                "leaseTransitions": shown.epoch,
            }),
            None => json!({ "renewTime": time(jiff::Timestamp::now()), "leaseTransitions": shown.epoch }),
        };
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": self.place.name, "labels": { "app.kubernetes.io/managed-by": "dtm" } },
            "spec": spec,
        });
        let (api, name) = (self.leases.clone(), self.place.name.clone());
        let params = PatchParams::apply("dtm").force();
        let asked = async move { api.patch(&name, &params, &Patch::Apply(lease)).await.map(drop) };
        let _ = self.runtime.wait(async move { tokio::time::timeout(SHOWING, asked).await });
    }
}
