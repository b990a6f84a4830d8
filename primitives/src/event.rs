//! Events: signed, ordered entries of one device, and the entries of a log that hold them.

use crate::{hash::Domain, AccountId, Body, DeviceId, Hash, Part, PublicKey, Signature};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The version of the formats in this module.
pub const VERSION: u8 = 1;

/// What a device (or its gateway) signs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventHeader {
    /// [`VERSION`].
    pub version: u8,
    /// Whose event it is.
    pub device: DeviceId,
    /// The event's place in the device's history, from 0 and without gaps.
    pub sequence: u64,
    /// The hash of the device's header before this one; [`Hash::ZERO`] at sequence 0.
    pub previous: Hash,
    /// When it happened by the signer's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// What the body's parts are.
    pub kind: EventKind,
    /// [`Body::hash`].
    pub body_hash: Hash,
}

/// What an event's body holds.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum EventKind {
    /// Readings.
    #[codec(index = 0)]
    Readings,
    /// The device's condition. (1 and 2 are for commands and their results.)
    #[codec(index = 3)]
    Status,
}

impl EventKind {
    /// Whether a part belongs into an event of this kind.
    pub fn admits(self, part: &Part) -> bool {
        matches!((self, part), (Self::Readings, Part::Reading(_)) | (Self::Status, Part::Status(_)))
    }
}

/// Whose signature an event carries; provenance is never blurred.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Signer {
    /// The device's own key.
    Device,
    /// The key of the gateway that hosts a device which cannot sign.
    Gateway(AccountId),
}

/// A header with its signature, not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedEvent {
    /// The header.
    pub header: EventHeader,
    /// Who signed it.
    pub signer: Signer,
    /// The signature over [`EventHeader::hash`].
    pub signature: Signature,
}

/// An event whose signature was checked against a key. Made by [`SignedEvent::verify`], by the same in batches
/// (module `batch`, with `std`), and by nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedEvent {
    event: SignedEvent,
    hash: Hash,
}

/// What a leaf of a log is: an event and when the gateway received it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct LogEntry {
    /// The event.
    pub event: SignedEvent,
    /// The gateway's clock when it was received, in milliseconds since 1970-01-01 UTC.
    pub received: u64,
}

/// What is wrong with an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventError {
    /// Of a version that this code does not know.
    Version(u8),
    /// The signature is not that of the key.
    Signature,
    /// Signed by the wrong side: a hosted device's event must be its gateway's, any other the device's own.
    Signer,
    /// The body is not the one that the header commits to.
    BodyHash,
    /// The body has a part of another kind than the header says.
    Kind,
    /// Another device's event.
    Device,
    /// Not the next of the device's sequence.
    Sequence {
        /// The sequence that would be next.
        expected: u64,
        /// The sequence that it has.
        found: u64,
    },
    /// Does not name the device's last header as its previous.
    Previous,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} of the event format is not known here"),
            Self::Signature => f.write_str("the signature is not that of the key"),
            Self::Signer => f.write_str("signed by the wrong side: device and gateway are confused"),
            Self::BodyHash => f.write_str("the body is not the one that the header commits to"),
            Self::Kind => f.write_str("the body has a part of another kind than the header says"),
            Self::Device => f.write_str("the event is another device's"),
            Self::Sequence { expected, found } => {
                write!(f, "sequence {found} where {expected} is next: an event is missing or doubled")
            }
            Self::Previous => {
                f.write_str("does not follow the device's last event: its previous hash is another")
            }
        }
    }
}

impl core::error::Error for EventError {}

impl EventHeader {
    /// What is signed, and what the next header names as its previous.
    pub fn hash(&self) -> Hash {
        Domain::EventHeader.hash_of(self)
    }

    /// Whether a body is the one that this header commits to.
    pub fn check_body(&self, body: &Body) -> Result<(), EventError> {
        if !body.parts.iter().all(|part| self.kind.admits(part)) {
            return Err(EventError::Kind);
        }
        if body.hash() != self.body_hash {
            return Err(EventError::BodyHash);
        }
        Ok(())
    }

    /// Whether this header follows a device's last one; `last` is `None` before the first event.
    pub fn check_follows(&self, last: Option<(u64, Hash)>) -> Result<(), EventError> {
        let (expected, previous) = match last {
            Some((sequence, hash)) => (sequence.saturating_add(1), hash),
            None => (0, Hash::ZERO),
        };
        if self.sequence != expected {
            return Err(EventError::Sequence { expected, found: self.sequence });
        }
        if self.previous != previous {
            return Err(EventError::Previous);
        }
        Ok(())
    }
}

impl SignedEvent {
    /// Checks version, signer and signature against the device's key.
    pub fn verify(self, key: &crate::DeviceKey) -> Result<VerifiedEvent, EventError> {
        let public = self.expected_key(key)?;
        let hash = self.header.hash();
        if !public.verify(Domain::EventHeader, &hash, &self.signature) {
            return Err(EventError::Signature);
        }
        Ok(VerifiedEvent { event: self, hash })
    }

    /// The key that must have signed, where the signer is the right side.
    pub(crate) fn expected_key(&self, key: &crate::DeviceKey) -> Result<PublicKey, EventError> {
        if self.header.version != VERSION {
            return Err(EventError::Version(self.header.version));
        }
        match (key, self.signer) {
            (crate::DeviceKey::Own(public), Signer::Device) => Ok(*public),
            (crate::DeviceKey::Hosted { gateway, .. }, Signer::Gateway(signer)) if *gateway == signer => {
                Ok(PublicKey::Sr25519(gateway.0))
            }
            _ => Err(EventError::Signer),
        }
    }
}

impl VerifiedEvent {
    /// Says that the signature over `hash`, which is the header's, was checked.
    #[cfg(feature = "std")]
    pub(crate) fn checked(event: SignedEvent, hash: Hash) -> Self {
        Self { event, hash }
    }

    /// The event.
    pub fn event(&self) -> &SignedEvent {
        &self.event
    }

    /// The hash of its header: what was signed.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The event, given away.
    pub fn into_event(self) -> SignedEvent {
        self.event
    }
}

impl LogEntry {
    /// The leaf of the log's tree.
    pub fn leaf(&self) -> Hash {
        Domain::LogLeaf.hash_of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signature::sign_sr25519, DeviceKey, Text};

    fn pair() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn header() -> EventHeader {
        EventHeader {
            version: VERSION,
            device: DeviceId([1; 32]),
            sequence: 0,
            previous: Hash::ZERO,
            time: 1,
            kind: EventKind::Status,
            body_hash: Hash([2; 32]),
        }
    }

    fn signed(signer: Signer) -> SignedEvent {
        let signature = sign_sr25519(&pair(), Domain::EventHeader, &header().hash());
        SignedEvent { header: header(), signer, signature }
    }

    #[test]
    fn the_signer_is_never_blurred() {
        let gateway = AccountId(pair().public.to_bytes());
        let own = DeviceKey::Own(PublicKey::Sr25519(gateway.0));
        let hosted = DeviceKey::Hosted { gateway, label: Text::try_from("car").unwrap() };
        assert!(signed(Signer::Device).verify(&own).is_ok());
        assert!(signed(Signer::Gateway(gateway)).verify(&hosted).is_ok());
        // The same key, but claimed for the other side.
        assert_eq!(signed(Signer::Device).verify(&hosted), Err(EventError::Signer));
        assert_eq!(signed(Signer::Gateway(gateway)).verify(&own), Err(EventError::Signer));
        assert_eq!(signed(Signer::Gateway(AccountId([0; 32]))).verify(&hosted), Err(EventError::Signer));
    }

    #[test]
    fn every_field_is_signed() {
        let own = DeviceKey::Own(PublicKey::Sr25519(pair().public.to_bytes()));
        let changes: [fn(&mut EventHeader); 6] = [
            |h| h.device = DeviceId([9; 32]),
            |h| h.sequence = 1,
            |h| h.previous = Hash([9; 32]),
            |h| h.time = 2,
            |h| h.kind = EventKind::Readings,
            |h| h.body_hash = Hash([9; 32]),
        ];
        for change in changes {
            let mut event = signed(Signer::Device);
            change(&mut event.header);
            assert_eq!(event.verify(&own), Err(EventError::Signature));
        }
        let mut event = signed(Signer::Device);
        event.header.version = 2;
        assert_eq!(event.verify(&own), Err(EventError::Version(2)));
    }

    #[test]
    fn a_sequence_has_no_gaps_and_no_forks() {
        let first = header();
        assert_eq!(first.check_follows(None), Ok(()));
        let mut second = header();
        second.sequence = 1;
        second.previous = first.hash();
        assert_eq!(second.check_follows(Some((0, first.hash()))), Ok(()));
        assert_eq!(second.check_follows(Some((0, Hash::ZERO))), Err(EventError::Previous));
        assert_eq!(second.check_follows(None), Err(EventError::Sequence { expected: 0, found: 1 }));
        assert!(second.check_follows(Some((u64::MAX, first.hash()))).is_err());
    }
}
