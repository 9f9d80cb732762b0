//! Tools: how each version wrote them, and what they say of each other.

use super::build::{name, record, set_default, text};
use super::model::{Model, Reader, Tool, entries, get, global_node, is_null};
use super::options::{self, Part};
use dtm_lang::data::Node;
use dtm_lang::diag::Diagnostic;
use dtm_lang::maps::HashMap;
use dtm_lang::source::Span;

impl Reader<'_> {
    /// One tool of a key; what is waited for is there.
    pub(super) fn keys(&self, model: &Model) {
        let mut all: HashMap<String, Span> = HashMap::default();
        for tool in &model.tools {
            if let Some(first) = all.insert(tool.key(), tool.instance.span) {
                let d = Diagnostic::new(crate::codes::E0140, format!("duplicate tool `{}`", tool.key()));
                self.push(d.at(tool.instance.span, "again here").also(first, "first here"));
            }
        }
        for dep in model.tools.iter().flat_map(|t| &t.depends_on).filter(|d| !all.contains_key(&*d.text)) {
            let d = Diagnostic::new(crate::codes::E0140, format!("unknown dependency `{}`", dep.text));
            self.push(d.at(dep.span, "waits for it").nearest(&dep.text, all.keys().map(|k| &**k)));
        }
        self.cycles(model);
        // What stands in a template of pipelines is read for every app.
        let mut references = self.references.take();
        references.sort_by_key(|r| (r.span.file, r.span.start));
        references.dedup_by_key(|r| r.span);
        for reference in references {
            // Up to v0.4 the name stood first.
            let other = reference.text.split_once('.').map(|(name, plugin)| format!("{plugin}.{name}"));
            if !all.contains_key(&*reference.text) && !other.is_some_and(|o| all.contains_key(&o)) {
                let d = Diagnostic::new(
                    crate::codes::W0140,
                    format!("there is no tool `{}` to take an output of", reference.text),
                );
                let d = d.at(reference.span, "DevStream would silently ignore the tool that refers to it");
                self.push(d.nearest(&reference.text, all.keys().map(|k| &**k)));
            }
        }
    }

    /// Tools that wait for each other: DevStream found that out only when it was about to change something.
    fn cycles(&self, model: &Model) {
        let number: HashMap<String, usize> =
            model.tools.iter().enumerate().map(|(i, t)| (t.key(), i)).collect();
        let deps = model
            .tools
            .iter()
            .map(|t| t.depends_on.iter().filter_map(|d| number.get(&*d.text).copied()).collect());
        let waits = waiting(&deps.collect::<Vec<Vec<usize>>>());
        // What is left waits for a circle, or is in one: one tool of it is told.
        if let Some(stuck) = (0..waits.len()).find(|i| waits[*i] > 0) {
            let mut way = vec![stuck];
            let closed = loop {
                let tool = &model.tools[way[way.len() - 1]];
                let next =
                    tool.depends_on.iter().filter_map(|d| number.get(&*d.text)).find(|i| waits[**i] > 0);
                match next {
                    Some(next) => match way.iter().position(|i| i == next) {
                        Some(at) => break at,
                        None => way.push(*next),
                    },
                    None => return,
                }
            };
            let circle: Vec<String> = way[closed..]
                .iter()
                .chain([&way[closed]])
                .map(|i| format!("`{}`", model.tools[*i].key()))
                .collect();
            let d = Diagnostic::new(
                crate::codes::W0140,
                format!("these tools wait for each other: {}", circle.join(" → ")),
            );
            let at = model.tools[way[closed]].instance.span;
            self.push(
                d.at(at, "waits for itself")
                    .note("DevStream would stop when it is about to change something"),
            );
        }
    }

    pub(super) fn tool(&self, node: &Node) -> Option<Tool> {
        let shape = Shape::of(node);
        let known: &[&str] = match shape {
            Shape::Instance => &["name", "instanceID", "dependsOn", "options"],
            Shape::Plugin => &["name", "plugin", "dependsOn", "options"],
            Shape::Version => &["name", "version", "dependsOn", "options"],
        };
        self.only(node, "a tool", known);
        let (plugin, instance) = match shape {
            Shape::Instance => {
                (self.name(node, "name", "a tool", false), self.name(node, "instanceID", "a tool", true))
            }
            // `plugin: name`, and before that `plugin: { kind, version }`.
            Shape::Plugin => {
                let plugin = match get(node, "plugin") {
                    Some(map) if !entries(map).is_empty() => {
                        self.only(map, "`plugin`", &["kind", "version"]);
                        self.name(map, "kind", "`plugin`", false)
                    }
                    _ => self.name(node, "plugin", "a tool", false),
                };
                (plugin, self.name(node, "name", "a tool", false))
            }
            Shape::Version => {
                let plugin = self.name(node, "name", "a tool", false);
                (plugin.clone(), plugin.map(|p| name(p.span, "default")))
            }
        };
        let (plugin, instance) = (plugin?, instance?);
        let mut depends_on = vec![];
        if let Some(deps) = get(node, "dependsOn").filter(|n| !is_null(n)) {
            let deps =
                self.items(deps, "`dependsOn`").filter_map(|n| self.static_text(n, &global_node(self)));
            // A blank one was passed over.
            let deps = deps.filter(|n| !n.text.trim().is_empty());
            depends_on.extend(deps.map(|n| match (&shape, n.text.split_once('.')) {
                // Then it was the name that stood first.
                (Shape::Plugin, Some((tool, plugin))) => name(n.span, format!("{plugin}.{tool}")),
                _ => n,
            }));
        }
        options::plugin(self, &plugin);
        let mut options = match get(node, "options").filter(|n| !is_null(n)) {
            Some(options) => {
                options::check(self, options, &Part::Of(&plugin.text));
                self.expr(options, &self.scope())
            }
            None => record(node.span, []),
        };
        set_default(&mut options, "instanceID", text(instance.span, instance.text.clone()));
        Some(Tool { plugin, instance, depends_on, options, item: node.span, app: None })
    }
}

/// How many of those that each waits for can never end, because they wait for a circle or are in one.
pub(super) fn waiting(deps: &[Vec<usize>]) -> Vec<usize> {
    let mut waits: Vec<usize> = deps.iter().map(Vec::len).collect();
    let mut after = vec![vec![]; deps.len()];
    for (number, own) in deps.iter().enumerate() {
        own.iter().for_each(|dep| after[*dep].push(number));
    }
    let mut ready: Vec<usize> = (0..waits.len()).filter(|n| waits[*n] == 0).collect();
    while let Some(done) = ready.pop() {
        for next in &after[done] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    waits
}

/// How a tool is written: that changed over the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// v0.5 and later: `name` is the plugin, `instanceID` which one.
    Instance,
    /// v0.0.2 to v0.4: `plugin` is the plugin, `name` which one.
    Plugin,
    /// v0.0.1: `name` is the plugin, of which there is one.
    Version,
}

impl Shape {
    fn of(node: &Node) -> Shape {
        match (get(node, "instanceID"), get(node, "plugin"), get(node, "version")) {
            (None, Some(_), _) => Shape::Plugin,
            (None, None, Some(_)) => Shape::Version,
            _ => Shape::Instance,
        }
    }
}
