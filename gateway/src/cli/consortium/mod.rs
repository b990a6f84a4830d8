//! `streembit consortium`: the parties, the validators, and the council's decisions about them.

pub(super) mod council;
mod join;
mod upgrade;
pub(super) mod view;

use super::{
    common::{connect, find_party, submitted_json, CommandResult, Context, KeyArg, NodeArg},
    resolver::Reference,
};
use crate::remedies::explain;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use council::{consortium, find_motion, print_outcome};
use serde_json::json;
use std::process::ExitCode;
use streembit_chain::{quota, Call};
use streembit_keystore::account;
use streembit_primitives::{
    consortium::{Change, Quota},
    device::DecidedChange,
    AccountId, PartyId,
};

/// The subcommands of `streembit consortium`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the parties with their accounts and gateways, the council, the validators and the open motions.
    Show(NodeArg),
    /// Propose to the council to add a party, by its first account, or by one that it had when it left.
    ProposeParty(NewParty),
    /// Propose to the council to remove a party with its accounts and gateways.
    RemoveParty(PartyProposal),
    /// Propose to the council that an account with session keys becomes a validator. `join` includes this step.
    ProposeValidator(Proposal),
    /// Propose to the council to remove a validator.
    RemoveValidator(Proposal),
    /// Propose to the council to set a party's quota: the most that it may spend on transactions in ten minutes.
    SetQuota(SetQuota),
    /// Propose to the council to let the owner of a device change its record once without a proof of the last anchored
    /// event, because the gateway gives none.
    AllowDeviceChange(DeviceProposal),
    /// Show how much is left of the quota of an account's party.
    Quota {
        /// An account or a gateway of a party, or its name.
        #[arg(value_name = "ACCOUNT")]
        account: Reference,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Propose to the council to upgrade the runtime, by the hash of the new code.
    ProposeUpgrade(upgrade::Args),
    /// Apply a runtime upgrade that the council has decided on. Waits for finality. No node has to be restarted.
    ApplyUpgrade(upgrade::Args),
    /// Vote on an open motion as a member of the council.
    Vote(Vote),
    /// Make a node a validator.
    ///
    /// Creates session keys in the node, registers them with a proof of possession, asks the council, and waits until
    /// the node makes blocks. The node must run with --validator. The key belongs to an account of a party that may do
    /// everything and does not end, or to a gateway (gateway.key in its folder).
    Join(join::Args),
    /// Create new session keys in a validator's node, and wait until they are in use.
    RotateKeys(join::Args),
    /// Leave the validators, or the consortium.
    Leave {
        /// Leave the consortium as a party, with all accounts and gateways, not only the validators.
        #[arg(long)]
        as_party: bool,
        /// The account that leaves.
        #[command(flatten)]
        key: KeyArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
}

/// The arguments of a proposal about one account.
#[derive(Debug, Args)]
pub struct Proposal {
    /// The account that the proposal is about, or its name.
    #[arg(value_name = "ACCOUNT")]
    account: Reference,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `consortium propose-party`.
#[derive(Debug, Args)]
pub struct NewParty {
    #[command(flatten)]
    proposal: Proposal,
    /// The party, if it left and returns with another account than its first one: its whole id, which the chain no longer
    /// lists, or its name in the address book.
    #[arg(long, value_name = "PARTY")]
    party: Option<Reference>,
}

/// The arguments of `consortium allow-device-change`.
#[derive(Debug, Args)]
pub struct DeviceProposal {
    /// The device: its id, the first digits of its id, or its name.
    #[arg(value_name = "DEVICE")]
    device: Reference,
    /// What changes.
    #[arg(long, value_name = "CHANGE")]
    change: DeviceChange,
    /// The lowest sequence at which the change may begin: one more than that of the last anchored event. `streembit device
    /// show` shows an upper bound. Anchored events from this one on no longer count.
    #[arg(long, value_name = "SEQUENCE")]
    from: u64,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// A change of a device's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DeviceChange {
    /// The device gets another key.
    Key,
    /// The device is assigned to another log.
    Log,
    /// Events of the device are declared lost.
    Lost,
}

impl From<DeviceChange> for DecidedChange {
    fn from(change: DeviceChange) -> Self {
        match change {
            DeviceChange::Key => Self::Key,
            DeviceChange::Log => Self::Log,
            DeviceChange::Lost => Self::Lost,
        }
    }
}

/// The arguments of a proposal about one party.
#[derive(Debug, Args)]
pub struct PartyProposal {
    /// The party that the proposal is about: its id, one of its accounts, or its name.
    #[arg(value_name = "PARTY")]
    party: Reference,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `consortium set-quota`.
#[derive(Debug, Args)]
pub struct SetQuota {
    #[command(flatten)]
    proposal: PartyProposal,
    /// The execution time that the party may use, in milliseconds.
    #[arg(long, value_name = "MS", requires = "bytes", required_unless_present = "default")]
    milliseconds: Option<u64>,
    /// The total length of the party's transactions, in bytes.
    #[arg(long, value_name = "N", requires = "milliseconds")]
    bytes: Option<u64>,
    /// Reset the quota to the default.
    #[arg(long, conflicts_with_all = ["milliseconds", "bytes"])]
    default: bool,
}

impl SetQuota {
    fn change(&self, party: PartyId) -> Change {
        let quota = self
            .milliseconds
            .zip(self.bytes)
            .map(|(milliseconds, bytes)| Quota { microseconds: milliseconds.saturating_mul(1_000), bytes });
        Change::SetQuota { party, quota }
    }
}

/// The arguments of `consortium vote`.
#[derive(Debug, Args)]
pub struct Vote {
    /// The motion's id as listed by `streembit consortium show`, or its first digits.
    motion: String,
    /// The vote.
    choice: Choice,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// A vote for or against a motion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Choice {
    /// For the motion.
    Yes,
    /// Against the motion.
    No,
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::Show(node) => show(&node, context).await?,
        Command::ProposeParty(args) => {
            propose_party(&args, context).await?;
        }
        Command::AllowDeviceChange(args) => propose_device_change(&args, context).await?,
        Command::RemoveParty(args) => propose_about(&args, Change::RemoveParty, context).await?,
        Command::ProposeValidator(args) => propose(&args, Change::AddValidator, context).await?,
        Command::RemoveValidator(args) => propose(&args, Change::RemoveValidator, context).await?,
        Command::SetQuota(args) => {
            propose_about(&args.proposal, |party| args.change(party), context).await?;
        }
        Command::Quota { account, node } => quota(&account, &node, context).await?,
        Command::ProposeUpgrade(args) => upgrade::propose(&args, context).await?,
        Command::ApplyUpgrade(args) => upgrade::apply(&args, context).await?,
        Command::Vote(args) => vote(&args, context).await?,
        Command::Join(args) => join::join(&args, context).await?,
        Command::RotateKeys(args) => join::rotate(&args, context).await?,
        Command::Leave { as_party, key, node } => leave(as_party, &key, &node, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let chain = connect(node.or_local()).await?;
    let state = chain.view().await.map_err(explain)?;
    let now = state.consortium().await.map_err(explain)?;
    let parties = state.parties().await.map_err(explain)?;
    let mut gateways = Vec::new();
    for (party, _) in &parties {
        for gateway in state.gateways(*party).await.map_err(explain)? {
            gateways.push((*party, gateway, state.epoch(gateway).await.map_err(explain)?));
        }
    }
    let shown = view::ConsortiumView {
        consortium: &now,
        parties,
        gateways,
        equivocations: state.equivocations().await.map_err(explain)?,
        runtime: state.runtime_version(),
        authorized: state.authorized_code().await.map_err(explain)?,
        names: context.names(),
    };
    context.print(&shown.json(), |_| shown.text())
}

/// Proposes to add a party.
async fn propose_party(args: &NewParty, context: &Context) -> anyhow::Result<()> {
    let Proposal { account, key, node } = &args.proposal;
    let keys = key.signer(context).await?;
    let chain = connect(node.or_local()).await?;
    let account = context.resolver().chain(&chain).account(account).await?;
    let change = match &args.party {
        Some(party) => Change::AddParty { party: find_party(context, &chain, party).await?, account },
        None => Change::add_party(account),
    };
    council::propose_and_print(&chain, &keys, change, context).await
}

/// Proposes a change that is about an account.
async fn propose(
    args: &Proposal,
    change: impl FnOnce(AccountId) -> Change,
    context: &Context,
) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let change = change(context.resolver().chain(&chain).account(&args.account).await?);
    council::propose_and_print(&chain, &keys, change, context).await
}

/// Proposes a change that is about a party.
async fn propose_about(
    args: &PartyProposal,
    change: impl FnOnce(PartyId) -> Change,
    context: &Context,
) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let change = change(find_party(context, &chain, &args.party).await?);
    council::propose_and_print(&chain, &keys, change, context).await
}

/// Proposes to allow a change of a device.
async fn propose_device_change(args: &DeviceProposal, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let device = context.resolver().chain(&chain).device(&args.device).await?;
    let change = Change::AllowDeviceChange { device, change: args.change.into(), from: args.from };
    council::propose_and_print(&chain, &keys, change, context).await
}

async fn quota(account: &Reference, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let chain = connect(node.or_local()).await?;
    let account = context.resolver().chain(&chain).account(account).await?;
    let view = chain.view().await.map_err(explain)?;
    let quota = view.quota(account).await.map_err(explain)?;
    let quota = quota.with_context(|| {
        format!("{} belongs to no party or has ended, so it has no quota", account::show(&account))
    })?;
    let json = json!({
        "account": account::show(&account),
        "party": quota.party,
        "quota": quota.quota,
        "left": quota.left,
        "refills": quota.refills,
    });
    context.print_named(&json, |_| format!("party {}: {}", quota.party, quota::describe(&quota)))
}

async fn vote(args: &Vote, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let motion = find_motion(&consortium(&chain).await?, &args.motion)?;
    let approve = args.choice == Choice::Yes;
    let call = Call::Vote { motion: motion.id, approve };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    let now = consortium(&chain).await?;
    match motion.change {
        Some(change) => print_outcome(&submitted, change, &now, context),
        None => context.print(&submitted_json(&submitted, []), |_| {
            format!("voted, finalized in block {}", submitted.block)
        }),
    }
}

async fn leave(as_party: bool, key: &KeyArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let keys = key.signer(context).await?;
    let chain = connect(node.or_local()).await?;
    let call = if as_party { Call::LeaveConsortium } else { Call::LeaveValidators };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    context.print(&submitted_json(&submitted, []), |_| {
        let left = if as_party { "the consortium" } else { "the validators" };
        format!(
            "left {left}, finalized in block {}\nKeep a validator's node running until `streembit consortium show` no \
             longer lists it.",
            submitted.block
        )
    })
}
