//! The weights of calls of the SDK's pallets. Their own weights are what the SDK measured on its reference machine.
//!
//! These are bounds, not measurements: the whole weight is multiplied, with the price of storage. Such calls are rare.

use super::PI_FACTOR;
use core::marker::PhantomData;
use frame_support::weights::{constants::ExtrinsicBaseWeight, Weight};

/// The weights of the session pallet.
pub struct SessionWeight<T>(PhantomData<T>);

/// The number of session keys of a validator, each of which proves its possession with a signature.
const SESSION_KEYS: u64 = 2;

impl<T: frame_system::Config> pallet_session::weights::WeightInfo for SessionWeight<T> {
    /// The SDK measures the call without the proofs of possession. Each is a signature over an account id, and the base
    /// weight of an extrinsic contains the check of a signature over more bytes.
    fn set_keys() -> Weight {
        pallet_session::weights::SubstrateWeight::<T>::set_keys()
            .saturating_add(ExtrinsicBaseWeight::get().saturating_mul(SESSION_KEYS))
            .saturating_mul(PI_FACTOR)
    }

    fn purge_keys() -> Weight {
        pallet_session::weights::SubstrateWeight::<T>::purge_keys().saturating_mul(PI_FACTOR)
    }
}

/// The weights of `pallet-collective`, of whose calls only `close` is open to anybody.
pub struct CollectiveWeight<T>(PhantomData<T>);

/// Writes functions that multiply the weight that the SDK measured.
macro_rules! scaled {
    ($($name:ident($($component:ident),*);)*) => {$(
        fn $name($($component: u32),*) -> Weight {
            pallet_collective::weights::SubstrateWeight::<T>::$name($($component),*).saturating_mul(PI_FACTOR)
        }
    )*};
}

impl<T: frame_system::Config> pallet_collective::weights::WeightInfo for CollectiveWeight<T> {
    scaled! {
        set_members(m, n, p);
        execute(b, m);
        propose_execute(b, m);
        propose_proposed(b, m, p);
        vote(m);
        close_early_disapproved(m, p);
        close_early_approved(b, m, p);
        close_disapproved(m, p);
        close_approved(b, m, p);
        disapprove_proposal(p);
        kill(d, p);
        release_proposal_cost();
    }
}
