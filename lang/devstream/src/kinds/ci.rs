//! Pipelines of continuous integration.

use super::{Entry, Expr, ExprKind, Mapping, expr, text};
use crate::apps::LIBRARY;

/// What all pipelines have below `pipeline`, or had at the top.
const PARTS: [(&str, &str); 24] = [
    ("configLocation|templateURL", "template"),
    ("imageRepo.url", "image.registry"),
    ("imageRepo.user|owner", "image.owner"),
    ("imageRepo.password", "image.password"),
    ("imageRepo.initalTag|initialTag|tag", "image.tag"),
    ("dingTalk.name", "dingtalk.name"),
    ("dingTalk.webhook", "dingtalk.webhook"),
    ("dingTalk.securityType", "dingtalk.security"),
    ("dingTalk.securityValue", "dingtalk.security_value"),
    ("dingTalk.atUsers", "dingtalk.at_users"),
    ("sonarqube.name", "sonarqube.name"),
    ("sonarqube.url", "sonarqube.url"),
    ("sonarqube.token", "sonarqube.token"),
    ("language.name", "language.name"),
    ("language.version", "language.version"),
    ("language.frameWork", "language.framework"),
    ("test.enable", "test.enable"),
    ("test.command", "test.command"),
    ("test.containerName", "test.container"),
    ("test.coverageCommand", "test.coverage"),
    ("test.CoverageStatusCommand", "test.coverage_status"),
    ("docker.registry.username", "image.owner"),
    ("docker.registry.repository", "image.name"),
    ("jobs.test.command", "test.command"),
];

/// What belongs to the tool as well, and was copied below `pipeline`.
const LIFTED: [&str; 5] = ["jenkins", "runner", "jobName", "jenkinsfilePath", "pipelineScriptPath"];

impl Mapping<'_> {
    /// Where it is done, and the parts of a pipeline.
    fn pipeline(&mut self) {
        self.in_repo(self.below(&["scm", "projectRepo"]));
        for (from, to) in PARTS {
            if let Some(value) = self.option(&format!("pipeline.{from}")).or_else(|| self.option(from)) {
                self.set(to, value);
            }
        }
        if let Some(language) = self.option("language").filter(|l| matches!(&*l.kind, ExprKind::Str(_))) {
            self.set("language.name", language);
        }
        // The library's own pipeline is what dtm writes anyway.
        self.unset("template", |m, template| {
            m.literal(template).is_some_and(|address| address.starts_with(LIBRARY))
        });
        self.known_language();
        self.more();
    }

    /// Names of languages that were taken too.
    fn known_language(&mut self) {
        let Some(given) = super::get(&self.inputs, "language").and_then(|l| super::get(l, "name")).cloned()
        else {
            return;
        };
        let plain = match self.literal(&given).as_deref() {
            Some("golang") => "go",
            Some("nodejs") => "node",
            _ => return,
        };
        self.set("language.name", text(given.span, plain));
    }

    /// What else stands in `pipeline` are variables of its template.
    fn more(&mut self) {
        let Some(ExprKind::Record(entries)) = self.member(&self.tool.options, "pipeline").map(|e| *e.kind)
        else {
            return;
        };
        for entry in entries {
            let Entry::Field { name, value: Some(value), .. } = &entry else { continue };
            let known = PARTS.iter().any(|(from, _)| {
                let first = from.split('.').next().unwrap_or_default();
                first.split('|').any(|key| super::same(&name.text, key))
            });
            if known || super::is_empty(value) {
                continue;
            }
            self.taken.borrow_mut().insert(value.span);
            if !LIFTED.iter().any(|key| super::same(&name.text, key)) {
                self.set("vars", expr(value.span, ExprKind::Record(vec![entry.clone()])));
            }
        }
    }

    /// Takes an input away again.
    fn unset(&mut self, input: &str, when: impl Fn(&Self, &Expr) -> bool) {
        if super::get(&self.inputs, input).is_some_and(|value| when(self, value))
            && let ExprKind::Record(entries) = &mut *self.inputs.kind
        {
            entries.retain(|e| !matches!(e, Entry::Field { name, .. } if *name.text == *input));
        }
    }
}

pub(super) fn github(mapping: &mut Mapping<'_>) {
    mapping.pipeline();
    // Up to v0.10 the plugin said what the program is written in.
    if let Some(language) = mapping.tool.plugin.text.strip_prefix("githubactions-") {
        of_plugin(mapping, language);
    }
}

pub(super) fn gitlab(mapping: &mut Mapping<'_>) {
    mapping.pipeline();
    mapping.moves(&[("runner.enable", "runner"), ("templateVariables", "vars")]);
    if let Some(language @ ("golang" | "java")) = mapping.tool.plugin.text.strip_prefix("gitlabci-") {
        of_plugin(mapping, language);
    }
}

fn of_plugin(mapping: &mut Mapping<'_>, language: &str) {
    let name = match language {
        "golang" => "go",
        "nodejs" => "node",
        other => other,
    };
    let known = super::get(&mapping.inputs, "language").is_some_and(|l| super::get(l, "name").is_some());
    if !known {
        let span = mapping.tool.plugin.span;
        mapping.set("language.name", text(span, name));
    }
}

pub(super) fn jenkins(mapping: &mut Mapping<'_>) {
    mapping.pipeline();
    mapping.moves(&[
        ("jobName", "job"),
        ("pipeline.jobName", "job"),
        ("scm.sshPrivateKey", "ssh_key"),
        ("jenkinsURL", "jenkins.url"),
        ("jenkinsUser", "jenkins.user"),
        ("jenkinsfileScmURL|githubRepoUrl", "repo"),
    ]);
    // It was a path in the repository, and later an address.
    let path = mapping.option("pipeline.jenkinsfilePath|pipelineScriptPath");
    if let Some(path) = path.or_else(|| mapping.option("jenkinsfilePath")) {
        let is_address = mapping.literal(&path).is_some_and(|p| p.contains("://"));
        mapping.set(if is_address { "template" } else { "file" }, path);
    }
    mapping.moves_below(
        "jenkins",
        "jenkins",
        &[
            ("url", "url"),
            ("user", "user"),
            ("password", "password"),
            ("namespace", "namespace"),
            ("enableRestart", "restart"),
            ("offline", "offline"),
        ],
    );
}

pub(super) fn generic(mapping: &mut Mapping<'_>) {
    mapping.in_repo(mapping.below(&["scm", "projectRepo"]));
    mapping.moves(&[
        ("ci.type", "system"),
        ("ci.configLocation|localPath|remoteURL", "template"),
        ("ci.configContents", "files"),
        ("ci.vars", "vars"),
    ]);
}
