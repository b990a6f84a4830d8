//! The proof of one reading: from a disclosed part of a body up to an anchored root.

use crate::{
    body::Disclosure, event::EventError, merkle::InclusionProof, DeviceKey, Hash, LogEntry, LogId, Part,
    Reading,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Claims that a reading was signed, and is in a log at an anchored size. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ReadingProof {
    /// The log.
    pub log: LogId,
    /// The size of the log at the checkpoint.
    pub size: u64,
    /// The entry's place in the log.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// The way from the entry to the checkpoint's root.
    pub inclusion: InclusionProof,
    /// The reading, and its way to the body's hash.
    pub disclosure: Disclosure,
}

/// A reading that was proven. Made by [`ReadingProof::verify`] and by nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenReading {
    reading: Reading,
    sequence: u64,
}

/// What is wrong with a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofError {
    /// The event's own fault.
    Event(EventError),
    /// The entry is not in the log at that checkpoint.
    Inclusion,
    /// The disclosed part is not in the event's body.
    Disclosure,
    /// The disclosed part is no reading.
    NotAReading,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::Inclusion => f.write_str("the entry is not in the log at that checkpoint"),
            Self::Disclosure => f.write_str("the disclosed part is not one of the event's body"),
            Self::NotAReading => f.write_str("the disclosed part is not a reading"),
        }
    }
}

impl core::error::Error for ProofError {}

impl ReadingProof {
    /// Checks everything against a device's key and the root anchored for ([`Self::log`], [`Self::size`]).
    pub fn verify(self, key: &DeviceKey, root: &Hash) -> Result<ProvenReading, ProofError> {
        if !self.inclusion.verify(self.entry.leaf(), self.index, self.size, root) {
            return Err(ProofError::Inclusion);
        }
        let event = self.entry.event.verify(key).map_err(ProofError::Event)?;
        let header = &event.event().header;
        // The id is the hash of the device's first key: while keys do not rotate, this ties the key to the event.
        if header.device != key.device_id() {
            return Err(ProofError::Event(EventError::Device));
        }
        if !self.disclosure.verify(&header.body_hash) {
            return Err(ProofError::Disclosure);
        }
        match self.disclosure.part {
            Part::Reading(reading) => Ok(ProvenReading { reading, sequence: header.sequence }),
            Part::Status(_) => Err(ProofError::NotAReading),
        }
    }
}

impl ProvenReading {
    /// The reading.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The place of its event in the device's history.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        body::Body,
        event::{EventHeader, EventKind, Signer, VERSION},
        hash::Domain,
        merkle::{path_of, root_of},
        reading::{Name, Unit},
        signature::sign_sr25519,
        AccountId, Decimal, SignedEvent, Source, Text, Value,
    };

    const SIZE: u64 = 5;
    const INDEX: u64 = 3;

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
            source: Source::Obd { service: 1, pid: 0xA6 },
        })
    }

    /// A log of five entries of which the fourth is the car's; and the proof of its odometer.
    fn proof() -> (ReadingProof, Hash) {
        let gateway = AccountId(pair().public.to_bytes());
        let body = Body { seed: [4; 32], parts: vec![reading(1), reading(123)].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: key("car").device_id(),
            sequence: 9,
            previous: Hash([8; 32]),
            time: 1,
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        let signature = sign_sr25519(&pair(), Domain::EventHeader, &header.hash());
        let entry = LogEntry {
            event: SignedEvent { header, signer: Signer::Gateway(gateway), signature },
            received: 2,
        };
        let leaves: Vec<Hash> =
            (0..SIZE).map(|n| if n == INDEX { entry.leaf() } else { Hash([n as u8; 32]) }).collect();
        let path = path_of(Domain::LogNode, &leaves, INDEX).unwrap();
        let proof = ReadingProof {
            log: LogId { gateway, epoch: 0 },
            size: SIZE,
            index: INDEX,
            entry,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(1).unwrap(),
        };
        (proof, root_of(Domain::LogNode, &leaves))
    }

    #[test]
    fn a_reading_is_proven_up_to_the_root() {
        let (proof, root) = proof();
        let proven = proof.verify(&key("car"), &root).unwrap();
        assert_eq!(Part::Reading(proven.reading().clone()), reading(123));
        assert_eq!(proven.sequence(), 9);
    }

    #[test]
    fn another_devices_event_proves_nothing() {
        let (proof, root) = proof();
        // The same gateway hosts both and signed the event: only the device's id differs.
        assert_eq!(proof.verify(&key("other car"), &root), Err(ProofError::Event(EventError::Device)));
    }

    #[test]
    fn every_broken_link_is_named() {
        type Break = fn(&mut ReadingProof);
        let breaks: [(ProofError, Break); 6] = [
            (ProofError::Inclusion, |p| p.index = 2),
            (ProofError::Inclusion, |p| p.entry.received += 1),
            (ProofError::Inclusion, |p| p.entry.event.signature = crate::Signature::Sr25519([1; 64])),
            (ProofError::Disclosure, |p| p.disclosure.part = reading(124)),
            (ProofError::Disclosure, |p| p.disclosure.salt = Hash::ZERO),
            (ProofError::Disclosure, |p| p.disclosure.index = 0),
        ];
        for (error, change) in breaks {
            let (mut proof, root) = proof();
            change(&mut proof);
            assert_eq!(proof.verify(&key("car"), &root), Err(error));
        }
        let (proof, _) = proof();
        assert_eq!(proof.verify(&key("car"), &Hash::ZERO), Err(ProofError::Inclusion));
    }

    #[test]
    fn no_byte_of_a_proof_can_change_its_meaning() {
        let (honest, root) = proof();
        let proven = honest.clone().verify(&key("car"), &root).unwrap();
        let bytes = honest.encode();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            let Ok(bent) = ReadingProof::decode(&mut &bent[..]) else { continue };
            match bent.clone().verify(&key("car"), &root) {
                Err(_) => {}
                // The log's id is checked by whoever looks its root up.
                Ok(other) => assert!(other == proven && bent.log != honest.log, "byte {at}"),
            }
        }
    }
}
