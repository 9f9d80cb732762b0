//! A hermetic place to run commands: a temporary directory, an empty home, a fixed clock, and filters that make
//! what differs from run to run equal.

use crate::leaks::Watch;
use regex_lite::Regex;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A temporary project with a home of its own.
pub struct Sandbox {
    dir: TempDir,
    home: TempDir,
    dtm: PathBuf,
    /// Whether the project is trusted, as nobody can be asked.
    trusts: bool,
    /// Secrets that must be nowhere.
    watch: Watch,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.watch.look(self.path(), self.home());
        }
    }
}

static UUID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").ok());
static TOOK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r" \(\d+\.\ds\)").ok());
/// How long git tried to connect.
static TRIED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r" after \d+ ms").ok());
/// What Kubernetes adds to the names of pods: that of a Deployment's template, and of each.
static POD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(-[0-9a-f]{8,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}\b").ok());
static PROCESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"process \d+").ok());

impl Sandbox {
    /// An empty one, for the binary under test.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    pub fn new(dtm: &Path) -> Sandbox {
        let dir = tempfile::Builder::new().prefix("dtm-").tempdir().expect("a temporary directory");
        let home = tempfile::Builder::new().prefix("home-").tempdir().expect("a temporary directory");
        std::fs::create_dir(home.path().join("bin")).expect("a directory for the binary");
        std::os::unix::fs::symlink(dtm, home.path().join("bin/dtm")).expect("a link to the binary");
        Sandbox { dir, home, dtm: dtm.to_path_buf(), trusts: true, watch: Watch::default() }
    }

    /// One in which nothing is trusted beforehand.
    ///
    /// # Panics
    /// As [`Sandbox::new`].
    pub fn distrusting(dtm: &Path) -> Sandbox {
        let mut sandbox = Sandbox::new(dtm);
        sandbox.trusts = false;
        sandbox
    }

    /// The project's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The home directory, where keys are.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file, its folders too.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        if name.ends_with(".dts") {
            self.watch.program(&String::from_utf8_lossy(text.as_ref()));
        }
        std::fs::write(path, text).expect("a file");
    }

    /// A command in this place with nothing of the outside environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let system = std::env::var("PATH").unwrap_or_default();
        command.current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", format!("{}:{system}", self.home.path().join("bin").display()));
        command.env("HOME", self.home.path()).env("USER", "tester").env("NO_COLOR", "1").env("TERM", "dumb");
        command.env("DTM_TEST_TIME", "2030-01-02T03:04:05Z").env("LC_ALL", "C.UTF-8");
        if self.trusts {
            command.env("DTM_TRUST", "1");
        }
        command
    }

    /// The binary under test.
    pub fn dtm(&self) -> Command {
        self.command(&self.dtm)
    }

    /// Runs dtm with arguments.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.ran(&format!("dtm {}", args.join(" ")), self.dtm().args(args).output().expect("dtm starts"))
    }

    /// Runs a line of shell.
    ///
    /// # Panics
    /// When no shell can be started.
    pub fn shell(&self, line: &str) -> Ran {
        self.ran(line, self.command("sh").args(["-c", line]).output().expect("a shell starts"))
    }

    fn ran(&self, line: &str, output: Output) -> Ran {
        self.watch.ran(line, &[&output.stdout, &output.stderr]);
        let text = |bytes: &[u8]| self.filtered(&String::from_utf8_lossy(bytes));
        let code = output.status.code().unwrap_or(-1);
        Ran { stdout: text(&output.stdout), stderr: text(&output.stderr), code }
    }

    /// A text without what differs from run to run.
    pub fn filtered(&self, text: &str) -> String {
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
        let mut text = text.replace(&real(self.path()).display().to_string(), "[TMP]");
        text = text.replace(&self.path().display().to_string(), "[TMP]");
        text = text.replace(&self.home.path().display().to_string(), "[HOME]");
        text = text.replace(&format!("dtm {}", env!("CARGO_PKG_VERSION")), "dtm [VERSION]");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        text = text.replace(&format!("tester@{host}"), "tester@[HOST]");
        for (regex, with) in [
            (&UUID, "[UUID]"),
            (&TOOK, ""),
            (&PROCESS, "process [PID]"),
            (&POD, "-[POD]"),
            (&TRIED, " after 0 ms"),
        ] {
            if let Some(regex) = &**regex {
                text = regex.replace_all(&text, with).into_owned();
            }
        }
        text
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; -1 after a signal.
    pub code: i32,
}

impl Ran {
    /// As it stands in a transcript.
    pub fn transcript(&self) -> String {
        let mut out = self.stdout.clone();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        if !self.stderr.is_empty() {
            out += "--- stderr ---\n";
            out += &self.stderr;
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
        if self.code != 0 {
            out += &format!("[exit {}]\n", self.code);
        }
        out
    }
}
