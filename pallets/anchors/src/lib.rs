#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
pub mod runtime_api;
pub mod times;
pub mod traits;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use traits::LogLookup;
pub use weights::WeightInfo;

/// The number of anchored sizes per log that proofs may refer to, including the latest.
pub const KEPT_ROOTS: u32 = 8;

/// The maximum number of logs of a gateway. What is stored about a log stays for good, because evidence needs it.
pub const MAX_EPOCHS: u32 = 1_024;

/// The SHA-256 of the host, which takes a fraction of the time of one compiled to Wasm.
pub struct HostSha256;

impl streembit_primitives::merkle::Sha256 for HostSha256 {
    fn sha256(bytes: &[u8]) -> [u8; 32] {
        sp_io::hashing::sha2_256(bytes)
    }
}

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use crate::{
        times::{note_time, LogTimes, SizeAt},
        HostSha256, WeightInfo, KEPT_ROOTS, MAX_EPOCHS,
    };
    use alloc::vec::Vec;
    use frame_support::{
        pallet_prelude::*,
        traits::{Contains, Time},
    };
    use frame_system::pallet_prelude::*;
    use pallet_parties::PartyLookup;
    use sp_runtime::SaturatedConversion;
    use streembit_primitives::{
        checkpoint::{Anchor, AnchoredRoot, EpochState},
        merkle::{ConsistencyProof, NodeHash as _, Rfc9162, MAX_LOG_SIZE},
        AccountId, Checkpoint, Hash, LogId, Scope,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The parameters that the runtime sets.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<
        RuntimeEvent: From<Event<Self>>,
        AccountId: From<[u8; 32]> + Into<[u8; 32]>,
        Hash: Into<[u8; 32]>,
    >
    {
        /// The gateways, whose logs are anchored.
        type Gateways: Contains<AccountId>;

        /// The parties, whose accounts close and open the logs of their gateways.
        type Parties: PartyLookup;

        /// The chain's clock, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The latest anchor of each log.
    #[pallet::storage]
    pub type Latest<T: Config> = StorageMap<_, Blake2_128Concat, LogId, Anchor>;

    /// The size and root of each log's last anchors, with the time and the block, oldest first.
    #[pallet::storage]
    pub type Roots<T: Config> =
        StorageMap<_, Blake2_128Concat, LogId, BoundedVec<AnchoredRoot, ConstU32<KEPT_ROOTS>>, ValueQuery>;

    /// When each log had which size, oldest first. The times become sparse with their age, and the first one stays.
    #[pallet::storage]
    pub type Times<T: Config> = StorageMap<_, Blake2_128Concat, LogId, LogTimes, ValueQuery>;

    /// The log that each gateway writes now, or wrote last. A gateway that has never closed a log has no entry.
    #[pallet::storage]
    pub type Epochs<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, EpochState, ValueQuery>;

    /// The genesis hash. A proof of the state finds it beside the anchors, because the voters' signatures do not name
    /// their chain. `None` in the first block only.
    #[pallet::storage]
    pub type Genesis<T: Config> = StorageValue<_, Hash>;

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        /// A log was anchored.
        Anchored {
            /// The anchored checkpoint.
            checkpoint: Checkpoint,
            /// The size of the log at the previous anchor, or 0 for the first one.
            previous: u64,
        },
        /// A log was closed. It is never anchored again.
        EpochClosed {
            /// The log.
            log: LogId,
            /// Its size at its last anchor, or 0 if it has none.
            size: u64,
        },
        /// A gateway begins another log.
        EpochOpened {
            /// The log.
            log: LogId,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The sender is not the gateway of the log.
        NotYourLog,
        /// The account is not a gateway of the consortium: add it with `parties.add_gateway` first.
        NotAGateway,
        /// The log is not open: its gateway has closed it, or has not opened it yet.
        EpochNotOpen,
        /// The gateway has an open log: close it first.
        EpochOpen,
        /// The gateway has had as many logs as allowed: set up a gateway with a new key.
        TooManyEpochs,
        /// Only the gateway and accounts of its party can close and open its logs.
        NotYourGateway,
        /// The log is not larger than at its latest anchor: there is nothing to anchor, or entries are missing.
        NotLarger,
        /// No log can have this size.
        TooLarge,
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
        /// Anchors a checkpoint, if the log extends the one anchored before.
        ///
        /// May be called by the log's gateway, whose signature on the extrinsic covers the checkpoint. `proof` leads
        /// from the size of the latest anchor to the size of the checkpoint; it is empty for the first anchor. The
        /// chain cannot check the heads map of the checkpoint. Whoever has the log derives it again.
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
            ensure!(Self::epoch(&gateway).log(gateway) == Some(log), Error::<T>::EpochNotOpen);

            let (size, root) = match Latest::<T>::get(log) {
                Some(Anchor { checkpoint, .. }) => (checkpoint.size, checkpoint.root),
                None => (0, Rfc9162::<HostSha256>::new().empty()),
            };
            ensure!(checkpoint.size > size, Error::<T>::NotLarger);
            ensure!(checkpoint.size <= MAX_LOG_SIZE, Error::<T>::TooLarge);
            let extends = proof.verify_with::<HostSha256>(size, &root, checkpoint.size, &checkpoint.root);
            ensure!(extends, Error::<T>::Inconsistent);

            let block = frame_system::Pallet::<T>::block_number().saturated_into();
            Times::<T>::mutate(log, |times| {
                if times.is_empty() {
                    // The times of a log that was anchored before they were kept.
                    Roots::<T>::get(log).iter().for_each(|root| note_time(times, SizeAt::from(root)));
                }
                note_time(times, SizeAt { size: checkpoint.size, time: T::Clock::now() });
            });
            Roots::<T>::mutate(log, |roots| {
                if roots.is_full() {
                    roots.remove(0);
                }
                roots.force_push(AnchoredRoot {
                    size: checkpoint.size,
                    root: checkpoint.root,
                    time: T::Clock::now(),
                    block,
                });
            });
            Latest::<T>::insert(log, Anchor { checkpoint: checkpoint.clone(), block });
            Self::deposit_event(Event::Anchored { checkpoint, previous: size });
            Ok(())
        }

        /// Closes the open log of a gateway for good, at the size of its latest anchor.
        ///
        /// May be called by the gateway, or by an account of its party with the scope `Gateway`. A gateway that lost
        /// entries of its log cannot anchor it any more. It closes the log, opens the next one, and each of its devices
        /// is assigned to that one.
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::close_epoch())]
        pub fn close_epoch(origin: OriginFor<T>, gateway: AccountId) -> DispatchResult {
            Self::ensure_keeper(origin, &gateway)?;
            let EpochState { number, open } = Self::epoch(&gateway);
            ensure!(open, Error::<T>::EpochNotOpen);
            Epochs::<T>::insert(gateway, EpochState { number, open: false });
            let log = LogId { gateway, epoch: number };
            let size = Latest::<T>::get(log).map_or(0, |anchor| anchor.checkpoint.size);
            Self::deposit_event(Event::EpochClosed { log, size });
            Ok(())
        }

        /// Opens the next log of a gateway whose last log is closed.
        ///
        /// May be called by the gateway, or by an account of its party with the scope `Gateway`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::open_epoch())]
        pub fn open_epoch(origin: OriginFor<T>, gateway: AccountId) -> DispatchResult {
            Self::ensure_keeper(origin, &gateway)?;
            let EpochState { number, open } = Self::epoch(&gateway);
            ensure!(!open, Error::<T>::EpochOpen);
            let number = number.saturating_add(1);
            ensure!(number < MAX_EPOCHS, Error::<T>::TooManyEpochs);
            Epochs::<T>::insert(gateway, EpochState { number, open: true });
            Self::deposit_event(Event::EpochOpened { log: LogId { gateway, epoch: number } });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// Ensures that the sender is a gateway, or an account of its party with the scope `Gateway`.
        fn ensure_keeper(origin: OriginFor<T>, gateway: &AccountId) -> DispatchResult {
            let sender = AccountId(ensure_signed(origin)?.into());
            ensure!(T::Gateways::contains(gateway), Error::<T>::NotAGateway);
            if sender != *gateway {
                let party = T::Parties::ensure_scope(&sender, Scope::Gateway)?;
                ensure!(T::Parties::belongs_to(gateway, &party), Error::<T>::NotYourGateway);
            }
            Ok(())
        }

        /// Returns the latest anchor of a log.
        pub fn latest(log: &LogId) -> Option<Anchor> {
            Latest::<T>::get(log)
        }

        /// Returns the root of a log at one of its last [`KEPT_ROOTS`] anchored sizes, and when it was anchored.
        pub fn anchored_root(log: &LogId, size: u64) -> Option<AnchoredRoot> {
            Roots::<T>::get(log).into_iter().find(|anchored| anchored.size == size)
        }

        /// Returns the last [`KEPT_ROOTS`] anchored roots of a log, oldest first, and when each was anchored.
        pub fn anchored_roots(log: &LogId) -> Vec<AnchoredRoot> {
            Roots::<T>::get(log).into_inner()
        }

        /// Returns the log that a gateway writes now, or wrote last.
        pub fn epoch(gateway: &AccountId) -> EpochState {
            Epochs::<T>::get(gateway)
        }
    }
}
