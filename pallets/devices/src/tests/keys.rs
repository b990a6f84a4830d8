//! New keys of devices.

use crate::{mock::*, DeviceOfKey, Error, Event};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::AccountRefusal;
use streembit_primitives::{
    device::{DeviceState, KeyChange, KeyConsent, LastAnchored, MAX_LATER},
    AccountId, DeviceId, DeviceKey, Hash, Signature,
};

/// Rotates a key with the consents of both keys, as an account of the owner.
fn rotate(
    device: DeviceId,
    old: &TestKey,
    new: &TestKey,
    from: u64,
    last: Box<LastAnchored>,
) -> DispatchResult {
    let agreed = key_consent(device, &new.own(), from);
    let (old, consent) = (old.sign_key(&agreed), new.sign_key(&agreed));
    Devices::rotate_key(signed(OWNER), device, new.own(), from, last, old, consent)
}

/// Recovers a key with the consent of the new one.
fn recover(
    by: AccountId,
    device: DeviceId,
    new: &TestKey,
    from: u64,
    last: Box<LastAnchored>,
) -> DispatchResult {
    let consent = new.sign_key(&key_consent(device, &new.own(), from));
    Devices::recover_key(signed(by), device, new.own(), from, last, consent)
}

fn key_at(device: DeviceId, sequence: u64) -> (DeviceKey, KeyChange) {
    let record = Devices::device(&device).unwrap();
    let period = record.key_at(sequence);
    (period.key.clone(), period.change)
}

#[test]
fn each_key_counts_for_its_events() {
    chain().execute_with(|| {
        let keys = [TestKey::p256(1), TestKey::ed25519(2), TestKey::sr25519(3)];
        let device = register(&keys[0]);
        let heads = anchor(first_log(), &[(device, 9)]);
        assert_ok!(rotate(device, &keys[0], &keys[1], 12, last(&heads, device)));
        System::assert_last_event(
            Event::KeyChanged { device, key: keys[1].own(), from: 12, change: KeyChange::Rotated }.into(),
        );
        assert_ok!(recover(OWNER, device, &keys[2], 20, last(&heads, device)));
        for (sequence, key, change) in [
            (0, 0, KeyChange::Registered),
            (11, 0, KeyChange::Registered),
            (12, 1, KeyChange::Rotated),
            (19, 1, KeyChange::Rotated),
            (20, 2, KeyChange::Recovered),
            (u64::MAX, 2, KeyChange::Recovered),
        ] {
            assert_eq!(key_at(device, sequence), (keys[key].own(), change), "{sequence}");
        }
        for key in &keys {
            assert_eq!(Devices::device_of_key(&key.own().device_id()), Some(device));
        }
        assert_eq!(Devices::device(&device).unwrap().device_id(), device);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_key_does_not_change_before_what_is_anchored() {
    chain().execute_with(|| {
        let keys = [TestKey::ed25519(1), TestKey::ed25519(2), TestKey::ed25519(3)];
        let (device, other) = (register(&keys[0]), register_hosted(1));
        // The log has no anchor, so there is no map of which the device could be absent.
        let absent = last(&anchor(second_log(), &[(DeviceId([0; 32]), 1)]), device);
        assert_noop!(rotate(device, &keys[0], &keys[1], 0, absent), Error::<Test>::HeadProof);
        let old = anchor(first_log(), &[(device, 5), (other, 80)]);
        let heads = anchor(first_log(), &[(device, 9), (other, 99)]);
        for proof in [last(&old, device), last(&heads, other), no_anchor()] {
            assert_noop!(rotate(device, &keys[0], &keys[1], 100, proof), Error::<Test>::HeadProof);
        }
        let proof = || last(&heads, device);
        for from in [0, 9] {
            let early = rotate(device, &keys[0], &keys[1], from, proof());
            assert_noop!(early, Error::<Test>::AnchoredHistory);
            assert_noop!(recover(OWNER, device, &keys[1], from, proof()), Error::<Test>::AnchoredHistory);
        }
        assert_ok!(rotate(device, &keys[0], &keys[1], 15, proof()));
        // Out of order: before the change before it.
        assert_noop!(rotate(device, &keys[1], &keys[2], 14, proof()), Error::<Test>::AnchoredHistory);
        assert_ok!(rotate(device, &keys[1], &keys[2], 15, proof()));
        assert_eq!(key_at(device, 14).0, keys[0].own());
        assert_eq!(key_at(device, 15).0, keys[2].own());
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_device_without_anchored_events_may_get_a_key_from_the_first_event_on() {
    chain().execute_with(|| {
        let keys = [TestKey::ed25519(1), TestKey::ed25519(2), TestKey::ed25519(3)];
        let (device, other) = (register(&keys[0]), register_hosted(1));
        assert_ok!(rotate(device, &keys[0], &keys[1], 0, no_anchor()));
        let heads = anchor(first_log(), &[(other, 3)]);
        assert_noop!(rotate(device, &keys[1], &keys[2], 0, no_anchor()), Error::<Test>::HeadProof);
        assert_ok!(rotate(device, &keys[1], &keys[2], 0, last(&heads, device)));
        assert_eq!(key_at(device, 0).0, keys[2].own());
    });
}

#[test]
fn no_key_is_used_twice() {
    chain().execute_with(|| {
        let keys = [TestKey::ed25519(1), TestKey::p256(2), TestKey::ed25519(3)];
        let (device, other) = (register(&keys[0]), register(&keys[2]));
        let in_use = Error::<Test>::KeyInUse;
        assert_noop!(rotate(device, &keys[0], &keys[0], 0, no_anchor()), in_use);
        assert_noop!(rotate(device, &keys[0], &keys[2], 0, no_anchor()), Error::<Test>::KeyInUse);
        assert_ok!(rotate(device, &keys[0], &keys[1], 4, no_anchor()));
        // A former key, for the same device, for another one, and for a new one.
        assert_noop!(rotate(device, &keys[1], &keys[0], 8, no_anchor()), Error::<Test>::KeyInUse);
        assert_noop!(recover(OWNER, other, &keys[0], 8, no_anchor()), Error::<Test>::KeyInUse);
        for (key, error) in [(0, Error::<Test>::Registered), (1, Error::<Test>::KeyInUse)] {
            let own = keys[key].own();
            let consent = keys[key].sign_registration(&registration(&own));
            let again = Devices::register(signed(OWNER), own, gateway().account(), consent, None);
            assert_eq!(again, Err(error.into()));
        }
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn both_keys_sign_one_change_of_one_device() {
    chain().execute_with(|| {
        let (old, new, third) = (TestKey::p256(1), TestKey::p256(2), TestKey::ed25519(3));
        let device = register(&old);
        let rotate = |from, old: Signature, consent: Signature| {
            Devices::rotate_key(signed(OWNER), device, new.own(), from, no_anchor(), old, consent)
        };
        let agreed = key_consent(device, &new.own(), 4);
        let changes: [fn(&mut KeyConsent); 6] = [
            |c| c.genesis = Hash([7; 32]),
            |c| c.device = DeviceId([7; 32]),
            |c| c.key = TestKey::ed25519(9).own(),
            |c| c.owner = party(OTHER),
            |c| c.from = 5,
            |c| c.keys = 2,
        ];
        for change in changes {
            let mut other = agreed.clone();
            change(&mut other);
            let (good, bad) = (old.sign_key(&agreed), old.sign_key(&other));
            assert_noop!(rotate(4, bad, new.sign_key(&agreed)), Error::<Test>::BadConsent);
            assert_noop!(rotate(4, good, new.sign_key(&other)), Error::<Test>::BadConsent);
        }
        let (by_old, by_new) = (old.sign_key(&agreed), new.sign_key(&agreed));
        for (first, second) in [
            (by_new, by_new),
            (by_old, by_old),
            (by_new, by_old),
            (third.sign_key(&agreed), by_new),
            (by_old, third.sign_key(&agreed)),
            (raise_s(by_old), by_new),
            (by_old, raise_s(by_new)),
        ] {
            assert_noop!(rotate(4, first, second), Error::<Test>::BadConsent);
        }
        assert_ok!(rotate(4, by_old, by_new));
    });
}

#[test]
fn the_very_bytes_of_a_consent_are_valid_once() {
    chain().execute_with(|| {
        let (old, new, third) = (TestKey::ed25519(1), TestKey::ed25519(2), TestKey::ed25519(3));
        let device = register(&old);
        let agreed = key_consent(device, &new.own(), 4);
        let consent = new.sign_key(&agreed);
        let recover_again =
            || Devices::recover_key(signed(OWNER), device, new.own(), 4, no_anchor(), consent);
        assert_ok!(recover_again());
        assert_noop!(recover_again(), Error::<Test>::KeyInUse);
        // Even if the key were unknown, the consent is for the second key of the device.
        assert_ok!(recover(OWNER, device, &third, 4, no_anchor()));
        DeviceOfKey::<Test>::remove(new.own().device_id());
        assert_noop!(recover_again(), Error::<Test>::BadConsent);
    });
}

#[test]
fn only_accounts_of_the_owner_change_keys_within_their_scope_and_time() {
    chain().execute_with(|| {
        let (old, new, third) = (TestKey::ed25519(1), TestKey::ed25519(2), TestKey::ed25519(3));
        let device = register(&old);
        let by = |by, key| recover(by, device, key, 4, no_anchor());
        for (account, error) in [
            (CLERK, refused(AccountRefusal::OutOfScope)),
            (gateway().account(), refused(AccountRefusal::OutOfScope)),
            (STRANGER, refused(AccountRefusal::NoParty)),
            (OTHER, Error::<Test>::NotYourDevice.into()),
        ] {
            assert_noop!(by(account, &new), error);
        }
        let unknown = DeviceId([7; 32]);
        let consent = new.sign_key(&key_consent(device, &new.own(), 4));
        assert_noop!(
            Devices::recover_key(signed(OWNER), unknown, new.own(), 4, no_anchor(), consent),
            Error::<Test>::UnknownDevice
        );
        assert_ok!(by(TECHNICIAN, &new));
        Now::set(&2_000);
        assert_noop!(by(TECHNICIAN, &third), refused(AccountRefusal::Ended));
        // The owner is expelled, and comes back.
        expel(OWNER);
        assert_noop!(by(OWNER, &third), refused(AccountRefusal::NoParty));
        readmit(OWNER);
        assert_ok!(by(OWNER, &third));
    });
}

#[test]
fn a_retired_device_keeps_its_key() {
    chain().execute_with(|| {
        let (old, new) = (TestKey::ed25519(1), TestKey::ed25519(2));
        let device = register(&old);
        assert_ok!(Devices::set_state(signed(OWNER), device, DeviceState::Retired));
        assert_noop!(rotate(device, &old, &new, 4, no_anchor()), Error::<Test>::Retired);
        assert_noop!(recover(OWNER, device, &new, 4, no_anchor()), Error::<Test>::Retired);
    });
}

#[test]
fn only_the_gateway_that_keeps_the_events_becomes_the_host() {
    chain().execute_with(|| {
        let own = TestKey::ed25519(1);
        let device = register_hosted(1);
        // The device gets a key of its own. The gateway is the key before it.
        assert_ok!(rotate(device, &gateway(), &own, 4, no_anchor()));
        let host = |host: &TestKey| {
            let key = host.hosted(2);
            let agreed = key_consent(device, &key, 8);
            let (old, new) = (own.sign_key(&agreed), host.sign_key(&agreed));
            Devices::rotate_key(signed(OWNER), device, key, 8, no_anchor(), old, new)
        };
        assert_noop!(host(&second_gateway()), Error::<Test>::HostedElsewhere);
        assert_ok!(host(&gateway()));
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_full_record_takes_no_further_key() {
    chain().execute_with(|| {
        let device = register(&TestKey::ed25519(1));
        for n in 0..MAX_LATER as u8 {
            assert_ok!(recover(OWNER, device, &TestKey::ed25519(n + 2), u64::from(n), no_anchor()));
        }
        let next = TestKey::ed25519(200);
        assert_noop!(recover(OWNER, device, &next, 99, no_anchor()), Error::<Test>::RecordFull);
        // What to do: retire it, and register it with the new key.
        assert_ok!(Devices::set_state(signed(OWNER), device, DeviceState::Retired));
        register(&next);
        assert_ok!(Devices::check_state());
    });
}
