//! Upgrades of the runtime by the council's vote, from the decision to the first block.

use super::support::Chain;
use crate::{
    consortium, Anchors, Council, Devices, Parties, Quotas, Runtime, RuntimeCall, RuntimeEvent,
    ServiceContracts, System, UncheckedExtrinsic, Validators, VERSION,
};
use codec::Encode;
use frame_support::traits::GetStorageVersion as _;
use frame_system::LastRuntimeUpgrade;
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
    consortium::{invalid_transaction, Change, Quota},
    AccountId, Hash, PartyId,
};

/// Stands for the code of another runtime.
const CODE: [u8; 300] = [7; 300];
/// The storage key of the code.
const CODE_KEY: &[u8] = b":code";

/// Reads this version in any code, like a node reads it in Wasm.
struct Reads(RuntimeVersion);

impl ReadRuntimeVersion for Reads {
    fn read_runtime_version(&self, _: &[u8], _: &mut dyn Externalities) -> Result<Vec<u8>, String> {
        Ok(self.0.encode())
    }
}

/// A chain with a council of three, for which the version of [`CODE`] is higher by `newer`.
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
    let propose = chain.signed(&Alice.pair(), pallet_council::Call::propose { change });
    assert_eq!(chain.block(vec![propose]), vec![Ok(Ok(()))]);
    let motion = chain.state.execute_with(|| pallet_collective::Proposals::<Runtime>::get()[0]);
    let vote = chain.signed(&Bob.pair(), pallet_council::Call::vote { motion, approve: true });
    assert_eq!(chain.block(vec![vote]), vec![Ok(Ok(()))]);
}

fn code(chain: &mut Chain) -> Option<Vec<u8>> {
    chain.state.execute_with(|| sp_io::storage::get(CODE_KEY).map(Vec::from))
}

#[test]
fn two_of_three_decide_and_any_party_brings_the_code_in() {
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

    // Charlie has no quota. This call costs nothing.
    let nothing = Some(Quota { microseconds: 0, bytes: 0 });
    decide(
        &mut chain,
        Change::SetQuota {
            party: PartyId::of_first_account(&AccountId(Charlie.to_raw_public())),
            quota: nothing,
        },
    );
    let good = chain.signed(&Charlie.pair(), apply(&CODE));
    assert!(chain.validate(good.clone()).is_ok());
    assert_eq!(chain.block(vec![good]), vec![Ok(Ok(()))]);
    assert_eq!(code(&mut chain), Some(CODE.to_vec()));
    let digest = chain.last.as_ref().unwrap().digest.logs().to_vec();
    assert!(digest.contains(&DigestItem::RuntimeEnvironmentUpdated), "{digest:?}");

    // The decision is used up.
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
fn the_first_block_of_a_new_runtime_is_asked_for() {
    let mut chain = chain(1);
    assert!(!chain.state.execute_with(consortium::has_pending_work));
    chain.state.execute_with(|| {
        let before = RuntimeVersion { spec_version: VERSION.spec_version - 1, ..VERSION };
        LastRuntimeUpgrade::<Runtime>::put(frame_system::LastRuntimeUpgradeInfo::from(before));
        assert!(consortium::is_upgrading() && consortium::has_pending_work());
    });
    chain.block(vec![]);
    chain.state.execute_with(|| assert!(!consortium::has_pending_work()));
}

#[test]
fn a_new_chain_has_the_storage_of_this_runtime() {
    chain(1).state.execute_with(|| {
        let versions = [
            (Parties::on_chain_storage_version(), Parties::in_code_storage_version()),
            (Validators::on_chain_storage_version(), Validators::in_code_storage_version()),
            (Quotas::on_chain_storage_version(), Quotas::in_code_storage_version()),
            (Council::on_chain_storage_version(), Council::in_code_storage_version()),
            (Devices::on_chain_storage_version(), Devices::in_code_storage_version()),
            (Anchors::on_chain_storage_version(), Anchors::in_code_storage_version()),
            (ServiceContracts::on_chain_storage_version(), ServiceContracts::in_code_storage_version()),
        ];
        assert!(versions.iter().all(|(on_chain, in_code)| on_chain == in_code), "{versions:?}");
    });
}
