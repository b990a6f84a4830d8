//! What an idle chain does not do: make empty blocks, and vote on them again and again.
//!
//! Both wear out an SD card. Aura makes a block in every slot, GRANDPA begins a round as soon as one completes, also
//! where nothing is new, and every round is written down four times. [`AuthorWhenNeeded`] leaves slots empty while
//! nothing waits, [`VoteWhenNeeded`] holds the round's prevote back until there is a block to vote for. Votes of others,
//! commits and requests to catch up are answered meanwhile.
//!
//! What others rely on blocks for, an idle chain does not heal by itself: two blocks at one height, a voter that missed
//! how a vote ended, a pool that is behind. Each of these makes the next block come soon.

use crate::service::{Block, FullBackend, FullClient, FullPool};
use async_trait::async_trait;
use futures::{stream, FutureExt as _, StreamExt as _};
use sc_client_api::BlockchainEvents;
use sc_consensus::LongestChain;
use sc_consensus_grandpa::find_scheduled_change;
use sc_consensus_slots::{BackoffAuthoringBlocksStrategy, BackoffAuthoringOnFinalizedHeadLagging};
use sc_transaction_pool_api::TransactionPool;
use sp_api::ProvideRuntimeApi as _;
use sp_blockchain::HeaderBackend;
use sp_consensus::{Error, SelectChain};
use sp_consensus_aura::Slot;
use std::{sync::Arc, time::Duration};
use streembit_runtime::{
    configs::QUOTA_PERIOD, consortium::ConsortiumApi as _, BlockNumber, Hash, Header, SLOT_DURATION,
};

/// How many slots a period of the quotas has.
const PERIOD: u64 = QUOTA_PERIOD / SLOT_DURATION;

/// How many slots a block has to become final, ten seconds, before another one is made.
const PATIENCE: u64 = 5;

/// Makes a block where a transaction waits, a change of the validators is under way or the last block does not become final,
/// and a heartbeat now and then.
///
/// The heartbeat keeps the chain's clock going (grants end by it) and tells a network that is idle from one that is dead.
/// Each period of the quotas begins with a block too: by a clock that stands still the pool would go on refusing those who
/// have spent the last one's.
pub struct AuthorWhenNeeded {
    client: Arc<FullClient>,
    pool: Arc<FullPool>,
    heartbeat: u64,
    lagging: BackoffAuthoringOnFinalizedHeadLagging<BlockNumber>,
}

impl AuthorWhenNeeded {
    /// With a heartbeat at least this often.
    pub fn new(client: Arc<FullClient>, pool: Arc<FullPool>, heartbeat: Duration) -> Self {
        let slots = heartbeat.as_millis() / u128::from(SLOT_DURATION);
        Self {
            client,
            pool,
            heartbeat: u64::try_from(slots).unwrap_or(u64::MAX).max(1),
            // Blocks get rarer while finality lags, so that voters on small machines can catch up.
            lagging: BackoffAuthoringOnFinalizedHeadLagging::default(),
        }
    }

    /// Whether something waits for a block: a transaction, or a change of the validators, which takes two blocks to come
    /// into force.
    ///
    /// The pool's own figures are of the block that it heard of last, which may be another fork's: it is asked about the one
    /// that is built on. One that it has not heard of, as after a long sync, it hears of with the next.
    fn something_waits(&self) -> bool {
        let best = self.client.info().best_hash;
        self.pool.ready_at(best).now_or_never().is_none_or(|mut ready| ready.next().is_some())
            || self.client.runtime_api().has_pending_work(best).unwrap_or(false)
    }
}

impl BackoffAuthoringBlocksStrategy<BlockNumber> for AuthorWhenNeeded {
    fn should_backoff(
        &self,
        head: BlockNumber,
        head_slot: Slot,
        finalized: BlockNumber,
        now: Slot,
        target: &str,
    ) -> bool {
        let slots = (u64::from(head_slot), u64::from(now));
        let unfinalized = u64::from(head.saturating_sub(finalized));
        !(is_due(slots, unfinalized, self.heartbeat) || self.something_waits())
            || self.lagging.should_backoff(head, head_slot, finalized, now, target)
    }
}

/// Whether a block is to be made though nothing waits, by the slots of the last one and of this one.
///
/// A block that does not become final wants another one, on which the voters agree or which shows the laggards that they
/// missed something; while that does not help either, as where voters are away, they get ever rarer.
fn is_due((last, now): (u64, u64), unfinalized: u64, heartbeat: u64) -> bool {
    let patience = match unfinalized {
        0 => heartbeat,
        blocks => blocks.saturating_mul(PATIENCE).min(heartbeat),
    };
    now.saturating_sub(last) >= patience || now / PERIOD > last / PERIOD
}

/// Chooses what this voter votes for: the best block, as soon as there is one that is not final.
///
/// A voting rule cannot wait for it. It is asked when the vote is chosen already: the vote would be for the last final block
/// again, and the new one would wait for another round.
#[derive(Clone)]
pub struct VoteWhenNeeded {
    client: Arc<FullClient>,
    chain: LongestChain<FullBackend, Block>,
}

impl VoteWhenNeeded {
    /// For a chain.
    pub fn new(client: Arc<FullClient>, chain: LongestChain<FullBackend, Block>) -> Self {
        Self { client, chain }
    }

    /// Waits until the best block is not final.
    async fn something_new(&self) {
        // Subscribed before the check, so that no block slips through between the two. Blocks of a long sync are told to
        // the second stream alone; it is no use alone, since one whose import is under way is not told to it.
        let mut imports = stream::select(
            self.client.import_notification_stream(),
            self.client.every_import_notification_stream(),
        );
        let is_final = |best: Header| best.number <= self.client.info().finalized_number;
        while self.chain.best_chain().await.is_ok_and(is_final) {
            if imports.next().await.is_none() {
                break;
            }
        }
    }

    /// The first block after `base` and up to `target` that changes the voters; `target` where none does.
    ///
    /// It is the last that these voters may make final. GRANDPA sees to that itself, but looked before it began to wait here.
    fn up_to_change(&self, base: Hash, target: Hash) -> Result<Hash, Error> {
        let (mut last, mut at) = (target, target);
        while at != base {
            let header = self.client.header(at).map_err(|error| Error::ChainLookup(error.to_string()))?;
            let header = header.ok_or_else(|| Error::ChainLookup(format!("there is no block {at}")))?;
            if find_scheduled_change::<Block>(&header).is_some() {
                last = at;
            }
            at = header.parent_hash;
        }
        Ok(last)
    }
}

#[async_trait]
impl SelectChain<Block> for VoteWhenNeeded {
    async fn leaves(&self) -> Result<Vec<Hash>, Error> {
        SelectChain::leaves(&self.chain).await
    }

    async fn best_chain(&self) -> Result<Header, Error> {
        self.chain.best_chain().await
    }

    async fn finality_target(&self, base: Hash, most: Option<BlockNumber>) -> Result<Hash, Error> {
        // With a limit it is asked for no vote.
        if most.is_some() {
            return SelectChain::finality_target(&self.chain, base, most).await;
        }
        self.something_new().await;
        let target = SelectChain::finality_target(&self.chain, base, most).await?;
        self.up_to_change(base, target)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_due, PERIOD};

    /// So long after a block in the first slot of a period.
    fn is_due_after(slots: u64, unfinalized: u64, heartbeat: u64) -> bool {
        is_due((7 * PERIOD, 7 * PERIOD + slots), unfinalized, heartbeat)
    }

    #[test]
    fn an_idle_chain_has_a_heartbeat() {
        assert!(!is_due_after(29, 0, 30));
        assert!(is_due_after(30, 0, 30));
        assert!(is_due_after(31, 0, 30));
        assert!(!is_due((10, 9), 0, 30), "a clock that goes wrong");
    }

    #[test]
    fn a_block_that_does_not_become_final_is_followed_by_another_ever_more_rarely() {
        assert!(!is_due_after(1, 1, 30), "a vote takes a moment");
        let pauses = |unfinalized| (0..).find(|slots| is_due_after(*slots, unfinalized, 30));
        assert_eq!([1, 2, 5, 6, 7, u64::MAX].map(pauses), [5, 10, 25, 30, 30, 30].map(Some));
        assert!(is_due_after(1, 3, 1), "never more rarely than the heartbeat");
    }

    #[test]
    fn a_period_of_the_quotas_begins_with_a_block() {
        let rarely = 2 * PERIOD;
        assert!(!is_due_after(PERIOD - 1, 0, rarely));
        assert!(is_due_after(PERIOD, 0, rarely));
        assert!(is_due((PERIOD - 1, PERIOD), 0, rarely));
        assert!(!is_due((PERIOD, PERIOD + 1), 0, rarely));
    }
}
