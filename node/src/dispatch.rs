//! Runs the command that was given on the command line.

use crate::{
    cli::{Cli, Subcommand},
    run,
    service::Components,
    types::{Block, FullBackend, FullClient},
};
use sc_cli::{CliConfiguration, Result, SubstrateCli};
use sc_service::Configuration;
use std::{future::Future, sync::Arc};

/// Runs the node, or the subcommand if there is one.
pub fn execute(cli: &Cli) -> Result<()> {
    match &cli.subcommand {
        None => {
            cli.validate()?;
            run::run(cli)
        }
        Some(Subcommand::Key(command)) => command.run(cli),
        Some(Subcommand::ChainSpec(command)) => command.run(),
        Some(Subcommand::Runtime(command)) => command.run(),
        Some(Subcommand::Refound(command)) if command.template => command.print_template(),
        Some(Subcommand::Refound(command)) => with_database(cli, command, |database, config| async move {
            command.run(database.client, &*config.chain_spec)
        }),
        Some(Subcommand::SessionKeys(command)) => command.run(),
        Some(Subcommand::Keys(command)) => command.run(),
        #[cfg(feature = "runtime-benchmarks")]
        Some(Subcommand::Benchmark(command)) => command.run(),
        Some(Subcommand::ExportChainSpec(command)) => command.run(cli.load_spec(&command.chain)?),
        Some(Subcommand::PurgeChain(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run(config.database))
        }
        Some(Subcommand::ChainInfo(command)) => {
            cli.create_runner(command)?.sync_run(|config| command.run::<Block>(&config))
        }
        Some(Subcommand::CheckBlock(command)) => {
            with_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Some(Subcommand::ExportBlocks(command)) => {
            with_database(cli, command, |database, config| command.run(database.client, config.database))
        }
        Some(Subcommand::ImportBlocks(command)) => {
            with_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Some(Subcommand::Revert(command)) => with_database(cli, command, |database, _| {
            // GRANDPA has its own records of the reverted blocks.
            let revert_grandpa =
                Box::new(|client, _, blocks| Ok(sc_consensus_grandpa::revert(client, blocks)?));
            command.run(database.client, database.backend, Some(revert_grandpa))
        }),
    }
}

/// The parts of the node that commands on the database use.
struct Database {
    client: Arc<FullClient>,
    backend: Arc<FullBackend>,
    import_queue: sc_consensus::DefaultImportQueue<Block>,
}

/// Opens the database and runs `work` on it until it is done or the process is told to stop.
fn with_database<C, F>(cli: &Cli, command: &C, work: impl FnOnce(Database, Configuration) -> F) -> Result<()>
where
    C: CliConfiguration,
    F: Future<Output = Result<()>>,
{
    cli.create_runner(command)?.async_run(|config| {
        let Components { chain, tasks, import_queue, .. } = Components::new(&config, None)?;
        let database = Database { client: chain.client, backend: chain.backend, import_queue };
        Ok((work(database, config), tasks))
    })
}
