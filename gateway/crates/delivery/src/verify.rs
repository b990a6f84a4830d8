//! What a subscriber believes: nothing but what it has verified.

use super::wire::{Content, Delivered};
use serde_json::{json, Value};
use streembit_primitives::{
    device::DeviceRecord, event::EventError, AccountId, DeviceId, Hash, LogEntry, LogId, Part, Signer,
};

/// What is wrong with a delivered event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The event itself.
    #[error("{0}")]
    Event(#[from] EventError),
    /// A disclosed part.
    #[error("a disclosed part is not one of the event's body, or is shown twice")]
    Disclosure,
    /// A place in another log.
    #[error("its place is in a log of {found}, another gateway")]
    Log {
        /// The log's gateway.
        found: AccountId,
    },
    /// Not where the chain's anchor says.
    #[error("it is not in the log that the chain has anchored at {size} entries: the gateway shows another history")]
    Inclusion {
        /// The anchored size.
        size: u64,
    },
}

/// How far a subscriber is in a device's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The next sequence.
    pub next: u64,
    /// The hash of the header before it; [`Hash::ZERO`] at the beginning.
    pub previous: Hash,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self { next: 0, previous: Hash::ZERO };

    /// The last event's sequence and hash.
    fn last(&self) -> Option<(u64, Hash)> {
        self.next.checked_sub(1).map(|sequence| (sequence, self.previous))
    }
}

/// An event that was verified, up to the anchor; see `Verifier`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// Its place in the gateway's log.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// The parts that may be seen, with their places in the body.
    pub parts: Vec<(u32, Part)>,
    /// Whether these are all parts.
    pub complete: bool,
    /// Whether there are none because the body was erased, as the gateway says.
    pub erased: bool,
    /// The anchored size of the log that it was proven to be in; `None` where the chain has not anchored it yet, or
    /// no longer keeps the root of that size.
    pub anchored: Option<u64>,
}

/// Checks the events of one device, one after the other.
pub(super) struct Verifier {
    device: DeviceId,
    record: DeviceRecord,
    position: Position,
}

impl Verifier {
    pub fn new(device: DeviceId, record: DeviceRecord, position: Position) -> Self {
        Self { device, record, position }
    }

    /// The log and size of whose root the next check wants to know.
    pub fn wanted_root(event: &Delivered) -> Option<(LogId, u64)> {
        event.anchored.as_ref().map(|inclusion| (inclusion.log, inclusion.size))
    }

    /// Checks one event against the device's key, the events before it, its body, and the root that the chain has
    /// anchored for [`Verifier::wanted_root`], where it keeps it. What fails changes nothing.
    pub fn check(&mut self, delivered: Delivered, root: Option<Hash>) -> Result<Received, VerifyError> {
        let anchored = self.check_place(&delivered, root)?;
        let Delivered { index, entry, content, .. } = delivered;
        if entry.event.header.device != self.device {
            return Err(EventError::Device.into());
        }
        let event = entry.event.clone().verify(&self.record.key)?;
        let header = &event.event().header;
        header.ensure_follows(self.position.last())?;
        let erased = content == Content::Erased;
        let (parts, complete) = check_content(header, content)?;
        self.position = Position { next: header.sequence.saturating_add(1), previous: header.hash() };
        Ok(Received { index, entry, parts, complete, erased, anchored })
    }

    fn check_place(&self, event: &Delivered, root: Option<Hash>) -> Result<Option<u64>, VerifyError> {
        let Some(inclusion) = &event.anchored else { return Ok(None) };
        if inclusion.log.gateway != self.record.gateway {
            return Err(VerifyError::Log { found: inclusion.log.gateway });
        }
        let Some(root) = root else { return Ok(None) };
        if inclusion.proof.verify(event.entry.leaf(), event.index, inclusion.size, &root) {
            Ok(Some(inclusion.size))
        } else {
            Err(VerifyError::Inclusion { size: inclusion.size })
        }
    }

    /// How far it is.
    pub fn position(&self) -> Position {
        self.position
    }
}

fn check_content(
    header: &streembit_primitives::EventHeader,
    content: Content,
) -> Result<(Vec<(u32, Part)>, bool), VerifyError> {
    let parts = match content {
        Content::Body(body) => {
            header.verify_body(&body)?;
            return Ok(((0u32..).zip(body.parts).collect(), true));
        }
        Content::Disclosed(parts) => parts,
        Content::Erased => return Ok((Vec::new(), false)),
    };
    let ascending = parts.windows(2).all(|pair| matches!(pair, [a, b] if a.index < b.index));
    if !ascending || !parts.iter().all(|part| part.verify(&header.body_hash)) {
        return Err(VerifyError::Disclosure);
    }
    if !parts.iter().all(|part| header.kind.allows(&part.part)) {
        return Err(EventError::Kind.into());
    }
    let complete = parts.first().is_some_and(|first| first.count as usize == parts.len());
    Ok((parts.into_iter().map(|part| (part.index, part.part)).collect(), complete))
}

impl Received {
    /// The event's place in the device's history.
    pub fn sequence(&self) -> u64 {
        self.entry.event.header.sequence
    }

    /// As one JSON object.
    pub fn to_json(&self) -> Value {
        let header = &self.entry.event.header;
        let signer = match self.entry.event.signer {
            Signer::Device => json!({ "kind": "device" }),
            Signer::Gateway(account) => {
                json!({ "kind": "gateway", "account": streembit_keystore::account::show(&account) })
            }
        };
        let readings = self.parts.iter().filter_map(|(_, part)| match part {
            Part::Reading(reading) => Some(reading),
            Part::Status(_) => None,
        });
        let status = self.parts.iter().filter_map(|(_, part)| match part {
            Part::Status(text) => Some(text.as_str()),
            Part::Reading(_) => None,
        });
        json!({
            "device": header.device,
            "sequence": header.sequence,
            "index": self.index,
            "time": header.time,
            "received": self.entry.received,
            "kind": header.kind,
            "hash": header.hash(),
            "signer": signer,
            "readings": readings.collect::<Vec<_>>(),
            "status": status.collect::<Vec<_>>(),
            "complete": self.complete,
            "erased": self.erased,
            "anchored": self.anchored,
        })
    }
}
