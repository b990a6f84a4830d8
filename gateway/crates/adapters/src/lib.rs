//! What the gateway reads from: each adapter turns one kind of source into readings.
//!
//! An adapter knows nothing of what happens to its readings. It sends them into a bounded channel: a full channel
//! makes it wait, nothing is ever dropped.

pub mod obd;
pub mod senml;
pub mod serial;

use streembit_primitives::Reading;

/// What an adapter observed of its device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// Readings taken together: one event's worth.
    Readings(Vec<Reading>),
    /// A word on the device's condition, of at most 256 bytes: connected, lost, a value that cannot be true.
    Status(String),
}
