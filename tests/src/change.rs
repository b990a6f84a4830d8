//! Changes of the validators in the middle of something else; where nothing becomes final, nobody can wait for them.

use crate::{dev_key, number, text, until, FinalityWatch, Network, Node};
use anyhow::{ensure, Context, Result};
use serde_json::json;
use std::collections::BTreeSet;
use streembit_chain::{Call, ChainClient};
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

    /// Eve's node asks to be a validator, two members of the council agree, and the votes are those of five. `watch` reads her
    /// final blocks too.
    pub fn take_in_eve(&mut self, watch: &FinalityWatch) -> Result<()> {
        self.launch("eve", &["--validator"])?;
        self.node("eve")?.ready()?;
        watch.add(self.node("eve")?);
        self.consortium("eve", "eve", &["join", "--no-wait"])?;
        let motion =
            until("Alice's node has the motion", 60, || text(&self.shown("alice")?, "/motions/0/id"))?;
        for member in ["bob", "charlie"] {
            self.consortium(member, member, &["vote", &motion, "yes"])?;
        }
        self.node("alice")?.is_in_set(1)?;
        let validators = self.node("alice")?.consortium_at(None)?.validators.len();
        ensure!(validators == 5, "{validators} validators");
        Ok(())
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
