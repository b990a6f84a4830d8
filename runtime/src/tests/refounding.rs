//! The state that a new chain takes over from a chain that lost its validators.

use super::support::{Chain, Gateway, GENESIS};
use crate::{
    refounding::{self, is_carried_over, is_of_session_keys, RefoundError},
    AccountId, AllPalletsWithSystem, Anchors, Council, Parties, Runtime, RuntimeCall, RuntimeGenesisConfig,
    SessionKeys, System,
};
use frame_support::{storage::storage_prefix, traits::PalletsInfoAccess};
use pallet_parties::PartyLookup as _;
use sp_core::{ed25519, sr25519, storage::Storage};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    BuildStorage as _,
};
use streembit_primitives::{
    checkpoint::AnchoredRoot,
    consortium::Change,
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

/// Founds a new chain from the state of an old one, as the crate `chain-spec` does.
fn refounded(old: &mut Chain, validators: &[(AccountId, SessionKeys)]) -> Chain {
    let (founding, mut state) = old.state.execute_with(|| {
        let founding = refounding::prepare_successor_state(validators).unwrap();
        let (mut carried, mut last) = (Storage::default(), Vec::new());
        while let Some(key) = sp_io::storage::next_key(&last) {
            if is_carried_over(&key) {
                carried.top.insert(key.clone(), sp_io::storage::get(&key).unwrap().to_vec());
            }
            last = key;
        }
        (founding, carried)
    });
    let genesis = RuntimeGenesisConfig::from(founding).build_storage().unwrap();
    let is_new = |key: &[u8]| !is_carried_over(key) || is_of_session_keys(key);
    state.top.extend(genesis.top.into_iter().filter(|(key, _)| is_new(key)));
    let new = crate::Hash::repeat_byte(0xcd);
    assert_ne!(new, GENESIS);
    Chain::of_genesis(state, new, 2_000)
}

/// Makes a block with one call, which must succeed.
fn done(chain: &mut Chain, by: &sr25519::Pair, call: impl Into<RuntimeCall>) {
    let extrinsic = chain.signed(by, call);
    assert_eq!(chain.block(vec![extrinsic]), vec![Ok(Ok(()))]);
}

/// Votes for the only open motion.
fn vote(chain: &mut Chain, by: &sr25519::Pair) {
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    done(chain, by, pallet_council::Call::vote { motion, approve: true });
}

#[test]
fn a_council_of_fresh_keys_acts_on_the_new_chain() {
    let mut chain = Chain::new("development");
    let (alice, eve, ferdie) = (Sr25519Keyring::Alice, Sr25519Keyring::Eve, Sr25519Keyring::Ferdie);
    let party = |first: Sr25519Keyring| PartyId::of_first_account(&Account(first.to_raw_public()));
    let (new_eve, new_ferdie) = (Gateway::new(1), Gateway::new(2));
    let propose = |change| pallet_council::Call::<Runtime>::propose { change };
    let recover =
        |first, to: &Gateway| propose(Change::Recover { party: party(first), account: to.account() });

    // Both members of the council have lost the keys that their ids are derived from.
    let members = vec![party(eve), party(ferdie)].try_into().unwrap();
    let change_members = pallet_council::Call::<Runtime>::propose_members { members };
    done(&mut chain, &alice.pair(), change_members);
    done(&mut chain, &eve.pair(), recover(eve, &new_eve));
    vote(&mut chain, &ferdie.pair());
    done(&mut chain, &new_eve.pair(), recover(ferdie, &new_ferdie));
    vote(&mut chain, &ferdie.pair());
    done(&mut chain, &new_eve.pair(), propose(Change::RemoveParty(party(Sr25519Keyring::Charlie))));

    let validators = [(Sr25519Keyring::Bob.to_account_id(), new_keys(1))];
    let mut chain = refounded(&mut chain, &validators);
    let mut council = vec![party(eve), party(ferdie)];
    council.sort();
    chain.state.execute_with(|| {
        assert_eq!(Council::members(), council);
        assert!(Council::motions().is_empty(), "a motion of the old chain is still open");
        assert_eq!(Parties::check_state(), Ok(()));
    });
    let stranger = Account([9; 32]);
    done(&mut chain, &new_eve.pair(), propose(Change::add_party(stranger)));
    // The lost keys decide nothing.
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    let old = chain.signed(&ferdie.pair(), pallet_council::Call::vote { motion, approve: true });
    let refused = TransactionValidityError::Invalid(InvalidTransaction::Payment);
    assert_eq!(chain.block(vec![old]), vec![Err(refused)]);
    vote(&mut chain, &new_ferdie.pair());
    chain.state.execute_with(|| {
        assert!(Parties::is_party(&PartyId::of_first_account(&stranger)));
        assert!(Parties::is_party(&party(Sr25519Keyring::Charlie)));
    });
}
