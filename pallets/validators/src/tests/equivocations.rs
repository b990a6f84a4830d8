//! Validators that contradict themselves.

use crate::{mock::*, Call, Error, Event, Pallet};
use codec::Encode;
use frame_support::{
    assert_noop, assert_ok,
    pallet_prelude::{InvalidTransaction, TransactionSource, TransactionValidityError},
};
use pallet_parties::Registry;
use sp_consensus_aura::AURA_ENGINE_ID;
use sp_core::{Pair as _, H256};
use sp_runtime::{testing::UintAuthorityId, traits::Header as _, DigestItem, DispatchResult};
use streembit_primitives::{
    consortium::{Equivocation, Offence},
    AccountId,
};

/// Two blocks, by their number in [`hash`] and their height.
const BLOCKS: [(u64, u64); 2] = [(3, 3), (4, 4)];

fn add(id: AccountId) -> DispatchResult {
    <Validators as Registry>::add(id)
}

/// Two votes of the holder of a key.
fn two_votes(key: u64, set: u64, round: u64) -> Box<crate::VoteProof<Test>> {
    votes(key, key, (set, round), BLOCKS.map(|(of, number)| (hash(of), number)))
}

fn report(proof: Box<crate::VoteProof<Test>>) -> DispatchResult {
    Validators::report_votes(RuntimeOrigin::none(), proof)
}

fn report_blocks(first: Box<Header>, second: Box<Header>) -> DispatchResult {
    Validators::report_blocks(RuntimeOrigin::none(), first, second)
}

fn known(account: AccountId, offence: Offence, block: u32) -> Vec<Equivocation> {
    vec![Equivocation { account, offence, block }]
}

#[test]
fn a_validator_that_votes_twice_in_a_round_is_removed() {
    two_validators().execute_with(|| {
        assert_ok!(report(two_votes(2, 0, 7)));
        let offence = Offence::Votes { set: 0, round: 7 };
        System::assert_has_event(Event::Equivocated { validator: WORKSHOP, offence, removed: true }.into());
        System::assert_has_event(Event::ValidatorRemoved { validator: WORKSHOP }.into());
        assert_eq!(Validators::equivocations(), known(WORKSHOP, offence, 6));
        // One report is enough, whatever else it did, and also when other validators are in force.
        for _ in 0..3 {
            for again in [two_votes(2, 0, 7), two_votes(2, 0, 8)] {
                assert_noop!(report(again), Error::<Test>::AlreadyReported);
            }
            blocks(1);
        }
        assert_eq!(KeysInForce::get(), [1]);
        assert_ok!(Validators::check_state());
    });
}

#[test]
fn votes_that_prove_nothing_are_refused() {
    two_validators().execute_with(|| {
        let targets = BLOCKS.map(|(of, number)| (hash(of), number));
        for (proof, error) in [
            (votes(2, 2, (0, 7), [targets[0]; 2]), Error::<Test>::NoEquivocation),
            (votes(2, 1, (0, 7), targets), Error::<Test>::NoEquivocation),
            (two_votes(3, 0, 7), Error::<Test>::NotAnAuthority),
            (two_votes(2, 1, 7), Error::<Test>::TooOld),
            (two_votes(2, u64::MAX, 7), Error::<Test>::TooOld),
        ] {
            assert_noop!(report(proof), error);
        }
        assert_noop!(
            Validators::report_votes(signed(OWNER), two_votes(2, 0, 7)),
            sp_runtime::DispatchError::BadOrigin
        );
        assert!(Validators::equivocations().is_empty() && !Validators::is_rotation_pending());
    });
}

#[test]
fn votes_of_the_set_before_count_and_older_ones_do_not() {
    two_validators().execute_with(|| {
        assert_ok!(Session::set_keys(signed(INSURER), UintAuthorityId(3), Vec::new()));
        assert_ok!(add(INSURER));
        blocks(2);
        assert_eq!(VoterSet::get(), 1);
        assert!(Validators::is_voter(0, &grandpa(2).public().into()));
        assert!(!Validators::is_voter(0, &grandpa(3).public().into()));
        assert_noop!(report(two_votes(3, 0, 1)), Error::<Test>::NotAnAuthority);
        assert_ok!(report(two_votes(2, 0, 1)));
        blocks(8);
        assert_eq!((VoterSet::get(), KeysInForce::get()), (2, vec![1, 3]));
        assert_noop!(report(two_votes(1, 0, 1)), Error::<Test>::TooOld);
        assert_ok!(report(two_votes(3, 1, 1)));
        // It was not in the set that is in force now.
        assert_noop!(report(two_votes(2, 2, 1)), Error::<Test>::NotAnAuthority);
        blocks(8);
        assert_eq!(KeysInForce::get(), [1]);
        assert_ok!(Validators::check_state());
    });
}

#[test]
fn the_last_validator_stays_and_is_known() {
    chain().execute_with(|| {
        assert_ok!(report(two_votes(1, 0, 7)));
        let offence = Offence::Votes { set: 0, round: 7 };
        System::assert_has_event(Event::Equivocated { validator: OWNER, offence, removed: false }.into());
        assert_eq!(Validators::equivocations(), known(OWNER, offence, 1));
        blocks(20);
        assert_eq!(KeysInForce::get(), [1]);
    });
}

#[test]
fn a_validator_that_is_added_again_is_not_removed_for_the_same_offence() {
    two_validators().execute_with(|| {
        assert_ok!(report(two_votes(2, 0, 7)));
        assert_noop!(add(WORKSHOP), Error::<Test>::StillInForce);
        blocks(2);
        assert_ok!(add(WORKSHOP));
        assert!(Validators::equivocations().is_empty());
        assert_noop!(report(two_votes(2, 0, 8)), Error::<Test>::AlreadyReported);
        blocks(8);
        assert_eq!((VoterSet::get(), KeysInForce::get()), (2, vec![1, 2]));
        assert_noop!(report(two_votes(2, 0, 8)), Error::<Test>::TooOld);
        // It is removed for a new offence.
        assert_ok!(report(two_votes(2, 2, 1)));
        assert_eq!(Validators::equivocations().len(), 1);
    });
}

#[test]
fn the_equivocation_of_a_party_that_leaves_is_forgotten() {
    two_validators().execute_with(|| {
        assert_ok!(report(two_votes(2, 0, 7)));
        assert_ok!(Parties::leave(WORKSHOP));
        assert!(Validators::equivocations().is_empty());
        assert_ok!(Validators::check_state());
    });
}

#[test]
fn a_validator_that_makes_two_blocks_in_a_slot_is_removed() {
    two_validators().execute_with(|| {
        // With two validators every odd slot belongs to the second one. The blocks follow two different blocks.
        let first = block(2, 1_001, 5, hash(4), 1);
        assert_ok!(report_blocks(first.clone(), block(2, 1_001, 6, hash(5), 2)));
        let offence = Offence::Blocks { slot: 1_001 };
        System::assert_has_event(Event::Equivocated { validator: WORKSHOP, offence, removed: true }.into());
        assert_eq!(Validators::equivocations(), known(WORKSHOP, offence, 6));
        let second = block(2, 1_001, 5, hash(4), 2);
        assert_noop!(report_blocks(first, second), Error::<Test>::AlreadyReported);
        assert_noop!(report(two_votes(2, 0, 7)), Error::<Test>::AlreadyReported);
        blocks(2);
        assert_eq!(KeysInForce::get(), [1]);
    });
}

#[test]
fn a_block_is_judged_by_the_validators_of_its_time() {
    two_validators().execute_with(|| {
        assert_ok!(<Validators as Registry>::remove(OWNER));
        blocks(4);
        assert_eq!((KeysInForce::get(), System::block_number()), (vec![2], 10));
        // Block 8 put the second validator alone into force. One of the two validators made it.
        let in_slot = |key, slot, number: u64, content| block(key, slot, number, hash(number - 1), content);
        let late = |number| report_blocks(in_slot(1, 1_000, number, 1), in_slot(1, 1_000, number, 2));
        assert_noop!(late(9), Error::<Test>::NoEquivocation);
        assert_ok!(late(8));
        let offence = Offence::Blocks { slot: 1_000 };
        System::assert_has_event(Event::Equivocated { validator: OWNER, offence, removed: false }.into());
        assert_ok!(report_blocks(in_slot(2, 1_000, 9, 1), in_slot(2, 1_000, 9, 2)));
    });
}

#[test]
fn blocks_of_two_sets_count_in_both() {
    for turned in [false, true] {
        two_validators().execute_with(|| {
            assert_ok!(Session::set_keys(signed(INSURER), UintAuthorityId(3), Vec::new()));
            assert_ok!(add(INSURER));
            blocks(4);
            assert_eq!((KeysInForce::get(), System::block_number()), (vec![1, 2, 3], 10));
            // The slot belongs to the second of two and of three validators. The set of two made block 8 as its last.
            let [former, one, other] = [(8, 1), (9, 2), (9, 3)]
                .map(|(number, content)| block(2, 1_003, number, hash(number - 1), content));
            let (first, second) = if turned { (&one, &former) } else { (&former, &one) };
            let call = Call::<Test>::report_blocks { first: first.clone(), second: second.clone() };
            let tags = Pallet::<Test>::validate_report(TransactionSource::Local, &call).unwrap().provides;
            assert_eq!(tags.len(), 2, "a report in either set is one too many");
            assert_ok!(report_blocks(first.clone(), second.clone()));
            for set in [0, 1] {
                assert_noop!(report(two_votes(2, set, 1)), Error::<Test>::AlreadyReported);
            }
            blocks(8);
            assert_eq!(KeysInForce::get(), [1, 3]);

            // Its earlier offences do not remove it after the council has added it again.
            assert_ok!(add(WORKSHOP));
            assert_noop!(report_blocks(former, one.clone()), Error::<Test>::TooOld);
            assert_noop!(report_blocks(one, other), Error::<Test>::AlreadyReported);
            blocks(8);
            assert_eq!(KeysInForce::get(), [1, 3, 2]);
            assert_ok!(Validators::check_state());
        });
    }
}

#[test]
fn blocks_that_prove_nothing_are_refused() {
    two_validators().execute_with(|| {
        let sound = || block(2, 1_001, 6, hash(5), 1);
        let resealed = {
            // The same content with another signature, because sr25519 signs with randomness.
            let other = sound();
            assert_ne!(other.hash(), sound().hash());
            other
        };
        let unsealed = {
            let mut header = sound();
            header.digest_mut().pop();
            header
        };
        let two_slots = {
            let mut header = sound();
            let seal = header.digest_mut().pop().unwrap();
            header.digest_mut().push(DigestItem::PreRuntime(AURA_ENGINE_ID, 1_003u64.encode()));
            header.digest_mut().push(seal);
            header
        };
        let unknown = H256::repeat_byte(9);
        for (second, error) in [
            (resealed, Error::<Test>::NoEquivocation),
            (unsealed, Error::<Test>::NoEquivocation),
            (two_slots, Error::<Test>::NoEquivocation),
            (block(2, 1_003, 6, hash(5), 2), Error::<Test>::NoEquivocation),
            (block(1, 1_001, 6, hash(5), 2), Error::<Test>::NoEquivocation),
            (block(2, 1_001, 6, unknown, 2), Error::<Test>::NotOfThisChain),
            (block(2, 1_001, 7, hash(6), 2), Error::<Test>::NotOfThisChain),
            (block(2, 1_001, 9_000, H256::zero(), 2), Error::<Test>::NotOfThisChain),
        ] {
            assert_noop!(report_blocks(sound(), second.clone()), error);
            assert!(report_blocks(second, sound()).is_err());
        }
        // Both blocks are of another chain, on which the same key makes blocks.
        let foreign = |content| block(2, 1_001, 6, unknown, content);
        assert_noop!(report_blocks(foreign(1), foreign(2)), Error::<Test>::NotOfThisChain);
        assert!(Validators::equivocations().is_empty() && !Validators::is_rotation_pending());
    });
}

#[test]
fn pools_take_reports_of_their_own_node_only() {
    two_validators().execute_with(|| {
        let valid = |source, call: &Call<Test>| Pallet::<Test>::validate_report(source, call);
        let refused = |reason| Err(TransactionValidityError::Invalid(reason));
        let report = |key| Call::<Test>::report_votes { proof: two_votes(key, 0, 7) };
        for source in [TransactionSource::Local, TransactionSource::InBlock] {
            let taken = valid(source, &report(2)).unwrap();
            assert!(!taken.propagate && taken.priority == u64::MAX && taken.provides.len() == 1);
            assert_eq!(valid(source, &report(3)), refused(InvalidTransaction::BadProof));
            assert_eq!(valid(source, &Call::leave {}), refused(InvalidTransaction::Call));
        }
        assert_eq!(valid(TransactionSource::External, &report(2)), refused(InvalidTransaction::Call));
        let blocks = Call::report_blocks {
            first: block(2, 1_001, 6, hash(5), 1),
            second: block(2, 1_001, 6, hash(5), 2),
        };
        // At most one report of each validator waits in a pool, about votes or about blocks.
        let tags = |call: &Call<Test>| valid(TransactionSource::Local, call).unwrap().provides;
        assert_eq!(tags(&blocks), tags(&report(2)));
        assert_ne!(tags(&blocks), tags(&report(1)));
        assert_ok!(Validators::report_votes(RuntimeOrigin::none(), two_votes(2, 0, 7)));
        for late in [report(2), blocks] {
            assert_eq!(valid(TransactionSource::InBlock, &late), refused(InvalidTransaction::Stale));
        }
    });
}
