//! Requests for objects, which are JSON values as the server sends them.

use crate::MANAGER;
use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::names::{Name, name, namespace, text};
use crate::resources::Resource;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::Request;
use kube::core::params::ValidationDirective;
use serde_json::{Value, json};

/// How many objects are asked for at a time.
const PAGE: u32 = 500;

/// How an object is applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply {
    /// Whether fields of other managers are taken over.
    pub force: bool,
    /// Whether the server only says what would come of it.
    pub dry_run: bool,
}

impl Cluster {
    /// An object; `None` where the server says that it does not exist.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Fault> {
        self.get_path(&resource.path(Some(namespace)), name).await
    }

    /// The objects of a kind with a label, in a namespace or in all.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, Fault> {
        self.listed(resource, namespace, selector, false).await
    }

    /// As [`Cluster::list`], but only the metadata of each object.
    pub async fn list_metadata(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, Fault> {
        self.listed(resource, namespace, selector, true).await
    }

    async fn listed(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        only_metadata: bool,
    ) -> Result<Vec<Value>, Fault> {
        let path = resource.path(namespace);
        let mut out = vec![];
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut restarted = false;
        loop {
            let request = || async {
                let request = Request::new(&path);
                let request =
                    if only_metadata { request.list_metadata(&params) } else { request.list(&params) };
                self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await
            };
            let mut page = match self.patient(request).await {
                Ok(page) => page,
                // The list went on for longer than the server keeps it: from the beginning, once.
                Err(fault) if fault.code() == 410 && !restarted => {
                    restarted = true;
                    out.clear();
                    params.continue_token = None;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let items = page.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
            for mut item in items.unwrap_or_default() {
                // The items of a list have no version and kind of their own.
                item["apiVersion"] = resource.api_version.clone().into();
                item["kind"] = resource.kind.clone().into();
                out.push(item);
            }
            match text(&page, "/metadata/continue") {
                "" => return Ok(out),
                token => params.continue_token = Some(token.to_string()),
            }
        }
    }

    /// Applies an object server-side; gives what the server made of it.
    pub async fn apply(&self, resource: &Resource, object: &Value, how: Apply) -> Result<Value, Fault> {
        let params = PatchParams {
            dry_run: how.dry_run,
            force: how.force,
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
        };
        let path = resource.path(Some(namespace(object)));
        self.patient(|| async {
            let request = Request::new(&path).patch(name(object), &params, &Patch::Apply(object));
            self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await
        })
        .await
    }

    /// Changes an object by a JSON patch.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Fault> {
        let path = resource.path(Some(namespace));
        let body = serde_json::to_vec(patch).unwrap_or_default();
        self.patient(|| async {
            let request = http::Request::patch(format!("{path}/{name}"))
                .header(http::header::CONTENT_TYPE, "application/json-patch+json")
                .body(body.clone());
            self.client.request::<Value>(request.map_err(kube::Error::HttpError)?).await
        })
        .await
    }

    /// Deletes an object if it still has this UID; `false` where it does not exist. `orphan` leaves its dependents.
    pub async fn delete(
        &self,
        resource: &Resource,
        object: &Name,
        uid: &str,
        orphan: bool,
    ) -> Result<bool, Fault> {
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid: Some(uid.into()), resource_version: None }),
            propagation_policy: Some(if orphan {
                PropagationPolicy::Orphan
            } else {
                PropagationPolicy::Background
            }),
            ..DeleteParams::default()
        };
        let path = resource.path(Some(&object.namespace));
        let deleted = self
            .patient(|| async {
                let request = Request::new(&path).delete(&object.name, &params);
                self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await
            })
            .await;
        match deleted {
            Ok(_) => Ok(true),
            Err(fault) if fault.code() == 404 => Ok(false),
            // Another object has the name now: ours is gone.
            Err(fault) if fault.code() == 409 && fault.message().contains("Precondition failed: UID") => {
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Creates a namespace if it does not exist; whether it was created.
    pub async fn ensure_namespace(&self, name: &str, labels: &Value) -> Result<bool, Fault> {
        let namespaces = Resource::built_in("v1", "Namespace", "namespaces");
        if self.get(&namespaces, "", name).await?.is_some() {
            return Ok(false);
        }
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        self.apply(&namespaces, &object, Apply::default()).await.map(|_| true)
    }
}
