//! Runs the node, and the gateway beside it, until the process is told to stop or an essential task fails.

use crate::{cli::Cli, gateway::Gateway, keys, service};
use futures::FutureExt;
use sc_cli::{CliConfiguration, DefaultConfigurationValues, Error, Result, Signals, SubstrateCli};
use sc_network::{multiaddr::Protocol, Multiaddr};
use sc_service::Configuration;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

/// The time that tasks have to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until SIGINT or SIGTERM arrives or an essential task fails.
pub fn run(cli: &Cli) -> Result<()> {
    let gateway = match &cli.gateway {
        Some(config) => Some(Gateway::open(config, cli.gateway_passphrase_file.as_deref())?),
        None => None,
    };
    let runtime = sc_cli::build_runtime()?;
    // Capture the signals before anything else, so that none is missed.
    let signals = runtime.block_on(async { Signals::capture() })?;
    let mut config = cli.run.create_configuration(cli, runtime.handle().clone())?;
    restrict_addresses(cli, &mut config)?;
    keys::validate(&config)?;
    cli.run.init(&Cli::support_url(), &Cli::impl_version(), |_| ())?;
    sc_cli::print_node_infos::<Cli>(&config);
    if cli.loses_chain_of_gateway() {
        tracing::warn!(
            "this chain is in a temporary folder and is removed when the node ends, but the gateway keeps its log: at the \
             next start, neither the gateway nor its devices are registered. --base-path DIR keeps the chain"
        );
    }

    let chain = format!("{} ({})", config.chain_spec.name(), config.chain_spec.id());
    let result = runtime.block_on(async {
        let heartbeat = Duration::from_secs(cli.heartbeat);
        let node = service::start(config, heartbeat, cli.runtime_cache.as_deref());
        let mut node = node.map_err(|error| start_error(&chain, &error))?;
        let gateway = gateway.map(|gateway| gateway.start(&node.rpc));
        let _memory = tokio::spawn(streembit::memory::trim_periodically());
        let result = signals.run_until_signal(node.tasks.future().fuse()).await;
        // Stop the gateway first: it may still query the node while it closes its log.
        if let Some(gateway) = gateway {
            gateway.stop().await;
        }
        result.map_err(sc_cli::Error::from)
    });
    // The end of the block above dropped the task manager, which tells the tasks to end.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// Returns the error for a node that did not start. It tells where to look, because most errors of Substrate name no
/// file.
fn start_error(chain: &str, error: &sc_service::error::Error) -> Error {
    let text = format!(
        "starting a node of the chain {chain}: {error}; check that --chain names the same spec as on the other nodes, and \
         --base-path a folder of this chain"
    );
    Error::Application(text.into())
}

/// Makes the node listen only on this machine unless the user asks for more, and on no other port than the one asked
/// for.
fn restrict_addresses(cli: &Cli, config: &mut Configuration) -> Result<()> {
    if cli.run.network_params.listen_addr.is_empty() {
        let port = cli.run.network_params.port.unwrap_or_else(<()>::p2p_listen_port);
        let local = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST)).with(Protocol::Tcp(port));
        config.network.listen_addresses = vec![local];
        ensure_free("--port", (Ipv4Addr::LOCALHOST, port).into())?;
    }
    for endpoint in config.rpc.addr.iter_mut().flatten() {
        // If the port is taken, Substrate would use a random one, and clients would connect to another node.
        endpoint.retry_random_port = false;
        if !endpoint.is_optional {
            ensure_free("--rpc-port", endpoint.listen_addr)?;
        }
    }
    Ok(())
}

/// Returns an error that names the option if the node cannot listen on an address.
fn ensure_free(option: &str, address: SocketAddr) -> Result<()> {
    TcpListener::bind(address).map(drop).map_err(|error| {
        Error::Input(format!(
            "cannot listen on {address}: {error}; stop the program that uses it, or choose another port with {option}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_a_taken_port_names_the_option() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let error = ensure_free("--rpc-port", address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("--rpc-port"), "{error}");
        drop(taken);
        ensure_free("--rpc-port", address).unwrap();
    }
}
