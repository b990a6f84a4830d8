//! Accounts that a party adds and removes, that end, and that the council replaces.

use crate::{mock::*, AccountRefusal, Error, Event, PartyLookup, PartyRegistry};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    party::{AccountConsent, PartyAccount, MAX_ACCOUNTS},
    AccountId, EncryptionKey, GatewayRecord, Hash, Scope,
};

fn accounts(first: AccountId) -> Vec<AccountId> {
    let record = Parties::party(&party(first)).unwrap();
    record.accounts.iter().map(|entry| entry.account).collect()
}

#[test]
fn a_consenting_account_acts_for_the_party_within_its_scope() {
    chain().execute_with(|| {
        System::set_block_number(5);
        let clerk = Key::new(1);
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, Some(9_000)));
        let (party, account) = (party(OWNER), clerk.account());
        let (scope, until) = (Scope::Contracts, Some(9_000));
        System::assert_last_event(Event::AccountAdded { party, account, scope, until }.into());
        let record = Parties::party(&party).unwrap();
        assert_eq!(record.accounts[1], PartyAccount { account, scope, since: 5, until });
        assert_eq!(System::providers(&self::account(account)), 1);
        assert_eq!(Parties::acting_with(&account, Scope::Contracts), Ok(party));
        for other in [Scope::All, Scope::Devices, Scope::Commands, Scope::Gateway] {
            assert_eq!(Parties::acting_with(&account, other), Err(AccountRefusal::OutOfScope));
            assert_eq!(Parties::acting_with(&OWNER, other), Ok(party));
        }
        assert!(!Parties::may_validate(&account) && Parties::may_validate(&OWNER));
    });
}

#[test]
fn an_account_ends_by_the_chains_clock() {
    chain().execute_with(|| {
        let partner = Key::new(1);
        let id = partner.account();
        assert_ok!(add_account(OWNER, &partner, OWNER, Scope::All, Some(5_000)));
        Now::set(&4_999);
        assert_ok!(Parties::set_encryption_key(signed(id), EncryptionKey::new([5; 32]).unwrap()));
        Now::set(&5_000);
        let key = EncryptionKey::new([6; 32]).unwrap();
        assert_noop!(Parties::set_encryption_key(signed(id), key), Error::<Test>::AccountEnded);
        assert_noop!(add_gateway(id, &Key::new(2), OWNER), Error::<Test>::AccountEnded);
        assert_noop!(Parties::leave(signed(id)), Error::<Test>::AccountEnded);
        assert_noop!(Parties::remove_account(signed(id), id), Error::<Test>::AccountEnded);
        assert_noop!(Parties::remove_account(signed(id), OWNER), Error::<Test>::AccountEnded);
        // It keeps its place until the party removes it.
        assert_noop!(add_account(OWNER, &partner, OWNER, Scope::All, None), Error::<Test>::IsAnAccount);
        assert_ok!(Parties::remove_account(signed(OWNER), id));
        assert_ok!(add_account(OWNER, &partner, OWNER, Scope::All, None));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_consent_is_good_for_one_chain_party_account_scope_end_and_nonce() {
    chain().execute_with(|| {
        let (key, other) = (Key::new(1), Key::new(2));
        let agreed = key.account_agreement(party(OWNER), Scope::Devices, Some(9_000));
        let add = |consent| {
            Parties::add_account(signed(OWNER), key.account(), Scope::Devices, Some(9_000), consent)
        };
        for consent in [
            key.sign_account(&AccountConsent { genesis: Hash([7; 32]), ..agreed.clone() }),
            key.sign_account(&AccountConsent { party: party(WORKSHOP), ..agreed.clone() }),
            key.sign_account(&AccountConsent { account: other.account(), ..agreed.clone() }),
            key.sign_account(&AccountConsent { scope: Scope::All, ..agreed.clone() }),
            key.sign_account(&AccountConsent { until: None, ..agreed.clone() }),
            key.sign_account(&AccountConsent { nonce: 1, ..agreed.clone() }),
            other.sign_account(&agreed),
        ] {
            assert_noop!(add(consent), Error::<Test>::BadConsent);
        }
        let consent = key.sign_account(&agreed);
        assert_ok!(add(consent));
        // The very bytes are not valid again, neither now nor after the account left.
        assert_noop!(add(consent), Error::<Test>::IsAnAccount);
        assert_ok!(Parties::remove_account(signed(key.account()), key.account()));
        assert_noop!(add(consent), Error::<Test>::BadConsent);
        assert_eq!(Parties::consent_nonce(&key.account()), 1);
    });
}

#[test]
fn an_account_acts_for_one_party_in_one_role() {
    chain().execute_with(|| {
        let (key, gateway) = (Key::new(1), Key::new(2));
        assert_ok!(add_account(OWNER, &key, OWNER, Scope::Devices, None));
        for (by, scope) in [(OWNER, Scope::Contracts), (WORKSHOP, Scope::Contracts)] {
            assert_noop!(add_account(by, &key, by, scope, None), Error::<Test>::IsAnAccount);
        }
        assert_noop!(
            <Parties as PartyRegistry>::add(party(key.account()), key.account()),
            Error::<Test>::IsAnAccount
        );
        assert_ok!(add_gateway(OWNER, &gateway, OWNER));
        assert_noop!(add_account(WORKSHOP, &gateway, WORKSHOP, Scope::All, None), Error::<Test>::IsAGateway);
    });
}

#[test]
fn only_accounts_with_every_right_manage_accounts() {
    chain().execute_with(|| {
        let new = Key::new(9);
        for (seed, scope) in (1..).zip([Scope::Contracts, Scope::Devices, Scope::Commands, Scope::Gateway]) {
            let clerk = Key::new(seed);
            assert_ok!(add_account(OWNER, &clerk, OWNER, scope, None));
            let id = clerk.account();
            assert_noop!(add_account(id, &new, OWNER, Scope::Contracts, None), Error::<Test>::OutOfScope);
            assert_noop!(Parties::remove_account(signed(id), OWNER), Error::<Test>::OutOfScope);
            let key = EncryptionKey::new([5; 32]).unwrap();
            assert_noop!(Parties::set_encryption_key(signed(id), key), Error::<Test>::OutOfScope);
            // Each may go by itself.
            assert_ok!(Parties::remove_account(signed(id), id));
            System::assert_last_event(Event::AccountRemoved { party: party(OWNER), account: id }.into());
            assert_eq!(Parties::role_of(&id), None);
        }
        let gateway = Key::new(8);
        assert_ok!(add_gateway(OWNER, &gateway, OWNER));
        let id = gateway.account();
        assert_noop!(add_account(id, &new, OWNER, Scope::Contracts, None), Error::<Test>::OutOfScope);
        assert_noop!(Parties::remove_account(signed(id), id), Error::<Test>::NotYourAccount);
        assert_noop!(Parties::remove_account(signed(OWNER), WORKSHOP), Error::<Test>::NotYourAccount);
        assert_noop!(Parties::remove_account(signed(STRANGER), OWNER), Error::<Test>::NotAParty);
    });
}

#[test]
fn a_party_keeps_an_account_that_may_do_everything_and_does_not_end() {
    chain().execute_with(|| {
        let last = || Error::<Test>::LastAccount;
        assert_noop!(Parties::remove_account(signed(OWNER), OWNER), last());
        let (ending, clerk, partner) = (Key::new(1), Key::new(2), Key::new(3));
        assert_ok!(add_account(OWNER, &ending, OWNER, Scope::All, Some(9_000)));
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, None));
        for by in [OWNER, ending.account()] {
            assert_noop!(Parties::remove_account(signed(by), OWNER), last());
        }
        assert_ok!(add_account(OWNER, &partner, OWNER, Scope::All, None));
        assert_ok!(Parties::remove_account(signed(partner.account()), OWNER));
        assert_eq!(accounts(OWNER), [ending.account(), clerk.account(), partner.account()]);
        assert!(Parties::is_party(&party(OWNER)), "the id stays when the first account goes");
        assert_eq!(Departed::get(), [OWNER.0]);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn an_account_does_not_outlive_the_one_that_adds_it() {
    chain().execute_with(|| {
        let (ending, new) = (Key::new(1), Key::new(2));
        for until in [Some(0), Some(1_000)] {
            assert_noop!(add_account(OWNER, &ending, OWNER, Scope::All, until), Error::<Test>::EndInPast);
        }
        assert_ok!(add_account(OWNER, &ending, OWNER, Scope::All, Some(5_000)));
        for until in [None, Some(5_001)] {
            assert_noop!(
                add_account(ending.account(), &new, OWNER, Scope::Contracts, until),
                Error::<Test>::OutlivesSender
            );
        }
        assert_ok!(add_account(ending.account(), &new, OWNER, Scope::Contracts, Some(5_000)));
    });
}

#[test]
fn the_number_of_accounts_is_limited() {
    chain().execute_with(|| {
        for seed in 1..MAX_ACCOUNTS as u8 {
            assert_ok!(add_account(OWNER, &Key::new(seed), OWNER, Scope::Contracts, Some(2_000)));
        }
        let full = || Error::<Test>::TooManyAccounts;
        assert_noop!(add_account(OWNER, &Key::new(99), OWNER, Scope::Contracts, None), full());
        // Accounts that have ended keep their place.
        Now::set(&3_000);
        assert_noop!(add_account(OWNER, &Key::new(99), OWNER, Scope::Contracts, None), full());
        assert_ok!(Parties::remove_account(signed(OWNER), Key::new(1).account()));
        assert_ok!(add_account(OWNER, &Key::new(99), OWNER, Scope::Contracts, None));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn an_account_that_another_pallet_needs_stays() {
    chain().execute_with(|| {
        let partner = Key::new(1);
        assert_ok!(add_account(OWNER, &partner, OWNER, Scope::All, None));
        Needed::set(&vec![OWNER.0]);
        for by in [OWNER, partner.account()] {
            assert_noop!(Parties::remove_account(signed(by), OWNER), NEEDED);
        }
        assert_noop!(<Parties as PartyRegistry>::recover(party(OWNER), STRANGER), NEEDED);
        Needed::set(&vec![]);
        assert_ok!(Parties::remove_account(signed(OWNER), OWNER));
    });
}

#[test]
fn a_party_sets_its_encryption_key() {
    chain().execute_with(|| {
        for bytes in [[5; 32], [6; 32]] {
            let key = EncryptionKey::new(bytes).unwrap();
            assert_ok!(Parties::set_encryption_key(signed(OWNER), key));
            System::assert_last_event(Event::EncryptionKeySet { party: party(OWNER), key }.into());
            assert_eq!(Parties::party(&party(OWNER)).unwrap().encryption_key, Some(key));
        }
        let key = EncryptionKey::new([5; 32]).unwrap();
        assert_noop!(Parties::set_encryption_key(signed(STRANGER), key), Error::<Test>::NotAParty);
    });
}

#[test]
fn the_council_replaces_lost_accounts_and_the_rest_stays() {
    chain().execute_with(|| {
        let (clerk, gateway, thief) = (Key::new(1), Key::new(2), Key::new(3));
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, None));
        assert_ok!(add_account(OWNER, &thief, OWNER, Scope::All, None));
        assert_ok!(add_gateway(OWNER, &gateway, OWNER));
        let key = EncryptionKey::new([5; 32]).unwrap();
        assert_ok!(Parties::set_encryption_key(signed(OWNER), key));
        System::set_block_number(8);
        let id = party(OWNER);
        assert_ok!(<Parties as PartyRegistry>::recover(id, STRANGER));
        System::assert_last_event(Event::PartyRecovered { party: id, account: STRANGER }.into());

        assert_eq!(accounts(OWNER), [STRANGER]);
        let record = Parties::party(&id).unwrap();
        assert_eq!((record.since, record.encryption_key), (Some(0), Some(key)));
        assert!(record.accounts[0].is_permanent() && record.accounts[0].since == 8);
        let stays = GatewayRecord { party: id, log_key: LOG_KEY };
        assert_eq!(Parties::gateway(&gateway.account()), Some(stays));
        for lost in [OWNER, clerk.account(), thief.account()] {
            assert_noop!(Parties::leave(signed(lost)), Error::<Test>::NotAParty);
        }
        assert_eq!(Departed::get(), [OWNER.0, clerk.account().0, thief.account().0]);
        assert_ok!(add_gateway(STRANGER, &Key::new(4), OWNER));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_party_is_recovered_with_an_account_of_its_own_or_of_nobody() {
    chain().execute_with(|| {
        let (clerk, gateway, former) = (Key::new(1), Key::new(2), Key::new(3));
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, Some(2_000)));
        assert_ok!(add_gateway(OWNER, &gateway, OWNER));
        let recover = |account| <Parties as PartyRegistry>::recover(party(OWNER), account);
        assert_noop!(recover(WORKSHOP), Error::<Test>::IsAnAccount);
        assert_noop!(recover(gateway.account()), Error::<Test>::IsAGateway);
        assert_noop!(
            <Parties as PartyRegistry>::recover(party(STRANGER), former.account()),
            Error::<Test>::NotAParty
        );
        // An employee's account takes over, even if it has ended.
        Now::set(&3_000);
        assert_ok!(recover(clerk.account()));
        assert_eq!(accounts(OWNER), [clerk.account()]);
        assert_ok!(Parties::set_encryption_key(
            signed(clerk.account()),
            EncryptionKey::new([5; 32]).unwrap()
        ));
        // So does the gateway of a party that left.
        assert_ok!(add_gateway(WORKSHOP, &former, WORKSHOP));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_ok!(recover(former.account()));
        assert_eq!(accounts(OWNER), [former.account()]);
        assert_ok!(Parties::check_state());
    });
}
