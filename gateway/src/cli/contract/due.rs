//! `streembit contract due` and `list`: what has to be done, over all contracts of a party.

use super::{
    args::{DueArgs, ListArgs},
    lookup::find_contract,
    view::{self, remaining},
};
use crate::{
    address_book::AddressBook,
    cli::{
        common::{connect, Context},
        output,
    },
    remedies::explain,
};
use anyhow::Context as _;
use serde::Serialize;
use streembit_chain::ChainView;
use streembit_primitives::{
    contract::{
        state::{
            ClaimState, ClaimSubject, ClaimView, ClauseView, ContractState, ContractView, Payment,
            ServiceDue, Track,
        },
        ClaimNumber, Clause, ClauseNumber, ContractId, Terms,
    },
    Decimal, PartyId,
};

/// Something that a party has to do, or can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Task {
    /// The contract.
    contract: ContractId,
    /// What the contract is called.
    name: String,
    /// The party that has to act.
    party: PartyId,
    /// What has to be done, such as `confirm` or `service`.
    kind: &'static str,
    /// The clause that it is about.
    clause: Option<ClauseNumber>,
    /// The record that it is about.
    record: Option<ClaimNumber>,
    /// The proven meter and the due point of a service.
    #[serde(flatten)]
    service: Option<ServiceTask>,
    /// How much live time is left, in milliseconds.
    left: Option<u64>,
    /// True if it has to be done now.
    is_due: bool,
    /// What has to be done, for people.
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct ServiceTask {
    meter: Option<Decimal>,
    at_meter: Option<Decimal>,
    at_time: Option<u64>,
}

/// Runs `contract due`.
pub(super) async fn run(args: DueArgs, context: &Context) -> anyhow::Result<()> {
    let texts = args.files.texts()?;
    let chain = connect(args.node.or_local()).await?;
    // With a contract, only a party that is named narrows the list, and not one whose key is in the environment.
    let party = match (&args.id, &args.party.party) {
        (Some(_), None) => None,
        _ => args.party.find(context, &chain).await?,
    };
    let state = chain.view().await.map_err(explain)?;
    let contracts = match (&args.id, party) {
        (Some(contract), _) => vec![find_contract(context, &chain, contract).await?],
        (None, Some(party)) => contracts_of(&state, party).await?,
        (None, None) => Vec::new(),
    };
    let mut tasks = Vec::new();
    for view in contracts {
        let collector = Collector {
            clauses: state.clauses(view.id).await.map_err(explain)?.unwrap_or_default(),
            claims: state.claims(view.id).await.map_err(explain)?.unwrap_or_default(),
            name: view::name(&view, &texts),
            now: state.block().time,
            view: &view,
        };
        tasks.extend(collector.tasks());
    }
    tasks.retain(|task| party.is_none_or(|party| task.party == party));
    // What is due now comes first, then what is due soonest.
    tasks.sort_by_key(|task| (!task.is_due, task.left.unwrap_or(u64::MAX)));
    context.print_named(&tasks, |tasks| tasks_text(tasks, context.names()))
}

fn tasks_text(tasks: &[Task], names: &AddressBook) -> String {
    if tasks.is_empty() {
        return "nothing has to be done".into();
    }
    let mut table = output::table(["due", "left", "party", "contract", "what"]);
    for task in tasks {
        let due = if task.is_due { "DUE" } else { "-" };
        let left = remaining(task.left, 0).unwrap_or_else(|| "-".into());
        let party = names.short(task.party.into());
        let contract = format!("{} {}", task.name, names.short(task.contract.into()));
        table.add_row([due.to_owned(), left, party, contract, names.label(&task.text)]);
    }
    output::render(&table)
}

/// Runs `contract list`.
pub(super) async fn list(args: ListArgs, context: &Context) -> anyhow::Result<()> {
    let texts = args.files.texts()?;
    let chain = connect(args.node.or_local()).await?;
    let party = args.party.find(context, &chain).await?;
    let party =
        party.context("whose contracts? Name the party with --party PARTY, --key FILE or --config FILE")?;
    let state = chain.view().await.map_err(explain)?;
    let found = contracts_of(&state, party).await?;
    let json: Vec<_> = found
        .iter()
        .map(|view| {
            serde_json::json!({
                "id": view.id, "title": view::name(view, &texts), "state": view::word(&view.state),
                "content_hash": view.hash, "version": view.version, "parties": view.content.terms().parties,
            })
        })
        .collect();
    context.print_named(&json, |_| match found.is_empty() {
        true => format!("no contract names {party}"),
        false => view::list(&found, &texts, context.names()),
    })
}

/// Returns the contracts of a party, oldest first.
async fn contracts_of(state: &ChainView, party: PartyId) -> anyhow::Result<Vec<ContractView>> {
    let mut found = Vec::new();
    for id in state.contracts_of(party).await.map_err(explain)? {
        found.extend(state.contract(id).await.map_err(explain)?);
    }
    found.sort_by_key(|view| (view.activated.map(|moment| moment.block), view.id));
    Ok(found)
}

/// Collects what has to be done under one contract.
struct Collector<'a> {
    view: &'a ContractView,
    clauses: Vec<ClauseView>,
    claims: Vec<ClaimView>,
    name: String,
    /// The chain's time.
    now: u64,
}

impl Collector<'_> {
    fn tasks(&self) -> Vec<Task> {
        let mut tasks = self.acceptances();
        match self.view.state {
            ContractState::Proposed => {}
            ContractState::Active => {
                tasks.extend(self.clauses.iter().flat_map(|clause| self.of_clause(clause)));
                tasks.extend(self.claims.iter().flat_map(|claim| self.of_claim(claim)));
                tasks.extend(self.successors());
            }
            // Claims outlive the contract: an amount is still owed, a dispute goes on.
            ContractState::Ended(_) => {
                tasks.extend(self.claims.iter().flat_map(|claim| self.of_claim(claim)));
            }
        }
        tasks
    }

    fn terms(&self) -> &Terms {
        self.view.content.terms()
    }

    fn task(&self, party: PartyId, kind: &'static str, text: String) -> Task {
        Task {
            contract: self.view.id,
            name: self.name.clone(),
            party,
            kind,
            clause: None,
            record: None,
            service: None,
            left: None,
            is_due: true,
            text,
        }
    }

    fn left(&self, deadline: u64) -> Option<u64> {
        Some(deadline.saturating_sub(self.view.live_time))
    }

    /// Proposals and amendments that wait for acceptance.
    fn acceptances(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        if self.view.state == ContractState::Proposed {
            let parties = self.terms().parties.iter().map(|holder| holder.party).chain(self.terms().arbiter);
            for party in parties.filter(|party| !self.view.accepted.contains(party)) {
                let left = self.view.lapses.and_then(|lapses| self.left(lapses));
                let text = "accept or reject the proposal".to_owned();
                tasks.push(Task { left, ..self.task(party, "accept", text) });
            }
        }
        if let Some(amendment) = &self.view.amendment {
            for party in &amendment.missing {
                let text = format!("accept or reject the amendment {}", amendment.hash);
                let left = self.left(amendment.lapses);
                tasks.push(Task { left, ..self.task(*party, "accept-amendment", text) });
            }
        }
        tasks
    }

    /// A contract that waits for a successor.
    fn successors(&self) -> Vec<Task> {
        let Some(until) = self.view.waits_until else { return Vec::new() };
        let text = "propose an amendment that names a successor".to_owned();
        let parties = self.terms().parties.iter().map(|holder| holder.party);
        parties
            .map(|party| Task { left: self.left(until), ..self.task(party, "successor", text.clone()) })
            .collect()
    }

    fn of_clause(&self, progress: &ClauseView) -> Vec<Task> {
        let Some(clause) = self.terms().clause(progress.number) else { return Vec::new() };
        match (clause, &progress.due, &progress.progress.track) {
            (Clause::Service(service), Some(due), _) => {
                let task = self.service(clause, progress, due, service.provider);
                vec![task]
            }
            (Clause::Handover(handover), _, track) => {
                let (from, to) = match track {
                    Track::Handover { done: true, .. } => return Vec::new(),
                    Track::Handover { from, to, .. } => (from.is_some(), to.is_some()),
                    _ => (false, false),
                };
                let sides = [(handover.from, from), (handover.to, to)];
                let open = sides.into_iter().filter(|(_, confirmed)| !confirmed);
                open.map(|(party, _)| Task {
                    clause: Some(progress.number),
                    is_due: false,
                    ..self.task(
                        party,
                        "hand-over",
                        format!("confirm the handover of device {}", handover.device),
                    )
                })
                .collect()
            }
            _ => Vec::new(),
        }
    }

    fn service(&self, clause: &Clause, progress: &ClauseView, due: &ServiceDue, provider: PartyId) -> Task {
        let meter = view::meter_of(clause);
        let proven = progress.progress.meter.as_ref();
        let text = format!("service: {}", view::due_text(due, meter, proven, self.now));
        Task {
            clause: Some(progress.number),
            service: Some(ServiceTask {
                meter: proven.map(|proven| proven.value),
                at_meter: due.at_meter,
                at_time: due.at_time,
            }),
            left: due.at_time.map(|at| at.saturating_sub(self.now)),
            is_due: due.is_due,
            ..self.task(provider, "service", text)
        }
    }

    fn of_claim(&self, found: &ClaimView) -> Vec<Task> {
        let claim = &found.claim;
        let what = format!("record {}: {}", claim.number, view::subject(claim, self.view));
        let about = |task: Task| Task { clause: Some(claim.clause), record: Some(claim.number), ..task };
        match claim.state {
            ClaimState::Claimed => {
                let text = format!("confirm or contest {what}");
                let left = self.left(claim.contest_until);
                vec![about(Task { left, ..self.task(claim.respondent, "confirm", text) })]
            }
            ClaimState::Disputed => self.of_dispute(found, &what).into_iter().map(about).collect(),
            ClaimState::Stands(_) if matches!(claim.subject, ClaimSubject::Charge { .. }) => {
                match claim.payment {
                    Payment::Open => vec![about(self.task(claim.respondent, "pay", format!("pay {what}")))],
                    Payment::Claimed => {
                        let text = format!("confirm the payment of {what}");
                        vec![about(self.task(claim.claimant, "confirm-payment", text))]
                    }
                    Payment::Confirmed => Vec::new(),
                }
            }
            ClaimState::Stands(_) | ClaimState::Void(_) => Vec::new(),
        }
    }

    fn of_dispute(&self, found: &ClaimView, what: &str) -> Vec<Task> {
        let left = found.dispute.as_ref().and_then(|dispute| self.left(dispute.rule_until));
        let sides = [found.claim.claimant, found.claim.respondent];
        let settle = sides.into_iter().map(|party| (party, "settle", format!("settle {what}")));
        let rule = self.terms().arbiter.map(|arbiter| (arbiter, "rule", format!("rule on {what}")));
        settle.chain(rule).map(|(party, kind, text)| Task { left, ..self.task(party, kind, text) }).collect()
    }
}
