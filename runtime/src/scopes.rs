//! The scope that an account needs for each call, for the transaction pool. The pallets enforce it themselves.

use crate::{AccountId, RuntimeCall};
use pallet_quotas::CallScopes;
use streembit_primitives::Scope;

/// Tells the pool which scope an account needs for a call.
pub struct RuntimeScopes;

impl CallScopes<AccountId, RuntimeCall> for RuntimeScopes {
    fn needed(account: &AccountId, call: &RuntimeCall) -> Option<Scope> {
        let is_itself = |other: &streembit_primitives::AccountId| AsRef::<[u8]>::as_ref(account) == other.0;
        match call {
            RuntimeCall::Parties(pallet_parties::Call::remove_account { account }) if is_itself(account) => {
                None
            }
            RuntimeCall::Parties(
                pallet_parties::Call::add_gateway { .. } | pallet_parties::Call::remove_gateway { .. },
            ) => Some(Scope::Gateway),
            // A gateway takes its own devices into its next log.
            RuntimeCall::Devices(pallet_devices::Call::reassign { gateway, .. }) if is_itself(gateway) => {
                None
            }
            RuntimeCall::Devices(_) => Some(Scope::Devices),
            RuntimeCall::Anchors(
                pallet_anchors::Call::close_epoch { gateway } | pallet_anchors::Call::open_epoch { gateway },
            ) if !is_itself(gateway) => Some(Scope::Gateway),
            // Anybody may prune, and a handover is a sale of a device.
            RuntimeCall::ServiceContracts(pallet_service_contracts::Call::prune { .. }) => None,
            RuntimeCall::ServiceContracts(pallet_service_contracts::Call::hand_over { .. }) => {
                Some(Scope::Devices)
            }
            RuntimeCall::ServiceContracts(_) => Some(Scope::Contracts),
            RuntimeCall::Parties(_)
            | RuntimeCall::Validators(_)
            | RuntimeCall::Council(_)
            | RuntimeCall::Collective(_)
            | RuntimeCall::Session(_) => Some(Scope::All),
            // Anchors are the gateways'. The calls of the SDK's other pallets need root, or do nothing, or bring in an
            // upgrade that the council decided on, which anybody may do.
            RuntimeCall::Anchors(_) | RuntimeCall::System(_) | RuntimeCall::Timestamp(_) => None,
        }
    }
}
