//! When a contract ends, which can be long before somebody notes it.

use crate::{
    status::PartiesOf,
    types::{ActivePhase, Phase, StoredContract},
    Config, Pallet,
};
use pallet_parties::PartyLookup as _;
use streembit_primitives::{
    contract::{OnChange, Terms},
    device::DeviceRecord,
};

impl<T: Config> Pallet<T> {
    /// Returns when a contract ends or ended (exclusive), in milliseconds since 1970-01-01 UTC, whether or not its end is
    /// noted.
    pub(crate) fn end_time(contract: &StoredContract) -> u64 {
        let agreed = contract.terms.ends.unwrap_or(u64::MAX);
        let implied = match &contract.phase {
            Phase::Ended { at, .. } => Some(at.time),
            Phase::Active(active) => Self::implied_end(contract, active),
            Phase::Proposed { .. } => None,
        };
        implied.map_or(agreed, |implied| agreed.min(implied))
    }

    /// Returns when a contract in force ended because of a notice, a departure or a sale. `None` if it did not.
    fn implied_end(contract: &StoredContract, active: &ActivePhase) -> Option<u64> {
        let live = Self::live_time();
        let due = |deadline: Option<u64>| deadline.filter(|due| *due <= live).map(Self::latest_time);
        let terminated = active.notices.iter().filter_map(|notice| due(notice.ends)).min();
        // While nobody has waited long enough, the causes need not be looked up.
        let has_waited = due(active.waits_until).is_some();
        let waited = |change, since: &dyn Fn() -> Option<u64>| {
            due(has_waited.then(|| Self::waits_because(contract, change, since())).flatten())
        };
        let Terms { on_leave, on_sale, .. } = &contract.terms;
        let left = match on_leave {
            OnChange::Ends => Self::vacant_since(contract, Self::now()),
            OnChange::AwaitsSuccessor { .. } => waited(*on_leave, &|| Self::vacant_since(contract, 0)),
        };
        let sold = match on_sale {
            OnChange::Ends => Self::sold_since(contract),
            OnChange::AwaitsSuccessor { .. } => waited(*on_sale, &|| Self::sold_since(contract)),
        };
        [terminated, left, sold].into_iter().flatten().min()
    }

    /// Returns the live time until which a contract in force waits for a successor because of a change. `None` if that is
    /// not noted: a wait that was noted before the change came does not count for it.
    pub(crate) fn waits_because(
        contract: &StoredContract,
        change: OnChange,
        since: Option<u64>,
    ) -> Option<u64> {
        let OnChange::AwaitsSuccessor { within } = change else { return None };
        let earliest = Self::earliest_live_time(since?).saturating_add(within);
        contract.active()?.waits_until.filter(|until| *until >= earliest)
    }

    /// Returns when the first party to a contract in force left, or `None` if none has. The arbiter does not count.
    /// `unknown` is the time for departures of which the time is not recorded.
    pub(crate) fn vacant_since(contract: &StoredContract, unknown: u64) -> Option<u64> {
        let vacant = contract
            .accepted
            .iter()
            .filter(|acceptance| contract.terms.names(&acceptance.party) && !Self::counts(acceptance));
        vacant.map(|acceptance| PartiesOf::<T>::last_departure(&acceptance.party).unwrap_or(unknown)).min()
    }

    /// Returns since when a device of a contract in force has had owners that are no parties to it, or `None` if all
    /// devices belong to parties. A device that is not registered counts from now.
    pub(crate) fn sold_since(contract: &StoredContract) -> Option<u64> {
        let devices = contract.terms.devices.iter();
        devices
            .filter_map(|device| match pallet_devices::Pallet::<T>::device(device) {
                Some(record) => Self::foreign_since(contract, &record),
                None => Some(Self::now()),
            })
            .min()
    }

    /// Returns since when a device has had owners that are no parties to a contract, or `None` if its owner is one.
    pub(crate) fn foreign_since(contract: &StoredContract, record: &DeviceRecord) -> Option<u64> {
        let owners = record.owners().iter().rev();
        let foreign = owners.take_while(|period| !contract.terms.names(&period.party));
        foreign.last().map(|period| period.since)
    }

    /// Returns the latest time of the chain at which a live time that is over can have come.
    ///
    /// The live clock never advances faster than the chain's time, so at least as much time has passed since.
    fn latest_time(live: u64) -> u64 {
        Self::now().saturating_sub(Self::live_time().saturating_sub(live))
    }
}
