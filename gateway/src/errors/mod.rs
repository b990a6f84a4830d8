//! Errors as people see them: with their causes, and with what somebody can do about them.
//!
//! The crates say what is wrong. They do not know which program uses them, so the commands and options that help are
//! named here.

mod pallets;

use std::{error::Error, io};
use streembit_chain::{ChainError, PoolRefusal};
use streembit_delivery::SubscribeError;
use streembit_evidence::{
    chain_spec::ChainSpecError, collect::CollectError, output::OutputError, ExportError,
};
use streembit_keystore::{account, KeystoreError, PassphraseError};
use streembit_log::LogError;

/// An error that a person can do something about.
pub trait Remedy {
    /// What to do, or an empty text if the error says so itself.
    fn remedy(&self) -> String;
}

/// An error with its remedy, for the command line.
pub fn explain(error: impl Error + Remedy + Send + Sync + 'static) -> anyhow::Error {
    match error.remedy() {
        remedy if remedy.is_empty() => error.into(),
        remedy => anyhow::anyhow!("{error}. What to do: {remedy}"),
    }
}

/// The error with its causes, each said once: many errors say their cause themselves.
pub fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

impl Remedy for ChainError {
    fn remedy(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "start the node, or name another with --node URL or [node] url in gateway.toml".into()
            }
            Self::OtherChain { .. } => {
                "connect to a node of the chain that this gateway belongs to, or start the program again to use the new one"
                    .into()
            }
            Self::Runtime { .. } => "use the release of streembit that belongs to the chain's runtime".into(),
            Self::InvalidResponse { .. } | Self::RequestFailed { .. } => {
                "check that the address is that of a streembit-node with its RPC open".into()
            }
            Self::NotPermitted { account } => format!(
                "ask a party of the chain to take it in: for a gateway `streembit gateway register --key PARTY.key`, for a \
                 party `streembit consortium propose-party` and the council's vote. The account is {}",
                account::show(account)
            ),
            Self::OverQuota { .. } => {
                "wait until it is whole again; ask the council for a larger one: `streembit consortium set-quota`".into()
            }
            Self::WouldFail { reason, .. } => of_refusal(*reason).into(),
            Self::Refused { .. } => "look at the node's log; try again".into(),
            Self::Dispatch { error, .. } => pallets::remedy_of(error).into(),
            Self::Lost { .. } => "try again".into(),
            Self::Unfinalized { .. } => {
                "check that more than two thirds of the voters are online; what was sent may still be finalized".into()
            }
        }
    }
}

fn of_refusal(refusal: PoolRefusal) -> &'static str {
    match refusal {
        PoolRefusal::NotInCouncil => pallets::remedy_of("Council::NotInCouncil"),
        PoolRefusal::NoSuchMotion => pallets::remedy_of("Council::NoMotion"),
        PoolRefusal::AlreadyVoted => pallets::remedy_of("Collective::DuplicateVote"),
        PoolRefusal::NotAuthorized => {
            "submit the very file that the council decided on: `streembit consortium show` says its hash, and the version \
             in force"
        }
    }
}

impl Remedy for CollectError {
    fn remedy(&self) -> String {
        match self {
            Self::Chain(ChainError::RequestFailed { .. }) => {
                "it is asked again by itself; if it knows no streembit_finalityProof, use a streembit-node of this release"
                    .into()
            }
            Self::Chain(error) => error.remedy(),
            Self::Log(LogError::TooManyChains) => {
                "what is kept stays, and can be exported with `streembit audit export --chain GENESIS`".into()
            }
            Self::Log(_) => "`streembit audit device` says what is wrong with the log".into(),
            Self::Finality(_) | Self::State(_) | Self::OtherChain | Self::Voters => {
                "the node may be of another chain or release: compare both; nothing wrong was kept".into()
            }
            Self::Behind => "check that more than two thirds of the voters are online".into(),
        }
    }
}

impl Remedy for KeystoreError {
    fn remedy(&self) -> String {
        match self {
            Self::Format { .. } => "make a keystore with `streembit key new --out FILE`",
            Self::WrongPassphrase(_) => "check --passphrase-file, or type it again",
            Self::File(_) | Self::Damaged(_) | Self::Seal(_) => "",
        }
        .into()
    }
}

impl Remedy for PassphraseError {
    fn remedy(&self) -> String {
        match self {
            Self::Terminal(_) => "without a terminal give --passphrase-file FILE",
            Self::Empty | Self::Differ | Self::NotText(_) | Self::File(_) => "",
        }
        .into()
    }
}

impl Remedy for ChainSpecError {
    fn remedy(&self) -> String {
        match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::NotFound => String::new(),
            Self::Read { .. } | Self::Malformed { .. } => {
                "`streembit-node export-chain-spec --chain X --raw` writes one".into()
            }
            Self::Plain(path) => {
                format!(
                    "`streembit-node export-chain-spec --chain {} --raw > raw.json` writes it",
                    path.display()
                )
            }
        }
    }
}

impl Remedy for OutputError {
    fn remedy(&self) -> String {
        match self {
            Self::Exists(_) => "name another file, or add --force to replace it",
            Self::Io { .. } => "",
        }
        .into()
    }
}

impl Remedy for ExportError {
    fn remedy(&self) -> String {
        match self {
            Self::NothingCollected => "look at the part `evidence` of `streembit status`",
            Self::NotOfChain { .. } => "`streembit audit chains` lists the chains",
            Self::NotRegistered { .. } => "register the device with `streembit device register`",
            Self::NotTheAnchored | Self::MissingBody { .. } => {
                "`streembit audit device` names what is damaged"
            }
            Self::Output(error) => return error.remedy(),
            Self::Log(_)
            | Self::NoEvents { .. }
            | Self::EmptySpan { .. }
            | Self::State(_)
            | Self::Refused(_)
            | Self::NoSuchName { .. }
            | Self::Write(_) => "",
        }
        .into()
    }
}

impl Remedy for SubscribeError {
    fn remedy(&self) -> String {
        match self {
            Self::UnknownDevice(_) => "check the id, and that --node is of the right chain",
            _ => "",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_pool_has_a_remedy_of_its_own() {
        for refusal in PoolRefusal::ALL {
            assert_ne!(of_refusal(refusal), pallets::remedy_of("System::NonZeroRefCount"), "{refusal}");
        }
    }

    #[test]
    fn every_cause_is_said_once() {
        let missing = std::io::Error::other("no such file");
        let error =
            anyhow::Error::new(missing).context("reading x: no such file; make it").context("starting");
        assert_eq!(with_causes(&error), "starting: reading x: no such file; make it");
    }

    #[test]
    fn an_error_without_a_remedy_is_shown_as_it_is() {
        assert_eq!(explain(PassphraseError::Empty).to_string(), PassphraseError::Empty.to_string());
        let error = explain(OutputError::Exists("a".into())).to_string();
        assert!(error.contains("What to do: ") && error.contains("--force"), "{error}");
    }
}
