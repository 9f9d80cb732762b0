//! The runtime on which the client of a server lives. Whoever asks waits for the answer.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// A request that takes longer is as good as lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime of its own.
pub(super) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    pub(super) fn new(name: &str) -> std::io::Result<Runtime> {
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).enable_all().build().map(Runtime)
    }

    /// Waits for what runs on it. The thread that waits may belong to another runtime, which is blocked meanwhile.
    pub(super) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        self.0.spawn(async move {
            let _ = done.send(future.await);
        });
        match answer.recv() {
            Ok(answer) => answer,
            Err(_) => unreachable!("the task sends its answer or takes the process with it"),
        }
    }
}

/// An error with what caused it, in words.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) {
            told += &format!(": {text}");
        }
        next = cause.source();
    }
    told
}
