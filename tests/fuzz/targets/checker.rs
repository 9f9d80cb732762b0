//! Any program is checked; every message can be shown.
#![no_main]

use dtm_lang::diag::render::{Format, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let (checked, diagnostics) = dtm_lang::check("main.dts", &dtm_fuzz::Files::of(text));
    for d in diagnostics.iter().take(5) {
        for format in [Format::Human, Format::Short, Format::Json] {
            render(d, &checked.sources, format, false);
        }
        for label in d.primary.iter().chain(&d.secondary) {
            let file = checked.sources.file(label.span.file);
            assert!(label.span.end as usize <= file.text.len(), "a place outside of its file");
        }
    }
});
