//! The engine's end of one host process: requests go out and answers come in on threads of their own, so that
//! nobody stops reading in order to write.

use command_fds::{CommandFdExt, FdMapping};
use dtm_plugin::protocol::{Checkpoint, MAX_LINE, Request, RpcError};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use tokio::sync::oneshot;

use super::host::{LIFE_FD, LOCK_FD};
use super::incoming::{self, Incoming};
use super::pool::{CallError, Settings};

/// How much of a plugin's standard error is kept.
const STDERR: usize = 64 << 10;

/// What a plugin says on its own.
pub(crate) trait Listener: Send + Sync {
    /// A notification.
    fn notified(&self, method: &str, params: Value);
    /// A line on standard error.
    fn logged(&self, line: String);
    /// An id that must become durable; `done` is told.
    fn checkpoint(&self, checkpoint: Checkpoint, done: Box<dyn FnOnce(bool) + Send>);
}

type Answer = Result<Value, RpcError>;
type Pending = Mutex<HashMap<u64, oneshot::Sender<Answer>>>;

pub(crate) struct Process {
    out: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
    next: AtomicU64,
    pid: rustix::process::Pid,
    fate: Arc<Mutex<Option<String>>>,
    /// No new calls: a deadline has passed, and it is killed when its other calls have ended.
    pub(super) retired: AtomicBool,
    abandoned: AtomicU64,
    /// Settings to handle.
    configs: tokio::sync::Mutex<HashMap<String, u64>>,
    _life: OwnedFd,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Process {
    pub(crate) fn start(
        host: &Path,
        file: &Path,
        folder: &Path,
        env: &[(String, String)],
        state_lock: Option<OwnedFd>,
        listener: Arc<dyn Listener>,
    ) -> Result<Arc<Process>, String> {
        let (life_read, life_write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| e.to_string())?;
        let mut mappings = vec![FdMapping { parent_fd: life_read, child_fd: LIFE_FD }];
        mappings.extend(state_lock.map(|fd| FdMapping { parent_fd: fd, child_fd: LOCK_FD }));
        let mut command = Command::new(host);
        command.arg("plugin-host").arg(file).current_dir(folder).env_clear().envs(env.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command.fd_mappings(mappings).map_err(|e| e.to_string())?;
        let mut child =
            command.spawn().map_err(|e| format!("`{}` cannot be started: {e}", host.display()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the pipes of the plugin process are missing".into());
        };
        let pid = rustix::process::Pid::from_child(&child);
        let (out, lines) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || write_lines(stdin, lines));
        let tail: Arc<Mutex<VecDeque<u8>>> = Arc::default();
        let drained = {
            let (tail, listener) = (tail.clone(), listener.clone());
            std::thread::spawn(move || drain(stderr, &tail, &*listener))
        };
        let pending: Arc<Pending> = Arc::default();
        let fate = Arc::new(Mutex::new(None));
        let reader =
            Reader { pending: pending.clone(), fate: fate.clone(), out: out.clone(), listener, tail, pid };
        std::thread::spawn(move || reader.run(stdout, child, drained));
        Ok(Arc::new(Process {
            out,
            pending,
            next: AtomicU64::new(1),
            pid,
            fate,
            retired: AtomicBool::new(false),
            abandoned: AtomicU64::new(0),
            configs: Default::default(),
            _life: life_write,
        }))
    }

    /// Sends a request; the receiver fails when the process is lost.
    pub(crate) fn request(&self, method: &str, params: Value) -> Result<oneshot::Receiver<Answer>, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let mut line =
            serde_json::to_vec(&Request::new(Some(id), method, params)).map_err(|e| e.to_string())?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Err(format!(
                "this request is longer than the {} MiB that a message may have",
                MAX_LINE >> 20
            ));
        }
        lock(&self.pending).insert(id, sender);
        if self.fate().is_some() {
            lock(&self.pending).remove(&id);
        }
        let _ = self.out.send(line);
        Ok(receiver)
    }

    /// The handle of a configuration with these settings, made when first asked for.
    ///
    /// # Errors
    /// When the plugin refuses the settings, or is lost.
    pub(crate) async fn config(&self, settings: &Settings) -> Result<u64, CallError> {
        let key = serde_json::to_string(settings).unwrap_or_default();
        let mut configs = self.configs.lock().await;
        if let Some(handle) = configs.get(&key) {
            return Ok(*handle);
        }
        let receiver =
            self.request("configure", json!({ "settings": settings })).map_err(CallError::Unusable)?;
        match receiver.await {
            Ok(Ok(value)) => {
                let handle = value.get("config").and_then(Value::as_u64).unwrap_or(0);
                configs.insert(key, handle);
                Ok(handle)
            }
            Ok(Err(error)) => Err(CallError::Failed(error)),
            Err(_) => Err(CallError::Lost(self.fate().unwrap_or_default())),
        }
    }

    /// Sends a line as it is, whatever it holds.
    pub(crate) fn raw(&self, line: &[u8]) {
        let _ = self.out.send([line, b"\n"].concat());
    }

    /// Why the process is gone, if it is.
    pub(crate) fn fate(&self) -> Option<String> {
        lock(&self.fate).clone()
    }

    /// A call was given up: when no other call is open, the process is killed.
    pub(super) fn abandon(&self) {
        self.retired.store(true, Ordering::Relaxed);
        let abandoned = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        if lock(&self.pending).len() as u64 <= abandoned {
            self.kill();
        }
    }

    pub(crate) fn kill(&self) {
        if self.fate().is_none() {
            let _ = rustix::process::kill_process_group(self.pid, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn write_lines(mut stdin: std::process::ChildStdin, lines: mpsc::Receiver<Vec<u8>>) {
    while let Ok(first) = lines.recv() {
        let mut batch = first;
        for more in lines.try_iter() {
            batch.extend_from_slice(&more);
            if batch.len() > 1 << 20 {
                break;
            }
        }
        if stdin.write_all(&batch).is_err() {
            return;
        }
    }
}

/// Keeps the end of standard error, and passes on at most 200 lines a second.
fn drain(stderr: std::process::ChildStderr, tail: &Mutex<VecDeque<u8>>, listener: &dyn Listener) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let (mut second, mut count) = (std::time::Instant::now(), 0);
    loop {
        line.clear();
        match (&mut stderr).take(STDERR as u64).read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let mut tail = lock(tail);
        tail.extend(&line);
        let extra = tail.len().saturating_sub(STDERR);
        tail.drain(..extra);
        drop(tail);
        if second.elapsed().as_secs() >= 1 {
            (second, count) = (std::time::Instant::now(), 0);
        }
        count += 1;
        if count <= 200 {
            listener.logged(String::from_utf8_lossy(&line).trim_end().to_string());
        }
    }
}

struct Reader {
    pending: Arc<Pending>,
    fate: Arc<Mutex<Option<String>>>,
    out: mpsc::Sender<Vec<u8>>,
    listener: Arc<dyn Listener>,
    tail: Arc<Mutex<VecDeque<u8>>>,
    pid: rustix::process::Pid,
}

impl Reader {
    fn run(self, stdout: std::process::ChildStdout, mut child: Child, drained: std::thread::JoinHandle<()>) {
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let mut line = Vec::new();
        let mut garbage = None;
        loop {
            line.clear();
            match (&mut stdout).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
            if line.len() > MAX_LINE {
                garbage = Some(format!("it wrote a line longer than {} MiB", MAX_LINE >> 20));
                break;
            }
            if let Err(why) = self.message(&line) {
                garbage = Some(why);
                break;
            }
        }
        // What it had begun ends with it, before anything is begun again in its place; its own end is waited for a moment.
        if garbage.is_none() {
            await_end(self.pid, std::time::Duration::from_millis(500));
        }
        if garbage.is_some() || !lock(&self.pending).is_empty() {
            let _ = rustix::process::kill_process_group(self.pid, rustix::process::Signal::KILL);
        }
        let status = child.wait().ok();
        // Grandchildren may keep standard error open: the tail so far must do then.
        if child.wait().is_ok() {
            let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
            while !drained.is_finished() && std::time::Instant::now() < until {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        let what = match (garbage, status) {
            (Some(why), _) => why,
            (None, Some(s)) if s.signal().is_some() => {
                format!("it was ended by signal {}", signal_name(s.signal().unwrap_or(0)))
            }
            (None, Some(s)) => format!("it ended with exit code {}", s.code().unwrap_or(-1)),
            (None, None) => "it is gone".into(),
        };
        let tail: Vec<u8> = lock(&self.tail).iter().copied().collect();
        let tail = String::from_utf8_lossy(&tail);
        let last: Vec<&str> = tail.trim_end().lines().rev().take(5).collect();
        let said = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        *lock(&self.fate) =
            Some(if said.is_empty() { what } else { format!("{what}; its last words: {said}") });
        lock(&self.pending).clear();
    }

    fn message(&self, line: &[u8]) -> Result<(), String> {
        match incoming::read(line)? {
            Incoming::Checkpoint(id, checkpoint) => {
                let out = self.out.clone();
                self.listener.checkpoint(checkpoint, Box::new(move |ok| {
                    let body = if ok { json!({ "jsonrpc": "2.0", "id": id, "result": {} }) } else {
                        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32000, "message": "not durable" } })
                    };
                    let _ = out.send((body.to_string() + "\n").into_bytes());
                }));
            }
            Incoming::Notification(method, params) => self.listener.notified(&method, params),
            Incoming::Answer(id, answer) => {
                if let Some(waiting) = lock(&self.pending).remove(&id) {
                    let _ = waiting.send(answer);
                }
            }
        }
        Ok(())
    }
}

/// Waits for the end of a process, which stays to be asked for its exit code.
fn await_end(pid: rustix::process::Pid, patience: std::time::Duration) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let until = std::time::Instant::now() + patience;
    let asked = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while matches!(waitid(WaitId::Pid(pid), asked), Ok(None)) && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}
