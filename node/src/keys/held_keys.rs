//! Holds back the GRANDPA keys of a restored validator, and of one whose database has lost votes, until its votes cannot
//! contradict its votes before.
//!
//! A voter that votes in one round for different blocks equivocates, and its two votes prove it. A node stores its
//! votes only in its database. A restored node with a new database starts in round 1 of the first authority set, in
//! which it voted long ago, and soon reaches the round of its last vote.
//!
//! Therefore `keys restore` gives the file of a GRANDPA key a name that the keystore ignores. Without the key the
//! node produces blocks and follows the votes of the others. Once a block is finalized that was made after the node
//! had caught up, the votes for it are newer than the end of the old node, so the old node has not voted in any later
//! round. As soon as the node itself is in a later round, the file is renamed. GRANDPA looks up its key at the start
//! of each round, so it votes from the next round on.

use crate::types::{Block, FullClient};
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

/// Appended to the file name of a held key. The keystore only looks at names that are hexadecimal digits.
pub const HELD_SUFFIX: &str = ".held";

/// The time between two checks whether voting is safe.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of checks for which a block may wait in the round that was running when the key was released. If another
/// validator fails during this round, the round needs this validator's vote, which only a restarted node can give.
const MAX_STUCK_POLLS: u32 = 60;

/// GRANDPA keys that are held back.
pub struct HeldKeys {
    files: Vec<PathBuf>,
}

impl HeldKeys {
    /// Returns the held keys in a validator's keystore, or `None` if there are none.
    pub fn find(config: &Configuration) -> io::Result<Option<Self>> {
        match config.keystore.path() {
            Some(keystore) if config.role.is_authority() && keystore.is_dir() => Self::find_in(keystore),
            _ => Ok(None),
        }
    }

    fn find_in(keystore: &Path) -> io::Result<Option<Self>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(keystore)? {
            let path = entry?.path();
            if path.to_str().is_some_and(|name| name.ends_with(HELD_SUFFIX)) {
                files.push(path);
            }
        }
        Ok((!files.is_empty()).then_some(Self { files }))
    }

    /// Waits until voting is safe, then releases the keys. Returns only if the node must be restarted to vote.
    pub async fn release_when_safe(
        self,
        client: Arc<FullClient>,
        sync: Arc<SyncingService<Block>>,
        voter: SharedVoterState,
    ) {
        tracing::info!(
            "the GRANDPA key is held back, because it was restored from a backup or the database has lost votes: this validator \
             makes blocks now, and votes once the other validators have finalized a block that is newer than this start"
        );
        while !is_caught_up(&sync).await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let since = Slot::from_timestamp(Timestamp::current(), SlotDuration::from_millis(SLOT_DURATION));
        while !is_safe_to_vote(last_justification(&client), since, current_round(&voter)) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        if let Err(error) = self.files.iter().try_for_each(|file| release(file)) {
            tracing::error!(
                "the held GRANDPA key cannot be given to the voter: {error}; check the folder of the keystore and restart \
                 the node"
            );
        } else if !starts_new_round(&client, &voter).await {
            tracing::error!(
                "a block waits for the vote of this validator in a round that started before it could vote: this node stops, \
                 start it again"
            );
            return;
        } else {
            tracing::info!("this validator votes again with its GRANDPA key");
        }
        std::future::pending().await
    }
}

/// Waits until the voter starts a new round. Returns false if blocks wait for finality and it does not.
async fn starts_new_round(client: &FullClient, voter: &SharedVoterState) -> bool {
    let round = current_round(voter);
    let mut stuck_polls = 0;
    while stuck_polls < MAX_STUCK_POLLS {
        if current_round(voter) != round {
            return true;
        }
        let chain = client.info();
        stuck_polls = if chain.best_number > chain.finalized_number { stuck_polls + 1 } else { 0 };
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    false
}

/// Returns the name of the file of a key while it is held back.
pub fn held_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(HELD_SUFFIX);
    name.into()
}

/// Renames the file of a key to a name that the keystore ignores.
pub fn hold(file: &Path) -> io::Result<()> {
    fs::rename(file, held_path(file))?;
    fs::File::open(files::folder_of(file))?.sync_all()
}

/// Renames the file of a held key to the name that the keystore looks for.
pub fn release(held: &Path) -> io::Result<()> {
    fs::rename(held, held.with_extension(""))?;
    fs::File::open(files::folder_of(held))?.sync_all()
}

/// Returns true if the node has peers and has all their blocks.
async fn is_caught_up(sync: &SyncingService<Block>) -> bool {
    let status = sync.status().await;
    status.is_ok_and(|status| {
        let is_behind = status.best_seen_block.is_some() || status.queued_blocks > 0;
        status.num_peers > 0 && !is_behind && !status.state.is_major_syncing()
    })
}

/// Returns true if a vote in the next round cannot contradict an earlier one.
///
/// `last` has the slot of the newest block that was finalized by votes, and the round of these votes. If the block
/// was made after `since`, this round was not complete when the old node ended, so the old node has not voted in a
/// later one.
fn is_safe_to_vote(last: Option<(Slot, u64)>, since: Slot, current_round: Option<u64>) -> bool {
    matches!((last, current_round), (Some((slot, voted)), Some(round)) if slot > since && round > voted)
}

/// Returns the slot of the newest justified block and the round of its votes.
fn last_justification(client: &FullClient) -> Option<(Slot, u64)> {
    let last = sc_consensus_grandpa::best_justification::<FullClient, Block>(client).ok()??;
    let header = client.header(last.target().1).ok()??;
    let slot = sc_consensus_aura::find_pre_digest::<Block, AuthoritySignature>(&header).ok()?;
    Some((slot, last.justification.round))
}

fn current_round(voter: &SharedVoterState) -> Option<u64> {
    voter.voter_state().map(|state| state.best_round.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voting_is_safe_after_a_new_block_and_in_a_later_round() {
        let since = Slot::from(100);
        let is_safe = |slot: u64, voted: u64, round: u64| {
            is_safe_to_vote(Some((slot.into(), voted)), since, Some(round))
        };
        assert!(!is_safe(99, 7, 8), "an old block");
        assert!(!is_safe(100, 7, 8), "a block of the slot in which the node caught up");
        assert!(!is_safe(101, 7, 7), "the old node may have voted in this round");
        assert!(!is_safe(101, 7, 1), "the voter has not followed the votes yet");
        assert!(is_safe(101, 7, 8));
        assert!(!is_safe_to_vote(None, since, Some(8)), "no block was finalized");
        assert!(!is_safe_to_vote(Some((Slot::from(101), 7)), since, None), "no voter");
    }

    #[test]
    fn a_released_key_has_the_name_that_the_keystore_looks_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(HeldKeys::find_in(dir.path()).unwrap().is_none());
        let held = dir.path().join(format!("6772616e00{HELD_SUFFIX}"));
        fs::write(&held, "\"phrase\"").unwrap();
        fs::write(dir.path().join("6175726100"), "\"phrase\"").unwrap();
        let found = HeldKeys::find_in(dir.path()).unwrap().unwrap();
        assert_eq!(found.files, std::slice::from_ref(&held));
        release(&held).unwrap();
        assert!(dir.path().join("6772616e00").is_file() && !held.exists());
        assert!(HeldKeys::find_in(dir.path()).unwrap().is_none());
        hold(&dir.path().join("6772616e00")).unwrap();
        assert_eq!(HeldKeys::find_in(dir.path()).unwrap().unwrap().files, [held]);
    }
}
