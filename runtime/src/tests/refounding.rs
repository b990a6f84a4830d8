//! The state that a new chain takes over from a chain that lost its validators.

use super::support::Chain;
use crate::{
    refounding::{self, is_carried_over, RefoundError},
    AccountId, AllPalletsWithSystem, Anchors, Runtime, SessionKeys, System,
};
use frame_support::{storage::storage_prefix, traits::PalletsInfoAccess};
use pallet_parties::PartyLookup as _;
use sp_core::{ed25519, sr25519};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use streembit_primitives::{
    checkpoint::AnchoredRoot,
    device::{ChangeTime, DeviceRecord, KeyChange},
    AccountId as Account, DeviceKey, Hash, LogId, PartyId, PublicKey,
};

fn new_keys(seed: u8) -> SessionKeys {
    SessionKeys {
        aura: sr25519::Public::from_raw([seed; 32]).into(),
        grandpa: ed25519::Public::from_raw([seed; 32]).into(),
    }
}

#[test]
fn every_pallet_is_listed() {
    let mut names: Vec<_> =
        AllPalletsWithSystem::infos().into_iter().map(|pallet| pallet.name.to_string()).collect();
    names.sort();
    assert_eq!(refounding::pallets(), names, "list the new pallet: is its state carried over?");
}

#[test]
fn records_are_carried_over_and_consensus_is_not() {
    for (pallet, item, carried) in [
        ("Anchors", "Latest", true),
        ("Anchors", "Genesis", false),
        ("Parties", "Parties", true),
        ("Parties", "Gateways", true),
        ("Parties", "ConsentNonces", true),
        ("Devices", "ConsentNonces", true),
        ("Quotas", "Spent", true),
        ("Validators", "Validators", false),
        ("Validators", "Authorities", false),
        ("Validators", "Equivocations", false),
        ("Devices", "Devices", true),
        ("Devices", "DeviceOfKey", true),
        ("Devices", "Offers", true),
        ("Anchors", "Epochs", true),
        ("ServiceContracts", "Contracts", true),
        ("ServiceContracts", "Lineage", true),
        ("ServiceContracts", "LiveTime", true),
        ("System", "Account", true),
        ("System", "BlockHash", false),
        ("Collective", "Members", true),
        ("Collective", "Voting", false),
        ("Grandpa", "CurrentSetId", false),
        ("Session", "CurrentIndex", false),
    ] {
        let key = [&storage_prefix(pallet.as_bytes(), item.as_bytes())[..], b"more"].concat();
        assert_eq!(is_carried_over(&key), carried, "{pallet}::{item}");
    }
    assert!(is_carried_over(b":code") && !is_carried_over(b":extrinsic_index"));
}

#[test]
fn new_validators_belong_and_have_new_keys() {
    let mut chain = Chain::new("four");
    chain.state.execute_with(|| {
        let (alice, eve) = (Sr25519Keyring::Alice.to_account_id(), Sr25519Keyring::Eve.to_account_id());
        let stranger = AccountId::new([9; 32]);
        let refused = refounding::prepare_successor_state(&[(stranger.clone(), new_keys(1))]);
        assert_eq!(refused.unwrap_err(), RefoundError::Stranger(stranger));
        let old = SessionKeys { grandpa: Ed25519Keyring::Dave.public().into(), ..new_keys(1) };
        let refused = refounding::prepare_successor_state(&[(alice.clone(), old)]);
        assert_eq!(refused.unwrap_err(), RefoundError::KnownKey(alice.clone()));

        let validators = [(alice.clone(), new_keys(1)), (eve.clone(), new_keys(2))];
        let before = (System::consumers(&alice), System::consumers(&eve));
        let founding = refounding::prepare_successor_state(&validators).unwrap();
        assert_eq!(founding.validators, validators);
        // The parties of the state are carried over. Those of the genesis are only for its checks.
        assert_eq!((founding.parties.len(), founding.council.len()), (2, 3));
        assert!(founding.council.iter().all(crate::Parties::is_party));
        let carried = crate::Parties::parties();
        assert_eq!(carried.len(), 6);
        assert!(carried.iter().all(|(_, party)| party.since.is_none() && party.accounts[0].since == 0));
        // Alice had keys, Eve had none.
        assert_eq!((System::consumers(&alice), System::consumers(&eve)), (before.0, before.1 + 1));

        // Other validators have no keys any more and cannot set the old ones, because votes do not name their chain.
        let dave = Sr25519Keyring::Dave.to_account_id();
        assert!(pallet_session::NextKeys::<Runtime>::iter().next().is_none());
        let old = Ed25519Keyring::Dave.public();
        let owner =
            pallet_session::KeyOwner::<Runtime>::get((sp_core::crypto::key_types::GRANDPA, old.to_vec()));
        assert!(owner.is_some_and(|owner| owner != dave));
    });
}

#[test]
fn anchored_roots_keep_their_time_and_lose_their_block() {
    let mut chain = Chain::new("four");
    chain.state.execute_with(|| {
        let log = LogId::first(Account([1; 32]));
        let root = AnchoredRoot { size: 5, root: Hash([2; 32]), time: 1_000, block: 1 };
        pallet_anchors::Roots::<Runtime>::mutate(log, |roots| roots.try_push(root)).unwrap();
        let validators = [(Sr25519Keyring::Alice.to_account_id(), new_keys(1))];
        refounding::prepare_successor_state(&validators).unwrap();
        assert_eq!(Anchors::anchored_root(&log, 5), Some(AnchoredRoot { block: 0, ..root }));
    });
}

#[test]
fn devices_keep_their_history_and_lose_its_blocks() {
    let mut chain = Chain::new("four");
    chain.state.execute_with(|| {
        let (at, owner) = (ChangeTime { block: 1, time: 1_000 }, PartyId([1; 32]));
        let key = |n: u8| DeviceKey::Own(PublicKey::Ed25519([n; 32]));
        let log = |epoch| LogId { gateway: Account([1; 32]), epoch };
        let mut record = DeviceRecord::new(key(1), owner, log(0), at);
        record.set_key(key(2), 5, KeyChange::Rotated, 0, at).unwrap();
        record.assign(log(1), None, 9, 7, u64::MAX, at).unwrap();
        let device = record.device_id();
        pallet_devices::Devices::<Runtime>::insert(device, record.clone());
        refounding::prepare_successor_state(&[(Sr25519Keyring::Alice.to_account_id(), new_keys(1))]).unwrap();
        let carried = crate::Devices::device(&device).unwrap();
        assert_eq!((carried.registered(), carried.key_at(5).block, carried.lost()[0].block), (0, 0, 0));
        assert_eq!((carried.logs().last().block, carried.owners().last().block), (0, 0));
        assert_eq!(carried.owners().last().since, 1_000);
        record.forget_blocks();
        assert_eq!(carried, record);
    });
}
