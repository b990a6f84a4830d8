#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod account;
pub mod body;
pub mod checkpoint;
pub mod command;
pub mod consortium;
pub mod contract;
pub mod decimal;
pub mod device;
pub mod ed25519;
pub mod event;
pub mod evidence;
pub mod fork;
pub mod gateway;
pub mod grammar;
pub mod hash;
pub mod heads;
pub mod hex_id;
pub mod merkle;
pub mod note;
pub mod p256;
pub mod party;
pub mod reading;
pub mod reading_proof;
pub mod shown;
pub mod signature;
pub mod stored;
pub mod text;
pub mod tlog_proof;
pub mod units;
pub mod version;

pub use account::AccountId;
pub use body::{Body, Part};
pub use bounded_collections::{BoundedVec, ConstU32};
pub use checkpoint::{Checkpoint, LogId, SignedCheckpoint};
pub use command::{Command, CommandResult, SignedCommand};
pub use decimal::Decimal;
pub use device::{DeviceId, DeviceKey};
pub use event::{EventHeader, EventKind, LogEntry, SignedEvent, Signer, VerifiedEvent};
pub use gateway::{GatewayRecord, LogKey};
pub use hash::Hash;
pub use party::{EncryptionKey, PartyId, Scope};
pub use reading::{Reading, Source, Value};
pub use shown::Shown;
pub use signature::{PublicKey, Signature};
pub use stored::{StoredBody, StoredEvent};
pub use text::Text;
pub use version::Version;
