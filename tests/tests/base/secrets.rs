//! No byte that dtm writes or prints holds a secret, except the files that are made to hold it.

use dtm_tests::sandbox::Sandbox;
use std::path::Path;

const TOKEN: &str = "tok_5up3r-s3cret-value";

const PROGRAM: &str = r#"dts 1

param token: secret string
tool password: core.Password { length = 40 }
tool file: core.SecretFile { path = "out/secret", content = "${token} ${password.value}" }
tool value: core.Value { value = { token = token, list = [password.value] } }
tool copy: core.Value { value = value.result }
tool bad: core.SecretFile { path = "out/secret/impossible", content = token } with { after = [file] }
output token = token
output all = value.result
output shown = expose(length(token), "its length is no secret")
"#;

fn holds(folder: &Path, needle: &str, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("an entry").path()) {
        if path.is_dir() {
            holds(&path, needle, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn no_secret_is_anywhere_in_clear() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("main.dts", PROGRAM);
    let set = format!("token={TOKEN}");
    let mut printed = String::new();
    let commands: &[&[&str]] = &[
        &["check"],
        &["plan"],
        &["plan", "--json"],
        &["apply", "-y"],
        &["apply", "-y", "--json"],
        &["apply", "-y", "-v"],
        &["plan"],
        &["verify", "--json"],
        &["show"],
        &["show", "--json"],
        &["show", "file"],
        &["output"],
        &["output", "--json"],
        &["output", "token"],
        &["graph"],
        &["state", "show"],
        &["state", "list"],
    ];
    for args in commands {
        let ran = sandbox.run(&[args, &["--set", &set][..]].concat());
        printed += &format!("$ dtm {args:?}\n{}", ran.transcript());
    }
    assert!(printed.contains("(secret)"), "{printed}");
    assert!(printed.contains("`bad`"), "one of them fails, and its error is printed: {printed}");
    let revealed = sandbox.run(&["output", "token", "--reveal"]);
    assert_eq!(revealed.stdout, format!("{TOKEN}\n"), "shown only when asked for");
    let content = std::fs::read_to_string(sandbox.path().join("out/secret")).expect("the file that holds it");
    let password = content.strip_prefix(TOKEN).expect("the token").trim().to_string();
    assert_eq!(password.len(), 40);
    for secret in [TOKEN, &password] {
        assert!(!printed.contains(secret), "printed: {printed}");
        let mut found = vec![];
        holds(&sandbox.path().join(".dtm"), secret, &mut found);
        holds(sandbox.home(), secret, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
    use std::os::unix::fs::PermissionsExt;
    let mode =
        std::fs::metadata(sandbox.path().join("out/secret")).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // With another key nothing is planned, and nothing is lost.
    let wrong = sandbox.shell(&format!("DTM_STATE_KEY=wrong dtm plan --set '{set}'"));
    assert_eq!(wrong.code, 1, "{}", wrong.transcript());
    assert!(wrong.stderr.contains("error[E0805]"), "{}", wrong.transcript());
}

#[test]
fn a_crash_is_told_without_secrets() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("main.dts", "dts 1\n\nparam token: secret string\ntool a: core.Exec { create = [\"sh\", \"-c\", \"touch begun; sleep 1\"], env = { TOKEN = token } }\n");
    let crash = "DTM_TEST_CRASH='no place for tok_5up3r-s3cret-value' DTM_TEST_CRASH_AT=begun";
    let ran = sandbox.shell(&format!("{crash} dtm apply -y -q --set token={TOKEN}"));
    assert!(
        ran.stderr.contains("dtm crashed; this is a bug in dtm: no place for (secret)"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("nothing is lost") && ran.stderr.contains("/issues"), "{}", ran.stderr);
}

#[test]
fn a_lost_key_makes_secrets_anew() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    sandbox.write("main.dts", "dts 1\n\ntool p: core.Password {}\ntool f: core.SecretFile { path = \"out/f\", content = p.value }\ntool v: core.Value { value = 1 }\n");
    assert_eq!(sandbox.run(&["apply", "-y"]).code, 0);
    let before = std::fs::read_to_string(sandbox.path().join("out/f")).expect("made");
    std::fs::remove_dir_all(sandbox.home().join(".local/share/dtm/keys")).expect("lost");
    assert_eq!(sandbox.run(&["plan"]).code, 1);
    let lost = sandbox.run(&["state", "rekey", "--lost"]);
    assert_eq!(lost.code, 0, "{}", lost.transcript());
    let ran = sandbox.run(&["apply", "-y"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stdout.contains("p replaced") && !ran.stdout.contains(" v "), "{}", ran.transcript());
    let after = std::fs::read_to_string(sandbox.path().join("out/f")).expect("made");
    assert_ne!(before, after);
    assert!(sandbox.run(&["apply", "-y"]).stdout.starts_with("No changes"));
}

#[test]
fn every_sandbox_is_watched() {
    let watched = |leak: fn(&Sandbox)| {
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        sandbox.write(
            "main.dts",
            "dts 1\n\nparam k: secret string = \"written-down\"\nparam g: secret string\n",
        );
        let run = std::panic::AssertUnwindSafe(move || {
            leak(&sandbox);
            drop(sandbox);
        });
        std::panic::catch_unwind(run).is_err()
    };
    assert!(!watched(|s| _ = s.shell("true --set g=from-outside")));
    assert!(watched(|s| s.write(".dtm/state/journal-1", "... written-down ...")), "a file of dtm");
    let kept = |s: &Sandbox| {
        let folder = s.home().join(".local/share/dtm");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("log"), "from-outside").expect("a file");
    };
    assert!(!watched(kept), "it is no secret there");
    assert!(watched(move |s| {
        let _ = s.shell("true --set g=from-outside");
        let folder = s.home().join(".local/share/dtm");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("log"), "from-outside").expect("a file");
    }));
    assert!(watched(|s| _ = s.shell("printf from-outside; true --set g=from-outside")), "what is printed");
    assert!(watched(|s| _ = s.shell("printf key-of-state >&2; DTM_STATE_KEY=key-of-state true")));
}

#[test]
fn a_secret_that_is_the_name_of_a_tool_damages_nothing() {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let tools =
        "tool postgres: core.Value { value = password }\ntool user: core.Value { value = postgres.id }";
    sandbox.write("main.dts", format!("dts 1\n\nparam password: secret string\n\n{tools}\n"));
    sandbox.write("weak.yaml", "password: postgres\n");
    let lines = [
        "dtm apply -y -q --params weak.yaml",
        "dtm plan --params weak.yaml --detailed-exitcode",
        "dtm state pull > it.json",
        "dtm state mv postgres mysql -q",
    ];
    for line in lines {
        let ran = sandbox.shell(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
    }
    assert_eq!(sandbox.shell("dtm state list").stdout, "mysql\nuser\n");
    let back = sandbox.shell("dtm state push -y -q --force it.json && dtm plan --params weak.yaml");
    assert_eq!((back.code, &*back.stdout), (0, "No changes: reality matches the program.\n"));
}
