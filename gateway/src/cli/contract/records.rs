//! What is recorded under a contract: meters, services, claims, disputes and payments.

use super::{
    agree::submit,
    args::{
        ClaimArgs, ContraryArgs, DocumentedArgs, NumberedArgs, PayArgs, RecordArgs, ReportArgs, RuleArgs,
        SettleArgs,
    },
    lookup::{clause_of, has_meter, is_claimable, Found},
    outcome, prove, view,
};
use crate::{
    cli::common::{submitted_json, ConfigArg, Context},
    contracts::{plain, Pick, Texts},
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use serde_json::json;
use std::path::PathBuf;
use streembit_chain::{ContractAction, Submitted};
use streembit_primitives::{
    contract::{
        evaluate::period_range,
        state::{ClaimEvidence, ClaimView, ContractView},
        ChargeBasis, ClaimNumber, Clause,
    },
    reading_proof::ReadingProof,
};

/// Runs `contract report`.
pub(super) async fn report(args: ReportArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.clause.contract, context).await?;
    let numbered = found.clause(&args.clause, "a clause with a meter", has_meter)?;
    let proof = prove::proof(&found.chain, &args.proof, &numbered.clause, Pick::Newest).await?;
    let reading = prove::disclosed_reading(&proof)?;
    let action = ContractAction::Report { clause: numbered.number, proof: Box::new(proof) };
    let submitted = submit(&found, &args.key.signer(context).await?, action).await?;
    let state = found.chain.view().await.map_err(explain)?;
    let clauses = state.clauses(found.id()).await.map_err(explain)?.unwrap_or_default();
    let clause = clauses.into_iter().find(|clause| clause.number == numbered.number);
    let fields = [
        ("id", json!(found.id())),
        ("clause", json!(numbered.number)),
        ("reading", json!(reading)),
        ("progress", json!(clause)),
    ];
    context.print(&submitted_json(&submitted, fields), |_| {
        let progress = clause
            .as_ref()
            .map(|clause| format!("\n{}", view::progress(&numbered.clause, clause, state.block().time)))
            .unwrap_or_default();
        format!("reported {reading}, finalized in block {}{progress}", submitted.block)
    })
}

/// Runs `contract record`.
pub(super) async fn record(args: RecordArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.clause.contract, context).await?;
    let is_service = |clause: &Clause| matches!(clause, Clause::Service(_));
    let numbered = found.clause(&args.clause, "a service clause", is_service)?;
    let proof = match has_meter(&numbered.clause) {
        true => {
            let proof = prove::proof(&found.chain, &args.proof, &numbered.clause, Pick::Newest).await?;
            Some(Box::new(proof))
        }
        false => None,
    };
    let documents = args.documents.hashes()?;
    let action = ContractAction::Record { clause: numbered.number, proof, documents };
    let submitted = submit(&found, &args.key.signer(context).await?, action).await?;
    print_new_claim(&found, numbered.number, &submitted, context).await
}

/// Prints the newest claim under a clause, which the call has just made.
async fn print_new_claim(
    found: &Found,
    clause: u16,
    submitted: &Submitted,
    context: &Context,
) -> anyhow::Result<()> {
    let state = found.chain.view().await.map_err(explain)?;
    let claims = state.claims(found.id()).await.map_err(explain)?.unwrap_or_default();
    // Numbers only rise, so the newest claim of the clause is the new one.
    let made =
        claims.into_iter().filter(|view| view.claim.clause == clause).max_by_key(|view| view.claim.number);
    let number = made.as_ref().map(|view| view.claim.number);
    let fields = [
        ("id", json!(found.id())),
        ("clause", json!(clause)),
        ("record", json!(number)),
        ("claim", json!(made.as_ref().map(|view| &view.claim))),
    ];
    context.print(&submitted_json(submitted, fields), |_| {
        let number = number.map_or_else(|| "N".to_owned(), |number| number.to_string());
        let what = made.as_ref().map(|made| format!("\n{}", view::claim(made, &found.view))).unwrap_or_default();
        let id = found.id();
        format!(
            "recorded as record {number}, finalized in block {}{what}\n\nNext, the other side confirms or contests it:\n  \
             streembit contract confirm {id} --record {number} --key THEIR.key",
            submitted.block
        )
    })
}

/// Runs `contract claim`.
pub(super) async fn claim(args: ClaimArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.clause.contract, context).await?;
    let numbered =
        found.clause(&args.clause, "a clause of kind bound, usage, report or charge", is_claimable)?;
    let evidence = evidence(&found, &numbered.clause, &args).await?;
    let documents = args.documents.hashes()?;
    let action = ContractAction::Claim { clause: numbered.number, evidence: Box::new(evidence), documents };
    let submitted = submit(&found, &args.key.signer(context).await?, action).await?;
    print_new_claim(&found, numbered.number, &submitted, context).await
}

/// Collects what proves a claim.
async fn evidence(found: &Found, clause: &Clause, args: &ClaimArgs) -> anyhow::Result<ClaimEvidence> {
    ensure_times(clause, args.from.is_some(), args.to.is_some())?;
    let source = ProofSource { found, clause, args };
    Ok(match clause {
        Clause::Bound(bound) => {
            let last = match bound.tolerated {
                0 => None,
                _ => Some(source.last(args.to.map(|to| Pick::LastBefore(to.0))).await?),
            };
            let first = source.first(args.from.map(|from| Pick::FirstFrom(from.0))).await?;
            ClaimEvidence::Breach { first, last }
        }
        Clause::Usage(usage) => {
            let period =
                args.period.context("which period was used? Give its number with --period N, from 0")?;
            let (from, to) = period_range(found.terms().starts, usage.period, period)
                .with_context(|| format!("period {period} is out of range"))?;
            ClaimEvidence::Usage {
                period,
                first: source.first(Some(Pick::FirstFrom(from))).await?,
                last: source.last(Some(Pick::LastBefore(to))).await?,
            }
        }
        // The gap lies between the last reading before its start and the first one after it.
        Clause::Report(_) => ClaimEvidence::Gap {
            before: source.first(args.from.map(|from| Pick::LastBefore(from.0.saturating_add(1)))).await?,
            after: source.last(args.from.map(|from| Pick::FirstFrom(from.0.saturating_add(1)))).await?,
        },
        Clause::Charge(charge) => match charge.basis {
            ChargeBasis::Once => ClaimEvidence::Once,
            ChargeBasis::Time { .. } => {
                let to = args.to.context("until when is the time charged? Give --to TIME")?;
                ClaimEvidence::Time { until: to.0 }
            }
            ChargeBasis::Meter { .. } => {
                let first = match source.names_first() {
                    true => Some(source.first(args.from.map(|from| Pick::FirstFrom(from.0))).await?),
                    false => None,
                };
                let newest = args.to.map_or(Pick::Newest, |to| Pick::LastBefore(to.0));
                ClaimEvidence::Meter { first, last: source.last(Some(newest)).await? }
            }
        },
        _ => bail!("nothing is claimed under a clause of kind {}", clause.kind()),
    })
}

/// Returns an error if a time is given that a claim under the clause does not use.
fn ensure_times(clause: &Clause, from: bool, to: bool) -> anyhow::Result<()> {
    match clause {
        Clause::Report(_) => {
            ensure!(
                !to,
                "--to is not used for a gap, which ends with the first reading after --from: leave it out"
            );
        }
        Clause::Usage(_) => {
            ensure!(!from && !to, "--from and --to are not used for a usage: --period N names its period");
        }
        Clause::Charge(charge) => match charge.basis {
            ChargeBasis::Once => {
                ensure!(!from && !to, "--from and --to are not used for an amount that is due once")
            }
            ChargeBasis::Time { .. } => ensure!(
                !from,
                "--from is not used for a charge of time, which starts where the last one ended: leave it out"
            ),
            ChargeBasis::Meter { .. } => {}
        },
        _ => {}
    }
    Ok(())
}

/// Where the proofs of a claim come from: files, or a gateway's log.
struct ProofSource<'a> {
    found: &'a Found,
    clause: &'a Clause,
    args: &'a ClaimArgs,
}

impl ProofSource<'_> {
    /// Returns true if the arguments name a first reading.
    fn names_first(&self) -> bool {
        self.args.first.is_some() || self.args.from.is_some() || self.args.proof.len() > 1
    }

    async fn first(&self, pick: Option<Pick>) -> anyhow::Result<ReadingProof> {
        let pick = self.args.first.map(Pick::Sequence).or(pick);
        self.get(self.args.proof.first(), pick, "--first N or --from TIME").await
    }

    async fn last(&self, pick: Option<Pick>) -> anyhow::Result<ReadingProof> {
        let pick = self.args.last.map(Pick::Sequence).or(pick);
        self.get(self.args.proof.last(), pick, "--last N, --from TIME or --to TIME").await
    }

    async fn get(
        &self,
        file: Option<&PathBuf>,
        pick: Option<Pick>,
        options: &str,
    ) -> anyhow::Result<ReadingProof> {
        if let Some(file) = file {
            return prove::read(file);
        }
        let path = self.args.config.clone().context(
            "no proof given: use --config FILE for a gateway's log, or --proof FILE for each of the readings",
        )?;
        let pick = pick.with_context(|| format!("which reading proves it? Give {options}"))?;
        let prover = prove::Prover::open(&self.found.chain, &ConfigArg::at(path)).await?;
        Ok(prover.prove(&prove::wanted(self.clause)?, pick).await?.proof)
    }
}

/// Finds a record.
async fn find_claim(found: &Found, number: ClaimNumber) -> anyhow::Result<ClaimView> {
    let state = found.chain.view().await.map_err(explain)?;
    let claims = state.claims(found.id()).await.map_err(explain)?.unwrap_or_default();
    claims.into_iter().find(|view| view.claim.number == number).with_context(|| {
        format!(
            "contract {} has no record {number}: `streembit contract show {}` lists its records",
            found.id(),
            found.id()
        )
    })
}

/// A record that a call is about.
struct RecordCall<'a> {
    args: &'a NumberedArgs,
    found: Found,
    claim: ClaimView,
}

impl<'a> RecordCall<'a> {
    /// Finds the contract and the record.
    async fn find(args: &'a NumberedArgs, context: &Context) -> anyhow::Result<Self> {
        let found = Found::find(&args.signed.contract, context).await?;
        let claim = find_claim(&found, args.record).await?;
        Ok(Self { args, found, claim })
    }

    /// Shows the record and what signing does, and asks. Then submits the call, and prints what became of the record.
    async fn act(self, effect: &str, action: ContractAction, context: &Context) -> anyhow::Result<()> {
        let Self { args, found, claim } = self;
        let number = args.record;
        args.confirm.ask(&record_text(&found.view, &claim, effect))?;
        let submitted = submit(&found, &args.signed.key.signer(context).await?, action).await?;
        let claim = find_claim(&found, number).await.ok();
        let fields = [("id", json!(found.id())), ("record", json!(number)), ("claim", json!(claim))];
        context.print(&submitted_json(&submitted, fields), |_| {
            let now = claim
                .as_ref()
                .map(|claim| format!("\n{}", view::claim(claim, &found.view)))
                .unwrap_or_default();
            format!("done, finalized in block {}{now}", submitted.block)
        })
    }

    /// Proves a reading that is about the record.
    async fn prove(&self, args: &ContraryArgs) -> anyhow::Result<Box<ReadingProof>> {
        let clause = clause_of(self.found.terms(), self.claim.claim.clause)?;
        Ok(Box::new(prove::proof(&self.found.chain, &args.proof, clause, args.pick.pick()).await?))
    }
}

/// Returns a record with its clause, and what signing does. The call itself has only the record's number, so the node is
/// believed that this is the record.
fn record_text(contract: &ContractView, claim: &ClaimView, effect: &str) -> String {
    let number = claim.claim.clause;
    let clause = plain::clause(contract.content.terms(), number, &Texts::default())
        .unwrap_or_else(|| format!("Clause {number} is no longer in force."));
    let earlier = match claim.claim.content == contract.hash {
        true => String::new(),
        false => format!("\nThe record was made under another content, {}.", claim.claim.content),
    };
    format!(
        "contract {}\nclause {number}: {clause}\n{}{earlier}\n\n{effect} The node says that this is the record: the call has only its \
         number.",
        contract.id,
        view::claim(claim, contract)
    )
}

/// Runs `contract confirm`.
pub(super) async fn confirm(args: NumberedArgs, context: &Context) -> anyhow::Result<()> {
    let call = RecordCall::find(&args, context).await?;
    call.act("Signing confirms the record: it stands.", ContractAction::Confirm(args.record), context).await
}

/// Runs `contract contest`.
pub(super) async fn contest(args: DocumentedArgs, context: &Context) -> anyhow::Result<()> {
    let DocumentedArgs { numbered, documents } = args;
    let call = RecordCall::find(&numbered, context).await?;
    let action = ContractAction::Contest(numbered.record, documents.hashes()?);
    call.act("Signing contests the record, which raises a dispute.", action, context).await
}

/// Runs `contract retract`.
pub(super) async fn retract(args: NumberedArgs, context: &Context) -> anyhow::Result<()> {
    let call = RecordCall::find(&args, context).await?;
    call.act("Signing takes the record back.", ContractAction::Retract(args.record), context).await
}

/// Runs `contract refute`.
pub(super) async fn refute(args: ContraryArgs, context: &Context) -> anyhow::Result<()> {
    let call = RecordCall::find(&args.numbered, context).await?;
    let proof = call.prove(&args).await?;
    let effect = format!("Signing refutes the record with {}.", prove::disclosed_reading(&proof)?);
    call.act(&effect, ContractAction::Refute(args.numbered.record, proof), context).await
}

/// Runs `contract offer-reading`.
pub(super) async fn offer_reading(args: ContraryArgs, context: &Context) -> anyhow::Result<()> {
    let call = RecordCall::find(&args.numbered, context).await?;
    let proof = call.prove(&args).await?;
    let reading = prove::disclosed_reading(&proof)?;
    let effect = format!("Signing offers {reading} as a reading that the meter can be set to.");
    call.act(&effect, ContractAction::OfferReading(args.numbered.record, proof), context).await
}

/// Runs `contract answer`.
pub(super) async fn answer(args: DocumentedArgs, context: &Context) -> anyhow::Result<()> {
    let DocumentedArgs { numbered, documents } = args;
    let call = RecordCall::find(&numbered, context).await?;
    let action = ContractAction::Answer(numbered.record, documents.hashes()?);
    call.act("Signing answers the dispute about the record.", action, context).await
}

/// Runs `contract settle`.
pub(super) async fn settle(args: SettleArgs, context: &Context) -> anyhow::Result<()> {
    let SettleArgs { numbered, outcome } = args;
    let call = RecordCall::find(&numbered, context).await?;
    let effect = format!(
        "Signing offers this outcome, which is final if the other side offers the same: {}.",
        outcome::show(&outcome.0)
    );
    call.act(&effect, ContractAction::Settle(numbered.record, outcome.0), context).await
}

/// Runs `contract rule`.
pub(super) async fn rule(args: RuleArgs, context: &Context) -> anyhow::Result<()> {
    let RuleArgs { settle: SettleArgs { numbered, outcome }, documents } = args;
    let call = RecordCall::find(&numbered, context).await?;
    let effect = format!("Signing rules on the dispute, which is final: {}.", outcome::show(&outcome.0));
    let action = ContractAction::Rule(numbered.record, outcome.0, documents.hashes()?);
    call.act(&effect, action, context).await
}

/// Runs `contract pay`.
pub(super) async fn pay(args: PayArgs, context: &Context) -> anyhow::Result<()> {
    let PayArgs { documented: DocumentedArgs { numbered, documents }, received } = args;
    let call = RecordCall::find(&numbered, context).await?;
    let (effect, action) = match received {
        true => {
            ensure!(documents.files.is_empty(), "--received takes no documents: the debtor gives them");
            let action = ContractAction::ConfirmPayment(numbered.record);
            ("Signing confirms that the amount was received.", action)
        }
        false => {
            let action = ContractAction::Pay(numbered.record, documents.hashes()?);
            ("Signing says that the amount is paid. The chain moves no money.", action)
        }
    };
    call.act(effect, action, context).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::testing::{claim, service_book, service_book_with, view};
    use streembit_primitives::contract::state::Outcome;

    #[test]
    fn times_that_a_claim_does_not_use_are_refused() {
        let until = "until = \"2030-12-31\"\n";
        let clauses = "[[clause]]\nnumber = 3\nkind = \"charge\"\nbasis = \"time\"\nper = \"30 d\"\nrate = 9\n\
                       currency = \"CHF\"\nrounding = \"half-up\"\ncreditor = \"workshop\"\ndebtor = \"owner\"\n\n\
                       [[clause]]\nnumber = 4\nkind = \"report\"\nreading = \"temperature\"\nevery = \"1 h\"\n\
                       obliged = \"owner\"\nclaimant = \"workshop\"\n";
        let file = service_book_with(until, &format!("{until}\n{clauses}"));
        let times = |number, from, to| ensure_times(file.terms().clause(number).unwrap(), from, to);
        assert!(times(3, false, true).is_ok() && times(4, true, false).is_ok());
        assert!(times(3, true, true).unwrap_err().to_string().contains("--from"));
        assert!(times(4, true, true).unwrap_err().to_string().contains("--to"));
    }

    #[test]
    fn a_record_is_shown_with_its_clause_and_what_signing_does() {
        let effect = format!("Signing rules: {}.", outcome::show(&Outcome::Void));
        let text = record_text(&view(&service_book()), &claim(3, 1), &effect);
        for words in
            ["clause 1: The workshop", "15,000 km", "record 3 (clause 1)", "it is void", "only its number"]
        {
            assert!(text.contains(words), "{words:?} is not in\n{text}");
        }
        let text = record_text(&view(&service_book()), &claim(3, 9), &effect);
        assert!(text.contains("Clause 9 is no longer in force"), "{text}");
    }
}
