//! Calls: of builtins, those included that read files and the environment, and of functions of the program.

use super::Evaluator;
use super::ops::first_unknown;
use crate::budget;
use crate::builtin::{Builtin, Taint};
use crate::data::{Format, Undecodable};
use crate::diag::{Code, Diagnostic};
use crate::hir::Expr;
use crate::index::FunctionId;
use crate::source::Span;
use crate::types::Type;
use crate::value::{Data, Unknown, Value, union};
use crate::wire::plain_json;
use dtm_template::{Limits, Renderer, TemplateError};
use serde_json::Value as Json;

impl Evaluator<'_, '_> {
    /// Calls a builtin; `to` is the type that the result is converted to, where the program names one.
    pub(super) fn call(
        &mut self,
        builtin: &'static Builtin,
        args: &[Expr],
        to: Option<&Type>,
        span: Span,
    ) -> Value {
        let values: Vec<Value> = args.iter().map(|a| self.eval(a)).collect();
        if values.iter().any(Value::is_error) {
            return Value::error();
        }
        if builtin.taint == Taint::Deep || builtin.name == "merge" {
            values.iter().for_each(Value::walked);
        }
        let unknown = values.iter().find_map(|v| match (builtin.taint, &v.data) {
            (Taint::Deep, _) => first_unknown(v),
            // A list in the list that is not known yet makes the whole unknown.
            (Taint::Structure, Data::List(l)) if builtin.name == "flatten" => {
                l.iter().find_map(|v| match v.data {
                    Data::Unknown(u) => Some(u),
                    Data::Null
                    | Data::Bool(_)
                    | Data::Int(_)
                    | Data::Float(_)
                    | Data::String(_)
                    | Data::Duration(_)
                    | Data::Size(_)
                    | Data::List(_)
                    | Data::Map(_)
                    | Data::Tool(_)
                    | Data::Component(_)
                    | Data::Error => None,
                })
            }
            (_, Data::Unknown(u)) => Some(*u),
            _ => None,
        });
        let marks = values.iter().fold(None, |m, v| match builtin.taint {
            Taint::Deep => union(&m, &v.deep_marks()),
            Taint::Structure => union(&m, &v.marks),
            Taint::Shape => None,
        });
        // A key that is secret makes what it chooses secret.
        let chosen = builtin.name == "get" && values.get(1).is_some_and(|k| k.secret);
        let chosen = chosen || builtin.name == "length" && values[0].secret;
        let secret = chosen || builtin.taint == Taint::Deep && values.iter().any(Value::has_secret);
        if let Some(u) = unknown {
            let marks = match builtin.taint {
                Taint::Shape => values[0].marks.clone(),
                // Which of the elements it is, is not known: all of them count.
                Taint::Deep | Taint::Structure => {
                    values.iter().fold(marks, |m, v| union(&m, &self.whole_marks(v, span)))
                }
            };
            let secret = secret || builtin.taint == Taint::Structure && values.iter().any(Value::has_secret);
            return Value {
                marks,
                secret: secret && builtin.name != "expose",
                ..Value::plain(Data::Unknown(u))
            };
        }
        if let Some(format) = Format::of_builtin(builtin.name) {
            let value =
                self.decode(builtin, format, &values[0], to.unwrap_or(&Type::Any), span).marked(&marks);
            return if secret { value.into_secret() } else { value };
        }
        // Most builtins traverse their texts.
        values.iter().filter_map(Value::as_str).for_each(|text| budget::seen(text));
        let result = match builtin.run {
            Some(run) => run(&values),
            None => match builtin.name {
                "file" => self.read_file(&values[0], span).map(Value::string),
                "template" => self.render_file(&values, span).map(Value::string),
                "env_var" => return self.env_var(&values, span),
                "tool_name" => self.tool_name(),
                other => Err(format!("`{other}` has no meaning: this is a bug in dtm")),
            },
        };
        match result {
            Ok(value) => {
                match value.as_str() {
                    Some(text) => budget::written(text),
                    None => budget::work(value.sum().weight),
                }
                let value = value.marked(&marks);
                if secret { value.into_secret() } else { value }
            }
            Err(_) if secret => self.fail(
                Code::E0401,
                span,
                format!("`{}` cannot take this (secret)", builtin.name),
                "called here",
            ),
            Err(why) => self.fail(Code::E0401, span, why, "called here"),
        }
    }

    /// A function of the program: its body, with locals of its own.
    pub(super) fn call_fn(&mut self, id: FunctionId, args: &[Expr], span: Span) -> Value {
        let values: Vec<Value> = args.iter().map(|a| self.eval(a)).collect();
        let function = &self.cx.hir.fns[id];
        let locals = std::mem::take(&mut self.locals);
        for (slot, value) in function.params.iter().zip(values) {
            self.set(*slot, value);
        }
        self.calls.push(span);
        budget::work(2);
        let value = self.within(super::ROOT, |ev| ev.eval(&function.body));
        self.calls.pop();
        self.locals = locals;
        value
    }

    /// A text as data of its format.
    fn decode(&mut self, builtin: &Builtin, format: Format, text: &Value, to: &Type, span: Span) -> Value {
        let (secret, text) = (text.has_secret(), text.as_str().cloned().unwrap_or_else(|| "".into()));
        // Every byte of it is read, and becomes part of a tree.
        budget::work(text.len() as u64 / 4);
        match crate::data::decode(format, &text, to) {
            Ok((value, warnings)) => {
                for warning in warnings.into_iter().filter(|_| !secret) {
                    let d = Diagnostic::new(Code::W0401, format!("`{}`: {warning}", builtin.name));
                    self.report(d.at(span, "called here"));
                }
                value
            }
            Err(Undecodable { place, .. }) if secret => {
                let headline = format!("`{}` cannot read this (secret): see its {place}", builtin.name);
                self.fail(Code::E0401, span, headline, "called here")
            }
            Err(Undecodable { why, .. }) => self.fail(
                Code::E0401,
                span,
                format!("`{}` cannot read this text: {why}", builtin.name),
                "called here",
            ),
        }
    }

    fn read_file(&mut self, path: &Value, span: Span) -> Result<String, String> {
        let path = path.as_str().cloned().unwrap_or_else(|| "".into());
        let from = self.cx.sources.file(span.file).path.clone();
        let path = crate::loader::join(self.cx.loader.home(), &from, &path)?;
        let bytes = self.cx.loader.read(&path).map_err(|why| format!("cannot read `{path}`: {why}"))?;
        String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))
    }

    /// A file as a template, with the values that are its second argument.
    fn render_file(&mut self, values: &[Value], span: Span) -> Result<String, String> {
        let text = self.read_file(&values[0], span)?;
        let vars = match values.get(1).map(plain_json) {
            Some(Json::Object(vars)) => vars,
            None | Some(Json::Null) => serde_json::Map::new(),
            Some(_) => return Err("`vars` is not a map".into()),
        };
        let limits = Limits { steps: budget::TEMPLATE, bytes: budget::LONGEST };
        let rendered = Renderer::new(&vars, limits).and_then(|renderer| renderer.render(&text));
        let rendered = rendered.map_err(|e| {
            let path = values[0].as_str().cloned().unwrap_or_else(|| "".into());
            let known = match &e {
                TemplateError::Invalid { known, .. } if !known.is_empty() => {
                    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                    format!("; `vars` has {}", names.join(", "))
                }
                TemplateError::Invalid { .. } | TemplateError::TooLarge(_) => String::new(),
            };
            format!("cannot render `{path}`: {e}{known}")
        })?;
        budget::seen(&text);
        budget::work(rendered.steps);
        Ok(rendered.text)
    }

    fn env_var(&mut self, values: &[Value], span: Span) -> Value {
        let name = values[0].as_str().cloned().unwrap_or_else(|| "".into());
        match ((self.cx.env)(&name), values.get(1)) {
            (Some(text), _) => Value::string(text).of_project(),
            (None, Some(default)) => default.clone(),
            (None, None) if self.cx.strict => self.fail(
                Code::E0402,
                span,
                format!("the environment variable `{name}` is not set"),
                "needed here",
            ),
            (None, None) => Value::plain(Data::Unknown(Unknown::Unset)),
        }
    }

    fn tool_name(&mut self) -> Result<Value, String> {
        let Some(id) = self.current else { return Err("`tool_name()` is known only in a tool".into()) };
        let instance = &self.world.instances[id.0 as usize];
        Ok(Value::string(self.joined(instance.scope, instance.tool, instance.key.as_ref())))
    }
}
