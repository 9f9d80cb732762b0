//! A project whose state is on a server, and what it has to live through there.

use super::proxy::{Proxy, Wrong};
use crate::contract::{holder, put};
use crate::plugins::{build_shim, has};
use crate::sandbox::{Ran, Sandbox};
use dtm_engine::state::StateStore;
use dtm_engine::state::remote::RemoteStore;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// A project whose state is on a server.
pub struct Project {
    /// Where it is.
    pub sandbox: Sandbox,
    state: String,
    env: String,
}

impl Project {
    /// A project with a place of its state, `s3 { ... }`, variables of the environment, and tools.
    pub fn new(dtm: &str, state: &str, env: &str, tools: &str) -> Project {
        let project = Project { sandbox: Sandbox::new(Path::new(dtm)), state: state.into(), env: env.into() };
        project.set(tools);
        project
    }
    /// With other variables.
    #[must_use]
    pub fn with_env(self, env: &str) -> Project {
        Project { env: env.into(), ..self }
    }
    /// The variables with which it runs.
    pub fn env(&self) -> &str {
        &self.env
    }
    /// From here on the state is in another place.
    pub fn keep_in(&mut self, state: &str, tools: &str) {
        self.state = state.into();
        self.set(tools);
    }
    /// Writes other tools.
    pub fn set(&self, tools: &str) {
        self.sandbox
            .write("main.dts", format!("dts 1\n\nsettings {{\n  state = {}\n}}\n\n{tools}\n", self.state));
    }
    /// Runs dtm.
    pub fn run(&self, args: &str) -> Ran {
        self.sandbox.shell(&format!("{} dtm {args}", self.env))
    }
    /// Runs dtm, which has to do it.
    ///
    /// # Panics
    /// When it fails.
    pub fn done(&self, args: &str) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "dtm {args}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// A thousand tools need few requests, a plan writes nothing, and everything goes again. Gives how many requests the
    /// apply needed, and how many of them were writes.
    ///
    /// # Panics
    /// When it is not so.
    pub fn live(&self, proxy: &Proxy) -> (usize, usize) {
        self.set("tool t[n in 0..1000 by \"${n}\"]: core.Value { value = n }");
        self.done("apply -y -q --parallelism 100");
        let seen = proxy.take_seen();
        assert!(seen.len() <= 100, "{} requests: batches are shared\n{seen:#?}", seen.len());
        let is_write = |s: &&String| !s.starts_with("GET");
        let counted = (seen.len(), seen.iter().filter(is_write).count());
        assert!(self.done("plan").contains("No changes"));
        assert_eq!(proxy.take_seen().iter().filter(is_write).count(), 0, "a plan writes nothing");
        assert_eq!(self.done("state list").lines().count(), 1000);
        self.done("destroy -y -q --parallelism 100");
        assert_eq!(self.done("state list"), "");
        counted
    }

    /// Credentials expire in the middle of a run: what was begun is known afterwards, nothing is made twice.
    ///
    /// # Panics
    /// When it is not so.
    pub fn expire(&self, proxy: &Proxy, told: &str) {
        self.set("tool t[n in 0..40 by \"${n}\"]: core.Exec { create = [\"sh\", \"-c\", \"echo made ${n} >> log\"], read = [\"grep\", \"-qx\", \"made ${n}\", \"log\"] }");
        // The lock is taken, some batches are written.
        proxy.expire_after(Some(12));
        let ran = self.run("apply -y --parallelism 2");
        assert!(ran.code == 4 || ran.code == 1, "{}: {}{}", ran.code, ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(told), "{}{}", ran.stdout, ran.stderr);
        let made = || std::fs::read_to_string(self.sandbox.path().join("log")).unwrap_or_default();
        let first = made().lines().count();
        assert!(first > 0 && first < 40, "it stopped in the middle: {first}");
        let ran = self.run("plan");
        assert!(ran.code == 1 && ran.stderr.contains(told), "{}{}", ran.stdout, ran.stderr);
        proxy.expire_after(None);
        // The lock could not be given back.
        self.done("state unlock -y");
        self.done("apply -y");
        let all = made();
        let different: BTreeSet<&str> = all.lines().collect();
        assert_eq!((all.lines().count(), different.len()), (40, 40), "each is made once: {all}");
        assert!(self.done("plan").contains("No changes"));
        self.done("destroy -y -q");
    }
}

impl Project {
    /// Machines whose clocks are an hour wrong: they take the lock from nobody who holds it, and work when it is free. Where
    /// the server wants a right clock, as S3 does, that is said.
    ///
    /// # Panics
    /// When it is not so.
    pub fn skewed(&self, refused: Option<&str>) {
        if !has("cc") {
            return;
        }
        let library = build_shim(self.sandbox.home(), "skew.c");
        self.set("tool a: core.Exec {\n  create = [\"sh\", \"-c\", \"echo begun >> log; sleep 4; echo made >> log\"]\n  read = [\"grep\", \"-q\", \"made\", \"log\"]\n}");
        let log = || std::fs::read_to_string(self.sandbox.path().join("log")).unwrap_or_default();
        let mut command = self.sandbox.command("sh");
        command.args(["-c", &format!("{} exec dtm apply -y -q", self.env)]);
        let mut first = command.spawn().expect("dtm starts");
        super::wait_until("the command", || log().contains("begun"));
        let wrong = |seconds: i64, args: &str| {
            let skew = format!("LD_PRELOAD={} DTM_SKEW={seconds}", library.display());
            self.sandbox.shell(&format!("{} {skew} dtm {args}", self.env))
        };
        for seconds in [3600, -3600] {
            let ran = wrong(seconds, "apply -y --lock-timeout 1s --format short");
            match refused {
                // It sees a renewal, and says who holds it; or waits until it is free.
                None => assert!(
                    ran.code == 5 && ran.stderr.contains("E0801")
                        || ran.code == 0 && ran.stdout.starts_with("No changes"),
                    "{seconds}: {}",
                    ran.transcript()
                ),
                Some(why) => {
                    assert!(ran.code == 1 && ran.stderr.contains(why), "{seconds}: {}", ran.transcript())
                }
            }
        }
        assert!(first.wait().expect("ended").success(), "the holder is not disturbed");
        assert_eq!(log(), "begun\nmade\n", "it is made once");
        for seconds in [3600, -3600] {
            let ran = wrong(seconds, "apply -y");
            match refused {
                None => {
                    assert!(ran.code == 0 && ran.stdout.starts_with("No changes"), "{}", ran.transcript())
                }
                Some(why) => assert!(ran.code == 1 && ran.stderr.contains(why), "{}", ran.transcript()),
            }
        }
        assert!(self.done("plan").contains("No changes"));
        self.done("destroy -y -q");
    }
}

/// Answers are lost, cut, late and old; requests are refused for a time. Each batch counts once, and no read is wrong.
///
/// # Panics
/// When it is not so.
pub fn survive(store: &RemoteStore, proxy: &Proxy) {
    proxy.next_puts([Wrong::AnswerLost]);
    let mut session = store.lock(holder("apply"), Duration::ZERO).expect("free");
    let first = session.append(&[put("a", "1")]).expect("durable");
    let wrongs =
        [Wrong::AnswerLost, Wrong::Reset, Wrong::SlowDown, Wrong::TooMany, Wrong::AnswerCut, Wrong::Slow];
    for wrong in wrongs {
        proxy.next_puts([wrong]);
        proxy.next_gets([wrong]);
        session.append(&[put(&format!("{wrong:?}"), "1")]).expect("durable");
    }
    // An old copy says that nothing was written, though it was.
    let before = store.load().expect("whole").state;
    proxy.next_puts([Wrong::AnswerLost]);
    proxy.next_gets([Wrong::Stale]);
    session.append(&[put("late", "1")]).expect("durable");
    proxy.next_gets([Wrong::Stale]);
    let state = store.load().expect("whole").state;
    assert!(state == before || state.serial == before.serial.next(), "an old state or the new one");
    let state = store.load().expect("whole").state;
    proxy.next_puts([Wrong::AnswerLost, Wrong::AnswerLost, Wrong::Reset]);
    session.snapshot(&state).expect("written");
    drop(session);
    let found = store.load().expect("whole").state;
    assert_eq!(found.tools.len(), 2 + wrongs.len());
    assert_eq!(found.serial.0, first.0 + 1 + wrongs.len() as u64, "each batch counts once");
    proxy.next_gets([
        Wrong::AnswerCut,
        Wrong::SlowDown,
        Wrong::Reset,
        Wrong::Slow,
        Wrong::TooMany,
        Wrong::AnswerCut,
    ]);
    assert_eq!(store.load().expect("whole").state, found, "reads are asked again");
}

/// The tools of `tests/data/state-format-2/servers`, whose state is there as S3 and Kubernetes kept it.
const OF_FORMAT_2: &str = include_str!("../../data/state-format-2/servers/tools.dts");

impl Project {
    /// On the server is a state of format 2, of a project in a folder that no longer exists, written by an earlier dtm: what
    /// it manages is found in this folder, and from the first record on it is of the format of today.
    ///
    /// # Panics
    /// When it is not so.
    pub fn upgrade(&self, format: impl Fn() -> u64) {
        self.set(OF_FORMAT_2);
        let ran = self.run("plan --set version=2");
        assert!(ran.stderr.contains("E0805"), "nothing is read without its key: {}", ran.transcript());
        let shell = |line: &str| {
            self.sandbox.shell(&format!("export {} DTM_STATE_KEY='the key of format two'; {line}", self.env))
        };
        let done = |line: &str| {
            let ran = shell(line);
            assert_eq!(ran.code, 0, "{line}: {}", ran.transcript());
            ran.stdout
        };
        let word = done("dtm output word --reveal");
        assert_eq!(word.trim().len(), 20, "what was sealed is opened");
        // The same objects as they were where the state was written.
        done("mkdir -p docs folder old1 old2 && printf 'hello\\n' > docs/readme.txt && touch old1/of-others");
        done("dtm output word --reveal | tr -d '\\n' > secret.txt && chmod 600 secret.txt");
        let plan = shell("dtm plan --set version=2").stdout;
        for tool in ["readme", "folder", "secret", "key"] {
            for mark in ["+", "-", "~", ">", "-/+"] {
                assert!(!plan.contains(&format!("{mark} {tool}: ")), "{mark} {tool}: {plan}");
            }
        }
        assert_eq!(format(), 2, "who only looks changes nothing");
        let ran = shell("dtm apply -y -q --set version=2");
        assert!(ran.stderr.contains("old1") && ran.stderr.contains("broken"), "{}", ran.transcript());
        assert!(self.sandbox.path().join("old1/of-others").exists(), "it is not ours");
        assert_eq!(format(), 3);
        done("rm old1/of-others; touch allowed-2; dtm apply -y -q --set version=2");
        assert!(done("dtm plan --set version=2").starts_with("No changes"));
        assert!(!self.sandbox.path().join("old1").exists(), "the object that was replaced has gone");
        assert_eq!(done("dtm output word --reveal"), word);
        assert_eq!(done("dtm output place").trim(), "[TMP]/docs/readme.txt", "of this folder");
        assert!(
            done("dtm state history").lines().count() >= 2,
            "what an earlier dtm wrote is in the history"
        );
    }
}
