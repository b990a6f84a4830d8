#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod chain_spec;
#[cfg(feature = "collect")]
pub mod collect;
pub mod cose;
pub mod entry_proof;
pub mod export;
#[cfg(feature = "collect")]
mod gateway_log;
mod last_anchored;
pub mod note;
pub mod output;
pub mod select;
pub mod show;
mod source;
mod state;
pub mod trust_root;
mod verifier_pool;
pub mod verify;

#[cfg(test)]
#[cfg(feature = "collect")]
mod tests;

pub use entry_proof::{EntryProof, EntryRequest, EntrySummary};
pub use export::{ExportError, ExportSummary, Request};
pub use last_anchored::last_anchored;
pub use note::{judge_note, LogRoot, NoteVerdict, RootSource};
pub use select::{Disclose, Span};
pub use source::{CollectedChain, EventLog};
pub use state::{State, StateProofError};
pub use trust_root::{ReadTrustRootError, TrustRootSource};
pub use verify::VerifyError;
