//! The sections of a configuration, and what stands in them.

use super::View;
use super::apps;
use super::build::{expr, name, text};
use super::mask::{Masked, mask};
use super::options::{self, Part};
use dtm_lang::data::{Node, NodeKind, yaml_documents};
use dtm_lang::diag::{Code, Diagnostic, Diagnostics};
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::{FileId, Span, Symbol};
use dtm_lang::syntax::ast::{Expr, ExprKind, Name};
use dtm_lang::syntax::lexer::lex;
use dtm_lang::syntax::token::Kind as TokenKind;
use dtm_lang::value::Data;
use std::cell::RefCell;

/// What a configuration says.
pub(super) struct Model {
    /// Variables, in order, by the names that they have in the program.
    pub(super) vars: Vec<(Name, Expr)>,
    /// Tools, those of apps among them.
    pub(super) tools: Vec<Tool>,
    /// How numbers were written, by their places: `1.20` is a version.
    pub(super) written: HashMap<Span, Symbol>,
    /// Where the state is kept, if it is not in a file.
    pub(super) backend: Option<Backend>,
}

/// Where the state is kept.
pub(super) struct Backend {
    /// Our name of it.
    pub(super) name: &'static str,
    pub(super) span: Span,
    /// Our options of it.
    pub(super) options: Vec<(&'static str, Expr)>,
}

/// A tool as DevStream has it.
pub(super) struct Tool {
    /// The plugin.
    pub(super) plugin: Name,
    /// Its instance.
    pub(super) instance: Name,
    /// `plugin.instance` of the tools that it waits for.
    pub(super) depends_on: Vec<Name>,
    /// Its options, a record.
    pub(super) options: Expr,
    /// The whole entry, or that of the app which it is of.
    pub(super) item: Span,
    /// The app that it is of, and the entry of that.
    pub(super) app: Option<(Symbol, Span)>,
}

impl Tool {
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.plugin.text, self.instance.text)
    }
}

/// A file, and what is masked in it.
pub(super) struct Source {
    pub(super) file: FileId,
    pub(super) text: String,
    pub(super) masked: Vec<Masked>,
}

/// The files of a configuration, while they are read.
pub(super) struct Reader<'r> {
    /// The root file first, and those that it names.
    pub(super) sources: Vec<Source>,
    /// Reads a file that the root file names: its id and text.
    other: &'r mut OtherFile<'r>,
    /// The variables, for what has to be known while reading: the names of tools.
    vars: HashMap<Symbol, Node>,
    /// What they are called in the program.
    names: HashMap<Symbol, Symbol>,
    /// `${{ tool.instance.outputs.key }}`: which tool, and where.
    pub(super) references: RefCell<Vec<Name>>,
    /// How numbers were written, by their places.
    pub(super) written: RefCell<HashMap<Span, Symbol>>,
    /// What is made of it.
    pub(super) view: View,
    pub(super) diags: RefCell<Diagnostics>,
}

/// Reads another file by its path from the root file.
pub(super) type OtherFile<'r> = dyn FnMut(&str) -> Result<(FileId, String), String> + 'r;

/// The top-level keys of v0.10 and later.
const SECTIONS: [&str; 5] = ["config", "vars", "tools", "apps", "pipelineTemplates"];
/// Those of v0.5 to v0.9, for which there was a file of its own.
const OLDER: [&str; 4] = ["state", "varFile", "toolFile", "pluginDir"];

/// Reads a configuration; `None` where there is nothing to go on with.
pub(super) fn read<'r>(
    view: View,
    (path, file): (&str, FileId),
    text: &str,
    other: &'r mut OtherFile<'r>,
    diags: &mut Diagnostics,
) -> Option<Model> {
    let mut reader = Reader {
        sources: vec![],
        other,
        vars: HashMap::default(),
        names: HashMap::default(),
        references: RefCell::default(),
        written: RefCell::default(),
        view,
        diags: RefCell::default(),
    };
    let documents = match path.ends_with(super::FOLDER) {
        true => Some(text.lines().flat_map(|name| reader.file(name, Span::new(file, 0, 0))).collect()),
        false => reader.documents(file, text),
    };
    let model = documents.and_then(|documents| reader.model(file, documents));
    diags.append(reader.diags.into_inner());
    model
}

/// An error of the YAML with what is usually meant.
fn with_hint(diagnostic: Diagnostic, source: &str) -> Diagnostic {
    let at = diagnostic.primary.as_ref().map_or(0, |p| p.span.start as usize).min(source.len());
    let line_start = source[..at].rfind('\n').map_or(0, |n| n + 1);
    // The reader stops where the text before a wrong line ends.
    let mut lines = source[line_start..].lines();
    let line = lines.next().unwrap_or("");
    let indented_by_tab = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
    if indented_by_tab(line) || lines.next().is_some_and(indented_by_tab) {
        return diagnostic.help("YAML is indented with spaces: a line begins with a tab here");
    }
    match line.trim_start().split_once(": ") {
        Some((_, value)) if value.contains(": ") && !value.starts_with(['"', '\'', '{']) => {
            diagnostic.help("a text with `: ` in it needs quotes")
        }
        _ => diagnostic,
    }
}

impl Reader<'_> {
    /// The documents of a file; `None` where it is not YAML.
    fn documents(&mut self, file: FileId, text: &str) -> Option<Vec<Node>> {
        let (plain, masked) = mask(text);
        self.sources.push(Source { file, text: text.into(), masked });
        match yaml_documents(file, &plain) {
            Ok(documents) => Some(documents.into_iter().map(whole).collect()),
            Err(d) => {
                self.push(with_hint(*d, text));
                None
            }
        }
    }

    /// The documents of files that the root file names.
    fn named(&mut self, documents: &[Node], key: &str) -> Vec<Node> {
        let named = documents.iter().filter_map(|d| get(d, key)).filter(|n| !is_null(n));
        let named: Vec<Node> = named.cloned().collect();
        let mut found = vec![];
        for node in named {
            let Some(path) = self.static_text(&node, &|_| None).filter(|path| !path.text.is_empty()) else {
                continue;
            };
            found.extend(self.file(&path.text, node.span));
        }
        found
    }

    /// The documents of another file.
    fn file(&mut self, path: &str, named: Span) -> Vec<Node> {
        match (self.other)(path) {
            Ok((file, text)) => self.documents(file, &text).unwrap_or_default(),
            Err(why) => {
                let d = Diagnostic::new(Code::E0206, format!("cannot read `{path}`: {why}"));
                self.push(d.at(named, "named here"));
                vec![]
            }
        }
    }

    fn model(&mut self, root: FileId, mut documents: Vec<Node>) -> Option<Model> {
        // A folder is not a file: what is said of the whole is said at its first one.
        let root = self.sources.first().map_or(root, |source| source.file);
        // Up to v0.9 variables and tools may be in files of their own.
        let mut older_files = self.named(&documents, "varFile");
        older_files.iter_mut().for_each(|d| d.kind = NodeKind::Map(entries(d).to_vec()));
        documents.extend(self.named(&documents.clone(), "toolFile"));
        let documents = &documents;
        let (mut sections, mut older_vars) = (vec![], vec![]);
        older_vars.extend(older_files.iter().flat_map(entries));
        let has = |keys: &[&str]| documents.iter().any(|d| keys.iter().any(|key| get(d, key).is_some()));
        // Up to v0.4 variables were given beside the tools, on the command line.
        let older =
            has(&OLDER) || documents.len() > 1 && has(&["tools"]) && !has(&["config", "vars", "apps"]);
        for document in documents {
            let NodeKind::Map(entries) = &document.kind else {
                if !matches!(&document.kind, NodeKind::Scalar(v) if matches!(v.data, Data::Null)) {
                    self.error(document.span, "a configuration is a map of sections", "not valid");
                }
                continue;
            };
            let known = |key: &Symbol| SECTIONS.contains(&&**key) || OLDER.contains(&&**key);
            // In v0.7 to v0.9 the variables are a document of their own, without a heading.
            if older && !entries.iter().any(|(key, ..)| known(key)) {
                older_vars.extend(entries);
                continue;
            }
            sections.extend(entries);
        }
        if sections.is_empty() {
            let span = Span::new(root, 0, 0);
            self.error(span, "there is no section in this file", "`tools:` or `apps:` is expected");
            return None;
        }
        for (key, at, _) in &sections {
            if !SECTIONS.contains(&&**key) && !OLDER.contains(&&**key) {
                let d = Diagnostic::new(crate::codes::E0140, format!("unknown section `{key}`"));
                self.push(d.at(*at, "unknown section").nearest(key, SECTIONS));
            }
        }
        let of = |wanted: &str| -> Vec<(Span, &Node)> {
            sections.iter().filter(|(key, ..)| **key == *wanted).map(|(_, at, node)| (*at, node)).collect()
        };
        let configs = of("config");
        if let [_, (second, _), ..] = &*configs {
            self.error(*second, "`config` is written twice", "again here");
        }
        let core = OLDER.iter().any(|key| !of(key).is_empty());
        if let [(_, config)] = &*configs {
            options::check(self, config, &Part::Config);
        }
        if configs.is_empty() && !core {
            let d = Diagnostic::new(
                crate::codes::W0140,
                "there is no `config`: DevStream would not load this file",
            );
            self.push(d.at(Span::new(root, 0, 0), "in this file").note("state is kept locally"));
        }
        if of("tools").is_empty() && of("apps").is_empty() && of("toolFile").is_empty() {
            self.error(Span::new(root, 0, 0), "there are neither `tools` nor `apps`", "in this file");
        }
        let vars = of("vars").into_iter().flat_map(|(_, node)| self.map(node, "`vars`")).chain(older_vars);
        let vars: Vec<&(Symbol, Span, Node)> = vars.collect();
        self.vars = vars.iter().map(|(key, _, node)| (key.clone(), node.clone())).collect();
        let state = configs.first().and_then(|(_, config)| get(config, "state"));
        let state = state.or_else(|| of("state").first().map(|(_, state)| *state));
        let backend = state.and_then(backend);
        let mut model = Model { vars: vec![], tools: vec![], written: HashMap::default(), backend };
        let mut taken: HashSet<String> = HashSet::default();
        // A name that is imported.
        taken.insert(super::kinds::PRESETS.into());
        let mut first: HashMap<&Symbol, Span> = HashMap::default();
        for (key, at, _) in &vars {
            if let Some(before) = first.insert(key, *at) {
                let d =
                    Diagnostic::new(crate::codes::E0140, format!("the variable `{key}` is defined twice"));
                self.push(d.at(*at, "again here").also(before, "first here"));
            }
            // Names that differ only in what a name of the program may not have stay apart.
            let mut plain = ident(key).to_string();
            while !taken.insert(plain.clone()) {
                plain.push('_');
            }
            self.names.insert(key.clone(), plain.into());
        }
        for (key, at, node) in vars {
            let plain = self.names.get(key).cloned().unwrap_or_else(|| ident(key));
            model.vars.push((name(*at, plain), self.expr(node, &self.scope())));
        }
        for (_, section) in of("tools") {
            model.tools.extend(self.items(section, "`tools`").filter_map(|item| self.tool(item)));
        }
        let all: Vec<Name> = model.tools.iter().map(|t| name(t.instance.span, t.key())).collect();
        let templates: Vec<&Node> = of("pipelineTemplates")
            .into_iter()
            .flat_map(|(_, n)| self.items(n, "`pipelineTemplates`"))
            .collect();
        for template in &templates {
            if let (Some(kind), Some(options)) = (get(template, "type"), get(template, "options")) {
                apps::check_pipeline(self, &apps::plain_text(kind).unwrap_or_default(), options);
            }
        }
        for (_, section) in of("apps") {
            for app in self.items(section, "`apps`") {
                model.tools.extend(apps::expand(self, app, &templates, &all));
            }
        }
        self.keys(&model);
        model.written = self.written.take();
        Some(model)
    }

    /// What variables stand for.
    pub(super) fn scope(&self) -> impl Fn(&str, Span) -> Expr + '_ {
        |variable, span| self.variable(variable, span)
    }

    /// A variable of the configuration.
    pub(super) fn variable(&self, variable: &str, span: Span) -> Expr {
        if let Some(plain) = self.names.get(variable) {
            return expr(span, ExprKind::Name(plain.clone()));
        }
        let d = Diagnostic::new(Code::E0201, format!("no variable `{variable}` is defined"));
        let d = d.at(span, "unknown variable").nearest(variable, self.vars.keys().map(|k| &**k));
        self.push(d.note("variables are defined under `vars:`; `env \"NAME\"` is one of the environment"));
        expr(span, ExprKind::Error)
    }

    /// A name that has to be there, and for an instance a DNS name.
    pub(super) fn name(&self, node: &Node, key: &str, what: &str, dns: bool) -> Option<Name> {
        let Some(value) = get(node, key).filter(|n| !is_null(n)) else {
            self.error(start(node), format!("`{key}` of {what} is missing"), "in this entry");
            return None;
        };
        let found = self.static_text(value, &global_node(self))?;
        if found.text.is_empty() || dns && !is_dns(&found.text) {
            let d = Diagnostic::new(crate::codes::E0140, format!("`{}` is not a DNS name", found.text))
                .at(value.span, "not valid");
            let d = d.note(
                "lowercase letters, digits, `-` and `.`, with a letter or digit at both ends, 253 at most",
            );
            let plain = found.text.to_lowercase().replace('_', "-");
            self.push(if is_dns(&plain) {
                d.guess(format!("write `{plain}`"), value.span, plain)
            } else {
                d
            });
            return None;
        }
        Some(found)
    }

    /// Warns of keys that nobody looks at, which were passed over in silence.
    pub(super) fn only(&self, node: &Node, what: &str, known: &[&str]) {
        let all = entries(node);
        let free = |key: &&str| !all.iter().any(|(given, ..)| **given == **key);
        for (key, at, _) in all.iter().filter(|(key, ..)| !known.contains(&&**key)) {
            let d = Diagnostic::new(
                crate::codes::W0140,
                format!("`{key}` is not a key of {what}: DevStream ignored it"),
            );
            self.push(d.at(*at, "has no effect").nearest(key, known.iter().copied().filter(free)));
        }
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.diags.borrow_mut().push(diagnostic);
    }

    pub(super) fn error(&self, span: Span, headline: impl Into<String>, label: &str) {
        self.push(Diagnostic::new(crate::codes::E0140, headline).at(span, label));
    }

    /// The entries of what has to be a map.
    fn map<'n>(&self, node: &'n Node, what: &str) -> &'n [(Symbol, Span, Node)] {
        if !matches!(node.kind, NodeKind::Map(_)) && !is_null(node) {
            self.error(start(node), format!("{what} is a map"), "not valid");
        }
        entries(node)
    }

    /// The items of what has to be a list.
    pub(super) fn items<'n>(&self, node: &'n Node, what: &str) -> impl Iterator<Item = &'n Node> + use<'n> {
        let items: &'n [Node] = if let NodeKind::Seq(items) = &node.kind {
            items
        } else {
            if !is_null(node) {
                let d = Diagnostic::new(crate::codes::E0140, format!("{what} is a list"))
                    .at(start(node), "not valid");
                let empty = matches!(&node.kind, NodeKind::Map(entries) if entries.is_empty());
                self.push(match empty {
                    true => d.fix("write `[]`", node.span, "[]"),
                    false => d.help("begin each of its entries with `- `"),
                });
            }
            &[]
        };
        items.iter()
    }
}

/// The variables of the file, as they stand there.
pub(super) fn global_node<'f>(file: &'f Reader<'_>) -> impl Fn(&str) -> Option<Node> + 'f {
    |variable| file.vars.get(variable).cloned()
}

/// A node in which every map has what it takes over by `<<`, unless it says it itself.
pub(super) fn whole(node: Node) -> Node {
    let kind = match node.kind {
        NodeKind::Seq(items) => NodeKind::Seq(items.into_iter().map(whole).collect()),
        NodeKind::Map(entries) => {
            let mut own: Vec<(Symbol, Span, Node)> = vec![];
            let mut taken: Vec<(Symbol, Span, Node)> = vec![];
            for (key, at, value) in entries {
                match (&*key, whole(value)) {
                    ("<<", Node { kind: NodeKind::Map(more), .. }) => taken.extend(more),
                    ("<<", Node { kind: NodeKind::Seq(all), .. }) => {
                        taken.extend(all.iter().flat_map(|n| self::entries(n).to_vec()));
                    }
                    (_, value) => own.push((key, at, value)),
                }
            }
            for entry in taken {
                if own.iter().all(|(key, ..)| *key != entry.0) {
                    own.push(entry);
                }
            }
            NodeKind::Map(own)
        }
        scalar => scalar,
    };
    Node::new(node.span, kind)
}

/// A name of the program for a name of the file.
fn ident(text: &str) -> Symbol {
    let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match is_name(&plain) {
        true => plain.into(),
        false => format!("{plain}_").into(),
    }
}

/// Whether a text may be a name of the program: no word of the language is.
pub(super) fn is_name(text: &str) -> bool {
    let tokens = lex(FileId(0), text, &mut Diagnostics::default());
    matches!(&*tokens, [only] if only.kind == TokenKind::Ident)
}

/// Where the state is kept, beside the one that DevStream wrote there: that one is only read.
fn backend(state: &Node) -> Option<Backend> {
    let of = |node: &Node, key: &str| {
        let value = get(node, key).filter(|n| !is_null(n))?;
        Some((value.span, apps::plain_text(value)?))
    };
    let (span, kind) = of(state, "backend")?;
    let options = get(state, "options");
    let option = |key: &str| options.and_then(|node| of(node, key));
    let beside = |found: Option<(Span, Symbol)>, other: &str, ending: &str| {
        let (at, given) = found.unwrap_or((span, other.into()));
        text(at, format!("{given}{ending}"))
    };
    let plain = |key: &'static str| option(key).map(|(at, value)| (key, text(at, value)));
    let (name, options) = match &*kind.to_lowercase() {
        "s3" => {
            let key = option("key").map(|key| ("key", beside(Some(key), "", ".dtm")));
            ("s3", [plain("bucket"), key, plain("region")].into_iter().flatten().collect())
        }
        "k8s" | "kubernetes" => {
            let namespace = beside(option("namespace"), "devstream", "");
            ("k8s", vec![("namespace", namespace), ("name", beside(option("configmap"), "state", "-dtm"))])
        }
        _ => return None,
    };
    Some(Backend { name, span, options })
}

/// RFC 1123: labels of small letters, digits and dashes, joined by dots.
fn is_dns(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label =
        |l: &str| l.chars().all(|c| plain(c) || c == '-') && l.starts_with(plain) && l.ends_with(plain);
    text.len() <= 253 && text.split('.').all(label)
}

pub(super) fn is_null(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Scalar(v) if matches!(v.data, Data::Null))
}

/// Where a node begins: a map or list as a whole is too much to show.
pub(super) fn start(node: &Node) -> Span {
    Span { end: node.span.start, ..node.span }
}

pub(super) fn entries(node: &Node) -> &[(Symbol, Span, Node)] {
    if let NodeKind::Map(entries) = &node.kind { entries } else { &[] }
}

/// The value of a key.
pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node).iter().find(|(k, ..)| **k == *key).map(|(.., value)| value)
}
