//! Waiting for objects: until they are ready, and until they are gone.

use super::group::Group;
use super::observe::{live, short};
use dtm_cluster::ready::{Status, status};
use dtm_cluster::report::{report, stuck};
use dtm_cluster::{Cluster, Fault, Name, Resource, metadata, uid};
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure};
use std::time::{Duration, Instant};

/// How often is looked at first, and after a while.
const FIRST: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(2);
/// So long before its deadline an operation ends itself, so that it can still say why.
const BEFORE: Duration = Duration::from_secs(3);
/// So long what does not pass by itself may last: a rollout replaces a bad pod, and an image may be pushed late.
const GRACE: Duration = Duration::from_secs(10);

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
        let mut pause = FIRST;
        let mut bad: Option<Instant> = None;
        loop {
            let there = live(self.cluster, names.iter().cloned(), Some(self.group)).await?;
            let mut waiting: Vec<(&Name, &Value, String)> = vec![];
            for name in names {
                let Some(object) = there.iter().find(|(other, _)| other.is(name)).map(|(_, object)| object)
                else {
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
            let Some((name, object, why)) = waiting.first() else { return Ok(()) };
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
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LATER);
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
        let report = report(self.cluster, object).await;
        let text = format!("{} is not ready: {why}\n{report}", short(name, self.group));
        Failure::clean(text.trim_end().to_string()).input("objects")
    }
}

/// Whether an operation has to end.
fn is_over(ctx: &Ctx) -> bool {
    ctx.is_cancelled() || ctx.deadline.is_some_and(|deadline| Instant::now() + BEFORE >= deadline)
}

/// Waits until an object with this UID is gone.
///
/// # Errors
/// When it is not in time: with what keeps it.
pub(crate) async fn gone(
    ctx: &Ctx,
    cluster: &Cluster,
    resource: &Resource,
    name: &Name,
    id: &str,
) -> Result<(), Failure> {
    let mut pause = FIRST / 4;
    loop {
        let there = cluster.get(resource, &name.namespace, &name.name).await;
        let there = there.map_err(|fault: Fault| fault.failure(&format!("{name} cannot be read")))?;
        let Some(object) = there.filter(|object| uid(object) == id) else { return Ok(()) };
        if is_over(ctx) {
            let finalizers = metadata(&object).get("finalizers").and_then(Value::as_array);
            let names: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
            let why = match &*names {
                [] => "it is still being deleted".to_string(),
                names => {
                    format!("its finalizers keep it: {}; a controller has to remove them", names.join(", "))
                }
            };
            return Err(Failure::clean(format!("{name} is not gone in time: {why}")));
        }
        ctx.progress(format!("waiting until {name} is gone"));
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LATER);
    }
}
