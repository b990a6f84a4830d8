//! Proofs from the stored tree (RFC 9162): the root of the log at any size, that an entry is included, and that the log
//! only grew.
//!
//! The proofs are verified by [`streembit_primitives::merkle`].

use super::{tiles::TileReader, LogReader, OutOfRangeError, ReadError};
use streembit_primitives::{
    merkle::{ConsistencyProof, InclusionProof, Tree, TreeError},
    Hash,
};

impl LogReader {
    /// Returns the root of the first `size` entries.
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).root()
    }

    /// Proves that the entry at `index` is one of the first `size` entries.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ReadError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).prove_inclusion(index).map_err(from_tree)
    }

    /// Proves that the first `size` entries begin with the first `old` entries.
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<ConsistencyProof, ReadError> {
        self.check_size(size)?;
        Tree::new(&self.nodes(), size).prove_consistency(old).map_err(from_tree)
    }

    /// Returns a reader of the tree's nodes, for callers that need many neighbouring nodes.
    pub fn nodes(&self) -> TileReader<'_> {
        TileReader::new(self.store())
    }

    /// Returns an error if the log has fewer than `asked` entries.
    pub(super) fn check_size(&self, asked: u64) -> Result<(), OutOfRangeError> {
        let size = self.size();
        if asked > size {
            return Err(OutOfRangeError { asked, size });
        }
        Ok(())
    }
}

fn from_tree(error: TreeError<ReadError>) -> ReadError {
    match error {
        TreeError::OutOfRange { asked, size } => OutOfRangeError { asked, size }.into(),
        TreeError::Store(error) => error,
    }
}
