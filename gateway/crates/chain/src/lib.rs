#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod connect;
mod equivocations;
mod error;
mod heads;
mod node_url;
mod proofs;
mod refusal;
mod registration;
mod reporting;
mod rpc;
mod runtime;
mod shape;
mod submit;
mod view;
mod voters;

pub mod quota;

pub use call::Call;
pub use connect::NodeConnection;
pub use equivocations::{describe_equivocation, ValidatorsReport};
pub use error::ChainError;
pub use node_url::NodeUrl;
pub use refusal::PoolRefusal;
pub use registration::{device_consent, gateway_consent};
pub use reporting::{ChainReport, NodeState};
pub use rpc::SeenVoters;
pub use view::ChainView;
pub use voters::{Stall, VoteCount};

use rpc::Rpc;
use runtime::Runtime;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use streembit_primitives::{
    checkpoint::Anchor, contract_state::Grant, device::DeviceRecord, AccountId, DeviceId, Hash, LogId,
};
use subxt::config::substrate::H256;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A finalized block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finalized {
    /// Its number.
    pub number: u32,
    /// Its hash.
    pub hash: Hash,
    /// Its time, in milliseconds since 1970-01-01 UTC; 0 for block 0.
    pub time: u64,
}

/// Where a call became final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// The block's number.
    pub block: u32,
    /// The block's hash.
    pub hash: Hash,
}

/// A connection to the chain through a node; a clone is the same connection.
#[derive(Clone)]
pub struct ChainClient {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Rpc,
    genesis: Hash,
    runtime: Mutex<Runtime>,
    reports: Arc<heads::Reports>,
    /// One transaction of an account at a time.
    turns: Mutex<HashMap<AccountId, Arc<tokio::sync::Mutex<()>>>>,
    _follower: AbortOnDropHandle<()>,
}

impl ChainClient {
    /// Connects, and checks that the chain's runtime fits this program. Fails where no node answers; once
    /// connected, it connects again by itself.
    pub async fn connect(node: NodeConnection) -> Result<Self, ChainError> {
        let rpc = Rpc::new(node.open().await?, node.label());
        let genesis = rpc.genesis().await?;
        let finalized = rpc.finalized().await?;
        let runtime = fetch_runtime(&rpc, genesis, H256(finalized.hash.0)).await?;
        let reports = Arc::new(heads::Reports {
            finalized: watch::Sender::new(finalized),
            problem: watch::Sender::new(None),
            stalled: watch::Sender::new(None),
        });
        let genesis = Hash(genesis.0);
        let follower = tokio::spawn(heads::follow(rpc.clone(), genesis, reports.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                rpc,
                genesis,
                runtime: Mutex::new(runtime),
                reports,
                turns: Mutex::default(),
                _follower: AbortOnDropHandle::new(follower),
            }),
        })
    }

    /// The hash of block 0, which names the chain.
    pub fn genesis(&self) -> Hash {
        self.inner.genesis
    }

    /// What messages call the node.
    pub fn node(&self) -> &str {
        self.inner.rpc.label()
    }

    /// The last finalized block, asked for now.
    pub async fn finalized(&self) -> Result<Finalized, ChainError> {
        self.check_node()?;
        self.inner.rpc.finalized().await
    }

    /// The last finalized block as it moves on. It stands still while the node is away.
    pub fn finalized_heads(&self) -> watch::Receiver<Finalized> {
        self.inner.reports.finalized.subscribe()
    }

    /// What is wrong with the node; `None` while it answers.
    pub fn problem(&self) -> watch::Receiver<Option<ChainError>> {
        self.inner.reports.problem.subscribe()
    }

    /// What keeps blocks from becoming final; `None` while they do.
    pub fn stalled(&self) -> watch::Receiver<Option<Stall>> {
        self.inner.reports.stalled.subscribe()
    }

    /// The voters as the node sees them; `None` where it does not follow their votes, or is of a release that does not say.
    pub async fn voters(&self) -> Result<Option<SeenVoters>, ChainError> {
        self.check_node()?;
        match self.inner.rpc.voters().await {
            Err(ChainError::Question { .. }) => Ok(None),
            answer => answer,
        }
    }

    /// The state at the last finalized block.
    pub async fn view(&self) -> Result<ChainView, ChainError> {
        let block = self.finalized().await?;
        let runtime = self.runtime_at(H256(block.hash.0)).await?;
        Ok(ChainView::new(self.inner.rpc.clone(), runtime, block))
    }

    /// The last anchor of a log.
    pub async fn latest_anchor(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.view().await?.latest_anchor(log).await
    }

    /// A device.
    pub async fn device(&self, id: DeviceId) -> Result<Option<DeviceRecord>, ChainError> {
        self.view().await?.device(id).await
    }

    /// Who may read a device.
    pub async fn grants(&self, device: DeviceId) -> Result<Vec<Grant>, ChainError> {
        self.view().await?.grants(device).await
    }

    /// While the node is known to be away nobody has to wait for it, and nothing of another chain is ever taken for
    /// this one's.
    fn check_node(&self) -> Result<(), ChainError> {
        match &*self.inner.reports.problem.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The runtime in the state of a block, checked: the one that makes the block after it.
    async fn runtime_at(&self, at: H256) -> Result<Runtime, ChainError> {
        let (version, _) = self.inner.rpc.version(at).await?;
        let known = self.inner.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.version() == version {
            return Ok(known);
        }
        let runtime = fetch_runtime(&self.inner.rpc, H256(self.inner.genesis.0), at).await?;
        *self.inner.runtime.lock().unwrap_or_else(PoisonError::into_inner) = runtime.clone();
        Ok(runtime)
    }

    /// The place of an account in the queue of those that submit here.
    fn turn_of(&self, account: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(account).or_default().clone()
    }
}

impl std::fmt::Debug for ChainClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainClient({}, genesis {})", self.node(), self.genesis())
    }
}

async fn fetch_runtime(rpc: &Rpc, genesis: H256, at: H256) -> Result<Runtime, ChainError> {
    let (version, transaction_version) = rpc.version(at).await?;
    let metadata = rpc.metadata(at).await?;
    Runtime::check(version, transaction_version, genesis, &metadata)
}
