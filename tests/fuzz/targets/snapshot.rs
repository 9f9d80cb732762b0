//! Whatever stands where a state is kept, it is read or refused; what is read can be written and read again.
#![no_main]

use dtm_engine::secret::Redactor;
use dtm_engine::state::frame::encode;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::double::MemoryObjects;
use dtm_engine::state::{Serial, State, StateStore};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(state) = serde_json::from_slice::<State>(bytes) {
        let again: State = serde_json::from_value(state.to_json()).expect("what was read can be written");
        assert_eq!(again, state);
    }
    let mut objects = bytes.split(|b| *b == b'\n');
    let (head, snapshot) = (objects.next().unwrap_or_default(), objects.next().unwrap_or_default());
    let server = MemoryObjects::default();
    server.tamper("head", Some(head.to_vec()));
    server.tamper("snapshot-000000000001-a", Some(snapshot.to_vec()));
    server.tamper("segment-000000000002-b", Some(encode(Serial(2), 0, snapshot).0));
    let store = RemoteStore::new(Arc::new(server.clone()), None, Redactor::default(), "/nonexistent".into());
    let read = store.load();
    if let Ok(loaded) = &read {
        let _ = store.history();
        let _ = store.at(loaded.state.serial);
    }
    assert_eq!(server.bytes("head").as_deref(), Some(head), "reading changes nothing");
});
