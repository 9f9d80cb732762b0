//! The order of a program's instances, and the cycle that forbids one.

use crate::graph::Graph;
use dtm_lang::{Code, Diagnostic, InstanceId, Program};

/// All instances of a program.
pub(super) fn ids(program: &Program) -> impl Iterator<Item = InstanceId> + use<> {
    (0..program.instances().len() as u32).map(InstanceId)
}

/// The graph of a program's instances and an order that fits it.
///
/// # Errors
/// The shortest cycle, each step with the expression that makes it.
pub(super) fn instance_order(program: &Program) -> Result<(Graph, Vec<usize>), Box<Diagnostic>> {
    let mut graph = Graph::new(program.instances().len());
    for id in ids(program) {
        for before in program.instance(id).edges.keys() {
            graph.add_new(before.0 as usize, id.0 as usize);
        }
    }
    match graph.order() {
        Ok(order) => Ok((graph, order)),
        Err(cycle) => {
            let instance = |n: usize| program.instance(InstanceId(n as u32));
            let mut names: Vec<String> = cycle.iter().map(|n| format!("`{}`", instance(*n).addr)).collect();
            names.push(names.first().cloned().unwrap_or_default());
            let mut diagnostic = Diagnostic::new(
                Code::E0501,
                format!("these tools wait for each other: {}", names.join(" → ")),
            );
            for (i, n) in cycle.iter().enumerate() {
                let next = cycle[(i + 1) % cycle.len()];
                if let Some(span) = instance(next).edges.get(&InstanceId(*n as u32)) {
                    let text = format!("`{}` waits for `{}`", instance(next).addr, instance(*n).addr);
                    diagnostic = if diagnostic.primary.is_none() {
                        diagnostic.at(*span, text)
                    } else {
                        diagnostic.also(*span, text)
                    };
                }
            }
            Err(Box::new(diagnostic.help("remove one of these references")))
        }
    }
}

/// The wave of each instance, counted from 0.
///
/// # Errors
/// The shortest cycle.
pub fn waves(program: &Program) -> Result<Vec<usize>, Box<Diagnostic>> {
    let (graph, order) = instance_order(program)?;
    Ok(graph.waves(&order))
}
