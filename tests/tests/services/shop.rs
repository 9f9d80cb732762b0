//! A project for a cluster, and what others do on that cluster.

use dtm_tests::sandbox::{Ran, Sandbox};
use dtm_tests::services::kubernetes::Kubernetes;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) const DTM: &str = env!("CARGO_BIN_EXE_dtm-under-test");

/// A project for a cluster.
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    pub(crate) kubeconfig: PathBuf,
}

impl Shop {
    pub(crate) fn new(kubeconfig: PathBuf) -> Shop {
        Shop { sandbox: Sandbox::new(Path::new(DTM)), kubeconfig }
    }
    pub(crate) fn set(&self, tools: &str) {
        let config = self.kubeconfig.display();
        let text = format!("dts 1\n\nconfigure kube {{ kubeconfig = \"{config}\" }}\n\n{tools}\n");
        self.sandbox.write("main.dts", text);
    }
    pub(crate) fn run(&self, args: &str) -> Ran {
        self.sandbox.shell(&format!("dtm {args}"))
    }
    pub(crate) fn done(&self, args: &str) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "dtm {args}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }
    /// A command that fails, and says this.
    #[track_caller]
    pub(crate) fn refused(&self, args: &str, why: &[&str]) {
        let ran = self.run(args);
        assert_ne!(ran.code, 0, "dtm {args}\n{}", ran.stdout);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        // A message is wrapped to the width of the terminal.
        let flat: String = all.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for words in why {
            assert!(flat.contains(words), "dtm {args} does not say `{words}`:\n{all}");
        }
    }
    #[track_caller]
    pub(crate) fn in_sync(&self) {
        let plan = self.done("plan");
        assert!(plan.contains("No changes"), "{plan}");
    }
}

pub(crate) fn get(server: &Kubernetes, path: &str) -> Option<Value> {
    let (status, object) = server.request("GET", path, "", &Value::Null);
    match status {
        200 => Some(object),
        404 => None,
        other => panic!("{path}: {other} {object}"),
    }
}

/// Changes an object as somebody else would, with `kubectl edit` say.
pub(crate) fn edit(server: &Kubernetes, path: &str, patch: Value) {
    let path = format!("{path}?fieldManager=somebody");
    let (status, answer) = server.request("PATCH", &path, "application/merge-patch+json", &patch);
    assert_eq!(status, 200, "{answer}");
}
