//! Brings a value to a type: fills defaults, widens ints, marks secrets; says what does not fit.

use super::{Evaluator, show};
use crate::diag::{Code, Diagnostic};
use crate::maps::IndexMap;
use crate::source::Span;
use crate::types::{Lit, Type};
use crate::value::{Data, Value, exact_float};

impl Evaluator<'_, '_> {
    /// Refuses a value with a secret in a place that is not secret; types cannot tell where it came by way of
    /// untyped data.
    pub(crate) fn no_leak(&mut self, value: &Value, ty: &Type, span: Span) -> bool {
        if leaks(value, ty) {
            let d = Diagnostic::new(Code::E0304, "a secret would become readable here");
            let d = d.at(span, format!("contains a secret that `{ty}` does not mark as secret"));
            let d = d.note("the secret came through untyped data");
            self.report(d.help("use an input or output that is secret, or say why the value may be shown: `expose(x, \"reason\")`"));
            return true;
        }
        false
    }

    /// The value as one of `ty`.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub(crate) fn fit(&mut self, value: Value, ty: &Type, path: &str) -> Result<Value, String> {
        crate::budget::work(1);
        // A union of unions may be tried in very many ways.
        if let Some(place) = self.place
            && self.exhausted(place)
        {
            return Ok(Value::error());
        }
        if matches!(value.data, Data::Error | Data::Unknown(_)) {
            let secret = value.secret || ty.has_secret();
            return Ok(Value { secret, ..value });
        }
        if let Type::Refined(r) = ty {
            let value = self.fit(value, &r.base, path)?;
            return Ok(self.refine(value, r.id));
        }
        if let Type::Secret(t) = ty {
            return Ok(self.fit(Value { secret: false, ..value }, t, path)?.into_secret());
        }
        // Found out only now where untyped data was given a type.
        if value.secret && !matches!(ty, Type::Any | Type::Error | Type::Var(_) | Type::Union(_)) {
            return Err(format!("{path} is secret, and its type is not: write `secret {ty}`"));
        }
        let secret = value.secret;
        let (marks, origin) = (value.marks.clone(), value.origin);
        let bad = |value: &Value| Err(format!("{path} is {}, expected `{ty}`", show(value)));
        let data = match (ty, &value.data) {
            (Type::Any | Type::Error | Type::Var(_), _) => return Ok(value),
            (Type::Union(members), _) => {
                // What holds the value as it is comes before what it would have to become.
                let exact =
                    |m: &&Type| !(matches!(m.reveal().0, Type::Float) && matches!(value.data, Data::Int(_)));
                let fitting = members.iter().filter(|m| may_hold(m, &value));
                let (first, then): (Vec<&Type>, Vec<&Type>) = fitting.partition(exact);
                for member in first.into_iter().chain(then) {
                    if let Ok(found) = self.fit(value.clone(), member, path) {
                        return Ok(found);
                    }
                }
                return bad(&value);
            }
            (Type::Float, Data::Int(i)) => match exact_float(*i) {
                Some(float) => Data::Float(float),
                None => {
                    return Err(format!("{path} is {i}, which a float cannot represent exactly")
                        .trim_start()
                        .into());
                }
            },
            (Type::List(t), Data::List(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    out.push(self.fit(item.clone(), t, &format!("{path}[{i}]"))?);
                }
                Value::list(out).data
            }
            (Type::Map(t), Data::Map(m)) => {
                let mut out = IndexMap::with_capacity_and_hasher(m.len(), Default::default());
                for (k, v) in m.iter() {
                    out.insert(k.clone(), self.fit(v.clone(), t, &format!("{path}.{k}"))?);
                }
                Value::map(out).data
            }
            (Type::Record(r), Data::Map(m)) => {
                let mut out = IndexMap::with_capacity_and_hasher(r.fields.len(), Default::default());
                for (name, field) in &r.fields {
                    let given = m.get(name);
                    let value = match (given, field.default) {
                        (Some(v), Some(_)) if !matches!(v.data, Data::Null) || field.ty.is_nullable() => {
                            v.clone()
                        }
                        (Some(v), None) => v.clone(),
                        (_, Some(default)) => {
                            let hir = self.cx.hir;
                            let locals = std::mem::take(&mut self.locals);
                            let value = self.eval(&hir.defaults[default]);
                            self.locals = locals;
                            value
                        }
                        (None, None) if field.ty.is_nullable() => Value::null(),
                        (None, None) => return Err(format!("{path} has no `{name}`")),
                    };
                    out.insert(name.clone(), self.fit(value, &field.ty, &format!("{path}.{name}"))?);
                }
                for (name, extra) in m.iter().filter(|(n, _)| !r.fields.contains_key(*n)) {
                    if !r.open {
                        return Err(format!("{path} has `{name}`, which is not known there"));
                    }
                    out.insert(name.clone(), extra.clone());
                }
                Value::map(out).data
            }
            (t, _) if may_hold(t, &value) => return Ok(value),
            _ => return bad(&value),
        };
        Ok(Value { data, marks, secret, origin })
    }
}

/// Whether a secret inside a value stands in a place of the type that is not secret. Untyped data takes it with its
/// mark.
pub(crate) fn leaks(value: &Value, ty: &Type) -> bool {
    if !value.has_secret() {
        return false;
    }
    crate::budget::work(1);
    match (ty, &value.data) {
        // What it is was not found, and told.
        (_, Data::Error) => false,
        (Type::Refined(r), _) => leaks(value, &r.base),
        (Type::Any | Type::Error | Type::Var(_) | Type::Secret(_) | Type::Tool(_), _) => false,
        (Type::Union(members), _) => {
            value.has_secret() && members.iter().filter(|m| may_hold(m, value)).all(|m| leaks(value, m))
        }
        (Type::List(t), Data::List(items)) => items.iter().any(|v| leaks(v, t)),
        (Type::Map(t), Data::Map(m)) => m.values().any(|v| leaks(v, t)),
        (Type::Record(r), Data::Map(m)) => {
            m.iter().any(|(name, v)| r.fields.get(name).is_some_and(|f| leaks(v, &f.ty)))
        }
        // What it will hold is not known: a place inside may be meant for the secret.
        (Type::List(_) | Type::Map(_) | Type::Record(_), Data::Unknown(_)) => {
            value.secret && !ty.has_secret() && !holds_any(ty)
        }
        _ => value.secret,
    }
}

fn holds_any(ty: &Type) -> bool {
    match ty {
        Type::Any | Type::Error => true,
        Type::List(t) | Type::Map(t) => holds_any(t),
        Type::Union(m) => m.iter().any(holds_any),
        Type::Record(r) => r.open || r.fields.values().any(|f| holds_any(&f.ty)),
        Type::Null
        | Type::Bool
        | Type::Int
        | Type::Float
        | Type::String
        | Type::Duration
        | Type::Size
        | Type::Lit(_)
        | Type::Secret(_)
        | Type::Refined(_)
        | Type::Tool(_)
        | Type::Var(_) => false,
    }
}

/// Whether the top of a value is one of the type.
pub(super) fn may_hold(ty: &Type, value: &Value) -> bool {
    match (ty, &value.data) {
        (Type::Any | Type::Error | Type::Var(_), _) | (_, Data::Unknown(_)) => true,
        (Type::Secret(t), _) => may_hold(t, value),
        (Type::Refined(r), _) => may_hold(&r.base, value),
        (Type::Union(m), _) => m.iter().any(|t| may_hold(t, value)),
        (Type::Null, Data::Null)
        | (Type::Bool, Data::Bool(_))
        | (Type::Int, Data::Int(_))
        | (Type::Float, Data::Float(_) | Data::Int(_))
        | (Type::String, Data::String(_))
        | (Type::Duration, Data::Duration(_))
        | (Type::Size, Data::Size(_))
        | (Type::List(_), Data::List(_))
        | (Type::Map(_) | Type::Record(_), Data::Map(_))
        | (Type::Tool(_), Data::Tool(_) | Data::Component(_)) => true,
        (Type::Lit(Lit::Bool(l)), Data::Bool(b)) => l == b,
        (Type::Lit(Lit::Int(l)), Data::Int(i)) => l == i,
        (Type::Lit(Lit::String(l)), Data::String(s)) => l == s,
        _ => false,
    }
}
