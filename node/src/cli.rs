//! The command line of the node: Substrate's own, with defaults that suit a Raspberry Pi.

use crate::{founding, keys, refounding, runtime};
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use sc_cli::{Result, RunCmd, SubstrateCli};
use sc_service::ChainSpec;
use std::{ffi::OsString, path::PathBuf};

/// The node: a validator or a full node of a Streembit chain, with a gateway in the same process on request.
#[derive(Debug, Parser)]
pub struct Cli {
    /// What to do instead of running the node.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,

    /// How to run the node.
    #[clap(flatten)]
    pub run: RunCmd,

    /// Run the gateway of this configuration file (gateway.toml) in the same process, over the node's own RPC.
    #[arg(long, value_name = "FILE")]
    pub gateway: Option<PathBuf>,

    /// The file with the passphrase of the gateway's key; replaces `passphrase_file` of its configuration.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    pub gateway_passphrase_file: Option<PathBuf>,

    /// Make a block at least every so many seconds, also when nothing waits: the chain's clock goes on with it. The
    /// shortest heartbeat of the validators counts. A shorter one writes more to the disk. Every ten minutes, when the
    /// quotas are whole again, a block is made in any case.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub heartbeat: u64,

    /// Where the compiled runtime is kept, so that only the first start compiles it. In the base path unless given; nodes of one
    /// machine may share a folder. Whoever can write there can have the node do anything.
    #[arg(long, value_name = "DIR")]
    pub runtime_cache: Option<PathBuf>,

    /// Look for other nodes on the local network by mDNS. Off unless asked for.
    #[arg(long, conflicts_with = "no_mdns")]
    pub mdns: bool,
}

/// What the node does besides running.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Make, show and insert keys.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Make the chain spec of a consortium from a TOML file that says who founds it.
    ChainSpec(founding::ChainSpecCmd),

    /// Say which runtime this node has, or a file: its version, and the hash that a council votes on. Write it, or its metadata.
    Runtime(runtime::RuntimeCmd),

    /// Found the chain anew from its last final state, with other validators, where too many of them are gone for good.
    Refound(refounding::RefoundCmd),

    /// Make the session keys of a validator in its keystore, and show their public halves for the consortium's file.
    SessionKeys(founding::SessionKeysCmd),

    /// Back up, restore and show what makes a node the validator that it is.
    #[command(subcommand)]
    Keys(keys::KeysCmd),

    /// Write a chain spec, of a preset (`dev`, `local`, `four`) or of a file, plain or raw.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Execute a block again and check it.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Write blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Read blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Remove the chain's database.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Take back blocks that are not final.
    Revert(sc_cli::RevertCmd),

    /// Show the best, the finalized and the genesis block of the database.
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Measure what the calls of the runtime weigh, and write it as the source file that the runtime takes it from.
    #[cfg(feature = "runtime-benchmarks")]
    Benchmark(crate::benchmark::BenchmarkCmd),
}

/// Our defaults by the name of the argument, where sc-cli's are made for a server: 1 GiB of trie cache, 1 GiB of
/// database cache, 8 runtime instances, a pool of 8,192 transactions in 20 MiB, requests of 15 MiB, 500
/// light clients.
///
/// The state of a permissioned chain of gateways is some megabytes: a cache of 16 MiB holds it. Two instances of the
/// runtime are one for the block and one for queries. The pool holds a few blocks' worth of anchors. The largest
/// transaction, a block's worth in hexadecimal digits, fits twice into a request: each of the 100 connections that the RPC
/// takes at once (`--rpc-max-connections`) can make the node hold one in memory. There are no light clients; a connection of
/// one would take half a MiB of buffers.
///
/// Left as they are in sc-cli: finalized blocks are kept (`--blocks-pruning archive-canonical`), so that a node can show
/// the whole history to the next; their states for the last 256 blocks, enough to prove from a recent anchor.
const DEFAULTS: [(&str, &str); 7] = [
    ("trie_cache_size", "16777216"),
    ("database_cache_size", "16"),
    ("max_runtime_instances", "2"),
    ("pool_limit", "512"),
    ("pool_kbytes", "4096"),
    ("rpc_max_request_size", "4"),
    ("in_peers_light", "0"),
];

/// Arguments of sc-cli that do nothing here, so not shown; the first two are `--offchain-worker` and
/// `--enable-offchain-indexing`.
const IDLE: [&str; 8] = [
    "enabled",
    "indexing_enabled",
    "network_backend",
    "no_mdns",
    "force_enable_webrtc",
    "ipfs_server",
    "ipfs_bootnodes",
    "unsafe_force_node_key_generation",
];

/// The log without `--log`: no line for every block and none every five seconds, for the sake of the SD card and of who
/// reads it. What they say a line a minute does ([`crate::condition`]).
const QUIET: [&str; 3] = ["aura=warn", "sc_basic_authorship=warn", "substrate=warn"];

impl Cli {
    /// Reads the arguments; prints what is wrong with them, or the help, and ends the process where there is need.
    pub fn from_arguments() -> Self {
        Self::try_from_arguments(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads the arguments.
    pub fn try_from_arguments<I>(arguments: I) -> std::result::Result<Self, clap::Error>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let matches = Self::with_our_defaults().try_get_matches_from(arguments)?;
        Self::from_matches(&matches)
    }

    fn with_our_defaults() -> Command {
        let command = Self::setup_command(<Self as CommandFactory>::command());
        command.mut_args(adjusted).mut_subcommands(|command| command.mut_args(adjusted))
    }

    fn from_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut cli = <Self as FromArgMatches>::from_arg_matches(matches)?;
        let log = &mut cli.run.shared_params.log;
        if log.is_empty() {
            log.extend(QUIET.map(String::from));
        }
        let network = &mut cli.run.network_params;
        network.no_mdns = !cli.mdns;
        // The gateways of a consortium meet in a house's network or a VPN as often as on the Internet.
        network.allow_private_ip = !network.no_private_ip;
        // A key that the network knows this node by is made on the first start and kept in the base path: to join is
        // one command. The flag is named unsafe for networks that find validators by this key; ours go by their
        // session keys.
        network.node_key_params.unsafe_force_node_key_generation = true;
        Ok(cli)
    }
}

fn adjusted(argument: Arg) -> Arg {
    let id = argument.get_id().as_str().to_owned();
    if IDLE.contains(&id.as_str()) {
        return argument.hide(true);
    }
    if id == "listen_addr" {
        return argument.help(
            "Listen on this multiaddress; by default on 127.0.0.1 and --port only. For other machines: \
             `--listen-addr /ip4/0.0.0.0/tcp/30333`",
        );
    }
    match DEFAULTS.iter().find(|(name, _)| *name == id) {
        Some((_, value)) => argument.default_value(*value),
        None => argument,
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
        streembit_chain_spec::load(chain).map(|spec| Box::new(spec) as _).map_err(|error| error.to_string())
    }
}

/// Refuses what this node is not built for.
pub fn check(cli: &Cli) -> Result<()> {
    match cli.run.network_params.network_backend {
        sc_cli::NetworkBackendType::Litep2p => Ok(()),
        sc_cli::NetworkBackendType::Libp2p => Err(sc_cli::Error::Input(
            "--network-backend libp2p: this node has the litep2p network only; leave the option out".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;
    use sc_cli::{CliConfiguration, DatabasePruningMode, ImportParams};
    use std::collections::BTreeSet;

    fn parse(arguments: &[&str]) -> Cli {
        Cli::try_from_arguments([&["streembit-node"], arguments].concat()).unwrap()
    }

    fn caches(import: &ImportParams) -> (usize, Option<usize>, Option<DatabasePruningMode>) {
        (
            import.trie_cache_size,
            import.database_params.database_cache_size,
            import.pruning_params.state_pruning,
        )
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::with_our_defaults().debug_assert();
    }

    #[test]
    fn every_argument_that_we_adjust_exists() {
        let command = Cli::with_our_defaults();
        let known: BTreeSet<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
        for name in DEFAULTS.iter().map(|(name, _)| *name).chain(IDLE).chain(["listen_addr"]) {
            assert!(known.contains(name), "sc-cli has no argument {name}");
        }
    }

    #[test]
    fn defaults_are_small() {
        let run = parse(&["--dev"]).run;
        assert_eq!(caches(&run.import_params), (16 * 1024 * 1024, Some(16), None));
        assert_eq!(run.runtime_params.max_runtime_instances, 2);
        assert_eq!((run.pool_config.pool_limit, run.pool_config.pool_kbytes), (512, 4096));
        assert_eq!((run.rpc_params.rpc_max_request_size, run.rpc_params.rpc_max_connections), (4, 100));
        assert_eq!((run.network_params.in_peers, run.network_params.in_peers_light), (32, 0));
        assert_eq!(run.import_params.pruning_params.blocks_pruning, DatabasePruningMode::ArchiveCanonical);
        assert!(run.network_params.no_mdns);
        assert_eq!(run.shared_params.log, QUIET);

        match parse(&["import-blocks", "--dev"]).subcommand.unwrap() {
            Subcommand::ImportBlocks(command) => {
                assert_eq!(command.import_params.database_params.database_cache_size, Some(16))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_user_s_flags_win() {
        let run = parse(&[
            "--dev",
            "--trie-cache-size=1",
            "--db-cache=2",
            "--max-runtime-instances=3",
            "--pool-limit=4",
            "--pool-kbytes=5",
            "--state-pruning=archive",
            "--mdns",
            "--log=info",
        ])
        .run;
        assert_eq!(caches(&run.import_params), (1, Some(2), Some(DatabasePruningMode::Archive)));
        assert_eq!(run.runtime_params.max_runtime_instances, 3);
        assert_eq!((run.pool_config.pool_limit, run.pool_config.pool_kbytes), (4, 5));
        assert!(!run.network_params.no_mdns);
        assert_eq!(run.shared_params.log, ["info"]);
    }

    #[test]
    fn the_heartbeat_is_slow_and_no_shorter_than_a_slot() {
        assert_eq!(parse(&["--dev"]).heartbeat, 300);
        assert_eq!(parse(&["--dev", "--heartbeat=2"]).heartbeat, 2);
        for wrong in ["--heartbeat=1", "--heartbeat=3601", "--heartbeat=often"] {
            let error = Cli::try_from_arguments(["streembit-node", "--dev", wrong]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{wrong}");
        }
    }

    #[test]
    fn a_passphrase_file_without_a_gateway_is_refused() {
        let error = Cli::try_from_arguments(["streembit-node", "--dev", "--gateway-passphrase-file", "p"])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn only_the_network_that_is_built_in_is_accepted() {
        assert!(check(&parse(&["--dev"])).is_ok());
        let error = check(&parse(&["--dev", "--network-backend=libp2p"])).unwrap_err();
        assert!(error.to_string().contains("litep2p"), "{error}");
    }

    #[test]
    fn one_command_makes_a_validator() {
        let cli = parse(&["--chain=local", "--alice"]);
        assert!(cli.run.role(false).unwrap().is_authority());
        let missing = PathBuf::from("no/such/folder");
        assert!(cli
            .run
            .network_params
            .node_key_params
            .node_key(&missing, sc_cli::Role::Authority, false)
            .is_ok());
    }
}
