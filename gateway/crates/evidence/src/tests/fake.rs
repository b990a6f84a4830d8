//! A fake chain in memory for the tests and the benchmark. It has blocks signed by voters, changes of voters, and a
//! state with anchors and devices, which is all that evidence depends on.

use codec::{Compact, Encode};
use ed25519_dalek::{Signer as _, SigningKey};
use sp_core::{Blake2Hasher, H256};
use sp_trie::{trie_types::TrieDBMutBuilderV1, MemoryDB, TrieMut as _};
use streembit_primitives::{
    checkpoint::Anchor,
    device::DeviceRecord,
    evidence::{
        anchor_storage_key, device_storage_key, genesis_storage_key, AuthorityKey, AuthoritySet, TrustRoot,
        Voter, CHAIN_ENGINE_ID,
    },
    DeviceId, Hash,
};

/// A chain in memory. All its blocks are final.
pub struct FakeChain {
    /// The genesis hash.
    pub genesis: Hash,
    /// The genesis voters.
    pub first: Vec<Voter>,
    voters: Vec<SigningKey>,
    set: u64,
    blocks: Vec<FakeBlock>,
    state: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A final block.
#[derive(Clone)]
pub struct FakeBlock {
    /// The hash of the block.
    pub hash: Hash,
    header: Vec<u8>,
    votes: Vec<u8>,
    ends_set: bool,
    nodes: Vec<Vec<u8>>,
}

fn keys(seed: u8, count: u8) -> Vec<SigningKey> {
    (0..count)
        .map(|n| SigningKey::from_bytes(&[seed.wrapping_mul(16).wrapping_add(n).wrapping_add(1); 32]))
        .collect()
}

fn voters(keys: &[SigningKey]) -> Vec<Voter> {
    keys.iter().map(|key| Voter { key: AuthorityKey(key.verifying_key().to_bytes()), weight: 1 }).collect()
}

impl FakeChain {
    /// Creates a chain with `count` voters and no block after the genesis.
    pub fn new(count: u8) -> Self {
        Self::with_genesis(count, Hash([0xfe; 32]))
    }

    /// Creates a chain with a given genesis hash.
    pub fn with_genesis(count: u8, genesis: Hash) -> Self {
        let keys = keys(0, count);
        let first = voters(&keys);
        let state = vec![(genesis_storage_key(), genesis.encode())];
        Self { genesis, first, voters: keys, set: 0, blocks: Vec::new(), state }
    }

    /// Returns the chain's trust root.
    pub fn trust(&self) -> TrustRoot {
        TrustRoot { genesis: self.genesis, authorities: AuthoritySet { id: 0, voters: self.first.clone() } }
    }

    /// Returns the number of the next block.
    pub fn next_number(&self) -> u32 {
        self.blocks.len() as u32 + 1
    }

    /// Puts an anchor into the state of the next block.
    pub fn anchor(&mut self, anchor: &Anchor) {
        self.put(anchor_storage_key(&anchor.checkpoint.log), anchor.encode());
    }

    /// Puts a device into the state of the next block.
    pub fn register(&mut self, device: &DeviceId, record: &DeviceRecord) {
        self.put(device_storage_key(device), record.encode());
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.state.retain(|(other, _)| *other != key);
        self.state.push((key, value));
    }

    /// Adds a block with the current state, finalized by three quarters of the voters. With `change`, it is the last
    /// block of their set.
    pub fn block(&mut self, change: bool) {
        // The state also has values that evidence does not need.
        self.put(vec![7; 40], self.next_number().encode());
        let number = self.next_number();
        let next = keys(number as u8, self.voters.len() as u8);
        let (nodes, root) = self.trie();
        let parent = self.blocks.last().map_or(self.genesis, |block| block.hash);
        let slot = (6u8, *b"aura", u64::from(number + 850_000_000).encode()).encode();
        let mut digest = vec![slot];
        if change {
            digest.push((4u8, *b"FRNK", (1u8, voters(&next), 0u32).encode()).encode());
            digest.push((4u8, CHAIN_ENGINE_ID, self.genesis.0.to_vec()).encode());
        }
        let mut header = (parent, Compact(number), root, [9u8; 32], Compact(digest.len() as u32)).encode();
        header.extend(digest.concat());
        let hash = Hash(sp_crypto_hashing::blake2_256(&header));
        let votes = self.votes(hash, number);
        self.blocks.push(FakeBlock { hash, header, votes, ends_set: change, nodes });
        if change {
            self.set += 1;
            self.voters = next;
        }
    }

    fn votes(&self, hash: Hash, number: u32) -> Vec<u8> {
        let round = 3u64;
        let message = (1u8, hash, number, round, self.set).encode();
        let signers = self.voters.len() - self.voters.len() / 4;
        let votes: Vec<_> = self.voters[..signers]
            .iter()
            .map(|key| (hash, number, key.sign(&message).to_bytes(), key.verifying_key().to_bytes()))
            .collect();
        (round, hash, number, votes, Compact(0u32)).encode()
    }

    fn trie(&self) -> (Vec<Vec<u8>>, [u8; 32]) {
        let (mut nodes, mut root) = (MemoryDB::<Blake2Hasher>::default(), H256::default());
        let mut trie = TrieDBMutBuilderV1::new(&mut nodes, &mut root).build();
        for (key, value) in &self.state {
            trie.insert(key, value).unwrap();
        }
        drop(trie);
        let nodes =
            nodes.drain().into_values().filter(|(_, count)| *count > 0).map(|(node, _)| node).collect();
        (nodes, root.0)
    }

    /// Returns what a node answers to `streembit_genesisAuthorities`.
    pub fn genesis_authorities(&self) -> Vec<u8> {
        self.first.encode()
    }

    /// Returns what a node answers to `streembit_finalityProof` if it gives at most `max` fragments at once, or `None`
    /// if there is no block `from`.
    pub fn finality_proof(&self, from: Hash, max: usize) -> Option<Vec<u8>> {
        let start = match self.blocks.iter().position(|block| block.hash == from) {
            Some(position) => position + 1,
            None if from == self.genesis => 0,
            None => return None,
        };
        let mut fragments: Vec<_> = self.blocks[start..].iter().filter(|block| block.ends_set).collect();
        let is_finished = fragments.len() <= max;
        fragments.truncate(max);
        // Like a node, append the newest block unless it is there already. It can be the block `from` itself.
        if let Some(newest) = self.blocks.last().filter(|_| is_finished) {
            if fragments.last().is_none_or(|last| last.hash != newest.hash) {
                fragments.push(newest);
            }
        }
        let bytes: Vec<u8> =
            fragments.iter().flat_map(|block| [&block.header[..], &block.votes].concat()).collect();
        Some([Compact(fragments.len() as u32).encode(), bytes, is_finished.encode()].concat())
    }

    /// Returns all nodes of the state's trie after a block, which is more than a node answers to `state_getReadProof`.
    pub fn read_proof(&self, at: Hash) -> Option<Vec<Vec<u8>>> {
        self.blocks.iter().find(|block| block.hash == at).map(|block| block.nodes.clone())
    }
}
