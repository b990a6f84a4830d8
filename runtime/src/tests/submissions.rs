//! Who may submit, and the extrinsics of standard clients.

use super::support::{Chain, Gateway, GENESIS};
use crate::{Devices, Parties, Runtime, RuntimeCall, RuntimeEvent, System, TxExtension};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    traits::TransactionExtension,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change},
    device::RegistrationConsent,
    gateway::GatewayConsent,
    hash::Domain,
    AccountId, DeviceKey, GatewayRecord, Hash, Text,
};

fn refused(reason: InvalidTransaction) -> TransactionValidityError {
    TransactionValidityError::Invalid(reason)
}

fn owner() -> (sr25519::Pair, AccountId) {
    let key = Sr25519Keyring::Alice;
    (key.pair(), AccountId(key.to_raw_public()))
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1, 2, 3] }.into()
}

fn add_gateway(gateway: &Gateway, party: AccountId) -> RuntimeCall {
    let log_key = gateway.log_key();
    let agreed = GatewayConsent { genesis: Hash(GENESIS.0), gateway: gateway.account(), party, log_key };
    let consent = gateway.sign(Domain::GatewayConsent, &agreed.message());
    pallet_parties::Call::add_gateway { gateway: gateway.account(), log_key, consent }.into()
}

#[test]
fn a_stranger_is_refused_before_anything_is_executed() {
    let mut chain = Chain::new("development");
    let stranger = sr25519::Pair::from_seed(&[77; 32]);
    for call in [remark(), add_gateway(&Gateway::new(1), AccountId(stranger.public().0))] {
        let extrinsic = chain.signed(&stranger, call);
        assert_eq!(chain.validate(extrinsic.clone()), Err(refused(InvalidTransaction::Payment)));
        assert_eq!(chain.block(vec![extrinsic]), vec![Err(refused(InvalidTransaction::Payment))]);
    }
}

#[test]
fn a_party_submits_and_a_gateway_does_as_soon_as_a_party_takes_it_in() {
    let mut chain = Chain::new("development");
    let ((alice, party), gateway) = (owner(), Gateway::new(1));
    let early = chain.signed(&gateway.pair(), remark());
    assert_eq!(chain.validate(early), Err(refused(InvalidTransaction::Payment)));

    let add = chain.signed(&alice, add_gateway(&gateway, party));
    assert!(chain.validate(add.clone()).is_ok());
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);
    let record = GatewayRecord { party, log_key: gateway.log_key() };
    chain.state.execute_with(|| assert_eq!(Parties::gateway(&gateway.account()), Some(record)));

    let late = chain.signed(&gateway.pair(), remark());
    assert!(chain.validate(late.clone()).is_ok());
    assert_eq!(chain.block(vec![late.clone()]), vec![Ok(Ok(()))]);
    // Once.
    assert_eq!(chain.validate(late), Err(refused(InvalidTransaction::Stale)));
}

#[test]
fn calls_for_the_councils_part_of_a_block_are_refused_to_others_in_the_pool() {
    let mut chain = Chain::new("development");
    let (alice, bob) = (owner().0, Sr25519Keyring::Bob.pair());
    let change = Change::AddParty(AccountId([7; 32]));
    let propose = chain.signed(&bob, pallet_council::Call::propose { change });
    assert_eq!(chain.block(vec![propose]), vec![Ok(Ok(()))]);
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    let vote = |motion| pallet_council::Call::<Runtime>::vote { motion, approve: true };

    let outside = refused(InvalidTransaction::Custom(invalid_transaction::NOT_IN_COUNCIL));
    let as_root = frame_system::Call::<Runtime>::set_code { code: vec![0; 1_000] };
    for (forbidden, reason) in [
        (chain.signed(&bob, vote(motion)), outside),
        (chain.signed(&bob, as_root), refused(InvalidTransaction::Call)),
        (
            chain.signed(&alice, vote(crate::Hash::zero())),
            refused(InvalidTransaction::Custom(invalid_transaction::NO_SUCH_MOTION)),
        ),
    ] {
        assert_eq!(chain.validate(forbidden.clone()), Err(reason));
        assert_eq!(chain.block(vec![forbidden]), vec![Err(reason)]);
    }
    let allowed = chain.signed(&alice, vote(motion));
    assert!(chain.validate(allowed.clone()).is_ok());
    assert_eq!(chain.block(vec![allowed]), vec![Ok(Ok(()))]);
}

#[test]
fn an_extrinsic_of_another_chain_or_another_key_is_refused() {
    let (mut chain, alice) = (Chain::new("development"), owner().0);
    let mut other = Chain::new("development");
    other.state.execute_with(|| {
        frame_system::BlockHash::<Runtime>::insert(0, crate::Hash::repeat_byte(1));
    });
    let foreign = other.signed(&alice, remark());
    assert_eq!(chain.validate(foreign), Err(refused(InvalidTransaction::BadProof)));

    let mut forged = chain.signed(&Sr25519Keyring::Bob.pair(), remark());
    let sound = chain.signed(&alice, remark());
    forged.preamble = sound.preamble.clone();
    forged.function = frame_system::Call::remark { remark: vec![9] }.into();
    assert_eq!(chain.validate(forged), Err(refused(InvalidTransaction::BadProof)));
    assert!(chain.validate(sound).is_ok());
}

#[test]
fn a_hosted_device_is_registered_over_extrinsics() {
    let mut chain = Chain::new("development");
    let ((alice, party), gateway) = (owner(), Gateway::new(1));
    let key =
        DeviceKey::Hosted { gateway: gateway.account(), label: Text::try_from("WVWZZZ1JZXW000001").unwrap() };
    let agreed = RegistrationConsent {
        genesis: Hash(GENESIS.0),
        key: key.clone(),
        owner: party,
        gateway: gateway.account(),
    };
    let consent = gateway.sign(Domain::Registration, &agreed.message());
    let register = pallet_devices::Call::register { key: key.clone(), gateway: gateway.account(), consent };

    let early = chain.signed(&alice, register.clone());
    let results = chain.block(vec![early]);
    assert_eq!(results, vec![Ok(Err(pallet_devices::Error::<Runtime>::NotAGateway.into()))]);

    let add = chain.signed(&alice, add_gateway(&gateway, party));
    assert_eq!(chain.block(vec![add]), vec![Ok(Ok(()))]);
    let register = chain.signed(&alice, register);
    assert_eq!(chain.block(vec![register]), vec![Ok(Ok(()))]);
    chain.state.execute_with(|| {
        assert_eq!(Devices::device(&key.device_id()).unwrap().owner, party);
        assert_eq!(Devices::devices_of_gateway(&gateway.account()), vec![key.device_id()]);
        assert!(System::events().iter().any(|record| matches!(
            record.event,
            RuntimeEvent::Devices(pallet_devices::Event::Registered { device, .. }) if device == key.device_id()
        )));
    });
}

#[test]
fn extrinsics_are_checked_as_standard_clients_expect() {
    let names: Vec<_> = <TxExtension as TransactionExtension<RuntimeCall>>::metadata()
        .into_iter()
        .map(|extension| extension.identifier)
        .collect();
    let expected = [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "SpendQuota",
        "CheckNonce",
        "CheckWeight",
    ];
    assert_eq!(names, expected);
}
