//! Whether the tables on disk are all of the log.
//!
//! A list of tables that lost its end makes RocksDB open an older state without a word, and put the newest entries from
//! the write-ahead log behind it: the log ends where it should and has a hole in the middle. A hole begins where a table
//! ends, so that is where to look; the audit looks everywhere.

use super::{
    store::{device_key, Family, Store},
    tiles::{TileId, TileReader, HEIGHT},
    LogError,
};
use codec::DecodeAll as _;
use std::collections::BTreeSet;
use streembit_primitives::{hash::Domain, merkle::NodeId, LogEntry};

/// Checks the entries on both sides of every table's end, with what is stored of them elsewhere.
pub(crate) fn check(store: &Store, size: u64) -> Result<(), LogError> {
    let mut sides = BTreeSet::new();
    for file in store.db().get()?.live_files().map_err(LogError::storage("listing the tables of the log"))? {
        let family = Family::ALL.into_iter().find(|family| family.name() == file.column_family_name);
        let end = file.end_key.unwrap_or_default();
        match family {
            // A body may have been erased; where its table ends is known still.
            Some(Family::Entries | Family::Bodies) => {
                let end = end.first_chunk().map(|end| u64::from_be_bytes(*end));
                sides.extend(end.into_iter().flat_map(|end| [end, end.saturating_add(1)]));
            }
            // It may have grown after its table was written: then its last leaf is where the hole is.
            Some(Family::Tiles | Family::UpperTiles) => {
                let leaves = TileId::of_key(&end).map(TileId::leaves);
                sides.extend(leaves.into_iter().flat_map(|at| [at.start, at.end.saturating_sub(1), at.end]));
            }
            _ => {}
        }
    }
    let tiles = TileReader::new(store);
    sides.into_iter().filter(|index| *index < size).try_for_each(|index| check_entry(store, &tiles, index))
}

fn check_entry(store: &Store, tiles: &TileReader<'_>, index: u64) -> Result<(), LogError> {
    let guard = store.db();
    let hole = |what: &str| {
        LogError::damaged(format!(
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
