//! The genesis presets.

use super::support::Chain;
use crate::{
    configs::MAX_VALIDATORS, genesis, Council, Grandpa, Parties, Runtime, RuntimeGenesisConfig, Session,
};
use pallet_parties::PartyLookup as _;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::BuildStorage;
use streembit_primitives::{AccountId, EncryptionKey, PartyId, Scope};

const PRESETS: [(&str, &[(Sr25519Keyring, Ed25519Keyring)]); 3] = [
    ("development", &[(Sr25519Keyring::Alice, Ed25519Keyring::Alice)]),
    (
        "local_testnet",
        &[(Sr25519Keyring::Alice, Ed25519Keyring::Alice), (Sr25519Keyring::Bob, Ed25519Keyring::Bob)],
    ),
    (
        "four",
        &[
            (Sr25519Keyring::Alice, Ed25519Keyring::Alice),
            (Sr25519Keyring::Bob, Ed25519Keyring::Bob),
            (Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
            (Sr25519Keyring::Dave, Ed25519Keyring::Dave),
        ],
    ),
];

#[test]
fn every_preset_has_its_validators_and_parties() {
    assert_eq!(genesis::presets(), PRESETS.map(|(name, _)| name.to_string()));
    for (name, validators) in PRESETS {
        Chain::new(name).state.execute_with(|| {
            let aura: Vec<_> = validators.iter().map(|(key, _)| key.public().into()).collect();
            assert_eq!(pallet_aura::Authorities::<Runtime>::get().into_inner(), aura);
            let grandpa: Vec<_> = validators.iter().map(|(_, key)| (key.public().into(), 1)).collect();
            assert_eq!(Grandpa::grandpa_authorities(), grandpa);
            let accounts: Vec<_> = validators.iter().map(|(key, _)| key.to_account_id()).collect();
            assert_eq!(Session::validators(), accounts);
            for party in ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"] {
                let key: Sr25519Keyring = party.to_lowercase().parse().unwrap();
                let account = AccountId(key.to_raw_public());
                let id = PartyId::of_first_account(&account);
                assert_eq!(Parties::acting_with(&account, Scope::All), Ok(id), "{party} in {name}");
            }
            assert!(Parties::role_of(&AccountId(Sr25519Keyring::One.to_raw_public())).is_none());
            assert!(Council::members().iter().all(Parties::is_party) && !Council::members().is_empty());
        });
    }
}

#[test]
fn a_preset_survives_its_way_through_json() {
    for (name, _) in PRESETS {
        let config = genesis::preset(name).unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert!(
            json.contains("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
            "Alice as an address: {json}"
        );
        let read: RuntimeGenesisConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(
            read.build_storage().unwrap().top,
            genesis::preset(name).unwrap().build_storage().unwrap().top
        );
    }
    assert!(genesis::preset("staging").is_none());
}

#[test]
fn the_genesis_validators_stay_and_the_session_goes_on() {
    let mut chain = Chain::new("local_testnet");
    let before = chain.state.execute_with(|| (Session::validators(), Grandpa::grandpa_authorities()));
    for _ in 0..50 {
        chain.block(Vec::new());
    }
    chain.state.execute_with(|| {
        assert_eq!((Session::validators(), Grandpa::grandpa_authorities()), before);
        assert_eq!(Session::current_index(), 0);
        assert!(!pallet_grandpa::PendingChange::<Runtime>::exists());
        assert!(before.0.len() <= MAX_VALIDATORS as usize);
    });
}

#[test]
fn a_founding_partys_further_accounts_and_key_survive_their_way_through_json() {
    let [first, clerk] = [Sr25519Keyring::Alice, Sr25519Keyring::One].map(|key| key.to_account_id());
    let validator = genesis::FoundingParty {
        account: first.clone(),
        accounts: vec![(clerk.clone(), Scope::Contracts, Some(9_000))],
        encryption_key: EncryptionKey::new([5; 32]).ok(),
    };
    let keys = crate::SessionKeys {
        aura: Sr25519Keyring::Alice.public().into(),
        grandpa: Ed25519Keyring::Alice.public().into(),
    };
    let founding = genesis::Founding {
        parties: vec![validator],
        council: vec![genesis::party_id(&first)],
        validators: vec![(first.clone(), keys)],
        quotas: Vec::new(),
    };
    let json = serde_json::to_string(&RuntimeGenesisConfig::from(founding)).unwrap();
    let config: RuntimeGenesisConfig = serde_json::from_str(&json).unwrap();
    let mut state = sp_io::TestExternalities::from(config.build_storage().unwrap());
    state.execute_with(|| {
        let party = Parties::party(&genesis::party_id(&first)).unwrap();
        assert_eq!(party.encryption_key, EncryptionKey::new([5; 32]).ok());
        let entry = party.account(&AccountId(clerk.into())).unwrap();
        assert_eq!((entry.scope, entry.until), (Scope::Contracts, Some(9_000)));
        assert_eq!(Parties::check_state(), Ok(()));
    });
}
