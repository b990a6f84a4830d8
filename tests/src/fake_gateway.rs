//! A gateway's key and a log that was made up: what anchoring needs, without the gateway.

use crate::{dev_key, now_ms};
use anyhow::Result;
use std::collections::HashMap;
use streembit::{
    chain::{Call, ChainClient},
    keystore::KeyPair,
};
use streembit_primitives::{
    checkpoint::HashAlgorithm,
    hash::Domain,
    merkle::{ConsistencyProof, Frontier, MissingNodeError, NodeId, NodeStore, Tree},
    Checkpoint, Hash, LogId,
};

/// A gateway's key, without the gateway.
pub struct FakeGateway {
    /// What it signs with.
    pub keys: KeyPair,
}

impl FakeGateway {
    /// One that belongs to nobody.
    pub fn new() -> Self {
        Self { keys: KeyPair::from_seed(rand::random()) }
    }

    /// One that belongs to Alice.
    pub async fn registered(chain: &ChainClient) -> Result<Self> {
        let gateway = Self::new();
        chain.add_gateway(&dev_key("alice")?, &gateway.keys).await?;
        Ok(gateway)
    }

    /// Its log.
    pub fn log(&self) -> LogId {
        LogId::first(self.keys.account())
    }

    /// The call that anchors a log at a size.
    pub fn anchor(&self, log: LogId, size: u64, root: Hash, proof: ConsistencyProof) -> Call {
        let time = now_ms().unwrap_or_default();
        let checkpoint =
            Checkpoint { log, size, root, heads_root: Some(root), time, hash: HashAlgorithm::Blake3 };
        Call::Anchor { checkpoint, proof }
    }
}

impl Default for FakeGateway {
    fn default() -> Self {
        Self::new()
    }
}

/// The tree of a log that was made up.
#[derive(Default)]
pub struct Leaves {
    nodes: HashMap<NodeId, Hash>,
    frontier: Frontier,
    seed: u64,
}

impl Leaves {
    /// With so many entries; another seed makes others.
    pub fn new(count: u64, seed: u64) -> Self {
        let mut leaves = Self { seed, ..Self::default() };
        leaves.grow(count);
        leaves
    }

    /// Appends so many.
    pub fn grow(&mut self, count: u64) {
        let Self { nodes, frontier, seed } = self;
        for at in frontier.size()..frontier.size() + count {
            frontier.append(Domain::LogLeaf.hash_of(&(*seed, at)), |node| {
                nodes.insert(node.id, node.hash);
            });
        }
    }

    /// How many there are.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root at a size.
    pub fn root(&self, size: u64) -> Hash {
        Tree::new(self, size).root().unwrap_or_default()
    }

    /// That the tree at one size is a beginning of that at another.
    pub fn consistency(&self, old: u64, size: u64) -> ConsistencyProof {
        Tree::new(self, size).prove_consistency(old).unwrap_or_default()
    }
}

impl NodeStore for Leaves {
    type Error = MissingNodeError;

    fn node(&self, id: NodeId) -> Result<Hash, MissingNodeError> {
        self.nodes.get(&id).copied().ok_or(MissingNodeError(id))
    }
}

/// A fake gateway whose log grows from anchor to anchor.
#[derive(Default)]
pub struct Logger {
    /// Whose log it is.
    pub gateway: FakeGateway,
    /// The log.
    pub leaves: Leaves,
}

impl Logger {
    /// How many entries come between two anchors.
    const GROWTH: u64 = 8;

    /// Appends to the log, and anchors it; the anchor before has to be in the chain by then.
    pub fn anchor(&mut self) -> Call {
        let old = self.leaves.size();
        self.leaves.grow(Self::GROWTH);
        let size = self.leaves.size();
        let (root, proof) = (self.leaves.root(size), self.leaves.consistency(old, size));
        self.gateway.anchor(self.gateway.log(), size, root, proof)
    }
}
