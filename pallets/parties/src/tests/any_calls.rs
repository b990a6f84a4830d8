//! Any sequence of calls by anybody keeps the invariants.

use crate::{
    mock::*, AccountOf, Departures, Gateways, GatewaysOf, Parties as Stored, PartyLookup, PartyRegistry,
};
use proptest::prelude::*;
use streembit_primitives::{party::MAX_ACCOUNTS, AccountId, EncryptionKey, PartyId, Scope};

#[derive(Clone, Debug)]
enum Step {
    AddParty(u8),
    RemoveParty(u8),
    Recover(u8, u8),
    Leave(u8),
    AddGateway(u8, u8),
    RemoveGateway(u8, u8),
    /// The sender, the account, its scope, and after how many milliseconds it ends.
    AddAccount(u8, u8, Scope, Option<u64>),
    RemoveAccount(u8, u8),
    SetEncryptionKey(u8),
    /// Another pallet needs these accounts, and the parties that they founded, from now on.
    Need(Vec<u8>),
    /// A block after so many milliseconds.
    Block(u64),
}

/// Returns one of eight accounts. 0 to 3 have no key, 4 to 7 are keys that can consent.
fn who(number: u8) -> AccountId {
    match number {
        0..4 => AccountId([number + 1; 32]),
        _ => Key::new(number).account(),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (anybody, key) = (0u8..8, 4u8..8);
    let scope = prop::sample::select(Scope::LIST.to_vec());
    let end = prop_oneof![2 => Just(None), 1 => (0u64..50).prop_map(Some)];
    prop_oneof![
        3 => anybody.clone().prop_map(Step::AddParty),
        2 => anybody.clone().prop_map(Step::RemoveParty),
        2 => (anybody.clone(), anybody.clone()).prop_map(|(first, account)| Step::Recover(first, account)),
        1 => anybody.clone().prop_map(Step::Leave),
        4 => (anybody.clone(), key.clone()).prop_map(|(by, gateway)| Step::AddGateway(by, gateway)),
        2 => (anybody.clone(), key.clone()).prop_map(|(by, gateway)| Step::RemoveGateway(by, gateway)),
        6 => (anybody.clone(), key, scope, end)
            .prop_map(|(by, account, scope, end)| Step::AddAccount(by, account, scope, end)),
        3 => (anybody.clone(), anybody.clone()).prop_map(|(by, account)| Step::RemoveAccount(by, account)),
        1 => anybody.clone().prop_map(Step::SetEncryptionKey),
        1 => prop::collection::vec(anybody, 0..3).prop_map(Step::Need),
        2 => (0u64..30).prop_map(Step::Block),
    ]
}

/// Returns the party for which an account would act, as its consent names it.
fn party_of(account: AccountId) -> PartyId {
    Parties::role_of(&account).map_or(party(account), |found| found.party)
}

/// Takes a step. Returns true if it was accepted.
fn take(step: Step) -> bool {
    let accepted = match step {
        Step::AddParty(number) => <Parties as PartyRegistry>::add(party(who(number)), who(number)),
        Step::RemoveParty(number) => <Parties as PartyRegistry>::remove(party(who(number))),
        Step::Recover(first, account) => <Parties as PartyRegistry>::recover(party(who(first)), who(account)),
        Step::Leave(by) => Parties::leave(signed(who(by))),
        Step::AddGateway(by, gateway) => {
            let consent = Key::new(gateway).consent(party_of(who(by)));
            Parties::add_gateway(signed(who(by)), who(gateway), LOG_KEY, consent)
        }
        Step::RemoveGateway(by, gateway) => Parties::remove_gateway(signed(who(by)), who(gateway)),
        Step::AddAccount(by, account, scope, end) => {
            let until = end.map(|after| Now::get() + after);
            let key = Key::new(account);
            let consent = key.sign_account(&key.account_agreement(party_of(who(by)), scope, until));
            Parties::add_account(signed(who(by)), who(account), scope, until, consent)
        }
        Step::RemoveAccount(by, account) => Parties::remove_account(signed(who(by)), who(account)),
        Step::SetEncryptionKey(by) => {
            let key = EncryptionKey::new([5; 32]).unwrap();
            Parties::set_encryption_key(signed(who(by)), key)
        }
        Step::Need(accounts) => {
            let ids = accounts.into_iter().map(who).flat_map(|account| [account.0, party(account).0]);
            Needed::set(&ids.collect::<Vec<_>>());
            Ok(())
        }
        Step::Block(after) => {
            System::set_block_number(System::block_number() + 1);
            Now::set(&(Now::get() + after));
            Ok(())
        }
    };
    accepted.is_ok()
}

/// Nobody acts for a party who has not a role in it now, and an accepted call had a sender who may make it.
fn may(step: &Step) -> bool {
    let with = |by: u8, scope| Parties::acting_with(&who(by), scope).is_ok();
    match step {
        Step::Leave(by) | Step::AddAccount(by, ..) | Step::SetEncryptionKey(by) => with(*by, Scope::All),
        Step::AddGateway(by, _) => with(*by, Scope::Gateway),
        Step::RemoveGateway(by, gateway) => by == gateway || with(*by, Scope::Gateway),
        Step::RemoveAccount(by, account) => {
            with(*by, Scope::All) || (by == account && Parties::acting(&who(*by)).is_ok())
        }
        Step::AddParty(_) | Step::RemoveParty(_) | Step::Recover(..) | Step::Need(_) | Step::Block(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..80)) {
        founded(&[who(0), who(1)]).execute_with(|| {
            for step in steps {
                let is_needed = |party: &PartyId| Needed::get().contains(&party.0);
                let needed: Vec<_> = Parties::party_ids().into_iter().filter(is_needed).collect();
                let may = may(&step);
                let accepted = take(step.clone());
                prop_assert!(may || !accepted, "{:?} was accepted", step);
                prop_assert_eq!(Parties::check_state(), Ok(()), "after {:?}", step);
                prop_assert!(needed.iter().all(Parties::is_party), "a needed party left with {:?}", step);
                // The state is bounded by the number of accounts.
                let accounts = AccountOf::<Test>::iter_keys().count();
                let gateways = Gateways::<Test>::iter_keys().count();
                prop_assert!(accounts + gateways <= 8, "{} accounts, {} gateways", accounts, gateways);
                prop_assert_eq!(GatewaysOf::<Test>::iter_keys().count(), gateways);
                prop_assert!(Stored::<Test>::iter_keys().count() <= accounts);
                prop_assert!(Departures::<Test>::iter_keys().count() <= 8);
                prop_assert!(Stored::<Test>::iter_values().all(|p| p.accounts.len() <= MAX_ACCOUNTS as usize));
            }
            Ok(())
        })?;
    }
}

/// For each invariant, breaks only this one.
#[test]
fn each_broken_invariant_is_detected() {
    let changes: [(&str, fn()); 7] = [
        ("a party belongs since a future block", || {
            Stored::<Test>::mutate_extant(party(OWNER), |record| record.since = Some(9));
        }),
        ("a party has an account twice", || {
            Stored::<Test>::mutate_extant(party(OWNER), |record| {
                record.accounts.try_push(record.accounts[0]).unwrap();
            });
        }),
        ("a party has no account that may do everything and does not end", || {
            Stored::<Test>::mutate_extant(party(OWNER), |record| record.accounts[0].until = Some(1));
        }),
        ("an account of a party is missing in `AccountOf`", || AccountOf::<Test>::remove(OWNER)),
        ("`AccountOf` has an account that its party does not list", || {
            AccountOf::<Test>::insert(STRANGER, party(OWNER));
        }),
        ("a gateway is missing in `GatewaysOf`", || {
            GatewaysOf::<Test>::remove(party(OWNER), Key::new(1).account());
        }),
        ("a gateway was added in a future membership of its party", || {
            Gateways::<Test>::mutate_extant(Key::new(1).account(), |stored| stored.departures = 1);
        }),
    ];
    for (fault, change) in changes {
        chain().execute_with(|| {
            add_gateway(OWNER, &Key::new(1), OWNER).unwrap();
            assert_eq!(Parties::check_state(), Ok(()));
            change();
            assert_eq!(Parties::check_state(), Err(fault));
        });
    }
}
