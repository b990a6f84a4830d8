//! `streembit-node refound`: a chain whose validators are gone for good goes on as another one, from its last final state.

use crate::{
    founding::write,
    service::{Block, FullBackend, FullClient},
};
use sc_cli::{CliConfiguration, DatabaseParams, Error, PruningParams, Result, SharedParams};
use sc_service::ChainSpec;
use sp_blockchain::HeaderBackend as _;
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    BuildStorage as _, StateVersion,
};
use std::{path::PathBuf, sync::Arc};
use streembit_chain_spec::founding::successor::{Successor, TEMPLATE};

/// `streembit-node refound`
#[derive(Debug, clap::Parser)]
pub struct RefoundCmd {
    /// The file that names the new chain and its validators.
    #[arg(long, value_name = "FILE", required_unless_present = "template")]
    validators: Option<PathBuf>,

    /// Print a commented file to begin with.
    #[arg(long, conflicts_with_all = ["validators", "out"])]
    pub template: bool,

    /// Where the new chain's spec goes; a file that exists is never overwritten. Standard output unless given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The old chain, and the base path of the node that was stopped.
    #[clap(flatten)]
    shared: SharedParams,

    #[clap(flatten)]
    pruning: PruningParams,

    #[clap(flatten)]
    database: DatabaseParams,
}

impl RefoundCmd {
    /// Prints the file to begin with.
    pub fn show_template(&self) -> Result<()> {
        write(None, TEMPLATE.trim_end())
    }

    /// Makes the spec of the old chain's last final state, or says what is wrong.
    pub fn run(&self, client: Arc<FullClient>, old: &dyn ChainSpec) -> Result<()> {
        let failed = |error: streembit_chain_spec::SpecError| Error::Application(Box::new(error));
        let file =
            self.validators.as_deref().ok_or_else(|| Error::Input("--validators is missing".into()))?;
        let successor = Successor::read(file).map_err(failed)?;
        let info = client.info();
        let last = info.finalized_hash;
        let state = sc_service::chain_ops::export_raw_state::<Block, FullBackend, _>(client, last)?;
        let spec = successor.spec(old, state).map_err(failed)?;
        write(self.out.as_deref(), &spec.as_json(true).map_err(Error::Input)?)?;

        let storage = spec.build_storage().map_err(Error::Input)?;
        let root = BlakeTwo256::trie_root(storage.top.into_iter().collect(), StateVersion::V1);
        let first: Block = sc_chain_spec::construct_genesis_block(root, StateVersion::V1);
        eprintln!(
            "Of the state after block {} ({last:?}), the last final one in this database. The first block of the new chain is \
             {:?}: whoever has the old chain up to there can make the same spec and compare.",
            info.finalized_number,
            first.header.hash()
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
