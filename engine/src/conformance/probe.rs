//! Single questions to one case: what is asked, and what a right answer is.

use super::examinee::PATIENCE;
use super::trial::{Made, Trial, told};
use crate::Fields;
use crate::plan::recover::natural_key;
use crate::plugin::CallError;
use dtm_lang::wire::{from_wire, unknown};
use dtm_plugin::protocol::{Call, Class, FindResult, Method, Placed, Preview, ReadResult};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// When an operation is cancelled, and how early its deadline is.
const EARLY: Duration = Duration::from_millis(150);

/// How many calls run at the same time.
const MANY: usize = 32;

/// `validate` of what is right, of what is right with an unknown value, and of nothing but unknown values.
pub(super) async fn validate(trial: &Trial<'_>, inputs: &Fields) -> Result<(), String> {
    let ask = async |what: String, inputs: Fields| {
        let call = Call { kind: trial.kind.name.to_string(), inputs, ..Call::default() };
        trial.call(Method::Validate, call).await.map(|_| ()).map_err(|e| format!("{what}: {e}"))
    };
    let mut result = ask("the inputs of the case".into(), inputs.clone()).await;
    for name in inputs.keys() {
        let mut some = inputs.clone();
        some.insert(name.clone(), unknown());
        result = match result {
            Ok(()) => ask(format!("the inputs with an unknown `{name}`"), some).await,
            Err(why) => Err(why),
        };
    }
    let unknown = inputs.keys().map(|n| (n.clone(), unknown())).collect();
    let result = match result {
        Ok(()) => ask("inputs that are all unknown".into(), unknown).await,
        Err(why) => Err(why),
    };
    match (result, trial.presence("none", inputs).await) {
        (Ok(()), Ok(Some(true))) => Err("after `validate` it is there".into()),
        (result, _) => result,
    }
}

/// `list` while an object is there: it is named once, with a key that `find` takes.
pub(super) async fn listed(trial: &Trial<'_>, within: Fields, made: &Made) -> Result<(), String> {
    let found = trial.list(within).await?;
    let ours: Vec<_> = found.iter().filter(|l| l.id == made.id).collect();
    let [one] = *ours else {
        return Err(format!(
            "`list` gives {} objects, and {} of them is `{}`",
            found.len(),
            ours.len(),
            made.id
        ));
    };
    let ids = trial.find(&made.op, &one.key).await?;
    match ids == [made.id.clone()] {
        true => Ok(()),
        false => Err(format!("`list` gives `{}` a key of which `find` says {ids:?}", made.id)),
    }
}

/// Creations that cannot be: an input is missing, or of another type.
pub(super) async fn misfit(trial: &Trial<'_>, inputs: &Fields) -> Result<(), String> {
    for (name, input) in &trial.kind.inputs {
        let required = input.field.default.is_none() && from_wire(&Value::Null, &input.field.ty).is_err();
        let mut wrong = vec![];
        if required {
            let without: Fields =
                inputs.iter().filter(|(n, _)| **n != **name).map(|(n, v)| (n.clone(), v.clone())).collect();
            wrong.push((format!("without `{name}`"), without, true));
        }
        let odd = json!({ "never": ["fits", 7] });
        if from_wire(&odd, &input.field.ty).is_err() {
            let mut other = inputs.clone();
            other.insert(name.to_string(), odd);
            wrong.push((format!("with a `{name}` of another type"), other, false));
        }
        for (what, wrong, must_fail) in wrong {
            let call = Call { inputs: wrong, ..trial.mutation(Method::Create) };
            let op = call.op.clone();
            let answer = trial.call(Method::Create, call).await;
            match &answer {
                Ok(_) if must_fail => {
                    trial.truth(&op, inputs, answer).await?;
                    return Err(format!("`create` {what} succeeds"));
                }
                Err(CallError::Failed(e)) if e.data.class == Class::FailedPartial && must_fail => {
                    return Err(format!("`create` {what} fails, but not as `failed_clean`: {}", e.message));
                }
                _ => {}
            }
            trial.truth(&op, inputs, answer).await.map_err(|why| format!("`create` {what}: {why}"))?;
        }
    }
    Ok(())
}

/// A creation that is cancelled early; with `at_deadline` it knew that it had not more time. `false` when it had ended
/// before.
pub(super) async fn interrupted(
    trial: &Trial<'_>,
    inputs: &Fields,
    at_deadline: bool,
) -> Result<bool, String> {
    let mut call = Call { inputs: inputs.clone(), ..trial.mutation(Method::Create) };
    if at_deadline {
        call.deadline_ms = Some(EARLY.as_millis() as u64);
    }
    let (op, started) = (call.op.clone(), Instant::now());
    let answer = trial.plugin.cancelled(&trial.settings, Method::Create, call, EARLY).await;
    let in_time = started.elapsed() < EARLY;
    if let Err(CallError::TimedOut(_)) = answer {
        let grace = crate::plugin::GRACE.as_secs();
        return Err(format!("it did not end within {grace}s after it was cancelled, and was killed"));
    }
    trial.truth(&op, inputs, answer).await.map(|()| !in_time)
}

/// A second creation with the same operation key.
pub(super) async fn same_op(trial: &Trial<'_>, op: &str, made: &Made) -> Result<(), String> {
    let again = trial.create(op, &made.inputs).await.map_err(|why| format!("a second time, {why}"))?;
    if again.id != made.id {
        return Err(format!("a second `create` with the same key gave `{}`, not `{}`", again.id, made.id));
    }
    trial.second_plan("a second `create` with the same key", made).await
}

/// Whether `read_many` answers as `read`; `false` when it is not answered at all.
pub(super) async fn read_many(trial: &Trial<'_>, made: &Made) -> Result<bool, String> {
    let one = trial.read(made).await?;
    let process = trial.plugin.process().await.map_err(|e| e.to_string())?;
    let config = process.config(&trial.settings).await.map_err(|e| told(Method::Configure, &e))?;
    let call = Call { config, ..trial.reading(made) };
    let asked = trial.plugin.ask(Method::ReadMany, json!({ "calls": [call, call, call] }), PATIENCE);
    let answer = match asked.await {
        Ok(answer) => answer,
        Err(CallError::Failed(_)) => return Ok(false),
        Err(e) => return Err(told(Method::ReadMany, &e)),
    };
    let results: Vec<ReadResult> = serde_json::from_value(answer)
        .map_err(|e| format!("the answer to `read_many` cannot be read: {e}"))?;
    if results.len() != 3 {
        return Err(format!("`read_many` gave {} answers to 3 calls", results.len()));
    }
    for result in results {
        match (result, &one) {
            (ReadResult::Absent, None) => {}
            (ReadResult::Object(object), Some(one)) if *object == *one => {}
            _ => return Err("`read_many` gives another answer than `read`".into()),
        }
    }
    Ok(true)
}

/// Whether `find_many` answers as `find`.
pub(super) async fn find_many(trial: &Trial<'_>, made: &Made) -> Result<(), String> {
    let one = trial.find(&made.op, &made.inputs).await?;
    let process = trial.plugin.process().await.map_err(|e| e.to_string())?;
    let config = process.config(&trial.settings).await.map_err(|e| told(Method::Configure, &e))?;
    let inputs = natural_key(&trial.kind, &made.inputs);
    let kind = trial.kind.name.to_string();
    let call = Call { config, kind, inputs, op: made.op.clone(), ..Call::default() };
    let params = json!({ "calls": [call, call, call] });
    let answer = trial.plugin.ask(Method::FindMany, params, PATIENCE).await;
    let results: Vec<FindResult> = serde_json::from_value(answer.map_err(|e| told(Method::FindMany, &e))?)
        .map_err(|e| format!("the answer to `find_many` cannot be read: {e}"))?;
    if results.len() != 3 {
        return Err(format!("`find_many` gave {} answers to 3 calls", results.len()));
    }
    match results.iter().all(|result| matches!(result, FindResult::Ids(ids) if *ids == one)) {
        true => Ok(()),
        false => Err("`find_many` and `find` give different answers".into()),
    }
}

/// The identity of the place, asked for twice.
pub(super) async fn place(trial: &Trial<'_>) -> Result<(), String> {
    let process = trial.plugin.process().await.map_err(|e| e.to_string())?;
    let config = process.config(&trial.settings).await.map_err(|e| told(Method::Configure, &e))?;
    let mut places = vec![];
    for _ in 0..2 {
        let answer = trial.plugin.ask(Method::Place, json!({ "config": config }), PATIENCE).await;
        let placed: Placed = serde_json::from_value(answer.map_err(|e| told(Method::Place, &e))?)
            .map_err(|e| format!("the answer to `place` cannot be read: {e}"))?;
        places.push(placed);
    }
    match places[0] == places[1] {
        true => Ok(()),
        false => Err("`place` returned a different identity the second time".into()),
    }
}

/// `preview` of a creation: afterwards nothing is there.
pub(super) async fn preview(trial: &Trial<'_>, inputs: &Fields) -> Result<(), String> {
    let call = Call { kind: trial.kind.name.to_string(), inputs: inputs.clone(), ..Call::default() };
    let answer = trial.call(Method::Preview, call).await.map_err(|e| told(Method::Preview, &e))?;
    serde_json::from_value::<Preview>(answer)
        .map_err(|e| format!("the answer to `preview` cannot be read: {e}"))?;
    match trial.presence("none", inputs).await? {
        Some(true) => Err("the object exists after `preview`".into()),
        Some(false) | None => Ok(()),
    }
}

/// Many reads at the same time: all are answered, and alike.
pub(super) async fn parallel(trial: &Trial<'_>, made: &Made) -> Result<(), String> {
    let one = serde_json::to_value(
        trial.read(made).await?.map_or(ReadResult::Absent, |object| ReadResult::Object(Box::new(object))),
    );
    let process = trial.plugin.process().await.map_err(|e| e.to_string())?;
    let config = process.config(&trial.settings).await.map_err(|e| told(Method::Configure, &e))?;
    let params = serde_json::to_value(Call { config, ..trial.reading(made) }).unwrap_or_default();
    let asked: Result<Vec<_>, String> =
        (0..MANY).map(|_| process.request(Method::Read, params.clone())).collect();
    for receiver in asked? {
        let late =
            |_| format!("{MANY} reads at the same time were not all answered within {}s", PATIENCE.as_secs());
        match tokio::time::timeout(PATIENCE, receiver).await.map_err(late)? {
            Ok(Ok(answer)) => {
                let answer: Result<ReadResult, _> = serde_json::from_value(answer);
                if answer.ok().and_then(|a| serde_json::to_value(a).ok()) != one.as_ref().ok().cloned() {
                    return Err(format!("{MANY} reads at the same time do not agree"));
                }
            }
            Ok(Err(error)) => {
                return Err(format!("of {MANY} reads at the same time one failed: {}", error.message));
            }
            Err(_) => {
                return Err(format!(
                    "{MANY} reads at the same time: {}",
                    process.exit_reason().map(|f| f.why).unwrap_or_default()
                ));
            }
        }
    }
    Ok(())
}

/// What `plan` says of a change: outputs, and whether the object must be replaced.
pub(super) async fn plan(trial: &Trial<'_>, made: &Made, inputs: &Fields) -> Result<(Fields, bool), String> {
    let ask = async |inputs: &Fields| {
        let reading = trial.reading(made);
        let call = Call { prior: reading.inputs.clone(), inputs: inputs.clone(), ..reading };
        trial.call(Method::Plan, call).await.map_err(|e| told(Method::Plan, &e))
    };
    let before = trial.read(made).await?;
    let first = ask(inputs).await?;
    if ask(inputs).await? != first {
        return Err("`plan` gives two answers to one question".into());
    }
    for name in inputs.keys() {
        let mut some = inputs.clone();
        some.insert(name.clone(), unknown());
        ask(&some).await.map_err(|why| format!("with an unknown `{name}`: {why}"))?;
    }
    if trial.read(made).await? != before {
        return Err("after `plan`, `read` gives another answer than before".into());
    }
    let outputs = first.get("outputs").and_then(Value::as_object).cloned().unwrap_or_default();
    let replaces = first.get("replace").and_then(Value::as_array).is_some_and(|r| !r.is_empty());
    Ok((outputs, replaces))
}
