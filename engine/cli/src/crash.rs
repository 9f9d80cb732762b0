//! What is said when dtm itself is wrong: what happened and where, for a report, without the secrets of the run.

use crate::masking;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;

/// From now on a panic is told as a person needs it.
pub fn tell() {
    std::panic::set_hook(Box::new(|info| {
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| format!("\n{trace}"));
        let text = masking::masked(&report(info, &trace.unwrap_or_default()));
        let _ = writeln!(std::io::stderr(), "{}", dtm_lang::diag::visible(&text));
    }));
}

fn report(info: &PanicHookInfo<'_>, trace: &str) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    let what = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("without a name").to_string();
    let (version, system) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS);
    format!(
        "error: dtm crashed; this is a bug in dtm: {what}
  note: at {place}, thread {thread}, dtm {version}, {system} {arch}
  help: nothing is lost: the state records what was started, and the next `dtm apply` determines the outcome
  help: report it with the steps that led here and the output with `RUST_BACKTRACE=1`: {home}/issues{trace}",
        arch = std::env::consts::ARCH,
        home = env!("CARGO_PKG_REPOSITORY"),
    )
}
