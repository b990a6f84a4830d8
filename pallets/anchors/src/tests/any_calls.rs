//! Any sequence of calls, by any account, keeps the invariants, and the state grows with the number of logs only.

use crate::{mock::*, Epochs, Latest, Roots, Times, KEPT_ROOTS};
use proptest::prelude::*;
use std::collections::BTreeMap;
use streembit_primitives::{
    checkpoint::EpochState,
    merkle::{ConsistencyProof, MAX_LOG_SIZE},
    AccountId, Checkpoint, Hash, LogId,
};

const GATEWAYS: [AccountId; 2] = [GATEWAY, OTHER];

/// The entries of the longest of the logs that are told.
const LONGEST: u64 = 24;

#[derive(Clone, Debug)]
enum Step {
    /// Who, whose log, which epoch (`None` for the present one), which story, from which size, to which.
    Anchor(u8, u8, Option<u32>, u8, u64, u64),
    /// The same checkpoint with a fault.
    Faulty(u8, Fault, u64),
    /// Who closes whose log.
    Close(u8, u8),
    /// Who opens whose next log.
    Open(u8, u8),
    /// The party of the first gateway is expelled, or comes back.
    Expel,
    Blocks(u64),
}

#[derive(Clone, Debug)]
enum Fault {
    TooLarge,
    NoProof,
    LongProof,
}

fn who(number: u8) -> AccountId {
    match number {
        0 => GATEWAY,
        1 => OTHER,
        2 => STRANGER,
        3 => OPERATOR,
        4 => NEIGHBOUR,
        _ => CLERK,
    }
}

/// The log that an account writes now or wrote last.
fn log_of(number: u8) -> LogId {
    let gateway = who(number);
    LogId { gateway, epoch: Anchors::epoch(&gateway).number }
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::TooLarge), Just(Fault::NoProof), Just(Fault::LongProof)];
    let (size, epoch) = (0..=LONGEST, prop_oneof![4 => Just(None), 1 => (0u32..3).prop_map(Some)]);
    prop_oneof![
        8 => (0u8..3, 0u8..3, epoch, 0u8..2, size.clone(), size.clone())
            .prop_map(|(by, of, epoch, story, old, new)| Step::Anchor(by, of, epoch, story, old, new)),
        2 => (0u8..3, fault, size).prop_map(|(by, fault, size)| Step::Faulty(by, fault, size)),
        1 => (0u8..6, 0u8..3).prop_map(|(by, of)| Step::Close(by, of)),
        2 => (0u8..6, 0u8..3).prop_map(|(by, of)| Step::Open(by, of)),
        1 => Just(Step::Expel),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

/// Executes a step. Returns true if it anchored a log.
fn take(stories: &[Leaves; 2], step: Step) -> bool {
    match step {
        Step::Anchor(by, of, epoch, story, old, size) => {
            let story = &stories[usize::from(story)];
            let present = log_of(of);
            let log = LogId { epoch: epoch.unwrap_or(present.epoch), ..present };
            let checkpoint = story.checkpoint(log, size);
            // The owner of a log knows its anchored size.
            let old = if by == of { anchored(of) } else { old };
            let proof = story.consistency(old.min(size), size);
            Anchors::anchor(signed(who(by)), checkpoint, proof).is_ok()
        }
        Step::Faulty(by, fault, size) => {
            let log = log_of(by);
            let mut checkpoint = stories[0].checkpoint(log, size);
            let mut proof = stories[0].consistency(anchored(by).min(size), size);
            match fault {
                Fault::TooLarge => checkpoint.size = MAX_LOG_SIZE + 1,
                Fault::NoProof => {
                    checkpoint.root = Hash([7; 32]);
                    proof = ConsistencyProof::default();
                }
                Fault::LongProof => proof = ConsistencyProof::new(vec![Hash([7; 32]); 64]),
            }
            // A log's first anchor needs no proof, whatever its root is: only then may one of these be accepted.
            let first = anchored(by) == 0 && matches!(fault, Fault::NoProof);
            let accepted = Anchors::anchor(signed(who(by)), checkpoint, proof).is_ok();
            assert!(!accepted || first, "{fault:?} was accepted");
            accepted
        }
        Step::Close(by, of) => {
            let _ = Anchors::close_epoch(signed(who(by)), who(of));
            false
        }
        Step::Open(by, of) => {
            let _ = Anchors::open_epoch(signed(who(by)), who(of));
            false
        }
        Step::Expel => {
            IsMember::set(&!IsMember::get());
            false
        }
        Step::Blocks(count) => {
            System::set_block_number(System::block_number() + count);
            Now::set(&(Now::get() + 2_000 * count));
            false
        }
    }
}

fn anchored(of: u8) -> u64 {
    Anchors::latest(&log_of(of)).map_or(0, |anchor| anchor.checkpoint.size)
}

/// The anchored size of each log.
fn sizes() -> BTreeMap<LogId, u64> {
    Latest::<Test>::iter().map(|(log, anchor)| (log, anchor.checkpoint.size)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(
        fork in 1u64..20,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let stories = [Leaves::new(LONGEST, 0, 0), Leaves::new(LONGEST, 1, fork)];
        chain().execute_with(|| {
            for step in steps {
                let before = sizes();
                let open: Vec<_> = GATEWAYS.iter().filter_map(|of| Anchors::epoch(of).log(*of)).collect();
                let accepted = take(&stories, step.clone());
                prop_assert_eq!(Anchors::check_state(), Ok(()), "after {:?}", step);
                let after = sizes();
                for (log, size) in &before {
                    let grown = after.get(log).copied().unwrap_or_default();
                    prop_assert!(*size <= grown, "{} shrank after {:?}", log, step);
                    prop_assert!(*size == grown || open.contains(log), "{} was closed before {:?}", log, step);
                }
                prop_assert_eq!(accepted, before != after, "after {:?}", step);
                // One entry of each kind for each log, however often it is anchored; none for a stranger.
                let logs = Latest::<Test>::iter_keys().count();
                let begun: u32 = GATEWAYS.iter().map(|of| Anchors::epoch(of).number + 1).sum();
                prop_assert!(logs <= begun as usize, "{} logs", logs);
                prop_assert!(Epochs::<Test>::iter_keys().count() <= GATEWAYS.len());
                prop_assert_eq!(Roots::<Test>::iter_keys().count(), logs);
                let roots: usize = Roots::<Test>::iter_values().map(|roots| roots.len()).sum();
                prop_assert!(roots <= logs * KEPT_ROOTS as usize, "{} roots", roots);
            }
            Ok(())
        })?;
    }
}

/// An anchored log, and the chain with it.
fn sound() -> (Leaves, sp_io::TestExternalities) {
    let log = Leaves::new(20, 0, 0);
    let mut chain = chain();
    chain.execute_with(|| {
        for (old, size) in [(0, 10), (10, 20)] {
            let proof = log.consistency(old, size);
            Anchors::anchor(signed(GATEWAY), log.checkpoint(LOG, size), proof).unwrap();
        }
        assert_eq!(Anchors::check_state(), Ok(()));
    });
    (log, chain)
}

/// Each invariant sees its own fault.
#[test]
fn a_state_that_no_call_leaves_is_noticed() {
    type Change = fn(&mut Checkpoint);
    let faults: [(&str, Change); 4] = [
        ("an anchor is stored under another log", |c| c.log.gateway = OTHER),
        ("an anchored size is impossible", |c| c.size = MAX_LOG_SIZE + 1),
        ("the last root is not the latest anchor's", |c| c.root = Hash([7; 32])),
        ("the last root is not the latest anchor's", |c| c.size = 19),
    ];
    for (fault, change) in faults {
        let (log, mut chain) = sound();
        chain.execute_with(|| {
            let mut checkpoint = log.checkpoint(LOG, 20);
            change(&mut checkpoint);
            Latest::<Test>::mutate_extant(LOG, |anchor| anchor.checkpoint = checkpoint);
            assert_eq!(Anchors::check_state(), Err(fault));
        });
    }
    let changes: [(&str, fn()); 12] = [
        ("the last time of a log is not the one of its latest anchor", || {
            Times::<Test>::mutate(LOG, |times| times[1].size += 1);
        }),
        ("the times of a log are not in order", || {
            Times::<Test>::mutate(LOG, |times| times[0].size = times[1].size);
        }),
        ("a gateway had too many logs", || {
            Epochs::<Test>::insert(GATEWAY, EpochState { number: crate::MAX_EPOCHS, open: false });
        }),
        ("a gateway that never closed a log has an entry in `Epochs`", || {
            Epochs::<Test>::insert(GATEWAY, EpochState::default());
        }),
        ("an anchor of a log that was never open", || {
            let mut anchor = Latest::<Test>::get(LOG).unwrap();
            anchor.checkpoint.log.epoch = 1;
            Latest::<Test>::insert(LogId { epoch: 1, ..LOG }, anchor);
        }),
        ("an anchor of a future block", || {
            Latest::<Test>::mutate_extant(LOG, |anchor| anchor.block = 9);
        }),
        ("roots of a log without an anchor", || Latest::<Test>::remove(LOG)),
        ("a log that did not grow between two anchors", || {
            Roots::<Test>::mutate(LOG, |roots| roots[0].size = 20);
        }),
        ("the last root is not the latest anchor's", || {
            Roots::<Test>::mutate(LOG, |roots| roots[1].block = 0);
        }),
        ("an anchor before an earlier one", || {
            Roots::<Test>::mutate(LOG, |roots| roots[0].time += 1);
        }),
        ("an anchor before an earlier one", || {
            Roots::<Test>::mutate(LOG, |roots| roots[0].block += 1);
        }),
        ("a root of the future", || {
            Roots::<Test>::mutate(LOG, |roots| roots[1].time = Now::get() + 1);
        }),
    ];
    for (fault, change) in changes {
        sound().1.execute_with(|| {
            change();
            assert_eq!(Anchors::check_state(), Err(fault));
        });
    }
}
