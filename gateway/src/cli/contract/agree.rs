//! Agreeing to contracts and ending them: `accept`, `reject`, `withdraw`, `hand-over`, `terminate` and `prune`.

use super::{
    args::{AcceptArgs, HandOverArgs, PruneArgs, SignedArgs, TerminateArgs},
    author::texts_of_both,
    lookup::{find_contract, kinds, Found},
    prove, view,
};
use crate::{
    cli::common::{connect, submitted_json, Context},
    contracts::{self, plain, ContractFile, Pick, Span},
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use serde_json::json;
use streembit_chain::{Call, ChainClient, ChainView, ContractAction, ContractCall, Signer, Submitted};
use streembit_primitives::{
    contract::{
        state::{ContractState, ContractView},
        Clause, ContentHash, Terms,
    },
    PartyId,
};

/// Submits a call about a contract.
pub(super) async fn submit(
    found: &Found,
    signer: &Signer,
    action: ContractAction,
) -> anyhow::Result<Submitted> {
    let call = Call::Contract(ContractCall::About(found.id(), action));
    found.chain.submit(signer, call).await.map_err(explain)
}

/// Runs `contract accept`.
pub(super) async fn accept(args: AcceptArgs, context: &Context) -> anyhow::Result<()> {
    let file = contracts::read(&args.file)?;
    let signer = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let party = chain.party_of(signer.account()).await.map_err(explain)?;
    let view = match &args.contract {
        Some(contract) => find_contract(context, &chain, contract).await?,
        None => find_version(&chain.view().await.map_err(explain)?, &file, party).await?,
    };
    let signs = signs_as(file.terms(), party);
    let changes = match compare(&view, file.hash())? {
        Version::Proposal => format!("\n\n{signs}."),
        Version::Amendment => {
            let texts = texts_of_both(&file, args.before.as_ref(), view.hash)?;
            let changes = plain::changes(view.content.terms(), file.terms(), &texts);
            format!(
                "\n\nWhat changes from the version in force, content {}\n------------\n\n{}\n\n{signs}; in the version in \
                 force it is {}.",
                view.hash,
                plain::changes_text(&changes),
                plain::roles_of(view.content.terms(), &party)
            )
        }
    };
    ensure_named(&file, &view, party)?;
    args.confirm.ask(&format!("{}\n\nContent {}{changes}", file.text(), file.hash()))?;
    let found = Found { chain, view };
    let submitted = submit(&found, &signer, ContractAction::Accept(file.hash())).await?;
    print_state(&found, &submitted, "accepted", context).await
}

/// Returns who signs, and the role that it has.
pub(super) fn signs_as(terms: &Terms, party: PartyId) -> String {
    format!("Party {party} signs. In this version it is {}", plain::roles_of(terms, &party))
}

/// Which version of a contract a file is.
enum Version {
    Proposal,
    Amendment,
}

/// Finds the contract on the chain that a file proposes or amends.
async fn find_version(
    state: &ChainView,
    file: &ContractFile,
    party: PartyId,
) -> anyhow::Result<ContractView> {
    let id = file.content().id(&state.lineage().await.map_err(explain)?);
    if let Some(view) = state.contract(id).await.map_err(explain)? {
        return Ok(view);
    }
    for id in state.contracts_of(party).await.map_err(explain)? {
        let Some(view) = state.contract(id).await.map_err(explain)? else { continue };
        if view.amendment.as_ref().is_some_and(|amendment| amendment.hash == file.hash()) {
            return Ok(view);
        }
    }
    bail!(
        "the content {} is neither proposed nor an amendment on this chain: ask the other party to propose it, or compare \
         the files. `streembit contract list --party {party}` lists the contracts of the signing party",
        file.hash()
    )
}

/// Returns which version a content is, if it can be accepted.
fn compare(view: &ContractView, hash: ContentHash) -> anyhow::Result<Version> {
    if view.state == ContractState::Proposed && view.hash == hash {
        return Ok(Version::Proposal);
    }
    match &view.amendment {
        Some(amendment) if amendment.hash == hash => Ok(Version::Amendment),
        Some(amendment) => bail!(
            "the file has the content {hash}, but the pending amendment of contract {} has {}: ask for the right file",
            view.id,
            amendment.hash
        ),
        None if view.hash == hash => bail!(
            "there is nothing to accept: contract {} with this content is {}",
            view.id,
            view::state(&view.state)
        ),
        None => bail!(
            "the file has the content {hash}, but contract {} has {}: ask for the right file",
            view.id,
            view.hash
        ),
    }
}

fn ensure_named(file: &ContractFile, view: &ContractView, party: PartyId) -> anyhow::Result<()> {
    let is_named = file.terms().names(&party) || file.terms().arbiter == Some(party);
    ensure!(
        is_named,
        "party {party}, which the key acts for, is not a party to contract {}: sign with an account of a party that it \
         names",
        view.id
    );
    Ok(())
}

/// Prints the state of a contract after a call.
async fn print_state(
    found: &Found,
    submitted: &Submitted,
    done: &str,
    context: &Context,
) -> anyhow::Result<()> {
    let state = found.reload().await?.map(|view| view.state);
    let id = found.id();
    let view = submitted_json(submitted, [("id", json!(id)), ("state", json!(state))]);
    context.print(&view, |_| {
        let now = match &state {
            Some(state) => format!("it is now {}", view::state(state)),
            None => "it is no longer in the state of the chain".into(),
        };
        format!("contract {id}: {done}, finalized in block {}; {now}", submitted.block)
    })
}

/// Runs `contract reject`.
pub(super) async fn reject(args: SignedArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.contract, context).await?;
    let hash = pending(&found.view)?;
    let submitted = submit(&found, &args.key.signer(context).await?, ContractAction::Reject(hash)).await?;
    print_state(&found, &submitted, "rejected", context).await
}

/// Runs `contract withdraw`.
pub(super) async fn withdraw(args: SignedArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.contract, context).await?;
    let hash = pending(&found.view)?;
    let submitted = submit(&found, &args.key.signer(context).await?, ContractAction::Withdraw(hash)).await?;
    print_state(&found, &submitted, "withdrawn", context).await
}

/// Returns the content that waits for acceptance.
fn pending(view: &ContractView) -> anyhow::Result<ContentHash> {
    match (&view.state, &view.amendment) {
        (ContractState::Proposed, _) => Ok(view.hash),
        (_, Some(amendment)) => Ok(amendment.hash),
        (state, None) => bail!(
            "contract {} is {} and has no pending amendment: use `streembit contract terminate` to end a contract in force",
            view.id,
            view::state(state)
        ),
    }
}

/// Runs `contract terminate`.
pub(super) async fn terminate(args: TerminateArgs, context: &Context) -> anyhow::Result<()> {
    let TerminateArgs { signed, confirm } = args;
    let found = Found::find(&signed.contract, context).await?;
    confirm.ask(&termination_text(&found))?;
    let submitted = submit(&found, &signed.key.signer(context).await?, ContractAction::Terminate).await?;
    print_state(&found, &submitted, "notice of termination given", context).await
}

fn termination_text(found: &Found) -> String {
    let end = match found.terms().deadlines.notice {
        Some(notice) => format!("It ends after {} in which the chain makes blocks", Span(notice)),
        None => "It ends when all parties have given notice".into(),
    };
    format!(
        "Signing gives notice of termination of contract {} ({}), content {}. {end}. A notice cannot be taken back.",
        found.id(),
        kinds(found.terms()),
        found.view.hash
    )
}

/// Runs `contract prune`.
pub(super) async fn prune(args: PruneArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.signed.contract, context).await?;
    let (action, done) = match args.record {
        Some(number) => (ContractAction::PruneClaim(number), "record removed"),
        None => (ContractAction::Prune, "pruned"),
    };
    let submitted = submit(&found, &args.signed.key.signer(context).await?, action).await?;
    print_state(&found, &submitted, done, context).await
}

/// Runs `contract hand-over`.
pub(super) async fn hand_over(args: HandOverArgs, context: &Context) -> anyhow::Result<()> {
    let found = Found::find(&args.clause.contract, context).await?;
    let is_handover = |clause: &Clause| matches!(clause, Clause::Handover(_));
    let numbered = found.clause(&args.clause, "a handover clause", is_handover)?;
    // One proven reading is enough, so a side without access to the log can leave the proof to the other one.
    let proof = match prove::wanted_of(&numbered.clause) {
        Some(_) => prove::optional_proof(&found.chain, &args.proof, &numbered.clause, Pick::Newest).await?,
        None => None,
    }
    .map(Box::new);
    let signer = args.key.signer(context).await?;
    args.confirm.ask(&handover_text(&found, &numbered.clause, proof.as_deref())?)?;
    let action = ContractAction::HandOver { clause: numbered.number, hash: found.view.hash, proof };
    let submitted = submit(&found, &signer, action).await?;
    print_handover(&found.chain, &found, &numbered.clause, &submitted, context).await
}

fn handover_text(
    found: &Found,
    clause: &Clause,
    proof: Option<&streembit_primitives::reading_proof::ReadingProof>,
) -> anyhow::Result<String> {
    let Clause::Handover(handover) = clause else { bail!("the clause hands nothing over") };
    let reading = match proof {
        Some(proof) => format!(" at {}", prove::disclosed_reading(proof)?),
        None => String::new(),
    };
    Ok(format!(
        "Device {} passes from party {} to party {}{reading}, under contract {}. All rights that the former owner gave end.",
        handover.device,
        handover.from,
        handover.to,
        found.id()
    ))
}

async fn print_handover(
    chain: &ChainClient,
    found: &Found,
    clause: &Clause,
    submitted: &Submitted,
    context: &Context,
) -> anyhow::Result<()> {
    let device = clause.device().context("the clause hands no device over")?;
    let owner = chain.device(device).await.map_err(explain)?.map(|record| record.owner());
    let fields = [("id", json!(found.id())), ("device", json!(device)), ("owner", json!(owner))];
    context.print(&submitted_json(submitted, fields), |_| {
        let owner = owner.map_or_else(|| "nobody".to_owned(), |owner| format!("party {owner}"));
        format!(
            "the handover is confirmed, finalized in block {}; device {device} belongs to {owner}",
            submitted.block
        )
    })
}
