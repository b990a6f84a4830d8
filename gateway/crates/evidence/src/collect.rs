//! Collecting what proves the last anchor: every change of the voters since the genesis, the newest final block, and
//! what the chain's state says after it of the log and of its devices.
//!
//! Nothing is kept that was not verified, and what is kept needs no node any more. Where the voters come from that the
//! chain began with is the node's word here; whoever verifies the evidence has them from the chain's specification.

use super::{State, StateProofError};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use codec::DecodeAll as _;
use std::{future::Future, time::Duration};
use streembit_chain::{ChainClient, ChainError};
use streembit_log::{ChainProof, KnownVoters, LastBlock, Log, LogError};
use streembit_primitives::{
    evidence::{
        anchor_storage_key, device_storage_key, genesis_storage_key, AuthoritySet, EvidenceError,
        FinalityProof, JustifiedBlock, ProvenBlock, Voter,
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

/// How long a device that is not registered is left alone before the next block is looked at.
const REGISTRATION_PAUSE: Duration = Duration::from_secs(10);

/// Answers to one question for the changes of voters, at the most: each has up to 8 MiB.
const ANSWERS: usize = 64;

/// Why nothing new was collected. Evidence can be made of what was collected before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CollectError {
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The log could not be read or written, or is not what is anchored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What the node answered does not prove what it should.
    #[error("the node's proof of finality does not hold: {0}")]
    Finality(#[from] EvidenceError),
    /// What the node answered does not prove the state.
    #[error(transparent)]
    State(#[from] StateProofError),
    /// The state is not of the chain that this evidence begins with.
    #[error("the chain's state does not name the chain's first block")]
    OtherChain,
    /// The newest final block is before the anchor, or the node knows of none.
    #[error("no final block at or after the anchor is proven yet")]
    Behind,
    /// The voters that the node names are none.
    #[error("the node's answer on the chain's first voters cannot be understood")]
    Voters,
}

/// What collecting needs of the chain.
pub trait ProofSource: Send + Sync {
    /// The chain's genesis hash.
    fn genesis(&self) -> Hash;
    /// The first voters: SCALE of `Vec<([u8; 32], u64)>`.
    fn genesis_authorities(&self) -> impl Future<Output = Result<Vec<u8>, ChainError>> + Send;
    /// GRANDPA's warp proof from a block on.
    fn finality_proof(&self, from: Hash) -> impl Future<Output = Result<Vec<u8>, ChainError>> + Send;
    /// The nodes of the state's trie that prove what is under some keys.
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

/// What there is to make evidence of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Collected {
    /// How many entries of the log are proven.
    pub size: u64,
    /// The final block that proves them.
    pub block: u32,
    /// How often the voters changed until then.
    pub changes: u64,
    /// Of how many other chains it is kept what proved the log there.
    pub other_chains: usize,
    /// The devices with events in the log of which the chain knows nothing.
    pub unregistered: Vec<DeviceId>,
}

/// How collecting goes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum CollectState {
    /// Not yet at work.
    #[default]
    Starting,
    /// Nothing is anchored yet.
    NothingAnchored,
    /// The last anchor can be proven.
    Collected(Collected),
    /// It cannot be proven yet; collecting is tried again.
    Failing(CollectError),
}

/// Collects whenever there is a new anchor, until told to stop. `anchored` is the size of the last finalized anchor.
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

/// Ends only when nobody tells of anchors any more.
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
                if next_occasion(chain, anchored, &collected).await.is_err() {
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

/// Waits for a new anchor; while a device is not registered, for a new block too.
async fn next_occasion(
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

/// Collects once; at least `wanted` entries of the log have to be proven.
pub async fn collect(log: &Log, chain: &impl ProofSource, wanted: u64) -> Result<Collected, CollectError> {
    // What proves the anchors on a chain that this one was founded anew from stays, and proves nothing here. Where
    // there is no place beside the others the node is not asked for what could not be kept.
    let other_chains = log.chains_beside(&chain.genesis())?.len();
    let kept = log.chain_proof(&chain.genesis())?;
    let known = kept.as_ref().map_or(0, |kept| kept.changes.len() as u64);
    let FollowedVoters { voters, changes, newest } = newest(chain, kept).await?;
    let last = state_at(log, chain, newest).await?;
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

/// How far the changes of voters were followed.
struct FollowedVoters {
    voters: KnownVoters,
    /// The changes that are new.
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

/// Follows the voters from what is kept to the newest final block.
async fn newest(chain: &impl ProofSource, kept: Option<ChainProof>) -> Result<FollowedVoters, CollectError> {
    let (mut voters, mut newest) = match kept {
        Some(ChainProof { voters, last, .. }) => {
            let LastBlock { number, hash, state_root, block, .. } = last;
            (voters, Some(Newest { number, hash, state_root, block }))
        }
        None => (first_voters(chain).await?, None),
    };
    let mut changes = Vec::new();
    for _ in 0..ANSWERS {
        let answer = chain.finality_proof(voters.since).await?;
        let proof = FinalityProof::verify(&answer, &voters.since, &mut voters.current)?;
        let moved = !proof.blocks.is_empty();
        for link in proof.blocks {
            if link.ends_set {
                voters.since = link.at.hash;
                changes.push(link.block.clone());
            }
            newest = Some(link.into());
        }
        if proof.is_finished || !moved {
            break;
        }
    }
    Ok(FollowedVoters { voters, changes, newest: newest.ok_or(CollectError::Behind)? })
}

async fn first_voters(chain: &impl ProofSource) -> Result<KnownVoters, CollectError> {
    let answer = chain.genesis_authorities().await?;
    let voters = Vec::<Voter>::decode_all(&mut answer.as_slice()).map_err(|_| CollectError::Voters)?;
    let first = AuthoritySet { id: 0, voters };
    let genesis = chain.genesis();
    Ok(KnownVoters { genesis, current: first.clone(), first, since: genesis })
}

/// What the state says after a block of the log and of every device that has events in it.
async fn state_at(log: &Log, chain: &impl ProofSource, newest: Newest) -> Result<LastBlock, CollectError> {
    let Newest { number, hash, state_root, block } = newest;
    let devices = log.heads()?;
    let mut keys = vec![genesis_storage_key(), anchor_storage_key(&log.id())];
    keys.extend(devices.iter().map(|(device, _)| device_storage_key(device)));
    let nodes = chain.read_proof(keys, hash).await?;
    Ok(LastBlock { number, hash, state_root, block, nodes })
}

impl std::fmt::Display for Collected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events provable offline, as of block {}", self.size, self.block)?;
        match self.unregistered.len() {
            0 => {}
            count => write!(f, "; {count} of the devices not registered")?,
        }
        match self.other_chains {
            0 => Ok(()),
            count => write!(f, "; other chains kept: {count}"),
        }
    }
}
