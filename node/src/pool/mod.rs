//! The transaction pool of the node, in which each party has a bounded share.
//!
//! The runtime validates one transaction at a time. It cannot see what waits in a pool, so without a bound one gateway with
//! a chain of nonces could take all places. [`BoundedPool`] counts what waits before it passes a transaction on to the
//! pool of the SDK.

mod shares;

use crate::types::{Block, FullClient};
use async_trait::async_trait;
use pallet_parties::runtime_api::PartiesApi;
use sc_transaction_pool_api::{
    error::Error as PoolError, ChainEvent, ImportNotificationStream, InPoolTransaction, LocalTransactionPool,
    MaintainedTransactionPool, PoolStatus, ReadyTransactions, TransactionPool, TransactionSource,
    TransactionStatusStreamFor, TxInvalidityReportMap,
};
use shares::{Place, Sender, Shares};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_runtime::OpaqueExtrinsic;
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use streembit_primitives::{AccountId, PartyId};
use streembit_runtime::Hash;

/// The pool of the SDK.
type InnerPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;
/// An error of the pool.
type Error = <InnerPool as TransactionPool>::Error;
/// A transaction in the pool.
type InPool = <InnerPool as TransactionPool>::InPoolTransaction;
/// The transactions that are valid now.
type Ready = Box<dyn ReadyTransactions<Item = Arc<InPool>> + Send>;
/// The states that a transaction goes through.
type Statuses = Pin<Box<TransactionStatusStreamFor<InnerPool>>>;

/// A transaction pool in which each party, and each account, takes a limited number of places.
pub struct BoundedPool {
    inner: InnerPool,
    client: Arc<FullClient>,
    shares: Mutex<Shares<Hash>>,
}

impl BoundedPool {
    /// Bounds the shares of parties in a pool. The client says which party an account acts for.
    pub fn new(inner: InnerPool, client: Arc<FullClient>) -> Self {
        Self { inner, client, shares: Mutex::new(Shares::default()) }
    }

    /// Takes a place for a transaction, or returns the error of a pool that is full. A transaction that is in the pool
    /// already needs no place.
    fn take_place(&self, transaction: &OpaqueExtrinsic) -> Result<Option<Place<'_, Hash>>, Error> {
        let hash = self.inner.hash_of(transaction);
        if self.inner.ready_transaction(&hash).is_some() {
            return Ok(None);
        }
        let status = self.inner.status();
        let sender = Sender::of(transaction.inner());
        let place = Shares::take(
            &self.shares,
            (hash, sender),
            status.ready.saturating_add(status.future),
            || self.waiting(),
            |account| self.party_of(account),
        );
        place.map_err(|full| {
            tracing::debug!("a transaction is refused: {full}");
            PoolError::ImmediatelyDropped.into()
        })
    }

    /// Returns the transactions that wait in the pool, with their senders.
    fn waiting(&self) -> HashMap<Hash, Sender> {
        let ready = self.inner.ready().map(|one| (*one.hash(), Sender::of(one.data().inner())));
        let futures = self.inner.futures();
        let futures = futures.iter().map(|one| (*one.hash(), Sender::of(one.data().inner())));
        ready.chain(futures).collect()
    }

    /// Returns the party that an account acts for in the state of the best block.
    fn party_of(&self, account: &AccountId) -> Option<PartyId> {
        let best = self.client.info().best_hash;
        let role = self.client.runtime_api().role(best, *account).ok()??;
        Some(role.party)
    }

    /// Keeps the place of a transaction that the pool has taken but does not show yet. It shows the others itself.
    fn keep_if_hidden(&self, place: Option<Place<'_, Hash>>) {
        if let Some(place) = place {
            if self.inner.ready_transaction(place.transaction()).is_none() {
                place.keep();
            }
        }
    }
}

#[async_trait]
impl TransactionPool for BoundedPool {
    type Block = Block;
    type Hash = Hash;
    type InPoolTransaction = InPool;
    type Error = Error;

    async fn submit_at(
        &self,
        at: Hash,
        source: TransactionSource,
        transactions: Vec<OpaqueExtrinsic>,
    ) -> Result<Vec<Result<Hash, Error>>, Error> {
        let (mut admitted, mut places) = (Vec::new(), Vec::new());
        for transaction in transactions {
            let place = self.take_place(&transaction);
            if place.is_ok() {
                admitted.push(transaction);
            }
            places.push(place);
        }
        let mut results = self.inner.submit_at(at, source, admitted).await?.into_iter();
        let result = |place: Result<Option<Place<'_, Hash>>, Error>| -> Result<Hash, Error> {
            let place = place?;
            let hash = results.next().unwrap_or_else(|| Err(PoolError::ImmediatelyDropped.into()))?;
            self.keep_if_hidden(place);
            Ok(hash)
        };
        Ok(places.into_iter().map(result).collect())
    }

    async fn submit_one(
        &self,
        at: Hash,
        source: TransactionSource,
        transaction: OpaqueExtrinsic,
    ) -> Result<Hash, Error> {
        let place = self.take_place(&transaction)?;
        let hash = self.inner.submit_one(at, source, transaction).await?;
        self.keep_if_hidden(place);
        Ok(hash)
    }

    async fn submit_and_watch(
        &self,
        at: Hash,
        source: TransactionSource,
        transaction: OpaqueExtrinsic,
    ) -> Result<Statuses, Error> {
        let place = self.take_place(&transaction)?;
        let statuses = self.inner.submit_and_watch(at, source, transaction).await?;
        self.keep_if_hidden(place);
        Ok(statuses)
    }

    async fn ready_at(&self, at: Hash) -> Ready {
        self.inner.ready_at(at).await
    }

    fn ready(&self) -> Ready {
        self.inner.ready()
    }

    async fn report_invalid(
        &self,
        at: Option<Hash>,
        invalid: TxInvalidityReportMap<Hash>,
    ) -> Vec<Arc<InPool>> {
        self.inner.report_invalid(at, invalid).await
    }

    fn futures(&self) -> Vec<InPool> {
        self.inner.futures()
    }

    fn status(&self) -> PoolStatus {
        self.inner.status()
    }

    fn import_notification_stream(&self) -> ImportNotificationStream<Hash> {
        self.inner.import_notification_stream()
    }

    fn on_broadcasted(&self, propagations: HashMap<Hash, Vec<String>>) {
        self.inner.on_broadcasted(propagations);
    }

    fn hash_of(&self, transaction: &OpaqueExtrinsic) -> Hash {
        self.inner.hash_of(transaction)
    }

    fn ready_transaction(&self, hash: &Hash) -> Option<Arc<InPool>> {
        self.inner.ready_transaction(hash)
    }

    async fn ready_at_with_timeout(&self, at: Hash, timeout: Duration) -> Ready {
        self.inner.ready_at_with_timeout(at, timeout).await
    }
}

#[async_trait]
impl MaintainedTransactionPool for BoundedPool {
    async fn maintain(&self, event: ChainEvent<Block>) {
        self.inner.maintain(event).await;
    }
}

/// Transactions of this node itself, which are reports that nobody signs. The runtime takes each once, so they need no
/// bound.
impl LocalTransactionPool for BoundedPool {
    type Block = Block;
    type Hash = Hash;
    type Error = Error;

    fn submit_local(&self, at: Hash, transaction: OpaqueExtrinsic) -> Result<Hash, Error> {
        self.inner.submit_local(at, transaction)
    }
}
