//! Asks plugins which files a tool writes, changes and removes, so that the plan can show them. If the files differ although no
//! input changed, the program changed in another way, for example by an edited template, and the tool is updated.

use super::build::Builder;
use super::decide::stable_outputs;
use super::reads::ask_plugin;
use super::{Action, Node, Reason};
use crate::secret::sendable;
use dtm_lang::wire::has_unknown;
use dtm_plugin::protocol::{Method, PlannedFile};
use serde_json::{Value as Json, json};

impl Builder<'_> {
    /// Asks for the files of a tool whose inputs are known.
    pub(super) async fn planned_files(&mut self, node: &mut Node, instance: &dtm_lang::Instance) {
        let prior = match node.action {
            Action::Create | Action::Replace { .. } => None,
            Action::Update | Action::Adopt | Action::NoOp => node.prior.clone(),
            Action::Read | Action::Find | Action::Delete | Action::Forget => return,
        };
        let still = node.action == Action::NoOp;
        if self.options.no_read
            || self.options.refresh_only
            || still && (prior.is_none() || !instance.options.ignore.is_empty() || !instance.options.read)
            || node.desired.values().chain(node.settings.values()).any(has_unknown)
        {
            return;
        }
        let kind = instance.kind.name.to_string();
        let params = match &prior {
            Some(prior) => json!({
                "kind": kind, "id": prior.id, "prior": sendable(&prior.inputs), "inputs": node.desired,
                "outputs": prior.outputs, "private": prior.private,
            }),
            None => json!({ "kind": kind, "inputs": node.desired }),
        };
        let answer =
            ask_plugin(&**self.plugins, &node.plugin, &node.settings, Method::Files, &kind, params).await;
        let mut answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(refused)) => {
                // Also of a tool that would stay as it is: dtm cannot tell whether its files changed. But what is in the way of a
                // replacement may be the object that it replaces.
                let key = refused.data.input.as_deref().and_then(|name| instance.kind.inputs.get(name));
                let is_replaced =
                    matches!(node.action, Action::Replace { .. }) && key.is_some_and(|input| input.key);
                if !is_replaced {
                    self.cannot_list_files(node, &refused);
                }
                return;
            }
            None => return,
        };
        let files = answer.get_mut("files").map(Json::take).unwrap_or_default();
        let mut files: Vec<PlannedFile> = serde_json::from_value(files).unwrap_or_default();
        if files.is_empty() {
            return;
        }
        let redactor = self.plugins.redactor();
        for text in files.iter_mut().flat_map(|f| [&mut f.before, &mut f.after]).flatten() {
            // A file that contains a secret is shown with the secret masked.
            if redactor.tag(Json::String(text.clone())).is_object() {
                *text = redactor.mask(text);
            }
        }
        let drifted = files.iter().filter(|f| f.drift && f.note.is_none()).count();
        if let (true, Some(prior)) = (still, &prior) {
            node.action = Action::Update;
            node.forced = true;
            node.planned = stable_outputs(&instance.kind, prior);
            node.reason = match drifted == files.len() {
                true => Reason::Files { drifted, changed: 0 },
                false => Reason::Files { drifted: 0, changed: files.len() },
            };
        } else if files.iter().any(|f| f.drift)
            && node.action == Action::Update
            && node.changes.iter().all(|c| c.drift)
        {
            // The files changed, not the input that they are read as.
            node.reason = Reason::Files { drifted, changed: files.len() - drifted };
        }
        self.plan.files.insert(node.addr.clone(), files);
    }
}
