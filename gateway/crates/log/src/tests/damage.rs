//! Tests that damage to the database is never silent: either the log refuses to open, or verification reports the
//! place.

use super::support::{filled, log_id, open, Device};
use crate::{
    store::{device_key, meta, Family},
    tiles::TileId,
    watermark::Watermark,
    AppendError, Finding, Log, OpenError, Place, Proposal, StorageError,
};
use codec::Encode;
use proptest::prelude::*;
use std::{path::Path, sync::OnceLock};
use streembit_primitives::{merkle::NodeId, Signature, SignedCheckpoint};

/// One full tile of leaves, and a growing one.
const SIZE: u64 = 109;

/// Changes a stored value with RocksDB itself, as somebody with access to the disk could.
fn tamper(path: &Path, family: Family, key: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let names = Family::ALL.map(Family::name);
    let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), path, names).unwrap();
    let handle = db.cf_handle(family.name()).unwrap();
    let value = db.get_cf(handle, key).unwrap().expect("a value to change");
    match change(value) {
        Some(value) => db.put_cf(handle, key, value).unwrap(),
        None => db.delete_cf(handle, key).unwrap(),
    }
    db.flush_cf(handle).unwrap();
}

fn flip(at: usize) -> impl FnOnce(Vec<u8>) -> Option<Vec<u8>> {
    move |mut value| {
        let at = at % value.len();
        value[at] ^= 1;
        Some(value)
    }
}

/// Returns a log of [`SIZE`] events, copied from one that is created once.
fn sized() -> tempfile::TempDir {
    static ONE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let one = ONE.get_or_init(|| filled(SIZE as usize));
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("log")).unwrap();
    for file in std::fs::read_dir(one.path().join("log")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("log").join(file.file_name())).unwrap();
    }
    copy
}

/// Changes a stored value, and returns the only finding.
fn finding(family: Family, key: &[u8], change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Finding {
    let folder = sized();
    let log = folder.path().join("log");
    tamper(&log, family, key, change);
    let findings = Log::open_for_audit(&log).unwrap().verify(0..SIZE).unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.into_iter().next().unwrap()
}

#[test]
fn an_undamaged_log_has_no_findings_in_any_range() {
    let folder = sized();
    let log = open(&folder);
    for start in (0..=SIZE).step_by(3) {
        for end in (start..=SIZE).rev().step_by(4) {
            assert_eq!(log.verify(start..end).unwrap(), [], "{start}..{end}");
        }
    }
    assert!(log.verify(0..SIZE + 1).is_err());
}

#[test]
fn a_changed_entry_is_reported() {
    for index in [0u64, 7, 63, 64, 103] {
        for at in [0, 40, 80, 150, 1000] {
            let found = finding(Family::Entries, &index.to_be_bytes(), flip(at));
            assert_eq!((found.index, found.place), (index, Place::Entry), "{found}");
        }
        let found = finding(Family::Entries, &index.to_be_bytes(), |_| None);
        assert_eq!((found.index, found.place), (index, Place::Entry), "{found}");
    }
}

#[test]
fn a_changed_body_is_reported() {
    for index in [0u64, 12, 104] {
        for at in [0, 5, 31, 33, 60] {
            let found = finding(Family::Bodies, &index.to_be_bytes(), flip(at));
            assert_eq!((found.index, found.place), (index, Place::Body), "{found}");
            assert!(found.to_string().starts_with(&format!("bodies {index}: changed")), "{found}");
        }
        let found = finding(Family::Bodies, &index.to_be_bytes(), |_| None);
        assert_eq!((found.index, found.place, found.problem.as_str()), (index, Place::Body, "missing"));
    }
}

/// Flips a bit of a hash of the stored tree.
fn tamper_node(path: &Path, level: u8, index: u64, bit: u8) {
    let (tile, slots) = TileId::of(NodeId { level, index });
    assert_eq!(slots.len(), 1, "the node is not stored");
    let at = 32 * slots.start + usize::from(bit / 8);
    tamper(path, tile.family(), &tile.key(), |mut value| {
        value[at] ^= 1 << (bit % 8);
        Some(value)
    });
}

#[test]
fn a_changed_node_is_reported_but_not_the_nodes_below_it() {
    for (level, index) in [(0u8, 0u64), (0, 63), (0, 64), (0, 103), (0, 104), (6, 0)] {
        let folder = sized();
        let path = folder.path().join("log");
        tamper_node(&path, level, index, index as u8);
        let findings = Log::open_for_audit(&path).unwrap().verify(0..SIZE).unwrap();
        let places: Vec<_> = findings.iter().map(|found| (found.index, found.place)).collect();
        let place = Place::Node(NodeId { level, index });
        assert_eq!(places, [(((index + 1) << level) - 1, place)], "{findings:?}");
        assert_eq!(findings[0].place.family(), if level == 0 { "tiles" } else { "upper-tiles" });
    }
}

#[test]
fn a_missing_or_short_or_long_tile_is_reported() {
    let (whole, growing) = (TileId { level: 0, index: 0 }, TileId { level: 0, index: 1 });
    let shorter = |mut value: Vec<u8>| {
        value.truncate(value.len() - 64);
        Some(value)
    };
    let longer = |mut value: Vec<u8>| {
        value.extend([7; 32]);
        Some(value)
    };
    type Change = fn(Vec<u8>) -> Option<Vec<u8>>;
    let changes: [(TileId, Change, Vec<u64>); 6] = [
        (whole, |_| None, (0..64).collect()),
        (growing, |_| None, (64..SIZE).collect()),
        (whole, shorter, vec![62, 63]),
        (growing, shorter, vec![SIZE - 2, SIZE - 1]),
        (growing, longer, vec![SIZE]),
        (whole, longer, (0..64).collect()),
    ];
    for (tile, change, reported) in changes {
        let folder = sized();
        let path = folder.path().join("log");
        tamper(&path, tile.family(), &tile.key(), change);
        let findings = Log::open_for_audit(&path).unwrap().verify(0..SIZE).unwrap();
        let places: Vec<_> = findings.iter().map(|found| found.place).collect();
        let expected: Vec<_> =
            reported.iter().map(|index| Place::Node(NodeId { level: 0, index: *index })).collect();
        assert_eq!(places, expected);
        if tile == growing {
            assert!(
                matches!(Log::open(&path, log_id()), Err(OpenError::Storage(StorageError::Damaged { .. }))),
                "{tile:?}"
            );
        }
    }
}

#[test]
fn a_changed_node_of_the_upper_levels_is_reported() {
    let folder = filled(64 * 66);
    let path = folder.path().join("log");
    tamper_node(&path, 6, 17, 3);
    tamper_node(&path, 12, 0, 200);
    let findings = Log::open_for_audit(&path).unwrap().verify(0..64 * 66).unwrap();
    let places: Vec<_> = findings.iter().map(|found| (found.index, found.place)).collect();
    let node = |level, index| Place::Node(NodeId { level, index });
    assert_eq!(places, [(18 * 64 - 1, node(6, 17)), (4095, node(12, 0))]);
    assert_eq!(findings[0].place.family(), "upper-tiles");
}

#[test]
fn a_changed_device_index_is_reported() {
    let folder = sized();
    let device = open(&folder).stored(12).unwrap().unwrap().entry.event.header.device;
    tamper(&folder.path().join("log"), Family::ByDevice, &device_key(&device, 4), flip(7));
    let findings = open(&folder).verify(0..SIZE).unwrap();
    assert_eq!(
        findings.iter().map(|found| (found.index, found.place)).collect::<Vec<_>>(),
        [(12, Place::ByDevice)]
    );
}

#[test]
fn two_changes_are_both_reported() {
    let folder = sized();
    tamper(&folder.path().join("log"), Family::Entries, &4u64.to_be_bytes(), flip(3));
    tamper(&folder.path().join("log"), Family::Bodies, &20u64.to_be_bytes(), flip(3));
    let findings = open(&folder).verify(0..SIZE).unwrap();
    let places: Vec<_> = findings.iter().map(|found| (found.index, found.place)).collect();
    assert_eq!(places, [(4, Place::Entry), (20, Place::Body)]);
}

#[tokio::test]
async fn an_event_whose_stored_entry_is_damaged_does_not_fail_its_neighbours() {
    let folder = sized();
    let path = folder.path().join("log");
    // The first event of the first device, cut short.
    tamper(&path, Family::Entries, &0u64.to_be_bytes(), |mut entry| {
        entry.pop();
        Some(entry)
    });
    let log = open(&folder);
    let resent = Device::sr25519(1).next_entry(0);
    let (mut first, mut second) = (Device::sr25519(7), Device::ed25519(8));
    for round in 0..2u64 {
        let proposals = [first.next_entry(round), resent.clone(), second.next_entry(round)];
        let results = log.admit(proposals.map(|entry| Proposal::Entry(Box::new(entry))).into()).await;
        let [before, damaged, after] = results.as_slice() else { panic!("{results:?}") };
        let error = damaged.as_ref().unwrap_err();
        assert!(matches!(error, AppendError::Storage(StorageError::Damaged { .. })), "{error}");
        let index = SIZE + 2 * round;
        assert_eq!(before.as_ref().map(|receipt| receipt.index), Ok(index));
        assert_eq!(after.as_ref().map(|receipt| receipt.index), Ok(index + 1));
    }
    assert_eq!(log.size(), SIZE + 4);
    assert_eq!(log.verify(SIZE..SIZE + 4).unwrap(), []);
}

#[test]
fn a_log_whose_end_is_inconsistent_does_not_open() {
    let last = SIZE - 1;
    let tile = |level, index| TileId { level, index };
    let changes: [(Family, Vec<u8>, bool); 8] = [
        (Family::Tiles, tile(0, 1).key().to_vec(), false),
        (Family::Tiles, tile(0, 1).key().to_vec(), true),
        (Family::UpperTiles, tile(1, 0).key().to_vec(), true),
        (Family::Entries, last.to_be_bytes().to_vec(), false),
        (Family::Entries, last.to_be_bytes().to_vec(), true),
        (Family::Meta, meta::STATE.to_vec(), false),
        (Family::Meta, meta::STATE.to_vec(), true),
        (Family::Meta, meta::LOG.to_vec(), true),
    ];
    for (family, key, delete) in changes {
        let folder = sized();
        let path = folder.path().join("log");
        tamper(&path, family, &key, |value| if delete { None } else { flip(9)(value) });
        let error = Log::open(&path, log_id()).unwrap_err();
        assert!(
            matches!(error, OpenError::Storage(StorageError::Damaged { .. })),
            "{} {delete}: {error}",
            family.name()
        );
        assert!(error.to_string().contains("restore the data folder from a backup"), "{error}");
    }
}

#[test]
fn a_database_of_another_format_does_not_open() {
    let folder = filled(3);
    let path = folder.path().join("log");
    let open_as = |format: u32| {
        tamper(&path, Family::Meta, meta::FORMAT, |_| Some(format.encode()));
        Log::open(&path, log_id()).unwrap_err()
    };
    let later = crate::FORMAT + 1;
    assert_eq!(open_as(later), OpenError::NewerFormat { path: path.clone(), found: later });
    let blake3 = open_as(3);
    assert_eq!(blake3, OpenError::OlderFormat { path: path.clone(), found: 3 });
    assert!(blake3.to_string().contains("tree is made with BLAKE3"), "{blake3}");
}

#[test]
fn a_flipped_byte_of_a_table_on_disk_is_never_silent() {
    let folder = sized();
    let path = folder.path().join("log");
    // Move everything from the write-ahead log into tables.
    tamper(&path, Family::Meta, meta::FORMAT, Some);
    for family in [Family::Entries, Family::Bodies] {
        tamper(&path, family, &1u64.to_be_bytes(), Some);
    }
    tamper(&path, Family::Tiles, &TileId { level: 0, index: 0 }.key(), Some);
    let tables: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "sst"))
        .collect();
    assert!(tables.len() >= 3, "{tables:?}");
    let mut noticed = 0;
    for table in tables {
        let original = std::fs::read(&table).unwrap();
        let mut bytes = original.clone();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x40;
        std::fs::write(&table, bytes).unwrap();
        let is_noticed = match Log::open(&path, log_id()) {
            Err(error) => matches!(error, OpenError::Storage(StorageError::Damaged { .. })),
            Ok(log) => !log.verify(0..SIZE).unwrap().is_empty(),
        };
        noticed += usize::from(is_noticed);
        std::fs::write(&table, original).unwrap();
    }
    // In one table the byte can be padding or statistics, but not in all of them.
    assert!(noticed >= 3, "noticed {noticed}");
    assert_eq!(open(&folder).verify(0..SIZE).unwrap(), []);
}

#[test]
fn a_write_ahead_log_that_lost_acknowledged_entries_does_not_open() {
    let cuts: [fn(&mut Vec<u8>); 2] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        },
        |bytes| bytes.truncate(bytes.len() * 2 / 3),
    ];
    for cut in cuts {
        let folder = sized();
        let path = folder.path().join("log");
        let wal = write_ahead_log(&path);
        let mut bytes = std::fs::read(&wal).unwrap();
        cut(&mut bytes);
        std::fs::write(&wal, bytes).unwrap();
        let beside = Log::open_read_only(&path).unwrap_err();
        assert!(matches!(beside, OpenError::Storage(StorageError::Damaged { .. })), "{beside}");
        // RocksDB itself opens with the entries before the damage, without an error.
        let error = Log::open(&path, log_id()).unwrap_err();
        assert!(error.to_string().contains("109 entries were acknowledged"), "{error}");
        // Trying again gives the same error.
        assert_eq!(Log::open(&path, log_id()).unwrap_err(), error);
    }
}

/// Returns the largest write-ahead log, which holds all entries.
fn write_ahead_log(path: &Path) -> std::path::PathBuf {
    std::fs::read_dir(path)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "log"))
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap()
}

#[test]
fn a_torn_write_ahead_log_opens_with_the_last_complete_group() {
    // As after a power cut: the last group is half written and was never acknowledged, or garbage follows it.
    let (last_group, whole) = (SIZE % 7, SIZE - SIZE % 7);
    type Tear = fn(&mut Vec<u8>);
    let tears: [(Tear, u64); 3] = [
        (|bytes| bytes.truncate(bytes.len() - 1), last_group),
        (|bytes| bytes.truncate(bytes.len() - 300), last_group),
        (|bytes| bytes.extend_from_slice(&[0x5a; 90]), 0),
    ];
    for (tear, lost) in tears {
        let folder = sized();
        let path = folder.path().join("log");
        let wal = write_ahead_log(&path);
        let mut bytes = std::fs::read(&wal).unwrap();
        tear(&mut bytes);
        std::fs::write(&wal, bytes).unwrap();
        if lost > 0 {
            std::fs::remove_file(path.join("ACKNOWLEDGED")).unwrap();
            Watermark::open(&path).unwrap().raise(whole);
        }
        let expected = SIZE - lost;
        // Read-only before the gateway recovers the log, for an audit, by the gateway, and read-only again.
        for log in [Log::open_read_only(&path).unwrap(), Log::open_for_audit(&path).unwrap()] {
            assert_eq!((log.size(), log.verify(0..expected).unwrap()), (expected, vec![]));
        }
        let log = open(&folder);
        assert_eq!((log.size(), log.verify(0..expected).unwrap()), (expected, vec![]));
        assert_eq!(Log::open_read_only(&path).unwrap().size(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_flipped_byte_is_reported(index in 0..SIZE - 1, at in any::<usize>(), which in 0usize..3) {
        let folder = sized();
        let path = folder.path().join("log");
        let place = match which {
            0 => {
                tamper(&path, Family::Entries, &index.to_be_bytes(), flip(at));
                Place::Entry
            }
            1 => {
                tamper(&path, Family::Bodies, &index.to_be_bytes(), flip(at));
                Place::Body
            }
            _ => {
                tamper_node(&path, 0, index, at as u8);
                Place::Node(NodeId { level: 0, index })
            }
        };
        let findings = Log::open_for_audit(&path).unwrap().verify(0..SIZE).unwrap();
        let places: Vec<_> = findings.iter().map(|found| (found.index, found.place)).collect();
        prop_assert_eq!(places, [(index, place)]);
    }
}

/// Found by `make crash CYCLES=300 SEED=5 ONLY=torn`, cycle 91: RocksDB opened the tables that a torn manifest still
/// listed, and the gateway continued the log behind a hole.
#[test]
fn a_log_with_a_torn_manifest_does_not_open_with_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut device = super::support::Device::sr25519(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // Each opening flushes the write-ahead log of the last one to tables.
    for _ in 0..4 {
        let entries = (0..9).map(|salt| device.next_entry(salt)).collect();
        runtime.block_on(open(&folder).append(entries)).unwrap();
    }
    let files: Vec<_> = std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path()).collect();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let manifest = files.iter().find(|path| name(path).starts_with("MANIFEST")).unwrap();
    let length = std::fs::metadata(manifest).unwrap().len();
    let (mut refused, mut whole) = (0, 0);
    for end in (1..=length).rev().step_by(13) {
        let copy = tempfile::tempdir().unwrap();
        let torn = copy.path().join("log");
        std::fs::create_dir(&torn).unwrap();
        for file in files.iter().filter(|path| name(path) != "LOCK") {
            std::fs::copy(file, torn.join(name(file))).unwrap();
        }
        let file = std::fs::File::options().write(true).open(torn.join(name(manifest))).unwrap();
        file.set_len(end).unwrap();
        match Log::open(&torn, log_id()) {
            Ok(log) => {
                let findings = log.verify(0..log.size()).unwrap();
                // A missing body may have been erased, so opening does not refuse it.
                assert!(findings.iter().all(|found| found.place == Place::Body), "at {end}: {findings:?}");
                assert_eq!(log.size(), 36);
                whole += 1;
            }
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        OpenError::Storage(StorageError::Damaged { .. })
                            | OpenError::Folder { .. }
                            | OpenError::Database { .. }
                    ),
                    "at {end}: {error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 10 && whole > 0, "{refused} refused, {whole} whole");
}

/// Found by `make crash CYCLES=500 SEED=20261124`, cycle 163: the index of a table of checkpoints was damaged, and the
/// gateway started all the same, because nothing had read that table yet.
#[test]
fn a_damaged_table_that_nothing_reads_is_found_on_opening() {
    let folder = sized();
    let path = folder.path().join("log");
    let tables = || {
        let files = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "sst")).collect::<Vec<_>>()
    };
    {
        let log = open(&folder);
        let checkpoint = super::proofs::checkpoint(&log, 8, log.root(8).unwrap());
        log.put_checkpoint(&SignedCheckpoint { checkpoint, signature: Signature::Sr25519([1; 64]) }).unwrap();
    }
    let before = tables();
    // Opening flushes the write-ahead log to a table.
    drop(open(&folder));
    let after = tables();
    let [table] = after.iter().filter(|table| !before.contains(table)).collect::<Vec<_>>()[..] else {
        panic!("expected one new table: {before:?}, {after:?}");
    };
    let original = std::fs::read(table).unwrap();
    let name = b"rocksdb.block.based.table";
    let properties =
        original.windows(name.len()).position(|part| part == name).expect("a table's properties");
    assert!(properties > 100);
    for at in (0..=properties).step_by(5) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        std::fs::write(table, bytes).unwrap();
        let error = Log::open(&path, log_id()).err().unwrap_or_else(|| panic!("byte {at} of {properties}"));
        assert!(matches!(error, OpenError::Storage(StorageError::Damaged { .. })), "{error}");
    }
    std::fs::write(table, original).unwrap();
    assert_eq!(open(&folder).last_checkpoint().unwrap().map(|last| last.checkpoint.size), Some(8));
}
