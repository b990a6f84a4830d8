//! `streembit-node keys`: what a validator is, in one encrypted file, and back from it.

mod backup;
mod chain;
mod error;
mod folder;
pub mod held;
mod identity;
pub mod synced;

use backup::Backup;
use chain::Chain;
use error::KeysError;
use folder::{Folder, Votes};
use identity::Validator;
use sc_network::config::{NodeKeyConfig, Secret};
use sc_service::{config::KeystoreConfig, Configuration};
use serde_json::json;
use sp_core::crypto::ExposeSecret as _;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use streembit_keystore::Passphrase;
use zeroize::Zeroizing;

/// What whoever restores keys has to know.
const WARNING: &str = "The old box must never run again with these keys: two nodes that vote with one key contradict each other, \
    and the others hold the proof of it (GRANDPA equivocation).";

/// What becomes of the votes.
const HELD: &str = "The node makes blocks as soon as it has caught up, and votes by itself as soon as that cannot contradict its \
    last votes. Where the chain stands still without its vote: `keys restore` again with --vote-at-once.";

/// `streembit-node keys`
#[derive(Debug, clap::Subcommand)]
pub enum KeysCmd {
    /// Write the session keys and the network key to one encrypted file, from which another box becomes the same validator.
    Backup(BackupCmd),

    /// Put the keys of a backup where a new box looks for them: it is then the validator that was backed up.
    ///
    /// The old box must never run again with these keys. Nothing is overwritten, and nothing is restored where not all is;
    /// the same once more does no harm.
    Restore(RestoreCmd),

    /// Show what a node is known by: its peer id and the public halves of its session keys.
    Show(ShowCmd),
}

impl KeysCmd {
    /// Does it.
    pub fn run(&self) -> sc_cli::Result<()> {
        let done = match self {
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),
            Self::Show(command) => command.run(),
        };
        done.map_err(|error| sc_cli::Error::Application(Box::new(error)))
    }
}

/// Refuses keys that a node could not use, before it starts with them: it would say so late, and not in which file.
pub fn check(config: &Configuration) -> sc_cli::Result<()> {
    let KeystoreConfig::Path { path, password } = &config.keystore else { return Ok(()) };
    let network = match &config.network.node_key {
        NodeKeyConfig::Ed25519(Secret::File(file)) => file.as_path(),
        NodeKeyConfig::Ed25519(Secret::Input(_) | Secret::New) => Path::new(""),
    };
    let password = password.as_ref().map(|password| password.expose_secret().as_str());
    match Folder::configured(path, network).check(password) {
        // Whether it may read a file is for the node itself to find out.
        Ok(()) | Err(KeysError::File(_)) => Ok(()),
        Err(error) => Err(sc_cli::Error::Application(Box::new(error))),
    }
}

/// Whose keys.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The base path that the node is started with.
    #[arg(long, short = 'd', value_name = "DIR")]
    base_path: PathBuf,

    /// The chain: `dev`, `local`, `four` or the path of a chain spec. Without it: the one of the backup; for a node, the only
    /// one that its base path has.
    #[arg(long, value_name = "CHAIN_SPEC")]
    chain: Option<String>,

    /// The keystore, where the node is started with this option.
    #[arg(long, value_name = "DIR")]
    keystore_path: Option<PathBuf>,

    /// The file of the network key, where the node is started with this option.
    #[arg(long, value_name = "FILE")]
    node_key_file: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl NodeArgs {
    /// The chain of a node that is there.
    fn chain(&self) -> Result<Chain, KeysError> {
        match &self.chain {
            Some(spec) => Chain::named(spec),
            None => Chain::only_one_in(&self.base_path),
        }
    }

    fn folder(&self, chain: &str) -> Folder {
        Folder::new(&self.base_path, chain, self.keystore_path.as_deref(), self.node_key_file.as_deref())
    }

    /// Prints a validator; `held` are those of its keys that do not vote yet.
    fn print(&self, validator: &Validator, held: &[String]) -> Result<(), KeysError> {
        let text = if self.json {
            let Validator { chain, genesis, peer_id, keys } = validator;
            json!({ "chain": chain, "genesis": genesis, "peer_id": peer_id, "keys": keys, "held": held })
                .to_string()
        } else {
            shown(validator, held)
        };
        writeln!(io::stdout().lock(), "{text}").map_err(|source| KeysError::Io {
            doing: "writing to",
            path: "standard output".into(),
            source,
        })
    }
}

/// A validator as text for people.
fn shown(validator: &Validator, held: &[String]) -> String {
    let chain = Chain::shown(&validator.chain, validator.genesis.as_ref());
    let mut lines = vec![format!("chain    {chain}"), format!("peer id  {}", validator.peer_id)];
    lines.extend(validator.keys.iter().map(|key| {
        let note = if held.contains(&key.public) { " (does not vote yet)" } else { "" };
        format!("{:<8} {}{note}", key.kind, key.public)
    }));
    lines.join("\n")
}

/// `streembit-node keys backup`
#[derive(Debug, clap::Args)]
pub struct BackupCmd {
    #[command(flatten)]
    node: NodeArgs,

    /// Where the backup goes; a file that exists is never overwritten.
    #[arg(long, short = 'o', value_name = "FILE")]
    out: PathBuf,

    /// The file with the passphrase of the backup, of mode 0600. Asked for otherwise.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// The file with the password of the keystore, where the node is started with this option. It is not in the backup.
    #[arg(long, value_name = "FILE")]
    password_filename: Option<PathBuf>,
}

impl BackupCmd {
    fn run(&self) -> Result<(), KeysError> {
        let Chain { id, genesis } = self.node.chain()?;
        let password = self.password_filename.as_deref().map(password).transpose()?;
        let folder = self.node.folder(&id);
        let keys = folder.read(password.as_deref().map(String::as_str))?;
        let validator = Validator::of(id, genesis, &keys);
        let passphrase = match &self.passphrase_file {
            Some(file) => Passphrase::from_file(file)?,
            None => Passphrase::ask_new(&format!("New passphrase of {}: ", self.out.display()))?,
        };
        Backup::create(&self.out, validator.clone(), &keys, &passphrase)?;
        self.node.print(&validator, &folder.held()?)?;
        eprintln!("Written to {}. Without its passphrase it is lost: keep both, apart.", self.out.display());
        Ok(())
    }
}

/// The password of a keystore, as the node reads it.
fn password(file: &Path) -> Result<Zeroizing<String>, KeysError> {
    fs::read_to_string(file).map(Zeroizing::new).map_err(|source| KeysError::Io {
        doing: "reading",
        path: file.to_owned(),
        source,
    })
}

/// `streembit-node keys restore`
#[derive(Debug, clap::Args)]
pub struct RestoreCmd {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    node: NodeArgs,

    /// The file with the passphrase of the backup, of mode 0600. Asked for otherwise.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Vote from the start on, even if that contradicts a last vote: where nothing is final without this validator.
    #[arg(long)]
    vote_at_once: bool,
}

impl RestoreCmd {
    fn run(&self) -> Result<(), KeysError> {
        let backup = Backup::read(&self.file)?;
        let validator = backup.validator();
        if let Some(spec) = &self.node.chain {
            let chain = Chain::named(spec)?;
            if !chain.is_of(validator) {
                return Err(KeysError::OtherChain {
                    file: self.file.clone(),
                    theirs: Chain::shown(&validator.chain, validator.genesis.as_ref()),
                    ours: Chain::shown(&chain.id, chain.genesis.as_ref()),
                });
            }
        }
        let folder = self.node.folder(&validator.chain);
        folder.check_idle()?;
        let passphrase = match &self.passphrase_file {
            Some(file) => Passphrase::from_file(file)?,
            None => Passphrase::ask(&format!("Passphrase of {}: ", self.file.display()))?,
        };
        let votes = if self.vote_at_once { Votes::AtOnce } else { Votes::WhenSafe };
        let changed = folder.put(&backup.open(&passphrase)?, votes)?;
        let held = folder.held()?;
        self.node.print(validator, &held)?;
        let done = if changed { "Restored." } else { "The same keys are there already: nothing to do." };
        eprintln!("{done}");
        if !held.is_empty() {
            eprintln!("{HELD}");
        }
        eprintln!("{WARNING}");
        Ok(())
    }
}

/// `streembit-node keys show`
#[derive(Debug, clap::Args)]
pub struct ShowCmd {
    #[command(flatten)]
    node: NodeArgs,
}

impl ShowCmd {
    fn run(&self) -> Result<(), KeysError> {
        let Chain { id, genesis } = self.node.chain()?;
        let folder = self.node.folder(&id);
        let validator = Validator::of(id, genesis, &folder.read_as_they_are()?);
        self.node.print(&validator, &folder.held()?)
    }
}

#[cfg(test)]
mod tests {
    use super::{identity::tests::dave, *};
    use crate::cli::Cli;
    use clap::error::ErrorKind;

    #[test]
    fn people_see_which_key_does_not_vote_yet() {
        let validator = Validator::of("streembit_four".into(), Some("0x01".into()), &dave());
        let grandpa = validator.keys[1].public.clone();
        let text = shown(&validator, std::slice::from_ref(&grandpa));
        assert!(
            text.contains("streembit_four (genesis 0x01)") && text.contains(&validator.peer_id),
            "{text}"
        );
        assert!(text.ends_with(&format!("grandpa  {grandpa} (does not vote yet)")), "{text}");
        assert!(!shown(&validator, &[]).contains("yet"));
    }

    #[test]
    fn each_is_one_command() {
        let parse = |command: &str| {
            Cli::try_from_arguments(["streembit-node", "keys"].into_iter().chain(command.split(' ')))
        };
        for command in [
            "backup --base-path box -o file",
            "restore file --base-path box",
            "show -d box --chain four --json",
        ] {
            assert!(parse(command).is_ok(), "{command}");
        }
        for command in
            ["backup --base-path box", "backup -o file", "restore --base-path box", "restore file", "show"]
        {
            let error = parse(command).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{command}: {error}");
        }
    }

    /// One key that votes twice is what a restore can do wrong: nobody restores without having been told.
    #[test]
    fn whoever_restores_is_warned_in_one_sentence() {
        assert!(WARNING.contains("must never run again") && WARNING.contains("equivocation"));
        assert_eq!(WARNING.matches('.').count(), 1);
    }
}
