//! The language server: what an editor asks, answered from the same analysis that `dtm check` makes.
//!
//! ```text
//! editor ── server (protocol) ── mailbox ── worker ── World: documents, analyses ── ide (pure functions)
//! ```
//!
//! Every message is put into one mailbox before anything is awaited, so that edits are never swapped; one thread owns the
//! documents and works through the mailbox in order. Places are bytes everywhere but in `position`, and `ide` knows no
//! type of the protocol. It never depends on the engine: files come through the loaders that it is given.

mod convert;
mod documents;
pub mod ide;
mod position;
mod server;
mod worker;
mod world;

pub use position::Lines;
pub use server::serve;
pub use world::{Analysis, Loaders, World};
