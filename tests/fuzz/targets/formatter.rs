//! Formatting keeps what is said, and twice is as once.
#![no_main]

use dtm_lang::syntax::format::format;
use dtm_lang::{Diagnostics, FileId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let mut before = Diagnostics::default();
    dtm_lang::syntax::parse(FileId(0), text, &mut before);
    let (Some(once), _) = format(FileId(0), text) else { return };
    let (twice, _) = format(FileId(0), &once);
    assert_eq!(twice.as_deref(), Some(once.as_str()), "twice is not as once");
    let mut after = Diagnostics::default();
    dtm_lang::syntax::parse(FileId(0), &once, &mut after);
    assert_eq!(before.has_errors(), after.has_errors(), "formatting made or mended an error:\n{once}");
});
