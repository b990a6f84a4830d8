//! From a log and a chain to a file and back.

mod chains;
mod fake;

use super::{
    collect::{collect, CollectError, ProofSource},
    export::{self, ExportError, ExportSummary},
    select::{Disclose, Span},
    show::{show, Disclosed},
    verify::{verify, VerifyError},
    Request,
};
use fake::FakeChain;
use std::{io::Write as _, path::PathBuf};
use streembit_chain::ChainError;
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    checkpoint::{Anchor, HashAlgorithm},
    device::DeviceRecord,
    event::{EventKind, VERSION},
    evidence::{EvidenceError, VerifiedEvidence},
    hash::Domain,
    signature::{sign_sr25519, PublicKey},
    AccountId, Body, Checkpoint, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, Reading, SignedEvent,
    Signer, Source as Origin, Text, Value,
};

const DAY: u64 = 86_400_000;
/// 2026-06-01T00:00:00Z
const JUNE: u64 = 1_780_272_000_000;

fn no(question: &str) -> ChainError {
    ChainError::RequestFailed { request: question.into(), message: "unknown block".into() }
}

/// The fake chain behind a node that gives so many fragments at once.
struct Node<'a>(&'a FakeChain, usize);

impl ProofSource for Node<'_> {
    fn genesis(&self) -> Hash {
        self.0.genesis
    }

    async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        Ok(self.0.genesis_authorities())
    }

    async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
        self.0.finality_proof(from, self.1).ok_or_else(|| no("finality"))
    }

    async fn read_proof(&self, _: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        self.0.read_proof(at).ok_or_else(|| no("state"))
    }
}

fn gateway() -> AccountId {
    AccountId([9; 32])
}

fn id() -> LogId {
    LogId::first(gateway())
}

/// A device that signs, and says one odometer and one position a day.
struct Car {
    pair: schnorrkel::Keypair,
    sequence: u64,
    previous: Hash,
}

impl Car {
    fn new(n: u8) -> Self {
        let secret = schnorrkel::MiniSecretKey::from_bytes(&[n; 32]).unwrap();
        let pair = secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        Self { pair, sequence: 0, previous: Hash::ZERO }
    }

    fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(self.pair.public.to_bytes()))
    }

    fn id(&self) -> DeviceId {
        self.key().device_id()
    }

    fn record(&self) -> DeviceRecord {
        DeviceRecord { key: self.key(), owner: AccountId([5; 32]), gateway: gateway(), registered: 1 }
    }

    fn next(&mut self) -> NewEntry {
        let reading = |name: &str, value: u64| {
            Part::Reading(Reading {
                name: name.try_into().unwrap(),
                unit: Text::default(),
                value: Value::Decimal((value as u32).into()),
                time: 1,
                source: Origin::Sensor,
            })
        };
        let parts = vec![reading("odometer", 1000 + self.sequence), reading("position", self.sequence)];
        let body = Body { seed: [3; 32], parts: parts.try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: self.id(),
            sequence: self.sequence,
            previous: self.previous,
            time: JUNE + self.sequence * DAY,
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        let hash = header.hash();
        let signature = sign_sr25519(&self.pair, Domain::EventHeader, &hash);
        self.sequence += 1;
        self.previous = hash;
        let event = SignedEvent { header, signer: Signer::Device, signature };
        NewEntry::new(event.verify(&self.key()).unwrap(), &body, JUNE).unwrap()
    }
}

/// A log of two devices, a chain, and a folder for files.
struct Scene {
    folder: tempfile::TempDir,
    log: Log,
    chain: FakeChain,
    cars: [Car; 2],
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), id()).unwrap();
        let mut scene = Self { folder, log, chain: FakeChain::new(4), cars: [Car::new(1), Car::new(2)] };
        for car in &scene.cars {
            scene.chain.register(&car.id(), &car.record());
        }
        scene
    }

    async fn append(&mut self, count: usize) {
        for n in 0..count {
            let entry = self.cars[usize::from(n % 3 == 0)].next();
            self.log.append(vec![entry]).await.unwrap();
        }
    }

    /// Puts the log as it is into the state of the next block.
    fn anchor(&mut self) {
        let size = self.log.size();
        let checkpoint = Checkpoint {
            log: id(),
            size,
            root: self.log.root(size).unwrap(),
            heads_root: self.log.heads_root(size).unwrap(),
            time: 1,
            hash: HashAlgorithm::Blake3,
        };
        let anchor = Anchor { checkpoint, block: self.chain.next_number() };
        self.chain.anchor(&anchor);
        self.chain.block(false);
    }

    /// 20 events, anchored and collected.
    async fn anchored() -> Self {
        let mut scene = Self::new();
        scene.append(20).await;
        scene.anchor();
        collect(&scene.log, &Node(&scene.chain, 9), 20).await.unwrap();
        scene
    }

    fn device(&self) -> DeviceId {
        self.cars[0].id()
    }

    fn export(&self, span: Span, disclose: Disclose) -> Result<(PathBuf, ExportSummary), ExportError> {
        let request = Request { device: self.device(), span, disclose, chain: None };
        let mut bytes = Vec::new();
        let exported = export::write(self.log.reader(), &request, &mut bytes, |_, _, _| {})?;
        assert_eq!(exported.bytes, bytes.len() as u64);
        let path = self.folder.path().join("car.evidence");
        std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        Ok((path, exported))
    }

    fn verified(&self, span: Span, disclose: Disclose) -> VerifiedEvidence {
        let (path, exported) = self.export(span, disclose).unwrap();
        let verdict = verify(&path, &self.chain.trust(), |_, _, _| {}).unwrap();
        assert_eq!((verdict.events, verdict.bodies), (exported.events, exported.bodies));
        verdict
    }
}

fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().ok(), to: to.parse().ok() }
}

#[tokio::test]
async fn a_whole_history_is_proven_from_the_trust_root_alone() {
    let scene = Scene::anchored().await;
    let verdict = scene.verified(Span::default(), Disclose::All);
    assert!(verdict.is_complete());
    assert_eq!(verdict.events, scene.cars[0].sequence);
    assert_eq!((verdict.device_signed, verdict.gateway_signed), (verdict.events, 0));
    assert_eq!(verdict.bodies.whole, verdict.events);
    assert_eq!(verdict.record, scene.cars[0].record());
    assert_eq!(verdict.checkpoint.size, 20);
    assert_eq!((verdict.last.set, verdict.last.voters, verdict.last.signers.len()), (0, 4, 3));
}

#[tokio::test]
async fn every_change_of_voters_is_followed_however_it_is_collected() {
    for most in [1, 2, 9] {
        let mut scene = Scene::new();
        scene.append(5).await;
        scene.anchor();
        collect(&scene.log, &Node(&scene.chain, most), 5).await.unwrap();
        for change in [true, false, true, true, false, false] {
            scene.chain.block(change);
        }
        scene.append(6).await;
        scene.anchor();
        let collected = collect(&scene.log, &Node(&scene.chain, most), 11).await.unwrap();
        assert_eq!((collected.changes, collected.size), (3, 11));
        let verdict = scene.verified(Span::default(), Disclose::All);
        assert_eq!((verdict.changes, verdict.last.set), (3, 3));

        // The newest block is the last of its set; then nothing is newer than it; then something is.
        scene.chain.block(true);
        for _ in 0..2 {
            collect(&scene.log, &Node(&scene.chain, most), 11).await.unwrap();
            assert_eq!(scene.verified(Span::default(), Disclose::All).changes, 3);
        }
        scene.chain.block(false);
        let collected = collect(&scene.log, &Node(&scene.chain, most), 11).await.unwrap();
        assert_eq!(collected.changes, 4);
        assert_eq!(scene.verified(Span::default(), Disclose::All).changes, 4);
    }
}

#[tokio::test]
async fn what_is_not_shown_is_still_proven() {
    let scene = Scene::anchored().await;
    let all = scene.cars[0].sequence;
    let verdict = scene.verified(Span::default(), Disclose::None);
    assert_eq!((verdict.bodies.withheld, verdict.bodies.whole), (all, 0));
    let verdict = scene.verified(Span::default(), "odometer".parse().unwrap());
    assert_eq!(verdict.bodies.parts, all);

    let (path, _) = scene.export(Span::default(), "odometer".parse().unwrap()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let contains = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(contains("odometer") && !contains("position"), "the position is in the file");
    let error = scene.export(Span::default(), "odometer,speed".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("speed") && error.contains("position") && !error.contains("odometer"), "{error}");
}

#[tokio::test]
async fn a_span_is_by_the_events_time_and_says_what_is_left_out() {
    let scene = Scene::anchored().await;
    let verdict = scene.verified(span("2026-06-03", "2026-06-05"), Disclose::All);
    assert_eq!((verdict.first.sequence, verdict.last_event.sequence, verdict.events), (2, 4, 3));
    assert!(!verdict.from_first && !verdict.to_last);
    let verdict = scene.verified(span("", "2026-06-02T00:00:00Z"), Disclose::All);
    assert_eq!((verdict.events, verdict.from_first), (1, true));
    let verdict = scene.verified(span("2026-06-02", ""), Disclose::All);
    assert!(verdict.to_last && !verdict.from_first);
    let error = scene.export(span("2027-01-01", ""), Disclose::All).unwrap_err().to_string();
    assert!(error.contains("2026-06-01"), "{error}");
}

#[tokio::test]
async fn shown_without_a_trust_root_and_marked_so() {
    let scene = Scene::anchored().await;
    let (path, exported) = scene.export(Span::default(), "odometer".parse().unwrap()).unwrap();
    let (mut claims, mut events) = (Vec::new(), Vec::new());
    show::<VerifyError>(
        &path,
        |claim| {
            claims.push(claim);
            Ok(())
        },
        |event| {
            events.push(event);
            Ok(())
        },
    )
    .unwrap();
    assert!(!claims[0].verified && claims[0].device == scene.device());
    assert_eq!(events.len() as u64, exported.events);
    assert!(events.iter().all(|event| event.body == Disclosed::Parts && event.parts.len() == 1));
    let stored = scene.log.device_events(&scene.device(), 0, 100).unwrap();
    assert!(stored.iter().zip(&events).all(|(stored, event)| stored.index == event.index));
}

#[tokio::test]
async fn a_changed_byte_another_chain_and_half_a_file_are_refused() {
    let scene = Scene::anchored().await;
    let (path, _) = scene.export(Span::default(), Disclose::All).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        let path = scene.folder.path().join("other.evidence");
        std::fs::write(&path, bytes).unwrap();
        match verify(&path, &scene.chain.trust(), |_, _, _| {}) {
            Err(VerifyError::Refused(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    for at in (0..bytes.len()).step_by(bytes.len() / 60) {
        let mut bent = bytes.clone();
        bent[at] ^= 0x40;
        assert!(!refused(&bent).to_string().is_empty(), "{at}");
    }
    refused(&bytes[..bytes.len() - 1]);
    assert_eq!(refused(&[&bytes[..], &[0]].concat()), EvidenceError::Trailing);
    let mut elsewhere = scene.chain.trust();
    elsewhere.genesis = Hash([1; 32]);
    assert!(matches!(
        verify(&path, &elsewhere, |_, _, _| {}),
        Err(VerifyError::Refused(EvidenceError::Genesis { .. }))
    ));
    assert!(matches!(
        verify(&scene.folder.path().join("none"), &elsewhere, |_, _, _| {}),
        Err(VerifyError::Read { .. })
    ));
    // A folder opens, and cannot be read: that says nothing about evidence.
    assert!(matches!(verify(scene.folder.path(), &elsewhere, |_, _, _| {}), Err(VerifyError::Read { .. })));
}

#[tokio::test]
async fn nothing_is_kept_of_what_does_not_hold() {
    let mut scene = Scene::new();
    scene.append(4).await;
    let device = scene.device();
    let request = Request { device, span: Span::default(), disclose: Disclose::All, chain: None };
    let nothing = |scene: &Scene| {
        let error = export::write(scene.log.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
        assert!(matches!(error, ExportError::NothingCollected), "{error}");
        assert!(error.to_string().contains("status"), "{error}");
    };
    nothing(&scene);
    // No block at all; a block before the anchor.
    assert_eq!(collect(&scene.log, &Node(&scene.chain, 9), 4).await, Err(CollectError::Behind));
    scene.chain.block(false);
    assert_eq!(collect(&scene.log, &Node(&scene.chain, 9), 4).await, Err(CollectError::Behind));
    nothing(&scene);
    scene.anchor();
    // Other voters than those who voted.
    let mut other = FakeChain::new(4);
    std::mem::swap(&mut other, &mut scene.chain);
    let first = std::mem::replace(&mut other.first, FakeChain::new(5).first);
    other.first.rotate_left(4);
    other.first.truncate(1);
    let error = collect(&scene.log, &Node(&other, 9), 4).await.unwrap_err();
    assert!(matches!(error, CollectError::Finality(_)), "{error}");
    nothing(&scene);
    other.first = first;
    // Another chain, of the same voters.
    let genesis = std::mem::replace(&mut other.genesis, Hash([1; 32]));
    assert_eq!(collect(&scene.log, &Node(&other, 9), 4).await, Err(CollectError::OtherChain));
    nothing(&scene);
    other.genesis = genesis;
    // A state of which a node is missing.
    struct Hole<'a>(Node<'a>);
    impl ProofSource for Hole<'_> {
        fn genesis(&self) -> Hash {
            self.0.genesis()
        }
        async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
            self.0.genesis_authorities().await
        }
        async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
            self.0.finality_proof(from).await
        }
        async fn read_proof(&self, keys: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
            let mut nodes = self.0.read_proof(keys, at).await?;
            nodes.sort_by_key(Vec::len);
            nodes.pop();
            Ok(nodes)
        }
    }
    let error = collect(&scene.log, &Hole(Node(&other, 9)), 4).await.unwrap_err();
    assert!(matches!(error, CollectError::State(_)), "{error}");
    nothing(&scene);
    assert_eq!(collect(&scene.log, &Node(&other, 9), 4).await.unwrap().size, 4);
}

#[tokio::test]
async fn a_device_that_the_chain_does_not_know_is_named() {
    let mut scene = Scene::new();
    let mut stranger = Car::new(7);
    scene.append(3).await;
    scene.log.append(vec![stranger.next()]).await.unwrap();
    scene.anchor();
    let collected = collect(&scene.log, &Node(&scene.chain, 9), 4).await.unwrap();
    assert_eq!(collected.unregistered, [stranger.id()]);
    let (span, disclose) = (Span::default(), Disclose::All);
    let request = Request { device: stranger.id(), span, disclose, chain: None };
    let error = export::write(scene.log.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
    assert!(error.to_string().contains("register it"), "{error}");
    // The others are proven all the same.
    assert!(scene.verified(Span::default(), Disclose::All).is_complete());
}

#[tokio::test]
async fn what_is_newer_than_the_anchor_is_counted_and_not_in_it() {
    let mut scene = Scene::anchored().await;
    let anchored = scene.cars[0].sequence;
    scene.append(9).await;
    let (path, exported) = scene.export(Span::default(), Disclose::All).unwrap();
    assert_eq!((exported.events, exported.not_anchored), (anchored, scene.cars[0].sequence - anchored));
    assert!(verify(&path, &scene.chain.trust(), |_, _, _| {}).unwrap().is_complete());
}

#[tokio::test]
async fn a_log_of_an_older_release_is_read_and_lacks_only_this() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut car = Car::new(1);
    let log = Log::open(&path, id()).unwrap();
    log.append(vec![car.next()]).await.unwrap();
    drop(log);
    let mut options = rocksdb::Options::default();
    options.create_if_missing(false);
    let families = rocksdb::DB::list_cf(&options, &path).unwrap();
    let mut db = rocksdb::DB::open_cf(&options, &path, families).unwrap();
    db.drop_cf("chain-proofs").unwrap();
    drop(db);

    let reader = Log::open_read_only(&path).unwrap();
    assert_eq!((reader.size(), reader.chains().unwrap()), (1, vec![]));
    assert_eq!(reader.chain_proof(&Hash::ZERO).unwrap(), None);
    drop(reader);
    let log = Log::open(&path, id()).unwrap();
    assert_eq!((log.size(), log.chains().unwrap()), (1, vec![]));
}

#[tokio::test]
async fn an_erased_body_is_said_to_be_and_all_else_is_proven() {
    let scene = Scene::anchored().await;
    let (all, places) = (scene.cars[0].sequence, scene.log.device_places(&scene.device(), 0, 2).unwrap());
    scene.log.erase(&places.into_iter().collect(), 1).unwrap();
    for (disclose, rest) in [(Disclose::All, all - 2), (Disclose::None, 0)] {
        let verdict = scene.verified(Span::default(), disclose);
        assert!(verdict.is_complete());
        assert_eq!((verdict.events, verdict.bodies.erased, verdict.bodies.whole), (all, 2, rest));
    }
}

/// The prelude of one file before the items of another.
fn spliced(prelude: &[u8], items: &[u8]) -> Vec<u8> {
    let begins = |file: &[u8]| 12 + u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize;
    [&prelude[..begins(prelude)], &items[begins(items)..]].concat()
}

#[tokio::test]
async fn of_two_histories_of_one_log_only_the_anchored_one_is_evidence() {
    let mut told = Scene::new();
    told.append(8).await;
    let mut hidden = Scene::new();
    for index in 0..8 {
        // The common past, byte for byte.
        let stored = told.log.stored(index).unwrap().unwrap();
        let (event, body) = (stored.entry.event, stored.body.into_present().unwrap());
        let car = usize::from(event.header.device != told.cars[0].id());
        let entry = NewEntry::new(event.verify(&told.cars[car].key()).unwrap(), &body, JUNE).unwrap();
        hidden.log.append(vec![entry]).await.unwrap();
        hidden.cars[car].next();
    }
    assert_eq!(told.log.root(8), hidden.log.root(8));
    for scene in [&mut told, &mut hidden] {
        scene.append(12).await;
        scene.anchor();
    }
    collect(&told.log, &Node(&told.chain, 9), 20).await.unwrap();
    let (path, _) = told.export(Span::default(), Disclose::All).unwrap();
    let told_file = std::fs::read(&path).unwrap();
    assert!(verify(&path, &told.chain.trust(), |_, _, _| {}).unwrap().is_complete());

    // The chain that has anchored the one history gives the gateway nothing for the other.
    let refused = collect(&hidden.log, &Node(&told.chain, 9), 20).await.unwrap_err();
    assert!(refused.to_string().contains("they were changed"), "{refused}");
    let nothing = hidden.export(Span::default(), Disclose::All).unwrap_err();
    assert!(matches!(nothing, ExportError::NothingCollected), "{nothing}");

    // Nor does a file help that was put together by hand, from a chain that would have anchored the other.
    collect(&hidden.log, &Node(&hidden.chain, 9), 20).await.unwrap();
    let (path, _) = hidden.export(Span::default(), Disclose::All).unwrap();
    let hidden_file = std::fs::read(&path).unwrap();
    for (prelude, items) in [(&told_file, &hidden_file), (&hidden_file, &told_file)] {
        std::fs::write(&path, spliced(prelude, items)).unwrap();
        assert!(verify(&path, &told.chain.trust(), |_, _, _| {}).is_err());
    }
}
