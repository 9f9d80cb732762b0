//! Types of an interface as Rust types: records become structs, unions enums, each in the module of the whole interface and
//! once for each type, so that kinds that declare the same type share it.

use dtm_lang::types::{FieldType, Lit, RecordType, Type};
use std::collections::BTreeMap;
use std::fmt::Write;

const DERIVE: &str =
    "#[derive(Clone, Debug, PartialEq, ::dtm_plugin::serde::Serialize, ::dtm_plugin::serde::Deserialize)]\n";
const SERDE: &str = "::dtm_plugin::serde";
const VALUE: &str = "::dtm_plugin::serde_json::Value";

/// The types that were written so far.
#[derive(Default)]
pub(crate) struct Types {
    /// By name.
    known: Vec<(String, Type)>,
    /// Their code.
    pub(crate) code: String,
}

impl Types {
    /// A type as Rust writes it; from inside the module of a kind where `inside`. `hint` names what has no name yet.
    pub(crate) fn rust(&mut self, ty: &Type, hint: &str, inside: bool) -> String {
        let mut inner = |ty: &Type| self.rust(ty, hint, inside);
        match ty {
            Type::Bool | Type::Lit(Lit::Bool(_)) => "bool".into(),
            Type::Int | Type::Lit(Lit::Int(_)) => "i64".into(),
            Type::Float => "f64".into(),
            Type::String | Type::Lit(Lit::String(_)) => "String".into(),
            Type::Duration => "::dtm_plugin::Nanoseconds".into(),
            Type::Size => "::dtm_plugin::Size".into(),
            Type::List(of) => format!("Vec<{}>", inner(of)),
            Type::Map(of) => format!("std::collections::BTreeMap<String, {}>", inner(of)),
            Type::Secret(of) => format!("::dtm_plugin::Secret<{}>", inner(of)),
            Type::Refined(refined) => inner(&refined.base),
            Type::Union(_) if ty.is_nullable() => format!("Option<{}>", inner(&ty.non_null())),
            Type::Union(_) | Type::Record(_) => {
                let name = self.named(ty, hint);
                if inside { format!("super::{name}") } else { name }
            }
            Type::Any | Type::Null | Type::Tool(_) | Type::Var(_) | Type::Error => VALUE.into(),
        }
    }

    /// The name of a record or a union; its code is written where it is new.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only records and unions get a type of their own")]
    fn named(&mut self, ty: &Type, hint: &str) -> String {
        if let Some((name, _)) = self.known.iter().find(|(_, known)| known == ty) {
            return name.clone();
        }
        let taken = |name: &str| self.known.iter().any(|(known, _)| known == name);
        let base = camel(hint);
        let name = match taken(&base) {
            false => base,
            true => (2..).map(|n| format!("{base}{n}")).find(|name| !taken(name)).unwrap_or(base),
        };
        self.known.push((name.clone(), ty.clone()));
        let code = match ty {
            Type::Record(record) => {
                let fields = self.fields(record, &name, false, &|_| false);
                format!("{DERIVE}#[serde(crate = \"{SERDE}\")]\npub struct {name} {{\n{fields}}}\n")
            }
            Type::Union(members) => self.union(members, &name),
            _ => String::new(),
        };
        let _ = writeln!(self.code, "/// `{hint}`\n{code}");
        name
    }

    fn union(&mut self, members: &[Type], name: &str) -> String {
        let words: Option<Vec<&str>> = members.iter().map(word).collect();
        if let Some(words) = words {
            let variants = variants(words.iter().copied());
            let lines = words
                .iter()
                .zip(variants)
                .map(|(word, variant)| format!("/// `{word}`\n#[serde(rename = {word:?})]\n{variant},\n"));
            let lines: String = lines.collect();
            let derive = DERIVE.replace("PartialEq", "Copy, PartialEq, Eq");
            return format!("{derive}#[serde(crate = \"{SERDE}\")]\npub enum {name} {{\n{lines}}}\n");
        }
        if let Some((tag, words)) = tag(members) {
            let variants = variants(words.iter().map(|word| &**word));
            let mut lines = String::new();
            for ((member, word), variant) in members.iter().zip(&words).zip(variants) {
                let Type::Record(record) = member else { continue };
                let rest = record.fields.iter().filter(|(field, _)| ***field != *tag);
                let rest = RecordType::new(rest.map(|(n, f)| (n.clone(), f.clone())).collect(), record.open);
                let fields = self.fields(&rest, &format!("{name}{variant}"), false, &|_| false);
                let fields = fields.replace("pub r#", "r#");
                let _ = writeln!(
                    lines,
                    "/// `{tag} = {word:?}`\n#[serde(rename = {word:?})]\n{variant} {{\n{fields}}},"
                );
            }
            return format!(
                "{DERIVE}#[serde(crate = \"{SERDE}\", tag = {tag:?})]\npub enum {name} {{\n{lines}}}\n"
            );
        }
        let shapes: Vec<&str> = members.iter().map(shape).collect();
        let mut lines = String::new();
        for (member, variant) in members.iter().zip(variants(shapes.iter().copied())) {
            let of = self.rust(member, &format!("{name}{variant}"), false);
            let _ = writeln!(lines, "/// `{}`\n{variant}({of}),", member.to_string().replace('`', "'"));
        }
        format!("{DERIVE}#[serde(crate = \"{SERDE}\", untagged)]\npub enum {name} {{\n{lines}}}\n")
    }

    /// The fields of a struct. What is write-only is absent from what was recorded, and so optional.
    pub(crate) fn fields(
        &mut self,
        record: &RecordType,
        within: &str,
        inside: bool,
        write_only: &dyn Fn(&str) -> bool,
    ) -> String {
        let mut out = String::new();
        for (name, field) in &record.fields {
            let FieldType { ty, doc, .. } = field;
            let doc = doc.as_deref().unwrap_or("See the interface.");
            doc.lines().for_each(|line| _ = writeln!(out, "/// {line}"));
            let optional = write_only(name) && !ty.is_nullable();
            // What is null is not on the wire.
            if ty.is_nullable() || optional || matches!(ty, Type::Any) {
                out += "#[serde(default)]\n";
            }
            // A type of its own has the name of its field; within another type, of both.
            let hint = if inside { name.to_string() } else { format!("{within}_{name}") };
            let rust = self.rust(ty, &hint, inside);
            let rust = if optional { format!("Option<{rust}>") } else { rust };
            let _ = writeln!(out, "pub r#{name}: {rust},");
        }
        if record.open {
            let _ = writeln!(
                out,
                "/// Fields that the interface does not name.\n#[serde(flatten)]\npub more: std::collections::BTreeMap<String, {VALUE}>,"
            );
        }
        out
    }
}

/// The text of a literal.
fn word(ty: &Type) -> Option<&str> {
    if let Type::Lit(Lit::String(text)) = ty { Some(text) } else { None }
}

/// The field that tells the members of a union apart, and its value in each of them.
fn tag(members: &[Type]) -> Option<(String, Vec<String>)> {
    let records: Option<Vec<&RecordType>> =
        members.iter().map(|m| if let Type::Record(r) = m { Some(&**r) } else { None }).collect();
    let records = records?;
    records.first()?.fields.keys().find_map(|name| {
        let words = records.iter().map(|r| word(&r.fields.get(name)?.ty).map(String::from));
        let words: Vec<String> = words.collect::<Option<_>>()?;
        let distinct: std::collections::BTreeSet<&String> = words.iter().collect();
        (distinct.len() == words.len()).then(|| (name.to_string(), words))
    })
}

/// What a member of a union is called that no field tells apart.
fn shape(ty: &Type) -> &'static str {
    match ty {
        Type::Bool | Type::Lit(Lit::Bool(_)) => "bool",
        Type::Int | Type::Lit(Lit::Int(_)) => "int",
        Type::Float => "float",
        Type::String | Type::Lit(Lit::String(_)) => "text",
        Type::Duration => "duration",
        Type::Size => "size",
        Type::List(_) => "list",
        Type::Map(_) => "map",
        Type::Record(_) => "record",
        Type::Secret(_) => "secret",
        Type::Refined(refined) => shape(&refined.base),
        Type::Any | Type::Null | Type::Union(_) | Type::Tool(_) | Type::Var(_) | Type::Error => "other",
    }
}

/// Names of variants, each once.
fn variants<'w>(words: impl Iterator<Item = &'w str>) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    words
        .map(|word| {
            let name = camel(word);
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 { name } else { format!("{name}{count}") }
        })
        .collect()
}

/// `create-first` as `CreateFirst`, `2xx` as `N2xx`.
fn camel(text: &str) -> String {
    let mut out = String::new();
    let mut up = true;
    for c in text.chars() {
        match c.is_ascii_alphanumeric() {
            true if up => out.extend(c.to_uppercase()),
            true => out.push(c),
            false => {}
        }
        up = !c.is_ascii_alphanumeric();
    }
    match out.chars().next() {
        None => "Empty".into(),
        // The one word that Rust does not take as a name.
        Some(_) if out == "Self" => "Itself".into(),
        Some(c) if c.is_ascii_digit() => format!("N{out}"),
        Some(_) => out,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    fn types(text: &str) -> String {
        let code =
            crate::rust_types("own.dts", &format!("dts 1\n\nplugin own\n\n{text}\n")).expect("an interface");
        let from = code.find("/// The settings of the plugin.").expect("settings");
        code[from..].lines().filter(|line| !line.starts_with("#[derive")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn records_and_unions_are_types_of_their_own_and_shared() {
        let text = r#"
type Place = { host: "folder", path: string } | { host: "git", url: string, token: secret string? }
@recover(ask)
kind A {
  in place: Place
  in mode: "dev" | "create-first" | "2xx"
  in limits: { cpu: int, memory: size? }
  in args: string | [string]
}
@recover(ask)
kind B {
  in place: Place?
}"#;
        expect![[r#"
            /// The settings of the plugin.
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Settings {
            }
            /// `own.A`
            pub mod a {
            /// What is wanted.
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Inputs {
            /// See the interface.
            pub r#place: super::Place,
            /// See the interface.
            pub r#mode: super::Mode,
            /// See the interface.
            pub r#limits: super::Limits,
            /// See the interface.
            pub r#args: super::Args,
            }
            /// What is known after it is made.
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Outputs {
            }
            }
            /// `own.B`
            pub mod b {
            /// What is wanted.
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Inputs {
            /// See the interface.
            #[serde(default)]
            pub r#place: Option<super::Place>,
            }
            /// What is known after it is made.
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Outputs {
            }
            }
            /// `place`
            #[serde(crate = "::dtm_plugin::serde", tag = "host")]
            pub enum Place {
            /// `host = "folder"`
            #[serde(rename = "folder")]
            Folder {
            /// See the interface.
            r#path: String,
            },
            /// `host = "git"`
            #[serde(rename = "git")]
            Git {
            /// See the interface.
            r#url: String,
            /// See the interface.
            #[serde(default)]
            r#token: Option<::dtm_plugin::Secret<String>>,
            },
            }

            /// `mode`
            #[serde(crate = "::dtm_plugin::serde")]
            pub enum Mode {
            /// `dev`
            #[serde(rename = "dev")]
            Dev,
            /// `create-first`
            #[serde(rename = "create-first")]
            CreateFirst,
            /// `2xx`
            #[serde(rename = "2xx")]
            N2xx,
            }

            /// `limits`
            #[serde(crate = "::dtm_plugin::serde")]
            pub struct Limits {
            /// See the interface.
            pub r#cpu: i64,
            /// See the interface.
            #[serde(default)]
            pub r#memory: Option<::dtm_plugin::Size>,
            }

            /// `args`
            #[serde(crate = "::dtm_plugin::serde", untagged)]
            pub enum Args {
            /// `string`
            Text(String),
            /// `[string]`
            List(Vec<String>),
            }
        "#]]
        .assert_eq(&types(text));
    }
}
