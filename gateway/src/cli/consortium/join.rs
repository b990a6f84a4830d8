//! Joining the validators, and changing a validator's keys: from the keys to the first session with them.

use super::{ask_council, connect, consortium, view};
use crate::{
    cli::{Context, KeyArg, NodeArg},
    remedies::explain,
};
use anyhow::bail;
use serde_json::json;
use std::{io::IsTerminal as _, time::Duration};
use streembit_chain::ChainClient;
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{
    consortium::{Change, Consortium, SessionKeys, Validator, ValidatorState},
    AccountId,
};

/// `consortium join` and `consortium rotate-keys`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The account that validates: a party's key, or a gateway's (the `gateway.key` in its folder).
    #[command(flatten)]
    key: KeyArg,
    /// The validator's own node, whose keystore the session keys stay in; run with --validator.
    #[command(flatten)]
    node: NodeArg,
    /// Return as soon as the chain has the keys and the council is asked.
    #[arg(long)]
    no_wait: bool,
}

/// Makes the node a validator.
pub async fn join(args: &Args, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let progress = StepLog::new(context);
    let account = keys.account();
    let before = consortium(&chain).await?;
    let decided = validator(&before, account).is_some_and(|found| found.state != ValidatorState::Leaving);
    if decided {
        bail!(
            "{} is a validator already; `streembit consortium rotate-keys` gives it new keys",
            account::show(&account)
        );
    }
    let session_keys = new_keys(&chain, &keys, &progress).await?;
    let change = Change::AddValidator(account);
    if !before.motions.iter().any(|motion| motion.change == Some(change)) {
        ask_council(&chain, &keys, change).await?;
        progress.say("the council is asked");
    }
    finish(&chain, account, session_keys, args, &progress, context).await
}

/// Gives a validator new keys.
pub async fn rotate(args: &Args, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.open(context)?;
    let chain = connect(args.node.or_local()).await?;
    let progress = StepLog::new(context);
    if validator(&consortium(&chain).await?, keys.account()).is_none() {
        bail!(
            "{} is not a validator: `streembit consortium join` makes it one",
            account::show(&keys.account())
        );
    }
    let session_keys = new_keys(&chain, &keys, &progress).await?;
    finish(&chain, keys.account(), session_keys, args, &progress, context).await
}

async fn new_keys(chain: &ChainClient, keys: &KeyPair, progress: &StepLog) -> anyhow::Result<SessionKeys> {
    if !chain.node_is_validator().await.map_err(explain)? {
        bail!(
            "the node at {} is not run as a validator and would make no blocks: start it with --validator",
            chain.node()
        );
    }
    let made = chain.set_new_session_keys(keys).await.map_err(explain)?;
    progress.say("the node has new session keys, and the chain knows them");
    Ok(made)
}

/// Waits until the keys are in force, and says so.
async fn finish(
    chain: &ChainClient,
    account: AccountId,
    keys: SessionKeys,
    args: &Args,
    progress: &StepLog,
    context: &Context,
) -> anyhow::Result<()> {
    let mut now = consortium(chain).await?;
    while !args.no_wait && !in_force(&now, account, keys) {
        progress.say(&waiting(&now, account)?);
        tokio::time::sleep(Duration::from_secs(1)).await;
        now = consortium(chain).await?;
    }
    let active = in_force(&now, account, keys);
    let json = json!({
        "account": account::show(&account),
        "keys": keys,
        "active": active,
        "session": now.session,
        "authority_set": now.authority_set,
    });
    context.print(&json, |_| {
        let account = account::show(&account);
        if active {
            format!("{account} makes blocks with its new keys, since session {}", now.session)
        } else {
            format!("{account} has its keys on the chain; `streembit consortium show` says when they are in force")
        }
    })
}

fn validator(consortium: &Consortium, account: AccountId) -> Option<&Validator> {
    consortium.validators.iter().find(|validator| validator.account == account)
}

fn in_force(consortium: &Consortium, account: AccountId, keys: SessionKeys) -> bool {
    validator(consortium, account)
        .is_some_and(|found| found.state == ValidatorState::Active && found.keys == keys)
}

/// What is waited for; an error where it cannot come any more.
fn waiting(consortium: &Consortium, account: AccountId) -> anyhow::Result<String> {
    let change = Change::AddValidator(account);
    if validator(consortium, account).is_some() {
        return Ok("decided; the next sessions put it into force".into());
    }
    match consortium.motions.iter().find(|motion| motion.change == Some(change)) {
        Some(motion) => Ok(format!(
            "waits for the council: {} of {} votes on motion {}",
            motion.ayes.len(),
            motion.needed,
            view::short(motion)
        )),
        None => bail!(
            "the council has closed the motion, and {} is not a validator: ask its members why, then join again",
            account::show(&account)
        ),
    }
}

/// Says on a terminal how far it is, each thing once.
struct StepLog {
    shown: bool,
    last: std::cell::RefCell<String>,
}

impl StepLog {
    fn new(context: &Context) -> Self {
        Self { shown: !context.json && std::io::stderr().is_terminal(), last: Default::default() }
    }

    fn say(&self, text: &str) {
        if self.shown && *self.last.borrow() != text {
            eprintln!("{text}");
            *self.last.borrow_mut() = text.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        consortium::{Motion, SessionKey},
        Hash,
    };

    #[test]
    fn it_is_said_what_is_waited_for_and_when_there_is_nothing_to_wait_for() {
        let account = AccountId([7; 32]);
        let keys = SessionKeys { aura: SessionKey([1; 32]), grandpa: SessionKey([2; 32]) };
        let mut now = Consortium::default();
        assert!(waiting(&now, account).unwrap_err().to_string().contains("closed the motion"));
        now.motions = vec![Motion {
            id: Hash([0xcd; 32]),
            change: Some(Change::AddValidator(account)),
            ayes: vec![AccountId([1; 32])],
            nays: vec![],
            needed: 2,
            until: 9,
        }];
        assert!(waiting(&now, account).unwrap().contains("1 of 2 votes on motion 0xcdcdcdcd"));
        let joining = Validator { account, party: None, state: ValidatorState::Joining, keys };
        now.validators = vec![joining];
        assert!(waiting(&now, account).unwrap().contains("next sessions"));
        assert!(!in_force(&now, account, keys));
        now.validators[0].state = ValidatorState::Active;
        assert!(in_force(&now, account, keys));
        let other = SessionKeys { aura: SessionKey([9; 32]), ..keys };
        assert!(!in_force(&now, account, other));
    }
}
