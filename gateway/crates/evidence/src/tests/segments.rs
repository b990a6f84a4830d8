//! Evidence of a device that has moved to another log.

use super::*;
use crate::last_anchored;
use std::{path::Path, sync::Arc};
use streembit_log::Lineage;
use streembit_primitives::device::{KeyChange, LastAnchored};

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

    /// Moves the device to a third log, with three events there. Its last event in the second log is not anchored, and is
    /// declared lost. The voters change once more before.
    async fn move_on(&mut self) {
        let third = LogId { gateway: AccountId([12; 32]), epoch: 0 };
        let next = self.old.cars[0].sequence;
        self.record.assign(third, None, next, next - 1, 7, at(9)).unwrap();
        self.old.chain.register(&self.record.device_id(), &self.record);
        self.old.chain.block(true);
        self.log = Log::open(&self.old.folder.path().join("third-log"), third).unwrap();
        self.append(3).await;
        self.collect().await;
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
async fn kept_evidence_is_continued_although_its_log_is_anchored_again() {
    let mut moved = Moved::new().await;
    let kept = moved.former();
    // The first log goes on without the device, the voters change, and then its gateway is gone.
    let entry = moved.old.cars[1].next();
    moved.old.log.append(vec![entry]).await.unwrap();
    moved.old.anchor();
    moved.old.chain.block(true);
    moved.collect().await;
    let (path, exported) = moved.export_after(Some(kept)).unwrap();
    let verdict = moved.verify(&path);
    assert!(verdict.is_complete());
    assert_eq!((verdict.events, verdict.lost, exported.segments), (moved.first + 7, 2, 2));
    assert_eq!(proofs(&verdict), [(20, 0), (7, 1)]);
    let proven = verdict.segments[0].proven.block.number;
    assert!(proven < verdict.last.block.number, "{proven}");
    // Only the newest record counts: the first log's proof knows of one key and one log.
    assert_eq!((verdict.record.logs().count(), verdict.spans.len()), (2, 3));

    // The file of both logs is continued in the same way, after more of the same.
    let both = moved.old.folder.path().join("both.evidence");
    std::fs::rename(path, &both).unwrap();
    let entry = moved.old.cars[1].next();
    moved.old.log.append(vec![entry]).await.unwrap();
    moved.old.anchor();
    moved.append(1).await;
    moved.move_on().await;
    let (path, _) = moved.export_after(Some(both)).unwrap();
    let verdict = moved.verify(&path);
    assert!(verdict.is_complete());
    assert_eq!((verdict.events, verdict.lost), (moved.first + 10, 3));
    assert_eq!(proofs(&verdict), [(20, 0), (7, 1), (3, 2)]);
}

/// Returns the size of each segment's log, and the voter set that proves it.
fn proofs(verdict: &VerifiedEvidence) -> Vec<(u64, u64)> {
    verdict.segments.iter().map(|segment| (segment.checkpoint.size, segment.proven.set)).collect()
}

#[tokio::test]
async fn evidence_that_is_proven_by_a_later_block_is_not_continued() {
    let mut moved = Moved::new().await;
    moved.collect().await;
    let first = moved.former();
    assert!(moved.export_after(Some(first)).is_ok());
    // The record in the newest block counts, and it must be the one of this export.
    moved.old.chain.block(false);
    collect(&moved.old.log, &Node(&moved.old.chain, 9), 20).await.unwrap();
    let error = moved.error(&moved.former());
    let ExportError::FormerIsNewer { found, block } = error else { panic!("{error}") };
    assert_eq!(found, block + 1);
    assert!(error.to_string().contains("wait until the next anchor"), "{error}");
    collect(&moved.log, &Node(&moved.old.chain, 9), moved.log.size()).await.unwrap();
    assert!(moved.export_after(Some(moved.former())).is_ok());
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
