//! `streembit contract`: writing, proposing, accepting and fulfilling contracts.

mod args;
mod lookup;
mod prove;
mod view;

pub use args::Command;

use super::{
    common::{connect, find_party, submitted_json, CommandResult, Context, KeyArg, NodeArg},
    output,
    resolver::Reference,
};
use crate::{
    contracts::{self, Terms},
    remedies::explain,
};
use anyhow::{bail, Context as _};
use args::{ContractArgs, NewArgs};
use lookup::{find_contract, find_parties, not_found};
use serde_json::json;
use std::{fs::File, io::Write as _, path::Path, process::ExitCode};
use streembit_chain::Call;

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::New(args) => new(args, context).await?,
        Command::Propose { file, key, node } => propose(&file, &key, &node, context).await?,
        Command::Accept { contract, key } => accept(contract, &key, context).await?,
        Command::Show(contract) => show(contract, context).await?,
        Command::Due(contract) => due(contract, context).await?,
        Command::List { party, node } => list(&party, &node, context).await?,
        Command::Prove(args) => prove::export(args, context).await?,
        Command::Report(args) => prove::report(args, context).await?,
        Command::Record(args) => prove::record(args, context).await?,
        Command::Confirm { contract, record, key } => confirm(contract, record, &key, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn new(args: NewArgs, context: &Context) -> anyhow::Result<()> {
    let resolver = context.resolver();
    let terms = Terms {
        title: args.title,
        device: resolver.device(&args.device).await?,
        owner: resolver.party_name(&args.owner).await?,
        workshop: resolver.party_name(&args.workshop).await?,
        every: args.every,
        from: args.from,
        until: args.until,
    };
    let text = contracts::fill(&args.template, &terms)?;
    // Write the file only if its contract is valid.
    let file = contracts::parse(&text, &args.out)?;
    let contract = file.contract(&file.likely_parties())?;
    create(&args.out, &text)?;
    let view = json!({ "file": args.out, "title": contract.title });
    context.print(&view, |_| {
        format!(
            "{}: {}\n\nNext: read it, then propose it with\n  streembit contract propose {} --key OWNER.key",
            args.out.display(),
            contract.title,
            args.out.display()
        )
    })
}

/// Creates a file. Never overwrites an existing one.
fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("creating {} (existing files are never overwritten)", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}

async fn propose(path: &Path, key: &KeyArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let file = contracts::read(path)?;
    let keys = key.open(context)?;
    let chain = connect(node.or_local()).await?;
    let contract = file.contract(&find_parties(&chain, &file).await?)?;
    let id = contract.id(&chain.genesis());
    let proposer = chain.party_of(keys.account()).await.map_err(explain)?;
    let waiting: Vec<_> = contract.parties.iter().filter(|party| **party != proposer).copied().collect();
    let submitted = chain.submit(&keys, Call::Propose { contract }).await.map_err(explain)?;
    let view = submitted_json(&submitted, [("id", json!(id)), ("waiting_for", json!(waiting))]);
    context.print(&view, |_| {
        let mut lines = vec![format!("contract {id} is proposed, finalized in block {}", submitted.block)];
        lines.extend(waiting.iter().map(|party| format!("waiting for {party}")));
        lines.push(format!(
            "\nNext, each of them accepts it:\n  streembit contract accept {id} --key THEIR.key"
        ));
        lines.join("\n")
    })
}

async fn accept(contract: ContractArgs, key: &KeyArg, context: &Context) -> anyhow::Result<()> {
    let keys = key.open(context)?;
    let chain = connect(contract.node.or_local()).await?;
    let id = context.resolver().chain(&chain).contract(&contract.id).await?;
    let submitted = chain.submit(&keys, Call::Accept { id }).await.map_err(explain)?;
    let state = find_contract(&chain, id).await?.state;
    let view = submitted_json(&submitted, [("id", json!(id)), ("state", json!(state))]);
    context.print(&view, |_| {
        format!(
            "contract {id} is accepted, finalized in block {}; it is now {}",
            submitted.block,
            view::state(state)
        )
    })
}

async fn show(contract: ContractArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect(contract.node.or_local()).await?;
    let id = context.resolver().chain(&chain).contract(&contract.id).await?;
    let found = find_contract(&chain, id).await?;
    context.print_named(&view::json(&found), |_| view::text(&found))
}

async fn due(contract: ContractArgs, context: &Context) -> anyhow::Result<()> {
    let chain = connect(contract.node.or_local()).await?;
    let id = context.resolver().chain(&chain).contract(&contract.id).await?;
    let state = chain.view().await.map_err(explain)?;
    let found = state.contract(id).await.map_err(explain)?;
    let due = state.due(id).await.map_err(explain)?;
    let (Some(found), Some(due)) = (found, due) else { bail!(not_found(id)) };
    context.print(&due, |due| view::due_text(&found.contract, due))
}

async fn list(party: &Reference, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let chain = connect(node.or_local()).await?;
    let party = find_party(context, &chain, party).await?;
    let state = chain.view().await.map_err(explain)?;
    let mut found = Vec::new();
    for id in state.contracts_of(party).await.map_err(explain)? {
        found.extend(state.contract(id).await.map_err(explain)?);
    }
    found.sort_by(|a, b| a.contract.title.as_str().cmp(b.contract.title.as_str()).then(a.id.cmp(&b.id)));
    let all: Vec<_> = found.iter().map(view::json).collect();
    context.print(&all, |_| {
        if found.is_empty() {
            return format!("no contract names {party}");
        }
        let mut table = output::table(["title", "state", "id"]);
        for contract in &found {
            let title = contract.contract.title.to_string();
            table.add_row([title, view::state(contract.state).to_owned(), contract.id.to_string()]);
        }
        output::render(&table)
    })
}

async fn confirm(contract: ContractArgs, number: u32, key: &KeyArg, context: &Context) -> anyhow::Result<()> {
    let keys = key.open(context)?;
    let chain = connect(contract.node.or_local()).await?;
    let id = context.resolver().chain(&chain).contract(&contract.id).await?;
    let submitted = chain.submit(&keys, Call::Confirm { id, number }).await.map_err(explain)?;
    let state = chain.view().await.map_err(explain)?;
    let due = state.due(id).await.map_err(explain)?.unwrap_or_default();
    let found = find_contract(&chain, id).await?;
    let view =
        submitted_json(&submitted, [("id", json!(id)), ("record", json!(number)), ("due", json!(due))]);
    context.print(&view, |_| {
        format!(
            "record {number} is confirmed, finalized in block {}\n{}",
            submitted.block,
            view::due_text(&found.contract, &due)
        )
    })
}
