//! Conversions: those that the checker made explicit, and `as`.

use super::Evaluator;
use crate::data::Format;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H};
use crate::source::Span;
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_, '_> {
    /// The value of an expression as one of a type that the checker has found to fit.
    pub(super) fn convert(&mut self, inner: &Expr, ty: &Type, span: Span) -> Value {
        let value = self.eval(inner);
        self.place = Some(span);
        match self.fit(value, ty, "") {
            Ok(value) => value,
            Err(why) => self.fail(Code::E0411, span, format!("this value does not fit: {why}"), "here"),
        }
    }

    /// `as T`: the value of an expression as one of a type that it may not be of.
    pub(super) fn cast(&mut self, inner: &Expr, ty: &Type, span: Span) -> Value {
        // What is decoded takes its type as imported data does.
        let value = if let H::Call(builtin, args) = &*inner.kind
            && Format::of_builtin(builtin.name).is_some()
        {
            self.call(builtin, args, Some(ty), inner.span)
        } else {
            self.eval(inner)
        };
        let (secret, plain) = (value.has_secret(), value.clone());
        self.place = Some(span);
        let why = match self.fit(value, ty, "the value") {
            Ok(value) => return value,
            Err(why) => why,
        };
        if secret && self.fit(plain.exposed(), &ty.exposed(), "").is_ok() {
            let d = Diagnostic::new(Code::E0304, "a secret would become readable here");
            let d = d.at(span, format!("contains a secret that `{ty}` does not mark as secret"));
            self.report(d.help("mark the secret part in the type: `secret string`"));
            return Value::error();
        }
        let headline = match secret {
            true => format!("(secret) is not of type `{ty}`"),
            false => format!("this is not of type `{ty}`: {why}"),
        };
        self.fail(Code::E0411, span, headline, "converted here")
    }
}
