//! What each subcommand does.

use crate::{
    cli::{self, Cli, Subcommand},
    run,
    service::{self, Block},
};
use sc_cli::{CliConfiguration, Result, SubstrateCli};
use sc_service::{Configuration, PartialComponents};
use std::{future::Future, sync::Arc};

/// Does what the command line says.
pub fn execute(cli: &Cli) -> Result<()> {
    match &cli.subcommand {
        None => {
            cli::check(cli)?;
            run::run(cli)
        }
        Some(Subcommand::Key(command)) => command.run(cli),
        Some(Subcommand::ChainSpec(command)) => command.run(),
        Some(Subcommand::Runtime(command)) => command.run(),
        Some(Subcommand::Refound(command)) if command.template => command.show_template(),
        Some(Subcommand::Refound(command)) => on_database(cli, command, |database, config| async move {
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
            on_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Some(Subcommand::ExportBlocks(command)) => {
            on_database(cli, command, |database, config| command.run(database.client, config.database))
        }
        Some(Subcommand::ImportBlocks(command)) => {
            on_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Some(Subcommand::Revert(command)) => on_database(cli, command, |database, _| {
            // GRANDPA keeps its own records of the blocks that go.
            let forget = Box::new(|client, _, blocks| Ok(sc_consensus_grandpa::revert(client, blocks)?));
            command.run(database.client, database.backend, Some(forget))
        }),
    }
}

/// The parts that commands work on.
struct Database {
    client: Arc<service::FullClient>,
    backend: Arc<service::FullBackend>,
    import_queue: sc_consensus::DefaultImportQueue<Block>,
}

/// Opens the database and runs a command on it until it is done or stopped.
fn on_database<C, F>(cli: &Cli, command: &C, work: impl FnOnce(Database, Configuration) -> F) -> Result<()>
where
    C: CliConfiguration,
    F: Future<Output = Result<()>>,
{
    cli.create_runner(command)?.async_run(|config| {
        let PartialComponents { client, backend, import_queue, task_manager, .. } =
            service::parts(&config, None)?;
        Ok((work(Database { client, backend, import_queue }, config), task_manager))
    })
}
