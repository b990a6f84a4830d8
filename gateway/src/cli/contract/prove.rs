//! The commands that need the proof of a meter: prove, report, record.

use super::{
    args::{ClauseArgs, ProofArgs, ProveArgs, RecordArgs, ReportArgs},
    contract_view, with,
};
use crate::{
    cli::{chain::connect, ConfigArg, Context},
    contracts::{newest_reading, read_proof, write_proof, ProvenAt},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use serde_json::json;
use std::path::Path;
use streembit_chain::{Call, ChainClient};
use streembit_log::Log;
use streembit_primitives::{
    contract::{Clause, ContractId, ServiceClause},
    reading_proof::ReadingProof,
    Hash, LogId, Part, Reading,
};

pub(super) async fn export(args: ProveArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect_beside(&args.clause, Some(&args.config)).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause).await?;
    let proven = from_log(&chain, &args.config, &service).await?;
    write_proof(&args.out, id, clause, &proven)?;
    let view = json!({ "id": id, "clause": clause, "file": args.out, "reading": proven.reading });
    context.print(&view, |_| format!("{}: proves {}", args.out.display(), say(&proven.reading)))
}

pub(super) async fn report(args: ReportArgs, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let config = args.proof.config.clone().map(|path| ConfigArg { path });
    let chain = connect_beside(&args.clause, config.as_ref()).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause).await?;
    let proof = proof(&chain, &args.proof, &service).await?;
    let reading = disclosed(&proof)?;
    let submitted = chain.submit(&keys, Call::Report { id, clause, proof }).await.map_err(explain)?;
    let due = chain.view().await.map_err(explain)?.due(id).await.map_err(explain)?.unwrap_or_default();
    let view = with(
        &submitted,
        [("id", json!(id)), ("clause", json!(clause)), ("reading", json!(reading)), ("due", json!(due))],
    );
    let found = contract_view(&chain, id).await?;
    context.print(&view, |_| {
        format!(
            "the chain has {}, final in block {}\n{}",
            say(&reading),
            submitted.block,
            super::view::due_text(&found.contract, &due)
        )
    })
}

pub(super) async fn record(args: RecordArgs, context: &Context) -> anyhow::Result<()> {
    let details = args.details.as_deref().map(hash_of).transpose()?.unwrap_or(Hash::ZERO);
    let keys = args.key.open(context)?;
    let config = args.proof.config.clone().map(|path| ConfigArg { path });
    let chain = connect_beside(&args.clause, config.as_ref()).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause).await?;
    let proof = proof(&chain, &args.proof, &service).await?;
    let reading = disclosed(&proof)?;
    let call = Call::Record { id, clause, proof, details };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    // Records are only ever added: the newest of the clause is this one.
    let found = contract_view(&chain, id).await?;
    let number =
        found.records.iter().rev().find(|record| record.clause == clause).map(|record| record.number);
    let view = with(
        &submitted,
        [
            ("id", json!(id)),
            ("clause", json!(clause)),
            ("record", json!(number)),
            ("reading", json!(reading)),
            ("details", json!(details)),
        ],
    );
    context.print(&view, |_| {
        let number = number.map_or_else(|| "N".to_owned(), |number| number.to_string());
        format!(
            "\"{}\" is recorded at {} as record {number}, final in block {}\n\nNext, the customer:\n  \
             streembit contract confirm {id} --record {number} --key CUSTOMER.key",
            service.what,
            say(&reading),
            submitted.block
        )
    })
}

/// Connects to the node that is named, else to that of the gateway whose log is used, else to one on this machine.
async fn connect_beside(clause: &ClauseArgs, config: Option<&ConfigArg>) -> anyhow::Result<ChainClient> {
    let node = &clause.contract.node;
    match config.filter(|_| node.url.is_none()) {
        Some(config) => connect(node.or(&config.load()?)).await,
        None => connect(node.or_local()).await,
    }
}

/// The service clause that is meant.
async fn service_clause(
    chain: &ChainClient,
    args: &ClauseArgs,
) -> anyhow::Result<(ContractId, u32, ServiceClause)> {
    let id = args.contract.id;
    let contract = contract_view(chain, id).await?.contract;
    let services: Vec<_> = (0u32..)
        .zip(contract.clauses)
        .filter_map(|(number, clause)| match clause {
            Clause::Service(service) => Some((number, service)),
            Clause::Access(_) => None,
        })
        .collect();
    let numbers: Vec<_> = services.iter().map(|(number, _)| number.to_string()).collect();
    let found = match args.clause {
        Some(asked) => services.into_iter().find(|(number, _)| *number == asked),
        None if services.len() == 1 => services.into_iter().next(),
        None => None,
    };
    match found {
        Some((number, service)) => Ok((id, number, service)),
        None => bail!(
            "say which service clause of contract {id} is meant with --clause N: it has {}",
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
        ),
    }
}

async fn proof(
    chain: &ChainClient,
    args: &ProofArgs,
    service: &ServiceClause,
) -> anyhow::Result<ReadingProof> {
    match (&args.proof, &args.config) {
        (Some(file), _) => Ok(read_proof(file)?),
        (None, Some(path)) => Ok(from_log(chain, &ConfigArg { path: path.clone() }, service).await?.proof),
        (None, None) => bail!("name the gateway with --config FILE, or a proof with --proof FILE"),
    }
}

/// The newest anchored reading of a clause's meter, from a gateway's log.
async fn from_log(
    chain: &ChainClient,
    config: &ConfigArg,
    service: &ServiceClause,
) -> anyhow::Result<ProvenAt> {
    let (config, gateway) = config.load_with_account()?;
    let anchor = chain.latest_anchor(LogId::first(gateway)).await.map_err(explain)?;
    let (path, device, meter) = (config.gateway.data_dir, service.device, service.meter.clone());
    tokio::task::spawn_blocking(move || {
        let log = Log::open_read_only(&path).map_err(explain)?;
        Ok(newest_reading(&log, anchor.as_ref(), &device, &meter)?)
    })
    .await?
}

fn disclosed(proof: &ReadingProof) -> anyhow::Result<Reading> {
    match &proof.disclosure.part {
        Part::Reading(reading) => Ok(reading.clone()),
        Part::Status(_) => {
            bail!("the proof discloses no reading: `streembit contract prove` makes one that does")
        }
    }
}

fn say(reading: &Reading) -> String {
    format!("{} {} {}", reading.name, reading.value, reading.unit).trim_end().to_owned()
}

/// The BLAKE3 hash of a file.
fn hash_of(path: &Path) -> anyhow::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    std::io::copy(&mut file, &mut hasher).with_context(|| format!("reading {}", path.display()))?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}
