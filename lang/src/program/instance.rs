//! One instance of a tool: what it depends on, the configuration of its plugin, its options.

use super::build::deferred;
use crate::budget;
use crate::diag::{Code, Diagnostic};
use crate::eval::{Evaluator, ROOT, leaks};
use crate::hir::{Expr, Hir, Tool, With};
use crate::index::{ConfigureId, IdVec, ToolId};
use crate::interface::Kind;
use crate::source::{Span, Symbol};
use crate::value::{Data, InstanceId, Marks, ScopeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `with` says of an instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Deleting it is an error.
    pub protect: bool,
    /// Inputs whose stored value stands.
    pub ignore: Vec<Symbol>,
    /// A replacement is created before the old object is deleted.
    pub create_first: bool,
    /// Nanoseconds for each operation.
    pub timeout: Option<i64>,
    /// How often a failed operation is tried again.
    pub retries: Option<u32>,
    /// Whether it is read before planning.
    pub read: bool,
}

/// One instance of a tool.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its address: `ci`, `svc["cart"]`.
    pub addr: Symbol,
    /// Its kind.
    pub kind: Arc<Kind>,
    /// The name of its plugin in this program.
    pub plugin: Symbol,
    /// The configuration of its plugin.
    pub config: Option<ConfigureId>,
    /// What it depends on directly, with the expression that says so.
    pub edges: BTreeMap<InstanceId, Span>,
    /// Its options.
    pub options: Options,
    /// Whether it is `existing`: found, read, never made or changed.
    pub existing: bool,
    /// Where its name stands.
    pub span: Span,
    pub(super) tool: ToolId,
    pub(super) scope: ScopeId,
}

/// What an instance depends on directly, with the expression that says so. The first one counts.
type Edges = BTreeMap<InstanceId, Span>;

/// What the settings of each configuration depend on.
pub(super) type Configured = IdVec<ConfigureId, Edges>;

/// The components that contain an instance, innermost first: their scopes and their `with` options, which apply
/// to each tool inside.
type Around<'h> = Vec<(ScopeId, &'h With)>;

/// Evaluates all of an instance.
pub(super) fn instance(
    ev: &mut Evaluator<'_, '_>,
    hir: &Hir,
    id: InstanceId,
    configured: &Configured,
) -> Instance {
    let known = ev.world.instances[id.0 as usize].clone();
    let tool = &hir.tools[known.tool];
    let mut edges = inputs(ev, tool, id, &known.addr, &known.marks);
    after(ev, tool, id, &mut edges);
    let around = around(ev, hir, known.scope);
    after_of_components(ev, &around, &mut edges);
    let config = configuration(ev, hir, tool, &around);
    if let Some(config) = config {
        settings_before(ev, id, &known.addr, &configured[config], &mut edges);
    }
    let options = options(ev, tool, id, &around);
    edges.remove(&id);
    // They are kept to the end.
    budget::made(edges.len());
    Instance {
        addr: known.addr,
        kind: tool.kind.clone(),
        plugin: tool.plugin.clone(),
        config,
        edges,
        options,
        existing: tool.existing,
        span: tool.span,
        tool: known.tool,
        scope: known.scope,
    }
}

/// Evaluates the inputs; gives the edges that follow from them and from the header.
fn inputs(ev: &mut Evaluator<'_, '_>, tool: &Tool, id: InstanceId, addr: &Symbol, header: &Marks) -> Edges {
    let mut edges = Edges::new();
    if let Some(marks) = header {
        edges.extend(marks.iter().map(|(other, at)| (*other, *at)));
    }
    for (name, expr) in &tool.inputs {
        let value = ev.input(id, name, tool.span);
        ev.leaves(&value, expr.span);
        let ty = tool.kind.inputs.get(name).map(|input| &input.field.ty);
        if ty.is_some_and(|ty| leaks(&value, ty)) {
            let headline = format!("a secret reaches the input `{name}`, which is not secret");
            let d =
                Diagnostic::new(Code::E0304, headline).at(expr.span, "contains a secret").tool(addr.clone());
            let d = d.note("the secret came through untyped data");
            ev.diags.push(d.help("if the value may be shown, say why: `expose(x, \"reason\")`"));
        }
        // The problem was reported, or else this is a bug in dtm; in either case nothing is planned without the value.
        if value.is_error() && !ev.diags.has_errors() {
            let headline = format!("the input `{name}` has no value: this is a bug in dtm");
            ev.diags.push(Diagnostic::new(Code::E0401, headline).at(expr.span, "here").tool(addr.clone()));
        }
        let mut marks = BTreeMap::new();
        value.collect_marks(&mut marks);
        if let (Some(own), false) = (marks.remove(&id), value.is_known()) {
            let d = Diagnostic::new(Code::E0501, format!("`{addr}` waits for itself"));
            let d = d.at(own, "an output of the tool whose input this is").tool(addr.clone());
            ev.diags.push(d.help("remove this reference"));
        }
        marks.into_iter().for_each(|(other, at)| _ = edges.entry(other).or_insert(at));
    }
    edges
}

/// Adds what the tool's `after` names.
fn after(ev: &mut Evaluator<'_, '_>, tool: &Tool, id: InstanceId, edges: &mut Edges) {
    let implied = edges.clone();
    ev.enter(id);
    for after in &tool.with().after {
        for other in tools_named(ev, after) {
            if implied.contains_key(&other) && tool.each.is_none() && tool.home.is_none() {
                let addr = ev.world.instances[other.0 as usize].addr.clone();
                let headline = format!("`after` names `{addr}`, which an input reads already");
                let d = Diagnostic::new(Code::W0501, headline).at(after.span, "not needed");
                ev.diags.push(d.help("remove it: the order follows from the data"));
            }
            edges.entry(other).or_insert(after.span);
        }
    }
}

/// Every instance that an expression in `after` refers to.
fn tools_named(ev: &mut Evaluator<'_, '_>, after: &Expr) -> Vec<InstanceId> {
    let value = ev.eval(after);
    let mut found = vec![];
    ev.tools_in(&value, &mut found);
    found
}

fn around<'h>(ev: &Evaluator<'_, '_>, hir: &'h Hir, mut scope: ScopeId) -> Around<'h> {
    let mut around = vec![];
    while scope != ROOT {
        let component = &ev.world.scopes[scope.0 as usize];
        around.push((scope, hir.tools[component.tool].with()));
        scope = component.outer;
    }
    around
}

/// Adds what `after` of the components around names.
fn after_of_components(ev: &mut Evaluator<'_, '_>, around: &Around<'_>, edges: &mut Edges) {
    for (scope, with) in around {
        for after in &with.after {
            ev.enter_header(*scope);
            for other in tools_named(ev, after) {
                edges.entry(other).or_insert(after.span);
            }
        }
    }
}

/// The configuration of the tool's plugin: the one that `using` of the tool or of a component around it names, or else
/// the one without a name.
fn configuration(
    ev: &mut Evaluator<'_, '_>,
    hir: &Hir,
    tool: &Tool,
    around: &Around<'_>,
) -> Option<ConfigureId> {
    let is_configured = |name: &&Symbol| {
        hir.configures.iter().any(|c| c.plugin == tool.plugin && c.name.as_ref() == Some(*name))
    };
    let inherited = || around.iter().filter_map(|(_, with)| with.using.as_ref()).find(is_configured);
    let using = tool.with().using.as_ref().or_else(inherited).cloned();
    let config = hir.configures.position(|c| c.plugin == tool.plugin && c.name == using);
    match (config, using) {
        (Some(_), _) => {}
        (None, None) => needs_settings(ev, hir, tool),
        (None, Some(using)) => {
            let headline = format!("unknown configuration `{using}` of `{}`", tool.plugin);
            ev.diags.push(Diagnostic::new(Code::E0201, headline).at(tool.span, "this tool uses it"));
        }
    }
    config
}

/// Reports a plugin without a configuration that needs one.
fn needs_settings(ev: &mut Evaluator<'_, '_>, hir: &Hir, tool: &Tool) {
    let Some(used) = hir.plugins.get(&tool.plugin) else { return };
    let needed = used.plugin.settings.fields.iter().filter(|(_, field)| !field.may_be_absent());
    let missing: Vec<String> = needed.map(|(name, _)| format!("`{name}`")).collect();
    if missing.is_empty() {
        return;
    }
    let headline = format!("the plugin `{}` needs the settings {}", tool.plugin, missing.join(", "));
    let d = Diagnostic::new(Code::E0302, headline).at(tool.span, "this tool uses it");
    let d = d.also(used.plugin.span, "declared by this interface");
    ev.diags.push(d.help(format!("write `configure {} {{ ... }}`", tool.plugin)));
}

/// Adds what the settings of the tool's plugin depend on.
fn settings_before(
    ev: &mut Evaluator<'_, '_>,
    id: InstanceId,
    addr: &Symbol,
    settings: &Edges,
    edges: &mut Edges,
) {
    settings.iter().for_each(|(other, at)| _ = edges.entry(*other).or_insert(*at));
    if let Some(own) = settings.get(&id) {
        let headline = format!("`{addr}` waits for itself through the settings of its plugin");
        let d = Diagnostic::new(Code::E0501, headline);
        ev.diags.push(d.at(*own, "an output of a tool that uses these settings").tool(addr.clone()));
    }
}

/// How often an operation may be tried again.
const MOST_RETRIES: i64 = 1000;

/// The options of `with`, which must be known.
fn options(ev: &mut Evaluator<'_, '_>, tool: &Tool, id: InstanceId, around: &Around<'_>) -> Options {
    let mut option = |expr: &Option<Expr>, name: &str| {
        let expr = expr.as_ref()?;
        ev.enter(id);
        let value = ev.eval(expr);
        if let Some(origin) = deferred(&value) {
            ev.deferred_structure(expr.span, origin, &format!("the option `{name}`"));
        }
        Some(value.data)
    };
    let protect = option(&tool.with().protect, "protect");
    let read = !matches!(option(&tool.with().read, "read"), Some(Data::Bool(false)));
    let timeout = match option(&tool.with().timeout, "timeout") {
        Some(Data::Duration(nanoseconds)) => Some(nanoseconds),
        _ => None,
    };
    let retries = match option(&tool.with().retries, "retries") {
        Some(Data::Int(count)) => Some(count),
        _ => None,
    };
    if let (Some(nanoseconds), Some(expr)) = (timeout.filter(|ns| *ns <= 0), &tool.with().timeout) {
        let headline =
            format!("a `timeout` must be longer than zero, not {}", crate::value::duration_text(nanoseconds));
        ev.diags.push(Diagnostic::new(Code::E0401, headline).at(expr.span, "too short"));
    }
    if let (Some(count), Some(expr)) =
        (retries.filter(|count| !(0..=MOST_RETRIES).contains(count)), &tool.with().retries)
    {
        let headline = format!("`retries` must be a number from 0 to {MOST_RETRIES}, not {count}");
        ev.diags.push(Diagnostic::new(Code::E0401, headline).at(expr.span, "out of range"));
    }
    let retries = retries.map(|count| count.clamp(0, MOST_RETRIES) as u32);
    let protect = protect.or_else(|| {
        around.iter().find_map(|(scope, with)| {
            let protect = with.protect.as_ref()?;
            ev.enter_header(*scope);
            Some(ev.eval(protect).data)
        })
    });
    Options {
        protect: matches!(protect, Some(Data::Bool(true))),
        ignore: tool.with().ignore.clone(),
        create_first: tool.with().create_first,
        timeout,
        retries,
        read,
    }
}
