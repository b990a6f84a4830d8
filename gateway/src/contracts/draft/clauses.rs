//! The clauses of a draft.

use super::fields::{from_name, Fields, Parties};
use crate::contracts::{notation::Span, texts::Texts};
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_primitives::{
    contract::{
        AccessClause, BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause, ClauseKind, CommandRule,
        ControlClause, CustodyClause, HandoverClause, Interval, Meter, NumberedClause, ParameterLimit,
        ReadingSelection, ReportClause, ServiceClause, UsageClause,
    },
    reading::Name,
    BoundedVec, ConstU32, Decimal, DeviceId,
};

/// What a clause can refer to.
pub(super) struct Setting<'a> {
    /// The parties to the contract.
    pub parties: &'a Parties<'a>,
    /// The devices of the contract.
    pub devices: &'a [DeviceId],
    /// When the contract starts.
    pub starts: u64,
    /// The present time.
    pub now: u64,
}

/// Reads a clause and its number.
pub(super) fn parse(
    table: toml::Table,
    setting: &Setting<'_>,
    texts: &mut Texts,
) -> Result<NumberedClause, String> {
    let fields = Fields::new(table, setting.parties)?;
    let mut reader = ClauseReader { fields, setting, texts };
    let number = reader.fields.parsed("number")?;
    let clause =
        match from_name::<ClauseKind>(&reader.fields.kind()).map_err(|problem| format!("kind: {problem}"))? {
            ClauseKind::Service => Clause::Service(reader.service()?),
            ClauseKind::Bound => Clause::Bound(reader.bound()?),
            ClauseKind::Usage => Clause::Usage(reader.usage()?),
            ClauseKind::Report => Clause::Report(reader.report()?),
            ClauseKind::Access => Clause::Access(reader.access()?),
            ClauseKind::Control => Clause::Control(reader.control()?),
            ClauseKind::Custody => Clause::Custody(reader.custody()?),
            ClauseKind::Handover => Clause::Handover(reader.handover()?),
            ClauseKind::Charge => Clause::Charge(reader.charge()?),
        };
    reader.fields.finish()?;
    Ok(NumberedClause { number, clause })
}

struct ClauseReader<'a> {
    fields: Fields<'a>,
    setting: &'a Setting<'a>,
    texts: &'a mut Texts,
}

impl ClauseReader<'_> {
    fn service(&mut self) -> Result<ServiceClause, String> {
        let subject = self.fields.text("subject")?;
        let every: Option<Decimal> = self.fields.optional("every")?;
        let from: Option<Decimal> = self.fields.optional("from")?;
        let every_time: Option<Span> = self.fields.optional("every_time")?;
        let from_time: Option<PeriodStart> = self.fields.optional("from_time")?;
        if every.is_none() && every_time.is_none() {
            return Err("a clause of kind service needs every, every_time or both".into());
        }
        if (every.is_none() && from.is_some()) || (every_time.is_none() && from_time.is_some()) {
            return Err("from needs every, and from_time needs every_time".into());
        }
        Ok(ServiceClause {
            subject: self.texts.add(subject),
            device: self.device()?,
            meter: self.optional_meter()?,
            by_meter: every.map(|every| Interval { from: from.unwrap_or(Decimal::ZERO), every }),
            by_time: every_time.map(|every| Interval {
                from: from_time.map_or(self.setting.starts, |from| from.0),
                every: every.0,
            }),
            provider: self.fields.party("provider")?,
            customer: self.fields.party("customer")?,
        })
    }

    fn bound(&mut self) -> Result<BoundClause, String> {
        let (min, max) = (self.fields.optional("min")?, self.fields.optional("max")?);
        if min.is_none() && max.is_none() {
            return Err("a clause of kind bound needs min, max or both".into());
        }
        Ok(BoundClause {
            device: self.device()?,
            reading: self.fields.parsed("reading")?,
            unit: self.fields.parsed("unit")?,
            min,
            max,
            tolerated: self.fields.optional::<Span>("tolerated")?.map_or(0, |span| span.0),
            obliged: self.fields.party("obliged")?,
            claimant: self.fields.party("claimant")?,
        })
    }

    fn usage(&mut self) -> Result<UsageClause, String> {
        let carry_over = match self.fields.optional_text("carry_over")?.as_deref() {
            None | Some("none") => CarryOver::None,
            Some(most) => CarryOver::UpTo(most.parse::<Decimal>().map_err(|error| {
                format!("carry_over: {most:?} is neither \"none\" nor a number: {error}")
            })?),
        };
        Ok(UsageClause {
            device: self.device()?,
            meter: self.meter()?,
            period: self.fields.parsed::<Span>("period")?.0,
            allowance: self.fields.parsed("allowance")?,
            carry_over,
            user: self.fields.party("user")?,
            claimant: self.fields.party("claimant")?,
        })
    }

    fn report(&mut self) -> Result<ReportClause, String> {
        Ok(ReportClause {
            device: self.device()?,
            reading: self.fields.parsed("reading")?,
            every: self.fields.parsed::<Span>("every")?.0,
            obliged: self.fields.party("obliged")?,
            claimant: self.fields.party("claimant")?,
        })
    }

    fn access(&mut self) -> Result<AccessClause, String> {
        let purpose = self.fields.optional_text("purpose")?;
        Ok(AccessClause {
            device: self.device()?,
            grantor: self.fields.party("grantor")?,
            grantee: self.fields.grantee("grantee")?,
            readings: self.readings()?,
            purpose: purpose.map(|purpose| self.texts.add(purpose)),
            until: self.until()?,
        })
    }

    /// Reads `readings = "all"`, `class = "raw"` or `names = [...]`.
    fn readings(&mut self) -> Result<ReadingSelection, String> {
        let all = self.fields.optional_text("readings")?;
        let class = self.fields.optional_name("class")?;
        let names = self.fields.optional_value("names");
        match (all.as_deref(), class, names) {
            (Some("all"), None, None) => Ok(ReadingSelection::All),
            (None, Some(class), None) => Ok(ReadingSelection::Class(class)),
            (None, None, Some(names)) => {
                let names: Vec<Name> = names
                    .try_into()
                    .map_err(|error: toml::de::Error| format!("names: {}", error.message()))?;
                if names.is_empty() {
                    return Err("names: the list is empty; write readings = \"all\" for every reading".into());
                }
                Ok(ReadingSelection::Names(bounded("names", names)?))
            }
            _ => Err("a clause of kind access needs one of readings = \"all\", class and names".into()),
        }
    }

    fn control(&mut self) -> Result<ControlClause, String> {
        let commands =
            self.fields.optional_value("commands").ok_or("a clause of kind control needs commands")?;
        let commands: Vec<RawCommand> =
            commands.try_into().map_err(|error: toml::de::Error| format!("commands: {}", error.message()))?;
        let commands = commands.into_iter().map(RawCommand::rule).collect::<Result<Vec<_>, _>>()?;
        Ok(ControlClause {
            device: self.device()?,
            grantor: self.fields.party("grantor")?,
            grantee: self.fields.grantee("grantee")?,
            commands: bounded("commands", commands)?,
            until: self.until()?,
        })
    }

    fn custody(&mut self) -> Result<CustodyClause, String> {
        Ok(CustodyClause {
            device: self.device()?,
            grantor: self.fields.party("grantor")?,
            custodian: self.fields.party("custodian")?,
            until: self.until()?,
        })
    }

    fn handover(&mut self) -> Result<HandoverClause, String> {
        Ok(HandoverClause {
            device: self.device()?,
            from: self.fields.party("from")?,
            to: self.fields.party("to")?,
            meter: self.optional_meter()?,
        })
    }

    fn charge(&mut self) -> Result<ChargeClause, String> {
        let basis = match self.fields.text("basis")?.as_str() {
            "once" => ChargeBasis::Once,
            "time" => ChargeBasis::Time { per: self.fields.parsed::<Span>("per")?.0 },
            "meter" => ChargeBasis::Meter {
                device: self.device()?,
                meter: self.meter()?,
                per: self.fields.parsed("per")?,
            },
            other => return Err(format!("basis: expected \"once\", \"time\" or \"meter\", not {other:?}")),
        };
        let subject = self.fields.optional_text("subject")?;
        Ok(ChargeClause {
            subject: subject.map(|subject| self.texts.add(subject)),
            basis,
            rate: self.fields.parsed("rate")?,
            currency: self.fields.parsed("currency")?,
            rounding: self.fields.named("rounding")?,
            creditor: self.fields.party("creditor")?,
            debtor: self.fields.party("debtor")?,
        })
    }

    /// Reads the device. It may be left out if the contract has only one.
    fn device(&mut self) -> Result<DeviceId, String> {
        match (self.fields.optional("device")?, self.setting.devices) {
            (Some(device), _) => Ok(device),
            (None, [only]) => Ok(*only),
            (None, _) => Err("the contract has several devices, so the clause needs device".into()),
        }
    }

    fn meter(&mut self) -> Result<Meter, String> {
        self.optional_meter()?.ok_or_else(|| "the clause needs meter, unit and max_per_day".into())
    }

    fn optional_meter(&mut self) -> Result<Option<Meter>, String> {
        let Some(name) = self.fields.optional("meter")? else { return Ok(None) };
        let (unit, max_per_day) = (self.fields.parsed("unit")?, self.fields.parsed("max_per_day")?);
        Ok(Some(Meter { name, unit, max_per_day }))
    }

    /// Reads the end of a right, which must be still to come.
    fn until(&mut self) -> Result<u64, String> {
        let until = self.fields.parsed::<PeriodEnd>("until")?;
        if until.0 <= self.setting.now {
            return Err(format!("until: {until} is over; give a later time"));
        }
        Ok(until.0)
    }
}

/// A command in a draft.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommand {
    name: Name,
    per_hour: Option<u32>,
    #[serde(default)]
    limits: Vec<RawLimit>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    name: Name,
    min: Option<Decimal>,
    max: Option<Decimal>,
}

impl RawCommand {
    fn rule(self) -> Result<CommandRule, String> {
        let Self { name, per_hour, limits } = self;
        let limits = limits.into_iter().map(|RawLimit { name, min, max }| ParameterLimit { name, min, max });
        Ok(CommandRule { limits: bounded("limits", limits.collect())?, name, per_hour })
    }
}

fn bounded<T, const N: u32>(what: &str, items: Vec<T>) -> Result<BoundedVec<T, ConstU32<N>>, String> {
    let count = items.len();
    BoundedVec::try_from(items).map_err(|_| format!("{count} {what}, but at most {N} are allowed"))
}
