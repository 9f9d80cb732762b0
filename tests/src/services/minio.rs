//! MinIO, a real S3 server.

use super::{free_port, installed, wait_until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
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
    data: TempDir,
}

impl Minio {
    /// Starts a server; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is missing and `CI=true`, or does not come up.
    pub fn start() -> Option<Minio> {
        Minio::start_at(free_port(), &[])
    }

    /// Starts one on this port, with more settings: names and values of its environment.
    ///
    /// # Panics
    /// As [`Minio::start`].
    pub fn start_at(port: u16, settings: &[(&str, String)]) -> Option<Minio> {
        let binary = installed("minio.sh")?.join("minio");
        let data = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(data.path().join("bucket")).expect("a bucket");
        let console = free_port();
        let child = Command::new(binary)
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .args(["--console-address", &format!("127.0.0.1:{console}")])
            .arg(data.path())
            .env("MINIO_ROOT_USER", USER)
            .env("MINIO_ROOT_PASSWORD", PASSWORD)
            // For what is to be encrypted by the server.
            .env("MINIO_KMS_SECRET_KEY", "tests:bXktMzItYnl0ZS1rZXktZm9yLXRoZS10ZXN0cyEhISE=")
            .env("HOME", data.path())
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MinIO starts");
        let server = Minio { child, port, data };
        wait_until("MinIO", || server.is_ready());
        Some(server)
    }

    /// Whether these bytes stand on its disk.
    pub fn holds(&self, needle: &str) -> bool {
        fn search(folder: &Path, needle: &[u8]) -> bool {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
            entries.into_iter().any(|path| match path.is_dir() {
                true => search(&path, needle),
                false => std::fs::read(&path).is_ok_and(|b| b.windows(needle.len()).any(|w| w == needle)),
            })
        }
        search(self.data.path(), needle.as_bytes())
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
