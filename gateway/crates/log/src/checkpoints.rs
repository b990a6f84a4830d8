//! The stored checkpoints and anchors of a log, and the comparison of the log with them.

use super::{
    failpoint,
    store::{decode, Family},
    CheckpointError, Log, LogReader, ReadError, StorageError,
};
use codec::{Decode, Encode};
use streembit_primitives::{checkpoint::Anchor, Checkpoint, Hash, SignedCheckpoint};

impl Log {
    /// Stores a signed checkpoint of this log with a synced write.
    ///
    /// Returns an error if the checkpoint is of another log, or commits to other last events of the devices.
    pub fn put_checkpoint(&self, checkpoint: &SignedCheckpoint) -> Result<(), CheckpointError> {
        let content = &checkpoint.checkpoint;
        self.check_checkpoint(content)?;
        failpoint::reach("checkpoint-before");
        self.put(Family::Checkpoints, content.size, checkpoint)?;
        failpoint::reach("checkpoint-after");
        Ok(())
    }

    /// Stores an anchor of this log with a synced write. Returns an error if the log does not agree with the anchor.
    pub fn put_anchor(&self, anchor: &Anchor) -> Result<(), CheckpointError> {
        self.check_against(anchor)?;
        failpoint::reach("anchor-before");
        self.put(Family::Anchors, anchor.checkpoint.size, anchor)?;
        failpoint::reach("anchor-after");
        Ok(())
    }

    fn put(&self, family: Family, size: u64, value: &impl Encode) -> Result<(), StorageError> {
        // In its own statement, so that the guard is dropped before the writer reopens the database.
        let written = self.reader().store().db().put(family, &size.to_be_bytes(), value);
        written.inspect_err(|_| self.mark_for_reopen())
    }
}

impl LogReader {
    /// Returns the largest stored checkpoint, or `None` if there is none.
    pub fn last_checkpoint(&self) -> Result<Option<SignedCheckpoint>, ReadError> {
        Ok(self.last(Family::Checkpoints)?)
    }

    /// Returns the largest stored anchor, or `None` if there is none.
    pub fn last_anchor(&self) -> Result<Option<Anchor>, ReadError> {
        Ok(self.last(Family::Anchors)?)
    }

    /// Checks that this log is the anchored one, or an extension of it.
    pub fn check_against(&self, anchor: &Anchor) -> Result<(), CheckpointError> {
        let Checkpoint { size: anchored, root: expected, heads_root, .. } = anchor.checkpoint;
        self.check_id(&anchor.checkpoint)?;
        let size = self.size();
        if size < anchored {
            return Err(CheckpointError::ShorterThanAnchor { size, anchored });
        }
        let found = self.root(anchored)?;
        if found != expected {
            return Err(CheckpointError::DifferentFromAnchor { anchored, found, expected });
        }
        self.check_heads_root(anchored, heads_root)
    }

    /// Checks that a checkpoint is of this log, and commits to the last events of the devices as they are stored here.
    /// Does not check its root.
    pub fn check_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.check_id(checkpoint)?;
        self.check_heads_root(checkpoint.size, checkpoint.heads_root)
    }

    fn check_id(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        if checkpoint.log != self.id() {
            return Err(CheckpointError::ForeignCheckpoint {
                expected: Box::new(self.id()),
                found: Box::new(checkpoint.log),
            });
        }
        Ok(())
    }

    fn check_heads_root(&self, size: u64, expected: Hash) -> Result<(), CheckpointError> {
        match self.heads_root(size)? {
            found if found == expected => Ok(()),
            found => Err(CheckpointError::DifferentHeads { size, found, expected }),
        }
    }

    /// Returns the value with the greatest key of a family.
    fn last<T: Decode>(&self, family: Family) -> Result<Option<T>, StorageError> {
        self.store().db().last(family)?.map(|(key, value)| decode(family, &key, &value)).transpose()
    }
}
