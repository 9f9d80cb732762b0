//! Bytes to the positions of the protocol and back: lines from 0, columns in UTF-16 code units. The only place that
//! knows UTF-16.

/// The lines of a text.
#[derive(Clone, Debug)]
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Finds the lines of a text.
    pub fn new(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Lines { starts: std::iter::once(0).chain(ends).collect() }
    }

    /// Line and column of a byte; what is past the end is at the end.
    pub fn position(&self, text: &str, offset: usize) -> (u32, u32) {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|s| *s <= offset) - 1;
        let column: usize = text[self.starts[line]..offset].chars().map(char::len_utf16).sum();
        (line as u32, column as u32)
    }

    /// The byte of a line and column; what is past the end of a line is at its end.
    pub fn offset(&self, text: &str, line: u32, column: u32) -> usize {
        let Some(start) = self.starts.get(line as usize).copied() else { return text.len() };
        let end = self.starts.get(line as usize + 1).map_or(text.len(), |e| e - 1);
        let line = text[start..end].trim_end_matches('\r');
        let mut left = column as usize;
        for (at, c) in line.char_indices() {
            if left < c.len_utf16() {
                return start + at;
            }
            left -= c.len_utf16();
        }
        start + line.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn columns_are_utf16_and_go_back() {
        let text = "a\u{e9}\u{1d11e}b\r\nsecond\n";
        let lines = Lines::new(text);
        for (offset, position) in
            [(0, (0, 0)), (1, (0, 1)), (3, (0, 2)), (7, (0, 4)), (10, (1, 0)), (16, (1, 6))]
        {
            assert_eq!(lines.position(text, offset), position, "{offset}");
            assert_eq!(lines.offset(text, position.0, position.1), offset, "{position:?}");
        }
        assert_eq!(lines.offset(text, 0, 99), 8, "before the carriage return");
        assert_eq!(lines.offset(text, 99, 0), text.len());
        assert_eq!(lines.offset(text, 0, 3), 3, "in the middle of a pair is before it");
    }
}
