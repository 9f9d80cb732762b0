//! Attacks by a clone, a server or a value: links in dtm's folder, escape sequences, redirects, guessable
//! keys; and a disk that fills up during a write. `tests/spec/cli/trust.md` covers what a clone would run.

use dtm_tests::sandbox::{Ran, Sandbox};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn sandbox() -> Sandbox {
    Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")))
}

const PROGRAM: &str = "dts 1\n\ntool a: core.Value { value = 1 }\ntool key: core.Password { length = 20 }\n";

fn fails(ran: &Ran, code: &str) {
    assert_ne!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stderr.contains(&format!("error[{code}]")), "{}", ran.transcript());
}

// ---- links ----

/// Every file and folder that dtm keeps in a project.
const NAMES: [&str; 14] = [
    ".dtm",
    ".dtm/backend",
    ".dtm/backend.tmp",
    ".dtm/.gitignore",
    ".dtm/spill",
    ".dtm/state",
    ".dtm/state/lock",
    ".dtm/state/lineage",
    ".dtm/state/spill",
    ".dtm/state/history",
    ".dtm/state/snapshot.tmp",
    ".dtm/state/journal-0",
    ".dtm/state/journal-1",
    ".dtm/state/snapshot-0",
];

/// A folder and a file that nobody may touch.
fn precious(sandbox: &Sandbox) -> (std::path::PathBuf, std::path::PathBuf) {
    let folder = sandbox.home().join("precious");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("file");
    std::fs::write(&file, "precious").expect("a file");
    (folder, file)
}

fn untouched(folder: &Path, what: &str) {
    let names: Vec<_> =
        std::fs::read_dir(folder).expect("there").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names, ["file"], "{what}");
    assert_eq!(std::fs::read(folder.join("file")).expect("there"), b"precious", "{what}");
}

#[test]
fn links_in_a_clone_lead_nowhere() {
    for applied in [false, true] {
        for name in NAMES {
            let sandbox = sandbox();
            sandbox.write("main.dts", PROGRAM);
            let (folder, file) = precious(&sandbox);
            if applied {
                assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
            }
            let path = sandbox.path().join(name);
            let is_folder = matches!(name, ".dtm" | ".dtm/spill" | ".dtm/state" | ".dtm/state/history");
            let target = if is_folder { &folder } else { &file };
            if path.is_dir() {
                std::fs::remove_dir_all(&path).expect("removed");
            } else {
                let _ = std::fs::remove_file(&path);
            }
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            symlink(target, &path).expect("a link");
            for args in [&["plan"][..], &["apply", "-y"], &["state", "list"], &["destroy", "-y"], &["show"]] {
                let ran = sandbox.run(args);
                fails(&ran, "E0806");
                assert!(ran.stderr.contains("is a symbolic link"), "{name}: {}", ran.transcript());
                untouched(&folder, &format!("{name}: {args:?}"));
            }
            assert!(path.symlink_metadata().expect("there").is_symlink(), "{name}");
            std::fs::remove_file(&path).expect("removed");
        }
    }
}

#[test]
fn a_link_to_a_file_that_is_not_there_makes_none() {
    for name in NAMES {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let (folder, _) = precious(&sandbox);
        let path = sandbox.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        symlink(folder.join("new"), &path).expect("a link");
        fails(&sandbox.run(&["apply", "-y"]), "E0806");
        untouched(&folder, name);
    }
}

#[test]
fn hard_links_and_pipes_are_refused() {
    for name in [".dtm/state/lock", ".dtm/state/lineage", ".dtm/state/journal-0", ".dtm/state/spill"] {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let (folder, file) = precious(&sandbox);
        let path = sandbox.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::hard_link(&file, &path).expect("a link");
        let ran = sandbox.run(&["apply", "-y"]);
        fails(&ran, "E0806");
        assert!(ran.stderr.contains("is a hard link"), "{}", ran.transcript());
        untouched(&folder, name);
        std::fs::remove_file(&path).expect("removed");
        assert!(sandbox.shell(&format!("mkfifo {name}")).code == 0);
        let ran = sandbox.run(&["apply", "-y"]);
        fails(&ran, "E0806");
        assert!(ran.stderr.contains("is not a regular file"), "{}", ran.transcript());
    }
}

#[test]
fn what_is_written_by_name_follows_no_link_of_a_clone() {
    let sandbox = sandbox();
    sandbox.write("main.dts", PROGRAM);
    sandbox.write("config.yaml", "config:\n  state:\n    backend: local\ntools: []\n");
    let (folder, file) = precious(&sandbox);
    std::fs::create_dir(sandbox.path().join(".dtm")).expect("a folder");
    let lines = [
        "dtm plan -o LINK",
        "dtm plan --html LINK",
        "dtm apply -y --trace LINK",
        "dtm destroy -y --trace LINK",
        "dtm convert config.yaml -o LINK",
        "dtm test --junit LINK",
    ];
    for line in lines {
        for (link, target) in
            [(".dtm/out", &file), (".dtm/out", &folder.join("new")), ("out", &folder.join("new"))]
        {
            let path = sandbox.path().join(link);
            let _ = std::fs::remove_file(&path);
            symlink(target, &path).expect("a link");
            let ran = sandbox.shell(&line.replace("LINK", link));
            assert_ne!(ran.code, 0, "{line}: {}", ran.transcript());
            untouched(&folder, line);
        }
    }
}

#[test]
fn the_folder_of_dtm_is_kept_out_of_git() {
    let sandbox = sandbox();
    sandbox.write("main.dts", PROGRAM);
    let git = |line: &str| assert_eq!(sandbox.shell(line).code, 0, "{line}");
    git("git init -q .");
    assert!(!sandbox.run(&["apply", "-y", "-q"]).stderr.contains("tracked by git"));
    assert_eq!(sandbox.shell("cat .dtm/.gitignore").stdout, "*\n");
    assert_eq!(sandbox.shell("git status --porcelain").stdout, "?? main.dts\n");
    git("git add -f .dtm");
    for args in [&["plan"][..], &["apply", "-y"]] {
        let ran = sandbox.run(args);
        assert!(ran.stderr.contains("the state in `.dtm/state` is tracked by git"), "{}", ran.transcript());
    }
    git("git rm -r -q --cached -f .dtm");
    assert!(!sandbox.run(&["plan"]).stderr.contains("tracked by git"));
}

// ---- what a terminal would obey ----

/// Colors that hide, a title, the clipboard, a cleared screen in C1, DEL, a carriage return, a text that runs backwards.
const HOSTILE: &str =
    "\x1b[8mhidden\x1b[0m\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\\u{9b}2J\u{7f}\rover\u{8}\u{202e}txt\u{2066}";

fn is_raw(text: &str) -> bool {
    text.contains(dtm_lang::diag::is_hidden)
}

#[test]
fn no_control_character_is_sent_raw() {
    let sandbox = sandbox();
    let literal = dtm_lang::value::quote(HOSTILE);
    let program = format!(
        "dts 1\n\n/// {HOSTILE}\nparam p: string = {literal}\nlet k = [{literal}, \"b\"]\n\
         tool v[for x in k]: core.Value {{ value = {{ (x) = p }} }}\n\
         tool say: core.Exec {{ create = [\"printf\", \"%s\", p] }}\n\
         tool bad: core.Exec {{ create = [\"sh\", \"-c\", \"printf '%s' \\\"$0\\\" >&2; exit 3\", p] }}\n\
         output o = p\noutput all = v\n"
    );
    sandbox.write("main.dts", program.replace("\r", ""));
    let broken =
        format!("dts 1\n\ntool {HOSTILE}: core.Value {{\n  value = \"{HOSTILE}\" + nope // {HOSTILE}\n}}\n");
    sandbox.write("broken.dts", broken);
    let hostile = HOSTILE.replace('\r', "");
    let set = format!("p={hostile}");
    let commands: Vec<Vec<&str>> = vec![
        vec!["check"],
        vec!["check", "broken.dts"],
        vec!["check", "broken.dts", "--format", "short"],
        vec!["check", "broken.dts", "--json"],
        vec!["check", "broken.dts", "--color", "always"],
        vec!["plan", "--set", &set],
        vec!["plan", "--color", "always"],
        vec!["plan", "--json"],
        vec!["apply", "-y", "-v"],
        vec!["apply", "-y", "--json"],
        vec!["show"],
        vec!["show", "say"],
        vec!["show", "--json"],
        vec!["state", "list"],
        vec!["state", "history"],
        vec!["output"],
        vec!["output", "--json"],
        vec!["verify"],
        vec!["graph"],
        vec!["graph", "--as", "dot"],
        vec!["eval", "[p]"],
        vec!["plan", &hostile],
        vec!["-C", &hostile, "plan"],
        vec!["explain", &hostile],
        vec!["new", &hostile],
        vec!["show", &hostile],
        vec!["output", &hostile],
        vec!["import", &hostile, "x"],
        vec!["list", &hostile],
        vec!["plan", "--only", &hostile],
        vec!["fmt", &hostile],
        vec!["convert", &hostile],
        vec!["plugin", "check", &hostile],
        vec!["completion", &hostile],
        vec![&hostile],
        vec!["plan", "--nosuch", &hostile],
        vec!["plan", "--lock-timeout", &hostile],
        vec!["plan", "--set", &hostile],
        vec!["plan", "--params", &hostile],
        vec!["test", "--filter", &hostile],
        vec!["delete", "-y", &hostile],
        vec!["state", "rm", &hostile],
        vec!["trust", &hostile],
    ];
    for args in commands {
        let output = sandbox.dtm().args(&args).output().expect("dtm starts");
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            // The colors that were asked for are ours.
            let text = if args.contains(&"always") { without_colors(&text) } else { text.into_owned() };
            assert!(!is_raw(&text), "{args:?}: {text:?}");
        }
    }
    // Into a pipe, a value is what it is.
    sandbox.write("main.dts", format!("dts 1\n\noutput o = {literal}\n"));
    assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
    let raw = sandbox.dtm().args(["output", "o"]).output().expect("dtm starts").stdout;
    assert_eq!(String::from_utf8_lossy(&raw), format!("{HOSTILE}\n"));
}

/// Without sequences that only choose one of our colors.
fn without_colors(text: &str) -> String {
    let colors =
        ["0", "1", "2", "31", "32", "33", "36", "38;5;240", "38;5;246", "38;5;249", "38;5;115", "38;5;147"];
    colors.iter().fold(text.to_string(), |text, color| text.replace(&format!("\x1b[{color}m"), ""))
}

#[test]
fn pages_run_nothing_of_a_program() {
    let sandbox = sandbox();
    sandbox.write(
        "main.dts",
        "dts 1\n\n/// [a](javascript:alert(1)) [b](JaVaScRiPt:alert) [c](data:text/html,x) <javascript:alert(2)>\n/// ![d](data:image/svg+xml,x) [e](&#106;avascript:alert) [f](https://example.com) <script>alert(3)</script>\n/// [g]\n///\n/// [g]: vbscript:x\nfn f(x: int) -> int = x\n",
    );
    assert_eq!(sandbox.run(&["doc", "--html", "site"]).code, 0);
    let page = std::fs::read_to_string(sandbox.path().join("site/main.html")).expect("a page");
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';";
    assert!(page.contains(policy), "{page}");
    let addresses = page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1));
    for address in addresses.filter_map(|rest| rest.split('"').next()) {
        let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_lowercase());
        assert!(scheme.is_none_or(|s| s == "https"), "{address}");
    }
    assert!(page.contains("https://example.com") && !page.contains("<script>alert"), "{page}");
}

// ---- a full disk ----

#[test]
fn a_full_disk_leaves_no_empty_and_no_half_file() {
    let sandbox = sandbox();
    let long = "x".repeat(40_000);
    sandbox.write("main.dts", format!("dts 1\n\n/// {long}\nparam p: string = \"{long}\"\n\ntool a: core.Value {{ value =   p }}\ntest \"t\" {{ assert true }}\n"));
    sandbox.write("config.yaml", format!("config:\n  state: {{backend: local, options: {{stateFile: s.state}}}}\n# {long}\ntools:\n- name: helm-installer\n  instanceID: argocd\n"));
    sandbox.write("old.html", "<!doctype html>old");
    sandbox.write("there.txt", "there");
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(sandbox.path())
            .expect("there")
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let texts = |names: &[String]| -> Vec<Vec<u8>> {
        names.iter().map(|n| std::fs::read(sandbox.path().join(n)).unwrap_or_default()).collect()
    };
    let before = names();
    let bytes = texts(&before);
    let lines = [
        "dtm plan -o the.plan",
        "dtm plan --html page.html",
        "dtm plan --html old.html",
        "dtm doc --html site",
        "dtm doc --html deep/er/site",
        "dtm new quickstart shop",
        "dtm new services a/b/shop",
        "dtm fmt main.dts",
        "dtm import core.File there.txt --write",
        "dtm convert config.yaml -o made/main2.dts",
        "dtm test --junit report.xml",
        "dtm destroy -y --trace run.json",
    ];
    for line in lines {
        // Ignored, the signal makes a write fail; left as it is, it would end a program that has no handler for it.
        for shell in ["trap '' XFSZ; ulimit -f 0;", "ulimit -f 0;"] {
            let ran = sandbox.shell(&format!("{shell} {line}"));
            let failed = matches!(ran.code, 1 | 4) && ran.stderr.contains("cannot write");
            // A trace that cannot be written is no failure of the run.
            assert!(failed || line.contains("--trace"), "{shell} {line}: {}", ran.transcript());
            assert_eq!(names(), before, "{shell} {line}");
            assert_eq!(texts(&names()), bytes, "{shell} {line}");
        }
        // With room, the same command writes it.
        let room = sandbox.home().join("room");
        let ran = sandbox.shell(&format!("cp -r . {0} && cd {0} && {line}", room.display()));
        assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
        let changed = sandbox.shell(&format!("diff -rq . {}", room.display()));
        assert_eq!(changed.code, 1, "{line} writes something: {}", ran.transcript());
        std::fs::remove_dir_all(room).expect("removed");
    }
}

// ---- redirects ----

type Heard = Arc<Mutex<Vec<String>>>;

/// A server that sends the same response to every request, with the requests that it received. `HEADERS` in the response is
/// replaced by the request's headers.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let heard: Heard = Arc::default();
    let hears = heard.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut bytes, mut buffer) = (vec![], [0; 4096]);
            while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let asked = String::from_utf8_lossy(&bytes).into_owned();
            hears.lock().expect("not poisoned").push(asked.clone());
            let _ = stream.write_all(answer(&asked).as_bytes());
        }
    });
    (port, heard)
}

fn sends_to(port: u16, code: u16) -> impl Fn(&str) -> String {
    move |_| {
        format!(
            "HTTP/1.1 {code} X\r\nLocation: http://127.0.0.1:{port}/away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    }
}

fn fine(_: &str) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".into()
}

#[test]
fn credentials_are_not_sent_to_another_host() {
    let (away, heard) = server(fine);
    for code in [301, 302, 303, 307, 308] {
        let (here, _) = server(sends_to(away, code));
        let sandbox = sandbox();
        sandbox.write("main.dts", format!("dts 1\n\ntool w: core.Wait {{ url = \"http://user:hunter2hunter2@127.0.0.1:{here}/\" }} with {{ timeout = 400ms }}\n"));
        let ran = sandbox.run(&["apply", "-y", "-v"]);
        assert_eq!(ran.code, 4, "{}", ran.transcript());
        assert!(ran.stderr.contains("holds credentials, which are not sent there"), "{}", ran.transcript());
        assert_eq!(*heard.lock().expect("not poisoned"), Vec::<String>::new(), "{code}");
        let said = ran.stderr.lines().filter(|l| l.contains("answers")).collect::<String>();
        assert!(!said.contains("hunter2"), "{said}");
    }
    // Without them, and on the same host with them, a redirect is followed.
    let (here, _) = server(sends_to(away, 302));
    let (same, asked) = server(|asked| match asked.starts_with("GET /away") {
        true => fine(asked),
        false => "HTTP/1.1 302 X\r\nLocation: /away\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
    });
    let sandbox = sandbox();
    sandbox.write("main.dts", format!("dts 1\n\ntool w: core.Wait {{ url = \"http://127.0.0.1:{here}/\" }}\ntool s: core.Wait {{ url = \"http://user:hunter2hunter2@127.0.0.1:{same}/\" }}\n"));
    let ran = sandbox.run(&["apply", "-y"]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    let heard = heard.lock().expect("not poisoned");
    assert!(heard.len() == 1 && !heard[0].to_lowercase().contains("authorization"), "{heard:?}");
    assert!(asked.lock().expect("not poisoned")[1].to_lowercase().contains("authorization: basic"));
}

#[test]
fn a_state_is_not_looked_for_on_another_host() {
    let (away, heard) = server(fine);
    for code in [301, 302, 307, 308] {
        let (here, asked) = server(sends_to(away, code));
        let sandbox = sandbox();
        sandbox.write("kube.yaml", format!("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{ name: c, cluster: {{ server: \"http://127.0.0.1:{here}\" }} }}]\ncontexts: [{{ name: c, context: {{ cluster: c, user: u }} }}]\nusers: [{{ name: u, user: {{ token: the-token-of-the-cluster-1 }} }}]\n"));
        for place in [
            format!(
                "s3 {{ bucket = \"b\", key = \"k\", region = \"r\", endpoint = \"http://127.0.0.1:{here}\", path_style = true }}"
            ),
            "k8s { namespace = \"n\", name = \"s\", kubeconfig = \"kube.yaml\" }".to_string(),
        ] {
            sandbox.write(
                "main.dts",
                format!("dts 1\n\nsettings {{ state = {place} }}\ntool a: core.Value {{ value = 1 }}\n"),
            );
            let aws = "AWS_ACCESS_KEY_ID=AKIAEXAMPLE AWS_SECRET_ACCESS_KEY=secret-of-aws AWS_SESSION_TOKEN=session-of-aws";
            let ran = sandbox.shell(&format!("AWS_EC2_METADATA_DISABLED=true {aws} dtm plan"));
            assert_ne!(ran.code, 0, "{}", ran.transcript());
            assert!(!asked.lock().expect("not poisoned").is_empty(), "{place}: {}", ran.transcript());
            assert_eq!(*heard.lock().expect("not poisoned"), Vec::<String>::new(), "{code} {place}");
        }
    }
}

#[test]
fn git_takes_no_token_to_another_host() {
    let (away, heard) = server(fine);
    for code in [301, 302, 307] {
        let (here, asked) = server(sends_to(away, code));
        let sandbox = sandbox();
        sandbox.write("main.dts", format!("dts 1\n\nparam t: secret string\ntool r: scm.Repo {{ destination = {{ host = \"git\", url = \"http://127.0.0.1:{here}/r.git\", token = t }} }}\n"));
        let ran = sandbox.shell("DTM_PARAM_t=token-of-the-host-1 dtm apply -y");
        assert_ne!(ran.code, 0, "{}", ran.transcript());
        assert!(asked.lock().expect("not poisoned")[0].contains("Authorization: Basic"));
        assert_eq!(*heard.lock().expect("not poisoned"), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn a_server_that_repeats_what_it_heard_tells_nobody() {
    let echo = |asked: &str| {
        let text = asked.replace("\r\n", "; ").replace('"', "'");
        let body = format!(
            "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"denied: {text}\",\"reason\":\"Forbidden\",\"code\":403}}"
        );
        format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let (here, _) = server(echo);
    let sandbox = sandbox();
    sandbox.write("kube.yaml", format!("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{ name: c, cluster: {{ server: \"http://127.0.0.1:{here}\" }} }}]\ncontexts: [{{ name: c, context: {{ cluster: c, user: u }} }}]\nusers: [{{ name: u, user: {{ token: the-token-of-the-cluster-1 }} }}]\n"));
    sandbox.write("main.dts", "dts 1\n\nsettings { state = k8s { namespace = \"n\", name = \"s\", kubeconfig = \"kube.yaml\" } }\ntool a: core.Value { value = 1 }\n");
    for args in [&["plan"][..], &["plan", "--json"], &["plan", "-vv"], &["state", "list"]] {
        let ran = sandbox.run(args);
        assert_ne!(ran.code, 0);
        let all = ran.transcript();
        assert!(all.contains("denied:") && all.contains("(secret)"), "{all}");
        assert!(!all.contains("the-token-of-the-cluster-1"), "{all}");
    }
}

#[test]
fn what_a_program_makes_of_a_secret_is_masked() {
    let sandbox = sandbox();
    let secret = "hunter2/hunter2+hunter2";
    sandbox.write("main.dts", "dts 1\n\nparam t: secret string\ntool e: core.Exec { create = [\"sh\", \"-c\", \"printf 'user:%s' \\\"$T\\\" | base64; printf %s \\\"$T\\\" | od -An -tx1 | tr -d ' \\\\n'; echo; echo \\\"$T\\\" | sed 's,/,%2F,g; s,+,%2B,g'; exit 1\"], env = { T = t } }\n");
    let ran = sandbox.shell(&format!(
        "dtm apply -y -v --set 't={secret}'; dtm show e; dtm apply -y --json --set 't={secret}'"
    ));
    let all = ran.transcript();
    for form in
        ["dXNlcjpodW50ZXIy", "aHVudGVyMi9odW50", "ZXIyK2h1bnRlcjI", "68756e746572322f", "hunter2%2Fhunter2"]
    {
        assert!(!all.contains(form), "{form}: {all}");
    }
    assert!(all.contains("(secret)"), "{all}");
}

// ---- keys ----

#[test]
fn a_key_never_lies_beside_the_state_that_it_seals() {
    let cases = [
        "HOME= XDG_DATA_HOME=",
        "HOME=relative XDG_DATA_HOME=data",
        "HOME=$PWD/.dtm",
        "XDG_DATA_HOME=$PWD/.dtm/state",
    ];
    for env in cases {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let ran = sandbox.shell(&format!("{env} dtm apply -y"));
        fails(&ran, "E0805");
        assert!(
            ran.stderr.contains("`XDG_DATA_HOME`") && ran.stderr.contains("DTM_STATE_KEY"),
            "{}",
            ran.transcript()
        );
        assert!(!ran.stdout.contains("created"), "nothing is made first: {}", ran.transcript());
        let found = sandbox.shell("find . -path '*keys*'");
        assert_eq!(found.stdout, "", "{env}");
        // A key that is given needs no folder, and no secret needs no key.
        let given =
            sandbox.shell(&format!("{env} DTM_STATE_KEY=Zb3uU9rX4qk2mN8tVwYpLs7cHdJf dtm apply -y -q"));
        assert_eq!(given.code, 0, "{}", given.transcript());
    }
}

const WEAK: [&str; 7] =
    ["", "x", "password", "aaaaaaaa", "hunter2", "passwordpasswordpassword", "1234567890123456789012345"];

#[test]
fn weak_keys_seal_nothing() {
    for key in WEAK {
        let sandbox = sandbox();
        sandbox.write("main.dts", PROGRAM);
        let ran = sandbox.shell(&format!("DTM_STATE_KEY='{key}' dtm apply -y"));
        fails(&ran, "E0805");
        assert!(
            ran.stderr.contains("openssl rand -base64 32") && ran.stderr.contains("20 characters"),
            "{}",
            ran.transcript()
        );
        assert!(!ran.stdout.contains("created"), "nothing is made first: {}", ran.transcript());
        assert_eq!(sandbox.run(&["apply", "-y", "-q"]).code, 0);
        let ran = sandbox.shell(&format!("DTM_STATE_NEW_KEY='{key}' dtm state rekey"));
        // Without a new key, dtm makes a good one itself.
        assert!(
            ran.code == 0 && key.is_empty() || ran.stderr.contains("error[E0805]"),
            "{}",
            ran.transcript()
        );
        assert_eq!(sandbox.run(&["plan"]).code, 0, "the old key is as it was");
    }
}

#[test]
fn a_state_that_a_weak_key_has_sealed_opens_with_a_warning() {
    let sandbox = sandbox();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-weak-key");
    for (from, to) in [
        ("main.dts", "main.dts"),
        ("backend", ".dtm/backend"),
        ("lineage", ".dtm/state/lineage"),
        ("snapshot-0", ".dtm/state/snapshot-0"),
        ("journal-0", ".dtm/state/journal-0"),
        ("snapshot-1", ".dtm/state/snapshot-1"),
        ("journal-1", ".dtm/state/journal-1"),
    ] {
        sandbox.write(to, std::fs::read(data.join(from)).expect("a file of the data"));
    }
    let run = |env: &str, line: &str| {
        let ran = sandbox.shell(&format!("{env} {line}"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
        ran
    };
    let warned = |ran: &Ran| {
        ran.stderr.contains("sealed with a weak `DTM_STATE_KEY`") && ran.stderr.contains("dtm state rekey")
    };
    let weak = "DTM_STATE_KEY=hunter2";
    assert!(warned(&run(weak, "dtm plan")));
    let word = run(weak, "dtm output word --reveal").stdout;
    // It goes on sealing what it has sealed: nobody is locked out in the middle of their work.
    sandbox.write("main.dts", "dts 1\n\ntool key: core.Password { length = 20 }\ntool more: core.Password { length = 30 }\n\noutput word = key.value\n");
    assert!(warned(&run(weak, "dtm apply -y")));
    run(&format!("{weak} DTM_STATE_NEW_KEY=Zb3uU9rX4qk2mN8tVwYpLs7cHdJf"), "dtm state rekey");
    let strong = "DTM_STATE_KEY=Zb3uU9rX4qk2mN8tVwYpLs7cHdJf";
    assert!(!warned(&run(strong, "dtm plan")));
    assert_eq!(run(strong, "dtm output word --reveal").stdout, word);
}
