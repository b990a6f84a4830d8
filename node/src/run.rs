//! Runs the node until something ends it.

use crate::{cli::Cli, service};
use futures::FutureExt;
use sc_cli::{CliConfiguration, DefaultConfigurationValues, Result, Signals, SubstrateCli};
use sc_network::{multiaddr::Protocol, Multiaddr};
use sc_service::Configuration;
use std::{net::Ipv4Addr, time::Duration};

/// How long tasks may take to end when the node stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until SIGINT, SIGTERM or the failure of a task that the node cannot do without.
pub fn run(cli: &Cli) -> Result<()> {
    let runtime = sc_cli::build_runtime()?;
    // First of all, so that no signal is missed.
    let signals = runtime.block_on(async { Signals::capture() })?;
    let mut config = cli.run.create_configuration(cli, runtime.handle().clone())?;
    keep_to_this_machine(cli, &mut config);
    cli.run.init(&Cli::support_url(), &Cli::impl_version(), |_| ())?;
    sc_cli::print_node_infos::<Cli>(&config);

    let result = runtime.block_on(async {
        let mut tasks = service::start(config)?;
        let result = signals.run_until_signal(tasks.future().fuse()).await;
        result.map_err(sc_cli::Error::from)
    });
    // Whatever holds the tasks was dropped in the block above, which told them to end.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// Nothing is reachable from other machines unless it is asked for; and a port that is asked for is the one used.
fn keep_to_this_machine(cli: &Cli, config: &mut Configuration) {
    if cli.run.network_params.listen_addr.is_empty() {
        let port = cli.run.network_params.port.unwrap_or_else(<()>::p2p_listen_port);
        let here = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST)).with(Protocol::Tcp(port));
        config.network.listen_addresses = vec![here];
    }
    for endpoint in config.rpc.addr.iter_mut().flatten() {
        // Substrate takes any free port where this one is taken; whoever connects would meet another node.
        endpoint.retry_random_port = false;
    }
}
