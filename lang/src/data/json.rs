//! JSON as RFC 8259 has it: no comments, no trailing commas.

use super::{MAX_DEPTH, NOT_EXACT, Node, NodeKind, syntax, too_deep};
use crate::diag::Diagnostic;
use crate::maps::HashMap;
use crate::source::{FileId, Span, Symbol};
use crate::value::{Data, Value};
use jsonc_parser::ast::{ObjectPropName, Value as Json};
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn read(file: FileId, text: &str) -> Result<Node, Box<Diagnostic>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT)
        .map_err(|e| syntax(span(file, e.range()), in_words(&e.kind().to_string())))?;
    match parsed.value {
        Some(value) => node(file, &value, 0),
        None => Err(syntax(Span::new(file, 0, text.len() as u32), "it is empty".into())),
    }
}

/// A complaint of the parser, for somebody who does not know its terms.
fn in_words(complaint: &str) -> String {
    let words = match complaint {
        "Text cannot contain more than one JSON value" => "there is more after the end of the value",
        "Trailing commas are not allowed" => "there is a comma after the last element",
        "Comments are not allowed" => "JSON has no comments",
        "Single-quoted strings are not allowed" => "strings are written with double quotes",
        "Expected string for object property" => "the name of a field is written in double quotes",
        "Expected colon after the string or word in object property" => {
            "a `:` is missing after the name of this field"
        }
        "Expected value after colon in object property" => "a value is missing after `:`",
        "Expected comma" => "a `,` is missing",
        "Unexpected close brace" => "there is no `{` for this `}`",
        "Unexpected close bracket" => "there is no `[` for this `]`",
        "Unexpected word" => "strings are written with double quotes",
        "Unterminated array" => "a `]` is missing",
        "Unterminated object" => "a `}` is missing",
        "Infinity and NaN are not allowed" => "JSON has no infinity and no NaN",
        "Hexadecimal numbers are not allowed" => "JSON has no hexadecimal numbers",
        "Unary plus on numbers is not allowed" => "a number has no `+` before it",
        "Leading or trailing decimal points on numbers are not allowed" => {
            "a number has digits on both sides of its point"
        }
        "Maximum nesting depth exceeded" => return format!("nested deeper than {MAX_DEPTH}"),
        other => return uncapitalized(other),
    };
    words.into()
}

/// As it stands after a colon.
fn uncapitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

fn span(file: FileId, range: Range) -> Span {
    Span::new(file, range.start as u32, range.end as u32)
}

fn node(file: FileId, value: &Json<'_>, depth: usize) -> Result<Node, Box<Diagnostic>> {
    let at = span(file, value.range());
    if depth >= MAX_DEPTH && matches!(value, Json::Array(_) | Json::Object(_)) {
        return Err(too_deep(at));
    }
    let kind = match value {
        Json::NullKeyword(_) => NodeKind::Scalar(Value::null()),
        Json::BooleanLit(b) => NodeKind::Scalar(Value::plain(Data::Bool(b.value))),
        Json::StringLit(s) => NodeKind::Scalar(Value::string(&*s.value)),
        Json::NumberLit(n) => NodeKind::Scalar(Value::plain(number(n.value, at)?)),
        Json::Array(a) => {
            NodeKind::Seq(a.elements.iter().map(|v| node(file, v, depth + 1)).collect::<Result<_, _>>()?)
        }
        Json::Object(o) => {
            let mut entries: Vec<(Symbol, Span, Node)> = Vec::with_capacity(o.properties.len());
            let mut seen: HashMap<Symbol, Span> =
                HashMap::with_capacity_and_hasher(o.properties.len(), Default::default());
            for property in &o.properties {
                let (name, key) = match &property.name {
                    ObjectPropName::String(s) => (Symbol::from(&*s.value), span(file, s.range)),
                    ObjectPropName::Word(w) => (Symbol::from(w.value), span(file, w.range)),
                };
                if let Some(first) = seen.insert(name.clone(), key) {
                    let d = syntax(key, format!("duplicate key `{name}`"));
                    return Err(Box::new(d.also(first, "first here")));
                }
                entries.push((name, key, node(file, &property.value, depth + 1)?));
            }
            NodeKind::Map(entries)
        }
    };
    Ok(Node::new(at, kind))
}

/// A number that is written whole is an int, any other a float.
fn number(text: &str, at: Span) -> Result<Data, Box<Diagnostic>> {
    if let Ok(i) = text.parse() {
        return Ok(Data::Int(i));
    }
    if !text.contains(['.', 'e', 'E']) {
        return Err(syntax(at, NOT_EXACT.into()));
    }
    match text.parse::<f64>() {
        Ok(f) if f.is_finite() => Ok(Data::Float(f)),
        _ => Err(syntax(at, "this number is too large".into())),
    }
}

/// Whether two texts are the same JSON; `None` if one of them is not JSON. Distinguishes numbers of any length, which
/// values of a program cannot.
pub fn same(left: &str, right: &str) -> Option<bool> {
    Some(same_value(&parsed(left)?, &parsed(right)?))
}

fn parsed(text: &str) -> Option<Json<'_>> {
    parse_to_ast(text, &CollectOptions::default(), &STRICT).ok()?.value
}

fn same_value(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::NullKeyword(_), Json::NullKeyword(_)) => true,
        (Json::BooleanLit(x), Json::BooleanLit(y)) => x.value == y.value,
        (Json::StringLit(x), Json::StringLit(y)) => x.value == y.value,
        (Json::NumberLit(x), Json::NumberLit(y)) => decimal(x.value) == decimal(y.value),
        (Json::Array(x), Json::Array(y)) => {
            let (x, y) = (&x.elements, &y.elements);
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_value(x, y))
        }
        (Json::Object(x), Json::Object(y)) => {
            // The last of two fields of one name counts; one that is null is as good as none.
            let (names, others) = (fields(x), fields(y));
            covers(&names, &others) && covers(&others, &names)
        }
        _ => false,
    }
}

fn fields<'j>(object: &'j jsonc_parser::ast::Object<'j>) -> HashMap<&'j str, &'j Json<'j>> {
    object.properties.iter().map(|p| (p.name.as_str(), &p.value)).collect()
}

fn covers(left: &HashMap<&str, &Json<'_>>, right: &HashMap<&str, &Json<'_>>) -> bool {
    left.iter().all(|(name, value)| match right.get(name) {
        Some(other) => same_value(value, other),
        None => matches!(value, Json::NullKeyword(_)),
    })
}

/// A number without what may be written in several ways: its sign, its digits, the power of ten of the last of them.
fn decimal(text: &str) -> (bool, String, i64) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let power: i64 = power.parse().unwrap_or(i64::MAX / 2);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    let digits = digits.trim_start_matches('0');
    let short = digits.trim_end_matches('0');
    match short.is_empty() {
        true => (false, String::new(), 0),
        false => {
            let power = power - part.len() as i64 + (digits.len() - short.len()) as i64;
            (negative, short.to_string(), power)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn texts_are_the_same_json_by_value() {
        for (a, b) in [
            (r#"{"a":1,"b":[1.50]}"#, r#"{ "b": [15e-1], "a": 1.0 }"#),
            ("1", "1.0"),
            ("-0.0", "0"),
            ("100", "1e2"),
            ("12345678901234567890123", "12345678901234567890123.0"),
            (r#"{"a":null}"#, "{}"),
        ] {
            assert_eq!(same(a, b), Some(true), "{a} {b}");
        }
        for (a, b) in [
            ("9007199254740993", "9007199254740992"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("[1,2]", "[2,1]"),
            ("1", "-1"),
            ("1", "\"1\""),
            (r#"{"a":1}"#, "{}"),
        ] {
            assert_eq!(same(a, b), Some(false), "{a} {b}");
        }
        assert_eq!(same("{", "{"), None);
    }
}
