//! A code is done when its page explains it, the page's wrong example gives exactly that code and its right one
//! none, it is emitted somewhere, and a suite asserts it. This checks all four for all codes.

use dtm_lang::frontend::codes;
use dtm_tests::sandbox::Sandbox;
use dtm_tests::suite::{Block, Section, sections};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The codes that a section's examples give: those of `dtm check`, or of the commands of its `console` blocks.
fn given(section: &Section) -> BTreeSet<String> {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let mut text = String::new();
    let console = section.blocks.iter().any(|b| b.kind == "console");
    for block in &section.blocks {
        match &*block.kind {
            "console" => {
                for command in block.text.lines().filter_map(|l| l.strip_prefix("$ ")) {
                    let ran = sandbox.shell(command);
                    text += &ran.stdout;
                    text += &ran.stderr;
                }
            }
            "dts" if block.arg.is_empty() => sandbox.write("main.dts", &block.text),
            _ => sandbox.write(&block.arg, &block.text),
        }
    }
    if !console {
        let ran = sandbox.run(&["check", "--format", "short"]);
        text = ran.stdout + &ran.stderr;
    }
    let found = |mark: &str| {
        let codes = text.match_indices(mark).filter_map(|(at, _)| text[at + mark.len()..].split(']').next());
        codes.map(String::from).collect::<Vec<_>>()
    };
    found("error[").into_iter().chain(found("warning[")).collect()
}

fn files(folder: &Path, ending: &str, all: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            files(&entry, ending, all);
        } else if entry.extension().is_some_and(|e| e == ending) {
            *all += &std::fs::read_to_string(&entry).expect("a text");
        }
    }
}

#[test]
fn every_code_is_explained_emitted_and_asserted() {
    let mut sources = String::new();
    for folder in ["lang/src", "lang/devstream/src", "engine/src", "engine/cli/src"] {
        files(&root().join(folder), "rs", &mut sources);
    }
    let mut suites = String::new();
    files(&root().join("tests/spec"), "md", &mut suites);
    let mut problems = vec![];
    for code in codes(&[dtm_devstream::FRONTEND]) {
        let id = code.id();
        let page = code.page();
        if !page.starts_with(&format!("# {id}: "))
            || page.lines().filter(|l| !l.trim().is_empty()).count() < 8
        {
            problems.push(format!("{id}: the page does not explain it"));
            continue;
        }
        if !["Code::", "codes::"].iter().any(|at| sources.contains(&format!("{at}{id}"))) {
            problems.push(format!("{id}: is never emitted"));
        }
        if !suites.contains(&format!("[{id}]")) {
            problems.push(format!("{id}: no suite asserts it"));
        }
        let sections = sections(page);
        for (heading, wanted) in [("Wrong", vec![id.to_string()]), ("Right", vec![])] {
            let found: Vec<&Section> = sections.iter().filter(|s| s.name.ends_with(heading)).collect();
            let [section] = found.as_slice() else {
                problems.push(format!("{id}: the page needs one section `{heading}`"));
                continue;
            };
            let given: Vec<String> = given(section).into_iter().collect();
            if given != wanted {
                problems.push(format!("{id}: the example `{heading}` gives {given:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}\n{} problems", problems.join("\n"), problems.len());
}

#[test]
fn an_example_with_two_codes_is_seen() {
    let block = |text: &str| Block { kind: "dts".into(), arg: String::new(), text: text.into(), line: 0 };
    let section =
        Section { name: "Wrong".into(), blocks: vec![block("dts 1\nlet a = b\nlet c: int = \"x\"\n")] };
    assert_eq!(given(&section).into_iter().collect::<Vec<_>>(), ["E0201", "E0301"]);
}

/// The suite of mistakes is as wide as it is long: at least 150 programs, at most 5 of them for one code.
#[test]
fn the_mistakes_are_many_and_distinct() {
    let mut programs = BTreeSet::new();
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/spec/mistakes")).expect("the suite") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a text");
        for section in sections(&text) {
            let Some(program) = section.blocks.iter().find(|b| b.kind == "dts") else { continue };
            assert!(programs.insert(program.text.clone()), "{} is there twice", section.name);
            let said = section.blocks.iter().filter(|b| b.kind == "diagnostics").map(|b| &*b.text);
            let said: String = said.collect();
            let codes: BTreeSet<&str> = said
                .lines()
                .filter_map(|l| l.split_once("[")?.1.split_once("]: ").map(|(code, _)| code))
                .filter(|c| c.len() == 5)
                .collect();
            assert!(!codes.is_empty(), "{} is no mistake", section.name);
            for code in codes {
                of.entry(code.into()).or_default().push(section.name.clone());
            }
        }
    }
    assert!(programs.len() >= 150, "{} programs", programs.len());
    of.retain(|_, names| names.len() > 5);
    assert!(of.is_empty(), "more than five for one code: {of:#?}");
}
