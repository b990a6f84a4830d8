//! Runs the node, and the gateway beside it, until the process is told to stop or an essential task fails.

use crate::{
    cli::Cli,
    database::{disk_space::DiskSpace, folder::DatabaseFolder, DatabaseError},
    gateway::Gateway,
    keys,
    notices::Notices,
    preflight::{folders, listen_addresses, rpc_access},
    restart::{self, RestartReceiver},
    service::{self, ChainHandles, NodeSettings},
};
use futures::{future::BoxFuture, FutureExt as _};
use sc_cli::{CliConfiguration, DefaultConfigurationValues, Error, Result, Signals, SubstrateCli};
use sc_network::{multiaddr::Protocol, Multiaddr};
use sc_service::{error::Error as ServiceError, Configuration};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// The time that tasks have to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// The time that the last users of the database have to end after all tasks.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the node ended without an error.
pub enum End {
    /// The process was told to stop.
    Stopped,
    /// The process is to be replaced by a new one.
    Restart,
}

/// A signal to stop, which can be awaited many times.
type StopSignal = futures::future::Shared<BoxFuture<'static, ()>>;

/// Runs until SIGINT or SIGTERM arrives, an essential task fails, or the node has to be restarted.
pub fn run(cli: &mut Cli) -> Result<End> {
    let gateway = match &cli.gateway {
        Some(config) => Some(Gateway::open(config, cli.gateway_passphrase_file.as_deref())?),
        None => None,
    };
    folders::resolve_base_path(cli)?;
    let runtime = sc_cli::build_runtime()?;
    // Capture the signals before anything else, so that none is missed.
    let signal = runtime.block_on(async { Signals::capture() })?.future().shared();
    let mut config = cli.run.create_configuration(cli, runtime.handle().clone())?;
    let absent = restrict_addresses(cli, &mut config)?;
    folders::prepare(&config, cli.runtime_cache.as_deref())?;
    cli.run.init(&Cli::support_url(), &Cli::impl_version(), |_| ())?;
    sc_cli::print_node_infos::<Cli>(&config);
    if cli.loses_chain_of_gateway() {
        tracing::warn!(
            "this chain is in a temporary folder and is removed when the node ends, but the gateway keeps its log: at the \
             next start, neither the gateway nor its devices are registered. --base-path DIR keeps the chain"
        );
    }

    let disk = DiskSpace::new(&config.data_path, cli.min_free_disk);
    let has_space = runtime.block_on(async {
        tokio::select! {
            () = disk.wait_until_enough() => true,
            () = signal.clone() => false,
        }
    });
    if !has_space {
        return Ok(End::Stopped);
    }
    let damaged_keys = keys::prepare(&config)?;
    let (restart, restarts) = restart::channel();
    let notices = Notices::default();
    let settings = NodeSettings {
        heartbeat: Duration::from_secs(cli.heartbeat),
        runtime_cache: cli.runtime_cache.as_deref(),
        compare_genesis: !is_preset(cli),
        damaged_keys,
        notices: notices.clone(),
        restart: restart.clone(),
    };
    let (result, chain) = runtime.block_on(async {
        tokio::spawn(disk.clone().watch(notices.clone(), restart.clone()));
        if !absent.is_empty() {
            tokio::spawn(listen_addresses::wait_for(absent, notices, restart));
        }
        run_node(config, settings, gateway, (signal, restarts), &disk).await
    });
    shut_down(runtime, chain);
    result
}

/// Returns true if the chain spec is one of those in this program.
fn is_preset(cli: &Cli) -> bool {
    let shared = &cli.run.shared_params;
    shared.chain.as_deref().map_or(shared.dev, |chain| ["dev", "local", "four"].contains(&chain))
}

/// Runs the node and the gateway. Also returns the handles of the chain, if the node had started.
async fn run_node(
    config: Configuration,
    settings: NodeSettings<'_>,
    gateway: Option<Gateway>,
    (signal, mut restarts): (StopSignal, RestartReceiver),
    disk: &DiskSpace,
) -> (Result<End>, Option<ChainHandles>) {
    let chain = format!("{} ({})", config.chain_spec.name(), config.chain_spec.id());
    let database = DatabaseFolder::of(&config)
        .map_or_else(|| config.data_path.clone(), |database| database.path().to_owned());
    let mut node = match service::start(config, settings) {
        Ok(node) => node,
        Err(error) => return (Err(start_error(&chain, database, &error)), None),
    };
    let gateway = gateway.map(|gateway| gateway.start(&node.rpc));
    let _memory = tokio::spawn(streembit::memory::trim_periodically());
    let end = tokio::select! {
        () = signal => {
            tracing::info!("stopping");
            Ok(End::Stopped)
        }
        Some(reason) = restarts.recv() => {
            tracing::warn!("the node restarts, because {reason}");
            Ok(End::Restart)
        }
        result = node.tasks.future() => match result {
            Ok(()) => Ok(End::Stopped),
            // The disk was full before the node could stop.
            Err(_) if disk.is_too_low() => Ok(End::Restart),
            Err(error) => match restarts.try_recv() {
                Ok(reason) => {
                    tracing::warn!("the node restarts, because {reason}");
                    Ok(End::Restart)
                }
                Err(_) => Err(task_error(database, &error)),
            },
        },
    };
    // Stop the gateway first: it may still query the node while it closes its log.
    if let Some(gateway) = gateway {
        gateway.stop().await;
    }
    if end.is_ok() {
        // From here on, Substrate reports the tasks that it ends itself as failed.
        log::set_max_level(log::LevelFilter::Off);
    }
    // The task manager is dropped at the end of this function, which tells the tasks to end.
    (end, Some(node.chain))
}

/// Ends the tasks, then closes the database.
///
/// If the process ended while a thread still uses the database, the end of RocksDB would abort the process. The pool is
/// dropped before, because one of its threads ends only then.
fn shut_down(runtime: Runtime, chain: Option<ChainHandles>) {
    let backend = chain.map(|chain| chain.backend);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    let Some(backend) = backend else { return };
    let database = Arc::downgrade(&backend);
    drop(backend);
    let start = Instant::now();
    while database.strong_count() > 0 {
        if start.elapsed() > DATABASE_TIMEOUT {
            tracing::warn!("the database is still in use after {} s", DATABASE_TIMEOUT.as_secs());
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the error for a node that did not start. It tells where to look, because most errors of Substrate name no
/// file.
fn start_error(chain: &str, database: PathBuf, error: &ServiceError) -> Error {
    let text = match error {
        // Our own errors name the file and the remedy.
        ServiceError::Application(error) => format!("starting a node of the chain {chain}: {error}"),
        // The client cannot read the database. It can read it if only the runtime does not run: that is from the spec.
        ServiceError::Client(error) if !matches!(error, sp_blockchain::Error::VersionInvalid(_)) => {
            let error = DatabaseError::Open { folder: database, problem: error.to_string() };
            format!("starting a node of the chain {chain}: {error}")
        }
        error => format!(
            "starting a node of the chain {chain}: {error}; check that --chain names the same spec as on the other nodes, \
             and --base-path a folder of this chain"
        ),
    };
    Error::Application(text.into())
}

/// Returns the error for a node of which a task failed. Such a task has logged why, but not in which folder.
fn task_error(database: PathBuf, error: &ServiceError) -> Error {
    Error::Application(Box::new(DatabaseError::PartFailed { folder: database, problem: error.to_string() }))
}

/// Makes the node listen only on this machine unless the user asks for more, and on no other port than the one asked
/// for. Returns the addresses that this machine does not have.
fn restrict_addresses(cli: &Cli, config: &mut Configuration) -> Result<Vec<SocketAddr>> {
    let mut option = "--listen-addr";
    if cli.run.network_params.listen_addr.is_empty() {
        let port = cli.run.network_params.port.unwrap_or_else(<()>::p2p_listen_port);
        let local = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST)).with(Protocol::Tcp(port));
        config.network.listen_addresses = vec![local];
        option = "--port";
    }
    if let Some(endpoints) = &mut config.rpc.addr {
        rpc_access::restrict(endpoints, cli.rpc_admin_port);
        let is_admin = |address: &SocketAddr| Some(address.port()) == cli.rpc_admin_port;
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_optional) {
            let option = if is_admin(&endpoint.listen_addr) { "--rpc-admin-port" } else { "--rpc-port" };
            listen_addresses::ensure_free(option, endpoint.listen_addr)?;
        }
    }
    listen_addresses::absent_addresses(&config.network.listen_addresses, option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_genesis_of_presets_is_not_compared() {
        assert!(is_preset(&Cli::parse_for_test(&["--dev"])));
        assert!(is_preset(&Cli::parse_for_test(&["--chain=four", "--alice"])));
        assert!(!is_preset(&Cli::parse_for_test(&["--chain=spec.json"])));
        assert!(!is_preset(&Cli::parse_for_test(&["--dev", "--chain=spec.json"])));
    }

    #[test]
    fn only_errors_of_substrate_get_general_advice() {
        let text = |error| start_error("x (x)", "node/db/full".into(), &error).to_string();
        let general = text(ServiceError::Other("no listener".into()));
        assert!(general.contains("chain x (x)") && general.contains("--chain names"), "{general}");
        let invalid = sp_blockchain::Error::VersionInvalid("cannot deserialize module".into());
        assert!(text(ServiceError::Client(invalid)).contains("--chain names"));
        let own = text(ServiceError::Application("the database is gone".into()));
        assert!(own.contains("the database is gone") && !own.contains("--chain names"), "{own}");
    }

    #[test]
    fn errors_of_the_client_and_of_tasks_name_the_database_and_the_way_back() {
        let unknown = sp_blockchain::Error::UnknownBlock("header was not found".into());
        let start = start_error("x (x)", "node/db/full".into(), &ServiceError::Client(unknown)).to_string();
        let task =
            task_error("node/db/full".into(), &ServiceError::Other("the voter ended".into())).to_string();
        for (text, problem) in [(start, "header was not found"), (task, "the voter ended")] {
            for part in [problem, "node/db/full", "purge-chain", "docs/validator/keys.md"] {
                assert!(text.contains(part), "no {part}: {text}");
            }
        }
    }
}
