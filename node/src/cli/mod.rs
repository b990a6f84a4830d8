//! The command line of the node: Substrate's, with defaults for a Raspberry Pi.

mod defaults;
mod help;
#[cfg(test)]
mod tests;

use crate::{
    commands::{
        chain_spec::ChainSpecCmd, refound::RefoundCmd, runtime::RuntimeCmd, session_keys::SessionKeysCmd,
    },
    keys::KeysCmd,
    spec_error::with_remedy,
};
use clap::{ArgMatches, Args as _, Command, CommandFactory, FromArgMatches, Parser};
use sc_cli::{Result, RunCmd, SubstrateCli};
use sc_service::ChainSpec;
use std::{ffi::OsString, path::PathBuf};

/// Runs a validator or a full node of a Streembit chain and, with --gateway, a gateway in the same process.
#[derive(Debug, Parser)]
pub struct Cli {
    /// The command to run instead of the node.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,

    /// The options of the node.
    #[clap(flatten)]
    pub run: RunCmd,

    /// Run a gateway with this configuration file (gateway.toml) in the same process. It uses this node.
    #[arg(long, value_name = "FILE")]
    pub gateway: Option<PathBuf>,

    /// The file with the passphrase of the gateway's key; overrides `passphrase_file` in its configuration.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    pub gateway_passphrase_file: Option<PathBuf>,

    /// The longest time between two blocks while no transactions are waiting, in seconds. The blocks keep the chain's
    /// clock going. The shortest heartbeat among the validators decides; a shorter one writes more to the disk. In
    /// any case a block is made every ten minutes, when the quotas are renewed.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub heartbeat: u64,

    /// The folder for the compiled runtime, which makes all starts but the first faster [default: a folder in the
    /// base path]. The nodes of one machine can share it. Anyone who can write to it can make the node run any code.
    #[arg(long, value_name = "DIR")]
    pub runtime_cache: Option<PathBuf>,

    /// Serve all RPC methods on this port of 127.0.0.1, also those that change the node, such as the creation of
    /// session keys. All other listeners serve only safe methods. `streembit consortium join` and `rotate-keys` need
    /// it. Never forward it with a proxy.
    #[arg(long, value_name = "PORT")]
    pub rpc_admin_port: Option<u16>,

    /// The free disk space, in MiB, below which the node stops cleanly and waits until there is more. It warns at four
    /// times as much.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub min_free_disk: u64,

    /// Find other nodes on the local network: with mDNS over IPv4, and with announcements to a multicast group (UDP port
    /// 30335) over IPv6, if the node listens on it.
    #[arg(long, conflicts_with = "no_mdns")]
    pub mdns: bool,
}

/// The commands besides running the node.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Generate, inspect and insert keys.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Create the chain spec of a consortium from a TOML file.
    ChainSpec(ChainSpecCmd),

    /// Show the version of a runtime and the hash that the council votes on; write the runtime or its metadata.
    Runtime(RuntimeCmd),

    /// Create the spec of a successor chain, with new validators, when too many validators are lost for good.
    Refound(RefoundCmd),

    /// Generate the session keys of a validator and print their public keys for the consortium file.
    SessionKeys(SessionKeysCmd),

    /// Back up, restore and show the keys of a validator.
    #[command(subcommand)]
    Keys(KeysCmd),

    /// Print the chain spec of a preset (`dev`, `local`, `four`) or of a file, plain or raw.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Execute a block again and verify it.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Export blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Import blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Remove the chain's database.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Remove the newest blocks that are not finalized.
    Revert(sc_cli::RevertCmd),

    /// Show the best, the finalized and the genesis block in the database.
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Measure the weights of the runtime's calls and write them to a Rust source file.
    #[cfg(feature = "runtime-benchmarks")]
    Benchmark(crate::benchmark::BenchmarkCmd),
}

impl Cli {
    /// Parses the arguments of this process. Prints an error or the help and exits if necessary.
    pub fn from_arguments() -> Self {
        Self::try_from_arguments(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn try_from_arguments<I>(arguments: I) -> std::result::Result<Self, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let (arguments, all) = help::take_all(arguments);
        let matches = Self::arranged_command(all).try_get_matches_from(arguments)?;
        Self::from_matches(&matches)
    }

    /// Returns the command. Its help shows `all` options or only those that are often needed.
    fn arranged_command(all: bool) -> Command {
        help::arrange(Self::command_with_defaults(), &Self::own_arguments(), all)
    }

    /// Returns the names of the arguments that are not Substrate's.
    fn own_arguments() -> Vec<String> {
        let substrate = RunCmd::augment_args(Command::new("substrate"));
        let is_own = |id: &str| !substrate.get_arguments().any(|argument| argument.get_id() == id);
        let all = <Self as CommandFactory>::command();
        let own = all.get_arguments().map(|argument| argument.get_id().to_string());
        own.filter(|id| is_own(id)).collect()
    }

    #[cfg(test)]
    pub(crate) fn parse_for_test(arguments: &[&str]) -> Self {
        Self::try_from_arguments([&["streembit-node"], arguments].concat()).unwrap()
    }

    fn command_with_defaults() -> Command {
        let command = Self::setup_command(<Self as CommandFactory>::command());
        command
            .mut_args(defaults::adjust_argument)
            .mut_subcommands(|command| command.mut_args(defaults::adjust_argument))
    }

    fn from_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut cli = <Self as FromArgMatches>::from_arg_matches(matches)?;
        let log = &mut cli.run.shared_params.log;
        if log.is_empty() {
            log.extend(defaults::LOG_FILTERS.map(String::from));
        }
        // sc-cli only looks whether standard error is a terminal.
        cli.run.shared_params.disable_log_color |= std::env::var_os("NO_COLOR").is_some();
        let network = &mut cli.run.network_params;
        network.no_mdns = !cli.mdns;
        // The gateways of a consortium are as often in one local network or VPN as on the Internet.
        network.allow_private_ip = !network.no_private_ip;
        // Generate the network key on the first start, so that one command is enough to join. Substrate calls this
        // unsafe because on some networks this key identifies a validator; here the session keys do.
        network.node_key_params.unsafe_force_node_key_generation = true;
        if let Some(folder) = cli.chain_beside_gateway() {
            cli.run.shared_params.base_path = Some(folder);
        }
        Ok(cli)
    }

    /// Returns the folder of a development chain with a gateway, unless another one or a temporary one is asked for: the
    /// folder `chain` beside the gateway's configuration. The gateway keeps its log, so the chain must stay too.
    fn chain_beside_gateway(&self) -> Option<PathBuf> {
        let params = &self.run.shared_params;
        if self.run.tmp || params.base_path.is_some() || !params.is_dev() {
            return None;
        }
        let file = std::path::absolute(self.gateway.as_ref()?).ok()?;
        Some(file.with_file_name("chain"))
    }

    /// Returns true if a gateway keeps its log while the chain that anchors it is removed when the node ends.
    pub fn loses_chain_of_gateway(&self) -> bool {
        let is_kept = self.run.shared_params.base_path.is_some() || !self.run.shared_params.is_dev();
        self.gateway.is_some() && (self.run.tmp || !is_kept)
    }

    /// Refuses options that this node does not support.
    pub fn validate(&self) -> Result<()> {
        match self.run.network_params.network_backend {
            sc_cli::NetworkBackendType::Litep2p => Ok(()),
            sc_cli::NetworkBackendType::Libp2p => Err(sc_cli::Error::Input(
                "--network-backend libp2p: this node supports only litep2p; leave the option out".into(),
            )),
        }
    }
}

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Streembit node".into()
    }

    fn impl_version() -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn executable_name() -> String {
        env!("CARGO_PKG_NAME").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        concat!(env!("CARGO_PKG_REPOSITORY"), "/issues").into()
    }

    fn copyright_start_year() -> i32 {
        2016
    }

    fn load_spec(&self, chain: &str) -> std::result::Result<Box<dyn ChainSpec>, String> {
        streembit_chain_spec::load(chain).map(|spec| Box::new(spec) as _).map_err(|error| with_remedy(&error))
    }
}
