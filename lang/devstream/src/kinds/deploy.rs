//! Charts, applications and containers.

use super::{Entry, ExprKind, Mapping, Output, StrPart, expr, joined, literal, record, text};
use crate::build::{get, list, spread_of};
use crate::inner;
use dtm_lang::diag::Diagnostic;
use dtm_lang::source::Span;
use dtm_lang::syntax::ast::Expr;
use dtm_lang::syntax::duration;

/// A chart that DevStream knew by the beginning of an instance's name.
struct Known {
    name: &'static str,
    /// The name of our preset, with the same chart in a version that is written down.
    preset: Option<&'static str>,
    chart: &'static str,
    repository: &'static str,
    /// The name of the release, and the namespace.
    release: &'static str,
}

const fn known(
    name: &'static str,
    preset: Option<&'static str>,
    chart: &'static str,
    repository: &'static str,
    release: &'static str,
) -> Known {
    Known { name, preset, chart, repository, release }
}

const KNOWN: [Known; 10] = [
    known("argocd", Some("argocd"), "argo/argo-cd", "https://argoproj.github.io/argo-helm", "argocd"),
    known("artifactory", None, "jfrog/artifactory", "https://charts.jfrog.io", "artifactory"),
    known(
        "devlake",
        Some("devlake"),
        "devlake/devlake",
        "https://apache.github.io/incubator-devlake-helm-chart",
        "devlake",
    ),
    known("harbor", Some("harbor"), "harbor/harbor", "https://helm.goharbor.io", "harbor"),
    known("jenkins", Some("jenkins"), "jenkins/jenkins", "https://charts.jenkins.io", "jenkins"),
    known(
        "kube-prometheus",
        Some("kube_prometheus"),
        "prometheus-community/kube-prometheus-stack",
        "https://prometheus-community.github.io/helm-charts",
        "prometheus",
    ),
    known(
        "openldap",
        None,
        "helm-openldap/openldap-stack-ha",
        "https://jp-gouin.github.io/helm-openldap/",
        "openldap",
    ),
    known(
        "sonarqube",
        Some("sonarqube"),
        "sonarqube/sonarqube",
        "https://SonarSource.github.io/helm-chart-sonarqube",
        "sonarqube",
    ),
    known(
        "tekton",
        None,
        "tekton/tekton-pipeline",
        "https://steinliber.github.io/tekton-helm-chart/",
        "tekton",
    ),
    known("vault", Some("vault"), "hashicorp/vault", "https://helm.releases.hashicorp.com", "vault"),
];

/// The name that the presets are imported under.
pub(crate) const PRESETS: &str = "presets";

/// The chart that is meant where none is named: by the plugin, or by the longest known name that the instance begins with.
fn meant(mapping: &Mapping<'_>) -> Option<&'static Known> {
    let name = match &*mapping.tool.plugin.text {
        "helm-installer" => &*mapping.tool.instance.text,
        "helm-generic" => return None,
        "hashicorp-vault" => "vault",
        plugin => plugin,
    };
    KNOWN.iter().filter(|k| name.starts_with(k.name)).max_by_key(|k| k.name.len())
}

/// A release of a chart.
pub(super) fn release(mapping: &mut Mapping<'_>) {
    let span = mapping.tool.options.span;
    let known = meant(mapping);
    let in_chart = |mapping: &Mapping<'_>, key: &str| mapping.option(&format!("chart.{key}"));
    let (name, url) = (mapping.option("repo.name"), mapping.option("repo.url"));
    let (chart, path) = (in_chart(mapping, "chartName|chart_name"), in_chart(mapping, "chartPath"));
    let is = |given: &Option<Expr>, known: &str| match given {
        Some(given) => {
            mapping.literal(given).is_some_and(|g| *g.trim_end_matches('/') == *known.trim_end_matches('/'))
        }
        None => true,
    };
    let known = known.filter(|k| is(&chart, k.chart) && path.is_none());
    let version = in_chart(mapping, "version");
    // A preset is a chart with its version; another address of the chart stays.
    let preset = known.filter(|k| is(&url, k.repository)).and_then(|k| k.preset);
    if let Some(preset) = preset {
        mapping.inputs = spread_of(span, PRESETS, preset);
    } else {
        let chart = path.clone().or(chart).or_else(|| known.map(|k| text(span, k.chart)));
        let url = url.or_else(|| known.map(|k| text(span, k.repository))).filter(|_| path.is_none());
        let prefix = name
            .as_ref()
            .and_then(literal)
            .or_else(|| known.and_then(|k| k.chart.split('/').next().map(Into::into)));
        if let Some(chart) = chart {
            // The name of the repository is one of the machine's; its address says the same everywhere.
            let plain = literal(&chart).filter(|_| url.is_some());
            let short =
                plain.as_ref().and_then(|c| c.strip_prefix(&*prefix?)?.strip_prefix('/').map(String::from));
            mapping.set("chart", short.map_or(chart.clone(), |short| text(chart.span, short)));
        }
        if let Some(url) = url {
            mapping.set("repository", url);
        }
    }
    if let Some(version) = version {
        mapping.set("version", version);
    }
    for (option, input) in [("releaseName|release_name", "name"), ("namespace", "namespace")] {
        let given = in_chart(mapping, option).or_else(|| known.map(|k| text(span, k.release)));
        if let Some(value) = given {
            mapping.set(input, value);
        }
    }
    if let Some(timeout) = in_chart(mapping, "timeout") {
        // Of a text that is no duration the check tells at its place.
        let span = timeout.span;
        let known = mapping.literal(&timeout).and_then(|text| duration(&text));
        mapping.timeout = Some(known.map_or(timeout, |ns| expr(span, ExprKind::Duration(ns))));
    }
    mapping.moves_unless("chart.wait", "wait", &ExprKind::Bool(true));
    mapping.moves_unless("chart.upgradeCRDs", "upgrade_crds", &ExprKind::Bool(true));
    let below = in_chart(mapping, "valuesYaml|values_yaml");
    if let Some(values) = mapping.option("valuesYaml").or(below) {
        self::values(mapping, values);
    }
    // Nothing is done with these any more.
    for gone in ["createNamespace", "create_namespace"] {
        mapping.option(gone);
    }
    let of = |key: &str| get(&mapping.inputs, key).and_then(literal);
    let service = match (of("name"), of("namespace")) {
        (Some(name), Some(namespace)) => format!("http://{name}.{namespace}:8080"),
        _ => String::new(),
    };
    for output in ["jenkins_url", "devlake_url", "jenkinsURL"] {
        mapping.outputs.push((output, Output::Or("url", text(span, &*service))));
    }
    // Nobody knows where another chart answers, if it has no address.
    mapping.outputs.push(("url", Output::Or("url", text(span, ""))));
}

/// The values of a chart: YAML in a text becomes data, and a path an imported file.
fn values(mapping: &mut Mapping<'_>, given: Expr) {
    let span = given.span;
    if let Some(path) =
        literal(&given).filter(|text| !text.contains(": ") && !text.contains('\n') && !text.ends_with(':'))
    {
        mapping.values_file = Some((path, span));
        return;
    }
    match inner::data(&given) {
        Ok(data) => mapping.set("values", data),
        Err(why) => {
            let d =
                Diagnostic::new(crate::codes::W0140, format!("these values of a chart are not YAML: {why}"));
            mapping.told.push(d.at(Span { end: span.start, ..span }, "the text that begins here"));
            mapping.set("values", given);
        }
    }
}

/// An application of Argo CD.
pub(super) fn app(mapping: &mut Mapping<'_>) {
    mapping.moves(&[("app.name", "name")]);
    let plain = |text: &str| ExprKind::Str(vec![StrPart::Text(text.into())]);
    mapping.moves_unless("app.namespace", "home", &plain("argocd"));
    mapping.moves_below(
        "source",
        "source",
        &[
            ("repoURL", "repo"),
            ("path", "path"),
            ("valuefile", "value_file"),
            ("repoBranch", "branch"),
            ("token", "token"),
        ],
    );
    mapping.moves_unless("destination.server", "server", &plain("https://kubernetes.default.svc"));
    mapping.moves_unless("destination.namespace", "namespace", &plain("default"));
    mapping.moves_below("imageRepo", "image", &[("url", "registry"), ("user|owner", "owner")]);
    mapping.moves_unless("imageRepo.initalTag|initialTag|tag", "image.tag", &plain("0.0.1"));
    // What pushes the image is the pipeline.
    mapping.option("imageRepo.password");
}

/// GitLab in a container.
pub(super) fn gitlab(mapping: &mut Mapping<'_>) {
    let span = mapping.tool.options.span;
    mapping.set("name", text(span, "gitlab"));
    let tag = mapping.option("imageTag").unwrap_or_else(|| text(span, "rc"));
    mapping.set("image", joined(span, [text(span, "gitlab/gitlab-ce:"), tag]));
    let hostname = mapping.option("hostname").unwrap_or_else(|| text(span, "gitlab.example.com"));
    mapping.set("hostname", hostname);
    let ports = [("httpPort", 80), ("httpsPort", 443), ("sshPort", 22)].map(|(option, port)| {
        let plain = expr(span, ExprKind::Int(port));
        let host = mapping.option(option).unwrap_or_else(|| plain.clone());
        record(span, [("host", host), ("container", plain)])
    });
    mapping.set("ports", list(span, ports));
    let home = mapping.option("gitlabHome").unwrap_or_else(|| text(span, "/srv/gitlab"));
    let volumes = [("/config", "/etc/gitlab"), ("/logs", "/var/log/gitlab"), ("/data", "/var/opt/gitlab")];
    let volumes = volumes.map(|(below, container)| {
        let host = joined(span, [home.clone(), text(span, below)]);
        record(span, [("host", host), ("container", text(span, container))])
    });
    mapping.set("volumes", list(span, volumes));
    mapping.moves_unless("rmDataAfterDelete", "remove_data", &ExprKind::Bool(false));
}

/// Harbor by its installer.
pub(super) fn harbor(mapping: &mut Mapping<'_>) {
    let span = mapping.tool.options.span;
    mapping.set("name", text(span, "harbor"));
    mapping.set("bundle", text(span, "harbor"));
    mapping.moves(&[("hostname", "vars.hostname")]);
    // All that its file of settings takes.
    let ExprKind::Record(entries) = &*mapping.tool.options.kind else { return };
    for entry in entries {
        let Entry::Field { name, value: Some(value), .. } = entry else { continue };
        if &*name.text != "instanceID" && &*name.text != "hostname" {
            mapping.taken.borrow_mut().insert(value.span);
            mapping.set("vars", expr(value.span, ExprKind::Record(vec![entry.clone()])));
        }
    }
}
