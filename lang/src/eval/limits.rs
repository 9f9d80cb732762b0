//! The budgets of an evaluation: counts of steps and sizes, so that every program ends with the same result everywhere.

use super::Evaluator;
use crate::budget::{self, Refused};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::value::Value;

/// Steps that a program may take, and those for each instance on top. What goes through a value takes a step for each of
/// its parts.
const STEPS: u64 = 10_000_000;
const STEPS_AN_INSTANCE: u64 = 2_000;

impl Evaluator<'_, '_> {
    /// Whether the program has used up its budget, which is reported once.
    pub(crate) fn exhausted(&mut self, span: Span) -> bool {
        if self.over_budget {
            return true;
        }
        let now = budget::spent();
        let steps = STEPS + STEPS_AN_INSTANCE * self.world.instances.len() as u64;
        if now.work - self.began.work > steps {
            let headline = format!("this program takes more than {steps} steps");
            self.overrun(Diagnostic::new(Code::E0409, headline).at(span, "the last step"));
        } else if now.alive - self.began.alive > budget::ALIVE {
            let headline =
                format!("the values of this program have more than {} parts together", budget::ALIVE);
            self.overrun(Diagnostic::new(Code::E0417, headline).at(span, "the last of them"));
        }
        self.over_budget
    }

    /// Whether nothing more is computed.
    pub(super) fn is_over(&self) -> bool {
        self.over_budget
    }

    /// Reports the error that ends the evaluation, even where errors are suppressed: a partial result must never be planned.
    pub(super) fn overrun(&mut self, diagnostic: Diagnostic) {
        if !std::mem::replace(&mut self.over_budget, true) {
            let diagnostic = match self.calls.last() {
                Some(call) => diagnostic.also(*call, "called from here"),
                None => diagnostic,
            };
            self.diags.push(match self.place_of() {
                Some(addr) => diagnostic.tool(addr),
                None => diagnostic,
            });
        }
    }

    /// Reports a value that was not made.
    pub(crate) fn too_large(&mut self, why: Refused, span: Span) {
        let code = match why {
            Refused::Deep => Code::E0418,
            Refused::Large => Code::E0417,
        };
        let mut d = Diagnostic::new(code, why.headline()).at(span, "made here");
        if let Some(call) = self.calls.last() {
            d = d.also(*call, "called from here");
        }
        if let Some(addr) = self.place_of() {
            d = d.tool(addr);
        }
        self.diags.push(d);
    }

    /// Counts a value that leaves the program, as an input or output.
    pub(crate) fn leaves(&mut self, value: &Value, span: Span) {
        self.inputs_weigh = self.inputs_weigh.saturating_add(value.sum().weight);
        let most = budget::INPUTS + budget::INPUTS_AN_INSTANCE * self.world.instances.len() as u64;
        if self.inputs_weigh > most {
            let headline =
                format!("the inputs and outputs of this program have more than {most} parts together");
            self.overrun(Diagnostic::new(Code::E0417, headline).at(span, "the last of them"));
        }
    }
}
