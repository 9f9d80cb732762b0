//! `dtm state fork`: a new lineage for a state that was copied with its project.

use crate::copies::{Copied, Leave, only_inside};
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::{Opened, state_at};
use crate::store::guard;
use crate::terminal::Terminal;
use dtm_lang::Code;

pub(super) fn run(
    global: &Global,
    terminal: &Terminal,
    file: &FileArg,
    leave: Option<Leave>,
) -> Result<Exit, Failure> {
    let Opened { around, store, place, selected, guessed: _, project } = state_at(global, file)?.chosen()?;
    only_inside(&place)?;
    let name = project.as_ref().map(|p| p.file.clone()).unwrap_or_default();
    guard(&around, &name, &place, &store, selected)?;
    if store.load()?.is_new {
        return Err(Failure::new(Code::E0606, "there is no state to fork: nothing has been applied yet"));
    }
    let named = project.as_ref().map(|p| p.named.clone()).unwrap_or_default();
    let copied = Copied { global, terminal, around: &around, place: &place, named: &named };
    copied.fork(&store, leave)?;
    Ok(Exit::Done)
}
