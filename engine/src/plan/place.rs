//! Where an object of state is: with which configuration of its plugin it was made, and whether that still says the same
//! place.

use super::Known;
use crate::Fields;
use crate::plugin::Settings;
use crate::state::{Entry, State};
use dtm_lang::wire::{has_unknown, to_wire};
use dtm_lang::{Code, Diagnostic, Program};
use serde_json::Value as Json;

/// The settings that an object of state was made with, as they are now.
///
/// # Errors
/// The configuration is gone, or is one for another place.
pub fn settings_of(
    program: &Program,
    known: &Known,
    addr: &str,
    entry: &Entry,
) -> Result<Settings, Box<Diagnostic>> {
    let Some(config) = configuration_of(program, addr, entry)? else { return Ok(Settings::new()) };
    match to_wire(&program.configuration(config, &known.of(program)).0) {
        Json::Object(settings) if moved_place(entry, &settings) => {
            Err(Box::new(other_place(addr, entry, &settings)))
        }
        Json::Object(settings) => Ok(settings),
        _ => Ok(Settings::new()),
    }
}

/// What is known of a program's tools by a state alone.
pub fn known_in_state(program: &Program, state: &State) -> Known {
    let known = Known::default();
    for (addr, entry) in &state.tools {
        program.find(addr).into_iter().for_each(|id| known.set(id, entry.clone()));
    }
    known
}

/// The configuration of the program that an object of state was made with; none where its plugin needs none.
///
/// # Errors
/// It had a name, and the program has no configuration of that name any more.
fn configuration_of(program: &Program, addr: &str, entry: &Entry) -> Result<Option<usize>, Box<Diagnostic>> {
    let plugin = &entry.plugin.name;
    let mut all = program.hir().configures.iter();
    let found = all.position(|c| *c.plugin == **plugin && c.name.as_deref() == entry.using.as_deref());
    match (found, &entry.using) {
        (None, Some(using)) => {
            let headline =
                format!("`{addr}` was made with the configuration `{using}` of `{plugin}`, which is gone");
            let d = Diagnostic::new(Code::E0614, headline).tool(addr);
            Err(Box::new(
                d.help(format!("put `configure {plugin} as {using} {{ ... }}` back until it is deleted")),
            ))
        }
        (found, _) => Ok(found),
    }
}

/// Whether settings are for another place than the one that an object was made in.
fn moved_place(entry: &Entry, settings: &Settings) -> bool {
    entry.place.iter().any(|(k, v)| settings.get(k).is_some_and(|now| now != v && !has_unknown(now)))
}

/// Says that an object was made in another place.
pub(super) fn other_place(addr: &str, entry: &Entry, settings: &Settings) -> Diagnostic {
    let now: Fields =
        entry.place.keys().filter_map(|k| Some((k.clone(), settings.get(k)?.clone()))).collect();
    let shown = |place: &Fields| serde_json::to_string(place).unwrap_or_default();
    let headline =
        format!("`{addr}` was made in another place than the one that its plugin is configured for");
    let d = Diagnostic::new(Code::E0614, headline).tool(addr);
    d.note(format!("it was made with {}, and the settings are {} now", shown(&entry.place), shown(&now)))
}
