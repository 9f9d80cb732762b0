//! The contract of a state store: the contract that every one of them passes.

use dtm_engine::Fields;
use dtm_engine::state::{Entry, Holder, OpKey, PluginRef, Record, State, StateError, StateStore, Status};
use serde_json::{Value, json};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// A holder of the lock.
pub fn holder(doing: &str) -> Holder {
    Holder {
        who: "tester@here".into(),
        pid: 1,
        since: "2030-01-02T03:04:05Z".into(),
        doing: doing.into(),
        machine: String::new(),
    }
}

/// A tool in state, perhaps with a secret output.
pub fn entry(id: &str, secret: Option<&str>) -> Entry {
    let mut outputs = Fields::new();
    if let Some(secret) = secret {
        outputs.insert("token".into(), json!({ "$dtm": "secret", "v": secret }));
    }
    Entry {
        plugin: PluginRef { name: "core".into(), path: None, version: "1".into(), interface: "x".into() },
        kind: "Value".into(),
        place: Fields::new(),
        using: None,
        id: Some(id.into()),
        inputs: Fields::new(),
        outputs,
        private: Value::Null,
        deps: vec![],
        protect: false,
        timeout: None,
        status: Status::Ok,
        op: OpKey(format!("op-{id}")),
        absent_before: false,
        retired: vec![],
        time: "2030-01-02T03:04:05Z".into(),
    }
}

/// A record that puts a tool.
pub fn put(addr: &str, id: &str) -> Record {
    Record::Put { addr: addr.into(), entry: Arc::new(entry(id, None)) }
}

/// The contract that every store passes.
pub fn contract(store: &dyn StateStore) {
    let first = store.load().expect("an absent state loads as a new one");
    assert!(first.is_new && first.state.tools.is_empty());
    let mut session = store.lock(holder("apply"), Duration::ZERO).expect("the lock is free");
    let lineage = session.loaded().state.lineage.clone();
    let one = session.append(&[put("a", "1"), put("b", "2")]).expect("durable");
    let two = session.append(&[Record::Remove { addr: "a".into() }]).expect("durable");
    assert!(two > one, "serials grow");
    match store.lock(holder("destroy"), Duration::ZERO) {
        Err(StateError::Locked(by)) => assert_eq!(by.doing, "apply", "the holder is named"),
        other => panic!("a held lock is refused: {:?}", other.map(|_| ())),
    }
    let seen = store.load().expect("a reader needs no lock");
    assert_eq!(seen.state.tools.keys().collect::<Vec<_>>(), ["b"]);
    let mut state = seen.state.clone();
    state.serial = two;
    session.snapshot(&state).expect("written");
    session.append(&[put("c", "3")]).expect("after a snapshot too");
    let kept = store.history().expect("a history");
    assert_eq!(
        (kept[0].serial, &*kept[0].doing, kept[0].tools),
        (two, "apply", 1),
        "it says by whom, and what"
    );
    let then = store.at(two).expect("whole").expect("kept");
    assert_eq!(then.tools, state.tools, "a snapshot is what it was");
    assert!(store.at(two + 1).expect("whole").is_none(), "no snapshot was written then");
    drop(session);
    let again = store.lock(holder("apply"), Duration::ZERO).expect("the lock is free again");
    assert_eq!(again.loaded().state.lineage, lineage, "the lineage stays");
    assert!(!again.loaded().is_new);
    assert_eq!(again.loaded().state.tools.keys().collect::<Vec<_>>(), ["b", "c"]);
    drop(again);
    // Eight race for the lock; one has it at a time.
    let (barrier, inside) = (Barrier::new(8), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (barrier, inside) = (&barrier, &inside);
            scope.spawn(move || {
                barrier.wait();
                loop {
                    match store.lock(holder("race"), Duration::from_secs(20)) {
                        Ok(mut session) => {
                            assert_eq!(
                                inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
                                0,
                                "exactly one is inside"
                            );
                            session.append(&[put(&format!("race{n}"), "x")]).expect("durable");
                            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            return;
                        }
                        Err(StateError::Locked(_)) => std::thread::yield_now(),
                        Err(e) => panic!("{e}"),
                    }
                }
            });
        }
    });
    let all = store.load().expect("whole").state;
    assert_eq!(all.tools.len(), 10);
    // Another state in its place, under a serial after those of both.
    let mut session = store.lock(holder("state push"), Duration::from_secs(5)).expect("free");
    let serial = session.replace(&State { serial: all.serial + 7, ..then.clone() }).expect("written");
    assert_eq!(serial, all.serial + 8);
    drop(session);
    let now = store.load().expect("whole").state;
    assert_eq!((now.tools, now.serial, &now.lineage), (then.tools, serial, &lineage));
    assert_eq!(store.history().expect("a history")[0].doing, "state push");
    let away = store.seal(&all).and_then(|sealed| store.open(sealed)).expect("opened again");
    assert_eq!(away.tools, all.tools);
    secrets(store);
}

/// Secrets, in stores that have a key: an id that is one, and records after a snapshot in which there were none.
fn secrets(store: &dyn StateStore) {
    let secret = |id: &str| Record::Put {
        addr: "secret".into(),
        entry: Arc::new(entry(id, Some("correct horse battery"))),
    };
    let mut session = store.lock(holder("apply"), Duration::from_secs(5)).expect("free");
    if session.keeps_secrets().is_err() {
        return;
    }
    for id in ["1", "the correct horse battery"] {
        session.append(&[secret(id)]).expect("durable");
        let state = store.load().expect("whole").state;
        assert_eq!(state.tools["secret"].id.as_deref(), Some(id));
        session.snapshot(&state).expect("written");
        assert_eq!(store.load().expect("whole").state.tools, state.tools, "what is sealed is opened");
        session.append(&[Record::Remove { addr: "secret".into() }]).expect("durable");
        session.snapshot(&store.load().expect("whole").state).expect("written without any secret");
        session.append(&[secret(id)]).expect("durable");
        assert_eq!(store.load().expect("whole").state.tools, state.tools, "the key is named again");
    }
}
