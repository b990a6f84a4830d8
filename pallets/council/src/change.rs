//! The changes that the council decides on. Each goes to the pallet that makes it.

use crate::{Config, Error, Pallet};
use frame_support::ensure;
use pallet_parties::{Departure, DeviceRegistry, PartyRegistry, Registry};
use pallet_quotas::SetQuota;
use sp_runtime::DispatchResult;
use streembit_primitives::{consortium::Change, PartyId};

impl<T: Config> Pallet<T> {
    /// Fails if a change is impossible now.
    pub(crate) fn ensure_possible(change: &Change) -> DispatchResult {
        match change {
            Change::AddParty { party, account } => T::Parties::ensure_can_add(party, account),
            Change::RemoveParty(party) => T::Parties::ensure_can_remove(party),
            Change::AddValidator(account) => T::Validators::ensure_can_add(account),
            Change::RemoveValidator(account) => T::Validators::ensure_can_remove(account),
            Change::SetQuota { party, .. } => T::Quotas::ensure_can_set(party),
            // The code is checked when it is submitted.
            Change::Upgrade { .. } => Ok(()),
            Change::Recover { party, account } => T::Parties::ensure_can_recover(party, account),
            Change::AllowDeviceChange { device, from, .. } => T::Devices::ensure_can_allow(device, *from),
        }
    }

    /// Makes a change, or fails without one.
    pub(crate) fn make(change: Change) -> DispatchResult {
        match change {
            Change::AddParty { party, account } => T::Parties::add(party, account),
            Change::RemoveParty(party) => T::Parties::remove(party),
            Change::AddValidator(account) => T::Validators::add(account),
            Change::RemoveValidator(account) => T::Validators::remove(account),
            Change::SetQuota { party, quota } => T::Quotas::set(party, quota),
            Change::Upgrade { code } => {
                // Replaces an earlier decision that nobody has acted on. When the code is submitted, the system pallet
                // checks that it is of this chain and newer than the runtime in force.
                frame_system::Pallet::<T>::do_authorize_upgrade(code.0.into(), true);
                Ok(())
            }
            Change::Recover { party, account } => T::Parties::recover(party, account),
            Change::AllowDeviceChange { device, change, from } => T::Devices::allow(device, change, from),
        }
    }
}

impl<T: Config> Departure for Pallet<T> {
    fn ensure_party_can_leave(party: &PartyId) -> DispatchResult {
        ensure!(!Self::is_member(party), Error::<T>::InCouncil);
        Ok(())
    }
}
