//! `fn`: pure functions of the program. The signature is written out, so a call needs no body; no function calls itself,
//! by way of others either, so every program ends.

use super::access::Access;
use super::{Checker, Def, Local, node};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H, Function};
use crate::index::{DefaultId, FunctionId, Id, IdVec, ModuleId};
use crate::source::{Span, Symbol};
use crate::syntax::ast;
use crate::types::Type;

/// A function as the checker knows it before its body.
pub(super) struct FnState {
    pub(super) module: ModuleId,
    pub(super) name: ast::Name,
    params: Vec<Param>,
    result: (Type, Span),
    body: ast::Expr,
    doc: Option<Symbol>,
    /// The functions that it calls, and where.
    calls: Vec<(FunctionId, Span)>,
}

struct Param {
    name: ast::Name,
    ty: Type,
    written: Span,
    default: Option<DefaultId>,
}

impl FnState {
    /// `fn name(a: T, b: U = ...) -> R`
    pub(super) fn signature(&self) -> String {
        let param = |p: &Param| {
            let default = if p.default.is_some() { " = ..." } else { "" };
            format!("{}: {}{default}", p.name.text, p.ty)
        };
        let params: Vec<String> = self.params.iter().map(param).collect();
        format!("fn {}({}) -> {}", self.name.text, params.join(", "), self.result.0)
    }
}

impl Checker<'_> {
    pub(super) fn declare_fn(
        &mut self,
        module: ModuleId,
        name: &ast::Name,
        params: &[ast::Field],
        result: &ast::TypeExpr,
        body: &ast::Expr,
        doc: Option<Symbol>,
    ) {
        let mut known: Vec<Param> = vec![];
        for field in params {
            if let Some(first) = known.iter().find(|p| p.name.text == field.name.text) {
                let d = Diagnostic::new(
                    Code::E0202,
                    format!("the parameter `{}` is written twice", field.name.text),
                );
                self.diags.push(d.at(field.name.span, "again here").also(first.name.span, "first here"));
                continue;
            }
            if let (Some(before), None) = (known.iter().rev().find(|p| p.default.is_some()), &field.value) {
                let headline = format!(
                    "`{}` needs a default, because `{}` before it has one",
                    field.name.text, before.name.text
                );
                self.error(Code::E0305, field.name.span, headline, "without a default");
            }
            let Some(written) = &field.ty else { continue };
            let ty = self.resolve_type(module, written);
            let default = field.value.as_ref().map(|value| self.later_default(module, value, &ty));
            known.push(Param { name: field.name.clone(), ty, written: written.span, default });
        }
        let result = (self.resolve_type(module, result), result.span);
        self.hir.fns.push(Function { name: name.text.clone(), params: vec![], body: Expr::error(body.span) });
        self.define(module, name, Def::Fn(self.fns.next_id()));
        self.fns.push(FnState {
            module,
            name: name.clone(),
            params: known,
            result,
            body: body.clone(),
            doc,
            calls: vec![],
        });
    }

    /// Checks the bodies, and that no function calls itself.
    pub(super) fn functions(&mut self) {
        for id in self.fns.ids() {
            let function = &self.fns[id];
            let (module, body, result) = (function.module, function.body.clone(), function.result.clone());
            let (name, doc, signature) = (function.name.span, function.doc.clone(), function.signature());
            self.note_definition(name, "fn", || signature, doc);
            let params: Vec<(ast::Name, Type)> =
                self.fns[id].params.iter().map(|p| (p.name.clone(), p.ty.unrefined())).collect();
            self.body.clear();
            let mut slots = vec![];
            for (name, ty) in params {
                let slot = self.body.new_slot();
                self.note_definition(name.span, "parameter", || ty.to_string(), None);
                self.body.scope.push(Local { name: name.text, span: name.span, slot, ty });
                slots.push(slot);
            }
            self.context.function = Some(id);
            let body = self.check_expr(module, &body, &result.0, Some(result.1));
            self.context.function = None;
            self.body.scope.clear();
            (self.hir.fns[id].params, self.hir.fns[id].body) = (slots, body);
        }
        self.no_recursion();
    }

    fn no_recursion(&mut self) {
        let calls: IdVec<FunctionId, Vec<(FunctionId, Span)>> =
            self.fns.iter().map(|f| f.calls.clone()).collect();
        for way in cycles(&calls) {
            let names = |id: FunctionId| self.fns[id].name.text.clone();
            let d = cycle(&way, names, "%s calls itself", "these functions call each other");
            self.diags.push(
                d.help("go through a list with a comprehension, or through a range: `[f(i) for i in 0..n]`"),
            );
        }
    }

    /// A function of the program that an expression names.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    pub(super) fn as_fn(&self, module: ModuleId, callee: &ast::Expr) -> Option<(FunctionId, Span)> {
        let (home, name, span) = match &*callee.kind {
            ast::ExprKind::Name(name) if !self.body.scope.iter().any(|l| l.name == *name) => {
                (module, name, callee.span)
            }
            ast::ExprKind::Member { base, name, .. } => {
                (self.as_module(module, base)?, &name.text, name.span)
            }
            _ => return None,
        };
        match self.value(home, name)? {
            (Def::Fn(id), _) => Some((id, span)),
            _ => None,
        }
    }

    pub(super) fn call_fn(
        &mut self,
        module: ModuleId,
        span: Span,
        (id, at): (FunctionId, Span),
        args: &[ast::Arg],
    ) -> Access {
        if !self.same_module(self.fns[id].module, module) && self.fns[id].name.text.starts_with('_') {
            let headline = format!("`{}` is private to its module", self.fns[id].name.text);
            self.error(Code::E0210, at, headline, "begins with `_`");
        }
        if self.wants_uses() {
            let function = &self.fns[id];
            let (signature, doc, named) = (function.signature(), function.doc.clone(), function.name.span);
            self.note_use(at, Some(named), "fn", || signature, || doc);
        }
        if let Some(caller) = self.context.function {
            self.fns[caller].calls.push((id, span));
        }
        let count = self.fns[id].params.len();
        let mut given: Vec<Option<Expr>> = vec![None; count];
        let mut positional = 0;
        for arg in args {
            let slot = match &arg.name {
                None => {
                    positional += 1;
                    Some(positional - 1).filter(|i| *i < count)
                }
                Some(name) => self.fns[id].params.iter().position(|p| p.name.text == name.text),
            };
            let Some(slot) = slot else {
                let at = arg.name.as_ref().map_or(arg.value.span, |n| n.span);
                let diagnostic = Diagnostic::new(
                    Code::E0305,
                    format!("`{}` does not take this argument", self.fns[id].name.text),
                );
                let diagnostic =
                    diagnostic.at(at, if arg.name.is_some() { "unknown argument" } else { "one too many" });
                let known = self.fns[id].params.iter().map(|p| &*p.name.text);
                let diagnostic = match &arg.name {
                    Some(name) => diagnostic.nearest(&name.text, known),
                    None => diagnostic,
                };
                self.diags.push(diagnostic.note(format!("the function is `{}`", self.fns[id].signature())));
                self.infer(module, &arg.value);
                continue;
            };
            let (ty, written) = (self.fns[id].params[slot].ty.clone(), self.fns[id].params[slot].written);
            let value = self.check_expr(module, &arg.value, &ty, Some(written));
            if given[slot].replace(value).is_some() {
                let headline =
                    format!("the argument `{}` is given twice", self.fns[id].params[slot].name.text);
                self.error(Code::E0305, arg.value.span, headline, "again here");
            }
        }
        let function = &self.fns[id];
        let missing: Vec<String> = function
            .params
            .iter()
            .zip(&given)
            .filter(|(p, g)| g.is_none() && p.default.is_none())
            .map(|(p, _)| format!("`{}`", p.name.text))
            .collect();
        if !missing.is_empty() {
            let diagnostic = Diagnostic::new(
                Code::E0305,
                format!("`{}` needs {}", function.name.text, missing.join(", ")),
            );
            let diagnostic = diagnostic
                .at(span, "arguments are missing")
                .note(format!("the function is `{}`", function.signature()));
            self.diags.push(diagnostic);
        }
        let args = function.params.iter().zip(given).map(|(p, g)| match (g, p.default) {
            (Some(value), _) => value,
            (None, Some(default)) => node(span, H::Default(default)),
            (None, None) => Expr::error(span),
        });
        let (args, ty) = (args.collect(), function.result.0.unrefined());
        Access { expr: node(span, H::CallFn(id, args)), ty, short: false }
    }
}

/// The cycles of a graph, one for each edge that closes one: the nodes, each with the place of its edge to the next.
pub(super) fn cycles<I: Id + PartialEq>(edges: &IdVec<I, Vec<(I, Span)>>) -> Vec<Vec<(I, Span)>> {
    let mut out = vec![];
    // 0: not seen, 1: under way, 2: done.
    let mut seen: IdVec<I, u8> = edges.iter().map(|_| 0).collect();
    for start in edges.ids() {
        if std::mem::replace(&mut seen[start], 1) != 0 {
            seen[start] = 2;
            continue;
        }
        // Each with the position of its next edge.
        let mut way: Vec<(I, usize)> = vec![(start, 0)];
        while let Some(last) = way.last_mut() {
            let (id, next) = *last;
            last.1 += 1;
            let Some(&(to, _)) = edges[id].get(next) else {
                seen[id] = 2;
                way.pop();
                continue;
            };
            match seen[to] {
                0 => {
                    seen[to] = 1;
                    way.push((to, 0));
                }
                1 => {
                    let from = way.iter().position(|(id, _)| *id == to).unwrap_or(0);
                    out.push(way[from..].iter().map(|(id, next)| (*id, edges[*id][*next - 1].1)).collect());
                }
                _ => {}
            }
        }
    }
    out
}

/// What is said of a cycle: of one that needs itself, or of several that need each other.
pub(super) fn cycle<I: Id>(
    way: &[(I, Span)],
    name: impl Fn(I) -> Symbol,
    alone: &str,
    together: &str,
) -> Diagnostic {
    let mut names: Vec<String> = way.iter().map(|(id, _)| format!("`{}`", name(*id))).collect();
    names.extend(names.first().cloned());
    let headline = match names.len() {
        2 => alone.replace("%s", &names[0]),
        _ => format!("{together}: {}", names.join(" → ")),
    };
    let last = way.len() - 1;
    let d = Diagnostic::new(Code::E0404, headline).at(way[last].1, "closes the cycle");
    way[..last].iter().take(8).fold(d, |d, (_, at)| d.also(*at, "through this"))
}
