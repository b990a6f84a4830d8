//! Requests for proofs about the chain, for verifiers without a node. The responses are not verified here.

use super::{ChainClient, ChainError};
use streembit_primitives::Hash;
use subxt::config::substrate::H256;

impl ChainClient {
    /// Fetches the first page of GRANDPA's warp proof: the last block of every voter set that ended after the block
    /// `from`, and the newest finalized block. If the page is not the last one, the next page begins after its last
    /// block. See `streembit_primitives::evidence::FinalityProof`.
    pub async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
        self.ensure_available()?;
        self.inner.rpc.finality_proof(H256(from.0)).await
    }

    /// Fetches the voters of block 0 from the node's chain spec: a SCALE-encoded `Vec<([u8; 32], u64)>`.
    pub async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        self.ensure_available()?;
        self.inner.rpc.genesis_authorities().await
    }

    /// Fetches the trie nodes that prove the values under `keys`, or their absence, in the state after block `at`.
    pub async fn read_proof(&self, keys: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        self.ensure_available()?;
        self.inner.rpc.read_proof(&keys, H256(at.0)).await
    }
}
