//! Any program ends, and gives the same twice.
#![no_main]

use dtm_lang::wire::to_wire;
use dtm_lang::{Inputs, Loader, NoOutputs, Program, Purpose};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let run = || {
        let loader: Arc<dyn Loader> = Arc::new(dtm_fuzz::Files::of(text));
        let (program, diagnostics) = Program::load("main.dts", loader, &Inputs::default(), Purpose::Check);
        let mut out: Vec<String> = diagnostics.iter().map(|d| d.headline.clone()).collect();
        if diagnostics.has_errors() {
            return out;
        }
        let (outputs, _) = program.outputs(&NoOutputs);
        out.extend(outputs.iter().map(|(name, value)| format!("{name} = {}", to_wire(value))));
        out.extend(program.instances().iter().map(|i| format!("{} {:?}", i.addr, i.edges.keys())));
        for position in 0..program.tests().len() {
            let waves = |p: &Program| Ok(vec![0; p.instances().len()]);
            let outcome = program.test(position, &waves);
            out.extend(outcome.diagnostics.iter().map(|d| d.headline.clone()));
        }
        out
    };
    assert_eq!(run(), run(), "twice is not as once");
});
