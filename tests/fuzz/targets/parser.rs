//! Any text gives a tree; its places are in the text.
#![no_main]

use dtm_lang::{Diagnostics, FileId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let mut diagnostics = Diagnostics::default();
    let module = dtm_lang::syntax::parse(FileId(0), text, &mut diagnostics);
    for decl in &module.decls {
        let (start, end) = (decl.span.start as usize, decl.span.end as usize);
        assert!(start <= end && end <= text.len(), "a place outside of the text");
        assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "half a character");
    }
    assert!(diagnostics.shown().diagnostics.len() <= 100, "more than are shown");
});
