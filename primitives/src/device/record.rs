//! The record of a device on chain: its keys, owners and logs, and what was lost.

use super::{CouncilDecision, DeviceId, DeviceKey, History, LastAnchored, MAX_DECISIONS};
use crate::{hash::Domain, AccountId, BoundedVec, Checkpoint, ConstU32, Hash, LogId, PartyId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The maximum number of lost ranges of a device.
pub const MAX_LOST: u32 = 32;

/// The maximum number of sequences that one change may leap over. No device makes that many events, and a record that leaps
/// as often as it can still has nearly all sequences left.
pub const MAX_LEAP: u64 = 1 << 40;

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
    /// The sequence of the first event that it signs. A key that was recovered before it began has the same as the next
    /// key, so that it signs none.
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
    /// The size of the log at its latest anchor when the period ended. `None` if the period goes on. Entries that the
    /// gateway appended later do not count as events of this period.
    pub until_size: Option<u64>,
    /// The number of the block since which it is recorded.
    pub block: u32,
}

impl LogPeriod {
    /// Returns true if the log can have an event of this period at an index.
    pub fn may_have_index(&self, index: u64) -> bool {
        self.until_size.is_none_or(|size| index < size)
    }
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
    pub(super) decisions: BoundedVec<CouncilDecision, ConstU32<MAX_DECISIONS>>,
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
    /// The change would begin too far above the lowest possible sequence.
    TooFar {
        /// The highest sequence at which it may begin.
        highest: u64,
    },
    /// The proof does not show the device's last event at the latest anchor of its log.
    HeadProof,
    /// The device has had as many keys, owners, logs, lost ranges or decisions of the council as a record holds.
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
            Self::AnchoredHistory { lowest } => write!(f, "events before {lowest} are anchored, lost, or belong to another key or log: begin at {lowest} or later"),
            Self::TooFar { highest } => write!(f, "the change skips too many events: begin at {highest} or earlier"),
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
            logs: History::new(LogPeriod { log, from: 0, until_size: None, block }),
            lost: BoundedVec::new(),
            decisions: BoundedVec::new(),
            state: DeviceState::Active,
        }
    }

    /// Returns the id of the device: that of its first key.
    pub fn device_id(&self) -> DeviceId {
        self.keys.first().key.device_id()
    }

    /// Returns the hash of the record, which names the device as it is now.
    pub fn hash(&self) -> Hash {
        Domain::DeviceRecord.hash_of(self)
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
        Some(self.events_before(log, sequence))
    }

    /// Returns the number of the device's events that come before a sequence and belong to a log, without the lost ones.
    fn events_before(&self, log: &LogId, sequence: u64) -> u64 {
        let ends = self.logs.iter().skip(1).map(|period| period.from).chain([u64::MAX]);
        let periods = self.logs.iter().zip(ends).filter(|(period, _)| period.log == *log);
        let before = periods.map(|(period, end)| {
            let end = end.min(sequence);
            end.saturating_sub(period.from).saturating_sub(self.lost_between(period.from, end))
        });
        before.fold(0, u64::saturating_add)
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
        self.ensure_active()?;
        let head = last.verify(&self.device_id(), anchored).ok_or(DeviceChangeError::HeadProof)?;
        let after_head = head.map_or(0, |head| head.sequence.saturating_add(1));
        // The chain cannot check the heads map, but a log of this size has no room for a higher sequence.
        let after_head = after_head.min(self.end_of_room(anchored.map_or(0, |anchored| anchored.size)));
        Ok(after_head.max(self.earliest()))
    }

    /// Returns the lowest sequence at which a change may begin, whatever is anchored.
    pub fn earliest(&self) -> u64 {
        // A key may begin later than this: the events before it can still come, or be lost.
        self.logs.last().from.max(self.lost.last().map_or(0, |range| range.until))
    }

    /// Returns the first sequence that cannot be in the present log if the log has `size` entries.
    pub(super) fn end_of_room(&self, size: u64) -> u64 {
        let begun = self.logs.last().from;
        let mut room = size.saturating_sub(self.min_index_of_period());
        let mut next = begun;
        for range in self.lost.iter().filter(|range| range.until > begun) {
            let before = range.from.saturating_sub(next);
            if before >= room {
                break;
            }
            room = room.saturating_sub(before);
            next = range.until;
        }
        next.saturating_add(room)
    }

    /// Returns the number of the device's events that earlier periods of the present log have.
    fn min_index_of_period(&self) -> u64 {
        let LogPeriod { log, from, .. } = *self.logs.last();
        self.events_before(&log, from)
    }

    /// Gives the device a new key for all events from the sequence `from` on. A recovered key may begin before a key that
    /// has not begun, and replaces it: the owner may have lost that key, too.
    pub fn set_key(
        &mut self,
        key: DeviceKey,
        from: u64,
        change: KeyChange,
        lowest: u64,
        at: ChangeTime,
    ) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        let key_from = if change == KeyChange::Recovered { 0 } else { self.keys.last().from };
        ensure_in_reach(from, lowest.max(key_from))?;
        if !key.may_be_kept_by(&self.gateway()) {
            return Err(DeviceChangeError::HostedElsewhere);
        }
        push(&mut self.keys, KeyPeriod { key, from, change, block: at.block })?;
        self.keys.for_each(|period| period.from = period.from.min(from));
        Ok(())
    }

    /// Assigns the device to another log for all events from the sequence `from` on. Events from `lowest` on, which is the
    /// result of [`Self::next_sequence`], up to `from` are declared lost. A hosted device needs the key that the gateway
    /// of the log signs with. `size` is the size of the present log at its latest anchor, or 0 if it has none.
    pub fn assign(
        &mut self,
        log: LogId,
        host_key: Option<DeviceKey>,
        from: u64,
        lowest: u64,
        size: u64,
        at: ChangeTime,
    ) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if log == self.log() {
            return Err(DeviceChangeError::SameLog);
        }
        let may_keep = match &host_key {
            Some(key) => key.may_be_kept_by(&log.gateway),
            None => self.may_be_kept_from(from, &log.gateway),
        };
        if !may_keep {
            return Err(DeviceChangeError::HostedElsewhere);
        }
        let key_from = host_key.as_ref().map_or(0, |_| self.keys.last().from);
        ensure_in_reach(from, lowest.max(key_from))?;
        let mut next = self.clone();
        if from > lowest {
            next.declare_lost(lowest, from, at)?;
        }
        next.logs.last_mut().until_size = Some(size);
        push(&mut next.logs, LogPeriod { log, from, until_size: None, block: at.block })?;
        if let Some(key) = host_key {
            push(&mut next.keys, KeyPeriod { key, from, change: KeyChange::Rehosted, block: at.block })?;
        }
        *self = next;
        Ok(())
    }

    /// Returns true if a gateway may keep the events with each key that counts at `from` or later.
    fn may_be_kept_from(&self, from: u64, gateway: &AccountId) -> bool {
        let ends = self.keys.iter().skip(1).map(|period| Some(period.from)).chain([None]);
        let counts =
            |period: &KeyPeriod, end: Option<u64>| end.is_none_or(|end| end > from && end > period.from);
        let mut counting = self.keys.iter().zip(ends).filter(|(period, end)| counts(period, *end));
        counting.all(|(period, _)| period.key.may_be_kept_by(gateway))
    }

    /// Declares that the events from `lowest` on, which is the result of [`Self::next_sequence`], up to and without
    /// `until` are lost.
    pub fn declare_lost(&mut self, lowest: u64, until: u64, at: ChangeTime) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if until <= lowest {
            return Err(DeviceChangeError::NothingLost);
        }
        ensure_in_reach(until, lowest)?;
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
        self.decisions.iter_mut().for_each(|decision| decision.block = 0);
    }

    /// Ensures that the device is not retired.
    pub fn ensure_active(&self) -> Result<(), DeviceChangeError> {
        if self.state == DeviceState::Retired {
            return Err(DeviceChangeError::Retired);
        }
        Ok(())
    }
}

/// Ensures that a change begins at `lowest` or later, and leaps over [`MAX_LEAP`] sequences at most.
pub(super) fn ensure_in_reach(from: u64, lowest: u64) -> Result<(), DeviceChangeError> {
    if from < lowest {
        return Err(DeviceChangeError::AnchoredHistory { lowest });
    }
    let highest = lowest.saturating_add(MAX_LEAP);
    if from > highest {
        return Err(DeviceChangeError::TooFar { highest });
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
