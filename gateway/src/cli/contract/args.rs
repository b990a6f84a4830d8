//! The arguments of `streembit contract`.

use super::outcome::OutcomeText;
use crate::cli::{
    common::{ConfigArg, KeyArg, NodeArg, OptionalConfigArg, PartyOfArg},
    offline::ConfirmArg,
    resolver::Reference,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use streembit_clock::{PeriodEnd, PeriodStart};
use streembit_primitives::contract::{ClaimNumber, ClauseNumber};

/// The subcommands of `streembit contract`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a contract from a template, after asking for what is missing.
    New(NewArgs),
    /// Propose a contract. The party that proposes it also accepts it.
    Propose(ProposeArgs),
    /// Show a contract: a file, or one on the chain with what was recorded under it.
    Show(ShowArgs),
    /// Check a contract file against the chain, show it, and accept it.
    Accept(AcceptArgs),
    /// Reject a proposal or an amendment.
    Reject(SignedArgs),
    /// Withdraw an own proposal or amendment.
    Withdraw(SignedArgs),
    /// Propose a new version of a contract in force.
    Amend(AmendArgs),
    /// List the contracts of a party.
    List(ListArgs),
    /// Show what has to be done under a contract, or under all contracts of a party.
    Due(DueArgs),
    /// Write a proof of an anchored reading to a file, for another party.
    Prove(ProveArgs),
    /// Prove the newest anchored value of a meter to the chain.
    Report(ReportArgs),
    /// Record, as the provider, that a service was done.
    Record(RecordArgs),
    /// Claim a breach, a usage, a gap or an amount.
    Claim(ClaimArgs),
    /// Confirm a record.
    Confirm(NumberedArgs),
    /// Contest a record, which raises a dispute.
    Contest(DocumentedArgs),
    /// Take an own record back.
    Retract(NumberedArgs),
    /// Refute a record with a contrary reading.
    Refute(ContraryArgs),
    /// Answer a dispute.
    Answer(DocumentedArgs),
    /// Offer a later reading that an irregular meter can be set to.
    OfferReading(ContraryArgs),
    /// Offer to settle a dispute, or agree to what the other side offers.
    Settle(SettleArgs),
    /// Rule on a dispute, as the arbiter.
    Rule(RuleArgs),
    /// Say that a charge is paid, or confirm with --received that it is.
    Pay(PayArgs),
    /// Confirm that a device is handed over.
    HandOver(HandOverArgs),
    /// Give notice of termination.
    Terminate(TerminateArgs),
    /// Show what happened to a contract, like a bank statement.
    History(HistoryArgs),
    /// Have the chain note what has ended, and remove it from its state.
    Prune(PruneArgs),
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

/// The options that name contract files, whose texts are shown.
#[derive(Debug, Args)]
pub struct FilesArg {
    /// The contract's file, for the texts that the chain does not have.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A folder of contract files, for the same.
    #[arg(long, value_name = "FOLDER", env = "STREEMBIT_CONTRACTS")]
    pub contracts: Option<PathBuf>,
}

/// A contract and the key that signs.
#[derive(Debug, Args)]
pub struct SignedArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
}

/// The arguments of `contract terminate`.
#[derive(Debug, Args)]
pub struct TerminateArgs {
    /// The contract and the key.
    #[command(flatten)]
    pub signed: SignedArgs,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// A contract, one of its records, and the key that signs.
#[derive(Debug, Args)]
pub struct NumberedArgs {
    /// The contract and the key.
    #[command(flatten)]
    pub signed: SignedArgs,
    /// The record's number, as `contract show` lists it. The record is shown before signing.
    #[arg(long, value_name = "N")]
    pub record: ClaimNumber,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// The documents that belong to a call.
#[derive(Debug, Args)]
pub struct DocumentsArg {
    /// A file such as an invoice or a photo. The chain gets only its salted hash. The salt is kept in FILE.salt: pass both on.
    #[arg(long = "document", value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// A record with documents.
#[derive(Debug, Args)]
pub struct DocumentedArgs {
    /// The record.
    #[command(flatten)]
    pub numbered: NumberedArgs,
    /// The documents.
    #[command(flatten)]
    pub documents: DocumentsArg,
}

/// The arguments of `contract new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The template: vehicle-service, lease, car-sharing, sale, cold-chain, ev-charging, data-act, or the path of a file
    /// that ends in .toml.
    #[arg(long, value_name = "NAME")]
    pub template: String,
    /// The answer to a question of the template. Without it, the question is asked on the terminal. Parties and devices
    /// are also given by their names in the address book, and devices by their names in a gateway's configuration.
    #[arg(long = "set", value_name = "NAME=ANSWER", value_parser = parse_setting)]
    pub settings: Vec<(String, String)>,
    /// The file of the version in force, if this is to amend it. The same texts keep their salts. A clause keeps its number
    /// only if its kind, its device, and the name and unit of its meter stay the same.
    #[arg(long, value_name = "FILE")]
    pub amends: Option<PathBuf>,
    /// The file to write. An existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// The node to ask for the parties of accounts, and for ids of which only the beginning is given. Without it, each
    /// account is taken for the first one of its party.
    #[command(flatten)]
    pub node: NodeArg,
    /// The gateway whose device names count too.
    #[command(flatten)]
    pub config: OptionalConfigArg,
}

/// The arguments of `contract propose`.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The contract's file.
    pub file: PathBuf,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// The arguments of `contract accept`.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The file of the proposal or of the amendment.
    pub file: PathBuf,
    /// The contract that the file amends. It is found without this option if the signing party is a party to it.
    #[arg(long, value_name = "CONTRACT")]
    pub contract: Option<Reference>,
    /// The file of the version before. Without it, the texts that have changed cannot be shown.
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// The arguments of `contract amend`.
#[derive(Debug, Args)]
pub struct AmendArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The file of the new version.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// The file of the version in force. Without it, the texts that have changed cannot be shown.
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// The arguments of `contract show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A contract file, or a contract on the chain: its id or the beginning of it, or its name in the address book.
    #[arg(value_name = "FILE|CONTRACT")]
    pub subject: String,
    /// The folder with the texts.
    #[command(flatten)]
    pub files: FilesArg,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
}

/// The arguments of `contract list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The party.
    #[command(flatten)]
    pub party: PartyOfArg,
    /// Where the titles are.
    #[command(flatten)]
    pub files: FilesArg,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
}

/// The arguments of `contract due`.
#[derive(Debug, Args)]
pub struct DueArgs {
    /// The contract: its id or the beginning of it, or its name in the address book.
    #[arg(value_name = "CONTRACT", required_unless_present_any = ["party", "key", "config"])]
    pub id: Option<Reference>,
    /// The party: only what it has to do is shown, under all of its contracts if none is named.
    #[command(flatten)]
    pub party: PartyOfArg,
    /// Where the titles are.
    #[command(flatten)]
    pub files: FilesArg,
    /// The node to ask.
    #[command(flatten)]
    pub node: NodeArg,
}

/// The arguments that name a clause of a contract on the chain.
#[derive(Debug, Args)]
pub struct ClauseArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The number of the clause, as listed by `contract show`. Optional if only one clause fits.
    #[arg(long, value_name = "N")]
    pub clause: Option<ClauseNumber>,
}

/// Which reading is proven.
#[derive(Clone, Copy, Debug, Args)]
pub struct PickArgs {
    /// Prove the reading in the event with this sequence, instead of the newest one.
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    pub sequence: Option<u64>,
    /// Prove the first reading from this time on (UTC).
    #[arg(long, value_name = "TIME", conflicts_with = "to")]
    pub from: Option<PeriodStart>,
    /// Prove the last reading before this time (UTC).
    #[arg(long, value_name = "TIME")]
    pub to: Option<PeriodEnd>,
}

/// The arguments of `contract prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// Which reading is proven.
    #[command(flatten)]
    pub pick: PickArgs,
    /// The gateway's configuration.
    #[command(flatten)]
    pub config: ConfigArg,
    /// The file to write. An existing file is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}

/// The source of a proof: a gateway's log or a file.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// The configuration of the gateway whose log proves the reading, unless --proof is given.
    #[arg(long, value_name = "FILE", env = "STREEMBIT_CONFIG")]
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
    /// The source of the proof, if the clause has a meter.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// The documents.
    #[command(flatten)]
    pub documents: DocumentsArg,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
}

/// The arguments of `contract claim`.
#[derive(Debug, Args)]
pub struct ClaimArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The configuration of the gateway whose log proves the readings, unless --proof is given.
    #[arg(long, value_name = "FILE", env = "STREEMBIT_CONFIG")]
    pub config: Option<PathBuf>,
    /// A proof that `contract prove` wrote: the first reading, then the last one.
    #[arg(long = "proof", value_name = "FILE")]
    pub proof: Vec<PathBuf>,
    /// The sequence of the event with the first reading.
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub first: Option<u64>,
    /// The sequence of the event with the last reading.
    #[arg(long, value_name = "N", conflicts_with = "to")]
    pub last: Option<u64>,
    /// The time (UTC) at which the breach, the gap or the charged use of a meter starts. A charge of time starts where the
    /// last one ended.
    #[arg(long, value_name = "TIME")]
    pub from: Option<PeriodStart>,
    /// The time (UTC) at which the breach, the charged use of a meter or the charged time ends. A gap ends with the first
    /// reading after its start.
    #[arg(long, value_name = "TIME")]
    pub to: Option<PeriodEnd>,
    /// The number of the period, counted from 0, for a usage.
    #[arg(long, value_name = "N")]
    pub period: Option<u32>,
    /// The documents.
    #[command(flatten)]
    pub documents: DocumentsArg,
    /// The key that signs.
    #[command(flatten)]
    pub key: KeyArg,
}

/// A record and a reading.
#[derive(Debug, Args)]
pub struct ContraryArgs {
    /// The record.
    #[command(flatten)]
    pub numbered: NumberedArgs,
    /// The source of the proof.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// Which reading is proven.
    #[command(flatten)]
    pub pick: PickArgs,
}

/// The arguments of `contract settle`.
#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The record.
    #[command(flatten)]
    pub numbered: NumberedArgs,
    /// What becomes of the record: stands, void, amount=12.50, or reading=SEQUENCE for an irregular meter.
    #[arg(long, value_name = "OUTCOME")]
    pub outcome: OutcomeText,
}

/// The arguments of `contract rule`.
#[derive(Debug, Args)]
pub struct RuleArgs {
    /// The record and the outcome.
    #[command(flatten)]
    pub settle: SettleArgs,
    /// The documents.
    #[command(flatten)]
    pub documents: DocumentsArg,
}

/// The arguments of `contract pay`.
#[derive(Debug, Args)]
pub struct PayArgs {
    /// The charge, with documents such as a receipt.
    #[command(flatten)]
    pub documented: DocumentedArgs,
    /// Confirm, as the creditor, that the payment was received.
    #[arg(long)]
    pub received: bool,
}

/// The arguments of `contract hand-over`.
#[derive(Debug, Args)]
pub struct HandOverArgs {
    /// The clause.
    #[command(flatten)]
    pub clause: ClauseArgs,
    /// The source of the proof, if the clause has a meter and the other side has not proven it.
    #[command(flatten)]
    pub proof: ProofArgs,
    /// The key that signs. Its account needs the scope `devices`.
    #[command(flatten)]
    pub key: KeyArg,
    /// Whether to ask before signing.
    #[command(flatten)]
    pub confirm: ConfirmArg,
}

/// The arguments of `contract history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The contract.
    #[command(flatten)]
    pub contract: ContractArgs,
    /// The configuration of a gateway, whose index is read. Without it, the blocks that the node still has are searched.
    #[arg(long, value_name = "FILE", env = "STREEMBIT_CONFIG")]
    pub config: Option<PathBuf>,
}

/// The arguments of `contract prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The contract and the key.
    #[command(flatten)]
    pub signed: SignedArgs,
    /// Remove only this record, which must be decided.
    #[arg(long, value_name = "N")]
    pub record: Option<ClaimNumber>,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (name, answer) = text.split_once('=').ok_or("write NAME=ANSWER, such as --set every=15000")?;
    Ok((name.trim().to_owned(), answer.to_owned()))
}
