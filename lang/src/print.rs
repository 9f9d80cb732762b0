//! Values as source text, for people: what fits stands on one line, secrets are masked.

use crate::value::{Data, Unknown, Value, quote};

/// A value as it would be written, at most `width` characters a line where it can be broken.
pub fn print(value: &Value, width: usize) -> String {
    let mut out = String::new();
    put(value, 0, width, &mut out);
    out
}

fn put(value: &Value, indent: usize, width: usize, out: &mut String) {
    let line = on_one_line(value);
    let fits = indent + line.chars().count() <= width;
    match &value.data {
        Data::List(items) if !fits && !value.secret && items.iter().all(is_short) => {
            // Short ones share lines.
            *out += "[";
            let mut column = usize::MAX;
            for item in items.iter() {
                let text = on_one_line(item);
                let wide = text.chars().count() + 2;
                if column.saturating_add(wide) > width {
                    *out += &format!("\n{}", " ".repeat(indent + 2));
                    column = indent + 2;
                } else {
                    out.push(' ');
                }
                column += wide;
                *out += &format!("{text},");
            }
            *out += &format!("\n{}]", " ".repeat(indent));
        }
        Data::List(items) if !fits && !value.secret => {
            *out += "[\n";
            for item in items.iter() {
                *out += &" ".repeat(indent + 2);
                put(item, indent + 2, width, out);
                *out += ",\n";
            }
            *out += &format!("{}]", " ".repeat(indent));
        }
        Data::Map(map) if !fits && !value.secret => {
            *out += "{\n";
            for (name, value) in map.iter() {
                *out += &format!("{}{} = ", " ".repeat(indent + 2), key(name));
                put(value, indent + 2, width, out);
                out.push('\n');
            }
            *out += &format!("{}}}", " ".repeat(indent));
        }
        _ => *out += &line,
    }
}

/// Whether a value has no parts and is short.
fn is_short(value: &Value) -> bool {
    !matches!(value.data, Data::List(_) | Data::Map(_)) && on_one_line(value).chars().count() <= 16
}

/// A value on one line, in full.
pub fn on_one_line(value: &Value) -> String {
    if value.secret {
        return "(secret)".into();
    }
    match &value.data {
        Data::String(s) => quote(s),
        Data::List(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        Data::Map(map) if map.is_empty() => "{}".into(),
        Data::Map(map) => {
            let fields: Vec<String> =
                map.iter().map(|(k, v)| format!("{} = {}", key(k), on_one_line(v))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Data::Null => "null".into(),
        Data::Unknown(Unknown::Deferred(_)) => "(known after apply)".into(),
        Data::Unknown(Unknown::Unset) => "(no value)".into(),
        Data::Tool(_) | Data::Component(_) => "(tool)".into(),
        _ => value.text().unwrap_or_default(),
    }
}

fn key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    if plain { name.into() } else { quote(name) }
}
