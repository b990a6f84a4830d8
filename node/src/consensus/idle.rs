//! Suppresses empty blocks and idle GRANDPA rounds, which wear out SD cards.
//!
//! By default Aura makes a block in every slot, and GRANDPA starts a round as soon as the last one completes, even if
//! there is nothing new; every round is written to the disk four times. [`AuthorWhenNeeded`] leaves slots empty while
//! nothing waits for a block. [`VoteWhenNeeded`] delays a round's prevote until there is a block to vote for.
//! Meanwhile the voter still processes votes of others, commits and catch-up requests.
//!
//! Some problems are solved by the next block: two blocks at one height, a voter that missed the result of a round, a
//! pool that is behind. On an idle chain the next block would come late, so in these cases one is made soon.

use crate::types::{Block, FullClient, FullPool, FullSelectChain};
use async_trait::async_trait;
use futures::{stream, FutureExt as _, StreamExt as _};
use sc_client_api::BlockchainEvents;
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

/// The length of a quota period, in slots.
const QUOTA_PERIOD_SLOTS: u64 = QUOTA_PERIOD / SLOT_DURATION;

/// The number of slots (10 s in total) that a block has to become final before another one is made.
const FINALITY_TIMEOUT_SLOTS: u64 = 5;

/// Decides for each slot of this validator whether to make a block.
///
/// A block is made if a transaction waits, if a change of the validators is pending, if the last block does not
/// become final, or if the heartbeat is due. The heartbeat keeps the chain's clock going, by which grants end, and
/// shows that an idle network is alive. Each quota period starts with a block too: until the chain's clock enters the
/// new period, the pool refuses transactions of parties that have spent the quota of the last one.
pub struct AuthorWhenNeeded {
    client: Arc<FullClient>,
    pool: Arc<FullPool>,
    heartbeat_slots: u64,
    finality_lag: BackoffAuthoringOnFinalizedHeadLagging<BlockNumber>,
}

impl AuthorWhenNeeded {
    /// Creates the strategy with the longest time between two blocks.
    pub fn new(client: Arc<FullClient>, pool: Arc<FullPool>, heartbeat: Duration) -> Self {
        let slots = heartbeat.as_millis() / u128::from(SLOT_DURATION);
        Self {
            client,
            pool,
            heartbeat_slots: u64::try_from(slots).unwrap_or(u64::MAX).max(1),
            // Makes blocks less often while finality lags, so that voters on small machines can catch up.
            finality_lag: BackoffAuthoringOnFinalizedHeadLagging::default(),
        }
    }

    /// Returns true if a transaction waits for a block. Also returns true if the validators are about to change,
    /// because a change needs two blocks to take effect.
    ///
    /// Asks the pool for the transactions that are valid after the best block, because the pool's general status may
    /// belong to a block of another fork. After a long sync the pool may not know the best block yet; it is notified
    /// with the next one.
    fn is_block_needed(&self) -> bool {
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
        let unfinalized = u64::from(head.saturating_sub(finalized));
        let is_due = is_block_due(u64::from(head_slot), u64::from(now), unfinalized, self.heartbeat_slots);
        !(is_due || self.is_block_needed())
            || self.finality_lag.should_backoff(head, head_slot, finalized, now, target)
    }
}

/// Returns true if a block is due in slot `now` although nothing waits for it. `last` is the slot of the last block.
///
/// If a block does not become final, the next one helps: voters can agree on it, or it shows them that they missed
/// something. If it does not help, because voters are offline, further blocks follow at increasing intervals.
fn is_block_due(last: u64, now: u64, unfinalized: u64, heartbeat_slots: u64) -> bool {
    let interval = match unfinalized {
        0 => heartbeat_slots,
        blocks => blocks.saturating_mul(FINALITY_TIMEOUT_SLOTS).min(heartbeat_slots),
    };
    now.saturating_sub(last) >= interval || now / QUOTA_PERIOD_SLOTS > last / QUOTA_PERIOD_SLOTS
}

/// Chooses the block that this voter votes for: the best block, as soon as one is not finalized.
///
/// A voting rule cannot do this. GRANDPA applies the rules after it has chosen a block; the vote would be for the
/// last finalized block again, and the new block would wait for the next round.
#[derive(Clone)]
pub struct VoteWhenNeeded {
    client: Arc<FullClient>,
    chain: FullSelectChain,
}

impl VoteWhenNeeded {
    /// Wraps the fork choice rule.
    pub fn new(client: Arc<FullClient>, chain: FullSelectChain) -> Self {
        Self { client, chain }
    }

    /// Waits until the best block is not finalized.
    async fn wait_for_unfinalized_block(&self) {
        // Subscribe before the first check, so that no block is missed in between. Both streams are needed: only the
        // second one has the blocks of a long sync, and it does not have a block whose import was already running at
        // the subscription.
        let mut imports = stream::select(
            self.client.import_notification_stream(),
            self.client.every_import_notification_stream(),
        );
        let is_finalized = |best: Header| best.number <= self.client.info().finalized_number;
        while self.chain.best_chain().await.is_ok_and(is_finalized) {
            if imports.next().await.is_none() {
                break;
            }
        }
    }

    /// Returns the first block after `base` and up to `target` that changes the voters, or `target` if none does.
    ///
    /// The current voters must not finalize any later block. GRANDPA applies this limit too, but computes it before
    /// it calls [`SelectChain::finality_target`], which may wait.
    fn limit_to_voter_change(&self, base: Hash, target: Hash) -> Result<Hash, Error> {
        let (mut limit, mut current) = (target, target);
        while current != base {
            let header =
                self.client.header(current).map_err(|error| Error::ChainLookup(error.to_string()))?;
            let header = header.ok_or_else(|| Error::ChainLookup(format!("unknown block {current}")))?;
            if find_scheduled_change::<Block>(&header).is_some() {
                limit = current;
            }
            current = header.parent_hash;
        }
        Ok(limit)
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

    async fn finality_target(&self, base: Hash, max_number: Option<BlockNumber>) -> Result<Hash, Error> {
        // Only calls without a limit are for a vote.
        if max_number.is_some() {
            return SelectChain::finality_target(&self.chain, base, max_number).await;
        }
        self.wait_for_unfinalized_block().await;
        let target = SelectChain::finality_target(&self.chain, base, max_number).await?;
        self.limit_to_voter_change(base, target)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_block_due, QUOTA_PERIOD_SLOTS};

    /// The last block was made in the first slot of a quota period, and `slots` have passed since.
    fn is_due_after(slots: u64, unfinalized: u64, heartbeat_slots: u64) -> bool {
        let last = 7 * QUOTA_PERIOD_SLOTS;
        is_block_due(last, last + slots, unfinalized, heartbeat_slots)
    }

    #[test]
    fn an_idle_chain_has_a_heartbeat() {
        assert!(!is_due_after(29, 0, 30));
        assert!(is_due_after(30, 0, 30));
        assert!(is_due_after(31, 0, 30));
        assert!(!is_block_due(10, 9, 0, 30), "a clock that went back");
    }

    #[test]
    fn blocks_that_are_not_finalized_are_followed_by_others_at_increasing_intervals() {
        assert!(!is_due_after(1, 1, 30), "voting takes some time");
        let interval = |unfinalized| (0..).find(|slots| is_due_after(*slots, unfinalized, 30));
        assert_eq!([1, 2, 5, 6, 7, u64::MAX].map(interval), [5, 10, 25, 30, 30, 30].map(Some));
        assert!(is_due_after(1, 3, 1), "at least as often as the heartbeat");
    }

    #[test]
    fn a_quota_period_starts_with_a_block() {
        let slow_heartbeat = 2 * QUOTA_PERIOD_SLOTS;
        assert!(!is_due_after(QUOTA_PERIOD_SLOTS - 1, 0, slow_heartbeat));
        assert!(is_due_after(QUOTA_PERIOD_SLOTS, 0, slow_heartbeat));
        assert!(is_block_due(QUOTA_PERIOD_SLOTS - 1, QUOTA_PERIOD_SLOTS, 0, slow_heartbeat));
        assert!(!is_block_due(QUOTA_PERIOD_SLOTS, QUOTA_PERIOD_SLOTS + 1, 0, slow_heartbeat));
    }
}
