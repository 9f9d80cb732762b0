//! Any text is read as a configuration of DevStream: tools or diagnostics, every place of which is in the text.
#![no_main]

use dtm_lang::{Inputs, Program, Purpose, devstream};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let loader = Arc::new(dtm_fuzz::Files::yaml(text));
    let (program, diagnostics) = Program::load("config.yaml", loader, &Inputs::default(), Purpose::Check);
    for d in diagnostics.iter() {
        let Some(primary) = &d.primary else { continue };
        let source = &program.sources().file(primary.span.file).text;
        assert!(source.get(primary.span.range()).is_some(), "a place outside of the text: {}", d.headline);
    }
    if !diagnostics.has_errors() {
        assert!(devstream::tools(&program).0.is_some(), "neither tools nor an error");
    }
});
