//! Errors as users see them: with their causes, and with a remedy.
//!
//! The errors of the library crates say only what is wrong, because these crates do not know which program uses them.
//! This module adds the commands and options that help.

mod contracts;
mod pallets;

use crate::printable::Printable;
use std::{error::Error, io};
use streembit_chain::{ChainError, PoolRefusal};
use streembit_delivery::SubscribeError;
use streembit_evidence::{
    chain_spec::ChainSpecError, collect::CollectError, output::OutputError, ExportError, ReadTrustRootError,
};
use streembit_keystore::{account, KeystoreError, PassphraseError};
use streembit_log::{ChainProofError, CheckpointError, OpenError, ReadError, StorageError};

/// An error that the user can do something about.
pub trait Remedy {
    /// Returns what to do, or an empty string if the error itself says it.
    fn remedy(&self) -> String;
}

/// Converts an error into one whose text includes the remedy.
pub fn explain(error: impl Error + Remedy + Send + Sync + 'static) -> anyhow::Error {
    match error.remedy() {
        remedy if remedy.is_empty() => error.into(),
        remedy => anyhow::anyhow!("{error}. What to do: {remedy}"),
    }
}

/// Returns the text of an error and its causes. Skips a cause that the text already contains, because many errors
/// include the text of their cause.
///
/// A cause may quote a file or a response of somebody else. So all characters are escaped that a terminal acts on, apart
/// from line breaks.
pub fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(|cause| Printable::escaped(&cause.to_string()).to_string()).fold(
        String::new(),
        |text, cause| match text.as_str() {
            "" => cause,
            said if said.contains(&cause) => text,
            _ => format!("{text}: {cause}"),
        },
    )
}

impl Remedy for ChainError {
    fn remedy(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "start the node, or give the URL of another node with --node or with [node] url in gateway.toml".into()
            }
            Self::PlainRemote { .. } => {
                "use a node on this machine or a wss:// address; in a network of your own, such as a VPN, allow it with \
                 --allow-plain or with [node] allow_plain = true in gateway.toml"
                    .into()
            }
            Self::OtherChain { .. } => {
                "connect to a node of the gateway's chain, or restart the program to use the other chain".into()
            }
            Self::Runtime { .. } => "use a release of streembit that supports the chain's runtime".into(),
            Self::InvalidResponse { .. } | Self::RequestFailed { .. } => {
                "check that the URL is the RPC address of a streembit-node".into()
            }
            Self::NotPermitted { account } => format!(
                "register a gateway with `streembit gateway register --key PARTY.key`; add an account to a party with \
                 `streembit party account add`; for a new party, ask a member of the consortium to run `streembit \
                 consortium propose-party`. The account is {}",
                account::show(account)
            ),
            Self::OverQuota { .. } => {
                "wait until the quota refills, or propose a larger one with `streembit consortium set-quota`".into()
            }
            Self::WouldFail { reason, .. } => remedy_of_refusal(*reason).into(),
            Self::Refused { .. } => "look at the node's log, then try again".into(),
            Self::Dispatch { error, .. } => pallets::remedy_of(error).into(),
            // The command line writes the transaction to the file of `--offline`.
            Self::NotSigned { .. } => String::new(),
            Self::Lost { .. } => "try again".into(),
            Self::Unfinalized { .. } => {
                "check that more than two thirds of the voters are online; it may still be finalized".into()
            }
        }
    }
}

fn remedy_of_refusal(refusal: PoolRefusal) -> &'static str {
    match refusal {
        PoolRefusal::NotInCouncil => pallets::remedy_of("Council::NotInCouncil"),
        PoolRefusal::NoSuchMotion => pallets::remedy_of("Council::NoMotion"),
        PoolRefusal::AlreadyVoted => pallets::remedy_of("Collective::DuplicateVote"),
        PoolRefusal::AccountEnded => pallets::remedy_of("Parties::AccountEnded"),
        PoolRefusal::OutOfScope => pallets::remedy_of("Parties::OutOfScope"),
        PoolRefusal::NotAuthorized => {
            "submit the file that the council decided on: `streembit consortium show` shows its hash and the \
             current version"
        }
    }
}

impl Remedy for CollectError {
    fn remedy(&self) -> String {
        match self {
            Self::Chain(ChainError::RequestFailed { .. }) => {
                "the gateway asks again by itself; if the node does not know streembit_finalityProof, update \
                 streembit-node"
                    .into()
            }
            Self::Chain(error) => error.remedy(),
            Self::Store(error) => error.remedy(),
            Self::Log(_) | Self::Anchor(_) => {
                "run `streembit audit device` to find out what is wrong with the log".into()
            }
            Self::Finality(_) | Self::Endless { .. } | Self::State(_) | Self::OtherChain | Self::Voters => {
                "check that the node belongs to the same chain and release; no invalid proof was stored"
                    .into()
            }
            Self::Behind => "check that more than two thirds of the voters are online".into(),
        }
    }
}

impl Remedy for OpenError {
    fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } | Self::OtherLog { .. } => "check data_dir in gateway.toml".into(),
            Self::Storage(error) => error.remedy(),
            Self::Locked { .. }
            | Self::Folder { .. }
            | Self::Database { .. }
            | Self::NewerFormat { .. }
            | Self::OlderFormat { .. }
            | Self::Thread(_) => String::new(),
        }
    }
}

impl Remedy for StorageError {
    fn remedy(&self) -> String {
        match self {
            Self::Damaged { .. } => "`streembit audit device` names every damaged place".into(),
            Self::Database { .. } | Self::File { .. } | Self::Unavailable => String::new(),
        }
    }
}

impl Remedy for ReadError {
    fn remedy(&self) -> String {
        match self {
            Self::Storage(error) => error.remedy(),
            Self::OutOfRange(_) => String::new(),
        }
    }
}

impl Remedy for CheckpointError {
    fn remedy(&self) -> String {
        match self {
            Self::DifferentHeads { .. } => "`streembit audit device` names what is wrong".into(),
            Self::Storage(error) => error.remedy(),
            Self::ShorterThanAnchor { .. }
            | Self::DifferentFromAnchor { .. }
            | Self::ForeignCheckpoint { .. }
            | Self::OutOfRange(_) => String::new(),
        }
    }
}

impl Remedy for ChainProofError {
    fn remedy(&self) -> String {
        match self {
            Self::TooManyChains => {
                "`streembit audit chains` lists the chains, and with --forget GENESIS forgets one while the gateway is \
                 stopped; until then each of them can be exported with `streembit audit export --chain GENESIS`"
                    .into()
            }
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl Remedy for KeystoreError {
    fn remedy(&self) -> String {
        match self {
            Self::Format { .. } => "create a keystore with `streembit key new --out FILE`",
            Self::WrongPassphrase(_) => {
                "check --passphrase-file, or for the key of a gateway --gateway-passphrase-file and the file in its \
                 configuration, or type the passphrase again"
            }
            Self::File(_) | Self::Damaged(_) | Self::Seal(_) => "",
        }
        .into()
    }
}

impl Remedy for PassphraseError {
    fn remedy(&self) -> String {
        match self {
            Self::Terminal(_) => "give the passphrase with --passphrase-file FILE",
            Self::Empty | Self::Differ | Self::NotText(_) | Self::File(_) => "",
        }
        .into()
    }
}

impl Remedy for ReadTrustRootError {
    fn remedy(&self) -> String {
        match self {
            Self::ChainSpec(error) => error.remedy(),
            Self::Text(_) | Self::TextFile { .. } => String::new(),
        }
    }
}

impl Remedy for ChainSpecError {
    fn remedy(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => String::new(),
            Self::Read { .. } | Self::Malformed { .. } => {
                "give the trust root that `streembit audit root` writes, or a raw chain spec, as written by \
                 `streembit-node export-chain-spec --chain CHAIN --raw`"
                    .into()
            }
            Self::Plain(path) => {
                format!(
                    "write the raw one with `streembit-node export-chain-spec --chain {} --raw > raw.json`",
                    path.display()
                )
            }
        }
    }
}

impl Remedy for OutputError {
    fn remedy(&self) -> String {
        match self {
            Self::Exists(_) => "choose another file, or add --force to replace this one",
            Self::Io { .. } => "",
        }
        .into()
    }
}

impl Remedy for ExportError {
    fn remedy(&self) -> String {
        match self {
            Self::NothingCollected => "see the component `evidence` in `streembit status`",
            Self::NotOfChain { .. } => "list the chains with `streembit audit chains`",
            Self::NotRegistered { .. } => "register the device with `streembit device register`",
            Self::NotTheAnchored | Self::MissingBody { .. } => {
                "run `streembit audit device` to find the damage"
            }
            Self::EmptySpan { .. } => {
                "choose another --from and --to, or other times with --by: `signer` (the default), `received` or `readings`"
            }
            Self::Output(error) => return error.remedy(),
            Self::Log(_)
            | Self::NoEvents { .. }
            | Self::NoSuchEvent { .. }
            | Self::NotAnchored { .. }
            | Self::State(_)
            | Self::Refused(_)
            | Self::NoSuchName { .. }
            | Self::NotInLog { .. }
            | Self::Former(_)
            | Self::OtherDevice { .. }
            | Self::OtherChain { .. }
            | Self::FormerIsNewer { .. }
            | Self::Write(_) => "",
        }
        .into()
    }
}

impl Remedy for SubscribeError {
    fn remedy(&self) -> String {
        match self {
            Self::UnknownDevice(_) => "check the device id, and that --node belongs to the right chain",
            _ => "",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_refusal_has_its_own_remedy() {
        for refusal in PoolRefusal::ALL {
            assert_ne!(
                remedy_of_refusal(refusal),
                pallets::remedy_of("System::NonZeroRefCount"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_cause_is_not_repeated() {
        let missing = std::io::Error::other("no such file");
        let error =
            anyhow::Error::new(missing).context("reading x: no such file; make it").context("starting");
        assert_eq!(with_causes(&error), "starting: reading x: no such file; make it");
        let hostile = anyhow::anyhow!("unknown variant `\x1b[2J\u{202e}`\nline 2").context("reading a file");
        assert_eq!(with_causes(&hostile), "reading a file: unknown variant `\\u{1b}[2J\\u{202e}`\nline 2");
    }

    #[test]
    fn an_error_without_a_remedy_is_unchanged() {
        assert_eq!(explain(PassphraseError::Empty).to_string(), PassphraseError::Empty.to_string());
        let error = explain(OutputError::Exists("a".into())).to_string();
        assert!(error.contains("What to do: ") && error.contains("--force"), "{error}");
    }
}
