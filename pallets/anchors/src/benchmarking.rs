//! The calls at their worst.

use crate::{Call, Config, Latest, Pallet, Roots, KEPT_ROOTS};
use alloc::vec;
use frame_benchmarking::v2::*;
use frame_support::BoundedVec;
use frame_system::RawOrigin;
use streembit_primitives::{
    chain::Anchor,
    checkpoint::HashKind,
    hash::Domain,
    merkle::{ConsistencyProof, MAX_SIZE},
    AccountId, Checkpoint, Hash, LogId,
};

/// What a benchmark needs of those that this pallet asks.
pub trait Helper {
    /// Makes an account a gateway.
    fn add_gateway(account: AccountId);
}

const GATEWAY: AccountId = AccountId([1; 32]);
const LOG: LogId = LogId { gateway: GATEWAY, epoch: 0 };

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { log: LOG, size, root, heads_root: Some(root), time: u64::MAX, hash: HashKind::Blake3 }
}

/// The longest proof: from one entry below the largest log to the largest, where all hashes but the first two go into both
/// roots. Returns the old root, the new one, and the proof.
fn longest_proof() -> (Hash, Hash, ConsistencyProof) {
    let hashes: vec::Vec<_> = (0u8..63).map(|n| Hash([n; 32])).collect();
    let mut rest = hashes.iter();
    let mut old = rest.next().copied().unwrap_or_default();
    let mut new = rest.next().map(|hash| Domain::LogNode.node(&old, hash)).unwrap_or_default();
    for hash in rest {
        old = Domain::LogNode.node(hash, &old);
        new = Domain::LogNode.node(hash, &new);
    }
    (old, new, ConsistencyProof::new(hashes))
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn anchor() {
        T::BenchmarkHelper::add_gateway(GATEWAY);
        let (old, new, proof) = longest_proof();
        let before = checkpoint(MAX_SIZE - 1, old);
        Latest::<T>::insert(LOG, Anchor { checkpoint: before, block: 0 });
        let roots = vec![(0, Hash::ZERO); KEPT_ROOTS as usize];
        Roots::<T>::insert(LOG, BoundedVec::truncate_from(roots));

        #[extrinsic_call]
        _(RawOrigin::Signed(GATEWAY.0.into()), checkpoint(MAX_SIZE, new), proof);

        assert_eq!(Pallet::<T>::anchored_root(&LOG, MAX_SIZE), Some(new));
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
