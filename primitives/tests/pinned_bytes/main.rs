//! Pins the bytes of every format: a changed encoding, hash or signed message fails here.
//!
//! Each type's generated values are encoded, hashed together and compared with `pinned_bytes.txt`. A change of that file is
//! a change of a format. It comes with a new version of the type and a line in the changelog.

#[path = "../pins/mod.rs"]
mod pins;

use pins::{Generator, Pins};
use std::path::PathBuf;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    contract::document_hash,
    device::{KeyConsent, LabelHash, LastAnchored, LogConsent, RegistrationConsent},
    fork::ForkProof,
    gateway::{GatewayConsent, GatewayRecord, LogKey},
    merkle::{ConsistencyProof, Frontier},
    party::{AccountConsent, AccountRole},
    Hash, PartyId,
};

fn pins() -> Pins {
    let mut pins = Pins::default();
    type G = Generator;
    pins.encoding("AbsenceProof", G::absence_proof);
    pins.encoding("Anchor", |g| Anchor { checkpoint: g.checkpoint(), block: g.number() as u32 });
    pins.encoding("Body", G::body);
    pins.versioned("Checkpoint", 2, G::checkpoint);
    pins.versioned("CommandResult", 1, G::command_result);
    pins.encoding("ConsistencyProof", |g| ConsistencyProof::new(g.list(63, G::hash)));
    pins.encoding("Claim", G::claim);
    pins.encoding("ClauseProgress", G::clause_progress);
    pins.versioned("ContractContent", 1, G::contract);
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
    pins.versioned("ReadingProof", 2, G::reading_proof);
    pins.versioned("SignedCheckpoint", 2, G::signed_checkpoint);
    pins.versioned("SignedCommand", 1, G::signed_command);

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
    pins().ensure_pinned(&path(), "cargo test -p streembit-primitives --test pinned_bytes -- --ignored");
}

#[test]
#[ignore = "writes the pins, after a deliberate change of a format"]
fn write_the_pins() {
    pins().write(&path());
}
