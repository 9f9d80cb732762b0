//! The written grammar (`lang/GRAMMAR.md`) and the parser: programs that are made by its rules, every alternative of them in use, are taken.

use dtm_lang::{Diagnostics, FileId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

/// The right side of a rule.
#[derive(Debug)]
enum Rule {
    Text(String),
    Name(String),
    All(Vec<Rc<Rule>>),
    /// With a number, by which a test sees that each alternative was used.
    One(usize, Vec<Rc<Rule>>),
    Maybe(Rc<Rule>),
    Many(Rc<Rule>),
}

/// Reads rules.
struct Reader {
    tokens: Vec<String>,
    at: usize,
    choices: usize,
}

fn tokens(text: &str) -> Vec<String> {
    let mut out = vec![];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let quoted: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                out.push(format!("'{quoted}"));
            }
            ':' => {
                assert_eq!(
                    chars.by_ref().take(2).collect::<String>(),
                    ":=",
                    "only `::=` begins with a colon"
                );
                out.push("::=".into());
            }
            c if c.is_whitespace() => {}
            c if c.is_alphabetic() => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                out.push(word);
            }
            other => out.push(other.to_string()),
        }
    }
    out
}

impl Reader {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |t| t)
    }
    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }
    fn rules(&mut self) -> BTreeMap<String, Rc<Rule>> {
        let mut rules = BTreeMap::new();
        while self.at < self.tokens.len() {
            let name = self.next();
            assert_eq!(self.next(), "::=", "after {name}");
            let rule = self.choice();
            assert!(rules.insert(name.clone(), rule).is_none(), "{name} is written twice");
        }
        rules
    }
    fn choice(&mut self) -> Rc<Rule> {
        let mut all = vec![self.sequence()];
        while self.peek() == "|" {
            self.at += 1;
            all.push(self.sequence());
        }
        if all.len() == 1 {
            return all.remove(0);
        }
        self.choices += 1;
        Rc::new(Rule::One(self.choices - 1, all))
    }
    fn sequence(&mut self) -> Rc<Rule> {
        let mut all = vec![];
        while !matches!(self.peek(), "" | "|" | ")")
            && self.tokens.get(self.at + 1).is_none_or(|t| t != "::=")
        {
            let token = self.next();
            let mut part = Rc::new(match token.as_str() {
                "(" => {
                    let inner = self.choice();
                    assert_eq!(self.next(), ")");
                    Rule::All(vec![inner])
                }
                text if text.starts_with('\'') => Rule::Text(text[1..].to_string()),
                name => Rule::Name(name.to_string()),
            });
            while matches!(self.peek(), "?" | "*") {
                part = Rc::new(if self.next() == "?" { Rule::Maybe(part) } else { Rule::Many(part) });
            }
            all.push(part);
        }
        Rc::new(Rule::All(all))
    }
}

/// Makes programs.
struct Maker<'g> {
    rules: &'g BTreeMap<String, Rc<Rule>>,
    seed: u64,
    /// Which alternatives were used.
    used: BTreeSet<(usize, usize)>,
    out: String,
    /// Whether records, `if` and `match` stand in brackets only.
    header: bool,
}

impl Maker<'_> {
    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.seed >> 33) as usize % below
    }

    /// Whether what is begun is to come to its end.
    fn ends(&self, depth: usize) -> bool {
        depth > 60 || self.out.len() > 1500
    }

    fn write(&mut self, text: &str) {
        if !self.out.is_empty() && !self.out.ends_with(['\n', ' ']) {
            self.out.push(' ');
        }
        self.out += text;
    }

    fn make(&mut self, rule: &Rc<Rule>, depth: usize) {
        match &**rule {
            Rule::Text(text) => self.write(text),
            Rule::Name(name) => self.named(name, depth),
            Rule::All(parts) => {
                let bracket = matches!(parts.first().map(|p| &**p), Some(Rule::Text(t)) if matches!(t.as_str(), "(" | "[" | "{"));
                let header = self.header;
                self.header = header && !bracket;
                parts.iter().for_each(|p| self.make(p, depth));
                self.header = header;
            }
            Rule::One(number, all) => {
                // Deep down the first alternative, which is the simplest, ends it.
                let mut choice = if self.ends(depth) { 0 } else { self.random(all.len()) };
                if self.header && braces(&all[choice]) {
                    choice = 0;
                }
                self.used.insert((*number, choice));
                self.make(&all[choice], depth + 1);
            }
            Rule::Maybe(part) => {
                if !self.ends(depth) && self.random(3) == 0 {
                    self.make(part, depth + 1);
                }
            }
            Rule::Many(part) => {
                let times = if self.ends(depth) { 0 } else { [0, 0, 0, 0, 0, 1, 1, 2][self.random(8)] };
                (0..times).for_each(|_| self.make(part, depth + 1));
            }
        }
    }

    fn named(&mut self, name: &str, depth: usize) {
        const NAMES: [&str; 8] = ["a", "shop", "_private", "x1", "größe", "kind", "from", "out"];
        const WORDS: [&str; 6] = ["name", "if", "true", "in", "match", "as"];
        const NUMBERS: [&str; 7] = ["1", "1_000", "2.5", "1e+3", "1h30m", "512MiB", "0"];
        const TEXTS: [&str; 4] = ["\"text\"", "r\"raw\\\"", "\"\"", "\"a\\n\\u{e9}$\""];
        let one = |of: &[&str], maker: &mut Self| of[maker.random(of.len())].to_string();
        let text = match name {
            "NAME" => one(&NAMES, self),
            "WORD" => one(&WORDS, self),
            "NUMBER" => one(&NUMBERS, self),
            "TEXT" => one(&TEXTS, self),
            "NL" => "\n".into(),
            "SEP" => one(&[",", "\n", ",\n", "\n\n// a comment\n"], self),
            "header" => {
                let before = std::mem::replace(&mut self.header, true);
                self.named("expression", depth);
                self.header = before;
                return;
            }
            _ => {
                let rule = self.rules.get(name).unwrap_or_else(|| panic!("no rule {name}")).clone();
                return self.make(&rule, depth + 1);
            }
        };
        if text.starts_with('\n') { self.out += &text } else { self.write(&text) }
    }
}

/// Whether an alternative is a bare record, `if` or `match`.
fn braces(rule: &Rule) -> bool {
    let name = |r: &Rule| matches!(r, Rule::Name(n) if matches!(n.as_str(), "record" | "if" | "match"));
    matches!(rule, Rule::All(parts) if parts.len() == 1 && name(&parts[0]))
}

/// How many alternatives there are.
fn alternatives(rule: &Rule, found: &mut BTreeSet<(usize, usize)>) {
    match rule {
        Rule::Text(_) | Rule::Name(_) => {}
        Rule::All(parts) => parts.iter().for_each(|p| alternatives(p, found)),
        Rule::One(number, all) => {
            found.extend((0..all.len()).map(|i| (*number, i)));
            all.iter().for_each(|p| alternatives(p, found));
        }
        Rule::Maybe(part) | Rule::Many(part) => alternatives(part, found),
    }
}

#[test]
fn programs_made_by_the_grammar_are_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lang/GRAMMAR.md");
    let text = std::fs::read_to_string(path).expect("the grammar");
    let block = text.split("```ebnf\n").nth(1).and_then(|t| t.split("```").next()).expect("its rules");
    let mut reader = Reader { tokens: tokens(block), at: 0, choices: 0 };
    let rules = reader.rules();
    let mut maker = Maker {
        rules: &rules,
        seed: 0x2545_f491_4f6c_dd1d,
        used: BTreeSet::new(),
        out: String::new(),
        header: false,
    };
    let mut longest = 0;
    for _ in 0..4000 {
        maker.out.clear();
        maker.named("module", 0);
        let program = maker.out.clone();
        longest = longest.max(program.len());
        let mut diagnostics = Diagnostics::default();
        dtm_lang::syntax::parse(FileId(0), &program, &mut diagnostics);
        let wrong = diagnostics.iter().find(|d| d.code.id() < "E0200" && d.code.id() != "E0110");
        assert!(
            wrong.is_none(),
            "{}\nof\n{program}",
            wrong.map_or(String::new(), |d| format!(
                "{:?}",
                (&d.headline, d.primary.as_ref().map(|p| &program[p.span.range()]))
            ))
        );
    }
    assert!(longest > 1000, "the longest program has only {longest} bytes");
    let mut all = BTreeSet::new();
    rules.values().for_each(|r| alternatives(r, &mut all));
    let unused: Vec<_> = all.difference(&maker.used).collect();
    assert!(unused.is_empty(), "never used: {unused:?}");
}
