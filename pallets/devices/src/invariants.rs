//! What must hold between any two calls.

use crate::{pallet::may_keep, Config, Devices, DevicesOfGateway, DevicesOfOwner, Pallet};
use frame_support::ensure;
use sp_runtime::SaturatedConversion;

impl<T: Config> Pallet<T> {
    /// Says what does not hold.
    pub(crate) fn check_state() -> Result<(), &'static str> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        for (id, device) in Devices::<T>::iter() {
            ensure!(device.key.device_id() == id, "a device under another one's id");
            ensure!(may_keep(&device.gateway, &device.key), "a hosted device away from its host");
            ensure!(device.registered <= now, "a device since a block to come");
            let listed = DevicesOfGateway::<T>::contains_key(device.gateway, id);
            ensure!(listed, "a device that its gateway does not list");
            let listed = DevicesOfOwner::<T>::contains_key(device.owner, id);
            ensure!(listed, "a device that its owner does not list");
        }
        for (gateway, id, ()) in DevicesOfGateway::<T>::iter() {
            let its = Devices::<T>::get(id).is_some_and(|device| device.gateway == gateway);
            ensure!(its, "a gateway lists a device of another one");
        }
        for (owner, id, ()) in DevicesOfOwner::<T>::iter() {
            let its = Devices::<T>::get(id).is_some_and(|device| device.owner == owner);
            ensure!(its, "an owner lists a device of another one");
        }
        Ok(())
    }
}
