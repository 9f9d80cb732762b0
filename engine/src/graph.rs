//! The dependency graph: order, waves and cycles. Everything is linear in nodes and edges, the shortest cycle
//! apart, which is looked for only when there is one.

use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeSet, VecDeque};

/// A graph of positions: an edge goes from what must be done first to what waits for it.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    inner: DiGraph<(), ()>,
}

impl Graph {
    /// A graph of `count` nodes without edges.
    pub fn new(count: usize) -> Graph {
        let mut inner = DiGraph::with_capacity(count, count);
        (0..count).for_each(|_| _ = inner.add_node(()));
        Graph { inner }
    }
    /// `after` waits for `before`.
    pub fn add(&mut self, before: usize, after: usize) {
        if before != after {
            self.inner.update_edge(NodeIndex::new(before), NodeIndex::new(after), ());
        }
    }
    /// As [`Graph::add`], where the edge is known to be new.
    pub fn add_new(&mut self, before: usize, after: usize) {
        if before != after {
            self.inner.add_edge(NodeIndex::new(before), NodeIndex::new(after), ());
        }
    }
    /// What must be done before a node.
    pub fn before(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.inner.neighbors_directed(NodeIndex::new(node), petgraph::Incoming).map(NodeIndex::index)
    }
    /// What waits for a node.
    pub fn after(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.inner.neighbors_directed(NodeIndex::new(node), petgraph::Outgoing).map(NodeIndex::index)
    }
    /// An order in which every node comes after what it waits for; ready ones by position.
    ///
    /// # Errors
    /// The shortest cycle, in order.
    pub fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        let count = self.inner.node_count();
        let mut waits: Vec<usize> = (0..count).map(|n| self.before(n).count()).collect();
        let mut ready: BTreeSet<usize> = (0..count).filter(|n| waits[*n] == 0).collect();
        let mut order = Vec::with_capacity(count);
        while let Some(node) = ready.pop_first() {
            order.push(node);
            for next in self.after(node) {
                waits[next] -= 1;
                if waits[next] == 0 {
                    ready.insert(next);
                }
            }
        }
        if order.len() == count { Ok(order) } else { Err(self.shortest_cycle()) }
    }

    /// Breadth-first from every node that lies on a cycle.
    fn shortest_cycle(&self) -> Vec<usize> {
        let mut best: Vec<usize> = vec![];
        for component in petgraph::algo::tarjan_scc(&self.inner) {
            if component.len() < 2 {
                continue;
            }
            let inside: BTreeSet<usize> = component.iter().map(|n| n.index()).collect();
            for start in inside.iter().copied().take(2000) {
                let mut from: std::collections::BTreeMap<usize, usize> = Default::default();
                let mut queue = VecDeque::from([start]);
                'search: while let Some(node) = queue.pop_front() {
                    for next in self.after(node).filter(|n| inside.contains(n)) {
                        if next == start {
                            let mut way = vec![node];
                            while let Some(previous) = from.get(&way[way.len() - 1]) {
                                way.push(*previous);
                            }
                            way.reverse();
                            if best.is_empty() || way.len() < best.len() {
                                best = way;
                            }
                            break 'search;
                        }
                        if let std::collections::btree_map::Entry::Vacant(e) = from.entry(next) {
                            e.insert(node);
                            queue.push_back(next);
                        }
                    }
                }
                if best.len() == 2 {
                    return best;
                }
            }
        }
        best
    }

    /// The wave of each node: its longest distance from a root, in the given order.
    pub fn waves(&self, order: &[usize]) -> Vec<usize> {
        let mut waves = vec![0; self.inner.node_count()];
        for node in order {
            waves[*node] = self.before(*node).map(|b| waves[b] + 1).max().unwrap_or(0);
        }
        waves
    }
    /// The longest way that still follows each node.
    pub fn remaining(&self, order: &[usize]) -> Vec<usize> {
        let mut left = vec![0; self.inner.node_count()];
        for node in order.iter().rev() {
            left[*node] = self.after(*node).map(|a| left[a] + 1).max().unwrap_or(0);
        }
        left
    }
}
