//! Forks: two different events with the same sequence, signed with the key that the device's record has for it.
//!
//! A fork proves that the key was copied, or that its holder signed two versions of one event. It does not matter who
//! received which of them.

use crate::{event::EventError, DeviceKey, SignedEvent};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Two events that are claimed to form a fork. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ForkProof {
    /// One of the events.
    pub first: SignedEvent,
    /// The other event.
    pub second: SignedEvent,
}

/// Why two events do not prove a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkError {
    /// One of the events was not signed with the device's key.
    Event(EventError),
    /// The events are of different devices, or have different sequences.
    DifferentPositions,
    /// The events are identical. Signing one event twice is not a fork.
    Identical,
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::DifferentPositions => {
                f.write_str("the two events are of different devices or have different sequences")
            }
            Self::Identical => f.write_str("the two events are identical"),
        }
    }
}

impl core::error::Error for ForkError {}

impl ForkProof {
    /// Verifies that `key` signed two different events of one device with the same sequence.
    ///
    /// `key` is the key that the device's record has for this sequence ([`crate::device::DeviceRecord::key_at`]): a key
    /// that does not count for it proves nothing.
    pub fn verify(&self, key: &DeviceKey) -> Result<(), ForkError> {
        let (first, second) = (&self.first.header, &self.second.header);
        if (first.device, first.sequence) != (second.device, second.sequence) {
            return Err(ForkError::DifferentPositions);
        }
        if first == second {
            return Err(ForkError::Identical);
        }
        for event in [&self.first, &self.second] {
            event.clone().verify(key).map_err(ForkError::Event)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventKind, Signer, VERSION},
        hash::Domain,
        signature::sign_sr25519,
        EventHeader, Hash, PublicKey,
    };

    fn pair(seed: u8) -> schnorrkel::Keypair {
        schnorrkel::MiniSecretKey::from_bytes(&[seed; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519)
    }

    fn key(seed: u8) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(pair(seed).public.to_bytes()))
    }

    fn event(sequence: u64, time: u64) -> SignedEvent {
        let header = EventHeader {
            version: VERSION,
            device: key(7).device_id(),
            sequence,
            previous: Hash::ZERO,
            time,
            kind: EventKind::Status,
            body_hash: Hash([2; 32]),
        };
        let signature = sign_sr25519(&pair(7), Domain::EventHeader, &header.hash());
        SignedEvent { header, signer: Signer::Device, signature }
    }

    #[test]
    fn two_different_events_with_one_sequence_prove_a_fork() {
        let proof = |first, second| ForkProof { first, second };
        assert_eq!(proof(event(3, 1), event(3, 2)).verify(&key(7)), Ok(()));
        assert_eq!(proof(event(3, 1), event(4, 2)).verify(&key(7)), Err(ForkError::DifferentPositions));
        // sr25519 signatures are randomised: two signatures over one header are not a fork.
        assert_ne!(event(3, 1).signature, event(3, 1).signature);
        assert_eq!(proof(event(3, 1), event(3, 1)).verify(&key(7)), Err(ForkError::Identical));
        let wrong = Err(ForkError::Event(EventError::Signature));
        assert_eq!(proof(event(3, 1), event(3, 2)).verify(&key(8)), wrong);
        let mut forged = event(3, 2);
        forged.header.time = 9;
        assert_eq!(proof(event(3, 1), forged).verify(&key(7)), wrong);
    }
}
