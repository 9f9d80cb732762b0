//! Waiting between requests that are sent again.

use std::time::Duration;

/// Pauses that grow, with a part of each left to chance, so that many do not come back at once.
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    pub(super) fn new() -> Pauses {
        Pauses { next: Pauses::FIRST }
    }
    /// Waits; not less than what the server asked for.
    pub(super) fn wait(&mut self, asked: Option<Duration>) {
        let mut chance = [0u8; 1];
        let _ = getrandom::fill(&mut chance);
        let share = 0.5 + f64::from(chance[0]) / 512.0;
        std::thread::sleep(self.next.mul_f64(share).max(asked.unwrap_or_default().min(Pauses::LONGEST)));
        self.next = (self.next * 2).min(Pauses::LONGEST);
    }
}
