//! Parses the command line. Variables of the environment stand for options, and are treated in two ways that clap does
//! not offer: an empty one is like one that is not set, and none changes the usage that an error shows.

use super::Cli;
use clap::{
    error::{ContextKind, ContextValue},
    Arg, Command, CommandFactory as _, FromArgMatches as _,
};
use std::ffi::{OsStr, OsString};

/// Parses the arguments, of which the first one is the name of the program.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = without_variables(Cli::command(), &is_empty);
    let matches = command.clone().try_get_matches_from(&arguments);
    matches
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| with_plain_usage(error, command, &arguments))
}

/// Makes the options ignore the variables for which `ignored` returns true.
fn without_variables(command: Command, ignored: &dyn Fn(&OsStr) -> bool) -> Command {
    let ignore = |argument: Arg| match argument.get_env().is_some_and(ignored) {
        true => argument.env(None::<&'static str>),
        false => argument,
    };
    command.mut_args(ignore).mut_subcommands(|command| without_variables(command, ignored))
}

/// Shows the usage of the command as its help does. Clap shows each option whose variable is set as a required one.
fn with_plain_usage(mut error: clap::Error, mut command: Command, arguments: &[OsString]) -> clap::Error {
    if error.get(ContextKind::Usage).is_some() {
        command.build();
        let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
        let named = words.fold(&command, |found, word| found.find_subcommand(word).unwrap_or(found));
        let usage = named.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter_map(Arg::get_env);
        let own: Vec<_> = own.map(|name| name.to_string_lossy().into_owned()).collect();
        own.into_iter().chain(command.get_subcommands().flat_map(variables)).collect()
    }

    #[test]
    fn empty_variables_are_ignored_by_all_commands() {
        let is_key = |name: &OsStr| name == "STREEMBIT_KEY";
        assert!(variables(&Cli::command()).iter().any(|name| name == "STREEMBIT_KEY"));
        let left = variables(&without_variables(Cli::command(), &is_key));
        assert!(!left.iter().any(|name| name == "STREEMBIT_KEY"), "{left:?}");
        assert!(left.iter().any(|name| name == "STREEMBIT_CONFIG"));
    }

    #[test]
    fn a_party_is_named_by_itself_its_key_or_its_gateway() {
        let parses = |line: &str| parse(line.split(' ').map(OsString::from)).is_ok();
        for command in ["contract list", "contract due", "grant list"] {
            for option in ["--party anna", "--key k", "--config c"] {
                assert!(parses(&format!("streembit {command} {option}")), "{command} {option}");
            }
        }
        for command in ["contract due", "grant list"] {
            assert!(!parses(&format!("streembit {command}")), "{command}");
        }
        // A configuration, which may come from a variable, does not keep a proof from being given.
        assert!(parses("streembit contract report book --proof p --config c --key k"));
        assert!(parses("streembit subscribe --device car --gateway anna --config c --key k"));
    }

    #[test]
    fn an_error_shows_the_usage_of_the_help() {
        let line = ["streembit", "contract", "report", "--key", "k", "--config", "c", "--nonsense"];
        let Err(error) = parse(line.map(OsString::from)) else { panic!() };
        let text = error.to_string();
        assert!(text.contains("Usage: streembit contract report [OPTIONS]"), "{text}");
        assert!(!text.contains("--config <FILE>"), "{text}");
    }
}
