//! The logs of devices, and the events that are declared lost.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::AccountRefusal;
use streembit_primitives::{
    device::{DeviceState, KeyChange, LastAnchored, LogConsent, MAX_LATER, MAX_LOST},
    AccountId, DeviceId, DeviceKey, Hash, LogId, Signature,
};

/// The second log of the first gateway.
fn next_log() -> LogId {
    LogId { epoch: 1, ..first_log() }
}

/// Assigns a device to a log as the owner, with the consent of the gateway.
fn reassign(
    device: DeviceId,
    log: LogId,
    host_key: Option<DeviceKey>,
    from: u64,
    last: Box<LastAnchored>,
) -> DispatchResult {
    let record = Devices::device(&device).unwrap();
    let consent = keep(device, host_key.as_ref().unwrap_or(record.key()), record.owner(), log);
    Devices::reassign(signed(OWNER), device, log.gateway, host_key, from, last, Some(consent))
}

/// The gateway closes its log and opens the next one.
fn next_epoch(gateway: AccountId) {
    assert_ok!(Anchors::close_epoch(signed(gateway), gateway));
    assert_ok!(Anchors::open_epoch(signed(gateway), gateway));
}

#[test]
fn the_devices_of_a_burnt_gateway_move_to_another_one() {
    chain().execute_with(|| {
        let (hosted, own) = (register_hosted(1), register(&TestKey::p256(2)));
        let heads = anchor(first_log(), &[(hosted, 9), (own, 4)]);
        let host_key = second_gateway().hosted(7);
        assert_ok!(reassign(hosted, second_log(), Some(host_key.clone()), 15, last(&heads, hosted)));
        System::assert_has_event(
            Event::Reassigned { device: hosted, log: second_log(), from: 15, lost: 5 }.into(),
        );
        let change = KeyChange::Rehosted;
        System::assert_last_event(
            Event::KeyChanged { device: hosted, key: host_key.clone(), from: 15, change }.into(),
        );
        assert_ok!(reassign(own, second_log(), None, 5, last(&heads, own)));

        let record = Devices::device(&hosted).unwrap();
        assert_eq!((record.log_at(14).log, record.log_at(15).log), (first_log(), second_log()));
        assert_eq!(
            (record.key_at(14).key.clone(), record.key_at(15).key.clone()),
            (gateway().hosted(1), host_key)
        );
        assert!((10..15).all(|sequence| record.is_lost(sequence)));
        assert!(!record.is_lost(9) && !record.is_lost(15));
        let record = Devices::device(&own).unwrap();
        assert!(record.lost().is_empty());
        assert_eq!(record.keys().count(), 1);
        assert!(Devices::devices_of_gateway(&gateway().account()).is_empty());
        assert_eq!(Devices::devices_of_gateway(&second_gateway().account()).len(), 2);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_gateway_takes_its_devices_into_its_next_log() {
    chain().execute_with(|| {
        let host = gateway().account();
        let devices = [register_hosted(1), register(&TestKey::ed25519(2))];
        let heads = anchor(first_log(), &[(devices[0], 9), (devices[1], 3)]);
        let take = |by: AccountId, device: DeviceId, host_key, from| {
            Devices::reassign(signed(by), device, host, host_key, from, last(&heads, device), None)
        };
        assert_noop!(take(host, devices[0], None, 10), Error::<Test>::SameLog);
        assert_ok!(Anchors::close_epoch(signed(host), host));
        assert_noop!(take(host, devices[0], None, 10), Error::<Test>::EpochNotOpen);
        assert_ok!(Anchors::open_epoch(signed(host), host));
        // Neither another gateway nor the owner without the gateway's consent, and no new key without the owner.
        let out_of_scope = refused(AccountRefusal::OutOfScope);
        assert_noop!(take(second_gateway().account(), devices[0], None, 10), out_of_scope);
        assert_noop!(take(OWNER, devices[0], None, 10), Error::<Test>::NoLogConsent);
        assert_noop!(take(host, devices[0], Some(gateway().hosted(9)), 10), out_of_scope);
        assert_ok!(take(host, devices[0], None, 12));
        assert_ok!(take(host, devices[1], None, 4));
        for (device, from, lost) in [(devices[0], 12, 2), (devices[1], 4, 0)] {
            System::assert_has_event(Event::Reassigned { device, log: next_log(), from, lost }.into());
            assert_eq!(Devices::device(&device).unwrap().log(), next_log());
        }
        assert_eq!(Devices::devices_of_gateway(&host).len(), 2);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_gateway_takes_nothing_that_it_does_not_keep() {
    chain().execute_with(|| {
        let (device, thief) = (register(&TestKey::ed25519(1)), second_gateway().account());
        let own = Devices::device(&device).unwrap().key().clone();
        let take = |consent: Option<Signature>| {
            Devices::reassign(signed(thief), device, thief, None, 0, no_anchor(), consent)
        };
        assert_noop!(take(None), refused(AccountRefusal::OutOfScope));
        let consent = keep(device, &own, party(OWNER), second_log());
        assert_noop!(take(Some(consent)), refused(AccountRefusal::OutOfScope));
        // Its party does not own the device.
        let by_party = Devices::reassign(signed(OTHER), device, thief, None, 0, no_anchor(), Some(consent));
        assert_eq!(by_party, Err(Error::<Test>::NotYourDevice.into()));
    });
}

#[test]
fn the_gateway_agrees_to_one_assignment() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        let key = Devices::device(&device).unwrap().key().clone();
        let host = second_gateway();
        let move_with =
            |consent| Devices::reassign(signed(OWNER), device, host.account(), None, 0, no_anchor(), consent);
        let agreed = log_consent(device, &key, party(OWNER), second_log());
        let changes: [fn(&mut LogConsent); 6] = [
            |c| c.genesis = Hash([7; 32]),
            |c| c.device = DeviceId([7; 32]),
            |c| c.key = TestKey::ed25519(9).own(),
            |c| c.owner = party(OTHER),
            |c| c.log.epoch = 1,
            |c| c.nonce += 1,
        ];
        assert_noop!(move_with(None), Error::<Test>::NoLogConsent);
        for change in changes {
            let mut other = agreed.clone();
            change(&mut other);
            assert_noop!(move_with(Some(host.sign_log(&other))), Error::<Test>::BadLogConsent);
        }
        assert_noop!(move_with(Some(gateway().sign_log(&agreed))), Error::<Test>::BadLogConsent);
        let consent = host.sign_log(&agreed);
        assert_ok!(move_with(Some(consent)));
        // Back at the first gateway, the very bytes do not bring the device to the second one again.
        assert_ok!(reassign(device, first_log(), None, 0, no_anchor()));
        assert_noop!(move_with(Some(consent)), Error::<Test>::BadLogConsent);
        assert_ok!(reassign(device, second_log(), None, 0, no_anchor()));
    });
}

#[test]
fn a_device_does_not_move_before_what_is_anchored() {
    chain().execute_with(|| {
        let (device, other) = (register(&TestKey::ed25519(1)), register_hosted(1));
        let old = anchor(first_log(), &[(device, 5), (other, 1)]);
        let heads = anchor(first_log(), &[(device, 9), (other, 90)]);
        for proof in [last(&old, device), last(&heads, other), no_anchor()] {
            assert_noop!(reassign(device, second_log(), None, 50, proof), Error::<Test>::HeadProof);
        }
        for from in [0, 6, 9] {
            let early = reassign(device, second_log(), None, from, last(&heads, device));
            assert_noop!(early, Error::<Test>::AnchoredHistory);
        }
        assert_ok!(reassign(device, second_log(), None, 12, last(&heads, device)));
        // The proof has to be of the present log now.
        let stale = reassign(device, first_log(), None, 20, last(&heads, device));
        assert_noop!(stale, Error::<Test>::HeadProof);
        assert_noop!(reassign(device, first_log(), None, 11, no_anchor()), Error::<Test>::AnchoredHistory);
        assert_ok!(reassign(device, first_log(), None, 12, no_anchor()));
    });
}

#[test]
fn a_hosted_device_needs_a_key_of_its_new_host() {
    chain().execute_with(|| {
        let (hosted, own) = (register_hosted(1), register(&TestKey::ed25519(2)));
        let to_second = |device, key| reassign(device, second_log(), key, 0, no_anchor());
        assert_noop!(to_second(hosted, None), Error::<Test>::HostedElsewhere);
        assert_noop!(to_second(hosted, Some(gateway().hosted(3))), Error::<Test>::HostedElsewhere);
        let foreign = Some(TestKey::ed25519(9).own());
        assert_noop!(to_second(hosted, foreign.clone()), Error::<Test>::NotHosted);
        assert_noop!(to_second(own, foreign), Error::<Test>::NotHosted);
        assert_noop!(to_second(own, Some(second_gateway().hosted(3))), Error::<Test>::NotHosted);
        let key = second_gateway().hosted(3);
        assert_ok!(to_second(hosted, Some(key.clone())));
        // Another device cannot get the same key.
        let other = register_hosted(4);
        assert_noop!(to_second(other, Some(key)), Error::<Test>::KeyInUse);
        // It returns to its first host, under its first key.
        assert_ok!(reassign(hosted, first_log(), Some(gateway().hosted(1)), 5, no_anchor()));
        let keys = Devices::device(&hosted).unwrap().keys().count();
        assert_eq!(keys, 3);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn an_expelled_gateway_takes_no_device() {
    chain().execute_with(|| {
        let (device, host) = (register_hosted(1), gateway().account());
        let key = || Some(second_gateway().hosted(1));
        expel(OTHER);
        assert_noop!(reassign(device, second_log(), key(), 0, no_anchor()), Error::<Test>::NotAGateway);
        readmit(OTHER);
        next_epoch(host);
        // The owner is expelled, and with it the gateway that keeps the device.
        expel(OWNER);
        let take = || Devices::reassign(signed(host), device, host, None, 0, no_anchor(), None);
        assert_noop!(take(), Error::<Test>::NotAGateway);
        readmit(OWNER);
        assert_ok!(take());
        assert_ok!(reassign(device, second_log(), key(), 0, no_anchor()));
    });
}

#[test]
fn the_devices_of_a_gateway_are_limited() {
    chain().execute_with(|| {
        let devices: Vec<_> = (0..MAX_OF_GATEWAY as u8).map(register_hosted).collect();
        let key = gateway().hosted(50);
        let consent = gateway().sign_registration(&registration(&key));
        let register = || Devices::register(signed(OWNER), key.clone(), gateway().account(), consent, None);
        assert_noop!(register(), Error::<Test>::TooManyOfGateway);
        // A move makes room here, and needs room there.
        let moved = Some(second_gateway().hosted(1));
        assert_ok!(reassign(devices[0], second_log(), moved, 0, no_anchor()));
        assert_ok!(register());
        let back = Some(gateway().hosted(60));
        assert_noop!(
            reassign(devices[0], first_log(), back, 0, no_anchor()),
            Error::<Test>::TooManyOfGateway
        );
        // A gateway keeps its own devices when it opens its next log.
        next_epoch(gateway().account());
        assert_ok!(reassign(devices[1], next_log(), None, 0, no_anchor()));
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_lost_range_does_not_cover_anchored_history() {
    chain().execute_with(|| {
        let (device, other) = (register_hosted(1), register_hosted(2));
        let old = anchor(first_log(), &[(device, 5), (other, 1)]);
        let heads = anchor(first_log(), &[(device, 9), (other, 1)]);
        let declare = |until, proof| Devices::declare_lost(signed(OWNER), device, until, proof);
        for until in [0, 5, 10] {
            assert_noop!(declare(until, last(&heads, device)), Error::<Test>::NothingLost);
        }
        for proof in [last(&old, device), last(&heads, other), no_anchor()] {
            assert_noop!(declare(20, proof), Error::<Test>::HeadProof);
        }
        assert_ok!(declare(20, last(&heads, device)));
        System::assert_last_event(Event::DeclaredLost { device, from: 10, until: 20 }.into());
        // What is lost stays lost, and a further range begins after it.
        assert_noop!(declare(20, last(&heads, device)), Error::<Test>::NothingLost);
        assert_ok!(declare(22, last(&heads, device)));
        System::assert_last_event(Event::DeclaredLost { device, from: 20, until: 22 }.into());
        let record = Devices::device(&device).unwrap();
        assert!(record.is_range_lost(10, 22) && !record.is_lost(9) && !record.is_lost(22));
        // Later events are anchored.
        let heads = anchor(first_log(), &[(device, 30), (other, 1)]);
        assert_ok!(declare(40, last(&heads, device)));
        System::assert_last_event(Event::DeclaredLost { device, from: 31, until: 40 }.into());
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn only_accounts_of_the_owner_declare_events_lost() {
    chain().execute_with(|| {
        let device = register_hosted(1);
        let declare = |by| Devices::declare_lost(signed(by), device, 9, no_anchor());
        for (by, error) in [
            (CLERK, refused(AccountRefusal::OutOfScope)),
            (gateway().account(), refused(AccountRefusal::OutOfScope)),
            (STRANGER, refused(AccountRefusal::NoParty)),
            (OTHER, Error::<Test>::NotYourDevice.into()),
        ] {
            assert_noop!(declare(by), error);
        }
        assert_ok!(declare(TECHNICIAN));
        assert_ok!(Devices::set_state(signed(OWNER), device, DeviceState::Retired));
        assert_noop!(declare(OWNER), Error::<Test>::Retired);
        let key = Some(second_gateway().hosted(1));
        assert_noop!(reassign(device, second_log(), key, 9, no_anchor()), Error::<Test>::Retired);
    });
}

#[test]
fn a_full_record_takes_no_further_log_or_lost_range() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        for n in 0..MAX_LATER {
            let log = if n % 2 == 0 { second_log() } else { first_log() };
            assert_ok!(reassign(device, log, None, 0, no_anchor()));
        }
        let log = first_log();
        assert_noop!(reassign(device, log, None, 0, no_anchor()), Error::<Test>::RecordFull);
        let declare = |until| Devices::declare_lost(signed(OWNER), device, until, no_anchor());
        for n in 1..=u64::from(MAX_LOST) {
            assert_ok!(declare(n));
        }
        assert_noop!(declare(99), Error::<Test>::RecordFull);
        assert_ok!(Devices::check_state());
    });
}
