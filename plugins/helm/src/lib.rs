//! The plugin `helm`: releases of Helm charts. What is installed is read from Helm's own records on the cluster, and charts are
//! fetched here; only what changes a cluster is done by the program `helm`.

mod chart;
mod program;
mod release;
mod storage;
mod values;
mod yaml;

/// Types of the interface file `helm.dts`.
#[allow(missing_docs)]
pub mod interface {
    include!(concat!(env!("OUT_DIR"), "/interface.rs"));
}

use dtm_cluster::{Cluster, Settings};
use dtm_plugin::{Ctx, Failure};
use std::sync::Arc;

/// The settings of an operation.
fn settings(ctx: &Ctx) -> Result<&Settings, Failure> {
    ctx.settings::<Settings>().ok_or_else(|| Failure::clean("the plugin is not configured"))
}

/// The cluster of an operation.
async fn cluster(ctx: &Ctx) -> Result<Arc<Cluster>, Failure> {
    Cluster::of(settings(ctx)?).await
}

dtm_plugin::export_plugin! {
    name: "helm",
    interface: interface::HASH,
    settings: Settings,
    place: dtm_cluster::place,
    kinds: [release::Release]
}
