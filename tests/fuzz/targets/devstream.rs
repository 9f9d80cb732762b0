//! Any text is read as a configuration of DevStream: tools or diagnostics, every place of which is in the text. What can be read
//! can be converted, and what can be planned plans the same afterwards.
#![no_main]

use dtm_devstream::{self as devstream, Proof};
use dtm_lang::{Inputs, Loader, Program, Purpose};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let loader: Arc<dyn Loader> = Arc::new(dtm_fuzz::Files::yaml(text));
    let (program, diagnostics) =
        Program::load("config.yaml", loader.clone(), &Inputs::default(), Purpose::Check);
    for d in diagnostics.iter() {
        let Some(primary) = &d.primary else { continue };
        let source = &program.sources().file(primary.span.file).text;
        assert!(source.get(primary.span.range()).is_some(), "a place outside of the text: {}", d.headline);
    }
    if diagnostics.has_errors() {
        return;
    }
    let (tools, ..) = devstream::tools("config.yaml", loader.clone(), &Inputs::default(), Purpose::Check);
    assert!(tools.is_some(), "neither tools nor an error");
    let (made, ..) = devstream::convert_proven("config.yaml", &loader, &Inputs::default());
    match made {
        Some((_, Proof::Equal(_) | Proof::NoPlan(_))) => {}
        Some((made, Proof::Differ(all))) => panic!("{all:?}\n{}", made.text),
        None => panic!("nothing came of it"),
    }
});
