//! What the commands that speak to the chain share.

use crate::remedies::explain;
use serde_json::{json, Value};
use streembit_chain::{ChainClient, NodeUrl, Submitted};

/// Connects to a node; an error says what to do.
pub async fn connect(node: NodeUrl) -> anyhow::Result<ChainClient> {
    ChainClient::connect(node.into()).await.map_err(explain)
}

/// Where a call became final, for programs.
pub fn submitted_json(submitted: &Submitted) -> Value {
    json!({ "block": submitted.block, "block_hash": submitted.hash })
}
