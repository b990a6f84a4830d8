//! What an export reads: a log, and what was collected of the chain that anchors it.

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
    /// The nodes of the log's tree.
    type Nodes<'a>: NodeStore<Error = Self::Error>
    where
        Self: 'a;

    /// Which log this is.
    fn id(&self) -> LogId;

    /// The chains of which something was collected, by their geneses; the one collected last at the end.
    fn chains(&self) -> Result<Vec<Hash>, Self::Error>;

    /// What was collected of a chain, or `None` if nothing was.
    fn collected(&self, genesis: &Hash) -> Result<Option<CollectedChain>, Self::Error>;

    /// Refuses an anchor that this log does not agree with.
    fn check_against(&self, anchor: &Anchor) -> Result<(), Self::AnchorError>;

    /// The sequence of a device's last event, or `None` if it has none.
    fn last_sequence(&self, device: &DeviceId) -> Result<Option<u64>, Self::Error>;

    /// Proves a device's last event among the first `size` entries, or returns `None` if it has none there.
    fn head_proof(&self, device: &DeviceId, size: u64) -> Result<Option<HeadProof>, Self::Error>;

    /// Returns at most `limit` events of a device in order, beginning with the sequence `from`.
    fn device_events(
        &self,
        device: &DeviceId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Self::Error>;

    /// The nodes of the tree.
    fn nodes(&self) -> Self::Nodes<'_>;
}

/// What was collected of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectedChain {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The voters that the chain began with.
    pub first_voters: AuthoritySet,
    /// The last block of each set of voters that ended, in order.
    pub changes: Vec<JustifiedBlock>,
    /// The newest block.
    pub last: JustifiedBlock,
    /// The number of the newest block.
    pub number: u32,
    /// The root of the state after the newest block.
    pub state_root: Hash,
    /// The nodes of that state's trie that lead to the log's anchor and to its devices.
    pub nodes: Vec<Vec<u8>>,
}
