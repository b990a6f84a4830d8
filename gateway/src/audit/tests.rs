use super::*;
use rocksdb::{Options, DB};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use streembit_keystore::KeyPair;
use streembit_log::{Lineage, Log, LogReader, NewEntry, OpenError, StorageError};
use streembit_primitives::{
    device::{ChangeTime, KeyChange},
    event::{EventKind, Signer, VERSION},
    hash::Domain,
    heads::{HeadEntry, HeadsMap},
    AccountId, Body, Checkpoint, DeviceKey, EventHeader, LogId, Part, PartyId, PublicKey, SignedEvent, Text,
    Version,
};

/// The number of events of each of the two devices.
const EVENTS: u64 = 9;
/// The number of anchored entries. The last four of the log are pending.
const ANCHORED: u64 = 14;

/// A device that signs its own events: its key pair and its device key.
struct Device(KeyPair, DeviceKey);

impl Device {
    fn new(n: u8) -> Self {
        let pair = KeyPair::from_seed([n; 32]);
        let key = DeviceKey::Own(PublicKey::Sr25519(pair.account().0));
        Self(pair, key)
    }

    fn id(&self) -> DeviceId {
        self.1.device_id()
    }

    fn record(&self) -> DeviceRecord {
        DeviceRecord::new(self.1.clone(), PartyId([8; 32]), id(), ChangeTime { block: 2, time: 1 })
    }

    async fn append(&self, log: &Log, word: &str) {
        let head = log.head(&self.id()).unwrap();
        let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
        log.append(vec![self.sign(self.id(), sequence, previous, word)]).await.unwrap();
    }

    /// Signs an event of a device with this key.
    fn sign(&self, device: DeviceId, sequence: u64, previous: Hash, word: &str) -> NewEntry {
        let part = Part::Status(Text::try_from(format!("{word} {sequence}")).unwrap());
        let body = Body { seed: [3; 32], parts: vec![part].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device,
            sequence,
            previous,
            time: 1_700_000_000_000 + sequence,
            kind: EventKind::Status,
            body_hash: body.hash(),
        };
        let signature = self.0.sign(Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Device, signature }.verify(&self.1).unwrap();
        NewEntry::new(event, &body, sequence).unwrap()
    }
}

/// A log with alternating events of two devices, and the state of a chain that has anchored most of it.
struct AuditFixture {
    folder: tempfile::TempDir,
    chain: ChainState,
}

impl AuditFixture {
    async fn new() -> Self {
        Self::with_text("event").await
    }

    async fn with_text(word: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), id()).unwrap();
        for _ in 0..EVENTS {
            Device::new(1).append(&log, word).await;
            Device::new(2).append(&log, "other").await;
        }
        let chain = anchored_at(&log, ANCHORED, Device::new(1).record());
        Self { folder, chain }
    }

    /// A log with these events of the device, all of them anchored. Each is given by its sequence and the key that signs
    /// it, and names the one before it. `admitting` is the record by which the gateway admitted them.
    async fn with_events(record: DeviceRecord, admitting: &DeviceRecord, events: &[(u64, u8)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), id()).unwrap();
        let lineage = Arc::new(Lineage::new(admitting.clone(), None));
        let mut previous = Hash::ZERO;
        for (sequence, key) in events {
            let entry = Device::new(*key).sign(Device::new(1).id(), *sequence, previous, "event");
            previous = entry.header().hash();
            log.append(vec![entry.with_lineage(lineage.clone())]).await.unwrap();
        }
        let chain = anchored_at(&log, log.size(), record);
        Self { folder, chain }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn open(&self) -> Result<LogReader, OpenError> {
        Log::open_for_audit(&self.path())
    }

    fn audit(&self) -> Report {
        let subject = Subject { device: Device::new(1).id(), name: Some("meter".into()) };
        match self.open() {
            Ok(log) => super::audit(&log, subject, &self.chain).unwrap(),
            Err(OpenError::Storage(StorageError::Damaged { what, .. })) => {
                Report::for_unreadable_log(subject, &self.chain, id(), what)
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Flips one bit of a stored value directly in the database.
    fn tamper(&self, family: &str, key: &[u8], byte: usize) {
        let db = raw(&self.path());
        let handle = db.cf_handle(family).unwrap();
        let mut value = db.get_cf(handle, key).unwrap().unwrap();
        let at = byte % value.len();
        value[at] ^= 1;
        db.put_cf(handle, key, value).unwrap();
    }
}

/// The state of a chain that has anchored the log at this size.
fn anchored_at(log: &Log, size: u64, record: DeviceRecord) -> ChainState {
    let checkpoint = Checkpoint {
        version: Version,
        log: id(),
        size,
        root: log.root(size).unwrap(),
        heads_root: log.heads_root(size).unwrap(),
        time: 1,
    };
    ChainState {
        genesis: Hash([1; 32]),
        block: 7,
        hash: Hash([2; 32]),
        time: 3,
        device: Some(record),
        anchor: Some(Anchor { checkpoint, block: 6 }),
        roots: Vec::new(),
    }
}

fn raw(path: &Path) -> DB {
    let options = Options::default();
    let families = DB::list_cf(&options, path).unwrap();
    DB::open_cf(&options, path, families).unwrap()
}

fn id() -> LogId {
    LogId::first(KeyPair::from_seed([9; 32]).account())
}

#[tokio::test]
async fn an_unchanged_history_is_verified_and_its_pending_events_are_counted() {
    let fixture = AuditFixture::new().await;
    let report = fixture.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!((report.events, report.anchored, report.pending), (9, 7, 2));
    assert_eq!(
        report.verdict(),
        "VERIFIED: 7 events, anchored at log size 14 in block 6; 2 events not yet anchored"
    );
    assert!(report.history.iter().all(|event| event.ok));
    assert_eq!(report.history[8].anchor, AnchorState::Pending);
    assert_eq!(report.history[3].event.content(), "event 3");
}

#[tokio::test]
async fn an_audit_works_while_the_gateway_writes_to_the_log() {
    let fixture = AuditFixture::new().await;
    let writer = Log::open(&fixture.path(), id()).unwrap();
    Device::new(1).append(&writer, "more").await;
    let report = fixture.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!((report.events, report.pending), (10, 3));
}

#[tokio::test]
async fn a_changed_byte_is_reported_with_its_entry_body_or_node() {
    // Index 17 is the other device's last entry, and index 16 is this device's last body.
    for (family, place, last) in [("entries", ProblemPlace::Entry, 17u64), ("bodies", ProblemPlace::Body, 16)]
    {
        for (index, bytes) in [(0, [0, 40]), (4, [32, 90]), (last, [9, 150])] {
            for byte in bytes {
                let fixture = AuditFixture::new().await;
                fixture.tamper(family, &index.to_be_bytes(), byte);
                let report = fixture.audit();
                assert!(!report.verified, "{family} {index} byte {byte}");
                let first = &report.problems[0];
                assert_eq!(
                    (first.place, first.index),
                    (place, Some(index)),
                    "byte {byte}: {:?}",
                    report.problems
                );
                assert!(first.to_string().starts_with(&format!("{family} {index}")), "{first}");
            }
        }
    }
    for index in (0..18).step_by(3) {
        let fixture = AuditFixture::new().await;
        // The key of the first tile, which is the only one.
        fixture.tamper("tiles", &[0; 9], 32 * index as usize + 5);
        let report = fixture.audit();
        assert!(!report.verified, "leaf {index}");
        let first = &report.problems[0];
        assert_eq!((first.place, first.index), (ProblemPlace::Node, Some(index)), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn a_changed_size_or_root_of_the_log_is_reported() {
    for byte in [0, 8, 20] {
        let fixture = AuditFixture::new().await;
        fixture.tamper("meta", b"state", byte);
        let report = fixture.audit();
        assert!(!report.verified, "byte {byte}");
        let named = [ProblemPlace::Root, ProblemPlace::Anchor, ProblemPlace::Entry, ProblemPlace::Node];
        assert!(named.contains(&report.problems[0].place), "byte {byte}: {:?}", report.problems);
    }
}

#[tokio::test]
async fn a_damaged_body_of_another_device_does_not_affect_the_verdict() {
    let fixture = AuditFixture::new().await;
    fixture.tamper("bodies", &1u64.to_be_bytes(), 3);
    let report = fixture.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!(report.elsewhere.len(), 1);
}

#[tokio::test]
async fn a_history_is_complete_up_to_the_anchor() {
    let fixture = AuditFixture::new().await;
    let report = fixture.audit();
    let Completeness { proven, events, checkpoint, .. } = report.completeness.clone();
    assert_eq!((proven, events, checkpoint), (true, 7, Some(ANCHORED)));
    assert!(report.completeness.to_string().starts_with("events 0 to 6, nothing missing"));
}

/// Returns the report for a log whose anchored heads map was falsified by `lie`.
async fn with_heads(lie: impl FnOnce(&mut Vec<HeadEntry>)) -> Report {
    let mut fixture = AuditFixture::new().await;
    let log = fixture.open().unwrap();
    let mut entries = log.heads_map(ANCHORED).unwrap().entries().to_vec();
    lie(&mut entries);
    fixture.chain.anchor.as_mut().unwrap().checkpoint.heads_root =
        entries.into_iter().collect::<HeadsMap>().root();
    drop(log);
    fixture.audit()
}

#[tokio::test]
async fn a_false_heads_map_in_the_anchor_is_detected() {
    assert!(with_heads(|_| {}).await.verified);
    type Lie = fn(&mut Vec<HeadEntry>);
    let lies: [Lie; 5] = [
        // Hide the end of a history: name the event before the last as the last.
        |heads| {
            let at = heads.iter().position(|head| head.device == Device::new(1).id()).unwrap();
            heads[at].sequence -= 1;
        },
        // Omit a device, invent a device, invent an event, replace an event.
        |heads| heads.retain(|head| head.device != Device::new(1).id()),
        |heads| heads.push(HeadEntry { device: DeviceId([7; 32]), sequence: 0, hash: Hash([7; 32]) }),
        |heads| heads[1].sequence += 1,
        |heads| heads[0].hash.0[0] ^= 1,
    ];
    for lie in lies {
        let report = with_heads(lie).await;
        assert!(!report.verified && !report.completeness.proven);
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert_eq!(report.problems[0].place, ProblemPlace::Heads);
        assert!(report.verdict().contains("false when it was signed"), "{}", report.verdict());
    }
}

#[tokio::test]
async fn a_forged_history_is_not_under_the_anchored_root() {
    let (honest, mut forged) = (AuditFixture::new().await, AuditFixture::with_text("lie").await);
    // The forged log is consistent in itself, so only the chain can show that it is forged.
    assert!(forged.audit().verified);
    forged.chain = honest.chain.clone();
    let report = forged.audit();
    assert!(!report.verified);
    assert!(
        report.problems.iter().all(|problem| problem.place == ProblemPlace::Anchor),
        "{:?}",
        report.problems
    );
    assert!(report.verdict().contains("they were changed"), "{}", report.verdict());
    assert_eq!(report.history[0].anchor, AnchorState::Outside);
    assert_eq!(report.anchored, 0);
}

#[tokio::test]
async fn a_log_shorter_than_its_anchor_is_not_verified() {
    let mut fixture = AuditFixture::new().await;
    let anchor = fixture.chain.anchor.as_mut().unwrap();
    anchor.checkpoint.size = 100;
    let report = fixture.audit();
    assert!(report.verdict().contains("its end is lost"), "{}", report.verdict());
}

#[tokio::test]
async fn a_history_without_an_anchor_is_not_verified() {
    let mut fixture = AuditFixture::new().await;
    fixture.chain.anchor = None;
    let report = fixture.audit();
    assert!(!report.verified);
    assert!(report.verdict().contains("is anchored yet (9 pending)"), "{}", report.verdict());
}

#[tokio::test]
async fn the_log_and_the_key_on_the_chain_must_match() {
    let elsewhere = |key: DeviceKey| {
        let log = LogId::first(AccountId([4; 32]));
        Some(DeviceRecord::new(key, PartyId([8; 32]), log, ChangeTime { block: 2, time: 1 }))
    };
    let changes: [(&str, Option<DeviceRecord>); 3] = [
        ("not registered", None),
        ("but this is", elsewhere(Device::new(1).1)),
        ("not the one", Some(Device::new(2).record())),
    ];
    for (words, record) in changes {
        let mut fixture = AuditFixture::new().await;
        fixture.chain.device = record;
        let report = fixture.audit();
        assert!(!report.verified, "{words}");
        assert_eq!(report.problems[0].place, ProblemPlace::Chain);
        assert!(report.problems[0].problem.contains(words), "{:?}", report.problems[0]);
    }
    let mut fixture = AuditFixture::new().await;
    fixture.chain.device = Some(Device::new(2).record());
    let signatures =
        fixture.audit().problems.iter().filter(|problem| problem.place == ProblemPlace::Signature).count();
    assert_eq!(signatures as u64, EVENTS);
}

/// A device that came from another log with event 4, whose key changed with event 6, and whose events 8 and 9 are lost.
fn moved_record() -> DeviceRecord {
    let at = ChangeTime { block: 3, time: 1 };
    let before = LogId::first(AccountId([4; 32]));
    let mut record = DeviceRecord::new(Device::new(1).1, PartyId([8; 32]), before, at);
    record.assign(id(), None, 4, 4, u64::MAX, at).unwrap();
    record.set_key(Device::new(3).1, 6, KeyChange::Rotated, 6, at).unwrap();
    record.declare_lost(8, 10, at).unwrap();
    record
}

const MOVED_EVENTS: [(u64, u8); 6] = [(4, 1), (5, 1), (6, 3), (7, 3), (10, 3), (11, 3)];

#[tokio::test]
async fn a_part_of_a_devices_life_is_verified_by_its_record() {
    let record = moved_record();
    let fixture = AuditFixture::with_events(record.clone(), &record, &MOVED_EVENTS).await;
    let report = fixture.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!((report.events, report.anchored), (6, 6));
    let Completeness { proven, events, first, last, .. } = report.completeness;
    assert_eq!((proven, events, first, last), (true, 6, Some(4), Some(11)));
    let keys: Vec<_> = report.history.iter().map(|event| event.key).collect();
    assert_eq!(keys, [0, 0, 1, 1, 1, 1].map(Some));
    // The device has moved on with event 12, and this log still has its part.
    let mut left = record.clone();
    let next = LogId::first(AccountId([5; 32]));
    left.assign(next, None, 12, 12, u64::MAX, ChangeTime { block: 5, time: 2 }).unwrap();
    let fixture = AuditFixture::with_events(left, &record, &MOVED_EVENTS).await;
    assert!(fixture.audit().verified);
}

#[tokio::test]
async fn events_that_do_not_belong_to_the_record_are_problems() {
    let record = moved_record();
    let at = ChangeTime { block: 5, time: 2 };
    let problem = |report: &Report| {
        let first = report.problems.first().expect("a problem");
        (first.place, first.sequence, first.problem.clone())
    };
    // A gateway that knows nothing of the rotation, the move and the loss admits what does not belong to them.
    let ignorant = {
        let before = LogId::first(AccountId([4; 32]));
        let mut record = DeviceRecord::new(Device::new(1).1, PartyId([8; 32]), before, at);
        record.assign(id(), None, 4, 4, u64::MAX, at).unwrap();
        record
    };
    let old_key = [(4, 1), (5, 1), (6, 1)];
    let report = AuditFixture::with_events(record.clone(), &ignorant, &old_key).await.audit();
    assert!(!report.verified && !report.history[2].ok && report.history[1].ok);
    assert!(matches!(problem(&report), (ProblemPlace::Signature, Some(6), _)), "{:?}", report.problems);

    let mut left = record.clone();
    left.assign(LogId::first(AccountId([5; 32])), None, 12, 12, u64::MAX, at).unwrap();
    let late = [&MOVED_EVENTS[..], &[(12, 3)]].concat();
    let report = AuditFixture::with_events(left, &record, &late).await.audit();
    let (place, sequence, words) = problem(&report);
    assert_eq!((place, sequence), (ProblemPlace::Sequence, Some(12)));
    assert!(words.contains("puts it in log 0 of gateway"), "{words}");

    // An event that is not declared lost is missing: the gateway believed in a larger loss than the chain.
    let mut larger = moved_record();
    larger.declare_lost(12, 13, at).unwrap();
    let hole = [&MOVED_EVENTS[..], &[(13, 3)]].concat();
    let report = AuditFixture::with_events(record, &larger, &hole).await.audit();
    assert!(matches!(problem(&report), (ProblemPlace::Sequence, Some(13), _)), "{:?}", report.problems);
    assert!(!report.completeness.proven && report.completeness.to_string().contains("event 12"));
}

#[tokio::test]
async fn events_that_were_declared_lost_later_do_not_fail_the_audit() {
    let at = ChangeTime { block: 3, time: 1 };
    let before = Device::new(1).record();
    // The new key begins with event 3, and what the old one signed from there on is declared lost.
    let mut record = before.clone();
    record.set_key(Device::new(3).1, 3, KeyChange::Recovered, 3, at).unwrap();
    record.declare_lost(3, 6, at).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("log"), id()).unwrap();
    let mut previous = Hash::ZERO;
    for (sequence, key, admitting) in
        [(0, 1, &before), (1, 1, &before), (2, 1, &before), (3, 1, &before), (4, 1, &before), (6, 3, &record)]
    {
        let entry = Device::new(key).sign(Device::new(1).id(), sequence, previous, "event");
        previous = entry.header().hash();
        let lineage = Arc::new(Lineage::new(admitting.clone(), None));
        log.append(vec![entry.with_lineage(lineage)]).await.unwrap();
    }
    let chain = anchored_at(&log, log.size(), record);
    drop(log);
    let report = AuditFixture { folder, chain }.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!((report.events, report.anchored, report.lost), (6, 4, 2));
    assert!(report.verdict().ends_with("; 2 events declared lost"), "{}", report.verdict());
    let Completeness { proven, events, last, .. } = report.completeness;
    assert_eq!((proven, events, last), (true, 4, Some(6)));
}

#[tokio::test]
async fn an_event_missing_from_the_index_is_detected() {
    let fixture = AuditFixture::new().await;
    let key = {
        let mut key = Device::new(1).id().0.to_vec();
        key.extend(3u64.to_be_bytes());
        key
    };
    {
        let db = raw(&fixture.path());
        db.delete_cf(db.cf_handle("by-device").unwrap(), &key).unwrap();
    }
    let report = fixture.audit();
    assert!(!report.verified);
    assert!(report
        .problems
        .iter()
        .any(|problem| problem.place == ProblemPlace::Index && problem.index == Some(6)));
    assert!(report.problems.iter().any(|problem| problem.place == ProblemPlace::Sequence));
}
