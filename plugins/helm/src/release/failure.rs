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
    if said.contains("no matches for kind") {
        return Failure::clean(format!("`{release}`: {}", missing_kinds(said)));
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

/// The kinds that the cluster does not have: `no matches for kind "X" in version "a/v1"`, once each, with what replaced them.
fn missing_kinds(said: &str) -> String {
    let mut out: Vec<String> = vec![];
    for part in said.split("no matches for kind ").skip(1) {
        let mut quoted = part.split('"').skip(1).step_by(2);
        let (Some(kind), Some(version)) = (quoted.next(), quoted.next()) else { continue };
        let now = match (version, kind) {
            ("extensions/v1beta1", "Ingress") | ("networking.k8s.io/v1beta1", _) => {
                "; it is in `networking.k8s.io/v1` now"
            }
            ("extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2", _) => "; it is in `apps/v1` now",
            ("policy/v1beta1", "PodDisruptionBudget") => "; it is in `policy/v1` now",
            ("batch/v1beta1", _) => "; it is in `batch/v1` now",
            _ => "",
        };
        let told = format!("the cluster has no kind `{kind}` in `{version}`{now}");
        if !out.contains(&told) {
            out.push(told);
        }
    }
    if out.is_empty() { said.to_string() } else { out.join("\n") }
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
}
