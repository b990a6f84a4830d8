//! Parties that join and leave.

use crate::{mock::*, Error, Event, Parties as Stored, PartyLookup, Registry};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::consortium::Membership;

fn since(block: u32) -> Membership {
    Membership { since: Some(block) }
}

#[test]
fn a_party_is_one_since_the_genesis_or_since_it_was_added() {
    chain().execute_with(|| {
        assert_eq!(Parties::memberships(), [(OWNER, since(0)), (WORKSHOP, since(0))]);
        System::set_block_number(7);
        assert_ok!(<Parties as Registry>::add(STRANGER));
        System::assert_last_event(Event::PartyAdded { party: STRANGER }.into());
        assert_eq!(Stored::<Test>::get(STRANGER), Some(since(7)));
        assert_eq!(System::providers(&account(STRANGER)), 1);
        // A party that leaves and comes back begins anew.
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        System::set_block_number(9);
        assert_ok!(<Parties as Registry>::add(WORKSHOP));
        assert_eq!(Stored::<Test>::get(WORKSHOP), Some(since(9)));
        assert_eq!(System::providers(&account(WORKSHOP)), 1);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn nobody_is_added_or_removed_twice() {
    chain().execute_with(|| {
        assert_noop!(<Parties as Registry>::add(OWNER), Error::<Test>::IsAParty);
        assert_noop!(<Parties as Registry>::remove(STRANGER), Error::<Test>::NotAParty);
        assert_noop!(Parties::leave(signed(STRANGER)), Error::<Test>::NotAParty);
        assert_ok!(<Parties as Registry>::ensure_can_remove(&OWNER));
        assert_ok!(<Parties as Registry>::remove(OWNER));
        System::assert_last_event(Event::PartyRemoved { party: OWNER }.into());
        assert_noop!(<Parties as Registry>::remove(OWNER), Error::<Test>::NotAParty);
        assert_eq!(Parties::acts_for(&OWNER), None);
    });
}

#[test]
fn a_party_that_another_pallet_needs_stays() {
    chain().execute_with(|| {
        Needed::set(&vec![OWNER]);
        assert_noop!(<Parties as Registry>::ensure_can_remove(&OWNER), NEEDED);
        assert_noop!(<Parties as Registry>::remove(OWNER), NEEDED);
        assert_noop!(Parties::leave(signed(OWNER)), NEEDED);
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_eq!(Departed::get(), [WORKSHOP]);
    });
}
