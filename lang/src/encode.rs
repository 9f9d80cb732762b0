//! Data as text in other languages: YAML, TOML, addresses.

#![expect(clippy::wildcard_enum_match_arm, reason = "what else JSON has is of one kind here")]

use crate::budget;
pub use crate::text::percent;
use crate::value::{Data, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value as Json;
use std::fmt::Write;

/// JSON on one line, or on several.
///
/// # Errors
/// When the text would be too long.
pub fn json(value: &Value, pretty: bool) -> Result<String, String> {
    let mut out = Limited(vec![]);
    let written = match pretty {
        true => serde_json::to_writer_pretty(&mut out, &Plain(value)),
        false => serde_json::to_writer(&mut out, &Plain(value)),
    };
    if written.is_err() {
        budget::text(usize::MAX)?;
    }
    String::from_utf8(out.0).map_err(|e| e.to_string())
}

/// A value as everybody's JSON, written without making a tree of it: a value with shared parts is larger than its memory.
struct Plain<'v>(&'v Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0.data {
            Data::Null | Data::Error | Data::Tool(_) | Data::Component(_) | Data::Unknown(_) => {
                to.serialize_unit()
            }
            Data::Bool(b) => to.serialize_bool(*b),
            Data::Int(i) => to.serialize_i64(*i),
            Data::Float(f) => to.serialize_f64(*f),
            Data::String(s) => to.serialize_str(s),
            Data::Duration(_) | Data::Size(_) => to.serialize_str(&self.0.text().unwrap_or_default()),
            Data::List(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    list.serialize_element(&Plain(item))?;
                }
                list.end()
            }
            Data::Map(items) => {
                let mut map = to.serialize_map(Some(items.len()))?;
                for (key, value) in items.iter() {
                    map.serialize_entry(&**key, &Plain(value))?;
                }
                map.end()
            }
        }
    }
}

/// Text as far as it may grow.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        budget::text(self.0.len() + bytes.len()).map_err(std::io::Error::other)?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How large a value may be that is made YAML or TOML.
const DOCUMENT: u64 = 300_000;

/// Whether a value may be made a document by way of a tree, which takes more room than the value.
///
/// # Errors
/// The reason why not, for a message.
pub(crate) fn document(value: &Value) -> Result<(), String> {
    if value.sum().weight > DOCUMENT {
        return Err(format!("the value has more than {DOCUMENT} parts: too many for one document"));
    }
    Ok(())
}

/// Block style YAML 1.2, that older readers understand in the same way: what they could take for something else is quoted.
///
/// # Errors
/// When the text would be too long.
pub fn yaml(value: &Json) -> Result<String, String> {
    let mut out = String::new();
    block(value, 0, &mut out)?;
    budget::text(out.len())?;
    Ok(out)
}

/// How long a key may be without a `?` before it: 1024 characters in YAML.
const LONGEST_KEY: usize = 1_000;

fn block(value: &Json, indent: usize, out: &mut String) -> Result<(), String> {
    budget::text(out.len())?;
    let pad = " ".repeat(indent);
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                // The first key of a list's element is on the line of the dash.
                let pad = if at == 0 && out.ends_with("- ") { "" } else { &pad };
                let key = scalar(&Json::String(key.clone()));
                let _ = match key.len() {
                    0..=LONGEST_KEY => write!(out, "{pad}{key}:"),
                    _ => write!(out, "{pad}? {key}\n{}:", " ".repeat(indent)),
                };
                nested(value, indent, out)?;
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "{pad}-");
                match item {
                    Json::Object(map) if !map.is_empty() => {
                        out.push(' ');
                        block(item, indent + 2, out)?;
                    }
                    _ => nested(item, indent, out)?,
                }
            }
        }
        other => {
            let _ = writeln!(out, "{pad}{}", scalar(other));
        }
    }
    Ok(())
}

fn nested(value: &Json, indent: usize, out: &mut String) -> Result<(), String> {
    let holds = match value {
        Json::Object(map) => !map.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => false,
    };
    if holds {
        out.push('\n');
        block(value, indent + 2, out)
    } else {
        let _ = writeln!(out, " {}", scalar(value));
        Ok(())
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        Json::String(_) => quoted(value),
        Json::Number(n) if n.is_f64() => float(n),
        other => other.to_string(),
    }
}

/// A JSON string is a YAML string in double quotes, but for the characters that YAML does not print or takes for the end of a line.
fn quoted(text: &Json) -> String {
    let mut out = String::new();
    for c in text.to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// A float with a point, and a sign before its exponent: for YAML 1.1, `1e20` is a text.
fn float(number: &serde_json::Number) -> String {
    let text = number.to_string();
    let Some((digits, power)) = text.split_once('e') else { return text };
    let digits = if digits.contains('.') { digits.to_string() } else { format!("{digits}.0") };
    let sign = if power.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}e{sign}{power}")
}

/// Whether no reader of any version takes the text for something else than itself.
fn is_plain(text: &str) -> bool {
    const OTHERS: [&str; 12] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || "_-./@".contains(c))
        && !OTHERS.contains(&&*text.to_ascii_lowercase())
}

/// A TOML document.
///
/// # Errors
/// When the data is no table, or holds what TOML has not: null, a number beyond 64 bits.
pub fn toml(value: &Json) -> Result<String, String> {
    let Json::Object(map) = value else { return Err("a TOML document is a map".into()) };
    let mut document = toml_edit::DocumentMut::new();
    for (key, value) in map {
        document.insert(key, item(value, key)?);
    }
    Ok(document.to_string())
}

fn item(value: &Json, at: &str) -> Result<toml_edit::Item, String> {
    use toml_edit::{ArrayOfTables, Item, Table};
    let table = |map: &serde_json::Map<String, Json>| -> Result<Table, String> {
        let mut table = Table::new();
        for (key, value) in map {
            table.insert(key, item(value, &format!("{at}.{key}"))?);
        }
        Ok(table)
    };
    Ok(match value {
        Json::Object(map) => Item::Table(table(map)?),
        Json::Array(items) if !items.is_empty() && items.iter().all(Json::is_object) => {
            let mut tables = ArrayOfTables::new();
            for map in items.iter().filter_map(Json::as_object) {
                tables.push(table(map)?);
            }
            Item::ArrayOfTables(tables)
        }
        other => Item::Value(inline(other, at)?),
    })
}

fn inline(value: &Json, at: &str) -> Result<toml_edit::Value, String> {
    Ok(match value {
        Json::Null => return Err(format!("`{at}` is null, which TOML does not have")),
        Json::Bool(b) => (*b).into(),
        Json::String(s) => s.as_str().into(),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => i.into(),
            (None, Some(f)) => f.into(),
            (None, None) => return Err(format!("`{at}` is a number that TOML has not")),
        },
        Json::Array(items) => {
            let mut array = toml_edit::Array::new();
            for (i, item) in items.iter().enumerate() {
                array.push(inline(item, &format!("{at}[{i}]"))?);
            }
            array.into()
        }
        Json::Object(map) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in map {
                table.insert(key, inline(value, &format!("{at}.{key}"))?);
            }
            table.into()
        }
    })
}
