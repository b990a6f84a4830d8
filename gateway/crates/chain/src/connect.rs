//! The way to a node: over WebSocket, connected again by itself, or inside the node's own process.

use super::{ChainError, NodeUrl};
use std::time::Duration;
use subxt_rpcs::{
    client::reconnecting_rpc_client::{ExponentialBackoff, RpcClient as Reconnecting},
    RpcClient,
};

/// How long a first connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a request may take: more than any answer of a node under load, less than a user's patience.
const REQUEST: Duration = Duration::from_secs(20);
/// The longest pause between two attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where the node is.
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
    /// What to call the node in messages.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Url(url) => url.to_string(),
            Self::InProcess(_) => "the node in this process".into(),
        }
    }

    /// Connects. Fails where nothing answers; once connected, it connects again by itself, without end.
    pub(super) async fn open(&self) -> Result<RpcClient, ChainError> {
        let url = match self {
            Self::InProcess(client) => return Ok(client.clone()),
            Self::Url(url) => url.as_str(),
        };
        let away = |problem: String| ChainError::Away { node: url.into(), problem };
        // A client that retries without end says nothing about why: one attempt first, whose error can be shown.
        let once = ExponentialBackoff::from_millis(10).take(0);
        let attempt = Reconnecting::builder().connection_timeout(CONNECT).retry_policy(once).build(url);
        drop(attempt.await.map_err(|error| away(causes(&error)))?);
        let without_end = ExponentialBackoff::from_millis(2).factor(50).max_delay(LONGEST_PAUSE);
        let build = Reconnecting::builder()
            .connection_timeout(CONNECT)
            .request_timeout(REQUEST)
            .retry_policy(without_end)
            .build(url);
        let client = tokio::time::timeout(CONNECT, build)
            .await
            .map_err(|_| away("no answer".into()))?
            .map_err(|error| away(causes(&error)))?;
        Ok(RpcClient::new(client))
    }
}

/// An error with what caused it, in one line.
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
    async fn where_nothing_listens_the_error_says_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let node = NodeConnection::Url(format!("ws://{free}").parse().unwrap());
        let error = node.open().await.unwrap_err();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.contains(&free.to_string()) && text.contains("refused"), "{text}");
    }
}
