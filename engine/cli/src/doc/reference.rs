//! The pages of the reference that are made of what dtm itself knows: its commands, exit codes, diagnostics, functions, kinds.

use super::{markdown, page};
use crate::EXTENSIONS;
use crate::exit::Exit;
use clap::{Arg, Command};
use dtm_engine::project::FileLoader;
use dtm_lang::frontend::codes;
use dtm_lang::{Code, Loader};
use dtm_stdlib::Page;
use std::fmt::Write;
use std::path::PathBuf;

/// A page by its name: `commands`, `exit-codes`, `diagnostics`, `builtins`, `grammar`, `json`, `std/NAME`, `plugin/NAME`.
pub fn text(name: &str, command: &Command) -> Option<String> {
    match name.split_once('/') {
        None if name == "commands" => Some(commands(command)),
        None if name == "exit-codes" => Some(exit_codes()),
        None if name == "diagnostics" => Some(diagnostics()),
        None if name == "builtins" => Some(named("Functions and settings", &module("prelude")?)),
        None if name == "json" => Some(schema()),
        Some(("std", module_name)) => Some(named(&format!("`std/{module_name}`"), &module(module_name)?)),
        Some(("plugin", plugin)) => {
            let loader = FileLoader::new(PathBuf::new(), String::new(), &EXTENSIONS);
            let interface = loader.shipped(plugin)?;
            let text = markdown::text(&page(&format!("plugin {plugin}"), &interface.text));
            Some(named(&format!("The plugin `{plugin}`"), &text))
        }
        _ => None,
    }
}

fn module(name: &str) -> Option<String> {
    Some(markdown::text(&page(&format!("std/{name}"), dtm_stdlib::module(name)?)))
}

/// A text under another title.
fn named(title: &str, markdown: &str) -> String {
    let body = markdown.split_once('\n').map_or("", |(_, body)| body);
    format!("# {title}\n{body}")
}

fn exit_codes() -> String {
    let mut out = String::from("# Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(out, "| {} | {} |", exit as u8, exit.meaning());
    }
    out
}

fn schema() -> String {
    let schema = include_str!("../../schema/dtm-2.json");
    format!(
        "# JSON output\n\nThe JSON Schema of what `check`, `plan`, `apply` and `destroy` write with `--json`. \
         `dtm doc --schema` prints it.\n\n```json\n{}\n```\n",
        schema.trim_end()
    )
}

/// All codes, those of a topic together.
pub fn by_topic() -> Vec<Code> {
    let mut all = codes(EXTENSIONS.frontends);
    all.sort_by_key(|code| code.id().get(1..).map(|number| (number, *code)));
    all
}

/// The pages of the guide to read about the topic of a diagnostic.
pub fn guide_of(topic: &str) -> &'static [&'static str] {
    match topic {
        "Text and tokens" | "Types" => &["values-and-types"],
        "Grammar" => &["values-and-types", "tools"],
        "Names, modules and plugins" => &["tools", "modules"],
        "Values" => &["values-and-types", "secrets"],
        "Order" => &["tools"],
        "Planning and applying" => &["how-a-plan-is-made", "recovery"],
        "Plugins" => &["what-runs-when", "plugin-protocol"],
        "State" => &["state", "recovery"],
        _ => &["getting-started", "projects"],
    }
}

/// The page of every diagnostic, by topic.
fn diagnostics() -> String {
    let mut out = String::from(
        "# Diagnostics\n\nEvery error and warning has a code. `dtm explain CODE` shows its page in a terminal.\n",
    );
    let mut topic = "";
    for code in by_topic() {
        if code.topic() != topic {
            topic = code.topic();
            let pages = guide_of(topic).iter().filter_map(|page| Page::named(page));
            let pages = pages.map(|page| format!("[{}]({}.md)", page.title(), page.name));
            let pages: Vec<String> = pages.collect();
            let _ = write!(out, "\n## {topic}\n\nIn the guide: {}.\n", pages.join(", "));
        }
        // A page has headings of its own, which come below that of the code.
        out.push('\n');
        for line in code.page().lines() {
            match line.strip_prefix("## ") {
                Some(heading) => _ = writeln!(out, "**{heading}**"),
                None => _ = writeln!(out, "{}{line}", if line.starts_with("# ") { "##" } else { "" }),
            }
        }
    }
    out
}

/// Every command that help shows, with its options; those that all commands have come once.
fn commands(command: &Command) -> String {
    let mut command = command.clone();
    command.build();
    let mut out = String::from("# Commands\n");
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        one(&mut out, inner, "dtm");
    }
    let global: Vec<&Arg> = command.get_arguments().filter(|a| is_shown(a)).collect();
    out += "\n## Global options\n\nEvery command takes these.\n";
    options(&mut out, &global);
    out
}

fn one(out: &mut String, command: &Command, before: &str) {
    let name = format!("{before} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(out, "\n## {name}\n\n{about}\n");
    if command.has_subcommands() {
        let inner = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
        return inner.for_each(|inner| one(out, inner, &name));
    }
    let usage = command.clone().render_usage().to_string();
    let _ = write!(out, "\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim_end());
    let own = |a: &&Arg| is_shown(a) && !a.is_global_set();
    options(out, &command.get_arguments().filter(own).collect::<Vec<_>>());
    if let Some(after) = command.get_after_help() {
        let text = after.to_string();
        for block in text.split("\n\n") {
            match block.strip_prefix("Examples:\n").or(block.strip_prefix("Example:\n")) {
                Some(lines) => {
                    let lines: Vec<&str> =
                        lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
                    let _ = write!(out, "\nExamples:\n\n```text\n{}\n```\n", lines.join("\n"));
                }
                None => _ = write!(out, "\n{block}\n"),
            }
        }
    }
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && argument.get_id() != "help" && argument.get_id() != "version"
}

/// A table of arguments.
fn options(out: &mut String, arguments: &[&Arg]) {
    if arguments.is_empty() {
        return;
    }
    *out += "\n| option | what it does |\n|---|---|\n";
    for argument in arguments {
        let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
        let value = value.map(|names| names.join(" ")).unwrap_or_default();
        let name = match (argument.get_short(), argument.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
            (None, Some(long)) => format!("--{long} {value}"),
            _ => value,
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        let default = defaults.collect::<Vec<_>>().join(", ");
        let default = match default.is_empty() || !argument.get_action().takes_values() {
            true => String::new(),
            false => format!(" Default: `{default}`."),
        };
        let help = format!("{}{default}", help.replace('\n', " ").replace('|', "\\|"));
        let _ = writeln!(out, "| `{}` | {help} |", name.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_diagnostic_leads_to_pages_of_the_guide() {
        for code in by_topic() {
            for page in guide_of(code.topic()) {
                assert!(Page::named(page).is_some(), "{code}: the guide has no page `{page}`");
            }
        }
        assert!(
            diagnostics().contains("In the guide: [Values and types](values-and-types.md).\n\n### E0301")
        );
    }
}
