//! Asks plugins what the target says of a change before it is made, such as a dry run on the server. What cannot be said now is
//! a note in the plan: the change is checked when it is made.

use super::build::Builder;
use super::reads::preview;
use super::{Action, Node};
use dtm_lang::wire::has_unknown;
use dtm_plugin::protocol::Class;

impl Builder<'_> {
    /// Asks about a tool whose inputs are known.
    pub(super) async fn ask_preview(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        let prior = match node.action {
            Action::Create => None,
            Action::Update | Action::Adopt if !node.changes.is_empty() => node.prior.clone(),
            Action::Update
            | Action::Adopt
            | Action::NoOp
            | Action::Read
            | Action::Replace { .. }
            | Action::Delete
            | Action::Forget
            | Action::Find => return,
        };
        if self.options.no_read
            || self.options.refresh_only
            || node.desired.values().chain(node.settings.values()).any(has_unknown)
        {
            return;
        }
        let (plugins, kind) = (self.plugins.clone(), instance.kind.name.to_string());
        let asked = preview(&*plugins, &node.plugin, &node.settings, &kind, prior.as_deref(), &node.desired);
        match asked.await {
            None => {}
            Some(Ok(said)) => {
                let redactor = self.plugins.redactor();
                node.notes.extend(said.notes.iter().map(|note| redactor.mask(note)));
                if let Some(prior) = prior.filter(|_| node.action == Action::Update) {
                    node.planned.extend(said.outputs);
                    self.replace_because(node, &prior, said.replace);
                }
            }
            // What another tool of the plan makes is not there yet.
            Some(Err(refused)) if refused.data.class == Class::FailedClean && !self.waits(node) => {
                self.cannot_be(node, &refused);
            }
            Some(Err(refused)) => {
                let why = self.plugins.redactor().mask(&refused.message);
                node.notes.push(format!("not checked until apply: {why}"));
            }
        }
    }
}
