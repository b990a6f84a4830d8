//! `streembit gateway`: set up and run a gateway.

use super::{ConfigArg, Context, Outcome};
use crate::{
    account, config,
    files::create_private,
    keystore::{self, KeySeed},
};
use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

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
    /// Show the gateway's account.
    Account(ConfigArg),
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Init { dir, name } => init(&dir, &name, context)?,
        Command::Account(config) => show_account(&config, context)?,
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
    let keys = keystore::create(&key_file, &KeySeed::random(), &passphrase)?;
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

fn show_account(config: &ConfigArg, context: &Context) -> anyhow::Result<()> {
    let (config, account) = config.load_with_account()?;
    let view = json!({ "name": config.gateway.name, "account": account::show(&account) });
    context
        .print(&view, |_| format!("name     {}\naccount  {}", config.gateway.name, account::show(&account)))
}
