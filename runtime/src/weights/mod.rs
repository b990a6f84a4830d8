//! What the calls of our pallets weigh here: the time that they take on a Raspberry Pi 4.
//!
//! `streembit-node benchmark` measures them in the compiled Wasm and writes `measured.rs` beside this file. Measured
//! elsewhere, they are [`PI_FACTOR`] times as much on a Pi. `docs/weights.md` has the whole of it.

use crate::Runtime;
use frame_support::weights::Weight;

/// How many times as long as on the machine that measures a Raspberry Pi 4 (Cortex-A72, 1.8 GHz) takes on one core.
///
/// 6.7 by published single-core figures, rounded up; the sources are in `docs/weights.md`.
pub const PI_FACTOR: u64 = 8;

/// The weight on a Pi of what was measured elsewhere, in picoseconds. For storage, see the runtime's price per read and write.
pub const fn on_pi(picoseconds: u64) -> Weight {
    Weight::from_parts(picoseconds.saturating_mul(PI_FACTOR), 0)
}

// Until `measured.rs` is there, the pallets' own: set by hand, and ten times what one signature took where it was measured.
// With it, this line and the four below become `#[rustfmt::skip] mod measured;` and `pub use`, as docs/weights.md says.
/// Of the consortium.
pub type Consortium = pallet_consortium::weights::HandSet<Runtime>;
/// Of the devices.
pub type Devices = pallet_devices::weights::HandSet<Runtime>;
/// Of the anchors.
pub type Anchors = pallet_anchors::weights::HandSet<Runtime>;
/// Of the service contracts.
pub type ServiceContracts = pallet_service_contracts::weights::HandSet<Runtime>;
