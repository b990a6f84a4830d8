//! The errors of the formats as errors of the pallet.

use crate::Error;
use streembit_primitives::{
    contract::ContractErrorKind, event::EventError, reading_proof::ReadingProofError, units::UnitError,
};

impl<T> From<ContractErrorKind> for Error<T> {
    fn from(kind: ContractErrorKind) -> Self {
        match kind {
            ContractErrorKind::Parties => Self::Parties,
            ContractErrorKind::Arbiter => Self::Arbiter,
            ContractErrorKind::Devices => Self::Devices,
            ContractErrorKind::ClauseNumbers => Self::ClauseNumbers,
            ContractErrorKind::ClauseTwice => Self::ClauseTwice,
            ContractErrorKind::EndsBeforeStart => Self::EndsBeforeStart,
            ContractErrorKind::Deadline => Self::Deadline,
            ContractErrorKind::Documents => Self::Documents,
            ContractErrorKind::ClauseParty => Self::ClauseParty,
            ContractErrorKind::ClauseDevice => Self::ClauseDevice,
            ContractErrorKind::ClauseRole => Self::ClauseRole,
            ContractErrorKind::Interval => Self::Interval,
            ContractErrorKind::NoInterval => Self::NoInterval,
            ContractErrorKind::Unit => Self::Unit,
            ContractErrorKind::Limits => Self::Limits,
            ContractErrorKind::Negative => Self::Negative,
            ContractErrorKind::OutOfRange => Self::OutOfRange,
            ContractErrorKind::Names => Self::Names,
            ContractErrorKind::HandoverTwice => Self::HandoverTwice,
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

impl<T> From<UnitError> for Error<T> {
    fn from(error: UnitError) -> Self {
        match error {
            UnitError::Unknown(_) | UnitError::Differ { .. } => Self::OtherUnit,
            UnitError::OutOfRange => Self::OutOfRange,
        }
    }
}
