//! The engine's end of one host process: requests go out and answers come in on threads of their own, so that
//! nobody stops reading in order to write.

use command_fds::{CommandFdExt, FdMapping};
use dtm_plugin::protocol::{Checkpoint, MAX_LINE, Method, Placed, Request, RpcError};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

use super::host::{LIFE_FD, LOCK_FD};
use super::incoming::{self, Incoming};
use super::pool::{CallError, Settings};

/// How long `hello` and `configure` may take.
pub(super) const GREETING: Duration = Duration::from_secs(30);

/// How long a plugin may take to say what is behind its settings.
const PLACE_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a plugin's standard error is kept.
const STDERR: usize = 64 << 10;

/// What a plugin says on its own.
pub(crate) trait Listener: Send + Sync {
    /// A notification.
    fn notified(&self, method: &str, params: Value);
    /// A line on standard error.
    fn logged(&self, line: String);
    /// The message of an error, no longer than is shown.
    fn shortened(&self, message: String) -> String {
        message
    }
    /// An id that must become durable; `done` is told.
    fn checkpoint(&self, checkpoint: Checkpoint, done: Box<dyn FnOnce(bool) + Send>);
}

type Answer = Result<Value, RpcError>;
type Pending = HashMap<u64, oneshot::Sender<Answer>>;

/// How long a host may take to end what its plugin has begun.
const ENDING: Duration = Duration::from_secs(10);

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct ExitReason {
    /// What happened, with its last words.
    pub(crate) why: String,
    /// Whether all of it has ended: what still runs must not be begun a second time.
    pub(crate) ended: bool,
}

/// State shared with the reader thread.
struct Shared {
    pending: Mutex<Pending>,
    exit_reason: Mutex<Option<ExitReason>>,
    /// No new calls: a deadline has passed, and it is killed when its other calls have ended.
    retired: AtomicBool,
    /// Calls that were given up and are still pending.
    abandoned: AtomicU64,
    /// The host ends the plugin when this pipe ends.
    life: Mutex<Option<OwnedFd>>,
    pid: Pid,
}

pub(crate) struct Process {
    out: mpsc::Sender<Vec<u8>>,
    shared: Arc<Shared>,
    next: AtomicU64,
    /// Settings to handle.
    configs: tokio::sync::Mutex<HashMap<String, u64>>,
    /// The identity of what is behind a configuration, by its handle.
    places: tokio::sync::Mutex<HashMap<u64, Option<String>>>,
}

/// The hosts of this process that were not reaped yet: everything else in a process group of its own was adopted.
static HOSTS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

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
        super::descendants::adopt_orphans();
        let mut hosts = lock(&HOSTS);
        let mut child =
            command.spawn().map_err(|e| format!("`{}` cannot be started: {e}", host.display()))?;
        hosts.insert(Pid::from_child(&child).as_raw_nonzero().get());
        drop(hosts);
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the pipes of the plugin process are missing".into());
        };
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            exit_reason: Mutex::default(),
            retired: AtomicBool::new(false),
            abandoned: AtomicU64::new(0),
            life: Mutex::new(Some(life_write)),
            pid: Pid::from_child(&child),
        });
        let (out, lines) = mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || write_lines(stdin, lines));
        let tail: Arc<Mutex<VecDeque<u8>>> = Arc::default();
        let drained = {
            let (tail, listener) = (tail.clone(), listener.clone());
            std::thread::spawn(move || drain(stderr, &tail, &*listener))
        };
        let reader = Reader { shared: shared.clone(), out: out.clone(), listener, tail };
        std::thread::spawn(move || reader.run(stdout, child, drained));
        Ok(Arc::new(Process {
            out,
            shared,
            next: AtomicU64::new(1),
            configs: Default::default(),
            places: Default::default(),
        }))
    }

    /// Sends a request; the receiver fails when the process is lost.
    pub(crate) fn request(
        &self,
        method: impl AsRef<str>,
        params: Value,
    ) -> Result<oneshot::Receiver<Answer>, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let line = Self::line(id, method, params)?;
        lock(&self.shared.pending).insert(id, sender);
        if self.exit_reason().is_some() {
            lock(&self.shared.pending).remove(&id);
        }
        let _ = self.out.send(line);
        Ok(receiver)
    }

    /// Asks an operation to end, and does not wait for the answer: a hanging single-threaded plugin never sends it.
    pub(crate) fn cancel(&self, op: &str) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        if let Ok(line) = Self::line(id, Method::Cancel, json!({ "op": op })) {
            let _ = self.out.send(line);
        }
    }

    fn line(id: u64, method: impl AsRef<str>, params: Value) -> Result<Vec<u8>, String> {
        let mut line =
            serde_json::to_vec(&Request::new(Some(id), method, params)).map_err(|e| e.to_string())?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Err(format!(
                "this request is longer than the {} MiB that a message may have",
                MAX_LINE >> 20
            ));
        }
        Ok(line)
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
            self.request(Method::Configure, json!({ "settings": settings })).map_err(CallError::Unusable)?;
        match tokio::time::timeout(GREETING, receiver).await {
            Ok(Ok(Ok(value))) => {
                let handle = value.get("config").and_then(Value::as_u64).unwrap_or(0);
                configs.insert(key, handle);
                Ok(handle)
            }
            Ok(Ok(Err(error))) => Err(CallError::Failed(error)),
            Ok(Err(_)) => Err(self.lost()),
            Err(_) => {
                self.kill();
                Err(CallError::Unusable(format!(
                    "it did not answer `configure` within {}s",
                    GREETING.as_secs()
                )))
            }
        }
    }

    /// The identity of what is behind a configuration, asked for once.
    ///
    /// # Errors
    /// When the plugin cannot reach it, or is lost.
    pub(crate) async fn place(&self, config: u64) -> Result<Option<String>, CallError> {
        let mut places = self.places.lock().await;
        if let Some(place) = places.get(&config) {
            return Ok(place.clone());
        }
        let receiver =
            self.request(Method::Place, json!({ "config": config })).map_err(CallError::Unusable)?;
        match tokio::time::timeout(PLACE_TIMEOUT, receiver).await {
            Ok(Ok(Ok(value))) => {
                let placed: Placed = serde_json::from_value(value)
                    .map_err(|e| CallError::Unusable(format!("its answer to `place` cannot be read: {e}")))?;
                places.insert(config, placed.place.clone());
                Ok(placed.place)
            }
            Ok(Ok(Err(error))) => Err(CallError::Failed(error)),
            Ok(Err(_)) => Err(self.lost()),
            Err(_) => Err(CallError::TimedOut(PLACE_TIMEOUT)),
        }
    }

    /// Sends a line as it is, whatever it holds.
    pub(crate) fn raw(&self, line: &[u8]) {
        let _ = self.out.send([line, b"\n"].concat());
    }

    /// Why the process is gone, if it is.
    pub(crate) fn exit_reason(&self) -> Option<ExitReason> {
        lock(&self.shared.exit_reason).clone()
    }

    /// The error of a call whose answer will not come.
    pub(crate) fn lost(&self) -> CallError {
        match self.exit_reason() {
            Some(ExitReason { why, ended: false }) => CallError::Unusable(why),
            Some(ExitReason { why, ended: true }) => CallError::Lost(why),
            None => CallError::Lost("its pipe was closed".into()),
        }
    }

    /// Whether it takes no new calls.
    pub(crate) fn is_retired(&self) -> bool {
        self.shared.retired.load(Ordering::Relaxed)
    }

    /// A call was given up: when no other call is open, the process is killed.
    pub(super) fn abandon(&self) {
        self.shared.retired.store(true, Ordering::Relaxed);
        self.shared.abandoned.fetch_add(1, Ordering::Relaxed);
        self.shared.kill_if_abandoned();
    }

    /// Ends the process and everything that it has begun.
    pub(crate) fn kill(&self) {
        self.shared.kill();
    }
}

impl Drop for Process {
    /// With nothing under way only the plugin ends; what finished commands have left running stays.
    fn drop(&mut self) {
        let life = lock(&self.shared.life).take();
        if let (true, Some(life)) = (lock(&self.shared.pending).is_empty(), life) {
            let _ = rustix::io::write(&life, &[super::host::ORDERLY]);
        }
    }
}

impl Shared {
    fn kill_if_abandoned(self: &Arc<Self>) {
        let open = lock(&self.pending).len() as u64;
        if self.retired.load(Ordering::Relaxed) && open <= self.abandoned.load(Ordering::Relaxed) {
            self.kill();
        }
    }

    /// The host ends everything when its pipe ends; a stopped host is resumed for that. A host that does not react is
    /// not waited for any longer.
    fn kill(self: &Arc<Self>) {
        if lock(&self.life).take().is_none() || lock(&self.exit_reason).is_some() {
            return;
        }
        let _ = rustix::process::kill_process(self.pid, Signal::CONT);
        let shared = self.clone();
        std::thread::spawn(move || {
            let until = Instant::now() + ENDING + Duration::from_secs(2);
            while lock(&shared.exit_reason).is_none() {
                if Instant::now() >= until {
                    let why = format!(
                        "its process {} does not end, although it was killed",
                        shared.pid.as_raw_nonzero()
                    );
                    return shared.end(ExitReason { why, ended: false });
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    /// No answer comes any more.
    fn end(&self, exit_reason: ExitReason) {
        lock(&self.exit_reason).get_or_insert(exit_reason);
        lock(&self.pending).clear();
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
    let (mut second, mut count) = (Instant::now(), 0);
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
            (second, count) = (Instant::now(), 0);
        }
        count += 1;
        if count <= 200 {
            listener.logged(String::from_utf8_lossy(&line).trim_end().to_string());
        }
    }
}

struct Reader {
    shared: Arc<Shared>,
    out: mpsc::Sender<Vec<u8>>,
    listener: Arc<dyn Listener>,
    tail: Arc<Mutex<VecDeque<u8>>>,
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
        if garbage.is_some() {
            self.shared.kill();
        }
        // What it had begun ends with it, before anything is begun again in its place.
        let Some(status) = await_end(&mut child, ENDING) else {
            let pid = self.shared.pid.as_raw_nonzero();
            let why = format!(
                "a process that it started did not exit after SIGKILL; the process {pid} waits for it"
            );
            self.shared.end(ExitReason { why, ended: false });
            let _ = child.wait();
            lock(&HOSTS).remove(&pid.get());
            return;
        };
        lock(&HOSTS).remove(&self.shared.pid.as_raw_nonzero().get());
        let killed = status.as_ref().is_some_and(|s| s.signal().is_some());
        let left = if killed { self.end_adopted() } else { false };
        // What has left the host may keep standard error open: the tail so far must do then.
        let until = Instant::now() + Duration::from_millis(200);
        while !drained.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let what = match (
            garbage,
            status.and_then(|s| s.code().ok_or(s.signal()).map_or_else(|s| s.map(|s| s + 128), Some)),
        ) {
            (Some(why), _) => why,
            (None, Some(code)) if code > 128 => format!("it was ended by signal {}", signal_name(code - 128)),
            (None, Some(code)) => format!("it ended with exit code {code}"),
            (None, None) => "it is gone".into(),
        };
        let tail: Vec<u8> = lock(&self.tail).iter().copied().collect();
        let tail = String::from_utf8_lossy(&tail);
        let last: Vec<&str> = tail.trim_end().lines().rev().take(5).collect();
        let said = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        let why = if said.is_empty() { what } else { format!("{what}; its last output: {said}") };
        let why = self.listener.shortened(why);
        self.shared.end(ExitReason { why, ended: !left });
    }

    /// The host itself was killed: ends its process group, and what came to this process when it was gone. Whether
    /// something is left.
    fn end_adopted(&self) -> bool {
        let _ = rustix::process::kill_process_group(self.shared.pid, Signal::KILL);
        let until = Instant::now() + ENDING;
        let mut without = 0;
        loop {
            let hosts = lock(&HOSTS);
            let own = |pid: Pid| hosts.contains(&pid.as_raw_nonzero().get());
            let mut left = false;
            for process in super::descendants::adopted(&own) {
                left |= super::descendants::end(process);
            }
            drop(hosts);
            without = if left { 0 } else { without + 1 };
            if without == super::descendants::WALKS || Instant::now() >= until {
                return left;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
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
            Incoming::Answer(id, mut answer) => {
                if let Err(error) = &mut answer {
                    error.message = self.listener.shortened(std::mem::take(&mut error.message));
                }
                let waiting = lock(&self.shared.pending).remove(&id);
                if let Some(waiting) = waiting {
                    // The answer to a call that was given up.
                    if waiting.send(answer).is_err() {
                        self.shared.abandoned.fetch_sub(1, Ordering::Relaxed);
                    }
                    self.shared.kill_if_abandoned();
                }
            }
        }
        Ok(())
    }
}

/// Waits for the end of a process: `None` when it does not come in time, an unknown status when it cannot be asked for.
fn await_end(child: &mut Child, patience: Duration) -> Option<Option<std::process::ExitStatus>> {
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Some(status)),
            Err(_) => return Some(None),
            Ok(None) if Instant::now() >= until => return None,
            Ok(None) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
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
