//! A program ready to plan: its instances with their direct edges, and the values of their inputs as far as
//! outputs are known. This is what the engine gets; it never sees text.

mod build;
mod instance;

use build::{judge, lets, lets_of_program};
pub use instance::{Instance, Options};

use crate::check::{Checked, check, check_leniently};
use crate::diag::{Code, Diagnostics, Severity};
use crate::environment::Environment;
use crate::eval::{Context, Evaluator, Mocks, NoOutputs, Outputs, ROOT, World};
use crate::frontend;
use crate::hir::{Expr, ExprKind as H, Hir, PluginUse};
use crate::index::{AssertId, ConfigureId, IdVec, ParamId, ToolId};
use crate::inputs::{Inputs, Purpose};
use crate::loader::Loader;
use crate::maps::HashMap;
use crate::maps::IndexMap;
use crate::params::{from_text, params};
use crate::source::{Sources, Span, Symbol};
use crate::types::Type;
use crate::value::{Data, InstanceId, ScopeId, Unknown, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

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
    fn fits(&self, value: Value, param: &crate::hir::Param) -> Result<(), String> {
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
        let mut sources = Sources::clone(&self.sources);
        let value = match from_text(&mut sources, text, &param.ty, "the answer") {
            Ok(value) => value,
            Err(problems) => return problems.into_iter().next().map(|d| d.headline),
        };
        match self.fits(value, param) {
            Ok(()) => None,
            Err(_) if param.ty.has_secret() => Some(format!("that does not fit `{}`", param.ty)),
            Err(why) => Some(why),
        }
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
            lets_of_program(ev, &hir);
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
}
