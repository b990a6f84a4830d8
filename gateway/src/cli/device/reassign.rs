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
    device::{DeviceRecord, LastAnchored},
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
    /// Without it, the log begins with the event after the last anchored one.
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
        None => own_epoch(&chain, &found, &record, context).await?,
    };
    ensure!(target.log != record.log(), "device {} is in log {} already", found.id, target.log);
    let source = args.last.source(&chain, &found, &record).await?;
    let (proof, bounds) = source.bounds(&chain, found.id).await?;
    let from = first_sequence(args.from, bounds)?;
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
    context: &Context,
) -> anyhow::Result<Target> {
    match &found.gateway {
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

/// Returns the sequence of the first event in the log. Events that the old log has and that are not anchored yet are not
/// declared lost unasked.
fn first_sequence(asked: Option<u64>, bounds: Bounds) -> anyhow::Result<u64> {
    let Bounds { lowest, after_newest } = bounds;
    let from = asked.unwrap_or(lowest);
    ensure!(from >= lowest, "events before {lowest} are anchored or assigned: give --from {lowest} or more");
    ensure!(
        asked.is_some() || after_newest <= lowest,
        "the log before has events {lowest} to {} that are not anchored yet: wait until they are (`streembit status`), or \
         give --from {after_newest} to declare them lost",
        after_newest.saturating_sub(1)
    );
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_not_anchored_are_lost_only_if_asked() {
        let anchored = Bounds { lowest: 5, after_newest: 5 };
        assert_eq!(first_sequence(None, anchored).unwrap(), 5);
        assert_eq!(first_sequence(Some(9), anchored).unwrap(), 9);
        assert!(first_sequence(Some(4), anchored).unwrap_err().to_string().contains("--from 5"));
        let newer = Bounds { lowest: 5, after_newest: 8 };
        let error = first_sequence(None, newer).unwrap_err().to_string();
        assert!(error.contains("5 to 7") && error.contains("--from 8"), "{error}");
        assert_eq!(first_sequence(Some(8), newer).unwrap(), 8);
    }
}
