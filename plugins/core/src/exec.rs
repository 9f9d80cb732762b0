//! `core.Exec`: each verb is a command. Its id is the key of the operation that made it, so that after a crash `read`
//! can be asked before anybody knows an id.
//!
//! | what happened | next apply |
//! |---|---|
//! | `create` exited with another code than 0 | runs it again: its end was seen |
//! | it was stopped, or dtm or the host died in it | asks `read`; without it a person, or runs it again where `repeatable` |

use crate::command::{describe, run};
use crate::interface::exec::{Inputs, Outputs};
use dtm_plugin::process::{Ended, Outcome};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::{Value, json, to_value};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Planned};

pub(crate) struct Exec;

/// Inputs whose change runs `update`, or without it `create` anew. The others say what is done later.
const RUN_AGAIN: [&str; 5] = ["create", "dir", "env", "stdin", "triggers"];

impl Kind for Exec {
    const NAME: &'static str = "Exec";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Plan];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        for verb in ["create", "read", "update", "delete"] {
            let Some(Value::Array(command)) = inputs.get(verb) else { continue };
            match command.first() {
                None => {
                    return Err(Failure::clean(format!("`{verb}` names no program")).input(verb));
                }
                Some(Value::String(program)) if program.is_empty() => {
                    return Err(
                        Failure::clean(format!("the program of `{verb}` is an empty text")).input(verb)
                    );
                }
                Some(Value::String(program)) if command.len() == 1 && program.contains(' ') => {
                    let words: Vec<String> = program.split_whitespace().map(|w| format!("\"{w}\"")).collect();
                    let why = format!("no shell splits a command: write `[{}]`", words.join(", "));
                    return Err(Failure::clean(why).input(verb));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn plan(prior: Object<Self>, inputs: &Fields) -> Result<Planned, Failure> {
        let mut planned = Planned::default();
        let updates = inputs.get("update").is_some_and(|u| !u.is_null());
        let changed = changed(&prior.inputs, inputs);
        if !updates && let Some(first) = changed.first() {
            planned.replace.push(format!("`{first}` changes, and there is no `update`"));
        }
        if changed.is_empty() && !failed(&prior.private) {
            planned.outputs = prior.outputs;
        }
        Ok(planned)
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        if let Some(command) = &object.inputs.read {
            let ended = run(ctx, &object.inputs, command, "read")?;
            match ended.outcome {
                Outcome::Exited(0) => {}
                Outcome::Exited(1) => return Ok(None),
                Outcome::Exited(_) | Outcome::Signal(_) | Outcome::Stopped { .. } => {
                    return Err(Failure::clean(describe(&ended, command, "read")).input("read"));
                }
            }
        }
        let stopped = object.private.get("stopped").and_then(Value::as_str);
        if let (None, Some(verb), false) = (&object.inputs.read, stopped, object.inputs.repeatable) {
            return Err(Failure::clean(format!(
                "`{verb}` was interrupted, and there is no `read` to tell what it did"
            )));
        }
        let outputs = recorded(&object.outputs);
        Ok(Some(Observed { outputs, inputs: Fields::new(), drift: vec![], private: object.private }))
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let ended = run(ctx, &inputs, &inputs.create, "create")?;
        finish(ctx.op.clone(), &ended, &inputs.create, "create")
    }

    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let seen = object.outputs.get("exit_code").is_some() && !failed(&object.private);
        let wanted = match to_value(&inputs) {
            Ok(Value::Object(fields)) => fields,
            _ => Fields::new(),
        };
        let again = !seen || !changed(&object.inputs, &wanted).is_empty();
        let (verb, command) = match &inputs.update {
            Some(update) if again => ("update", update),
            // It failed before the eyes of a person, who says now that it is to be done.
            None if again && (failed(&object.private) || inputs.repeatable) => ("create", &inputs.create),
            _ => {
                let outputs = recorded(&object.outputs);
                return Ok(Change { id: object.id, outputs, private: Value::Null });
            }
        };
        let ended = run(ctx, &inputs, command, verb)?;
        finish(object.id, &ended, command, verb)
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let Some(command) = &object.inputs.delete else { return Ok(()) };
        let ended = run(ctx, &object.inputs, command, "delete")?;
        match ended.is_success() {
            true => Ok(()),
            false => Err(Failure::clean(describe(&ended, command, "delete"))),
        }
    }
}

fn finish(id: String, ended: &Ended, command: &[String], verb: &str) -> Result<Change<Exec>, Failure> {
    let failed = |how: &str| {
        Failure::partial(id.clone(), describe(ended, command, verb)).private(json!({ (how): verb }))
    };
    match ended.outcome {
        Outcome::Exited(0) => {
            let outputs = Outputs { stdout: ended.text(), exit_code: 0 };
            Ok(Change { id, outputs, private: Value::Null })
        }
        Outcome::Stopped { .. } => Err(failed("stopped")),
        Outcome::Exited(_) | Outcome::Signal(_) => Err(failed("failed")),
    }
}

fn failed(private: &Value) -> bool {
    private.get("failed").is_some()
}

/// What was recorded; empty where the end of the command was not seen.
fn recorded(outputs: &Fields) -> Outputs {
    Outputs {
        stdout: outputs.get("stdout").and_then(Value::as_str).unwrap_or("").to_string(),
        exit_code: outputs.get("exit_code").and_then(Value::as_i64).unwrap_or(0),
    }
}

/// The names of inputs that differ and make the command run again.
fn changed(prior: &Inputs, inputs: &Fields) -> Vec<&'static str> {
    let prior = to_value(prior).unwrap_or_default();
    let empty = |v: Option<&Value>| v.cloned().filter(|v| *v != json!({})).unwrap_or_default();
    RUN_AGAIN.into_iter().filter(|name| empty(prior.get(name)) != empty(inputs.get(*name))).collect()
}
