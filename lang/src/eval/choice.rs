//! Choices: `if`, `match`, `&&`, `||`, `??`. What decides may not be known: then all that may be chosen is evaluated, for
//! what it reads. A `match` takes the first arm whose type the subject is.

use super::Evaluator;
use super::fit::may_hold;
use crate::hir::{Choice, Expr};
use crate::source::Span;
use crate::types::Type;
use crate::value::{Data, Marks, Unknown, Value, union};
use std::sync::Arc;

impl Evaluator<'_, '_> {
    /// `if`
    pub(super) fn branch(&mut self, choice: &Choice) -> Value {
        let Choice { cond, then, other } = choice;
        let decided = self.eval(cond);
        match decided.data {
            Data::Bool(holds) => {
                let branch = if holds { then } else { other };
                self.took(branch);
                let value = self.eval(branch).marked(&decided.marks);
                if decided.secret { value.into_secret() } else { value }
            }
            Data::Unknown(unknown) => {
                let (left, right) = (self.eval_maybe(then), self.eval_maybe(other));
                let left_marks = self.whole_marks(&left, then.span);
                let right_marks = self.whole_marks(&right, other.span);
                let marks = union(&decided.marks, &union(&left_marks, &right_marks));
                let secret = decided.secret || left.has_secret() || right.has_secret();
                Value { marks, secret, ..Value::plain(Data::Unknown(unknown)) }
            }
            Data::Null
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => Value::error(),
        }
    }

    /// `&&` and `||`: a left operand that is `decisive` is the result.
    pub(super) fn logical(&mut self, left: &Expr, right: &Expr, decisive: bool) -> Value {
        let left = self.eval(left);
        match left.data {
            Data::Bool(holds) if holds == decisive => left,
            Data::Bool(_) => {
                let right = self.eval(right).marked(&left.marks);
                if left.secret { right.into_secret() } else { right }
            }
            Data::Unknown(_) => {
                let right = self.eval_maybe(right);
                Value { secret: left.secret || right.secret, ..left }.marked(&right.marks)
            }
            Data::Null
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => Value::error(),
        }
    }

    /// `??`
    pub(super) fn coalesce(&mut self, left: &Expr, right: &Expr, span: Span) -> Value {
        let left = self.eval(left);
        match left.data {
            Data::Null => self.eval(right).marked(&left.marks),
            Data::Unknown(_) => {
                let right = self.eval_maybe(right);
                let marks = self.whole_marks(&right, span);
                Value { secret: left.secret || right.has_secret(), ..left }.marked(&marks)
            }
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => left,
        }
    }

    /// Evaluates what a deferred choice may take or not: only for what it reads.
    fn eval_maybe(&mut self, expr: &Expr) -> Value {
        let value = self.eval_quietly(expr);
        if value.is_error() { Value::plain(Data::Unknown(Unknown::Unset)) } else { value }
    }

    /// `match`
    pub(super) fn choose(&mut self, subject: &Expr, arms: &[(Option<Arc<Type>>, Expr)]) -> Value {
        let value = self.eval(subject);
        if value.is_error() {
            return value;
        }
        let (mut marks, mut secret) = (value.marks.clone(), value.secret);
        for (pattern, arm) in arms {
            if pattern.is_some() {
                value.walked();
            }
            match pattern.as_ref().map_or(Some(true), |ty| is(&value, ty, true, &mut marks, &mut secret)) {
                Some(true) => {
                    self.took(arm);
                    let chosen = self.eval(arm).marked(&marks);
                    return if secret { chosen.into_secret() } else { chosen };
                }
                Some(false) => {}
                None => return self.any_arm(&value, subject, arms),
            }
        }
        // The checker has seen to it that one of them fits.
        Value::error()
    }

    /// What is chosen later: with the marks of all that may be.
    fn any_arm(&mut self, value: &Value, subject: &Expr, arms: &[(Option<Arc<Type>>, Expr)]) -> Value {
        let mut marks = self.whole_marks(value, subject.span);
        let mut secret = value.secret;
        for (_, arm) in arms {
            let found = self.eval_maybe(arm);
            marks = union(&marks, &self.whole_marks(&found, arm.span));
            secret |= found.has_secret();
        }
        let unknown = match &value.data {
            Data::Unknown(u) => *u,
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => Unknown::Deferred(subject.span),
        };
        Value { marks, secret, ..Value::plain(Data::Unknown(unknown)) }
    }
}

/// Whether a value is of a type; nothing where that depends on what is not known yet. What was looked at leaves its marks.
/// Nothing is converted, except that an int is a float.
fn is(value: &Value, ty: &Type, top: bool, marks: &mut Marks, secret: &mut bool) -> Option<bool> {
    if let Data::Unknown(_) = value.data {
        // Inside, the checker has seen that it is of this type, as far as there is no literal to compare it with.
        return if top || chooses(ty) { None } else { Some(true) };
    }
    *marks = union(marks, &value.marks);
    // What a secret was compared with would tell it.
    *secret |= value.secret && chooses(ty);
    let mut all = |parts: &mut dyn Iterator<Item = (&Value, &Type)>| {
        let mut known = Some(true);
        for (value, ty) in parts {
            match is(value, ty, false, marks, secret) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => known = None,
            }
        }
        known
    };
    Some(match (ty, &value.data) {
        (Type::Any | Type::Error | Type::Var(_), _) => true,
        (Type::Secret(t), _) => return is(value, t, top, marks, secret),
        (Type::Refined(r), _) => return is(value, &r.base, top, marks, secret),
        (Type::Union(members), _) => {
            let found: Vec<Option<bool>> = members.iter().map(|m| is(value, m, top, marks, secret)).collect();
            return match found.contains(&Some(true)) {
                true => Some(true),
                false => found.iter().all(|f| *f == Some(false)).then_some(false),
            };
        }
        (Type::List(t), Data::List(items)) => return all(&mut items.iter().map(|v| (v, &**t))),
        (Type::Map(t), Data::Map(m)) => return all(&mut m.values().map(|v| (v, &**t))),
        (Type::Record(r), Data::Map(m)) => {
            let extra = !r.open && m.keys().any(|k| !r.fields.contains_key(k));
            let missing = r.fields.iter().any(|(n, f)| !m.contains_key(n) && !f.may_be_absent());
            if extra || missing {
                return Some(false);
            }
            return all(&mut r.fields.iter().filter_map(|(n, f)| Some((m.get(n)?, &f.ty))));
        }
        _ => may_hold(ty, value),
    })
}

/// Whether the value decides whether it is of this type.
fn chooses(ty: &Type) -> bool {
    match ty {
        Type::Lit(_) | Type::Null | Type::Union(_) => true,
        Type::Secret(t) | Type::List(t) | Type::Map(t) => chooses(t),
        Type::Record(r) => r.fields.values().any(|f| chooses(&f.ty)),
        Type::Any
        | Type::Bool
        | Type::Int
        | Type::Float
        | Type::String
        | Type::Duration
        | Type::Size
        | Type::Refined(_)
        | Type::Tool(_)
        | Type::Var(_)
        | Type::Error => false,
    }
}
