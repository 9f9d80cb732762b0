//! `dtm test`: a test plans its program against an empty state and an empty environment, without plugins and network,
//! and asks the plan. What an assert needs and nobody gives makes it fail, by name.

use crate::diag::{Code, Diagnostic, Diagnostics, Severity};
use crate::eval::{Evaluator, Mocks, NoOutputs, show};
use crate::hir::{Expr, ExprKind as H, MockOf, Test, TestAssert};
use crate::index::{IdVec, ParamId, ToolId};
use crate::maps::HashSet;
use crate::program::Program;
use crate::source::{Span, Symbol};
use crate::value::{Data, InstanceId, Unknown, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many values of sub-expressions are shown.
const MOST_SHOWN: usize = 24;

/// What came of a test.
#[derive(Debug, Default)]
pub struct TestOutcome {
    /// Why it fails; without errors it passed.
    pub diagnostics: Diagnostics,
    /// The tools that its plan has.
    pub planned: BTreeSet<ToolId>,
    /// The branches that were taken.
    pub taken: HashSet<Span>,
}

/// What no test reaches.
#[derive(Debug, Default)]
pub struct Uncovered {
    /// Tools that no plan of a test has: the address of the declaration, and where it stands.
    pub tools: Vec<(Symbol, Span)>,
    /// Branches of `if` and `match` that no test takes.
    pub branches: Vec<Span>,
    /// How many tools and branches there are.
    pub total: (usize, usize),
}

/// The wave of each instance, counted from 0, or the cycle that forbids one.
pub type Waves<'a> = &'a dyn Fn(&Program) -> Result<Vec<usize>, Box<Diagnostic>>;

impl Program {
    /// The tests of the program.
    pub fn tests(&self) -> &[Test] {
        &self.hir().tests
    }

    /// Whether something stands in a file of the program itself, not in the standard library.
    pub fn is_own(&self, span: Span) -> bool {
        !self.sources().file(span.file).path.starts_with("std/")
    }

    /// Runs one test, by its position. The program is one that was loaded without values from outside.
    pub fn test(&self, position: usize, waves: Waves<'_>) -> TestOutcome {
        let mut outcome = TestOutcome::default();
        if let Some(test) = self.hir().tests.get(position) {
            self.run_test(test, waves, &mut outcome);
        }
        outcome.diagnostics.sort();
        outcome
    }

    fn run_test(&self, test: &Test, waves: Waves<'_>, outcome: &mut TestOutcome) {
        let hir = self.hir().clone();
        let mut params: IdVec<ParamId, Value> =
            hir.params.iter().map(|p| Value { secret: p.ty.has_secret(), ..unset() }).collect();
        let mut mocks = Mocks { covering: true, ..Mocks::default() };
        let mut env: BTreeMap<String, String> = BTreeMap::new();
        let ((), problems) = self.with_evaluator(&NoOutputs, false, |ev| {
            for (id, value) in &test.given {
                params[*id] = ev.eval(value);
            }
            for mock in &test.mocks {
                match &mock.of {
                    MockOf::Data(id, value) => _ = mocks.data.insert(*id, ev.eval(value)),
                    MockOf::Env(name, value) => {
                        let value = ev.eval(value);
                        env.extend(value.as_str().map(|text| (name.to_string(), text.to_string())));
                    }
                    MockOf::Output(..) => {}
                }
            }
        });
        if failed(problems, outcome) {
            return;
        }
        let (mut program, problems) = self.staged(params, env.into(), mocks);
        if failed(problems, outcome) {
            return;
        }
        if let Err(d) = mock_outputs(&mut program, test) {
            return outcome.diagnostics.append(d);
        }
        let waves = match waves(&program) {
            Ok(waves) => waves,
            Err(cycle) => return outcome.diagnostics.push(*cycle),
        };
        let problems = show_plan(&mut program, &waves);
        if failed(problems, outcome) {
            return;
        }
        outcome.planned = program.instances().iter().flat_map(|i| program.tools_around(i)).collect();
        // Asserts of the program count as well, now that outputs are put in place.
        outcome.diagnostics.append(program.asserts(&program.mocks));
        for assert in &test.asserts {
            outcome.diagnostics.append(judge(&program, assert));
        }
        let (_, problems) = program.outputs(&program.mocks);
        failed(problems, outcome);
        outcome.taken = program.taken();
    }

    /// What none of these tests reaches, in files of the program itself.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `eval_here` handles all"
    )]
    pub fn uncovered(&self, outcomes: &[TestOutcome]) -> Uncovered {
        let hir = self.hir();
        let own = |span: Span| self.is_own(span);
        let mut out = Uncovered::default();
        for (id, tool) in hir.tools.entries().filter(|(_, t)| own(t.span)) {
            out.total.0 += 1;
            if !outcomes.iter().any(|o| o.planned.contains(&id)) {
                let within = tool.home.map(|c| format!("{}/", hir.components[c].name)).unwrap_or_default();
                out.tools.push((format!("{within}{}", tool.name).into(), tool.span));
            }
        }
        let mut branches = BTreeSet::new();
        hir.for_each(&mut |e| match &*e.kind {
            H::If(choice) => branches.extend([choice.then.span, choice.other.span]),
            H::Match { arms, .. } => branches.extend(arms.iter().map(|(_, arm)| arm.span)),
            _ => {}
        });
        for branch in branches.into_iter().filter(|b| own(*b)) {
            out.total.1 += 1;
            if !outcomes.iter().any(|o| o.taken.contains(&branch)) {
                out.branches.push(branch);
            }
        }
        out
    }
}

fn unset() -> Value {
    Value::plain(Data::Unknown(Unknown::Unset))
}

/// Keeps the errors; tells whether there are any.
fn failed(problems: Diagnostics, outcome: &mut TestOutcome) -> bool {
    let found = problems.has_errors();
    problems
        .into_iter()
        .filter(|d| d.severity() == Severity::Error)
        .for_each(|d| outcome.diagnostics.push(d));
    found
}

/// Outputs of tools that the plan has.
fn mock_outputs(program: &mut Program, test: &Test) -> Result<(), Diagnostics> {
    let mut found = vec![];
    let ((), mut problems) = program.with_evaluator(&program.mocks, false, |ev| {
        for mock in &test.mocks {
            let MockOf::Output(base, name, value) = &mock.of else { continue };
            let base = ev.eval(base);
            found.push((mock.span, base.data, name.clone(), ev.eval(value)));
        }
    });
    for (span, base, name, value) in found {
        match base {
            Data::Tool(id) => {
                let secret = program.instance(id).kind.outputs.get(&name).is_some_and(|o| o.ty.has_secret());
                let value = if secret { value.into_secret() } else { value };
                program.mocks.outputs.insert((id, name), value);
            }
            Data::Component(scope) => _ = program.mocks.outs.insert((scope, name), value),
            Data::Error => {}
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Unknown(_) => {
                let text = text_of(program, span);
                let d = Diagnostic::new(Code::E0416, format!("`{text}` is not in the plan of this test"));
                problems.push(d.at(span, "mocked here").help("give the params that create it"));
            }
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(()) }
}

/// The plan as a test sees it.
fn show_plan(program: &mut Program, waves: &[usize]) -> Diagnostics {
    let mut problems = Diagnostics::default();
    let mut plan = crate::maps::IndexMap::default();
    for (at, instance) in program.instances().iter().enumerate() {
        let (inputs, wrong) = program.inputs(InstanceId(at as u32), &program.mocks);
        problems.append(wrong);
        let fields: [(&str, Value); 4] = [
            ("action", Value::string(if instance.existing { "find" } else { "create" })),
            ("wave", Value::plain(Data::Int(waves.get(at).map_or(0, |w| *w as i64 + 1)))),
            ("protect", Value::plain(Data::Bool(instance.options.protect))),
            ("inputs", Value::map(inputs)),
        ];
        let fields = fields.into_iter().map(|(n, v)| (Symbol::from(n), v)).collect();
        plan.insert(instance.addr.clone(), Value::map(fields));
    }
    let edges = program.instances().iter().map(|i| i.edges.keys().copied().collect()).collect();
    (program.mocks.plan, program.mocks.edges) = (Value::map(plan), edges);
    problems
}

fn judge(program: &Program, assert: &TestAssert) -> Diagnostics {
    let ((value, message, values), mut problems) = program.with_evaluator(&program.mocks, false, |ev| {
        let value = ev.eval(&assert.cond);
        let message = match value.data {
            Data::Bool(true) => None,
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
            | Data::Unknown(_)
            | Data::Error => assert.message.as_ref().map(|m| ev.eval(m)).and_then(|m| m.as_str().cloned()),
        };
        let mut values = vec![];
        if !matches!(value.data, Data::Bool(true)) {
            ev.values_inside(&assert.cond, &mut values);
        }
        (value, message, values)
    });
    let text = one_line(&text_of(program, assert.cond.span));
    let diagnostic = match value.data {
        Data::Bool(true) | Data::Error => return problems,
        Data::Bool(_) => {
            let headline = message.map_or_else(|| format!("this does not hold: `{text}`"), |m| m.to_string());
            Diagnostic::new(Code::E0415, headline).at(assert.cond.span, "this is false")
        }
        Data::Unknown(Unknown::Deferred(origin)) => {
            let output = text_of(program, origin);
            let headline = format!("`{output}` is known only after apply, and this test does not mock it");
            let diagnostic = Diagnostic::new(Code::E0416, headline).at(assert.cond.span, "needs it");
            let diagnostic =
                if origin == assert.cond.span { diagnostic } else { diagnostic.also(origin, "this output") };
            let inside = value.marks.iter().flat_map(|m| m.keys());
            let inside = inside.map(|id| &program.instance(*id).addr).find(|addr| addr.contains('/'));
            match inside {
                Some(addr) => {
                    diagnostic.help(format!("`{addr}` is in a component: mock an `out` of the component"))
                }
                None => diagnostic.help(format!("mock it: `mock {output} = ...`")),
            }
        }
        Data::Null
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::List(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_) => {
            let mut missing = BTreeSet::new();
            program.missing_in(&assert.cond, &mut missing, &mut HashSet::default());
            let list: Vec<String> = missing.iter().map(|m| format!("`{m}`")).collect();
            let headline = match list.is_empty() {
                true => "this needs a value that is not set".to_string(),
                false => format!("this needs {}, which the test does not set", list.join(", ")),
            };
            let diagnostic = Diagnostic::new(Code::E0416, headline).at(assert.cond.span, "without a value");
            diagnostic
                .help("set params with `given { name = ... }`, variables with `mock env_var(\"NAME\") = ...`")
        }
    };
    let diagnostic = values.into_iter().take(MOST_SHOWN).fold(diagnostic, |diagnostic, (span, value)| {
        diagnostic.note(format!("{} = {value}", one_line(&text_of(program, span))))
    });
    problems.push(diagnostic);
    problems
}

fn text_of(program: &Program, span: Span) -> String {
    program.sources().text(span).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Evaluator<'_, '_> {
    /// The values of an expression's parts, in the order of the text: what a person wants to see when it is false.
    fn values_inside(&mut self, expr: &Expr, found: &mut Vec<(Span, String)>) {
        let mut parts: Vec<Arc<Expr>> = vec![];
        collect(expr, &mut parts);
        parts.sort_by_key(|p| (p.span.start, p.span.end));
        parts.dedup_by_key(|p| p.span);
        for part in parts.iter().filter(|p| p.span != expr.span) {
            let value = self.eval_quietly(part);
            if !value.is_error() {
                found.push((part.span, show(&value)));
            }
        }
    }
}

/// Whether a value stands there as it is.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `eval_here` handles all"
)]
fn is_written_out(expr: &Expr) -> bool {
    match &*expr.kind {
        H::Const(_) => true,
        H::List(_) | H::Record(_) | H::Map(_) | H::Convert(..) => {
            expr.parts().into_iter().all(is_written_out)
        }
        _ => false,
    }
}

/// What can be computed by itself: not what stands under a variable of its own.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `eval_here` handles all"
)]
fn collect(expr: &Expr, parts: &mut Vec<Arc<Expr>>) {
    match &*expr.kind {
        H::Const(_) | H::Local(_) | H::Plan | H::Error => return,
        H::ListComp { clause, .. } | H::MapComp { clause, .. } => {
            parts.push(Arc::new(expr.clone()));
            return collect(&clause.iter, parts);
        }
        H::Higher { items, .. } => {
            parts.push(Arc::new(expr.clone()));
            return collect(items, parts);
        }
        H::Default(_) => {}
        H::List(_) | H::Record(_) | H::Map(_) | H::Convert(..) if is_written_out(expr) => return,
        _ => parts.push(Arc::new(expr.clone())),
    }
    expr.parts().into_iter().for_each(|part| collect(part, parts));
}

impl Program {
    /// Params and variables of the environment without a value that an expression reads, by way of `let`s and inputs too.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "it looks for a few kinds of expressions; `eval_here` handles all"
    )]
    fn missing_in(&self, expr: &Expr, missing: &mut BTreeSet<String>, seen: &mut HashSet<Span>) {
        if !seen.insert(expr.span) {
            return;
        }
        let hir = self.hir();
        match &*expr.kind {
            H::Param(id) => {
                if matches!(self.param_value(*id).data, Data::Unknown(_)) {
                    match &hir.params[*id].default {
                        Some(default) => self.missing_in(default, missing, seen),
                        None => _ = missing.insert(hir.params[*id].name.to_string()),
                    }
                }
            }
            H::Let(id) => self.missing_in(&hir.lets[*id].expr, missing, seen),
            H::Default(id) => self.missing_in(&hir.defaults[*id], missing, seen),
            H::CallFn(id, _) => self.missing_in(&hir.fns[*id].body, missing, seen),
            H::Tool(id) => {
                let tool = &hir.tools[*id];
                let header = tool.each.iter().map(|expr| &expr.iter).chain(&tool.cond);
                header.chain(tool.inputs.values()).for_each(|expr| self.missing_in(expr, missing, seen));
            }
            H::Call(builtin, args) if builtin.name == "env_var" && args.len() == 1 => {
                if let H::Const(name) = &*args[0].kind
                    && let Some(name) = name.as_str()
                    && !self.has_env(name)
                {
                    missing.insert(format!("env_var(\"{name}\")"));
                }
            }
            _ => {}
        }
        expr.parts().into_iter().for_each(|part| self.missing_in(part, missing, seen));
    }
}
