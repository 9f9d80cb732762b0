//! Whatever the other side writes: the engine takes a message or refuses it, and what it takes as an object fits the interface
//! or is refused; a plugin answers every line with one line.
#![no_main]

use dtm_engine::plugin::conforms;
use dtm_engine::plugin::incoming::{self, Incoming};
use dtm_plugin::protocol::{Manifest, Object, ReadResult};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let kind = dtm_fuzz::kind();
    if let Ok(Incoming::Answer(_, Ok(value))) = incoming::read(bytes) {
        let _ = serde_json::from_value::<Manifest>(value.clone());
        let _ = serde_json::from_value::<Vec<ReadResult>>(value.clone());
        if let Ok(object) = serde_json::from_value::<Object>(value)
            && conforms(&kind, &object.outputs).is_ok()
        {
            let tagged = dtm_engine::plan::tag_outputs(&kind, &object.inputs, &object.outputs);
            assert_eq!(conforms(&kind, &tagged), Ok(()), "what fits still does");
        }
    }
    let answer = dtm_fuzz::plugin().answer(bytes, Arc::new(|_, _| true));
    assert!(!answer.is_empty() && !answer.contains(&b'\n'), "one line");
    assert!(matches!(incoming::read(&answer), Ok(Incoming::Answer(..))), "an answer");
});
