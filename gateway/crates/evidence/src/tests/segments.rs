//! Evidence of a device that has moved to another log.

use super::*;
use crate::last_anchored;
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use streembit_log::Lineage;
use streembit_primitives::{
    device::{KeyChange, LastAnchored},
    evidence::anchor_storage_key,
};

fn new_id() -> LogId {
    LogId { gateway: AccountId([10; 32]), epoch: 0 }
}

fn at(block: u32) -> ChangeTime {
    ChangeTime { block, time: block.into() }
}

/// A device with 20 events of two devices in the first log, which are anchored. Two more burn with their log. Then it
/// continues in a second log, where it changes its key with the third event.
struct Moved {
    old: Fixture,
    log: Log,
    record: DeviceRecord,
    /// The number of events in the first log.
    first: u64,
}

impl Moved {
    async fn new() -> Self {
        let mut old = Fixture::anchored().await;
        let log = Log::open(&old.folder.path().join("new-log"), new_id()).unwrap();
        let first = old.cars[0].sequence;
        let mut record = old.cars[0].record();
        (0..2).for_each(|_| drop(old.cars[0].next()));
        record.assign(new_id(), None, first + 2, first, u64::MAX, at(2)).unwrap();
        let new_key = DeviceKey::Own(PublicKey::Sr25519(keypair(3).public.to_bytes()));
        record.set_key(new_key, first + 5, KeyChange::Rotated, first + 5, at(3)).unwrap();
        old.chain.register(&record.device_id(), &record);
        let mut moved = Self { old, log, record, first };
        moved.append(3).await;
        moved.old.cars[0].pair = keypair(3);
        moved.append(4).await;
        moved
    }

    /// The evidence file of the first log.
    fn former(&self) -> PathBuf {
        let (path, _) = self.old.export(Span::default(), Disclose::All).unwrap();
        let former = self.old.folder.path().join("former.evidence");
        std::fs::rename(path, &former).unwrap();
        former
    }

    /// Adds events to the second log.
    async fn append(&mut self, count: u64) {
        let lineage = Arc::new(Lineage::new(self.record.clone(), None));
        for _ in 0..count {
            let entry = self.old.cars[0].next().with_lineage(lineage.clone());
            self.log.append(vec![entry]).await.unwrap();
        }
    }

    /// Anchors the second log and collects its proof.
    async fn collect(&mut self) {
        anchor(&mut self.old.chain, &self.log);
        collect(&self.log, &Node(&self.old.chain, 9), self.log.size()).await.unwrap();
    }

    fn export_after(&self, after: Option<PathBuf>) -> Result<(PathBuf, ExportSummary), ExportError> {
        let (span, disclose) = (Span::default(), Disclose::None);
        let request = Request { device: self.record.device_id(), span, disclose, chain: None, after };
        let mut bytes = Vec::new();
        let exported = export::write(self.log.reader(), &request, &mut bytes, |_, _, _| {})?;
        let path = self.old.folder.path().join("life.evidence");
        std::fs::write(&path, bytes).unwrap();
        Ok((path, exported))
    }

    fn error(&self, after: &Path) -> ExportError {
        self.export_after(Some(after.to_owned())).unwrap_err()
    }

    fn verify(&self, path: &Path) -> VerifiedEvidence {
        verify(path, &self.old.chain.trust(), |_, _, _| {}).unwrap()
    }
}

#[tokio::test]
async fn one_file_covers_both_logs_and_what_was_lost_in_between() {
    let mut moved = Moved::new().await;
    let former = moved.former();
    moved.collect().await;
    let (path, exported) = moved.export_after(Some(former)).unwrap();
    let all = moved.first + 7;
    assert_eq!((exported.segments, exported.events, exported.first), (2, all, 0));
    assert_eq!((exported.last, exported.head, exported.not_anchored), (all + 1, all + 1, 0));
    let verdict = moved.verify(&path);
    assert!(verdict.is_complete());
    assert_eq!((verdict.events, verdict.lost, verdict.bodies), (all, 2, exported.bodies));
    let logs: Vec<_> = verdict.segments.iter().map(|segment| segment.checkpoint.log).collect();
    assert_eq!(logs, [id(), new_id()]);
    let keys: Vec<_> = verdict.spans.iter().map(|span| (span.key, span.events)).collect();
    assert_eq!(keys, [(0, moved.first), (0, 3), (1, 4)]);

    // The second log alone is evidence too, and says that its beginning is not the device's.
    let (path, exported) = moved.export_after(None).unwrap();
    assert_eq!((exported.segments, exported.events), (1, 7));
    let verdict = moved.verify(&path);
    assert_eq!((verdict.from_first, verdict.to_last), (false, true));

    let mut indexes = Vec::new();
    let (path, _) = moved.export_after(Some(moved.former())).unwrap();
    show::<VerifyError>(
        &path,
        |summary| {
            assert_eq!(summary.segments.iter().map(|one| one.log).collect::<Vec<_>>(), [id(), new_id()]);
            Ok(())
        },
        |event| {
            indexes.push((event.log, event.index));
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(indexes.iter().filter(|(log, _)| *log == id()).count() as u64, moved.first);
    assert!(indexes.contains(&(new_id(), 0)) && indexes.contains(&(new_id(), 6)));
}

#[tokio::test]
async fn evidence_that_is_not_of_the_latest_anchor_is_not_continued() {
    let mut moved = Moved::new().await;
    let former = moved.former();
    // The first log goes on, without the device.
    let entry = moved.old.cars[1].next();
    moved.old.log.append(vec![entry]).await.unwrap();
    moved.old.anchor();
    moved.collect().await;
    let error = moved.error(&former);
    let ExportError::NotLatest { found: 20, anchored: Some(21), .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains("export that evidence again"), "{error}");
    // With a new file it works. If the first log is anchored again, the new file is ahead of the collected proof.
    collect(&moved.old.log, &Node(&moved.old.chain, 9), 21).await.unwrap();
    assert_eq!(moved.export_after(Some(moved.former())).unwrap().1.segments, 2);
    let entry = moved.old.cars[1].next();
    moved.old.log.append(vec![entry]).await.unwrap();
    moved.old.anchor();
    collect(&moved.old.log, &Node(&moved.old.chain, 9), 22).await.unwrap();
    let error = moved.error(&moved.former());
    assert!(error.to_string().contains("wait until the next anchor"), "{error}");
}

#[tokio::test]
async fn other_evidence_is_not_continued() {
    let mut moved = Moved::new().await;
    let former = moved.former();
    moved.collect().await;
    // Of another device.
    let (span, disclose) = (Span::default(), Disclose::None);
    let other = moved.old.cars[1].id();
    let request = Request { device: other, span, disclose, chain: None, after: None };
    let mut bytes = Vec::new();
    export::write(moved.old.log.reader(), &request, &mut bytes, |_, _, _| {}).unwrap();
    let path = moved.old.folder.path().join("other.evidence");
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(moved.error(&path), ExportError::OtherDevice { found, .. } if found == other));
    // Without its end, damaged, cut short, no evidence, and missing.
    let (partial, _) = moved.old.export(span_to_day_two(), Disclose::None).unwrap();
    assert!(matches!(moved.error(&partial), ExportError::Refused(EvidenceError::Event { .. })));
    let bytes = std::fs::read(&former).unwrap();
    let mut damaged = bytes.clone();
    let at = bytes.len() - 100;
    damaged[at] ^= 1;
    for (content, refused) in [(&damaged[..], true), (&bytes[..at], false), (&b"text"[..], false)] {
        std::fs::write(&path, content).unwrap();
        let error = moved.error(&path);
        let is_refused = matches!(error, ExportError::Refused(_));
        assert!(is_refused == refused || matches!(error, ExportError::Former(_)), "{error}");
    }
    let error = moved.error(&moved.old.folder.path().join("none"));
    assert!(matches!(error, ExportError::Former(VerifyError::Read { .. })), "{error}");
    // Its own evidence, whose log does not come after itself.
    let (own, _) = moved.export_after(None).unwrap();
    let error = moved.error(&own);
    assert!(matches!(error, ExportError::Refused(EvidenceError::SegmentOrder { .. })), "{error}");
}

fn span_to_day_two() -> Span {
    span("", "2026-06-02")
}

#[tokio::test]
async fn a_log_that_the_record_does_not_name_exports_nothing() {
    let moved = Moved::new().await;
    let stranger = Log::open(&moved.old.folder.path().join("stranger"), LogId::first(AccountId([11; 32])));
    let stranger = stranger.unwrap();
    let mut car = Car::new(1);
    stranger.append(vec![car.next()]).await.unwrap();
    let mut chain = moved.old.chain;
    anchor(&mut chain, &stranger);
    collect(&stranger, &Node(&chain, 9), 1).await.unwrap();
    let (span, disclose) = (Span::default(), Disclose::All);
    let request = Request { device: car.id(), span, disclose, chain: None, after: None };
    let error = export::write(stranger.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
    assert!(matches!(error, ExportError::NotInLog { .. }), "{error}");
}

#[tokio::test]
async fn the_last_anchored_event_is_read_from_a_file() {
    let mut moved = Moved::new().await;
    let former = moved.former();
    let LastAnchored::Event(proof) = last_anchored(&former).unwrap() else { panic!("no event") };
    assert_eq!((proof.entry.device, proof.entry.sequence), (moved.record.device_id(), moved.first - 1));
    // Of the last segment, if there are several.
    moved.collect().await;
    let (path, exported) = moved.export_after(Some(former)).unwrap();
    let LastAnchored::Event(proof) = last_anchored(&path).unwrap() else { panic!("no event") };
    assert_eq!(proof.entry.sequence, exported.last);
    std::fs::write(&path, b"text").unwrap();
    assert!(matches!(last_anchored(&path), Err(VerifyError::Refused(EvidenceError::Magic))));
    assert!(matches!(last_anchored(Path::new("/none")), Err(VerifyError::Read { .. })));
}

/// A node that remembers the keys that it was asked for.
struct AskedNode<'a>(Node<'a>, Mutex<Vec<Vec<u8>>>);

impl ProofSource for AskedNode<'_> {
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
        self.1.lock().unwrap().extend(keys.clone());
        self.0.read_proof(keys, at).await
    }
}

#[tokio::test]
async fn the_anchors_of_a_devices_other_logs_are_collected_too() {
    let mut moved = Moved::new().await;
    anchor(&mut moved.old.chain, &moved.log);
    let node = AskedNode(Node(&moved.old.chain, 9), Mutex::default());
    collect(&moved.log, &node, moved.log.size()).await.unwrap();
    let asked = node.1.into_inner().unwrap();
    for log in [id(), new_id()] {
        assert_eq!(asked.iter().filter(|key| **key == anchor_storage_key(&log)).count(), 1, "{log}");
    }
}
