//! Session rotation: a decision of the council reaches Aura and GRANDPA once, as a scheduled change.

use super::support::{Chain, GENESIS};
use crate::{
    configs::MIN_SESSION, consortium, Grandpa, Parties, Runtime, RuntimeCall, Session, SessionKeys, System,
};
use codec::{Decode, Encode};
use pallet_parties::PartyLookup as _;
use sp_consensus_grandpa::{ConsensusLog, ScheduledChange, GRANDPA_ENGINE_ID};
use sp_core::sr25519;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Ferdie};
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::{
    traits::Header as _,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
    DispatchError,
};
use streembit_primitives::{
    consortium::{Change, ValidatorState},
    evidence::CHAIN_ENGINE_ID,
    AccountId, PartyId,
};

fn id(key: Sr25519Keyring) -> AccountId {
    AccountId(key.to_raw_public())
}

/// The party that an account founded.
fn party(key: Sr25519Keyring) -> PartyId {
    PartyId::of_first_account(&id(key))
}

/// New session keys in a node's keystore, with their proof of possession by an account.
fn new_keys(chain: &mut Chain, owner: Sr25519Keyring) -> (SessionKeys, Vec<u8>) {
    chain.state.register_extension(KeystoreExt::new(MemoryKeystore::new()));
    chain.state.execute_with(|| {
        let made = SessionKeys::generate(&owner.to_account_id().encode(), None);
        (made.keys, made.proof.encode())
    })
}

fn propose(change: Change) -> RuntimeCall {
    pallet_council::Call::propose { change }.into()
}

fn set_keys(keys: SessionKeys, proof: Vec<u8>) -> RuntimeCall {
    pallet_session::Call::set_keys { keys, proof }.into()
}

/// Makes a block with one call, which must succeed.
fn done(chain: &mut Chain, by: Sr25519Keyring, call: RuntimeCall) {
    assert_eq!(tried(chain, &by.pair(), call), Ok(()));
}

/// Makes a block with one call.
fn tried(chain: &mut Chain, by: &sr25519::Pair, call: RuntimeCall) -> Result<(), DispatchError> {
    let extrinsic = chain.signed(by, call);
    chain.block(vec![extrinsic]).remove(0).unwrap()
}

/// The authorities that the last block's header schedules for GRANDPA. The header names the chain in this case only.
fn scheduled(chain: &Chain) -> Option<ScheduledChange<u32>> {
    let header = chain.last.as_ref().unwrap();
    let mut changes = header.digest().logs().iter().filter_map(|log| {
        let (engine, bytes) = log.as_consensus()?;
        let log = (engine == GRANDPA_ENGINE_ID).then(|| ConsensusLog::<u32>::decode(&mut &*bytes).unwrap());
        match log? {
            ConsensusLog::ScheduledChange(change) => Some(change),
            other => panic!("{other:?}"),
        }
    });
    let change = changes.next();
    assert!(changes.next().is_none(), "two changes in one block");
    let items = header.digest().logs().iter().filter_map(|log| log.as_consensus());
    let named: Vec<_> =
        items.filter(|(engine, _)| *engine == CHAIN_ENGINE_ID).map(|(_, bytes)| bytes).collect();
    let expected = if change.is_some() { vec![GENESIS.as_bytes()] } else { Vec::new() };
    assert_eq!(named, expected, "block {}", header.number());
    change
}

#[test]
fn a_validator_joins_by_vote_as_one_scheduled_change() {
    let mut chain = Chain::new("local_testnet");
    (0..MIN_SESSION).for_each(|_| drop(chain.block(vec![])));
    let (keys, proof) = new_keys(&mut chain, Charlie);
    done(&mut chain, Charlie, set_keys(keys.clone(), proof));
    done(&mut chain, Charlie, propose(Change::AddValidator(id(Charlie))));
    let motion = chain.state.execute_with(|| consortium::view().motions.remove(0));
    assert_eq!((motion.change, motion.needed), (Some(Change::AddValidator(id(Charlie))), 1));
    let vote = pallet_council::Call::vote { motion: crate::Hash::from(motion.id.0), approve: true };
    done(&mut chain, Alice, vote.into());
    chain.state.execute_with(|| {
        let view = consortium::view();
        assert_eq!(view.validators[2].state, ValidatorState::Joining);
        assert!(view.motions.is_empty());
    });
    assert_eq!(scheduled(&chain), None);

    chain.block(vec![]);
    assert_eq!(scheduled(&chain), None, "the first rotation queues");
    chain.block(vec![]);
    let change = scheduled(&chain).expect("the second rotation changes");
    assert_eq!((change.delay, change.next_authorities.len()), (0, 3));
    assert_eq!(change.next_authorities[2].0, keys.grandpa);
    chain.state.execute_with(|| {
        assert_eq!(Grandpa::grandpa_authorities(), change.next_authorities);
        assert_eq!(pallet_aura::Authorities::<Runtime>::get()[2], keys.aura);
        let view = consortium::view();
        assert!(view.validators.iter().all(|validator| validator.state == ValidatorState::Active));
        assert_eq!((view.session, view.authority_set), (2, 1));
    });
    for _ in 0..20 {
        chain.block(vec![]);
        assert_eq!(scheduled(&chain), None, "and nothing more");
    }
    chain.state.execute_with(|| assert_eq!(Session::current_index(), 2));
}

#[test]
fn keys_need_a_proof_of_their_owner_and_cannot_be_taken_away() {
    let mut chain = Chain::new("local_testnet");
    let (keys, proof) = new_keys(&mut chain, Bob);
    let refused = Err(pallet_session::Error::<Runtime>::InvalidProof.into());
    // The proof is for Bob and not for Charlie. An empty proof proves nothing.
    assert_eq!(tried(&mut chain, &Charlie.pair(), set_keys(keys.clone(), proof.clone())), refused);
    assert_eq!(tried(&mut chain, &Bob.pair(), set_keys(keys.clone(), vec![])), refused);
    let purge = pallet_session::Call::purge_keys {};
    let filtered = Err(frame_system::Error::<Runtime>::CallFiltered.into());
    assert_eq!(tried(&mut chain, &Bob.pair(), purge.into()), filtered);

    (0..MIN_SESSION).for_each(|_| drop(chain.block(vec![])));
    done(&mut chain, Bob, set_keys(keys.clone(), proof));
    let state = |chain: &mut Chain| chain.state.execute_with(|| consortium::view().validators[1].state);
    assert_eq!(state(&mut chain), ValidatorState::Rotating);
    (0..2).for_each(|_| drop(chain.block(vec![])));
    assert_eq!(state(&mut chain), ValidatorState::Active);
    chain.state.execute_with(|| assert_eq!(Grandpa::grandpa_authorities()[1].0, keys.grandpa));
}

#[test]
fn a_former_party_is_refused_like_a_stranger_and_keeps_its_nonce() {
    let mut chain = Chain::new("development");
    let remark = || RuntimeCall::from(frame_system::Call::remark { remark: vec![] });
    done(&mut chain, Ferdie, remark());
    let left = chain.signed(&Ferdie.pair(), pallet_parties::Call::leave {});
    assert_eq!(chain.block(vec![left]), vec![Ok(Ok(()))]);
    let late = chain.signed(&Ferdie.pair(), remark());
    let refused = TransactionValidityError::Invalid(InvalidTransaction::Payment);
    assert_eq!(chain.validate(late.clone()), Err(refused));
    assert_eq!(chain.block(vec![late]), vec![Err(refused)]);
    done(&mut chain, Alice, propose(Change::add_party(id(Ferdie))));
    chain.state.execute_with(|| assert_eq!(System::account_nonce(Ferdie.to_account_id()), 2));
    done(&mut chain, Ferdie, remark());
}

#[test]
fn the_council_changes_itself_but_never_to_nothing() {
    let mut chain = Chain::new("development");
    let members = |new: &[Sr25519Keyring]| {
        let members: Vec<_> = new.iter().map(|key| party(*key)).collect();
        RuntimeCall::from(pallet_council::Call::propose_members { members: members.try_into().unwrap() })
    };
    let bad = || Err(pallet_council::Error::<Runtime>::BadMembers.into());
    for wrong in [&[][..], &[Alice, Alice]] {
        assert_eq!(tried(&mut chain, &Alice.pair(), members(wrong)), bad());
    }
    let unknown = Err(pallet_council::Error::<Runtime>::UnknownMember.into());
    assert_eq!(tried(&mut chain, &Alice.pair(), members(&[Sr25519Keyring::One])), unknown);
    chain.state.execute_with(|| assert_eq!(consortium::view().council, [party(Alice)]));
    // The calls of the collective are for nobody.
    let new_members = vec![Alice.to_account_id()];
    let call = pallet_collective::Call::set_members { new_members, prime: None, old_count: 1 };
    let length_bound = RuntimeCall::from(call.clone()).encoded_size() as u32;
    let proposal = Box::new(RuntimeCall::from(call));
    let filtered = Err(frame_system::Error::<Runtime>::CallFiltered.into());
    for call in [
        pallet_collective::Call::propose { threshold: 1, proposal: proposal.clone(), length_bound },
        pallet_collective::Call::execute { proposal, length_bound },
    ] {
        assert_eq!(tried(&mut chain, &Alice.pair(), call.into()), filtered);
    }

    done(&mut chain, Alice, members(&[Alice, Bob, Charlie]));
    chain.state.execute_with(|| assert_eq!(consortium::view().council.len(), 3));
    // One of three is not enough any more.
    done(&mut chain, Alice, propose(Change::RemoveParty(party(Ferdie))));
    chain.state.execute_with(|| assert!(Parties::is_party(&party(Ferdie))));
    // Bob was never anything but a party. His vote counts.
    let motion = chain.state.execute_with(|| consortium::view().motions.remove(0));
    let vote = pallet_council::Call::vote { motion: crate::Hash::from(motion.id.0), approve: true };
    done(&mut chain, Bob, vote.into());
    chain.state.execute_with(|| assert!(!Parties::is_party(&party(Ferdie))));
}
