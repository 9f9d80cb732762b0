//! Runs one section of a suite: files are written, outputs are compared or blessed.

use crate::sandbox::Sandbox;
use crate::suite::{Block, Section};
use dtm_lang::diag::render::{Format, json};
use dtm_lang::{Diagnostic, Inputs, NoOutputs, Program, Purpose, Severity, Sources};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// What a section gave that differs from what stands there.
#[derive(Debug, Default)]
pub struct Result {
    /// What is wrong, for a person.
    pub problems: Vec<String>,
    /// Blocks whose text should be another: their line and the new text.
    pub changes: Vec<(usize, String)>,
}

const FILES: [&str; 8] = ["dts", "yaml", "json", "toml", "csv", "text", "sh", "python"];

/// Runs a section with the binary under test.
pub fn run(section: &Section, dtm: &Path) -> Result {
    run_in(section, dtm, |_| {})
}

/// Runs a section with the binary under test, in a sandbox that is prepared for it.
pub fn run_in(section: &Section, dtm: &Path, prepare: impl Fn(&Sandbox)) -> Result {
    // Chapters about trust begin without it.
    let sandbox = match section.name.starts_with("Trust") {
        true => Sandbox::distrusting(dtm),
        false => Sandbox::new(dtm),
    };
    prepare(&sandbox);
    let mut result = Result::default();
    let outputs = section.blocks.iter().any(|b| !is_file(b));
    for (i, block) in section.blocks.iter().enumerate() {
        if is_file(block) {
            let name = name(block);
            sandbox.write(name, &block.text);
            // Comments are looked at once all files up to the next output are there.
            let last = section.blocks.get(i + 1).is_none_or(|next| !is_file(next));
            let commented = section.blocks[..=i].iter().any(|b| is_file(b) && b.text.contains("// error: ["))
                || section.blocks[..=i].iter().any(|b| is_file(b) && b.text.contains("// warning: ["));
            if last && (commented || !outputs) {
                result.problems.extend(comments(&sandbox, section, i));
            }
            continue;
        }
        match output(&sandbox, block) {
            Ok(found) if found == block.text => {}
            Ok(found) => {
                let mut text = format!("`{}` at line {} differs:\n", block.kind, block.line);
                difference(&mut text, &block.text, &found);
                result.problems.push(text);
                result.changes.push((block.line, found));
            }
            Err(why) => result.problems.push(why),
        }
    }
    result
}

fn is_file(block: &Block) -> bool {
    FILES.contains(&&*block.kind)
}

fn name(block: &Block) -> &str {
    match (&*block.arg, &*block.kind) {
        ("", "dts") => "main.dts",
        ("", _) => "unnamed",
        (name, _) => name,
    }
}

fn output(sandbox: &Sandbox, block: &Block) -> std::result::Result<String, String> {
    Ok(match &*block.kind {
        "diagnostics" => {
            let ran = sandbox.run(&["check", "--quiet"]);
            ran.stdout + &ran.stderr
        }
        "tokens" => tokens(&source(sandbox)?),
        "ast" => ast(&source(sandbox)?),
        "formatted" => sandbox.shell("dtm fmt - < main.dts").transcript(),
        "fixed" => fixed(sandbox)?,
        "value" => value(sandbox)?,
        "graph" => sandbox.run(&["graph"]).transcript(),
        "plan" => sandbox.run(&["plan"]).transcript(),
        "apply" => sandbox.run(&["apply", "-y", "--parallelism", "1"]).transcript(),
        "state" => sandbox.run(&["state", "show"]).transcript(),
        "console" => console(sandbox, &block.text),
        other => return Err(format!("line {}: no stage `{other}` is known", block.line)),
    })
}

fn source(sandbox: &Sandbox) -> std::result::Result<String, String> {
    std::fs::read_to_string(sandbox.path().join("main.dts")).map_err(|e| format!("main.dts: {e}"))
}

fn tokens(text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("main.dts", text);
    let all = dtm_lang::syntax::lexer::lex(file, text, &mut dtm_lang::Diagnostics::default());
    let shown = all.iter().filter(|t| t.kind != dtm_lang::syntax::token::Kind::Blank);
    shown.map(|t| format!("{:?} {:?}\n", t.kind, sources.text(t.span))).collect()
}

fn ast(text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("main.dts", text);
    let module = dtm_lang::syntax::parse(file, text, &mut dtm_lang::Diagnostics::default());
    module.decls.iter().map(|d| format!("{:#?}\n", d.kind)).collect()
}

fn load(sandbox: &Sandbox) -> (Program, dtm_lang::Diagnostics) {
    let root = sandbox.path().canonicalize().unwrap_or_else(|_| sandbox.path().to_path_buf());
    let loader = Arc::new(dtm_engine::project::FileLoader::new(root, String::new(), &dtm_cli::EXTENSIONS));
    Program::load("main.dts", loader, &Inputs::default(), Purpose::Check)
}

fn value(sandbox: &Sandbox) -> std::result::Result<String, String> {
    let (program, diagnostics) = load(sandbox);
    if diagnostics.has_errors() {
        let all = diagnostics
            .iter()
            .map(|d| dtm_lang::diag::render::render(d, program.sources(), Format::Human, false));
        return Err(all.collect());
    }
    let (values, _) = program.outputs(&NoOutputs);
    let lines: Vec<String> =
        values.iter().map(|(n, v)| format!("{n} = {}\n", dtm_lang::wire::to_wire(v))).collect();
    Ok(lines.concat())
}

/// The program after every fix of its diagnostics, until there are none.
fn fixed(sandbox: &Sandbox) -> std::result::Result<String, String> {
    for _ in 0..10 {
        let (program, diagnostics) = load(sandbox);
        let sources = program.sources();
        let texts = dtm_lang::diag::fix::fixed(&diagnostics, sources, dtm_lang::diag::fix::Which::All);
        let main = texts.into_iter().find(|(file, _)| &*sources.file(*file).path == "main.dts");
        match main {
            Some((_, text)) => sandbox.write("main.dts", text),
            None => return source(sandbox),
        }
    }
    Err("the fixes do not come to an end".into())
}

fn console(sandbox: &Sandbox, block: &str) -> String {
    let mut out = String::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let _ = writeln!(out, "$ {command}");
            out += &sandbox.shell(command).transcript();
        }
    }
    out
}

/// A comment that asks for a diagnostic.
struct Wanted<'a> {
    file: &'a str,
    line: usize,
    severity: Severity,
    code: &'a str,
    part: &'a str,
    used: bool,
}

fn wanted<'a>(file: &'a str, text: &'a str) -> Vec<Wanted<'a>> {
    let mut out = vec![];
    for (number, line) in text.lines().enumerate() {
        for (mark, severity) in [("// error: [", Severity::Error), ("// warning: [", Severity::Warning)] {
            for (at, _) in line.match_indices(mark) {
                let rest = &line[at + mark.len()..];
                let (code, rest) = rest.split_once(']').unwrap_or((rest, ""));
                let part = rest.trim().strip_prefix('"').and_then(|r| r.split_once('"')).map_or("", |r| r.0);
                out.push(Wanted { file, line: number + 1, severity, code, part, used: false });
            }
        }
    }
    out
}

/// Every diagnostic is matched, every comment used.
fn comments(sandbox: &Sandbox, section: &Section, upto: usize) -> Vec<String> {
    let mut latest: indexmap::IndexMap<&str, &Block> = Default::default();
    section.blocks[..=upto].iter().filter(|b| is_file(b)).for_each(|b| _ = latest.insert(name(b), b));
    if !latest.contains_key("main.dts") {
        return vec![];
    }
    let mut wanted: Vec<Wanted<'_>> = latest.iter().flat_map(|(n, b)| wanted(n, &b.text)).collect();
    let (program, diagnostics) = load(sandbox);
    let mut problems = vec![];
    for d in diagnostics.iter() {
        let (path, line) = place(d, program.sources());
        let found = wanted.iter_mut().find(|w| {
            !w.used
                && w.file == path
                && w.line == line
                && w.code == d.code.id()
                && w.severity == d.severity()
                && d.headline.contains(w.part)
        });
        match found {
            Some(w) => w.used = true,
            None => problems.push(format!(
                "{path}:{line}: not expected: [{}] \"{}\"\n{}",
                d.code,
                d.headline,
                json(d, program.sources())
            )),
        }
    }
    for w in wanted.iter().filter(|w| !w.used) {
        problems
            .push(format!("{}:{}: expected [{}] \"{}\", which did not come", w.file, w.line, w.code, w.part));
    }
    problems
}

fn place(diagnostic: &Diagnostic, sources: &Sources) -> (String, usize) {
    diagnostic.primary.as_ref().map_or((String::new(), 0), |p| {
        let file = sources.file(p.span.file);
        (file.path.to_string(), file.line_column(p.span.start).0)
    })
}

fn difference(out: &mut String, expected: &str, found: &str) {
    let _ = writeln!(out, "--- expected\n{expected}--- found\n{found}---");
}
