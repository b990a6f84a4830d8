//! The interface to the log and to the collected proofs that an export reads.

use streembit_primitives::{
    checkpoint::Anchor,
    evidence::{AuthoritySet, JustifiedBlock},
    heads::HeadProof,
    merkle::NodeStore,
    DeviceId, Hash, LogId, StoredEvent,
};

/// A log from which evidence can be exported.
///
/// The gateway's log implements it under the feature `collect`. Other stores of events can do the same.
pub trait EventLog {
    /// Why the log cannot be read.
    type Error: std::error::Error + Send + Sync + 'static;
    /// Why the log does not agree with an anchor, or cannot be compared with it.
    type AnchorError: std::error::Error + Send + Sync + 'static;
    /// Reads the nodes of the log's tree.
    type Nodes<'a>: NodeStore<Error = Self::Error>
    where
        Self: 'a;

    /// Returns the id of the log.
    fn id(&self) -> LogId;

    /// Returns the genesis hashes of the chains from which something was collected; the last one was collected last.
    fn chains(&self) -> Result<Vec<Hash>, Self::Error>;

    /// Returns what was collected from a chain, or `None` if nothing was.
    fn collected(&self, genesis: &Hash) -> Result<Option<CollectedChain>, Self::Error>;

    /// Fails if the log does not agree with an anchor.
    fn check_against(&self, anchor: &Anchor) -> Result<(), Self::AnchorError>;

    /// Returns the sequence of a device's last event, or `None` if it has none.
    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, Self::Error>;

    /// Proves which event is a device's last one among the first `size` entries. Returns `None` if it has none there.
    fn head_proof(&self, device: &DeviceId, size: u64) -> Result<Option<HeadProof>, Self::Error>;

    /// Returns at most `limit` events of a device in order, beginning with the sequence `from`.
    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Self::Error>;

    /// Returns a reader of the tree's nodes.
    fn nodes(&self) -> Self::Nodes<'_>;
}

/// The proof that was collected from a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectedChain {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The genesis voters of the chain.
    pub first_voters: AuthoritySet,
    /// The last block of each set of voters that ended, in order.
    pub changes: Vec<JustifiedBlock>,
    /// The newest final block.
    pub last: JustifiedBlock,
    /// The number of the newest final block.
    pub number: u32,
    /// The root of the state after the newest final block.
    pub state_root: Hash,
    /// The trie nodes that prove in that state the log's anchor and the records of its devices.
    pub nodes: Vec<Vec<u8>>,
}
