//! The program `helm`: which version is there, how it reaches the cluster, and what its flags are called.

use crate::settings;
use dtm_plugin::process::{Program, is_installed};
use dtm_plugin::wire;
use dtm_plugin::{Ctx, Failure};
use semver::Version;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

/// The oldest version whose flags and records are known.
const OLDEST: Version = Version::new(3, 17, 0);
/// How long helm may take to record that it was stopped.
const GRACE: Duration = Duration::from_secs(15);

/// The program `helm`.
pub(crate) struct Helm {
    version: Version,
    kubeconfig: Option<Handed>,
    file: Option<PathBuf>,
    context: Option<String>,
    proxy: Option<String>,
}

/// A file that a program reads and nobody else can: it has no name that would be left behind.
pub(crate) struct Handed {
    #[cfg(target_os = "linux")]
    file: File,
    #[cfg(not(target_os = "linux"))]
    file: tempfile::NamedTempFile,
}

impl Handed {
    /// A file with these bytes.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Result<Handed, Failure> {
        Handed::open(name)
            .and_then(|mut handed| {
                handed.file.write_all(bytes).and_then(|()| handed.file.flush()).map(|()| handed)
            })
            .map_err(|e| {
                Failure::clean(format!(
                    "no temporary file can be made: {}",
                    dtm_plugin::in_words(&e.to_string())
                ))
            })
    }
    #[cfg(target_os = "linux")]
    fn open(name: &str) -> std::io::Result<Handed> {
        // Without the flag that closes it, the program inherits it.
        let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::empty())?;
        Ok(Handed { file: File::from(file) })
    }
    #[cfg(not(target_os = "linux"))]
    fn open(name: &str) -> std::io::Result<Handed> {
        Ok(Handed { file: tempfile::Builder::new().suffix(name).tempfile()? })
    }
    /// Its path, for the program.
    #[cfg(target_os = "linux")]
    pub(crate) fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
    /// Its path, for the program.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn path(&self) -> PathBuf {
        self.file.path().into()
    }
}

static KNOWN: Mutex<Option<Version>> = Mutex::new(None);

/// The version of the program.
fn version(ctx: &Ctx) -> Result<Version, Failure> {
    if let Some(known) = KNOWN.lock().unwrap_or_else(|e| e.into_inner()).clone() {
        return Ok(known);
    }
    if !is_installed("helm") {
        return Err(Failure::clean(format!(
            "the program `helm` is not installed: install Helm {}.{} or later, https://helm.sh/docs/intro/install",
            OLDEST.major, OLDEST.minor
        )));
    }
    let ended = Program::new("helm").args(["version", "--template", "{{.Version}}"]).run(ctx);
    let ended = ended.map_err(|e| Failure::clean(e.to_string()))?;
    let text = ended.text();
    let Ok(version) = text.trim().trim_start_matches('v').parse::<Version>() else {
        return Err(Failure::clean(format!("`helm version` {}", ended.describe())));
    };
    if version < OLDEST {
        return Err(Failure::clean(format!(
            "Helm {version} is too old: install Helm {}.{} or later",
            OLDEST.major, OLDEST.minor
        )));
    }
    *KNOWN.lock().unwrap_or_else(|e| e.into_inner()) = Some(version.clone());
    Ok(version)
}

impl Helm {
    /// The program, for the cluster of an operation.
    ///
    /// # Errors
    /// When it is not installed, or too old.
    pub(crate) fn of(ctx: &Ctx) -> Result<Helm, Failure> {
        let settings = settings(ctx)?;
        let mut helm = Helm {
            version: version(ctx)?,
            kubeconfig: None,
            file: settings.file(),
            context: settings.context.clone(),
            proxy: settings.proxy.clone(),
        };
        if settings.in_cluster {
            // An empty file: helm takes the service account of the pod then.
            helm.file = Some("/dev/null".into());
        } else if let Some(config) = &settings.config {
            let value = wire::plain(config);
            let text = value.as_str().map_or_else(|| value.to_string(), String::from);
            helm.kubeconfig = Some(Handed::new("kubeconfig", text.as_bytes())?);
        }
        Ok(helm)
    }

    /// Whether it is Helm 4.
    pub(crate) fn is_four(&self) -> bool {
        self.version.major >= 4
    }

    /// A command for a release.
    pub(crate) fn command(&self, verb: &str, namespace: &str) -> Program {
        let mut program = Program::new("helm")
            .args([verb, "--namespace", namespace])
            .env("HELM_DRIVER", "secret")
            .without_env("HELM_REGISTRY_CONFIG")
            .without_env("HELM_REPOSITORY_CONFIG")
            .grace(GRACE)
            .keep(4 << 10);
        if let Some(context) = &self.context {
            program = program.arg("--kube-context").arg(context);
        }
        if let Some(path) = self.kubeconfig.as_ref().map(Handed::path).or_else(|| self.file.clone()) {
            program = program.env("KUBECONFIG", path);
        }
        if let Some(proxy) = &self.proxy {
            program = program.env("HTTPS_PROXY", proxy).env("HTTP_PROXY", proxy);
        }
        program
    }

    /// Waits until what a release has is ready.
    pub(crate) fn wait(&self) -> &'static str {
        // The new way of Helm 4 waits for every custom resource to say that it is ready, which many never do.
        if self.is_four() { "--wait=legacy" } else { "--wait" }
    }

    /// Undoes an upgrade that fails.
    pub(crate) fn rollback_on_failure(&self) -> &'static str {
        if self.is_four() { "--rollback-on-failure" } else { "--atomic" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helm(version: &str) -> Helm {
        let version = version.parse().expect("a version");
        Helm { version, kubeconfig: None, file: None, context: None, proxy: None }
    }

    #[test]
    fn flags_are_those_of_the_version() {
        let (three, four) = (helm("3.17.0"), helm("4.1.0"));
        assert_eq!((three.wait(), three.rollback_on_failure()), ("--wait", "--atomic"));
        assert_eq!((four.wait(), four.rollback_on_failure()), ("--wait=legacy", "--rollback-on-failure"));
    }

    #[test]
    fn what_is_handed_over_is_read_and_has_no_name() {
        let handed = Handed::new("text", b"content").expect("made");
        assert_eq!(std::fs::read_to_string(handed.path()).expect("read"), "content");
        assert_eq!(std::fs::read_to_string(handed.path()).expect("read again"), "content");
    }
}
