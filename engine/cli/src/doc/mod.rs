//! Documentation from doc comments: a module becomes a [`Page`], a page Markdown or HTML.
//!
//! ```text
//! main.dts, std/apps, an interface  ->  Page { doc, items }  ->  Markdown  ->  HTML
//! ```

pub mod html;
pub mod manual;
pub mod markdown;
pub mod reader;
pub mod reference;

use dtm_lang::syntax::ast::{Decl, DeclKind, Field, Module};
use dtm_lang::{Diagnostics, FileId, Span};

/// A module.
#[derive(Debug)]
pub struct Page {
    /// Its path as it is imported: `main.dts`, `std/apps`.
    pub path: String,
    /// What the whole of it is for.
    pub doc: String,
    /// What it declares, in order.
    pub items: Vec<Item>,
}

/// A declaration.
#[derive(Debug)]
pub struct Item {
    /// `param`, `type`, `component`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// How it is written, without its body.
    pub signature: String,
    /// Its documentation.
    pub doc: String,
    /// Since when it is there, and whether it should still be used.
    pub notes: Vec<String>,
    /// What goes in and comes out.
    pub ports: Vec<Port>,
}

/// An `in` or `out`.
#[derive(Debug)]
pub struct Port {
    /// `in` or `out`.
    pub way: &'static str,
    /// Its name.
    pub name: String,
    /// Its type, and its default.
    pub ty: String,
    /// Its documentation.
    pub doc: String,
    /// `@key` and others.
    pub notes: Vec<String>,
}

/// The headings of a page, in this order.
pub const GROUPS: [(&str, &str); 13] = [
    ("plugin", "Plugin"),
    ("setting", "Settings"),
    ("param", "Params"),
    ("component", "Components"),
    ("kind", "Kinds"),
    ("type", "Types"),
    ("fn", "Functions"),
    ("builtin", "Functions"),
    ("let", "Values"),
    ("tool", "Tools"),
    ("existing", "Objects of others"),
    ("output", "Outputs"),
    ("test", "Tests"),
];

/// What a module says of itself. The prelude's tests stand for the functions that they are of.
pub fn page(path: &str, text: &str) -> Page {
    let mut diagnostics = Diagnostics::default();
    let module = dtm_lang::syntax::parse(FileId(0), text, &mut diagnostics);
    let prelude = path == "std/prelude";
    let mut items: Vec<Item> = vec![];
    let mut doc = head(&module, text);
    for decl in &module.decls {
        if let DeclKind::Settings(fields) = &decl.kind {
            if doc.is_empty() {
                doc = decl.doc.as_deref().unwrap_or_default().to_string();
            }
            items.extend(fields.iter().filter(|f| f.ty.is_some()).map(|f| setting(f, text)));
            continue;
        }
        let Some(mut item) = item(decl, text) else { continue };
        if prelude && item.what == "test" {
            let Some(signature) = dtm_lang::builtin::signature_of(&item.name) else { continue };
            (item.what, item.signature) = ("builtin", signature);
        }
        if item.what == "plugin" {
            doc = std::mem::take(&mut item.doc);
        }
        items.push(item);
    }
    Page { path: path.into(), doc, items }
}

/// The examples in the documentation of a page: blocks of `dts`, each with what it is said of.
pub fn examples(page: &Page) -> Vec<(&str, String)> {
    let items = page.items.iter().flat_map(|i| {
        let mut all = vec![(i.name.as_str(), i.doc.as_str())];
        all.extend(i.ports.iter().map(|p| (p.name.as_str(), p.doc.as_str())));
        all
    });
    let mut out = vec![];
    for (name, doc) in std::iter::once((page.path.as_str(), page.doc.as_str())).chain(items) {
        let mut open: Option<String> = None;
        for line in doc.lines() {
            match (&mut open, line.trim_end()) {
                (None, "```dts") => open = Some(String::new()),
                (Some(_), "```") => out.extend(open.take().map(|text| (name, text))),
                (Some(text), line) => *text += &format!("{line}\n"),
                (None, _) => {}
            }
        }
    }
    out
}

/// The first doc comment, if it stands by itself.
fn head(module: &Module, text: &str) -> String {
    let of = |span: Span| &text[span.start as usize..span.end as usize];
    let mut lines = vec![];
    let mut end = None;
    for comment in module.comments.iter().filter(|c| c.own_line && of(c.span).starts_with("///")) {
        if end
            .is_some_and(|end: u32| text[end as usize..comment.span.start as usize].matches('\n').count() > 1)
        {
            break;
        }
        let line = of(comment.span).trim_start_matches('/');
        lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end());
        end = Some(comment.span.end);
    }
    let alone = end.is_some_and(|end| {
        let rest = &text[end as usize..];
        rest.trim_start().is_empty() || rest[..rest.len() - rest.trim_start().len()].matches('\n').count() > 1
    });
    let first = module.decls.iter().find(|d| !matches!(d.kind, DeclKind::Edition(..)));
    let before = end.zip(first).is_none_or(|(end, first)| end <= first.span.start);
    if alone && before { lines.join("\n") } else { String::new() }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no page")]
fn item(decl: &Decl, text: &str) -> Option<Item> {
    let of = |span: Span| &text[span.start as usize..span.end as usize];
    let from = |end: u32| {
        let whole = &text[decl.span.start as usize..end as usize];
        let plain = decl.annotations.last().map_or(whole, |a| &text[a.span.end as usize..end as usize]);
        tidy(plain)
    };
    let whole = || from(decl.span.end);
    // Up to the `=` or `{` of what is inside.
    let until = |span: Span| tidy(from(span.start).trim_end().trim_end_matches(['=', '{']));
    let mut ports = vec![];
    let (what, name, signature) = match &decl.kind {
        DeclKind::Plugin(name) => ("plugin", name.text.to_string(), whole()),
        DeclKind::Param { name, .. } => ("param", name.text.to_string(), whole()),
        DeclKind::Let { name, ty, value } if !name.text.starts_with('_') => {
            let signature = if ty.is_some() { until(value.span) } else { whole() };
            let short = !signature.contains('\n') && signature.len() <= 100;
            ("let", name.text.to_string(), if short { signature } else { format!("let {}", name.text) })
        }
        DeclKind::Type { name, .. } if !name.text.starts_with('_') => {
            ("type", name.text.to_string(), whole())
        }
        DeclKind::Fn { name, body, .. } if !name.text.starts_with('_') => {
            ("fn", name.text.to_string(), until(body.span))
        }
        DeclKind::Component { name, body } if !name.text.starts_with('_') => {
            ports = body.iter().filter_map(|d| port(d, text)).collect();
            ("component", name.text.to_string(), format!("component {}", name.text))
        }
        DeclKind::Kind { name, ports: all } => {
            ports = all.iter().filter_map(|d| port(d, text)).collect();
            ("kind", name.text.to_string(), format!("kind {}", name.text))
        }
        DeclKind::Tool(tool) => ("tool", tool.name.text.to_string(), until(tool.inputs.span)),
        DeclKind::Existing { name, keys, .. } => ("existing", name.text.to_string(), until(keys.span)),
        DeclKind::Output { name, ty, value } => {
            let signature = if ty.is_some() { until(value.span) } else { whole() };
            ("output", name.text.to_string(), signature)
        }
        DeclKind::Test { name, .. } => {
            let name = of(name.span).trim_matches('"').to_string();
            ("test", name.clone(), name)
        }
        _ => return None,
    };
    let notes = decl.annotations.iter().map(|a| of(a.span).to_string()).collect();
    Some(Item { what, name, signature, doc: decl.doc.as_deref().unwrap_or_default().into(), notes, ports })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are not ports")]
fn port(decl: &Decl, text: &str) -> Option<Port> {
    let (way, field) = match &decl.kind {
        DeclKind::In(field) => ("in", field),
        DeclKind::Out(field) => ("out", field),
        _ => return None,
    };
    let of = |span: Span| tidy(&text[span.start as usize..span.end as usize]);
    let ty = field.ty.as_ref().map(|t| of(t.span)).unwrap_or_default();
    // The value of an `out` is its own business.
    let default = field.value.as_ref().filter(|_| way == "in").map(|v| format!(" = {}", of(v.span)));
    Some(Port {
        way,
        name: field.name.text.to_string(),
        ty: ty + &default.unwrap_or_default(),
        doc: decl.doc.as_deref().unwrap_or_default().into(),
        notes: decl.annotations.iter().map(|a| of(a.span)).collect(),
    })
}

fn setting(field: &Field, text: &str) -> Item {
    let of = |span: Span| &text[span.start as usize..span.end as usize];
    Item {
        what: "setting",
        name: field.name.text.to_string(),
        signature: tidy(of(field.span)),
        doc: field.doc.as_deref().unwrap_or_default().into(),
        notes: field.annotations.iter().map(|a| of(a.span).to_string()).collect(),
        ports: vec![],
    }
}

/// Without blank lines at both ends; what is closed by a bracket on a line of its own, without the indentation of that.
fn tidy(text: &str) -> String {
    let text = text.trim();
    let last = text.lines().last().filter(|l| l.trim_start().starts_with(['}', ']', ')']));
    let cut = last.map_or(0, |l| l.len() - l.trim_start().len());
    let line = |(i, l): (usize, &str)| if i == 0 { l } else { l.get(cut..).unwrap_or("") }.to_string();
    text.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
