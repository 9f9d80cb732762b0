//! The inside of `[[ ]]`: the part of Go's templates that DevStream's files use.
//!
//! ```text
//! pipeline := command ('|' command)*      command := word operand* | operand
//! operand  := 'name' | '.name' | 'a.b.c' | "text" | `text` | number | '(' pipeline ')'
//! ```

use super::View;
use super::build::{call, expr, name, secret_string, text};
use dtm_lang::diag::{Diagnostic, Diagnostics};
use dtm_lang::source::{FileId, Span, Symbol};
use dtm_lang::syntax::ast::{BinaryOp, Expr, ExprKind, StrPart};
use std::ops::Range;

/// What a variable stands for.
pub(super) type Scope<'s> = dyn Fn(&str, Span) -> Expr + 's;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, with its parts: `a.b`.
    Word(Vec<Symbol>),
    Text(Symbol),
    Int(i64),
    Bool(bool),
    Open,
    Close,
    Pipe,
    /// What fits nowhere.
    Other(char),
}

/// A function of templates, and how many operands it takes.
const FUNCTIONS: &[&str] =
    &["env", "printf", "print", "index", "default", "quote", "upper", "lower", "trim", "eq", "ne", "len"];

/// How deep parentheses may be inside each other.
const MAX_DEPTH: usize = 50;

/// The expression of a template.
pub(super) fn read(
    file: FileId,
    source: &str,
    inside: Range<usize>,
    (scope, view): (&Scope<'_>, View),
    diags: &mut Diagnostics,
) -> Expr {
    let whole = Span::new(file, inside.start as u32, inside.end as u32);
    let tokens = tokens(file, source, inside);
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, whole, scope, view };
    match parser.pipeline() {
        Ok(found) if parser.at == tokens.len() => found,
        other => {
            let (why, span) = match other {
                Err(error) => error,
                Ok(_) => ("something is left over after it".to_string(), parser.here()),
            };
            let d = Diagnostic::new(crate::codes::E0141, format!("this `[[ ]]` cannot be understood: {why}"))
                .at(span, "here");
            diags.push(match tokens.first() {
                Some((Token::Word(parts), _)) if ["if", "range", "with", "end", "else"].contains(&&*parts[0]) => {
                    d.note("DevStream itself could not use `if`, `else` and `range` either")
                }
                _ => d.note("supported are variables, as `[[ name ]]` and `[[ map.key ]]`, pipes, and the functions env, printf, index, default, quote, upper, lower, trim, eq, ne and len"),
            });
            expr(whole, ExprKind::Error)
        }
    }
}

fn tokens(file: FileId, source: &str, inside: Range<usize>) -> Vec<(Token, Span)> {
    let text = &source[inside.clone()];
    let mut out = vec![];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let start = inside.start + text.len() - rest.len();
        let word_end = |s: &str| {
            s.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '-')).unwrap_or(s.len())
        };
        let (token, length) = match c {
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '|' => (Token::Pipe, 1),
            '"' | '\'' | '`' => match rest[1..].find(c) {
                Some(n) => (Token::Text(rest[1..=n].into()), n + 2),
                None => (Token::Other(c), rest.len()),
            },
            c if c.is_alphabetic() || c == '_' || c == '.' => {
                let n = word_end(rest);
                let parts: Vec<Symbol> =
                    rest[..n].split('.').filter(|p| !p.is_empty()).map(Symbol::from).collect();
                match &*parts {
                    [] => (Token::Other('.'), n),
                    [one] if &**one == "true" || &**one == "false" => (Token::Bool(&**one == "true"), n),
                    _ => (Token::Word(parts), n),
                }
            }
            c if c.is_ascii_digit() || c == '-' => {
                let n = word_end(rest);
                (rest[..n].parse().map_or(Token::Other(c), Token::Int), n)
            }
            c => (Token::Other(c), c.len_utf8()),
        };
        out.push((token, Span::new(file, start as u32, (start + length) as u32)));
        rest = &rest[length..];
    }
    out
}

type Read<T> = Result<T, (String, Span)>;

struct Parser<'t> {
    tokens: &'t [(Token, Span)],
    at: usize,
    /// How many parentheses are open.
    depth: usize,
    whole: Span,
    scope: &'t Scope<'t>,
    view: View,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn here(&self) -> Span {
        self.tokens.get(self.at).map_or(self.whole, |(_, span)| *span)
    }

    fn pipeline(&mut self) -> Read<Expr> {
        let mut value = self.command(None)?;
        while self.peek() == Some(&Token::Pipe) {
            self.at += 1;
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    /// A command; what was piped into it is its last operand.
    fn command(&mut self, piped: Option<Expr>) -> Read<Expr> {
        let span = self.here();
        if let Some(Token::Word(parts)) = self.peek()
            && let [function] = &**parts
            && FUNCTIONS.contains(&&**function)
            // A variable may have the name of a function, where it stands alone.
            && (piped.is_some() || matches!(self.tokens.get(self.at + 1), Some((t, _)) if !matches!(t, Token::Pipe | Token::Close)))
        {
            let function = function.clone();
            self.at += 1;
            if &*function == "env" {
                return self.env(span);
            }
            let mut operands = vec![];
            while !matches!(self.peek(), None | Some(Token::Pipe | Token::Close)) {
                operands.push(self.operand()?);
            }
            operands.extend(piped);
            return self.apply(&function, operands, span);
        }
        if piped.is_some() {
            return Err(("unknown function after `|`".into(), span));
        }
        let next = self.tokens.get(self.at + 1).map(|(token, _)| token);
        if matches!(self.peek(), Some(Token::Word(_)))
            && !matches!(next, None | Some(Token::Pipe | Token::Close))
        {
            return Err(("this is not a known function".into(), span));
        }
        let value = self.operand()?;
        match self.peek() {
            None | Some(Token::Pipe | Token::Close) => Ok(value),
            Some(_) => Err(("something is left over after it".into(), self.here())),
        }
    }

    fn operand(&mut self) -> Read<Expr> {
        let span = self.here();
        let token = self.peek().cloned();
        self.at += 1;
        Ok(match token {
            Some(Token::Word(parts)) => {
                let first = (self.scope)(&parts[0], span);
                parts[1..].iter().fold(first, |base, part| {
                    expr(span, ExprKind::Member { base, name: name(span, part.clone()), safe: false })
                })
            }
            Some(Token::Text(t)) => text(span, t),
            Some(Token::Int(n)) => expr(span, ExprKind::Int(n)),
            Some(Token::Bool(b)) => expr(span, ExprKind::Bool(b)),
            Some(Token::Open) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err((
                        format!("it has more than {MAX_DEPTH} parentheses inside each other"),
                        span,
                    ));
                }
                let inner = self.pipeline()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(("a `)` is missing".into(), span));
                }
                self.at += 1;
                self.depth -= 1;
                inner
            }
            Some(Token::Other(c)) => return Err((format!("`{c}` does not fit here"), span)),
            Some(Token::Close | Token::Pipe) => return Err(("a value is missing before this".into(), span)),
            None => return Err(("it is empty".into(), span)),
        })
    }

    /// `env "NAME"` and `env NAME`
    fn env(&mut self, span: Span) -> Read<Expr> {
        let at = self.here();
        let variable = match self.peek() {
            Some(Token::Text(name)) => name.clone(),
            Some(Token::Word(parts)) if parts.len() == 1 => parts[0].clone(),
            _ => return Err(("`env` needs the name of a variable".into(), at)),
        };
        self.at += 1;
        let value = call(span.to(at), "env_var", [text(at, variable.clone())]);
        // What comes from the environment is a secret as often as not. Where it is shown with no kind that would say, all of it
        // counts; otherwise what is called like one, and what an input says.
        if self.view == View::Ours && !super::is_secret_name(&variable) {
            return Ok(value);
        }
        Ok(expr(span.to(at), ExprKind::Cast(value, secret_string(at))))
    }

    fn apply(&self, function: &str, operands: Vec<Expr>, span: Span) -> Read<Expr> {
        let joined = |parts: Vec<Expr>| {
            expr(self.whole, ExprKind::Str(parts.into_iter().map(StrPart::Expr).collect()))
        };
        let wrong = |needs: &str| Err((format!("`{function}` needs {needs}"), span));
        let mut all = operands.into_iter();
        Ok(match (function, all.len()) {
            ("printf", 1..) => {
                let format = all.next().map(|f| (*f.kind, f.span));
                let Some((ExprKind::Str(parts), at)) = format else { return wrong("a format in quotes") };
                let [StrPart::Text(format)] = &*parts else { return wrong("a format in quotes") };
                return printf(format, all.collect(), self.whole).map_err(|why| (why, at));
            }
            ("print", _) => joined(all.collect()),
            ("quote", 1) => {
                let quote = || text(span, "\"");
                joined(std::iter::once(quote()).chain(all).chain(std::iter::once(quote())).collect())
            }
            ("index", 2..) => {
                let first = all.next().ok_or_else(|| ("`index` needs a map or list".to_string(), span))?;
                all.fold(first, |base, index| expr(span, ExprKind::Index { base, index }))
            }
            ("default", 2) => match (all.next(), all.next()) {
                (Some(other), Some(value)) => {
                    expr(self.whole, ExprKind::Binary(BinaryOp::Coalesce, value, other))
                }
                _ => return wrong("a value and a default"),
            },
            ("eq" | "ne", 2) => match (all.next(), all.next()) {
                (Some(a), Some(b)) => {
                    let op = if function == "eq" { BinaryOp::Eq } else { BinaryOp::NotEq };
                    expr(self.whole, ExprKind::Binary(op, a, b))
                }
                _ => return wrong("two values"),
            },
            ("upper" | "lower" | "trim", 1) => call(span, function, all),
            ("len", 1) => call(span, "length", all),
            ("default" | "eq" | "ne", _) => return wrong("two values"),
            ("index", _) => return wrong("a map or list, and a key"),
            _ => return wrong("one value"),
        })
    }
}

/// `%s`, `%v`, `%d`, `%q` and `%%`.
fn printf(format: &str, operands: Vec<Expr>, span: Span) -> Result<Expr, String> {
    let (mut parts, mut plain) = (vec![], String::new());
    let mut operands = operands.into_iter();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        let verb = letters.next();
        let quoted = match verb {
            Some('%') => {
                plain.push('%');
                continue;
            }
            Some('s' | 'v' | 'd') => false,
            Some('q') => true,
            other => return Err(format!("`%{}` is not known in a format", other.unwrap_or(' '))),
        };
        let value = operands.next().ok_or("the format has more places than there are values")?;
        if quoted {
            plain.push('"');
        }
        if !plain.is_empty() {
            parts.push(StrPart::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(StrPart::Expr(value));
        if quoted {
            plain.push('"');
        }
    }
    if operands.next().is_some() {
        return Err("there are more values than places in the format".into());
    }
    if !plain.is_empty() {
        parts.push(StrPart::Text(plain.into()));
    }
    Ok(expr(span, ExprKind::Str(parts)))
}
