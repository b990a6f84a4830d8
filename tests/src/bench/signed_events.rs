//! Devices that sign events with bodies of 200 bytes.

use anyhow::Result;
use streembit_keystore::KeyPair;
use streembit_primitives::{
    event::{EventKind, VERSION},
    hash::Domain,
    signature::{sign_ed25519, sign_p256, PublicKey},
    AccountId, Body, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, SignedEvent, Signer, Text,
};

/// The number of devices.
pub(super) const DEVICES: u8 = 100;
/// The length of the text. Together with the seed and the lengths, the body has 200 bytes.
const TEXT: usize = 164;

/// An event and its body.
pub(super) type Signed = (SignedEvent, Body);

/// A kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Sr25519,
    Ed25519,
    P256,
}

#[allow(clippy::large_enum_variant, reason = "there are only 100 of them")]
enum Secret {
    Sr25519(KeyPair),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

/// A device that signs events in sequence.
pub(super) struct Device {
    number: u8,
    id: DeviceId,
    secret: Secret,
    sequence: u64,
    previous: Hash,
}

impl Device {
    pub(super) fn new(kind: Kind, number: u8) -> Result<Self> {
        let seed = [number.wrapping_add(1); 32];
        let secret = match kind {
            Kind::Sr25519 => Secret::Sr25519(KeyPair::from_seed(seed)),
            Kind::Ed25519 => Secret::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))),
            Kind::P256 => Secret::P256(Box::new(p256::ecdsa::SigningKey::from_slice(&seed)?)),
        };
        let id = key_of(&secret).device_id();
        Ok(Self { number, id, secret, sequence: 0, previous: Hash::ZERO })
    }

    pub(super) fn key(&self) -> DeviceKey {
        key_of(&self.secret)
    }

    /// Signs the next event.
    pub(super) fn next(&mut self) -> Result<Signed> {
        let body = body(self.number, self.sequence)?;
        let header = EventHeader {
            version: VERSION,
            device: self.id,
            sequence: self.sequence,
            previous: self.previous,
            time: 1_700_000_000_000 + self.sequence,
            kind: EventKind::Status,
            body_hash: body.hash(),
        };
        self.previous = header.hash();
        self.sequence += 1;
        let signature = match &self.secret {
            Secret::Sr25519(keys) => keys.sign(Domain::EventHeader, &self.previous),
            Secret::Ed25519(key) => sign_ed25519(key, Domain::EventHeader, &self.previous),
            Secret::P256(key) => sign_p256(key, Domain::EventHeader, &self.previous),
        };
        Ok((SignedEvent { header, signer: Signer::Device, signature }, body))
    }

    /// Signs the next `count` events.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Signed>> {
        (0..count).map(|_| self.next()).collect()
    }
}

fn key_of(secret: &Secret) -> DeviceKey {
    DeviceKey::Own(match secret {
        Secret::Sr25519(keys) => PublicKey::Sr25519(keys.account().0),
        Secret::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
        Secret::P256(key) => key.verifying_key().into(),
    })
}

fn body(device: u8, sequence: u64) -> Result<Body> {
    let text = format!("{:x<TEXT$}", format!("{device}/{sequence} "));
    let seed = *Domain::PartSalt.hash_of(&(device, sequence)).as_bytes();
    let parts = vec![Part::Status(Text::try_from(text)?)].try_into().unwrap_or_default();
    Ok(Body { seed, parts })
}

/// Creates all devices with keys of a kind.
pub(super) fn devices(kind: Kind) -> Result<Vec<Device>> {
    (0..DEVICES).map(|number| Device::new(kind, number)).collect()
}

/// The id of the measured log.
pub(super) const LOG: LogId = LogId::first(AccountId([1; 32]));

/// Signs the next `each` events of each device on all cores. Returns them by device.
pub(super) fn sign_all(devices: &mut [Device], each: usize) -> Result<Vec<Vec<Signed>>> {
    let cores = std::thread::available_parallelism()?.get();
    let share = devices.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = devices
            .chunks_mut(share)
            .map(|part| {
                scope.spawn(move || {
                    part.iter_mut().map(|device| device.take(each)).collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let mut all = Vec::new();
        for part in parts {
            all.extend(part.join().map_err(|_| anyhow::anyhow!("signing panicked"))??);
        }
        Ok(all)
    })
}

/// Returns events in their order of arrival: one of each device in turn.
pub(super) fn interleaved(by_device: &[Vec<Signed>]) -> Vec<Signed> {
    let rounds = by_device.first().map_or(0, Vec::len);
    (0..rounds)
        .flat_map(|round| by_device.iter().filter_map(move |events| events.get(round).cloned()))
        .collect()
}
