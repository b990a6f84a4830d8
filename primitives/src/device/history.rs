//! Periods that follow each other: the keys, owners and logs of a device, each until the next one begins.

use crate::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum number of periods after the first one.
pub const MAX_LATER: u32 = 31;

/// One or more periods, oldest first. The last one goes on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct History<T> {
    first: T,
    later: BoundedVec<T, ConstU32<MAX_LATER>>,
}

impl<T> History<T> {
    /// Returns a history with one period.
    pub fn new(first: T) -> Self {
        Self { first, later: BoundedVec::new() }
    }

    /// Returns the first period.
    pub fn first(&self) -> &T {
        &self.first
    }

    /// Returns the period that goes on.
    pub fn last(&self) -> &T {
        self.later.last().unwrap_or(&self.first)
    }

    /// Returns the periods, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        core::iter::once(&self.first).chain(self.later.iter())
    }

    /// Returns the number of periods.
    pub fn count(&self) -> u32 {
        (self.later.len() as u32).saturating_add(1)
    }

    /// Returns true if there is no place for another period.
    pub fn is_full(&self) -> bool {
        self.later.is_full()
    }

    /// Appends a period. Returns false, and changes nothing, if there is no place for it.
    #[must_use]
    pub fn push(&mut self, next: T) -> bool {
        self.later.try_push(next).is_ok()
    }

    /// Returns the period that goes on, to change it.
    pub(super) fn last_mut(&mut self) -> &mut T {
        self.later.iter_mut().next_back().unwrap_or(&mut self.first)
    }

    /// Changes each period.
    pub(super) fn for_each(&mut self, mut change: impl FnMut(&mut T)) {
        change(&mut self.first);
        self.later.iter_mut().for_each(change);
    }
}
