//! The clauses of a contract.

use super::{ContractRole, Currency, Document};
use crate::{
    contract::evaluate::Rounding,
    reading::{Name, Unit},
    BoundedVec, ConstU32, Decimal, DeviceId, PartyId,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// The maximum number of reading names in an access clause.
pub const MAX_NAMES: u32 = 16;
/// The maximum number of commands in a control clause.
pub const MAX_COMMANDS: u32 = 8;
/// The maximum number of limited parameters of a command.
pub const MAX_PARAMETER_LIMITS: u32 = 2;

/// One term of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Clause {
    /// A service that is due at intervals.
    #[codec(index = 0)]
    Service(ServiceClause),
    /// A reading that stays within limits.
    #[codec(index = 1)]
    Bound(BoundClause),
    /// The use of a meter in each period, with an allowance.
    #[codec(index = 2)]
    Usage(UsageClause),
    /// A reading that comes at least every so often.
    #[codec(index = 3)]
    Report(ReportClause),
    /// A right to read the readings of a device.
    #[codec(index = 4)]
    Access(AccessClause),
    /// A right to send commands to a device.
    #[codec(index = 5)]
    Control(ControlClause),
    /// The duty and the right to keep a replica of a device's log.
    #[codec(index = 6)]
    Custody(CustodyClause),
    /// A device that passes to another owner.
    #[codec(index = 7)]
    Handover(HandoverClause),
    /// An amount of money for use or time. The chain moves no money.
    #[codec(index = 8)]
    Charge(ChargeClause),
}

/// The kind of a clause.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ClauseKind {
    /// [`Clause::Service`].
    Service,
    /// [`Clause::Bound`].
    Bound,
    /// [`Clause::Usage`].
    Usage,
    /// [`Clause::Report`].
    Report,
    /// [`Clause::Access`].
    Access,
    /// [`Clause::Control`].
    Control,
    /// [`Clause::Custody`].
    Custody,
    /// [`Clause::Handover`].
    Handover,
    /// [`Clause::Charge`].
    Charge,
}

/// A reading of a device that only rises, in the unit that the contract counts in.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Meter {
    /// The name of the reading, such as `Vehicle.TraveledDistance`.
    pub name: Name,
    /// The unit that the contract counts in. Readings in other units of the same quantity are converted.
    pub unit: Unit,
    /// The most that the meter can plausibly rise in a day, above zero. More is recorded as an irregularity.
    pub max_per_day: Decimal,
}

/// A value of a meter from which an interval counts, and the interval.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval<T> {
    /// Where the first interval starts.
    pub from: T,
    /// The interval, above zero.
    pub every: T,
}

/// A service that is due at intervals of a meter, of the calendar, or of both, whichever comes first.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceClause {
    /// The salted hash of what the service is, such as "oil change".
    pub subject: Document,
    /// The device that is serviced and has the meter.
    pub device: DeviceId,
    /// The meter, if the device has one. A service is then recorded at a proven reading of it.
    pub meter: Option<Meter>,
    /// The interval in the meter's unit, if the meter counts.
    pub by_meter: Option<Interval<Decimal>>,
    /// The interval in milliseconds, from a time in milliseconds since 1970-01-01 UTC, if the calendar counts.
    pub by_time: Option<Interval<u64>>,
    /// The party that performs the service.
    pub provider: PartyId,
    /// The party that confirms the service.
    pub customer: PartyId,
}

/// A reading that stays within limits, or leaves them for at most so long.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BoundClause {
    /// The device.
    pub device: DeviceId,
    /// The name of the reading.
    pub reading: Name,
    /// The unit of the limits.
    pub unit: Unit,
    /// The lowest value that is within the limits.
    pub min: Option<Decimal>,
    /// The highest value that is within the limits.
    pub max: Option<Decimal>,
    /// How long the reading may be outside, in milliseconds. 0: a single reading outside is a breach.
    pub tolerated: u64,
    /// The party that is responsible for the limits.
    pub obliged: PartyId,
    /// The party that may claim a breach.
    pub claimant: PartyId,
}

/// The use of a meter in each period, with an allowance.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UsageClause {
    /// The device that has the meter.
    pub device: DeviceId,
    /// The meter.
    pub meter: Meter,
    /// The length of a period in milliseconds. The first one starts with the contract.
    pub period: u64,
    /// What may be used in a period, in the unit of the meter.
    pub allowance: Decimal,
    /// What becomes of an allowance that is not used.
    pub carry_over: CarryOver,
    /// The party that uses the device.
    pub user: PartyId,
    /// The party that may claim what was used.
    pub claimant: PartyId,
}

/// What becomes of an allowance that is not used.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum CarryOver {
    /// It is lost.
    None,
    /// It is added to the next period's allowance, up to this much.
    UpTo(Decimal),
}

/// A reading that comes at least every so often.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReportClause {
    /// The device.
    pub device: DeviceId,
    /// The name of the reading.
    pub reading: Name,
    /// The longest time between two readings, in milliseconds.
    pub every: u64,
    /// The party that is responsible for the readings.
    pub obliged: PartyId,
    /// The party that may claim a gap.
    pub claimant: PartyId,
}

/// An amount of money for use or time, or once.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChargeClause {
    /// The salted hash of what is paid, such as "deposit".
    pub subject: Option<Document>,
    /// What the amount depends on.
    pub basis: ChargeBasis,
    /// The amount for each unit of the basis, zero or above.
    pub rate: Decimal,
    /// The currency. Amounts are rounded to its minor unit.
    pub currency: Currency,
    /// How amounts are rounded.
    pub rounding: Rounding,
    /// The party that is paid.
    pub creditor: PartyId,
    /// The party that pays.
    pub debtor: PartyId,
}

/// What the amount of a charge depends on.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ChargeBasis {
    /// The amount is due once.
    Once,
    /// Each `per` of a meter costs the rate.
    Meter {
        /// The device that has the meter.
        device: DeviceId,
        /// The meter.
        meter: Meter,
        /// The quantity that the rate is for, above zero, in the unit of the meter.
        per: Decimal,
    },
    /// Each `per` of time costs the rate.
    Time {
        /// The time that the rate is for, above zero, in milliseconds.
        per: u64,
    },
}

/// What a charge, a usage or an interval counts.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Quantity {
    /// One time.
    Once,
    /// A difference of a meter, in the unit of the clause.
    Meter(Decimal),
    /// Milliseconds.
    Time(u64),
}

/// A right to read the readings of a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccessClause {
    /// The device of the resource owner (ISO 20078).
    pub device: DeviceId,
    /// The party that gives the right.
    pub grantor: PartyId,
    /// Who has the right: the accessing party (ISO 20078).
    pub grantee: Grantee,
    /// What may be read.
    pub readings: ReadingSelection,
    /// The salted hash of the purpose, if the parties agreed on one.
    pub purpose: Option<Document>,
    /// When the right ends (exclusive), in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}

/// Who has a right.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Grantee {
    /// One party to the contract.
    Party(PartyId),
    /// Every party to the contract with this role: an audience.
    Role(ContractRole),
}

/// Which readings may be read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ReadingSelection {
    /// All of them.
    All,
    /// Those with these names.
    Names(BoundedVec<Name, ConstU32<MAX_NAMES>>),
    /// Those of a class.
    Class(DataClass),
}

/// A class of data (EU Data Act, recital 15).
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum DataClass {
    /// As the sensor gave it.
    Raw,
    /// Made understandable and usable before use: scaled, named, with a unit.
    PreProcessed,
}

/// A right to send commands to a device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ControlClause {
    /// The device.
    pub device: DeviceId,
    /// The party that gives the right.
    pub grantor: PartyId,
    /// Who has the right.
    pub grantee: Grantee,
    /// The commands, each with a different name.
    pub commands: BoundedVec<CommandRule, ConstU32<MAX_COMMANDS>>,
    /// When the right ends (exclusive), in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}

/// A command that may be sent, and how.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommandRule {
    /// The name of the command.
    pub name: Name,
    /// The most that may be sent in an hour. `None` for no limit.
    pub per_hour: Option<u32>,
    /// The limits of its parameters. Other parameters may have any value.
    pub limits: BoundedVec<ParameterLimit, ConstU32<MAX_PARAMETER_LIMITS>>,
}

/// The values that a parameter of a command may have.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ParameterLimit {
    /// The name of the parameter, which must be a number.
    pub name: Name,
    /// The lowest value.
    pub min: Option<Decimal>,
    /// The highest value.
    pub max: Option<Decimal>,
}

/// The duty and the right to keep a replica of a device's log.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CustodyClause {
    /// The device.
    pub device: DeviceId,
    /// The party that gives the replica.
    pub grantor: PartyId,
    /// The party that keeps the replica.
    pub custodian: PartyId,
    /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC.
    pub until: u64,
}

/// A device that passes to another owner when both sides confirm.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HandoverClause {
    /// The device.
    pub device: DeviceId,
    /// The owner.
    pub from: PartyId,
    /// The party that becomes the owner.
    pub to: PartyId,
    /// The meter of which a reading is proven at the handover, if one is.
    pub meter: Option<Meter>,
}

impl Clause {
    /// Returns the kind of the clause.
    pub const fn kind(&self) -> ClauseKind {
        match self {
            Self::Service(_) => ClauseKind::Service,
            Self::Bound(_) => ClauseKind::Bound,
            Self::Usage(_) => ClauseKind::Usage,
            Self::Report(_) => ClauseKind::Report,
            Self::Access(_) => ClauseKind::Access,
            Self::Control(_) => ClauseKind::Control,
            Self::Custody(_) => ClauseKind::Custody,
            Self::Handover(_) => ClauseKind::Handover,
            Self::Charge(_) => ClauseKind::Charge,
        }
    }

    /// Returns the device of the clause. A charge for time, or one that is due once, has none.
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Service(clause) => Some(clause.device),
            Self::Bound(clause) => Some(clause.device),
            Self::Usage(clause) => Some(clause.device),
            Self::Report(clause) => Some(clause.device),
            Self::Access(clause) => Some(clause.device),
            Self::Control(clause) => Some(clause.device),
            Self::Custody(clause) => Some(clause.device),
            Self::Handover(clause) => Some(clause.device),
            Self::Charge(clause) => match &clause.basis {
                ChargeBasis::Meter { device, .. } => Some(*device),
                ChargeBasis::Once | ChargeBasis::Time { .. } => None,
            },
        }
    }

    /// Returns the meter of the clause, if it has one.
    pub fn meter(&self) -> Option<&Meter> {
        match self {
            Self::Service(clause) => clause.meter.as_ref(),
            Self::Usage(clause) => Some(&clause.meter),
            Self::Handover(clause) => clause.meter.as_ref(),
            Self::Charge(clause) => match &clause.basis {
                ChargeBasis::Meter { meter, .. } => Some(meter),
                ChargeBasis::Once | ChargeBasis::Time { .. } => None,
            },
            Self::Bound(_) | Self::Report(_) | Self::Access(_) | Self::Control(_) | Self::Custody(_) => None,
        }
    }

    /// Returns the party that claims under the clause, and the party that confirms or contests what it claims. `None` for
    /// clauses under which nothing is claimed.
    pub fn sides(&self) -> Option<(PartyId, PartyId)> {
        match self {
            Self::Service(clause) => Some((clause.provider, clause.customer)),
            Self::Bound(clause) => Some((clause.claimant, clause.obliged)),
            Self::Usage(clause) => Some((clause.claimant, clause.user)),
            Self::Report(clause) => Some((clause.claimant, clause.obliged)),
            Self::Charge(clause) => Some((clause.creditor, clause.debtor)),
            Self::Handover(clause) => Some((clause.from, clause.to)),
            Self::Access(_) | Self::Control(_) | Self::Custody(_) => None,
        }
    }

    /// Returns the party that gives a right, or `None` if the clause gives none.
    pub fn grantor(&self) -> Option<PartyId> {
        match self {
            Self::Access(clause) => Some(clause.grantor),
            Self::Control(clause) => Some(clause.grantor),
            Self::Custody(clause) => Some(clause.grantor),
            _ => None,
        }
    }

    /// Returns who gets a right, or `None` if the clause gives none.
    pub fn grantee(&self) -> Option<Grantee> {
        match self {
            Self::Access(clause) => Some(clause.grantee),
            Self::Control(clause) => Some(clause.grantee),
            Self::Custody(clause) => Some(Grantee::Party(clause.custodian)),
            _ => None,
        }
    }

    /// Returns when the right ends (exclusive), in milliseconds since 1970-01-01 UTC, or `None` if the clause gives none.
    pub fn until(&self) -> Option<u64> {
        match self {
            Self::Access(clause) => Some(clause.until),
            Self::Control(clause) => Some(clause.until),
            Self::Custody(clause) => Some(clause.until),
            _ => None,
        }
    }
}

impl ClauseKind {
    /// Returns the name of the kind, as in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Bound => "bound",
            Self::Usage => "usage",
            Self::Report => "report",
            Self::Access => "access",
            Self::Control => "control",
            Self::Custody => "custody",
            Self::Handover => "handover",
            Self::Charge => "charge",
        }
    }
}

impl fmt::Display for ClauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl BoundClause {
    /// Returns true if a value, in the unit of the clause, is within the limits.
    pub fn contains(&self, value: Decimal) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

impl ParameterLimit {
    /// Returns true if the parameter may have this value.
    pub fn allows(&self, value: Decimal) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}
