//! The proof of a device's last anchored event, which changes of its record need: from a running gateway, its log, a file,
//! or evidence.

use super::subject::{DeviceArg, FoundDevice};
use crate::{
    api::{
        client::{Client, ClientError},
        types::{scale_hex, LastAnchoredView},
    },
    cli::{
        common::{Context, NodeArg},
        record,
    },
    handover, last_anchored,
    remedies::explain,
};
use anyhow::{anyhow, ensure, Context as _};
use clap::Args as ClapArgs;
use codec::DecodeAll as _;
use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};
use streembit_chain::{ChainClient, ChainError, RecordChangeError, Submitted};
use streembit_log::Log;
use streembit_primitives::{
    device::{DecidedChange, DeviceChangeError, DeviceRecord, LastAnchored},
    heads::HeadEntry,
    DeviceId, LogId,
};

/// How often a proof from a gateway or a log is made, because the log may be anchored in the meantime.
const ATTEMPTS: u32 = 20;

/// How often a proof from a file is tried, because the node may not have the anchor of the proof yet.
const ATTEMPTS_WITH_FILE: u32 = 5;

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
    /// There is no proof, because the council decided.
    Decided,
    /// The log has no anchor.
    NoAnchor,
    /// A file that `device last-anchored` wrote.
    File(PathBuf, LastProof),
    /// An evidence file.
    Evidence(PathBuf, LastProof),
    /// A running gateway.
    Gateway(Client, DeviceId),
    /// The log in a data folder.
    Log(PathBuf, DeviceId, LogId),
}

/// A proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LastProof {
    pub last: LastAnchored,
    /// The sequence of the device's last event in the log when the proof was made, also if it is not anchored. `None` if it
    /// is not known.
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

    /// Returns true if the council's decision replaces the proof.
    pub(super) fn is_decided(&self) -> bool {
        self.decided
    }

    /// Returns the source of the proof. Without an option, it is the gateway whose configuration is given.
    pub(super) async fn source(
        &self,
        chain: &ChainClient,
        found: &FoundDevice,
        record: &DeviceRecord,
    ) -> anyhow::Result<LastSource> {
        let log = record.log();
        self.source_of(chain, found, log).await?.with_context(|| {
            format!(
                "the device's last anchored event has to be proven. Give the configuration of the gateway that keeps log {log} \
                 with --config FILE, or a file that `streembit device last-anchored` wrote there with --last FILE. If the \
                 gateway no longer exists, give evidence that was made at the latest anchor of its log with --evidence FILE. \
                 If there is none, ask the council with `streembit consortium allow-device-change`"
            )
        })
    }

    /// Like [`Self::source`], for the log that the device's events are in, or were in before. Returns `None` if nothing
    /// that is given has a proof.
    pub(super) async fn source_of(
        &self,
        chain: &ChainClient,
        found: &FoundDevice,
        log: LogId,
    ) -> anyhow::Result<Option<LastSource>> {
        if self.decided {
            return Ok(Some(LastSource::Decided));
        }
        if let Some(file) = &self.last {
            return Ok(Some(LastSource::File(file.clone(), of_file(file, found.id, log)?)));
        }
        if let Some(file) = &self.evidence {
            let last = streembit_evidence::last_anchored(file)
                .with_context(|| format!("reading {}", file.display()))?;
            return Ok(Some(LastSource::Evidence(file.clone(), LastProof { last, newest: None })));
        }
        if let Some(folder) = &self.log {
            return Ok(Some(LastSource::Log(folder.clone(), found.id, log)));
        }
        let here = found.gateway.as_ref().filter(|(_, account)| *account == log.gateway);
        match here {
            Some((config, _)) => {
                let client = Client::new(&config.api.socket)?;
                match client.last_anchored(&found.id.to_string()).await {
                    Ok(view) if view.log == log.to_string() => {
                        Ok(Some(LastSource::Gateway(client, found.id)))
                    }
                    Ok(_) | Err(ClientError::NoGateway(_)) => {
                        Ok(Some(LastSource::Log(config.gateway.data_dir.clone(), found.id, log)))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            None => {
                let anchor = chain.latest_anchor(log).await.map_err(explain)?;
                Ok(anchor.is_none().then_some(LastSource::NoAnchor))
            }
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
            Self::Decided => Ok(LastProof { last: LastAnchored::Decided, newest: None }),
            Self::NoAnchor => Ok(LastProof { last: LastAnchored::NoAnchor, newest: None }),
            Self::File(_, proof) | Self::Evidence(_, proof) => Ok(proof.clone()),
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

    /// Makes the proof for a change of this kind, and checks it against the chain. Repeats this if the log was anchored in
    /// the meantime.
    pub(super) async fn bounds(
        &self,
        chain: &ChainClient,
        device: DeviceId,
        change: DecidedChange,
    ) -> anyhow::Result<(LastProof, Bounds)> {
        let mut attempt = 1;
        loop {
            let proof = self.prove().await?;
            let checked = chain.next_sequence(device, &proof.last, change).await.map_err(explain)?;
            match checked.with_context(|| format!("device {device} is not registered on this chain"))? {
                Ok(lowest) => {
                    let next = proof.newest.map_or(0, |newest| newest.saturating_add(1));
                    return Ok((proof, Bounds { lowest, after_newest: lowest.max(next) }));
                }
                Err(RecordChangeError::Record(DeviceChangeError::HeadProof)) if attempt < self.attempts() => {
                    attempt += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(error) => return Err(self.explain_refusal(error)),
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
                Err(error) if error.dispatch_error() == Some("Devices::HeadProof") => {
                    if attempt >= self.attempts() {
                        return Err(self.stale().map_or_else(|| explain(error), |stale| anyhow!(stale)));
                    }
                    attempt += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                result => return result.map_err(explain),
            }
        }
    }

    /// How often a proof is tried that is not the one of the log's latest anchor.
    fn attempts(&self) -> u32 {
        match self {
            Self::Gateway(..) | Self::Log(..) => ATTEMPTS,
            Self::File(..) | Self::Evidence(..) => ATTEMPTS_WITH_FILE,
            Self::Decided | Self::NoAnchor => 1,
        }
    }

    /// Says why the chain would refuse a change, and what to do.
    fn explain_refusal(&self, error: RecordChangeError) -> anyhow::Error {
        match error {
            RecordChangeError::Record(DeviceChangeError::HeadProof) => {
                self.stale().map_or_else(|| error.into(), |stale| anyhow!(stale))
            }
            RecordChangeError::Record(error) => error.into(),
            RecordChangeError::NotAllowed { allowed } => {
                let instead = allowed.map_or_else(String::new, |allowed| {
                    format!("; it allows {} from event {} on", record::decided(allowed.change), allowed.from)
                });
                anyhow!("{error}{instead}: ask it with `streembit consortium allow-device-change`")
            }
        }
    }

    /// Says that the proof in a file is not the one of the log's latest anchor, and what to do. `None` if the proof is not
    /// in a file.
    fn stale(&self) -> Option<String> {
        let (file, remedy) = match self {
            Self::File(file, _) => (
                file,
                "stop what feeds the gateway, wait until everything is anchored (`streembit status`), and write the file again \
                 with `streembit device last-anchored`",
            ),
            Self::Evidence(file, _) => (
                file,
                "export evidence again if the gateway or its data folder is left; otherwise ask the council with `streembit \
                 consortium allow-device-change`",
            ),
            Self::Decided | Self::NoAnchor | Self::Gateway(..) | Self::Log(..) => return None,
        };
        Some(format!(
            "{} does not prove the device's last event at the latest anchor of its log, which was probably anchored again \
             after the file was made: {remedy}",
            file.display()
        ))
    }
}

/// Runs `device last-anchored`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, args.source.evidence(), context).await?;
    let record = found.record(&chain).await?;
    ensure!(!args.source.is_decided(), "a decision of the council is no proof: omit --decided");
    let source = args.source.source(&chain, &found, &record).await?;
    // The kind of the change does not matter for a proof.
    let (LastProof { last, newest }, _) = source.bounds(&chain, found.id, DecidedChange::Log).await?;
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

/// Reads the proof of a device's last event in a log from a file.
fn of_file(file: &Path, device: DeviceId, log: LogId) -> anyhow::Result<LastProof> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let what = || format!("{} is not a file that `streembit device last-anchored` writes", file.display());
    let view: LastAnchoredView = serde_json::from_slice(&text).with_context(what)?;
    ensure!(
        view.device == device.to_string() && view.log == log.to_string(),
        "{} is about device {} in log {}, but the last event of device {device} in log {log} has to be proven",
        file.display(),
        view.device,
        view.log
    );
    Ok(LastProof { last: parse(&view).with_context(what)?, newest: view.newest })
}

fn parse(view: &LastAnchoredView) -> anyhow::Result<LastAnchored> {
    let digits = view.proof.strip_prefix("0x").unwrap_or(&view.proof);
    let bytes = hex::decode(digits).context("the proof is not hexadecimal")?;
    LastAnchored::decode_all(&mut bytes.as_slice()).context("the proof is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_chain::AllowedChange;
    use streembit_primitives::AccountId;

    const DEVICE: DeviceId = DeviceId([1; 32]);
    const LOG: LogId = LogId { gateway: AccountId([2; 32]), epoch: 3 };

    #[test]
    fn a_written_proof_is_read_back_with_the_newest_event() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("last.json");
        let view = LastAnchoredView {
            device: DEVICE.to_string(),
            log: LOG.to_string(),
            sequence: None,
            hash: None,
            newest: Some(3),
            proof: scale_hex(&LastAnchored::NoAnchor),
        };
        std::fs::write(&file, serde_json::to_vec(&view).unwrap()).unwrap();
        let proof = LastProof { last: LastAnchored::NoAnchor, newest: Some(3) };
        assert_eq!(of_file(&file, DEVICE, LOG).unwrap(), proof);
        // The next log of the gateway, and another device.
        for (device, log) in [(DEVICE, LogId { epoch: 4, ..LOG }), (DeviceId([9; 32]), LOG)] {
            let error = of_file(&file, device, log).unwrap_err().to_string();
            assert!(error.contains(&LOG.to_string()) && error.contains(&log.to_string()), "{error}");
        }
        std::fs::write(&file, "{}").unwrap();
        assert!(format!("{:#}", of_file(&file, DEVICE, LOG).unwrap_err()).contains("last-anchored"));
    }

    #[test]
    fn a_stale_file_is_named_with_what_to_do() {
        let stale = RecordChangeError::Record(DeviceChangeError::HeadProof);
        let proof = LastProof { last: LastAnchored::NoAnchor, newest: None };
        let file = LastSource::File("last.json".into(), proof.clone());
        let evidence = LastSource::Evidence("car.evidence".into(), proof);
        for (source, words) in
            [(file, ["last.json", "last-anchored"]), (evidence, ["car.evidence", "export"])]
        {
            let error = source.explain_refusal(stale).to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(source.attempts() > 1, "the node may be behind");
            let retired = source.explain_refusal(DeviceChangeError::Retired.into()).to_string();
            assert!(!retired.contains(words[0]), "{retired}");
        }
        let error = LastSource::NoAnchor.explain_refusal(stale).to_string();
        assert_eq!(error, DeviceChangeError::HeadProof.to_string());
    }

    #[test]
    fn a_change_that_the_council_did_not_allow_says_what_it_allows() {
        let refused = |allowed| {
            LastSource::Decided.explain_refusal(RecordChangeError::NotAllowed { allowed }).to_string()
        };
        assert!(refused(None).contains("allow-device-change"));
        let other = refused(Some(AllowedChange { change: DecidedChange::Key, from: 7 }));
        assert!(other.contains("another key from event 7"), "{other}");
    }
}
