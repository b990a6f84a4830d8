//! The heads map: the last event of each device in a log at some size. The checkpoint of that size commits to it.
//!
//! Leaves are the devices in the order of their ids. The tree is that of RFC 9162 in domains of its own, and the root also
//! commits to the number of devices. Together with the `sequence` and `previous` of each event, the map makes a history
//! provably complete: not only "these events happened", but "these are all events up to this checkpoint".
//!
//! The map is a claim of the gateway, which anchors it. Everyone who has the log can compute the map again. If a gateway
//! hides the end of a history, it has signed a map and a log that contradict each other, and the hidden event proves it.

use crate::{
    hash::Domain,
    merkle::{path_of_leaf, root_from_path, root_of_leaves, MAX_PROOF_HASHES},
    DeviceId, Hash,
};
use alloc::{collections::BTreeMap, vec::Vec};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The last event of a device: a leaf of the map.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadEntry {
    /// The device.
    pub device: DeviceId,
    /// The sequence of the event.
    pub sequence: u64,
    /// The hash of the event's header.
    pub hash: Hash,
}

/// Proves the last event of a device. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeadProof {
    /// The index of the device in the map, counted from 0.
    pub index: u64,
    /// The number of devices in the map.
    pub count: u64,
    /// The device's last event.
    pub entry: HeadEntry,
    /// The sibling hashes along the path from the entry to the root, lowest first.
    pub path: BoundedVec<Hash, ConstU32<MAX_PROOF_HASHES>>,
}

/// Proves that a device has no event, by the two adjacent entries between which it would be. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AbsenceProof {
    /// The entry before the device, or `None` if the device would come first.
    pub before: Option<HeadProof>,
    /// The entry after the device, or `None` if the device would come last.
    pub after: Option<HeadProof>,
}

/// The heads map, whose root is in the checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeadsMap(Vec<HeadEntry>);

impl HeadEntry {
    /// Returns the leaf of this entry in the map's tree.
    pub fn leaf(&self) -> Hash {
        Domain::HeadsLeaf.hash_of(self)
    }
}

impl HeadProof {
    /// Returns true if the entry is in the map with this root.
    pub fn verify(&self, heads_root: &Hash) -> bool {
        root_from_path(Domain::HeadsNode, self.entry.leaf(), self.index, self.count, &self.path)
            .is_some_and(|root| hash_with_count(self.count, &root) == *heads_root)
    }
}

impl AbsenceProof {
    /// Returns true if the map with this root has no event of `device`, provided that the map is sorted.
    pub fn verify(&self, device: &DeviceId, heads_root: &Hash) -> bool {
        let before = |proof: &HeadProof| proof.entry.device < *device && proof.verify(heads_root);
        let after = |proof: &HeadProof| proof.entry.device > *device && proof.verify(heads_root);
        match (&self.before, &self.after) {
            (Some(low), Some(high)) => {
                low.index.checked_add(1) == Some(high.index) && before(low) && after(high)
            }
            (Some(low), None) => low.index.checked_add(1) == Some(low.count) && before(low),
            (None, Some(high)) => high.index == 0 && after(high),
            // A log without events has no map, and an empty proof proves nothing.
            (None, None) => false,
        }
    }
}

impl FromIterator<HeadEntry> for HeadsMap {
    /// Sorts the entries by device. If a device has several entries, the last one counts.
    fn from_iter<I: IntoIterator<Item = HeadEntry>>(entries: I) -> Self {
        let ordered: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.device, entry)).collect();
        Self(ordered.into_values().collect())
    }
}

impl HeadsMap {
    /// Returns the entries, in the order of their devices.
    pub fn entries(&self) -> &[HeadEntry] {
        &self.0
    }

    /// Returns the root that a checkpoint commits to.
    pub fn root(&self) -> Hash {
        hash_with_count(self.0.len() as u64, &root_of_leaves(Domain::HeadsNode, &self.leaves()))
    }

    /// Returns the last event of a device.
    pub fn get(&self, device: &DeviceId) -> Option<&HeadEntry> {
        self.position(device).ok().and_then(|index| self.0.get(index))
    }

    /// Proves the last event of a device, or returns `None` if it has none.
    pub fn prove(&self, device: &DeviceId) -> Option<HeadProof> {
        self.proof_at(self.position(device).ok()?, &self.leaves())
    }

    /// Proves that a device has no event. Returns `None` if it has one, or if the map is empty.
    pub fn prove_absence(&self, device: &DeviceId) -> Option<AbsenceProof> {
        let position = self.position(device).err()?;
        let leaves = self.leaves();
        let before = position.checked_sub(1).and_then(|index| self.proof_at(index, &leaves));
        let after = self.proof_at(position, &leaves);
        (before.is_some() || after.is_some()).then_some(AbsenceProof { before, after })
    }

    /// Returns the index of a device, or the index at which it would be inserted.
    fn position(&self, device: &DeviceId) -> Result<usize, usize> {
        self.0.binary_search_by_key(device, |entry| entry.device)
    }

    fn proof_at(&self, index: usize, leaves: &[Hash]) -> Option<HeadProof> {
        let entry = *self.0.get(index)?;
        let path = path_of_leaf(Domain::HeadsNode, leaves, index as u64)?;
        let path = BoundedVec::try_from(path).ok()?;
        Some(HeadProof { index: index as u64, count: leaves.len() as u64, entry, path })
    }

    fn leaves(&self) -> Vec<Hash> {
        self.0.iter().map(HeadEntry::leaf).collect()
    }
}

/// Combines the root of the tree with the number of devices.
fn hash_with_count(count: u64, root: &Hash) -> Hash {
    Domain::Heads.hash_of(&(count, root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Device ids in ascending order. Only those with an odd number are in the map.
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
    fn each_device_is_provably_present_or_absent_and_never_both() {
        for count in 1..=33 {
            let map = map(count);
            let root = map.root();
            for n in 0..=2 * count {
                let id = device(n);
                let (present, absent) = (map.prove(&id), map.prove_absence(&id));
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
    fn an_empty_map_proves_nothing() {
        let map = HeadsMap::default();
        assert_eq!((map.prove(&device(1)), map.prove_absence(&device(1))), (None, None));
        assert!(!AbsenceProof { before: None, after: None }.verify(&device(1), &map.root()));
    }

    #[test]
    fn the_number_of_devices_is_committed_to() {
        let root = map(5).root();
        // The last entry is cut off, so that the last but one looks like the last.
        let last = map(5).prove(&device(7)).unwrap();
        assert!(AbsenceProof { before: map(5).prove(&device(9)), after: None }.verify(&device(10), &root));
        let cut = HeadProof { count: 4, ..last };
        assert!(!cut.verify(&root));
        assert!(!AbsenceProof { before: Some(cut), after: None }.verify(&device(9), &root));
    }

    #[test]
    fn the_entries_of_an_absence_proof_must_be_adjacent() {
        let map = map(6);
        let root = map.root();
        let proof = |n| map.prove(&device(n));
        // Device 5 is between 3 and 7, but these are not adjacent because device 5 itself is in the map.
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
        assert_eq!(map(1).root(), root);
    }

    proptest! {
        #[test]
        fn any_changed_bit_of_a_proof_breaks_it(count in 1u64..200, at in any::<u64>(), flip in any::<u32>()) {
            let map = map(count);
            let root = map.root();
            let proof = map.prove(&device(2 * (at % count) + 1)).unwrap();
            prop_assert!(proof.verify(&root));
            let mut bytes = proof.encode();
            let bit = flip as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(bent) = HeadProof::decode(&mut &*bytes) {
                // A changed bit in the path length may leave the same proof with extra bytes after it.
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
