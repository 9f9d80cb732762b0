//! The objects of a release: those of its manifest, what is recorded of them, and what others changed in them.

use crate::interface::Endpoints as Endpoint;
use crate::yaml;
use dtm_cluster::owned::{self, Step, shown, unlike};
use dtm_cluster::{Cluster, Live, Name, Resource, found, kind, uid};
use dtm_plugin::serde_json::Value;
use serde::{Deserialize, Serialize};

/// The label that Helm gives every object of a release.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by=Helm";

/// An object of a release as it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Applied {
    /// Which object it is.
    #[serde(flatten)]
    pub(super) name: Name,
    /// Its UID.
    pub(super) uid: String,
    /// What the fields that Helm set held.
    pub(super) digest: String,
}

impl Applied {
    pub(super) fn of(name: &Name, object: &Value) -> Applied {
        Applied { name: name.clone(), uid: uid(object).into(), digest: owned::digest_of(&by_helm(object)) }
    }
}

/// The fields that Helm set: by the name of the program, which may be built into another one.
fn by_helm(object: &Value) -> Vec<owned::Owned> {
    owned::of_managers(object, |manager| manager.contains("helm"))
}

/// The objects of a manifest with their names; an object without a namespace is in that of the release.
///
/// # Errors
/// When the manifest is not YAML.
pub(super) async fn of_manifest(
    cluster: &Cluster,
    manifest: &str,
    namespace: &str,
) -> Result<Vec<(Name, Value)>, String> {
    let mut out = vec![];
    for object in yaml::documents(manifest)? {
        let mut own = Name::of(&object);
        if own.namespace.is_empty() {
            let resource = cluster.resource(&own.api_version, &own.kind).await.ok().flatten();
            if resource.is_some_and(|resource: Resource| resource.namespaced) {
                own.namespace = namespace.into();
            }
        }
        out.push((own, object));
    }
    Ok(out)
}

/// Whether an object is as it was applied.
pub(super) fn is_same(applied: &Applied, live: &Live) -> bool {
    found(live, &applied.name).is_some_and(|object| *applied == Applied::of(&applied.name, object))
}

/// What others changed in the objects of a release, a line each.
pub(super) fn changed(wanted: &[(Name, Value)], live: &Live, namespace: &str) -> Vec<String> {
    let mut out = vec![];
    for (own, object) in wanted {
        let what = match own.namespace.is_empty() || own.namespace == namespace {
            true => format!("{}/{}", own.kind, own.name),
            false => own.to_string(),
        };
        let Some(there) = found(live, own) else {
            out.push(format!("{what} was deleted"));
            continue;
        };
        let kept: Vec<Vec<Step>> = by_helm(there).into_iter().map(|field| field.path).collect();
        let fields = unlike(object, there).into_iter().map(|(path, _)| path);
        let fields: Vec<String> = fields
            .filter(|path| !is_foreign(path, there) && !kept.iter().any(|own| within(own, path)))
            .map(|path| shown(&path))
            .collect();
        if !fields.is_empty() {
            out.push(format!("{what}: {}", fields.join(", ")));
        }
    }
    out
}

/// Whether one path leads into the other.
fn within(one: &[Step], other: &[Step]) -> bool {
    let shorter = one.len().min(other.len());
    one[..shorter] == other[..shorter]
}

/// Whether a field is set by what it is for: replicas by an autoscaler, the certificates of webhooks by what makes them.
fn is_foreign(path: &[Step], object: &Value) -> bool {
    let text = shown(path);
    if text.ends_with("caBundle") || text.starts_with("status") || text.ends_with("creationTimestamp") {
        return true;
    }
    let scaled = || {
        let entries = dtm_cluster::metadata(object).get("managedFields").and_then(Value::as_array);
        entries.into_iter().flatten().any(|entry| {
            let is = |name: &str, value: &str| entry.get(name).and_then(Value::as_str) == Some(value);
            is("subresource", "scale") && is("manager", "kube-controller-manager")
        })
    };
    text == "spec.replicas" && scaled()
}

/// The Services of a release, and the addresses of its Ingresses and load balancers.
pub(super) fn endpoints(names: &[Name], live: &Live) -> Vec<Endpoint> {
    let of_kind = |wanted: &'static str| {
        names.iter().filter(move |own| own.kind == wanted).filter_map(|own| found(live, own))
    };
    let ingresses: Vec<&Value> = of_kind("Ingress").collect();
    let services = names.iter().filter(|own| own.kind == "Service");
    services
        .filter_map(|own| {
            let service = found(live, own)?;
            let mut endpoint = endpoint(own, service)?;
            let outside = ingresses.iter().find_map(|ingress| of_ingress(ingress, &own.name));
            endpoint.url = outside.or_else(|| of_balancer(service));
            Some(endpoint)
        })
        .collect()
}

/// A Service by its address inside the cluster.
pub(super) fn endpoint(own: &Name, service: &Value) -> Option<Endpoint> {
    let (scheme, port) = port(service)?;
    let host = format!("{}.{}.svc", own.name, own.namespace);
    Some(Endpoint { name: own.name.clone(), cluster_url: address(scheme, &host, port), url: None })
}

/// The scheme and the number of the first port of a Service.
fn port(service: &Value) -> Option<(&'static str, i64)> {
    let port = service.pointer("/spec/ports/0")?;
    let number = port.get("port")?.as_i64()?;
    let named = port.get("name").and_then(Value::as_str);
    let is_secure = number == 443 || named.is_some_and(|name| name.contains("https"));
    Some((if is_secure { "https" } else { "http" }, number))
}

fn address(scheme: &str, host: &str, port: i64) -> String {
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

/// The address of an Ingress that leads to a Service.
fn of_ingress(ingress: &Value, service: &str) -> Option<String> {
    let rules = ingress.pointer("/spec/rules").and_then(Value::as_array)?;
    let list = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    rules.iter().find_map(|rule| {
        let host = rule.get("host")?.as_str()?;
        let to =
            |path: &Value| path.pointer("/backend/service/name").and_then(Value::as_str) == Some(service);
        let path = list(rule, "/http/paths").into_iter().find(to)?;
        let secure = list(ingress, "/spec/tls")
            .iter()
            .any(|tls| list(tls, "/hosts").iter().any(|secured| secured.as_str() == Some(host)));
        let below = path.get("path").and_then(Value::as_str).unwrap_or("/").trim_end_matches('/');
        Some(format!("{}://{host}{below}", if secure { "https" } else { "http" }))
    })
}

/// The address of a Service that has a load balancer.
fn of_balancer(service: &Value) -> Option<String> {
    let (scheme, port) = port(service)?;
    let there = service.pointer("/status/loadBalancer/ingress/0")?;
    let host = there.get("hostname").or_else(|| there.get("ip"))?.as_str()?;
    Some(address(scheme, host, port))
}

/// The names of objects whose kind is known to be something that becomes ready.
pub(super) fn workloads(wanted: &[(Name, Value)]) -> Vec<Name> {
    let runs = |object: &Value| {
        matches!(kind(object), "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "Pod" | "ReplicaSet")
    };
    wanted.iter().filter(|(_, object)| runs(object)).map(|(own, _)| own.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    fn web(image: &str, owner: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "managedFields": [
                { "manager": owner, "operation": "Update", "fieldsV1": { "f:spec": { "f:image": {} } } },
            ] },
            "spec": { "image": image, "replicas": 3 },
        })
    }

    #[test]
    fn only_what_others_took_from_helm_is_a_change() {
        let wanted = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "image": "a" } });
        let own = Name::of(&web("a", "helm"));
        let told = |live: Live| changed(&[(own.clone(), wanted.clone())], &live, "shop");
        let there = |object: Value| Live::from_iter([(own.clone(), object)]);
        assert_eq!(told(there(web("b", "kubectl-edit"))), ["Deployment/web: spec.image"]);
        // What Helm still owns is only spelled in another way.
        assert_eq!(told(there(web("b", "helm"))), Vec::<String>::new());
        assert_eq!(told(there(web("a", "kubectl-edit"))), Vec::<String>::new());
        assert_eq!(told(Live::new()), ["Deployment/web was deleted"]);
    }

    #[test]
    fn addresses_are_read_from_services_and_ingresses() {
        let service = json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "ports": [{ "name": "http", "port": 8080 }] } });
        let ingress = json!({ "kind": "Ingress", "metadata": { "name": "web", "namespace": "shop" }, "spec": {
            "tls": [{ "hosts": ["shop.dev"] }],
            "rules": [{ "host": "shop.dev", "http": { "paths": [{ "path": "/", "backend": { "service": { "name": "web" } } }] } }],
        } });
        let names: Vec<Name> = [&service, &ingress].into_iter().map(Name::of).collect();
        let live = Live::from_iter([(names[0].clone(), service.clone()), (names[1].clone(), ingress)]);
        let told = &endpoints(&names, &live)[0];
        assert_eq!(
            (&*told.cluster_url, told.url.as_deref()),
            ("http://web.shop.svc:8080", Some("https://shop.dev"))
        );
        let balanced = json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "ports": [{ "port": 443 }] }, "status": { "loadBalancer": { "ingress": [{ "ip": "10.1.2.3" }] } } });
        let live = Live::from_iter([(names[0].clone(), balanced)]);
        assert_eq!(endpoints(&names[..1], &live)[0].url.as_deref(), Some("https://10.1.2.3"));
    }
}
