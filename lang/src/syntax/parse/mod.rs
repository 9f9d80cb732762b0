//! Tokens to tree, with chumsky. The stream is first cut into declarations at the newlines that lie outside
//! brackets, and each is parsed by itself: an error costs one declaration, and inside `{}` one field. A bracket
//! that is never closed ends at the next line that begins with a declaration.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule of the text names the few tokens that it is about"
)]

mod decl;
mod error;
mod expr;
mod habit;
mod types;

use super::ast::*;
use super::layout::{layout, opens_type};
use super::lexer::lex;
use super::token::{Kind, Token};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span, Symbol};
use chumsky::input::{Input as _, MappedInput};
use chumsky::prelude::*;
use error::ParseError;

type Input<'t> = MappedInput<'t, Kind, Span, &'t [Token], fn(&'t Token) -> (&'t Kind, &'t Span)>;
type Extra = extra::Err<ParseError>;
/// A parser of `O`, boxed so that the grammar builds quickly.
type P<'t, O> = Boxed<'t, 't, Input<'t>, O, Extra>;

/// The text of the file and its comments, at hand in every parser.
#[derive(Clone, Copy)]
struct Source<'t> {
    src: &'t str,
    comments: &'t [Comment],
}

impl<'t> Source<'t> {
    fn text(self, span: Span) -> &'t str {
        self.src.get(span.range()).unwrap_or("")
    }

    /// The `///` lines just above a node that starts at `start`.
    fn doc(self, start: u32) -> Option<Symbol> {
        let before = self.comments.partition_point(|c| c.span.end <= start);
        let mut first = before;
        let mut end = start;
        while first > 0 {
            let c = self.comments[first - 1];
            let gap = self.src.get(c.span.end as usize..end as usize).unwrap_or("x");
            if !self.text(c.span).starts_with("///")
                || !c.own_line
                || gap.trim() != ""
                || gap.matches('\n').count() != 1
            {
                break;
            }
            end = c.span.start;
            first -= 1;
        }
        if first == before {
            return None;
        }
        let lines = self.comments[first..before].iter().map(|c| {
            let line = self.text(c.span).trim_start_matches('/');
            line.strip_prefix(' ').unwrap_or(line).trim_end()
        });
        Some(lines.collect::<Vec<_>>().join("\n").into())
    }

    /// A name that is no reserved word.
    fn name(self) -> P<'t, Name> {
        select! { k if !Kind::is_reserved(k) && Kind::is_word(k) => () }
            .labelled("a name")
            .map_with(move |(), x| self.named(x.span()))
            .boxed()
    }

    /// Any word before `=` or `:`.
    fn any_name(self) -> P<'t, Name> {
        select! { k if Kind::is_word(k) => () }
            .map_with(move |(), x| self.named(x.span()))
            .then_ignore(any().filter(|k| matches!(k, Kind::Eq | Kind::Colon)).rewind())
            .boxed()
    }

    /// Any word after a dot.
    fn member(self) -> P<'t, Name> {
        select! { k if Kind::is_word(k) => () }
            .labelled("a name")
            .map_with(move |(), x| self.named(x.span()))
            .boxed()
    }

    /// One certain word that is no keyword.
    fn word(self, word: &'static str) -> P<'t, ()> {
        just(Kind::Ident)
            .map_with(|_, x| x.span())
            .filter(move |span: &Span| self.text(*span) == word)
            .ignored()
            .boxed()
    }

    /// `a` or `a.b`
    fn path(self) -> P<'t, Path> {
        self.name()
            .separated_by(just(Kind::Dot))
            .at_least(1)
            .collect()
            .map_with(|parts, x| Path { parts, span: x.span() })
            .boxed()
    }

    fn named(self, span: Span) -> Name {
        Name { text: self.text(span).into(), span }
    }
}

/// Items with newlines or commas between them.
fn separated<'t, O: 't>(item: P<'t, O>) -> P<'t, Vec<O>> {
    let sep = || select! { Kind::Newline => (), Kind::Comma => () };
    item.separated_by(sep().repeated().at_least(1)).allow_leading().allow_trailing().collect().boxed()
}

/// Skips what is left of a field that could not be read: up to the next newline, comma or closing brace.
fn skip_item<'t>() -> P<'t, ()> {
    let nested = recursive(|nested| {
        let inside = choice((nested, any().filter(|k| !opens(*k) && !closes(*k)).ignored())).repeated();
        choice((
            inside.clone().delimited_by(just(Kind::LBrace), just(Kind::RBrace)),
            inside.clone().delimited_by(just(Kind::LParen), just(Kind::RParen)),
            inside.clone().delimited_by(just(Kind::InterpStart), just(Kind::InterpEnd)),
            inside.delimited_by(just(Kind::LBracket), just(Kind::RBracket)),
        ))
    });
    let plain =
        any().filter(|k| !opens(*k) && !closes(*k) && !matches!(k, Kind::Newline | Kind::Comma)).ignored();
    choice((nested, plain)).repeated().at_least(1).boxed()
}

fn opens(kind: Kind) -> bool {
    matches!(kind, Kind::LBrace | Kind::LParen | Kind::LBracket | Kind::InterpStart)
}

fn closes(kind: Kind) -> bool {
    matches!(kind, Kind::RBrace | Kind::RParen | Kind::RBracket | Kind::InterpEnd)
}

/// Parses a file. What cannot be read is reported; the rest is there.
pub fn parse(file: FileId, text: &str, diags: &mut Diagnostics) -> Module {
    let tokens = lex(file, text, diags);
    let layout = layout(&tokens, text, diags);
    let tokens = split_type_closers(layout.tokens, text);
    let src = Source { src: text, comments: &layout.comments };
    let runs = runs(&tokens, text, diags);
    let mut decls = Vec::with_capacity(runs.len());
    let mut headless = false;
    let mut swallowed = 0;
    for (run, (decl, errors)) in runs.iter().zip(in_parts(&runs, tokens.len(), src, file)) {
        decls.extend(decl.or_else(|| broken(run.tokens(), src)));
        if let Run::Whole(run) = run {
            // The inputs of a tool on a line of their own: that they do not stand behind its kind has been said.
            let told = headless && run.first().is_some_and(|t| t.kind == Kind::LBrace)
                || run.first().is_some_and(|t| t.span.start < swallowed);
            if !told && !errors.is_empty() {
                swallowed = habit::swallows(run, text).unwrap_or(0);
            }
            let before = diags.iter().len();
            if !told {
                report(errors, run, text, diags);
            }
            headless = diags.iter().skip(before).any(|d| d.code == Code::E0125);
        }
    }
    Module { decls, comments: layout.comments }
}

/// From so many tokens on, declarations are read by several threads.
const MANY_TOKENS: usize = 30_000;

/// What was read of each run. Declarations know nothing of each other, so a long file is read in parts at the same time;
/// what comes of it is the same, in the same order.
fn in_parts<'t>(
    runs: &[Run<'t>],
    tokens: usize,
    src: Source<'t>,
    file: FileId,
) -> Vec<(Option<Decl>, Vec<ParseError>)> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    if tokens < MANY_TOKENS || threads == 1 {
        return read(runs, src, file);
    }
    let size = runs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            runs.chunks(size).map(|part| scope.spawn(move || read(part, src, file))).collect();
        // A panic of a part is one of the whole.
        let joined = parts.into_iter().map(|p| p.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        joined.flatten().collect()
    })
}

fn read<'t>(runs: &[Run<'t>], src: Source<'t>, file: FileId) -> Vec<(Option<Decl>, Vec<ParseError>)> {
    let grammar = decl::grammar(src);
    let one = |run: &Run<'t>| match run {
        Run::Whole(tokens) => run_parser(&grammar.decl, tokens, file),
        Run::Cut(_) => (None, vec![]),
    };
    runs.iter().map(one).collect()
}

/// The tokens of one declaration.
enum Run<'t> {
    Whole(&'t [Token]),
    /// A bracket in it is never closed, which has been reported.
    Cut(&'t [Token]),
}

impl<'t> Run<'t> {
    fn tokens(&self) -> &'t [Token] {
        match self {
            Run::Whole(tokens) | Run::Cut(tokens) => tokens,
        }
    }
}

/// What is known of a declaration that could not be read: its name, so that its uses are no errors of their own.
fn broken(run: &[Token], src: Source<'_>) -> Option<Decl> {
    let (first, last) = (run.first()?, run.last()?);
    let at = run.iter().position(|t| t.kind.begins_declaration() && t.kind != Kind::At)?;
    let name =
        run.get(at + 1).filter(|t| t.kind.is_word() && !t.kind.is_reserved()).map(|t| src.named(t.span));
    let kind = DeclKind::Broken { is_type: run[at].kind == Kind::Type, name };
    Some(Decl { span: first.span.to(last.span), doc: None, annotations: vec![], kind })
}

/// Parses one expression: a value given on the command line or in the environment.
pub fn parse_literal(file: FileId, text: &str, diags: &mut Diagnostics) -> Option<Expr> {
    let tokens = lex(file, text, diags);
    let layout = layout(&tokens, text, diags);
    let src = Source { src: text, comments: &layout.comments };
    let (expr, errors) = run_parser(&decl::grammar(src).expr, &layout.tokens, file);
    report(errors, &layout.tokens, text, diags);
    if diags.has_errors() { None } else { expr }
}

/// Whether a text is the address of a tool in its one form: `site`, `site["eu"]`, `shop/site`.
pub fn is_address(text: &str) -> bool {
    let mut diags = Diagnostics::default();
    let module = parse(FileId(0), &format!("dts 1\nmoved here -> {text}\n"), &mut diags);
    let last = module.decls.last().map(|d| &d.kind);
    matches!(last, Some(DeclKind::Moved(_, to)) if !diags.has_errors() && *to.text == *text)
}

/// Two parsers that refer to each other and to themselves. What they hold of each other is weak: a grammar is made for
/// every text and must go with it, and parsers that own each other never would.
fn both<'t, A: 't, B: 't, R>(
    make: impl FnOnce(P<'t, A>, P<'t, B>) -> (P<'t, A>, P<'t, B>, R),
) -> (P<'t, A>, P<'t, B>, R) {
    let mut kept = None;
    let first = recursive(|first| {
        let mut own: P<'t, A> = first.clone().boxed();
        let mut rest = None;
        let second = recursive(|second| {
            let (a, b, more) = make(first.boxed(), second.boxed());
            own = a;
            rest = Some(more);
            b
        });
        kept = rest.map(|rest| (second.boxed(), rest));
        own
    });
    match kept {
        Some((second, rest)) => (first.boxed(), second, rest),
        None => unreachable!("both closures run at once"),
    }
}

fn run_parser<'t, O>(parser: &P<'t, O>, run: &'t [Token], file: FileId) -> (Option<O>, Vec<ParseError>) {
    let end = run.last().map_or(Span::new(file, 0, 0), |t| t.span.after());
    let refs: fn(&'t Token) -> (&'t Kind, &'t Span) = |t| (&t.kind, &t.span);
    parser.parse(run.map(end, refs)).into_output_errors()
}

/// Errors of a run in which the lexer already found one are echoes.
fn report(errors: Vec<ParseError>, run: &[Token], text: &str, diags: &mut Diagnostics) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let whole = first.span.to(last.span);
    // Beyond this number nobody reads on, and searching all of them for each error would take quadratic time.
    let echo = diags.iter().take(1_000).any(|d| {
        d.primary.as_ref().is_some_and(|p| {
            d.code.id() < "E0100"
                && p.span.file == whole.file
                && p.span.start >= whole.start
                && p.span.end <= whole.end
        })
    });
    for error in errors {
        if error.custom.is_some() || !echo {
            diags.push(match &error.custom {
                Some(d) => (**d).clone(),
                None => habit::recognize(&error, run, text),
            });
        }
    }
}

/// `map<string>=` is written without a space by some: there `>=` is `>` and `=`.
fn split_type_closers(tokens: Vec<Token>, text: &str) -> Vec<Token> {
    if !tokens.iter().any(|t| t.kind == Kind::GtEq) {
        return tokens;
    }
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len() + 1);
    // How deep in brackets each open `<` of a type stands: only there does `>` close it.
    let mut angles: Vec<usize> = vec![];
    let mut depth = 0usize;
    for t in tokens {
        match t.kind {
            kind if opens(kind) => depth += 1,
            kind if closes(kind) => {
                depth = depth.saturating_sub(1);
                angles.retain(|at| *at <= depth);
            }
            Kind::Lt if opens_type(&out, text) => angles.push(depth),
            Kind::Gt if angles.last() == Some(&depth) => _ = angles.pop(),
            Kind::Newline | Kind::Eq => angles.retain(|at| *at < depth),
            Kind::GtEq if angles.last() == Some(&depth) => {
                angles.pop();
                let middle = t.span.start + 1;
                out.push(Token { kind: Kind::Gt, span: Span { end: middle, ..t.span } });
                out.push(Token { kind: Kind::Eq, span: Span { start: middle, ..t.span } });
                continue;
            }
            _ => {}
        }
        out.push(t);
    }
    out
}

/// Cuts the stream into declarations.
fn runs<'t>(tokens: &'t [Token], text: &str, diags: &mut Diagnostics) -> Vec<Run<'t>> {
    let mut out = vec![];
    let mut open: Vec<Token> = vec![];
    let (mut start, mut next) = (0, 0);
    while next < tokens.len() {
        let token = tokens[next];
        if opens(token.kind) {
            open.push(token);
        } else if closes(token.kind) {
            let fits = matches!(
                (open.last().map(|t| t.kind), token.kind),
                (Some(Kind::LBrace), Kind::RBrace)
                    | (Some(Kind::LParen), Kind::RParen)
                    | (Some(Kind::LBracket), Kind::RBracket)
                    | (Some(Kind::InterpStart), Kind::InterpEnd)
            );
            if fits {
                open.pop();
            } else {
                // The parser says what is wrong with this one; go on at the next declaration.
                let end = next_declaration(tokens, next, text);
                out.push(Run::Whole(&tokens[start..end]));
                (start, next) = (end, end);
                open.clear();
                continue;
            }
        } else if token.kind == Kind::Newline && open.is_empty() {
            let run = &tokens[start..next];
            let only_annotations = run.first().is_some_and(|t| t.kind == Kind::At) && !declares(run);
            if !only_annotations {
                out.push(Run::Whole(run));
                start = next + 1;
            }
        }
        next += 1;
        if next == tokens.len()
            && let Some(bracket) = open.first().copied()
        {
            // An interpolation that does not end is in a string that does not, which the lexer has reported.
            if !open.iter().any(|t| t.kind == Kind::InterpStart) {
                let d = Diagnostic::new(Code::E0105, format!("{} is never closed", bracket.kind.describe()))
                    .at(bracket.span, "opened here")
                    .help(format!("close it with {}", closer(bracket.kind).describe()));
                diags.push(d);
            }
            // What stands before the bracket is lost; the declarations after it are not.
            next = next_declaration(tokens, start + 1, text);
            out.push(Run::Cut(&tokens[start..next]));
            start = next;
            open.clear();
        }
    }
    if start < tokens.len() {
        out.push(Run::Whole(&tokens[start..]));
    }
    out.retain(|r| !r.tokens().is_empty());
    out
}

/// Whether a declaration begins after the annotations of a run. Their names and arguments may be words like others.
fn declares(run: &[Token]) -> bool {
    let mut depth = 0usize;
    let mut before = None;
    for token in run {
        match token.kind {
            kind if opens(kind) => depth += 1,
            kind if closes(kind) => depth = depth.saturating_sub(1),
            kind if depth == 0
                && before != Some(Kind::At)
                && (kind.begins_declaration() && kind != Kind::At
                    || matches!(kind, Kind::In | Kind::Out | Kind::Given | Kind::Mock)) =>
            {
                return true;
            }
            _ => {}
        }
        before = Some(token.kind);
    }
    false
}

fn closer(open: Kind) -> Kind {
    match open {
        Kind::LParen => Kind::RParen,
        Kind::LBracket => Kind::RBracket,
        _ => Kind::RBrace,
    }
}

/// The next token at the start of a line that begins a declaration.
fn next_declaration(tokens: &[Token], from: usize, text: &str) -> usize {
    (from..tokens.len())
        .find(|i| {
            let t = tokens[*i];
            t.kind.begins_declaration()
                && (t.span.start == 0 || text.as_bytes()[t.span.start as usize - 1] == b'\n')
        })
        .unwrap_or(tokens.len())
}
