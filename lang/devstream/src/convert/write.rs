//! Declarations as text, with what is said of them.
#![expect(clippy::wildcard_enum_match_arm, reason = "a declaration of another kind is written as it is")]

use super::apps::Components;
use super::comments::Comments;
use super::modules::Part;
use super::print::{Printer, comment_lines, inline, type_text};
use super::repeats::Families;
use crate::kinds::{Left, literal};
use crate::{is_secret_key, is_secret_text};
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::{FileId, Sources, Span, Symbol};
use dtm_lang::syntax::ast::{Decl, DeclKind, Element, Entry, Expr, ExprKind, Tool};
use dtm_lang::syntax::format::format;
use dtm_lang::value::quote;
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
        comments.own(about.values().map(|about| about.app.unwrap_or(about.item)));
        // What is said of an app belongs to its tool, and not to the component, which stands before it.
        let apps = components.members.values().filter_map(|members| about.get(members.first()?)?.app);
        apps.for_each(|entry| comments.reserve(entry));
        // So it is with what is said of one of a family.
        let members = families.members.values().flatten().filter_map(|member| about.get(member));
        members.for_each(|about| comments.reserve(about.app.unwrap_or(about.item)));
        Writer { sources, comments, about, components, families }
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
        let mut met: HashSet<Span> = HashSet::default();
        for (number, decl) in part.decls.iter().enumerate() {
            let mut is_first = |about: &About| about.app.is_some_and(|app| met.insert(app));
            let of = |members: &[Symbol]| -> Vec<&About> {
                let tools = members.iter().flat_map(|m| {
                    self.components.members.get(m).map_or(std::slice::from_ref(m), Vec::as_slice)
                });
                tools.filter_map(|tool| self.about.get(tool)).collect()
            };
            let at = match &decl.kind {
                DeclKind::Tool(tool) => match self.components.members.get(&tool.name.text) {
                    Some(members) => {
                        let items = of(members);
                        let app = items.first().and_then(|about| about.app);
                        Place { head: app, items, ..Place::default() }
                    }
                    None => {
                        let items = of(std::slice::from_ref(&tool.name.text));
                        // The first tool of an app has what is said of it.
                        let head = items
                            .first()
                            .map(|about| about.app.filter(|_| is_first(about)).unwrap_or(about.item));
                        Place { head, items, ..Place::default() }
                    }
                },
                // What is said of one of several stands with it.
                DeclKind::Let { name, .. } if self.families.members.contains_key(&name.text) => {
                    let items = of(&self.families.members[&name.text]);
                    let before = items.first().map(|about| about.app.unwrap_or(about.item));
                    Place { before, items, ..Place::default() }
                }
                DeclKind::Import(import) if import.name.is_none() => Place::default(),
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
        for file in std::iter::once(part.file).chain(part.others.iter().copied()) {
            comment_lines(&self.comments.rest(file), 0, &mut out);
        }
        let (formatted, problems) = format(file, &out);
        formatted.ok_or_else(|| problems.iter().next().map(|d| d.headline.clone()).unwrap_or_default())
    }
}

/// An option that no input takes; what is a secret in it is not shown.
pub(super) fn left_out(left: &Left) -> String {
    let key = left.path.rsplit('.').next().unwrap_or_default();
    let mut value = left.value.clone();
    masked(&mut value, key);
    let shown: String = inline(&value).chars().take(SHOWN).collect();
    format!(" left out, nothing takes `{}`: {shown}", left.path)
}

/// So much of what is left out is shown.
const SHOWN: usize = 120;

fn masked(expr: &mut Expr, key: &str) {
    const WORDS: [&str; 4] = ["password", "token", "secret", "apiKey"];
    // One that is misspelt is one too.
    let is_secret = is_secret_key(key) || dtm_lang::diag::nearest(key, WORDS).is_some();
    let is_text = is_secret || literal(expr).is_some_and(|text| is_secret_text(&text));
    match &mut *expr.kind {
        ExprKind::Record(entries) => {
            for entry in entries {
                if let Entry::Field { name, value: Some(value), .. } = entry {
                    let own = if is_secret { key } else { &*name.text };
                    masked(value, own);
                }
            }
        }
        ExprKind::List(items) => {
            for item in items {
                let (Element::One(expr) | Element::Spread(expr)) = item;
                masked(expr, key);
            }
        }
        ExprKind::Null | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Member { .. } => {}
        _ if is_text => {
            *expr = crate::build::text(expr.span, "(secret)");
        }
        _ => {}
    }
}

/// What is said in a text of several lines that became data.
fn inner_comments(sources: &Sources, span: Span) -> Vec<String> {
    let text = sources.file(span.file).text.get(span.range()).unwrap_or("");
    // It begins where the first line of the text does, or before that.
    if !is_block(sources, span) {
        return vec![];
    }
    // What stands there is YAML, indented.
    let lines = || text.lines().skip(usize::from(text.starts_with(['|', '>'])));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let common = lines().skip(1).filter(|l| !l.trim().is_empty()).map(indent).min().unwrap_or(0);
    let plain: Vec<&str> = lines().map(|line| line.get(common.min(indent(line))..).unwrap_or("")).collect();
    super::comments::of_text(&plain.join("\n"))
}

/// Whether a text of YAML is a block: `|` or `>` stands at its begin, or is the last on the line before.
fn is_block(sources: &Sources, span: Span) -> bool {
    let before = &sources.file(span.file).text[..span.start as usize];
    let mark = |line: &str| {
        let line = line.split_once(" #").map_or(line, |(code, _)| code).trim_end();
        line.trim_end_matches(|c: char| "+-0123456789".contains(c)).ends_with(['|', '>'])
    };
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
    /// Entries that it is made of, with what of them has no place.
    items: Vec<&'p About>,
}

/// A declaration, with what is said of it above.
fn written(printer: &mut Printer<'_>, decl: &Decl, at: &Place<'_>, file: FileId) {
    let begin = printer.out.len();
    let before = at.before.or(at.head).map(|at| printer.comments.take_before(at)).unwrap_or_default();
    let head = at.head.map(|at| printer.comments.take(at)).unwrap_or_default();
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
