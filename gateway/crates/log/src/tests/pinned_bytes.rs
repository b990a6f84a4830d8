//! Pins the bytes of the stored records: a changed key, value or file fails here.
//!
//! The bytes are hashed and compared with `pinned_bytes.txt`, once for generated values of each type, and once for each
//! column family of a log that has every kind of record. A change of that file is a change of the database's format.

#[path = "../../../../../primitives/tests/pins/mod.rs"]
mod pins;

use super::support::{open, Device};
use crate::{
    erase::Pending,
    store::{device_key, Family, State},
    tiles::{Tile, TileId, HEIGHT, WIDTH},
    watermark::{self, Watermark},
    AppendError, Fork, Head, KnownVoters, LastBlock, Log, Refusal,
};
use codec::Encode as _;
use pins::{Generator, Pins};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use streembit_primitives::{checkpoint::Anchor, Checkpoint, Hash, Signature, SignedCheckpoint, Version};

/// The number of events: enough for a full tile of leaves, and a tile above it.
const EVENTS: u64 = 100;

fn known_voters(g: &mut Generator) -> KnownVoters {
    KnownVoters { genesis: g.hash(), first: g.authority_set(), current: g.authority_set(), since: g.hash() }
}

fn last_block(g: &mut Generator) -> LastBlock {
    LastBlock {
        number: g.number() as u32,
        hash: g.hash(),
        state_root: g.hash(),
        block: g.justified_block(),
        nodes: g.list(8, |g| g.octets(100)),
    }
}

fn tile_id(g: &mut Generator) -> TileId {
    let level = g.below(u64::from(64 / HEIGHT)) as u8;
    // The first leaf below the tile has 64 bits.
    TileId { level, index: g.number() >> (HEIGHT * (level + 1)) }
}

fn tile(g: &mut Generator) -> Tile {
    let hashes = 1 + g.below(WIDTH as u64);
    let bytes: Vec<u8> = (0..hashes).flat_map(|_| g.hash().0).collect();
    Tile::decode(&bytes).unwrap()
}

fn acknowledged(size: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    Watermark::open(folder.path()).unwrap().raise(size);
    std::fs::read(folder.path().join(watermark::FILE)).unwrap()
}

/// Returns the bytes of all records of a family, in the order of the keys.
fn records(log: &Log, family: Family) -> Vec<u8> {
    let guard = log.reader().store().db();
    let (db, handle) = guard.family(family).unwrap();
    db.iterator_cf(handle, rocksdb::IteratorMode::Start)
        .flat_map(|pair| {
            let (key, value) = pair.unwrap();
            (key.to_vec(), value.to_vec()).encode()
        })
        .collect()
}

/// Makes a log with records in every family. Its devices have keys whose signatures do not depend on chance.
async fn log_with_all_records(folder: &tempfile::TempDir) -> Log {
    let log = open(folder);
    let (mut one, mut two) = (Device::ed25519(1), Device::p256(2));
    let entries = (0..EVENTS).map(|n| if n % 2 == 0 { one.next_entry(n) } else { two.next_entry(n) });
    log.append(entries.collect()).await.unwrap();
    let (other, body) = two.sign(0, Hash::ZERO, EVENTS);
    let refused = log.append(vec![two.entry(other, &body)]).await.unwrap_err();
    assert!(matches!(refused, AppendError::Refused(Refusal::Forked { .. })), "{refused}");

    let (root, heads_root) = (log.root(EVENTS).unwrap(), log.heads_root(EVENTS).unwrap());
    let checkpoint = Checkpoint {
        version: Version,
        log: log.id(),
        size: EVENTS,
        root,
        heads_root,
        time: 1_700_000_000_600,
    };
    let signature = Signature::Sr25519([5; 64]);
    log.put_checkpoint(&SignedCheckpoint { checkpoint: checkpoint.clone(), signature }).unwrap();
    log.put_anchor(&Anchor { checkpoint, block: 7 }).unwrap();
    let mut generator = Generator::new("records");
    let (voters, last) = (known_voters(&mut generator), last_block(&mut generator));
    let changes = [generator.justified_block(), generator.justified_block()];
    log.put_chain_proof(&voters, 3, &changes, &last).unwrap();
    log.erase(&BTreeSet::from([4, 9]), 1_700_000_000_700).unwrap();
    log
}

fn pins() -> Pins {
    let mut pins = Pins::default();
    pins.encoding("Fork", |g| Fork { admitted: g.number(), other: g.entry() });
    pins.encoding("Head", |g| Head { sequence: g.number(), hash: g.hash(), index: g.number() });
    pins.encoding("JustifiedBlock", Generator::justified_block);
    pins.encoding("KnownVoters", known_voters);
    pins.encoding("LastBlock", last_block);
    pins.encoding("Pending", |g| Pending(g.list(5, |g| (g.number(), g.number()))));
    pins.encoding("State", |g| State { size: g.number(), root: g.hash() });
    pins.add(
        "Key of a device's event",
        |g| (g.device(), g.number()),
        |(id, at)| device_key(id, *at).to_vec(),
    );
    pins.add("Key of a tile", tile_id, |id| id.key().to_vec());
    pins.add("Tile", tile, Tile::encode);
    pins.add("File of the acknowledged size", Generator::number, |size| acknowledged(*size));

    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = runtime.block_on(log_with_all_records(&folder));
    for family in Family::ALL {
        let records = records(&log, family);
        assert!(!records.is_empty(), "no record in {}", family.name());
        pins.fixed(family.name(), &records);
    }
    pins
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/pinned_bytes.txt")
}

#[test]
fn the_bytes_of_every_stored_record_are_the_pinned_ones() {
    pins().ensure_pinned(&path(), "cargo test -p streembit-log --lib pinned_bytes -- --ignored");
}

#[test]
#[ignore = "writes the pins, after a deliberate change of the format"]
fn write_the_pins() {
    pins().write(&path());
}
