//! The template language: the builtin `template` and `scm.Scaffold` render with it.
//!
//! ```text
//! # [[ name ]]                                  a value
//! [% if docker %]...[% endif %]                 blocks, as in Jinja
//! [# left out #]
//! ```
//!
//! A value is written as in JSON and YAML: `true`, `null`, `["a", 1]`; a text as it is. Blocks and filters are those of
//! [minijinja](https://docs.rs/minijinja); the delimiters leave `${{ }}` of GitHub and `{{ }}` of Helm alone. A template reads nothing and runs nothing. A name without a value is an error, and so is a template
//! that takes too much work or grows too large.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// What a template may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The steps of one rendering, in instructions of the template engine.
    pub steps: u64,
    /// The size of the result, in bytes.
    pub bytes: usize,
}

/// What a template became.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// How many steps it took.
    pub steps: u64,
}

/// Why a template cannot be rendered.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateError {
    /// The result is larger than this many bytes.
    TooLarge(usize),
    /// A mistake in the template.
    Invalid {
        /// Its line, counted from 1.
        line: Option<usize>,
        /// What is wrong.
        why: String,
        /// The names that have a value, where one is missing.
        known: Vec<String>,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::TooLarge(limit) if limit % (1 << 20) == 0 => {
                write!(f, "the result is larger than {} MiB", limit >> 20)
            }
            TemplateError::TooLarge(limit) => write!(f, "the result is larger than {limit} bytes"),
            TemplateError::Invalid { line: Some(line), why, .. } => write!(f, "line {line}: {why}"),
            TemplateError::Invalid { line: None, why, .. } => f.write_str(why),
        }
    }
}

impl std::error::Error for TemplateError {}

/// A renderer with the values of its templates.
pub struct Renderer {
    engine: Environment<'static>,
    vars: minijinja::Value,
    limits: Limits,
}

impl Renderer {
    /// A renderer with these values.
    ///
    /// # Errors
    /// When the template engine refuses its configuration.
    #[expect(clippy::wildcard_enum_match_arm, reason = "minijinja may add kinds at any time")]
    pub fn new(vars: &Map<String, Value>, limits: Limits) -> Result<Renderer, TemplateError> {
        let mut engine = Environment::new();
        let syntax = SyntaxConfig::builder()
            .variable_delimiters("[[", "]]")
            .block_delimiters("[%", "%]")
            .comment_delimiters("[#", "#]")
            .keep_trailing_newline(true)
            .build();
        engine.set_syntax(syntax.map_err(|e| invalid(&e, vec![]))?);
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_formatter(|out, state, value| match value.kind() {
            // As JSON and YAML write them, where Jinja has `True`, `None` and Python's lists.
            ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Map => {
                let text = serde_json::to_string(value)
                    .map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
                Ok(out.write_str(&text)?)
            }
            _ => escape_formatter(out, state, value),
        });
        engine.set_fuel(Some(limits.steps));
        Ok(Renderer { engine, vars: minijinja::Value::from(Serde(vars)), limits })
    }

    /// Renders a text.
    ///
    /// # Errors
    /// See [`TemplateError`].
    #[expect(clippy::wildcard_enum_match_arm, reason = "minijinja may add kinds at any time")]
    pub fn render(&self, text: &str) -> Result<Rendered, TemplateError> {
        let text = without_dots(text);
        let mut out = Limited { bytes: vec![], limit: self.limits.bytes };
        let done = self.engine.template_from_str(&text).and_then(|template| {
            let done = template.render_captured_to(self.vars.clone(), &mut out)?;
            Ok(done.state().fuel_levels().map_or(0, |(used, _)| used))
        });
        match done {
            _ if out.bytes.len() > out.limit => Err(TemplateError::TooLarge(out.limit)),
            Ok(steps) => Ok(Rendered { text: String::from_utf8_lossy(&out.bytes).into_owned(), steps }),
            Err(e) => {
                let known = match e.kind() {
                    ErrorKind::UndefinedError => self.vars.try_iter().ok(),
                    _ => None,
                };
                Err(invalid(&e, known.into_iter().flatten().map(|name| name.to_string()).collect()))
            }
        }
    }
}

fn invalid(error: &Error, known: Vec<String>) -> TemplateError {
    let why = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    TemplateError::Invalid { line: error.line(), why, known }
}

/// The result, up to a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        match self.bytes.len() > self.limit {
            true => Err(std::io::Error::other("too large")),
            false => Ok(bytes.len()),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads `[[ .Name ]]` as `[[ Name ]]`: templates of DevStream have a dot there, as those of Go do.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str, vars: Value) -> Result<Rendered, TemplateError> {
        let Value::Object(vars) = vars else { panic!("vars are a map") };
        Renderer::new(&vars, Limits { steps: 100_000, bytes: 1 << 20 })?.render(text)
    }

    #[track_caller]
    fn gives(text: &str, vars: Value, expected: &str) {
        assert_eq!(render(text, vars).expect("rendered").text, expected);
    }

    #[test]
    fn values_blocks_and_comments() {
        gives("# [[ name ]] ${{ github.ref }}\n", json!({ "name": "cart" }), "# cart ${{ github.ref }}\n");
        gives(
            "[% for x in xs %][[ x ]],[% endfor %][# no #]",
            json!({ "xs": [1, 2.5, true] }),
            "1,2.5,true,",
        );
        gives(
            "[[ a ]] [[ b ]] [[ c ]]",
            json!({ "a": null, "b": ["x", false], "c": { "d": 1 } }),
            r#"null ["x",false] {"d":1}"#,
        );
        gives("[[ a.b | upper ]]", json!({ "a": { "b": "<x>" } }), "<X>");
        gives("[[ n ]]", json!({ "n": 9007199254740993_i64 }), "9007199254740993");
        gives("a\r\nb\n\n", json!({}), "a\r\nb\n\n");
        gives("[[.name]] [[ .name ]] [[-.name ]] [.x]", json!({ "name": "cart" }), "cart cartcart [.x]");
    }

    #[test]
    fn mistakes_have_a_line() {
        let error = render("one\n[[ nme ]]\n", json!({ "name": "x" })).expect_err("no value");
        assert_eq!(error.to_string(), "line 2: undefined value: `nme` is undefined");
        assert!(matches!(error, TemplateError::Invalid { known, .. } if known == ["name"]));
        let error = render("\n\n[% if %]", json!({})).expect_err("syntax");
        assert!(matches!(error, TemplateError::Invalid { line: Some(3), .. }), "{error}");
    }

    #[test]
    fn work_and_size_are_limited() {
        let endless = "[% for a in range(9999) %][% for b in range(9999) %]x[% endfor %][% endfor %]";
        assert!(matches!(render(endless, json!({})), Err(TemplateError::Invalid { .. })));
        let large = json!({ "x": "x".repeat(1 << 16) });
        let error = render("[% for a in range(99) %][[ x ]][% endfor %]", large).expect_err("too large");
        assert_eq!(error, TemplateError::TooLarge(1 << 20));
        let (few, many) =
            (render("[[ 1 ]]", json!({})), render("[% for a in range(99) %]x[% endfor %]", json!({})));
        assert!(many.expect("rendered").steps > few.expect("rendered").steps + 99);
    }
}
