//! Tests that an erased body is in no file of the database, and that all proofs still verify.

use super::support::{body, filled, open, Device};
use crate::{
    failpoint,
    store::{meta, Family, Store},
    Finding, Log, OutOfRangeError, Place, StoredBody,
};
use codec::Encode;
use proptest::prelude::*;
use std::{collections::BTreeSet, io::ErrorKind, path::Path};
use streembit_primitives::{Body, Part, SignedEvent, Text};

/// Returns true if any file of a folder contains `bytes`.
///
/// RocksDB may delete an obsolete file between the listing and the reading. Its content may then
/// be in a newer file, so the folder is listed again.
fn is_anywhere(folder: &Path, bytes: &[u8]) -> bool {
    let contains = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read(file?.path()).map(|content| content.windows(bytes.len()).any(|window| window == bytes))
    };
    loop {
        let files: std::io::Result<Vec<bool>> = std::fs::read_dir(folder).unwrap().map(contains).collect();
        match files {
            Ok(files) => return files.contains(&true),
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => panic!("{}: {error}", folder.display()),
        }
    }
}

/// Signs an event with a unique seed and text.
fn secret(device: &mut Device, n: u64) -> (SignedEvent, Body) {
    let word = format!("secret number {n}, {}", "s".repeat(1 + n as usize % 40));
    let seed = *blake3::hash(word.as_bytes()).as_bytes();
    let body = Body { seed, ..body(&word) };
    (device.next_with(&body), body)
}

/// Returns the bytes of the status text in a body.
fn text_of(body: &Body) -> Vec<u8> {
    let encoded = body.parts[0].encode();
    encoded[2..].to_vec()
}

/// A log in which every tenth body is a secret to be erased.
struct LogWithSecrets {
    folder: tempfile::TempDir,
    secrets: Vec<(u64, SignedEvent, Body)>,
}

const SIZE: u64 = 60;

impl LogWithSecrets {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = open(&folder);
        let (mut a, mut b) = (Device::sr25519(1), Device::ed25519(2));
        let mut secrets = Vec::new();
        for n in 0..SIZE {
            let entry = if n % 10 == 5 {
                let (event, body) = secret(&mut a, n);
                secrets.push((n, event.clone(), body.clone()));
                a.entry(event, &body)
            } else {
                b.next_entry(n)
            };
            log.append(vec![entry]).await.unwrap();
        }
        Self { folder, secrets }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    /// Whether the seed and the text of a secret are in any file.
    fn holds(&self, secret: usize) -> (bool, bool) {
        let body = &self.secrets[secret].2;
        (is_anywhere(&self.path(), &body.seed), is_anywhere(&self.path(), &text_of(body)))
    }
}

fn one(index: u64) -> BTreeSet<u64> {
    BTreeSet::from([index])
}

#[tokio::test]
async fn an_erased_body_is_in_no_file_and_all_proofs_verify() {
    let fixture = LogWithSecrets::new().await;
    let log = open(&fixture.folder);
    let before = (log.root(SIZE).unwrap(), log.heads_root(SIZE).unwrap());
    // The bodies are in the write-ahead log, in tables, or in both.
    for secret in 0..3 {
        let index = fixture.secrets[secret].0;
        assert_eq!(fixture.holds(secret), (true, true), "before erasing {index}");
        let erased = log.erase(&one(index), 77).unwrap();
        assert_eq!((erased[0].index, erased[0].at, erased[0].already_erased), (index, 77, false));
        assert_eq!(fixture.holds(secret), (false, false), "after erasing {index}");
        assert_eq!(fixture.holds(secret + 1), (true, true), "others after erasing {index}");
        assert_eq!(log.stored(index).unwrap().unwrap().body, StoredBody::Erased { at: 77 });
    }
    assert_eq!((log.root(SIZE).unwrap(), log.heads_root(SIZE).unwrap()), before);
    assert_eq!(log.verify(0..SIZE).unwrap(), []);
    assert_eq!(log.erased(0..SIZE).unwrap(), [5, 15, 25]);
    for index in 0..SIZE {
        let leaf = log.stored(index).unwrap().unwrap().entry.leaf();
        assert!(log.prove_inclusion(index, SIZE).unwrap().verify(leaf, index, SIZE, &before.0));
    }
    drop(log);
    let log = open(&fixture.folder);
    assert_eq!(log.stored(5).unwrap().unwrap().body, StoredBody::Erased { at: 77 });
    assert_eq!(log.verify(0..SIZE).unwrap(), []);
    assert!((0..3).all(|secret| fixture.holds(secret) == (false, false)));
    // A reader beside the gateway sees the same.
    let beside = Log::open_read_only(&fixture.path()).unwrap();
    assert_eq!(beside.stored(15).unwrap().unwrap().body, StoredBody::Erased { at: 77 });
}

#[tokio::test]
async fn bodies_are_erased_from_tables_of_several_levels() {
    let folder = tempfile::tempdir().unwrap();
    let (log, path) = (open(&folder), folder.path().join("log"));
    let mut device = Device::ed25519(1);
    let large = |n: u64| {
        let part =
            |k: u64| Part::Status(Text::try_from(format!("{n:06} {k:02} {}", "x".repeat(240))).unwrap());
        let seed = *blake3::hash(&n.to_le_bytes()).as_bytes();
        Body { seed, parts: (0..60).map(part).collect::<Vec<_>>().try_into().unwrap() }
    };
    let count = 4_000u64;
    for start in (0..count).step_by(100) {
        let entries = (start..start + 100).map(|n| device.entry_with(&large(n))).collect();
        log.append(entries).await.unwrap();
    }
    // RocksDB compacts the tables in the background.
    let is_compacted = || {
        let files = log.reader().store().db().get().unwrap().live_files().unwrap();
        files.iter().any(|file| file.column_family_name == "bodies" && file.level > 0)
    };
    let since = std::time::Instant::now();
    while !is_compacted() {
        assert!(since.elapsed().as_secs() < 30, "RocksDB did not compact the tables");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // The oldest body, one in the middle, and the newest.
    let erased = BTreeSet::from([0, 1_234, count - 1]);
    for n in &erased {
        assert!(is_anywhere(&path, &large(*n).seed), "{n}");
    }
    log.erase(&erased, 1).unwrap();
    for n in erased {
        assert!(!is_anywhere(&path, &large(n).seed), "{n}");
        assert!(!is_anywhere(&path, format!("{n:06} 59").as_bytes()), "{n}");
    }
    assert!(is_anywhere(&path, &large(1_233).seed) && is_anywhere(&path, &large(1_235).seed));
    assert_eq!(log.verify(0..count).unwrap(), []);
}

/// Returns the tables of bodies.
fn tables(log: &Log) -> BTreeSet<String> {
    let guard = log.reader().store().db();
    let files = guard.get().unwrap().live_files().unwrap().into_iter();
    files.filter(|file| file.column_family_name == Family::Bodies.name()).map(|file| file.name).collect()
}

/// Writes enough overlapping tables of bodies for RocksDB to compact them, without changing any value.
fn provoke_compaction(log: &Log) {
    for _ in 0..8 {
        let guard = log.reader().store().db();
        let (db, bodies) = guard.family(Family::Bodies).unwrap();
        for index in [0, SIZE - 1] {
            let body = db.get_cf(bodies, index.to_be_bytes()).unwrap().unwrap();
            db.put_cf(bodies, index.to_be_bytes(), body).unwrap();
        }
        db.flush_cf(bodies).unwrap();
    }
}

#[tokio::test]
async fn no_compaction_moves_a_body_after_the_tables_were_listed() {
    let fixture = LogWithSecrets::new().await;
    let log = open(&fixture.folder);
    let (beside, (send, moved)) = (log.clone(), std::sync::mpsc::channel());
    failpoint::hook::set("erase-listed", move || {
        // On a thread of its own, because this one keeps the database open already.
        let compacting = std::thread::spawn(move || {
            let listed = tables(&beside);
            provoke_compaction(&beside);
            std::thread::sleep(std::time::Duration::from_secs(1));
            let left = tables(&beside);
            listed.difference(&left).count()
        });
        send.send(compacting.join().unwrap()).unwrap();
    });
    log.erase(&one(5), 1).unwrap();
    assert_eq!(moved.try_recv(), Ok(0), "tables were compacted between listing and rewriting");
    assert_eq!((fixture.holds(0), fixture.holds(1)), ((false, false), (true, true)));
    assert_eq!(log.verify(0..SIZE).unwrap(), []);
    // Afterwards RocksDB compacts in the background again.
    let before = tables(&log);
    let since = std::time::Instant::now();
    provoke_compaction(&log);
    while before.is_subset(&tables(&log)) {
        assert!(since.elapsed().as_secs() < 30, "RocksDB does not compact any more");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test]
async fn foreign_files_in_the_folder_are_kept() {
    let fixture = LogWithSecrets::new().await;
    let (log, note) = (open(&fixture.folder), fixture.path().join("gateway.log"));
    std::fs::write(&note, "started").unwrap();
    log.erase(&one(5), 1).unwrap();
    assert!(note.exists() && fixture.holds(0) == (false, false));
}

#[tokio::test]
async fn many_bodies_can_be_erased_at_once_and_erased_ones_keep_their_time() {
    let fixture = LogWithSecrets::new().await;
    let log = open(&fixture.folder);
    log.erase(&one(5), 1).unwrap();
    let all: BTreeSet<u64> = (0..SIZE).collect();
    let erased = log.erase(&all, 2).unwrap();
    assert_eq!(erased.len() as u64, SIZE);
    for erasure in erased {
        assert_eq!(
            (erasure.at, erasure.already_erased),
            if erasure.index == 5 { (1, true) } else { (2, false) }
        );
    }
    assert!((0..fixture.secrets.len()).all(|secret| fixture.holds(secret) == (false, false)));
    assert_eq!(log.erase(&all, 3).unwrap()[0].at, 2);
    assert_eq!(log.verify(0..SIZE).unwrap(), []);
    let beyond = log.erase(&one(SIZE), 3);
    assert_eq!(beyond, Err(OutOfRangeError { asked: SIZE, size: SIZE }.into()));
}

#[tokio::test]
async fn a_repeated_event_gets_its_receipt_but_its_body_stays_erased() {
    let fixture = LogWithSecrets::new().await;
    let log = open(&fixture.folder);
    let (index, event, body) = fixture.secrets[0].clone();
    log.erase(&one(index), 1).unwrap();
    let device = Device::sr25519(1);
    let receipts = log.append(vec![device.entry(event, &body)]).await.unwrap();
    assert_eq!(receipts[0].index, index);
    assert_eq!(log.stored(index).unwrap().unwrap().body, StoredBody::Erased { at: 1 });
    assert_eq!((log.size(), fixture.holds(0)), (SIZE, (false, false)));
    drop(log);
    assert_eq!(open(&fixture.folder).verify(0..SIZE).unwrap(), []);
}

#[tokio::test]
async fn an_interrupted_erasure_is_finished_on_opening() {
    let fixture = LogWithSecrets::new().await;
    // As after a crash right after the first synced write: the bodies are marked as erased, but still in the files.
    {
        let store = Store::open(&fixture.path()).unwrap();
        let guard = store.db();
        let family = |family| guard.family(family).unwrap().1;
        let mut batch = rocksdb::WriteBatch::default();
        for index in [5u64, 45] {
            batch.put_cf(family(Family::Erasures), index.to_be_bytes(), 9u64.encode());
            batch.delete_cf(family(Family::Bodies), index.to_be_bytes());
        }
        batch.put_cf(family(Family::Meta), meta::PURGE, vec![(5u64, 5u64), (45, 45)].encode());
        guard.get().unwrap().write(batch).unwrap();
    }
    assert_eq!((fixture.holds(0), fixture.holds(4)), ((true, true), (true, true)));
    let log = open(&fixture.folder);
    assert_eq!((fixture.holds(0), fixture.holds(4)), ((false, false), (false, false)));
    assert_eq!((fixture.holds(1), fixture.holds(3)), ((true, true), (true, true)));
    assert_eq!(log.stored(45).unwrap().unwrap().body, StoredBody::Erased { at: 9 });
    assert!(log.reader().store().db().bytes(Family::Meta, meta::PURGE).unwrap().is_none());
    assert_eq!(log.verify(0..SIZE).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_can_be_erased_while_events_are_appended() {
    let fixture = LogWithSecrets::new().await;
    let log = open(&fixture.folder);
    let mut device = Device::sr25519(7);
    let erasing = {
        let log = log.clone();
        let secrets: Vec<u64> = fixture.secrets.iter().map(|(index, ..)| *index).collect();
        tokio::task::spawn_blocking(move || {
            for index in secrets {
                log.erase(&one(index), 1).unwrap();
            }
        })
    };
    for salt in 0..200 {
        log.append(vec![device.next_entry(salt)]).await.unwrap();
    }
    erasing.await.unwrap();
    assert_eq!(log.size(), SIZE + 200);
    assert_eq!(log.verify(0..log.size()).unwrap(), []);
    assert!((0..fixture.secrets.len()).all(|secret| fixture.holds(secret) == (false, false)));
}

#[test]
fn a_stored_body_that_is_marked_as_erased_is_reported() {
    let folder = filled(9);
    {
        let store = Store::open(&folder.path().join("log")).unwrap();
        store.db().put(Family::Erasures, &4u64.to_be_bytes(), &9u64).unwrap();
    }
    let findings = open(&folder).verify(0..9).unwrap();
    let problem = "marked as erased, but still stored".to_owned();
    assert_eq!(findings, [Finding { index: 4, place: Place::Body, problem }]);
}

/// One operation on a log.
#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Erase(prop::sample::Index),
    Resend(prop::sample::Index),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..30).prop_map(Step::Append),
        3 => any::<prop::sample::Index>().prop_map(Step::Erase),
        1 => any::<prop::sample::Index>().prop_map(Step::Resend),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn erased_bodies_stay_erased_after_any_operations(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (mut log, mut device) = (Some(open(&folder)), Device::ed25519(1));
        let (mut sent, mut erased): (Vec<(SignedEvent, Body)>, BTreeSet<u64>) = Default::default();
        for step in steps {
            let open_log = log.as_ref().unwrap();
            match step {
                Step::Append(count) => for _ in 0..count {
                    let (event, body) = secret(&mut device, sent.len() as u64);
                    runtime.block_on(open_log.append(vec![device.entry(event.clone(), &body)])).unwrap();
                    sent.push((event, body));
                },
                Step::Erase(at) if !sent.is_empty() => {
                    let index = at.index(sent.len()) as u64;
                    let done = open_log.erase(&one(index), 1).unwrap();
                    prop_assert_eq!(done[0].already_erased, !erased.insert(index));
                }
                Step::Resend(at) if !sent.is_empty() => {
                    let index = at.index(sent.len());
                    let (event, body) = &sent[index];
                    let receipts = runtime.block_on(open_log.append(vec![device.entry(event.clone(), body)]));
                    prop_assert_eq!(receipts.unwrap()[0].index, index as u64);
                }
                Step::Reopen => {
                    drop(log.take());
                    log = Some(open(&folder));
                }
                Step::Erase(_) | Step::Resend(_) => {}
            }
        }
        let log = log.unwrap();
        prop_assert_eq!(log.verify(0..log.size()).unwrap(), vec![]);
        for (index, (_, body)) in (0u64..).zip(&sent) {
            let is_erased = erased.contains(&index);
            prop_assert_eq!(is_anywhere(&folder.path().join("log"), &body.seed), !is_erased, "{}", index);
            prop_assert_eq!(log.stored(index).unwrap().unwrap().body.erased().is_some(), is_erased);
        }
    }
}
