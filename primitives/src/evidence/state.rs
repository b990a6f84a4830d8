//! What the chain's state says, proven against a block's state root.

use crate::{
    chain::{Anchor, DeviceRecord},
    DeviceId, Hash, LogId,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use sp_core::H256;
use sp_crypto_hashing::{blake2_128, blake2_256, twox_128};
use sp_trie::{verify_trie_proof, LayoutV1};

/// The anchor of a log and the record of a device, with the proof of both, and of which chain they are. Not yet checked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct StateProof {
    /// The latest anchor of the log.
    pub anchor: Anchor,
    /// The device's record.
    pub device: DeviceRecord,
    /// The proof: trie nodes as `sp_trie::generate_trie_proof` makes them (without the values and without the hashes
    /// that follow from them) for [`anchor_key`], [`device_key`] and [`genesis_key`].
    pub nodes: Vec<Vec<u8>>,
}

impl StateProof {
    /// Whether the state with this root is of the chain with this first block, and has just this anchor for the log and
    /// this record for the device.
    pub(super) fn verify(&self, root: &Hash, genesis: &Hash, log: &LogId, device: &DeviceId) -> bool {
        let items = [
            (anchor_key(log), Some(self.anchor.encode())),
            (device_key(device), Some(self.device.encode())),
            (genesis_key(), Some(genesis.encode())),
        ];
        verify_trie_proof::<LayoutV1<Blake2b256>, _, _, _>(&H256(root.0), &self.nodes, &items).is_ok()
    }
}

/// The hash of the chain's state: `sp_core::Blake2Hasher`, which there is outside of the chain's runtime only.
struct Blake2b256;

impl sp_core::Hasher for Blake2b256 {
    type Out = H256;
    type StdHasher = FirstBytes;
    const LENGTH: usize = 32;

    fn hash(bytes: &[u8]) -> H256 {
        H256(blake2_256(bytes))
    }
}

/// Places hashes in a hash map by their first bytes: they are hashes already.
#[derive(Default)]
struct FirstBytes(u64);

impl core::hash::Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().take(8).fold(self.0, |value, byte| value.rotate_left(8) ^ u64::from(*byte));
    }
}

/// Where the state keeps the latest anchor of a log.
pub fn anchor_key(log: &LogId) -> Vec<u8> {
    map_key(b"Anchors", b"Latest", &log.encode())
}

/// Where the state keeps a device's record.
pub fn device_key(device: &DeviceId) -> Vec<u8> {
    map_key(b"Devices", b"Devices", &device.encode())
}

/// Where the state keeps the hash of the chain's first block.
pub fn genesis_key() -> Vec<u8> {
    [twox_128(b"Anchors"), twox_128(b"Genesis")].concat()
}

/// The storage key of an entry of a `StorageMap` with `Blake2_128Concat`.
fn map_key(pallet: &[u8], item: &[u8], key: &[u8]) -> Vec<u8> {
    [&twox_128(pallet)[..], &twox_128(item), &blake2_128(key), key].concat()
}
