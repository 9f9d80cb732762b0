//! What a remote store needs of a server: named objects of bytes, and writes that take place only under a condition.

use crate::state::Holder;
use std::time::Duration;

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The server's mark of this version of it: an ETag, a `resourceVersion`.
    pub version: String,
}

/// When a write may take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing has this name yet.
    Absent,
    /// The object is still of this version.
    Same(String),
}

/// Why a request gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The condition does not hold.
    #[error("the condition does not hold")]
    Refused,
    /// Whether it was carried out is not known: no answer, an answer cut short, the server is busy. To be sent again, after
    /// a time if the server named one.
    #[error("{why}")]
    Unsure {
        /// What came instead of an answer.
        why: String,
        /// Not before.
        after: Option<Duration>,
    },
    /// It will not be carried out, however often it is sent.
    #[error("{why}")]
    Denied {
        /// What the server said.
        why: String,
        /// What would help.
        help: String,
    },
}

/// Who holds the lock, for others to see.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The holder; none where it is free.
    pub holder: Option<Holder>,
    /// How often it was taken.
    pub epoch: u64,
    /// After so long without a renewal it is free.
    pub ttl: Duration,
}

/// Named objects on a server. The methods block, and try once: whoever calls knows what may be sent again.
pub trait Objects: Send + Sync {
    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// [`Fault::Unsure`] or [`Fault::Denied`].
    fn get(&self, name: &str) -> Result<Option<Object>, Fault>;

    /// Writes an object under a condition; gives its version.
    ///
    /// # Errors
    /// Any [`Fault`].
    fn put(&self, name: &str, bytes: &[u8], condition: &Condition) -> Result<String, Fault>;

    /// The names of all objects.
    ///
    /// # Errors
    /// [`Fault::Unsure`] or [`Fault::Denied`].
    fn list(&self) -> Result<Vec<String>, Fault>;

    /// Removes an object, without any condition.
    ///
    /// # Errors
    /// [`Fault::Unsure`] or [`Fault::Denied`].
    fn delete(&self, name: &str) -> Result<(), Fault>;

    /// A version that no object ever has, to try out whether the server looks at conditions at all; none where that is
    /// sure.
    fn never(&self) -> Option<String> {
        None
    }

    /// Shows who holds the lock where people of the platform look for it. It decides nothing, so it may fail unseen.
    fn show(&self, _shown: &Shown) {}

    /// Where they are, for a person: `s3://bucket/key`.
    fn describe(&self) -> String;
}
