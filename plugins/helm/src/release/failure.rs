//! What `helm` says when it fails, as a failure that helps.

use dtm_plugin::Failure;
use dtm_plugin::process::{Ended, Outcome};

/// What it says of the failure: the text after `Error:`, without the verb that failed.
pub(super) fn said(ended: &Ended) -> String {
    let text = String::from_utf8_lossy(&ended.stderr);
    let text = text.rsplit_once("Error: ").map_or(&*text, |(_, rest)| rest).trim();
    let verbs = ["INSTALLATION FAILED: ", "UPGRADE FAILED: ", "uninstallation completed with 1 error(s): "];
    let text = verbs.iter().find_map(|verb| text.strip_prefix(verb)).unwrap_or(text);
    match (text.is_empty(), ended.outcome) {
        (false, _) => text.to_string(),
        (true, Outcome::Stopped { late: true }) => "it did not end in time".into(),
        (true, Outcome::Stopped { late: false }) => "it was stopped".into(),
        (true, Outcome::Exited(_) | Outcome::Signal(_)) => ended.describe(),
    }
}

/// Whether it waited for something that did not become ready.
pub(super) fn is_timeout(said: &str) -> bool {
    ["deadline exceeded", "timed out waiting", "would exceed context deadline", "resource not ready"]
        .iter()
        .any(|words| said.contains(words))
}

/// A failure before anything was changed.
pub(super) fn clean(release: &str, said: &str) -> Failure {
    // Another one was faster: what it did is seen when this is tried again.
    if said.contains("already exists") && said.contains("release:") || said.contains("another operation") {
        return Failure::retryable(
            format!("`{release}` was changed by something else at the same time"),
            None,
        );
    }
    if said.contains("invalid ownership metadata")
        || said.contains("cannot be imported into the current release")
    {
        return Failure::clean(format!(
            "`{release}` has objects that already exist: {}\nrename them, delete them, or make them part of the release with `take_ownership = true`",
            existing(said)
        ))
        .input("take_ownership");
    }
    let missing: Vec<String> = missing_kinds(said).iter().map(Missing::told).collect();
    if !missing.is_empty() {
        return Failure::clean(format!("`{release}`: {}", missing.join("\n")));
    }
    let input = if said.contains("values don't meet the specifications") { Some("values") } else { None };
    let failure = Failure::clean(format!("`{release}`: {said}"));
    match input {
        Some(input) => failure.input(input),
        None => failure,
    }
}

/// The objects that exist: `ConfigMap "web" in namespace "shop" exists and cannot be imported`.
fn existing(said: &str) -> String {
    let mut words = said.split_whitespace().peekable();
    let mut out: Vec<String> = vec![];
    let mut before = "";
    while let Some(word) = words.next() {
        if word.starts_with('"')
            && words.peek().is_some_and(|next| matches!(*next, "in" | "exists"))
            && before != "namespace"
        {
            let name = format!("{before}/{}", word.trim_matches('"'));
            if !out.contains(&name) {
                out.push(name);
            }
        }
        before = word;
    }
    if out.is_empty() { said.to_string() } else { out.join(", ") }
}

/// A kind that the cluster does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// `Ingress`
    pub(super) name: String,
    /// `extensions/v1beta1`
    pub(super) version: String,
}

impl Missing {
    /// Whether it is of Kubernetes itself, so that no definition brings it.
    pub(super) fn is_built_in(&self) -> bool {
        let group = self.version.split_once('/').map_or("", |(group, _)| group);
        let of_kubernetes = ["apps", "batch", "autoscaling", "policy", "extensions"].contains(&group)
            || [
                "admissionregistration",
                "apiextensions",
                "apiregistration",
                "certificates",
                "coordination",
                "discovery",
                "events",
                "networking",
                "node",
                "rbac.authorization",
                "scheduling",
                "storage",
            ]
            .iter()
            .any(|prefix| group.strip_suffix(".k8s.io") == Some(prefix));
        group.is_empty() || of_kubernetes
    }
    fn told(&self) -> String {
        let now = match (&*self.version, &*self.name) {
            ("extensions/v1beta1", "Ingress") | ("networking.k8s.io/v1beta1", _) => {
                "; it is in `networking.k8s.io/v1` now"
            }
            ("extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2", _) => "; it is in `apps/v1` now",
            ("policy/v1beta1", "PodDisruptionBudget") => "; it is in `policy/v1` now",
            ("policy/v1beta1", "PodSecurityPolicy") => {
                "; Kubernetes 1.25 removed it: the chart may have a value that turns it off"
            }
            ("batch/v1beta1", _) => "; it is in `batch/v1` now",
            ("autoscaling/v2beta1" | "autoscaling/v2beta2", _) => "; it is in `autoscaling/v2` now",
            ("rbac.authorization.k8s.io/v1beta1", _) => "; it is in `rbac.authorization.k8s.io/v1` now",
            ("apiextensions.k8s.io/v1beta1", _) => "; it is in `apiextensions.k8s.io/v1` now",
            _ if !self.is_built_in() => ": its CustomResourceDefinition is not installed",
            _ => "",
        };
        format!("the cluster has no kind `{}` in `{}`{now}", self.name, self.version)
    }
}

/// The kinds that the cluster does not have: `no matches for kind "X" in version "a/v1"`, once each.
pub(super) fn missing_kinds(said: &str) -> Vec<Missing> {
    let mut out: Vec<Missing> = vec![];
    for part in said.split("no matches for kind ").skip(1) {
        let mut quoted = part.split('"').skip(1).step_by(2);
        let (Some(name), Some(version)) = (quoted.next(), quoted.next()) else { continue };
        let missing = Missing { name: name.into(), version: version.into() };
        if !out.contains(&missing) {
            out.push(missing);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_named() {
        let said = "Unable to continue with install: ConfigMap \"web\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error";
        let failure = clean("shop/web", said);
        assert!(failure.message().contains("already exist: ConfigMap/web\n"), "{}", failure.message());
    }

    #[test]
    fn a_version_that_is_gone_is_told_with_the_one_that_is_there() {
        let said = "unable to build kubernetes objects from release manifest: resource mapping not found for name: \"web\" namespace: \"\" from \"\": no matches for kind \"Ingress\" in version \"extensions/v1beta1\" ensure CRDs are installed first";
        assert_eq!(
            clean("shop/web", said).message(),
            "`shop/web`: the cluster has no kind `Ingress` in `extensions/v1beta1`; it is in `networking.k8s.io/v1` now"
        );
    }

    #[test]
    fn a_kind_that_a_definition_may_bring_is_not_built_in() {
        let said = |version: &str| format!("no matches for kind \"X\" in version \"{version}\"");
        let is_built_in = |version: &str| missing_kinds(&said(version)).iter().all(Missing::is_built_in);
        for version in
            ["v1", "apps/v1beta1", "networking.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1beta1"]
        {
            assert!(is_built_in(version), "{version}");
        }
        for version in ["acme.dev/v1", "gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1"] {
            assert!(!is_built_in(version), "{version}");
        }
        let failure = clean("shop/web", &said("acme.dev/v1"));
        assert!(failure.message().ends_with("its CustomResourceDefinition is not installed"));
    }
}
