//! The one style.

use crate::diag::Diagnostics;
use crate::source::FileId;

/// A file in the one style.
pub fn format(file: FileId, text: &str) -> (Option<String>, Diagnostics) {
    let mut diags = Diagnostics::default();
    super::parse(file, text, &mut diags);
    (if diags.has_errors() { None } else { Some(text.to_string()) }, diags)
}
