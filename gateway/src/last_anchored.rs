//! The proof of a device's last anchored event, made from the gateway's log. A change of the device's record needs it.

use streembit_log::{LogReader, ReadError};
use streembit_primitives::{checkpoint::Anchor, device::LastAnchored, DeviceId};

/// Proves the last event of a device at an anchor of the log. `anchor` is the log's latest anchor, or `None` if it has none.
pub fn prove(log: &LogReader, anchor: Option<&Anchor>, device: &DeviceId) -> Result<LastAnchored, ReadError> {
    let Some(Anchor { checkpoint, .. }) = anchor else { return Ok(LastAnchored::NoAnchor) };
    let heads = log.heads_map(checkpoint.size)?;
    let event = heads.prove(device).map(LastAnchored::Event);
    let proof = event.or_else(|| heads.prove_absence(device).map(LastAnchored::NoEvent));
    Ok(proof.unwrap_or(LastAnchored::NoAnchor))
}

/// Proves the last event of a device at the last anchor that is stored with the log.
pub fn prove_stored(log: &LogReader, device: &DeviceId) -> Result<LastAnchored, ReadError> {
    prove(log, log.last_anchor()?.as_ref(), device)
}
