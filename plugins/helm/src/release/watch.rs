//! Watches the objects of a release while `helm` waits for them: tells how far they are, and says early when one will not become
//! ready, which helm itself never does.

use super::objects::{LABEL, of_manifest, workloads};
use crate::storage::{newest_of, record};
use dtm_cluster::ready::{Status, status};
use dtm_cluster::report::{GRACE, report, stuck};
use dtm_cluster::{Cluster, Live, Name, Settled, found};
use dtm_plugin::Ctx;
use dtm_plugin::serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the objects are looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// How often what is ready is looked at.
const AGAIN: Duration = Duration::from_millis(300);
/// How long before the deadline of an operation the looking ends.
const BEFORE: Duration = Duration::from_secs(5);

/// What was seen while `helm` waited.
#[derive(Default)]
pub(super) struct Noticed {
    /// What is wrong with an object that will not become ready.
    pub(super) hopeless: Option<String>,
    /// The objects that were not ready when they were last looked at, and why.
    pub(super) waiting: Vec<String>,
}

/// Which release is watched, while `helm` runs.
pub(super) struct Watched<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Watched<'_> {
    /// Watches until `ended` says that helm has ended; an object that will not become ready sets `stop`.
    pub(super) async fn watch(&self, ended: &AtomicBool, stop: &AtomicBool) -> Noticed {
        let mut noticed = Noticed::default();
        let mut wanted: Option<(i64, Vec<Name>)> = None;
        let mut bad: Option<Instant> = None;
        let begun = Instant::now();
        loop {
            let until = Instant::now() + PAUSE;
            while Instant::now() < until {
                if ended.load(Ordering::Relaxed) {
                    return noticed;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let Ok(Some(revision)) = newest_of(self.cluster, self.namespace, self.name).await else {
                continue;
            };
            // While helm rolls back, what it failed at is gone.
            if !revision.is_pending() || revision.status == "pending-rollback" {
                continue;
            }
            if wanted.as_ref().is_none_or(|(number, _)| *number != revision.number) {
                let Ok(Some(record)) = record(self.cluster, &revision).await else { continue };
                let Ok(all) = of_manifest(self.cluster, record.manifest(), self.namespace).await else {
                    continue;
                };
                wanted = Some((revision.number, workloads(&all)));
            }
            let Some((_, names)) = &wanted else { continue };
            let Ok(live) = self.cluster.live(names.iter().cloned(), LABEL).await else { continue };
            let waiting = unready(names, &live, begun.elapsed());
            let told =
                |(name, _, why): &Waiting<'_>| format!("{}/{} is not ready: {why}", name.kind, name.name);
            noticed.waiting = waiting.iter().map(told).collect();
            if let Some((name, _, why)) = waiting.first() {
                let ready = names.len() - waiting.len();
                self.ctx.progress(format!(
                    "{ready} of {} ready; {}/{}: {why}",
                    names.len(),
                    name.kind,
                    name.name
                ));
            }
            match self.hopeless(&waiting).await {
                Some(why) if bad.get_or_insert_with(Instant::now).elapsed() >= GRACE => {
                    stop.store(true, Ordering::Relaxed);
                    noticed.hopeless = Some(why);
                    return noticed;
                }
                Some(_) => {}
                None => bad = None,
            }
        }
    }

    /// Looks at what helm says is ready until it stays so; what is wrong with what does not.
    pub(super) async fn settle(&self) -> Option<String> {
        let revision = newest_of(self.cluster, self.namespace, self.name).await.ok()??;
        let record = record(self.cluster, &revision).await.ok()??;
        let all = of_manifest(self.cluster, record.manifest(), self.namespace).await.ok()?;
        let names = workloads(&all);
        let (begun, mut settled, mut bad) = (Instant::now(), Settled::default(), None::<Instant>);
        loop {
            let live = self.cluster.live(names.iter().cloned(), LABEL).await.ok()?;
            let waiting = unready(&names, &live, begun.elapsed());
            let Some((name, object, why)) = waiting.first() else {
                let objects: Vec<&Value> = names.iter().filter_map(|name| found(&live, name)).collect();
                if settled.look(self.cluster, &objects).await.unwrap_or(true) || self.is_over() {
                    return None;
                }
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            settled.reset();
            match self.hopeless(&waiting).await {
                Some(told) if bad.get_or_insert_with(Instant::now).elapsed() >= GRACE => return Some(told),
                Some(_) => {}
                None => bad = None,
            }
            if self.is_over() {
                return Some(self.told(name, object, &format!("not ready in time: {why}")).await);
            }
            self.ctx.progress(format!("{}/{}: {why}", name.kind, name.name));
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn is_over(&self) -> bool {
        let deadline = self.ctx.deadline.map(|deadline| deadline - BEFORE);
        self.ctx.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// An object whose pods will not become ready by themselves, with what the cluster says of it.
    async fn hopeless(&self, waiting: &[Waiting<'_>]) -> Option<String> {
        for (name, object, _) in waiting {
            let pods = self.cluster.pods_of(object).await.unwrap_or_default();
            if let Some(why) = stuck(&pods) {
                return Some(self.told(name, object, &why).await);
            }
        }
        None
    }

    async fn told(&self, name: &Name, object: &Value, why: &str) -> String {
        let report = report(self.cluster, object, why).await;
        format!("{}/{} is not ready: {why}\n{report}", name.kind, name.name).trim_end().to_string()
    }

    /// What the cluster says of every object that is not ready.
    pub(super) async fn unready(&self) -> Option<String> {
        let revision = newest_of(self.cluster, self.namespace, self.name).await.ok()??;
        let record = record(self.cluster, &revision).await.ok()??;
        let all = of_manifest(self.cluster, record.manifest(), self.namespace).await.ok()?;
        let names = workloads(&all);
        let live = self.cluster.live(names.iter().cloned(), LABEL).await.ok()?;
        let mut out = vec![];
        for (name, object, why) in unready(&names, &live, Duration::MAX) {
            out.push(self.told(name, object, &why).await);
        }
        (!out.is_empty()).then(|| out.join("\n"))
    }
}

/// An object that is not ready, and why.
type Waiting<'a> = (&'a Name, &'a Value, String);

/// The objects that are not ready, of those that exist.
fn unready<'a>(names: &'a [Name], live: &'a Live, age: Duration) -> Vec<Waiting<'a>> {
    let one = |name: &'a Name| {
        let object = found(live, name)?;
        match status(object, age) {
            Status::Ready => None,
            Status::Waiting(why) | Status::Failed(why) => Some((name, object, why)),
            Status::Terminating => Some((name, object, "it is being deleted".into())),
        }
    };
    names.iter().filter_map(one).collect()
}
