//! `dtm console`: expressions, one after the other, inside of a configuration.

use crate::exit::{Exit, Failure};
use crate::options::Global;
use crate::scratch::{IT, Scratch};
use crate::terminal::Terminal;
use clap::Args;
use dtm_lang::builtin::doc_of;
use dtm_lang::print::print;
use dtm_lang::{Code, Diagnostic, Diagnostics, FileId};
use dtm_lsp::ide::completion::{items, request};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// The arguments of `dtm console`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm console\n  dtm console prod.dts --set env=prod\n\nAn expression shows its value; `let`, `fn`, `type` and `import` are kept for the lines after them.\n:type EXPRESSION   its type        :doc NAME   what a builtin does\n:reload            reads the files again  :quit       leaves (or Ctrl-D)\n:help              shows this"
)]
pub struct Console {
    /// The program [default: main.dts, if it exists].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

const HELP: &str =
    "An expression shows its value. `let`, `fn`, `type` and `import` are kept for what follows.
  :type EXPRESSION   the type of an expression
  :doc NAME          what a builtin function does
  :reload            reads the files again
  :quit              leaves; so does Ctrl-D
  :help              shows this
";

/// What is kept from line to line.
struct Session {
    scratch: Scratch,
    /// The declarations so far.
    declarations: String,
}

struct Assistant(Arc<Mutex<Session>>);

impl Helper for Assistant {}
impl Highlighter for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}

impl Validator for Assistant {
    fn validate(&self, cx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_open(cx.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Assistant {
    type Candidate = Pair;
    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let session = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let head = match line.strip_prefix(":type ") {
            Some(_) => ":type ".len(),
            None if line.starts_with(':') => return Ok((0, commands(line))),
            None => 0,
        };
        let before = match is_declaration(&line[head..]) {
            true => session.declarations.clone(),
            false => format!("{}let {IT} = ", session.declarations),
        };
        let text = format!("{before}{}\n", &line[head..]);
        let offset = before.len() + at.saturating_sub(head);
        let asked = request(&text, offset);
        let facts = asked.marked.as_ref().map(|marked| session.scratch.check(marked).0);
        let found = items(&asked, facts.as_ref().and_then(|f| f.cursor.as_ref()), &*session.scratch.loader);
        let typed = &text[asked.range.start.min(offset)..offset];
        let pairs = found
            .into_iter()
            .filter(|i| i.text.starts_with(typed) && i.label != IT)
            .map(|i| Pair { display: i.label, replacement: i.text.replace("$0", "") })
            .collect();
        Ok((asked.range.start.saturating_sub(before.len()) + head, pairs))
    }
}

fn commands(line: &str) -> Vec<Pair> {
    let all = [":type ", ":doc ", ":reload", ":help", ":quit"].into_iter().filter(|c| c.starts_with(line));
    all.map(|c| Pair { display: c.trim().into(), replacement: c.into() }).collect()
}

/// Whether a bracket or a text is open, or an operand is missing at the end.
fn is_open(line: &str) -> bool {
    let line = line.strip_prefix(":type ").unwrap_or(line).trim_end();
    if line.is_empty() || line.starts_with(':') {
        return false;
    }
    let text = if is_declaration(line) { line.to_string() } else { format!("let {IT} = {line}") };
    let mut diagnostics = Diagnostics::default();
    dtm_lang::syntax::parse(FileId(0), &text, &mut diagnostics);
    let ends = |word: &str| line.ends_with(word);
    let open = diagnostics.iter().any(|d| d.code == Code::E0105)
        || line.matches("\"\"\"").count() % 2 == 1
        || diagnostics.has_errors()
            && ["+", "-", "*", "/", "&&", "||", "??", "=", "=>", ","].into_iter().any(ends);
    open && !line.ends_with(";;")
}

fn is_declaration(line: &str) -> bool {
    ["let ", "fn ", "type ", "import ", "component "].iter().any(|word| line.trim_start().starts_with(word))
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Console) -> Result<Exit, Failure> {
    let scratch = Scratch::open(global, args.file.clone())?;
    let first = scratch.run("");
    terminal.diagnostics(&first.diagnostics, &first.sources);
    let session = Arc::new(Mutex::new(Session { scratch, declarations: String::new() }));
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let cannot = |e: ReadlineError| {
        Failure::of(Diagnostic::new(Code::E0903, format!("the terminal cannot be used: {e}")))
    };
    let mut editor: Editor<Assistant, FileHistory> = Editor::with_config(config).map_err(cannot)?;
    editor.set_helper(Some(Assistant(session.clone())));
    let history = history_file();
    if let Some(file) = &history {
        let _ = editor.load_history(file);
    }
    if terminal.is_interactive() {
        terminal.note("An expression shows its value; `:help` lists the commands, Ctrl-D quits.");
    }
    loop {
        let line = match editor.readline(if terminal.is_interactive() { "> " } else { "" }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(cannot(e)),
        };
        let mut session = session.lock().unwrap_or_else(|e| e.into_inner());
        match line.trim() {
            "" => {}
            ":quit" | ":q" | ":exit" => break,
            ":help" | ":h" | ":?" => terminal.out(HELP),
            ":reload" => {
                session.scratch = Scratch::open(global, args.file.clone())?;
                let now = session.scratch.run(&session.declarations);
                terminal.diagnostics(&now.diagnostics, &now.sources);
            }
            // What leaves other consoles; a program may still define the name.
            line @ ("quit" | "exit" | "quit()" | "exit()" | "\\q") => {
                let computed = session.scratch.compute(&session.declarations, line);
                match computed.found.is_some_and(|(_, value)| !value.is_error()) {
                    true => answer(terminal, &mut session, line),
                    false => terminal.out("to quit, enter `:quit` or press Ctrl-D\n"),
                }
            }
            line => answer(terminal, &mut session, line),
        }
    }
    if let Some(file) = &history {
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(file);
    }
    Ok(Exit::Done)
}

fn answer(terminal: &Terminal, session: &mut Session, line: &str) {
    if let Some(name) = line.strip_prefix(":doc ").map(str::trim) {
        return match doc_of(name) {
            Some((signature, doc)) => terminal.out(&format!("{signature}\n{}\n", doc.trim())),
            None => terminal.out(&format!("`{name}` is not a builtin function\n")),
        };
    }
    if is_declaration(line) {
        let more = format!("{}{line}\n", session.declarations);
        let computed = session.scratch.run(&more);
        terminal.diagnostics(&computed.diagnostics, &computed.sources);
        if !computed.diagnostics.has_errors() {
            session.declarations = more;
        }
        return;
    }
    let (expression, ty) = match line.strip_prefix(":type ") {
        Some(expression) => (expression, true),
        None if line.starts_with(':') => {
            let command = line.split(' ').next().unwrap_or(line);
            return terminal.out(&format!("`{command}` is not a command: `:help` lists the commands\n"));
        }
        None => (line, false),
    };
    let computed = session.scratch.compute(&session.declarations, expression.trim_end_matches(";;"));
    terminal.diagnostics(&computed.diagnostics, &computed.sources);
    match computed.found {
        Some((found, _)) if ty => terminal.out(&format!("{found}\n")),
        Some((_, value)) if !value.is_error() => {
            terminal.out(&format!("{}\n", print(&value, terminal.width())));
        }
        _ => {}
    }
}

/// `$XDG_STATE_HOME/dtm/console`, where shells keep their histories too.
fn history_file() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = var("XDG_STATE_HOME").or_else(|| var("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("dtm/console"))
}
