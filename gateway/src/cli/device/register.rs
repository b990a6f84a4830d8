//! `streembit device register` and `consent`: the registration of a device on the chain.

use super::{admit::Admission, consent};
use crate::{
    cli::{
        common::{connect, find_configured, find_party, submitted_json, ConfigArg, Context, KeyArg, NodeArg},
        resolver::Reference,
    },
    config::DeviceConfig,
    keys::{open_gateway_key, open_key},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use streembit_chain::{device_consent, log_consent, ChainClient};
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{
    device::RegistrationConsent, hash::Domain, AccountId, DeviceKey, LogId, PartyId, Signature,
};

/// The arguments of `device register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, value_name = "DEVICE", value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
    /// The file with the consent of a device that signs its own events: sr25519:HEX, ed25519:HEX or p256:HEX.
    #[arg(long, value_name = "FILE")]
    consent: Option<PathBuf>,
    /// The keystore of a device that signs its own events, instead of --consent.
    #[arg(long, value_name = "FILE", conflicts_with = "consent")]
    device_key: Option<PathBuf>,
    /// The file that `streembit device admit` wrote, for a device that signs its own events. Without it, the key of the
    /// gateway is opened.
    #[arg(long, value_name = "FILE")]
    admission: Option<PathBuf>,
}

/// The arguments of `device consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(long, value_name = "DEVICE", value_parser = Reference::of_device)]
    device: Reference,
    /// The party that will own the device: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    owner: Reference,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    node: NodeArg,
    /// The device's keystore, to sign the consent with.
    #[arg(long, value_name = "FILE")]
    device_key: Option<PathBuf>,
}

/// Runs `device register`.
pub(super) async fn register(args: RegisterArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_ids(Some(context))?;
    let device = find_configured(context, &config, gateway, &args.device).await?;
    let signer = args.key.signer(context).await?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let owner = chain.party_of(signer.account()).await.map_err(explain)?;
    let registration = registration(&chain, &device, owner, gateway).await?;
    let open_gateway = || open_gateway_key(&config.gateway, context.passphrase_file.as_deref());
    let consent = match (&registration.key, &args.consent, &args.device_key) {
        (DeviceKey::Hosted { .. }, None, None) => device_consent(&registration, &open_gateway()?),
        (DeviceKey::Hosted { .. }, ..) => {
            bail!(
                "the gateway signs for device {:?} and consents itself: omit --consent and --device-key",
                device.name
            )
        }
        (DeviceKey::Own(_), Some(file), _) => read_consent(file, &registration)?,
        (DeviceKey::Own(_), None, Some(file)) => sign_with(file, &registration, context)?,
        (DeviceKey::Own(_), None, None) => bail!(
            "device {:?} signs its own events, so it has to consent: `streembit device consent --device {} --owner \
             {owner}` prints the message that it has to sign; give the signature with --consent FILE, or the device's key with \
             --device-key FILE",
            device.name,
            device.name
        ),
    };
    let log_consent = match (&registration.key, &args.admission) {
        (DeviceKey::Hosted { .. }, _) => None,
        (DeviceKey::Own(_), Some(file)) => Some(Admission::read(file)?.consent()?),
        (DeviceKey::Own(_), None) => Some(agree(&chain, &registration, &open_gateway()?).await?),
    };
    let submitted =
        chain.register_device(&signer, registration, consent, log_consent).await.map_err(explain)?;
    let id = device.id(gateway);
    let view = submitted_json(&submitted, [("device", json!(id)), ("owner", json!(owner))]);
    context.print(&view, |_| {
        format!("device {} ({id}) is registered, finalized in block {}", device.name, submitted.block)
    })
}

/// Signs the gateway's consent to keep the log of a device that signs its own events.
async fn agree(
    chain: &ChainClient,
    registration: &RegistrationConsent,
    gateway: &KeyPair,
) -> anyhow::Result<Signature> {
    let RegistrationConsent { key, owner, log, .. } = registration;
    let agreed = chain.log_agreement(key.device_id(), key.clone(), *owner, *log).await.map_err(explain)?;
    Ok(log_consent(&agreed, gateway))
}

/// Runs `device consent`.
pub(super) async fn consent(args: ConsentArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_ids(Some(context))?;
    let device = find_configured(context, &config, gateway, &args.device).await?;
    ensure_own_key(&device)?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let owner = find_party(context, &chain, &args.owner).await?;
    let registration = registration(&chain, &device, owner, gateway).await?;
    let signature = args
        .device_key
        .as_deref()
        .map(|file| sign_with(file, &registration, context))
        .transpose()?
        .map(|signature| format!("{signature:?}"));
    let message = registration.message();
    let view = json!({
        "device": device.id(gateway), "key": device.key, "message": message,
        "context": Domain::Registration.context(), "consent": signature,
    });
    context.print(&view, |_| {
        let who = format!("Device {}", device.name);
        signature.clone().unwrap_or_else(|| consent::instructions(&who, &message, Domain::Registration))
    })
}

fn ensure_own_key(device: &DeviceConfig) -> anyhow::Result<()> {
    if device.key.is_none() {
        bail!(
            "the gateway signs for device {:?} and consents when it registers the device: no other consent is needed",
            device.name
        );
    }
    Ok(())
}

async fn registration(
    chain: &ChainClient,
    device: &DeviceConfig,
    owner: PartyId,
    gateway: AccountId,
) -> anyhow::Result<RegistrationConsent> {
    let log = open_log(chain, gateway).await?;
    chain.registration(device.device_key(gateway), owner, log).await.map_err(explain)
}

/// Returns the open log of a gateway.
pub(super) async fn open_log(chain: &ChainClient, gateway: AccountId) -> anyhow::Result<LogId> {
    let epoch = chain.epoch(gateway).await.map_err(explain)?;
    epoch.log(gateway).with_context(|| {
        format!(
            "the log of gateway {} is closed: open the next one with `streembit gateway epoch open`",
            account::show(&gateway)
        )
    })
}

fn sign_with(
    file: &Path,
    registration: &RegistrationConsent,
    context: &Context,
) -> anyhow::Result<Signature> {
    let keys = open_key(file, context.passphrase_file.as_deref())?;
    verify_consent(device_consent(registration, &keys), registration, file)
}

fn read_consent(file: &Path, registration: &RegistrationConsent) -> anyhow::Result<Signature> {
    verify_consent(consent::read(file)?, registration, file)
}

/// Verifies a consent before it is submitted.
fn verify_consent(
    consent: Signature,
    registration: &RegistrationConsent,
    file: &Path,
) -> anyhow::Result<Signature> {
    if !registration.verify(&consent) {
        bail!(
            "the consent in {} is not a signature of the device's key over {}, the message for this chain, the \
             owner {}, the log {} and the nonce {}",
            file.display(),
            registration.message(),
            registration.owner,
            registration.log,
            registration.nonce
        );
    }
    Ok(consent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_keystore::KeyPair;
    use streembit_primitives::{Hash, PublicKey};

    #[test]
    fn a_consent_is_valid_only_if_the_device_signed_it_for_the_same_registration() {
        let device = KeyPair::from_seed([5; 32]);
        let registration = RegistrationConsent {
            genesis: Hash([1; 32]),
            key: DeviceKey::Own(PublicKey::Sr25519(device.account().0)),
            owner: PartyId([2; 32]),
            log: LogId::first(AccountId([3; 32])),
            nonce: 0,
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("consent");
        let consent = device_consent(&registration, &device);
        std::fs::write(&file, format!("{consent:?}\n")).unwrap();
        assert_eq!(read_consent(&file, &registration).unwrap(), consent);

        let other = RegistrationConsent { owner: PartyId([9; 32]), ..registration.clone() };
        assert!(read_consent(&file, &other).unwrap_err().to_string().contains("owner"));
        for text in ["", "sr25519:00", "x25519:00", "0xabcd"] {
            std::fs::write(&file, text).unwrap();
            assert!(read_consent(&file, &registration).unwrap_err().to_string().contains("128"), "{text}");
        }
    }
}
