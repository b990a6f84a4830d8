//! The genesis.

use crate::{mock::*, GenesisHash, IsParty};
use frame_support::{
    assert_ok,
    traits::{Contains, Get},
};
use streembit_primitives::Hash;

#[test]
fn founding_parties_may_submit_and_others_may_not() {
    chain().execute_with(|| {
        for party in [OWNER, WORKSHOP] {
            assert!(Parties::is_party(&party) && IsParty::<Test>::contains(&party));
            assert_eq!(System::providers(&account(party)), 1);
        }
        assert!(!Parties::is_party(&STRANGER) && !IsParty::<Test>::contains(&STRANGER));
        assert_eq!(System::providers(&account(STRANGER)), 0);
    });
}

#[test]
fn the_genesis_hash_outlives_the_hashes_of_other_blocks() {
    chain().execute_with(|| {
        let genesis = Hash([0xab; 32]);
        System::set_block_number(0);
        System::initialize(&1, &genesis.0.into(), &Default::default());
        let mut parent = System::finalize().hash();
        let first = parent;
        let kept: u64 = <Test as frame_system::Config>::BlockHashCount::get();
        for number in 2..kept + 20 {
            System::initialize(&number, &parent, &Default::default());
            parent = System::finalize().hash();
        }
        assert_ne!(System::block_hash(1), first, "block 1 should be forgotten by now");
        assert_eq!(GenesisHash::<Test>::get(), genesis);

        let gateway = Gateway::new(1);
        let consent = gateway.consent(genesis, OWNER);
        assert_ok!(Parties::add_gateway(signed(OWNER), gateway.account(), LOG_KEY, consent));
    });
}

#[test]
#[should_panic = "a party is named twice"]
fn a_genesis_with_a_party_twice_starts_no_chain() {
    founded(&[OWNER, OWNER]);
}
