//! Forks: two events that one key signed for one place of a device's history. They prove that the key was copied, or that
//! its holder tells two stories; to whom each was shown does not matter.

use crate::{event::EventError, DeviceKey, SignedEvent};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Two events that are said to be signed for one place. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ForkProof {
    /// One of them.
    pub first: SignedEvent,
    /// The other.
    pub second: SignedEvent,
}

/// Why two events prove nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForkError {
    /// One of them was not signed by the device's key.
    Event(EventError),
    /// They are of different devices, or for different places.
    OtherPlace,
    /// They say the same: one event signed twice is no fork.
    Same,
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(error) => error.fmt(f),
            Self::OtherPlace => f.write_str("the two events are not for one place of one device's history"),
            Self::Same => f.write_str("the two events are the same"),
        }
    }
}

impl core::error::Error for ForkError {}

impl ForkProof {
    /// Whether one key signed two different events for one place.
    pub fn verify(&self, key: &DeviceKey) -> Result<(), ForkError> {
        let (first, second) = (&self.first.header, &self.second.header);
        if (first.device, first.sequence) != (second.device, second.sequence) {
            return Err(ForkError::OtherPlace);
        }
        if first == second {
            return Err(ForkError::Same);
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
    fn two_stories_for_one_place_are_proof_and_nothing_else_is() {
        let proof = |first, second| ForkProof { first, second };
        assert_eq!(proof(event(3, 1), event(3, 2)).verify(&key(7)), Ok(()));
        assert_eq!(proof(event(3, 1), event(4, 2)).verify(&key(7)), Err(ForkError::OtherPlace));
        // sr25519 signs differently each time: two signatures over one header are no two stories.
        assert_ne!(event(3, 1).signature, event(3, 1).signature);
        assert_eq!(proof(event(3, 1), event(3, 1)).verify(&key(7)), Err(ForkError::Same));
        let wrong = Err(ForkError::Event(EventError::Signature));
        assert_eq!(proof(event(3, 1), event(3, 2)).verify(&key(8)), wrong);
        let mut forged = event(3, 2);
        forged.header.time = 9;
        assert_eq!(proof(event(3, 1), forged).verify(&key(7)), wrong);
    }
}
