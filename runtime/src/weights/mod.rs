//! What the calls of our pallets weigh here: the time that they take on a Raspberry Pi 4.
//!
//! `streembit-node benchmark` measures them in the compiled Wasm and writes `measured.rs` beside this file. Measured
//! elsewhere, they are [`PI_FACTOR`] times as much on a Pi. `docs/weights.md` has the whole of it.

use crate::Runtime;
use frame_support::weights::Weight;

/// How many times as long as on the machine that measures a Raspberry Pi 4 (Cortex-A72, 1.8 GHz) takes on one core.
///
/// 2.2, 3.0 and 6.7 by published single-core figures, and above all of them; `docs/weights.md` has the sources.
pub const PI_FACTOR: u64 = 8;

/// The weight on a Pi of what was measured elsewhere, in picoseconds. For storage, see the runtime's price per read and write.
pub const fn on_pi(picoseconds: u64) -> Weight {
    Weight::from_parts(picoseconds.saturating_mul(PI_FACTOR), 0)
}

#[rustfmt::skip]
mod measured;

/// Of the consortium.
pub type Consortium = measured::Consortium<Runtime>;
/// Of the devices.
pub type Devices = measured::Devices<Runtime>;
/// Of the anchors.
pub type Anchors = measured::Anchors<Runtime>;
/// Of the service contracts.
pub type ServiceContracts = measured::ServiceContracts<Runtime>;
