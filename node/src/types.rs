//! The concrete types of the node's client, database and transaction pool.

use sc_service::{TFullBackend, TFullClient};
use sp_runtime::{generic, OpaqueExtrinsic};
use streembit_runtime::{apis::RuntimeApi, Header};

/// A block. Its extrinsics are opaque bytes, because only the chain's Wasm runtime, which can be upgraded, decodes
/// them.
pub type Block = generic::Block<Header, OpaqueExtrinsic>;
/// The executor of the Wasm runtime, with the standard host functions.
pub type Executor = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;
/// The client of a full node.
pub type FullClient = TFullClient<Block, RuntimeApi, Executor>;
/// The database of a full node.
pub type FullBackend = TFullBackend<Block>;
/// The transaction pool of a full node.
pub type FullPool = crate::pool::BoundedPool;
/// The fork choice rule.
pub type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
