//! `dtm test`: runs the tests of a program. Each plans against an empty state, without plugins and network.

use crate::exit::{Exit, Failure, reason};
use crate::files;
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::terminal::Terminal;
use crate::view::count;
use clap::Args;
use dtm_lang::diag::render::{Format, json as diagnostic, render};
use dtm_lang::testing::{TestOutcome, Uncovered};
use dtm_lang::{Code, Diagnostic, Program, Purpose, Severity, Span};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The arguments of `dtm test`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm test\n  dtm test main.dts --filter production\n  dtm test --junit report.xml\n  dtm test --coverage\n\nA test sets params (`given`), mocks outputs, data and environment variables (`mock`), and asserts properties of the plan. It needs no state, no plugins and no network, and sees no environment."
)]
pub struct Test {
    #[command(flatten)]
    file: FileArg,
    /// Runs only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Writes a JUnit report.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Lists tools and branches that no test covers.
    #[arg(long)]
    coverage: bool,
}

/// A test that was run.
struct Ran {
    name: String,
    /// Where its name stands.
    at: Span,
    outcome: TestOutcome,
    took: Duration,
}

impl Ran {
    fn passed(&self) -> bool {
        !self.outcome.diagnostics.has_errors()
    }
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Test) -> Result<Exit, Failure> {
    let (project, diagnostics) = Project::bare(&args.file, Purpose::Check)?;
    let program = &project.program;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, program.sources()));
    }
    terminal.diagnostics(&diagnostics, program.sources());
    if global.gives_params() {
        let d = Diagnostic::new(Code::E0410, "a test sets its own params");
        return Err(Failure::of(d.help("write them in the test: `given { name = value }`")));
    }
    let waves = |p: &Program| dtm_engine::plan::waves(p);
    let own: Vec<(usize, &dtm_lang::hir::Test)> =
        program.tests().iter().enumerate().filter(|(_, t)| program.is_own(t.span)).collect();
    let wanted = |name: &str| args.filter.as_ref().is_none_or(|f| name.contains(f.as_str()));
    if let Some(filter) = &args.filter
        && !own.iter().any(|(_, t)| wanted(&t.name))
    {
        let d = Diagnostic::new(Code::E0901, format!("no test has `{filter}` in its name"));
        let d = d.nearest(filter, own.iter().map(|(_, t)| &*t.name));
        let d = match own.len() {
            0 => d.note("the program has no tests"),
            n => d.help(format!("to run all {}, leave out `--filter`", count(n, "test"))),
        };
        return Err(Failure::of(d).usage());
    }
    let chosen = own.iter().filter(|(_, t)| wanted(&t.name));
    let mut all: Vec<Ran> = vec![];
    for (position, test) in chosen {
        let started = Instant::now();
        let outcome = program.test(*position, &waves);
        let ran = Ran { name: test.name.to_string(), at: test.name_span, outcome, took: started.elapsed() };
        show(terminal, program, &ran);
        all.push(ran);
    }
    let failed = all.iter().filter(|r| !r.passed()).count();
    if let Some(path) = &args.junit {
        let report = junit(program, &all).map_err(|e| e.to_string());
        report.and_then(|text| files::replace(path, text.as_bytes()).map_err(|e| reason(&e))).map_err(
            |e| Failure::of(Diagnostic::new(Code::E0901, format!("cannot write `{}`: {e}", path.display()))),
        )?;
    }
    let uncovered = args.coverage.then(|| {
        let outcomes: Vec<TestOutcome> = all.into_iter().map(|r| r.outcome).collect();
        (outcomes.len(), program.uncovered(&outcomes))
    });
    let ran = own.iter().filter(|(_, t)| wanted(&t.name)).count();
    match terminal.json {
        true => terminal.line(&json!({
            "event": "summary", "tests": ran, "passed": ran - failed, "failed": failed,
            "uncovered": uncovered.map(|(_, u)| uncovered_json(program, &u)),
        })),
        false => {
            if let Some((_, uncovered)) = &uncovered {
                terminal.out(&uncovered_text(program, uncovered));
            }
            if !terminal.quiet {
                terminal.out(&summary(ran, failed));
            }
        }
    }
    Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
}

fn summary(ran: usize, failed: usize) -> String {
    match (ran, failed) {
        (0, _) => "There are no tests: write `test \"name\" { assert ... }`.\n".to_string(),
        (_, 0) => format!("{} passed.\n", count(ran, "test")),
        _ => format!("{}, {failed} failed.\n", count(ran, "test")),
    }
}

fn show(terminal: &Terminal, program: &Program, ran: &Ran) {
    let sources = program.sources();
    let errors = ran.outcome.diagnostics.iter().filter(|d| d.severity() == Severity::Error);
    if terminal.json {
        let (line, column) = sources.file(ran.at.file).line_column(ran.at.start);
        let diagnostics: Vec<Value> = errors.map(|d| diagnostic(d, sources)).collect();
        return terminal.line(&json!({
            "event": "test", "name": ran.name, "passed": ran.passed(), "path": &*sources.file(ran.at.file).shown,
            "line": line, "column": column, "ms": ran.took.as_millis() as u64, "diagnostics": diagnostics,
        }));
    }
    let style = terminal.style;
    if !terminal.quiet {
        let mark = if ran.passed() { style.green("ok") } else { style.red("failed") };
        terminal.out(&format!("test {} ... {mark}\n", ran.name));
    }
    let color = terminal.format == Format::Human && style.is_on();
    terminal.rendered(&errors.map(|d| render(d, sources, terminal.format, color)).collect::<String>());
}

fn place(program: &Program, span: Span) -> String {
    let file = program.sources().file(span.file);
    let (line, column) = file.line_column(span.start);
    format!("{}:{line}:{column}", file.shown)
}

fn uncovered_text(program: &Program, uncovered: &Uncovered) -> String {
    let mut out = String::new();
    let (tools, branches) = uncovered.total;
    for (addr, span) in &uncovered.tools {
        let _ = writeln!(out, "{}: no test plans `{addr}`", place(program, *span));
    }
    for span in &uncovered.branches {
        let _ = writeln!(out, "{}: no test takes this branch", place(program, *span));
    }
    let covered = |all: usize, not: usize| format!("{} of {all}", all - not);
    let _ = writeln!(
        out,
        "Covered: {} tools, {} branches.",
        covered(tools, uncovered.tools.len()),
        covered(branches, uncovered.branches.len())
    );
    out
}

fn uncovered_json(program: &Program, uncovered: &Uncovered) -> Value {
    let tools: Vec<Value> =
        uncovered.tools.iter().map(|(a, s)| json!({ "tool": &**a, "at": place(program, *s) })).collect();
    let branches: Vec<String> = uncovered.branches.iter().map(|s| place(program, *s)).collect();
    json!({ "tools": tools, "branches": branches, "of_tools": uncovered.total.0, "of_branches": uncovered.total.1 })
}

/// The report that continuous integration systems read.
fn junit(program: &Program, all: &[Ran]) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new("dtm");
    for ran in all {
        let errors: Vec<&Diagnostic> =
            ran.outcome.diagnostics.iter().filter(|d| d.severity() == Severity::Error).collect();
        let status = match errors.first() {
            None => TestCaseStatus::success(),
            Some(first) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let text: String =
                    errors.iter().map(|d| render(d, program.sources(), Format::Human, false)).collect();
                status.set_message(first.headline.as_str()).set_type(first.code.id()).set_description(text);
                status
            }
        };
        let mut case = TestCase::new(ran.name.as_str(), status);
        let file = program.sources().file(ran.at.file);
        case.set_classname(&*file.shown).set_time(ran.took);
        case.extra.insert("file".into(), (&*file.shown).into());
        case.extra.insert("line".into(), file.line_column(ran.at.start).0.to_string().into());
        suite.add_test_case(case);
    }
    let mut report = Report::new("dtm");
    report.add_test_suite(suite);
    report.to_string()
}
