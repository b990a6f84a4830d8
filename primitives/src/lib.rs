//! The formats of Streembit: ids, events, readings, the Merkle log, checkpoints, contracts and what proves them.
//!
//! Pure data and pure functions: no I/O, no clock, no randomness. The same code runs in the gateway, in the chain's
//! runtime (`no_std`, Wasm) and in whatever checks a history later, so that they cannot disagree.
//!
//! What is unverified has another type than what is verified: see [`event::SignedEvent`] and [`event::VerifiedEvent`].
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod account;
#[cfg(feature = "std")]
pub mod batch;
pub mod body;
pub mod chain;
pub mod checkpoint;
pub mod consortium;
pub mod contract;
pub mod decimal;
pub mod device;
pub mod due;
pub mod ed25519;
pub mod event;
pub mod evidence;
pub mod fork;
pub mod hash;
pub mod heads;
pub mod merkle;
pub mod proof;
pub mod reading;
pub mod signature;
pub mod stored;
pub mod text;

pub use account::AccountId;
pub use body::{Body, Part};
pub use bounded_collections::{BoundedVec, ConstU32};
pub use checkpoint::{Checkpoint, LogId, SignedCheckpoint};
pub use decimal::Decimal;
pub use device::{DeviceId, DeviceKey};
pub use event::{EventHeader, EventKind, LogEntry, SignedEvent, Signer, VerifiedEvent};
pub use hash::Hash;
pub use reading::{Reading, Source, Value};
pub use signature::{PublicKey, Signature};
pub use stored::{StoredBody, StoredEvent};
pub use text::Text;
