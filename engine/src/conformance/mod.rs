//! The conformance kit: what the engine relies on in every plugin, tried on one of them through the same host and
//! protocol as in a run.
//!
//! What is made is told by *cases*: an ordinary program whose tools use the plugin. It is evaluated three times, as it
//! is, with `change = true` for what the tools become by an update, and with `slow = true` for what takes so long that
//! it can be interrupted; a program that has no such param has no such change. Tools of other plugins are made before and
//! removed after, and not examined. Flow: [`Cases::load`] → [`examine`] → [`Report`].
//!
//! The kit writes no state and never looks into a target by itself: it believes `read` and `find`, and finds the plugin
//! in contradictions. What cannot be told (an object that nobody can find) is *not tried*, and never counted as held.

mod cases;
mod examinee;
mod lifecycle;
mod probe;
mod protocol;
mod report;
mod trial;

pub use cases::Cases;
pub use report::{Outcome, Report, Rule, Verdict};

use crate::plugin::Locations;
use crate::project::Surroundings;
use examinee::Examinee;
use std::collections::BTreeMap;
use std::path::Path;

/// Which plugin is examined, and where it may work.
pub struct Setup<'a> {
    /// The plugin's library or executable.
    pub file: &'a Path,
    /// An empty folder: relative paths of the cases are in it.
    pub folder: &'a Path,
    /// The environment and the dtm binary.
    pub around: &'a Surroundings,
}

/// Examines a plugin.
///
/// # Errors
/// When the cases are not about this plugin, or another plugin that they use is missing.
pub async fn examine(setup: &Setup<'_>, cases: &Cases) -> Result<Report, String> {
    let mut report = Report::default();
    let examined = cases.examined(setup.file)?;
    let locations = Locations::of_binary(&setup.around.binary);
    let mut all: BTreeMap<String, Examinee> = BTreeMap::new();
    for (name, used) in cases.program().plugins() {
        let file = match **name == *examined {
            true => setup.file.to_path_buf(),
            false => setup.around.plugin_file(&locations, name, used)?,
        };
        let env = setup.around.env_of(&used.plugin.env);
        all.insert(name.to_string(), Examinee::new(setup, file, env, used.plugin.clone()));
    }
    let Some(plugin) = all.get(examined) else { return Err(format!("no plugin `{examined}` is used")) };
    if protocol::greet(plugin, &mut report).await {
        lifecycle::run(&all, examined, cases, &mut report).await;
        protocol::behave(plugin, &mut report).await;
    }
    protocol::discretion(plugin, &mut report);
    Ok(report)
}
