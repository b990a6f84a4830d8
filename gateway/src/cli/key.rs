//! `streembit key`: creating and showing keys.

use super::common::{CommandResult, Context, KeyArg};
use crate::remedies::explain;
use anyhow::bail;
use clap::Subcommand;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use streembit_keystore::{self as keystore, account, KeySeed, Passphrase, DEV_NAMES};
use streembit_primitives::AccountId;

/// The subcommands of `streembit key`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a new key.
    New {
        /// The keystore to write. An existing file is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write the keystore of a well-known development account. These keys are public; never use them on a real chain.
    Dev {
        /// The account: alice, bob, charlie, dave, eve or ferdie.
        name: String,
        /// The keystore to write. An existing file is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the account of a key. Needs no passphrase.
    Show(KeyArg),
    /// Encrypt a key with a new passphrase.
    ChangePassphrase {
        /// The keystore.
        #[command(flatten)]
        key: KeyArg,
        /// The file with the new passphrase. If it does not exist, it is created with a random passphrase. Without this
        /// option, the new passphrase is asked for.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::New { out } => create(&out, &KeySeed::random(), context)?,
        Command::Dev { name, out } => {
            let Some(seed) = KeySeed::from_dev_name(&name) else {
                bail!("{name:?} is not a development account: use one of {}", DEV_NAMES.join(", "));
            };
            create(&out, &seed, context)?;
        }
        Command::Show(key) => {
            let path = key.path()?;
            show(path, keystore::account_of(path).map_err(explain)?, context)?;
        }
        Command::ChangePassphrase { key, new_passphrase_file } => {
            let path = key.path()?;
            let old = context.passphrase(path)?;
            let new_context = Context { passphrase_file: new_passphrase_file, ..context.clone() };
            let new: Passphrase = new_context.new_passphrase(path)?;
            keystore::change_passphrase(path, &old, &new).map_err(explain)?;
            show(path, keystore::account_of(path).map_err(explain)?, context)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path, seed: &KeySeed, context: &Context) -> anyhow::Result<()> {
    let keys = keystore::create(path, seed, &context.new_passphrase(path)?).map_err(explain)?;
    show(path, keys.account(), context)
}

fn show(path: &Path, account: AccountId, context: &Context) -> anyhow::Result<()> {
    let view = json!({ "account": account::show(&account), "public_key": account, "file": path });
    context.print(&view, |_| format!("account  {}\nfile     {}", account::show(&account), path.display()))
}
