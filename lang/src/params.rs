//! The values of params: from the command line, from files, from the environment, or their defaults.

use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::eval::{Context, Evaluator, NoOutputs, Stage, World};
use crate::hir::Hir;
use crate::loader::Loader;
use crate::maps::IndexMap;
use crate::program::{Inputs, Purpose};
use crate::source::{FileId, Sources, Span, Symbol};
use crate::syntax::ast::{self, ExprKind as A};
use crate::types::Type;
use crate::value::{Data, Unknown, Value};
use std::sync::Arc;

/// The values of params that are given from outside; unknown where none is.
pub(crate) fn params(
    hir: &Hir,
    sources: &mut Sources,
    loader: &dyn Loader,
    inputs: &Inputs,
    purpose: Purpose,
    diags: &mut Diagnostics,
) -> Vec<Value> {
    let mut given: IndexMap<String, Value> = IndexMap::default();
    let world = &mut World::default();
    let names: Vec<&str> = hir.params.iter().map(|p| &*p.name).collect();
    let unknown = |name: &str, how: String, at: Option<Span>, diags: &mut Diagnostics| {
        let d = Diagnostic::new(Code::E0410, format!("{how} gives `{name}`, but no param has that name"));
        let d = match at {
            Some(at) => d.at(at, "no param"),
            None => d,
        };
        diags.push(d.nearest(name, names.iter().copied()));
    };
    if let Some((path, text)) = &inputs.params_file {
        let file = sources.add(path.as_str(), text.as_str());
        let has_secrets = hir.params.iter().any(|p| p.ty.has_secret());
        let mut problems = Diagnostics::default();
        if let Some(tree) = crate::data::read(file, path, text, &mut problems) {
            if crate::data::typed(&tree, &Type::map(Type::Any), None, &mut problems).is_error() {
                diags.append_of(problems, has_secrets);
                return vec![];
            }
            for (name, at) in &tree.keys() {
                match hir.params.iter().find(|p| p.name == *name) {
                    Some(param) => {
                        let ty = only(name, &param.ty);
                        let value = crate::data::typed(&tree, &ty, Some(param.span), &mut problems);
                        if let Some(v) = value.get(name) {
                            given.insert(name.to_string(), v.clone());
                        }
                    }
                    None => unknown(name, format!("`{path}`"), Some(*at), &mut problems),
                }
            }
        }
        diags.append_of(problems, has_secrets);
    }
    let mut texts: Vec<(String, String, String)> = vec![];
    for p in &hir.params {
        let var = format!("DTM_PARAM_{}", p.name);
        if let Some(text) = inputs.env.get(&var) {
            texts.push((p.name.to_string(), text, format!("the variable `{var}`")));
        }
    }
    texts.extend(inputs.sets.iter().map(|(n, t)| (n.clone(), t.clone(), format!("`--set {n}`"))));
    for (name, text, how) in texts {
        let Some(param) = hir.params.iter().find(|p| *p.name == *name) else {
            unknown(&name, how, None, diags);
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
        params: &[],
        env: &env,
        loader,
        outputs: &NoOutputs,
        stage: &Stage::default(),
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
                let d = Diagnostic::new(Code::E0407, why).at(p.span, "declared here");
                diags.push(d);
                Value::error()
            }
        }
    });
    let values: Vec<Value> = values.collect();
    diags.append(std::mem::take(&mut ev.diags));
    if purpose == Purpose::Plan && !missing.is_empty() {
        let list: Vec<String> = missing.iter().map(|p| format!("`{}`", p.name)).collect();
        let plural = if list.len() == 1 { "the param" } else { "the params" };
        let verb = if list.len() == 1 { "has" } else { "have" };
        let mut d = Diagnostic::new(Code::E0402, format!("{plural} {} {verb} no value", list.join(", ")));
        for (i, p) in missing.iter().enumerate() {
            d = if i == 0 { d.at(p.span, "needs a value") } else { d.also(p.span, "needs a value") };
        }
        let sets: Vec<String> = missing.iter().map(|p| format!("--set {}=...", p.name)).collect();
        diags.push(d.help(format!(
            "give {}: `{}`",
            if sets.len() == 1 { "it" } else { "them" },
            sets.join(" ")
        )));
    }
    values
}

fn only(name: &Symbol, ty: &Type) -> Type {
    let fields = IndexMap::from_iter([(name.clone(), crate::types::FieldType::plain(ty.clone()))]);
    Type::Record(Arc::new(crate::types::RecordType::new(fields, true)))
}

/// A value given as text: a text type takes it as it is, any other is a literal.
fn from_text(sources: &mut Sources, text: &str, ty: &Type, how: &str) -> Result<Value, Diagnostics> {
    if ty.is_text() && !(ty.is_nullable() && text == "null") {
        return Ok(Value::string(text));
    }
    let file: FileId = sources.add(format!("<{}>", how.trim_matches('`')), text);
    let mut diags = Diagnostics::default();
    let parsed = crate::syntax::parse_literal(file, text, &mut diags);
    _ = crate::budget::refused();
    let value = parsed.as_ref().and_then(constant);
    if let Some(why) = crate::budget::refused() {
        return Err(Diagnostic::new(Code::E0407, format!("{how} gives too much: {}", why.headline())).into());
    }
    match value {
        Some(value) => Ok(value),
        None => {
            let shown = if ty.has_secret() { "(secret)".to_string() } else { crate::value::quoted(text) };
            let d = Diagnostic::new(Code::E0407, format!("{how} gives {shown}, which is no `{ty}`"));
            Err(d.help("write a literal as in a `.dts` file: `3`, `true`, `10m`, `[1, 2]`").into())
        }
    }
}

/// The value of a literal, collections of literals included.
fn constant(e: &ast::Expr) -> Option<Value> {
    Some(match &*e.kind {
        A::Paren(inner) => constant(inner)?,
        A::Str(parts) => match parts.as_slice() {
            [] => Value::string(""),
            [ast::StrPart::Text(t)] => Value::string(t.clone()),
            _ => return None,
        },
        A::List(items) => {
            let item = |i: &ast::Element| if let ast::Element::One(e) = i { constant(e) } else { None };
            Value::list(items.iter().map(item).collect::<Option<_>>()?)
        }
        A::Record(entries) => {
            let entry = |e: &ast::Entry| match e {
                ast::Entry::Field { name, value: Some(v), .. } => Some((name.text.clone(), constant(v)?)),
                _ => None,
            };
            Value::map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        A::Unary(ast::UnaryOp::Neg, inner) => match constant(inner)?.data {
            Data::Int(i) => Value::plain(Data::Int(i.checked_neg()?)),
            Data::Float(f) => Value::plain(Data::Float(-f)),
            Data::Duration(d) => Value::plain(Data::Duration(d.checked_neg()?)),
            _ => return None,
        },
        kind => crate::value::of_literal(kind)?,
    })
}
