//! Every evaluation ends: programs that would use all memory, or a time that doubles with every line, end with an error
//! that has a position, in 512 MB of address space. Budgets are counts, so no test measures time.

use dtm_tests::sandbox::Sandbox;
use std::fmt::Write;
use std::path::Path;

/// In kilobytes, as `ulimit` wants it.
const MEMORY: usize = 512 * 1024;

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

/// Forty lines, each made of the one before: `N` is this one, `P` the one before.
fn doubled(first: &str, line: &str) -> String {
    let mut out = format!("dts 1\n\n{first}\n");
    for i in 1..=40 {
        let _ = writeln!(out, "{}", line.replace('N', &i.to_string()).replace('P', &(i - 1).to_string()));
    }
    out
}

fn with(program: String, rest: &str) -> String {
    format!("{program}{rest}\n")
}

/// Runs a command under the limit; it ends with this code, at a place of the program.
#[track_caller]
fn ends(name: &str, program: &str, command: &str, code: &str) {
    let sandbox = sandbox();
    sandbox.write("main.dts", program);
    ends_in(&sandbox, name, command, code);
}

#[track_caller]
fn ends_in(sandbox: &Sandbox, name: &str, command: &str, code: &str) {
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; {command}"));
    let text = ran.transcript();
    let shown: String = text.chars().take(2_000).collect();
    assert_eq!(ran.code, 1, "{name}: {shown}");
    assert!(text.contains(&format!("error[{code}]")), "{name}: {shown}");
    assert!(text.contains(".dts:") || text.contains(".yaml:"), "{name} has a place: {shown}");
    assert!(text.len() < 100_000, "{name}: what is said is short");
}

const CHECK: &str = "dtm check --format short";

#[test]
fn values_that_double_end() {
    let cases = [
        (
            "spreads",
            doubled("let v0: [int] = [1]", "let vN = [...vP, ...vP]"),
            "output x = length(v40)",
            "E0417",
        ),
        (
            "lists in lists",
            doubled("let v0: any = 1", "let vN: any = [vP, vP]"),
            "output x: any = v40",
            "E0417",
        ),
        (
            "records of any",
            doubled("let v0: any = 1", "let vN: any = { a = vP, b = vP }"),
            "output x: any = v40",
            "E0417",
        ),
        (
            "maps",
            doubled("let v0: any = 1", "let vN: any = { [k] = vP for k in [\"a\", \"b\"] }"),
            "output x: any = v40",
            "E0417",
        ),
        ("flatten", doubled("let v0 = [1]", "let vN = flatten([vP, vP])"), "output x = length(v40)", "E0417"),
        ("texts", doubled("let v0 = \"ab\"", "let vN = \"${vP}${vP}\""), "output x = length(v40)", "E0417"),
        (
            "join",
            doubled("let v0 = \"ab\"", "let vN = join([vP, vP], vP)"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "replace",
            doubled("let v0 = \"aa\"", "let vN = replace(vP, \"a\", \"aa\")"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "replace by itself",
            doubled("let v0 = \"aa\"", "let vN = replace(vP, \"a\", vP)"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "regex_replace",
            doubled("let v0 = \"aa\"", "let vN = regex_replace(vP, \".*\", \"$0$0\")"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "indent",
            doubled("let v0 = \"a\\nb\"", "let vN = indent(\"${vP}\\n${vP}\", 1000)"),
            "output x = length(v40)",
            "E0409",
        ),
        (
            "base64",
            doubled("let v0 = \"%%\"", "let vN = base64(base64(base64(vP)))"),
            "output x = length(v40)",
            "E0409",
        ),
        (
            "json in json",
            doubled("let v0 = \"\\\"\"", "let vN = json(json(vP))"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "yaml in yaml",
            doubled("let v0 = \"\\\"\"", "let vN = yaml(yaml(vP))"),
            "output x = length(v40)",
            "E0401",
        ),
        (
            "json",
            doubled("let v0: any = 1", "let vN: any = { a = vP, b = vP }"),
            "output x = json(v40)",
            "E0417",
        ),
        (
            "yaml",
            doubled("let v0: any = 1", "let vN: any = { a = vP, b = vP }"),
            "output x = yaml(v18)",
            "E0401",
        ),
        (
            "toml",
            doubled("let v0: any = 1", "let vN: any = { a = vP, b = vP }"),
            "output x = toml(v18)",
            "E0401",
        ),
        (
            "merge",
            doubled("let v0: any = { a = 1 }", "let vN: any = { a = vP, b = merge(vP, { c = vP }) }"),
            "output x: any = v40",
            "E0417",
        ),
        (
            "functions",
            doubled("fn f0(x: [int]) -> [int] = x", "fn fN(x: [int]) -> [int] = [...fP(x), ...fP(x)]"),
            "output x = length(f40([1]))",
            "E0409",
        ),
        (
            "calls",
            doubled("fn f0(x: int) -> int = x", "fn fN(x: int) -> int = fP(x) + fP(x)"),
            "output x = f40(1)",
            "E0409",
        ),
    ];
    for (name, program, rest, code) in cases {
        ends(name, &with(program, rest), CHECK, code);
    }
}

#[test]
fn what_goes_through_a_large_value_again_and_again_ends() {
    let large = doubled("let v0: any = 1", "let vN: any = if N < 18 then [vP, vP] else vP");
    let other = large.replace("dts 1", "").replace(" v", " w").replace("[v", "[w");
    let both = format!("{large}{other}");
    let cases = [
        ("==", format!("{both}\noutput x = length([i for i in 0..1000 if v40 == w40])"), "E0409"),
        ("in", format!("{both}\noutput x = length([i for i in 0..1000 if v40 in [w40, w40]])"), "E0409"),
        ("json", format!("{large}\noutput x = length([json(v40) for i in 0..1000])"), "E0409"),
        ("merge", format!("{large}\noutput x = length([merge({{ a = v40 }}, {{ a = v40 }}) for i in 0..100000])"), "E0409"),
        ("unique", format!("{large}\noutput x = length([unique([v40, v40]) for i in 0..1000])"), "E0409"),
        ("casts", format!("{large}\noutput x = length([v40 as [any] for i in 0..10000000000])"), "E0401"),
        ("many lists", "dts 1\noutput x = length([0..1000 for i in 0..100000])\n".into(), "E0417"),
        ("lines", doubled("let v0 = \"\\n\"", "let vN = if N < 23 then \"${vP}${vP}\" else vP") + "output x = length(lines(v40))\n", "E0401"),
        ("split", doubled("let v0 = \",\"", "let vN = if N < 23 then \"${vP}${vP}\" else vP") + "output x = length(split(v40, \",\"))\n", "E0401"),
        ("a pattern on a long text", doubled("let v0 = \"ab\"", "let vN = if N < 23 then \"${vP}${vP}\" else vP") + "output x = matches(v40, \"^(a|b|ab|c)*$\")\n", "E0401"),
        ("conditions", format!("type T = any where json(self) != \"\"\n{large}\nlet t: [T] = [v40 for i in 0..1000]\noutput x = length(t)").replacen("dts 1", "", 1).replacen("type T", "dts 1\n\ntype T", 1), "E0409"),
    ];
    for (name, program, code) in cases {
        ends(name, &program, CHECK, code);
    }
}

#[test]
fn families_and_components_end() {
    let component = |i: usize| {
        "component CN {\n  tool a: CP {}\n  tool b: CP {}\n}\n"
            .to_string()
            .replace('N', &i.to_string())
            .replace('P', &(i - 1).to_string())
    };
    let mut nested = String::from("dts 1\n\ncomponent C0 {\n  tool v: core.Value {\n    value = 1\n  }\n}\n");
    (1..=40).for_each(|i| nested += &component(i));
    nested = nested.replace("CP", "C").replace(": C{", ": C {");
    nested += "tool all: C40 {}\n";
    ends("components", &nested, CHECK, "E0417");
    let family = "dts 1\n\ntool t[i in 0..1000000 by \"${i}\"]: core.Value {\n  value = i\n}\n";
    ends("a family", family, CHECK, "E0417");
    let large = "dts 1\n\nlet large = 0..10000\n\ntool t[i in 0..2000 by \"${i}\"]: core.Value {\n  value = large\n}\n";
    ends("large inputs", large, CHECK, "E0417");
    ends("large inputs, planned", large, "dtm plan", "E0417");
    let edges = "dts 1\n\ntool a[i in 0..4000 by \"${i}\"]: core.Value {\n  value = i\n}\n\nlet all = [t.value for k, t in a]\n\ntool b[i in 0..4000 by \"${i}\"]: core.Value {\n  value = all[i]\n  with { after = [a] }\n}\n";
    let ran = {
        let sandbox = sandbox();
        sandbox.write("main.dts", edges);
        sandbox.shell(&format!("ulimit -v {}; {CHECK}", 2 * MEMORY))
    };
    assert!(ran.code <= 1, "{}", ran.transcript());
}

#[test]
fn types_that_double_end() {
    let cases = [
        ("written", doubled("type T0 = { a: int }", "type TN = { a: TP, b: TP }"), "param p: T40?"),
        (
            "unions",
            doubled("type T0 = { a: int }", "type TN = { a: TP } | { b: TP, c: TP }"),
            "param p: T40?",
        ),
        (
            "maps and lists",
            doubled("type T0 = { a: int }", "type TN = { a: [TP], b: map<TP> }"),
            "param p: T40?",
        ),
        ("found", doubled("let v0 = { a = 1 }", "let vN = { a = vP, b = vP }"), "output x = v40.a.a.a.a"),
        (
            "of lists",
            doubled("let v0 = [{ a = 1 }]", "let vN = [{ a = vP, b = vP }]"),
            "output x = length(v40)",
        ),
        (
            "of functions",
            doubled("fn f0(x: int) -> { a: int } = { a = x }", "let vN = { a = f0(N), b = vP }")
                .replace("vP", "f0(1)"),
            "output x = { a = nope }",
        ),
        (
            "of defaults",
            doubled("type T0 = { a: int = 1 }", "type TN = { a: TP = {}, b: TP = {} }"),
            "param p: T40 = {}",
        ),
    ];
    for (name, program, rest) in cases {
        let code = if name == "of functions" { "E0201" } else { "E0321" };
        ends(name, &with(program, rest), CHECK, code);
    }
}

#[test]
fn tests_and_the_console_end() {
    let large = doubled("let v0: any = 1", "let vN: any = if N < 18 then [vP, vP] else vP");
    let test = format!("{large}\ntest \"large\" {{\n  assert [v40, v40, v40] == [v40, v40, 1], \"no\"\n}}\n");
    let sandbox = sandbox();
    sandbox.write("main.dts", &test);
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; dtm test"));
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    assert!(ran.transcript().contains("E0415"), "{}", ran.transcript());
    assert!(ran.transcript().len() < 10_000, "what is said of a large value is short");
    let doubled = doubled("let v0: any = 1", "let vN: any = [vP, vP]");
    sandbox.write("main.dts", &doubled);
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; dtm eval v40"));
    assert!(ran.transcript().contains("E0417"), "{}", ran.transcript());
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; echo v40 | dtm console"));
    assert!(ran.transcript().contains("E0417"), "{}", ran.transcript());
}

#[test]
fn data_that_grows_ends() {
    let mut bomb = String::from("a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n");
    for i in 1..=12 {
        let before = format!("*a{}", i - 1);
        let _ = writeln!(bomb, "a{i}: &a{i} [{}]", vec![before; 9].join(", "));
    }
    let sandbox = sandbox();
    sandbox.write("bomb.yaml", &bomb);
    sandbox.write("main.dts", "dts 1\n\nimport \"./bomb.yaml\" as bomb\n\noutput x: any = bomb\n");
    ends_in(&sandbox, "aliases", CHECK, "E0412");
    sandbox.write(
        "devstream.yaml",
        format!("config:\n  state:\n    backend: local\nvars:\n{}\ntools: []\n", bomb.replace("a", "  a")),
    );
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; dtm check -f devstream.yaml --format short"));
    assert_eq!(ran.code, 1, "{}", ran.transcript());
    // Many keys are no problem, and two of one name are found.
    let mut keys: String = (0..80_000).map(|i| format!("key-{i}: {i}\n")).collect();
    sandbox.write("bomb.yaml", &keys);
    let ran = sandbox.shell(&format!("ulimit -v {MEMORY}; {CHECK}"));
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    keys += "key-0: 1\n";
    sandbox.write("bomb.yaml", &keys);
    ends_in(&sandbox, "a key twice", CHECK, "E0412");
}
