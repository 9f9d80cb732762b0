//! A server of files over HTTP, which may want a user and a password, and keeps count of what it is asked.

use base64::Engine;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// A server of the files of a folder. Nobody else knows its port when the test has ended.
pub struct Files {
    /// Where it listens.
    pub port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Files {
    /// Serves a folder; with `user:password`, to nobody else.
    ///
    /// # Panics
    /// When no port is free.
    pub fn serve(folder: PathBuf, login: Option<&str>) -> Files {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(vec![]));
        let wanted = login.map(|login| base64::engine::general_purpose::STANDARD.encode(login));
        let wanted = wanted.map(|login| format!("authorization: basic {login}").to_lowercase());
        let known = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (folder, wanted, known) = (folder.clone(), wanted.clone(), known.clone());
                std::thread::spawn(move || answer(stream, &folder, wanted.as_deref(), &known));
            }
        });
        Files { port, seen }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths that it was asked for since the last time.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.seen))
    }
}

fn locked(seen: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    seen.lock().unwrap_or_else(|e| e.into_inner())
}

fn answer(mut stream: TcpStream, folder: &std::path::Path, wanted: Option<&str>, seen: &Mutex<Vec<String>>) {
    let Ok(reader) = stream.try_clone() else { return };
    let head: Vec<String> =
        BufReader::new(reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/").to_string();
    locked(seen).push(path.clone());
    let is_known = wanted.is_none_or(|wanted| head.iter().any(|line| line.to_lowercase() == wanted));
    let file = folder.join(path.trim_start_matches('/'));
    let (status, body) = match (is_known, std::fs::read(file)) {
        (false, _) => ("401 Unauthorized", vec![]),
        (true, Ok(body)) => ("200 OK", body),
        (true, Err(_)) => ("404 Not Found", vec![]),
    };
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(&body);
}
