//! Progress while a plan is carried out: on a terminal one line for each of the tools that run longest, a total bar, and
//! finished tools scrolling above; elsewhere a line for each finished tool; for machines the events themselves.
//!
//! Nothing is drawn when something happens: what happened is kept, and a thread draws it at a steady rate. So a run of
//! thousands of tools neither flickers nor waits for its terminal.

use super::live::{Live, Running, Scene};
use crate::log;
use crate::terminal::{Style, Terminal, safe};
use dtm_engine::difference::visible;
use dtm_engine::event::{Event, Events};
use dtm_engine::execute::StopLevel;
use dtm_lang::diag::visible_json;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often what is live is drawn.
const FRAME: Duration = Duration::from_millis(80);

/// What shows events.
pub struct View {
    scene: Mutex<Scene>,
    /// The thread that draws, until its sender is gone.
    artist: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
    live: bool,
    json: bool,
    quiet: bool,
    verbose: bool,
    style: Style,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// A view of a run in which `total` tools change, and the events that it hears.
pub fn view(terminal: &Terminal, total: usize) -> (Arc<View>, Events) {
    let view = Arc::new(View {
        scene: Mutex::default(),
        artist: Mutex::default(),
        live: terminal.is_interactive() && !terminal.json && !terminal.quiet,
        json: terminal.json,
        quiet: terminal.quiet,
        verbose: terminal.verbose > 0,
        style: terminal.style,
    });
    if view.live {
        let mut live = Live::new(total, terminal.style);
        let (stop, stopped) = mpsc::channel();
        let drawn = view.clone();
        let artist = std::thread::spawn(move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(FRAME) {
                live.draw(&mut lock(&drawn.scene));
            }
            live.draw(&mut lock(&drawn.scene));
            live.close();
        });
        *lock(&view.artist) = Some((stop, artist));
        let says = view.clone();
        log::above(Some(Box::new(move |line| says.say(line))));
    }
    let heard = view.clone();
    (view, Arc::new(move |event| heard.show(&event)))
}

impl View {
    /// Writes a line above what is live. A reader that went away is ignored: the work goes on.
    fn say(&self, line: &str) {
        if self.live {
            return lock(&self.scene).said.push(line.into());
        }
        use std::io::Write;
        let line = if self.json { visible_json(line) } else { safe(line) };
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn ended(&self, addr: &str) {
        let mut scene = lock(&self.scene);
        scene.running.retain(|r| r.addr != addr);
        scene.done += 1;
    }

    fn show(&self, event: &Event) {
        if let Event::Traced { .. } = event {
            return;
        }
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
            Event::Reading { .. } | Event::Traced { .. } => {}
            Event::Started { addr, verb } => {
                let mut scene = lock(&self.scene);
                if !scene.running.iter().any(|r| r.addr == *addr) {
                    let (addr, since) = (addr.clone(), Instant::now());
                    scene.running.push(Running { addr, verb, since, text: String::new() });
                }
            }
            Event::Progress { addr, text } => {
                if self.live {
                    let mut scene = lock(&self.scene);
                    let running = scene.running.iter_mut().find(|r| r.addr == *addr);
                    running.into_iter().for_each(|r| r.text.clone_from(text));
                } else if self.verbose {
                    self.say(&format!("    {addr}: {text}"));
                }
            }
            Event::Warned { addr, text } => {
                self.say(&self.style.yellow(&format!("  ! {}: warning: {text}", visible(addr))));
            }
            Event::Log { plugin, text } => {
                if self.verbose {
                    self.say(&self.style.dim(&format!("    {plugin}: {text}")));
                }
            }
            Event::Retrying { addr, after_ms, message } => {
                let wait = Duration::from_millis(*after_ms).as_secs_f32();
                self.say(
                    &self.style.yellow(&format!("  ! {}: {message}; again in {wait:.1}s", visible(addr))),
                );
            }
            Event::Finished { addr, verb, ms } => {
                self.ended(addr);
                let (mark, word) = done(verb, self.style);
                let took = if *ms >= 100 { format!(" ({:.1}s)", *ms as f32 / 1000.0) } else { String::new() };
                self.say(&format!("  {mark} {} {word}{took}", visible(addr)));
            }
            Event::Unchanged { addr } => self.ended(addr),
            Event::Failed { addr, message, .. } => {
                self.ended(addr);
                lock(&self.scene).failed += 1;
                self.say(&failure(addr, message, self.style));
            }
            Event::Skipped { addr, .. } => {
                self.ended(addr);
                lock(&self.scene).skipped += 1;
            }
            Event::Notice { text } => self.say(&format!("note: {text}")),
            Event::Stopping { level } => self.say(match level {
                StopLevel::Run | StopLevel::Drain => {
                    "Stopping: no new operation starts; running operations finish. Interrupt again to cancel it."
                }
                StopLevel::Cancel => "Canceling the running operations. Interrupt again to kill the plugins.",
                StopLevel::Kill => "Killing the plugins.",
            }),
        }
    }

    /// Draws what is left to say, and removes what is live.
    pub fn close(&self) {
        log::above(None);
        if let Some((stop, artist)) = lock(&self.artist).take() {
            drop(stop);
            let _ = artist.join();
        }
    }
}

/// A failure; what a command wrote is indented under its tool.
fn failure(addr: &str, message: &str, style: Style) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or("");
    let mut out = format!("  {} {} failed: {first}", style.red("!"), visible(addr));
    for line in lines {
        let line = visible(line);
        out += format!("\n      {line}").trim_end();
    }
    out
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
