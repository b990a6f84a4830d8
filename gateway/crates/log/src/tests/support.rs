//! Devices that sign, and logs in temporary folders.

use streembit_log::{Log, LogReader, NewEntry};
use streembit_primitives::{
    event::{EventKind, ParsedDeviceKey, Signer, VERSION},
    hash::Domain,
    signature::{sign_ed25519, sign_sr25519, PublicKey},
    AccountId, Body, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, SignedEvent, Text,
};

/// A device with its key and its own idea of its history.
pub struct Device {
    secret: Secret,
    pub key: ParsedDeviceKey,
    pub sequence: u64,
    pub previous: Hash,
}

enum Secret {
    Sr25519(Box<schnorrkel::Keypair>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl Device {
    /// An sr25519 device from a number.
    pub fn sr25519(n: u8) -> Self {
        let secret = schnorrkel::MiniSecretKey::from_bytes(&[n; 32]).unwrap();
        let pair = secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        let public = PublicKey::Sr25519(pair.public.to_bytes());
        Self::new(Secret::Sr25519(Box::new(pair)), public)
    }

    /// An Ed25519 device from a number.
    pub fn ed25519(n: u8) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[n; 32]);
        let public = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        Self::new(Secret::Ed25519(Box::new(secret)), public)
    }

    fn new(secret: Secret, public: PublicKey) -> Self {
        Self { secret, key: ParsedDeviceKey::new(DeviceKey::Own(public)), sequence: 0, previous: Hash::ZERO }
    }

    pub fn id(&self) -> DeviceId {
        self.key.device()
    }

    /// The device's next event; what it says depends on `salt` alone.
    pub fn next(&mut self, salt: u64) -> (SignedEvent, Body) {
        let (event, body) = self.sign(self.sequence, self.previous, salt);
        self.sequence += 1;
        self.previous = event.header.hash();
        (event, body)
    }

    /// An event at any place.
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

    /// The device's next event with a body of its own.
    pub fn next_with(&mut self, body: &Body) -> SignedEvent {
        let (SignedEvent { mut header, .. }, _) = self.sign(self.sequence, self.previous, 0);
        header.body_hash = body.hash();
        let event = self.signed(header);
        self.sequence += 1;
        self.previous = event.header.hash();
        event
    }

    /// The device's next event with a body of its own, ready for the log.
    pub fn entry_with(&mut self, body: &Body) -> NewEntry {
        let event = self.next_with(body);
        self.entry(event, body)
    }

    fn signed(&self, header: EventHeader) -> SignedEvent {
        let hash = header.hash();
        let signature = match &self.secret {
            Secret::Sr25519(pair) => sign_sr25519(pair, Domain::EventHeader, &hash),
            Secret::Ed25519(key) => sign_ed25519(key, Domain::EventHeader, &hash),
        };
        SignedEvent { header, signer: Signer::Device, signature }
    }

    /// The device's next event, ready for the log.
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

/// A log of `count` events of three devices, closed.
pub fn filled(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder);
    let mut devices = [Device::sr25519(1), Device::ed25519(2), Device::sr25519(3)];
    let entries: Vec<_> = (0..count).map(|n| devices[n % 3].next_entry(n as u64)).collect();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        for part in entries.chunks(7) {
            log.append(part.to_vec()).await.unwrap();
        }
    });
    folder
}

/// Everything that a log says, to compare two of them.
pub fn content(
    log: &LogReader,
) -> (u64, Hash, Vec<streembit_log::StoredEvent>, Vec<(DeviceId, streembit_log::Head)>) {
    let size = log.size();
    let events = (0..size).map(|index| log.stored(index).unwrap().unwrap()).collect();
    (size, log.root(size).unwrap(), events, log.heads().unwrap())
}
