//! The founding of a consortium: a TOML file becomes a chain spec, or a list of what is wrong with it, each with its line.

mod file;
mod mistakes;
pub mod successor;
#[cfg(test)]
mod tests;

pub use mistakes::{Mistake, Mistakes};

use crate::{properties, ChainSpec, SpecError, PROTOCOL_ID};
use sc_service::ChainType;
use std::path::Path;
use streembit_runtime::genesis::Founding;

/// A commented file, complete but for its accounts and keys, which are the well-known ones of development chains.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A consortium that can be founded.
#[derive(Clone, Debug)]
pub struct Consortium {
    name: String,
    id: String,
    bootnodes: Vec<sc_service::config::MultiaddrWithPeerId>,
    founding: Founding,
}

impl Consortium {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SpecError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        Self::parse(&text).map_err(|mistakes| SpecError::Mistaken { path: path.to_owned(), mistakes })
    }

    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        file::parse(text)
    }

    /// The spec of its chain, on a runtime: this build's, or one that is founded by the same things.
    pub fn spec(&self, runtime: &[u8]) -> Result<ChainSpec, SpecError> {
        let genesis = streembit_runtime::RuntimeGenesisConfig::from(self.founding.clone());
        let genesis = serde_json::to_value(genesis).map_err(|error| SpecError::Genesis(error.to_string()))?;
        Ok(ChainSpec::builder(runtime, None)
            .with_name(&self.name)
            .with_id(&self.id)
            .with_chain_type(ChainType::Live)
            // Chains of other consortia have other names for their protocols, and another genesis.
            .with_protocol_id(&format!("{PROTOCOL_ID}-{}", self.id))
            .with_boot_nodes(self.bootnodes.clone())
            .with_properties(properties())
            .with_genesis_config(genesis)
            .build())
    }
}
