//! `scm` against a real git server over HTTP with tokens: what it writes, what it refuses, answers that are lost, races,
//! and a token that changes.

use dtm_tests::git_http::{GitServer, git_in};
use dtm_tests::sandbox::{Ran, Sandbox};
use std::path::Path;

fn sandbox(program: &str) -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("main.dts", format!("dts 1\n\nparam url: string\nparam token: secret string\nlet where = {{ host = \"git\", url, token }}\n{program}"));
    sandbox.write("template/README.md.tpl", "# [[ name ]]\n");
    sandbox.write("template/main.go", "package main\n");
    sandbox
}

const SCAFFOLD: &str = "tool repo: scm.Repo { destination = where }\ntool code: scm.Scaffold { destination = { host = \"git\", url = repo.url, token }, template = \"template\", vars = { name = \"cart\" } }\n";

fn dtm(sandbox: &Sandbox, command: &[&str], url: &str, token: &str) -> Ran {
    let (url, token) = (format!("url={url}"), format!("token={token}"));
    let args = [command, &["--format", "short", "--set", &url, "--set", &token]].concat();
    sandbox.run(&args)
}

#[track_caller]
fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_scaffold_comes_up_over_http_and_goes_again() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    let sandbox = sandbox(SCAFFOLD);
    done(&dtm(&sandbox, &["apply", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "show", "main:README.md"]), "# cart\n");
    let again = dtm(&sandbox, &["plan"], &url, "secret-token");
    assert!(again.stdout.starts_with("No changes"), "{}{}", again.stdout, again.stderr);
    // Somebody else commits: their file stays, ours is mended.
    let work = sandbox.path().join("work");
    let git = |args: &[&str]| {
        let out = git_in(&work).args(args).output().expect("git starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    std::fs::create_dir(&work).expect("a folder");
    git(&["clone", "-q", server.path("cart.git").to_str().expect("UTF-8"), "."]);
    std::fs::write(work.join("README.md"), "by hand\n").expect("written");
    std::fs::write(work.join("NOTES"), "notes\n").expect("written");
    git(&["add", "."]);
    git(&["commit", "-qm", "by hand"]);
    git(&["push", "-q"]);
    let drift = dtm(&sandbox, &["plan"], &url, "secret-token");
    assert!(drift.stdout.contains("but for README.md"), "{}", drift.stdout);
    done(&dtm(&sandbox, &["apply", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "show", "main:README.md"]), "# cart\n");
    done(&dtm(&sandbox, &["destroy", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "ls-tree", "--name-only", "main"]), "NOTES\n");
    let log = server.git(&["-C", "cart.git", "log", "--format=%an", "main"]);
    assert_eq!(log.lines().collect::<Vec<_>>(), ["dtm", "dtm", "ann", "dtm"]);
}

#[test]
fn a_token_that_changes_changes_nothing_else() {
    let server = GitServer::start("first-token");
    let url = server.repository("cart.git");
    let sandbox = sandbox(SCAFFOLD);
    done(&dtm(&sandbox, &["apply", "-y"], &url, "first-token"));
    server.forget_tokens();
    server.allow("second-token", true);
    let plan = dtm(&sandbox, &["plan"], &url, "second-token");
    done(&plan);
    assert!(plan.stdout.contains("~ code") && !plan.stdout.contains("-/+"), "{}", plan.stdout);
    done(&dtm(&sandbox, &["apply", "-y"], &url, "second-token"));
    let commits = server.git(&["-C", "cart.git", "rev-list", "--count", "main"]);
    assert_eq!(commits, "1\n", "nothing was written for it");
    let again = dtm(&sandbox, &["plan"], &url, "second-token");
    assert!(again.stdout.starts_with("No changes"), "{}", again.stdout);
}

#[test]
fn wrong_and_weak_tokens_and_repositories_that_are_not_there() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    server.allow("reads-only", false);
    let sandbox = sandbox(SCAFFOLD);
    let wrong = dtm(&sandbox, &["apply", "-y"], &url, "wrong-token");
    assert_eq!(wrong.code, 4, "{}{}", wrong.stdout, wrong.stderr);
    assert!(wrong.stderr.contains("the credentials are refused"), "{}", wrong.stderr);
    let weak = dtm(&sandbox, &["apply", "-y"], &url, "reads-only");
    assert_eq!(weak.code, 4, "{}", weak.stderr);
    assert!(
        weak.stderr.contains("`code`") && weak.stderr.contains("the credentials are refused"),
        "{}",
        weak.stderr
    );
    let head =
        git_in(&server.path("cart.git")).args(["rev-parse", "-q", "--verify", "main"]).output().expect("git");
    assert!(!head.status.success(), "nothing was pushed by half");
    done(&dtm(&sandbox, &["apply", "-y"], &url, "secret-token"));

    let nowhere = self::sandbox(SCAFFOLD);
    let absent = dtm(&nowhere, &["apply", "-y"], &server.url("absent.git"), "secret-token");
    assert_eq!(absent.code, 4);
    assert!(absent.stderr.contains("there is no such repository"), "{}", absent.stderr);
    for ran in [wrong, weak, absent] {
        for secret in ["secret-token", "wrong-token", "reads-only"] {
            assert!(!(ran.stdout.clone() + &ran.stderr).contains(secret), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_push_whose_answer_is_lost_is_not_made_twice() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    let sandbox = sandbox(SCAFFOLD);
    server.swallow_answers(1);
    done(&dtm(&sandbox, &["apply", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "rev-list", "--count", "main"]), "1\n");
    let again = dtm(&sandbox, &["plan"], &url, "secret-token");
    assert!(again.stdout.starts_with("No changes"), "{}", again.stdout);
}

#[test]
fn two_that_write_at_the_same_time_both_arrive() {
    let server = GitServer::start("secret-token");
    let url = server.repository("all.git");
    let file = |name: &str| {
        let tool = format!(
            "tool f[i in [\"1\", \"2\", \"3\"]]: scm.File {{ destination = where, path = \"{name}-${{i}}\", content = i }}\n"
        );
        sandbox(&tool)
    };
    let (a, b) = (file("a"), file("b"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| dtm(&a, &["apply", "-y"], &url, "secret-token"));
        let second = dtm(&b, &["apply", "-y"], &url, "secret-token");
        done(&first.join().expect("ended"));
        done(&second);
    });
    let files = server.git(&["-C", "all.git", "ls-tree", "--name-only", "main"]);
    assert_eq!(files.lines().collect::<Vec<_>>(), ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]);
    assert_eq!(server.git(&["-C", "all.git", "rev-list", "--count", "main"]), "6\n");
}

#[test]
fn a_branch_that_is_protected_is_not_written() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    let hook = server.path("cart.git").join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho 'main is protected: open a pull request' >&2\nexit 1\n")
        .expect("written");
    std::os::unix::fs::chown(&hook, None, None).expect("ours");
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().expect("chmod");
    let sandbox = sandbox(SCAFFOLD);
    let ran = dtm(&sandbox, &["apply", "-y"], &url, "secret-token");
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert!(
        ran.stderr.contains("the repository refuses it: main is protected: open a pull request"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_thousand_files_in_one_commit() {
    let server = GitServer::start("secret-token");
    let url = server.repository("large.git");
    let sandbox = sandbox(SCAFFOLD);
    for n in 0..1000 {
        sandbox.write(
            &format!("template/src/{}/file-{n}.txt.tpl", n % 20),
            format!("[[ name ]] {n}\n").repeat(20),
        );
    }
    done(&dtm(&sandbox, &["apply", "-y"], &url, "secret-token"));
    let files = server.git(&["-C", "large.git", "ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files.lines().count(), 1002);
    let before = server.requests();
    let again = dtm(&sandbox, &["plan"], &url, "secret-token");
    assert!(again.stdout.starts_with("No changes"), "{}", again.stdout);
    assert!(server.requests() > before, "the server was asked");
}

/// The `ssh` program is played by a shell: what is tested is how git is told to use it.
#[test]
fn over_ssh_nobody_is_asked_anything() {
    let sandbox = sandbox(
        "tool f: scm.File { destination = { host = \"git\", url }, path = \"a\", content = \"x\" }\n",
    );
    let server = sandbox.path().join("server.git");
    let out =
        git_in(sandbox.path()).args(["init", "-q", "--bare", "--initial-branch=main"]).arg(&server).output();
    assert!(out.expect("git starts").status.success());
    sandbox.write("bin/ssh", "#!/bin/sh\necho \"$@ agent=$SSH_AUTH_SOCK\" >> \"$HOME/ssh.log\"\nfor last; do :; done\nexec sh -c \"$last\"\n");
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(sandbox.path().join("bin/ssh"))
        .status()
        .expect("chmod");
    let url = format!("ssh://git@example.invalid{}", server.display());
    let mut command = sandbox.dtm();
    let path =
        format!("{}:{}", sandbox.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).env("SSH_AUTH_SOCK", "/run/agent");
    command.args(["apply", "-y", "--set", &format!("url={url}"), "--set", "token=unused"]);
    let out = command.output().expect("dtm starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let log = std::fs::read_to_string(sandbox.home().join("ssh.log")).expect("ssh was run");
    assert!(log.contains("BatchMode=yes") && log.contains("agent=/run/agent"), "{log}");
    let show = git_in(&server).args(["show", "main:a"]).output().expect("git starts");
    assert_eq!(String::from_utf8_lossy(&show.stdout), "x");
}

/// DevStream's YAML, with a template from a server and a repository on one.
fn devstreams(server: &GitServer) -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    server.repository("template.git");
    let template = format!("file://{}", server.path("template.git").display());
    let work = sandbox.path().join("template");
    std::fs::create_dir(&work).expect("a folder");
    let git = |args: &[&str]| {
        let out = git_in(&work).args(args).output().expect("git starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    git(&["clone", "-q", server.path("template.git").to_str().expect("UTF-8"), "."]);
    std::fs::write(work.join("main.go"), "package main\n").expect("written");
    std::fs::write(work.join("NAME.tpl"), "[[ name ]]\n").expect("written");
    git(&["add", "."]);
    git(&["commit", "-qm", "the template"]);
    git(&["push", "-q"]);
    let url = server.repository("shop.git");
    sandbox.write(
        "config.yaml",
        format!(
            "config:\n  state: {{backend: local}}\nvars:\n  team: shop\ntools:\n- name: repo-scaffolding\n  instanceID: shop\n  options:\n    \
             destinationRepo: {{url: \"{url}\", branch: main, token: [[ env \"GIT_TOKEN\" ]]}}\n    \
             sourceRepo: {{url: \"{template}\", branch: main}}\n    # who it is of\n    vars: {{name: [[ team ]]}}\n"
        ),
    );
    sandbox
}

#[test]
fn devstreams_yaml_is_applied_and_converted_and_nothing_changes() {
    let server = GitServer::start("secret-token");
    let sandbox = devstreams(&server);
    let run = |args: &[&str]| sandbox.shell(&format!("GIT_TOKEN=secret-token dtm {}", args.join(" ")));
    done(&run(&["apply", "-y", "config.yaml"]));
    assert_eq!(server.git(&["-C", "shop.git", "show", "main:NAME"]), "shop\n");
    let again = run(&["plan", "config.yaml"]);
    assert!(again.stdout.starts_with("No changes"), "{}{}", again.stdout, again.stderr);
    done(&run(&["convert", "config.yaml", "-o", "main.dts"]));
    let converted = run(&["plan", "main.dts"]);
    assert!(converted.stdout.starts_with("No changes"), "{}{}", converted.stdout, converted.stderr);
    assert_eq!(server.git(&["-C", "shop.git", "rev-list", "--count", "main"]), "1\n");
}

#[test]
fn what_devstream_made_is_taken_over() {
    let server = GitServer::start("secret-token");
    let sandbox = devstreams(&server);
    let run = |args: &[&str]| sandbox.shell(&format!("GIT_TOKEN=secret-token dtm {}", args.join(" ")));
    let url = server.url("shop.git");
    let template = format!("file://{}", server.path("template.git").display());
    sandbox.write(
        "devstream.state",
        format!(
            "repo-scaffolding_shop:\n  name: repo-scaffolding\n  instanceID: shop\n  dependsOn: []\n  options:\n    destinationRepo:\n      \
             url: {url}\n      branch: main\n      token: secret-token\n    instanceID: shop\n    sourceRepo:\n      url: {template}\n      branch: main\n    \
             vars:\n      name: shop\n  resourceStatus:\n    outputs: {{repo: shop}}\n"
        ),
    );
    let before = std::fs::read(sandbox.path().join("devstream.state")).expect("the state");
    done(&run(&["state", "import", "--devstream", "devstream.state", "-f", "config.yaml"]));
    let list = run(&["state", "list", "-f", "config.yaml"]);
    assert_eq!(list.stdout, "shop  (noted)\n");
    let plan = run(&["plan", "config.yaml"]).stdout;
    assert!(plan.contains("another tool noted that it made it, and it is not there"), "{plan}");
    done(&run(&["apply", "-y", "config.yaml"]));
    let again = run(&["plan", "config.yaml"]);
    assert!(again.stdout.starts_with("No changes"), "{}{}", again.stdout, again.stderr);
    // Once more is nothing new, and the file of DevStream is as it was.
    let more = run(&["state", "import", "--devstream", "devstream.state", "-f", "config.yaml"]);
    assert!(more.stderr.contains("Imported 0 tools"), "{}", more.stderr);
    assert_eq!(std::fs::read(sandbox.path().join("devstream.state")).expect("the state"), before);
}
