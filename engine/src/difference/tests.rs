//! What differs between two values, as people read it.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn shown(leaf: &Leaf) -> String {
    let mut line = match &leaf.edit {
        Edit::Same(v) => format!("= {} {v}", leaf.path),
        Edit::Added(v) => format!("+ {} {v}", leaf.path),
        Edit::Removed(v) => format!("- {} {v}", leaf.path),
        Edit::Changed { before, after } => format!("~ {} {before} -> {after}", leaf.path),
        Edit::Inline(i) => format!("~ {} {}", leaf.path, segments(i)),
        Edit::Text(t) => {
            format!("~ {} {} -> {} lines, -{} +{}", leaf.path, t.before, t.after, t.removed, t.added)
        }
        Edit::Data { syntax, leaves, text } => {
            let inner: Vec<String> = leaves.iter().map(shown).collect();
            let more = if text.is_some() { ", and the text" } else { "" };
            format!("~ {} as {}{more}\n    {}", leaf.path, syntax.name(), inner.join("\n    "))
        }
        Edit::Secret => format!("~ {} secret", leaf.path),
        Edit::Binary { before, after } => format!("~ {} {before:?} -> {after:?}", leaf.path),
        Edit::Moved => format!("~ {} moved", leaf.path),
    };
    if let Some(was) = leaf.was {
        line += &format!(" (was {was})");
    }
    leaf.notes.iter().for_each(|note| line += &format!(" ({note})"));
    line
}

fn segments(inline: &Inline) -> String {
    let one = |s: &Segment| match s.tag {
        Tag::Same => s.text.clone(),
        Tag::Removed => format!("[-{}-]", s.text),
        Tag::Added => format!("{{+{}+}}", s.text),
    };
    inline.segments.iter().map(one).collect()
}

#[track_caller]
fn check(before: Json, after: Json, how: Option<Same>, expected: Expect) {
    let leaves = difference("x", &before, &after, how);
    expected.assert_eq(&leaves.iter().map(shown).collect::<Vec<_>>().join("\n"));
    // Equal values have no differences.
    assert!(!differs(&difference("x", &after, &after, how)) || has_unknown(&after));
}

#[test]
fn records_are_compared_field_by_field() {
    check(
        json!({ "PORT": "80", "x10": 1, "x2": 1, "gone": true }),
        json!({ "PORT": "81", "x10": 2, "x2": 2, "a b": [1] }),
        None,
        expect![[r#"
            ~ x.PORT "80" -> "81"
            + x["a b"] [1]
            - x.gone true
            ~ x.x2 1 -> 2
            ~ x.x10 1 -> 2"#]],
    );
}

#[test]
fn an_insertion_in_front_is_one_insertion() {
    check(
        json!([{ "name": "a", "port": 1 }, { "name": "b", "port": 2 }]),
        json!([{ "name": "new", "port": 1 }, { "name": "a", "port": 1 }, { "name": "b", "port": 3 }]),
        None,
        expect![[r#"
            + x[0] {"name":"new","port":1}
            = x[1] {"name":"a","port":1}
            = x[2].name "b"
            ~ x[2].port 2 -> 3 (was 1)"#]],
    );
    check(
        json!(["b", "c"]),
        json!(["a", "b", "c"]),
        None,
        expect![[r#"
        + x[0] "a"
        = x[1] "b"
        = x[2] "c""#]],
    );
    check(
        json!([{ "a": 1, "b": 2, "c": 3 }, { "a": 4, "b": 5, "c": 6 }]),
        json!([{ "a": 0, "b": 0, "c": 0 }, { "a": 1, "b": 2, "c": 3 }, { "a": 4, "b": 5, "c": 7 }]),
        None,
        expect![[r#"
            + x[0] {"a":0,"b":0,"c":0}
            = x[1] {"a":1,"b":2,"c":3}
            = x[2].a 4
            = x[2].b 5
            ~ x[2].c 6 -> 7 (was 1)"#]],
    );
}

#[test]
fn a_record_that_moves_in_its_list_is_moved() {
    check(
        json!([{ "name": "a" }, { "name": "b" }, { "name": "c", "n": 1 }]),
        json!([{ "name": "c", "n": 2 }, { "name": "a" }]),
        None,
        expect![[r#"
            ~ x[0] moved (was 2)
            ~ x[0].n 1 -> 2
            = x[0].name "c"
            = x[1] {"name":"a"}
            - x[1] {"name":"b"}"#]],
    );
}

#[test]
fn sets_are_compared_by_member() {
    check(
        json!(["eu", "us", { "name": "ssh", "port": 22 }]),
        json!([{ "port": 2222, "name": "ssh" }, "ap", "eu"]),
        Some(Same::Set),
        expect![[r#"
            = x[*] "eu"
            + x[*] "ap"
            = x[name = "ssh"].name "ssh"
            ~ x[name = "ssh"].port 22 -> 2222
            - x[*] "us""#]],
    );
    check(json!(["a", "b"]), json!(["b", "a"]), Some(Same::Set), expect![[r#"= x ["b","a"]"#]]);
}

#[test]
fn secrets_only_say_that_they_changed() {
    let secret = |v: &str| dtm_lang::wire::secret(json!(v));
    check(json!({ "a": secret("one") }), json!({ "a": secret("two") }), None, expect!["~ x.a secret"]);
    check(json!({ "a": "one" }), json!({ "a": secret("two") }), None, expect!["~ x.a secret"]);
    check(
        json!({ "a": secret("one") }),
        json!({ "a": "one", "b": 1 }),
        None,
        expect![[r#"
        = x.a "one"
        + x.b 1"#]],
    );
}

#[test]
fn data_in_a_string_is_data() {
    check(
        json!("{\"a\": 1, \"b\": [1, 2]}"),
        json!("{\"a\": 2, \"b\": [1, 2]}"),
        None,
        expect![[r#"
            ~ x as JSON
                ~ a 1 -> 2
                = b [1,2]"#]],
    );
    check(
        json!("spec:\n  replicas: 1\n  image: a:1\n"),
        json!("spec:\n  replicas: 2\n  image: a:1\n"),
        None,
        expect![[r#"
            ~ x as YAML
                = spec.image "a:1"
                ~ spec.replicas 1 -> 2"#]],
    );
    // A comment is not data, but is shown.
    check(
        json!("# one\nreplicas: 1\nx: y\n"),
        json!("# two\nreplicas: 2\nx: y\n"),
        None,
        expect![[r#"
            ~ x as YAML, and the text
                ~ replicas 1 -> 2
                = x "y""#]],
    );
    // The same data, laid out otherwise, is another text.
    check(json!("{\"a\":1}\n{"), json!("{\"a\": 1}\n{"), None, expect!["~ x 2 -> 2 lines, -1 +1"]);
    check(json!("a: 1\nb: 2\n"), json!("a:  1\nb: 2\n"), None, expect!["~ x 2 -> 2 lines, -1 +1"]);
    // What would not be kept exactly is compared as text.
    check(
        json!("{\"n\": 12345678901234567890}"),
        json!("{\"n\": 12345678901234567891}"),
        None,
        expect![[r#"~ x "{\"n\": 12345678901234567890}" -> "{\"n\": 12345678901234567891}""#]],
    );
}

#[test]
fn long_lines_are_compared_by_words() {
    let line =
        |end: &str| json!(format!("true; {} && deploy --to {end} --fast", "echo aaaaaaaaaaaa; ".repeat(4)));
    check(
        json!(["sh", "-c", line("staging")]),
        json!(["sh", "-c", line("production")]),
        None,
        expect![[r#"
            = x[0] "sh"
            = x[1] "-c"
            ~ x[2] true; echo aaaaaaaaaaaa; echo aaaaaaaaaaaa; echo aaaaaaaaaaaa; echo aaaaaaaaaaaa;  && deploy --to [-staging-]{+production+} --fast"#]],
    );
}

#[test]
fn bytes_are_size_and_hash() {
    let marker = format!("\0{} bytes that are not text, sha256 {}", 3, "ab".repeat(32));
    check(
        json!(marker),
        json!("text"),
        None,
        expect![[
            r#"~ x Bytes { size: 3, sha256: "abababababababababababababababababababababababababababababababab" } -> Text("text")"#
        ]],
    );
}

#[test]
fn what_looks_alike_is_told_apart() {
    check(
        json!("a\r\nb\r\n"),
        json!("a\nb\n"),
        None,
        expect!["~ x 2 -> 2 lines, -0 +0 (line endings change from CRLF to LF in every line)"],
    );
    check(
        json!("caf\u{e9}"),
        json!("cafe\u{301}"),
        None,
        expect![[r#"~ x "café" -> "café" (the same letters: composed (NFC) becomes decomposed (NFD))"#]],
    );
    check(json!("a b"), json!("a\u{a0}b"), None, expect![[r#"~ x "a b" -> "a b" (U+0020 becomes U+00A0)"#]]);
    check(
        json!("scope"),
        json!("sc\u{43e}pe"),
        None,
        expect![[r#"~ x "scope" -> "scоpe" (U+006F "o" becomes U+043E "о")"#]],
    );
    assert_eq!(spelled("cafe\u{301}\u{a0}x  "), "cafe\\u{301}\\u{a0}x··");
    assert_eq!(quoted("a\u{a0}b", false), "\"a\\u{a0}b\"");
}

#[test]
fn a_large_text_is_compared_in_no_time() {
    let text = |n: usize| (0..40_000).map(|i| format!("line {}\n", i * n)).collect::<String>();
    let leaves = difference("x", &json!(text(2)), &json!(text(3)), None);
    assert!(differs(&leaves));
}

#[test]
fn a_long_word_differs_only_in_part() {
    let key = "AAAAB3NzaC1yc2EAAAADAQABAAABgQC7Zt0".repeat(4);
    let other = key.replacen("C7Zt0AAAA", "C7XXt0AAAA", 1);
    let line = inline(&format!("key {key} ann"), &format!("key {other} ann"));
    expect!["key AAAAB3NzaC1yc2EAAAADAQABAAABgQC7[-Z-]{+XX+}t0AAAAB3NzaC1yc2EAAAADAQABAAABgQC7Zt0AAAAB3NzaC1yc2EAAAADAQABAAABgQC7Zt0AAAAB3NzaC1yc2EAAAADAQABAAABgQC7Zt0 ann"]
        .assert_eq(&segments(&line));
}

#[test]
fn people_count_two_before_ten() {
    let mut names = ["x10", "x2", "x", "x02", "a[\"10\"]", "a[\"9\"]", "x1y"];
    names.sort_by(|a, b| natural(a, b));
    assert_eq!(names, ["a[\"9\"]", "a[\"10\"]", "x", "x1y", "x02", "x2", "x10"]);
}

proptest::proptest! {
    /// All lines of both sides are in a text's difference, in order.
    #[test]
    fn no_line_is_lost(a in "([ab]{0,2}\r?\n){0,12}[ab]?", b in "([ab]{0,2}\r?\n){0,12}[ab]?") {
        let (text, _) = text::lines(&a, &b);
        let side = |tag: Tag| text.lines.iter().filter(|l| l.tag == Tag::Same || l.tag == tag).map(|l| l.text.clone()).collect::<Vec<_>>();
        proptest::prop_assert_eq!(side(Tag::Removed), a.lines().map(String::from).collect::<Vec<_>>());
        proptest::prop_assert_eq!(side(Tag::Added), b.lines().map(String::from).collect::<Vec<_>>());
    }

    /// Both sides of a line are in its difference, also those of words that are compared by character.
    #[test]
    fn no_word_is_lost(a in "[ab ,é]{0,40}|[abé]{35,90}", b in "[ab ,é]{0,40}|[abé]{35,90}") {
        let inline = inline(&a, &b);
        let side = |tag: Tag| inline.segments.iter().filter(|s| s.tag == Tag::Same || s.tag == tag).map(|s| s.text.as_str()).collect::<String>();
        proptest::prop_assert_eq!(side(Tag::Removed), a);
        proptest::prop_assert_eq!(side(Tag::Added), b);
    }
}
