//! The record of a device on chain: its keys, owners and logs, and what was lost.

use super::{DeviceId, DeviceKey, History, LastAnchored};
use crate::{AccountId, BoundedVec, Checkpoint, ConstU32, LogId, PartyId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The maximum number of lost ranges of a device.
pub const MAX_LOST: u32 = 32;

/// How a key became the key of a device.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum KeyChange {
    /// The device was registered with it.
    Registered,
    /// The key before it agreed.
    Rotated,
    /// The owner alone decided, because the key before it was lost.
    Recovered,
    /// The device is hosted, and another gateway signs for it.
    Rehosted,
}

/// A key of a device, and from when it counts.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KeyPeriod {
    /// The key.
    pub key: DeviceKey,
    /// The sequence of the first event that it signs.
    pub from: u64,
    /// How it became the device's key.
    pub change: KeyChange,
    /// The number of the block since which it is recorded.
    pub block: u32,
}

/// An owner of a device, and from when it counts.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OwnerPeriod {
    /// The party.
    pub party: PartyId,
    /// The chain's time when it became the owner, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
    /// The number of the block in which it became the owner.
    pub block: u32,
}

/// A log that a device's events are in, and from when it counts.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LogPeriod {
    /// The log.
    pub log: LogId,
    /// The sequence of the first event that is in it.
    pub from: u64,
    /// The number of the block since which it is recorded.
    pub block: u32,
}

/// A range of sequences whose events are declared lost: neither a gap nor a sign of a copied key.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LostRange {
    /// The sequence of the first lost event.
    pub from: u64,
    /// The sequence after the last lost event.
    pub until: u64,
    /// The number of the block in which it was declared.
    pub block: u32,
}

/// What the owner says about a device.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum DeviceState {
    /// It is in use.
    Active,
    /// It is lost. Its events still count, so that it can be found.
    Lost,
    /// It is stolen. Its events still count, so that it can be found.
    Stolen,
    /// It is out of use for good. Gateways admit no further events, and nothing about it changes any more.
    Retired,
}

/// The record of a device. It never forgets: each event is judged by the key and the log that count for its sequence.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceRecord {
    keys: History<KeyPeriod>,
    owners: History<OwnerPeriod>,
    logs: History<LogPeriod>,
    lost: BoundedVec<LostRange, ConstU32<MAX_LOST>>,
    state: DeviceState,
}

/// When something in a record changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeTime {
    /// The number of the block.
    pub block: u32,
    /// The chain's time, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
}

/// Why a record does not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceChangeError {
    /// The device is retired.
    Retired,
    /// The change would begin before events that are anchored, or before the change before it.
    AnchoredHistory {
        /// The lowest sequence at which it may begin.
        lowest: u64,
    },
    /// The proof does not show the device's last event at the latest anchor of its log.
    HeadProof,
    /// The device has had as many keys, owners, logs or lost ranges as a record holds.
    Full,
    /// The gateway of the log cannot sign for the device: it needs a key of that gateway.
    HostedElsewhere,
    /// The log is the one that the device's events are in already.
    SameLog,
    /// The party owns the device already.
    SameOwner,
    /// The range is empty.
    NothingLost,
}

impl fmt::Display for DeviceChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retired => f.write_str("the device is retired"),
            Self::AnchoredHistory { lowest } => write!(f, "events up to {lowest} are anchored or belong to another key or log: begin at {lowest} or later"),
            Self::HeadProof => f.write_str("the proof does not show the device's last event at the latest anchor of its log: make it again"),
            Self::Full => f.write_str("the record of the device is full: retire the device and register it with a new key"),
            Self::HostedElsewhere => f.write_str("the gateway cannot sign for the device: give it a key of that gateway"),
            Self::SameLog => f.write_str("the device's events are in this log already"),
            Self::SameOwner => f.write_str("the party owns the device already"),
            Self::NothingLost => f.write_str("the range of lost events is empty"),
        }
    }
}

impl core::error::Error for DeviceChangeError {}

impl DeviceRecord {
    /// Returns the record of a device that is registered now.
    pub fn new(key: DeviceKey, owner: PartyId, log: LogId, at: ChangeTime) -> Self {
        let ChangeTime { block, time } = at;
        Self {
            keys: History::new(KeyPeriod { key, from: 0, change: KeyChange::Registered, block }),
            owners: History::new(OwnerPeriod { party: owner, since: time, block }),
            logs: History::new(LogPeriod { log, from: 0, block }),
            lost: BoundedVec::new(),
            state: DeviceState::Active,
        }
    }

    /// Returns the id of the device: that of its first key.
    pub fn device_id(&self) -> DeviceId {
        self.keys.first().key.device_id()
    }

    /// Returns the key that counts now.
    pub fn key(&self) -> &DeviceKey {
        &self.keys.last().key
    }

    /// Returns all keys.
    pub fn keys(&self) -> &History<KeyPeriod> {
        &self.keys
    }

    /// Returns the key that an event with this sequence is verified with.
    pub fn key_at(&self, sequence: u64) -> &KeyPeriod {
        self.keys.iter().rev().find(|period| period.from <= sequence).unwrap_or(self.keys.first())
    }

    /// Returns the party that owns the device.
    pub fn owner(&self) -> PartyId {
        self.owners.last().party
    }

    /// Returns all owners.
    pub fn owners(&self) -> &History<OwnerPeriod> {
        &self.owners
    }

    /// Returns the log that the device's events are in.
    pub fn log(&self) -> LogId {
        self.logs.last().log
    }

    /// Returns all logs.
    pub fn logs(&self) -> &History<LogPeriod> {
        &self.logs
    }

    /// Returns the log that an event with this sequence is in.
    pub fn log_at(&self, sequence: u64) -> &LogPeriod {
        self.logs.iter().rev().find(|period| period.from <= sequence).unwrap_or(self.logs.first())
    }

    /// Returns the gateway that keeps the device's log.
    pub fn gateway(&self) -> AccountId {
        self.log().gateway
    }

    /// Returns the ranges that are declared lost, oldest first.
    pub fn lost(&self) -> &[LostRange] {
        &self.lost
    }

    /// Returns true if an event with this sequence is declared lost.
    pub fn is_lost(&self, sequence: u64) -> bool {
        self.lost.iter().any(|range| (range.from..range.until).contains(&sequence))
    }

    /// Returns true if all events from `from` up to and without `until` are declared lost. True for an empty range.
    pub fn is_range_lost(&self, from: u64, until: u64) -> bool {
        let mut next = from;
        for range in &self.lost {
            if range.from <= next && next < range.until {
                next = range.until;
            }
        }
        next >= until
    }

    /// Returns the first sequence from `sequence` on that is not declared lost.
    pub fn after_lost(&self, sequence: u64) -> u64 {
        // The ranges are in the order of their sequences, and do not overlap.
        self.lost.iter().fold(sequence, |next, range| {
            if (range.from..range.until).contains(&next) {
                range.until
            } else {
                next
            }
        })
    }

    /// Returns what the owner says about the device.
    pub fn state(&self) -> DeviceState {
        self.state
    }

    /// Returns the number of the block in which the device was registered, or 0 if it was taken over from an older chain.
    pub fn registered(&self) -> u32 {
        self.keys.first().block
    }

    /// Returns the lowest index that an event with this sequence can have in a log: the number of the device's events
    /// that come before it there. `None` if no event with this sequence belongs to the log.
    pub fn min_index(&self, log: &LogId, sequence: u64) -> Option<u64> {
        if self.log_at(sequence).log != *log || self.is_lost(sequence) {
            return None;
        }
        let ends = self.logs.iter().skip(1).map(|period| period.from).chain([u64::MAX]);
        let periods = self.logs.iter().zip(ends).filter(|(period, _)| period.log == *log);
        let before = periods.map(|(period, end)| {
            let end = end.min(sequence);
            end.saturating_sub(period.from).saturating_sub(self.lost_between(period.from, end))
        });
        Some(before.fold(0, u64::saturating_add))
    }

    /// Returns the number of lost events in a range.
    fn lost_between(&self, from: u64, until: u64) -> u64 {
        let lost = |range: &LostRange| range.until.min(until).saturating_sub(range.from.max(from));
        self.lost.iter().map(lost).fold(0, u64::saturating_add)
    }

    /// Returns the lowest sequence at which a change may begin: after the last anchored event, after what is lost, and in
    /// the present log. A new key also begins no earlier than the key before it. `anchored` is the latest anchor of the
    /// device's log, if it has one.
    pub fn next_sequence(
        &self,
        last: &LastAnchored,
        anchored: Option<&Checkpoint>,
    ) -> Result<u64, DeviceChangeError> {
        let head = last.verify(&self.device_id(), anchored).ok_or(DeviceChangeError::HeadProof)?;
        let after_head = head.map_or(0, |head| head.sequence.saturating_add(1));
        // A key may begin later than this: the events before it can still come, or be lost.
        let begun = self.logs.last().from;
        let lost = self.lost.last().map_or(0, |range| range.until);
        Ok(after_head.max(begun).max(lost))
    }

    /// Gives the device a new key for all events from the sequence `from` on.
    pub fn set_key(
        &mut self,
        key: DeviceKey,
        from: u64,
        change: KeyChange,
        lowest: u64,
        at: ChangeTime,
    ) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        ensure_not_before(from, lowest.max(self.keys.last().from))?;
        if !key.may_be_kept_by(&self.gateway()) {
            return Err(DeviceChangeError::HostedElsewhere);
        }
        push(&mut self.keys, KeyPeriod { key, from, change, block: at.block })
    }

    /// Assigns the device to another log for all events from the sequence `from` on. Events from `lowest` on, which is the
    /// result of [`Self::next_sequence`], up to `from` are declared lost. A hosted device needs the key that the gateway
    /// of the log signs with.
    pub fn assign(
        &mut self,
        log: LogId,
        host_key: Option<DeviceKey>,
        from: u64,
        lowest: u64,
        at: ChangeTime,
    ) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if log == self.log() {
            return Err(DeviceChangeError::SameLog);
        }
        if !host_key.as_ref().unwrap_or(self.key()).may_be_kept_by(&log.gateway) {
            return Err(DeviceChangeError::HostedElsewhere);
        }
        let key_from = host_key.as_ref().map_or(0, |_| self.keys.last().from);
        ensure_not_before(from, lowest.max(key_from))?;
        let mut next = self.clone();
        if from > lowest {
            next.declare_lost(lowest, from, at)?;
        }
        push(&mut next.logs, LogPeriod { log, from, block: at.block })?;
        if let Some(key) = host_key {
            push(&mut next.keys, KeyPeriod { key, from, change: KeyChange::Rehosted, block: at.block })?;
        }
        *self = next;
        Ok(())
    }

    /// Declares that the events from `lowest` on, which is the result of [`Self::next_sequence`], up to and without
    /// `until` are lost.
    pub fn declare_lost(&mut self, lowest: u64, until: u64, at: ChangeTime) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if until <= lowest {
            return Err(DeviceChangeError::NothingLost);
        }
        let range = LostRange { from: lowest, until, block: at.block };
        self.lost.try_push(range).map_err(|_| DeviceChangeError::Full)
    }

    /// Makes another party the owner.
    pub fn set_owner(&mut self, party: PartyId, at: ChangeTime) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if party == self.owner() {
            return Err(DeviceChangeError::SameOwner);
        }
        push(&mut self.owners, OwnerPeriod { party, since: at.time, block: at.block })
    }

    /// Records what the owner says about the device. A retired device stays so.
    pub fn set_state(&mut self, state: DeviceState) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        self.state = state;
        Ok(())
    }

    /// Forgets all numbers of blocks, when the record is taken over to a new chain.
    pub fn forget_blocks(&mut self) {
        self.keys.for_each(|period| period.block = 0);
        self.owners.for_each(|period| period.block = 0);
        self.logs.for_each(|period| period.block = 0);
        self.lost.iter_mut().for_each(|range| range.block = 0);
    }

    fn ensure_active(&self) -> Result<(), DeviceChangeError> {
        if self.state == DeviceState::Retired {
            return Err(DeviceChangeError::Retired);
        }
        Ok(())
    }
}

fn ensure_not_before(from: u64, lowest: u64) -> Result<(), DeviceChangeError> {
    if from < lowest {
        return Err(DeviceChangeError::AnchoredHistory { lowest });
    }
    Ok(())
}

fn push<T>(history: &mut History<T>, next: T) -> Result<(), DeviceChangeError> {
    if history.push(next) {
        Ok(())
    } else {
        Err(DeviceChangeError::Full)
    }
}
