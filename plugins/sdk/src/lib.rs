//! What a plugin links. A plugin implements [`Kind`] for each kind of its interface file and exports itself with
//! [`export_plugin!`]; the interface's Rust types come from `dtm-plugin-build` in its `build.rs`.
//!
//! The protocol ([`protocol`]) is JSON-RPC 2.0, one message a line; the C ABI ([`abi`], `dtm_plugin.h`) carries the
//! same messages over four symbols. No Rust type, allocator or unwinding crosses it.

pub mod abi;
#[cfg(feature = "http")]
pub mod http;
mod kind;
pub mod process;
pub mod protocol;
pub mod running;
mod values;
mod words;

pub use kind::{
    Change, Ctx, ErasedKind, Failure, Kind, Object, Observed, PlaceOf, Planned, Plugin, Recorded, erase,
};
pub use values::{Nanoseconds, Secret, Size};
pub use words::{in_words, reason};

pub use dtm_wire as wire;
pub use serde;
pub use serde_json;
