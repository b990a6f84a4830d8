//! Since when a party is one, also where that was not recorded.

use crate::{migration::ToVersion2, mock::*, Authorities, Parties};
use frame_support::{
    assert_ok,
    storage::unhashed,
    traits::{GetStorageVersion as _, OnRuntimeUpgrade as _, StorageVersion},
};
use streembit_primitives::{
    consortium::{Change, Membership},
    AccountId,
};

fn since(block: Option<u32>) -> Membership {
    Membership { since: block }
}

/// A chain of two parties whose storage is as version 1 left it: a party had a key and nothing under it, and nobody kept the
/// validators in force.
fn of_version_1() -> sp_io::TestExternalities {
    let mut chain = chain();
    chain.execute_with(|| {
        for party in [OWNER, WORKSHOP] {
            unhashed::put_raw(&Parties::<Test>::hashed_key_for(party), &[]);
        }
        Authorities::<Test>::kill();
        StorageVersion::new(1).put::<Consortium>();
    });
    chain
}

#[test]
fn a_party_is_one_since_the_genesis_or_the_councils_decision() {
    founded(&[OWNER, WORKSHOP], &[OWNER], &[OWNER]).execute_with(|| {
        assert_eq!(Consortium::memberships(), [(OWNER, since(Some(0))), (WORKSHOP, since(Some(0)))]);
        System::set_block_number(7);
        assert_ok!(Consortium::propose(signed(OWNER), Change::AddParty(STRANGER)));
        assert_eq!(Parties::<Test>::get(STRANGER), Some(since(Some(7))));
        // Who leaves and comes back begins anew.
        assert_ok!(Consortium::leave(signed(WORKSHOP)));
        System::set_block_number(9);
        assert_ok!(Consortium::propose(signed(OWNER), Change::AddParty(WORKSHOP)));
        assert_eq!(Parties::<Test>::get(WORKSHOP), Some(since(Some(9))));
        assert_ok!(Consortium::check_state());
    });
}

#[test]
fn parties_of_version_1_stay_parties_and_have_no_date() {
    of_version_1().execute_with(|| {
        assert!(Consortium::check_state().is_err());
        let undated = [(OWNER, since(None)), (WORKSHOP, since(None))];
        assert_eq!(Consortium::memberships(), undated, "what is asked before the migration is answered too");

        ToVersion2::<Test>::on_runtime_upgrade();
        assert_eq!(Consortium::on_chain_storage_version(), 2);
        assert_eq!(Consortium::memberships(), undated);
        assert!(Consortium::is_party(&OWNER) && Consortium::is_party(&WORKSHOP));
        assert_eq!(Parties::<Test>::iter_values().count(), 2);
        assert_ok!(Consortium::check_state());
    });
}

#[test]
fn what_is_of_version_2_is_not_migrated_again() {
    of_version_1().execute_with(|| {
        ToVersion2::<Test>::on_runtime_upgrade();
        let late = AccountId([5; 32]);
        Parties::<Test>::insert(late, since(Some(3)));
        ToVersion2::<Test>::on_runtime_upgrade();
        assert_eq!(Parties::<Test>::get(late), Some(since(Some(3))));
    });
    // Nor is what was founded with it.
    chain().execute_with(|| {
        ToVersion2::<Test>::on_runtime_upgrade();
        assert_eq!(Parties::<Test>::get(OWNER), Some(since(Some(0))));
    });
}

#[cfg(feature = "try-runtime")]
#[test]
fn a_dry_run_checks_what_the_migration_did() {
    for mut chain in [of_version_1(), chain()] {
        chain.execute_with(|| {
            assert_ok!(ToVersion2::<Test>::try_on_runtime_upgrade(true));
        });
    }
}
