//! The subcommands that need no running node. The commands on keys are in [`crate::keys`].

pub mod chain_spec;
mod output;
pub mod refound;
pub mod runtime;
pub mod session_keys;
