//! The heads map: the last event of every device of a log at one of its sizes, committed to by a checkpoint.
//!
//! The leaves are the devices in the order of their ids, the tree is that of RFC 9162 in domains of its own, and the root
//! commits to the number of devices too. With an event's own place (`sequence`, `previous`) it makes an answer complete:
//! not just "these events happened", but "these are all of them up to here".
//!
//! The map is its gateway's word, anchored: whoever has the log derives it again. A gateway that leaves out the end of a
//! history has signed both a map and a log that disagree, and the event left out proves it.

use crate::{
    hash::Domain,
    merkle::{climb, path_of, root_of, MAX_PROOF},
    DeviceId, Hash,
};
use alloc::{collections::BTreeMap, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The last event of one device: a leaf of the map.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadEntry {
    /// The device.
    pub device: DeviceId,
    /// The place of the event in the device's history.
    pub sequence: u64,
    /// The hash of its header.
    pub hash: Hash,
}

/// Proves the last event of a device. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadProof {
    /// The device's place in the map, from 0.
    pub index: u64,
    /// How many devices the map has.
    pub count: u64,
    /// The device's last event.
    pub entry: HeadEntry,
    /// The hashes beside the path from the entry to the root, lowest first.
    pub path: BoundedVec<Hash, ConstU32<MAX_PROOF>>,
}

/// Proves that a device has no event, by the two that stand side by side where it would be. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AbsenceProof {
    /// The last device before it; `None` where it would be the first of the map.
    pub before: Option<HeadProof>,
    /// The first device after it; `None` where it would be the last of the map.
    pub after: Option<HeadProof>,
}

/// The map itself: what a checkpoint's root is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeadsMap(Vec<HeadEntry>);

impl HeadEntry {
    /// The leaf of the map's tree.
    pub fn leaf(&self) -> Hash {
        Domain::HeadsLeaf.hash_of(self)
    }
}

impl HeadProof {
    /// Whether the entry is in the map with this root.
    pub fn verify(&self, heads_root: &Hash) -> bool {
        climb(Domain::HeadsNode, self.entry.leaf(), self.index, self.count, &self.path)
            .is_some_and(|root| seal(self.count, &root) == *heads_root)
    }
}

impl AbsenceProof {
    /// Whether the map with this root has no event of `device`, given that it is in order.
    pub fn verify(&self, device: &DeviceId, heads_root: &Hash) -> bool {
        let before = |proof: &HeadProof| proof.entry.device < *device && proof.verify(heads_root);
        let after = |proof: &HeadProof| proof.entry.device > *device && proof.verify(heads_root);
        match (&self.before, &self.after) {
            (Some(low), Some(high)) => {
                low.index.checked_add(1) == Some(high.index) && before(low) && after(high)
            }
            (Some(low), None) => low.index.checked_add(1) == Some(low.count) && before(low),
            (None, Some(high)) => high.index == 0 && after(high),
            // A log without events has no map, so that nothing is proven by nothing.
            (None, None) => false,
        }
    }
}

impl FromIterator<HeadEntry> for HeadsMap {
    /// In the order of the devices; of several entries of one device the last counts.
    fn from_iter<I: IntoIterator<Item = HeadEntry>>(entries: I) -> Self {
        let ordered: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.device, entry)).collect();
        Self(ordered.into_values().collect())
    }
}

impl HeadsMap {
    /// The entries, in the order of their devices.
    pub fn entries(&self) -> &[HeadEntry] {
        &self.0
    }

    /// What a checkpoint commits to; `None` of a log without events.
    pub fn root(&self) -> Option<Hash> {
        let count = self.0.len() as u64;
        (count > 0).then(|| seal(count, &root_of(Domain::HeadsNode, &self.leaves())))
    }

    /// The last event of a device.
    pub fn get(&self, device: &DeviceId) -> Option<&HeadEntry> {
        self.place(device).ok().and_then(|index| self.0.get(index))
    }

    /// Proves the last event of a device; `None` where it has none.
    pub fn proof(&self, device: &DeviceId) -> Option<HeadProof> {
        self.prove(self.place(device).ok()?, &self.leaves())
    }

    /// Proves that a device has no event; `None` where it has one, or the map is empty.
    pub fn absence(&self, device: &DeviceId) -> Option<AbsenceProof> {
        let place = self.place(device).err()?;
        let leaves = self.leaves();
        let before = place.checked_sub(1).and_then(|index| self.prove(index, &leaves));
        let after = self.prove(place, &leaves);
        (before.is_some() || after.is_some()).then_some(AbsenceProof { before, after })
    }

    fn place(&self, device: &DeviceId) -> Result<usize, usize> {
        self.0.binary_search_by_key(device, |entry| entry.device)
    }

    fn prove(&self, index: usize, leaves: &[Hash]) -> Option<HeadProof> {
        let entry = *self.0.get(index)?;
        let path = path_of(Domain::HeadsNode, leaves, index as u64)?;
        let path = BoundedVec::try_from(path).ok()?;
        Some(HeadProof { index: index as u64, count: leaves.len() as u64, entry, path })
    }

    fn leaves(&self) -> Vec<Hash> {
        self.0.iter().map(HeadEntry::leaf).collect()
    }
}

/// The root of a map: its tree's, and the number of devices.
fn seal(count: u64, root: &Hash) -> Hash {
    Domain::Heads.hash_of(&(count, root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A device at every even place, so that there is one absent beside each.
    fn device(n: u64) -> DeviceId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        DeviceId(id)
    }

    fn map(count: u64) -> HeadsMap {
        (0..count)
            .rev()
            .map(|n| HeadEntry { device: device(2 * n + 1), sequence: 100 + n, hash: Hash([n as u8; 32]) })
            .collect()
    }

    #[test]
    fn every_device_is_proven_present_or_absent_and_never_both() {
        for count in 1..=33 {
            let map = map(count);
            let root = map.root().unwrap();
            for n in 0..=2 * count {
                let id = device(n);
                let (present, absent) = (map.proof(&id), map.absence(&id));
                assert_eq!(present.is_some(), n % 2 == 1, "{n} of {count}");
                assert_eq!(absent.is_some(), n % 2 == 0, "{n} of {count}");
                if let Some(proof) = present {
                    assert_eq!(Some(&proof.entry), map.get(&id));
                    assert!(proof.verify(&root));
                }
                if let Some(proof) = absent {
                    for other in 0..=2 * count {
                        assert_eq!(
                            proof.verify(&device(other), &root),
                            other == n,
                            "{n} as {other} of {count}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_map_has_no_root_and_proves_nothing() {
        let map = HeadsMap::default();
        assert_eq!((map.root(), map.proof(&device(1)), map.absence(&device(1))), (None, None, None));
        assert!(!AbsenceProof { before: None, after: None }.verify(&device(1), &seal(0, &Hash::ZERO)));
    }

    #[test]
    fn the_number_of_devices_is_committed_to() {
        let root = map(5).root().unwrap();
        // The end cut off: the last but one as if it were the last.
        let last = map(5).proof(&device(7)).unwrap();
        assert!(AbsenceProof { before: map(5).proof(&device(9)), after: None }.verify(&device(10), &root));
        let cut = HeadProof { count: 4, ..last };
        assert!(!cut.verify(&root));
        assert!(!AbsenceProof { before: Some(cut), after: None }.verify(&device(9), &root));
    }

    #[test]
    fn neighbours_must_be_neighbours() {
        let map = map(6);
        let root = map.root().unwrap();
        let proof = |n| map.proof(&device(n));
        // 5 lies between 3 and 7, but there is something between them: itself.
        for (before, after) in
            [(proof(3), proof(7)), (proof(3), None), (None, proof(7)), (proof(7), proof(3))]
        {
            assert!(!AbsenceProof { before, after }.verify(&device(5), &root));
        }
    }

    #[test]
    fn the_leaf_is_the_encoding_of_device_sequence_and_hash() {
        let entry = map(1).entries()[0];
        assert_eq!(entry.leaf(), Domain::HeadsLeaf.hash_of(&(entry.device, entry.sequence, entry.hash)));
        let root = Domain::Heads.hash_of(&(1u64, entry.leaf()));
        assert_eq!(map(1).root(), Some(root));
    }

    proptest! {
        #[test]
        fn any_changed_bit_of_a_proof_breaks_it(count in 1u64..200, at in any::<u64>(), flip in any::<u32>()) {
            let map = map(count);
            let root = map.root().unwrap();
            let proof = map.proof(&device(2 * (at % count) + 1)).unwrap();
            prop_assert!(proof.verify(&root));
            let mut bytes = proof.encode();
            let bit = flip as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(bent) = HeadProof::decode(&mut &*bytes) {
                // A bit of the path's length may leave the same proof with something after it.
                prop_assert!(bent == proof || !bent.verify(&root));
            }
        }

        #[test]
        fn any_other_map_has_another_root(count in 1u64..60, at in any::<u64>(), what in 0u8..4) {
            let (map, index) = (map(count), (at % count) as usize);
            let mut other = map.clone();
            match what {
                0 => other.0[index].sequence -= 1,
                1 => other.0[index].hash.0[3] ^= 1,
                2 => { other.0.remove(index); }
                _ => other.0[index].device = device(2 * index as u64),
            }
            prop_assert_ne!(map.root(), other.root());
        }
    }
}
