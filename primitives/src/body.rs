//! Bodies of events: parts, each committed to separately and with its own salt.
//!
//! One part (an odometer) can be disclosed without the others (a position), and a body can be erased: what remains
//! in the log is a hash over salted commitments, from which nothing can be guessed.

use crate::{hash::Domain, merkle, Hash, Reading, Text};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The most parts that one body has; larger things travel by hash.
pub const MAX_PARTS: u32 = 64;

/// What an event says.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Body {
    /// 32 random bytes, from which the salts of the parts are derived.
    pub seed: [u8; 32],
    /// The parts, all of the kind that the header names.
    pub parts: BoundedVec<Part, ConstU32<MAX_PARTS>>,
}

/// One separately disclosable part of a body.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Part {
    /// A reading.
    #[codec(index = 0)]
    Reading(Reading),
    /// A word on the device's condition: connected, lost, plausible or not.
    #[codec(index = 3)]
    Status(Text<256>),
}

/// One part of a body with what ties it to the body's hash.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Disclosure {
    /// The part.
    pub part: Part,
    /// Its salt.
    pub salt: Hash,
    /// Its place in the body.
    pub index: u32,
    /// How many parts the body has.
    pub count: u32,
    /// The hashes beside the path from the part to the body's root.
    pub path: BoundedVec<Hash, ConstU32<7>>,
}

impl Body {
    /// The hash that a header commits to.
    pub fn hash(&self) -> Hash {
        let commitments = self.commitments();
        seal(commitments.len() as u64, &merkle::root_of(Domain::BodyNode, &commitments))
    }

    /// Discloses one part; `None` where the body has no such part.
    pub fn disclose(&self, index: u32) -> Option<Disclosure> {
        let part = self.parts.get(index as usize)?.clone();
        let path = merkle::path_of(Domain::BodyNode, &self.commitments(), u64::from(index))?;
        Some(Disclosure {
            part,
            salt: self.salt(index),
            index,
            count: self.parts.len() as u32,
            path: BoundedVec::try_from(path).ok()?,
        })
    }

    /// The readings among the parts.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reading(reading) => Some(reading),
            Part::Status(_) => None,
        })
    }

    fn salt(&self, index: u32) -> Hash {
        Domain::PartSalt.hash_of(&(self.seed, index))
    }

    fn commitments(&self) -> Vec<Hash> {
        (0u32..).zip(&self.parts).map(|(index, part)| commit(&self.salt(index), part)).collect()
    }
}

impl Disclosure {
    /// Whether this part is one of those that a body hash commits to.
    pub fn verify(&self, body_hash: &Hash) -> bool {
        let leaf = commit(&self.salt, &self.part);
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        merkle::climb(Domain::BodyNode, leaf, index, count, &self.path)
            .is_some_and(|root| seal(count, &root) == *body_hash)
    }
}

fn commit(salt: &Hash, part: &Part) -> Hash {
    Domain::Part.hash_of(&(salt, part))
}

fn seal(count: u64, root: &Hash) -> Hash {
    Domain::Body.hash_of(&(count, root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(count: u32) -> Body {
        let parts =
            (0..count).map(|n| Part::Status(Text::try_from(n.to_string()).unwrap())).collect::<Vec<_>>();
        Body { seed: [5; 32], parts: parts.try_into().unwrap() }
    }

    proptest! {
        #[test]
        fn every_part_discloses_alone(count in 1u32..=MAX_PARTS, at in 0u32..MAX_PARTS) {
            let body = body(count);
            let index = at % count;
            let disclosure = body.disclose(index).unwrap();
            prop_assert!(disclosure.verify(&body.hash()));

            let mut other = disclosure.clone();
            other.part = Part::Status(Text::try_from("other").unwrap());
            prop_assert!(!other.verify(&body.hash()));
            let mut moved = disclosure.clone();
            moved.index = (index + 1) % count;
            prop_assert!(count == 1 || !moved.verify(&body.hash()));
            let mut grown = disclosure;
            grown.count += 1;
            prop_assert!(!grown.verify(&body.hash()));
        }
    }

    #[test]
    fn the_hash_binds_seed_order_and_number() {
        let whole = body(3);
        let mut reseeded = whole.clone();
        reseeded.seed = [6; 32];
        let mut swapped = whole.clone();
        swapped.parts = swapped.parts.into_iter().rev().collect::<Vec<_>>().try_into().unwrap();
        let hashes = [whole.hash(), reseeded.hash(), swapped.hash(), body(2).hash(), body(0).hash()];
        for (i, a) in hashes.iter().enumerate() {
            assert!(hashes.iter().skip(i + 1).all(|b| a != b));
        }
        assert!(whole.disclose(3).is_none());
    }
}
