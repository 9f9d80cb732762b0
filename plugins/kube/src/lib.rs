//! The plugin `kube`: Kubernetes objects, with the library `dtm-cluster`.

mod manifest;
mod namespace;
mod object;
mod patience;
mod secret;
mod wait;

/// Types of the interface file `kube.dts`.
#[allow(missing_docs)]
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

use dtm_cluster::{Cluster, Settings};
use dtm_plugin::{Ctx, Failure};
use std::sync::Arc;

/// The cluster of an operation.
async fn cluster(ctx: &Ctx) -> Result<Arc<Cluster>, Failure> {
    let settings =
        ctx.settings::<Settings>().ok_or_else(|| Failure::clean("the plugin is not configured"))?;
    Cluster::of(settings).await
}

dtm_plugin::export_plugin! {
    name: "kube",
    interface: interface::HASH,
    settings: Settings,
    place: dtm_cluster::place,
    kinds: [manifest::Manifest, namespace::Namespace, object::Object, secret::Secret, wait::Wait]
}
