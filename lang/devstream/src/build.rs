//! Syntax trees by hand.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind is left as it is")]

use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Arg, Element, Entry, Expr, ExprKind, Name, Path, StrPart, TypeExpr, TypeKind};

pub(super) fn expr(span: Span, kind: ExprKind) -> Expr {
    Expr { span, kind: Box::new(kind) }
}

pub(super) fn text(span: Span, text: impl Into<Symbol>) -> Expr {
    expr(span, ExprKind::Str(vec![StrPart::Text(text.into())]))
}

pub(super) fn name(span: Span, text: impl Into<Symbol>) -> Name {
    Name { text: text.into(), span }
}

pub(super) fn list(span: Span, items: impl IntoIterator<Item = Expr>) -> Expr {
    expr(span, ExprKind::List(items.into_iter().map(Element::One).collect()))
}

/// `callee(args)`
pub(super) fn call(span: Span, callee: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    let args = args.into_iter().map(|value| Arg { name: None, value }).collect();
    expr(span, ExprKind::Call { callee: expr(span, ExprKind::Name(callee.into())), args })
}

pub(super) fn field(key: Name, value: Expr) -> Entry {
    // Whether it needs quotes is a matter of writing it, and words of the language may stand here without.
    let quoted = !key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        || !key.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    Entry::Field { name: key, value: Some(value), quoted }
}

/// A record of these fields, placed as a whole at `span`.
pub(super) fn record<'a>(span: Span, fields: impl IntoIterator<Item = (&'a str, Expr)>) -> Expr {
    let entries = fields.into_iter().map(|(key, value)| field(name(span, key), value));
    expr(span, ExprKind::Record(entries.collect()))
}

fn entries(record: &Expr) -> &[Entry] {
    if let ExprKind::Record(entries) = &*record.kind { entries } else { &[] }
}

/// The value of a field of a record that is written out.
pub(super) fn get<'e>(record: &'e Expr, key: &str) -> Option<&'e Expr> {
    entries(record).iter().find_map(|entry| match entry {
        Entry::Field { name, value: Some(value), .. } if *name.text == *key => Some(value),
        Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
    })
}

/// Whether a record that is written out has a field.
pub(super) fn has(record: &Expr, key: &str) -> bool {
    get(record, key).is_some()
}

/// Gives a field a value, if it has none.
pub(super) fn set_default(record: &mut Expr, key: &str, value: Expr) {
    if !has(record, key)
        && let ExprKind::Record(entries) = &mut *record.kind
    {
        entries.push(field(name(value.span, key), value));
    }
}

/// `base` with what `over` says otherwise, records in records too.
pub(super) fn merged(base: Expr, over: &Expr) -> Expr {
    let ExprKind::Record(news) = &*over.kind else { return over.clone() };
    let ExprKind::Record(mut all) = *base.kind else { return over.clone() };
    for new in news {
        let Entry::Field { name, value: Some(value), .. } = new else {
            all.push(new.clone());
            continue;
        };
        let old = all.iter_mut().find_map(|entry| match entry {
            Entry::Field { name: old, value: Some(old_value), .. } if old.text == name.text => {
                Some(old_value)
            }
            Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
        });
        match old {
            Some(old) => {
                let before = std::mem::replace(old, expr(old.span, ExprKind::Null));
                *old = merged(before, value);
            }
            None => all.push(new.clone()),
        }
    }
    expr(over.span, ExprKind::Record(all))
}

/// `{ ...from.field }`
pub(super) fn spread_of(span: Span, from: &str, field: &str) -> Expr {
    let base = expr(span, ExprKind::Name(from.into()));
    let member = expr(span, ExprKind::Member { base, name: name(span, field), safe: false });
    expr(span, ExprKind::Record(vec![Entry::Spread(member)]))
}

/// Every expression in one, itself first, as far as YAML can have any.
pub(super) fn each(expr: &mut Expr, change: &mut dyn FnMut(&mut Expr)) {
    change(expr);
    match &mut *expr.kind {
        ExprKind::Str(parts) => {
            for part in parts {
                if let StrPart::Expr(inner) = part {
                    each(inner, change);
                }
            }
        }
        ExprKind::List(items) => {
            for item in items {
                match item {
                    Element::One(inner) | Element::Spread(inner) => each(inner, change),
                }
            }
        }
        ExprKind::Record(entries) => {
            for entry in entries {
                match entry {
                    Entry::Field { value: Some(inner), .. } | Entry::Spread(inner) => each(inner, change),
                    Entry::Computed(key, inner) => {
                        each(key, change);
                        each(inner, change);
                    }
                    Entry::Field { value: None, .. } | Entry::Error(_) => {}
                }
            }
        }
        ExprKind::Member { base, .. } => each(base, change),
        ExprKind::Index { base, index } => {
            each(base, change);
            each(index, change);
        }
        ExprKind::Binary(_, left, right) => {
            each(left, change);
            each(right, change);
        }
        ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| each(&mut arg.value, change)),
        ExprKind::Cast(inner, _) | ExprKind::Paren(inner) => each(inner, change),
        _ => {}
    }
}

/// A text in a text as one.
pub(super) fn flat(whole: &mut Expr) {
    let ExprKind::Str(parts) = &mut *whole.kind else { return };
    while parts
        .iter()
        .any(|part| matches!(part, StrPart::Expr(Expr { kind, .. }) if matches!(**kind, ExprKind::Str(_))))
    {
        let inner = std::mem::take(parts).into_iter().flat_map(|part| match part {
            StrPart::Expr(Expr { kind, span }) => match *kind {
                ExprKind::Str(inner) => inner,
                other => vec![StrPart::Expr(expr(span, other))],
            },
            text => vec![text],
        });
        *parts = joined_parts(inner);
    }
}

/// Pieces of a text, those that stand beside each other as one.
pub(super) fn joined_parts(parts: impl IntoIterator<Item = StrPart>) -> Vec<StrPart> {
    let mut out: Vec<StrPart> = vec![];
    for part in parts {
        match (out.last_mut(), part) {
            (_, StrPart::Text(more)) if more.is_empty() => {}
            (Some(StrPart::Text(before)), StrPart::Text(more)) => *before = format!("{before}{more}").into(),
            (_, part) => out.push(part),
        }
    }
    out
}

/// The value of a field of a record that is written out, to change it.
pub(super) fn get_mut<'e>(record: &'e mut Expr, key: &str) -> Option<&'e mut Expr> {
    let ExprKind::Record(entries) = &mut *record.kind else { return None };
    entries.iter_mut().find_map(|entry| match entry {
        Entry::Field { name, value: Some(value), .. } if *name.text == *key => Some(value),
        Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
    })
}

/// `string`
pub(super) fn string(span: Span) -> TypeExpr {
    let path = Path { parts: vec![name(span, "string")], span };
    TypeExpr { span, kind: Box::new(TypeKind::Path(path)) }
}

/// `secret string`
pub(super) fn secret_string(span: Span) -> TypeExpr {
    TypeExpr { span, kind: Box::new(TypeKind::Secret(string(span))) }
}
