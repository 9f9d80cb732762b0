//! `dtm explain CODE`

use crate::EXTENSIONS;
use crate::complete;
use crate::doc::reader::render;
use crate::doc::reference::{by_topic, guide_of};
use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use crate::view::paper::Paper;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use dtm_lang::diag::nearest;
use dtm_lang::frontend::codes;
use dtm_lang::{Code, Diagnostic};
use serde_json::json;
use std::fmt::Write;

/// The arguments of `dtm explain`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm explain E0301\n  dtm explain        lists all codes, by topic\n  dtm explain E0301 --json\n\nA page ends with the pages of the guide to read about the topic."
)]
pub struct Explain {
    /// The code; without it, all are listed.
    #[arg(add = ArgValueCandidates::new(complete::codes))]
    pub code: Option<String>,
}

pub(crate) fn run(terminal: &Terminal, args: &Explain) -> Result<Exit, Failure> {
    let codes = codes(EXTENSIONS.frontends);
    let Some(wanted) = &args.code else {
        if terminal.json {
            terminal.line(
                &codes.iter().map(|code| json!({ "code": code.id(), "title": title(*code) })).collect(),
            );
            return Ok(Exit::Done);
        }
        let mut list = String::new();
        for topic in by_topic().chunk_by(|a, b| a.topic() == b.topic()) {
            let heading = topic.first().map_or("", |code| code.topic());
            let _ = writeln!(list, "{}{heading}", if list.is_empty() { "" } else { "\n" });
            topic.iter().for_each(|code| _ = writeln!(list, "  {code}  {}", title(*code)));
        }
        terminal.page(&list);
        return Ok(Exit::Done);
    };
    match codes.iter().copied().find(|code| code.id().eq_ignore_ascii_case(wanted)) {
        Some(code) if terminal.json => {
            let page = code.page();
            terminal.line(&json!({ "code": code.id(), "title": title(code), "page": page, "guide": guide_of(code.topic()) }));
            Ok(Exit::Done)
        }
        Some(code) => {
            let guide: Vec<String> =
                guide_of(code.topic()).iter().map(|page| format!("`dtm help guide {page}`")).collect();
            let page = format!("{}\n\nIn the guide: {}\n", code.page().trim_end(), guide.join(", "));
            match terminal.style.is_on() {
                true => terminal.page(&render(&page, Paper::of(terminal))),
                false => terminal.out(&page),
            }
            Ok(Exit::Done)
        }
        None => {
            let d = Diagnostic::new(Code::E0901, format!("unknown code `{wanted}`"));
            let near = nearest(&wanted.to_uppercase(), codes.iter().map(|c| c.id()));
            let d = match near {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("list all codes: `dtm explain`"),
            };
            Err(Failure::of(d))
        }
    }
}

/// The first line of a code's page, without the code.
fn title(code: Code) -> &'static str {
    let line = code.page().lines().next().unwrap_or("").trim_start_matches("# ");
    line.strip_prefix(code.id()).unwrap_or(line).trim_start_matches([':', ' '])
}
