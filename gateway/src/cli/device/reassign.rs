//! `streembit device reassign`: another log for a device.

use super::{
    admit::{keep_handover, Admission},
    last::{Bounds, LastArgs},
    register::open_log,
    subject::{DeviceArg, FoundDevice},
};
use crate::{
    cli::{
        common::{submitted_json, Context, NodeArg},
        resolver::Reference,
    },
    keys::{open_gateway_key, open_key},
};
use anyhow::{bail, ensure, Context as _};
use clap::Args as ClapArgs;
use serde_json::json;
use std::path::PathBuf;
use streembit_chain::{ChainClient, Reassignment, Signer};
use streembit_primitives::{
    device::{DecidedChange, DeviceRecord, LastAnchored},
    DeviceKey, LogId,
};

/// The arguments of `device reassign`.
///
/// Without --admission, the gateway that keeps the device takes it over into its own open log, after `streembit gateway
/// epoch open`, and signs itself.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    device: DeviceArg,
    /// The file that `streembit device admit` wrote at the gateway that takes the device over.
    #[arg(long, value_name = "FILE")]
    admission: Option<PathBuf>,
    /// The keystore of an account of the owner.
    #[arg(id = "key", long = "key", value_name = "FILE", env = "STREEMBIT_KEY")]
    key: Option<PathBuf>,
    /// With --offline: the account that signs on another machine, or its name in the address book.
    #[arg(long, value_name = "ACCOUNT")]
    signer: Option<Reference>,
    /// The sequence of the first event in the log. Events between the last anchored one and this one are declared lost.
    /// Without it, the log begins with the event after the last anchored one. With --decided, it begins where the council
    /// allows it, or one event later if the gateway signs for the device.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    #[command(flatten)]
    last: LastArgs,
    #[command(flatten)]
    node: NodeArg,
}

/// Who assigns a device, and to which log.
struct Target {
    signer: Signer,
    log: LogId,
    host_key: Option<DeviceKey>,
    admission: Option<Admission>,
}

/// Runs `device reassign`.
pub(super) async fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, args.last.evidence(), context).await?;
    let record = found.record(&chain).await?;
    let target = match &args.admission {
        Some(file) => admitted(Admission::read(file)?, args, &found, &record, context).await?,
        None => own_epoch(&chain, &found, &record, args.last.is_decided(), context).await?,
    };
    ensure!(target.log != record.log(), "device {} is in log {} already", found.id, target.log);
    let source = args.last.source(&chain, &found, &record).await?;
    let (proof, bounds) = source.bounds(&chain, found.id, DecidedChange::Log).await?;
    let key = target.host_key.as_ref().unwrap_or(record.key());
    let unknown = unknown_event(&record, key, &proof.last, bounds.lowest);
    let from = first_sequence(args.from, bounds, unknown)?;
    if let (None, Some((config, _))) = (&target.admission, &found.gateway) {
        keep_handover(config, target.log, proof.handover(found.id, &source))?;
    }
    let consent = target.admission.as_ref().map(Admission::consent).transpose()?;
    let reassignment = |last: LastAnchored| Reassignment {
        device: found.id,
        gateway: target.log.gateway,
        host_key: target.host_key.clone(),
        from,
        last,
        consent,
    };
    let submitted = source.submit(|last| chain.reassign(&target.signer, reassignment(last))).await?;
    let lost = from.saturating_sub(bounds.lowest);
    let view = submitted_json(
        &submitted,
        [
            ("device", json!(found.id)),
            ("log", json!(target.log)),
            ("from", json!(from)),
            ("lost", json!(lost)),
        ],
    );
    context.print(&view, |_| {
        let lost = match lost {
            0 => String::new(),
            _ => format!("; events {} to {} are declared lost", bounds.lowest, from.saturating_sub(1)),
        };
        format!(
            "device {} is in log {} from event {from} on{lost}, finalized in block {}",
            found.id, target.log, submitted.block
        )
    })
}

/// The owner assigns the device to the gateway that has agreed.
async fn admitted(
    admission: Admission,
    args: &Args,
    found: &FoundDevice,
    record: &DeviceRecord,
    context: &Context,
) -> anyhow::Result<Target> {
    ensure!(
        admission.device == found.id && admission.owner == record.owner(),
        "the gateway agreed to keep device {} of party {}, not device {} of party {}: make the consent again with \
         `streembit device admit`",
        admission.device,
        admission.owner,
        found.id,
        record.owner()
    );
    let key = args.key.as_deref();
    let signer = match context.account_elsewhere(key, args.signer.as_ref()).await? {
        Some(account) => Signer::Elsewhere(account),
        None => {
            let key = key.context("give the key of the owner with --key FILE")?;
            open_key(key, context.passphrase_file.as_deref())?.into()
        }
    };
    let host_key = (admission.key != *record.key()).then(|| admission.key.clone());
    Ok(Target { signer, log: admission.log, host_key, admission: Some(admission) })
}

/// The gateway takes the device over into its own open log.
async fn own_epoch(
    chain: &ChainClient,
    found: &FoundDevice,
    record: &DeviceRecord,
    decided: bool,
    context: &Context,
) -> anyhow::Result<Target> {
    match &found.gateway {
        Some(_) if decided => bail!(
            "a decision of the council is for the owner: run `streembit device admit --decided` at the gateway, and give the \
             file that it writes with --admission FILE, and the key of the owner with --key FILE"
        ),
        Some((config, account)) if *account == record.gateway() => {
            let signer = match &context.offline {
                Some(_) => Signer::Elsewhere(*account),
                None => open_gateway_key(&config.gateway, context.passphrase_file.as_deref())?.into(),
            };
            let log = open_log(chain, *account).await?;
            Ok(Target { signer, log, host_key: None, admission: None })
        }
        _ => bail!(
            "a gateway has to agree to keep the device: run `streembit device admit` there, and give the file that it writes \
             with --admission FILE, and the key of the owner with --key FILE. The gateway that keeps the device now needs \
             no consent for its own next log: give its configuration with --config FILE"
        ),
    }
}

/// Returns the event that the device's first one in the log would have to name if it had the sequence `lowest`, although the
/// gateway there signs for the device and cannot know that event: nobody has proven it.
fn unknown_event(record: &DeviceRecord, key: &DeviceKey, last: &LastAnchored, lowest: u64) -> Option<u64> {
    let is_hosted = matches!(key, DeviceKey::Hosted { .. });
    let before = lowest.checked_sub(1).filter(|before| !record.is_lost(*before));
    before.filter(|_| is_hosted && *last == LastAnchored::Decided)
}

/// Returns the sequence of the first event in the log. Events that the old log has and that are not anchored yet are not
/// declared lost unasked. After an event that is `unknown`, at least one is lost, so that the first event names none.
fn first_sequence(asked: Option<u64>, bounds: Bounds, unknown: Option<u64>) -> anyhow::Result<u64> {
    let Bounds { lowest, after_newest } = bounds;
    let least = if unknown.is_some() { lowest.saturating_add(1) } else { lowest };
    let from = asked.unwrap_or(least);
    ensure!(from >= lowest, "events before {lowest} are anchored or assigned: give --from {least} or more");
    if let Some(unknown) = unknown {
        ensure!(
            from >= least,
            "the gateway signs for the device, and its first event there would have to name event {unknown}, which the \
             gateway cannot know: give --from {least} or more, so that events from {lowest} on are declared lost"
        );
    }
    ensure!(
        asked.is_some() || after_newest <= lowest,
        "the log before has events {lowest} to {} that are not anchored yet: wait until they are (`streembit status`; a file \
         with the proof has to be written again), or give --from {after_newest} to declare them lost",
        after_newest.saturating_sub(1)
    );
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        device::{ChangeTime, LabelHash},
        AccountId, PartyId, PublicKey,
    };

    #[test]
    fn events_that_are_not_anchored_are_lost_only_if_asked() {
        let anchored = Bounds { lowest: 5, after_newest: 5 };
        assert_eq!(first_sequence(None, anchored, None).unwrap(), 5);
        assert_eq!(first_sequence(Some(9), anchored, None).unwrap(), 9);
        assert!(first_sequence(Some(4), anchored, None).unwrap_err().to_string().contains("--from 5"));
        let newer = Bounds { lowest: 5, after_newest: 8 };
        let error = first_sequence(None, newer, None).unwrap_err().to_string();
        assert!(error.contains("5 to 7") && error.contains("--from 8"), "{error}");
        assert_eq!(first_sequence(Some(8), newer, None).unwrap(), 8);
    }

    #[test]
    fn a_gateway_that_signs_never_has_to_name_an_event_that_it_cannot_know() {
        let decided = Bounds { lowest: 5, after_newest: 5 };
        assert_eq!(first_sequence(None, decided, Some(4)).unwrap(), 6);
        assert_eq!(first_sequence(Some(9), decided, Some(4)).unwrap(), 9);
        let error = first_sequence(Some(5), decided, Some(4)).unwrap_err().to_string();
        assert!(error.contains("event 4") && error.contains("--from 6"), "{error}");
        let error = first_sequence(Some(4), decided, Some(4)).unwrap_err().to_string();
        assert!(error.contains("before 5") && error.contains("--from 6"), "{error}");
    }

    #[test]
    fn an_event_is_unknown_after_a_decision_unless_the_device_signs_or_it_is_lost() {
        let hosted = DeviceKey::Hosted { gateway: AccountId([1; 32]), label: LabelHash([2; 32]) };
        let own = DeviceKey::Own(PublicKey::Ed25519([3; 32]));
        let at = ChangeTime { block: 1, time: 1 };
        let log = LogId::first(AccountId([1; 32]));
        let mut record = DeviceRecord::new(hosted.clone(), PartyId([4; 32]), log, at);
        let last = LastAnchored::Decided;
        assert_eq!(unknown_event(&record, &hosted, &last, 5), Some(4));
        assert_eq!(unknown_event(&record, &hosted, &last, 0), None);
        assert_eq!(unknown_event(&record, &own, &last, 5), None);
        assert_eq!(unknown_event(&record, &hosted, &LastAnchored::NoAnchor, 5), None);
        record.declare_lost(3, 5, at).unwrap();
        assert_eq!(unknown_event(&record, &hosted, &last, 5), None);
    }
}
