//! Reports of equivocations: from the APIs that a node calls, through its pool, into a block.

use super::support::Chain;
use crate::{consortium, Block, Grandpa, Hash, Header, Runtime, RuntimeCall, UncheckedExtrinsic, Validators};
use codec::{Decode, Encode};
use pallet_validators::{runtime_api::runtime_decl_for_validators_api::ValidatorsApi, VoteProof};
use sp_consensus_aura::{Slot, AURA_ENGINE_ID};
use sp_consensus_grandpa::{
    localized_payload, runtime_decl_for_grandpa_api::GrandpaApi, Message, OpaqueKeyOwnershipProof, Prevote,
};
use sp_core::{
    offchain::{testing::TestTransactionPoolExt, TransactionPoolExt},
    Pair,
};
use sp_keyring::{
    Ed25519Keyring,
    Sr25519Keyring::{self, Dave},
};
use sp_runtime::{
    traits::Header as _,
    transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
    Digest, DigestItem,
};
use streembit_primitives::{
    consortium::{Offence, ValidatorState},
    AccountId,
};

/// Two votes in round 5 of the first voter set.
fn two_votes(by: Ed25519Keyring) -> VoteProof<Runtime> {
    let vote = |target_number: u32| {
        let vote = Prevote::<Header> { target_hash: Hash::repeat_byte(target_number as u8), target_number };
        let signed = localized_payload(5, 0, &Message::<Header>::Prevote(vote.clone()));
        (vote, by.pair().sign(&signed))
    };
    let proof = (0u64, 0u8, 5u64, by.public(), vote(7), vote(8)).encode();
    Decode::decode(&mut proof.as_slice()).unwrap()
}

/// Two blocks that follow a block of the chain, both in the slot of the fourth validator.
fn two_blocks(chain: &mut Chain, by: Sr25519Keyring) -> [Header; 2] {
    let parent = chain.last.clone().unwrap();
    // The state knows the hash of a block only when the next block is made.
    chain.block(Vec::new());
    [1, 2].map(|content| {
        let slot = DigestItem::PreRuntime(AURA_ENGINE_ID, Slot::from(2_003).encode());
        let digest = Digest { logs: vec![slot] };
        let state = Hash::repeat_byte(content);
        let mut header = Header::new(parent.number + 1, Hash::zero(), state, parent.hash(), digest);
        let seal = by.pair().sign(header.hash().as_bytes());
        header.digest_mut().push(DigestItem::Seal(AURA_ENGINE_ID, seal.encode()));
        header
    })
}

/// Returns the extrinsics that the runtime submits to the pool of its node.
fn submitted(chain: &mut Chain, submit: impl FnOnce() -> Option<()>) -> Vec<UncheckedExtrinsic> {
    let (pool, state) = TestTransactionPoolExt::new();
    chain.state.register_extension(TransactionPoolExt::new(pool));
    assert_eq!(chain.state.execute_with(submit), Some(()));
    let transactions = state.read().transactions.clone();
    transactions.iter().map(|bytes| Decode::decode(&mut bytes.as_slice()).unwrap()).collect()
}

/// Puts a report through the pool into a block, and follows the chain until Dave no longer validates.
fn removes_dave(chain: &mut Chain, report: UncheckedExtrinsic, offence: Offence) {
    let stale = TransactionValidityError::Invalid(InvalidTransaction::Stale);
    let elsewhere = TransactionValidityError::Invalid(InvalidTransaction::Call);
    assert_eq!(chain.validate(report.clone()), Err(elsewhere));
    let valid = chain.validate_from(TransactionSource::Local, report.clone()).unwrap();
    assert!(!valid.propagate);
    assert_eq!(chain.block(vec![report.clone()]), vec![Ok(Ok(()))]);
    assert_eq!(chain.validate_from(TransactionSource::Local, report.clone()), Err(stale));
    assert_eq!(chain.block(vec![report]), vec![Err(stale)]);

    (0..10).for_each(|_| drop(chain.block(vec![])));
    chain.state.execute_with(|| {
        let view = consortium::view();
        let dave = AccountId(Dave.to_raw_public());
        let known = Validators::equivocations();
        assert_eq!(known.len(), 1);
        assert_eq!((known[0].account, known[0].offence), (dave, offence));
        assert!(view.validators.iter().all(|validator| validator.state == ValidatorState::Active));
        assert_eq!((view.validators.len(), view.authority_set), (3, 1));
        assert_eq!(Grandpa::grandpa_authorities().len(), 3);
        assert_eq!(pallet_aura::Authorities::<Runtime>::get().len(), 3);
    });
}

#[test]
fn two_votes_that_a_node_has_seen_remove_their_voter() {
    let mut chain = Chain::new("four");
    let dave = Ed25519Keyring::Dave.public();
    chain.state.execute_with(|| {
        let proof = |set, key: sp_core::ed25519::Public| {
            <Runtime as GrandpaApi<Block>>::generate_key_ownership_proof(set, key.into())
        };
        assert!(proof(0, dave).is_some());
        assert!(proof(1, dave).is_none() && proof(0, Ed25519Keyring::Eve.public()).is_none());
    });
    let mut reports = submitted(&mut chain, || {
        <Runtime as GrandpaApi<Block>>::submit_report_equivocation_unsigned_extrinsic(
            two_votes(Ed25519Keyring::Dave),
            OpaqueKeyOwnershipProof::new(Vec::new()),
        )
    });
    assert_eq!(reports.len(), 1);
    removes_dave(&mut chain, reports.remove(0), Offence::Votes { set: 0, round: 5 });
}

#[test]
fn two_blocks_that_a_node_has_seen_remove_their_author() {
    let mut chain = Chain::new("four");
    let [first, second] = two_blocks(&mut chain, Dave);
    let report = |first: &Header, second: &Header| {
        <Runtime as ValidatorsApi<Block>>::submit_block_report(first.clone(), second.clone())
    };
    assert_eq!(chain.state.execute_with(|| report(&first, &first)), None);
    let mut reports = submitted(&mut chain, || report(&first, &second));
    assert_eq!(reports.len(), 1);
    removes_dave(&mut chain, reports.remove(0), Offence::Blocks { slot: 2_003 });
    // It is known: there is nothing more to do.
    assert_eq!(chain.state.execute_with(|| report(&first, &second)), Some(()));
}

#[test]
fn a_report_that_proves_nothing_reaches_no_block() {
    let mut chain = Chain::new("four");
    let [first, second] = two_blocks(&mut chain, Sr25519Keyring::Alice).map(Box::new);
    let mut other_key = two_votes(Ed25519Keyring::Dave).encode();
    // The key, after the set, the kind and the round.
    let key = other_key.iter_mut().skip(8 + 1 + 8);
    key.zip(Ed25519Keyring::Alice.to_raw_public()).for_each(|(old, new)| *old = new);
    let forged: VoteProof<Runtime> = Decode::decode(&mut other_key.as_slice()).unwrap();
    let calls = [
        pallet_validators::Call::report_blocks { first, second },
        pallet_validators::Call::report_votes { proof: Box::new(two_votes(Ed25519Keyring::Eve)) },
        pallet_validators::Call::report_votes { proof: Box::new(forged) },
    ];
    let refused = TransactionValidityError::Invalid(InvalidTransaction::BadProof);
    for call in calls {
        let bogus = UncheckedExtrinsic::new_bare(RuntimeCall::from(call));
        for source in [TransactionSource::Local, TransactionSource::InBlock] {
            assert_eq!(chain.validate_from(source, bogus.clone()), Err(refused));
        }
        assert_eq!(chain.block(vec![bogus]), vec![Err(refused)]);
    }
    let leave = pallet_validators::Call::leave {};
    let unsigned = UncheckedExtrinsic::new_bare(RuntimeCall::from(leave));
    let refused = TransactionValidityError::Invalid(InvalidTransaction::Call);
    assert_eq!(chain.validate_from(TransactionSource::Local, unsigned), Err(refused));
    chain.state.execute_with(|| assert!(Validators::equivocations().is_empty()));
}
