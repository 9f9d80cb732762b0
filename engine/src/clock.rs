//! The time since the machine started, which goes on while it sleeps: a lease ends for a sleeper too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time since the machine started.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec as u32)
}

/// Elsewhere, the time of the wall.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Until when something may be begun. Its owner moves it on, others look.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// Nanoseconds of [`now`].
    until: Arc<AtomicU64>,
}

impl Lease {
    /// It lasts until then.
    pub fn renew(&self, until: Duration) {
        self.until.store(nanoseconds(until), Ordering::Relaxed);
    }
    /// Until when it lasts, in nanoseconds since the machine started.
    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }
    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        is_over(self.until())
    }
}

/// Whether this time, in nanoseconds since the machine started, has come.
pub fn is_over(until: u64) -> bool {
    nanoseconds(now()) >= until
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
