//! The proof that an anchor and a device record are in the chain's state, checked against a block's state root.

use crate::{checkpoint::Anchor, device::DeviceRecord, DeviceId, Hash, LogId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use sp_core::H256;
use sp_crypto_hashing::{blake2_128, blake2_256, twox_128};
use sp_trie::{verify_trie_proof, LayoutV1};

/// The anchor of a log, the record of a device, and the proof that they are in the state of this chain. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking)]
pub struct StateProof {
    /// The device's record.
    pub device: DeviceRecord,
    /// The log's latest anchor.
    pub anchor: Anchor,
    /// The trie nodes that `sp_trie::generate_trie_proof` returns for [`anchor_storage_key`], [`device_storage_key`] and
    /// [`genesis_storage_key`]. They omit the values, and the hashes that can be computed.
    pub nodes: Vec<Vec<u8>>,
}

impl StateProof {
    /// Returns true if the state with this root belongs to the chain with this genesis, and contains exactly this anchor
    /// for the log and this record for the device.
    pub(super) fn verify(&self, root: &Hash, genesis: &Hash, log: &LogId, device: &DeviceId) -> bool {
        let items = [
            (device_storage_key(device), Some(self.device.encode())),
            (genesis_storage_key(), Some(genesis.encode())),
            (anchor_storage_key(log), Some(self.anchor.encode())),
        ];
        verify_trie_proof::<LayoutV1<Blake2b256>, _, _, _>(&H256(root.0), &self.nodes, &items).is_ok()
    }
}

/// The hasher of the chain's state. Equivalent to `sp_core::Blake2Hasher`, which does not exist without `std`.
struct Blake2b256;

impl sp_core::Hasher for Blake2b256 {
    type Out = H256;
    type StdHasher = FirstBytes;
    const LENGTH: usize = 32;

    fn hash(bytes: &[u8]) -> H256 {
        H256(blake2_256(bytes))
    }
}

/// Uses the first eight bytes as the hash-map hash, because the keys are hashes already.
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

/// Returns the storage key of the latest anchor of a log.
pub fn anchor_storage_key(log: &LogId) -> Vec<u8> {
    map_key(b"Anchors", b"Latest", &log.encode())
}

/// Returns the storage key of a device's record.
pub fn device_storage_key(device: &DeviceId) -> Vec<u8> {
    map_key(b"Devices", b"Devices", &device.encode())
}

/// Returns the storage key of the chain's genesis hash.
pub fn genesis_storage_key() -> Vec<u8> {
    [twox_128(b"Anchors"), twox_128(b"Genesis")].concat()
}

/// Returns the storage key of an entry of a `StorageMap` with the `Blake2_128Concat` hasher.
fn map_key(pallet: &[u8], item: &[u8], key: &[u8]) -> Vec<u8> {
    [&twox_128(pallet)[..], &twox_128(item), &blake2_128(key), key].concat()
}
