//! The limits of plugins: so many of its operations run at the same time, the others wait until one has ended.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

struct Turn<T> {
    free: usize,
    /// What was ready when no turn was free.
    waiting: BinaryHeap<T>,
}

/// The turns of the plugins that have a limit.
pub(super) struct Turns<T> {
    of: HashMap<String, Turn<T>>,
}

impl<T: Ord> Turns<T> {
    pub(super) fn new(limits: &BTreeMap<String, usize>) -> Turns<T> {
        let turn = |n: &usize| Turn { free: (*n).max(1), waiting: BinaryHeap::new() };
        Turns { of: limits.iter().map(|(plugin, n)| (plugin.clone(), turn(n))).collect() }
    }

    /// Takes a turn for what is ready; where none is free, it is kept for later.
    pub(super) fn take(&mut self, plugin: &str, ready: T) -> Option<T> {
        let Some(turn) = self.of.get_mut(plugin) else { return Some(ready) };
        if turn.free == 0 {
            turn.waiting.push(ready);
            return None;
        }
        turn.free -= 1;
        Some(ready)
    }

    /// An operation has ended: what goes next for this plugin, and must take the turn again.
    pub(super) fn give_back(&mut self, plugin: &str) -> Option<T> {
        let turn = self.of.get_mut(plugin)?;
        turn.free += 1;
        turn.waiting.pop()
    }
}
