//! One object of a case, through the protocol: made, looked at, changed, removed.

use super::examinee::{Examinee, PATIENCE};
use crate::Fields;
use crate::plan::diff::changes;
use crate::plan::options::outputs;
use crate::plan::recover::{natural_key, recovery};
use crate::plugin::{CallError, Settings, conforms};
use crate::secret::sendable;
use crate::state::OpKey;
use dtm_lang::interface::{Kind, Recover};
use dtm_plugin::protocol::{Call, Class, Listed, Method, Object, ReadResult};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// An object that the plugin made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// The key of the operation that made it.
    pub(super) op: String,
    pub(super) id: String,
    pub(super) inputs: Fields,
    pub(super) outputs: Fields,
    pub(super) private: Value,
}

/// A case: its plugin, configured, and its kind.
pub(super) struct Trial<'a> {
    pub(super) plugin: &'a Examinee,
    pub(super) settings: Settings,
    pub(super) kind: Arc<Kind>,
    pub(super) timeout: Option<Duration>,
}

/// What an error says, for a report.
pub(super) fn told(verb: Method, error: &CallError) -> String {
    if let CallError::Failed(_) = error {
        format!("`{verb}` failed: {error}")
    } else {
        format!("`{verb}`: {error}")
    }
}

impl Trial<'_> {
    fn patience(&self, verb: Method) -> Duration {
        let interface =
            self.kind.timeouts.get(verb.name()).map(|ns| Duration::from_nanos((*ns).max(0) as u64));
        self.timeout.or(interface).unwrap_or(PATIENCE)
    }

    fn blank(&self) -> Call {
        Call { kind: self.kind.name.to_string(), ..Call::default() }
    }

    /// A mutating call with a new operation key.
    pub(super) fn mutation(&self, verb: Method) -> Call {
        Call {
            op: OpKey::fresh().0,
            deadline_ms: Some(self.patience(verb).as_millis() as u64),
            ..self.blank()
        }
    }

    pub(super) async fn call(&self, verb: Method, call: Call) -> Result<Value, CallError> {
        self.plugin.heard.secret(&json!([call.inputs, call.prior]));
        self.plugin.call(&self.settings, verb, call, self.patience(verb)).await
    }

    fn made(
        &self,
        verb: Method,
        op: &str,
        inputs: &Fields,
        prior: Option<&Made>,
        answer: Value,
    ) -> Result<Made, String> {
        let object: Object = serde_json::from_value(answer)
            .map_err(|e| format!("the answer to `{verb}` cannot be read: {e}"))?;
        let id = match (object.id.is_empty(), prior) {
            (false, _) => object.id,
            (true, Some(prior)) => prior.id.clone(),
            (true, None) => return Err(format!("`{verb}` gives no id")),
        };
        self.fits(verb, &object.outputs)?;
        Ok(Made {
            op: op.into(),
            id,
            inputs: inputs.clone(),
            outputs: object.outputs,
            private: object.private,
        })
    }

    fn fits(&self, verb: Method, outputs: &Fields) -> Result<(), String> {
        conforms(&self.kind, outputs).map_err(|why| format!("`{verb}`: the output {why}"))?;
        match outputs.keys().find(|n| !self.kind.outputs.contains_key(n.as_str())) {
            Some(extra) => Err(format!("`{verb}` gives an output `{extra}` that the interface has not")),
            None => Ok(()),
        }
    }

    pub(super) async fn create(&self, op: &str, inputs: &Fields) -> Result<Made, String> {
        let call = Call { op: op.into(), inputs: inputs.clone(), ..self.mutation(Method::Create) };
        let answer = self.call(Method::Create, call).await.map_err(|e| told(Method::Create, &e))?;
        self.made(Method::Create, op, inputs, None, answer)
    }

    pub(super) async fn update(&self, made: &Made, inputs: &Fields) -> Result<Made, String> {
        let call = Call { inputs: inputs.clone(), ..self.recorded(self.mutation(Method::Update), made) };
        let answer = self.call(Method::Update, call).await.map_err(|e| told(Method::Update, &e))?;
        let changed = self.made(Method::Update, &made.op, inputs, Some(made), answer)?;
        // What is given only once is what it was.
        let once =
            made.outputs.iter().filter(|(n, _)| self.kind.outputs.get(n.as_str()).is_some_and(|o| o.once));
        let mut outputs: Fields = once.map(|(n, v)| (n.clone(), v.clone())).collect();
        outputs.extend(changed.outputs);
        Ok(Made { outputs, ..changed })
    }

    pub(super) async fn delete(&self, made: &Made) -> Result<(), String> {
        let call = self.recorded(self.mutation(Method::Delete), made);
        self.call(Method::Delete, call).await.map(|_| ()).map_err(|e| told(Method::Delete, &e))
    }

    fn recorded(&self, call: Call, made: &Made) -> Call {
        Call {
            id: made.id.clone(),
            prior: sendable(&made.inputs),
            outputs: made.outputs.clone(),
            private: made.private.clone(),
            ..call
        }
    }

    /// The call by which the engine reads an object.
    pub(super) fn reading(&self, made: &Made) -> Call {
        Call { inputs: sendable(&made.inputs), prior: Fields::new(), ..self.recorded(self.blank(), made) }
    }

    /// The object as it is there; `None` when it is absent.
    pub(super) async fn read(&self, made: &Made) -> Result<Option<Object>, String> {
        let answer = self.call(Method::Read, self.reading(made)).await.map_err(|e| told(Method::Read, &e))?;
        let result: ReadResult = serde_json::from_value(answer)
            .map_err(|e| format!("the answer to `read` cannot be read: {e}"))?;
        match result {
            ReadResult::Absent => Ok(None),
            ReadResult::Object(object) => Ok(Some(*object)),
            ReadResult::Failed(error) => Err(format!("`read` failed: {}", error.message)),
        }
    }

    /// The ids of objects with the natural key of these inputs, or made by this operation.
    pub(super) async fn find(&self, op: &str, inputs: &Fields) -> Result<Vec<String>, String> {
        let call =
            Call { op: op.into(), inputs: natural_key(&self.kind, inputs), ..self.mutation(Method::Find) };
        let answer = self
            .call(Method::Find, Call { deadline_ms: None, ..call })
            .await
            .map_err(|e| told(Method::Find, &e))?;
        serde_json::from_value(answer.get("ids").cloned().unwrap_or_default())
            .map_err(|_| "the answer to `find` holds no list `ids`".to_string())
    }

    /// What is there of this kind.
    pub(super) async fn list(&self, within: Fields) -> Result<Vec<Listed>, String> {
        let call = Call { inputs: within, ..self.blank() };
        let answer = self.call(Method::List, call).await.map_err(|e| told(Method::List, &e))?;
        serde_json::from_value(answer.get("objects").cloned().unwrap_or_default())
            .map_err(|e| format!("the answer to `list` cannot be read: {e}"))
    }

    /// How what becomes of an object is found out.
    pub(super) fn recovery(&self, inputs: &Fields) -> Recover {
        recovery(&self.kind, inputs)
    }

    /// Whether something with these inputs is there; `None` where nobody can tell.
    pub(super) async fn presence(&self, op: &str, inputs: &Fields) -> Result<Option<bool>, String> {
        match self.recovery(inputs) {
            Recover::Key | Recover::Op if !natural_key(&self.kind, inputs).is_empty() => {
                Ok(Some(!self.find(op, inputs).await?.is_empty()))
            }
            Recover::Read => {
                let made = Made {
                    op: op.into(),
                    id: op.into(),
                    inputs: inputs.clone(),
                    outputs: Fields::new(),
                    private: Value::Null,
                };
                Ok(Some(self.read(&made).await?.is_some()))
            }
            Recover::Op | Recover::Key | Recover::Rerun | Recover::Ask => Ok(None),
        }
    }

    /// That a plan made now would be empty.
    pub(super) async fn second_plan(&self, after: &str, made: &Made) -> Result<(), String> {
        let Some(seen) = self.read(made).await? else {
            return Err(format!("after {after}, `read` says that it is absent"));
        };
        if seen.id != made.id && !seen.id.is_empty() {
            return Err(format!("{after} gave the id `{}` and `read` gives `{}`", made.id, seen.id));
        }
        let wanted = &made.inputs;
        if let Some(change) = changes(&self.kind, wanted, wanted, Some(&seen.inputs), &[]).first() {
            return Err(format!("after {after}, a plan would change `{}`", change.name));
        }
        if let Some(change) = outputs(&self.kind, &made.outputs, &seen.outputs).first() {
            let name = &change.name;
            return Err(format!("{after} gave another value of the output `{name}` than `read` gives"));
        }
        self.fits(Method::Read, &crate::plan::diff::merged(&made.outputs, &seen.outputs))
    }

    /// What is left after a call that did not succeed, removed; that the error told the truth of it.
    ///
    /// # Errors
    /// A contradiction.
    pub(super) async fn truth(
        &self,
        op: &str,
        inputs: &Fields,
        answer: Result<Value, CallError>,
    ) -> Result<(), String> {
        let there = match answer {
            Ok(value) => {
                let made = self.made(Method::Create, op, inputs, None, value)?;
                return self.delete(&made).await;
            }
            Err(CallError::Failed(error)) => {
                let there = self.presence(op, inputs).await?;
                if there == Some(true) && error.data.class != Class::FailedPartial {
                    return Err(format!(
                        "it says that nothing was changed, but it is there: {}",
                        error.message
                    ));
                }
                if let Some(object) = error.data.object.filter(|o| !o.id.is_empty()) {
                    let made = Made {
                        op: op.into(),
                        id: object.id,
                        inputs: inputs.clone(),
                        outputs: object.outputs,
                        private: object.private,
                    };
                    self.delete(&made).await?;
                    return match self.presence(op, inputs).await? {
                        Some(true) => Err("what it left behind is still there after `delete`".into()),
                        _ => Ok(()),
                    };
                }
                there
            }
            Err(e) => return Err(e.to_string()),
        };
        // Found by its key, as recovery would.
        if there == Some(true) {
            let ids = if let Recover::Read = self.recovery(inputs) {
                vec![op.to_string()]
            } else {
                self.find(op, inputs).await?
            };
            for id in ids {
                let made = Made {
                    op: op.into(),
                    id,
                    inputs: inputs.clone(),
                    outputs: Fields::new(),
                    private: Value::Null,
                };
                self.delete(&made).await?;
            }
        }
        Ok(())
    }
}
