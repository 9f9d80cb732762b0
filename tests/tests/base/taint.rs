//! What is secret is never shown: random programs let a secret flow through every construct, into places that may hold one
//! and places that may not, and everything that a person could see is searched for it.

use base64::Engine as _;
use dtm_lang::diag::render::{Format, render};
use dtm_lang::diag::sarif::sarif;
use dtm_lang::print::{on_one_line, print};
use dtm_lang::value::Data;
use dtm_lang::{Diagnostics, Inputs, Loader, NoOutputs, Program, Purpose, Shipped, Symbol, Value};
use proptest::prelude::*;
use std::sync::Arc;

/// What must not be seen, in any case of letters.
const SECRET: &str = "Hunter2Zebra";

struct One(String);

impl Loader for One {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "main.dts" => Ok(self.0.clone().into_bytes()),
            "data.yaml" => Ok(format!("- name: plain\n  token: {SECRET}\n").into_bytes()),
            _ => Err("there is no such file".into()),
        }
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let text = (plugin == "core").then_some(include_str!("../../../plugins/core/core.dts"))?;
        Some(Shipped { text: text.into(), version: "0.1.0".into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        vec![]
    }
    fn std_module(&self, _: &str) -> Option<Symbol> {
        None
    }
}

/// An expression of a string, perhaps a secret one.
fn text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("token".to_string()),
        1 => Just("data[0].token".to_string()),
        1 => Just("login.token".to_string()),
        1 => Just("maybe ?? token".to_string()),
        2 => Just("\"plain\"".to_string()),
        1 => Just("name".to_string()),
        1 => Just("tool_a.id".to_string()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| format!("\"x${{{a}}}-${{{b}}}\"")),
            inner.clone().prop_map(|a| format!("upper({a})")),
            inner.clone().prop_map(|a| format!("trim(lower({a}))")),
            inner.clone().prop_map(|a| format!("base64({a})")),
            inner.clone().prop_map(|a| format!("replace({a}, \"x\", \"y\")")),
            inner.clone().prop_map(|a| format!("substring({a}, 0)")),
            inner.clone().prop_map(|a| format!("json([{a}, {{ k = {a} }}])")),
            inner.clone().prop_map(|a| format!("yaml({{ k = {a} }})")),
            two.clone().prop_map(|(a, b)| format!("join([{a}, {b}], \",\")")),
            two.clone().prop_map(|(a, b)| format!("(if {a} == {b} then {a} else {b})")),
            two.clone().prop_map(|(a, b)| format!("(match {a} {{ \"plain\" => {b}, _ => {a} }})")),
            two.clone().prop_map(|(a, b)| format!("{{ p = {a}, q = {b} }}.p")),
            two.clone().prop_map(|(a, b)| format!("get({{ \"k\" = {a} }}, \"k\", {b})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}][0]")),
            two.clone().prop_map(|(a, b)| format!("[x for x in [{a}, {b}] if x != \"q\"][0]")),
            two.prop_map(|(a, b)| format!("pick({a}, {b})")),
            inner.clone().prop_map(|a| format!("(merge({{ k = {a} }}, {{}}) as {{ k: string }}).k")),
            inner.clone().prop_map(|a| format!("(merge({{ k = {a} }}, {{}}) as {{ k: secret string }}).k")),
            inner.clone().prop_map(|a| format!("(json_decode({a}) as string)")),
            inner
                .clone()
                .prop_map(|a| format!("(yaml_decode(yaml({{ k = {a} }})) as {{ k: secret string }}).k")),
            inner.prop_map(|a| format!("sort([{a}, \"b\"])[1]")),
        ]
    })
}

/// Declarations that put it somewhere.
fn sink() -> impl Strategy<Value = String> {
    let text = text;
    prop_oneof![
        text().prop_map(|e| format!("output o@ = {e}")),
        text().prop_map(|e| format!("output o@: string = {e}")),
        text().prop_map(|e| format!("output o@ = {{ list = [{e}], map = {{ [\"k\"] = {e} }} }}")),
        text().prop_map(|e| format!("let l@ = {e}\noutput o@ = \"${{l@}}\"")),
        text().prop_map(|e| format!("let l@: string = {e}")),
        text().prop_map(|e| format!("let l@: \"plain\" | \"other\" = {e} as \"plain\" | \"other\"")),
        text().prop_map(|e| format!("let l@: Short = {e}")),
        text().prop_map(|e| format!("let l@: int = int({e})")),
        text().prop_map(|e| format!("tool t@: core.File {{ path = \"f@\", content = {e} }}")),
        text().prop_map(|e| format!("tool t@: core.SecretFile {{ path = \"f@\", content = {e} }}")),
        text()
            .prop_map(|e| format!("tool t@: core.Value {{ value = {{ k = {e} }} }}\noutput o@ = t@.result")),
        text().prop_map(|e| format!("tool t@[x in [{e}]]: core.Value {{ value = x }}")),
        text().prop_map(|e| format!("tool t@: core.Value if {e} == \"plain\" {{ value = 1 }}")),
        text().prop_map(|e| format!("assert {e} == \"plain\", \"it is ${{{e}}}\"")),
        text().prop_map(|e| format!("tool t@: Wrap {{ text = {e} }}\noutput o@ = t@.back")),
        text().prop_map(|e| format!("test \"t@\" {{ assert {e} == \"plain\", \"it is ${{{e}}}\" }}")),
        text().prop_map(|e| format!("test \"t@\" {{ given {{ name = {e} }} assert name == \"q\" }}")),
    ]
}

fn program() -> impl Strategy<Value = String> {
    prop::collection::vec(sink(), 1..4).prop_map(|sinks| {
        let mut out = format!(
            "dts 1\n\nimport \"./data.yaml\" as data: [{{ name: string, token: secret string }}]\n\
             type Short = string where length(self) < 3 else \"`${{self}}` is too long\"\n\
             param token: secret string = \"{SECRET}\"\nparam name: string = \"name\"\n\
             param login: {{ user: string, token: secret string }} = {{ user = \"u\", token = \"{SECRET}\" }}\n\
             param maybe: secret string? = null\n\
             tool tool_a: core.Value {{ value = token }}\n\
             fn pick(a: secret string, b: secret string) -> secret string = if a == \"\" then b else a\n\
             component Wrap {{\n  in text: secret string\n  tool v: core.Value {{ value = text }}\n  out back: secret string = \"${{text}}!\"\n}}\n"
        );
        for (i, sink) in sinks.iter().enumerate() {
            out += &sink.replace('@', &i.to_string());
            out.push('\n');
        }
        out
    })
}

/// Everything that a person could see of a value. What is tagged as secret, the engine masks.
fn shown(value: &Value, out: &mut Vec<String>) {
    out.push(print(value, 60));
    out.push(on_one_line(value));
    plain(value, out);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others hold no other values")]
fn plain(value: &Value, out: &mut Vec<String>) {
    match &value.data {
        _ if value.secret => {}
        Data::List(items) => items.iter().for_each(|v| plain(v, out)),
        Data::Map(map) => map.iter().for_each(|(k, v)| {
            out.push(k.to_string());
            plain(v, out);
        }),
        _ => out.extend(value.text()),
    }
}

fn told(diagnostics: &Diagnostics, program: &Program, out: &mut Vec<String>) {
    for d in diagnostics.iter() {
        // The program itself says what its secret is: what is shown of its text is no leak, but the words around it are.
        out.push(render(d, program.sources(), Format::Short, false));
        out.extend(d.notes.iter().chain(&d.help).cloned());
        out.extend(d.primary.iter().chain(&d.secondary).map(|l| l.text.clone()));
        out.extend(d.fixes.iter().map(|f| f.title.clone()));
    }
    out.push(sarif(diagnostics.iter(), program.sources(), "0").to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_seen(text in program()) {
        let loader: Arc<dyn Loader> = Arc::new(One(text.clone()));
        let (program, diagnostics) = Program::load("main.dts", loader, &Inputs::default(), Purpose::Check);
        let mut seen = vec![];
        told(&diagnostics, &program, &mut seen);
        if !diagnostics.has_errors() {
            let (outputs, problems) = program.outputs(&NoOutputs);
            told(&problems, &program, &mut seen);
            outputs.values().for_each(|v| shown(v, &mut seen));
            for (i, instance) in program.instances().iter().enumerate() {
                seen.push(instance.addr.to_string());
                let (inputs, problems) = program.inputs(dtm_lang::InstanceId(i as u32), &NoOutputs);
                told(&problems, &program, &mut seen);
                inputs.values().for_each(|v| shown(v, &mut seen));
            }
            for position in 0..program.tests().len() {
                let outcome = program.test(position, &|p| Ok(vec![0; p.instances().len()]));
                told(&outcome.diagnostics, &program, &mut seen);
            }
        }
        let coded = base64::engine::general_purpose::STANDARD.encode(SECRET);
        for line in seen {
            prop_assert!(
                !line.to_lowercase().contains(&SECRET.to_lowercase()) && !line.contains(&coded[..12]),
                "it is seen in {line:?} of\n{text}"
            );
        }
    }
}

/// The test would find a leak: a value that forgot that it is secret, and a message that quotes it.
#[test]
fn a_leak_is_seen() {
    let mut seen = vec![];
    shown(&Value::list(vec![Value::string(SECRET)]), &mut seen);
    assert!(seen.iter().any(|line| line.contains(SECRET)));
    let mut masked = vec![];
    shown(&Value::list(vec![Value::string(SECRET).into_secret()]), &mut masked);
    assert!(!masked.iter().any(|line| line.contains(SECRET)), "{masked:?}");
}
