//! The genesis.

use crate::{mock::*, GenesisConfig, PartyLookup};
use frame_support::{assert_ok, traits::Get};
use streembit_primitives::{
    party::{PartyAccount, Role},
    AccountId, EncryptionKey, Hash, Scope,
};

#[test]
fn founding_parties_may_submit_and_others_may_not() {
    chain().execute_with(|| {
        for first in [OWNER, WORKSHOP] {
            assert!(Parties::is_party(&party(first)));
            assert_eq!(Parties::acting_with(&first, Scope::All), Ok(party(first)));
            assert_eq!(System::providers(&account(first)), 1);
        }
        assert!(!Parties::is_party(&party(STRANGER)) && Parties::role_of(&STRANGER).is_none());
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
        let kept = <<Test as frame_system::Config>::BlockHashCount as Get<u64>>::get();
        for number in 2..kept + 20 {
            System::initialize(&number, &parent, &Default::default());
            parent = System::finalize().hash();
        }
        assert_ne!(System::block_hash(1), first, "block 1 should be forgotten by now");
        assert_eq!(genesis_hash(), genesis);

        assert_ok!(add_gateway(OWNER, &Key::new(1), OWNER));
    });
}

#[test]
#[should_panic = "a party is named twice"]
fn a_genesis_with_a_party_twice_starts_no_chain() {
    founded(&[OWNER, OWNER]);
}

const CLERK: AccountId = AccountId([7; 32]);

/// A genesis of two parties, with further accounts.
fn with_accounts(accounts: Vec<(AccountId, AccountId, &str, Option<u64>)>) -> sp_io::TestExternalities {
    let accounts = accounts
        .into_iter()
        .map(|(first, id, scope, until)| (account(first), account(id), scope.to_owned(), until));
    build(RuntimeGenesisConfig {
        parties: GenesisConfig {
            parties: vec![account(OWNER), account(WORKSHOP)],
            accounts: accounts.collect(),
            encryption_keys: vec![(account(OWNER), [5; 32])],
        },
        ..Default::default()
    })
}

#[test]
fn a_founding_party_may_have_further_accounts_and_an_encryption_key() {
    with_accounts(vec![(OWNER, CLERK, "contracts", Some(9_000))]).execute_with(|| {
        let record = Parties::party(&party(OWNER)).unwrap();
        assert_eq!(record.encryption_key, EncryptionKey::new([5; 32]).ok());
        let entry = PartyAccount { account: CLERK, scope: Scope::Contracts, since: 0, until: Some(9_000) };
        assert_eq!(record.accounts[1], entry);
        let role = Role::Account { scope: Scope::Contracts, until: Some(9_000) };
        assert_eq!(Parties::acting(&CLERK).map(|found| found.role), Ok(role));
        assert_eq!(System::providers(&account(CLERK)), 1);
        assert_eq!(Parties::party(&party(WORKSHOP)).unwrap().encryption_key, None);
        assert_ok!(Parties::check_state());
    });
}

#[test]
#[should_panic = "an account acts for two parties"]
fn a_genesis_with_an_account_of_two_parties_starts_no_chain() {
    with_accounts(vec![(OWNER, CLERK, "contracts", None), (WORKSHOP, CLERK, "all", None)]);
}

#[test]
#[should_panic = "unknown scope"]
fn a_genesis_with_an_unknown_scope_starts_no_chain() {
    with_accounts(vec![(OWNER, CLERK, "everything", None)]);
}

#[test]
#[should_panic = "no founding party"]
fn a_genesis_with_an_account_of_nobody_starts_no_chain() {
    with_accounts(vec![(STRANGER, CLERK, "all", None)]);
}

#[test]
#[should_panic = "too many accounts"]
fn a_genesis_with_too_many_accounts_starts_no_chain() {
    with_accounts((10..26).map(|number| (OWNER, AccountId([number; 32]), "devices", None)).collect());
}
