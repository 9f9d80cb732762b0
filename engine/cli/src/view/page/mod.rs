//! A plan as one page: nothing is loaded from anywhere, so it can be kept, sent and opened without a network.

use dtm_engine::plan::Plan;
use dtm_lang::Sources;
use serde_json::json;

const PAGE: &str = include_str!("plan.html");
const STYLE: &str = include_str!("plan.css");
const SCRIPT: &str = include_str!("plan.js");

/// The page of a plan; `about` says of what it is, in a line.
pub fn plan(plan: &Plan, sources: &Sources, title: &str, about: &str) -> String {
    let data = json!({ "plan": super::plan::json(plan, sources), "about": about });
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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
