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

/// The properties that wallets read. There is no token: the chain has neither balances nor fees.
pub(crate) fn properties() -> Properties {
    Properties::from_iter([("ss58Format".into(), SS58_PREFIX.into())])
}
