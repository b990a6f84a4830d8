//! Erasing bodies for good, from reads at once and then from every file of the database.
//!
//! 1. One synced write marks the bodies as erased, deletes them, and records the pending removal from the disk. From
//!    then on they cannot be read, even after a crash.
//! 2. All memtables are flushed, so that the write-ahead logs that hold the bodies become obsolete.
//! 3. Background compactions of the bodies are stopped, and the tables that hold the bodies are rewritten without them. A
//!    background compaction could otherwise move a body into a new table after the tables were listed.
//! 4. When the old files are gone, the record of the pending removal is deleted. After a crash before that, opening the
//!    log repeats the steps from 2.
//!
//! A removed file is returned to the file system. Its blocks keep their content until they are overwritten, and flash
//! memory may keep it for longer.

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

/// The most bodies that can be erased in one call.
pub const MAX_ERASED: usize = 10_000;

/// Entries at most this far apart share one range, and so one rewrite of the tables.
const RANGE_GAP: u64 = 100_000;

/// How long RocksDB may take to delete obsolete files.
const DELETION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long running compactions are waited for before the tables are listed.
const COMPACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two checks for obsolete files.
const DELETION_POLL: Duration = Duration::from_millis(10);

/// An erased body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// The index of the entry.
    pub index: u64,
    /// The device.
    pub device: DeviceId,
    /// The event's place in the device's history.
    pub sequence: u64,
    /// When the body was erased, in milliseconds since the Unix epoch.
    pub at: u64,
    /// True if an earlier call erased the body.
    pub already_erased: bool,
}

/// The entries whose bodies may still be on the disk, as ranges of their first and last index.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(super) struct Pending(pub(super) Vec<(u64, u64)>);

impl Log {
    /// Erases the bodies of at most [`MAX_ERASED`] entries for good, and returns when no file of the database holds
    /// them any more. The entries stay, and so do all proofs. `now` is the time to record, in milliseconds since the
    /// Unix epoch.
    ///
    /// Blocks on disk I/O, so do not call it on a thread that runs asynchronous tasks.
    pub fn erase(&self, indexes: &BTreeSet<u64>, now: u64) -> Result<Vec<Erasure>, EraseError> {
        if indexes.len() > MAX_ERASED {
            return Err(EraseError::TooMany { asked: indexes.len() });
        }
        let _lock = self.lock_erasing();
        let erasures: Vec<_> =
            indexes.iter().map(|index| self.reader().erasure(*index, now)).collect::<Result<_, _>>()?;
        let store = self.reader().store();
        let fresh: Vec<u64> =
            erasures.iter().filter(|erasure| !erasure.already_erased).map(|erasure| erasure.index).collect();
        let pending: Option<Pending> = store.db().value(Family::Meta, meta::PURGE)?;
        let mut pending = pending.unwrap_or_default();
        if fresh.is_empty() && pending.0.is_empty() {
            return Ok(erasures);
        }
        pending.add(&fresh);
        purge(store, &pending, &fresh, now).inspect_err(|_| self.mark_for_reopen())?;
        Ok(erasures)
    }
}

impl LogReader {
    /// Describes the erasure of an entry's body at `now`, or its earlier erasure.
    fn erasure(&self, index: u64, now: u64) -> Result<Erasure, EraseError> {
        let size = self.size();
        if index >= size {
            return Err(OutOfRangeError { asked: index, size }.into());
        }
        let (guard, key) = (self.store().db(), index.to_be_bytes());
        let entry: LogEntry = guard
            .value(Family::Entries, &key)?
            .ok_or_else(|| StorageError::damaged(format!("entry {index} is missing")))?;
        let earlier: Option<u64> = guard.value(Family::Erasures, &key)?;
        let header = entry.event.header;
        Ok(Erasure {
            index,
            device: header.device,
            sequence: header.sequence,
            at: earlier.unwrap_or(now),
            already_erased: earlier.is_some(),
        })
    }

    /// Returns the entries of a range whose bodies were erased, in order.
    pub fn erased(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        Ok(self.read_erased(range)?)
    }

    pub(super) fn read_erased(&self, range: Range<u64>) -> Result<Vec<u64>, StorageError> {
        let guard = self.store().db();
        let (db, handle) = guard.family(Family::Erasures)?;
        let start = range.start.to_be_bytes();
        db.iterator_cf(handle, rocksdb::IteratorMode::From(&start, rocksdb::Direction::Forward))
            .map(|pair| {
                let (key, _) = pair.map_err(StorageError::database("reading the erased entries"))?;
                super::store::integer(Family::Erasures, &key)
            })
            .take_while(|index| index.as_ref().map_or(true, |index| range.contains(index)))
            .collect()
    }
}

impl Pending {
    /// Adds entries, which must be in order. Entries near each other are merged into one range.
    fn add(&mut self, indexes: &[u64]) {
        for index in indexes {
            match self.0.last_mut() {
                Some((first, last)) if *first <= *index && *index <= last.saturating_add(RANGE_GAP) => {
                    *last = (*last).max(*index);
                }
                _ => self.0.push((*index, *index)),
            }
        }
    }
}

/// Finishes an erasure that a crash or a failing disk interrupted. If it fails again, the removal stays recorded and
/// the log opens all the same, because the bodies cannot be read any more.
pub(super) fn resume(store: &Store) -> Result<(), StorageError> {
    let pending: Option<Pending> = store.db().value(Family::Meta, meta::PURGE)?;
    let Some(pending) = pending else { return Ok(()) };
    match purge(store, &pending, &[], 0) {
        Ok(()) => tracing::info!("finished an interrupted erasure"),
        Err(error) => {
            tracing::warn!(%error, "finishing an interrupted erasure failed; the next start tries again")
        }
    }
    Ok(())
}

/// Marks the bodies of `fresh` as erased at `now`, and removes all pending bodies from the disk.
fn purge(store: &Store, pending: &Pending, fresh: &[u64], now: u64) -> Result<(), EraseError> {
    let guard = store.db();
    let (db, meta) = guard.family(Family::Meta)?;
    let (bodies, erasures) = (guard.family(Family::Bodies)?.1, guard.family(Family::Erasures)?.1);
    // Any write-ahead log that is created later cannot hold the bodies.
    let logs = write_ahead_logs(store.path())?;

    let mut batch = WriteBatch::default();
    for index in fresh {
        batch.put_cf(erasures, index.to_be_bytes(), now.encode());
        batch.delete_cf(bodies, index.to_be_bytes());
    }
    batch.put_cf(meta, meta::PURGE, pending.encode());
    failpoint::reach("erase-before");
    db.write_opt(batch, &synced()).map_err(StorageError::database("erasing bodies"))?;
    failpoint::reach("erase-after");

    for family in Family::ALL {
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        db.flush_cf_opt(guard.family(family)?.1, &wait).map_err(RemovalError::from)?;
    }
    failpoint::reach("erase-flushed");
    let stopped = StoppedCompactions::stop(db, bodies).map_err(RemovalError::from)?;
    // If compactions may still run, the first pass lists the tables that they replace, so it lasts until they have ended.
    // Then the second pass lists all tables that a body can be in.
    let passes = if stopped.wait().map_err(RemovalError::from)? { 1 } else { 2 };
    for _ in 0..passes {
        let tables = tables_with(db, store.path(), pending).map_err(RemovalError::from)?;
        failpoint::reach("erase-listed");
        for (first, last) in &pending.0 {
            rewrite(db, bodies, *first, *last);
        }
        wait_until_gone(logs.iter().cloned().chain(tables))?;
    }
    drop(stopped);
    failpoint::reach("erase-rewritten");
    // RocksDB syncs the new tables before it deletes the old ones, so the removal is durable here.
    let mut done = WriteBatch::default();
    done.delete_cf(meta, meta::PURGE);
    db.write_opt(done, &synced()).map_err(StorageError::database("recording that an erasure is finished"))?;
    Ok(())
}

/// Keeps RocksDB from compacting the bodies in the background. Dropping it allows that again.
struct StoppedCompactions<'a> {
    db: &'a Db,
    bodies: &'a ColumnFamily,
}

impl<'a> StoppedCompactions<'a> {
    /// The option that stops them. It is not kept when the database is opened again.
    const OPTION: &'static str = "disable_auto_compactions";

    fn stop(db: &'a Db, bodies: &'a ColumnFamily) -> Result<Self, rocksdb::Error> {
        db.set_options_cf(bodies, &[(Self::OPTION, "true")])?;
        Ok(Self { db, bodies })
    }

    /// Waits until the running compactions have ended. Returns false if some still run after [`COMPACTION_TIMEOUT`]; they
    /// may be of other families, because RocksDB counts them together.
    fn wait(&self) -> Result<bool, rocksdb::Error> {
        let since = Instant::now();
        while self.db.property_int_value(rocksdb::properties::NUM_RUNNING_COMPACTIONS)? != Some(0) {
            if since.elapsed() > COMPACTION_TIMEOUT {
                return Ok(false);
            }
            std::thread::sleep(DELETION_POLL);
        }
        Ok(true)
    }
}

impl Drop for StoppedCompactions<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.db.set_options_cf(self.bodies, &[(Self::OPTION, "false")]) {
            tracing::warn!(%error, "the bodies are not compacted until the gateway is started again");
        }
    }
}

/// Rewrites every table that overlaps a range, down to the last level.
fn rewrite(db: &Db, bodies: &ColumnFamily, first: u64, last: u64) {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options.set_exclusive_manual_compaction(false);
    // This reports no errors. `wait_until_gone` detects a failure, because the old tables are then still there.
    db.compact_range_cf_opt(bodies, Some(first.to_be_bytes()), Some(last.to_be_bytes()), &options);
}

/// Returns the files of the tables of bodies that overlap the pending ranges.
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

/// Returns the write-ahead logs of the database. Their names are numbers, unlike those of foreign files in the folder.
fn write_ahead_logs(path: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let failed = |error: std::io::Error| StorageError::File {
        doing: "listing the files of the log",
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

/// Waits until files are gone. RocksDB deletes a file shortly after it has become obsolete.
fn wait_until_gone(files: impl Iterator<Item = PathBuf>) -> Result<(), RemovalError> {
    let since = Instant::now();
    for file in files {
        // If the file cannot be examined, it is not known to be gone.
        while !matches!(file.try_exists(), Ok(false)) {
            if since.elapsed() > DELETION_TIMEOUT {
                return Err(RemovalError::StillThere { path: file });
            }
            std::thread::sleep(DELETION_POLL);
        }
    }
    Ok(())
}
