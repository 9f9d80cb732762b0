//! `dtm lsp`: the language server on standard input and output.

use crate::EXTENSIONS;
use crate::exit::{Exit, Failure};
use clap::Args;
use dtm_engine::project::FileLoader;
use std::sync::Arc;

/// The arguments of `dtm lsp`.
#[derive(Args)]
#[command(
    after_help = "Editors start it; see the folder `editors` of dtm's repository.\n\nExample:\n  dtm lsp"
)]
pub struct Lsp {
    /// Accepted for editors that pass it; stdio is the only transport.
    #[arg(long)]
    stdio: bool,
}

pub(crate) fn run(_: &Lsp) -> Result<Exit, Failure> {
    let loaders: dtm_lsp::Loaders = Arc::new(|folder| {
        let root = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        Arc::new(FileLoader::new(root, String::new(), &EXTENSIONS))
    });
    let runtime = super::run::runtime()?;
    runtime.block_on(dtm_lsp::serve(tokio::io::stdin(), tokio::io::stdout(), loaders));
    // An editor may leave our input open: its reader is not waited for.
    runtime.shutdown_background();
    Ok(Exit::Done)
}
