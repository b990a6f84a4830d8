//! Collects the proof of the last anchor from a node.
//!
//! The proof consists of every change of voters since the genesis, the newest final block, and the state after that
//! block as far as it concerns the log and its devices. It is verified before it is stored, and can then be used without a
//! node.
//!
//! The genesis voters are taken from the node without proof. A verifier of the evidence takes them from the chain's
//! specification instead.

use super::{State, StateProofError};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use codec::DecodeAll as _;
use std::{future::Future, time::Duration};
use streembit_chain::{ChainClient, ChainError};
use streembit_log::{ChainProof, ChainProofError, CheckpointError, KnownVoters, LastBlock, Log, ReadError};
use streembit_primitives::{
    evidence::{
        anchor_storage_key, device_storage_key, genesis_storage_key, AuthoritySet, EvidenceError,
        FinalityProof, JustifiedBlock, ProvenBlock, TrustRoot, Voter,
    },
    DeviceId, Hash,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The pauses after a failure.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times();

/// The pause before the next block is checked for the registration of a device.
const REGISTRATION_PAUSE: Duration = Duration::from_secs(10);

/// The maximum number of pages of a finality proof that are requested in one collection. A page has up to 4 MiB, which is
/// about 700 changes of 32 voters.
const MAX_PAGES: usize = 64;

/// A collection failed. Evidence can still be exported from an earlier collection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CollectError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log does not agree with the anchor.
    #[error(transparent)]
    Anchor(#[from] CheckpointError),
    /// The proof could not be stored.
    #[error(transparent)]
    Store(#[from] ChainProofError),
    /// The node's finality proof is invalid.
    #[error("the node's finality proof is invalid: {0}")]
    Finality(#[from] EvidenceError),
    /// The node's finality proof has too many pages, or a page without blocks although it is not the last one.
    #[error("the node's finality proof does not end after {pages} pages")]
    Endless {
        /// The number of pages that were requested.
        pages: usize,
    },
    /// The node's proof of the state is invalid.
    #[error(transparent)]
    State(#[from] StateProofError),
    /// The proven state has another genesis hash than the chain.
    #[error("the genesis hash in the chain's state differs from the chain's genesis hash")]
    OtherChain,
    /// The newest final block is older than the anchor, or the node has no final block.
    #[error("the node has no final block yet that includes the anchor")]
    Behind,
    /// The genesis voters cannot be decoded.
    #[error("the node's answer with the chain's genesis voters cannot be decoded")]
    Voters,
}

/// The requests to a chain that collecting needs.
pub trait ProofSource: Send + Sync {
    /// Returns the chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// Fetches the genesis voters, as the SCALE encoding of `Vec<([u8; 32], u64)>`.
    fn genesis_authorities(&self) -> impl Future<Output = Result<Vec<u8>, ChainError>> + Send;
    /// Fetches the first page of GRANDPA's warp proof that begins after the block `from`.
    fn finality_proof(&self, from: Hash) -> impl Future<Output = Result<Vec<u8>, ChainError>> + Send;
    /// Fetches the trie nodes that prove the values of some keys in the state after the block `at`.
    fn read_proof(
        &self,
        keys: Vec<Vec<u8>>,
        at: Hash,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, ChainError>> + Send;
}

impl ProofSource for ChainClient {
    fn genesis(&self) -> Hash {
        ChainClient::genesis(self)
    }

    async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        ChainClient::genesis_authorities(self).await
    }

    async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
        ChainClient::finality_proof(self, from).await
    }

    async fn read_proof(&self, keys: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        ChainClient::read_proof(self, keys, at).await
    }
}

/// A summary of the collected proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collected {
    /// The number of proven entries of the log.
    pub size: u64,
    /// The number of the final block at which they are proven.
    pub block: u32,
    /// The number of changes of voters up to that block.
    pub changes: u64,
    /// The number of other chains whose proofs are stored.
    pub other_chains: usize,
    /// The devices with events in the log that are not registered on the chain.
    pub unregistered: Vec<DeviceId>,
}

/// The state of collecting.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum CollectState {
    /// No collection has ended yet.
    #[default]
    Starting,
    /// Nothing is anchored yet.
    NothingAnchored,
    /// The proof of the last anchor is stored.
    Collected(Collected),
    /// The last collection failed and is retried.
    Failing(CollectError),
}

/// Collects after every new anchor until `stop` is cancelled. `anchored` has the size of the last finalized anchor.
pub async fn run(
    log: Log,
    chain: ChainClient,
    mut anchored: watch::Receiver<u64>,
    state: &watch::Sender<CollectState>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow(&log, &chain, &mut anchored, state) => {}
    }
}

/// Collects after every new anchor. Returns only when the sender of `anchored` is gone.
async fn follow(
    log: &Log,
    chain: &ChainClient,
    anchored: &mut watch::Receiver<u64>,
    state: &watch::Sender<CollectState>,
) {
    let mut pauses = RETRY.build();
    loop {
        let wanted = *anchored.borrow_and_update();
        if wanted == 0 {
            state.send_replace(CollectState::NothingAnchored);
            if anchored.changed().await.is_err() {
                return;
            }
            continue;
        }
        match collect(log, chain, wanted).await {
            Ok(collected) => {
                pauses = RETRY.build();
                state.send_replace(CollectState::Collected(collected.clone()));
                if wait_for_next(chain, anchored, &collected).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                state.send_replace(CollectState::Failing(error));
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
        }
    }
}

/// Waits for a new anchor. If a device is not registered, it also returns after a new block, but not before
/// [`REGISTRATION_PAUSE`] is over.
async fn wait_for_next(
    chain: &ChainClient,
    anchored: &mut watch::Receiver<u64>,
    collected: &Collected,
) -> Result<(), watch::error::RecvError> {
    if collected.unregistered.is_empty() {
        return anchored.changed().await;
    }
    let mut blocks = chain.finalized_heads();
    blocks.mark_unchanged();
    tokio::select! {
        changed = anchored.changed() => changed,
        changed = async { tokio::time::sleep(REGISTRATION_PAUSE).await; blocks.changed().await } => changed,
    }
}

/// Collects once. Fails if fewer than `wanted` entries of the log are proven.
pub async fn collect(log: &Log, chain: &impl ProofSource, wanted: u64) -> Result<Collected, CollectError> {
    // Proofs for the chains before a refounding stay stored, but do not count here. The check comes first: if the log
    // cannot store another chain's proof, nothing needs to be requested from the node.
    let other_chains = log.chains_beside(&chain.genesis())?.len();
    let kept = log.chain_proof(&chain.genesis())?;
    let known = kept.as_ref().map_or(0, |kept| kept.changes.len() as u64);
    let FollowedVoters { voters, changes, newest } = follow_voters(chain, kept).await?;
    let last = fetch_state(log, chain, newest).await?;
    let state = State::new(&last.state_root, last.nodes.clone());
    if state.genesis()? != Some(voters.genesis) {
        return Err(CollectError::OtherChain);
    }
    let anchor = state.anchor(&log.id())?.ok_or(CollectError::Behind)?;
    log.check_against(&anchor)?;
    let mut unregistered = Vec::new();
    for (device, _) in log.heads()? {
        if state.device(&device)?.is_none() {
            unregistered.push(device);
        }
    }
    let size = anchor.checkpoint.size;
    if size < wanted {
        return Err(CollectError::Behind);
    }
    log.put_chain_proof(&voters, known, &changes, &last)?;
    Ok(Collected {
        size,
        block: last.number,
        changes: known.saturating_add(changes.len() as u64),
        other_chains,
        unregistered,
    })
}

/// The current voters and the newest final block, with the way to them.
struct FollowedVoters {
    voters: KnownVoters,
    /// The changes of voters that are not stored yet.
    changes: Vec<JustifiedBlock>,
    newest: Newest,
}

/// The newest final block.
struct Newest {
    number: u32,
    hash: Hash,
    state_root: Hash,
    block: JustifiedBlock,
}

impl From<ProvenBlock> for Newest {
    fn from(link: ProvenBlock) -> Self {
        let ProvenBlock { at, state_root, block, .. } = link;
        Self { number: at.number, hash: at.hash, state_root, block }
    }
}

/// Follows the changes of voters from the stored proof, or from the genesis, to the newest final block.
async fn follow_voters(
    chain: &impl ProofSource,
    kept: Option<ChainProof>,
) -> Result<FollowedVoters, CollectError> {
    let (mut voters, mut newest) = match kept {
        Some(ChainProof { voters, last, .. }) => {
            let LastBlock { number, hash, state_root, block, .. } = last;
            (voters, Some(Newest { number, hash, state_root, block }))
        }
        None => (first_voters(chain).await?, None),
    };
    let mut changes = Vec::new();
    for pages in 1..=MAX_PAGES {
        let answer = chain.finality_proof(voters.since).await?;
        let proof = FinalityProof::verify(&answer, &voters.since, &voters.genesis, &mut voters.current)?;
        let has_advanced = proof.blocks.iter().any(|link| link.ends_set);
        for link in proof.blocks {
            if link.ends_set {
                voters.since = link.at.hash;
                changes.push(link.block.clone());
            }
            newest = Some(link.into());
        }
        if proof.is_finished {
            let newest = newest.ok_or(CollectError::Behind)?;
            return Ok(FollowedVoters { voters, changes, newest });
        }
        if !has_advanced {
            return Err(CollectError::Endless { pages });
        }
    }
    Err(CollectError::Endless { pages: MAX_PAGES })
}

async fn first_voters(chain: &impl ProofSource) -> Result<KnownVoters, CollectError> {
    let TrustRoot { genesis, authorities: first } = fetch_trust_root(chain).await?;
    Ok(KnownVoters { genesis, current: first.clone(), first, since: genesis })
}

/// Fetches the trust root that a node has. Nothing proves it, so it is as trustworthy as the node.
pub async fn fetch_trust_root(chain: &impl ProofSource) -> Result<TrustRoot, CollectError> {
    let answer = chain.genesis_authorities().await?;
    let voters = Vec::<Voter>::decode_all(&mut answer.as_slice()).map_err(|_| CollectError::Voters)?;
    Ok(TrustRoot { genesis: chain.genesis(), authorities: AuthoritySet { id: 0, voters } })
}

/// Fetches the proof of the state after a block, for the log and for every device with events in it.
async fn fetch_state(log: &Log, chain: &impl ProofSource, newest: Newest) -> Result<LastBlock, CollectError> {
    let Newest { number, hash, state_root, block } = newest;
    let mut keys = vec![genesis_storage_key(), anchor_storage_key(&log.id())];
    keys.extend(log.heads()?.iter().map(|(device, _)| device_storage_key(device)));
    let nodes = chain.read_proof(keys, hash).await?;
    Ok(LastBlock { number, hash, state_root, block, nodes })
}

impl std::fmt::Display for Collected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events provable offline as of block {}", self.size, self.block)?;
        match self.unregistered.len() {
            0 => {}
            count => write!(f, "; unregistered devices: {count}")?,
        }
        match self.other_chains {
            0 => Ok(()),
            count => write!(f, "; proofs of other chains: {count}"),
        }
    }
}
