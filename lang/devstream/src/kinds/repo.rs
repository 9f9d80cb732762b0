//! Repositories: in all the forms that DevStream took, and its templates of them.

use super::{Mapping, Output, joined, record, text};
use dtm_lang::diag::Diagnostic;
use dtm_lang::source::Span;
use dtm_lang::syntax::ast::{Expr, ExprKind, StrPart};

/// A repository that options speak of.
pub(super) struct Repo {
    span: Span,
    /// Whether it is on GitHub; otherwise on a GitLab.
    is_github: bool,
    /// Who has it, and its name; not known where there is only an address that is put together.
    owner: Option<Expr>,
    name: Option<Expr>,
    /// Its address, where that is given.
    url: Option<Expr>,
    /// The address of GitLab.
    base: Expr,
    pub(super) branch: Option<Expr>,
    pub(super) token: Option<Expr>,
}

/// Where DevStream had its template of a program in Go.
const GOLANG: &str = "https://github.com/devstream-io/dtm-scaffolding-golang.git#main";

impl Repo {
    /// The address: `https://github.com/OWNER/NAME`.
    pub(super) fn address(&self) -> Option<Expr> {
        if let Some(url) = &self.url {
            return Some(url.clone());
        }
        let (owner, name) = (self.owner.clone()?, self.name.clone()?);
        let slash = || text(self.span, "/");
        Some(match self.is_github {
            true => joined(self.span, [text(self.span, "https://github.com/"), owner, slash(), name]),
            false => {
                joined(self.span, [self.base.clone(), slash(), owner, slash(), name, text(self.span, ".git")])
            }
        })
    }

    /// A `scm.Destination`.
    fn destination(&self) -> Option<Expr> {
        let token = self.token.clone().map(|token| ("token", token));
        let fields = match (self.is_github, &self.owner, &self.name) {
            (true, Some(owner), Some(name)) => {
                vec![("host", text(self.span, "github")), ("org", owner.clone()), ("name", name.clone())]
            }
            _ => vec![("host", text(self.span, "git")), ("url", self.address()?)],
        };
        Some(record(self.span, fields.into_iter().chain(token)))
    }
}

impl Mapping<'_> {
    /// The repository that the options at a path describe; at `""`, those of the tool itself.
    pub(super) fn repo(&self, path: &str) -> Repo {
        let at = |key: &str| match path {
            "" => self.option(key),
            _ => self.option(&format!("{path}.{key}")),
        };
        let span = self.member(&self.tool.options, path).map_or(self.tool.options.span, |e| e.span);
        let kind = at("scmType|repoType").and_then(|kind| self.literal(&kind));
        let (owner, name) = (at("org").or_else(|| at("owner")), at("name|repo"));
        let base = at("baseURL").or_else(|| at("apiURL").filter(|_| kind.as_deref() == Some("gitlab")));
        let base = base.map(|base| whole(base, self));
        let url = at("url|cloneURL").map(|url| whole(url, self));
        // One of these is used; what another one says is no loss.
        for known in ["owner", "apiURL", "visibility", "nameSpace", "workPath", "needAuth"] {
            at(known);
        }
        let is_github = match (&url, &kind) {
            (Some(url), _) if self.is_readable(url) => says_github(url, self),
            (_, Some(kind)) => **kind == *"github",
            _ => base.is_none() && !self.tool.plugin.text.starts_with("gitlab"),
        };
        let (owner, name, url) = match url.as_ref().and_then(on_github) {
            Some((owner, name)) => (Some(owner), Some(name), None),
            // The path of a GitLab project is written as one.
            None => match at("pathWithNamespace") {
                Some(path) => {
                    let base = base.clone().unwrap_or_else(|| text(span, "https://gitlab.com"));
                    (None, None, Some(joined(span, [base, text(span, "/"), path, text(span, ".git")])))
                }
                None => (owner, name, url),
            },
        };
        Repo {
            span,
            is_github,
            owner,
            name,
            url,
            base: base.unwrap_or_else(|| text(span, "https://gitlab.com")),
            branch: at("branch|defaultBranch"),
            token: at("token"),
        }
    }

    /// Whether an address says where it is: one of another tool is not known yet.
    fn is_readable(&self, url: &Expr) -> bool {
        if let ExprKind::Str(parts) = &*url.kind {
            matches!(parts.first(), Some(StrPart::Text(_)))
        } else {
            self.literal(url).is_some()
        }
    }

    /// Which of these options there is, for what was at the top before.
    pub(super) fn below(&self, options: &[&'static str]) -> &'static str {
        let there = |key: &&&str| self.member(&self.tool.options, key).is_some();
        options.iter().find(there).copied().unwrap_or("")
    }

    /// The inputs of what is done in a repository.
    pub(super) fn in_repo(&mut self, path: &str) {
        let repo = self.repo(path);
        if let Some(address) = repo.address() {
            self.set("repo", address);
        }
        match repo.branch {
            Some(branch) if self.literal(&branch).as_deref() == Some("main") => {}
            Some(branch) => self.set("branch", branch),
            // The first branch of GitLab had this name then.
            None if !repo.is_github => self.set("branch", text(repo.span, "master")),
            None => {}
        }
        if let Some(token) = repo.token {
            self.set("token", token);
        }
    }
}

/// `https://` before an address that has no scheme.
fn whole(url: Expr, mapping: &Mapping<'_>) -> Expr {
    let begin = if let ExprKind::Str(parts) = &*url.kind {
        match parts.first() {
            Some(StrPart::Text(begin)) => Some(begin.clone()),
            _ => None,
        }
    } else {
        mapping.literal(&url)
    };
    match begin {
        Some(begin) if !begin.contains("://") && !begin.contains('@') => {
            joined(url.span, [text(url.span, "https://"), url])
        }
        _ => url,
    }
}

/// Whether an address is one on GitHub, as DevStream told.
fn says_github(url: &Expr, mapping: &Mapping<'_>) -> bool {
    let plain = if let ExprKind::Str(parts) = &*url.kind {
        parts.iter().any(|part| match part {
            StrPart::Text(text) => text.contains("github"),
            StrPart::Expr(e) => mapping.literal(e).is_some_and(|text| text.contains("github")),
        })
    } else {
        false
    };
    plain || mapping.literal(url).is_some_and(|text| text.contains("github"))
}

/// Owner and name of an address on GitHub: by HTTPS, or by SSH in either form.
fn on_github(url: &Expr) -> Option<(Expr, Expr)> {
    const BEGIN: [&str; 5] = [
        "https://github.com/",
        "http://github.com/",
        "https://www.github.com/",
        "ssh://git@github.com/",
        "git@github.com:",
    ];
    let ExprKind::Str(parts) = &*url.kind else { return None };
    let (StrPart::Text(first), rest) = parts.split_first()? else { return None };
    let first = BEGIN.iter().find_map(|begin| first.strip_prefix(begin))?;
    let (mut owner, mut name, mut slash) = (vec![], vec![], false);
    for part in std::iter::once(&StrPart::Text(first.into())).chain(rest) {
        match part {
            StrPart::Text(t) if !slash => match t.split_once('/') {
                Some((before, after)) => {
                    slash = true;
                    owner.push(text(url.span, before));
                    name.push(text(url.span, after));
                }
                None => owner.push(text(url.span, t.clone())),
            },
            StrPart::Text(t) => name.push(text(url.span, t.clone())),
            StrPart::Expr(e) => if slash { &mut name } else { &mut owner }.push(e.clone()),
        }
    }
    if let Some(last) = name.last_mut()
        && let Some(plain) = super::literal(last)
    {
        *last = text(url.span, plain.trim_end_matches('/').trim_end_matches(".git"));
    }
    let whole = |parts: Vec<Expr>| joined(url.span, parts);
    let (owner, name) = (whole(owner), whole(name));
    let plain = |e: &Expr| super::literal(e).is_none_or(|text| !text.is_empty() && !text.contains('/'));
    (slash && plain(&owner) && plain(&name)).then_some((owner, name))
}

/// repo-scaffolding, and the two that were before it.
pub(super) fn scaffold(mapping: &mut Mapping<'_>) {
    let golang = &*mapping.tool.plugin.text != "repo-scaffolding";
    let destination = mapping.repo(if golang { "" } else { "destinationRepo" });
    let span = mapping.tool.options.span;
    if let Some(place) = destination.destination() {
        mapping.set("destination", place);
    }
    if let Some(branch) = destination.branch.clone().filter(|b| mapping.literal(b).as_deref() != Some("main"))
    {
        mapping.set("branch", branch);
    }
    if golang {
        mapping.set("template", text(span, GOLANG));
        if let Some(image) = mapping.option("imageRepo|image_repo") {
            mapping.set("vars.ImageRepo", image);
        }
    } else {
        let source = mapping.repo("sourceRepo");
        if let Some(token) = &source.token {
            let d = Diagnostic::new(crate::codes::W0140, "a template is fetched without a token");
            mapping.told.push(d.at(token.span, "has no effect").hide_source());
        }
        if let Some(address) = source.address() {
            let branch = source.branch.unwrap_or_else(|| text(span, "main"));
            mapping.set("template", joined(source.span, [address, text(span, "#"), branch]));
        }
        // What every template of DevStream could ask for.
        if let Some(name) = &destination.name {
            mapping.set("vars.AppName", name.clone());
            mapping.set("vars.Repo.Name", name.clone());
        }
        if let Some(owner) = &destination.owner {
            mapping.set("vars.Repo.Owner", owner.clone());
        }
        if let Some(vars) = mapping.option("vars")
            && !matches!(&*vars.kind, ExprKind::Record(entries) if entries.is_empty())
        {
            mapping.set("vars", vars);
        }
    }
    mapping.outputs.push(("repoURL", Output::Out("url")));
    let known = [("owner", &destination.owner), ("org", &destination.owner), ("repo", &destination.name)];
    for (output, value) in known {
        if let Some(value) = value {
            mapping.outputs.push((output, Output::Known(value.clone())));
        }
    }
}
