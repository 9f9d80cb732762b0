//! Runs programs: arguments and never a shell, an environment, standard input, the output with a limit, and an end. A program is
//! stopped with everything that it started when the operation is cancelled or its deadline is over: it is asked to end
//! (SIGTERM), and killed (SIGKILL) a few seconds later. It stays in the process group of the plugin, which dtm ends when it is killed
//! itself.

mod output;
mod tree;

use crate::{Ctx, Failure, in_words};
use output::{Kept, listen};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many bytes of what a program writes are kept for a message, both streams in the order in which they were written.
const TAIL: usize = 64 << 10;
/// How long a stopped program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    program: OsString,
    args: Vec<OsString>,
    dir: PathBuf,
    env: Vec<(OsString, OsString)>,
    without: Vec<OsString>,
    stdin: Vec<u8>,
    kept: usize,
    progress: bool,
    grace: Duration,
    stop: Option<Arc<AtomicBool>>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal of this number.
    Signal(i32),
    /// It was stopped, because the operation was.
    Stopped {
        /// Because its time was over.
        late: bool,
    },
}

/// A program that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// The last of what it wrote to standard output, up to [`Program::keep`] bytes.
    pub stdout: Vec<u8>,
    /// The last of what it wrote to standard error, up to as many.
    pub stderr: Vec<u8>,
    /// The last 64 KiB of both, in the order in which they were written.
    pub tail: Vec<u8>,
}

/// Why a program could not be run.
#[derive(Debug)]
pub enum RunError {
    /// There is no program of this name.
    NotFound(String),
    /// The user may not run it.
    NotAllowed(String),
    /// The folder in which it was to run is missing.
    NoFolder(PathBuf),
    /// It cannot be given what no program can be given: which part contains a zero byte.
    ZeroByte(String),
    /// It cannot be started, with the name of the program.
    NotStarted(String, std::io::Error),
    /// It was started, and its end cannot be waited for: nobody knows what it did.
    Lost(String, std::io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::NotFound(program) => write!(f, "there is no program `{program}`"),
            RunError::NotAllowed(program) => write!(f, "`{program}` may not be run"),
            RunError::NoFolder(folder) => write!(f, "there is no folder `{}`", folder.display()),
            RunError::ZeroByte(what) => write!(f, "{what} contains a zero byte"),
            RunError::NotStarted(program, why) => {
                write!(f, "`{program}` cannot be started: {}", in_words(&why.to_string()))
            }
            RunError::Lost(program, why) => {
                write!(f, "the end of `{program}` cannot be waited for: {}", in_words(&why.to_string()))
            }
        }
    }
}

impl RunError {
    /// As the failure of an operation; of one that may have changed something, it is that of the object with this id.
    pub fn failure(&self, id: &str) -> Failure {
        if let RunError::Lost(..) = self {
            Failure::partial(id, self.to_string())
        } else {
            Failure::clean(self.to_string())
        }
    }
}

impl Ended {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Whether it exited with 0.
    pub fn is_success(&self) -> bool {
        self.outcome == Outcome::Exited(0)
    }

    /// How it ended, with the end of what it wrote: `exited with 1; it wrote: ...`.
    pub fn describe(&self) -> String {
        let how = match self.outcome {
            Outcome::Exited(code) => format!("exited with {code}"),
            Outcome::Signal(number) => format!("was ended by signal {number}"),
            Outcome::Stopped { late: false } => "was stopped".to_string(),
            Outcome::Stopped { late: true } => {
                "timed out (`with { timeout = 1h }` gives it more)".to_string()
            }
        };
        let text = String::from_utf8_lossy(&self.tail);
        let text = text.trim_end();
        if text.is_empty() { how } else { format!("{how}; it wrote:\n{text}") }
    }
}

impl Program {
    /// A program by its name, looked for in `PATH`, or by its path. It runs in the project's folder, with the environment of the
    /// plugin; 1 MiB of each stream is kept.
    pub fn new(program: impl Into<OsString>) -> Program {
        Program {
            program: program.into(),
            args: vec![],
            dir: ".".into(),
            env: vec![],
            without: vec![],
            stdin: vec![],
            kept: 1 << 20,
            progress: false,
            grace: GRACE,
            stop: None,
        }
    }
    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Program {
        self.args.push(arg.into());
        self
    }
    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Program {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
    /// Runs it in another folder.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Program {
        self.dir = dir.into();
        self
    }
    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Program {
        self.env.push((name.into(), value.into()));
        self
    }
    /// Sets variables of its environment.
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Program {
        self.env.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }
    /// Leaves a variable of the plugin's own environment out.
    pub fn without_env(mut self, name: impl Into<OsString>) -> Program {
        self.without.push(name.into());
        self
    }
    /// What it reads from standard input; nothing otherwise.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.stdin = bytes.into();
        self
    }
    /// Keeps so many bytes of each stream: the last ones.
    pub fn keep(mut self, bytes: usize) -> Program {
        self.kept = bytes;
        self
    }
    /// How long it may take to end when it is stopped, before it is killed; 3 s otherwise.
    pub fn grace(mut self, time: Duration) -> Program {
        self.grace = time;
        self
    }
    /// Stops it when this becomes true, as if the operation were cancelled.
    pub fn stop_when(mut self, flag: Arc<AtomicBool>) -> Program {
        self.stop = Some(flag);
        self
    }
    /// Reports each line that it writes as progress of the operation.
    pub fn with_progress(mut self) -> Program {
        self.progress = true;
        self
    }

    fn is_stopped(&self, ctx: &Ctx) -> bool {
        ctx.is_cancelled() || self.stop.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    fn shown(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// What of it contains a zero byte, which ends a text for the system.
    fn with_zero_byte(&self) -> Option<String> {
        let has_zero = |text: &OsStr| text.as_encoded_bytes().contains(&0);
        let shown = || self.shown().replace('\0', "\\0");
        if has_zero(&self.program) {
            return Some(format!("the name of the program `{}`", shown()));
        }
        if self.args.iter().any(|arg| has_zero(arg)) {
            return Some(format!("an argument of `{}`", shown()));
        }
        let (name, _) = self.env.iter().find(|(name, value)| has_zero(name) || has_zero(value))?;
        let name = name.to_string_lossy().replace('\0', "\\0");
        Some(format!("the variable `{name}` of `{}`", shown()))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the system has words for the others")]
    fn spawn(&self, ctx: &Ctx) -> Result<Child, RunError> {
        if !self.dir.is_dir() {
            return Err(RunError::NoFolder(self.dir.clone()));
        }
        if let Some(what) = self.with_zero_byte() {
            return Err(RunError::ZeroByte(what));
        }
        let mut command = std::process::Command::new(&self.program);
        self.without.iter().for_each(|name| _ = command.env_remove(name));
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(tree::OPERATION, &ctx.op)
            .stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| match e.kind() {
                ErrorKind::NotFound => RunError::NotFound(self.shown()),
                ErrorKind::PermissionDenied => RunError::NotAllowed(self.shown()),
                _ => RunError::NotStarted(self.shown(), e),
            })
    }

    /// Runs it to its end. How it ended is not an error.
    ///
    /// # Errors
    /// When it cannot be started, or its end cannot be waited for.
    pub fn run(&self, ctx: &Ctx) -> Result<Ended, RunError> {
        let mut child = self.spawn(ctx)?;
        let kept = Arc::new(Mutex::new(Kept::new(TAIL, self.kept)));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (done, read) = channel();
        {
            let (out, err) = (child.stdout.take(), child.stderr.take());
            let (kept, said) = (kept.clone(), self.progress.then(|| said.clone()));
            std::thread::spawn(move || {
                listen(out, err, &kept, said.as_deref());
                _ = done.send(());
            });
        }
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = self.stdin.clone();
            // A program that does not read it all is no failure.
            std::thread::spawn(move || _ = pipe.write_all(&bytes));
        }
        let tell = || {
            let lines = std::mem::take(&mut *said.lock().unwrap_or_else(|e| e.into_inner()));
            lines.into_iter().for_each(|line| ctx.progress(line));
        };
        let outcome =
            self.wait(&mut child, &read, ctx, &tell).map_err(|e| RunError::Lost(self.shown(), e))?;
        tell();
        let mut kept = kept.lock().unwrap_or_else(|e| e.into_inner());
        let Kept { tail, stdout, stderr, .. } = std::mem::replace(&mut *kept, Kept::new(0, 0));
        Ok(Ended { outcome, stdout: stdout.into(), stderr: stderr.into(), tail: tail.into() })
    }

    /// Waits for the end of a program, or ends it when the operation is cancelled.
    fn wait(
        &self,
        child: &mut Child,
        read: &Receiver<()>,
        ctx: &Ctx,
        tell: &dyn Fn(),
    ) -> std::io::Result<Outcome> {
        /// How often a program is looked at whose pipes are open.
        const PAUSE: Duration = Duration::from_millis(20);
        let mut stopped: Option<Instant> = None;
        let mut is_read = false;
        loop {
            if let Some(status) = child.try_wait()? {
                let late = ctx.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if stopped.is_some() {
                    tree::end(&ctx.op, self.grace);
                }
                // A program that it left behind may hold the pipes open: what that writes is not waited for.
                if !is_read {
                    _ = read.recv_timeout(Duration::from_secs(1));
                }
                return Ok(if stopped.is_some() { Outcome::Stopped { late } } else { outcome(status) });
            }
            tell();
            match stopped {
                None if self.is_stopped(ctx) => {
                    tree::signal(child.id(), &ctx.op, rustix::process::Signal::TERM);
                    stopped = Some(Instant::now());
                }
                Some(since) if since.elapsed() > self.grace => {
                    _ = tree::signal(child.id(), &ctx.op, rustix::process::Signal::KILL);
                }
                _ => {}
            }
            // When both pipes are closed, the end is near; until then a line may come, or the operation be cancelled.
            match is_read {
                true => std::thread::sleep(Duration::from_millis(1)),
                false => is_read = !matches!(read.recv_timeout(PAUSE), Err(RecvTimeoutError::Timeout)),
            }
        }
    }
}

fn outcome(status: ExitStatus) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    match status.code() {
        Some(code) => Outcome::Exited(code),
        None => Outcome::Signal(status.signal().unwrap_or(0)),
    }
}

/// Whether a program is in `PATH`, or at its path.
pub fn is_installed(program: impl AsRef<OsStr>) -> bool {
    let program = Path::new(program.as_ref());
    if program.components().count() > 1 {
        return program.is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Program {
        Program::new("sh").arg("-c").arg(text)
    }

    fn run(program: &Program) -> Ended {
        program.run(&Ctx::for_tests()).expect("it runs")
    }

    #[test]
    fn streams_are_kept_apart_and_together() {
        let ended = run(&shell("echo out; sleep 0.05; echo err >&2; exit 3"));
        assert_eq!((ended.outcome, ended.text()), (Outcome::Exited(3), "out\n".into()));
        assert_eq!((&*ended.stderr, &*ended.tail), (&b"err\n"[..], &b"out\nerr\n"[..]));
        assert_eq!(ended.describe(), "exited with 3; it wrote:\nout\nerr");
        assert!(!ended.is_success());
    }

    #[test]
    fn input_environment_folder_and_limits_are_as_told() {
        let program = shell("pwd; printf %s \"$A$HOME\"; cat").dir("/").env("A", "1").without_env("HOME");
        assert_eq!(run(&program.stdin(*b"2")).text(), "/\n12");
        assert_eq!(run(&shell("printf 123456").keep(3)).text(), "456");
        assert_eq!(run(&shell("kill -9 $$")).outcome, Outcome::Signal(9));
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let ctx = Ctx::for_tests();
        let missing = Program::new("no-such-program").run(&ctx).expect_err("missing");
        assert_eq!(missing.to_string(), "there is no program `no-such-program`");
        let folder = shell("true").dir("/no/such/folder").run(&ctx).expect_err("missing");
        assert_eq!(folder.to_string(), "there is no folder `/no/such/folder`");
        assert!(is_installed("sh") && !is_installed("no-such-program"));
    }

    #[test]
    fn a_cancelled_operation_ends_it_with_what_it_started() {
        let cancelled = Arc::new(AtomicBool::new(false));
        let ctx = Ctx { cancelled: cancelled.clone(), ..Ctx::for_tests() };
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            cancelled.store(true, Ordering::Relaxed);
        });
        let begun = Instant::now();
        let ended = shell("sleep 60 & echo $!; wait").run(&ctx).expect("it runs");
        assert_eq!(ended.outcome, Outcome::Stopped { late: false });
        assert!(begun.elapsed() < Duration::from_secs(30));
        let child = ended.text().trim().to_string();
        // It is killed, which takes effect when it runs next.
        loop {
            let alive = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if alive.is_empty() || alive.contains(") Z ") {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{alive}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let begun = Instant::now();
        let ended = run(&shell("sleep 20 & echo done"));
        assert_eq!(ended.text(), "done\n");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
