//! Where a tool works: a path on a branch of a repository. What `Scaffold` and `File` do in the same way.

use crate::destination::{Destination, checked_branch, checked_destination, checked_path};
use crate::git::GitError;
use crate::ours::{Ours, Task};
use crate::store::{Blob, Store, with_store};
use dtm_plugin::protocol::Fields;
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure};
use std::collections::BTreeMap;

/// A path on a branch of a repository: the natural key of what is there.
pub(crate) struct Place {
    pub(crate) destination: Destination,
    pub(crate) branch: String,
    pub(crate) path: String,
}

impl Place {
    /// What is wrong with the inputs that make it, as far as they are known.
    pub(crate) fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_destination(inputs)?;
        checked_branch(inputs)?;
        checked_path(inputs)
    }

    pub(crate) fn read(destination: &Value, branch: &str, path: &str) -> Result<Place, Failure> {
        let destination = Destination::read(destination)?;
        Ok(Place { destination, branch: branch.into(), path: path.into() })
    }

    /// From a natural key.
    pub(crate) fn of(key: &Fields) -> Result<Place, Failure> {
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or("");
        Place::read(key.get("destination").unwrap_or(&Value::Null), text("branch"), text("path"))
    }

    pub(crate) fn id(&self) -> String {
        format!("{}#{}:{}", self.destination.url(), self.branch, self.path)
    }

    fn doing(&self) -> String {
        format!("`{}`", self.destination.url())
    }

    /// An error of git, here.
    pub(crate) fn failure(&self, e: &GitError) -> Failure {
        e.failure(&self.doing())
    }

    /// The branch; `None` when there is no such repository, or the branch is not in it.
    pub(crate) fn open<'c>(&self, ctx: &'c Ctx, depth: u32) -> Result<Option<Store<'c>>, Failure> {
        let store = Store::open(ctx, &self.destination, &self.branch, depth);
        Ok(store.map_err(|e| self.failure(&e))?.filter(|s| s.head.is_some()))
    }

    /// Brings the branch to what is wanted, after what was written before.
    pub(crate) fn write(
        &self,
        ctx: &Ctx,
        prior: &Ours,
        wanted: &BTreeMap<String, Blob>,
        message: &str,
    ) -> Result<Ours, Failure> {
        let id = self.id();
        with_store(ctx, &self.destination, &self.branch, &self.doing(), |store| {
            prior.write(&Task { ctx, store, wanted, id: &id, message })
        })
    }

    /// Takes away by a commit what was written, as far as it is still so.
    pub(crate) fn remove(&self, ctx: &Ctx, ours: &Ours, message: &str) -> Result<(), Failure> {
        // What is absent is removed already.
        if matches!(&self.destination, Destination::Folder(path) if !path.exists()) {
            return Ok(());
        }
        let (id, nothing) = (self.id(), BTreeMap::new());
        with_store(ctx, &self.destination, &self.branch, &self.doing(), |store| match store.head {
            None => Ok(Ok(())),
            Some(_) => {
                let task = Task { ctx, store, wanted: &nothing, id: &id, message };
                ours.write(&task).map(|done| done.map(|_| ()))
            }
        })
    }
}
