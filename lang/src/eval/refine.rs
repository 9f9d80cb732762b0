//! `T where cond`: the condition is tried as soon as the value is known, at every place that expects the type.

use super::{Evaluator, show};
use crate::diag::{Code, Diagnostic};
use crate::index::RefinementId;
use crate::value::{Data, Value};

impl Evaluator<'_, '_> {
    /// The value, if the condition holds for it or cannot be told yet; otherwise it is reported.
    pub(crate) fn refine(&mut self, value: Value, id: RefinementId) -> Value {
        let refinement = &self.cx.hir.refinements[id];
        let place = self.place;
        let locals = std::mem::take(&mut self.locals);
        self.set(refinement.slot, value.clone());
        let scope = std::mem::replace(&mut self.scope, super::ROOT);
        let holds = self.eval(&refinement.cond);
        let message = match (&holds.data, &refinement.message) {
            (Data::Bool(false), Some(message)) => {
                // A secret may have come into it by way of untyped data.
                let message = self.eval(message);
                message.as_str().filter(|_| !message.has_secret()).cloned()
            }
            _ => None,
        };
        self.locals = locals;
        self.scope = scope;
        self.place = place;
        match holds.data {
            Data::Bool(false) => {}
            Data::Error => return Value::error(),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::String(_)
            | Data::Duration(_)
            | Data::Size(_)
            | Data::List(_)
            | Data::Map(_)
            | Data::Tool(_)
            | Data::Component(_)
            | Data::Unknown(_) => return value,
        }
        let text = self.cx.sources.text(refinement.cond.span);
        let shown = show(&value);
        let headline = match message {
            Some(message) => message.to_string(),
            None => format!("{shown} is not allowed here: `{text}` does not hold"),
        };
        let at = place.unwrap_or(refinement.cond.span);
        let mut d = Diagnostic::new(Code::E0413, headline).at(at, format!("this is {shown}"));
        if place.is_some() {
            d = d.also(refinement.cond.span, "must hold");
        }
        if let Some(call) = self.calls.last().filter(|c| **c != at) {
            d = d.also(*call, "called from here");
        }
        if let Some(addr) = self.place_of() {
            d = d.tool(addr);
        }
        self.report(if value.has_secret() { d.hide_source() } else { d });
        Value::error()
    }

    /// The values of imported data that conditions concern.
    pub(crate) fn refined_data(&mut self) {
        for (id, value, span) in &self.cx.hir.refined_data {
            self.place = Some(*span);
            self.refine(value.clone(), *id);
        }
        self.place = None;
    }
}
