//! What the options of a tool should be. DevStream looked at them only when it ran a plugin, after other tools had been changed;
//! here every problem is a warning, with its place, because DevStream loaded such a file.

use super::model::{Reader, entries};
use dtm_lang::data::{Node, NodeKind, typed};
use dtm_lang::diag::{Diagnostic, Diagnostics};
use dtm_lang::interface::Kind;
use dtm_lang::maps::IndexMap;
use dtm_lang::read_interface;
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::Name;
use dtm_lang::types::{RecordType, Type};
use std::sync::{Arc, LazyLock};

/// What the options of each plugin of v0.12.1 are, and under `config` what stands there.
static TYPES: LazyLock<IndexMap<String, Arc<RecordType>>> = LazyLock::new(|| {
    let described = read_interface("devstream.dts", include_str!("options.dts")).0;
    let kinds = described.iter().flat_map(|plugin| &plugin.kinds);
    let of =
        |kind: &Kind| kind.inputs.iter().map(|(name, input)| (name.clone(), input.field.clone())).collect();
    kinds.map(|(name, kind)| (kebab(name), Arc::new(RecordType::new(of(kind), false)))).collect()
});

/// In the description, what is not a plugin.
const CONFIG: &str = "config";

/// Plugins of earlier versions, whose options are not looked at.
const EARLIER: [&str; 23] = [
    "argocd",
    "artifactory",
    "devlake",
    "github-repo-scaffolding-golang",
    "githubactions",
    "githubactions-golang",
    "githubactions-nodejs",
    "githubactions-python",
    "gitlabci-generic",
    "gitlabci-golang",
    "gitlabci-java",
    "harbor",
    "hashicorp-vault",
    "helm-generic",
    "jenkins",
    "jenkins-github-integ",
    "jenkins-pipeline-kubernetes",
    "jira-github-integ",
    "kube-prometheus",
    "openldap",
    "sonarqube",
    "tekton",
    "trello-github-integ",
];

/// What a part of a configuration should be.
pub(super) enum Part<'n> {
    /// The options of a plugin's tool.
    Of(&'n str),
    /// A repository.
    Repo,
    /// The options of a pipeline of integration.
    Pipeline,
    /// The `config` section.
    Config,
}

/// The names of all of them.
pub(super) fn plugins() -> impl Iterator<Item = &'static str> {
    TYPES.keys().map(String::as_str).filter(|plugin| *plugin != CONFIG).chain(EARLIER)
}

/// Warns of a plugin that nobody knows.
pub(super) fn plugin(reader: &Reader<'_>, name: &Name) {
    let known = plugins();
    if plugins().any(|plugin| plugin == &*name.text) {
        return;
    }
    let d =
        Diagnostic::new(crate::codes::W0140, format!("no plugin of DevStream has the name `{}`", name.text));
    reader.push(d.at(name.span, "unknown plugin").nearest(&name.text, known));
}

/// Warns of everything in a part that is not what it should be.
pub(super) fn check(reader: &Reader<'_>, node: &Node, part: &Part<'_>) {
    let Some(ty) = type_of(part) else { return };
    let (mut found, mut renamed) = (Diagnostics::default(), vec![]);
    typed(&fitted(node, &ty, &mut renamed), &ty, None, &mut found);
    for (old, new, span) in renamed {
        let d = Diagnostic::new(
            crate::codes::W0140,
            format!("`{old}` is called `{new}`: DevStream v0.12.1 ignores `{old}`"),
        );
        reader.push(d.at(span, "the name of another version, or of the documentation").fix(
            format!("write `{new}`"),
            span,
            &*new,
        ));
    }
    for mut d in found {
        // What a variable stands for is not looked at.
        let Some(primary) = d.primary.clone() else { continue };
        if !reader.is_plain(primary.span) {
            continue;
        }
        d.code = crate::codes::W0140;
        d.headline = match d.headline.strip_prefix("no field ") {
            Some(rest) => format!("no option {rest}"),
            None => d.headline,
        };
        // They are places in the description of the options.
        d.secondary.clear();
        reader.push(d);
    }
}

fn type_of(part: &Part<'_>) -> Option<Type> {
    let input = |plugin: &str, name: &str| Some(TYPES.get(plugin)?.fields.get(name)?.ty.clone());
    match part {
        Part::Of(plugin) => TYPES.get(*plugin).cloned().map(Type::Record),
        Part::Config => input(CONFIG, "config"),
        Part::Repo => input("repo-scaffolding", "destinationRepo"),
        Part::Pipeline => input("github-actions", "pipeline"),
    }
}

/// `HelmInstaller` is `helm-installer`.
fn kebab(kind: &str) -> String {
    let mut out = String::new();
    for c in kind.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// What options were called before v0.10, or are called in the documentation.
const RENAMED: [(&str, &str); 7] = [
    ("repo", "name"),
    ("repoType", "scmType"),
    ("projectRepo", "scm"),
    ("owner", "user"),
    ("tag", "initalTag"),
    ("persistentVolume", "persistentVolumes"),
    ("persistentVolumeClaim", "persistentVolumeClaims"),
];

/// The field that a key means: it is taken in capital and in small letters, and was once written with `_`.
fn meant<'r>(record: &'r RecordType, key: &str) -> Option<(&'r Symbol, bool)> {
    let of = |wanted: &str| record.fields.keys().find(|name| name.eq_ignore_ascii_case(wanted));
    let plain = key.replace('_', "");
    let renamed =
        || RENAMED.iter().find(|(old, _)| old.eq_ignore_ascii_case(&plain)).and_then(|(_, new)| of(new));
    match of(key) {
        Some(name) => Some((name, false)),
        None => of(&plain).or_else(renamed).map(|name| (name, true)),
    }
}

/// A node whose keys are those of the type; what had another name is told.
fn fitted(node: &Node, ty: &Type, renamed: &mut Vec<(Symbol, Symbol, Span)>) -> Node {
    let kind = match (&node.kind, ty) {
        (_, Type::Union(members)) => {
            let fits = |member: &&Type| {
                matches!(
                    (&node.kind, member),
                    (NodeKind::Map(_), Type::Record(_) | Type::Map(_)) | (NodeKind::Seq(_), Type::List(_))
                )
            };
            let member = members.iter().find(fits);
            return member.map_or_else(|| node.clone(), |member| fitted(node, member, renamed));
        }
        (NodeKind::Seq(items), Type::List(of)) => {
            NodeKind::Seq(items.iter().map(|n| fitted(n, of, renamed)).collect())
        }
        (NodeKind::Map(_), Type::Record(record)) => {
            let mut out: Vec<(Symbol, _, Node)> = vec![];
            for (key, at, value) in entries(node).iter().cloned() {
                match meant(record, &key) {
                    Some((name, is_other)) => {
                        if is_other {
                            renamed.push((key, name.clone(), at));
                        }
                        out.push((name.clone(), at, fitted(&value, &record.fields[name].ty, renamed)));
                    }
                    None => out.push((key, at, value)),
                }
            }
            NodeKind::Map(out)
        }
        (kind, _) => kind.clone(),
    };
    Node::new(node.span, kind)
}
