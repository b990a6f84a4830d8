use super::*;
use codec::Encode as _;
use std::sync::{
    atomic::{AtomicUsize, Ordering},
    Mutex,
};
use streembit_log::NewEntry;
use streembit_primitives::{
    event::{EventKind, Signer, VERSION},
    merkle::{NodeHash as _, LOG_TREE},
    Body, DeviceKey, EventHeader, Part, PublicKey, SignedEvent, Text,
};

/// A chain in memory that applies the rule of the anchors pallet.
#[derive(Default)]
struct MemoryChain {
    anchors: Mutex<Vec<Anchor>>,
    /// Failures of the next submissions, the last one first.
    failures: Mutex<Vec<Failure>>,
    queries: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Failure {
    /// The node is unreachable.
    Away,
    /// The chain accepts the anchor, but the answer is lost.
    AnswerLost,
    /// The log is closed.
    Closed,
}

fn refused(error: &str) -> Result<(), ChainError> {
    Err(ChainError::Dispatch {
        call: "Anchors.anchor".into(),
        error: format!("Anchors::{error}"),
        docs: "no".into(),
    })
}

impl MemoryChain {
    fn away() -> ChainError {
        ChainError::Unreachable { node: "memory".into(), problem: "test".into() }
    }

    fn accepted(&self) -> Vec<Anchor> {
        self.anchors.lock().unwrap().clone()
    }

    fn accept(&self, checkpoint: Checkpoint, proof: &ConsistencyProof) -> Result<(), ChainError> {
        let mut anchors = self.anchors.lock().unwrap();
        let (size, root) =
            anchors.last().map_or((0, LOG_TREE.empty()), |last| (last.checkpoint.size, last.checkpoint.root));
        if checkpoint.size <= size {
            return refused("NotLarger");
        }
        if !proof.verify(size, &root, checkpoint.size, &checkpoint.root) {
            return refused("Inconsistent");
        }
        let block = anchors.len() as u32 + 1;
        anchors.push(Anchor { checkpoint, block });
        Ok(())
    }
}

impl Chain for MemoryChain {
    fn genesis(&self) -> Hash {
        Hash([1; 32])
    }

    async fn latest(&self, _: LogId) -> Result<Option<Anchor>, ChainError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        Ok(self.anchors.lock().unwrap().last().cloned())
    }

    async fn anchor(
        &self,
        _: &KeyPair,
        checkpoint: Checkpoint,
        proof: ConsistencyProof,
    ) -> Result<(), ChainError> {
        let failure = self.failures.lock().unwrap().pop();
        match failure {
            Some(Failure::Away) => Err(Self::away()),
            Some(Failure::AnswerLost) => self.accept(checkpoint, &proof).and(Err(Self::away())),
            Some(Failure::Closed) => refused("EpochNotOpen"),
            None => self.accept(checkpoint, &proof),
        }
    }
}

fn keys() -> KeyPair {
    KeyPair::from_seed([9; 32])
}

fn open(folder: &tempfile::TempDir) -> Log {
    Log::open(&folder.path().join("log"), LogId::first(keys().account())).unwrap()
}

/// Appends events of one device, numbered from the end of the log.
async fn append(log: &Log, count: u64) {
    append_with_text(log, count, "event").await;
}

async fn append_with_text(log: &Log, count: u64, word: &str) {
    let device = KeyPair::from_seed([5; 32]);
    let key = DeviceKey::Own(PublicKey::Sr25519(device.account().0));
    for _ in 0..count {
        let head = log.head(&key.device_id()).unwrap();
        let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
        let part = Part::Status(Text::try_from(format!("{word} {sequence}")).unwrap());
        let body = Body { seed: [0; 32], parts: vec![part].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: key.device_id(),
            sequence,
            previous,
            time: sequence,
            kind: EventKind::Status,
            body_hash: body.hash(),
        };
        let signature = device.sign(Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Device, signature }.verify(&key).unwrap();
        log.append(vec![NewEntry::new(event, &body, sequence).unwrap()]).await.unwrap();
    }
}

fn anchoring(log: Log, chain: MemoryChain) -> Anchoring<MemoryChain> {
    let schedule = Schedule { every_events: 10, every: Duration::from_millis(200) };
    Anchoring {
        log,
        keys: keys(),
        chain,
        schedule,
        hold: watch::channel(None).1,
        board: StatusBoard::new(),
        metrics: Metrics::new(),
        anchored: watch::Sender::new(0),
    }
}

/// Runs until the chain has this number of anchors, or until the log is refused.
async fn run_until(anchoring: &Anchoring<MemoryChain>, anchors: usize) -> Result<(), AnchorError> {
    let enough = async {
        while anchoring.chain.accepted().len() < anchors {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Leave time to store the accepted anchor in the log.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::select! {
        ended = anchoring.run() => ended,
        () = enough => Ok(()),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("{:?}", anchoring.chain.accepted()),
    }
}

#[tokio::test]
async fn anchors_new_events_by_time_and_by_count() {
    let folder = tempfile::tempdir().unwrap();
    let anchoring = anchoring(open(&folder), MemoryChain::default());
    append(&anchoring.log, 3).await;
    run_until(&anchoring, 1).await.unwrap();
    let first = anchoring.chain.accepted()[0].checkpoint.clone();
    assert_eq!((first.size, first.root), (3, anchoring.log.root(3).unwrap()));
    assert_eq!(anchoring.log.last_anchor().unwrap().unwrap().checkpoint, first);
    let kept = anchoring.log.last_checkpoint().unwrap().unwrap();
    assert_eq!(kept.checkpoint, first);
    assert!(kept.verify(&anchoring.chain.genesis()));

    // There is no further anchor without new events.
    let idle = tokio::time::timeout(Duration::from_millis(600), anchoring.run()).await;
    assert!(idle.is_err());
    assert_eq!(anchoring.chain.accepted().len(), 1);
    assert!(anchoring.board.get(COMPONENT).unwrap().is_running());

    append(&anchoring.log, 10).await;
    run_until(&anchoring, 2).await.unwrap();
    assert_eq!(anchoring.chain.accepted()[1].checkpoint.size, 13);
}

#[tokio::test]
async fn enough_events_are_anchored_without_waiting_for_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut anchoring = anchoring(open(&folder), MemoryChain::default());
    anchoring.schedule.every = Duration::from_secs(3600);
    append(&anchoring.log, 10).await;
    run_until(&anchoring, 1).await.unwrap();
    assert_eq!(anchoring.chain.accepted()[0].checkpoint.size, 10);
}

#[tokio::test]
async fn the_same_checkpoint_is_submitted_again_after_the_node_was_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let chain = MemoryChain { failures: vec![Failure::Away, Failure::Away].into(), ..MemoryChain::default() };
    let anchoring = anchoring(open(&folder), chain);
    append(&anchoring.log, 2).await;
    let running = async {
        while anchoring.log.last_checkpoint().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(matches!(anchoring.board.get(COMPONENT), Some(ComponentState::Retrying { .. })));
        anchoring.log.last_checkpoint().unwrap().unwrap()
    };
    let signed = tokio::select! {
        _ = anchoring.run() => panic!("anchoring ended"),
        signed = running => signed,
    };
    run_until(&anchoring, 1).await.unwrap();
    // A second signature would have another time.
    assert_eq!(anchoring.chain.accepted()[0].checkpoint, signed.checkpoint);
}

#[tokio::test]
async fn the_next_run_continues_from_an_accepted_anchor_whose_answer_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let chain = MemoryChain { failures: vec![Failure::AnswerLost].into(), ..MemoryChain::default() };
    let first = anchoring(open(&folder), chain);
    append(&first.log, 2).await;
    run_until(&first, 1).await.unwrap();
    // The process ends here and starts again with the same folder.
    let Anchoring { log, chain, .. } = first;
    drop(log);
    let second = anchoring(open(&folder), chain);
    append(&second.log, 1).await;
    run_until(&second, 2).await.unwrap();
    let sizes: Vec<_> = second.chain.accepted().iter().map(|anchor| anchor.checkpoint.size).collect();
    assert_eq!(sizes, [2, 3]);
    assert_eq!(second.log.last_anchor().unwrap().unwrap().checkpoint.size, 3);
}

/// Runs until anchoring raises an alarm. Returns its problem and remedy.
async fn run_until_alarm(anchoring: &Anchoring<MemoryChain>) -> (String, String) {
    let alarm = async {
        loop {
            if let Some(ComponentState::Alarm { problem, remedy }) = anchoring.board.get(COMPONENT) {
                return (problem, remedy);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = anchoring.run() => panic!("anchoring ended: {ended:?}"),
        alarm = alarm => alarm,
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("no alarm"),
    }
}

#[tokio::test]
async fn an_anchor_that_contradicts_the_log_raises_an_alarm_and_logging_goes_on() {
    let (whole, short, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = anchoring(open(&whole), MemoryChain::default());
    append(&first.log, 5).await;
    run_until(&first, 1).await.unwrap();
    let anchors = first.chain.accepted();
    let chain_with_anchors = || MemoryChain { anchors: anchors.clone().into(), ..MemoryChain::default() };

    let cut = anchoring(open(&short), chain_with_anchors());
    append(&cut.log, 4).await;
    let (problem, remedy) = run_until_alarm(&cut).await;
    assert_eq!(problem, CheckpointError::ShorterThanAnchor { size: 4, anchored: 5 }.to_string());
    assert!(remedy.contains("old copy") && remedy.contains("node"), "{remedy}");

    let changed = anchoring(open(&other), chain_with_anchors());
    append_with_text(&changed.log, 7, "lie").await;
    let (problem, _) = run_until_alarm(&changed).await;
    assert!(problem.contains("5 entries"), "{problem}");
    for refused in [&cut, &changed] {
        let before = refused.log.size();
        append(&refused.log, 1).await;
        assert_eq!(refused.log.size(), before + 1, "logging goes on");
        assert_eq!(refused.chain.accepted(), anchors, "nothing is anchored");
        assert_eq!(refused.log.last_anchor().unwrap(), None, "the anchor is not believed");
    }
}

#[tokio::test]
async fn anchoring_goes_on_when_the_node_no_longer_contradicts_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let invented = Checkpoint {
        version: Version,
        log: LogId::first(keys().account()),
        size: 1000,
        root: Hash([6; 32]),
        heads_root: Hash([6; 32]),
        time: 1,
    };
    let lies = vec![Anchor { checkpoint: invented, block: 9 }];
    let chain = MemoryChain { anchors: lies.into(), ..MemoryChain::default() };
    let anchoring = anchoring(open(&folder), chain);
    append(&anchoring.log, 3).await;
    run_until_alarm(&anchoring).await;
    anchoring.chain.anchors.lock().unwrap().clear();
    run_until(&anchoring, 1).await.unwrap();
    assert_eq!(anchoring.chain.accepted()[0].checkpoint.size, 3);
    assert!(anchoring.board.get(COMPONENT).unwrap().is_running());
}

/// Copies the folder of a closed log.
fn copy_of(folder: &tempfile::TempDir) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("log")).unwrap();
    for file in std::fs::read_dir(folder.path().join("log")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("log").join(file.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn only_the_first_of_two_forked_histories_is_anchored() {
    let folder = tempfile::tempdir().unwrap();
    let common = anchoring(open(&folder), MemoryChain::default());
    append(&common.log, 6).await;
    run_until(&common, 1).await.unwrap();
    let Anchoring { log, chain, .. } = common;
    drop(log);
    let fork = copy_of(&folder);

    let original = anchoring(open(&folder), chain);
    append_with_text(&original.log, 2, "original").await;
    run_until(&original, 2).await.unwrap();
    let anchors = original.chain.accepted();
    // The fork is valid in itself, and shorter than the anchored log, as long, or longer.
    for (more, size) in [(1, 7), (1, 8), (5, 13)] {
        let chain = MemoryChain { anchors: anchors.clone().into(), ..MemoryChain::default() };
        let forked = anchoring(open(&fork), chain);
        append_with_text(&forked.log, more, "forked").await;
        assert_eq!((forked.log.size(), forked.log.verify(0..size).unwrap()), (size, vec![]));
        let (problem, _) = run_until_alarm(&forked).await;
        let expected = if size == 7 { "the log has 7 entries" } else { "the first 8 entries" };
        assert!(problem.contains(expected), "{problem}");
        assert!(problem.contains("Restore the data folder"), "{problem}");
        assert_eq!(forked.chain.accepted(), anchors);
        // The chain rejects the fork even if a gateway submits it without checking the last anchor.
        let checkpoint = Checkpoint { time: 9, ..forked.checkpoint().unwrap().checkpoint };
        for old in [0, 6, size.min(8)] {
            let proof = forked.log.prove_consistency(old, size).unwrap();
            assert!(forked.chain.accept(checkpoint.clone(), &proof).is_err(), "{size} from {old}");
        }
    }
    append_with_text(&original.log, 1, "original").await;
    run_until(&original, 3).await.unwrap();
}

/// Writes a checkpoint to the database of a closed log, which itself refuses a checkpoint that is ahead of it.
fn write_checkpoint(folder: &tempfile::TempDir, signed: &SignedCheckpoint) {
    let path = folder.path().join("log");
    let options = rocksdb::Options::default();
    let families = rocksdb::DB::list_cf(&options, &path).unwrap();
    let database = rocksdb::DB::open_cf(&options, &path, families).unwrap();
    let checkpoints = database.cf_handle("checkpoints").unwrap();
    database.put_cf(checkpoints, signed.checkpoint.size.to_be_bytes(), signed.encode()).unwrap();
}

#[tokio::test]
async fn without_a_node_the_log_is_checked_against_its_signed_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let start = || anchoring(open(&folder), MemoryChain::default());
    let first = start();
    append(&first.log, 4).await;
    let signed = first.checkpoint().unwrap();
    drop(first);
    let ahead = Checkpoint { size: 6, root: Hash([7; 32]), ..signed.checkpoint.clone() };
    write_checkpoint(&folder, &SignedCheckpoint { checkpoint: ahead, ..signed });
    let anchoring = start();
    let error = anchoring.run().await.unwrap_err();
    assert_eq!(error, AnchorError::ShorterThanCheckpoint { size: 4, signed: 6 });

    append(&anchoring.log, 4).await;
    let error = anchoring.run().await.unwrap_err();
    assert!(matches!(error, AnchorError::DifferentFromCheckpoint { size: 6, .. }));
    assert_eq!(anchoring.chain.queries.load(Ordering::SeqCst), 0, "the chain was queried");
}

#[tokio::test]
async fn a_log_that_is_closed_on_the_chain_ends_anchoring() {
    let folder = tempfile::tempdir().unwrap();
    let chain = MemoryChain { failures: vec![Failure::Closed].into(), ..MemoryChain::default() };
    let anchoring = anchoring(open(&folder), chain);
    append(&anchoring.log, 1).await;
    let error = run_until(&anchoring, 1).await.unwrap_err();
    assert_eq!(error, AnchorError::EpochClosed { epoch: 0 });
    assert!(error.remedy().contains("epoch open"), "{}", error.remedy());
}

#[tokio::test]
async fn nothing_is_anchored_while_events_contradict_their_record() {
    let folder = tempfile::tempdir().unwrap();
    let (hold, held) = watch::channel(Some("event 3 of device meter".to_owned()));
    let anchoring = Anchoring { hold: held, ..anchoring(open(&folder), MemoryChain::default()) };
    append(&anchoring.log, 12).await;
    let waiting = tokio::time::timeout(Duration::from_millis(600), anchoring.run()).await;
    assert!(waiting.is_err() && anchoring.chain.accepted().is_empty());
    assert!(matches!(anchoring.board.get(COMPONENT), Some(ComponentState::Alarm { .. })));
    assert_eq!(anchoring.log.last_checkpoint().unwrap(), None);
    hold.send_replace(None);
    run_until(&anchoring, 1).await.unwrap();
    assert_eq!(anchoring.chain.accepted()[0].checkpoint.size, 12);
}
