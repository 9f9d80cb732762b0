//! `match`: patterns are types. What the subject may still be grows smaller from arm to arm; when nothing is left, the
//! arms are all that can be.
//!
//! ```text
//! env: "dev" | "prod"     match env { "dev" => 1, "prod" => 3 }
//!                         left: "dev", "prod"  ->  "prod"  ->  nothing
//! ```

use super::access::path_key;
use super::{Checker, node};
use crate::diag::{Code, Diagnostic, nearest};
use crate::hir::{Expr, ExprKind as H};
use crate::index::ModuleId;
use crate::source::Span;
use crate::syntax::ast::{self, TypeExpr, TypeKind};
use crate::types::{Lit, Type, fits};
use std::sync::Arc;

/// The arms of a `match`, each with what the caller made of its value.
pub(super) struct Arms<T> {
    subject: Expr,
    /// Whether the subject is secret, and so what is chosen by it.
    pub(super) secret: bool,
    arms: Vec<(Option<Arc<Type>>, T)>,
}

impl<T> Arms<T> {
    /// The expression, and what else the caller found out of each arm.
    pub(super) fn expr<R>(self, span: Span, split: impl Fn(T) -> (Expr, R)) -> (Expr, Vec<R>) {
        let mut rest = vec![];
        let mut arms = vec![];
        for (pattern, value) in self.arms {
            let (expr, more) = split(value);
            arms.push((pattern, expr));
            rest.push(more);
        }
        (node(span, H::Match { subject: self.subject, arms }), rest)
    }
}

impl Checker<'_> {
    /// Checks subject and patterns; `value` checks the value of an arm, where the subject is what its pattern says.
    pub(super) fn arms<T>(
        &mut self,
        module: ModuleId,
        span: Span,
        subject: &ast::Expr,
        arms: &[(TypeExpr, ast::Expr)],
        mut value: impl FnMut(&mut Self, &ast::Expr) -> T,
    ) -> Arms<T> {
        let (checked, ty) = self.infer(module, subject);
        let (plain, secret) = ty.reveal();
        let whole: Vec<Type> = plain.members().iter().flat_map(split).collect();
        let mut left = whole.clone();
        // A wrong pattern takes nobody knows what: nothing is said of what is left then.
        let mut broken = matches!(ty, Type::Error);
        let mut out = Arms { subject: checked, secret, arms: vec![] };
        for (pattern, body) in arms {
            let (wrong, meant) = self.pattern(module, pattern, &whole, &ty);
            let taken = match &meant {
                Some(meant) => narrowed(&left, meant),
                None => left.clone(),
            };
            broken |= wrong;
            out.secret |= meant.as_ref().is_some_and(|p| whole.iter().any(|t| asks_a_secret(t, p)));
            if taken.is_empty() && !broken {
                let d = Diagnostic::new(Code::W0301, "this arm is never taken")
                    .at(pattern.span, "nothing is left for it");
                self.diags.push(
                    d.also(subject.span, format!("this is `{ty}`, and the arms before take all of it")),
                );
            }
            let facts = self.body.narrowed.len();
            self.assume_is(module, subject, &taken);
            let body = value(self, body);
            self.body.narrowed.truncate(facts);
            match &meant {
                Some(meant) => left = left.iter().flat_map(|t| rest(t, meant)).collect(),
                None => left.clear(),
            }
            if !wrong {
                out.arms.push((meant.map(Arc::new), body));
            }
        }
        if !left.is_empty() && !broken {
            let at = Span { end: span.start + 5, ..span };
            let parts: Vec<String> = left.iter().take(5).map(|t| format!("`{t}`")).collect();
            let d = Diagnostic::new(Code::E0313, format!("this `match` does not cover {}", parts.join(", ")));
            let d = d.at(at, "has no arm for it").also(subject.span, format!("this is `{ty}`"));
            let open = left.iter().any(|t| !matches!(t, Type::Lit(_) | Type::Null));
            self.diags.push(match open {
                true => d.help("add an arm for everything else: `_ => ...`"),
                false => {
                    d.help(format!("add an arm: `{} => ...`, or `_ => ...` for all that is left", left[0]))
                }
            });
        }
        out
    }

    /// The type of a pattern, nothing for `_`; before it, whether it is wrong, which has been reported.
    fn pattern(
        &mut self,
        module: ModuleId,
        pattern: &TypeExpr,
        whole: &[Type],
        ty: &Type,
    ) -> (bool, Option<Type>) {
        match &*pattern.kind {
            TypeKind::Wildcard => return (false, None),
            TypeKind::Path(path)
                if matches!(&*path.parts[0].text, "default" | "otherwise")
                    && !self.modules[module].types.contains_key(&path.parts[0].text) =>
            {
                let diagnostic =
                    Diagnostic::new(Code::E0203, format!("unknown type `{}`", path.parts[0].text));
                let diagnostic =
                    diagnostic.at(pattern.span, "unknown type").help("`_` matches everything else");
                self.diags.push(diagnostic.fix("write `_`", pattern.span, "_"));
                return (true, None);
            }
            TypeKind::Paren(inner) => return self.pattern(module, inner, whole, ty),
            TypeKind::Union(members) => {
                let found = members.iter().map(|member| self.pattern(module, member, whole, ty));
                let (wrong, types): (Vec<bool>, Vec<Option<Type>>) = found.unzip();
                let all: Option<Vec<Type>> = types.into_iter().collect();
                return (wrong.contains(&true), all.map(Type::union));
            }
            TypeKind::Where { base, .. } => {
                self.refined_pattern(pattern.span);
                return self.pattern(module, base, whole, ty);
            }
            TypeKind::Path(_)
            | TypeKind::Lit(_)
            | TypeKind::Optional(_)
            | TypeKind::List(_)
            | TypeKind::Map(_)
            | TypeKind::Record { .. }
            | TypeKind::Secret(_)
            | TypeKind::Tool(_)
            | TypeKind::Function
            | TypeKind::Error => {}
        }
        let found = self.resolve_type(module, pattern);
        if matches!(found, Type::Error) || matches!(ty, Type::Error) {
            return (true, Some(Type::Error));
        }
        // A name may stand for a refined type as well.
        if found.has_refinement() {
            self.refined_pattern(pattern.span);
            return (true, Some(found.unrefined()));
        }
        if narrowed(whole, &found).is_empty() {
            let diagnostic = Diagnostic::new(Code::E0314, format!("`{ty}` is never `{found}`"));
            let diagnostic = diagnostic.at(pattern.span, "no value is of this type");
            let text = |t: &Type| if let Type::Lit(Lit::String(s)) = t { Some(s.to_string()) } else { None };
            let known: Vec<String> = whole.iter().filter_map(text).collect();
            let near = text(&found).and_then(|s| nearest(&s, known.iter().map(|k| &**k)));
            self.diags.push(match near {
                Some(near) => {
                    let near = crate::text::quote(&near);
                    diagnostic.help(format!("write `{near}`")).guess(
                        format!("write `{near}`"),
                        pattern.span,
                        near,
                    )
                }
                None if matches!(found, Type::Record(_)) => {
                    diagnostic.help("a pattern of some of the fields ends in `...`: `{ host: \"git\", ... }`")
                }
                None => diagnostic,
            });
            return (true, Some(found));
        }
        (false, Some(found))
    }

    fn refined_pattern(&mut self, span: Span) {
        let d = Diagnostic::new(Code::E0315, "a pattern cannot be refined");
        self.diags.push(
            d.at(span, "a pattern with a condition")
                .help("match what it is, and decide in the arm: `int => if x > 0 then ... else ...`"),
        );
    }

    /// Takes the subject, a path of names and fields, as one of these types from here on. A field that tells members of a
    /// union apart tells which one the record is.
    fn assume_is(&mut self, module: ModuleId, subject: &ast::Expr, taken: &[Type]) {
        if taken.is_empty() {
            return;
        }
        if let Some(key) = path_key(subject) {
            self.body.narrowed.push((key, Type::union(taken.iter().cloned())));
        }
        self.learn_of_base(module, subject, |field| {
            taken.iter().any(|one| !narrowed(std::slice::from_ref(one), field).is_empty())
        });
    }
}

/// A type as what arms can take of it one by one.
fn split(ty: &Type) -> Vec<Type> {
    match ty {
        Type::Bool => [true, false].map(|b| Type::Lit(Lit::Bool(b))).to_vec(),
        Type::Error => vec![],
        other @ (Type::Any
        | Type::Null
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
        | Type::Tool(_)
        | Type::Var(_)) => vec![other.clone()],
    }
}

/// What of these types a pattern takes: whole members, or the pattern's own where it is narrower than a member.
fn narrowed(of: &[Type], pattern: &Type) -> Vec<Type> {
    let mut out = vec![];
    for member in of {
        if matches!(member, Type::Any) {
            out.push(pattern.clone());
        } else if fits(member, pattern) {
            out.push(member.clone());
        } else {
            out.extend(pattern.members().iter().filter_map(|p| match fits(p, member) {
                true => Some(p.clone()),
                false => meet(member, p),
            }));
        }
    }
    out
}

/// Of the type of a field, what a pattern for it takes, and what it leaves.
fn field_parts(ty: &Type, pattern: &Type) -> (Vec<Type>, Vec<Type>) {
    let (plain, secret) = ty.reveal();
    let whole: Vec<Type> = plain.members().iter().flat_map(split).collect();
    let back = |t: Type| if secret && !matches!(t, Type::Null) { t.secret() } else { t };
    let taken = narrowed(&whole, &pattern.reveal().0).into_iter().map(back).collect();
    let left = whole.iter().flat_map(|t| rest(t, &pattern.reveal().0)).map(back).collect();
    (taken, left)
}

/// Whether a pattern chooses by a field that is secret.
fn asks_a_secret(member: &Type, pattern: &Type) -> bool {
    match (member, pattern) {
        (_, Type::Union(patterns)) => patterns.iter().any(|p| asks_a_secret(member, p)),
        (Type::Record(m), Type::Record(p)) => p.fields.iter().any(|(name, field)| {
            let Some(of) = m.fields.get(name) else { return false };
            let (plain, secret) = of.ty.reveal();
            secret && !fits(&plain, &field.ty.reveal().0)
                || plain.members().iter().any(|t| asks_a_secret(t, &field.ty))
        }),
        _ => false,
    }
}

/// The records of a type that a pattern of some of its fields takes.
fn meet(member: &Type, pattern: &Type) -> Option<Type> {
    let (Type::Record(m), Type::Record(p)) = (member, pattern) else { return None };
    if !p.open && (m.open || m.fields.keys().any(|name| !p.fields.contains_key(name))) {
        return None;
    }
    let mut out = (**m).clone();
    for (name, field) in &p.fields {
        let of = out.fields.get_mut(name)?;
        let (taken, _) = field_parts(&of.ty, &field.ty);
        if taken.is_empty() {
            return None;
        }
        of.ty = Type::union(taken);
    }
    Some(Type::Record(Arc::new(out)))
}

/// What is left of a type when a pattern has taken its part.
fn rest(member: &Type, pattern: &Type) -> Vec<Type> {
    if matches!(member, Type::Any) {
        return vec![member.clone()];
    }
    if fits(member, pattern) {
        return vec![];
    }
    if let Type::Union(members) = pattern {
        return members
            .iter()
            .fold(vec![member.clone()], |left, p| left.iter().flat_map(|t| rest(t, p)).collect());
    }
    let (Type::Record(m), Type::Record(p), Some(_)) = (member, pattern, meet(member, pattern)) else {
        return vec![member.clone()];
    };
    let parts = p.fields.iter().map(|(name, field)| (name, field_parts(&m.fields[name].ty, &field.ty).1));
    let open: Vec<(&crate::source::Symbol, Vec<Type>)> = parts.filter(|(_, left)| !left.is_empty()).collect();
    match open.as_slice() {
        [] => vec![],
        // What is left differs in one field, so that it can be told as a type.
        [(name, left)] => {
            let mut out = (**m).clone();
            out.fields[*name].ty = Type::union(left.iter().cloned());
            vec![Type::Record(Arc::new(out))]
        }
        _ => vec![member.clone()],
    }
}
