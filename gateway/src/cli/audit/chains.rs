//! `streembit audit chains`: the chains for which the gateway stores proofs of its anchors.

use super::{open_own_log, own_log};
use crate::{
    cli::{
        common::{CommandResult, ConfigArg, Context},
        output,
    },
    remedies::explain,
};
use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use std::{path::Path, process::ExitCode};
use streembit_evidence::State;
use streembit_keystore::account_of;
use streembit_log::{Log, LogReader};
use streembit_primitives::{AccountId, Hash};

/// The arguments of `audit chains`.
#[derive(Debug, Args)]
pub struct ChainsArgs {
    /// Permanently delete the proofs of this chain, given by the hash of its first block. If no node has the chain any
    /// more, nobody can prove its anchors again. Stop the gateway first.
    #[arg(long, value_name = "GENESIS")]
    forget: Option<Hash>,
    #[command(flatten)]
    config: ConfigArg,
}

/// A chain, and the part of the log that its stored proofs cover.
#[derive(Serialize)]
struct ProvenByChain {
    /// The hash of the chain's first block.
    genesis: Hash,
    /// The number of the finalized block that the proofs are for.
    block: u32,
    /// The number of log entries that are proven.
    log_size: u64,
    /// True for the chain of the last collected proof, which `audit export` uses by default.
    current: bool,
}

/// Runs the command.
pub async fn run(args: ChainsArgs, context: &Context) -> CommandResult {
    let config = args.config.load()?;
    let gateway = account_of(&config.gateway.key_file).map_err(explain)?;
    let path = config.gateway.data_dir;
    let forget = args.forget;
    let chains = tokio::task::spawn_blocking(move || {
        if let Some(genesis) = forget {
            forget_chain(&path, gateway, genesis)?;
        }
        proven_by_chain(&open_own_log(&path, gateway)?)
    })
    .await??;
    context.print(&chains, |chains| text(chains))?;
    Ok(ExitCode::SUCCESS)
}

fn forget_chain(path: &Path, gateway: AccountId, genesis: Hash) -> anyhow::Result<()> {
    // Open read-only first, because opening for writing would create a log if there is none.
    let stored = open_own_log(path, gateway)?.chains()?.contains(&genesis);
    ensure!(
        stored,
        "the gateway stores no proofs of the chain with genesis {genesis}: `streembit audit chains` lists the chains"
    );
    let id = own_log(path, gateway);
    Log::open(path, id).map_err(explain)?.forget_chain(&genesis).map_err(explain)?;
    Ok(())
}

/// Returns the chains in the order of their last proofs, newest last.
fn proven_by_chain(log: &LogReader) -> anyhow::Result<Vec<ProvenByChain>> {
    let chains = log.chains()?;
    let newest = chains.last().copied();
    let mut proven = Vec::new();
    for genesis in chains {
        let Some(proof) = log.chain_proof(&genesis)? else { continue };
        let anchor = State::new(&proof.last.state_root, proof.last.nodes).anchor(&log.id())?;
        proven.push(ProvenByChain {
            genesis,
            block: proof.last.number,
            log_size: anchor.map_or(0, |anchor| anchor.checkpoint.size),
            current: newest == Some(genesis),
        });
    }
    Ok(proven)
}

fn text(chains: &[ProvenByChain]) -> String {
    if chains.is_empty() {
        return "The gateway has not collected any proof of an anchor yet.".into();
    }
    let mut table = output::table(["chain", "proven entries", "as of block", ""]);
    for chain in chains {
        let current = if chain.current { "newest" } else { "" };
        table.add_row([
            chain.genesis.to_string(),
            chain.log_size.to_string(),
            chain.block.to_string(),
            current.to_owned(),
        ]);
    }
    output::render(&table)
}
