//! Why a plan does something with a tool. Code decides by the variant; the words are only shown.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a tool has its action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The action and the changes are explanation enough.
    #[default]
    Plain,
    /// The object was removed outside of dtm.
    Gone,
    /// The object does not exist in this checkout; with a shared state, another checkout has it.
    Elsewhere,
    /// The user named it with `--replace`.
    Requested,
    /// It is not part of the plan.
    LeftOut,
    /// Its outputs changed outside of dtm.
    OutputsChanged,
    /// Its outputs changed with an input that it ignores.
    IgnoredChanged,
    /// Only what dtm itself records differs: options, dependencies.
    OptionsChanged,
    /// Its key is known only after apply.
    KeyUnknown,
    /// The object that it replaced is still to be deleted.
    Retired,
    /// Another tool recorded that it created the object, which has not been read.
    Imported,
    /// Another tool recorded that it created the object, which does not exist.
    ImportedAbsent,
    /// Another tool created the object, which has this id.
    ImportedAs(String),
    /// An earlier operation on it was interrupted or failed.
    Interrupted,
    /// Its plugin wants it replaced, for these reasons.
    Plugin(Vec<String>),
    /// These inputs cannot be changed in place.
    Immutable(Vec<String>),
    /// An output that is returned only once is not in the state.
    OutputLost,
    /// These inputs changed outside of dtm, and nothing else differs.
    Drift(Vec<String>),
    /// These parts of it changed outside of dtm, as its plugin says, and no input did.
    Parts(Vec<String>),
    /// Files that it writes differ: so many changed outside of dtm, so many in the program.
    Files {
        /// Changed outside of dtm.
        drifted: usize,
        /// Changed in the program.
        changed: usize,
    },
    /// Its kind in the program is another one, of the same object.
    KindChanged {
        /// The kind in state: `plugin.Kind`.
        from: String,
        /// The kind in the program.
        to: String,
    },
    /// An `adopt` takes over the object with this id.
    Adopted(String),
    /// It is no longer in the program.
    Removed,
    /// The condition of its `if` is false.
    Disabled,
    /// A `forget` leaves the object as it is.
    Forgotten {
        /// How many objects that it replaced are left as well.
        replaced: usize,
    },
    /// An interrupted operation did not create it.
    NeverCreated,
    /// It was deleted by someone else before dtm could.
    AlreadyGone,
    /// Everything is to be destroyed.
    Destroyed,
}

impl Reason {
    /// Whether it is the reason of an object that is recorded and does not exist here.
    pub fn is_absent(&self) -> bool {
        matches!(self, Reason::Gone | Reason::Elsewhere)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = |n: usize| if n == 1 { "1 file".into() } else { format!("{n} files") };
        let text = match self {
            Reason::Plain | Reason::Destroyed => "",
            Reason::Gone => "gone: it was removed outside of dtm",
            Reason::Elsewhere => "missing here: it was created in another folder",
            Reason::Requested => "requested with `--replace`",
            Reason::LeftOut => "left out",
            Reason::OutputsChanged => "its outputs changed outside of dtm",
            Reason::IgnoredChanged => "its outputs changed with an ignored input",
            Reason::OptionsChanged => "its options or dependencies changed",
            Reason::KeyUnknown => "its key is known after apply",
            Reason::Retired => "the object that it replaced has yet to be deleted",
            Reason::Imported => "imported record",
            Reason::ImportedAbsent => "imported record; it does not exist",
            Reason::ImportedAs(id) => return write!(f, "imported: it is adopted as `{id}`"),
            Reason::Interrupted => "an earlier operation was interrupted or failed",
            Reason::Plugin(reasons) => return f.write_str(&reasons.join("; ")),
            Reason::Immutable(inputs) => {
                return write!(f, "`{}` cannot be changed in place", inputs.join("`, `"));
            }
            Reason::OutputLost => "an output that is returned only once was lost",
            Reason::Drift(inputs) => {
                return write!(f, "drift: `{}` changed outside of dtm", inputs.join("`, `"));
            }
            Reason::Parts(parts) => match &**parts {
                [one] => return write!(f, "drift: {one}"),
                parts => return write!(f, "drift: {} parts changed outside of dtm", parts.len()),
            },
            Reason::Files { drifted: 0, changed } => {
                return write!(f, "its output files changed: {}", files(*changed));
            }
            Reason::Files { drifted, changed } => {
                write!(f, "drift: {} changed outside of dtm", files(*drifted))?;
                return match changed {
                    0 => Ok(()),
                    n => write!(f, "; its output files changed: {}", files(*n)),
                };
            }
            Reason::KindChanged { from, to } => {
                return write!(f, "its kind changes from `{from}` to `{to}`");
            }
            Reason::Adopted(id) => return write!(f, "adopted as `{id}`"),
            Reason::Disabled => "its `if` is false",
            Reason::Removed => "no longer in the program",
            Reason::Forgotten { replaced: 0 } => "forgotten: the object is left as it is",
            Reason::Forgotten { replaced: 1 } => {
                "forgotten: the object is left as it is, and so is the one that it replaced"
            }
            Reason::Forgotten { replaced } => {
                return write!(
                    f,
                    "forgotten: the object is left as it is, and so are the {replaced} that it replaced"
                );
            }
            Reason::NeverCreated => "it was never created",
            Reason::AlreadyGone => "already gone",
        };
        f.write_str(text)
    }
}
