//! Laws of lexer, parser and formatter, on every program of the suites and on random ones.

use dtm_lang::syntax::format::{format, styled};
use dtm_lang::syntax::{lexer::lex, parse};
use dtm_lang::{Diagnostics, FileId, Sources};
use dtm_tests::suite::sections;
use proptest::prelude::*;
use regex_lite::Regex;
use std::path::Path;

/// Every `dts` block of the suites, pages and examples.
fn programs() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut out = vec![];
    for folder in ["tests/spec", "lang/src/diag/codes", "stdlib/examples", "plugins/core"] {
        collect(&root.join(folder), &mut out);
    }
    out
}

fn collect(folder: &Path, out: &mut Vec<String>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let ending = path.extension().map(|e| e.to_string_lossy().into_owned());
        match ending.as_deref() {
            _ if path.is_dir() => collect(&path, out),
            Some("md") => {
                let text = std::fs::read_to_string(&path).expect("a suite");
                let blocks = sections(&text).into_iter().flat_map(|s| s.blocks);
                out.extend(blocks.filter(|b| b.kind == "dts").map(|b| b.text));
            }
            Some("dts") => out.push(std::fs::read_to_string(&path).expect("a program")),
            _ => {}
        }
    }
}

fn file() -> FileId {
    Sources::default().add("x.dts", "")
}

/// The tree without places and documentation spans; `None` when there are errors.
fn tree(text: &str) -> Option<String> {
    let mut diags = Diagnostics::default();
    let module = parse(file(), text, &mut diags);
    let spans = Regex::new(r"\b\d+:\d+\.\.\d+\b").expect("a pattern");
    let edition =
        |d: &dtm_lang::syntax::ast::Decl| matches!(d.kind, dtm_lang::syntax::ast::DeclKind::Edition(..));
    let decls: Vec<_> = module.decls.iter().filter(|d| !edition(d)).collect();
    (!diags.has_errors()).then(|| spans.replace_all(&format!("{decls:?}"), "").into_owned())
}

fn comments(text: &str) -> Vec<String> {
    let module = parse(file(), text, &mut Diagnostics::default());
    module.comments.iter().map(|c| text[c.span.range()].trim_end().to_string()).collect()
}

fn laws(text: &str) {
    let tokens = lex(file(), text, &mut Diagnostics::default());
    let whole: String = tokens.iter().map(|t| &text[t.span.range()]).collect();
    assert_eq!(whole, text, "the tokens one after the other are the text");
    let (Some(once), _) = format(file(), text) else { return };
    assert_eq!(tree(&once), tree(text), "formatting keeps the tree of:\n{text}\n--- as\n{once}");
    assert_eq!(comments(&once), comments(text), "formatting keeps comments");
    let (twice, _) = format(file(), &once);
    assert_eq!(twice.as_deref(), Some(&*once), "formatting twice is formatting once");
}

#[test]
fn the_laws_hold_for_every_program_of_the_suites() {
    let all = programs();
    assert!(all.len() > 3, "the programs are found");
    all.iter().for_each(|p| laws(p));
}

/// Every prefix of every program with `DTM_MATRIX=full`; otherwise, of each program every seventh, the first by its length.
#[test]
fn no_prefix_of_a_program_makes_the_parser_panic() {
    let step = if std::env::var("DTM_MATRIX").is_ok_and(|all| all == "full") { 1 } else { 7 };
    for program in programs().iter().filter(|p| p.len() < 3000) {
        for (at, _) in program.char_indices().skip(program.len() % step).step_by(step) {
            parse(file(), &program[..at], &mut Diagnostics::default());
        }
    }
}

/// The style itself keeps the tree: nothing has to be left as it is.
fn style_keeps(text: &str) {
    if let Some(before) = tree(text) {
        let styled = styled(file(), text);
        assert_eq!(tree(&styled), Some(before), "the style keeps the tree of:\n{text}\n--- as\n{styled}");
    }
    laws(text);
}

/// Every program, and every place in it whose surroundings were not met before: the tokens on both sides, the innermost open
/// bracket, and the word that begins the line.
#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "only brackets count")]
fn a_line_may_be_broken_anywhere() {
    use dtm_lang::syntax::token::Kind;
    let mut met = std::collections::HashSet::new();
    // The shortest first: what surrounds a place is met where it costs least to look.
    let mut programs = programs();
    programs.retain(|p| p.len() < 2_000);
    programs.sort_by_key(String::len);
    for program in &programs {
        let tokens = lex(file(), program, &mut Diagnostics::default());
        let mut open = vec![];
        for (i, token) in tokens.iter().enumerate() {
            match token.kind {
                kind @ (Kind::LParen | Kind::LBracket | Kind::LBrace) => open.push(kind),
                Kind::RParen | Kind::RBracket | Kind::RBrace => _ = open.pop(),
                _ => {}
            }
            let at = token.span.end as usize;
            let line = program[..at].rsplit('\n').next().unwrap_or_default();
            let word = line.split_whitespace().next().unwrap_or_default().to_string();
            let next = tokens.get(i + 1).map(|t| t.kind);
            if !met.insert((token.kind, next, open.last().copied(), word)) {
                continue;
            }
            for broken in ["\n", " // c\n", ",\n"] {
                style_keeps(&format!("{}{broken}{}", &program[..at], &program[at..]));
            }
        }
    }
    assert!(met.len() > 1_000, "{} surroundings", met.len());
}

#[test]
fn a_file_with_carriage_returns_keeps_them() {
    for program in programs().iter().filter(|p| !p.contains('\r') && p.contains('\n')) {
        let (Some(plain), _) = format(file(), program) else { continue };
        let (with, _) = format(file(), &program.replace('\n', "\r\n"));
        assert_eq!(with, Some(plain.replace('\n', "\r\n")));
    }
}

/// Pieces that are likely to meet in a program.
const PIECES: &[&str] = &[
    "dts 1\n",
    "let x = ",
    "tool a: core.Value {",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "\n",
    " ",
    ",",
    "a",
    "if ",
    "then ",
    "else ",
    "\"",
    "\"\"\"",
    "${",
    "// c\n",
    "/// d\n",
    "1",
    "1h30m",
    "x.y",
    "?.",
    "??",
    "=",
    ":",
    "with { ",
    "for ",
    "in ",
    "as int",
    "type T = ",
    "|",
    "map<int>",
    "secret ",
    "...",
    "..",
    "..=",
    "-",
    "!",
    "&&",
    "=>",
    "->",
    "@key ",
    "r\"",
    "é",
    "\\",
    "#",
    "param p: ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_random_programs(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        laws(&pieces.concat());
    }

    #[test]
    fn the_laws_hold_for_mutated_programs(seed in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), piece in prop::sample::select(PIECES)) {
        let all = programs();
        let program = &all[seed.index(all.len())];
        let places: Vec<usize> = program.char_indices().map(|(i, _)| i).collect();
        if !places.is_empty() {
            let at = places[at.index(places.len())];
            laws(&format!("{}{piece}{}", &program[..at], &program[at..]));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        laws(&text);
    }
}
