//! Values generated from a seed, and the comparison of their bytes with pinned ones. The tests of the log and of the
//! delivery protocol use this file too.

#![allow(dead_code, reason = "each test uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "only tests use this")]

mod contracts;

use codec::{DecodeAll, Encode};
use std::{collections::BTreeMap, fmt::Debug, path::Path};
use streembit_primitives::{
    body::{Disclosure, Part},
    command::{CommandResult, Outcome, Parameter},
    device::{ChangeTime, DecidedChange, DeviceRecord, DeviceState, KeyChange, LabelHash, MAX_LEAP},
    event::{SignedEvent, VERSION},
    evidence::{AuthorityKey, AuthoritySet, Item, Justification, JustifiedBlock, ShownBody, Vote, Voter},
    heads::{AbsenceProof, HeadEntry, HeadProof, HeadsMap},
    merkle::InclusionProof,
    party::{PartyAccount, PartyRecord, Role, MAX_ACCOUNTS},
    reading::{Name, Unit},
    reading_proof::ReadingProof,
    AccountId, Body, Checkpoint, Command, Decimal, DeviceId, DeviceKey, EncryptionKey, EventHeader,
    EventKind, Hash, LogEntry, LogId, PartyId, PublicKey, Reading, Scope, Signature, SignedCheckpoint,
    SignedCommand, Signer, Source, Text, Value, Version,
};

/// The number of values of each type.
const VALUES: usize = 64;

/// The number of values of each type whose bytes are changed.
const CHANGED_VALUES: usize = 4;

/// The number of places at which the bytes of a value are changed. Shorter bytes are changed at every place.
const CHANGED_PLACES: usize = 512;

/// Makes values from a stream of bytes that depends on the name of the type alone.
pub struct Generator(blake3::OutputReader);

impl Generator {
    pub fn new(name: &str) -> Self {
        Self(
            blake3::Hasher::new_derive_key("streembit tests pinned bytes")
                .update(name.as_bytes())
                .finalize_xof(),
        )
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number of which small ones are as likely as large ones.
    pub fn number(&mut self) -> u64 {
        let bits = self.below(64);
        u64::from_le_bytes(self.bytes()) >> bits
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % bound
    }

    pub fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub fn list<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    /// At most `most` bytes.
    pub fn octets(&mut self, most: u64) -> Vec<u8> {
        self.list(most, |g| g.bytes::<1>()[0])
    }

    pub fn word(&mut self, longest: u64) -> String {
        let length = 1 + self.below(longest);
        (0..length).map(|_| char::from(b"abcXYZ019"[self.below(9) as usize])).collect()
    }

    pub fn hash(&mut self) -> Hash {
        Hash(self.bytes())
    }

    pub fn account(&mut self) -> AccountId {
        AccountId(self.bytes())
    }

    pub fn device(&mut self) -> DeviceId {
        DeviceId(self.bytes())
    }

    pub fn party(&mut self) -> PartyId {
        PartyId(self.bytes())
    }

    pub fn scope(&mut self) -> Scope {
        Scope::LIST[self.below(5) as usize]
    }

    pub fn end(&mut self) -> Option<u64> {
        self.flag().then(|| self.number())
    }

    pub fn party_account(&mut self) -> PartyAccount {
        PartyAccount {
            account: self.account(),
            scope: self.scope(),
            since: self.number() as u32,
            until: self.end(),
        }
    }

    pub fn party_record(&mut self) -> PartyRecord {
        PartyRecord {
            since: self.flag().then(|| self.number() as u32),
            encryption_key: EncryptionKey::new(self.bytes()).ok(),
            accounts: self.list(MAX_ACCOUNTS.into(), Self::party_account).try_into().unwrap(),
        }
    }

    pub fn role(&mut self) -> Role {
        if self.flag() {
            Role::Account { scope: self.scope(), until: self.end() }
        } else {
            Role::Gateway
        }
    }

    pub fn text<const N: u32>(&mut self) -> Text<N> {
        Text::try_from(self.word(N.into())).unwrap()
    }

    pub fn name(&mut self) -> Name {
        Name::try_from(self.word(96)).unwrap()
    }

    pub fn decimal(&mut self) -> Decimal {
        let sign = if self.flag() { 1 } else { -1 };
        Decimal::new(sign * (self.below(1_000_000_000_000) as i64), self.below(12) as i8 - 6).unwrap()
    }

    pub fn value(&mut self) -> Value {
        match self.below(3) {
            0 => Value::Decimal(self.decimal()),
            1 => Value::Boolean(self.flag()),
            _ => Value::Text(self.text()),
        }
    }

    pub fn reading(&mut self) -> Reading {
        Reading {
            name: self.name(),
            unit: Unit::try_from(self.word(16)).unwrap(),
            value: self.value(),
            time: self.number(),
            source: Source::of_adapter("obd", &self.word(8)),
        }
    }

    pub fn public_key(&mut self) -> PublicKey {
        match self.below(3) {
            0 => PublicKey::Sr25519(self.bytes()),
            1 => PublicKey::Ed25519(self.bytes()),
            _ => PublicKey::P256(self.bytes()),
        }
    }

    pub fn signature(&mut self) -> Signature {
        match self.below(3) {
            0 => Signature::Sr25519(self.bytes()),
            1 => Signature::Ed25519(self.bytes()),
            _ => Signature::P256(self.bytes()),
        }
    }

    pub fn device_key(&mut self) -> DeviceKey {
        match self.below(2) {
            0 => DeviceKey::Own(self.public_key()),
            _ => DeviceKey::Hosted { gateway: self.account(), label: LabelHash(self.bytes()) },
        }
    }

    pub fn change_time(&mut self) -> ChangeTime {
        ChangeTime { block: self.number() as u32, time: self.number() }
    }

    /// A record with a history of any length. A change that it does not allow is left out.
    pub fn device_record(&mut self) -> DeviceRecord {
        let (key, owner, log, at) = (self.device_key(), self.party(), self.log(), self.change_time());
        let mut record = DeviceRecord::new(key, owner, log, at);
        for _ in 0..self.below(40) {
            let (from, at) = (self.number() & (MAX_LEAP - 1), self.change_time());
            let change = if self.flag() { KeyChange::Rotated } else { KeyChange::Recovered };
            let _ = match self.below(5) {
                0 => record.set_key(DeviceKey::Own(self.public_key()), from, change, 0, at),
                1 => record.assign(self.log(), None, from, from, self.number(), at),
                2 => record.declare_lost(from, from.saturating_add(1 + self.below(9)), at),
                3 => record.record_decision(DecidedChange::Log, from, at),
                _ => record.set_owner(self.party(), at),
            };
        }
        let states = [DeviceState::Active, DeviceState::Lost, DeviceState::Stolen, DeviceState::Retired];
        record.set_state(states[self.below(4) as usize]).unwrap();
        record
    }

    pub fn command(&mut self) -> Command {
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

    pub fn signed_command(&mut self) -> SignedCommand {
        SignedCommand { command: self.command(), signature: self.signature() }
    }

    pub fn command_result(&mut self) -> CommandResult {
        let outcomes = [Outcome::Done, Outcome::Refused, Outcome::Failed, Outcome::Unknown];
        CommandResult {
            version: Version,
            command: self.hash(),
            outcome: outcomes[self.below(4) as usize],
            readings: self.list(8, Self::reading).try_into().unwrap(),
        }
    }

    pub fn part(&mut self) -> Part {
        match self.below(4) {
            0 => Part::Reading(self.reading()),
            1 => Part::Command(self.signed_command()),
            2 => Part::Result(self.command_result()),
            _ => Part::Status(self.text()),
        }
    }

    pub fn body(&mut self) -> Body {
        let first = self.part();
        let mut parts = self.list(12, Self::part);
        parts.push(first);
        Body { seed: self.bytes(), parts: parts.try_into().unwrap() }
    }

    pub fn disclosure(&mut self) -> Disclosure {
        let body = self.body();
        let index = self.below(body.parts.len() as u64) as u32;
        body.disclose(index).unwrap()
    }

    pub fn header(&mut self) -> EventHeader {
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

    pub fn event(&mut self) -> SignedEvent {
        let signer = if self.flag() { Signer::Device } else { Signer::Gateway(self.account()) };
        SignedEvent { header: self.header(), signer, signature: self.signature() }
    }

    pub fn entry(&mut self) -> LogEntry {
        LogEntry { event: self.event(), received: self.number() }
    }

    pub fn log(&mut self) -> LogId {
        LogId { gateway: self.account(), epoch: self.number() as u32 }
    }

    pub fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint {
            version: Version,
            log: self.log(),
            size: self.number(),
            root: self.hash(),
            heads_root: self.hash(),
            time: self.number(),
        }
    }

    pub fn heads(&mut self) -> HeadsMap {
        let first = HeadEntry { device: self.device(), sequence: self.number(), hash: self.hash() };
        self.list(9, |g| HeadEntry { device: g.device(), sequence: g.number(), hash: g.hash() })
            .into_iter()
            .chain([first])
            .collect()
    }

    pub fn head_proof(&mut self) -> HeadProof {
        let heads = self.heads();
        let entry = heads.entries()[self.below(heads.entries().len() as u64) as usize];
        heads.prove(&entry.device).unwrap()
    }

    pub fn absence_proof(&mut self) -> AbsenceProof {
        let heads = self.heads();
        heads.prove_absence(&self.device()).unwrap()
    }

    pub fn reading_proof(&mut self) -> ReadingProof {
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

    pub fn item(&mut self) -> Item {
        match self.below(7) {
            0 => Item::End,
            6 => Item::NextSegment,
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

    pub fn signed_checkpoint(&mut self) -> SignedCheckpoint {
        SignedCheckpoint { checkpoint: self.checkpoint(), signature: self.signature() }
    }

    pub fn authority_set(&mut self) -> AuthoritySet {
        let voter = |g: &mut Self| Voter { key: AuthorityKey(g.bytes()), weight: g.number() };
        AuthoritySet { id: self.number(), voters: self.list(8, voter) }
    }

    pub fn justified_block(&mut self) -> JustifiedBlock {
        let header = self.octets(200);
        let justification = if self.flag() {
            let vote = |g: &mut Self| Vote { voter: g.number() as u16, signature: g.bytes() };
            Justification::Direct { round: self.number(), votes: self.list(8, vote) }
        } else {
            Justification::Full(self.octets(200))
        };
        JustifiedBlock { header, justification }
    }
}

/// Ensures that shortened bytes of a value are refused, and that bytes with one changed bit are refused or are the only
/// encoding of another value. `first` is the first place.
fn ensure_only_encoding<T: Encode + DecodeAll>(name: &str, bytes: &[u8], first: usize) {
    let step = 1 + bytes.len() / CHANGED_PLACES;
    for at in (first % step..bytes.len()).step_by(step) {
        assert!(T::decode_all(&mut &bytes[..at]).is_err(), "{name} cut to {at} bytes is accepted");
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        if let Ok(other) = T::decode_all(&mut &*changed) {
            assert_eq!(other.encode(), changed, "{name} with a changed byte {at} has two encodings");
        }
    }
}

/// The hashes of the pinned bytes by name, in the order of the names.
#[derive(Default)]
pub struct Pins(BTreeMap<&'static str, String>);

impl Pins {
    /// Pins what `bytes` makes of generated values.
    pub fn add<T>(
        &mut self,
        name: &'static str,
        make: fn(&mut Generator) -> T,
        bytes: impl Fn(&T) -> Vec<u8>,
    ) {
        let mut generator = Generator::new(name);
        let mut hasher = blake3::Hasher::new();
        for _ in 0..VALUES {
            let bytes = bytes(&make(&mut generator));
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        }
        let earlier = self.0.insert(name, hasher.finalize().to_hex().to_string());
        assert_eq!(earlier, None, "{name} is pinned twice");
    }

    /// Pins the encoding of a type, which must decode to the same value, and to nothing with one more byte. Changed bytes
    /// must be refused, or be the only encoding of another value.
    pub fn encoding<T: Encode + DecodeAll + PartialEq + Debug>(
        &mut self,
        name: &'static str,
        make: fn(&mut Generator) -> T,
    ) {
        let mut generator = Generator::new(name);
        for nth in 0..CHANGED_VALUES {
            ensure_only_encoding::<T>(name, &make(&mut generator).encode(), nth);
        }
        self.add(name, make, |value| {
            let bytes = value.encode();
            assert_eq!(T::decode_all(&mut &*bytes).as_ref(), Ok(value), "{name}");
            let longer = [&bytes[..], &[0]].concat();
            assert!(T::decode_all(&mut &*longer).is_err(), "{name}");
            bytes
        });
    }

    /// Like [`Self::encoding`], for a type whose first byte is its version. Every other version must be refused.
    pub fn versioned<T: Encode + DecodeAll + PartialEq + Debug>(
        &mut self,
        name: &'static str,
        version: u8,
        make: fn(&mut Generator) -> T,
    ) {
        let mut bytes = make(&mut Generator::new(name)).encode();
        for other in 0..=u8::MAX {
            bytes[0] = other;
            assert_eq!(T::decode_all(&mut &*bytes).is_ok(), other == version, "{name} of version {other}");
        }
        self.encoding(name, make);
    }

    /// Pins bytes that no generated value has.
    pub fn fixed(&mut self, name: &'static str, bytes: &[u8]) {
        let earlier = self.0.insert(name, blake3::hash(bytes).to_hex().to_string());
        assert_eq!(earlier, None, "{name} is pinned twice");
    }

    /// Compares with the pins in a file. `command` is the command that writes the file.
    pub fn ensure_pinned(&self, file: &Path, command: &str) {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let pinned: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(": ")).collect();
        for (name, hash) in &self.0 {
            assert_eq!(
                pinned.get(name),
                Some(&hash.as_str()),
                "the bytes of {name:?} have changed. If that is meant, raise its version, say so in the changelog, and \
                 run `{command}`"
            );
        }
        assert_eq!(pinned.len(), self.0.len(), "a format is pinned that no longer exists");
    }

    /// Writes the pins to a file.
    pub fn write(&self, file: &Path) {
        let lines: String = self.0.iter().map(|(name, hash)| format!("{name}: {hash}\n")).collect();
        std::fs::write(file, lines).unwrap();
    }
}
