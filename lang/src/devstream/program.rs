//! A model as a module: a `let` for each variable, and one value with the tools as DevStream has them.

use super::TOOLS;
use super::build::{list, name, record, text};
use super::model::{Model, Tool};
use crate::source::{FileId, Span};
use crate::syntax::ast::{Decl, DeclKind, Expr, Module, Path, TypeExpr, TypeKind};

pub(super) fn module(model: &Model, file: FileId) -> Module {
    let begin = Span::new(file, 0, 0);
    let mut decls = vec![decl(begin, DeclKind::Edition(begin, "1".into()))];
    for (variable, value) in &model.vars {
        let kind = DeclKind::Let { name: variable.clone(), ty: None, value: value.clone() };
        decls.push(decl(variable.span, kind));
    }
    let any = TypeKind::Path(Path { parts: vec![name(begin, "any")], span: begin });
    let ty = TypeExpr { span: begin, kind: Box::new(any) };
    let value = list(begin, model.tools.iter().map(tool));
    decls.push(decl(begin, DeclKind::Output { name: name(begin, TOOLS), ty: Some(ty), value }));
    Module { decls, comments: vec![] }
}

/// A module of which nothing could be read.
pub(super) fn empty(file: FileId) -> Module {
    module(&Model { vars: vec![], tools: vec![] }, file)
}

fn decl(span: Span, kind: DeclKind) -> Decl {
    Decl { span, doc: None, annotations: vec![], kind }
}

fn tool(tool: &Tool) -> Expr {
    let span = tool.plugin.span;
    let depends_on = list(span, tool.depends_on.iter().map(|d| text(d.span, d.text.clone())));
    record(
        span,
        [
            ("name", text(tool.plugin.span, tool.plugin.text.clone())),
            ("instanceID", text(tool.instance.span, tool.instance.text.clone())),
            ("dependsOn", depends_on),
            ("options", tool.options.clone()),
        ],
    )
}
