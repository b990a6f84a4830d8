//! The output of the contract commands, as text and as JSON.

use crate::cli::output;
use serde_json::{json, Value};
use streembit_clock::PeriodEnd;
use streembit_primitives::{
    contract::{Clause, Contract},
    contract_state::{ContractState, ContractView, ServiceDue, ServiceRecord},
    Hash,
};

/// Returns the word for a state.
pub(super) fn state(state: ContractState) -> &'static str {
    match state {
        ContractState::Proposed => "proposed",
        ContractState::Active => "active",
    }
}

/// Returns the JSON output of a contract.
pub(super) fn json(view: &ContractView) -> Value {
    let clauses: Vec<_> =
        (0u32..).zip(&view.contract.clauses).map(|(number, clause)| clause_json(number, clause)).collect();
    json!({
        "id": view.id,
        "state": view.state,
        "title": view.contract.title,
        "nonce": view.contract.nonce,
        "parties": view.contract.parties,
        "accepted": view.accepted,
        "devices": view.contract.devices,
        "clauses": clauses,
        "records": view.records,
    })
}

fn clause_json(number: u32, clause: &Clause) -> Value {
    match clause {
        Clause::Service(service) => json!({
            "number": number, "kind": "service", "what": service.what, "device": service.device, "meter": service.meter,
            "from": service.from, "every": service.every,
            "provider": service.provider, "customer": service.customer,
        }),
        Clause::Access(access) => json!({
            "number": number, "kind": "access", "device": access.device, "grantee": access.grantee,
            "names": access.names, "until": access.until,
        }),
    }
}

/// Returns the text output of a contract.
pub(super) fn text(view: &ContractView) -> String {
    let mut lines = vec![
        format!("contract {}", view.id),
        format!("title    {}", view.contract.title),
        format!("state    {}", state(view.state)),
    ];
    lines.extend(view.contract.parties.iter().map(|party| {
        let accepted = if view.accepted.contains(party) { "accepted" } else { "has not accepted yet" };
        format!("party    {party} {accepted}")
    }));
    lines.extend(view.contract.devices.iter().map(|device| format!("device   {device}")));
    lines.push(String::new());
    lines.extend((0u32..).zip(&view.contract.clauses).map(|(number, clause)| clause_text(number, clause)));
    lines.push(String::new());
    lines.push(records_text(&view.records));
    lines.join("\n")
}

fn clause_text(number: u32, clause: &Clause) -> String {
    match clause {
        Clause::Service(service) => format!(
            "clause {number}: service \"{}\" every {} of {}, from {}\n  by        {}\n  confirmed {}",
            service.what, service.every, service.meter, service.from, service.provider, service.customer
        ),
        Clause::Access(access) => {
            let names: Vec<_> = access.names.iter().map(|name| name.as_str()).collect();
            let what = if names.is_empty() { "every reading".into() } else { names.join(", ") };
            format!(
                "clause {number}: access until {}\n  for       {}\n  to        {what}",
                PeriodEnd(access.until),
                access.grantee
            )
        }
    }
}

fn records_text(records: &[ServiceRecord]) -> String {
    if records.is_empty() {
        return "no records".into();
    }
    let mut table = output::table(["record", "clause", "meter", "recorded", "confirmed", "details"]);
    for record in records {
        let confirmed =
            record.confirmed.map_or_else(|| "not yet".to_owned(), |block| format!("block {block}"));
        let details = if record.details == Hash::ZERO { "-".to_owned() } else { record.details.to_string() };
        table.add_row([
            record.number.to_string(),
            record.clause.to_string(),
            record.meter.to_string(),
            format!("block {}", record.recorded),
            confirmed,
            details,
        ]);
    }
    output::render(&table)
}

/// Returns the text output of the due points.
pub(super) fn due_text(contract: &Contract, due: &[ServiceDue]) -> String {
    if due.is_empty() {
        return "nothing is due: the contract has no service clause".into();
    }
    let mut table = output::table(["clause", "service", "meter", "due at", "due"]);
    for due in due {
        let what = match contract.clauses.get(due.clause as usize) {
            Some(Clause::Service(service)) => service.what.to_string(),
            Some(Clause::Access(_)) | None => String::new(),
        };
        table.add_row([
            due.clause.to_string(),
            what,
            due.meter.map_or_else(|| "not proven yet".to_owned(), |meter| meter.to_string()),
            due.due_at.to_string(),
            when(due),
        ]);
    }
    output::render(&table)
}

fn when(due: &ServiceDue) -> String {
    match (due.is_due, due.meter.and_then(|meter| due.due_at.checked_sub(&meter))) {
        (true, _) => "DUE".into(),
        (false, Some(left)) => format!("in {left}"),
        (false, None) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Decimal;

    #[test]
    fn a_due_point_shows_the_remaining_distance() {
        let due = |meter: Option<u32>, is_due| ServiceDue {
            clause: 0,
            due_at: Decimal::from(15_000),
            meter: meter.map(Decimal::from),
            is_due,
        };
        assert_eq!(when(&due(Some(14_990), false)), "in 10");
        assert_eq!(when(&due(Some(15_000), true)), "DUE");
        assert_eq!(when(&due(None, false)), "-");
    }
}
