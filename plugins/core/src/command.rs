//! A program that is run: its output is told line by line while it works, the end of it is kept, and it is stopped when
//! the operation is. It stays in the process group of the plugin, so that nothing is left when dtm is killed.

use crate::interface::exec::Inputs;
use dtm_plugin::{Ctx, Failure};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
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
                "was stopped because its time was over (`with { timeout = 1h }` gives it more)".to_string()
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
            .env("DTM_OPERATION", &ctx.op)
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
        let mut readers = vec![];
        if let Some(out) = child.stdout.take() {
            readers.push(reader(out, true, kept.clone(), said.clone()));
        }
        if let Some(err) = child.stderr.take() {
            readers.push(reader(err, false, kept.clone(), said.clone()));
        }
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
        while !readers.iter().all(std::thread::JoinHandle::is_finished) && Instant::now() < until {
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
            return Ok(if stopped.is_some() { Outcome::Stopped { late } } else { outcome(status) });
        }
        tell();
        match stopped {
            None if ctx.is_cancelled() => {
                let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
                if let Some(pid) = pid {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                }
                stopped = Some(Instant::now());
            }
            Some(since) if since.elapsed() > GRACE => _ = child.kill(),
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

fn reader(
    pipe: impl Read + Send + 'static,
    stdout: bool,
    kept: Arc<Mutex<Kept>>,
    said: Arc<Mutex<VecDeque<String>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = vec![];
        loop {
            line.clear();
            // A line without an end is taken in pieces.
            match (&mut pipe).take(8 << 10).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let mut kept = kept.lock().unwrap_or_else(|e| e.into_inner());
            keep(&mut kept.tail, &line, TAIL);
            if stdout {
                keep(&mut kept.stdout, &line, STDOUT);
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            let mut said = said.lock().unwrap_or_else(|e| e.into_inner());
            if !text.is_empty() && said.len() < 1000 {
                said.push_back(text);
            }
        }
    })
}
