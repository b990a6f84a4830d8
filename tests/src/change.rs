//! Changes of the validators where nothing becomes final: nobody can wait for them.

use crate::{dev_key, number, until, Network, Node};
use anyhow::{ensure, Context, Result};
use serde_json::json;
use std::collections::BTreeSet;
use streembit::chain::{Call, ChainClient};
use streembit_primitives::{
    consortium::{Change, Consortium},
    AccountId,
};

impl Network<'_> {
    /// Two members of the council remove a validator, and their nodes' best blocks have it in force. Nothing of it is final.
    pub fn vote_out(&mut self, validator: &str, [asks, agrees]: [&str; 2]) -> Result<()> {
        let validator = dev_key(validator)?.account();
        let change = Change::RemoveValidator(validator);
        let before = accounts(&self.node(asks)?.consortium_at(None)?).len();
        self.submit(asks, Call::ProposeChange { change })?;
        let motion = until("the council is asked", 60, || {
            let now = self.node(agrees)?.consortium_at(None)?;
            let motion = now.motions.iter().find(|motion| motion.change == Some(change));
            motion.map(|motion| motion.id).context("no motion")
        })?;
        self.submit(agrees, Call::Vote { motion, approve: true })?;
        until("the best block has a validator less", 90, || {
            let now = accounts(&self.node(asks)?.consortium_at(None)?);
            ensure!(now.len() + 1 == before && !now.contains(&validator), "{now:?}");
            Ok(())
        })
    }

    /// Sends a call to one's own node and does not wait.
    fn submit(&mut self, by: &str, call: Call) -> Result<()> {
        let (connection, key) = (self.node(by)?.connection()?, dev_key(by)?);
        let chain = self.scene.block_on(ChainClient::connect(connection))?;
        // What becomes of it later is the chain's: it may be lost with its fork, or be made again on the other one.
        self.scene.handle().spawn(async move { chain.submit(&key, call).await });
        Ok(())
    }
}

impl Node {
    /// Waits until its votes are those of this set of voters.
    pub fn is_in_set(&self, set: u64) -> Result<()> {
        until(&format!("{} is in set {set}", self.name()), 120, || {
            let round = self.rpc("grandpa_roundState", json!([]))?;
            ensure!(number(&round, "/setId")? == set, "{round}");
            Ok(())
        })
    }
}

/// The validators' accounts.
pub fn accounts(consortium: &Consortium) -> BTreeSet<AccountId> {
    consortium.validators.iter().map(|validator| validator.account).collect()
}
