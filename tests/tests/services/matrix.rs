//! The kill matrix: SIGKILL at every call that writes, syncs, renames or creates (local), and before and after every request
//! (S3, Kubernetes), for every operation. The judge is outside: a folder in which the plugin keeps its things, each with the
//! key of the operation that made it. After each kill one apply finishes what was wanted: no orphan, no double create, no
//! lost id.
//!
//! `DTM_MATRIX=full` kills at every point. Otherwise every fourth point is tried, from a first one that a seed decides; the
//! seed is printed, and `DTM_SEED` sets it.

use dtm_tests::plugins::{build_c, build_shim, has};
use dtm_tests::sandbox::{Ran, Sandbox};
use dtm_tests::services::kubernetes::Kubernetes;
use dtm_tests::services::minio::{Minio, PASSWORD, USER};
use dtm_tests::services::proxy::{Proxy, Speaks, When};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

/// From one program to another: what is done on the way, the tools before and after, and the names that exist then.
struct Operation {
    what: &'static str,
    from: &'static str,
    to: &'static str,
    names: [&'static [&'static str]; 2],
}

const BASE: &str = "tool a: faulty.Thing { name = \"a\" }\ntool b: faulty.Thing { name = \"b\", fault = if a.at == \"x\" then \"x\" else \"none\" }\n";

const OPERATIONS: [Operation; 7] = [
    Operation { what: "create", from: "", to: BASE, names: [&[], &["a", "b"]] },
    Operation { what: "delete", from: BASE, to: "", names: [&["a", "b"], &[]] },
    Operation {
        what: "update",
        from: BASE,
        to: "tool a: faulty.Thing { name = \"a\", fault = \"other\" }\ntool b: faulty.Thing { name = \"b\", fault = \"other\" }\n",
        names: [&["a", "b"], &["a", "b"]],
    },
    Operation {
        what: "replace, delete first",
        from: BASE,
        to: "tool a: faulty.Thing { name = \"c\" }\ntool b: faulty.Thing { name = \"b\", fault = if a.at == \"x\" then \"x\" else \"none\" }\n",
        names: [&["a", "b"], &["c", "b"]],
    },
    Operation {
        what: "replace, create first",
        from: "tool a: faulty.Thing { name = \"a\" } with { replace = \"create-first\" }\ntool b: faulty.Thing { name = \"b\", fault = if a.at == \"x\" then \"x\" else \"none\" }\n",
        to: "tool a: faulty.Thing { name = \"c\" } with { replace = \"create-first\" }\ntool b: faulty.Thing { name = \"b\", fault = if a.at == \"x\" then \"x\" else \"none\" }\n",
        names: [&["a", "b"], &["c", "b"]],
    },
    Operation {
        what: "move",
        from: "tool a: faulty.Thing { name = \"a\" }\n\nmoved d -> a\n",
        to: "tool d: faulty.Thing { name = \"a\" }\n\nmoved a -> d\n",
        names: [&["a"], &["a"]],
    },
    Operation {
        what: "rerun and outputs",
        from: "tool v: core.Value { value = 1 }\ntool a: faulty.Thing { name = \"a\" }\n\noutput v = v.result\n",
        to: "tool v: core.Value { value = 2 }\ntool a: faulty.Thing { name = \"a\" }\n\noutput v = v.result\n",
        names: [&["a"], &["a"]],
    },
];

/// A project on some backend.
struct Place {
    sandbox: Sandbox,
    /// The place of a state, by its name.
    at: Box<dyn Fn(&str) -> String>,
    /// The name of the state that it uses.
    name: RefCell<&'static str>,
    env: RefCell<String>,
    is_remote: bool,
}

impl Place {
    fn new(at: impl Fn(&str) -> String + 'static, env: &str, is_remote: bool) -> Place {
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        build_c(&sandbox, "faulty", &[]);
        let (name, env) = (RefCell::new("app"), RefCell::new(env.into()));
        Place { sandbox, at: Box::new(at), name, env, is_remote }
    }
    /// From here on it uses another state.
    fn use_state(&self, name: &'static str, tools: &str) {
        *self.name.borrow_mut() = name;
        self.write(tools);
    }
    /// Frees the lock of who was killed.
    fn unlock(&self) {
        if self.is_remote {
            self.done("state unlock -y -q");
        }
    }
    fn write(&self, tools: &str) {
        let settings = format!("settings {{ state = {} }}", (self.at)(*self.name.borrow()));
        let text = format!("dts 1\n\n{settings}\n\nplugins {{ faulty = \"./libfaulty.so\" }}\n\n{tools}");
        self.sandbox.write("main.dts", text);
    }
    fn run(&self, args: &str) -> Ran {
        self.sandbox.shell(&format!("{} dtm {args}", self.env.borrow()))
    }
    fn done(&self, args: &str) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "dtm {args}: {}", ran.transcript());
        ran.stdout
    }
    fn command(&self, args: &str) -> Command {
        let mut command = self.sandbox.dtm();
        for pair in self.env.borrow().split_whitespace() {
            let (name, value) = pair.split_once('=').expect("NAME=value");
            command.env(name, value);
        }
        command.args(args.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What exists, as the outside sees it.
    fn exists(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.sandbox.path().join("cloud")).into_iter().flatten();
        let names = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|n| !n.starts_with(".tries")).collect()
    }

    /// Finishes what was killed, and compares what dtm knows with what exists.
    fn judge(&self, at: &str, names: &[&str]) {
        self.unlock();
        let ran = self.run("apply -y -q");
        assert_eq!(ran.code, 0, "{at}: {}", ran.transcript());
        let wanted: BTreeSet<String> = names.iter().map(|n| n.to_string()).collect();
        assert_eq!(self.exists(), wanted, "{at}: exactly what the program says exists, each made once");
        let again = self.done("plan");
        assert!(again.starts_with("No changes"), "{at}: {again}");
    }
}

/// Which points are tried.
struct Sample {
    seed: u64,
    /// One of how many.
    stride: usize,
    asked: Cell<u64>,
}

impl Sample {
    fn new() -> Sample {
        let stride = if std::env::var_os("DTM_MATRIX").is_some_and(|v| v == "full") { 1 } else { 4 };
        let now = || UNIX_EPOCH.elapsed().map_or(0, |t| t.subsec_nanos() as u64);
        let seed = std::env::var("DTM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(now);
        if stride > 1 {
            let _ = writeln!(std::io::stderr(), "kill matrix: one of {stride} points, DTM_SEED={seed}");
        }
        Sample { seed, stride, asked: Cell::new(0) }
    }
    /// Points without end, another first one each time.
    fn points(&self) -> impl Iterator<Item = usize> + use<> {
        self.asked.set(self.asked.get() + 1);
        let mut hasher = std::hash::DefaultHasher::new();
        (self.seed, self.asked.get()).hash(&mut hasher);
        (1 + (hasher.finish() % self.stride as u64) as usize..).step_by(self.stride)
    }
}

/// What is done to a state by hand: the words, the tools in it before (`a` and `b`, as an apply made them) and after.
const BY_HAND: [(&str, &[&str]); 3] =
    [("state mv a c", &["b", "c"]), ("state rm b", &["a"]), ("state push -y --force one.json", &["a"])];

/// The state by hand, killed at each point in turn: it is as before or as wanted, never between, and doing it again does it.
fn by_hand(
    place: &Place,
    backend: &str,
    variants: &[&str],
    sample: &Sample,
    killed: &mut dyn FnMut(&str, &str, usize) -> bool,
) -> Vec<String> {
    let list = || -> Vec<String> { place.done("state list").lines().map(String::from).collect() };
    place.write(BASE);
    place.done("apply -y -q");
    place.done("state pull > both.json");
    place.done("state rm b -q");
    place.done("state pull > one.json");
    let mut rows = vec![];
    for (words, after) in BY_HAND {
        let (mut kills, mut last) = (0, 0);
        for variant in variants {
            for point in sample.points() {
                assert!(point < 500, "it never ends");
                place.done("state push -y -q --force both.json");
                let hit = killed(words, variant, point);
                let at = format!("{backend}, {words}, {variant} point {point}");
                place.unlock();
                let found = list();
                assert!(found == ["a", "b"] || found == after, "{at}: {found:?}");
                if found != after {
                    place.done(words);
                }
                assert_eq!(list(), after, "{at}");
                assert_eq!(
                    place.exists(),
                    ["a", "b"].map(String::from).into(),
                    "{at}: nothing real was touched"
                );
                if !hit {
                    break;
                }
                kills += 1;
                last = last.max(point);
            }
        }
        rows.push(format!("| {backend} | {words} | {last} | {kills} | 0 |"));
    }
    place.done("state push -y -q --force both.json");
    place.done("destroy -y -q");
    rows
}

/// A state that moves to another place and back, killed at each point in turn: it is in one of the two, whole, and moving it
/// again ends what was begun.
fn on_the_move(
    place: &Place,
    backend: &str,
    variants: &[&str],
    sample: &Sample,
    killed: &mut dyn FnMut(&str, &str, usize) -> bool,
) -> String {
    const WORDS: &str = "state migrate -y -q";
    let both = "a\nb\n";
    place.write(BASE);
    place.done("apply -y -q");
    let (mut kills, mut last) = (0, 0);
    for variant in variants {
        for point in sample.points() {
            assert!(point < 500, "it never ends");
            place.use_state("other", BASE);
            let hit = killed(WORDS, variant, point);
            let at = format!("{backend}, {WORDS}, {variant} point {point}");
            place.use_state("app", BASE);
            // It may have moved away already.
            let _ = place.run("state unlock -y -q");
            let before = place.run("state list");
            place.use_state("other", BASE);
            let _ = place.run("state unlock -y -q");
            let after = place.run("state list");
            let both_live = before.stdout == both && after.stdout == both;
            assert!(!both_live, "{at}: nobody goes on in two places");
            // Between the two marks nobody goes on in either, and both say what to do.
            let neither = [&before, &after].iter().all(|ran| ran.stderr.contains("dtm state migrate"));
            assert!(
                neither || before.stdout == both || after.stdout == both,
                "{at}: {}{}",
                before.transcript(),
                after.transcript()
            );
            place.done(WORDS);
            assert_eq!(place.done("state list"), both, "{at}");
            assert!(place.done("plan").starts_with("No changes"), "{at}");
            place.use_state("app", BASE);
            assert_eq!(place.run("state list").code, 1, "{at}: nobody goes on where it was");
            place.done(WORDS);
            if !hit {
                break;
            }
            kills += 1;
            last = last.max(point);
        }
    }
    place.done("destroy -y -q");
    format!("| {backend} | {WORDS} | {last} | {kills} | 0 |")
}

/// A change of key, killed at each point in turn: the state opens with one of the two, and its secret is what it was.
fn another_key(
    place: &Place,
    backend: &str,
    variants: &[&str],
    sample: &Sample,
    killed: &mut dyn FnMut(&str, &str, usize) -> bool,
) -> String {
    const WORDS: &str = "state rekey -q";
    const TOOLS: &str = "tool p: core.Password { length = 20 }\n\noutput word = p.value\n";
    let env = place.env.borrow().clone();
    // A state in files has a key that dtm makes; on a server it is given.
    let keys = |now: &str, next: &str| {
        if place.is_remote {
            *place.env.borrow_mut() = format!("{env} DTM_STATE_KEY={now} DTM_STATE_NEW_KEY={next}");
        }
    };
    place.use_state("keyed", TOOLS);
    keys("correct-horse-battery-staple", "another-battery-of-horses-77");
    place.done("apply -y -q --new-state");
    place.write(&format!("{TOOLS}output more = 1\n"));
    place.done("apply -y -q");
    let word = place.done("output word --reveal");
    let (mut kills, mut last) = (0, 0);
    let mut used = ("correct-horse-battery-staple", "another-battery-of-horses-77");
    for variant in variants {
        for point in sample.points() {
            assert!(point < 500, "it never ends");
            keys(used.0, used.1);
            let hit = killed(WORDS, variant, point);
            let at = format!("{backend}, {WORDS}, {variant} point {point}");
            if !hit || place.run("state list").code != 0 {
                used = (used.1, used.0);
                keys(used.0, used.1);
            }
            place.unlock();
            assert_eq!(place.done("output word --reveal"), word, "{at}: the secret is what it was");
            if hit {
                // Again, to its end.
                place.done(WORDS);
                used = (used.1, used.0);
                keys(used.0, used.1);
                assert_eq!(place.done("output word --reveal"), word, "{at}: under the new key as well");
                for written in place.done("state history --json").split("\"serial\":").skip(1) {
                    let serial = written.split(',').next().unwrap_or_default();
                    place.done(&format!("state show --at {serial}"));
                }
                kills += 1;
                last = last.max(point);
            } else {
                break;
            }
        }
    }
    place.done("destroy -y -q");
    *place.env.borrow_mut() = env;
    format!("| {backend} | {WORDS} | {last} | {kills} | 0 |")
}

/// Every operation, killed at each point in turn. `killed` runs a command and kills it at a point; it says whether it was.
fn matrix(
    place: &Place,
    backend: &str,
    variants: &[&str],
    mut killed: impl FnMut(&str, &str, usize) -> bool,
) -> Vec<String> {
    let sample = &Sample::new();
    let mut rows = vec![];
    for operation in &OPERATIONS {
        let (mut kills, mut last) = (0, 0);
        for variant in variants {
            for point in sample.points() {
                assert!(point < 500, "it never ends");
                place.write(operation.from);
                place.done("apply -y -q");
                place.write(operation.to);
                let hit = killed("apply -y -q", variant, point);
                let at = format!("{backend}, {}, {variant} point {point}", operation.what);
                place.judge(&at, operation.names[1]);
                if !hit {
                    break;
                }
                kills += 1;
                last = last.max(point);
            }
            // Back to where it begins, if only to see that this goes too.
            place.write(operation.from);
            place.done("apply -y -q");
            assert_eq!(place.exists(), operation.names[0].iter().map(|n| n.to_string()).collect());
        }
        place.write("");
        place.done("apply -y -q");
        rows.push(format!("| {backend} | {} | {last} | {kills} | 0 |", operation.what));
    }
    rows.extend(by_hand(place, backend, variants, sample, &mut killed));
    rows.push(on_the_move(place, backend, variants, sample, &mut killed));
    rows.push(another_key(place, backend, variants, sample, &mut killed));
    rows
}

fn print(rows: &[String]) {
    let head = "| backend | operation | last point | kills | losses |\n|---|---|---|---|---|";
    let _ = writeln!(std::io::stderr(), "{head}\n{}", rows.join("\n"));
}

#[test]
fn files() {
    if !has("cc") {
        return;
    }
    let place = Place::new(|name| format!("local {{ path = \".dtm/{name}\" }}"), "", false);
    let library = build_shim(place.sandbox.home(), "die.c");
    let rows = matrix(&place, "local", &["before", "half"], |words, variant, point| {
        let mut command = place.command(words);
        // Its keys are kept in the home directory.
        let folder = if words.contains("rekey") { "dtm" } else { "/.dtm/" };
        command.env("LD_PRELOAD", &library).env("DTM_DIE_IN", folder).env("DTM_DIE_AT", point.to_string());
        if variant == "half" {
            command.env("DTM_DIE_HALF", "1");
        }
        command.status().expect("dtm runs").signal() == Some(9)
    });
    print(&rows);
}

/// Before and after every request.
fn through(place: &Place, backend: &str, proxy: &Proxy) {
    let rows = matrix(place, backend, &["before", "after"], |words, variant, point| {
        let when = if variant == "before" { When::Before } else { When::After };
        let armed = proxy.die_at(point, when);
        let mut child = place.command(words).spawn().expect("dtm starts");
        armed.process(child.id());
        let hit = child.wait().expect("ended").signal() == Some(9);
        proxy.disarm();
        hit
    });
    print(&rows);
}

#[test]
fn s3() {
    let Some(server) = Minio::start() else { return };
    if !has("cc") {
        return;
    }
    let proxy = Proxy::start(server.port, Speaks::S3);
    let state = format!(
        "s3 {{ bucket = \"bucket\", key = \"NAME\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:{}\", path_style = true }}",
        proxy.port
    );
    let env =
        format!("AWS_ACCESS_KEY_ID={USER} AWS_SECRET_ACCESS_KEY={PASSWORD} AWS_EC2_METADATA_DISABLED=true");
    through(&Place::new(move |name| state.replace("NAME", name), &env, true), "S3", &proxy);
}

#[test]
fn kubernetes() {
    let Some(server) = Kubernetes::start() else { return };
    if !has("cc") {
        return;
    }
    let proxy = server.proxy();
    let kubeconfig = server.kubeconfig("admin", Some(&proxy));
    let state =
        format!("k8s {{ namespace = \"dtm\", name = \"NAME\", kubeconfig = \"{}\" }}", kubeconfig.display());
    through(&Place::new(move |name| state.replace("NAME", name), "", true), "Kubernetes", &proxy);
}
