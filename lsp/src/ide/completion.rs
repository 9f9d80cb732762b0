//! What could stand at the cursor.
//!
//! The word under the cursor is replaced by one that no program has, and the checker says what it would take there
//! ([`dtm_lang::Cursor`]). Declarations and kinds are found from the text of the line alone, because a tool without inputs
//! is no declaration yet.

use dtm_lang::types::{Lit, Type, fits};
use dtm_lang::{CURSOR, Cursor, Loader, Named};
use std::ops::Range;

/// Something that could stand at the cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is shown and looked for.
    pub label: String,
    /// What is written.
    pub text: String,
    /// What it is: `tool`, `input`, `value`, `keyword`.
    pub what: &'static str,
    /// Its type.
    pub detail: String,
    /// Its documentation.
    pub doc: String,
    /// The lower, the more likely.
    pub rank: u8,
}

/// How a question is put to the checker.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The bytes that an item replaces.
    pub range: Range<usize>,
    /// The text with the cursor's word in it; none when the line alone tells.
    pub marked: Option<String>,
    /// What the line alone tells.
    pub line: Line,
}

/// What the line before the cursor tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Nothing.
    Other,
    /// A declaration begins.
    Declaration,
    /// The plugin of a kind stands here, or one of these components.
    Plugin(Vec<String>),
    /// A kind of this plugin stands here.
    Kind(String),
}

/// The words that begin a declaration: what each declares, and the page of the guide about it.
pub(super) const DECLARATIONS: [(&str, &str, &str); 15] = [
    ("tool", "Declares an object that a plugin creates, updates and deletes.", "tools"),
    ("let", "Names a value.", "values-and-types"),
    ("param", "Declares a value that is passed in when dtm runs.", "values-and-types"),
    ("output", "Declares a value that apply prints and records in the state.", "tools"),
    ("import", "Imports names from a module, or reads a data file and checks it against a type.", "modules"),
    ("type", "Names a type.", "values-and-types"),
    ("assert", "States a condition that must hold, and the message if it does not.", "testing"),
    ("settings", "Sets where the state is kept, and limits of a run.", "state"),
    ("plugins", "Names the plugins of the program and where they are.", "tools"),
    ("configure", "Sets the settings of a plugin.", "tools"),
    (
        "moved",
        "Gives an existing object's tool a new address, so that it is not re-created.",
        "rename-and-move",
    ),
    ("forget", "Removes a tool from the state and leaves its object as it is.", "rename-and-move"),
    ("adopt", "Adopts an existing object as a tool, by its key or its id.", "import"),
    ("component", "Declares several tools as one unit, with its own inputs and outputs.", "components"),
    ("test", "States what a plan of this program must contain.", "testing"),
];

/// The question at a byte of a text.
pub fn request(text: &str, offset: usize) -> Request {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let start = text[..offset]
        .rfind(|c| !word(c))
        .map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    let end = text[offset..].find(|c| !word(c)).map_or(text.len(), |i| offset + i);
    let line_start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let before = &text[line_start..start];
    if let Some(quoted) = string_around(text, line_start, offset) {
        let marked = format!("{}{CURSOR}{}", &text[..quoted.start], &text[quoted.end..]);
        return Request { range: quoted, marked: Some(marked), line: Line::Other };
    }
    let mut line = line_of(before);
    if let Line::Plugin(components) = &mut line {
        *components = components_of(text);
    }
    let range = start..end;
    let marked = (line == Line::Other).then(|| format!("{}{CURSOR}{}", &text[..start], &text[end..]));
    Request { range, marked, line }
}

/// The content of the string that a byte is in, if it is plain and ends on its line.
fn string_around(text: &str, line_start: usize, offset: usize) -> Option<Range<usize>> {
    let mut open: Option<usize> = None;
    let mut chars = text[line_start..offset].char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, open) {
            ('\\', Some(_)) => _ = chars.next(),
            ('"', Some(_)) => open = None,
            ('"', None) => open = Some(line_start + at + 1),
            ('/', None) if text[line_start + at..].starts_with("//") => return None,
            _ => {}
        }
    }
    let start = open?;
    let rest = text[offset..].find(['"', '\n']).map(|i| offset + i)?;
    let content = &text[start..rest];
    (text[rest..].starts_with('"') && !content.contains("${")).then_some(start..rest)
}

fn line_of(before: &str) -> Line {
    if before.is_empty() {
        return Line::Declaration;
    }
    let Some((head, after)) = before.rsplit_once(':') else { return Line::Other };
    let mut words = head.split_whitespace();
    let declares = matches!(words.next(), Some("tool" | "existing")) && words.next().is_some();
    if !declares || head.contains('{') || head.matches('[').count() != head.matches(']').count() {
        return Line::Other;
    }
    match after.trim_start().strip_suffix('.') {
        Some(plugin) if plugin.chars().all(|c| c.is_alphanumeric() || c == '_') => Line::Kind(plugin.into()),
        None if after.trim().is_empty() => Line::Plugin(vec![]),
        _ => Line::Other,
    }
}

/// The components that a text declares or imports by name; an imported name in capitals may be a type as well.
fn components_of(text: &str) -> Vec<String> {
    let mut out = vec![];
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("component ") {
            out.extend(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(String::from));
        }
        let names = line.strip_prefix("import {").and_then(|rest| rest.split_once('}'));
        let names = names.iter().flat_map(|(names, _)| names.split(',')).map(str::trim);
        out.extend(names.filter(|n| n.starts_with(char::is_uppercase)).map(String::from));
    }
    out.retain(|name| !name.is_empty());
    out
}

/// What could stand there, the likeliest first.
pub fn items(request: &Request, cursor: Option<&Cursor>, loader: &dyn Loader) -> Vec<Item> {
    let mut out = match (&request.line, cursor) {
        (Line::Declaration, _) => {
            DECLARATIONS.iter().map(|(w, doc, _)| item(w, "keyword", "", doc, 0)).collect()
        }
        (Line::Plugin(components), _) => {
            let own = components.iter().map(|name| item(name, "component", "", "", 0));
            own.chain(plugins(loader)).collect()
        }
        (Line::Kind(plugin), _) => kinds(plugin, loader),
        (Line::Other, None) => vec![],
        (Line::Other, Some(cursor)) => at_cursor(cursor),
    };
    out.sort_by_key(|i| i.rank);
    out
}

fn item(label: &str, what: &'static str, detail: &str, doc: &str, rank: u8) -> Item {
    Item { label: label.into(), text: label.into(), what, detail: detail.into(), doc: doc.into(), rank }
}

fn plugins(loader: &dyn Loader) -> Vec<Item> {
    let one = |name: dtm_lang::Symbol| Item { text: format!("{name}."), ..item(&name, "plugin", "", "", 0) };
    loader.shipped_names().into_iter().map(one).collect()
}

fn kinds(plugin: &str, loader: &dyn Loader) -> Vec<Item> {
    let Some(shipped) = loader.shipped(plugin) else { return vec![] };
    let Some(found) = dtm_lang::read_interface(plugin, &shipped.text).0 else { return vec![] };
    let one = |kind: &dtm_lang::interface::Kind| {
        let needed = kind.inputs.iter().filter(|(_, i)| !i.field.may_be_absent());
        let needed: Vec<String> = needed.map(|(n, i)| format!("{n}: {}", i.field.ty)).collect();
        let detail = if needed.is_empty() { String::new() } else { format!("{{ {} }}", needed.join(", ")) };
        item(&kind.name, "kind", &detail, kind.doc.as_deref().unwrap_or(""), 0)
    };
    found.kinds.values().map(|k| one(k)).collect()
}

fn at_cursor(cursor: &Cursor) -> Vec<Item> {
    match cursor {
        Cursor::Value { names, expected } => values(names, expected.as_ref()),
        Cursor::Module(names) => names.iter().map(|n| named(n, None)).collect(),
        Cursor::Member(ty) => members(ty),
        Cursor::Field { record, given, what } => {
            let free = record.fields.iter().filter(|(n, _)| !given.contains(n));
            free.map(|(name, field)| {
                let needed = !field.may_be_absent();
                let doc = field.doc.as_deref().unwrap_or("");
                let detail = field.ty.to_string();
                Item { text: format!("{name} = "), ..item(name, what, &detail, doc, u8::from(!needed)) }
            })
            .collect()
        }
        Cursor::Text(ty) => literals(ty)
            .into_iter()
            .filter_map(|l| Some(item(l.strip_prefix('"')?.strip_suffix('"')?, "value", "", "", 0)))
            .collect(),
        Cursor::Type(names) => names.iter().map(|n| item(n, "type", "", "", 0)).collect(),
        Cursor::Option(names) => {
            let one = |n: &dtm_lang::Symbol| Item { text: format!("{n} = "), ..item(n, "option", "", "", 0) };
            names.iter().map(one).collect()
        }
    }
}

/// The literals of a type: the choices of an enum, `true` and `false`, `null`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no literals to choose from")]
fn literals(ty: &Type) -> Vec<String> {
    let one = |t: &Type| match t {
        Type::Lit(l @ Lit::String(_)) => vec![l.to_string()],
        Type::Lit(l) => vec![l.to_string()],
        Type::Bool => vec!["true".into(), "false".into()],
        Type::Null => vec!["null".into()],
        _ => vec![],
    };
    ty.reveal().0.members().iter().flat_map(one).collect()
}

fn values(names: &[Named], expected: Option<&Type>) -> Vec<Item> {
    let mut out: Vec<Item> = vec![];
    for literal in expected.map(literals).unwrap_or_default() {
        out.push(item(&literal, "value", "", "", 0));
    }
    let mut seen: Vec<&str> = vec![];
    for name in names {
        if !seen.contains(&&*name.name) {
            seen.push(&name.name);
            out.push(named(name, expected));
        }
    }
    for builtin in dtm_lang::builtin::BUILTINS {
        let text = format!("{}(", builtin.name);
        let detail = dtm_lang::builtin::signature(builtin);
        out.push(Item { text, ..item(builtin.name, "builtin", &detail, builtin.doc.trim(), 3) });
    }
    out
}

fn named(name: &Named, expected: Option<&Type>) -> Item {
    let rank = match expected {
        Some(ty) if !matches!(name.ty, Type::Error) && fits(&name.ty, ty) => 1,
        _ => 2,
    };
    let detail = if matches!(name.ty, Type::Error) { String::new() } else { name.ty.to_string() };
    item(&name.name, name.what, &detail, "", rank)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no members")]
fn members(ty: &Type) -> Vec<Item> {
    match ty {
        Type::Tool(kind) => {
            let outputs = kind
                .outputs
                .iter()
                .map(|(n, o)| item(n, "output", &o.ty.to_string(), o.doc.as_deref().unwrap_or(""), 0));
            let inputs = kind.inputs.iter().filter(|(n, _)| !kind.outputs.contains_key(*n)).map(|(n, i)| {
                item(n, "input", &i.field.ty.to_string(), i.field.doc.as_deref().unwrap_or(""), 1)
            });
            outputs.chain(inputs).collect()
        }
        Type::Record(r) => r
            .fields
            .iter()
            .map(|(n, f)| item(n, "field", &f.ty.to_string(), f.doc.as_deref().unwrap_or(""), 0))
            .collect(),
        Type::Union(all) => {
            // Only what every member has can be read.
            let mut lists = all.iter().filter(|t| !matches!(t, Type::Null)).map(members);
            let first = lists.next().unwrap_or_default();
            let others: Vec<Vec<Item>> = lists.collect();
            let in_all = |i: &Item| others.iter().all(|o| o.iter().any(|x| x.label == i.label));
            first.into_iter().filter(in_all).collect()
        }
        _ => vec![],
    }
}
