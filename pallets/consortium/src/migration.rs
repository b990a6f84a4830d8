//! How the state that older runtimes left becomes that of this one.

use crate::Pallet;
use frame_support::migrations::VersionedMigration;

/// From version 1 of the storage to version 2: every party has a membership, which says since when it is one, and the validators
/// in force are kept with their keys, so that they can be reported.
///
/// Of the parties of before it was not recorded. One block migrates them all: each was named by the founders or taken in by a vote
/// of the council of its own, so they are tens. As it is weighed, 4,000 of them would take as long as a block may; the
/// migration would run to its end even then, in a block that takes longer.
pub type ToVersion2<T> =
    VersionedMigration<1, 2, unversioned::ToVersion2<T>, Pallet<T>, <T as frame_system::Config>::DbWeight>;

/// The migrations without a look at the version: for the types above alone.
mod unversioned {
    use crate::{Config, HalfTurned, Pallet, Parties};
    use core::marker::PhantomData;
    use frame_support::{
        traits::{Get, UncheckedOnRuntimeUpgrade},
        weights::Weight,
    };
    use streembit_primitives::consortium::Membership;
    #[cfg(feature = "try-runtime")]
    use {
        alloc::vec::Vec,
        codec::{Decode as _, Encode as _},
        frame_support::ensure,
        sp_runtime::TryRuntimeError,
        streembit_primitives::AccountId,
    };

    /// See the versioned one.
    pub struct ToVersion2<T>(PhantomData<T>);

    impl<T: Config> UncheckedOnRuntimeUpgrade for ToVersion2<T> {
        fn on_runtime_upgrade() -> Weight {
            let mut parties = 0u64;
            Parties::<T>::translate_values::<(), _>(|()| {
                parties = parties.saturating_add(1);
                Some(Membership { since: None })
            });
            // Each key and each value is read; the last look finds no further key.
            let reads = parties.saturating_mul(2).saturating_add(1);
            // In the middle of a turn the keys that are queued are those of the next set: this very block puts it into force.
            if !HalfTurned::<T>::get() {
                Pallet::<T>::change_authorities();
            }
            // Whether it is the middle; the keys, the set of before. Written: both sets.
            T::DbWeight::get().reads_writes(reads.saturating_add(3), parties.saturating_add(2))
        }

        #[cfg(feature = "try-runtime")]
        fn pre_upgrade() -> Result<Vec<u8>, TryRuntimeError> {
            Ok(Pallet::<T>::parties().encode())
        }

        #[cfg(feature = "try-runtime")]
        fn post_upgrade(before: Vec<u8>) -> Result<(), TryRuntimeError> {
            let before = Vec::<AccountId>::decode(&mut before.as_slice());
            let before = before.map_err(|_| "the list of the parties of before cannot be read")?;
            ensure!(Pallet::<T>::parties() == before, "the parties are others than before");
            let undated = Parties::<T>::iter_values().filter(|membership| membership.since.is_none());
            ensure!(undated.count() == before.len(), "a party of before has no membership, or a date");
            Ok(())
        }
    }
}
