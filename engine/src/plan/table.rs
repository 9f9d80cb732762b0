//! The decision table (`build.rs`), row by row, without a process: what is in the program, in the state and really there, and
//! what is planned.

use crate::plugin::double::Fault;
use crate::testing::{Bench, came_of, shown};
use dtm_plugin::protocol::Method;
use expect_test::{Expect, expect};
use serde_json::json;

pub(super) const A: &str = r#"tool a: cloud.Thing { name = "a" }"#;
/// Something that uses the plugin, so that tools that left the program still have their interface.
pub(super) const REST: &str = r#"tool rest: cloud.Job { script = "rest" }"#;

pub(super) async fn check(bench: &Bench, text: &str, expected: Expect) {
    expected.assert_eq(&shown(&bench.plan(text).await));
}

#[tokio::test]
async fn in_the_program_only() {
    check(
        &Bench::new(),
        A,
        expect![[r#"
        a create
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unchanged() {
    check(
        &Bench::with(A).await,
        A,
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_input_changed() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", size = 2 }"#,
        expect![[r#"
        a update
          size: 1 -> 2
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_input_was_added_and_one_removed() {
    let bench = Bench::with(r#"tool a: cloud.Thing { name = "a", tags = ["x"] }"#).await;
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", size = 3 }"#,
        expect![[r#"
        a update
          size: 1 -> 3
          tags: ["x"] -> []
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_immutable_input_changed() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", zone = "b" }"#,
        expect![[r#"
        a replace: `zone` cannot be changed in place
          zone: "a" -> "b" replaces
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_immutable_input_changed_and_the_new_object_comes_first() {
    let bench = Bench::with(r#"tool a: cloud.Disk { label = "a" }"#).await;
    check(
        &bench,
        r#"tool a: cloud.Disk { label = "b" } with { replace = "create-first" }"#,
        expect![[r#"
            a replace, create first: `label` cannot be changed in place
              label: "a" -> "b" replaces
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_new_object_cannot_come_first_under_the_same_key() {
    let bench = Bench::with(A).await;
    let text = r#"tool a: cloud.Thing { name = "a", zone = "b" } with { replace = "create-first" }"#;
    check(
        &bench,
        text,
        expect![[r#"
        a replace, create first: `zone` cannot be changed in place
          zone: "a" -> "b" replaces
        E0608: `a` cannot be created before the old one is deleted
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_protected_tool_would_be_replaced() {
    let bench = Bench::with(r#"tool a: cloud.Thing { name = "a" } with { protect = true }"#).await;
    let text = r#"tool a: cloud.Thing { name = "a", zone = "b" } with { protect = true }"#;
    check(
        &bench,
        text,
        expect![[r#"
        a replace: `zone` cannot be changed in place
          zone: "a" -> "b" replaces
        E0602: `a` is protected and would be replaced
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_key_changed() {
    check(
        &Bench::with(A).await,
        r#"tool a: cloud.Thing { name = "b" }"#,
        expect![[r#"
            a replace: `name` cannot be changed in place
              name: "a" -> "b" replaces
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_plugin_wants_it_replaced() {
    let bench = Bench::with(A).await;
    bench.cloud.wants_replaced("a", "a thing of 9 is made of other stuff");
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", size = 9 }"#,
        expect![[r#"
        a replace: a thing of 9 is made of other stuff
          size: 1 -> 9
    "#]],
    )
    .await;
}

#[tokio::test]
async fn changed_outside() {
    let bench = Bench::with(A).await;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        A,
        expect![[r#"
        a update: drift: `size` changed outside of dtm
          size: 7 -> 1 drift
    "#]],
    )
    .await;
}

#[tokio::test]
async fn changed_outside_to_what_the_program_wants_by_now() {
    let bench = Bench::with(A).await;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", size = 7 }"#,
        expect![[r#"
            a read: drift: `size` changed outside of dtm
              size: 7 -> 7 drift
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_matches_by_now_is_recorded_and_not_changed() {
    let bench = Bench::with(A).await;
    bench.cloud.edit("a", "size", json!(7));
    let text = r#"tool a: cloud.Thing { name = "a", size = 7 }"#;
    expect![[r#"
        a read
    "#]]
    .assert_eq(&came_of(&bench.apply(text).await));
    assert!(bench.cloud.log().is_empty(), "the object is not touched");
    assert_eq!(bench.state().tools["a"].inputs["size"], json!(7));
    check(
        &bench,
        text,
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
    // One of two: the other is changed.
    bench.cloud.edit("a", "size", json!(8));
    let text = r#"tool a: cloud.Thing { name = "a", size = 8, tags = ["x"] }"#;
    check(
        &bench,
        text,
        expect![[r#"
        a update
          size: 8 -> 8 drift
          tags: [] -> ["x"]
    "#]],
    )
    .await;
}

#[tokio::test]
async fn changed_outside_and_in_the_program() {
    let bench = Bench::with(A).await;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a", size = 3 }"#,
        expect![[r#"
        a update: drift: `size` changed outside of dtm
          size: 7 -> 3 drift
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_immutable_input_changed_outside() {
    let bench = Bench::with(A).await;
    bench.cloud.edit("a", "zone", json!("elsewhere"));
    check(
        &bench,
        A,
        expect![[r#"
        a update: drift: `zone` changed outside of dtm
          zone: "elsewhere" -> "a" drift
    "#]],
    )
    .await;
}

#[tokio::test]
async fn changed_outside_and_ignored() {
    let text = r#"tool a: cloud.Thing { name = "a" } with { ignore = ["size"] }"#;
    let bench = Bench::with(text).await;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        text,
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn removed_outside() {
    let bench = Bench::with(A).await;
    bench.cloud.remove("a");
    check(
        &bench,
        A,
        expect![[r#"
        a create: gone: it was removed outside of dtm
    "#]],
    )
    .await;
}

#[tokio::test]
async fn removed_outside_and_from_the_program() {
    let bench = Bench::with(&format!("{A}\n{REST}")).await;
    bench.cloud.remove("a");
    check(
        &bench,
        REST,
        expect![[r#"
        a forget: already gone
        rest no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn removed_from_the_program() {
    check(
        &Bench::with(&format!("{A}\n{REST}")).await,
        REST,
        expect![[r#"
        a delete: no longer in the program
        rest no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn removed_from_the_program_and_protected() {
    let bench =
        Bench::with(&format!("tool a: cloud.Thing {{ name = \"a\" }} with {{ protect = true }}\n{REST}"))
            .await;
    check(
        &bench,
        REST,
        expect![[r#"
        a delete: no longer in the program
        rest no-op
        E0602: `a` is protected and would be deleted
    "#]],
    )
    .await;
}

#[tokio::test]
async fn removed_from_the_program_and_changed_outside() {
    let bench = Bench::with(&format!("{A}\n{REST}")).await;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        REST,
        expect![[r#"
        a delete: no longer in the program
          size: 7 -> null drift
        rest no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn forgotten() {
    check(
        &Bench::with(&format!("{A}\n{REST}")).await,
        &format!("{REST}\nforget a"),
        expect![[r#"
        a forget: forgotten: the object is left as it is
        rest no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn forgotten_although_it_is_in_the_program() {
    check(
        &Bench::with(A).await,
        &format!("{A}\nforget a"),
        expect![[r#"
        a no-op
        E0605: `a` is in the program, so it cannot be forgotten
    "#]],
    )
    .await;
}

#[tokio::test]
async fn moved() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        "tool b: cloud.Thing { name = \"a\" }\nmoved a -> b",
        expect![[r#"
        b no-op
        a moves to b
    "#]],
    )
    .await;
}

#[tokio::test]
async fn moved_and_changed() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        "tool b: cloud.Thing { name = \"a\", size = 2 }\nmoved a -> b",
        expect![[r#"
        b update
          size: 1 -> 2
        a moves to b
    "#]],
    )
    .await;
}

#[tokio::test]
async fn adopted_by_id() {
    let bench = Bench::new();
    let id = bench.cloud.put("Thing", json!({ "name": "a", "zone": "a", "size": 1, "tags": [] }));
    check(
        &bench,
        &format!("{A}\nadopt a = \"{id}\""),
        expect![[r#"
        a adopt: adopted as `thing-1`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn adopted_by_key_and_changed() {
    let bench = Bench::new();
    bench.cloud.put("Thing", json!({ "name": "a", "zone": "a", "size": 5, "tags": [] }));
    check(
        &bench,
        &format!("{A}\nadopt a"),
        expect![[r#"
        a adopt: adopted as `thing-1`
          size: 5 -> 1 drift
    "#]],
    )
    .await;
}

#[tokio::test]
async fn adopted_although_it_does_not_exist() {
    check(
        &Bench::new(),
        &format!("{A}\nadopt a = \"thing-77\""),
        expect![[r#"
        a no-op
        E0606: there is no `thing-77` to adopt as `a`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn adopted_although_another_object_is_in_the_state() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        &format!("{A}\nadopt a = \"thing-77\""),
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn adopted_under_the_key_of_another() {
    let bench = Bench::new();
    bench.cloud.put("Thing", json!({ "name": "a", "zone": "a", "size": 1, "tags": [] }));
    let other = bench.cloud.put("Thing", json!({ "name": "other", "zone": "a", "size": 1, "tags": [] }));
    check(
        &bench,
        &format!("{A}\nadopt a = \"{other}\""),
        expect![[r#"
        a no-op
        E0606: `thing-2` is not what the inputs of `a` name: that is `thing-1`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn something_else_has_the_key() {
    let bench = Bench::new();
    bench.cloud.put("Thing", json!({ "name": "a" }));
    check(
        &bench,
        A,
        expect![[r#"
        a create
        E0601: `a` already exists, as "thing-1"
    "#]],
    )
    .await;
}

#[tokio::test]
async fn two_tools_have_the_same_key() {
    let text = "tool a: cloud.Thing { name = \"x\" }\ntool b: cloud.Thing { name = \"x\" }";
    check(
        &Bench::new(),
        text,
        expect![[r#"
        a create
        b create
        E0603: `a` and `b` are the same object: name = "x"
    "#]],
    )
    .await;
}

#[tokio::test]
async fn it_cannot_be_read() {
    let bench = Bench::with(A).await;
    bench.cloud.fail(Method::Read, "a", Fault::Clean);
    check(
        &bench,
        A,
        expect![[r#"
        a no-op
        E0607: `a` could not be read: it cannot be reached
    "#]],
    )
    .await;
}

#[tokio::test]
async fn nothing_is_read() {
    let mut bench = Bench::with(A).await;
    bench.build.no_read = true;
    bench.cloud.edit("a", "size", json!(7));
    check(
        &bench,
        A,
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
    bench.cloud.remove("a");
    check(
        &bench,
        A,
        expect![[r#"
        a no-op
    "#]],
    )
    .await;
}

#[tokio::test]
async fn only_what_happened_outside_is_recorded() {
    let mut bench = Bench::with(&format!("{A}\n{REST}")).await;
    bench.build.refresh_only = true;
    bench.cloud.edit("a", "size", json!(7));
    bench.cloud.remove("rest");
    check(
        &bench,
        &format!("tool a: cloud.Thing {{ name = \"a\", zone = \"b\" }}\n{REST}"),
        expect![[r#"
        a no-op: left out
        rest forget: gone: it was removed outside of dtm
    "#]],
    )
    .await;
}

#[tokio::test]
async fn what_changed_in_no_input_is_reverted() {
    let bench = Bench::with(A).await;
    bench.cloud.spoil("a", "rule 3 was deleted");
    check(&bench, A, expect!["a update: drift: rule 3 was deleted\n"]).await;
}

#[tokio::test]
async fn asked_to_be_replaced() {
    let mut bench = Bench::with(A).await;
    bench.build.selection.replace = vec!["a".into()];
    check(
        &bench,
        A,
        expect![[r#"
        a replace: requested with `--replace`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn the_plugin_cannot_be_used() {
    let bench = Bench::with(&format!("{A}\n{REST}")).await;
    bench.cloud.set_usable(false);
    check(
        &bench,
        REST,
        expect![[r#"
        rest no-op
        E0607: `rest` could not be read: its file is missing
        E0609: `a` is no longer in the program, and its plugin `cloud` cannot be used: its file is missing
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_output_that_is_returned_once_is_lost() {
    let mut bench = Bench::with(r#"tool d: cloud.Disk { label = "d" }"#).await;
    bench.record("d", |entry| _ = entry.outputs.remove("password"));
    check(
        &bench,
        r#"tool d: cloud.Disk { label = "d" }"#,
        expect![[r#"
        d replace: an output that is returned only once was lost
    "#]],
    )
    .await;
}

#[tokio::test]
async fn outputs_changed_outside() {
    let mut bench = Bench::with(A).await;
    bench.record("a", |entry| _ = entry.outputs.insert("url".into(), json!("cloud://old")));
    check(
        &bench,
        A,
        expect![[r#"
        a read: its outputs changed outside of dtm
    "#]],
    )
    .await;
}

#[tokio::test]
async fn options_changed() {
    let bench = Bench::with(A).await;
    check(
        &bench,
        r#"tool a: cloud.Thing { name = "a" } with { protect = true }"#,
        expect![[r#"
        a read: its options or dependencies changed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_input_waits_for_another_tool() {
    let text = "tool a: cloud.Thing { name = \"a\" }\ntool d: cloud.Disk { label = \"d\", thing = \"${a.generation}\" }";
    check(
        &Bench::new(),
        text,
        expect![[r#"
        a create
        d create
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_dependency_is_updated_and_its_stable_output_stays_known() {
    let of = |size: u8, output: &str| {
        format!(
            "tool a: cloud.Thing {{ name = \"a\", size = {size} }}\ntool d: cloud.Disk {{ label = \"d\", thing = \"${{a.{output}}}\" }}"
        )
    };
    let bench = Bench::with(&of(1, "url")).await;
    check(
        &bench,
        &of(2, "url"),
        expect![[r#"
        a update
          size: 1 -> 2
        d no-op
    "#]],
    )
    .await;
    let bench = Bench::with(&of(1, "generation")).await;
    check(
        &bench,
        &of(2, "generation"),
        expect![[r#"
        a update
          size: 1 -> 2
        d update perhaps
          thing: "1" -> (unknown)
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_dependency_is_replaced() {
    let of = |zone: &str| {
        format!(
            "tool a: cloud.Thing {{ name = \"a\", zone = \"{zone}\" }}\ntool d: cloud.Disk {{ label = \"d\", thing = a.url }}"
        )
    };
    let bench = Bench::with(&of("a")).await;
    check(
        &bench,
        &of("b"),
        expect![[r#"
        a replace: `zone` cannot be changed in place
          zone: "a" -> "b" replaces
        d update perhaps
          thing: "cloud://a" -> (unknown)
    "#]],
    )
    .await;
}

#[tokio::test]
async fn everything_is_destroyed() {
    let bench = Bench::with(&format!("{A}\n{REST}")).await;
    bench.cloud.edit("a", "size", json!(7));
    bench.cloud.remove("rest");
    let plan = bench.destroy().await;
    expect![[r#"
        a delete
          size: 7 -> null drift
        rest forget: already gone
    "#]]
    .assert_eq(&shown(&plan));
    expect![[r#"
        a delete
        rest forget
    "#]]
    .assert_eq(&came_of(&bench.carry_out(None, plan).await));
    assert!(bench.state().tools.is_empty() && bench.cloud.objects().is_empty());
}

#[tokio::test]
async fn what_was_planned_is_done_and_the_next_plan_is_empty() {
    let after = "tool a: cloud.Thing { name = \"a\", zone = \"b\" }\ntool c: cloud.Thing { name = \"c\" }\ntool d: cloud.Disk { label = \"d\", thing = a.url }";
    let bench = Bench::with(&format!(
        "{A}\ntool b: cloud.Thing {{ name = \"b\" }}\ntool d: cloud.Disk {{ label = \"d\" }}"
    ))
    .await;
    let outcome = bench.apply(after).await;
    expect![[r#"
        a replace
        b delete
        c create
        d update
    "#]]
    .assert_eq(&came_of(&outcome));
    assert!(bench.plan(after).await.is_empty(), "{}", shown(&bench.plan(after).await));
}

#[tokio::test]
async fn a_natural_key_passes_from_one_tool_to_another() {
    let text = |a: &str, b: &str| {
        format!("tool a: cloud.Thing {{ name = \"{a}\" }}\ntool b: cloud.Thing {{ name = \"{b}\" }}")
    };
    let bench = Bench::with(&text("one", "two")).await;
    for (a, b) in [("two", "three"), ("three", "two"), ("four", "three"), ("three", "four")] {
        let outcome = bench.apply(&text(a, b)).await;
        assert!(outcome.is_complete(), "{a} {b}: {}", came_of(&outcome));
        assert!(bench.plan(&text(a, b)).await.is_empty(), "{a} {b}");
    }
    // The object of a create-first replacement is there until the end.
    let first = "tool a: cloud.Thing { name = \"five\" } with { replace = \"create-first\" }\n\
                 tool b: cloud.Thing { name = \"three\" }";
    check(
        &bench,
        first,
        expect![[r#"
            a replace, create first: `name` cannot be changed in place
              name: "three" -> "five" replaces
            b replace: `name` cannot be changed in place
              name: "four" -> "three" replaces
            E0601: `b` already exists, as "thing-9"
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_a_replaced_object_uses_is_not_deleted() {
    let disk = |zone: &str, thing: &str| {
        format!(
            "{A}\ntool d: cloud.Disk {{ label = \"{zone}\"{thing} }} with {{ replace = \"create-first\" }}"
        )
    };
    let bench = Bench::with(&disk("one", ", thing = a.url")).await;
    bench.cloud.fail(Method::Delete, "one", Fault::Clean);
    let outcome = bench.apply(&disk("two", "")).await;
    assert!(!outcome.is_complete());
    let plan = bench.delete(Some(&["a".into()])).await;
    expect![[r#"
        a delete
        E0617: `a` is used by an object that was replaced as `d` and still exists
    "#]]
    .assert_eq(&shown(&plan));
}

#[tokio::test]
async fn a_refresh_deletes_no_replaced_object() {
    let disk = |label: &str| {
        format!("tool d: cloud.Disk {{ label = \"{label}\" }} with {{ replace = \"create-first\" }}")
    };
    let mut bench = Bench::with(&disk("one")).await;
    bench.cloud.fail(Method::Delete, "one", Fault::Clean);
    assert!(!bench.apply(&disk("two")).await.is_complete());
    bench.build.refresh_only = true;
    let outcome = bench.apply(&disk("two")).await;
    assert!(outcome.is_complete());
    assert_eq!(bench.cloud.objects().len(), 2, "{:?}", bench.cloud.objects());
}
