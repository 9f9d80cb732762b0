//! State on a server, against the strict double: lost answers, fencing, takeover, damage, garbage, round trips.

use dtm_engine::secret::{Key, Redactor};
use dtm_engine::state::Serial;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::double::{MemoryObjects, Mishap};
use dtm_engine::state::{FORMAT, Holder, Leased, Record, Session, State, StateError, StateStore, Status};
use dtm_tests::contract::{contract, entry, holder, put};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TTL: Duration = Duration::from_millis(300);

struct Place {
    objects: MemoryObjects,
    dir: TempDir,
    ttl: Duration,
}

impl Place {
    fn new() -> Place {
        Place { objects: MemoryObjects::default(), dir: tempfile::tempdir().expect("a directory"), ttl: TTL }
    }
    /// A lock that nobody renews during a test.
    fn patient() -> Place {
        Place { ttl: Duration::from_secs(60), ..Place::new() }
    }
    fn store(&self) -> RemoteStore {
        self.keyed(None)
    }
    fn keyed(&self, key: Option<&str>) -> RemoteStore {
        let key = key.map(Key::from_text);
        let spill = self.dir.path().join("spill");
        RemoteStore::new(Arc::new(self.objects.clone()), key, Redactor::default(), spill).with_ttl(self.ttl)
    }
    fn lock(&self) -> Box<dyn Session> {
        self.store().lock(holder("apply"), Duration::ZERO).expect("free")
    }
    fn state(&self) -> State {
        self.store().load().expect("whole").state
    }
    fn tools(&self) -> Vec<String> {
        self.state().tools.keys().map(|addr| addr.to_string()).collect()
    }
    fn named(&self, what: &str) -> String {
        self.objects.names().into_iter().find(|n| n.starts_with(what)).expect("one of this kind")
    }
    fn head(&self) -> Value {
        serde_json::from_slice(&self.objects.bytes("head").expect("a head")).expect("JSON")
    }
    /// The serial and the lineage in the head.
    fn state_of_head(&self) -> (u64, String) {
        let head = self.head();
        (head["serial"].as_u64().expect("a serial"), head["lineage"].as_str().expect("a lineage").into())
    }
    fn edit_head(&self, change: impl FnOnce(&mut Value)) {
        let mut head = self.head();
        change(&mut head);
        self.objects.tamper("head", Some(head.to_string().into_bytes()));
    }
    fn corrupt(&self, words: &str) {
        let before = self.objects.bytes("head");
        let error = self.store().load().expect_err("refused");
        assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(self.store().lock(holder("apply"), Duration::ZERO).is_err(), "the lock refuses it as well");
        if before.as_ref().is_none_or(|b| serde_json::from_slice::<Value>(b).is_err()) {
            assert_eq!(self.objects.bytes("head"), before, "nothing is overwritten");
        }
    }
}

/// A record as large as a tool with a long script, which cannot be packed to less than half of it.
fn large(addr: &str, bytes: usize) -> Record {
    let mut entry = entry(addr, None);
    let mut seed = addr.bytes().fold(7u64, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
    let script: String = (0..bytes)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(33 + (seed >> 57) as u8 % 90)
        })
        .collect();
    entry.inputs.insert("script".into(), Value::String(script));
    Record::Put { addr: addr.into(), entry: Arc::new(entry) }
}

#[test]
fn it_keeps_the_contract() {
    contract(|_| Box::new(Place::new().store()));
}

#[test]
fn an_answer_that_is_lost_is_found_and_the_batch_counts_once() {
    let place = Place::patient();
    let mut session = place.lock();
    let serial = session.loaded().state.serial;
    place.objects.next_puts([Mishap::AnswerLost]);
    assert_eq!(session.append(&[put("a", "1")]).expect("durable"), Serial(serial.0 + 1));
    place.objects.next_puts([
        Mishap::RequestLost,
        Mishap::Busy(Duration::from_millis(1)),
        Mishap::AnswerLost,
    ]);
    place.objects.next_gets([Mishap::AnswerLost, Mishap::Stale]);
    assert_eq!(session.append(&[put("b", "2")]).expect("durable"), Serial(serial.0 + 2));
    let known = place.state();
    place.objects.next_puts([Mishap::AnswerLost, Mishap::Well, Mishap::AnswerLost]);
    session.snapshot(&known).expect("written");
    assert_eq!(session.append(&[put("c", "3")]).expect("durable"), Serial(serial.0 + 3));
    drop(session);
    assert_eq!(place.tools(), ["a", "b", "c"]);
}

#[test]
fn an_answer_that_is_lost_while_the_lock_is_taken() {
    let place = Place::patient();
    place.objects.next_puts([Mishap::AnswerLost]);
    let session = place.lock();
    assert!(session.loaded().is_new);
    drop(session);
    place.objects.next_puts([Mishap::AnswerLost]);
    drop(place.lock());
    assert_eq!(place.head()["epoch"], 2);
}

#[test]
fn what_is_denied_is_told_and_closes_the_session() {
    let place = Place::patient();
    let mut session = place.lock();
    place.objects.next_puts([Mishap::Denied]);
    let error = session.append(&[put("a", "1")]).expect_err("denied");
    assert!(
        error.to_string().contains("memory://state") && error.to_string().contains("access denied"),
        "{error}"
    );
    assert!(matches!(session.append(&[put("a", "1")]), Err(StateError::Closed(_))), "closed for good");
}

/// A holder whose renewals stop, as if its process were paused: nothing of it is sent any more.
fn paused(place: &Place) -> Box<dyn Session> {
    let patient = place.store().with_ttl(Duration::from_secs(60));
    let session = patient.lock(holder("apply"), Duration::ZERO).expect("free");
    place.edit_head(|head| head["ttl_ms"] = (TTL.as_millis() as u64).into());
    session
}

#[test]
fn a_holder_that_is_gone_is_taken_over_after_a_whole_ttl_and_writes_nothing_any_more() {
    let place = Place::new();
    let mut first = paused(&place);
    let begun = Instant::now();
    let mut second = place.store().lock(holder("destroy"), Duration::ZERO).expect("taken over");
    assert!(begun.elapsed() >= TTL, "only after a whole TTL");
    second.append(&[put("a", "second")]).expect("durable");
    let error = first.append(&[put("a", "first")]).expect_err("fenced");
    assert!(matches!(&error, StateError::Fenced { by: Some(by), .. } if by.doing == "destroy"), "{error}");
    assert!(matches!(first.append(&[put("b", "1")]), Err(StateError::Closed(_))));
    drop(first);
    assert_eq!(
        place.head()["holder"]["doing"],
        "destroy",
        "the lock of the second is not given back by the first"
    );
    drop(second);
    assert_eq!(place.state().tools["a"].id.as_deref(), Some("second"));
}

#[test]
fn a_holder_that_renews_is_left_alone_for_as_long_as_it_does() {
    let place = Place::new();
    let first = place.lock();
    let begun = Instant::now();
    let error = place.store().lock(holder("destroy"), 4 * TTL).map(drop).expect_err("held");
    assert!(matches!(error, StateError::Locked(_)), "{error}");
    assert!(begun.elapsed() >= 4 * TTL, "it waited");
    drop(first);
}

#[test]
fn a_lock_is_broken_on_demand_at_once() {
    let place = Place::patient();
    let mut first = place.lock();
    assert_eq!(place.store().holder().expect("read").map(|h| h.doing).as_deref(), Some("apply"));
    place.store().unlock(&holder("unlock")).expect("free");
    assert_eq!(place.store().holder().expect("read"), None);
    assert!(matches!(first.append(&[put("a", "1")]), Err(StateError::Fenced { by: None, .. })));
}

#[test]
fn what_a_fenced_holder_spilled_is_merged_by_the_next_one_here() {
    let place = Place::new();
    let mut first = paused(&place);
    let mut begun = entry("1", None);
    begun.status = Status::Creating;
    begun.id = None;
    // The begin is durable; then the holder is taken over and its end can only be spilled.
    first.append(&[Record::Begin { addr: "a".into(), entry: Arc::new(begun) }]).expect("durable");
    place.edit_head(|head| head["ttl_ms"] = 1.into());
    drop(place.store().lock(holder("other"), Duration::ZERO).expect("taken over"));
    let end = put("a", "1");
    assert!(first.append(std::slice::from_ref(&end)).is_err());
    first.spill(&[end]).expect("kept");
    drop(first);
    let next = place.lock();
    assert!(next.loaded().notices[0].contains("1 record of"), "{:?}", next.loaded().notices);
    drop(next);
    let state = place.state();
    assert_eq!(state.tools["a"].id.as_deref(), Some("1"));
    assert!(!state.tools["a"].status.is_open());
    let left = std::fs::read_dir(place.dir.path().join("spill")).expect("a folder").count();
    assert_eq!(left, 0, "a spill file is merged once");
}

#[test]
fn a_batch_is_one_round_trip_until_the_head_is_full() {
    let place = Place::patient();
    let mut session = place.lock();
    place.objects.take_requests();
    for n in 0..10 {
        session.append(&[put(&format!("t{n}"), "x")]).expect("durable");
    }
    let requests = place.objects.take_requests();
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|r| *r == ("put", "head".to_string())));
    // What does not fit any more goes into a segment first; what is too large by itself as well.
    for n in 0..4 {
        session.append(&[large(&format!("m{n}"), 45_000)]).expect("durable");
    }
    session.append(&[large("huge", 200_000)]).expect("durable");
    session.append(&[put("last", "x")]).expect("durable");
    let written = place.objects.take_requests();
    assert_eq!(written.iter().filter(|(_, name)| name.starts_with("segment")).count(), 4);
    assert_eq!(written.len(), 6 + 4);
    assert!(place.objects.bytes("head").expect("a head").len() < 128 << 10);
    drop(session);
    assert_eq!(place.tools().len(), 16);
}

#[test]
fn garbage_goes_and_history_stays() {
    let place = Place::patient();
    let mut session = place.lock();
    for n in 0..30 {
        session.append(&[large(&format!("t{n:02}"), 70_000)]).expect("durable");
        let state = place.state();
        session.snapshot(&state).expect("written");
    }
    drop(session);
    let names = place.objects.names();
    let count = |what: &str| names.iter().filter(|n| n.starts_with(what)).count();
    assert_eq!(count("snapshot"), 21, "the newest, and twenty before it");
    assert!(count("segment") <= 1, "{names:?}");
    assert_eq!(place.head()["history"].as_array().map(Vec::len), Some(20));
    assert_eq!(place.head()["history"][0]["written"]["doing"], "apply");
    assert_eq!(place.tools().len(), 30);
}

#[test]
fn a_reader_that_meets_a_part_that_is_gone_begins_again() {
    let place = Place::patient();
    let mut session = place.lock();
    session.append(&[put("a", "1")]).expect("durable");
    session.snapshot(&place.state()).expect("written");
    // The head of before names no snapshot that is there any more: a stale read, and then the newest.
    place.objects.next_gets([Mishap::Stale]);
    assert_eq!(place.tools(), ["a"]);
}

#[test]
fn damage_is_told_with_its_place_and_nothing_is_overwritten() {
    let filled = || {
        let place = Place::patient();
        let mut session = place.lock();
        session.append(&[put("a", "1")]).expect("durable");
        session.snapshot(&place.state()).expect("written");
        session.append(&[large("b", 100_000)]).expect("durable");
        session.append(&[put("c", "3")]).expect("durable");
        drop(session);
        place
    };
    assert_eq!(filled().tools(), ["a", "b", "c"]);
    let head = |bytes: &[u8], words: &str| {
        let place = filled();
        place.objects.tamper("head", Some(bytes.to_vec()));
        place.corrupt(words);
    };
    head(b"", "it is empty");
    head(b"{}", "it is not what dtm writes");
    head(b"{\"format\":1", "EOF");
    for what in ["snapshot", "segment"] {
        let place = filled();
        let name = place.named(what);
        let bytes = place.objects.bytes(&name).expect("there");
        place.objects.tamper(&name, Some(bytes[..bytes.len() - 1].to_vec()));
        place.corrupt("bytes, and");
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        place.objects.tamper(&name, Some(flipped));
        place.corrupt("it cannot be unpacked");
        place.objects.tamper(&name, None);
        place.corrupt("it names objects that do not exist");
        place.objects.tamper(&name, Some(bytes));
        assert_eq!(place.tools(), ["a", "b", "c"], "whole again");
    }
    let place = filled();
    place.edit_head(|head| head["segments"] = serde_json::json!([]));
    place.corrupt("record");
    let place = filled();
    place.edit_head(|head| head["lineage"] = "another".into());
    place.corrupt("it belongs to another state");
    let place = filled();
    place.edit_head(|head| head["format"] = 99.into());
    assert!(matches!(place.store().load(), Err(StateError::NewerFormat { found: 99, .. })));
    assert!(matches!(
        place.store().lock(holder("apply"), Duration::ZERO),
        Err(StateError::NewerFormat { .. })
    ));
}

#[test]
fn a_state_that_vanishes_in_mid_run_is_an_error_and_is_not_made_anew() {
    let place = Place::patient();
    let mut session = place.lock();
    place.objects.tamper("head", None);
    let error = session.append(&[put("a", "1")]).expect_err("gone");
    assert!(error.to_string().contains("no longer there"), "{error}");
    drop(session);
    assert_eq!(place.objects.bytes("head"), None);
}

#[test]
fn a_server_that_ignores_conditions_is_refused() {
    let place = Place::patient();
    drop(place.lock());
    place.objects.ignore_conditions();
    let error = place.store().lock(holder("apply"), Duration::ZERO).map(drop).expect_err("refused");
    assert!(error.to_string().contains("without looking at the condition"), "{error}");
    assert_eq!(place.store().holder().expect("read"), None, "what cannot be used is not held");
}

#[test]
fn a_head_of_an_older_format_is_of_the_newest_with_the_next_record() {
    let place = Place::patient();
    place.lock().append(&[put("a", "1")]).expect("durable");
    place.edit_head(|head| head["format"] = 1.into());
    let mut session = place.lock();
    session.append(&[put("b", "2")]).expect("durable");
    assert_eq!(place.head()["format"], FORMAT, "an older dtm does not know the records of this one");
    session.snapshot(&place.state()).expect("written");
    assert_eq!(place.head()["format"], FORMAT);
    drop(session);
    assert_eq!(place.tools(), ["a", "b"]);
}

#[test]
fn secrets_need_a_key_and_are_sealed_with_it() {
    let place = Place::patient();
    let secret =
        |id: &str| Record::Put { addr: "s".into(), entry: Arc::new(entry(id, Some("hunter2-hunter2"))) };
    let mut session = place.lock();
    let error = session.append(&[secret("1")]).expect_err("no key");
    assert!(matches!(error, StateError::NeedsKey { .. }), "{error}");
    drop(session);
    let keyed = place.keyed(Some("a key"));
    let mut session = keyed.lock(holder("apply"), Duration::ZERO).expect("free");
    session.append(&[secret("1")]).expect("durable");
    session.snapshot(&keyed.load().expect("whole").state).expect("written");
    session.append(&[secret("2")]).expect("durable");
    drop(session);
    for name in place.objects.names() {
        let bytes = place.objects.bytes(&name).expect("there");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("hunter2"), "{name}");
    }
    let state = keyed.load().expect("opens").state;
    assert_eq!(state.tools["s"].outputs["token"]["v"], "hunter2-hunter2");
    assert!(matches!(place.store().load(), Err(StateError::Key { .. })), "not without it");
    let other = place.keyed(Some("another key"));
    assert!(matches!(other.lock(holder("apply"), Duration::ZERO), Err(StateError::Key { .. })));
    assert_eq!(place.store().holder().expect("read"), None, "what cannot be read is not held");
}

/// Three snapshots of one tool more each, and one more in the journal.
fn lived() -> Place {
    let place = Place::new();
    for n in 0..3 {
        let mut session = place.lock();
        session.append(&[put(&format!("t{n}"), "1")]).expect("durable");
        session.snapshot(&place.state()).expect("written");
    }
    place.lock().append(&[put("last", "1")]).expect("durable");
    place
}

fn recovered(place: &Place) -> (State, usize) {
    place.store().recover(&holder("state recover"), Duration::from_secs(5)).expect("recovered")
}

#[test]
fn a_damaged_state_is_rebuilt_from_what_is_whole() {
    // The newest snapshot is damaged: the one before it is taken, and what came after it is counted.
    let place = lived();
    let newest = place.head()["snapshot"]["name"].as_str().expect("a name").to_string();
    place.objects.tamper(&newest, Some(b"damaged".to_vec()));
    assert!(matches!(place.store().load(), Err(StateError::Corrupt { .. })));
    let before = place.state_of_head();
    let (state, behind) = recovered(&place);
    assert_eq!(state.tools.keys().collect::<Vec<_>>(), ["t0", "t1"]);
    assert_eq!(behind, 2, "those of the damaged snapshot, and the record in the head that follows it");
    assert!(state.serial.0 > before.0, "no serial is given out twice");
    assert_eq!(place.state().tools, state.tools);
    assert!(place.objects.names().iter().any(|n| n.starts_with("old-")), "what was damaged is kept");
    let session = place.lock();
    assert_eq!(session.loaded().state.lineage, before.1);
    drop(session);
    assert_eq!(place.store().history().expect("read").len(), 3, "the damaged one is not in it");

    // A head that is empty, cut, or gone: the newest snapshot is found by its name.
    for damage in [Some(vec![]), Some(b"{\"format\": 1".to_vec()), None] {
        let place = lived();
        let before = place.state_of_head();
        place.objects.tamper("head", damage);
        assert!(place.store().has_pieces().expect("listed"));
        let (state, _) = recovered(&place);
        assert_eq!(state.tools.keys().collect::<Vec<_>>(), ["t0", "t1", "t2"]);
        assert_eq!((&state.lineage, place.state().tools), (&before.1, state.tools.clone()));
        place.lock().append(&[put("more", "1")]).expect("durable");
    }

    // No snapshot can be read: it is told, and the lock is free.
    let place = lived();
    let all = place.objects.names();
    all.iter().filter(|n| n.starts_with("snapshot")).for_each(|n| place.objects.tamper(n, Some(vec![1])));
    let none = place.store().recover(&holder("state recover"), Duration::from_secs(5));
    assert!(matches!(none, Err(StateError::Corrupt { .. })), "{none:?}");
    assert_eq!(place.store().holder().expect("read"), None, "the lock was given back");

    // Nothing of it is left.
    let place = lived();
    place.objects.names().iter().for_each(|n| place.objects.tamper(n, None));
    let nothing = place.store().recover(&holder("state recover"), Duration::ZERO);
    assert!(matches!(nothing, Err(StateError::Corrupt { .. })), "{nothing:?}");
    assert_eq!(place.objects.names(), Vec::<String>::new(), "nothing is made of nothing");
}

#[test]
fn segments_are_found_when_the_head_is_gone() {
    let place = Place::patient();
    let mut session = place.lock();
    session.append(&[put("first", "1")]).expect("durable");
    session.snapshot(&place.state()).expect("written");
    for n in 0..4 {
        session.append(&[large(&format!("large{n}"), 60_000)]).expect("durable");
    }
    drop(session);
    let before = place.state();
    assert!(place.objects.names().iter().filter(|n| n.starts_with("segment")).count() >= 2);
    place.objects.tamper("head", Some(vec![]));
    let (state, _) = recovered(&place);
    assert!(state.tools.len() >= 3 && state.tools.len() < before.tools.len(), "{:?}", state.tools.keys());
    assert!(state.tools.iter().all(|(addr, entry)| before.tools[addr] == *entry));
}

#[test]
fn a_held_state_is_neither_recovered_nor_set_aside_nor_sealed_anew() {
    let place = Place::patient();
    let session = place.lock();
    let key = || Some(Key::from_text("key"));
    let by = holder("state recover");
    let locked = |r: Result<(), StateError>| assert!(matches!(r, Err(StateError::Locked(_))), "{r:?}");
    // A renewal has to be seen, or a TTL to pass.
    let renews = std::thread::scope(|scope| {
        let beats = scope.spawn(|| {
            for n in 0..60 {
                place.edit_head(|head| head["write"] = format!("write {n}").into());
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        locked(place.store().recover(&by, Duration::ZERO).map(drop));
        locked(place.store().set_aside(&by, Duration::ZERO));
        locked(place.store().rekey(&by, Duration::ZERO, key(), false).map(drop));
        beats.join()
    });
    renews.expect("the holder renews");
    drop(session);
}

#[test]
fn what_a_holder_has_begun_that_was_taken_over_is_waited_for_until_nothing_is_open() {
    let place = Place::new();
    let by = |pid: u32, machine: &str| Holder { pid, machine: machine.into(), ..holder("apply") };
    // Nobody renews: who comes next takes over after a short while.
    let hush = || place.edit_head(|head| head["ttl_ms"] = (TTL.as_millis() as u64).into());
    let enter = |by: Holder| {
        let patient = place.store().with_ttl(Duration::from_secs(60));
        let session = patient.lock(by, Duration::from_secs(5)).expect("taken over");
        hush();
        session
    };
    let mut begun = entry("1", None);
    (begun.status, begun.id) = (Status::Creating, None);
    let mut first = enter(holder("apply"));
    first.append(&[Record::Begin { addr: "a".into(), entry: Arc::new(begun) }]).expect("durable");
    hush();
    // The first one ran somewhere else: what it had begun may still run.
    let second = enter(by(2, "elsewhere"));
    assert_eq!(second.may_run().len(), 1);
    let kept = second.loaded().state.clone();
    let mut third = enter(by(3, "elsewhere"));
    assert_eq!(third.may_run().len(), 2, "each of whom it was taken");
    third.snapshot(&kept).expect("written");
    assert_eq!(third.may_run().len(), 2, "something is still open");
    third.append(&[put("a", "1")]).expect("durable");
    third.snapshot(&place.state()).expect("written");
    assert_eq!(third.may_run(), vec![], "nothing is open any more");
    hush();
    // A process that ran here and has ended runs nothing.
    let mut child = std::process::Command::new("true").spawn().expect("a process");
    let gone = by(child.id(), &Holder::this_machine());
    assert!(!gone.has_ended(), "it is not waited for yet");
    child.wait().expect("ended");
    assert!(gone.has_ended() && !by(1, "elsewhere").has_ended() && !holder("apply").has_ended());
    let fourth = enter(gone);
    assert_eq!(fourth.may_run().len(), 1);
    let fifth = enter(by(5, "elsewhere"));
    assert_eq!(fifth.may_run().len(), 1, "the one that has ended is not among them");
    drop((first, second, third, fourth, fifth));
    // A person says that all have.
    assert_eq!(place.store().may_run().expect("read").len(), 1);
    place.store().nobody_runs(&holder("state unlock")).expect("written");
    assert_eq!(place.store().may_run().expect("read"), vec![]);
}

#[test]
fn a_state_is_set_aside_and_begun_anew() {
    let place = lived();
    let before = place.state_of_head();
    place.store().set_aside(&holder("apply"), Duration::from_secs(5)).expect("done");
    assert_eq!(place.tools(), Vec::<String>::new());
    assert_ne!(place.state().lineage, before.1);
    place.lock().append(&[put("new", "1")]).expect("durable");
    assert_eq!(place.tools(), ["new"]);
    assert!(place.objects.names().iter().any(|n| n.starts_with("old-")), "the old head is kept");
}

#[test]
fn another_key_seals_state_and_history() {
    let place = Place::new();
    for (n, token) in ["first-token", "second-token"].into_iter().enumerate() {
        let mut session = place.keyed(Some("old")).lock(holder("apply"), Duration::ZERO).expect("free");
        let tool = Arc::new(entry("1", Some(token)));
        session.append(&[Record::Put { addr: format!("t{n}").into(), entry: tool }]).expect("durable");
        let state = place.keyed(Some("old")).load().expect("whole").state;
        session.snapshot(&state).expect("written");
    }
    let before = place.keyed(Some("old")).load().expect("whole").state;
    let kept = place.keyed(Some("old")).history().expect("read");
    let by = holder("state rekey");
    let no_key = place.keyed(Some("old")).rekey(&by, Duration::ZERO, None, false);
    assert!(matches!(no_key, Err(StateError::NeedsKey { .. })), "{no_key:?}");
    let wrong = place.keyed(Some("wrong")).rekey(&by, Duration::ZERO, Some(Key::from_text("new")), false);
    assert!(matches!(wrong, Err(StateError::Key { .. })), "{wrong:?}");
    assert_eq!(place.keyed(Some("old")).load().expect("whole").state, before, "the old key stands");
    place.keyed(Some("old")).rekey(&by, Duration::ZERO, Some(Key::from_text("new")), false).expect("sealed");
    let new = place.keyed(Some("new"));
    assert_eq!(new.load().expect("whole").state.tools, before.tools);
    assert_eq!(new.history().expect("read"), kept, "the history says what it said");
    let first = new.at(kept[1].serial).expect("opened").expect("kept");
    assert_eq!(first.tools["t0"].outputs["token"]["v"], "first-token");
    assert!(matches!(place.keyed(Some("old")).load(), Err(StateError::Key { .. })));

    // The key is lost.
    let lost = place.keyed(Some("third"));
    assert_eq!(lost.rekey(&by, Duration::ZERO, None, true).expect("sealed"), 2, "secrets that are gone");
    assert_eq!(lost.load().expect("whole").state.tools.len(), 2);
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        4 => Just(Mishap::Well),
        1 => Just(Mishap::AnswerLost),
        1 => Just(Mishap::RequestLost),
        1 => Just(Mishap::Busy(Duration::from_millis(1))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever happens to requests: a batch that counts as durable is there, once and in order.
    #[test]
    fn batches_survive_every_mishap(
        puts in prop::collection::vec(mishap(), 0..12),
        gets in prop::collection::vec(prop_oneof![3 => Just(Mishap::Well), 1 => Just(Mishap::AnswerLost), 1 => Just(Mishap::Stale)], 0..6),
        sizes in prop::collection::vec(prop_oneof![Just(10usize), Just(40_000), Just(90_000)], 1..8),
        snapshot in 0usize..8,
    ) {
        let place = Place::patient();
        let mut session = place.lock();
        place.objects.next_puts(puts);
        place.objects.next_gets(gets);
        let mut model = session.loaded().state.clone();
        for (n, size) in sizes.iter().enumerate() {
            let record = large(&format!("t{n}"), *size);
            model.serial = session.append(std::slice::from_ref(&record)).expect("durable");
            model.apply(record);
            if n == snapshot {
                session.snapshot(&model).expect("written");
            }
        }
        drop(session);
        place.objects.next_puts(std::iter::empty());
        let found = place.state();
        prop_assert_eq!(found.serial.0, sizes.len() as u64);
        prop_assert_eq!(found.tools, model.tools);
    }
}
