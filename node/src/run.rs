//! Runs the node, and the gateway beside it, until something ends them.

use crate::{cli::Cli, gateway::Gateway, keys, service};
use futures::FutureExt;
use sc_cli::{CliConfiguration, DefaultConfigurationValues, Error, Result, Signals, SubstrateCli};
use sc_network::{multiaddr::Protocol, Multiaddr};
use sc_service::Configuration;
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

/// How long tasks may take to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until SIGINT, SIGTERM or the failure of a task that the node cannot do without.
pub fn run(cli: &Cli) -> Result<()> {
    let gateway = Gateway::open(cli)?;
    let runtime = sc_cli::build_runtime()?;
    // First of all, so that no signal is missed.
    let signals = runtime.block_on(async { Signals::capture() })?;
    let mut config = cli.run.create_configuration(cli, runtime.handle().clone())?;
    keep_to_this_machine(cli, &mut config)?;
    keys::check(&config)?;
    cli.run.init(&Cli::support_url(), &Cli::impl_version(), |_| ())?;
    sc_cli::print_node_infos::<Cli>(&config);

    let chain = format!("{} ({})", config.chain_spec.name(), config.chain_spec.id());
    let result = runtime.block_on(async {
        let heartbeat = Duration::from_secs(cli.heartbeat);
        let node = service::start(config, heartbeat, cli.runtime_cache.as_deref());
        let mut node = node.map_err(|error| not_started(&chain, &error))?;
        let gateway = gateway.map(|gateway| gateway.start(&node.rpc));
        let _memory = tokio::spawn(streembit::memory::give_back());
        let result = signals.run_until_signal(node.tasks.future().fuse()).await;
        // The gateway first: while it closes its log it may still ask the node.
        if let Some(gateway) = gateway {
            gateway.stop().await;
        }
        result.map_err(sc_cli::Error::from)
    });
    // Whatever holds the tasks was dropped in the block above, which told them to end.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// Why the node did not start, and where to look: most of Substrate's errors name no file.
fn not_started(chain: &str, error: &sc_service::error::Error) -> Error {
    let text = format!(
        "starting a node of the chain {chain}: {error}; check that --chain names the spec that the other nodes have, and \
         --base-path a folder of this chain"
    );
    Error::Application(text.into())
}

/// Nothing is reachable from other machines unless it is asked for; and a port that is asked for is the one used.
fn keep_to_this_machine(cli: &Cli, config: &mut Configuration) -> Result<()> {
    if cli.run.network_params.listen_addr.is_empty() {
        let port = cli.run.network_params.port.unwrap_or_else(<()>::p2p_listen_port);
        let here = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST)).with(Protocol::Tcp(port));
        config.network.listen_addresses = vec![here];
        check_free("--port", (Ipv4Addr::LOCALHOST, port).into())?;
    }
    for endpoint in config.rpc.addr.iter_mut().flatten() {
        // Substrate takes any free port where this one is taken; whoever connects would meet another node.
        endpoint.retry_random_port = false;
        if !endpoint.is_optional {
            check_free("--rpc-port", endpoint.listen_addr)?;
        }
    }
    Ok(())
}

/// Refuses an address that cannot be listened on, with the option that names another.
fn check_free(option: &str, address: SocketAddr) -> Result<()> {
    TcpListener::bind(address).map(drop).map_err(|error| {
        Error::Input(format!(
            "cannot listen on {address}: {error}; stop what listens there, or choose another port with {option}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_by_its_option() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let error = check_free("--rpc-port", address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("--rpc-port"), "{error}");
        drop(taken);
        check_free("--rpc-port", address).unwrap();
    }
}
