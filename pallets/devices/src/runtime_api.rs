//! The queries about devices that clients can make.

use alloc::vec::Vec;
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId, PartyId, PublicKey};

sp_api::decl_runtime_apis! {
    /// The registered devices.
    pub trait DevicesApi {
        /// Returns a device, or `None` if it is not registered.
        fn device(id: DeviceId) -> Option<DeviceRecord>;
        /// Returns the devices whose log a gateway keeps, in no particular order.
        fn devices_of_gateway(gateway: AccountId) -> Vec<DeviceId>;
        /// Returns the devices that a party owns, in no particular order.
        fn devices_of_owner(owner: PartyId) -> Vec<DeviceId>;
        /// Returns the nonce that the next consent of a device's or a gateway's key must have.
        fn consent_nonce(key: PublicKey) -> u32;
        /// Returns the device that has or had the key whose [`streembit_primitives::DeviceKey::device_id`] this is. `None`
        /// if no device ever had it.
        fn device_of_key(key: DeviceId) -> Option<DeviceId>;
        /// Returns the party that a device is offered to, or `None` if it is not offered to any.
        fn offer(device: DeviceId) -> Option<PartyId>;
    }
}
