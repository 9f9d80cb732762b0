//! Trees as text, with comments; [`format`](dtm_lang::syntax::format) gives it the one style.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind is printed in one line")]

use super::comments::Comments;
use dtm_lang::source::Span;
use dtm_lang::syntax::ast::{BinaryOp, Element, Entry, Expr, ExprKind, Name, StrPart, TypeExpr, TypeKind};
use dtm_lang::syntax::duration_text;
use dtm_lang::value::{Data, Value, quote};

/// As many characters fit on a line.
const WIDTH: usize = 100;
/// A record with more fields stands on several lines.
const FIELDS: usize = 4;

/// Writes trees, comments where they belong.
pub(super) struct Printer<'c> {
    pub(super) out: String,
    pub(super) comments: &'c mut Comments,
    /// What is said inside of a text that became data: the text of YAML at a place.
    pub(super) inside: &'c dyn Fn(Span) -> Vec<String>,
}

/// `// comment`, at an indentation, each on a line of its own.
pub(super) fn comment_lines(comments: &[String], indent: usize, out: &mut String) {
    for comment in comments {
        *out += format!("{}//{}", " ".repeat(indent), spaced(comment)).trim_end();
        out.push('\n');
    }
}

/// A comment of YAML that stands behind its `#` begins with a blank here. `///` would be documentation.
fn spaced(comment: &str) -> String {
    match comment.chars().next() {
        None | Some(' ' | '\t') => comment.to_string(),
        _ => format!(" {comment}"),
    }
}

impl Printer<'_> {
    /// The entries of a record, each on its line, with what is said of them.
    pub(super) fn entries(&mut self, entries: &[Entry], indent: usize) {
        for entry in entries {
            let (at, value) = match entry {
                Entry::Field { name, value, .. } => (name.span, value.as_ref()),
                Entry::Computed(key, value) => (key.span, Some(value)),
                Entry::Spread(value) => (value.span, Some(value)),
                Entry::Error(_) => continue,
            };
            let mut said = self.comments.take(at);
            said.extend(value.into_iter().flat_map(|value| self.comments.take(value.span)));
            if let Some(value) = value.filter(|v| !matches!(&*v.kind, ExprKind::Str(_))) {
                said.extend((self.inside)(value.span));
            }
            comment_lines(&said, indent, &mut self.out);
            self.out += &" ".repeat(indent);
            match entry {
                Entry::Field { name, value: Some(value), quoted } if !is_short(name, value) => {
                    self.out += &key(&name.text, *quoted);
                    self.out += " = ";
                    self.value(value, indent);
                }
                Entry::Field { name, .. } => self.out += &name.text,
                Entry::Computed(key, value) => {
                    self.out += &format!("[{}] = ", inline(key));
                    self.value(value, indent);
                }
                Entry::Spread(value) => self.out += &format!("...{}", inline(value)),
                Entry::Error(_) => {}
            }
            self.out.push('\n');
        }
    }

    /// A value, on one line where it fits.
    pub(super) fn value(&mut self, value: &Expr, indent: usize) {
        let line = inline(value);
        let begun = self.out.len() - self.out.rfind('\n').map_or(0, |n| n + 1);
        let fits = begun + line.chars().count() <= WIDTH && !self.is_long(value);
        let inner = indent + 2;
        match &*value.kind {
            ExprKind::Record(entries) if !fits && !entries.is_empty() => {
                self.out += "{\n";
                self.entries(entries, inner);
                self.out += &format!("{}}}", " ".repeat(indent));
            }
            ExprKind::List(items) if !fits && !items.is_empty() => {
                self.out += "[\n";
                for item in items {
                    let (Element::One(e) | Element::Spread(e)) = item;
                    let said = self.comments.take(e.span);
                    comment_lines(&said, inner, &mut self.out);
                    self.out += &" ".repeat(inner);
                    if matches!(item, Element::Spread(_)) {
                        self.out += "...";
                    }
                    self.value(e, inner);
                    self.out += ",\n";
                }
                self.out += &format!("{}]", " ".repeat(indent));
            }
            ExprKind::Str(parts) if is_block(parts) => {
                let pad = " ".repeat(inner);
                let mut text = String::new();
                for part in parts {
                    match part {
                        StrPart::Text(t) => text += &in_block(t),
                        StrPart::Expr(e) => text += &format!("${{{}}}", inline(e)),
                    }
                }
                self.out += "\"\"\"\n";
                for line in text.lines() {
                    if !line.is_empty() {
                        self.out += &format!("{pad}{line}");
                    }
                    self.out.push('\n');
                }
                self.out += &format!("{pad}\"\"\"");
            }
            _ => self.out += &line,
        }
    }

    /// Whether a value wants several lines: it is large, has a text of several, or something is said of its parts.
    fn is_long(&self, value: &Expr) -> bool {
        match &*value.kind {
            ExprKind::Record(entries) => {
                entries.len() > FIELDS
                    || entries.iter().any(|entry| match entry {
                        Entry::Field { name, value, .. } => {
                            self.comments.has(name.span)
                                || value
                                    .as_ref()
                                    .is_some_and(|v| self.comments.has(v.span) || self.is_long(v))
                        }
                        Entry::Computed(_, value) => self.is_long(value),
                        Entry::Spread(_) | Entry::Error(_) => false,
                    })
            }
            ExprKind::List(items) => items.iter().any(|item| {
                let (Element::One(e) | Element::Spread(e)) = item;
                self.is_long(e) || self.comments.has(e.span) && items.len() > 1
            }),
            ExprKind::Str(parts) => is_block(parts),
            _ => false,
        }
    }
}

/// Whether a text is one of several lines, as a block holds it.
fn is_block(parts: &[StrPart]) -> bool {
    let plain = |part: &StrPart| match part {
        StrPart::Text(t) => t.chars().all(|c| c == '\n' || !c.is_control()),
        StrPart::Expr(e) => !inline(e).contains('\n'),
    };
    let whole: String = parts
        .iter()
        .map(|part| match part {
            StrPart::Text(t) => t.to_string(),
            StrPart::Expr(_) => "x".into(),
        })
        .collect();
    // Blanks at the end of a line would not be seen.
    let seen = whole.lines().all(|line| line.trim_end() == line);
    whole.ends_with('\n') && whole.len() > 1 && seen && parts.iter().all(plain)
}

/// Text inside of a block.
fn in_block(text: &str) -> String {
    text.replace('\\', "\\\\").replace("${", "\\${").replace("\"\"\"", "\\\"\\\"\\\"")
}

/// `name = name` is written as `name`.
fn is_short(name: &Name, value: &Expr) -> bool {
    matches!(&*value.kind, ExprKind::Name(given) if *given == name.text)
}

/// The name of a field.
fn key(name: &str, quoted: bool) -> String {
    if quoted { quote(name) } else { name.to_string() }
}

/// An expression on one line.
pub(super) fn inline(expr: &Expr) -> String {
    match &*expr.kind {
        ExprKind::Null | ExprKind::Error => "null".into(),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Int(n) => n.to_string(),
        ExprKind::Float(f) => Value::plain(Data::Float(*f)).text().unwrap_or_default(),
        ExprKind::Duration(ns) => duration_text(*ns),
        ExprKind::Name(name) => name.to_string(),
        ExprKind::Str(parts) => {
            let mut out = String::from("\"");
            for part in parts {
                match part {
                    StrPart::Text(t) => {
                        let quoted = quote(t);
                        out += &quoted[1..quoted.len() - 1];
                    }
                    StrPart::Expr(expr) => out += &format!("${{{}}}", inline(expr)),
                }
            }
            out + "\""
        }
        ExprKind::Member { base, name, safe } => {
            format!("{}{}{}", operand(base), if *safe { "?." } else { "." }, name.text)
        }
        ExprKind::Index { base, index } => format!("{}[{}]", operand(base), inline(index)),
        ExprKind::Call { callee, args } => {
            let args: Vec<String> = args.iter().map(|arg| inline(&arg.value)).collect();
            format!("{}({})", inline(callee), args.join(", "))
        }
        ExprKind::Record(entries) if entries.is_empty() => "{}".into(),
        ExprKind::Record(entries) => {
            let entries: Vec<String> = entries.iter().map(inline_entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        ExprKind::Construct { name, record } => format!("{} {}", name.text, inline(record)),
        ExprKind::List(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    Element::One(expr) => inline(expr),
                    Element::Spread(expr) => format!("...{}", inline(expr)),
                })
                .collect();
            format!("[{}]", items.join(", "))
        }
        ExprKind::Binary(op, left, right) => {
            let op = match op {
                BinaryOp::Coalesce => "??",
                BinaryOp::Eq => "==",
                _ => "!=",
            };
            format!("{} {op} {}", operand(left), operand(right))
        }
        ExprKind::Cast(inner, ty) => format!("{} as {}", operand(inner), type_text(ty)),
        ExprKind::Paren(inner) => format!("({})", inline(inner)),
        // Nothing else is made of YAML.
        ExprKind::Size(_)
        | ExprKind::Lambda { .. }
        | ExprKind::ListComp { .. }
        | ExprKind::MapComp { .. }
        | ExprKind::If { .. }
        | ExprKind::Match { .. }
        | ExprKind::Unary(..) => "null".into(),
    }
}

/// An operand, in parentheses where it needs them.
fn operand(expr: &Expr) -> String {
    if let ExprKind::Binary(..) | ExprKind::Cast(..) = &*expr.kind {
        format!("({})", inline(expr))
    } else {
        inline(expr)
    }
}

fn inline_entry(entry: &Entry) -> String {
    match entry {
        Entry::Field { name, value: Some(value), quoted } if !is_short(name, value) => {
            format!("{} = {}", key(&name.text, *quoted), inline(value))
        }
        Entry::Field { name, .. } => name.text.to_string(),
        Entry::Computed(key, value) => format!("[{}] = {}", inline(key), inline(value)),
        Entry::Spread(e) => format!("...{}", inline(e)),
        Entry::Error(_) => String::new(),
    }
}

/// A type.
pub(super) fn type_text(ty: &TypeExpr) -> String {
    match &*ty.kind {
        TypeKind::Path(path) => path.parts.iter().map(|p| &*p.text).collect::<Vec<_>>().join("."),
        TypeKind::Secret(inner) => format!("secret {}", type_text(inner)),
        TypeKind::Optional(inner) => format!("{}?", type_text(inner)),
        _ => "any".into(),
    }
}
