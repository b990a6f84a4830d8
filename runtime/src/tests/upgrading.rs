//! Another runtime by the council's vote: from the decision to its first block.

use super::support::Chain;
use crate::{
    configs, consortium, Consortium, Runtime, RuntimeCall, RuntimeEvent, System, UncheckedExtrinsic, VERSION,
};
use codec::Encode;
use frame_support::{
    storage::unhashed,
    traits::{GetStorageVersion as _, OnRuntimeUpgrade as _, StorageVersion},
};
use frame_system::LastRuntimeUpgrade;
use pallet_consortium::{Authorities, Parties};
use sp_core::{
    sr25519,
    traits::{Externalities, ReadRuntimeVersion, ReadRuntimeVersionExt},
    Pair,
};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};
use sp_runtime::{
    traits::{BlakeTwo256, Hash as _},
    transaction_validity::{InvalidTransaction, TransactionValidityError, UnknownTransaction},
    DigestItem,
};
use sp_version::RuntimeVersion;
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Membership, Quota},
    AccountId, Hash,
};

/// What stands for the code of another runtime.
const CODE: [u8; 300] = [7; 300];
/// Where the state has its code.
const CODE_KEY: &[u8] = b":code";

/// Reads this version in whatever code it is shown, as a node reads it in Wasm.
struct Reads(RuntimeVersion);

impl ReadRuntimeVersion for Reads {
    fn read_runtime_version(&self, _: &[u8], _: &mut dyn Externalities) -> Result<Vec<u8>, String> {
        Ok(self.0.encode())
    }
}

/// A chain with a council of three, to which [`CODE`] is a runtime so much newer.
fn chain(newer: u32) -> Chain {
    let mut chain = Chain::new("four");
    let version = RuntimeVersion { spec_version: VERSION.spec_version + newer, ..VERSION };
    chain.state.register_extension(ReadRuntimeVersionExt::new(Reads(version)));
    chain
}

fn upgrade(code: &[u8]) -> Change {
    Change::Upgrade { code: Hash(BlakeTwo256::hash(code).0) }
}

fn apply(code: &[u8]) -> RuntimeCall {
    frame_system::Call::apply_authorized_upgrade { code: code.to_vec() }.into()
}

/// The council decides on a change.
fn decide(chain: &mut Chain, change: Change) {
    let propose = chain.signed(&Alice.pair(), pallet_consortium::Call::propose { change });
    assert_eq!(chain.block(vec![propose]), vec![Ok(Ok(()))]);
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    let vote = chain.signed(&Bob.pair(), pallet_consortium::Call::vote { motion, approve: true });
    assert_eq!(chain.block(vec![vote]), vec![Ok(Ok(()))]);
}

fn code(chain: &mut Chain) -> Option<Vec<u8>> {
    chain.state.execute_with(|| sp_io::storage::get(CODE_KEY).map(Vec::from))
}

#[test]
fn two_of_three_decide_and_whoever_belongs_brings_the_code_in() {
    let undecided =
        TransactionValidityError::Invalid(InvalidTransaction::Custom(invalid_transaction::NOT_AUTHORIZED));
    let mut chain = chain(1);
    let early = chain.signed(&Charlie.pair(), apply(&CODE));
    assert_eq!(chain.validate(early.clone()), Err(undecided));
    assert_eq!(chain.block(vec![early]), vec![Err(undecided)]);

    decide(&mut chain, upgrade(&CODE));
    assert_ne!(code(&mut chain), Some(CODE.to_vec()));
    let other = chain.signed(&Charlie.pair(), apply(&[8; 300]));
    assert_eq!(chain.validate(other.clone()), Err(undecided));
    assert_eq!(chain.block(vec![other]), vec![Err(undecided)]);

    // Charlie has spent all that it has; this costs nothing.
    let nothing = Some(Quota { microseconds: 0, bytes: 0 });
    decide(&mut chain, Change::SetQuota { party: AccountId(Charlie.to_raw_public()), quota: nothing });
    let good = chain.signed(&Charlie.pair(), apply(&CODE));
    assert!(chain.validate(good.clone()).is_ok());
    assert_eq!(chain.block(vec![good]), vec![Ok(Ok(()))]);
    assert_eq!(code(&mut chain), Some(CODE.to_vec()));
    let digest = chain.last.as_ref().unwrap().digest.logs().to_vec();
    assert!(digest.contains(&DigestItem::RuntimeEnvironmentUpdated), "{digest:?}");

    // Once: the decision is used up.
    let again = chain.signed(&Charlie.pair(), apply(&CODE));
    assert_eq!(chain.validate(again), Err(undecided));
}

#[test]
fn nobody_else_brings_the_code_in_not_even_unsigned() {
    let mut chain = chain(1);
    decide(&mut chain, upgrade(&CODE));
    let stranger = sr25519::Pair::from_seed(&[77; 32]);
    let foreign = chain.signed(&stranger, apply(&CODE));
    assert_eq!(chain.validate(foreign), Err(InvalidTransaction::Payment.into()));
    let bare = UncheckedExtrinsic::new_bare(apply(&CODE));
    assert_eq!(chain.validate(bare), Err(UnknownTransaction::NoUnsignedValidator.into()));
    assert_ne!(code(&mut chain), Some(CODE.to_vec()));
}

#[test]
fn a_runtime_that_is_not_newer_changes_nothing() {
    let mut chain = chain(0);
    decide(&mut chain, upgrade(&CODE));
    let same = chain.signed(&Charlie.pair(), apply(&CODE));
    assert_eq!(chain.block(vec![same]), vec![Ok(Ok(()))]);
    assert_ne!(code(&mut chain), Some(CODE.to_vec()));
    let rejected = |event: &RuntimeEvent| {
        matches!(event, RuntimeEvent::System(frame_system::Event::RejectedInvalidAuthorizedUpgrade { .. }))
    };
    assert!(chain.state.execute_with(|| System::events().iter().any(|record| rejected(&record.event))));
}

#[test]
fn the_first_block_of_a_new_runtime_is_asked_for_and_migrates_the_state() {
    let mut chain = chain(1);
    assert!(!chain.state.execute_with(consortium::is_upgrading));
    chain.state.execute_with(|| {
        as_of_runtime_2();
        assert!(consortium::is_upgrading());
    });
    chain.block(vec![]);
    chain.state.execute_with(|| {
        assert!(!consortium::is_upgrading());
        assert_eq!(Consortium::on_chain_storage_version(), 2);
        let memberships: Vec<_> = Parties::<Runtime>::iter_values().collect();
        assert_eq!(memberships, vec![Membership { since: None }; 6]);
    });
}

#[test]
fn migrating_is_weighed_by_the_parties_and_fits_into_a_block() {
    let mut chain = chain(1);
    let (weight, again) = chain.state.execute_with(|| {
        as_of_runtime_2();
        (configs::Migrations::on_runtime_upgrade(), configs::Migrations::on_runtime_upgrade())
    });
    let storage = <Runtime as frame_system::Config>::DbWeight::get();
    // Of six parties the key and the value; the sets of validators; the version.
    assert_eq!(weight, storage.reads_writes(2 * 6 + 1 + 3 + 1, 6 + 2 + 1));
    assert_eq!(again, storage.reads(1));
    let room = configs::RuntimeBlockWeights::get().max_block;
    assert!(weight.saturating_mul(100).all_lte(room), "{weight:?} of {room:?}");
}

/// The storage as runtime 2 left it: a party had a key and nothing under it, and nobody kept the validators in force.
fn as_of_runtime_2() {
    let before = RuntimeVersion { spec_version: 2, ..VERSION };
    LastRuntimeUpgrade::<Runtime>::put(frame_system::LastRuntimeUpgradeInfo::from(before));
    for party in Consortium::parties() {
        unhashed::put_raw(&Parties::<Runtime>::hashed_key_for(party), &[]);
    }
    Authorities::<Runtime>::kill();
    StorageVersion::new(1).put::<Consortium>();
}
