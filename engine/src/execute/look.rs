//! An object is looked at again right before it is changed or deleted: a change that no plan has shown is never lost.

use super::operation::{Failed, Operation};
use crate::Fields;
use crate::plan::diff::{drifted, same};
use crate::plan::reads::{Seen, read_one};
use crate::secret::with_secrets_of;
use crate::state::{Entry, Retired};
use dtm_lang::{Code, Symbol};
use serde_json::Value as Json;

/// How an object compares with what was read for the plan.
enum Look {
    Same,
    Absent,
    /// These inputs are not as they were.
    Changed(Vec<String>),
    Failed(String),
}

impl Operation<'_> {
    /// Whether a replaced object exists, which is looked at right before it is deleted: a change that no plan has shown is never lost.
    pub(super) async fn look_at_replaced(&self, old: &Retired, of: &Entry) -> Result<bool, Failed> {
        let left = self.node.leftovers.iter().find(|left| left.id == old.id);
        let entry = old.as_entry(of);
        let shown = dtm_lang::value::quote(&old.id);
        let changed = |text: String| {
            let d = *self.fail(Code::E0616, text);
            Err(Box::new(d.help("plan again to see the change; nothing was deleted")))
        };
        let seen = match left {
            Some(left) if left.absent => {
                let there = read_one(&*self.cx.plugins, &self.node.plugin, &self.settings, &entry).await;
                return match there {
                    Seen::Absent => Ok(false),
                    Seen::Failed(why) => {
                        let text = format!("its replaced object {shown} could not be read: {why}");
                        Err(self.fail(Code::E0607, text))
                    }
                    Seen::Object(_) => {
                        changed(format!("its replaced object {shown} exists again since the plan was made"))
                    }
                };
            }
            Some(left) => left.seen.as_ref().map(|seen| (seen, vec![])),
            // What this run replaced was read as the object of the tool.
            None => self.node.seen.as_ref().map(|seen| (seen, self.ignored())),
        };
        let Some((seen, ignored)) = seen else { return Ok(true) };
        match self.look(&entry, seen, &ignored).await {
            Look::Absent => Ok(false),
            Look::Same => Ok(true),
            Look::Failed(why) => {
                let text = format!(
                    "its replaced object {shown} could not be read before it was to be deleted: {why}"
                );
                Err(self.fail(Code::E0607, text))
            }
            Look::Changed(names) => changed(format!(
                "{} of its replaced object {shown} changed outside of dtm since the plan was made",
                names.join(", ")
            )),
        }
    }

    /// Reads the object once more, right before it is changed or deleted: a change made since the plan is never
    /// overwritten without being shown. `None` when it is gone.
    pub(super) async fn look_again(&self, prior: &Entry, what: &str) -> Result<Option<()>, Failed> {
        let (Some(seen), true) = (&self.node.seen, prior.id.is_some()) else { return Ok(Some(())) };
        match self.look(prior, seen, &self.ignored()).await {
            Look::Absent => Ok(None),
            Look::Same => Ok(Some(())),
            Look::Failed(why) => {
                let text = format!("it could not be read right before it was to be {what}: {why}");
                Err(self.fail(Code::E0607, text))
            }
            Look::Changed(names) => {
                let text = format!("{} changed outside of dtm since the plan was made", names.join(", "));
                let d = *self.fail(Code::E0616, text);
                Err(Box::new(d.help("plan again to see the change; nothing was overwritten")))
            }
        }
    }

    /// The inputs of the tool whose changes do not count.
    fn ignored(&self) -> Vec<Symbol> {
        let program = self.cx.program.as_ref();
        let instance = self.node.instance.and_then(|id| Some(program?.instance(id)));
        instance.map(|instance| instance.options.ignore.clone()).unwrap_or_default()
    }

    /// Reads an object and compares it with what was `seen` of it when the plan was made.
    async fn look(&self, entry: &Entry, seen: &Fields, ignored: &[Symbol]) -> Look {
        let Some(kind) = &self.node.kind else { return Look::Same };
        let asked = Entry { inputs: with_secrets_of(&entry.inputs, &self.inputs), ..entry.clone() };
        let object = match read_one(&*self.cx.plugins, &self.node.plugin, &self.settings, &asked).await {
            Seen::Absent => return Look::Absent,
            Seen::Failed(why) => return Look::Failed(why),
            Seen::Object(object) => object,
        };
        let now = drifted(kind, &entry.inputs, &object.inputs, ignored);
        let null = Json::Null;
        let names = now.keys().chain(seen.keys().filter(|k| !now.contains_key(*k)));
        let other: Vec<String> = names
            .filter(|n| {
                let how = kind.inputs.get(&***n).and_then(|i| i.same);
                !same(now.get(*n).unwrap_or(&null), seen.get(*n).unwrap_or(&null), how)
            })
            .map(|n| format!("`{n}`"))
            .collect();
        if other.is_empty() { Look::Same } else { Look::Changed(other) }
    }
}
