//! Why evidence cannot be exported.

use super::list;
use crate::{output::OutputError, verify::VerifyError, StateProofError};
use std::{error::Error, io};
use streembit_primitives::{evidence::EvidenceError, DeviceId, Hash, LogId};

/// Evidence cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read, or does not agree with its anchor.
    #[error(transparent)]
    Log(Box<dyn Error + Send + Sync>),
    /// Nothing was collected yet.
    #[error("no proof of an anchor of this log is stored yet: run the gateway with its node until its status says how many events are provable")]
    NothingCollected,
    /// Nothing was collected from the requested chain.
    #[error("no proof of this log on the chain with genesis {chain} is stored; proofs are stored for {}", list(.kept))]
    NotOfChain {
        /// The genesis hash of the requested chain.
        chain: Hash,
        /// The genesis hashes of the chains with proofs; the last one was collected last.
        kept: Vec<Hash>,
    },
    /// The device is not registered on the chain.
    #[error("device {device} is not registered on the chain as of block {block}: register it; the gateway then collects the proof by itself")]
    NotRegistered {
        /// The device.
        device: DeviceId,
        /// The number of the block.
        block: u32,
    },
    /// The device's events are not in this log.
    #[error("according to the chain, the events of device {device} are not in log {log}, but in {}: export them there", list(.others))]
    NotInLog {
        /// The device.
        device: DeviceId,
        /// This log.
        log: LogId,
        /// The logs in the device's record.
        others: Vec<LogId>,
    },
    /// The evidence to continue cannot be read.
    #[error("the evidence to continue: {0}")]
    Former(VerifyError),
    /// The evidence to continue is of another device.
    #[error(
        "the evidence to continue is of device {found}, not of device {device}: pass the file of this device"
    )]
    OtherDevice {
        /// The device.
        device: DeviceId,
        /// The device in the file.
        found: DeviceId,
    },
    /// The evidence to continue is of another chain.
    #[error("the evidence to continue is proven by the chain with genesis {found}, not {chain}: export it again by this chain")]
    OtherChain {
        /// The genesis hash of the chain that proves the export.
        chain: Hash,
        /// The genesis hash in the file.
        found: Hash,
    },
    /// The evidence to continue is of a later block than the collected proof.
    #[error(
        "the evidence to continue is proven by block {found}, but the proof of this log by block {block}, which is earlier: \
         wait until the next anchor of this gateway's log, when its proof is collected again"
    )]
    FormerIsNewer {
        /// The number of the newest block in the file.
        found: u32,
        /// The number of the block of the collected proof.
        block: u32,
    },
    /// The device has no anchored event.
    #[error("device {device} has no event among the {size} anchored ones: check its name, or wait for the next anchor")]
    NoEvents {
        /// The device.
        device: DeviceId,
        /// The number of anchored entries.
        size: u64,
    },
    /// The device has no event with this sequence.
    #[error("device {device} has no event with the sequence number {sequence} in this log")]
    NoSuchEvent {
        /// The device.
        device: DeviceId,
        /// The sequence.
        sequence: u64,
    },
    /// The event is not anchored yet.
    #[error("the event with the sequence number {sequence} is not among the {size} anchored ones yet: wait for the next anchor")]
    NotAnchored {
        /// The sequence of the event.
        sequence: u64,
        /// The number of anchored entries.
        size: u64,
    },
    /// No event is in the span.
    #[error("no anchored event of the device is in this span: its events are from {} to {}", streembit_clock::show(*.first), streembit_clock::show(*.last))]
    EmptySpan {
        /// The time of the device's first event.
        first: u64,
        /// The time of the device's last anchored event.
        last: u64,
    },
    /// The collected proof of the state is damaged.
    #[error("the collected proof is damaged: {0}; it is collected again with the next anchor")]
    State(#[from] StateProofError),
    /// A verifier would refuse the evidence.
    #[error("a verifier would refuse the evidence: {0}")]
    Refused(#[from] EvidenceError),
    /// The tree of the stored log does not have the anchored root.
    #[error("the log does not have the root that was anchored: audit the device to find the damage")]
    NotTheAnchored,
    /// A body is missing although it was not erased.
    #[error("the log is damaged: the body of entry {index} is missing. Stop the gateway, keep a copy of the folder, and restore the data folder from a backup; an audit names every damaged place")]
    MissingBody {
        /// The index of the entry.
        index: u64,
    },
    /// No reading has one of the requested names.
    #[error("no reading of these events is called {missing}{}", if .others.is_empty() { String::new() } else { format!("; there are: {}", .others) })]
    NoSuchName {
        /// The requested names that no reading has.
        missing: String,
        /// Some names of readings that were not requested.
        others: String,
    },
    /// The file could not be written.
    #[error("writing the evidence: {0}")]
    Write(#[from] io::Error),
    /// The file could not be created or finished.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl ExportError {
    pub(crate) fn log(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Log(Box::new(error))
    }
}
