//! Matches the elements of two lists or sets. An element inserted at the front is one insertion, and
//! does not change the others.

use super::{Edit, Leaf, Path, Step, alike, walk};
use dtm_lang::wire::{has_unknown, reveal};
use serde_json::{Map, Value as Json};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::{BTreeMap, HashMap};

/// The fields that name a record, the most specific first.
const NAMES: [&str; 12] =
    ["id", "key", "name", "address", "path", "host", "hostname", "url", "email", "title", "label", "port"];

/// How alike two elements must be to be taken for one that changed.
const ENOUGH: f32 = 0.4;

/// How many pairs of elements are compared at most; where there are more, they are paired in order.
const PAIRS: usize = 4_096;

/// The differences of two lists.
pub(super) fn list(path: &Path, a: &[Json], b: &[Json], out: &mut Vec<Leaf>) {
    match name_field(a, b) {
        Some(field) => named(path, a, b, field, out),
        None => unnamed(path, a, b, out),
    }
}

fn name_of<'v>(value: &'v Json, field: &str) -> Option<&'v Json> {
    let value = value.as_object()?.get(field)?;
    matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)).then_some(value)
}

/// A field that names every element of both lists, each with a name of its own.
fn name_field(a: &[Json], b: &[Json]) -> Option<&'static str> {
    let names = |items: &[Json], field: &str| {
        let mut seen = BTreeMap::new();
        items
            .iter()
            .all(|item| name_of(item, field).is_some_and(|name| seen.insert(name.to_string(), ()).is_none()))
    };
    if a.is_empty() || b.is_empty() {
        return None;
    }
    NAMES.into_iter().find(|field| names(a, field) && names(b, field))
}

fn named(path: &Path, a: &[Json], b: &[Json], field: &str, out: &mut Vec<Leaf>) {
    let key = |item: &Json| name_of(item, field).map(Json::to_string).unwrap_or_default();
    let before: HashMap<String, usize> = a.iter().enumerate().map(|(i, item)| (key(item), i)).collect();
    let there: Vec<Option<usize>> = b.iter().map(|item| before.get(&key(item)).copied()).collect();
    let kept = longest_rise(&there);
    let mut pairs = vec![];
    let mut gone = (0..a.len()).filter(|i| !there.contains(&Some(*i))).peekable();
    for (j, i) in there.iter().enumerate() {
        // A removed element keeps its position, before the next element that remains.
        if let Some(i) = i.filter(|_| kept.contains(&j)) {
            while let Some(g) = gone.next_if(|g| *g < i) {
                pairs.push((Some(g), None));
            }
        }
        pairs.push((*i, Some(j)));
    }
    pairs.extend(gone.map(|g| (Some(g), None)));
    for (i, j) in pairs {
        let moved = j.is_some_and(|j| i.is_some() && !kept.contains(&j));
        element(path, a, b, i, j, moved, Some(field), out);
    }
}

/// The positions of a longest subsequence that rises: what did not move.
fn longest_rise(values: &[Option<usize>]) -> std::collections::HashSet<usize> {
    let mut ends: Vec<usize> = vec![];
    let mut before: Vec<Option<usize>> = vec![None; values.len()];
    for (j, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let at = ends.partition_point(|e| values[*e].is_some_and(|v| v < *value));
        before[j] = at.checked_sub(1).map(|k| ends[k]);
        match ends.get_mut(at) {
            Some(end) => *end = j,
            None => ends.push(j),
        }
    }
    let mut kept = std::collections::HashSet::new();
    let mut next = ends.last().copied();
    while let Some(j) = next {
        kept.insert(j);
        next = before[j];
    }
    kept
}

fn unnamed(path: &Path, a: &[Json], b: &[Json], out: &mut Vec<Leaf>) {
    let (x, y): (Vec<String>, Vec<String>) =
        (a.iter().map(canonical).collect(), b.iter().map(canonical).collect());
    // The gaps between what is equal.
    let (mut i, mut j) = (0, 0);
    let gap = |i: std::ops::Range<usize>, j: std::ops::Range<usize>, out: &mut Vec<Leaf>| {
        for (i, j) in paired(a, b, i, j) {
            element(path, a, b, i, j, false, None, out);
        }
    };
    for op in capture_diff_slices(Algorithm::Myers, &x, &y) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            gap(i..old_index, j..new_index, out);
            (0..len).for_each(|n| {
                element(path, a, b, Some(old_index + n), Some(new_index + n), false, None, out);
            });
            (i, j) = (old_index + len, new_index + len);
        }
    }
    gap(i..a.len(), j..b.len(), out);
}

/// Which of the elements of a gap are the same one, changed; in order.
fn paired(
    a: &[Json],
    b: &[Json],
    i: std::ops::Range<usize>,
    j: std::ops::Range<usize>,
) -> Vec<(Option<usize>, Option<usize>)> {
    let (m, n) = (i.len(), j.len());
    let kind = |v: &Json| std::mem::discriminant(v);
    let in_order = m == n && (i.clone().zip(j.clone())).all(|(x, y)| kind(&a[x]) == kind(&b[y]));
    if m == 0 || n == 0 || m * n > PAIRS || in_order && m == 1 {
        let both = if m * n > PAIRS || in_order { m.min(n) } else { 0 };
        let pairs = (0..both).map(|k| (Some(i.start + k), Some(j.start + k)));
        let removed = (i.start + both..i.end).map(|x| (Some(x), None));
        let added = (j.start + both..j.end).map(|y| (None, Some(y)));
        return pairs.chain(removed).chain(added).collect();
    }
    // best[x][y]: how much of the rest from x and y on is alike.
    let alike: Vec<Vec<f32>> =
        i.clone().map(|x| j.clone().map(|y| likeness(&a[x], &b[y])).collect()).collect();
    let mut best = vec![vec![0.0_f32; n + 1]; m + 1];
    let worth = |x: usize, y: usize| if alike[x][y] >= ENOUGH { alike[x][y] } else { -1.0 };
    for x in (0..m).rev() {
        for y in (0..n).rev() {
            best[x][y] = (worth(x, y) + best[x + 1][y + 1]).max(best[x + 1][y]).max(best[x][y + 1]);
        }
    }
    let (mut x, mut y) = (0, 0);
    let mut pairs = vec![];
    while x < m || y < n {
        if x < m && y < n && worth(x, y) > 0.0 && best[x][y] <= worth(x, y) + best[x + 1][y + 1] {
            pairs.push((Some(i.start + x), Some(j.start + y)));
            (x, y) = (x + 1, y + 1);
        } else if x < m && (y == n || best[x][y] <= best[x + 1][y]) {
            pairs.push((Some(i.start + x), None));
            x += 1;
        } else {
            pairs.push((None, Some(j.start + y)));
            y += 1;
        }
    }
    pairs
}

/// How alike two elements are, from 0 to 1.
fn likeness(a: &Json, b: &Json) -> f32 {
    match (a, b) {
        (Json::String(a), Json::String(b)) => super::text::ratio(a, b),
        (Json::Object(a), Json::Object(b)) => {
            let equal = a.iter().filter(|(k, v)| b.get(*k).is_some_and(|w| alike(v, w))).count();
            equal as f32 / a.len().max(b.len()).max(1) as f32
        }
        (Json::Array(a), Json::Array(b)) => {
            let equal = a.iter().filter(|v| b.iter().any(|w| alike(v, w))).count();
            equal as f32 / a.len().max(b.len()).max(1) as f32
        }
        _ => 0.0,
    }
}

/// A text that is the same for what is equal in value. Unknown values equal nothing, not even each other.
fn canonical(value: &Json) -> String {
    fn ordered(value: &Json) -> Json {
        match value {
            Json::Object(m) => {
                let sorted: BTreeMap<&String, Json> =
                    m.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, ordered(v))).collect();
                Json::Object(sorted.into_iter().map(|(k, v)| (k.clone(), v)).collect::<Map<_, _>>())
            }
            Json::Array(items) => Json::Array(items.iter().map(ordered).collect()),
            leaf @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => leaf.clone(),
        }
    }
    ordered(&reveal(value)).to_string()
}

#[expect(clippy::too_many_arguments, reason = "both sides and the place in each")]
fn element(
    path: &Path,
    a: &[Json],
    b: &[Json],
    i: Option<usize>,
    j: Option<usize>,
    moved: bool,
    field: Option<&str>,
    out: &mut Vec<Leaf>,
) {
    let (before, after) = (i.map_or(&Json::Null, |i| &a[i]), j.map_or(&Json::Null, |j| &b[j]));
    let Some(index) = j.or(i) else { return };
    let here = path.to(Step::Index(index));
    let from = out.len();
    let was = i.filter(|i| j.is_some_and(|j| j != *i));
    if moved {
        let mut leaf = Leaf::new(&here, Edit::Moved);
        leaf.was = was;
        out.push(leaf);
        if alike(before, after) {
            return within(&mut out[from..], after, field, None);
        }
    }
    let begin = out.len();
    walk(&here, before, after, None, out);
    if i.is_some() && j.is_some() {
        let note = if moved { None } else { was };
        within(&mut out[begin..], after, field, note);
        within(&mut out[from..begin], after, field, was);
    }
}

/// Notes in which record of a list leaves are.
fn within(leaves: &mut [Leaf], record: &Json, field: Option<&str>, was: Option<usize>) {
    for leaf in leaves.iter_mut().filter(|l| !matches!(l.edit, Edit::Same(_))) {
        if let Some((field, name)) = field.and_then(|f| Some((f, name_of(record, f)?))) {
            leaf.within.get_or_insert_with(|| (field.into(), name.clone()));
        }
        leaf.was = leaf.was.or(was);
    }
}

/// The differences of two sets: members have no order and no place.
pub(super) fn set(path: &Path, a: &[Json], b: &[Json], out: &mut Vec<Leaf>) {
    let mut left: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
    a.iter().for_each(|v| left.entry(canonical(v)).or_default().push(v));
    let (mut same, mut added) = (vec![], vec![]);
    for value in b {
        match left.get_mut(&canonical(value)).filter(|_| !has_unknown(value)).and_then(Vec::pop) {
            Some(_) => same.push(value),
            None => added.push(value),
        }
    }
    let mut removed: Vec<&Json> = left.into_values().flatten().collect();
    let text = |v: &Json| v.as_str().map_or_else(|| canonical(v), String::from);
    removed.sort_by(|x, y| super::natural(&text(x), &text(y)));
    added.sort_by(|x, y| super::natural(&text(x), &text(y)));
    for value in same {
        out.push(Leaf::new(&path.to(Step::Member(None)), Edit::Same(value.clone())));
    }
    for after in added {
        let before = NAMES.into_iter().find_map(|field| {
            let name = name_of(after, field)?;
            let at = removed.iter().position(|r| name_of(r, field) == Some(name))?;
            Some((field, name.clone(), removed.remove(at)))
        });
        match before {
            Some((field, name, before)) => {
                let step = Step::Member(Some((field.into(), name)));
                walk(&path.to(step), before, after, None, out);
            }
            None => out.push(Leaf::new(&path.to(Step::Member(None)), Edit::Added(after.clone()))),
        }
    }
    for before in removed {
        out.push(Leaf::new(&path.to(Step::Member(None)), Edit::Removed(before.clone())));
    }
}
