//! Standard output and error: what is written where, in which form, with or without color. A reader that went
//! away is no reason to stop working; a full disk is told at the end.

use crate::exit::{Exit, reason};
use crate::options::{ColorChoice, DiagnosticFormat, Global};
use dtm_lang::diag::render::{Format, render};
use dtm_lang::diag::{is_hidden, visible, visible_json};
use dtm_lang::{Code, Diagnostics, Sources};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock};

/// Colors, or none.
#[derive(Clone, Copy)]
pub struct Style {
    on: bool,
}

impl Style {
    /// No colors.
    pub const PLAIN: Style = Style { on: false };

    /// Whether there are colors.
    pub fn is_on(self) -> bool {
        self.on
    }
    fn paint(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            let own = own();
            format!("{own}{code}m{text}{own}0m")
        } else {
            text.into()
        }
    }
    /// What is added.
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }
    /// What is removed or wrong.
    pub fn red(self, text: &str) -> String {
        self.paint("31", text)
    }
    /// What exactly is added in a line that changes.
    pub fn strong_green(self, text: &str) -> String {
        self.paint("7;32", text)
    }
    /// What exactly is removed in a line that changes.
    pub fn strong_red(self, text: &str) -> String {
        self.paint("7;31", text)
    }
    /// What changes.
    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }
    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Where a command writes.
pub struct Terminal {
    /// How diagnostics are written.
    pub format: Format,
    /// Whether the result is for machines.
    pub json: bool,
    /// Whether diagnostics are one log for code hosts.
    pub sarif: bool,
    /// Only what is asked for.
    pub quiet: bool,
    /// How much more is told: 1 what plugins log, and what dtm does, 2 every request.
    pub verbose: u8,
    /// For standard output.
    pub style: Style,
    /// Whether standard output is one value and nothing else: diagnostics go to standard error in every form.
    pub one_value: bool,
    /// Whether a command that finds no error writes one value: what is not an error goes to standard error.
    pub one_value_if_valid: bool,
    /// Whether long texts are shown by a pager.
    pub pages: bool,
    color_err: bool,
    failed: Mutex<Option<String>>,
}

/// What was noted, where no terminal is at hand; nothing where nobody wants to read it.
static NOTED: Mutex<Option<BTreeSet<String>>> = Mutex::new(None);

/// Writes a line for a person to standard error, once in this process, unless quiet.
pub fn note_once(text: &str) {
    let mut noted = NOTED.lock().unwrap_or_else(|e| e.into_inner());
    if noted.as_mut().is_some_and(|noted| noted.insert(text.into())) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// A terminal that does not show what is typed, as long as this lives.
pub struct WithoutEcho {
    before: Option<rustix::termios::Termios>,
}

impl Drop for WithoutEcho {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ =
                rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

impl Terminal {
    /// By the options and what the descriptors are.
    pub fn new(global: &Global) -> Terminal {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let color = |terminal: bool| match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !plain,
        };
        let format = match (global.json, global.format) {
            (true, _) | (_, DiagnosticFormat::Json) => Format::Json,
            (_, DiagnosticFormat::Short) => Format::Short,
            (_, DiagnosticFormat::Human | DiagnosticFormat::Sarif) => Format::Human,
        };
        if !global.quiet && !global.json {
            NOTED.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_default();
        }
        Terminal {
            format,
            json: global.json,
            sarif: !global.json && global.format == DiagnosticFormat::Sarif,
            quiet: global.quiet,
            verbose: global.verbosity(),
            style: Style { on: color(std::io::stdout().is_terminal()) },
            one_value: false,
            one_value_if_valid: false,
            pages: !global.no_pager,
            color_err: color(std::io::stderr().is_terminal()),
            failed: Mutex::default(),
        }
    }

    /// Whether a person looks at standard output.
    pub fn is_interactive(&self) -> bool {
        std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }

    /// Whether somebody can be asked: both the question and the answer go by way of a terminal.
    pub fn can_ask(&self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// What is typed is not shown until the result is dropped: also between a wrong answer and the next question.
    pub fn without_echo(&self) -> WithoutEcho {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes -= LocalModes::ECHO;
            let _ = tcsetattr(&stdin, OptionalActions::Now, &silent);
        }
        WithoutEcho { before }
    }

    /// Asks for a line of text; after a `hidden` one, a line is ended that the terminal did not show. `None` at the end of
    /// input.
    pub fn read_line(&self, question: &str, hidden: bool) -> Option<String> {
        let _ = write!(std::io::stderr(), "{}", safe(question)).and_then(|()| std::io::stderr().flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        if hidden {
            let _ = writeln!(std::io::stderr());
        }
        match read {
            Ok(n) if n > 0 => Some(answer.trim_end_matches(['\n', '\r']).to_string()),
            _ => None,
        }
    }

    /// Says why an answer does not fit, before the question is asked again.
    pub fn ask_again(&self, why: &str) {
        let _ = writeln!(std::io::stderr(), "{why}");
    }

    /// The width of the terminal; 100 where there is none.
    pub fn width(&self) -> usize {
        size().0
    }

    /// Writes to standard output; control characters are written out.
    pub fn out(&self, text: &str) {
        match self.json {
            true => self.write(&visible_json(text)),
            false => self.write(&safe(text)),
        }
    }
    /// Writes to standard output what another program may read: as it is into a pipe or a file, and as [`Terminal::out`]
    /// on a terminal.
    pub fn raw(&self, text: &str) {
        if std::io::stdout().is_terminal() || self.style.is_on() { self.out(text) } else { self.write(text) }
    }
    /// Writes what [`render`] made to standard output.
    pub fn rendered(&self, text: &str) {
        self.write(text);
    }
    fn write(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        if let Err(e) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            && e.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.failed.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_with(|| reason(&e));
        }
    }
    /// Writes a long text: by the pager where a person looks at a terminal that it does not fit on, else to standard output.
    pub fn page(&self, text: &str) {
        let rows = || text.lines().count() + 1;
        if !self.pages || self.json || !self.is_interactive() || rows() <= size().1 || !pager(&safe(text)) {
            self.out(text);
        }
    }

    /// Writes a line for a person to standard error, unless quiet.
    pub fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            let _ = writeln!(std::io::stderr(), "{}", safe(text));
        }
    }
    /// Writes a line of lesser importance for a person to standard error, unless quiet.
    pub fn aside(&self, text: &str) {
        self.note(&Style { on: self.color_err }.dim(text));
    }
    /// Writes a JSON value on one line.
    pub fn line(&self, value: &serde_json::Value) {
        self.out(&format!("{value}\n"));
    }

    /// Writes diagnostics: to standard error, or in JSON to standard output, unless that is for one value.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if self.sarif {
            let version = env!("CARGO_PKG_VERSION");
            return self.line(&dtm_lang::diag::sarif::sarif(diagnostics.worst_first(), sources, version));
        }
        let beside = self.one_value || self.one_value_if_valid && !diagnostics.has_errors();
        if self.json && !beside {
            return diagnostics
                .worst_first()
                .for_each(|d| self.write(&render(d, sources, Format::Json, false)));
        }
        let shown = diagnostics.shown();
        for d in &shown.diagnostics {
            let _ = std::io::stderr().write_all(render(d, sources, self.format, self.color_err).as_bytes());
        }
        if let Some(rest) = shown.rest() {
            let _ = writeln!(std::io::stderr(), "{rest}");
        }
        if std::io::stderr().is_terminal() {
            self.explained(diagnostics).into_iter().for_each(|line| self.aside(&line));
        }
    }
    /// The line that leads a person from diagnostics to their pages.
    pub fn explained(&self, diagnostics: &Diagnostics) -> Option<String> {
        let codes: BTreeSet<Code> = diagnostics.iter().map(|d| d.code).collect();
        let first = diagnostics.worst_first().next().filter(|_| self.format == Format::Human)?.code;
        Some(match codes.len() {
            1 => format!("To learn more, run `dtm explain {first}`."),
            _ => {
                format!("To learn more about a code, run `dtm explain CODE`, such as `dtm explain {first}`.")
            }
        })
    }

    /// The exit code, which tells too when standard output could not be written.
    pub fn finish(&self, exit: Exit) -> Exit {
        match &*self.failed.lock().unwrap_or_else(|e| e.into_inner()) {
            Some(why) => {
                let _ =
                    writeln!(std::io::stderr(), "error[E0903]: standard output could not be written: {why}");
                if exit == Exit::Done { Exit::Failed } else { exit }
            }
            None => exit,
        }
    }
}

/// The prefix of our own colors inside of this process, with a number that outside text cannot know, and that
/// [`safe`] removes.
fn own() -> &'static str {
    use std::hash::{BuildHasher, Hasher};
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        format!("\x1b[{random};")
    })
}

/// A text for a terminal: our own colors become escape sequences, all other control characters are escaped.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(own());
    let mut out = visible(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap_or((part, ""));
        out += &format!("\x1b[{code}m{}", visible(rest));
    }
    Cow::Owned(out)
}

/// The width and the height of the terminal as it is now; `COLUMNS`, else 100, and 24 where there is none.
pub fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let width = size.filter(|s| s.ws_col > 0).map(|s| usize::from(s.ws_col).clamp(20, 400));
    let height = size.filter(|s| s.ws_row > 0).map(|s| usize::from(s.ws_row));
    // Where there is no terminal, `COLUMNS` says for which width is written.
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok().map(|n: usize| n.clamp(20, 400));
    (width.or_else(asked).unwrap_or(100), height.unwrap_or(24))
}

/// The program that shows long texts: `DTM_PAGER`, else `PAGER`, else `less`.
fn pager(text: &str) -> bool {
    use std::process::{Command, Stdio};
    let set = |name: &str| std::env::var(name).ok();
    let asked = set("DTM_PAGER").or_else(|| set("PAGER"));
    let mut command = match asked.as_deref().map(str::trim) {
        Some("" | "cat") => return false,
        Some(asked) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", asked]);
            shell
        }
        None => {
            let mut less = Command::new("less");
            // Ends by itself when all fits, takes colors, leaves the text on the screen, ends when it is interrupted.
            less.arg("-FRXK");
            less
        }
    };
    let Ok(mut child) = command.stdin(Stdio::piped()).spawn() else { return false };
    if let Some(mut pipe) = child.stdin.take() {
        // A person who has seen enough closes it.
        let _ = pipe.write_all(text.as_bytes());
    }
    // A shell exits with 127 if the program does not exist: then nothing was shown.
    child.wait().is_ok_and(|status| status.code() != Some(127))
}

/// Asks a question on standard error; `None` at the end of input.
pub fn prompt(question: &str) -> Option<String> {
    let _ = write!(std::io::stderr(), "{}", safe(question)).and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(n) if n > 0 => Some(answer.trim_end_matches(['\n', '\r']).to_string()),
        _ => None,
    }
}

/// Whether an answer is yes: `y` or `yes`, in either case.
pub fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_colors_reach_a_terminal() {
        let style = Style { on: true };
        let text = format!("{} {}", style.red("\x1b[8mhidden\x1b[0m"), style.bold(&style.green("x")));
        assert_eq!(safe(&text), "\x1b[31m\\u{1b}[8mhidden\\u{1b}[0m\x1b[0m \x1b[1m\x1b[32mx\x1b[0m\x1b[0m");
        assert_eq!(safe("\x1b[31mred\x1b]52;c;aGk=\x07"), "\\u{1b}[31mred\\u{1b}]52;c;aGk=\\u{7}");
    }
}
