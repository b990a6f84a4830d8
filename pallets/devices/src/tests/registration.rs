//! The registration of devices.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use pallet_parties::AccountRefusal;
use sp_runtime::DispatchError;
use streembit_primitives::{
    device::{DeviceRecord, RegistrationConsent},
    DeviceKey, Hash, PublicKey, Signature,
};

/// The error of a call that is refused to an account.
fn refused(refusal: AccountRefusal) -> DispatchError {
    DispatchError::Other(refusal.into())
}

fn register(key: &DeviceKey, consent: Signature) -> frame_support::dispatch::DispatchResult {
    Devices::register(signed(OWNER), key.clone(), gateway().account(), consent)
}

#[test]
fn a_device_with_consent_is_registered_with_its_owner_and_gateway() {
    chain().execute_with(|| {
        let (sr25519, ed25519, p256) = (Sr25519::new(1), Ed25519::new(2), P256::new(3));
        let car = gateway().hosted("WVWZZZ1JZXW000001");
        let devices = [
            (sr25519.key(), sr25519.sign(&registration(&sr25519.key()))),
            (ed25519.key(), ed25519.sign(&registration(&ed25519.key()))),
            (p256.key(), p256.sign(&registration(&p256.key()))),
            (car.clone(), gateway().sign(&registration(&car))),
        ];
        for (key, consent) in &devices {
            assert_eq!(Devices::device(&key.device_id()), None);
            assert_ok!(register(key, *consent));
            let record = DeviceRecord {
                key: key.clone(),
                owner: party(OWNER),
                gateway: gateway().account(),
                registered: 5,
            };
            assert_eq!(Devices::device(&key.device_id()), Some(record));
            System::assert_last_event(
                Event::Registered {
                    device: key.device_id(),
                    key: key.clone(),
                    owner: party(OWNER),
                    gateway: gateway().account(),
                }
                .into(),
            );
        }
        let mut expected: Vec<_> = devices.iter().map(|(key, _)| key.device_id()).collect();
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
fn a_consent_is_valid_for_one_chain_key_owner_gateway_and_nonce() {
    chain().execute_with(|| {
        let (device, other) = (Sr25519::new(1), Sr25519::new(2));
        let key = device.key();
        let changes: [fn(&mut RegistrationConsent); 5] = [
            |r| r.nonce = 1,
            |r| r.genesis = Hash([7; 32]),
            |r| r.owner = party(OTHER),
            |r| r.gateway = second_gateway().account(),
            |r| r.key = Sr25519::new(3).key(),
        ];
        for change in changes {
            let mut registration = registration(&key);
            change(&mut registration);
            assert_noop!(register(&key, device.sign(&registration)), Error::<Test>::BadConsent);
        }
        assert_noop!(register(&key, other.sign(&registration(&key))), Error::<Test>::BadConsent);
        assert_noop!(register(&key, Signature::Sr25519([0; 64])), Error::<Test>::BadConsent);
        // A consent for one owner is useless to another party that has seen it.
        let seen = device.sign(&registration(&key));
        assert_noop!(
            Devices::register(signed(OTHER), key.clone(), gateway().account(), seen),
            Error::<Test>::BadConsent
        );
        assert_ok!(register(&key, seen));
    });
}

#[test]
fn a_p256_key_or_consent_that_is_not_canonical_is_refused() {
    chain().execute_with(|| {
        let device = P256::new(3);
        let key = device.key();
        let consent = device.sign(&registration(&key));
        let DeviceKey::Own(PublicKey::P256(point)) = key else { unreachable!() };
        for prefix in [point[0] ^ 1, 0, 4, 5, 6, 7] {
            let mut other = point;
            other[0] = prefix;
            let other = DeviceKey::Own(PublicKey::P256(other));
            assert_noop!(register(&other, device.sign(&registration(&other))), Error::<Test>::BadConsent);
        }
        let mut off_curve = [0xff; 33];
        off_curve[0] = 2;
        let off_curve = DeviceKey::Own(PublicKey::P256(off_curve));
        assert_noop!(register(&off_curve, device.sign(&registration(&off_curve))), Error::<Test>::BadConsent);
        assert_noop!(register(&key, device.sign_high(&registration(&key))), Error::<Test>::BadConsent);
        for bytes in [[0; 64], [0xff; 64]] {
            assert_noop!(register(&key, Signature::P256(bytes)), Error::<Test>::BadConsent);
        }
        assert_ok!(register(&key, consent));
    });
}

#[test]
fn a_hosted_device_can_only_be_registered_at_its_host() {
    chain().execute_with(|| {
        let key = second_gateway().hosted("car");
        let consent = second_gateway().sign(&registration(&key));
        assert_noop!(register(&key, consent), Error::<Test>::HostedElsewhere);
        // Another gateway cannot sign the consent either.
        let key = gateway().hosted("car");
        let consent = second_gateway().sign(&registration(&key));
        assert_noop!(register(&key, consent), Error::<Test>::BadConsent);
    });
}

#[test]
fn only_a_party_registers_a_device_at_a_gateway_and_only_once() {
    chain().execute_with(|| {
        let device = Sr25519::new(1);
        let (key, by) = (device.key(), |owner, gateway| {
            let registration =
                RegistrationConsent { owner: party(owner), gateway, ..registration(&device.key()) };
            Devices::register(signed(owner), device.key(), gateway, device.sign(&registration))
        });
        assert_noop!(by(STRANGER, gateway().account()), refused(AccountRefusal::NoParty));
        assert_noop!(by(gateway().account(), gateway().account()), refused(AccountRefusal::OutOfScope));
        assert_noop!(by(OWNER, STRANGER), Error::<Test>::NotAGateway);
        assert_ok!(by(OWNER, gateway().account()));
        assert_noop!(by(OWNER, gateway().account()), Error::<Test>::Registered);
        // Another party cannot take the device over by registering it again, not even with its consent.
        assert_noop!(by(OTHER, second_gateway().account()), Error::<Test>::Registered);
        assert_eq!(Devices::device(&key.device_id()).unwrap().owner, party(OWNER));
        assert_ok!(Devices::check_state());
        crate::DevicesOfOwner::<Test>::insert(party(OTHER), key.device_id(), ());
        assert!(Devices::check_state().is_err());
    });
}

#[test]
fn an_account_registers_devices_for_its_party_within_its_scope_and_time() {
    chain().execute_with(|| {
        let register = |by, seed| {
            let device = Sr25519::new(seed);
            let consent = device.sign(&registration(&device.key()));
            Devices::register(signed(by), device.key(), gateway().account(), consent)
        };
        assert_ok!(register(TECHNICIAN, 1));
        assert_eq!(Devices::device(&Sr25519::new(1).key().device_id()).unwrap().owner, party(OWNER));
        assert_noop!(register(CLERK, 2), refused(AccountRefusal::OutOfScope));
        Now::set(2_000);
        assert_noop!(register(TECHNICIAN, 2), refused(AccountRefusal::Ended));
        assert_ok!(register(OWNER, 2));
    });
}

#[test]
fn a_consent_is_used_up() {
    chain().execute_with(|| {
        let (car, van) = (gateway().hosted("car"), gateway().hosted("van"));
        // Both consents have the same nonce. The first one that is used makes the other one void.
        let consents = [&car, &van].map(|key| gateway().sign(&registration(key)));
        assert_ok!(register(&car, consents[0]));
        assert_eq!(Devices::consent_nonce(&car.consent_key()), 1);
        assert_noop!(register(&van, consents[1]), Error::<Test>::BadConsent);
        assert_ok!(register(&van, gateway().sign(&registration(&van))));
        // A device that is no longer registered would need a new consent.
        let device = Sr25519::new(1);
        let consent = device.sign(&registration(&device.key()));
        assert_ok!(register(&device.key(), consent));
        crate::Devices::<Test>::remove(device.key().device_id());
        assert_noop!(register(&device.key(), consent), Error::<Test>::BadConsent);
        assert_ok!(register(&device.key(), device.sign(&registration(&device.key()))));
    });
}
