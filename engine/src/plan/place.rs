//! Where an object of state is: with which configuration of its plugin it was made, and whether that still says the same
//! place.

use super::Known;
use crate::Fields;
use crate::plugin::Settings;
use crate::state::{Entry, State};
use dtm_lang::index::ConfigureId;
use dtm_lang::wire::{has_unknown, to_wire};
use dtm_lang::{Code, Diagnostic, Program};
use serde_json::Value as Json;

/// Under which name a place holds the identity of what is behind the settings, as the plugin says it. No setting has such a name.
const BEHIND: &str = "@";

/// The identity of what is behind the settings of an object: the UID of its cluster, say.
pub fn behind(place: &Fields) -> Option<&str> {
    place.get(BEHIND).and_then(Json::as_str)
}

/// A place with the identity of what is behind its settings.
pub(crate) fn with_identity(mut place: Fields, identity: Option<String>) -> Fields {
    place.extend(identity.map(|identity| (BEHIND.to_string(), identity.into())));
    place
}

/// Whether two places are the same. Where both name what is behind their settings, that decides: one cluster may have several
/// names. Where one does not, as without reading, the settings decide.
pub(super) fn is_same(left: &Fields, right: &Fields) -> bool {
    let settings = |place: &Fields| -> Fields {
        place.iter().filter(|(name, _)| *name != BEHIND).map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    match (behind(left), behind(right)) {
        (Some(left), Some(right)) => left == right,
        _ => settings(left) == settings(right),
    }
}

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
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Ok(Settings::new())
        }
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
fn configuration_of(
    program: &Program,
    addr: &str,
    entry: &Entry,
) -> Result<Option<ConfigureId>, Box<Diagnostic>> {
    let plugin = &entry.plugin.name;
    let all = &program.hir().configures;
    let found = all.position(|c| *c.plugin == **plugin && c.name.as_deref() == entry.using.as_deref());
    match (found, &entry.using) {
        (None, Some(using)) => {
            let headline =
                format!("`{addr}` was created with the configuration `{using}` of `{plugin}`, which is gone");
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
    // Where it is recorded what is behind them, every call compares that.
    behind(&entry.place).is_none()
        && entry.place.iter().any(|(k, v)| settings.get(k).is_some_and(|now| now != v && !has_unknown(now)))
}

/// Says that an object was made in another place.
pub(super) fn other_place(addr: &str, entry: &Entry, settings: &Settings) -> Diagnostic {
    let shown = |settings: Fields| serde_json::to_string(&settings).unwrap_or_default();
    let keys = entry.place.keys().filter(|name| *name != BEHIND);
    let now = keys.filter_map(|k| Some((k.clone(), settings.get(k)?.clone()))).collect();
    let then = entry.place.iter().filter(|(name, _)| *name != BEHIND);
    let then = then.map(|(name, value)| (name.clone(), value.clone())).collect();
    let headline =
        format!("`{addr}` was created in a different place from the one that its plugin is configured for");
    let d = Diagnostic::new(Code::E0614, headline).tool(addr);
    let d = d.note(format!("it was created with the settings {}, which are now {}", shown(then), shown(now)));
    match behind(&entry.place) {
        Some(identity) => d.note(format!("those settings led to {}", dtm_lang::value::quote(identity))),
        None => d,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{A, check};
    use crate::testing::Bench;
    use expect_test::expect;

    #[tokio::test]
    async fn what_is_behind_the_settings_is_another_place() {
        let bench = Bench::new();
        bench.cloud.set_place("uid-1");
        assert!(bench.apply(A).await.is_complete());
        bench.cloud.set_place("uid-2");
        check(
            &bench,
            A,
            expect![[r#"
                E0614: `a` was created in a different place from the one that its plugin is configured for
            "#]],
        )
        .await;
        bench.cloud.set_place("uid-1");
        check(
            &bench,
            A,
            expect![[r#"
                a no-op
            "#]],
        )
        .await;
    }
}
