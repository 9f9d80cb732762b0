//! `--trace FILE`: how long everything took, from the events of a run, in the trace event format that Perfetto
//! (<https://ui.perfetto.dev>) and `chrome://tracing` open. With the feature `otel`, the same spans go to a collector of
//! OpenTelemetry where `OTEL_EXPORTER_OTLP_ENDPOINT` names one.

#[cfg(feature = "otel")]
mod otel;

use crate::exit::Failure;
use crate::files;
use dtm_engine::event::{Event, Events};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// Something that took time.
struct Span {
    name: String,
    /// `phase`, or what was done with a tool.
    category: &'static str,
    /// Lane 0 has the phases; spans of one lane never overlap.
    lane: usize,
    from: Duration,
    took: Duration,
    /// What went wrong.
    failed: Option<String>,
}

/// Something that happened at a moment.
struct Mark {
    name: String,
    text: String,
    lane: usize,
    at: Duration,
}

#[derive(Default)]
struct Recorded {
    spans: Vec<Span>,
    marks: Vec<Mark>,
    phase: Option<(&'static str, Duration)>,
    /// What runs: its verb, since when, and its lane.
    running: HashMap<String, (&'static str, Duration, usize)>,
    /// Which lanes are taken.
    lanes: Vec<bool>,
    written: bool,
}

impl Recorded {
    fn end_phase(&mut self, now: Duration) {
        if let Some((name, from)) = self.phase.take() {
            let took = now.saturating_sub(from);
            self.spans.push(Span { name: name.into(), category: "phase", lane: 0, from, took, failed: None });
        }
    }

    fn start(&mut self, addr: &str, verb: &'static str, now: Duration) {
        let free = self.lanes.iter().position(|taken| !taken).unwrap_or(self.lanes.len());
        match self.lanes.get_mut(free) {
            Some(lane) => *lane = true,
            None => self.lanes.push(true),
        }
        self.running.insert(addr.into(), (verb, now, free + 1));
    }

    fn end(&mut self, addr: &str, failed: Option<&str>, now: Duration) {
        let Some((verb, from, lane)) = self.running.remove(addr) else { return };
        self.lanes[lane - 1] = false;
        let took = now.saturating_sub(from);
        let failed = failed.map(String::from);
        self.spans.push(Span { name: addr.into(), category: verb, lane, from, took, failed });
    }

    fn mark(&mut self, name: &str, text: &str, addr: Option<&str>, at: Duration) {
        let lane = addr.and_then(|a| self.running.get(a)).map_or(0, |(.., lane)| *lane);
        self.marks.push(Mark { name: name.into(), text: text.into(), lane, at });
    }

    fn hear(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Started { addr, verb } => self.start(addr, verb, now),
            Event::Finished { addr, .. } | Event::Unchanged { addr } => self.end(addr, None, now),
            Event::Failed { addr, message, .. } => self.end(addr, Some(message), now),
            Event::Progress { addr, text } => self.mark("progress", text, Some(addr), now),
            Event::Warned { addr, text } => self.mark("warning", text, Some(addr), now),
            Event::Retrying { addr, message, .. } => self.mark("retry", message, Some(addr), now),
            Event::Traced { plugin, text } => self.mark(plugin, text, None, now),
            Event::Notice { text } => self.mark("note", text, None, now),
            Event::Stopping { level } => self.mark("stopping", &u8::from(*level).to_string(), None, now),
            Event::Reading { .. } | Event::Log { .. } | Event::Skipped { .. } => {}
        }
    }
}

/// A run that is recorded, if anybody wants to know. It is written at its end, however that comes.
pub struct Trace(Arc<Run>);

struct Run {
    command: &'static str,
    path: Option<PathBuf>,
    began: Instant,
    /// The same moment by the clock on the wall.
    time: SystemTime,
    recorded: Mutex<Recorded>,
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl Trace {
    /// Begins, once it is sure that the file can be written; nothing is there before the run has ended.
    ///
    /// # Errors
    /// When the file cannot be written, or is something else.
    pub fn begin(command: &'static str, path: Option<&Path>) -> Result<Trace, Failure> {
        if let Some(path) = path {
            let is_trace = |path: &Path| {
                std::fs::read(path).is_ok_and(|b| b.is_empty() || b.starts_with(br#"{"displayTimeUnit""#))
            };
            files::only_over(path, "trace", is_trace)?;
            files::writable(path)?;
        }
        let (began, time) = (Instant::now(), SystemTime::now());
        let path = path.map(Path::to_path_buf);
        Ok(Trace(Arc::new(Run { command, path, began, time, recorded: Mutex::default() })))
    }

    /// The next part of the run begins, and the one before has ended.
    pub fn phase(&self, name: &'static str) {
        let now = self.0.began.elapsed();
        let mut recorded = self.0.recorded();
        recorded.end_phase(now);
        recorded.phase = Some((name, now));
    }

    /// Events that are recorded, and told to `next` too.
    pub fn hearing(&self, next: Events) -> Events {
        if !self.0.is_wanted() {
            return next;
        }
        let run = self.0.clone();
        Arc::new(move |event| {
            let now = run.began.elapsed();
            run.recorded().hear(&event, now);
            next(event);
        })
    }

    /// Writes what was recorded, once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&self) -> Result<(), Failure> {
        self.0.finish()
    }
}

impl Run {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn is_wanted(&self) -> bool {
        #[cfg(feature = "otel")]
        if otel::is_wanted() {
            return true;
        }
        self.path.is_some()
    }

    fn finish(&self) -> Result<(), Failure> {
        let mut recorded = self.recorded();
        if std::mem::replace(&mut recorded.written, true) {
            return Ok(());
        }
        let now = self.began.elapsed();
        recorded.end_phase(now);
        for addr in recorded.running.keys().cloned().collect::<Vec<_>>() {
            recorded.end(&addr, Some("not ended"), now);
        }
        #[cfg(feature = "otel")]
        if otel::is_wanted() {
            otel::export(self.command, self.time, now, &recorded)?;
        }
        let Some(path) = &self.path else { return Ok(()) };
        let text = self.perfetto(&recorded).to_string();
        files::write(path, text + "\n")
    }

    /// The trace event format: times in microseconds, a lane as a thread.
    fn perfetto(&self, recorded: &Recorded) -> Value {
        let micros = |d: Duration| d.as_nanos() as f64 / 1000.0;
        let mut events = vec![
            json!({ "ph": "M", "name": "process_name", "pid": 1, "args": { "name": format!("dtm {}", self.command) } }),
        ];
        let named = |lane: usize| if lane == 0 { "phases".into() } else { format!("lane {lane}") };
        events.extend((0..=recorded.lanes.len()).map(|lane| {
            json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": lane, "args": { "name": named(lane) } })
        }));
        events.extend(recorded.spans.iter().map(|s| {
            let mut event = json!({
                "ph": "X", "pid": 1, "tid": s.lane, "name": s.name, "cat": s.category,
                "ts": micros(s.from), "dur": micros(s.took), "args": { "verb": s.category },
            });
            if let Some(why) = &s.failed {
                event["args"]["failed"] = why.as_str().into();
                event["cname"] = "terrible".into();
            }
            event
        }));
        events.extend(recorded.marks.iter().map(|m| {
            json!({
                "ph": "i", "s": "t", "pid": 1, "tid": m.lane, "name": m.name, "ts": micros(m.at), "args": { "text": m.text },
            })
        }));
        let began = self.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        json!({
            "displayTimeUnit": "ms",
            "otherData": { "program": "dtm", "version": env!("CARGO_PKG_VERSION"), "began_unix_ms": began },
            "traceEvents": events,
        })
    }
}
