//! The conditions that hold between any two calls.

use crate::{Config, Devices, DevicesOfGateway, DevicesOfOwner, Pallet};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;
use streembit_primitives::DeviceKey;

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for (id, device) in Devices::<T>::iter() {
            // As long as keys cannot be changed, a device's key is its first key.
            ensure!(device.key.device_id() == id, "a device is stored under the id of another key");
            ensure!(device.registered <= now, "a device was registered in a future block");
            if let DeviceKey::Hosted { gateway, .. } = device.key {
                ensure!(gateway == device.gateway, "a hosted device is at a gateway that is not its host");
            }
            let of_gateway = DevicesOfGateway::<T>::contains_key(device.gateway, id);
            ensure!(of_gateway, "a device is missing in `DevicesOfGateway`");
            ensure!(
                DevicesOfOwner::<T>::contains_key(device.owner, id),
                "a device is missing in `DevicesOfOwner`"
            );
        }
        for (gateway, id, ()) in DevicesOfGateway::<T>::iter() {
            let is_its = Devices::<T>::get(id).is_some_and(|device| device.gateway == gateway);
            ensure!(is_its, "`DevicesOfGateway` lists a device of another gateway");
        }
        for (owner, id, ()) in DevicesOfOwner::<T>::iter() {
            let is_its = Devices::<T>::get(id).is_some_and(|device| device.owner == owner);
            ensure!(is_its, "`DevicesOfOwner` lists a device of another owner");
        }
        Ok(())
    }
}
