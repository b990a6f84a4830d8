//! What the commands that speak to the chain share.

use crate::{
    chain::{ChainClient, ChainError, Submitted},
    config::NodeUrl,
};
use anyhow::anyhow;
use serde_json::{json, Value};

/// Connects to a node; an error says what to do.
pub async fn connect(node: NodeUrl) -> anyhow::Result<ChainClient> {
    ChainClient::connect(node.into()).await.map_err(explain)
}

/// An error of the chain with what to do about it.
pub fn explain(error: ChainError) -> anyhow::Error {
    anyhow!("{error}. What to do: {}", error.remedy())
}

/// Where a call became final, for programs.
pub fn submitted_json(submitted: &Submitted) -> Value {
    json!({ "block": submitted.block, "block_hash": submitted.hash })
}
