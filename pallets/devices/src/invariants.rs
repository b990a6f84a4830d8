//! The conditions that hold between any two calls.

use crate::{
    AllowedChanges, Config, ConsentNonces, DeviceOfKey, Devices, DevicesOfGateway, DevicesOfOwner,
    GatewayCounts, Offers, OwnerCounts, Pallet,
};
use alloc::vec::Vec;
use frame_support::{ensure, traits::Get};
use pallet_parties::PartyLookup;
use sp_runtime::SaturatedConversion;
use streembit_primitives::{
    device::{DeviceRecord, DeviceState},
    DeviceId, PublicKey,
};

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        for (id, device) in Devices::<T>::iter() {
            ensure!(device.device_id() == id, "a device is stored under the id of another key");
            Self::check_times(&device)?;
            check_order(&device)?;
            let may_keep = device.key().may_be_kept_by(&device.gateway());
            ensure!(may_keep, "a hosted device is at a gateway that is not its host");
            let of_gateway = DevicesOfGateway::<T>::contains_key(device.gateway(), id);
            ensure!(of_gateway, "a device is missing in `DevicesOfGateway`");
            let of_owner = DevicesOfOwner::<T>::contains_key(device.owner(), id);
            ensure!(of_owner, "a device is missing in `DevicesOfOwner`");
            let mut keys = device.keys().iter();
            let claimed = keys.all(|period| DeviceOfKey::<T>::get(period.key.device_id()) == Some(id));
            ensure!(claimed, "a key of a device is missing in `DeviceOfKey`");
        }
        let mut signers = ConsentNonces::<T>::iter_keys();
        let may_be_gateways = signers.all(|key| matches!(key, PublicKey::Sr25519(_)));
        ensure!(may_be_gateways, "the nonce of a key that is no gateway's is stored");
        Self::check_indices()?;
        Self::check_counts()?;
        for id in AllowedChanges::<T>::iter_keys() {
            let device = Devices::<T>::get(id).ok_or("a change of an unknown device is allowed")?;
            ensure!(device.state() != DeviceState::Retired, "a change of a retired device is allowed");
        }
        for (id, offer) in Offers::<T>::iter() {
            let device = Devices::<T>::get(id).ok_or("an unknown device is offered")?;
            ensure!(device.state() != DeviceState::Retired, "a retired device is offered");
            ensure!(device.owner() != offer.to, "a device is offered to its owner");
            let departures = T::Parties::departures(&offer.to);
            ensure!(offer.departures <= departures, "an offer is of a future membership");
        }
        Ok(())
    }

    /// Nothing in a record is of the future.
    fn check_times(device: &DeviceRecord) -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        let blocks = device.keys().iter().map(|period| period.block);
        let blocks = blocks.chain(device.owners().iter().map(|period| period.block));
        let blocks = blocks.chain(device.logs().iter().map(|period| period.block));
        let blocks = blocks.chain(device.lost().iter().map(|range| range.block));
        let mut blocks = blocks.chain(device.decisions().iter().map(|decision| decision.block));
        ensure!(blocks.all(|block| block <= now), "a device was changed in a future block");
        let mut times = device.owners().iter().map(|period| period.since);
        ensure!(times.all(|since| since <= T::Parties::now()), "a device has an owner of the future");
        Ok(())
    }

    /// The indices have no entries that the records do not imply.
    fn check_indices() -> Result<(), &'static str> {
        let is_its =
            |id: DeviceId, of: &dyn Fn(&DeviceRecord) -> bool| Devices::<T>::get(id).is_some_and(|d| of(&d));
        for (gateway, id, ()) in DevicesOfGateway::<T>::iter() {
            let listed = is_its(id, &|device| device.gateway() == gateway);
            ensure!(listed, "`DevicesOfGateway` lists a device of another gateway");
        }
        for (owner, id, ()) in DevicesOfOwner::<T>::iter() {
            let listed = is_its(id, &|device| device.owner() == owner);
            ensure!(listed, "`DevicesOfOwner` lists a device of another owner");
        }
        for (key, id) in DeviceOfKey::<T>::iter() {
            let has = |device: &DeviceRecord| device.keys().iter().any(|p| p.key.device_id() == key);
            ensure!(is_its(id, &has), "`DeviceOfKey` has a key that its device never had");
        }
        Ok(())
    }

    fn check_counts() -> Result<(), &'static str> {
        for (owner, count) in OwnerCounts::<T>::iter() {
            let is_right = DevicesOfOwner::<T>::iter_key_prefix(owner).count() == count as usize;
            ensure!(is_right && count > 0, "the number of an owner's devices is wrong");
            ensure!(count <= T::MaxDevicesPerOwner::get(), "an owner has too many devices");
        }
        for (gateway, count) in GatewayCounts::<T>::iter() {
            let is_right = DevicesOfGateway::<T>::iter_key_prefix(gateway).count() == count as usize;
            ensure!(is_right && count > 0, "the number of a gateway's devices is wrong");
            ensure!(count <= T::MaxDevicesPerGateway::get(), "a gateway has too many devices");
        }
        let counted = |(owner, _, ())| OwnerCounts::<T>::contains_key(owner);
        ensure!(DevicesOfOwner::<T>::iter().all(counted), "the devices of an owner are not counted");
        let counted = |(gateway, _, ())| GatewayCounts::<T>::contains_key(gateway);
        ensure!(DevicesOfGateway::<T>::iter().all(counted), "the devices of a gateway are not counted");
        Ok(())
    }
}

/// Each period begins after the one before, and lost ranges do not overlap.
fn check_order(device: &DeviceRecord) -> Result<(), &'static str> {
    let ascend = |values: Vec<u64>| values.iter().zip(values.iter().skip(1)).all(|(one, next)| one <= next);
    let keys = ascend(device.keys().iter().map(|period| period.from).collect());
    ensure!(keys, "a key counts before the key before it");
    let logs = ascend(device.logs().iter().map(|period| period.from).collect());
    ensure!(logs, "a log counts before the log before it");
    let ended = device.logs().iter().zip(device.logs().iter().skip(1));
    let ended = ended.filter(|(period, _)| period.until_size.is_some()).count() as u32;
    let goes_on = device.logs().last().until_size.is_none();
    ensure!(goes_on && ended.saturating_add(1) == device.logs().count(), "a log period has no right end");
    let owners = ascend(device.owners().iter().map(|period| period.since).collect());
    ensure!(owners, "an owner counts before the owner before it");
    let lost = ascend(device.lost().iter().flat_map(|range| [range.from, range.until]).collect());
    ensure!(lost, "lost ranges overlap");
    ensure!(device.lost().iter().all(|range| range.from < range.until), "a lost range is empty");
    let first = (device.keys().first().from, device.logs().first().from);
    ensure!(first == (0, 0), "the first key or log does not begin with the first event");
    Ok(())
}
