//! Helpers for commands that talk to the chain.

use crate::remedies::explain;
use serde_json::{json, Value};
use streembit_chain::{ChainClient, NodeUrl, Submitted};

/// Connects to a node.
pub async fn connect(node: NodeUrl) -> anyhow::Result<ChainClient> {
    ChainClient::connect(node.into()).await.map_err(explain)
}

/// Returns the JSON result of a call: the block in which it was finalized, and the command's own fields.
pub fn submitted_json<const N: usize>(submitted: &Submitted, fields: [(&str, Value); N]) -> Value {
    let mut result = json!({ "block": submitted.block, "block_hash": submitted.hash });
    if let Some(result) = result.as_object_mut() {
        result.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    result
}
