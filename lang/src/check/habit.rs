//! Habits from other languages that only the checker detects: functions, names and values that `.dts` writes differently.
//! `syntax::parse::habit` has those that the parser detects. None of this runs for a correct program, except
//! [`commands`], which warns of a command that needs a shell.

use super::Checker;
use crate::diag::{Code, Diagnostic};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, ExprKind as A, StrPart};
use crate::text::quote;
use crate::types::{Lit, Type};

/// How a function of another language is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    /// A function with the same parameters and another name.
    Named(&'static str),
    /// Something else.
    Instead(&'static str),
}

/// A function of Terraform, Helm, Pulumi, CUE, JavaScript or Python.
pub(super) fn function(name: &str) -> Option<Ours> {
    use Ours::{Instead, Named};
    Some(match name {
        "len" | "size" | "count" => Named("length"),
        "env" | "getenv" | "get_env" => Named("env_var"),
        "jsonencode" | "json_encode" | "toJson" | "toJSON" | "to_json" => Named("json"),
        "yamlencode" | "yaml_encode" | "toYaml" | "to_yaml" => Named("yaml"),
        "tomlencode" | "toml_encode" | "toToml" | "to_toml" => Named("toml"),
        "jsondecode" | "fromJson" | "fromJSON" | "from_json" | "parse_json" | "parseJson" => {
            Named("json_decode")
        }
        "yamldecode" | "fromYaml" | "from_yaml" | "parse_yaml" => Named("yaml_decode"),
        "tomldecode" | "fromToml" | "from_toml" | "parse_toml" => Named("toml_decode"),
        "csvdecode" | "from_csv" | "parse_csv" => Named("csv_decode"),
        "base64encode" | "b64enc" | "base64_encode" => Named("base64"),
        "base64decode" | "b64dec" | "base64_decode" => Named("unbase64"),
        "urlencode" | "urlquery" | "encodeURIComponent" | "url_encode" => Named("url"),
        "trimspace" | "strip" | "trim_space" => Named("trim"),
        "toupper" | "uppercase" | "to_upper" | "toUpper" | "toUpperCase" => Named("upper"),
        "tolower" | "lowercase" | "to_lower" | "toLower" | "toLowerCase" => Named("lower"),
        "startswith" | "startsWith" => Named("starts_with"),
        "endswith" | "endsWith" => Named("ends_with"),
        "strcontains" => Named("contains"),
        "distinct" | "uniq" => Named("unique"),
        "lookup" => Named("get"),
        "sorted" => Named("sort"),
        "reversed" => Named("reverse"),
        "anytrue" => Named("any"),
        "alltrue" => Named("all"),
        "sha256sum" => Named("sha256"),
        "nonsensitive" => Instead("a secret is shown with a reason: `expose(x, \"reason\")`"),
        "sensitive" => Instead("secrecy is part of a type: `param NAME: secret string`"),
        "concat" | "append" | "listConcat" => Instead("write `[...a, ...b]`"),
        "coalesce" | "default" => Instead("write `a ?? b`, which is `b` where `a` is null"),
        "coalescelist" => Instead("write `if length(a) > 0 then a else b`"),
        "try" => Instead(
            "write `a?.b ?? other` for what may be null, `get(map, key, other)` for a key that may be missing",
        ),
        "can" => Instead("test what may be missing: `x != null`, `key in map`"),
        "required" => Instead("a param without a default is required: `param NAME: T`"),
        "format" | "sprintf" | "printf" => Instead("write values into a string: `\"${a}-${b}\"`"),
        "formatlist" => Instead("write a string for each element: `[\"${x}.example.com\" for x in xs]`"),
        "templatefile" => Instead(
            "write `template(path, vars)`, where the file has `[[ name ]]` for a value; or write the text here, between `\"\"\"` with `${...}` in it",
        ),
        "templatestring" | "tpl" => Instead("write the text here, between `\"\"\"` with `${...}` in it"),
        "fileexists" => Instead("a program names the files that it reads: `file(path)`"),
        "fileset" | "glob" => {
            Instead("a program names the files that it reads: a list of them may be imported as data")
        }
        "filesha256" | "filebase64sha256" => Instead("write `sha256(file(path))`"),
        "filebase64" => Instead("write `base64(file(path))`"),
        "md5" | "sha1" | "sha512" => Instead("write `sha256(text)`"),
        "toset" => Instead(
            "use the list directly: `tool NAME[x in xs]: ...`; `unique(xs)` is the list without repetitions",
        ),
        "set" => Instead("write `unique(xs)`"),
        "tolist" | "list" | "tuple" | "Array" => Instead("a list is written `[a, b]`"),
        "tomap" | "dict" | "object" => Instead("a map is written `{ key = value }`"),
        "zipmap" => Instead("write `{ [k] = values[i] for i, k in keys }`"),
        "zip" => Instead("write `[f(x, ys[i]) for i, x in xs]`"),
        "enumerate" => Instead("the index comes first: `[f(i, x) for i, x in xs]`"),
        "element" | "nth" => Instead("write `xs[i]`; positions count from 0"),
        "first" | "head" | "one" => Instead("write `xs[0]`"),
        "last" => Instead("write `xs[length(xs) - 1]`"),
        "slice" => Instead("write `[xs[i] for i in range(from, to)]`"),
        "index" => Instead("write `xs[i]` for the element at a position, `x in xs` to look for one"),
        "compact" => Instead("write `[x for x in xs if x != \"\"]`"),
        "setunion" => Instead("write `unique([...a, ...b])`"),
        "setintersection" => Instead("write `[x for x in a if x in b]`"),
        "setsubtract" => Instead("write `[x for x in a if !(x in b)]`"),
        "setproduct" => Instead("write `flatten([[f(x, y) for y in b] for x in a])`"),
        "matchkeys" => Instead("write `[x for i, x in xs if keys[i] in wanted]`"),
        "has" | "hasKey" | "haskey" => Instead("write `key in map`"),
        "substr" => Instead("write `substring(text, from, to)`: `to` is a position, not a length"),
        "trimprefix" | "trimPrefix" => Instead("write `regex_replace(text, \"^prefix\", \"\")`"),
        "trimsuffix" | "trimSuffix" | "chomp" => Instead("write `regex_replace(text, \"suffix$\", \"\")`"),
        "hasPrefix" | "HasPrefix" => Instead("write `starts_with(text, prefix)`"),
        "hasSuffix" | "HasSuffix" => Instead("write `ends_with(text, suffix)`"),
        "regex" | "regexall" => Instead(
            "`matches(text, pattern)` tests a text, `regex_replace(text, pattern, \"$1\")` takes a group out of it",
        ),
        "basename" => Instead("write `base(path)`, with `import { base } from \"std/paths\"`"),
        "dirname" => Instead("write `folder(path)`, with `import { folder } from \"std/paths\"`"),
        "abspath" | "pathexpand" => Instead("paths are relative to the project: `\"conf/app.yaml\"`"),
        "abs" => Instead("write `if x < 0 then -x else x`"),
        "pow" => Instead("multiply: there is no operator for powers"),
        "timestamp" | "plantimestamp" | "now" | "formatdate" | "timeadd" => {
            Instead("a program cannot read the clock; pass the time: `param now: string`")
        }
        "uuid" | "random" | "bcrypt" => {
            Instead("a program has no randomness; `core.Password` generates a secret once and keeps it")
        }
        "str" | "String" | "tostring" | "toString" | "string" => {
            Instead("write it into a string: `\"${x}\"`")
        }
        "tonumber" | "parseInt" | "parseint" | "atoi" => Instead("write `int(text)`"),
        "float" | "parseFloat" | "Number" => {
            Instead("a string cannot be converted to a number; pass a number, or untyped data: `x as float`")
        }
        "tobool" | "bool" | "Boolean" => Instead("compare: `text == \"true\"`"),
        "isinstance" | "typeof" => Instead("write `match x { string => ..., int => ... }`"),
        "map" | "filter" | "flat_map" | "flatMap" | "for_each" | "forEach" => {
            Instead("write a comprehension: `[f(x) for x in xs if p(x)]`")
        }
        "print" | "println" | "console" | "log" => {
            Instead("a program prints nothing; `output NAME = value` shows a value")
        }
        "open" | "read_file" | "readFile" => Instead("write `file(path)`"),
        "input" => Instead("a value from outside is a param: `param NAME: T`"),
        "import" | "require" | "include" => Instead("write `import \"./file.dts\" as NAME`"),
        _ => return None,
    })
}

/// How what other languages write as a method of a value is written here.
pub(super) fn method(name: &str) -> String {
    let call = |name: &str| format!("values have no methods: write `{name}(value)`");
    match function(name) {
        _ if crate::builtin::find(name).is_some() => call(name),
        Some(Ours::Named(ours)) => call(ours),
        Some(Ours::Instead(help)) => format!("values have no methods: {help}"),
        None => {
            "values have no methods; a function is called with the value in parentheses: `length(xs)`".into()
        }
    }
}

/// What a builtin expects, if the function of that name elsewhere takes other arguments.
pub(super) fn argument(name: &str, given: &Type) -> Option<&'static str> {
    match (name, given.reveal().0) {
        ("contains", Type::List(_) | Type::Map(_) | Type::Record(_)) => {
            Some("in a list or a map, write `x in xs`")
        }
        ("join", Type::String | Type::Lit(_)) => Some("the list comes first: `join(xs, \", \")`"),
        ("split", Type::List(_)) => Some("the text comes first: `split(text, \",\")`"),
        ("min" | "max" | "sum", Type::Int | Type::Lit(_)) => Some("write a list: `max([a, b])`"),
        ("range", Type::List(_)) => {
            Some("write `for i, x in xs` for positions, `range(0, length(xs))` for numbers")
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// What another language would mean by a name that is not defined, from what follows it.
    pub(super) fn foreign_name(&self, name: &str, span: Span) -> Option<&'static str> {
        let text = &self.sources.file(span.file).text;
        let rest = text.get(span.end as usize..).unwrap_or("");
        let member = rest.strip_prefix('.').map(|rest| {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            &rest[..end]
        });
        Some(match (name, member?) {
            ("each", "key" | "value") => {
                "name the element in the header, and use that name: `tool NAME[key, value in m]: ...`, `tool NAME[x in xs]: ...`"
            }
            ("count", "index") => {
                "name the position in the header, and use that name: `tool NAME[i, x in xs by x.name]: ...`"
            }
            ("path", "module" | "root" | "cwd") => {
                "a path is relative to the file that writes it: `\"./conf.yaml\"`"
            }
            ("process", "env") | ("os", "environ" | "getenv") | ("Deno" | "Bun", "env") => {
                "read an environment variable by its name: `env_var(\"HOME\")`"
            }
            ("terraform", "workspace") => {
                "declare a value that varies between runs as a param: `param env: string`"
            }
            ("data", _) => {
                "an object that something else manages is declared `existing NAME: plugin.Kind { keys }`, and used as `NAME.output`"
            }
            ("self", _) => {
                "a tool does not read itself: name the value once with `let`, and use it in both places"
            }
            ("module", _) => "a component is used by the name of its tool: `NAME.output`",
            ("resource", _) => "a tool is used by its name: `NAME.output`",
            _ => return None,
        })
    }

    /// What to write instead of a text, where something else is expected. The edit replaces the text.
    pub(super) fn unquoted(
        &self,
        diagnostic: Diagnostic,
        expr: &ast::Expr,
        from: &Type,
        to: &Type,
    ) -> Diagnostic {
        let Type::Lit(Lit::String(text)) = from else { return diagnostic };
        if !matches!(&*expr.kind, A::Str(_)) {
            return diagnostic;
        }
        let bare = text.replace(' ', "");
        let write = |diagnostic: Diagnostic, literal: &str, what: &str| {
            let title = format!("write `{literal}`");
            diagnostic.help(format!("{title}: {what} has no quotes")).fix(title, expr.span, literal)
        };
        match to {
            Type::Duration if crate::syntax::duration(&bare).is_some() => {
                write(diagnostic, &bare, "a duration")
            }
            Type::Duration => diagnostic.help("a duration is written `30s`, `10m`, `1h30m`, without quotes"),
            Type::Size if crate::syntax::size(&bare).is_some() => write(diagnostic, &bare, "a size"),
            Type::Size => diagnostic.help("a size is written `512MiB`, `10GB`, without quotes"),
            Type::Bool if matches!(&**text, "true" | "false") => write(diagnostic, text, "a boolean"),
            Type::Bool if matches!(&*text.to_lowercase(), "yes" | "on") => {
                write(diagnostic, "true", "a boolean")
            }
            Type::Bool if matches!(&*text.to_lowercase(), "no" | "off") => {
                write(diagnostic, "false", "a boolean")
            }
            Type::Int if plain_number(text) && text.parse::<i64>().is_ok() => {
                write(diagnostic, text, "a number")
            }
            Type::Float if plain_number(text) && text.parse::<f64>().is_ok() => {
                write(diagnostic, text, "a number")
            }
            Type::Any
            | Type::Null
            | Type::Bool
            | Type::Int
            | Type::Float
            | Type::String
            | Type::Lit(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Secret(_)
            | Type::Refined(_)
            | Type::Tool(_)
            | Type::Var(_)
            | Type::Error => diagnostic,
        }
    }

    /// What to write instead of one value where a list of them is expected.
    pub(super) fn unlisted(
        &self,
        diagnostic: Diagnostic,
        expr: &ast::Expr,
        from: &Type,
        to: &Type,
    ) -> Diagnostic {
        let Type::List(of) = to else { return diagnostic };
        if !crate::types::fits(from, of) {
            return diagnostic;
        }
        let written = self.sources.text(expr.span);
        if written.contains('\n') {
            return diagnostic.help("a list is written `[a, b]`");
        }
        let literal = matches!(&*expr.kind, A::Str(_));
        let list = match self.context.in_commands && literal {
            true => format!("[\"sh\", \"-c\", {written}]"),
            false => format!("[{written}]"),
        };
        let title = format!("write `{list}`");
        let help = match self.context.in_commands {
            true => format!("{title}: a command is a list of arguments; no shell splits it"),
            false => title.clone(),
        };
        diagnostic.help(help).guess(title, expr.span, list)
    }
}

/// Whether a number is written as in a program.
fn plain_number(text: &str) -> bool {
    text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit())
}

/// The inputs of `core.Exec` that are commands.
const COMMANDS: [&str; 4] = ["create", "read", "update", "delete"];

/// Warns of commands that are written as a shell would take them.
pub(super) fn commands(entries: &[ast::Entry]) -> Vec<Diagnostic> {
    let mut found = vec![];
    for entry in entries {
        let ast::Entry::Field { name, value: Some(value), .. } = entry else { continue };
        let A::List(items) = &*value.kind else { continue };
        if !COMMANDS.contains(&&*name.text) {
            continue;
        }
        let words: Option<Vec<(Symbol, Span)>> = items
            .iter()
            .map(|item| match item {
                ast::Element::One(e) => Some((beginning(e)?, e.span)),
                ast::Element::Spread(_) => None,
            })
            .collect();
        let Some(words) = words else { continue };
        let [(program, at), rest @ ..] = &*words else { continue };
        let first = program.split_whitespace().next().unwrap_or("");
        let joins = |text: &str| ["&&", "||", "|", ";", ">", "<"].iter().any(|op| text.contains(op));
        if program.trim() != first && (joins(program) || !first.contains('/') && rest.is_empty()) {
            let d = Diagnostic::new(Code::W0303, format!("the program {} contains spaces", quote(program)));
            let d = d.at(*at, "the whole text names one program");
            let d = d.note(
                "no shell splits a command: the first element is the program, the others are its arguments",
            );
            found.push(match rest.is_empty() {
                true => {
                    let shell = format!("[\"sh\", \"-c\", {}]", quote(program));
                    d.help(format!("write `{shell}`"))
                }
                false => d.help("write `[\"sh\", \"-c\", \"...\"]` with the whole command as one text"),
            });
            continue;
        }
        if let Some((op, at)) = rest.iter().find(|(word, _)| matches!(&**word, "&&" | "||")) {
            let d = Diagnostic::new(Code::W0303, format!("`{op}` is an argument of `{program}` here"));
            let d = d.at(*at, "no shell reads this");
            found.push(d.help("write `[\"sh\", \"-c\", \"...\"]` with the whole command as one text"));
        }
    }
    found
}

/// The text of a string, with nothing in the place of what is computed.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for a few kinds of expressions; `infer_here` handles all"
)]
fn beginning(expr: &ast::Expr) -> Option<Symbol> {
    match &*expr.kind {
        A::Str(parts) => {
            let text = |p: &StrPart| match p {
                StrPart::Text(t) => t.to_string(),
                StrPart::Expr(_) => "…".into(),
            };
            Some(parts.iter().map(text).collect::<String>().into())
        }
        A::Paren(inner) => beginning(inner),
        _ => Some("…".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ours, function};

    /// Every name that the table sends to a builtin.
    #[test]
    fn what_is_named_exists() {
        let source = include_str!("habit.rs");
        let mut seen = 0;
        for name in source.split('"').skip(1).step_by(2) {
            if let Some(Ours::Named(ours)) = function(name) {
                assert!(
                    crate::builtin::find(ours).is_some(),
                    "`{name}` becomes `{ours}`, which is not there"
                );
                seen += 1;
            }
        }
        assert!(seen > 40, "only {seen} names were found");
    }
}
