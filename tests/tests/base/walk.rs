//! The laws of plan and walk, on random graphs with random failures: each tool starts once and never before what it
//! waits for; a failure takes its dependents with it and nothing else; what is left is done by the next apply; a
//! plan after an apply is empty, and the same for the same input.

use dtm_tests::plugins::{build_c, has};
use dtm_tests::sandbox::Sandbox;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

#[derive(Clone, Debug)]
struct Random {
    /// For each tool: the earlier tools that it reads, and whether it fails.
    tools: Vec<(BTreeSet<usize>, bool)>,
    parallelism: usize,
}

fn random() -> impl Strategy<Value = Random> {
    let tool = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), prop::bool::weighted(0.1));
    (prop::collection::vec(tool, 1..25), 1..12usize).prop_map(|(tools, parallelism)| {
        let one = |(i, (deps, fails)): (usize, (Vec<prop::sample::Index>, bool))| {
            let deps = if i == 0 { BTreeSet::new() } else { deps.iter().map(|d| d.index(i)).collect() };
            (deps, fails)
        };
        Random { tools: tools.into_iter().enumerate().map(one).collect(), parallelism }
    })
}

fn program(random: &Random, failing: bool) -> String {
    let mut out = String::from("dts 1\n\nplugins { faulty = \"./libfaulty.so\" }\n\n");
    for (i, (deps, fails)) in random.tools.iter().enumerate() {
        let fault = if *fails && failing { "clean" } else { "none" };
        let reads: String = deps.iter().map(|d| format!("${{t{d}.at}}")).collect();
        let _ = writeln!(
            out,
            "tool t{i}: faulty.Thing {{ name = \"t{i}\", fault = if \"{reads}\" == \"x\" then \"x\" else \"{fault}\" }}"
        );
    }
    out
}

/// Everything that a tool waits for, directly or not.
fn ancestors(random: &Random, tool: usize) -> BTreeSet<usize> {
    let mut all = random.tools[tool].0.clone();
    random.tools[tool].0.iter().for_each(|d| all.extend(ancestors(random, *d)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_of_the_walk_hold_for_random_graphs(random in random()) {
        if !has("cc") {
            return Ok(());
        }
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        build_c(&sandbox, "faulty", &[]);
        sandbox.write("main.dts", program(&random, true));
        let first = sandbox.run(&["plan"]);
        prop_assert_eq!(&first, &sandbox.run(&["plan"]), "a plan is the same for the same input");
        let parallelism = random.parallelism.to_string();
        let ran = sandbox.run(&["apply", "-y", "--json", "--parallelism", &parallelism]);
        let events: Vec<Value> = ran.stdout.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let (mut started, mut finished, mut running) = (BTreeMap::new(), BTreeMap::new(), 0usize);
        let (mut failed, mut skipped) = (BTreeSet::new(), BTreeMap::new());
        for (at, event) in events.iter().enumerate() {
            let addr = event["address"].as_str().unwrap_or("").to_string();
            match event["event"].as_str() {
                Some("started") => {
                    running += 1;
                    prop_assert!(running <= random.parallelism, "at most so many at once");
                    prop_assert!(started.insert(addr, at).is_none(), "started once");
                }
                Some("finished") => {
                    running -= 1;
                    finished.insert(addr, at);
                }
                Some("failed") => {
                    running -= 1;
                    failed.insert(addr);
                }
                Some("skipped") => _ = skipped.insert(addr, event["because"].as_str().unwrap_or("").to_string()),
                _ => {}
            }
        }
        for (i, (deps, fails)) in random.tools.iter().enumerate() {
            let name = format!("t{i}");
            let causes: BTreeSet<String> = ancestors(&random, i).into_iter().filter(|a| random.tools[*a].1).map(|a| format!("t{a}")).collect();
            if causes.is_empty() {
                prop_assert_eq!(failed.contains(&name), *fails);
                prop_assert_eq!(finished.contains_key(&name), !fails, "independent tools go on");
                for d in deps {
                    prop_assert!(finished[&format!("t{d}")] < started[&name], "never before what it waits for");
                }
            } else {
                prop_assert!(!started.contains_key(&name), "not begun after a failure");
                prop_assert!(causes.contains(&skipped[&name]), "skipped under its cause");
            }
        }
        prop_assert_eq!(ran.code, if failed.is_empty() { 0 } else { 4 });
        sandbox.write("main.dts", program(&random, false));
        let ran = sandbox.run(&["apply", "-y"]);
        prop_assert_eq!(ran.code, 0, "{}", ran.transcript());
        prop_assert!(sandbox.run(&["plan"]).stdout.starts_with("No changes"));
        let destroyed = sandbox.run(&["destroy", "-y"]);
        prop_assert_eq!(destroyed.code, 0, "{}", destroyed.transcript());
        prop_assert_eq!(sandbox.run(&["state", "list"]).stdout, "");
    }
}
