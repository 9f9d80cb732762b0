//! What people type who know another tool: its options and commands, and what dtm calls them.

use crate::args::Cli;
use clap::{Command, CommandFactory};

/// Options of Terraform and Pulumi, without their dashes, and what to write.
const OPTIONS: &[(&str, &str)] = &[
    ("auto-approve", "to apply without a prompt: `dtm apply -y`"),
    (
        "backend-config",
        "where the state is kept is written in the program: `settings { state = s3 { ... } }`",
    ),
    ("chdir", "to run in another directory: `dtm -C DIR ...`"),
    ("destroy", "`dtm destroy` shows what it would delete, and asks"),
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
    ("preview", "to see what would change: `dtm plan`"),
    ("refresh", "to record drift: `dtm apply --refresh-only`"),
    ("stack", "each root file or `--env` has its own state: `dtm state list`"),
    ("taint", "to replace a tool: `dtm apply --replace TOOL`"),
    ("untaint", "nothing is marked for replacement in the state; see `dtm plan`"),
    ("up", "to apply: `dtm apply`"),
    ("validate", "to check a program: `dtm check`"),
    ("workspace", "to use another environment: `--env NAME`, with `params/NAME.params`"),
];

/// What to say of a command line that another tool would take, if there is something: the word, and what to write.
pub fn tip(words: &[String]) -> Option<(&str, &'static str)> {
    let cli = Cli::command();
    let mut words = words.iter().skip(1).take_while(|word| *word != "--");
    let ours = words.clone().find_map(|word| cli.find_subcommand(word));
    let foreign = words.clone().find_map(|word| COMMANDS.iter().find(|(name, _)| name == word));
    if let (None, Some((command, tip))) = (ours, foreign) {
        return Some((command, tip));
    }
    let mut options = vec![];
    long_options(ours.unwrap_or(&cli), &mut options);
    options.extend(cli.get_arguments().filter_map(|option| option.get_long()));
    let is_ours = |name: &str| options.contains(&name);
    words.find_map(|word| {
        let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
        let (known, tip) = OPTIONS.iter().find(|(known, _)| *known == name)?;
        let is_foreign = match word.len() - word.trim_start_matches('-').len() {
            // One dash before a long name: clap would take the first letter for an option, the rest for its value.
            1 => true,
            2 => !is_ours(known),
            _ => false,
        };
        is_foreign.then_some((word.as_str(), *tip))
    })
}

/// The long names of the options of a command and of the commands below it.
fn long_options<'c>(command: &'c Command, names: &mut Vec<&'c str>) {
    names.extend(command.get_arguments().flat_map(|option| option.get_long_and_visible_aliases()).flatten());
    command.get_subcommands().for_each(|below| long_options(below, names));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<&'static str> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        tip(&words).map(|(_, tip)| tip)
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
            "dtm destroy -y --state",
            "dtm -C up plan",
        ] {
            assert_eq!(told(ours), None, "{ours}");
        }
    }
}
