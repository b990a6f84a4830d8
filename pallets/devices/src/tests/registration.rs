//! The registration of devices.

use crate::{mock::*, DeviceOfKey, Error, Event};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use pallet_parties::AccountRefusal;
use streembit_primitives::{
    device::{ChangeTime, DeviceRecord, DeviceState, LogConsent, RegistrationConsent},
    DeviceKey, Hash, LogId, PublicKey, Signature,
};

/// Registers a device of the owner at the first gateway, with the gateway's consent if it is not hosted.
fn register_with(key: &DeviceKey, consent: Signature) -> DispatchResult {
    let kept = keep(key.device_id(), key, party(OWNER), first_log());
    Devices::register(signed(OWNER), key.clone(), gateway().account(), consent, Some(kept))
}

#[test]
fn a_device_with_consent_is_registered_with_its_owner_and_log() {
    chain().execute_with(|| {
        let keys = [TestKey::sr25519(1), TestKey::ed25519(2), TestKey::p256(3)];
        let mut devices: Vec<_> = keys.iter().map(|key| (register(key), key.own())).collect();
        devices.push((register_hosted(4), gateway().hosted(4)));
        for (device, key) in &devices {
            let at = ChangeTime { block: 5, time: 1_000 };
            let record = DeviceRecord::new(key.clone(), party(OWNER), first_log(), at);
            assert_eq!(Devices::device(device), Some(record));
            assert_eq!(Devices::device_of_key(&key.device_id()), Some(*device));
        }
        let (device, key) = devices[3].clone();
        System::assert_last_event(
            Event::Registered { device, key, owner: party(OWNER), log: first_log() }.into(),
        );
        let mut expected: Vec<_> = devices.iter().map(|(device, _)| *device).collect();
        expected.sort();
        for mut listed in
            [Devices::devices_of_gateway(&gateway().account()), Devices::devices_of_owner(&party(OWNER))]
        {
            listed.sort();
            assert_eq!(listed, expected);
        }
        assert!(Devices::devices_of_gateway(&second_gateway().account()).is_empty());
        assert!(Devices::devices_of_owner(&party(OTHER)).is_empty());
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_consent_is_valid_for_one_chain_key_owner_log_and_nonce() {
    chain().execute_with(|| {
        let (device, other) = (TestKey::sr25519(1), TestKey::sr25519(2));
        let key = device.own();
        let changes: [fn(&mut RegistrationConsent); 6] = [
            |r| r.nonce = 1,
            |r| r.genesis = Hash([7; 32]),
            |r| r.owner = party(OTHER),
            |r| r.log = second_log(),
            |r| r.log.epoch = 1,
            |r| r.key = TestKey::sr25519(3).own(),
        ];
        for change in changes {
            let mut agreed = registration(&key);
            change(&mut agreed);
            assert_noop!(register_with(&key, device.sign_registration(&agreed)), Error::<Test>::BadConsent);
        }
        let by_other = other.sign_registration(&registration(&key));
        assert_noop!(register_with(&key, by_other), Error::<Test>::BadConsent);
        assert_noop!(register_with(&key, Signature::Sr25519([0; 64])), Error::<Test>::BadConsent);
        // A consent for one owner is useless to another party that has seen it.
        let seen = device.sign_registration(&registration(&key));
        let by_other = Devices::register(signed(OTHER), key.clone(), gateway().account(), seen, None);
        assert_eq!(by_other, Err(Error::<Test>::BadConsent.into()));
        assert_ok!(register_with(&key, seen));
    });
}

#[test]
fn a_device_with_its_own_key_needs_the_consent_of_the_gateway() {
    chain().execute_with(|| {
        let device = TestKey::ed25519(1);
        let (key, id) = (device.own(), device.own().device_id());
        let consent = device.sign_registration(&registration(&key));
        let register =
            |kept| Devices::register(signed(OWNER), device.own(), gateway().account(), consent, kept);
        assert_noop!(register(None), Error::<Test>::NoLogConsent);
        let changes: [fn(&mut LogConsent); 6] = [
            |c| c.nonce = 1,
            |c| c.genesis = Hash([7; 32]),
            |c| c.owner = party(OTHER),
            |c| c.log.epoch = 1,
            |c| c.key = TestKey::ed25519(3).own(),
            |c| c.device.0 = [7; 32],
        ];
        let agreed = log_consent(id, &key, party(OWNER), first_log());
        for change in changes {
            let mut other = agreed.clone();
            change(&mut other);
            assert_noop!(register(Some(gateway().sign_log(&other))), Error::<Test>::BadLogConsent);
        }
        for other in [&second_gateway(), &device] {
            assert_noop!(register(Some(other.sign_log(&agreed))), Error::<Test>::BadLogConsent);
        }
        let kept = gateway().sign_log(&agreed);
        assert_ok!(register(Some(kept)));
        assert_eq!(Devices::consent_nonce(&gateway().public()), 1);
        // The very bytes again, after the record is gone.
        crate::Devices::<Test>::remove(id);
        DeviceOfKey::<Test>::remove(id);
        let consent = device.sign_registration(&registration(&key));
        let again = Devices::register(signed(OWNER), key, gateway().account(), consent, Some(kept));
        assert_eq!(again, Err(Error::<Test>::BadLogConsent.into()));
    });
}

#[test]
fn a_p256_key_or_consent_that_is_not_canonical_is_refused() {
    chain().execute_with(|| {
        let device = TestKey::p256(3);
        let key = device.own();
        let refused = |key: &DeviceKey, consent| {
            assert_noop!(register_with(key, consent), Error::<Test>::BadConsent);
        };
        let DeviceKey::Own(PublicKey::P256(point)) = key else { unreachable!() };
        for prefix in [point[0] ^ 1, 0, 4, 5, 6, 7] {
            let mut other = point;
            other[0] = prefix;
            let other = DeviceKey::Own(PublicKey::P256(other));
            refused(&other, device.sign_registration(&registration(&other)));
        }
        let mut off_curve = [0xff; 33];
        off_curve[0] = 2;
        let off_curve = DeviceKey::Own(PublicKey::P256(off_curve));
        refused(&off_curve, device.sign_registration(&registration(&off_curve)));
        let consent = device.sign_registration(&registration(&key));
        refused(&key, raise_s(consent));
        for bytes in [[0; 64], [0xff; 64]] {
            refused(&key, Signature::P256(bytes));
        }
        assert_ok!(register_with(&key, consent));
    });
}

#[test]
fn a_hosted_device_can_only_be_registered_at_its_host() {
    chain().execute_with(|| {
        let key = second_gateway().hosted(1);
        let consent = second_gateway().sign_registration(&registration(&key));
        assert_noop!(register_with(&key, consent), Error::<Test>::HostedElsewhere);
        // Another gateway cannot sign the consent either.
        let key = gateway().hosted(1);
        let consent = second_gateway().sign_registration(&registration(&key));
        assert_noop!(register_with(&key, consent), Error::<Test>::BadConsent);
    });
}

#[test]
fn only_a_party_registers_a_device_at_a_gateway_and_only_once() {
    chain().execute_with(|| {
        let device = TestKey::sr25519(1);
        let key = device.own();
        let by = |owner, keeper| {
            let log = LogId::first(keeper);
            let agreed = RegistrationConsent { owner: party(owner), log, ..registration(&device.own()) };
            let kept = (keeper != STRANGER).then(|| keep(key.device_id(), &key, party(owner), log));
            Devices::register(signed(owner), device.own(), keeper, device.sign_registration(&agreed), kept)
        };
        assert_noop!(by(STRANGER, gateway().account()), refused(AccountRefusal::NoParty));
        assert_noop!(by(gateway().account(), gateway().account()), refused(AccountRefusal::OutOfScope));
        assert_noop!(by(OWNER, STRANGER), Error::<Test>::NotAGateway);
        assert_ok!(by(OWNER, gateway().account()));
        assert_noop!(by(OWNER, gateway().account()), Error::<Test>::Registered);
        // Another party cannot take the device over by registering it again, not even with its consent.
        assert_noop!(by(OTHER, second_gateway().account()), Error::<Test>::Registered);
        assert_eq!(Devices::device(&key.device_id()).unwrap().owner(), party(OWNER));
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn an_account_registers_devices_for_its_party_within_its_scope_and_time() {
    chain().execute_with(|| {
        let register = |by, label| {
            let key = gateway().hosted(label);
            let consent = gateway().sign_registration(&registration(&key));
            Devices::register(signed(by), key, gateway().account(), consent, None)
        };
        assert_ok!(register(TECHNICIAN, 1));
        let record = Devices::device(&gateway().hosted(1).device_id()).unwrap();
        assert_eq!(record.owner(), party(OWNER));
        assert_noop!(register(CLERK, 2), refused(AccountRefusal::OutOfScope));
        Now::set(&2_000);
        assert_noop!(register(TECHNICIAN, 2), refused(AccountRefusal::Ended));
        assert_ok!(register(OWNER, 2));
    });
}

#[test]
fn a_consent_is_used_up() {
    chain().execute_with(|| {
        let keys = [1, 2].map(|label| gateway().hosted(label));
        // Both consents have the same nonce. The first one that is used makes the other one void.
        let consents = keys.each_ref().map(|key| gateway().sign_registration(&registration(key)));
        let register = |at: usize, consent| {
            Devices::register(signed(OWNER), keys[at].clone(), gateway().account(), consent, None)
        };
        assert_ok!(register(0, consents[0]));
        assert_eq!(Devices::consent_nonce(&gateway().public()), 1);
        assert_noop!(register(1, consents[1]), Error::<Test>::BadConsent);
        let next = gateway().sign_registration(&registration(&keys[1]));
        assert_ok!(register(1, next));
        // The very bytes again, after the record is gone.
        crate::Devices::<Test>::remove(keys[1].device_id());
        DeviceOfKey::<Test>::remove(keys[1].device_id());
        assert_noop!(register(1, next), Error::<Test>::BadConsent);
    });
}

#[test]
fn a_devices_own_key_leaves_no_nonce_and_its_consent_is_still_used_up() {
    chain().execute_with(|| {
        for device in [TestKey::sr25519(1), TestKey::ed25519(2), TestKey::p256(3)] {
            let (key, id) = (device.own(), device.own().device_id());
            let consent = device.sign_registration(&registration(&key));
            assert_ok!(register_with(&key, consent));
            // The very bytes again, with a fresh consent of the gateway: while the device is in use, and after its end.
            assert_noop!(register_with(&key, consent), Error::<Test>::Registered);
            assert_ok!(Devices::set_state(signed(OWNER), id, DeviceState::Retired));
            assert_noop!(register_with(&key, consent), Error::<Test>::Registered);
        }
        // However many devices there are, only their gateway has a nonce.
        let nonces: Vec<_> = crate::ConsentNonces::<Test>::iter().collect();
        assert_eq!(nonces, [(gateway().public(), 3)]);
        assert_ok!(Devices::check_state());
    });
}

#[test]
fn a_device_is_registered_in_the_open_log() {
    chain().execute_with(|| {
        let (host, key) = (gateway().account(), gateway().hosted(1));
        let early = gateway().sign_registration(&registration(&key));
        let register = |consent| Devices::register(signed(OWNER), key.clone(), host, consent, None);
        assert_ok!(Anchors::close_epoch(signed(host), host));
        assert_noop!(register(early), Error::<Test>::EpochNotOpen);
        assert_ok!(Anchors::open_epoch(signed(host), host));
        // The consent names the log that was closed.
        assert_noop!(register(early), Error::<Test>::BadConsent);
        let log = LogId { epoch: 1, ..first_log() };
        let agreed = RegistrationConsent { log, ..registration(&key) };
        assert_ok!(register(gateway().sign_registration(&agreed)));
        assert_eq!(Devices::device(&key.device_id()).unwrap().log(), log);
        assert_ok!(Devices::check_state());
    });
}
