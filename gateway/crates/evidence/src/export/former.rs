//! The evidence that an export continues: the segments of the logs that the device's events were in before.

use super::ExportError;
use crate::{
    verify::{EvidenceFile, VerifyError},
    State,
};
use codec::IoReader;
use std::path::Path;
use streembit_primitives::{
    evidence::{file, Item, Prelude, Segment},
    DeviceId, Hash,
};

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

    /// Returns the segments if they are of this device and chain, and of the latest anchors in the state of `block`: an
    /// export has one proof for the anchors of all its segments.
    pub(super) fn segments(
        &self,
        device: DeviceId,
        chain: Hash,
        state: &State,
        block: u32,
    ) -> Result<Vec<Segment>, ExportError> {
        let Prelude { genesis, device: found, chain: proof, segments } = &self.prelude;
        if *found != device {
            return Err(ExportError::OtherDevice { device, found: *found });
        }
        if *genesis != chain {
            return Err(ExportError::OtherChain { chain, found: *genesis });
        }
        for (segment, anchor) in segments.iter().zip(&proof.state.anchors) {
            let latest = state.anchor(&segment.log)?.map(|latest| latest.checkpoint);
            if latest.as_ref() != Some(&anchor.checkpoint) {
                return Err(ExportError::NotLatest {
                    log: segment.log,
                    found: anchor.checkpoint.size,
                    anchored: latest.map(|latest| latest.size),
                    block,
                });
            }
        }
        Ok(segments.clone())
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
