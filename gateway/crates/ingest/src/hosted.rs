//! Events of devices that cannot sign: the gateway makes and signs them.

use super::IngestError;
use std::{collections::HashMap, sync::Arc};
use streembit_keystore::KeyPair;
use streembit_log::{Head, NewEntry, Proposal};
use streembit_primitives::{
    body::MAX_PARTS,
    event::{EventError, ParsedDeviceKey, VERSION},
    hash::Domain,
    Body, BoundedVec, DeviceId, EventHeader, EventKind, Hash, Part, Reading, SignedEvent, Signer, Text,
};

/// What an event is to say, before it has its place.
pub(super) struct Content {
    kind: EventKind,
    body: Body,
    /// The gateway's clock, in milliseconds since 1970-01-01 UTC.
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

pub(super) fn readings(readings: Vec<Reading>) -> Result<Content, IngestError> {
    match readings.len() {
        0 => Err(IngestError::Empty),
        count if count > MAX_PARTS as usize => Err(IngestError::TooMany { count }),
        _ => Content::new(EventKind::Readings, readings.into_iter().map(Part::Reading).collect()),
    }
}

pub(super) fn status(text: &str) -> Result<Content, IngestError> {
    Content::new(EventKind::Status, vec![Part::Status(Text::try_from(text)?)])
}

/// The event that is signed once it is known what it follows.
pub(super) fn propose(
    content: Content,
    device: DeviceId,
    keys: Arc<KeyPair>,
    devices: Arc<HashMap<DeviceId, ParsedDeviceKey>>,
) -> Proposal {
    let body_hash = content.body.hash();
    let make = move |head: Option<&Head>| {
        let key = devices.get(&device).ok_or(EventError::Device)?;
        let header = EventHeader {
            version: VERSION,
            device,
            sequence: head.map_or(0, |head| head.sequence.saturating_add(1)),
            previous: head.map_or(Hash::ZERO, |head| head.hash),
            time: content.time,
            kind: content.kind,
            body_hash,
        };
        let signature = keys.sign(Domain::EventHeader, &header.hash());
        let event = SignedEvent { header, signer: Signer::Gateway(keys.account()), signature };
        // Verified like any other: what a broken key or memory signed must not get into the log.
        let event = event.verify(key.key())?;
        NewEntry::new(event, &content.body, content.time)
    };
    Proposal::Next { device, make: Box::new(make) }
}
