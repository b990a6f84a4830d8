//! The chain's state after one block, as far as its proven nodes go.

use codec::{Decode, DecodeAll as _};
use sp_core::{Blake2Hasher, H256};
use sp_trie::{generate_trie_proof, read_trie_value, LayoutV1, MemoryDB, StorageProof};
use streembit_primitives::{
    checkpoint::Anchor,
    device::DeviceRecord,
    evidence::{anchor_storage_key, device_storage_key, genesis_storage_key, StateProof},
    DeviceId, Hash, LogId,
};

type Layout = LayoutV1<Blake2Hasher>;

/// Some nodes of the state's trie under their hashes, so that nothing that is read can be anything but the state's.
pub struct State {
    root: H256,
    nodes: MemoryDB<Blake2Hasher>,
}

/// A value of the state cannot be told: a node that leads to it is not among those that are kept, or is not one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the proof of the chain's state is not whole: {0}")]
pub struct StateProofError(String);

impl State {
    /// Of the state with this root.
    pub fn new(root: &Hash, nodes: Vec<Vec<u8>>) -> Self {
        Self { root: H256(root.0), nodes: StorageProof::new(nodes).into_memory_db() }
    }

    /// The last anchor of a log.
    pub fn anchor(&self, log: &LogId) -> Result<Option<Anchor>, StateProofError> {
        self.value(&anchor_storage_key(log))
    }

    /// A device.
    pub fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StateProofError> {
        self.value(&device_storage_key(device))
    }

    /// The chain's first block.
    pub fn genesis(&self) -> Result<Option<Hash>, StateProofError> {
        self.value(&genesis_storage_key())
    }

    /// The anchor of a log and the record of a device, with the proof of just these two and of the chain's first block.
    pub fn prove(&self, log: &LogId, device: &DeviceId) -> Result<Option<StateProof>, StateProofError> {
        let (Some(anchor), Some(record)) = (self.anchor(log)?, self.device(device)?) else { return Ok(None) };
        let keys = [anchor_storage_key(log), device_storage_key(device), genesis_storage_key()];
        let nodes = generate_trie_proof::<Layout, _, _, _>(&self.nodes, self.root, &keys)
            .map_err(|error| StateProofError(error.to_string()))?;
        Ok(Some(StateProof { anchor, device: record, nodes }))
    }

    fn value<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, StateProofError> {
        let bytes = read_trie_value::<Layout, _>(&self.nodes, &self.root, key, None, None)
            .map_err(|error| StateProofError(error.to_string()))?;
        bytes
            .map(|bytes| {
                T::decode_all(&mut bytes.as_slice()).map_err(|error| StateProofError(error.to_string()))
            })
            .transpose()
    }
}
