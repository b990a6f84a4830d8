#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod change;
mod council;
mod equivocation;
mod lookup;
mod quota;
mod session;

pub mod migration;
pub mod no_currency;
pub mod runtime_api;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use council::{Collective, Council};
pub use equivocation::{Authority, AuthoritySet, VoteProof, MAX_EQUIVOCATIONS};
pub use lookup::{GenesisHash, IsGateway, IsParty};
pub use pallet::*;
pub use quota::SpendQuota;
pub use session::ValidatorOf;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "what the macros of FRAME expand to")]
pub mod pallet {
    use super::{AuthoritySet, Council, GenesisHash, VoteProof, WeightInfo, MAX_EQUIVOCATIONS};
    use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
    use frame_support::{pallet_prelude::*, traits::Time};
    use frame_system::pallet_prelude::*;
    use sp_runtime::traits::Convert;
    use streembit_primitives::{
        consortium::{Change, Equivocation, Membership, Offence, Quota, SessionKeys},
        device::GatewayConsent,
        AccountId, Signature,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

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
            Hash: From<[u8; 32]> + Into<[u8; 32]>,
        > + pallet_session::Config<ValidatorId = <Self as frame_system::Config>::AccountId>
    {
        /// The most validators.
        #[pallet::constant]
        type MaxValidators: Get<u32>;

        /// How many blocks a session lasts at least, the one between a change's two turns excepted: nobody keeps the
        /// validators changing by setting keys again and again.
        #[pallet::constant]
        type MinSession: Get<BlockNumberFor<Self>>;

        /// The two public keys that a validator's session keys are.
        type PublicKeys: Convert<<Self as pallet_session::Config>::Keys, SessionKeys>;

        /// The number of GRANDPA's set of voters: it rises with each change of the validators.
        type VoterSet: Get<u64>;

        /// What a party may spend in a period where the council set nothing else.
        #[pallet::constant]
        type DefaultQuota: Get<Quota>;

        /// How long a period is, in milliseconds: with each a quota is whole again.
        #[pallet::constant]
        type QuotaPeriod: Get<u64>;

        /// The time, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// Where changes are voted.
        type Council: Council<Self::AccountId, Self::Hash>;

        /// What the council's decisions come with.
        type CouncilOrigin: EnsureOrigin<Self::RuntimeOrigin>;

        /// What the calls weigh.
        type WeightInfo: WeightInfo;
    }

    /// The parties.
    #[pallet::storage]
    pub type Parties<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Membership>;

    /// The party that each gateway belongs to. It is nobody's gateway any more once that is no party.
    #[pallet::storage]
    pub type Gateways<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, AccountId>;

    /// The gateways of each party: the other direction of [`Gateways`].
    #[pallet::storage]
    pub type GatewaysOf<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, AccountId, ()>;

    /// The validators as decided, in the order of their authorities; each has session keys. The session pallet's are
    /// those in force.
    #[pallet::storage]
    pub type Validators<T: Config> = StorageValue<_, BoundedVec<T::AccountId, T::MaxValidators>, ValueQuery>;

    /// The block in which the current session began.
    #[pallet::storage]
    pub type SessionBegan<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    /// The validators in force, and since which block: it was made by those before.
    #[pallet::storage]
    pub type Authorities<T: Config> = StorageValue<_, AuthoritySet<T>, ValueQuery>;

    /// Those that were in force before the last change: what they signed may become known only now.
    #[pallet::storage]
    pub type FormerAuthorities<T: Config> = StorageValue<_, AuthoritySet<T>, ValueQuery>;

    /// Who contradicted itself as a validator, once each, oldest first. Where there are too many, the oldest goes.
    ///
    /// Until the account becomes a validator again, or belongs no more.
    #[pallet::storage]
    pub type Equivocations<T: Config> =
        StorageValue<_, BoundedVec<Equivocation, ConstU32<MAX_EQUIVOCATIONS>>, ValueQuery>;

    /// What parties may spend in every period, where the council set it.
    #[pallet::storage]
    pub type Quotas<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Quota>;

    /// What was spent, and in which period: of a former one it does not count any more. Of parties, and of those who were
    /// ever in the council without being one.
    #[pallet::storage]
    pub type Spent<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, (u64, Quota), ValueQuery>;

    /// Whether the last turn queued a change that the next block puts into force.
    #[pallet::storage]
    pub type HalfTurned<T: Config> = StorageValue<_, bool, ValueQuery>;

    /// The consortium at its founding.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The founding parties, each once.
        pub parties: Vec<T::AccountId>,
        /// Those of the parties that make blocks, each once; their keys are in the session pallet's genesis.
        pub validators: Vec<T::AccountId>,
        /// The quotas of parties that differ from everybody's: microseconds and bytes, see [`Quota`].
        pub quotas: Vec<(T::AccountId, u64, u64)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        /// A chain does not start from a genesis that breaks a rule: it panics, on the machine that makes the genesis.
        fn build(&self) {
            let parties = BTreeSet::from_iter(&self.parties);
            assert!(parties.len() == self.parties.len(), "genesis: a party is named twice");
            let validators = BTreeSet::from_iter(&self.validators);
            assert!(validators.len() == self.validators.len(), "genesis: a validator is named twice");
            assert!(validators.is_subset(&parties), "genesis: a validator is not a party");
            assert!(validators.len() <= T::MaxValidators::get() as usize, "genesis: too many validators");

            for account in &self.parties {
                Parties::<T>::insert(AccountId(account.clone().into()), Membership { since: Some(0) });
                frame_system::Pallet::<T>::inc_providers(account);
            }
            Validators::<T>::put(BoundedVec::truncate_from(self.validators.clone()));
            for (party, microseconds, bytes) in &self.quotas {
                assert!(parties.contains(party), "genesis: a quota is no party's");
                let quota = Quota { microseconds: *microseconds, bytes: *bytes };
                Quotas::<T>::insert(AccountId(party.clone().into()), quota);
            }
        }
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A party took a gateway in; it may submit from now on.
        GatewayAdded {
            /// The party.
            party: AccountId,
            /// The gateway.
            gateway: AccountId,
        },
        /// A gateway belongs to nobody any more.
        GatewayRemoved {
            /// The party that it belonged to.
            party: AccountId,
            /// The gateway.
            gateway: AccountId,
        },
        /// The council is asked for a change.
        Proposed {
            /// The motion's id.
            motion: T::Hash,
            /// The change.
            change: Change,
            /// Who asks.
            by: AccountId,
        },
        /// A change was decided. That of a validator comes into force with the next sessions, that of the runtime when its
        /// code is submitted.
        Changed {
            /// The change.
            change: Change,
        },
        /// Fewer validators than safety needs: the failure of one stops the chain.
        FewValidators {
            /// How many there are now.
            validators: u32,
        },
        /// A validator contradicted itself, which its own signatures prove.
        Equivocated {
            /// The validator.
            validator: AccountId,
            /// What it did.
            offence: Offence,
            /// Whether it is removed with the next sessions: not where it is the last one, or none any more.
            removed: bool,
        },
    }

    /// Why a call is refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The sender is not a party of the consortium.
        NotAParty,
        /// The account is a party: a gateway needs a key of its own.
        IsAParty,
        /// The gateway belongs to a party already.
        GatewayKnown,
        /// The consent is not the gateway's signature over this chain, this gateway and this party.
        BadConsent,
        /// Only a gateway's party and the gateway itself can take it out.
        NotYourGateway,
        /// The account belongs to the consortium in no way: it is no party, no party's gateway and not in the council.
        NotAMember,
        /// The sender is not in the council.
        NotInCouncil,
        /// There is no such motion, or it is closed.
        NoMotion,
        /// The account is a party's gateway: a party needs a key of its own.
        IsAGateway,
        /// The party is in the council.
        InCouncil,
        /// The account is not a validator.
        NotAValidator,
        /// The account is a validator.
        IsAValidator,
        /// The account has no session keys.
        NoSessionKeys,
        /// It would leave no validator.
        LastValidator,
        /// There are as many validators as there may be.
        TooManyValidators,
        /// The account contradicted itself, and its removal is not in force yet: ask again after the next sessions.
        StillInForce,
        /// The two do not contradict each other, or a signature is not the validator's.
        NoEquivocation,
        /// The signer is not one of the validators of that time.
        NotAnAuthority,
        /// It is of a set of validators before the last two, of which nothing is known any more.
        TooOld,
        /// The block does not follow one of this chain.
        NotOfThisChain,
        /// The validator was reported already, for something that it did in the same set.
        AlreadyReported,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// The session pallet counts nothing for its question whether the session ends; it is counted here.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let validators = Validators::<T>::decode_len().unwrap_or_default() as u32;
            <T as Config>::WeightInfo::on_initialize(validators)
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Takes a gateway that consents into the sender's possession, so that it may submit.
        ///
        /// By a party. `consent` is the gateway's signature over a [`GatewayConsent`].
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::add_gateway())]
        pub fn add_gateway(origin: OriginFor<T>, gateway: AccountId, consent: Signature) -> DispatchResult {
            let party = AccountId(ensure_signed(origin)?.into());
            ensure!(Self::is_party(&party), Error::<T>::NotAParty);
            ensure!(!Self::is_party(&gateway), Error::<T>::IsAParty);
            ensure!(!Self::is_gateway(&gateway), Error::<T>::GatewayKnown);
            let agreed = GatewayConsent { genesis: GenesisHash::<T>::get(), gateway, party };
            ensure!(agreed.verify(&consent), Error::<T>::BadConsent);

            Self::forget_gateway(gateway);
            Gateways::<T>::insert(gateway, party);
            GatewaysOf::<T>::insert(party, gateway, ());
            Self::vouch(gateway);
            Self::deposit_event(Event::GatewayAdded { party, gateway });
            Ok(())
        }

        /// Ends a gateway's belonging to its party; it may not submit any more.
        ///
        /// By the party, or the gateway. A gateway that validates has to leave the validators first.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::remove_gateway())]
        pub fn remove_gateway(origin: OriginFor<T>, gateway: AccountId) -> DispatchResult {
            let by = AccountId(ensure_signed(origin)?.into());
            let party = Gateways::<T>::get(gateway).ok_or(Error::<T>::NotYourGateway)?;
            ensure!(by == party || by == gateway, Error::<T>::NotYourGateway);
            ensure!(!Self::is_validator(&gateway), Error::<T>::IsAValidator);

            Self::forget_gateway(gateway);
            Self::deposit_event(Event::GatewayRemoved { party, gateway });
            Ok(())
        }

        /// Asks the council for a change. A member of the council that asks is for it, which may decide it at once.
        ///
        /// By a party, a party's gateway, or a member of the council. What could not be done now is refused.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::propose())]
        pub fn propose(origin: OriginFor<T>, change: Change) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            let by = AccountId(sender.clone().into());
            let in_council = T::Council::contains(&sender);
            ensure!(in_council || Self::belongs(&by), Error::<T>::NotAMember);
            Self::check(&change)?;
            let motion = T::Council::open(&sender, change)?;
            Self::deposit_event(Event::Proposed { motion, change, by });
            if in_council {
                T::Council::vote(&sender, motion, true)?;
            }
            Ok(())
        }

        /// Votes on a motion, and carries it out, or drops it, as soon as that is decided.
        ///
        /// By a member of the council.
        #[pallet::call_index(3)]
        #[pallet::weight((<T as Config>::WeightInfo::vote(), DispatchClass::Operational))]
        pub fn vote(origin: OriginFor<T>, motion: T::Hash, approve: bool) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            ensure!(T::Council::contains(&sender), Error::<T>::NotInCouncil);
            T::Council::vote(&sender, motion, approve)
        }

        /// Makes a change. By the council's decision.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::enact())]
        pub fn enact(origin: OriginFor<T>, change: Change) -> DispatchResult {
            T::CouncilOrigin::ensure_origin(origin)?;
            Self::apply(change)
        }

        /// Leaves the validators. In force with the next sessions; until then the node has to go on.
        ///
        /// By a validator. The last one cannot leave.
        #[pallet::call_index(5)]
        #[pallet::weight(<T as Config>::WeightInfo::leave_validators())]
        pub fn leave_validators(origin: OriginFor<T>) -> DispatchResult {
            Self::apply(Change::RemoveValidator(AccountId(ensure_signed(origin)?.into())))
        }

        /// Leaves the consortium, with all gateways.
        ///
        /// By a party that is not in the council.
        #[pallet::call_index(6)]
        #[pallet::weight(<T as Config>::WeightInfo::leave())]
        pub fn leave(origin: OriginFor<T>) -> DispatchResult {
            Self::apply(Change::RemoveParty(AccountId(ensure_signed(origin)?.into())))
        }

        /// Reports a validator that voted for two blocks in one round of GRANDPA: it is removed.
        ///
        /// Signed by nobody; pools take it from their own node only.
        #[pallet::call_index(7)]
        #[pallet::weight((<T as Config>::WeightInfo::report_votes(), DispatchClass::Operational))]
        pub fn report_votes(origin: OriginFor<T>, proof: Box<VoteProof<T>>) -> DispatchResult {
            ensure_none(origin)?;
            let proven = Self::judge_votes(&proof)?;
            Self::punish(proven);
            Ok(())
        }

        /// Reports a validator that made two blocks in one slot, by their headers with the seals: it is removed.
        ///
        /// Signed by nobody; pools take it from their own node only.
        #[pallet::call_index(8)]
        #[pallet::weight((<T as Config>::WeightInfo::report_blocks(), DispatchClass::Operational))]
        pub fn report_blocks(
            origin: OriginFor<T>,
            first: Box<HeaderFor<T>>,
            second: Box<HeaderFor<T>>,
        ) -> DispatchResult {
            ensure_none(origin)?;
            let proven = Self::judge_blocks(&first, &second)?;
            Self::punish(proven);
            Ok(())
        }
    }

    // What replaces it is one more extension in every transaction.
    #[allow(deprecated)]
    #[pallet::validate_unsigned]
    impl<T: Config> ValidateUnsigned for Pallet<T> {
        type Call = Call<T>;

        fn validate_unsigned(source: TransactionSource, call: &Self::Call) -> TransactionValidity {
            Self::validity(source, call)
        }
    }
}
