use super::*;
use rocksdb::{Options, DB};
use std::path::{Path, PathBuf};
use streembit_keystore::KeyPair;
use streembit_log::{Log, LogReader, NewEntry};
use streembit_primitives::{
    checkpoint::HashAlgorithm,
    event::{EventKind, Signer, VERSION},
    hash::Domain,
    heads::{HeadEntry, HeadsMap},
    AccountId, Body, Checkpoint, DeviceKey, EventHeader, LogId, Part, PublicKey, SignedEvent, Text,
};

/// How many events each of the two devices has.
const EVENTS: u64 = 9;
/// How many entries of the log are anchored: the last four wait.
const ANCHORED: u64 = 14;

/// A device that signs itself.
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

/// A log of two devices in turn, and the chain that has anchored most of it.
struct Scene {
    folder: tempfile::TempDir,
    chain: ChainState,
}

impl Scene {
    async fn new() -> Self {
        Self::saying("event").await
    }

    async fn saying(word: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), id()).unwrap();
        for _ in 0..EVENTS {
            Device::new(1).append(&log, word).await;
            Device::new(2).append(&log, "other").await;
        }
        let checkpoint = Checkpoint {
            log: id(),
            size: ANCHORED,
            root: log.root(ANCHORED).unwrap(),
            heads_root: log.heads_root(ANCHORED).unwrap(),
            time: 1,
            hash: HashAlgorithm::Blake3,
        };
        let device = Device::new(1);
        let record =
            DeviceRecord { key: device.1, owner: AccountId([8; 32]), gateway: id().gateway, registered: 2 };
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

    fn open(&self) -> Result<LogReader, streembit_log::LogError> {
        Log::open_for_audit(&self.path())
    }

    fn audit(&self) -> Report {
        let subject = Subject { device: Device::new(1).id(), name: Some("meter".into()) };
        match self.open() {
            Ok(log) => super::audit(&log, subject, &self.chain).unwrap(),
            Err(streembit_log::LogError::Damaged { what }) => {
                Report::of_unreadable(subject, &self.chain, id(), what)
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Changes one byte of a stored value behind everybody's back.
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
async fn an_untouched_history_verifies_and_says_what_waits() {
    let scene = Scene::new().await;
    let report = scene.audit();
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
async fn it_verifies_beside_the_gateway_that_writes() {
    let scene = Scene::new().await;
    let writer = Log::open(&scene.path(), id()).unwrap();
    Device::new(1).append(&writer, "more").await;
    let report = scene.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!((report.events, report.pending), (10, 3));
}

#[tokio::test]
async fn a_changed_byte_of_entry_body_and_node_is_named_as_such() {
    // The last entry is the other device's, the last of this one is before it.
    for (family, place, last) in [("entries", ProblemPlace::Entry, 17u64), ("bodies", ProblemPlace::Body, 16)]
    {
        for (index, bytes) in [(0, [0, 40]), (4, [32, 90]), (last, [9, 150])] {
            for byte in bytes {
                let scene = Scene::new().await;
                scene.tamper(family, &index.to_be_bytes(), byte);
                let report = scene.audit();
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
        let scene = Scene::new().await;
        // In the first tile, and no other is there.
        scene.tamper("tiles", &[0; 9], 32 * index as usize + 5);
        let report = scene.audit();
        assert!(!report.verified, "leaf {index}");
        let first = &report.problems[0];
        assert_eq!((first.place, first.index), (ProblemPlace::Node, Some(index)), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn a_changed_size_or_root_of_the_log_is_named() {
    for byte in [0, 8, 20] {
        let scene = Scene::new().await;
        scene.tamper("meta", b"state", byte);
        let report = scene.audit();
        assert!(!report.verified, "byte {byte}");
        let named = [ProblemPlace::Root, ProblemPlace::Anchor, ProblemPlace::Entry, ProblemPlace::Node];
        assert!(named.contains(&report.problems[0].place), "byte {byte}: {:?}", report.problems);
    }
}

#[tokio::test]
async fn a_body_of_another_device_is_no_matter_of_this_one() {
    let scene = Scene::new().await;
    scene.tamper("bodies", &1u64.to_be_bytes(), 3);
    let report = scene.audit();
    assert!(report.verified, "{:?}", report.problems);
    assert_eq!(report.elsewhere.len(), 1);
}

#[tokio::test]
async fn a_history_is_complete_up_to_the_anchor() {
    let scene = Scene::new().await;
    let report = scene.audit();
    let Completeness { proven, events, checkpoint, .. } = report.completeness.clone();
    assert_eq!((proven, events, checkpoint), (true, 7, Some(ANCHORED)));
    assert!(report.completeness.to_string().starts_with("events 0 to 6, nothing missing"));
}

/// The map of the last events at the anchored size, and what a liar makes of it.
async fn with_heads(lie: impl FnOnce(&mut Vec<HeadEntry>)) -> Report {
    let mut scene = Scene::new().await;
    let log = scene.open().unwrap();
    let mut entries = log.heads_map(ANCHORED).unwrap().entries().to_vec();
    lie(&mut entries);
    scene.chain.anchor.as_mut().unwrap().checkpoint.heads_root =
        entries.into_iter().collect::<HeadsMap>().root();
    drop(log);
    scene.audit()
}

#[tokio::test]
async fn a_gateway_that_anchors_a_false_heads_map_is_caught() {
    assert!(with_heads(|_| {}).await.verified);
    type Lie = fn(&mut Vec<HeadEntry>);
    let lies: [Lie; 5] = [
        // The end of a history left out: the event before the last as the last, with its own right hash.
        |heads| {
            let at = heads.iter().position(|head| head.device == Device::new(1).id()).unwrap();
            heads[at].sequence -= 1;
        },
        // A device left out, one invented, one with an event that is not there, one with another event.
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
async fn an_anchor_without_a_heads_map_proves_no_end() {
    let mut scene = Scene::new().await;
    scene.chain.anchor.as_mut().unwrap().checkpoint.heads_root = None;
    let report = scene.audit();
    assert!(report.verified && !report.completeness.proven, "{:?}", report.problems);
    assert!(report.completeness.to_string().contains("no heads map"));
}

#[tokio::test]
async fn a_whole_other_history_is_outside_of_the_anchor() {
    let (honest, mut forged) = (Scene::new().await, Scene::saying("lie").await);
    // Signed, in order, with a tree of its own: only the chain knows better.
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
async fn a_log_shorter_than_its_anchor_does_not_verify() {
    let mut scene = Scene::new().await;
    let anchor = scene.chain.anchor.as_mut().unwrap();
    anchor.checkpoint.size = 100;
    let report = scene.audit();
    assert!(report.verdict().contains("its end is lost"), "{}", report.verdict());
}

#[tokio::test]
async fn without_an_anchor_there_is_nothing_to_hold_it_against() {
    let mut scene = Scene::new().await;
    scene.chain.anchor = None;
    let report = scene.audit();
    assert!(!report.verified);
    assert!(report.verdict().contains("none of them is anchored yet"), "{}", report.verdict());
}

#[tokio::test]
async fn the_chain_says_whose_device_it_is_and_with_which_key() {
    type Change = fn(&mut ChainState);
    let changes: [(ProblemPlace, &str, Change); 3] = [
        (ProblemPlace::Chain, "not registered", |chain| chain.device = None),
        (ProblemPlace::Chain, "registered with gateway", |chain| {
            chain.device.as_mut().unwrap().gateway = AccountId([4; 32]);
        }),
        (ProblemPlace::Chain, "not the one", |chain| chain.device.as_mut().unwrap().key = Device::new(2).1),
    ];
    for (place, words, change) in changes {
        let mut scene = Scene::new().await;
        change(&mut scene.chain);
        let report = scene.audit();
        assert!(!report.verified, "{words}");
        assert_eq!(report.problems[0].place, place);
        assert!(report.problems[0].problem.contains(words), "{:?}", report.problems[0]);
    }
    let mut scene = Scene::new().await;
    scene.chain.device.as_mut().unwrap().key = Device::new(2).1;
    let signatures =
        scene.audit().problems.iter().filter(|problem| problem.place == ProblemPlace::Signature).count();
    assert_eq!(signatures as u64, EVENTS);
}

#[tokio::test]
async fn an_event_that_the_index_hides_is_missed() {
    let scene = Scene::new().await;
    let key = {
        let mut key = Device::new(1).id().0.to_vec();
        key.extend(3u64.to_be_bytes());
        key
    };
    {
        let db = raw(&scene.path());
        db.delete_cf(db.cf_handle("by-device").unwrap(), &key).unwrap();
    }
    let report = scene.audit();
    assert!(!report.verified);
    assert!(report
        .problems
        .iter()
        .any(|problem| problem.place == ProblemPlace::Index && problem.index == Some(6)));
    assert!(report.problems.iter().any(|problem| problem.place == ProblemPlace::Sequence));
}
