//! The proof of a reading: from a disclosed part of an event's body up to an anchored root.

use crate::{
    body::Disclosure,
    device::DeviceRecord,
    event::EventError,
    merkle::{InclusionProof, Rfc9162, Sha2, Sha256},
    EventHeader, EventKind, Hash, LogEntry, LogId, Part, Reading, Signer, Version,
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
    /// The event is declared lost.
    Lost,
    /// The device's event with this sequence belongs to another log.
    Log,
    /// The entry was anchored after the device's period in this log ended.
    AfterPeriod {
        /// The size of the log at the end of the period.
        size: u64,
    },
    /// The sequence is impossible: the log has too few entries before this one.
    Sequence {
        /// The sequence of the event.
        sequence: u64,
        /// The lowest index at which the log can have it.
        lowest: u64,
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
            Self::Lost => f.write_str("the event is declared lost"),
            Self::Log => f.write_str("the device's event with this sequence belongs to another log"),
            Self::AfterPeriod { size } => {
                write!(
                    f,
                    "the device left this log when {size} entries were anchored, and this entry came later"
                )
            }
            Self::Sequence { sequence, lowest } => {
                write!(
                    f,
                    "the log can have the event with sequence {sequence} at the index {lowest} at the lowest"
                )
            }
            Self::Disclosure => f.write_str("the disclosed part does not belong to the event's body"),
            Self::NotAReading => f.write_str("the disclosed part is not a reading"),
        }
    }
}

impl core::error::Error for ReadingProofError {}

impl ReadingProof {
    /// Verifies the proof against the device's record and the root that is anchored for [`Self::log`] at [`Self::size`].
    ///
    /// The record tells which key signs the event and which log it is in. Sequences have no gaps, so the log has all of
    /// the device's events that belong to it and come before this one, except the lost ones. An entry that the gateway of a
    /// former log appended after the device left is rejected.
    pub fn verify(self, record: &DeviceRecord, root: &Hash) -> Result<ProvenReading, ReadingProofError> {
        self.verify_with::<Sha2>(record, root)
    }

    /// Like [`Self::verify`], with the SHA-256 of `S`.
    pub fn verify_with<S: Sha256>(
        self,
        record: &DeviceRecord,
        root: &Hash,
    ) -> Result<ProvenReading, ReadingProofError> {
        let Self { log, size, index, entry, inclusion, disclosure, .. } = self;
        let leaf = Rfc9162::<S>::new().leaf(&entry.digest_with::<S>());
        if !inclusion.verify_with::<S>(leaf, index, size, root) {
            return Err(ReadingProofError::Inclusion);
        }
        let (signer, received) = (entry.event.signer, entry.received);
        let sequence = entry.event.header.sequence;
        let event = entry.event.verify(&record.key_at(sequence).key).map_err(ReadingProofError::Event)?;
        let header = &event.event().header;
        if header.device != record.device_id() {
            return Err(ReadingProofError::Event(EventError::Device));
        }
        if record.is_lost(sequence) {
            return Err(ReadingProofError::Lost);
        }
        let lowest = record.min_index(&log, sequence).ok_or(ReadingProofError::Log)?;
        if let Some(size) = record.log_at(sequence).until_size.filter(|size| index >= *size) {
            return Err(ReadingProofError::AfterPeriod { size });
        }
        if index < lowest {
            return Err(ReadingProofError::Sequence { sequence, lowest });
        }
        if !header.kind.allows(&disclosure.part) {
            return Err(ReadingProofError::Event(EventError::Kind));
        }
        if !disclosure.verify(&header.body_hash) {
            return Err(ReadingProofError::Disclosure);
        }
        let Part::Reading(reading) = disclosure.part else { return Err(ReadingProofError::NotAReading) };
        let EventHeader { time, kind, .. } = *header;
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
        device::{ChangeTime, KeyChange, LabelHash},
        event::VERSION,
        hash::Domain,
        merkle::{path_of_leaf, root_of_leaves, LOG_TREE},
        reading::{Name, Unit},
        signature::sign_sr25519,
        AccountId, Decimal, DeviceKey, PartyId, PublicKey, SignedEvent, Source, Value,
    };

    const SIZE: u64 = 5;
    const INDEX: u64 = 3;
    /// The device's first sequence in the log, and the sequence of the proven event.
    const FIRST: u64 = 7;
    const SEQUENCE: u64 = 9;
    const AT: ChangeTime = ChangeTime { block: 1, time: 1 };

    fn pair() -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn gateway() -> AccountId {
        AccountId(pair().public.to_bytes())
    }

    fn key(label: &str) -> DeviceKey {
        DeviceKey::Hosted { gateway: gateway(), label: LabelHash::new(&[0; 32], label) }
    }

    /// The record of a device whose first event in the log has the sequence `first`. It was in another epoch before.
    fn record_from(label: &str, first: u64) -> DeviceRecord {
        let before = LogId { gateway: gateway(), epoch: 1 };
        let mut record = DeviceRecord::new(key(label), PartyId([5; 32]), before, AT);
        record.assign(LogId::first(gateway()), None, first, first, u64::MAX, AT).unwrap();
        record
    }

    fn record() -> DeviceRecord {
        record_from("car", FIRST)
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
        let gateway = gateway();
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
        let proven = proof.verify(&record(), &root).unwrap();
        assert_eq!(Part::Reading(proven.reading().clone()), reading(123));
        assert_eq!((proven.index(), proven.sequence()), (INDEX, SEQUENCE));
        assert_eq!((proven.time(), proven.received()), (1, 2));
        assert_eq!((proven.kind(), proven.signer()), (EventKind::Readings, Signer::Gateway(gateway())));
    }

    #[test]
    fn a_sequence_that_the_log_has_no_room_for_is_refused() {
        // At index 3, the fourth event of the device at the latest.
        for (first, is_possible) in
            [(SEQUENCE, true), (SEQUENCE - INDEX, true), (SEQUENCE - INDEX - 1, false)]
        {
            let (proof, root) = proof();
            assert_eq!(proof.verify(&record_from("car", first), &root).is_ok(), is_possible, "{first}");
        }
    }

    #[test]
    fn a_reading_in_an_event_of_another_kind_is_refused() {
        for kind in [EventKind::Command, EventKind::Result, EventKind::Status] {
            let (proof, root) = proof_of_kind(kind);
            assert_eq!(proof.verify(&record(), &root), Err(ReadingProofError::Event(EventError::Kind)));
        }
    }

    #[test]
    fn the_event_of_another_device_proves_nothing() {
        let (proof, root) = proof();
        // The gateway that signed the event hosts both devices, so only the device id differs.
        assert_eq!(
            proof.verify(&record_from("other car", FIRST), &root),
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
            assert_eq!(proof.verify(&record(), &root), Err(error));
        }
        let (proof, _) = proof();
        assert_eq!(proof.verify(&record(), &Hash::ZERO), Err(ReadingProofError::Inclusion));
    }

    #[test]
    fn changing_a_byte_cannot_change_the_meaning_of_a_proof() {
        let (honest, root) = proof();
        let proven = honest.clone().verify(&record(), &root).unwrap();
        let bytes = honest.encode();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            let Ok(bent) = ReadingProof::decode(&mut &bent[..]) else { continue };
            match bent.clone().verify(&record(), &root) {
                Err(_) => {}
                Ok(other) => panic!("byte {at} of {proven:?} changed: {other:?}"),
            }
        }
    }

    #[test]
    fn the_key_and_the_log_are_those_of_the_sequence() {
        let other = DeviceKey::Own(PublicKey::Ed25519([3; 32]));
        let verify = |change: fn(&mut DeviceRecord, DeviceKey)| {
            let (mut record, (proof, root)) = (record(), proof());
            change(&mut record, other.clone());
            proof.verify(&record, &root).map(|proven| proven.sequence())
        };
        // A new key counts from its sequence on, and the old one no longer.
        assert_eq!(
            verify(|r, key| r.set_key(key, SEQUENCE + 1, KeyChange::Rotated, FIRST, AT).unwrap()),
            Ok(SEQUENCE)
        );
        assert_eq!(
            verify(|r, key| r.set_key(key, SEQUENCE, KeyChange::Rotated, FIRST, AT).unwrap()),
            Err(ReadingProofError::Event(EventError::Signer))
        );
        // The same for the log.
        assert_eq!(
            verify(|r, _| r
                .assign(LogId { epoch: 2, ..r.log() }, None, SEQUENCE + 1, SEQUENCE + 1, u64::MAX, AT)
                .unwrap()),
            Ok(SEQUENCE)
        );
        assert_eq!(
            verify(|r, _| r
                .assign(LogId { epoch: 2, ..r.log() }, None, SEQUENCE, SEQUENCE, u64::MAX, AT)
                .unwrap()),
            Err(ReadingProofError::Log)
        );
        assert_eq!(
            verify(|r, _| r.declare_lost(SEQUENCE, SEQUENCE + 1, AT).unwrap()),
            Err(ReadingProofError::Lost)
        );
        // A former host appends an event of the past to its log.
        for (size, expected) in
            [(INDEX + 1, Ok(SEQUENCE)), (INDEX, Err(ReadingProofError::AfterPeriod { size: INDEX }))]
        {
            let (mut record, (proof, root)) = (record(), proof());
            let next = LogId { epoch: 2, ..record.log() };
            record.assign(next, None, SEQUENCE + 1, SEQUENCE + 1, size, AT).unwrap();
            assert_eq!(proof.verify(&record, &root).map(|proven| proven.sequence()), expected);
        }
        // Lost events take no place in the log: with two of them lost, the proven event fits at its index.
        let (proof, root) = proof();
        let mut record = record_from("car", SEQUENCE - INDEX - 2);
        record.declare_lost(SEQUENCE - INDEX - 2, SEQUENCE - INDEX, AT).unwrap();
        assert!(proof.verify(&record, &root).is_ok());
    }
}
