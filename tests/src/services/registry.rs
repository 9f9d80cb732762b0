//! Distribution, a real registry, with a user and a password.

use super::{free_port, installed, wait_until};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The user of the registry.
pub const USER: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "sesame-open";

/// [`PASSWORD`] as bcrypt: the registry takes nothing else.
const HASHED: &str = "$2a$04$61cSoOyFCo7cBlimkMDMzuHuQfDj7CH1AZ9.nGcqhATX9geyJKVoe";

/// A registry on a port of its own, which ends with this value.
pub struct Registry {
    child: Child,
    /// Where it listens.
    pub port: u16,
    _data: TempDir,
}

impl Registry {
    /// Starts a registry; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is missing and `CI=true`, or does not come up.
    pub fn start() -> Option<Registry> {
        let binary = installed("registry.sh")?.join("registry");
        let data = tempfile::tempdir().expect("a folder");
        let (users, settings) = (data.path().join("users"), data.path().join("settings.yml"));
        std::fs::write(&users, format!("{USER}:{HASHED}\n")).expect("written");
        let port = free_port();
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {}/blobs }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\", secret: tests }}\nauth: {{ htpasswd: {{ realm: tests, path: {} }} }}\n",
            data.path().display(),
            users.display()
        );
        std::fs::write(&settings, text).expect("written");
        let child = Command::new(binary)
            .arg("serve")
            .arg(&settings)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry starts");
        wait_until("the registry", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Some(Registry { child, port, _data: data })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
