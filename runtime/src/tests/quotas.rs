//! A spent quota keeps a party's transactions out of the pool until the next period of the chain's clock.

use super::support::Chain;
use crate::{
    configs::{DefaultQuota, RuntimeBlockWeights, QUOTA_PERIOD},
    Quotas, Runtime, RuntimeCall, Timestamp, SLOT_DURATION,
};
use frame_support::dispatch::DispatchClass;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Quota, QuotaStatus},
    AccountId, PartyId,
};

const REFUSED: TransactionValidityError =
    TransactionValidityError::Invalid(InvalidTransaction::Custom(invalid_transaction::QUOTA_BYTES));

fn id(key: Sr25519Keyring) -> AccountId {
    AccountId(key.to_raw_public())
}

fn remark(bytes: usize) -> RuntimeCall {
    frame_system::Call::remark { remark: vec![0; bytes] }.into()
}

/// A chain on which the council has set the bytes of Bob's quota.
fn chain(bytes: u64) -> Chain {
    let mut chain = Chain::new("development");
    let quota = Some(Quota { microseconds: 1_000_000, bytes });
    let change = Change::SetQuota { party: PartyId::of_first_account(&id(Bob)), quota };
    let set = chain.signed(&Alice.pair(), pallet_council::Call::propose { change });
    assert_eq!(chain.block(vec![set]), vec![Ok(Ok(()))]);
    chain
}

fn of_bob(chain: &mut Chain) -> QuotaStatus {
    chain.state.execute_with(|| Quotas::quota(&id(Bob)).unwrap())
}

#[test]
fn a_transaction_above_the_quota_is_refused_in_the_pool_until_the_next_period() {
    let mut chain = chain(1_000);
    let fits = chain.signed(&Bob.pair(), remark(600));
    assert!(chain.validate(fits.clone()).is_ok());
    assert_eq!(chain.block(vec![fits]), vec![Ok(Ok(()))]);

    let late = chain.signed(&Bob.pair(), remark(600));
    assert_eq!(chain.block(vec![late.clone()]), vec![Err(REFUSED)]);
    let left = of_bob(&mut chain);
    assert!(left.left.bytes < 400 && left.left.bytes > 0, "{left:?}");
    assert_eq!(left.refills % QUOTA_PERIOD, 0);
    while chain.state.execute_with(Timestamp::get) < left.refills {
        assert_eq!(chain.validate(late.clone()), Err(REFUSED));
        chain.block(vec![]);
    }
    assert_eq!(of_bob(&mut chain).left.bytes, 1_000);
    assert!(chain.validate(late.clone()).is_ok());
    assert_eq!(chain.block(vec![late]), vec![Ok(Ok(()))]);
}

#[test]
fn several_in_one_block_have_to_fit_together() {
    let mut chain = chain(1_000);
    // Each is valid in the same state, which is all that a pool sees.
    let both = vec![chain.signed(&Bob.pair(), remark(600)), chain.signed(&Bob.pair(), remark(601))];
    for extrinsic in &both {
        assert!(chain.validate(extrinsic.clone()).is_ok());
    }
    assert_eq!(chain.block(both), vec![Ok(Ok(())), Err(REFUSED)]);
}

#[test]
fn a_party_spends_what_its_transactions_take_of_the_blocks() {
    let mut chain = Chain::new("development");
    let before = of_bob(&mut chain).left;
    // The last call fails.
    let change = Change::add_party(AccountId([7; 32]));
    let calls: [RuntimeCall; 3] = [
        remark(600),
        pallet_council::Call::propose { change }.into(),
        pallet_validators::Call::leave {}.into(),
    ];
    let mut taken = 0;
    for call in calls {
        let extrinsic = chain.signed(&Bob.pair(), call);
        assert!(matches!(chain.block(vec![extrinsic])[..], [Ok(_)]));
        let weight = chain.state.execute_with(frame_system::BlockWeight::<Runtime>::get);
        taken += weight.get(DispatchClass::Normal).ref_time().div_ceil(1_000_000);
    }
    let base = RuntimeBlockWeights::get().get(DispatchClass::Normal).base_extrinsic;
    assert!(taken > 3 * base.ref_time() / 1_000_000);
    assert_eq!(before.microseconds - of_bob(&mut chain).left.microseconds, taken);
}

#[test]
fn four_parties_with_the_default_quota_fill_the_blocks_and_no_fewer() {
    let blocks = QUOTA_PERIOD / SLOT_DURATION;
    let room = RuntimeBlockWeights::get().get(DispatchClass::Normal).max_total.unwrap();
    let microseconds = DefaultQuota::get().microseconds;
    assert!(3 * microseconds < blocks * room.ref_time() / 1_000_000);
    assert!(4 * microseconds <= blocks * room.ref_time() / 1_000_000);
}

#[test]
fn a_period_begins_with_a_slot() {
    // Nodes make a block in the first slot of each period.
    assert_eq!(QUOTA_PERIOD % SLOT_DURATION, 0);
}
