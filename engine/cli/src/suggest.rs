//! What clap suggests after a mistake: never a hidden command or option.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};
use std::collections::BTreeSet;

/// Whether help shows a command.
pub fn is_visible(command: &Command) -> bool {
    !command.is_hide_set()
}

/// Names that help shows, and names that it hides.
#[derive(Default)]
pub struct Names {
    shown: BTreeSet<String>,
    hidden: BTreeSet<String>,
}

impl Names {
    /// The names of commands, and of what is below them.
    pub fn of<'c>(commands: impl IntoIterator<Item = &'c Command>) -> Names {
        let mut names = Names::default();
        commands.into_iter().for_each(|command| names.of_command(command));
        names
    }

    /// Whether a name is taken, shown by help or not.
    pub fn has(&self, name: &str) -> bool {
        self.shown.contains(name) || self.hidden.contains(name)
    }

    fn add(&mut self, name: &str, hidden: bool) {
        let to = if hidden { &mut self.hidden } else { &mut self.shown };
        to.insert(name.to_string());
    }

    fn of_argument(&mut self, argument: &Arg) {
        for name in argument.get_long().into_iter() {
            self.add(&format!("--{name}"), argument.is_hide_set());
        }
        for name in argument.get_visible_aliases().unwrap_or_default() {
            self.add(&format!("--{name}"), argument.is_hide_set());
        }
        // A hidden alias exists only for those who know it.
        for name in argument.get_all_aliases().unwrap_or_default() {
            self.add(&format!("--{name}"), true);
        }
    }

    fn of_command(&mut self, command: &Command) {
        command.get_arguments().for_each(|a| self.of_argument(a));
        for inner in command.get_subcommands() {
            self.add(inner.get_name(), inner.is_hide_set());
            self.of_command(inner);
        }
    }

    fn hides(&self, name: &str) -> bool {
        self.hidden.contains(name) && !self.shown.contains(name)
    }
}

/// An error of a command line without suggestions that name something hidden.
pub fn only_visible(mut error: Error, command: &Command) -> Error {
    let names = Names::of([command]);
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedCommand] {
        let left = match error.get(kind) {
            Some(ContextValue::String(name)) if names.hides(name) => None,
            Some(ContextValue::Strings(all)) if all.iter().any(|name| names.hides(name)) => {
                let left: Vec<String> = all.iter().filter(|name| !names.hides(name)).cloned().collect();
                (!left.is_empty()).then_some(ContextValue::Strings(left))
            }
            _ => continue,
        };
        error.remove(kind);
        if let Some(left) = left {
            error.insert(kind, left);
        }
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) {
        let named = |text: &str| {
            text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| names.hides(word))
        };
        let left: Vec<_> = tips.iter().filter(|tip| !named(&tip.to_string())).cloned().collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(left));
    }
    error
}

/// An error of a command line with the way to name a program, where one is given to a command that takes it by an option.
pub fn naming_programs(mut error: Error) -> Error {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.clone(),
        _ => return error,
    };
    if error.kind() == ErrorKind::UnknownArgument
        && [".dts", ".yaml", ".yml"].iter().any(|end| named.ends_with(end))
    {
        let tip = format!("to name the configuration, write '-f {named}'");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::{CommandFactory, Parser};

    fn told(arguments: &[&str]) -> String {
        let arguments = ["dtm"].iter().chain(arguments);
        let error = Cli::try_parse_from(arguments).err().expect("a mistake");
        only_visible(error, &Cli::command()).to_string()
    }

    #[test]
    fn a_program_where_only_an_option_takes_one_is_told_the_option() {
        let error = Cli::try_parse_from(["dtm", "state", "list", "main.dts"]).err().expect("a mistake");
        let text = naming_programs(error).to_string();
        assert!(text.contains("tip: to name the configuration, write '-f main.dts'"), "{text}");
        let error = Cli::try_parse_from(["dtm", "state", "list", "site"]).err().expect("a mistake");
        assert!(!naming_programs(error).to_string().contains("tip:"));
    }

    #[test]
    fn what_is_hidden_is_never_suggested() {
        for arguments in [
            &["inti"][..],
            &["plugin-hosts"],
            &["plan", "--debg"],
            &["plan", "--var-fil", "x"],
            &["plan", "--config-fil", "x"],
            &["show", "--templat", "x"],
        ] {
            let text = told(arguments);
            assert!(
                !text.contains("tip:")
                    || !["init", "host", "--debug", "--var-file", "--config-file", "--template"]
                        .iter()
                        .any(|n| text.contains(&format!("'{n}'"))),
                "{text}"
            );
        }
        assert!(told(&["aply"]).contains("'apply'"));
        assert!(told(&["plan", "--onyl", "x"]).contains("'--only'"));
    }

    #[test]
    fn every_command_shows_an_example_and_groups_the_global_options() {
        fn all(command: &mut Command, seen: &mut usize) {
            if !command.get_name().is_empty() && is_visible(command) {
                let help = command.render_long_help().to_string();
                assert!(help.contains("Example"), "{}:\n{help}", command.get_name());
                assert!(help.contains("\nGlobal options:\n"), "{}:\n{help}", command.get_name());
                *seen += 1;
                command.get_subcommands_mut().for_each(|c| all(c, seen));
            }
        }
        let (mut command, mut seen) = (Cli::command(), 0);
        command.build();
        all(&mut command, &mut seen);
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn one_letter_is_one_option_everywhere() {
        fn all(command: &Command, seen: &mut std::collections::BTreeMap<char, String>) {
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let (Some(short), Some(long)) = (argument.get_short(), argument.get_long()) else { continue };
                let before = seen.entry(short).or_insert_with(|| long.to_string());
                assert_eq!(before, long, "-{short} of `{}`", command.get_name());
            }
            command.get_subcommands().for_each(|c| all(c, seen));
        }
        let mut command = Cli::command();
        command.build();
        all(&command, &mut Default::default());
    }
}
