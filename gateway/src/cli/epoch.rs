//! `streembit gateway epoch`: the logs of a gateway, of which one at most is open.

use super::{
    common::{connect, submitted_json, ConfigArg, Context, NodeArg},
    resolver::Reference,
};
use crate::{
    api::client::{Client, ClientError},
    keys::open_key,
    remedies::explain,
};
use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use streembit_chain::{ChainClient, Signer};
use streembit_keystore::account;
use streembit_primitives::{AccountId, LogId};

/// The subcommands of `streembit gateway epoch`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the epoch of a gateway, whether its log is open, and the last anchor of its log.
    Show(EpochArgs),
    /// Close the log of a gateway for good, because its end is lost or it shall begin anew. What is anchored stays proven.
    Close(CloseArgs),
    /// Open the next log of a gateway, whose log is closed.
    Open(EpochArgs),
}

/// The arguments of `gateway epoch show` and `open`.
#[derive(Debug, Args)]
pub struct EpochArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The keystore of an account of the gateway's party with the scope `gateway`. Without it, the gateway signs itself.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// With --offline: the account that signs on another machine, or its name in the address book.
    #[arg(long, value_name = "ACCOUNT")]
    signer: Option<Reference>,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `gateway epoch close`.
#[derive(Debug, Args)]
pub struct CloseArgs {
    #[command(flatten)]
    epoch: EpochArgs,
    /// Close the log although it has events that are not anchored. They can never be anchored then.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub async fn run(command: &Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Show(args) => show(args, context).await,
        Command::Close(args) => close(args, context).await,
        Command::Open(args) => open(args, context).await,
    }
}

async fn show(args: &EpochArgs, context: &Context) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let gateway = streembit_keystore::account_of(&config.gateway.key_file).map_err(explain)?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let state = chain.epoch(gateway).await.map_err(explain)?;
    let log = LogId { gateway, epoch: state.number };
    let anchor = chain.latest_anchor(log).await.map_err(explain)?;
    let view = json!({
        "gateway": account::show(&gateway),
        "epoch": state.number,
        "open": state.open,
        "anchored": anchor.as_ref().map(|anchor| anchor.checkpoint.size),
        "block": anchor.as_ref().map(|anchor| anchor.block),
    });
    context.print(&view, |_| {
        let anchored = anchor.map_or_else(
            || "not anchored yet".to_owned(),
            |anchor| format!("anchored at {} events in block {}", anchor.checkpoint.size, anchor.block),
        );
        let open = if state.open { "open" } else { "closed" };
        format!("gateway  {}\nepoch    {}, {open}, {anchored}", account::show(&gateway), state.number)
    })
}

/// Connects to the node, and opens the key that signs.
async fn prepare(args: &EpochArgs, context: &Context) -> anyhow::Result<(ChainClient, AccountId, Signer)> {
    let config = args.config.load()?;
    let gateway = streembit_keystore::account_of(&config.gateway.key_file).map_err(explain)?;
    let key = args.key.as_ref().unwrap_or(&config.gateway.key_file);
    let passphrase_file = match &args.key {
        Some(_) => context.passphrase_file.as_deref(),
        None => config.gateway.passphrase_file.as_deref().or(context.passphrase_file.as_deref()),
    };
    let signer = match context.account_elsewhere(Some(key), args.signer.as_ref()).await? {
        Some(account) => Signer::Elsewhere(account),
        None => open_key(key, passphrase_file)?.into(),
    };
    let chain = connect(args.node.or_configured(&config)).await?;
    Ok((chain, gateway, signer))
}

async fn close(args: &CloseArgs, context: &Context) -> anyhow::Result<()> {
    if !args.force {
        ensure_anchored(&args.epoch).await?;
    }
    let (chain, gateway, signer) = prepare(&args.epoch, context).await?;
    let epoch = chain.epoch(gateway).await.map_err(explain)?.number;
    let submitted = chain.close_epoch(&signer, gateway).await.map_err(explain)?;
    let fields = [("gateway", json!(account::show(&gateway))), ("epoch", json!(epoch))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!(
            "the log of epoch {epoch} is closed, finalized in block {}. Next: stop the gateway, set data_dir to an empty \
             folder, and run `streembit gateway epoch open`",
            submitted.block
        )
    })
}

/// Returns an error if the running gateway has events that are not anchored.
async fn ensure_anchored(args: &EpochArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let log = match Client::new(&config.api.socket)?.log().await {
        Ok(log) => log,
        Err(ClientError::NoGateway(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let anchored = log.anchor.map_or(0, |anchor| anchor.checkpoint.size);
    ensure!(
        log.size <= anchored,
        "the log has {} events that are not anchored: stop what feeds the gateway and wait until they are (`streembit \
         status`), or add --force to leave them without an anchor for good",
        log.size.saturating_sub(anchored)
    );
    Ok(())
}

async fn open(args: &EpochArgs, context: &Context) -> anyhow::Result<()> {
    let (chain, gateway, signer) = prepare(args, context).await?;
    let submitted = chain.open_epoch(&signer, gateway).await.map_err(explain)?;
    let epoch = chain.epoch(gateway).await.map_err(explain)?.number;
    let fields = [("gateway", json!(account::show(&gateway))), ("epoch", json!(epoch))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!(
            "the log of epoch {epoch} is open, finalized in block {}. Next: assign each device to it with `streembit device \
             reassign --device DEVICE --config FILE --log OLD_DATA_DIR`, then start the gateway with an empty data_dir",
            submitted.block
        )
    })
}
