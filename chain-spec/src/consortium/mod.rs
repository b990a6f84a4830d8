//! Founding a consortium: the consortium file and the chain spec made from it.

mod accounts;
mod development_keys;
mod file;
#[cfg(test)]
mod tests;

pub use file::Consortium;

use crate::{
    error::SpecError,
    spec::{live_chain, ChainSpec},
};
use streembit_runtime::RuntimeGenesisConfig;

/// A commented consortium file. It is complete, but its accounts and keys are the well-known ones of the presets.
pub const TEMPLATE: &str = include_str!("template.toml");

impl Consortium {
    /// Returns the spec of the consortium's chain on the given Wasm runtime, which may be older than the built-in one
    /// if its genesis has the same fields.
    pub fn spec(&self, runtime: &[u8]) -> Result<ChainSpec, SpecError> {
        let genesis = RuntimeGenesisConfig::from(self.founding.clone());
        let genesis = serde_json::to_value(genesis).map_err(|error| SpecError::Genesis(error.to_string()))?;
        let spec = live_chain(runtime, &self.name, &self.id, &self.bootnodes);
        Ok(spec.with_genesis_config(genesis).build())
    }
}
