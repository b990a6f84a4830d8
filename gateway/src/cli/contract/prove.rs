//! Proofs of readings: from a gateway's log, or from a file.

use super::{
    args::{PickArgs, ProofArgs, ProveArgs},
    lookup::Found,
};
use crate::{
    cli::common::{ConfigArg, Context},
    contracts::{prove_reading, read_proof, write_proof, Pick, ProvenReading, WantedReading},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use serde_json::json;
use std::path::Path;
use streembit_chain::ChainClient;
use streembit_log::{Log, LogReader};
use streembit_primitives::{
    checkpoint::Anchor,
    contract::{ChargeBasis, Clause, Meter},
    reading_proof::ReadingProof,
    DeviceId, Part, Reading,
};

/// Runs `contract prove`.
pub(super) async fn run(args: ProveArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.clause.contract, context).await?;
    let clause =
        found.clause(&args.clause, "a clause with a reading", |clause| wanted_of(clause).is_some())?;
    let wanted = wanted(&clause.clause)?;
    let prover = Prover::open(&found.chain, &args.config).await?;
    let proven = prover.prove(&wanted, args.pick.pick()).await?;
    write_proof(&args.out, found.id(), clause.number, &proven)?;
    let result = json!({
        "id": found.id(), "clause": clause.number, "file": args.out, "reading": proven.reading,
        "sequence": proven.sequence(), "time": proven.time(),
    });
    context.print(&result, |_| {
        format!("{}: proves {} in event {}", args.out.display(), proven.reading, proven.sequence())
    })
}

impl PickArgs {
    /// Returns which reading is proven.
    pub(super) fn pick(&self) -> Pick {
        match (self.sequence, self.from, self.to) {
            (Some(sequence), ..) => Pick::Sequence(sequence),
            (None, Some(from), _) => Pick::FirstFrom(from.0),
            (None, None, Some(to)) => Pick::LastBefore(to.0),
            (None, None, None) => Pick::Newest,
        }
    }
}

/// Returns the reading that a clause is about, or `None` if it is about none.
pub(super) fn wanted_of(clause: &Clause) -> Option<WantedReading> {
    let meter = |device: DeviceId, meter: &Meter| WantedReading {
        device,
        name: meter.name.clone(),
        unit: Some(meter.unit.clone()),
        is_meter: true,
    };
    match clause {
        Clause::Service(service) => service.meter.as_ref().map(|found| meter(service.device, found)),
        Clause::Usage(usage) => Some(meter(usage.device, &usage.meter)),
        Clause::Handover(handover) => handover.meter.as_ref().map(|found| meter(handover.device, found)),
        Clause::Charge(charge) => match &charge.basis {
            ChargeBasis::Meter { device, meter: found, .. } => Some(meter(*device, found)),
            ChargeBasis::Once | ChargeBasis::Time { .. } => None,
        },
        Clause::Bound(bound) => Some(WantedReading {
            device: bound.device,
            name: bound.reading.clone(),
            unit: Some(bound.unit.clone()),
            is_meter: false,
        }),
        Clause::Report(report) => Some(WantedReading {
            device: report.device,
            name: report.reading.clone(),
            unit: None,
            is_meter: false,
        }),
        Clause::Access(_) | Clause::Control(_) | Clause::Custody(_) => None,
    }
}

/// Returns the reading that a clause is about.
pub(super) fn wanted(clause: &Clause) -> anyhow::Result<WantedReading> {
    wanted_of(clause).with_context(|| format!("a clause of kind {} is about no reading", clause.kind()))
}

/// A gateway's log and its last anchor.
pub(super) struct Prover {
    log: std::sync::Arc<LogReader>,
    anchor: Option<Anchor>,
}

impl Prover {
    /// Opens the log of a gateway.
    pub async fn open(chain: &ChainClient, config: &ConfigArg) -> anyhow::Result<Self> {
        let path = config.load()?.gateway.data_dir;
        let log = tokio::task::spawn_blocking(move || Log::open_read_only(&path)).await?.map_err(explain)?;
        let anchor = chain.latest_anchor(log.id()).await.map_err(explain)?;
        Ok(Self { log: log.into(), anchor })
    }

    /// Proves a reading.
    pub async fn prove(&self, wanted: &WantedReading, pick: Pick) -> anyhow::Result<ProvenReading> {
        let (log, anchor, wanted) = (self.log.clone(), self.anchor.clone(), wanted.clone());
        let proving =
            tokio::task::spawn_blocking(move || prove_reading(&log, anchor.as_ref(), &wanted, pick));
        Ok(proving.await??)
    }
}

/// Reads the proof from a file, or makes it from a gateway's log. Returns `None` if no source is given.
pub(super) async fn optional_proof(
    chain: &ChainClient,
    args: &ProofArgs,
    clause: &Clause,
    pick: Pick,
) -> anyhow::Result<Option<ReadingProof>> {
    match (&args.proof, &args.config) {
        (Some(file), _) => Ok(Some(read(file)?)),
        (None, Some(path)) => {
            let prover = Prover::open(chain, &ConfigArg::at(path.clone())).await?;
            Ok(Some(prover.prove(&wanted(clause)?, pick).await?.proof))
        }
        (None, None) => Ok(None),
    }
}

/// Like [`optional_proof`], but returns an error if no source is given.
pub(super) async fn proof(
    chain: &ChainClient,
    args: &ProofArgs,
    clause: &Clause,
    pick: Pick,
) -> anyhow::Result<ReadingProof> {
    optional_proof(chain, args, clause, pick)
        .await?
        .context("no proof given: use --config FILE for a gateway's log, or --proof FILE")
}

/// Reads a proof from a file. It must disclose a reading.
pub(super) fn read(file: &Path) -> anyhow::Result<ReadingProof> {
    let proof = read_proof(file)?;
    disclosed_reading(&proof)?;
    Ok(proof)
}

/// Returns the reading that a proof discloses.
pub(super) fn disclosed_reading(proof: &ReadingProof) -> anyhow::Result<Reading> {
    match &proof.disclosure.part {
        Part::Reading(reading) => Ok(reading.clone()),
        Part::Command(_) | Part::Result(_) | Part::Status(_) => {
            bail!("the proof does not disclose a reading: make one with `streembit contract prove`")
        }
    }
}
