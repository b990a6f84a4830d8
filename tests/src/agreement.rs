//! Contracts made straight on the chain, for tests that need one but are not about making it.

use crate::Home;
use anyhow::{Context, Result};
use std::time::SystemTime;
use streembit_chain::{Call, ChainClient};
use streembit_keystore::KeyPair;
use streembit_primitives::{
    contract::{AccessClause, Clause, Contract, ContractId},
    DeviceId, Hash, Text,
};

impl Home<'_> {
    /// A client of this home's chain.
    pub fn chain(&self) -> Result<ChainClient> {
        Ok(self.scene.block_on(ChainClient::connect(self.node.connection()?))?)
    }

    /// Alice lets a party read all of a device until a moment, in milliseconds since 1970-01-01 UTC; both sign.
    pub fn grant(&self, party: &str, device: DeviceId, until: u64) -> Result<ContractId> {
        let chain = self.chain()?;
        let (owner, grantee) = (dev_key("alice")?, dev_key(party)?);
        let access = AccessClause { device, grantee: grantee.account(), names: Default::default(), until };
        let contract = Contract {
            title: Text::try_from("access")?,
            nonce: Hash(rand::random()),
            parties: vec![owner.account(), grantee.account()].try_into().ok().context("two parties")?,
            devices: vec![device].try_into().ok().context("one device")?,
            clauses: vec![Clause::Access(access)].try_into().ok().context("one clause")?,
        };
        let id = contract.id(&chain.genesis());
        self.scene.block_on(async {
            chain.submit(&owner, Call::Propose { contract }).await?;
            chain.submit(&grantee, Call::Accept { id }).await
        })?;
        Ok(id)
    }
}

/// The key of one of the dev chain's well-known accounts.
pub fn dev_key(name: &str) -> Result<KeyPair> {
    KeyPair::from_dev_name(name).with_context(|| format!("{name} is no account of dev chains"))
}

/// Now, in milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?)
}
