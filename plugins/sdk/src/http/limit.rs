//! When the next request may be sent: a budget of our own, and what the server says.

use crate::Ctx;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many requests may be sent at once, and how many per second after that.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests at once.
    pub burst: u32,
    /// Requests per second.
    pub per_second: f64,
}

/// Requests that may be sent, filled up as time passes.
pub(super) struct Bucket {
    rate: Rate,
    /// How many there are, and since when.
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Bucket {
        Bucket { rate, state: Mutex::new((f64::from(rate.burst), Instant::now())) }
    }

    /// Takes one; how long to wait before it may be sent.
    pub(super) fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let (left, since) = *state;
        let filled = left + now.saturating_duration_since(since).as_secs_f64() * self.rate.per_second;
        let left = filled.min(f64::from(self.rate.burst)) - 1.0;
        *state = (left, now);
        match left < 0.0 && self.rate.per_second > 0.0 {
            true => Duration::from_secs_f64((-left / self.rate.per_second).min(3600.0)),
            false => Duration::ZERO,
        }
    }
}

/// How long the server wants us to wait: `Retry-After` in seconds or as a date (RFC 9110), or the time at which a used-up rate
/// limit begins again, as GitHub, GitLab and Gitea say it.
pub(super) fn asked(header: impl Fn(&str) -> Option<String>, now: SystemTime) -> Option<Duration> {
    if let Some(text) = header("retry-after") {
        let text = text.trim();
        let date = || httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
        return text.parse().ok().map(Duration::from_secs).or_else(date);
    }
    let first = |names: &[&str]| names.iter().find_map(|name| header(name));
    let used_up = first(&["x-ratelimit-remaining", "ratelimit-remaining"])?.trim() == "0";
    let reset: u64 = first(&["x-ratelimit-reset", "ratelimit-reset"])?.trim().parse().ok()?;
    let until = UNIX_EPOCH + Duration::from_secs(reset);
    used_up.then(|| until.duration_since(now).unwrap_or_default() + Duration::from_secs(1))
}

/// Waits; `false` when the operation is cancelled, or would have no time left.
pub(super) fn wait(ctx: &Ctx, pause: Duration) -> bool {
    let until = Instant::now() + pause;
    if ctx.deadline.is_some_and(|deadline| until >= deadline) {
        return false;
    }
    loop {
        if ctx.is_cancelled() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_a_rate() {
        let bucket = Bucket::new(Rate { burst: 2, per_second: 10.0 });
        let start = Instant::now();
        let waits: Vec<u128> = (0..4).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200]);
        assert_eq!(bucket.take(start + Duration::from_secs(60)), Duration::ZERO);
    }

    #[test]
    fn what_a_server_asks_for() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |headers: &[(&str, &str)]| {
            asked(|name| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()), now)
        };
        assert_eq!(of(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(of(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(Duration::from_secs(3)));
        assert_eq!(of(&[("retry-after", "soon")]), None);
        let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "784111787")];
        assert_eq!(of(&reset), Some(Duration::from_secs(11)));
        assert_eq!(of(&[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "784111787")]), None);
        assert_eq!(of(&[]), None);
    }
}
