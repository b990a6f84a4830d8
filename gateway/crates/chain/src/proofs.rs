//! What proves the chain's word to somebody without a node. All of it is the node's answer, not yet verified.

use super::{ChainClient, ChainError};
use streembit_primitives::Hash;
use subxt::config::substrate::H256;

impl ChainClient {
    /// GRANDPA's warp proof: the last block of every set of voters that ended after the block `from`, then the newest
    /// final block. See `streembit_primitives::evidence::FinalityProof`.
    pub async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
        self.check_node()?;
        self.inner.rpc.finality_proof(H256(from.0)).await
    }

    /// The voters that the chain began with, as the node's chain spec names them: SCALE of `Vec<([u8; 32], u64)>`.
    pub async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        self.check_node()?;
        self.inner.rpc.genesis_authorities().await
    }

    /// The nodes of the state's trie that prove what is under some keys, and what is not, after the block `at`.
    pub async fn read_proof(&self, keys: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        self.check_node()?;
        self.inner.rpc.read_proof(&keys, H256(at.0)).await
    }
}
