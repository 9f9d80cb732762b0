//! The difference of one tool: what is wanted, what is recorded, what is really there.

use super::Change;
use crate::Fields;
use crate::secret::{is_lost, public};
use dtm_lang::interface::{Kind, Same};
use dtm_lang::wire::{has_unknown, reveal};
use serde_json::Value as Json;

/// Whether two values of an input are the same as far as the interface cares. Secrets are compared by what they
/// hold; absent and null are the same.
pub fn same(a: &Json, b: &Json, how: Option<Same>) -> bool {
    let (a, b) = (reveal(a), reveal(b));
    if equal(&a, &b) {
        return true;
    }
    match (how, &a, &b) {
        (Some(Same::Case), Json::String(x), Json::String(y)) => x.to_lowercase() == y.to_lowercase(),
        (Some(Same::Trim), Json::String(x), Json::String(y)) => x.trim() == y.trim(),
        (Some(Same::Json), Json::String(x), Json::String(y)) => {
            match (serde_json::from_str::<Json>(x), serde_json::from_str::<Json>(y)) {
                (Ok(x), Ok(y)) => equal(&x, &y),
                _ => false,
            }
        }
        (Some(Same::Set), Json::Array(x), Json::Array(y)) => {
            let sorted = |items: &[Json]| {
                let mut texts: Vec<String> = items.iter().map(Json::to_string).collect();
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
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(x), Json::Object(y)) => {
            let covers =
                |x: &Fields, y: &Fields| x.iter().all(|(k, v)| equal(v, y.get(k).unwrap_or(&Json::Null)));
            covers(x, y) && covers(y, x)
        }
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
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

/// Whether outputs differ; what the plugin did not give this time does not count.
pub fn outputs_differ(stored: &Fields, observed: &Fields) -> bool {
    observed.iter().any(|(k, v)| !equal(&reveal(v), &reveal(stored.get(k).unwrap_or(&Json::Null))))
}

/// The recorded outputs, with those that were observed on top.
pub fn merged(stored: &Fields, observed: &Fields) -> Fields {
    let mut out = stored.clone();
    out.extend(observed.iter().map(|(k, v)| (k.clone(), v.clone())));
    out
}
