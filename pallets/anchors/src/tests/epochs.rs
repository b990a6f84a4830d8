//! Gateways close their logs and open new ones.

use crate::{mock::*, Epochs, Error, Event, LogLookup as _, MAX_EPOCHS};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::AccountRefusal;
use sp_runtime::DispatchError;
use streembit_primitives::{checkpoint::EpochState, merkle::ConsistencyProof, LogId};

const NEXT: LogId = LogId { epoch: 1, ..LOG };

fn refused(refusal: AccountRefusal) -> DispatchError {
    DispatchError::Other(refusal.into())
}

fn anchor(log: &Leaves, id: LogId, size: u64) -> DispatchResult {
    Anchors::anchor(signed(GATEWAY), log.checkpoint(id, size), ConsistencyProof::default())
}

#[test]
fn a_closed_log_keeps_its_anchor_and_the_next_one_begins_anew() {
    chain().execute_with(|| {
        let (lost, next) = (Leaves::new(30, 0, 0), Leaves::new(5, 1, 0));
        assert_ok!(anchor(&lost, LOG, 20));
        assert_eq!(
            (Anchors::epoch(&GATEWAY), Anchors::open_log(&GATEWAY)),
            (EpochState::default(), Some(LOG))
        );
        assert_ok!(Anchors::close_epoch(signed(GATEWAY), GATEWAY));
        System::assert_last_event(Event::EpochClosed { log: LOG, size: 20 }.into());
        assert_eq!(Anchors::open_log(&GATEWAY), None);
        // Neither the old log nor the next one can be anchored now.
        let further = Anchors::anchor(signed(GATEWAY), lost.checkpoint(LOG, 30), lost.consistency(20, 30));
        assert_noop!(further, Error::<Test>::EpochNotOpen);
        assert_noop!(anchor(&next, NEXT, 5), Error::<Test>::EpochNotOpen);

        assert_ok!(Anchors::open_epoch(signed(GATEWAY), GATEWAY));
        System::assert_last_event(Event::EpochOpened { log: NEXT }.into());
        let further = Anchors::anchor(signed(GATEWAY), lost.checkpoint(LOG, 30), lost.consistency(20, 30));
        assert_noop!(further, Error::<Test>::EpochNotOpen);
        assert_ok!(anchor(&next, NEXT, 5));
        let latest = |log| Anchors::latest_checkpoint(&log);
        assert_eq!(
            (latest(LOG), latest(NEXT)),
            (Some(lost.checkpoint(LOG, 20)), Some(next.checkpoint(NEXT, 5)))
        );
        assert!(Anchors::anchored_root(&LOG, 20).is_some());
        // Another gateway's log is not concerned.
        assert_eq!(Anchors::open_log(&OTHER), Some(LogId::first(OTHER)));
        assert_ok!(Anchors::check_state());
    });
}

#[test]
fn a_log_is_closed_and_opened_once() {
    chain().execute_with(|| {
        assert_noop!(Anchors::open_epoch(signed(GATEWAY), GATEWAY), Error::<Test>::EpochOpen);
        assert_ok!(Anchors::close_epoch(signed(GATEWAY), GATEWAY));
        System::assert_last_event(Event::EpochClosed { log: LOG, size: 0 }.into());
        assert_noop!(Anchors::close_epoch(signed(GATEWAY), GATEWAY), Error::<Test>::EpochNotOpen);
        assert_ok!(Anchors::open_epoch(signed(GATEWAY), GATEWAY));
        assert_noop!(Anchors::open_epoch(signed(GATEWAY), GATEWAY), Error::<Test>::EpochOpen);
        assert_eq!(Anchors::epoch(&GATEWAY), EpochState { number: 1, open: true });
    });
}

#[test]
fn only_the_gateway_and_its_party_within_scope_and_time_close_and_open() {
    chain().execute_with(|| {
        let cases = [
            (CLERK, refused(AccountRefusal::OutOfScope)),
            (STRANGER, refused(AccountRefusal::NoParty)),
            (OTHER, refused(AccountRefusal::OutOfScope)),
            (NEIGHBOUR, Error::<Test>::NotYourGateway.into()),
        ];
        for (by, error) in cases {
            assert_noop!(Anchors::close_epoch(signed(by), GATEWAY), error);
        }
        assert_noop!(Anchors::close_epoch(signed(STRANGER), STRANGER), Error::<Test>::NotAGateway);
        assert_ok!(Anchors::close_epoch(signed(OPERATOR), GATEWAY));
        for (by, error) in cases {
            assert_noop!(Anchors::open_epoch(signed(by), GATEWAY), error);
        }
        Now::set(&OPERATOR_ENDS);
        let ended = refused(AccountRefusal::Ended);
        assert_noop!(Anchors::open_epoch(signed(OPERATOR), GATEWAY), ended);
        // The party is expelled, and its gateway with it.
        IsMember::set(&false);
        assert_noop!(Anchors::open_epoch(signed(GATEWAY), GATEWAY), Error::<Test>::NotAGateway);
        IsMember::set(&true);
        assert_ok!(Anchors::open_epoch(signed(GATEWAY), GATEWAY));
        assert_ok!(Anchors::close_epoch(signed(NEIGHBOUR), OTHER));
    });
}

#[test]
fn the_logs_of_a_gateway_are_limited() {
    chain().execute_with(|| {
        Epochs::<Test>::insert(GATEWAY, EpochState { number: MAX_EPOCHS - 2, open: false });
        assert_ok!(Anchors::open_epoch(signed(GATEWAY), GATEWAY));
        assert_ok!(Anchors::close_epoch(signed(GATEWAY), GATEWAY));
        assert_noop!(Anchors::open_epoch(signed(GATEWAY), GATEWAY), Error::<Test>::TooManyEpochs);
        assert_ok!(Anchors::check_state());
    });
}
