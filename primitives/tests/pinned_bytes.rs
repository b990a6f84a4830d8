//! Pins the bytes of every format: a changed encoding, hash or signed message fails here.
//!
//! Each type's generated values are encoded, hashed together and compared with `pinned_bytes.txt`. A change of that file is
//! a change of a format. It comes with a new version of the type and a line in the changelog.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use codec::{DecodeAll, Encode};
use std::{collections::BTreeMap, fmt::Debug, path::PathBuf};
use streembit_primitives::{
    body::{Disclosure, Part},
    checkpoint::{Anchor, AnchoredRoot},
    command::{CommandResult, Outcome, Parameter},
    contract::{AccessClause, Clause, Contract, ServiceClause},
    device::{DeviceRecord, RegistrationConsent},
    event::{SignedEvent, VERSION},
    evidence::{Item, ShownBody},
    fork::ForkProof,
    gateway::{GatewayConsent, GatewayRecord, LogKey},
    heads::{AbsenceProof, HeadEntry, HeadProof, HeadsMap},
    merkle::{ConsistencyProof, Frontier, InclusionProof},
    reading::{Name, Unit},
    reading_proof::ReadingProof,
    AccountId, Body, Checkpoint, Command, Decimal, DeviceId, DeviceKey, EventHeader, EventKind, Hash,
    LogEntry, LogId, PublicKey, Reading, Signature, SignedCheckpoint, SignedCommand, Signer, Source, Text,
    Value, Version,
};

/// The number of values of each type.
const VALUES: usize = 64;

/// Makes values from a stream of bytes that depends on the name of the type alone.
struct Generator(blake3::OutputReader);

impl Generator {
    fn new(name: &str) -> Self {
        Self(
            blake3::Hasher::new_derive_key("streembit tests pinned bytes")
                .update(name.as_bytes())
                .finalize_xof(),
        )
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number of which small ones are as likely as large ones.
    fn number(&mut self) -> u64 {
        let bits = self.below(64);
        u64::from_le_bytes(self.bytes()) >> bits
    }

    fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn list<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    fn word(&mut self, longest: u64) -> String {
        let length = 1 + self.below(longest);
        (0..length).map(|_| char::from(b"abcXYZ019"[self.below(9) as usize])).collect()
    }

    fn hash(&mut self) -> Hash {
        Hash(self.bytes())
    }

    fn account(&mut self) -> AccountId {
        AccountId(self.bytes())
    }

    fn device(&mut self) -> DeviceId {
        DeviceId(self.bytes())
    }

    fn text<const N: u32>(&mut self) -> Text<N> {
        Text::try_from(self.word(N.into())).unwrap()
    }

    fn name(&mut self) -> Name {
        Name::try_from(self.word(96)).unwrap()
    }

    fn decimal(&mut self) -> Decimal {
        let sign = if self.flag() { 1 } else { -1 };
        Decimal::new(sign * (self.below(1_000_000_000_000) as i64), self.below(12) as i8 - 6).unwrap()
    }

    fn value(&mut self) -> Value {
        match self.below(3) {
            0 => Value::Decimal(self.decimal()),
            1 => Value::Boolean(self.flag()),
            _ => Value::Text(self.text()),
        }
    }

    fn reading(&mut self) -> Reading {
        Reading {
            name: self.name(),
            unit: Unit::try_from(self.word(16)).unwrap(),
            value: self.value(),
            time: self.number(),
            source: Source::of_adapter("obd", &self.word(8)),
        }
    }

    fn public_key(&mut self) -> PublicKey {
        match self.below(2) {
            0 => PublicKey::Sr25519(self.bytes()),
            _ => PublicKey::Ed25519(self.bytes()),
        }
    }

    fn signature(&mut self) -> Signature {
        match self.below(2) {
            0 => Signature::Sr25519(self.bytes()),
            _ => Signature::Ed25519(self.bytes()),
        }
    }

    fn device_key(&mut self) -> DeviceKey {
        match self.below(2) {
            0 => DeviceKey::Own(self.public_key()),
            _ => DeviceKey::Hosted { gateway: self.account(), label: self.text() },
        }
    }

    fn command(&mut self) -> Command {
        Command {
            version: Version,
            genesis: self.hash(),
            device: self.device(),
            account: self.account(),
            nonce: self.number(),
            deadline: self.number(),
            name: self.name(),
            parameters: self.list(8, |g| Parameter { name: g.name(), value: g.value() }).try_into().unwrap(),
        }
    }

    fn signed_command(&mut self) -> SignedCommand {
        SignedCommand { command: self.command(), signature: self.signature() }
    }

    fn command_result(&mut self) -> CommandResult {
        let outcomes = [Outcome::Done, Outcome::Refused, Outcome::Failed, Outcome::Unknown];
        CommandResult {
            version: Version,
            command: self.hash(),
            outcome: outcomes[self.below(4) as usize],
            readings: self.list(8, Self::reading).try_into().unwrap(),
        }
    }

    fn part(&mut self) -> Part {
        match self.below(4) {
            0 => Part::Reading(self.reading()),
            1 => Part::Command(self.signed_command()),
            2 => Part::Result(self.command_result()),
            _ => Part::Status(self.text()),
        }
    }

    fn body(&mut self) -> Body {
        let first = self.part();
        let mut parts = self.list(12, Self::part);
        parts.push(first);
        Body { seed: self.bytes(), parts: parts.try_into().unwrap() }
    }

    fn disclosure(&mut self) -> Disclosure {
        let body = self.body();
        let index = self.below(body.parts.len() as u64) as u32;
        body.disclose(index).unwrap()
    }

    fn header(&mut self) -> EventHeader {
        let kinds = [EventKind::Readings, EventKind::Command, EventKind::Result, EventKind::Status];
        EventHeader {
            version: VERSION,
            device: self.device(),
            sequence: self.number(),
            previous: self.hash(),
            time: self.number(),
            kind: kinds[self.below(4) as usize],
            body_hash: self.hash(),
        }
    }

    fn event(&mut self) -> SignedEvent {
        let signer = if self.flag() { Signer::Device } else { Signer::Gateway(self.account()) };
        SignedEvent { header: self.header(), signer, signature: self.signature() }
    }

    fn entry(&mut self) -> LogEntry {
        LogEntry { event: self.event(), received: self.number() }
    }

    fn log(&mut self) -> LogId {
        LogId { gateway: self.account(), epoch: self.number() as u32 }
    }

    fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint {
            version: Version,
            log: self.log(),
            size: self.number(),
            root: self.hash(),
            heads_root: self.hash(),
            time: self.number(),
        }
    }

    fn heads(&mut self) -> HeadsMap {
        let first = HeadEntry { device: self.device(), sequence: self.number(), hash: self.hash() };
        self.list(9, |g| HeadEntry { device: g.device(), sequence: g.number(), hash: g.hash() })
            .into_iter()
            .chain([first])
            .collect()
    }

    fn head_proof(&mut self) -> HeadProof {
        let heads = self.heads();
        let entry = heads.entries()[self.below(heads.entries().len() as u64) as usize];
        heads.prove(&entry.device).unwrap()
    }

    fn absence_proof(&mut self) -> AbsenceProof {
        let heads = self.heads();
        heads.prove_absence(&self.device()).unwrap()
    }

    fn reading_proof(&mut self) -> ReadingProof {
        ReadingProof {
            version: Version,
            log: self.log(),
            size: self.number(),
            index: self.number(),
            entry: self.entry(),
            inclusion: InclusionProof::new(self.list(63, Self::hash)),
            disclosure: self.disclosure(),
        }
    }

    fn contract(&mut self) -> Contract {
        let clause = |g: &mut Self| match g.below(2) {
            0 => Clause::Service(ServiceClause {
                what: g.text(),
                device: g.device(),
                meter: g.name(),
                from: g.decimal(),
                every: g.decimal(),
                provider: g.account(),
                customer: g.account(),
            }),
            _ => Clause::Access(AccessClause {
                device: g.device(),
                grantee: g.account(),
                names: g.list(16, Self::name).try_into().unwrap(),
                until: g.number(),
            }),
        };
        Contract {
            title: self.text(),
            nonce: self.hash(),
            parties: self.list(8, Self::account).try_into().unwrap(),
            devices: self.list(16, Self::device).try_into().unwrap(),
            clauses: self.list(16, clause).try_into().unwrap(),
        }
    }

    fn item(&mut self) -> Item {
        match self.below(6) {
            0 => Item::End,
            1 => Item::Skip { level: self.below(62) as u8, hash: self.hash() },
            2 => Item::Event { entry: self.entry(), body: ShownBody::Withheld },
            3 => Item::Event { entry: self.entry(), body: ShownBody::Erased },
            4 => Item::Event { entry: self.entry(), body: ShownBody::Whole(self.body()) },
            _ => {
                let parts = self.list(4, Self::disclosure).try_into().unwrap();
                Item::Event { entry: self.entry(), body: ShownBody::Parts(parts) }
            }
        }
    }
}

/// The hashes by name, in the order of the names.
#[derive(Default)]
struct Pins(BTreeMap<&'static str, String>);

impl Pins {
    /// Pins what `bytes` makes of generated values.
    fn add<T>(&mut self, name: &'static str, make: fn(&mut Generator) -> T, bytes: impl Fn(&T) -> Vec<u8>) {
        let mut generator = Generator::new(name);
        let mut hasher = blake3::Hasher::new();
        for _ in 0..VALUES {
            let bytes = bytes(&make(&mut generator));
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        }
        let earlier = self.0.insert(name, hasher.finalize().to_hex().to_string());
        assert_eq!(earlier, None, "{name} is pinned twice");
    }

    /// Pins the encoding of a type, which must decode to the same value, and to nothing with one more byte.
    fn encoding<T: Encode + DecodeAll + PartialEq + Debug>(
        &mut self,
        name: &'static str,
        make: fn(&mut Generator) -> T,
    ) {
        self.add(name, make, |value| {
            let bytes = value.encode();
            assert_eq!(T::decode_all(&mut &*bytes).as_ref(), Ok(value), "{name}");
            let longer = [&bytes[..], &[0]].concat();
            assert!(T::decode_all(&mut &*longer).is_err(), "{name}");
            bytes
        });
    }
}

fn pins() -> Pins {
    let mut pins = Pins::default();
    type G = Generator;
    pins.encoding("AbsenceProof", G::absence_proof);
    pins.encoding("Anchor", |g| Anchor { checkpoint: g.checkpoint(), block: g.number() as u32 });
    pins.encoding("Body", G::body);
    pins.encoding("Checkpoint", G::checkpoint);
    pins.encoding("CommandResult", G::command_result);
    pins.encoding("ConsistencyProof", |g| ConsistencyProof::new(g.list(63, G::hash)));
    pins.encoding("Contract", G::contract);
    pins.encoding("DeviceKey", G::device_key);
    pins.encoding("DeviceRecord", |g| DeviceRecord {
        key: g.device_key(),
        owner: g.account(),
        gateway: g.account(),
        registered: g.number() as u32,
    });
    pins.encoding("Disclosure", G::disclosure);
    pins.encoding("AnchoredRoot", |g| AnchoredRoot {
        size: g.number(),
        root: g.hash(),
        time: g.number(),
        block: g.number() as u32,
    });
    pins.encoding("EventHeader", G::header);
    pins.encoding("ForkProof", |g| ForkProof { first: g.event(), second: g.event() });
    pins.encoding("GatewayRecord", |g| GatewayRecord { party: g.account(), log_key: LogKey(g.bytes()) });
    pins.encoding("HeadProof", G::head_proof);
    pins.encoding("Item", G::item);
    pins.encoding("LogEntry", G::entry);
    pins.encoding("ReadingProof", G::reading_proof);
    pins.encoding("SignedCheckpoint", |g| SignedCheckpoint {
        checkpoint: g.checkpoint(),
        signature: g.signature(),
    });
    pins.encoding("SignedCommand", G::signed_command);

    let hash = |hash: Hash| hash.0.to_vec();
    pins.add("Body hash", G::body, |body| hash(body.hash()));
    pins.add(
        "Checkpoint message",
        |g| (g.hash(), g.checkpoint()),
        |(genesis, checkpoint)| hash(checkpoint.message(genesis)),
    );
    pins.add("Command hash", G::command, |command| hash(command.hash()));
    pins.add(
        "Contract id",
        |g| (g.hash(), g.contract()),
        |(genesis, contract)| contract.id(genesis).0.to_vec(),
    );
    pins.add("DeviceKey id", G::device_key, |key| key.device_id().0.to_vec());
    pins.add("EventHeader hash", G::header, |header| hash(header.hash()));
    pins.add("HeadsMap root", G::heads, |heads| hash(heads.root()));
    pins.add(
        "Log root",
        |g| g.list(40, G::hash),
        |leaves| {
            let mut frontier = Frontier::new();
            leaves.iter().for_each(|leaf| frontier.append(*leaf, |_| {}));
            hash(frontier.root())
        },
    );
    pins.add("LogEntry digest and leaf", G::entry, |entry| [entry.digest().0, entry.leaf().0].concat());
    pins.add("RegistrationConsent message", registration_consent, |consent| hash(consent.message()));
    pins.add("GatewayConsent message", gateway_consent, |consent| hash(consent.message()));
    pins
}

fn registration_consent(g: &mut Generator) -> RegistrationConsent {
    RegistrationConsent { genesis: g.hash(), key: g.device_key(), owner: g.account(), gateway: g.account() }
}

fn gateway_consent(g: &mut Generator) -> GatewayConsent {
    GatewayConsent { genesis: g.hash(), gateway: g.account(), party: g.account(), log_key: LogKey(g.bytes()) }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pinned_bytes.txt")
}

#[test]
fn the_bytes_of_every_format_are_the_pinned_ones() {
    let file = std::fs::read_to_string(path()).unwrap();
    let pinned: BTreeMap<&str, &str> = file.lines().filter_map(|line| line.split_once(": ")).collect();
    let found = pins().0;
    let found: BTreeMap<&str, &str> = found.iter().map(|(name, hash)| (*name, hash.as_str())).collect();
    for (name, hash) in &found {
        assert_eq!(
            pinned.get(name),
            Some(hash),
            "the bytes of {name:?} have changed. If that is meant, raise its version, say so in the changelog, and run \
             `cargo test -p streembit-primitives --test pinned_bytes -- --ignored`"
        );
    }
    assert_eq!(pinned.len(), found.len(), "a format is pinned that no longer exists");
}

#[test]
#[ignore = "writes the pins, after a deliberate change of a format"]
fn write_the_pins() {
    let lines: String = pins().0.iter().map(|(name, hash)| format!("{name}: {hash}\n")).collect();
    std::fs::write(path(), lines).unwrap();
}
