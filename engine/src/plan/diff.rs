//! The difference of one tool: what is wanted, what is recorded, what is really there.

use super::Change;
use crate::Fields;
use crate::secret::{is_lost, public};
use dtm_lang::interface::{Kind, Same};
use dtm_lang::wire::{has_unknown, reveal};
use serde_json::Value as Json;

/// Whether two values of an input are the same as far as the interface cares. Secrets are compared by what they
/// hold; absent and null are the same.
pub fn same(before: &Json, after: &Json, how: Option<Same>) -> bool {
    let (before, after) = (reveal(before), reveal(after));
    if equal(&before, &after) {
        return true;
    }
    match (how, &before, &after) {
        (Some(Same::Case), Json::String(x), Json::String(y)) => x.to_lowercase() == y.to_lowercase(),
        (Some(Same::Trim), Json::String(x), Json::String(y)) => x.trim() == y.trim(),
        (Some(Same::Json), Json::String(x), Json::String(y)) => dtm_lang::same_json(x, y) == Some(true),
        (Some(Same::Set), Json::Array(x), Json::Array(y)) => {
            let sorted = |items: &[Json]| {
                let mut texts: Vec<String> = items.iter().map(canonical).collect();
                texts.sort();
                texts
            };
            sorted(x) == sorted(y)
        }
        (Some(Same::Default), Json::Null, _) | (Some(Same::Default), _, Json::Null) => true,
        _ => false,
    }
}

/// Deep equality; maps without order, null fields as absent, ints equal to floats of their value.
pub(crate) fn equal(before: &Json, after: &Json) -> bool {
    match (before, after) {
        (Json::Object(x), Json::Object(y)) => {
            let covers =
                |x: &Fields, y: &Fields| x.iter().all(|(k, v)| equal(v, y.get(k).unwrap_or(&Json::Null)));
            covers(x, y) && covers(y, x)
        }
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Json::Number(x), Json::Number(y)) => number(x) == number(y),
        _ => before == after,
    }
}

/// Whether two values of an input differ whatever turns out of the parts of `after` that are not known yet.
pub fn differ_for_certain(before: &Json, after: &Json, how: Option<Same>) -> bool {
    if !has_unknown(after) {
        return !same(before, after, how);
    }
    match (&reveal(before), &reveal(after)) {
        (Json::Array(x), Json::Array(y)) if how == Some(Same::Set) => x.len() != y.len(),
        (Json::Array(x), Json::Array(y)) => {
            x.len() != y.len() || x.iter().zip(y).any(|(x, y)| differ_for_certain(x, y, None))
        }
        (_, y) if dtm_lang::wire::is_unknown(y) => false,
        (Json::Object(x), Json::Object(y)) => {
            let null = Json::Null;
            x.iter().any(|(k, v)| !v.is_null() && !y.contains_key(k))
                || y.iter().any(|(k, v)| differ_for_certain(x.get(k).unwrap_or(&null), v, None))
        }
        (Json::Array(_) | Json::Object(_), _) | (_, Json::Array(_) | Json::Object(_)) => true,
        _ => false,
    }
}

/// A number as what is compared: an int as it is, also one that is written as a float, and any other by its bits. As
/// floats, `9007199254740993` and `9007199254740992` would be one.
#[derive(PartialEq, Eq, Debug)]
enum Number {
    Int(i128),
    Float(u64),
}

fn number(number: &serde_json::Number) -> Number {
    let int = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (int, number.as_f64().unwrap_or(0.0)) {
        (Some(int), _) => Number::Int(int),
        // Beyond, every float is whole, and has the same bits as whatever else is the same float.
        (None, float) if float.fract() == 0.0 && float.abs() < 1e30 => Number::Int(float as i128),
        (None, float) => Number::Float(float.to_bits()),
    }
}

/// A text that two values have in common exactly if they are [`equal`].
fn canonical(value: &Json) -> String {
    match value {
        Json::Null | Json::Bool(_) | Json::String(_) => value.to_string(),
        Json::Number(n) => match number(n) {
            Number::Int(int) => int.to_string(),
            Number::Float(bits) => format!("float {bits:x}"),
        },
        Json::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Json::Object(map) => {
            let mut fields: Vec<String> = map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| format!("{}:{}", Json::from(key.as_str()), canonical(value)))
                .collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// The inputs that differ, in the order of the interface. `observed` holds only what the plugin saw.
pub fn changes(
    kind: &Kind,
    desired: &Fields,
    stored: &Fields,
    observed: Option<&Fields>,
    ignore: &[dtm_lang::Symbol],
) -> Vec<Change> {
    let null = Json::Null;
    let mut out = vec![];
    for (name, input) in &kind.inputs {
        let wanted = desired.get(&**name).unwrap_or(&null);
        let recorded = stored.get(&**name).unwrap_or(&null);
        let ignored = ignore.contains(name);
        let change = |before: &Json, after: &Json, drift: bool| Change {
            name: name.to_string(),
            before: before.clone(),
            after: after.clone(),
            replaces: input.immutable
                && (has_unknown(wanted) || !same(&public(wanted), &public(recorded), input.same)),
            drift,
        };
        if !ignored && (has_unknown(wanted) || !same(wanted, recorded, input.same)) {
            // What is really there is what is lost.
            let there =
                observed.and_then(|o| o.get(&**name)).filter(|_| !input.write_only && !is_lost(recorded));
            match there.filter(|t| !same(t, recorded, input.same)) {
                Some(there) => out.push(change(there, wanted, true)),
                None => out.push(change(recorded, wanted, false)),
            }
            continue;
        }
        if let Some(there) = observed.and_then(|o| o.get(&**name)).filter(|_| !ignored && !input.write_only)
            && !same(there, recorded, input.same)
        {
            out.push(change(there, wanted, true));
        }
    }
    out
}

/// The inputs that were seen to differ from what is recorded, as they were seen.
pub fn drifted(kind: &Kind, stored: &Fields, observed: &Fields, ignore: &[dtm_lang::Symbol]) -> Fields {
    let null = Json::Null;
    let differs = |name: &dtm_lang::Symbol, input: &dtm_lang::interface::Input| {
        let there = observed.get(&**name).filter(|_| !input.write_only && !ignore.contains(name))?;
        let recorded = stored.get(&**name).unwrap_or(&null);
        (!is_lost(recorded) && !same(there, recorded, input.same)).then(|| (name.to_string(), there.clone()))
    };
    kind.inputs.iter().filter_map(|(name, input)| differs(name, input)).collect()
}

/// The recorded outputs, with those that were observed on top.
pub fn merged(stored: &Fields, observed: &Fields) -> Fields {
    let mut out = stored.clone();
    out.extend(observed.iter().map(|(k, v)| (k.clone(), v.clone())));
    out
}

#[cfg(test)]
mod tests {
    use super::{Same, canonical, equal, same};
    use serde_json::{Value as Json, json};

    #[track_caller]
    fn check(before: &str, after: &str, wanted: bool) {
        let parse = |text| serde_json::from_str::<Json>(text).expect("the test writes JSON");
        let (before, after) = (parse(before), parse(after));
        assert_eq!(equal(&before, &after), wanted, "{before} {after}");
        assert_eq!(equal(&after, &before), wanted, "{after} {before}");
        assert_eq!(canonical(&before) == canonical(&after), wanted, "{before} {after}");
        assert_eq!(
            same(&json!([before, 1]), &json!([1, after]), Some(Same::Set)),
            wanted,
            "{before} {after}"
        );
    }

    #[test]
    fn numbers_are_compared_as_what_they_are() {
        check("1", "1.0", true);
        check("0", "-0.0", true);
        check("0.0", "-0.0", true);
        check("1e3", "1000", true);
        check("1e40", "1e40", true);
        check("18446744073709551615", "18446744073709551615", true);
        check("9007199254740992", "9007199254740992.0", true);
        check("9007199254740993", "9007199254740992", false);
        check("9007199254740993", "9007199254740992.0", false);
        check("9223372036854775807", "9223372036854775806", false);
        check("9223372036854775807", "9223372036854775808", false);
        check("18446744073709551615", "18446744073709551614", false);
        check("-9223372036854775808", "-9223372036854775807", false);
        check("0.1", "0.2", false);
        check("1e40", "1e41", false);
    }

    #[test]
    fn sets_are_compared_by_value_whatever_the_order_of_keys() {
        check(r#"{"a":1,"b":{"c":2,"d":null}}"#, r#"{"b":{"c":2.0},"a":1}"#, true);
        check(r#"[{"a":1,"b":2}]"#, r#"[{"b":2,"a":1}]"#, true);
        check(r#"{"a":1}"#, r#"{"a":2}"#, false);
        check(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#, false);
        check(r#"{"a":"1"}"#, r#"{"a":1}"#, false);
        check(r#"{"a\":1":2}"#, r#"{"a":1}"#, false);
        // How often a member occurs counts.
        assert!(!same(&json!([1, 1, 2]), &json!([1, 2, 2]), Some(Same::Set)));
    }
}
