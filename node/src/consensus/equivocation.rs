//! Detects two blocks by one author in one slot, logs them, and reports them to the chain.
//!
//! `sc-consensus-aura` can detect them too, but it would write the header of every block into the database again,
//! without the seal that proves the author, and only log. This module keeps the latest headers in memory instead.
//! GRANDPA itself reports contradicting votes.
//!
//! The chain acts on the pairs that it can verify as proofs (see `pallet-validators`). Independently of the chain,
//! `streembit_doubleBlocks` lists the pairs that this node has seen since its start, and the gateways that use this
//! node raise an alarm.

use crate::types::{Block, FullClient, FullPool};
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

/// The number of slots whose headers are kept: some minutes of a busy chain, hours of an idle one.
const MAX_SLOTS: usize = 256;

/// The number of headers kept per slot. If the chain cannot verify one pair, it may be able to verify another one.
const MAX_HEADERS_PER_SLOT: usize = 4;

/// The maximum size of a header to be kept, in bytes. A header that changes 32 validators has less than 2 KiB.
/// Without a limit, an author of long headers could fill the memory of all nodes.
const MAX_HEADER_SIZE: usize = 8 * 1024;

/// The maximum number of pairs that wait to be reported, and of pairs in the list.
const MAX_PAIRS: usize = 16;

/// The number of times that a report is submitted. A pair is a proof only if the parent blocks are on the chain, and
/// forks may need some time to resolve.
const REPORT_ATTEMPTS: u32 = 5;

/// The time between two attempts to report.
const REPORT_INTERVAL: Duration = Duration::from_secs(4);

/// The headers of two blocks of one slot, with their seals.
pub type DoubleBlockHeaders = [Header; 2];

/// A block import that compares each block with the previous blocks of its slot, and then hands it to the inner import.
#[derive(Clone)]
pub struct EquivocationDetector<I> {
    inner: I,
    recent: Arc<Mutex<RecentHeaders>>,
    pairs: mpsc::Sender<DoubleBlockHeaders>,
}

impl<I> EquivocationDetector<I> {
    /// Wraps a block import. The receiver yields the pairs of blocks that it finds.
    pub fn new(inner: I) -> (Self, mpsc::Receiver<DoubleBlockHeaders>) {
        let (pairs, receiver) = mpsc::channel(MAX_PAIRS);
        (Self { inner, recent: Arc::default(), pairs }, receiver)
    }

    /// Looks for other blocks of the same slot. Only blocks whose seal was verified, or that this node produced, have
    /// post digests. Blocks that are imported with a finality proof alone have none and are ignored.
    fn check(&self, block: &BlockImportParams<Block>) {
        if block.post_digests.is_empty() {
            return;
        }
        let Some(slot) = slot_of(&block.header) else { return };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for pair in recent.add(slot, block.post_header()) {
            // The import must not wait. If the channel is full, this pair is lost.
            let _ = self.pairs.try_send(pair);
        }
    }
}

#[async_trait]
impl<I: BlockImport<Block> + Send + Sync> BlockImport<Block> for EquivocationDetector<I> {
    type Error = I::Error;

    async fn check_block(&self, block: BlockCheckParams<Block>) -> Result<ImportResult, Self::Error> {
        self.inner.check_block(block).await
    }

    async fn import_block(&self, block: BlockImportParams<Block>) -> Result<ImportResult, Self::Error> {
        self.check(&block);
        self.inner.import_block(block).await
    }
}

/// The headers of the latest slots.
#[derive(Default)]
struct RecentHeaders(BTreeMap<Slot, Vec<Header>>);

impl RecentHeaders {
    /// Adds a header. Returns it paired with each other header of its slot.
    fn add(&mut self, slot: Slot, header: Header) -> Vec<DoubleBlockHeaders> {
        if header.encoded_size() > MAX_HEADER_SIZE {
            return Vec::new();
        }
        let of_slot = self.0.entry(slot).or_default();
        if of_slot.len() >= MAX_HEADERS_PER_SLOT || of_slot.contains(&header) {
            return Vec::new();
        }
        let pairs = of_slot.iter().map(|other| [other.clone(), header.clone()]).collect();
        of_slot.push(header);
        while self.0.len() > MAX_SLOTS {
            self.0.pop_first();
        }
        pairs
    }
}

fn slot_of(header: &Header) -> Option<Slot> {
    sc_consensus_aura::find_pre_digest::<Block, AuthoritySignature>(header).ok()
}

/// Two blocks by one author in one slot, as `streembit_doubleBlocks` returns them.
#[derive(Clone, Serialize)]
pub struct DoubleBlock {
    /// The author's public key, in hexadecimal digits.
    author: String,
    slot: u64,
    blocks: [Hash; 2],
}

/// The latest double blocks, oldest first. Clones share the same list.
#[derive(Clone, Default)]
pub struct DoubleBlockList(Arc<Mutex<VecDeque<DoubleBlock>>>);

impl DoubleBlockList {
    /// Returns all entries.
    pub fn entries(&self) -> Vec<DoubleBlock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Adds an entry, unless the list has one with the same author and slot. Returns true if it was added.
    fn add(&self, block: DoubleBlock) -> bool {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|known| known.slot == block.slot && known.author == block.author) {
            return false;
        }
        if list.len() >= MAX_PAIRS {
            list.pop_front();
        }
        list.push_back(block);
        true
    }
}

/// Logs pairs of blocks and reports them to the chain.
pub struct EquivocationReporter {
    /// Used to look up authors and to build the report.
    pub client: Arc<FullClient>,
    /// The pool that reports are submitted to.
    pub pool: Arc<FullPool>,
    /// The keystore of this node, to recognise its own keys.
    pub keystore: KeystorePtr,
    /// The list that pairs are added to.
    pub list: DoubleBlockList,
}

impl EquivocationReporter {
    /// Runs until the block import is dropped.
    pub async fn run(self, mut pairs: mpsc::Receiver<DoubleBlockHeaders>) {
        // Reports run concurrently: one that the chain rejects must not delay the others.
        let mut reports = FuturesUnordered::new();
        loop {
            tokio::select! {
                pair = pairs.recv(), if reports.len() < MAX_PAIRS => {
                    let Some(pair) = pair else { return };
                    if let Some((author, slot)) = self.common_author(&pair) {
                        self.log(&pair, &author, slot);
                        reports.push(self.report(pair));
                    }
                }
                Some(()) = reports.next(), if !reports.is_empty() => {}
            }
        }
    }

    /// Returns the author of both blocks, or `None` if they have different authors, which can happen around a change
    /// of the validators.
    fn common_author(&self, [first, second]: &DoubleBlockHeaders) -> Option<(AuthorityId, Slot)> {
        let slot = slot_of(first)?;
        let author = |header: &Header| {
            let authorities = self.client.runtime_api().authorities(header.parent_hash).ok()?;
            let index = (*slot).checked_rem(authorities.len() as u64)?;
            authorities.into_iter().nth(usize::try_from(index).ok()?)
        };
        let first_author: AuthorityId = author(first)?;
        (author(second)? == first_author).then_some((first_author, slot))
    }

    fn log(&self, pair: &DoubleBlockHeaders, author: &AuthorityId, slot: Slot) {
        let blocks = pair.each_ref().map(Header::hash);
        let [first, second] = blocks;
        let key = format!("0x{}", hex::encode(author));
        if !self.list.add(DoubleBlock { author: key.clone(), slot: *slot, blocks }) {
            return;
        }
        if self.keystore.has_keys(&[(author.to_raw_vec(), AURA)]) {
            tracing::error!(
                "another node makes blocks with this node's key {key} (in slot {slot}: {first} and {second}); the chain will \
                 remove this validator: stop one of the two nodes for good"
            );
        } else {
            tracing::error!(
                "the validator with the key {key} made two blocks in slot {slot}: {first} and {second}; this node reports it, and \
                 the chain removes the validator if it can verify the proof"
            );
        }
    }

    /// Reports a pair, and tries again while the chain does not accept it as a proof.
    async fn report(&self, [first, second]: DoubleBlockHeaders) {
        for _ in 0..REPORT_ATTEMPTS {
            if self.submit(first.clone(), second.clone()) {
                return;
            }
            tokio::time::sleep(REPORT_INTERVAL).await;
        }
        tracing::warn!(
            "the chain does not accept the two blocks of one slot as a proof, because their parents are not both on the chain"
        );
    }

    /// Returns true if the report was submitted now or before.
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
    fn a_further_block_of_a_slot_is_paired_once_with_each_previous_one() {
        let mut recent = RecentHeaders::default();
        assert!(recent.add(Slot::from(5), header(1)).is_empty());
        assert!(recent.add(Slot::from(5), header(1)).is_empty(), "the same block again");
        assert!(recent.add(Slot::from(6), header(2)).is_empty(), "the next slot");
        assert_eq!(recent.add(Slot::from(5), header(3)), [[header(1), header(3)]]);
        assert!(recent.add(Slot::from(5), header(3)).is_empty());
        let third = recent.add(Slot::from(5), header(4));
        assert_eq!(third, [[header(1), header(4)], [header(3), header(4)]]);
        assert_eq!(recent.add(Slot::from(5), header(5)).len(), 3);
        assert!(recent.add(Slot::from(5), header(6)).is_empty(), "the slot is full");
    }

    #[test]
    fn long_headers_are_not_kept() {
        let mut recent = RecentHeaders::default();
        let mut long = header(1);
        long.digest_mut().push(sp_runtime::DigestItem::Other(vec![0; MAX_HEADER_SIZE]));
        recent.add(Slot::from(5), long);
        assert!(recent.0.is_empty());
    }

    #[test]
    fn old_slots_are_dropped() {
        let mut recent = RecentHeaders::default();
        for slot in 0..2 * MAX_SLOTS as u64 {
            recent.add(Slot::from(slot), header(1));
        }
        assert_eq!(recent.0.len(), MAX_SLOTS);
        assert_eq!(recent.add(Slot::from(2 * MAX_SLOTS as u64 - 1), header(2)).len(), 1);
        assert!(recent.add(Slot::from(0), header(2)).is_empty());
        assert_eq!(recent.0.len(), MAX_SLOTS);
    }

    #[test]
    fn the_list_is_bounded_and_has_no_duplicates() {
        let list = DoubleBlockList::default();
        for slot in 0..100 {
            list.add(DoubleBlock { author: "0x".into(), slot, blocks: [Hash::zero(); 2] });
        }
        assert_eq!(list.entries().len(), MAX_PAIRS);
        assert_eq!(list.entries().last().map(|last| last.slot), Some(99));
        let duplicate = DoubleBlock { author: "0x".into(), slot: 99, blocks: [Hash::zero(); 2] };
        assert!(!list.add(duplicate));
    }
}
