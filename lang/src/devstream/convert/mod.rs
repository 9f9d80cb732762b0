//! A configuration as `.dts`, as a person would have written it.
//!
//! ```text
//! YAML ──read──> Model ──kinds──> module ──params in the place of secrets──> module ──print, with comments──> text ──format
//! ```

mod apps;
mod comments;
mod outside;
mod print;
mod repeats;

use super::program::Ours;
use super::{View, read};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::loader::Loader;
use crate::maps::{HashMap, HashSet, IndexMap};
use crate::source::{Sources, Span, Symbol};
use crate::syntax::ast::{Decl, DeclKind, Element, Entry, Expr, ExprKind, Tool};
use crate::syntax::format::format;
use crate::value::quote;
use comments::Comments;
use outside::Outside;
use print::{Printer, comment_lines, inline, type_text};
use std::cell::RefCell;

/// A configuration that was converted.
pub struct Conversion {
    /// The program.
    pub text: String,
    /// The values of the secrets that stood in the YAML, as a file of params; nothing where there was none.
    pub params: Option<String>,
    /// New addresses of tools, by those that they have in the YAML.
    pub moved: IndexMap<Symbol, String>,
    /// The variables of the environment that it reads.
    pub env: Vec<Symbol>,
}

/// Converts a configuration; with the files that were read, for the diagnostics. Nothing where it cannot be read. What has no place
/// in the result is told, and is in it as a comment. With `joined`, what is written again and again becomes a family or a component.
pub fn convert(root: &str, loader: &dyn Loader, joined: bool) -> (Option<Conversion>, Sources, Diagnostics) {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let text = match loader.read(root).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return (None, sources, failed(root, "it is not UTF-8")),
        Err(why) => return (None, sources, failed(root, &why)),
    };
    let file = sources.add_shown(root, loader.shown(root), &*text);
    let model = read(View::Ours, (root, file), &text, (loader, &mut sources), &mut diags);
    let Some(model) = model.filter(|_| !diags.has_errors()) else { return (None, sources, diags) };
    let ours = Ours::of(&model, &mut diags);
    let mut decls = ours.module(&model, file).decls;
    dependencies_first(&mut decls);
    without_needless_order(&mut decls);
    decls.iter_mut().for_each(in_order);
    let mut outside = Outside::new(loader, &decls);
    let params = outside.hoist(&mut decls);
    let first = decls
        .iter()
        .position(|d| !matches!(d.kind, DeclKind::Edition(..) | DeclKind::Settings(_) | DeclKind::Import(_)));
    let first = first.unwrap_or(decls.len());
    decls.splice(first..first, params);
    let mut components = apps::Components::default();
    let mut families = repeats::Families::default();
    if joined {
        let of =
            model.tools.iter().zip(&ours.names).filter_map(|(t, own)| Some((own.clone(), t.app.clone()?.0)));
        components = apps::components(&mut decls, &of.collect(), &mut outside);
        let items = model.tools.iter().zip(&ours.names).map(|(tool, own)| (own.clone(), tool.item)).collect();
        families = repeats::families(&mut decls, &items, std::mem::take(&mut components.moved));
    }
    decls.extend(repeats::moves(&families.moved, Span::new(file, 0, 0)));

    let mut comments = Comments::default();
    for (id, source) in sources.files() {
        comments.add(id, &source.text);
    }
    // Each once: all that is in such a text has the place of the whole.
    let shown = RefCell::new(HashSet::default());
    let inside = |span: Span| match shown.borrow_mut().insert(span) {
        true => inner_comments(&sources, span),
        false => vec![],
    };
    let about: HashMap<&Symbol, (Span, Vec<String>)> = model
        .tools
        .iter()
        .zip(&ours.mapped)
        .zip(&ours.names)
        .map(|((tool, mapped), own)| {
            let lines = mapped.left.iter().map(|left| left_out(&sources, &left.path, left.at));
            (own, (tool.item, lines.collect()))
        })
        .collect();
    let app_of = |own: &Symbol| {
        let tool = ours.names.iter().position(|n| n == own).and_then(|number| model.tools.get(number));
        tool.and_then(|tool| tool.app.as_ref().map(|(_, entry)| *entry))
    };
    // What is said of an app belongs to its tool, and not to the component, which stands before it.
    let mut of_apps: HashMap<Symbol, Vec<String>> = HashMap::default();
    for (own, members) in &components.members {
        let said = app_of(&members[0]).map(|entry| comments.take(entry));
        of_apps.insert(own.clone(), said.unwrap_or_default());
    }
    let mut printer = Printer { out: String::new(), comments: &mut comments, inside: &inside };
    for (number, decl) in decls.iter().enumerate() {
        let of =
            |members: &[Symbol]| members.iter().filter_map(|member| about.get(member)).collect::<Vec<_>>();
        let at = match &decl.kind {
            DeclKind::Tool(tool) => match components.members.get(&tool.name.text) {
                Some(members) => Place {
                    before: app_of(&members[0]),
                    said: of_apps.remove(&tool.name.text).unwrap_or_default(),
                    items: of(members),
                    ..Place::default()
                },
                None => {
                    let items = of(std::slice::from_ref(&tool.name.text));
                    Place { head: items.first().map(|(item, _)| *item), items, ..Place::default() }
                }
            },
            // What is said of one of several stands with it.
            DeclKind::Let { name, .. } if families.members.contains_key(&name.text) => {
                let items = of(&families.members[&name.text]);
                Place { before: items.first().map(|(item, _)| *item), items, ..Place::default() }
            }
            DeclKind::Component { .. } | DeclKind::Edition(..) | DeclKind::Moved(..) => Place::default(),
            _ => Place { head: Some(decl.span), ..Place::default() },
        };
        let begin = printer.out.len();
        written(&mut printer, decl, &at);
        // Short ones of a kind stand together.
        let line = &printer.out[begin..];
        let is_short = line.trim_end().lines().count() == 1;
        let next = decls.get(number + 1).map(|next| std::mem::discriminant(&next.kind));
        if is_short && next == Some(std::mem::discriminant(&decl.kind)) {
            printer.out.pop();
        }
    }
    let Printer { mut out, .. } = printer;
    comment_lines(&comments.rest(), 0, &mut out);
    let (formatted, problems) = format(file, &out);
    let Some(text) = formatted else {
        // What was printed is no program: that is a fault of ours, and is told as one.
        let why = problems.iter().next().map(|d| d.headline.clone()).unwrap_or_default();
        return (None, sources, failed(root, &format!("what was made of it cannot be read again: {why}")));
    };
    let params = (!outside.values.is_empty()).then(|| {
        let lines = outside.values.iter().map(|(own, value)| format!("{own}: {}\n", json(value)));
        lines.collect()
    });
    let env = outside.env.into_iter().collect::<HashSet<_>>().into_iter().collect();
    (Some(Conversion { text, params, moved: families.moved, env }), sources, diags)
}

fn failed(root: &str, why: &str) -> Diagnostics {
    Diagnostic::new(Code::E0206, format!("cannot convert `{root}`: {why}")).into()
}

/// A text as it stands in YAML and in JSON.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An option that no input takes, as it stands in the YAML.
fn left_out(sources: &Sources, path: &str, at: Span) -> String {
    let text = &sources.file(at.file).text;
    let line = text[at.start as usize..].lines().next().unwrap_or("");
    format!(" left out, nothing takes `{path}`: {line}")
}

/// What is said in a text of several lines that became data.
fn inner_comments(sources: &Sources, span: Span) -> Vec<String> {
    let text = sources.file(span.file).text.get(span.range()).unwrap_or("");
    // It begins where the first line of the text does, or before that.
    if !is_block(sources, span) {
        return vec![];
    }
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix('#'))
        .map(|said| said.trim_end().to_string())
        .collect()
}

/// Whether a text of YAML is a block: `|` or `>` stands at its begin, or is the last on the line before.
fn is_block(sources: &Sources, span: Span) -> bool {
    let before = &sources.file(span.file).text[..span.start as usize];
    let mark = |text: &str| text.trim_end_matches(|c: char| "+-0123456789".contains(c)).ends_with(['|', '>']);
    let text = sources.file(span.file).text.get(span.range()).unwrap_or("");
    text.starts_with(['|', '>']) || text.contains('\n') && before.trim_end().lines().last().is_some_and(mark)
}

/// Where in the YAML a declaration is from.
#[derive(Default)]
struct Place<'p> {
    /// What is said before this, and has no other place, stands before it.
    before: Option<Span>,
    /// So does what is said of this.
    head: Option<Span>,
    /// What is said of it is known already.
    said: Vec<String>,
    /// Entries that it is made of, with what of them has no place.
    items: Vec<&'p (Span, Vec<String>)>,
}

/// A declaration, with what is said of it above.
fn written(printer: &mut Printer<'_>, decl: &Decl, at: &Place<'_>) {
    let begin = printer.out.len();
    let before = at.before.or(at.head).map(|at| printer.comments.take_before(at)).unwrap_or_default();
    let mut head = at.head.map(|at| printer.comments.take(at)).unwrap_or_default();
    head.extend(at.said.iter().cloned());
    match &decl.kind {
        DeclKind::Edition(..) => {
            printer.out += "dts 1\n\n";
            let head = printer.comments.head();
            comment_lines(&head, 0, &mut printer.out);
            if !head.is_empty() {
                printer.out.push('\n');
            }
        }
        DeclKind::Settings(fields) => {
            printer.out += "settings {\n";
            for field in fields {
                let value = field.value.as_ref().map(inline).unwrap_or_default();
                printer.out += &format!("  {} = {value}\n", field.name.text);
            }
            printer.out += "}\n\n";
        }
        DeclKind::Import(import) => {
            let path = match import.path.starts_with("std/") || import.path.starts_with('.') {
                true => import.path.to_string(),
                false => format!("./{}", import.path),
            };
            let names = import.names.iter().flatten().map(|n| &*n.text).collect::<Vec<_>>().join(", ");
            printer.out += &match (&import.name, &import.ty) {
                (Some(name), Some(ty)) => {
                    format!("import {} as {}: {}\n\n", quote(&path), name.text, type_text(ty))
                }
                _ => format!("import {{ {names} }} from {}\n\n", quote(&path)),
            };
        }
        DeclKind::Param { name, ty, default } => {
            printer.out += &format!("param {}: {}", name.text, type_text(ty));
            if let Some(default) = default {
                printer.out += &format!(" = {}", inline(default));
            }
            printer.out += "\n\n";
        }
        DeclKind::Let { name, value, .. } => {
            printer.out += &format!("let {} = ", name.text);
            printer.value(value, 0);
            printer.out += "\n\n";
        }
        DeclKind::Tool(tool) => self::tool(printer, tool, 0),
        DeclKind::Component { name, body } => {
            printer.out += &format!("component {} {{\n", name.text);
            for decl in body {
                match &decl.kind {
                    DeclKind::In(field) => {
                        let ty = field.ty.as_ref().map(type_text).unwrap_or_default();
                        printer.out += &format!("  in {}: {ty}\n", field.name.text);
                    }
                    DeclKind::Tool(tool) => {
                        printer.out += "\n  ";
                        self::tool(printer, tool, 2);
                        printer.out.pop();
                    }
                    _ => {}
                }
            }
            printer.out += "}\n\n";
        }
        DeclKind::Moved(from, to) => printer.out += &format!("moved {} -> {}\n\n", from.text, to.text),
        _ => {}
    }
    let body = printer.out.split_off(begin);
    comment_lines(&before, 0, &mut printer.out);
    comment_lines(&head, 0, &mut printer.out);
    // What is left of what is said in it, and what has no place.
    for (item, left) in &at.items {
        let mut said = printer.comments.take_in(*item);
        said.extend(left.iter().cloned());
        comment_lines(&said, 0, &mut printer.out);
    }
    printer.out += &body;
}

fn tool(printer: &mut Printer<'_>, tool: &Tool, indent: usize) {
    let kind: Vec<&str> = tool.kind.parts.iter().map(|p| &*p.text).collect();
    let each = tool.each.as_ref().map(|each| {
        let vars: Vec<&str> = each.vars.iter().map(|v| &*v.text).collect();
        format!("[{} in {}]", vars.join(", "), inline(&each.iter))
    });
    printer.out += &format!("tool {}{}: {} {{", tool.name.text, each.unwrap_or_default(), kind.join("."));
    if let ExprKind::Record(entries) = &*tool.inputs.kind
        && !entries.is_empty()
    {
        printer.out.push('\n');
        printer.entries(entries, indent + 2);
        printer.out += &" ".repeat(indent);
    }
    printer.out.push('}');
    if let Some(with) = &tool.with {
        printer.out += &format!(" with {}", inline(with));
    }
    printer.out += "\n\n";
}

/// Inputs in the order of what they are made of, in the YAML; a spread stays first.
fn in_order(decl: &mut Decl) {
    let DeclKind::Tool(tool) = &mut decl.kind else { return };
    if let ExprKind::Record(entries) = &mut *tool.inputs.kind {
        entries.sort_by_key(|entry| match entry {
            Entry::Spread(_) => (0, 0),
            Entry::Field { value: Some(value), .. } => (1, value.span.start),
            _ => (2, 0),
        });
    }
}

/// Puts a tool before those that wait for it, and leaves the order as it is otherwise.
fn dependencies_first(decls: &mut Vec<Decl>) {
    let names: HashMap<Symbol, usize> = decls
        .iter()
        .enumerate()
        .filter_map(|(number, decl)| match &decl.kind {
            DeclKind::Tool(tool) => Some((tool.name.text.clone(), number)),
            _ => None,
        })
        .collect();
    let mut waits: Vec<Vec<usize>> = vec![];
    for decl in &mut *decls {
        let mut direct = vec![];
        if let DeclKind::Tool(tool) = &mut decl.kind {
            for part in std::iter::once(&mut tool.inputs).chain(&mut tool.with) {
                super::build::each(part, &mut |e| {
                    if let ExprKind::Name(name) = &*e.kind {
                        direct.extend(names.get(name));
                    }
                });
            }
        }
        waits.push(direct);
    }
    let mut order = vec![];
    let mut met = vec![false; decls.len()];
    for first in 0..decls.len() {
        let mut open = vec![(first, false)];
        while let Some((at, is_ready)) = open.pop() {
            if is_ready {
                order.push(at);
            } else if !std::mem::replace(&mut met[at], true) {
                open.push((at, true));
                open.extend(waits[at].iter().rev().filter(|dep| !met[**dep]).map(|dep| (*dep, false)));
            }
        }
    }
    let mut all: Vec<Option<Decl>> = std::mem::take(decls).into_iter().map(Some).collect();
    decls.extend(order.into_iter().filter_map(|at| all[at].take()));
}

/// Takes out of `after` what a tool waits for anyway, by what it reads or by what those wait for that it names.
fn without_needless_order(decls: &mut [Decl]) {
    let mut waits: HashMap<Symbol, HashSet<Symbol>> = HashMap::default();
    let names: HashSet<Symbol> = decls
        .iter()
        .filter_map(|d| match &d.kind {
            DeclKind::Tool(tool) => Some(tool.name.text.clone()),
            _ => None,
        })
        .collect();
    for decl in &mut *decls {
        if let DeclKind::Tool(tool) = &mut decl.kind {
            let mut direct = HashSet::default();
            for part in std::iter::once(&mut tool.inputs).chain(&mut tool.with) {
                super::build::each(part, &mut |e| {
                    if let ExprKind::Name(name) = &*e.kind
                        && names.contains(name)
                    {
                        direct.insert(name.clone());
                    }
                });
            }
            waits.insert(tool.name.text.clone(), direct);
        }
    }
    for decl in decls {
        let DeclKind::Tool(tool) = &mut decl.kind else { continue };
        let direct = waits.get(&tool.name.text).cloned().unwrap_or_default();
        let Some(after) = tool.with.as_mut().and_then(after_of) else { continue };
        after.retain(|element| {
            let Element::One(Expr { kind, .. }) = element else { return true };
            let ExprKind::Name(name) = &**kind else { return true };
            !direct.iter().any(|other| other != name && reaches(&waits, other, name))
        });
        if after.is_empty() {
            tool.with = None;
        } else if let [Element::One(_)] = &**after {
            let Some(Element::One(only)) = after.pop() else { continue };
            if let Some(ExprKind::Record(entries)) = tool.with.as_mut().map(|w| &mut *w.kind)
                && let Some(Entry::Field { value, .. }) = entries.first_mut()
            {
                *value = Some(only);
            }
        }
    }
}

fn after_of(with: &mut Expr) -> Option<&mut Vec<Element>> {
    let ExprKind::Record(entries) = &mut *with.kind else { return None };
    let Some(Entry::Field { value: Some(value), .. }) = entries.first_mut() else { return None };
    match &mut *value.kind {
        ExprKind::List(items) => Some(items),
        _ => None,
    }
}

/// Whether a tool waits for another, by whatever way; each is gone through once.
fn reaches(waits: &HashMap<Symbol, HashSet<Symbol>>, from: &Symbol, to: &Symbol) -> bool {
    let mut seen: HashSet<&Symbol> = HashSet::default();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for next in waits.get(at).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}
