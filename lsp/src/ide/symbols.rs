//! What a file declares, read from the file alone, so that it is there in spite of errors elsewhere.

use dtm_lang::Diagnostics;
use dtm_lang::source::{FileId, Span};
use dtm_lang::syntax::ast::{Decl, DeclKind, Name};

/// A declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// What it is: `tool`, `let`, `kind`.
    pub what: &'static str,
    /// What stands beside it: the kind of a tool.
    pub detail: String,
    /// The whole.
    pub span: Span,
    /// The name.
    pub at: Span,
    /// What is declared inside.
    pub inside: Vec<Symbol>,
}

/// The declarations of a text.
pub fn symbols(text: &str) -> Vec<Symbol> {
    let module = dtm_lang::syntax::parse(FileId::default(), text, &mut Diagnostics::default());
    module.decls.iter().filter_map(|d| symbol(text, d)).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no name")]
fn symbol(text: &str, decl: &Decl) -> Option<Symbol> {
    let named = |name: &Name, what: &'static str| Symbol {
        name: name.text.to_string(),
        what,
        detail: String::new(),
        span: decl.span,
        at: name.span,
        inside: vec![],
    };
    Some(match &decl.kind {
        DeclKind::Param { name, .. } => named(name, "param"),
        DeclKind::Let { name, .. } => named(name, "let"),
        DeclKind::Type { name, .. } => named(name, "type"),
        DeclKind::Fn { name, .. } => named(name, "fn"),
        DeclKind::Output { name, .. } => named(name, "output"),
        DeclKind::Component { name, .. } => named(name, "component"),
        DeclKind::Existing { name, .. } => named(name, "existing"),
        DeclKind::Tool(tool) => {
            let kind = text.get(tool.kind.span.range()).unwrap_or_default().to_string();
            Symbol { detail: kind, ..named(&tool.name, "tool") }
        }
        DeclKind::Kind { name, ports, .. } => {
            Symbol { inside: ports.iter().filter_map(|p| symbol(text, p)).collect(), ..named(name, "kind") }
        }
        DeclKind::In(field) => named(&field.name, "input"),
        DeclKind::Out(field) => named(&field.name, "output"),
        _ => return None,
    })
}
