//! A plan as one page: nothing is loaded from anywhere, so it can be kept, sent and opened without a network.

use super::value::text;
use crate::commit;
use dtm_engine::plan::Plan;
use dtm_lang::Program;
use dtm_lang::wire::to_wire;
use serde_json::json;
use std::path::Path;

const PAGE: &str = include_str!("plan.html");
const STYLE: &str = include_str!("plan.css");
const SCRIPT: &str = include_str!("plan.js");

/// What a page says of its plan besides what is planned.
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
    let plan = super::json::plan(plan, program.sources());
    let data = json!({ "plan": plan, "about": about.line, "facts": facts });
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
