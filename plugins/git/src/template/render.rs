//! A template and its variables to files: names are rendered, and the content of what ends in `.tpl`.

use super::{LARGEST, Template, TemplateFile, bad};
use crate::names::inside;
use crate::store::{Blob, Mode};
use dtm_plugin::Failure;
use dtm_plugin::serde_json::{Map, Value};
use dtm_plugin::wire::{held, unescape};
use dtm_template::{Limits, Renderer, TemplateError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much work one file may take: a loop that does not end is an error.
const STEPS: u64 = 5_000_000;

/// The rendered files by path, below a folder of the repository.
///
/// # Errors
/// With the file and line of what is wrong in the template.
pub fn render(
    template: &Template,
    vars: &BTreeMap<String, Value>,
    below: &str,
) -> Result<BTreeMap<String, Blob>, Failure> {
    let vars = vars.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    let limits = Limits { steps: STEPS, bytes: LARGEST as usize };
    let renderer = Renderer::new(&vars, limits).map_err(|e| bad(e.to_string()))?;
    let mut out = BTreeMap::new();
    let mut from: BTreeMap<String, &str> = BTreeMap::new();
    for file in template.files.iter() {
        let Some(name) = name_of(&renderer, file)? else { continue };
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if let Some(other) = from.insert(path.clone(), &file.path) {
            return Err(bad(format!("`{other}` and `{}` of the template both become `{path}`", file.path)));
        }
        let bytes = match file.path.ends_with(".tpl") && file.mode != Mode::Link {
            false => file.bytes.clone(),
            true => {
                let text = std::str::from_utf8(&file.bytes).map_err(|_| {
                    bad(format!("`{}` of the template is not UTF-8, and cannot be rendered", file.path))
                })?;
                Arc::new(expand(&renderer, &file.path, text)?.into_bytes())
            }
        };
        out.insert(path, Blob { mode: file.mode, bytes });
    }
    let folders = out.keys().find(|p| p.match_indices('/').any(|(at, _)| out.contains_key(&p[..at])));
    if let Some(path) = folders {
        return Err(bad(format!("the template makes `{path}` in a folder that is a file as well")));
    }
    Ok(out)
}

/// The name that a file gets; `None` when a part of it becomes empty, which leaves it out.
fn name_of(renderer: &Renderer, file: &TemplateFile) -> Result<Option<String>, Failure> {
    let plain = file.path.strip_suffix(".tpl").unwrap_or(&file.path);
    let rendered = match plain.contains("[[") || plain.contains("[%") {
        true => expand(renderer, &file.path, plain)?,
        false => plain.to_string(),
    };
    if rendered.split('/').any(|part| part.trim().is_empty()) {
        return Ok(None);
    }
    inside(&rendered).map(Some).map_err(|why| bad(format!("`{}` of the template: {why}", file.path)))
}

fn expand(renderer: &Renderer, name: &str, text: &str) -> Result<String, Failure> {
    renderer.render(text).map(|rendered| rendered.text).map_err(|e| match e {
        TemplateError::TooLarge(limit) => {
            bad(format!("the template's `{name}` becomes larger than {} MiB", limit >> 20))
        }
        TemplateError::Invalid { line, why, known } => {
            let line = line.map(|l| format!(":{l}")).unwrap_or_default();
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let known =
                if known.is_empty() { String::new() } else { format!("; `vars` has {}", known.join(", ")) };
            bad(format!("the template's `{name}{line}`: {why}{known}"))
        }
    })
}

/// Values of the protocol as a template shows them: durations and sizes are their texts.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(m) => match held(m) {
            Some(v) => plain(v),
            None => {
                Value::Object(m.iter().map(|(k, v)| (unescape(k).into(), plain(v))).collect::<Map<_, _>>())
            }
        },
        Value::Array(a) => a.iter().map(plain).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, text: &str, vars: &[(&str, Value)]) -> Result<BTreeMap<String, Blob>, String> {
        let file =
            TemplateFile { path: path.into(), mode: Mode::Plain, bytes: Arc::new(text.as_bytes().to_vec()) };
        let vars = vars.iter().map(|(n, v)| (n.to_string(), v.clone())).collect();
        render(&Template { files: Arc::new(vec![file]) }, &vars, "").map_err(|e| format!("{e:?}"))
    }

    #[track_caller]
    fn gives(path: &str, text: &str, vars: &[(&str, Value)], name: &str, content: &str) {
        let out = one(path, text, vars).expect("rendered");
        let found: Vec<(&str, String)> =
            out.iter().map(|(p, b)| (&**p, String::from_utf8_lossy(&b.bytes).into_owned())).collect();
        assert_eq!(found, [(name, content.to_string())]);
    }

    #[test]
    fn only_tpl_files_are_rendered_and_braces_of_others_are_text() {
        let name = [("name", Value::from("cart"))];
        gives("a.md.tpl", "# [[ name ]] ${{ github.ref }}\n", &name, "a.md", "# cart ${{ github.ref }}\n");
        gives(
            "a.md.tpl",
            "# [[.name]] [[ .name ]] [[-.name ]] [.x]\n",
            &name,
            "a.md",
            "# cart cartcart [.x]\n",
        );
        gives("a.md", "# [[ name ]]\n", &name, "a.md", "# [[ name ]]\n");
        gives("cmd/[[ name ]]/main.go", "package main\n", &name, "cmd/cart/main.go", "package main\n");
        gives(
            "a.tpl",
            "[% for x in xs %][[ x ]],[% endfor %]",
            &[("xs", Value::from(vec![1, 2]))],
            "a",
            "1,2,",
        );
    }

    #[test]
    fn a_name_that_becomes_empty_leaves_the_file_out() {
        let out = one("[% if docker %]Dockerfile[% endif %]", "FROM x\n", &[("docker", false.into())])
            .expect("rendered");
        assert!(out.is_empty());
        gives("[% if docker %]Dockerfile[% endif %]", "x", &[("docker", true.into())], "Dockerfile", "x");
    }

    #[test]
    fn errors_say_where() {
        let unknown = one("a/b.tpl", "one\n[[ nme ]]\n", &[("name", "x".into())]).expect_err("unknown");
        assert!(unknown.contains("a/b.tpl:2") && unknown.contains("`name`"), "{unknown}");
        let syntax = one("b.tpl", "\n\n[% if %]\n", &[]).expect_err("syntax");
        assert!(syntax.contains("b.tpl:3"), "{syntax}");
        let endless = one(
            "b.tpl",
            "[% for a in range(9999) %][% for b in range(9999) %]x[% endfor %][% endfor %]",
            &[],
        );
        assert!(endless.expect_err("endless").contains("b.tpl"));
        let large = Value::from("x".repeat(1 << 20));
        let bomb = one("b.tpl", "[% for a in range(9999) %][[ x ]][% endfor %]", &[("x", large)]);
        assert!(bomb.expect_err("too large").contains("larger than"));
    }

    #[test]
    fn names_that_lead_out_or_that_git_refuses() {
        for name in ["[[ up ]]/x", "[[ git ]]/config"] {
            let vars = [("up", Value::from("..")), ("git", Value::from(".GIT"))];
            assert!(one(name, "", &vars).is_err(), "{name}");
        }
    }
}
