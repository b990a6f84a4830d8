//! The arguments of `streembit contract`.

use crate::cli::{
    common::{ConfigArg, KeyArg, NodeArg},
    resolver::Reference,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use streembit_clock::PeriodEnd;
use streembit_primitives::Decimal;

/// The subcommands of `streembit contract`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a contract from a template.
    New(NewArgs),
    /// Propose a contract. The party that proposes it also accepts it.
    Propose {
        /// The contract's file.
        file: PathBuf,
        /// The key that signs.
        #[command(flatten)]
        key: KeyArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Accept a proposed contract. It becomes active when all parties have accepted it.
    Accept {
        /// The contract.
        #[command(flatten)]
        contract: ContractArgs,
        /// The key that signs.
        #[command(flatten)]
        key: KeyArg,
    },
    /// Show a contract, the parties that accepted it, and its service records.
    Show(ContractArgs),
    /// Show what is due under a contract.
    Due(ContractArgs),
    /// List the contracts that name a party.
    List {
        /// The party: its id, one of its accounts, or its name.
        #[arg(long, value_name = "PARTY")]
        party: Reference,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Write a proof of the newest anchored meter reading to a file, for another party.
    Prove(ProveArgs),
    /// Prove the newest anchored meter reading to the chain.
    Report(ReportArgs),
    /// Record, as the provider, that a service was done.
    Record(RecordArgs),
    /// Confirm a service record, as the customer. The next service is then due one interval later.
    Confirm {
        /// The contract.
        #[command(flatten)]
        contract: ContractArgs,
        /// The record's number, as `contract show` lists it.
        #[arg(long, value_name = "N")]
        record: u32,
        /// The key that signs.
        #[command(flatten)]
        key: KeyArg,
    },
}

/// The arguments that name a contract on the chain.
#[derive(Debug, Args)]
pub struct ContractArgs {
    /// The contract: its id or the beginning of it, or its name in the address book.
    #[arg(value_name = "CONTRACT")]
    pub id: Reference,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
}

/// The arguments of `contract new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The template, such as vehicle-service.
    #[arg(long, value_name = "NAME")]
    pub template: String,
    /// The title of the contract.
    #[arg(long, default_value = "Service book")]
    pub title: String,
    /// The device: its id, or its name in the address book.
    #[arg(long, value_name = "DEVICE")]
    pub device: Reference,
    /// The party that owns the device: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    pub owner: Reference,
    /// The party that services it: its id, one of its accounts, or its name.
    #[arg(long, value_name = "PARTY")]
    pub workshop: Reference,
    /// The interval of the service in the meter's unit, which is km for vehicles.
    #[arg(long, value_name = "KM")]
    pub every: Decimal,
    /// The meter reading at which the first interval starts.
    #[arg(long, value_name = "KM", default_value = "0")]
    pub from: Decimal,
    /// The last day (UTC) on which the workshop may read, such as 2027-06-30, or an exact time.
    #[arg(long, value_name = "DATE")]
    pub until: PeriodEnd,
    /// The file to write. An existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

/// The arguments that name a clause of a contract on the chain.
#[derive(Debug, Args)]
pub struct ClauseArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The number of the clause, as listed by `contract show`. Optional if the contract has only one service clause.
    #[arg(long, value_name = "N")]
    pub clause: Option<u32>,
}

/// The arguments of `contract prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The gateway's configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

/// The source of a proof: a gateway's log or a file.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// The configuration of the gateway whose log proves the meter reading.
    #[arg(long, value_name = "FILE", required_unless_present = "proof", conflicts_with = "proof")]
    pub config: Option<PathBuf>,
    /// A proof that `contract prove` wrote.
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
}

/// The arguments of `contract report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The source of the proof.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
}

/// The arguments of `contract record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The source of the proof.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// A file with details, such as an invoice. The chain stores only its BLAKE3 hash (as printed by `b3sum`), so keep
    /// the file.
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
}
