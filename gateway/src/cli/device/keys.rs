//! `streembit device key-consent`, `rotate-key` and `recover`: new keys of a device.

use super::{
    consent as consents,
    last::{Bounds, LastArgs, LastSource},
    subject::{DeviceArg, FoundDevice},
};
use crate::{
    cli::common::{submitted_json, Context, KeyArg, NodeArg},
    keys::{open_gateway_key, open_key},
};
use anyhow::{bail, ensure, Context as _};
use clap::Args;
use serde_json::json;
use std::{future::Future, path::PathBuf};
use streembit_chain::{key_consent, ChainClient, KeyConsents, Signer};
use streembit_keystore::KeyPair;
use streembit_primitives::{
    device::{DecidedChange, DeviceRecord, KeyChange, KeyConsent},
    hash::Domain,
    DeviceKey, PublicKey, Signature,
};

/// The options that name the new key and when it begins.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// The new key: sr25519:HEX, ed25519:HEX or p256:HEX.
    #[arg(long, value_name = "KEY", required_unless_present = "new_device_key")]
    new_key: Option<PublicKey>,
    /// The file with the consent of the new key.
    #[arg(long, value_name = "FILE", requires = "new_key")]
    new_consent: Option<PathBuf>,
    /// The keystore of the new key, instead of --new-key and --new-consent.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_key", "new_consent"])]
    new_device_key: Option<PathBuf>,
    /// The sequence of the first event that the new key signs. Without it, the first one that the log does not have yet, or
    /// with --decided, the first one that the council allows.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
}

/// The arguments of `device key-consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    #[command(flatten)]
    device: DeviceArg,
    /// The new key: sr25519:HEX, ed25519:HEX or p256:HEX.
    #[arg(long, value_name = "KEY")]
    new_key: PublicKey,
    /// The sequence of the first event that the new key signs.
    #[arg(long, value_name = "N")]
    from: u64,
    /// The keystore of the old or the new key, to sign the consent with.
    #[arg(long, value_name = "FILE")]
    device_key: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `device rotate-key`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    new: NewKeyArgs,
    /// The file with the consent of the old key.
    #[arg(long, value_name = "FILE")]
    old_consent: Option<PathBuf>,
    /// The keystore of the old key, instead of --old-consent.
    #[arg(long, value_name = "FILE", conflicts_with = "old_consent")]
    old_device_key: Option<PathBuf>,
    #[command(flatten)]
    last: LastArgs,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `device recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    new: NewKeyArgs,
    #[command(flatten)]
    last: LastArgs,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Builds the consent that the keys have to sign.
fn agreement(chain: &ChainClient, record: &DeviceRecord, key: DeviceKey, from: u64) -> KeyConsent {
    KeyConsent {
        genesis: chain.genesis(),
        device: record.device_id(),
        key,
        owner: record.owner(),
        from,
        keys: record.keys().count(),
    }
}

/// Runs `device key-consent`.
pub(super) async fn consent(args: &ConsentArgs, context: &Context) -> anyhow::Result<()> {
    let (found, chain) = args.device.find(&args.node, None, context).await?;
    let record = found.record(&chain).await?;
    let agreed = agreement(&chain, &record, DeviceKey::Own(args.new_key), args.from);
    let message = agreed.message();
    let signature = args
        .device_key
        .as_deref()
        .map(|file| open_key(file, context.passphrase_file.as_deref()))
        .transpose()?
        .map(|keys| key_consent(&agreed, &keys).to_string());
    let view = json!({
        "device": found.id, "key": args.new_key, "from": args.from, "message": message,
        "context": Domain::KeyConsent.context(), "consent": signature,
    });
    context.print(&view, |_| {
        let who = "The new key, and for a rotation also the key before it,";
        signature.clone().unwrap_or_else(|| consents::instructions(who, &message, Domain::KeyConsent))
    })
}

/// A device whose key changes, and the source of the proof of its last event.
struct ChangingDevice {
    found: FoundDevice,
    chain: ChainClient,
    record: DeviceRecord,
    source: LastSource,
}

/// A change of keys, with the consent of the new key.
struct NewKey {
    agreed: KeyConsent,
    consent: Signature,
}

impl ChangingDevice {
    /// Finds the device and its gateway.
    async fn find(
        device: &DeviceArg,
        last: &LastArgs,
        node: &NodeArg,
        context: &Context,
    ) -> anyhow::Result<Self> {
        let (found, chain) = device.find(node, last.evidence(), context).await?;
        let record = found.record(&chain).await?;
        let source = last.source(&chain, &found, &record).await?;
        Ok(Self { found, chain, record, source })
    }

    /// Prepares the change while the gateway refuses the events that the old key must no longer sign. Without this, it would
    /// acknowledge them until it knows the new record, although they do not count.
    ///
    /// The gateway goes on to refuse them until it knows the new record, but not if the preparation fails.
    async fn pause_while<T>(
        &self,
        from: Option<u64>,
        context: &Context,
        prepare: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let client = match &self.source {
            // A transaction that is sent from another machine may come much later.
            LastSource::Gateway(client, _) if context.offline.is_none() => client,
            _ => return prepare.await,
        };
        let device = self.found.id.to_string();
        client.pause(&device, from.unwrap_or_default()).await?;
        let prepared = prepare.await;
        if prepared.is_err() {
            if let Err(error) = client.resume(&device).await {
                tracing::debug!(%error, "the pause of the device ends by itself");
            }
        }
        prepared
    }

    /// Decides from which event on the new key counts, and gets its consent.
    async fn agree(&self, new: &NewKeyArgs, change: KeyChange, context: &Context) -> anyhow::Result<NewKey> {
        let Self { found, chain, record, source } = self;
        let (_, bounds) = source.bounds(chain, found.id, DecidedChange::Key).await?;
        let from = first_sequence(new.from, bounds, record, change)?;
        let keys = new
            .new_device_key
            .as_deref()
            .map(|file| open_key(file, context.passphrase_file.as_deref()))
            .transpose()?;
        let public = keys.as_ref().map(|keys| PublicKey::Sr25519(keys.account().0)).or(new.new_key);
        let public = public.context("give the new key with --new-key KEY or --new-device-key FILE")?;
        let agreed = agreement(chain, record, DeviceKey::Own(public), from);
        let consent = match (&keys, &new.new_consent) {
            (Some(keys), _) => key_consent(&agreed, keys),
            (None, Some(file)) => consents::read(file)?,
            (None, None) => bail!(
                "the new key has to consent: {} prints the message that it has to sign; give the signature with --new-consent \
                 FILE and --from {from}",
                consent_command(&agreed)
            ),
        };
        ensure!(
            agreed.verify(&agreed.key, &consent),
            "the consent of the new key is not its signature over {}, the message for this chain, the owner {} and the \
             events from {from} on",
            agreed.message(),
            agreed.owner
        );
        Ok(NewKey { agreed, consent })
    }

    /// Submits the change and prints the result.
    async fn submit(
        self,
        agreed: KeyConsent,
        owner: &Signer,
        consents: KeyConsents,
        context: &Context,
    ) -> anyhow::Result<()> {
        let Self { found, chain, source, .. } = self;
        let submit = |last| chain.change_key(owner, agreed.clone(), last, consents);
        let submitted = source.submit(submit).await?;
        let (key, from) = (&agreed.key, agreed.from);
        let view = submitted_json(
            &submitted,
            [("device", json!(found.id)), ("key", json!(key)), ("from", json!(from))],
        );
        context.print(&view, |_| {
            format!(
                "device {} signs with the new key from event {from} on, finalized in block {}",
                found.id, submitted.block
            )
        })
    }
}

/// Runs `device rotate-key`.
pub(super) async fn rotate(args: &RotateArgs, context: &Context) -> anyhow::Result<()> {
    let owner = args.key.signer(context).await?;
    let device = ChangingDevice::find(&args.device, &args.last, &args.node, context).await?;
    let prepare = async {
        let NewKey { agreed, consent: new } = device.agree(&args.new, KeyChange::Rotated, context).await?;
        let (file, key) = (args.old_consent.as_deref(), args.old_device_key.as_deref());
        let sign = |keys: &KeyPair| key_consent(&agreed, keys);
        let old = match consents::read_or_sign(file, key, sign, context)? {
            Some(signature) => signature,
            None => sign_as_host(&device, &agreed, context)?,
        };
        ensure!(
            agreed.verify(device.record.key(), &old),
            "the consent of the old key is not its signature over {}, the message for this chain, the new key, the owner {} \
             and the events from {} on",
            agreed.message(),
            agreed.owner,
            agreed.from
        );
        anyhow::Ok((agreed, KeyConsents::Rotation { old, new }))
    };
    let (agreed, consents) = device.pause_while(args.new.from, context, prepare).await?;
    device.submit(agreed, &owner, consents, context).await
}

/// Signs the consent of the old key of a hosted device with the key of its gateway.
fn sign_as_host(
    device: &ChangingDevice,
    agreed: &KeyConsent,
    context: &Context,
) -> anyhow::Result<Signature> {
    match (device.record.key(), &device.found.gateway) {
        (DeviceKey::Hosted { gateway, .. }, Some((config, account))) if gateway == account => {
            let keys = open_gateway_key(&config.gateway, context.passphrase_file.as_deref())?;
            Ok(key_consent(agreed, &keys))
        }
        _ => bail!(
            "the old key has to consent: {} prints the message that it has to sign; give the signature with --old-consent \
             FILE and --from {}, or the keystore with --old-device-key FILE. If the old key is lost, use `streembit device \
             recover`",
            consent_command(agreed),
            agreed.from
        ),
    }
}

/// Returns the command that prints the message that both keys have to sign.
fn consent_command(agreed: &KeyConsent) -> String {
    let KeyConsent { device, key, from, .. } = agreed;
    let key = match key {
        DeviceKey::Own(key) => format!(" --new-key {key}"),
        // The commands here give a device only keys of its own.
        DeviceKey::Hosted { .. } => String::new(),
    };
    format!("`streembit device key-consent --device {device}{key} --from {from}`")
}

/// Returns the sequence of the first event that the new key signs: `asked`, or else the first one that the log does not have
/// yet. A key to which the key before it agrees begins no earlier than that key.
fn first_sequence(
    asked: Option<u64>,
    bounds: Bounds,
    record: &DeviceRecord,
    change: KeyChange,
) -> anyhow::Result<u64> {
    let key_from = match change {
        KeyChange::Recovered => 0,
        KeyChange::Registered | KeyChange::Rotated | KeyChange::Rehosted => record.keys().last().from,
    };
    let lowest = bounds.lowest.max(key_from);
    let from = asked.unwrap_or(bounds.after_newest.max(key_from));
    ensure!(
        from >= lowest,
        "events before {lowest} are anchored or signed for: give --from {lowest} or more"
    );
    Ok(from)
}

/// Runs `device recover`.
pub(super) async fn recover(args: &RecoverArgs, context: &Context) -> anyhow::Result<()> {
    let owner = args.key.signer(context).await?;
    let device = ChangingDevice::find(&args.device, &args.last, &args.node, context).await?;
    let prepare = device.agree(&args.new, KeyChange::Recovered, context);
    let NewKey { agreed, consent: new } = device.pause_while(args.new.from, context, prepare).await?;
    device.submit(agreed, &owner, KeyConsents::Recovery { new }, context).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{device::ChangeTime, AccountId, Hash, LogId, PartyId};

    const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

    fn key(n: u8) -> DeviceKey {
        DeviceKey::Own(PublicKey::Ed25519([n; 32]))
    }

    fn record() -> DeviceRecord {
        DeviceRecord::new(key(1), PartyId([2; 32]), LogId::first(AccountId([3; 32])), AT)
    }

    #[test]
    fn a_new_key_begins_after_the_log_and_the_key_before() {
        let mut record = record();
        let bounds = Bounds { lowest: 5, after_newest: 8 };
        let begin = |record: &DeviceRecord, asked, change| first_sequence(asked, bounds, record, change);
        assert_eq!(begin(&record, None, KeyChange::Rotated).unwrap(), 8);
        assert_eq!(begin(&record, Some(5), KeyChange::Rotated).unwrap(), 5);
        assert!(begin(&record, Some(4), KeyChange::Rotated).is_err());
        // The present key has not begun yet. Only a recovery replaces it.
        record.set_key(key(4), 1_000, KeyChange::Rotated, 5, AT).unwrap();
        assert_eq!(begin(&record, None, KeyChange::Rotated).unwrap(), 1_000);
        let error = begin(&record, Some(8), KeyChange::Rotated).unwrap_err().to_string();
        assert!(error.contains("--from 1000"), "{error}");
        assert_eq!(begin(&record, None, KeyChange::Recovered).unwrap(), 8);
    }

    #[test]
    fn the_command_for_a_consent_has_all_of_its_options() {
        let record = record();
        let (genesis, device) = (Hash([1; 32]), record.device_id());
        let agreed = KeyConsent { genesis, device, key: key(4), owner: record.owner(), from: 7, keys: 1 };
        let digits = hex::encode([4; 32]);
        let expected =
            format!("`streembit device key-consent --device {device} --new-key ed25519:{digits} --from 7`");
        assert_eq!(consent_command(&agreed), expected);
    }
}
