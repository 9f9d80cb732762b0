//! Tokens to significant tokens: drops blanks and comments, keeps a newline only where it separates, and
//! bounds how deep a program may nest.
//!
//! A newline separates outside brackets and directly inside `{}`. It does not after an operator, a comma, an
//! opening bracket or a word that needs an operand, nor before what continues a line (language-rules.md,
//! "Text and lines"). A line that begins with `-`, `(`, `[` or `{` never continues one, inside `()` and `[]`
//! either, so there its newline is kept and the missing comma is found.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule of the text names the few tokens that it is about"
)]

use super::ast::Comment;
use super::token::{Kind, Token};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::Span;

/// Open brackets, and operators in a row, that one expression may hold. Deeper input is refused: every
/// later phase recurses over the tree.
pub const MAX_DEPTH: usize = 500;

/// What is left for the parser, and the comments beside it.
pub struct Layout {
    /// Tokens without blanks and comments.
    pub tokens: Vec<Token>,
    /// Comments, in order.
    pub comments: Vec<Comment>,
}

/// Sorts tokens out.
pub fn layout(all: &[Token], text: &str, diags: &mut Diagnostics) -> Layout {
    let mut out = Layout { tokens: Vec::with_capacity(all.len()), comments: vec![] };
    let mut open: Vec<(Kind, Span)> = vec![];
    let mut links: Vec<usize> = vec![0];
    let mut total = 0;
    let mut newline: Option<Token> = None;
    // For the last token: whether a `>` closed a type, and whether an operand stands before it.
    let (mut angles, mut closed_type, mut before_ends) = (Vec::<usize>::new(), false, false);
    let mut index = 0;
    while index < all.len() {
        let token = all[index];
        index += 1;
        match token.kind {
            Kind::Blank => continue,
            Kind::Comment | Kind::HashComment => {
                if token.kind == Kind::HashComment {
                    let hash = Span { end: token.span.start + 1, ..token.span };
                    diags.push(
                        Diagnostic::new(Code::E0103, "comments begin with `//`, not `#`")
                            .at(hash, "read as a comment")
                            .fix("write `//`", hash, "//"),
                    );
                }
                let own_line = newline.is_some() || out.tokens.is_empty();
                out.comments.push(Comment { span: token.span, own_line });
                continue;
            }
            Kind::Newline => {
                newline.get_or_insert(token);
                continue;
            }
            _ => {}
        }
        if let Some(line) = newline.take()
            && let Some(last) = out.tokens.last()
        {
            let after = next_significant(all, index);
            // At the start of a line, `tool name` can only be a declaration: what is still open before it was forgotten.
            let begins = token.kind.begins_declaration()
                && text[..token.span.start as usize].ends_with('\n')
                && after.is_some_and(|a| a.is_word() && !a.is_reserved());
            if begins {
                while open.last().is_some_and(|(k, _)| *k != Kind::LBrace) {
                    open.pop();
                    total -= if links.len() > 1 { links.pop().unwrap_or(0) } else { 0 };
                }
            }
            let braces = open.last().is_none_or(|(k, _)| *k == Kind::LBrace);
            let named = matches!(after, Some(Kind::Eq | Kind::Colon));
            // `>` ends a type or wants an operand; `with` and the like want what belongs to them.
            // A reserved word after a dot is a name like others.
            let member = last.kind.is_word()
                && matches!(out.tokens.iter().rev().nth(1).map(|t| t.kind), Some(Kind::Dot | Kind::SafeDot));
            let operand = member || last.kind.ends_operand() && (last.kind != Kind::Gt || closed_type);
            let clause = matches!(last.kind, Kind::With | Kind::Where | Kind::By) && before_ends
                || last.kind == Kind::Secret && wants_type(&out.tokens[..out.tokens.len() - 1]);
            let goes_on =
                !operand || clause || token.kind.continues_line() || token.kind.is_clause_word() && !named;
            let fresh = matches!(token.kind, Kind::Minus | Kind::LParen | Kind::LBracket | Kind::LBrace)
                || token.kind == Kind::In && !in_for(&out.tokens);
            // While a line is being written, the declaration after it is not its operand.
            let declares = open.is_empty() && begins;
            let keep = if braces { !goes_on || declares } else { fresh && last.kind.ends_operand() };
            if keep {
                out.tokens.push(line);
                total -= links.last().copied().unwrap_or(0);
                if let Some(l) = links.last_mut() {
                    *l = 0;
                }
            }
        }
        match token.kind {
            Kind::LParen | Kind::LBracket | Kind::LBrace | Kind::InterpStart => {
                open.push((token.kind, token.span));
                links.push(1);
                total += 1;
            }
            Kind::RParen | Kind::RBracket | Kind::RBrace | Kind::InterpEnd => {
                open.pop();
                if links.len() > 1 {
                    total -= links.pop().unwrap_or(0);
                }
            }
            Kind::Comma | Kind::Pipe => {
                // A new operand, or a new member of a union, begins: only the bracket itself still counts.
                let keep = usize::from(links.len() > 1);
                if let Some(l) = links.last_mut() {
                    total -= *l - keep.min(*l);
                    *l = keep.min(*l);
                }
            }
            kind if nests(kind) => {
                if let Some(l) = links.last_mut() {
                    *l += 1;
                    total += 1;
                }
            }
            _ => {}
        }
        if total > MAX_DEPTH {
            diags.push(
                Diagnostic::new(Code::E0104, format!("nested deeper than {MAX_DEPTH}"))
                    .at(token.span, "here it becomes too deep")
                    .note("brackets inside each other and operators in a row both count")
                    .help("give a part of it a name with `let`"),
            );
            // What follows is read again from the next declaration at the start of a line.
            while let Some(l) = out.tokens.last()
                && !(l.kind == Kind::Newline
                    && text[l.span.end as usize..]
                        .trim_start_matches(['\r', '\n'])
                        .starts_with(|c: char| !c.is_whitespace()))
            {
                out.tokens.pop();
            }
            while index < all.len()
                && !(all[index].kind.begins_declaration() && all[index - 1].kind == Kind::Newline)
            {
                index += 1;
            }
            (open, links, total) = (vec![], vec![0], 0);
            newline = None;
            continue;
        }
        match token.kind {
            Kind::Lt if opens_type(&out.tokens, text) => angles.push(open.len()),
            Kind::Gt | Kind::GtEq => {
                angles.retain(|at| *at <= open.len());
                closed_type = angles.last() == Some(&open.len());
                if closed_type {
                    angles.pop();
                }
            }
            _ => {}
        }
        before_ends = out.tokens.last().is_some_and(|l| l.kind.ends_operand());
        out.tokens.push(token);
    }
    out
}

/// Whether a `<` after these tokens opens the type of a map or tool, where `map` may be a plain name as well.
pub(super) fn opens_type(before: &[Token], text: &str) -> bool {
    let Some((word, before)) = before.split_last() else { return false };
    matches!(&text[word.span.range()], "map" | "tool") && wants_type(before)
}

/// Whether a type may stand after these tokens.
fn wants_type(before: &[Token]) -> bool {
    use Kind::*;
    match before {
        [.., Token { kind: Type, .. }, _, Token { kind: Eq, .. }] => true,
        [.., last] => {
            matches!(last.kind, Colon | Pipe | Lt | As | Secret | ThinArrow | LBracket | LParen | Comma)
        }
        [] => false,
    }
}

/// Whether `in` after these tokens belongs to a `for x` or `for i, x`.
fn in_for(before: &[Token]) -> bool {
    use Kind::{Comma, For};
    matches!(
        before,
        [.., Token { kind: For, .. }, _] | [.., Token { kind: For, .. }, _, Token { kind: Comma, .. }, _]
    )
}

/// Whether a token makes the tree of its expression one deeper.
fn nests(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        If | Match
            | For
            | As
            | Arrow
            | Minus
            | Bang
            | Plus
            | Star
            | Slash
            | Percent
            | AndAnd
            | OrOr
            | Coalesce
            | EqEq
            | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | Dot
            | SafeDot
            | DotDot
            | DotDotEq
            | Question
            | Secret
    )
}

fn next_significant(all: &[Token], from: usize) -> Option<Kind> {
    all[from..].iter().map(|t| t.kind).find(|k| *k != Kind::Blank)
}
