//! The hash of a chain's genesis block, computed without the chain's database.

use crate::types::Block;
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    StateVersion,
};
use streembit_runtime::Hash;

/// Computes the hash of the genesis block of a chain. To build the genesis, the Wasm runtime may have to be compiled.
pub fn genesis_hash(spec: &dyn sc_service::ChainSpec) -> Result<Hash, String> {
    let storage = spec.as_storage_builder().build_storage()?;
    let root = BlakeTwo256::trie_root(storage.top.into_iter().collect(), StateVersion::V1);
    let genesis: Block = sc_chain_spec::construct_genesis_block(root, StateVersion::V1);
    Ok(genesis.header.hash())
}
