//! What must hold between any two calls.

use crate::{Config, Devices, DevicesOfGateway, DevicesOfOwner, Pallet};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;
use streembit_primitives::DeviceKey;

impl<T: Config> Pallet<T> {
    /// Says what does not hold that must.
    pub fn check_state() -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for (id, device) in Devices::<T>::iter() {
            // While keys do not rotate, a device's key is its first.
            ensure!(device.key.device_id() == id, "a device under another key's id");
            ensure!(device.registered <= now, "a device registered in a block to come");
            if let DeviceKey::Hosted { gateway, .. } = device.key {
                ensure!(gateway == device.gateway, "a hosted device at another gateway than its host");
            }
            let of_gateway = DevicesOfGateway::<T>::contains_key(device.gateway, id);
            ensure!(of_gateway, "a device that is not among its gateway's");
            ensure!(DevicesOfOwner::<T>::contains_key(device.owner, id), "a device not among its owner's");
        }
        for (gateway, id, ()) in DevicesOfGateway::<T>::iter() {
            let is_its = Devices::<T>::get(id).is_some_and(|device| device.gateway == gateway);
            ensure!(is_its, "a gateway lists a device that is not its own");
        }
        for (owner, id, ()) in DevicesOfOwner::<T>::iter() {
            let is_its = Devices::<T>::get(id).is_some_and(|device| device.owner == owner);
            ensure!(is_its, "an owner lists a device that is not its own");
        }
        Ok(())
    }
}
