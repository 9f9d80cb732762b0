//! What is written again and again becomes one: three tools or more that differ in values only are a family.
//!
//! ```text
//! trees ──alike──> one tree with holes, and what fills them for each ──> tool name[key, it in values]: Kind { ... it.hole ... }
//! ```
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind is not divided")]

use super::outside::{field_type, item_type, snake};
use super::print::inline;
use crate::build::{each, expr, field, joined_parts, name, text};
use crate::kinds::literal;
use crate::model::is_name;
use crate::program::decl;
use dtm_lang::maps::{HashMap, HashSet, IndexMap};
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Address, Decl, DeclKind, Each, Element, Entry, Expr, ExprKind, StrPart, Tool};
use dtm_lang::types::Type;

/// So many tools that are alike are a family.
const FAMILY: usize = 3;
/// What a family is gone through with.
const KEY: &str = "key";
const ITEM: &str = "it";

/// Where several trees that are alike differ: what stands there in each, what it is called, and what may stand there.
pub(super) struct Hole {
    pub(super) name: Symbol,
    pub(super) values: Vec<Expr>,
    pub(super) ty: Option<Type>,
}

/// Trees that are alike, as one with holes.
pub(super) struct Alike {
    pub(super) holes: Vec<Hole>,
    /// What each hole becomes.
    filled: fn(&str, Span) -> Expr,
    /// What may be written as the key of its family.
    keys: Vec<Symbol>,
    /// Whether it is.
    uses_key: bool,
}

impl Alike {
    /// Nothing is found yet; `keys` are the names of the trees, if they have any.
    pub(super) fn new(filled: fn(&str, Span) -> Expr, keys: Vec<Symbol>) -> Alike {
        Alike { holes: vec![], filled, keys, uses_key: false }
    }

    /// One tree in the place of several, of this type where it is known; nothing where they differ in more than values.
    pub(super) fn merged(&mut self, trees: &[&Expr], path: &str, ty: Option<&Type>) -> Option<Expr> {
        let [first, others @ ..] = trees else { return None };
        if others.iter().all(|other| same(first, other)) {
            return Some((*first).clone());
        }
        let span = first.span;
        match &*first.kind {
            ExprKind::Record(entries) => {
                let mut out = vec![];
                for (number, entry) in entries.iter().enumerate() {
                    let at: Option<Vec<&Entry>> =
                        trees.iter().map(|tree| entry_at(tree, entries.len(), number)).collect();
                    out.push(self.entry(entry, &at?, path, ty)?);
                }
                Some(expr(span, ExprKind::Record(out)))
            }
            ExprKind::List(items) => {
                let mut out = vec![];
                for number in 0..items.len() {
                    let at: Option<Vec<&Expr>> =
                        trees.iter().map(|tree| item_at(tree, items.len(), number)).collect();
                    out.push(Element::One(self.merged(&at?, path, ty.and_then(item_type).as_ref())?));
                }
                Some(expr(span, ExprKind::List(out)))
            }
            ExprKind::Str(parts) if parts.iter().any(|p| matches!(p, StrPart::Expr(_))) => {
                self.pieces(trees, parts, path, span)
            }
            _ => self.hole(trees, path, ty),
        }
    }

    /// Texts with the same expressions in them: what differs between these is filled.
    fn pieces(&mut self, trees: &[&Expr], first: &[StrPart], path: &str, span: Span) -> Option<Expr> {
        let mut out = vec![];
        for (number, part) in first.iter().enumerate() {
            let at = |tree: &&Expr| match &*tree.kind {
                ExprKind::Str(parts) if parts.len() == first.len() => parts.get(number).cloned(),
                _ => None,
            };
            let all: Vec<StrPart> = trees.iter().map(at).collect::<Option<_>>()?;
            let texts: Option<Vec<&str>> = all
                .iter()
                .map(|part| match part {
                    StrPart::Text(text) => Some(&**text),
                    StrPart::Expr(_) => None,
                })
                .collect();
            match texts {
                Some(texts) if texts.iter().all(|text| *text == texts[0]) => out.push(part.clone()),
                Some(texts) => {
                    // What is before the last `/` is often the same.
                    let common = |text: &str| text.rfind('/').map_or(0, |at| at + 1);
                    let begin = &texts[0][..common(texts[0])];
                    let begin = if texts.iter().all(|t| t.starts_with(begin)) { begin } else { "" };
                    let rest: Vec<Expr> = texts.iter().map(|t| text(span, &t[begin.len()..])).collect();
                    out.push(StrPart::Text(begin.into()));
                    out.push(StrPart::Expr(self.hole(&rest.iter().collect::<Vec<_>>(), path, None)?));
                }
                None => {
                    let whole = |part: &StrPart| inline(&expr(span, ExprKind::Str(vec![part.clone()])));
                    all.iter().all(|other| whole(other) == whole(part)).then(|| out.push(part.clone()))?;
                }
            }
        }
        Some(expr(span, ExprKind::Str(joined_parts(out))))
    }

    fn entry(&mut self, first: &Entry, all: &[&Entry], path: &str, ty: Option<&Type>) -> Option<Entry> {
        match first {
            Entry::Field { name: key, value: Some(_), quoted } => {
                let values: Option<Vec<&Expr>> = all
                    .iter()
                    .map(|entry| match entry {
                        Entry::Field { name, value: Some(value), .. } if name.text == key.text => Some(value),
                        Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => {
                            None
                        }
                    })
                    .collect();
                let path = match path {
                    "" => key.text.to_string(),
                    _ => format!("{path}_{}", key.text),
                };
                let ty = ty.and_then(|ty| field_type(ty, &key.text));
                let value = self.merged(&values?, &path, ty.as_ref())?;
                Some(Entry::Field { name: key.clone(), value: Some(value), quoted: *quoted })
            }
            Entry::Spread(spread) => {
                let equal =
                    all.iter().all(|entry| matches!(entry, Entry::Spread(other) if same(spread, other)));
                equal.then(|| first.clone())
            }
            Entry::Field { .. } | Entry::Computed(..) | Entry::Error(_) => None,
        }
    }

    /// A place that is filled: by a text, a number, a switch, the same sort in all.
    fn hole(&mut self, trees: &[&Expr], path: &str, ty: Option<&Type>) -> Option<Expr> {
        let sort = std::mem::discriminant(&*trees[0].kind);
        let plain = |tree: &&Expr| match &*tree.kind {
            ExprKind::Bool(_) | ExprKind::Int(_) | ExprKind::Duration(_) => true,
            ExprKind::Str(parts) => parts.iter().all(|part| matches!(part, StrPart::Text(_))),
            _ => false,
        };
        if !trees.iter().all(|tree| plain(tree) && std::mem::discriminant(&*tree.kind) == sort) {
            return None;
        }
        let span = trees[0].span;
        let texts: Vec<Option<Symbol>> = trees.iter().map(|t| literal(t)).collect();
        if let Some((before, after)) = self.around_key(&texts) {
            self.uses_key = true;
            let key = StrPart::Expr(expr(span, ExprKind::Name(KEY.into())));
            let parts = [StrPart::Text(before.into()), key, StrPart::Text(after.into())];
            return Some(match before.is_empty() && after.is_empty() {
                true => expr(span, ExprKind::Name(KEY.into())),
                false => expr(span, ExprKind::Str(joined_parts(parts))),
            });
        }
        // A part of it is known already: `helm/cart` of `cart`.
        let parts = self.holes.iter().find_map(|hole| {
            let filled: Option<Vec<Symbol>> = hole.values.iter().map(literal).collect();
            let filled = filled.filter(|all| all.iter().all(|text| text.len() > 1))?;
            let (before, after) = around(&texts, &filled)?;
            let inner = StrPart::Expr((self.filled)(&hole.name, span));
            let parts = [StrPart::Text(before.into()), inner, StrPart::Text(after.into())];
            (!before.is_empty() || !after.is_empty()).then(|| joined_parts(parts))
        });
        if let Some(parts) = parts {
            return Some(expr(span, ExprKind::Str(parts)));
        }
        let known = self.holes.iter().find(|h| h.values.iter().zip(trees).all(|(a, b)| same(a, b)));
        let name = match known {
            Some(hole) => hole.name.clone(),
            None => {
                let own = self.free(path);
                self.holes.push(Hole {
                    name: own.clone(),
                    values: trees.iter().map(|t| (*t).clone()).collect(),
                    ty: ty.cloned(),
                });
                own
            }
        };
        Some((self.filled)(&name, span))
    }

    /// What stands before and after the key, the same in all texts.
    fn around_key<'t>(&self, texts: &'t [Option<Symbol>]) -> Option<(&'t str, &'t str)> {
        around(texts, &self.keys)
    }

    /// The last part of a path, or as much of it as makes a name.
    fn free(&self, path: &str) -> Symbol {
        let parts: Vec<&str> = path.split('_').collect();
        let taken = |name: &str| self.holes.iter().any(|h| *h.name == *name);
        let parts = match *parts {
            [.., "language", "name"] => parts[..parts.len() - 1].to_vec(),
            _ => parts,
        };
        let candidates = (1..=parts.len()).map(|n| parts[parts.len() - n..].join("_"));
        let plain = |name: &String| is_name(name) && !taken(name) && name != KEY && name != ITEM;
        let mut own = candidates.clone().find(plain).unwrap_or_else(|| format!("{path}_"));
        while taken(&own) {
            own.push('_');
        }
        own.into()
    }
}

/// What stands before and after a part of each text, the same in all of them.
fn around<'t>(texts: &'t [Option<Symbol>], parts: &[Symbol]) -> Option<(&'t str, &'t str)> {
    let last = |(text, part): (&'t Option<Symbol>, &Symbol)| text.as_ref()?.rsplit_once(&**part);
    let found = last((texts.first()?, parts.first()?))?;
    (texts.len() == parts.len() && texts.iter().zip(parts).all(|pair| last(pair) == Some(found)))
        .then_some(found)
}

fn entry_at(tree: &Expr, of: usize, number: usize) -> Option<&Entry> {
    match &*tree.kind {
        ExprKind::Record(entries) if entries.len() == of => entries.get(number),
        _ => None,
    }
}

fn item_at(tree: &Expr, of: usize, number: usize) -> Option<&Expr> {
    match &*tree.kind {
        ExprKind::List(items) if items.len() == of => match items.get(number) {
            Some(Element::One(e)) => Some(e),
            _ => None,
        },
        _ => None,
    }
}

/// Whether two trees say the same, wherever they stand.
pub(super) fn same(expr: &Expr, other: &Expr) -> bool {
    inline(expr) == inline(other)
}

/// What families there are: new addresses by old ones, and the variable that holds the values of each, with its tools.
#[derive(Default)]
pub(super) struct Families {
    pub(super) moved: IndexMap<Symbol, String>,
    /// By the variable.
    pub(super) members: IndexMap<Symbol, Vec<Symbol>>,
}

/// Makes families of tools that are alike; `items` are the entries that they stand in.
pub(super) fn families(
    decls: &mut Vec<Decl>,
    items: &HashMap<Symbol, Span>,
    moved: IndexMap<Symbol, String>,
) -> Families {
    let mut found = Families { moved, ..Families::default() };
    let mut taken: HashSet<Symbol> = decls.iter().filter_map(name_of).collect();
    while let Some(family) = next_family(decls, items, &mut taken) {
        let index: HashMap<Symbol, Symbol> =
            family.members.iter().cloned().zip(family.keys.iter().cloned()).collect();
        for (old, key) in family.members.iter().zip(&family.keys) {
            let new = format!("{}[\"{key}\"]", family.name);
            // What is inside of a component goes with it.
            let mut inside = false;
            for (_, addr) in &mut found.moved {
                if let Some(rest) = addr.strip_prefix(&**old).filter(|rest| rest.starts_with('/')) {
                    inside = true;
                    *addr = format!("{new}{rest}");
                }
            }
            if !inside {
                found.moved.insert(old.clone(), new);
            }
        }
        let is_member = |d: &Decl| name_of(d).is_some_and(|n| index.contains_key(&n));
        let first = decls.iter().position(is_member).unwrap_or(decls.len());
        decls.retain(|d| !is_member(d));
        let first = first.min(decls.len());
        found.members.extend(name_of(&family.decls[0]).map(|values| (values, family.members)));
        decls.splice(first..first, family.decls);
        rename(decls, &index, &family.name);
    }
    found.moved.sort_keys();
    found
}

/// The name of a tool or variable.
pub(super) fn name_of(decl: &Decl) -> Option<Symbol> {
    match &decl.kind {
        DeclKind::Tool(tool) => Some(tool.name.text.clone()),
        DeclKind::Let { name, .. } | DeclKind::Param { name, .. } => Some(name.text.clone()),
        _ => None,
    }
}

struct Family {
    name: Symbol,
    /// The variable with the values, and the tool.
    decls: [Decl; 2],
    /// The tools that it is made of, and their keys in it.
    members: Vec<Symbol>,
    keys: Vec<Symbol>,
}

fn next_family(decls: &[Decl], items: &HashMap<Symbol, Span>, taken: &mut HashSet<Symbol>) -> Option<Family> {
    let mut groups: IndexMap<String, Vec<&Tool>> = IndexMap::default();
    for decl in decls {
        if let DeclKind::Tool(tool) = &decl.kind
            && tool.each.is_none()
        {
            let with = tool.with.as_ref().map(inline).unwrap_or_default();
            groups
                .entry(format!("{} {} {with}", kind_text(tool), shape(&tool.inputs)))
                .or_default()
                .push(tool);
        }
    }
    groups.into_values().filter(|tools| tools.len() >= FAMILY).find_map(|tools| family(&tools, items, taken))
}

pub(super) fn kind_text(tool: &Tool) -> String {
    tool.kind.parts.iter().map(|p| &*p.text).collect::<Vec<_>>().join(".")
}

/// A tree without its values.
pub(super) fn shape(expr: &Expr) -> String {
    match &*expr.kind {
        ExprKind::Record(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                Entry::Field { name, value: Some(value), .. } => format!("{}:{}", name.text, shape(value)),
                Entry::Spread(spread) => format!("...{}", inline(spread)),
                Entry::Field { .. } | Entry::Computed(..) | Entry::Error(_) => "?".into(),
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        ExprKind::List(items) => {
            let items = items.iter().map(|item| match item {
                Element::One(expr) => shape(expr),
                Element::Spread(expr) => format!("...{}", inline(expr)),
            });
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        ExprKind::Bool(_) => "b".into(),
        ExprKind::Int(_) => "i".into(),
        ExprKind::Duration(_) => "d".into(),
        ExprKind::Str(parts) if parts.iter().all(|p| matches!(p, StrPart::Text(_))) => "s".into(),
        _ => inline(expr),
    }
}

fn family(tools: &[&Tool], items: &HashMap<Symbol, Span>, taken: &mut HashSet<Symbol>) -> Option<Family> {
    let first = tools[0];
    let of_item = |hole: &str, span: Span| {
        let base = expr(span, ExprKind::Name(ITEM.into()));
        expr(span, ExprKind::Member { base, name: name(span, hole), safe: false })
    };
    let trees: Vec<&Expr> = tools.iter().map(|t| &t.inputs).collect();
    let merged = |keys: Vec<Symbol>| {
        let mut alike = Alike::new(of_item, keys);
        alike.merged(&trees, "", None).map(|inputs| (inputs, alike))
    };
    let plain: Vec<Symbol> = tools.iter().map(|t| t.name.text.clone()).collect();
    // What an instance makes often has its name, with `-` in the place of `_`.
    let dashed = plain.iter().map(|k| Symbol::from(k.replace('_', "-"))).collect();
    let (inputs, alike) = merged(dashed).filter(|(_, a)| a.uses_key).or_else(|| merged(plain))?;
    if alike.holes.is_empty() {
        return None;
    }
    let span = first.name.span;
    let entries = tools.iter().enumerate().map(|(number, tool)| {
        let filled = |h: &Hole| field(name(h.values[number].span, h.name.clone()), h.values[number].clone());
        let item = expr(tool.inputs.span, ExprKind::Record(alike.holes.iter().map(filled).collect()));
        let at = items.get(&tool.name.text).copied().unwrap_or(tool.name.span);
        field(name(at, alike.keys[number].clone()), item)
    });
    let values = expr(span, ExprKind::Record(entries.collect()));
    let kind = &first.kind.parts[first.kind.parts.len() - 1].text;
    let own = match snake(kind) {
        own if is_name(&own) => free(&own, taken),
        own => free(&format!("{}_{own}", first.kind.parts[0].text), taken),
    };
    let all = free(&if own.ends_with('s') { format!("all_{own}") } else { format!("{own}s") }, taken);
    let iter = expr(span, ExprKind::Name(all.clone()));
    let tool = Tool {
        name: name(span, own.clone()),
        each: Some(Each { vars: vec![name(span, KEY), name(span, ITEM)], iter, by: None }),
        kind: first.kind.clone(),
        cond: None,
        inputs,
        with: first.with.clone(),
    };
    let variable = DeclKind::Let { name: name(span, all), ty: None, value: values };
    let members = tools.iter().map(|t| t.name.text.clone()).collect();
    let decls = [decl(span, variable), decl(span, DeclKind::Tool(Box::new(tool)))];
    Some(Family { name: own, decls, members, keys: alike.keys })
}

pub(super) fn free(wanted: &str, taken: &mut HashSet<Symbol>) -> Symbol {
    let mut own = wanted.to_string();
    while taken.contains(&*own) || !is_name(&own) {
        own.push('_');
    }
    taken.insert(own.as_str().into());
    own.into()
}

/// Puts members of a family in the place of the tools that they were.
fn rename(decls: &mut [Decl], index: &HashMap<Symbol, Symbol>, family: &Symbol) {
    let mut change = |e: &mut Expr| {
        if let ExprKind::Name(old) = &*e.kind
            && let Some(key) = index.get(old)
        {
            let base = expr(e.span, ExprKind::Name(family.clone()));
            let index = text(e.span, key.clone());
            *e = expr(e.span, ExprKind::Index { base, index });
        }
    };
    for decl in decls {
        match &mut decl.kind {
            DeclKind::Tool(tool) => {
                each(&mut tool.inputs, &mut change);
                tool.with.iter_mut().for_each(|with| each(with, &mut change));
            }
            DeclKind::Let { value, .. } => each(value, &mut change),
            _ => {}
        }
    }
}

/// `moved old -> new`, for a state that knows the old addresses.
pub(super) fn moves(moved: &IndexMap<Symbol, String>, span: Span) -> Vec<Decl> {
    let address = |text: &str| Address { text: text.into(), span };
    moved.iter().map(|(old, new)| decl(span, DeclKind::Moved(address(old), address(new)))).collect()
}
