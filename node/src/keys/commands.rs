//! `streembit-node keys`: backs up a validator's keys to one encrypted file, restores them, and shows the public keys.

use super::{
    backup::Backup,
    chain_identity::ChainIdentity,
    error::KeysError,
    identity::ValidatorIdentity,
    key_files::{KeyFiles, VotingStart},
};
use serde_json::json;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};
use streembit_keystore::Passphrase;
use zeroize::Zeroizing;

/// Printed after a restore.
const WARNING: &str =
    "The old node must never run again with these keys: two nodes that vote with one key contradict each \
    other, and the other validators can prove it (GRANDPA equivocation).";

/// Printed after a restore that holds back the GRANDPA key.
const HELD_NOTICE: &str =
    "The node makes blocks as soon as it has caught up. It votes as soon as its votes cannot contradict its \
    earlier ones. If no block becomes final without its vote, run `keys restore` again with --vote-at-once.";

/// `streembit-node keys`
#[derive(Debug, clap::Subcommand)]
pub enum KeysCmd {
    /// Write the session keys and the network key to one encrypted file, from which another machine can become this
    /// validator.
    Backup(BackupCmd),

    /// Restore the keys from a backup, which makes this machine the validator that was backed up.
    ///
    /// The old node must never run again with these keys. Nothing is overwritten. If any key cannot be restored, none
    /// is. It is safe to run the command again.
    Restore(RestoreCmd),

    /// Show the peer id and the public session keys of a node.
    Show(ShowCmd),
}

impl KeysCmd {
    /// Runs the command.
    pub fn run(&self) -> sc_cli::Result<()> {
        let result = match self {
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),
            Self::Show(command) => command.run(),
        };
        result.map_err(|error| sc_cli::Error::Application(Box::new(error)))
    }
}

/// The options that select a node's keys.
#[derive(Debug, clap::Args)]
struct NodeArgs {
    /// The base path of the node.
    #[arg(long, short = 'd', value_name = "DIR")]
    base_path: PathBuf,

    /// The chain: `dev`, `local`, `four` or the path of a chain spec [default: the chain of the backup, or the only
    /// chain in the base path].
    #[arg(long, value_name = "CHAIN_SPEC")]
    chain: Option<String>,

    /// The keystore, if the node is started with this option.
    #[arg(long, value_name = "DIR")]
    keystore_path: Option<PathBuf>,

    /// The file of the network key, if the node is started with this option.
    #[arg(long, value_name = "FILE")]
    node_key_file: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl NodeArgs {
    fn chain(&self) -> Result<ChainIdentity, KeysError> {
        match &self.chain {
            Some(spec) => ChainIdentity::from_spec(spec),
            None => ChainIdentity::only_chain_in(&self.base_path),
        }
    }

    fn key_files(&self, chain_id: &str) -> KeyFiles {
        KeyFiles::new(&self.base_path, chain_id, self.keystore_path.as_deref(), self.node_key_file.as_deref())
    }

    /// Prints the identity of a validator. `held` has those of its public keys that do not vote yet.
    fn print(&self, identity: &ValidatorIdentity, held: &[String]) -> Result<(), KeysError> {
        let text = if self.json {
            let ValidatorIdentity { chain, genesis, peer_id, keys } = identity;
            json!({ "chain": chain, "genesis": genesis, "peer_id": peer_id, "keys": keys, "held": held })
                .to_string()
        } else {
            identity_as_text(identity, held)
        };
        writeln!(io::stdout().lock(), "{text}").map_err(|source| KeysError::Io {
            doing: "writing to",
            path: "standard output".into(),
            source,
        })
    }
}

fn identity_as_text(identity: &ValidatorIdentity, held: &[String]) -> String {
    let chain = ChainIdentity::of(identity);
    let mut lines = vec![format!("chain    {chain}"), format!("peer id  {}", identity.peer_id)];
    lines.extend(identity.keys.iter().map(|key| {
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

    /// The file to write the backup to; an existing file is never overwritten.
    #[arg(long, short = 'o', value_name = "FILE")]
    out: PathBuf,

    /// The file with the passphrase of the backup, of mode 0600 [default: ask on the terminal].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// The file with the password of the keystore, if the node is started with this option. The backup does not
    /// contain it.
    #[arg(long, value_name = "FILE")]
    password_filename: Option<PathBuf>,
}

impl BackupCmd {
    fn run(&self) -> Result<(), KeysError> {
        let ChainIdentity { id, genesis } = self.node.chain()?;
        let password = self.password_filename.as_deref().map(read_password).transpose()?;
        let files = self.node.key_files(&id);
        let keys = files.read(password.as_deref().map(String::as_str))?;
        let identity = ValidatorIdentity::new(id, genesis, &keys);
        let passphrase = match &self.passphrase_file {
            Some(file) => Passphrase::from_file(file)?,
            None => Passphrase::ask_new(&format!("New passphrase for {}: ", self.out.display()))?,
        };
        Backup::create(&self.out, identity.clone(), &keys, &passphrase)?;
        self.node.print(&identity, &files.held_public_keys()?)?;
        eprintln!(
            "The backup is in {}. Nobody can read it without its passphrase: keep both, in different places.",
            self.out.display()
        );
        Ok(())
    }
}

/// Reads the password of a keystore in the same way as the node does.
fn read_password(file: &Path) -> Result<Zeroizing<String>, KeysError> {
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

    /// The file with the passphrase of the backup, of mode 0600 [default: ask on the terminal].
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Vote from the start, even if that contradicts an earlier vote. Needed if no block becomes final without this
    /// validator.
    #[arg(long)]
    vote_at_once: bool,
}

impl RestoreCmd {
    fn run(&self) -> Result<(), KeysError> {
        let backup = Backup::read(&self.file)?;
        let validator = backup.validator();
        self.verify_chain(validator)?;
        let files = self.node.key_files(&validator.chain);
        files.ensure_node_stopped()?;
        let passphrase = match &self.passphrase_file {
            Some(file) => Passphrase::from_file(file)?,
            None => Passphrase::ask(&format!("Passphrase for {}: ", self.file.display()))?,
        };
        let voting_start = if self.vote_at_once { VotingStart::AtOnce } else { VotingStart::WhenSafe };
        let has_changed = files.install(&backup.open(&passphrase)?, voting_start)?;
        let held = files.held_public_keys()?;
        self.node.print(validator, &held)?;
        let result =
            if has_changed { "Restored." } else { "The same keys are there already: nothing to do." };
        eprintln!("{result}");
        if !held.is_empty() {
            eprintln!("{HELD_NOTICE}");
        }
        eprintln!("{WARNING}");
        Ok(())
    }

    /// Returns an error if `--chain` names another chain than the backup's.
    fn verify_chain(&self, validator: &ValidatorIdentity) -> Result<(), KeysError> {
        let Some(spec) = &self.node.chain else { return Ok(()) };
        let (ours, theirs) = (ChainIdentity::from_spec(spec)?, ChainIdentity::of(validator));
        if ours.matches(&theirs) {
            return Ok(());
        }
        Err(KeysError::WrongChain {
            file: self.file.clone(),
            theirs: theirs.to_string(),
            ours: ours.to_string(),
        })
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
        let ChainIdentity { id, genesis } = self.node.chain()?;
        let files = self.node.key_files(&id);
        let identity = ValidatorIdentity::new(id, genesis, &files.read_existing()?);
        self.node.print(&identity, &files.held_public_keys()?)?;
        if identity.keys.is_empty() {
            eprintln!(
                "There are no session keys here. If the node is started with --keystore-path, pass the same option."
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys::dave;
    use clap::{error::ErrorKind, Parser as _};

    #[derive(Debug, clap::Parser)]
    struct TestCli {
        #[command(subcommand)]
        _command: KeysCmd,
    }

    #[test]
    fn the_text_marks_keys_that_do_not_vote_yet() {
        let identity = ValidatorIdentity::new("streembit_four".into(), Some("0x01".into()), &dave());
        let grandpa = identity.keys[1].public.clone();
        let text = identity_as_text(&identity, std::slice::from_ref(&grandpa));
        assert!(text.contains("streembit_four (genesis 0x01)") && text.contains(&identity.peer_id), "{text}");
        assert!(text.ends_with(&format!("grandpa  {grandpa} (does not vote yet)")), "{text}");
        assert!(!identity_as_text(&identity, &[]).contains("yet"));
    }

    #[test]
    fn the_required_options_are_required() {
        let parse = |command: &str| TestCli::try_parse_from(["keys"].into_iter().chain(command.split(' ')));
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

    /// The one mistake that a restore makes possible is two nodes that vote with one key.
    #[test]
    fn the_warning_after_a_restore_is_one_sentence() {
        assert!(WARNING.contains("must never run again") && WARNING.contains("equivocation"));
        assert_eq!(WARNING.matches('.').count(), 1);
    }
}
