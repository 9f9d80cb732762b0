//! A real S3 server for tests, MinIO, and a proxy before it that loses answers. `tests/services/minio.sh` builds the server
//! once; where it is missing, tests say so, and fail where `CI=true`.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user of the server.
pub const USER: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "tester-secret";

/// A server on a port of its own, with an empty bucket `bucket`. It ends with this value.
pub struct Minio {
    child: Child,
    /// Where it listens.
    pub port: u16,
    _data: TempDir,
}

fn binary() -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/services/minio.sh");
    let text = std::fs::read_to_string(script).ok()?;
    let version = text.lines().find_map(|l| l.strip_prefix("version="))?;
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = || var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")));
    let home = var("DTM_SERVICES").or_else(|| Some(cache()?.join("dtm-services")))?;
    Some(home.join(format!("minio-{version}/minio"))).filter(|p| p.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Minio {
    /// Starts a server; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is missing and `CI=true`, or does not come up.
    pub fn start() -> Option<Minio> {
        let Some(binary) = binary() else {
            assert!(std::env::var_os("CI").is_none(), "MinIO is missing: run tests/services/minio.sh");
            let _ =
                writeln!(std::io::stderr(), "SKIPPED, because MinIO is missing: run tests/services/minio.sh");
            return None;
        };
        let data = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(data.path().join("bucket")).expect("a bucket");
        let (port, console) = (free_port(), free_port());
        let child = Command::new(binary)
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .args(["--console-address", &format!("127.0.0.1:{console}")])
            .arg(data.path())
            .env("MINIO_ROOT_USER", USER)
            .env("MINIO_ROOT_PASSWORD", PASSWORD)
            .env("HOME", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MinIO starts");
        let server = Minio { child, port, _data: data };
        let until = Instant::now() + Duration::from_secs(60);
        while !server.is_ready() {
            assert!(Instant::now() < until, "MinIO does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let asked = stream
            .write_all(b"GET /minio/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = [0; 12];
        asked.is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the proxy does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// It is passed on, and its answer is dropped.
    AnswerLost,
    /// The connection is reset before it is passed on.
    Reset,
    /// It is answered with 503, and the server does not see it.
    SlowDown,
    /// Half of its answer is passed on.
    AnswerCut,
}

#[derive(Default)]
struct Script {
    puts: VecDeque<Wrong>,
    gets: VecDeque<Wrong>,
    seen: Vec<String>,
}

/// A proxy that keeps count, and does wrong when it is told to.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    script: Arc<Mutex<Script>>,
}

/// A message with its header, as long as its `content-length` says.
fn message(from: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = vec![];
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let header = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let none = header.starts_with("http/1.1 304") || header.starts_with("http/1.1 204");
            let length =
                header.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if bytes.len() >= end + 4 + length.filter(|_| !none).unwrap_or(0) {
                return Some((header, bytes));
            }
        }
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

impl Proxy {
    /// A proxy before a port.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Proxy { port, script: Arc::default() };
        let own = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(client, to));
            }
        });
        proxy
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(|e| e.into_inner())
    }
    /// What happens to the next writes, in order.
    pub fn next_puts(&self, wrongs: impl IntoIterator<Item = Wrong>) {
        self.script().puts.extend(wrongs);
    }
    /// What happens to the next reads, in order.
    pub fn next_gets(&self, wrongs: impl IntoIterator<Item = Wrong>) {
        self.script().gets.extend(wrongs);
    }
    /// Every request so far, as `PUT /bucket/key/head`. They begin anew.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut self.script().seen)
    }

    fn serve(&self, mut client: TcpStream, to: u16) {
        while let Some((header, bytes)) = message(&mut client) {
            let mut words = header.split_whitespace();
            let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let wrong = {
                let mut script = self.script();
                script.seen.push(format!(
                    "{} {}",
                    verb.to_uppercase(),
                    path.split('?').next().unwrap_or(path)
                ));
                let queue = if verb == "put" { &mut script.puts } else { &mut script.gets };
                queue.pop_front().unwrap_or(Wrong::Nothing)
            };
            match wrong {
                Wrong::Reset => return,
                Wrong::SlowDown => {
                    let body =
                        "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
                    let head =
                        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/xml";
                    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    if client.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                    continue;
                }
                _ => {}
            }
            let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { return };
            if server.write_all(&bytes).is_err() {
                return;
            }
            let Some((_, answer)) = message(&mut server) else { return };
            match wrong {
                Wrong::AnswerLost => return,
                Wrong::AnswerCut => {
                    let _ = client.write_all(&answer[..answer.len() - answer.len() / 4 - 1]);
                    let _ = client.shutdown(Shutdown::Both);
                    return;
                }
                _ => {}
            }
            if client.write_all(&answer).is_err() {
                return;
            }
        }
    }
}
