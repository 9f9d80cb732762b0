//! The files of a configuration as modules of a program: what each declares stands in it, what it needs of others it imports.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind names nothing")]

use super::repeats::name_of;
use crate::build::each;
use crate::program::decl;
use dtm_lang::maps::{HashMap, HashSet, IndexMap};
use dtm_lang::source::{FileId, Sources, Span, Symbol};
use dtm_lang::syntax::ast::{Decl, DeclKind, Expr, ExprKind, Import, Name};

/// The root file of what is made.
const MAIN: &str = "main.dts";
/// Where params are that no file says.
const PARAMS: &str = "params.dts";

/// A module in the making.
pub(super) struct Part {
    /// Its file.
    pub(super) name: String,
    /// The file of YAML whose comments it has.
    pub(super) file: FileId,
    /// Files that have no module: what is said there is said here.
    pub(super) others: Vec<FileId>,
    pub(super) decls: Vec<Decl>,
}

/// Declarations by modules, the root file first: one for each file of YAML, unless they would import each other.
pub(super) fn split(decls: Vec<Decl>, sources: &Sources) -> Vec<Part> {
    let (root, _) = sources.files().next().map_or((FileId(0), ()), |(id, _)| (id, ()));
    let files: HashSet<FileId> = decls.iter().filter(|d| is_own(d)).map(|d| d.span.file).collect();
    let one = |decls| {
        vec![Part {
            name: MAIN.into(),
            file: first_file(sources, root),
            others: sources.files().map(|(id, _)| id).collect(),
            decls,
        }]
    };
    if files.iter().filter(|file| **file != root).count() < 2 {
        return one(decls);
    }
    let mut names = names(sources);
    let mut parts: IndexMap<String, Vec<Decl>> = IndexMap::default();
    let mut main = vec![];
    for decl in &decls {
        match &decl.kind {
            DeclKind::Edition(..) | DeclKind::Settings(_) | DeclKind::Moved(..) => main.push(decl.clone()),
            DeclKind::Import(_) => {}
            _ => {
                let name = names.entry(decl.span.file).or_insert_with(|| PARAMS.into());
                parts.entry(name.clone()).or_default().push(decl.clone());
            }
        }
    }
    let mut home: HashMap<Symbol, String> = HashMap::default();
    for (part, decls) in &parts {
        home.extend(decls.iter().filter_map(declared).map(|name| (name, part.clone())));
    }
    let imports: HashMap<Symbol, Decl> = decls.iter().filter_map(imported).collect();
    let edition = || decls.iter().find(|d| matches!(d.kind, DeclKind::Edition(..))).cloned();
    let mut waits: HashMap<String, HashSet<String>> = HashMap::default();
    let mut out = vec![];
    for (part, own) in parts {
        let mut wanted: IndexMap<String, Vec<Symbol>> = IndexMap::default();
        let mut shared: Vec<Decl> = vec![];
        for name in used(&own) {
            if let Some(import) = imports.get(&name) {
                shared.push(import.clone());
            } else if let Some(other) = home.get(&name).filter(|other| **other != part) {
                waits.entry(part.clone()).or_default().insert(other.clone());
                wanted.entry(other.clone()).or_default().push(name);
            }
        }
        let span = own.first().map_or(Span::default(), |d| d.span);
        let more = wanted.iter().map(|(other, names)| import(span, other, Some(names)));
        let file = own.iter().find(|d| is_own(d)).map_or(root, |d| d.span.file);
        let decls: Vec<Decl> = edition().into_iter().chain(shared).chain(more).chain(own).collect();
        out.push(Part { name: part, file, others: vec![], decls });
    }
    if circular(&waits) {
        return one(decls);
    }
    let at = main.iter().take_while(|d| !matches!(d.kind, DeclKind::Moved(..))).count();
    let modules = out.iter().map(|part| import(Span::new(root, 0, 0), &part.name, None));
    main.splice(at..at, modules.collect::<Vec<_>>());
    let others =
        sources.files().map(|(id, _)| id).filter(|id| out.iter().all(|part: &Part| part.file != *id));
    let others = others.collect();
    out.insert(0, Part { name: MAIN.into(), file: root, others, decls: main });
    out
}

/// The file whose comments are those of the whole.
fn first_file(sources: &Sources, root: FileId) -> FileId {
    let is_listing = crate::FOLDER == &*sources.file(root).path;
    sources.files().map(|(id, _)| id).nth(usize::from(is_listing)).unwrap_or(root)
}

/// Whether a declaration is one of the file that it is from.
fn is_own(decl: &Decl) -> bool {
    matches!(
        decl.kind,
        DeclKind::Let { .. } | DeclKind::Tool(_) | DeclKind::Component { .. } | DeclKind::Param { .. }
    )
}

/// A name for the module of each file, each once, all beside each other.
fn names(sources: &Sources) -> HashMap<FileId, String> {
    let mut taken: HashSet<String> = [MAIN, PARAMS].map(String::from).into_iter().collect();
    let mut out = HashMap::default();
    for (id, file) in sources.files().skip(1) {
        let stem = file.path.trim_end_matches(".yaml").trim_end_matches(".yml").replace('/', "-");
        let mut name = format!("{stem}.dts");
        while !taken.insert(name.clone()) {
            name = format!("{}_.dts", name.trim_end_matches(".dts"));
        }
        out.insert(id, name);
    }
    out
}

/// What a declaration declares for others.
fn declared(decl: &Decl) -> Option<Symbol> {
    if let DeclKind::Component { name, .. } = &decl.kind { Some(name.text.clone()) } else { name_of(decl) }
}

/// What is imported from elsewhere, by the name that it has.
fn imported(decl: &Decl) -> Option<(Symbol, Decl)> {
    let DeclKind::Import(import) = &decl.kind else { return None };
    let name = import.name.as_ref().or_else(|| import.names.as_ref()?.first())?;
    Some((name.text.clone(), decl.clone()))
}

/// The names that declarations use, in order, each once.
fn used(decls: &[Decl]) -> Vec<Symbol> {
    let mut out: IndexMap<Symbol, ()> = IndexMap::default();
    let mut look = |e: &Expr| {
        each(&mut e.clone(), &mut |e| {
            if let ExprKind::Name(name) = &*e.kind {
                out.insert(name.clone(), ());
            }
        });
    };
    for decl in decls {
        match &decl.kind {
            DeclKind::Let { value, .. } => look(value),
            DeclKind::Tool(tool) => {
                look(&tool.inputs);
                tool.with.iter().for_each(&mut look);
                tool.each.iter().for_each(|each| look(&each.iter));
            }
            DeclKind::Component { body, .. } => {
                for decl in body {
                    if let DeclKind::Tool(tool) = &decl.kind {
                        look(&tool.inputs);
                    }
                }
            }
            _ => {}
        }
    }
    // A kind without a plugin is a component.
    let kinds = decls.iter().filter_map(|d| match &d.kind {
        DeclKind::Tool(tool) if tool.kind.parts.len() == 1 => Some(tool.kind.parts[0].text.clone()),
        _ => None,
    });
    out.extend(kinds.map(|kind| (kind, ())));
    out.into_keys().collect()
}

fn import(span: Span, file: &str, names: Option<&[Symbol]>) -> Decl {
    let names = names.map(|names| names.iter().map(|n| Name { text: n.clone(), span }).collect());
    let import = Import { path: format!("./{file}").into(), path_span: span, name: None, ty: None, names };
    decl(span, DeclKind::Import(import))
}

/// Whether modules would import each other.
fn circular(waits: &HashMap<String, HashSet<String>>) -> bool {
    let mut left: HashSet<&String> = waits.keys().collect();
    loop {
        let is_free = |part: &&&String| waits[**part].iter().all(|other| !left.contains(other));
        let free: Vec<&String> = left.iter().filter(is_free).copied().collect();
        if free.is_empty() {
            return !left.is_empty();
        }
        free.iter().for_each(|part| _ = left.remove(*part));
    }
}
