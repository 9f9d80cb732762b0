//! Runs work on many items concurrently, a limited number at once. Each result comes with its key, even if the work
//! panicked: that is a failure of this one item, never a missing answer.

use std::collections::HashMap;
use std::future::Future;
use tokio::task::{Id, JoinSet};

/// Running work, each piece with its key.
pub(crate) struct Tasks<K, T> {
    running: JoinSet<T>,
    keys: HashMap<Id, K>,
}

/// The message after a panic.
pub(crate) const PANICKED: &str =
    "internal error during this operation: this is a bug in dtm, `--trace` shows where";

impl<K, T: Send + 'static> Tasks<K, T> {
    pub(crate) fn new() -> Self {
        Tasks { running: JoinSet::new(), keys: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn spawn(&mut self, key: K, work: impl Future<Output = T> + Send + 'static) {
        let id = self.running.spawn(work).id();
        self.keys.insert(id, key);
    }

    /// The next result; `None` when nothing runs. An error says that the work panicked.
    pub(crate) async fn next(&mut self) -> Option<(K, Result<T, &'static str>)> {
        loop {
            let (id, result) = match self.running.join_next_with_id().await? {
                Ok((id, result)) => (id, Ok(result)),
                Err(e) => (e.id(), Err(PANICKED)),
            };
            if let Some(key) = self.keys.remove(&id) {
                return Some((key, result));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_failure_of_one_thing() {
        let mut tasks = Tasks::new();
        for n in 0..10 {
            tasks.spawn(n, async move {
                assert_ne!(n, 5, "the sixth");
                n * 2
            });
        }
        let mut results = vec![];
        while let Some(result) = tasks.next().await {
            results.push(result);
        }
        results.sort_unstable_by_key(|(n, _)| *n);
        let wanted: Vec<_> = (0..10).map(|n| (n, if n == 5 { Err(PANICKED) } else { Ok(n * 2) })).collect();
        assert_eq!(results, wanted);
    }
}
