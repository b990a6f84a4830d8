//! Shows the content of an evidence file to people and programs, without verifying it.

use super::verify::{EvidenceFile, VerifyError};
use codec::IoReader;
use serde::Serialize;
use std::path::Path;
use streembit_keystore::account;
use streembit_primitives::{
    body::Disclosure,
    device::DeviceRecord,
    evidence::{file, EvidenceError, Item, Prelude, ShownBody},
    AccountId, Checkpoint, DeviceId, EventKind, Hash, LogEntry, LogId, Part, Signer,
};

/// The claims of a file about itself. They are not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedSummary {
    /// Always false: nothing was verified.
    pub verified: bool,
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// The device's record on the chain: its keys, owners and logs, and what was lost.
    pub record: DeviceRecord,
    /// The logs that the events are in, in their order.
    pub segments: Vec<UnverifiedSegment>,
    /// The number of changes of voters.
    pub changes: usize,
}

/// The part of a file that is in one log. It is not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedSegment {
    /// The gateway that keeps the log.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub gateway: AccountId,
    /// The log.
    pub log: LogId,
    /// The anchored checkpoint of the log, or `None` if the file has no anchor for it.
    pub checkpoint: Option<Checkpoint>,
    /// The number of the block that accepted the checkpoint.
    pub anchored: Option<u32>,
    /// The sequence of the device's last event in the checkpoint.
    pub head: u64,
}

/// An event of a file. It is not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedEvent {
    /// The device.
    pub device: DeviceId,
    /// The hash of the event's header.
    pub hash: Hash,
    /// The position in the device's history.
    pub sequence: u64,
    /// The log.
    pub log: LogId,
    /// The position in the log.
    pub index: u64,
    /// The time of the event by its signer's clock, in milliseconds since 1970.
    pub time: u64,
    /// The time at which the gateway received the event, in milliseconds since 1970.
    pub received: u64,
    /// The kind of the event.
    pub kind: EventKind,
    /// The signer of the event.
    pub signer: Signer,
    /// How much of the body is disclosed.
    pub body: Disclosed,
    /// The disclosed parts of the body.
    pub parts: Vec<Part>,
}

/// How much of a body is disclosed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosed {
    /// The whole body.
    Whole,
    /// Some parts.
    Parts,
    /// Nothing, because the exporter withheld the body.
    Withheld,
    /// Nothing, because the body was erased.
    Erased,
}

/// Reads a file. Calls `claim` with the file's claims, then `each` with every event in order. Stops at the first error
/// of a callback.
pub fn show<E: From<VerifyError>>(
    path: &Path,
    claim: impl FnOnce(UnverifiedSummary) -> Result<(), E>,
    mut each: impl FnMut(UnverifiedEvent) -> Result<(), E>,
) -> Result<(), E> {
    let mut source = EvidenceFile::open(path)?;
    let result = (|| {
        let mut input = IoReader(&mut source);
        let prelude = file::read_prelude(&mut input).map_err(VerifyError::from)?;
        claim(UnverifiedSummary::of(&prelude))?;
        let mut logs = prelude.segments.iter().map(|segment| segment.log);
        let no_segment = || VerifyError::from(EvidenceError::Malformed { what: "prelude", items: 0 });
        let mut log = logs.next().ok_or_else(no_segment)?;
        let (mut items, mut place) = (0u64, Place::default());
        loop {
            let item = file::read_item(&mut input, items).map_err(VerifyError::from)?;
            let Place { index, .. } = place;
            place.pass(&item);
            match item {
                Item::End => return Ok(()),
                Item::NextSegment => log = logs.next().ok_or_else(no_segment)?,
                Item::Skip { .. } => {}
                Item::Event { entry, body } => each(UnverifiedEvent::of(log, index, entry, body))?,
            }
            items = items.saturating_add(1);
        }
    })();
    source.check()?;
    result
}

/// The place of an item of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    /// The number of the segment, counted from 0.
    pub segment: usize,
    /// The index of the entry in the segment's log.
    pub index: u64,
}

impl Place {
    /// Goes on to the place of the item after this one.
    pub(crate) fn pass(&mut self, item: &Item) {
        let entries = match item {
            Item::End => 0,
            Item::NextSegment => {
                *self = Self { segment: self.segment.saturating_add(1), index: 0 };
                0
            }
            Item::Skip { level, .. } => 1u64.checked_shl((*level).into()).unwrap_or(u64::MAX),
            Item::Event { .. } => 1,
        };
        self.index = self.index.saturating_add(entries);
    }
}

impl UnverifiedSummary {
    fn of(prelude: &Prelude) -> Self {
        let Prelude { genesis, device, chain, segments } = prelude;
        let former = chain.former.iter().map(|proof| &proof.state);
        let anchors = former.chain([&chain.state]).map(|state| Some(&state.anchor));
        let anchors = anchors.chain(std::iter::repeat(None));
        let segments = segments.iter().zip(anchors).map(|(segment, anchor)| UnverifiedSegment {
            gateway: segment.log.gateway,
            log: segment.log,
            checkpoint: anchor.map(|anchor| anchor.checkpoint.clone()),
            anchored: anchor.map(|anchor| anchor.block),
            head: segment.head.entry.sequence,
        });
        Self {
            verified: false,
            genesis: *genesis,
            device: *device,
            record: chain.state.device.clone(),
            segments: segments.collect(),
            changes: chain.changes.len(),
        }
    }
}

impl UnverifiedEvent {
    pub(crate) fn of(log: LogId, index: u64, entry: LogEntry, body: ShownBody) -> Self {
        let LogEntry { event, received } = entry;
        let (disclosed, parts) = match body {
            ShownBody::Whole(body) => (Disclosed::Whole, body.parts.into_inner()),
            ShownBody::Parts(parts) => {
                let part = |disclosure: Disclosure| disclosure.part;
                (Disclosed::Parts, parts.into_iter().map(part).collect())
            }
            ShownBody::Withheld => (Disclosed::Withheld, Vec::new()),
            ShownBody::Erased => (Disclosed::Erased, Vec::new()),
        };
        Self {
            device: event.header.device,
            hash: event.header.hash(),
            sequence: event.header.sequence,
            log,
            index,
            time: event.header.time,
            received,
            kind: event.header.kind,
            signer: event.signer,
            body: disclosed,
            parts,
        }
    }
}
