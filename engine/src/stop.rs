//! How far a run is told to stop.

use serde::Serialize;

/// What a run that is interrupted still does. Each interrupt raises it by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "u8")]
pub enum StopLevel {
    /// Everything: nobody interrupted it.
    #[default]
    Run,
    /// It starts nothing new, and finishes what is running.
    Drain,
    /// It cancels what is running.
    Cancel,
    /// It kills the plugins.
    Kill,
}

impl StopLevel {
    /// The level after one more interrupt.
    #[must_use]
    pub fn raised(self) -> StopLevel {
        match self {
            StopLevel::Run => StopLevel::Drain,
            StopLevel::Drain => StopLevel::Cancel,
            StopLevel::Cancel | StopLevel::Kill => StopLevel::Kill,
        }
    }
    /// Whether nothing new may start.
    pub fn is_stopping(&self) -> bool {
        *self != StopLevel::Run
    }
}

/// As events number it, from 0.
impl From<StopLevel> for u8 {
    fn from(level: StopLevel) -> u8 {
        level as u8
    }
}
