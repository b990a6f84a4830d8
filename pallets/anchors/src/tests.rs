mod any_calls;
mod epochs;
mod times;

use crate::{mock::*, Error, Event, Genesis, KEPT_ROOTS};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, traits::Hooks as _};
use proptest::prelude::*;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    merkle::{ConsistencyProof, MAX_LOG_SIZE},
    Hash, LogId,
};

/// Anchors the first `size` entries as an extension of the first `old`.
fn anchor(log: &Leaves, old: u64, size: u64) -> DispatchResult {
    Anchors::anchor(signed(GATEWAY), log.checkpoint(LOG, size), log.consistency(old, size))
}

#[test]
fn a_growing_log_is_anchored_step_by_step() {
    chain().execute_with(|| {
        let log = Leaves::new(100, 0, 0);
        assert_eq!(Anchors::latest(&LOG), None);
        for (old, size) in [(0, 1), (1, 2), (2, 7), (7, 64), (64, 100)] {
            System::set_block_number(size);
            assert_ok!(anchor(&log, old, size));
            let checkpoint = log.checkpoint(LOG, size);
            System::assert_last_event(
                Event::Anchored { checkpoint: checkpoint.clone(), previous: old }.into(),
            );
            assert_eq!(Anchors::latest(&LOG), Some(Anchor { checkpoint, block: size as u32 }));
        }
    });
}

#[test]
fn the_state_names_its_chain_from_the_first_block_on() {
    sp_io::TestExternalities::default().execute_with(|| {
        for (number, parent) in [(1, [7; 32]), (2, [8; 32])] {
            System::initialize(&number, &parent.into(), &Default::default());
            Anchors::on_initialize(number);
            assert_eq!(Genesis::<Test>::get(), Some(Hash([7; 32])));
        }
    });
}

#[test]
fn what_was_anchored_cannot_be_rewritten() {
    chain().execute_with(|| {
        let (log, rewritten) = (Leaves::new(40, 0, 0), Leaves::new(40, 1, 9));
        assert_ok!(anchor(&log, 0, 10));
        // Entry 9 differs: neither the rewritten log's own proof nor the honest one carries it.
        let checkpoint = rewritten.checkpoint(LOG, 20);
        for proof in [rewritten.consistency(10, 20), log.consistency(10, 20), ConsistencyProof::default()] {
            assert_noop!(
                Anchors::anchor(signed(GATEWAY), checkpoint.clone(), proof),
                Error::<Test>::Inconsistent
            );
        }
        // A proof from another size than the anchored one, and a changed hash in a good one.
        assert_noop!(anchor(&log, 9, 20), Error::<Test>::Inconsistent);
        let mut hashes = log.consistency(10, 20).path().to_vec();
        hashes[0].0[0] ^= 1;
        assert_noop!(
            Anchors::anchor(signed(GATEWAY), log.checkpoint(LOG, 20), ConsistencyProof::new(hashes)),
            Error::<Test>::Inconsistent
        );
        assert_ok!(anchor(&log, 10, 20));
    });
}

#[test]
fn a_log_with_two_histories_from_one_point_is_anchored_with_one_of_them_only() {
    // Whichever comes first, and however the other tries to come after it.
    for (first, second) in [(0, 1), (1, 0)] {
        let stories = [Leaves::new(40, 0, 0), Leaves::new(40, 1, 12)];
        let (told, other) = (&stories[first], &stories[second]);
        chain().execute_with(|| {
            // The common past.
            assert_ok!(anchor(told, 0, 12));
            assert_eq!(told.checkpoint(LOG, 12), other.checkpoint(LOG, 12));
            assert_ok!(anchor(told, 12, 20));
            // The other history, from the fork, from the anchored size, of the same and of greater sizes.
            assert_noop!(anchor(other, 12, 20), Error::<Test>::NotLarger);
            for old in [12, 20] {
                assert_noop!(anchor(other, old, 30), Error::<Test>::Inconsistent);
            }
            let honest_proof = told.consistency(20, 30);
            assert_noop!(
                Anchors::anchor(signed(GATEWAY), other.checkpoint(LOG, 30), honest_proof),
                Error::<Test>::Inconsistent
            );
            assert_eq!(Anchors::latest(&LOG).map(|anchor| anchor.checkpoint), Some(told.checkpoint(LOG, 20)));
            assert_ok!(anchor(told, 20, 30));
        });
    }
}

#[test]
fn a_log_never_shrinks_or_stays() {
    chain().execute_with(|| {
        let log = Leaves::new(20, 0, 0);
        assert_noop!(anchor(&log, 0, 0), Error::<Test>::NotLarger);
        assert_ok!(anchor(&log, 0, 10));
        for size in [0, 1, 9, 10] {
            assert_noop!(anchor(&log, size, size), Error::<Test>::NotLarger);
        }
        // The same size with another root: two logs for two audiences.
        let other = Leaves::new(10, 1, 0);
        assert_noop!(anchor(&other, 10, 10), Error::<Test>::NotLarger);
    });
}

#[test]
fn nobody_anchors_another_gateways_log() {
    chain().execute_with(|| {
        let log = Leaves::new(10, 0, 0);
        let by = |who, log_id| {
            Anchors::anchor(signed(who), log.checkpoint(log_id, 10), ConsistencyProof::default())
        };
        assert_noop!(by(OTHER, LOG), Error::<Test>::NotYourLog);
        assert_noop!(by(STRANGER, LogId::first(STRANGER)), Error::<Test>::NotAGateway);
        assert_noop!(by(GATEWAY, LogId { epoch: 1, ..LOG }), Error::<Test>::EpochNotOpen);
        // Each gateway has its own.
        assert_ok!(by(GATEWAY, LOG));
        assert_ok!(by(OTHER, LogId::first(OTHER)));
    });
}

#[test]
fn a_first_anchor_has_a_size_and_needs_no_proof() {
    chain().execute_with(|| {
        let log = Leaves::new(10, 0, 0);
        let mut checkpoint = log.checkpoint(LOG, 10);
        assert_noop!(
            Anchors::anchor(signed(GATEWAY), checkpoint.clone(), ConsistencyProof::new(vec![Hash::ZERO])),
            Error::<Test>::Inconsistent
        );
        checkpoint.size = MAX_LOG_SIZE + 1;
        assert_noop!(
            Anchors::anchor(signed(GATEWAY), checkpoint, ConsistencyProof::default()),
            Error::<Test>::TooLarge
        );
    });
}

#[test]
fn proofs_may_refer_to_the_last_few_anchors_whose_times_are_known() {
    chain().execute_with(|| {
        let log = Leaves::new(30, 0, 0);
        let time = |size: u64| 1_000 + 250 * size;
        for size in 1..=20 {
            System::set_block_number(2 * size);
            Now::set(&time(size));
            assert_ok!(anchor(&log, size - 1, size));
            for at in 1..=20u64 {
                let kept = at <= size && at + u64::from(KEPT_ROOTS) > size;
                let root = log.checkpoint(LOG, at).root;
                let anchored = AnchoredRoot { size: at, root, time: time(at), block: 2 * at as u32 };
                let expected = kept.then_some(anchored);
                assert_eq!(Anchors::anchored_root(&LOG, at), expected, "size {at} when {size} is the latest");
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever a gateway that knows two stories submits, in whatever order: sizes grow, and the anchored roots are all
    /// of logs that agree with the first one anchored beyond the point where the stories part.
    #[test]
    fn no_sequence_of_calls_moves_a_log_back(
        fork in 1u64..20,
        calls in prop::collection::vec((0u8..2, 0u64..24, 0u64..24), 1..40),
    ) {
        let stories = [Leaves::new(24, 0, 0), Leaves::new(24, 1, fork)];
        chain().execute_with(|| {
            let mut told = None;
            for (story, old, size) in calls {
                let log = &stories[usize::from(story)];
                let before = Anchors::latest(&LOG).map_or(0, |anchor| anchor.checkpoint.size);
                let accepted = anchor(log, old.min(size), size).is_ok();
                let after = Anchors::latest(&LOG).map_or(0, |anchor| anchor.checkpoint.size);
                prop_assert_eq!(after, if accepted { size } else { before });
                prop_assert!(after >= before);
                prop_assert_eq!(Anchors::check_state(), Ok(()));
                if accepted {
                    prop_assert!(size > before);
                }
                if accepted && size > fork {
                    prop_assert_eq!(*told.get_or_insert(story), story, "changed its story");
                }
            }
            Ok(())
        })?;
    }
}
