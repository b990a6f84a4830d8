//! The checks before a node starts: its folders, the RPC listeners, and the addresses of the network.

pub mod folders;
pub mod listen_addresses;
pub mod rpc_access;
