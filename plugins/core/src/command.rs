//! Runs a program: reports its output line by line, in the order of the writes, keeps the end of the
//! output, and stops it with all its descendants when the operation is interrupted. It stays in the process group of the
//! plugin. Processes that a finished program left running (`nohup`, `setsid`) stay, unless dtm is killed.

use crate::interface::exec::Inputs;
use crate::tree;
use dtm_plugin::{Ctx, Failure};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How much of the output of a failed command is kept, in bytes.
const TAIL: usize = 64 << 10;
/// How much of standard output is kept as an output.
const STDOUT: usize = 1 << 20;
/// How long a stopped program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// What to run.
pub(crate) struct Command {
    args: Vec<String>,
    dir: Option<String>,
    env: Vec<(String, String)>,
    stdin: Option<String>,
    verb: &'static str,
}

/// How it ended.
pub(crate) enum Outcome {
    Exited(i32),
    Signal(i32),
    /// Stopped, because the operation was; whether because its time was over.
    Stopped {
        late: bool,
    },
}

/// A program that ended.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    program: String,
    stdout: Vec<u8>,
    tail: Vec<u8>,
}

impl Ended {
    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What happened, with the end of what it wrote.
    pub(crate) fn describe(&self, verb: &str) -> String {
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
        let end = if text.is_empty() { String::new() } else { format!("; it wrote:\n{text}") };
        format!("the command of `{verb}`, `{}`, {how}{end}", self.program)
    }
}

/// What is kept of the output: the last of everything, and standard output by itself.
#[derive(Default)]
struct Kept {
    tail: VecDeque<u8>,
    stdout: VecDeque<u8>,
}

fn keep(buffer: &mut VecDeque<u8>, bytes: &[u8], limit: usize) {
    buffer.extend(bytes);
    let over = buffer.len().saturating_sub(limit);
    buffer.drain(..over);
}

impl Command {
    pub(crate) fn of(inputs: &Inputs, args: &[String], verb: &'static str) -> Command {
        let env = inputs.env.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
        let stdin = inputs.stdin.as_ref().map(|s| s.0.clone());
        Command { args: args.to_vec(), dir: inputs.dir.clone(), env, stdin, verb }
    }

    fn folder(&self) -> PathBuf {
        self.dir.as_deref().map_or_else(|| ".".into(), PathBuf::from)
    }

    fn spawn(&self, ctx: &Ctx) -> Result<Child, Failure> {
        let bad = |why: String| Failure::clean(why).input(self.verb);
        let Some((program, args)) = self.args.split_first() else {
            return Err(bad(format!("`{}` names no program", self.verb)));
        };
        let folder = self.folder();
        if !folder.is_dir() {
            return Err(Failure::clean(format!("there is no folder `{}`", folder.display())).input("dir"));
        }
        std::process::Command::new(program)
            .args(args)
            .current_dir(&folder)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(tree::OPERATION, &ctx.op)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => bad(format!("there is no program `{program}`")),
                std::io::ErrorKind::PermissionDenied => bad(format!("`{program}` may not be run")),
                _ => bad(format!("`{program}` cannot be started: {e}")),
            })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started. How it ended is no error.
    pub(crate) fn run(&self, ctx: &Ctx) -> Result<Ended, Failure> {
        let mut child = self.spawn(ctx)?;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let reader = {
            let (out, err) = (child.stdout.take(), child.stderr.take());
            let (kept, said) = (kept.clone(), said.clone());
            std::thread::spawn(move || listen(out, err, &kept, &said))
        };
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), self.stdin.clone()) {
            // A program that does not read it all is no failure.
            std::thread::spawn(move || _ = pipe.write_all(text.as_bytes()));
        }
        let tell = || {
            let lines = std::mem::take(&mut *said.lock().unwrap_or_else(|e| e.into_inner()));
            lines.into_iter().for_each(|line| ctx.progress(line));
        };
        let outcome = wait(&mut child, ctx, &tell)?;
        // A program that it left behind may hold the pipes open: what it writes is not waited for.
        let until = Instant::now() + Duration::from_secs(1);
        while !reader.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        tell();
        let mut kept = kept.lock().unwrap_or_else(|e| e.into_inner());
        Ok(Ended {
            outcome,
            program: self.args.first().cloned().unwrap_or_default(),
            stdout: std::mem::take(&mut kept.stdout).into(),
            tail: std::mem::take(&mut kept.tail).into(),
        })
    }
}

/// Waits for the end of a program, or ends it when the operation is cancelled.
fn wait(child: &mut Child, ctx: &Ctx, tell: &dyn Fn()) -> Result<Outcome, Failure> {
    let failed = |e: std::io::Error| Failure::partial(&*ctx.op, format!("its end cannot be waited for: {e}"));
    let mut pause = Duration::from_millis(1);
    let mut stopped: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            let late = ctx.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if stopped.is_some() {
                tree::end(&ctx.op, GRACE);
            }
            return Ok(if stopped.is_some() { Outcome::Stopped { late } } else { outcome(status) });
        }
        tell();
        match stopped {
            None if ctx.is_cancelled() => {
                tree::signal(child.id(), &ctx.op, rustix::process::Signal::TERM);
                stopped = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => {
                _ = tree::signal(child.id(), &ctx.op, rustix::process::Signal::KILL);
            }
            _ => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn outcome(status: ExitStatus) -> Outcome {
    use std::os::unix::process::ExitStatusExt;
    match status.code() {
        Some(code) => Outcome::Exited(code),
        None => Outcome::Signal(status.signal().unwrap_or(0)),
    }
}

/// Reads both pipes to their end, what comes first first, and takes it apart into lines.
fn listen(
    out: Option<impl Read + AsFd>,
    err: Option<impl Read + AsFd>,
    kept: &Mutex<Kept>,
    said: &Mutex<VecDeque<String>>,
) {
    use rustix::event::{PollFd, PollFlags, poll};
    let (mut out, mut err) = (out, err);
    let (mut of_out, mut of_err) = (Lines::default(), Lines::default());
    let mut buffer = vec![0; 64 << 10];
    while out.is_some() || err.is_some() {
        let (has_out, has_err) = {
            let flags = PollFlags::IN;
            let mut polled: Vec<PollFd<'_>> = out.iter().map(|p| PollFd::new(p, flags)).collect();
            polled.extend(err.iter().map(|p| PollFd::new(p, flags)));
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let ready: Vec<bool> = polled.iter().map(|p| !p.revents().is_empty()).collect();
            let first = ready.first().copied().unwrap_or(false);
            match out.is_some() {
                true => (first, ready.get(1).copied().unwrap_or(false)),
                false => (false, first),
            }
        };
        let mut ended = |line: &[u8]| {
            keep(&mut kept.lock().unwrap_or_else(|e| e.into_inner()).tail, line, TAIL);
            let text = String::from_utf8_lossy(line).trim_end().to_string();
            let mut said = said.lock().unwrap_or_else(|e| e.into_inner());
            if !text.is_empty() && said.len() < 1000 {
                said.push_back(text);
            }
        };
        if has_out {
            match out.as_mut().map(|pipe| pipe.read(&mut buffer)) {
                Some(Ok(n)) if n > 0 => {
                    let mut kept = kept.lock().unwrap_or_else(|e| e.into_inner());
                    keep(&mut kept.stdout, &buffer[..n], STDOUT);
                    drop(kept);
                    of_out.take(&buffer[..n], &mut ended);
                }
                Some(Err(e)) if e.kind() == std::io::ErrorKind::Interrupted => {}
                _ => {
                    out = None;
                    of_out.rest(&mut ended);
                }
            }
        }
        if has_err {
            match err.as_mut().map(|pipe| pipe.read(&mut buffer)) {
                Some(Ok(n)) if n > 0 => of_err.take(&buffer[..n], &mut ended),
                Some(Err(e)) if e.kind() == std::io::ErrorKind::Interrupted => {}
                _ => {
                    err = None;
                    of_err.rest(&mut ended);
                }
            }
        }
    }
}

/// A line that is not whole yet, so that the lines of both pipes are not mixed up.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// A line without an end is taken in pieces.
    const LONGEST: usize = 8 << 10;

    fn take(&mut self, bytes: &[u8], ended: &mut impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            for piece in part.chunks(Self::LONGEST) {
                self.0.extend_from_slice(piece);
                if self.0.ends_with(b"\n") || self.0.len() >= Self::LONGEST {
                    ended(&self.0);
                    self.0.clear();
                }
            }
        }
    }

    fn rest(&mut self, ended: &mut impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            ended(&self.0);
            self.0.clear();
        }
    }
}
