//! Joining the validators, and rotating a validator's session keys.

use super::{
    council::{self, consortium},
    view,
};
use crate::{
    cli::{
        common::{connect, Context, KeyArg, NodeArg},
        output,
    },
    remedies::explain,
};
use anyhow::bail;
use serde_json::json;
use std::time::Duration;
use streembit_chain::{ChainClient, ChainError, Signer};
use streembit_keystore::account;
use streembit_primitives::{
    consortium::{Change, Consortium, SessionKeys, Validator, ValidatorState},
    AccountId,
};

/// The arguments of `consortium join` and `consortium rotate-keys`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
    /// Return after the keys are registered and the council is asked, without waiting for the keys to be in use.
    #[arg(long)]
    no_wait: bool,
}

/// Runs `consortium join`.
pub async fn join(args: &Args, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let mut steps = StepLog::new(context);
    let account = keys.account();
    let before = consortium(&chain).await?;
    let is_validator =
        validator(&before, account).is_some_and(|found| found.state != ValidatorState::Leaving);
    if is_validator {
        bail!(
            "{} is already a validator: use `streembit consortium rotate-keys` to give it new keys",
            account::show(&account)
        );
    }
    let session_keys = create_session_keys(&chain, &keys, &mut steps).await?;
    let change = Change::AddValidator(account);
    if !before.motions.iter().any(|motion| motion.change == Some(change)) {
        council::propose(&chain, &keys, change).await?;
        steps.log("asked the council to add the validator");
    }
    wait_until_active(&chain, account, session_keys, args, steps, context).await
}

/// Runs `consortium rotate-keys`.
pub async fn rotate(args: &Args, context: &Context) -> anyhow::Result<()> {
    let keys = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let mut steps = StepLog::new(context);
    if validator(&consortium(&chain).await?, keys.account()).is_none() {
        bail!("{} is not a validator: use `streembit consortium join` first", account::show(&keys.account()));
    }
    let session_keys = create_session_keys(&chain, &keys, &mut steps).await?;
    wait_until_active(&chain, keys.account(), session_keys, args, steps, context).await
}

/// Creates session keys in the node and registers them on the chain.
async fn create_session_keys(
    chain: &ChainClient,
    signer: &Signer,
    steps: &mut StepLog,
) -> anyhow::Result<SessionKeys> {
    if !chain.node_is_validator().await.map_err(explain)? {
        bail!(
            "the node at {} does not run as a validator, so it would make no blocks: start it with --validator",
            chain.node()
        );
    }
    ensure_may_submit(chain, signer.account()).await?;
    let created =
        chain.set_new_session_keys(signer).await.map_err(|error| explain_refused_rpc(chain, error))?;
    steps.log("created session keys in the node and registered them on the chain");
    Ok(created)
}

/// Returns an error if the chain would refuse to register keys, before the node makes any.
async fn ensure_may_submit(chain: &ChainClient, account: AccountId) -> anyhow::Result<()> {
    let view = chain.view().await.map_err(explain)?;
    match view.role(account).await.map_err(explain)? {
        Some(_) => Ok(()),
        None => Err(explain(ChainError::NotPermitted { account })),
    }
}

/// Adds the option that the node needs if it does not let this command make keys.
fn explain_refused_rpc(chain: &ChainClient, error: ChainError) -> anyhow::Error {
    match &error {
        ChainError::RequestFailed { message, .. } if message.contains("unsafe") => {
            anyhow::anyhow!("{}", needs_admin_port(chain.node()))
        }
        _ => explain(error),
    }
}

fn needs_admin_port(node: &str) -> String {
    format!(
        "the node at {node} makes no keys for callers of its RPC. What to do: start it with --rpc-admin-port 9945, and run \
         this command on the same machine with --node ws://127.0.0.1:9945"
    )
}

/// Waits until the session keys are in use, and prints the result. With `--no-wait`, prints it at once.
async fn wait_until_active(
    chain: &ChainClient,
    account: AccountId,
    keys: SessionKeys,
    args: &Args,
    mut steps: StepLog,
    context: &Context,
) -> anyhow::Result<()> {
    let mut now = consortium(chain).await?;
    while !args.no_wait && !is_active(&now, account, keys) {
        steps.log(&pending_step(&now, account)?);
        tokio::time::sleep(Duration::from_secs(1)).await;
        now = consortium(chain).await?;
    }
    let active = is_active(&now, account, keys);
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
            format!("{account} has made blocks with its new keys since session {}", now.session)
        } else {
            format!(
                "the keys of {account} are registered; `streembit consortium show` lists it as active once it uses them"
            )
        }
    })
}

fn validator(consortium: &Consortium, account: AccountId) -> Option<&Validator> {
    consortium.validators.iter().find(|validator| validator.account == account)
}

fn is_active(consortium: &Consortium, account: AccountId, keys: SessionKeys) -> bool {
    validator(consortium, account)
        .is_some_and(|found| found.state == ValidatorState::Active && found.keys == keys)
}

/// Describes the step that the validator waits for. Returns an error if the council decided against it.
fn pending_step(consortium: &Consortium, account: AccountId) -> anyhow::Result<String> {
    let change = Change::AddValidator(account);
    if validator(consortium, account).is_some() {
        return Ok("waiting for the next sessions, which activate the keys".into());
    }
    match consortium.motions.iter().find(|motion| motion.change == Some(change)) {
        Some(motion) => Ok(format!(
            "waiting for the council: {} of {} votes on motion {}",
            motion.ayes.len(),
            motion.needed,
            view::short(motion)
        )),
        None => bail!(
            "the council closed the motion without making {} a validator: ask its members why, then join again",
            account::show(&account)
        ),
    }
}

/// Logs the steps of a command on standard error, also into a file, but not with `--json`. Skips repeated steps.
struct StepLog {
    enabled: bool,
    last: String,
}

impl StepLog {
    fn new(context: &Context) -> Self {
        Self { enabled: !context.json, last: String::new() }
    }

    fn log(&mut self, step: &str) {
        if self.enabled && self.last != step {
            output::note_text(step);
            self.last = step.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        consortium::{Motion, SessionKey},
        Hash, PartyId,
    };

    #[test]
    fn a_node_that_makes_no_keys_is_explained_with_its_option() {
        let text = needs_admin_port("ws://127.0.0.1:9944");
        for part in ["ws://127.0.0.1:9944", "--rpc-admin-port 9945", "--node ws://127.0.0.1:9945"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_pending_step_is_described_and_a_closed_motion_is_an_error() {
        let account = AccountId([7; 32]);
        let keys = SessionKeys { aura: SessionKey([1; 32]), grandpa: SessionKey([2; 32]) };
        let mut now = Consortium::default();
        assert!(pending_step(&now, account).unwrap_err().to_string().contains("closed the motion"));
        now.motions = vec![Motion {
            id: Hash([0xcd; 32]),
            change: Some(Change::AddValidator(account)),
            members: None,
            ayes: vec![PartyId([1; 32])],
            nays: vec![],
            needed: 2,
            until: 9,
        }];
        assert!(pending_step(&now, account).unwrap().contains("1 of 2 votes on motion 0xcdcdcdcd"));
        let joining = Validator { account, party: None, state: ValidatorState::Joining, keys };
        now.validators = vec![joining];
        assert!(pending_step(&now, account).unwrap().contains("next sessions"));
        assert!(!is_active(&now, account, keys));
        now.validators[0].state = ValidatorState::Active;
        assert!(is_active(&now, account, keys));
        let other = SessionKeys { aura: SessionKey([9; 32]), ..keys };
        assert!(!is_active(&now, account, other));
    }
}
