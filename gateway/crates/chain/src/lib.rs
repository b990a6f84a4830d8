#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod connect;
mod contract_call;
mod contract_events;
mod devices;
mod dynamic;
mod equivocations;
mod error;
mod heads;
mod node_url;
mod offline;
mod proofs;
mod refusal;
mod registration;
mod reporting;
mod rpc;
mod runtime;
mod shape;
mod signer;
mod submit;
mod view;
mod voters;

pub mod quota;

pub use call::Call;
pub use connect::NodeConnection;
pub use contract_call::{ContractAction, ContractCall};
pub use contract_events::{BlockEvents, ContractEvent};
pub use devices::{
    device_consent, key_consent, log_consent, AllowedChange, KeyConsents, Reassignment, RecordChangeError,
};
pub use equivocations::{describe_equivocation, ValidatorsReport};
pub use error::ChainError;
pub use node_url::NodeUrl;
pub use offline::{BirthBlock, OfflineError, Review, SignedTransaction, UnsignedTransaction};
pub use refusal::PoolRefusal;
pub use registration::{account_consent, gateway_consent};
pub use reporting::{ChainReport, NodeState};
pub use rpc::VoterStatus;
pub use signer::{Signer, TransactionSigner};
pub use view::ChainView;
pub use voters::{Stall, VoteCount};

use rpc::Rpc;
use runtime::Runtime;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use streembit_primitives::{
    checkpoint::Anchor, contract::state::Grant, device::DeviceRecord, AccountId, DeviceId, Hash, LogId,
};
use subxt::config::substrate::H256;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A finalized block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finalized {
    /// The block number.
    pub number: u32,
    /// The block hash.
    pub hash: Hash,
    /// The block's timestamp, in milliseconds since 1970-01-01 UTC; 0 for block 0.
    pub time: u64,
}

/// The finalized block that includes a submitted call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// The block number.
    pub block: u32,
    /// The block hash.
    pub hash: Hash,
}

/// A client of the chain that talks to one node. Clones share the same connection.
#[derive(Clone)]
pub struct ChainClient {
    inner: Arc<Inner>,
}

struct Inner {
    rpc: Rpc,
    genesis: Hash,
    runtime: Mutex<Runtime>,
    reports: Arc<heads::Reports>,
    /// One lock per account: an account has at most one transaction in flight.
    submit_locks: Mutex<HashMap<AccountId, Arc<tokio::sync::Mutex<()>>>>,
    _follower: AbortOnDropHandle<()>,
}

impl ChainClient {
    /// Connects to a node and checks that the chain's runtime is compatible with this program.
    ///
    /// Returns an error if the node cannot be reached. After the first connection, the client reconnects by itself.
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
                submit_locks: Mutex::default(),
                _follower: AbortOnDropHandle::new(follower),
            }),
        })
    }

    /// The hash of block 0, which identifies the chain.
    pub fn genesis(&self) -> Hash {
        self.inner.genesis
    }

    /// The node's name in messages.
    pub fn node(&self) -> &str {
        self.inner.rpc.label()
    }

    /// Fetches the last finalized block.
    pub async fn finalized(&self) -> Result<Finalized, ChainError> {
        self.ensure_available()?;
        self.inner.rpc.finalized().await
    }

    /// Watches the last finalized block. The value does not change while the node is unreachable.
    pub fn finalized_heads(&self) -> watch::Receiver<Finalized> {
        self.inner.reports.finalized.subscribe()
    }

    /// Watches the problem with the node; `None` while the node answers.
    pub fn problem(&self) -> watch::Receiver<Option<ChainError>> {
        self.inner.reports.problem.subscribe()
    }

    /// Watches the reason why finality has stalled; `None` while blocks become final.
    pub fn stalled(&self) -> watch::Receiver<Option<Stall>> {
        self.inner.reports.stalled.subscribe()
    }

    /// Fetches the node's view of the voters. Returns `None` if the node does not follow their votes or its release
    /// does not offer this method.
    pub async fn voters(&self) -> Result<Option<VoterStatus>, ChainError> {
        self.ensure_available()?;
        match self.inner.rpc.voters().await {
            Err(ChainError::RequestFailed { .. }) => Ok(None),
            answer => answer,
        }
    }

    /// Opens the state at the last finalized block.
    pub async fn view(&self) -> Result<ChainView, ChainError> {
        let block = self.finalized().await?;
        let runtime = self.runtime_at(H256(block.hash.0)).await?;
        Ok(ChainView::new(self.inner.rpc.clone(), runtime, block))
    }

    /// Opens the state after a block of the finalized chain. Reads fail if the node has pruned it
    /// ([`ChainError::is_pruned`]).
    pub async fn view_after(&self, block: Hash) -> Result<ChainView, ChainError> {
        self.ensure_available()?;
        let (rpc, at) = (&self.inner.rpc, H256(block.0));
        let (number, _) = rpc.number_and_parent(at).await?;
        let found = Finalized { number, hash: block, time: rpc.time_of(at).await? };
        Ok(ChainView::new(rpc.clone(), self.runtime_at(at).await?, found))
    }

    /// Fetches the last anchor of `log`, or `None` if it has none.
    pub async fn latest_anchor(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.view().await?.latest_anchor(log).await
    }

    /// Fetches a device, or `None` if it is not registered.
    pub async fn device(&self, id: DeviceId) -> Result<Option<DeviceRecord>, ChainError> {
        self.view().await?.device(id).await
    }

    /// Fetches the grants on a device.
    pub async fn grants(&self, device: DeviceId) -> Result<Vec<Grant>, ChainError> {
        self.view().await?.grants(device).await
    }

    /// Returns the current problem with the node as an error.
    ///
    /// Callers fail at once while the node is known to be unreachable, and never use the state of another chain.
    fn ensure_available(&self) -> Result<(), ChainError> {
        match &*self.inner.reports.problem.borrow() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Returns the runtime in the state after block `at`, which executes the block that follows. Fetches and checks
    /// the metadata if the runtime has changed.
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

    /// Returns the lock that serializes the submissions of an account.
    fn submit_lock(&self, account: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        let mut submit_locks = self.inner.submit_locks.lock().unwrap_or_else(PoisonError::into_inner);
        submit_locks.entry(account).or_default().clone()
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
