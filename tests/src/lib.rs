//! End-to-end tests of Streembit, the demo, the benchmarks and the crash campaign. Everything runs on real processes,
//! which talk to each other over loopback.
//!
//! - [`fixtures`]: nodes, gateways, devices and faults, for all of the following;
//! - [`bench`](mod@bench): the measurements of `docs/benchmarks.md`;
//! - [`crash`]: the crash campaign;
//! - [`fuzz_seeds`]: valid inputs for the fuzz targets.
//!
//! The tests are in `tests/tests/`, one topic per file. A test calls [`run_test`], which gives it a [`TestEnv`] and
//! prints all logs if it fails. Tests do not sleep for a fixed time: they poll with [`wait_until`], which has a
//! deadline. They need the built binaries (`make test` builds them first) and the third-party programs that
//! `tests/setup` installs.

#![forbid(unsafe_code)]

pub mod bench;
pub mod crash;
pub mod fixtures;
pub mod fuzz_seeds;

pub use fixtures::*;
