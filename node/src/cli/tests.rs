use super::{
    defaults::{DEFAULTS, HIDDEN_ARGUMENTS, LOG_FILTERS},
    *,
};
use clap::error::ErrorKind;
use sc_cli::{CliConfiguration, DatabasePruningMode, ImportParams};
use std::collections::BTreeSet;

fn parse(arguments: &[&str]) -> Cli {
    Cli::parse_for_test(arguments)
}

fn caches(import: &ImportParams) -> (usize, Option<usize>, Option<DatabasePruningMode>) {
    (import.trie_cache_size, import.database_params.database_cache_size, import.pruning_params.state_pruning)
}

#[test]
fn the_command_definition_is_consistent() {
    Cli::command_with_defaults().debug_assert();
}

#[test]
fn every_adjusted_argument_exists() {
    let command = Cli::command_with_defaults();
    let known: BTreeSet<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    for name in DEFAULTS.iter().map(|(name, _)| *name).chain(HIDDEN_ARGUMENTS).chain(["listen_addr"]) {
        assert!(known.contains(name), "sc-cli has no argument {name}");
    }
}

#[test]
fn the_help_begins_with_our_options_and_fits_few_screens() {
    let help = |option: &str| {
        let error = Cli::try_from_arguments(["streembit-node", option]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{option}");
        error.to_string()
    };
    let (short, all) = (help("--help"), help("--help-all"));
    let at = |text: &str, option: &str| text.find(option).unwrap_or_else(|| panic!("no {option}:\n{text}"));
    assert!(at(&short, "--gateway <FILE>") < at(&short, "Options of Substrate"));
    assert!(at(&short, "Options of Substrate") < at(&short, "--validator"));
    assert!(short.contains("--help-all") && !short.contains("--trie-cache-size"), "{short}");
    assert!(all.contains("--trie-cache-size"), "{all}");
    let (short, all) = (short.lines().count(), all.lines().count());
    assert!(short < 350 && short + 200 < all, "{short} of {all} lines");
    // Hidden options still work.
    assert_eq!(parse(&["--dev", "--trie-cache-size=1"]).run.import_params.trie_cache_size, 1);
}

#[test]
fn every_shown_argument_exists() {
    let command = Cli::arranged_command(false);
    let known: BTreeSet<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    for name in help::SHOWN {
        assert!(known.contains(name), "sc-cli has no argument {name}");
    }
    Cli::arranged_command(true).debug_assert();
}

#[test]
fn the_defaults_fit_a_raspberry_pi() {
    let run = parse(&["--dev"]).run;
    assert_eq!(caches(&run.import_params), (16 * 1024 * 1024, Some(16), None));
    assert_eq!(run.runtime_params.max_runtime_instances, 2);
    assert_eq!((run.pool_config.pool_limit, run.pool_config.pool_kbytes), (512, 4096));
    assert_eq!((run.rpc_params.rpc_max_request_size, run.rpc_params.rpc_max_connections), (4, 100));
    assert_eq!((run.network_params.in_peers, run.network_params.in_peers_light), (32, 4));
    assert_eq!(run.import_params.pruning_params.blocks_pruning, DatabasePruningMode::ArchiveCanonical);
    assert!(run.network_params.no_mdns);
    assert_eq!(run.shared_params.log, LOG_FILTERS);

    match parse(&["import-blocks", "--dev"]).subcommand.unwrap() {
        Subcommand::ImportBlocks(command) => {
            assert_eq!(command.import_params.database_params.database_cache_size, Some(16))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_override_the_defaults() {
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
fn the_heartbeat_has_a_default_and_limits() {
    assert_eq!(parse(&["--dev"]).heartbeat, 300);
    assert_eq!(parse(&["--dev", "--heartbeat=2"]).heartbeat, 2);
    for invalid in ["--heartbeat=1", "--heartbeat=3601", "--heartbeat=often"] {
        let error = Cli::try_from_arguments(["streembit-node", "--dev", invalid]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation, "{invalid}");
    }
}

#[test]
fn the_free_disk_space_has_a_default_and_limits() {
    assert_eq!(parse(&["--dev"]).min_free_disk, 128);
    assert_eq!(parse(&["--dev", "--min-free-disk=64"]).min_free_disk, 64);
    let error = Cli::try_from_arguments(["streembit-node", "--dev", "--min-free-disk=0"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ValueValidation);
}

#[test]
fn a_passphrase_file_requires_a_gateway() {
    let error =
        Cli::try_from_arguments(["streembit-node", "--dev", "--gateway-passphrase-file", "p"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
}

#[test]
fn a_development_chain_with_a_gateway_is_kept_beside_it() {
    let base = |arguments: &[&str]| parse(arguments).run.shared_params.base_path;
    let beside = Some(PathBuf::from("/srv/car/chain"));
    assert_eq!(base(&["--dev", "--gateway", "/srv/car/gateway.toml"]), beside);
    let relative = base(&["--dev", "--gateway", "gateway.toml"]).unwrap();
    assert!(relative.is_absolute() && relative.ends_with("chain"), "{relative:?}");
    let other = base(&["--dev", "--gateway", "/srv/car/gateway.toml", "--base-path", "/var/chain"]);
    assert_eq!(other, Some(PathBuf::from("/var/chain")));
    for arguments in [&["--dev"][..], &["--dev", "--tmp", "--gateway", "g.toml"], &["--gateway", "g.toml"]] {
        assert_eq!(base(arguments), None, "{arguments:?}");
    }
    assert!(parse(&["--dev", "--tmp", "--gateway", "g.toml"]).loses_chain_of_gateway());
    assert!(!parse(&["--dev", "--gateway", "g.toml"]).loses_chain_of_gateway());
    assert!(!parse(&["--dev"]).loses_chain_of_gateway());
}

#[test]
fn only_the_litep2p_backend_is_accepted() {
    assert!(parse(&["--dev"]).validate().is_ok());
    let error = parse(&["--dev", "--network-backend=libp2p"]).validate().unwrap_err();
    assert!(error.to_string().contains("litep2p"), "{error}");
}

#[test]
fn a_validator_starts_without_an_existing_network_key() {
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
