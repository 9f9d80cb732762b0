//! A template and its variables to files: names are rendered, and the content of what ends in `.tpl`.

use super::{LARGEST, Template, TemplateFile, bad};
use crate::names::inside;
use crate::store::{Blob, Mode};
use dtm_plugin::Failure;
use dtm_plugin::serde_json::{Map, Value};
use dtm_plugin::wire::{held, unescape};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much work one file may take: a loop that does not end is an error.
const FUEL: u64 = 5_000_000;

/// The rendered files by path, below a folder of the repository.
///
/// # Errors
/// With the file and line of what is wrong in the template.
pub(crate) fn render(
    template: &Template,
    vars: &BTreeMap<String, Value>,
    below: &str,
) -> Result<BTreeMap<String, Blob>, Failure> {
    let engine = engine()?;
    let vars = minijinja::Value::from(minijinja::value::Serde(plain(&Value::Object(
        vars.clone().into_iter().collect(),
    ))));
    let mut out = BTreeMap::new();
    let mut from: BTreeMap<String, &str> = BTreeMap::new();
    for file in template.files.iter() {
        let Some(name) = name_of(&engine, file, &vars)? else { continue };
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
                Arc::new(expand(&engine, &file.path, text, &vars)?.into_bytes())
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

fn engine() -> Result<Environment<'static>, Failure> {
    let mut engine = Environment::new();
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("[[", "]]")
        .block_delimiters("[%", "%]")
        .comment_delimiters("[#", "#]")
        .keep_trailing_newline(true)
        .build()
        .map_err(|e| bad(e.to_string()))?;
    engine.set_syntax(syntax);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_fuel(Some(FUEL));
    Ok(engine)
}

/// The name that a file gets; `None` when a part of it becomes empty, which leaves it out.
fn name_of(
    engine: &Environment<'_>,
    file: &TemplateFile,
    vars: &minijinja::Value,
) -> Result<Option<String>, Failure> {
    let plain = file.path.strip_suffix(".tpl").unwrap_or(&file.path);
    let rendered = match plain.contains("[[") || plain.contains("[%") {
        true => expand(engine, &file.path, plain, vars)?,
        false => plain.to_string(),
    };
    if rendered.split('/').any(|part| part.trim().is_empty()) {
        return Ok(None);
    }
    inside(&rendered).map(Some).map_err(|why| bad(format!("`{}` of the template: {why}", file.path)))
}

fn expand(
    engine: &Environment<'_>,
    name: &str,
    text: &str,
    vars: &minijinja::Value,
) -> Result<String, Failure> {
    let text = without_dots(text);
    let mut out = Limited(vec![]);
    let template = engine.template_from_named_str(name, &text);
    let done = template.and_then(|template| template.render_captured_to(vars.clone(), &mut out).map(|_| ()));
    if out.0.len() as u64 > LARGEST {
        return Err(bad(format!("the template's `{name}` becomes larger than {} MiB", LARGEST >> 20)));
    }
    done.map(|()| String::from_utf8_lossy(&out.0).into_owned()).map_err(|e| {
        let line = e.line().map(|l| format!(":{l}")).unwrap_or_default();
        let what = e.detail().map_or_else(|| e.kind().to_string(), |d| format!("{}: {d}", e.kind()));
        let known: Vec<String> = match e.kind() {
            minijinja::ErrorKind::UndefinedError => {
                vars.try_iter().map(|keys| keys.map(|k| format!("`{k}`")).collect()).unwrap_or_default()
            }
            _ => vec![],
        };
        let known =
            if known.is_empty() { String::new() } else { format!("; `vars` has {}", known.join(", ")) };
        bad(format!("the template's `{name}{line}`: {what}{known}"))
    })
}

/// The output of a template, up to a limit.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        match self.0.len() as u64 > LARGEST {
            true => Err(std::io::Error::other("too large")),
            false => Ok(bytes.len()),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `[[ .Name ]]` is `[[ Name ]]`: templates of DevStream have a dot there, as those of Go do.
fn without_dots(text: &str) -> Cow<'_, str> {
    if !text.contains("[[") {
        return text.into();
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("[[") {
        out += before;
        out += "[[";
        let inside = after.trim_start_matches('-').trim_start_matches(' ');
        let is_named = inside
            .strip_prefix('.')
            .is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'));
        rest = match is_named {
            true => {
                out += &after[..after.len() - inside.len()];
                &inside[1..]
            }
            false => after,
        };
    }
    out += rest;
    out.into()
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
        other => other.clone(),
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
