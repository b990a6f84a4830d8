//! `streembit device transfer` and `accept`: the sale of a device, in two steps.

use super::subject::find_record;
use crate::{
    cli::{
        common::{connect, find_party, submitted_json, Context, KeyArg, NodeArg},
        resolver::Reference,
    },
    remedies::explain,
};
use anyhow::ensure;
use clap::Args;
use serde_json::json;
use streembit_primitives::Hash;

/// The arguments of `device transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The device: its id or the beginning of it, or its name in the address book.
    #[arg(long, value_name = "DEVICE")]
    device: Reference,
    /// The party that is offered the device: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY", required_unless_present = "withdraw")]
    to: Option<Reference>,
    /// Withdraw the offer.
    #[arg(long, conflicts_with = "to")]
    withdraw: bool,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `device accept`.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The device: its id or the beginning of it, or its name in the address book.
    #[arg(long, value_name = "DEVICE")]
    device: Reference,
    /// The party that offers the device: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    from: Reference,
    /// The hash of the record that you agreed on, as `streembit device show` prints it. Without it, the record is accepted as
    /// it is now.
    #[arg(long, value_name = "HASH")]
    record: Option<Hash>,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs `device transfer`.
pub(super) async fn transfer(args: &TransferArgs, context: &Context) -> anyhow::Result<()> {
    let owner = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let to = match &args.to {
        Some(party) => Some(find_party(context, &chain, party).await?),
        None => None,
    };
    let device = context.resolver().chain(&chain).device(&args.device).await?;
    let submitted = chain.transfer(&owner, device, to).await.map_err(explain)?;
    let view = submitted_json(&submitted, [("device", json!(device)), ("to", json!(to))]);
    context.print(&view, |_| match to {
        Some(to) => format!(
            "device {device} is offered to party {to}, finalized in block {}. It becomes the owner with `streembit device \
             accept`",
            submitted.block
        ),
        None => format!("the offer of device {device} is withdrawn, finalized in block {}", submitted.block),
    })
}

/// Runs `device accept`.
pub(super) async fn accept(args: &AcceptArgs, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let from = find_party(context, &chain, &args.from).await?;
    let device = context.resolver().chain(&chain).device(&args.device).await?;
    let record = find_record(&chain, device).await?;
    let owner = record.owner();
    ensure!(owner == from, "device {device} belongs to party {owner}, not to {from}");
    let party = chain.party_of(keys.account()).await.map_err(explain)?;
    let shown = args.record.unwrap_or(record.hash());
    let submitted = chain.accept(&keys, device, from, shown).await.map_err(explain)?;
    let fields = [("device", json!(device)), ("from", json!(from)), ("owner", json!(party))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!("party {party} owns device {device}, finalized in block {}", submitted.block)
    })
}
