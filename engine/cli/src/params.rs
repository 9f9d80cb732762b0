//! Params from outside: `--set`, `--params`, `--env`, `--params-from`, and questions on a terminal. The variables
//! `DTM_PARAM_NAME` are read where the program is evaluated.
//!
//! From the weakest to the strongest: the file of `--env`, the files of `--params`, the output of `--params-from`, the
//! variables, the name given to `--env` (for a param `env`), `--set`.

use crate::exit::{Failure, reason};
use crate::options::{FileArg, Global, Printed};
use crate::source::{at, choose, environment, placed, unreadable};
use crate::terminal::Terminal;
use crate::trust::{self, Source};
use dtm_engine::project::Surroundings;
use dtm_lang::shell::word;
use dtm_lang::{Code, Diagnostic, Given, Inputs, Origin, Program};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

/// The most that a program may print as params.
const LARGEST: u64 = 16 << 20;

/// The values that come from outside.
///
/// # Errors
/// When an option cannot be understood, a file cannot be read, or the program of `--params-from` fails.
pub fn inputs(global: &Global, file: &FileArg) -> Result<Inputs, Failure> {
    let global = &global;
    let mut inputs = Inputs { env: environment().into(), ..Inputs::default() };
    if let Some(name) = &global.env {
        inputs.params_files.extend(of_environment(&folder(file), name)?);
        inputs.sets.push(Given { name: "env".into(), text: name.clone(), origin: Origin::Env });
    }
    for path in &global.params {
        inputs.params_files.push((path.display().to_string(), read(path)?));
    }
    if let Some((around, source)) = program_of(global, file)?
        && let Some(command) = &global.params_from
    {
        let printed = match global.printed.get() {
            Some(printed) => printed.clone(),
            None => {
                trust::admit(&around, vec![source])?;
                let printed = printed(&around.root, command)?;
                global.printed.get_or_init(|| printed).clone()
            }
        };
        inputs.params_files.extend(printed.files);
        inputs.sets.extend(printed.texts);
    }
    for set in &global.sets {
        if set.trim_start().starts_with('=') {
            let headline = format!("`--set {set}` names no param");
            return Err(Failure::new(Code::E0901, headline).help("write `--set NAME=VALUE`").usage());
        }
        let Some((name, text)) = set.split_once('=') else {
            let headline = format!("`--set {set}` has no value");
            return Err(Failure::new(Code::E0901, headline).help("write `--set NAME=VALUE`").usage());
        };
        inputs.sets.push(Given::set(name.trim(), text));
    }
    Ok(inputs)
}

/// The program of `--params-from`, as something to trust, and the project that it runs for.
///
/// # Errors
/// When the dtm binary cannot be found.
pub fn program_of(global: &Global, file: &FileArg) -> Result<Option<(Surroundings, Source)>, Failure> {
    match &global.params_from {
        Some(command) if !global.runs_nothing => Ok(Some((at(folder(file))?, Source::of_params(command)))),
        _ => Ok(None),
    }
}

/// The folder of the configuration; if it does not exist, opening it reports the error.
fn folder(file: &FileArg) -> PathBuf {
    let given = file.file.as_deref().or_else(|| file.more.config_file.first().map(PathBuf::as_path));
    let given = given.filter(|path| *path != Path::new("-"));
    let found = choose(given).ok().and_then(|path| placed(&path).ok());
    found.map_or_else(|| std::env::current_dir().unwrap_or_default(), |placed| placed.root)
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &reason(&e)))?;
    String::from_utf8(bytes).map_err(|_| unreadable(path, "it is not UTF-8"))
}

/// `params/NAME.params` of the project, if it is there.
fn of_environment(root: &Path, name: &str) -> Result<Option<(String, String)>, Failure> {
    let is_name = !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !is_name {
        let headline =
            format!("`--env {name}`: the name of an environment has letters, digits, `-`, `_` and `.` only");
        let d = Diagnostic::new(Code::E0901, headline);
        return Err(Failure::of(d.help("to read a params file by its path, use `--params FILE`")).usage());
    }
    let shown = format!("params/{name}.params");
    let path = root.join(&shown);
    match path.is_file() {
        true => Ok(Some((shown, read(&path)?))),
        false => Ok(None),
    }
}

/// What to say below an error about a param without a value: the file of the environment may have another name.
pub fn of_another_environment(global: &Global, root: &Path) -> Option<String> {
    let name = global.env.as_deref()?;
    let folder = root.join("params");
    let known = environments(&folder);
    if folder.join(format!("{name}.params")).is_file() || known.is_empty() {
        return None;
    }
    let all: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    let list = all.join(", ");
    Some(match dtm_lang::diag::nearest(name, known.iter().map(|known| &**known)) {
        Some(near) => format!("`params/{name}.params` does not exist: did you mean `--env {near}`?"),
        None => format!("`params/{name}.params` does not exist; there are params for {list}"),
    })
}

/// The environments that have a file of params in a folder, in order.
pub fn environments(folder: &Path) -> Vec<String> {
    let mut known: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".params")?.to_string()))
        .collect();
    known.sort();
    known
}

/// Checks that `--env` has an effect: a file of params, or a param `env`.
///
/// # Errors
/// When the program has neither.
pub fn env_is_known(global: &Global, root: &Path, program: &Program) -> Result<(), Failure> {
    let Some(name) = &global.env else { return Ok(()) };
    let has_param = program.hir().params.iter().any(|p| &*p.name == "env");
    let folder = root.join("params");
    if has_param || folder.join(format!("{name}.params")).is_file() {
        return Ok(());
    }
    let headline =
        format!("`--env {name}`: `params/{name}.params` does not exist, and the program has no param `env`");
    let known = environments(&folder);
    let d = Diagnostic::new(Code::E0901, headline).nearest(name, known.iter().map(|n| &**n));
    let d = match &*known {
        [] => d.help(format!("write the values into `params/{name}.params`, one `name: value` a line")),
        all => d.help(format!(
            "there are params for {}",
            all.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
        )),
    };
    Err(Failure::of(d).usage())
}

/// Asks for every param without a value, until each has a valid one. Ends early at the end of input.
pub fn ask(terminal: &Terminal, program: &Program) -> Vec<Given> {
    let mut given = vec![];
    for param in program.missing_params() {
        let hidden = param.ty.has_secret();
        let doc = param.doc.as_deref().map(|d| format!("{}\n", d.trim_end())).unwrap_or_default();
        let note = if hidden { ", not shown while you type" } else { "" };
        let question = format!("{doc}{} ({}{note}): ", param.name, param.ty);
        let _hidden = hidden.then(|| terminal.without_echo());
        let answer = loop {
            let Some(answer) = terminal.read_line(&question, hidden) else { return given };
            match program.refuses(param, &answer) {
                None => break answer,
                Some(why) => terminal.ask_again(&why),
            }
        };
        given.push(Given { name: param.name.to_string(), text: answer, origin: Origin::Prompt });
    }
    given
}

/// Runs the program of `--params-from`, and reads what it prints.
fn printed(root: &Path, command: &str) -> Result<Printed, Failure> {
    let failed = |why: String| Failure::new(Code::E0903, format!("`--params-from {}`: {why}", word(command)));
    let mut shell = Process::new("sh");
    shell.args(["-c", command]).current_dir(root).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = shell.spawn().map_err(|e| failed(reason(&e)))?;
    let mut bytes = vec![];
    let out = child.stdout.take();
    let got = out.map_or(Ok(0), |out| out.take(LARGEST + 1).read_to_end(&mut bytes));
    if bytes.len() as u64 > LARGEST {
        // The rest of the output is not read.
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed("it prints more than 16 MiB".into()));
    }
    let ended = child.wait().and_then(|ended| got.map(|_| ended)).map_err(|e| failed(reason(&e)))?;
    if !ended.success() {
        let how = match ended.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => "was killed".into(),
        };
        let headline = format!("the `--params-from` command {how}: {}", word(command));
        return Err(Failure::new(Code::E0903, headline));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("what it prints is not UTF-8".into()))?;
    parsed(&text).map_err(|line| {
        failed(format!("line {line} of its output is not `name = value`"))
            .help("print a JSON object, or one `name = value` a line")
    })
}

/// A JSON object, or a line for each param; empty lines and those that begin with `#` say nothing.
fn parsed(text: &str) -> Result<Printed, usize> {
    if text.trim_start().starts_with('{') {
        return Ok(Printed { files: vec![("params-from.json".into(), text.into())], texts: vec![] });
    }
    let mut texts = vec![];
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(i + 1)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(i + 1);
        }
        let quoted: Option<String> =
            value.starts_with('"').then(|| serde_json::from_str(value).ok()).flatten();
        let text = quoted.unwrap_or_else(|| value.to_string());
        texts.push(Given { name: name.into(), text, origin: Origin::Program });
    }
    Ok(Printed { files: vec![], texts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_json_are_read() {
        let lines = parsed("# from the vault\nname = cart\n\nsize=3\ntoken = \"a = b\"\n").expect("params");
        let texts: Vec<(&str, &str)> = lines.texts.iter().map(|g| (&*g.name, &*g.text)).collect();
        assert_eq!(texts, [("name", "cart"), ("size", "3"), ("token", "a = b")]);
        assert_eq!(parsed("name = a\nwhat is this\n").err(), Some(2));
        assert_eq!(parsed("a b = c").err(), Some(1));
        let json = parsed(" { \"name\": 1 }").expect("JSON");
        assert_eq!(json.files.len(), 1);
    }
}
