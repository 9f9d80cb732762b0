//! Operators on values, and interpolation.

use super::Evaluator;
use crate::budget;
use crate::diag::Code;
use crate::hir::Expr;
use crate::source::Span;
use crate::syntax::ast::BinaryOp;
use crate::value::{Data, Value, equal, order, union};
use std::cmp::Ordering;

/// A scalar computed from everything in the operands: unknown, marked and secret if any of them is.
pub(super) fn combine(values: &[Value], compute: impl FnOnce(&[Value]) -> Data) -> Value {
    if values.iter().any(Value::is_error) {
        return Value::error();
    }
    let marks = values.iter().fold(None, |m, v| union(&m, &v.deep_marks()));
    let secret = values.iter().any(Value::has_secret);
    let data = match values.iter().find_map(first_unknown) {
        Some(u) => Data::Unknown(u),
        None => compute(values),
    };
    Value { marks, secret, ..Value::plain(data) }
}

/// The first unknown inside; a deferred one before an unset one.
pub(super) fn first_unknown(value: &Value) -> Option<crate::value::Unknown> {
    if value.is_known() {
        return None;
    }
    match &value.data {
        Data::Unknown(u) => Some(*u),
        Data::List(items) => items.iter().find_map(first_unknown),
        Data::Map(items) => items.values().find_map(first_unknown),
        Data::Null
        | Data::Bool(_)
        | Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Error => None,
    }
}

impl Evaluator<'_, '_> {
    /// `!`
    pub(super) fn not(&mut self, operand: &Expr) -> Value {
        let operand = self.eval(operand);
        match operand.data {
            Data::Bool(holds) => Value { data: Data::Bool(!holds), ..operand },
            Data::Unknown(_) => operand,
            Data::Null
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => Value::error(),
        }
    }

    /// `-`, with one operand.
    pub(super) fn negate(&mut self, operand: &Expr, span: Span) -> Value {
        let operand = self.eval(operand);
        let negative = match operand.data {
            Data::Int(number) => number.checked_neg().map(Data::Int),
            Data::Duration(nanoseconds) => nanoseconds.checked_neg().map(Data::Duration),
            Data::Size(bytes) => bytes.checked_neg().map(Data::Size),
            Data::Float(number) => Some(Data::Float(-number)),
            Data::Unknown(_) => return operand,
            Data::Null
            | Data::Bool(_)
            | Data::String(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Error => return Value::error(),
        };
        match negative {
            Some(data) => Value { data, ..operand },
            None => self.fail(Code::E0401, span, "this number is too large", "its negative does not fit"),
        }
    }

    /// `x in a..b`, without making the list.
    pub(super) fn is_in_range(&mut self, item: &Expr, from: &Expr, to: &Expr, inclusive: bool) -> Value {
        let values = [self.eval(item), self.eval(from), self.eval(to)];
        combine(&values, |known| match (&known[0].data, &known[1].data, &known[2].data) {
            (Data::Int(item), Data::Int(from), Data::Int(to)) => {
                Data::Bool(item >= from && if inclusive { item <= to } else { item < to })
            }
            _ => Data::Error,
        })
    }

    /// A string with `${...}` in it.
    pub(super) fn interpolate(&mut self, parts: &[Expr], span: Span) -> Value {
        let values: Vec<Value> = parts.iter().map(|part| self.eval(part)).collect();
        let length = values.iter().map(|part| part.as_str().map_or(32, |text| text.len())).sum();
        if let Err(why) = budget::text(length) {
            return self.fail(Code::E0417, span, why, "joined here");
        }
        let joined = combine(&values, |parts| {
            let mut text = String::with_capacity(length);
            for part in parts {
                match part.as_str() {
                    Some(string) => text += string,
                    None => text += &part.text().unwrap_or_default(),
                }
            }
            Data::String(text.into())
        });
        // Long texts are work too: a few lines that double each other would take all the memory.
        budget::work(length as u64 / 8);
        joined
    }

    /// An operator with two operands, but for those that may skip the second.
    pub(super) fn binary(&mut self, op: BinaryOp, left: Value, right: Value, span: Span) -> Value {
        use BinaryOp::*;
        if left.is_error() || right.is_error() {
            return Value::error();
        }
        // A tool compared with null leaves no mark.
        let tool = |v: &Value| matches!(v.data, Data::Tool(_) | Data::Component(_));
        if matches!(op, Eq | NotEq) && (tool(&left) || tool(&right)) {
            return Value::plain(Data::Bool(equal(&left, &right) == (op == Eq)));
        }
        // Whether a collection is null is known before what it holds.
        if matches!(op, Eq | NotEq) && (matches!(left.data, Data::Null) || matches!(right.data, Data::Null)) {
            let other = if matches!(left.data, Data::Null) { &right } else { &left };
            if !matches!(other.data, Data::Unknown(_)) {
                let same = matches!(other.data, Data::Null);
                let marks = union(&left.marks, &right.marks);
                return Value { marks, ..Value::plain(Data::Bool(same == (op == Eq))) };
            }
        }
        // Which keys a map has is known before what they stand for, and is no secret.
        if let (In, Data::Map(map), Data::String(key)) = (op, &right.data, &left.data) {
            return Value { data: Data::Bool(map.contains_key(key)), ..left };
        }
        let mut problem = None;
        let value = combine(&[left, right], |v| match compute(op, &v[0], &v[1]) {
            Ok(data) => data,
            Err(why) => {
                problem = Some(why);
                Data::Error
            }
        });
        match problem {
            Some(why) => self.fail(Code::E0401, span, why, "computed here"),
            None => value,
        }
    }
}

fn compute(op: BinaryOp, left: &Value, right: &Value) -> Result<Data, String> {
    use BinaryOp::*;
    let too_large = || "this number is too large".to_string();
    let compare = |test: fn(Ordering) -> bool| Ok(Data::Bool(order(left, right).is_some_and(test)));
    match op {
        Eq => return Ok(Data::Bool(equal(left, right))),
        NotEq => return Ok(Data::Bool(!equal(left, right))),
        Lt => return compare(Ordering::is_lt),
        LtEq => return compare(Ordering::is_le),
        Gt => return compare(Ordering::is_gt),
        GtEq => return compare(Ordering::is_ge),
        In => {
            return Ok(Data::Bool(match (&right.data, &left.data) {
                (Data::List(items), _) => items.iter().any(|v| equal(v, left)),
                (Data::Map(m), Data::String(k)) => m.contains_key(k),
                (Data::String(s), Data::String(part)) => s.contains(&**part),
                _ => false,
            }));
        }
        Range | RangeEq => {
            let (Data::Int(from), Data::Int(to)) = (&left.data, &right.data) else { return Ok(Data::Error) };
            let to = if op == RangeEq { to.saturating_add(1) } else { *to };
            if to.saturating_sub(*from) > 1_000_000 {
                return Err("a range that is a list may hold a million ints at most".into());
            }
            return Ok(Value::list((*from..to).map(|i| Value::plain(Data::Int(i))).collect()).data);
        }
        Coalesce | Or | And | Add | Sub | Mul | Div | Rem => {}
    }
    let whole = |x: i64, y: i64| match op {
        Add => x.checked_add(y).ok_or_else(too_large),
        Sub => x.checked_sub(y).ok_or_else(too_large),
        Mul => x.checked_mul(y).ok_or_else(too_large),
        Rem if y == 0 => Err("division by zero".to_string()),
        Rem => x.checked_rem(y).ok_or_else(too_large),
        Coalesce | Or | And | Eq | NotEq | Lt | LtEq | Gt | GtEq | In | Range | RangeEq | Div => {
            Err("this bug is in dtm: an operator without a meaning".to_string())
        }
    };
    let float = |x: f64, y: f64| {
        let result = match op {
            Add => x + y,
            Sub => x - y,
            Mul => x * y,
            Div if y == 0.0 => return Err("division by zero".to_string()),
            Div => x / y,
            Coalesce | Or | And | Eq | NotEq | Lt | LtEq | Gt | GtEq | In | Range | RangeEq | Rem => x % y,
        };
        if result.is_finite() { Ok(result) } else { Err(too_large()) }
    };
    let scale = |x: i64, by: &Data| {
        let by = match by {
            Data::Int(i) if op == Mul => return x.checked_mul(*i).ok_or_else(too_large),
            Data::Int(0) => return Err("division by zero".to_string()),
            Data::Int(i) => {
                // Rounded to the nearest, halves away from zero; exact where doubles are not.
                let (by, parts) = (i128::from(*i), i128::from(i.unsigned_abs()));
                let x = i128::from(x) * by.signum();
                return i64::try_from((x + x.signum() * (parts / 2)) / parts).map_err(|_| too_large());
            }
            Data::Float(f) => *f,
            Data::Null
            | Data::Bool(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_)
            | Data::Error => 1.0,
        };
        let exact = float(x as f64, by)?;
        if exact.abs() >= 9.2e18 { Err(too_large()) } else { Ok(exact.round() as i64) }
    };
    let number = |d: &Data| match d {
        Data::Int(i) => *i as f64,
        Data::Float(f) => *f,
        Data::Null
        | Data::Bool(_)
        | Data::String(_)
        | Data::Duration(_)
        | Data::Size(_)
        | Data::List(_)
        | Data::Map(_)
        | Data::Tool(_)
        | Data::Component(_)
        | Data::Unknown(_)
        | Data::Error => 0.0,
    };
    Ok(match (&left.data, &right.data) {
        (Data::Int(x), Data::Int(y)) if op == Div => Data::Float(float(*x as f64, *y as f64)?),
        (Data::Int(x), Data::Int(y)) => Data::Int(whole(*x, *y)?),
        (x @ (Data::Int(_) | Data::Float(_)), y @ (Data::Int(_) | Data::Float(_))) => {
            Data::Float(float(number(x), number(y))?)
        }
        (Data::Duration(x), Data::Duration(y)) | (Data::Size(x), Data::Size(y)) if op == Div => {
            Data::Float(float(*x as f64, *y as f64)?)
        }
        (Data::Duration(x), Data::Duration(y)) => Data::Duration(whole(*x, *y)?),
        (Data::Size(x), Data::Size(y)) => Data::Size(whole(*x, *y)?),
        (Data::Duration(x), by) | (by, Data::Duration(x)) => Data::Duration(scale(*x, by)?),
        (Data::Size(x), by) | (by, Data::Size(x)) => Data::Size(scale(*x, by)?),
        _ => Data::Error,
    })
}
