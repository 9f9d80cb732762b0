//! How long an operation waits, and for what.

use dtm_cluster::{Cluster, Name, Resource, metadata, uid};
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure};
use std::time::{Duration, Instant};

/// The first pause between two looks, and the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);
/// The pause between two looks at what is ready.
pub(crate) const AGAIN: Duration = Duration::from_millis(300);
/// How long before its deadline an operation ends itself, so that it can still say why.
const BEFORE: Duration = Duration::from_secs(3);

/// Whether an operation has to end.
pub(crate) fn is_over(ctx: &Ctx) -> bool {
    ctx.is_cancelled() || ctx.deadline.is_some_and(|deadline| Instant::now() + BEFORE >= deadline)
}

/// Pauses between looks, each longer than the one before.
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses(FIRST)
    }
}

impl Pauses {
    /// Waits until the next look.
    pub(crate) async fn next(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 3 / 2).min(LONGEST);
    }
}

/// Waits until an object with this UID no longer exists.
///
/// # Errors
/// When it still does at the end of the operation: with what keeps it.
pub(crate) async fn gone(
    ctx: &Ctx,
    cluster: &Cluster,
    resource: &Resource,
    name: &Name,
    id: &str,
) -> Result<(), Failure> {
    let mut pauses = Pauses::default();
    loop {
        let there = cluster.get(resource, &name.namespace, &name.name).await;
        let there = there.map_err(|fault| fault.failure(&format!("{name} cannot be read")))?;
        let Some(object) = there.filter(|object| uid(object) == id) else { return Ok(()) };
        if is_over(ctx) {
            return Err(Failure::clean(format!("{name} was not deleted in time: {}", kept_by(&object))));
        }
        ctx.progress(format!("waiting until {name} is deleted"));
        pauses.next().await;
    }
}

/// What keeps an object that is being deleted: its finalizers, or, of a namespace, what its conditions say.
fn kept_by(object: &Value) -> String {
    let finalizers = metadata(object).get("finalizers").and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |condition: &'_ Value, field: &str| {
        condition.get(field).and_then(Value::as_str).unwrap_or_default().to_string()
    };
    let told: Vec<String> = conditions
        .filter(|condition| dtm_cluster::kind(object) == "Namespace" && text(condition, "status") == "True")
        .map(|condition| text(condition, "message"))
        .collect();
    match (&*finalizers, &*told) {
        ([], []) => "the cluster does not say what keeps it".into(),
        (_, [_, ..]) => told.join("; "),
        (names, []) => {
            format!("its finalizers keep it: {}; a controller has to remove them", names.join(", "))
        }
    }
}
