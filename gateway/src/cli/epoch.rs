//! `streembit gateway epoch`: the logs of a gateway, of which one at most is open.

use super::{
    common::{connect, submitted_json, ConfigArg, Context, NodeArg},
    log_anchor::LogAnchor,
    resolver::Reference,
};
use crate::{
    api::client::{Client, ClientError},
    config::Config,
    keys::open_key,
    log_id,
    remedies::explain,
};
use anyhow::{bail, ensure, Context as _};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use streembit_chain::{ChainClient, Signer};
use streembit_keystore::account;
use streembit_log::{Log, OpenError};
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
    let view = chain.view().await.map_err(explain)?;
    let state = view.epoch(gateway).await.map_err(explain)?;
    let log = LogId { gateway, epoch: state.number };
    let anchor = LogAnchor::fetch(&view, log).await.map_err(explain)?;
    let json = json!({
        "gateway": account::show(&gateway),
        "epoch": state.number,
        "open": state.open,
        "anchored": anchor.map(|anchor| anchor.size),
        "block": anchor.map(|anchor| anchor.block),
        "time": anchor.and_then(|anchor| anchor.time),
    });
    context.print(&json, |_| {
        let open = if state.open { "open" } else { "closed" };
        let anchored = LogAnchor::describe(anchor.as_ref());
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
    let (chain, gateway, signer) = prepare(&args.epoch, context).await?;
    let epoch = chain.epoch(gateway).await.map_err(explain)?.number;
    if !args.force {
        ensure_anchored(&args.epoch, &chain, LogId { gateway, epoch }).await?;
    }
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

/// Returns an error if the log has events that are not anchored: the log of the running gateway, or the one in its data
/// folder if it does not run.
async fn ensure_anchored(args: &EpochArgs, chain: &ChainClient, log: LogId) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let size = match Client::new(&config.api.socket)?.log().await {
        Ok(running) if running.epoch == log.epoch => Some(running.size),
        Ok(_) => None,
        Err(ClientError::NoGateway(_)) => {
            let folder = config.gateway.data_dir.clone();
            tokio::task::spawn_blocking(move || size_on_disk(&folder, log)).await?.map_err(explain)?
        }
        Err(error) => return Err(error.into()),
    };
    let anchored = chain.latest_anchor(log).await.map_err(explain)?;
    ensure_size_anchored(size, anchored.map_or(0, |anchor| anchor.checkpoint.size), log)
}

/// Returns the size of a log in a folder, or `None` if the folder does not hold this log.
fn size_on_disk(folder: &Path, log: LogId) -> Result<Option<u64>, OpenError> {
    match Log::identity(folder)? {
        Some(found) if found == log => Log::open_read_only(folder).map(|log| Some(log.size())),
        _ => Ok(None),
    }
}

fn ensure_size_anchored(size: Option<u64>, anchored: u64, log: LogId) -> anyhow::Result<()> {
    let Some(size) = size else {
        bail!(
            "the data folder in the configuration does not hold log {log}, so nobody knows if it has events that are not \
             anchored: set data_dir to the folder of this log, or add --force to close it at its anchored size of \
             {anchored} events for good"
        )
    };
    ensure!(
        size <= anchored,
        "the log has {} events that are not anchored: stop what feeds the gateway, let the gateway run and wait until they \
         are (`streembit status`), or add --force to leave them without an anchor for good",
        size.saturating_sub(anchored)
    );
    Ok(())
}

async fn open(args: &EpochArgs, context: &Context) -> anyhow::Result<()> {
    let (chain, gateway, signer) = prepare(args, context).await?;
    let submitted = chain.open_epoch(&signer, gateway).await.map_err(explain)?;
    let epoch = chain.epoch(gateway).await.map_err(explain)?.number;
    prepare_folder(&args.config.load()?, LogId { gateway, epoch })?;
    let fields = [("gateway", json!(account::show(&gateway))), ("epoch", json!(epoch))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!(
            "the log of epoch {epoch} is open, finalized in block {}. Next: assign each device to it with `streembit device \
             reassign --device DEVICE --config FILE --log OLD_DATA_DIR`, then start the gateway with an empty data_dir",
            submitted.block
        )
    })
}

/// Notes in the data folder which log begins there, unless the folder holds a log already. So the gateway begins the right
/// one even if it starts before its node.
pub(super) fn prepare_folder(config: &Config, log: LogId) -> anyhow::Result<()> {
    let folder = &config.gateway.data_dir;
    if Log::identity(folder).map_err(explain)?.is_some() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).with_context(|| format!("creating the folder {}", folder.display()))?;
    Ok(log_id::store(folder, log)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_closed_only_if_everything_on_disk_is_anchored() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogId { gateway: AccountId([1; 32]), epoch: 3 };
        assert_eq!(size_on_disk(dir.path(), log), Ok(None));
        drop(Log::open(dir.path(), log).unwrap());
        assert_eq!(size_on_disk(dir.path(), log), Ok(Some(0)));
        assert_eq!(size_on_disk(dir.path(), LogId { epoch: 4, ..log }), Ok(None));
        assert!(ensure_size_anchored(Some(7), 7, log).is_ok());
        let error = ensure_size_anchored(Some(9), 7, log).unwrap_err().to_string();
        assert!(error.contains("2 events") && error.contains("--force"), "{error}");
        let error = ensure_size_anchored(None, 7, log).unwrap_err().to_string();
        assert!(error.contains("data_dir") && error.contains("--force"), "{error}");
    }

    #[test]
    fn the_log_to_begin_is_noted_in_an_empty_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::parse("", &dir.path().join("gateway.toml"), []).unwrap();
        let log = LogId { gateway: AccountId([1; 32]), epoch: 3 };
        prepare_folder(&config, log).unwrap();
        let folder = &config.gateway.data_dir;
        assert_eq!(log_id::load(folder).unwrap(), Some(log));
        drop(Log::open(folder, log).unwrap());
        prepare_folder(&config, LogId { epoch: 4, ..log }).unwrap();
        assert_eq!(log_id::load(folder).unwrap(), Some(log));
    }
}
