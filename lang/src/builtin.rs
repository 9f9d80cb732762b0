//! The builtin functions: signature, documentation and meaning in one table.

use crate::budget;
use crate::maps::{HashMap, IndexMap};
use crate::source::Symbol;
use crate::text::quoted;
use crate::types::Type;
use crate::value::{Data, Value};
use base64::Engine as _;
use sha2::Digest;

/// How a result relates to what the arguments hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taint {
    /// Computed from everything inside: unknown, secret and marked if anything inside is.
    Deep,
    /// Moves elements about: each keeps its own marks and secrecy.
    Structure,
    /// Tells only of the shape: no marks, never secret.
    Shape,
}

/// A builtin function.
#[derive(Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Names and types of its parameters; those after `required` may be left out.
    pub params: fn() -> Vec<(&'static str, Type)>,
    /// How many arguments it needs.
    pub required: usize,
    /// The type of its result.
    pub result: fn() -> Type,
    /// What it does, with an example.
    pub doc: &'static str,
    /// See [`Taint`].
    pub taint: Taint,
    /// Its meaning. Functions that need the evaluator (`file`, `env_var`, ...) have none.
    pub run: Option<Run>,
}

/// The meaning of a builtin: its result for arguments that fit its types, or why there is none.
pub type Run = fn(&[Value]) -> Result<Value, String>;

/// A builtin that takes a function of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Higher {
    /// In the order of what the function gives.
    SortBy,
    /// Lists by what the function gives.
    GroupBy,
    /// The first of which the function says so.
    Find,
}

impl Higher {
    /// All of them.
    pub const ALL: [Higher; 3] = [Higher::SortBy, Higher::GroupBy, Higher::Find];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Higher::SortBy => "sort_by",
            Higher::GroupBy => "group_by",
            Higher::Find => "find",
        }
    }
    /// How it is called.
    pub fn signature(self) -> &'static str {
        match self {
            Higher::SortBy => "sort_by(items: [T], key: x => ...) -> [T]",
            Higher::GroupBy => "group_by(items: [T], key: x => string) -> map<[T]>",
            Higher::Find => "find(items: [T], condition: x => bool) -> T?",
        }
    }
    /// What it does, with an example.
    pub fn doc(self) -> &'static str {
        match self {
            Higher::SortBy => {
                "Sorts a list by the value that a function returns: `sort_by([3, 1, 2], x => -x)` is `[3, 2, 1]`."
            }
            Higher::GroupBy => {
                "Groups the elements of a list by the key that a function returns: `group_by([\"ab\", \"c\"], s => \"${length(s)}\")` is `{ \"2\" = [\"ab\"], \"1\" = [\"c\"] }`."
            }
            Higher::Find => {
                "The first element for which a condition holds, or `null`: `find([1, 5, 7], x => x > 2)` is `5`."
            }
        }
    }
}

/// The builtin of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}

/// How it is called: `join(parts: [string], separator: string) -> string`
pub fn signature(builtin: &Builtin) -> String {
    let params: Vec<String> = (builtin.params)()
        .iter()
        .enumerate()
        .map(|(i, (n, t))| if i < builtin.required { format!("{n}: {t}") } else { format!("{n}: {t} = ...") })
        .collect();
    format!("{}({}) -> {}", builtin.name, params.join(", "), (builtin.result)())
}

/// How a builtin is called, one that takes a function of an element as well.
pub fn signature_of(name: &str) -> Option<String> {
    let higher = Higher::ALL.into_iter().find(|h| h.name() == name);
    find(name).map(signature).or_else(|| higher.map(|h| h.signature().to_string()))
}

/// How a builtin is called, and what it does.
pub fn doc_of(name: &str) -> Option<(String, &'static str)> {
    let higher = Higher::ALL.into_iter().find(|h| h.name() == name).map(|h| h.doc());
    Some((signature_of(name)?, find(name).map(|b| b.doc).or(higher)?))
}

fn t() -> Type {
    Type::Var(0)
}
fn string(text: String) -> Result<Value, String> {
    Ok(Value::string(text))
}
fn text(value: &Value) -> Symbol {
    value.as_str().cloned().unwrap_or_else(|| "".into())
}
fn items(value: &Value) -> &[Value] {
    match &value.data {
        Data::List(items) => items,
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => &[],
    }
}
fn map_of(value: &Value) -> Option<&IndexMap<Symbol, Value>> {
    match &value.data {
        Data::Map(m) => Some(m),
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::List(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => None,
    }
}
fn int(value: &Value) -> i64 {
    match value.data {
        Data::Int(i) | Data::Duration(i) | Data::Size(i) => i,
        Data::Null
        | Data::Bool(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::List(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => 0,
    }
}

fn version(value: &Value) -> Result<semver::Version, String> {
    let text = text(value);
    let plain = text.strip_prefix('v').unwrap_or(&text);
    semver::Version::parse(plain).map_err(|e| format!("{} is not a version: {e}", quoted(&text)))
}

fn whole(value: &Value, round: fn(f64) -> f64) -> Result<Value, String> {
    let number = match value.data {
        Data::Float(f) => round(f),
        Data::Int(i) => return Ok(Value::plain(Data::Int(i))),
        Data::Null
        | Data::Bool(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::List(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => return Ok(Value::error()),
    };
    // Every float below 2^63 is a whole number that fits.
    if number.abs() < 9.2e18 {
        Ok(Value::plain(Data::Int(number as i64)))
    } else {
        Err("this number is too large".into())
    }
}

macro_rules! builtins {
    ($( $(#[doc = $doc:literal])* $name:ident ( $($p:ident : $ty:expr),* $(; $($o:ident : $oty:expr),*)? ) -> $result:expr, $taint:ident $(, $run:expr)? ; )*) => {
        /// All builtins, by topic.
        pub static BUILTINS: &[Builtin] = &[ $( Builtin {
            name: stringify!($name),
            params: || vec![ $((stringify!($p), $ty),)* $($((stringify!($o), $oty),)*)? ],
            required: { let names: &[&str] = &[$(stringify!($p)),*]; names.len() },
            result: || $result,
            doc: concat!($($doc, "\n"),*),
            taint: Taint::$taint,
            run: builtins!(@run $($run)?),
        } ),* ];
    };
    (@run) => { None };
    (@run $run:expr) => { Some($run) };
}

builtins! {
    /// Joins strings: `join(["a", "b"], "-")` is `"a-b"`.
    join(parts: Type::list(Type::String), separator: Type::String) -> Type::String, Deep, |a| {
        let (parts, separator) = (items(&a[0]), text(&a[1]));
        let length = parts.iter().filter_map(Value::as_str).map(|part| part.len()).sum::<usize>();
        budget::text(length.saturating_add(separator.len().saturating_mul(parts.len())))?;
        string(parts.iter().filter_map(|v| v.as_str().map(|s| &**s)).collect::<Vec<_>>().join(&separator))
    };
    /// Splits a string: `split("a-b", "-")` is `["a", "b"]`.
    split(text: Type::String, separator: Type::String) -> Type::list(Type::String), Deep, |a| {
        let (whole, separator) = (text(&a[0]), text(&a[1]));
        if separator.is_empty() {
            return Err("`split` needs a separator".into());
        }
        budget::parts(whole.matches(&*separator).count())?;
        Ok(Value::list(whole.split(&*separator).map(Value::string).collect()))
    };
    /// Replaces every occurrence: `replace("a.b", ".", "-")` is `"a-b"`.
    replace(text: Type::String, what: Type::String, with: Type::String) -> Type::String, Deep, |a| {
        let (whole, what, with) = (text(&a[0]), text(&a[1]), text(&a[2]));
        let found = whole.matches(&*what).count();
        budget::text(whole.len().saturating_add(found.saturating_mul(with.len())))?;
        string(whole.replace(&*what, &with))
    };
    /// Converts to upper case: `upper("ab")` is `"AB"`.
    upper(text: Type::String) -> Type::String, Deep, |a| string(text(&a[0]).to_uppercase());
    /// Converts to lower case: `lower("AB")` is `"ab"`.
    lower(text: Type::String) -> Type::String, Deep, |a| string(text(&a[0]).to_lowercase());
    /// Removes whitespace at both ends: `trim(" a ")` is `"a"`.
    trim(text: Type::String) -> Type::String, Deep, |a| string(text(&a[0]).trim().into());
    /// Whether a string starts with a prefix: `starts_with("abc", "ab")` is `true`.
    starts_with(text: Type::String, prefix: Type::String) -> Type::Bool, Deep, |a| {
        Ok(Value::plain(Data::Bool(text(&a[0]).starts_with(&*text(&a[1])))))
    };
    /// Whether a string ends with a suffix: `ends_with("abc", "bc")` is `true`.
    ends_with(text: Type::String, suffix: Type::String) -> Type::Bool, Deep, |a| {
        Ok(Value::plain(Data::Bool(text(&a[0]).ends_with(&*text(&a[1])))))
    };
    /// Whether a regular expression matches: `matches("cart", "^[a-z]+$")` is `true`.
    matches(text: Type::String, pattern: Type::String) -> Type::Bool, Deep, |a| {
        let regex = budget::pattern(&text(&a[1]), text(&a[0]).len())?;
        Ok(Value::plain(Data::Bool(regex.is_match(&text(&a[0])))))
    };
    /// Whether a string contains another: `contains("shop-dev", "-")` is `true`. In lists and maps: `x in xs`.
    contains(text: Type::String, part: Type::String) -> Type::Bool, Deep, |a| {
        Ok(Value::plain(Data::Bool(text(&a[0]).contains(&*text(&a[1])))))
    };
    /// Replaces what a regular expression finds; `$1` is its first group: `regex_replace("v1.2", "^v", "")` is `"1.2"`.
    regex_replace(text: Type::String, pattern: Type::String, with: Type::String) -> Type::String, Deep, |a| {
        let (whole, with) = (text(&a[0]), text(&a[2]));
        let regex = budget::pattern(&text(&a[1]), whole.len())?;
        let (mut out, mut end) = (String::new(), 0);
        for found in regex.captures_iter(&whole) {
            let Some(all) = found.get(0) else { continue };
            out += &whole[end..all.start()];
            end = all.end();
            // Each reference expands to at most the text that was found.
            let references = with.matches('$').count();
            let most = with.len().saturating_add(references.saturating_mul(all.len()));
            budget::text(out.len().saturating_add(most))?;
            found.expand(&with, &mut out);
        }
        out += &whole[end..];
        string(out)
    };
    /// A part of a string, by characters counted from 0: `substring("abcd", 1, 3)` is `"bc"`.
    substring(text: Type::String, from: Type::Int; to: Type::Int) -> Type::String, Deep, |a| {
        let to = a.get(2).map_or(i64::MAX, int);
        let (from, to) = (int(&a[1]), to);
        if from < 0 || to < from {
            return Err(format!("there is no part from {from} to {to}"));
        }
        string(text(&a[0]).chars().skip(from as usize).take((to - from) as usize).collect())
    };
    /// The lines of a text, without their ends: `lines("a\nb\n")` is `["a", "b"]`.
    lines(text: Type::String) -> Type::list(Type::String), Deep, |a| {
        budget::parts(text(&a[0]).lines().count())?;
        Ok(Value::list(text(&a[0]).lines().map(Value::string).collect()))
    };
    /// Indents every line that is not blank: `indent("a\nb", 2)` is `"  a\n  b"`.
    indent(text: Type::String, by: Type::Int) -> Type::String, Deep, |a| {
        let by = usize::try_from(int(&a[1])).ok().filter(|n| *n <= 1000).ok_or("between 0 and 1000 blanks")?;
        let pad = " ".repeat(by);
        let whole = text(&a[0]);
        budget::text(whole.len().saturating_add(by.saturating_mul(whole.lines().count())))?;
        let line = |l: &str| if l.trim().is_empty() { l.to_string() } else { format!("{pad}{l}") };
        string(whole.split_inclusive('\n').map(line).collect())
    };
    /// How many characters, elements or entries: `length([1, 2])` is `2`.
    length(of: Type::union([Type::String, Type::list(Type::Any), Type::map(Type::Any)])) -> Type::Int, Shape, |a| {
        let n = match &a[0].data {
            Data::String(s) => s.chars().count(),
            Data::List(l) => l.len(),
            Data::Map(m) => m.len(),
            Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Duration(_) | Data::Size(_) | Data::Tool(_) | Data::Component(_) | Data::Unknown(_) | Data::Error => 0,
        };
        Ok(Value::plain(Data::Int(n as i64)))
    };
    /// The keys of a map, in order: `keys({ a = 1 })` is `["a"]`.
    keys(map: Type::map(Type::Any)) -> Type::list(Type::String), Shape, |a| {
        Ok(Value::list(map_of(&a[0]).into_iter().flat_map(IndexMap::keys).cloned().map(Value::string).collect()))
    };
    /// The values of a map, in order: `values({ a = 1 })` is `[1]`.
    values(map: Type::map(t())) -> Type::list(t()), Structure, |a| Ok(Value::list(map_of(&a[0]).into_iter().flat_map(IndexMap::values).cloned().collect()));
    /// The value of a key, or `null`, or the given default: `get({ a = 1 }, "b", 0)` is `0`.
    get(map: Type::map(t()), key: Type::String; default: t()) -> t().optional(), Structure, |a| {
        let found = map_of(&a[0]).and_then(|m| m.get(&text(&a[1]))).cloned();
        Ok(found.or_else(|| a.get(2).cloned()).unwrap_or_else(Value::null))
    };
    /// Merges deeply; the second wins, maps are merged: `merge({ a = 1 }, { b = 2 })` is `{ a = 1, b = 2 }`.
    merge(a: Type::Any, b: Type::Any) -> Type::Any, Structure, |a| Ok(merge_deep(&a[0], &a[1]));
    /// Sorts a list of numbers, strings, durations or sizes: `sort([2, 1])` is `[1, 2]`.
    sort(items: Type::list(t())) -> Type::list(t()), Deep, |a| {
        let mut sorted = items(&a[0]).to_vec();
        sorted.sort_by(|x, y| crate::value::order(x, y).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Value::list(sorted))
    };
    /// Reverses a list: `reverse([1, 2])` is `[2, 1]`.
    reverse(items: Type::list(t())) -> Type::list(t()), Structure, |a| {
        Ok(Value::list(items(&a[0]).iter().rev().cloned().collect()))
    };
    /// Removes duplicates: `unique([1, 1])` is `[1]`.
    unique(items: Type::list(t())) -> Type::list(t()), Deep, |a| {
        let mut out: Vec<Value> = vec![];
        // Only values with equal hashes are compared.
        let mut seen: HashMap<u64, Vec<usize>> = HashMap::default();
        for v in items(&a[0]) {
            let near = seen.entry(crate::value::hash(v)).or_default();
            if !near.iter().any(|at| crate::value::equal(&out[*at], v)) {
                near.push(out.len());
                out.push(v.clone());
            }
        }
        Ok(Value::list(out))
    };
    /// Concatenates a list of lists: `flatten([[1], [2]])` is `[1, 2]`.
    flatten(lists: Type::list(Type::list(t()))) -> Type::list(t()), Structure, |a| {
        Ok(Value::list(items(&a[0]).iter().flat_map(items).cloned().collect()))
    };
    /// The sum of ints: `sum([1, 2])` is `3`.
    sum(items: Type::list(Type::Int)) -> Type::Int, Deep, |a| {
        let sum = items(&a[0]).iter().try_fold(0i64, |s, v| s.checked_add(int(v)));
        sum.map(|s| Value::plain(Data::Int(s))).ok_or_else(|| "the sum does not fit into an int".into())
    };
    /// The smallest: `min([2, 1])` is `1`.
    min(items: Type::list(Type::Int)) -> Type::Int, Deep, |a| {
        items(&a[0]).iter().min_by_key(|v| int(v)).cloned().ok_or_else(|| "`min` of an empty list".into())
    };
    /// The largest: `max([2, 1])` is `2`.
    max(items: Type::list(Type::Int)) -> Type::Int, Deep, |a| {
        items(&a[0]).iter().max_by_key(|v| int(v)).cloned().ok_or_else(|| "`max` of an empty list".into())
    };
    /// The quotient of two ints, rounded toward zero: `div(7, 2)` is `3`.
    div(a: Type::Int, b: Type::Int) -> Type::Int, Deep, |a| {
        let (a, b) = (int(&a[0]), int(&a[1]));
        let why = if b == 0 { "division by zero" } else { "this number is too large" };
        a.checked_div(b).map(|q| Value::plain(Data::Int(q))).ok_or_else(|| why.into())
    };
    /// The ints from `a` up to but not including `b`: `range(0, 3)` is `[0, 1, 2]`.
    range(a: Type::Int, b: Type::Int) -> Type::list(Type::Int), Deep, |a| {
        let (from, to) = (int(&a[0]), int(&a[1]));
        if to.saturating_sub(from) > 1_000_000 {
            return Err("a range may hold a million ints at most".into());
        }
        Ok(Value::list((from..to).map(|i| Value::plain(Data::Int(i))).collect()))
    };
    /// A value as text: `string(1)` is `"1"`.
    string(value: Type::union([Type::Bool, Type::Int, Type::Float, Type::String, Type::Duration, Type::Size])) -> Type::String, Deep, |a| {
        a[0].text().map(Value::string).ok_or_else(|| "not a scalar".into())
    };
    /// A text as int: `int("12")` is `12`.
    int(text: Type::String) -> Type::Int, Deep, |a| {
        let text = text(&a[0]);
        text.trim().parse().map(|i| Value::plain(Data::Int(i))).map_err(|_| format!("{} is not an int", quoted(&text)))
    };
    /// A value as JSON text: `json({ a = [1] })` is `"{\"a\":[1]}"`.
    json(value: Type::Any; pretty: Type::Bool) -> Type::String, Deep, |a| {
        let pretty = matches!(a.get(1).map(|v| &v.data), Some(Data::Bool(true)));
        crate::encode::json(&a[0], pretty).map(Value::string)
    };
    /// A value as YAML text: `yaml({ a = [1] })` is `"a:\n  - 1\n"`.
    yaml(value: Type::Any) -> Type::String, Deep, |a| {
        crate::encode::document(&a[0])?;
        crate::encode::yaml(&crate::wire::plain_json(&a[0])).map(Value::string)
    };
    /// A map as TOML text: `toml({ a = 1 })` is `"a = 1\n"`.
    toml(value: Type::Any) -> Type::String, Deep, |a| {
        crate::encode::document(&a[0])?;
        crate::encode::toml(&crate::wire::plain_json(&a[0])).map(Value::string)
    };
    /// The data of a CSV text: `csv_decode("name,port\ncart,80\n") as [{ name: string, port: int }]` is
    /// `[{ name = "cart", port = 80 }]`. The first line names the columns; without `as`, every field is a string.
    csv_decode(text: Type::String) -> Type::Any, Deep;
    /// The data of a JSON text: `json_decode("[1, 2]") as [int]` is `[1, 2]`.
    json_decode(text: Type::String) -> Type::Any, Deep;
    /// The data of a YAML text, with its anchors and merge keys: `yaml_decode("a: 1") as { a: int }` is `{ a = 1 }`.
    yaml_decode(text: Type::String) -> Type::Any, Deep;
    /// The data of a TOML text: `toml_decode("a = 1") as { a: int }` is `{ a = 1 }`.
    toml_decode(text: Type::String) -> Type::Any, Deep;
    /// Percent-encodes a text for a URL: `url("a b/c")` is `"a%20b%2Fc"`.
    url(text: Type::String) -> Type::String, Deep, |a| string(crate::encode::percent(&text(&a[0])));
    /// The SHA-256 of a text, in hexadecimal.
    sha256(text: Type::String) -> Type::String, Deep, |a| {
        string(sha2::Sha256::digest(text(&a[0]).as_bytes()).iter().map(|b| format!("{b:02x}")).collect())
    };
    /// Encodes a text in base64: `base64("ab")` is `"YWI="`.
    base64(text: Type::String) -> Type::String, Deep, |a| {
        string(base64::engine::general_purpose::STANDARD.encode(text(&a[0]).as_bytes()))
    };
    /// Decodes a base64 text: `unbase64("YWI=")` is `"ab"`.
    unbase64(text: Type::String) -> Type::String, Deep, |a| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(&a[0]).as_bytes()).map_err(|e| format!("this is not base64: {e}"))?;
        String::from_utf8(bytes).map(Value::string).map_err(|_| "the decoded bytes are not UTF-8".into())
    };
    /// Whether a version satisfies a requirement, in the syntax of Cargo or npm: `version_matches("1.4.2", "^1.2")` is `true`.
    version_matches(version: Type::String, requirement: Type::String) -> Type::Bool, Deep, |a| {
        let version = version(&a[0])?;
        let wanted = text(&a[1]);
        let wanted = semver::VersionReq::parse(&wanted).map_err(|e| format!("{} is not a version requirement: {e}", quoted(&wanted)))?;
        Ok(Value::plain(Data::Bool(wanted.matches(&version))))
    };
    /// The versions in order, the lowest first: `version_sort(["1.10.0", "1.9.0"])` is `["1.9.0", "1.10.0"]`.
    version_sort(versions: Type::list(Type::String)) -> Type::list(Type::String), Deep, |a| {
        let mut all = vec![];
        for v in items(&a[0]) {
            all.push((version(v)?, v.clone()));
        }
        all.sort_by(|x, y| x.0.cmp(&y.0));
        Ok(Value::list(all.into_iter().map(|(_, v)| v).collect()))
    };
    /// The nearest int, halves away from zero: `round(2.5)` is `3`.
    round(number: Type::Float) -> Type::Int, Deep, |a| whole(&a[0], f64::round);
    /// Rounds down: `floor(2.7)` is `2`.
    floor(number: Type::Float) -> Type::Int, Deep, |a| whole(&a[0], f64::floor);
    /// Rounds up: `ceil(2.1)` is `3`.
    ceil(number: Type::Float) -> Type::Int, Deep, |a| whole(&a[0], f64::ceil);
    /// A size as Kubernetes writes it: `quantity(50GiB)` is `"50Gi"`.
    quantity(size: Type::Size) -> Type::String, Deep, |a| {
        string(crate::syntax::size_text(int(&a[0])).trim_end_matches('B').to_string())
    };
    /// A duration in whole seconds: `seconds(1m30s)` is `90`.
    seconds(duration: Type::Duration) -> Type::Int, Deep, |a| Ok(Value::plain(Data::Int(int(&a[0]) / 1_000_000_000)));
    /// A duration as Go writes it: `go_duration(1d)` is `"24h0m0s"`.
    go_duration(duration: Type::Duration) -> Type::String, Deep, |a| {
        string(crate::syntax::go_duration_text(int(&a[0])))
    };
    /// A size in bytes: `bytes(1KiB)` is `1024`.
    bytes(size: Type::Size) -> Type::Int, Deep, |a| Ok(Value::plain(Data::Int(int(&a[0]))));
    /// The text of a file, relative to the module that writes it: `file("motd.txt")`.
    file(path: Type::String) -> Type::String, Deep;
    /// A file rendered as a template, relative to the module that writes it: `template("motd.tpl", { name = "cart" })`. In it,
    /// `[[ name ]]` is a value, `[% if name %]...[% endif %]` and `[% for x in xs %]...[% endfor %]` are blocks, `[# ... #]` is a comment.
    template(path: Type::String; vars: Type::Any) -> Type::String, Deep;
    /// An environment variable, named by a literal; with a default when it is not set: `env_var("HOME", "/")`.
    env_var(name: Type::String; default: Type::String) -> Type::String, Deep;
    /// Makes a secret value public; the reason is for readers of the program: `expose(token, "shown once to the admin")`.
    expose(value: t().secret(), reason: Type::String) -> t(), Structure, |a| Ok(a[0].clone().exposed());
    /// In an interface's default: the address of the tool, with its parts joined by `-`.
    tool_name() -> Type::String, Deep;
    /// Whether any element is true: `any([false, true])` is `true`.
    any(items: Type::list(Type::Bool)) -> Type::Bool, Deep, |a| {
        Ok(Value::plain(Data::Bool(items(&a[0]).iter().any(|v| matches!(v.data, Data::Bool(true))))))
    };
    /// Whether all elements are true: `all([true, true])` is `true`.
    all(items: Type::list(Type::Bool)) -> Type::Bool, Deep, |a| {
        Ok(Value::plain(Data::Bool(items(&a[0]).iter().all(|v| matches!(v.data, Data::Bool(true))))))
    };
}

fn merge_deep(left: &Value, right: &Value) -> Value {
    match (&left.data, &right.data) {
        (Data::Map(x), Data::Map(y)) => {
            let mut out = (***x).clone();
            for (k, v) in y.iter() {
                let merged = out.get(k).map_or_else(|| v.clone(), |old| merge_deep(old, v));
                out.insert(k.clone(), merged);
            }
            Value::map(out).marked(&left.marks).marked(&right.marks)
        }
        // What is not known yet may be a map: then the result is not known either.
        (Data::Unknown(_), Data::Map(_)) => left.clone().marked(&right.deep_marks()),
        (Data::Map(_), Data::Unknown(_)) => right.clone().marked(&left.deep_marks()),
        (Data::Unknown(_), Data::Unknown(_)) => right.clone().marked(&left.marks),
        _ => right.clone(),
    }
}
