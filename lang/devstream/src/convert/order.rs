//! The order of tools, and of what is in them.

use crate::build::each;
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::Symbol;
use dtm_lang::syntax::ast::{Decl, DeclKind, Element, Entry, Expr, ExprKind, Tool};

/// Inputs in the order of what they are made of, in the YAML; a spread stays first.
pub(super) fn in_order(decl: &mut Decl) {
    let DeclKind::Tool(tool) = &mut decl.kind else { return };
    if let ExprKind::Record(entries) = &mut *tool.inputs.kind {
        entries.sort_by_key(|entry| match entry {
            Entry::Spread(_) => (0, 0),
            Entry::Field { value: Some(value), .. } => (1, value.span.start),
            Entry::Field { .. } | Entry::Computed(..) | Entry::Error(_) => (2, 0),
        });
    }
}

/// Puts a tool before those that wait for it, and leaves the order as it is otherwise.
pub(super) fn dependencies_first(decls: &mut Vec<Decl>) {
    let names: HashMap<Symbol, usize> = decls
        .iter()
        .enumerate()
        .filter_map(|(number, decl)| {
            if let DeclKind::Tool(tool) = &decl.kind { Some((tool.name.text.clone(), number)) } else { None }
        })
        .collect();
    let mut waits: Vec<Vec<usize>> = vec![];
    for decl in &mut *decls {
        let named = if let DeclKind::Tool(tool) = &mut decl.kind { named(tool) } else { vec![] };
        waits.push(named.iter().filter_map(|name| names.get(name).copied()).collect());
    }
    let mut order = vec![];
    let mut met = vec![false; decls.len()];
    for first in 0..decls.len() {
        let mut open = vec![(first, false)];
        while let Some((at, is_ready)) = open.pop() {
            if is_ready {
                order.push(at);
            } else if !std::mem::replace(&mut met[at], true) {
                open.push((at, true));
                open.extend(waits[at].iter().rev().filter(|dep| !met[**dep]).map(|dep| (*dep, false)));
            }
        }
    }
    let mut all: Vec<Option<Decl>> = std::mem::take(decls).into_iter().map(Some).collect();
    decls.extend(order.into_iter().filter_map(|at| all[at].take()));
}

/// Takes out of `after` what a tool waits for anyway, by what it reads or by what those wait for that it names.
pub(super) fn without_needless_order(decls: &mut [Decl]) {
    let mut waits: HashMap<Symbol, HashSet<Symbol>> = HashMap::default();
    let names: HashSet<Symbol> = decls
        .iter()
        .filter_map(|d| if let DeclKind::Tool(tool) = &d.kind { Some(tool.name.text.clone()) } else { None })
        .collect();
    for decl in &mut *decls {
        if let DeclKind::Tool(tool) = &mut decl.kind {
            let direct = named(tool).into_iter().filter(|name| names.contains(name)).collect();
            waits.insert(tool.name.text.clone(), direct);
        }
    }
    for decl in decls {
        let DeclKind::Tool(tool) = &mut decl.kind else { continue };
        let direct = waits.get(&tool.name.text).cloned().unwrap_or_default();
        let Some(after) = tool.with.as_mut().and_then(after_of) else { continue };
        after.retain(|element| {
            let Element::One(Expr { kind, .. }) = element else { return true };
            let ExprKind::Name(name) = &**kind else { return true };
            !direct.iter().any(|other| other != name && reaches(&waits, other, name))
        });
        let only = if let [Element::One(only)] = &**after { Some(only.clone()) } else { None };
        let is_empty = after.is_empty();
        let Some(ExprKind::Record(entries)) = tool.with.as_mut().map(|with| &mut *with.kind) else {
            continue;
        };
        if is_empty {
            entries.remove(0);
        } else if let (Some(Entry::Field { value, .. }), Some(only)) = (entries.first_mut(), only) {
            *value = Some(only);
        }
        if entries.is_empty() {
            tool.with = None;
        }
    }
}

/// The names that stand in a tool, in order.
fn named(tool: &mut Tool) -> Vec<Symbol> {
    let mut found = vec![];
    for part in std::iter::once(&mut tool.inputs).chain(&mut tool.with) {
        each(part, &mut |e| {
            if let ExprKind::Name(name) = &*e.kind {
                found.push(name.clone());
            }
        });
    }
    found
}

fn after_of(with: &mut Expr) -> Option<&mut Vec<Element>> {
    let ExprKind::Record(entries) = &mut *with.kind else { return None };
    let Some(Entry::Field { value: Some(value), .. }) = entries.first_mut() else { return None };
    if let ExprKind::List(items) = &mut *value.kind { Some(items) } else { None }
}

/// Whether a tool waits for another, by whatever way; each is gone through once.
fn reaches(waits: &HashMap<Symbol, HashSet<Symbol>>, from: &Symbol, to: &Symbol) -> bool {
    let mut seen: HashSet<&Symbol> = HashSet::default();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for next in waits.get(at).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}
