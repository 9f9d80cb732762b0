//! Progress while a plan is carried out: on a terminal one line for each running tool, a total bar, and finished
//! tools scrolling above; elsewhere a line for each finished tool; for machines the events themselves.

use crate::terminal::{Style, Terminal};
use dtm_engine::event::{Event, Events};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// At most so many running tools have a line of their own.
const LINES: usize = 12;

/// What shows events.
pub struct View {
    live: Option<MultiProgress>,
    total: Option<ProgressBar>,
    running: Mutex<HashMap<String, ProgressBar>>,
    json: bool,
    quiet: bool,
    verbose: bool,
    style: Style,
}

/// A view of a run in which `total` tools change, and the events that it hears.
pub fn view(terminal: &Terminal, total: usize) -> (Arc<View>, Events) {
    let live = terminal.is_interactive() && !terminal.json && !terminal.quiet;
    let multi = live.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(15)));
    let bar = multi.as_ref().filter(|_| total > 0).map(|m| {
        let bar = m.add(ProgressBar::new(total as u64));
        let style = ProgressStyle::with_template("  {pos}/{len} {wide_bar} {elapsed}");
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "))
    });
    let view = Arc::new(View {
        live: multi,
        total: bar,
        running: Mutex::default(),
        json: terminal.json,
        quiet: terminal.quiet,
        verbose: terminal.verbose,
        style: terminal.style,
    });
    let heard = view.clone();
    (view, Arc::new(move |event| heard.show(&event)))
}

impl View {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.running.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Writes a line above what is live. A reader that went away is ignored: the work goes on.
    fn say(&self, line: &str) {
        match &self.live {
            Some(live) => _ = live.println(line),
            None => {
                use std::io::Write;
                let _ = writeln!(std::io::stdout(), "{line}");
            }
        }
    }

    fn ended(&self, addr: &str) {
        if let (Some(bar), Some(live)) = (self.running().remove(addr), &self.live) {
            bar.finish_and_clear();
            live.remove(&bar);
        }
        if let Some(total) = &self.total {
            total.inc(1);
        }
    }

    fn started(&self, addr: &str, verb: &str) {
        let Some(live) = &self.live else { return };
        let mut running = self.running();
        if running.contains_key(addr) || running.len() >= LINES {
            return;
        }
        let bar = match &self.total {
            Some(total) => live.insert_before(total, ProgressBar::new_spinner()),
            None => live.add(ProgressBar::new_spinner()),
        };
        let style = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(format!("{addr}: {verb}"));
        bar.enable_steady_tick(Duration::from_millis(100));
        running.insert(addr.to_string(), bar);
    }

    fn show(&self, event: &Event) {
        if self.json {
            if let Ok(text) = serde_json::to_string(event) {
                self.say(&text);
            }
            return;
        }
        if self.quiet {
            return;
        }
        match event {
            Event::Reading { .. } => {}
            Event::Started { addr, verb } => self.started(addr, verb),
            Event::Progress { addr, text } => match self.running().get(addr) {
                Some(bar) => bar.set_message(text.clone()),
                None if self.verbose && self.live.is_none() => self.say(&format!("    {addr}: {text}")),
                None => {}
            },
            Event::Warned { addr, text } => {
                self.say(&self.style.yellow(&format!("  ! {addr}: warning: {text}")));
            }
            Event::Log { plugin, text } => {
                if self.verbose {
                    self.say(&self.style.dim(&format!("    {plugin}: {text}")));
                }
            }
            Event::Retrying { addr, after_ms, message } => {
                let wait = Duration::from_millis(*after_ms).as_secs_f32();
                self.say(&self.style.yellow(&format!("  ! {addr}: {message}; again in {wait:.1}s")));
            }
            Event::Finished { addr, verb, ms } => {
                self.ended(addr);
                let (mark, word) = done(verb, self.style);
                let took = if *ms >= 100 { format!(" ({:.1}s)", *ms as f32 / 1000.0) } else { String::new() };
                self.say(&format!("  {mark} {addr} {word}{took}"));
            }
            Event::Unchanged { addr } => self.ended(addr),
            Event::Failed { addr, message, .. } => {
                self.ended(addr);
                self.say(&format!("  {} {addr} failed: {message}", self.style.red("!")));
            }
            Event::Skipped { addr, .. } => self.ended(addr),
            Event::Notice { text } => self.say(&format!("note: {text}")),
            Event::Stopping { level } => self.say(match level {
                1 => "Stopping: nothing new starts; what runs is finished. Interrupt again to cancel it.",
                2 => "Cancelling what runs. Interrupt again to kill the plugins.",
                _ => "Killing the plugins.",
            }),
        }
    }

    /// Removes what is live.
    pub fn close(&self) {
        self.running().drain().for_each(|(_, bar)| bar.finish_and_clear());
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
    }
}

fn done(verb: &str, style: Style) -> (String, &'static str) {
    match verb {
        "create" => (style.green("+"), "created"),
        "update" => (style.yellow("~"), "updated"),
        "replace" => (style.yellow("-/+"), "replaced"),
        "delete" => (style.red("-"), "deleted"),
        "forget" => (style.dim("x"), "forgotten"),
        "find" => (style.dim("?"), "found"),
        "adopt" => (style.green(">"), "adopted"),
        _ => (style.dim("<"), "recorded"),
    }
}
