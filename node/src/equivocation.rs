//! Two blocks of one author in one slot: seen as they come, told in plain words, and reported to the chain.
//!
//! `sc-consensus-aura` would write the header of every block into the database once more to see them, without the seal that
//! proves who made it, and only log. Here the last headers are kept in memory. GRANDPA reports contradicting votes itself.
//!
//! The chain takes what it can prove (see `pallet-validators`). Whatever it makes of them, `streembit_doubleBlocks` lists
//! what this node has seen since it started, and the gateways at this node raise the alarm.

use crate::service::{Block, FullClient, FullPool};
use async_trait::async_trait;
use codec::Encode as _;
use futures::{stream::FuturesUnordered, StreamExt as _};
use pallet_validators::runtime_api::ValidatorsApi as _;
use sc_consensus::{BlockCheckParams, BlockImport, BlockImportParams, ImportResult};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use serde::Serialize;
use sp_api::{ApiExt as _, ProvideRuntimeApi as _};
use sp_blockchain::HeaderBackend as _;
use sp_consensus_aura::{
    sr25519::{AuthorityId, AuthoritySignature},
    AuraApi as _, Slot,
};
use sp_core::crypto::{key_types::AURA, ByteArray as _};
use sp_keystore::KeystorePtr;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use streembit_runtime::{Hash, Header};
use tokio::sync::mpsc;

/// Of how many slots the headers are kept: some minutes of a busy chain, hours of an idle one.
const SLOTS: usize = 256;

/// How many headers of one slot are kept: where the chain cannot prove one pair it may prove another.
const OF_SLOT: usize = 4;

/// How long a header may be, in bytes, to be kept. With a change of 32 validators it has less than 2 KiB; whoever makes longer ones
/// would fill the memory of all nodes with them.
const LONGEST: usize = 8 * 1024;

/// How many pairs wait to be reported, and how many are listed.
const PAIRS: usize = 16;

/// How often a report is tried, and the pause between: the chain may agree only then on a block that both follow.
const ATTEMPTS: (u32, Duration) = (5, Duration::from_secs(4));

/// Two blocks of one slot, with their seals.
pub type Pair = [Header; 2];

/// Imports blocks and looks at each before.
#[derive(Clone)]
pub struct Watched<I> {
    inner: I,
    window: Arc<Mutex<Window>>,
    found: mpsc::Sender<Pair>,
}

impl<I> Watched<I> {
    /// Watches what is imported; the pairs that it finds come out of the receiver.
    pub fn new(inner: I) -> (Self, mpsc::Receiver<Pair>) {
        let (found, pairs) = mpsc::channel(PAIRS);
        (Self { inner, window: Arc::default(), found }, pairs)
    }

    /// Looks at a block whose seal was verified, or that was made here. What is imported by a proof of finality alone has its
    /// seal in the header still, and is not looked at.
    fn look_at(&self, block: &BlockImportParams<Block>) {
        if block.post_digests.is_empty() {
            return;
        }
        let Some(slot) = slot(&block.header) else { return };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        for pair in window.add(slot, block.post_header()) {
            // The import never waits. Where so many wait already, these can be missed.
            let _ = self.found.try_send(pair);
        }
    }
}

#[async_trait]
impl<I: BlockImport<Block> + Send + Sync> BlockImport<Block> for Watched<I> {
    type Error = I::Error;

    async fn check_block(&self, block: BlockCheckParams<Block>) -> Result<ImportResult, Self::Error> {
        self.inner.check_block(block).await
    }

    async fn import_block(&self, block: BlockImportParams<Block>) -> Result<ImportResult, Self::Error> {
        self.look_at(&block);
        self.inner.import_block(block).await
    }
}

/// The headers of the last slots, some of each at most.
#[derive(Default)]
struct Window(BTreeMap<Slot, Vec<Header>>);

impl Window {
    /// Adds a header; gives it with each of the others of its slot.
    fn add(&mut self, slot: Slot, header: Header) -> Vec<Pair> {
        if header.encoded_size() > LONGEST {
            return Vec::new();
        }
        let of_slot = self.0.entry(slot).or_default();
        if of_slot.len() >= OF_SLOT || of_slot.contains(&header) {
            return Vec::new();
        }
        let pairs = of_slot.iter().map(|other| [other.clone(), header.clone()]).collect();
        of_slot.push(header);
        while self.0.len() > SLOTS {
            self.0.pop_first();
        }
        pairs
    }
}

fn slot(header: &Header) -> Option<Slot> {
    sc_consensus_aura::find_pre_digest::<Block, AuthoritySignature>(header).ok()
}

/// Two blocks of one author in one slot, as `streembit_doubleBlocks` answers.
#[derive(Clone, Serialize)]
pub struct DoubleBlock {
    /// The author's key, in hexadecimal digits.
    author: String,
    slot: u64,
    blocks: [Hash; 2],
}

/// The last that were seen, oldest first; a clone is the same list.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<VecDeque<DoubleBlock>>>);

impl Seen {
    /// All of them.
    pub fn list(&self) -> Vec<DoubleBlock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Adds what is not there yet; says whether it was not.
    fn add(&self, seen: DoubleBlock) -> bool {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|known| known.slot == seen.slot && known.author == seen.author) {
            return false;
        }
        if list.len() >= PAIRS {
            list.pop_front();
        }
        list.push_back(seen);
        true
    }
}

/// What tells and reports what was found.
pub struct Reporter {
    /// The chain.
    pub client: Arc<FullClient>,
    /// Where reports go.
    pub pool: Arc<FullPool>,
    /// This node's own keys.
    pub keystore: KeystorePtr,
    /// What was seen.
    pub seen: Seen,
}

impl Reporter {
    /// Until nothing is imported any more.
    pub async fn run(self, mut pairs: mpsc::Receiver<Pair>) {
        // At once: one that the chain does not take would keep the others waiting.
        let mut reports = FuturesUnordered::new();
        loop {
            tokio::select! {
                pair = pairs.recv(), if reports.len() < PAIRS => {
                    let Some(pair) = pair else { return };
                    if let Some((author, slot)) = self.author(&pair) {
                        self.tell(&pair, &author, slot);
                        reports.push(self.report(pair));
                    }
                }
                Some(()) = reports.next(), if !reports.is_empty() => {}
            }
        }
    }

    /// Who made both. Around a change of the validators a slot can be that of two.
    fn author(&self, [first, second]: &Pair) -> Option<(AuthorityId, Slot)> {
        let slot = slot(first)?;
        let author = |header: &Header| {
            let authorities = self.client.runtime_api().authorities(header.parent_hash).ok()?;
            let place = (*slot).checked_rem(authorities.len() as u64)?;
            authorities.into_iter().nth(usize::try_from(place).ok()?)
        };
        let author_of_first: AuthorityId = author(first)?;
        (author(second)? == author_of_first).then_some((author_of_first, slot))
    }

    fn tell(&self, pair: &Pair, author: &AuthorityId, slot: Slot) {
        let blocks = pair.each_ref().map(Header::hash);
        let [first, second] = blocks;
        let key = format!("0x{}", hex::encode(author));
        if !self.seen.add(DoubleBlock { author: key.clone(), slot: *slot, blocks }) {
            return;
        }
        if self.keystore.has_keys(&[(author.to_raw_vec(), AURA)]) {
            tracing::error!(
                "another node makes blocks with this node's key {key} (in slot {slot}: {first} and {second}); the chain removes \
                 this validator: stop one of the two, for good"
            );
        } else {
            tracing::error!(
                "the validator with the key {key} made two blocks in slot {slot}: {first} and {second}; it is reported, and the \
                 chain removes it where that can be proven"
            );
        }
    }

    /// Tries again while the chain sees no proof in them.
    async fn report(&self, [first, second]: Pair) {
        let (attempts, pause) = ATTEMPTS;
        for _ in 0..attempts {
            if self.submit(first.clone(), second.clone()) {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        tracing::warn!("the chain sees no proof in the two blocks of one slot: they do not both follow one of its own blocks");
    }

    /// Whether the report is on its way, or was made before.
    fn submit(&self, first: Header, second: Header) -> bool {
        let best = self.client.info().best_hash;
        let pool = OffchainTransactionPoolFactory::new(self.pool.clone());
        let mut api = self.client.runtime_api();
        api.register_extension(pool.offchain_transaction_pool(best));
        matches!(api.submit_block_report(best, first, second), Ok(Some(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_runtime::traits::Header as _;

    fn header(content: u8) -> Header {
        let state = Hash::repeat_byte(content);
        Header::new(7, Hash::zero(), state, Hash::zero(), Default::default())
    }

    #[test]
    fn each_further_block_of_a_slot_is_found_once_with_those_before() {
        let mut window = Window::default();
        assert!(window.add(Slot::from(5), header(1)).is_empty());
        assert!(window.add(Slot::from(5), header(1)).is_empty(), "the same block again");
        assert!(window.add(Slot::from(6), header(2)).is_empty(), "the next slot");
        assert_eq!(window.add(Slot::from(5), header(3)), [[header(1), header(3)]]);
        assert!(window.add(Slot::from(5), header(3)).is_empty());
        let third = window.add(Slot::from(5), header(4));
        assert_eq!(third, [[header(1), header(4)], [header(3), header(4)]], "one of them may be provable");
        assert_eq!(window.add(Slot::from(5), header(5)).len(), 3);
        assert!(window.add(Slot::from(5), header(6)).is_empty(), "so many are enough");
    }

    #[test]
    fn long_headers_fill_no_memory() {
        let mut window = Window::default();
        let mut long = header(1);
        long.digest_mut().push(sp_runtime::DigestItem::Other(vec![0; LONGEST]));
        window.add(Slot::from(5), long);
        assert!(window.0.is_empty());
    }

    #[test]
    fn old_slots_are_forgotten() {
        let mut window = Window::default();
        for slot in 0..2 * SLOTS as u64 {
            window.add(Slot::from(slot), header(1));
        }
        assert_eq!(window.0.len(), SLOTS);
        assert_eq!(window.add(Slot::from(2 * SLOTS as u64 - 1), header(2)).len(), 1);
        assert!(window.add(Slot::from(0), header(2)).is_empty());
        assert_eq!(window.0.len(), SLOTS);
    }

    #[test]
    fn the_list_of_what_was_seen_is_bounded() {
        let seen = Seen::default();
        for slot in 0..100 {
            seen.add(DoubleBlock { author: "0x".into(), slot, blocks: [Hash::zero(); 2] });
        }
        assert_eq!(seen.list().len(), PAIRS);
        assert_eq!(seen.list().last().map(|last| last.slot), Some(99));
        let again = DoubleBlock { author: "0x".into(), slot: 99, blocks: [Hash::zero(); 2] };
        assert!(!seen.add(again), "told already");
    }
}
