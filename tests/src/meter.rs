//! A device that signs its own events, as a microcontroller would.

use anyhow::{Context, Result};
use codec::Encode as _;
use serde_json::{json, Value};
use streembit::keystore::KeyPair;
use streembit_primitives::{
    device::RegistrationConsent, event::VERSION, hash::Domain, Body, Decimal, DeviceId, DeviceKey,
    EventHeader, EventKind, Hash, Part, PublicKey, Reading, Signature, SignedEvent, Signer, Source, Text,
    Value as ReadingValue,
};

/// The device: its key, and where its history ends.
#[derive(Clone)]
pub struct Meter {
    keys: KeyPair,
    sequence: u64,
    previous: Hash,
}

impl Meter {
    /// A new device with a random key.
    pub fn new() -> Self {
        Self::from_seed(rand::random())
    }

    /// A new device with a key of its own.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { keys: KeyPair::from_seed(seed), sequence: 0, previous: Hash::ZERO }
    }

    /// Its key.
    pub fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(self.keys.account().0))
    }

    /// Its key, as a gateway's configuration has it.
    pub fn configured_key(&self) -> String {
        PublicKey::Sr25519(self.keys.account().0).to_string()
    }

    /// Its id.
    pub fn id(&self) -> DeviceId {
        self.key().device_id()
    }

    /// Its consent to be registered.
    pub fn consent(&self, registration: &RegistrationConsent) -> Signature {
        self.keys.sign(Domain::Registration, &registration.message())
    }

    /// Its next event: one reading, `energy` in Wh.
    pub fn next(&mut self, value: u32, time: u64) -> Result<(SignedEvent, Body)> {
        let reading = Reading {
            name: Text::try_from("energy")?,
            unit: Text::try_from("Wh")?,
            value: ReadingValue::Decimal(Decimal::from(value)),
            time,
            source: Source::Sensor,
        };
        let parts = vec![Part::Reading(reading)].try_into().ok().context("one part is too many")?;
        let body = Body { seed: rand::random(), parts };
        let header = EventHeader {
            version: VERSION,
            device: self.id(),
            sequence: self.sequence,
            previous: self.previous,
            time,
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        let hash = header.hash();
        let signature = self.keys.sign(Domain::EventHeader, &hash);
        self.sequence += 1;
        self.previous = hash;
        Ok((SignedEvent { header, signer: Signer::Device, signature }, body))
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// An event as the gateway's API takes it.
pub fn request_of(event: &SignedEvent, body: &Body) -> Value {
    json!({
        "event": format!("0x{}", hex::encode(event.encode())),
        "body": format!("0x{}", hex::encode(body.encode())),
    })
}
