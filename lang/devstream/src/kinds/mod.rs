//! Tools of DevStream as tools of ours: which kind each plugin became, and which input each option.
//!
//! ```text
//! Tool { plugin, instance, options } ──map──> Mapped { kind, inputs, outputs, left }
//! ```
//!
//! What an option says is moved, never evaluated: it stays the expression that it is, at its place in the YAML. Options that
//! nothing takes are left over, and told.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind is no literal")]

mod ci;
mod deploy;
mod kube;
mod repo;
mod trackers;

pub(super) use deploy::PRESETS;

use super::build::{expr, get, joined_parts, merged, record, text};
use super::model::{Model, Tool};
use dtm_lang::diag::Diagnostic;
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Element, Entry, Expr, ExprKind, StrPart};
use std::cell::RefCell;

/// A tool of ours.
pub(super) struct Mapped {
    /// `plugin.Kind`
    pub(super) kind: &'static str,
    /// Its inputs, a record.
    pub(super) inputs: Expr,
    /// What DevStream called an output, and what that is now: an output of the kind, or an input that is known.
    pub(super) outputs: Vec<(&'static str, Output)>,
    /// Options that no input takes.
    pub(super) left: Vec<Left>,
    /// A file of values beside the configuration.
    pub(super) values_file: Option<(Symbol, Span)>,
    /// For how long a change may take.
    pub(super) timeout: Option<Expr>,
    /// What else is wrong.
    pub(super) told: Vec<Diagnostic>,
}

/// An option that no input takes.
pub(super) struct Left {
    /// Its path: `chart.more`.
    pub(super) path: String,
    /// Its key.
    pub(super) at: Span,
    /// What it says.
    pub(super) value: Expr,
    /// Whether something is told of this place already.
    pub(super) is_told: bool,
}

/// What an output became.
#[derive(Clone)]
pub(super) enum Output {
    /// An output of the kind.
    Out(&'static str),
    /// An output that may be missing, and what it is then.
    Or(&'static str, Expr),
    /// What an input says.
    Known(Expr),
    /// Any of a map of outputs.
    Any,
}

/// Variables of the configuration, by their names in the program: an option may be in one.
pub(super) type Vars = HashMap<Symbol, Expr>;

/// A tool while its options are moved to inputs.
struct Mapping<'m> {
    tool: &'m Tool,
    vars: &'m Vars,
    /// How numbers were written, by their places.
    written: &'m HashMap<Span, Symbol>,
    inputs: Expr,
    outputs: Vec<(&'static str, Output)>,
    taken: RefCell<HashSet<Span>>,
    values_file: Option<(Symbol, Span)>,
    timeout: Option<Expr>,
    told: Vec<Diagnostic>,
}

/// Moves the options of a tool.
type Move = fn(&mut Mapping<'_>);

/// Which kind a plugin became, of any version, and how its options move.
fn kind_of(tool: &Tool) -> (&'static str, Move) {
    match &*tool.plugin.text {
        "helm-installer" | "helm-generic" | "argocd" | "artifactory" | "devlake" | "harbor"
        | "hashicorp-vault" | "jenkins" | "kube-prometheus" | "openldap" | "sonarqube" | "tekton" => {
            ("helm.Release", deploy::release)
        }
        "argocdapp" => ("argocd.App", deploy::app),
        "gitlab-ce-docker" => ("docker.Container", deploy::gitlab),
        "harbor-docker" => ("docker.Compose", deploy::harbor),
        "github-actions"
        | "githubactions"
        | "githubactions-golang"
        | "githubactions-nodejs"
        | "githubactions-python" => ("ci.GithubActions", ci::github),
        "gitlab-ci" | "gitlabci-generic" | "gitlabci-golang" | "gitlabci-java" => ("ci.GitlabCi", ci::gitlab),
        "jenkins-pipeline" | "jenkins-pipeline-kubernetes" | "jenkins-github-integ" => {
            ("ci.JenkinsPipeline", ci::jenkins)
        }
        "ci-generic" => ("ci.Generic", ci::generic),
        "repo-scaffolding" | "github-repo-scaffolding-golang" | "gitlab-repo-scaffolding-golang" => {
            ("scm.Scaffold", repo::scaffold)
        }
        "jira" | "jira-github-integ" => ("issues.JiraIntegration", trackers::jira),
        "trello" if !has_repo(tool) => ("issues.TrelloBoard", trackers::board),
        "trello" | "trello-github-integ" => ("issues.TrelloIntegration", trackers::trello),
        "devlake-config" => ("devlake.Config", trackers::devlake),
        "zentao" => ("kube.Manifest", kube::zentao),
        _ => ("devstream.Tool", unknown),
    }
}

/// The kind that a plugin of DevStream's became, whatever its options say.
pub(crate) fn of_plugin(plugin: &str) -> Option<&'static str> {
    let at = Span::default();
    let named = |text: &str| crate::build::name(at, text);
    let tool = Tool {
        plugin: named(plugin),
        instance: named(plugin),
        depends_on: vec![],
        options: record(at, [("scm", record(at, []))]),
        item: at,
        app: None,
    };
    Some(kind_of(&tool).0).filter(|kind| *kind != "devstream.Tool")
}

/// Whether a tool says which repository it is about.
fn has_repo(tool: &Tool) -> bool {
    get(&tool.options, "scm").is_some()
}

/// The tool as one of ours. Of options in a place of which something is `told` already, nothing more is said.
pub(super) fn map(tool: &Tool, vars: &Vars, written: &HashMap<Span, Symbol>, told: &HashSet<Span>) -> Mapped {
    let (kind, moves) = kind_of(tool);
    let span = tool.options.span;
    let mut mapping = Mapping {
        tool,
        vars,
        written,
        inputs: record(span, []),
        outputs: vec![],
        taken: RefCell::default(),
        values_file: None,
        timeout: None,
        told: vec![],
    };
    moves(&mut mapping);
    let mut left = vec![];
    mapping.left(&tool.options, "", told, &mut left);
    let Mapping { inputs, outputs, values_file, timeout, told, .. } = mapping;
    Mapped { kind, inputs, outputs, left, values_file, timeout, told }
}

/// A plugin that nobody knows keeps its options as they are.
fn unknown(mapping: &mut Mapping<'_>) {
    let tool = mapping.tool;
    let mut options = tool.options.clone();
    if let ExprKind::Record(entries) = &mut *options.kind {
        entries.retain(|e| !matches!(e, Entry::Field { name, .. } if &*name.text == "instanceID"));
    }
    mapping.set("plugin", text(tool.plugin.span, tool.plugin.text.clone()));
    mapping.set("instance", text(tool.instance.span, tool.instance.text.clone()));
    if !matches!(&*options.kind, ExprKind::Record(entries) if entries.is_empty()) {
        mapping.set("options", options);
    }
    if let ExprKind::Record(entries) = &*tool.options.kind {
        let values = entries.iter().filter_map(|entry| {
            if let Entry::Field { value: Some(value), .. } = entry { Some(value.span) } else { None }
        });
        mapping.taken.borrow_mut().extend(values);
    }
    mapping.outputs.push(("", Output::Any));
}

impl Mapping<'_> {
    /// The option at a path, `chart.version`; of several names, `frameWork|framework`, the first that is there. Nothing
    /// where it is empty, as it was taken to be.
    fn option(&self, path: &str) -> Option<Expr> {
        let found = self.walk(&self.tool.options, path)?;
        self.taken.borrow_mut().insert(found.span);
        (!is_empty(&found)).then_some(found)
    }

    fn walk(&self, at: &Expr, path: &str) -> Option<Expr> {
        let (names, rest) = path.split_once('.').map_or((path, None), |(names, rest)| (names, Some(rest)));
        if let ExprKind::Record(entries) = &*at.kind {
            let value = names.split('|').find_map(|key| value_of(entries, key))?;
            return rest.map_or_else(|| Some(value.clone()), |rest| self.walk(value, rest));
        }
        let value = names.split('|').find_map(|key| self.member(at, key))?;
        match rest {
            Some(rest) => self.walk(&value, rest),
            None => Some(value),
        }
    }

    /// A field of what is written out, here or in a variable.
    fn member(&self, base: &Expr, key: &str) -> Option<Expr> {
        if let ExprKind::Record(entries) = &*base.kind {
            return value_of(entries, key).cloned();
        }
        // A variable that is a map: its field, as long as it has it.
        let fields = self.resolved(base)?;
        let ExprKind::Record(entries) = &*fields.kind else { return None };
        let found = entries.iter().find_map(|entry| match entry {
            Entry::Field { name, .. } if same(&name.text, key) => Some(name.clone()),
            Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
        })?;
        let member = ExprKind::Member { base: base.clone(), name: found, safe: false };
        Some(expr(base.span, member))
    }

    /// What a variable, or a field of one, is.
    fn resolved(&self, expr: &Expr) -> Option<Expr> {
        resolved(expr, self.vars)
    }

    /// A text that is written out, here or in a variable.
    fn literal(&self, expr: &Expr) -> Option<Symbol> {
        match &*expr.kind {
            ExprKind::Str(parts) => match &**parts {
                [] => Some("".into()),
                [StrPart::Text(text)] => Some(text.clone()),
                [StrPart::Expr(only)] => self.literal(only),
                _ => None,
            },
            ExprKind::Name(_) | ExprKind::Member { .. } => {
                let found = self.resolved(expr)?;
                // A variable may stand for another one, but not for ever.
                if let ExprKind::Str(_) = &*found.kind { literal(&found) } else { None }
            }
            _ => None,
        }
    }

    /// Gives the input at a path a value. A number is the text that it was written as: no input of these kinds is one.
    fn set(&mut self, path: &str, value: Expr) {
        let value = self.as_text(value);
        let span = value.span;
        let value = path.rsplit('.').fold(value, |inner, key| record(span, [(key, inner)]));
        let inputs = std::mem::replace(&mut self.inputs, expr(span, ExprKind::Null));
        let whole = inputs.span;
        self.inputs = merged(inputs, &value);
        self.inputs.span = whole;
    }

    fn as_text(&self, value: Expr) -> Expr {
        let is_number = |e: &Expr| matches!(&*e.kind, ExprKind::Int(_) | ExprKind::Float(_));
        if is_number(&value)
            && let Some(written) = self.written.get(&value.span)
        {
            return text(value.span, written.clone());
        }
        // A variable that is a number.
        match self.resolved(&value) {
            Some(found) if is_number(&found) => expr(value.span, ExprKind::Str(vec![StrPart::Expr(value)])),
            _ => value,
        }
    }

    /// Moves options to inputs.
    fn moves(&mut self, moves: &[(&str, &str)]) {
        for (from, to) in moves {
            if let Some(value) = self.option(from) {
                self.set(to, value);
            }
        }
    }

    /// Moves options below one to inputs below one.
    fn moves_below(&mut self, from: &str, to: &str, moves: &[(&str, &str)]) {
        for (option, input) in moves {
            if let Some(value) = self.option(&format!("{from}.{option}")) {
                self.set(&format!("{to}.{input}"), value);
            }
        }
    }

    /// As [`Mapping::moves`], but for what is the default of the input anyway.
    fn moves_unless(&mut self, from: &str, to: &str, default: &ExprKind) {
        if let Some(value) = self.option(from)
            && *value.kind != *default
        {
            self.set(to, value);
        }
    }

    /// What of these options nothing took.
    fn left(&self, at: &Expr, path: &str, told: &HashSet<Span>, out: &mut Vec<Left>) {
        let ExprKind::Record(entries) = &*at.kind else { return };
        for entry in entries {
            let Entry::Field { name, value: Some(value), .. } = entry else { continue };
            let path = match path {
                "" if &*name.text == "instanceID" => continue,
                "" => name.text.to_string(),
                _ => format!("{path}.{}", name.text),
            };
            if self.taken.borrow().contains(&value.span) || is_empty(value) {
                continue;
            }
            let is_told = told.contains(&name.span);
            let begin = out.len();
            let own = || Left { path: path.clone(), at: name.span, value: value.clone(), is_told };
            let before = out.len();
            match &*value.kind {
                ExprKind::Record(inner) if !inner.is_empty() => {
                    self.left(value, &path, told, out);
                    // One line for what is left as a whole.
                    let whole =
                        |left: &Left| left.path.rsplit_once('.').is_some_and(|(above, _)| *above == *path);
                    if inner.len() > 1 && out.len() - before == inner.len() && out[before..].iter().all(whole)
                    {
                        out.truncate(before);
                        out.push(own());
                    }
                }
                _ => out.push(own()),
            }
            out[begin..].iter_mut().for_each(|left| left.is_told |= is_told);
        }
    }
}

/// Names of options are taken in capital and in small letters, and were once written with `_`.
fn same(name: &str, wanted: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().filter(|c| *c != b'_').map(|c| c.to_ascii_lowercase())
    }
    name == wanted || letters(name).eq(letters(wanted))
}

/// The value of an option among others.
fn value_of<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Expr> {
    entries.iter().find_map(|entry| match entry {
        Entry::Field { name, value: Some(value), .. } if same(&name.text, key) => Some(value),
        Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
    })
}

/// Whether an option says nothing.
fn is_empty(expr: &Expr) -> bool {
    match &*expr.kind {
        ExprKind::Null => true,
        ExprKind::Str(parts) => match &**parts {
            [] => true,
            [StrPart::Text(text)] => text.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// A text that is written out.
pub(super) fn literal(expr: &Expr) -> Option<Symbol> {
    if let ExprKind::Str(parts) = &*expr.kind {
        match &**parts {
            [] => Some("".into()),
            [StrPart::Text(text)] => Some(text.clone()),
            _ => None,
        }
    } else {
        None
    }
}

/// Whether a value is a text, here or in a variable.
pub(super) fn is_text(expr: &Expr, vars: &Vars) -> bool {
    match &*expr.kind {
        ExprKind::Str(parts) => !parts.is_empty(),
        ExprKind::Name(_) | ExprKind::Member { .. } => resolved(expr, vars)
            .is_some_and(|found| matches!(&*found.kind, ExprKind::Str(parts) if !parts.is_empty())),
        _ => false,
    }
}

/// What a variable, or a field of one, is.
fn resolved(expr: &Expr, vars: &Vars) -> Option<Expr> {
    match &*expr.kind {
        ExprKind::Name(variable) => vars.get(variable).cloned(),
        ExprKind::Member { base, name, .. } => {
            let base = resolved(base, vars)?;
            get(&base, &name.text).cloned()
        }
        ExprKind::Record(_) => Some(expr.clone()),
        _ => None,
    }
}

/// Text and expressions as one text, without needless pieces.
fn joined(span: Span, parts: impl IntoIterator<Item = Expr>) -> Expr {
    let out = joined_parts(parts.into_iter().flat_map(|part| match *part.kind {
        ExprKind::Str(parts) => parts,
        other => vec![StrPart::Expr(expr(part.span, other))],
    }));
    match &*out {
        [StrPart::Expr(only)] => only.clone(),
        _ => expr(span, ExprKind::Str(out)),
    }
}

/// The elements of a list that is written out.
pub(super) fn elements(expr: &Expr) -> Vec<Expr> {
    if let ExprKind::List(items) = &*expr.kind {
        items
            .iter()
            .filter_map(|item| match item {
                Element::One(value) => Some(value.clone()),
                Element::Spread(_) => None,
            })
            .collect()
    } else {
        vec![]
    }
}

/// The variables of a configuration.
pub(super) fn vars(model: &Model) -> Vars {
    model.vars.iter().map(|(name, value)| (name.text.clone(), value.clone())).collect()
}
