//! The `git` program: argument lists, an environment that asks nobody, credentials that no other process sees, and what
//! its complaints mean.

use crate::destination::Remote;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dtm_plugin::process::{Outcome, Program, RunError};
use dtm_plugin::{Ctx, Failure};
use std::path::{Path, PathBuf};

/// Who commits. By it dtm knows its own commits.
pub const COMMITTER: &str = "dtm <dtm@dtm.invalid>";

/// Git, working on one repository of our own (module `own`).
pub struct Git<'c> {
    ctx: &'c Ctx,
    dir: PathBuf,
    env: Vec<(String, String)>,
    reach: Reach,
}

/// What a command may reach, and so whose configuration it may read. The configuration of a repository or a template is
/// never read: it can name programs in dozens of places.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    /// Objects and references on this machine. No configuration but our own, no hooks.
    Here,
    /// Another repository, by these protocols. The user's configuration counts, with proxies and credential helpers.
    There { protocols: &'static str },
}

/// What no command may do, whatever the user's configuration says.
const ALWAYS: [&str; 9] = [
    "gc.auto=0",
    "maintenance.auto=false",
    "core.quotePath=false",
    "core.fsmonitor=false",
    "log.showSignature=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "fetch.recurseSubmodules=false",
    "safe.bareRepository=explicit",
];

/// The variables of git that the user's environment may set.
const FROM_USER: [&str; 6] = [
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
];

/// Why git failed.
pub struct GitError {
    /// What it wrote, or what was wrong before it ran.
    pub text: String,
    how: How,
}

/// How git failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// It did not run, or not to its end.
    Unfinished,
    /// It exited with this code; with none, by a signal.
    Exited(Option<i32>),
    /// Its push arrived too late: the branch has other commits by now.
    Overtaken,
}

impl<'c> Git<'c> {
    /// On a repository of our own, without looking anywhere else.
    pub fn at(ctx: &'c Ctx, dir: &Path) -> Git<'c> {
        Git { ctx, dir: dir.to_path_buf(), env: vec![], reach: Reach::Here }
    }

    /// Whether this is its repository.
    pub fn is_at(&self, dir: &Path) -> bool {
        self.dir == dir
    }

    /// Reaching a remote, with its credentials; they go by way of the environment, which only the user's own processes see.
    pub fn with(mut self, remote: &Remote) -> Git<'c> {
        let protocols = if remote.url.starts_with("file://") { "file" } else { "http:https:ssh" };
        self.reach = Reach::There { protocols };
        if let Some(token) = &remote.token {
            let user = remote.username.as_deref().unwrap_or("x-access-token");
            let header = format!("Authorization: Basic {}", BASE64.encode(format!("{user}:{token}")));
            // Only what the address begins with gets the header, and no redirect takes it elsewhere; helpers of the user are
            // left out.
            let settings = [
                (format!("http.{}.extraHeader", remote.url), header),
                ("http.followRedirects".to_string(), "false".to_string()),
                ("credential.helper".to_string(), String::new()),
            ];
            self.env.push(("GIT_CONFIG_COUNT".into(), settings.len().to_string()));
            for (i, (name, value)) in settings.into_iter().enumerate() {
                self.env.push((format!("GIT_CONFIG_KEY_{i}"), name));
                self.env.push((format!("GIT_CONFIG_VALUE_{i}"), value));
            }
        }
        self
    }

    /// Reaching a repository in a folder: to push to it, which runs its hooks.
    pub fn into_folder(mut self) -> Git<'c> {
        self.reach = Reach::There { protocols: "file" };
        self
    }

    /// Runs it; gives what it wrote to standard output.
    pub fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.feed(args, vec![])
    }

    fn program(&self, args: &[&str]) -> Program {
        let mut git = Program::new("git");
        for (name, _) in std::env::vars_os() {
            let ours = name.to_str().is_some_and(|n| FROM_USER.contains(&n));
            if !ours && name.as_encoded_bytes().starts_with(b"GIT_") {
                git = git.without_env(name);
            }
        }
        git = git.args(["--no-pager", "--git-dir"]).arg(&*self.dir);
        git = git.args(ALWAYS.iter().flat_map(|setting| ["-c", setting]));
        // A hook of the user's own may look at what is pushed; nothing else of ours runs one.
        if !matches!(args.first(), Some(&"push" | &"config")) {
            git = git.args(["-c", "core.hooksPath=/dev/null"]);
        }
        git = git
            .args(args)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1")
            .env("GIT_HTTP_LOW_SPEED_TIME", "60")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .envs(self.env.iter().map(|(n, v)| (n, v)));
        match self.reach {
            Reach::Here => git
                .dir(if self.dir.is_dir() { &*self.dir } else { Path::new("/") })
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_ATTR_NOSYSTEM", "1")
                .env("GIT_LITERAL_PATHSPECS", "1")
                .env("GIT_OPTIONAL_LOCKS", "0")
                .env("GIT_COMMITTER_NAME", "dtm")
                .env("GIT_COMMITTER_EMAIL", "dtm@dtm.invalid")
                .env("GIT_ALLOW_PROTOCOL", ""),
            Reach::There { protocols } => {
                git = git.env("GIT_ALLOW_PROTOCOL", protocols);
                match std::env::var_os("GIT_SSH_COMMAND") {
                    Some(_) => git,
                    None => git.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
                }
            }
        }
    }

    /// Runs it with something to read.
    pub fn feed(&self, args: &[&str], stdin: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let ended = self.program(args).stdin(stdin).keep(usize::MAX).run(self.ctx);
        let ended = ended.map_err(|e| match e {
            RunError::NotFound(_) => GitError::new("the program `git` is not installed"),
            other @ (RunError::NotAllowed(_)
            | RunError::NoFolder(_)
            | RunError::ZeroByte(_)
            | RunError::NotStarted(..)
            | RunError::Lost(..)) => GitError::new(other.to_string()),
        })?;
        let code = match ended.outcome {
            Outcome::Exited(0) => return Ok(ended.stdout),
            Outcome::Exited(code) => Some(code),
            Outcome::Signal(_) => None,
            Outcome::Stopped { .. } => return Err(GitError::new("stopped")),
        };
        // Standard output is what was asked for, but for a push, which reports the result of each branch there.
        let mut said = String::from_utf8_lossy(&ended.stderr).into_owned();
        if said.trim().is_empty() || args.first() == Some(&"push") {
            said = [&said, &*String::from_utf8_lossy(&ended.stdout)].join("\n");
        }
        let text = said.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
        let text = if text.is_empty() { format!("git {}", ended.describe()) } else { text };
        Err(GitError { text, how: How::Exited(code) })
    }
}

impl GitError {
    /// One that git did not report.
    pub fn new(text: impl Into<String>) -> GitError {
        GitError { text: text.into(), how: How::Unfinished }
    }
    /// The branch has other commits by now, whatever git itself said.
    pub fn overtaken(self) -> GitError {
        GitError { how: How::Overtaken, ..self }
    }
    /// Git says no: what was asked for is not there. Faults have other exit codes.
    pub fn is_no(&self) -> bool {
        self.how == How::Exited(Some(1))
    }
    /// Whether it wrote any of these words. Git has one exit code, 128, for all that goes wrong on the way to another
    /// repository; its words are those of the locale C.
    fn says(&self, words: &[&str]) -> bool {
        let text = self.text.to_lowercase();
        words.iter().any(|w| text.contains(w))
    }
    /// Somebody else was faster, or the branch went another way.
    pub fn is_lost_race(&self) -> bool {
        self.how == How::Overtaken
            || self.says(&[
                "non-fast-forward",
                "fetch first",
                "does not contain",
                "cannot lock ref",
                "failed to lock",
                "stale info",
            ])
    }
    /// There is no such branch.
    pub fn is_no_ref(&self) -> bool {
        self.says(&[
            "not a valid object name",
            "couldn't find remote ref",
            "unknown revision",
            "needed a single revision",
        ])
    }
    /// The other side could not be reached, or went away.
    pub fn is_network(&self) -> bool {
        self.says(&[
            "could not resolve",
            "connection refused",
            "connection reset",
            "timed out",
            "empty reply",
            "early eof",
            "rpc failed",
            "hung up",
            "unexpected disconnect",
            "the requested url returned error: 5",
            "network is unreachable",
            "no route to host",
            "connection closed",
            "failed to connect",
            "couldn't connect",
        ])
    }
    /// What the other side says, or else git's last words.
    fn gist(&self) -> String {
        let lines = || self.text.lines().map(str::trim).filter(|l| !l.is_empty());
        let remote: Vec<&str> = lines().filter_map(|l| l.strip_prefix("remote: ")).collect();
        let noise = |l: &&str| {
            *l != "Done"
                && !l.starts_with("To ")
                && !l.starts_with("!\t")
                && !l.starts_with("error: failed to push")
        };
        let said = if remote.is_empty() { lines().filter(noise).collect() } else { remote };
        said[said.len().saturating_sub(6)..].join("; ")
    }
    /// As an error of an operation that changed nothing.
    pub fn failure(&self, doing: &str) -> Failure {
        let last = self.gist();
        if self.says(&[
            "returned error: 301",
            "returned error: 302",
            "returned error: 303",
            "returned error: 307",
            "returned error: 308",
        ]) {
            let why = "the server redirects to another address, and credentials are not sent there: write that address";
            return Failure::clean(format!("{doing}: {why}: {last}")).input("destination");
        }
        if self.is_network() {
            return Failure::retryable(format!("{doing}: the server cannot be reached: {last}"), None);
        }
        let said = |why: &str| Failure::clean(format!("{doing}: {why}: {last}"));
        if self.says(&["protected branch", "hook declined", "prohibited", "not allowed to push"]) {
            return said("the repository refuses it");
        }
        if self.says(&[
            "authentication failed",
            "could not read username",
            "could not read password",
            "permission denied",
            "returned error: 401",
            "returned error: 403",
            "host key verification failed",
            "access denied",
        ]) {
            return said("the credentials are refused").input("destination");
        }
        if self.says(&[
            "not found",
            "does not appear to be a git repository",
            "does not exist",
            "not a git repository",
        ]) {
            return said("there is no such repository, or these credentials do not give access to it")
                .input("destination");
        }
        let failure = Failure::clean(format!("{doing}: {last}"));
        if self.says(&["is not a bare repository"]) { failure.input("destination") } else { failure }
    }
}
