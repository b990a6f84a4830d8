//! Parties that join and leave.

use crate::{mock::*, AccountOf, Error, Event, Parties as Stored, PartyLookup, PartyRegistry};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    party::{PartyAccount, PartyRecord},
    AccountId, Scope,
};

/// The record of a party with its first account alone.
fn record(first: AccountId, since: u32) -> PartyRecord {
    let entry = PartyAccount { account: first, scope: Scope::All, since, until: None };
    PartyRecord { since: Some(since), encryption_key: None, accounts: vec![entry].try_into().unwrap() }
}

#[test]
fn a_party_is_one_since_the_genesis_or_since_it_was_added() {
    chain().execute_with(|| {
        let mut founders = [OWNER, WORKSHOP].map(|first| (party(first), record(first, 0)));
        founders.sort_by_key(|(id, _)| *id);
        assert_eq!(Parties::parties(), founders);
        System::set_block_number(7);
        assert_ok!(<Parties as PartyRegistry>::add(party(STRANGER), STRANGER));
        System::assert_last_event(Event::PartyAdded { party: party(STRANGER), account: STRANGER }.into());
        assert_eq!(Parties::party(&party(STRANGER)), Some(record(STRANGER, 7)));
        assert_eq!(System::providers(&account(STRANGER)), 1);
        // A party that leaves and comes back begins anew, with the same id.
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        System::set_block_number(9);
        assert_ok!(<Parties as PartyRegistry>::add(party(WORKSHOP), WORKSHOP));
        assert_eq!(Stored::<Test>::get(party(WORKSHOP)), Some(record(WORKSHOP, 9)));
        assert_eq!(System::providers(&account(WORKSHOP)), 1);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn nobody_is_added_or_removed_twice() {
    chain().execute_with(|| {
        assert_noop!(<Parties as PartyRegistry>::add(party(OWNER), OWNER), Error::<Test>::IsAnAccount);
        assert_noop!(<Parties as PartyRegistry>::remove(party(STRANGER)), Error::<Test>::NotAParty);
        assert_noop!(Parties::leave(signed(STRANGER)), Error::<Test>::NotAParty);
        assert_ok!(<Parties as PartyRegistry>::ensure_can_remove(&party(OWNER)));
        assert_ok!(<Parties as PartyRegistry>::remove(party(OWNER)));
        System::assert_last_event(Event::PartyRemoved { party: party(OWNER) }.into());
        assert_noop!(<Parties as PartyRegistry>::remove(party(OWNER)), Error::<Test>::NotAParty);
        assert_eq!(Parties::role_of(&OWNER), None);
    });
}

#[test]
fn the_account_that_founded_a_party_does_not_found_it_twice() {
    chain().execute_with(|| {
        let heir = Key::new(1);
        assert_ok!(add_account(OWNER, &heir, OWNER, Scope::All, None));
        assert_ok!(Parties::remove_account(signed(heir.account()), OWNER));
        assert_noop!(<Parties as PartyRegistry>::add(party(OWNER), OWNER), Error::<Test>::IsAParty);
        assert!(Parties::belongs_to(&heir.account(), &party(OWNER)));
    });
}

#[test]
fn a_party_returns_only_with_an_account_that_was_permanent() {
    chain().execute_with(|| {
        let (heir, clerk) = (Key::new(1), Key::new(2));
        let add = |account| <Parties as PartyRegistry>::add(party(OWNER), account);
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, None));
        // The key of the first account is stolen, and the council replaces it. Then the party leaves.
        assert_ok!(<Parties as PartyRegistry>::recover(party(OWNER), heir.account()));
        assert_eq!(Parties::last_departure(&party(OWNER)), None);
        assert_ok!(Parties::leave(signed(heir.account())));
        assert_eq!(Parties::last_departure(&party(OWNER)), Some(<Parties as PartyLookup>::now()));
        for account in [OWNER, clerk.account(), STRANGER] {
            assert_noop!(add(account), Error::<Test>::NotAFormerAccount);
        }
        assert_ok!(add(heir.account()));
        assert!(Parties::belongs_to(&heir.account(), &party(OWNER)));
        // A new party has the id of its first account.
        let other = <Parties as PartyRegistry>::add(party(STRANGER), clerk.account());
        assert_eq!(other, Err(Error::<Test>::WrongPartyId.into()));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn with_their_party_all_accounts_lose_every_right() {
    chain().execute_with(|| {
        let (partner, clerk) = (Key::new(1), Key::new(2));
        assert_ok!(add_account(OWNER, &partner, OWNER, Scope::All, None));
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, None));
        assert_noop!(Parties::leave(signed(clerk.account())), Error::<Test>::OutOfScope);
        assert_ok!(Parties::leave(signed(partner.account())));
        for former in [OWNER, partner.account(), clerk.account()] {
            assert_eq!(Parties::role_of(&former), None);
            assert_noop!(Parties::leave(signed(former)), Error::<Test>::NotAParty);
        }
        assert_eq!(AccountOf::<Test>::iter_keys().count(), 1);
        // When the party comes back, its other accounts do not.
        assert_ok!(<Parties as PartyRegistry>::add(party(OWNER), OWNER));
        assert_eq!(Parties::role_of(&partner.account()), None);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_party_that_another_pallet_needs_stays() {
    chain().execute_with(|| {
        Needed::set(&vec![party(OWNER).0]);
        assert_noop!(<Parties as PartyRegistry>::ensure_can_remove(&party(OWNER)), NEEDED);
        assert_noop!(<Parties as PartyRegistry>::remove(party(OWNER)), NEEDED);
        assert_noop!(Parties::leave(signed(OWNER)), NEEDED);
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_eq!(Departed::get(), [party(WORKSHOP).0]);
    });
}
