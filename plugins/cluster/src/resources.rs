//! Which kinds a server knows, by two requests (aggregated discovery).

use crate::names::group;
use kube::core::discovery::v2::APIGroupDiscoveryList;
use std::collections::BTreeMap;

/// A kind of objects: its name in addresses, and what can be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
    /// `deployments`
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, `patch`
    pub verbs: Vec<String>,
}

impl Resource {
    /// The group of its version; empty for the core.
    pub fn group(&self) -> &str {
        group(&self.api_version)
    }
    /// A kind that every cluster has, and that needs no discovery.
    pub fn built_in(api_version: &str, kind: &str, plural: &str) -> Resource {
        Resource {
            api_version: api_version.into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced: kind != "Namespace",
            verbs: vec![],
        }
    }
    /// Whether a verb is supported.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
    /// The path of its objects: of a namespace, or all.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') { "/apis/" } else { "/api/" };
        let within =
            namespace.filter(|_| self.namespaced).map_or(String::new(), |name| format!("/namespaces/{name}"));
        format!("{root}{}{within}/{}", self.api_version, self.plural)
    }
}

/// The kinds of a server.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// By `apiVersion` and `kind`.
    all: BTreeMap<(String, String), Resource>,
    /// The versions whose server did not answer: an extension that is down.
    pub(crate) unknown: Vec<String>,
}

impl Resources {
    /// Of the answers to aggregated discovery: the core, and the groups.
    pub(crate) fn of(lists: [APIGroupDiscoveryList; 2]) -> Resources {
        let mut resources = Resources::default();
        lists.into_iter().for_each(|list| resources.add(list));
        resources
    }
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.all.get(&(api_version.to_string(), kind.to_string()))
    }
    /// The versions that have a kind of this name.
    pub(crate) fn versions_of(&self, kind: &str) -> Vec<&str> {
        self.all.keys().filter(|(_, k)| k == kind).map(|(version, _)| &**version).collect()
    }
    /// One version of each kind that can be listed: the one that the server prefers.
    pub(crate) fn listable(&self) -> Vec<&Resource> {
        let mut seen: Vec<(&str, &str)> = vec![];
        let mut out = vec![];
        for resource in self.all.values().filter(|r| r.can("list") && r.can("delete")) {
            let name = (resource.group(), &*resource.plural);
            if !seen.contains(&name) {
                seen.push(name);
                out.push(resource);
            }
        }
        out
    }

    fn add(&mut self, list: APIGroupDiscoveryList) {
        for group in list.items {
            let name = group.metadata.and_then(|m| m.name).unwrap_or_default();
            for version in group.versions {
                let number = version.version.unwrap_or_default();
                let api_version = if name.is_empty() { number } else { format!("{name}/{number}") };
                if version.freshness.as_deref() == Some("Stale") {
                    self.unknown.push(api_version.clone());
                }
                for resource in version.resources {
                    let Some(kind) = resource.response_kind.and_then(|kind| kind.kind) else { continue };
                    let made = Resource {
                        api_version: api_version.clone(),
                        kind: kind.clone(),
                        plural: resource.resource.unwrap_or_default(),
                        namespaced: resource.scope.as_deref() == Some("Namespaced"),
                        verbs: resource.verbs,
                    };
                    self.all.entry((api_version.clone(), kind)).or_insert(made);
                }
            }
        }
    }
}
