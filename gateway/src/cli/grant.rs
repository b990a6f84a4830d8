//! `streembit grant`: rights to read devices, to send them commands and to keep their logs.

use super::{
    common::{connect, submitted_json, CommandResult, Context, KeyArg, NodeArg, PartyOfArg},
    contract::{find_contract_on_chain, ContractArgs},
    output,
    resolver::Reference,
};
use crate::{address_book::AddressBook, remedies::explain};
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{collections::BTreeSet, process::ExitCode};
use streembit_chain::{Call, ChainView, ContractAction, ContractCall};
use streembit_clock::PeriodEnd;
use streembit_primitives::{
    contract::{
        state::{Grant, Right},
        ClauseNumber, DataClass, ReadingSelection,
    },
    PartyId,
};

/// The subcommands of `streembit grant`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the rights in force.
    List(ListArgs),
    /// Revoke a right at once. Both the party that gives it and the party that has it can do so; it costs no quota. Under a
    /// handover clause, take the own confirmation back before the other side has confirmed.
    Revoke(RevokeArgs),
}

/// The arguments of `grant list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List the rights on this device: its id or the beginning of it, or its name in the address book.
    #[arg(long, value_name = "DEVICE", required_unless_present_any = ["party", "key", "config"])]
    device: Option<Reference>,
    /// The party: only the rights that it gives or has are listed.
    #[command(flatten)]
    party: PartyOfArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `grant revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The contract that gives the right, or hands the device over.
    #[command(flatten)]
    contract: ContractArgs,
    /// The number of the clause that gives the right, or hands the device over. Optional if the contract gives only one
    /// right.
    #[arg(long, value_name = "N")]
    clause: Option<ClauseNumber>,
    #[command(flatten)]
    key: KeyArg,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::List(args) => list(args, context).await?,
        Command::Revoke(args) => revoke(args, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: ListArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect(args.node.or_local()).await?;
    // With a device, only a party that is named narrows the list, and not one whose key is in the environment.
    let party = match (&args.device, &args.party.party) {
        (Some(_), None) => None,
        _ => args.party.find(context, &chain).await?,
    };
    let device = match &args.device {
        Some(device) => Some(context.resolver().chain(&chain).device(device).await?),
        None => None,
    };
    let state = chain.view().await.map_err(explain)?;
    let mut grants = match (device, party) {
        (Some(device), _) => state.grants(device).await.map_err(explain)?,
        (None, Some(party)) => grants_of_party(&state, party).await?,
        (None, None) => Vec::new(),
    };
    grants.retain(|grant| party.is_none_or(|party| grant.grantor == party || grant.grantee == party));
    context.print_named(&grants, |grants| table(grants, context.names()))
}

async fn grants_of_party(state: &ChainView, party: PartyId) -> anyhow::Result<Vec<Grant>> {
    let mut grants = Vec::new();
    for id in state.contracts_of(party).await.map_err(explain)? {
        grants.extend(state.grants_of(id).await.map_err(explain)?);
    }
    Ok(grants)
}

fn table(grants: &[Grant], names: &AddressBook) -> String {
    if grants.is_empty() {
        return "there is no right in force".into();
    }
    let mut table = output::table(["device", "from", "to", "right", "until", "contract", "clause"]);
    for grant in grants {
        table.add_row([
            names.short(grant.device.into()),
            names.short(grant.grantor.into()),
            names.short(grant.grantee.into()),
            right(&grant.right),
            PeriodEnd(grant.until).to_string(),
            names.label(&grant.contract.to_string()),
            grant.clause.to_string(),
        ]);
    }
    output::render(&table)
}

fn right(right: &Right) -> String {
    match right {
        Right::Read(ReadingSelection::All) => "read everything".into(),
        Right::Read(ReadingSelection::Class(DataClass::Raw)) => "read raw readings".into(),
        Right::Read(ReadingSelection::Class(DataClass::PreProcessed)) => "read pre-processed readings".into(),
        Right::Read(ReadingSelection::Names(names)) => {
            let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            format!("read {}", names.join(", "))
        }
        Right::Command(rules) => {
            let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
            format!("command {}", names.join(", "))
        }
        Right::Keep => "keep the log".into(),
    }
}

async fn revoke(args: RevokeArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect(args.contract.node.or_local()).await?;
    let state = chain.view().await.map_err(explain)?;
    let view = find_contract_on_chain(context, &chain, &args.contract.id).await?;
    let signer = args.key.signer(context).await?;
    let clause = match args.clause {
        Some(clause) => clause,
        None => {
            let grants = state.grants_of(view.id).await.map_err(explain)?;
            let clauses: BTreeSet<_> = grants.iter().map(|grant| grant.clause).collect();
            let mut numbers = clauses.iter();
            match (numbers.next(), numbers.next()) {
                (Some(only), None) => *only,
                _ => bail!(
                    "contract {} gives {} rights: choose one with --clause N; `streembit grant list` lists them",
                    view.id,
                    clauses.len()
                ),
            }
        }
    };
    let action = ContractAction::Revoke(clause);
    let submitted =
        chain.submit(&signer, Call::Contract(ContractCall::About(view.id, action))).await.map_err(explain)?;
    let result = submitted_json(&submitted, [("id", json!(view.id)), ("clause", json!(clause))]);
    context.print(&result, |_| {
        format!("the right of clause {clause} is revoked, finalized in block {}", submitted.block)
    })
}
