//! The proof of a reading: from a disclosed part of an event's body up to an anchored root.

use crate::{
    body::Disclosure,
    event::EventError,
    merkle::{InclusionProof, Rfc9162, Sha2, Sha256},
    DeviceKey, EventHeader, EventKind, Hash, LogEntry, LogId, Part, Reading, Signer, Version,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Proves that a reading was signed and is in a log at an anchored size. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ReadingProof {
    /// The version of this format.
    pub version: Version<2>,
    /// The log.
    pub log: LogId,
    /// The size of the log at the anchored checkpoint.
    pub size: u64,
    /// The index of the entry in the log.
    pub index: u64,
    /// The log entry with the event.
    pub entry: LogEntry,
    /// Proves that the entry is in the log.
    pub inclusion: InclusionProof,
    /// The reading, with the proof that it is in the event's body.
    pub disclosure: Disclosure,
}

/// A reading that was proven. Only [`ReadingProof::verify`] constructs this type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenReading {
    reading: Reading,
    index: u64,
    sequence: u64,
    time: u64,
    received: u64,
    kind: EventKind,
    signer: Signer,
}

/// Why the proof of a reading is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadingProofError {
    /// The event is invalid.
    Event(EventError),
    /// The inclusion proof does not lead to the anchored root.
    Inclusion,
    /// The sequence is impossible: the log has too few entries before this one.
    Sequence {
        /// The sequence of the event.
        sequence: u64,
        /// The highest sequence that is possible at the entry's index.
        limit: u64,
    },
    /// The disclosed part does not belong to the event's body.
    Disclosure,
    /// The disclosed part is not a reading.
    NotAReading,
}

impl fmt::Display for ReadingProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Inclusion => f.write_str("the entry is not in the log at this checkpoint"),
            Self::Sequence { sequence, limit } => write!(
                f,
                "the event has sequence {sequence}, but at its position in the log at most {limit} is possible"
            ),
            Self::Disclosure => f.write_str("the disclosed part does not belong to the event's body"),
            Self::NotAReading => f.write_str("the disclosed part is not a reading"),
        }
    }
}

impl core::error::Error for ReadingProofError {}

impl ReadingProof {
    /// Verifies the proof against the device's key and the root that is anchored for [`Self::log`] at [`Self::size`].
    ///
    /// `first_sequence` is the sequence of the device's first event in this log. Sequences have no gaps, so the event at
    /// index `i` has at most the sequence `first_sequence + i`.
    pub fn verify(
        self,
        key: &DeviceKey,
        root: &Hash,
        first_sequence: u64,
    ) -> Result<ProvenReading, ReadingProofError> {
        self.verify_with::<Sha2>(key, root, first_sequence)
    }

    /// Like [`Self::verify`], with the SHA-256 of `S`.
    pub fn verify_with<S: Sha256>(
        self,
        key: &DeviceKey,
        root: &Hash,
        first_sequence: u64,
    ) -> Result<ProvenReading, ReadingProofError> {
        let Self { size, index, entry, inclusion, disclosure, .. } = self;
        let leaf = Rfc9162::<S>::new().leaf(&entry.digest_with::<S>());
        if !inclusion.verify_with::<S>(leaf, index, size, root) {
            return Err(ReadingProofError::Inclusion);
        }
        let (signer, received) = (entry.event.signer, entry.received);
        let event = entry.event.verify(key).map_err(ReadingProofError::Event)?;
        let header = &event.event().header;
        // The id is the hash of the device's first key. As long as keys cannot change, this binds the key to the event.
        if header.device != key.device_id() {
            return Err(ReadingProofError::Event(EventError::Device));
        }
        let limit = first_sequence.saturating_add(index);
        if header.sequence > limit {
            return Err(ReadingProofError::Sequence { sequence: header.sequence, limit });
        }
        if !header.kind.allows(&disclosure.part) {
            return Err(ReadingProofError::Event(EventError::Kind));
        }
        if !disclosure.verify(&header.body_hash) {
            return Err(ReadingProofError::Disclosure);
        }
        let Part::Reading(reading) = disclosure.part else { return Err(ReadingProofError::NotAReading) };
        let EventHeader { sequence, time, kind, .. } = *header;
        Ok(ProvenReading { reading, index, sequence, time, received, kind, signer })
    }
}

impl ProvenReading {
    /// Returns the reading: its name, unit, value, time and source.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Returns the index of the entry in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the sequence of the reading's event.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns when the event happened by its signer's clock, in milliseconds since 1970-01-01 UTC.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Returns when the gateway received the event by the gateway's clock, in milliseconds since 1970-01-01 UTC.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the kind of the event.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Returns the signer of the event.
    pub fn signer(&self) -> Signer {
        self.signer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        body::Body,
        event::VERSION,
        hash::Domain,
        merkle::{path_of_leaf, root_of_leaves, LOG_TREE},
        reading::{Name, Unit},
        signature::sign_sr25519,
        AccountId, Decimal, SignedEvent, Source, Text, Value,
    };

    const SIZE: u64 = 5;
    const INDEX: u64 = 3;
    /// The device's first sequence in the log, and the sequence of the proven event.
    const FIRST: u64 = 7;
    const SEQUENCE: u64 = 9;

    fn pair() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn key(label: &str) -> DeviceKey {
        DeviceKey::Hosted {
            gateway: AccountId(pair().public.to_bytes()),
            label: Text::try_from(label).unwrap(),
        }
    }

    fn reading(km: u32) -> Part {
        Part::Reading(Reading {
            name: Name::try_from("Vehicle.TraveledDistance").unwrap(),
            unit: Unit::try_from("km").unwrap(),
            value: Value::Decimal(Decimal::from(km)),
            time: 1,
            source: Source::try_from("obd:01A6").unwrap(),
        })
    }

    /// Returns the proof of an odometer reading in the fourth of five log entries, and the root of the log.
    fn proof() -> (ReadingProof, Hash) {
        proof_of_kind(EventKind::Readings)
    }

    fn proof_of_kind(kind: EventKind) -> (ReadingProof, Hash) {
        let gateway = AccountId(pair().public.to_bytes());
        let body = Body { seed: [4; 32], parts: vec![reading(1), reading(123)].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: key("car").device_id(),
            sequence: SEQUENCE,
            previous: Hash([8; 32]),
            time: 1,
            kind,
            body_hash: body.hash(),
        };
        let signature = sign_sr25519(&pair(), Domain::EventHeader, &header.hash());
        let entry = LogEntry {
            event: SignedEvent { header, signer: Signer::Gateway(gateway), signature },
            received: 2,
        };
        let leaves: Vec<Hash> =
            (0..SIZE).map(|n| if n == INDEX { entry.leaf() } else { Hash([n as u8; 32]) }).collect();
        let path = path_of_leaf(LOG_TREE, &leaves, INDEX).unwrap();
        let proof = ReadingProof {
            version: Version,
            log: LogId::first(gateway),
            size: SIZE,
            index: INDEX,
            entry,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(1).unwrap(),
        };
        (proof, root_of_leaves(LOG_TREE, &leaves))
    }

    #[test]
    fn a_reading_is_proven_up_to_the_root() {
        let (proof, root) = proof();
        let proven = proof.verify(&key("car"), &root, FIRST).unwrap();
        assert_eq!(Part::Reading(proven.reading().clone()), reading(123));
        assert_eq!((proven.index(), proven.sequence()), (INDEX, SEQUENCE));
        assert_eq!((proven.time(), proven.received()), (1, 2));
        let gateway = AccountId(pair().public.to_bytes());
        assert_eq!((proven.kind(), proven.signer()), (EventKind::Readings, Signer::Gateway(gateway)));
    }

    #[test]
    fn a_sequence_that_the_log_has_no_room_for_is_refused() {
        // At index 3, the fourth event of the device at the latest.
        for (first, is_possible) in
            [(SEQUENCE, true), (SEQUENCE - INDEX, true), (SEQUENCE - INDEX - 1, false)]
        {
            let (proof, root) = proof();
            assert_eq!(proof.verify(&key("car"), &root, first).is_ok(), is_possible, "{first}");
        }
    }

    #[test]
    fn a_reading_in_an_event_of_another_kind_is_refused() {
        for kind in [EventKind::Command, EventKind::Result, EventKind::Status] {
            let (proof, root) = proof_of_kind(kind);
            assert_eq!(
                proof.verify(&key("car"), &root, FIRST),
                Err(ReadingProofError::Event(EventError::Kind))
            );
        }
    }

    #[test]
    fn the_event_of_another_device_proves_nothing() {
        let (proof, root) = proof();
        // The gateway that signed the event hosts both devices, so only the device id differs.
        assert_eq!(
            proof.verify(&key("other car"), &root, FIRST),
            Err(ReadingProofError::Event(EventError::Device))
        );
    }

    #[test]
    fn each_broken_link_is_named_in_the_error() {
        type Break = fn(&mut ReadingProof);
        let breaks: [(ReadingProofError, Break); 6] = [
            (ReadingProofError::Inclusion, |p| p.index = 2),
            (ReadingProofError::Inclusion, |p| p.entry.received += 1),
            (ReadingProofError::Inclusion, |p| p.entry.event.signature = crate::Signature::Sr25519([1; 64])),
            (ReadingProofError::Disclosure, |p| p.disclosure.part = reading(124)),
            (ReadingProofError::Disclosure, |p| p.disclosure.salt = Hash::ZERO),
            (ReadingProofError::Disclosure, |p| p.disclosure.index = 0),
        ];
        for (error, change) in breaks {
            let (mut proof, root) = proof();
            change(&mut proof);
            assert_eq!(proof.verify(&key("car"), &root, FIRST), Err(error));
        }
        let (proof, _) = proof();
        assert_eq!(proof.verify(&key("car"), &Hash::ZERO, FIRST), Err(ReadingProofError::Inclusion));
    }

    #[test]
    fn changing_a_byte_cannot_change_the_meaning_of_a_proof() {
        let (honest, root) = proof();
        let proven = honest.clone().verify(&key("car"), &root, FIRST).unwrap();
        let bytes = honest.encode();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            let Ok(bent) = ReadingProof::decode(&mut &bent[..]) else { continue };
            match bent.clone().verify(&key("car"), &root, FIRST) {
                Err(_) => {}
                // The caller checks the log id when it looks up the anchored root.
                Ok(other) => assert!(other == proven && bent.log != honest.log, "byte {at}"),
            }
        }
    }
}
