//! Any sequence of calls, by any account, keeps the invariants, and the state grows only with the number of devices.

use crate::{mock::*, Devices as Known, DevicesOfGateway, DevicesOfOwner};
use pallet_parties::PartyLookup as _;
use proptest::prelude::*;
use std::collections::BTreeSet;
use streembit_primitives::{
    device::RegistrationConsent, AccountId, DeviceId, DeviceKey, Hash, PartyId, Signature,
};

/// The number of device keys in use.
const KEYS: u8 = 8;

#[derive(Clone, Debug)]
enum Step {
    /// The sender, the key, the gateway, and the fault in the consent, if any.
    Register(u8, u8, u8, Option<Fault>),
    Blocks(u64),
}

#[derive(Clone, Debug)]
enum Fault {
    OtherChain,
    OtherOwner,
    OtherGateway,
    OtherNonce,
    OtherSigner,
    NoSignature,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        Just(Fault::OtherChain),
        Just(Fault::OtherOwner),
        Just(Fault::OtherGateway),
        Just(Fault::OtherNonce),
        Just(Fault::OtherSigner),
        Just(Fault::NoSignature),
    ];
    let faulty = prop_oneof![3 => Just(None), 1 => fault.prop_map(Some)];
    prop_oneof![
        6 => (0u8..6, 0..KEYS, 0u8..3, faulty)
            .prop_map(|(by, key, at, fault)| Step::Register(by, key, at, fault)),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

/// Returns the account of a sender. 0 and 1: parties; 2: a gateway; 3: a stranger; 4: an employee who registers devices;
/// 5: an employee who does not.
fn who(number: u8) -> AccountId {
    match number {
        0 => OWNER,
        1 => OTHER,
        2 => gateway().account(),
        3 => STRANGER,
        4 => TECHNICIAN,
        _ => CLERK,
    }
}

/// Returns the account that should keep the log. 0 and 1: gateways; 2: an account that is not a gateway.
fn keeper(number: u8) -> AccountId {
    match number {
        0 => gateway().account(),
        1 => second_gateway().account(),
        _ => STRANGER,
    }
}

/// Returns a device's key. 0 and 1: hosted by the first and the second gateway; 2 and 3: sr25519; 4 and 5: Ed25519;
/// 6 and 7: P-256.
fn key(number: u8) -> DeviceKey {
    match number {
        0 => gateway().hosted("car"),
        1 => second_gateway().hosted("car"),
        2..4 => Sr25519::new(number + 1).key(),
        4..6 => Ed25519::new(number + 1).key(),
        _ => P256::new(number + 1).key(),
    }
}

fn sign(number: u8, agreed: &RegistrationConsent) -> Signature {
    match number {
        0 => gateway().sign(agreed),
        1 => second_gateway().sign(agreed),
        2..4 => Sr25519::new(number + 1).sign(agreed),
        4..6 => Ed25519::new(number + 1).sign(agreed),
        _ => P256::new(number + 1).sign(agreed),
    }
}

/// Executes a step. Returns the device that it registered, if any.
fn take(step: Step) -> Option<DeviceId> {
    match step {
        Step::Register(by, number, at, fault) => {
            let (sender, keeper, key) = (who(by), keeper(at), key(number));
            let owner = Parties::role_of(&sender).map_or(party(sender), |found| found.party);
            let device = key.device_id();
            let fits = (by < 2 || by == 4) && at < 2 && (number >= 2 || number == at);
            let is_due = fits && fault.is_none() && !Known::<Test>::contains_key(device);
            let nonce = Devices::consent_nonce(&key.consent_key());
            let mut agreed =
                RegistrationConsent { genesis: GENESIS, key: key.clone(), owner, gateway: keeper, nonce };
            match fault {
                Some(Fault::OtherChain) => agreed.genesis = Hash([7; 32]),
                Some(Fault::OtherOwner) => agreed.owner = PartyId([7; 32]),
                Some(Fault::OtherNonce) => agreed.nonce += 1,
                Some(Fault::OtherGateway) => agreed.gateway = AccountId([7; 32]),
                _ => (),
            }
            let consent = match fault {
                Some(Fault::OtherSigner) => Sr25519::new(99).sign(&agreed),
                Some(Fault::NoSignature) => Signature::Sr25519([0; 64]),
                _ => sign(number, &agreed),
            };
            let accepted = Devices::register(signed(sender), key, keeper, consent).is_ok();
            assert_eq!(accepted, is_due, "{sender:?} registers key {number} at {keeper:?}, fault {fault:?}");
            accepted.then_some(device)
        }
        Step::Blocks(count) => {
            System::set_block_number(System::block_number() + count);
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..40)) {
        chain().execute_with(|| {
            let mut registered = BTreeSet::new();
            for step in steps {
                registered.extend(take(step.clone()));
                prop_assert_eq!(Devices::check_state(), Ok(()), "after {:?}", step);
                // Each registered device has one entry of each kind, and a refused call leaves nothing behind.
                let known: BTreeSet<_> = Known::<Test>::iter_keys().collect();
                prop_assert_eq!(&known, &registered);
                prop_assert_eq!(DevicesOfGateway::<Test>::iter_keys().count(), known.len());
                prop_assert_eq!(DevicesOfOwner::<Test>::iter_keys().count(), known.len());
            }
            Ok(())
        })?;
    }
}

/// For each invariant, breaks only this one.
#[test]
fn each_broken_invariant_is_detected() {
    type Change = fn(DeviceId);
    let changes: [(&str, Change); 8] = [
        ("a device is stored under the id of another key", |id| {
            Known::<Test>::mutate_extant(id, |d| d.key = key(2))
        }),
        ("a device was registered in a future block", |id| {
            Known::<Test>::mutate_extant(id, |d| d.registered = 6);
        }),
        ("a hosted device is at a gateway that is not its host", |id| {
            Known::<Test>::mutate_extant(id, |d| d.gateway = second_gateway().account());
        }),
        ("a device is missing in `DevicesOfGateway`", |id| {
            DevicesOfGateway::<Test>::remove(gateway().account(), id);
        }),
        ("a device is missing in `DevicesOfOwner`", |id| DevicesOfOwner::<Test>::remove(party(OWNER), id)),
        ("a device is missing in `DevicesOfOwner`", |id| {
            Known::<Test>::mutate_extant(id, |d| d.owner = party(OTHER))
        }),
        ("`DevicesOfGateway` lists a device of another gateway", |id| {
            DevicesOfGateway::<Test>::insert(second_gateway().account(), id, ());
        }),
        ("`DevicesOfOwner` lists a device of another owner", |id| {
            DevicesOfOwner::<Test>::insert(party(OTHER), id, ())
        }),
    ];
    for (fault, change) in changes {
        chain().execute_with(|| {
            let id = take(Step::Register(0, 0, 0, None)).unwrap();
            assert_eq!(Devices::check_state(), Ok(()));
            change(id);
            assert_eq!(Devices::check_state(), Err(fault));
        });
    }
}
