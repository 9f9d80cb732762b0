//! Random graphs, random faults of the plugin, random kills, one to five processes at a time on the same state. The judge is
//! outside of dtm: a folder in which the plugin keeps its things, each with the key of the operation that made it. Whatever
//! happened, one apply without faults brings exactly what the program says: no orphan, no double, no lost id.
//!
//! `DTM_CHAOS=N` runs so many rounds; the number of the first one that fails is told, and runs alone with `DTM_CHAOS_SEED`.

use dtm_tests::plugins::{build_c, has};
use dtm_tests::sandbox::Sandbox;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const ROUNDS: u64 = 40;

/// What may go wrong while one thing is made; most of the time nothing does.
const FAULTS: [&str; 10] =
    ["none", "none", "none", "none", "clean", "partial", "retry", "segv", "after", "checkpoint"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }
}

#[derive(Clone)]
struct Tool {
    number: usize,
    /// Another one is another thing: the tool is replaced.
    name: usize,
    deps: Vec<usize>,
    create_first: bool,
}

impl Tool {
    fn thing(&self) -> String {
        format!("n{}-{}", self.number, self.name)
    }
}

/// Another program: tools go, come and are renamed, and depend on others before them.
fn change(tools: &mut Vec<Tool>, next: &mut usize, dice: &mut Dice) {
    tools.retain(|_| dice.roll(5) > 0);
    for tool in &mut *tools {
        if dice.roll(6) == 0 {
            tool.name += 1;
        }
    }
    for _ in 0..dice.roll(12) + 2 {
        let create_first = dice.roll(3) == 0;
        tools.push(Tool { number: *next, name: 0, deps: vec![], create_first });
        *next += 1;
    }
    let numbers: Vec<usize> = tools.iter().map(|t| t.number).collect();
    for (i, tool) in tools.iter_mut().enumerate() {
        tool.deps = (0..dice.roll(4)).filter(|_| i > 0).map(|_| numbers[dice.roll(i)]).collect();
    }
    // Who is replaced create-first takes those that it depends on with it.
    for i in (0..tools.len()).rev() {
        if tools[i].create_first {
            let deps = tools[i].deps.clone();
            tools.iter_mut().filter(|t| deps.contains(&t.number)).for_each(|t| t.create_first = true);
        }
    }
}

fn program(tools: &[Tool], mut fault: impl FnMut() -> &'static str) -> String {
    let mut out = String::from("dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\n");
    for tool in tools {
        let mut what = format!("\"{}\"", fault());
        for dep in &tool.deps {
            what = format!("if t{dep}.at == \"never\" then \"x\" else {what}");
        }
        let with = if tool.create_first { " with { replace = \"create-first\" }" } else { "" };
        let (number, thing) = (tool.number, tool.thing());
        let _ = writeln!(out, "tool t{number}: faulty.Thing {{ name = \"{thing}\", fault = {what} }}{with}");
    }
    out
}

fn cloud(sandbox: &Sandbox) -> BTreeSet<String> {
    let entries = std::fs::read_dir(sandbox.path().join("cloud")).into_iter().flatten();
    let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|n| !n.starts_with(".tries")).collect()
}

fn started(sandbox: &Sandbox, dice: &mut Dice) -> Child {
    let mut command = sandbox.dtm();
    let parallelism = (dice.roll(8) + 1).to_string();
    command.args(["apply", "-y", "-q", "--lock-timeout", "60s", "--parallelism", &parallelism]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dtm starts")
}

#[test]
fn whatever_happens_one_apply_brings_what_the_program_says() {
    if !has("cc") {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("DTM_CHAOS_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("DTM_CHAOS").unwrap_or(ROUNDS) / 8).collect(),
    };
    for seed in seeds {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995);
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        build_c(&sandbox, "faulty", &[]);
        let (mut tools, mut next) = (vec![], 0);
        for round in 0..8 {
            let at = format!("seed {seed}, round {round}");
            change(&mut tools, &mut next, &mut dice);
            sandbox.write("main.dts", program(&tools, || FAULTS[dice.roll(FAULTS.len())]));
            let mut running: Vec<Child> =
                (0..[1, 1, 2, 5][dice.roll(4)]).map(|_| started(&sandbox, &mut dice)).collect();
            for child in &mut running {
                if dice.roll(2) == 0 {
                    // A random moment is the point of this test: there is no signal to wait for.
                    std::thread::sleep(Duration::from_millis(dice.roll(120) as u64));
                    let _ = child.kill();
                }
            }
            running.iter_mut().for_each(|child| _ = child.wait().expect("ended"));
            sandbox.write("main.dts", program(&tools, || "none"));
            let ran = sandbox.run(&["apply", "-y", "-q", "--lock-timeout", "60s"]);
            assert_eq!(ran.code, 0, "{at}: {}", ran.transcript());
            let wanted: BTreeSet<String> = tools.iter().map(Tool::thing).collect();
            assert_eq!(cloud(&sandbox), wanted, "{at}: exactly what the program says exists, each made once");
            let known: BTreeSet<String> =
                sandbox.run(&["state", "list"]).stdout.lines().map(String::from).collect();
            assert_eq!(known, tools.iter().map(|t| format!("t{}", t.number)).collect(), "{at}");
            let again = sandbox.run(&["plan"]);
            assert!(again.stdout.starts_with("No changes"), "{at}: {}", again.transcript());
        }
        let destroyed = sandbox.run(&["destroy", "-y", "-q"]);
        assert_eq!(destroyed.code, 0, "seed {seed}: {}", destroyed.transcript());
        assert_eq!(cloud(&sandbox), BTreeSet::new(), "seed {seed}: nothing is left");
    }
}
