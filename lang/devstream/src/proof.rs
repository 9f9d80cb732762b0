//! Whether two programs plan the same, from an empty state.

use super::tools::waiting;
use super::{Conversion, convert};
use dtm_lang::NoOutputs;
use dtm_lang::diag::{Code, Diagnostic, Diagnostics, Severity};
use dtm_lang::loader::{Around, Loader};
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::{Sources, Span};
use dtm_lang::value::InstanceId;
use dtm_lang::wire::to_wire;
use dtm_lang::{Inputs, Program, Purpose};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What came of comparing the plans of a configuration and of what it was converted to.
pub enum Proof {
    /// They are equal: so many tools.
    Equal(usize),
    /// They differ, in these ways.
    Differ(Vec<String>),
    /// The configuration gives no plan itself.
    NoPlan(Diagnostics),
}

/// The name that the converted program has, among the other files.
const MADE: &str = "converted.dts";

/// Plans both, with the same values from outside: a variable that is not set counts as something of its own.
pub fn prove(root: &str, loader: &Arc<dyn Loader>, made: &Conversion, inputs: &Inputs) -> Proof {
    let mut env = inputs.env.all().clone();
    for variable in &made.env {
        env.entry(variable.to_string()).or_insert_with(|| format!("env-{}", variable.to_lowercase()));
    }
    let given = Inputs { sets: vec![], params_files: vec![], env: env.into() };
    let (yaml, problems) = Program::load(root, loader.clone(), &given, Purpose::Plan);
    if problems.has_errors() {
        return Proof::NoPlan(problems);
    }
    if let Some(stuck) = circle(&yaml) {
        let d = Diagnostic::new(Code::E0501, "some tools wait for each other").at(stuck, "one of them");
        return Proof::NoPlan(d.into());
    }
    let files: HashMap<String, String> =
        made.modules.iter().cloned().chain([(MADE.to_string(), made.text.clone())]).collect();
    let with = Around::loader(loader.clone(), move |inner, path| match files.get(path) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => inner.read(path),
    });
    let params_files =
        made.params.iter().map(|params| ("converted.yaml".to_string(), params.clone())).collect();
    let (dts, problems) = Program::load(MADE, with, &Inputs { params_files, ..given }, Purpose::Plan);
    let errors = problems.iter().filter(|d| d.severity() == Severity::Error);
    let errors: Vec<String> = errors.map(|d| format!("in what it became: {}", d.headline)).collect();
    match if errors.is_empty() {
        differences(&yaml, &dts, &|addr| made.moved.get(addr).map_or_else(|| addr.to_string(), Clone::clone))
    } else {
        errors
    } {
        differ if differ.is_empty() => Proof::Equal(dts.instances().len()),
        differ => Proof::Differ(differ),
    }
}

/// Where a tool is that waits for itself, by way of others.
fn circle(program: &Program) -> Option<Span> {
    let edges = program.instances().iter().map(|i| i.edges.keys().map(|dep| dep.0 as usize).collect());
    let stuck = waiting(&edges.collect::<Vec<Vec<usize>>>()).iter().position(|left| *left > 0)?;
    Some(program.instances()[stuck].span)
}

/// Converts a configuration, and compares the plans: what is written again and again is joined, unless the plans would differ.
pub fn convert_proven(
    root: &str,
    loader: &Arc<dyn Loader>,
    inputs: &Inputs,
) -> (Option<(Conversion, Proof)>, Sources, Diagnostics) {
    let (made, sources, diagnostics) = convert(root, &**loader, true);
    let Some(made) = made else { return (None, sources, diagnostics) };
    let proof = prove(root, loader, &made, inputs);
    if matches!(proof, Proof::Differ(_))
        && let (Some(plain), ..) = convert(root, &**loader, false)
    {
        let proof = prove(root, loader, &plain, inputs);
        return (Some((plain, proof)), sources, diagnostics);
    }
    (Some((made, proof)), sources, diagnostics)
}

/// What differs between the plans, in words: tools, their kinds and inputs, in which order they come, and where the state is
/// kept. `renamed` gives the address in the second program for one in the first.
fn differences(first: &Program, second: &Program, renamed: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut out = vec![];
    let state = |p: &Program| {
        (p.hir().backend.as_ref().map(|(name, _)| name.to_string()), p.setting("state").map(|v| to_wire(&v)))
    };
    if state(first) != state(second) {
        out.push("the state is kept in another place".into());
    }
    let mut met = HashSet::default();
    let back: HashMap<String, InstanceId> =
        first.instances().iter().enumerate().map(|(n, i)| (renamed(&i.addr), InstanceId(n as u32))).collect();
    for (number, before) in first.instances().iter().enumerate() {
        let addr = renamed(&before.addr);
        let Some(other) = second.find(&addr) else {
            out.push(format!("`{addr}` is missing"));
            continue;
        };
        met.insert(other);
        let after = second.instance(other);
        let kind = |p: &dtm_lang::Instance| format!("{}.{}", p.plugin, p.kind.name);
        if kind(before) != kind(after) {
            out.push(format!("`{addr}` is a `{}`, and was a `{}`", kind(after), kind(before)));
            continue;
        }
        let id = InstanceId(number as u32);
        let (inputs, others) = (first.inputs(id, &NoOutputs).0, second.inputs(other, &NoOutputs).0);
        let names: BTreeSet<_> = inputs.keys().chain(others.keys()).collect();
        for name in names {
            if inputs.get(name).map(to_wire) != others.get(name).map(to_wire) {
                out.push(format!("`{name}` of `{addr}` differs"));
            }
        }
        for dep in before.edges.keys() {
            let dep = renamed(&first.instance(*dep).addr);
            if second.find(&dep).is_some_and(|dep| !waits(second, other, dep)) {
                out.push(format!("`{addr}` does not wait for `{dep}` any more"));
            }
        }
        for dep in after.edges.keys() {
            let now = &second.instance(*dep).addr;
            if back.get(&**now).is_some_and(|dep| !waits(first, id, *dep)) {
                out.push(format!("`{addr}` waits for `{now}` now"));
            }
        }
    }
    for (number, after) in second.instances().iter().enumerate() {
        if !met.contains(&InstanceId(number as u32)) {
            out.push(format!("`{}` is new", after.addr));
        }
    }
    out
}

/// Whether a tool waits for another, directly or by way of others.
fn waits(program: &Program, tool: InstanceId, dep: InstanceId) -> bool {
    let (mut open, mut met) = (vec![tool], HashSet::default());
    while let Some(at) = open.pop() {
        let edges = &program.instance(at).edges;
        if edges.contains_key(&dep) {
            return true;
        }
        open.extend(edges.keys().copied().filter(|edge| met.insert(*edge)));
    }
    false
}
