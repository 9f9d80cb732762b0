//! Open records: what an interrupted operation left is found out before anything else is done with the tool.
//!
//! | status | found | then |
//! |---|---|---|
//! | noted by another tool | by key | one → taken over; none → create |
//! | creating, no id | by key (only if it was absent before), by reading, or rerun | one → update; none → create with the same key |
//! | creating with an id, updating, broken | read | there → update; absent → create |
//! | deleting, replacing | read | there → delete again; absent → done |

use super::reads::{Seen, find, read_one};
use crate::Fields;
use crate::address::ToolAddr;
use crate::plugin::{CallError, PluginCalls, Settings};
use crate::state::{Entry, State, Status};
use dtm_lang::interface::{Kind, Recover};
use dtm_lang::shell::word;
use dtm_lang::wire::has_unknown;
use dtm_lang::{Code, Diagnostic, Program};
use std::sync::Arc;

/// What is really there after an interruption.
pub(crate) enum Found {
    /// Nothing: it can be made again with the same operation key.
    Nothing,
    /// This object.
    Object(Box<Entry>, Box<dtm_plugin::protocol::Object>),
    /// It cannot be told without a person.
    Ask(Diagnostic),
}

/// What an interrupted operation left, before anything is read: the one place that decides it, for the plan and for a call
/// whose plugin has crashed.
pub(crate) enum Left {
    /// Nothing, or something that is harmless to do again.
    Nothing,
    /// The object with this id, if there is one: reading it tells.
    Perhaps(Box<Entry>),
    /// This object, perhaps half-made.
    There(Box<Entry>),
    /// Several objects with its key: their ids.
    Several(Vec<String>),
    /// The plugin could not say.
    Unread(CallError),
    /// Its kind has no way to find out.
    Untold,
}

/// Finds out what the operation of an open entry left.
pub(crate) async fn left(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &Kind,
    entry: &Entry,
) -> Left {
    let with_id = |id: &str| Box::new(Entry { id: Some(id.to_string()), ..entry.clone() });
    if entry.id.is_some() {
        return Left::Perhaps(Box::new(entry.clone()));
    }
    let way = recovery(kind, &entry.inputs);
    match way {
        Recover::Rerun => Left::Nothing,
        // An object that is found by reading it has the key of its operation as its id.
        Recover::Read => Left::Perhaps(with_id(&entry.op.0)),
        Recover::Key | Recover::Op if entry.absent_before || way == Recover::Op => {
            let key = natural_key(kind, &entry.inputs);
            match find(plugins, plugin, settings, &entry.kind, key, &entry.op.0).await {
                Ok(ids) => match &*ids {
                    [] => Left::Nothing,
                    [id] => Left::There(with_id(id)),
                    _ => Left::Several(ids),
                },
                Err(e) => Left::Unread(e),
            }
        }
        Recover::Key | Recover::Op | Recover::Ask => Left::Untold,
    }
}

/// Determines what exists behind an open entry, reading it where necessary.
pub(crate) async fn resolve(
    plugins: &dyn PluginCalls,
    plugin: &str,
    settings: &Settings,
    kind: &Kind,
    addr: &str,
    entry: &Entry,
    seen: Option<Seen>,
) -> Found {
    let unread =
        |why: &str| Found::Ask(unread(addr, &plugins.redactor().mask(why)).help(record_result(addr, entry)));
    match left(plugins, plugin, settings, kind, entry).await {
        Left::Nothing => Found::Nothing,
        Left::Perhaps(asked) | Left::There(asked) => {
            // What was seen was seen by the id that is recorded.
            let seen = match seen.filter(|_| entry.id.is_some()) {
                Some(seen) => seen,
                None => read_one(plugins, plugin, settings, &asked).await,
            };
            match seen {
                Seen::Absent => Found::Nothing,
                Seen::Object(object) => Found::Object(asked, object),
                Seen::Failed(why) => unread(&why),
            }
        }
        Left::Several(ids) => {
            let (list, word) = (ids.join("`, `"), word(addr));
            let d = interrupted(addr, entry.status);
            Found::Ask(d.note(format!("several objects have its key: `{list}`")).help(format!(
                "look at them, then choose one: `dtm state resolve {word} --id ID`, or `dtm state resolve {word} --none`"
            )))
        }
        Left::Unread(e) => unread(&e.to_string()),
        Left::Untold => Found::Ask(untold(addr, kind, entry)),
    }
}

/// The inputs of an interrupted object with those that say how to find out what was made, where the program has them by
/// now: `None` if nothing comes of it.
pub(crate) fn with_ways(kind: &Kind, recorded: &Fields, desired: &Fields) -> Option<Fields> {
    let knows = |inputs: &Fields| recovery(kind, inputs) != kind.recover;
    if knows(recorded) || !knows(desired) {
        return None;
    }
    let ways = kind.recover_when.keys().filter_map(|name| desired.get_key_value(&**name));
    let ways =
        ways.filter(|(_, value)| !has_unknown(value)).map(|(name, value)| (name.clone(), value.clone()));
    let mut inputs = recorded.clone();
    inputs.extend(ways);
    Some(inputs)
}

/// An operation that only the user can resolve: what is known of it, and every way to continue.
fn untold(addr: &str, kind: &Kind, entry: &Entry) -> Diagnostic {
    let word = word(addr);
    let why = format!("`{}` cannot report what an interrupted operation created", kind.path());
    let diagnostic = interrupted(addr, entry.status).note(why);
    let begun =
        format!("it began at {}, as operation {}; nothing was recorded after that", entry.time, entry.op.0);
    let ways = kind.recover_when.iter();
    // An object that is found by reading it has the key of its operation as its id.
    match ways.clone().any(|(_, way)| *way == Recover::Read) {
        false => diagnostic.note(begun).help(record_result(addr, entry)),
        true => {
            let ways: Vec<String> = ways
                .map(|(input, way)| match way {
                    Recover::Read => format!("give it `{input}`, which finds out whether it was done"),
                    Recover::Rerun | Recover::Key | Recover::Op | Recover::Ask => {
                        format!("set `{input} = true` if doing it again is harmless")
                    }
                })
                .collect();
            diagnostic
                .note(begun)
                .help(format!("if it was done: `dtm state resolve {word} --id {}`", entry.op.0))
                .help(format!("if it was not, or can be done again: `dtm state resolve {word} --none`"))
                .help(format!("to let dtm resolve this by itself, {}", ways.join(", or ")))
        }
    }
}

/// How the result of an interrupted operation is recorded by a person.
pub(super) fn record_result(addr: &str, entry: &Entry) -> String {
    let (word, id) = (word(addr), entry.id.as_deref().map_or("ID".into(), word));
    format!(
        "check the target, then record the result: `dtm state resolve {word} --id {id}`, or `dtm state resolve {word} --none`"
    )
}

fn interrupted(addr: &str, status: Status) -> Diagnostic {
    let headline = if let Status::Imported = status {
        format!("the imported record of `{addr}` is not enough to find it")
    } else {
        format!("`{addr}` was interrupted while {}", status.name())
    };
    Diagnostic::new(Code::E0612, headline).tool(addr)
}

fn unread(addr: &str, why: &str) -> Diagnostic {
    Diagnostic::new(Code::E0607, format!("`{addr}` could not be read: {why}")).tool(addr)
}

/// The tools of which only a person can say what an operation that did not end left behind: no later run can find it out. What is
/// broken can be read, unless the run was interrupted while it worked on `cancelled`.
pub fn only_a_person_knows(program: &Program, state: &State, cancelled: &[&str]) -> Vec<ToolAddr> {
    let asks = |(addr, entry): &(&ToolAddr, &Arc<Entry>)| {
        let ended = match entry.status {
            Status::Ok | Status::Imported => true,
            Status::Broken => !cancelled.contains(&&***addr),
            Status::Creating | Status::Updating | Status::Replacing | Status::Deleting => false,
        };
        let asks = |id| recovery(&program.instance(id).kind, &entry.inputs) == Recover::Ask;
        !ended && program.find(addr).is_some_and(asks)
    };
    state.tools.iter().filter(asks).map(|(addr, _)| addr.clone()).collect()
}

/// How the interrupted creation of an object with these inputs is resolved.
pub(crate) fn recovery(kind: &Kind, inputs: &Fields) -> Recover {
    kind.recovery(|input| inputs.get(input).is_some_and(|v| !v.is_null() && v.as_bool() != Some(false)))
}

/// The inputs of the natural key.
pub(crate) fn natural_key(kind: &Kind, inputs: &Fields) -> Fields {
    kind.key_inputs().filter_map(|n| inputs.get(&**n).map(|v| (n.to_string(), v.clone()))).collect()
}
