//! The texts that are open in the editor; edits are parts of them.

use crate::position::Lines;

/// An open text.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// As the editor counts; it comes back with what is published.
    pub(crate) version: i32,
}

/// One edit: a range of lines and columns and what stands there afterwards, or a new whole text.
pub(crate) struct Edit {
    pub(crate) range: Option<((u32, u32), (u32, u32))>,
    pub(crate) text: String,
}

impl Document {
    /// Applies edits in their order. An older version than the one that is here is dropped.
    pub(crate) fn change(&mut self, version: i32, edits: Vec<Edit>) -> bool {
        if version < self.version {
            return false;
        }
        for edit in edits {
            match edit.range {
                None => self.text = edit.text,
                Some((from, to)) => {
                    let lines = Lines::new(&self.text);
                    let start = lines.offset(&self.text, from.0, from.1);
                    let end = lines.offset(&self.text, to.0, to.1).max(start);
                    self.text.replace_range(start..end, &edit.text);
                }
            }
        }
        self.version = version;
        true
    }
}
