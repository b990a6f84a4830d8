//! `streembit consortium`: who belongs, who makes the blocks, and how that changes.

mod join;
mod upgrade;
mod view;

use super::{
    chain::{connect, submitted_json},
    Context, KeyArg, NodeArg, Outcome,
};
use crate::errors::explain;
use anyhow::{bail, Context as _};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::process::ExitCode;
use streembit_chain::{quota, Call, ChainClient, Submitted};
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{
    consortium::{Change, Consortium, Motion, Quota},
    AccountId,
};

/// What to do with the consortium.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the parties, the council, the validators and the open motions.
    Show(NodeArg),
    /// Ask the council to make an account a party.
    ProposeParty(Proposal),
    /// Ask the council to remove a party, with its gateways.
    RemoveParty(Proposal),
    /// Ask the council to make an account a validator whose session keys are set; `join` does all of it.
    ProposeValidator(Proposal),
    /// Ask the council to remove a validator.
    RemoveValidator(Proposal),
    /// Ask the council for another quota of a party: what it may spend on transactions in ten minutes.
    SetQuota(SetQuota),
    /// Show what an account has left of its party's quota.
    Quota {
        /// The account: a party's or a gateway's.
        #[arg(value_name = "ACCOUNT", value_parser = account::parse)]
        account: AccountId,
        /// Where the chain is.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Ask the council for another runtime, by the hash of its code.
    ProposeUpgrade(upgrade::Args),
    /// Bring in the code of the runtime that the council decided on. Waits until it is final; no node is restarted.
    ApplyUpgrade(upgrade::Args),
    /// Vote on an open motion, as a member of the council.
    Vote(Vote),
    /// Make the node a validator: session keys made in it, their possession proven, the council asked. Waits until it makes
    /// blocks.
    Join(join::Args),
    /// Make new session keys in a validator's node and put them into force. Waits until they are.
    RotateKeys(join::Args),
    /// Leave the validators, or the consortium altogether.
    Leave {
        /// Leave as a party, with all gateways, and not only as a validator.
        #[arg(long)]
        as_party: bool,
        /// Who leaves.
        #[command(flatten)]
        key: KeyArg,
        /// Where the chain is.
        #[command(flatten)]
        node: NodeArg,
    },
}

/// Whom the council is asked about.
#[derive(Debug, Args)]
pub struct Proposal {
    /// The account.
    #[arg(value_name = "ACCOUNT", value_parser = account::parse)]
    account: AccountId,
    /// Who asks: a party, a party's gateway or a member of the council.
    #[command(flatten)]
    key: KeyArg,
    /// Where the chain is.
    #[command(flatten)]
    node: NodeArg,
}

/// `consortium set-quota`
#[derive(Debug, Args)]
pub struct SetQuota {
    /// Whose, and who asks.
    #[command(flatten)]
    about: Proposal,
    /// The time of the blocks in milliseconds.
    #[arg(long, value_name = "MS", requires = "bytes", required_unless_present = "default")]
    milliseconds: Option<u64>,
    /// The length of the transactions in bytes.
    #[arg(long, value_name = "N", requires = "milliseconds")]
    bytes: Option<u64>,
    /// As much as a party whose quota nobody set.
    #[arg(long, conflicts_with_all = ["milliseconds", "bytes"])]
    default: bool,
}

impl SetQuota {
    fn change(&self) -> Change {
        let quota = self
            .milliseconds
            .zip(self.bytes)
            .map(|(milliseconds, bytes)| Quota { microseconds: milliseconds.saturating_mul(1_000), bytes });
        Change::SetQuota { party: self.about.account, quota }
    }
}

/// `consortium vote`
#[derive(Debug, Args)]
pub struct Vote {
    /// The motion's id as `show` lists it, or the beginning of it.
    motion: String,
    /// Whether to be for it.
    choice: Choice,
    /// Who votes.
    #[command(flatten)]
    key: KeyArg,
    /// Where the chain is.
    #[command(flatten)]
    node: NodeArg,
}

/// For or against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Choice {
    /// For it.
    Yes,
    /// Against it.
    No,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Show(node) => show(&node, context).await?,
        Command::ProposeParty(args) => propose(Change::AddParty(args.account), &args, context).await?,
        Command::RemoveParty(args) => propose(Change::RemoveParty(args.account), &args, context).await?,
        Command::ProposeValidator(args) => {
            propose(Change::AddValidator(args.account), &args, context).await?
        }
        Command::RemoveValidator(args) => {
            propose(Change::RemoveValidator(args.account), &args, context).await?
        }
        Command::SetQuota(args) => propose(args.change(), &args.about, context).await?,
        Command::Quota { account, node } => quota(account, &node, context).await?,
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
    let shown = view::Shown {
        consortium: &now,
        memberships: state.memberships().await.map_err(explain)?,
        equivocations: state.equivocations().await.map_err(explain)?,
        runtime: state.runtime_version(),
        authorized: state.authorized_code().await.map_err(explain)?,
    };
    context.print(&shown.json(), |_| shown.text())
}

async fn propose(change: Change, args: &Proposal, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let submitted = ask_council(&chain, &keys, change).await?;
    let now = consortium(&chain).await?;
    report(&submitted, change, &now, context)
}

async fn quota(account: AccountId, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let chain = connect(node.or_local()).await?;
    let view = chain.view().await.map_err(explain)?;
    let quota = view.quota(account).await.map_err(explain)?;
    let quota = quota.with_context(|| {
        format!("{} does not belong to the consortium and may spend nothing", account::show(&account))
    })?;
    let payer = account::show(&quota.payer);
    let json = json!({
        "account": account::show(&account),
        "payer": payer,
        "quota": quota.quota,
        "left": quota.left,
        "refills": quota.refills,
    });
    context.print(&json, |_| format!("{payer}: {}", quota::describe(&quota)))
}

/// Asks the council for a change.
async fn ask_council(chain: &ChainClient, keys: &KeyPair, change: Change) -> anyhow::Result<Submitted> {
    chain.submit(keys, Call::ProposeChange { change }).await.map_err(explain)
}

async fn vote(args: &Vote, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let motion = find(&consortium(&chain).await?, &args.motion)?;
    let approve = args.choice == Choice::Yes;
    let call = Call::Vote { motion: motion.id, approve };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    let now = consortium(&chain).await?;
    match motion.change {
        Some(change) => report(&submitted, change, &now, context),
        None => context.print(&submitted_json(&submitted), |_| {
            format!("the vote is final in block {}", submitted.block)
        }),
    }
}

/// The one open motion whose id begins so.
fn find(consortium: &Consortium, id: &str) -> anyhow::Result<Motion> {
    let digits = id.strip_prefix("0x").unwrap_or(id).to_lowercase();
    let begins = |motion: &&Motion| motion.id.to_string().trim_start_matches("0x").starts_with(&digits);
    let mut found = consortium.motions.iter().filter(begins);
    let first = found
        .next()
        .with_context(|| format!("there is no open motion {id}: `streembit consortium show` lists them"))?;
    if digits.is_empty() || found.next().is_some() {
        bail!("{id:?} is the beginning of several motions: give more of it");
    }
    Ok(first.clone())
}

async fn leave(as_party: bool, key: &KeyArg, node: &NodeArg, context: &Context) -> anyhow::Result<()> {
    let keys = key.open(context)?;
    let chain = connect(node.or_local()).await?;
    let call = if as_party { Call::LeaveConsortium } else { Call::LeaveValidators };
    let submitted = chain.submit(&keys, call).await.map_err(explain)?;
    context.print(&submitted_json(&submitted), |_| {
        let left = if as_party { "the consortium" } else { "the validators" };
        format!(
            "left {left}, final in block {}\nA node that validated goes on until `streembit consortium show` does not \
             list it any more.",
            submitted.block
        )
    })
}

/// Parties, council, validators and motions, as finalized.
async fn consortium(chain: &ChainClient) -> anyhow::Result<Consortium> {
    chain.view().await.map_err(explain)?.consortium().await.map_err(explain)
}

/// What became of a change that was proposed or voted on.
fn report(submitted: &Submitted, change: Change, now: &Consortium, context: &Context) -> anyhow::Result<()> {
    let motion = now.motions.iter().find(|motion| motion.change == Some(change));
    let decided = motion.is_none();
    let mut json = submitted_json(submitted);
    if let Some(json) = json.as_object_mut() {
        json.insert("change".into(), json!(change));
        json.insert("decided".into(), decided.into());
        json.insert("motion".into(), json!(motion));
    }
    context.print(&json, |_| match motion {
        None => {
            let (change, next) = (view::change(&change), next(change));
            format!("{change}: decided, final in block {}{next}", submitted.block)
        }
        Some(motion) => format!(
            "{}: asked, final in block {}; {} of {} votes\n\nNext, members of the council:\n  \
             streembit consortium vote {} yes --key MEMBER.key",
            view::change(&change),
            submitted.block,
            motion.ayes.len(),
            motion.needed,
            view::short(motion)
        ),
    })
}

/// What is still to be done for a change that the council has decided on.
fn next(change: Change) -> &'static str {
    match change {
        Change::Upgrade { .. } => {
            "\n\nNext, anyone who belongs, unless the council was against it:\n  \
             streembit consortium apply-upgrade FILE --key KEY"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Hash;

    fn motion(first: u8) -> Motion {
        let id = Hash([first; 32]);
        Motion { id, change: None, ayes: vec![], nays: vec![], needed: 2, until: 9 }
    }

    #[test]
    fn a_motion_is_found_by_the_beginning_of_its_id() {
        let mut consortium = Consortium::default();
        assert!(find(&consortium, "ab").unwrap_err().to_string().contains("no open motion"));
        consortium.motions = vec![motion(0xab), motion(0xac)];
        for id in ["ab", "0xab", "0xABAB"] {
            assert_eq!(find(&consortium, id).unwrap().id, Hash([0xab; 32]));
        }
        for id in ["a", "0x", ""] {
            assert!(find(&consortium, id).unwrap_err().to_string().contains("several"), "{id}");
        }
    }
}
