//! `test`: what is given, what is put in place of what is outside, and what must then hold of the plan.

use super::{Checker, Def, node};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H, Mock, MockOf, Test, TestAssert};
use crate::index::ModuleId;
use crate::interface::Kind;
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Decl, DeclKind, Entry, ExprKind as A};
use crate::types::{FieldType, Lit, Type};

/// The type of `plan[ADDRESS]`.
fn planned() -> Type {
    let actions = ["create", "find"].map(|a| Type::Lit(Lit::String(a.into())));
    let fields = [
        ("action", Type::union(actions)),
        ("wave", Type::Int),
        ("protect", Type::Bool),
        ("inputs", Type::Any),
    ];
    Type::record(fields.into_iter().map(|(n, ty)| (Symbol::from(n), FieldType::plain(ty))).collect())
}

impl Checker<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what a test does not name is refused in it")]
    pub(super) fn check_test(&mut self, module: ModuleId, name: &ast::Expr, body: &[Decl], span: Span) {
        let Some(title) = super::ty::text_of(name) else {
            self.error(Code::E0101, name.span, "the name of a test is written out", "not a plain text");
            return;
        };
        if let Some(first) =
            self.hir.tests.iter().find(|t| t.name == title && t.module == module).map(|t| t.name_span)
        {
            let d = Diagnostic::new(Code::E0202, format!("the test `{title}` is defined twice"));
            self.diags.push(d.at(name.span, "again here").also(first, "first here"));
        }
        let mut test = Test {
            name: title,
            name_span: name.span,
            span,
            module,
            given: IndexMap::default(),
            mocks: vec![],
            asserts: vec![],
        };
        let before = std::mem::replace(&mut self.context.in_test, true);
        for decl in body {
            self.body.clear();
            match &decl.kind {
                DeclKind::Given(record) => self.given(module, record, &mut test),
                DeclKind::Mock(target, value) => {
                    if let Some(of) = self.mock_target(module, target, value) {
                        test.mocks.push(Mock { of, span: target.span });
                    }
                }
                DeclKind::Assert { cond, message } => {
                    let (cond, _) = self.condition(module, cond);
                    let message = match matches!(&*message.kind, A::Null) {
                        true => None,
                        false => Some(self.check_expr(module, message, &Type::String, None)),
                    };
                    test.asserts.push(TestAssert { cond, message });
                }
                DeclKind::Broken { .. } => {}
                _ => {
                    let d = Diagnostic::new(Code::E0109, "this is not allowed in a test")
                        .at(decl.span, "not here");
                    self.diags.push(d.note("a test holds `given`, `mock` and `assert`"));
                }
            }
        }
        self.context.in_test = before;
        self.hir.tests.push(test);
    }

    /// `given { param = value }`
    fn given(&mut self, module: ModuleId, record: &ast::Expr, test: &mut Test) {
        let A::Record(entries) = &*record.kind else {
            let d = Diagnostic::new(Code::E0101, "what is given is written `given { param = value }`");
            return self.diags.push(d.at(record.span, "no record"));
        };
        for entry in entries {
            let (name, value) = match entry {
                Entry::Field { name, value, .. } => (name, Self::entry_value(name, value)),
                Entry::Error(_) => continue,
                Entry::Computed(e, _) | Entry::Spread(e) => {
                    self.error(Code::E0303, e.span, "params are given by their names", "not here");
                    continue;
                }
            };
            let Some(id) = self.hir.params.position(|p| p.name == name.text) else {
                let d = Diagnostic::new(Code::E0410, format!("unknown param `{}`", name.text));
                let known: Vec<Symbol> = self.hir.params.iter().map(|p| p.name.clone()).collect();
                self.diags.push(d.at(name.span, "no param").nearest(&name.text, known.iter().map(|n| &**n)));
                continue;
            };
            let (ty, declared) = (self.hir.params[id].ty.clone(), self.hir.params[id].span);
            let ty_shown = ty.to_string();
            self.note_use(name.span, Some(declared), "param", || ty_shown, || None);
            let value = self.check_expr(module, &value, &ty, Some(declared));
            if test.given.insert(id, value).is_some() {
                self.error(Code::E0312, name.span, format!("`{}` is given twice", name.text), "again here");
            }
        }
    }

    /// What a mock stands for: an output, an `out`, imported data, a variable of the environment.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `infer_here` handles all"
    )]
    fn mock_target(&mut self, module: ModuleId, target: &ast::Expr, value: &ast::Expr) -> Option<MockOf> {
        match &*target.kind {
            A::Paren(inner) => return self.mock_target(module, inner, value),
            A::Call { callee, args } if matches!(&*callee.kind, A::Name(n) if &**n == "env_var") => {
                let name = args.first().and_then(|arg| super::ty::text_of(&arg.value));
                if let (Some(name), 1) = (name, args.len()) {
                    return Some(MockOf::Env(name, self.check_expr(module, value, &Type::String, None)));
                }
            }
            A::Name(name) => {
                if let Some((Def::Data(id), named)) = self.value(module, name) {
                    let ty = self.data_types[id].clone();
                    self.note_use(target.span, Some(named), "data", || ty.to_string(), || None);
                    return Some(MockOf::Data(id, self.check_expr(module, value, &ty, Some(named))));
                }
            }
            A::Member { base, name, .. } => {
                let (base, ty) = self.infer(module, base);
                match ty.non_null() {
                    Type::Error => return None,
                    Type::Tool(kind) => return self.mock_output(module, base, &kind, name, value),
                    Type::Any
                    | Type::Null
                    | Type::Bool
                    | Type::Int
                    | Type::Float
                    | Type::String
                    | Type::Duration
                    | Type::Size
                    | Type::Lit(_)
                    | Type::List(_)
                    | Type::Map(_)
                    | Type::Record(_)
                    | Type::Union(_)
                    | Type::Secret(_)
                    | Type::Refined(_)
                    | Type::Var(_) => {}
                }
            }
            _ => {}
        }
        let d = Diagnostic::new(Code::E0316, "this cannot be mocked").at(target.span, "not this");
        self.diags.push(d.note(
            "a mock replaces what comes from outside: an output, `tool.output`; imported data, by its name; `env_var(\"NAME\")`",
        ));
        None
    }

    fn mock_output(
        &mut self,
        module: ModuleId,
        base: Expr,
        kind: &Kind,
        name: &ast::Name,
        value: &ast::Expr,
    ) -> Option<MockOf> {
        if let Some(out) = kind.outputs.get(&name.text) {
            self.note_use(name.span, Some(out.span), "output", || out.ty.to_string(), || out.doc.clone());
            let value = self.check_expr(module, value, &out.ty, Some(out.span));
            return Some(MockOf::Output(base, name.text.clone(), value));
        }
        let diagnostic = match kind.inputs.contains_key(&name.text) {
            true => {
                let headline =
                    format!("`{}` is an input of `{}`, which the program gives", name.text, kind.path());
                Diagnostic::new(Code::E0316, headline).at(name.span, "only outputs can be mocked")
            }
            false => {
                let headline = format!("`{}` has no output `{}`", kind.path(), name.text);
                let diagnostic = Diagnostic::new(Code::E0303, headline).at(name.span, "unknown output");
                diagnostic.nearest(&name.text, kind.outputs.keys().map(|k| &**k))
            }
        };
        self.diags.push(diagnostic);
        None
    }

    /// `plan`, in a test.
    pub(super) fn plan_value(&self, name: &str, span: Span) -> Option<(Expr, Type)> {
        (self.context.in_test && name == "plan").then(|| (node(span, H::Plan), Type::map(planned())))
    }

    /// `plan.order(a, b)`, in a test.
    pub(super) fn plan_order(
        &mut self,
        module: ModuleId,
        span: Span,
        callee: &ast::Expr,
        args: &[ast::Arg],
    ) -> Option<Expr> {
        let A::Member { base, name, .. } = &*callee.kind else { return None };
        if !self.context.in_test
            || !matches!(&*base.kind, A::Name(n) if &**n == "plan")
            || &*name.text != "order"
        {
            return None;
        }
        if self.value(module, "plan").is_some() {
            return None;
        }
        let [first, second] = args else {
            let headline = "`plan.order(a, b)` tells whether `b` comes after `a`";
            self.error(Code::E0305, span, headline, "takes two tools");
            return Some(Expr::error(span));
        };
        let mut of = |arg: &ast::Arg| {
            let found = self.after(module, &arg.value);
            node(arg.value.span, H::List(found.into_iter().map(|e| (e, false)).collect()))
        };
        let (a, b) = (of(first), of(second));
        Some(node(span, H::Order(a, b)))
    }
}
