//! Finds out that another node belongs to a chain with another genesis block.
//!
//! All protocols of a chain have its genesis hash in their names, so nodes of different chains connect and then say
//! nothing: the operator sees only "0 peers". This protocol has the same name on all chains. A node without peers sends
//! its genesis hash to the boot nodes and reserved nodes, which answer with theirs.

use crate::{notices::Notices, types::Block};
use sc_network::{
    config::{IncomingRequest, OutgoingResponse},
    service::traits::{NetworkBackend, NetworkService},
    IfDisconnected, PeerId, ProtocolName,
};
use sc_network_sync::SyncingService;
use sc_service::config::MultiaddrWithPeerId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use streembit_runtime::Hash;

/// The name of the protocol.
const NAME: &str = "/streembit/genesis/1";

/// The length of a request and of a response: a hash.
const BYTES: u64 = 32;

/// The time that another node has to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The requests that may wait.
const QUEUE: usize = 8;

/// The time between two questions, while there are no peers.
const INTERVAL: Duration = Duration::from_secs(30);

/// The most nodes that are reported.
const MAX_REPORTED: usize = 64;

/// The topic of the notice.
const TOPIC: &str = "genesis";

/// The requests of other nodes.
pub struct Requests(async_channel::Receiver<IncomingRequest>);

/// Returns the configuration of the protocol, and the requests of other nodes.
pub fn protocol<N: NetworkBackend<Block, Hash>>() -> (N::RequestResponseProtocolConfig, Requests) {
    let (sender, receiver) = async_channel::bounded(QUEUE);
    let config =
        N::request_response_config(ProtocolName::from(NAME), Vec::new(), BYTES, BYTES, TIMEOUT, Some(sender));
    (config, Requests(receiver))
}

/// Compares the genesis block of this node with those of other nodes.
pub struct GenesisExchange {
    pub genesis: Hash,
    pub nodes: Vec<MultiaddrWithPeerId>,
    pub network: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub notices: Notices,
}

impl GenesisExchange {
    /// Answers and asks for as long as the node runs.
    pub async fn run(self, requests: Requests) {
        let mut reported = BTreeSet::new();
        let mut next_question = tokio::time::interval(INTERVAL);
        next_question.tick().await;
        loop {
            tokio::select! {
                request = requests.0.recv() => match request {
                    Ok(request) => self.answer(request, &mut reported),
                    Err(_) => return,
                },
                _ = next_question.tick() => {
                    if self.sync.num_connected_peers() > 0 {
                        self.notices.set(TOPIC, None);
                    } else {
                        self.ask(&mut reported).await;
                    }
                }
            }
        }
    }

    fn answer(&self, request: IncomingRequest, reported: &mut BTreeSet<PeerId>) {
        let response = OutgoingResponse {
            result: Ok(self.genesis.as_bytes().to_vec()),
            reputation_changes: Vec::new(),
            sent_feedback: None,
        };
        let _ = request.pending_response.send(response);
        self.compare(request.peer, &request.payload, reported);
    }

    async fn ask(&self, reported: &mut BTreeSet<PeerId>) {
        for node in &self.nodes {
            let request = self.network.request(
                node.peer_id,
                ProtocolName::from(NAME),
                self.genesis.as_bytes().to_vec(),
                None,
                IfDisconnected::TryConnect,
            );
            match tokio::time::timeout(TIMEOUT, request).await {
                Ok(Ok((answer, _))) => self.compare(node.peer_id, &answer, reported),
                Ok(Err(error)) => {
                    tracing::debug!("{} does not tell its genesis block: {error}", node.peer_id)
                }
                Err(_) => tracing::debug!("{} does not tell its genesis block in time", node.peer_id),
            }
        }
    }

    fn compare(&self, peer: PeerId, genesis: &[u8], reported: &mut BTreeSet<PeerId>) {
        let Some(text) = difference(&peer.to_string(), &self.genesis, genesis) else { return };
        self.notices.set(TOPIC, Some(text.clone()));
        if reported.len() < MAX_REPORTED && reported.insert(peer) {
            tracing::error!("{text}");
        }
    }
}

/// Describes a node with another genesis block. Returns `None` if it has the same one, or if the hash is invalid.
fn difference(peer: &str, ours: &Hash, theirs: &[u8]) -> Option<String> {
    let theirs = Hash::from(<[u8; 32]>::try_from(theirs).ok()?);
    (theirs != *ours).then(|| {
        format!(
            "the node {peer} belongs to another chain: its genesis block is {theirs:?}, but that of this node is {ours:?}. \
             Start both nodes with the same chain spec"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_genesis_block_is_reported() {
        let ours = Hash::repeat_byte(1);
        assert_eq!(difference("12D3", &ours, ours.as_bytes()), None);
        assert_eq!(difference("12D3", &ours, &[2; 31]), None);
        let text = difference("12D3", &ours, &[2; 32]).unwrap();
        assert!(text.contains("12D3") && text.contains("0x0101") && text.contains("0x0202"), "{text}");
    }
}
