//! A plan as one page: nothing is loaded from anywhere, so it can be kept, sent and opened without a network.

use super::families::Families;
use super::value::text;
use crate::commit;
use dtm_engine::plan::Plan;
use dtm_lang::Program;
use dtm_lang::wire::{TAG, to_wire};
use serde_json::{Value, json};
use std::path::Path;

const PAGE: &str = include_str!("plan.html");
const STYLE: &str = include_str!("plan.css");
const SCRIPT: &str = include_str!("plan.js");

/// The metadata of a plan on its page.
pub struct About {
    /// Of what it is, in a line.
    pub line: String,
    /// By whom it was made.
    pub who: String,
    /// When.
    pub time: String,
}

/// The page of a plan of a program.
pub fn plan(plan: &Plan, program: &Program, title: &str, about: &About) -> String {
    let mut facts = vec![json!(["Made by", about.who]), json!(["Time", about.time])];
    if let Some(commit) = commit::of(Path::new(".")) {
        facts.push(json!(["Commit", format!("`{commit}`")]));
    }
    for (name, value) in program.given_params() {
        facts
            .push(json!([format!("param {name}"), format!("`{}`", text(&to_wire(value)).replace('`', "'"))]));
    }
    let same = Families::of(plan).same(plan);
    let mut plan = super::json::plan(plan, program.sources());
    exact(&mut plan);
    let data = json!({ "plan": plan, "same": same, "about": about.line, "facts": facts });
    // No text of a plan can end the element that it is in.
    let data = data.to_string().replace('<', "\\u003c");
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or(("", after));
        out += before;
        match name {
            "TITLE" => out += &escaped(title),
            "STYLE" => out += STYLE,
            "SCRIPT" => out += SCRIPT,
            "DATA" => out += &data,
            _ => {}
        }
        rest = after;
    }
    out + rest
}

/// Numbers that JavaScript would round, or write in another way, are handed over as text.
fn exact(value: &mut Value) {
    match value {
        Value::Number(n) => {
            let text = n.to_string();
            let whole = n.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 53);
            if !whole && (!n.is_f64() || text.ends_with(".0") || text.contains('e')) {
                *value = json!({ (TAG): "number", "text": text });
            }
        }
        Value::Array(items) => items.iter_mut().for_each(exact),
        Value::Object(fields) => fields.values_mut().for_each(exact),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_javascript_would_round_are_text() {
        let mut value = json!([9_007_199_254_740_993_i64, 9_007_199_254_740_991_i64, 1.0, 1.5, u64::MAX]);
        exact(&mut value);
        let text = |text: &str| json!({ TAG: "number", "text": text });
        let expected = json!([
            text("9007199254740993"),
            9_007_199_254_740_991_i64,
            text("1.0"),
            1.5,
            text("18446744073709551615"),
        ]);
        assert_eq!(value, expected);
    }
}
