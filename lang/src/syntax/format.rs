//! The one style. The user's line breaks stand; indentation, blanks between tokens, blank lines, commas at line
//! ends, the indentation of `"""` blocks and the place of comments behind code are ours.
//!
//! Works on tokens, not on the tree, so that no comment is ever lost:
//!
//! ```text
//! tokens -> lines (tokens, comment behind them, blank line before) -> commas -> text, comments aligned
//! ```
//!
//! Invariant: the tree stays the same, and formatting twice is formatting once.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule of the text names the few tokens that it is about"
)]

use super::token::{Kind, Token};
use crate::diag::Diagnostics;
use crate::source::FileId;

/// A file in the one style; nothing where it has syntax errors, which are in the diagnostics.
pub fn format(file: FileId, text: &str) -> (Option<String>, Diagnostics) {
    // Lines that all end with a carriage return and a line feed still do afterwards.
    let ends = text.matches('\n').count();
    if ends > 0 && text.matches("\r\n").count() == ends {
        let (new, mut diags) = format_lines(file, &text.replace("\r\n", "\n"));
        if diags.has_errors() {
            // Places count the carriage returns.
            diags = Diagnostics::default();
            super::parse(file, text, &mut diags);
        }
        return (new.map(|new| new.replace('\n', "\r\n")), diags);
    }
    format_lines(file, text)
}

fn format_lines(file: FileId, text: &str) -> (Option<String>, Diagnostics) {
    let mut diags = Diagnostics::default();
    let module = super::parse(file, text, &mut diags);
    if diags.has_errors() {
        return (None, diags);
    }
    let mut out = styled(file, text);
    let has_edition =
        matches!(module.decls.first().map(|d| &d.kind), Some(super::ast::DeclKind::Edition(..)));
    if !has_edition {
        out = if out.is_empty() { "dts 1\n".into() } else { format!("dts 1\n\n{out}") };
    }
    // Unformatted is better than a different program: this would be a bug in dtm.
    let same = code(file, text, has_edition) == code(file, &out, true) && {
        let mut problems = Diagnostics::default();
        super::parse(file, &out, &mut problems);
        !problems.has_errors()
    };
    (Some(if same { out } else { text.to_string() }), diags)
}

/// The tokens of a file in the one style, with nothing made sure of: see [`format`].
#[doc(hidden)]
pub fn styled(file: FileId, text: &str) -> String {
    let tokens = super::lexer::lex(file, text, &mut Diagnostics::default());
    let mut lines = braces(lines(text, &tokens));
    commas(&mut lines);
    write(&lines)
}

/// The code of a file without what the style may change: blanks, line ends, commas and the texts of strings.
fn code(file: FileId, text: &str, has_edition: bool) -> String {
    let mut code = String::from(if has_edition { "" } else { "dts1" });
    for token in super::lexer::lex(file, text, &mut Diagnostics::default()) {
        match token.kind {
            Kind::Blank | Kind::Newline | Kind::Comma | Kind::StrText | Kind::Comment | Kind::HashComment => {
            }
            _ => code += &text[token.span.range()],
        }
    }
    code
}

#[derive(Clone, Copy, Debug)]
struct Piece<'t> {
    kind: Kind,
    text: &'t str,
    /// Whether blanks stand before it in the source.
    spaced: bool,
}

#[derive(Debug, Default)]
struct Line<'t> {
    pieces: Vec<Piece<'t>>,
    /// The comment behind the code, or alone on its line.
    comment: Option<&'t str>,
    blank_before: bool,
}

fn opens(kind: Kind) -> bool {
    matches!(kind, Kind::LParen | Kind::LBracket | Kind::LBrace | Kind::InterpStart)
}

fn closes(kind: Kind) -> bool {
    matches!(kind, Kind::RParen | Kind::RBracket | Kind::RBrace | Kind::InterpEnd)
}

fn lines<'t>(text: &'t str, tokens: &[Token]) -> Vec<Line<'t>> {
    let mut out: Vec<Line<'t>> = vec![];
    let mut line = Line::default();
    let (mut spaced, mut newlines) = (false, 0);
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let piece = &text[token.span.range()];
        at += 1;
        if let (Kind::StrStart, Some(end)) = (token.kind, long_string(&tokens[at - 1..])) {
            // A string with lines inside an interpolation stays as it is.
            let last = tokens[at - 1 + end].span;
            let whole = &text[token.span.start as usize..last.end as usize];
            line.pieces.push(Piece { kind: Kind::StrEnd, text: whole, spaced });
            (spaced, at) = (false, at + end);
            continue;
        }
        match token.kind {
            Kind::Blank => spaced = true,
            Kind::Newline => {
                newlines += 1;
                if !line.pieces.is_empty() || line.comment.is_some() {
                    out.push(std::mem::take(&mut line));
                    newlines = 1;
                }
                if newlines == 2 {
                    line.blank_before = true;
                }
            }
            Kind::Comment | Kind::HashComment => line.comment = Some(piece.trim_end()),
            kind => {
                line.pieces.push(Piece { kind, text: piece, spaced });
                spaced = false;
            }
        }
    }
    if !line.pieces.is_empty() || line.comment.is_some() {
        out.push(line);
    }
    out
}

/// Braces over several lines open at the end of a line and close at the beginning of one.
fn braces(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    // For each open bracket: its kind, where it stands, whether it is a comprehension.
    let mut open: Vec<(Kind, usize, usize, bool)> = vec![];
    let mut breaks: crate::maps::HashSet<(usize, usize)> = Default::default();
    for (number, line) in lines.iter().enumerate() {
        for (at, piece) in line.pieces.iter().enumerate() {
            match piece.kind {
                kind if opens(kind) => open.push((kind, number, at, false)),
                Kind::For => open.iter_mut().last().into_iter().for_each(|o| o.3 = true),
                kind if closes(kind) => {
                    let Some((Kind::LBrace, first, opener, false)) = open.pop() else { continue };
                    if first < number {
                        breaks.insert((number, at));
                        breaks.insert((first, opener + 1));
                    }
                }
                _ => {}
            }
        }
    }
    let mut out: Vec<Line<'_>> = Vec::with_capacity(lines.len());
    for (number, line) in lines.into_iter().enumerate() {
        let mut part = Line { blank_before: line.blank_before, ..Line::default() };
        for (at, piece) in line.pieces.into_iter().enumerate() {
            if at > 0 && breaks.contains(&(number, at)) {
                out.push(std::mem::take(&mut part));
            }
            part.pieces.push(piece);
        }
        part.comment = line.comment;
        out.push(part);
    }
    out
}

/// Where the string that begins here ends, if an interpolation in it has line ends or comments.
fn long_string(tokens: &[Token]) -> Option<usize> {
    let (mut depth, mut long) = (0, false);
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::StrStart => depth += 1,
            Kind::StrEnd => depth -= 1,
            Kind::Newline | Kind::Comment | Kind::HashComment => long = true,
            _ => {}
        }
        if depth == 0 {
            return long.then_some(i);
        }
    }
    None
}

/// Takes commas at line ends away inside braces, where the line's end is enough, and adds them after the last
/// element of lists and calls that are written over several lines.
fn commas(lines: &mut [Line<'_>]) {
    // For each open bracket: its kind, whether a comma stands directly in it, whether it is a header or comprehension.
    let mut open: Vec<(Kind, bool, bool)> = vec![];
    // For each open bracket: whether it is between `for` and `in`, where a comma separates the variables.
    let mut variables: Vec<bool> = vec![];
    // How many brackets were open where an `assert` began that still goes on: its comma separates the message.
    let (mut assert, mut last) = (None, None);
    for index in 0..lines.len() {
        let line = &lines[index];
        if assert == Some(open.len()) && !continues(line, last, open.last().map(|o| o.0)) {
            assert = None;
        }
        let named = line.pieces.get(1).is_some_and(|p| matches!(p.kind, Kind::Eq | Kind::Colon));
        if line.pieces.first().is_some_and(|p| p.text == "assert") && !named {
            assert = Some(open.len());
        }
        last = line.pieces.last().map(|p| p.kind).or(last);
        let first = lines[index].pieces.first().map(|p| p.kind);
        let lambda = lines[index].pieces.get(1).is_some_and(|p| p.kind == Kind::Arrow);
        if let (Some(Kind::RParen | Kind::RBracket), Some((_, true, false))) = (first, open.last())
            && !lambda
            && let Some(before) = lines[..index].iter_mut().rev().find(|l| !l.pieces.is_empty())
            && before.pieces.last().is_some_and(|p| p.kind != Kind::Comma && !opens(p.kind))
        {
            before.pieces.push(Piece { kind: Kind::Comma, text: ",", spaced: false });
        }
        for piece in &lines[index].pieces {
            match piece.kind {
                kind if opens(kind) => variables.push(false),
                kind if closes(kind) => _ = variables.pop(),
                Kind::For => variables.iter_mut().last().into_iter().for_each(|v| *v = true),
                Kind::In => variables.iter_mut().last().into_iter().for_each(|v| *v = false),
                _ => {}
            }
            match piece.kind {
                kind if opens(kind) => open.push((kind, false, false)),
                kind if closes(kind) => _ = open.pop(),
                Kind::Comma => open.iter_mut().last().into_iter().for_each(|o| o.1 = true),
                Kind::In | Kind::For => open.iter_mut().last().into_iter().for_each(|o| o.2 = true),
                _ => {}
            }
        }
        let braces = open.last().is_some_and(|o| o.0 == Kind::LBrace) && variables.last() == Some(&false);
        let braces = braces && assert != Some(open.len());
        let pieces = &mut lines[index].pieces;
        while braces && pieces.len() > 1 && pieces[pieces.len() - 1].kind == Kind::Comma {
            pieces.pop();
        }
    }
}

/// A line as it is written, with what aligns its comment.
struct Written<'t> {
    text: String,
    comment: Option<&'t str>,
    blank_before: bool,
    /// Whether the text stands on one line, so that comments can be aligned with those around it.
    single: bool,
}

fn write(lines: &[Line<'_>]) -> String {
    let mut written: Vec<Written<'_>> = vec![];
    // For each open bracket: the indentation of the line that opened it, and its kind.
    let mut open: Vec<(usize, Kind)> = vec![];
    // For each open `<` of a type: how many brackets were open there. Only there does `>` close it.
    let mut angles: Vec<usize> = vec![];
    let mut last: Option<Kind> = None;
    for line in lines {
        let first = line.pieces.first().map(|p| p.kind);
        let base = open.last().map_or(0, |(indent, _)| indent + 1);
        let indent = match first {
            Some(kind) if closes(kind) => open.last().map_or(0, |(indent, _)| *indent),
            Some(_) if continues(line, last, open.last().map(|o| o.1)) => base + 1,
            Some(_) => base,
            None => base,
        };
        let text = line_text(line, indent, &mut open, &mut angles);
        let join = first == Some(Kind::With)
            && last == Some(Kind::RBrace)
            && line.pieces.get(1).is_some_and(|p| p.kind == Kind::LBrace);
        if let Some(kind) = line.pieces.last().map(|p| p.kind) {
            last = Some(kind);
        }
        if let (true, Some(before)) = (join, written.last_mut())
            && before.comment.is_none()
            && !before.text.is_empty()
        {
            before.text += " ";
            before.text += &text;
            before.comment = line.comment;
            before.single = false;
            // Brackets that this line opened belong to the joined line now.
            let outer = before.text.len() - before.text.trim_start().len();
            open.iter_mut().filter(|o| o.0 == indent).for_each(|o| o.0 = outer / 2);
            continue;
        }
        let single = !text.contains('\n');
        let text = if text.is_empty() && line.comment.is_none() {
            text
        } else {
            format!("{}{text}", "  ".repeat(indent))
        };
        written.push(Written { text, comment: line.comment, blank_before: line.blank_before, single });
    }
    finish(written)
}

/// Whether a line goes on with what stands before it.
fn continues(line: &Line<'_>, last: Option<Kind>, bracket: Option<Kind>) -> bool {
    let (Some(first), Some(last)) = (line.pieces.first(), last) else { return false };
    if opens(last) || last == Kind::Comma {
        return false;
    }
    let named = line.pieces.get(1).is_some_and(|p| matches!(p.kind, Kind::Eq | Kind::Colon));
    let goes_on =
        !last.ends_operand() || first.kind.continues_line() || first.kind.is_clause_word() && !named;
    goes_on || matches!(bracket, Some(Kind::LParen | Kind::LBracket))
}

fn finish(mut written: Vec<Written<'_>>) -> String {
    let mut at = 0;
    while at < written.len() {
        let behind = |w: &Written<'_>| w.comment.is_some() && !w.text.trim().is_empty() && w.single;
        let mut end = at;
        while end < written.len() && behind(&written[end]) && (end == at || !written[end].blank_before) {
            end += 1;
        }
        let widest = written[at..end].iter().map(|w| w.text.chars().count()).max().unwrap_or(0);
        for w in &mut written[at..end] {
            let pad = widest - w.text.chars().count() + 1;
            w.text += &format!("{}{}", " ".repeat(pad), w.comment.take().unwrap_or(""));
        }
        at = end.max(at + 1);
    }
    let mut out = String::new();
    let mut after_opener = true;
    for w in &written {
        let closer = w.text.trim_start().starts_with(['}', ')', ']']);
        let edition = out.trim_end() == "dts 1" && !out.is_empty();
        if (w.blank_before || edition) && !after_opener && !closer {
            out.push('\n');
        }
        out += &w.text;
        if let Some(comment) = w.comment {
            if !w.text.trim().is_empty() {
                out.push(' ');
            }
            out += comment;
        }
        let code = w.text.trim_end();
        after_opener = code.ends_with(['{', '(', '[']);
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    }
    out
}

/// The tokens of a line with the right blanks between them.
fn line_text(
    line: &Line<'_>,
    indent: usize,
    open: &mut Vec<(usize, Kind)>,
    angles: &mut Vec<usize>,
) -> String {
    let mut out = String::new();
    let mut before: Option<Piece<'_>> = None;
    let mut unary = false;
    let mut at = 0;
    // `moved cart -> shop/cart`: what stands there are addresses, as far as a `=`.
    let mut address = matches!(&*line.pieces, [first, second, ..]
        if matches!(first.text, "moved" | "forget" | "adopt") && second.kind != Kind::Eq);
    while at < line.pieces.len() {
        let piece = line.pieces[at];
        address &= piece.kind != Kind::Eq;
        if piece.kind == Kind::StrStart {
            if before.is_some_and(|b| space(b, piece, unary)) {
                out.push(' ');
            }
            let end = string_end(&line.pieces, at);
            out += &string_text(&line.pieces[at..end], indent, open, angles);
            before = Some(line.pieces[end - 1]);
            unary = false;
            at = end;
            continue;
        }
        let angle = piece.kind == Kind::Lt
            && !piece.spaced
            && before.is_some_and(|b| matches!(b.text, "map" | "tool"));
        let inside = angles.last() == Some(&open.len());
        let split = piece.kind == Kind::GtEq && inside;
        if let Some(b) = before {
            let tight = angle
                || address && (piece.kind == Kind::Slash || b.kind == Kind::Slash)
                || before.is_some_and(|b| b.kind == Kind::Lt) && inside
                || inside && matches!(piece.kind, Kind::Gt | Kind::GtEq);
            if !tight && space(b, piece, unary) {
                out.push(' ');
            }
        }
        // A word such as `assert` ends no operand, but only the grammar knows; `!` always stands before its operand.
        unary = piece.kind == Kind::Bang
            || piece.kind == Kind::Minus
                && before.is_none_or(|b| !b.kind.ends_operand() || b.kind == Kind::Star);
        out += if split { "> =" } else { piece.text };
        match piece.kind {
            Kind::Lt if angle => angles.push(open.len()),
            Kind::Gt | Kind::GtEq if inside => _ = angles.pop(),
            kind if opens(kind) => open.push((indent, kind)),
            kind if closes(kind) => {
                open.pop();
                angles.retain(|at| *at <= open.len());
            }
            _ => {}
        }
        before = Some(if split { Piece { kind: Kind::Eq, ..piece } } else { piece });
        at += 1;
    }
    out
}

/// One past the end of the string that begins at a position.
fn string_end(pieces: &[Piece<'_>], start: usize) -> usize {
    let mut depth = 0;
    for (i, piece) in pieces.iter().enumerate().skip(start) {
        match piece.kind {
            Kind::StrStart => depth += 1,
            Kind::StrEnd => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    pieces.len()
}

/// A string; the lines of a block move with the indentation of the code, which does not change its value.
fn string_text(
    pieces: &[Piece<'_>],
    indent: usize,
    open: &mut Vec<(usize, Kind)>,
    angles: &mut Vec<usize>,
) -> String {
    let block = pieces[0].text.ends_with("\"\"\"");
    let last = pieces.iter().rev().find(|p| p.kind == Kind::StrText).map_or("", |p| p.text);
    let old = last.rsplit_once('\n').map_or("", |(_, i)| i);
    let blank = |s: &str| s.bytes().all(|b| b == b' ' || b == b'\t');
    let depth = pieces.iter().scan(0i32, |depth, p| {
        *depth += match p.kind {
            Kind::StrStart => 1,
            Kind::StrEnd => -1,
            _ => 0,
        };
        Some(*depth)
    });
    let outer: Vec<bool> = depth.map(|d| d <= 1).collect();
    let texts = || pieces.iter().zip(&outer).filter(|(p, outer)| p.kind == Kind::StrText && **outer);
    let moves = block
        && blank(old)
        && !texts()
            .any(|(p, _)| p.text.split('\n').skip(1).any(|l| !l.starts_with(old) && !l.trim().is_empty()));
    let new = "  ".repeat(indent + 1);
    let mut out = String::new();
    let mut at = 0;
    while at < pieces.len() {
        let piece = pieces[at];
        match piece.kind {
            Kind::StrText if moves && outer[at] => {
                for (i, line) in piece.text.split('\n').enumerate() {
                    if i == 0 {
                        out += line;
                        continue;
                    }
                    out.push('\n');
                    // What stands before an interpolation or the closing quotes is no blank line.
                    let end = i == piece.text.matches('\n').count();
                    match line.strip_prefix(old) {
                        Some(rest @ ("" | "\r")) if !end => out += rest,
                        Some(rest) => out += &format!("{new}{rest}"),
                        None => out += line.trim_end_matches([' ', '\t']),
                    }
                }
                at += 1;
            }
            Kind::InterpStart => {
                let mut depth = 0;
                let mut end = at;
                while end < pieces.len() {
                    depth += i32::from(pieces[end].kind == Kind::InterpStart)
                        - i32::from(pieces[end].kind == Kind::InterpEnd);
                    end += 1;
                    if depth == 0 {
                        break;
                    }
                }
                let inner = Line { pieces: pieces[at..end].to_vec(), ..Line::default() };
                out += &line_text(&inner, indent, open, angles);
                at = end;
            }
            _ => {
                out += piece.text;
                at += 1;
            }
        }
    }
    out
}

/// Whether a blank stands between two tokens of one line.
fn space(before: Piece<'_>, piece: Piece<'_>, unary: bool) -> bool {
    use Kind::*;
    match (before.kind, piece.kind) {
        (LBrace, RBrace) => false,
        // `${{` would be GitHub's.
        (InterpStart, LBrace) => true,
        (LBrace, _) | (_, RBrace) => true,
        (LParen | LBracket | InterpStart, _) | (_, RParen | RBracket | InterpEnd) => false,
        (_, Comma | Colon | Question) => false,
        (Dot | SafeDot, _) | (_, Dot | SafeDot) => false,
        (DotDot | DotDotEq | Ellipsis | At, _) => false,
        (_, DotDot | DotDotEq) => false,
        (Minus | Bang, _) if unary => false,
        (Ident | RParen | RBracket | StrEnd | Question, LParen | LBracket) => false,
        (kind, LParen | LBracket) if kind.is_word() && !kind.is_reserved() => piece.spaced,
        (Null | True | False, LParen | LBracket) => false,
        _ => true,
    }
}
