//! The Streembit gateway: reads sensors, signs what it reads, keeps it in a log that nobody can rewrite unnoticed, has
//! the log anchored on the chain, and serves the events to whom a contract grants them. With it the command line.
//!
//! Each module has its own error type and knows of its neighbours only their public functions. The way of an event:
//! `adapters` or `api` -> `ingest` (verify, order, admit) -> `log` -> `anchor` (chain) and `delivery` (other parties).

pub mod account;
pub mod adapters;
pub mod anchor;
pub mod api;
pub mod audit;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contracts;
pub mod daemon;
pub mod delivery;
pub mod evidence;
pub mod files;
pub mod ingest;
pub mod keystore;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod simulate;
pub mod status;
