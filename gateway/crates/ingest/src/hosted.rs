//! Events of hosted devices, which cannot sign: the gateway makes and signs them.

use super::{devices::Device, IngestError};
use std::sync::Arc;
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
    fn new(kind: EventKind, parts: Vec<Part>) -> Result<Self, IngestError> {
        let count = parts.len();
        let parts = BoundedVec::try_from(parts).map_err(|_| IngestError::TooMany { count })?;
        let body = Body { seed: rand::random(), parts };
        Ok(Self { kind, body, time: streembit_clock::now_ms() })
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }
}

/// The content of an event with readings.
pub(super) fn readings(readings: Vec<Reading>) -> Result<Content, IngestError> {
    match readings.len() {
        0 => Err(IngestError::Empty),
        count if count > MAX_PARTS as usize => Err(IngestError::TooMany { count }),
        _ => Content::new(EventKind::Readings, readings.into_iter().map(Part::Reading).collect()),
    }
}

/// The content of a status event.
pub(super) fn status(text: &str) -> Result<Content, IngestError> {
    Content::new(EventKind::Status, vec![Part::Status(Text::try_from(text)?)])
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
