//! Kills everything that a process started, even if it daemonized: its own session (`setsid`), a double fork,
//! `nohup`. A process that adopts orphans (a *subreaper*) remains the ancestor of all of them, so that a walk through the
//! process table finds them.
//!
//! On systems without subreapers (macOS), only the process group is killed.

use rustix::process::{Pid, Signal};
use std::time::{Duration, Instant};

/// Makes this process the parent of every orphan among its descendants.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// How many walks in a row must find nothing. The process table is not read at one instant: where process numbers have wrapped
/// around, a child can be read before its parent, which then ends and is not seen. One walk later, the child has a parent that
/// is seen.
pub(super) const WALKS: u32 = 2;

/// How long a process has to clean up after SIGTERM: git removes its lock files, which would stop the next run.
const CLEANUP: Duration = Duration::from_millis(200);

/// Ends every descendant of this process: asks them to, then kills them, repeatedly, until none is left. Waits for a process
/// that this one may not signal (one that runs as another user).
pub(super) fn end_all() {
    ask_all();
    let mut pause = Duration::from_millis(1);
    let mut without = 0;
    while without < WALKS {
        let found = below(rustix::process::getpid());
        without = if found.is_empty() { without + 1 } else { 0 };
        for process in found {
            end(process);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Sends SIGTERM to every descendant, and waits until none is left or [`CLEANUP`] is over.
fn ask_all() {
    use rustix::process::{WaitOptions, getpid, kill_process, waitpid};
    for process in below(getpid()).into_iter().filter(|p| !p.zombie) {
        let _ = kill_process(process.pid, Signal::TERM);
    }
    let until = Instant::now() + CLEANUP;
    while Instant::now() < until {
        let found = below(getpid());
        found.iter().filter(|p| p.zombie).for_each(|p| _ = waitpid(Some(p.pid), WaitOptions::NOHANG));
        if found.iter().all(|p| p.zombie) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process as the process table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: Pid,
    parent: i32,
    group: i32,
    zombie: bool,
}

/// Kills a process, and reaps it where it is a child of this one. Whether it may still be there.
pub(super) fn end(process: Seen) -> bool {
    use rustix::process::{WaitOptions, kill_process, waitpid};
    if !process.zombie {
        let _ = kill_process(process.pid, Signal::KILL);
    }
    match waitpid(Some(process.pid), WaitOptions::NOHANG) {
        Ok(Some(_)) => false,
        // Not a child of this process: a zombie is its parent's to reap, and does nothing any more.
        Err(_) => !process.zombie,
        Ok(None) => true,
    }
}

/// The children of this process that it did not start itself: orphans that it has adopted. What it starts is either in
/// its own process group or one of `own`.
pub(super) fn adopted(own: &dyn Fn(Pid) -> bool) -> Vec<Seen> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let group = rustix::process::getpgrp().as_raw_nonzero().get();
    let mut all = table();
    all.retain(|p| p.parent == me && p.group != group && !own(p.pid));
    all
}

/// All descendants of a process, parents before their children.
fn below(root: Pid) -> Vec<Seen> {
    let table = table();
    let mut found: Vec<Seen> = vec![];
    let mut parents = vec![root.as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for process in table.iter().filter(|p| p.parent == parent) {
            if !found.contains(process) {
                found.push(*process);
                parents.push(process.pid.as_raw_nonzero().get());
            }
        }
    }
    found
}

/// The process table; empty where there is no `/proc`.
fn table() -> Vec<Seen> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            parse(pid, &std::fs::read_to_string(entry.path().join("stat")).ok()?)
        })
        .collect()
}

/// Reads `/proc/PID/stat`: `PID (name) state parent group ...`. The name may hold anything, parentheses too.
fn parse(pid: i32, stat: &str) -> Option<Seen> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?;
    let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Seen { pid: Pid::from_raw(pid)?, parent, group, zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let seen = parse(7, "7 (a) b (c) S 4 5 6 0 -1 4194560").expect("a process");
        assert_eq!((seen.parent, seen.group, seen.zombie), (4, 5, false));
        assert!(parse(7, "7 (x) Z 1 1").expect("a process").zombie);
        assert_eq!(parse(7, "7 (x"), None);
    }
}
