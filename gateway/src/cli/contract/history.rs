//! `streembit contract history`: what happened to a contract, like a bank statement.

use super::args::HistoryArgs;
use crate::{
    address_book::AddressBook,
    cli::{
        common::{connect, ConfigArg, Context},
        output,
        progress::ProgressBar,
        resolver::Reference,
    },
    contracts::history::{self, describe, Contents, Entry, Line},
    remedies::explain,
};
use anyhow::ensure;
use serde_json::json;
use streembit_chain::ChainClient;
use streembit_clock as clock;
use streembit_primitives::contract::ContractId;

/// The entries about a contract, and the blocks that are missing.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    /// The contents, for units and currencies.
    contents: Contents,
    /// The first block that was looked at.
    from: u32,
    /// Ranges of blocks that could not be looked at, both ends included.
    missed: Vec<(u32, u32)>,
}

/// Runs `contract history`.
pub(super) async fn run(args: HistoryArgs, context: &Context) -> anyhow::Result<()> {
    let (id, found) = match &args.config {
        Some(path) => from_index(&ConfigArg::at(path.clone()), &args.contract.id, context).await?,
        None => {
            let chain = connect(args.contract.node.or_local()).await?;
            from_node(&chain, &args.contract.id, context).await?
        }
    };
    let json: Vec<_> = found
        .entries
        .iter()
        .map(|entry| {
            let (what, evidence) = describe(entry, &found.contents);
            json!({
                "block": entry.block, "hash": entry.hash, "time": entry.time, "account": entry.account,
                "event": entry.event, "fields": entry.fields, "what": what, "evidence": evidence,
            })
        })
        .collect();
    context.print_named(&json, |_| text(id, &found, context.names()))
}

fn text(id: ContractId, found: &Found, names: &AddressBook) -> String {
    let mut lines = vec![format!("contract {id}")];
    if found.entries.is_empty() {
        lines.push("nothing is recorded about it".into());
    } else {
        let mut table = output::table(["block", "time", "by", "what", "evidence"]);
        for entry in &found.entries {
            let (what, evidence) = describe(entry, &found.contents);
            let account =
                entry.account.as_ref().map_or_else(|| "the chain".into(), |account| names.label(account));
            table.add_row([entry.block.to_string(), clock::show(entry.time), account, what, evidence]);
        }
        lines.push(output::render(&table));
    }
    if found.from > 1 {
        lines.push(format!("blocks before {} are not indexed", found.from));
    }
    lines.extend(
        found
            .missed
            .iter()
            .map(|(from, to)| format!("blocks {from} to {to} are missing: the node had pruned them")),
    );
    lines.join("\n")
}

/// Reads the entries from a gateway's index.
async fn from_index(
    config: &ConfigArg,
    contract: &Reference,
    context: &Context,
) -> anyhow::Result<(ContractId, Found)> {
    let data_dir = config.load()?.gateway.data_dir;
    let lines = history::read(&data_dir)?;
    let id = context.resolver().index(&data_dir).contract(contract).await?;
    let entries: Vec<Entry> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Event(entry) if entry.contract == id => Some(entry.clone()),
            _ => None,
        })
        .collect();
    ensure!(
        !entries.is_empty(),
        "the index of the gateway has no contract {id}: it has the contracts of the gateway's party and about its devices, \
         from the time at which the gateway first ran"
    );
    let missed = lines.iter().filter_map(|line| match line {
        Line::Missed { from, to } => Some((*from, *to)),
        _ => None,
    });
    let from = lines.iter().find_map(|line| match line {
        Line::Next(next) => Some(next.saturating_sub(1)),
        _ => None,
    });
    let from = entries.first().map(|entry| entry.block).into_iter().chain(from).min().unwrap_or_default();
    let has_start = entries.first().is_some_and(|entry| entry.event == "Proposed");
    // A range of missing blocks at the start says it already.
    let is_noted = missed.clone().any(|(from, _)| from <= 1);
    let from = if has_start || is_noted { 0 } else { from };
    let contents = Contents::of(id, &lines);
    Ok((id, Found { missed: missed.collect(), entries, contents, from }))
}

/// Searches the blocks that a node still has.
async fn from_node(
    chain: &ChainClient,
    contract: &Reference,
    context: &Context,
) -> anyhow::Result<(ContractId, Found)> {
    let id = context.resolver().chain(chain).contract(contract).await?;
    let head = chain.finalized().await.map_err(explain)?.number;
    let mut bar = ProgressBar::new("searching");
    let mut found = Found::default();
    // Newest first, so that the search ends at the first block that the node has pruned.
    for number in (1..=head).rev() {
        bar.update(u64::from(head.saturating_sub(number)), u64::from(head), 0);
        let block = match chain.contract_events(number).await {
            Ok(Some(block)) => block,
            Err(error) if !error.is_pruned() => return Err(explain(error)),
            // The node has pruned this block and those before it.
            Ok(None) | Err(_) => {
                found.from = number.saturating_add(1);
                break;
            }
        };
        let events =
            block.events.iter().filter(|event| event.contract == id).map(|event| Entry::new(&block, event));
        found.entries.extend(events.rev());
        if found.entries.last().is_some_and(|entry| entry.event == "Proposed") {
            break;
        }
    }
    found.entries.reverse();
    if let Some(view) = chain.view().await.map_err(explain)?.contract(id).await.map_err(explain)? {
        found.contents.insert(view.content);
    }
    Ok((id, found))
}
