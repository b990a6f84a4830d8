//! Evidence: one file that proves a device's history offline; made here, verified anywhere.
//!
//! - [`collect`]: while the gateway runs, it fetches from its node what proves the last anchor, and keeps it beside the
//!   log, so that nodes may prune.
//! - [`export`]: a file from the log and what was collected. No node is asked.
//! - [`verify`] and [`show`]: a file, and nothing else but the trust root, which [`chain_spec`] reads from the chain's
//!   specification.
//!
//! The format and the verifier are in `streembit_primitives::evidence`.

pub mod chain_spec;
pub mod collect;
pub mod export;
pub mod output;
pub mod select;
pub mod show;
mod state;
mod threads;
pub mod verify;

#[cfg(test)]
mod tests;

pub use export::{ExportError, Exported, Request};
pub use select::{Disclose, Span};
pub use state::{NotProven, State};
pub use verify::VerifyError;
