//! A chain in memory: blocks that voters sign, changes of voters, and a state with anchors and devices. Only what
//! evidence sees of a chain; shared by the tests and the benchmark.

use codec::{Compact, Encode};
use ed25519_dalek::{Signer as _, SigningKey};
use sp_core::{Blake2Hasher, H256};
use sp_trie::{trie_types::TrieDBMutBuilderV1, MemoryDB, TrieMut as _};
use streembit_primitives::{
    checkpoint::Anchor,
    device::DeviceRecord,
    evidence::{
        anchor_storage_key, device_storage_key, genesis_storage_key, AuthorityKey, AuthoritySet, TrustRoot,
        Voter,
    },
    DeviceId, Hash,
};

/// A chain whose newest block is the last.
pub struct FakeChain {
    /// The hash of its first block.
    pub genesis: Hash,
    /// The voters that it began with.
    pub first: Vec<Voter>,
    voters: Vec<SigningKey>,
    set: u64,
    blocks: Vec<FakeBlock>,
    state: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A final block.
#[derive(Clone)]
pub struct FakeBlock {
    /// Its hash.
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
    /// A chain with so many voters and no block after the first.
    pub fn new(count: u8) -> Self {
        Self::founded(count, Hash([0xfe; 32]))
    }

    /// A chain of some genesis.
    pub fn founded(count: u8, genesis: Hash) -> Self {
        let keys = keys(0, count);
        let first = voters(&keys);
        let state = vec![(genesis_storage_key(), genesis.encode())];
        Self { genesis, first, voters: keys, set: 0, blocks: Vec::new(), state }
    }

    /// What is trusted of it.
    pub fn trust(&self) -> TrustRoot {
        TrustRoot { genesis: self.genesis, authorities: AuthoritySet { id: 0, voters: self.first.clone() } }
    }

    /// The number that the next block has.
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

    /// Makes a block of the state as it is, final by three quarters of the voters; with `change`, the last of their
    /// set.
    pub fn block(&mut self, change: bool) {
        // Something else is in the state too.
        self.put(vec![7; 40], self.next_number().encode());
        let number = self.next_number();
        let next = keys(number as u8, self.voters.len() as u8);
        let (nodes, root) = self.trie();
        let parent = self.blocks.last().map_or(self.genesis, |block| block.hash);
        let slot = (6u8, *b"aura", u64::from(number + 850_000_000).encode()).encode();
        let mut digest = vec![slot];
        if change {
            digest.push((4u8, *b"FRNK", (1u8, voters(&next), 0u32).encode()).encode());
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
        let enough = self.voters.len() - self.voters.len() / 4;
        let votes: Vec<_> = self.voters[..enough]
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

    /// As a node answers to `streembit_genesisAuthorities`.
    pub fn genesis_authorities(&self) -> Vec<u8> {
        self.first.encode()
    }

    /// As a node answers to `streembit_finalityProof`; `most` fragments at once.
    pub fn finality_proof(&self, from: Hash, most: usize) -> Option<Vec<u8>> {
        let start = match self.blocks.iter().position(|block| block.hash == from) {
            Some(place) => place + 1,
            None if from == self.genesis => 0,
            None => return None,
        };
        let mut fragments: Vec<_> = self.blocks[start..].iter().filter(|block| block.ends_set).collect();
        let is_finished = fragments.len() <= most;
        fragments.truncate(most);
        // As the node: the newest block, but not twice in one answer; and the very block asked from where none is
        // newer.
        if let Some(newest) = self.blocks.last().filter(|_| is_finished) {
            if fragments.last().is_none_or(|last| last.hash != newest.hash) {
                fragments.push(newest);
            }
        }
        let bytes: Vec<u8> =
            fragments.iter().flat_map(|block| [&block.header[..], &block.votes].concat()).collect();
        Some([Compact(fragments.len() as u32).encode(), bytes, is_finished.encode()].concat())
    }

    /// As a node answers to `state_getReadProof`: here all nodes.
    pub fn read_proof(&self, at: Hash) -> Option<Vec<Vec<u8>>> {
        self.blocks.iter().find(|block| block.hash == at).map(|block| block.nodes.clone())
    }
}
