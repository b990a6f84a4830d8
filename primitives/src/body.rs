//! Event bodies. Each part of a body is committed to separately, with its own salt.
//!
//! A part (such as the odometer reading) can therefore be disclosed without the others (such as the position). A body can also be
//! erased: only a hash over salted commitments remains in the log, from which nobody can guess the content.

use crate::{hash::Domain, merkle, CommandResult, Hash, Reading, SignedCommand, Text, Value};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum number of parts in a body. Larger content is referred to by its hash.
pub const MAX_PARTS: u32 = 64;

/// The content of an event.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Body {
    /// 32 random bytes, from which the salts of the parts are derived.
    pub seed: [u8; 32],
    /// The parts, all of which fit the kind in the event's header.
    pub parts: BoundedVec<Part, ConstU32<MAX_PARTS>>,
}

/// A part of a body, which can be disclosed without the others.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Part {
    /// A reading.
    #[codec(index = 0)]
    Reading(Reading),
    /// A command of a party.
    #[codec(index = 1)]
    Command(SignedCommand),
    /// The result of a command.
    #[codec(index = 2)]
    Result(CommandResult),
    /// A message about the condition of the device: connected, lost, plausible or not.
    #[codec(index = 3)]
    Status(Text<256>),
}

/// A part of a body with the proof that the body's hash commits to it. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Disclosure {
    /// The part.
    pub part: Part,
    /// The salt of the part.
    pub salt: Hash,
    /// The index of the part in the body.
    pub index: u32,
    /// The number of parts in the body.
    pub count: u32,
    /// The sibling hashes along the path from the part to the root, lowest first.
    pub path: BoundedVec<Hash, ConstU32<7>>,
}

impl core::fmt::Display for Part {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Reading(reading) => reading.fmt(f),
            Self::Command(signed) => write!(f, "command {}", signed.command),
            Self::Result(result) => write!(f, "result {result}"),
            Self::Status(text) => text.fmt(f),
        }
    }
}

impl Part {
    /// Returns the first character of its texts that acts on a terminal or cannot be seen, or `None` if there is none.
    fn hidden_character(&self) -> Option<char> {
        let of_value = |value: &Value| match value {
            Value::Text(text) => text.hidden_character(),
            Value::Decimal(_) | Value::Boolean(_) => None,
        };
        match self {
            Self::Reading(reading) => of_value(&reading.value),
            Self::Command(signed) => {
                signed.command.parameters.iter().find_map(|parameter| of_value(&parameter.value))
            }
            Self::Result(result) => result.readings.iter().find_map(|reading| of_value(&reading.value)),
            Self::Status(text) => text.hidden_character(),
        }
    }
}

impl Body {
    /// Returns the first character of its texts that acts on a terminal or cannot be seen, or `None` if there is none.
    pub fn hidden_character(&self) -> Option<char> {
        self.parts.iter().find_map(Part::hidden_character)
    }

    /// Returns the hash that the event's header commits to.
    pub fn hash(&self) -> Hash {
        let commitments = self.commitments();
        hash_with_count(commitments.len() as u64, &merkle::root_of_leaves(Domain::BodyNode, &commitments))
    }

    /// Discloses a part, or returns `None` if the body has no part with this index.
    pub fn disclose(&self, index: u32) -> Option<Disclosure> {
        let part = self.parts.get(index as usize)?.clone();
        let path = merkle::path_of_leaf(Domain::BodyNode, &self.commitments(), u64::from(index))?;
        Some(Disclosure {
            part,
            salt: self.salt(index),
            index,
            count: self.parts.len() as u32,
            path: BoundedVec::try_from(path).ok()?,
        })
    }

    /// Returns the readings among the parts.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reading(reading) => Some(reading),
            Part::Command(_) | Part::Result(_) | Part::Status(_) => None,
        })
    }

    fn salt(&self, index: u32) -> Hash {
        Domain::PartSalt.hash_of(&(self.seed, index))
    }

    fn commitments(&self) -> Vec<Hash> {
        (0u32..).zip(&self.parts).map(|(index, part)| commitment(&self.salt(index), part)).collect()
    }
}

impl Disclosure {
    /// Returns true if `body_hash` commits to this part.
    pub fn verify(&self, body_hash: &Hash) -> bool {
        let leaf = commitment(&self.salt, &self.part);
        let (index, count) = (u64::from(self.index), u64::from(self.count));
        merkle::root_from_path(Domain::BodyNode, leaf, index, count, &self.path)
            .is_some_and(|root| hash_with_count(count, &root) == *body_hash)
    }
}

fn commitment(salt: &Hash, part: &Part) -> Hash {
    Domain::Part.hash_of(&(salt, part))
}

fn hash_with_count(count: u64, root: &Hash) -> Hash {
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
        fn every_part_can_be_disclosed_alone(count in 1u32..=MAX_PARTS, at in 0u32..MAX_PARTS) {
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
