//! The answers of the runtime API.

use crate::{
    Config, ConsentNonces, DeviceOfKey, Devices, DevicesOfGateway, DevicesOfOwner, Offers, Pallet,
    StoredOffer,
};
use alloc::vec::Vec;
use pallet_parties::PartyLookup;
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId, PartyId, PublicKey};

impl<T: Config> Pallet<T> {
    /// Returns a device, or `None` if it is not registered.
    pub fn device(id: &DeviceId) -> Option<DeviceRecord> {
        Devices::<T>::get(id)
    }

    /// Returns the devices of which a gateway keeps the events, in no particular order.
    pub fn devices_of_gateway(gateway: &AccountId) -> Vec<DeviceId> {
        DevicesOfGateway::<T>::iter_key_prefix(gateway).collect()
    }

    /// Returns the devices that a party owns, in no particular order.
    pub fn devices_of_owner(owner: &PartyId) -> Vec<DeviceId> {
        DevicesOfOwner::<T>::iter_key_prefix(owner).collect()
    }

    /// Returns the nonce that the next consent of a key must have: 0 unless it is the key of a gateway.
    pub fn consent_nonce(key: &PublicKey) -> u32 {
        ConsentNonces::<T>::get(key)
    }

    /// Returns the device that has or had a key, by the id that the key would give a device.
    pub fn device_of_key(key: &DeviceId) -> Option<DeviceId> {
        DeviceOfKey::<T>::get(key)
    }

    /// Returns the party that a device is offered to, or `None` if it is not offered to any.
    pub fn offer(device: &DeviceId) -> Option<PartyId> {
        let StoredOffer { to, departures, owner_departures } = Offers::<T>::get(device)?;
        let owner = Devices::<T>::get(device)?.owner();
        // A party that returns after it left is not bound by what it offered, or was offered, before.
        let stayed =
            |party: &PartyId, left| T::Parties::is_party(party) && T::Parties::departures(party) == left;
        (stayed(&to, departures) && stayed(&owner, owner_departures)).then_some(to)
    }
}
