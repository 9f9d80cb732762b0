//! `dtm explain CODE`

use crate::exit::{Exit, Failure};
use crate::terminal::Terminal;
use clap::Args;
use dtm_lang::diag::{CODES, lookup, nearest};
use dtm_lang::{Code, Diagnostic};

/// The arguments of `dtm explain`.
#[derive(Args)]
#[command(after_help = "Examples:\n  dtm explain E0301\n  dtm explain        lists all codes")]
pub struct Explain {
    /// The code; without it all are listed.
    pub code: Option<String>,
}

pub(super) fn run(terminal: &Terminal, args: &Explain) -> Result<Exit, Failure> {
    let Some(wanted) = &args.code else {
        for code in CODES {
            let title = code.page().lines().next().unwrap_or("").trim_start_matches("# ");
            terminal.out(&format!("{title}\n"));
        }
        return Ok(Exit::Done);
    };
    match lookup(wanted) {
        Some(code) => {
            terminal.out(code.page());
            Ok(Exit::Done)
        }
        None => {
            let d = Diagnostic::new(Code::E0901, format!("no code `{wanted}` is known"));
            let near = nearest(&wanted.to_uppercase(), CODES.iter().map(|c| c.id()));
            let d = match near {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("`dtm explain` lists all codes"),
            };
            Err(Failure::of(d))
        }
    }
}
