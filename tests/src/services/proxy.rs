//! A proxy before a server that loses answers, cuts them, shows old ones and refuses, when it is told to.

use super::tls::Trust;
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

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
    /// It is answered with 429 and a time to wait, and the server does not see it.
    TooMany,
    /// A part of its answer is passed on.
    AnswerCut,
    /// Its answer is passed on in two parts, half a second apart.
    Slow,
    /// A read is answered as the same read was before.
    Stale,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before its request is passed on.
    Before,
    /// When the server has answered, and before the process knows.
    After,
}

/// A kill that waits for its request.
struct Kill {
    requests: usize,
    when: When,
    process: Armed,
}

/// Tells the proxy which process to kill.
#[derive(Clone, Default)]
pub struct Armed(Arc<(Mutex<Option<u32>>, Condvar)>);

impl Armed {
    /// It is this one.
    pub fn process(&self, id: u32) {
        *self.0.0.lock().unwrap_or_else(|e| e.into_inner()) = Some(id);
        self.0.1.notify_all();
    }
    fn kill(&self) {
        let mut id = self.0.0.lock().unwrap_or_else(|e| e.into_inner());
        while id.is_none() {
            id = self.0.1.wait(id).unwrap_or_else(|e| e.into_inner());
        }
        let pid = id.and_then(|id| rustix::process::Pid::from_raw(id as i32));
        let _ = rustix::process::kill_process(pid.expect("a process"), rustix::process::Signal::KILL);
    }
}

/// The protocol of the server, for the answers that it did not give.
#[derive(Clone)]
pub enum Speaks {
    /// S3.
    S3,
    /// Kubernetes, over TLS.
    Kubernetes(Trust),
}

#[derive(Default)]
struct Script {
    puts: VecDeque<Wrong>,
    gets: VecDeque<Wrong>,
    seen: Vec<String>,
    answers: HashMap<String, Vec<u8>>,
    expired_after: Option<usize>,
    kill: Option<Kill>,
}

/// A proxy that keeps count, and does wrong when it is told to.
#[derive(Clone)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    to: u16,
    speaks: Speaks,
    script: Arc<Mutex<Script>>,
}

/// A message with its header, as long as its `content-length` says.
fn message(from: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = vec![];
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(end) = header_end(&bytes) {
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

fn header_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n")
}

impl Proxy {
    /// A proxy before a port.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start(to: u16, speaks: Speaks) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Proxy { port, to, speaks, script: Arc::default() };
        let own = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(client));
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
    /// After so many requests more the credentials have expired; none is never.
    pub fn expire_after(&self, requests: Option<usize>) {
        self.script().expired_after = requests;
    }

    /// Kills a process at its Nth request from now.
    pub fn die_at(&self, requests: usize, when: When) -> Armed {
        let process = Armed::default();
        self.script().kill = Some(Kill { requests, when, process: process.clone() });
        process
    }
    /// Kills nobody any more.
    pub fn disarm(&self) {
        self.script().kill = None;
    }
    /// Whether this is the request at which a process is killed.
    fn is_last(&self) -> Option<(When, Armed)> {
        let mut script = self.script();
        let kill = script.kill.as_mut()?;
        kill.requests -= 1;
        match kill.requests {
            0 => script.kill.take().map(|k| (k.when, k.process)),
            _ => None,
        }
    }

    /// What happens to a request.
    fn next(&self, verb: &str, path: &str) -> Result<Wrong, String> {
        let mut script = self.script();
        script.seen.push(format!("{} {path}", verb.to_uppercase()));
        if let Some(left) = &mut script.expired_after {
            if *left == 0 {
                return Err(self.refusal(match &self.speaks {
                    Speaks::S3 => (403, "Forbidden", "ExpiredToken", "The provided token has expired."),
                    Speaks::Kubernetes(_) => (401, "Unauthorized", "Unauthorized", "Unauthorized"),
                }));
            }
            *left -= 1;
        }
        let queue = if verb == "get" { &mut script.gets } else { &mut script.puts };
        match queue.pop_front().unwrap_or(Wrong::Nothing) {
            Wrong::SlowDown => {
                Err(self.refusal((503, "Service Unavailable", "SlowDown", "Reduce your request rate.")))
            }
            Wrong::TooMany => {
                Err(self.refusal((429, "Too Many Requests", "TooManyRequests", "Please wait a moment.")))
            }
            other @ (Wrong::Nothing
            | Wrong::AnswerLost
            | Wrong::Reset
            | Wrong::AnswerCut
            | Wrong::Slow
            | Wrong::Stale) => Ok(other),
        }
    }

    /// An answer in the protocol of the server.
    fn refusal(&self, (status, name, code, told): (u16, &str, &str, &str)) -> String {
        let (kind, body) = match &self.speaks {
            Speaks::S3 => {
                ("application/xml", format!("<Error><Code>{code}</Code><Message>{told}</Message></Error>"))
            }
            Speaks::Kubernetes(_) => (
                "application/json",
                format!(
                    r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{told}","reason":"{code}","code":{status},"details":{{"retryAfterSeconds":1}}}}"#
                ),
            ),
        };
        let head = format!("HTTP/1.1 {status} {name}\r\nRetry-After: 1\r\nContent-Type: {kind}");
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// What the server answers.
    fn pass_on(&self, request: &[u8]) -> Option<Vec<u8>> {
        match &self.speaks {
            Speaks::S3 => {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to)).ok()?;
                server.write_all(request).ok()?;
                message(&mut server).map(|(_, answer)| answer)
            }
            Speaks::Kubernetes(trust) => {
                // Long answers come in chunks: the end of the connection is their end.
                let end = header_end(request)?;
                let mut server = trust.connect(self.to).ok()?;
                // In one piece: a server waits with its answer for the rest of what comes in several.
                let mut more = String::from("\r\nConnection: close");
                // Helm and kubectl send no token to a server without TLS.
                if !String::from_utf8_lossy(&request[..end]).to_lowercase().contains("\r\nauthorization:") {
                    more += "\r\nAuthorization: Bearer admin-token";
                }
                let whole = [&request[..end], more.as_bytes(), &request[end..]].concat();
                server.write_all(&whole).ok()?;
                let mut answer = vec![];
                let _ = server.read_to_end(&mut answer);
                Some(answer).filter(|a| !a.is_empty())
            }
        }
    }

    fn serve(&self, mut client: TcpStream) {
        while let Some((header, bytes)) = message(&mut client) {
            let mut words = header.split_whitespace();
            let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let path = path.split('?').next().unwrap_or(path);
            let wrong = match self.next(verb, path) {
                Ok(Wrong::Reset) => return,
                Ok(wrong) => wrong,
                Err(answer) if client.write_all(answer.as_bytes()).is_ok() => continue,
                Err(_) => return,
            };
            let last = self.is_last();
            if let Some((When::Before, process)) = &last {
                return process.kill();
            }
            let old = if let Wrong::Stale = wrong { self.script().answers.get(path).cloned() } else { None };
            let Some(answer) = old.or_else(|| self.pass_on(&bytes)) else { return };
            if verb == "get" && wrong != Wrong::Stale {
                self.script().answers.insert(path.into(), answer.clone());
            }
            if let Some((_, process)) = last {
                return process.kill();
            }
            let sent = match wrong {
                Wrong::AnswerLost => return,
                Wrong::AnswerCut => {
                    let _ = client.write_all(&answer[..answer.len() - answer.len() / 4 - 1]);
                    let _ = client.shutdown(Shutdown::Both);
                    return;
                }
                Wrong::Slow => {
                    let (first, rest) = answer.split_at(answer.len() / 2);
                    let sent = client.write_all(first).and_then(|()| client.flush());
                    std::thread::sleep(Duration::from_millis(500));
                    sent.and_then(|()| client.write_all(rest))
                }
                Wrong::Nothing | Wrong::Reset | Wrong::SlowDown | Wrong::TooMany | Wrong::Stale => {
                    client.write_all(&answer)
                }
            };
            if sent.is_err() {
                return;
            }
            if let Speaks::Kubernetes(_) = self.speaks {
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}
