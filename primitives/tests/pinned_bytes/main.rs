//! Pins the bytes of every format: a changed encoding, hash or signed message fails here.
//!
//! Each type's generated values are encoded, hashed together and compared with `pinned_bytes.txt`. A change of that file is
//! a change of a format. It comes with a new version of the type and a line in the changelog.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod contracts;
mod generator;

use codec::{DecodeAll, Encode};
use generator::Generator;
use std::{collections::BTreeMap, fmt::Debug, path::PathBuf};
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    contract::document_hash,
    device::{KeyConsent, LabelHash, LastAnchored, LogConsent, RegistrationConsent},
    fork::ForkProof,
    gateway::{GatewayConsent, GatewayRecord, LogKey},
    merkle::{ConsistencyProof, Frontier},
    party::{AccountConsent, AccountRole},
    Hash, PartyId, SignedCheckpoint,
};

/// The number of values of each type.
const VALUES: usize = 64;

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
    pins.encoding("Claim", G::claim);
    pins.encoding("ClauseProgress", G::clause_progress);
    pins.encoding("ContractContent", G::contract);
    pins.encoding("Dispute", G::dispute);
    pins.encoding("DeviceKey", G::device_key);
    pins.encoding("DeviceRecord", G::device_record);
    pins.encoding("Disclosure", G::disclosure);
    pins.encoding("AnchoredRoot", |g| AnchoredRoot {
        size: g.number(),
        root: g.hash(),
        time: g.number(),
        block: g.number() as u32,
    });
    pins.encoding("EpochState", |g| EpochState { number: g.number() as u32, open: g.flag() });
    pins.encoding("EventHeader", G::header);
    pins.encoding("ForkProof", |g| ForkProof { first: g.event(), second: g.event() });
    pins.encoding("GatewayRecord", |g| GatewayRecord { party: g.party(), log_key: LogKey(g.bytes()) });
    pins.encoding("HeadProof", G::head_proof);
    pins.encoding("Item", G::item);
    pins.encoding("LastAnchored", |g| match g.below(3) {
        0 => LastAnchored::NoAnchor,
        1 => LastAnchored::NoEvent(g.absence_proof()),
        _ => LastAnchored::Event(g.head_proof()),
    });
    pins.encoding("LogEntry", G::entry);
    pins.encoding("AccountRole", |g| AccountRole { party: g.party(), role: g.role() });
    pins.encoding("PartyRecord", G::party_record);
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
        |(lineage, contract)| contract.id(lineage).0.to_vec(),
    );
    pins.add("ContractContent hash", G::contract, |content| content.hash().0.to_vec());
    pins.add(
        "Document hash",
        |g| (g.bytes::<32>(), g.word(20)),
        |(salt, text)| document_hash(salt, text.as_bytes()).0.to_vec(),
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
    pins.add("LogConsent message", log_consent, |consent| hash(consent.message()));
    pins.add("KeyConsent message", key_consent, |consent| hash(consent.message()));
    pins.add(
        "Label hash",
        |g| (g.bytes::<32>(), g.word(20)),
        |(salt, label)| LabelHash::new(salt, label).0.to_vec(),
    );
    pins.add("AccountConsent message", account_consent, |consent| hash(consent.message()));
    pins.add("PartyId", G::account, |first| PartyId::of_first_account(first).0.to_vec());
    pins.add("GatewayConsent message", gateway_consent, |consent| hash(consent.message()));
    pins
}

fn registration_consent(g: &mut Generator) -> RegistrationConsent {
    RegistrationConsent {
        genesis: g.hash(),
        key: g.device_key(),
        owner: g.party(),
        log: g.log(),
        nonce: g.number() as u32,
    }
}

fn log_consent(g: &mut Generator) -> LogConsent {
    LogConsent {
        genesis: g.hash(),
        device: g.device(),
        key: g.device_key(),
        owner: g.party(),
        log: g.log(),
        nonce: g.number() as u32,
    }
}

fn key_consent(g: &mut Generator) -> KeyConsent {
    KeyConsent {
        genesis: g.hash(),
        device: g.device(),
        key: g.device_key(),
        owner: g.party(),
        from: g.number(),
        keys: g.number() as u32,
    }
}

fn gateway_consent(g: &mut Generator) -> GatewayConsent {
    GatewayConsent {
        genesis: g.hash(),
        gateway: g.account(),
        party: g.party(),
        log_key: LogKey(g.bytes()),
        nonce: g.number() as u32,
    }
}

fn account_consent(g: &mut Generator) -> AccountConsent {
    AccountConsent {
        genesis: g.hash(),
        party: g.party(),
        account: g.account(),
        scope: g.scope(),
        until: g.end(),
        nonce: g.number() as u32,
    }
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
