//! Reads values of the chain's state from a storage proof.

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

/// A part of the chain's state after one block. Every value that is read is proven by the state root.
pub struct State {
    root: H256,
    nodes: MemoryDB<Blake2Hasher>,
}

/// A value of the state cannot be read, because a trie node is missing or invalid.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the proof of the chain's state is incomplete or invalid: {0}")]
pub struct StateProofError(String);

impl State {
    /// Creates the state with this root from the nodes of its proof.
    pub fn new(root: &Hash, nodes: Vec<Vec<u8>>) -> Self {
        Self { root: H256(root.0), nodes: StorageProof::new(nodes).into_memory_db() }
    }

    /// Returns the last anchor of a log, or `None` if it has none.
    pub fn anchor(&self, log: &LogId) -> Result<Option<Anchor>, StateProofError> {
        self.value(&anchor_storage_key(log))
    }

    /// Returns the record of a device, or `None` if it is not registered.
    pub fn device(&self, device: &DeviceId) -> Result<Option<DeviceRecord>, StateProofError> {
        self.value(&device_storage_key(device))
    }

    /// Returns the chain's genesis hash, or `None` if the state has none.
    pub fn genesis(&self) -> Result<Option<Hash>, StateProofError> {
        self.value(&genesis_storage_key())
    }

    /// Proves the anchor of a log, the record of a device and the genesis hash. The proof has only the nodes that these
    /// need. Returns `None` if the log has no anchor or the device is not registered.
    pub fn prove(&self, log: &LogId, device: &DeviceId) -> Result<Option<StateProof>, StateProofError> {
        let (Some(anchor), Some(record)) = (self.anchor(log)?, self.device(device)?) else { return Ok(None) };
        let keys = [anchor_storage_key(log), device_storage_key(device), genesis_storage_key()];
        let nodes = generate_trie_proof::<Layout, _, _, _>(&self.nodes, self.root, &keys)
            .map_err(|error| StateProofError(error.to_string()))?;
        Ok(Some(StateProof { device: record, anchor, nodes }))
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
