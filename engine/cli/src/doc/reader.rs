//! Markdown for a terminal: paragraphs wrapped at its width, headings bold, code as it is.

use crate::view::paper::{Paint, Paper, Piece};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Renders a page on an empty paper.
pub fn render(markdown: &str, paper: Paper) -> String {
    let mut reader =
        Reader { paper, pieces: vec![], paint: vec![], lists: vec![], code: None, row: None, rows: vec![] };
    Parser::new_ext(markdown, Options::ENABLE_TABLES).for_each(|event| reader.take(event));
    reader.paper.out
}

struct Reader {
    paper: Paper,
    /// The text of the paragraph so far.
    pieces: Vec<Piece>,
    /// How text is painted, the innermost last.
    paint: Vec<Paint>,
    /// For each open list the number of its next item, if it is numbered.
    lists: Vec<Option<u64>>,
    /// The name of the file of an open block of code, and the code so far.
    code: Option<(String, String)>,
    /// The cells of an open row of a table.
    row: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
}

impl Reader {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a terminal shows nothing else of Markdown")]
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                self.blank();
                self.paint.push(Paint::Bold);
            }
            Event::End(TagEnd::Heading(_)) => {
                self.paint.pop();
                self.flush();
            }
            Event::Start(Tag::Paragraph) if self.lists.is_empty() => self.blank(),
            Event::End(TagEnd::Paragraph) => self.flush(),
            Event::Start(Tag::List(first)) => {
                self.flush();
                if self.lists.is_empty() {
                    self.blank();
                }
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => _ = self.lists.pop(),
            Event::Start(Tag::Item) => {
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".into(),
                };
                self.pieces.push((Paint::Plain, mark));
            }
            Event::End(TagEnd::Item) => self.flush(),
            Event::Start(Tag::Strong | Tag::Emphasis) => self.paint.push(Paint::Bold),
            Event::End(TagEnd::Strong | TagEnd::Emphasis) => _ = self.paint.pop(),
            Event::Start(Tag::CodeBlock(kind)) => {
                let file = match &kind {
                    CodeBlockKind::Fenced(words) => words.split_whitespace().nth(1).unwrap_or_default(),
                    CodeBlockKind::Indented => "",
                };
                self.flush();
                self.blank();
                self.code = Some((file.to_string(), String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some((file, code)) = self.code.take() else { return };
                if !file.is_empty() {
                    self.paper.put(4, 4, &[(Paint::Dim, file)]);
                }
                for line in code.lines() {
                    self.paper.put(4, 6, &[(Paint::Plain, line.to_string())]);
                }
            }
            Event::Start(Tag::Table(_)) => self.blank(),
            Event::Start(Tag::TableHead | Tag::TableRow) => self.row = Some(vec![]),
            Event::Start(Tag::TableCell) => self.row.iter_mut().for_each(|row| row.push(String::new())),
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => self.rows.extend(self.row.take()),
            Event::End(TagEnd::Table) => self.table(),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.text(&format!("`{text}`")),
            Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((_, code)) = &mut self.code {
            code.push_str(text);
        } else if let Some(cell) = self.row.as_mut().and_then(|row| row.last_mut()) {
            cell.push_str(text);
        } else {
            self.pieces.push((self.paint.last().copied().unwrap_or(Paint::Plain), text.to_string()));
        }
    }

    /// Ends the paragraph: its words, in lines that fit.
    fn flush(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        let letters = pieces.iter().flat_map(|(paint, text)| text.chars().map(|letter| (letter, *paint)));
        let letters: Vec<(char, Paint)> = letters.collect();
        let mut margin = 2 * self.lists.len().saturating_sub(1);
        let hang = if self.lists.is_empty() { margin } else { margin + 2 };
        let mut line: Vec<Piece> = vec![];
        for word in letters.split(|(letter, _)| *letter == ' ').filter(|word| !word.is_empty()) {
            let mut word: Vec<Piece> = word.chunk_by(|a, b| a.1 == b.1).map(piece).collect();
            let blank = if line.is_empty() { vec![] } else { vec![(Paint::Plain, " ".to_string())] };
            if !line.is_empty() && !self.paper.fits(margin, &[&*line, &*blank, &*word].concat()) {
                self.paper.put(margin, margin, &std::mem::take(&mut line));
                margin = hang;
            } else {
                line.extend(blank);
            }
            line.append(&mut word);
        }
        if !line.is_empty() {
            self.paper.put(margin, margin, &line);
        }
    }

    fn blank(&mut self) {
        if !self.paper.out.is_empty() && !self.paper.out.ends_with("\n\n") {
            self.paper.out.push('\n');
        }
    }

    /// The rows of a table, the first column as wide as its widest cell.
    fn table(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| crate::view::paper::cells(cell)).max().unwrap_or(0).min(self.paper.width / 3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::new();
            let mut hang = 0;
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == row.len() {
                    hang = crate::view::paper::cells(&line);
                    line += cell;
                } else {
                    let blanks = widths[column].saturating_sub(crate::view::paper::cells(cell));
                    line += &format!("{cell}{}  ", " ".repeat(blanks));
                }
            }
            let paint = if number == 0 { Paint::Bold } else { Paint::Plain };
            self.paper.put(0, hang.min(self.paper.width / 2), &[(paint, line)]);
        }
    }
}

fn piece(letters: &[(char, Paint)]) -> Piece {
    let paint = letters.first().map_or(Paint::Plain, |(_, paint)| *paint);
    (paint, letters.iter().map(|(letter, _)| *letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Style;

    #[test]
    fn a_page_is_laid_out_for_a_terminal() {
        let page = "# A page\n\nSome *words* and `code` that go on\nfor more than a line.\n\n- one\n- two with more words than fits\n\n```dts a.dts\nlet x  =  1\n```\n\n| a | b |\n|---|---|\n| x | y |\n";
        let out = render(page, Paper::new(Style::PLAIN, 30, false));
        assert_eq!(
            out,
            "A page\n\nSome words and `code` that go\non for more than a line.\n\n- one\n- two with more words than\n  fits\n\n    a.dts\n    let x  =  1\n\na  b\nx  y\n"
        );
    }
}
