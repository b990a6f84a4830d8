//! `streembit gateway`: set up and run a gateway.

use super::{chain, ConfigArg, Context, KeyArg, NodeArg, Outcome};
use crate::{
    api::client::{Client, ClientError},
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
use streembit_delivery as delivery;
use streembit_keystore::{self as keystore, account, files::create_private, KeySeed};
use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;

/// What to do with a gateway.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a gateway: its key and its commented configuration.
    Init {
        /// The folder; made where it does not exist.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// What people call it.
        #[arg(long, default_value = "gateway")]
        name: String,
    },
    /// Run it until it is stopped, by Ctrl-C or SIGTERM.
    Run(RunArgs),
    /// Show the gateway's account, and where other parties reach it.
    Account(ConfigArg),
    /// Have a party of the chain take the gateway in; from then on it may anchor its log. Waits until that is final.
    Register(RegisterArgs),
}

/// `gateway run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The gateway.
    #[command(flatten)]
    config: ConfigArg,
    /// The node, where it is another than the configuration's.
    #[command(flatten)]
    node: NodeArg,
}

/// `gateway register`
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The gateway.
    #[command(flatten)]
    config: ConfigArg,
    /// The party.
    #[command(flatten)]
    key: KeyArg,
    /// The node, where it is another than the configuration's.
    #[command(flatten)]
    node: NodeArg,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Init { dir, name } => init(&dir, &name, context)?,
        Command::Run(args) => run_daemon(&args, context).await?,
        Command::Account(config) => show_account(&config, context).await?,
        Command::Register(args) => register(&args, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(dir: &Path, name: &str, context: &Context) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
    let (config_file, key_file) = (dir.join("gateway.toml"), dir.join("gateway.key"));
    for file in [&config_file, &key_file] {
        if file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
            anyhow::bail!("{} exists: this gateway is already made; name another --dir", file.display());
        }
    }
    let passphrase = context.new_passphrase(&key_file)?;
    let keys = keystore::create(&key_file, &KeySeed::random(), &passphrase).map_err(explain)?;
    let passphrase_file =
        context.passphrase_file.as_deref().map(std::path::absolute).transpose().context("passphrase file")?;
    create_private(&config_file, config::template(name, passphrase_file.as_deref()).as_bytes())?;
    let view = json!({
        "account": account::show(&keys.account()), "config": config_file, "key": key_file, "passphrase_file": passphrase_file,
    });
    context.print(&view, |_| {
        format!(
            "account  {}\nconfig   {}\nkey      {}\n\nNext: add a [[device]] to the configuration, then run\n  \
             streembit gateway run --config {}",
            account::show(&keys.account()),
            config_file.display(),
            key_file.display(),
            config_file.display()
        )
    })
}

async fn run_daemon(args: &RunArgs, context: &Context) -> anyhow::Result<()> {
    let (config, keys) = args.config.load_with_keys(context)?;
    let node = args.node.or(&config).into();
    let shutdown = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let daemon = daemon::run(config, keys, node, shutdown.clone());
    let stopping = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
        // The second signal does not wait.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        ended = daemon => ended.map_err(explain),
        never = memory::give_back() => match never {},
        () = stopping => anyhow::bail!("stopped before everything had ended; what was acknowledged is on disk"),
    }
}

async fn show_account(config: &ConfigArg, context: &Context) -> anyhow::Result<()> {
    let (config, account) = config.load_with_account()?;
    // A running gateway knows where it is reached; of a stopped one only the key says who its peer is.
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

async fn register(args: &RegisterArgs, context: &Context) -> anyhow::Result<()> {
    let (config, gateway) = args.config.load_with_keys(context)?;
    let party = args.key.open(context)?;
    let chain = chain::connect(args.node.or(&config)).await?;
    let submitted = chain.add_gateway(&party, &gateway).await.map_err(explain)?;
    let (gateway, party) = (account::show(&gateway.account()), account::show(&party.account()));
    let mut view = chain::submitted_json(&submitted);
    if let Some(view) = view.as_object_mut() {
        view.insert("gateway".into(), gateway.clone().into());
        view.insert("party".into(), party.clone().into());
    }
    context.print(&view, |_| {
        format!("gateway  {gateway}\nparty    {party}\nfinal    in block {}", submitted.block)
    })
}
