//! Fifty repositories in folders, each scaffolded with twenty files: the first apply, and the plan after it in which
//! nothing changed. Targets: 3 s and 0.5 s.
#![allow(clippy::print_stdout)]

use dtm_tests::sandbox::Sandbox;
use std::path::Path;
use std::time::Instant;

fn main() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    for n in 0..20 {
        let name = if n % 2 == 0 {
            format!("template/src/file-{n}.go")
        } else {
            format!("template/doc/file-{n}.md.tpl")
        };
        sandbox.write(&name, format!("// [[ name ]], file {n}\n").repeat(40));
    }
    let names: Vec<String> = (0..50).map(|n| format!("\"s{n}\"")).collect();
    sandbox.write(
        "main.dts",
        format!(
            "dts 1\n\nlet names = [{}]\ntool repo[n in names]: scm.Repo {{\n  destination = {{ host = \"folder\", path = \"git/${{n}}.git\" }}\n}}\ntool code[n in names]: scm.Scaffold {{\n  destination = {{ host = \"folder\", path = repo[n].url }}\n  template = \"template\"\n  vars = {{ name = n }}\n}}\n",
            names.join(", ")
        ),
    );
    let time = |args: &[&str], says: &str| {
        let started = Instant::now();
        let ran = sandbox.run(args);
        let took = started.elapsed().as_secs_f64();
        assert!(ran.code == 0 && ran.stdout.contains(says), "{}", ran.transcript());
        took
    };
    let apply = time(&["apply", "-y"], "Done: 100 created.");
    let mut plans: Vec<f64> = (0..5).map(|_| time(&["plan"], "No changes")).collect();
    plans.sort_by(f64::total_cmp);
    println!("apply of 50 repositories with 50 scaffolds of 20 files: {apply:.2} s");
    println!("plan after it, nothing changed, median of 5:            {:.2} s", plans[2]);
}
