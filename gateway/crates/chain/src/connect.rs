//! Connections to a node: over WebSocket with automatic reconnects, or inside the node's own process.

use super::{ChainError, NodeUrl};
use std::time::Duration;
use subxt_rpcs::{
    client::reconnecting_rpc_client::{ExponentialBackoff, RpcClient as Reconnecting},
    RpcClient,
};

/// The time limit for a connection attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for a request on the wire. A node answers faster even under load.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest delay between two attempts to reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(5);

/// The way to reach a node.
#[derive(Clone, Debug)]
pub enum NodeConnection {
    /// The node's WebSocket address.
    Url(NodeUrl),
    /// The RPC of a node in this process.
    InProcess(RpcClient),
}

impl From<NodeUrl> for NodeConnection {
    fn from(url: NodeUrl) -> Self {
        Self::Url(url)
    }
}

impl NodeConnection {
    /// The node's name in messages.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Url(url) => url.to_string(),
            Self::InProcess(_) => "the node in this process".into(),
        }
    }

    /// Connects to the node. Returns an error if the first attempt fails; after that, the client reconnects without
    /// limit.
    pub(super) async fn open(&self) -> Result<RpcClient, ChainError> {
        let url = match self {
            Self::InProcess(client) => return Ok(client.clone()),
            Self::Url(url) => url,
        };
        url.ensure_allowed()?;
        let url = url.as_str();
        let unreachable = |problem: String| ChainError::Unreachable { node: url.into(), problem };
        // A client that retries without limit never reports why it fails. Try once without retries, to get the error.
        let once = ExponentialBackoff::from_millis(10).take(0);
        let attempt =
            Reconnecting::builder().connection_timeout(CONNECT_TIMEOUT).retry_policy(once).build(url);
        drop(attempt.await.map_err(|error| unreachable(causes(&error)))?);
        let without_end = ExponentialBackoff::from_millis(2).factor(50).max_delay(MAX_RECONNECT_DELAY);
        let build = Reconnecting::builder()
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(REQUEST_TIMEOUT)
            .retry_policy(without_end)
            .build(url);
        let client = tokio::time::timeout(CONNECT_TIMEOUT, build)
            .await
            .map_err(|_| unreachable("no answer".into()))?
            .map_err(|error| unreachable(causes(&error)))?;
        Ok(RpcClient::new(client))
    }
}

/// Formats an error and its causes as one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_connection_to_another_machine_is_not_even_tried() {
        // Nobody answers at this address of a documentation network, so an attempt would take long.
        let node = NodeConnection::Url("ws://192.0.2.1:9944".parse().unwrap());
        assert!(matches!(node.open().await, Err(ChainError::PlainRemote { .. })));
    }

    #[tokio::test]
    async fn a_refused_connection_is_named_in_the_error() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let node = NodeConnection::Url(format!("ws://{free}").parse().unwrap());
        let error = node.open().await.unwrap_err();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.contains(&free.to_string()) && text.contains("refused"), "{text}");
    }
}
