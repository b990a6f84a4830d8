//! `streembit gateway`: creating, running and registering a gateway.

use super::{
    common::{connect, submitted_json, CommandResult, ConfigArg, Context, KeyArg, NodeArg},
    epoch, gateway_show,
    resolver::Reference,
};
use crate::{
    api::{
        client::{Client, ClientError},
        types::ReloadView,
    },
    config, daemon,
    keys::open_gateway_key,
    memory,
    remedies::explain,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::Call;
use streembit_delivery as delivery;
use streembit_keystore::{self as keystore, account, files::create_private, KeySeed};
use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;

/// The subcommands of `streembit gateway`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a gateway: a key and a commented configuration.
    Init {
        /// The gateway's folder. It is created if it does not exist.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The gateway's name.
        #[arg(long, default_value = "gateway")]
        name: String,
        /// The port where other parties reach the gateway. Without it, the first free one from 30340 on.
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// Run the gateway until it is stopped with Ctrl-C or SIGTERM.
    Run(RunArgs),
    /// Let the running gateway read its configuration again and take its devices, as SIGHUP does. Nothing else changes
    /// until the gateway starts again.
    Reload(ConfigArg),
    /// Show the gateway's account, peer id and addresses.
    Account(ConfigArg),
    /// Show what the chain has of a gateway: its party, its log key, and each of its logs with its last anchor.
    ///
    /// Needs no file of the gateway if its account or name is given.
    Show(gateway_show::Args),
    /// Register the gateway and its log key on the chain as a gateway of a party. It may then anchor its log. Waits for
    /// finality.
    Register(RegisterArgs),
    /// Remove a gateway from the party of the signing key: it may no longer submit, and its devices need another one. A
    /// gateway that validates has to leave the validators first. Waits for finality.
    Remove {
        /// The gateway: its account, a unique prefix of it, or its name.
        gateway: Reference,
        /// The key of the party.
        #[command(flatten)]
        key: KeyArg,
        /// The node.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Show, close and open the logs of the gateway.
    #[command(subcommand)]
    Epoch(epoch::Command),
}

/// The arguments of `gateway run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `gateway register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Init { dir, name, port } => init(&dir, &name, port, context)?,
        Command::Run(args) => run_daemon(&args, context).await?,
        Command::Reload(config) => reload(&config, context).await?,
        Command::Account(config) => show_account(&config, context).await?,
        Command::Show(args) => gateway_show::run(&args, context).await?,
        Command::Register(args) => register(&args, context).await?,
        Command::Remove { gateway, key, node } => remove(&gateway, &key, &node, context).await?,
        Command::Epoch(command) => epoch::run(&command, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(dir: &Path, name: &str, port: Option<u16>, context: &Context) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("creating the folder {}", dir.display()))?;
    let (config_file, key_file) = (dir.join("gateway.toml"), dir.join("gateway.key"));
    for file in [&config_file, &key_file] {
        if file.try_exists().with_context(|| format!("checking whether {} exists", file.display()))? {
            anyhow::bail!(
                "{} already exists: there is a gateway in this folder; choose another --dir",
                file.display()
            );
        }
    }
    let passphrase = context.new_passphrase(&key_file)?;
    let keys = keystore::create(&key_file, &KeySeed::random(), &passphrase).map_err(explain)?;
    let passphrase_file = context
        .passphrase_file
        .as_deref()
        .map(std::path::absolute)
        .transpose()
        .context("resolving the path of the passphrase file")?;
    let port = port.unwrap_or_else(free_delivery_port);
    let text = config::template(name, port, passphrase_file.as_deref());
    create_private(&config_file, text.as_bytes())?;
    let view = json!({
        "account": account::show(&keys.account()),
        "config": config_file,
        "key": key_file,
        "passphrase_file": passphrase_file,
        "delivery_port": port,
    });
    context.print(&view, |_| {
        format!(
            "account  {}\nconfig   {}\nkey      {}\nport     {port}, where other parties reach the gateway (`[delivery] \
             listen`)\n\nNext: add a device, then start the gateway:\n  \
             streembit device add NAME --config {}\n  \
             streembit gateway run --config {}",
            account::show(&keys.account()),
            config_file.display(),
            key_file.display(),
            config_file.display(),
            config_file.display()
        )
    })
}

/// The number of ports that are tried for a new gateway.
const PORTS: u16 = 100;

/// Returns the first port from the default one on that no program on this machine uses, or the default port if all of
/// them are in use.
fn free_delivery_port() -> u16 {
    let first = delivery::DEFAULT_PORT;
    let is_free = |port: &u16| {
        let address = (std::net::Ipv4Addr::UNSPECIFIED, *port);
        std::net::TcpListener::bind(address).is_ok() && std::net::UdpSocket::bind(address).is_ok()
    };
    (first..first.saturating_add(PORTS)).find(is_free).unwrap_or(first)
}

async fn run_daemon(args: &RunArgs, context: &Context) -> anyhow::Result<()> {
    let (config, keys) = args.config.load_with_keys(context)?;
    let node = args.node.or_configured(&config);
    node.ensure_allowed().map_err(explain)?;
    let shutdown = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let daemon = daemon::run(config, keys, node.into(), shutdown.clone());
    let stopping = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
        // A second signal stops the program without waiting for the shutdown.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        ended = daemon => ended.map_err(explain),
        never = memory::trim_periodically() => match never {},
        () = stopping => anyhow::bail!("stopped before the shutdown was complete; all acknowledged events are on disk"),
    }
}

async fn reload(config: &ConfigArg, context: &Context) -> anyhow::Result<()> {
    let config = config.load()?;
    let reloaded = Client::new(&config.api.socket)?.reload().await?;
    context.print(&reloaded, reload_text)
}

fn reload_text(reloaded: &ReloadView) -> String {
    let ReloadView { added, changed, removed, needs_restart } = reloaded;
    let devices = [("added", added), ("changed", changed), ("removed", removed)];
    let mut lines: Vec<_> = devices
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what:<8} {}", names.join(", ")))
        .collect();
    if lines.is_empty() {
        lines.push("The devices are as before.".into());
    }
    if !needs_restart.is_empty() {
        let sections: Vec<_> = needs_restart.iter().map(|name| format!("[{name}]")).collect();
        lines.push(format!("Restart the gateway to apply the changes of {}.", sections.join(", ")));
    }
    lines.join("\n")
}

async fn show_account(config: &ConfigArg, context: &Context) -> anyhow::Result<()> {
    let config = config.load()?;
    let account = keystore::account_of(&config.gateway.key_file).map_err(explain)?;
    // A running gateway knows its addresses. For a stopped gateway, the peer id is derived from its key.
    let running = Client::new(&config.api.socket)?.status().await;
    let (peer, addresses) = match running {
        Ok(status) => (status.peer.id, status.peer.addresses),
        Err(ClientError::NoGateway(_)) => {
            let keys = open_gateway_key(&config.gateway, context.passphrase_file.as_deref())?;
            let peer = delivery::peer_id(&keys)?;
            (peer.to_string(), Vec::new())
        }
        Err(error) => return Err(error.into()),
    };
    let view = json!({
        "name": config.gateway.name, "account": account::show(&account), "peer": peer, "addresses": addresses,
    });
    context.print(&view, |_| {
        let reached: String = addresses.iter().map(|address| format!("\nreached  {address}")).collect();
        let name = &config.gateway.name;
        format!("name     {name}\naccount  {}\npeer     {peer}{reached}", account::show(&account))
    })
}

async fn remove(gateway: &Reference, key: &KeyArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let signer = key.signer(context).await?;
    let chain = connect(node.or_local()).await?;
    let gateway = context.resolver().chain(&chain).account(gateway).await?;
    let submitted = chain.submit(&signer, Call::RemoveGateway { gateway }).await.map_err(explain)?;
    let gateway = account::show(&gateway);
    let view = submitted_json(&submitted, [("gateway", json!(gateway))]);
    context.print(&view, |_| {
        format!("{gateway} no longer belongs to its party, finalized in block {}", submitted.block)
    })
}

async fn register(args: &RegisterArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_keys(context)?;
    let signer = args.key.signer(context).await?;
    let chain = connect(args.node.or_configured(&config)).await?;
    let (party, submitted) = chain.add_gateway(&signer, &gateway).await.map_err(explain)?;
    let log_key = gateway.log_public_key();
    let gateway = account::show(&gateway.account());
    let view = submitted_json(
        &submitted,
        [("gateway", json!(gateway)), ("party", json!(party)), ("log_key", json!(log_key))],
    );
    context.print(&view, |_| {
        let block = submitted.block;
        format!("gateway  {gateway}\nparty    {party}\nlog key  {log_key}\nfinal    in block {block}")
    })
}
