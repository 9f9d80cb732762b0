//! Waiting until objects are ready.

use super::group::Group;
use super::observe::{selector, short};
use crate::patience::{AGAIN, Pauses, is_over};
use dtm_cluster::ready::{Status, status};
use dtm_cluster::report::{GRACE, report, stuck};
use dtm_cluster::{Cluster, Name, Settled, found};
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure};
use std::time::{Duration, Instant};

/// Waits as long as an operation may.
pub(crate) struct Patience<'a> {
    ctx: &'a Ctx,
    cluster: &'a Cluster,
    group: &'a Group,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(ctx: &'a Ctx, cluster: &'a Cluster, group: &'a Group) -> Patience<'a> {
        Patience { ctx, cluster, group }
    }

    /// Waits for some time; an error at the end of the operation.
    pub(crate) async fn pause(&self, time: Duration) -> Result<(), ()> {
        if is_over(self.ctx) {
            return Err(());
        }
        tokio::time::sleep(time).await;
        Ok(())
    }

    /// Waits until all objects are ready.
    ///
    /// # Errors
    /// With what the cluster says of the object that failed, or that is not ready in time.
    pub(crate) async fn all_ready(&self, names: &[Name]) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut pauses = Pauses::default();
        let mut bad: Option<Instant> = None;
        let mut settled = Settled::default();
        loop {
            let there = self.cluster.live(names.iter().cloned(), &selector(Some(self.group))).await?;
            let mut waiting: Vec<(&Name, &Value, String)> = vec![];
            for name in names {
                let Some(object) = found(&there, name) else {
                    return Err(Failure::clean(format!(
                        "{} was deleted while it was waited for",
                        short(name, self.group)
                    )));
                };
                match status(object, begun.elapsed()) {
                    Status::Ready => {}
                    Status::Waiting(why) => waiting.push((name, object, why)),
                    Status::Terminating => waiting.push((name, object, "it is being deleted".into())),
                    Status::Failed(why) => return Err(self.failure(name, object, &why).await),
                }
            }
            let Some((name, object, why)) = waiting.first() else {
                let objects: Vec<&Value> = names.iter().filter_map(|name| found(&there, name)).collect();
                // Where pods may not be listed, what their objects say has to do.
                if settled.look(self.cluster, &objects).await.unwrap_or(true) || is_over(self.ctx) {
                    return Ok(());
                }
                self.ctx.progress("all are ready; waiting to see whether they stay so");
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            settled.reset();
            self.ctx.progress(format!(
                "{} of {} ready; {}: {why}",
                names.len() - waiting.len(),
                names.len(),
                short(name, self.group)
            ));
            if let Some((name, object, why)) = self.hopeless(&waiting).await {
                if bad.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                    return Err(self.failure(name, object, &why).await);
                }
            } else {
                bad = None;
            }
            if is_over(self.ctx) {
                let why = format!("not ready in time: {why}");
                return Err(self.failure(name, object, &why).await);
            }
            pauses.next().await;
        }
    }

    /// An object whose pods will not become ready by themselves.
    async fn hopeless<'w>(
        &self,
        waiting: &[(&'w Name, &'w Value, String)],
    ) -> Option<(&'w Name, &'w Value, String)> {
        for (name, object, _) in waiting {
            let pods = self.cluster.pods_of(object).await.unwrap_or_default();
            if let Some(why) = stuck(&pods) {
                return Some((name, object, why));
            }
        }
        None
    }

    async fn failure(&self, name: &Name, object: &Value, why: &str) -> Failure {
        let report = report(self.cluster, object, why).await;
        let text = format!("{} is not ready: {why}\n{report}", short(name, self.group));
        Failure::clean(text.trim_end().to_string()).input("objects")
    }
}
