//! What people type who know another tool: its options and commands, and what dtm calls them.

use crate::suggest::Names;
use clap::Command;

/// Options of Terraform and Pulumi, without their dashes, and what to write.
const OPTIONS: &[(&str, &str)] = &[
    ("auto-approve", "to apply without a prompt: `dtm apply -y`"),
    (
        "backend-config",
        "where the state is kept is written in the program: `settings { state = s3 { ... } }`",
    ),
    ("chdir", "to run in another directory: `dtm -C DIR ...`"),
    ("destroy", "`dtm destroy` shows what it would delete, and asks"),
    ("dry-run", "to see what would change: `dtm plan`"),
    ("detailed-exitcode", "to exit with 2 if there are changes: `--detailed-exitcode`"),
    ("input", "without a terminal, dtm asks for nothing"),
    ("lock-timeout", "to wait for the lock: `--lock-timeout 5m`"),
    ("no-color", "to write without colors: `--color never`, or set `NO_COLOR`"),
    ("out", "to save a plan: `dtm plan -o FILE`"),
    ("parallelism", "to limit concurrent operations: `--parallelism 4`"),
    ("refresh-only", "to record drift only: `--refresh-only`"),
    ("refresh", "to plan without reading: `dtm plan --no-read`"),
    ("replace", "to replace a tool: `--replace TOOL`"),
    ("skip-preview", "to apply without a prompt: `dtm apply -y`"),
    ("state", "where the state is kept is written in the program: `settings { state = ... }`"),
    ("target", "to plan only a tool and its dependencies: `--only TOOL`"),
    ("upgrade", "plugins are part of dtm, or named in `plugins { ... }`"),
    ("var-file", "to read params from a file: `--params FILE`"),
    ("var", "to set a param: `--set NAME=VALUE`"),
];

/// Commands of Terraform and Pulumi, and what to write.
const COMMANDS: &[(&str, &str)] = &[
    ("force-unlock", "to release the lock of a dead run: `dtm state unlock`"),
    ("get", "there is nothing to download: imports are files of the project"),
    (
        "login",
        "dtm needs no account: a backend or a plugin takes its credentials from `settings`, `configure` or the environment",
    ),
    (
        "logout",
        "dtm needs no account: a backend or a plugin takes its credentials from `settings`, `configure` or the environment",
    ),
    ("preview", "to see what would change: `dtm plan`"),
    ("refresh", "to record drift: `dtm apply --refresh-only`"),
    ("stack", "each root file has its own state: `dtm state list`"),
    ("taint", "to replace a tool: `dtm apply --replace TOOL`"),
    ("untaint", "nothing is marked for replacement in the state; see `dtm plan`"),
    ("up", "to apply: `dtm apply`"),
    ("validate", "to check a program: `dtm check`"),
    ("workspace", "to use another environment: `--env NAME`, with `params/NAME.params`"),
];

/// The option of another tool that a word is, if it is one.
fn option(word: &str) -> Option<&'static (&'static str, &'static str)> {
    let name = word.strip_prefix('-')?.trim_start_matches('-').split('=').next()?;
    OPTIONS.iter().find(|(known, _)| *known == name)
}

/// The word of a command line that only another tool knows, and what to write instead. dtm's own command line is built only if
/// there is a word to compare with it.
pub fn tip(words: &[String], command: fn() -> Command) -> Option<(String, &'static str)> {
    let mut words = words.iter().skip(1).take_while(|word| *word != "--").map(String::as_str);
    let foreign = words.clone().find_map(|word| COMMANDS.iter().find(|(name, _)| *name == word));
    let is_selection = |word: &str| matches!(word.split('=').next(), Some("--only" | "--skip"));
    if foreign.is_none() && words.clone().all(|word| option(word).is_none() && !is_selection(word)) {
        return None;
    }
    let cli = command();
    let ours = words.clone().find_map(|word| cli.find_subcommand(word));
    if let (None, Some((command, tip))) = (ours, foreign) {
        return Some((command.to_string(), tip));
    }
    if ours.is_some_and(|command| command.get_name() == "destroy") {
        let is_selection = |word: &&str| {
            let name = word.strip_prefix("--").and_then(|word| word.split('=').next());
            matches!(name, Some("target" | "only" | "skip"))
        };
        if let Some(word) = words.clone().find(is_selection) {
            return Some((
                format!("destroy {word}"),
                "`dtm destroy` deletes everything; to delete some tools: `dtm delete TOOL`",
            ));
        }
    }
    let names = Names::of([&cli]);
    words.find_map(|word| {
        let (name, tip) = option(word)?;
        // One dash before a long name: clap would take the first letter for an option, the rest for its value.
        let is_foreign = !word.starts_with("--") || !names.has(&format!("--{name}"));
        is_foreign.then(|| (word.to_string(), *tip))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    fn told(line: &str) -> Option<&'static str> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        tip(&words, Cli::command).map(|(_, tip)| tip)
    }

    #[test]
    fn habits_are_told_and_options_of_ours_are_not() {
        for foreign in [
            "dtm plan -out=x",
            "dtm plan -target=a",
            "dtm apply --target a",
            "dtm apply -auto-approve",
            "dtm apply --auto-approve",
            "dtm apply -var a=1",
            "dtm validate",
            "dtm taint a",
            "dtm plan -parallelism=3",
            "dtm apply --dry-run",
            "dtm login",
            "dtm destroy --target a",
            "dtm destroy --only a",
        ] {
            assert!(told(foreign).is_some(), "{foreign}");
        }
        for ours in [
            "dtm plan --out x",
            "dtm plan -o x",
            "dtm apply --replace a",
            "dtm apply --parallelism 3",
            "dtm apply -y -q",
            "dtm show -- -target",
            "dtm apply --refresh-only",
            "dtm apply --lock-timeout 3m",
            "dtm state unlock",
            "dtm apply --only a",
            "dtm destroy -y --state",
            "dtm -C up plan",
            "dtm check -f tools.yaml --var-file variables.yaml",
        ] {
            assert_eq!(told(ours), None, "{ours}");
        }
    }
}
