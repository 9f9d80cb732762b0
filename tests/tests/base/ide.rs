//! What an editor is told, as pure functions: a program with `$0` where the cursor is.

use dtm_engine::project::FileLoader;
use dtm_lsp::{Analysis, Loaders, World, ide};
use dtm_tests::sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Editor {
    _sandbox: Sandbox,
    world: World,
    path: PathBuf,
    offset: u32,
}

fn loaders() -> Loaders {
    Arc::new(|folder| {
        Arc::new(FileLoader::new(
            folder.canonicalize().expect("a folder"),
            String::new(),
            &dtm_cli::EXTENSIONS,
        ))
    })
}

/// Files of a project; the one with `$0` is open, and the others are on disk.
fn editor(files: &[(&str, &str)]) -> Editor {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let mut world = World::new(loaders());
    let (mut path, mut offset) = (PathBuf::new(), 0);
    for (name, text) in files {
        let plain = text.replace("$0", "");
        sandbox.write(name, &plain);
        if let Some(at) = text.find("$0") {
            offset = at as u32;
            path = sandbox.path().canonicalize().expect("a folder").join(name);
            world.open(path.clone(), 1, plain);
        }
    }
    Editor { _sandbox: sandbox, world, path, offset }
}

impl Editor {
    fn analysis(&mut self) -> (Arc<Analysis>, dtm_lang::source::FileId) {
        let analysis = self.world.analysis(&self.path);
        let file = analysis.file(&self.path).expect("a file of its program");
        (analysis, file)
    }
    fn hover(&mut self) -> Option<String> {
        let (analysis, file) = self.analysis();
        ide::hover(&analysis, file, self.offset).map(|h| [vec![h.code], h.text].concat().join("\n"))
    }
    fn items(&mut self) -> Vec<ide::Item> {
        let text = self.world.text(&self.path).expect("open").to_string();
        let request = ide::request(&text, self.offset as usize);
        let (cursor, loader) = self.world.cursor(&self.path, request.marked.clone());
        ide::items(&request, cursor.as_ref(), &*loader)
    }
    fn labels(&mut self) -> Vec<String> {
        self.items().into_iter().map(|i| i.label).collect()
    }
    /// The line where the name is declared, with its file.
    fn definition(&mut self) -> Option<String> {
        let (analysis, file) = self.analysis();
        let span = ide::definition(&analysis, file, self.offset)?;
        let source = analysis.sources.file(span.file);
        let line = source.text[span.start as usize..].lines().next().unwrap_or("").to_string();
        Some(format!("{}: {line}", source.path))
    }
    fn references(&mut self) -> usize {
        let (analysis, file) = self.analysis();
        ide::references(&analysis, file, self.offset, true).len()
    }
}

fn one(text: &str) -> Editor {
    editor(&[("main.dts", text)])
}

const TOOLS: &str = "dts 1\n\n/// Which one.\nparam env: \"dev\" | \"prod\" = \"dev\"\nlet port = 8080\ntool a: core.File { path = \"f\", content = \"${port}\" }\n";

#[track_caller]
fn hovers(tail: &str, expected: &str) {
    assert_eq!(one(&format!("{TOOLS}{tail}")).hover().as_deref(), Some(expected));
}

#[test]
fn hover_tells_type_phase_and_documentation() {
    hovers("output x = e$0nv", "param env: \"dev\" | \"prod\"\nWhich one.\nKnown when planning.");
    hovers(
        "output x = a.sh$0a256",
        "output sha256: string\nThe SHA-256 of its content, in hexadecimal.\nKnown after apply.",
    );
    hovers("output x = po$0rt", "let port: 8080\nKnown when planning.");
    hovers("tool b: core.Va$0lue {}", "core.Value\nA value kept in state; it touches nothing outside.");
    hovers(
        "tool b: core.File { pa$0th = \"g\", content = \"\" }",
        "input path: string\nThe path, relative to the folder of the root file.",
    );
    hovers("output x = [n$0 * 2 for n in [1, 2]]", "variable n: int\nKnown when planning.");
    hovers(
        "mov$0ed a -> b",
        "moved\nGives an existing object's tool a new address, so that it is not re-created.\nIn the guide: `dtm help guide rename-and-move`",
    );
    let builtin = one(&format!("{TOOLS}output x = jo$0in([\"a\"], \"-\")")).hover().expect("something");
    assert!(
        builtin.starts_with("join(parts: [string], separator: string) -> string\nJoins strings"),
        "{builtin}"
    );
}

#[test]
fn a_declaration_leads_to_a_page_of_the_guide() {
    let mut editor = one("dts 1\n\n$0");
    let keywords: Vec<ide::Item> = editor.items().into_iter().filter(|i| i.what == "keyword").collect();
    assert!(keywords.len() > 10);
    for keyword in keywords {
        let hover = one(&format!("dts 1\n\n{}$0 ", keyword.label)).hover().expect("it is described");
        let page = hover.lines().last().and_then(|line| line.strip_prefix("In the guide: `dtm help guide "));
        let page = page.and_then(|page| page.strip_suffix('`')).expect("a page");
        assert!(dtm_stdlib::Page::named(page).is_some(), "{page}");
        assert!(hover.contains(&keyword.doc), "completion and hover say the same");
    }
}

#[test]
fn hover_says_nothing_where_nothing_is() {
    for tail in ["// a com$0ment", "$0\n", "output x = no$0pe"] {
        assert_eq!(one(&format!("{TOOLS}{tail}")).hover(), None, "{tail}");
    }
}

#[test]
fn members_are_completed_while_the_line_is_half_typed() {
    for tail in ["output x = a.$0", "output x = a.sh$0", "tool b: core.Value { value = a.$0 }"] {
        let labels = one(&format!("{TOOLS}{tail}")).labels();
        assert_eq!(labels, ["absolute", "sha256", "size", "path", "content", "mode"], "{tail}");
    }
    assert_eq!(one(&format!("{TOOLS}output x = port.$0")).labels(), Vec::<String>::new());
}

#[test]
fn inputs_are_completed_with_those_that_are_needed_first() {
    let items = one("dts 1\n\ntool a: core.File {\n  path = \"f\"\n  $0\n}\n").items();
    let shown: Vec<String> = items.iter().map(|i| format!("{}|{}|{}", i.text, i.detail, i.doc)).collect();
    assert_eq!(shown, ["content = |string|The content.", "mode = |string|Its permissions, in octal."]);
    let all = one("dts 1\n\ntool a: core.File { con$0 }\n").labels();
    assert_eq!(all, ["path", "content", "mode"]);
}

#[test]
fn the_choices_of_an_enum_are_completed_with_and_without_quotes() {
    let text = "dts 1\n\ntype S = { size: \"small\" | \"large\", on: bool }\n";
    let bare = one(&format!("{text}let s: S = {{ size = $0, on = true }}")).labels();
    assert_eq!(bare[..2], ["\"small\"", "\"large\""]);
    let quoted = one(&format!("{text}let s: S = {{ size = \"$0\", on = true }}")).items();
    assert_eq!(quoted.iter().map(|i| &*i.text).collect::<Vec<_>>(), ["small", "large"]);
    let bools = one(&format!("{text}let s: S = {{ size = \"small\", on = $0 }}")).labels();
    assert_eq!(bools[..2], ["true", "false"]);
}

#[test]
fn values_that_fit_come_first() {
    let items = one("dts 1\n\nlet text = \"x\"\nlet number = 1\ntool a: core.File { path = $0 }\n").items();
    let at = |name: &str| items.iter().position(|i| i.label == name);
    assert!(at("text") < at("number"), "{items:?}");
    assert!(at("join").is_some() && at("a").is_some());
    let locals = one("dts 1\n\nlet xs = [1]\noutput y = [$0 for each in xs]\n").labels();
    assert!(locals.contains(&"each".to_string()), "{locals:?}");
}

#[test]
fn kinds_types_options_and_declarations_are_completed() {
    assert_eq!(
        one("dts 1\n\ntool a: $0").labels(),
        [
            "core",
            "helm",
            "kube",
            "scm",
            "argocd",
            "ci",
            "devlake",
            "devstream",
            "docker",
            "issues",
            "jenkins"
        ]
    );
    let own = one("dts 1\n\nimport { App } from \"std/apps\"\n\ncomponent Own {\n  tool b: $0\n}\n").labels();
    assert_eq!(own[..3], ["App", "Own", "core"]);
    let kinds = one("dts 1\n\ntool a: core.$0").items();
    let file = kinds.iter().find(|i| i.label == "File").expect("there");
    assert_eq!(file.detail, "{ path: string, content: string }");
    assert!(kinds.iter().any(|i| i.label == "Exec"));
    let types = one("dts 1\n\ntype Own = int\nparam x: $0").labels();
    assert!(types.contains(&"Own".into()) && types.contains(&"duration".into()), "{types:?}");
    let options = one("dts 1\n\ntool a: core.Value {} with { protect = true, $0 }").labels();
    assert!(options.contains(&"after".into()) && !options.contains(&"protect".into()), "{options:?}");
    assert!(one("dts 1\n\n$0").labels().contains(&"tool".into()));
    assert_eq!(one("dts 1\n\n// a word in a comment $0").labels(), Vec::<String>::new());
}

#[test]
fn definitions_are_found_in_other_modules_interfaces_and_data() {
    let mut other = editor(&[
        ("main.dts", "dts 1\n\nimport \"./b.dts\" as b\noutput x = b.na$0me\n"),
        ("b.dts", "dts 1\n\nlet name = \"x\"\n"),
    ]);
    assert_eq!(other.definition().as_deref(), Some("b.dts: name = \"x\""));
    let mut kind = one("dts 1\n\ntool a: core.Fi$0le { path = \"f\", content = \"\" }\n");
    assert_eq!(kind.definition().as_deref(), Some("<core>/core.dts: File {"));
    let mut output =
        one("dts 1\n\ntool a: core.File { path = \"f\", content = \"\" }\noutput x = a.si$0ze\n");
    assert_eq!(output.definition().as_deref(), Some("<core>/core.dts: size: size"));
    let mut data = editor(&[
        ("main.dts", "dts 1\n\nimport \"./s.yaml$0\" as s: [string]\n"),
        ("s.yaml", "- one\n- two\n"),
    ]);
    assert_eq!(data.definition().as_deref(), Some("s.yaml: - one"));
    assert_eq!(one("dts 1\n\noutput x = no$0pe\n").definition(), None);
}

#[test]
fn functions_are_known_like_other_names() {
    let lib = (
        "lib.dts",
        "dts 1\n\n/// Where an image is.\nfn image(name: string, tag: string = \"latest\") -> string = \"${name}:${tag}\"\n",
    );
    let with = |tail: &str| {
        let main = format!(
            "dts 1\n\nimport {{ image }} from \"lib.dts\"\n\nparam env: \"dev\" | \"prod\" = \"dev\"\n{tail}"
        );
        editor(&[lib, ("main.dts", &main)])
    };
    let signature = "fn image(name: string, tag: string = ...) -> string";
    let hover = with("let a = im$0age(\"shop\")\n").hover().expect("something");
    assert!(hover.contains(signature) && hover.contains("Where an image is."), "{hover}");
    let place = with("let a = im$0age(\"shop\")\n").definition().expect("a place");
    assert!(place.starts_with("lib.dts: image(name"), "{place}");
    assert!(with("let a = im$0\n").labels().contains(&"image".to_string()));
    assert!(
        with("let a = match env { \"dev\" => 1, \"prod\" => en$0 }\n").labels().contains(&"env".to_string())
    );
}

#[test]
fn references_are_counted_with_their_declaration() {
    let text = "dts 1\n\nlet na$0me = \"x\"\nlet other = \"${name}\"\noutput y = name\noutput z = [name for name in [\"shadow\"]]\n";
    assert_eq!(one(text).references(), 3, "the one in the comprehension is another");
    let mut modules = editor(&[
        ("main.dts", "dts 1\n\nimport { x } from \"./b.dts\"\noutput y = x\n"),
        ("b.dts", "dts 1\n\nlet x$0 = 1\nlet z = x\n"),
    ]);
    assert_eq!(modules.references(), 3, "a file belongs to the program that imports it");
}

#[test]
fn symbols_are_there_in_spite_of_errors() {
    let found = ide::symbols("dts 1\n\nlet a = (\ntool b: core.File { path = }\nparam c: int\n");
    let names: Vec<String> = found.iter().map(|s| format!("{} {} {}", s.what, s.name, s.detail)).collect();
    assert_eq!(names, ["tool b core.File", "param c "]);
}

#[test]
fn formatting_touches_only_the_lines_that_change() {
    let text = "dts 1\n\nlet a = 1\nlet b   = 2\nlet c = 3\n";
    let change = ide::format(text).expect("a change");
    assert_eq!((&text[change.range], &*change.text), ("let b   = 2\n", "let b = 2\n"));
    assert_eq!(ide::format("dts 1\n\nlet a = 1\n"), None);
    assert_eq!(ide::format("dts 1\n\nlet a = (\n"), None, "what cannot be read is not touched");
}

#[test]
fn the_fixes_of_diagnostics_are_offered_where_they_are() {
    let text = "dts 1\n\ntool a: core.File { path = \"f\", contnet$0 = \"\" }\n";
    let mut there = one(text);
    let (analysis, file) = there.analysis();
    let found = ide::fixes(&analysis, file, there.offset, there.offset);
    assert_eq!(found.iter().map(|a| &*a.title).collect::<Vec<_>>(), ["write `content`"]);
    assert_eq!(ide::fixes(&analysis, file, 0, 1), [], "and nowhere else");
}

#[test]
fn device_trees_are_not_ours() {
    for (text, ours) in [
        ("/dts-v1/;\n\n/ {\n};\n$0", false),
        ("// SPDX\n/*\n * a tree\n */\n#include \"a.dtsi\"\n$0", false),
        ("dts 1\n$0", true),
        ("let a = 1\n$0", true),
    ] {
        let editor = one(text);
        assert_eq!(editor.world.is_ours(&editor.path), ours, "{text}");
    }
}

#[test]
fn modules_of_the_workspace_are_part_of_the_program() {
    let mut editor = editor(&[
        ("dtm.toml", ""),
        ("shared/site.dts", "dts 1\n\nlet answer = 42\n"),
        ("one/main.dts", "dts 1\n\nimport \"../shared/site.dts\" as site\n\noutput a: int = site.ans$0wer\n"),
    ]);
    assert_eq!(editor.definition().as_deref(), Some("../shared/site.dts: answer = 42"));
    let (analysis, _) = editor.analysis();
    assert!(analysis.diagnostics.is_empty(), "{:?}", analysis.diagnostics);
    // What is open counts, also where it is in another folder.
    let shared = editor.path.ancestors().nth(2).expect("a folder").join("shared/site.dts");
    assert!(analysis.file(&shared).is_some());
    editor.world.open(shared.clone(), 1, "dts 1\n\nlet answer = \"x\"\n".into());
    let (analysis, file) = editor.analysis();
    let found: Vec<_> = analysis.diagnostics.iter().filter_map(|d| d.primary.as_ref()).collect();
    assert_eq!(found.len(), 1, "{:?}", analysis.diagnostics);
    assert_eq!(found[0].span.file, file);
    assert_eq!(analysis.path(analysis.file(&shared).expect("a file")), Some(shared));
}

#[test]
fn a_file_belongs_to_no_program_above_its_workspace() {
    let files = |marker| {
        [
            ("main.dts", "dts 1\n\nimport \"./ws/lib.dts\" as lib\n"),
            ("ws/lib.dts", "dts 1\n\nlet an$0swer = 42\n"),
            (marker, ""),
        ]
    };
    let folder = |editor: &mut Editor| editor.analysis().0.folder.clone();
    let mut inside = editor(&files("dtm.toml"));
    assert_eq!(folder(&mut inside), inside.path.ancestors().nth(2).expect("a folder"));
    let mut above = editor(&files("ws/dtm.toml"));
    assert_eq!(folder(&mut above), above.path.parent().expect("a folder"));
}
