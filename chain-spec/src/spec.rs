//! The settings that all Streembit chain specs share.

use sc_chain_spec::ChainSpecBuilder;
use sc_service::{config::MultiaddrWithPeerId, ChainType, GenericChainSpec, NoExtension, Properties};

/// The spec of a Streembit chain.
pub type ChainSpec = GenericChainSpec<NoExtension>;

/// The prefix of the network protocols' names. It keeps nodes of other Substrate chains from connecting.
pub(crate) const PROTOCOL_ID: &str = "streembit";

/// The prefix of the presets' ids.
pub(crate) const PRESET_ID_PREFIX: &str = "streembit_";

/// The address format (SS58 prefix) of accounts: the generic one.
pub(crate) const SS58_PREFIX: u16 = 42;

/// Starts the spec of a production chain on the given runtime. The chain's id is part of its protocols' names.
pub(crate) fn live_chain(
    runtime: &[u8],
    name: &str,
    id: &str,
    bootnodes: &[MultiaddrWithPeerId],
) -> ChainSpecBuilder<NoExtension> {
    ChainSpec::builder(runtime, None)
        .with_name(name)
        .with_id(id)
        .with_chain_type(ChainType::Live)
        .with_protocol_id(&format!("{PROTOCOL_ID}-{id}"))
        .with_boot_nodes(bootnodes.to_vec())
        .with_properties(properties())
}

/// The properties that wallets read. There is no token: the chain has neither balances nor fees. Without these entries
/// wallets would show amounts of "Unit" with 12 decimals. Symbol and decimals are those in the hash of the metadata
/// (`runtime/build.rs`), which wallets compute from the properties.
pub(crate) fn properties() -> Properties {
    Properties::from_iter([
        ("ss58Format".into(), SS58_PREFIX.into()),
        ("tokenSymbol".into(), "NONE".into()),
        ("tokenDecimals".into(), 0.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_are_told_that_there_is_no_token() {
        let properties = serde_json::to_value(properties()).unwrap();
        let expected = serde_json::json!({ "ss58Format": 42, "tokenSymbol": "NONE", "tokenDecimals": 0 });
        assert_eq!(properties, expected);
    }
}
