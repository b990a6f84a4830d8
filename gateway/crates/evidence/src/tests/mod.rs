//! Tests of the whole way from a log and a chain to a verified file.

mod chains;
mod entry_proofs;
mod fake;
mod pages;
mod segments;

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
    checkpoint::Anchor,
    device::{ChangeTime, DeviceRecord},
    event::{EventKind, VERSION},
    evidence::{EvidenceError, VerifiedEvidence},
    hash::Domain,
    signature::{sign_sr25519, PublicKey},
    AccountId, Body, Checkpoint, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, PartyId, Reading,
    SignedEvent, Signer, Source as Origin, Value, Version,
};

const DAY: u64 = 86_400_000;
/// 2026-06-01T00:00:00Z
const JUNE: u64 = 1_780_272_000_000;

fn no(question: &str) -> ChainError {
    ChainError::RequestFailed { request: question.into(), message: "unknown block".into() }
}

/// A node of a fake chain. The number limits the fragments in one finality proof.
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

fn keypair(n: u8) -> schnorrkel::Keypair {
    let secret = schnorrkel::MiniSecretKey::from_bytes(&[n; 32]).unwrap();
    secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
}

/// A device that signs one event per day, with an odometer and a position.
struct Car {
    id: DeviceId,
    pair: schnorrkel::Keypair,
    sequence: u64,
    previous: Hash,
}

impl Car {
    fn new(n: u8) -> Self {
        let pair = keypair(n);
        let id = DeviceKey::Own(PublicKey::Sr25519(pair.public.to_bytes())).device_id();
        Self { id, pair, sequence: 0, previous: Hash::ZERO }
    }

    fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(self.pair.public.to_bytes()))
    }

    fn id(&self) -> DeviceId {
        self.id
    }

    /// The record of the device with its first key.
    fn record(&self) -> DeviceRecord {
        DeviceRecord::new(self.key(), PartyId([5; 32]), id(), ChangeTime { block: 1, time: 1 })
    }

    fn next(&mut self) -> NewEntry {
        let reading = |name: &str, value: u64| {
            Part::Reading(Reading {
                name: name.try_into().unwrap(),
                unit: Default::default(),
                value: Value::Decimal((value as u32).into()),
                time: 1,
                source: Origin::sensor(),
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

/// A log with two devices, a chain, and a folder for files.
struct Fixture {
    folder: tempfile::TempDir,
    log: Log,
    chain: FakeChain,
    cars: [Car; 2],
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), id()).unwrap();
        let mut fixture = Self { folder, log, chain: FakeChain::new(4), cars: [Car::new(1), Car::new(2)] };
        for car in &fixture.cars {
            fixture.chain.register(&car.id(), &car.record());
        }
        fixture
    }

    async fn append(&mut self, count: usize) {
        for n in 0..count {
            let entry = self.cars[usize::from(n % 3 == 0)].next();
            self.log.append(vec![entry]).await.unwrap();
        }
    }

    /// Anchors the current log in a new block.
    fn anchor(&mut self) {
        anchor(&mut self.chain, &self.log);
    }

    /// Creates a fixture with 20 anchored events whose proof is collected.
    async fn anchored() -> Self {
        let mut fixture = Self::new();
        fixture.append(20).await;
        fixture.anchor();
        collect(&fixture.log, &Node(&fixture.chain, 9), 20).await.unwrap();
        fixture
    }

    fn device(&self) -> DeviceId {
        self.cars[0].id()
    }

    fn export(&self, span: Span, disclose: Disclose) -> Result<(PathBuf, ExportSummary), ExportError> {
        let request = Request { device: self.device(), span, disclose, chain: None, after: None };
        let mut bytes = Vec::new();
        let exported = export::write(self.log.reader(), &request, &mut bytes, |_, _, _| {})?;
        assert_eq!(exported.bytes, bytes.len() as u64);
        let path = self.folder.path().join("car.evidence");
        std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        Ok((path, exported))
    }

    /// Exports a file and verifies it.
    fn verified(&self, span: Span, disclose: Disclose) -> VerifiedEvidence {
        let (path, exported) = self.export(span, disclose).unwrap();
        let verdict = verify(&path, &self.chain.trust(), |_, _, _| {}).unwrap();
        assert_eq!((verdict.events, verdict.bodies), (exported.events, exported.bodies));
        verdict
    }
}

/// Anchors a log in a new block.
fn anchor(chain: &mut FakeChain, log: &Log) {
    let size = log.size();
    let checkpoint = Checkpoint {
        version: Version,
        log: log.id(),
        size,
        root: log.root(size).unwrap(),
        heads_root: log.heads_root(size).unwrap(),
        time: 1,
    };
    let anchor = Anchor { checkpoint, block: chain.next_number() };
    chain.anchor(&anchor);
    chain.block(false);
}

fn span(from: &str, to: &str) -> Span {
    Span { from: from.parse().ok(), to: to.parse().ok(), ..Span::default() }
}

#[tokio::test]
async fn a_whole_history_is_verified_with_only_the_trust_root() {
    let fixture = Fixture::anchored().await;
    let verdict = fixture.verified(Span::default(), Disclose::All);
    assert!(verdict.is_complete());
    assert_eq!(verdict.events, fixture.cars[0].sequence);
    assert_eq!((verdict.device_signed, verdict.gateway_signed), (verdict.events, 0));
    assert_eq!(verdict.bodies.whole, verdict.events);
    assert_eq!(verdict.record, fixture.cars[0].record());
    assert_eq!(verdict.segments[0].checkpoint.size, 20);
    assert_eq!((verdict.last.set, verdict.last.voters, verdict.last.signers.len()), (0, 4, 3));
}

#[tokio::test]
async fn events_with_undisclosed_bodies_are_still_proven() {
    let fixture = Fixture::anchored().await;
    let all = fixture.cars[0].sequence;
    let verdict = fixture.verified(Span::default(), Disclose::None);
    assert_eq!((verdict.bodies.withheld, verdict.bodies.whole), (all, 0));
    let verdict = fixture.verified(Span::default(), "odometer".parse().unwrap());
    assert_eq!(verdict.bodies.parts, all);

    let (path, _) = fixture.export(Span::default(), "odometer".parse().unwrap()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let contains = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(contains("odometer") && !contains("position"), "the position is in the file");
    let error = fixture.export(Span::default(), "odometer,speed".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("speed") && error.contains("position") && !error.contains("odometer"), "{error}");
}

#[tokio::test]
async fn a_span_selects_events_by_time_and_the_verdict_says_if_some_are_left_out() {
    let fixture = Fixture::anchored().await;
    let verdict = fixture.verified(span("2026-06-03", "2026-06-05"), Disclose::All);
    assert_eq!((verdict.first.sequence, verdict.last_event.sequence, verdict.events), (2, 4, 3));
    assert!(!verdict.from_first && !verdict.to_last);
    let verdict = fixture.verified(span("", "2026-06-02T00:00:00Z"), Disclose::All);
    assert_eq!((verdict.events, verdict.from_first), (1, true));
    let verdict = fixture.verified(span("2026-06-02", ""), Disclose::All);
    assert!(verdict.to_last && !verdict.from_first);
    let error = fixture.export(span("2027-01-01", ""), Disclose::All).unwrap_err().to_string();
    assert!(error.contains("2026-06-01"), "{error}");
}

#[tokio::test]
async fn a_file_is_shown_without_a_trust_root_and_marked_as_unverified() {
    let fixture = Fixture::anchored().await;
    let (path, exported) = fixture.export(Span::default(), "odometer".parse().unwrap()).unwrap();
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
    assert!(!claims[0].verified && claims[0].device == fixture.device());
    assert_eq!(events.len() as u64, exported.events);
    assert!(events.iter().all(|event| event.body == Disclosed::Parts && event.parts.len() == 1));
    let stored = fixture.log.device_events(&fixture.device(), 0, 100).unwrap();
    assert!(stored.iter().zip(&events).all(|(stored, event)| stored.index == event.index));
}

#[tokio::test]
async fn changed_and_truncated_files_and_files_of_another_chain_are_refused() {
    let fixture = Fixture::anchored().await;
    let (path, _) = fixture.export(Span::default(), Disclose::All).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        let path = fixture.folder.path().join("other.evidence");
        std::fs::write(&path, bytes).unwrap();
        match verify(&path, &fixture.chain.trust(), |_, _, _| {}) {
            Err(VerifyError::Refused(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    for at in (0..bytes.len()).step_by(bytes.len() / 60) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        assert!(!refused(&changed).to_string().is_empty(), "{at}");
    }
    refused(&bytes[..bytes.len() - 1]);
    assert_eq!(refused(&[&bytes[..], &[0]].concat()), EvidenceError::Trailing);
    let mut elsewhere = fixture.chain.trust();
    elsewhere.genesis = Hash([1; 32]);
    assert!(matches!(
        verify(&path, &elsewhere, |_, _, _| {}),
        Err(VerifyError::Refused(EvidenceError::Genesis { .. }))
    ));
    assert!(matches!(
        verify(&fixture.folder.path().join("none"), &elsewhere, |_, _, _| {}),
        Err(VerifyError::Read { .. })
    ));
    // A folder can be opened but not read, which must not be reported as invalid evidence.
    assert!(matches!(verify(fixture.folder.path(), &elsewhere, |_, _, _| {}), Err(VerifyError::Read { .. })));
}

/// A node whose proofs of the state lack the largest trie node.
struct IncompleteStateNode<'a>(Node<'a>);

impl ProofSource for IncompleteStateNode<'_> {
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

/// Asserts that no proof is stored, so that an export fails.
fn assert_nothing_collected(fixture: &Fixture) {
    let error = fixture.export(Span::default(), Disclose::All).unwrap_err();
    assert!(matches!(error, ExportError::NothingCollected), "{error}");
    assert!(error.to_string().contains("status"), "{error}");
}

#[tokio::test]
async fn invalid_proofs_are_not_stored() {
    let mut fixture = Fixture::new();
    fixture.append(4).await;
    assert_nothing_collected(&fixture);
    // First there is no block at all, and then only a block before the anchor.
    assert_eq!(collect(&fixture.log, &Node(&fixture.chain, 9), 4).await, Err(CollectError::Behind));
    fixture.chain.block(false);
    assert_eq!(collect(&fixture.log, &Node(&fixture.chain, 9), 4).await, Err(CollectError::Behind));
    assert_nothing_collected(&fixture);
    fixture.anchor();
    // The genesis voters that the node names are not the ones that voted.
    let mut other = FakeChain::new(4);
    std::mem::swap(&mut other, &mut fixture.chain);
    let first = std::mem::replace(&mut other.first, FakeChain::new(5).first);
    other.first.rotate_left(4);
    other.first.truncate(1);
    let error = collect(&fixture.log, &Node(&other, 9), 4).await.unwrap_err();
    assert!(matches!(error, CollectError::Finality(_)), "{error}");
    assert_nothing_collected(&fixture);
    other.first = first;
    // The node is of another chain with the same voters.
    let genesis = std::mem::replace(&mut other.genesis, Hash([1; 32]));
    assert_eq!(collect(&fixture.log, &Node(&other, 9), 4).await, Err(CollectError::OtherChain));
    assert_nothing_collected(&fixture);
    other.genesis = genesis;
    // The proof of the state lacks a trie node.
    let error = collect(&fixture.log, &IncompleteStateNode(Node(&other, 9)), 4).await.unwrap_err();
    assert!(matches!(error, CollectError::State(_)), "{error}");
    assert_nothing_collected(&fixture);
    assert_eq!(collect(&fixture.log, &Node(&other, 9), 4).await.unwrap().size, 4);
}

#[tokio::test]
async fn an_unregistered_device_is_reported_and_cannot_be_exported() {
    let mut fixture = Fixture::new();
    let mut unregistered = Car::new(7);
    fixture.append(3).await;
    fixture.log.append(vec![unregistered.next()]).await.unwrap();
    fixture.anchor();
    let collected = collect(&fixture.log, &Node(&fixture.chain, 9), 4).await.unwrap();
    assert_eq!(collected.unregistered, [unregistered.id()]);
    let (span, disclose) = (Span::default(), Disclose::All);
    let request = Request { device: unregistered.id(), span, disclose, chain: None, after: None };
    let error = export::write(fixture.log.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
    assert!(error.to_string().contains("register it"), "{error}");
    // The other devices can still be exported.
    assert!(fixture.verified(Span::default(), Disclose::All).is_complete());
}

#[tokio::test]
async fn events_after_the_anchor_are_counted_but_not_exported() {
    let mut fixture = Fixture::anchored().await;
    let anchored = fixture.cars[0].sequence;
    fixture.append(9).await;
    let (path, exported) = fixture.export(Span::default(), Disclose::All).unwrap();
    assert_eq!((exported.events, exported.not_anchored), (anchored, fixture.cars[0].sequence - anchored));
    assert!(verify(&path, &fixture.chain.trust(), |_, _, _| {}).unwrap().is_complete());
}

#[tokio::test]
async fn a_log_of_a_release_without_chain_proofs_is_read() {
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
async fn erased_bodies_are_reported_and_everything_else_is_proven() {
    let fixture = Fixture::anchored().await;
    let (all, places) =
        (fixture.cars[0].sequence, fixture.log.device_indexes(&fixture.device(), 0, 2).unwrap());
    fixture.log.erase(&places.into_iter().collect(), 1).unwrap();
    for (disclose, rest) in [(Disclose::All, all - 2), (Disclose::None, 0)] {
        let verdict = fixture.verified(Span::default(), disclose);
        assert!(verdict.is_complete());
        assert_eq!((verdict.events, verdict.bodies.erased, verdict.bodies.whole), (all, 2, rest));
    }
}

/// Joins the prelude of one file with the items of another.
fn spliced(prelude: &[u8], items: &[u8]) -> Vec<u8> {
    let items_at = |file: &[u8]| 12 + u32::from_le_bytes(file[8..12].try_into().unwrap()) as usize;
    [&prelude[..items_at(prelude)], &items[items_at(items)..]].concat()
}

#[tokio::test]
async fn if_a_log_has_two_histories_only_the_anchored_one_is_proven() {
    let mut anchored = Fixture::new();
    anchored.append(8).await;
    let mut hidden = Fixture::new();
    for index in 0..8 {
        // Both histories begin with identical events.
        let stored = anchored.log.stored(index).unwrap().unwrap();
        let (event, body) = (stored.entry.event, stored.body.into_present().unwrap());
        let car = usize::from(event.header.device != anchored.cars[0].id());
        let entry = NewEntry::new(event.verify(&anchored.cars[car].key()).unwrap(), &body, JUNE).unwrap();
        hidden.log.append(vec![entry]).await.unwrap();
        hidden.cars[car].next();
    }
    assert_eq!(anchored.log.root(8), hidden.log.root(8));
    for fixture in [&mut anchored, &mut hidden] {
        fixture.append(12).await;
        fixture.anchor();
    }
    collect(&anchored.log, &Node(&anchored.chain, 9), 20).await.unwrap();
    let (path, _) = anchored.export(Span::default(), Disclose::All).unwrap();
    let anchored_file = std::fs::read(&path).unwrap();
    assert!(verify(&path, &anchored.chain.trust(), |_, _, _| {}).unwrap().is_complete());

    // The chain that anchored one history gives no proof for the other.
    let refused = collect(&hidden.log, &Node(&anchored.chain, 9), 20).await.unwrap_err();
    assert!(refused.to_string().contains("they were changed"), "{refused}");
    assert_nothing_collected(&hidden);

    // A file that is spliced from both histories is refused, even if another chain has anchored the other history.
    collect(&hidden.log, &Node(&hidden.chain, 9), 20).await.unwrap();
    let (path, _) = hidden.export(Span::default(), Disclose::All).unwrap();
    let hidden_file = std::fs::read(&path).unwrap();
    for (prelude, items) in [(&anchored_file, &hidden_file), (&hidden_file, &anchored_file)] {
        std::fs::write(&path, spliced(prelude, items)).unwrap();
        assert!(verify(&path, &anchored.chain.trust(), |_, _, _| {}).is_err());
    }
}
