//! Every example lives its whole life, from `dtm new` to `dtm destroy`.

use dtm_stdlib::EXAMPLES;
use dtm_tests::sandbox::Sandbox;
use std::path::{Path, PathBuf};

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("an entry").path());
    let mut all: Vec<PathBuf> = entries.flat_map(|p| if p.is_dir() { below(&p) } else { vec![p] }).collect();
    all.sort();
    all
}

#[test]
fn every_example_lives_its_whole_life() {
    assert!(EXAMPLES.iter().any(|e| e.name == "quickstart"));
    for example in EXAMPLES {
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        let made = sandbox.run(&["new", example.name, "project"]);
        assert_eq!(made.code, 0, "{}", made.transcript());
        let ignored =
            std::fs::read_to_string(sandbox.path().join("project/.gitignore")).expect("a .gitignore");
        assert!(ignored.contains("/.dtm/") && ignored.contains("/out/"));
        let run = |args: &[&str]| sandbox.run(&[&["-C", "project"], args].concat());
        let ok = |args: &[&str]| {
            let ran = run(args);
            assert_eq!(ran.code, 0, "{}: dtm {args:?}\n{}", example.name, ran.transcript());
            ran.stdout
        };
        ok(&["check"]);
        ok(&["fmt", "--check"]);
        let plan = ok(&["plan"]);
        assert_eq!(plan, ok(&["plan"]), "a plan is the same for the same input");
        ok(&["apply", "-y"]);
        assert!(ok(&["apply", "-y"]).starts_with("No changes"), "the second apply is empty");
        assert!(ok(&["plan"]).starts_with("No changes"));
        assert_eq!(ok(&["verify"]), "No drift: everything is as the state says.\n");
        let out = sandbox.path().join("project/out");
        if example.name == "services" {
            ok(&["destroy", "-y"]);
            assert_eq!(below(&out), Vec::<PathBuf>::new(), "nothing is left");
            continue;
        }
        // Somebody changes one file and removes another.
        let files = below(&out);
        assert!(files.len() > 2);
        std::fs::write(&files[0], "changed by hand").expect("written");
        std::fs::remove_file(&files[1]).expect("removed");
        assert_eq!(run(&["verify"]).code, 4);
        let plan = ok(&["plan"]);
        assert!(plan.starts_with("changed outside of dtm\n") && plan.contains("gone"), "{plan}");
        ok(&["apply", "-y"]);
        assert_eq!(run(&["verify"]).code, 0, "mended");
        assert!(ok(&["apply", "-y"]).starts_with("No changes"));
        ok(&["destroy", "-y"]);
        assert_eq!(below(&out), Vec::<PathBuf>::new(), "nothing is left");
    }
}

#[test]
fn the_quickstart_has_an_environment_of_its_own_for_production() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.run(&["new", "quickstart", "project"]);
    let run = |args: &[&str]| sandbox.run(&[&["-C", "project"], args].concat());
    assert_eq!(run(&["apply", "-y"]).code, 0);
    let prod = run(&["apply", "-y", "--set", "env=prod"]);
    assert_eq!(prod.code, 0, "another env is another state: {}", prod.transcript());
    assert!(prod.stdout.contains("robots created"), "{}", prod.transcript());
    assert!(run(&["apply", "-y"]).stdout.starts_with("No changes"), "and leaves the first one alone");
    assert_eq!(run(&["destroy", "-y", "--set", "env=prod"]).code, 0);
    assert!(sandbox.path().join("project/out/dev/site/index.html").exists());
    assert_eq!(run(&["apply", "-y", "--set", "env=test"]).code, 1, "only what the type allows");
}

#[test]
fn services_come_change_and_go_with_their_list() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.run(&["new", "services", "project"]);
    let run = |args: &[&str]| sandbox.run(&[&["-C", "project"], args].concat());
    let ok = |args: &[&str]| {
        let ran = run(args);
        assert_eq!(ran.code, 0, "dtm {args:?}\n{}", ran.transcript());
        ran.stdout
    };
    let shell = |line: &str| {
        let ran = sandbox.shell(&format!("cd project && {line}"));
        assert_eq!(ran.code, 0, "{line}\n{}", ran.transcript());
        ran.stdout
    };
    ok(&["apply", "-y"]);
    let cart = "git -C out/dev/git/cart.git";
    assert_eq!(
        shell(&format!("{cart} log --format='%an: %s' main")),
        "dtm: Add the pipeline\ndtm: Scaffold from templates/go\n"
    );
    assert!(shell(&format!("{cart} show main:main.go")).contains("\"cart\""));
    assert!(
        shell(&format!("{cart} show main:.github/workflows/build.yml")).contains("${{ github.sha }} of main")
    );
    let mail = shell("git -C out/dev/git/mail.git ls-tree --name-only main");
    assert!(!mail.contains("Dockerfile"), "left out by its condition: {mail}");
    // A fourth service.
    shell("printf -- '- name: pay\\n  framework: python\\n' >> services.yaml");
    let plan = ok(&["plan"]);
    assert!(plan.contains("3 to add, 1 to change, 0 to destroy"), "{plan}");
    ok(&["apply", "-y"]);
    assert!(shell("git -C out/dev/git/pay.git show main:pay/__main__.py").contains("8080"));
    assert!(shell("cat out/dev/index.md").contains("[pay]"));
    // One goes.
    shell("sed -i '/name: search/,/port: 8082/d' services.yaml");
    let plan = ok(&["plan"]);
    assert!(plan.contains("0 to add, 1 to change, 3 to destroy"), "{plan}");
    ok(&["apply", "-y"]);
    assert!(!sandbox.path().join("project/out/dev/git/search.git").exists());
    // Somebody commits to a file of ours, and adds one of theirs.
    shell(
        "git clone -q out/dev/git/cart.git work && cd work && echo 'by hand' >> README.md && echo x > NOTES && git add . && git -c user.name=ann -c user.email=ann@example.com commit -qm 'by hand' && git push -q",
    );
    assert_eq!(run(&["verify"]).code, 4);
    let plan = ok(&["plan"]);
    assert!(plan.starts_with("changed outside of dtm\n"), "{plan}");
    assert!(plan.contains("~ README.md") && plan.contains("- by hand"), "{plan}");
    ok(&["apply", "-y"]);
    assert!(!shell(&format!("{cart} show main:README.md")).contains("by hand"));
    assert_eq!(shell(&format!("{cart} show main:NOTES")), "x\n", "what is not ours stays");
    assert!(ok(&["apply", "-y"]).starts_with("No changes"));
    // In production there are owners as well, and commits of others are kept.
    ok(&["apply", "-y", "--set", "env=prod"]);
    assert_eq!(shell("git -C out/prod/git/cart.git show main:.github/CODEOWNERS"), "* @shop/cart\n");
    ok(&["destroy", "-y", "--set", "env=prod"]);
    ok(&["destroy", "-y"]);
    assert_eq!(below(&sandbox.path().join("project/out")), Vec::<PathBuf>::new(), "nothing is left");
}
