//! `-v`: what dtm does while it does it, by `tracing`, on standard error. `-v` tells what was opened, locked, started and
//! planned, `-vv` every request and every batch too; `DTM_LOG` names other targets, as `kube=debug,dtm_engine=trace`. Every line
//! goes past the secrets of the run, and above what is live.

use crate::exit::Failure;
use crate::masking;
use crate::options::Global;
use dtm_engine::secret::Redactor;
use dtm_lang::Code;
use std::io::{IsTerminal, Write};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Instant;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

/// Says a line above what is live.
type Above = Box<dyn Fn(&str) + Send + Sync>;

static ABOVE: Mutex<Option<Above>> = Mutex::new(None);

/// Starts logging where it is asked for.
///
/// # Errors
/// When `DTM_LOG` cannot be understood.
pub fn start(global: &Global) -> Result<(), Failure> {
    // Credentials of this machine are sent to servers, which may echo them.
    let outside = Redactor::default();
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DTM_STATE_KEY", "DTM_STATE_NEW_KEY"] {
        std::env::var(name).into_iter().for_each(|value| outside.learn_text(&value));
    }
    masking::hide(&outside);
    let own =
        |level: LevelFilter| Targets::new().with_target("dtm_cli", level).with_target("dtm_engine", level);
    let asked = std::env::var("DTM_LOG").ok().filter(|text| !text.is_empty());
    let targets = match (asked, global.verbosity()) {
        (Some(text), _) => Targets::from_str(&text).map_err(|e| {
            let failure = Failure::new(Code::E0901, format!("`DTM_LOG` is not understood: {e}"));
            failure.help("write it as `debug`, or as `dtm_engine=debug,kube=info`").usage()
        })?,
        (None, 0) => return Ok(()),
        (None, 1) => own(LevelFilter::INFO),
        (None, _) => own(LevelFilter::DEBUG),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(Since(Instant::now()))
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| Line(Vec::new()));
    let all = tracing_subscriber::registry().with(targets).with(lines);
    let _ = tracing::subscriber::set_global_default(all);
    Ok(())
}

/// Lines go above what is live, for as long as something is.
pub fn above(say: Option<Above>) {
    *ABOVE.lock().unwrap_or_else(|e| e.into_inner()) = say;
}

/// The time since dtm was started.
struct Since(Instant);

impl FormatTime for Since {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:8.3}s", self.0.elapsed().as_secs_f64())
    }
}

/// A line that is being written.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let text = dtm_lang::diag::visible(&masking::masked(text)).into_owned();
        match &*ABOVE.lock().unwrap_or_else(|e| e.into_inner()) {
            Some(say) if std::io::stderr().is_terminal() => say(&text),
            _ => _ = writeln!(std::io::stderr(), "{text}"),
        }
    }
}
