//! Runs the command that was given on the command line.

use crate::{
    cli::{Cli, Subcommand},
    database::folder::DatabaseFolder,
    keys::vote_record,
    run::{self, End},
    service::Components,
    types::{Block, FullBackend, FullClient},
};
use sc_cli::{CliConfiguration, Error, Result, SubstrateCli};
use sc_service::Configuration;
use std::{future::Future, sync::Arc};

/// Runs the node, or the subcommand if there is one.
pub fn execute(cli: &mut Cli) -> Result<End> {
    match &cli.subcommand {
        None => {
            cli.validate()?;
            run::run(cli)
        }
        Some(command) => execute_command(cli, command).map(|()| End::Stopped),
    }
}

fn execute_command(cli: &Cli, command: &Subcommand) -> Result<()> {
    match command {
        Subcommand::Key(command) => command.run(cli),
        Subcommand::ChainSpec(command) => command.run(),
        Subcommand::Runtime(command) => command.run(),
        Subcommand::Refound(command) if command.template => command.print_template(),
        Subcommand::Refound(command) => with_database(cli, command, |database, config| async move {
            command.run(database.client, &*config.chain_spec)
        }),
        Subcommand::SessionKeys(command) => command.run(),
        Subcommand::Keys(command) => command.run(),
        #[cfg(feature = "runtime-benchmarks")]
        Subcommand::Benchmark(command) => command.run(),
        Subcommand::ExportChainSpec(command) => command.run(cli.load_spec(&command.chain)?),
        Subcommand::PurgeChain(command) => {
            cli.create_runner(command)?.sync_run(|config| {
                // The next start may begin a new database.
                let database = DatabaseFolder::of(&config);
                command.run(config.database)?;
                database
                    .map_or(Ok(()), |database| database.forget_if_removed())
                    .map_err(|error| Error::Application(Box::new(error)))
            })
        }
        Subcommand::ChainInfo(command) => {
            cli.create_runner(command)?.sync_run(|config| command.run::<Block>(&config))
        }
        Subcommand::CheckBlock(command) => {
            with_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Subcommand::ExportBlocks(command) => {
            with_database(cli, command, |database, config| command.run(database.client, config.database))
        }
        Subcommand::ImportBlocks(command) => {
            with_database(cli, command, |database, _| command.run(database.client, database.import_queue))
        }
        Subcommand::Revert(command) => with_database(cli, command, |database, config| async move {
            // GRANDPA has its own records of the reverted blocks, and votes on other ones in the same rounds.
            vote_record::forget(&config.data_path)?;
            let revert_grandpa =
                Box::new(|client, _, blocks| Ok(sc_consensus_grandpa::revert(client, blocks)?));
            command.run(database.client, database.backend, Some(revert_grandpa)).await
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
