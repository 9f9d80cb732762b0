//! The laws of the walk and of an operation, under paused time and without a process.

use super::{Outcome, StopLevel};
use crate::address::ToolAddr;
use crate::event::Event;
use crate::plugin::double::Fault;
use crate::state::{Record, Status};
use crate::testing::{Bench, came_of, program, shown};
use dtm_plugin::protocol::Method;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const A: &str = r#"tool a: cloud.Thing { name = "a" }"#;

/// `a`, then `b` and `c`, then `d`; `e` on its own.
const DIAMOND: &str = r#"tool a: cloud.Thing { name = "a" }
tool b: cloud.Disk { label = "b", thing = a.url }
tool c: cloud.Disk { label = "c", thing = a.url }
tool d: cloud.Job { script = "d" } with { after = [b, c] }
tool e: cloud.Thing { name = "e" }"#;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn same(outcome: &Outcome, expected: Expect) {
    expected.assert_eq(&came_of(outcome));
}

/// What the state records: each tool with its status and whether it has an id.
fn recorded(bench: &Bench) -> String {
    let state = bench.state();
    let line = |(addr, e): (&ToolAddr, &std::sync::Arc<crate::state::Entry>)| {
        let id = if e.id.is_some() { "with an id" } else { "without an id" };
        format!("{addr} {:?} {id}\n", e.status)
    };
    state.tools.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_something_begins_after_it() {
    let bench = Bench::new();
    bench.cloud.delay("a", seconds(10));
    bench.cloud.delay("b", seconds(5));
    let began = tokio::time::Instant::now();
    same(
        &bench.apply(DIAMOND).await,
        expect![[r#"
        a create
        b create
        c create
        d create
        e create
    "#]],
    );
    let log = bench.cloud.log();
    let at = |line: &str| log.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line} in {log:?}"));
    assert!(at("create a") < at("create b") && at("create a") < at("create c"));
    assert!(at("create b") < at("create d") && at("create c") < at("create d"));
    assert!(at("create e") < at("create b"), "what waits for nothing does not wait");
    assert_eq!(began.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_goes_in_the_opposite_order() {
    let bench = Bench::with(DIAMOND).await;
    let plan = bench.destroy().await;
    same(
        &bench.carry_out(None, plan).await,
        expect![[r#"
        a delete
        b delete
        c delete
        d delete
        e delete
    "#]],
    );
    let log = bench.cloud.log();
    let at = |line: &str| log.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line} in {log:?}"));
    assert!(at("delete d") < at("delete b") && at("delete c") < at("delete a"));
}

#[tokio::test]
async fn no_more_run_at_once_than_are_allowed_and_as_many_as_are() {
    for (parallelism, limit, most) in
        [(7, None, 7), (1, None, 1), (0, None, 1), (10, Some(3), 3), (2, Some(9), 2)]
    {
        let mut bench = Bench::new();
        bench.options.parallelism = parallelism;
        bench.options.limits = limit.map(|n| ("cloud".to_string(), n)).into_iter().collect();
        // Nothing ends before as many run as may: with fewer, this would never end.
        bench.cloud.gather(most);
        let tools: String =
            (0..most * 3).map(|i| format!("tool t{i}: cloud.Thing {{ name = \"t{i}\" }}\n")).collect();
        let outcome = tokio::time::timeout(seconds(60), bench.apply(&tools)).await;
        assert!(outcome.is_ok_and(|o| o.is_complete()), "{parallelism} at once, {limit:?} of the plugin");
        assert_eq!(bench.cloud.most(), most, "{parallelism} at once, {limit:?} of the plugin");
    }
}

#[tokio::test]
async fn a_plugin_that_cannot_be_used_leaves_open_what_was_begun() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "a", Fault::Unusable);
    same(
        &bench.apply(A).await,
        expect![[r#"
        a failed: E0705 `a`: it is given up
    "#]],
    );
    assert_eq!(recorded(&bench), "a Creating without an id\n");
    assert!(bench.apply(A).await.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_failure_takes_what_depends_on_it_and_nothing_else() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "b", Fault::Clean);
    same(
        &bench.apply(DIAMOND).await,
        expect![[r#"
        a create
        c create
        e create
        b failed: E0704 `b`: it failed
        d skipped because of b
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn after_the_first_failure_nothing_new_begins_where_that_is_wanted() {
    let mut bench = Bench::new();
    bench.options.fail_fast = true;
    bench.options.parallelism = 1;
    bench.cloud.fail(Method::Create, "a", Fault::Clean);
    same(
        &bench.apply(&format!("{A}\ntool z: cloud.Thing {{ name = \"z\" }}")).await,
        expect![[r#"
        a failed: E0704 `a`: it failed
        z stopped
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn a_create_that_changed_nothing_is_not_recorded() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "a", Fault::Clean);
    same(
        &bench.apply(A).await,
        expect![[r#"
        a failed: E0704 `a`: it failed
    "#]],
    );
    assert_eq!(recorded(&bench), "");
    assert!(bench.apply(A).await.is_complete());
    assert_eq!(bench.cloud.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_failed_half_way_is_completed_and_not_repeated() {
    for (fault, expected) in
        [(Fault::Partial, "a Broken with an id\n"), (Fault::Nonsense, "a Broken with an id\n")]
    {
        let bench = Bench::new();
        bench.cloud.fail(Method::Create, "a", fault.clone());
        assert!(!bench.apply(A).await.is_complete());
        assert_eq!(recorded(&bench), expected, "{fault:?}");
        assert!(bench.apply(A).await.is_complete(), "{fault:?}");
        assert_eq!(
            (recorded(&bench).as_str(), bench.cloud.objects().len()),
            ("a Ok with an id\n", 1),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_of_which_nothing_is_known_is_looked_for_and_not_repeated() {
    for fault in [Fault::TimedOut, Fault::Vague] {
        let bench = Bench::new();
        bench.cloud.fail(Method::Create, "a", fault.clone());
        assert!(!bench.apply(A).await.is_complete());
        assert_eq!(recorded(&bench), "a Creating without an id\n", "{fault:?}");
        assert!(bench.apply(A).await.is_complete(), "{fault:?}");
        assert_eq!(
            (recorded(&bench).as_str(), bench.cloud.objects().len()),
            ("a Ok with an id\n", 1),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_process_is_found_out_about_and_nothing_is_made_twice() {
    let kinds = [A, r#"tool a: cloud.Disk { label = "a" }"#, r#"tool a: cloud.Job { script = "a" }"#];
    for text in kinds {
        for fault in [Fault::LostBefore, Fault::LostAfter] {
            let bench = Bench::new();
            bench.cloud.fail(Method::Create, "a", fault.clone());
            let outcome = bench.apply(text).await;
            assert!(outcome.is_complete(), "{text} {fault:?}: {}", came_of(&outcome));
            assert_eq!(bench.cloud.objects().len(), 1, "{text} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_process_of_which_nobody_can_find_out_is_left_to_a_person() {
    let bench = Bench::new();
    let text = r#"tool n: cloud.Note { text = "n" }"#;
    bench.cloud.fail(Method::Create, "n", Fault::LostAfter);
    same(
        &bench.apply(text).await,
        expect![[r#"
        n failed: E0607 `n`: its outcome could not be determined: its kind does not support this
    "#]],
    );
    assert_eq!(recorded(&bench), "n Creating without an id\n");
    expect![[r#"
        n no-op
        E0612: `n` was interrupted while creating
    "#]]
    .assert_eq(&shown(&bench.plan(text).await));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_lost_twice_is_the_cause_itself() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "a", Fault::LostBefore);
    bench.cloud.fail(Method::Create, "a", Fault::LostBefore);
    same(
        &bench.apply(A).await,
        expect![[r#"
        a failed: E0705 `a`: its plugin crashed: it was killed
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_after_the_pause_that_the_plugin_asks_for() {
    let bench = Bench::new();
    (0..3).for_each(|_| bench.cloud.fail(Method::Create, "a", Fault::Retryable(2_000)));
    let began = tokio::time::Instant::now();
    assert!(bench.apply(A).await.is_complete());
    assert_eq!(began.elapsed().as_secs(), 6);
    let retries = bench
        .events
        .lock()
        .expect("not poisoned")
        .iter()
        .filter(|e| matches!(e, Event::Retrying { .. }))
        .count();
    assert_eq!(retries, 3);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_not_tried_for_ever() {
    let mut bench = Bench::new();
    bench.options.retries = 2;
    (0..9).for_each(|_| bench.cloud.fail(Method::Create, "a", Fault::Retryable(1)));
    same(
        &bench.apply(A).await,
        expect![[r#"
        a failed: E0704 `a`: it is busy
    "#]],
    );
    assert_eq!(bench.cloud.log().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_longer_than_a_run_lasts_is_a_failure() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "a", Fault::Retryable(1_000_000_000_000));
    same(
        &bench.apply(A).await,
        expect![[r#"
        a failed: E0704 `a`: it is busy
    "#]],
    );
    assert_eq!(bench.cloud.log().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changed_nothing_leaves_what_is_recorded() {
    let bench = Bench::with(A).await;
    bench.cloud.fail(Method::Update, "a", Fault::Clean);
    let text = r#"tool a: cloud.Thing { name = "a", size = 2 }"#;
    same(
        &bench.apply(text).await,
        expect![[r#"
        a failed: E0704 `a`: it failed
    "#]],
    );
    assert_eq!(recorded(&bench), "a Ok with an id\n");
    expect![[r#"
        a update
          size: 1 -> 2
    "#]]
    .assert_eq(&shown(&bench.plan(text).await));
}

#[tokio::test(start_paused = true)]
async fn an_update_of_which_nothing_is_known_is_done_again() {
    for fault in
        [Fault::Partial, Fault::Vague, Fault::TimedOut, Fault::Nonsense, Fault::LostBefore, Fault::LostAfter]
    {
        let bench = Bench::with(A).await;
        bench.cloud.fail(Method::Update, "a", fault.clone());
        let text = r#"tool a: cloud.Thing { name = "a", size = 2 }"#;
        if !bench.apply(text).await.is_complete() {
            assert_eq!(recorded(&bench), "a Broken with an id\n", "{fault:?}");
            assert!(bench.apply(text).await.is_complete(), "{fault:?}");
        }
        assert_eq!(recorded(&bench), "a Ok with an id\n", "{fault:?}");
        assert!(bench.plan(text).await.is_empty(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_deletes_first_or_creates_first() {
    let disk = |label: &str, options: &str| format!("tool d: cloud.Thing {{ name = \"{label}\" }}{options}");
    let bench = Bench::with(&disk("a", "")).await;
    assert!(bench.apply(&disk("b", "")).await.is_complete());
    assert_eq!(bench.cloud.log(), ["delete a", "create b"]);
    let first = " with { replace = \"create-first\" }";
    assert!(bench.apply(&disk("c", first)).await.is_complete());
    assert_eq!(bench.cloud.log(), ["create c", "delete b"]);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_cannot_create_says_so_and_is_completed_later() {
    let bench = Bench::with(A).await;
    let text = r#"tool a: cloud.Thing { name = "b" }"#;
    bench.cloud.fail(Method::Create, "b", Fault::Clean);
    same(
        &bench.apply(text).await,
        expect![[r#"
            a delete
            a failed: E0704 `a`: it failed
        "#]],
    );
    assert!(bench.cloud.objects().is_empty() && bench.state().tools.is_empty());
    assert!(bench.apply(text).await.is_complete());
    assert_eq!(bench.cloud.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_object_that_cannot_be_deleted_stays_recorded() {
    let first = |name: &str| {
        format!("tool a: cloud.Thing {{ name = \"{name}\" }} with {{ replace = \"create-first\" }}")
    };
    let bench = Bench::with(&first("a")).await;
    bench.cloud.fail(Method::Delete, "a", Fault::Clean);
    same(
        &bench.apply(&first("b")).await,
        expect![[r#"
            a replace
            a failed: E0704 `a`: it failed
        "#]],
    );
    assert_eq!(bench.state().tools["a"].retired.len(), 1);
    expect![[r#"
        a read: the object that it replaced has yet to be deleted
    "#]]
    .assert_eq(&shown(&bench.plan(&first("b")).await));
    assert!(bench.apply(&first("b")).await.is_complete());
    assert_eq!((bench.state().tools["a"].retired.len(), bench.cloud.objects().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_the_plan_is_not_overwritten() {
    for text in [r#"tool a: cloud.Thing { name = "a", size = 2 }"#, r#"tool a: cloud.Thing { name = "b" }"#] {
        let bench = Bench::with(A).await;
        let plan = bench.plan(text).await;
        bench.cloud.edit("a", "tags", json!(["mine"]));
        let outcome = bench.carry_out(Some(program(text)), plan).await;
        assert_eq!(outcome.failed[0].1.code.to_string(), "E0616", "{text}");
        assert!(bench.cloud.log().is_empty(), "{text}: nothing was changed");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_into_being_since_the_plan_is_not_overwritten() {
    let bench = Bench::new();
    let plan = bench.plan(A).await;
    bench.cloud.put("Thing", json!({ "name": "a" }));
    same(
        &bench.carry_out(Some(program(A)), plan).await,
        expect![[r#"
        a failed: E0601 `a`: it already exists, as "thing-1"
    "#]],
    );
    assert!(bench.cloud.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_does_not_wait_for_others_of_its_plugin() {
    let bench = Bench::with(A).await;
    bench.cloud.delay("slow", seconds(100));
    let text = "tool a: cloud.Thing { name = \"a\", size = 2 }\ntool slow: cloud.Thing { name = \"slow\" }";
    let plan = bench.plan(text).await;
    let began = tokio::time::Instant::now();
    let ended = bench.carry_out(Some(program(text)), plan).await;
    assert!(ended.is_complete(), "{}", came_of(&ended));
    assert_eq!(began.elapsed().as_secs(), 100);
    let events = bench.events.lock().expect("not poisoned");
    let at =
        |addr: &str| events.iter().position(|e| matches!(e, Event::Finished { addr: a, .. } if a == addr));
    assert!(at("a") < at("slow"), "the look at `a` before its update needs no turn of its own");
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_since_the_plan_is_not_updated() {
    let bench = Bench::with(A).await;
    let text = r#"tool a: cloud.Thing { name = "a", size = 2 }"#;
    let plan = bench.plan(text).await;
    bench.cloud.remove("a");
    same(
        &bench.carry_out(Some(program(text)), plan).await,
        expect![[r#"
        a failed: E0616 `a`: it no longer exists, although it did when the plan was made
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn two_keys_that_turn_out_to_be_one_are_refused() {
    let text = "tool a: cloud.Thing { name = \"a\" }\ntool b: cloud.Thing { name = \"x${a.generation}\" }\ntool c: cloud.Thing { name = \"x1\" }";
    let bench = Bench::new();
    let outcome = bench.apply(text).await;
    assert_eq!(outcome.failed[0].1.code.to_string(), "E0603", "{}", came_of(&outcome));
    assert_eq!(bench.cloud.objects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_conditional_change_that_turns_out_to_be_none_is_none() {
    let of = |size: u8| {
        format!(
            "tool a: cloud.Thing {{ name = \"a\", size = {size} }}\ntool d: cloud.Disk {{ label = \"d\", thing = if a.generation > 100 then \"old\" else \"new\" }}"
        )
    };
    let bench = Bench::with(&of(1)).await;
    expect![[r#"
        a update
          size: 1 -> 2
        d update perhaps
          thing: "new" -> (unknown)
    "#]]
    .assert_eq(&shown(&bench.plan(&of(2)).await));
    same(
        &bench.apply(&of(2)).await,
        expect![[r#"
        a update
    "#]],
    );
    assert_eq!(bench.state().tools["d"].inputs["thing"], json!("new"), "what was not known is not recorded");
    assert_eq!(bench.cloud.log(), ["update a"]);
}

#[tokio::test(start_paused = true)]
async fn every_change_is_durable_before_it_begins() {
    let bench = Bench::with(A).await;
    let before = bench.store.batches().len();
    assert!(bench.apply(r#"tool a: cloud.Thing { name = "a", size = 2 }"#).await.is_complete());
    let kinds: Vec<&str> = bench.store.batches()[before..]
        .iter()
        .flatten()
        .map(|record| match record {
            Record::Begin { .. } => "begin",
            Record::Put { .. } => "put",
            Record::Checkpoint { .. }
            | Record::Remove { .. }
            | Record::Move { .. }
            | Record::Outputs { .. }
            | Record::Root { .. }
            | Record::Consumed(_)
            | Record::Moved { .. }
            | Record::Key { .. } => "other",
        })
        .collect();
    assert_eq!(kinds, ["begin", "put"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_that_cannot_be_recorded() {
    let bench = Bench::new();
    bench.store.fail_after(0);
    let outcome = bench.apply(&format!("{A}\ntool z: cloud.Thing {{ name = \"z\" }}")).await;
    assert!(outcome.failed.iter().all(|(_, d)| d.code.to_string() == "E0807"), "{}", came_of(&outcome));
    assert!(bench.cloud.log().is_empty() && bench.cloud.objects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_ended_and_could_not_be_recorded_is_spilled() {
    let bench = Bench::new();
    bench.store.fail_after(1);
    let outcome = bench.apply(A).await;
    assert!(!outcome.is_complete());
    assert_eq!(bench.cloud.objects().len(), 1);
    assert!(matches!(&bench.store.spilled()[..], [Record::Put { entry, .. }] if entry.status == Status::Ok));
}

/// Applies while something else happens after so many seconds.
async fn stopped(bench: &Bench, text: &str, at: &[(u64, StopLevel)]) -> Outcome {
    let interrupt = async {
        for (after, level) in at {
            tokio::time::sleep(seconds(*after)).await;
            bench.stop.send_replace(*level);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = bench.apply(text) => outcome,
        () = interrupt => unreachable!("it never ends"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_finishes_what_runs_and_starts_nothing_new() {
    let bench = Bench::new();
    bench.cloud.delay("a", seconds(100));
    let outcome = stopped(&bench, DIAMOND, &[(10, StopLevel::Drain)]).await;
    same(
        &outcome,
        expect![[r#"
            a create
            e create
            b stopped
            c stopped
            d stopped
        "#]],
    );
    assert!(outcome.interrupted);
    assert_eq!(*bench.cloud.told.lock().expect("not poisoned"), ["stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_again_cancels_and_then_kills() {
    let bench = Bench::new();
    bench.cloud.delay("a", seconds(100));
    let at = [(10, StopLevel::Drain), (10, StopLevel::Cancel), (10, StopLevel::Kill)];
    stopped(&bench, A, &at).await;
    assert_eq!(*bench.cloud.told.lock().expect("not poisoned"), ["stop", "stop", "cancel", "stop", "kill"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_next_try_ends_when_the_run_is_stopped() {
    let bench = Bench::new();
    bench.cloud.fail(Method::Create, "a", Fault::Retryable(600_000));
    let began = tokio::time::Instant::now();
    same(
        &stopped(&bench, A, &[(5, StopLevel::Drain)]).await,
        expect![[r#"
        a failed: E0704 `a`: it is busy
    "#]],
    );
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[test]
fn levels_rise_one_by_one_and_end_with_kill() {
    let mut level = StopLevel::default();
    let mut seen = vec![];
    for _ in 0..5 {
        level = level.raised();
        seen.push(u8::from(level));
    }
    assert_eq!(seen, [1, 2, 3, 3, 3]);
    assert!(!StopLevel::Run.is_stopping() && StopLevel::Drain.is_stopping());
}

/// A random graph: for each tool, those before it that it depends on; and the tools that fail.
fn graphs() -> impl Strategy<Value = (Vec<BTreeSet<usize>>, BTreeSet<usize>, usize)> {
    (1usize..14).prop_flat_map(|n| {
        let deps =
            (0..n).map(|i| proptest::collection::btree_set(0..i.max(1), 0..3.min(i + 1))).collect::<Vec<_>>();
        (deps, proptest::collection::btree_set(0..n, 0..3), 1usize..5)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn in_every_graph_everything_is_done_failed_or_skipped_and_in_order((deps, failing, parallelism) in graphs()) {
        let deps: Vec<BTreeSet<usize>> =
            deps.into_iter().enumerate().map(|(i, d)| d.into_iter().filter(|n| *n < i).collect()).collect();
        let text: String = deps
            .iter()
            .enumerate()
            .map(|(i, before)| {
                let after: Vec<String> = before.iter().map(|n| format!("t{n}")).collect();
                format!("tool t{i}: cloud.Thing {{ name = \"t{i}\" }} with {{ after = [{}] }}\n", after.join(", "))
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let (outcome, log, state) = runtime.block_on(async {
            let mut bench = Bench::new();
            bench.options.parallelism = parallelism;
            failing.iter().for_each(|i| bench.cloud.fail(Method::Create, &format!("t{i}"), Fault::Clean));
            (0..deps.len()).for_each(|i| bench.cloud.delay(&format!("t{i}"), seconds(1 + (i as u64 * 7) % 5)));
            let outcome = bench.apply(&text).await;
            (outcome, bench.cloud.log(), bench.state())
        });
        let tool = |i: usize| ToolAddr::from(format!("t{i}"));
        let mut bad: BTreeSet<usize> = BTreeSet::new();
        let mut failed: BTreeSet<ToolAddr> = BTreeSet::new();
        for (i, before) in deps.iter().enumerate() {
            if before.iter().any(|n| bad.contains(n)) {
                bad.insert(i);
            } else if failing.contains(&i) {
                bad.insert(i);
                failed.insert(tool(i));
            }
        }
        let names = |list: Vec<ToolAddr>| list.into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(names(outcome.failed.iter().map(|f| f.0.clone()).collect()), failed.clone());
        let skipped = bad.iter().map(|i| tool(*i)).filter(|name| !failed.contains(name));
        prop_assert_eq!(names(outcome.skipped.iter().map(|s| s.0.clone()).collect()), skipped.collect::<BTreeSet<_>>());
        let good: BTreeSet<ToolAddr> = (0..deps.len()).filter(|i| !bad.contains(i)).map(tool).collect();
        prop_assert_eq!(names(state.tools.keys().cloned().collect()), good);
        let at = |i: usize| log.iter().position(|l| *l == format!("create t{i}"));
        for (i, before) in deps.iter().enumerate().filter(|(i, _)| at(*i).is_some()) {
            prop_assert!(before.iter().all(|n| at(*n) < at(i)), "t{} after {:?} in {:?}", i, before, log);
        }
    }
}
