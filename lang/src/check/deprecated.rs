//! `@deprecated("since", use = "other")` on anything that has a name: every use of it is a warning, with what to use instead.

use super::Checker;
use crate::diag::{Code, Diagnostic};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Annotation, Decl, DeclKind, Field, Name};

/// What is said of something deprecated.
#[derive(Clone, Debug, Default)]
pub(super) struct Deprecation {
    since: Option<Symbol>,
    instead: Option<Symbol>,
}

/// The name that a declaration gives to something.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no name")]
fn named(kind: &DeclKind) -> Option<&Name> {
    match kind {
        DeclKind::Param { name, .. }
        | DeclKind::Let { name, .. }
        | DeclKind::Type { name, .. }
        | DeclKind::Fn { name, .. }
        | DeclKind::Component { name, .. }
        | DeclKind::Existing { name, .. }
        | DeclKind::Output { name, .. }
        | DeclKind::Plugin(name)
        | DeclKind::Kind { name, .. } => Some(name),
        DeclKind::Tool(tool) => Some(&tool.name),
        DeclKind::In(field) | DeclKind::Out(field) => Some(&field.name),
        _ => None,
    }
}

impl Checker<'_> {
    /// Remembers what is deprecated among declarations, and in what they hold.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others hold nothing that may be deprecated")]
    pub(super) fn deprecations(&mut self, decls: &[Decl]) {
        for decl in decls {
            if let Some(name) = named(&decl.kind) {
                self.deprecates(&decl.annotations, name.span);
            }
            match &decl.kind {
                DeclKind::Component { body, .. } | DeclKind::Kind { ports: body, .. } => {
                    self.deprecations(body);
                }
                DeclKind::Settings(fields) => self.deprecated_fields(fields),
                DeclKind::Type { ty, .. } => self.deprecated_type(ty),
                _ => {}
            }
        }
    }

    fn deprecated_type(&mut self, ty: &ast::TypeExpr) {
        if let ast::TypeKind::Record { fields, .. } = &*ty.kind {
            self.deprecated_fields(fields);
        }
    }

    fn deprecated_fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.deprecates(&field.annotations, field.name.span);
        }
    }

    fn deprecates(&mut self, annotations: &[Annotation], of: Span) {
        let Some(a) = annotations.iter().find(|a| &*a.name.text == "deprecated") else { return };
        let mut said = Deprecation::default();
        for arg in &a.args {
            let text = super::ty::text_of(&arg.value);
            match (arg.name.as_ref().map(|n| &*n.text), text) {
                (None, Some(text)) if said.since.is_none() => said.since = Some(text),
                (Some("use"), Some(text)) => said.instead = Some(text),
                _ => self.error(
                    Code::E0213,
                    arg.value.span,
                    "this is written `@deprecated(\"since\", use = \"other\")`",
                    "not valid",
                ),
            }
        }
        self.deprecated.insert(of, said);
    }

    /// Says that what is used here is deprecated, if it is.
    pub(super) fn warn_deprecated(&mut self, at: Span, definition: Span) {
        let Some(said) = self.deprecated.get(&definition).filter(|_| at != definition) else { return };
        let name = self.sources.text(definition);
        let since = said.since.as_ref().map(|v| format!(" since {v}")).unwrap_or_default();
        let d = Diagnostic::new(Code::W0302, format!("`{name}` is deprecated{since}"))
            .at(at, "used here")
            .also(definition, "declared here");
        self.diags.push(match &said.instead {
            Some(other) if other.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                d.help(format!("use `{other}`")).guess(format!("use `{other}`"), at, other.to_string())
            }
            Some(other) => d.help(format!("use {other}")),
            None => d,
        });
    }
}
