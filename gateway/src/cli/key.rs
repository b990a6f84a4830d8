//! `streembit key`: the keys of parties.

use super::{Context, KeyArg, Outcome};
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

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new key.
    New {
        /// Where; a file that exists is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write the key of a well-known account of development chains. Everybody knows these keys.
    Dev {
        /// alice, bob, charlie, dave, eve or ferdie.
        name: String,
        /// Where; a file that exists is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show whose key it is; needs no passphrase.
    Show(KeyArg),
    /// Encrypt the same key under another passphrase.
    ChangePassphrase {
        /// The key.
        #[command(flatten)]
        key: KeyArg,
        /// The file with the new passphrase; made with a random one where it does not exist. Asked for otherwise.
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::New { out } => write(&out, &KeySeed::random(), context)?,
        Command::Dev { name, out } => {
            let Some(seed) = KeySeed::from_dev_name(&name) else {
                bail!("{name:?} is no account of development chains: use one of {}", DEV_NAMES.join(", "));
            };
            write(&out, &seed, context)?;
        }
        Command::Show(key) => show(&key.path, keystore::account_of(&key.path).map_err(explain)?, context)?,
        Command::ChangePassphrase { key, new_passphrase_file } => {
            let old = context.passphrase(&key.path)?;
            let new_context = Context { passphrase_file: new_passphrase_file, ..context.clone() };
            let new: Passphrase = new_context.new_passphrase(&key.path)?;
            keystore::change_passphrase(&key.path, &old, &new).map_err(explain)?;
            show(&key.path, keystore::account_of(&key.path).map_err(explain)?, context)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, seed: &KeySeed, context: &Context) -> anyhow::Result<()> {
    let keys = keystore::create(path, seed, &context.new_passphrase(path)?).map_err(explain)?;
    show(path, keys.account(), context)
}

fn show(path: &Path, account: AccountId, context: &Context) -> anyhow::Result<()> {
    let view = json!({ "account": account::show(&account), "public_key": account, "file": path });
    context.print(&view, |_| format!("account  {}\nfile     {}", account::show(&account), path.display()))
}
