//! Values of YAML as expressions: texts with what is masked in them, maps with what they take over.
#![expect(clippy::wildcard_enum_match_arm, reason = "YAML has no values of the other kinds")]

use super::View;
use super::build::{expr, field, joined_parts, list, name};
use super::mask::{Kind, MARK, Masked};
use super::model::{Reader, Source, get};
use super::template::{self, Scope};
use dtm_lang::data::{Node, NodeKind};
use dtm_lang::diag::Diagnostics;
use dtm_lang::source::{FileId, Span};
use dtm_lang::syntax::ast::{Entry, Expr, ExprKind, Name, StrPart};
use dtm_lang::value::Data;

/// So many variables may stand in a name, those in variables among them.
const MOST_VARIABLES: usize = 100;

fn number(data: &Data) -> ExprKind {
    match data {
        Data::Int(n) => ExprKind::Int(*n),
        Data::Float(f) => ExprKind::Float(*f),
        _ => ExprKind::Error,
    }
}

impl Reader<'_> {
    /// What is masked in a scalar, in order.
    fn masked(&self, span: Span) -> &[Masked] {
        let Some(source) = self.source(span.file) else { return &[] };
        let range = span.range();
        let from = source.masked.partition_point(|m| m.range.start < range.start);
        let to = source.masked.partition_point(|m| m.range.start < range.end);
        &source.masked[from..to]
    }

    /// Whether nothing is masked in a place.
    pub(super) fn is_plain(&self, span: Span) -> bool {
        self.masked(span).is_empty()
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.sources.iter().find(|s| s.file == file)
    }

    /// What stands in a file.
    fn slice(&self, file: FileId, range: std::ops::Range<usize>) -> &str {
        self.source(file).map_or("", |s| &s.text[range])
    }

    /// The pieces of a text: what stands there, and what is masked in it.
    fn pieces<'m>(&'m self, decoded: &str, span: Span) -> Vec<Result<String, &'m Masked>> {
        let mut out = vec![];
        let mut rest = decoded;
        for masked in self.masked(span) {
            let Some((before, after)) = rest.split_once(MARK) else { break };
            if !before.is_empty() {
                out.push(Ok(before.to_string()));
            }
            out.push(Err(masked));
            rest = after.get(masked.range.len() - MARK.len_utf8()..).unwrap_or("");
        }
        if !rest.is_empty() {
            out.push(Ok(rest.to_string()));
        }
        out
    }

    /// A value as an expression.
    pub(super) fn expr(&self, node: &Node, scope: &Scope<'_>) -> Expr {
        let span = node.span;
        match &node.kind {
            NodeKind::Seq(items) => list(span, items.iter().map(|n| self.expr(n, scope))),
            NodeKind::Map(entries) => {
                let mut out = vec![];
                for (key, at, value) in entries {
                    out.push(match key.contains(MARK) {
                        true => Entry::Computed(self.text(key, *at, scope), self.expr(value, scope)),
                        false => field(name(*at, key.clone()), self.expr(value, scope)),
                    });
                }
                expr(span, ExprKind::Record(out))
            }
            NodeKind::Scalar(value) => match &value.data {
                Data::Null => expr(span, ExprKind::Null),
                Data::Bool(b) => expr(span, ExprKind::Bool(*b)),
                Data::Int(_) | Data::Float(_) if self.view == View::Ours => {
                    let written = self.slice(span.file, span.range()).trim().into();
                    self.written.borrow_mut().insert(span, written);
                    expr(span, number(&value.data))
                }
                Data::Int(_) | Data::Float(_) => expr(span, number(&value.data)),
                Data::String(decoded) => self.text(decoded, span, scope),
                Data::Duration(_)
                | Data::Size(_)
                | Data::List(_)
                | Data::Map(_)
                | Data::Tool(_)
                | Data::Component(_)
                | Data::Unknown(_)
                | Data::Error => expr(span, ExprKind::Error),
            },
        }
    }

    fn text(&self, decoded: &str, span: Span, scope: &Scope<'_>) -> Expr {
        let pieces = self.pieces(decoded, span);
        let template = |m: &Masked| {
            let mut diags = Diagnostics::default();
            let found = template::read(
                span.file,
                self.source(span.file).map_or("", |s| &s.text),
                m.inside(),
                (scope, self.view),
                &mut diags,
            );
            self.diags.borrow_mut().append(diags);
            found
        };
        // By itself and without quotes it keeps its type.
        if let [Err(one)] = &*pieces
            && one.kind == Kind::Template
            && one.range == span.range()
        {
            return template(one);
        }
        let parts = pieces.into_iter().map(|piece| match piece {
            Ok(text) => StrPart::Text(text.into()),
            Err(m) if m.kind == Kind::Template => StrPart::Expr(template(m)),
            Err(m) => {
                self.refers(span.file, m);
                let reference = self.slice(span.file, m.range.clone()).into();
                match self.view {
                    View::Devstream => StrPart::Text(reference),
                    // Which tool that is can be said when all are read.
                    View::Ours => {
                        let at = Span::new(span.file, m.range.start as u32, m.range.end as u32);
                        StrPart::Expr(expr(at, ExprKind::Name(reference)))
                    }
                }
            }
        });
        let joined = joined_parts(parts);
        // What refers to an output, and to nothing else, keeps its type.
        if let [StrPart::Expr(only)] = &*joined
            && matches!(&*only.kind, ExprKind::Name(name) if name.starts_with("${{"))
        {
            return only.clone();
        }
        expr(span, ExprKind::Str(joined))
    }

    /// Keeps what is referred to.
    fn refers(&self, file: FileId, mapping: &Masked) {
        let parts: Vec<&str> = self.slice(file, mapping.inside()).trim().split('.').collect();
        let [tool, instance, ..] = &*parts else { return };
        let span = Span::new(file, mapping.range.start as u32, mapping.range.end as u32);
        self.references.borrow_mut().push(name(span, format!("{tool}.{instance}")));
    }

    /// A text that has to be known while reading: variables may be in it, but nothing from outside.
    pub(super) fn static_text(&self, node: &Node, vars: &dyn Fn(&str) -> Option<Node>) -> Option<Name> {
        let found = self.static_of(node, vars, &mut { MOST_VARIABLES });
        if found.is_none() && !self.tells_unknown(node, vars) {
            self.error(
                node.span,
                "this has to be known when the file is read",
                "a text, with nothing but variables in it",
            );
        }
        found.map(|text| name(node.span, text))
    }

    /// Says which variable of a text is not there, if one is not.
    fn tells_unknown(&self, node: &Node, vars: &dyn Fn(&str) -> Option<Node>) -> bool {
        for m in self.masked(node.span).iter().filter(|m| m.kind == Kind::Template) {
            let inside = self.slice(node.span.file, m.inside());
            let word = inside.trim().trim_start_matches('.').split('.').next().unwrap_or("");
            if word.chars().all(|c| c.is_alphanumeric() || c == '_') && vars(word).is_none() {
                let start = (m.inside().start + inside.find(word).unwrap_or(0)) as u32;
                let span = Span::new(node.span.file, start, start + word.len() as u32);
                self.variable(word, span);
                return true;
            }
        }
        false
    }

    fn static_of(
        &self,
        node: &Node,
        vars: &dyn Fn(&str) -> Option<Node>,
        left: &mut usize,
    ) -> Option<String> {
        let NodeKind::Scalar(value) = &node.kind else { return None };
        let Data::String(decoded) = &value.data else { return value.text().map(|t| t.to_string()) };
        let mut out = String::new();
        for piece in self.pieces(decoded, node.span) {
            match piece {
                Ok(text) => out.push_str(&text),
                Err(m) => {
                    let inside = self.slice(node.span.file, m.inside()).trim().trim_start_matches('.');
                    let mut parts = inside.split('.');
                    // Variables may go in a circle, or double each other.
                    *left = left.checked_sub(1)?;
                    let mut found = vars(parts.next()?).filter(|_| m.kind == Kind::Template)?;
                    for part in parts {
                        found = get(&found, part)?.clone();
                    }
                    out.push_str(&self.static_of(&found, vars, left)?);
                }
            }
        }
        Some(out)
    }
}
