//! `streembit contract show`: a contract like a document, with what was recorded under it.

use super::{
    args::ShowArgs,
    lookup::{find_contract, kinds, title},
    outcome,
};
use crate::{
    address_book::AddressBook,
    cli::{
        common::{connect, Context},
        output,
        resolver::Reference,
    },
    contracts::{self, plain, show_number, Span, Texts},
    remedies::explain,
};
use serde_json::json;
use std::path::Path;
use streembit_clock::{self as clock, PeriodEnd};
use streembit_primitives::{
    contract::{
        state::{
            ChargedRange, Claim, ClaimState, ClaimSubject, ClaimView, ClauseView, ContractState,
            ContractView, Decision, Dispute, EndReason, Grant, IrregularityKind, Payment, ProvenPoint,
            ServiceDue, Track,
        },
        Clause, Meter,
    },
    Decimal,
};

/// Runs `contract show`.
pub(super) async fn run(args: ShowArgs, context: &Context) -> anyhow::Result<()> {
    let path = Path::new(&args.subject);
    if path.is_file() {
        return show_file(path, context);
    }
    let contract: Reference = args.subject.parse()?;
    let texts = args.files.texts()?;
    let chain = connect(args.node.or_local()).await?;
    let view = find_contract(context, &chain, &contract).await?;
    let state = chain.view().await.map_err(explain)?;
    let shown = Shown {
        clauses: state.clauses(view.id).await.map_err(explain)?.unwrap_or_default(),
        claims: state.claims(view.id).await.map_err(explain)?.unwrap_or_default(),
        grants: state.grants_of(view.id).await.map_err(explain)?,
        time: state.block().time,
        view,
        texts,
    };
    context.print_named(&shown.json(), |_| shown.text())
}

fn show_file(path: &Path, context: &Context) -> anyhow::Result<()> {
    let file = contracts::read(path)?;
    let json = json!({
        "file": path, "title": file.title(), "content_hash": file.hash(), "content": file.content(), "text": file.text(),
    });
    context.print(&json, |_| format!("{}\n\nContent {}", file.text(), file.hash()))
}

/// A contract with everything that is recorded about it.
struct Shown {
    view: ContractView,
    clauses: Vec<ClauseView>,
    claims: Vec<ClaimView>,
    grants: Vec<Grant>,
    /// The time of the block.
    time: u64,
    texts: Texts,
}

impl Shown {
    fn json(&self) -> serde_json::Value {
        json!({
            "id": self.view.id,
            "title": title(self.view.content.terms(), &self.texts),
            "state": word(&self.view.state),
            "contract": self.view,
            "clauses": self.clauses,
            "claims": self.claims,
            "grants": self.grants,
        })
    }

    fn text(&self) -> String {
        let mut parts = vec![self.head(), plain::document(self.view.content.terms(), &self.texts)];
        parts.push(self.progress());
        parts.push(self.records());
        if let Some(amendment) = self.amendment() {
            parts.push(amendment);
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }

    fn head(&self) -> String {
        let view = &self.view;
        let terms = view.content.terms();
        let mut lines = vec![
            format!("contract {}", view.id),
            format!("content  {}, version {}", view.hash, view.version),
            format!("state    {}", state(&view.state)),
        ];
        if let Some(left) = remaining(view.lapses, view.live_time) {
            lines.push(format!("lapses   {left} if it is not accepted"));
        }
        if let Some(moment) = &view.activated {
            lines.push(format!("since    block {}, {}", moment.block, clock::show(moment.time)));
        }
        let arbiter = terms.arbiter.map(|arbiter| ("arbiter".to_owned(), arbiter));
        let parties =
            terms.parties.iter().map(|holder| (holder.role.to_string(), holder.party)).chain(arbiter);
        lines.extend(parties.map(|(role, party)| {
            let accepted =
                if view.accepted.contains(&party) { "has accepted" } else { "has not accepted yet" };
            format!("{role:<8} {party} {accepted}")
        }));
        for notice in &view.notices {
            let ends = remaining(notice.ends, view.live_time)
                .map_or_else(|| "when all parties give notice".into(), |left| format!("{left} from now"));
            lines.push(format!("notice   by party {}: ends {ends}", notice.by));
        }
        if let Some(left) = remaining(view.waits_until, view.live_time) {
            lines.push(format!("waits    for a successor, {left}"));
        }
        lines.join("\n")
    }

    fn progress(&self) -> String {
        let terms = self.view.content.terms();
        let lines = self.clauses.iter().filter_map(|view| {
            let text = progress(terms.clause(view.number)?, view, self.time);
            (!text.is_empty()).then(|| format!("clause {}: {text}", view.number))
        });
        section("Where it stands", lines)
    }

    fn records(&self) -> String {
        section("Records", self.claims.iter().map(|found| claim(found, &self.view)))
    }

    fn amendment(&self) -> Option<String> {
        let amendment = self.view.amendment.as_ref()?;
        let changes = plain::changes(self.view.content.terms(), amendment.content.terms(), &self.texts);
        let missing: Vec<_> = amendment.missing.iter().map(ToString::to_string).collect();
        let left = remaining(Some(amendment.lapses), self.view.live_time).unwrap_or_default();
        Some(format!(
            "Pending amendment\n-----------------\n\ncontent {}, proposed by party {}, lapses in {left}\nmissing: {}\n\n{}",
            amendment.hash,
            amendment.proposer,
            missing.join(", "),
            plain::changes_text(&changes)
        ))
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("{title}\n{}\n\n{}", "-".repeat(title.len()), lines.join("\n"))
}

/// Returns how much live time is left until a deadline.
pub(super) fn remaining(deadline: Option<u64>, live_time: u64) -> Option<String> {
    deadline.map(|deadline| match deadline.saturating_sub(live_time) {
        0 => "now".to_owned(),
        // Seconds are enough for people.
        left => Span(left.saturating_sub(left.checked_rem(1_000).unwrap_or_default()).max(1_000)).to_string(),
    })
}

/// Returns the word for a state in JSON.
pub(super) fn word(state: &ContractState) -> &'static str {
    match state {
        ContractState::Proposed => "proposed",
        ContractState::Active => "active",
        ContractState::Ended(_) => "ended",
    }
}

/// Formats a state for people.
pub(super) fn state(state: &ContractState) -> String {
    let reason = match state {
        ContractState::Proposed | ContractState::Active => return word(state).into(),
        ContractState::Ended(reason) => match reason {
            EndReason::Rejected => "rejected",
            EndReason::Withdrawn => "withdrawn",
            EndReason::Lapsed => "not accepted in time",
            EndReason::Completed => "completed",
            EndReason::Terminated => "terminated",
            EndReason::Expired => "expired",
            EndReason::PartyLeft => "a party left the consortium",
            EndReason::DeviceSold => "a device was sold",
        },
    };
    format!("ended ({reason})")
}

/// Formats the progress of a clause for people. `now` is the chain's time.
pub(super) fn progress(clause: &Clause, view: &ClauseView, now: u64) -> String {
    let meter = meter_of(clause);
    let mut parts = Vec::new();
    if let (Some(meter), Some(found)) = (meter, &view.progress.meter) {
        parts.push(format!("meter {}", point(found, Some(meter))));
    }
    if let Some(number) = view.progress.irregularity {
        parts.push(format!("the meter waits for a decision on record {number}"));
    }
    if let Some(due) = &view.due {
        parts.push(due_text(due, meter, view.progress.meter.as_ref(), now));
    }
    parts.extend(track(&view.progress.track, meter));
    parts.join("; ")
}

fn track(track: &Track, meter: Option<&Meter>) -> Option<String> {
    Some(match track {
        Track::Nothing => return None,
        Track::Service { served: Some(served), .. } if served.is_done() => {
            let at = served.meter.map(|value| format!(" at {}", quantity(&value, meter))).unwrap_or_default();
            format!("last service on {}{at}", clock::show(served.time))
        }
        Track::Service { .. } => "no service yet".into(),
        Track::Usage { next_period, carried } => {
            format!("period {next_period} is next, {} carried over", quantity(carried, meter))
        }
        Track::Charged(ChargedRange::Once) => "charged".into(),
        Track::Charged(ChargedRange::Meter(_, to)) => format!("charged up to {}", point(to, meter)),
        Track::Charged(ChargedRange::Time(_, to)) => format!("charged until {}", clock::show(*to)),
        Track::Handover { done: true, .. } => "the device has passed".into(),
        Track::Handover { from, to, .. } => {
            let said = |side: bool| if side { "has confirmed" } else { "has not confirmed yet" };
            format!("the owner {}, the other side {}", said(from.is_some()), said(to.is_some()))
        }
        Track::Revoked { by, at } => format!("revoked by party {by} in block {}", at.block),
    })
}

/// Formats a due point for people.
pub(super) fn due_text(
    due: &ServiceDue,
    meter: Option<&Meter>,
    proven: Option<&ProvenPoint>,
    now: u64,
) -> String {
    let mut points = Vec::new();
    if let Some(at) = &due.at_meter {
        let left =
            proven.and_then(|proven| at.checked_sub(&proven.value)).filter(|left| *left > Decimal::ZERO);
        let left = left.map(|left| format!(" (in {})", quantity(&left, meter))).unwrap_or_default();
        points.push(format!("at {}{left}", quantity(at, meter)));
    }
    if let Some(at) = due.at_time {
        let left = at.checked_sub(now).filter(|left| *left > 0);
        let left = left.and_then(|left| remaining(Some(left), 0)).map(|left| format!(" (in {left})"));
        points.push(format!("on {}{}", clock::show(at), left.unwrap_or_default()));
    }
    let due = if due.is_due { "DUE" } else { "due" };
    format!("{due} {}", points.join(" or "))
}

/// Formats a claim under a contract for people.
pub(super) fn claim(view: &ClaimView, contract: &ContractView) -> String {
    let claim = &view.claim;
    let mut text = format!(
        "record {} (clause {}): {}, by party {} in block {}; {}",
        claim.number,
        claim.clause,
        subject(claim, contract),
        claim.claimant,
        claim.made.block,
        claim_state(&claim.state)
    );
    match claim.payment {
        Payment::Open => {}
        Payment::Claimed => text.push_str("; the debtor says that it is paid"),
        Payment::Confirmed => text.push_str("; paid"),
    }
    let documents = claim.documents.iter().map(ToString::to_string).collect::<Vec<_>>();
    if !documents.is_empty() {
        text.push_str(&format!("\n  documents {}", documents.join(", ")));
    }
    if let Some(found) = &view.dispute {
        text.push_str(&dispute(found));
    }
    text
}

fn dispute(found: &Dispute) -> String {
    let mut text = format!("\n  disputed by party {} in block {}", found.raised_by, found.raised.block);
    let offers = [("claimant", &found.claimant_offer), ("other side", &found.respondent_offer)];
    for (side, offer) in offers {
        if let Some(offer) = offer {
            text.push_str(&format!("; the {side} offers: {}", outcome::show(offer)));
        }
    }
    if let Some(candidate) = &found.candidate {
        text.push_str(&format!("; offered reading {}", point(candidate, None)));
    }
    text
}

/// Formats what is claimed under a contract for people.
pub(super) fn subject(claim: &Claim, contract: &ContractView) -> String {
    // A claim counts in the units and the currency of the content that it was made under.
    let is_in_force = claim.content == contract.hash;
    let clause = contract.content.terms().clause(claim.clause).filter(|_| is_in_force);
    let meter = clause.and_then(meter_of);
    match &claim.subject {
        ClaimSubject::Service { at: Some(at), .. } => format!("service at {}", point(at, meter)),
        ClaimSubject::Service { at: None, time } => format!("service on {}", clock::show(*time)),
        ClaimSubject::Breach { first, last: None } => format!("breach with {}", point(first, None)),
        ClaimSubject::Breach { first, last: Some(last) } => format!(
            "breach for {}, from {} to {}",
            Span(last.time.saturating_sub(first.time)),
            point(first, None),
            point(last, None)
        ),
        ClaimSubject::Usage { period, used, allowance, over, carried, .. } => format!(
            "use of {} in period {period}, allowance {}, {} over, {} carried over",
            quantity(used, meter),
            quantity(allowance, meter),
            quantity(over, meter),
            quantity(carried, meter)
        ),
        ClaimSubject::Gap { before, after } => format!(
            "no reading for {}, between event {} and event {}",
            Span(after.time.saturating_sub(before.time)),
            before.sequence,
            after.sequence
        ),
        ClaimSubject::Charge { range, amount, .. } => {
            let range = match range {
                ChargedRange::Once => String::new(),
                ChargedRange::Meter(first, last) => {
                    format!(" for {} to {}", quantity(&first.value, meter), quantity(&last.value, meter))
                }
                ChargedRange::Time(from, to) => format!(" for {} to {}", clock::show(*from), PeriodEnd(*to)),
            };
            let currency = match clause {
                Some(Clause::Charge(charge)) => charge.currency.to_string(),
                _ => format!("in the currency of content {}", claim.content),
            };
            format!("charge of {} {currency}{range}", show_number(amount))
        }
        ClaimSubject::Irregularity { last, found, kind } => {
            let what = match kind {
                IrregularityKind::Fell => "the meter fell",
                IrregularityKind::Leapt => "the meter leapt",
                IrregularityKind::TimeWentBack => "the time of the meter went back",
            };
            format!("{what} from {} to {}", point(last, meter), point(found, meter))
        }
    }
}

fn claim_state(state: &ClaimState) -> String {
    let decided = |decision: &Decision| match decision {
        Decision::Confirmed => "confirmed",
        Decision::Silence => "not contested in time",
        Decision::Refuted => "refuted",
        Decision::Settled => "settled",
        Decision::Ruled => "ruled",
        Decision::Unruled => "nobody ruled in time",
    };
    match state {
        ClaimState::Claimed => "not confirmed yet".into(),
        ClaimState::Disputed => "DISPUTED".into(),
        ClaimState::Stands(decision) => format!("stands ({})", decided(decision)),
        ClaimState::Void(decision) => format!("void ({})", decided(decision)),
    }
}

fn point(point: &ProvenPoint, meter: Option<&Meter>) -> String {
    format!("{} (event {}, {})", quantity(&point.value, meter), point.sequence, clock::show(point.time))
}

fn quantity(value: &Decimal, meter: Option<&Meter>) -> String {
    match meter.map(|meter| meter.unit.as_str()) {
        None | Some("") => show_number(value),
        Some(unit) => format!("{} {unit}", show_number(value)),
    }
}

/// Returns the meter of a clause.
pub(super) fn meter_of(clause: &Clause) -> Option<&Meter> {
    use streembit_primitives::contract::ChargeBasis;
    match clause {
        Clause::Service(service) => service.meter.as_ref(),
        Clause::Usage(usage) => Some(&usage.meter),
        Clause::Handover(handover) => handover.meter.as_ref(),
        Clause::Charge(charge) => match &charge.basis {
            ChargeBasis::Meter { meter, .. } => Some(meter),
            ChargeBasis::Once | ChargeBasis::Time { .. } => None,
        },
        _ => None,
    }
}

/// Returns what a contract is called: its title if a file has it, otherwise the kinds of its clauses.
pub(super) fn name(view: &ContractView, texts: &Texts) -> String {
    let terms = view.content.terms();
    title(terms, texts).unwrap_or_else(|| kinds(terms))
}

/// Renders a table of contracts.
pub(super) fn list(contracts: &[ContractView], texts: &Texts, names: &AddressBook) -> String {
    let mut table = output::table(["title", "state", "id"]);
    for view in contracts {
        table.add_row([name(view, texts), state(&view.state), names.label(&view.id.to_string())]);
    }
    output::render(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::testing::{claim_of, service_book_with, view};
    use streembit_primitives::contract::Quantity;

    #[test]
    fn an_amount_has_a_currency_and_a_use_a_unit() {
        let charge =
            "[[clause]]\nnumber = 3\nkind = \"charge\"\nbasis = \"once\"\nrate = 9\ncurrency = \"CHF\"\n\
                      rounding = \"half-up\"\ncreditor = \"workshop\"\ndebtor = \"owner\"\n";
        let until = "until = \"2030-12-31\"\n";
        let contract = view(&service_book_with(until, &format!("{until}\n{charge}")));
        let amount = ClaimSubject::Charge {
            quantity: Quantity::Once,
            range: ChargedRange::Once,
            amount: Decimal::from(1_000),
        };
        let mut claimed = claim_of(0, 3, amount).claim;
        assert!(subject(&claimed, &contract).starts_with("charge of 1,000 in the currency of content 0x0606"));
        claimed.content = contract.hash;
        assert_eq!(subject(&claimed, &contract), "charge of 1,000 CHF");
        let service = ClaimSubject::Service { at: Some(proven(15_004)), time: 0 };
        let mut served = claim_of(1, 1, service).claim;
        served.content = contract.hash;
        assert!(subject(&served, &contract).starts_with("service at 15,004 km"));
    }

    fn due(is_due: bool) -> ServiceDue {
        ServiceDue { at_meter: Some(Decimal::from(15_000)), at_time: None, is_due }
    }

    fn proven(value: u32) -> ProvenPoint {
        ProvenPoint { sequence: 1, time: 0, value: Decimal::from(value) }
    }

    #[test]
    fn a_due_point_shows_what_is_left() {
        assert_eq!(due_text(&due(false), None, Some(&proven(14_990)), 0), "due at 15,000 (in 10)");
        assert_eq!(due_text(&due(true), None, Some(&proven(15_004)), 0), "DUE at 15,000");
        assert_eq!(due_text(&due(false), None, None, 0), "due at 15,000");
        let both = ServiceDue { at_time: Some(86_400_000), ..due(false) };
        let text = due_text(&both, None, None, 0);
        assert_eq!(text, "due at 15,000 or on 1970-01-02 00:00:00Z (in 1 d)");
    }

    #[test]
    fn a_deadline_shows_the_time_that_is_left() {
        assert_eq!(remaining(None, 5), None);
        assert_eq!(remaining(Some(5), 5).as_deref(), Some("now"));
        assert_eq!(remaining(Some(90_500), 0).as_deref(), Some("1 min 30 s"));
        assert_eq!(remaining(Some(1), 0).as_deref(), Some("1 s"));
    }
}
