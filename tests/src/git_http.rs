//! A git server over HTTP with tokens: git's own `http-backend` behind a small CGI server on loopback. What a real server
//! does not do at will can be ordered: to take a push and never answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// How long a push to a repository whose name begins with `slow` has to wait.
const SLOW: std::time::Duration = std::time::Duration::from_secs(2);

/// A server with its repositories; it ends with the test.
pub struct GitServer {
    folder: TempDir,
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Tokens that may read, and whether they may write.
    tokens: Mutex<Vec<(String, bool)>>,
    /// How many pushes are taken without an answer.
    swallow: AtomicUsize,
    requests: AtomicUsize,
    folder: PathBuf,
}

impl GitServer {
    /// Starts one; `token` may write.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(token: &str) -> GitServer {
        let folder = tempfile::Builder::new().prefix("git-").tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared { folder: folder.path().to_path_buf(), ..Shared::default() });
        let server = GitServer { folder, port, shared };
        server.allow(token, true);
        let shared = server.shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || _ = serve(stream, &shared));
            }
        });
        server
    }

    /// Lets a token in; all others that were let in stay.
    pub fn allow(&self, token: &str, writes: bool) {
        self.shared.tokens.lock().expect("not poisoned").push((token.into(), writes));
    }
    /// Lets no token in any more.
    pub fn forget_tokens(&self) {
        self.shared.tokens.lock().expect("not poisoned").clear();
    }
    /// The next pushes arrive, and their answers are lost.
    pub fn swallow_answers(&self, pushes: usize) {
        self.shared.swallow.store(pushes, Ordering::SeqCst);
    }
    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
    /// Makes a repository and gives its address.
    ///
    /// # Panics
    /// When git does not make it.
    pub fn repository(&self, name: &str) -> String {
        self.git(&["init", "-q", "--bare", "--initial-branch=main", name]);
        self.git(&["-C", name, "config", "http.receivepack", "true"]);
        self.url(name)
    }
    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
    /// The folder of a repository on the server's disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// Runs git on the server's disk.
    ///
    /// # Panics
    /// When it fails.
    pub fn git(&self, args: &[&str]) -> String {
        let out = git_in(self.folder.path()).args(args).output().expect("git starts");
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

/// Git without the configuration of the machine.
pub fn git_in(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    git.args(["-c", "user.name=ann", "-c", "user.email=ann@example.com"]);
    git
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = stream;
    let mut line = String::new();
    input.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(String::from);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers: Vec<(String, String)> = vec![];
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_string()));
        }
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if header("expect").is_some() {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let body = match header("transfer-encoding") {
        Some("chunked") => chunks(&mut input)?,
        _ => {
            let length: u64 = header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            let mut body = vec![];
            (&mut input).take(length).read_to_end(&mut body)?;
            body
        }
    };
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let writes = query.contains("git-receive-pack") || path.ends_with("git-receive-pack");
    if writes && path.starts_with("/slow") {
        std::thread::sleep(SLOW);
    }
    match shared.may(header("authorization")) {
        None => {
            let challenge =
                "WWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return output.write_all(format!("HTTP/1.1 401 Unauthorized\r\n{challenge}").as_bytes());
        }
        Some(false) if writes => {
            return output
                .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Some(_) => {}
    }
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("HOME", &shared.folder)
        .env("REMOTE_USER", "tester")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", &method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or(""))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or(""))
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut pipe) = backend.stdin.take() {
        std::thread::spawn(move || _ = pipe.write_all(&body));
    }
    let answer = backend.wait_with_output()?.stdout;
    let pushed = method == "POST" && path.ends_with("git-receive-pack");
    let swallowed = pushed
        && shared.swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
    if swallowed {
        // The push is done, and nobody is told.
        return Ok(());
    }
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let body = answer.get(split + 4..).unwrap_or_default();
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest: String = head
        .lines()
        .filter(|l| !l.starts_with("Status: "))
        .map(|l| format!("{}\r\n", l.trim_end()))
        .collect();
    let head =
        format!("HTTP/1.1 {status}\r\n{rest}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    output.write_all(head.as_bytes())?;
    output.write_all(body)
}

fn chunks(input: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = vec![];
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; size + 2];
        input.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(&chunk[..size]);
    }
}

impl Shared {
    /// What the bearer of these credentials may do: nothing, read, or write as well.
    fn may(&self, authorization: Option<&str>) -> Option<bool> {
        let given = authorization?.strip_prefix("Basic ")?;
        let tokens = self.tokens.lock().expect("not poisoned");
        let known = |token: &str| {
            ["x-access-token", "ann"].iter().any(|user| base64(&format!("{user}:{token}")) == given)
        };
        tokens.iter().find(|(token, _)| known(token)).map(|(_, writes)| *writes)
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
