//! How long the language takes, as a table: check, evaluate and format of real and generated programs, with the growth
//! from one size to the next (lines double: 2 is linear), and the peak memory of `dtm check`.
//! `cargo bench -p dtm-tests --bench language`

use dtm_lang::{Inputs, Loader, Program, Purpose, Shipped, Symbol, check};
use dtm_tests::bench::{best, process_in};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct One(String);

impl Loader for One {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "main.dts" => Ok(self.0.clone().into_bytes()),
            other => Err(format!("there is no `{other}`")),
        }
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let shipped = dtm_engine::plugin::installed_interface(plugin).map(|(text, _)| text);
        let text = shipped.or_else(|| dtm_stdlib::interface(plugin))?;
        Some(Shipped { text: text.into(), version: "0.1.0".into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        vec![]
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        dtm_stdlib::module(name).map(Symbol::from)
    }
}

/// What a team needs, many times over, under other names: types, functions, tools that read each other.
fn real(lines: usize) -> String {
    let mut out = String::from("dts 1\n\nparam env: \"dev\" | \"prod\" = \"dev\"\n");
    let mut number = 0;
    while out.lines().count() < lines {
        for _ in 0..20 {
            let _ = write!(
                out,
                r#"
/// What team {number} runs.
type Service{number} = {{
  name: string where matches(self, "^[a-z][a-z0-9-]*$")
  replicas: int where self in 1..=10 = 1
  public: bool = false
}}

let services{number}: [Service{number}] = [
  {{ name = "cart-{number}", public = true }},
  {{ name = "search-{number}", replicas = if env == "prod" then 3 else 1 }},
]

fn url{number}(s: Service{number}) -> string = "https://${{s.name}}.acme.dev/${{if s.public then "" else "internal"}}"

tool config{number}[s in services{number} by s.name]: core.File {{
  path = "config/${{s.name}}.txt"
  content = """
    url = ${{url{number}(s)}}
    replicas = ${{s.replicas}}
    """
}}

tool index{number}: core.Value {{
  value = [c.sha256 for name, c in config{number}]
}} with {{ protect = env == "prod" }}

output paths{number} = {{ [name] = c.path for name, c in config{number} }}
"#
            );
            number += 1;
        }
    }
    out
}

fn wide(lines: usize) -> String {
    let tool = |i: usize| format!("tool t{i}: core.Value {{\n  value = {i}\n}}\n\n");
    "dts 1\n\n".to_string() + &(0..lines / 4).map(tool).collect::<String>()
}

/// Components inside each other, 20 deep, with two tools at each level.
fn deep(lines: usize) -> String {
    let mut out = String::from("dts 1\n\n");
    for level in (0..20).rev() {
        let inner = match level {
            19 => String::new(),
            _ => format!("  tool next: C{} {{\n    text = first.id\n  }}\n", level + 1),
        };
        let _ = write!(
            out,
            "component C{level} {{\n  in text: string\n  tool first: core.Value {{\n    value = text\n  }}\n{inner}  out id: string = first.id\n}}\n\n"
        );
    }
    // Twice the lines are twice the tools; the components themselves come on top.
    for i in 0..lines / 4 {
        let _ = write!(out, "tool c{i}: C0 {{\n  text = \"{i}\"\n}}\n\n");
    }
    out
}

fn comprehension(tools: usize) -> String {
    format!(
        "dts 1\n\ntool t[n in [\"service-${{i}}\" for i in 0..{tools}]]: core.File {{\n  path = \"${{n}}.txt\"\n  content = \"name = ${{n}}\\n\"\n}}\n\noutput count = length(t)\n"
    )
}

fn measure(text: &str) -> [Duration; 3] {
    let loader = || Arc::new(One(text.to_string())) as Arc<dyn Loader>;
    let checked = best(|| check("main.dts", &*loader()));
    let whole = best(|| Program::load("main.dts", loader(), &Inputs::default(), Purpose::Check));
    let (_, diagnostics) = Program::load("main.dts", loader(), &Inputs::default(), Purpose::Check);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    let formatted = best(|| dtm_lang::syntax::format::format(dtm_lang::FileId(0), text));
    [checked, whole.saturating_sub(checked), formatted]
}

/// A kind of program: its name, the program of a size, and the sizes that are tried.
type Measured<'s> = (&'static str, fn(usize) -> String, &'s [usize]);

/// Wall time and peak memory, in MB, of `dtm check` as a process.
fn process(text: &str) -> (Duration, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("main.dts"), text).expect("written");
    process_in(folder.path(), Path::new(env!("CARGO_BIN_EXE_dtm-under-test")), "check -q")
}

fn main() {
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "{:<22}{:>8}{:>18}{:>18}{:>18}{:>14}{:>8}",
        "program", "lines", "check", "evaluate", "format", "whole process", "MB"
    );
    let sizes = [1_000, 2_000, 10_000, 20_000, 50_000];
    let kinds: [Measured<'_>; 4] = [
        ("real, repeated", real, &sizes),
        ("wide", wide, &sizes),
        ("components, 20 deep", deep, &[1_000, 2_000, 4_000]),
        ("one comprehension", |n| comprehension(n), &[5_000, 10_000, 20_000]),
    ];
    for (name, program, sizes) in kinds {
        let mut before: Option<(usize, [Duration; 3])> = None;
        for &size in sizes {
            let text = program(size);
            let lines = text.lines().count();
            let times = measure(&text);
            let (took, peak) = process(&text);
            let cell = |i: usize| {
                let ms = times[i].as_secs_f64() * 1000.0;
                let doubled = before.filter(|(n, _)| n * 2 == size);
                let ratio =
                    doubled.map(|(_, b)| format!(" x{:.2}", times[i].as_secs_f64() / b[i].as_secs_f64()));
                format!("{:>18}", format!("{ms:.1} ms{}", ratio.unwrap_or_default()))
            };
            let shown = if name.starts_with("one") { format!("{size} tools") } else { lines.to_string() };
            let _ = writeln!(
                out,
                "{name:<22}{shown:>12}{}{:>14}{peak:>8}",
                (0..3).map(cell).collect::<String>(),
                format!("{:.0} ms", took.as_secs_f64() * 1000.0)
            );
            before = Some((size, times));
        }
    }
}
