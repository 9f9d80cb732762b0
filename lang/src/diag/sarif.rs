//! Diagnostics as a SARIF 2.1.0 log, which code hosts show beside the lines of a change.

use super::{Diagnostic, Severity};
use crate::source::{Sources, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One log with all of them.
pub fn sarif<'d>(
    diagnostics: impl Iterator<Item = &'d Diagnostic>,
    sources: &Sources,
    version: &str,
) -> Value {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    let mut results = vec![];
    for d in diagnostics {
        let title = d.code.page().lines().next().and_then(|l| l.split_once(": ")).map_or("", |(_, t)| t);
        rules.entry(d.code.id()).or_insert_with(|| {
            json!({
                "id": d.code.id(),
                "shortDescription": { "text": title },
                "help": { "text": d.code.page(), "markdown": d.code.page() },
                "defaultConfiguration": { "level": level(d) },
            })
        });
        let more: Vec<String> = d.notes.iter().chain(&d.help).cloned().collect();
        let text = std::iter::once(d.headline.clone()).chain(more).collect::<Vec<_>>().join("\n");
        let mut result = json!({ "ruleId": d.code.id(), "level": level(d), "message": { "text": text } });
        if let Some(primary) = &d.primary {
            result["locations"] = json!([location(sources, primary.span, &primary.text)]);
        }
        if !d.secondary.is_empty() {
            let related = d.secondary.iter().map(|l| location(sources, l.span, &l.text));
            result["relatedLocations"] = related.collect();
        }
        if !d.fixes.is_empty() {
            let edit = |(span, with): &(Span, String)| {
                json!({
                    "artifactLocation": { "uri": uri(sources, *span) },
                    "replacements": [{
                        "deletedRegion": region(sources, *span), "insertedContent": { "text": with },
                    }],
                })
            };
            let fix = |f: &super::Fix| {
                let changes: Vec<Value> = f.edits.iter().map(edit).collect();
                json!({ "description": { "text": f.title }, "artifactChanges": changes })
            };
            result["fixes"] = d.fixes.iter().map(fix).collect();
        }
        results.push(result);
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dtm",
                "semanticVersion": version,
                "rules": rules.into_values().collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn uri(sources: &Sources, span: Span) -> String {
    let path = &sources.file(span.file).shown;
    path.split('/').map(crate::text::percent).collect::<Vec<_>>().join("/")
}

fn region(sources: &Sources, span: Span) -> Value {
    let file = sources.file(span.file);
    let ((line, column), (end_line, end_column)) = (file.line_column(span.start), file.line_column(span.end));
    json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
}

fn location(sources: &Sources, span: Span, text: &str) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(sources, span) },
            "region": region(sources, span),
        },
        "message": { "text": text },
    })
}
