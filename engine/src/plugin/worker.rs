//! The process into which a plugin's library is loaded, a child of its host. Each operation gets a thread. The
//! descriptors 0 and 1 are the engine's pipe: before the library is loaded they move to private descriptors, so that a
//! `printf` in it cannot break the protocol. Descriptor 4 is a pipe that ends with the host.

use super::host::{LIFE_FD, private_pipes, refusal, say, too_late};
use super::library::Library;
use dtm_plugin::protocol::{MAX_LINE, Request};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};

/// Serves a library until the engine closes the pipe; returns the exit code.
pub fn run(file: &Path) -> i32 {
    super::library::close_on_exec(LIFE_FD);
    watch_host();
    let (input, output) = match private_pipes() {
        Ok(pipes) => pipes,
        Err(e) => return say(&format!("the host cannot set up its pipes: {e}")),
    };
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
        let message = match serde_json::from_slice::<Value>(&bytes) {
            Ok(message) => message,
            Err(why) => {
                if let Some(refused) = super::host::unreadable(&bytes, &why) {
                    send(&out, refused);
                }
                continue;
            }
        };
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

/// When the host is killed, kills the process group: this process and what it has started. The host ends this process
/// itself in every other case, before the pipe ends.
fn watch_host() {
    use rustix::process::{Signal, getpgrp, getppid, kill_process_group};
    let group = getpgrp();
    // A host that was started by hand shares the group of a shell, which is none of ours.
    let Some(host) = getppid().filter(|host| *host == group) else { return };
    let Ok(mut life) = File::open(format!("/dev/fd/{LIFE_FD}")) else { return };
    let _ = std::thread::Builder::new().name("host watch".into()).spawn(move || {
        let mut byte = [0];
        while matches!(life.read(&mut byte), Ok(n) if n > 0) {}
        let _ = kill_process_group(host, Signal::KILL);
    });
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
    let refuse = |message: String| refusal(id, -32603, message, None);
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
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

/// The jobs that no thread has taken, the oldest at the end; and how many threads wait for one.
type Queue = (Vec<Job>, usize);

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
