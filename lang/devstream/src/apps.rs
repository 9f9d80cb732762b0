//! Apps become tools, as v0.12.1 made them: first a tool for each pipeline, then the one that makes the repository.

use super::View;
use super::build::{get as field_of, has, merged, name, record, set_default, text};
use super::model::{Reader, Tool, get, is_null, start};
use super::options::{self, Part};
use dtm_lang::data::{Node, NodeKind};
use dtm_lang::diag::Diagnostic;
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Entry, Expr, ExprKind, Name, StrPart};

/// The types of pipelines.
const TYPES: [&str; 4] = ["github-actions", "gitlab-ci", "jenkins-pipeline", "argocdapp"];
/// Where DevStream had its pipelines.
pub(super) const LIBRARY: &str =
    "https://raw.githubusercontent.com/devstream-io/dtm-pipeline-templates/main/";

/// An app that is expanded.
struct App<'a, 'r> {
    file: &'a Reader<'r>,
    name: Name,
    repo: Expr,
    spec: Option<&'a Node>,
    depends_on: Vec<Name>,
    /// Its entry.
    whole: Span,
    /// That of an earlier pipeline, which the deployment uses too.
    image: Option<Expr>,
}

/// The tools of an app; `tools` are those of the section, for which all of them wait.
pub(super) fn expand(file: &Reader<'_>, node: &Node, templates: &[&Node], tools: &[Name]) -> Vec<Tool> {
    file.only(node, "an app", &["name", "spec", "repo", "repoTemplate", "ci", "cd"]);
    let Some(app_name) = file.name(node, "name", "an app", true) else { return vec![] };
    let spec = get(node, "spec").filter(|n| !is_null(n));
    for key in ["language", "framework"] {
        if spec.is_some_and(|spec| get(spec, key).is_none_or(is_null)) {
            file.error(
                spec.map_or(node.span, start),
                format!("`{key}` of `spec` is missing"),
                "in this entry",
            );
        }
    }
    let Some(repo_node) = get(node, "repo").filter(|n| !is_null(n)) else {
        file.error(start(node), "`repo` of an app is missing", "in this entry");
        return vec![];
    };
    options::check(file, repo_node, &Part::Repo);
    let mut repo = file.expr(repo_node, &file.scope());
    set_default(&mut repo, "name", text(app_name.span, app_name.text.clone()));
    let template = get(node, "repoTemplate").filter(|n| !is_null(n));
    let scaffold = format!("repo-scaffolding.{}", app_name.text);
    let mut depends_on = tools.to_vec();
    if let Some(template) = template {
        depends_on.insert(0, name(template.span, scaffold));
    }
    let mut app = App { file, name: app_name, repo, spec, depends_on, whole: node.span, image: None };
    let pipelines = ["ci", "cd"].into_iter().filter_map(|key| get(node, key));
    let mut made: Vec<Tool> = pipelines
        .flat_map(|list| file.items(list, "a list of pipelines"))
        .filter_map(|item| app.pipeline(item, templates))
        .collect();
    if let Some(template) = template {
        made.push(app.scaffold(template, tools));
    }
    made
}

impl App<'_, '_> {
    fn tool(&self, (plugin, item): (Name, Span), depends_on: Vec<Name>, mut options: Expr) -> Tool {
        set_default(&mut options, "instanceID", text(self.name.span, self.name.text.clone()));
        Tool {
            plugin,
            instance: self.name.clone(),
            depends_on,
            options,
            item,
            app: Some((self.name.text.clone(), self.whole)),
        }
    }

    fn scaffold(&self, template: &Node, tools: &[Name]) -> Tool {
        let span = template.span;
        let mut source = self.file.expr(template, &self.file.scope());
        let mut vars = record(span, []);
        if let ExprKind::Record(fields) = &mut *source.kind {
            let is_vars = |entry: &Entry| matches!(entry, Entry::Field { name, .. } if &*name.text == "vars");
            let given = fields.iter().find(|e| is_vars(e)).cloned();
            fields.retain(|e| !is_vars(e));
            if let Some(Entry::Field { name, value: Some(value), .. }) = given {
                let d = Diagnostic::new(
                    crate::codes::W0140,
                    "DevStream lost the `vars` of `repoTemplate`; here they are used",
                );
                self.file.push(d.at(name.span, "given here"));
                vars = value;
            }
        }
        let options = [("destinationRepo", self.repo.clone()), ("sourceRepo", source), ("vars", vars)];
        self.tool((name(span, "repo-scaffolding"), span), tools.to_vec(), record(span, options))
    }

    /// A tool of a pipeline, given with its type or by the name of a template.
    fn pipeline(&mut self, item: &Node, templates: &[&Node]) -> Option<Tool> {
        let file = self.file;
        file.only(item, "a pipeline", &["type", "templateName", "options", "vars"]);
        let mut kind = file.name(item, "type", "a pipeline", false)?;
        let own = get(item, "options").filter(|n| !is_null(n)).map(|n| file.expr(n, &file.scope()));
        let mut options = own.unwrap_or_else(|| record(start(item), []));
        if &*kind.text == "template" {
            let wanted = file.name(item, "templateName", "a pipeline of the type `template`", false)?;
            let named = |t: &&&Node| get(t, "name").and_then(plain_text).is_some_and(|n| n == wanted.text);
            let Some(template) = templates.iter().find(named) else {
                let known = templates.iter().filter_map(|t| get(t, "name").and_then(plain_text));
                let known: Vec<Symbol> = known.collect();
                let d = Diagnostic::new(
                    crate::codes::E0140,
                    format!("there is no pipeline template `{}`", wanted.text),
                );
                file.push(
                    d.at(wanted.span, "not in `pipelineTemplates`")
                        .nearest(&wanted.text, known.iter().map(|k| &**k)),
                );
                return None;
            };
            file.only(template, "a pipeline template", &["name", "type", "options"]);
            let of_template = file.name(template, "type", "a pipeline template", false)?;
            kind = Name { span: kind.span, text: of_template.text };
            let scope = |variable: &str, span: Span| self.variable(item, variable, span);
            if let Some(base) = get(template, "options").filter(|n| !is_null(n)) {
                options = merged(file.expr(base, &scope), &options);
            }
        }
        if !TYPES.contains(&&*kind.text) {
            let d = Diagnostic::new(crate::codes::E0140, format!("unknown pipeline type `{}`", kind.text));
            let all = TYPES.iter().copied().chain(["template"]);
            file.push(
                d.at(kind.span, "unknown type")
                    .nearest(&kind.text, all.clone())
                    .note(format!("known: {}", all.collect::<Vec<_>>().join(", "))),
            );
            return None;
        }
        if let Some(own) = get(item, "options") {
            check_pipeline(file, &kind.text, own);
        }
        let options = match &*kind.text {
            "argocdapp" => self.deployment(options),
            _ => self.integration(&kind, options),
        };
        Some(self.tool((kind, item.span), self.depends_on.clone(), options))
    }

    /// A variable inside of a template: of the pipeline, then of the app's `spec`, then of the file.
    fn variable(&self, item: &Node, variable: &str, span: Span) -> Expr {
        let own = get(item, "vars").and_then(|vars| get(vars, variable));
        let of_spec = || self.spec.and_then(|spec| get(spec, variable));
        match own.or_else(of_spec) {
            Some(node) => self.file.expr(node, &self.file.scope()),
            None => self.file.variable(variable, span),
        }
    }

    fn integration(&mut self, kind: &Name, mut pipeline: Expr) -> Expr {
        let span = pipeline.span;
        let file = match &*kind.text {
            "github-actions" => "github-actions/workflows/main.yml",
            "gitlab-ci" => "gitlab-ci/.gitlab-ci.yml",
            _ => "jenkins-pipeline/general/Jenkinsfile",
        };
        set_default(&mut pipeline, "configLocation", text(kind.span, format!("{LIBRARY}{file}")));
        if let Some(spec) = self.spec {
            let of_spec = |key: &str| get(spec, key).map(|n| self.file.expr(n, &self.file.scope()));
            let parts = [("name", of_spec("language")), ("framework", of_spec("framework"))];
            let parts = parts.into_iter().filter_map(|(key, value)| Some((key, value?)));
            set_default(&mut pipeline, "language", record(spec.span, parts));
        }
        self.image = field_of(&pipeline, "imageRepo").cloned().or(self.image.take());
        let lifted = match &*kind.text {
            "gitlab-ci" => Some("runner"),
            "jenkins-pipeline" => Some("jenkins"),
            _ => None,
        };
        let lifted = lifted.and_then(|key| Some((key, field_of(&pipeline, key)?.clone())));
        let mut options = record(span, [("pipeline", pipeline), ("scm", self.repo.clone())]);
        if let Some((key, value)) = lifted {
            set_default(&mut options, key, value);
        }
        options
    }

    fn deployment(&self, mut options: Expr) -> Expr {
        let span = options.span;
        let plain = |value: &str| text(span, value);
        let app = [("name", text(self.name.span, self.name.text.clone())), ("namespace", plain("argocd"))];
        set_default(&mut options, "app", record(span, app));
        let target = [("server", plain("https://kubernetes.default.svc")), ("namespace", plain("default"))];
        set_default(&mut options, "destination", record(span, target));
        let of_repo = |key: &str| field_of(&self.repo, key).cloned().unwrap_or_else(|| plain(""));
        let from =
            [("repoURL", self.clone_url()), ("repoBranch", of_repo("branch")), ("token", of_repo("token"))];
        match field_of(&options, "source").cloned() {
            None => {
                let more = [
                    ("valuefile", plain("values.yaml")),
                    ("path", plain(&format!("helm/{}", self.name.text))),
                ];
                set_default(&mut options, "source", record(span, from.into_iter().chain(more)));
            }
            Some(source) if !has(&source, "repoURL") => {
                options = merged(options, &record(span, [("source", merged(record(span, from), &source))]));
            }
            Some(_) => {}
        }
        if let Some(image) = &self.image {
            set_default(&mut options, "imageRepo", image.clone());
        }
        options
    }

    /// The address that the repository is cloned from.
    fn clone_url(&self) -> Expr {
        let span = self.repo.span;
        let of_repo = |key: &str| field_of(&self.repo, key).cloned();
        // With a type beside it DevStream threw the address away, and put one together of what else there was.
        if let Some(mut url) = of_repo("url")
            && (!has(&self.repo, "scmType") || self.file.view == View::Ours)
        {
            if let ExprKind::Str(parts) = &mut *url.kind
                && let Some(StrPart::Text(begin)) = parts.first_mut()
                && !begin.contains("://")
                && !begin.starts_with("git@")
            {
                *begin = format!("https://{begin}").into();
            }
            return url;
        }
        let gitlab = of_repo("scmType").is_some_and(|kind| literal(&kind).is_some_and(|k| &*k == "gitlab"));
        let base = match gitlab {
            true => of_repo("baseURL").unwrap_or_else(|| text(span, "https://gitlab.com")),
            false => text(span, "https://github.com"),
        };
        let owner = of_repo("org").or_else(|| of_repo("owner")).unwrap_or_else(|| text(span, ""));
        let repo = of_repo("name").unwrap_or_else(|| text(span, ""));
        let mut parts = vec![StrPart::Expr(base), StrPart::Text("/".into()), StrPart::Expr(owner)];
        parts.extend([StrPart::Text("/".into()), StrPart::Expr(repo)]);
        if gitlab {
            parts.push(StrPart::Text(".git".into()));
        }
        super::build::expr(span, ExprKind::Str(parts))
    }
}

/// Warns of options of a pipeline, or of a template of some, that nobody takes.
pub(super) fn check_pipeline(file: &Reader<'_>, kind: &str, options: &Node) {
    if kind != "argocdapp" && TYPES.contains(&kind) {
        options::check(file, options, &Part::Pipeline);
    }
}

/// A text that is written out.
fn literal(expr: &Expr) -> Option<Symbol> {
    if let ExprKind::Str(parts) = &*expr.kind {
        match &**parts {
            [StrPart::Text(text)] => Some(text.clone()),
            _ => None,
        }
    } else {
        None
    }
}

/// The text of a scalar as it stands there.
pub(super) fn plain_text(node: &Node) -> Option<Symbol> {
    if let NodeKind::Scalar(value) = &node.kind { value.text().map(Symbol::from) } else { None }
}
