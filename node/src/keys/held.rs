//! The votes of a validator whose keys were restored: held back until they cannot contradict those of the box before.
//!
//! GRANDPA forgets nothing: a voter that votes twice in one round for different blocks has equivocated, and the two votes
//! prove it. What a node voted is written in its database and nowhere else. A box that is made anew begins in round 1 of the
//! first set of voters, in which it voted long ago, and is soon in the round in which its last vote was.
//!
//! So `restore` gives a GRANDPA key's file a name that the keystore does not know it by. The node follows the votes of the
//! others without it, and makes blocks. A final block that was made after the node had caught up was voted for after the old
//! box was gone, so the old box has no vote in any later round: once the node's own round is later, the file gets its name, and
//! the key votes from the next round on, since GRANDPA asks for its key when a round begins.

use crate::service::{Block, FullClient};
use sc_consensus_grandpa::SharedVoterState;
use sc_network_sync::SyncingService;
use sc_service::Configuration;
use sp_blockchain::HeaderBackend as _;
use sp_consensus_aura::{sr25519::AuthoritySignature, Slot, SlotDuration};
use sp_timestamp::Timestamp;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use streembit_keystore::files;
use streembit_runtime::SLOT_DURATION;

/// What is appended to the name of a key's file that is held back. The keystore looks at names of hexadecimal digits only.
pub const SUFFIX: &str = ".held";

/// How often it is looked whether the votes are safe.
const LOOK: Duration = Duration::from_secs(1);

/// How many looks a block may wait in the one round that began before the key was given to the voter. Where another
/// validator fails in just this round, it needs the vote of this one: a node that starts anew gives it.
const PATIENCE: u32 = 60;

/// GRANDPA keys that are held back.
pub struct HeldVotes {
    files: Vec<PathBuf>,
}

impl HeldVotes {
    /// Those in the keystore of a validator; `None` where it has none.
    pub fn of(config: &Configuration) -> io::Result<Option<Self>> {
        match config.keystore.path() {
            Some(keystore) if config.role.is_authority() && keystore.is_dir() => Self::in_folder(keystore),
            _ => Ok(None),
        }
    }

    fn in_folder(keystore: &Path) -> io::Result<Option<Self>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(keystore)? {
            let path = entry?.path();
            if path.to_str().is_some_and(|name| name.ends_with(SUFFIX)) {
                files.push(path);
            }
        }
        Ok((!files.is_empty()).then_some(Self { files }))
    }

    /// Waits until the votes are safe and gives the keys to the voter. Ends only where the node has to start anew to vote.
    pub async fn release_when_safe(
        self,
        client: Arc<FullClient>,
        sync: Arc<SyncingService<Block>>,
        voter: SharedVoterState,
    ) {
        tracing::info!(
            "the GRANDPA key was restored: this validator makes blocks, and votes once the others have made a block final that \
             is newer than this start"
        );
        while !caught_up(&sync).await {
            tokio::time::sleep(LOOK).await;
        }
        let since = Slot::from_timestamp(Timestamp::current(), SlotDuration::from_millis(SLOT_DURATION));
        while !is_safe(last_vote(&client), since, round(&voter)) {
            tokio::time::sleep(LOOK).await;
        }
        if let Err(error) = self.files.iter().try_for_each(|file| release(file)) {
            tracing::error!(
                "the GRANDPA key that was restored cannot be given to the voter: {error}; check the keystore's folder and start \
                 the node again"
            );
        } else if !begins_a_round(&client, &voter).await {
            tracing::error!(
                "a block waits for the vote of this validator in a round that began before it could vote: the node ends; \
                 start it again"
            );
            return;
        } else {
            tracing::info!("the GRANDPA key that was restored votes again");
        }
        std::future::pending().await
    }
}

/// Waits until the voter begins another round; gives up where blocks wait and it does not.
async fn begins_a_round(client: &FullClient, voter: &SharedVoterState) -> bool {
    let now = round(voter);
    let mut waited = 0;
    while waited < PATIENCE {
        if round(voter) != now {
            return true;
        }
        let chain = client.info();
        waited = if chain.best_number > chain.finalized_number { waited + 1 } else { 0 };
        tokio::time::sleep(LOOK).await;
    }
    false
}

/// Gives a key's file its name.
pub fn release(held: &Path) -> io::Result<()> {
    fs::rename(held, held.with_extension(""))?;
    fs::File::open(files::directory(held))?.sync_all()
}

/// Whether there are others, and every block that they have is here.
async fn caught_up(sync: &SyncingService<Block>) -> bool {
    let status = sync.status().await;
    status.is_ok_and(|status| {
        let behind = status.best_seen_block.is_some() || status.queued_blocks > 0;
        status.num_peers > 0 && !behind && !status.state.is_major_syncing()
    })
}

/// Whether a vote in the next round cannot be a second one.
///
/// `last` is the newest block that votes made final, by its slot, and the round of these votes. Where it was made after
/// `since`, that round was not complete when the old box went, so the old box had come no further.
fn is_safe(last: Option<(Slot, u64)>, since: Slot, round: Option<u64>) -> bool {
    matches!((last, round), (Some((slot, voted)), Some(round)) if slot > since && round > voted)
}

/// The slot of the newest block that was voted for, and the round.
fn last_vote(client: &FullClient) -> Option<(Slot, u64)> {
    let last = sc_consensus_grandpa::best_justification::<FullClient, Block>(client).ok()??;
    let header = client.header(last.target().1).ok()??;
    let slot = sc_consensus_aura::find_pre_digest::<Block, AuthoritySignature>(&header).ok()?;
    Some((slot, last.justification.round))
}

/// The round in which the voter of this node is.
fn round(voter: &SharedVoterState) -> Option<u64> {
    voter.voter_state().map(|state| state.best_round.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_wait_for_a_new_block_and_a_later_round() {
        let since = Slot::from(100);
        let safe =
            |slot: u64, voted: u64, round: u64| is_safe(Some((slot.into(), voted)), since, Some(round));
        assert!(!safe(99, 7, 8), "an old block");
        assert!(!safe(100, 7, 8), "a block of the slot in which it had caught up");
        assert!(!safe(101, 7, 7), "the round that the old box may have voted in");
        assert!(!safe(101, 7, 1), "the first round of a voter that has not followed yet");
        assert!(safe(101, 7, 8));
        assert!(!is_safe(None, since, Some(8)), "nobody has voted");
        assert!(!is_safe(Some((Slot::from(101), 7)), since, None), "no voter");
    }

    #[test]
    fn a_released_key_has_the_name_that_the_keystore_knows() {
        let dir = tempfile::tempdir().unwrap();
        assert!(HeldVotes::in_folder(dir.path()).unwrap().is_none());
        let held = dir.path().join(format!("6772616e00{SUFFIX}"));
        fs::write(&held, "\"phrase\"").unwrap();
        fs::write(dir.path().join("6175726100"), "\"phrase\"").unwrap();
        let found = HeldVotes::in_folder(dir.path()).unwrap().unwrap();
        assert_eq!(found.files, std::slice::from_ref(&held));
        release(&held).unwrap();
        assert!(dir.path().join("6772616e00").is_file() && !held.exists());
        assert!(HeldVotes::in_folder(dir.path()).unwrap().is_none());
    }
}
