//! What a program writes: both pipes read to their end, in the order in which they were written, and taken apart into lines.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard};

/// What is kept of the output.
pub(super) struct Kept {
    /// The last of both streams.
    pub(super) tail: VecDeque<u8>,
    /// The last of standard output.
    pub(super) stdout: VecDeque<u8>,
    /// The last of standard error.
    pub(super) stderr: VecDeque<u8>,
    tail_limit: usize,
    limit: usize,
}

impl Kept {
    /// So many bytes of both together, and of each.
    pub(super) fn new(tail_limit: usize, limit: usize) -> Kept {
        Kept { tail: VecDeque::new(), stdout: VecDeque::new(), stderr: VecDeque::new(), tail_limit, limit }
    }
}

fn keep(buffer: &mut VecDeque<u8>, bytes: &[u8], limit: usize) {
    buffer.extend(bytes);
    let over = buffer.len().saturating_sub(limit);
    buffer.drain(..over);
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(|e| e.into_inner())
}

/// Reads both pipes to their end. Lines are added to `said`, as long as somebody takes them.
pub(super) fn listen(
    out: Option<impl Read + AsFd>,
    err: Option<impl Read + AsFd>,
    kept: &Mutex<Kept>,
    said: Option<&Mutex<VecDeque<String>>>,
) {
    use rustix::event::{PollFd, PollFlags, poll};
    let (mut out, mut err) = (out, err);
    let (mut of_out, mut of_err) = (Lines::default(), Lines::default());
    let mut buffer = vec![0; 64 << 10];
    let mut ended = |line: &[u8]| {
        let mut kept = lock(kept);
        let limit = kept.tail_limit;
        keep(&mut kept.tail, line, limit);
        drop(kept);
        let Some(said) = said else { return };
        let text = String::from_utf8_lossy(line).trim_end().to_string();
        let mut said = lock(said);
        if !text.is_empty() && said.len() < 1000 {
            said.push_back(text);
        }
    };
    while out.is_some() || err.is_some() {
        let (has_out, has_err) = {
            let flags = PollFlags::IN;
            let mut polled: Vec<PollFd<'_>> = out.iter().map(|p| PollFd::new(p, flags)).collect();
            polled.extend(err.iter().map(|p| PollFd::new(p, flags)));
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            let ready: Vec<bool> = polled.iter().map(|p| !p.revents().is_empty()).collect();
            let first = ready.first().copied().unwrap_or(false);
            match out.is_some() {
                true => (first, ready.get(1).copied().unwrap_or(false)),
                false => (false, first),
            }
        };
        if has_out && let Some(bytes) = take(&mut out, &mut buffer) {
            let mut kept = lock(kept);
            let limit = kept.limit;
            keep(&mut kept.stdout, bytes, limit);
            drop(kept);
            of_out.take(bytes, &mut ended);
        }
        if has_err && let Some(bytes) = take(&mut err, &mut buffer) {
            let mut kept = lock(kept);
            let limit = kept.limit;
            keep(&mut kept.stderr, bytes, limit);
            drop(kept);
            of_err.take(bytes, &mut ended);
        }
        for (pipe, lines) in [(out.is_none(), &mut of_out), (err.is_none(), &mut of_err)] {
            if pipe {
                lines.rest(&mut ended);
            }
        }
    }
}

/// What a pipe has; at its end it is taken away.
fn take<'b>(pipe: &mut Option<impl Read>, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    match pipe.as_mut()?.read(buffer) {
        Ok(n) if n > 0 => Some(&buffer[..n]),
        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => None,
        Ok(_) | Err(_) => {
            *pipe = None;
            None
        }
    }
}

/// A line that is not whole yet, so that the lines of both pipes are not mixed up.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// A line without an end is taken in pieces.
    const LONGEST: usize = 8 << 10;

    fn take(&mut self, bytes: &[u8], ended: &mut impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            for piece in part.chunks(Self::LONGEST) {
                self.0.extend_from_slice(piece);
                if self.0.ends_with(b"\n") || self.0.len() >= Self::LONGEST {
                    ended(&self.0);
                    self.0.clear();
                }
            }
        }
    }

    fn rest(&mut self, ended: &mut impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            ended(&self.0);
            self.0.clear();
        }
    }
}
