//! Erasing bodies for good: from what is read at once, then from every file of the database.
//!
//! One synced write marks the bodies as erased, deletes them, and notes what has yet to be removed from the disk. From
//! then on nobody reads them, whatever happens. Then all that is in memory is written out, so that the write-ahead logs
//! with the bodies in them are of no more use, the tables that hold them are written anew without them, and the old files
//! are waited for to be gone. Only then the note goes. A crash in between leaves the note, and the next start finishes.
//!
//! A file that is removed is given back to the file system. Its blocks keep what they held until they are written again,
//! and flash memory may keep it longer than that.

use super::{
    failpoint,
    store::{meta, synced, Db, Family, Store},
    EraseError, Log, LogReader, OutOfRangeError, ReadError, RemovalError, StorageError,
};
use codec::{Decode, Encode};
use rocksdb::{BottommostLevelCompaction, ColumnFamily, CompactOptions, FlushOptions, WriteBatch};
use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use streembit_primitives::{DeviceId, LogEntry};

/// The most bodies that one call erases.
pub const MAX_ERASED: usize = 10_000;

/// Erased entries that are closer to each other are removed from the tables together.
const NEAR: u64 = 100_000;

/// How long files that are of no more use are waited for to be gone, and how often they are looked for.
const GONE_WITHIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(10));

/// A body that is erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// The entry's place in the log.
    pub index: u64,
    /// Whose event it is.
    pub device: DeviceId,
    /// Its place in the device's history.
    pub sequence: u64,
    /// When the body was erased, in milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// Whether that was before this call.
    pub before: bool,
}

/// What has yet to be removed from the disk: first and last index of each range.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
struct Pending(Vec<(u64, u64)>);

impl Log {
    /// Erases the bodies of entries for good, at most [`MAX_ERASED`]; returns when they are in no file of the database any
    /// more. The entries stay, with all that is proven of them. `now` is when, in milliseconds since 1970-01-01 UTC.
    ///
    /// Waits for the disk: not to be called where other tasks wait.
    pub fn erase(&self, indexes: &BTreeSet<u64>, now: u64) -> Result<Vec<Erasure>, EraseError> {
        if indexes.len() > MAX_ERASED {
            return Err(EraseError::TooMany { asked: indexes.len() });
        }
        let _one_at_a_time = self.erasing();
        let erasures: Vec<_> =
            indexes.iter().map(|index| self.reader().erasure(*index, now)).collect::<Result<_, _>>()?;
        let store = self.reader().store();
        let (db, fresh) = (store.db(), erasures.iter().filter(|erasure| !erasure.before));
        let fresh: Vec<u64> = fresh.map(|erasure| erasure.index).collect();
        let mut pending: Pending = db.value(Family::Meta, meta::PURGE)?.unwrap_or_default();
        if fresh.is_empty() && pending.0.is_empty() {
            return Ok(erasures);
        }
        drop(db);
        pending.add(&fresh);
        purge(store, &pending, &fresh, now).inspect_err(|_| self.mark_for_reopen())?;
        Ok(erasures)
    }
}

impl LogReader {
    /// What erasing an entry's body comes to.
    fn erasure(&self, index: u64, now: u64) -> Result<Erasure, EraseError> {
        let size = self.size();
        if index >= size {
            return Err(OutOfRangeError { asked: index, size }.into());
        }
        let (guard, key) = (self.store().db(), index.to_be_bytes());
        let entry: LogEntry = guard
            .value(Family::Entries, &key)?
            .ok_or_else(|| StorageError::damaged(format!("entry {index} is not there")))?;
        let before: Option<u64> = guard.value(Family::Erasures, &key)?;
        let header = entry.event.header;
        Ok(Erasure {
            index,
            device: header.device,
            sequence: header.sequence,
            at: before.unwrap_or(now),
            before: before.is_some(),
        })
    }

    /// The entries of a range whose bodies were erased, in order.
    pub fn erased(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        Ok(self.stored_erasures(range)?)
    }

    pub(super) fn stored_erasures(&self, range: Range<u64>) -> Result<Vec<u64>, StorageError> {
        let guard = self.store().db();
        let (db, handle) = guard.family(Family::Erasures)?;
        let start = range.start.to_be_bytes();
        db.iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
            .map(|pair| {
                let (key, _) = pair.map_err(StorageError::database("reading what was erased"))?;
                super::store::integer(Family::Erasures, &key)
            })
            .take_while(|index| index.as_ref().map_or(true, |index| range.contains(index)))
            .collect()
    }
}

impl Pending {
    /// Adds entries, in order; those that are near each other become one range.
    fn add(&mut self, indexes: &[u64]) {
        for index in indexes {
            match self.0.last_mut() {
                Some((first, last)) if *first <= *index && *index <= last.saturating_add(NEAR) => {
                    *last = (*last).max(*index);
                }
                _ => self.0.push((*index, *index)),
            }
        }
    }
}

/// Finishes what a crash, or a disk that refused, has interrupted. What cannot be finished now stays noted: the bodies
/// are out of reach already, and the log goes on.
pub(super) fn resume(store: &Store) -> Result<(), StorageError> {
    let pending: Option<Pending> = store.db().value(Family::Meta, meta::PURGE)?;
    let Some(pending) = pending else { return Ok(()) };
    match purge(store, &pending, &[], 0) {
        Ok(()) => tracing::info!("an interrupted erasure was finished"),
        Err(error) => tracing::warn!(%error, "an interrupted erasure could not be finished"),
    }
    Ok(())
}

/// Marks `fresh` as erased, and removes all that is pending from the disk.
fn purge(store: &Store, pending: &Pending, fresh: &[u64], now: u64) -> Result<(), EraseError> {
    let guard = store.db();
    let (db, meta) = guard.family(Family::Meta)?;
    let (bodies, erasures) = (guard.family(Family::Bodies)?.1, guard.family(Family::Erasures)?.1);
    // What is written to from here on is written after the bodies, or is one of these.
    let logs = write_ahead_logs(store.path())?;

    let mut batch = WriteBatch::default();
    for index in fresh {
        batch.put_cf(erasures, index.to_be_bytes(), now.encode());
        batch.delete_cf(bodies, index.to_be_bytes());
    }
    batch.put_cf(meta, meta::PURGE, pending.encode());
    failpoint::reach("erase-before");
    db.write_opt(batch, &synced()).map_err(StorageError::database("erasing"))?;
    failpoint::reach("erase-after");

    for family in Family::ALL {
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        db.flush_cf_opt(guard.family(family)?.1, &wait).map_err(RemovalError::from)?;
    }
    failpoint::reach("erase-flushed");
    let tables = tables_with(db, store.path(), pending).map_err(RemovalError::from)?;
    for (first, last) in &pending.0 {
        rewrite(db, bodies, *first, *last);
    }
    wait_until_gone(logs.into_iter().chain(tables))?;
    failpoint::reach("erase-rewritten");
    // What was rewritten has been synced by RocksDB before it removed what it was written from.
    let mut done = WriteBatch::default();
    done.delete_cf(meta, meta::PURGE);
    db.write_opt(done, &synced()).map_err(StorageError::database("noting that an erasure is finished"))?;
    Ok(())
}

/// Writes every table anew that has something of a range, down to the last level.
fn rewrite(db: &Db, bodies: &ColumnFamily, first: u64, last: u64) {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options.set_exclusive_manual_compaction(false);
    // It tells of no errors: that the old tables are gone does.
    db.compact_range_cf_opt(bodies, Some(first.to_be_bytes()), Some(last.to_be_bytes()), &options);
}

/// The tables of bodies in which something of the pending ranges may be.
fn tables_with(db: &Db, path: &Path, pending: &Pending) -> Result<Vec<PathBuf>, rocksdb::Error> {
    let within = |start: &[u8], end: &[u8]| {
        let overlaps = |(first, last): &(u64, u64)| {
            start <= last.to_be_bytes().as_slice() && end >= first.to_be_bytes().as_slice()
        };
        pending.0.iter().any(overlaps)
    };
    let files = db.live_files()?.into_iter().filter(|file| {
        let keys =
            (file.start_key.as_deref().unwrap_or(&[]), file.end_key.as_deref().unwrap_or(&[u8::MAX; 9]));
        file.column_family_name == Family::Bodies.name() && within(keys.0, keys.1)
    });
    Ok(files.map(|file| path.join(file.name.trim_start_matches('/'))).collect())
}

/// The write-ahead logs of the database: numbered, unlike what others may have put beside them.
fn write_ahead_logs(path: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let failed = |error: std::io::Error| StorageError::File {
        doing: "looking for the log's files",
        source: error.into(),
    };
    let mut found = Vec::new();
    for file in std::fs::read_dir(path).map_err(failed)? {
        let file = file.map_err(failed)?.path();
        let numbered = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit()));
        if numbered && file.extension().is_some_and(|extension| extension == "log") {
            found.push(file);
        }
    }
    Ok(found)
}

/// Waits until files are gone: RocksDB removes them a moment after they are of no more use.
fn wait_until_gone(files: impl Iterator<Item = PathBuf>) -> Result<(), RemovalError> {
    let (since, (patience, pause)) = (Instant::now(), GONE_WITHIN);
    for file in files {
        // Whatever the reason is that it cannot be looked at: it is not known to be gone.
        while !matches!(file.try_exists(), Ok(false)) {
            if since.elapsed() > patience {
                return Err(RemovalError::StillThere { path: file });
            }
            std::thread::sleep(pause);
        }
    }
    Ok(())
}
