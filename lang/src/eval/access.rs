//! Fields and elements.

use super::Evaluator;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H};
use crate::source::{Span, Symbol};
use crate::value::{Data, Unknown, Value, union};

impl Evaluator<'_, '_> {
    /// A field of a record, or null where it is absent.
    pub(super) fn field(&mut self, base: &Expr, name: &Symbol) -> Value {
        let base = self.eval(base);
        match &base.data {
            Data::Map(fields) => {
                fields.get(name).cloned().unwrap_or_else(Value::null).marked(&base.marks).inside(&base)
            }
            Data::Null | Data::Unknown(_) => base,
            Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => Value::error(),
        }
    }

    /// An element of a list, map or family.
    pub(super) fn index(&mut self, base: &Expr, index: &Expr, span: Span) -> Value {
        let key = self.eval(index);
        if let (H::Tool(id), Data::String(name)) = (&*base.kind, &key.data) {
            let family = self.family(*id, base.span);
            return match family.members.get(name) {
                Some(member) => Value::plain(member.clone()).marked(&key.marks),
                None if family.open => Value::plain(Data::Unknown(Unknown::Unset)),
                None => {
                    let known: Vec<String> = family.members.keys().map(|k| k.to_string()).collect();
                    self.missing_key(name, known.iter().map(|k| &**k), index.span)
                }
            };
        }
        let base = self.eval(base);
        if base.is_error() || key.is_error() {
            return Value::error();
        }
        let marks = union(&base.marks, &key.marks);
        match (&base.data, &key.data) {
            (Data::Null, _) => base,
            (Data::Unknown(u), _) => Value { marks, secret: base.secret, ..Value::plain(Data::Unknown(*u)) },
            (_, Data::Unknown(u)) => {
                let marks = union(&marks, &self.whole_marks(&base, span));
                Value { marks, secret: base.has_secret(), ..Value::plain(Data::Unknown(*u)) }
            }
            (Data::Map(m), Data::String(k)) => match m.get(k) {
                Some(v) => v.clone().marked(&marks).inside(&base),
                None => self.missing_key(k, m.keys().map(|k| &**k), index.span),
            },
            (Data::List(l), Data::Int(i)) => match usize::try_from(*i).ok().and_then(|i| l.get(i)) {
                Some(v) => v.clone().marked(&marks).inside(&base),
                None => {
                    let headline = format!("there is no element {i} in a list of {}", l.len());
                    self.fail(Code::E0406, span, headline, "counted from 0")
                }
            },
            _ => Value::error(),
        }
    }

    fn missing_key<'k>(&mut self, key: &str, known: impl Iterator<Item = &'k str>, span: Span) -> Value {
        let d = Diagnostic::new(Code::E0406, format!("there is no key {}", crate::text::quoted(key)))
            .at(span, "not in this map")
            .help("use `get(m, key)` where it may be absent");
        let near = crate::diag::nearest(key, known);
        let d = match near {
            Some(near) => d.note(format!("the nearest key is {}", crate::text::quoted(&near))),
            None => d,
        };
        self.report(d);
        Value::error()
    }
}
