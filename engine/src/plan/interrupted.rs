//! The rows of the decision table for what was interrupted: found out, completed, and never done twice.

use super::table::{A, REST, check};
use crate::state::{OpKey, Status};
use crate::testing::Bench;
use expect_test::expect;

/// An operation on `a` that was interrupted with this status; `change` says what became of the object.
async fn interrupted(status: Status, change: impl FnOnce(&mut Bench)) -> Bench {
    let mut bench = Bench::with(A).await;
    bench.record("a", |entry| entry.status = status);
    change(&mut bench);
    bench
}

#[tokio::test]
async fn a_create_was_interrupted() {
    let none = |bench: &mut Bench| {
        bench.record("a", |entry| (entry.id, entry.absent_before) = (None, true));
    };
    let bench = interrupted(Status::Creating, none).await;
    check(
        &bench,
        A,
        expect![[r#"
        a update: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    let bench = interrupted(Status::Creating, |bench| {
        none(bench);
        bench.cloud.remove("a");
    })
    .await;
    check(
        &bench,
        A,
        expect![[r#"
        a create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    let unsure = |bench: &mut Bench| {
        bench.record("a", |entry| (entry.id, entry.absent_before) = (None, false));
    };
    check(
        &interrupted(Status::Creating, unsure).await,
        A,
        expect![[r#"
        a no-op
        E0612: `a` was interrupted while creating
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_create_was_interrupted_after_its_id_was_known() {
    check(
        &interrupted(Status::Creating, |_| {}).await,
        A,
        expect![[r#"
        a update: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_update_was_interrupted() {
    check(
        &interrupted(Status::Updating, |_| {}).await,
        A,
        expect![[r#"
        a update: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    check(
        &interrupted(Status::Updating, |b| b.cloud.remove("a")).await,
        A,
        expect![[r#"
        a create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_delete_was_interrupted() {
    check(
        &interrupted(Status::Deleting, |_| {}).await,
        A,
        expect![[r#"
        a replace: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    check(
        &interrupted(Status::Deleting, |b| b.cloud.remove("a")).await,
        A,
        expect![[r#"
        a create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_replacement_was_interrupted() {
    check(
        &interrupted(Status::Replacing, |_| {}).await,
        A,
        expect![[r#"
        a replace: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    check(
        &interrupted(Status::Replacing, |b| b.cloud.remove("a")).await,
        A,
        expect![[r#"
        a create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_operation_failed_half_way() {
    check(
        &interrupted(Status::Broken, |_| {}).await,
        A,
        expect![[r#"
        a update: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn nobody_can_find_out_what_became_of_a_create() {
    let text = r#"tool n: cloud.Note { text = "n" }"#;
    let mut bench = Bench::with(text).await;
    bench.record("n", |entry| (entry.id, entry.status) = (None, Status::Creating));
    check(
        &bench,
        text,
        expect![[r#"
        n no-op
        E0612: `n` was interrupted while creating
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_create_that_may_be_repeated_was_interrupted() {
    let mut bench = Bench::with(REST).await;
    bench.record("rest", |entry| (entry.id, entry.status) = (None, Status::Creating));
    check(
        &bench,
        REST,
        expect![[r#"
        rest create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn what_was_created_is_found_by_the_key_of_its_operation() {
    let text = r#"tool d: cloud.Disk { label = "d" }"#;
    let mut bench = Bench::with(text).await;
    bench.record("d", |entry| (entry.id, entry.status) = (None, Status::Creating));
    check(
        &bench,
        text,
        expect![[r#"
        d update: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
    bench.record("d", |entry| entry.op = OpKey("another".into()));
    check(
        &bench,
        text,
        expect![[r#"
        d create: an earlier operation was interrupted or failed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_interrupted_create_left_the_program() {
    let text = format!("{A}\n{REST}");
    let mut bench = Bench::with(&text).await;
    bench.record("a", |entry| (entry.id, entry.status, entry.absent_before) = (None, Status::Creating, true));
    check(
        &bench,
        REST,
        expect![[r#"
        a delete: no longer in the program
        rest no-op
    "#]],
    )
    .await;
    bench.cloud.remove("a");
    check(
        &bench,
        REST,
        expect![[r#"
        a forget: it was never created
        rest no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn another_tool_recorded_it() {
    let mut bench = Bench::with(A).await;
    bench.record("a", |entry| (entry.id, entry.status) = (None, Status::Imported));
    check(
        &bench,
        A,
        expect![[r#"
        a adopt: imported: it is adopted as `thing-1`
    "#]],
    )
    .await;
    bench.cloud.remove("a");
    check(
        &bench,
        A,
        expect![[r#"
        a create: imported record; it does not exist
    "#]],
    )
    .await;
}
