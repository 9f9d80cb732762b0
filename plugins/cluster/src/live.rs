//! Reading many objects: one list for each kind and namespace.

use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::names::Name;
use dtm_plugin::Failure;
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;

/// Objects by name, as the server has them.
pub type Live = BTreeMap<Name, Value>;

/// The names of these objects, those of one kind and namespace together.
type Places = BTreeMap<(String, String, String), Vec<Name>>;

/// An object by its name, or by another version of its kind.
pub fn found<'l>(live: &'l Live, name: &Name) -> Option<&'l Value> {
    live.get(name).or_else(|| live.iter().find(|(other, _)| other.is(name)).map(|(_, object)| object))
}

impl Cluster {
    /// Reads objects: one list for each kind and namespace, by a label. One that lost its label is read alone.
    ///
    /// # Errors
    /// When one of the lists cannot be had, and neither can its objects one by one.
    pub async fn live(&self, names: impl IntoIterator<Item = Name>, selector: &str) -> Result<Live, Failure> {
        let mut places = Places::new();
        for name in names {
            let place = (name.api_version.clone(), name.kind.clone(), name.namespace.clone());
            places.entry(place).or_default().push(name);
        }
        let reads = places.iter().map(|((version, kind, namespace), names)| {
            self.of_place((version, kind, namespace), names, selector)
        });
        let mut out = Live::new();
        for found in join_all(reads).await {
            out.extend(found?);
        }
        Ok(out)
    }

    async fn of_place(
        &self,
        (version, kind, namespace): (&str, &str, &str),
        names: &[Name],
        selector: &str,
    ) -> Result<Live, Failure> {
        let unreadable =
            |fault: Fault| fault.failure(&format!("the objects of kind `{kind}` cannot be read"));
        // Without its kind, an object does not exist either: its definition is gone.
        let Some(resource) = self.resource(version, kind).await.map_err(unreadable)? else {
            return Ok(Live::new());
        };
        let within = (!namespace.is_empty()).then_some(namespace);
        let listed = match self.list(&resource, within, selector).await {
            Ok(listed) => listed,
            // Whoever may not list may still get.
            Err(fault) if fault.code() == 403 => vec![],
            Err(fault) => return Err(unreadable(fault)),
        };
        let mut out: Live = listed.into_iter().map(|object| (Name::of(&object), object)).collect();
        for wanted in names.iter().filter(|name| !out.contains_key(name)).cloned().collect::<Vec<_>>() {
            if let Some(object) = self.get(&resource, namespace, &wanted.name).await.map_err(unreadable)? {
                out.insert(wanted, object);
            }
        }
        Ok(out)
    }
}
