//! Values as source text, for people: what fits stands on one line, secrets are masked.

use crate::text::quote;
use crate::value::{Data, Unknown, Value};

/// A value as it would be written, at most `width` characters a line where it can be broken.
pub fn print(value: &Value, width: usize) -> String {
    let mut out = String::new();
    put(value, 0, width, &mut out);
    out
}

fn put(value: &Value, indent: usize, width: usize, out: &mut String) {
    let room = width.saturating_sub(indent);
    // A line that is too long is looked at as far as it would fit.
    let mut line = Line { text: String::new(), room: room.saturating_add(1) };
    let fits = line.put(value).is_ok() && line.text.chars().count() <= room && indent <= width;
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
        _ if fits => *out += &line.text,
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::List(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => *out += &on_one_line(value),
    }
}

/// Whether a value has no parts and is short.
fn is_short(value: &Value) -> bool {
    let mut line = Line { text: String::new(), room: 17 };
    !matches!(value.data, Data::List(_) | Data::Map(_))
        && line.put(value).is_ok()
        && line.text.chars().count() <= 16
}

/// A value on one line, cut after so many characters: a message about a value costs only what it shows.
pub fn shortened(value: &Value, most: usize) -> String {
    let mut line = Line { text: String::new(), room: most + 1 };
    _ = line.put(value);
    if line.text.chars().count() <= most {
        return line.text;
    }
    line.text.chars().take(most.saturating_sub(3)).collect::<String>() + "..."
}

/// A value on one line, in full.
pub fn on_one_line(value: &Value) -> String {
    let mut line = Line { text: String::new(), room: usize::MAX };
    _ = line.put(value);
    line.text
}

/// A line that is written as long as there is room for it.
struct Line {
    text: String,
    /// How many characters still fit.
    room: usize,
}

/// There is no more room on the line.
struct Full;

impl Line {
    fn add(&mut self, text: &str) -> Result<(), Full> {
        if self.room == usize::MAX {
            self.text += text;
            return Ok(());
        }
        for c in text.chars() {
            self.room = self.room.checked_sub(1).ok_or(Full)?;
            self.text.push(c);
        }
        Ok(())
    }

    fn quoted(&mut self, text: &str) -> Result<(), Full> {
        // Quoting makes a text longer, so what is cut before is cut after as well.
        match text.char_indices().nth(self.room) {
            Some((end, _)) => self.add(&quote(&text[..end])).and(Err(Full)),
            None => self.add(&quote(text)),
        }
    }

    fn put(&mut self, value: &Value) -> Result<(), Full> {
        if value.secret {
            return self.add("(secret)");
        }
        match &value.data {
            Data::String(s) => self.quoted(s),
            Data::List(items) => {
                self.add("[")?;
                for (i, item) in items.iter().enumerate() {
                    self.add(if i == 0 { "" } else { ", " })?;
                    self.put(item)?;
                }
                self.add("]")
            }
            Data::Map(map) if map.is_empty() => self.add("{}"),
            Data::Map(map) => {
                self.add("{ ")?;
                for (i, (name, value)) in map.iter().enumerate() {
                    self.add(if i == 0 { "" } else { ", " })?;
                    match is_name(name) {
                        true => self.add(name)?,
                        false => self.quoted(name)?,
                    }
                    self.add(" = ")?;
                    self.put(value)?;
                }
                self.add(" }")
            }
            Data::Null => self.add("null"),
            Data::Unknown(Unknown::Deferred(_)) => self.add("(known after apply)"),
            Data::Unknown(Unknown::Unset) => self.add("(no value)"),
            Data::Tool(_) | Data::Component(_) => self.add("(tool)"),
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::Error => self.add(&value.text().unwrap_or_default()),
        }
    }
}

fn key(name: &str) -> String {
    if is_name(name) { name.into() } else { quote(name) }
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}
