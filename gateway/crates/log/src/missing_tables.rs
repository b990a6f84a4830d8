//! The check, when a log is opened, that no table (SST file) of the database is missing or unreadable.
//!
//! If RocksDB's list of tables (its manifest) has lost its end, RocksDB silently opens an older state and replays the
//! newest entries from the write-ahead log on top. The log then ends where it should, but has a hole in the middle. A
//! hole begins at the last key of a table that is still listed, so this check looks at the entries on both sides of
//! each such key. An audit looks at every entry.
//!
//! RocksDB opens a table only when one of its keys is read. A read-only instance does not even report a table that it
//! cannot open: it shows an older state of that column family. So the writing gateway has to touch every table.

use super::{
    entry::entry_leaf,
    store::{device_key, Family, Store},
    tiles::{TileId, TileReader, HEIGHT},
    StorageError,
};
use codec::DecodeAll as _;
use std::collections::BTreeSet;
use streembit_primitives::{merkle::NodeId, LogEntry};

/// Checks that every table can be read, and that the entries on both sides of its last key are complete.
pub(crate) fn check(store: &Store, size: u64) -> Result<(), StorageError> {
    let mut indexes = BTreeSet::new();
    for (family, last_key) in last_keys(store)? {
        check_last_key(store, family, &last_key)?;
        match family {
            // The body may have been erased, but the table still tells where it ends.
            Family::Entries | Family::Bodies => {
                let end = last_key.first_chunk().map(|end| u64::from_be_bytes(*end));
                indexes.extend(end.into_iter().flat_map(|end| [end, end.saturating_add(1)]));
            }
            // The tile may have grown after its table was written. Then the hole begins at its last leaf.
            Family::Tiles | Family::UpperTiles => {
                let leaves = TileId::of_key(&last_key).map(TileId::leaves);
                indexes
                    .extend(leaves.into_iter().flat_map(|at| [at.start, at.end.saturating_sub(1), at.end]));
            }
            _ => {}
        }
    }
    let tiles = TileReader::new(store);
    indexes.into_iter().filter(|index| *index < size).try_for_each(|index| check_entry(store, &tiles, index))
}

/// Returns the last key of every table.
fn last_keys(store: &Store) -> Result<Vec<(Family, Vec<u8>)>, StorageError> {
    let guard = store.db();
    let files = guard.get()?.live_files().map_err(StorageError::database("listing the tables of the log"))?;
    let family = |name: &str| Family::ALL.into_iter().find(|family| family.name() == name);
    Ok(files
        .into_iter()
        .filter_map(|file| Some((family(&file.column_family_name)?, file.end_key?)))
        .collect())
}

/// Checks that the last key of a table is found, in that table or in a newer one.
fn check_last_key(store: &Store, family: Family, last_key: &[u8]) -> Result<(), StorageError> {
    // Keys of these families are deleted at times. Reading the key has opened the table all the same.
    let may_be_deleted = matches!(family, Family::Bodies | Family::ChainProofs | Family::Meta);
    let found = store.db().bytes(family, last_key)?.is_some() || may_be_deleted;
    found.then_some(()).ok_or_else(|| {
        let key = hex::encode(last_key);
        StorageError::damaged(format!("{} {key} is the last key of a table, but is not found", family.name()))
    })
}

/// Checks that an entry, its nodes of the tree and its place in the device's index are stored.
fn check_entry(store: &Store, tiles: &TileReader<'_>, index: u64) -> Result<(), StorageError> {
    let guard = store.db();
    let hole = |what: &str| {
        let what = format!(
            "{what} of entry {index} is missing, though later entries are stored: a table is missing"
        );
        StorageError::damaged(what)
    };
    let entry =
        guard.bytes(Family::Entries, &index.to_be_bytes())?.ok_or_else(|| hole("the signed event"))?;
    for level in (0..=index.trailing_ones() as u8).step_by(HEIGHT.into()) {
        let id = NodeId { level, index: index >> level };
        let node = tiles.hash(id)?.ok_or_else(|| hole("a node of the tree"))?;
        // The device of a changed entry cannot be trusted. An audit reports the entry.
        if level == 0 && node != entry_leaf(&entry) {
            return Ok(());
        }
    }
    let Ok(entry) = LogEntry::decode_all(&mut &*entry) else { return Ok(()) };
    let header = &entry.event.header;
    let place = guard.bytes(Family::ByDevice, &device_key(&header.device, header.sequence))?;
    place.map(|_| ()).ok_or_else(|| hole("the place in the device's index"))
}
