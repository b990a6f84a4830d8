//! The commands that need a proof of a meter reading: `prove`, `report` and `record`.

use super::{
    args::{ClauseArgs, ProofArgs, ProveArgs, RecordArgs, ReportArgs},
    lookup::find_contract,
    view,
};
use crate::{
    cli::common::{connect, submitted_json, ConfigArg, Context},
    contracts::{newest_reading, read_proof, write_proof, ProvenReading},
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
    Hash, Part, Reading,
};

/// Runs `contract prove`.
pub(super) async fn export(args: ProveArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect_to_node(&args.clause, Some(&args.config)).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause, context).await?;
    let proven = prove_from_log(&chain, &args.config, &service).await?;
    write_proof(&args.out, id, clause, &proven)?;
    let result = json!({ "id": id, "clause": clause, "file": args.out, "reading": proven.reading });
    context.print(&result, |_| format!("{}: proves {}", args.out.display(), proven.reading))
}

/// Runs `contract report`.
pub(super) async fn report(args: ReportArgs, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let config = args.proof.config.clone().map(|path| ConfigArg { path });
    let chain = connect_to_node(&args.clause, config.as_ref()).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause, context).await?;
    let proof = get_proof(&chain, &args.proof, &service).await?;
    let reading = disclosed_reading(&proof)?;
    let submitted = chain.submit(&keys, Call::Report { id, clause, proof }).await.map_err(explain)?;
    let due = chain.view().await.map_err(explain)?.due(id).await.map_err(explain)?.unwrap_or_default();
    let result = submitted_json(
        &submitted,
        [("id", json!(id)), ("clause", json!(clause)), ("reading", json!(reading)), ("due", json!(due))],
    );
    let found = find_contract(&chain, id).await?;
    context.print(&result, |_| {
        format!(
            "reported {}, finalized in block {}\n{}",
            reading,
            submitted.block,
            view::due_text(&found.contract, &due)
        )
    })
}

/// Runs `contract record`.
pub(super) async fn record(args: RecordArgs, context: &Context) -> anyhow::Result<()> {
    let details = args.details.as_deref().map(hash_of).transpose()?.unwrap_or(Hash::ZERO);
    let keys = args.key.open(context)?;
    let config = args.proof.config.clone().map(|path| ConfigArg { path });
    let chain = connect_to_node(&args.clause, config.as_ref()).await?;
    let (id, clause, service) = service_clause(&chain, &args.clause, context).await?;
    let proof = get_proof(&chain, &args.proof, &service).await?;
    let reading = disclosed_reading(&proof)?;
    let call = Call::Record { id, clause, proof, details };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    // Records are only ever added, so the newest record of the clause is the new one.
    let found = find_contract(&chain, id).await?;
    let number =
        found.records.iter().rev().find(|record| record.clause == clause).map(|record| record.number);
    let result = submitted_json(
        &submitted,
        [
            ("id", json!(id)),
            ("clause", json!(clause)),
            ("record", json!(number)),
            ("reading", json!(reading)),
            ("details", json!(details)),
        ],
    );
    context.print(&result, |_| {
        let number = number.map_or_else(|| "N".to_owned(), |number| number.to_string());
        format!(
            "\"{}\" is recorded at {} as record {number}, finalized in block {}\n\nNext, the customer confirms it:\n  \
             streembit contract confirm {id} --record {number} --key CUSTOMER.key",
            service.what,
            reading,
            submitted.block
        )
    })
}

/// Connects to the node given with `--node`, otherwise to the gateway's node, otherwise to a node on this machine.
async fn connect_to_node(clause: &ClauseArgs, config: Option<&ConfigArg>) -> anyhow::Result<ChainClient> {
    let node = &clause.contract.node;
    match config.filter(|_| node.url.is_none()) {
        Some(config) => connect(node.or_configured(&config.load()?)).await,
        None => connect(node.or_local()).await,
    }
}

/// Finds the service clause that the arguments name.
async fn service_clause(
    chain: &ChainClient,
    args: &ClauseArgs,
    context: &Context,
) -> anyhow::Result<(ContractId, u32, ServiceClause)> {
    let id = context.resolver().chain(chain).contract(&args.contract.id).await?;
    let contract = find_contract(chain, id).await?.contract;
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
            "choose a service clause of contract {id} with --clause N; the service clauses are {}",
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
        ),
    }
}

/// Reads the proof from a file, or makes it from the gateway's log.
async fn get_proof(
    chain: &ChainClient,
    args: &ProofArgs,
    service: &ServiceClause,
) -> anyhow::Result<ReadingProof> {
    match (&args.proof, &args.config) {
        (Some(file), _) => Ok(read_proof(file)?),
        (None, Some(path)) => {
            Ok(prove_from_log(chain, &ConfigArg { path: path.clone() }, service).await?.proof)
        }
        (None, None) => bail!("no proof given: use --config FILE for a gateway's log, or --proof FILE"),
    }
}

/// Proves the newest anchored reading of the clause's meter from a gateway's log.
async fn prove_from_log(
    chain: &ChainClient,
    config: &ConfigArg,
    service: &ServiceClause,
) -> anyhow::Result<ProvenReading> {
    let config = config.load()?;
    let (path, device, meter) = (config.gateway.data_dir, service.device, service.meter.clone());
    let log = tokio::task::spawn_blocking(move || Log::open_read_only(&path)).await?.map_err(explain)?;
    let anchor = chain.latest_anchor(log.id()).await.map_err(explain)?;
    tokio::task::spawn_blocking(move || Ok(newest_reading(&log, anchor.as_ref(), &device, &meter)?)).await?
}

fn disclosed_reading(proof: &ReadingProof) -> anyhow::Result<Reading> {
    match &proof.disclosure.part {
        Part::Reading(reading) => Ok(reading.clone()),
        Part::Command(_) | Part::Result(_) | Part::Status(_) => {
            bail!("the proof does not disclose a reading: make one with `streembit contract prove`")
        }
    }
}
/// Returns the BLAKE3 hash of a file.
fn hash_of(path: &Path) -> anyhow::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    std::io::copy(&mut file, &mut hasher).with_context(|| format!("reading {}", path.display()))?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}
