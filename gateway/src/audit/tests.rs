use super::*;
use rocksdb::{Options, DB};
use std::path::{Path, PathBuf};
use streembit_keystore::KeyPair;
use streembit_log::{Log, LogReader, NewEntry, OpenError, StorageError};
use streembit_primitives::{
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

    async fn append(&self, log: &Log, word: &str) {
        let head = log.head(&self.id()).unwrap();
        let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
        let part = Part::Status(Text::try_from(format!("{word} {sequence}")).unwrap());
        let body = Body { seed: [3; 32], parts: vec![part].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: self.id(),
            sequence,
            previous,
            time: 1_700_000_000_000 + sequence,
            kind: EventKind::Status,
            body_hash: body.hash(),
        };
        let signature = self.0.sign(Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Device, signature }.verify(&self.1).unwrap();
        log.append(vec![NewEntry::new(event, &body, sequence).unwrap()]).await.unwrap();
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
        let checkpoint = Checkpoint {
            version: Version,
            log: id(),
            size: ANCHORED,
            root: log.root(ANCHORED).unwrap(),
            heads_root: log.heads_root(ANCHORED).unwrap(),
            time: 1,
        };
        let device = Device::new(1);
        let record =
            DeviceRecord { key: device.1, owner: PartyId([8; 32]), gateway: id().gateway, registered: 2 };
        let chain = ChainState {
            genesis: Hash([1; 32]),
            block: 7,
            hash: Hash([2; 32]),
            time: 3,
            device: Some(record),
            anchor: Some(Anchor { checkpoint, block: 6 }),
        };
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
    assert_eq!(report.history[3].summary(), "event 3");
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
async fn the_gateway_and_the_key_on_the_chain_must_match() {
    type Change = fn(&mut ChainState);
    let changes: [(ProblemPlace, &str, Change); 3] = [
        (ProblemPlace::Chain, "not registered", |chain| chain.device = None),
        (ProblemPlace::Chain, "registered with gateway", |chain| {
            chain.device.as_mut().unwrap().gateway = AccountId([4; 32]);
        }),
        (ProblemPlace::Chain, "not the one", |chain| chain.device.as_mut().unwrap().key = Device::new(2).1),
    ];
    for (place, words, change) in changes {
        let mut fixture = AuditFixture::new().await;
        change(&mut fixture.chain);
        let report = fixture.audit();
        assert!(!report.verified, "{words}");
        assert_eq!(report.problems[0].place, place);
        assert!(report.problems[0].problem.contains(words), "{:?}", report.problems[0]);
    }
    let mut fixture = AuditFixture::new().await;
    fixture.chain.device.as_mut().unwrap().key = Device::new(2).1;
    let signatures =
        fixture.audit().problems.iter().filter(|problem| problem.place == ProblemPlace::Signature).count();
    assert_eq!(signatures as u64, EVENTS);
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
