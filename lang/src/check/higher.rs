//! The builtins that take `x => ...`: what they do with each element of a list.

use super::{Checker, Local, node};
use crate::builtin::Higher;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H};
use crate::index::ModuleId;
use crate::source::Span;
use crate::syntax::ast::{self, ExprKind as A};
use crate::types::{Type, fits};

impl Checker<'_> {
    /// A call of one of them, with a list and a function of its elements.
    pub(super) fn higher(
        &mut self,
        module: ModuleId,
        span: Span,
        what: Higher,
        args: &[ast::Arg],
    ) -> (Expr, Type) {
        let fail = (Expr::error(span), Type::Error);
        let wrong = |c: &mut Self, at: Span, headline: String, label: &str| {
            let d = Diagnostic::new(Code::E0305, headline).at(at, label);
            c.diags.push(d.note(format!("the function is `{}`", what.signature())));
        };
        let [items, function] = args else {
            wrong(self, span, format!("`{}` takes a list and a function", what.name()), "two arguments");
            return fail;
        };
        let (list, ty) = self.infer(module, &items.value);
        let element = match ty.reveal().0 {
            Type::List(of) => (*of).clone(),
            Type::Error => return fail,
            other @ (Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Duration
            | Type::Size
            | Type::Lit(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)) => {
                let d = Diagnostic::new(
                    Code::E0301,
                    format!("`{}` iterates over a list, not over `{other}`", what.name()),
                );
                self.diags.push(d.at(items.value.span, format!("this is `{other}`")));
                return fail;
            }
        };
        let A::Lambda { params, body } = &*function.value.kind else {
            let headline = format!("`{}` takes a function of an element", what.name());
            wrong(self, function.value.span, headline, "write `x => ...`");
            return fail;
        };
        let [param] = params.as_slice() else {
            let headline = format!("`{}` gives its function one element", what.name());
            wrong(self, function.value.span, headline, "one name before `=>`");
            return fail;
        };
        let slot = self.body.new_slot();
        let (depth, facts) = (self.body.scope.len(), self.body.narrowed.len());
        self.note_definition(param.span, "parameter", || element.to_string(), None);
        self.body.scope.push(Local { name: param.text.clone(), span: param.span, slot, ty: element.clone() });
        let (body_expr, found) = self.infer(module, body);
        self.body.scope.truncate(depth);
        self.body.narrowed.truncate(facts);
        if found.has_secret() {
            let headline = format!("a secret cannot decide what `{}` returns", what.name());
            self.error(Code::E0304, body.span, headline, "this is secret");
            return fail;
        }
        let (fine, wanted) = match what {
            Higher::SortBy => (super::operators::sortable(&found), "a number, string, duration or size"),
            Higher::GroupBy => (fits(&found, &Type::String), "a string"),
            Higher::Find => (fits(&found, &Type::Bool), "a condition"),
        };
        if !fine && !matches!(found, Type::Error) {
            let headline = format!("`{}` needs {wanted} of each element, found `{found}`", what.name());
            self.error(Code::E0301, body.span, headline, format!("this is `{found}`"));
            return fail;
        }
        let result = match what {
            Higher::SortBy => Type::list(element),
            Higher::GroupBy => Type::map(Type::list(element)),
            Higher::Find => element.optional(),
        };
        (node(span, H::Higher { what, items: list, slot, body: body_expr }), result)
    }
}
