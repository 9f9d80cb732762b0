//! A Kubernetes cluster of one node on which pods run: `tests/services/cluster.sh` starts and stops it.

use super::{free_port, installed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use tempfile::TempDir;

/// The image that its pods can have; what it does is its first argument, as `tests/services/cluster.sh` says.
pub const IMAGE: &str = "dtm/app:1";

static ONE: Mutex<()> = Mutex::new(());

/// A cluster, which ends with this value. There is one at a time.
pub struct Cluster {
    data: TempDir,
    _one: MutexGuard<'static, ()>,
}

fn script(args: &[&str]) -> bool {
    let path = format!("{}/services/cluster.sh", env!("CARGO_MANIFEST_DIR"));
    Command::new("bash").arg(path).args(args).status().is_ok_and(|status| status.success())
}

impl Cluster {
    /// Starts a cluster, with a namespace `dtm`; `None` where something that it needs is not installed.
    ///
    /// # Panics
    /// When something is missing and `CI=true`, or it does not come up.
    pub fn start() -> Option<Cluster> {
        for needed in ["kubernetes.sh", "registry.sh", "cluster.sh"] {
            installed(needed)?;
        }
        let one = ONE.lock().unwrap_or_else(|e| e.into_inner());
        let data = tempfile::tempdir().expect("a folder");
        let cluster = Cluster { data, _one: one };
        let folder = cluster.data.path().display().to_string();
        assert!(script(&["start", &folder, &free_port().to_string()]), "the cluster does not come up");
        cluster.kubectl("create namespace dtm");
        Some(cluster)
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data.path().join("kubeconfig")
    }

    /// The program `kubectl`.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn program() -> PathBuf {
        installed("kubernetes.sh").expect("it is installed").join("kubectl")
    }

    /// Runs `kubectl`, and gives what it writes.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(&self, args: &str) -> String {
        let ran = Command::new(Cluster::program())
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args.split(' '))
            .output()
            .expect("kubectl runs");
        assert!(ran.status.success(), "kubectl {args}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// Where its data is.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script(&["stop", &self.data.path().display().to_string()]);
    }
}
