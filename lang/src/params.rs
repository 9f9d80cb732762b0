//! The values of params: from the command line, from files, from the environment, or their defaults.

use crate::data::{Contents, NodeKind, Sealing};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::eval::{Context, Evaluator, Mocks, NoOutputs, World};
use crate::hir::{Hir, Param};
use crate::index::{IdVec, ParamId};
use crate::inputs::{Given, Inputs, Origin, Purpose};
use crate::loader::Loader;
use crate::maps::IndexMap;
use crate::source::{FileId, Sources, Span};
use crate::syntax::ast::{self, ExprKind as A};
use crate::types::Type;
use crate::value::{Data, Unknown, Value};

/// The values of params that are given from outside; unknown where none is.
pub(crate) fn params(
    hir: &Hir,
    sources: &mut Sources,
    loader: &dyn Loader,
    inputs: &Inputs,
    purpose: Purpose,
    diags: &mut Diagnostics,
) -> IdVec<ParamId, Value> {
    let mut given: IndexMap<String, Value> = IndexMap::default();
    let world = &mut World::default();
    let names: Vec<&str> = hir.params.iter().map(|p| &*p.name).collect();
    let unknown = |name: &str, how: String, at: Option<Span>, diags: &mut Diagnostics| {
        let diagnostic =
            Diagnostic::new(Code::E0410, format!("{how} sets `{name}`, but the program has no such param"));
        let diagnostic = match at {
            Some(at) => diagnostic.at(at, "no param"),
            None => diagnostic,
        };
        diags.push(diagnostic.nearest(name, names.iter().copied()));
    };
    for (path, text) in &inputs.params_files {
        let file = sources.add(path.as_str(), text.as_str());
        let has_secrets = hir.params.iter().any(|p| p.ty.has_secret());
        let mut problems = Diagnostics::default();
        let mut sealed = false;
        let contents = crate::data::read(file, (path, path), text, loader, &mut problems);
        if let Some(Contents { tree, sealing }) = contents {
            match sealing {
                Sealing::None => {}
                Sealing::Opened => sealed = true,
                Sealing::Unset(diagnostic) => {
                    sealed = true;
                    if purpose == Purpose::Plan {
                        problems.push(*diagnostic);
                    }
                }
            }
            let mut shape = Diagnostics::default();
            if !matches!(tree.kind, NodeKind::Map(_)) {
                // What is there is not repeated: it may be a secret.
                let diagnostic = Diagnostic::new(Code::E0411, format!("`{path}` is not a map of params"));
                let diagnostic =
                    diagnostic.at(tree.span, "expected `name: value` on each line").hide_source();
                shape.push(diagnostic.help("a params file is YAML: write `name: value`, not `name = value`"));
                diags.append_of(shape, has_secrets);
                return IdVec::default();
            }
            for (name, at, node) in tree.entries() {
                match hir.params.iter().find(|p| p.name == *name) {
                    Some(param) => {
                        let value = crate::data::typed(node, &param.ty, Some(param.span), &mut problems);
                        given.insert(name.to_string(), if sealed { value.into_secret() } else { value });
                    }
                    None => unknown(name, format!("`{path}`"), Some(*at), &mut problems),
                }
            }
        }
        diags.append_of(problems, has_secrets);
    }
    let of = |given: &Given| (given.name.clone(), given.text.clone(), how(given));
    let is_program = |given: &&Given| given.origin == Origin::Program;
    let mut texts: Vec<(String, String, String)> = inputs.sets.iter().filter(is_program).map(of).collect();
    for p in &hir.params {
        let var = format!("DTM_PARAM_{}", p.name);
        if let Some(text) = inputs.env.get(&var) {
            texts.push((p.name.to_string(), text, format!("the variable `{var}`")));
        }
    }
    let has = |name: &str| hir.params.iter().any(|p| *p.name == *name);
    let later = inputs.sets.iter().filter(|g| !is_program(g));
    // Of `--env` only what it finds counts where the program has no such param.
    texts.extend(later.filter(|g| g.origin != Origin::Env || has(&g.name)).map(of));
    on_the_command_line(hir, inputs, diags);
    for (name, text, how) in texts {
        let Some(param) = hir.params.iter().find(|p| *p.name == *name) else {
            let by = how.strip_prefix(&format!("`{name}` of ")).unwrap_or(&how).to_string();
            unknown(&name, by, None, diags);
            continue;
        };
        match from_text(sources, &text, &param.ty, &how) {
            Ok(value) => _ = given.insert(name, value),
            Err(problem) => diags.append(problem),
        }
    }
    let mut missing = vec![];
    let env = |name: &str| inputs.env.get(name);
    let sources_now = sources.clone();
    let cx = Context {
        hir,
        sources: &sources_now,
        params: &IdVec::default(),
        env: &env,
        loader,
        outputs: &NoOutputs,
        mocks: &Mocks::default(),
        strict: purpose == Purpose::Plan,
        use_defaults: true,
    };
    let mut ev = Evaluator::new(cx, world, true);
    let values = hir.params.iter().map(|p| {
        let Some(value) = given.get(&*p.name) else {
            if p.default.is_none() {
                missing.push(p);
            }
            return Value { secret: p.ty.has_secret(), ..Value::plain(Data::Unknown(Unknown::Unset)) };
        };
        ev.place = Some(p.span);
        match ev.fit(value.clone(), &p.ty, &format!("the param `{}`", p.name)) {
            Ok(value) => value.of_project(),
            Err(why) => {
                let why =
                    if p.ty.has_secret() { format!("the param `{}` does not fit", p.name) } else { why };
                let diagnostic = Diagnostic::new(Code::E0407, why).at(p.span, "declared here");
                diags.push(diagnostic);
                Value::error()
            }
        }
    });
    let values: IdVec<ParamId, Value> = values.collect();
    diags.append(std::mem::take(&mut ev.diags));
    if purpose == Purpose::Plan && !missing.is_empty() {
        let list: Vec<String> = missing.iter().map(|p| format!("`{}`", p.name)).collect();
        let plural = if list.len() == 1 { "the param" } else { "the params" };
        let verb = if list.len() == 1 { "has" } else { "have" };
        let mut diagnostic =
            Diagnostic::new(Code::E0402, format!("{plural} {} {verb} no value", list.join(", ")));
        for (i, p) in missing.iter().enumerate() {
            diagnostic = if i == 0 {
                diagnostic.at(p.span, "needs a value")
            } else {
                diagnostic.also(p.span, "needs a value")
            };
        }
        let (secret, plain): (Vec<&Param>, Vec<&Param>) =
            missing.iter().copied().partition(|p| p.ty.has_secret());
        let sets: Vec<String> = plain.iter().map(|p| format!("--set {}=...", p.name)).collect();
        match &*sets {
            [] => {}
            [one] => diagnostic = diagnostic.help(format!("set it: `{one}`")),
            all => diagnostic = diagnostic.help(format!("set them: `{}`", all.join(" "))),
        }
        for p in secret {
            diagnostic = diagnostic.help(elsewhere(&p.name));
        }
        diags.push(diagnostic);
    }
    values
}

/// How a person names where a text comes from.
fn how(given: &Given) -> String {
    match given.origin {
        Origin::Program => format!("`{}` of `--params-from`", given.name),
        Origin::Env => "`--env`".to_string(),
        Origin::Prompt => "the answer".to_string(),
        Origin::Set | Origin::Saved => format!("`--set {}`", given.name),
    }
}

/// Where the value of a secret param belongs.
fn elsewhere(name: &str) -> String {
    format!("set the secret `{name}` in the variable `DTM_PARAM_{name}`, or in a file for `--params FILE`")
}

/// Every user of the machine can read a command line, and the shell keeps it.
fn on_the_command_line(hir: &Hir, inputs: &Inputs, diags: &mut Diagnostics) {
    let set = |name: &str| inputs.sets.iter().any(|g| g.origin == Origin::Set && *g.name == *name);
    for param in hir.params.iter().filter(|p| p.ty.has_secret() && set(&p.name)) {
        let headline = format!("`--set {}` puts a secret on the command line", param.name);
        let d = Diagnostic::new(Code::W0402, headline).at(param.span, "this param is secret");
        let d = d.note("other users can see the command line, and the shell keeps it in its history");
        diags.push(d.help(elsewhere(&param.name)));
    }
}

/// A value given as text: a text type takes it as it is, any other is a literal.
pub(crate) fn from_text(
    sources: &mut Sources,
    text: &str,
    ty: &Type,
    how: &str,
) -> Result<Value, Diagnostics> {
    if ty.is_text() && !(ty.is_nullable() && text == "null") {
        return Ok(Value::string(text));
    }
    let file: FileId = sources.add(format!("<{}>", how.trim_matches('`')), text);
    let mut diags = Diagnostics::default();
    let parsed = crate::syntax::parse_literal(file, text, &mut diags);
    _ = crate::budget::refused();
    let value = parsed.as_ref().and_then(constant);
    if let Some(why) = crate::budget::refused() {
        return Err(Diagnostic::new(
            Code::E0407,
            format!("the value from {how} is too large: {}", why.headline()),
        )
        .into());
    }
    match value {
        Some(value) => Ok(value),
        None => {
            let shown = if ty.has_secret() { "(secret)".to_string() } else { crate::text::quoted(text) };
            let d = Diagnostic::new(Code::E0407, format!("{how} gives {shown}, which is not of type `{ty}`"));
            Err(d.help("write a literal as in a `.dts` file: `3`, `true`, `10m`, `[1, 2]`").into())
        }
    }
}

/// The value of a literal, collections of literals included.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
fn constant(expr: &ast::Expr) -> Option<Value> {
    Some(match &*expr.kind {
        A::Paren(inner) => constant(inner)?,
        A::Str(parts) => match parts.as_slice() {
            [] => Value::string(""),
            [ast::StrPart::Text(t)] => Value::string(t.clone()),
            _ => return None,
        },
        A::List(items) => {
            let item = |i: &ast::Element| if let ast::Element::One(expr) = i { constant(expr) } else { None };
            Value::list(items.iter().map(item).collect::<Option<_>>()?)
        }
        A::Record(entries) => {
            let entry = |expr: &ast::Entry| match expr {
                ast::Entry::Field { name, value: Some(v), .. } => Some((name.text.clone(), constant(v)?)),
                ast::Entry::Field { .. }
                | ast::Entry::Computed(..)
                | ast::Entry::Spread(_)
                | ast::Entry::Error(_) => None,
            };
            Value::map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        A::Unary(ast::UnaryOp::Neg, inner) => match constant(inner)?.data {
            Data::Int(i) => Value::plain(Data::Int(i.checked_neg()?)),
            Data::Float(f) => Value::plain(Data::Float(-f)),
            Data::Duration(d) => Value::plain(Data::Duration(d.checked_neg()?)),
            Data::Null
            | Data::Bool(_)
            | Data::String(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => return None,
        },
        kind => crate::value::of_literal(kind)?,
    })
}
