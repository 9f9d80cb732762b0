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
pub(super) fn list(path: &Path, before: &[Json], after: &[Json], out: &mut Vec<Leaf>) {
    match name_field(before, after) {
        Some(field) => named(path, before, after, field, out),
        None => unnamed(path, before, after, out),
    }
}

fn name_of<'v>(value: &'v Json, field: &str) -> Option<&'v Json> {
    let value = value.as_object()?.get(field)?;
    matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_)).then_some(value)
}

/// A field that names every element of both lists, each with a name of its own.
fn name_field(before: &[Json], after: &[Json]) -> Option<&'static str> {
    let names = |items: &[Json], field: &str| {
        let mut seen = BTreeMap::new();
        items
            .iter()
            .all(|item| name_of(item, field).is_some_and(|name| seen.insert(name.to_string(), ()).is_none()))
    };
    if before.is_empty() || after.is_empty() {
        return None;
    }
    NAMES.into_iter().find(|field| names(before, field) && names(after, field))
}

fn named(path: &Path, before: &[Json], after: &[Json], field: &str, out: &mut Vec<Leaf>) {
    let key = |item: &Json| name_of(item, field).map(Json::to_string).unwrap_or_default();
    let positions: HashMap<String, usize> =
        before.iter().enumerate().map(|(i, item)| (key(item), i)).collect();
    let there: Vec<Option<usize>> = after.iter().map(|item| positions.get(&key(item)).copied()).collect();
    let kept = longest_rise(&there);
    let mut pairs = vec![];
    let mut gone = (0..before.len()).filter(|i| !there.contains(&Some(*i))).peekable();
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
        element(path, before, after, i, j, moved, Some(field), out);
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

fn unnamed(path: &Path, before: &[Json], after: &[Json], out: &mut Vec<Leaf>) {
    let (old_texts, new_texts): (Vec<String>, Vec<String>) =
        (before.iter().map(canonical).collect(), after.iter().map(canonical).collect());
    // The gaps between what is equal.
    let (mut old, mut new) = (0, 0);
    let gap = |old: std::ops::Range<usize>, new: std::ops::Range<usize>, out: &mut Vec<Leaf>| {
        for (old, new) in paired(before, after, old, new) {
            element(path, before, after, old, new, false, None, out);
        }
    };
    for op in capture_diff_slices(Algorithm::Myers, &old_texts, &new_texts) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            gap(old..old_index, new..new_index, out);
            (0..len).for_each(|n| {
                element(path, before, after, Some(old_index + n), Some(new_index + n), false, None, out);
            });
            (old, new) = (old_index + len, new_index + len);
        }
    }
    gap(old..before.len(), new..after.len(), out);
}

/// Which of the elements of a gap are the same one, changed; in order.
fn paired(
    before: &[Json],
    after: &[Json],
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
) -> Vec<(Option<usize>, Option<usize>)> {
    let (old_count, new_count) = (old.len(), new.len());
    let kind = |v: &Json| std::mem::discriminant(v);
    let in_order = old_count == new_count
        && (old.clone().zip(new.clone())).all(|(row, column)| kind(&before[row]) == kind(&after[column]));
    if old_count == 0 || new_count == 0 || old_count * new_count > PAIRS || in_order && old_count == 1 {
        let both = if old_count * new_count > PAIRS || in_order { old_count.min(new_count) } else { 0 };
        let pairs = (0..both).map(|k| (Some(old.start + k), Some(new.start + k)));
        let removed = (old.start + both..old.end).map(|row| (Some(row), None));
        let added = (new.start + both..new.end).map(|column| (None, Some(column)));
        return pairs.chain(removed).chain(added).collect();
    }
    // best[x][y]: how much of the rest from x and y on is alike.
    let alike: Vec<Vec<f32>> = old
        .clone()
        .map(|row| new.clone().map(|column| likeness(&before[row], &after[column])).collect())
        .collect();
    let mut best = vec![vec![0.0_f32; new_count + 1]; old_count + 1];
    let worth =
        |row: usize, column: usize| if alike[row][column] >= ENOUGH { alike[row][column] } else { -1.0 };
    for row in (0..old_count).rev() {
        for column in (0..new_count).rev() {
            best[row][column] = (worth(row, column) + best[row + 1][column + 1])
                .max(best[row + 1][column])
                .max(best[row][column + 1]);
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut pairs = vec![];
    while row < old_count || column < new_count {
        if row < old_count
            && column < new_count
            && worth(row, column) > 0.0
            && best[row][column] <= worth(row, column) + best[row + 1][column + 1]
        {
            pairs.push((Some(old.start + row), Some(new.start + column)));
            (row, column) = (row + 1, column + 1);
        } else if row < old_count && (column == new_count || best[row][column] <= best[row + 1][column]) {
            pairs.push((Some(old.start + row), None));
            row += 1;
        } else {
            pairs.push((None, Some(new.start + column)));
            column += 1;
        }
    }
    pairs
}

/// How alike two elements are, from 0 to 1.
fn likeness(before: &Json, after: &Json) -> f32 {
    match (before, after) {
        (Json::String(before), Json::String(after)) => super::text::ratio(before, after),
        (Json::Object(before), Json::Object(after)) => {
            let equal = before.iter().filter(|(k, v)| after.get(*k).is_some_and(|w| alike(v, w))).count();
            equal as f32 / before.len().max(after.len()).max(1) as f32
        }
        (Json::Array(before), Json::Array(after)) => {
            let equal = before.iter().filter(|v| after.iter().any(|w| alike(v, w))).count();
            equal as f32 / before.len().max(after.len()).max(1) as f32
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
    old_items: &[Json],
    new_items: &[Json],
    old_index: Option<usize>,
    new_index: Option<usize>,
    moved: bool,
    field: Option<&str>,
    out: &mut Vec<Leaf>,
) {
    let (before, after) = (
        old_index.map_or(&Json::Null, |old_index| &old_items[old_index]),
        new_index.map_or(&Json::Null, |new_index| &new_items[new_index]),
    );
    let Some(index) = new_index.or(old_index) else { return };
    let here = path.to(Step::Index(index));
    let from = out.len();
    let was = old_index.filter(|old_index| new_index.is_some_and(|new_index| new_index != *old_index));
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
    if old_index.is_some() && new_index.is_some() {
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
pub(super) fn set(path: &Path, old_items: &[Json], new_items: &[Json], out: &mut Vec<Leaf>) {
    let mut left: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
    old_items.iter().for_each(|v| left.entry(canonical(v)).or_default().push(v));
    let (mut same, mut added) = (vec![], vec![]);
    for value in new_items {
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
