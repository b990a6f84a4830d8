//! Events of hosted devices, which cannot sign: the gateway makes and signs them.

use super::{clock_mark, devices::Device, IngestError};
use std::sync::Arc;
use streembit_clock::{now_ms, ClockState};
use streembit_keystore::KeyPair;
use streembit_log::{Head, NewEntry, Proposal};
use streembit_primitives::{
    body::MAX_PARTS, event::VERSION, hash::Domain, Body, BoundedVec, EventHeader, EventKind, LogId, Part,
    Reading, SignedEvent, Signer, Text,
};

/// The content of an event whose place in the device's history is not known yet.
pub(super) struct Content {
    kind: EventKind,
    body: Body,
    /// The gateway's clock, in milliseconds since the Unix epoch.
    time: u64,
}

impl Content {
    fn new(kind: EventKind, parts: Vec<Part>, time: u64) -> Result<Self, IngestError> {
        let count = parts.len();
        let parts = BoundedVec::try_from(parts).map_err(|_| IngestError::TooMany { count })?;
        let body = Body { seed: rand::random(), parts };
        Ok(Self { kind, body, time })
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }
}

/// Returns true if an event with this many readings has no room for the mark of a wrong clock.
pub(super) fn is_full(readings: usize) -> bool {
    readings >= MAX_PARTS as usize
}

/// The content of an event with readings, marked if the clock is wrong and there is room.
pub(super) fn readings(readings: Vec<Reading>, clock: ClockState) -> Result<Content, IngestError> {
    let count = readings.len();
    match count {
        0 => Err(IngestError::Empty),
        count if count > MAX_PARTS as usize => Err(IngestError::TooMany { count }),
        _ => {
            let time = now_ms();
            let mark = clock_mark::reading(clock, time).filter(|_| !is_full(count));
            let parts = readings.into_iter().map(Part::Reading).chain(mark).collect();
            Content::new(EventKind::Readings, parts, time)
        }
    }
}

/// The content of a status event, marked if the clock is wrong.
pub(super) fn status(text: &str, clock: ClockState) -> Result<Content, IngestError> {
    let parts = [Part::Status(Text::try_from(text)?)].into_iter().chain(clock_mark::status(clock));
    Content::new(EventKind::Status, parts.collect(), now_ms())
}

/// Proposes an event that is signed on the log's writer thread, once its place in the device's history is known.
pub(super) fn propose(content: Content, device: Arc<Device>, log: LogId, keys: Arc<KeyPair>) -> Proposal {
    let (id, body_hash) = (device.id(), content.body.hash());
    let make = move |head: Option<&Head>| {
        let (sequence, previous) = device.next(&log, head)?;
        let header = EventHeader {
            version: VERSION,
            device: id,
            sequence,
            previous,
            time: content.time,
            kind: content.kind,
            body_hash,
        };
        let signature = keys.sign(Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Gateway(keys.account()), signature };
        // Verify our own signature too, so that faulty memory cannot put an invalid event into the log.
        let event = event.verify(device.key_at(sequence).key())?;
        Ok(device.with_lineage(NewEntry::new(event, &content.body, content.time)?))
    };
    Proposal::Next { device: id, make: Box::new(make) }
}
