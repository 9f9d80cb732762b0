//! The running processes that a command started: its descendants, and every process with its operation in
//! the environment, even if it daemonized (`setsid`, a double fork). The host of the plugin ends all of them when dtm is killed;
//! this module ends them when only the operation is stopped.

use rustix::process::{Pid, Signal};
use std::collections::BTreeSet;

/// The variable that carries the key of an operation.
pub(crate) const OPERATION: &str = "DTM_OPERATION";

/// Sends a signal to a command and to all that it has started. Whether there was anything besides the command itself.
pub(crate) fn signal(root: u32, op: &str, signal: Signal) -> bool {
    let root = i32::try_from(root).ok();
    let found = started(root, op);
    for pid in root.iter().chain(&found).copied().filter_map(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
    !found.is_empty()
}

/// Kills what a command that has ended has left behind, until nothing is left; as long as `patience` allows.
pub(crate) fn end(op: &str, patience: std::time::Duration) {
    let until = std::time::Instant::now() + patience;
    loop {
        let found = started(None, op);
        for pid in found.iter().copied().filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if found.is_empty() || std::time::Instant::now() >= until {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The processes below `root`, and those of the operation, without `root` and without zombies. Empty where there is no `/proc`.
fn started(root: Option<i32>, op: &str) -> BTreeSet<i32> {
    let table: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
            let state = fields.next()?;
            (state != "Z").then_some((pid, fields.next()?.parse().ok()?))
        })
        .collect();
    let mut found: BTreeSet<i32> = BTreeSet::new();
    let mark = format!("{OPERATION}={op}");
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    if !op.is_empty() {
        found.extend(table.iter().map(|(pid, _)| *pid).filter(|pid| *pid != own && carries(*pid, &mark)));
    }
    let mut open: Vec<i32> = found.iter().copied().chain(root).collect();
    while let Some(parent) = open.pop() {
        for (pid, _) in table.iter().filter(|(_, p)| *p == parent) {
            if found.insert(*pid) {
                open.push(*pid);
            }
        }
    }
    root.iter().for_each(|root| _ = found.remove(root));
    found
}

fn carries(pid: i32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
}
