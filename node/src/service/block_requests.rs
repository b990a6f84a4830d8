//! Answers requests for blocks, and leaves out the justifications that light clients cannot verify yet.
//!
//! Nearly every block of this chain has a justification ([`JUSTIFICATION_PERIOD`]). smoldot (tried: 2.0.26 and 3.4.1)
//! asks for headers with their justifications, newest first and at most 64 at once. It verifies the highest
//! justification as soon as the answer is there, and bans the node for 40 seconds if that fails. It fails in two cases:
//!
//! - If the answer does not reach the client's last finalized block, the justified block is not yet in the client's
//!   chain. Version 3.4.1 tolerates this case.
//! - If the voters change before the justified block, the block that changes them must become final first.
//!
//! Without these justifications it fetches the justification of the block that changes the voters, and follows the
//! commits of the voters or a warp proof.
//!
//! [`JUSTIFICATION_PERIOD`]: super::components::JUSTIFICATION_PERIOD

use crate::types::{Block, FullClient};
use async_trait::async_trait;
use codec::DecodeAll as _;
use futures::{
    channel::oneshot,
    future::{select, FutureExt as _},
};
use prost::Message as _;
use sc_consensus_grandpa::find_scheduled_change;
use sc_network::{
    config::{IncomingRequest, RequestResponseConfig},
    NetworkBackend, NetworkWorker,
};
use sc_network_sync::{
    block_relay_protocol::{BlockRelayParams, BlockServer},
    block_request::FromBlock,
    block_request_handler::BlockRequestHandler,
    service::network::NetworkServiceHandle,
    BlockData, BlockRequest, BlockResponse,
};
use sc_service::{error::Error as ServiceError, Configuration};
use std::sync::Arc;
use streembit_runtime::{Hash, Header};

/// The bit of a request that asks for bodies.
const BODY: u32 = 0x02 << 24;
/// The bit of a request that asks for justifications.
const JUSTIFICATION: u32 = 0x10 << 24;

/// The number of blocks that smoldot asks for at most. An answer with fewer blocks reaches the client's last finalized
/// block.
const LONGEST_LIGHT_REQUEST: usize = 64;

/// Answers requests for blocks like Substrate's handler, but shortens the answers to light clients.
struct LightClientFilter {
    /// Substrate's handler.
    handler: Box<dyn BlockServer<Block>>,
    /// The requests that the handler answers.
    handled: async_channel::Sender<IncomingRequest>,
    /// The requests from the network.
    requests: async_channel::Receiver<IncomingRequest>,
}

/// Returns the protocol of requests for blocks. `network` sends the requests of this node.
pub fn protocol<N: NetworkBackend<Block, Hash>>(
    config: &Configuration,
    client: Arc<FullClient>,
    network: NetworkServiceHandle,
) -> Result<BlockRelayParams<Block, N>, ServiceError> {
    let peers = &config.network.default_peers_set;
    let peers = usize::try_from(peers.in_peers.saturating_add(peers.out_peers)).unwrap_or(usize::MAX);
    // This backend's configuration shows the queue of the handler. The filter takes its place in the configuration of
    // the backend in use.
    let BlockRelayParams { server, downloader, request_response_config } =
        BlockRequestHandler::new::<NetworkWorker<Block, Hash>>(
            network,
            &config.protocol_id(),
            config.chain_spec.fork_id(),
            client,
            peers,
        );
    let RequestResponseConfig {
        name,
        fallback_names,
        max_request_size,
        max_response_size,
        request_timeout,
        inbound_queue,
    } = request_response_config;
    let handled = inbound_queue
        .ok_or_else(|| ServiceError::Other("Substrate's handler of block requests has no queue".into()))?;
    let (queue, requests) = async_channel::bounded(peers.max(1));
    Ok(BlockRelayParams {
        server: Box::new(LightClientFilter { handler: server, handled, requests }),
        downloader,
        request_response_config: N::request_response_config(
            name,
            fallback_names,
            max_request_size,
            max_response_size,
            request_timeout,
            Some(queue),
        ),
    })
}

#[async_trait]
impl BlockServer<Block> for LightClientFilter {
    async fn run(&mut self) {
        let Self { handler, handled, requests } = self;
        select(handler.run(), forward(requests, handled).boxed()).await;
    }
}

/// Passes requests to the handler, and its answers back, until the network or the handler ends.
async fn forward(
    requests: &async_channel::Receiver<IncomingRequest>,
    handled: &async_channel::Sender<IncomingRequest>,
) {
    while let Ok(request) = requests.recv().await {
        if !is_of_light_client(&request.payload) {
            if handled.send(request).await.is_err() {
                return;
            }
            continue;
        }
        let IncomingRequest { peer, payload, pending_response } = request;
        let (sender, receiver) = oneshot::channel();
        if handled.send(IncomingRequest { peer, payload, pending_response: sender }).await.is_err() {
            return;
        }
        // The handler drops requests that it cannot answer. Then the network's sender is dropped here too.
        if let Ok(mut response) = receiver.await {
            response.result = response.result.map(without_early_justifications);
            let _ = pending_response.send(response);
        }
    }
}

/// Returns true if a request is for the headers and justifications of several blocks, from a block hash.
///
/// Full nodes also ask for bodies. The exception are nodes that prune blocks: they fill the gap of a warp sync with
/// headers, and ask for them by number.
fn is_of_light_client(request: &[u8]) -> bool {
    BlockRequest::decode(request).is_ok_and(|request| {
        request.fields & JUSTIFICATION != 0
            && request.fields & BODY == 0
            && request.max_blocks != 1
            && matches!(request.from_block, Some(FromBlock::Hash(_)))
    })
}

/// Removes the justifications that a light client cannot verify yet from an encoded response.
fn without_early_justifications(response: Vec<u8>) -> Vec<u8> {
    match BlockResponse::decode(&*response) {
        Ok(mut decoded) => {
            remove_early_justifications(&mut decoded.blocks);
            decoded.encode_to_vec()
        }
        Err(_) => response,
    }
}

fn remove_early_justifications(blocks: &mut [BlockData]) {
    let is_complete = blocks.len() < LONGEST_LIGHT_REQUEST;
    let headers = blocks.iter().filter_map(header);
    let changes = headers.filter(|header| find_scheduled_change::<Block>(header).is_some());
    let first_change = changes.map(|header| header.number).min();
    for block in blocks {
        let is_early = |header: Header| first_change.is_some_and(|change| header.number > change);
        if !is_complete || header(block).is_none_or(is_early) {
            block.justification.clear();
            block.justifications.clear();
            block.is_empty_justification = false;
        }
    }
}

fn header(block: &BlockData) -> Option<Header> {
    Header::decode_all(&mut &*block.header).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode as _;
    use sc_network::{config::OutgoingResponse, PeerId};
    use sp_consensus_grandpa::{ConsensusLog, ScheduledChange, GRANDPA_ENGINE_ID};
    use sp_runtime::{Digest, DigestItem};
    use streembit_runtime::BlockNumber;

    /// The fields of a request for headers and justifications.
    const LIGHT: u32 = 0x11 << 24;

    fn request(fields: u32, max_blocks: u32) -> BlockRequest {
        let from_block = Some(FromBlock::Hash(vec![7; 32]));
        BlockRequest { fields, from_block, direction: 1, max_blocks, support_multiple_justifications: true }
    }

    /// Blocks from `last` down, each with a justification. Those in `changes` change the voters.
    fn blocks(last: BlockNumber, count: BlockNumber, changes: &[BlockNumber]) -> Vec<BlockData> {
        let numbers = (0..count).map(|back| last - back);
        let block = |number| {
            let change = ScheduledChange::<BlockNumber> { next_authorities: Vec::new(), delay: 0 };
            let item =
                DigestItem::Consensus(GRANDPA_ENGINE_ID, ConsensusLog::ScheduledChange(change).encode());
            let logs = if changes.contains(&number) { vec![item] } else { Vec::new() };
            let hash = Hash::default();
            let digest = Digest { logs };
            let header =
                Header { parent_hash: hash, number, state_root: hash, extrinsics_root: hash, digest };
            BlockData { header: header.encode(), justifications: vec![1, 2, 3], ..Default::default() }
        };
        numbers.map(block).collect()
    }

    /// The numbers of the blocks whose justification a light client gets.
    fn justified(mut blocks: Vec<BlockData>) -> Vec<BlockNumber> {
        remove_early_justifications(&mut blocks);
        let justified = blocks.iter().filter(|block| !block.justifications.is_empty());
        justified.map(|block| header(block).unwrap().number).collect()
    }

    #[test]
    fn an_answer_that_reaches_the_finalized_block_keeps_its_justifications() {
        assert_eq!(justified(blocks(5, 5, &[])), [5, 4, 3, 2, 1]);
        assert_eq!(justified(blocks(163, 63, &[])).len(), 63);
        assert!(justified(blocks(164, 64, &[])).is_empty());
    }

    #[test]
    fn the_justification_of_the_first_change_of_the_voters_is_the_highest() {
        assert_eq!(justified(blocks(9, 7, &[5, 8])), [5, 4, 3]);
        assert_eq!(justified(blocks(9, 3, &[9])), [9, 8, 7]);
        assert_eq!(justified(blocks(9, 3, &[7])), [7]);
    }

    #[test]
    fn only_requests_of_light_clients_are_filtered() {
        let is_light = |request: &BlockRequest| is_of_light_client(&request.encode_to_vec());
        assert!(is_light(&request(LIGHT, 64)) && is_light(&request(LIGHT, 0)));
        assert!(!is_light(&request(LIGHT, 1)), "of a single block that changes the voters");
        assert!(!is_light(&request(LIGHT | BODY, 64)), "of a full node");
        assert!(!is_light(&request(0x01 << 24, 64)), "without justifications");
        let gap =
            BlockRequest { from_block: Some(FromBlock::Number(vec![1, 0, 0, 0])), ..request(LIGHT, 64) };
        assert!(!is_light(&gap), "of a node that prunes blocks");
        assert!(!is_of_light_client(&[0xff; 5]));
    }

    #[tokio::test]
    async fn requests_reach_the_handler_and_its_answers_the_network() {
        let (network, requests) = async_channel::bounded(4);
        let (handled, queue) = async_channel::bounded::<IncomingRequest>(4);
        let encoded = BlockResponse { blocks: blocks(9, 7, &[5]) }.encode_to_vec();
        let answer = encoded.clone();
        let handler = tokio::spawn(async move {
            while let Ok(request) = queue.recv().await {
                let result = Ok(answer.clone());
                let response =
                    OutgoingResponse { result, reputation_changes: Vec::new(), sent_feedback: None };
                request.pending_response.send(response).unwrap();
            }
        });
        let filter = tokio::spawn(async move { forward(&requests, &handled).await });
        let mut answers = Vec::new();
        for fields in [LIGHT, LIGHT | BODY] {
            let (pending_response, response) = oneshot::channel();
            let payload = request(fields, 7).encode_to_vec();
            network
                .send(IncomingRequest { peer: PeerId::random(), payload, pending_response })
                .await
                .unwrap();
            answers.push(response.await.unwrap().result.unwrap());
        }
        assert!(answers[0].len() < encoded.len(), "the answer to a light client is shorter");
        assert_eq!(BlockResponse::decode(&*answers[0]).unwrap().blocks.len(), 7);
        assert_eq!(answers[1], encoded);
        drop(network);
        filter.await.unwrap();
        handler.await.unwrap();
    }
}
