//! The evidence that an export continues: the segments of the logs that the device's events were in before.

use super::ExportError;
use crate::verify::{EvidenceFile, VerifyError};
use codec::IoReader;
use std::path::Path;
use streembit_primitives::{
    evidence::{file, BlockRole, ChainEvidence, EvidenceError, FormerProof, Item, Prelude, Segment},
    DeviceId, Hash,
};

/// Segments and the proof of each. Not verified.
#[derive(Default)]
pub(super) struct FormerSegments {
    pub(super) segments: Vec<Segment>,
    pub(super) proofs: Vec<FormerProof>,
}

/// An evidence file whose segments become the first ones of an export. Not verified.
pub(super) struct FormerEvidence {
    source: EvidenceFile,
    prelude: Prelude,
}

impl FormerEvidence {
    /// Opens a file and reads its first part.
    pub(super) fn open(path: &Path) -> Result<Self, ExportError> {
        let mut source = EvidenceFile::open(path).map_err(ExportError::Former)?;
        let prelude = file::read_prelude(&mut IoReader(&mut source));
        match prelude {
            Ok(prelude) => Ok(Self { source, prelude }),
            Err(error) => {
                source.check().map_err(ExportError::Former)?;
                Err(ExportError::Former(VerifyError::Refused(error)))
            }
        }
    }

    /// Returns the segments with their proofs, if they are of this device and chain, and not of a later block than `block`:
    /// only the record in the newest block of an export counts.
    ///
    /// Each segment keeps the proof that it was exported with, so it does not matter whether its log was anchored again.
    pub(super) fn segments(
        &self,
        device: DeviceId,
        chain: Hash,
        block: u32,
    ) -> Result<FormerSegments, ExportError> {
        let Prelude { genesis, device: found, chain: proof, segments } = &self.prelude;
        if *found != device {
            return Err(ExportError::OtherDevice { device, found: *found });
        }
        if *genesis != chain {
            return Err(ExportError::OtherChain { chain, found: *genesis });
        }
        let ChainEvidence { changes, former, last, state } = proof;
        let malformed = |error| {
            let error = EvidenceError::Block { role: BlockRole::Last, number: None, error };
            ExportError::Former(VerifyError::Refused(error))
        };
        let found = last.at().map_err(malformed)?.number;
        if found > block {
            return Err(ExportError::FormerIsNewer { found, block });
        }
        let changes = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        let mut proofs = former.clone();
        proofs.push(FormerProof { changes, block: last.clone(), state: state.clone() });
        Ok(FormerSegments { segments: segments.clone(), proofs })
    }

    /// Reads the items of all segments. Calls `each` with each item, except for the last one, which ends the file.
    pub(super) fn read(
        mut self,
        mut each: impl FnMut(Item) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut items = 0u64;
        let result = loop {
            match file::read_item(&mut IoReader(&mut self.source), items) {
                Ok(Item::End) => break Ok(()),
                Ok(item) => {
                    if let Err(error) = each(item) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(ExportError::Former(VerifyError::Refused(error))),
            }
            items = items.saturating_add(1);
        };
        self.source.check().map_err(ExportError::Former)?;
        result
    }
}
