//! Whether the tables on disk are all of the log.
//!
//! A list of tables that lost its end makes RocksDB open an older state without a word, and put the newest entries from
//! the write-ahead log behind it: the log ends where it should and has a hole in the middle. A hole begins where a table
//! ends, so that is where to look; the audit looks everywhere.
//!
//! And a table is opened only when something in it is asked for. Whoever reads beside the gateway is not even told then:
//! where a table cannot be opened, RocksDB shows that family as it was before, so the gateway has to look at every table.

use super::{
    store::{device_key, Family, Store},
    tiles::{TileId, TileReader, HEIGHT},
    StorageError,
};
use codec::DecodeAll as _;
use std::collections::BTreeSet;
use streembit_primitives::{hash::Domain, merkle::NodeId, LogEntry};

/// Checks that every table can be read, and the entries on both sides of its end, with what is stored of them elsewhere.
pub(crate) fn check(store: &Store, size: u64) -> Result<(), StorageError> {
    let mut sides = BTreeSet::new();
    for (family, end) in ends(store)? {
        check_end(store, family, &end)?;
        match family {
            // A body may have been erased; where its table ends is known still.
            Family::Entries | Family::Bodies => {
                let end = end.first_chunk().map(|end| u64::from_be_bytes(*end));
                sides.extend(end.into_iter().flat_map(|end| [end, end.saturating_add(1)]));
            }
            // It may have grown after its table was written: then its last leaf is where the hole is.
            Family::Tiles | Family::UpperTiles => {
                let leaves = TileId::of_key(&end).map(TileId::leaves);
                sides.extend(leaves.into_iter().flat_map(|at| [at.start, at.end.saturating_sub(1), at.end]));
            }
            _ => {}
        }
    }
    let tiles = TileReader::new(store);
    sides.into_iter().filter(|index| *index < size).try_for_each(|index| check_entry(store, &tiles, index))
}

/// The last key of every table.
fn ends(store: &Store) -> Result<Vec<(Family, Vec<u8>)>, StorageError> {
    let guard = store.db();
    let files = guard.get()?.live_files().map_err(StorageError::database("listing the tables of the log"))?;
    let family = |name: &str| Family::ALL.into_iter().find(|family| family.name() == name);
    Ok(files
        .into_iter()
        .filter_map(|file| Some((family(&file.column_family_name)?, file.end_key?)))
        .collect())
}

/// Checks that a table's last key is found: in it, or as it was written anew later.
fn check_end(store: &Store, family: Family, end: &[u8]) -> Result<(), StorageError> {
    // What is deleted now and then need not be there; asking has opened the table.
    let deleted = matches!(family, Family::Bodies | Family::ChainProofs | Family::Meta);
    let found = store.db().bytes(family, end)?.is_some() || deleted;
    found.then_some(()).ok_or_else(|| {
        StorageError::damaged(format!(
            "{} {} is in a table, but is not found",
            family.name(),
            hex::encode(end)
        ))
    })
}

fn check_entry(store: &Store, tiles: &TileReader<'_>, index: u64) -> Result<(), StorageError> {
    let guard = store.db();
    let hole = |what: &str| {
        StorageError::damaged(format!(
            "{what} of entry {index} is not there, though later ones are: a table is missing"
        ))
    };
    let entry = guard.bytes(Family::Entries, &index.to_be_bytes())?.ok_or_else(|| hole("what is signed"))?;
    for level in (0..=index.trailing_ones() as u8).step_by(HEIGHT.into()) {
        let id = NodeId { level, index: index >> level };
        let node = tiles.hash(id)?.ok_or_else(|| hole("a node of the tree"))?;
        // What a changed entry says of its device is worth nothing; the audit names it.
        if level == 0 && node != Domain::LogLeaf.hash(&entry) {
            return Ok(());
        }
    }
    let Ok(entry) = LogEntry::decode_all(&mut &*entry) else { return Ok(()) };
    let header = &entry.event.header;
    let place = guard.bytes(Family::ByDevice, &device_key(&header.device, header.sequence))?;
    place.map(|_| ()).ok_or_else(|| hole("the place in its device's history"))
}
