//! `streembit device`: the devices of a gateway, and their registration on the chain.

use super::{
    common::{connect, find_party, submitted_json, CommandResult, ConfigArg, Context, KeyArg, NodeArg},
    output,
};
use crate::{
    config::{Config, DeviceConfig},
    keys::{open_gateway_key, open_key},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use clap::{Args, Subcommand};
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::{device_consent, ChainClient};
use streembit_keystore::{account, party::PartyName};
use streembit_primitives::{
    device::{DeviceRecord, RegistrationConsent},
    hash::Domain,
    p256, AccountId, DeviceKey, PartyId, Signature,
};

/// The subcommands of `streembit device`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the devices in a gateway's configuration, with their registrations on the chain.
    List {
        /// The gateway's configuration.
        #[command(flatten)]
        config: ConfigArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Register a device on the chain for its owner.
    ///
    /// The device has to consent. For a device that cannot sign, its gateway consents.
    Register(RegisterArgs),
    /// Print the message that a device has to sign to consent to its registration, or sign it with --device-key.
    Consent(ConsentArgs),
}

/// The arguments of `device register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The device: its name in the gateway's configuration or its id.
    #[arg(long, value_name = "DEVICE")]
    device: String,
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
}

/// The arguments of `device consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// The device: its name in the gateway's configuration or its id.
    #[arg(long, value_name = "DEVICE")]
    device: String,
    /// The party that will own the device: its id or one of its accounts.
    #[arg(long, value_name = "PARTY")]
    owner: PartyName,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    node: NodeArg,
    /// The device's keystore, to sign the consent with.
    #[arg(long, value_name = "FILE")]
    device_key: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::List { config, node } => list(&config, &node, context).await?,
        Command::Register(args) => register(args, context).await?,
        Command::Consent(args) => consent(args, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(config: &ConfigArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = config.load_with_account()?;
    let chain = connect(node.or_configured(&config)).await;
    if let Err(error) = &chain {
        // The configured devices can be listed without the chain.
        output::print_error(error, context.json);
    }
    let mut devices = Vec::new();
    for device in &config.devices {
        let on_chain = match &chain {
            Ok(chain) => Some(chain.device(device.id(gateway)).await.map_err(explain)?),
            Err(_) => None,
        };
        devices.push(describe(device, gateway, on_chain));
    }
    context.print(&devices, |devices| {
        let mut table = output::table(["name", "source", "owner", "registered", "id"]);
        for device in devices {
            let text = |key: &str| device.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
            table.add_row([text("name"), text("source"), text("owner"), text("registration"), text("id")]);
        }
        output::render(&table)
    })
}

fn describe(device: &DeviceConfig, gateway: AccountId, on_chain: Option<Option<DeviceRecord>>) -> Value {
    let source = match (&device.key, &device.adapter) {
        (Some(_), _) => "signs its own events".into(),
        (None, Some(adapter)) => adapter.to_string(),
        (None, None) => "event add".into(),
    };
    let (registration, record) = match on_chain {
        None => ("unknown: no node".into(), None),
        Some(None) => ("no".into(), None),
        Some(Some(record)) if record.gateway == gateway => {
            (format!("block {}", record.registered), Some(record))
        }
        Some(Some(record)) => ("with another gateway".into(), Some(record)),
    };
    json!({
        "name": device.name,
        "id": device.id(gateway),
        "key": device.device_key(gateway),
        "source": source,
        "registration": registration,
        "registered": record.as_ref().map(|record| record.registered),
        "owner": record.as_ref().map(|record| record.owner),
        "gateway": record.as_ref().map(|record| account::show(&record.gateway)),
    })
}

async fn register(args: RegisterArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_account()?;
    let device = config.device(&args.device, gateway)?.clone();
    let signer = args.key.open(context)?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let owner = chain.party_of(signer.account()).await.map_err(explain)?;
    let registration = registration(&chain, &device, owner, gateway).await?;
    let consent = match (&registration.key, &args.consent, &args.device_key) {
        (DeviceKey::Hosted { .. }, None, None) => {
            let keys = open_gateway_key(&config.gateway, context.passphrase_file.as_deref())?;
            device_consent(&registration, &keys)
        }
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
    let submitted = chain.register_device(&signer, registration, consent).await.map_err(explain)?;
    let id = device.id(gateway);
    let view = submitted_json(&submitted, [("device", json!(id)), ("owner", json!(owner))]);
    context.print(&view, |_| {
        format!("device {} ({id}) is registered, finalized in block {}", device.name, submitted.block)
    })
}

async fn consent(args: ConsentArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_account()?;
    let device = own_key_device(&config, &args.device, gateway)?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let owner = find_party(&chain, &args.owner).await?;
    let registration = registration(&chain, &device, owner, gateway).await?;
    let signature = args
        .device_key
        .as_deref()
        .map(|file| sign_with(file, &registration, context))
        .transpose()?
        .map(|signature| format!("{signature:?}"));
    let (message, signing_context) = (registration.message(), Domain::Registration.context());
    let view = json!({
        "device": device.id(gateway), "key": device.key, "message": message,
        "context": signing_context, "consent": signature,
    });
    context.print(&view, |_| {
        signature.clone().unwrap_or_else(|| {
            format!(
                "Device {} has to sign the message {message}.\nsr25519: use the signing context {signing_context:?}. \
                 ed25519 and p256 (ECDSA with SHA-256, r and s of 32 bytes each): sign that text followed by the \
                 bytes of the message.\nWrite the consent as sr25519:HEX, ed25519:HEX or p256:HEX.",
                device.name
            )
        })
    })
}

fn own_key_device(config: &Config, name: &str, gateway: AccountId) -> anyhow::Result<DeviceConfig> {
    let device = config.device(name, gateway)?;
    if device.key.is_none() {
        bail!(
            "the gateway signs for device {:?} and consents when it registers the device: no other consent is needed",
            device.name
        );
    }
    Ok(device.clone())
}

async fn registration(
    chain: &ChainClient,
    device: &DeviceConfig,
    owner: PartyId,
    gateway: AccountId,
) -> anyhow::Result<RegistrationConsent> {
    chain.registration(device.device_key(gateway), owner, gateway).await.map_err(explain)
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
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let signature = match text.trim().parse::<Signature>() {
        Ok(signature) => signature,
        Err(error) => bail!("{} does not contain a consent: {error}", file.display()),
    };
    verify_consent(normalize(signature, file)?, registration, file)
}

/// Normalizes a P-256 signature: secure elements return a high s in half of the cases, and the chain accepts only the low
/// one.
fn normalize(signature: Signature, file: &Path) -> anyhow::Result<Signature> {
    match signature {
        Signature::P256(bytes) => p256::normalize_s(&bytes)
            .map(Signature::P256)
            .with_context(|| format!("reading the consent in {}", file.display())),
        Signature::Sr25519(_) | Signature::Ed25519(_) => Ok(signature),
    }
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
             owner {}, the gateway {} and the nonce {}",
            file.display(),
            registration.message(),
            registration.owner,
            account::show(&registration.gateway),
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
            gateway: AccountId([3; 32]),
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

    #[test]
    fn a_consent_of_a_secure_element_is_normalized() {
        // Made with another implementation of ECDSA (OpenSSL), with each of the two values of s.
        let key = "p256:0307810ea974cea5773e63b897f37e3be9a09e7a5fe9b971a44d1065ac2a3a9311";
        let (low, high) = (
            "p256:24f5f0bde6f053aaf27ae739e9f9083ff7e23d0727d6bbdea3122cc15f43f18e583f5bcdfda4ff307569374fd2e153458bd029f94e091eeb3f133722afca8313",
            "p256:24f5f0bde6f053aaf27ae739e9f9083ff7e23d0727d6bbdea3122cc15f43f18ea7c0a431025b00d08a96c8b02d1eacba3116d0b4590e7f99b4a693a04c98a23e",
        );
        let registration = RegistrationConsent {
            genesis: Hash([1; 32]),
            key: DeviceKey::Own(key.parse().unwrap()),
            owner: AccountId([2; 32]),
            gateway: AccountId([3; 32]),
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("consent");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_consent(&file, &registration)
        };
        let consent = read(low).unwrap();
        assert_eq!(format!("{consent:?}"), low);
        assert_eq!(read(high).unwrap(), consent);
        let error = read(&format!("p256:{}", "00".repeat(64))).unwrap_err();
        assert!(format!("{error:#}").contains("big-endian"), "{error:#}");
    }
}
