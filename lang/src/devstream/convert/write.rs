//! Declarations as text, with what is said of them.

use super::apps::Components;
use super::comments::Comments;
use super::modules::Part;
use super::print::{Printer, comment_lines, inline, type_text};
use super::repeats::Families;
use crate::maps::{HashMap, HashSet};
use crate::source::{FileId, Sources, Span, Symbol};
use crate::syntax::ast::{Decl, DeclKind, ExprKind, Tool};
use crate::syntax::format::format;
use crate::value::quote;
use std::cell::RefCell;

/// Where in the YAML a tool is from.
pub(super) struct About {
    /// Its entry, or that of the pipeline which it is.
    pub(super) item: Span,
    /// The entry of its app.
    pub(super) app: Option<Span>,
    /// What of it has no place.
    pub(super) left: Vec<String>,
}

/// Writes modules.
pub(super) struct Writer<'w> {
    sources: &'w Sources,
    comments: &'w mut Comments,
    about: HashMap<Symbol, About>,
    components: &'w Components,
    families: &'w Families,
    /// What is said of apps, by their tools.
    of_apps: HashMap<Symbol, Vec<String>>,
}

impl<'w> Writer<'w> {
    /// Nothing is written yet.
    pub(super) fn new(
        sources: &'w Sources,
        comments: &'w mut Comments,
        about: HashMap<Symbol, About>,
        components: &'w Components,
        families: &'w Families,
    ) -> Writer<'w> {
        // What is said of an app belongs to its tool, and not to the component, which stands before it.
        let mut of_apps: HashMap<Symbol, Vec<String>> = HashMap::default();
        for (own, members) in &components.members {
            let entry = members.first().and_then(|m| about.get(m)).and_then(|about| about.app);
            of_apps.insert(own.clone(), entry.map(|entry| comments.take(entry)).unwrap_or_default());
        }
        Writer { sources, comments, about, components, families, of_apps }
    }

    /// A module in the one style.
    ///
    /// # Errors
    /// What is wrong with what was written, which is a fault of ours.
    pub(super) fn text(&mut self, part: &Part, file: FileId) -> Result<String, String> {
        // Each once: all that is in such a text has the place of the whole.
        let shown = RefCell::new(HashSet::default());
        let sources = self.sources;
        let inside = |span: Span| match shown.borrow_mut().insert(span) {
            true => inner_comments(sources, span),
            false => vec![],
        };
        let mut printer = Printer { out: String::new(), comments: &mut *self.comments, inside: &inside };
        for (number, decl) in part.decls.iter().enumerate() {
            let of = |members: &[Symbol]| {
                members.iter().filter_map(|member| self.about.get(member)).collect::<Vec<_>>()
            };
            let at = match &decl.kind {
                DeclKind::Tool(tool) => match self.components.members.get(&tool.name.text) {
                    Some(members) => {
                        let items = of(members);
                        let said = self.of_apps.remove(&tool.name.text).unwrap_or_default();
                        Place { before: items.first().and_then(|a| a.app), said, items, ..Place::default() }
                    }
                    None => {
                        let items = of(std::slice::from_ref(&tool.name.text));
                        Place { head: items.first().map(|about| about.item), items, ..Place::default() }
                    }
                },
                // What is said of one of several stands with it.
                DeclKind::Let { name, .. } if self.families.members.contains_key(&name.text) => {
                    let items = of(&self.families.members[&name.text]);
                    Place { before: items.first().map(|about| about.item), items, ..Place::default() }
                }
                DeclKind::Component { .. } | DeclKind::Edition(..) | DeclKind::Moved(..) => Place::default(),
                _ => Place { head: Some(decl.span), ..Place::default() },
            };
            let begin = printer.out.len();
            written(&mut printer, decl, &at, part.file);
            // Short ones of a kind stand together.
            let line = &printer.out[begin..];
            let is_short = line.trim_end().lines().count() == 1;
            let next = part.decls.get(number + 1).map(|next| std::mem::discriminant(&next.kind));
            if is_short && next == Some(std::mem::discriminant(&decl.kind)) {
                printer.out.pop();
            }
        }
        let mut out = printer.out;
        comment_lines(&self.comments.rest(part.file), 0, &mut out);
        let (formatted, problems) = format(file, &out);
        formatted.ok_or_else(|| problems.iter().next().map(|d| d.headline.clone()).unwrap_or_default())
    }
}

/// An option that no input takes, as it stands in the YAML.
pub(super) fn left_out(sources: &Sources, path: &str, at: Span) -> String {
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
    items: Vec<&'p About>,
}

/// A declaration, with what is said of it above.
fn written(printer: &mut Printer<'_>, decl: &Decl, at: &Place<'_>, file: FileId) {
    let begin = printer.out.len();
    let before = at.before.or(at.head).map(|at| printer.comments.take_before(at)).unwrap_or_default();
    let mut head = at.head.map(|at| printer.comments.take(at)).unwrap_or_default();
    head.extend(at.said.iter().cloned());
    match &decl.kind {
        DeclKind::Edition(..) => {
            printer.out += "dts 1\n\n";
            let head = printer.comments.head(file);
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
                _ if names.is_empty() => format!("import {}\n\n", quote(&path)),
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
    for about in &at.items {
        let mut said = printer.comments.take_in(about.item);
        said.extend(about.left.iter().cloned());
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
