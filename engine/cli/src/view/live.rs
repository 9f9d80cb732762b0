//! The part of the terminal that is drawn again and again, at the bottom of what scrolls.
//!
//! ```text
//!   + note created                         said: scrolls away
//!   ⠂ site: create 4s uploading            drawn
//!   1/3 ======>            00:00:04        drawn
//! _                                        the cursor, between frames
//! ```
//!
//! A frame is one write. Every line ends in a line break and is shorter than the terminal is wide, so that none is broken
//! by the terminal until that gets narrower; how many rows they take then is what [`Live::erase`] counts.

use crate::terminal::{Style, safe, size};
use console::{measure_text_width, truncate_str};
use dtm_engine::address::ToolAddr;
use std::io::Write;
use std::time::Instant;

/// At most so many running tools have a line of their own; fewer where the terminal is low.
const LINES: usize = 12;

/// How many cells the bar has.
const BAR: usize = 24;

const SPINNER: [&str; 8] = ["⠁", "⠂", "⠄", "⡀", "⢀", "⠠", "⠐", "⠈"];

/// A tool that runs.
pub(super) struct Running {
    pub(super) addr: ToolAddr,
    pub(super) verb: &'static str,
    pub(super) since: Instant,
    pub(super) text: String,
}

/// What is to be drawn.
#[derive(Default)]
pub(super) struct Scene {
    /// The tools that run, the longest first.
    pub(super) running: Vec<Running>,
    /// Lines that scroll above.
    pub(super) said: Vec<String>,
    pub(super) done: usize,
    pub(super) failed: usize,
    /// Not begun because of those that failed.
    pub(super) skipped: usize,
}

/// What is drawn now.
pub(super) struct Live {
    total: usize,
    style: Style,
    begun: Instant,
    frames: usize,
    /// How wide each of its lines is.
    drawn: Vec<usize>,
    /// Whether the terminal breaks lines anew when it gets narrower, as most do.
    reflows: bool,
}

impl Live {
    pub(super) fn new(total: usize, style: Style) -> Live {
        let set = |name: &str| std::env::var_os(name).is_some();
        let console = std::env::var_os("TERM").is_some_and(|term| term == "linux");
        let reflows = !(set("XTERM_VERSION") || set("STY") || console);
        Live { total, style, begun: Instant::now(), frames: 0, drawn: vec![], reflows }
    }

    /// Draws the next frame; what was said since the last one scrolls up above it.
    pub(super) fn draw(&mut self, scene: &mut Scene) {
        let (width, height) = size();
        let said = std::mem::take(&mut scene.said);
        let lines = self.lines(scene, width, height);
        self.frames += 1;
        // Terminals that know it show a frame only when it is whole.
        let mut frame = format!("\x1b[?2026h{}", self.erase(width));
        said.iter().for_each(|line| frame += &format!("{}\n", safe(line)));
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
        lines.iter().for_each(|line| frame += &format!("{line}\n"));
        write(&format!("{frame}\x1b[?2026l"));
    }

    /// Removes what is drawn.
    pub(super) fn close(&mut self) {
        write(&self.erase(size().0));
        self.drawn.clear();
    }

    /// What moves the cursor to where the last frame began, and clears from there.
    fn erase(&self, width: usize) -> String {
        let rows: usize = match self.reflows {
            true => self.drawn.iter().map(|cells| cells.div_ceil(width).max(1)).sum(),
            false => self.drawn.len(),
        };
        if rows == 0 { String::new() } else { format!("\x1b[{rows}A\r\x1b[J") }
    }

    fn lines(&self, scene: &Scene, width: usize, height: usize) -> Vec<String> {
        let room = height.saturating_sub(4).clamp(1, LINES);
        let shown = scene.running.len().min(room);
        let spinner = SPINNER[self.frames % SPINNER.len()];
        let running = scene.running[..shown].iter();
        let mut lines: Vec<String> =
            running.map(|r| format!("  {spinner} {}", self.running(r, width))).collect();
        let mut words = vec![];
        if scene.running.len() > shown {
            words.push(format!("and {} more", scene.running.len() - shown));
        }
        if scene.failed > 0 {
            words.push(self.style.red(&format!("{} failed", scene.failed)));
        }
        if scene.skipped > 0 {
            words.push(format!("{} skipped", scene.skipped));
        }
        lines.push(format!("  {} {}", self.total(scene.done, width), words.join(", ")));
        // A message stays on one line, whatever a plugin reports.
        let one = |line: &String| safe(line).replace(['\n', '\t'], " ");
        lines.iter().map(|line| truncate_str(&one(line), width - 1, "…").into_owned()).collect()
    }

    /// `addr: verb 1.2s text`; a long address gives way where the terminal is narrow.
    fn running(&self, running: &Running, width: usize) -> String {
        let room = (width / 2).max(16);
        let addr = match running.addr.chars().count() {
            n if n > room => {
                let tail: String = running.addr.chars().skip(n - room + 1).collect();
                format!("…{tail}")
            }
            _ => running.addr.to_string(),
        };
        let took = running.since.elapsed().as_secs();
        let took = if took >= 60 { format!("{}m{:02}s", took / 60, took % 60) } else { format!("{took}s") };
        format!("{addr}: {} {took} {}", running.verb, self.style.dim(&running.text))
    }

    /// How many are done, the bar where there is room, and the time.
    fn total(&self, done: usize, width: usize) -> String {
        let took = self.begun.elapsed().as_secs();
        let took = format!("{:02}:{:02}:{:02}", took / 3600, took / 60 % 60, took % 60);
        let total = self.total;
        if width < 60 {
            return format!("{done}/{total} {took}");
        }
        let cells = (done * BAR).checked_div(total).unwrap_or(BAR).min(BAR);
        let tip = if cells < BAR { ">" } else { "" };
        format!("{done}/{total} {:BAR$} {took}", format!("{}{tip}", "=".repeat(cells)))
    }
}

/// A terminal that went away is no reason to stop working.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
