//! The sentences of the clauses.

use super::{text_of, Names};
use crate::contracts::{
    notation::{show_number, Span},
    texts::Texts,
};
use streembit_clock::{self as clock, PeriodEnd};
use streembit_primitives::{
    contract::{
        AccessClause, BoundClause, CarryOver, ChargeBasis, ChargeClause, Clause, CommandRule, ControlClause,
        CustodyClause, DataClass, Grantee, HandoverClause, Meter, ReadingSelection, ReportClause,
        ServiceClause, UsageClause,
    },
    reading::Unit,
    Decimal,
};

/// Returns what a clause says.
pub(super) fn sentence(clause: &Clause, names: &Names<'_>, texts: &Texts) -> String {
    capitalize(match clause {
        Clause::Service(clause) => service(clause, names, texts),
        Clause::Bound(clause) => bound(clause, names),
        Clause::Usage(clause) => usage(clause, names),
        Clause::Report(clause) => report(clause, names),
        Clause::Access(clause) => access(clause, names, texts),
        Clause::Control(clause) => control(clause, names),
        Clause::Custody(clause) => custody(clause, names),
        Clause::Handover(clause) => handover(clause, names),
        Clause::Charge(clause) => charge(clause, names, texts),
    })
}

fn service(clause: &ServiceClause, names: &Names<'_>, texts: &Texts) -> String {
    let (provider, customer) = (names.party(&clause.provider), names.party(&clause.customer));
    let proof = match &clause.meter {
        Some(meter) => format!(" with a proven reading of {}", meter.name),
        None => String::new(),
    };
    let plausible = clause.meter.as_ref().map(|meter| format!(" {}", plausible(meter))).unwrap_or_default();
    format!(
        "{provider} services device {} {}: {}. {} records each service{proof}, and {customer} confirms or contests \
         it.{plausible}",
        clause.device,
        interval(clause),
        text_of(&clause.subject, texts).trim(),
        capitalize(provider.clone())
    )
}

/// Returns when a service is due.
fn interval(clause: &ServiceClause) -> String {
    let by_meter = clause.by_meter.as_ref().zip(clause.meter.as_ref()).map(|(interval, meter)| {
        let (every, from) = (quantity(&interval.every, &meter.unit), quantity(&interval.from, &meter.unit));
        (format!("every {every} of {}", meter.name), from)
    });
    let by_time = clause
        .by_time
        .as_ref()
        .map(|interval| (format!("every {}", Span(interval.every)), clock::show(interval.from)));
    match (by_meter, by_time) {
        (Some((meter, from_meter)), Some((time, from_time))) => {
            format!(
                "{meter} or {time}, whichever comes first, counted from {from_meter} and from {from_time}"
            )
        }
        (Some((every, from)), None) | (None, Some((every, from))) => format!("{every}, counted from {from}"),
        (None, None) => "at no interval".into(),
    }
}

fn bound(clause: &BoundClause, names: &Names<'_>) -> String {
    let unit = &clause.unit;
    let limits = match (&clause.min, &clause.max) {
        (Some(min), Some(max)) => format!("from {} to {}", quantity(min, unit), quantity(max, unit)),
        (Some(min), None) => format!("at {} or above", quantity(min, unit)),
        (None, Some(max)) => format!("at {} or below", quantity(max, unit)),
        (None, None) => "at any value".into(),
    };
    let breach = match clause.tolerated {
        0 => "A single reading outside is a breach.".to_owned(),
        tolerated => format!(
            "It is a breach if all readings are outside for longer than {}: the claim proves the readings at both ends, and \
             one reading inside in between refutes it.",
            Span(tolerated)
        ),
    };
    format!(
        "{} keeps {} of device {} {limits}. {breach} {} claims a breach.",
        names.party(&clause.obliged),
        clause.reading,
        clause.device,
        capitalize(names.party(&clause.claimant))
    )
}

fn usage(clause: &UsageClause, names: &Names<'_>) -> String {
    let unit = &clause.meter.unit;
    let carried = match clause.carry_over {
        CarryOver::None => "What is not used is not carried over.".to_owned(),
        CarryOver::UpTo(most) => {
            format!("Up to {} that are not used are carried over to the next period.", quantity(&most, unit))
        }
    };
    format!(
        "{} may use {} of {} of device {} in each period of {}. {carried} {} claims what was used, with the readings at both \
         ends of the period. {}",
        names.party(&clause.user),
        quantity(&clause.allowance, unit),
        clause.meter.name,
        clause.device,
        Span(clause.period),
        capitalize(names.party(&clause.claimant)),
        plausible(&clause.meter)
    )
}

fn report(clause: &ReportClause, names: &Names<'_>) -> String {
    format!(
        "{} has device {} report {} at least every {}. {} claims a gap with the readings before and after it; one reading in \
         between refutes the claim.",
        names.party(&clause.obliged),
        clause.device,
        clause.reading,
        Span(clause.every),
        capitalize(names.party(&clause.claimant))
    )
}

fn access(clause: &AccessClause, names: &Names<'_>, texts: &Texts) -> String {
    let what = match &clause.readings {
        ReadingSelection::All => "all readings".to_owned(),
        ReadingSelection::Class(DataClass::Raw) => "the raw readings".into(),
        ReadingSelection::Class(DataClass::PreProcessed) => "the pre-processed readings".into(),
        ReadingSelection::Names(names) => {
            let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            format!("the readings {}", names.join(", "))
        }
    };
    let purpose = clause
        .purpose
        .as_ref()
        .map(|purpose| format!(" for this purpose: {}", text_of(purpose, texts).trim()))
        .unwrap_or_default();
    format!(
        "{} lets {} read {what} of device {} until {}{purpose}. Either side can revoke this right at any time.",
        names.party(&clause.grantor),
        grantee(&clause.grantee, names),
        clause.device,
        PeriodEnd(clause.until)
    )
}

fn control(clause: &ControlClause, names: &Names<'_>) -> String {
    let commands: Vec<_> = clause.commands.iter().map(command).collect();
    format!(
        "{} lets {} send device {} these commands until {}: {}. Either side can revoke this right at any time.",
        names.party(&clause.grantor),
        grantee(&clause.grantee, names),
        clause.device,
        PeriodEnd(clause.until),
        commands.join("; ")
    )
}

fn command(rule: &CommandRule) -> String {
    let often = rule.per_hour.map(|times| format!(", at most {times} an hour")).unwrap_or_default();
    let limits = rule.limits.iter().map(|limit| match (&limit.min, &limit.max) {
        (Some(min), Some(max)) => format!(", {} from {min} to {max}", limit.name),
        (Some(min), None) => format!(", {} of {min} or above", limit.name),
        (None, Some(max)) => format!(", {} of {max} or below", limit.name),
        (None, None) => format!(", {} of any value", limit.name),
    });
    format!("{}{often}{}", rule.name, limits.collect::<String>())
}

fn custody(clause: &CustodyClause, names: &Names<'_>) -> String {
    format!(
        "{} keeps a replica of the log of device {} for {} until {}. Either side can revoke this right at any time.",
        names.party(&clause.custodian),
        clause.device,
        names.party(&clause.grantor),
        PeriodEnd(clause.until)
    )
}

fn handover(clause: &HandoverClause, names: &Names<'_>) -> String {
    let (from, to) = (names.party(&clause.from), names.party(&clause.to));
    let proof = match &clause.meter {
        Some(meter) => {
            format!(
                " Each side confirms with a proven reading of {} in {}.",
                meter.name,
                unit_name(&meter.unit)
            )
        }
        None => String::new(),
    };
    format!(
        "device {} passes from {from} to {to} when both have confirmed the handover.{proof} All rights that the former owner \
         gave end with it, and the device's history stays.",
        clause.device
    )
}

fn charge(clause: &ChargeClause, names: &Names<'_>, texts: &Texts) -> String {
    let (rate, currency) = (show_number(&clause.rate), clause.currency);
    let (amount, note) = match &clause.basis {
        ChargeBasis::Once => (format!("{rate} {currency} once"), String::new()),
        ChargeBasis::Time { per } => (format!("{rate} {currency} for each {}", Span(*per)), String::new()),
        ChargeBasis::Meter { device, meter, per } => (
            format!(
                "{rate} {currency} for each {} of {} of device {device}",
                quantity(per, &meter.unit),
                meter.name
            ),
            format!(" {}", plausible(meter)),
        ),
    };
    let subject = clause.subject.as_ref();
    let subject =
        subject.map(|subject| format!(" for {}", text_of(subject, texts).trim())).unwrap_or_default();
    format!(
        "{} pays {} {amount}{subject}, in proportion, rounded {} to the minor unit of {currency}. {} claims each amount with a \
         statement. The chain moves no money: the debtor says that an amount is paid, and the creditor confirms it.{note}",
        names.party(&clause.debtor),
        names.party(&clause.creditor),
        clause.rounding,
        capitalize(names.party(&clause.creditor))
    )
}

fn plausible(meter: &Meter) -> String {
    format!(
        "A reading that falls, or rises by more than {} a day, does not count until both sides or the arbiter accept it.",
        quantity(&meter.max_per_day, &meter.unit)
    )
}

fn grantee(grantee: &Grantee, names: &Names<'_>) -> String {
    match grantee {
        Grantee::Party(party) => names.party(party),
        Grantee::Role(role) => names.role(*role),
    }
}

/// Formats a value with its unit.
fn quantity(value: &Decimal, unit: &Unit) -> String {
    match unit.as_str() {
        "" => show_number(value),
        unit => format!("{} {unit}", show_number(value)),
    }
}

fn unit_name(unit: &Unit) -> &str {
    match unit.as_str() {
        "" => "no unit",
        unit => unit,
    }
}

fn capitalize(text: String) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => text,
    }
}
