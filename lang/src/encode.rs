//! Data as text in other languages: YAML, TOML, addresses.

use serde_json::Value as Json;
use std::fmt::Write;

/// Block style YAML 1.2, that older readers understand in the same way: what they could take for something else is quoted.
pub fn yaml(value: &Json) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Json, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(out, "{pad}{}:", scalar(&Json::String(key.clone())));
                nested(value, indent, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "{pad}-");
                match item {
                    // The first key stands beside the dash.
                    Json::Object(map) if !map.is_empty() => {
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        let _ = write!(out, " {}", inner.trim_start_matches(' '));
                    }
                    _ => nested(item, indent, out),
                }
            }
        }
        other => {
            let _ = writeln!(out, "{pad}{}", scalar(other));
        }
    }
}

fn nested(value: &Json, indent: usize, out: &mut String) {
    let holds = match value {
        Json::Object(map) => !map.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => false,
    };
    if holds {
        out.push('\n');
        block(value, indent + 2, out);
    } else {
        let _ = writeln!(out, " {}", scalar(value));
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) if is_plain(text) => text.clone(),
        // A JSON string is a YAML string in double quotes.
        other => other.to_string(),
    }
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
        Json::Null => return Err(format!("`{at}` is null, which TOML has not")),
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

/// A text as a part of an address: RFC 3986, everything but unreserved characters in percent form.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
