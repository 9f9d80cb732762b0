//! The stores pass the contract of stores, and what the local one survives.
//!
//! A program of its own, which starts no process: a child inherits an open lock file, and holds its lock, until it calls
//! `exec`. Beside tests that start processes, a lock that was just released would sometimes still be taken.

use dtm_engine::Fields;
use dtm_engine::secret::{Key, Redactor};
use dtm_engine::state::local::LocalStore;
use dtm_engine::state::memory::MemoryStore;
use dtm_engine::state::place::{BACKENDS, Backend, Opening, Place as StatePlace};
use dtm_engine::state::{Entry, FORMAT, Record, State, StateError, StateStore, Status};
use dtm_tests::contract::{contract, entry, holder, put};
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn the_local_store_keeps_the_contract() {
    let root = tempfile::tempdir().expect("a directory");
    contract(|case| {
        let folder = root.path().join(case);
        Box::new(LocalStore::new(folder.join("state"), None, folder.join("keys"), Redactor::default()))
    });
}

#[test]
fn the_double_in_memory_keeps_the_contract() {
    contract(|_| Box::new(MemoryStore::default()));
}

/// A backend that somebody adds: all of it is here, but for its line in `BACKENDS`.
struct Toy;

impl Backend for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }
    fn interface(&self) -> &'static str {
        "dts 1\n\nplugin toy\n\nsettings {\n  shelf: string\n}\n"
    }
    fn options(&self, written: Fields) -> Result<Fields, String> {
        written.contains_key("shelf").then_some(written).ok_or_else(|| "`shelf` is missing".into())
    }
    fn shown(&self, options: &Fields) -> String {
        format!("toy://{}", options["shelf"].as_str().unwrap_or_default())
    }
    fn open(&self, _: &StatePlace, _: Opening<'_>) -> Result<Box<dyn StateStore>, StateError> {
        Ok(Box::new(MemoryStore::default()))
    }
}

#[test]
fn a_backend_is_one_type() {
    let opening = || Opening { root: Path::new("/"), key: None, keys: None, redactor: Redactor::default() };
    contract(|_| Toy.open(&StatePlace::default(), opening()).expect("opened"));
    let options = Toy.options(Fields::from_iter([("shelf".into(), "left".into())])).expect("its options");
    assert_eq!(Toy.shown(&options), "toy://left");
    let plugin = dtm_lang::read_interface("toy.dts", Toy.interface()).0.expect("an interface");
    assert!(plugin.settings.fields.contains_key("shelf"));
    for backend in BACKENDS {
        let (plugin, _, problems) = dtm_lang::read_interface("backend.dts", backend.interface());
        assert!(!problems.has_errors(), "{}: {problems:?}", backend.name());
        assert_eq!(&*plugin.expect("an interface").name, backend.name());
    }
}

#[test]
fn a_place_has_one_form() {
    let place = |text: &str| serde_json::from_str::<StatePlace>(text).map(|place| place.to_string());
    assert_eq!(place(r#"{"backend":"local"}"#).expect("a place"), ".dtm/state");
    assert_eq!(
        place(r#"{"backend":"s3","bucket":"b","key":"k","region":"r"}"#).expect("a place"),
        "s3://b/k"
    );
    assert!(place(r#"{"backend":"s3","bucket":"b"}"#).is_err(), "options are missing");
    assert!(place(r#"{"backend":"punchcards"}"#).is_err(), "no such backend");
    let short: StatePlace =
        serde_json::from_str(r#"{"backend":"s3","bucket":"b","key":"k","region":"r"}"#).expect("a place");
    let long: StatePlace = serde_json::from_str(
        r#"{"backend":"s3","bucket":"b","key":"k","region":"r","path_style":false,"sse":null}"#,
    )
    .expect("a place");
    assert_eq!(short, long, "defaults are filled in");
}

#[test]
fn the_double_is_strict_about_snapshots_and_fails_on_demand() {
    let store = MemoryStore::default();
    let mut session = store.lock(holder("apply"), Duration::ZERO).expect("free");
    session.append(&[put("a", "1")]).expect("durable");
    assert!(session.snapshot(&State::fresh()).is_err(), "a snapshot is what the records say");
    store.fail_after(0);
    assert!(session.append(&[put("b", "2")]).is_err());
    assert!(matches!(session.append(&[put("b", "2")]), Err(StateError::Closed(_))), "closed for good");
}

#[test]
fn a_newer_format_is_refused() {
    let newer = State { format: FORMAT + 1, ..State::fresh() };
    assert!(matches!(MemoryStore::with(newer).load(), Err(StateError::NewerFormat { .. })));
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("a directory") }
    }
    fn folder(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }
    fn store(&self) -> LocalStore {
        self.keyed(None)
    }
    fn keyed(&self, key: Option<&str>) -> LocalStore {
        LocalStore::new(
            self.folder(),
            key.map(Key::from_text),
            self.dir.path().join("keys"),
            Redactor::default(),
        )
    }
    /// A state with two tools: one in the snapshot, one in the journal.
    fn filled() -> Place {
        let place = Place::new();
        let store = place.store();
        let mut session = store.lock(holder("apply"), Duration::ZERO).expect("free");
        session.append(&[put("a", "1")]).expect("durable");
        let state = store.load().expect("whole").state;
        session.snapshot(&state).expect("written");
        session.append(&[put("b", "2")]).expect("durable");
        session.append(&[put("c", "3")]).expect("durable");
        place
    }
    fn tools(&self) -> Vec<String> {
        self.store().load().expect("whole").state.tools.keys().map(|addr| addr.to_string()).collect()
    }
    fn corrupt(&self, words: &str) {
        let error = self.store().load().expect_err("refused");
        assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(self.store().lock(holder("apply"), Duration::ZERO).is_err(), "the lock refuses it as well");
    }
    fn recover(&self) -> Vec<String> {
        self.store().recover(&holder("recover"), Duration::ZERO).expect("recovered");
        self.tools()
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::filled();
    for name in ["snapshot-1", "journal-1", "lock"] {
        let mode = std::fs::metadata(place.folder().join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn a_torn_tail_is_cut_by_the_holder_only_and_kept_beside() {
    let place = Place::filled();
    let journal = place.folder().join("journal-1");
    let whole = std::fs::read(&journal).expect("a journal").len();
    edit(&journal, |b| b.truncate(b.len() - 3));
    assert_eq!(place.tools(), ["a", "b"], "a reader stops there");
    assert_eq!(std::fs::read(&journal).expect("a journal").len(), whole - 3, "and cuts nothing");
    let session = place.store().lock(holder("apply"), Duration::ZERO).expect("repaired");
    assert!(session.loaded().notices[0].contains("cut off"), "{:?}", session.loaded().notices);
    assert!(
        std::fs::read_dir(place.folder()).expect("a folder").any(|e| e
            .expect("e")
            .file_name()
            .to_string_lossy()
            .starts_with("cut-"))
    );
    drop(session);
    assert_eq!(place.tools(), ["a", "b"]);
}

#[test]
fn a_damaged_record_with_whole_ones_after_it_is_corruption() {
    let place = Place::filled();
    let journal = place.folder().join("journal-1");
    edit(&journal, |b| {
        let at = b.windows(4).enumerate().filter(|(_, w)| *w == b"DTMJ").nth(1).expect("a record").0;
        b[at + 40] ^= 1;
    });
    place.corrupt("a record is damaged");
    let (state, behind) = place.store().recover(&holder("recover"), Duration::ZERO).expect("recovered");
    assert_eq!(state.tools.keys().collect::<Vec<_>>(), ["a"], "what is whole before it");
    assert_eq!(behind, 1, "and what is lost is told");
    assert_eq!(place.tools(), ["a"]);
}

#[test]
fn an_empty_snapshot_is_refused_and_rebuilt_from_the_pair_before() {
    let place = Place::filled();
    edit(&place.folder().join("snapshot-1"), Vec::clear);
    place.corrupt("it is empty");
    assert_eq!(place.recover(), ["a", "b", "c"]);
    let session = place.store().lock(holder("apply"), Duration::ZERO).expect("usable again");
    assert_eq!(session.loaded().state.tools.len(), 3);
}

#[test]
fn a_flipped_bit_in_a_snapshot_is_refused() {
    let place = Place::filled();
    edit(&place.folder().join("snapshot-1"), |b| {
        let middle = b.len() / 2;
        b[middle] ^= 4;
    });
    place.corrupt("checksum");
}

#[test]
fn a_missing_journal_is_refused() {
    let place = Place::filled();
    std::fs::remove_file(place.folder().join("journal-1")).expect("removed");
    place.corrupt("the journal of the newest snapshot is missing");
    assert_eq!(place.recover(), ["a"]);
}

#[test]
fn a_missing_snapshot_with_a_journal_of_records_is_refused() {
    let place = Place::filled();
    std::fs::remove_file(place.folder().join("snapshot-1")).expect("removed");
    place.corrupt("this journal has records, but its snapshot is missing");
    assert_eq!(place.recover(), ["a", "b", "c"]);
}

#[test]
fn a_state_that_was_there_and_is_gone_is_missing_and_comes_back_from_history() {
    let place = Place::filled();
    for name in ["snapshot-0", "journal-0", "snapshot-1", "journal-1"] {
        std::fs::remove_file(place.folder().join(name)).expect("removed");
    }
    assert!(matches!(place.store().load(), Err(StateError::Missing { .. })));
    assert!(matches!(place.store().lock(holder("apply"), Duration::ZERO), Err(StateError::Missing { .. })));
    assert_eq!(place.recover(), ["a"], "the newest of the history");
}

#[test]
fn a_switch_that_was_interrupted_before_its_commit_changes_nothing() {
    let place = Place::filled();
    // As after a crash between the new journal and the rename: a journal with a header only, and a temporary file.
    let header = std::fs::read(place.folder().join("journal-0")).expect("a journal");
    std::fs::write(place.folder().join("journal-2"), &header[..header.len().min(200)]).expect("written");
    std::fs::write(place.folder().join("snapshot.tmp"), b"half").expect("written");
    assert_eq!(place.tools(), ["a", "b", "c"]);
    let mut session = place.store().lock(holder("apply"), Duration::ZERO).expect("usable");
    let state = session.loaded().state.clone();
    session.snapshot(&state).expect("the switch works again");
    drop(session);
    assert_eq!(place.tools(), ["a", "b", "c"]);
}

#[test]
fn replaying_the_backup_pair_gives_the_snapshot() {
    let place = Place::filled();
    let newest = place.tools();
    std::fs::remove_file(place.folder().join("snapshot-1")).expect("removed");
    std::fs::remove_file(place.folder().join("journal-1")).expect("removed");
    assert_eq!(place.tools(), ["a"]);
    assert_eq!(newest, ["a", "b", "c"]);
}

#[test]
fn history_keeps_the_last_twenty() {
    let place = Place::new();
    let mut session = place.store().lock(holder("apply"), Duration::ZERO).expect("free");
    for n in 0..30 {
        session.append(&[put(&format!("t{n}"), "x")]).expect("durable");
        let state = place.store().load().expect("whole").state;
        session.snapshot(&state).expect("written");
    }
    assert_eq!(std::fs::read_dir(place.folder().join("history")).expect("a folder").count(), 20);
    let snapshots = std::fs::read_dir(place.folder())
        .expect("a folder")
        .filter(|e| e.as_ref().expect("e").file_name().to_string_lossy().starts_with("snapshot-"));
    assert_eq!(snapshots.count(), 2, "the newest and its backup");
}

#[test]
fn what_was_spilled_is_merged_by_the_next_holder() {
    let place = Place::filled();
    let open = Entry { status: Status::Creating, id: None, ..entry("9", None) };
    let mut session = place.store().lock(holder("apply"), Duration::ZERO).expect("free");
    session.append(&[Record::Begin { addr: "n".into(), entry: Arc::new(open) }]).expect("durable");
    session.spill(&[put("n", "9"), put("b", "other")]).expect("spilled");
    drop(session);
    let session = place.store().lock(holder("apply"), Duration::ZERO).expect("free");
    let tools = &session.loaded().state.tools;
    assert_eq!(
        (tools["n"].status, tools["n"].id.as_deref()),
        (Status::Ok, Some("9")),
        "the begin was open: taken"
    );
    assert_eq!(tools["b"].id.as_deref(), Some("2"), "another id: nothing is overwritten");
    assert!(
        session.loaded().notices.iter().any(|n| n.contains("`b` is `2` in the state and `other`")),
        "both are reported"
    );
}

#[test]
fn secrets_are_sealed_with_a_key_that_is_made_and_a_wrong_one_is_refused() {
    let place = Place::new();
    let mut session = place.store().lock(holder("apply"), Duration::ZERO).expect("free");
    session
        .append(&[Record::Put { addr: "p".into(), entry: Arc::new(entry("1", Some("hunter2-hunter2"))) }])
        .expect("durable");
    let notices = session.take_notices();
    assert!(notices[0].contains("sealed with a key that dtm created"), "told once: {notices:?}");
    let state = place.store().load().expect("whole").state;
    assert_eq!(state.tools["p"].outputs["token"]["v"], json!("hunter2-hunter2"));
    session.snapshot(&state).expect("written");
    drop(session);
    let clear = |folder: &Path| grep(folder, b"hunter2-hunter2");
    assert!(!clear(&place.folder()), "nothing in clear");
    assert!(matches!(place.keyed(Some("wrong")).load(), Err(StateError::Key { .. })));
    // Rotation seals everything anew, backup and history included.
    place
        .store()
        .rekey(&holder("rekey"), Duration::ZERO, Some(Key::from_text("new")), false)
        .expect("sealed anew");
    assert!(matches!(place.store().load(), Err(StateError::Key { .. })), "the old key does not open it");
    let state = place.keyed(Some("new")).load().expect("the new one does").state;
    assert_eq!(state.tools["p"].outputs["token"]["v"], json!("hunter2-hunter2"));
    assert!(!clear(&place.folder()));
    // A lost key costs the secrets and nothing else.
    std::fs::remove_dir_all(place.dir.path().join("keys")).expect("removed");
    let dropped = place.store().rekey(&holder("rekey"), Duration::ZERO, None, true).expect("dropped");
    assert_eq!(dropped, 1);
    let state = place.store().load().expect("whole").state;
    assert!(dtm_engine::secret::is_lost(&state.tools["p"].outputs["token"]));
}

fn grep(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).any(|p| {
        if p.is_dir() {
            grep(&p, needle)
        } else {
            std::fs::read(&p).expect("a file").windows(needle.len()).any(|w| w == needle)
        }
    })
}

/// One step of the model.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Remove(u8),
    Batch(Vec<(u8, u8)>),
    Snapshot,
    Reopen,
    /// A crash that loses so many bytes of the last write.
    Tear(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u8, any::<u8>()).prop_map(|(a, i)| Step::Put(a, i)),
        2 => (0..6u8).prop_map(Step::Remove),
        2 => prop::collection::vec((0..6u8, any::<u8>()), 1..5).prop_map(Step::Batch),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reopen),
        1 => (1..200u8).prop_map(Step::Tear),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was durable is there after every crash; what a crash tore is gone as a whole batch.
    #[test]
    fn a_local_state_is_what_a_model_says(steps in steps()) {
        let place = Place::new();
        let mut model: std::collections::BTreeMap<String, String> = Default::default();
        let mut before = model.clone();
        let mut torn_safe = false;
        let mut session = Some(place.store().lock(holder("apply"), Duration::ZERO).expect("free"));
        for step in steps {
            let live = session.as_mut().expect("a session");
            let name = |a: u8| format!("t{a}");
            match step {
                Step::Put(a, i) => {
                    before = model.clone();
                    live.append(&[put(&name(a), &i.to_string())]).expect("durable");
                    model.insert(name(a), i.to_string());
                    torn_safe = true;
                }
                Step::Remove(a) => {
                    before = model.clone();
                    live.append(&[Record::Remove { addr: name(a).into() }]).expect("durable");
                    model.remove(&name(a));
                    torn_safe = true;
                }
                Step::Batch(all) => {
                    before = model.clone();
                    let records: Vec<Record> = all.iter().map(|(a, i)| put(&name(*a), &i.to_string())).collect();
                    live.append(&records).expect("durable");
                    all.iter().for_each(|(a, i)| _ = model.insert(name(*a), i.to_string()));
                    torn_safe = true;
                }
                Step::Snapshot => {
                    let state = place.store().load().expect("whole").state;
                    live.snapshot(&state).expect("written");
                    torn_safe = false;
                }
                Step::Reopen => {
                    drop(session.take());
                    session = Some(place.store().lock(holder("apply"), Duration::ZERO).expect("free"));
                }
                Step::Tear(bytes) if torn_safe => {
                    drop(session.take());
                    let mut journals: Vec<_> = std::fs::read_dir(place.folder()).expect("a folder").map(|e| e.expect("e").path())
                        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("journal-"))).collect();
                    journals.sort_by_key(|p| p.to_string_lossy().rsplit('-').next().and_then(|n| n.parse::<u64>().ok()));
                    let last = journals.pop().expect("a journal");
                    edit(&last, |b| {
                        let start = b.windows(4).enumerate().filter(|(_, w)| *w == b"DTMJ").map(|(i, _)| i).max().expect("a record");
                        let keep = (b.len() - usize::from(bytes).min(b.len() - start)).max(start);
                        b.truncate(keep);
                    });
                    model = before.clone();
                    torn_safe = false;
                    session = Some(place.store().lock(holder("apply"), Duration::ZERO).expect("repaired"));
                }
                Step::Tear(_) => {}
            }
            let seen: std::collections::BTreeMap<String, String> = place.store().load().expect("whole").state.tools.into_iter()
                .map(|(a, e)| (a.to_string(), e.id.clone().expect("an id"))).collect();
            prop_assert_eq!(&seen, &model);
        }
    }
}

#[test]
fn a_journal_outlives_its_snapshot() {
    let place = Place::filled();
    let newest = std::fs::read_dir(place.folder()).expect("a folder").flatten().map(|e| e.path());
    let newest =
        newest.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("snapshot-"))).max();
    std::fs::write(newest.expect("a snapshot"), b"").expect("emptied");
    assert_eq!(place.recover(), ["a", "b", "c"], "what the pair before gives is what the snapshot said");
}

#[test]
fn what_cannot_be_recovered_is_counted() {
    let place = Place::filled();
    for name in ["snapshot-1", "journal-0"] {
        std::fs::remove_file(place.folder().join(name)).expect("removed");
    }
    std::fs::remove_dir_all(place.folder().join("history")).expect("removed");
    let (state, behind) = place.store().recover(&holder("recover"), Duration::ZERO).expect("recovered");
    assert_eq!((state.tools.len(), behind), (0, 3), "three records are known to have been written");
}

#[test]
fn a_change_of_key_that_was_interrupted_loses_none() {
    let place = Place::new();
    let mut session = place.store().lock(holder("apply"), Duration::ZERO).expect("free");
    let secret =
        |id: &str| Record::Put { addr: "p".into(), entry: Arc::new(entry(id, Some("hunter2-hunter2"))) };
    session.append(&[secret("1")]).expect("durable");
    session.snapshot(&place.store().load().expect("whole").state).expect("written");
    drop(session);
    let history = |place: &Place| {
        place.store().history().expect("a history").iter().map(|w| w.serial).collect::<Vec<_>>()
    };
    let kept = history(&place);
    let keys = place.dir.path().join("keys");
    let lineage = place.store().load().expect("whole").state.lineage;
    let (now, next) = (keys.join(&lineage), keys.join(format!("{lineage}.next")));
    let rekey = || place.store().rekey(&holder("rekey"), Duration::ZERO, None, false);
    for _ in 0..3 {
        // As it is left by a run that was killed before the new key was put in its place.
        let old = std::fs::read(&now).expect("a key");
        rekey().expect("sealed anew");
        std::fs::rename(&now, &next).expect("moved back");
        std::fs::write(&now, old).expect("put back");
        assert_eq!(
            place.store().load().expect("opens").state.tools["p"].outputs["token"]["v"],
            "hunter2-hunter2"
        );
    }
    rekey().expect("sealed anew");
    for serial in kept {
        let then = place.store().at(serial).expect("opens").expect("kept");
        assert_eq!(then.tools["p"].outputs["token"]["v"], "hunter2-hunter2", "the history too");
    }
    assert_eq!(std::fs::read_dir(&keys).expect("a folder").count(), 1, "one key is left");
}
