//! A real API server of Kubernetes with its etcd, and with its controllers where a test needs them; there are no nodes.

use super::proxy::{Proxy, Speaks};
use super::tls::Trust;
use super::{free_port, installed, wait_until};
use base64::Engine;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// An API server on a port of its own, which knows the users `admin`, `least` and `reader` by their tokens. Only `admin`
/// may do anything before a role says otherwise.
pub struct Kubernetes {
    etcd: Child,
    api: Child,
    controllers: Option<Child>,
    port: u16,
    data: TempDir,
}

const USERS: &str = "admin-token,admin,1,\"system:masters\"\nleast-token,least,2\nreader-token,reader,3\n";

impl Kubernetes {
    /// Starts a server; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is missing and `CI=true`, or does not come up.
    pub fn start() -> Option<Kubernetes> {
        let home = installed("kubernetes.sh")?;
        let data = tempfile::tempdir().expect("a folder");
        let at = |name: &str| data.path().join(name);
        let url = || format!("http://127.0.0.1:{}", free_port());
        let (clients, peers) = (url(), url());
        let run = |name: &str, args: &[String]| {
            let mut command = Command::new(home.join(name));
            command.args(args).env("HOME", data.path()).current_dir(data.path());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("a server starts")
        };
        let etcd = run(
            "etcd",
            &[
                format!("--data-dir={}", at("etcd").display()),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                "--unsafe-no-fsync".into(),
            ],
        );
        std::fs::write(at("users.csv"), USERS).expect("written");
        let (port, key) = (free_port(), home.join("service-account.key"));
        let api = run(
            "kube-apiserver",
            &[
                format!("--etcd-servers={clients}"),
                format!("--cert-dir={}", at("cert").display()),
                "--bind-address=127.0.0.1".into(),
                format!("--secure-port={port}"),
                format!("--service-account-key-file={}", key.display()),
                format!("--service-account-signing-key-file={}", key.display()),
                "--service-account-issuer=https://tests.invalid".into(),
                format!("--token-auth-file={}", at("users.csv").display()),
                "--authorization-mode=RBAC".into(),
                "--service-cluster-ip-range=10.0.0.0/24".into(),
                "--disable-admission-plugins=ServiceAccount".into(),
            ],
        );
        let server = Kubernetes { etcd, api, controllers: None, port, data };
        wait_until("kube-apiserver", || {
            server.certificate().is_file() && server.request("GET", "/readyz", "", &Value::Null).0 == 200
        });
        server.make("/api/v1/namespaces", json!({ "kind": "Namespace", "metadata": { "name": "dtm" } }));
        Some(server)
    }

    /// With its controllers: namespaces are deleted, Deployments get their pods, definitions are established. No pod runs.
    ///
    /// # Panics
    /// When they do not start.
    #[must_use]
    pub fn with_controllers(mut self) -> Kubernetes {
        let home = installed("kubernetes.sh").expect("it is installed");
        let mut command = Command::new(home.join("kube-controller-manager"));
        command.arg(format!("--kubeconfig={}", self.kubeconfig("admin", None).display()));
        command.args([
            "--leader-elect=false",
            "--use-service-account-credentials=false",
            "--bind-address=127.0.0.1",
        ]);
        command.arg(format!("--secure-port={}", free_port()));
        command.arg(format!(
            "--service-account-private-key-file={}",
            home.join("service-account.key").display()
        ));
        command.arg(format!("--root-ca-file={}", self.certificate().display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.controllers =
            Some(command.current_dir(self.data.path()).spawn().expect("the controllers start"));
        wait_until("kube-controller-manager", || {
            self.request("GET", "/api/v1/namespaces/dtm/configmaps/kube-root-ca.crt", "", &Value::Null).0
                == 200
        });
        self
    }

    fn certificate(&self) -> PathBuf {
        self.data.path().join("cert/apiserver.crt")
    }

    /// A proxy before it.
    pub fn proxy(&self) -> Proxy {
        Proxy::start(self.port, Speaks::Kubernetes(Trust::in_file(&self.certificate())))
    }

    /// Sends a request as `admin`; gives the status and the answer.
    pub fn request(&self, verb: &str, path: &str, kind: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        // Answers of HTTP/1.0 come in one.
        let head = format!("{verb} {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer admin-token");
        let kind = if kind.is_empty() { "application/json" } else { kind };
        let head = format!("{head}\r\nContent-Type: {kind}\r\nContent-Length: {}", body.len());
        let asked = || -> std::io::Result<String> {
            let mut server = Trust::in_file(&self.certificate()).connect(self.port)?;
            write!(server, "{head}\r\n\r\n{body}")?;
            let mut answer = vec![];
            let _ = server.read_to_end(&mut answer);
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = asked().unwrap_or_default();
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let json = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(json).unwrap_or(Value::Null))
    }

    /// Makes an object.
    ///
    /// # Panics
    /// When the server does not.
    pub fn make(&self, path: &str, object: Value) {
        let (status, answer) = self.request("POST", path, "", &object);
        assert_eq!(status, 201, "{answer}");
    }

    /// Lets a user do things in the namespace `dtm`: groups, resources, verbs.
    pub fn allow(&self, user: &str, rules: &[(&str, &str, &[&str])]) {
        let rules: Vec<Value> = rules
            .iter()
            .map(|(group, resource, verbs)| {
                json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
            })
            .collect();
        let of = "/apis/rbac.authorization.k8s.io/v1/namespaces/dtm";
        self.make(
            &format!("{of}/roles"),
            json!({ "kind": "Role", "metadata": { "name": user }, "rules": rules }),
        );
        let group = "rbac.authorization.k8s.io";
        self.make(
            &format!("{of}/rolebindings"),
            json!({
                "kind": "RoleBinding",
                "metadata": { "name": user },
                "subjects": [{ "kind": "User", "apiGroup": group, "name": user }],
                "roleRef": { "apiGroup": group, "kind": "Role", "name": user },
            }),
        );
    }

    /// A kubeconfig of a user, straight or by way of a proxy.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubeconfig(&self, user: &str, by: Option<&Proxy>) -> PathBuf {
        let cluster = match by {
            Some(proxy) => json!({ "server": format!("http://127.0.0.1:{}", proxy.port) }),
            None => {
                let certificate = std::fs::read(self.certificate()).expect("a certificate");
                let data = base64::engine::general_purpose::STANDARD.encode(certificate);
                json!({ "server": format!("https://127.0.0.1:{}", self.port), "certificate-authority-data": data })
            }
        };
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": user, "user": { "token": format!("{user}-token") } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user } }],
            "current-context": "test",
        });
        let path = self.data.path().join(format!("{user}-{}.yaml", by.map_or(0, |p| p.port)));
        std::fs::write(&path, text.to_string()).expect("written");
        path
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        for child in self.controllers.iter_mut().chain([&mut self.api, &mut self.etcd]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
