//! `dtm plugin-host FILE`: the process in which one plugin runs. It loads a library and gives each operation a
//! thread, or starts an executable and passes lines on.
//!
//! Descriptors: 0 and 1 are the engine's pipe, 3 the state lock (held until this process is gone), 4 a pipe that
//! ends when the engine dies; then the whole process group is killed. Before a library is loaded, 0 and 1 move to
//! private descriptors, so that a `printf` in it cannot break the protocol.

use super::library::Library;
use dtm_plugin::protocol::{Class, ErrorData, MAX_LINE, Request, Response, RpcError};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};

/// The descriptor of the state lock in a host.
pub const LOCK_FD: i32 = 3;
/// The descriptor of the pipe that ends with the engine.
pub const LIFE_FD: i32 = 4;

/// Runs a host until the engine closes the pipe; gives the exit code.
pub fn run(file: &Path) -> i32 {
    // The lock and the pipe are this process's own: what a plugin starts must not hold them.
    super::library::close_on_exec(LOCK_FD);
    super::library::close_on_exec(LIFE_FD);
    watch_engine();
    let (input, output) = match private_pipes() {
        Ok(pipes) => pipes,
        Err(e) => return say(&format!("the host cannot set up its pipes: {e}")),
    };
    let library = file.extension().is_some_and(|e| e == "so" || e == "dylib" || e == "dll");
    if library { run_library(file, input, output) } else { run_executable(file, input, output) }
}

/// Ends the host at once, without the exit handlers of what was loaded into it.
pub fn exit(code: i32) -> ! {
    super::library::exit(code)
}

/// A host's complaint goes to standard error, which the engine keeps.
fn say(text: &str) -> i32 {
    let _ = writeln!(std::io::stderr(), "{text}");
    1
}

/// When the engine dies, kills the process group of this host.
fn watch_engine() {
    let Ok(mut life) = File::open(format!("/dev/fd/{LIFE_FD}")) else { return };
    let _ = std::thread::Builder::new().name("engine watch".into()).spawn(move || {
        let mut byte = [0];
        while matches!(life.read(&mut byte), Ok(n) if n > 0) {}
        let _ =
            rustix::process::kill_process_group(rustix::process::getpgrp(), rustix::process::Signal::KILL);
    });
}

fn private_pipes() -> std::io::Result<(File, File)> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 10)?;
    let stdout = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 10)?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    Ok((File::from(stdin), File::from(stdout)))
}

/// Writes lines in order on a thread of its own.
fn writer(output: File) -> mpsc::Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let mut output = output;
        while let Ok(first) = receiver.recv() {
            let mut batch = first;
            for more in receiver.try_iter() {
                batch.extend_from_slice(&more);
                if batch.len() > 1 << 20 {
                    break;
                }
            }
            if output.write_all(&batch).is_err() {
                return;
            }
        }
    });
    sender
}

fn send(out: &mpsc::Sender<Vec<u8>>, mut line: Vec<u8>) {
    line.push(b'\n');
    let _ = out.send(line);
}

/// Checkpoints that wait for the engine's word.
#[derive(Default)]
struct Acks {
    next: AtomicU64,
    done: Mutex<HashMap<u64, bool>>,
    changed: Condvar,
}

impl Acks {
    fn answer(&self, id: u64, ok: bool) {
        self.done.lock().unwrap_or_else(|e| e.into_inner()).insert(id, ok);
        self.changed.notify_all();
    }
    fn wait(&self, id: u64) -> bool {
        let mut done = self.done.lock().unwrap_or_else(|e| e.into_inner());
        loop {
            if let Some(ok) = done.remove(&id) {
                return ok;
            }
            done = self.changed.wait(done).unwrap_or_else(|e| e.into_inner());
        }
    }
}

fn run_library(file: &Path, input: File, output: File) -> i32 {
    let library = match Library::load(file) {
        Ok(library) => Arc::new(library),
        Err(why) => return say(&format!("`{}`: {why}", file.display())),
    };
    let out = writer(output);
    let acks = Arc::new(Acks::default());
    let pool = Pool::default();
    let mut input = BufReader::with_capacity(64 << 10, input);
    let mut line = Vec::new();
    while matches!(input.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let bytes = std::mem::take(&mut line);
        let Ok(message) = serde_json::from_slice::<Value>(&bytes) else { continue };
        if message.get("method").is_none() {
            let id = message.get("id").and_then(Value::as_u64).unwrap_or(0);
            acks.answer(id, message.get("error").is_none());
            continue;
        }
        let (library, out, acks) = (library.clone(), out.clone(), acks.clone());
        pool.run(Box::new(move || answer(&library, &bytes, &out, &acks)));
    }
    0
}

/// Refuses what must not be begun any more: the lock under which it was asked for may be another's by now. Nothing was
/// changed, so it may be asked for again.
fn too_late(request: &Request) -> Option<Vec<u8>> {
    let until = request.params.get("start_before")?.as_u64()?;
    if !crate::clock::is_over(until) {
        return None;
    }
    let data = ErrorData { class: Class::Retryable, ..ErrorData::default() };
    let message = "it was not begun: its time was over before it reached the plugin".to_string();
    let error = Some(RpcError { code: -32000, message, data: Box::new(data) });
    let response = Response { jsonrpc: "2.0".into(), id: request.id?, result: None, error };
    Some(serde_json::to_vec(&response).unwrap_or_default())
}

/// One operation on its thread.
fn answer(library: &Library, bytes: &[u8], out: &mpsc::Sender<Vec<u8>>, acks: &Acks) {
    let notify = |message: &[u8]| {
        let Ok(mut request) = serde_json::from_slice::<Request>(message) else { return false };
        if request.method != "checkpoint" {
            send(out, message.to_vec());
            return true;
        }
        let id = acks.next.fetch_add(1, Ordering::Relaxed) + 1;
        request.id = Some(id);
        send(out, serde_json::to_vec(&request).unwrap_or_default());
        acks.wait(id)
    };
    let request: Option<Request> = serde_json::from_slice(bytes).ok();
    let id = request.as_ref().and_then(|r| r.id).unwrap_or(0);
    let refuse = |message: String| {
        let error = RpcError { code: -32603, message, data: Box::default() };
        let response = Response { jsonrpc: "2.0".into(), id, result: None, error: Some(error) };
        serde_json::to_vec(&response).unwrap_or_default()
    };
    let line = match request.as_ref().map(too_late) {
        Some(Some(refused)) => Ok(refused),
        _ => library.call(bytes, &notify),
    };
    let line = match line {
        Ok(answer) if answer.len() > MAX_LINE => {
            refuse(format!("the plugin's answer is longer than {} MiB", MAX_LINE >> 20))
        }
        Ok(answer) if answer.contains(&b'\n') || answer.is_empty() => {
            refuse("the plugin's answer is not one line".into())
        }
        Ok(answer) => answer,
        Err(why) => refuse(why),
    };
    send(out, line);
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are kept: one for each operation that runs at the same time.
#[derive(Default)]
struct Pool {
    shared: Arc<(Mutex<(Vec<Job>, usize)>, Condvar)>,
}

impl Pool {
    fn run(&self, job: Job) {
        let (mutex, ready) = &*self.shared;
        let mut queue = mutex.lock().unwrap_or_else(|e| e.into_inner());
        queue.0.insert(0, job);
        if queue.1 >= queue.0.len() {
            ready.notify_one();
            return;
        }
        drop(queue);
        let shared = self.shared.clone();
        std::thread::spawn(move || {
            let (mutex, ready) = &*shared;
            loop {
                let mut queue = mutex.lock().unwrap_or_else(|e| e.into_inner());
                let job = loop {
                    if let Some(job) = queue.0.pop() {
                        break job;
                    }
                    queue.1 += 1;
                    queue = ready.wait(queue).unwrap_or_else(|e| e.into_inner());
                    queue.1 -= 1;
                };
                drop(queue);
                job();
            }
        });
    }
}

/// An executable speaks the protocol itself; its lines are passed on.
fn run_executable(file: &Path, input: File, output: File) -> i32 {
    let child = Command::new(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return say(&format!("`{}` cannot be started: {e}", file.display())),
    };
    let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return 1 };
    let output = Arc::new(Mutex::new(output));
    let answers = output.clone();
    let write = |output: &Mutex<File>, line: &[u8]| {
        output.lock().unwrap_or_else(|e| e.into_inner()).write_all(line).is_ok()
    };
    std::thread::spawn(move || {
        let mut input = BufReader::with_capacity(64 << 10, input);
        let mut line = Vec::new();
        while matches!(input.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let refused = serde_json::from_slice(&line).ok().and_then(|request| too_late(&request));
            let went = match refused {
                Some(answer) => write(&answers, &[answer, b"\n".to_vec()].concat()),
                None => to.write_all(&line).is_ok(),
            };
            if !went {
                return;
            }
            line.clear();
        }
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
            let _ = child.kill();
            return say(&format!("the plugin wrote a line longer than {} MiB", MAX_LINE >> 20));
        }
        if !write(&output, &line) {
            break;
        }
    }
    let status = child.wait().ok();
    if let Some(status) = status.filter(|s| !s.success()) {
        return say(&format!("the plugin ended: {status}"));
    }
    0
}
