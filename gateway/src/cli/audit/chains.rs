//! `streembit audit chains`: the chains of which it is kept what proves the log.

use crate::{
    cli::{output, ConfigArg, Context, Outcome},
    remedies::explain,
};
use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use std::{path::Path, process::ExitCode};
use streembit_evidence::State;
use streembit_log::{Log, LogReader};
use streembit_primitives::{Hash, LogId};

/// Of which gateway.
#[derive(Debug, Args)]
pub struct ChainsArgs {
    /// Forget what is kept of this chain (the hash of its first block), for good: what no node can prove any more, nobody
    /// can. The gateway has to be stopped.
    #[arg(long, value_name = "GENESIS")]
    forget: Option<Hash>,
    /// The gateway's configuration.
    #[command(flatten)]
    config: ConfigArg,
}

/// A chain, and how much it proves.
#[derive(Serialize)]
struct Kept {
    /// Its genesis.
    genesis: Hash,
    /// The final block that all is proven at.
    block: u32,
    /// How many entries of the log are proven.
    log_size: u64,
    /// Whether it is the one collected last, which evidence is of unless another is named.
    current: bool,
}

/// Shows them, or forgets one.
pub async fn run(args: ChainsArgs, context: &Context) -> Outcome {
    let (config, gateway) = args.config.load_with_account()?;
    let (path, id) = (config.gateway.data_dir.clone(), LogId::first(gateway));
    let forget = args.forget;
    let kept = tokio::task::spawn_blocking(move || {
        if let Some(genesis) = forget {
            forget_chain(&path, id, genesis)?;
        }
        kept(&open(&path, id)?)
    })
    .await??;
    context.print(&kept, |kept| text(kept))?;
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path, id: LogId) -> anyhow::Result<LogReader> {
    Log::open_read_only(path).and_then(|log| log.ensure_is(id)).map_err(explain)
}

fn forget_chain(path: &Path, id: LogId, genesis: Hash) -> anyhow::Result<()> {
    // Looked for first: opening for writing would make a log where there is none.
    let there = open(path, id)?.chains()?.contains(&genesis);
    ensure!(
        there,
        "nothing is kept of the chain of genesis {genesis}: `streembit audit chains` lists the others"
    );
    Log::open(path, id).map_err(explain)?.forget_chain(&genesis).map_err(explain)?;
    Ok(())
}

/// The one collected last at the end.
fn kept(log: &LogReader) -> anyhow::Result<Vec<Kept>> {
    let chains = log.chains()?;
    let newest = chains.last().copied();
    let mut kept = Vec::new();
    for genesis in chains {
        let Some(proof) = log.chain_proof(&genesis)? else { continue };
        let anchor = State::new(&proof.last.state_root, proof.last.nodes).anchor(&log.id())?;
        kept.push(Kept {
            genesis,
            block: proof.last.number,
            log_size: anchor.map_or(0, |anchor| anchor.checkpoint.size),
            current: newest == Some(genesis),
        });
    }
    Ok(kept)
}

fn text(kept: &[Kept]) -> String {
    if kept.is_empty() {
        return "Nothing is kept yet that proves an anchor of this log.".into();
    }
    let mut table = output::table(["chain", "entries proven", "as of block", ""]);
    for chain in kept {
        let current = if chain.current { "collected last" } else { "" };
        table.add_row([
            chain.genesis.to_string(),
            chain.log_size.to_string(),
            chain.block.to_string(),
            current.to_owned(),
        ]);
    }
    output::render(&table)
}
