//! Colored lines, wrapped at the width of the terminal. Nothing is truncated: text that does not fit continues on the next
//! line.

use crate::terminal::{Style, Terminal};

/// The color of a piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As text.
    Plain,
    /// Less important.
    Dim,
    /// A heading.
    Bold,
    /// Removed.
    Red,
    /// Added.
    Green,
    /// Changed.
    Yellow,
    /// What exactly is removed in a line.
    StrongRed,
    /// What exactly is added in a line.
    StrongGreen,
}

/// How many equal lines are shown around those that differ.
const CONTEXT: usize = 3;

/// A piece of a line.
pub type Piece = (Paint, String);

/// Where lines are written.
pub struct Paper {
    /// Colors, or none.
    pub style: Style,
    /// How many cells a line has.
    pub width: usize,
    /// Whether what is equal is shown too.
    pub all: bool,
    /// How many equal lines are shown around those that differ.
    pub context: usize,
    /// What was written.
    pub out: String,
}

impl Paper {
    /// An empty one, as wide as a terminal; with `-v` what is equal is shown on it too.
    pub fn of(terminal: &Terminal) -> Paper {
        Paper::new(terminal.style, terminal.width(), terminal.verbose > 0)
    }

    /// An empty one.
    pub fn new(style: Style, width: usize, all: bool) -> Paper {
        Paper { style, width: width.max(20), all, context: CONTEXT, out: String::new() }
    }

    /// Another one of the same kind.
    pub fn fresh(&self) -> Paper {
        Paper::new(self.style, self.width, self.all)
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        match paint {
            Paint::Plain => text.into(),
            Paint::Dim => self.style.dim(text),
            Paint::Bold => self.style.bold(text),
            Paint::Red => self.style.red(text),
            Paint::Green => self.style.green(text),
            Paint::Yellow => self.style.yellow(text),
            Paint::StrongRed => self.style.strong_red(text),
            Paint::StrongGreen => self.style.strong_green(text),
        }
    }

    /// Whether pieces fit on one line after an indentation.
    pub fn fits(&self, indent: usize, pieces: &[Piece]) -> bool {
        indent + pieces.iter().map(|(_, text)| cells(text)).sum::<usize>() <= self.width
    }

    /// Writes an empty line.
    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Writes pieces as a line, indented; lines that it continues on are indented by `hang`.
    pub fn put(&mut self, indent: usize, hang: usize, pieces: &[Piece]) {
        // If the prefix leaves too little room, the hanging indentation is dropped.
        let hang = if self.width < hang + 16 { self.width.saturating_sub(16).min(hang) } else { hang };
        let flat: Vec<(char, Paint, usize)> =
            pieces.iter().flat_map(|(paint, text)| text.chars().map(|c| (c, *paint, cell(c)))).collect();
        let (mut start, mut margin) = (0, indent);
        loop {
            let room = self.width.saturating_sub(margin).max(4);
            let (mut end, mut used) = (start, 0);
            while let Some((_, _, cells)) = flat.get(end) {
                if used + cells > room && end > start {
                    break;
                }
                used += cells;
                end += 1;
            }
            if end < flat.len() {
                let least = start + (end - start) / 2;
                // A line is broken in front of a blank, so that the blank is seen on the next one.
                let blank = (least..=end).rev().find(|at| flat[*at].0 == ' ' && *at > start);
                end = blank.unwrap_or(end);
                while end > start + 1 && flat[end - 1].0 == ' ' {
                    end -= 1;
                }
            }
            self.out.extend(std::iter::repeat_n(' ', margin));
            let mut from = start;
            while from < end {
                let paint = flat[from].1;
                let to = (from..end).find(|at| flat[*at].1 != paint).unwrap_or(end);
                let text: String = flat[from..to].iter().map(|(c, ..)| *c).collect();
                self.out += &self.paint(paint, &text);
                from = to;
            }
            self.out.push('\n');
            if end >= flat.len() {
                return;
            }
            (start, margin) = (end, hang);
        }
    }
}

fn cell(letter: char) -> usize {
    if letter.is_ascii() { 1 } else { console::measure_text_width(letter.encode_utf8(&mut [0; 4])) }
}

/// How many cells a text takes.
pub fn cells(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(cell).sum() }
}
