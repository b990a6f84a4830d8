//! What makes the terms of a contract invalid, whatever the chain's state is.

use super::{
    ChargeBasis, ChargeClause, Clause, ClauseNumber, CommandRule, Grantee, Meter, OnChange, ReadingSelection,
    ServiceClause, Terms, MAX_DEADLINE, MAX_INTERVAL,
};
use crate::{contract::evaluate::service_due, units, Decimal, PartyId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Why the terms of a contract are invalid, and in which clause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContractError {
    /// The clause, or `None` if the terms as a whole are invalid.
    pub clause: Option<ClauseNumber>,
    /// The reason.
    pub kind: ContractErrorKind,
}

/// Why the terms of a contract are invalid.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ContractErrorKind {
    /// There are fewer than two parties, or one is listed twice.
    Parties,
    /// The arbiter is one of the parties.
    Arbiter,
    /// A device is listed twice, or there is none.
    Devices,
    /// There is no clause, two have the same number, or they are not in the order of their numbers.
    ClauseNumbers,
    /// Two clauses say the same.
    ClauseTwice,
    /// The contract, or a right, ends before the contract starts.
    EndsBeforeStart,
    /// A deadline is zero or longer than 400 days.
    Deadline,
    /// A document is listed twice.
    Documents,
    /// A clause names a party that is not a party to the contract, or the same party on both sides.
    ClauseParty,
    /// A clause names a device that the contract does not list.
    ClauseDevice,
    /// No party has the role that a clause names.
    ClauseRole,
    /// A period or an interval is zero, negative or longer than 20 years.
    Interval,
    /// A service has neither an interval of a meter nor one of the calendar, or the interval of a meter that it lacks.
    NoInterval,
    /// A unit is not in the table of units.
    Unit,
    /// The limits are empty: there is none, or the lower one is above the upper one.
    Limits,
    /// A number that must be above zero is not, or one that must not be negative is.
    Negative,
    /// The first due point does not fit into a decimal.
    OutOfRange,
    /// A list of names is empty, or names something twice.
    Names,
    /// Two clauses hand over the same device.
    HandoverTwice,
}

impl fmt::Display for ContractErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parties => "a contract needs at least two parties, each listed once",
            Self::Arbiter => "the arbiter must not be one of the parties",
            Self::Devices => "a contract needs at least one device, each listed once",
            Self::ClauseNumbers => {
                "a contract needs at least one clause; the numbers of its clauses must rise"
            }
            Self::ClauseTwice => "two clauses say the same: remove one",
            Self::EndsBeforeStart => "the end must come after the start of the contract",
            Self::Deadline => "a deadline must be above zero and at most 400 days",
            Self::Documents => "a document is listed twice",
            Self::ClauseParty => {
                "a clause names a party that is not a party to the contract, or the same party on both sides"
            }
            Self::ClauseDevice => "a clause names a device that the contract does not list",
            Self::ClauseRole => "a clause names a role that no party has",
            Self::Interval => "a period or an interval must be above zero and at most 20 years",
            Self::NoInterval => {
                "a service needs an interval of the calendar, or of a meter that the clause names"
            }
            Self::Unit => "contracts do not know a unit: use one of the table of units, such as km, h or kWh",
            Self::Limits => "limits need a lower or an upper value, the lower one below the upper one",
            Self::Negative => "a number is negative, or zero where it must be above zero",
            Self::OutOfRange => "the first due point is out of range: use smaller numbers",
            Self::Names => "a list of names must not be empty, and must not name anything twice",
            Self::HandoverTwice => "two clauses hand over the same device",
        })
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clause {
            Some(number) => write!(f, "clause {number}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl core::error::Error for ContractError {}

type Checked = Result<(), ContractErrorKind>;

impl Terms {
    /// Validates the terms. The result does not depend on the chain, on the time, or on who proposes them.
    pub fn validate(&self) -> Result<(), ContractError> {
        self.validate_whole().map_err(|kind| ContractError { clause: None, kind })?;
        self.clauses.iter().try_for_each(|numbered| {
            let clause = Some(numbered.number);
            self.validate_clause(&numbered.clause).map_err(|kind| ContractError { clause, kind })
        })
    }

    fn validate_whole(&self) -> Checked {
        use ContractErrorKind as Kind;
        let parties = || self.parties.iter().map(|holder| holder.party);
        check(self.parties.len() >= 2 && are_distinct(parties()), Kind::Parties)?;
        check(self.arbiter.is_none_or(|arbiter| !self.names(&arbiter)), Kind::Arbiter)?;
        check(!self.devices.is_empty() && are_distinct(self.devices.iter()), Kind::Devices)?;
        check(are_distinct(self.documents.iter()), Kind::Documents)?;
        check(self.ends.is_none_or(|ends| ends > self.starts), Kind::EndsBeforeStart)?;
        let waits = [self.on_sale, self.on_leave].into_iter().filter_map(|change| match change {
            OnChange::Ends => None,
            OnChange::AwaitsSuccessor { within } => Some(within),
        });
        let deadlines = [self.deadlines.accept, self.deadlines.contest, self.deadlines.rule];
        let all = deadlines.into_iter().chain(waits).all(|deadline| (1..=MAX_DEADLINE).contains(&deadline));
        let notice = self.deadlines.notice.is_none_or(|notice| notice <= MAX_DEADLINE);
        check(all && notice, Kind::Deadline)?;
        let numbers = || self.clauses.iter().map(|numbered| numbered.number);
        let rise = numbers().zip(numbers().skip(1)).all(|(number, next)| number < next);
        check(!self.clauses.is_empty() && rise, Kind::ClauseNumbers)?;
        check(are_distinct(self.clauses.iter().map(|numbered| &numbered.clause)), Kind::ClauseTwice)?;
        let handed = self.clauses.iter().filter_map(|numbered| match &numbered.clause {
            Clause::Handover(handover) => Some(handover.device),
            _ => None,
        });
        check(are_distinct(handed), Kind::HandoverTwice)
    }

    fn validate_clause(&self, clause: &Clause) -> Checked {
        use ContractErrorKind as Kind;
        if let Some((claimant, respondent)) = clause.sides() {
            self.check_sides(&claimant, &respondent)?;
        }
        check(clause.device().is_none_or(|device| self.devices.contains(&device)), Kind::ClauseDevice)?;
        if let Some(meter) = clause.meter() {
            check_meter(meter)?;
        }
        if let (Some(grantor), Some(grantee), Some(until)) =
            (clause.grantor(), clause.grantee(), clause.until())
        {
            self.check_grant(&grantor, &grantee, until)?;
        }
        match clause {
            Clause::Service(service) => check_service(service),
            Clause::Bound(bound) => {
                check(units::quantity(&bound.unit).is_ok(), Kind::Unit)?;
                check_limits(bound.min, bound.max)?;
                check(bound.tolerated <= MAX_INTERVAL, Kind::Interval)
            }
            Clause::Usage(usage) => {
                check_interval(usage.period)?;
                check(usage.allowance >= Decimal::ZERO, Kind::Negative)?;
                match usage.carry_over {
                    super::CarryOver::UpTo(most) => check(most > Decimal::ZERO, Kind::Negative),
                    super::CarryOver::None => Ok(()),
                }
            }
            Clause::Report(report) => check_interval(report.every),
            Clause::Charge(charge) => check_charge(charge),
            Clause::Access(access) => match &access.readings {
                ReadingSelection::Names(names) => {
                    check(!names.is_empty() && are_distinct(names.iter()), Kind::Names)
                }
                ReadingSelection::All | ReadingSelection::Class(_) => Ok(()),
            },
            Clause::Control(control) => {
                let names = || control.commands.iter().map(|command| &command.name);
                check(!control.commands.is_empty() && are_distinct(names()), Kind::Names)?;
                control.commands.iter().try_for_each(check_command)
            }
            Clause::Custody(_) | Clause::Handover(_) => Ok(()),
        }
    }

    fn check_sides(&self, one: &PartyId, other: &PartyId) -> Checked {
        check(one != other && self.names(one) && self.names(other), ContractErrorKind::ClauseParty)
    }

    fn check_grant(&self, grantor: &PartyId, grantee: &Grantee, until: u64) -> Checked {
        check(until > self.starts, ContractErrorKind::EndsBeforeStart)?;
        match grantee {
            Grantee::Party(grantee) => self.check_sides(grantor, grantee),
            Grantee::Role(role) => {
                check(self.names(grantor), ContractErrorKind::ClauseParty)?;
                let has = |holder: &super::RoleHolder| holder.role == *role && holder.party != *grantor;
                check(self.parties.iter().any(has), ContractErrorKind::ClauseRole)
            }
        }
    }
}

fn check(condition: bool, kind: ContractErrorKind) -> Checked {
    if condition {
        Ok(())
    } else {
        Err(kind)
    }
}

fn check_interval(milliseconds: u64) -> Checked {
    check((1..=MAX_INTERVAL).contains(&milliseconds), ContractErrorKind::Interval)
}

fn check_meter(meter: &Meter) -> Checked {
    check(units::quantity(&meter.unit).is_ok(), ContractErrorKind::Unit)?;
    check(meter.max_per_day > Decimal::ZERO, ContractErrorKind::Negative)
}

fn check_limits(min: Option<Decimal>, max: Option<Decimal>) -> Checked {
    let are_some = min.is_some() || max.is_some();
    let are_ordered = min.zip(max).is_none_or(|(min, max)| min <= max);
    check(are_some && are_ordered, ContractErrorKind::Limits)
}

fn check_command(command: &CommandRule) -> Checked {
    check(command.per_hour != Some(0), ContractErrorKind::Interval)?;
    check(are_distinct(command.limits.iter().map(|limit| &limit.name)), ContractErrorKind::Names)?;
    command.limits.iter().try_for_each(|limit| check_limits(limit.min, limit.max))
}

fn check_service(service: &ServiceClause) -> Checked {
    let has_meter = service.by_meter.is_some() && service.meter.is_some();
    check(has_meter || service.by_time.is_some(), ContractErrorKind::NoInterval)?;
    check(service.by_meter.is_none() || service.meter.is_some(), ContractErrorKind::NoInterval)?;
    if let Some(interval) = &service.by_meter {
        check(interval.every > Decimal::ZERO, ContractErrorKind::Interval)?;
    }
    if let Some(interval) = &service.by_time {
        check_interval(interval.every)?;
    }
    check(service_due(service, None, None, 0).is_some(), ContractErrorKind::OutOfRange)
}

fn check_charge(charge: &ChargeClause) -> Checked {
    check(charge.rate >= Decimal::ZERO, ContractErrorKind::Negative)?;
    match &charge.basis {
        ChargeBasis::Once => Ok(()),
        ChargeBasis::Meter { per, .. } => check(*per > Decimal::ZERO, ContractErrorKind::Negative),
        ChargeBasis::Time { per } => check_interval(*per),
    }
}

fn are_distinct<T: PartialEq>(items: impl Iterator<Item = T> + Clone) -> bool {
    let mut rest = items;
    while let Some(item) = rest.next() {
        if rest.clone().any(|other| other == item) {
            return false;
        }
    }
    true
}
