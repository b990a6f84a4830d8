//! Changes to sc-cli's arguments: other defaults, and arguments that are hidden.

use clap::Arg;

/// Default values by the name of the argument.
///
/// The defaults of sc-cli are made for servers: a trie cache of 1 GiB, a database cache of 1 GiB, 8 runtime
/// instances, a pool of 8,192 transactions in 20 MiB, requests of 15 MiB, 500 light clients.
///
/// - The state of a permissioned chain of gateways has some megabytes; a cache of 16 MiB holds it.
/// - One runtime instance serves the block and another one the queries.
/// - The pool holds the anchors of a few blocks, and no party takes more than a quarter of it: see [`crate::pool`].
/// - The largest transaction fills a block. Its hexadecimal form fits twice into a request of 4 MiB. Each of the 100
///   RPC connections (`--rpc-max-connections`) can make the node hold one request in memory.
/// - Four light clients can follow the chain. Each connection takes half a MiB of buffers.
/// - RPC serves only safe methods; [`crate::preflight::rpc_access`] says why.
///
/// The pruning defaults of sc-cli are kept. All finalized blocks stay (`--blocks-pruning archive-canonical`), so that
/// a node can serve the whole history to another one. The states of the last 256 blocks stay, enough to prove from a
/// recent anchor.
pub(super) const DEFAULTS: [(&str, &str); 8] = [
    ("trie_cache_size", "16777216"),
    ("database_cache_size", "16"),
    ("max_runtime_instances", "2"),
    ("pool_limit", "512"),
    ("pool_kbytes", "4096"),
    ("rpc_max_request_size", "4"),
    ("in_peers_light", "4"),
    ("rpc_methods", "safe"),
];

/// Arguments of sc-cli that have no effect on this node. The first two are `--offchain-worker` and
/// `--enable-offchain-indexing`.
pub(super) const HIDDEN_ARGUMENTS: [&str; 8] = [
    "enabled",
    "indexing_enabled",
    "network_backend",
    "no_mdns",
    "force_enable_webrtc",
    "ipfs_server",
    "ipfs_bootnodes",
    "unsafe_force_node_key_generation",
];

/// The log filters without `--log`. They hide the lines for every block and for every five seconds, which wear out
/// the SD card and bury what matters. [`crate::status_log`] writes the same information once a minute.
pub(super) const LOG_FILTERS: [&str; 3] = ["aura=warn", "sc_basic_authorship=warn", "substrate=warn"];

/// Applies the changes to an argument.
pub(super) fn adjust_argument(argument: Arg) -> Arg {
    let id = argument.get_id().as_str().to_owned();
    if HIDDEN_ARGUMENTS.contains(&id.as_str()) {
        return argument.hide(true);
    }
    if id == "listen_addr" {
        return argument.help(
            "Listen on this multiaddress [default: 127.0.0.1 and --port]. To accept connections from other machines: \
             `--listen-addr /ip4/0.0.0.0/tcp/30333`",
        );
    }
    match DEFAULTS.iter().find(|(name, _)| *name == id) {
        Some((_, value)) => argument.default_value(*value),
        None => argument,
    }
}
