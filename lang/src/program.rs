//! A program ready to plan: its instances with their direct edges, and the values of their inputs as far as
//! outputs are known. This is what the engine gets; it never sees text.

use crate::budget;
use crate::check::{Checked, check, check_leniently};
use crate::diag::{Code, Diagnostic, Diagnostics, Severity};
use crate::environment::Environment;
use crate::eval::{Context, Evaluator, Mocks, NoOutputs, Outputs, ROOT, World, leaks};
use crate::frontend;
use crate::hir::{Assert, Expr, ExprKind as H, Hir, PluginUse, With};
use crate::index::{AssertId, ConfigureId, IdVec, ParamId, ToolId};
use crate::interface::Kind;
use crate::loader::Loader;
use crate::maps::HashMap;
use crate::maps::IndexMap;
use crate::params::params;
use crate::source::{Sources, Span, Symbol};
use crate::types::Type;
use crate::value::{Data, InstanceId, ScopeId, Unknown, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

/// The values that come from outside.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Params given as text; of several for one param the last one wins.
    pub sets: Vec<Given>,
    /// Files of params, as path and text; a later one wins.
    pub params_files: Vec<(String, String)>,
    /// The environment.
    pub env: Environment,
}

/// A param that is given as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The param.
    pub name: String,
    /// A string as it is, anything else as a literal.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Given {
    /// As `--set` gives it.
    pub fn set(name: impl Into<String>, text: impl Into<String>) -> Given {
        Given { name: name.into(), text: text.into(), origin: Origin::Set }
    }
}

/// Where the text of a param comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The output of a program, `--params-from`: weaker than a variable of the environment.
    Program,
    /// `--env`, which sets the param `env` of a program that has one.
    Env,
    /// `--set` on the command line.
    Set,
    /// A person who was asked.
    Prompt,
    /// A saved plan, which keeps what it was made with.
    Saved,
}

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
    tool: ToolId,
    scope: ScopeId,
}

/// A checked program with its values.
pub struct Program {
    hir: Arc<Hir>,
    sources: Arc<Sources>,
    params: IdVec<ParamId, Value>,
    env: Environment,
    loader: Arc<dyn Loader>,
    strict: bool,
    world: Mutex<World>,
    instances: Vec<Instance>,
    /// Instances by address, made when first asked for.
    addresses: OnceLock<HashMap<Symbol, InstanceId>>,
    /// The asserts, those of a component for each of its instances.
    asserts: Vec<(AssertId, ScopeId)>,
    /// What a test puts in place.
    pub(crate) mocks: Mocks,
}

/// From so many declarations on, a second thread helps.
const MANY_DECLS: usize = 1_000;

/// How a program is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Params and variables without a value are no error.
    Check,
    /// Every needed value must be there.
    Plan,
}

impl Program {
    /// Checks a root file and evaluates what is known. The program is there in spite of errors; it may be
    /// planned only without.
    pub fn load(
        root: &str,
        loader: Arc<dyn Loader>,
        inputs: &Inputs,
        purpose: Purpose,
    ) -> (Program, Diagnostics) {
        let (checked, diags) = match purpose {
            Purpose::Check => check_leniently(root, &*loader),
            Purpose::Plan => check(root, &*loader),
        };
        Program::of_checked(checked, diags, loader, inputs, purpose)
    }

    /// The program that was checked already, with what checking said.
    pub fn of_checked(
        mut checked: Checked,
        diags: Diagnostics,
        loader: Arc<dyn Loader>,
        inputs: &Inputs,
        purpose: Purpose,
    ) -> (Program, Diagnostics) {
        let syntax = std::mem::take(&mut checked.syntax);
        if syntax.iter().map(|m| m.decls.len()).sum::<usize>() < MANY_DECLS {
            return Program::evaluated(checked, diags, loader, inputs, purpose);
        }
        // To give back what was read takes as long as to evaluate it.
        std::thread::scope(|scope| {
            scope.spawn(move || drop(syntax));
            Program::evaluated(checked, diags, loader, inputs, purpose)
        })
    }

    fn evaluated(
        checked: Checked,
        mut diags: Diagnostics,
        loader: Arc<dyn Loader>,
        inputs: &Inputs,
        purpose: Purpose,
    ) -> (Program, Diagnostics) {
        let Checked { hir, mut sources, is_valid, syntax: _ } = checked;
        if purpose == Purpose::Plan {
            hir.unopened.iter().for_each(|d| diags.push(d.clone()));
        }
        let is_valid = is_valid && !diags.has_errors();
        let params = params(&hir, &mut sources, &*loader, inputs, purpose, &mut diags);
        let mut program = Program {
            hir: Arc::new(hir),
            sources: Arc::new(sources),
            params,
            env: inputs.env.clone(),
            loader,
            strict: purpose == Purpose::Plan,
            world: Mutex::default(),
            instances: vec![],
            addresses: OnceLock::new(),
            asserts: vec![],
            mocks: Mocks::default(),
        };
        // What is missing is told at once: variables of the environment together with params.
        if is_valid && diags.iter().all(|d| d.code == Code::E0402 || d.severity() == Severity::Warning) {
            diags.append(program.build());
        }
        // An expression of such a file may stand in several tools.
        let root = program.sources.files().next();
        if root.is_some_and(|(_, file)| {
            frontend::of(program.loader.extensions().frontends, &file.path).is_some()
        }) {
            diags = diags.once();
        }
        diags.sort();
        (program, diags)
    }

    /// The type and value of a `let` in the text that was checked inside of the program.
    pub fn value_of(&self, name: &str, outputs: &dyn Outputs) -> Option<(Type, Value, Diagnostics)> {
        let own = |l: &crate::hir::Let| &*self.sources.file(l.span.file).path == crate::check::EXPRESSION;
        let id = self.hir.lets.entries().rfind(|(_, l)| &*l.name == name && own(l))?.0;
        let def = &self.hir.lets[id];
        let (value, problems) =
            self.with_evaluator(outputs, false, |ev| ev.eval(&Expr::new(def.span, H::Let(id))));
        Some((def.ty.clone(), value, problems))
    }

    /// The instances, in the order of the program.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }
    /// One instance.
    pub fn instance(&self, id: InstanceId) -> &Instance {
        &self.instances[id.0 as usize]
    }
    /// The instance of an address.
    pub fn find(&self, addr: &str) -> Option<InstanceId> {
        let all = self.addresses.get_or_init(|| {
            let numbered = self.instances.iter().enumerate();
            numbered.map(|(i, instance)| (instance.addr.clone(), InstanceId(i as u32))).collect()
        });
        all.get(addr).copied()
    }
    /// The files.
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }
    /// The checked program.
    pub fn hir(&self) -> &Arc<Hir> {
        &self.hir
    }
    /// The plugins that the program uses, by their name in it.
    pub fn plugins(&self) -> &IndexMap<Symbol, PluginUse> {
        &self.hir.plugins
    }

    /// The params that were given a value from outside, with it.
    pub fn given_params(&self) -> impl Iterator<Item = (&Symbol, &Value)> {
        let given = |(_, v): &(&Symbol, &Value)| !matches!(v.data, Data::Unknown(_));
        self.hir.params.iter().map(|p| &p.name).zip(&self.params).filter(given)
    }

    /// The params that need a value and have none.
    pub fn missing_params(&self) -> Vec<&crate::hir::Param> {
        let unset = |v: &Value| matches!(v.data, Data::Unknown(Unknown::Unset));
        let params = self.hir.params.iter().zip(&self.params);
        params.filter(|(p, v)| p.default.is_none() && unset(v)).map(|(p, _)| p).collect()
    }

    /// Whether a value is one of a param.
    pub(crate) fn fits(&self, value: Value, param: &crate::hir::Param) -> Result<(), String> {
        let what = format!("the param `{}`", param.name);
        let (fitted, problems) = self.with_evaluator(&NoOutputs, false, |ev| {
            ev.place = Some(param.span);
            ev.fit(value, &param.ty, &what)
        });
        fitted?;
        match problems.into_iter().find(|d| d.severity() == Severity::Error) {
            Some(problem) => Err(problem.headline),
            None => Ok(()),
        }
    }

    /// Why a text is not a value of a param; `None` if it is one.
    pub fn refuses(&self, param: &crate::hir::Param, text: &str) -> Option<String> {
        crate::params::refusal(self, param, text)
    }

    /// The same program with other values from outside, and what a test puts in place.
    pub(crate) fn staged(
        &self,
        params: IdVec<ParamId, Value>,
        env: Environment,
        mocks: Mocks,
    ) -> (Program, Diagnostics) {
        let mut program = Program {
            hir: self.hir.clone(),
            sources: self.sources.clone(),
            params,
            env,
            loader: self.loader.clone(),
            strict: false,
            world: Mutex::default(),
            instances: vec![],
            addresses: OnceLock::new(),
            asserts: vec![],
            mocks,
        };
        let diags = program.build();
        (program, diags)
    }

    /// A tool, and the components around it.
    pub(crate) fn tools_around(&self, instance: &Instance) -> Vec<ToolId> {
        let world = self.world.lock().unwrap_or_else(|e| e.into_inner());
        let mut found = vec![instance.tool];
        let mut scope = instance.scope;
        while scope != ROOT {
            let around = &world.scopes[scope.0 as usize];
            found.push(around.tool);
            scope = around.outer;
        }
        found
    }

    /// The branches that were taken so far.
    pub(crate) fn taken(&self) -> crate::maps::HashSet<Span> {
        self.world.lock().unwrap_or_else(|e| e.into_inner()).taken.clone()
    }

    /// What a param was given from outside.
    pub(crate) fn param_value(&self, id: ParamId) -> &Value {
        &self.params[id]
    }

    /// What was asked of the environment.
    pub fn environment(&self) -> &Environment {
        &self.env
    }
    /// Whether a variable of the environment has a value.
    pub(crate) fn has_env(&self, name: &str) -> bool {
        self.env.has(name)
    }

    pub(crate) fn with_evaluator<T>(
        &self,
        outputs: &dyn Outputs,
        building: bool,
        work: impl FnOnce(&mut Evaluator<'_, '_>) -> T,
    ) -> (T, Diagnostics) {
        let env = |name: &str| self.env.get(name);
        let cx = Context {
            hir: &self.hir,
            sources: &self.sources,
            params: &self.params,
            env: &env,
            loader: &*self.loader,
            outputs,
            mocks: &self.mocks,
            strict: self.strict,
            use_defaults: true,
        };
        let mut world = self.world.lock().unwrap_or_else(|e| e.into_inner());
        let mut evaluator = Evaluator::new(cx, &mut world, building);
        let result = work(&mut evaluator);
        let diags = std::mem::take(&mut evaluator.diags);
        (result, diags)
    }

    /// The inputs of an instance as far as the outputs tell, defaults included.
    pub fn inputs(&self, id: InstanceId, outputs: &dyn Outputs) -> (IndexMap<Symbol, Value>, Diagnostics) {
        let tool = &self.hir.tools[self.instances[id.0 as usize].tool];
        self.with_evaluator(outputs, false, |ev| {
            tool.inputs.keys().map(|name| (name.clone(), ev.input(id, name, tool.span))).collect()
        })
    }

    /// The program's outputs.
    pub fn outputs(&self, outputs: &dyn Outputs) -> (IndexMap<Symbol, Value>, Diagnostics) {
        let hir = self.hir.clone();
        self.with_evaluator(outputs, false, |ev| {
            hir.outputs.iter().map(|o| (o.name.clone(), ev.eval(&o.expr))).collect()
        })
    }

    /// Checks every assert whose values are known; the others are left for later.
    pub fn asserts(&self, outputs: &dyn Outputs) -> Diagnostics {
        self.with_evaluator(outputs, false, |ev| judge(&self.hir, &self.asserts, ev)).1
    }

    /// What is wrong with values that nothing needs, now that outputs are known.
    pub fn unneeded(&self, outputs: &dyn Outputs) -> Diagnostics {
        let hir = self.hir.clone();
        self.with_evaluator(outputs, false, |ev| {
            for id in hir.lets.ids().filter(|id| hir.lets[*id].home.is_none()) {
                ev.eval(&Expr::new(hir.lets[id].span, H::Let(id)));
            }
            for scope in (1..ev.world.scopes.len() as u32).map(ScopeId) {
                lets(ev, &hir, scope);
            }
        })
        .1
    }

    /// The asserts whose values are not known yet: their position, and the instances that they wait for.
    pub fn waiting_asserts(&self, outputs: &dyn Outputs) -> Vec<(usize, BTreeSet<InstanceId>)> {
        let (found, _) = self.with_evaluator(outputs, false, |ev| {
            let all = self.asserts.iter().enumerate();
            all.filter_map(|(i, (assert, scope))| {
                let value = ev.within(*scope, |ev| ev.eval(&self.hir.asserts[*assert].cond));
                let mut marks = BTreeMap::new();
                value.collect_marks(&mut marks);
                (!value.is_known()).then(|| (i, marks.into_keys().collect()))
            })
            .collect()
        });
        found
    }

    /// Checks one assert, by its position.
    pub fn assert(&self, position: usize, outputs: &dyn Outputs) -> Diagnostics {
        let one = self.asserts.get(position..=position).unwrap_or_default();
        self.with_evaluator(outputs, false, |ev| judge(&self.hir, one, ev)).1
    }

    /// Where an input of an instance is given in the program.
    pub fn input_span(&self, id: InstanceId, name: &str) -> Option<Span> {
        let tool = &self.hir.tools[self.instances[id.0 as usize].tool];
        tool.inputs.get(name).map(|e| e.span).filter(|s| s.file == tool.span.file)
    }

    /// The name of the configuration that an instance chose with `using`.
    pub fn using(&self, instance: &Instance) -> Option<&str> {
        self.hir.configures[instance.config?].name.as_deref()
    }

    /// The settings of a plugin's configuration.
    pub fn configuration(&self, config: ConfigureId, outputs: &dyn Outputs) -> (Value, Diagnostics) {
        self.with_evaluator(outputs, false, |ev| ev.eval(&self.hir.configures[config].settings))
    }

    /// A setting of the program: `state` (a record of the backend's options), `parallelism`, `timeout`.
    pub fn setting(&self, name: &str) -> Option<Value> {
        let expr = self.hir.settings.get(name)?;
        let (value, _) = self.with_evaluator(&NoOutputs, false, |ev| ev.eval(expr));
        (!value.is_error()).then_some(value)
    }

    /// Whether a param decides where state is kept, so that another value of it means another state.
    pub fn param_selects_state(&self) -> bool {
        let Some(expr) = self.hir.settings.get("state") else { return false };
        let env = |name: &str| self.env.get(name);
        let unset: IdVec<ParamId, Value> =
            self.params.iter().map(|_| Value::plain(Data::Unknown(Unknown::Unset))).collect();
        let cx = Context {
            hir: &self.hir,
            sources: &self.sources,
            params: &unset,
            env: &env,
            loader: &*self.loader,
            outputs: &NoOutputs,
            mocks: &self.mocks,
            strict: false,
            use_defaults: false,
        };
        let mut world = World::default();
        !Evaluator::new(cx, &mut world, true).eval(expr).is_known()
    }

    /// `adopt`: address, id, place. Without an id the object is the one that has the natural key of the tool.
    pub fn adopts(&self) -> Vec<(Symbol, Option<Symbol>, Span)> {
        let eval = |e: &Expr| self.with_evaluator(&NoOutputs, false, |ev| ev.eval(e)).0;
        let adopts = self.hir.adopts.iter();
        let id = |e: &Option<Expr>| e.as_ref().map(|e| eval(e).as_str().cloned().ok_or(())).transpose();
        adopts.filter_map(|(a, e, s)| Some((a.clone(), id(e).ok()?, *s))).collect()
    }

    fn build(&mut self) -> Diagnostics {
        let hir = self.hir.clone();
        let ((instances, asserts), diags) = self.with_evaluator(&NoOutputs, true, |ev| {
            ev.refined_data();
            for id in hir.tools.ids().filter(|id| hir.tools[*id].home.is_none()) {
                let family = ev.family(id, hir.tools[id].span);
                // The tools inside of a component come where it stands.
                for member in family.members.values().chain(&family.single) {
                    ev.tools_in(&Value::plain(member.clone()), &mut vec![]);
                }
            }
            for id in hir.lets.ids().filter(|id| hir.lets[*id].home.is_none()) {
                ev.eval(&Expr::new(hir.lets[id].span, H::Let(id)));
            }
            let mut asserts: Vec<(AssertId, ScopeId)> =
                hir.asserts.ids().filter(|id| hir.asserts[*id].home.is_none()).map(|id| (id, ROOT)).collect();
            for scope in (1..ev.world.scopes.len() as u32).map(ScopeId) {
                asserts.extend(component(ev, &hir, scope));
            }
            let configs: IdVec<ConfigureId, BTreeMap<InstanceId, Span>> = hir
                .configures
                .iter()
                .map(|c| {
                    let mut marks = BTreeMap::new();
                    ev.eval(&c.settings).collect_marks(&mut marks);
                    marks
                })
                .collect();
            let count = ev.world.instances.len() as u32;
            let built: Vec<Instance> =
                (0..count).map(|id| instance(ev, &hir, InstanceId(id), &configs)).collect();
            for output in &hir.outputs {
                let value = ev.eval(&output.expr);
                ev.leaves(&value, output.expr.span);
                ev.no_leak(&value, &output.ty, output.expr.span);
            }
            for (name, expr) in &hir.settings {
                let value = ev.eval(expr);
                if let Some(origin) = deferred(&value) {
                    ev.deferred_structure(expr.span, origin, &format!("the setting `{name}`"));
                }
            }
            judge(&hir, &asserts, ev);
            (built, asserts)
        });
        (self.instances, self.asserts) = (instances, asserts);
        diags
    }
}

/// Evaluates the `let`s of an instance of a component.
fn lets(ev: &mut Evaluator<'_, '_>, hir: &Hir, scope: ScopeId) {
    let component = hir.tools[ev.world.scopes[scope.0 as usize].tool].component;
    for id in component.iter().flat_map(|id| &hir.components[*id].lets) {
        ev.within(scope, |ev| ev.eval(&Expr::new(hir.lets[*id].span, H::Let(*id))));
    }
}

/// Evaluates what stands in an instance of a component, needed or not; gives its asserts.
fn component(ev: &mut Evaluator<'_, '_>, hir: &Hir, scope: ScopeId) -> Vec<(AssertId, ScopeId)> {
    let tool = &hir.tools[ev.world.scopes[scope.0 as usize].tool];
    let Some(component) = tool.component.map(|id| &hir.components[id]) else { return vec![] };
    if let Some(using) = &tool.with.using
        && !hir.configures.iter().any(|c| c.name.as_ref() == Some(using))
    {
        let d = Diagnostic::new(Code::E0201, format!("unknown configuration `{using}`"));
        ev.diags.push(d.at(tool.span, "this component uses it"));
    }
    for (at, given) in tool.inputs.values().enumerate() {
        ev.in_value(scope, at, given.span);
    }
    lets(ev, hir, scope);
    for (name, out) in &component.outs {
        ev.component_port(scope, name, out.span);
    }
    component.asserts.iter().map(|id| (*id, scope)).collect()
}

fn instance(
    ev: &mut Evaluator<'_, '_>,
    hir: &Hir,
    id: InstanceId,
    configs: &IdVec<ConfigureId, BTreeMap<InstanceId, Span>>,
) -> Instance {
    let known = ev.world.instances[id.0 as usize].clone();
    let tool = &hir.tools[known.tool];
    let mut edges = BTreeMap::new();
    if let Some(marks) = &known.marks {
        edges.extend(marks.iter().map(|(i, s)| (*i, *s)));
    }
    for (name, expr) in &tool.inputs {
        let value = ev.input(id, name, tool.span);
        ev.leaves(&value, expr.span);
        let ty = tool.kind.inputs.get(name).map(|i| &i.field.ty);
        if ty.is_some_and(|t| leaks(&value, t)) {
            let d = Diagnostic::new(
                Code::E0304,
                format!("a secret reaches the input `{name}`, which is not secret"),
            );
            let d = d.at(expr.span, "holds a secret").tool(known.addr.clone());
            ev.diags.push(
                d.note("it came by way of untyped data")
                    .help("write `expose(x, \"reason\")` where it may be seen"),
            );
        }
        // The problem was reported, or else this is a bug in dtm; in either case nothing is planned without the value.
        if value.is_error() && !ev.diags.has_errors() {
            let headline = format!("the input `{name}` has no value: this is a bug in dtm");
            ev.diags
                .push(Diagnostic::new(Code::E0401, headline).at(expr.span, "here").tool(known.addr.clone()));
        }
        let mut marks = BTreeMap::new();
        value.collect_marks(&mut marks);
        if let (Some(own), false) = (marks.remove(&id), value.is_known()) {
            let d = Diagnostic::new(Code::E0501, format!("`{}` waits for itself", known.addr));
            let d = d.at(own, "an output of the tool whose input this is").tool(known.addr.clone());
            ev.diags.push(d.help("take this reference out"));
        }
        marks.into_iter().for_each(|(i, s)| _ = edges.entry(i).or_insert(s));
    }
    let implied = edges.clone();
    ev.enter(id);
    for after in &tool.with.after {
        let value = ev.eval(after);
        let mut found = vec![];
        ev.tools_in(&value, &mut found);
        for other in found {
            if implied.contains_key(&other) && tool.each.is_none() && tool.home.is_none() {
                let addr = ev.world.instances[other.0 as usize].addr.clone();
                let d = Diagnostic::new(
                    Code::W0501,
                    format!("`after` names `{addr}`, which an input reads already"),
                );
                ev.diags
                    .push(d.at(after.span, "not needed").help("remove it: the order follows from the data"));
            }
            edges.entry(other).or_insert(after.span);
        }
    }
    // What is said of a component holds for each tool inside.
    let mut around = vec![];
    let mut scope = known.scope;
    while scope != ROOT {
        around.push(scope);
        scope = ev.world.scopes[scope.0 as usize].outer;
    }
    let outer_with: Vec<&With> =
        around.iter().map(|s| &hir.tools[ev.world.scopes[s.0 as usize].tool].with).collect();
    for (scope, with) in around.iter().zip(&outer_with) {
        for after in &with.after {
            ev.enter_header(*scope);
            let value = ev.eval(after);
            let mut found = vec![];
            ev.tools_in(&value, &mut found);
            found.into_iter().for_each(|other| _ = edges.entry(other).or_insert(after.span));
        }
    }
    let configured = |name: &Symbol| {
        hir.configures.iter().any(|c| c.plugin == tool.plugin && c.name.as_ref() == Some(name))
    };
    let inherited = || outer_with.iter().filter_map(|w| w.using.as_ref()).find(|name| configured(name));
    let using = tool.with.using.as_ref().or_else(inherited).cloned();
    let config = hir.configures.position(|c| c.plugin == tool.plugin && c.name == using);
    if let Some(config) = config {
        configs[config].iter().for_each(|(i, s)| _ = edges.entry(*i).or_insert(*s));
    }
    if let Some(config) = config.filter(|c| configs[*c].contains_key(&id)) {
        let d = Diagnostic::new(
            Code::E0501,
            format!("`{}` waits for itself, by way of its plugin's settings", known.addr),
        );
        ev.diags.push(
            d.at(configs[config][&id], "an output of a tool that uses these settings")
                .tool(known.addr.clone()),
        );
    }
    if let (None, None, Some(used)) = (&using, config, hir.plugins.get(&tool.plugin)) {
        let fields = used.plugin.settings.fields.iter();
        let missing: Vec<String> =
            fields.filter(|(_, f)| !f.may_be_absent()).map(|(n, _)| format!("`{n}`")).collect();
        if !missing.is_empty() {
            let d = Diagnostic::new(
                Code::E0302,
                format!("the plugin `{}` needs the settings {}", tool.plugin, missing.join(", ")),
            );
            let d = d.at(tool.span, "this tool uses it").also(used.plugin.span, "declared by this interface");
            ev.diags.push(d.help(format!("write `configure {} {{ ... }}`", tool.plugin)));
        }
    }
    if let (Some(using), None) = (&using, config) {
        let d = Diagnostic::new(Code::E0201, format!("unknown configuration `{using}` of `{}`", tool.plugin));
        ev.diags.push(d.at(tool.span, "this tool uses it"));
    }
    let mut option = |e: &Option<Expr>, name: &str| {
        let e = e.as_ref()?;
        ev.enter(id);
        let value = ev.eval(e);
        if let Some(origin) = deferred(&value) {
            ev.deferred_structure(e.span, origin, &format!("the option `{name}`"));
        }
        Some(value.data)
    };
    let protect = option(&tool.with.protect, "protect");
    let read = !matches!(option(&tool.with.read, "read"), Some(Data::Bool(false)));
    let timeout = match option(&tool.with.timeout, "timeout") {
        Some(Data::Duration(ns)) => Some(ns),
        _ => None,
    };
    let retries = match option(&tool.with.retries, "retries") {
        Some(Data::Int(n)) => Some(n.clamp(0, 100) as u32),
        _ => None,
    };
    let protect = protect.or_else(|| {
        let mut outer = around.iter().zip(&outer_with);
        outer.find_map(|(scope, with)| {
            let e = with.protect.as_ref()?;
            ev.enter_header(*scope);
            Some(ev.eval(e).data)
        })
    });
    let protect = matches!(protect, Some(Data::Bool(true)));
    edges.remove(&id);
    // They are kept to the end.
    budget::made(edges.len());
    Instance {
        addr: known.addr,
        kind: tool.kind.clone(),
        plugin: tool.plugin.clone(),
        config,
        edges,
        options: Options {
            protect,
            ignore: tool.with.ignore.clone(),
            create_first: tool.with.create_first,
            timeout,
            retries,
            read,
        },
        existing: tool.existing,
        span: tool.span,
        tool: known.tool,
        scope: known.scope,
    }
}

fn deferred(v: &Value) -> Option<Span> {
    if v.is_known() {
        return None;
    }
    match &v.data {
        Data::Unknown(Unknown::Deferred(origin)) => Some(*origin),
        Data::Map(m) => m.values().find_map(deferred),
        Data::List(l) => l.iter().find_map(deferred),
        _ => None,
    }
}

fn judge(hir: &Hir, asserts: &[(AssertId, ScopeId)], ev: &mut Evaluator<'_, '_>) {
    for (id, scope) in asserts {
        ev.within(*scope, |ev| judge_one(&hir.asserts[*id], ev));
    }
}

fn judge_one(assert: &Assert, ev: &mut Evaluator<'_, '_>) {
    if let Data::Bool(false) = ev.eval(&assert.cond).data {
        let message = match &*assert.message.kind {
            crate::hir::ExprKind::Error => Value::null(),
            _ => ev.eval(&assert.message),
        };
        let headline = match message.as_str() {
            Some(_) if message.secret => "(secret)".to_string(),
            Some(text) if !text.is_empty() => text.to_string(),
            _ => "an assertion does not hold".to_string(),
        };
        let d = Diagnostic::new(Code::E0403, headline).at(assert.span, "this is false");
        ev.diags.push(match ev.scope {
            ROOT => d,
            scope => d.tool(ev.world.scopes[scope.0 as usize].addr.clone()),
        });
    }
}
