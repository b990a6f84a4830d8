#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod helpers;
#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
mod queries;

pub mod runtime_api;
pub mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use weights::WeightInfo;

/// The pallet.
#[frame_support::pallet]
#[allow(clippy::expect_used, reason = "the macros of FRAME expand to it")]
pub mod pallet {
    use crate::{
        types::{ContractStatus, ServiceProgress},
        WeightInfo,
    };
    use alloc::boxed::Box;
    use frame_support::{pallet_prelude::*, traits::Time};
    use frame_system::pallet_prelude::*;
    use sp_runtime::SaturatedConversion;
    use streembit_primitives::{
        contract::{Contract, ContractError, ContractId, MAX_PARTIES},
        contract_state::{ContractState, ServiceRecord},
        due::due_at,
        event::EventError,
        reading_proof::{ReadingProof, ReadingProofError},
        Decimal, DeviceId, Hash, PartyId,
    };

    const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

    /// The pallet's handle.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// The parameters that the runtime sets.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId: From<[u8; 32]> + Into<[u8; 32]>>
        + pallet_anchors::Config
        + pallet_devices::Config
    {
        /// The clock of the chain, in milliseconds since 1970-01-01 UTC.
        type Clock: Time<Moment = u64>;

        /// The maximum number of contracts that one party can accept.
        #[pallet::constant]
        type MaxContractsOfParty: Get<u32>;

        /// The maximum number of active contracts about one device.
        #[pallet::constant]
        type MaxContractsOfDevice: Get<u32>;

        /// The maximum number of records under one contract.
        #[pallet::constant]
        type MaxRecords: Get<u32>;

        /// The weights of the calls.
        type WeightInfo: WeightInfo;
    }

    /// The contracts, proposed or active. They never change.
    #[pallet::storage]
    pub type Contracts<T: Config> = StorageMap<_, Blake2_128Concat, ContractId, Contract>;

    /// The status of each contract.
    #[pallet::storage]
    pub type Statuses<T: Config> = StorageMap<_, Blake2_128Concat, ContractId, ContractStatus>;

    /// The progress of each service clause, by contract and the index of the clause.
    #[pallet::storage]
    pub type ClauseProgress<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ContractId, Twox64Concat, u32, ServiceProgress, ValueQuery>;

    /// The records of services, by contract and number.
    #[pallet::storage]
    pub type Records<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, ContractId, Twox64Concat, u32, ServiceRecord>;

    /// The contracts that name each party, proposals included.
    #[pallet::storage]
    pub type ContractsOfParty<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, PartyId, Blake2_128Concat, ContractId, ()>;

    /// The number of contracts that each party has accepted, which is limited. Proposals of others do not count,
    /// because otherwise anybody could exhaust a party's limit.
    #[pallet::storage]
    pub type AcceptedBy<T: Config> = StorageMap<_, Blake2_128Concat, PartyId, u32, ValueQuery>;

    /// The active contracts about each device.
    #[pallet::storage]
    pub type ContractsOfDevice<T: Config> = StorageMap<
        _,
        Blake2_128Concat,
        DeviceId,
        BoundedVec<ContractId, T::MaxContractsOfDevice>,
        ValueQuery,
    >;

    /// The events.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A contract was proposed. `Contracts` holds its content under its id.
        Proposed {
            /// The contract.
            id: ContractId,
            /// The parties that have to accept it.
            parties: BoundedVec<PartyId, ConstU32<MAX_PARTIES>>,
        },
        /// A party accepted a contract. A proposal counts as its proposer's acceptance.
        Accepted {
            /// The contract.
            id: ContractId,
            /// The party.
            party: PartyId,
        },
        /// All parties have accepted a contract, which is now active.
        Activated {
            /// The contract.
            id: ContractId,
        },
        /// A meter was proven.
        MeterProven {
            /// The contract.
            id: ContractId,
            /// The index of the clause in the contract.
            clause: u32,
            /// The sequence of the event in the device's history.
            sequence: u64,
            /// The meter's value.
            meter: Decimal,
        },
        /// The provider of a service clause claimed that the service was done.
        Recorded {
            /// The contract.
            id: ContractId,
            /// The record of the service.
            record: ServiceRecord,
        },
        /// The customer of a service clause confirmed a record.
        Confirmed {
            /// The contract.
            id: ContractId,
            /// The record's number.
            number: u32,
            /// The meter value at which the next service falls due.
            due_at: Decimal,
        },
    }

    /// The reasons why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// A contract needs at least two parties, and no party twice.
        Parties,
        /// A contract needs at least one device, and no device twice.
        Devices,
        /// A contract needs at least one clause.
        NoClause,
        /// A clause names a party that is not a party to the contract, or the same party on both sides.
        ClauseParty,
        /// A clause names a device that the contract does not list.
        ClauseDevice,
        /// A service clause needs a named meter and an interval above zero.
        Interval,
        /// A party to the contract is not a party of the consortium.
        UnknownParty,
        /// A device of the contract is not registered.
        UnknownDevice,
        /// A device of the contract does not belong to any of its parties.
        ForeignDevice,
        /// The meter value at which a service falls due does not fit into a decimal.
        DuePointTooLarge,
        /// The same content was proposed before: give it another nonce.
        Exists,
        /// There is no such contract.
        UnknownContract,
        /// The sender's party is not a party to the contract.
        NotPartyToContract,
        /// The contract is no longer a proposal: it is already active.
        NotProposed,
        /// The party has already accepted the contract.
        AcceptedAlready,
        /// The party has accepted the maximum number of contracts.
        TooManyOfParty,
        /// The device has the maximum number of active contracts.
        TooManyOfDevice,
        /// Not all parties have accepted the contract yet.
        NotActive,
        /// The contract has no such clause.
        UnknownClause,
        /// The clause is not a service clause.
        NotAService,
        /// The event of the device with this sequence is in another log.
        OtherLog,
        /// The event is declared lost.
        LostEvent,
        /// The proof is for a log size that is not among the last anchored ones: make it for the latest anchor.
        NotAnchored,
        /// The event is not in the log at the anchored size.
        NotInLog,
        /// The event is not from the clause's device.
        OtherDevice,
        /// The event is not signed with the key that the device has for it, or its format is unknown.
        BadEvent,
        /// The disclosed part does not fit the kind of the event.
        OtherKind,
        /// The log has too few entries before the event for its sequence.
        ImpossibleSequence,
        /// The reading is not part of the event.
        NotInEvent,
        /// The disclosed part of the event is not a reading.
        NotAReading,
        /// The reading is not of the clause's meter.
        OtherMeter,
        /// The meter's reading is not a number.
        NotANumber,
        /// The same event or a newer one has already been proven for the clause.
        NotNewer,
        /// The meter is below its last proven value.
        MeterFell,
        /// Only the clause's provider can record a service.
        NotTheProvider,
        /// The clause already has a record that is not confirmed yet.
        RecordOpen,
        /// The contract has the maximum number of records.
        TooManyRecords,
        /// The contract has no such record.
        UnknownRecord,
        /// Only the clause's customer can confirm a record.
        NotTheCustomer,
        /// The record is already confirmed.
        ConfirmedAlready,
    }

    impl<T> From<ContractError> for Error<T> {
        fn from(fault: ContractError) -> Self {
            match fault {
                ContractError::Parties => Self::Parties,
                ContractError::Devices => Self::Devices,
                ContractError::NoClause => Self::NoClause,
                ContractError::ClauseParty => Self::ClauseParty,
                ContractError::ClauseDevice => Self::ClauseDevice,
                ContractError::Interval => Self::Interval,
            }
        }
    }

    impl<T> From<ReadingProofError> for Error<T> {
        fn from(error: ReadingProofError) -> Self {
            match error {
                ReadingProofError::Inclusion => Self::NotInLog,
                ReadingProofError::Event(EventError::Device) => Self::OtherDevice,
                ReadingProofError::Event(EventError::Kind) => Self::OtherKind,
                ReadingProofError::Lost => Self::LostEvent,
                ReadingProofError::Log | ReadingProofError::AfterPeriod { .. } => Self::OtherLog,
                ReadingProofError::Sequence { .. } => Self::ImpossibleSequence,
                ReadingProofError::Event(_) => Self::BadEvent,
                ReadingProofError::Disclosure => Self::NotInEvent,
                ReadingProofError::NotAReading => Self::NotAReading,
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_state().map_err(Into::into)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Proposes a contract. May be called by a party to it, which accepts the contract with this call.
        ///
        /// All calls may be made by any account of the party with the scope `Contracts`.
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::propose(
            contract.parties.len() as u32,
            contract.devices.len() as u32,
            contract.clauses.len() as u32,
        ))]
        pub fn propose(origin: OriginFor<T>, contract: Contract) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            contract.validate().map_err(Error::<T>::from)?;
            ensure!(contract.parties.contains(&party), Error::<T>::NotPartyToContract);
            Self::ensure_known_parties(&contract)?;
            Self::ensure_own_devices(&contract)?;
            Self::ensure_due_points(&contract)?;
            let id = contract.id(&T::Genesis::get());
            ensure!(!Contracts::<T>::contains_key(id), Error::<T>::Exists);

            for named in &contract.parties {
                ContractsOfParty::<T>::insert(named, id, ());
            }
            Self::deposit_event(Event::Proposed { id, parties: contract.parties.clone() });
            let mut status = ContractStatus::default();
            Self::add_acceptance(id, &mut status, party)?;
            Statuses::<T>::insert(id, status);
            Contracts::<T>::insert(id, contract);
            Ok(())
        }

        /// Accepts a proposed contract. May be called by each party to it that has not accepted yet. The last
        /// acceptance activates the contract.
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::accept())]
        pub fn accept(origin: OriginFor<T>, id: ContractId) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            let contract = Contracts::<T>::get(id).ok_or(Error::<T>::UnknownContract)?;
            let mut status = Statuses::<T>::get(id).ok_or(Error::<T>::UnknownContract)?;
            ensure!(contract.parties.contains(&party), Error::<T>::NotPartyToContract);
            ensure!(status.state == ContractState::Proposed, Error::<T>::NotProposed);
            ensure!(!status.accepted.contains(&party), Error::<T>::AcceptedAlready);

            Self::add_acceptance(id, &mut status, party)?;
            if status.accepted.len() == contract.parties.len() {
                status.owners = Self::activate(id, &contract)?;
                status.state = ContractState::Active;
            }
            Statuses::<T>::insert(id, status);
            Ok(())
        }

        /// Proves the meter of a service clause with a newer event than the last proven one. May be called by a party
        /// to the contract.
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::report())]
        pub fn report(
            origin: OriginFor<T>,
            id: ContractId,
            clause: u32,
            proof: Box<ReadingProof>,
        ) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            let (contract, _) = Self::active(id)?;
            ensure!(contract.parties.contains(&party), Error::<T>::NotPartyToContract);
            let service = Self::service(&contract, clause)?;
            let mut progress = ClauseProgress::<T>::get(id, clause);

            let proven = Self::prove(service, *proof)?;
            ensure!(progress.is_newer(&proven), Error::<T>::NotNewer);
            Self::advance(id, clause, &mut progress, proven)?;
            ClauseProgress::<T>::insert(id, clause, progress);
            Ok(())
        }

        /// Claims that the service of a clause was done at the proven meter. May be called by the clause's provider.
        ///
        /// `details` is the hash of further details of the service, which the parties keep off the chain.
        #[pallet::call_index(3)]
        #[pallet::weight(<T as Config>::WeightInfo::record())]
        pub fn record(
            origin: OriginFor<T>,
            id: ContractId,
            clause: u32,
            proof: Box<ReadingProof>,
            details: Hash,
        ) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            let (contract, mut status) = Self::active(id)?;
            let service = Self::service(&contract, clause)?;
            ensure!(party == service.provider, Error::<T>::NotTheProvider);
            let mut progress = ClauseProgress::<T>::get(id, clause);
            ensure!(progress.open.is_none(), Error::<T>::RecordOpen);
            let number = status.records;
            ensure!(number < T::MaxRecords::get(), Error::<T>::TooManyRecords);

            let proven = Self::prove(service, *proof)?;
            ensure!(progress.is_not_older(&proven), Error::<T>::NotNewer);
            let meter = proven.meter;
            ensure!(due_at(service, Some(meter)).is_some(), Error::<T>::DuePointTooLarge);
            Self::advance(id, clause, &mut progress, proven)?;

            let recorded = frame_system::Pallet::<T>::block_number().saturated_into();
            let record = ServiceRecord { number, clause, meter, details, recorded, confirmed: None };
            progress.open = Some(number);
            status.records = number.saturating_add(1);
            ClauseProgress::<T>::insert(id, clause, progress);
            Statuses::<T>::insert(id, status);
            Records::<T>::insert(id, number, record.clone());
            Self::deposit_event(Event::Recorded { id, record });
            Ok(())
        }

        /// Confirms a record. The next service falls due one interval after the record's meter. May be called by the
        /// clause's customer.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::confirm())]
        pub fn confirm(origin: OriginFor<T>, id: ContractId, number: u32) -> DispatchResult {
            let party = Self::ensure_party(origin)?;
            let (contract, _) = Self::active(id)?;
            let mut record = Records::<T>::get(id, number).ok_or(Error::<T>::UnknownRecord)?;
            let service = Self::service(&contract, record.clause)?;
            ensure!(party == service.customer, Error::<T>::NotTheCustomer);
            ensure!(record.confirmed.is_none(), Error::<T>::ConfirmedAlready);
            let due_at = due_at(service, Some(record.meter)).ok_or(Error::<T>::DuePointTooLarge)?;

            ClauseProgress::<T>::mutate(id, record.clause, |progress| {
                progress.served = Some(record.meter);
                progress.open = None;
            });
            record.confirmed = Some(frame_system::Pallet::<T>::block_number().saturated_into());
            Records::<T>::insert(id, number, record);
            Self::deposit_event(Event::Confirmed { id, number, due_at });
            Ok(())
        }
    }
}
