//! The last anchored event of a device, from evidence of a gateway that is gone.

use super::verify::{EvidenceFile, VerifyError};
use codec::IoReader;
use std::path::Path;
use streembit_primitives::{
    device::LastAnchored,
    evidence::{file, EvidenceError},
};

/// Reads from an evidence file what the device's last event was at the anchor of the file's last segment.
///
/// A call that changes a device's record carries this. It is not verified: the chain compares it with the latest anchor of
/// the device's log, and refuses it if the log was anchored again after the file was exported.
///
/// # Errors
///
/// If the file cannot be read, or is not an evidence file with at least one segment.
pub fn last_anchored(path: &Path) -> Result<LastAnchored, VerifyError> {
    let mut source = EvidenceFile::open(path)?;
    let prelude = file::read_prelude(&mut IoReader(&mut source));
    source.check()?;
    let head = prelude?.segments.pop().map(|segment| segment.head);
    let malformed = EvidenceError::Malformed { what: "prelude", items: 0 };
    Ok(LastAnchored::Event(head.ok_or(malformed)?))
}
