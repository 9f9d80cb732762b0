//! A page as Markdown.

use super::{GROUPS, Item, Page, Port};
use std::fmt::Write;

/// The whole page.
pub fn text(page: &Page) -> String {
    let mut out = format!("# {}\n", page.path);
    paragraph(&mut out, &page.doc);
    let mut last = "";
    for (what, heading) in GROUPS {
        let items: Vec<&Item> = page.items.iter().filter(|i| i.what == what).collect();
        if items.is_empty() || what == "plugin" {
            continue;
        }
        if heading != last {
            let _ = write!(out, "\n## {heading}\n");
        }
        last = heading;
        match what {
            "test" => {
                out.push('\n');
                items.iter().for_each(|i| _ = writeln!(out, "- {}", i.name));
            }
            _ => items.iter().for_each(|i| item(&mut out, i)),
        }
    }
    out
}

/// Code in a line, in as many backticks as it needs.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn paragraph(out: &mut String, text: &str) {
    if !text.trim().is_empty() {
        let _ = write!(out, "\n{}\n", text.trim_end());
    }
}

fn item(out: &mut String, item: &Item) {
    let _ = write!(out, "\n### {}\n", item.name);
    if item.ports.is_empty() {
        let _ = write!(out, "\n```dts\n{}\n```\n", item.signature);
    }
    if !item.notes.is_empty() {
        let notes: Vec<String> = item.notes.iter().map(|n| format!("`{n}`")).collect();
        let _ = write!(out, "\n{}\n", notes.join(" "));
    }
    paragraph(out, &item.doc);
    for (way, heading) in [("in", "Inputs"), ("out", "Outputs")] {
        let ports: Vec<&Port> = item.ports.iter().filter(|p| p.way == way).collect();
        if ports.is_empty() {
            continue;
        }
        let _ = write!(out, "\n{heading}:\n\n");
        for port in ports {
            let notes: String = port.notes.iter().map(|n| format!(" `{n}`")).collect();
            let ty = port.ty.split_whitespace().collect::<Vec<_>>().join(" ");
            let doc = port.doc.trim().replace('\n', "\n  ");
            let doc = if doc.is_empty() { String::new() } else { format!("  \n  {doc}") };
            let shown = code(&format!("{}: {ty}", port.name));
            let _ = writeln!(out, "- {shown}{notes}{doc}");
        }
    }
}
