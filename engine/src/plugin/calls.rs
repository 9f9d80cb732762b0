//! What the planner and the executor need of plugins. [`super::Plugins`] answers with processes; a test answers with objects in
//! memory, so that neither the decision table nor the walk needs a process.

use super::{CallError, Settings};
use crate::address::ToolAddr;
use crate::secret::Redactor;
use crate::state::{Journal, OpKey};
use dtm_lang::interface::Plugin;
use dtm_plugin::protocol::{Manifest, Method};
use serde_json::Value;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The answer of a plugin that is not implemented yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One call of a plugin.
pub struct Request<'a> {
    /// The plugin, by its name in the program.
    pub plugin: &'a str,
    /// The settings of its configuration.
    pub settings: &'a Settings,
    /// What is asked.
    pub method: Method,
    /// With what; the handle of the configuration is added.
    pub params: Value,
    /// At the deadline the operation is cancelled, and after [`super::GRACE`] its process is killed.
    pub deadline: Duration,
    /// Whether nothing else may run in the plugin meanwhile.
    pub alone: bool,
    /// The identity of what must be behind the settings, where one is recorded: an object is never looked for elsewhere.
    pub place: Option<&'a str>,
}

/// The plugins of a run, by their name in the program.
pub trait PluginCalls: Send + Sync {
    /// Calls a plugin. The error is one of [`CallError`].
    fn call<'a>(&'a self, request: Request<'a>) -> Pending<'a, Result<Value, CallError>>;

    /// The manifest of a plugin, which starts it. The error is one of [`CallError`].
    fn manifest<'a>(&'a self, plugin: &'a str) -> Pending<'a, Result<Manifest, CallError>>;

    /// The identity of what is behind settings that are known; none where the plugin does not say. The error is one of
    /// [`CallError`].
    fn place<'a>(
        &'a self,
        plugin: &'a str,
        settings: &'a Settings,
    ) -> Pending<'a, Result<Option<String>, CallError>>;

    /// Whether a plugin can be started at all; the error says why not.
    fn usable(&self, plugin: &str) -> Result<(), String>;

    /// The interface of a plugin by path, for tools that are only in the state.
    fn interface_beside(&self, path: &str) -> Option<Arc<Plugin>>;

    /// The project's root, which is the working directory of plugins.
    fn folder(&self) -> &Path;

    /// The secrets of the run.
    fn redactor(&self) -> &Redactor;

    /// Notes which tool an operation belongs to, for its progress and checkpoints.
    fn watch(&self, op: &OpKey, addr: &ToolAddr, journal: &Journal);

    /// Forgets an operation that has ended.
    fn unwatch(&self, op: &OpKey);

    /// Starts nothing that still waits for its turn.
    fn stop(&self);

    /// Asks every running operation to end.
    fn cancel_all(&self) -> Pending<'_, ()>;

    /// Kills every plugin process.
    fn kill_all(&self) -> Pending<'_, ()>;
}
