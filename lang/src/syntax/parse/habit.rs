//! Habits from other languages: where a token does not fit, the words around it often say what was meant. What YAML, HCL,
//! JSON, TypeScript and Python write there is recognized and told how it is written here.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule of the text names the few tokens that it is about"
)]

use super::error::ParseError;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span};
use crate::syntax::lexer::lex;
use crate::syntax::token::{Kind, Token};

/// What is said under which code, and the edit that mends it, where there is one that is surely right.
struct Habit {
    code: Code,
    help: String,
    edit: Option<(Span, String)>,
}

fn say(code: Code, help: impl Into<String>) -> Option<Habit> {
    Some(Habit { code, help: help.into(), edit: None })
}

fn mend(code: Code, help: impl Into<String>, span: Span, with: impl Into<String>) -> Option<Habit> {
    Some(Habit { code, help: help.into(), edit: Some((span, with.into())) })
}

/// The tokens around the one that does not fit.
struct Place<'t> {
    run: &'t [Token],
    src: &'t str,
    error: &'t ParseError,
    /// The position of that token; one too many at the end of the declaration.
    at: usize,
}

impl<'t> Place<'t> {
    fn text(&self, offset: isize) -> &'t str {
        let token = self.at.checked_add_signed(offset).and_then(|i| self.run.get(i));
        token.and_then(|t| self.src.get(t.span.range())).unwrap_or("")
    }
    fn kind(&self, offset: isize) -> Option<Kind> {
        self.at.checked_add_signed(offset).and_then(|i| self.run.get(i)).map(|t| t.kind)
    }
    fn span(&self, offset: isize) -> Span {
        let token = self.at.checked_add_signed(offset).and_then(|i| self.run.get(i));
        token.or(self.run.last()).map(|t| t.span).unwrap_or_default()
    }
    /// Whether the token there begins where the one before it ends.
    fn touches(&self, offset: isize) -> bool {
        let before = self.span(offset - 1);
        self.at as isize + offset > 0 && before.end == self.span(offset).start
    }
    /// Whether a line that was meant as a declaration continues the one before it, because it begins with what can stand within one.
    fn continues(&self) -> bool {
        let before = self.src.get(..self.span(0).start as usize).unwrap_or("");
        before.trim_end_matches([' ', '\t']).ends_with('\n')
            && (matches!(self.text(0), "if" | "for") || self.text(0) == "/" && self.text(1) == "*")
            && innermost(self).is_none()
    }
    fn first(&self) -> &'t str {
        self.run.first().and_then(|t| self.src.get(t.span.range())).unwrap_or("")
    }
}

/// The diagnostic with what was meant, if that is known.
pub(super) fn recognize(error: &ParseError, run: &[Token], src: &str) -> Diagnostic {
    let mut d = error.diagnostic(src);
    let at = run.iter().position(|t| t.span.start >= error.span.start).unwrap_or(run.len());
    let place = Place { run, src, error, at };
    let known = if at == 0 || place.continues() { declaration(&place) } else { None };
    let known = known.or_else(|| header(&place)).or_else(|| types(&place)).or_else(|| expression(&place));
    let Some(Habit { code, help, edit }) = known else { return d };
    d.code = code;
    match edit {
        Some((span, with)) => d.help(help.clone()).fix(help, span, with),
        None => d.help(help),
    }
}

/// How comments are written.
const COMMENT: &str = "comments begin with `//` and end with the line";

/// Whether a word begins a declaration.
fn keyword(word: &str) -> bool {
    let tokens = lex(FileId(0), word, &mut Diagnostics::default());
    tokens.first().is_some_and(|t| t.kind.begins_declaration())
}

/// Where what was begun in a declaration that cannot be read ends, further down in the text: the marker of a heredoc, or the end
/// of a block comment. What stands between is no declaration, and no error of its own.
pub(super) fn swallows(run: &[Token], src: &str) -> Option<u32> {
    let text = |i: usize| run.get(i).and_then(|t: &Token| src.get(t.span.range())).unwrap_or("");
    for (i, pair) in run.windows(2).enumerate() {
        if pair[0].span.end != pair[1].span.start {
            continue;
        }
        let rest = || src.get(pair[1].span.end as usize..);
        let end = match (text(i), text(i + 1)) {
            ("/", "*") => rest()?.find("*/")? + 2,
            ("<", "<") => {
                let dash = usize::from(matches!(text(i + 2), "-" | "~"));
                let marker = Some(text(i + 2 + dash)).filter(|m| !m.is_empty())?;
                let mut lines = rest()?.split_inclusive('\n');
                let mut end = lines.next()?.len();
                let last = lines.find(|line| {
                    end += line.len();
                    line.trim() == marker
                });
                last.map(|_| end)?
            }
            _ => continue,
        };
        return Some(pair[1].span.end + end as u32);
    }
    None
}

/// What does not begin a declaration.
fn declaration(place: &Place<'_>) -> Option<Habit> {
    match place.text(0) {
        "resource" => say(Code::E0115, "a tool is written `tool NAME: plugin.Kind { inputs }`"),
        "variable" => say(Code::E0115, "an input is written `param NAME: T = default`"),
        "locals" => say(Code::E0116, "each value has a line of its own: `let NAME = value`"),
        "module" => say(Code::E0116, "write `import \"./file.dts\" as NAME`"),
        "provider" => say(Code::E0116, "the settings of a plugin are written `configure PLUGIN { ... }`"),
        "data" if place.kind(1) == Some(Kind::StrStart) => say(
            Code::E0115,
            "an object that something else manages is declared `existing NAME: plugin.Kind { keys }`",
        ),
        "data" => say(Code::E0115, "data is imported from a file: `import \"./data.yaml\" as NAME: T`"),
        "moved" if place.text(1) == "{" => {
            say(Code::E0116, "a tool that was renamed is declared `moved OLD -> NEW`")
        }
        "removed" if place.text(1) == "{" => {
            say(Code::E0116, "to remove a tool and keep its object, write `forget NAME` in place of the tool")
        }
        "check" if place.kind(1) == Some(Kind::StrStart) => say(
            Code::E0116,
            "a condition belongs to the type of a value: `param port: int where self > 0`; `test \"name\" { ... }` checks a program",
        ),
        "new" if place.kind(1).is_some_and(Kind::is_word) => {
            say(Code::E0115, "a tool is written `tool NAME: plugin.Kind { inputs }`")
        }
        "tools" | "apps" if place.text(1) == ":" => say(
            Code::E0120,
            "this is a configuration of DevStream: dtm reads it from a `.yaml` file, and `dtm convert FILE` translates it",
        ),
        "apiVersion" | "kind" | "metadata" | "spec" | "services" | "version" if place.text(1) == ":" => say(
            Code::E0120,
            "this is YAML: put it in a file of its own, and import that: `import \"./file.yaml\" as NAME`",
        ),
        "terraform" | "config" => {
            say(Code::E0116, "settings such as where to keep the state are written `settings { ... }`")
        }
        "const" | "var" | "val" | "local" | "def"
            if place.kind(1).is_some_and(Kind::is_word) && place.text(2) == "=" =>
        {
            mend(Code::E0119, "write `let`", place.span(0), "let")
        }
        "from" => {
            say(Code::E0137, "write `import \"./file.dts\" as NAME` or `import { A, B } from \"./file.dts\"`")
        }
        "function" | "def" | "func" | "fun" => {
            say(Code::E0118, "a function is written `fn NAME(x: T) -> R = value`")
        }
        "if" => say(
            Code::E0125,
            "a tool that exists only under a condition is written `tool NAME: plugin.Kind if condition { ... }`",
        ),
        "for" => say(
            Code::E0136,
            "one tool for each element is written `tool NAME[x in xs by key]: plugin.Kind { ... }`",
        ),
        "/" if place.text(1) == "*" => say(Code::E0133, COMMENT),
        word if place.kind(0) == Some(Kind::Ident) && keyword(&word.to_lowercase()) => {
            let word = word.to_lowercase();
            mend(Code::E0119, format!("keywords are written in lower case: `{word}`"), place.span(0), word)
        }
        "enum" => say(Code::E0117, "one of some words is written `type NAME = \"a\" | \"b\"`"),
        "interface" | "struct" | "class" | "record" => {
            say(Code::E0117, "a record type is written `type NAME = { field: T }`")
        }
        "export" | "public" | "pub" if place.kind(1).is_some_and(Kind::begins_declaration) => {
            let span = Span { end: place.span(1).start, ..place.span(0) };
            mend(
                Code::E0119,
                format!("remove `{}`: what does not begin with `_` can be imported", place.text(0)),
                span,
                "",
            )
        }
        "-" if place.text(1) == "-" && place.text(2) == "-" => {
            say(Code::E0120, "this is not YAML: a file begins with `dts 1`, and has no `---`")
        }
        "-" => say(Code::E0120, "a list is written `[a, b]`"),
        "{" => say(
            Code::E0120,
            "a program is made of declarations, one a line: `let NAME = { ... }` gives this record a name",
        ),
        _ if place.kind(0).is_some_and(Kind::is_word) && place.text(1) == "=" => {
            mend(Code::E0119, "a value is named with `let`", place.span(0).before(), "let ")
        }
        _ if place.kind(0).is_some_and(Kind::is_word) && place.text(1) == ":" => {
            say(Code::E0119, "a value is named with `let NAME = value`, an input with `param NAME: T`")
        }
        _ => None,
    }
}

/// The head of a declaration.
fn header(place: &Place<'_>) -> Option<Habit> {
    match (place.first(), place.text(0)) {
        ("let" | "param" | "output" | "tool" | "type" | "fn" | "component", word)
            if place.at == 1 && place.kind(0).is_some_and(Kind::is_reserved) =>
        {
            say(Code::E0121, format!("`{word}` is a reserved word: take another name"))
        }
        ("tool" | "existing" | "component" | "let" | "param" | "output" | "type" | "fn", "-")
            if place.at == 2 && place.touches(0) =>
        {
            dashed(place)
        }
        ("tool" | "existing", "for") if place.text(-1) == "[" => {
            let span = Span { end: place.span(1).start, ..place.span(0) };
            mend(Code::E0124, "write `tool NAME[x in xs by key]: ...`, without `for`", span, "")
        }
        ("tool" | "existing", _)
            if place.at == 3 && place.text(-1) == "[" && place.kind(0) == Some(Kind::Number) =>
        {
            say(
                Code::E0124,
                "one tool per element is written `tool NAME[x in xs by key]: ...`; `range(0, 3)` is a list of numbers",
            )
        }
        ("moved", "{") if place.at == 1 => {
            say(Code::E0116, "a tool that was renamed is declared `moved OLD -> NEW`")
        }
        ("import", "=")
            if place.kind(-1).is_some_and(Kind::is_word) && innermost(place) == Some(Kind::LBrace) =>
        {
            say(Code::E0116, "an object that exists is adopted with `adopt NAME`, or `adopt NAME = \"id\"`")
        }
        ("import", "*") => {
            say(Code::E0137, "write `import \"./file.dts\" as NAME` or `import { A, B } from \"./file.dts\"`")
        }
        ("output", "\"") if place.at == 1 && place.text(3) == "{" => {
            say(Code::E0115, "an output is written `output NAME = value`")
        }
        ("tool", "with") => say(Code::E0125, "`with { ... }` goes after the inputs"),
        ("fn", "," | ")") if place.kind(-1).is_some_and(Kind::is_word) => {
            say(Code::E0123, "a parameter has a type: `NAME: T`")
        }
        ("let" | "param" | "output", "==") if place.at == 2 => {
            mend(Code::E0122, "write `=`", place.span(0), "=")
        }
        ("let" | "output", "=") if place.text(-1) == ":" && place.touches(0) => {
            mend(Code::E0122, "write `=`", place.span(-1).to(place.span(0)), "=")
        }
        ("output", "{") if place.at == 2 => say(Code::E0115, "an output is written `output NAME = value`"),
        ("let" | "output", _) if place.at == 2 && place.kind(0).is_some() => {
            mend(Code::E0122, "write `=` before the value", place.span(0).before(), "= ")
        }
        ("tool", "{") if place.text(-1) == "in" && innermost(place) == Some(Kind::LBracket) => {
            say(Code::E0124, "a record in a header needs parentheses: `tool NAME[k, v in ({ a = 1 })]: ...`")
        }
        ("param", "{") if innermost(place).is_none() => {
            say(Code::E0123, "a default follows the type: `param NAME: T = default`")
        }
        ("import", "as") if innermost(place) == Some(Kind::LBrace) => say(
            Code::E0137,
            "a name keeps its name when it is imported; `import \"./file.dts\" as NAME` gives the whole file a name, and `NAME.x` is its `x`",
        ),
        ("param", "secret") if place.text(-2) == ":" => {
            let secret = format!("secret {}", place.text(-1));
            mend(
                Code::E0127,
                format!("`secret` comes first: `{secret}`"),
                place.span(-1).to(place.span(0)),
                secret,
            )
        }
        ("param", "default") => {
            let end = place.span(if place.text(1) == "=" { 1 } else { 0 });
            mend(Code::E0123, "a default follows `=`: `param NAME: T = default`", place.span(0).to(end), "=")
        }
        ("output", "") if place.text(2 - place.at as isize) == ":" => {
            say(Code::E0122, "an output is written `output NAME = value`")
        }
        ("fn", ":") if place.text(-1) == ")" => mend(
            Code::E0122,
            "the type of the result follows `->`",
            place.span(-1).after().to(place.span(0)),
            " ->",
        ),
        ("existing" | "tool", _) if place.at == 2 && place.kind(0).is_some_and(Kind::is_word) => {
            mend(Code::E0122, "a kind follows `:`", place.span(-1).after(), ":")
        }
        ("param", "=") if place.at == 2 => say(Code::E0123, "a param has a type: `param NAME: T = default`"),
        ("param", _) if place.at == 2 && place.kind(0).is_some_and(Kind::is_word) => {
            mend(Code::E0122, "write `:` before the type", place.span(-1).after(), ":")
        }
        ("tool" | "output" | "param" | "let" | "component", _)
            if place.at == 1 && place.kind(0) == Some(Kind::StrStart) =>
        {
            match place.kind(1) {
                Some(Kind::StrText) if place.text(1).chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    mend(
                        Code::E0121,
                        "write the name without quotes",
                        place.span(0).to(place.span(2)),
                        place.text(1),
                    )
                }
                _ => say(Code::E0121, "a name is a word without quotes"),
            }
        }
        ("tool", "=") if place.text(1) == "new" => {
            say(Code::E0124, "a tool is written `tool NAME: plugin.Kind { inputs }`")
        }
        ("tool", "=") if place.at == 2 => {
            mend(Code::E0122, "a kind follows `:`", place.span(-1).after().to(place.span(0)), ":")
        }
        ("tool", ".") if place.at == 2 => {
            say(Code::E0124, "a tool has a name before its kind: `tool NAME: core.File { ... }`")
        }
        ("tool" | "existing", ":") if place.text(-1) != ":" && place.text(1) == ":" && place.touches(1) => {
            mend(Code::E0124, "write `.` between plugin and kind", place.span(0).to(place.span(1)), ".")
        }
        ("tool" | "existing", _)
            if place.text(-1) == ":"
                && place.kind(0) == Some(Kind::StrStart)
                && place.kind(1) == Some(Kind::StrText) =>
        {
            mend(
                Code::E0124,
                "a kind is named without quotes",
                place.span(0).to(place.span(2)),
                place.text(1),
            )
        }
        ("tool", "") if place.at == place.run.len() => {
            say(Code::E0125, "put the `{` of its inputs on the same line")
        }
        ("tool", _)
            if place.kind(0).is_some_and(Kind::is_word)
                && place.text(1) == "="
                && innermost(place).is_none() =>
        {
            say(Code::E0125, "put the inputs in braces: `{ name = value }`")
        }
        ("fn", "{") => say(Code::E0118, "a function is one expression: `fn NAME(x: T) -> R = value`"),
        ("import", _) if place.at == 1 && place.kind(0).is_some_and(Kind::is_word) => {
            say(Code::E0137, "an import names a file: `import \"./file.dts\" as NAME`")
        }
        _ => None,
    }
}

/// Where a type stands, or was to stand.
fn types(place: &Place<'_>) -> Option<Habit> {
    // `list(string)`: one word in parentheses.
    let only = (place.text(0) == "(" && place.kind(1).is_some_and(Kind::is_word) && place.text(2) == ")")
        .then(|| place.text(1));
    let whole = place.span(-1).to(place.span(2));
    match (place.text(-1), place.text(0)) {
        ("list" | "array" | "Array" | "List" | "set" | "Set", "<" | "(" | "[") => match only {
            Some(of) => mend(Code::E0126, format!("a list is written `[{of}]`"), whole, format!("[{of}]")),
            None => say(Code::E0126, "a list is written `[T]`"),
        },
        ("optional" | "Optional" | "Option" | "Maybe", "<" | "(" | "[") => match only {
            Some(of) => {
                mend(Code::E0126, format!("what may be null is written `{of}?`"), whole, format!("{of}?"))
            }
            None => say(Code::E0126, "write a nullable type as `T?`"),
        },
        ("map", "(" | "[") => match only {
            Some(of) => {
                mend(Code::E0126, format!("a map is written `map<{of}>`"), whole, format!("map<{of}>"))
            }
            None => say(Code::E0126, "a map is written `map<T>`; its keys are strings"),
        },
        ("object" | "struct", "(" | "{") => {
            say(Code::E0126, "a record type is written `{ name: T, other: T? }`")
        }
        ("tuple" | "Tuple", "(" | "[" | "<") => {
            say(Code::E0126, "a list is written `[T]`, values of several types `{ first: A, second: B }`")
        }
        ("secret" | "Secret", "<") => say(Code::E0126, "a secret is written `secret T`"),
        ("dict" | "Dict" | "Map" | "Record" | "object", "<" | "(" | "[") => {
            say(Code::E0126, "a map is written `map<T>`; its keys are strings")
        }
        (_, ",") if place.text(-3) == "map" && place.text(-2) == "<" => {
            say(Code::E0126, "a map is written `map<T>`; its keys are strings")
        }
        (word, "[") if place.text(1) == "]" && place.text(-2) == ":" => {
            let span = place.span(-1).to(place.span(1));
            mend(Code::E0127, format!("a list is written `[{word}]`"), span, format!("[{word}]"))
        }
        (_, "?") if place.text(1) == ":" && !elvis(place) => {
            say(Code::E0127, "what may be absent has a type that ends in `?`: `name: T?`")
        }
        _ => None,
    }
}

/// In expressions.
fn expression(place: &Place<'_>) -> Option<Habit> {
    if let Some(habit) = record(place) {
        return Some(habit);
    }
    match (place.text(-1), place.text(0)) {
        (_, "?") if place.text(1) == ":" => {
            mend(Code::E0131, "use `??` for a default value", place.span(0).to(place.span(1)), "??")
        }
        (_, "and") => mend(Code::E0128, "write `&&`", place.span(0), "&&"),
        (_, "or") => mend(Code::E0128, "write `||`", place.span(0), "||"),
        ("not", "true" | "false" | "(") => {
            mend(Code::E0128, "write `!`", place.span(-1).to(place.span(0).before()), "!")
        }
        ("not", _) if place.kind(0) == Some(Kind::Ident) => {
            mend(Code::E0128, "write `!`", place.span(-1).to(place.span(0).before()), "!")
        }
        (_, "not") if place.text(1) == "in" => say(Code::E0128, "write `!(x in xs)`"),
        (_, "is") if place.text(1) == "not" => {
            mend(Code::E0128, "write `!=`", place.span(0).to(place.span(1)), "!=")
        }
        (_, "is") => mend(Code::E0128, "write `==`", place.span(0), "=="),
        (_, "->") if place.run.iter().any(|t| t.kind == Kind::Match) => {
            mend(Code::E0131, "an arm of a `match` is written `pattern => value`", place.span(0), "=>")
        }
        (_, "|")
            if place.text(-2) != "as"
                && place.kind(1) == Some(Kind::Ident)
                && !place.error.expects_a("a value") =>
        {
            say(
                Code::E0129,
                format!(
                    "`|` joins types; a function is called as `{}(value)`, and `or` is written `||`",
                    place.text(1)
                ),
            )
        }
        (number, unit) if place.kind(-1) == Some(Kind::Number) && unit_of(unit).is_some() => {
            let with = format!("{number}{}", unit_of(unit).unwrap_or_default());
            let help = format!("a duration is written `{with}`");
            mend(Code::E0134, help, place.span(-1).to(place.span(0)), with)
        }
        ("\"", _)
            if place.kind(-1) == Some(Kind::StrEnd)
                && place.touches(0)
                && place.kind(0).is_some_and(Kind::is_word) =>
        {
            say(Code::E0132, "the string ends here; inside it a quote is written `\\\"`")
        }
        (_, "else") if place.run[..place.at].iter().any(|t| t.kind == Kind::For) => {
            say(Code::E0130, "put a conditional before `for`: `[if c then a else b for x in xs]`")
        }
        (")", next) if place.error.expects(Kind::Then) && next != "{" && place.kind(0).is_some() => {
            mend(Code::E0130, "write `then` after the condition", place.span(-1).after(), " then")
        }
        (_, "elif" | "elsif" | "elseif") => mend(Code::E0130, "write `else if`", place.span(0), "else if"),
        (operator @ ("==" | "!="), "=") if place.touches(0) => {
            mend(Code::E0129, format!("write `{operator}`"), place.span(0), "")
        }
        ("<", ">") if place.touches(0) => {
            mend(Code::E0129, "write `!=`", place.span(-1).to(place.span(0)), "!=")
        }
        ("[", "*") if place.text(1) == "]" => {
            say(Code::E0130, "a field of each element is written `[x.field for x in xs]`")
        }
        ("*", "*") if place.touches(0) => say(Code::E0129, "there is no operator for powers"),
        ("/", "*") if place.touches(0) => say(Code::E0133, COMMENT),
        (_, "?") => {
            say(Code::E0131, "a conditional is written `if c then a else b`; `x ?? y` replaces a null")
        }
        (_, "!") => say(Code::E0129, "provide a value for null: `x ?? default`"),
        (_, "if") => say(Code::E0130, "a choice is written `if c then a else b`"),
        (_, "{") if place.run[..place.at.min(place.run.len())].iter().any(|t| t.kind == Kind::If) => {
            say(Code::E0130, "a choice is written `if c then a else b`, without braces")
        }
        (_, "") if place.run.iter().any(|t| t.kind == Kind::Then) => {
            say(Code::E0130, "an `if` always has an `else`: `if c then a else b`")
        }
        (_, "+") if place.error.expects_a("a value") => {
            mend(Code::E0134, "a number has no `+` before it", place.span(0), "")
        }
        (_, ".") if place.kind(1) == Some(Kind::Number) => {
            mend(Code::E0134, "write a digit before the point", place.span(0).before(), "0")
        }
        ("<", "<") if place.touches(0) => say(Code::E0132, "a multi-line string is written between `\"\"\"`"),
        ("=", "<") if place.text(1) == "<" => {
            say(Code::E0132, "a multi-line string is written between `\"\"\"`")
        }
        ("=", "|") => say(Code::E0132, "a multi-line string is written between `\"\"\"`"),
        ("switch" | "case" | "when", _) => mend(Code::E0131, "write `match`", place.span(-1), "match"),
        ("lambda", _) => say(Code::E0118, "a function as an argument is written `x => value`"),
        (prefix @ ("f" | "b" | "u" | "R"), _)
            if place.kind(0) == Some(Kind::StrStart) && place.touches(0) =>
        {
            mend(Code::E0132, format!("remove `{prefix}`: every string has `${{...}}`"), place.span(-1), "")
        }
        (_, ":") if place.run[..place.at.min(place.run.len())].iter().any(|t| t.kind == Kind::For) => {
            say(Code::E0136, "a comprehension is written `[f(x) for x in xs]`")
        }
        (_, "=>") => say(
            Code::E0118,
            "a function is declared with `fn NAME(x: T) -> R = value`; `x => value` is allowed only as an argument",
        ),
        (before, _)
            if place.error.expects(Kind::Comma)
                && in_list(place)
                && place.kind(0).is_some_and(begins_value)
                && !before.is_empty() =>
        {
            mend(Code::E0135, "separate the elements with commas", place.span(-1).after(), ",")
        }
        _ => None,
    }
}

/// How a unit of time is written here.
fn unit_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "weeks" | "week" => "w",
        "days" | "day" => "d",
        "hours" | "hour" | "hrs" | "hr" => "h",
        "minutes" | "minute" | "mins" | "min" => "m",
        "seconds" | "second" | "secs" | "sec" => "s",
        "milliseconds" | "millisecond" | "msec" => "ms",
        _ => return None,
    })
}

fn begins_value(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Number | Kind::StrStart | Kind::Ident | Kind::True | Kind::False | Kind::Null | Kind::LBrace
    )
}

/// Inside the braces of a record, of a map, or of a tool's inputs.
fn record(place: &Place<'_>) -> Option<Habit> {
    let upto = &place.run[..place.run.len().min(place.at + 1)];
    let mapping = upto.windows(2).position(|w| w[0].kind == Kind::LBrace && w[1].kind == Kind::For);
    if let Some(brace) = mapping {
        let after = place.run.get(brace + 2).and_then(|t| place.src.get(t.span.range()));
        if !matches!(after, Some("=" | ":")) {
            return say(Code::E0136, "a map is built with `{ [k] = v for k, v in m }`");
        }
    }
    if innermost(place) != Some(Kind::LBrace) {
        return None;
    }
    let named = place.kind(-1).is_some_and(Kind::is_word)
        && matches!(place.kind(-2), Some(Kind::LBrace | Kind::Comma | Kind::Newline));
    match (place.text(-1), place.text(0)) {
        ("lifecycle", "{") if named => say(
            Code::E0125,
            "the options of a tool follow its inputs: `with { protect = true, ignore = [NAME], replace = \"create-first\" }`",
        ),
        ("timeouts", "{") if named => {
            say(Code::E0125, "the options of a tool follow its inputs: `with { timeout = 10m }`")
        }
        ("provisioner", _) if place.kind(0) == Some(Kind::StrStart) => say(
            Code::E0125,
            "a command is a tool of its own: `tool NAME: core.Exec { create = [\"sh\", \"-c\", \"...\"] }`",
        ),
        ("dynamic", _) if place.kind(0) == Some(Kind::StrStart) => {
            say(Code::E0125, "a list is computed: `NAME = [{ field = x } for x in xs]`")
        }
        (name, "{") if named => mend(
            Code::E0122,
            format!("a record is a value: `{name} = {{ ... }}`"),
            place.span(0).before(),
            "= ",
        ),
        _ if place.error.expects(Kind::RBrace) && begins_field(place) => mend(
            Code::E0135,
            "separate the fields with a comma, or with a new line",
            place.span(-1).after(),
            ",",
        ),
        _ => None,
    }
}

/// Whether a field begins here: `name =`, `name:`, `"name" =`.
fn begins_field(place: &Place<'_>) -> bool {
    let after = match place.kind(0) {
        Some(Kind::StrStart) => place.text(3),
        Some(kind) if kind.is_word() => place.text(1),
        _ => return false,
    };
    matches!(after, "=" | ":")
}

/// Whether `?:` stands between two values, as in Kotlin and Groovy, and not after the name of a field.
fn elvis(place: &Place<'_>) -> bool {
    let valued = place.run[..place.at.min(place.run.len())].iter().any(|t| t.kind == Kind::Eq);
    let field = place.kind(-1).is_some_and(Kind::is_word)
        && place.touches(0)
        && innermost(place) == Some(Kind::LBrace);
    place.touches(1) && valued && !field && place.first() != "type"
}

/// A name with dashes in it, which takes underscores here.
fn dashed(place: &Place<'_>) -> Option<Habit> {
    let mut name = place.text(-1).to_string();
    let mut end = place.span(-1);
    let mut offset = 0;
    while place.text(offset) == "-" && place.touches(offset) && place.touches(offset + 1) {
        let part = place.text(offset + 1);
        if part.is_empty() || !part.chars().all(|c| c.is_alphanumeric() || c == '_') {
            break;
        }
        name = format!("{name}_{part}");
        end = place.span(offset + 1);
        offset += 2;
    }
    match offset {
        0 => say(Code::E0121, "a name has letters, digits and `_`"),
        _ => mend(Code::E0121, format!("a name has no `-`: write `{name}`"), place.span(-1).to(end), name),
    }
}

/// The innermost bracket that is open.
fn innermost(place: &Place<'_>) -> Option<Kind> {
    let mut open = vec![];
    for token in &place.run[..place.at.min(place.run.len())] {
        match token.kind {
            Kind::LParen | Kind::LBracket | Kind::LBrace | Kind::InterpStart => open.push(token.kind),
            Kind::RParen | Kind::RBracket | Kind::RBrace | Kind::InterpEnd => _ = open.pop(),
            _ => {}
        }
    }
    open.last().copied()
}

/// Whether the innermost open bracket is one of a list or of arguments.
fn in_list(place: &Place<'_>) -> bool {
    matches!(innermost(place), Some(Kind::LParen | Kind::LBracket))
}
