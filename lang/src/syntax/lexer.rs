//! Text to tokens, in two modes.
//!
//! In *normal* mode logos finds the tokens. A quote switches to *string* mode, which gives pieces of text
//! until the closing quote; `${` there pushes normal mode again, and the `}` that matches pops it:
//!
//! ```text
//! "a${ f("x") }b"   StrStart  StrText(a)  InterpStart  Ident ( StrStart StrText StrEnd )  InterpEnd  StrText(b)  StrEnd
//! ```
//!
//! Invariant: the spans of all tokens, comments and blanks, one after the other, are the whole text. Problems
//! are reported and become [`Kind::Error`] tokens; the lexer never gives up.

use super::token::{Kind, Token};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span};
use logos::Logos;

/// Which string is open.
#[derive(Clone, Copy, PartialEq)]
struct Quote {
    raw: bool,
    block: bool,
}

enum Mode {
    /// Normal text; the number of open braces inside an interpolation.
    Normal {
        braces: usize,
    },
    Str {
        quote: Quote,
        start: usize,
    },
}

/// Every token of the text, blanks and comments included.
pub fn lex(file: FileId, text: &str, diags: &mut Diagnostics) -> Vec<Token> {
    let mut lexer = Lexer { file, text, pos: 0, tokens: Vec::with_capacity(text.len() / 3), diags };
    if text.starts_with('\u{feff}') {
        lexer.push(Kind::Blank, 3);
    }
    let mut modes = vec![Mode::Normal { braces: 0 }];
    while lexer.pos < text.len() {
        let nested = modes.len() > 1;
        match modes.last_mut() {
            Some(Mode::Str { quote, start }) => {
                let (quote, start) = (*quote, *start);
                lexer.string(quote, start, &mut modes);
            }
            Some(Mode::Normal { braces }) => match lexer.normal(braces, nested) {
                Step::Go => {}
                Step::Open(quote) => modes.push(Mode::Str { quote, start: lexer.pos }),
                Step::Close => _ = modes.pop(),
            },
            None => break,
        }
    }
    for mode in modes.iter().rev() {
        if let Mode::Str { start, .. } = mode {
            lexer.unterminated(*start);
            break;
        }
    }
    let Lexer { tokens, diags, .. } = lexer;
    super::hidden::in_source(text, &tokens, diags);
    tokens
}

enum Step {
    Go,
    Open(Quote),
    Close,
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    pos: usize,
    tokens: Vec<Token>,
    diags: &'a mut Diagnostics,
}

impl Lexer<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    fn push(&mut self, kind: Kind, len: usize) {
        let span = self.span(self.pos, self.pos + len);
        self.tokens.push(Token { kind, span });
        self.pos += len;
    }

    fn normal(&mut self, braces: &mut usize, nested: bool) -> Step {
        let rest = &self.text[self.pos..];
        for (open, quote) in [
            ("r\"\"\"", Quote { raw: true, block: true }),
            ("r\"", Quote { raw: true, block: false }),
            ("\"\"\"", Quote { raw: false, block: true }),
            ("\"", Quote { raw: false, block: false }),
        ] {
            if rest.starts_with(open) {
                self.push(Kind::StrStart, open.len());
                return Step::Open(quote);
            }
        }
        // One logos lexer runs until it meets what concerns the modes.
        let base = self.pos;
        let mut tokens = Kind::lexer(rest);
        while let Some(found) = tokens.next() {
            let len = tokens.span().len();
            match found {
                Ok(Kind::Ident) if tokens.slice() == "r" && tokens.remainder().starts_with('"') => {
                    return Step::Go;
                }
                Ok(Kind::LBrace) => {
                    *braces += 1;
                    self.push(Kind::LBrace, len);
                }
                Ok(Kind::RBrace) if nested && *braces == 0 => {
                    self.push(Kind::InterpEnd, len);
                    return Step::Close;
                }
                Ok(Kind::RBrace) => {
                    *braces = braces.saturating_sub(1);
                    self.push(Kind::RBrace, len);
                }
                Ok(kind) => self.push(kind, len),
                Err(()) if tokens.slice().starts_with('"') => return Step::Go,
                Err(()) => {
                    let text = &self.text[base + tokens.span().start..];
                    let char = text.chars().next().unwrap_or(' ');
                    self.bad_char(char);
                    return Step::Go;
                }
            }
        }
        Step::Go
    }

    fn bad_char(&mut self, char: char) {
        let span = self.span(self.pos, self.pos + char.len_utf8());
        let hidden = super::hidden::invisible(char);
        let named = match hidden {
            Some((name, _)) => super::hidden::named(char, name),
            None if char.is_control() => format!("{char:?}"),
            None => format!("`{char}`"),
        };
        let code = if matches!(char, '\'' | '`' | '“' | '”') { Code::E0008 } else { Code::E0001 };
        let mut diagnostic =
            Diagnostic::new(code, format!("unexpected character {named}")).at(span, "not valid here");
        let from = self.pos.saturating_sub(2);
        let triple = char == '\'' && self.text.get(from..self.pos + 3).unwrap_or("").contains("'''")
            || self.text[self.pos..].starts_with("'''");
        let after = self.text.get(self.pos + char.len_utf8()..).unwrap_or("");
        let is_upper = |c: &char| c.is_ascii_uppercase() || *c == '_';
        let variable: String = after.chars().take_while(|c| is_upper(c) || c.is_ascii_digit()).collect();
        let variable = if variable.starts_with(|c| is_upper(&c)) { variable } else { String::new() };
        diagnostic = match char {
            _ if let Some((_, with)) = hidden => {
                let title = if with.is_empty() { "remove it" } else { "write a plain blank or line end" };
                diagnostic.note("this character is not visible").help(title).fix(title, span, with)
            }
            _ if triple => diagnostic.help("a multi-line string is written between `\"\"\"`"),
            '\'' | '`' | '“' | '”' => {
                diagnostic.help("write strings with `\"`").fix("write `\"`", span, "\"")
            }
            ';' => diagnostic.help("end the line instead: a newline separates").fix("remove `;`", span, ""),
            '~' if after.starts_with(|c: char| c.is_ascii_digit()) => {
                diagnostic.help("there are no bitwise operators")
            }
            '~' => diagnostic.help("join strings by writing them into one: `\"${a}${b}\"`"),
            '^' => diagnostic.help("there is no operator for powers"),
            '&' => diagnostic.help("write `&&` for and"),
            '\r' => diagnostic.help("end lines with a line feed, or with carriage return and line feed"),
            '$' if !variable.is_empty() => {
                let call = format!("env_var(\"{variable}\")");
                diagnostic.help(format!("read an environment variable by its name: `{call}`"))
            }
            '$' => {
                diagnostic.help("write `${...}` only inside a string; elsewhere write the expression itself")
            }
            _ => diagnostic,
        };
        self.diags.push(diagnostic);
        self.push(Kind::Error, char.len_utf8());
    }

    fn string(&mut self, quote: Quote, start: usize, modes: &mut Vec<Mode>) {
        let close = if quote.block { "\"\"\"" } else { "\"" };
        let bytes = self.text.as_bytes();
        let begin = self.pos;
        let mut at = begin;
        while at < bytes.len() {
            let rest = &self.text[at..];
            match bytes[at] {
                b'"' if rest.starts_with(close) => {
                    self.piece(at);
                    self.push(Kind::StrEnd, close.len());
                    modes.pop();
                    return;
                }
                b'\n' if !quote.block => {
                    let end = if at > begin && bytes[at - 1] == b'\r' { at - 1 } else { at };
                    self.piece(end);
                    self.unterminated(start);
                    modes.pop();
                    // An interpolation around it cannot end any more: one mistake, one message.
                    modes.truncate(1);
                    return;
                }
                b'\\' if !quote.raw => at += self.escape(at),
                b'$' if !quote.raw && rest.starts_with("${{") => {
                    let span = self.span(at, at + 3);
                    self.diags.push(
                        Diagnostic::new(
                            Code::E0006,
                            "`${{` begins an expression of GitHub Actions, not of dtm",
                        )
                        .at(span, "read as text")
                        .help("write `\\${{`, or a raw string `r\"...\"`")
                        .fix("write `\\${{`", span, "\\${{"),
                    );
                    at += 3;
                }
                b'$' if !quote.raw && rest.starts_with("${") => {
                    self.piece(at);
                    self.push(Kind::InterpStart, 2);
                    modes.push(Mode::Normal { braces: 0 });
                    return;
                }
                _ => at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        self.piece(self.text.len());
    }

    /// The text from the current position up to `end` as one piece.
    fn piece(&mut self, end: usize) {
        if end > self.pos {
            self.push(Kind::StrText, end - self.pos);
        }
    }

    /// Checks the escape at `at` and gives its length.
    fn escape(&mut self, at: usize) -> usize {
        let rest = &self.text[at + 1..];
        let Some(char) = rest.chars().next() else { return 1 };
        if char == '\n' || char == '\r' {
            return 1;
        }
        if matches!(char, 'n' | 't' | 'r' | '"' | '\\' | '$') {
            return 2;
        }
        let hex = |r: &str| {
            r.find('}')
                .filter(|end| (1..=6).contains(end) && r[..*end].bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let len = match rest.strip_prefix("u{").and_then(hex) {
            Some(end) => {
                let valid = u32::from_str_radix(&rest[2..2 + end], 16).ok().and_then(char::from_u32);
                if valid.is_some() {
                    return end + 4;
                }
                end + 4
            }
            // As far as it may have been meant: to the brace, or to where the string goes on otherwise.
            None if rest.starts_with("u{") => {
                let tail = &rest[2..];
                let end = tail
                    .find(|c: char| !c.is_ascii_alphanumeric() && !"+-_".contains(c))
                    .unwrap_or(tail.len());
                3 + end + usize::from(tail[end..].starts_with('}'))
            }
            None => 1 + char.len_utf8(),
        };
        let span = self.span(at, at + len);
        self.diags.push(
            Diagnostic::new(Code::E0003, format!("unknown escape `{}`", self.text[at..at + len].trim_end()))
                .at(span, "not an escape")
                .note("the escapes are `\\n \\t \\r \\\" \\\\ \\$ \\u{...}`")
                .help("write `\\\\` for a backslash, or a raw string `r\"...\"`"),
        );
        len
    }

    fn unterminated(&mut self, start: usize) {
        let span = self.span(start.saturating_sub(1), start);
        self.diags.push(
            Diagnostic::new(Code::E0002, "this string does not end")
                .at(span, "it begins here")
                .help("close it with `\"`; a string over several lines is written with `\"\"\"`"),
        );
    }
}
