//! Credential helpers: the programs that opening a state runs because the project selects a kubeconfig, a context or a
//! profile. This module runs nothing; it lists what would run, so that the user can decide.
//!
//! A helper that the project does not select (the default of the user's own configuration outside the project) belongs to
//! the user and is not listed.

#[cfg(any(feature = "s3", feature = "k8s"))]
use std::collections::BTreeMap;
#[cfg(any(feature = "s3", feature = "k8s"))]
use std::path::{Path, PathBuf};

/// A program that opening a state would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Where it is configured, for a person: `user "deploy" of kube.yaml`.
    pub place: String,
    /// The command with its arguments.
    pub command: Vec<String>,
    /// Variables that are set for it.
    pub env: Vec<(String, String)>,
}

/// Whether a file belongs to the project, wherever the variable that names it comes from.
#[cfg(any(feature = "s3", feature = "k8s"))]
fn is_inside(file: &Path, root: &Path) -> bool {
    file.canonicalize().is_ok_and(|real| real.starts_with(root))
}

#[cfg(any(feature = "s3", feature = "k8s"))]
fn home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    env.get("HOME").filter(|h| !h.is_empty()).map(PathBuf::from)
}

/// The helpers of a profile of AWS.
#[cfg(feature = "s3")]
pub(super) fn of_profile(selected: Option<&str>, root: &Path, env: &BTreeMap<String, String>) -> Vec<Helper> {
    let named = |variable: &str, default: &str| {
        let given = env.get(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        given.or_else(|| Some(home(env)?.join(default)))
    };
    let files =
        [named("AWS_CONFIG_FILE", ".aws/config"), named("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
    let mut found = vec![];
    for file in files.iter().flatten() {
        if selected.is_none() && !is_inside(file, root) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let profiles = profiles(&text);
        let from_env = || env.get("AWS_PROFILE").filter(|p| !p.is_empty()).cloned();
        let mut next = selected.map(String::from).or_else(from_env).or(Some("default".to_string()));
        let mut seen = vec![];
        // A profile may take its credentials from another one.
        while let Some(profile) = next.take().filter(|p| !seen.contains(p)) {
            if let Some(settings) = profiles.get(&profile) {
                if let Some(command) = settings.get("credential_process") {
                    let place = format!("profile `{profile}` of `{}`", file.display());
                    found.push(Helper { place, command: vec![command.clone()], env: vec![] });
                }
                next = settings.get("source_profile").cloned();
            }
            seen.push(profile);
        }
    }
    found
}

/// The profiles of an AWS configuration file with their settings.
#[cfg(feature = "s3")]
fn profiles(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            let name = heading.split(']').next().unwrap_or(heading).trim();
            let name = name.strip_prefix("profile").filter(|n| n.starts_with([' ', '\t'])).unwrap_or(name);
            current = Some(name.trim().trim_matches(['"', '\'']).to_string());
        } else if let (Some(profile), Some((name, value))) = (&current, line.split_once('=')) {
            let settings = all.entry(profile.clone()).or_default();
            settings.insert(name.trim().to_lowercase(), value.trim().to_string());
        }
    }
    all
}

/// The helpers of a context of a kubeconfig.
#[cfg(feature = "k8s")]
pub(super) fn of_context(
    place: &super::remote::k8s::K8sPlace,
    root: &Path,
    env: &BTreeMap<String, String>,
) -> Vec<Helper> {
    use kube::config::Kubeconfig;
    let files: Vec<PathBuf> = match &place.kubeconfig {
        Some(file) => vec![root.join(file)],
        None => match env.get("KUBECONFIG").filter(|v| !v.is_empty()) {
            Some(list) => std::env::split_paths(list).collect(),
            None => home(env).map(|h| h.join(".kube/config")).into_iter().collect(),
        },
    };
    if place.kubeconfig.is_none() && place.context.is_none() && !files.iter().any(|f| is_inside(f, root)) {
        return vec![];
    }
    // The first file that says something wins, as in kubectl.
    let read: Vec<(PathBuf, Kubeconfig)> =
        files.into_iter().filter_map(|f| Some((f.clone(), Kubeconfig::read_from(f).ok()?))).collect();
    let mut current = read.iter().filter_map(|(_, k)| k.current_context.clone());
    let context = place.context.clone().or_else(|| current.next());
    let mut contexts = read.iter().flat_map(|(_, k)| &k.contexts);
    let user =
        contexts.find(|c| Some(&c.name) == context.as_ref()).and_then(|c| c.context.as_ref()?.user.clone());
    let mut found = vec![];
    for (file, config) in &read {
        // A context that cannot be resolved is refused later; until then, every user counts.
        let users = config.auth_infos.iter().filter(|u| user.is_none() || Some(&u.name) == user.as_ref());
        for (name, info) in users.filter_map(|u| Some((&u.name, u.auth_info.as_ref()?))) {
            let place = format!("user `{name}` of `{}`", file.display());
            if let Some(exec) = &info.exec {
                let command = exec.command.iter().chain(exec.args.iter().flatten()).cloned().collect();
                let variables = exec.env.iter().flatten();
                let pair = |v: &std::collections::HashMap<String, String>| {
                    Some((v.get("name")?.clone(), v.get("value").cloned().unwrap_or_default()))
                };
                let env = variables.filter_map(pair).collect();
                found.push(Helper { place: place.clone(), command, env });
            }
            let provider = info.auth_provider.iter().map(|p| &p.config);
            for config in provider.filter(|c| c.contains_key("cmd-path")) {
                let parts = ["cmd-path", "cmd-args"].iter().filter_map(|n| config.get(*n).cloned());
                found.push(Helper { place: place.clone(), command: parts.collect(), env: vec![] });
            }
        }
    }
    found
}
