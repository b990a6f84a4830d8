#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "runtime-benchmarks")]
extern crate alloc;

#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
pub mod runtime_api;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use weights::WeightInfo;

/// How many of a log's last anchored sizes proofs may refer to, the latest included.
pub const KEPT_ROOTS: u32 = 8;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "what the macros of FRAME expand to")]
pub mod pallet {
    use crate::{WeightInfo, KEPT_ROOTS};
    use frame_support::{pallet_prelude::*, traits::Contains};
    use frame_system::pallet_prelude::*;
    use sp_runtime::SaturatedConversion;
    use streembit_primitives::{
        checkpoint::Anchor,
        hash::Domain,
        merkle::{ConsistencyProof, MAX_LOG_SIZE},
        AccountId, Checkpoint, Hash, LogId,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime fixes.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<
        RuntimeEvent: From<Event<Self>>,
        AccountId: From<[u8; 32]> + Into<[u8; 32]>,
        Hash: Into<[u8; 32]>,
    >
    {
        /// Whose logs are anchored.
        type Gateways: Contains<AccountId>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;

        /// What a benchmark needs of those that this pallet asks.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The latest anchor of each log.
    #[pallet::storage]
    pub type Latest<T: Config> = StorageMap<_, Blake2_128Concat, LogId, Anchor>;

    /// Size and root of each log's last anchors, oldest first.
    #[pallet::storage]
    pub type Roots<T: Config> =
        StorageMap<_, Blake2_128Concat, LogId, BoundedVec<(u64, Hash), ConstU32<KEPT_ROOTS>>, ValueQuery>;

    /// The hash of the chain's first block, where a proof of the state finds it beside the anchors: what voters sign
    /// names no chain. None in the first block only.
    #[pallet::storage]
    pub type Genesis<T: Config> = StorageValue<_, Hash>;

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A log was anchored.
        Anchored {
            /// What was anchored.
            checkpoint: Checkpoint,
            /// The log's size at the anchor before; 0 for the first.
            previous: u64,
        },
    }

    /// Why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The sender is not the gateway whose log this is.
        NotYourLog,
        /// The account is no gateway of the consortium: add it with `consortium.add_gateway` first.
        NotAGateway,
        /// Only epoch 0 of a log can be anchored.
        EpochNotOpen,
        /// The log is not larger than at its latest anchor: there is nothing to anchor, or entries are missing.
        NotLarger,
        /// The size is beyond what a log can have.
        TooLarge,
        /// The checkpoint does not commit to the devices' last events: every log with entries has a heads map.
        NoHeadsRoot,
        /// The proof does not show that the log extends the one anchored before.
        Inconsistent,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(block: BlockNumberFor<T>) -> Weight {
            if !block.is_one() {
                return Weight::zero();
            }
            Genesis::<T>::put(Hash(frame_system::Pallet::<T>::parent_hash().into()));
            T::DbWeight::get().reads_writes(1, 1)
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Makes a checkpoint the log's latest, if the log extends the one anchored before.
        ///
        /// By the log's gateway, whose signature on the extrinsic covers the checkpoint. `proof` is from the size of the
        /// latest anchor to the checkpoint's; empty for a first anchor. The checkpoint must have a heads map, which the
        /// chain does not know from the inside: whoever has the log derives it again.
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::anchor(proof.path().len() as u32))]
        pub fn anchor(
            origin: OriginFor<T>,
            checkpoint: Checkpoint,
            proof: ConsistencyProof,
        ) -> DispatchResult {
            let log = checkpoint.log;
            let gateway = AccountId(ensure_signed(origin)?.into());
            ensure!(gateway == log.gateway, Error::<T>::NotYourLog);
            ensure!(T::Gateways::contains(&gateway), Error::<T>::NotAGateway);
            ensure!(log.epoch == 0, Error::<T>::EpochNotOpen);

            let (size, root) = match Latest::<T>::get(log) {
                Some(Anchor { checkpoint, .. }) => (checkpoint.size, checkpoint.root),
                None => (0, Domain::LogEmpty.hash(b"")),
            };
            ensure!(checkpoint.size > size, Error::<T>::NotLarger);
            ensure!(checkpoint.size <= MAX_LOG_SIZE, Error::<T>::TooLarge);
            ensure!(checkpoint.heads_root.is_some(), Error::<T>::NoHeadsRoot);
            ensure!(proof.verify(size, &root, checkpoint.size, &checkpoint.root), Error::<T>::Inconsistent);

            Roots::<T>::mutate(log, |roots| {
                if roots.is_full() {
                    roots.remove(0);
                }
                roots.force_push((checkpoint.size, checkpoint.root));
            });
            let block = frame_system::Pallet::<T>::block_number().saturated_into();
            Latest::<T>::insert(log, Anchor { checkpoint: checkpoint.clone(), block });
            Self::deposit_event(Event::Anchored { checkpoint, previous: size });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// The latest anchor of a log.
        pub fn latest(log: &LogId) -> Option<Anchor> {
            Latest::<T>::get(log)
        }

        /// The root of a log at one of its last [`KEPT_ROOTS`] anchored sizes.
        pub fn anchored_root(log: &LogId, size: u64) -> Option<Hash> {
            Roots::<T>::get(log).iter().find_map(|(at, root)| (*at == size).then_some(*root))
        }
    }
}
