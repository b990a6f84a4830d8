//! The calls at their worst.

use crate::{
    times::{SizeAt, MAX_TIMES},
    Call, Config, Epochs, Latest, Pallet, Roots, Times, KEPT_ROOTS,
};
use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::BoundedVec;
use frame_system::RawOrigin;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    merkle::{ConsistencyProof, NodeHash as _, LOG_TREE},
    AccountId, Checkpoint, Hash, LogId, PartyId, Version,
};

/// Prepares the other pallets for a benchmark.
pub trait Helper {
    /// Makes an account a gateway of a party with as many accounts as possible. Returns the account of the party that is
    /// found last.
    fn add_gateway(account: AccountId, party: PartyId) -> AccountId;
}

const GATEWAY: AccountId = AccountId([1; 32]);
const PARTY: PartyId = PartyId([3; 32]);
const LOG: LogId = LogId::first(GATEWAY);

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { version: Version, log: LOG, size, root, heads_root: root, time: u64::MAX }
}

/// Returns the old root, the new root and the proof that takes the most work for `count` hashes, 3 to 63: from one
/// entry below a complete tree to the complete tree. All hashes but the first two go into both roots.
fn hardest_proof(count: u32) -> (Hash, Hash, ConsistencyProof) {
    let hashes: Vec<_> = (0..count).map(|n| Hash([n as u8; 32])).collect();
    let mut rest = hashes.iter();
    let mut old = rest.next().copied().unwrap_or_default();
    let mut new = rest.next().map(|hash| LOG_TREE.node(&old, hash)).unwrap_or_default();
    for hash in rest {
        old = LOG_TREE.node(hash, &old);
        new = LOG_TREE.node(hash, &new);
    }
    (old, new, ConsistencyProof::new(hashes))
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `h` hashes. With 63 the log has the highest possible size.
    #[benchmark]
    fn anchor(h: Linear<3, 63>) {
        T::BenchmarkHelper::add_gateway(GATEWAY, PARTY);
        let (old, new, proof) = hardest_proof(h);
        let size = 1u64 << h.saturating_sub(1);
        let before = checkpoint(size - 1, old);
        Latest::<T>::insert(LOG, Anchor { checkpoint: before, block: 0 });
        let oldest = AnchoredRoot { size: 0, root: Hash::ZERO, time: 0, block: 0 };
        let roots = vec![oldest; KEPT_ROOTS as usize];
        Roots::<T>::insert(LOG, BoundedVec::truncate_from(roots));
        let times = vec![SizeAt { size: 0, time: 0 }; MAX_TIMES as usize];
        Times::<T>::insert(LOG, BoundedVec::truncate_from(times));

        #[extrinsic_call]
        _(RawOrigin::Signed(GATEWAY.0.into()), checkpoint(size, new), proof);

        assert_eq!(Pallet::<T>::anchored_root(&LOG, size).map(|anchored| anchored.root), Some(new));
    }

    /// The sender is an account of the gateway's party.
    #[benchmark]
    fn close_epoch() {
        let sender = T::BenchmarkHelper::add_gateway(GATEWAY, PARTY);
        Latest::<T>::insert(LOG, Anchor { checkpoint: checkpoint(1, Hash::ZERO), block: 0 });

        #[extrinsic_call]
        _(RawOrigin::Signed(sender.0.into()), GATEWAY);

        assert_eq!(Pallet::<T>::epoch(&GATEWAY), EpochState { number: 0, open: false });
    }

    /// The sender is an account of the gateway's party.
    #[benchmark]
    fn open_epoch() {
        let sender = T::BenchmarkHelper::add_gateway(GATEWAY, PARTY);
        Epochs::<T>::insert(GATEWAY, EpochState { number: 0, open: false });

        #[extrinsic_call]
        _(RawOrigin::Signed(sender.0.into()), GATEWAY);

        assert_eq!(Pallet::<T>::epoch(&GATEWAY), EpochState { number: 1, open: true });
    }

    impl_benchmark_test_suite!(Pallet, crate::mock::chain(), crate::mock::Test);
}
