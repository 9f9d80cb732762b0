//! The contract of a state store: rules that every one of them keeps.

use dtm_engine::Fields;
use dtm_engine::state::Serial;
use dtm_engine::state::{
    Entry, Holder, OpKey, PluginRef, Record, Session, State, StateError, StateStore, Status,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
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
        plugin: PluginRef { name: "core".into(), path: None, version: "1".into(), interface: "x".into() }
            .into(),
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

/// One rule that every store keeps; it gets an empty store.
pub type Case = fn(&dyn StateStore);

/// The rules, by name.
pub const CASES: &[(&str, Case)] = &[
    ("an absent state loads as a new one", absent),
    ("records are durable, and serials grow", records),
    ("a held lock names its holder", held),
    ("one holder at a time", race),
    ("snapshots are kept", snapshots),
    ("another state in its place", replaced),
    ("secrets are sealed", secrets),
    ("a state is set aside", aside),
    ("a whole state is recovered as it is", recovered),
    ("another key seals it anew", rekeyed),
    ("a fork has another lineage, or is refused", forked),
    ("a lineage is begun as told, and a moved state is refused", policies),
];

/// Tries every rule on a new store; `make` is given a name that is unique among them.
pub fn contract(make: impl Fn(&str) -> Box<dyn StateStore>) {
    for (n, (name, case)) in CASES.iter().enumerate() {
        let store = make(&format!("case{n}"));
        let ran = std::thread::scope(|scope| scope.spawn(|| case(&*store)).join());
        assert!(ran.is_ok(), "the store breaks a rule: {name}");
    }
}

const SOON: Duration = Duration::from_secs(20);

fn enter(store: &dyn StateStore, doing: &str) -> Box<dyn Session> {
    store.lock(holder(doing), SOON).expect("the lock is free")
}

fn names(state: &State) -> Vec<&str> {
    state.tools.keys().map(|addr| &**addr).collect()
}

/// A state with two tools, and the snapshot of it.
fn filled(store: &dyn StateStore) -> State {
    let mut session = enter(store, "apply");
    let serial = session.append(&[put("a", "1"), put("b", "2")]).expect("durable");
    let state = State { serial, ..store.load().expect("a reader needs no lock").state };
    session.snapshot(&state).expect("written");
    state
}

fn absent(store: &dyn StateStore) {
    let first = store.load().expect("it loads");
    assert!(first.is_new && first.state.tools.is_empty());
    assert!(!store.has_remains().expect("asked") && !store.has_pieces().expect("asked"));
    assert!(store.history().expect("asked").is_empty());
    assert_eq!(store.holder().expect("asked"), None);
}

fn records(store: &dyn StateStore) {
    let mut session = enter(store, "apply");
    let lineage = session.loaded().state.lineage.clone();
    let one = session.append(&[put("a", "1"), put("b", "2")]).expect("durable");
    let two = session.append(&[Record::Remove { addr: "a".into() }]).expect("durable");
    assert!(two > one, "serials grow");
    assert_eq!(names(&store.load().expect("a reader needs no lock").state), ["b"]);
    drop(session);
    let again = enter(store, "apply");
    assert_eq!(again.loaded().state.lineage, lineage, "the lineage stays");
    assert!(!again.loaded().is_new);
    assert_eq!(names(&again.loaded().state), ["b"]);
    assert!(store.has_remains().expect("asked") && store.has_pieces().expect("asked"));
}

fn held(store: &dyn StateStore) {
    let session = enter(store, "apply");
    match store.lock(holder("destroy"), Duration::ZERO) {
        Err(StateError::Locked(by)) => assert_eq!(by.doing, "apply", "the holder is named"),
        other => panic!("a held lock is refused: {:?}", other.map(|_| ())),
    }
    assert_eq!(store.holder().expect("asked").map(|by| by.doing).as_deref(), Some("apply"));
    for (what, tried) in [
        ("set aside", store.set_aside(&holder("apply"), Duration::ZERO)),
        ("recovered", store.recover(&holder("state recover"), Duration::ZERO).map(drop)),
    ] {
        assert!(matches!(tried, Err(StateError::Locked(_))), "a held state is not {what}: {tried:?}");
    }
    drop(session);
    drop(enter(store, "destroy"));
    assert_eq!(store.holder().expect("asked"), None);
}

/// Eight race for the lock; one has it at a time.
fn race(store: &dyn StateStore) {
    let (barrier, inside) = (Barrier::new(8), std::sync::atomic::AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (barrier, inside) = (&barrier, &inside);
            scope.spawn(move || {
                barrier.wait();
                loop {
                    match store.lock(holder("race"), SOON) {
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
    assert_eq!(store.load().expect("whole").state.tools.len(), 8);
}

fn snapshots(store: &dyn StateStore) {
    let state = filled(store);
    let kept = store.history().expect("a history");
    let newest = (kept[0].serial, &*kept[0].doing, kept[0].tools);
    assert_eq!(newest, (state.serial, "apply", 2), "it says by whom, and what");
    let mut session = enter(store, "apply");
    let next = session.append(&[put("c", "3")]).expect("after a snapshot too");
    drop(session);
    let then = store.at(state.serial).expect("whole").expect("kept");
    assert_eq!(then.tools, state.tools, "a snapshot is what it was");
    assert!(store.at(Serial(next.0 + 100)).expect("asked").is_none(), "there is no such serial");
    assert_eq!(names(&store.load().expect("whole").state), ["a", "b", "c"]);
}

/// Another state in its place, under a serial after those of both.
fn replaced(store: &dyn StateStore) {
    let then = filled(store);
    let mut session = enter(store, "state push");
    let serial =
        session.replace(&State { serial: Serial(then.serial.0 + 7), ..then.clone() }).expect("written");
    assert_eq!(serial.0, then.serial.0 + 8);
    drop(session);
    let now = store.load().expect("whole").state;
    assert_eq!((&now.tools, now.serial, &now.lineage), (&then.tools, serial, &then.lineage));
    assert_eq!(store.history().expect("a history")[0].doing, "state push");
    let away = store.seal(&now).and_then(|sealed| store.open(sealed)).expect("opened again");
    assert_eq!(away.tools, now.tools);
}

/// A record with a secret.
fn secret(id: &str) -> Record {
    Record::Put { addr: "secret".into(), entry: Arc::new(entry(id, Some("correct horse battery"))) }
}

/// Secrets, in stores that have a key: an id that is one, and records after a snapshot in which there were none.
fn secrets(store: &dyn StateStore) {
    let mut session = enter(store, "apply");
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

fn aside(store: &dyn StateStore) {
    let before = filled(store);
    store.set_aside(&holder("apply"), SOON).expect("moved");
    let begun = enter(store, "apply");
    assert!(begun.loaded().state.tools.is_empty(), "a new state begins");
    assert_ne!(begun.loaded().state.lineage, before.lineage);
}

fn recovered(store: &dyn StateStore) {
    assert!(store.recover(&holder("state recover"), SOON).is_err(), "there is nothing to rebuild it from");
    let before = filled(store);
    let (state, lost) = store.recover(&holder("state recover"), SOON).expect("rebuilt");
    assert_eq!((names(&state), lost), (vec!["a", "b"], 0));
    let after = store.load().expect("whole").state;
    assert_eq!((after.tools, after.lineage), (before.tools, before.lineage));
    assert_eq!(store.holder().expect("asked"), None, "the lock is free");
}

fn rekeyed(store: &dyn StateStore) {
    let before = filled(store);
    let mut session = enter(store, "apply");
    if session.keeps_secrets().is_err() {
        return;
    }
    session.append(&[secret("1")]).expect("durable");
    drop(session);
    let key = dtm_engine::secret::Key::from_text("another correct horse");
    let lost = store.rekey(&holder("state rekey"), SOON, Some(key), false).expect("sealed again");
    assert_eq!(lost, 0, "no secret is dropped");
    assert_eq!(store.holder().expect("asked"), None, "the lock is free");
    assert!(store.history().expect("asked").iter().any(|kept| kept.serial >= before.serial));
}

fn forked(store: &dyn StateStore) {
    let before = filled(store);
    let without = BTreeSet::from(["a".into()]);
    match store.fork(&holder("state fork"), SOON, &without) {
        Ok(lineage) => {
            let now = store.load().expect("whole").state;
            assert_ne!(lineage, before.lineage);
            assert_eq!((now.lineage.as_str(), names(&now)), (&*lineage, vec!["b"]));
        }
        Err(e) => {
            assert!(matches!(e, StateError::Closed(_)), "{e}");
            assert!(store.leased().is_some(), "only what machines share is not forked");
            assert_eq!(store.load().expect("whole").state.tools, before.tools);
        }
    }
}

/// See [`dtm_engine::state::Policy`].
fn policies(store: &dyn StateStore) {
    let mut session = enter(store, "apply");
    session.append(&[put("a", "1"), Record::Moved { to: "elsewhere".into() }]).expect("durable");
    drop(session);
    for refused in [store.load().map(drop), store.lock(holder("apply"), SOON).map(drop)] {
        match refused {
            Err(StateError::Moved { to, .. }) => assert_eq!(to, "elsewhere"),
            other => panic!("a moved state is refused: {other:?}"),
        }
    }
}
