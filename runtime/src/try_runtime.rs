//! Dry runs of an upgrade or a block on a copy of a chain's state. They panic if a check fails.
#![allow(clippy::expect_used, reason = "a dry run that fails has nothing to return")]

use crate::{configs::RuntimeBlockWeights, Block, Executive};
use frame_support::weights::Weight;
use frame_try_runtime::{TryStateSelect, UpgradeCheckSelect};
use sp_runtime::traits::Block as BlockT;

/// Migrates the state with the checks before and after. Returns the weight of the migration and the highest weight of a
/// block.
pub fn upgrade(checks: UpgradeCheckSelect) -> (Weight, Weight) {
    let weight = Executive::try_runtime_upgrade(checks).expect("the state can be migrated");
    (weight, RuntimeBlockWeights::get().max_block)
}

/// Executes a block and checks the state of the pallets after it.
pub fn execute_block(
    block: <Block as BlockT>::LazyBlock,
    state_root_check: bool,
    signature_check: bool,
    try_state: TryStateSelect,
) -> Weight {
    let done = Executive::try_execute_block(block, state_root_check, signature_check, try_state);
    done.expect("the block can be executed")
}
