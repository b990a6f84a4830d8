//! Events: the signed, ordered entries of a device, and the log entries that contain them.
//!
//! `mod.rs` has the types and the verification of a single event. `batch.rs` verifies many events at once, with keys that
//! `parsed_key.rs` parses.

use crate::{
    hash::Domain,
    merkle::{leaf_hash, Sha2, Sha256},
    signature::SignatureError,
    AccountId, Body, DeviceId, DeviceKey, Hash, Part, PublicKey, Signature,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

#[cfg(feature = "std")]
mod batch;
#[cfg(feature = "std")]
mod parsed_key;
#[cfg(feature = "std")]
pub use batch::verify_batch;
#[cfg(feature = "std")]
pub use parsed_key::{ParsedDeviceKey, ParsedDeviceKeys};

/// The version of the header, and of the signed event, body and log entry that belong to it.
pub const VERSION: u8 = 1;

/// What precedes a log entry when it is hashed to the data of its leaf.
pub const ENTRY_DIGEST_PREFIX: &[u8] = b"streembit log entry v2";

/// The header of an event, which the device or its gateway signs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventHeader {
    /// The version of the format: [`VERSION`].
    pub version: u8,
    /// The device whose event this is.
    pub device: DeviceId,
    /// The position of the event in the device's history, counted from 0 without gaps.
    pub sequence: u64,
    /// The hash of the header of the device's previous event, or [`Hash::ZERO`] at sequence 0.
    pub previous: Hash,
    /// When the event happened by the signer's clock, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The kind of the parts in the body.
    pub kind: EventKind,
    /// The hash of the body: [`Body::hash`].
    pub body_hash: Hash,
}

/// The kind of an event.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum EventKind {
    /// The body contains readings.
    #[codec(index = 0)]
    Readings,
    /// The body contains a command that a party sent to the device.
    #[codec(index = 1)]
    Command,
    /// The body contains the result of a command.
    #[codec(index = 2)]
    Result,
    /// The body describes the condition of the device.
    #[codec(index = 3)]
    Status,
}

impl EventKind {
    /// Returns true if an event of this kind may contain the part.
    pub fn allows(self, part: &Part) -> bool {
        match part {
            Part::Reading(_) => self == Self::Readings,
            Part::Command(_) => self == Self::Command,
            Part::Result(_) => self == Self::Result,
            Part::Status(_) => self == Self::Status,
        }
    }
}

/// The signer of an event: the device itself or its gateway.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Signer {
    /// The device, with its own key.
    Device,
    /// The gateway with this account, on behalf of a device that cannot sign.
    Gateway(AccountId),
}

/// An event header with its signature. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct SignedEvent {
    /// The header.
    pub header: EventHeader,
    /// The signer.
    pub signer: Signer,
    /// The signature over [`EventHeader::hash`].
    pub signature: Signature,
}

/// An event whose signature was verified.
///
/// Only [`SignedEvent::verify`] and (with `std`) `verify_batch` construct this type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedEvent {
    event: SignedEvent,
    hash: Hash,
}

/// An entry of a log: an event and the time at which the gateway received it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct LogEntry {
    /// The event.
    pub event: SignedEvent,
    /// When the gateway received the event by the gateway's clock, in milliseconds since 1970-01-01 UTC.
    pub received: u64,
}

/// Why an event is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventError {
    /// The version of the event format is not supported.
    Version(u8),
    /// The signature is not valid for the key.
    Signature,
    /// The device's P-256 signature has a high s.
    HighS,
    /// The wrong side signed the event: the gateway must sign for a hosted device, and any other device must sign itself.
    Signer,
    /// The header commits to another body.
    BodyHash,
    /// The body contains a part that does not fit the kind in the header.
    Kind,
    /// The event is of another device.
    Device,
    /// The event is not the next one of the device.
    Sequence {
        /// The sequence of the next event.
        expected: u64,
        /// The sequence of this event.
        found: u64,
    },
    /// The header does not refer to the device's previous event.
    Previous,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} of the event format is not supported"),
            Self::Signature => f.write_str("the signature is not valid for the device's key"),
            Self::HighS => SignatureError::HighS.fmt(f),
            Self::Signer => f.write_str("signed by the wrong side: a gateway signs for a hosted device, any other device signs itself"),
            Self::BodyHash => f.write_str("the header commits to another body"),
            Self::Kind => f.write_str("the body contains a part that does not fit the kind in the header"),
            Self::Device => f.write_str("the event is of another device"),
            Self::Sequence { expected, found } => {
                write!(f, "sequence {found} instead of {expected}: an event is missing or repeated")
            }
            Self::Previous => {
                f.write_str("does not follow the device's last event: its `previous` is the hash of another event")
            }
        }
    }
}

impl core::error::Error for EventError {}

impl From<SignatureError> for EventError {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Invalid => Self::Signature,
            SignatureError::HighS => Self::HighS,
        }
    }
}

impl EventHeader {
    /// Returns the hash of the header. It is signed, and the device's next header refers to it.
    pub fn hash(&self) -> Hash {
        Domain::EventHeader.hash_of(self)
    }

    /// Verifies that this header commits to `body`, and that its parts fit the header's kind.
    pub fn verify_body(&self, body: &Body) -> Result<(), EventError> {
        if !body.parts.iter().all(|part| self.kind.allows(part)) {
            return Err(EventError::Kind);
        }
        if body.hash() != self.body_hash {
            return Err(EventError::BodyHash);
        }
        Ok(())
    }

    /// Ensures that this header follows the device's last one, given by its sequence and hash. `last` is `None` before the
    /// first event.
    pub fn ensure_follows(&self, last: Option<(u64, Hash)>) -> Result<(), EventError> {
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
    /// Verifies version, signer and signature against the key that the device's record has for this event's sequence.
    ///
    /// A key does not tell whose it is, so the caller checks that the event is of the device ([`EventHeader::device`]).
    pub fn verify(self, key: &DeviceKey) -> Result<VerifiedEvent, EventError> {
        let public = self.expected_key(key)?;
        let hash = self.header.hash();
        public.ensure_signed(Domain::EventHeader, &hash, &self.signature)?;
        Ok(VerifiedEvent { event: self, hash })
    }

    /// Returns the key that must have signed the event, or an error if the signer is the wrong side.
    fn expected_key(&self, key: &DeviceKey) -> Result<PublicKey, EventError> {
        if self.header.version != VERSION {
            return Err(EventError::Version(self.header.version));
        }
        match (key, self.signer) {
            (DeviceKey::Own(public), Signer::Device) => Ok(*public),
            (DeviceKey::Hosted { gateway, .. }, Signer::Gateway(signer)) if *gateway == signer => {
                Ok(PublicKey::Sr25519(gateway.0))
            }
            (DeviceKey::Own(_), Signer::Gateway(_)) | (DeviceKey::Hosted { .. }, _) => {
                Err(EventError::Signer)
            }
        }
    }
}

impl VerifiedEvent {
    /// Returns the event.
    pub fn event(&self) -> &SignedEvent {
        &self.event
    }

    /// Returns the hash of the event's header.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Converts into the event.
    pub fn into_event(self) -> SignedEvent {
        self.event
    }
}

impl LogEntry {
    /// Returns the digest of this entry: the data of its leaf in the log's tree.
    pub fn digest(&self) -> Hash {
        self.digest_with::<Sha2>()
    }

    /// Like [`Self::digest`], with the SHA-256 of `S`.
    pub fn digest_with<S: Sha256>(&self) -> Hash {
        self.using_encoded(entry_digest_with::<S>)
    }

    /// Returns the leaf of this entry in the log's tree.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.digest())
    }
}

/// Returns the digest of an entry from the entry's SCALE encoding.
pub fn entry_digest(entry: &[u8]) -> Hash {
    entry_digest_with::<Sha2>(entry)
}

fn entry_digest_with<S: Sha256>(entry: &[u8]) -> Hash {
    Hash(S::sha256(&[ENTRY_DIGEST_PREFIX, entry].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{device::LabelHash, signature::sign_sr25519, DeviceKey};

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
    fn the_signer_must_be_the_right_side() {
        let gateway = AccountId(pair().public.to_bytes());
        let own = DeviceKey::Own(PublicKey::Sr25519(gateway.0));
        let hosted = DeviceKey::Hosted { gateway, label: LabelHash([1; 32]) };
        assert!(signed(Signer::Device).verify(&own).is_ok());
        assert!(signed(Signer::Gateway(gateway)).verify(&hosted).is_ok());
        // The key is right, but the claimed signer is the other side.
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
        assert_eq!(first.ensure_follows(None), Ok(()));
        let mut second = header();
        second.sequence = 1;
        second.previous = first.hash();
        assert_eq!(second.ensure_follows(Some((0, first.hash()))), Ok(()));
        assert_eq!(second.ensure_follows(Some((0, Hash::ZERO))), Err(EventError::Previous));
        assert_eq!(second.ensure_follows(None), Err(EventError::Sequence { expected: 0, found: 1 }));
        assert!(second.ensure_follows(Some((u64::MAX, first.hash()))).is_err());
    }
}
