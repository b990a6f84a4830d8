//! Signing devices, and logs in temporary folders.

use streembit_log::{Log, LogReader, NewEntry};
use streembit_primitives::{
    event::{EventKind, ParsedDeviceKey, Signer, VERSION},
    hash::Domain,
    signature::{sign_ed25519, sign_p256, sign_sr25519, PublicKey},
    AccountId, Body, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, SignedEvent, Text,
};

/// A device that signs its events.
pub struct Device {
    secret: Secret,
    pub key: ParsedDeviceKey,
    /// The sequence of its next event.
    pub sequence: u64,
    /// The hash of its last event.
    pub previous: Hash,
}

enum Secret {
    Sr25519(Box<schnorrkel::Keypair>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl Device {
    /// Returns a device with the sr25519 key derived from `n`.
    pub fn sr25519(n: u8) -> Self {
        let secret = schnorrkel::MiniSecretKey::from_bytes(&[n; 32]).unwrap();
        let pair = secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        let public = PublicKey::Sr25519(pair.public.to_bytes());
        Self::new(Secret::Sr25519(Box::new(pair)), public)
    }

    /// Returns a device with the Ed25519 key derived from `n`.
    pub fn ed25519(n: u8) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
        let public = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        Self::new(Secret::Ed25519(Box::new(secret)), public)
    }

    /// Returns a device with the P-256 key derived from `n`.
    pub fn p256(n: u8) -> Self {
        let secret = p256::ecdsa::SigningKey::from_slice(&[n; 32]).unwrap();
        let public = secret.verifying_key().into();
        Self::new(Secret::P256(Box::new(secret)), public)
    }

    fn new(secret: Secret, public: PublicKey) -> Self {
        let key = DeviceKey::Own(public);
        let key = ParsedDeviceKey::new(key.device_id(), key);
        Self { secret, key, sequence: 0, previous: Hash::ZERO }
    }

    /// Returns the same device with the key of `other` from its next event on.
    pub fn with_key_of(&self, other: Self) -> Self {
        let key = ParsedDeviceKey::new(self.id(), other.key.key().clone());
        Self { key, sequence: self.sequence, previous: self.previous, ..other }
    }

    pub fn id(&self) -> DeviceId {
        self.key.device()
    }

    /// Signs the next event. Its body depends only on the device and `salt`.
    pub fn next(&mut self, salt: u64) -> (SignedEvent, Body) {
        let (event, body) = self.sign(self.sequence, self.previous, salt);
        self.sequence += 1;
        self.previous = event.header.hash();
        (event, body)
    }

    /// Signs an event at any place in the device's history.
    pub fn sign(&self, sequence: u64, previous: Hash, salt: u64) -> (SignedEvent, Body) {
        let body = body(&format!("{}, {salt}", self.id()));
        let header = EventHeader {
            version: VERSION,
            device: self.id(),
            sequence,
            previous,
            time: 1_700_000_000_000 + sequence,
            kind: EventKind::Status,
            body_hash: body.hash(),
        };
        (self.signed(header), body)
    }

    /// Signs the next event with the given body.
    pub fn next_with(&mut self, body: &Body) -> SignedEvent {
        let (SignedEvent { mut header, .. }, _) = self.sign(self.sequence, self.previous, 0);
        header.body_hash = body.hash();
        let event = self.signed(header);
        self.sequence += 1;
        self.previous = event.header.hash();
        event
    }

    /// Signs the next event with the given body, and makes an entry of it.
    pub fn entry_with(&mut self, body: &Body) -> NewEntry {
        let event = self.next_with(body);
        self.entry(event, body)
    }

    fn signed(&self, header: EventHeader) -> SignedEvent {
        let hash = header.hash();
        let signature = match &self.secret {
            Secret::Sr25519(pair) => sign_sr25519(pair, Domain::EventHeader, &hash),
            Secret::Ed25519(key) => sign_ed25519(key, Domain::EventHeader, &hash),
            Secret::P256(key) => sign_p256(key, Domain::EventHeader, &hash),
        };
        SignedEvent { header, signer: Signer::Device, signature }
    }

    /// Signs the next event, and makes an entry of it.
    pub fn next_entry(&mut self, salt: u64) -> NewEntry {
        let (event, body) = self.next(salt);
        self.entry(event, &body)
    }

    pub fn entry(&self, event: SignedEvent, body: &Body) -> NewEntry {
        NewEntry::new(event.verify(self.key.key()).unwrap(), body, 1_700_000_000_500).unwrap()
    }
}

pub fn body(text: &str) -> Body {
    let part = Part::Status(Text::try_from(text).unwrap());
    Body { seed: [text.len() as u8; 32], parts: vec![part].try_into().unwrap() }
}

pub fn log_id() -> LogId {
    LogId::first(AccountId([9; 32]))
}

pub fn open(folder: &tempfile::TempDir) -> Log {
    Log::open(&folder.path().join("log"), log_id()).unwrap()
}

/// Returns the folder of a closed log with `count` events of three devices.
pub fn filled(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut devices = [Device::sr25519(1), Device::ed25519(2), Device::p256(3)];
    let entries: Vec<_> = (0..count).map(|n| devices[n % 3].next_entry(n as u64)).collect();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        for part in entries.chunks(7) {
            log.append(part.to_vec()).await.unwrap();
        }
    });
    folder
}

/// Returns everything that can be read from a log, to compare two logs.
pub fn content(
    log: &LogReader,
) -> (u64, Hash, Vec<streembit_log::StoredEvent>, Vec<(DeviceId, streembit_log::Head)>) {
    let size = log.size();
    let events = (0..size).map(|index| log.stored(index).unwrap().unwrap()).collect();
    (size, log.root(size).unwrap(), events, log.heads().unwrap())
}
