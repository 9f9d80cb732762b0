//! `adopt a` without an id: finds the object by the natural key in the inputs of the tool.

use super::Node;
use super::build::Builder;
use super::reads::find;
use super::recover::natural_key;
use crate::Fields;
use crate::secret::public;
use dtm_lang::interface::Kind;
use dtm_lang::value::quote;
use dtm_lang::wire::has_unknown;
use dtm_lang::{Code, Diagnostic};

impl Builder<'_> {
    /// The id of the one object with the natural key of a tool.
    ///
    /// # Errors
    /// When the kind has no key, the key is not known yet, or it does not name exactly one object.
    pub(super) async fn id_by_key(&self, node: &Node, kind: &Kind) -> Result<String, Diagnostic> {
        let addr = &node.addr;
        let write_id = format!("name the object by its id: `adopt {addr} = \"...\"`");
        if kind.key_inputs().next().is_none() {
            let headline =
                format!("`adopt {addr}` needs an id, because `{}` has no key to find it by", kind.path());
            return Err(Diagnostic::new(Code::E0606, headline).help(write_id));
        }
        if let Some(failed) = self.unreached.get(addr) {
            let why = self.plugins.redactor().mask(&failed.message);
            return Err(Diagnostic::new(Code::E0607, format!("`{addr}` could not be searched for: {why}")));
        }
        let key = natural_key(kind, &node.desired);
        let settings = node.settings.values();
        if key.len() < kind.key_inputs().count() || key.values().chain(settings).any(has_unknown) {
            let headline =
                format!("`adopt {addr}` cannot find the object: its key is known only after apply");
            return Err(Diagnostic::new(Code::E0606, headline).help(write_id));
        }
        let shown = shown(&key);
        let found = find(&**self.plugins, &node.plugin, &node.settings, &kind.name, key, &node.op.0).await;
        let ids = found.map_err(|e| {
            let why = self.plugins.redactor().mask(&e.to_string());
            Diagnostic::new(Code::E0607, format!("`{addr}` could not be searched for: {why}"))
        })?;
        match &*ids {
            [id] => Ok(id.clone()),
            [] => {
                let headline = format!("there is no `{}` with {shown} to adopt as `{addr}`", kind.path());
                Err(Diagnostic::new(Code::E0606, headline)
                    .help(format!("remove `adopt {addr}` to create it, or correct the inputs of `{addr}`")))
            }
            several => {
                let ids: Vec<String> = several.iter().map(|id| quote(id)).collect();
                let headline =
                    format!("`adopt {addr}` could mean several objects with {shown}: {}", ids.join(", "));
                Err(Diagnostic::new(Code::E0606, headline)
                    .help(format!("choose one of them: `adopt {addr} = {}`", ids[0])))
            }
        }
    }
}

/// A natural key for a person.
fn shown(key: &Fields) -> String {
    let fields: Vec<String> =
        key.iter().map(|(name, value)| format!("`{name} = {}`", public(value))).collect();
    fields.join(", ")
}
