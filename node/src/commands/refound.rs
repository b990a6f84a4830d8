//! `streembit-node refound`: creates the spec of a successor chain from the database of a stopped node.

use super::output::write_text;
use crate::{
    genesis::genesis_hash,
    spec_error::command_error,
    types::{Block, FullBackend, FullClient},
};
use sc_cli::{CliConfiguration, DatabaseParams, Error, PruningParams, Result, SharedParams};
use sc_service::ChainSpec;
use sp_blockchain::HeaderBackend as _;
use std::{path::PathBuf, sync::Arc};
use streembit_chain_spec::successor::{Successor, TEMPLATE};

/// Printed above the template.
const TEMPLATE_HEADER: &str = "\
# Create the session keys of a node:
#     streembit-node session-keys --keystore-path DIR
# Create the chain spec from this file and the database of a stopped node of the old chain:
#     streembit-node refound --chain OLD.json --base-path BASE --validators FILE --out NEW.json
#";

/// `streembit-node refound`
#[derive(Debug, clap::Parser)]
pub struct RefoundCmd {
    /// The file with the name and the validators of the new chain.
    #[arg(long, value_name = "FILE", required_unless_present = "template")]
    validators: Option<PathBuf>,

    /// Print a commented file to start from.
    #[arg(long, conflicts_with_all = ["validators", "out"])]
    pub template: bool,

    /// The file to write the new chain's spec to; an existing file is never overwritten [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The old chain, and the base path of a stopped node.
    #[clap(flatten)]
    shared: SharedParams,

    #[clap(flatten)]
    pruning: PruningParams,

    #[clap(flatten)]
    database: DatabaseParams,
}

impl RefoundCmd {
    /// Prints the template.
    pub fn print_template(&self) -> Result<()> {
        write_text(None, &format!("{TEMPLATE_HEADER}\n{}", TEMPLATE.trim_end()))
    }

    /// Writes the spec of the successor chain, made from the last finalized state in the database.
    pub fn run(&self, client: Arc<FullClient>, old: &dyn ChainSpec) -> Result<()> {
        let file =
            self.validators.as_deref().ok_or_else(|| Error::Input("--validators is missing".into()))?;
        let successor = Successor::read(file).map_err(command_error)?;
        let info = client.info();
        let (number, hash) = (info.finalized_number, info.finalized_hash);
        let state = sc_service::chain_ops::export_raw_state::<Block, FullBackend, _>(client, hash)?;
        let spec = successor.spec(old, state).map_err(command_error)?;
        write_text(self.out.as_deref(), &spec.as_json(true).map_err(Error::Input)?)?;

        let genesis = genesis_hash(&spec).map_err(Error::Input)?;
        eprintln!(
            "The new chain continues from the state after block {number} ({hash:?}), the last finalized block in this \
             database. Its genesis block is {genesis:?}. Anyone who has the old chain up to that block can create the same \
             spec and compare."
        );
        Ok(())
    }
}

impl CliConfiguration for RefoundCmd {
    fn shared_params(&self) -> &SharedParams {
        &self.shared
    }

    fn pruning_params(&self) -> Option<&PruningParams> {
        Some(&self.pruning)
    }

    fn database_params(&self) -> Option<&DatabaseParams> {
        Some(&self.database)
    }
}
