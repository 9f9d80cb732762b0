//! What the engine tells while it works: one closed enum that the terminal, `--json`, tests and traces read.

use crate::address::ToolAddr;
use crate::names::PluginName;
use crate::stop::StopLevel;
use serde::Serialize;
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Reading what is in state begins.
    Reading {
        /// How many tools.
        tools: usize,
    },
    /// An operation begins; its begin record is durable.
    Started {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// What is done.
        verb: &'static str,
    },
    /// A plugin tells how far it is.
    Progress {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// The plugin's words.
        text: String,
    },
    /// A plugin has something to say that the user should know of; the operation goes on.
    Warned {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// The plugin's words.
        text: String,
    },
    /// A plugin logs.
    Log {
        /// The plugin.
        plugin: PluginName,
        /// A line.
        text: String,
    },
    /// A plugin's message that is too long to show: for the trace of the run only.
    Traced {
        /// The plugin.
        plugin: PluginName,
        /// All of it.
        text: String,
    },
    /// An operation failed in a way that may pass; it is tried again.
    Retrying {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// Milliseconds until then.
        after_ms: u64,
        /// Why.
        message: String,
    },
    /// An operation is done; its end record is durable.
    Finished {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// What was done.
        verb: &'static str,
        /// How long it took.
        ms: u64,
    },
    /// A tool turned out to need nothing.
    Unchanged {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
    },
    /// A tool failed.
    Failed {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// The code of the error.
        code: String,
        /// Why.
        message: String,
    },
    /// A tool was not begun because of another.
    Skipped {
        /// The tool.
        #[serde(rename = "address")]
        addr: ToolAddr,
        /// The tool that failed.
        because: String,
    },
    /// Something worth knowing happened.
    Notice {
        /// What.
        text: String,
    },
    /// The run was asked to stop.
    Stopping {
        /// How far; in JSON as a number, from 1.
        level: StopLevel,
    },
}

/// Where events go.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;
