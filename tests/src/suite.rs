//! A Markdown suite as sections with blocks.

/// A fenced block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The first word after the fence: `dts`, `plan`, `console`.
    pub kind: String,
    /// The rest of that line: a file's name.
    pub arg: String,
    /// What stands between the fences.
    pub text: String,
    /// The first line of the text, counted from 0.
    pub line: usize,
}

/// The blocks under one heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The headings that lead to it.
    pub name: String,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
}

/// The sections of a suite that have blocks.
///
/// # Panics
/// When a fence is not closed.
pub fn sections(text: &str) -> Vec<Section> {
    let mut out: Vec<Section> = vec![];
    let mut way: Vec<String> = vec![];
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let (kind, arg) = info.split_once(' ').unwrap_or((info, ""));
            let mut body = String::new();
            let mut first = None;
            loop {
                let (number, line) = lines.next().expect("every fence is closed");
                first.get_or_insert(number);
                if line == "```" {
                    break;
                }
                body += line;
                body.push('\n');
            }
            let block =
                Block { kind: kind.into(), arg: arg.trim().into(), text: body, line: first.unwrap_or(0) };
            if out.is_empty() || out.last().is_some_and(|s| s.name != way.join(" / ")) {
                out.push(Section { name: way.join(" / "), blocks: vec![] });
            }
            if let Some(section) = out.last_mut() {
                section.blocks.push(block);
            }
        } else if line.starts_with('#') {
            let depth = line.chars().take_while(|c| *c == '#').count();
            way.truncate(depth - 1);
            way.resize(depth - 1, String::new());
            way.push(line.trim_start_matches('#').trim().to_string());
            way.retain(|w| !w.is_empty());
        }
    }
    out
}

/// The suite with the text of some blocks replaced: line of the block's text, new text.
pub fn replaced(suite: &str, mut changes: Vec<(usize, String)>) -> String {
    changes.sort();
    let lines: Vec<&str> = suite.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    for (line, text) in changes {
        lines[at..line].iter().for_each(|l| out += &format!("{l}\n"));
        out += &text;
        at = line;
        while lines[at] != "```" {
            at += 1;
        }
    }
    lines[at..].iter().for_each(|l| out += &format!("{l}\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_belong_to_their_heading_and_can_be_replaced() {
        let suite = "# A\n\n## b\n\n```dts\nx\n```\n\n## c\n\n```plan\nold\n```\n";
        let found = sections(suite);
        assert_eq!(found.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["A / b", "A / c"]);
        assert_eq!(found[1].blocks[0].kind, "plan");
        let new = replaced(suite, vec![(found[1].blocks[0].line, "new\nlines\n".into())]);
        assert!(new.ends_with("```plan\nnew\nlines\n```\n"), "{new}");
    }
}
