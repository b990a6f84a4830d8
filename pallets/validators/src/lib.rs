#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod authorities;
mod equivocation;
mod invariants;
mod registry;
mod session;

pub mod no_currency;
pub mod runtime_api;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use authorities::{Authority, AuthoritySet};
pub use equivocation::{VoteProof, MAX_EQUIVOCATIONS};
pub use pallet::*;
pub use session::ValidatorOf;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use super::{AuthoritySet, VoteProof, WeightInfo, MAX_EQUIVOCATIONS};
    use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;
    use pallet_parties::{PartyLookup, Registry};
    use sp_runtime::traits::Convert;
    use streembit_primitives::{
        consortium::{Equivocation, Offence, SessionKeys},
        AccountId, Hash,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The parameters that the runtime sets.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId: From<[u8; 32]> + Into<[u8; 32]>>
        + pallet_session::Config<ValidatorId = <Self as frame_system::Config>::AccountId>
    {
        /// The highest number of validators.
        #[pallet::constant]
        type MaxValidators: Get<u32>;

        /// The lowest number of blocks in a session, except for the one between the two rotations of a change. It keeps
        /// accounts from rotating the sessions all the time by setting keys.
        #[pallet::constant]
        type MinSession: Get<BlockNumberFor<Self>>;

        /// Converts session keys to the two public keys that they consist of.
        type PublicKeys: Convert<<Self as pallet_session::Config>::Keys, SessionKeys>;

        /// The number of GRANDPA's voter set. It rises with each change of the validators.
        type VoterSet: Get<u64>;

        /// The genesis hash of the chain.
        type Genesis: Get<Hash>;

        /// The parties, for which validators act.
        type Parties: PartyLookup;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;

        /// Prepares the other pallets for a benchmark.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::benchmarking::Helper;
    }

    /// The validators as decided, in the order of their authorities. Each has session keys. The session pallet has
    /// those in force.
    #[pallet::storage]
    pub type Validators<T: Config> = StorageValue<_, BoundedVec<T::AccountId, T::MaxValidators>, ValueQuery>;

    /// The block in which the current session began.
    #[pallet::storage]
    pub type SessionBegan<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    /// True after the first rotation of a change: the next block makes the second one, which puts the change into
    /// force.
    #[pallet::storage]
    pub type SecondRotationPending<T: Config> = StorageValue<_, bool, ValueQuery>;

    /// The validators in force, and the block since which they are. The validators before them made that block.
    #[pallet::storage]
    pub type Authorities<T: Config> = StorageValue<_, AuthoritySet<T>, ValueQuery>;

    /// The validators before the last change. A proof against them may become known only now.
    #[pallet::storage]
    pub type FormerAuthorities<T: Config> = StorageValue<_, AuthoritySet<T>, ValueQuery>;

    /// The accounts that contradicted themselves as validators, once each, oldest first.
    ///
    /// The oldest entry is dropped if there are too many. An entry is removed when the account becomes a validator
    /// again or no longer acts for a party.
    #[pallet::storage]
    pub type Equivocations<T: Config> =
        StorageValue<_, BoundedVec<Equivocation, ConstU32<MAX_EQUIVOCATIONS>>, ValueQuery>;

    /// The founding validators.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The parties that make blocks, each once. Their keys are in the session pallet's genesis.
        pub validators: Vec<T::AccountId>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// Panics if the genesis breaks a rule. Only the machine that makes the genesis runs this.
        fn build(&self) {
            let distinct = BTreeSet::from_iter(&self.validators);
            assert!(distinct.len() == self.validators.len(), "genesis: a validator is named twice");
            for account in distinct {
                let id = AccountId(account.clone().into());
                assert!(T::Parties::acts_for(&id) == Some(id), "genesis: a validator is not a party");
            }
            let count = self.validators.len();
            assert!(count <= T::MaxValidators::get() as usize, "genesis: too many validators");
            Validators::<T>::put(BoundedVec::truncate_from(self.validators.clone()));
        }
    }

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An account was made a validator. It makes blocks after the next session rotations.
        ValidatorAdded {
            /// The validator.
            validator: AccountId,
        },
        /// An account is no longer a validator. It makes blocks until the next session rotations.
        ValidatorRemoved {
            /// The former validator.
            validator: AccountId,
        },
        /// There are fewer validators than safety needs: the failure of one stops the chain.
        FewValidators {
            /// The number of validators that are left.
            validators: u32,
        },
        /// A validator contradicted itself, as its own signatures prove.
        Equivocated {
            /// The validator.
            validator: AccountId,
            /// The proven offence.
            offence: Offence,
            /// True if the validator is removed with the next session rotations. False if it is the last validator or
            /// no longer one.
            removed: bool,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The account is neither a party nor a party's gateway.
        NotAMember,
        /// The account is not a validator.
        NotAValidator,
        /// The account is a validator.
        IsAValidator,
        /// The account has no session keys.
        NoSessionKeys,
        /// No validator would be left.
        LastValidator,
        /// There are already as many validators as allowed.
        TooManyValidators,
        /// The account contradicted itself, and its removal is not in force yet. Ask again after the next session
        /// rotations.
        StillInForce,
        /// The two votes or blocks do not contradict each other, or a signature is not the validator's.
        NoEquivocation,
        /// The signer was not a validator at that time.
        NotAnAuthority,
        /// The offence is of a set of validators that the chain no longer knows. It knows the last two.
        TooOld,
        /// The block does not follow a block of this chain.
        NotOfThisChain,
        /// The validator was already reported for an offence in the same set.
        AlreadyReported,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Accounts for [`pallet_session::ShouldEndSession`], whose cost the session pallet does not count, and for
        /// `on_finalize`.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let validators = Validators::<T>::decode_len().unwrap_or_default() as u32;
            // `on_finalize` reads the digest, and the genesis hash if the voters change.
            let on_finalize = T::DbWeight::get().reads(2);
            <T as Config>::WeightInfo::on_initialize(validators).saturating_add(on_finalize)
        }

        /// Names the chain in the block's digest if the block changes the voters. The runtime must list this pallet
        /// after GRANDPA's, which writes the change to the digest.
        fn on_finalize(_: BlockNumberFor<T>) {
            Self::name_chain_of_change();
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Leaves the validators, in force after the next session rotations. Until then the node has to go on.
        ///
        /// May be called by a validator, except for the last one.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::leave())]
        pub fn leave(origin: OriginFor<T>) -> DispatchResult {
            <Self as Registry>::remove(AccountId(ensure_signed(origin)?.into()))
        }

        /// Reports a validator that voted for two blocks in one round of GRANDPA, and removes it.
        ///
        /// The extrinsic is unsigned. A pool accepts it only from its own node.
        #[pallet::call_index(1)]
        #[pallet::weight((<T as Config>::WeightInfo::report_votes(), DispatchClass::Operational))]
        pub fn report_votes(origin: OriginFor<T>, proof: Box<VoteProof<T>>) -> DispatchResult {
            ensure_none(origin)?;
            let proven = Self::verify_votes(&proof)?;
            Self::punish(proven);
            Ok(())
        }

        /// Reports a validator that made two blocks in one slot, by their sealed headers, and removes it.
        ///
        /// The extrinsic is unsigned. A pool accepts it only from its own node.
        #[pallet::call_index(2)]
        #[pallet::weight((<T as Config>::WeightInfo::report_blocks(), DispatchClass::Operational))]
        pub fn report_blocks(
            origin: OriginFor<T>,
            first: Box<HeaderFor<T>>,
            second: Box<HeaderFor<T>>,
        ) -> DispatchResult {
            ensure_none(origin)?;
            let proven = Self::verify_blocks(&first, &second)?;
            Self::punish(proven);
            Ok(())
        }
    }

    // Its replacement would add an extension to every transaction.
    #[allow(deprecated)]
    #[pallet::validate_unsigned]
    impl<T: Config> ValidateUnsigned for Pallet<T> {
        type Call = Call<T>;

        fn validate_unsigned(source: TransactionSource, call: &Self::Call) -> TransactionValidity {
            Self::validate_report(source, call)
        }
    }
}
