//! A successor chain: it continues from the last finalized state of a chain whose validators are lost, with new
//! validators.

mod file;
#[cfg(test)]
mod tests;

pub use file::Successor;

use crate::{
    error::SpecError,
    spec::{live_chain, ChainSpec},
};
use sc_service::ChainSpec as _;
use sp_core::storage::{well_known_keys::CODE, Storage};
use sp_runtime::BuildStorage as _;
use sp_state_machine::BasicExternalities;
use streembit_runtime::{
    refounding::{is_carried_over, is_of_session_keys, prepare_successor_state},
    RuntimeGenesisConfig,
};

/// A commented successor file. It is complete, but its accounts and keys are examples.
pub const TEMPLATE: &str = include_str!("template.toml");

impl Successor {
    /// Returns the spec of the successor chain. `state` is the last finalized state of the chain with the spec `old`.
    ///
    /// The result depends only on the file and the state, so that everyone who has both can verify it.
    pub fn spec(&self, old: &dyn sc_service::ChainSpec, state: Storage) -> Result<ChainSpec, SpecError> {
        if old.id() == self.id {
            return Err(SpecError::Successor(format!(
                "`id` is {:?}, the id of the old chain: the new chain needs another id for its folders and protocols",
                self.id
            )));
        }
        let code = state.top.get(CODE).cloned();
        let code = code.ok_or_else(|| SpecError::Successor("the state contains no runtime".into()))?;
        let storage = self.genesis_storage(state)?;
        let mut spec = live_chain(&code, &self.name, &self.id, &self.bootnodes).build();
        spec.set_storage(storage);
        Ok(spec)
    }

    /// Returns the genesis state: the new validators, and the entries carried over from the old state.
    fn genesis_storage(&self, mut old: Storage) -> Result<Storage, SpecError> {
        if !old.children_default.is_empty() {
            return Err(SpecError::Successor(
                "the state has child tries, which no Streembit chain has".into(),
            ));
        }
        let founding =
            BasicExternalities::execute_with_storage(&mut old, || prepare_successor_state(&self.validators));
        let founding = founding.map_err(|refusal| SpecError::Successor(refusal.to_string()))?;
        let genesis = RuntimeGenesisConfig::from(founding).build_storage().map_err(SpecError::Successor)?;
        let mut new = Storage::default();
        new.top.extend(old.top.into_iter().filter(|(key, _)| is_carried_over(key)));
        // The session keys are the only carried-over entries that the genesis may replace.
        let is_from_genesis = |key: &Vec<u8>| !is_carried_over(key) || is_of_session_keys(key);
        new.top.extend(genesis.top.into_iter().filter(|(key, _)| is_from_genesis(key)));
        Ok(new)
    }
}
