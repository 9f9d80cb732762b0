//! Values as JSON: the form in which they reach plugins and state, and come back by type.
//!
//! What JSON does not have is tagged ([`dtm_wire`]). Durations and sizes are their shortest source text.

use crate::maps::IndexMap;
use crate::source::Symbol;
use crate::types::{Lit, Type};
use crate::value::{Data, Value};
use serde_json::{Value as Json, json};

pub use dtm_wire::{
    TAG, escape, has_secret, has_unknown, is_secret, is_unknown, mark_secret, plain, reveal, secret, tag,
    unescape, unknown,
};

/// A value as JSON with secrets and unknowns tagged.
pub fn to_wire(value: &Value) -> Json {
    let plain = match &value.data {
        Data::Unknown(_) => unknown(),
        Data::List(items) => Json::Array(items.iter().map(to_wire).collect()),
        Data::Map(m) => {
            let field = |(k, value): (&Symbol, &Value)| (escape(k), to_wire(value));
            Json::Object(m.iter().map(field).collect())
        }
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Error => plain_json(value),
    };
    if value.secret { secret(plain) } else { plain }
}

/// A value as JSON without tags: what `json(...)` writes, and what a person sees with secrets masked before.
pub fn plain_json(value: &Value) -> Json {
    match &value.data {
        Data::Null | Data::Error | Data::Tool(_) | Data::Component(_) | Data::Unknown(_) => Json::Null,
        Data::Bool(b) => Json::Bool(*b),
        Data::Int(i) => json!(i),
        Data::Float(f) => json!(f),
        Data::String(s) => json!(&**s),
        Data::Duration(_) | Data::Size(_) => Json::String(value.text().unwrap_or_default()),
        Data::List(items) => Json::Array(items.iter().map(plain_json).collect()),
        Data::Map(m) => Json::Object(m.iter().map(|(k, value)| (k.to_string(), plain_json(value))).collect()),
    }
}

/// The value of a wire JSON, of the given type.
///
/// # Errors
/// What does not fit, as `path: reason`.
pub fn from_wire(json: &Json, ty: &Type) -> Result<Value, String> {
    if let Some(path) = crate::depth::too_deep(json) {
        return Err(format!("{path}: nested deeper than {}", crate::depth::MAX_DEPTH));
    }
    _ = crate::budget::refused();
    let value = convert(json, ty, "")?;
    match crate::budget::refused() {
        Some(why) => Err(format!(": {}", why.headline())),
        None => Ok(value),
    }
}

/// A number of JSON as a float.
fn float(number: &serde_json::Number, path: &str) -> Result<Value, String> {
    let exact = match (number.as_i64(), number.as_f64()) {
        (Some(int), _) => crate::value::exact_float(int),
        (None, Some(float))
            if number.is_f64() || float as u128 == u128::from(number.as_u64().unwrap_or(0)) =>
        {
            Some(float)
        }
        _ => None,
    };
    exact
        .map(|float| Value::plain(Data::Float(float)))
        .ok_or_else(|| format!("{path}: a float cannot keep {number} exactly"))
}

fn convert(json: &Json, ty: &Type, path: &str) -> Result<Value, String> {
    if let Json::Object(m) = json
        && tag(m) == Some("secret")
    {
        let (inner, _) = ty.reveal();
        return Ok(convert(m.get("v").unwrap_or(&Json::Null), &inner, path)?.into_secret());
    }
    let fail = || Err(format!("{path}: expected {ty}, found {}", shown_kind(json)));
    Ok(match (ty, json) {
        (Type::Secret(t), _) => convert(json, t, path)?.into_secret(),
        (Type::Refined(r), _) => return convert(json, &r.base, path),
        (Type::Union(members), _) => {
            let found = members.iter().find_map(|m| convert(json, m, path).ok());
            return found.map_or_else(fail, Ok);
        }
        (Type::Any | Type::Var(_) | Type::Error, _) => untyped(json, path)?,
        (_, Json::Null) if matches!(ty, Type::Null) => Value::null(),
        (Type::Bool, Json::Bool(b)) => Value::plain(Data::Bool(*b)),
        (Type::Int, Json::Number(n)) if n.is_i64() => Value::plain(Data::Int(n.as_i64().unwrap_or(0))),
        (Type::Float, Json::Number(n)) => float(n, path)?,
        (Type::Int, Json::Number(n)) if n.is_u64() => {
            return Err(format!("{path}: {n} does not fit into an int"));
        }
        (Type::String, Json::String(s)) => Value::string(s.as_str()),
        (Type::Duration, Json::String(s)) => match crate::syntax::duration(s) {
            Some(d) => Value::plain(Data::Duration(d)),
            None => return fail(),
        },
        (Type::Size, Json::String(s)) => match crate::syntax::size(s) {
            Some(b) => Value::plain(Data::Size(b)),
            None => return fail(),
        },
        (Type::Lit(Lit::String(l)), Json::String(s)) if **l == **s => Value::string(s.as_str()),
        (Type::Lit(Lit::Int(l)), Json::Number(n)) if n.as_i64() == Some(*l) => Value::plain(Data::Int(*l)),
        (Type::Lit(Lit::Bool(l)), Json::Bool(b)) if l == b => Value::plain(Data::Bool(*l)),
        (Type::List(t), Json::Array(items)) => {
            let item = |(i, v)| convert(v, t, &format!("{path}[{i}]"));
            Value::list(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        (Type::Map(t), Json::Object(m)) => {
            let field =
                |(k, v): (&String, &Json)| Ok((unescape(k).into(), convert(v, t, &format!("{path}.{k}"))?));
            Value::map(m.iter().map(field).collect::<Result<_, String>>()?)
        }
        (Type::Record(r), Json::Object(m)) => {
            let mut out = IndexMap::default();
            for (name, field) in &r.fields {
                let value = m.get(&escape(name)).unwrap_or(&Json::Null);
                if value.is_null() && field.default.is_some() {
                    continue;
                }
                out.insert(name.clone(), convert(value, &field.ty, &format!("{path}.{name}"))?);
            }
            if let (false, Some(extra)) = (r.open, m.keys().find(|k| !r.fields.contains_key(unescape(k)))) {
                return Err(format!("{path}: unknown field `{extra}`"));
            }
            Value::map(out)
        }
        _ => return fail(),
    })
}

fn untyped(json: &Json, path: &str) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::null(),
        Json::Bool(b) => Value::plain(Data::Bool(*b)),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::plain(Data::Int(i)),
            None if n.is_u64() => return Err(format!("{path}: {n} does not fit into an int")),
            None => float(n, path)?,
        },
        Json::String(s) => Value::string(s.as_str()),
        Json::Array(items) => {
            let item = |(i, v)| untyped(v, &format!("{path}[{i}]"));
            Value::list(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
        }
        Json::Object(m) if tag(m) == Some("secret") => {
            untyped(m.get("v").unwrap_or(&Json::Null), path)?.into_secret()
        }
        Json::Object(m) => {
            let field =
                |(k, v): (&String, &Json)| Ok((unescape(k).into(), untyped(v, &format!("{path}.{k}"))?));
            Value::map(m.iter().map(field).collect::<Result<_, String>>()?)
        }
    })
}

fn shown_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(n) if n.is_i64() => "int",
        Json::Number(_) => "float",
        Json::String(_) => "string",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
