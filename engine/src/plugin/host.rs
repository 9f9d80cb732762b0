//! `dtm plugin-host FILE`: the process that hosts one plugin. It runs no code of the plugin: a child
//! (`worker`) loads a library, an executable is a child, and the host forwards its lines.
//!
//! Descriptors: 0 and 1 are the engine's pipe, 3 the state lock, which is held until this process is gone, 4 a pipe that
//! ends when the engine does. Nothing that was begun outlives the lock:
//!
//! | what happens | what the host does before it ends |
//! |---|---|
//! | the engine dies, or abandons the plugin | kills every descendant, including those with their own session |
//! | the plugin dies | the same: what it had begun is looked for and done again |
//! | the engine closes its pipe | the same, after a second in which an executable may end by itself |
//! | the engine says before it ends that nothing is under way (`ORDERLY` on descriptor 4) | kills the plugin only: what a finished command has left running stays |
//! | the host itself is killed | the engine ends what it adopts; a library's process kills the process group |
//!
//! If engine and host are both killed at once, a process that has left the process group (`setsid`) remains.

use super::descendants;
use dtm_plugin::protocol::{Class, ErrorData, MAX_LINE, Request, Response, RpcError, id_of};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The descriptor of the state lock in a host.
pub const LOCK_FD: i32 = 3;
/// The descriptor of the pipe that ends with the parent: in a host with the engine, in a worker with the host.
pub const LIFE_FD: i32 = 4;
/// What the engine writes to that pipe before it closes it with nothing under way.
pub(super) const ORDERLY: u8 = b'q';

/// Runs a host until the plugin or the engine ends; returns the exit code.
pub fn run(file: &Path) -> i32 {
    // The lock and the pipe are this process's own: what a plugin starts must not hold them.
    super::library::close_on_exec(LOCK_FD);
    super::library::close_on_exec(LIFE_FD);
    // Opened before anything else, which could get its number where a host runs without an engine.
    let life = File::open(format!("/dev/fd/{LIFE_FD}")).ok();
    descendants::adopt_orphans();
    let (input, output) = match private_pipes() {
        Ok(pipes) => pipes,
        Err(e) => return say(&format!("the host cannot set up its pipes: {e}")),
    };
    let library = file.extension().is_some_and(|e| e == "so" || e == "dylib" || e == "dll");
    if library { run_library(file, life, input, output) } else { run_executable(file, life, input, output) }
}

/// Runs the process of a library; returns the exit code.
pub fn work(file: &Path) -> i32 {
    super::worker::run(file)
}

/// Ends the process at once, without the exit handlers of what was loaded into it.
pub fn exit(code: i32) -> ! {
    super::library::exit(code)
}

/// A host's complaint goes to standard error, which the engine keeps.
pub(super) fn say(text: &str) -> i32 {
    let _ = writeln!(std::io::stderr(), "{text}");
    1
}

/// The engine's pipe on descriptors that nothing else writes to; 0 becomes the null device and 1 standard error.
pub(super) fn private_pipes() -> std::io::Result<(File, File)> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 10)?;
    let stdout = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 10)?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    Ok((File::from(stdin), File::from(stdout)))
}

/// Decides once how this process ends, and ends it.
struct End {
    /// The pipe that ends with the engine, where there is one.
    life: Option<File>,
    /// Taken by the first that ends the process, and never released.
    deciding: Mutex<()>,
}

impl End {
    /// Watches the engine on a thread of its own.
    fn watch(plugin: rustix::process::Pid, life: Option<File>) -> Arc<End> {
        let end = Arc::new(End { life, deciding: Mutex::new(()) });
        let watching = end.clone();
        if end.life.is_some() {
            std::thread::spawn(move || {
                watching.life_says(None);
                watching.end(plugin, 1);
            });
        }
        end
    }

    /// Waits until the engine says something on its pipe or is gone. Whether something is to be read.
    fn life_says(&self, patience: Option<Duration>) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(life) = &self.life else { return false };
        let limit =
            patience.map(|d| Timespec { tv_sec: d.as_secs() as i64, tv_nsec: d.subsec_nanos().into() });
        loop {
            match poll(&mut [PollFd::new(life, PollFlags::IN)], limit.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                seen => return matches!(seen, Ok(n) if n > 0),
            }
        }
    }

    /// Ends this process: with the plugin only when the engine said that nothing is under way, with everything that the
    /// plugin has begun otherwise.
    fn end(&self, plugin: rustix::process::Pid, code: i32) -> ! {
        let _deciding = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = [0];
        let orderly = self.life_says(Some(Duration::ZERO))
            && matches!(self.life.as_ref().map(|mut l| l.read(&mut said)), Some(Ok(1)))
            && said[0] == ORDERLY;
        if orderly {
            let _ = rustix::process::kill_process(plugin, rustix::process::Signal::KILL);
            exit(0);
        }
        descendants::end_all();
        #[cfg(not(target_os = "linux"))]
        let _ =
            rustix::process::kill_process_group(rustix::process::getpgrp(), rustix::process::Signal::KILL);
        exit(code)
    }
}

/// How a plugin ended, as the exit code of its host: a signal is encoded as in a shell.
fn code(status: std::io::Result<ExitStatus>) -> i32 {
    match status {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(_) => 1,
    }
}

/// A child loads a library, so that after a crash of it, this process can still end what it started.
fn run_library(file: &Path, life: Option<File>, input: File, output: File) -> i32 {
    use command_fds::{CommandFdExt, FdMapping};
    let program = match cfg!(target_os = "linux") {
        // Also where the file was replaced by a newer one meanwhile.
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    };
    let pipe: std::io::Result<(OwnedFd, OwnedFd)> =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(Into::into);
    let (program, (theirs, ours)) = match (program, pipe) {
        (Ok(program), Ok(pipe)) => (program, pipe),
        (Err(e), _) | (_, Err(e)) => return say(&format!("the host cannot start: {e}")),
    };
    let mut command = Command::new(program);
    command.args(["plugin-host", "--worker"]).arg(file).stdin(input).stdout(output);
    if let Err(e) = command.fd_mappings(vec![FdMapping { parent_fd: theirs, child_fd: LIFE_FD }]) {
        return say(&format!("the host cannot start: {e}"));
    }
    let mut worker = match command.spawn() {
        Ok(worker) => worker,
        Err(e) => return say(&format!("the host cannot start: {e}")),
    };
    // The engine's pipe is the worker's alone, so that each sees the other's end.
    drop(command);
    let pid = rustix::process::Pid::from_child(&worker);
    let end = End::watch(pid, life);
    let status = worker.wait();
    let code = code(status);
    let _ours = ours;
    end.end(pid, code)
}

/// Refuses a request.
pub(super) fn refusal(id: u64, code: i64, message: String, class: Option<Class>) -> Vec<u8> {
    let data = class.map(|class| ErrorData { class, ..ErrorData::default() }).unwrap_or_default();
    let error = Some(RpcError { code, message, data: Box::new(data) });
    let response = Response { jsonrpc: "2.0".into(), id, result: None, error };
    serde_json::to_vec(&response).unwrap_or_default()
}

/// Refuses what must not be begun any more: the lock under which it was asked for may be another's by now. Nothing was
/// changed, so it may be asked for again.
pub(super) fn too_late(request: &Request) -> Option<Vec<u8>> {
    let until = request.params.get("start_before")?.as_u64()?;
    if !crate::clock::is_over(until) {
        return None;
    }
    let message = "it was not started: it timed out before it reached the plugin".to_string();
    Some(refusal(request.id?, -32000, message, Some(Class::Retryable)))
}

/// The answer to a line that cannot be parsed, where it still says which request it is.
pub(super) fn unreadable(line: &[u8], why: &serde_json::Error) -> Option<Vec<u8>> {
    Some(refusal(
        id_of(line)?,
        -32700,
        format!("the request cannot be read: {why}"),
        Some(Class::FailedClean),
    ))
}

/// An executable speaks the protocol itself; its lines are passed on.
fn run_executable(file: &Path, life: Option<File>, input: File, output: File) -> i32 {
    let child = Command::new(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return say(&format!("`{}` cannot be started: {e}", file.display())),
    };
    let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return 1 };
    let pid = rustix::process::Pid::from_child(&child);
    let end = End::watch(pid, life);
    let output = Arc::new(Mutex::new(output));
    let (answers, ending) = (output.clone(), end.clone());
    let write = |output: &Mutex<File>, line: &[u8]| {
        output.lock().unwrap_or_else(PoisonError::into_inner).write_all(line).is_ok()
    };
    std::thread::spawn(move || {
        let mut input = BufReader::with_capacity(64 << 10, input);
        let mut line = Vec::new();
        while matches!(input.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let refused = match serde_json::from_slice::<Value>(&line) {
                Ok(message) => serde_json::from_value(message).ok().and_then(|request| too_late(&request)),
                Err(why) => unreadable(&line, &why),
            };
            let went = match refused {
                Some(answer) => write(&answers, &[answer, b"\n".to_vec()].concat()),
                None => to.write_all(&line).is_ok(),
            };
            if !went {
                // It reads no more; its end is seen where its answers are read.
                return;
            }
            line.clear();
        }
        drop(to);
        // The engine closed the pipe. What is about to answer may do so; what does not end by itself is ended.
        ending.life_says(Some(Duration::from_secs(1)));
        if ending.life.is_none() {
            std::thread::sleep(Duration::from_secs(1));
        }
        ending.end(pid, 0);
    });
    let mut from = BufReader::with_capacity(64 << 10, from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        match (&mut from).take(limit).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {}
            _ => break,
        }
        if line.len() > MAX_LINE {
            say(&format!("the plugin wrote a line longer than {} MiB", MAX_LINE >> 20));
            end.end(pid, 1);
        }
        if !write(&output, &line) {
            break;
        }
    }
    // It closed its output: if it does not exit, it is killed.
    let mut patience = 100;
    let status = loop {
        match child.try_wait() {
            Ok(None) if patience > 0 => {
                patience -= 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) => _ = child.kill(),
            Ok(Some(status)) => break Ok(status),
            Err(e) => break Err(e),
        }
    };
    let failed = status.as_ref().is_ok_and(|s| !s.success());
    if let (true, Ok(status)) = (failed, &status) {
        say(&format!("the plugin ended: {status}"));
    }
    end.end(pid, i32::from(failed))
}
