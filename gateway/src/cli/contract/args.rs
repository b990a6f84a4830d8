//! The arguments of `streembit contract`.

use crate::cli::{ConfigArg, KeyArg, NodeArg};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use streembit_clock::PeriodEnd;
use streembit_keystore::account;
use streembit_primitives::{contract::ContractId, AccountId, Decimal, DeviceId};

/// What to do with contracts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a contract from a template.
    New(NewArgs),
    /// Propose a contract, and so accept it.
    Propose {
        /// The contract's file.
        file: PathBuf,
        /// Who signs.
        #[command(flatten)]
        key: KeyArg,
        /// Where the chain is.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Accept a proposed contract; the last party's acceptance puts it in force.
    Accept {
        /// The contract.
        #[command(flatten)]
        contract: ContractArgs,
        /// Who signs.
        #[command(flatten)]
        key: KeyArg,
    },
    /// Show a contract, who accepted it, and what was recorded under it.
    Show(ContractArgs),
    /// Show what is due under a contract.
    Due(ContractArgs),
    /// List the contracts that name a party.
    List {
        /// The party.
        #[arg(long, value_name = "ACCOUNT", value_parser = account::parse)]
        party: AccountId,
        /// Where the chain is.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Write a proof of the newest anchored meter into a file, for another party.
    Prove(ProveArgs),
    /// Prove the newest anchored meter to the chain.
    Report(ReportArgs),
    /// Claim, as the provider, that a service was done.
    Record(RecordArgs),
    /// Confirm, as the customer, a service record: the due point moves on.
    Confirm {
        /// The contract.
        #[command(flatten)]
        contract: ContractArgs,
        /// The record's number, as `contract show` lists it.
        #[arg(long, value_name = "N")]
        record: u32,
        /// Who signs.
        #[command(flatten)]
        key: KeyArg,
    },
}

/// A contract on the chain.
#[derive(Debug, Args)]
pub struct ContractArgs {
    /// The contract's id.
    #[arg(value_name = "CONTRACT")]
    pub id: ContractId,
    /// Where the chain is.
    #[command(flatten)]
    pub node: NodeArg,
}

/// A new contract.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The template, such as vehicle-service.
    #[arg(long, value_name = "NAME")]
    pub template: String,
    /// What people call the contract.
    #[arg(long, default_value = "Service book")]
    pub title: String,
    /// The device's id.
    #[arg(long, value_name = "ID")]
    pub device: DeviceId,
    /// The party that owns the device.
    #[arg(long, value_name = "ACCOUNT", value_parser = account::parse)]
    pub owner: AccountId,
    /// The party that services it.
    #[arg(long, value_name = "ACCOUNT", value_parser = account::parse)]
    pub workshop: AccountId,
    /// The interval of the service, in the meter's unit: km for vehicles.
    #[arg(long, value_name = "KM")]
    pub every: Decimal,
    /// The meter from which the first interval counts.
    #[arg(long, value_name = "KM", default_value = "0")]
    pub from: Decimal,
    /// The last day (UTC) of the workshop's right to read, such as 2027-06-30; or an exact time.
    #[arg(long, value_name = "DATE")]
    pub until: PeriodEnd,
    /// The file to write; one that exists is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

/// A clause of a contract on the chain.
#[derive(Debug, Args)]
pub struct ClauseArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The clause, by its number in `contract show`; the service clause where there is but one.
    #[arg(long, value_name = "N")]
    pub clause: Option<u32>,
}

/// A proof for another party.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Which clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The gateway's configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Where the proof of a meter comes from.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// The configuration of the gateway whose log proves it.
    #[arg(long, value_name = "FILE", required_unless_present = "proof", conflicts_with = "proof")]
    pub config: Option<PathBuf>,
    /// The file that `contract prove` wrote.
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
}

/// A meter proven to the chain.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// Where the proof comes from.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// Who signs.
    #[command(flatten)]
    pub key: KeyArg,
}

/// A service claimed.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Which clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// Where the proof comes from.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// What else is to be said, such as an invoice. The chain gets its BLAKE3 hash, as `b3sum` prints it; keep the file.
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// Who signs.
    #[command(flatten)]
    pub key: KeyArg,
}
