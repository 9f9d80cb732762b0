//! Types as they are written, as far as a message can show them.

use super::{Lit, Type};

/// As the user writes it, as far as one reads: a type whose parts are shared may be of any length.
impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut written = Written { text: String::new(), room: 4_000 };
        if self.write(&mut written).is_err() {
            written.text += "...";
        }
        f.write_str(&written.text)
    }
}

/// The text of a type as far as there is room for it.
struct Written {
    text: String,
    room: usize,
}

impl Written {
    fn add(&mut self, text: &str) -> std::fmt::Result {
        match self.room.checked_sub(text.len()) {
            Some(room) => self.room = room,
            None => return Err(std::fmt::Error),
        }
        self.text += text;
        Ok(())
    }
}

impl Type {
    fn write(&self, out: &mut Written) -> std::fmt::Result {
        let around = |out: &mut Written, before: &str, inner: &Type, after: &str| {
            out.add(before)?;
            inner.write(out)?;
            out.add(after)
        };
        match self {
            Type::Any => out.add("any"),
            Type::Null => out.add("null"),
            Type::Bool => out.add("bool"),
            Type::Int => out.add("int"),
            Type::Float => out.add("float"),
            Type::String => out.add("string"),
            Type::Duration => out.add("duration"),
            Type::Size => out.add("size"),
            Type::Lit(l) => out.add(&l.to_string()),
            // Of an empty one nobody knows what it would hold.
            Type::List(t) if **t == Type::Error => out.add("[]"),
            Type::List(t) => around(out, "[", t, "]"),
            Type::Map(t) if **t == Type::Error => out.add("{}"),
            Type::Map(t) => around(out, "map<", t, ">"),
            Type::Record(r) if r.fields.is_empty() && !r.open => out.add("{}"),
            Type::Record(r) => {
                for (i, (name, field)) in r.fields.iter().take(6).enumerate() {
                    out.add(if i == 0 { "{ " } else { ", " })?;
                    around(out, &format!("{name}: "), &field.ty, "")?;
                }
                let more = r.fields.len() > 6 || r.open;
                out.add(match (r.fields.is_empty(), more) {
                    (true, _) => "{ ... }",
                    (false, true) => ", ... }",
                    (false, false) => " }",
                })
            }
            Type::Union(m) => {
                let mut rest = m.iter().filter(|t| !matches!(t, Type::Null));
                if let (2, Some(one), None) = (m.len(), rest.next(), rest.next()) {
                    return match one {
                        Type::Secret(t) => around(out, "secret ", t, "?"),
                        t @ (Type::Any
                        | Type::Null
                        | Type::Bool
                        | Type::Int
                        | Type::Float
                        | Type::String
                        | Type::Duration
                        | Type::Size
                        | Type::Lit(_)
                        | Type::List(_)
                        | Type::Map(_)
                        | Type::Record(_)
                        | Type::Union(_)
                        | Type::Refined(_)
                        | Type::Tool(_)
                        | Type::Var(_)
                        | Type::Error) => around(out, "", t, "?"),
                    };
                }
                for (i, member) in m.iter().enumerate() {
                    around(out, if i == 0 { "" } else { " | " }, member, "")?;
                }
                Ok(())
            }
            Type::Secret(t) => match **t {
                Type::Union(_) => around(out, "secret (", t, ")"),
                Type::Any
                | Type::Null
                | Type::Bool
                | Type::Int
                | Type::Float
                | Type::String
                | Type::Duration
                | Type::Size
                | Type::Lit(_)
                | Type::List(_)
                | Type::Map(_)
                | Type::Record(_)
                | Type::Secret(_)
                | Type::Refined(_)
                | Type::Tool(_)
                | Type::Var(_)
                | Type::Error => around(out, "secret ", t, ""),
            },
            Type::Refined(r) => around(out, "", &r.base, &format!(" where {}", r.text)),
            Type::Tool(k) => out.add(&format!("tool<{}>", k.path())),
            Type::Var(n) => out.add(&((b'T' + n) as char).to_string()),
            Type::Error => out.add("_"),
        }
    }
}

impl std::fmt::Display for Lit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Lit::Bool(b) => write!(f, "{b}"),
            Lit::Int(i) => write!(f, "{i}"),
            Lit::String(s) => write!(f, "{}", crate::text::quote(s)),
        }
    }
}
