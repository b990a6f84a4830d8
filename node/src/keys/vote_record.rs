//! The last votes of this validator, in a file beside the database, to notice that the database has lost votes.
//!
//! GRANDPA writes each vote into the database before it signs it, and repeats it after a restart. If the database lost
//! its end (a damaged write-ahead log, a torn manifest, an older copy), GRANDPA would vote again in rounds in which it
//! has voted, maybe for other blocks, and the validator would be removed for it.
//!
//! The file is written after the database's log is synced, but is not synced itself. So after a power cut it can have
//! fewer votes than the database, but not more, as long as the disk keeps what it has confirmed. It only says that
//! something is wrong: [`super::synced_keystore`] then holds the key back, as for a restored validator.

use codec::{Decode, DecodeAll as _, Encode};
use sp_core::ed25519;
use sp_crypto_hashing::blake2_256;
use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// The name of the file in the folder of the chain.
const FILE: &str = "last-votes";

/// The number of votes that are kept: those of 16 rounds.
const MAX_VOTES: usize = 32;

/// The number of bytes that are read from the file. It is never larger.
const MAX_BYTES: u64 = 4096;

/// The kinds of messages that count as votes: prevotes and precommits. A proposal can be repeated with another block.
const VOTE_KINDS: [u8; 2] = [0, 1];

/// A vote, without the block that it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct Vote {
    /// The number of the authority set.
    pub set: u64,
    /// The round.
    pub round: u64,
    /// The kind of the message.
    kind: u8,
    /// The hash of the signed message.
    hash: [u8; 32],
}

impl Vote {
    /// Reads what GRANDPA asks to sign: the message, the round and the authority set. Returns `None` if it is no vote.
    pub fn of_message(message: &[u8]) -> Option<Self> {
        let kind = *message.first().filter(|kind| VOTE_KINDS.contains(kind))?;
        let (_, end) = message.split_last_chunk::<16>()?;
        let (round, set) = <(u64, u64)>::decode_all(&mut end.as_slice()).ok()?;
        Some(Self { set, round, kind, hash: blake2_256(message) })
    }

    fn is_same_turn(&self, other: &Self) -> bool {
        (self.set, self.round, self.kind) == (other.set, other.round, other.kind)
    }
}

/// The contents of the file.
#[derive(Default, Encode, Decode)]
struct Contents {
    /// The GRANDPA key of the votes.
    key: [u8; 32],
    /// The last votes, ordered.
    votes: Vec<Vote>,
}

/// The record of the last votes.
pub struct VoteRecord {
    path: PathBuf,
    file: File,
    contents: Contents,
}

impl VoteRecord {
    /// Opens the record in the folder of a chain. A damaged one counts as empty.
    pub fn open(chain_folder: &Path) -> io::Result<Self> {
        let path = chain_folder.join(FILE);
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let mut bytes = Vec::new();
        (&mut file).take(MAX_BYTES).read_to_end(&mut bytes)?;
        let contents = decode(&bytes).unwrap_or_else(|| {
            if !bytes.is_empty() {
                tracing::warn!("{} is damaged, as after a power cut: it begins again", path.display());
            }
            Contents::default()
        });
        Ok(Self { path, file, contents })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true if this key may sign the vote: if it has not voted in this turn, or has cast the same vote.
    pub fn allows(&self, key: &ed25519::Public, vote: &Vote) -> bool {
        if self.contents.key != key.0 {
            return true;
        }
        let votes = &self.contents.votes;
        if let Some(known) = votes.iter().find(|known| known.is_same_turn(vote)) {
            return known.hash == vote.hash;
        }
        // The votes of rounds before those in the record are unknown.
        let is_before = |first: &Vote| (vote.set, vote.round) < (first.set, first.round);
        votes.len() < MAX_VOTES || !votes.first().is_some_and(is_before)
    }

    /// Adds a vote and writes the file.
    pub fn add(&mut self, key: &ed25519::Public, vote: Vote) -> io::Result<()> {
        let Contents { key: known, votes } = &mut self.contents;
        if *known != key.0 {
            *known = key.0;
            votes.clear();
        }
        if let Err(place) = votes.binary_search(&vote) {
            votes.insert(place, vote);
            let excess = votes.len().saturating_sub(MAX_VOTES);
            votes.drain(..excess);
        }
        let bytes = encode(&self.contents);
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(bytes.len() as u64)
    }
}

/// Forgets the votes, because the operator decided that the validator votes anyway, or removed the database.
pub fn forget(chain_folder: &Path) -> io::Result<()> {
    match fs::remove_file(chain_folder.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Returns the contents after their hash, because a write can be torn.
fn encode(contents: &Contents) -> Vec<u8> {
    let bytes = contents.encode();
    [blake2_256(&bytes).as_slice(), &bytes].concat()
}

fn decode(bytes: &[u8]) -> Option<Contents> {
    let (hash, contents) = bytes.split_first_chunk::<32>()?;
    if blake2_256(contents) != *hash {
        return None;
    }
    Contents::decode_all(&mut &*contents).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_consensus_grandpa::localized_payload;

    fn key() -> ed25519::Public {
        ed25519::Public::from_raw([7; 32])
    }

    /// A message of GRANDPA: the kind, the hash and the number of a block.
    fn message(kind: u8, block: u8, round: u64, set: u64) -> Vec<u8> {
        localized_payload(round, set, &(kind, [block; 32], u32::from(block)))
    }

    fn vote(kind: u8, block: u8, round: u64, set: u64) -> Vote {
        Vote::of_message(&message(kind, block, round, set)).unwrap()
    }

    #[test]
    fn a_vote_is_read_from_the_message_that_is_signed() {
        let vote = vote(1, 9, 17, 3);
        assert_eq!((vote.kind, vote.round, vote.set), (1, 17, 3));
        assert_eq!(Vote::of_message(&message(2, 9, 17, 3)), None, "a proposal");
        assert_eq!(Vote::of_message(&[1; 15]), None);
    }

    #[test]
    fn a_second_vote_in_a_turn_is_refused_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = VoteRecord::open(dir.path()).unwrap();
        for (kind, round) in [(0, 5), (1, 5), (0, 6)] {
            assert!(record.allows(&key(), &vote(kind, 9, round, 0)));
            record.add(&key(), vote(kind, 9, round, 0)).unwrap();
        }
        drop(record);
        let record = VoteRecord::open(dir.path()).unwrap();
        assert!(record.allows(&key(), &vote(0, 9, 6, 0)), "the same vote again");
        assert!(!record.allows(&key(), &vote(0, 8, 6, 0)), "a vote for another block");
        assert!(!record.allows(&key(), &vote(1, 8, 5, 0)), "a vote for another block in an earlier round");
        assert!(record.allows(&key(), &vote(1, 8, 6, 0)), "the second vote of the round");
        assert!(record.allows(&key(), &vote(0, 8, 6, 1)), "another set");
        let other = ed25519::Public::from_raw([8; 32]);
        assert!(record.allows(&other, &vote(0, 8, 6, 0)), "another key");
    }

    #[test]
    fn a_round_before_those_in_the_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = VoteRecord::open(dir.path()).unwrap();
        for round in 1..=20 {
            assert!(record.allows(&key(), &vote(0, 9, round, 2)));
            record.add(&key(), vote(0, 9, round, 2)).unwrap();
            record.add(&key(), vote(1, 9, round, 2)).unwrap();
        }
        assert_eq!(record.contents.votes.len(), MAX_VOTES);
        assert!(!record.allows(&key(), &vote(0, 9, 4, 2)));
        assert!(!record.allows(&key(), &vote(0, 9, 30, 1)), "an earlier set");
        assert!(record.allows(&key(), &vote(0, 9, 21, 2)) && record.allows(&key(), &vote(0, 9, 1, 3)));
        assert!(fs::metadata(record.path()).unwrap().len() < MAX_BYTES);
        forget(dir.path()).unwrap();
        forget(dir.path()).unwrap();
        assert!(VoteRecord::open(dir.path()).unwrap().allows(&key(), &vote(0, 9, 4, 2)));
    }

    #[test]
    fn a_torn_record_begins_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = VoteRecord::open(dir.path()).unwrap();
        record.add(&key(), vote(0, 9, 5, 0)).unwrap();
        let bytes = fs::read(record.path()).unwrap();
        let (torn, _) = bytes.split_at(bytes.len() - 1);
        fs::write(record.path(), torn).unwrap();
        let mut record = VoteRecord::open(dir.path()).unwrap();
        assert!(record.allows(&key(), &vote(0, 8, 5, 0)));
        record.add(&key(), vote(0, 8, 5, 0)).unwrap();
        assert!(!VoteRecord::open(dir.path()).unwrap().allows(&key(), &vote(0, 9, 5, 0)));
    }
}
