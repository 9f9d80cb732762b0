//! Open records: what an interrupted operation left is found out before anything else is done with the tool.
//!
//! | status | found | then |
//! |---|---|---|
//! | noted by another tool | by key | one → taken over; none → create |
//! | creating, no id | by key (only if it was absent before), by reading, or rerun | one → update; none → create with the same key |
//! | creating with an id, updating, broken | read | there → update; absent → create |
//! | deleting, replacing | read | there → delete again; absent → done |

use super::reads::{Seen, find, read_one};
use crate::plugin::{Plugins, Settings};
use crate::state::{Entry, Status};
use dtm_lang::interface::{Kind, Recover};
use dtm_lang::{Code, Diagnostic};

/// What is really there after an interruption.
pub(crate) enum Found {
    /// Nothing: it can be made again with the same operation key.
    Nothing,
    /// This object.
    Object(Box<Entry>, Box<dtm_plugin::protocol::Object>),
    /// It cannot be told without a person.
    Ask(Diagnostic),
}

/// Finds out what an open entry stands for.
pub(crate) async fn resolve(
    plugins: &Plugins,
    plugin: &str,
    settings: &Settings,
    kind: &Kind,
    addr: &str,
    entry: &Entry,
    seen: Option<Seen>,
) -> Found {
    let look = async |entry: Entry, seen: Option<Seen>| {
        let seen = match seen {
            Some(seen) => seen,
            None => read_one(plugins, plugin, settings, &entry).await,
        };
        match seen {
            Seen::Absent => Found::Nothing,
            Seen::Object(object) => Found::Object(Box::new(entry), object),
            Seen::Failed(why) => Found::Ask(unread(addr, &plugins.redactor().mask(&why))),
        }
    };
    if entry.id.is_some() {
        return look(entry.clone(), seen).await;
    }
    let way = recovery(kind, &entry.inputs);
    match way {
        Recover::Rerun => Found::Nothing,
        Recover::Read => look(Entry { id: Some(entry.op.0.clone()), ..entry.clone() }, None).await,
        Recover::Key | Recover::Op if entry.absent_before || way == Recover::Op => {
            let key = natural_key(kind, &entry.inputs);
            match find(plugins, plugin, settings, &entry.kind, key, &entry.op.0).await {
                Ok(ids) if ids.is_empty() => Found::Nothing,
                Ok(ids) if ids.len() == 1 => {
                    look(Entry { id: ids.into_iter().next(), ..entry.clone() }, None).await
                }
                Ok(ids) => {
                    let list = ids.join("`, `");
                    Found::Ask(ask(
                        addr,
                        entry.status,
                        format!("there are several objects with its key: `{list}`"),
                    ))
                }
                Err(e) => Found::Ask(unread(addr, &plugins.redactor().mask(&e.to_string()))),
            }
        }
        _ => Found::Ask(ask(addr, entry.status, "its kind gives no way to find out what was made".into())),
    }
}

fn ask(addr: &str, status: Status, why: String) -> Diagnostic {
    let headline = match status {
        Status::Noted => format!("what another tool noted of `{addr}` is not enough to find it"),
        _ => format!("`{addr}` was interrupted while {}", format!("{status:?}").to_lowercase()),
    };
    let d = Diagnostic::new(Code::E0612, headline).tool(addr).note(why);
    d.help(format!(
        "look at the target, then say what is there: `dtm state resolve '{addr}' --id ID`, or `--none`"
    ))
}

fn unread(addr: &str, why: &str) -> Diagnostic {
    Diagnostic::new(Code::E0607, format!("`{addr}` could not be read: {why}")).tool(addr)
}

/// How the interrupted creation of an object with these inputs is resolved.
pub(crate) fn recovery(kind: &Kind, inputs: &crate::Fields) -> Recover {
    kind.recovery(|input| inputs.get(input).is_some_and(|v| !v.is_null() && v.as_bool() != Some(false)))
}

/// The inputs of the natural key.
pub(crate) fn natural_key(kind: &Kind, inputs: &crate::Fields) -> crate::Fields {
    kind.key_inputs().filter_map(|n| inputs.get(&**n).map(|v| (n.to_string(), v.clone()))).collect()
}
