//! What many commands share: the context, the options for configuration, node and key.

use super::output;
use crate::{
    audit::Subject,
    config::Config,
    keys::{open_gateway_key, open_key, read_passphrase},
    remedies::explain,
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_chain::NodeUrl;
use streembit_keystore::{account_of, KeyPair, Passphrase};
use streembit_primitives::AccountId;

/// How a command ends: with an exit code, or with an error that is printed (exit code 2).
pub type Outcome = anyhow::Result<ExitCode>;

/// What every command is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// Whether to print JSON.
    pub json: bool,
    /// The file with the passphrase of the key.
    pub passphrase_file: Option<PathBuf>,
}

impl Context {
    /// Prints a result: as one line of JSON, or as text for people.
    pub fn print<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let line = if self.json { serde_json::to_string(value)? } else { text(value) };
        output::print_line(&line)
    }

    /// The passphrase of an existing key: from the file, or asked for.
    pub fn passphrase(&self, key: &Path) -> anyhow::Result<Passphrase> {
        read_passphrase(key, self.passphrase_file.as_deref())
    }

    /// The passphrase of a new key: from the file, which is made with a random one where it does not exist; or asked for.
    pub fn new_passphrase(&self, key: &Path) -> anyhow::Result<Passphrase> {
        let Some(file) = &self.passphrase_file else {
            return Passphrase::ask_new(&format!("New passphrase of {}: ", key.display())).map_err(explain);
        };
        if file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
            return Passphrase::from_file(file).map_err(explain);
        }
        let passphrase = Passphrase::random();
        passphrase.write_to(file).map_err(explain)?;
        Ok(passphrase)
    }
}

/// `--config`
#[derive(Clone, Debug, Args)]
pub struct ConfigArg {
    /// The gateway's configuration.
    #[arg(
        id = "config",
        long = "config",
        value_name = "FILE",
        env = "STREEMBIT_CONFIG",
        default_value = "gateway.toml"
    )]
    pub path: PathBuf,
}

impl ConfigArg {
    /// Reads and checks it.
    pub fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.path)?)
    }

    /// Reads it, with the gateway's account, for which no passphrase is needed.
    pub fn load_with_account(&self) -> anyhow::Result<(Config, AccountId)> {
        let config = self.load()?;
        let account = account_of(&config.gateway.key_file).map_err(explain)?;
        Ok((config, account))
    }

    /// Reads it and opens the gateway's key.
    pub fn load_with_keys(&self, context: &Context) -> anyhow::Result<(Config, KeyPair)> {
        let config = self.load()?;
        let keys = open_gateway_key(&config.gateway, context.passphrase_file.as_deref())?;
        Ok((config, keys))
    }
}

/// A device of the configuration, or any by its id: a device may have been taken out of the configuration.
pub fn subject(config: &Config, account: AccountId, device: &str) -> anyhow::Result<Subject> {
    match config.device(device, account) {
        Ok(found) => Ok(Subject { device: found.id(account), name: Some(found.name.clone()) }),
        Err(unknown) => match device.parse() {
            Ok(device) => Ok(Subject { device, name: None }),
            Err(_) => Err(unknown.into()),
        },
    }
}

/// `--node`
#[derive(Clone, Debug, Args)]
pub struct NodeArg {
    /// The RPC address of a node, such as ws://127.0.0.1:9944.
    #[arg(id = "node", long = "node", value_name = "URL", env = "STREEMBIT_NODE")]
    pub url: Option<NodeUrl>,
}

impl NodeArg {
    /// The address: the given one, else that of the configuration.
    pub fn or(&self, config: &Config) -> NodeUrl {
        self.url.clone().unwrap_or_else(|| config.node.url.clone())
    }

    /// The address: the given one, else a node on this machine.
    pub fn or_local(&self) -> NodeUrl {
        self.url.clone().unwrap_or_else(NodeUrl::local)
    }
}

/// `--key`
#[derive(Clone, Debug, Args)]
pub struct KeyArg {
    /// The party's keystore.
    #[arg(id = "key", long = "key", value_name = "FILE", env = "STREEMBIT_KEY")]
    pub path: PathBuf,
}

impl KeyArg {
    /// Opens it.
    pub fn open(&self, context: &Context) -> anyhow::Result<KeyPair> {
        open_key(&self.path, context.passphrase_file.as_deref())
    }
}
