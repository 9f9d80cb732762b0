//! One call of a plugin that changes something: tried again where that may help, its answer held against the interface,
//! and after a crash found out before it is done again.

use super::StopLevel;
use super::operation::{Failed, Operation};
use crate::event::Event;
use crate::plan::reads::{Seen, read_alone};
use crate::plan::recover::{Left, left};
use crate::plugin::{CallError, LONGEST_PAUSE, Request};
use crate::state::Entry;
use dtm_lang::Code;
use dtm_lang::value::duration_text;
use dtm_plugin::protocol::{Call, Class, Method, Object};
use serde_json::Value as Json;
use std::time::{Duration, Instant};

/// A call that failed, by what exists after it.
pub(super) enum AttemptError {
    /// The call changed nothing.
    Unchanged(Failed),
    /// The call changed something, or may have.
    Changed {
        /// The object as it is now, where the plugin says it.
        object: Option<Box<Object>>,
        /// What went wrong.
        failed: Failed,
    },
}

impl AttemptError {
    /// A failure after which nobody knows what exists.
    fn unknown(failed: impl Into<Failed>) -> AttemptError {
        AttemptError::Changed { object: None, failed: failed.into() }
    }
}

impl From<AttemptError> for Failed {
    fn from(error: AttemptError) -> Failed {
        match error {
            AttemptError::Unchanged(failed) | AttemptError::Changed { failed, .. } => failed,
        }
    }
}

/// So long a lock that was not renewed in time is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl Operation<'_> {
    pub(super) fn deadline(&self, verb: Method) -> Duration {
        let options = self
            .node
            .instance
            .and_then(|id| self.cx.program.as_ref().map(|p| p.instance(id).options.clone()));
        let recorded = self.node.prior.as_ref().filter(|_| options.is_none()).and_then(|p| p.timeout);
        let ns = options
            .and_then(|o| o.timeout)
            .or(recorded)
            .or_else(|| self.node.kind.as_ref().and_then(|k| k.timeouts.get(verb.name()).copied()));
        ns.map_or(self.cx.options.timeout, |ns| Duration::from_nanos(ns.max(0) as u64))
    }

    /// Until when the plugin may begin it, if the lock ends by itself: nothing is begun under a lock that may be another's by
    /// then. A lease that is over may still be renewed.
    async fn lease(&self) -> Result<Option<u64>, AttemptError> {
        let Some(lease) = &self.cx.options.lease else { return Ok(None) };
        let until = Instant::now() + PATIENCE;
        while lease.is_over() {
            if Instant::now() >= until || self.cx.stop.borrow().is_stopping() {
                let d = self.fail(
                    Code::E0807,
                    "it was not started: the lock on the state could not be renewed in time",
                );
                return Err(AttemptError::Unchanged(d));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(lease.until()))
    }

    fn retries(&self) -> u32 {
        let options = self
            .node
            .instance
            .and_then(|id| self.cx.program.as_ref().map(|p| p.instance(id).options.clone()));
        options.and_then(|o| o.retries).unwrap_or(self.cx.options.retries)
    }

    /// Calls the plugin, trying again what may pass.
    pub(super) async fn attempt(
        &self,
        verb: Method,
        mut call: Call,
        entry: &Entry,
    ) -> Result<Object, AttemptError> {
        let deadline = self.deadline(verb);
        call.deadline_ms = Some(deadline.as_millis() as u64);
        let mut tries = 0;
        let mut alone = false;
        loop {
            call.start_before = self.lease().await?;
            let params = serde_json::to_value(&call).unwrap_or(Json::Null);
            let (plugin, settings) = (&*self.node.plugin, &self.settings);
            let place = crate::plan::place::behind(&entry.place);
            let request = Request { plugin, settings, method: verb, params, deadline, alone, place };
            let result = self.cx.plugins.call(request).await;
            match result {
                // The answer contains no object: at most a note that the object was left.
                Ok(value) if verb == Method::Delete => {
                    return Ok(Object { private: value, ..Object::default() });
                }
                Ok(value) => {
                    let object: Result<Object, _> = serde_json::from_value(value);
                    if let Ok(object) = &object
                        && let Err(why) = self.conforms(object)
                    {
                        let d = self.fail(
                            Code::E0708,
                            format!("the plugin's answer does not fit its interface: {why}"),
                        );
                        let kept = (!object.id.is_empty())
                            .then(|| Box::new(Object { id: object.id.clone(), ..Object::default() }));
                        return Err(AttemptError::Changed { object: kept, failed: d });
                    }
                    return object.map_err(|e| {
                        let text = format!("the plugin's answer cannot be read: {e}");
                        AttemptError::unknown(self.fail(Code::E0708, text))
                    });
                }
                Err(CallError::Failed(error)) => {
                    let stopped = self.cx.stop.borrow().is_stopping();
                    let longest = deadline.max(LONGEST_PAUSE);
                    let asked = error.data.after_ms.map(Duration::from_millis).filter(|a| *a > longest);
                    let again = error.data.class == Class::Retryable && tries < self.retries();
                    if again && !stopped && asked.is_none() {
                        let after = error.data.after_ms.unwrap_or_else(|| backoff(tries));
                        tries += 1;
                        let (addr, message) = (self.node.addr.clone(), self.cx.redactor.mask(&error.message));
                        (self.cx.events)(Event::Retrying { addr, after_ms: after, message });
                        let mut stop = self.cx.stop.clone();
                        tokio::select! {
                            () = tokio::time::sleep(Duration::from_millis(after)) => continue,
                            _ = stop.wait_for(StopLevel::is_stopping) => {}
                        }
                    }
                    let mut diagnostic = *self.fail(Code::E0704, error.message.clone());
                    if let Some(input) = &error.data.input {
                        diagnostic = diagnostic.note(format!("the error is in the input `{input}`"));
                    }
                    if again && asked.is_some() {
                        diagnostic = diagnostic.note(format!(
                            "it may be tried again, but only after more than {}, the longest wait for this tool",
                            duration_text(longest.as_nanos() as i64)
                        ));
                    }
                    if tries > 0 {
                        diagnostic = diagnostic.note(format!("tried {} times", tries + 1));
                    }
                    return Err(match error.data.class {
                        Class::FailedPartial => AttemptError::Changed {
                            object: error.data.object.map(Box::new),
                            failed: Box::new(diagnostic),
                        },
                        Class::Retryable | Class::FailedClean => {
                            AttemptError::Unchanged(Box::new(diagnostic))
                        }
                    });
                }
                Err(CallError::TimedOut(after)) => {
                    let text =
                        format!("{verb} did not end within {}", duration_text(after.as_nanos() as i64));
                    let d = *self.fail(Code::E0707, text);
                    let d = d.help(match self.node.instance {
                        Some(_) => {
                            "give it more time: `with { timeout = 1h }`; the next apply determines the outcome"
                        }
                        None => {
                            "the next apply determines the outcome; to give it more time, declare the tool again with a \
                             longer `with { timeout = 1h }` and apply that first"
                        }
                    });
                    return Err(AttemptError::unknown(d));
                }
                Err(CallError::Unusable(why)) => {
                    let d = *self.fail(Code::E0705, why);
                    return Err(AttemptError::unknown(d.help("the next apply determines the outcome")));
                }
                Err(CallError::Lost(why)) => {
                    if *self.cx.stop.borrow() == StopLevel::Kill {
                        let text = "its plugin was killed because the run was stopped";
                        return Err(AttemptError::unknown(self.fail(Code::E0705, text)));
                    }
                    if alone {
                        let d = *self.fail(Code::E0705, format!("its plugin crashed: {why}"));
                        let d =
                            d.note("no other operation was running in the plugin, so this one is the cause");
                        let d = d.help("the next apply determines the outcome");
                        return Err(AttemptError::unknown(d));
                    }
                    // What became of it is found out before it is done again, alone.
                    alone = true;
                    let text = format!(
                        "its plugin crashed: {why}; its outcome is determined, and then it is tried again"
                    );
                    let (addr, text) = (self.node.addr.clone(), self.cx.redactor.mask(&text));
                    (self.cx.events)(Event::Warned { addr, text });
                    if let Some(object) = self.resolve(verb, entry).await? {
                        return Ok(object);
                    }
                }
            }
        }
    }

    /// After a crash: whether the operation was done after all. `None` when it must be done again.
    async fn resolve(&self, verb: Method, entry: &Entry) -> Result<Option<Object>, AttemptError> {
        let Some(kind) = &self.node.kind else { return Ok(None) };
        let unknown = |why: String| {
            let text = format!("its outcome could not be determined: {why}");
            AttemptError::unknown(self.fail(Code::E0607, text))
        };
        let (plugins, plugin, settings) = (&*self.cx.plugins, &*self.node.plugin, &self.settings);
        match (verb, &entry.id) {
            (Method::Create, None) => match left(plugins, plugin, settings, kind, entry).await {
                // Creating it again with the same key completes what is half-made.
                Left::Nothing | Left::There(_) => Ok(None),
                Left::Perhaps(asked) => match read_alone(plugins, plugin, settings, &asked).await {
                    Seen::Absent => Ok(None),
                    Seen::Object(_) => Err(unknown("it exists now, and the next apply completes it".into())),
                    Seen::Failed(why) => Err(unknown(why)),
                },
                Left::Several(ids) => Err(unknown(format!("there are {} objects with its key", ids.len()))),
                Left::Unread(e) => Err(unknown(e.to_string())),
                Left::Untold => Err(unknown("its kind does not support this".into())),
            },
            (Method::Delete, _) => match read_alone(plugins, plugin, settings, entry).await {
                Seen::Absent => Ok(Some(Object::default())),
                Seen::Object(_) => Ok(None),
                Seen::Failed(why) => Err(unknown(why)),
            },
            _ => match read_alone(plugins, plugin, settings, entry).await {
                Seen::Absent | Seen::Object(_) => Ok(None),
                Seen::Failed(why) => Err(unknown(why)),
            },
        }
    }
}

/// Exponential, with jitter: about 0.5, 1, 2, 4 seconds.
fn backoff(tries: u32) -> u64 {
    let base = 500u64 << tries.min(6);
    let jitter = getrandom::u32().unwrap_or(0) as u64 % (base / 2 + 1);
    base * 3 / 4 + jitter
}
