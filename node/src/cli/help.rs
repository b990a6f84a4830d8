//! The help of the node: our own options and those of Substrate that operators need. `--help-all` shows all of them.

use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};

/// The options of Substrate that the short help shows, by the names of the arguments.
pub(super) const SHOWN: [&str; 17] = [
    "base_path",
    "bootnodes",
    "chain",
    "dev",
    "keystore_path",
    "listen_addr",
    "log",
    "name",
    "no_prometheus",
    "node_key_file",
    "port",
    "prometheus_port",
    "public_addr",
    "reserved_nodes",
    "reserved_only",
    "rpc_port",
    "validator",
];

/// The heading of the options of Substrate.
const HEADING: &str = "Options of Substrate";

/// The option that shows all options.
const ALL: &str = "--help-all";

/// Returns the arguments with `--help-all` replaced by `--help`, and whether it was there.
pub(super) fn take_all(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> (Vec<OsString>, bool) {
    let mut asked = false;
    let arguments = arguments.into_iter().map(Into::into).map(|argument: OsString| {
        let is_all = argument == OsStr::new(ALL);
        asked |= is_all;
        if is_all {
            "--help".into()
        } else {
            argument
        }
    });
    let arguments = arguments.collect();
    (arguments, asked)
}

/// Puts the options of Substrate under a heading of their own, after ours. Unless `all`, hides those that are seldom needed.
pub(super) fn arrange(command: Command, own: &[String], all: bool) -> Command {
    let arrange = |argument: Arg| {
        let id = argument.get_id().as_str();
        let (is_own, is_shown) = (own.iter().any(|name| name == id), SHOWN.contains(&id));
        let is_hidden = argument.is_hide_set() || !(all || is_own || is_shown);
        match is_own {
            true => argument,
            false => argument.help_heading(HEADING).hide(is_hidden),
        }
    };
    let help_all = Arg::new("help_all")
        .long("help-all")
        .action(ArgAction::SetTrue)
        .help("Print help with all options of Substrate");
    command.mut_args(arrange).arg(help_all)
}
