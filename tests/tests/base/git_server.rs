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
    assert!(drift.stdout.contains("~ README.md  (changed)"), "{}", drift.stdout);
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
    // The plan reports what it could not read, and nothing is carried out.
    assert_eq!(wrong.code, 1, "{}{}", wrong.stdout, wrong.stderr);
    assert!(wrong.stderr.contains("E0607"), "{}", wrong.stderr);
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
    assert_eq!(absent.code, 1, "{}", absent.stderr);
    assert!(absent.stderr.contains("E0607"), "{}", absent.stderr);
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
    assert!(plan.contains("imported record; it does not exist"), "{plan}");
    done(&run(&["apply", "-y", "config.yaml"]));
    let again = run(&["plan", "config.yaml"]);
    assert!(again.stdout.starts_with("No changes"), "{}{}", again.stdout, again.stderr);
    // Once more is nothing new, and the file of DevStream is as it was.
    let more = run(&["state", "import", "--devstream", "devstream.state", "-f", "config.yaml"]);
    assert!(more.stderr.contains("Imported 0 tools"), "{}", more.stderr);
    assert_eq!(std::fs::read(sandbox.path().join("devstream.state")).expect("the state"), before);
}

/// Runs git in a folder of the sandbox; returns its output.
#[track_caller]
fn git(folder: &Path, args: &[&str]) -> String {
    let out = git_in(folder).args(args).output().expect("git starts");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_string()
}

/// Options of git with which a repository, or an attribute in it, names a program. `PROGRAM` leaves a mark and fails.
const NAMES_A_PROGRAM: &[&str] = &[
    "core.fsmonitor=PROGRAM",
    "core.sshCommand=PROGRAM",
    "core.gitProxy=PROGRAM",
    "core.pager=PROGRAM",
    "core.editor=PROGRAM",
    "core.askPass=PROGRAM",
    "core.alternateRefsCommand=PROGRAM",
    "core.hooksPath=HOOKS",
    "core.attributesFile=ATTRIBUTES",
    "credential.helper=!PROGRAM",
    "diff.external=PROGRAM",
    "diff.evil.command=PROGRAM",
    "diff.evil.textconv=PROGRAM",
    "filter.evil.clean=PROGRAM",
    "filter.evil.smudge=PROGRAM",
    "filter.evil.process=PROGRAM",
    "merge.evil.driver=PROGRAM",
    "gpg.program=PROGRAM",
    "gpg.ssh.program=PROGRAM",
    "gpg.x509.program=PROGRAM",
    "log.showSignature=true",
    "uploadpack.packObjectsHook=PROGRAM",
    "remote.origin.uploadpack=PROGRAM",
    "remote.origin.receivepack=PROGRAM",
    "remote.origin.vcs=evil",
    "url.ext::PROGRAM .insteadOf=file://",
    "url.ext::PROGRAM .insteadOf=http",
    "url.ext::PROGRAM .pushInsteadOf=file://",
    "protocol.allow=always",
    "protocol.ext.allow=always",
    "pager.log=PROGRAM",
    "pager.ls-tree=PROGRAM",
    "pager.config=PROGRAM",
    "alias.ls-tree=!PROGRAM",
    "alias.log=!PROGRAM",
    "alias.cat-file=!PROGRAM",
    "alias.archive=!PROGRAM",
    "interactive.diffFilter=PROGRAM",
    "sequence.editor=PROGRAM",
    "trailer.evil.cmd=PROGRAM",
    "trailer.evil.command=PROGRAM",
    "tar.tar.command=PROGRAM",
    "submodule.vendor.update=!PROGRAM",
    "gc.recentObjectsHook=PROGRAM",
    "http.proxyAuthMethod=negotiate",
    "include.path=INCLUDED",
    "includeIf.gitdir:/**.path=INCLUDED",
];

/// A project with a repository as its destination and one as its template, both of which came with it.
struct Hostile {
    sandbox: Sandbox,
}

impl Hostile {
    fn new() -> Hostile {
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        let here = sandbox.path().display().to_string();
        let hostile = Hostile { sandbox };
        let sandbox = &hostile.sandbox;
        sandbox.write(
            "main.dts",
            format!(
                "dts 1\n\nparam text: string = \"one\"\n\ntool repo: scm.Repo {{ destination = {{ host = \"folder\", path = \"cart.git\" }}, force_delete = true }}\n\
                 tool file: scm.File {{ destination = {{ host = \"folder\", path = \"cart.git\" }}, path = \"a\", content = text }} with {{ after = [repo] }}\n\
                 tool code: scm.Scaffold {{ destination = {{ host = \"folder\", path = \"cart.git\" }}, path = \"code\", template = \"file://{here}/template#v1\" }} with {{ after = [file] }}\n\
                 tool other: scm.File {{ destination = {{ host = \"git\", url = \"file://{here}/other.git\" }}, path = \"a\", content = text }}\n"
            ),
        );
        sandbox.write("evil/program", "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\nexit 1\n");
        for hook in [
            "reference-transaction",
            "post-checkout",
            "pre-push",
            "update",
            "pre-receive",
            "fsmonitor-watchman",
        ] {
            sandbox.write(
                &format!("evil/hooks/{hook}"),
                "#!/bin/sh\ntouch \"$(dirname \"$0\")/../ran\"\nexit 1\n",
            );
        }
        sandbox.write("evil/attributes", "* filter=evil diff=evil merge=evil\n");
        sandbox.write("evil/included", format!("[core]\n\tfsmonitor = {here}/evil/program\n[filter \"evil\"]\n\tsmudge = {here}/evil/program\n"));
        let out = sandbox.shell("chmod -R +x evil && git init -q --bare -b main other.git");
        assert_eq!(out.code, 0, "{}", out.transcript());
        sandbox.write("template/README", "hello\n");
        sandbox.write("template/.gitattributes", "* filter=evil diff=evil merge=evil\n");
        let template = sandbox.path().join("template");
        git(&template, &["init", "-q", "-b", "main", "."]);
        git(&template, &["add", "."]);
        git(&template, &["commit", "-qm", "one"]);
        git(&template, &["tag", "v1"]);
        done(&sandbox.run(&["apply", "-y"]));
        hostile
    }

    /// The folders in which git keeps the three repositories.
    fn repositories(&self) -> [std::path::PathBuf; 3] {
        ["cart.git", "template/.git", "other.git"].map(|name| self.sandbox.path().join(name))
    }

    /// Sets an option in all of them; returns the previous configurations.
    fn set(&self, option: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let evil = self.sandbox.path().join("evil").display().to_string();
        let (name, value) = option.rsplit_once('=').expect("an option");
        let filled = |text: &str| {
            ["PROGRAM", "HOOKS", "ATTRIBUTES", "INCLUDED"].iter().fold(text.to_string(), |text, word| {
                text.replace(word, &format!("{evil}/{}", word.to_lowercase()))
            })
        };
        let set = |dir: std::path::PathBuf| {
            let config = dir.join("config");
            let before = std::fs::read(&config).expect("a configuration");
            git(
                self.sandbox.path(),
                &["config", "--file", &config.display().to_string(), &filled(name), &filled(value)],
            );
            (config, before)
        };
        self.repositories().into_iter().map(set).collect()
    }

    fn ran(&self) -> bool {
        self.sandbox.path().join("evil/ran").exists()
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(self.sandbox.path().join("evil/ran"));
    }
}

#[test]
fn no_option_of_a_repository_runs_anything_while_planning() {
    let hostile = Hostile::new();
    for option in NAMES_A_PROGRAM {
        let before = hostile.set(option);
        for command in [&["plan"][..], &["plan", "--set", "text=two"]] {
            let ran = hostile.sandbox.run(command);
            assert_eq!(ran.code, 0, "{option}: {}", ran.transcript());
            assert!(!hostile.ran(), "`{option}` was run by {command:?}");
        }
        before.into_iter().for_each(|(config, bytes)| std::fs::write(config, bytes).expect("restored"));
    }
    // The program would have been run: by git on the repositories themselves.
    hostile.set("filter.evil.smudge=PROGRAM");
    let template = hostile.sandbox.path().join("template");
    let _ = git_in(&template).args(["archive", "--format=tar", "v1"]).output();
    assert!(hostile.ran(), "the test would notice");
}

#[test]
fn all_of_them_at_once_and_their_hooks_run_nothing_while_planning() {
    let hostile = Hostile::new();
    NAMES_A_PROGRAM.iter().for_each(|option| _ = hostile.set(option));
    for repository in hostile.repositories() {
        for hook in
            ["reference-transaction", "update", "pre-receive", "post-receive", "pre-push", "post-checkout"]
        {
            std::fs::create_dir_all(repository.join("hooks")).expect("a folder");
            std::fs::copy(
                hostile.sandbox.path().join("evil/hooks/update"),
                repository.join("hooks").join(hook),
            )
            .expect("a copy");
        }
    }
    for command in
        [&["plan"][..], &["verify"], &["plan", "--set", "text=two"], &["destroy", "--only", "file"]]
    {
        let ran = hostile.sandbox.run(command);
        assert!(!hostile.ran(), "run by {command:?}: {}", ran.transcript());
    }
}

#[test]
fn a_partial_clone_fetches_nothing() {
    let hostile = Hostile::new();
    let options = [
        "core.repositoryformatversion=1",
        "extensions.partialClone=origin",
        "remote.origin.promisor=true",
        "remote.origin.url=HOOKS",
        "remote.origin.uploadpack=PROGRAM",
        "remote.origin.partialclonefilter=blob:none",
    ];
    options.iter().for_each(|option| _ = hostile.set(option));
    // Everything that is not there would have to be fetched.
    for (repository, commit) in hostile.repositories().iter().zip(["main", "v1", "main"]) {
        let tree = git(repository, &["rev-parse", &format!("{commit}^{{tree}}")]);
        for object in git(repository, &["ls-tree", "-r", "--format=%(objectname)", &tree]).lines() {
            let _ = std::fs::remove_file(repository.join("objects").join(&object[..2]).join(&object[2..]));
        }
    }
    let plan = hostile.sandbox.run(&["plan", "--format", "short"]);
    assert!(!hostile.ran(), "{}", plan.transcript());
    // What has to be read, and is not there, is an error that says so.
    hostile.sandbox.write("change.sh", "set -e\nid=$(printf x | git --git-dir=cart.git hash-object -w --stdin)\nprintf '100644 blob %s\\ta\\n' \"$id\" > tree\ntree=$(git --git-dir=cart.git mktree < tree)\nrm cart.git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-)\ncommit=$(git --git-dir=cart.git -c user.name=ann -c user.email=ann@example.com commit-tree -m x -p main $tree)\ngit --git-dir=cart.git update-ref refs/heads/main $commit\n");
    let changed = hostile.sandbox.shell("sh change.sh");
    assert_eq!(changed.code, 0, "{}", changed.transcript());
    hostile.forget();
    let plan = hostile.sandbox.run(&["plan", "--format", "short"]);
    assert!(plan.code == 1 && plan.stderr.contains("lacks the object"), "{}", plan.transcript());
    assert!(!hostile.ran(), "{}", plan.transcript());
    // By git on the repository itself, the program is run.
    let _ = git_in(&hostile.sandbox.path().join("cart.git")).args(["cat-file", "-p", "main:a"]).output();
    assert!(hostile.ran(), "the test would notice");
}

#[test]
fn a_folder_that_looks_like_a_repository_decides_nothing() {
    let hostile = Hostile::new();
    // The folder of the project, of temporary files and of the user are bare repositories, as far as git can see.
    let (here, home) = (hostile.sandbox.path().to_path_buf(), hostile.sandbox.home().to_path_buf());
    let program = here.join("evil/program").display().to_string();
    for folder in [&here, &home, &here.join("template")] {
        for name in ["objects", "refs"] {
            let _ = std::fs::create_dir(folder.join(name));
        }
        std::fs::write(folder.join("HEAD"), "ref: refs/heads/main\n").expect("written");
        let config = format!(
            "[core]\n\tbare = true\n\tsshCommand = {program}\n\tfsmonitor = {program}\n[protocol]\n\tallow = always\n[url \"ext::{program} \"]\n\tinsteadOf = ssh://\n\tinsteadOf = http://\n[credential]\n\thelper = !{program}\n"
        );
        std::fs::write(folder.join("config"), config).expect("written");
    }
    hostile.sandbox.write("main.dts", "dts 1\n\ntool a: scm.Repo { destination = { host = \"git\", url = \"http://127.0.0.1:1/a.git\" } } with { retries = 0 }\ntool b: scm.File { destination = { host = \"git\", url = \"ssh://git@127.0.0.1:1/a.git\" }, path = \"a\", content = \"\" } with { retries = 0 }\n");
    let ran =
        hostile.sandbox.shell("TMPDIR=$PWD dtm plan --format short; TMPDIR=$PWD dtm apply -y --format short");
    assert!(ran.stderr.contains("cannot be reached"), "{}", ran.transcript());
    assert!(!hostile.ran(), "{}", ran.transcript());
}

#[test]
fn what_the_user_configured_still_holds() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("main.dts", format!("dts 1\n\ntool f: scm.File {{ destination = {{ host = \"git\", url = \"{url}\" }}, path = \"a\", content = \"x\" }}\n"));
    let refused = sandbox.run(&["apply", "-y", "--format", "short"]);
    assert!(refused.stderr.contains("the credentials are refused"), "{}", refused.transcript());
    let helper = "!f() { echo username=x-access-token; echo password=secret-token; }; f";
    let ran = sandbox.shell(&format!("git config --global credential.helper '{helper}' && dtm apply -y"));
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(server.git(&["-C", "cart.git", "show", "main:a"]), "x");
    // Another name of the server, by the user's own configuration.
    let base = url.trim_end_matches("cart.git");
    sandbox.write("main.dts", "dts 1\n\ntool f: scm.File { destination = { host = \"git\", url = \"https://git.example.invalid/cart.git\" }, path = \"b\", content = \"y\" }\n");
    let ran = sandbox.shell(&format!("git config --global 'url.{base}.insteadOf' https://git.example.invalid/ && rm -r .dtm && dtm apply -y"));
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert_eq!(server.git(&["-C", "cart.git", "show", "main:b"]), "y");
}

#[test]
fn a_redirect_does_not_take_the_token_along() {
    use std::io::{Read, Write};
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let there = elsewhere.local_addr().expect("an address");
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in elsewhere.incoming().flatten() {
            seen.store(true, std::sync::atomic::Ordering::SeqCst);
            drop(stream);
        }
    });
    let redirects = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/cart.git", redirects.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in redirects.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: http://localhost:{}/cart.git/info/refs?service=git-upload-pack\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                there.port()
            );
        }
    });
    let sandbox = sandbox("tool repo: scm.Repo { destination = where }\n");
    let ran = dtm(&sandbox, &["apply", "-y"], &url, "secret-token");
    assert!(ran.code == 1 && ran.stderr.contains("redirects to another address"), "{}", ran.transcript());
    assert!(!asked.load(std::sync::atomic::Ordering::SeqCst), "the other server was asked");
}

#[test]
fn a_new_branch_of_a_server_begins_at_its_default_one() {
    let server = GitServer::start("secret-token");
    let url = server.repository("cart.git");
    server.git(&["-C", "cart.git", "symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let first = sandbox(
        "tool f: scm.File { destination = where, branch = \"trunk\", path = \"mine\", content = \"x\" }\n",
    );
    done(&dtm(&first, &["apply", "-y"], &url, "secret-token"));
    let second = sandbox(
        "tool named: scm.File { destination = where, branch = \"new\", path = \"a\", content = \"x\" }\ntool unnamed: scm.Scaffold { destination = where, template = \"template\", vars = { name = \"cart\" } } with { after = [named] }\n",
    );
    done(&dtm(&second, &["apply", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "ls-tree", "--name-only", "new"]), "a\nmine\n");
    assert_eq!(
        server.git(&["-C", "cart.git", "ls-tree", "--name-only", "trunk"]),
        "README.md\nmain.go\nmine\n"
    );
    let again = dtm(&second, &["plan"], &url, "secret-token");
    assert!(again.stdout.starts_with("No changes"), "{}{}", again.stdout, again.stderr);
    done(&dtm(&second, &["destroy", "-y"], &url, "secret-token"));
    assert_eq!(server.git(&["-C", "cart.git", "ls-tree", "--name-only", "trunk"]), "mine\n");
}
