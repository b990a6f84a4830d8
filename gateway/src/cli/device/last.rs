//! The proof of a device's last anchored event, which changes of its record need: from a running gateway, its log, a file,
//! or evidence.

use super::subject::{DeviceArg, FoundDevice};
use crate::{
    api::{
        client::{Client, ClientError},
        types::{scale_hex, LastAnchoredView},
    },
    cli::common::{Context, NodeArg},
    handover, last_anchored,
    remedies::explain,
};
use anyhow::{bail, Context as _};
use clap::Args as ClapArgs;
use codec::DecodeAll as _;
use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};
use streembit_chain::{ChainClient, ChainError, Submitted};
use streembit_log::Log;
use streembit_primitives::{
    device::{DeviceChangeError, DeviceRecord, LastAnchored},
    heads::HeadEntry,
    DeviceId, LogId,
};

/// How often a proof from a gateway is made again, because the log was anchored in the meantime.
const ATTEMPTS: u32 = 20;

/// The pause before a proof is made again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The options that name the source of the proof.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct LastArgs {
    /// The file with the proof of the device's last anchored event, as `streembit device last-anchored` writes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["evidence", "log"])]
    last: Option<PathBuf>,
    /// An evidence file made at the latest anchor of the device's log, such as of a gateway that no longer exists.
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    evidence: Option<PathBuf>,
    /// The data folder of the device's log.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Change the record without a proof, because the council allowed it (`streembit consortium allow-device-change`).
    #[arg(long, conflicts_with_all = ["last", "evidence", "log"])]
    decided: bool,
}

/// The arguments of `device last-anchored`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    source: LastArgs,
    #[command(flatten)]
    node: NodeArg,
    /// The file to write the proof to. Without it, the proof is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Where the proof comes from.
pub(super) enum LastSource {
    /// It does not change.
    Fixed(LastAnchored),
    /// A running gateway.
    Gateway(Client, DeviceId),
    /// The log in a data folder.
    Log(PathBuf, DeviceId, LogId),
}

/// A proof.
pub(super) struct LastProof {
    pub last: LastAnchored,
    /// The sequence of the device's last event in the log, also if it is not anchored. `None` if it is not known.
    pub newest: Option<u64>,
}

/// The lowest sequence at which a change can begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// After what is anchored and what changed before.
    pub lowest: u64,
    /// After every event that the gateway has, as far as it is known.
    pub after_newest: u64,
}

impl LastArgs {
    /// Returns the evidence file that is given.
    pub(super) fn evidence(&self) -> Option<&Path> {
        self.evidence.as_deref()
    }

    /// Returns the source of the proof. Without an option, it is the gateway whose configuration is given.
    pub(super) async fn source(
        &self,
        chain: &ChainClient,
        found: &FoundDevice,
        record: &DeviceRecord,
    ) -> anyhow::Result<LastSource> {
        self.source_of(chain, found, record.log()).await
    }

    /// Like [`Self::source`], for the log that the device's events are in, or were in before.
    pub(super) async fn source_of(
        &self,
        chain: &ChainClient,
        found: &FoundDevice,
        log: LogId,
    ) -> anyhow::Result<LastSource> {
        if self.decided {
            return Ok(LastSource::Fixed(LastAnchored::Decided));
        }
        if let Some(file) = &self.last {
            return Ok(LastSource::Fixed(read(file)?));
        }
        if let Some(file) = &self.evidence {
            let last = streembit_evidence::last_anchored(file)
                .with_context(|| format!("reading {}", file.display()))?;
            return Ok(LastSource::Fixed(last));
        }
        if let Some(folder) = &self.log {
            return Ok(LastSource::Log(folder.clone(), found.id, log));
        }
        let here = found.gateway.as_ref().filter(|(_, account)| *account == log.gateway);
        match here {
            Some((config, _)) => {
                let client = Client::new(&config.api.socket)?;
                match client.last_anchored(&found.id.to_string()).await {
                    Ok(view) if view.log == log.to_string() => Ok(LastSource::Gateway(client, found.id)),
                    Ok(_) | Err(ClientError::NoGateway(_)) => {
                        Ok(LastSource::Log(config.gateway.data_dir.clone(), found.id, log))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            None if chain.latest_anchor(log).await.map_err(explain)?.is_none() => {
                Ok(LastSource::Fixed(LastAnchored::NoAnchor))
            }
            None => bail!(
                "the device's last anchored event has to be proven. Give the configuration of the gateway that keeps log {log} \
                 with --config FILE, or a file that `streembit device last-anchored` wrote there with --last FILE. If the \
                 gateway no longer exists, give evidence that was made at the latest anchor of its log with --evidence FILE. If there \
                 is none, ask the council with `streembit consortium allow-device-change`"
            ),
        }
    }
}

impl LastProof {
    /// Returns the event that the device's first one in the next log names. If the device has none in its present log, it is
    /// the one that this log was told, which is in the data folder of the log.
    pub(super) fn handover(&self, device: DeviceId, source: &LastSource) -> Option<HeadEntry> {
        match (&self.last, source) {
            (LastAnchored::Event(proof), _) => Some(proof.entry),
            (_, LastSource::Log(folder, ..)) => handover::load(folder, &device),
            _ => None,
        }
    }
}

impl LastSource {
    /// Makes the proof.
    pub(super) async fn prove(&self) -> anyhow::Result<LastProof> {
        match self {
            Self::Fixed(last) => Ok(LastProof { last: last.clone(), newest: None }),
            Self::Gateway(client, device) => {
                let view = client.last_anchored(&device.to_string()).await?;
                Ok(LastProof { last: parse(&view)?, newest: view.newest })
            }
            Self::Log(folder, device, id) => {
                let (folder, device, id) = (folder.clone(), *device, *id);
                let prove = move || -> anyhow::Result<LastProof> {
                    let log =
                        Log::open_read_only(&folder).and_then(|log| log.ensure_is(id)).map_err(explain)?;
                    let newest = log.head(&device).map_err(explain)?.map(|head| head.sequence);
                    let last = last_anchored::prove_stored(&log, &device).map_err(explain)?;
                    Ok(LastProof { last, newest })
                };
                tokio::task::spawn_blocking(prove).await?
            }
        }
    }

    /// Makes the proof, and checks it against the chain. Repeats this if the log was anchored in the meantime.
    pub(super) async fn bounds(
        &self,
        chain: &ChainClient,
        device: DeviceId,
    ) -> anyhow::Result<(LastProof, Bounds)> {
        let mut attempt = 1;
        loop {
            let proof = self.prove().await?;
            let checked = chain.next_sequence(device, &proof.last).await.map_err(explain)?;
            match checked.with_context(|| format!("device {device} is not registered on this chain"))? {
                Ok(lowest) => {
                    let next = proof.newest.map_or(0, |newest| newest.saturating_add(1));
                    return Ok((proof, Bounds { lowest, after_newest: lowest.max(next) }));
                }
                Err(DeviceChangeError::HeadProof) if self.may_change() && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Submits a call with the proof. Repeats this if the log was anchored in the meantime.
    pub(super) async fn submit<F, S>(&self, submit: F) -> anyhow::Result<Submitted>
    where
        F: Fn(LastAnchored) -> S,
        S: Future<Output = Result<Submitted, ChainError>>,
    {
        let mut attempt = 1;
        loop {
            match submit(self.prove().await?.last).await {
                Err(error)
                    if error.dispatch_error() == Some("Devices::HeadProof")
                        && self.may_change()
                        && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                result => return result.map_err(explain),
            }
        }
    }

    fn may_change(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }
}

/// Runs `device last-anchored`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, args.source.evidence(), context).await?;
    let record = found.record(&chain).await?;
    let source = args.source.source(&chain, &found, &record).await?;
    let (LastProof { last, newest }, _) = source.bounds(&chain, found.id).await?;
    let event = match &last {
        LastAnchored::Event(proof) => Some(proof.entry),
        LastAnchored::NoAnchor | LastAnchored::NoEvent(_) | LastAnchored::Decided => None,
    };
    let view = LastAnchoredView {
        device: found.id.to_string(),
        log: record.log().to_string(),
        sequence: event.map(|event| event.sequence),
        hash: event.map(|event| event.hash.to_string()),
        newest,
        proof: scale_hex(&last),
    };
    let text = serde_json::to_string_pretty(&view)?;
    let Some(file) = &args.out else { return context.print(&view, |_| text) };
    std::fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    context.print(&view, |view| {
        let event =
            view.sequence.map_or_else(|| "no event".to_owned(), |sequence| format!("event {sequence}"));
        format!("{}: {event} is the last anchored one in log {}", file.display(), view.log)
    })
}

fn read(file: &Path) -> anyhow::Result<LastAnchored> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let what = || format!("{} is not a file that `streembit device last-anchored` writes", file.display());
    let view: LastAnchoredView = serde_json::from_slice(&text).with_context(what)?;
    parse(&view).with_context(what)
}

fn parse(view: &LastAnchoredView) -> anyhow::Result<LastAnchored> {
    let digits = view.proof.strip_prefix("0x").unwrap_or(&view.proof);
    let bytes = hex::decode(digits).context("the proof is not hexadecimal")?;
    LastAnchored::decode_all(&mut bytes.as_slice()).context("the proof is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_proof_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("last.json");
        let view = LastAnchoredView {
            device: "0x01".into(),
            log: "0x02/0".into(),
            sequence: None,
            hash: None,
            newest: Some(3),
            proof: scale_hex(&LastAnchored::NoAnchor),
        };
        std::fs::write(&file, serde_json::to_vec(&view).unwrap()).unwrap();
        assert_eq!(read(&file).unwrap(), LastAnchored::NoAnchor);
        std::fs::write(&file, "{}").unwrap();
        assert!(format!("{:#}", read(&file).unwrap_err()).contains("last-anchored"));
    }
}
