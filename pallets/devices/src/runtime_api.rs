//! What the chain answers about devices.

use alloc::vec::Vec;
use streembit_primitives::{device::DeviceRecord, AccountId, DeviceId};

sp_api::decl_runtime_apis! {
    /// Registered devices.
    pub trait DevicesApi {
        /// A device, where it is registered.
        fn device(id: DeviceId) -> Option<DeviceRecord>;
        /// The devices whose log a gateway keeps, in no particular order.
        fn devices_of_gateway(gateway: AccountId) -> Vec<DeviceId>;
        /// The devices that a party owns, in no particular order.
        fn devices_of_owner(owner: AccountId) -> Vec<DeviceId>;
    }
}
