//! Devices whose gateway gives no proof, gives a false one, or does harm before they leave it.

use crate::{mock::*, AllowedChanges, Error, Event, KEEPER_LEAP, RESERVED_FOR_OWNER};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::DeviceRegistry;
use streembit_primitives::{
    device::{CouncilDecision, DecidedChange, DeviceState, LastAnchored, MAX_LATER, MAX_LEAP},
    AccountId, DeviceId,
};

fn decided() -> Box<LastAnchored> {
    Box::new(LastAnchored::Decided)
}

/// Assigns a device to the first log of the second gateway, as the owner.
fn rescue(device: DeviceId, from: u64, last: Box<LastAnchored>) -> DispatchResult {
    let record = Devices::device(&device).unwrap();
    let consent = keep(device, record.key(), record.owner(), second_log());
    let host = second_gateway().account();
    Devices::reassign(signed(OWNER), device, host, None, from, last, Some(consent))
}

/// The first gateway closes its log, opens the next one, and takes a device into it.
fn take(device: DeviceId, from: u64, last: Box<LastAnchored>) -> DispatchResult {
    let host = gateway().account();
    assert_ok!(Anchors::close_epoch(signed(host), host));
    assert_ok!(Anchors::open_epoch(signed(host), host));
    Devices::reassign(signed(host), device, host, None, from, last, None)
}

#[test]
fn the_council_frees_a_device_whose_heads_map_nobody_has() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        anchor(first_log(), &[(DeviceId([7; 32]), 3)]);
        assert_noop!(rescue(device, 10, no_anchor()), Error::<Test>::HeadProof);
        assert_noop!(rescue(device, 10, decided()), Error::<Test>::NotAllowed);
        assert_ok!(Devices::allow(device, DecidedChange::Log, 8));
        System::assert_last_event(
            Event::ChangeAllowed { device, change: DecidedChange::Log, from: 8 }.into(),
        );
        assert_noop!(rescue(device, 7, decided()), Error::<Test>::AnchoredHistory);
        // Only the change that the council allowed.
        let declare = |by: AccountId| Devices::declare_lost(signed(by), device, 20, decided());
        assert_noop!(declare(OWNER), Error::<Test>::NotAllowed);
        assert_ok!(rescue(device, 10, decided()));
        let record = Devices::device(&device).unwrap();
        let decision = CouncilDecision { change: DecidedChange::Log, from: 8, block: 5 };
        assert_eq!(record.decisions(), [decision]);
        assert!(record.is_range_lost(8, 10) && !record.is_lost(7) && !record.is_lost(10));
        // Only once.
        assert!(!AllowedChanges::<Test>::contains_key(device));
        assert_ok!(Devices::allow(device, DecidedChange::Lost, 12));
        assert_noop!(declare(OTHER), Error::<Test>::NotYourDevice);
        assert_ok!(declare(OWNER));
        assert_noop!(declare(OWNER), Error::<Test>::NotAllowed);
        let (old, new) = (TestKey::ed25519(1), TestKey::ed25519(2));
        assert_ok!(Devices::allow(device, DecidedChange::Key, 30));
        let agreed = key_consent(device, &new.own(), 30);
        let (by_old, by_new) = (old.sign_key(&agreed), new.sign_key(&agreed));
        assert_ok!(Devices::rotate_key(signed(OWNER), device, new.own(), 30, decided(), by_old, by_new));
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn the_council_allows_nothing_impossible() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        let allow = |device, from| Devices::allow(device, DecidedChange::Lost, from);
        assert_noop!(allow(DeviceId([7; 32]), 0), Error::<Test>::UnknownDevice);
        assert_noop!(allow(device, MAX_LEAP + 1), Error::<Test>::TooFar);
        assert_ok!(Devices::declare_lost(signed(OWNER), device, 5, no_anchor()));
        assert_noop!(allow(device, 4), Error::<Test>::AnchoredHistory);
        assert_ok!(allow(device, 5));
        // The decision ends with the ownership, and when the device is retired.
        assert_ok!(Devices::transfer(signed(OWNER), device, Some(party(OTHER))));
        let shown = Devices::device(&device).unwrap().hash();
        assert_ok!(Devices::accept(signed(OTHER), device, party(OWNER), shown));
        assert!(!AllowedChanges::<Test>::contains_key(device));
        assert_ok!(allow(device, 5));
        assert_ok!(Devices::set_state(signed(OTHER), device, DeviceState::Retired));
        assert!(!AllowedChanges::<Test>::contains_key(device));
        assert_noop!(allow(device, 5), Error::<Test>::Retired);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_gateway_does_not_claim_a_head_that_its_log_has_no_room_for() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        let heads = anchor(first_log(), &[(device, u64::MAX)]);
        assert_ok!(rescue(device, ANCHORED_SIZE, last(&heads, device)));
        assert_eq!(Devices::device(&device).unwrap().log_at(0).until_size, Some(ANCHORED_SIZE));
    });
}

#[test]
fn a_gateway_does_not_skip_many_events_without_the_owner() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        for from in [u64::MAX, KEEPER_LEAP + 1] {
            assert_noop!(take_again(device, from), Error::<Test>::TooFar);
        }
        assert_ok!(take_again(device, KEEPER_LEAP));
    });
}

/// Like [`take`], from a log without an anchor.
fn take_again(device: DeviceId, from: u64) -> DispatchResult {
    frame_support::storage::with_storage_layer(|| take(device, from, no_anchor()))
}

#[test]
fn a_gateway_leaves_places_in_the_record_to_the_owner() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        for _ in 0..MAX_LATER - RESERVED_FOR_OWNER {
            assert_ok!(take_again(device, 0));
        }
        assert_noop!(take_again(device, 0), Error::<Test>::ReservedForOwner);
        assert_ok!(rescue(device, 0, no_anchor()));
    });
}

#[test]
fn a_retired_device_is_refused_as_such() {
    chain().execute_with(|| {
        let (device, key) = (register(&TestKey::ed25519(1)), TestKey::ed25519(1));
        let stale = last(&anchor(second_log(), &[(device, 3)]), device);
        assert_ok!(Devices::set_state(signed(OWNER), device, DeviceState::Retired));
        let consent = key.sign_key(&key_consent(device, &key.own(), 4));
        let recover = Devices::recover_key(signed(OWNER), device, key.own(), 4, stale.clone(), consent);
        assert_eq!(recover, Err(Error::<Test>::Retired.into()));
        assert_noop!(rescue(device, 4, stale.clone()), Error::<Test>::Retired);
        let declare = Devices::declare_lost(signed(OWNER), device, 9, stale);
        assert_eq!(declare, Err(Error::<Test>::Retired.into()));
    });
}
